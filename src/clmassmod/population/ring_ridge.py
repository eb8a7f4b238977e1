"""Lenses with a given Einstein radius: stellar mass in closed form, and the line of such masses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from ..stronglens.lens_model import LensModel
from ..stronglens.lens_solver import invert_einstein_radius
from .cross_section import concentrations

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from ..stronglens.mass_sampler import LensPopulation

Array = npt.NDArray[np.float64]

LEAST_MASS, GREATEST_MASS = 6.0, 16.5
"""log10 Mh [Msun] between which haloes are summed."""

_MASSES = np.linspace(LEAST_MASS, GREATEST_MASS, 43)
_LN10 = math.log(10.0)
# log10 Msun of stars that are none
_NOTHING = -30.0
# ln of the share of stars in the deflection of which lines end
_LEAST_STARS = -11.5


@dataclass(frozen=True)
class RingLens:
    """What is the same for all galaxies that one lens may be.

    Parameters
    ----------
    theta : float, kpc
        Einstein radius.
    log_re : float
    z_l, z_s : float
    population : LensPopulation
        Gives the concentration and the Sersic index.
    cosmology : astropy cosmology
    concentration : int
        Node of the scatter of the concentration.
    """

    theta: float
    log_re: float
    z_l: float
    z_s: float
    population: LensPopulation
    cosmology: FLRW
    concentration: int = 0

    def c200(self, log_mhalo: Array) -> Array:
        """Return concentrations (n,) of haloes."""
        every = concentrations(self.population.concentration, log_mhalo, self.z_l)
        return list(every)[self.concentration][1]

    def halo_shares(self, log_mhalo: Array, gamma: Array) -> Array:
        """Return the shares (n,) of haloes in the deflection: their mean convergence."""
        c200 = self.c200(log_mhalo)
        return np.asarray(self._mean_convergence(_NOTHING, log_mhalo, gamma, c200))

    def unit_stars(self) -> float:
        """Return the same of stars of 1 Msun."""
        return float(self._mean_convergence(11.0, _NOTHING, 1.0, 5.0)) * 1e-11

    def _mean_convergence(self, log_mstar: Any, log_mhalo: Any, gamma: Any, c200: Any) -> Any:
        planes = self.z_l, self.z_s
        index = self.population.sersic_n
        lens = LensModel(
            log_mstar, log_mhalo, self.log_re, *planes, gamma, c200, index, self.cosmology
        )
        return lens.deflection(self.theta) / self.theta


def ring_masses(lens: RingLens, log_mhalo: Array, gamma: Array) -> tuple[Array, Array]:
    """Return log10 M* (n,) of galaxies with this Einstein radius, and |d log10 M* / d theta|.

    Per kpc; NaN where the halo alone is too massive.
    """
    found = invert_einstein_radius(
        lens.theta,
        log_mhalo,
        lens.log_re,
        z_l=lens.z_l,
        z_s=lens.z_s,
        gamma_in=gamma,
        c200=lens.c200(log_mhalo),
        sersic_n=lens.population.sersic_n,
        cosmology=lens.cosmology,
    )
    return np.asarray(found.log_mstar), np.asarray(found.jacobian)


@dataclass(frozen=True)
class RidgeLattice:
    """Nodes along the lines of masses of one Einstein radius, one line for each inner slope.

    Attributes
    ----------
    log_mstar, log_mhalo : (n_slopes, n) arrays
        Nearly the masses, to choose nodes by; NaN off the line.
    weight : (n_slopes, n) array
        d log10 Mh between nodes.
    v : (n,) array
        Coordinate along the line.
    """

    log_mstar: Array
    log_mhalo: Array
    weight: Array
    v: Array


def ridge_lattice(
    lens: RingLens, slopes: Array, r: float, step: float, shift: float
) -> RidgeLattice:
    """Return nodes in equal steps of ``v = r ln Mh - ln(1 - f)``, f the halo's share.

    With r the inverse of the steepest relation of halo and stellar mass, a normal scatter
    about it is about equally wide in v at both ends of the line. The line is a cubic spline
    through exact points: any smooth one will do, since `ring_masses` of its nodes are exact.
    """
    gamma, mass = (a.ravel() for a in np.meshgrid(slopes, _MASSES, indexing="ij"))
    share = lens.halo_shares(mass, gamma).reshape(len(slopes), -1)
    lines = [_line(np.log(one), r) for one in share]
    low, high = min(line.x[0] for line in lines), max(line.x[-1] for line in lines)
    first, last = math.floor(low / step - shift), math.ceil(high / step - shift)
    v = step * (np.arange(first, last + 1) + shift)
    log_mhalo, weight = np.full((2, len(slopes), v.size), np.nan)
    for i, line in enumerate(lines):
        on = (v >= line.x[0]) & (v <= line.x[-1])
        log_mhalo[i, on] = line(v[on])
        weight[i, on] = step * line(v[on], 1)
    stars = np.exp(r * _LN10 * log_mhalo - v)
    return RidgeLattice(np.log10(stars / lens.unit_stars()), log_mhalo, weight, v)


def _line(log_share: Array, r: float) -> CubicSpline:
    """Return log10 Mh as a function of v, for ln f at all `_MASSES`."""
    mass_of = CubicSpline(log_share, _MASSES)
    # t = ln f/(1 - f), from the least mass to where stars end
    low = log_share[0] - math.log1p(-math.exp(min(log_share[0], -1e-9)))
    top = min(log_share[-1], math.log1p(-math.exp(_LEAST_STARS)))
    high = top - math.log(-math.expm1(top))
    t = np.linspace(low, max(high, low + 1.0), 129)
    log_mhalo = mass_of(-np.logaddexp(0.0, -t))
    return CubicSpline(r * _LN10 * log_mhalo + np.logaddexp(0.0, t), log_mhalo)
