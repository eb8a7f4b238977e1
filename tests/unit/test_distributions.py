"""Distributions, also as priors: normalised, quantile inverse to the cdf, clear errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from clmassmod.distributions import LogUniform, Normal, Uniform
from clmassmod.errors import ParameterError
from clmassmod.inference.priors import prior_from_dict

DISTRIBUTIONS = [
    Uniform(-2.0, 3.0),
    LogUniform(0.1, 20.0),
    Normal(1.0, 0.3),
    Normal(1.0, 0.5, low=0.2, high=1.4),
]


@pytest.mark.parametrize("prior", DISTRIBUTIONS, ids=repr)
def test_density_is_normalised_and_quantile_inverts_it(prior):
    low = max(prior.low, prior.quantile(1e-9))
    high = min(prior.high, prior.quantile(1.0 - 1e-9))
    for probability in (0.1, 0.5, 0.93):
        x = float(prior.quantile(probability))
        below, _ = integrate.quad(lambda t: np.exp(prior.log_density(t)), low, x)
        # 1e-9 of the mass lies below `low`; quad reaches 1e-8
        assert below == pytest.approx(probability, abs=2e-8)
        # both are closed forms: rounding alone
        assert prior.cdf(x) == pytest.approx(probability, abs=1e-14)
    total, _ = integrate.quad(lambda t: np.exp(prior.log_density(t)), low, high)
    assert total == pytest.approx(1.0, abs=2e-8)


@pytest.mark.parametrize("prior", [p for p in DISTRIBUTIONS if np.isfinite(p.low)], ids=repr)
def test_density_vanishes_outside_the_support(prior):
    outside = np.array([prior.low - 1e-3, prior.high + 1e-3])
    assert np.all(np.isneginf(prior.log_density(outside)))
    assert np.all(prior.quantile(np.array([0.0, 1.0])) == pytest.approx([prior.low, prior.high]))


@pytest.mark.parametrize("prior", DISTRIBUTIONS, ids=repr)
def test_cdf_is_zero_below_and_one_above(prior):
    np.testing.assert_array_equal(prior.cdf(np.array([-1e9, 1e9])), [0.0, 1.0])


@pytest.mark.parametrize("prior", DISTRIBUTIONS, ids=repr)
def test_dictionary_round_trip(prior):
    assert prior_from_dict(prior.to_dict()) == prior


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"distribution": "unifrom", "low": 0, "high": 1}, "uniform"),
        ({"distribution": "uniform", "low": 1, "high": 1}, "low < high"),
        ({"distribution": "log-uniform", "low": -1, "high": 1}, "> 0"),
        ({"distribution": "normal", "mean": 0, "sd": 0}, "sd > 0"),
        ({"distribution": "normal", "mean": 0}, "keys"),
        ({"distribution": "truncated-normal", "mean": 0, "sd": 1, "low": 90, "high": 99}, "mass"),
    ],
)
def test_wrong_priors_are_refused(content, word):
    with pytest.raises(ParameterError, match=word):
        prior_from_dict(content)


def test_quantiles_in_the_upper_tail_keep_their_digits():
    prior = Normal(0.0, 1.0, low=6.9, high=9.0)
    for probability in (0.0, 0.5, 0.999, 1.0):
        x = float(prior.quantile(probability))
        # by the survival function, which keeps its digits up there
        above = stats.norm.sf(x) - stats.norm.sf(9.0)
        all_of_it = stats.norm.sf(6.9) - stats.norm.sf(9.0)
        assert 1.0 - above / all_of_it == pytest.approx(probability, abs=1e-9)


@pytest.mark.parametrize("high", [9.0, np.inf])
def test_density_and_cdf_in_the_upper_tail_keep_their_digits(high):
    prior = Normal(0.0, 1.0, low=6.9, high=high)
    x = np.array([6.9, 7.0, 7.5, 8.5])
    mass = stats.norm.sf(6.9) - stats.norm.sf(high)
    np.testing.assert_allclose(
        prior.log_density(x), stats.norm.logpdf(x) - np.log(mass), rtol=0, atol=1e-12
    )
    expected = (stats.norm.sf(6.9) - stats.norm.sf(x)) / mass
    np.testing.assert_allclose(prior.cdf(x), expected, rtol=0, atol=1e-12)
