"""Figures of an inference of a lens population. Each function returns a matplotlib ``Figure``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..population.likelihood import LensPopulationLikelihood
from ..population.predictive import Predictive
from .tools import BLUE, GREY, VERMILLION, legend_above, log_ticks, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

LABELS = {
    "alpha_sps": r"$\alpha_{\rm sps}$",
    "mu_h": r"$\mu_{\rm h}$",
    "beta_h": r"$\beta_{\rm h}$",
    "sigma_h": r"$\sigma_{\rm h}$",
    "xi_h": r"$\xi_{\rm h}$",
    "mu_g": r"$\mu_\gamma$",
    "sigma_g": r"$\sigma_\gamma$",
    "mu_star": r"$\mu_*$",
    "find_slope": r"$a_{\rm find}$ [arcsec$^{-1}$]",
    "find_radius": r"$\theta_{\rm find}$ [arcsec]",
    "source_slope": r"$a_{\rm s}$",
    "source_m_star": r"$m_{\ast}$",
    "source_density": r"$n_{\rm s}$ [arcmin$^{-2}$]",
}
"""Names of parameters as mathematics."""

_OBSERVABLES = {
    "x_a": r"$\log\,x_{\rm A}$ [kpc]",
    "x_b": r"$\log\,|x_{\rm B}|$ [kpc]",
    "m_a": r"$m_{\rm A}$ [mag]",
    "m_b": r"$m_{\rm B}$ [mag]",
    "log_re": r"$\log\,R_{\rm e}$ [kpc]",
    "log_msps": r"$\log\,M_{\rm sps}\;[M_\odot]$",
    "theta_e": r"$\theta_{\rm E}$ [arcsec]",
    "z_l": r"$z_{\rm l}$",
}
# their tails reach far out
_LOGARITHMIC = ("x_a", "x_b")
_COLUMNS = 3
_POINTS = 61
_TAILS = (0.005, 0.995)


def selection_along(likelihood: LensPopulationLikelihood, samples: Any) -> Figure:
    """Return A(eta) along each free parameter, the others at their posterior means.

    Parameters
    ----------
    likelihood : LensPopulationLikelihood
    samples : (n, d) array
        Of the posterior: the grey part holds 95 % of each parameter.
    """
    points = np.asarray(samples, dtype=np.float64)
    centre = points.mean(axis=0)
    d = len(likelihood.names)
    figure, grid = _panels(d, 2.0)
    for i, (name, axes) in enumerate(zip(likelihood.names, grid, strict=False)):
        low, high = likelihood.support[name]
        line = np.tile(centre, (_POINTS, 1))
        line[:, i] = np.linspace(low, high, _POINTS)
        a = 1e3 * likelihood.selection_normalisation(line)
        a = a if a.ndim == 1 else a.mean(axis=1)
        axes.semilogy(line[:, i], a, color=BLUE, lw=1.4, label=r"$A(\eta)$")
        ends = np.quantile(points[:, i], (0.025, 0.975))
        axes.axvspan(*ends, color=GREY, alpha=0.25, lw=0, label="95 % of the posterior")
        axes.set_xlabel(LABELS.get(name, plain(name)))
        axes.set_xlim(low, high)
        log_ticks(axes.yaxis, *axes.get_ylim())
    for axes in grid[::_COLUMNS]:
        axes.set_ylabel("lenses per 1000 galaxies")
    legend_above(figure, grid[0])
    return figure


def predictive_histograms(predictive: Predictive) -> Figure:
    """Return histograms of the data over those of samples that the posterior predicts.

    Bands hold 68 and 95 % of the predicted samples, bin by bin.
    """
    names = list(predictive.observed)
    figure, grid = _panels(len(names), 2.1)
    for name, axes in zip(names, grid, strict=False):
        data, *drawn = (
            np.log10(np.abs(one[name])) if name in _LOGARITHMIC else one[name]
            for one in (predictive.observed, *predictive.drawn)
        )
        edges = _edges(data, drawn)
        rows = np.array([_density(one, edges) for one in drawn])
        for tail, alpha, label in ((0.025, 0.25, "95 % predicted"), (0.16, 0.35, "68 % predicted")):
            low, high = np.quantile(rows, (tail, 1.0 - tail), axis=0)
            axes.stairs(high, edges, baseline=low, fill=True, color=BLUE, alpha=alpha, label=label)
        axes.stairs(_density(data, edges), edges, color=VERMILLION, lw=1.4, label="data")
        axes.set_xlabel(_OBSERVABLES.get(name, plain(name)))
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0.0)
        axes.set_yticks([])
    for axes in grid[::_COLUMNS]:
        axes.set_ylabel("density")
    legend_above(figure, grid[0])
    return figure


def _panels(n: int, height: float) -> tuple[Figure, list[Any]]:
    columns = min(n, _COLUMNS)
    rows = -(-n // columns)
    figure = new_figure(0.6 + 2.5 * columns, 0.6 + height * rows)
    grid = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes in grid[n:]:
        axes.set_axis_off()
    return figure, grid[:n]


def _edges(data: Array, drawn: list[Array]) -> Array:
    """Return bins that hold all but the tails of data and predictions together."""
    low, high = np.quantile(np.concatenate([data, *drawn]), _TAILS)
    low, high = min(low, float(np.quantile(data, 0.02))), max(high, float(np.quantile(data, 0.98)))
    # Freedman & Diaconis (1981): a tail far out makes no bins wider
    width = 2.0 * float(np.subtract(*np.quantile(data, (0.75, 0.25)))) / len(data) ** (1.0 / 3.0)
    n = int(np.clip((high - low) / width if width > 0.0 else 6, 6, 40))
    return np.linspace(low, high if high > low else low + 1.0, n + 1)


def _density(values: Array, edges: Array) -> Array:
    counts, _ = np.histogram(values, edges)
    return np.asarray(counts / (max(len(values), 1) * (edges[1] - edges[0])))
