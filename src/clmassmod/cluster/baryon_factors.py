"""Haloes with baryons for fits: factors from a table in place of a halo built for every mass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._core.lensing import lensing
from .._core.profile import QUANTITIES
from ..cosmology import MassDef
from ..profiles.baryonified import Baryonified, BaryonifiedKind
from ..profiles.baryons import CromerGas
from ..profiles.base import RadialMass
from ..profiles.lensing import SourceArrays

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

MASS_RANGE = (1e12, 3e16)
"""M_200c [Msun] of the table; the signal of smaller haloes is far below any error."""
_N_MASSES = 13
_STEP = 0.15
_LN_X = np.arange(math.log(1e-5), math.log(100.0), _STEP)
_REFERENCE_REDSHIFT = 0.3
_SURFACE, _EXCESS = QUANTITIES["surface_density"], QUANTITIES["excess_surface_density"]
_FIRST_LENSING = QUANTITIES["convergence"]
_TAPS = np.arange(-2, 4)
"""Places of the points of the Lagrange polynomial between places 0 and 1."""


@dataclass(frozen=True, eq=False)
class TabulatedKind(BaryonifiedKind):
    """A `BaryonifiedKind` that gives many haloes at the price of haloes without baryons.

    One halo is a `Baryonified`; of many, surface densities are those of haloes without baryons
    times factors from a table, which is made when it is first needed.

    Parameters
    ----------
    kind : class of a profile
        Whose shape depends on mass and concentration alone, `clmassmod.NFW` say.
    baryons : BaryonModel
    rtol : float
        Of the haloes of the table.
    concentrations : (float, float)
        Lowest and highest c_200c of the table, > 0; the same twice for one.
    cosmology : astropy cosmology or None
        For the share of baryons, if `baryons` does not state it.
    parameters : mapping
        Further arguments of the kind.

    Notes
    -----
    In units of M_200c and R_200c a halo with baryons depends on M_200c and c_200c, on no
    redshift. ``ln(Sigma / Sigma_halo)`` and that of Delta Sigma are polynomials of 12th order
    in ln M_200c from 1e12 to 3e16 Msun and of ln c_200c (Chebyshev nodes), at 108 radii from
    1e-5 to 100 R_200c, between which they are interpolated (6 points): within 1e-4 of
    `Baryonified` at 0.01 to 5 Mpc. A mass or concentration beyond the table has the factors
    of its end.
    """

    concentrations: tuple[float, float] = (1.0, 15.0)
    cosmology: FLRW | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, *arguments: Any, **named: Any) -> RadialMass:
        """Return the haloes of these arguments with their baryons."""
        halo = self.kind(*arguments, **named)
        if not halo.shape:
            return Baryonified(halo, self.baryons, rtol=self.rtol)
        return HaloesWithBaryons(halo, self)

    def prepare(self) -> None:
        """Make the table now, so that processes are sent it."""
        _ = self._table

    def factors(self, mass: Array, concentration: Array, x: Array) -> Array:
        """Return Sigma and Delta Sigma over those without baryons, (2, n, m).

        `mass` [Msun] and `concentration`, (n,) each, are M_200c and c_200c; ``x = R / R_200c``,
        (n, m).
        """
        of_mass = _cardinal(np.log(mass), MASS_RANGE, self._n_masses)
        of_c = _cardinal(np.log(concentration), self.concentrations, self._n_concentrations)
        weights = (of_mass[:, :, None] * of_c[:, None, :]).reshape(mass.size, -1)
        # einsum, for the same bits however many haloes there are
        lines = np.einsum("np,pq->nq", weights, self._table).reshape(mass.size, 2, -1)
        place = np.clip((np.log(x) - _LN_X[0]) / _STEP, 0.0, _LN_X.size - 1.0)
        first = np.clip(place.astype(np.int64), 2, _LN_X.size - 4)
        taps = _lagrange(place - first)
        index = first[..., None] + _TAPS
        rows = np.arange(mass.size)[:, None, None]
        logs = [np.sum(taps * lines[rows, k, index], axis=-1) for k in range(2)]
        return np.asarray(np.exp(logs))

    @property
    def _n_masses(self) -> int:
        # nothing but the slope of the gas and the share of stars depends on the mass
        same = isinstance(self.baryons.gas, CromerGas) and self.baryons.stellar_fraction == 0.0
        return 1 if same else _N_MASSES

    @property
    def _n_concentrations(self) -> int:
        low, high = self.concentrations
        return 1 if low == high else math.ceil(2.0 + 2.4 * math.log(high / low))

    @cached_property
    def _table(self) -> Array:
        """ln of the factors, (masses x concentrations, 2 x radii)."""
        masses = np.exp(_nodes(MASS_RANGE, self._n_masses))
        concentrations = np.exp(_nodes(self.concentrations, self._n_concentrations))
        return np.stack([self._line(m, c) for m in masses for c in concentrations])

    def _line(self, mass: float, concentration: float) -> Array:
        halo = self.kind(
            mass,
            concentration,
            redshift=_REFERENCE_REDSHIFT,
            mass_def="200c",
            cosmology=self.cosmology,
            **self.parameters,
        )
        full = Baryonified(halo, self.baryons, rtol=self.rtol)
        R = np.exp(_LN_X) * float(halo.spherical_overdensity_radius("200c"))
        surface = full.surface_density(R) / halo.surface_density(R)
        excess = full.excess_surface_density(R) / halo.excess_surface_density(R)
        return np.asarray(np.log(np.concatenate([surface, excess])))


class HaloesWithBaryons(RadialMass):
    """Haloes whose surface densities are those without baryons times factors from a table.

    Parameters
    ----------
    halo : profile
        n haloes of mass and concentration without baryons.
    tabulated : TabulatedKind

    Notes
    -----
    What is not got from surface densities is that of `Baryonified`, a tenth of a second a halo.
    """

    def __init__(self, halo: RadialMass, tabulated: TabulatedKind) -> None:
        super().__init__({"halo": halo, "tabulated": tabulated}, halo.redshift, halo.cosmology)
        self.halo, self.tabulated = halo, tabulated

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n,)``."""
        return self.halo.shape

    def _evaluate(
        self, quantity: int, radius: Array, sources: SourceArrays | None, n_threads: int
    ) -> Array:
        if quantity not in (_SURFACE, _EXCESS) and quantity < _FIRST_LENSING:
            return self._exact._evaluate(quantity, radius, None, n_threads)
        mass, concentration, radius_200c = self._scales
        surface, excess = self.tabulated.factors(
            mass, concentration, np.atleast_2d(radius) / radius_200c[:, None]
        )
        if quantity == _SURFACE:
            return np.asarray(surface * self.halo._evaluate(_SURFACE, radius, None, n_threads))
        excess *= self.halo._evaluate(_EXCESS, radius, None, n_threads)
        if quantity == _EXCESS:
            return np.asarray(excess)
        assert sources is not None
        surface *= self.halo._evaluate(_SURFACE, radius, None, n_threads)
        shear, convergence, planes, weights, _ = sources
        out: Array = np.empty_like(surface)
        lensing(quantity, surface, excess, shear, convergence, planes, weights, out, n_threads)
        return out

    @cached_property
    def _exact(self) -> Baryonified:
        return Baryonified(self.halo, self.tabulated.baryons, rtol=self.tabulated.rtol)

    @cached_property
    def _scales(self) -> tuple[Array, Array, Array]:
        """M_200c [Msun], c_200c and R_200c [Mpc], (n,) each."""
        halo: Any = self.halo
        n = self.shape[0]
        mass = np.broadcast_to(np.asarray(halo.mass, dtype=np.float64), (n,))
        c = np.broadcast_to(np.asarray(halo.concentration, dtype=np.float64), (n,))
        own = MassDef.from_name(halo.mass_def)
        critical = MassDef.from_name("200c")
        if own == critical:
            return mass, c, np.asarray(critical.radius(mass, self.redshift, self.cosmology))
        radius = np.asarray(halo.spherical_overdensity_radius(critical))
        scale = np.asarray(own.radius(mass, self.redshift, self.cosmology)) / c
        mass = np.asarray(critical.mass(radius, self.redshift, self.cosmology))
        return mass, radius / scale, radius


def _nodes(ends: tuple[float, float], n: int) -> Array:
    """Return n Chebyshev nodes between the logarithms of `ends`; their mean for one."""
    low, high = np.log(ends)
    angle = math.pi * (np.arange(n) + 0.5) / n
    return np.asarray(0.5 * (low + high) - 0.5 * (high - low) * np.cos(angle))


def _cardinal(at: Array, ends: tuple[float, float], n: int) -> Array:
    """Return the weights of the values at `_nodes` in the polynomial through them, (size, n)."""
    if n == 1:
        return np.ones((at.size, 1))
    low, high = np.log(ends)
    t = (2.0 * np.clip(at, low, high) - low - high) / (high - low)
    angle = math.pi * (np.arange(n) + 0.5) / n
    order = np.arange(n)
    # of the polynomials of each order; the nodes are at -cos(angle)
    at_nodes = np.cos(np.outer(math.pi - angle, order))
    at_nodes[:, 1:] *= 2.0
    weights = np.einsum("ak,jk->aj", np.cos(np.arccos(t)[:, None] * order), at_nodes) / n
    return np.asarray(weights)


def _lagrange(t: Array) -> Array:
    """Return the weights of the values at `_TAPS` in the polynomial through them, at t."""
    weights = np.ones((*t.shape, _TAPS.size))
    for i, own in enumerate(_TAPS):
        for other in _TAPS:
            if other != own:
                weights[..., i] *= (t - other) / (own - other)
    return weights
