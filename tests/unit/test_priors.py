"""Priors of several parameters: by name, joint, of functions, replaced, written and read."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import integrate, stats

from clmassmod.errors import ParameterError
from clmassmod.inference.joint_priors import JointPrior, MultivariateNormal
from clmassmod.inference.prior_set import PriorSet
from clmassmod.inference.priors import FunctionPrior, LogUniform, Normal, Uniform

COVARIANCE = np.array([[0.04, 0.03], [0.03, 0.09]])
MEAN = np.array([1.0, -2.0])


def a_set():
    return PriorSet(
        {
            "mu_h": Uniform(12.0, 14.0),
            ("mu_g", "sigma_g"): MultivariateNormal(MEAN, COVARIANCE),
            "alpha": {"distribution": "normal", "mean": 0.1, "sd": 0.05},
        }
    )


# -- sets ------------------------------------------------------------------------------------------


def test_density_is_the_product():
    priors = a_set()
    assert priors.names == ("mu_h", "mu_g", "sigma_g", "alpha")
    theta = np.array([[12.5, 1.1, -2.2, 0.12], [15.0, 1.1, -2.2, 0.12]])
    joint = stats.multivariate_normal(MEAN, COVARIANCE).logpdf([1.1, -2.2])
    expected = np.log(0.5) + joint + stats.norm(0.1, 0.05).logpdf(0.12)
    # closed forms: rounding alone
    np.testing.assert_allclose(priors.log_density(theta), [expected, -np.inf], rtol=1e-13)


def test_samples_have_the_density():
    x = a_set().sample(4000, seed=3)
    assert stats.kstest((x[:, 0] - 12.0) / 2.0, "uniform").pvalue > 1e-4
    assert stats.kstest((x[:, 3] - 0.1) / 0.05, "norm").pvalue > 1e-4
    whitened = np.linalg.solve(np.linalg.cholesky(COVARIANCE), (x[:, 1:3] - MEAN).T)
    for row in whitened:
        assert stats.kstest(row, "norm").pvalue > 1e-4
    assert stats.pearsonr(*whitened).pvalue > 1e-4


def test_samples_are_those_of_the_seed():
    priors = a_set()
    np.testing.assert_array_equal(priors.sample(10, 1), priors.sample(700, 1)[:10])
    assert not np.any(priors.sample(10, 1) == priors.sample(10, 2))
    assert priors.sample(0, 1).shape == (0, 4)


def test_order_replacement_and_support():
    priors = a_set()
    names = ("sigma_g", "alpha", "mu_h", "mu_g")
    other = priors.ordered(names)
    columns = [priors.names.index(name) for name in names]
    theta = priors.sample(5, 1)
    np.testing.assert_array_equal(priors.log_density(theta), other.log_density(theta[:, columns]))
    replaced = other.replace(mu_h=Normal(13.0, 0.1, low=12.5))
    assert replaced.names == names
    assert replaced.support["mu_h"] == (12.5, np.inf)
    assert priors.support["mu_h"] == (12.0, 14.0)
    both = priors.replace({("mu_g", "sigma_g"): MultivariateNormal(MEAN, 4.0 * COVARIANCE)})
    assert both["mu_g"] is both["sigma_g"]
    single = priors.replace(mu_g=Uniform(0.0, 1.0), sigma_g=Uniform(0.0, 2.0))
    assert single.support["sigma_g"] == (0.0, 2.0)


def test_dictionary_round_trip():
    priors = a_set().ordered(("alpha", "mu_h", "sigma_g", "mu_g")).replace(alpha=LogUniform(1, 2))
    again = PriorSet.from_dict(json.loads(json.dumps(priors.to_dict(), allow_nan=False)))
    theta = priors.sample(10, 1)
    assert again.names == priors.names
    np.testing.assert_array_equal(again.log_density(theta), priors.log_density(theta))
    assert again.to_dict() == priors.to_dict()


def test_a_cut_joint_prior_round_trips():
    priors = PriorSet(
        {
            "pair": {
                "names": ["a", "b"],
                "distribution": "multivariate-normal",
                "mean": MEAN,
                "covariance": COVARIANCE,
                "low": [0.9, None],
            }
        }
    )
    assert priors.support == {"a": (0.9, np.inf), "b": (-np.inf, np.inf)}
    again = PriorSet.from_dict(json.loads(json.dumps(priors.to_dict(), allow_nan=False)))
    assert again.support == priors.support
    assert again.inside == priors.inside


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PriorSet({"a": Uniform(0, 1), ("a", "b"): MultivariateNormal(MEAN, COVARIANCE)}),
         "one prior only"),
        (lambda: PriorSet({"a": 3.0}), "priors.a"),
        (lambda: PriorSet({("a", "b"): Uniform(0, 1)}), "JointPrior of 2"),
        (lambda: PriorSet({("a", "b", "c"): MultivariateNormal(MEAN, COVARIANCE)}), "3 parameters"),
        (lambda: a_set().ordered(("mu_h", "mu_g", "sigma_g")), "alpha"),
        (lambda: a_set().ordered((*a_set().names, "beta_h")), "no prior of beta_h"),
        (lambda: a_set().replace(mu_hh=Uniform(0, 1)), "mu_h"),
        (lambda: a_set().replace(mu_g=Uniform(0, 1)), "Give a prior of sigma_g"),
        (lambda: a_set().log_density(np.zeros((2, 3))), r"theta.shape = \(2, 3\)"),
        (lambda: a_set().sample(-1, 1), "n = -1"),
        (lambda: MultivariateNormal(MEAN, -COVARIANCE), "covariance"),
        (lambda: MultivariateNormal(MEAN, COVARIANCE, low=[2.0, 0.0], high=[1.0, 1.0]), r"\[0\]"),
        (lambda: MultivariateNormal(MEAN, COVARIANCE, low=[9.0, 9.0]), "some mass"),
        (lambda: MultivariateNormal(MEAN, COVARIANCE, low=[0.0]), "2 numbers"),
    ],
)  # fmt: skip
def test_wrong_sets(make, words):
    with pytest.raises(ParameterError, match=words):
        make()


# -- joint priors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("low", [None, [0.9, -2.1], [1.1, -np.inf]])
def test_mass_in_the_box(low):
    prior = MultivariateNormal(MEAN, COVARIANCE, low=low, high=[1.5, 0.0])
    ends = np.array([-1.0, -6.0]) if low is None else np.maximum(low, [-1.0, -6.0])
    whole = stats.multivariate_normal(MEAN, COVARIANCE)
    expected, _ = integrate.dblquad(
        lambda b, a: whole.pdf([a, b]), ends[0], 1.5, ends[1], 0.0, epsabs=1e-9
    )
    # 2^14 Sobol points: 1e-4 stated
    assert prior.inside == pytest.approx(expected, rel=1e-4)


def test_mass_is_exact_without_correlation():
    prior = MultivariateNormal([0.0, 0.0, 0.0], np.eye(3), low=[-1.0, 0.0, -2.0])
    expected = stats.norm.cdf(1.0) * 0.5 * stats.norm.cdf(2.0)
    assert prior.inside == pytest.approx(expected, rel=1e-13)


def test_samples_of_a_cut_prior():
    prior = MultivariateNormal(MEAN, COVARIANCE, low=[1.0, -2.0])
    x = PriorSet({("a", "b"): prior}).sample(3000, seed=1)
    assert np.all(x >= prior.low)
    # brute force: draws of the whole density that happen to be inside
    every = np.random.default_rng(1).multivariate_normal(MEAN, COVARIANCE, 20_000)
    inside = every[(every >= prior.low).all(axis=1)]
    for i in range(2):
        assert stats.ks_2samp(x[:, i], inside[:, i]).pvalue > 1e-4


def test_a_joint_prior_of_the_user():
    class Triangle(JointPrior):
        """Uniform for 0 < b < a < 1."""

        low, high = np.zeros(2), np.ones(2)
        inside = 0.5

        def log_density(self, values):
            a, b = values.T
            return np.where((b > 0) & (b < a) & (a < 1), np.log(2.0), -np.inf)

        def transform(self, cube):
            return cube

        def to_dict(self):
            return {"distribution": "triangle"}

    x = PriorSet({("a", "b"): Triangle()}).sample(2000, seed=5)
    assert np.all(x[:, 1] < x[:, 0])
    assert stats.kstest(x[:, 0] ** 2, "uniform").pvalue > 1e-4


# -- functions -------------------------------------------------------------------------------------


def test_a_function_is_normalised():
    prior = FunctionPrior(lambda x: -2.0 * x + 7.0, 0.0, 3.0)
    exact = stats.truncexpon(b=6.0, scale=0.5)
    x = np.linspace(0.01, 2.9, 50)
    # Simpson's rule on 8192 panels: 1e-6 stated
    np.testing.assert_allclose(prior.log_density(x), exact.logpdf(x), atol=1e-6)
    np.testing.assert_allclose(prior.cdf(x), exact.cdf(x), atol=1e-6)
    u = np.linspace(0.001, 0.999, 50)
    np.testing.assert_allclose(prior.quantile(u), exact.ppf(u), atol=3e-6)
    np.testing.assert_array_equal(prior.log_density([-0.1, 3.1]), [-np.inf, -np.inf])


def test_a_function_knows_itself_again():
    def one(x):
        return -(x**2)

    def other(x):
        return -(x**2) * 1.001

    first = FunctionPrior(one, -3.0, 3.0, label="mine")
    assert first.to_dict() == FunctionPrior(one, -3.0, 3.0, label="mine").to_dict()
    assert first.to_dict() != FunctionPrior(other, -3.0, 3.0, label="mine").to_dict()
    with pytest.raises(ParameterError, match="does not hold a function"):
        PriorSet.from_dict(PriorSet({"a": first}).to_dict())


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: np.where(x > 0.5, np.nan, 0.0), "nan"),
        (lambda x: np.full_like(x, -np.inf), "finite somewhere"),
        (lambda x: -0.5 * ((x - 0.5) / 1e-5) ** 2, "too narrow"),
        (lambda x: 0.0, "shape"),
    ],
)
def test_wrong_functions(function, words):
    with pytest.raises(ParameterError, match=words):
        FunctionPrior(function, 0.0, 1.0)
