"""Elliptical mass: what circles average of it, and its quadrupole."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._checks import checked_threads
from .._core.profile import QUANTITIES
from ..errors import ParameterError
from .base import Array, RadialMass, parameter
from .lensing import SourceArrays

_SMALLEST_RATIO = 0.2
# of a quarter turn, at the middle of equal parts: the integrands are periodic and smooth
_ANGLES = (np.arange(32) + 0.5) * np.pi / 64.0
_AVERAGED = tuple(
    QUANTITIES[name]
    for name in (
        *("surface_density", "mean_surface_density", "excess_surface_density"),
        *("surface_density_slope", "convergence", "tangential_shear"),
    )
)
_MASS_2D = QUANTITIES["enclosed_mass_2d"]
_GAUSS, _WEIGHT = np.polynomial.legendre.leggauss(20)
# ln of radius over R: what is left inside e^-6 (times t^4) and outside e^14 is below 1e-10
_INNER, _OUTER = (-6.0, 3), (14.0, 7)


class Quadrupole(NamedTuple):
    """Amplitudes of cos 2a and sin 2a, a the angle from the major axis [Msun / Mpc^2]."""

    surface_density: Any
    """Sigma = monopole + this cos 2a."""
    tangential: Any
    """Sigma_crit gamma_t = monopole + this cos 2a."""
    cross: Any
    """Sigma_crit gamma_x = this sin 2a."""


class Elliptical(RadialMass):
    """A profile whose surface density is constant on ellipses of one axis ratio.

    ``Sigma(x, y) = Sigma_p(sqrt(q x^2 + y^2 / q))``, with x along the major axis: ellipses
    keep the area, and so the mass, of the circles of `profile`.

    Parameters
    ----------
    profile : profile
        One profile, or n of them.
    axis_ratio : float, between 0.2 and 1
        q, minor over major axis of the projected mass.

    Raises
    ------
    ParameterError
        A ratio out of range; quantities in spheres; reduced shear, magnification and
        ellipticity, whose averages over a circle need the mass at every angle.

    Notes
    -----
    As a profile it gives averages over circles (the monopole): those of Sigma_p and Delta Sigma_p
    at ``R sqrt(q cos^2 a + sin^2 a / q)``, to 1e-10 and the accuracy of `profile`. The
    `quadrupole` follows from the potential (Adhikari et al. 2015):
    with ``I = R^-4 int_0^R Sigma_2 r^3 dr`` and ``J = int_R^inf Sigma_2 dr / r``, its tangential
    part is ``3 I + J - Sigma_2`` and its cross part ``3 I - J``.

    Examples
    --------
    >>> import clmassmod as clm
    >>> halo = clm.Elliptical(clm.NFW(5e14, 4.0, redshift=0.3), 0.6)
    >>> bool(halo.quadrupole(0.5).surface_density > 0.0)
    True
    """

    def __init__(self, profile: RadialMass, axis_ratio: float) -> None:
        if not isinstance(profile, RadialMass):
            raise ParameterError("profile", profile, "a profile, such as clm.NFW(...)")
        q = parameter(axis_ratio, "", "axis_ratio", 0.0)
        if q.ndim or not _SMALLEST_RATIO <= q <= 1.0:
            raise ParameterError("axis_ratio", axis_ratio, f"between {_SMALLEST_RATIO:g} and 1")
        self.profile, self.axis_ratio = profile, float(q)
        cos, sin = np.cos(_ANGLES), np.sin(_ANGLES)
        self._stretch = np.sqrt(self.axis_ratio * cos**2 + sin**2 / self.axis_ratio)
        arguments = {"profile": profile, "axis_ratio": self.axis_ratio}
        super().__init__(arguments, profile.redshift, profile.cosmology)

    @property
    def shape(self) -> tuple[int, ...]:
        """``()`` for one profile, ``(n,)`` for n of them."""
        return self.profile.shape

    def _evaluate(
        self, quantity: int, radius: Array, sources: SourceArrays | None, n_threads: int
    ) -> Array:
        checked_threads(n_threads)
        if quantity == _MASS_2D:
            mean = self._evaluate(QUANTITIES["mean_surface_density"], radius, None, n_threads)
            return np.ascontiguousarray(mean * (np.pi * radius**2))
        if quantity not in _AVERAGED:
            name = next(key for key, value in QUANTITIES.items() if value == quantity)
            hint = "For a weak signal, tangential_shear / (1 - convergence) is close."
            raise ParameterError(name, "of an Elliptical profile", "an average of mass", hint)
        total: Any = 0.0
        for stretch in self._stretch:
            at = np.ascontiguousarray(stretch * radius)
            total = total + self.profile._evaluate(quantity, at, sources, n_threads)
        return np.ascontiguousarray(total / self._stretch.size)

    def quadrupole(self, R: Any, *, n_threads: int = 1) -> Quadrupole:
        """Quadrupole of surface density and shear at R [physical Mpc, > 0].

        Returns
        -------
        Quadrupole
            Arrays of the shape of other methods [Msun / Mpc^2]. Divide `tangential` and
            `cross` by Sigma_crit for shear.

        Notes
        -----
        To 1e-8 (tested). `profile` must fall faster than ``R^-0.5`` in Sigma outside.
        """
        r, rows = self._radii(R)
        parts = np.zeros((3, self.shape[0] if self.shape else 1, rows.shape[1]))
        for angle, stretch in zip(_ANGLES, self._stretch, strict=True):
            at = np.ascontiguousarray(stretch * rows)
            weight = 2.0 * np.cos(2.0 * angle) / self._stretch.size
            parts[0] += weight * self._surface(at, n_threads)
            parts[1] += weight * self._moment(at, *_INNER, 4.0, n_threads)
            parts[2] += weight * self._moment(at, *_OUTER, 0.0, n_threads)
        surface, inner, outer = parts
        values = surface, 3.0 * inner + outer - surface, 3.0 * inner - outer
        return Quadrupole(*(self._shaped(one, r) for one in values))

    def _surface(self, radius: Array, n_threads: int) -> Array:
        return self.profile._evaluate(QUANTITIES["surface_density"], radius, None, n_threads)

    def _moment(
        self, radius: Array, end: float, panels: int, power: float, n_threads: int
    ) -> Array:
        """Integral of ``Sigma(t R) t^power d ln t`` between 0 and `end`, in ln t."""
        total: Any = 0.0
        width = abs(end) / panels
        start = min(end, 0.0) + width * np.arange(panels)
        for low in start:
            for node, weight in zip(_GAUSS, _WEIGHT, strict=True):
                t = float(np.exp(low + 0.5 * width * (node + 1.0)))
                at = np.ascontiguousarray(t * radius)
                share = 0.5 * width * weight * t**power
                total = total + share * self._surface(at, n_threads)
        return np.asarray(total)
