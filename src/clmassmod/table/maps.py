"""Coordinate maps: a table's grid is in u, calls take x, kinks lie on coordinate planes.

A spline cannot follow a kink that runs across its cells, whatever the number of knots. A map
moves it to the edge of the grid, or straightens it along an axis.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, nearest

if TYPE_CHECKING:
    from .interpolator import Table

Array = npt.NDArray[np.float64]

TRANSFORMS = ("linear", "log", "sqrt")
# x and x_max are rounded, and x_max changes with rounded coordinates: this far above 1, their
# ratio is 1
_ROUNDING = 1e-12
# the largest error among some thousand points is up to five times too small
_LARGEST_ERRORS = 5.0


class RatioMap:
    """``u = (1 - x / x_max)^power``, x_max a table over the other axes.

    Parameters
    ----------
    axis : int or str
        The axis mapped: its number or name.
    scale_table : Table
        ``x_max > 0`` as a function of the other axes, in their order. One output. It takes
        their x, and must cover their box.
    power : float, > 0 and <= 4
        1/2 for a function that behaves as ``sqrt(x_max - x)`` near x_max.
    log_scale : bool
        The scale table holds log10 x_max: smoother if x_max spans decades.
    slack : float, >= 0 and < 1, optional
        Points with x up to ``x_max (1 + slack)`` are at x_max. By default what is known of the
        accuracy of x_max: five times the largest error in the report of the scale table, or
        1e-12 for rounding if it has none.

    Raises
    ------
    ParameterError
        An argument outside its range, or a scale table with values < 0.

    Notes
    -----
    ``u = 0`` is x_max itself, ``u = 1`` is ``x = 0``. Beyond x_max u is negative,
    ``-(x / x_max - 1)^power``, so that points there are outside a table whose edge is 0 and
    not without a place. An error of x_max moves the kink off the plane: by the square root of
    its relative size, for a power of 1/2. Closer to x_max than this error, a point cannot be
    told from one at x_max or beyond: hence `slack`.

    The box of this axis is the range of ``x / x_max``, such as (0, 1).
    """

    def __init__(
        self,
        axis: int | str,
        scale_table: Table,
        power: float = 0.5,
        *,
        log_scale: bool = False,
        slack: float | None = None,
    ) -> None:
        if not (np.ndim(power) == 0 and 0.0 < power <= 4.0):
            raise ParameterError("power", power, "> 0 and <= 4")
        _check_scale_table(scale_table, log_scale)
        if slack is None:
            slack = _accuracy(scale_table, log_scale)
        if not (np.ndim(slack) == 0 and 0.0 <= slack < 1.0):
            raise ParameterError("slack", slack, ">= 0 and < 1")
        self.axis = axis
        self.scale_table = scale_table
        self.power = float(power)
        self.log_scale = bool(log_scale)
        self.slack = float(slack)

    def scale(self, others: Array, oob: str = "nan") -> Array:
        """Return x_max at x (..., N - 1) of the other axes; `oob` as in a call of the table."""
        held = np.asarray(self.scale_table(others, oob=oob)).reshape(others.shape[:-1])
        return np.asarray(10.0**held if self.log_scale else held)

    def scale_and_slope(self, others: Array, oob: str = "nan") -> tuple[Array, Array]:
        """Return x_max, and its derivatives (..., N - 1) by the other axes."""
        held, slope = self.scale_table.value_and_grad(others, oob=oob)
        held = np.asarray(held).reshape(others.shape[:-1])
        slope = np.asarray(slope).reshape(others.shape)
        if not self.log_scale:
            return held, slope
        scale = 10.0**held
        return scale, np.log(10.0) * scale[..., None] * slope

    def ratio_to_u(self, ratio: Any) -> Array:
        """Return u of ``x / x_max``."""
        rest = self.rest(ratio)
        return np.asarray(np.copysign(np.abs(rest) ** self.power, rest))

    def rest(self, ratio: Any) -> Array:
        """Return ``1 - x / x_max``, 0 up to `slack` beyond x_max."""
        rest = 1.0 - np.asarray(ratio, dtype=np.float64)
        return np.where((rest < 0.0) & (rest >= -self.slack), 0.0, rest)

    def u_to_ratio(self, u: Any) -> Array:
        """Return ``x / x_max`` of u."""
        array = np.asarray(u, dtype=np.float64)
        return np.asarray(1.0 - np.copysign(np.abs(array) ** (1.0 / self.power), array))

    def to_dict(self) -> dict[str, Any]:
        """Return the map as numbers, text and arrays."""
        table = self.scale_table
        inner = getattr(table, "coordinate_map", None)
        return {
            "kind": "ratio",
            "power": self.power,
            "log_scale": self.log_scale,
            "slack": self.slack,
            "scale": {
                "axes": [np.array(axis) for axis in table.axes],
                "values": np.array(table.values),
                "names": list(table.names),
                "order": table.order,
                "dtype": str(table.values.dtype),
                "mask": table.mask,
                "map": None if inner is None else inner.to_dict(),
            },
        }

    @staticmethod
    def from_dict(content: Mapping[str, Any], axis: int) -> RatioMap:
        """Return the map that `to_dict` wrote, for an axis."""
        from .interpolator import Table

        scale = content["scale"]
        axes = [np.asarray(knots, dtype=np.float64) for knots in scale["axes"]]
        mask = scale.get("mask")
        table = Table.from_grid(
            axes,
            np.asarray(scale["values"], dtype=np.float64),
            names=list(scale["names"]),
            order=scale["order"],
            mask=None if mask is None else np.asarray(mask, dtype=bool),
            dtype=scale.get("dtype", "float64"),
        )
        if scale.get("map") is not None:
            table = table.with_map(CoordinateMap.from_dict(scale["map"]))
        log_scale = bool(content["log_scale"])
        power, slack = float(content["power"]), float(content["slack"])
        return RatioMap(axis, table, power, log_scale=log_scale, slack=slack)


class CoordinateMap:
    """The map of all axes of a table: u = forward(x), x = inverse(u).

    Parameters
    ----------
    transforms : sequence of N str
        ``"linear"``, ``"log"`` (u = log10 x) or ``"sqrt"`` (u = sqrt x) for each axis.
    ratio : RatioMap, optional
        For one axis, which must be linear in `transforms`.
    names : sequence of N str, optional
        Names of the axes, for a `RatioMap` that names its axis.

    Raises
    ------
    ParameterError
        An unknown transform, or an axis that is not there.
    """

    def __init__(
        self,
        transforms: Sequence[str],
        ratio: RatioMap | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        self.transforms = tuple(transforms)
        for i, transform in enumerate(self.transforms):
            if transform not in TRANSFORMS:
                allowed = f"one of {', '.join(TRANSFORMS)}, or a RatioMap"
                hint = nearest(str(transform), TRANSFORMS)
                raise ParameterError(f"map[{i}]", transform, allowed, hint)
        self.ratio = ratio
        n = len(self.transforms)
        self.ratio_axis = -1 if ratio is None else _axis_number(ratio.axis, n, names)
        if ratio is None:
            return
        if self.transforms[self.ratio_axis] != "linear":
            raise ParameterError("map", self.transforms, "linear on the axis of the RatioMap")
        if len(ratio.scale_table.axes) != n - 1:
            given = f"table of {len(ratio.scale_table.axes)} axes"
            raise ParameterError("scale_table", given, f"over the {n - 1} other axes")

    @classmethod
    def of(cls, given: Any, n: int, names: Sequence[str] | None = None) -> CoordinateMap:
        """Return the map a user gave.

        Parameters
        ----------
        given : None, CoordinateMap, RatioMap, mapping or sequence
            A mapping has axes (numbers or names) as keys, and as values the name of a
            transform or a `RatioMap`; a sequence has one of these for each axis. Axes not
            named are linear.
        n : int
            Number of axes.
        names : sequence of n str, optional
        """
        if isinstance(given, CoordinateMap):
            if len(given.transforms) != n:
                raise ParameterError("map", f"map of {len(given.transforms)} axes", f"of {n} axes")
            return given
        if isinstance(given, RatioMap):
            given = {given.axis: given}
        if given is None:
            given = {}
        if not isinstance(given, Mapping):
            if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != n:
                raise ParameterError("map", given, f"None, a RatioMap, a dict or {n} of them")
            given = dict(enumerate(given))
        transforms, ratio = ["linear"] * n, None
        for key, one in given.items():
            i = _axis_number(key, n, names)
            if not isinstance(one, RatioMap):
                transforms[i] = one
            elif ratio is not None or _axis_number(one.axis, n, names) != i:
                raise ParameterError("map", given, "with one RatioMap at most, at its own axis")
            else:
                ratio = one
        return cls(transforms, ratio, names)

    @property
    def is_identity(self) -> bool:
        """Whether u = x."""
        return self.ratio is None and set(self.transforms) == {"linear"}

    def forward(self, x: Any, oob: str = "nan") -> Array:
        """Return u (..., N) of points x (..., N).

        Parameters
        ----------
        x : (..., N) array
        oob : str
            What a table is asked to do with points outside. With ``"clip"`` and ``"linear"``
            the scale table of a `RatioMap` is continued in this way beyond its own box.

        Notes
        -----
        Where x is a number and has no u, as a negative one under a logarithm, u is -inf: such
        points are outside every table, while a NaN stands for no number at all. With
        ``"linear"``, of which -inf has none, u is NaN.
        """
        points = np.asarray(x, dtype=np.float64)
        u = np.array(points)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            for i, transform in enumerate(self.transforms):
                if transform == "log":
                    u[..., i] = np.log10(points[..., i])
                elif transform == "sqrt":
                    u[..., i] = np.sqrt(points[..., i])
            if self.ratio is not None:
                i = self.ratio_axis
                continued = oob if oob in ("clip", "linear") else "nan"
                scale = self.ratio.scale(np.delete(points, i, axis=-1), continued)
                u[..., i] = self.ratio.ratio_to_u(points[..., i] / scale)
        lost = np.isnan(u) & ~np.isnan(points)
        if oob == "clip" and self.ratio is not None:
            # in a masked cell of the scale table, which no edge is near to
            lost[..., self.ratio_axis] = False
        if oob != "linear":
            u[lost] = -math.inf
        return u

    def inverse(self, u: Any, box: Array | None = None) -> Array:
        """Return x (..., N) of points u (..., N).

        Parameters
        ----------
        u : (..., N) array
        box : (N, 2) array, optional
            The box in u, from `box_to_u`, that points are in: rounding on the way back takes
            none beyond the box in x, where a function may have no value.
        """
        points = np.asarray(u, dtype=np.float64)
        x = np.array(points)
        for i, transform in enumerate(self.transforms):
            if transform == "log":
                x[..., i] = 10.0 ** points[..., i]
            elif transform == "sqrt":
                x[..., i] = points[..., i] ** 2
            if box is not None and transform != "linear":
                x[..., i] = np.clip(x[..., i], *_innermost(transform, box[i]))
        if self.ratio is not None:
            i = self.ratio_axis
            scale = self.ratio.scale(np.delete(x, i, axis=-1))
            x[..., i] = self.ratio.u_to_ratio(points[..., i]) * scale
        return x

    def box_to_u(self, box: Array) -> Array:
        """Return the box (N, 2) in u; of the ratio's axis, the box is that of x / x_max."""
        result = np.array(box)
        for i, transform in enumerate(self.transforms):
            low = box[i, 0]
            if (transform == "log" and not low > 0.0) or (transform == "sqrt" and not low >= 0.0):
                sign = "> 0" if transform == "log" else ">= 0"
                raise ParameterError(f"box[{i}]", tuple(box[i].tolist()), f"{sign} for {transform}")
            if transform == "log":
                result[i] = np.log10(box[i])
            elif transform == "sqrt":
                result[i] = np.sqrt(box[i])
        if self.ratio is not None:
            i = self.ratio_axis
            if not (box[i, 0] >= 0.0 and box[i, 1] <= 1.0):
                allowed = "within 0 and 1: the range of x / x_max"
                raise ParameterError(f"box[{i}]", tuple(box[i].tolist()), allowed)
            corners = np.array(list(itertools.product(*np.delete(box, i, axis=0))))
            if not np.all(self.ratio.scale_table.in_domain(corners)):
                limits = np.delete(box, i, axis=0).tolist()
                allowed = "on the other axes within the domain of the RatioMap's scale table"
                raise ParameterError("box", limits, allowed)
            result[i] = self.ratio.ratio_to_u(box[i])[::-1]
        return result

    def limits_at(self, u: Array, axis: int, limits: tuple[float, float]) -> tuple[float, float]:
        """Return limits in u of one axis as limits in x, at a point u (N,); NaN without x_max."""
        ends = np.array([u, u])
        ends[:, axis] = limits
        low, high = sorted(self.inverse(ends)[:, axis].tolist())
        return low, high

    def chain(self, x: Any, gradient: Any, oob: str = "nan") -> Array:
        """Return derivatives by x of a function, given those by u.

        Parameters
        ----------
        x : (..., N) array
        gradient : (..., N) or (..., K, N) array
            By u. Results are infinite where du/dx is, as at x_max, but 0 where they are 0.
        oob : str
            As in `forward`.
        """
        points = np.asarray(x, dtype=np.float64)
        by_u = np.asarray(gradient, dtype=np.float64)
        result = np.array(by_u)
        lift = (slice(None),) * (points.ndim - 1) + (None,) * (by_u.ndim - points.ndim)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            for i, transform in enumerate(self.transforms):
                x_i = points[..., i]
                if transform == "log":
                    result[..., i] = _scaled(by_u[..., i], 1.0 / (np.log(10.0) * x_i)[lift])
                elif transform == "sqrt":
                    result[..., i] = _scaled(by_u[..., i], 0.5 / np.sqrt(x_i)[lift])
            if self.ratio is not None:
                continued = oob if oob in ("clip", "linear") else "nan"
                scale_and_slope = self.ratio.scale_and_slope(
                    np.delete(points, self.ratio_axis, axis=-1), continued
                )
                self._chain_ratio(points, by_u[..., self.ratio_axis], scale_and_slope, lift, result)
        return result

    def _chain_ratio(
        self, x: Array, by_u: Array, scale_and_slope: tuple[Array, Array], lift: Any, result: Array
    ) -> None:
        """Add the derivatives that go by way of the ratio's axis."""
        assert self.ratio is not None
        i, power = self.ratio_axis, self.ratio.power
        scale, slope = scale_and_slope
        ratio = x[..., i] / scale
        # u = sign(t) |t|^p, t = 1 - x/x_max: du/dt = p |t|^(p - 1)
        du_dt = power * np.abs(self.ratio.rest(ratio)) ** (power - 1.0)
        result[..., i] = _scaled(by_u, (-du_dt / scale)[lift])
        for j, k in enumerate(k for k in range(x.shape[-1]) if k != i):
            result[..., k] += _scaled(by_u, _scaled(slope[..., j], du_dt * ratio / scale)[lift])

    def to_dict(self) -> dict[str, Any]:
        """Return the map as numbers, text and arrays."""
        maps: list[Any] = [{"kind": name} for name in self.transforms]
        if self.ratio is not None:
            maps[self.ratio_axis] = self.ratio.to_dict()
        return {"maps": maps}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CoordinateMap:
        """Return the map that `to_dict` wrote."""
        maps = content["maps"]
        kinds = [one["kind"] for one in maps]
        ratio = None
        if "ratio" in kinds:
            i = kinds.index("ratio")
            ratio = RatioMap.from_dict(maps[i], i)
            kinds[i] = "linear"
        return cls(kinds, ratio)


def _innermost(transform: str, edges: Array) -> tuple[float, float]:
    """Return the x furthest inside of those that are taken to two edges in u.

    Several x are rounded to one u. Whichever of them an edge was made from, these are within.
    """
    low, high = edges.tolist()
    to_u, to_x = (np.log10, lambda u: 10.0**u) if transform == "log" else (np.sqrt, np.square)
    first, last = float(to_x(low)), float(to_x(high))
    while to_u(after := math.nextafter(first, math.inf)) <= low:
        first = after
    while last > 0.0 and to_u(before := math.nextafter(last, 0.0)) >= high:
        last = before
    return first, last


def _check_scale_table(table: Any, log_scale: bool) -> None:
    from .interpolator import Table

    if not isinstance(table, Table) or table.n_outputs != 1:
        raise ParameterError("scale_table", table, "a Table of one output")
    least = float(table.values.min())
    if not log_scale and least < 0.0:
        hint = "Give log_scale=True if it holds log10 x_max."
        raise ParameterError("scale_table", f"table with the value {least:g}", ">= 0", hint)


def _accuracy(table: Table, log_scale: bool) -> float:
    """Return the relative error of x_max that is to be reckoned with."""
    report = table.error_report()
    if report is None:
        return _ROUNDING
    error: float = _LARGEST_ERRORS * max(report.drive.max, report.stop.max, report.final.max)
    if log_scale:
        return max(math.expm1(math.log(10.0) * error), _ROUNDING)
    # where x_max is smaller, its relative error is larger: no point is taken from too far
    return max(error / float(table.values.max()), _ROUNDING)


def _scaled(slope: Array, factor: Array) -> Array:
    """Return slope times factor, 0 where the slope is 0 even if the factor is infinite."""
    return np.where(slope == 0.0, 0.0, slope * factor)


def _axis_number(axis: Any, n: int, names: Sequence[str] | None) -> int:
    if isinstance(axis, str):
        labels = tuple(names) if names is not None else tuple(f"x{i}" for i in range(n))
        if axis not in labels:
            allowed = f"one of {', '.join(labels)}"
            raise ParameterError("map", axis, allowed, nearest(axis, labels))
        return labels.index(axis)
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer) or not 0 <= axis < n:
        raise ParameterError("map", axis, f"an axis: its name, or a number from 0 to {n - 1}")
    return int(axis)
