"""Draw figures/slacs.png: the posterior of a run of examples/slacs_population.toml.

Usage: python docs/slacs_figure.py RUN DATA     (RUN: its folder, DATA: the table of the lenses)
"""

import sys
from pathlib import Path

import numpy as np

from clmassmod.figures.clusters import save_figure
from clmassmod.figures.populations import LABELS
from clmassmod.figures.tools import BLUE, GREY, SHARES, VERMILLION, new_figure
from clmassmod.inference import load_run
from clmassmod.population import FindingProbability
from clmassmod.population.data_files import load_einstein_radii

COLUMNS = {
    "theta_e": "theta_Ein",
    "r_e": "Reff_kpc",
    "log_msps": "lMstar_Chab",
    "z_l": "zd",
    "z_s": "zs",
}


def figure(chain, lenses):
    """Return the finding probability over the radii, and two pairs of parameters."""
    result = new_figure(9.0, 3.0)
    found, left, right = result.subplots(1, 3)
    theta = np.linspace(0.4, 2.2, 200)
    pairs = np.stack([chain["find_slope"], chain["find_radius"]], axis=-1).reshape(-1, 2)
    few = pairs[:: max(1, len(pairs) // 400)]
    curves = np.array([FindingProbability(*pair)(theta) for pair in few])
    for tail, alpha in ((0.025, 0.2), (0.16, 0.35)):
        low, high = np.quantile(curves, (tail, 1.0 - tail), axis=0)
        found.fill_between(theta, low, high, color=BLUE, alpha=alpha, lw=0)
    found.hist(
        lenses.theta_e, 12, weights=np.full(len(lenses), 0.06), color=VERMILLION, histtype="step"
    )
    found.set_xlabel(r"$\theta_{\rm E}$ [arcsec]")
    found.set_ylabel("finding probability; data")
    found.set_ylim(0.0, 1.0)
    for axes, names in ((left, ("alpha_sps", "mu_h")), (right, ("alpha_sps", "mu_g"))):
        x, y = (chain[name].ravel() for name in names)
        density, x_edges, y_edges = np.histogram2d(x, y, 25)
        cumulative = np.sort(density.ravel())[::-1]
        levels = [
            cumulative[np.searchsorted(cumulative.cumsum(), share * cumulative.sum())]
            for share in SHARES[::-1]
        ]
        middles = [0.5 * (edges[1:] + edges[:-1]) for edges in (x_edges, y_edges)]
        axes.contourf(*middles, density.T, [*levels, density.max()], colors=[GREY, BLUE], alpha=0.6)
        axes.set_xlabel(LABELS[names[0]])
        axes.set_ylabel(LABELS[names[1]])
        axes.axvline(0.25, color=VERMILLION, lw=0.8, ls="--")
    return result


if __name__ == "__main__":
    place = Path(__file__).parent / "figures" / "slacs.png"
    data = load_einstein_radii(sys.argv[2], COLUMNS)
    save_figure(figure(load_run(sys.argv[1]), data), place, 110)
