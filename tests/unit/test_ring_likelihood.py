"""A of Einstein radii, and the likelihood of a selected sample of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from clmassmod.cosmology import resolve_cosmology
from clmassmod.errors import FitError, ParameterError
from clmassmod.population import (
    FindingProbability,
    LensPopulationLikelihood,
    PopulationParameters,
    RingData,
)
from clmassmod.population.cross_section import CrossSection, DetectedCounts
from clmassmod.population.finding import log_find, mean_find
from clmassmod.population.rebuilding import likelihood_from_dict
from clmassmod.population.ring_mock import mock_rings
from clmassmod.population.ring_selection import LensPlanes
from clmassmod.stronglens import LensPopulation, MagnitudeLimit, SourcePopulation

POPULATION, SOURCES = LensPopulation(), SourcePopulation()
DETECTED = DetectedCounts(SOURCES, MagnitudeLimit(), 0.1)
FINDING = FindingProbability(6.0, 1.1)
BOX = {
    "alpha_sps": (-0.1, 0.1),
    "mu_h": (12.8, 13.02),
    "find_slope": (4.0, 8.0),
    "find_radius": (0.9, 1.3),
}
FREE = tuple(BOX)
SURVEY = RingData([1.2, 1.2], 0.8, 11.4, [0.2, 0.15], [0.6, 0.5], [0.03, 0.05])


def likelihood_of(data, box=BOX, **options):
    options = {"free": tuple(box), "box": box, "finding": FINDING} | options
    return LensPopulationLikelihood(data, data="einstein_radius", **options)


def mock_of(n_lenses, seed=1):
    return mock_rings(SURVEY, POPULATION, DETECTED, SOURCES, FINDING, n_lenses=n_lenses, seed=seed)


@pytest.fixture(scope="module")
def likelihood():
    return likelihood_of(mock_of(4))


def test_a_is_the_mean_over_galaxies(likelihood):
    """Monte Carlo of 12,000 galaxies, the same for all eta, with Lambda and theta_E of each."""
    n = 12_000
    points = np.array([(0.0, 12.91, 6.0, 1.1), (0.1, 12.91, 6.0, 1.1), (0.0, 13.0, 4.0, 0.9)])
    found = likelihood.selection_normalisation(points)[:, :2]
    exact, error = np.empty((2, *found.shape))
    for j, (alpha, mu_h, slope, radius) in enumerate(points):
        galaxies = PopulationParameters(POPULATION, ["alpha_sps", "mu_h"]).with_values(
            [alpha, mu_h]
        )
        g = galaxies.sample(np.arange(n), seed=5)
        columns = np.array([g.log_mstar, g.log_re, g.log_mhalo, g.gamma_in, g.c200])
        noise = np.random.default_rng(2).standard_normal(n)
        for i in range(2):
            z_l, z_s = float(SURVEY.z_l[i]), float(SURVEY.z_s[i])
            section = CrossSection(DETECTED, SOURCES, z_l, 4.0, None, [(z_s, 1.0)])
            number, ring = section.by_plane(columns)
            chance = expit(slope * (ring[0] + SURVEY.sigma_theta[i] * noise - radius))
            values = number[0, :, 0] * np.where(np.isnan(ring[0]), 0.0, chance)
            exact[j, i], error[j, i] = values.mean(), values.std() / np.sqrt(n)
    assert (np.abs(found - exact) < 3.5 * error).all()
    assert (error < 0.05 * exact).all()


def test_a_does_not_depend_on_where_its_nodes_are(likelihood):
    budget = likelihood.error_budget([[0.0, 12.9, 6.0, 1.1], [0.05, 12.95, 8.0, 1.0]])
    assert budget.selection < 1e-4
    assert budget.largest_lens < 1e-3


@pytest.mark.slow
def test_numerators_and_a_are_of_the_same_lenses(monkeypatch):
    """The integral of ``L_i p_find`` over all data of a lens is A: radii, sizes and masses.

    Equal steps, which err by 3e-4 for these densities.
    """
    # many of them are lenses that next to no galaxy is
    monkeypatch.setattr("clmassmod.population.ring_kernels._LEAST", -1e9)
    theta = np.exp(np.arange(-1.6, 3.5, 0.2))
    shift = np.arange(-3.0, 3.1, 1.0)
    box = {"mu_h": (12.85, 12.97)}
    # a stellar mass without information; its density is a constant, 1/(sd sqrt(2 pi))
    wide = 1e3
    log_re = 0.9 + 0.3 * shift
    mesh = [a.ravel() for a in np.meshgrid(theta, log_re, indexing="ij")]
    data = RingData(mesh[0], mesh[1], 11.4, 0.2, 0.6, sigma_msps=wide)
    likelihood = likelihood_of(data, box)
    point = np.array([[12.91]])
    terms = likelihood.sample.log_numerators(*likelihood.all_parameters(point), 1)[0]
    total = np.exp(terms) * mesh[0] * 0.2 * 0.3 * wide * np.sqrt(2.0 * np.pi)
    a = likelihood.selection_normalisation(point)[0, 0]
    assert total.sum() == pytest.approx(a, rel=2e-3)


def test_finding_probabilities():
    find = np.array([[6.0, 1.1], [0.0, 1.0], [-3.0, 0.8]])
    theta = np.array([0.2, 1.0, 4.0])
    exact = np.array([FindingProbability(*row)(theta) for row in find])
    assert np.exp(log_find(theta, find)) == pytest.approx(exact, rel=1e-12)
    assert mean_find(theta, 0.0, find) == pytest.approx(exact, rel=1e-5)
    t = np.linspace(-8.0, 8.0, 4001)
    normal = np.exp(-0.5 * t**2) / np.sqrt(2.0 * np.pi) * (t[1] - t[0])
    seen = theta[:, None] + 0.2 * t
    # below four errors nothing is measured
    share = np.clip((seen - 0.8) / (seen[:, 1:2] - seen[:, :1]) + 0.5, 0.0, 1.0)
    smooth = [(FindingProbability(*row)(seen) * share) @ normal for row in find]
    assert mean_find(theta, 0.2, find) == pytest.approx(np.array(smooth), abs=3e-6)
    for wrong in ({"slope": 40.0}, {"slope": np.nan}, {"radius": np.inf}):
        with pytest.raises(ParameterError, match="finding"):
            FindingProbability(**wrong)


def test_radii_with_large_errors():
    """Nodes of the error reach beyond zero, where no lens is."""
    box = {"mu_h": (12.8, 13.0)}
    data = RingData(1.2, 0.8, 11.4, 0.2, 0.6, sigma_theta=[0.06, 0.12, 0.18, 0.25, 0.29])
    values = likelihood_of(data, box).log_likelihood([[12.9]])
    assert np.isfinite(values).all()


def test_a_polynomial_over_redshifts_is_through_some_lenses():
    random = np.random.default_rng(3)
    z_l = random.uniform(0.06, 0.36, 80)
    data = RingData(1.2, 0.8, 11.4, z_l, z_l + random.uniform(0.15, 0.8, 80), 0.03)
    planes = LensPlanes(data, resolve_cosmology(None))
    assert planes.lenses.size == 15
    rows = planes.weights[planes.lenses]
    assert rows == pytest.approx(np.eye(15), abs=1e-9)
    assert planes.weights.sum(axis=1) == pytest.approx(1.0, abs=1e-9)
    # what is passed on of an error of the planes' ln A, as for Fekete points
    assert np.abs(planes.weights).sum(axis=1).max() < 10.0
    assert planes.others.size == 15
    assert not set(planes.others) & set(planes.lenses)
    same = LensPlanes(data[[4, 4, 4]], resolve_cosmology(None))
    assert (same.lenses.size, same.others.size) == (1, 1)
    assert same.weights == pytest.approx(np.ones((3, 1)))


def test_the_budget_sees_the_polynomial_over_redshifts(monkeypatch):
    """One plane for lenses at three redshifts: that A of the others is wrong is noticed."""
    data = RingData(1.2, 0.8, 11.4, [0.2, 0.15, 0.3], [0.6, 0.5, 0.9], 0.03)
    points = [[12.88], [12.94]]
    good = likelihood_of(data, {"mu_h": (12.85, 12.97)}).error_budget(points)
    assert good.selection < 1e-4
    monkeypatch.setattr("clmassmod.population.ring_selection._DEGREES", (0, 0))
    found = likelihood_of(data, {"mu_h": (12.85, 12.97)}).error_budget(points).selection
    assert found > 10.0 * good.selection


def test_threads_and_batches_change_no_bit(likelihood):
    points = likelihood.values + np.linspace(-0.05, 0.05, 9)[:, None]
    every = likelihood.per_lens(points)
    assert (likelihood.per_lens(points[3]) == every[3]).all()
    vectors, survey = likelihood.all_parameters(points)
    two = likelihood.sample.log_selection(vectors, survey, 2)
    assert (two == likelihood.sample.log_selection(vectors, survey, 1)).all()


def test_it_is_made_again_from_its_plain_values(likelihood, tmp_path):
    content, data = likelihood.to_dict(), likelihood.lenses
    assert content["data"] == "einstein_radius"
    first = likelihood_from_dict(content, data, tables=tmp_path)
    assert (first.log_likelihood(first.values) == likelihood.log_likelihood(first.values)).all()
    assert first.identity == likelihood.identity
    kept = sorted(path.name for path in tmp_path.glob("*.h5"))
    assert [name.split("-")[0] for name in kept] == ["ring_kernels", "ring_selection"]
    second = likelihood_from_dict(content, data, tables=tmp_path)
    assert second.versions == first.versions == likelihood.versions
    assert (second.log_likelihood(first.values) == first.log_likelihood(first.values)).all()
    with pytest.raises(FitError, match="not the data"):
        likelihood_from_dict(content, mock_of(3, seed=4))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"selection": "independent"}, "selection"),
        ({"n_galaxies": 1e4}, "n_galaxies"),
        ({"box": BOX | {"find_slope": (0.0, 50.0)}}, "find_slope"),
        ({"free": ("find_slop",), "box": {"find_slop": (1.0, 2.0)}}, "find_slope"),
    ],
)
def test_wrong_options_are_refused(options, named):
    with pytest.raises(ParameterError, match=named):
        likelihood_of(SURVEY, **options)


def test_data_of_another_kind_are_refused():
    with pytest.raises(ParameterError, match="LensData"):
        LensPopulationLikelihood(SURVEY)
    with pytest.raises(ParameterError, match="finding"):
        LensPopulationLikelihood(SURVEY, finding=FINDING)


def test_a_mock_is_drawn_at_a_point(likelihood):
    vectors, survey = likelihood.all_parameters(likelihood.values[None])
    mock = likelihood.sample.mock(vectors[0], survey[0], 50, 7, 1)
    assert set(mock) == set(likelihood.sample.observed())
    assert all(len(column) == 50 for column in mock.values())


def scores_of(likelihood, n=None):
    """Return means and their errors of the slopes of ln L_i - ln A_i at the truth."""
    step = np.array([0.02, 0.02, 0.3, 0.03])
    points = likelihood.values + np.concatenate([np.diag(step), -np.diag(step)])
    terms = likelihood.per_lens(points)
    slopes = (terms[:4] - terms[4:]) / (2.0 * step[:, None])
    return slopes.mean(axis=1), slopes.std(axis=1) / np.sqrt(slopes.shape[1])


@pytest.mark.slow
def test_the_slopes_of_a_mock_are_zero_and_see_a_wrong_selection():
    """Means of the slopes over 400 lenses: within 3 standard errors of 0 at the truth.

    Without A, and with the finding probability left out, they are not.
    """
    data = mock_of(400, seed=11)
    right = likelihood_of(data)
    mean, error = scores_of(right)
    assert (np.abs(mean) < 3.0 * error).all()
    points = right.values + np.array([[0.02, 0.0, 0.0, 0.0], [-0.02, 0.0, 0.0, 0.0]])
    vectors, survey = right.all_parameters(points)
    no_a = right.sample.log_numerators(vectors, survey, 1)
    slope = (no_a[0] - no_a[1]) / 0.04
    assert slope.mean() > 5.0 * slope.std() / np.sqrt(len(data))
    # every radius found alike: light galaxies with small rings seem to be missing
    box = {name: BOX[name] for name in ("alpha_sps", "mu_h")}
    wrong = likelihood_of(data, box, finding=None)
    terms = wrong.per_lens(wrong.values + np.array([[0.02, 0.0], [-0.02, 0.0]]))
    slope = (terms[0] - terms[1]) / 0.04
    assert slope.mean() > 5.0 * slope.std() / np.sqrt(len(data))
