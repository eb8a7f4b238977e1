"""Bias and scatter of a population, from noisy shear and true masses."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import stats

from ..cluster.expected_profile import expected_profile
from ..cluster.massmod import CLMassMod
from ..cluster.simulation import bin_edges, random_generator
from ..config import ModelInfo
from ..observables import GammaTheta
from . import figures
from .catalogue_step import LEAST_P_VALUE
from .checks import Check, Settings, StepResult

Array = npt.NDArray[np.float64]

BIAS, SCATTER = -0.1, 0.2
"""Of ln M_WL about ln M_true."""
_DENSITIES = (5.0, 20.0, 100.0)
_SURVEY = {
    "concentration": 4.0,
    "sources": {"redshift": 1.0},
    "binning": {"r_min": 0.3, "r_max": 2.5, "n_bins": 8},
}


def bias_and_scatter(settings: Settings) -> StepResult:
    """Check that bias and scatter put in come out, whatever the density of galaxies."""
    n = settings.size(60, 600)
    checks: list[Check] = []
    found, ranks = [], []
    for density in _DENSITIES:
        b, sigma, rank = _compared(density, n, settings)
        found.append((b.mean(), b.std()))
        ranks.append(rank)
        at = f"{n} clusters, {density:g} galaxies per square arcmin"
        for name, draws, truth in (("bias", b, BIAS), ("scatter", sigma, SCATTER)):
            pull = float((draws.mean() - truth) / draws.std())
            what = f"{at}: {name} against {truth:g} put in, pull"
            reason = "nearly normal; beyond 4 once in 1e4 times"
            checks.append(Check("bias and scatter", what, pull, 4.0, reason))
    mean, error = np.array(found).T
    centre = np.sum(mean / error**2) / np.sum(error**-2.0)
    worst = float(np.max(np.abs(mean - centre) / error))
    what = "bias at the three densities about their mean, largest pull"
    reason = "normal; of 3 one is beyond 4.2 once in 1e4 times: noise must not bias masses"
    checks.append(Check("bias and scatter", what, worst, 4.2, reason))
    rank = np.concatenate(ranks)
    p_value = float(stats.kstest(rank, "uniform").pvalue)
    what = f"ranks of {rank.size} masses in the population uniform, p-value"
    reason = "Kolmogorov-Smirnov; a right code fails once in 1e4 times"
    checks.append(Check("bias and scatter", what, p_value, LEAST_P_VALUE, reason, True))
    draw = partial(figures.bias_against_density, np.array(_DENSITIES), mean, error, BIAS)
    return StepResult(checks, {"Bias of a population": draw})


def _compared(density: float, n: int, settings: Settings) -> tuple[Array, Array, Array]:
    """Return draws of bias and scatter, and ranks, of a sample of one density of galaxies."""
    info = ModelInfo.from_dict({**_SURVEY, "noise": {"density": density}})
    massmod = CLMassMod(info)
    edges = bin_edges(info["binning"])
    truth: dict[str, float] = {}
    data: list[GammaTheta] = []
    for i in range(n):
        name = f"{density:g} {i}"
        random = random_generator(settings.seed, name, "validation")
        ln_mass, redshift = random.uniform([np.log(3e14), 0.2], [np.log(2e15), 0.5])
        truth[name] = float(np.exp(ln_mass))
        seen = np.exp(ln_mass + BIAS + SCATTER * random.standard_normal())
        halo, _ = massmod.model.halo_of(np.array([seen]), float(redshift), 4.0)
        exact = expected_profile(halo, edges, info, massmod.model.cosmology, name)
        noise = exact.errors * random.standard_normal(exact.errors.size)
        data.append(exact.replace(values=exact.values + noise))
    massmod.obs_gamma_theta = data
    massmod.fit_mass_profiles("scanpdf", {"n_grid": 200})
    result = massmod.compare(truth, {"seed": settings.seed, "n_threads": settings.n_threads})
    b, sigma = result.mass_dist_bias_samps, result.mass_dist_scatter_samps
    return b, sigma, result.posteriors.rank
