"""Bias and scatter of resampled objects: how much they vary from sample to sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FitError, ParameterError
from ..rng import purpose_key
from .population_likelihood import PopulationLikelihood
from .posterior import GridLikelihood

Array = npt.NDArray[np.float64]

_POINTS = 41
_VALUES = 2_000_000
_ROUNDS = 8
_MOST_AT_EDGE = 0.002


def bootstrap_maxima(
    grid: GridLikelihood, n: int = 200, *, blocks: Any = None, seed: int = 1
) -> Array:
    """Return bias (or mean) and scatter (n, 2) of greatest likelihood of resampled objects.

    Parameters
    ----------
    grid : GridLikelihood
        Its other parameters keep their values.
    n : int, >= 2
        Number of samples. Each has as many blocks as there are, drawn with replacement.
    blocks : (N,) array of int, optional
        Number of the block of every object, as `GridLikelihood.ids` has them: objects of a
        block are drawn together. By default each is its own.
    seed : int

    Raises
    ------
    ParameterError
        A wrong number of samples or blocks, or a single block.
    FitError
        The maxima lie further and further away: too few objects.

    Notes
    -----
    ln L of every block is computed once, on a grid that holds all maxima; samples are weighted
    sums of it (Efron 1979, Annals of Statistics 7, 1; in blocks, Kunsch 1989, ibid. 17, 1217).
    A maximum is that of the parabola through nine points; the scatter is >= 0.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 2:
        raise ParameterError("n", n, "an integer >= 2")
    numbers = np.arange(len(grid.ids)) if blocks is None else np.asarray(blocks)
    if numbers.shape != (len(grid.ids),):
        raise ParameterError("blocks.shape", numbers.shape, f"({len(grid.ids)},)")
    names, number = np.unique(numbers, return_inverse=True)
    if names.size < 2:
        raise ParameterError("blocks", f"{names.size} block", "at least two")
    random = np.random.default_rng([seed, purpose_key("bootstrap of objects")])
    draws = random.multinomial(names.size, np.full(names.size, 1.0 / names.size), size=n)
    weights = draws[:, number].astype(np.float64)
    first = np.linspace(grid.first[0], grid.first[-1], _POINTS)
    scatter = np.linspace(grid.scatter[0], grid.scatter[-1], _POINTS)
    for _ in range(_ROUNDS):
        values = _resampled(grid.likelihood, grid.theta(first, scatter), weights)
        top = np.unravel_index(values.argmax(axis=1), (_POINTS, _POINTS))
        axes = _wider(first, top[0], -np.inf), _wider(scatter, top[1], 0.0)
        if axes[0] is first and axes[1] is scatter:
            return _refined(values.reshape(n, _POINTS, _POINTS), top, first, scatter)
        first, scatter = axes
    raise FitError(
        f"{names.size} blocks are too few for a bootstrap: likelihoods of some samples are "
        f"greatest beyond {grid.names[0]} from {first[0]:.3g} to {first[-1]:.3g}, scatter to "
        f"{scatter[-1]:.3g}"
    )


def _resampled(likelihood: PopulationLikelihood, theta: Array, weights: Array) -> Array:
    """Return weighted sums (n, B) of ln L of the objects."""
    rows = max(1, _VALUES // weights.shape[1])
    parts = [
        weights @ likelihood.of_objects(theta[i : i + rows]) for i in range(0, len(theta), rows)
    ]
    return np.concatenate(parts, axis=1)


def _wider(axis: Array, top: npt.NDArray[np.int64], least: float) -> Array:
    """Return the axis, or one half as wide again on each side where maxima lie at its ends."""
    most = _MOST_AT_EDGE * top.size
    low, high = float(axis[0]), float(axis[-1])
    margin = 0.5 * (high - low)
    below, above = np.sum(top == 0) > most and low > least, np.sum(top == axis.size - 1) > most
    if not (below or above):
        return axis
    return np.linspace(max(least, low - below * margin), high + above * margin, axis.size)


def _refined(values: Array, top: Any, first: Array, scatter: Array) -> Array:
    """Return the maxima (n, 2) of parabolas about the greatest values of (n, A, S)."""
    i, j = (np.clip(k, 1, _POINTS - 2) for k in top)
    n = np.arange(len(values))
    around = {(a, b): values[n, i + a, j + b] for a in (-1, 0, 1) for b in (-1, 0, 1)}
    slope = (
        0.5 * (around[1, 0] - around[-1, 0]),
        0.5 * (around[0, 1] - around[0, -1]),
    )
    bend = (
        around[1, 0] + around[-1, 0] - 2.0 * around[0, 0],
        around[0, 1] + around[0, -1] - 2.0 * around[0, 0],
    )
    cross = 0.25 * (around[1, 1] + around[-1, -1] - around[1, -1] - around[-1, 1])
    determinant = bend[0] * bend[1] - cross**2
    peaked = (bend[0] < 0.0) & (determinant > 0.0)
    safe = np.where(peaked, determinant, 1.0)
    moves = (
        (cross * slope[1] - bend[1] * slope[0]) / safe,
        (cross * slope[0] - bend[0] * slope[1]) / safe,
    )
    columns = []
    for axis, centre, found, move in zip((first, scatter), (i, j), top, moves, strict=True):
        place = np.where(peaked, centre + np.clip(move, -1.0, 1.0), found)
        columns.append(axis[0] + (axis[1] - axis[0]) * place)
    return np.stack(columns, axis=1)
