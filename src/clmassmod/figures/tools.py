"""What the figures share: colours, labels, axes, and writing a figure whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError
from ..provenance import atomic_path
from ..rounding import rounded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..cluster.results import MassProfile

BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
DPI = 160
SHARES = (0.683, 0.954)
"""Of a density: what contours hold."""
SHARES_TEXT = "contours hold 68.3 % and 95.4 %"
UNIT_MASS = 1e14
UNIT_LABEL = r"$10^{14}\,M_\odot$"
_PARAMETER_LABELS = {
    "shear_calibration": "shear calibration $m$",
    "miscentring_fraction": "miscentred fraction",
    "miscentring_scale": "offset scale [Mpc]",
    "boost_b0": "boost amplitude $b_0$",
    "boost_rs": "boost scale [Mpc]",
    "two_halo_bias": "two-halo bias",
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


def new_figure(width: float, height: float) -> Figure:
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def corner_figure(
    samples: Any, labels: Sequence[str], truths: Sequence[float | None], weights: Any = None
) -> Figure:
    """Return densities of every parameter and pair of parameters of samples (n, d >= 2).

    Contours hold `SHARES`, as small text says.
    """
    require_matplotlib()
    try:
        import corner
    except ImportError:
        raise MissingExtraError("corner", "plot", "a corner plot") from None
    from matplotlib.figure import Figure

    size = 2.6 * len(labels)
    figure = Figure(figsize=(size, size))
    corner.corner(
        samples,
        weights=weights,
        labels=list(labels),
        truths=list(truths),
        truth_color=VERMILLION,
        color=BLUE,
        bins=30,
        smooth=1.0,
        levels=SHARES,
        plot_datapoints=False,
        fig=figure,
        max_n_ticks=4,  # slanted: more would run into the next panel
    )
    # above the diagonal nothing is drawn
    figure.text(0.98, 0.98, SHARES_TEXT, ha="right", va="top", fontsize=9)
    return figure


def legend_above(figure: Figure, *axes: Any, ncols: int = 5) -> None:
    """Put the legend of `axes` above everything, where it covers no data."""
    found: dict[str, Any] = {}
    for one in axes:
        handles, labels = one.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    figure.legend(
        found.values(), found, loc="outside upper center", ncols=ncols, frameon=False, fontsize=8
    )


def log_ticks(axis: Any, low: float, high: float) -> None:
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


def plain(text: str) -> str:
    """Return `text` for matplotlib, which reads a dollar as the start of mathematics."""
    return text.replace("$", r"\$")


def mass_symbol(mass_def: str) -> str:
    """Return the symbol of a mass with its definition, such as M_200m."""
    return rf"$M_{{\rm {mass_def}}}$"


def label_of(profile: MassProfile, name: str) -> str:
    """Return the label of an axis that shows the parameter `name`."""
    if name == "mass":
        return f"{mass_symbol(profile.mass_def)} [{UNIT_LABEL}]"
    return _PARAMETER_LABELS.get(name, name)


def mass_text(profile: MassProfile) -> str:
    """Return the best-fit mass and its errors in 1e14 Msun, as mathematics."""
    best, down, up = rounded(
        profile.mass / UNIT_MASS, *(e / UNIT_MASS for e in profile.errors["mass"])
    )
    if not "".join((down, up)).replace(".", "").isdigit():
        return f"${best}$"
    return f"${best}_{{-{down}}}^{{+{up}}}$"
