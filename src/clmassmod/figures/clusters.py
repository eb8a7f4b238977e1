"""Figures of fits. Each function returns a matplotlib ``Figure``; none touches global state.

Colours can be told apart by the colour-blind (Okabe & Ito 2008) and in grey.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..cluster.density import (
    distribution_function,
    highest_density_interval,
    mass_density,
    sample_weights,
)
from ..cluster.likelihood import ClusterLikelihood
from ..cluster.massmod import CLMassMod
from ..cluster.reference import Reference, compared, comparison
from ..cluster.results import MassProfile, file_name
from ..errors import FitError, ParameterError
from ..observables import DeltaSigma, GammaTheta
from .tools import (
    BLUE,
    GREY,
    UNIT_LABEL,
    UNIT_MASS,
    VERMILLION,
    corner_figure,
    label_of,
    legend_above,
    log_ticks,
    mass_symbol,
    mass_text,
    new_figure,
    plain,
    require_matplotlib,
    save_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

N_DRAWS = 400
N_RADII = 80
MAX_LABELLED = 40
"""Up to this many masses are written out in `mass_posteriors`."""
MAX_PROFILES = 100
"""`write_figures` draws at most this many shear profiles."""

_QUANTILES = (0.02275, 0.158655, 0.841345, 0.97725)
_RESIDUALS = 3.5
_LEAST_ON_LOG = 0.2
_NARROW = 0.006
_FILES = ("masses.png", "comparison.png", "profile_*.png", "trace_*.png", "corner_*.png")


def write_figures(
    massmod: CLMassMod,
    folder: str | os.PathLike[str],
    *,
    reference: Reference | None = None,
    progress: bool = False,
) -> dict[str, str]:
    """Write every figure that the results allow as PNG; return title -> file.

    The masses of all objects in one figure; against `reference`, if given; then for each
    object (the first 100) the shear profile, and where there are samples their traces and
    correlations. Figures that an earlier call left in the folder are removed.
    """
    require_matplotlib()
    target = Path(folder)
    for pattern in _FILES:
        for old in target.glob(pattern):
            old.unlink()
    fitted = [p for p in massmod.out_data_profiles if p.status != "failed"]
    jobs: list[tuple[str, str, Any]] = [
        ("Masses", "masses", lambda: mass_posteriors(fitted, reference))
    ]
    if reference is not None and compared(fitted, reference):
        title = f"Fitted mass against {reference.label}"
        jobs.append((title, "comparison", lambda: mass_comparison(fitted, reference)))
    for p in fitted[:MAX_PROFILES]:
        jobs += _jobs_of(massmod, p)
    files = {}
    for title, name, make in _with_bar(jobs, progress):
        files[title] = save_figure(make(), target / f"{name}.png")
    return files


def _jobs_of(massmod: CLMassMod, p: MassProfile) -> list[tuple[str, str, Any]]:
    stem = Path(file_name(p.halo_id)).stem
    jobs: list[tuple[str, str, Any]] = []
    if isinstance(massmod.likelihood(p.halo_id), ClusterLikelihood):
        jobs.append((f"{p.halo_id}: profile", f"profile_{stem}", lambda: shear_profile(massmod, p)))
    if p.method == "emcee":
        jobs.append((f"{p.halo_id}: trace", f"trace_{stem}", lambda: trace(p)))
    if p.samples.size and len(p.parameters) > 1:
        jobs.append((f"{p.halo_id}: corner", f"corner_{stem}", lambda: corner_plot(p)))
    return jobs


def _with_bar(jobs: list[Any], progress: bool) -> Any:
    if not progress:
        return jobs
    from tqdm import tqdm

    return tqdm(jobs, desc="figures", unit="figure")


# -- the profile of one object -------------------------------------------------------------------


def shear_profile(massmod: CLMassMod, profile: MassProfile | str) -> Figure:
    """Return the data of one object with the fitted model, and the residuals below.

    Parameters
    ----------
    massmod : CLMassMod
        With the data and, unless `profile` is one, the result.
    profile : MassProfile or str
        A result or the id of one.

    Notes
    -----
    Bands hold 68.3 % and 95.4 % of the models of the posterior: of its samples, of its mass
    grid (other parameters at their best fit), or of the normal density of the covariance.
    Points outside the radii of the fit are grey.
    """
    p = _result(massmod, profile)
    likelihood = massmod.likelihood(p.halo_id)
    if not isinstance(likelihood, ClusterLikelihood):
        raise FitError(
            f"{p.halo_id} is a fit of single galaxies, which have no profile to show; make one "
            "about its centre with clmassmod.galaxies.build_profile"
        )
    best = np.array([[p.mle[name] for name in p.parameters]])
    draws = parameter_draws(massmod, p)
    full: tuple[Any, ...] = massmod.objects()[p.halo_id]
    n = len(likelihood.observables)
    figure = new_figure(5.2 * n, 4.8)
    grid = figure.subplots(2, n, sharex="col", squeeze=False, height_ratios=(3, 1.2))
    for i, (used, data) in enumerate(zip(likelihood.observables, full, strict=True)):
        unit = 1e12 if isinstance(data, DeltaSigma) else 1.0
        radius = used.projected_radius(massmod.model.cosmology)
        fine = np.geomspace(0.9 * radius[0], 1.1 * radius[-1], N_RADII)
        band = np.quantile(likelihood.predict_at(draws, fine, i), _QUANTILES, axis=0) / unit
        line = likelihood.predict_at(best, fine, i)[0] / unit
        upper, lower = grid[0, i], grid[1, i]
        upper.fill_between(fine, band[0], band[3], color=BLUE, alpha=0.18, lw=0, label="95 %")
        upper.fill_between(fine, band[1], band[2], color=BLUE, alpha=0.35, lw=0, label="68 %")
        upper.plot(fine, line, color=BLUE, lw=1.6, label="best fit")
        _points(upper, massmod, used, data, unit)
        model = likelihood.predict(best)[i][0]
        _residuals(lower, radius, (used.values - model) / used.errors)
        _profile_axes(upper, lower, used)
    grid[0, 0].set_title(_title(p), fontsize=10, loc="left")
    legend_above(figure, grid[0, 0])
    return figure


def _result(massmod: CLMassMod, profile: MassProfile | str) -> MassProfile:
    if not isinstance(profile, str):
        found: MassProfile | None = profile
    else:
        found = next((p for p in massmod.out_data_profiles if p.halo_id == profile), None)
    if found is None:
        ids = ", ".join(p.halo_id for p in massmod.out_data_profiles)
        raise ParameterError("profile", profile, f"the id of a result: {ids or '(none)'}")
    if found.status == "failed":
        raise FitError(f"{found.halo_id} could not be fitted: {found.message}")
    return found


def parameter_draws(massmod: CLMassMod, profile: MassProfile, n: int = N_DRAWS) -> Array:
    """Return at most n parameter vectors (k, P) of the posterior; the same every time.

    Draws outside the priors are left out; a result without errors gives its best fit alone.
    """
    best = np.array([profile.mle[name] for name in profile.parameters])
    random = np.random.Generator(np.random.Philox(key=0))
    if profile.samples.size:
        pick = random.choice(len(profile.samples), n, p=sample_weights(profile))
        return np.asarray(profile.samples[pick])
    if not (profile.mass_grid.size or np.isfinite(profile.covariance).all()):
        return best[None]
    if len(profile.parameters) == 1 or profile.mass_grid.size:
        mass, cumulative = distribution_function(profile)
        draws = np.tile(best, (n, 1))
        column = profile.parameters.index("mass")
        draws[:, column] = np.interp((np.arange(n) + 0.5) / n, cumulative, mass)
    else:
        draws = random.multivariate_normal(best, profile.covariance, n)
    inside = np.isfinite(massmod.parameters.log_prior(draws))
    return draws[inside] if inside.any() else best[None]


def _points(
    axes: Axes, massmod: CLMassMod, used: Any, data: GammaTheta | DeltaSigma, unit: float
) -> None:
    cosmology = massmod.model.cosmology
    style: dict[str, Any] = {"fmt": "o", "ms": 4.5, "capsize": 0, "elinewidth": 1.1}
    radius = data.projected_radius(cosmology)
    out = ~np.isin(radius, used.projected_radius(cosmology))
    if out.any():
        axes.errorbar(
            radius[out],
            data.values[out] / unit,
            data.errors[out] / unit,
            color="#aaaaaa",
            mfc="white",
            label="not used",
            **style,
        )
    axes.errorbar(
        radius[~out],
        data.values[~out] / unit,
        data.errors[~out] / unit,
        color="black",
        label="data",
        **style,
    )


def _residuals(axes: Axes, radius: Array, residual: Array) -> None:
    axes.axhspan(-2, 2, color=BLUE, alpha=0.12, lw=0)
    axes.axhspan(-1, 1, color=BLUE, alpha=0.20, lw=0)
    axes.axhline(0, color=BLUE, lw=1)
    axes.errorbar(radius, residual, 1.0, fmt="o", color="black", ms=4.5, elinewidth=1.1)
    limit = max(_RESIDUALS, 1.3 + float(np.max(np.abs(residual))))
    axes.set_ylim(-limit, limit)


def _profile_axes(upper: Axes, lower: Axes, data: GammaTheta | DeltaSigma) -> None:
    if isinstance(data, DeltaSigma):
        upper.set_ylabel(r"$\Delta\Sigma$ [$M_\odot\,{\rm pc}^{-2}$]")
    elif data.kind == "shear":
        upper.set_ylabel(r"tangential shear $\gamma_t$")
    else:
        upper.set_ylabel("reduced tangential shear $g_t$")
    lower.set_ylabel("(data − fit)\n/ error")
    lower.set_xlabel("projected radius [physical Mpc]")
    lower.set_xscale("log")
    log_ticks(lower.xaxis, *lower.get_xlim())
    upper.axhline(0, color=GREY, lw=0.8, ls=":")


def _title(p: MassProfile) -> str:
    mass = rf"{mass_symbol(p.mass_def)} = {mass_text(p)} $\times$ {UNIT_LABEL}"
    return f"{plain(p.halo_id)}   z = {p.redshift:.3f}\n{mass}   $\\chi^2$ = {p.chi2:.1f} / {p.dof}"


# -- masses --------------------------------------------------------------------------------------


def mass_posteriors(profiles: Sequence[MassProfile], reference: Reference | None = None) -> Figure:
    """Return the posterior densities of all masses, one object per row.

    Darker inside the 68.3 % highest-density interval; a line at the best fit; a diamond at
    the reference mass where there is one. Masses and errors stand at the right. A posterior
    too narrow for the axis is a bar of fixed width.
    """
    shown = [p for p in profiles if p.status != "failed"]
    if not shown:
        raise FitError("no fitted mass to draw")
    row_height = 0.42 if len(shown) <= 20 else 0.42 * (20 / len(shown)) ** 0.45
    figure = new_figure(6.4, 1.2 + row_height * len(shown))
    axes = figure.subplots()
    intervals = [_one_posterior(axes, row, p) for row, p in enumerate(shown)]
    if reference is not None:
        known = [(reference.masses.get(p.halo_id, math.nan), i) for i, p in enumerate(shown)]
        mass, rows = np.array(known).T
        axes.plot(
            mass / UNIT_MASS,
            rows,
            ls="none",
            marker="D",
            ms=5,
            mfc=VERMILLION,
            mec="white",
            mew=0.6,
            label=plain(reference.label),
            zorder=5,
        )
    axes.set_yticks(range(len(shown)), [plain(p.halo_id) for p in shown])
    axes.tick_params(axis="y", labelsize=8 if len(shown) <= MAX_LABELLED else 5, length=0)
    axes.set_ylim(len(shown) - 0.4, -0.8)
    axes.set_xlabel(label_of(shown[0], "mass"))
    axes.grid(axis="x", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    if axes.get_xlim()[0] < 0.0:
        axes.axvline(0.0, color=GREY, lw=0.8, ls=":")
    if len(shown) <= MAX_LABELLED:
        right = axes.secondary_yaxis("right")
        right.set_yticks(range(len(shown)), [mass_text(p) for p in shown])
        right.tick_params(axis="y", labelsize=8, length=0)
        right.spines["right"].set_visible(False)
    left, right_end = axes.get_xlim()
    for row, (low, high) in enumerate(intervals):
        if high - low < _NARROW * (right_end - left):
            centre = 0.5 * (low + high)
            axes.vlines(centre, row - 0.4, row + 0.4, color=BLUE, alpha=0.5, lw=5, zorder=2)
    legend_above(figure, axes)
    return figure


def _one_posterior(axes: Axes, row: int, p: MassProfile) -> tuple[float, float]:
    """Draw one row, a result without errors as its best fit alone; return its 68 % interval."""
    best = p.mass / UNIT_MASS
    axes.plot(
        [best, best],
        [row - 0.45, row + 0.45],
        color="black",
        lw=1.3,
        zorder=3,
        label="best fit" if row == 0 else None,
    )
    try:
        mass, density = mass_density(p)
    except FitError:
        return math.nan, math.nan
    low, high = highest_density_interval(mass, density, 0.6827)
    height = 0.45 * density / density.max()
    for where, alpha, label in (
        (density > 2e-3 * density.max(), 0.25, "posterior"),
        ((mass >= low) & (mass <= high), 0.5, "68 %"),
    ):
        axes.fill_between(
            mass / UNIT_MASS,
            row - height,
            row + height,
            where=where,
            color=BLUE,
            alpha=alpha,
            lw=0,
            label=label if row == 0 else None,
        )
    return low / UNIT_MASS, high / UNIT_MASS


def mass_comparison(profiles: Sequence[MassProfile], reference: Reference) -> Figure:
    """Return fitted against reference masses, and their ratio below.

    The band is the ratio of the sums with its error. Axes are logarithmic where every error
    bar can be drawn whole on them, and else linear.
    """
    pairs = compared(profiles, reference)
    if not pairs:
        raise FitError("no object has both a fitted and a reference mass")
    fitted, down, up, mass, sd = np.array([pair[1:] for pair in pairs]).T / UNIT_MASS
    numbers = comparison(profiles, reference)
    figure = new_figure(5.6, 6.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
    size = 5.0 if len(pairs) <= 40 else 3.5
    style: dict[str, Any] = {"fmt": "o", "color": BLUE, "ms": size, "elinewidth": 1.0}
    low = np.minimum(fitted - np.nan_to_num(down), mass - sd).min()
    high = np.maximum(fitted + np.nan_to_num(up), mass + sd).max()
    logarithmic = low > _LEAST_ON_LOG * mass.min()
    if logarithmic:
        span = np.array([(mass - sd).min() / 1.25, (mass + sd).max() * 1.25])
        upper.set_yscale("log")
        upper.set_ylim(0.9 * min(span[0], low), 1.1 * max(span[1], high))
        log_ticks(upper.yaxis, *upper.get_ylim())
        lower.set_xscale("log")
        log_ticks(lower.xaxis, *span)
    else:
        margin = 0.06 * (high - low)
        span = np.array([(mass - sd).min() - margin, (mass + sd).max() + margin])
        upper.set_ylim(min(low, span[0]) - margin, high + margin)
        upper.axhline(0, color=GREY, lw=0.8, ls=":")
    lower.set_xlim(span)
    upper.plot(span, span, color=GREY, lw=1, ls="--", label="equal")
    upper.errorbar(mass, fitted, (down, up), xerr=sd if sd.any() else None, **style)
    if numbers["n_compared"]:
        ratio, error = numbers["ratio"], numbers["ratio_error"]
        lower.axhspan(ratio - error, ratio + error, color=VERMILLION, alpha=0.2, lw=0)
        label = f"ratio of sums {ratio:.3f} ± {error:.3f}"
        lower.axhline(ratio, color=VERMILLION, lw=1.4, label=label)
    lower.axhline(1.0, color=GREY, lw=1, ls="--")
    lower.errorbar(mass, fitted / mass, (down / mass, up / mass), **style)
    name = mass_symbol(profiles[0].mass_def)
    label = plain(reference.label)
    upper.set_ylabel(f"fitted {name} [{UNIT_LABEL}]")
    lower.set_xlabel(f"{label} [{UNIT_LABEL}]")
    lower.set_ylabel(f"fitted / {label.removesuffix(' mass')}")
    legend_above(figure, upper, lower)
    return figure


# -- samples -------------------------------------------------------------------------------------


def trace(profile: MassProfile) -> Figure:
    """Return the chain of a result: each parameter in the order it was sampled.

    Points are the stored samples of all walkers; the line is the median of blocks of 2 % of
    the chain. A chain that has converged shows no trend.
    """
    if not profile.samples.size:
        raise FitError(f"{profile.halo_id}: there are no samples ({profile.method})")
    n_parameters = len(profile.parameters)
    figure = new_figure(6.4, 1.2 + 1.6 * n_parameters)
    rows = figure.subplots(n_parameters, 1, sharex=True, squeeze=False)[:, 0]
    n = len(profile.samples)
    shown = np.unique(np.linspace(0, n - 1, min(n, 4000)).astype(int))
    edges = np.linspace(0, n, min(50, n) + 1).astype(int)
    for i, axes in enumerate(rows):
        name = profile.parameters[i]
        values = profile.samples[:, i] / (UNIT_MASS if name == "mass" else 1.0)
        axes.plot(shown, values[shown], ls="none", marker=".", ms=1.5, color=BLUE, alpha=0.35)
        middle = [np.median(values[a:b]) for a, b in pairwise(edges)]
        axes.plot(0.5 * (edges[:-1] + edges[1:]), middle, color="black", lw=1.3)
        axes.set_ylabel(label_of(profile, name))
    rows[-1].set_xlabel("sample (all walkers, in order of steps)")
    facts = [
        f"{text} {profile.diagnostics[key]:{form}}"
        for key, text, form in (
            ("r_hat", r"$\hat R$ =", ".3f"),
            ("ess", "effective samples", ".0f"),
            ("acceptance", "acceptance", ".2f"),
        )
        if key in profile.diagnostics
    ]
    rows[0].set_title("   ".join([plain(profile.halo_id), *facts]), fontsize=10, loc="left")
    return figure


def corner_plot(profile: MassProfile) -> Figure:
    """Return the densities of every parameter and pair of parameters of a sampled posterior.

    Contours hold 68.3 % and 95.4 %; the lines are at the best fit. Needs the package ``corner``.
    """
    if not profile.samples.size or len(profile.parameters) < 2:
        raise FitError(f"{profile.halo_id}: a corner plot needs samples of >= 2 parameters")
    scale = [UNIT_MASS if name == "mass" else 1.0 for name in profile.parameters]
    figure = corner_figure(
        profile.samples / scale,
        [label_of(profile, name) for name in profile.parameters],
        [profile.mle[name] / s for name, s in zip(profile.parameters, scale, strict=True)],
        sample_weights(profile),
    )
    figure.axes[0].set_title(plain(profile.halo_id), fontsize=10, loc="left")
    return figure
