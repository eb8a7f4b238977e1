"""Fixed points of a table, located once: values of it and of tables on the same grid."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .._checks import checked_threads
from .._core import interp as core
from ..errors import ParameterError
from .axes import checked_points
from .grid_checks import MOST_BYTES, checked_oob, checked_out
from .interpolator import Table
from .store import plain

Array = npt.NDArray[np.float64]


class TablePlan:
    """Points located on the grid of a table; a call gives values there.

    Made by `Table.plan`. It keeps the points sorted by their cells, so that neighbours in the
    table come one after another, and the interval of each; coordinate maps are done once. Calls
    give the bits of the table's own call.

    Attributes
    ----------
    shape : tuple of int
        Of the points without their last axis.
    oob : str
        What was asked for points outside.

    Notes
    -----
    For N axes a point takes ``12 N + 8`` bytes (56 for N = 4), 8 N more if the table has a
    coordinate map, and 8 more from the first call with a masked table on. Making a plan takes
    about twice as much meanwhile, and the time of 10 to 30 calls, for sorting. A call takes as
    much again as its results.

    Examples
    --------
    >>> import numpy as np
    >>> from clmassmod import Table
    >>> x = np.linspace(0, 1, 9)
    >>> plan = Table.from_grid([x], x**3).plan([[0.3], [0.7]])
    >>> print(plan().round(12), plan(Table.from_grid([x], x**2)).round(12))
    [0.027 0.343] [0.09 0.49]
    """

    def __init__(self, table: Table, x: Any, oob: str, n_threads: int) -> None:
        checked_oob(oob)
        checked_threads(n_threads)
        n_axes = len(table.shape)
        per_point = (12 + 8 * (table.coordinate_map is not None)) * n_axes + 8
        n_points = np.size(x) // n_axes
        if n_points * per_point > MOST_BYTES:
            most = MOST_BYTES // per_point
            hint = "Plan and evaluate the points in parts."
            raise ParameterError("x", f"{n_points} points", f"at most {most} in a plan", hint)
        given = checked_points(x, table.names)
        self.shape = given.shape[:-1]
        self.oob = oob
        self._table = table
        # derivatives by x need x itself
        self._x = None if table.coordinate_map is None else given.copy()
        self._locate(given.reshape(-1, n_axes), np.array(table._to_u(given, oob)), n_threads)

    def _locate(self, x: Array, points: Array, n_threads: int) -> None:
        """Find the intervals of points (n, N), and sort by them; those not inside come last."""
        intervals = np.zeros(points.shape, dtype=np.uint32)
        kinds = np.empty(len(points), dtype=np.uint8)
        core.locate(self._table._core_axes, points, intervals, kinds, n_threads)
        outside = kinds == core.OUT
        if self.oob == "raise" and outside.any():
            first = int(np.argmax(outside))
            self._table._refuse(x[first], points[first], first)
        cells = np.zeros(len(points), dtype=np.int64)
        for i, axis in enumerate(self._table._axes):
            cells *= axis.n_intervals
            cells += intervals[:, i]
        inside = kinds == core.INSIDE
        cells[~inside] = np.iinfo(np.int64).max
        order = np.argsort(cells, kind="stable")
        self._points, self._intervals = points[order], intervals[order]
        self._n_inside = int(inside.sum())
        self._rank = np.empty(len(points), dtype=np.intp)
        self._rank[order] = np.arange(len(points))

    def __call__(self, table: Table | None = None, out: Any = None, *, n_threads: int = 1) -> Any:
        """Return the values of a table at the points.

        Parameters
        ----------
        table : Table, optional
            With the axes, order and coordinate map of the one the plan was made for, which is
            the default. Values, mask, number of outputs and dtype may be others.
        out : (...) or (..., K) float64 array, optional
            Contiguous; where the values go.
        n_threads : int, >= 0
            0 for all; the results are the same bits for any number.

        Returns
        -------
        (...) or (..., K) array

        Raises
        ------
        ParameterError
            A table with other axes; it says which.
        """
        used = self._accepted(table)
        full = used._result_shape(self.shape)
        result = np.empty(full) if out is None else checked_out(out, full, self._points)
        self._evaluate(used, result.reshape(-1), None, n_threads)
        return result if out is not None or full else result[()]

    def value_and_grad(self, table: Table | None = None, *, n_threads: int = 1) -> tuple[Any, Any]:
        """Return values and their derivatives by the coordinates of x, in one pass.

        Parameters are those of a call. The gradient is (..., N), or (..., K, N) with outputs.
        """
        used = self._accepted(table)
        full = used._result_shape(self.shape)
        value, gradient = np.empty(full), np.empty((*full, len(used.shape)))
        self._evaluate(used, value.reshape(-1), gradient.reshape(-1), n_threads)
        if used.coordinate_map is not None:
            gradient = used.coordinate_map.chain(self._x, gradient, self.oob)
        return value[()], gradient

    @property
    def nbytes(self) -> int:
        """Memory of what is kept for the points; not of the table."""
        kept: list[npt.NDArray[Any]] = [self._points, self._intervals, self._rank]
        kept += [] if self._x is None else [self._x]
        kept += [self._cells] if "_cells" in self.__dict__ else []
        return sum(array.nbytes for array in kept)

    def __repr__(self) -> str:
        return f"<TablePlan of {len(self._points)} points for {self._table!r}>"

    @cached_property
    def _cells(self) -> npt.NDArray[np.intp]:
        """Cells of the points, for masks."""
        return self._table._cells(self._points)

    def _evaluate(self, table: Table, out: Array, gradient: Array | None, n_threads: int) -> None:
        """Fill the results (n K) and (n K N): where points are sorted, then in their own order.

        Reading anywhere and writing in order is much faster than the other way round, since
        stores wait for each other.
        """
        value = np.empty(out.size)
        slope = None if gradient is None else np.empty(gradient.size)
        intervals, n_inside = self._intervals, self._n_inside
        table._call_core(self._points, value, slope, self.oob, n_threads, intervals, n_inside)
        if table.mask is not None:
            table._set_nan(table.mask.reshape(-1)[self._cells], value, slope)
        self._unsort(value, out)
        if slope is not None and gradient is not None:
            self._unsort(slope, gradient)

    def _unsort(self, rows: Array, to: Array) -> None:
        if self._rank.size:
            shape = (self._rank.size, -1)
            # "clip": without it numpy makes a copy in between
            np.take(rows.reshape(shape), self._rank, axis=0, out=to.reshape(shape), mode="clip")

    def _accepted(self, table: Table | None) -> Table:
        """Return the table to evaluate; raise ParameterError if its grid is another."""
        own = self._table
        if table is None or table is own:
            return own
        if not isinstance(table, Table):
            raise ParameterError("table", type(table).__name__, "a Table")
        if (table.order, table.names) != (own.order, own.names):
            given = f"{table.order} table of {', '.join(table.names)}"
            raise ParameterError("table", given, f"{own.order}, of {', '.join(own.names)}")
        for i, (name, knots, mine) in enumerate(zip(own.names, table.axes, own.axes, strict=True)):
            if not np.array_equal(knots, mine):
                given = f"{knots.size} knots from {knots[0]:.17g} to {knots[-1]:.17g}"
                allowed = f"the knots of the plan's table ({mine.size} from {mine[0]:.17g} to "
                hint = "Make a plan of this table."
                raise ParameterError(
                    f"table.axes[{i}] ({name})", given, f"{allowed}{mine[-1]:.17g})", hint
                )
        theirs, ours = table.coordinate_map, own.coordinate_map
        if theirs is not ours and _content(theirs) != _content(ours):
            given = "another" if theirs is not None else "None"
            raise ParameterError(
                "table.coordinate_map",
                given,
                "the map of the plan's table",
                "Make a plan of this table.",
            )
        return table


def _content(coordinate_map: Any) -> Any:
    return None if coordinate_map is None else plain(coordinate_map.to_dict())
