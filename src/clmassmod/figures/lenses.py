"""Figures of strong lenses. Each function returns a matplotlib ``Figure``, without global state.

Colours can be told apart by the colour-blind (Okabe & Ito 2008) and in grey.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..cosmology import angular_diameter_distance
from ..errors import FitError, ParameterError
from ..stronglens.catalogue import Columns, LensCatalogue
from ..stronglens.lens import ARCSEC, AxisymmetricLens
from ..stronglens.lens_model import LensModel
from ..stronglens.lens_solver import solve_images
from .tools import (
    BLUE,
    GREEN,
    GREY,
    SHARES,
    VERMILLION,
    legend_above,
    log_ticks,
    new_figure,
    require_matplotlib,
    save_figure,
)

if TYPE_CHECKING:
    from astropy.cosmology import FLRW
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

FILES = ("population.png", "einstein_radii.png", "image_configuration.png")
"""What `write_figures` can write."""
MOST_POINTS = 3000
"""At most this many lenses are points in `population_corner`."""

_LABELS = {
    "log_msps": r"$\log\,M_{\rm sps}\;[M_\odot]$",
    "log_re": r"$\log\,R_{\rm e}$ [kpc]",
    "log_mhalo": r"$\log\,M_{\rm h}\;[M_\odot]$",
    "gamma_in": r"inner slope $\gamma$",
}
_LEAST_FOR_CONTOURS = 500
_LEAST_FOR_HISTOGRAM = 5
_BINS = 40
_SMOOTHING = 1.2
_LIGHT = "#b8cfe0"


def write_figures(
    catalogue: LensCatalogue, folder: str | os.PathLike[str], *, cosmology: FLRW | None = None
) -> dict[str, str]:
    """Write every figure that the catalogue allows as PNG; return title -> file.

    The population; and, if there is a multiply imaged source, the Einstein radii and the
    images of a typical lens. Figures that an earlier call left in the folder are removed.
    """
    require_matplotlib()
    remove_figures(folder)
    jobs: list[tuple[str, Callable[[], Figure]]] = [
        ("Galaxies and lenses", lambda: population_corner(catalogue))
    ]
    if np.any(catalogue.sources["status"] == 0):
        row = _typical_source(catalogue, cosmology)
        model, beta = _source_and_lens(catalogue, row, cosmology)
        galaxy = int(catalogue.sources["galaxy_id"][row])
        jobs += [
            ("Einstein radii", lambda: einstein_radius_histogram(catalogue, cosmology)),
            ("A typical lens", lambda: image_configuration(model, beta, galaxy)),
        ]
    names = dict(
        zip(("Galaxies and lenses", "Einstein radii", "A typical lens"), FILES, strict=True)
    )
    return {title: save_figure(make(), Path(folder) / names[title]) for title, make in jobs}


def remove_figures(folder: str | os.PathLike[str]) -> None:
    """Remove what `write_figures` wrote into a folder."""
    for name in FILES:
        Path(folder, name).unlink(missing_ok=True)


# -- the population ------------------------------------------------------------------------------


def population_corner(catalogue: LensCatalogue) -> Figure:
    """Return the properties of all galaxies against those of the lenses, pair by pair.

    Lenses are the galaxies with a detected source. Contours hold 68.3 % and 95.4 % of the
    galaxies; histograms are normalised to equal area.

    Parameters
    ----------
    catalogue : LensCatalogue
    """
    galaxies = catalogue.galaxies
    names = list(_LABELS)
    lens = galaxies["n_detected"] > 0
    limits = {name: _limits(galaxies[name], galaxies[name][lens]) for name in names}
    figure = new_figure(7.2, 7.0)
    grid = figure.subplots(len(names), len(names))
    for row, y in enumerate(names):
        for column, x in enumerate(names):
            axes = grid[row, column]
            if column > row:
                axes.set_axis_off()
                continue
            axes.set_xlim(limits[x])
            if column == row:
                _compare(axes, galaxies[x], lens, limits[x])
            else:
                axes.set_ylim(limits[y])
                _all_galaxies(axes, galaxies[x], galaxies[y], limits[x], limits[y])
                _lens_points(axes, galaxies[x][lens], galaxies[y][lens])
            _corner_axes(axes, row, column, len(names))
            if column == 0 and row > 0:
                axes.set_ylabel(_LABELS[y])
            if row == len(names) - 1:
                axes.set_xlabel(_LABELS[x])
    _corner_legend(grid[0, -1], len(catalogue), int(lens.sum()))
    figure.align_labels()
    return figure


def _limits(values: Array, of_lenses: Array) -> tuple[float, float]:
    """Return limits that show nearly all galaxies and every lens."""
    ends = [*np.quantile(values, [0.0005, 0.9995]), *of_lenses]
    low, high = min(ends), max(ends)
    margin = 0.08 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


def _compare(
    axes: Axes, values: Array, lens: npt.NDArray[np.bool_], limits: tuple[float, float]
) -> None:
    style: dict[str, Any] = {"range": limits, "density": True}
    bins = _n_bins(values, values.size)
    axes.hist(values, bins=bins, histtype="stepfilled", color=_LIGHT, **style)
    axes.hist(values, bins=bins, histtype="step", color=BLUE, lw=1.0, **style)
    n_lenses = int(lens.sum())
    if n_lenses >= _LEAST_FOR_HISTOGRAM:
        bins = _n_bins(values, n_lenses)
        axes.hist(values[lens], bins=bins, histtype="step", color=VERMILLION, lw=1.6, **style)


def _n_bins(values: Array, n: int) -> int:
    """Return how many bins suit n of the values: the rule of Rice."""
    return int(np.clip(2.0 * np.cbrt(n), 6, _BINS)) if np.ptp(values) > 0.0 else _BINS


def _all_galaxies(
    axes: Axes, x: Array, y: Array, x_limits: tuple[float, float], y_limits: tuple[float, float]
) -> None:
    if x.size < _LEAST_FOR_CONTOURS or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        axes.plot(
            x[:MOST_POINTS], y[:MOST_POINTS], ls="none", marker=".", ms=3, color=BLUE, alpha=0.5
        )
        return
    from scipy.ndimage import gaussian_filter

    counts, x_edges, y_edges = np.histogram2d(x, y, bins=2 * _BINS, range=[x_limits, y_limits])
    # noise of the contours shows less with more galaxies
    density = gaussian_filter(counts, _SMOOTHING * max(1.0, (1e5 / x.size) ** 0.25))
    ordered = np.sort(density.ravel())[::-1]
    inside = np.cumsum(ordered) / ordered.sum()
    levels = [float(ordered[np.searchsorted(inside, share)]) for share in SHARES[::-1]]
    centres = [0.5 * (edges[1:] + edges[:-1]) for edges in (x_edges, y_edges)]
    axes.contourf(*centres, density.T, [*levels, ordered[0]], colors=[_LIGHT, "#7fabcd"])
    axes.contour(*centres, density.T, levels, colors=BLUE, linewidths=0.7)


def _lens_points(axes: Axes, x: Array, y: Array) -> None:
    x, y = x[:MOST_POINTS], y[:MOST_POINTS]
    size = float(np.clip(60.0 / math.sqrt(x.size + 1.0), 1.6, 5.0))
    alpha = 0.9 if x.size < 300 else 0.5
    axes.plot(x, y, ls="none", marker="o", ms=size, color=VERMILLION, alpha=alpha, mew=0)


def _corner_axes(axes: Axes, row: int, column: int, n: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
    axes.tick_params(labelsize=8, direction="in", top=row != column, right=row != column)
    if row == column:
        axes.set_yticks([])
        for side in ("left", "right", "top"):
            axes.spines[side].set_visible(False)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4, prune="both"))
    if row < n - 1:
        axes.tick_params(labelbottom=False)
    if column > 0:
        axes.tick_params(labelleft=False)


def _corner_legend(axes: Axes, n_galaxies: int, n_lenses: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    contours = " (contours: 68, 95 %)" if n_galaxies >= _LEAST_FOR_CONTOURS else ""
    handles = [
        Patch(facecolor=_LIGHT, edgecolor=BLUE, label=f"all galaxies: {n_galaxies}{contours}"),
        Line2D(
            [], [], color=VERMILLION, marker="o", ms=4, label=f"with a detected source: {n_lenses}"
        ),
    ]
    legend = axes.legend(handles=handles, loc="upper right", frameon=False, fontsize=10)
    legend.set_in_layout(False)  # it lies over the empty corner, wider than its own column


# -- Einstein radii ------------------------------------------------------------------------------


def einstein_radius_histogram(catalogue: LensCatalogue, cosmology: FLRW | None = None) -> Figure:
    """Return the numbers of multiply imaged and of detected sources against Einstein radius.

    Parameters
    ----------
    catalogue : LensCatalogue
    cosmology : astropy.cosmology.FLRW, optional
        None is that of the catalogue.

    Raises
    ------
    FitError
        If no source is multiply imaged.
    """
    sources = catalogue.sources
    good = sources["einstein_radius"] > 0.0
    if not good.any():
        raise FitError("no multiply imaged source to draw")
    radius = _in_arcsec(catalogue, cosmology)[good]
    detected = sources["detected"][good]
    low, high = float(radius.min()), float(radius.max())
    # a step of 0.05 dex at least, and about ten sources a bin
    n_bins = int(np.clip(math.log10(high / low) / 0.05, 1, max(8.0, radius.size / 10.0)))
    edges = np.geomspace(low / 1.0001, high * 1.0001, n_bins + 1).tolist()
    figure = new_figure(5.6, 4.0)
    from matplotlib.colors import to_rgb

    axes = figure.subplots()
    label = f"multiply imaged: {radius.size}"
    axes.hist(radius, bins=edges, histtype="stepfilled", color=_LIGHT, ec=BLUE, label=label)
    label = f"detected: {int(detected.sum())}"
    color = (*to_rgb(VERMILLION), 0.35)
    style: dict[str, Any] = {"histtype": "stepfilled", "fc": color, "ec": VERMILLION, "lw": 1.8}
    axes.hist(radius[detected], bins=edges, label=label, **style)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.7, None)
    log_ticks(axes.xaxis, *axes.get_xlim())
    log_ticks(axes.yaxis, *axes.get_ylim())
    axes.set_xlabel(r"Einstein radius $\theta_{\rm E}$ [arcsec]")
    axes.set_ylabel("sources per bin")
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)
    legend_above(figure, axes)
    return figure


def _in_arcsec(catalogue: LensCatalogue, cosmology: FLRW | None) -> Array:
    """Return the Einstein radius [arcsec] of every source of the catalogue."""
    z_l = _of_galaxies(catalogue, "z_l")
    redshift, where = np.unique(z_l, return_inverse=True)
    own = catalogue.cosmology if cosmology is None else cosmology
    distance = np.asarray(angular_diameter_distance(redshift, own))
    return np.asarray(catalogue.sources["einstein_radius"] / (1e3 * ARCSEC * distance[where]))


def _of_galaxies(catalogue: LensCatalogue, name: str) -> Array:
    """Return a property of the galaxy of every source."""
    order = np.argsort(catalogue.galaxies["galaxy_id"], kind="stable")
    sorted_ids = catalogue.galaxies["galaxy_id"][order]
    rows = order[np.searchsorted(sorted_ids, catalogue.sources["galaxy_id"])]
    return np.asarray(catalogue.galaxies[name][rows])


# -- one lens ------------------------------------------------------------------------------------


def typical_lens(
    catalogue: LensCatalogue, cosmology: FLRW | None = None
) -> tuple[LensModel, float]:
    """Return the lens of median Einstein radius [arcsec] and the offset [kpc] of its source.

    Among the detected sources; among all multiply imaged ones if none is detected.

    Raises
    ------
    FitError
        If no source is multiply imaged.
    """
    row = _typical_source(catalogue, cosmology)
    return _source_and_lens(catalogue, row, cosmology)


def _typical_source(catalogue: LensCatalogue, cosmology: FLRW | None) -> int:
    """Return the row of the source of `typical_lens`."""
    sources = catalogue.sources
    solved = sources["status"] == 0
    among = np.flatnonzero(solved & sources["detected"])
    if among.size == 0:
        among = np.flatnonzero(solved)
    if among.size == 0:
        raise FitError("no multiply imaged source to draw")
    order = np.argsort(_in_arcsec(catalogue, cosmology)[among], kind="stable")
    return int(among[order[order.size // 2]])


def _source_and_lens(
    catalogue: LensCatalogue, row: int, cosmology: FLRW | None
) -> tuple[LensModel, float]:
    """Return the lens of the source in a row, and the offset [kpc] of that source."""
    sources = catalogue.sources
    place = np.flatnonzero(catalogue.galaxies["galaxy_id"] == sources["galaxy_id"][row])[0]
    galaxy: Columns = {name: column[place] for name, column in catalogue.galaxies.items()}
    given = catalogue.metadata["configuration"]
    model = LensModel(
        galaxy["log_mstar"],
        galaxy["log_mhalo"],
        galaxy["log_re"],
        galaxy["z_l"],
        sources["z_s"][row],
        galaxy["gamma_in"],
        galaxy["c200"],
        given["population"]["sersic_n"],
        catalogue.cosmology if cosmology is None else cosmology,
        given["halo"],
        given["scale_radius"],
    )
    return model, float(sources["beta"][row])


def image_configuration(
    model: AxisymmetricLens, beta: float, galaxy_id: int | None = None
) -> Figure:
    """Return a sketch of one lens, a source and its images, in the plane of the sky.

    Images A, B and C with their magnifications, the Einstein ring, the radial critical curve
    and the radial caustic, as far as they exist; the disc is the half-light radius of the
    stars, if it is smaller than the sketch. Source and caustic are where they would be seen
    without the lens: in the source plane.

    Parameters
    ----------
    model : LensModel or ProfileLens
        One lens.
    beta : float, kpc in the lens plane, >= 0
        Source offset.
    galaxy_id : int, optional
        Named in the title, for a lens of a catalogue.
    """
    if model.shape != () or np.ndim(beta) != 0:
        raise ParameterError("model, beta", (model.shape, np.shape(beta)), "one lens, one source")
    images = solve_images(model, beta)
    arcsec = {
        name: float(model.to_arcsec(getattr(images, name)))
        for name in (
            "beta", "x_a", "x_b", "x_c",
            "einstein_radius", "radial_critical_radius", "caustic_radius",
        )
    }  # fmt: skip
    figure = new_figure(5.6, 5.75)
    axes = figure.subplots()
    if isinstance(model, LensModel):
        size = float(model.to_arcsec(10.0**model.log_re))
        if size < _limit(arcsec):  # a disc that fills the sketch says nothing
            _stars(axes, size)
    _circle(axes, arcsec["einstein_radius"], BLUE, "-", "Einstein ring")
    _circle(axes, arcsec["radial_critical_radius"], GREEN, "--", "radial critical curve")
    _circle(axes, arcsec["caustic_radius"], VERMILLION, ":", "radial caustic (source plane)")
    style: dict[str, Any] = {"ls": "none", "mec": "white", "mew": 0.7, "zorder": 4}
    axes.plot(
        arcsec["beta"], 0.0, marker="*", ms=14, mfc=VERMILLION, label="source, unlensed", **style
    )
    found = {name: arcsec[f"x_{name}"] for name in "abc" if math.isfinite(arcsec[f"x_{name}"])}
    axes.plot(*np.array([(x, 0.0) for x in found.values()]).T, marker="o", ms=6.5, mfc="black",
              label="images", **style)  # fmt: skip
    for name, x in found.items():
        on_ring = abs(abs(x) - arcsec["einstein_radius"]) < 0.05 * arcsec["einstein_radius"]
        _letter(axes, x, name.upper(), below=name == "c", aside=on_ring)
    mu = {name: float(getattr(images, f"mu_{name}")) for name in found}
    _numbers(axes, arcsec["einstein_radius"], mu)
    _sketch_axes(axes, _limit(arcsec))
    galaxy = "" if galaxy_id is None else f"galaxy {galaxy_id}: "
    axes.set_title(galaxy + _what(model), fontsize=9)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    return figure


def _stars(axes: Axes, radius: float) -> None:
    from matplotlib.patches import Circle

    style: dict[str, Any] = {"fc": "#e6e6e6", "ec": "none", "zorder": 0}
    axes.add_patch(Circle((0.0, 0.0), radius, label="half-light radius of the stars", **style))


def _circle(axes: Axes, radius: float, color: str, style: str, label: str) -> None:
    if not (math.isfinite(radius) and radius > 0.0):
        return
    angle = np.linspace(0.0, 2.0 * math.pi, 361)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    axes.plot(x, y, color=color, ls=style, lw=1.5, label=label, zorder=2)


def _letter(axes: Axes, x: float, letter: str, *, below: bool, aside: bool) -> None:
    """Name an image; below with a line to it, where the centre is crowded; or off the ring."""
    arrow = {"arrowstyle": "-", "lw": 0.7, "color": GREY} if below else None
    offset = (-24, -34) if below else (math.copysign(12, x) if aside else 0, 12)
    axes.annotate(
        letter,
        (x, 0.0),
        xytext=offset,
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=11,
        fontweight="bold",
        arrowprops=arrow,
        zorder=5,
    )


def _numbers(axes: Axes, einstein_radius: float, mu: dict[str, float]) -> None:
    """Write Einstein radius and magnifications into the corner."""
    lines = [rf"$\mu_{{\rm {name.upper()}}}$ = {_signed(value)}" for name, value in mu.items()]
    if math.isfinite(einstein_radius):
        lines.insert(0, rf"$\theta_{{\rm E}}$ = {einstein_radius:.3g} arcsec")
    axes.text(
        0.02,
        0.98,
        "\n".join(lines),
        transform=axes.transAxes,
        ha="left",
        va="top",
        fontsize=9,
        linespacing=1.5,
        zorder=6,
    )


def _signed(value: float) -> str:
    """Return a magnification with three digits and a true minus sign."""
    if not math.isfinite(value):
        return r"$\infty$"
    return f"{value:.3g}".replace("-", "−")


def _limit(arcsec: dict[str, float]) -> float:
    extent = np.array([value for value in arcsec.values() if math.isfinite(value)])
    return 1.35 * float(np.abs(extent).max())


def _what(model: AxisymmetricLens) -> str:
    """Return redshifts and, where it has them, masses of a lens in words."""
    text = rf"$z_{{\rm l}}$ = {float(model.z_l):.3g}, $z_{{\rm s}}$ = {float(model.z_s):.3g}"
    if isinstance(model, LensModel):
        text += rf", log $M_*$ = {float(model.log_mstar):.2f}, log $M_{{\rm h}}$ = "
        text += f"{float(model.log_mhalo):.2f}"
    return text


def _sketch_axes(axes: Axes, limit: float) -> None:
    axes.set_xlim(-limit, limit)
    axes.set_ylim(-limit, limit)
    axes.set_aspect("equal")
    axes.axhline(0.0, color="#cccccc", lw=0.7, zorder=1)
    axes.set_xlabel("x [arcsec]")
    axes.set_ylabel("y [arcsec]")
