"""Cells that galaxies are sorted into, so that pairs are looked for where they can be."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bounds = tuple[float, float, float, float, float]
"""Start and width of u, start of v, height of a band, period of u: see sky_grid.hpp."""

_PER_CELL = 64
"""Galaxies per cell, on average: fewer cost more cells, more cost more distances."""


def cells_of(u: Array, v: Array, on_sky: bool) -> tuple[Bounds, Integers]:
    """Return the bounds and the number of cells before each band, see sky_grid.hpp."""
    period = 2.0 * math.pi if on_sky else 0.0
    if u.size == 0:
        return (0.0, 1.0, 0.0, 1.0, period), np.array([0, 1], dtype=np.int64)
    low, extent = float(v.min()), float(np.ptp(v))
    start, width = float(u.min()), float(np.ptp(u))
    narrowing = math.cos(low + 0.5 * extent) if on_sky else 1.0
    share = _PER_CELL / u.size
    span = width * narrowing
    height = max(math.sqrt(extent * span * share), extent * share, span * share)
    if height == 0.0:  # all at one place
        return (start, width or 1.0, low, 1.0, period), np.array([0, 1], dtype=np.int64)
    n_bands = max(1, math.ceil(extent / height))
    middle = low + height * (np.arange(n_bands) + 0.5)
    around = width * (np.maximum(np.cos(middle), 0.0) if on_sky else np.ones(n_bands))
    cells = np.maximum(1, np.floor(around / height)).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(cells)])
    return (start, width or 1.0, low, height, period), first


def unwrapped(right_ascension: Array) -> Array:
    """Return angles in [0, 2 pi) counted from the end of the widest gap, in [s, s + 2 pi).

    So that a field across 0 h is as narrow as any other.
    """
    n = 256
    width = 2.0 * math.pi / n
    filled = np.zeros(n, dtype=bool)
    filled[np.minimum((right_ascension / width).astype(np.int64), n - 1)] = True
    if filled.all() or not filled.any():
        return right_ascension
    twice = np.concatenate([filled, filled])
    ends = np.flatnonzero(twice)
    gap = np.argmax(np.diff(ends))
    start = (ends[gap + 1] % n) * width
    return np.where(right_ascension < start, right_ascension + 2.0 * math.pi, right_ascension)
