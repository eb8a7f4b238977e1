"""Figures of populations of clusters. Each function returns a matplotlib ``Figure``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..cluster.mass_bias import Comparison
from ..ensembles.posterior import PopulationPosterior
from ..inference.rank_statistics import ecdf_band
from .tools import (
    BLUE,
    GREY,
    SHARES,
    SHARES_TEXT,
    UNIT_LABEL,
    UNIT_MASS,
    VERMILLION,
    corner_figure,
    legend_above,
    log_ticks,
    new_figure,
    plain,
    save_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

LABELS = {
    "bias": r"bias $\langle\ln(M_{\rm WL}/M)\rangle$",
    "mean": r"mean $\langle\ln(M/M_0)\rangle$",
    "scatter": r"scatter $\sigma_{\ln M}$",
}
_SHOWN = 6.0
_CURVES = 400
_MOST_BINS = 8
_RANKS = 999


def bias_scatter_contours(posterior: PopulationPosterior, truth: Any = None) -> Figure:
    """Return the posterior of bias (or mean) and scatter, and the marginal of each.

    Contours hold 68.3 % and 95.4 %.

    Parameters
    ----------
    posterior : PopulationPosterior
    truth : (2,) array, optional
        Known values, marked.
    """
    figure = new_figure(5.2, 5.0)
    from matplotlib.ticker import MaxNLocator

    grid = figure.add_gridspec(2, 2, width_ratios=(3, 1), height_ratios=(1, 3))
    main = figure.add_subplot(grid[1, 0])
    top, side = (
        figure.add_subplot(grid[0, 0], sharex=main),
        figure.add_subplot(grid[1, 1], sharey=main),
    )
    first, scatter, density = _shown_part(posterior)
    heights = _heights(density, SHARES[::-1])
    for height in heights:
        main.contourf(
            first,
            scatter,
            density.T,
            levels=[height, density.max() * 1.001],
            colors=[BLUE],
            alpha=0.3,
        )
    main.contour(first, scatter, density.T, levels=heights, colors=BLUE, linewidths=1.2)
    top.plot(first, np.trapezoid(density, scatter, axis=1), color=BLUE)
    side.plot(np.trapezoid(density, first, axis=0), scatter, color=BLUE)
    if truth is not None:
        for axes in (main, top):
            axes.axvline(truth[0], color=VERMILLION, lw=1)
        for axes in (main, side):
            axes.axhline(truth[1], color=VERMILLION, lw=1)
    corner = figure.add_subplot(grid[0, 1])
    corner.set_axis_off()
    said = SHARES_TEXT.replace("hold ", "hold\n")
    if posterior.names[0] == "mean":
        said += f"\n\n$M_0$ = {posterior.pivot_mass / UNIT_MASS:.3g} × {UNIT_LABEL}"
    corner.text(0.5, 0.5, said, ha="center", va="center", fontsize=8)
    main.set_xlabel(LABELS[posterior.names[0]])
    main.set_ylabel(LABELS["scatter"])
    main.xaxis.set_major_locator(MaxNLocator(5))
    for axes in (top, side):
        axes.tick_params(labelleft=False, labelbottom=False)
    top.set_yticks([])
    side.set_xticks([])
    top.set_ylim(bottom=0.0)
    side.set_xlim(left=0.0)
    return figure


def _shown_part(posterior: PopulationPosterior) -> tuple[Array, Array, Array]:
    """Return axes and density, four times finer, where a marginal is above e^-6 of its peak."""
    from scipy.interpolate import RectBivariateSpline

    spline = RectBivariateSpline(posterior.first, posterior.scatter, posterior.density)
    axes = []
    for i, axis in enumerate((posterior.first, posterior.scatter)):
        marginal = posterior.density.sum(axis=1 - i)
        kept = np.flatnonzero(marginal > np.exp(-_SHOWN) * marginal.max())
        low, high = axis[max(kept[0] - 1, 0)], axis[min(kept[-1] + 1, axis.size - 1)]
        axes.append(np.linspace(low, high, 4 * kept.size))
    return axes[0], axes[1], np.maximum(spline(*axes), 0.0)


def _heights(density: Array, levels: tuple[float, ...]) -> list[float]:
    """Return the densities above which the shares `levels` of the whole are."""
    ordered = np.sort(density.ravel())[::-1]
    share = np.cumsum(ordered) / ordered.sum()
    return [float(ordered[int(np.searchsorted(share, level))]) for level in levels]


def bias_against_mass(comparison: Comparison) -> Figure:
    """Return the mean of M_WL / M_true in bins of true mass, and the relation with its band.

    Points are averages weighted by the inverse variance of noise and scatter; the noise, which
    adds to a mass, does not bias them. Bands hold 68 and 95 % of the posterior. With Student's t,
    of which the mean ratio does not exist, the line is that of the median.
    """
    relation = comparison.likelihoods.likelihood.relation
    log_mass = relation.log_mass
    assert log_mass is not None
    figure = new_figure(6.0, 4.2)
    axes = figure.add_subplot()
    x = np.linspace(log_mass.min(), log_mass.max(), 60)
    curves = _ratio_curves(comparison.posteriors, x)
    mass = relation.pivot_mass * np.exp(x) / UNIT_MASS
    for tail, alpha, label in ((0.025, 0.2, "95 %"), (0.16, 0.35, "68 %")):
        low, high = np.quantile(curves, (tail, 1.0 - tail), axis=0)
        axes.fill_between(mass, low, high, color=BLUE, alpha=alpha, lw=0, label=label)
    axes.plot(mass, np.median(curves, axis=0), color=BLUE, lw=1.5, label="relation")
    centre, ratio, error = _binned_ratios(comparison)
    axes.errorbar(
        centre / UNIT_MASS, ratio, error, fmt="o", color=VERMILLION, ms=4, label="mean of the bin"
    )
    axes.axhline(1.0, color=GREY, lw=0.8, ls="--")
    axes.set_xscale("log")
    log_ticks(axes.xaxis, *axes.get_xlim())
    axes.set_xlabel(rf"true mass [{UNIT_LABEL}]")
    axes.set_ylabel(r"$\langle M_{\rm WL}/M_{\rm true}\rangle$")
    legend_above(figure, axes)
    return figure


def _ratio_curves(posterior: PopulationPosterior, x: Array) -> Array:
    """Return the mean ratio (draws, x) at ln (M / pivot)."""
    rows = posterior.samples[:: max(1, len(posterior.samples) // _CURVES)]
    column = dict(zip(posterior.names, rows.T, strict=True))
    none = np.zeros(len(rows))
    mean = column["bias"][:, None] + column.get("mass_slope", none)[:, None] * x
    if "degrees_of_freedom" in column:
        return np.asarray(np.exp(mean))
    # what the shape adds to ln <ratio> at the pivot goes with sd^2
    at_pivot = posterior.mean_ratio[:: max(1, len(posterior.samples) // _CURVES)]
    excess = (np.log(at_pivot) - column["bias"])[:, None]
    slope = column.get("scatter_mass_slope", none)[:, None]
    return np.asarray(np.exp(mean + excess * np.exp(slope * x)))


def _binned_ratios(comparison: Comparison) -> tuple[Array, Array, Array]:
    """Return true mass, mean ratio and its error in bins of equal numbers."""
    likelihood = comparison.likelihoods.likelihood
    true = np.exp(likelihood.relation.offset)
    mean, sd = likelihood.objects.mean_and_sd()
    spread = float(comparison.mass_dist_scatter_samps.mean())
    weight = 1.0 / ((sd / true) ** 2 + spread**2)
    order = np.argsort(true)
    parts = np.array_split(order, max(1, min(_MOST_BINS, true.size // 10)))
    rows = []
    for part in parts:
        w = weight[part]
        rows.append(
            (
                np.exp(np.sum(w * np.log(true[part])) / w.sum()),
                np.sum(w * mean[part] / true[part]) / w.sum(),
                1.0 / np.sqrt(w.sum()),
            )
        )
    centre, ratio, error = np.array(rows).T
    return centre, ratio, error


def rank_histogram(posterior: PopulationPosterior) -> Figure:
    """Return the ranks of the measured masses in the population, which should be uniform.

    Left the histogram with the 95 % range of every bin; right the distribution function minus
    the diagonal, with the band that holds all of it with 95 % probability.
    """
    from scipy import stats

    rank = posterior.rank
    n = rank.size
    bins = int(np.clip(n // 10, 4, 20))
    figure = new_figure(7.6, 3.4)
    left, right = figure.subplots(1, 2)
    counts, edges = np.histogram(rank, bins=bins, range=(0.0, 1.0))
    low, high = stats.binom.ppf((0.025, 0.975), n, 1.0 / bins)
    left.axhspan(low, high, color=GREY, alpha=0.25, lw=0)
    left.axhline(n / bins, color=GREY, lw=0.8)
    left.stairs(counts, edges, color=BLUE, lw=1.5)
    left.set_xlim(0.0, 1.0)
    left.set_ylim(bottom=0.0)
    left.set_xlabel("rank of the measured mass")
    left.set_ylabel("objects")
    band = ecdf_band(n, _RANKS)
    right.fill_between(
        band.z, band.low - band.z, band.high - band.z, step="mid", color=GREY, alpha=0.25, lw=0
    )
    below = np.searchsorted(np.sort(rank), band.z) / n
    right.plot(band.z, below - band.z, color=BLUE, lw=1.5)
    right.axhline(0.0, color=GREY, lw=0.8)
    right.set_xlim(0.0, 1.0)
    right.set_xlabel("rank of the measured mass")
    right.set_ylabel("share below, minus the diagonal")
    return figure


def population_corner(posterior: PopulationPosterior) -> Figure:
    """Return densities of every parameter and pair of parameters."""
    labels = [LABELS.get(name, plain(name.replace("_", " "))) for name in posterior.names]
    return corner_figure(posterior.samples, labels, [None] * len(labels))


def write_ensemble_figures(
    posterior: PopulationPosterior,
    folder: str | os.PathLike[str],
    *,
    comparison: Comparison | None = None,
) -> dict[str, str]:
    """Write all figures of a population as PNG; return title -> file."""
    target = Path(folder)
    name = "Bias" if posterior.names[0] == "bias" else "Mean"
    made = {f"{name} and scatter": ("contours.png", bias_scatter_contours(posterior))}
    if comparison is not None:
        made["Bias against mass"] = ("bias_against_mass.png", bias_against_mass(comparison))
    made["Ranks of the measured masses"] = ("ranks.png", rank_histogram(posterior))
    if len(posterior.names) > 2:
        made["All parameters"] = ("corner.png", population_corner(posterior))
    return {title: save_figure(figure, target / file) for title, (file, figure) in made.items()}
