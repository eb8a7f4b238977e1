"""Simulated likelihoods of masses, and slow twins of the integrals over a population."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import integrate, special

from clmassmod.cluster.results import empty_profile
from clmassmod.ensembles import MassGrid
from clmassmod.ensembles.relation import mixture_scales, skew_normal_scales

GRID = np.linspace(-1.5e15, 7e15, 300)
PARAMETERS = {
    "normal": [0.0, 0.0, 0.0],
    "skew-normal": [-3.0, 0.0, 0.0],
    "student-t": [3.5, 0.0, 0.0],
    "mixture": [0.2, -1.5, 2.0],
    "selected": [0.0, 0.0, 0.0],
}
TILT, SLOPE = 0.5, 1.2


def phi(u, mean=0.0, sd=1.0):
    """The normal density; that of scipy.stats is too slow inside a quadrature."""
    return np.exp(-0.5 * ((u - mean) / sd) ** 2) / (sd * np.sqrt(2.0 * np.pi))


def density(shape, u, p, tilt=TILT, slope=SLOPE):
    """The density of u, of mean 0 and sd 1 but for selection."""
    if shape == "skew-normal":
        centre, width, _ = skew_normal_scales(p[0])
        return 2.0 * phi(u, centre, width) * special.ndtr(p[0] * (u - centre) / width)
    if shape == "student-t":
        scale = np.sqrt((p[0] - 2.0) / p[0])
        norm = special.beta(0.5, 0.5 * p[0]) * np.sqrt(p[0]) * scale
        return (1.0 + (u / scale) ** 2 / p[0]) ** (-0.5 * (p[0] + 1.0)) / norm
    if shape == "mixture":
        first, second = mixture_scales(*p)
        return (1 - p[0]) * phi(u, *first) + p[0] * phi(u, *second)
    if shape == "selected":
        norm = special.ndtr(tilt / np.sqrt(1.0 + slope**2))
        return phi(u) * special.ndtr(tilt + slope * u) / norm
    return phi(u)


def quadrature(log_likelihood, shape, mean, sd, parameters, **given):
    """int dlnM L(M) p(ln M), adaptively between many break points."""

    def f(y):
        value = np.exp(log_likelihood(np.exp(y)))
        return value * density(shape, (y - mean) / sd, parameters, **given) / sd

    edges = mean + sd * np.array([-300.0, -60, -20, -8, -4, -2, -1, 0, 1, 2, 4, 8, 20])
    parts = [
        integrate.quad(f, a, b, epsabs=0.0, epsrel=1e-9, limit=60)[0] for a, b in pairwise(edges)
    ]
    return sum(parts)


def normal_grids(measured, sd, grid=GRID):
    """Likelihoods normal in M, by id."""
    errors = np.broadcast_to(sd, np.shape(measured))
    return {
        f"h{i:05d}": MassGrid(grid, -0.5 * ((grid - m) / s) ** 2)
        for i, (m, s) in enumerate(zip(measured, errors, strict=True))
    }


def simulated(n, bias, scatter, noise, seed, low=3e14, high=2e15):
    """True masses, and measured ones with scatter and noise."""
    rng = np.random.default_rng([seed, 77])
    true = np.exp(rng.uniform(np.log(low), np.log(high), n))
    lensing = true * np.exp(bias + scatter * rng.standard_normal(n))
    return true, lensing + noise * rng.standard_normal(n)


def grid_profile(name, measured, sd, redshift=0.4, grid=GRID):
    """A scanned mass with a normal likelihood and a flat prior."""
    return empty_profile(name, "scanpdf", redshift, "200c")._replace(
        parameters=("mass",),
        mle={"mass": float(measured)},
        errors={"mass": (sd, sd)},
        covariance=np.array([[sd**2]]),
        mass_grid=grid,
        grid_log_likelihood=-0.5 * ((grid - measured) / sd) ** 2,
        grid_log_prior=np.full(grid.size, -np.log(grid[-1] - grid[0])),
    )


def massmod_of(measured, sd, redshift=0.4):
    """A CLMassMod whose results are scanned masses of normal likelihoods."""
    import clmassmod as clm

    massmod = clm.CLMassMod({"concentration": 4.0})
    errors = np.broadcast_to(sd, np.shape(measured))
    redshifts = np.broadcast_to(redshift, np.shape(measured))
    massmod.out_data_profiles = [
        grid_profile(f"h{i:05d}", m, float(s), float(z))
        for i, (m, s, z) in enumerate(zip(measured, errors, redshifts, strict=True))
    ]
    return massmod
