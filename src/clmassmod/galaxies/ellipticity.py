"""Shapes of lensed galaxies: complex ellipticities and reduced shear.

``|e| = (a - b) / (a + b)``, the phase twice the position angle of the long axis. The mean of the
lensed ellipticity over galaxies of random directions is g where ``|g| <= 1``, else ``1 / g*``,
whatever the distribution of ``|e| < 1`` (Seitz & Schneider 1997, A&A 318, 687).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]


def lensed_ellipticity(e: Any, kappa: Any, gamma: Any) -> Complex:
    """Return the ellipticity of galaxies as they are seen through a lens.

    Parameters
    ----------
    e : complex or array_like
        Intrinsic ellipticity, ``|e| < 1``.
    kappa : float or array_like
        Convergence, finite.
    gamma : complex or array_like
        Shear, finite. The three broadcast.

    Returns
    -------
    ndarray of complex
        With ``g = gamma / (1 - kappa)``: ``(e + g) / (1 + g* e)`` where ``|g| <= 1``, else
        ``(1 + g e*) / (e* + g*)``: Seitz & Schneider (1997, A&A 318, 687), eq. 3.2. Evaluated
        without the division by 1 - kappa, so that kappa = 1 is a value as any other.

    Examples
    --------
    >>> complex(lensed_ellipticity(0.0, 0.2, 0.08 + 0.0j).round(12))
    (0.1+0j)
    """
    shape, shear = np.asarray(e, dtype=np.complex128), np.asarray(gamma, dtype=np.complex128)
    part = 1.0 - np.asarray(kappa, dtype=np.float64)
    if not np.all(np.abs(shape) < 1.0):
        raise ParameterError("e", float(np.max(np.abs(shape))), "of size below 1")
    if not (np.all(np.isfinite(part)) and np.all(np.isfinite(shear))):
        raise ParameterError("(kappa, gamma)", "values with NaN or inf", "finite")
    weak = np.abs(shear) <= np.abs(part)
    conjugate = np.conj(shape)
    above = np.where(weak, part * shape + shear, part + shear * conjugate)
    below = np.where(weak, part + np.conj(shear) * shape, part * conjugate + np.conj(shear))
    return np.asarray(above / below)


def expected_ellipticity(kappa: Any, gamma: Any) -> Complex:
    """Return the mean of `lensed_ellipticity` over directions: g, or 1 / g* beyond ``|g| = 1``."""
    return lensed_ellipticity(0.0, kappa, gamma)


def magnification(kappa: Any, gamma: Any) -> Array:
    """Return ``1 / |(1 - kappa)^2 - |gamma|^2|``; inf on a critical curve."""
    part = 1.0 - np.asarray(kappa, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / np.abs(part**2 - np.abs(gamma) ** 2))


class IntrinsicShapes:
    """Intrinsic ellipticities: each component normal, cut at ``|e| < 1``.

    Parameters
    ----------
    sd : float
        Standard deviation of a component of the distribution as cut, within [0, 0.45].

    Notes
    -----
    The size of e has the density ``~ e exp(-e^2 / (2 s^2))`` on [0, 1), s such that the variance
    of a component, ``s^2 - q / (2 (1 - q))`` with ``q = exp(-1 / (2 s^2))``, is ``sd^2``.
    """

    def __init__(self, sd: float) -> None:
        if isinstance(sd, bool) or not (math.isfinite(sd) and 0.0 <= sd <= 0.45):
            raise ParameterError("shape_noise", sd, "within [0, 0.45]")
        self.sd = float(sd)
        self._scale = _scale_of(self.sd)

    def draw(self, size: Array, direction: Array) -> Complex:
        """Return ellipticities of two uniform random numbers each."""
        if self.sd == 0.0:
            return np.zeros(np.shape(size), dtype=np.complex128)
        inside = -math.expm1(-0.5 / self._scale**2)
        length = self._scale * np.sqrt(-2.0 * np.log1p(-size * inside))
        return np.asarray(length * np.exp(2j * math.pi * direction))


def _scale_of(sd: float) -> float:
    """Return s of the normal distribution whose cut leaves the standard deviation `sd`."""
    if sd < 0.1:
        return sd  # the cut takes less than 1e-21

    from scipy.optimize import brentq

    def excess(s: float) -> float:
        q = math.exp(-0.5 / s**2)
        return s**2 - 0.5 * q / -math.expm1(-0.5 / s**2) - sd**2

    return float(brentq(excess, sd, 10.0, xtol=1e-15, rtol=1e-14))
