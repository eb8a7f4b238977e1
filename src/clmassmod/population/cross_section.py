"""Detection cross-section of a lens: how many detected, doubly imaged sources it has on average."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import special

from ..errors import ParameterError
from ..stronglens.lens_model import LensModel
from ..stronglens.lens_solver import solve_images
from ..stronglens.observation import MagnitudeLimit
from ..stronglens.source_population import SourcePopulation
from ..table.interpolator import Table

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

# source offsets that are solved, and panels of those where the detection is integrated
_SOLVED = 14
_PANELS = (0.0, 0.5, 0.8, 0.92, 0.97, 1.0)
_ORDER = 10
_REACH = 9.0
_STEPS_PER_SIGMA = 4.0
_FAINTEST = 9.0
_BLOCK = 1 << 13


class DetectedCounts:
    """Sources per arcmin^2 of which both images are detected, at two magnifications.

    ``G = int n(m) P_det(m - g_A; sigma_A) P_det(m - g_B; sigma_B) dm`` with the gains
    ``g = 2.5 log10 |mu|``, tabulated to a relative 1e-7 of its largest value.

    Parameters
    ----------
    sources : SourcePopulation
    detection : MagnitudeLimit
    sigma_a, sigma_b : float, mag, > 0
    """

    def __init__(
        self, sources: SourcePopulation, detection: MagnitudeLimit, sigma_a: float, sigma_b: float
    ) -> None:
        for name, value in (("sigma_a", sigma_a), ("sigma_b", sigma_b)):
            if not 0.0 < value < 10.0:
                raise ParameterError(name, value, "> 0 and < 10 mag")
        counts, limit = sources.counts, detection.limit
        spread = math.hypot(sigma_a, sigma_b)
        self._most = _REACH * spread
        breaks = np.asarray(counts.breaks, dtype=np.float64)
        # at gains below the first nothing is seen, above the last everything
        low = breaks[0] - limit - _FAINTEST * sigma_b - self._most
        high = breaks[-1] - limit + _FAINTEST * sigma_b + self._most
        step = min(sigma_a, sigma_b) / _STEPS_PER_SIGMA
        self._gain = np.linspace(low, high, math.ceil((high - low) / step) + 1)
        gap = np.linspace(-self._most, self._most, math.ceil(2.0 * self._most / step) + 1)
        m, weight = _magnitude_rule(breaks, 0.5 * min(sigma_a, sigma_b))
        weight = weight * np.asarray(counts.density_at(m))
        seen_b = special.ndtr((limit - m + self._gain[:, None]) / sigma_b)
        values = np.empty((self._gain.size, gap.size))
        for j, one in enumerate(gap):
            seen_a = special.ndtr((limit - m + self._gain[:, None] + one) / sigma_a)
            values[:, j] = (seen_a * seen_b * weight).sum(axis=1)
        self._table = Table.from_grid([self._gain, gap], values, names=["gain_b", "gap"])

    def __call__(self, gain_a: Array, gain_b: Array) -> Array:
        """Return G at gains [mag] of the same shape."""
        low, high = self._gain[0], self._gain[-1]
        gap = gain_a - gain_b
        # an image brighter than the other by more is seen whenever the other is
        faint = np.where(gap < -self._most, gain_a + self._most, gain_b)
        x = np.empty((*gap.shape, 2))
        np.clip(faint, low, high, out=x[..., 0])
        np.clip(gap, -self._most, self._most, out=x[..., 1])
        return np.asarray(np.maximum(self._table(x), 0.0))


@dataclass(frozen=True)
class CrossSection:
    """Mean number of detected lensed sources of lenses at one redshift.

    ``Lambda = int 2 pi beta n(m) P_det(m, beta) dbeta dm``, beta in ``sqrt(1 - beta / y_c)``
    by a Gauss-Legendre rule.

    Parameters
    ----------
    counts : DetectedCounts
    sources : SourcePopulation
        Redshifts of the sources; a distribution in at most 24 planes.
    z_l : float
    sersic_n : float
    cosmology : astropy cosmology, optional
    """

    counts: DetectedCounts
    sources: SourcePopulation
    z_l: float = 0.3
    sersic_n: float = 4.0
    cosmology: FLRW | None = None

    def __call__(
        self,
        log_mstar: Any,
        log_re: Any,
        log_mhalo: Any,
        gamma_in: Any,
        c200: Any = 5.0,
        *,
        n_threads: int = 1,
    ) -> Array:
        """Return Lambda of lenses, whose properties broadcast; 0 where there is no ring."""
        given = np.broadcast_arrays(log_mstar, log_re, log_mhalo, gamma_in, c200)
        shape = given[0].shape
        columns = [np.asarray(one, dtype=np.float64).reshape(-1) for one in given]
        total = np.zeros(columns[0].size)
        for z_s, weight in zip(*self.sources.planes, strict=True):
            if z_s <= self.z_l:
                continue
            for first in range(0, total.size, _BLOCK):
                rows = slice(first, first + _BLOCK)
                part = [one[rows] for one in columns]
                total[rows] += weight * self._plane(part, float(z_s), n_threads)
        return np.asarray(total.reshape(shape))

    def _plane(self, columns: list[Array], z_s: float, n_threads: int) -> Array:
        log_mstar, log_re, log_mhalo, gamma_in, c200 = columns
        lens = LensModel(
            log_mstar,
            log_mhalo,
            log_re,
            gamma_in=gamma_in,
            c200=c200,
            sersic_n=self.sersic_n,
            z_l=self.z_l,
            z_s=z_s,
            cosmology=self.cosmology,
        )
        caustic = np.nan_to_num(lens.structure(n_threads=n_threads).caustic_radius, nan=0.0)
        safe = np.where(caustic > 0.0, caustic, 1.0)
        # beta |mu| is smooth in sqrt(1 - beta/y_c), and so is beta u |mu_B| at a radial caustic
        logs = np.empty((2, _SOLVED, caustic.size))
        for k, u in enumerate(_solved_nodes()):
            beta = safe * (1.0 - u * u)
            images = solve_images(lens, beta, n_threads=n_threads)
            logs[0, k], logs[1, k] = beta * images.mu_a, -beta * u * images.mu_b
        np.log10(logs, out=logs)
        u, weight, matrix = _offset_rule()
        log_beta = np.log10(safe)[:, None] + np.log10(1.0 - u * u)
        log_a, log_b = (one.T @ matrix.T for one in logs)
        seen = self.counts(2.5 * (log_a - log_beta), 2.5 * (log_b - log_beta - np.log10(u)))
        total = np.where(np.isnan(seen), 0.0, seen) @ (weight * u * (1.0 - u * u))
        kpc_per_arcmin = 60.0 * float(lens.kpc_per_arcsec)
        return np.asarray(4.0 * math.pi * (caustic / kpc_per_arcmin) ** 2 * total)


@cache
def _solved_nodes() -> Array:
    """Return Chebyshev points of (0, 1)."""
    k = np.arange(_SOLVED)
    return np.asarray(0.5 * (1.0 - np.cos(np.pi * (k + 0.5) / _SOLVED)))


@cache
def _offset_rule() -> tuple[Array, Array, Array]:
    """Return nodes and weights on (0, 1), and the matrix of interpolation onto them."""
    node, weight = np.polynomial.legendre.leggauss(_ORDER)
    ends = np.array(_PANELS)
    half = 0.5 * np.diff(ends)[:, None]
    u = (ends[:-1, None] + half * (1.0 + node)).ravel()
    solved = np.polynomial.chebyshev.chebvander(2.0 * _solved_nodes() - 1.0, _SOLVED - 1)
    wanted = np.polynomial.chebyshev.chebvander(2.0 * u - 1.0, _SOLVED - 1)
    return u, (half * weight).ravel(), wanted @ np.linalg.inv(solved)


def _magnitude_rule(breaks: Array, width: float) -> tuple[Array, Array]:
    """Return nodes and weights over the counts, in panels no wider than `width`."""
    node, weight = np.polynomial.legendre.leggauss(8)
    edges = [breaks[:1]]
    for a, b in pairwise(breaks):
        edges.append(np.linspace(a, b, math.ceil((b - a) / width) + 1)[1:])
    ends = np.concatenate(edges)
    half = 0.5 * np.diff(ends)[:, None]
    return (ends[:-1, None] + half * (1.0 + node)).ravel(), (half * weight).ravel()
