"""Aperture masses: one weighted sum of the shear of a catalogue, and what a profile predicts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from .._checks import lens_redshift
from ..cosmology import (
    SIGMA_CRITICAL_FACTOR,
    angular_diameter_distance,
    inverse_critical_surface_density_at_infinity,
)
from ..errors import FitError, ParameterError
from ..profiles.base import RadialMass
from ..sources import BetaMoments, SourceDistribution, Sources
from .catalogue import GalaxyCatalogue
from .pair_sums import GalaxyPairs
from .pair_values import pair_values
from .profile import catalogue_centre

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

_ORDER = 20
_PANEL = 0.5


class ApertureFilter(Protocol):
    """The weight Q of an aperture mass, ``int Q(R) g_t d^2 R``."""

    @property
    def knots(self) -> tuple[float, ...]:
        """Radii [Mpc] between which Q is smooth, from the first to the last where it is not 0."""

    def weight(self, radius: Array) -> Array:
        """Return Q [Mpc^-2] at `radius` [Mpc]."""


@dataclass(frozen=True)
class ZetaFilter:
    """zeta_c: mean convergence within `inner`, less that of a ring (Clowe et al. 1998).

    ``zeta_c = 2 int_inner^background g_t d ln R + 2 / (1 - (background/outer)^2)
    int_background^outer g_t d ln R = <kappa>(< inner) - <kappa>(background ... outer)``
    to first order in the convergence.

    Parameters
    ----------
    inner, background, outer : float, Mpc
        0 < inner < background < outer.
    """

    inner: float
    background: float
    outer: float

    def __post_init__(self) -> None:
        if not 0.0 < self.inner < self.background < self.outer < math.inf:
            given = (self.inner, self.background, self.outer)
            raise ParameterError("inner, background, outer", given, "> 0, increasing, finite")

    @property
    def knots(self) -> tuple[float, ...]:
        """The three radii."""
        return self.inner, self.background, self.outer

    def weight(self, radius: Array) -> Array:
        """Return Q [Mpc^-2] at `radius` [Mpc]."""
        ring = 1.0 / (1.0 - (self.background / self.outer) ** 2)
        factor = np.where(radius < self.background, 1.0, ring)
        inside = (radius >= self.inner) & (radius <= self.outer)
        return np.where(inside, factor / (math.pi * np.maximum(radius, self.inner) ** 2), 0.0)


@dataclass(frozen=True)
class PolynomialFilter:
    """``Q = 6 / (pi R_ap^2) x^2 (1 - x^2)``, ``x = R / R_ap`` (Schneider et al. 1998).

    The aperture mass is ``int U(R) kappa d^2 R`` to first order in the convergence, with
    ``U = 9 / (pi R_ap^2) (1 - x^2) (1/3 - x^2)``.

    Parameters
    ----------
    radius : float, Mpc, > 0
        R_ap.
    inner : float, Mpc, >= 0
        Galaxies nearer than this are not used, by mock and model alike.
    """

    radius: float
    inner: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.inner < self.radius < math.inf:
            raise ParameterError("inner, radius", (self.inner, self.radius), ">= 0, increasing")

    @property
    def knots(self) -> tuple[float, ...]:
        """Innermost and outermost radius used."""
        return self.inner, self.radius

    def weight(self, radius: Array) -> Array:
        """Return Q [Mpc^-2] at `radius` [Mpc]."""
        square = (radius / self.radius) ** 2
        inside = (radius >= self.inner) & (square <= 1.0)
        return np.where(inside, 6.0 / (math.pi * self.radius**2) * square * (1.0 - square), 0.0)


class ApertureMass(NamedTuple):
    """A measured aperture mass."""

    value: float
    """Of the tangential shapes, without unit."""
    error: float
    """Its standard deviation from the noise of shapes."""
    cross: float
    """The same of the cross shapes, zero but for noise and systematics."""
    n: int
    """Number of galaxies used."""
    filter: ApertureFilter
    redshift: float
    sources: Sources | None
    """The sources used, as in `GammaTheta`."""


def aperture_mass(
    catalogue: GalaxyCatalogue,
    z_l: float,
    aperture: ApertureFilter,
    cosmology: FLRW | None = None,
    *,
    centre: Any = None,
    shape_noise: float = 0.25,
    sky: str = "curved",
    sources: float | SourceDistribution | BetaMoments | None = None,
    behind: float | None = None,
) -> ApertureMass:
    """Measure an aperture mass around a centre.

    Parameters
    ----------
    catalogue : GalaxyCatalogue
        Of galaxies all over the aperture.
    z_l : float
        Redshift of the object, > 0.
    aperture : ZetaFilter or PolynomialFilter
    cosmology, centre, shape_noise, sky, sources, behind
        As of `build_profile`.

    Raises
    ------
    ParameterError
        As `build_profile`.
    FitError
        There is no galaxy in the aperture.

    Notes
    -----
    ``A sum w Q e_t / sum w``, over the galaxies between the first and the last knot, A the area
    between them and ``w = weight Sigma_crit^-2 / sigma^2``; its variance is
    ``A^2 sum w^2 Q^2 sigma^2 / (sum w)^2``. Galaxies must be as dense everywhere in the aperture:
    unlike a profile, the sum takes a hole or a crowd of cluster members for lack of signal.
    """
    z_lens = lens_redshift(z_l)
    place = catalogue_centre(catalogue, centre)
    pairs = GalaxyPairs(catalogue, cosmology, shape_noise=shape_noise, sky=sky, sources=sources)
    values = pair_values(pairs, place, z_lens, behind=behind)
    low, high = aperture.knots[0], aperture.knots[-1]
    used = (values.weight > 0.0) & (values.radius >= low) & (values.radius <= high)
    if not used.any():
        raise FitError(f"there is no galaxy between {low:g} and {high:g} Mpc from the centre")
    weight = values.weight[used]
    share = math.pi * (high**2 - low**2) * weight / weight.sum()
    share = share * aperture.weight(values.radius[used])
    if sources is None:
        used_sources: Sources | None = _moments(pairs, values.beta[used], weight, z_lens)
    else:
        used_sources = sources
    return ApertureMass(
        float(np.sum(share * values.e_t[used])),
        float(np.sqrt(np.sum(share**2 * pairs.variance[used]))),
        float(np.sum(share * values.e_x[used])),
        int(np.count_nonzero(used)),
        aperture,
        z_lens,
        used_sources,
    )


def expected_aperture_mass(
    profile: RadialMass,
    aperture: ApertureFilter,
    sources: float | SourceDistribution | BetaMoments,
) -> Any:
    """Return the aperture mass of the reduced shear of a profile, () or (n,) of n profiles.

    Parameters
    ----------
    profile : profile
    aperture : ZetaFilter or PolynomialFilter
    sources : float, SourceDistribution or BetaMoments

    Raises
    ------
    ParameterError
        Part of the sources are beyond a critical curve within the aperture, so that the mean of
        the reduced shear has a pole: the filter needs an inner radius.

    Notes
    -----
    ``int 2 pi R Q(R) g_t(R) dR`` by Gauss-Legendre of order 20 on panels of half an e-fold,
    to 1e-10 of a smooth profile.
    """
    radius, weight = _nodes(aperture.knots)
    shear = np.asarray(profile.reduced_tangential_shear(radius, sources))
    if np.isnan(shear).any():
        raise ParameterError(
            "aperture", aperture, "with an inner radius beyond the critical curve of all sources"
        )
    return np.sum(weight * aperture.weight(radius) * shear, axis=-1)[()]


def mass_of_aperture(
    measured: ApertureMass,
    profile_of: Callable[[float], RadialMass],
    bounds: tuple[float, float] = (1e12, 1e16),
) -> tuple[float, float]:
    """Return the mass [Msun] whose aperture mass is the measured one, and its error.

    Parameters
    ----------
    measured : ApertureMass
    profile_of : callable
        Mass [Msun] -> profile at the redshift of the object.
    bounds : (float, float), Msun
        Between which the mass is looked for.

    Raises
    ------
    FitError
        The aperture mass is that of no mass within the bounds.

    Notes
    -----
    By Brent's method to 1e-10. The error is that of the aperture mass divided by its derivative.
    """
    from scipy.optimize import brentq

    if measured.sources is None:
        raise ParameterError("measured.sources", None, "known: give sources to aperture_mass")
    sources = measured.sources

    def excess(ln_mass: float) -> float:
        profile = profile_of(math.exp(ln_mass))
        return float(expected_aperture_mass(profile, measured.filter, sources)) - measured.value

    # upwards in steps: masses far too large may have no mean shear at all
    low, last = map(math.log, bounds)
    high = low
    while (at_high := excess(high)) <= 0.0 and high < last:
        low, high = high, min(high + 0.25, last)
    if not at_high > 0.0 or high == low:
        raise FitError(
            f"an aperture mass of {measured.value:.4g} +- {measured.error:.2g} is that of no mass "
            f"between {bounds[0]:.3g} and {bounds[1]:.3g} Msun"
        )
    ln_mass = float(brentq(excess, low, high, xtol=1e-11, rtol=1e-11))
    step = 1e-4
    slope = (excess(ln_mass + step) - excess(ln_mass - step)) / (2.0 * step)
    mass = math.exp(ln_mass)
    return mass, mass * measured.error / slope


def _nodes(knots: tuple[float, ...]) -> tuple[Array, Array]:
    """Return radii and the weights of ``int 2 pi R ... dR`` between the knots."""
    # without an inner edge Q vanishes as R^2: further in there is nothing
    start = max(knots[0], 1e-4 * knots[-1])
    node, weight = np.polynomial.legendre.leggauss(_ORDER)
    radii, weights = [], []
    ends = (start, *knots[1:])
    for low, high in pairwise(ends):
        n = math.ceil(math.log(high / low) / _PANEL)
        edges = np.linspace(math.log(low), math.log(high), n + 1)
        half = 0.5 * np.diff(edges)[:, None]
        radius = np.exp(edges[:-1, None] + half * (node + 1.0))
        radii.append(radius.ravel())
        weights.append((2.0 * math.pi * radius**2 * half * weight).ravel())
    return np.concatenate(radii), np.concatenate(weights)


def _moments(pairs: GalaxyPairs, beta: Array, weight: Array, z_l: float) -> BetaMoments:
    """Return the moments of beta_s of the galaxies used."""
    far = float(inverse_critical_surface_density_at_infinity(z_l, pairs.cosmology))
    far *= SIGMA_CRITICAL_FACTOR / float(angular_diameter_distance(z_l, pairs.cosmology))
    first = float(np.average(beta / far, weights=weight))
    second = float(np.average((beta / far) ** 2, weights=weight))
    return BetaMoments(first, max(second, first**2))
