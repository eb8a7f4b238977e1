"""Are posteriors of bias and scatter as wide, and where, as they say? And at any noise?"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from ensemble_mocks import normal_grids

import clmassmod as clm
from clmassmod.cluster.results import empty_profile
from clmassmod.ensembles import (
    MassLikelihoods,
    MassRelation,
    PopulationLikelihood,
    sample_population,
)
from clmassmod.galaxies import FieldOfView, MockGalaxies, RadialBins, build_profile
from clmassmod.inference import Uniform, simulation_based_calibration
from clmassmod.inference.rank_statistics import uniformity_p_value
from clmassmod.maps.field import ProfileField

N_OBJECTS, NOISE = 40, 1.5e14
PRIORS = {"bias": Uniform(-0.4, 0.4), "scatter": Uniform(0.02, 0.5)}
GRID = np.linspace(-1.5e15, 2e16, 700)


def draw_prior(seed):
    return np.random.default_rng(seed).uniform([-0.4, 0.02], [0.4, 0.5])


def simulate(truth, seed):
    rng = np.random.default_rng(seed)
    true = np.exp(rng.uniform(np.log(3e14), np.log(2e15), N_OBJECTS))
    lensing = true * np.exp(truth[0] + truth[1] * rng.standard_normal(N_OBJECTS))
    return true, lensing + NOISE * rng.standard_normal(N_OBJECTS)


def posterior_samples(data, seed):
    true, measured = data
    objects = MassLikelihoods(normal_grids(measured, NOISE, GRID))
    likelihood = PopulationLikelihood(objects, MassRelation(np.log(true)))
    _, posterior = sample_population(
        likelihood, PRIORS, seed=seed % 2**32, n_grid=25, n_samples=1000
    )
    return posterior.samples


@pytest.mark.slow  # 400 simulations
def test_posteriors_of_bias_and_scatter_are_calibrated():
    found = simulation_based_calibration(
        draw_prior, simulate, posterior_samples, 400, 11, names=tuple(PRIORS)
    )
    print("\n".join(found.lines()))
    # six p-values, of which one in 170 runs has one below .001
    assert np.all(found.rank_p_value() > 0.001)
    assert np.all(found.coverage_p_value(0.6827) > 0.001)
    assert np.all(found.coverage_p_value(0.9545) > 0.001)


BIAS, SCATTER = -0.15, 0.2
# galaxies per square arcminute -> haloes, as many as make the error of the bias .004
DENSITIES = {5.0: 16_000, 20.0: 8_000, 100.0: 4_000}
MASSES = np.linspace(-2e15, 6e15, 240)
BATCH = 200


def haloes():
    """True masses, lensing masses and redshifts: at every density the first of the same."""
    n = max(DENSITIES.values())
    first, second = np.random.default_rng(13).random((n, 2)).T
    true = 1.5e14 * 10.0**first
    scatter = SCATTER * np.random.default_rng(14).standard_normal(n)
    return true, true * np.exp(BIAS + scatter), 0.25 + 0.35 * second


def log_likelihoods(rows, density):
    """ln L of haloes on MASSES, of their profiles measured from mock galaxies."""
    _, lensing, redshift = haloes()
    mock = MockGalaxies(density, 1.2, FieldOfView.circle(10.0))
    bins = RadialBins(0.3, 2.0, 8)
    profiles = []
    for k in rows:
        lens = ProfileField(clm.NFW(lensing[k], 4.0, redshift=redshift[k]))
        catalogue = mock.generate(lens, seed=1, halo_id=k)
        profiles.append(build_profile(catalogue, redshift[k], bins=bins).to_gamma_theta())
    massmod = clm.CLMassMod({"concentration": 4.0})
    massmod.obs_gamma_theta = profiles
    return massmod.sample_likelihood().log_likelihood(MASSES[:, None])


def compared(density, n):
    true, _, redshift = haloes()
    batches = [range(i, min(i + BATCH, n)) for i in range(0, n, BATCH)]
    values = np.vstack([log_likelihoods(rows, density) for rows in batches])
    massmod = clm.CLMassMod({"concentration": 4.0})
    massmod.out_data_profiles = [
        empty_profile(str(k), "scanpdf", float(redshift[k]), "200c")._replace(
            parameters=("mass",),
            mass_grid=MASSES,
            grid_log_likelihood=values[k],
            grid_log_prior=np.zeros(MASSES.size),
        )
        for k in range(n)
    ]
    return massmod.compare(true[:n], {"n_grid": 31})


@pytest.mark.slow  # six minutes: 28 000 mock catalogues
def test_bias_does_not_move_with_the_density_of_galaxies():
    found = {}
    for density, n in DENSITIES.items():
        result = compared(density, n)
        b, s = result.mass_dist_bias_samps, result.mass_dist_scatter_samps
        found[density] = b.mean(), b.std()
        print(
            f"n = {density:5.0f}: b = {b.mean():.4f} +- {b.std():.4f}, "
            f"scatter = {s.mean():.4f} +- {s.std():.4f}"
        )
        assert b.std() < 0.0045
        assert abs(b.mean() - BIAS) < 3.0 * b.std()
        assert abs(s.mean() - SCATTER) < 3.0 * s.std()
        ranks = (result.posteriors.rank * 999).round().astype(int)
        assert uniformity_p_value(ranks, 999) > 0.001
    # a common part of the scatter makes these errors too large by at most a seventh
    for one, other in combinations(found, 2):
        error = np.hypot(found[one][1], found[other][1])
        assert abs(found[one][0] - found[other][0]) < 3.0 * error
