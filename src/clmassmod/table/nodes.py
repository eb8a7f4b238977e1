"""Dyadic knots, and the values of a function at the nodes they make."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ticks = npt.NDArray[np.int64]

CELLS = 4
"""Intervals of an axis at the start: 5 knots."""
BLOCK = 1 << 40
"""Ticks of one of these intervals: the number of times it can be halved is 40."""
MOST_BYTES = 2 << 30
"""Largest store of node values."""

Positions = Callable[[int, Ticks], Array]


def first_ticks() -> Ticks:
    """Return the knots of an axis at the start."""
    return np.arange(CELLS + 1, dtype=np.int64) * BLOCK


def positions(ticks: Ticks, low: float, high: float) -> Array:
    """Return the u of ticks: `low` and `high` exactly for the first and last of the box."""
    part = ticks / (CELLS * BLOCK)
    return np.asarray((1.0 - part) * low + part * high)


def box_positions(box: Array) -> Positions:
    """Return the positions of the ticks of each axis of a box (N, 2)."""

    def position(axis: int, ticks: Ticks) -> Array:
        return positions(ticks, *box[axis])

    return position


def halved(ticks: Ticks, slabs: npt.NDArray[np.bool_]) -> Ticks:
    """Return knots with some slabs halved, and others so that neighbours differ by 2 at most.

    The norm of the spline that interpolates grows without bound where neighbouring intervals
    differ by more than a factor 2.6 again and again.
    """
    chosen = slabs.copy()
    widths = np.diff(ticks)
    while True:
        after = np.where(chosen, widths // 2, widths)
        # a slab more than twice as wide as what its neighbour becomes
        too_wide = np.zeros(len(widths), dtype=bool)
        too_wide[1:] |= after[1:] > 2 * after[:-1]
        too_wide[:-1] |= after[:-1] > 2 * after[1:]
        more = too_wide & ~chosen
        if not more.any():
            break
        chosen |= more
    middles = ticks[:-1][chosen] + widths[chosen] // 2
    return np.union1d(ticks, middles)


class NodeStore:
    """Values at all nodes asked for so far: none is computed twice.

    Parameters
    ----------
    n_axes : int
    position : callable
        ``position(axis, ticks) -> u`` of knots.
    evaluate : callable
        ``evaluate(u (n, N)) -> (n, K)``.
    """

    def __init__(
        self, n_axes: int, position: Positions, evaluate: Callable[[Array], Array]
    ) -> None:
        self._position = position
        self._evaluate = evaluate
        self._knots: list[Ticks] = [np.empty(0, dtype=np.int64)] * n_axes
        self._known = np.zeros((0,) * n_axes, dtype=bool)
        self._values = np.empty((*self._known.shape, 1))

    @property
    def n_known(self) -> int:
        """Number of nodes with a value."""
        return int(np.count_nonzero(self._known))

    def bound_to(self, evaluate: Callable[[Array], Array]) -> NodeStore:
        """Return a copy that asks another evaluator for what is not known."""
        copy = NodeStore(len(self._knots), self._position, evaluate)
        copy._knots = list(self._knots)
        copy._known, copy._values = self._known.copy(), self._values.copy()
        return copy

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what is known: ``ticks/<i>`` of each axis, ``known`` as bits, ``values``."""
        ticks = {f"ticks/{i}": one for i, one in enumerate(self._knots)}
        return ticks | {"known": np.packbits(self._known), "values": self._values[self._known]}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[Any]], n_axes: int, position: Positions
    ) -> NodeStore:
        """Return the store that `to_arrays` wrote, still to be `bound_to` a function."""
        store = cls(n_axes, position, _unbound)
        store._knots = [arrays[f"ticks/{i}"] for i in range(n_axes)]
        shape = tuple(ticks.size for ticks in store._knots)
        bits = np.unpackbits(arrays["known"], count=math.prod(shape))
        store._known = bits.reshape(shape).astype(bool)
        store._values = np.empty((*shape, arrays["values"].shape[1]))
        store._values[store._known] = arrays["values"]
        return store

    def bytes_with(self, knots: Sequence[Ticks]) -> int:
        """Return how large the store becomes with the nodes of `knots`."""
        sizes = [np.union1d(a, b).size for a, b in zip(self._knots, knots, strict=True)]
        return math.prod(sizes) * (8 * self._values.shape[-1] + 1)

    def axes(self, knots: Sequence[Ticks]) -> list[Array]:
        """Return the u of knots."""
        return [self._position(i, ticks) for i, ticks in enumerate(knots)]

    def values(self, knots: Sequence[Ticks]) -> Array:
        """Return values (n_1, ..., n_N, K) on the grid of `knots`, computing new ones."""
        self._grow(knots)
        at = np.ix_(*(np.searchsorted(a, b) for a, b in zip(self._knots, knots, strict=True)))
        new = np.argwhere(~self._known[at])
        if len(new):
            axes = self.axes(knots)
            u = np.stack([axis[new[:, i]] for i, axis in enumerate(axes)], axis=1)
            result = self._evaluate(u)
            if self._values.shape[-1] != result.shape[1]:
                self._values = np.empty((*self._known.shape, result.shape[1]))
            where = tuple(part.ravel()[new[:, i]] for i, part in enumerate(at))
            self._values[where] = result
            self._known[where] = True
        return np.asarray(self._values[at])

    def _grow(self, knots: Sequence[Ticks]) -> None:
        merged = [np.union1d(a, b) for a, b in zip(self._knots, knots, strict=True)]
        if all(a.size == b.size for a, b in zip(merged, self._knots, strict=True)):
            return
        shape = tuple(ticks.size for ticks in merged)
        known = np.zeros(shape, dtype=bool)
        values = np.empty((*shape, self._values.shape[-1]))
        old = np.ix_(*(np.searchsorted(a, b) for a, b in zip(merged, self._knots, strict=True)))
        known[old], values[old] = self._known, self._values
        self._knots, self._known, self._values = merged, known, values


def _unbound(u: Array) -> Array:
    raise RuntimeError("a store that was read has no function yet")
