"""Samplers on densities of known moments; what is refused; starts inside the support."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from clmassmod.errors import FitError, NumericalError, ParameterError
from clmassmod.inference.chain_file import read_chain, write_chain
from clmassmod.inference.diagnostics import ConvergenceWarning
from clmassmod.inference.joint_priors import MultivariateNormal
from clmassmod.inference.laplace import draw_around, fit_laplace
from clmassmod.inference.posterior import Posterior
from clmassmod.inference.prior_set import PriorSet
from clmassmod.inference.priors import Normal, Uniform
from clmassmod.inference.samplers import run_mcmc

from inference_targets import Banana, Gaussian, Target

WIDE = PriorSet({name: Uniform(-40.0, 40.0) for name in "abc"})
BANANA = PriorSet({"a": Uniform(-6.0, 6.0), "b": Uniform(-30.0, 60.0)})


def close(chain, mean, sd, n_sigma=4.5):
    """Whether means are within their errors, and standard deviations within twice theirs."""
    for name, row in chain.summary().items():
        i = chain.names.index(name)
        error = sd[i] / np.sqrt(row["ess"])
        assert abs(row["mean"] - mean[i]) < n_sigma * error, name
        # squares decorrelate no slower; the fourth moment of a banana is 5 times the normal one
        assert abs(row["sd"] - sd[i]) < 2.0 * n_sigma * error, name


# -- moments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["laplace", "prior"])
def test_emcee_of_a_normal_density(start):
    target = Gaussian()
    chain = run_mcmc(target, WIDE, seed=1, start=start, target_ess=4000)
    assert chain.converged
    close(chain, target.mean, target.sd)
    corr = np.corrcoef(chain.samples.T)[np.triu_indices(3, 1)]
    np.testing.assert_allclose(corr, 0.7, atol=0.05)  # 4 errors (1 - rho^2) / sqrt(ESS) and more


def test_emcee_of_a_curved_density():
    # the snooker move of emcee 3.1.6 gives a mean of b of .9
    chain = run_mcmc(Banana(), BANANA, seed=2, target_ess=10_000)
    close(chain, [0.0, 1.0], [1.0, np.sqrt(3.0)])
    # of a - b^2 as well, where the curve is
    assert np.mean(chain["a"] ** 2) == pytest.approx(1.0, abs=0.07)


def test_emcee_of_a_density_cut_at_its_mode():
    priors = WIDE.replace(a=Uniform(0.0, 40.0), b=Uniform(-40.0, 1.0))
    chain = run_mcmc(Gaussian(correlation=0.0), priors, seed=3, target_ess=6000)
    assert chain["a"].min() >= 0.0
    assert chain["b"].max() <= 1.0
    half = stats.halfnorm(0.0, 1.0)
    mean = [half.mean(), 1.0 - 2.0 * half.mean(), 2.0]
    close(chain, mean, [half.std(), 2.0 * half.std(), 3.0])


def test_emcee_with_priors_that_matter():
    priors = PriorSet(
        {
            ("c", "a"): MultivariateNormal([0.0, 1.0], [[4.0, -1.0], [-1.0, 1.0]]),
            "b": Normal(2.0, 1.0),
        }
    )
    target = Gaussian()
    chain = run_mcmc(target, priors, seed=4, target_ess=4000)
    precision = np.zeros((3, 3))
    precision[np.ix_([2, 0], [2, 0])] = np.linalg.inv([[4.0, -1.0], [-1.0, 1.0]])
    precision[1, 1] = 1.0
    covariance = np.linalg.inv(precision + np.linalg.inv(target.covariance))
    mean = covariance @ (
        precision @ [1.0, 2.0, 0.0] + np.linalg.solve(target.covariance, target.mean)
    )
    close(chain, mean, np.sqrt(np.diag(covariance)))
    np.testing.assert_allclose(
        chain.log_likelihood.ravel(),
        target.log_likelihood(chain.draws.reshape(-1, 3)),
        atol=1e-10,  # the difference of two sums of a few tens
    )


def test_nautilus_of_a_normal_density():
    target = Gaussian()
    chain = run_mcmc(target, WIDE, sampler="nautilus", seed=1, n_live=500, target_ess=4000)
    assert chain.converged
    close(chain, target.mean, target.sd)
    expected = -target.norm - 3 * np.log(80.0)
    # nautilus: error about 1 / sqrt(samples)
    found = chain.attributes["log_evidence"]
    assert found == pytest.approx(expected, abs=0.1)
    lines = chain.summary_lines()
    assert lines[0].split()[-1] == "q84"  # nothing of steps
    assert lines[-2:] == [
        f"ln Z = {found:.3f}",
        f"{len(chain.samples)} independent samples of {chain.attributes['n_calls']} "
        "likelihood calls",
    ]


def test_nautilus_of_a_curved_density_with_a_cut_joint_prior():
    box = MultivariateNormal([0.0, 0.0], [[1.0, 0.5], [0.5, 9.0]], low=[0.0, -3.0])
    priors = PriorSet({("a", "b"): box})
    chain = run_mcmc(Banana(), priors, sampler="nautilus", seed=1, n_live=500, target_ess=4000)
    # brute force on a grid
    a, b = np.meshgrid(np.linspace(0.0, 6.0, 1500), np.linspace(-3.0, 20.0, 1500), indexing="ij")
    theta = np.stack([a.ravel(), b.ravel()], axis=1)
    density = np.exp(Posterior(Banana(), priors)(theta))
    cell = (6.0 / 1499) * (23.0 / 1499)
    evidence = density.sum() * cell
    mean = density @ theta * cell / evidence
    sd = np.sqrt(density @ (theta - mean) ** 2 * cell / evidence)
    close(chain, mean, sd)
    assert chain.attributes["log_evidence"] == pytest.approx(np.log(evidence), abs=0.1)
    other = run_mcmc(Banana(), priors, seed=1, target_ess=4000)
    close(other, mean, sd)


# -- starts ----------------------------------------------------------------------------------------


def test_laplace_fit_of_a_normal_density():
    target = Gaussian()
    fit = fit_laplace(Posterior(target, WIDE), seed=1)
    # Nelder-Mead stops within 1e-4 of the prior's standard deviation of 23
    np.testing.assert_allclose(fit.mode, target.mean, atol=0.02)
    # second differences of a parabola are exact but for rounding
    np.testing.assert_allclose(fit.covariance, target.covariance, rtol=1e-5)


def test_laplace_fit_at_the_edge_and_of_a_flat_direction():
    priors = WIDE.replace(a=Uniform(0.5, 40.0))
    target = Gaussian(names=("a", "b"), correlation=0.0)

    class Flat(Gaussian):
        names = ("a", "b", "c")

        def __init__(self):
            pass

        def log_likelihood(self, eta):
            return target.log_likelihood(eta[:, :2])

    posterior = Posterior(Flat(), priors)
    fit = fit_laplace(posterior, seed=1)
    assert 0.5 < fit.mode[0] < 0.51
    assert fit.sd[2] == pytest.approx(80.0 / np.sqrt(12.0), rel=0.1)  # the sd of 384 draws
    start = draw_around(posterior, fit, 64, seed=1)
    assert np.isfinite(posterior(start)).all()


def test_walkers_start_and_stay_within_the_support():
    seen = []

    class Walled(Banana):
        support = {"a": (-0.2, 0.2), "b": (-1.0, 60.0)}

        def log_likelihood(self, eta):
            seen.append(np.array(eta))
            return super().log_likelihood(eta)

    priors = PriorSet({"a": Uniform(-0.2, 0.2), "b": Uniform(-1.0, 60.0)})
    for start in ("laplace", "prior"):
        run_mcmc(Walled(), priors, seed=1, start=start, target_ess=300)
    points = np.concatenate(seen)
    assert np.abs(points[:, 0]).max() <= 0.2
    assert points[:, 1].min() >= -1.0


# -- refusals --------------------------------------------------------------------------------------


class Odd(Target):
    names = ("a", "b")

    def __init__(self, function):
        self.log_likelihood = function


def test_nan_is_an_error_that_names_the_parameters():
    likelihood = Odd(lambda eta: np.where(eta[:, 0] > 0.3, np.nan, 0.0))
    with pytest.raises(NumericalError, match=r"nan at a=\d\.\d+, b=-?\d"):
        run_mcmc(likelihood, BANANA, start="prior")


def test_zero_likelihoods_are_counted():
    likelihood = Odd(lambda eta: np.where(eta[:, 0] > 0.3, -np.inf, -0.5 * eta[:, 1] ** 2))
    chain = run_mcmc(likelihood, BANANA, seed=1, target_ess=500)
    assert chain["a"].max() <= 0.3
    assert chain.attributes["n_vanishing"] > 100


def test_a_likelihood_that_vanishes():
    likelihood = Odd(lambda eta: np.full(len(eta), -np.inf))
    for start in ("laplace", "prior"):
        with pytest.raises(FitError, match="vanishes at all"):
            run_mcmc(likelihood, BANANA, start=start)


def test_a_prior_beyond_the_tables_is_refused():
    class Walled(Banana):
        support = {"a": (-3.0, 3.0)}

    with pytest.raises(ParameterError, match=r"priors\.a = \(-6\.0, 6\.0\).*\[-3, 3\].*tables"):
        run_mcmc(Walled(), BANANA)
    with pytest.raises(ParameterError, match=r"inf"):
        run_mcmc(Walled(), BANANA.replace(a=Normal(0.0, 0.1)))
    run_mcmc(Walled(), BANANA.replace(a=Normal(0.0, 0.1, -3.0, 3.0)), target_ess=100)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampler": "emceee"}, "emcee"),
        ({"n_walker": 40}, "n_walkers"),
        ({"n_walkers": 3}, "even and >= 4"),
        ({"n_walkers": True}, "n_walkers"),
        ({"start": "here"}, "laplace"),
        ({"max_steps": 10}, ">= 200"),
        ({"target_ess": 0}, "> 0"),
        ({"seed": -1}, "seed"),
        ({"sampler": "nautilus", "n_live": 5}, "n_live"),
        ({"sampler": "nautilus", "max_steps": 500}, "max_calls"),
    ],
)
def test_wrong_options(options, words):
    with pytest.raises(ParameterError, match=words):
        run_mcmc(Banana(), BANANA, **options)


def test_names_that_files_cannot_have():
    with pytest.raises(ParameterError, match="names = 'draw'"):
        run_mcmc(Gaussian(names=("draw",)), PriorSet({"draw": Uniform(0.0, 1.0)}))


def test_stopping_early_is_said():
    with pytest.warns(ConvergenceWarning, match="250 steps are fewer|steps are fewer"):
        chain = run_mcmc(Banana(), BANANA, seed=1, max_steps=250)
    assert not chain.converged
    assert len(chain.draws) == 250
    with pytest.warns(ConvergenceWarning, match="likelihood calls gave"):
        run_mcmc(Banana(), BANANA, sampler="nautilus", max_calls=3000)


# -- chains ----------------------------------------------------------------------------------------


def test_summary_and_samples():
    chain = run_mcmc(Gaussian(), WIDE, seed=1, target_ess=500)
    row = chain.summary()["b"]
    x = chain.posterior[..., 1]
    assert row["mean"] == pytest.approx(x.mean(), abs=1e-12)
    assert row["median"] == np.median(x)
    np.testing.assert_array_equal(chain["b"], x.ravel())
    assert chain.independent(99).shape == (99, 3)
    with pytest.raises(ParameterError, match="effective samples"):
        chain.independent(100_000)
    with pytest.raises(ParameterError, match="'x'"):
        chain["x"]
    head = chain.summary_lines()[0].split()
    assert head[:3] == ["parameter", "mean", "sd"]
    assert head[-3:] == ["ess", "r_hat", "tau"]
    assert len(chain.summary_lines()) == 4
    best = np.array([[chain.best[name] for name in chain.names]])
    assert Posterior(Gaussian(), WIDE)(best)[0] == chain.log_posterior.max()


def test_file_round_trip(tmp_path):
    chain = run_mcmc(Banana(), BANANA, seed=1, target_ess=500)
    write_chain(tmp_path / "chain.h5", chain)
    again = read_chain(tmp_path / "chain.h5")
    for name in ("draws", "log_posterior", "log_prior"):
        np.testing.assert_array_equal(getattr(again, name), getattr(chain, name))
    assert (again.names, again.n_burn) == (chain.names, chain.n_burn)
    assert again.attributes == chain.attributes
    np.testing.assert_array_equal(again.random_state[1], chain.random_state[1])
    assert again.random_state[2:] == tuple(chain.random_state[2:])


def test_an_interrupt_says_nothing_of_emcee(capsys):
    class Interrupted(Gaussian):
        calls = 0

        def log_likelihood(self, eta):
            self.calls += 1
            if self.calls > 60:
                raise KeyboardInterrupt
            return super().log_likelihood(eta)

    with pytest.raises(KeyboardInterrupt):
        run_mcmc(Interrupted(), WIDE, seed=1, start="prior", target_ess=4000)
    assert capsys.readouterr() == ("", "")
