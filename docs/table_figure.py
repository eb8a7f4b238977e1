"""Write figures/tables.png: error against nodes of tables of a lens, and print its numbers.

Usage: python docs/table_figure.py [FOLDER]     (FOLDER: this one by default)

The function is the distance of the counter-image from the lens, which has a square root at the
caustic: log theta [kpc] over stellar mass, halo mass, size and the offset of the source.
"""

import sys
import warnings
from pathlib import Path

import numpy as np

from clmassmod import Table
from clmassmod.errors import AccuracyWarning
from clmassmod.figures.clusters import save_figure
from clmassmod.figures.tables import error_against_nodes
from clmassmod.stronglens import LensModel, solve_images
from clmassmod.table.maps import RatioMap

DPI = 110
BOX = {"log_mstar": (10.8, 12.2), "log_mhalo": (11.5, 14.5), "log_re": (0.3, 1.5)}
TOL = 1e-4
METHODS = {"adaptive": 200_000, "uniform": 200_000, "greedy": 2000}
"""Method to largest number of nodes, or of centres."""


def log_caustic(p):
    """Return log10 of the caustic radius [kpc] at p (n, 3)."""
    return np.log10(LensModel(*p.T).caustic_radius())


def log_theta(p):
    """Return log10 of the distance [kpc] of the counter-image at p (n, 4).

    At the caustic for offsets beyond it: the map's caustic is not exact.
    """
    model = LensModel(*p[:, :3].T)
    beta = np.minimum(p[:, 3], model.caustic_radius() * (1.0 - 1e-13))
    return np.log10(-solve_images(model, beta).x_b)


def caustic_map():
    """Return the map that puts the caustic on the edge of the box."""
    # an error of 1e-6 moves the caustic by 1e-3 in u
    return RatioMap("beta", Table.build(log_caustic, BOX, 1e-6, pool=2**13), log_scale=True)


def build_all():
    """Return tables by name: each method, with the map and without."""
    mapped = {"box": {**BOX, "beta": (0.0, 1.0)}, "map": caustic_map()}
    # up to 3 kpc, beyond the caustic of the smaller lenses
    plain = {"box": {**BOX, "beta": (0.0, 3.0)}}
    tables = {}
    for where, given in (("map", mapped), ("no map", plain)):
        for method, most in METHODS.items():
            options = {"tol": TOL, "method": method, "max_nodes": most, "pool": 2**14}
            with warnings.catch_warnings():
                # not every method is to reach the tolerance
                warnings.simplefilter("ignore", AccuracyWarning)
                tables[f"{method}, {where}"] = Table.build(log_theta, **given, **options)
    return tables


def main(folder):
    """Write the figure and print the numbers."""
    reports = {name: table.error_report() for name, table in build_all().items()}
    for name, report in reports.items():
        print(f"{name:18s} {report.n_nodes:7d} {report.final.p99:9.2e} {report.reason}")
    save_figure(error_against_nodes(reports), Path(folder) / "figures" / "tables.png", DPI)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
