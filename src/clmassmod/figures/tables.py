"""Figures of tables. Each function returns a matplotlib ``Figure``, without global state.

Colours can be told apart by the colour-blind (Okabe & Ito 2008) and in grey.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..table.files import build_of
from ..table.maps import CoordinateMap
from ..table.report import ErrorReport
from ..table.sample_errors import sample_errors
from .tools import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    legend_above,
    new_figure,
    require_matplotlib,
    save_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..table.files import AnyTable

Array = npt.NDArray[np.float64]

NODES_FILE = "error_against_nodes.png"
"""What `write_figures` calls the figure of all tables together."""

_STYLES = {
    "adaptive": (BLUE, "o"),
    "chebyshev": (GREEN, "D"),
    "greedy": (VERMILLION, "^"),
    "uniform": (GREY, "s"),
}
_DASHES = ("-", "--", ":", "-.")
# the largest of about this many points stands for a cell
_PER_CELL = 8
_MOST_CELLS = 24
_DECADES = 3.0


def write_figures(
    tables: Mapping[str, AnyTable], folder: str | os.PathLike[str]
) -> tuple[dict[str, str], list[str]]:
    """Write every figure that the tables allow as PNG.

    Parameters
    ----------
    tables : mapping
        Name, which the files begin with, to `Table` or `KernelTable`.
    folder : path
        Made if it is not there.

    Returns
    -------
    files : dict
        Title to file: ``<name>_errors.png``, ``<name>_knots.png``, ``error_against_nodes.png``.
    missing : list of str
        What could not be drawn, and why.
    """
    require_matplotlib()
    place, files, missing = Path(folder), {}, []
    place.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        jobs: list[tuple[str, str, Callable[[AnyTable], Figure]]] = [
            ("errors", "errors", error_map),
            ("knots", "knots", knots),
        ]
        for what, ending, make in jobs:
            try:
                figure = make(table)
            except ParameterError as error:
                missing.append(f"{name}: no figure of its {what}: {error}")
                continue
            files[f"{name}: {what}"] = save_figure(figure, place / f"{name}_{ending}.png")
    reports = {name: table.error_report() for name, table in tables.items()}
    known = {name: report for name, report in reports.items() if report is not None}
    if known:
        files["Error against nodes"] = save_figure(error_against_nodes(known), place / NODES_FILE)
    return files, missing


# -- where the error is ----------------------------------------------------------------------------


def error_map(table: AnyTable) -> Figure:
    """Return the errors at the final points of a built table over each axis and pair of axes.

    Final points are those that the build did not look at. A cell of a map, and the upper line
    over an axis, show the largest error of the points in it; the lower line is the median.
    Ticks at the bottom are the knots.

    Parameters
    ----------
    table : Table or KernelTable
        From `build_table`, or a file of one.

    Raises
    ------
    ParameterError
        A table that keeps no sample.
    """
    from matplotlib.colors import LogNorm

    u, errors = sample_errors(table)
    build = build_of(table)
    assert build is not None
    labels, box, tol = axis_labels(table), build.pool.box, build.settings.tol
    top = float(errors.max()) or tol
    # what is far below the largest is shown as the lowest
    lowest = top * 10.0**-_DECADES
    shown = np.maximum(errors, lowest)
    norm = LogNorm(lowest, top)
    n = len(labels)
    size = 2.2 + 1.55 * n
    figure = new_figure(size + 0.7, size)
    grid = np.atleast_2d(figure.subplots(n, n, squeeze=False))
    image = None
    for row in range(n):
        for column in range(n):
            axes = grid[row, column]
            if column > row:
                axes.set_axis_off()
                continue
            axes.set_xlim(box[column])
            if column == row:
                _errors_along(axes, u[:, row], errors, box[row], tol)
                _rug(axes, table, row)
            else:
                axes.set_ylim(box[row])
                image = _largest_in_cells(
                    axes, u[:, [column, row]], shown, box[[column, row]], norm
                )
            _panel(axes, row, column, n)
            if row == n - 1:
                axes.set_xlabel(labels[column], fontsize=9)
            if column == 0 and row > 0:
                axes.set_ylabel(labels[row], fontsize=9)
    if image is not None:
        bar = figure.colorbar(image, ax=grid, shrink=0.6, pad=0.02, extend="min")
        bar.set_label("largest |table − function|")
        if lowest <= tol <= top:
            bar.ax.axhline(tol, color=VERMILLION, lw=2.0)
    figure.align_labels()
    report = table.error_report()
    assert report is not None
    text = f"{report.method}, {report.n_nodes} nodes: |table − function| at {len(errors)} points"
    legend_above(figure, grid[0, 0])
    title = figure.legends[-1]
    title.set_title(text)
    title.get_title().set_fontsize(9)
    return figure


def axis_labels(table: AnyTable) -> list[str]:
    """Return what the axes of a table's grid are, as u of the names of x."""
    names = table.names
    mapped = CoordinateMap.of(table.coordinate_map, len(names), names)
    forms = {"linear": "{}", "log": "log10 {}", "sqrt": "sqrt {}"}
    labels = [forms[t].format(name) for t, name in zip(mapped.transforms, names, strict=True)]
    if mapped.ratio is not None:
        i = mapped.ratio_axis
        labels[i] = f"(1 − {names[i]} / max)$^{{{mapped.ratio.power:g}}}$"
    return labels


def _cells(n: int, dimensions: int) -> int:
    return int(np.clip((n / _PER_CELL) ** (1.0 / dimensions), 4, _MOST_CELLS))


def _errors_along(axes: Axes, u: Array, errors: Array, limits: Array, tol: float) -> None:
    edges = np.linspace(limits[0], limits[1], _cells(len(u), 1) + 1)
    at = np.clip(np.searchsorted(edges, u, side="right") - 1, 0, len(edges) - 2)
    cells = [errors[at == i] for i in range(len(edges) - 1)]
    for of_cell, color, label in ((np.max, BLUE, "largest"), (np.median, GREY, "median")):
        values = np.array([of_cell(cell) if cell.size else np.nan for cell in cells])
        # a logarithm has no place for 0
        shown = np.where(values > 0.0, values, np.nan)
        axes.stairs(shown, edges, baseline=None, color=color, label=label)
    axes.axhline(tol, color=VERMILLION, lw=1.2, label=f"tolerance {tol:.3g}")
    axes.set_yscale("log")


def _rug(axes: Axes, table: AnyTable, axis: int) -> None:
    ticks = _positions(table, axis)
    transform = axes.get_xaxis_transform()
    if ticks.size:
        axes.vlines(ticks, 0.0, 0.05, color="black", lw=0.6, transform=transform, label="knots")


def _positions(table: AnyTable, axis: int) -> Array:
    """Return the knots of an axis; none of a table of kernels."""
    grid: tuple[Array, ...] = getattr(table, "axes", ())
    return grid[axis] if grid else np.empty(0)


def _largest_in_cells(axes: Axes, u: Array, errors: Array, box: Array, norm: Any) -> Any:
    n = _cells(len(u), 2)
    part = (u - box[:, 0]) / (box[:, 1] - box[:, 0])
    at = np.clip((part * n).astype(int), 0, n - 1)
    largest = np.full((n, n), -np.inf)
    np.maximum.at(largest, (at[:, 1], at[:, 0]), errors)
    edges = [np.linspace(low, high, n + 1) for low, high in box]
    shown = np.ma.masked_invalid(largest)
    return axes.pcolormesh(*edges, shown, norm=norm, cmap="cividis", rasterized=True)


def _panel(axes: Axes, row: int, column: int, n: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
    axes.tick_params(labelsize=8, labelbottom=row == n - 1)
    if row == column:
        axes.yaxis.tick_right()
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4, prune="both"))
        axes.tick_params(labelleft=column == 0)


# -- knots and nodes -------------------------------------------------------------------------------


def knots(table: AnyTable) -> Figure:
    """Return the knots of each axis, and how far they are apart.

    Raises
    ------
    ParameterError
        A table of kernels, which has none.
    """
    grid: tuple[Array, ...] | None = getattr(table, "axes", None)
    if grid is None:
        raise ParameterError("table", table, "a Table: one of kernels has no knots")
    figure = new_figure(6.4, 1.2 + 1.15 * len(grid))
    rows = figure.subplots(len(grid), 1, squeeze=False)[:, 0]
    for axes, knots_of_axis, label in zip(rows, grid, axis_labels(table), strict=True):
        steps = np.diff(knots_of_axis)
        axes.stairs(steps / np.ptp(knots_of_axis), knots_of_axis, baseline=None, color=BLUE, lw=1.4)
        axes.vlines(
            knots_of_axis, 0.0, 0.12, color="black", lw=0.7, transform=axes.get_xaxis_transform()
        )
        axes.set_yscale("log", base=2)
        _plain_powers(axes, steps / np.ptp(knots_of_axis))
        axes.set_xlim(knots_of_axis[0], knots_of_axis[-1])
        axes.set_xlabel(f"{label}: {knots_of_axis.size} knots", fontsize=9)
        axes.tick_params(labelsize=8)
    figure.supylabel("interval, as a part of the axis", fontsize=9)
    return figure


def _plain_powers(axes: Axes, parts: Array) -> None:
    """Put 1/4, 1/8, ... on an axis of intervals, with room below for the knots."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = np.floor(np.log2(parts.min()) + 1e-9), np.ceil(np.log2(parts.max()) - 1e-9)
    exponents = np.arange(low, high + 1.0, max(1.0, np.ceil((high - low) / 3.0)))
    axes.set_ylim(2.0 ** (low - 0.4 * (high - low) - 0.6), 2.0 ** (high + 0.4))
    axes.yaxis.set_major_locator(FixedLocator((2.0**exponents).tolist()))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"1/{1.0 / value:.0f}"))
    axes.yaxis.set_minor_locator(NullLocator())


def error_against_nodes(reports: Mapping[str, ErrorReport]) -> Figure:
    """Return how the error of builds fell with the number of nodes.

    Lines are the 99th percentile at the stop points after each step; the full mark at the end
    of each is that of the final points, which the build did not look at.

    Parameters
    ----------
    reports : mapping
        Name to report. Colours stand for methods, dashes for builds of the same method.

    Raises
    ------
    ParameterError
        No report.
    """
    if not reports:
        raise ParameterError("reports", {}, "one report at least")
    figure = new_figure(6.4, 4.6)
    axes = figure.subplots()
    seen: dict[str, int] = {}
    for name, report in reports.items():
        color, marker = _STYLES[report.method]
        dashes = _DASHES[seen.get(report.method, 0) % len(_DASHES)]
        seen[report.method] = seen.get(report.method, 0) + 1
        steps = [(step.n_nodes, step.stop_p99) for step in report.history if step.stop_p99 > 0.0]
        style: dict[str, Any] = {"color": color, "ls": dashes, "marker": marker}
        axes.plot(*np.array(steps).reshape(-1, 2).T, ms=4, mfc="white", lw=1.3, label=name, **style)
        if report.final.p99 > 0.0:
            axes.plot(report.n_nodes, report.final.p99, ms=7, color=color, marker=marker)
    for tol in sorted({report.tol for report in reports.values()}):
        axes.axhline(tol, color="black", lw=0.8, ls=(0, (1, 2)))
        axes.annotate("tolerance", (0.99, tol), xycoords=axes.get_yaxis_transform(), ha="right",
                      va="bottom", fontsize=8)  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("nodes")
    axes.set_ylabel("99th percentile of |table − function|")
    legend_above(figure, axes, ncols=3)
    return figure
