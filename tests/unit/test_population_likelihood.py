"""A(eta) and the likelihood of a selected sample."""

from __future__ import annotations

import numpy as np
import pytest

from clmassmod.errors import ParameterError
from clmassmod.population import complete_sample, pair_sample
from clmassmod.population.galaxy_data import GalaxyData
from clmassmod.population.lens_data import LensData
from clmassmod.population.likelihood import LensPopulationLikelihood
from clmassmod.population.parameters import DEFAULT_FREE
from clmassmod.stronglens import MockGenerator, SourcePopulation
from clmassmod.stronglens.observation import Detection, MagnitudeLimit

# of the twin (tests/unit/selection_twin.py), which took ten minutes for its grid
LN_A = np.log(0.0040770357)
TWO = {"x_a": 6.6, "x_b": -3.1, "log_re": 0.9, "m_a": [24.0] * 2, "m_b": 24.9, "log_msps": 11.5}
TWO |= {"name": ["first", "second"]}
DELTA = [
    ({"mu_h": 13.01}, 0.106795),
    ({"beta_h": 2.34}, 0.050403),
    ({"sigma_h": 0.27}, -0.070243),
    ({"sigma_h": 0.15}, -0.113650),
    ({"sigma_h": 0.10}, -0.123193),
    ({"mu_g": 1.1}, 0.199602),
    ({"sigma_g": 0.15}, -0.062881),
    ({"alpha_sps": 0.1}, 0.283700),
]


@pytest.fixture(scope="module")
def catalogue():
    return MockGenerator().generate(10_000, seed=20)


@pytest.fixture(scope="module")
def likelihood(catalogue):
    return LensPopulationLikelihood(LensData.from_catalogue(catalogue)[:20])


def eta_of(likelihood, **changes):
    return np.array(
        [changes.get(n, v) for n, v in zip(likelihood.names, truth_of(likelihood), strict=True)]
    )


def truth_of(likelihood):
    return likelihood.values


def test_a_is_that_of_the_twin(likelihood):
    """The twin errs by 1e-5 in ln A and a few 1e-6 in its differences.

    The values of the design document differ from both by up to 3e-4.
    """
    base = np.log(likelihood.selection_normalisation(truth_of(likelihood)))[0]
    assert base == pytest.approx(LN_A, abs=2e-5)
    for changes, expected in DELTA:
        value = np.log(likelihood.selection_normalisation(eta_of(likelihood, **changes)))[0]
        assert value - base == pytest.approx(expected, abs=5e-6)


def test_a_is_the_mean_of_the_mock(likelihood, catalogue):
    mean = catalogue.galaxies["n_detected"].mean()
    error = catalogue.galaxies["n_detected"].std() / np.sqrt(len(catalogue))
    a = likelihood.selection_normalisation(truth_of(likelihood))[0]
    assert abs(mean - a) < 4.0 * error


def test_terms_add_up(likelihood):
    eta = np.array([truth_of(likelihood), eta_of(likelihood, mu_h=12.7)])
    each = likelihood.per_lens(eta)
    assert likelihood.log_likelihood(eta) == pytest.approx(each.sum(axis=1), rel=1e-12)
    rate = LensPopulationLikelihood.__new__(LensPopulationLikelihood)
    rate.__dict__.update(likelihood.__dict__ | {"n_galaxies": 10_000.0})
    a = likelihood.selection_normalisation(eta)
    expected = each.sum(axis=1) + 20 * np.log(a) - 10_000.0 * a
    assert rate.log_likelihood(eta) == pytest.approx(expected, rel=1e-12)


def test_walls(likelihood):
    outside = eta_of(likelihood, mu_h=14.5)
    assert likelihood.log_likelihood(outside)[0] == -np.inf
    with pytest.raises(ParameterError, match="mu_h 12 to 14"):
        likelihood.selection_normalisation(outside)
    with pytest.raises(ParameterError, match=r"eta\[0\]: mu_h"):
        likelihood.log_likelihood(eta_of(likelihood, mu_h=np.nan))
    with pytest.raises(ParameterError, match=r"eta\.shape"):
        likelihood.log_likelihood([0.0, 12.9])


def test_description(likelihood):
    content = likelihood.to_dict()
    assert (content["selection"], content["imf"]) == ("on_data", "chabrier")
    assert tuple(content["free"]) == DEFAULT_FREE == likelihood.names
    assert len(likelihood.identity) == 64


def test_error_budget_names_the_worst(likelihood):
    """Above the tolerance are only lenses that the finest rule still moves."""
    kernels, budget = likelihood.sample.kernels, likelihood.error_budget()
    assert ((kernels.errors < 5e-4) | (kernels.n_slopes == 385)).all()
    assert budget.largest_lens == kernels.errors.max()
    assert budget.lens == likelihood.lenses.name[int(np.argmax(kernels.errors))]


def no_kernels(*_, **__):
    raise AssertionError("kernels are made")


def test_wrong_arguments(catalogue):
    data = LensData.from_catalogue(catalogue)[:2]
    with pytest.raises(ParameterError, match="a range of every free name"):
        LensPopulationLikelihood(data, free=["alpha_sps"], box={"mu_h": (12.0, 13.0)})
    with pytest.raises(ParameterError, match="for which A is made"):
        LensPopulationLikelihood(data, sources=SourcePopulation(redshift=1.5))
    with pytest.raises(ParameterError, match="n_galaxies"):
        LensPopulationLikelihood(data, n_galaxies=0.0)
    with pytest.raises(ParameterError, match=r"free = 'alpha'.*Did you mean 'alpha_sps'"):
        LensPopulationLikelihood(data, free=["alpha", "mu_h"])
    with pytest.raises(
        ParameterError, match=r"box=\{'mu_h': \(12\.0, 14\.0\), 'xi_h': \(low, high\)\}"
    ):
        LensPopulationLikelihood(data, free=["mu_h", "xi_h"])


def test_parameters_by_name_are_refused(likelihood):
    with pytest.raises(ParameterError, match=r"eta = .*numbers .*order is alpha_sps, mu_h"):
        likelihood.log_likelihood({"alpha_sps": 0.0, "mu_h": 12.9})


@pytest.mark.parametrize(
    ("form", "change", "named"),
    [
        ("lenses", {}, "rows 0 and 1 are the same lens"),
        ("any_lens", {"m_a": [24.0, 24.1]}, r"one lens for form='any_lens' \(rows 0 and 1"),
    ],
)
def test_a_lens_that_is_there_twice_is_refused(form, change, named, monkeypatch):
    monkeypatch.setattr(pair_sample, "build_kernels", no_kernels)
    data = LensData(**TWO | {"name": ["one", "one"]} | change)
    with pytest.raises(ParameterError, match=f"name = 'one'.*{named}"):
        LensPopulationLikelihood(data, form=form)
    # two sources behind one galaxy
    with pytest.raises(AssertionError, match="kernels are made"):
        LensPopulationLikelihood(LensData(**TWO | {"name": ["one", "one"], "m_a": [24.0, 24.1]}))


class BothBright(Detection):
    """Pairs whose magnitudes sum to less than 50."""

    def detects(self, m_a, m_b):
        return m_a + m_b < 50.0

    def to_dict(self):
        return {"detection": "both-bright"}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, r"lens second: m_b = 28\.9 .* 26\.5 mag.*selection='independent'"),
        ({"detection": MagnitudeLimit(25.9)}, r"lens second: m_a = 26\.0 .* 25\.9 mag"),
        ({"detection": BothBright()}, r"lens second: \(m_a, m_b\) = \(26\.0, 28\.9\).*BothBright"),
        ({"non_lenses": GalaxyData(0.8, 11.4), "form": "any_lens"}, "lens second: m_b"),
    ],
)
def test_magnitudes_that_are_not_detected_are_refused(options, named, monkeypatch):
    for module in (pair_sample, complete_sample):
        monkeypatch.setattr(module, "build_kernels", no_kernels)
    lenses = LensData(**TWO | {"m_a": [24.0, 26.0], "m_b": [24.9, 28.9]})
    with pytest.raises(ParameterError, match=named):
        LensPopulationLikelihood(lenses, **options)
    if not options:  # other data decided
        with pytest.raises(AssertionError, match="kernels are made"):
            LensPopulationLikelihood(lenses, selection="independent")


@pytest.mark.slow
def test_scores_vanish_at_the_truth():
    """The mean slope of ln L_i - ln A at the truth is zero within its scatter."""
    data = LensData.from_catalogue(MockGenerator().generate(150_000, seed=77))
    likelihood = LensPopulationLikelihood(data)
    truth = truth_of(likelihood)
    for i, step in enumerate((0.01, 0.02, 0.05, 0.01, 0.02, 0.01)):
        points = np.tile(truth, (2, 1))
        points[:, i] += [-step, step]
        low, high = likelihood.per_lens(points)
        score = (high - low) / (2.0 * step)
        assert abs(score.mean()) < 4.0 * score.std() / np.sqrt(len(data))
