"""Bias and scatter of resampled haloes."""

from __future__ import annotations

import numpy as np
import pytest
from ensemble_mocks import massmod_of, simulated
from scipy import optimize

from clmassmod.ensembles import bootstrap_maxima
from clmassmod.errors import ParameterError
from clmassmod.rng import purpose_key

QUICK = {"n_grid": 21, "n_samples": 2000}


@pytest.fixture(scope="module")
def independent():
    true, measured = simulated(400, -0.1, 0.25, 1e14, 21)
    return massmod_of(measured, 1e14).compare(true, QUICK)


def test_spread_of_independent_haloes_is_that_of_the_posterior(independent):
    found = independent.bootstrap(400)
    posterior = independent.posteriors.samples
    assert found.shape == (400, 2)
    # the sd of 400 samples is good to 4 %, and what 400 haloes say of it to 4 % (their
    # variance) and 9 % (their kurtosis, for the scatter)
    ratio = found.std(axis=0) / posterior.std(axis=0)
    assert abs(ratio[0] - 1.0) < 0.17
    assert abs(ratio[1] - 1.0) < 0.3
    # a maximum and a mean: .05 sd from samples, and the skewness of the scatter
    assert np.all(np.abs(found.mean(axis=0) - posterior.mean(axis=0)) < 0.3 * posterior.std(axis=0))
    np.testing.assert_array_equal(independent.bootstrap(400), found)
    assert (independent.bootstrap(400, seed=2) != found).all()


def test_maxima_are_those_of_a_minimiser(independent):
    grid = independent.likelihoods
    n = len(grid.ids)
    found = bootstrap_maxima(grid, 3, seed=5)
    random = np.random.default_rng([5, purpose_key("bootstrap of objects")])
    for weight, maximum in zip(random.multinomial(n, np.full(n, 1.0 / n), 3), found, strict=True):

        def minus(theta, weight=weight):
            if theta[1] <= 0.0:
                return np.inf
            return -weight @ grid.likelihood.of_objects(theta[None])[:, 0]

        expected = optimize.minimize(minus, [-0.1, 0.25], method="Nelder-Mead", tol=1e-8).x
        # the error of the parabola, beside the posterior's widths of .015 and .012
        np.testing.assert_allclose(maximum, expected, atol=3e-4)


def test_projections_taken_as_independent_need_the_blocks():
    rng = np.random.default_rng(4)
    n, k, scatter, rho, noise = 60, 6, 0.25, 0.8, 3e13
    true = np.exp(rng.uniform(np.log(3e14), np.log(2e15), n))
    common, own = rng.standard_normal((n, 1)), rng.standard_normal((n, k))
    ratio = np.exp(-0.1 + scatter * (np.sqrt(rho) * common + np.sqrt(1.0 - rho) * own))
    measured = (true[:, None] * ratio + noise * rng.standard_normal((n, k))).ravel()
    comparison = massmod_of(measured, noise).compare(true.repeat(k), QUICK)
    groups = {f"h{i:05d}": f"halo {i // k}" for i in range(n * k)}
    blocks = comparison.bootstrap(300, groups=groups)
    single = comparison.bootstrap(300)
    # what the mean of n k correlated numbers scatters by, the noise aside
    expected = scatter * np.sqrt((1.0 + (k - 1) * rho) / (n * k))
    posterior = comparison.mass_dist_bias_samps.std()
    assert posterior < 0.55 * expected  # 1 / sqrt(1 + 5 rho) = .45
    # 60 haloes tell an sd to 9 %, 300 samples to 4 %
    assert abs(blocks[:, 0].std() / expected - 1.0) < 0.3
    assert abs(single[:, 0].std() / posterior - 1.0) < 0.17
    assert blocks[:, 1].std() > 1.5 * single[:, 1].std()


def test_wrong_calls(independent):
    with pytest.raises(ParameterError, match=">= 2"):
        independent.bootstrap(1)
    with pytest.raises(ParameterError, match="at least two"):
        independent.bootstrap(groups=dict.fromkeys(independent.likelihoods.ids, "a"))
    with pytest.raises(ParameterError, match=r"\(400,\)"):
        bootstrap_maxima(independent.likelihoods, blocks=np.zeros(3, int))
