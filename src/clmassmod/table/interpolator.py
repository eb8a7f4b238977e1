"""Compiled interpolation on rectilinear grids in 1 to 6 dimensions."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._checks import checked_threads
from .._core import interp as core
from ..errors import ParameterError
from .axes import WIDTH, Axis, checked_points
from .grid_checks import (
    axis_names,
    checked_mask,
    checked_metadata,
    checked_oob,
    checked_order,
    checked_out,
    checked_values,
    increasing,
)

if TYPE_CHECKING:
    from .maps import CoordinateMap
    from .plan import TablePlan
    from .store import Content

Array = npt.NDArray[np.float64]

_LINE = 16
_PAD = 4


class Table:
    """A function tabulated on a rectilinear grid: linear or cubic (not-a-knot B-spline).

    Made by `Table.from_grid`, `Table.build` or `Table.load`. Immutable; can be pickled.

    Attributes
    ----------
    names : tuple of str
        Names of the axes.
    order : str
        ``"linear"`` or ``"cubic"``.
    shape : tuple of int
        Numbers of knots.
    n_outputs : int
        K, 1 for values without an axis of outputs.
    metadata : dict

    Examples
    --------
    >>> import numpy as np
    >>> from clmassmod import Table
    >>> x, y = np.linspace(0, 1, 9), np.linspace(0, 2, 11)
    >>> table = Table.from_grid([x, y], x[:, None] ** 3 + y**2)
    >>> print(f"{table([0.3, 1.7]):.12f}")
    2.917000000000
    """

    def __init__(
        self,
        axes: Sequence[Axis],
        values: npt.NDArray[Any],
        names: tuple[str, ...],
        mask: npt.NDArray[np.bool_] | None,
        metadata: dict[str, Any],
        coefficients: npt.NDArray[Any] | None = None,
    ) -> None:
        self._axes = tuple(axes)
        self.names = names
        self.order = self._axes[0].order
        self.shape = tuple(axis.knots.size for axis in self._axes)
        self._has_outputs = values.ndim > len(self._axes)
        self.n_outputs = values.shape[-1] if self._has_outputs else 1
        self.metadata = metadata
        self._values = values
        self._values.flags.writeable = False
        self._mask = mask
        self._map: CoordinateMap | None = None
        self._report: Any = None
        self._build: Any = None
        if coefficients is None:
            self._prepare()
        else:
            self._coefficients = coefficients
            self._make_core_axes()
            if coefficients.shape != (self._n_needed + _PAD,):
                raise ParameterError(
                    "coef.shape", coefficients.shape, f"({self._n_needed + _PAD},)"
                )

    # -- making ---------------------------------------------------------------------------------

    @classmethod
    def from_grid(
        cls,
        axes: Sequence[Any],
        values: Any,
        names: Sequence[str] | None = None,
        order: str = "cubic",
        mask: Any = None,
        dtype: str = "float64",
        metadata: Mapping[str, Any] | None = None,
    ) -> Table:
        """Return the table of values on a grid.

        Parameters
        ----------
        axes : sequence of N (n_i,) arrays, 1 <= N <= 6
            Knots of each axis, strictly monotone; descending ones are flipped with the values.
            At least 4 for cubic tables, 2 for linear ones.
        values : (n_1, ..., n_N) or (n_1, ..., n_N, K) array, finite
        names : sequence of N str, optional
            ``x0``, ``x1``, ... by default.
        order : {"cubic", "linear"}
            Cubic: tensor product of not-a-knot splines.
        mask : (n_1 - 1, ..., n_N - 1) array of bool, optional
            True for cells that are not valid: points in them give NaN. The values at their
            corners must be finite still.
        dtype : {"float64", "float32"}
            Of the coefficients kept; float32 halves the memory and keeps 6e-8.
        metadata : mapping, optional
            Anything that JSON can hold.

        Raises
        ------
        ParameterError
            Knots that are not monotone, too few of them, values of another shape or not
            finite (the first index is named), or a table above 8 GiB.
        """
        knots, flips = increasing(axes)
        checked_order(order)
        if dtype not in ("float64", "float32"):
            raise ParameterError("dtype", dtype, "'float64' or 'float32'")
        labels = axis_names(names, len(knots))
        made = [Axis(k, order, f"axes[{i}]") for i, k in enumerate(knots)]
        shape = tuple(axis.knots.size for axis in made)
        array = checked_values(values, shape, dtype)
        array = np.flip(array, flips) if flips else array
        cells = checked_mask(mask, shape, flips)
        content = checked_metadata(metadata)
        kept = np.array(array, dtype=dtype, order="C")
        return cls(made, kept, labels, cells, content)

    @classmethod
    def build(cls, func: Any, box: Any, tol: float = 1e-4, **options: Any) -> Any:
        """Return a table of a function, as fine as `tol` asks; see `build_table`."""
        from .builder import build_table

        return build_table(func, box, tol, **options)

    def extend(self, **options: Any) -> Any:
        """Return a table of a larger box or a smaller error; see `extend_table`.

        For tables made by `Table.build`, whose nodes and sample are used again.
        """
        from .extension import extend_table

        return extend_table(self, **options)

    def error_report(self) -> Any:
        """Return the `ErrorReport` of a table made by `Table.build`; None for others."""
        return self._report

    def with_map(self, coordinate_map: Any) -> Table:
        """Return this table with its grid in the coordinates u of a map; calls take x.

        The table returned has no report and cannot be extended: it is another function of x.

        Parameters
        ----------
        coordinate_map : CoordinateMap, None, or what `Table.build` takes as ``map``
        """
        from .maps import CoordinateMap

        other = copy.copy(self)
        n = len(self.shape)
        other._map = (
            None if coordinate_map is None else CoordinateMap.of(coordinate_map, n, self.names)
        )
        other._report = other._build = None
        return other

    @property
    def coordinate_map(self) -> CoordinateMap | None:
        """The map from the points of a call to the coordinates of the grid, or None."""
        return self._map

    def _prepare(self) -> None:
        """Fit the coefficients, lay them out, and hand the axes to the core."""
        coefficients = np.asarray(self._values, dtype=np.float64)
        for i, axis in enumerate(self._axes):
            coefficients = axis.spline_coefficients(coefficients, i)
        if self._lanes:
            laid = np.zeros((*self.shape, -(-self.n_outputs // 4) * 4))
            laid[..., : self.n_outputs] = coefficients
        else:
            last = self._axes[-1]
            laid = coefficients.reshape(*self.shape)[..., last.tile_indices]
        # begins with a cache line, as every tile does then
        memory = np.empty(laid.size + 2 * _LINE, dtype=self._values.dtype)
        first = -memory.ctypes.data % 64 // memory.itemsize
        flat = memory[first : first + laid.size + _PAD]
        with np.errstate(over="ignore"):
            flat[: laid.size] = laid.reshape(-1)
        if not np.isfinite(flat[: laid.size]).all():
            most = float(np.abs(self._values).max())
            allowed = f"small enough for coefficients of {memory.dtype}"
            raise ParameterError("values", f"values up to {most:g}", allowed)
        flat[laid.size :] = 0.0
        flat.flags.writeable = False
        self._coefficients = flat
        self._make_core_axes()

    @property
    def _lanes(self) -> bool:
        """Whether several outputs are what is contiguous; else it is the last axis, in tiles."""
        return self._has_outputs and self.n_outputs > 1

    def _make_core_axes(self) -> None:
        *others, last = self._axes
        if self._lanes:
            unit = -(-self.n_outputs // 4) * 4
            row = unit * last.knots.size
            last_start = unit * np.arange(last.n_intervals, dtype=np.uintp)
        else:
            unit, row, last_start = 1, last.tile_indices.size, last.tile_starts
        strides = [row * math.prod(self.shape[i + 1 : -1]) for i in range(len(others))]
        starts = [
            stride * np.arange(axis.n_intervals, dtype=np.uintp)
            for axis, stride in zip(others, strides, strict=True)
        ]
        self._n_needed = row * math.prod(self.shape[:-1])
        self._core_axes = core.GridAxes(
            tuple(
                axis.intervals(start)
                for axis, start in zip(self._axes, (*starts, last_start), strict=True)
            ),
            tuple(axis.basis for axis in self._axes),
            tuple(axis.first_of for axis in self._axes),
            tuple(axis.limits[1] for axis in self._axes),
            (*strides, unit),
            WIDTH[self.order],
        )

    # -- evaluation -----------------------------------------------------------------------------

    def __call__(self, x: Any, out: Any = None, *, n_threads: int = 1, oob: str = "raise") -> Any:
        """Return the values at points.

        Parameters
        ----------
        x : (..., N) array
            A point with a NaN gives NaN.
        out : (...) or (..., K) float64 array, optional
            Contiguous; where the values go.
        n_threads : int, >= 0
            0 for all; the results are the same bits for any number.
        oob : {"raise", "nan", "clip", "linear"}
            Points outside the table: an error naming the first; NaN; the value at the nearest
            point of the table; or its linear continuation. Points beyond an edge by up to 4 ulp of
            the larger edge of the axis are inside and count as at it, with a `RatioMap` those
            within its `slack` of x_max. Nearest and linear are meant in the coordinates u of a
            map; a point that has none, as x < 0 under a logarithm, is outside, at the lower edge
            for "clip" and NaN for "linear".

        Returns
        -------
        (...) or (..., K) array

        Raises
        ------
        ParameterError
            A point outside with ``oob="raise"``, or a wrong shape.
        """
        points = checked_points(x, self.names)
        full = self._result_shape(points.shape[:-1])
        result = np.empty(full) if out is None else checked_out(out, full, points)
        self._evaluate(points, result.reshape(-1), None, oob, n_threads)
        return result if out is not None or full else result[()]

    def value_and_grad(self, x: Any, *, n_threads: int = 1, oob: str = "raise") -> tuple[Any, Any]:
        """Return values and their derivatives by the coordinates of x, in one pass.

        Parameters are those of a call. The gradient is (..., N), or (..., K, N) with outputs;
        with ``oob="linear"``, that at the nearest point of the table.
        """
        points = checked_points(x, self.names)
        full = self._result_shape(points.shape[:-1])
        value, gradient = np.empty(full), np.empty((*full, len(self.shape)))
        self._evaluate(points, value.reshape(-1), gradient.reshape(-1), oob, n_threads)
        if self._map is not None:
            gradient = self._map.chain(points, gradient, oob)
        return value[()], gradient

    def plan(self, x: Any, *, oob: str = "raise", n_threads: int = 1) -> TablePlan:
        """Return a `TablePlan`: the points x located once, to be evaluated many times.

        For this table and others on its grid, such as one with updated values.

        Parameters
        ----------
        x : (..., N) array
            Copied.
        oob : {"raise", "nan", "clip", "linear"}
            As in a call, for all calls of the plan.
        n_threads : int, >= 0
            Of the making.

        Raises
        ------
        ParameterError
            A point outside with ``oob="raise"``, a wrong shape, or points that take above
            8 GiB.
        """
        from .plan import TablePlan

        return TablePlan(self, x, oob, n_threads)

    def in_domain(self, x: Any) -> Any:
        """Whether points (..., N) lie in the table, masked cells excepted; a (...) bool array."""
        points = checked_points(x, self.names)
        u = self._to_u(points, "nan")
        inside = ~self._masked(u)
        for axis, coordinate in zip(self._axes, u.T, strict=True):
            inside &= axis.holds(coordinate)
        return inside.reshape(points.shape[:-1])[()]

    def _to_u(self, points: Array, oob: str) -> Array:
        """Return the coordinates (n, N) of points in the grid."""
        u = points if self._map is None else self._map.forward(points, oob)
        return np.ascontiguousarray(u).reshape(-1, len(self.shape))

    def _result_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape, self.n_outputs) if self._has_outputs else shape

    def _evaluate(
        self, x: Array, out: Array, gradient: Array | None, oob: str, n_threads: int
    ) -> None:
        checked_oob(oob)
        points = self._to_u(x, oob)
        try:
            self._call_core(points, out, gradient, oob, n_threads)
        except core.OutsideError as error:
            at = error.index
            self._refuse(x.reshape(points.shape)[at], points[at], at)
        if self._mask is not None:
            self._set_nan(self._masked(points), out, gradient)

    def _call_core(
        self,
        points: Array,
        out: Array,
        gradient: Array | None,
        oob: str,
        n_threads: int,
        known: npt.NDArray[np.uint32] | None = None,
        n_known: int = 0,
    ) -> None:
        """Evaluate points of the grid's coordinates; a plan knows the intervals of the first."""
        checked_threads(n_threads)
        checked_oob(oob)
        core.evaluate(
            self._core_axes,
            self._coefficients,
            self._n_needed,
            self.n_outputs,
            self._lanes,
            points,
            out,
            gradient,
            core.OUTSIDE[oob],
            n_threads,
            known,
            n_known,
        )

    def _set_nan(self, rows: npt.NDArray[Any], out: Array, gradient: Array | None) -> None:
        out.reshape(-1, self.n_outputs)[rows] = np.nan
        if gradient is not None:
            gradient.reshape(-1, self.n_outputs * len(self.shape))[rows] = np.nan

    def _refuse(self, x: Array, u: Array, index: int) -> None:
        """Raise the error about a point outside, in x also where the grid is in u."""
        hint = "oob='nan', 'clip' or 'linear' allows it."
        # an x_max that is not known is the fault of another axis
        ratio_axis = -1 if self._map is None else self._map.ratio_axis
        for i in sorted(range(len(u)), key=lambda i: i == ratio_axis):
            limits = self._axes[i].limits
            if self._axes[i].holds(u[i]):
                continue
            if self._map is not None:
                limits = self._map.limits_at(u, i, limits)
            if np.isnan(limits).any():
                others = ", ".join(name for k, name in enumerate(self.names) if k != i)
                allowed = f"in the domain of the scale table of {self.names[i]} (point {index})"
                raise ParameterError(others, np.delete(x, i).tolist(), allowed, hint) from None
            allowed = f"between {limits[0]:.17g} and {limits[1]:.17g} (point {index})"
            raise ParameterError(self.names[i], float(x[i]), allowed, hint) from None

    def _masked(self, points: Array) -> npt.NDArray[np.bool_]:
        """Whether points lie in masked cells."""
        if self._mask is None:
            return np.zeros(len(points), dtype=bool)
        return np.asarray(self._mask.reshape(-1)[self._cells(points)])

    def _cells(self, points: Array) -> npt.NDArray[np.intp]:
        """Numbers of the cells of points; those outside count to the nearest cell."""
        cells = np.zeros(len(points), dtype=np.intp)
        for i, (axis, n) in enumerate(zip(self._axes, self.shape, strict=True)):
            found = np.searchsorted(axis.knots, points[:, i], side="right") - 1
            cells = cells * (n - 1) + np.clip(found, 0, n - 2)
        return cells

    # -- on disk --------------------------------------------------------------------------------

    def save(
        self, path: str | os.PathLike[str], *, sim_id: str = "", version: int | None = None
    ) -> str:
        """Write the table to an HDF5 file, whole or not at all; return its root hash.

        A table made by `Table.build` is written with its sample and nodes, so that it can be
        extended when it is loaded; a table of N axes and K outputs needs
        ``8 (2 N + K + 1) + 1`` bytes for each point of the sample.

        Parameters
        ----------
        path : path
        sim_id : str
            Name of the set of tables it belongs to, kept in the file.
        version : int, optional
            Version of the table, kept in the file: that of its build by default, or 1.
        """
        from .files import save_table

        return save_table(self, path, sim_id, version)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, mmap: bool = False, verify: bool = True) -> Any:
        """Return the table of a file, checked against its checksums.

        The sample and the nodes of its build stay in the file until `extend` asks for them,
        and are checked then.

        Parameters
        ----------
        path : path
        mmap : bool
            Map values and coefficients into memory instead of reading them. A `KernelTable`, which
            is small, is read all the same.
        verify : bool
            Whether to check the checksums, which reads the table once.

        Returns
        -------
        Table, or KernelTable for one built by ``method="greedy"``

        Raises
        ------
        FormatError
            No such file, no table, truncated, damaged, or of a newer format.
        """
        from .files import load_table

        return load_table(path, mmap=mmap, verify=verify)

    def to_content(self) -> Content:
        """Return what the table is, as a file holds it."""
        from .store import Content, plain

        arrays: dict[str, npt.NDArray[Any]] = {
            f"axes/{i}_{name}": knots
            for i, (name, knots) in enumerate(zip(self.names, self.axes, strict=True))
        }
        arrays |= {"values": self._values, "coef": self._coefficients}
        if self._mask is not None:
            arrays["mask"] = self._mask
        attributes: dict[str, Any] = {
            "kind": "grid",
            "names": list(self.names),
            "order": self.order,
            "map": None if self._map is None else plain(self._map.to_dict()),
            "metadata": self.metadata,
        }
        return Content(arrays, attributes)

    @classmethod
    def from_content(cls, content: Content) -> Table:
        """Return the table that `to_content` wrote."""
        from .maps import CoordinateMap

        given, arrays = content.attributes, content.arrays
        names = tuple(given["names"])
        axes = [
            Axis(arrays[f"axes/{i}_{name}"], given["order"], f"axes[{i}]")
            for i, name in enumerate(names)
        ]
        values, mask, coefficients = arrays["values"], arrays.get("mask"), arrays["coef"]
        table = cls(axes, values, names, mask, given["metadata"], coefficients)
        if given["map"] is not None:
            table._map = CoordinateMap.from_dict(given["map"])
        return table

    # -- what it is -----------------------------------------------------------------------------

    @property
    def axes(self) -> tuple[Array, ...]:
        """Knots of each axis, increasing."""
        return tuple(axis.knots for axis in self._axes)

    @property
    def box(self) -> Array:
        """First and last knot of each axis, (N, 2), in the coordinates u of a map."""
        return np.array([axis.limits for axis in self._axes])

    @property
    def values(self) -> npt.NDArray[Any]:
        """Values on the grid, read-only."""
        return self._values

    @property
    def mask(self) -> npt.NDArray[np.bool_] | None:
        """Cells that are not valid, or None."""
        return self._mask

    @property
    def nbytes(self) -> int:
        """Memory of values and coefficients."""
        return int(self._values.nbytes + self._coefficients.nbytes)

    def __getstate__(self) -> dict[str, Any]:
        # the core's axes are made anew
        return {key: value for key, value in self.__dict__.items() if key != "_core_axes"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_core_axes()

    def __repr__(self) -> str:
        sizes = " x ".join(f"{name} {n}" for name, n in zip(self.names, self.shape, strict=True))
        outputs = f", {self.n_outputs} outputs" if self._has_outputs else ""
        return f"<Table {self.order}: {sizes}{outputs}>"
