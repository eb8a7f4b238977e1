"""Simulation-based calibration of the mass of one cluster, with controls that must be found.

Talts et al. (2018): for a truth drawn from the prior, the posterior probability below the
truth is uniform. Seeds are fixed; tests ask for p > 1e-4 of what must hold and p < 1e-4 of
what must be detected.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import clmassmod as clm
from clmassmod.cluster.density import distribution_function, mass_statistics

N = 400
RADIUS = np.geomspace(0.3, 2.5, 8)
PRIOR = {"distribution": "uniform", "low": 1e14, "high": 2e15}
SD = 0.02
CALIBRATION_SD = 0.05


def simulated(n, seed, calibration_sd=0.0):
    random = np.random.default_rng(seed)
    truth = random.uniform(PRIOR["low"], PRIOR["high"], n)
    shear = clm.NFW(truth, 4.0, 0.3).reduced_tangential_shear(RADIUS, 1.0)
    shear = shear * (1.0 + calibration_sd * random.standard_normal((n, 1)))
    shear = shear + SD * random.standard_normal(shear.shape)
    data = [
        clm.GammaTheta(RADIUS, row, np.full(8, SD), redshift=0.3, sources=1.0, id=f"{i:04d}")
        for i, row in enumerate(shear)
    ]
    return truth, data


def fitted(data, method="scanpdf", calc_params=None, **info):
    massmod = clm.CLMassMod({"concentration": 4.0, "priors": {"mass": PRIOR}} | info)
    massmod.obs_gamma_theta = data
    profiles, fit_info = massmod.fit_mass_profiles(method, calc_params)
    assert not fit_info.failed
    return profiles


def ranks(truth, profiles):
    result = []
    for true_mass, profile in zip(truth, profiles, strict=True):
        mass, below = distribution_function(profile)
        result.append(np.interp(true_mass, mass, below, left=0.0, right=1.0))
    return np.array(result)


def uniformity(values):
    return stats.kstest(values, "uniform").pvalue


@pytest.fixture(scope="module")
def scan():
    truth, data = simulated(N, seed=1)
    return truth, fitted(data)


def test_ranks_of_the_scan_are_uniform(scan):
    truth, profiles = scan
    assert uniformity(ranks(truth, profiles)) > 1e-4


def test_intervals_cover_the_truth(scan):
    truth, profiles = scan
    for level, name in ((0.6827, "68"), (0.9545, "95")):
        inside = 0
        for true_mass, profile in zip(truth, profiles, strict=True):
            found = mass_statistics(profile)
            inside += found[f"hdi_{name}_low"] <= true_mass <= found[f"hdi_{name}_high"]
        assert stats.binomtest(inside, N, level).pvalue > 1e-4


def test_a_multiplicative_bias_of_the_mass_is_detected(scan):
    truth, profiles = scan
    assert uniformity(ranks(1.15 * truth, profiles)) < 1e-4


def test_posteriors_too_wide_are_detected(scan):
    truth, profiles = scan
    found = [mass_statistics(p) for p in profiles]
    # far from the ends of the prior, where a posterior is cut
    middle = (truth > 4e14) & (truth < 1.5e15)
    z = np.array([(t - s["mean"]) / s["sd"] for t, s in zip(truth, found, strict=True)])[middle]

    def probability(scores):
        return 2.0 * min(
            stats.chi2.cdf(np.sum(scores**2), scores.size),
            stats.chi2.sf(np.sum(scores**2), scores.size),
        )

    assert probability(z) > 1e-4
    assert probability(z / 1.5) < 1e-4
    assert probability(z * 1.5) < 1e-4


def test_shear_calibration_is_marginalised():
    truth, data = simulated(N, seed=2, calibration_sd=CALIBRATION_SD)
    nuisance = {"distribution": "normal", "mean": 0.0, "sd": CALIBRATION_SD}
    profiles = fitted(
        data,
        parameters=["mass", "shear_calibration"],
        priors={"mass": PRIOR, "shear_calibration": nuisance},
    )
    assert uniformity(ranks(truth, profiles)) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "calc_params"),
    [("emcee", {"n_steps": 1500, "n_burn": 300, "max_steps": 1500}), ("nested", {"n_live": 400})],
)
def test_ranks_of_samplers_are_uniform(method, calc_params):
    truth, data = simulated(300, seed=3)
    assert uniformity(ranks(truth, fitted(data, method, calc_params))) > 1e-4
