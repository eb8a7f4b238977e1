"""Mock galaxies that several tests make."""

from __future__ import annotations

import numpy as np
from scipy import stats

from clmassmod.galaxies import FieldOfView, MockGalaxies
from clmassmod.sources import SourceDistribution

Z_L = 0.3
P_MIN = 1e-4
"""Least probability of a statistic at a fixed seed."""


class NoLens:
    redshift = Z_L

    def convergence_shear(self, x, y):
        return np.zeros(x.size), np.zeros(x.size), np.zeros(x.size)


def make(**changes):
    given = {
        "density": 20.0,
        "sources": SourceDistribution([0.2, 0.6, 1.0, 1.8], [1.0, 3.0, 4.0, 2.0]),
        "field_of_view": FieldOfView.circle(8.0),
        **changes,
    }
    return MockGalaxies(**given)


def probability(squares, dof):
    """Of a chi^2 at least this far out on either side."""
    tail = stats.chi2.sf(squares, dof)
    return 2.0 * min(tail, 1.0 - tail)
