"""Are ranks uniform? Simultaneous bands of their distribution function, and p-values.

Saeilynoja, Buerkner & Vehtari (2022, Statistics and Computing 32, 32): the band holds the whole
empirical distribution function of uniform ranks with the stated probability, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from ..errors import ParameterError

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_BISECTIONS = 40
_MOST_POINTS = 100


@dataclass(frozen=True)
class EcdfBand:
    """Simultaneous band of the empirical distribution function of uniform ranks.

    Attributes
    ----------
    z : (k,) ndarray
        Where it is evaluated, within (0, 1).
    low, high : (k,) ndarray
        Smallest and largest fraction of ranks below z inside the band.
    level : float
        Probability that all of them are inside: at least that asked for.
    """

    z: Array
    low: Array
    high: Array
    level: float


def ecdf_points(n_draws: int) -> Array:
    """Return where ranks 0..n_draws are compared with a uniform distribution, within (0, 1).

    All multiples of 1 / (n_draws + 1), at which a discrete uniform distribution function is
    that of a continuous one; about 100 of them if there are more.
    """
    cells = n_draws + 1
    chosen = np.unique(np.linspace(1, cells - 1, min(cells - 1, _MOST_POINTS)).round())
    return np.asarray(chosen / cells)


def ecdf_of_ranks(ranks: Any, n_draws: int) -> Array:
    """Return the fraction of ranks, integers 0..n_draws, below each of `ecdf_points`."""
    r = checked_ranks(ranks, n_draws)
    below = np.searchsorted(np.sort(r), np.rint(ecdf_points(n_draws) * (n_draws + 1)))
    return np.asarray(below / len(r))


def ecdf_band(n: int, n_draws: int, level: float = 0.95) -> EcdfBand:
    """Return the band of the distribution function of n uniform ranks.

    Parameters
    ----------
    n : int, > 0
        Number of ranks (simulations).
    n_draws : int, > 0
        Largest rank.
    level : float in (0, 1)
        Probability that the whole function is inside.
    """
    if not 0.0 < level < 1.0:
        raise ParameterError("level", level, "within (0, 1)")
    z = ecdf_points(n_draws)
    low_tail, high_tail = 0.0, 1.0 - level  # in one point a wider band is never needed
    for _ in range(_BISECTIONS):
        tail = 0.5 * (low_tail + high_tail)
        inside = _probability_inside(n, z, *_limits(n, z, tail))
        low_tail, high_tail = (tail, high_tail) if inside >= level else (low_tail, tail)
    low, high = _limits(n, z, low_tail)
    return EcdfBand(z, low / n, high / n, _probability_inside(n, z, low, high))


def uniformity_p_value(ranks: Any, n_draws: int) -> float:
    """Return the probability that uniform ranks leave the diagonal as far as these.

    How far is measured by the smallest two-sided binomial tail over `ecdf_points`; small
    values say that the ranks are not uniform.
    """
    r = checked_ranks(ranks, n_draws)
    n, z = len(r), ecdf_points(n_draws)
    counts = np.rint(ecdf_of_ranks(r, n_draws) * n)
    tails = np.minimum(stats.binom.cdf(counts, n, z), stats.binom.sf(counts - 1, n, z))
    # inside: every point less extreme than the most extreme one found
    low, high = _limits(n, z, 2.0 * float(tails.min()) * (1.0 + 1e-9))
    return float(np.clip(1.0 - _probability_inside(n, z, low, high), 0.0, 1.0))


def checked_ranks(ranks: Any, n_draws: int) -> Counts:
    """Return ranks (n,), which must be integers from 0 to n_draws."""
    r = np.asarray(ranks)
    if r.ndim != 1 or r.size == 0 or r.dtype.kind not in "iu":
        raise ParameterError("ranks", f"array of {r.dtype} {r.shape}", "of integers, (n,)")
    if r.min() < 0 or r.max() > n_draws:
        raise ParameterError("ranks", (int(r.min()), int(r.max())), f"from 0 to {n_draws}")
    return r.astype(np.int64)


def _limits(n: int, z: Array, tail: float) -> tuple[Counts, Counts]:
    """Return the smallest and largest counts with at least half of `tail` beyond, inclusive."""
    low = stats.binom.ppf(0.5 * tail, n, z)
    # counts whose own tail is above tail / 2, on either side
    low = np.where(stats.binom.cdf(low, n, z) <= 0.5 * tail, low + 1, low)
    high = stats.binom.isf(0.5 * tail, n, z)
    high = np.where(stats.binom.sf(high - 1, n, z) <= 0.5 * tail, high - 1, high)
    return low.astype(np.int64), high.astype(np.int64)


def _probability_inside(n: int, z: Array, low: Counts, high: Counts) -> float:
    """Return the probability that all counts of n uniform numbers below z are within limits.

    A binomial path is a Poisson process of rate n that ends at n: the probabilities of its
    counts are carried from z to z, cut to the limits, and divided by that of the end.
    """
    if np.any(low > high):
        return 0.0
    first, state = 0, np.ones(1)  # probabilities of the counts first, first + 1, ...
    for step, least, most in zip(np.diff(z, prepend=0.0), low, high, strict=True):
        more = stats.poisson.pmf(np.arange(most - first + 1), n * step)
        state = np.convolve(state, more)[least - first : most - first + 1]
        first = int(least)
    rest = n - first - np.arange(state.size)
    last = stats.poisson.pmf(rest, n * (1.0 - float(z[-1])))
    end = np.exp(n * np.log(n) - n - special.gammaln(n + 1))
    return float(state @ last / end)
