"""Are posteriors of bias and scatter as wide, and where, as they say? And at any noise?"""

from __future__ import annotations

import numpy as np
import pytest
from ensemble_mocks import normal_grids

import clmassmod as clm
from clmassmod.ensembles import (
    MassLikelihoods,
    MassRelation,
    PopulationLikelihood,
    sample_population,
)
from clmassmod.inference import Uniform, simulation_based_calibration
from clmassmod.inference.rank_statistics import uniformity_p_value

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


RADIUS = np.geomspace(0.3, 2.5, 8)
BIAS, SCATTER = -0.15, 0.2


def shear_results(true, density, seed):
    """Scanned masses of clusters with shape noise of so many galaxies per square arcminute."""
    rng = np.random.default_rng(seed)  # the same scatter at every density
    lensing = true * np.exp(BIAS + SCATTER * rng.standard_normal(true.size))
    # rings half as wide as their radius, at 0.27 Mpc per arcminute (z = .3)
    galaxies = density * np.pi * RADIUS**2 / 0.27**2
    errors = 0.25 / np.sqrt(galaxies)
    data = []
    for i, mass in enumerate(lensing):
        shear = clm.NFW(mass, 4.0, 0.3).reduced_tangential_shear(RADIUS, 1.0)
        noise = errors * rng.standard_normal(RADIUS.size)
        data.append(
            clm.GammaTheta(RADIUS, shear + noise, errors, redshift=0.3, sources=1.0, id=f"h{i:05d}")
        )
    massmod = clm.CLMassMod({"concentration": 4.0})
    massmod.obs_gamma_theta = data
    massmod.fit_mass_profiles("scanpdf", {"n_grid": 200})
    return massmod


@pytest.mark.slow  # 900 scans
def test_bias_does_not_move_with_the_density_of_galaxies():
    rng = np.random.default_rng(13)
    true = np.exp(rng.uniform(np.log(1.5e14), np.log(1.5e15), 300))
    found = {}
    for density in (5.0, 20.0, 100.0):
        result = shear_results(true, density, 14).compare(true, {"n_grid": 31})
        b, s = result.mass_dist_bias_samps, result.mass_dist_scatter_samps
        found[density] = b.mean(), b.std(), s.mean(), s.std()
        print(
            f"n = {density:5.0f}: b = {b.mean():.4f} +- {b.std():.4f}, "
            f"scatter = {s.mean():.4f} +- {s.std():.4f}"
        )
        assert abs(b.mean() - BIAS) < 3.0 * b.std()
        assert abs(s.mean() - SCATTER) < 3.0 * s.std()
        ranks = (result.posteriors.rank * 999).round().astype(int)
        assert uniformity_p_value(ranks, 999) > 0.001
    # the scatter is common to all: what differs is the shape noise
    for density in (5.0, 20.0):
        noise = np.sqrt(found[density][1] ** 2 - found[100.0][1] ** 2)
        assert abs(found[density][0] - found[100.0][0]) < 3.0 * noise
