"""Simulation-based calibration of models with a known posterior, right and wrong."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import stats

from clmassmod.errors import FitError, FormatError, ParameterError
from clmassmod.inference.calibration import simulation_based_calibration
from clmassmod.inference.prior_set import PriorSet
from clmassmod.inference.priors import Normal, Uniform
from clmassmod.inference.samplers import run_mcmc

NOISE = 0.5
WIDTH = NOISE / np.sqrt(1.0 + NOISE**2)


def draw_prior(seed):
    return np.random.default_rng(seed).standard_normal(2)


def simulate(truth, seed):
    return truth + NOISE * np.random.default_rng(seed).standard_normal(2)


def posterior(data, seed, scale=1.0, shift=0.0, n=400):
    """Conjugate: mean d / (1 + s^2), sd s / sqrt(1 + s^2)."""
    draws = np.random.default_rng(seed).standard_normal((n, 2))
    return data / (1.0 + NOISE**2) + WIDTH * (shift + scale * draws)


def calibrated(n=300, seed=1, samples=posterior, **options):
    return simulation_based_calibration(draw_prior, simulate, samples, n, seed, **options)


@pytest.fixture(scope="module")
def right():
    return calibrated(names=("x", "y"))


def test_a_right_model_passes(right):
    assert np.all(right.rank_p_value() > 1e-4)
    assert np.all(right.width_p_value() > 1e-4)
    for level in (0.682689, 0.9545):
        assert np.all(right.coverage_p_value(level) > 1e-4)


def test_numbers_are_those_of_the_definition(right):
    truth, ranks, pit = right.truth[:, 0], right.ranks[:, 0], right.pit[:, 0]
    assert (ranks.min(), ranks.max()) >= (0, 0)
    assert ranks.max() <= right.n_draws
    # the rank among 99 of 400 samples and the share of all of them: binomial scatter < .05 x 5
    np.testing.assert_allclose(ranks / right.n_draws, pit, atol=0.25)
    inside = np.abs(pit - 0.5) <= 0.5 * 0.9
    assert right.coverage(0.9)[0] == inside.mean()
    # z of a conjugate model is normal itself; 400 samples give mean and sd to 5 %
    assert stats.kstest(right.z[:, 0], "norm").pvalue > 1e-4
    np.testing.assert_allclose(stats.norm.cdf(right.z[:, 0]), pit, atol=0.12)
    assert truth.std() == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("scale", [1.5, 1.0 / 1.5])
def test_wrong_widths_are_detected(scale):
    wrong = calibrated(samples=partial(posterior, scale=scale))
    assert np.all(wrong.width_p_value() < 1e-4)
    assert np.all(wrong.coverage_p_value(0.682689) < 1e-4)
    assert np.all(wrong.rank_p_value() < 1e-3)


def test_a_shift_is_detected():
    wrong = calibrated(samples=partial(posterior, shift=0.4))
    assert np.all(wrong.rank_p_value() < 1e-4)


def test_simulations_do_not_depend_on_their_number_or_the_processes(right):
    part = calibrated(n=40, names=("x", "y"), executor=2)
    np.testing.assert_array_equal(part.truth, right.truth[:40])
    np.testing.assert_array_equal(part.ranks, right.ranks[:40])
    np.testing.assert_array_equal(part.z, right.z[:40])


def test_an_interrupted_calibration_goes_on(tmp_path, right):
    path = tmp_path / "sbc.npz"
    calls = []

    def stopped(data, seed):
        calls.append(seed)
        if len(calls) in (50, 120):
            raise KeyboardInterrupt
        return posterior(data, seed)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            calibrated(samples=stopped, names=("x", "y"), checkpoint=path)
    result = calibrated(samples=stopped, names=("x", "y"), checkpoint=path)
    np.testing.assert_array_equal(result.ranks, right.ranks)
    assert len(calls) == 302
    fewer = calibrated(n=100, samples=stopped, names=("x", "y"), checkpoint=path)
    np.testing.assert_array_equal(fewer.z, right.z[:100])
    assert len(calls) == 302
    with pytest.raises(ParameterError, match="same seed"):
        calibrated(seed=2, names=("x", "y"), checkpoint=path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    for damaged in (bytes(content), b"", b"text"):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match="damaged"):
            calibrated(names=("x", "y"), checkpoint=path)


@pytest.mark.parametrize(
    ("samples", "options", "error", "words"),
    [
        (lambda d, s: np.zeros((50, 2)), {}, FitError, r"simulation 0: samples are \(50, 2\)"),
        (lambda d, s: np.zeros((500, 3)), {}, FitError, r"\(500, 3\)"),
        (lambda d, s: np.full((500, 2), np.nan), {}, FitError, "not finite"),
        (posterior, {"n": 0}, ParameterError, "n = 0"),
        (posterior, {"n_draws": 2.5}, ParameterError, "n_draws"),
        (posterior, {"n": 3, "names": ("x",)}, ParameterError, "2 names"),
        (posterior, {"seed": -1}, ParameterError, "seed"),
    ],
)
def test_wrong_calls(samples, options, error, words):
    with pytest.raises(error, match=words):
        calibrated(samples=samples, **options)


def test_lines(right):
    lines = right.lines()
    assert lines[0].split()[:2] == ["parameter", "p(ranks)"]
    assert [line.split()[0] for line in lines[1:]] == ["x", "y"]


# -- of the sampler itself -------------------------------------------------------------------------


class Measured:
    """Normal data of unknown mean and log10 scatter."""

    names = ("mean", "log_scatter")
    support = {"log_scatter": (-2.0, 2.0)}
    identity = "data"
    versions = {}

    def __init__(self, data):
        self._data = np.asarray(data)

    def log_likelihood(self, eta):
        sd = 10.0 ** eta[:, 1]
        squares = ((self._data - eta[:, :1]) ** 2).sum(axis=1)
        return -0.5 * squares / sd**2 - self._data.size * np.log(sd)

    def to_dict(self):
        return {}


PRIORS = PriorSet({"mean": Normal(0.0, 2.0), "log_scatter": Uniform(-0.7, 0.7)})


def test_ranks_of_emcee_are_uniform():
    def data_of(truth, seed):
        return np.random.default_rng(seed).normal(truth[0], 10.0 ** truth[1], 12)

    def samples_of(data, seed):
        chain = run_mcmc(Measured(data), PRIORS, seed=seed, n_walkers=16, target_ess=200)
        return chain.samples

    found = simulation_based_calibration(
        lambda seed: PRIORS.sample(1, seed)[0], data_of, samples_of, 60, 5, names=PRIORS.names
    )
    assert np.all(found.rank_p_value() > 1e-4)
    assert np.all(found.coverage_p_value(0.682689) > 1e-4)
