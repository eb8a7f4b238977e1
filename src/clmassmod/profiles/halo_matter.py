"""A halo and its surroundings, whichever is denser."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._checks import checked_threads
from .._core.lensing import lensing
from .._core.profile import QUANTITIES
from ..errors import ParameterError
from .base import Array, RadialMass
from .composite import Composite
from .lensing import SourceArrays
from .two_halo import TwoHalo

_NAMES = {value: name for name, value in QUANTITIES.items()}
_FIRST_LENSING = QUANTITIES["convergence"]
# where the two densities may cross [Mpc], and the grid on which that is looked for
_CROSSING = np.geomspace(0.02, 60.0, 400)
_PANELS, _ORDER = 2, 16
_MOST_POINTS = 30_000
"""Of the quadrature at once: they stay in the cache."""
_START = np.arange(_PANELS)[:, None] / _PANELS
_GAUSS, _SHARE = np.polynomial.legendre.leggauss(_ORDER)
_NODE = (_START + 0.5 * (_GAUSS + 1.0) / _PANELS).ravel()
_WEIGHT = np.tile(0.5 * _SHARE / _PANELS, _PANELS)


class HaloMatter(RadialMass):
    """The density of a halo, or of its two-halo term where that is greater.

    ``rho(r) = max(rho_halo, rho_two_halo)``, the model of Hayashi & White (2008) that Zu et al.
    (2014) and McClintock et al. (2019) fit. The sum, a `Composite`, counts the matter twice
    where the two meet.

    Parameters
    ----------
    halo : profile
        One halo or n of them.
    around : TwoHalo
        At the same redshift, in the same cosmology.

    Raises
    ------
    ParameterError
        `around` is no `TwoHalo`, or the two differ in redshift, cosmology or number.

    Notes
    -----
    The halo reaches to the first radius between 0.02 and 60 Mpc at which it is not the
    denser, the two-halo term from there on; a halo that stays denser is cut at 60 Mpc. What
    the halo has above the two-halo term is projected by Gauss-Legendre quadrature with 32
    points, to 1e-6 (tested against adaptive quadrature). About 2 us a radius.

    Examples
    --------
    >>> import clmassmod as clm
    >>> from astropy.cosmology import FlatLambdaCDM
    >>> cosmology = FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=2.7255, Ob0=0.045)
    >>> power = clm.LinearPower(cosmology, sigma8=0.8, n_s=0.96)
    >>> halo = clm.NFW(2e14, 5.0, 0.3, mass_def="200m", cosmology=cosmology)
    >>> both = clm.HaloMatter(halo, clm.TwoHalo(2e14, 0.3, power, "200m"))
    >>> bool(both.density(0.5) == halo.density(0.5))
    True
    """

    def __init__(self, halo: RadialMass, around: TwoHalo) -> None:
        if not isinstance(around, TwoHalo):
            raise ParameterError("around", around, "a clm.TwoHalo")
        both = Composite([halo, around])  # checks that they belong together
        self.halo, self.around = halo, around
        self._shape = both.shape
        super().__init__({"halo": halo, "around": around}, both.redshift, both.cosmology)
        self._crossing = self._first_crossing()

    @property
    def shape(self) -> tuple[int, ...]:
        """``()`` for one profile, ``(n,)`` for n of them."""
        return self._shape

    @property
    def crossing_radius(self) -> Any:
        """Radius [Mpc] at which the two densities are equal, scalar or (n,)."""
        return self._crossing[:, 0].copy() if self._shape else float(self._crossing[0, 0])

    def _first_crossing(self) -> Array:
        # above the two-halo term the profile falls to 0 there: an error of r_x counts squared
        radius = _CROSSING[None, :]
        # without bias, or beyond 120 Mpc, the two-halo term is not > 0: the ratio is inf or < 0
        with np.errstate(divide="ignore"):
            ratio = self._value("density", self.halo, radius) / self._value(
                "density", self.around, radius
            )
        above = ~((ratio <= 1.0) & (ratio > 0.0))
        last = np.where(above.all(axis=1), radius.size - 1, np.argmin(above, axis=1))
        last = np.maximum(last, 1)
        row = np.arange(ratio.shape[0])
        with np.errstate(all="ignore"):
            low, high = np.log(ratio[row, last - 1]), np.log(ratio[row, last])
            part = low / (low - high)
        part = np.where(np.isfinite(part), np.clip(part, 0.0, 1.0), 1.0)
        step = np.log(_CROSSING[1] / _CROSSING[0])
        return np.asarray(_CROSSING[last - 1] * np.exp(step * part))[:, None]

    def _value(self, name: str, part: RadialMass, radius: Array) -> Array:
        """Return a quantity of one of the two, (n, m)."""
        n = self._shape[0] if self._shape else 1
        if not part.shape and radius.shape[0] > 1:
            row = np.ascontiguousarray(radius).reshape(1, -1)
            values = part._evaluate(QUANTITIES[name], row, None, 1).reshape(radius.shape)
        else:
            values = part._evaluate(QUANTITIES[name], np.ascontiguousarray(radius), None, 1)
        return np.asarray(np.broadcast_to(values, (n, radius.shape[1])))

    def _evaluate(
        self, quantity: int, radius: Array, sources: SourceArrays | None, n_threads: int
    ) -> Array:
        checked_threads(n_threads)
        name = _NAMES[quantity]
        if name in ("density", "density_slope", "enclosed_mass"):
            return np.ascontiguousarray(self._spherical(name, radius))
        # a few radii at a time: each takes 32 of the density
        step = max(1, _MOST_POINTS // (_NODE.size * self._crossing.shape[0]))
        parts = [
            self._projected(radius[:, i : i + step], name == "surface_density_slope")
            for i in range(0, max(1, radius.shape[1]), step)
        ]
        surface, excess, slope = (
            np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True)
        )
        if quantity >= _FIRST_LENSING:
            assert sources is not None
            shear, convergence, planes, weights, _ = sources
            out = np.empty_like(surface)
            lensing(quantity, surface, excess, shear, convergence, planes, weights, out, n_threads)
            return out
        match name:
            case "surface_density":
                return surface
            case "excess_surface_density":
                return excess
            case "surface_density_slope":
                return slope
            case "mean_surface_density":
                return np.asarray(surface + excess)
        return np.asarray((surface + excess) * (np.pi * radius**2))

    def _spherical(self, name: str, radius: Array) -> Array:
        inside = radius < self._crossing
        halo, around = (self._value(name, part, radius) for part in (self.halo, self.around))
        if name != "enclosed_mass":
            return np.where(inside, halo, around)
        return np.where(inside, halo, around + self._above("enclosed_mass", self._crossing))

    def _above(self, name: str, radius: Array) -> Array:
        """Return what the halo has more of than the two-halo term, (n, m)."""
        return self._value(name, self.halo, radius) - self._value(name, self.around, radius)

    def _projected(self, radius: Array, sloped: bool) -> tuple[Array, Array, Array]:
        """Return Sigma, Delta Sigma and (if asked for) d Sigma/d ln R, (n, m).

        Of what the halo has above the two-halo term, e(r), with r = R cosh u, s = tanh u:
        ``Sigma = 2 int e r du``, ``Delta Sigma = M_e(R) / (pi R^2) - 2 int e r (1 - s)/(1 + s) du``
        and ``d Sigma/d ln R = 2 int (e + de/d ln r) r du``.
        """
        n, m = self._crossing.shape[0], radius.shape[1]
        R = np.broadcast_to(radius, (n, m))
        surface = self._value("surface_density", self.around, radius)
        excess = self._value("excess_surface_density", self.around, radius)
        inner = np.minimum(R, self._crossing)
        excess = excess + self._above("enclosed_mass", inner) / (np.pi * R**2)
        slope = np.zeros((n, m))
        if sloped:
            slope = self._value("surface_density_slope", self.around, radius)
        if np.all(self._crossing <= R):
            return np.ascontiguousarray(surface), np.ascontiguousarray(excess), slope
        end = np.arccosh(np.maximum(self._crossing / R, 1.0))[..., None]
        fall = np.exp(-end * _NODE)  # e^-u
        r = R[..., None] * (0.5 * (fall + 1.0 / fall))
        rows = r.reshape(n, -1)
        above = self._above("density", rows).reshape(r.shape)
        weighted = r * (2.0 * end * _WEIGHT)
        surface = surface + np.einsum("nmk,nmk->nm", above, weighted)
        excess = excess - np.einsum("nmk,nmk,nmk,nmk->nm", above, weighted, fall, fall)
        if sloped:
            bend = self._above("density_slope", rows).reshape(r.shape)
            slope = slope + np.einsum("nmk,nmk->nm", above + bend, weighted)
        return np.ascontiguousarray(surface), np.ascontiguousarray(excess), slope
