"""Masses and radii at any spherical overdensity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import checked_threads
from .._core import profile as core
from .._core.profile import QUANTITIES
from ..cosmology import MassDef, checked_redshift, resolve_cosmology
from ..errors import NumericalError
from ..units import attach, has_unit
from .base import Array, RadialMass, common_shape, parameter

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

# Radii searched [Mpc], in ln: far outside anything a profile is used for.
_LOG_RADIUS = (math.log(1e-9), math.log(1e6))
# A step of Newton's method below this leaves an error of its square, less than rounding.
_LAST_STEP = 1e-8
_MAX_STEPS = 100


def convert_mass(
    mass: Any,
    concentration: Any,
    redshift: Any,
    from_def: str | MassDef,
    to_def: str | MassDef,
    cosmology: FLRW | None = None,
    *,
    n_threads: int = 1,
) -> tuple[Any, Any]:
    """Return mass and concentration of NFW haloes in another mass definition.

    Parameters
    ----------
    mass : float or (n,), Msun, > 0
        Mass in the definition `from_def`.
    concentration : float or (n,), > 0
        ``R_Delta / r_s`` in the definition `from_def`.
    redshift : float or (n,), >= 0
    from_def, to_def : str or MassDef
        ``"200c"``, ``"500c"``, ``"200m"``, ``"vir"`` or any ``MassDef``.
    cosmology : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``.
    n_threads : int
        0 for all; the result is the same bits for any number.

    Returns
    -------
    mass, concentration : float or (n,)
        In the definition `to_def`; the mass is a Quantity when it was given as one.

    Raises
    ------
    ParameterError
        A parameter outside its range, or shapes that do not broadcast to () or (n,).
    NumericalError
        An element did not converge; the message names its index.

    Notes
    -----
    Newton's method in ln c on ``m(c') / c'^3 = (rho_to / rho_from) m(c) / c^3``, relative
    error below 1e-12 (1e-13 times the conditioning of the NFW mass at small c).

    Examples
    --------
    >>> import clmassmod as clm
    >>> m500, c500 = clm.convert_mass(1e15, 4.0, 0.3, "200c", "500c")
    >>> print(f"{m500:.4e} {c500:.4f}")
    6.9192e+14 2.6067
    """
    checked_threads(n_threads)
    m = parameter(mass, "Msun", "mass", 0.0)
    c = parameter(concentration, "", "concentration", 0.0)
    z = checked_redshift(redshift)
    cosmology = resolve_cosmology(cosmology)
    shape = common_shape(mass=m, concentration=c, redshift=z)
    density = (
        MassDef.from_name(definition).density(z, cosmology) for definition in (from_def, to_def)
    )
    rows = (np.broadcast_to(a, shape).reshape(-1) for a in (m, c, *density))
    m, c, rho_from, rho_to = (np.ascontiguousarray(a) for a in rows)
    mass_out, concentration_out = np.empty(m.size), np.empty(m.size)
    try:
        core.convert(m, c, rho_from, rho_to, mass_out, concentration_out, n_threads)
    except core.ConvergenceError as error:
        i = error.index
        raise NumericalError(
            f"convert_mass did not converge at index {i} "
            f"(mass {m[i]:g}, concentration {c[i]:g}); check the concentration"
        ) from None
    result = mass_out.reshape(shape)[()]
    return (
        attach(result, "Msun") if has_unit(mass) else result,
        concentration_out.reshape(shape)[()],
    )


def solve_radius(profile: RadialMass, mass_def: MassDef) -> Array:
    """Return (n,) radii [Mpc] inside which the mean density of `profile` is that of `mass_def`.

    Newton's method on the logarithm of the mean density as a function of ln r, which falls
    for every profile whose density does; a step that leaves the bracket becomes a bisection.
    """
    n = profile.shape[0] if profile.shape else 1
    density = np.broadcast_to(mass_def.density(profile.redshift, profile.cosmology), (n,))
    target = np.log(4.0 * math.pi / 3.0 * density)

    def excess(s: Array) -> tuple[Array, Array]:
        r = np.exp(s)[:, None]
        mass = profile._evaluate(QUANTITIES["enclosed_mass"], r, None, 1)[:, 0]
        rho = profile._evaluate(QUANTITIES["density"], r, None, 1)[:, 0]
        return np.log(mass) - 3.0 * s - target, 4.0 * math.pi * r[:, 0] ** 3 * rho / mass - 3.0

    low, high = (np.full(n, edge) for edge in _LOG_RADIUS)
    outside = (excess(low)[0] < 0.0) | (excess(high)[0] > 0.0)
    if outside.any():
        index = int(np.argmax(outside))
        raise NumericalError(
            f"profile {index} has no radius with the mean density of {mass_def.name} "
            f"({density[index]:.4g} Msun/Mpc^3)"
        )
    s = np.zeros(n)
    # a profile that has converged rests: its bits do not depend on the others
    done = np.zeros(n, dtype=bool)
    for _ in range(_MAX_STEPS):
        value, slope = excess(s)
        low = np.where(value >= 0.0, s, low)
        high = np.where(value <= 0.0, s, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            proposed = s - value / slope
        inside = (proposed >= low) & (proposed <= high)
        proposed = np.where(inside, proposed, 0.5 * (low + high))
        close = np.abs(proposed - s) < _LAST_STEP
        s = np.where(done, s, proposed)
        done |= close
        if done.all():
            return np.asarray(np.exp(s))
    index = int(np.argmin(done))
    raise NumericalError(f"no overdensity radius found for profile {index} in {_MAX_STEPS} steps")
