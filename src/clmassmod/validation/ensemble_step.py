"""Bias and scatter of a population, from noisy shear and true masses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from ..cluster.expected_profile import expected_profile
from ..cluster.massmod import CLMassMod
from ..cluster.simulation import bin_edges, random_generator
from ..observables import GammaTheta
from ..profiles.baryonified import Baryonified
from ..profiles.baryons import BaryonModel
from ..profiles.base import RadialMass
from ..profiles.halos import NFW
from ..profiles.splashback import DK14
from . import figures
from .catalogue_step import LEAST_P_VALUE
from .checks import Check, Settings, StepResult

Array = npt.NDArray[np.float64]
HaloOf = Callable[[float, float], RadialMass]

BIAS, SCATTER = -0.1, 0.2
"""Of ln M_WL about ln M_true."""
_DENSITIES = (5.0, 20.0, 100.0)
_SURVEY = {
    "concentration": 4.0,
    "sources": {"redshift": 1.0},
    "binning": {"r_min": 0.3, "r_max": 2.5, "n_bins": 8},
}


class _Sample(NamedTuple):
    truth: dict[str, float]
    exact: list[GammaTheta]
    """Without noise."""
    noisy: list[GammaTheta]


def bias_and_scatter(settings: Settings) -> StepResult:
    """Check that bias and scatter put in come out, whatever the density of galaxies."""
    n = settings.size(60, 600)
    checks: list[Check] = []
    found = []
    for density in _DENSITIES:
        b, sigma, rank = _compared(_sample(density, n, settings), density, settings)
        found.append((b.mean(), b.std()))
        at = f"{n} clusters, {density:g} galaxies per square arcmin"
        for name, draws, truth in (("bias", b, BIAS), ("scatter", sigma, SCATTER)):
            pull = float((draws.mean() - truth) / draws.std())
            what = f"{at}: {name} against {truth:g} put in, pull"
            reason = "nearly normal; beyond 4 once in 1e4 times"
            checks.append(Check("bias and scatter", what, pull, 4.0, reason))
        p_value = float(stats.kstest(rank, "uniform").pvalue)
        what = f"{at}: ranks of the masses uniform, p-value"
        reason = "Kolmogorov-Smirnov; a right code fails once in 1e4 times"
        checks.append(Check("bias and scatter", what, p_value, LEAST_P_VALUE, reason, True))
    mean, error = np.array(found).T
    centre = np.sum(mean / error**2) / np.sum(error**-2.0)
    worst = float(np.max(np.abs(mean - centre) / error))
    what = "bias at the three densities about their mean, largest pull"
    reason = "normal; of 3 one is beyond 4.2 once in 1e4 times: noise must not bias masses"
    checks.append(Check("bias and scatter", what, worst, 4.2, reason))
    draw = partial(figures.bias_against_density, np.array(_DENSITIES), mean, error, BIAS)
    return StepResult(checks, {"Bias of a population": draw})


def other_truths(settings: Settings) -> StepResult:
    """Check bias and scatter of haloes that are no NFW haloes, against fits without noise."""
    n = settings.size(24, 300)
    baryons = BaryonModel(baryon_fraction=0.16)
    truths: dict[str, HaloOf] = {
        "NFW with baryons": lambda mass, z: Baryonified(NFW(mass, 4.0, z), baryons, rtol=1e-4),
        "DK14": lambda mass, z: DK14(mass, 4.0, z, peak_height=3.0),
    }
    checks = []
    for name, halo_of in truths.items():
        sample = _sample(20.0, n, settings, halo_of)
        exact = _massmod(20.0)
        exact.obs_gamma_theta = sample.exact
        fits, _ = exact.fit_mass_profiles("curvefit")
        ratio = np.log([fit.mass / sample.truth[fit.halo_id] for fit in fits])
        b, sigma, _ = _compared(sample, 20.0, settings)
        reason = "at most normal: the sample is the same; beyond 4 less than once in 1e4 times"
        for what, draws, target in (("bias", b, ratio.mean()), ("scatter", sigma, ratio.std())):
            pull = float((draws.mean() - target) / draws.std())
            text = f"{n} haloes of {name}: {what} against {target:.3f} of fits without noise, pull"
            checks.append(Check("other truths", text, pull, 4.0, reason))
    return StepResult(checks)


def _massmod(density: float) -> CLMassMod:
    return CLMassMod({**_SURVEY, "noise": {"density": density}})


def _sample(density: float, n: int, settings: Settings, halo_of: HaloOf | None = None) -> _Sample:
    """Return clusters whose shear is that of a mass with bias and scatter about the true one."""
    massmod = _massmod(density)
    info, cosmology = massmod.model_info, massmod.model.cosmology
    edges = bin_edges(info["binning"])
    truth: dict[str, float] = {}
    exact: list[GammaTheta] = []
    noisy: list[GammaTheta] = []
    for i in range(n):
        name = f"{density:g} {i}"
        random = random_generator(settings.seed, name, "validation")
        ln_mass, redshift = random.uniform([np.log(3e14), 0.2], [np.log(2e15), 0.5])
        truth[name] = float(np.exp(ln_mass))
        seen = float(np.exp(ln_mass + BIAS + SCATTER * random.standard_normal()))
        z = float(redshift)
        halo = NFW(seen, 4.0, z, cosmology=cosmology) if halo_of is None else halo_of(seen, z)
        exact.append(expected_profile(halo, edges, info, cosmology, name))
        noise = exact[-1].errors * random.standard_normal(edges.size - 1)
        noisy.append(exact[-1].replace(values=exact[-1].values + noise))
    return _Sample(truth, exact, noisy)


def _compared(sample: _Sample, density: float, settings: Settings) -> tuple[Array, Array, Array]:
    """Return draws of bias and scatter of a noisy sample, and the ranks of its masses."""
    massmod = _massmod(density)
    massmod.obs_gamma_theta = sample.noisy
    massmod.fit_mass_profiles("scanpdf", {"n_grid": 200})
    calc_params = {"seed": settings.seed, "n_threads": settings.n_threads}
    result = massmod.compare(sample.truth, calc_params)
    b, sigma = result.mass_dist_bias_samps, result.mass_dist_scatter_samps
    return b, sigma, result.posteriors.rank
