"""Figures of stacks; each function returns a matplotlib ``Figure``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..cluster.likelihood import ClusterLikelihood
from ..cluster.massmod import CLMassMod
from ..stacks.scaling import scaled_nfw
from ..stacks.stack import Stack, member_profiles
from ..stacks.sums import StackSums
from .clusters import shear_profile
from .tools import (
    BLUE,
    GREY,
    VERMILLION,
    legend_above,
    log_ticks,
    new_figure,
    plain,
    save_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_SHARE, _MOST_TIMES = 0.9, 2.5
"""The axes hold all values of single clusters, in up to so many times the range that holds this
share of them."""
_FILES = ("stack.png", "stack_fit.png")


def write_figures(
    massmod: CLMassMod, stack: Stack, sums: StackSums, folder: str | os.PathLike[str]
) -> dict[str, str]:
    """Write the stack with its clusters and, where it was fitted, the fit; return title -> file."""
    target = Path(folder)
    for name in _FILES:
        (target / name).unlink(missing_ok=True)
    model = fitted_model(massmod, stack)
    figure = stacked_profile(stack, sums, model)
    made = {"Stack and its clusters": save_figure(figure, target / _FILES[0])}
    if model is not None:
        figure = shear_profile(massmod, stack.id)
        made["Fit of the stack"] = save_figure(figure, target / _FILES[1])
    return made


def stacked_profile(
    stack: Stack, sums: StackSums | None = None, model: Callable[[Array], Array] | None = None
) -> Figure:
    """Return the stack, with its clusters behind it where `sums` are given.

    Below are differences in standard deviations: with scaling those of F from what NFW haloes
    would give, with their reduced shear; without, those of Delta Sigma from `model`, or else
    its signal to noise. The axes hold all points of single clusters, but for outliers: how many
    points lie beyond is said then.

    Parameters
    ----------
    stack : Stack
    sums : StackSums, optional
    model : callable, optional
        Radius (n,) [Mpc] -> Delta Sigma [Msun / Mpc^2], such as `fitted_model` gives.
    """
    scaled = stack.method == "wScaling"
    unit = 1.0 if scaled else 1e12
    figure = new_figure(6.0, 5.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.2))
    keep = ~stack.mask
    radius, values, errors = stack.radius[keep], stack.values[keep], stack.errors[keep]
    fine = np.geomspace(radius[0] / 1.1, radius[-1] * 1.1, 200)
    expected: Array | None = None
    if scaled:
        expected = stack.expected[keep]
    elif model is not None:
        expected = model(radius)
    low, high = _limits(stack, sums, expected)
    upper.set_ylim(low / unit, high / unit)
    if sums is not None:
        _draw_members(upper, sums, unit, low, high)
    if scaled:
        assert expected is not None
        upper.plot(fine, scaled_nfw(fine), color=GREY, lw=1.2, ls="--", label="NFW, shear")
        style: dict[str, Any] = {"ls": "-", "marker": "_", "ms": 12, "lw": 1.2, "mew": 1.6}
        label = "expected: NFW, reduced shear"
        upper.plot(radius, expected, color=VERMILLION, label=label, **style)
    elif model is not None:
        upper.plot(fine, model(fine) / unit, color=VERMILLION, lw=1.5, label="best fit")
    style = {"fmt": "o", "ms": 5, "elinewidth": 1.3, "color": BLUE, "zorder": 5}
    name = f"stack of {len(stack.ids)}"
    upper.errorbar(radius, values / unit, errors / unit, label=name, **style)
    upper.axhline(0.0, color=GREY, lw=0.8, ls=":")
    if expected is None:
        _signal_to_noise(lower, radius, values / errors)
    else:
        _residuals(lower, radius, (values - expected) / errors)
        lower.set_ylabel("($F$ − expected)\n/ error" if scaled else "(stack − fit)\n/ error")
    upper.set_ylabel(
        r"$F = \Delta\Sigma / (\rho_{\rm s} r_{\rm s})$"
        if scaled
        else r"$\Delta\Sigma$ [$M_\odot\,{\rm pc}^{-2}$]"
    )
    lower.set_xlabel(r"$x = R / r_{\rm s}$" if scaled else "projected radius [physical Mpc]")
    lower.set_xscale("log")
    lower.set_xlim(0.85 * radius[0], 1.15 * radius[-1])
    log_ticks(lower.xaxis, *lower.get_xlim())
    upper.set_title(_title(stack), fontsize=10, loc="left")
    legend_above(figure, upper)
    return figure


def fitted_model(massmod: CLMassMod, stack: Stack) -> Callable[[Array], Array] | None:
    """Return the best fit of a stack as a function of the radius; None where there is none."""
    fitted = [p for p in massmod.out_data_profiles if p.halo_id == stack.id]
    if stack.method != "woScaling" or not fitted or fitted[0].status == "failed":
        return None
    best = np.array([[fitted[0].mle[name] for name in fitted[0].parameters]])
    likelihood = massmod.likelihood(stack.id)
    assert isinstance(likelihood, ClusterLikelihood)  # of a stacked profile
    return lambda radius: likelihood.predict_at(best, radius)[0]


def _draw_members(axes: Axes, sums: StackSums, unit: float, low: float, high: float) -> None:
    radius, values, _ = member_profiles(sums)
    # fainter where there are many, but to be seen
    alpha = float(np.clip(6.0 / len(radius), 0.08, 0.5))
    beyond = int(np.sum((values < low) | (values > high)))
    if beyond:
        said = f"points beyond the axes: {beyond}"
        place = axes.transAxes
        axes.text(0.98, 0.96, said, transform=place, ha="right", va="top", fontsize=8, color=GREY)
    for k, (r, v) in enumerate(zip(radius, values, strict=True)):
        there = np.isfinite(r)
        label = "clusters" if k == 0 else None
        style: dict[str, Any] = {"color": GREY, "alpha": alpha, "lw": 0.8, "marker": ".", "ms": 3}
        axes.plot(r[there], v[there] / unit, label=label, **style)


def _limits(stack: Stack, sums: StackSums | None, expected: Array | None) -> tuple[float, float]:
    """Return the ends of the axis of the values."""
    keep = ~stack.mask
    low = min(0.0, float(np.min(stack.values[keep] - stack.errors[keep])))
    high = float(np.max(stack.values[keep] + stack.errors[keep]))
    if expected is not None:
        high = max(high, float(expected.max()))
    if sums is not None:
        values = member_profiles(sums)[1]
        tails = np.nanquantile(values, (0.5 * (1.0 - _SHARE), 0.5 * (1.0 + _SHARE)))
        low, high = min(low, float(tails[0])), max(high, float(tails[1]))
        more = 0.5 * (_MOST_TIMES - 1.0) * (high - low)
        low, high = (
            min(low, max(float(np.nanmin(values)), low - more)),
            max(high, min(float(np.nanmax(values)), high + more)),
        )
    margin = 0.06 * (high - low)
    return low - margin, high + margin


def _signal_to_noise(axes: Axes, radius: Array, values: Array) -> None:
    axes.axhline(0.0, color=GREY, lw=1.0)
    axes.plot(radius, values, ls="none", marker="o", color=BLUE, ms=4.5)
    axes.set_ylim(min(1.15 * float(values.min()), -0.05 * float(values.max())), None)
    axes.set_ylabel("signal\n/ noise")


def _residuals(axes: Axes, radius: Array, values: Array) -> None:
    axes.axhspan(-2, 2, color=VERMILLION, alpha=0.10, lw=0)
    axes.axhspan(-1, 1, color=VERMILLION, alpha=0.16, lw=0)
    axes.axhline(0.0, color=VERMILLION, lw=1.0)
    axes.errorbar(radius, values, 1.0, fmt="o", color=BLUE, ms=4.5, elinewidth=1.1)
    limit = max(3.5, 1.3 + float(np.max(np.abs(values))))
    axes.set_ylim(-limit, limit)


def _title(stack: Stack) -> str:
    facts = f"{plain(stack.id)}   effective z = {stack.redshift:.3f}"
    if stack.method == "woScaling":
        return facts
    origin = {"fit": "masses of fits (circular)", "truth": "true masses", "table": "given masses"}
    return (
        f"{facts}   scaled by {origin[stack.scaling]}\n$\\chi^2$ = {stack.chi2:.1f} / {stack.dof}"
        f"   $d^2$ = {stack.scatter:.1f} for {stack.n_points} points"
    )
