"""Boost factor: how much galaxies of the cluster itself dilute a shear measurement."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._core import profile as core
from ..errors import ParameterError
from ..units import as_float_array
from .base import Array, parameter, per_profile

_KIND = core.KINDS["nfw"]
_QUANTITY = core.QUANTITIES["surface_density"]


def boost_factor(R: Any, b0: Any, scale: Any) -> Any:
    """Boost factor ``B(R) = 1 + b0 (1 - F(x)) / (x^2 - 1)``, x = R / scale.

    Parameters
    ----------
    R : float or (m,), physical Mpc, > 0
        Projected radius.
    b0 : float or (n,), finite
        Amplitude.
    scale : float or (n,), physical Mpc, > 0
        Scale radius of the members.

    Returns
    -------
    float or ndarray
        The shape of R, or (n, m): what a measured profile is to be multiplied by, or a model
        divided by.

    Raises
    ------
    ParameterError
        A value out of range.

    Notes
    -----
    McClintock et al. (2019): members that are spread as an NFW halo. F is
    ``arctan(sqrt(x^2 - 1)) / sqrt(x^2 - 1)``, artanh below x = 1; B(x = 1) = 1 + b0 / 3. To
    1e-13, x = 1 included: the projected NFW profile of the core.

    Examples
    --------
    >>> from clmassmod.profiles.boost import boost_factor
    >>> print(f"{boost_factor(0.5, 0.3, 0.5):.6f}")
    1.100000
    """
    radius = as_float_array(R, "Mpc", "R")
    b, r_s = parameter(b0, "", "b0", -np.inf), parameter(scale, "Mpc", "scale", 0.0)
    if radius.ndim > 1 or not (np.isfinite(radius) & (radius > 0.0)).all():
        raise ParameterError("R", R, "finite and > 0 Mpc, a number or (m,)")
    shape = np.broadcast_shapes(b.shape, r_s.shape)
    n = max(b.size, r_s.size)
    columns = (per_profile(np.atleast_1d(a), n) for a in (b, r_s))
    values = boost_factors(np.ascontiguousarray(radius).reshape(1, -1), *columns)
    return values.reshape(shape + radius.shape)[()]


def boost_factors(radius: Array, b0: Array, scale: Array) -> Array:
    """Return B, (n, m), at `radius` (1, m) for amplitudes and scales (n,), unchecked."""
    # Sigma of an NFW halo is 2 rho_s r_s (1 - F) / (x^2 - 1)
    scale = np.ascontiguousarray(scale)
    density = 0.5 * b0 / scale
    out = np.empty((density.size, radius.shape[1]))
    core.evaluate(_KIND, _QUANTITY, radius, density, scale, None, None, None, None, None, out, 1)
    return 1.0 + out
