"""Figures of inference: chains and calibration. Each function returns a matplotlib ``Figure``.

Colours can be told apart by the colour-blind (Okabe & Ito 2008) and in grey.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FitError, ParameterError
from ..inference.calibration import Calibration
from ..inference.chain import Chain
from ..inference.rank_statistics import ecdf_band, ecdf_of_ranks, ecdf_points
from ..inference.run_directory import FIGURES, load_run
from .tools import (
    BLUE,
    GREY,
    VERMILLION,
    corner_figure,
    legend_above,
    new_figure,
    plain,
    require_matplotlib,
    save_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_STEPS = 2000
_MOST_LINES = 16
_RANK = "rank of the truth / largest rank"


def write_run_figures(folder: str | os.PathLike[str], **options: Any) -> dict[str, str]:
    """Write the figures of a run into its ``figures/``; options as of `write_figures`."""
    return write_figures(load_run(folder), Path(folder) / FIGURES, **options)


def write_figures(
    chain: Chain,
    folder: str | os.PathLike[str],
    *,
    labels: Mapping[str, str] | None = None,
    truth: Mapping[str, float] | None = None,
) -> dict[str, str]:
    """Write every figure that the chain allows as PNG; return title -> file.

    A trace is drawn of steps only: samples of nested sampling are in random order.
    """
    require_matplotlib()
    target = Path(folder)
    jobs: list[tuple[str, str, Callable[[], Figure]]] = []
    if chain.of_steps:
        jobs.append(("Trace", "trace.png", lambda: trace(chain, labels=labels, truth=truth)))
    if len(chain.names) > 1:
        jobs.append(("Corner", "corner.png", lambda: corner(chain, labels=labels, truth=truth)))
    return {title: save_figure(make(), target / name) for title, name, make in jobs}


def corner(
    chain: Chain,
    *,
    labels: Mapping[str, str] | None = None,
    truth: Mapping[str, float] | None = None,
) -> Figure:
    """Return the densities of every parameter and pair of parameters of a chain.

    Contours hold 68.3 % and 95.4 %; lines are at the truth, where one is given.

    Parameters
    ----------
    chain : Chain
        Of two parameters or more.
    labels : mapping, optional
        Name -> text of axes; the name by default.
    truth : mapping, optional
        Name -> value of a simulation.
    """
    if len(chain.names) < 2:
        raise FitError("a corner plot needs samples of >= 2 parameters")
    texts = [_label(name, labels) for name in chain.names]
    return corner_figure(chain.samples, texts, _truths(chain, truth))


def trace(
    chain: Chain,
    *,
    labels: Mapping[str, str] | None = None,
    truth: Mapping[str, float] | None = None,
) -> Figure:
    """Return the walkers of a chain by step, with the median of all of them (black).

    Up to 16 walkers are shown, all of them in the median. What lies in the grey part is
    burn-in and does not count. A chain that has converged shows no trend.
    """
    d = len(chain.names)
    figure = new_figure(7.0, 1.2 + 1.3 * d)
    rows = figure.subplots(d, 1, sharex=True, squeeze=False)[:, 0]
    n, walkers, _ = chain.draws.shape
    steps = np.unique(np.linspace(0, n - 1, min(n, _MOST_STEPS)).astype(int))
    shown = np.linspace(0, walkers - 1, min(walkers, _MOST_LINES)).astype(int)
    summary = chain.summary()
    for axes, name, values, true in zip(
        rows, chain.names, np.moveaxis(chain.draws, -1, 0), _truths(chain, truth), strict=True
    ):
        if walkers > 1:
            axes.plot(steps, values[steps][:, shown], color=BLUE, lw=0.4, alpha=0.4)
            axes.plot(steps, np.median(values[steps], axis=1), color="black", lw=1.0)
        else:
            axes.plot(steps, values[steps], ls="none", marker=".", ms=1.5, color=BLUE, alpha=0.5)
        if true is not None:
            axes.axhline(true, color=VERMILLION, lw=1.2)
        if chain.n_burn:
            axes.axvspan(0, chain.n_burn, color=GREY, alpha=0.25, lw=0)
        axes.set_ylabel(_label(name, labels))
        if not chain.of_steps:
            continue
        row = summary[name]
        text = rf"ESS {row['ess']:.0f}   $\tau$ {row['tau']:.3g}   $\hat R$ {row['r_hat']:.3f}"
        axes.set_title(text, fontsize=8, loc="right", pad=2)
    rows[-1].set_xlim(0, n)
    rows[-1].set_xlabel("step")
    return figure


def rank_ecdf(
    calibration: Calibration,
    *,
    level: float = 0.95,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Return how the ranks of truths are distributed, minus what uniform ranks would be.

    The band holds each whole curve with probability `level` if posteriors are calibrated.
    Posteriors too wide give a curve below the diagonal at first and above it later, too narrow
    ones the opposite; shifted ones bend one way.
    """
    d = len(calibration.names)
    columns = min(d, 3)
    lines = -(-d // columns)
    figure = new_figure(0.8 + 2.4 * columns, 0.9 + 2.1 * lines)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    n, n_draws = len(calibration.truth), calibration.n_draws
    band, z = ecdf_band(n, n_draws, level), ecdf_points(n_draws)
    p_values = calibration.rank_p_value()
    for i, axes in enumerate(grid.ravel()):
        if i >= d:
            axes.set_axis_off()
            grid[(i // columns) - 1, i % columns].tick_params(labelbottom=True)
            grid[(i // columns) - 1, i % columns].set_xlabel(_RANK)
            continue
        text = f"{100 * level:.3g} % of calibrated posteriors"
        axes.fill_between(z, band.low - z, band.high - z, color=GREY, alpha=0.3, lw=0, label=text)
        axes.axhline(0.0, color=GREY, lw=0.8)
        difference = ecdf_of_ranks(calibration.ranks[:, i], n_draws) - z
        axes.step(z, difference, where="mid", color=BLUE, lw=1.4, label=f"{n} simulations")
        title = f"{_label(calibration.names[i], labels)}   p = {p_values[i]:.2g}"
        axes.set_title(title, fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel(_RANK)
    for axes in grid[:, 0]:
        axes.set_ylabel("share below - rank")
    legend_above(figure, grid[0, 0])
    return figure


def _label(name: str, labels: Mapping[str, str] | None) -> str:
    return (labels or {}).get(name, plain(name))


def _truths(chain: Chain, truth: Mapping[str, float] | None) -> list[Any]:
    for name in truth or {}:
        if name not in chain.names:
            raise ParameterError("truth", name, f"of {', '.join(chain.names)}")
    return [(truth or {}).get(name) for name in chain.names]
