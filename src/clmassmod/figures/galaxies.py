"""Figures of galaxy catalogues and of their profiles; each function returns a ``Figure``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..galaxies.catalogue import GalaxyCatalogue
from ..galaxies.shear_profile import ShearProfile
from .tools import BLUE, GREY, VERMILLION, legend_above, log_ticks, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_CELLS = 9
_LONGEST = 0.9
"""Length of the longest whisker, in cells."""


def catalogue_and_profile(
    catalogue: GalaxyCatalogue, profile: ShearProfile, model: npt.ArrayLike | None = None
) -> Figure:
    """Return the mean shapes of a catalogue in cells, beside its shear profile.

    Parameters
    ----------
    catalogue : GalaxyCatalogue
        With x and y.
    profile : ShearProfile
    model : (n_bins,) array_like, optional
        Expected reduced shear of every bin.

    Raises
    ------
    ParameterError
        For a catalogue of right ascension and declination, or a model of another length.
    """
    if catalogue.on_sky:
        raise ParameterError("catalogue", "ra and dec", "one with x and y")
    expected = None if model is None else np.asarray(model, dtype=np.float64)
    if expected is not None and expected.shape != profile.g_t.shape:
        raise ParameterError("model", expected.shape, f"of shape {profile.g_t.shape}")
    figure = new_figure(8.4, 4.0)
    sky, radial = figure.subplots(1, 2)
    _shapes(sky, catalogue)
    _profile(radial, profile, expected)
    legend_above(figure, sky, radial)
    return figure


def _shapes(axes: Any, catalogue: GalaxyCatalogue) -> None:
    """Draw the galaxies, and the mean ellipticity of each cell as a whisker."""
    x, y = catalogue["x"], catalogue["y"]
    axes.plot(x, y, ".", color=GREY, markersize=1.0, alpha=0.25, label="galaxies")
    reach = float(np.max(np.abs([x, y]))) if len(catalogue) else 1.0
    edges = np.linspace(-reach, reach, _CELLS + 1)
    count = np.histogram2d(x, y, edges)[0]
    # cells cut by the edge of the field hold few galaxies, whose mean is mostly noise
    filled = count > 0.5 * count.max()
    e1, e2 = (
        np.histogram2d(x, y, edges, weights=catalogue[name])[0][filled] / count[filled]
        for name in ("e1", "e2")
    )
    middle = 0.5 * (edges[1:] + edges[:-1])
    at_x, at_y = (grid[filled] for grid in np.meshgrid(middle, middle, indexing="ij"))
    size = np.hypot(e1, e2)
    if size.size:
        half = 0.5 * _LONGEST * (edges[1] - edges[0]) * size / size.max()
        turn = 0.5 * np.arctan2(e2, e1)
        dx, dy = half * np.cos(turn), half * np.sin(turn)
        lines = [[at_x - dx, at_x + dx], [at_y - dy, at_y + dy]]
        drawn = axes.plot(*lines, color=BLUE, linewidth=1.4)
        drawn[0].set_label("mean shapes")
    axes.set_aspect("equal")
    axes.set_xlabel("x [Mpc]")
    axes.set_ylabel("y [Mpc]")


def _profile(axes: Any, profile: ShearProfile, expected: Array | None) -> None:
    keep = ~profile.mask
    radius, error = profile.radius[keep], profile.g_err[keep]
    style = {"fmt": "o", "markersize": 4.0, "capsize": 2.0, "linewidth": 1.0}
    axes.errorbar(radius, profile.g_t[keep], error, color=BLUE, label=r"$g_{\rm t}$", **style)
    style["fmt"] = "x"
    axes.errorbar(1.03 * radius, profile.g_x[keep], error, color=GREY, label=r"$g_\times$", **style)
    if expected is not None:
        axes.stairs(expected, profile.edges, color=VERMILLION, label="expected", linewidth=1.3)
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    axes.set_xscale("log")
    log_ticks(axes.xaxis, profile.edges[0], profile.edges[-1])
    axes.set_xlabel("R [Mpc]")
    axes.set_ylabel("ellipticity")
