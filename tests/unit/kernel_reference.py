"""ln L of single image pairs by brute force: a fine grid over halo mass, Gauss over the slope.

The cells come from `InversionGrid`, which has tests of its own; nothing is shared with the node
rule of the kernels: no ridge coordinate, no edges, no pruning. Densities are scipy's.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import log_ndtr, logsumexp
from scipy.stats import norm, truncnorm

from clmassmod.population.parameters import PARAMETERS
from clmassmod.stronglens import ImagePhotometry, InversionGrid, SchechterCounts, SourcePopulation

PIVOT = 11.4
COUNTS = SchechterCounts()


def composite(low: float, high: float, panels: int, order: int = 10):
    """Return nodes and weights of Gauss-Legendre panels of one width."""
    x, w = np.polynomial.legendre.leggauss(order)
    edges = np.linspace(low, high, panels + 1)
    half = 0.5 * np.diff(edges)[:, None]
    return (edges[:-1, None] + half * (1.0 + x)).ravel(), (half * w).ravel()


class BruteForce:
    """Cells of a grid that all lenses at 0.3 with sources at 2 share."""

    support = (0.0, 2.0)
    counts = COUNTS

    def __init__(self, slopes, log_mhalo):
        self.gamma, self.weight = slopes
        self.log_mhalo = log_mhalo
        self.step = log_mhalo[1] - log_mhalo[0]
        self.grid = InversionGrid(self.log_mhalo, self.gamma)

    @classmethod
    def fine(cls, panels: int, step: float):
        """Return one with panels of 10 slopes and steps of log Mh."""
        return cls(composite(*cls.support, panels), np.arange(8.0, 16.5, step))

    def cells(self, data):
        """Return the valid cells of the only lens of `data`: log M*, log Mh, gamma, ln weight."""
        photometry = ImagePhotometry(self.counts, float(data.sigma_a[0]), float(data.sigma_b[0]))
        found = self.grid.invert_images(
            data.x_a, data.x_b, data.log_re, m_a=data.m_a, m_b=data.m_b, photometry=photometry
        )
        valid = (found.status[0] == 0) & (found.beta[0] > 0.0) & (found.jacobian[0] > 0.0)
        slope, mass = np.nonzero(valid)
        log_weight = found.log_photometry[0][valid] + np.log(
            2.0
            * math.pi
            * self.step
            * self.weight[slope]
            * found.beta[0][valid]
            * found.jacobian[0][valid]
        )
        # counts per arcmin^2 -> per kpc^2
        per_area = SourcePopulation().density_per_kpc2(0.3) / SourcePopulation().density
        log_weight += math.log(float(per_area))
        kept = log_weight > log_weight.max() - 400.0
        columns = found.log_mstar[0][valid], self.log_mhalo[mass], self.gamma[slope], log_weight
        return [c[kept] for c in columns]

    def log_likelihood(self, data, vectors):
        """Return ln L at points (n, 15) of the population."""
        cells = self.cells(data)
        return np.array([logsumexp(log_terms(cells, data, v, self.support)) for v in vectors])


def log_terms(cells, data, vector, support):
    """Return ln of every cell's share in L; without scatter of the mismatch."""
    m, halo, gamma, log_weight = cells
    p = dict(zip(PARAMETERS, np.asarray(vector).tolist(), strict=True))
    assert p["sigma_sps"] == 0.0
    x = (m - p["alpha_sps"] + p["beta_sps"] * PIVOT) / (1.0 + p["beta_sps"])
    z = (x - p["mu_star"]) / p["sigma_star"]
    mean_re = p["mu_r"] + p["beta_r"] * (x - PIVOT)
    log_re = data.log_re[0]
    mean_mh = p["mu_h"] + p["beta_h"] * (x - PIVOT) + p["xi_h"] * (log_re - mean_re)
    low, high = ((s - p["mu_g"]) / p["sigma_g"] for s in support)
    return (
        log_weight
        + norm.logpdf(data.log_msps[0], x, data.sigma_msps[0])
        + norm.logpdf(z)
        + math.log(2.0 / p["sigma_star"])
        + log_ndtr(10.0 ** p["shape_star"] * z)
        + norm.logpdf(log_re, mean_re, p["sigma_r"])
        + norm.logpdf(halo, mean_mh, p["sigma_h"])
        + truncnorm.logpdf(gamma, low, high, p["mu_g"], p["sigma_g"])
        - math.log1p(p["beta_sps"])
    )
