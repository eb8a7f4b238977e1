"""Axes of a table: knots, the basis functions between them, and where a number falls."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError

Array = npt.NDArray[np.float64]

LEAST_KNOTS = {"linear": 2, "cubic": 4}
WIDTH = {"linear": 2, "cubic": 4}
TILE = 8
_INTERVAL = [("left", "f8"), ("inverse_width", "f8"), ("right", "f8"), ("start", np.uintp)]
_CELLS_PER_INTERVAL = 4
_MOST_CELLS = 1 << 20
# a point this far from a break, in parts of an interval, may be put into the interval beyond it
_LOOSE = 1e-9
# knots and their steps are within 1e-150 and 1e150, and a step is this part of its knots or more
_EXTREME = 1e150
_LEAST_STEP = 16.0 * np.finfo(np.float64).eps


class Axis:
    """One axis of a table: strictly increasing knots.

    Parameters
    ----------
    knots : (n,) array
    order : {"linear", "cubic"}
    name : str
        Named in errors.

    Notes
    -----
    A cubic axis has the not-a-knot spline's breaks: all knots but the second and the last but
    one. On each interval W = 2 or 4 basis functions are not zero; `basis` has their
    coefficients in powers of t, which goes from 0 to 1 over the interval, by the recursion of
    Cox and de Boor.
    """

    def __init__(self, knots: Any, order: str, name: str) -> None:
        self.knots = checked_knots(knots, order, name)
        self.order = order
        if order == "cubic":
            self.breaks = np.concatenate([self.knots[:1], self.knots[2:-2], self.knots[-1:]])
            self.basis = _cubic_basis(self.breaks)
        else:
            self.breaks = self.knots
            self.basis = np.tile([[1.0, 0.0], [-1.0, 1.0]], (self.knots.size - 1, 1, 1))
        self.n_intervals = self.breaks.size - 1
        self.first_of = _first_intervals(self.breaks)

    def intervals(self, starts: Any) -> npt.NDArray[np.void]:
        """Return the intervals as the core takes them, `starts` their first coefficients."""
        made = np.empty(self.n_intervals, dtype=_INTERVAL)
        made["left"] = self.breaks[:-1]
        made["inverse_width"] = 1.0 / np.diff(self.breaks)
        # the end belongs to the last interval
        made["right"] = [*self.breaks[1:-1], np.inf]
        made["start"] = starts
        return made

    @cached_property
    def tile_indices(self) -> npt.NDArray[np.intp]:
        """Which coefficient stands where in a row of the last axis.

        Rows are cut into tiles of 8, a cache line, that overlap by W - 1: then the W
        coefficients of any stencil lie in one.
        """
        step = TILE - WIDTH[self.order] + 1
        tiles = np.arange(-(-self.n_intervals // step))[:, None] * step + np.arange(TILE)
        # places of the last tile that nothing reads
        return np.asarray(np.minimum(tiles, self.knots.size - 1)).reshape(-1)

    @property
    def tile_starts(self) -> npt.NDArray[np.uintp]:
        """Where in a row the stencil of each interval begins."""
        step = TILE - WIDTH[self.order] + 1
        tile, place = np.divmod(np.arange(self.n_intervals, dtype=np.uintp), step)
        return np.asarray(tile * TILE + place, dtype=np.uintp)

    @property
    def limits(self) -> tuple[float, float]:
        """First and last knot."""
        return float(self.knots[0]), float(self.knots[-1])

    def holds(self, u: Any) -> Any:
        """Return whether u lie on the axis, as the core sees it: up to 4 ulp beyond its ends."""
        low, high = self.limits
        slack = 4.0 * np.finfo(np.float64).eps * max(abs(low), abs(high))
        return (u >= low - slack) & (u <= high + slack)

    def spline_coefficients(self, values: Array, axis: int) -> Array:
        """Return the coefficients of the interpolant of `values` along one of their axes."""
        if self.order == "linear":
            return values
        from scipy.interpolate import make_interp_spline

        spline = make_interp_spline(self.knots, values, k=3, axis=axis)
        # scipy gives the coefficients with the interpolated axis first
        return np.moveaxis(np.asarray(spline.c), 0, axis)


def checked_knots(knots: Any, order: str, name: str) -> Array:
    """Return knots as an increasing float array; descending ones are the caller's to flip."""
    try:
        array = np.asarray(knots)
    except ValueError:  # lists of unequal lengths
        raise ParameterError(name, knots, "a one-dimensional array of numbers") from None
    if array.dtype.kind not in "iuf":
        raise ParameterError(name, knots, "a one-dimensional array of real numbers")
    array = np.array(array, dtype=np.float64)
    least = LEAST_KNOTS[order]
    if array.ndim != 1 or array.size < least:
        raise ParameterError(
            name, f"array of shape {array.shape}", f"(n,) with n >= {least} for {order} tables"
        )
    if not np.isfinite(array).all():
        at = int(np.argmin(np.isfinite(array)))
        raise ParameterError(f"{name}[{at}]", float(array[at]), "finite")
    if np.abs(array).max() > _EXTREME:
        at = int(np.argmax(np.abs(array)))
        raise ParameterError(f"{name}[{at}]", float(array[at]), f"within -/+{_EXTREME:g}")
    steps = np.diff(array)
    if not (steps > 0.0).all():
        at = int(np.argmin(steps > 0.0)) + 1
        raise ParameterError(f"{name}[{at}]", float(array[at]), "greater than the one before")
    size = np.maximum(np.abs(array[1:]), np.abs(array[:-1]))
    wide = steps >= np.maximum(_LEAST_STEP * size, 1.0 / _EXTREME)
    if not wide.all():
        at = int(np.argmin(wide)) + 1
        allowed = "greater than the one before by 4e-15 of its size, and by 1e-150"
        allowed += f" (it is by {steps[at - 1]:g})"
        hint = "Take away a constant, change the unit, or leave out knots that are nearly the same."
        raise ParameterError(f"{name}[{at}]", float(array[at]), allowed, hint)
    return array


def checked_points(x: Any, names: Sequence[str]) -> Array:
    """Return points (..., N), of the axes of `names`, as floats."""
    try:
        points = np.asarray(x)
    except ValueError:  # lists of unequal lengths
        raise ParameterError("x", x, "an array of numbers (..., N)") from None
    if np.ma.is_masked(x):
        raise ParameterError(
            "x", x, "without masked entries", "Fill them with NaN, which gives NaN."
        )
    if points.dtype.kind not in "biuf":
        raise ParameterError("x", x, "an array of real numbers (..., N)")
    n = len(names)
    if points.ndim == 0 or points.shape[-1] != n:
        allowed = f"(..., {n}), the last axis {', '.join(names)}"
        raise ParameterError("x.shape", points.shape, allowed)
    return np.asarray(points, dtype=np.float64)


def _cubic_basis(breaks: Array) -> Array:
    """Return (m, 4 powers, 4 functions): the cubic B-splines of open knots on each interval."""
    knots = np.concatenate([np.repeat(breaks[0], 3), breaks, np.repeat(breaks[-1], 3)])
    m = breaks.size - 1
    left = breaks[:-1]
    width = np.diff(breaks)
    # polynomials in t of the d + 1 functions that are not zero on interval i, for d = 0, 1, 2, 3
    functions = [np.zeros((m, 4))]
    functions[0][:, 0] = 1.0
    for degree in range(1, 4):
        raised = [np.zeros((m, 4)) for _ in range(degree + 1)]
        for j, one in enumerate(functions):
            # function j of degree d - 1 on interval i has the support starting at this knot
            start = np.arange(m) + 3 - (degree - 1) + j
            low, high = knots[start], knots[start + degree]
            span = high - low
            # x = left + width t: (x - low)/span and (high - x)/span
            rising = _times_linear(one, (left - low) / span, width / span)
            falling = _times_linear(one, (high - left) / span, -width / span)
            raised[j + 1] += rising
            raised[j] += falling
        functions = raised
    return np.ascontiguousarray(np.stack(functions, axis=2))


def _times_linear(polynomial: Array, constant: Array, slope: Array) -> Array:
    """Return ``(constant + slope t)`` times polynomials in t, (m, 4) powers."""
    result = constant[:, None] * polynomial
    result[:, 1:] += slope[:, None] * polynomial[:, :-1]
    return np.asarray(result)


def _first_intervals(breaks: Array) -> npt.NDArray[np.uint32]:
    """Return, for equal cells of the axis, the interval that holds the beginning of the cell.

    Where all breaks are multiples of the smallest step, as on uniform and on bisected axes, a
    cell lies within one interval, and looking up is all there is to do. (Rounding may put a
    number just below a break into the interval above it: polynomials join there.)
    """
    m = breaks.size - 1
    span = float(breaks[-1] - breaks[0])
    cells = round(min(span / float(np.diff(breaks).min()), 2.0 * _MOST_CELLS))
    places = (breaks - breaks[0]) * (cells / span)
    rounding = 4.0 * np.finfo(np.float64).eps * float(np.abs(breaks).max()) * cells / span
    even = np.abs(places - np.round(places)).max() <= rounding <= _LOOSE
    if cells <= _MOST_CELLS and even:
        # a cell that begins at a break but for rounding begins beyond it
        edges = (np.arange(cells) + 2.0 * rounding) / cells
    else:
        cells = min(_CELLS_PER_INTERVAL * m, _MOST_CELLS)
        edges = (np.arange(cells) - 1e-9) / cells
    first = np.searchsorted(breaks, breaks[0] + span * edges, side="right") - 1
    return np.asarray(np.clip(first, 0, m - 1), dtype=np.uint32)
