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

from .cluster.density import (
    distribution_function,
    highest_density_interval,
    mass_density,
    sample_weights,
)
from .cluster.massmod import CLMassMod
from .cluster.reference import Reference, compared, comparison
from .cluster.results import MassProfile, file_name
from .errors import FitError, MissingExtraError, ParameterError
from .observables import DeltaSigma, GammaTheta
from .provenance import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
DPI = 110
N_DRAWS = 400
N_RADII = 80
MAX_PROFILES = 100
"""`write_figures` draws at most this many shear profiles."""

_QUANTILES = (0.02275, 0.158655, 0.841345, 0.97725)
_FILES = ("masses.png", "comparison.png", "profile_*.png", "trace_*.png", "corner_*.png")
_UNIT_MASS = 1e14
_MASS_LABEL = r"$10^{14}\,M_\odot$"
_LABELS = {
    "mass": r"$M$ [$10^{14}\,M_\odot$]",
    "concentration": "concentration",
    "shear_calibration": "shear calibration $m$",
}


def require_matplotlib() -> None:
    """Raise `MissingExtraError` if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError("matplotlib", "plot", "a figure") from None


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: float = DPI) -> str:
    """Write a figure as PNG, whole or not at all; return the file."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi, metadata={"Software": "clmassmod"})
    return str(path)


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
    jobs = [(f"{p.halo_id}: profile", f"profile_{stem}", lambda: shear_profile(massmod, p))]
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


def _figure(width: float, height: float) -> Figure:
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


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
    best = np.array([[p.mle[name] for name in p.parameters]])
    draws = parameter_draws(massmod, p)
    full = _all_data(massmod, p.halo_id)
    n = len(likelihood.observables)
    figure = _figure(5.2 * n, 4.8)
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
        _profile_axes(upper, lower, used, line)
    grid[0, 0].set_title(_title(p), fontsize=10, loc="left")
    grid[0, 0].legend(frameon=False, fontsize=8)
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


def _all_data(massmod: CLMassMod, halo_id: str) -> list[GammaTheta | DeltaSigma]:
    """Return the observables of one object, uncut, as `CLMassMod.objects` orders them."""
    groups: tuple[Sequence[GammaTheta | DeltaSigma], ...] = (
        massmod.obs_gamma_theta,
        massmod.obs_delta_sigma,
    )
    return [
        observable
        for group in groups
        for place, observable in enumerate(group)
        if (observable.id or f"halo_{place:05d}") == halo_id
    ]


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
    limit = max(3.0, 1.3 + float(np.max(np.abs(residual))))
    axes.set_ylim(-limit, limit)


def _profile_axes(upper: Axes, lower: Axes, data: GammaTheta | DeltaSigma, line: Array) -> None:
    if isinstance(data, DeltaSigma):
        upper.set_ylabel(r"$\Delta\Sigma$ [$M_\odot\,{\rm pc}^{-2}$]")
    elif data.kind == "shear":
        upper.set_ylabel(r"tangential shear $\gamma_t$")
    else:
        upper.set_ylabel("reduced tangential shear $g_t$")
    lower.set_ylabel("(data − fit)\n/ error")
    lower.set_xlabel("projected radius [physical Mpc]")
    lower.set_xscale("log")
    _log_ticks(lower.xaxis, *lower.get_xlim())
    clear = bool(np.all(data.values > 2.0 * data.errors)) and line.min() > 0.0
    if clear:
        upper.set_yscale("log")
        _log_ticks(upper.yaxis, *upper.get_ylim())
    else:
        upper.axhline(0, color=GREY, lw=0.8, ls=":")


def _log_ticks(axis: Any, low: float, high: float) -> None:
    """Put plain numbers on a logarithmic axis, at least three of them where that can be."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    for digits in ((1,), (1, 2, 5), (1, 2, 3, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        marks = [f * 10.0**e for e in range(-5, 8) for f in digits]
        marks = [mark for mark in marks if low <= mark <= high]
        if len(marks) >= (3 if digits == (1,) else 4):
            break
    axis.set_major_locator(FixedLocator(marks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _title(p: MassProfile) -> str:
    down, up = (e / _UNIT_MASS for e in p.errors["mass"])
    mass = (
        rf"$M_{{\rm {p.mass_def}}} = {p.mass / _UNIT_MASS:.2f}_{{-{down:.2f}}}^{{+{up:.2f}}}$"
        rf" $\times 10^{{14}}\,M_\odot$"
    )
    return (
        f"{_plain(p.halo_id)}   z = {p.redshift:.3f}\n{mass}   $\\chi^2$ = {p.chi2:.1f} / {p.dof}"
    )


def _plain(text: str) -> str:
    """Return `text` for matplotlib, which reads a dollar as the start of mathematics."""
    return text.replace("$", r"\$")


# -- masses --------------------------------------------------------------------------------------


def mass_posteriors(profiles: Sequence[MassProfile], reference: Reference | None = None) -> Figure:
    """Return the posterior densities of all masses, one object per row.

    Darker inside the 68.3 % highest-density interval; a line at the best fit; a diamond at
    the reference mass where there is one.
    """
    shown = [p for p in profiles if p.status != "failed"]
    if not shown:
        raise FitError("no fitted mass to draw")
    row_height = 0.42 if len(shown) <= 20 else 0.42 * (20 / len(shown)) ** 0.45
    figure = _figure(6.4, 1.2 + row_height * len(shown))
    axes = figure.subplots()
    for row, p in enumerate(shown):
        _one_posterior(axes, row, p)
    if reference is not None:
        known = [(reference.masses.get(p.halo_id, math.nan), i) for i, p in enumerate(shown)]
        mass, rows = np.array(known).T
        axes.plot(
            mass / _UNIT_MASS,
            rows,
            ls="none",
            marker="D",
            ms=5,
            mfc=VERMILLION,
            mec="white",
            mew=0.6,
            label=_plain(reference.label),
            zorder=5,
        )
    axes.set_yticks(range(len(shown)), [_plain(p.halo_id) for p in shown])
    axes.tick_params(axis="y", labelsize=8 if len(shown) <= 40 else 5, length=0)
    axes.set_ylim(len(shown) - 0.4, -0.8)
    axes.set_xlabel(rf"$M_{{\rm {shown[0].mass_def}}}$ [{_MASS_LABEL}]")
    axes.grid(axis="x", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    if axes.get_xlim()[0] < 0.0:
        axes.axvline(0.0, color=GREY, lw=0.8, ls=":")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    return figure


def _one_posterior(axes: Axes, row: int, p: MassProfile) -> None:
    """Draw one row; a result without errors is its best fit alone."""
    best = p.mass / _UNIT_MASS
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
        return
    low, high = highest_density_interval(mass, density, 0.6827)
    height = 0.45 * density / density.max()
    for where, alpha, label in (
        (density > 2e-3 * density.max(), 0.25, "posterior"),
        ((mass >= low) & (mass <= high), 0.5, "68 %"),
    ):
        axes.fill_between(
            mass / _UNIT_MASS,
            row - height,
            row + height,
            where=where,
            color=BLUE,
            alpha=alpha,
            lw=0,
            label=label if row == 0 else None,
        )


def mass_comparison(profiles: Sequence[MassProfile], reference: Reference) -> Figure:
    """Return fitted against reference masses, and their ratio below.

    The band is the ratio of the sums with its error. Axes are logarithmic where all fitted
    masses are positive.
    """
    pairs = compared(profiles, reference)
    if not pairs:
        raise FitError("no object has both a fitted and a reference mass")
    fitted, down, up, mass, sd = np.array([pair[1:] for pair in pairs]).T / _UNIT_MASS
    numbers = comparison(profiles, reference)
    figure = _figure(5.6, 6.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
    size = 5.0 if len(pairs) <= 40 else 3.5
    style: dict[str, Any] = {"fmt": "o", "color": BLUE, "ms": size, "elinewidth": 1.0}
    span = np.array([mass.min() / 1.25, mass.max() * 1.25])
    upper.plot(span, span, color=GREY, lw=1, ls="--", label="equal")
    upper.errorbar(mass, fitted, (down, up), xerr=sd if sd.any() else None, **style)
    if (fitted > 0.0).all():
        upper.set_yscale("log")
        upper.set_ylim(
            0.8 * min(span[0], fitted.min()),
            1.25 * max(span[1], (fitted + np.nan_to_num(up)).max()),
        )
        _log_ticks(upper.yaxis, *upper.get_ylim())
    if numbers["n_compared"]:
        ratio, error = numbers["ratio"], numbers["ratio_error"]
        lower.axhspan(ratio - error, ratio + error, color=VERMILLION, alpha=0.2, lw=0)
        label = f"ratio of sums {ratio:.3f} ± {error:.3f}"
        lower.axhline(ratio, color=VERMILLION, lw=1.4, label=label)
        lower.legend(edgecolor="none", fontsize=8, loc="best")
    lower.axhline(1.0, color=GREY, lw=1, ls="--")
    lower.errorbar(mass, fitted / mass, (down / mass, up / mass), **style)
    lower.set_xscale("log")
    lower.set_xlim(span)
    _log_ticks(lower.xaxis, *span)
    name = rf"$M_{{\rm {profiles[0].mass_def}}}$"
    label = _plain(reference.label)
    upper.set_ylabel(f"fitted {name} [{_MASS_LABEL}]")
    lower.set_xlabel(f"{label} [{_MASS_LABEL}]")
    lower.set_ylabel(f"fitted / {label.removesuffix(' mass')}")
    upper.legend(frameon=False, fontsize=8, loc="upper left")
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
    figure = _figure(6.4, 1.2 + 1.6 * n_parameters)
    rows = figure.subplots(n_parameters, 1, sharex=True, squeeze=False)[:, 0]
    n = len(profile.samples)
    shown = np.unique(np.linspace(0, n - 1, min(n, 4000)).astype(int))
    edges = np.linspace(0, n, min(50, n) + 1).astype(int)
    for i, axes in enumerate(rows):
        name = profile.parameters[i]
        values = profile.samples[:, i] / (_UNIT_MASS if name == "mass" else 1.0)
        axes.plot(shown, values[shown], ls="none", marker=".", ms=1.5, color=BLUE, alpha=0.35)
        middle = [np.median(values[a:b]) for a, b in pairwise(edges)]
        axes.plot(0.5 * (edges[:-1] + edges[1:]), middle, color="black", lw=1.3)
        axes.set_ylabel(_LABELS.get(name, name))
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
    rows[0].set_title("   ".join([_plain(profile.halo_id), *facts]), fontsize=10, loc="left")
    return figure


def corner_plot(profile: MassProfile) -> Figure:
    """Return the densities of every parameter and pair of parameters of a sampled posterior.

    Contours hold 39.3 % and 86.5 %, the 1 and 2 sigma of a two-dimensional normal density;
    the lines are at the best fit. Needs the package ``corner``.
    """
    if not profile.samples.size or len(profile.parameters) < 2:
        raise FitError(f"{profile.halo_id}: a corner plot needs samples of >= 2 parameters")
    require_matplotlib()
    try:
        import corner
    except ImportError:
        raise MissingExtraError("corner", "plot", "a corner plot") from None
    from matplotlib.figure import Figure

    scale = [_UNIT_MASS if name == "mass" else 1.0 for name in profile.parameters]
    figure = Figure(figsize=(2.6 * len(scale), 2.6 * len(scale)))
    corner.corner(
        profile.samples / scale,
        weights=sample_weights(profile),
        labels=[_LABELS.get(name, name) for name in profile.parameters],
        truths=[profile.mle[name] / s for name, s in zip(profile.parameters, scale, strict=True)],
        truth_color=VERMILLION,
        color=BLUE,
        bins=30,
        smooth=1.0,
        levels=(0.393, 0.865),
        plot_datapoints=False,
        fig=figure,
    )
    figure.suptitle(_plain(profile.halo_id), fontsize=10, x=0.98, ha="right")
    return figure
