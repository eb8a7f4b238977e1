"""Sums over pairs of centres and galaxies, exact and compiled."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._checks import checked_threads
from ..cosmology import (
    SIGMA_CRITICAL_FACTOR,
    SPEED_OF_LIGHT,
    checked_redshift,
    distance_to_infinity,
    resolve_cosmology,
    transverse_comoving_distance,
)
from ..errors import ParameterError, nearest
from ..sources import BetaMoments, SourceDistribution, Sources, checked_sources
from .catalogue import GalaxyCatalogue
from .sky_cells import Integers, cells_of, unwrapped

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

SKIES = ("curved", "flat")
WEIGHTS = ("critical", "shape")
_FARTHEST = 1e300
"""What stands for 1 / distance at redshift 0, so that its product stays finite."""


@dataclass(frozen=True)
class PairSums:
    """Sums over the galaxies in every bin around every centre, (n_centres, n_bins) each.

    The weight of a pair is ``w = weight beta^2 / sigma^2`` ("critical", which is the
    ``Sigma_crit^-2 / sigma^2`` of surface densities but for a factor of the lens) or ``weight /
    sigma^2`` ("shape"), with beta = D_ls / D_s and sigma^2 the variance of a component of the
    ellipticity. All sums are of one centre; `critical` of it is ``4 pi G D_l / c^2``, with which
    ``Sigma_crit^-1 = critical beta``.

    Attributes
    ----------
    pairs, weight : sums of 1 and of w
    radius : of w R [Mpc]
    tangential, cross : of w e_t and w e_x
    beta, beta_squared : of w beta and w beta^2
    noise : of w^2 sigma^2
    excess, excess_cross : of (w / beta) e_t and (w / beta) e_x; 0 for weights "shape"
    excess_noise : of (w / beta)^2 sigma^2; 0 for weights "shape"
    critical : (n_centres,) ndarray
        4 pi G D_l / c^2 [Mpc^2 / Msun].
    beta_infinity : (n_centres,) ndarray
        beta of a source at infinity.
    """

    pairs: Array
    weight: Array
    radius: Array
    tangential: Array
    cross: Array
    beta: Array
    beta_squared: Array
    noise: Array
    excess: Array
    excess_cross: Array
    excess_noise: Array
    critical: Array
    beta_infinity: Array


_SUMS = tuple(f.name for f in fields(PairSums))[:11]
"""The sums in the order of the core's."""


class GalaxyPairs:
    """A catalogue made ready for sums of pairs around any centres.

    Parameters
    ----------
    catalogue : GalaxyCatalogue
    cosmology : astropy.cosmology.FLRW, optional
        None is FlatLambdaCDM(70, 0.3, Tcmb0=0).
    shape_noise : float
        Intrinsic sd of a component of the ellipticity, >= 0; the variance of a shape is
        ``shape_noise^2 + e_err^2``, which must be > 0 for every galaxy.
    sky : {"curved", "flat"}
        Whether right ascension and declination are taken on the sphere, or as flat around
        each centre. Of no matter with x, y.
    sources : float, SourceDistribution or BetaMoments, optional
        The redshifts of all galaxies, for a catalogue without z.

    Notes
    -----
    Galaxies are sorted into cells of some 64, of which those that a circle touches are
    searched; the sums are over pairs, one by one. They have the same bits for any number of
    threads, and whatever other centres are asked for with one.
    """

    def __init__(
        self,
        catalogue: GalaxyCatalogue,
        cosmology: FLRW | None = None,
        *,
        shape_noise: float = 0.25,
        sky: str = "curved",
        sources: float | SourceDistribution | BetaMoments | None = None,
    ) -> None:
        if sky not in SKIES:
            raise ParameterError("sky", sky, f"one of {', '.join(SKIES)}", nearest(str(sky), SKIES))
        self.catalogue = catalogue
        self.cosmology = resolve_cosmology(cosmology)
        self.sources = _checked_source_choice(catalogue, sources)
        self.variance = shape_variance(catalogue, shape_noise)
        self.frame = {"curved": "sphere", "flat": "flat_sky"}[sky] if catalogue.on_sky else "plane"
        # the core has x to the east
        west = catalogue.on_sky and catalogue.coordinate_system == "euclidean"
        self._sign = -1.0 if west else 1.0
        hubble = float(self.cosmology.H0.value) / SPEED_OF_LIGHT
        self._curvature = float(self.cosmology.Ok0) * hubble**2
        self._sort()

    # -- the grid --------------------------------------------------------------------------------

    def _sort(self) -> None:
        from .._core.pairs import sort_galaxies

        catalogue = self.catalogue
        if catalogue.on_sky:
            u = unwrapped(np.mod(np.deg2rad(catalogue["ra"]), 2.0 * math.pi))
            v = np.deg2rad(catalogue["dec"])
        else:
            u, v = catalogue["x"], catalogue["y"]
        self._bounds, self._first_cell = cells_of(u, v, catalogue.on_sky)
        self._start = np.zeros(int(self._first_cell[-1]) + 1, dtype=np.int64)
        order = np.empty(len(catalogue), dtype=np.int64)
        sort_galaxies(self._bounds, self._first_cell, u, v, order, self._start)
        weight = 1.0 / self.variance
        if "weight" in catalogue:
            weight = weight * catalogue["weight"]
        self._galaxies = np.zeros((9, len(catalogue)))
        self._fill_places(u, v, order)
        terms = (
            catalogue["e1"],
            self._sign * catalogue["e2"],
            weight,
            weight**2 * self.variance,
            self._distance_terms(),
        )
        for row, values in zip(self._galaxies[4:], terms, strict=True):
            np.take(values, order, out=row, mode="clip")  # a check would cost a copy

    def _fill_places(self, u: Array, v: Array, order: Integers) -> None:
        """Fill the first rows of the galaxies: see PairGalaxies of pair_sums.hpp."""
        places = self._galaxies
        first, second = u[order], v[order]
        if self.frame == "sphere":
            np.cos(first, out=places[0])
            np.sin(first, out=places[1])
            np.cos(second, out=places[2])
            np.sin(second, out=places[3])
        else:
            places[0] = np.mod(first, 2.0 * math.pi) if self.catalogue.on_sky else first
            places[1] = second

    def _distance_terms(self) -> Array:
        if "z" in self.catalogue:
            return self._distance_term(self.catalogue["z"])
        return np.zeros(len(self.catalogue))

    def _distance_term(self, redshift: Array) -> Array:
        """Return sqrt(1 / d^2 + k) of galaxies: see pair_sums.hpp."""
        distance = transverse_comoving_distance(redshift, self.cosmology)
        with np.errstate(divide="ignore"):
            term = np.sqrt(1.0 / distance**2 + self._curvature)
        return np.minimum(term, _FARTHEST)

    # -- sums ------------------------------------------------------------------------------------

    def sums(
        self,
        centres: Any,
        z_l: Any,
        edges: Any,
        *,
        weights: str = "critical",
        behind: float | None = None,
        n_threads: int = 1,
    ) -> PairSums:
        """Return the sums around centres.

        Parameters
        ----------
        centres : (n, 2) array_like
            Right ascension and declination [deg], or x and y [Mpc].
        z_l : float or (n,) array_like
            Redshift of each centre, > 0.
        edges : (n_bins + 1,) or (n, n_bins + 1) array_like
            Edges of the bins [physical Mpc], >= 0 and strictly increasing, on the sphere
            below 90 degrees.
        weights : {"critical", "shape"}
            See `PairSums`. With "critical", galaxies at ``z <= z_l`` have no weight and are
            not counted.
        behind : float, optional
            Only galaxies at ``z > z_l + behind`` are used. By default all of them.
        n_threads : int, >= 0
            0 is all threads.

        Returns
        -------
        PairSums

        Raises
        ------
        ParameterError
            If an argument is out of range, or redshifts are needed and there are none.
        """
        from .._core.pairs import N_SUMS, pair_sums

        checked_threads(n_threads)
        self.check_weights(weights, behind)
        place = checked_centres(centres, self.catalogue.on_sky)
        n = place.shape[0]
        redshift = np.array(np.broadcast_to(checked_redshift(z_l, "z_l"), (n,)))
        if not np.all(redshift > 0.0):
            raise ParameterError("z_l", float(redshift.min()), "> 0")
        radii = _checked_edges(edges, n)
        distance = transverse_comoving_distance(redshift, self.cosmology)
        angular = distance / (1.0 + redshift)
        scale = angular if self.catalogue.on_sky else np.ones(n)
        squares, u_window, v_window = self._windows(place, radii / scale[:, None])
        a, d, limit, beta_infinity = self._distances(redshift, distance, weights, behind)
        rows = np.ascontiguousarray([*place.T, u_window, v_window, a, d, limit])
        out = np.empty((n, radii.shape[1] - 1, N_SUMS))
        pair_sums(
            self.frame,
            weights == "critical",
            self._bounds,
            self._first_cell,
            self._start,
            self._galaxies,
            rows,
            squares,
            out,
            n_threads,
        )
        out[..., 2] *= scale[:, None]
        out[..., [4, 9]] *= self._sign
        out[..., 6] *= self._spread_of_beta(redshift)[:, None]
        critical = angular / SIGMA_CRITICAL_FACTOR
        sums = {name: out[..., k] for k, name in enumerate(_SUMS)}
        return PairSums(**sums, critical=critical, beta_infinity=beta_infinity)

    def _windows(self, place: Array, angles: Array) -> tuple[Array, Array, Array]:
        """Squares of the edges as the core compares them, and half-widths that hold all."""
        widest = angles[:, -1]
        if self.frame == "plane":
            return angles**2, _wider(widest), _wider(widest)
        if self.frame == "flat_sky":
            with np.errstate(divide="ignore"):
                around = np.minimum(widest / np.cos(place[:, 1]), math.pi)
            return angles**2, _wider(around), _wider(widest)
        if np.any(widest >= 0.5 * math.pi):
            at = int(np.argmax(widest))
            raise ParameterError(
                "edges", f"{np.rad2deg(widest[at]):.4g} deg around centre {at}", "below 90 deg"
            )
        pole = np.abs(place[:, 1]) + widest >= 0.5 * math.pi - 1e-9
        cosine = np.where(pole, 1.0, np.cos(place[:, 1]))
        around = np.where(pole, math.pi, np.arcsin(np.minimum(np.sin(widest) / cosine, 1.0)))
        return np.sin(angles) ** 2, _wider(around), _wider(widest)

    def _distances(
        self, redshift: Array, distance: Array, weights: str, behind: float | None
    ) -> tuple[Array, Array, Array, Array]:
        """Return a, d, the limit of t, and beta at infinity of every centre."""
        a = np.sqrt(1.0 + self._curvature * distance**2)
        far = math.sqrt(1.0 / distance_to_infinity(self.cosmology) ** 2 + self._curvature)
        at_infinity = a - distance * far
        if self.sources is not None:
            beta = at_infinity * self._mean_beta_s(redshift)
            return beta, np.zeros_like(a), np.full_like(a, math.inf), at_infinity
        if "z" not in self.catalogue:
            zero = np.zeros_like(a)
            return zero, zero, np.full_like(a, math.inf), at_infinity
        limit = np.full_like(a, math.inf)
        if behind is not None or weights == "critical":
            limit = self._distance_term(redshift + (behind or 0.0))
        return a, distance, limit, at_infinity

    def _mean_beta_s(self, redshift: Array) -> Array:
        return np.asarray(source_moments(self.sources).mean_beta_s(redshift, self.cosmology))

    def _spread_of_beta(self, redshift: Array) -> Array:
        """<beta^2> / <beta>^2 of sources that are the same for all galaxies."""
        if self.sources is None:
            return np.ones_like(redshift)
        mean = self._mean_beta_s(redshift)
        square = np.asarray(
            source_moments(self.sources).mean_beta_s_squared(redshift, self.cosmology)
        )
        return np.divide(square, mean**2, out=np.ones_like(mean), where=mean > 0.0)

    def check_weights(self, weights: str, behind: float | None) -> None:
        """Raise ParameterError unless the redshifts that these need are there."""
        if weights not in WEIGHTS:
            raise ParameterError(
                "weights", weights, f"one of {', '.join(WEIGHTS)}", nearest(str(weights), WEIGHTS)
            )
        hint = "Give the catalogue a column z, or sources."
        if weights == "critical" and "z" not in self.catalogue and self.sources is None:
            raise ParameterError("weights", weights, "'shape' without redshifts", hint)
        if behind is not None:
            if "z" not in self.catalogue:
                raise ParameterError("behind", behind, "None without a column z", hint)
            if not (math.isfinite(behind) and behind >= 0.0):
                raise ParameterError("behind", behind, "finite and >= 0")


def shape_variance(catalogue: GalaxyCatalogue, shape_noise: float) -> Array:
    """Return shape_noise^2 + e_err^2 of every galaxy, (n,), which must be > 0."""
    sd = float(shape_noise)
    if not (math.isfinite(sd) and 0.0 <= sd < 1e6):
        raise ParameterError("shape_noise", shape_noise, "finite and >= 0")
    variance = np.full(len(catalogue), sd**2)
    if "e_err" in catalogue:
        variance = variance + catalogue["e_err"] ** 2
    if not np.all(variance > 1e-100):
        at = int(np.argmin(variance))
        allowed = "> 0 where the error of a shape, e_err, is 0"
        raise ParameterError("shape_noise", shape_noise, allowed, f"Galaxy {at} has no variance.")
    return variance


def _checked_source_choice(catalogue: GalaxyCatalogue, sources: Any) -> Sources | None:
    if sources is None:
        return None
    if "z" in catalogue:
        raise ParameterError(
            "sources",
            sources,
            "None for a catalogue with a column z",
            "Use catalogue.replace(z=None) to leave its redshifts out.",
        )
    return checked_sources(sources)


def source_moments(sources: Sources | None) -> SourceDistribution | BetaMoments:
    """Return what gives the moments of beta_s of sources."""
    if isinstance(sources, float):
        return SourceDistribution([sources], [1.0])
    assert sources is not None
    return sources


def checked_centres(centres: Any, on_sky: bool) -> Array:
    """Return the centres, (n, 2): in radians on the sky, right ascension in [0, 2 pi)."""
    try:
        place = np.array(centres, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError("centres", centres, "numbers, (n, 2)") from error
    if place.ndim != 2 or place.shape[1] != 2:
        raise ParameterError("centres", f"array of shape {place.shape}", "of shape (n, 2)")
    good = np.isfinite(place).all(axis=1)
    if on_sky:
        good &= np.abs(place[:, 1]) <= 90.0
    if not good.all():
        at = int(np.argmin(good))
        allowed = "finite, with a declination within [-90, 90] deg" if on_sky else "finite [Mpc]"
        raise ParameterError(f"centres[{at}]", place[at].tolist(), allowed)
    if on_sky:
        place = np.deg2rad(place)
        place[:, 0] = np.mod(place[:, 0], 2.0 * math.pi)
    return place


def _checked_edges(edges: Any, n: int) -> Array:
    from .bins import checked_edges

    rows = np.asarray(edges)
    if rows.ndim != 2:
        one = checked_edges(edges)
        return np.ascontiguousarray(np.broadcast_to(one, (n, one.size)))
    if rows.shape[0] != n:
        raise ParameterError("edges", f"array of shape {rows.shape}", f"of {n} rows, as centres")
    return np.array([checked_edges(row) for row in rows]).reshape(n, -1)


def _wider(half_width: Array) -> Array:
    """A little more than what holds all pairs, so that rounding loses none."""
    return half_width * (1.0 + 1e-9) + 1e-12
