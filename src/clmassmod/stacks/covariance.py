"""Covariance of a stack from the scatter of its clusters: bootstrap and jackknife."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, nearest
from ..rng import checked_seed, keyed_uniforms

if TYPE_CHECKING:
    from .sums import StackSums

Array = npt.NDArray[np.float64]

ESTIMATES = ("shape", "bootstrap", "jackknife")


def resampled_covariance(
    clusters: StackSums,
    mask: npt.NDArray[np.bool_],
    method: str,
    n_resamples: int,
    seed: int,
) -> Array:
    """Return the covariance of the stack of sums with one row a cluster, (n_bins, n_bins).

    Rows and columns of empty bins (`mask`) are NaN. "bootstrap" draws clusters with replacement;
    "jackknife" leaves out one at a time.
    """
    checked_estimate(method)
    n = len(clusters.ids)
    _enough("clusters", n, mask.size)
    if method == "bootstrap":
        if isinstance(n_resamples, bool) or int(n_resamples) != n_resamples:
            raise ParameterError("n_resamples", n_resamples, "an integer")
        _enough("n_resamples", int(n_resamples), mask.size)
        weight, signal = _bootstrap_sums(clusters, int(n_resamples), checked_seed(seed))
        factor = 1.0 / (n_resamples - 1.0)
    else:
        weight, signal = _jackknife_sums(clusters)
        factor = (n - 1.0) / n
    lost = (weight <= 0.0).any(axis=0) & ~mask
    if lost.any():
        at = int(np.argmax(lost))
        held = int(np.count_nonzero(clusters.weight[:, at]))
        raise ParameterError(
            f"bin {at}",
            f"{held} clusters with data",
            f"of enough clusters that no resample of the {method} is without any",
            "Use wider bins, or covariance='shape'.",
        )
    with np.errstate(invalid="ignore"):
        values = signal / weight
    deviation = values - values.mean(axis=0)
    return np.asarray(factor * np.einsum("ki,kj->ij", deviation, deviation))


def checked_estimate(method: str) -> str:
    """Return the name of an estimate of the covariance."""
    if method not in ESTIMATES:
        allowed = f"one of {', '.join(ESTIMATES)}"
        raise ParameterError("covariance", method, allowed, nearest(str(method), ESTIMATES))
    return method


def _bootstrap_sums(clusters: StackSums, n_resamples: int, seed: int) -> tuple[Array, Array]:
    """Return weight and signal of resamples, (n_resamples, n_bins) each."""
    n = len(clusters.ids)
    weight, signal = np.empty((2, n_resamples, clusters.n_bins))
    for k in range(n_resamples):
        drawn = keyed_uniforms(seed, "bootstrap of clusters", [k], n)[0]
        # sums of numpy itself: those of a BLAS depend on its threads
        times = np.bincount((drawn * n).astype(np.int64), minlength=n)[:, None]
        weight[k] = (times * clusters.weight).sum(axis=0)
        signal[k] = (times * clusters.signal).sum(axis=0)
    return weight, signal


def _jackknife_sums(clusters: StackSums) -> tuple[Array, Array]:
    """Return weight and signal without each cluster in turn, (n, n_bins) each."""
    there = clusters.weight > 0.0
    # not a rounding error: no other cluster has data in the bin
    alone = there & (there.sum(axis=0) == 1)
    weight, signal = (array.sum(axis=0) - array for array in (clusters.weight, clusters.signal))
    return np.where(alone, 0.0, weight), signal


def _enough(name: str, count: int, n_bins: int) -> None:
    if count <= n_bins:
        raise ParameterError(
            name, count, f"more than the {n_bins} bins, or the covariance has no inverse"
        )
