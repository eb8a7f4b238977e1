"""Figures of the validation. Each function returns a matplotlib ``Figure``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..figures.tools import BLUE, GREEN, GREY, VERMILLION, legend_above, log_ticks, new_figure
from .checks import BiasRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..stacks.stack import Stack

Array = npt.NDArray[np.float64]

_COLOURS = (BLUE, VERMILLION, GREEN, GREY, "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255")
_FLOOR = 1e-17
"""An error of zero on a logarithmic axis."""


def profile_errors(radii: Array, errors: Mapping[str, Mapping[str, Array]]) -> Figure:
    """Return relative errors against radius, a panel for each quantity."""
    quantities = list(next(iter(errors.values())))
    figure = new_figure(9.0, 3.6)
    axes = figure.subplots(1, len(quantities), sharey=True)
    for axis, quantity in zip(axes, quantities, strict=True):
        for (name, found), colour in zip(errors.items(), _COLOURS, strict=False):
            axis.loglog(radii, np.maximum(found[quantity], _FLOOR), color=colour, label=name)
        axis.set_xlabel(r"$r$ or $R$ [Mpc]")
        axis.set_title(quantity, fontsize=10)
    axes[0].set_ylabel("relative error")
    legend_above(figure, axes[0])
    return figure


def circle_errors(radii: Array, errors: Mapping[str, Array], pixel: float) -> Figure:
    """Return the relative error of the shear on circles of a map, by pixels from the centre."""
    figure = new_figure(6.0, 3.6)
    axis = figure.subplots()
    for (name, found), colour, mark in zip(errors.items(), _COLOURS, "os", strict=False):
        axis.semilogx(radii / pixel, 1e3 * found, mark + "-", color=colour, label=name, ms=5)
    axis.axhspan(-1.0, 1.0, color=GREY, alpha=0.15, lw=0)
    axis.axhline(0.0, color=GREY, lw=0.8)
    log_ticks(axis.xaxis, *(radii[[0, -1]] / pixel))
    axis.set_xlabel("radius [pixels]")
    axis.set_ylabel(r"$10^3$ (map / profile $-$ 1)")
    axis.legend(frameon=False, fontsize=9)
    return figure


def pull_histograms(pulls: Mapping[str, Array]) -> Figure:
    """Return histograms of pulls against the standard normal density."""
    figure = new_figure(6.0, 3.6)
    axis = figure.subplots()
    edges = np.linspace(-4.0, 4.0, 33).tolist()
    for (name, found), colour in zip(pulls.items(), _COLOURS, strict=False):
        axis.hist(found.ravel(), edges, density=True, histtype="step", color=colour, label=name)
    x = np.linspace(-4.0, 4.0, 201)
    axis.plot(x, np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi), color=GREY, label="normal")
    axis.set_xlabel(r"$(g_{\rm t} - $ expected$)$ / error")
    axis.set_ylabel("density of bins")
    axis.legend(frameon=False, fontsize=9)
    return figure


def pit_histogram(pit: Array) -> Figure:
    """Return the distribution function of PIT values less that of a uniform one, and its band."""
    figure = new_figure(6.0, 3.6)
    axis = figure.subplots()
    p = np.sort(pit)
    steps = np.arange(1, p.size + 1) / p.size
    axis.step(p, steps - p, where="post", color=BLUE, label=f"{p.size} clusters")
    x = np.linspace(0.0, 1.0, 201)
    band = np.sqrt(x * (1.0 - x) / p.size)
    axis.fill_between(x, -2.0 * band, 2.0 * band, color=GREY, alpha=0.2, lw=0, label="95 % of each")
    axis.axhline(0.0, color=GREY, lw=0.8)
    axis.set_xlabel("posterior probability below the truth")
    axis.set_ylabel("share of clusters below, less probability")
    axis.legend(frameon=False, fontsize=9)
    return figure


def bias_shifts(rows: Sequence[BiasRow]) -> Figure:
    """Return b of every truth, without noise and measured."""
    figure = new_figure(7.0, 0.9 + 0.32 * len(rows))
    axis = figure.subplots()
    place = np.arange(len(rows))[::-1]
    b = [row.bias for row in rows]
    axis.plot(b, place, "o", color=BLUE, label="without noise")
    measured, errors = [row.measured for row in rows], [row.error for row in rows]
    axis.errorbar(
        measured, place - 0.25, xerr=errors, fmt="s", ms=3, color=VERMILLION, label="mock galaxies"
    )
    axis.axvline(1.0, color=GREY, lw=0.8)
    axis.set_yticks(place, [row.truth for row in rows])
    axis.set_xlabel(r"$b$ = mass fitted by NFW / true mass")
    legend_above(figure, axis)
    return figure


def stacked(stacks: Mapping[str, tuple[Stack, Array]]) -> Figure:
    """Return the mean excess surface density of stacks, and what is expected."""
    figure = new_figure(6.0, 3.6)
    axis = figure.subplots()
    for (name, (stack, expected)), colour, mark in zip(
        stacks.items(), _COLOURS, "os", strict=False
    ):
        axis.plot(stack.radius, stack.radius * expected / 1e14, color=colour)
        axis.errorbar(
            stack.radius,
            stack.radius * stack.values / 1e14,
            yerr=stack.radius * stack.errors / 1e14,
            fmt=mark,
            ms=4,
            color=colour,
            label=name,
        )
    axis.set_xlabel("$R$ [Mpc]")
    axis.set_ylabel(r"$R \Delta\Sigma$ [$10^{14}\,M_\odot$ Mpc$^{-1}$]")
    axis.legend(frameon=False, fontsize=9)
    return figure


def bias_against_density(
    density: Array, b: Array, error: Array, truth: float | None = None
) -> Figure:
    """Return the bias against the density of galaxies, about its mean or what was put in."""
    figure = new_figure(5.0, 3.4)
    axis = figure.subplots()
    axis.errorbar(density, b, yerr=error, fmt="o", color=BLUE)
    axis.set_xscale("log")
    axis.set_xlim(density[0] / 1.6, density[-1] * 1.6)
    log_ticks(axis.xaxis, density[0], density[-1])
    mean = np.sum(b / error**2) / np.sum(error**-2.0)
    axis.axhline(mean if truth is None else truth, color=GREY, lw=0.8)
    axis.set_xlabel(r"galaxies [arcmin$^{-2}$]")
    axis.set_ylabel(r"$b$" if truth is None else r"$\langle\ln(M_{\rm WL} / M)\rangle$")
    return figure
