"""Covariance of the profile of one object from its own galaxies: bootstrap and jackknife."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..rng import checked_ids, checked_seed, keyed_uniforms
from .pair_values import PairValues

Array = npt.NDArray[np.float64]


def resampled_covariances(
    values: PairValues,
    edges: Array,
    mask: npt.NDArray[np.bool_],
    method: str,
    *,
    n_resamples: int,
    n_patches: int,
    patches: Any,
    seed: int,
) -> tuple[Array, Array]:
    """Return the covariances of g_t and of sum (w / beta) e_t / sum w, (n_bins, n_bins) each.

    Rows and columns of empty bins (`mask`) are NaN. See `build_profile` for the arguments.
    """
    bin_of = np.searchsorted(edges, values.radius, side="right") - 1
    inside = (bin_of >= 0) & (bin_of < mask.size) & (values.weight > 0.0)
    terms = _terms(values, inside)
    bin_of = bin_of[inside]
    if method == "bootstrap":
        _enough("n_resamples", n_resamples, mask.size)
        sums = _bootstrap_sums(terms, bin_of, mask.size, int(n_resamples), checked_seed(seed))
        factor = 1.0 / (n_resamples - 1.0)
    else:
        label = _patches(values, patches, n_patches)[inside]
        groups, label = np.unique(label, return_inverse=True)
        _enough("n_patches" if patches is None else "patches", groups.size, mask.size)
        sums = _jackknife_sums(terms, bin_of, mask.size, label, groups.size)
        factor = (groups.size - 1.0) / groups.size
    lost = (sums[:, 0] <= 0.0).any(axis=0) & ~mask
    if lost.any():
        at = int(np.argmax(lost))
        raise ParameterError(
            f"bin {at}",
            f"{np.count_nonzero(bin_of == at)} galaxies",
            f"of enough galaxies that no resample of the {method} is without any",
            "Use wider bins, or covariance='shape'.",
        )
    with np.errstate(invalid="ignore"):
        ratios = sums[:, 1:] / sums[:, :1]
    deviation = ratios - ratios.mean(axis=0)
    shear, excess = (factor * (deviation[:, k].T @ deviation[:, k]) for k in range(2))
    return shear, excess


def _terms(values: PairValues, inside: npt.NDArray[np.bool_]) -> Array:
    """Return w, w e_t and (w / beta) e_t of the galaxies in bins, (3, n)."""
    weight, e_t, beta = values.weight[inside], values.e_t[inside], values.beta[inside]
    by_beta = np.divide(weight, beta, out=np.zeros_like(weight), where=beta > 0.0)
    return np.array([weight, weight * e_t, by_beta * e_t])


def _bootstrap_sums(terms: Array, bin_of: Any, n_bins: int, n_resamples: int, seed: int) -> Array:
    """Return sums of resamples, (n_resamples, 3, n_bins)."""
    n = bin_of.size
    sums = np.empty((n_resamples, 3, n_bins))
    for k in range(n_resamples):
        drawn = keyed_uniforms(seed, "bootstrap of galaxies", [k], n)[0] if n else np.empty(0)
        chosen = np.bincount((drawn * n).astype(np.int64), minlength=n)
        for j, term in enumerate(terms):
            sums[k, j] = np.bincount(bin_of, weights=chosen * term, minlength=n_bins)
    return sums


def _jackknife_sums(terms: Array, bin_of: Any, n_bins: int, label: Any, n_groups: int) -> Array:
    """Return the sums without each group in turn, (n_groups, 3, n_bins)."""
    place = label * n_bins + bin_of
    of_groups = np.array(
        [
            np.bincount(place, weights=term, minlength=n_groups * n_bins).reshape(n_groups, n_bins)
            for term in terms
        ]
    )
    counts = np.bincount(place, minlength=n_groups * n_bins).reshape(n_groups, n_bins)
    left = of_groups.sum(axis=1, keepdims=True) - of_groups
    left[0][counts.sum(axis=0) == counts] = 0.0  # not a rounding error: no galaxy is left
    return np.moveaxis(left, 1, 0)


def _patches(values: PairValues, patches: Any, n_patches: int) -> Any:
    n = values.radius.size
    if patches is not None:
        label = checked_ids("patches", patches)
        if label.size != n:
            raise ParameterError("patches", f"array of {label.size}", f"of {n}, as the catalogue")
        return label
    if isinstance(n_patches, bool) or int(n_patches) != n_patches or n_patches < 2:
        raise ParameterError("n_patches", n_patches, "an integer >= 2")
    share = np.mod(values.angle, 2.0 * math.pi) / (2.0 * math.pi)
    return np.minimum((share * n_patches).astype(np.int64), n_patches - 1)


def _enough(name: str, count: Any, n_bins: int) -> None:
    if isinstance(count, bool) or int(count) != count or count <= n_bins:
        raise ParameterError(
            name, count, f"more than the {n_bins} bins, or the covariance has no inverse"
        )
