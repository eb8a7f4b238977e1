"""Autocorrelation times, R-hat and rank statistics against known answers."""

from __future__ import annotations

import emcee
import numpy as np
import pytest
from scipy import signal, stats

from clmassmod.errors import ParameterError
from clmassmod.inference.diagnostics import (
    Convergence,
    autocorrelation_time,
    convergence,
    effective_sample_size,
    r_hat,
)
from clmassmod.inference.rank_statistics import (
    ecdf_band,
    ecdf_of_ranks,
    ecdf_points,
    uniformity_p_value,
)


def autoregressive(rho, n=20_000, walkers=16, seed=1):
    """x_t = rho x_(t-1) + noise: tau = (1 + rho) / (1 - rho)."""
    noise = np.random.default_rng(seed).standard_normal((n + 1000, walkers, 1))
    return signal.lfilter([1.0], [1.0, -rho], noise, axis=0)[1000:]


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.9])
def test_autocorrelation_time(rho):
    chain = autoregressive(rho)
    tau = autocorrelation_time(chain)
    expected = (1.0 + rho) / (1.0 - rho)
    # scatter sqrt(20 tau / (n w)) < 2.5 % for these
    assert tau[0] == pytest.approx(expected, rel=0.08)
    assert effective_sample_size(chain)[0] == pytest.approx(chain.size / tau[0])
    if rho >= 0.0:
        other = emcee.autocorr.integrated_time(chain, tol=0)[0]
        # emcee takes out the mean of each walker: a relative tau / n
        assert tau[0] == pytest.approx(other, rel=0.01)


def test_walkers_in_different_places_have_a_long_time():
    chain = autoregressive(0.5, n=2000) + 10.0 * np.arange(16)[:, None]
    assert autocorrelation_time(chain)[0] > 500.0
    assert emcee.autocorr.integrated_time(chain, tol=0)[0] < 4.0
    assert r_hat(chain)[0] > 10.0


def test_a_parameter_that_does_not_move():
    chain = np.concatenate([autoregressive(0.2, n=400), np.full((400, 16, 1), 0.1)], axis=2)
    assert np.isinf(autocorrelation_time(chain)[1])
    assert np.isinf(r_hat(chain)[1])
    found = convergence(chain)
    assert any("autocorrelation times of inf" in line for line in found.problems(10.0))


def test_r_hat_of_independent_samples():
    chain = np.random.default_rng(3).standard_normal((2000, 8, 3))
    parts = np.concatenate([chain[:1000], chain[1000:]], axis=1)
    within = parts.var(axis=0, ddof=1).mean(axis=0)
    between = 1000 * parts.mean(axis=0).var(axis=0, ddof=1)
    expected = np.sqrt((999 / 1000 * within + between / 1000) / within)
    np.testing.assert_allclose(r_hat(chain), expected, rtol=1e-12)
    assert np.all(r_hat(chain) < 1.01)
    chain[1000:] += 1.0
    assert np.all(r_hat(chain) > 1.05)


def test_burn_in_is_left_out():
    chain = autoregressive(0.9, n=8000)
    chain[:100] += np.linspace(50.0, 0.0, 100)[:, None, None]
    found = convergence(chain)
    assert found.n_burn == pytest.approx(190, rel=0.2)
    assert found.problems(2000.0) == []
    assert "effective samples" in found.problems(1e6)[0]
    short = convergence(chain[300:800])
    assert "fewer than 50" in short.problems(10.0)[0]


def test_what_a_chain_waits_for():
    found = Convergence(
        20, 180, np.array([3.0, 6.0]), np.array([960.0, 480.0]), np.array([1.0, 1.06])
    )
    assert found.waits_for(1000.0) == [
        "30 of 50 autocorrelation times",
        "ESS 480 of 1000",
        "R-hat 1.06 above 1.05",
    ]
    # 10 tau of burn-in, and the larger of 50 tau and 180 * 1000 / 480
    assert found.steps_wanted(1000.0) == pytest.approx(60.0 + 375.0)
    assert found.steps_wanted(100.0) == pytest.approx(60.0 + 300.0)
    still = Convergence(20, 180, np.array([np.inf]), np.array([0.0]), np.array([np.inf]))
    assert still.steps_wanted(100.0) == np.inf
    assert len(still.waits_for(100.0)) == 3


@pytest.mark.parametrize("shape", [(3, 4, 2), (100, 4), (100, 0, 2)])
def test_wrong_chains(shape):
    with pytest.raises(ParameterError, match=r"chain\.shape"):
        autocorrelation_time(np.zeros(shape))


# -- ranks -----------------------------------------------------------------------------------------


def test_points_and_ecdf():
    np.testing.assert_allclose(ecdf_points(3), [0.25, 0.5, 0.75])
    np.testing.assert_allclose(ecdf_of_ranks([0, 0, 1, 3], 3), [0.5, 0.75, 0.75])
    assert len(ecdf_points(1000)) <= 100


@pytest.mark.parametrize(("n", "n_draws", "level"), [(40, 9, 0.9), (300, 99, 0.95)])
def test_band_holds_what_it_says(n, n_draws, level):
    band = ecdf_band(n, n_draws, level)
    assert level <= band.level < level + 0.02  # counts are few
    random = np.random.default_rng(2)
    trials = 3000
    inside = 0
    for _ in range(trials):
        found = ecdf_of_ranks(random.integers(0, n_draws + 1, n), n_draws)
        inside += bool(np.all((found >= band.low) & (found <= band.high)))
    assert stats.binomtest(inside, trials, band.level).pvalue > 1e-4


def test_p_values_of_uniform_ranks_are_uniform():
    random = np.random.default_rng(4)
    values = [uniformity_p_value(random.integers(0, 100, 300), 99) for _ in range(300)]
    assert stats.kstest(values, "uniform").pvalue > 1e-4


def test_p_value_agrees_with_the_band():
    random = np.random.default_rng(5)
    band = ecdf_band(100, 19, 0.95)
    for _ in range(200):
        ranks = random.binomial(19, random.uniform(0.4, 0.6), 100)
        ranks = np.where(random.random(100) < 0.8, random.integers(0, 20, 100), ranks)
        found = ecdf_of_ranks(ranks, 19)
        inside = np.all((found >= band.low) & (found <= band.high))
        p = uniformity_p_value(ranks, 19)
        # the discrete band may hold a little more than its level
        assert (p > 1.0 - band.level - 1e-6) == inside


def test_extreme_ranks():
    assert uniformity_p_value(np.zeros(200, dtype=int), 99) < 1e-12
    assert uniformity_p_value(np.arange(100), 99) > 0.999


@pytest.mark.parametrize("ranks", [[], [0.5], [-1, 2], [3, 10]])
def test_wrong_ranks(ranks):
    with pytest.raises(ParameterError, match="ranks"):
        uniformity_p_value(ranks, 9)
