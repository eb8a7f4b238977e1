"""Are averages over samples to be trusted? The shape of the tail of their weights."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError

Array = npt.NDArray[np.float64]

MOST_K = 0.7
"""Largest shape of the tail with which an average over samples is reliable."""
_FEWEST_TAIL = 5


def pareto_k(log_ratio: Array) -> float:
    """Return the shape k-hat of the tail of importance ratios.

    Parameters
    ----------
    log_ratio : (S,) array
        ln of target density over sampled density; -inf where the target vanishes.

    Returns
    -------
    float
        Of the generalised Pareto distribution of the largest min(S / 5, 3 sqrt S) ratios;
        above 0.7 an average over the samples is not reliable, at inf there are too few. -inf
        if the largest are all the same.

    Notes
    -----
    Vehtari, Simpson, Gelman, Yao & Gabry (2024, JMLR 25, 72), with the estimate of Zhang &
    Stephens (2009) and the weak prior of k = 0.5 worth ten ratios.
    """
    ratio = np.asarray(log_ratio, dtype=np.float64)
    if ratio.ndim != 1 or ratio.size == 0:
        raise ParameterError("log_ratio.shape", ratio.shape, "(S,), S > 0")
    tail = int(min(0.2 * ratio.size, 3.0 * math.sqrt(ratio.size)))
    if tail < _FEWEST_TAIL or np.isfinite(ratio).sum() <= tail:
        return math.inf
    ordered = np.sort(ratio)
    largest = ordered[-1]
    cutoff = ordered[-tail - 1]
    excess = np.exp(ordered[-tail:] - largest) - math.exp(cutoff - largest)
    if not excess[-1] > 0.0:
        return -math.inf
    return _pareto_shape(excess)


def _pareto_shape(x: Array) -> float:
    """Return the shape of a generalised Pareto distribution from sorted excesses (n,)."""
    n = x.size
    x = np.maximum(x, 1e-300)
    m = 30 + int(math.sqrt(n))
    quartile = x[int(n / 4 + 0.5) - 1]
    b = 1.0 / x[-1] + (1.0 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / (3.0 * quartile)
    k = np.mean(np.log1p(-b[:, None] * x), axis=1)
    log_likelihood = n * (np.log(-b / k) - k - 1.0)
    weight = np.exp(log_likelihood - log_likelihood.max())
    mean_b = float(np.sum(b * weight) / weight.sum())
    shape = float(np.mean(np.log1p(-mean_b * x)))
    return (n * shape + 10.0 * 0.5) / (n + 10.0)
