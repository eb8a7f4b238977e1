"""What is asked of a build, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, nearest
from .maps import CoordinateMap
from .nodes import CELLS

Array = npt.NDArray[np.float64]

METHODS = ("adaptive", "greedy", "chebyshev", "uniform")
_MOST_AXES = 6
# of the numbers of a range: knots that halve it again and again stay apart
_LEAST_WIDTH = 1e-6


@dataclass(frozen=True)
class Settings:
    """What is asked of a build."""

    names: tuple[str, ...]
    method: str
    tol: float
    order: str
    seed: int
    max_nodes: int
    coordinate_map: CoordinateMap


def checked_box(box: Any, names: Sequence[str] | None) -> tuple[Array, tuple[str, ...]]:
    """Return ranges (N, 2) and names of a box, an array or a dict."""
    if isinstance(names, str):
        raise ParameterError("names", names, "a sequence of names")
    if isinstance(box, Mapping):
        labels = tuple(box) if names is None else tuple(names)
        if set(labels) != set(box):
            raise ParameterError("names", labels, f"the keys of box: {', '.join(map(str, box))}")
        box = [box[label] for label in labels]
        names = labels
    try:
        ranges = np.array(box)
    except ValueError:  # ranges of unequal lengths
        ranges = np.array("")
    if ranges.dtype.kind not in "iuf":
        raise ParameterError("box", box, "an (N, 2) array or a dict of (low, high)")
    ranges = ranges.astype(np.float64)
    if ranges.ndim != 2 or ranges.shape[1] != 2 or not 1 <= len(ranges) <= _MOST_AXES:
        raise ParameterError("box.shape", ranges.shape, f"(N, 2), 1 <= N <= {_MOST_AXES}")
    for i, (low, high) in enumerate(ranges.tolist()):
        if not (np.isfinite(high - low) and high > low):
            raise ParameterError(f"box[{i}]", (low, high), "(low, high), finite, low < high")
        if high - low < _LEAST_WIDTH * max(abs(low), abs(high)):
            hint = "Take away a constant."
            raise ParameterError(f"box[{i}]", (low, high), "1e-6 of its numbers wide", hint)
    labels = tuple(f"x{i}" for i in range(len(ranges))) if names is None else tuple(names)
    good = all(isinstance(label, str) and label.isidentifier() for label in labels)
    if not good or len(labels) != len(ranges) or len(set(labels)) != len(labels):
        raise ParameterError("names", names, f"{len(ranges)} different names, such as 'x0'")
    return ranges, labels


def checked_tol(tol: Any) -> float:
    """Return a tolerance, which must be > 0."""
    if not isinstance(tol, int | float | np.integer | np.floating) or not 0.0 < tol < np.inf:
        raise ParameterError("tol", tol, "one number > 0")
    return float(tol)


def checked_max_nodes(max_nodes: Any, n_axes: int) -> int:
    """Return a limit of nodes, which must leave room for the start."""
    good = isinstance(max_nodes, int | np.integer) and not isinstance(max_nodes, bool)
    least = (CELLS + 1) ** n_axes
    if not good or max_nodes < least:
        allowed = f"an integer >= {least}: a build starts with {CELLS + 1} knots on each axis"
        raise ParameterError("max_nodes", max_nodes, allowed)
    return int(max_nodes)


def choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    """Return a value, which must be one of those allowed."""
    if value not in allowed:
        hint = nearest(str(value), allowed)
        raise ParameterError(name, value, f"one of {', '.join(allowed)}", hint)
    return str(value)
