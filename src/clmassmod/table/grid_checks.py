"""Arguments of tables on grids, checked."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .._core import interp as core
from ..errors import ParameterError, nearest
from .axes import WIDTH

Array = npt.NDArray[np.float64]

MOST_BYTES = 8 << 30
"""Largest table that is made, in bytes of its coefficients."""


def checked_order(order: Any) -> None:
    """Raise ParameterError unless `order` is one that tables have."""
    if order not in WIDTH:
        raise ParameterError("order", order, f"one of {', '.join(WIDTH)}")


def checked_oob(oob: Any) -> None:
    """Raise ParameterError unless `oob` is a treatment of points outside."""
    if not isinstance(oob, str) or oob not in core.OUTSIDE:
        hint = nearest(str(oob), core.OUTSIDE)
        raise ParameterError("oob", oob, f"one of {', '.join(core.OUTSIDE)}", hint)


def increasing(axes: Sequence[Any]) -> tuple[list[Any], tuple[int, ...]]:
    """Return the axes with descending ones reversed, and which these are."""
    if isinstance(axes, str) or not isinstance(axes, Sequence | np.ndarray):
        raise ParameterError("axes", axes, "a sequence of 1 to 6 arrays of knots")
    if not 1 <= len(axes) <= core.MOST_AXES:
        raise ParameterError("axes", f"{len(axes)} axes", f"1 to {core.MOST_AXES} axes")
    knots, flips = [], []
    for i, axis in enumerate(axes):
        array = _array(f"axes[{i}]", axis)
        if array.ndim == 1 and array.size > 1 and array[0] > array[-1]:
            array = array[::-1]
            flips.append(i)
        knots.append(array if array.ndim else axis)
    return knots, tuple(flips)


def _array(name: str, given: Any) -> npt.NDArray[Any]:
    if np.ma.is_masked(given):
        raise ParameterError(name, given, "without masked entries")
    try:
        return np.asarray(given)
    except ValueError:  # lists of unequal lengths
        raise ParameterError(name, given, "an array of numbers") from None


def axis_names(names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    """Return n different names, ``x0``, ``x1``, ... if none are given."""
    if names is None:
        return tuple(f"x{i}" for i in range(n))
    labels = () if isinstance(names, str) else tuple(names)
    good = all(isinstance(label, str) and label.isidentifier() for label in labels)
    if len(labels) != n or len(set(labels)) != n or not good:
        raise ParameterError("names", names, f"{n} different names, such as 'x0'")
    return labels


def checked_values(values: Any, shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """Return finite values of a grid of `shape`, with an axis of outputs or without."""
    array = _array("values", values)
    if array.dtype.kind not in "iuf":
        raise ParameterError("values", f"array of {array.dtype}", "made of real numbers")
    if array.shape[: len(shape)] != shape or array.ndim not in (len(shape), len(shape) + 1):
        sizes = ", ".join(map(str, shape))
        raise ParameterError("values.shape", array.shape, f"{shape} or ({sizes}, K)")
    if array.ndim > len(shape) and array.shape[-1] == 0:
        raise ParameterError("values.shape", array.shape, "at least one output")
    # values, coefficients padded to whole lanes
    size = (
        array.size * 8
        if array.ndim == len(shape)
        else math.prod(shape) * 8 * (-(-array.shape[-1] // 4) * 4)
    )
    if size > MOST_BYTES:
        raise ParameterError("values", f"table of {size / 2**30:.1f} GiB", "at most 8 GiB")
    good = np.isfinite(array)
    if not good.all():
        index = tuple(int(i) for i in np.unravel_index(int(np.argmin(good)), array.shape))
        where = ", ".join(map(str, index))
        hint = "For cells that are not valid, put any finite number here and mask the cells."
        raise ParameterError(f"values[{where}]", float(array[index]), "finite", hint)
    most = {"float64": 1e200, "float32": 3e38}[dtype]
    if array.size and float(np.abs(array).max()) > most:
        raise ParameterError("values", float(np.abs(array).max()), f"below {most:g} for {dtype}")
    return array


def checked_metadata(metadata: Any) -> dict[str, Any]:
    try:
        return dict(json.loads(json.dumps(dict(metadata or {}))))
    except (TypeError, ValueError) as error:
        allowed = f"a mapping of what JSON can hold ({error})"
        raise ParameterError("metadata", metadata, allowed) from None


def checked_mask(
    mask: Any, shape: tuple[int, ...], flips: tuple[int, ...]
) -> npt.NDArray[np.bool_] | None:
    """Return a mask of the cells, on the axes as they are after `flips`."""
    if mask is None:
        return None
    cells = np.asarray(mask)
    expected = tuple(n - 1 for n in shape)
    if cells.dtype != np.bool_ or cells.shape != expected:
        text = f"{cells.dtype} {cells.shape}"
        raise ParameterError("mask", text, f"an array of bool, {expected}: a cell each")
    return np.array(np.flip(cells, flips) if flips else cells)


def checked_out(out: Any, shape: tuple[int, ...], points: Array) -> Array:
    """Return `out` if results of `shape` at `points` can be written to it."""
    good = (
        isinstance(out, np.ndarray)
        and out.dtype == np.float64
        and out.shape == shape
        and out.flags.c_contiguous
        and out.flags.writeable
    )
    if not good:
        raise ParameterError("out", type(out).__name__, f"a contiguous float64 array {shape}")
    if np.may_share_memory(out, points):
        raise ParameterError("out", type(out).__name__, "in other memory than x")
    return np.asarray(out)
