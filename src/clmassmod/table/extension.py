"""Extending tables: a larger box or a smaller tolerance, with all that is known used again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..provenance import digest
from .builder import AnyTable, run
from .evaluation import Function
from .files import build_of
from .interpolator import Table
from .nodes import BLOCK, CELLS, Ticks, halved, positions
from .settings import checked_box, checked_max_nodes, checked_tol
from .state import Build

Array = npt.NDArray[np.float64]


def extend_table(
    table: AnyTable,
    *,
    box: Any = None,
    tol: float | None = None,
    max_nodes: int | None = None,
    function: Function | None = None,
    renamed: bool = False,
    executor: Executor | int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> AnyTable:
    """Return a new version of a built table: in a larger box, or of a smaller tolerance.

    Nodes and points of the sample are not evaluated again; the table given stays as it is.

    Parameters
    ----------
    table : Table
        From `build_table`, in this process or from a file.
    box : (N, 2) array or dict, optional
        The table's box grows by whole blocks, each a quarter of the first box, until it holds
        this one too; the sample grows with the same density.
    tol : float, optional
        A new tolerance; the sample is doubled.
    max_nodes : int, optional
    function : callable, optional
        The function again: needed for a table from a file, which does not hold it.
    renamed : bool
        Whether the function may have another name, or other parameters, than the table's. Its
        values at the first points must be the same in any case.
    executor, checkpoint, progress
        As in `build_table`.

    Raises
    ------
    ParameterError
        A table that was not built, neither box nor tolerance, a box within the present one,
        no function where one is needed, or another function.
    FormatError
        The file of the table is gone, damaged, or has changed since it was loaded.
    """
    if box is None and tol is None:
        raise ParameterError("box", None, "given, or a new tol")
    build = build_of(table)
    if build is None:
        hint = "Tables of a grid, and those that were pickled, have no sample to extend."
        raise ParameterError("table", table, "made by Table.build", hint)
    build = build.with_function(function, renamed=renamed)
    settings, pool, knots = build.settings, build.pool, build.knots
    if tol is not None:
        settings = replace(settings, tol=checked_tol(tol))
    if max_nodes is not None:
        settings = replace(settings, max_nodes=checked_max_nodes(max_nodes, len(pool.box)))
    if box is not None:
        blocks = _blocks_to_add(build, box)
        pool = pool.enlarged(_box_with(build, blocks))
        if knots is not None:
            knots = tuple(_with_blocks(k, *b) for k, b in zip(knots, blocks, strict=True))
    if tol is not None:
        pool = pool.doubled()
    known = digest(table.values, *table.axes) if isinstance(table, Table) else ""
    larger = replace(build, settings=settings, pool=pool, version=build.version + 1, knots=knots)
    larger = replace(larger, identity=larger.identity_of(f"extend {known}"))
    return run(larger, executor, checkpoint, progress)


# -- a larger box ----------------------------------------------------------------------------------


def _blocks_to_add(build: Build, box: Any) -> list[tuple[int, int]]:
    """Return, for each axis, how many blocks to add below and above."""
    s = build.settings
    ranges, _ = checked_box(box, s.names)
    wanted = s.coordinate_map.box_to_u(ranges)
    blocks = []
    for (low, high), now, first in zip(wanted, build.pool.box, build.first_box, strict=True):
        width = (first[1] - first[0]) / CELLS
        # an edge that is the same but for rounding is the same
        outside = np.array([now[0] - low, high - now[1]]) / width - 1e-9
        below, above = np.maximum(np.ceil(outside), 0.0)
        blocks.append((int(below), int(above)))
    if not np.any(blocks):
        raise ParameterError("box", ranges.tolist(), "larger than the present box")
    return blocks


def _box_with(build: Build, blocks: Sequence[tuple[int, int]]) -> Array:
    """Return the box in u that knots with these blocks added cover."""
    result = np.empty_like(build.first_box)
    for i, (below, above) in enumerate(blocks):
        low, high = build.first_box[i]
        width = (high - low) / CELLS
        edges = np.rint((build.pool.box[i] - low) / width).astype(np.int64)
        ticks = (edges + np.array([-below, above])) * BLOCK
        result[i] = positions(ticks, low, high)
    x = build.settings.coordinate_map.inverse(result.T)
    back = build.settings.coordinate_map.forward(x)
    if not (np.isfinite(x).all() and np.allclose(back, result.T, rtol=1e-6, atol=1e-9)):
        allowed = "such that whole blocks (a quarter of the first box) stay in the map's domain"
        raise ParameterError("box", result.tolist(), allowed)
    return result


def _with_blocks(ticks: Ticks, below: int, above: int) -> Ticks:
    """Return knots with blocks added at both ends."""
    low = ticks[0] - BLOCK * np.arange(below, 0, -1)
    high = ticks[-1] + BLOCK * np.arange(1, above + 1)
    grown = np.concatenate([low, ticks, high])
    while True:
        even = halved(grown, np.zeros(grown.size - 1, dtype=bool))
        if even.size == grown.size:
            return even
        grown = even
