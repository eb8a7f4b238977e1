"""Number of sources whose two images are detected, as a function of the magnifications."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .._core import axisym as core
from ..errors import ParameterError
from ..stronglens.observation import Detection
from ..stronglens.source_counts import SourceCounts
from ..stronglens.source_population import SourcePopulation

Array = npt.NDArray[np.float64]

LEAST_NOISE = 0.02
"""Smallest error of magnitudes [mag]: the probability of detection has to be smooth."""

_STEPS = 75
_STEPS_PER_SIGMA = 5.0
# nodes beyond the ends, where the influence of an end on a spline has died away
_BEYOND = 20
_REACH = 12.0
_SCAN = 0.002
_NONE = 1e-13
_PANEL = 0.05
_ROWS = 256
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


class DetectedCounts:
    """Sources per arcmin^2 of which both images are detected.

    ``N(mu_A, mu_B) = int n(m) P(m - 2.5 log10 mu_A) P(m - 2.5 log10 |mu_B|) dm``, P the
    probability that an image of that true magnitude is detected.

    Parameters
    ----------
    sources : SourcePopulation
        Point sources.
    detection : Detection
        With a method ``probability(m, sigma)`` of one image, smooth in m.
    sigma : float, mag, between 0.02 and 5
        Error of the magnitude of each image.
    counts : sequence of K SourceCounts, optional
        n(m) [arcmin^-2 mag^-1] in place of those of `sources`, each with its own result.

    Raises
    ------
    ParameterError
        Extended sources, a rule without `probability`, one outside [0, 1], or `sigma` outside
        its range.

    Notes
    -----
    N is an even and smooth function of the difference of the gains ``2.5 log10 |mu|`` at a
    given mean: cubic B-splines in both, the nodes a fifth of `sigma` apart, each value a
    Gauss-Legendre sum over magnitudes. Beyond the table N is constant: nothing is seen, or the
    brighter image is seen in any case. Relative accuracy 4e-7 where 1 % of the sources or
    more are seen.
    """

    def __init__(
        self,
        sources: SourcePopulation,
        detection: Detection,
        sigma: float,
        *,
        counts: Sequence[SourceCounts] | None = None,
    ) -> None:
        if sources.size is not None:
            hint = "Sources are taken as points; a population without sizes is needed."
            raise ParameterError("sources.size", sources.size, "None", hint)
        self.several = counts is not None
        self.counts = (sources.counts,) if counts is None else tuple(counts)
        self.detection = detection
        self.sigma = _checked_noise(sigma)
        self._low = min(one.m_min for one in self.counts)
        self._high = max(one.m_max for one in self.counts)
        self._bright, self._faint = self._edges()

    def __call__(self, mu_a: Any, mu_b: Any) -> Array:
        """Return N (...), or (..., K) for several counts, at magnifications of one shape."""
        with np.errstate(divide="ignore"):
            log_a, log_b = (np.log(np.abs(np.asarray(mu, dtype=np.float64))) for mu in (mu_a, mu_b))
        out = np.empty((log_a.size, len(self.counts)))
        self.core_table.counts(np.ravel(log_a), np.ravel(log_b), out)
        result = out.reshape(*log_a.shape, -1)
        return result if self.several else result[..., 0]

    @cached_property
    def core_table(self) -> core.DetectionTable:
        """The table, as the core takes it; made when it is first needed."""
        step = (self._faint - self._bright) / _STEPS
        n = math.ceil((self._high - self._low) / step) + _STEPS
        # of the fainter image: from where nothing is seen to where everything is
        start, apart = self._low - self._faint, _STEPS * step
        n_means = n + math.ceil(0.5 * _STEPS)
        values = self._values(start, step, n_means + 4, _STEPS + _BEYOND)
        numbers = np.array([start, start + n * step, apart, step])
        return core.DetectionTable(_spline_coefficients(values), numbers)

    @property
    def n_counts(self) -> int:
        """K, the number of results."""
        return len(self.counts)

    def to_dict(self) -> dict[str, Any]:
        """Return what the numbers depend on, as plain values."""
        return {
            "counts": [one.to_dict() for one in self.counts],
            "detection": self.detection.to_dict(),
            "noise": self.sigma,
        }

    def _probability(self, m: Array) -> Array:
        p = np.asarray(self.detection.probability(m, self.sigma), dtype=np.float64)  # type: ignore[attr-defined]
        if p.shape != m.shape or not np.all((p >= 0.0) & (p <= 1.0)):
            allowed = "probabilities within [0, 1], of the shape of m"
            raise ParameterError("detection.probability", p, allowed)
        return p

    def _edges(self) -> tuple[float, float]:
        """Return the magnitudes beyond which the probability is constant, or vanishes.

        At least 15 sigma apart: a step of the table is a fifth of sigma or more.
        """
        if not callable(getattr(self.detection, "probability", None)):
            raise ParameterError("detection", self.detection, "a rule with probability(m, sigma)")
        n = math.ceil((self._high - self._low + 2.0 * _REACH) / _SCAN)
        m = np.linspace(self._low - _REACH, self._high + _REACH, n + 1)
        p = self._probability(m)
        seen, below = p > _NONE, np.abs(p - p[0]) > _NONE
        faint = float(m[min(np.flatnonzero(seen)[-1] + 1, n)]) if seen.any() else float(m[0])
        bright = float(m[max(int(np.argmax(below)) - 1, 0)]) if below.any() else faint
        least = 0.5 * _STEPS / _STEPS_PER_SIGMA * self.sigma
        middle = 0.5 * (bright + faint)
        return min(bright, middle - least), max(faint, middle + least)

    def _values(self, start: float, step: float, n_means: int, n_apart: int) -> Array:
        """Return N (K, n_means, n_apart); means from a step before `start`, differences from 0."""
        m, weight = _nodes(self.counts, min(_PANEL, 2.0 * step))
        values = np.empty((len(self.counts), n_means, n_apart))
        for first in range(0, n_means, _ROWS):
            rows = np.arange(first, min(first + _ROWS, n_means))
            # half steps: both gains are the mean and half of the difference
            half = np.arange(2 * rows[0] - n_apart, 2 * rows[-1] + n_apart + 1)
            seen = self._probability(m - (start - step + 0.5 * step * half[:, None]))
            middle = 2 * (rows - rows[0]) + n_apart
            # where nothing or everything is seen it is so for all of these rows
            same = np.ptp(seen, axis=0) == 0.0
            values[:, rows] = ((seen[0, same] ** 2) @ weight[same])[:, None, None]
            seen, active = np.ascontiguousarray(seen[:, ~same]), weight[~same].T
            for j in range(n_apart):
                values[:, rows, j] += active @ (seen[middle - j] * seen[middle + j]).T
        return values


def _checked_noise(sigma: Any) -> float:
    if not (isinstance(sigma, int | float | np.number) and LEAST_NOISE <= sigma <= 5.0):
        raise ParameterError("noise.magnitude", sigma, f"between {LEAST_NOISE} and 5 mag")
    return float(sigma)


def _nodes(counts: Sequence[SourceCounts], width: float) -> tuple[Array, Array]:
    """Return magnitudes (m,) and weights times n(m) (m, K) of a rule between all breaks."""
    breaks = np.unique(np.concatenate([one.breaks for one in counts]))
    pieces = [np.linspace(a, b, math.ceil((b - a) / width) + 1)[:-1] for a, b in pairwise(breaks)]
    edges = np.append(np.concatenate(pieces), breaks[-1])
    half = 0.5 * np.diff(edges)[:, None]
    m = (edges[:-1, None] + half * (1.0 + _NODES)).ravel()
    weight = (half * _WEIGHTS).ravel()
    return m, np.stack([weight * one.density_at(m) for one in counts], axis=-1)


def _spline_coefficients(values: Array) -> Array:
    """Return coefficients of the cubic B-splines, with the mirror image of the first difference.

    At both ends of the means N is constant; it is even in the difference.
    """
    along = ndimage.spline_filter1d(values, order=3, axis=1, mode="mirror")
    both = ndimage.spline_filter1d(along, order=3, axis=2, mode="mirror")
    return np.ascontiguousarray(np.concatenate([both[:, :, 1:2], both], axis=2))
