"""Posteriors of two parameters on a grid that holds all of them, and draws from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import FitError
from ..rng import purpose_key

Array = npt.NDArray[np.float64]
LogDensity = Callable[[Array], Array]
Box = Sequence[tuple[float, float]]

_COARSE = 17
_DEPTH = 14.0
_FLOOR = 60.0
_ROUNDS = 40
_FINER = 8


def covering_axes(log_density: LogDensity, box: Box, n: int) -> tuple[Array, Array]:
    """Return axes (n,) of a grid inside a box that holds where a density is not negligible.

    Parameters
    ----------
    log_density : callable
        ``log_density(theta (B, 2)) -> (B,)``, with one peak.
    box : two pairs
        Limits of both parameters, finite.
    n : int

    Raises
    ------
    FitError
        The density vanishes everywhere on the first grid.

    Notes
    -----
    The box is narrowed, with grids of 17 x 17, to what is above e^-14 of the maximum (5.3
    standard deviations of a normal density) and a step around it, until that is more than 0.4
    of it on both axes.
    """
    ends = [(float(low), float(high)) for low, high in box]
    for _ in range(_ROUNDS):
        axes = [np.linspace(low, high, _COARSE) for low, high in ends]
        values = on_grid(log_density, axes[0], axes[1])
        if not np.isfinite(values).any():
            raise FitError(
                f"the likelihood vanishes at all of {ends}; check the masses, or give other priors"
            )
        kept = values > values.max() - _DEPTH
        new = [_around(axis, kept.any(axis=1 - i), ends[i]) for i, axis in enumerate(axes)]
        wide = [b - a > 0.4 * (d - c) for (a, b), (c, d) in zip(new, ends, strict=True)]
        ends = new
        if all(wide):
            break
    return np.linspace(*ends[0], n), np.linspace(*ends[1], n)


def _around(
    axis: Array, kept: npt.NDArray[np.bool_], ends: tuple[float, float]
) -> tuple[float, float]:
    at = np.flatnonzero(kept)
    step = axis[1] - axis[0]
    return max(ends[0], axis[at[0]] - step), min(ends[1], axis[at[-1]] + step)


def on_grid(log_density: LogDensity, first: Array, second: Array) -> Array:
    """Return the values (A, S) on the grid of two axes."""
    mesh = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.asarray(log_density(mesh).reshape(first.size, second.size))


def grid_draws(log_values: Array, first: Array, second: Array, n: int, seed: int) -> Array:
    """Return n independent draws (n, 2) from exp(log_values) (A, S) on two axes.

    ln of the density is a bicubic spline between the points; draws are uniform within cells an
    eighth of those of the grid.
    """
    from scipy.interpolate import RectBivariateSpline

    floored = np.maximum(log_values - log_values.max(), -_FLOOR)
    spline = RectBivariateSpline(first, second, floored)
    cells = [_cells(axis) for axis in (first, second)]
    weight = np.exp(np.minimum(spline(cells[0][0], cells[1][0]), 1.0)).ravel()
    cumulative = np.cumsum(weight)
    random = np.random.default_rng([seed, purpose_key("ensemble draws")])
    u = random.random((n, 3))
    chosen = np.searchsorted(cumulative, u[:, 0] * cumulative[-1])
    shape = cells[0][0].size, cells[1][0].size
    rows, columns = np.unravel_index(np.minimum(chosen, weight.size - 1), shape)
    places = []
    for (middle, step), index, jitter in zip(cells, (rows, columns), u[:, 1:].T, strict=True):
        places.append(middle[index] + (jitter - 0.5) * step)
    return np.stack(places, axis=1)


def _cells(axis: Array) -> tuple[Array, float]:
    """Return the middles of cells, an eighth of the steps of an axis, and their size."""
    n = _FINER * (axis.size - 1)
    step = (axis[-1] - axis[0]) / n
    return axis[0] + step * (np.arange(n) + 0.5), float(step)
