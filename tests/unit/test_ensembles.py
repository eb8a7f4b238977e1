"""Likelihoods of masses integrated over a population: against quadrature and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from ensemble_mocks import (
    GRID,
    PARAMETERS,
    SLOPE,
    TILT,
    density,
    normal_grids,
    quadrature,
    simulated,
)
from scipy import integrate, stats
from scipy.special import logsumexp

from clmassmod.ensembles import (
    MassGrid,
    MassLikelihoods,
    MassRelation,
    MassSamples,
    PopulationLikelihood,
    ProxySelection,
    pareto_k,
    sample_population,
)
from clmassmod.ensembles.relation import standard_cdf
from clmassmod.errors import AccuracyWarning, FitError, ParameterError

MEAN = np.log(6e14)


def integral(objects, shape, mean, sd, **given):
    size = len(objects), 1
    tilts = {"tilt": np.full(size, TILT), "slope": np.full(size, SLOPE)}
    values = objects.integrate(
        shape, np.full(size, mean), np.full(size, sd), [PARAMETERS[shape]], **tilts | given
    )
    return values[:, 0]


@pytest.mark.parametrize("shape", PARAMETERS)
@pytest.mark.parametrize(("measured", "noise"), [(5e14, 4e13), (1e14, 2e14)])
def test_integrals_agree_with_quadrature(shape, measured, noise):
    objects = MassLikelihoods(normal_grids([measured], noise, np.linspace(-1.6e15, 2e15, 200)))
    # Student's t is cut where its tails hold 1e-5
    tolerance = 2e-5 if shape == "student-t" else 1e-7
    for sd in (0.02, 0.4):
        expected = quadrature(
            lambda m: -0.5 * ((m - measured) / noise) ** 2, shape, MEAN, sd, PARAMETERS[shape]
        )
        found = integral(objects, shape, MEAN, sd)[0]
        assert found == pytest.approx(np.log(expected), abs=tolerance)


def test_integrals_do_not_depend_on_the_spacing_of_the_grid():
    # a scatter a hundredth of the spacing, and one far above it
    grids = [np.linspace(-1e15, 3e15, n) for n in (12, 50, 1500)]
    for sd in (0.003, 0.3):
        values = [
            integral(MassLikelihoods(normal_grids([7e14], 2e14, g)), "normal", MEAN, sd)[0]
            for g in grids
        ]
        np.testing.assert_allclose(values, values[-1], rtol=0.0, atol=1e-8)


def test_a_grid_in_ln_mass_is_the_same_likelihood():
    def log_likelihood(m):
        return -0.5 * ((m - 5e14) / 6e13) ** 2 + 0.3 * np.sin(m / 1e14)

    equal, logarithmic = np.linspace(1e13, 1.1e15, 900), np.geomspace(1e13, 1.1e15, 900)
    objects = MassLikelihoods(
        {str(i): MassGrid(g, log_likelihood(g)) for i, g in enumerate((equal, logarithmic))}
    )
    first, second = integral(objects, "normal", MEAN, 0.2)
    assert first == pytest.approx(second, abs=1e-6)  # of two splines of 900 points


def test_without_scatter_the_integral_is_the_likelihood_itself():
    objects = MassLikelihoods(normal_grids([7e14], 2e14))
    found = integral(objects, "normal", MEAN, 0.0)[0]
    assert found == pytest.approx(-0.5 * (1e14 / 2e14) ** 2, abs=1e-10)


def test_a_likelihood_that_falls_steeply_from_below_zero_is_no_error():
    grid = np.linspace(-1e15, 1e15, 21)
    objects = MassLikelihoods(normal_grids([-8e14], 1.2e14, grid))
    u = np.linspace(-9.0, 9.0, 2001)
    value = np.exp(-0.5 * ((np.exp(np.log(1e14) + 0.5 * u) + 8e14) / 1.2e14) ** 2)
    expected = np.log(np.trapezoid(stats.norm.pdf(u) * value, u))
    found = integral(objects, "normal", np.log(1e14), 0.5)[0]
    assert found == pytest.approx(expected, abs=1e-6)


def test_samples_divide_by_the_interim_prior():
    rng = np.random.default_rng(1)
    # a likelihood normal in M, sampled with a prior proportional to 1/M: weights M
    mass = 6e14 + 1.5e14 * rng.standard_normal(200_000)
    mass = mass[mass > 5e13]
    chosen = rng.random(mass.size) < 5e13 / mass
    samples = MassSamples(mass[chosen], -np.log(mass[chosen]))
    objects = MassLikelihoods({"a": samples, **normal_grids([6e14, 6e14], 1.5e14)})
    for shape in PARAMETERS:
        for mean in (MEAN, MEAN - 0.4):
            found = integral(objects, shape, mean, 0.3)
            reference = integral(objects, shape, MEAN + 0.2, 0.3)
            difference = found - reference  # the norm of the samples is not that of the grid
            assert difference[1] == difference[2]
            # 21 000 samples: an average is good to 1 %, and its ln to .01
            assert difference[0] == pytest.approx(difference[1], abs=0.03)


def test_samples_are_summed_as_they_should():
    rng = np.random.default_rng(2)
    mass, log_prior = rng.normal(5e14, 3e14, 203), rng.normal(0.0, 1.0, 203)
    log_weight = rng.normal(0.0, 1.0, 203)
    objects = MassLikelihoods({"a": MassSamples(mass, log_prior, log_weight)})
    good = mass > 0.0
    u = (np.log(mass[good]) - MEAN) / 0.3
    for shape, p in PARAMETERS.items():
        terms = np.log(density(shape, u, p) / 0.3) - np.log(mass[good])
        expected = logsumexp(terms - log_prior[good] + log_weight[good]) - logsumexp(log_weight)
        assert integral(objects, shape, MEAN, 0.3)[0] == pytest.approx(expected, abs=1e-10)


def test_threads_and_batches_do_not_change_a_bit():
    true, measured = simulated(40, -0.1, 0.2, 1.5e14, 3)
    objects = MassLikelihoods(normal_grids(measured, 1.5e14))
    theta = np.random.default_rng(4).uniform([-0.3, 0.05], [0.1, 0.5], (30, 2))
    relation = MassRelation(np.log(true))
    values = PopulationLikelihood(objects, relation).of_objects(theta)
    again = PopulationLikelihood(objects, relation, n_threads=3).of_objects(theta[7:8])
    assert (values[:, 7:8] == again).all()


@pytest.mark.parametrize("shape", ["normal", "skew-normal", "student-t", "mixture"])
def test_shapes_have_mean_zero_and_sd_one(shape):
    u = np.linspace(-400.0, 400.0, 400_001)
    p = density(shape, u, PARAMETERS[shape])
    # the variance of Student's t with 3.5 degrees converges slowly: 2 % are beyond 400
    tolerance = 0.03 if shape == "student-t" else 1e-6
    assert np.trapezoid(p, u) == pytest.approx(1.0, abs=1e-6)
    assert np.trapezoid(p * u, u) == pytest.approx(0.0, abs=1e-6)
    assert np.trapezoid(p * u**2, u) == pytest.approx(1.0, abs=tolerance)
    below = standard_cdf(shape, np.array([-1.0, 0.5, 2.0]), np.array(PARAMETERS[shape]))
    cumulative = integrate.cumulative_trapezoid(p, u, initial=0.0)
    np.testing.assert_allclose(below, np.interp([-1.0, 0.5, 2.0], u, cumulative), atol=1e-5)
    relation = MassRelation(np.zeros(1), shape=shape)
    free = dict(zip(relation.names[2:], PARAMETERS[shape], strict=False))
    theta = np.array([[0.1, 0.3, *free.values()]])
    if shape == "student-t":
        assert np.isnan(relation.mean_ratio(theta)).all()
    else:
        expected = np.trapezoid(p * np.exp(0.1 + 0.3 * np.clip(u, -40, 40)), u)
        assert relation.mean_ratio(theta)[0] == pytest.approx(expected, rel=1e-6)


def test_a_mixture_that_cannot_be_has_no_likelihood():
    true, measured = simulated(3, 0.0, 0.2, 1e14, 5)
    likelihood = PopulationLikelihood(
        MassLikelihoods(normal_grids(measured, 1e14)), MassRelation(np.log(true), shape="mixture")
    )
    # .5 * .5 * 3^2 > 1: the means alone scatter more than the whole
    assert likelihood.log_likelihood([[0.0, 0.2, 0.5, 3.0, 1.0]]) == -np.inf


def test_projections_of_a_halo_share_a_part_of_their_scatter():
    measured, noise = np.array([5e14, 7e14, 6e14]), 1e14
    relation = MassRelation(np.full(3, MEAN), groups=np.array([1, 0, 1]))
    objects = MassLikelihoods(normal_grids(measured, noise))
    likelihood = PopulationLikelihood(objects, relation)
    assert likelihood.names == ("bias", "scatter", "group_correlation")
    sd, rho = 0.3, 0.6
    found = likelihood.of_objects([[0.05, sd, rho]])[:, 0]

    u = np.linspace(-8.0, 8.0, 801)

    def given(h, i):
        mass = np.exp(MEAN + 0.05 + sd * (np.sqrt(rho) * h + np.sqrt(1 - rho) * u))
        value = np.exp(-0.5 * ((mass - measured[i]) / noise) ** 2)
        return np.trapezoid(stats.norm.pdf(u) * value, u)

    h = np.linspace(-7.0, 7.0, 57)
    both = [given(x, 0) * given(x, 2) * stats.norm.pdf(x) for x in h]
    assert found[1] == pytest.approx(np.log(np.trapezoid(both, h)), abs=1e-6)
    alone = [given(x, 1) * stats.norm.pdf(x) for x in h]
    assert found[0] == pytest.approx(np.log(np.trapezoid(alone, h)), abs=1e-6)


@pytest.mark.parametrize("first", ["bias", "mean"])
def test_selection_is_normalised_for_every_object(first):
    selection = ProxySelection(0.3, intercept=0.1, slope=1.3, scatter=0.25)
    offset, log_mass = np.full(1, MEAN), np.full(1, 0.15)
    relation = MassRelation(offset, first=first, log_mass=log_mass, selection=selection)
    objects = MassLikelihoods(normal_grids([6e14], 1.5e14))
    theta = [0.1, 0.3] + ([0.5] if first == "bias" else [])
    found = PopulationLikelihood(objects, relation).of_objects([theta])[0, 0]

    u = np.linspace(-9.0, 9.0, 4001)
    if first == "bias":  # the proxy depends on the true mass, its scatter on that of the mass
        mean_proxy = 0.1 + 1.3 * 0.15 + 0.25 * 0.5 * u
        spread = 0.25 * np.sqrt(1 - 0.5**2)
    else:
        mean_proxy, spread = 0.1 + 1.3 * (0.1 + 0.3 * u), 0.25
    kept = stats.norm.sf((0.3 - mean_proxy) / spread)
    p = stats.norm.pdf(u) * kept
    value = np.exp(-0.5 * ((np.exp(MEAN + 0.1 + 0.3 * u) - 6e14) / 1.5e14) ** 2)
    expected = np.trapezoid(p * value, u) / np.trapezoid(p, u)
    assert found == pytest.approx(np.log(expected), abs=1e-7)
    below = relation.cdf(np.array(theta))(0, MEAN + 0.1 + 0.3 * np.array([-1.0, 0.7]))
    cumulative = integrate.cumulative_trapezoid(p, u, initial=0.0) / np.trapezoid(p, u)
    np.testing.assert_allclose(below, np.interp([-1.0, 0.7], u, cumulative), atol=1e-5)


# -- ranks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [1.0, 0.5, 0.25])
@pytest.mark.parametrize("n_grid", [60, 301])
def test_ranks_are_probabilities_of_lower_data_whatever_function_of_mass_they_are(power, n_grid):
    # data normal about (M / 5e14)^power; a likelihood flat in M is wrong by up to .07
    width, scatter = 0.3 * power, 0.2
    data = np.array([0.6, 0.95, 1.4]) ** power
    grid = np.linspace(1e13, 3e15, n_grid)
    objects = {
        str(i): MassGrid(grid, -0.5 * (((grid / 5e14) ** power - x) / width) ** 2)
        for i, x in enumerate(data)
    }
    found = MassLikelihoods(objects).rank_below(
        lambda i, y: stats.norm.cdf((y - np.log(5e14)) / scatter)
    )
    u = np.linspace(-8.0, 8.0, 2001)
    lower = stats.norm.cdf((data[:, None] - np.exp(power * scatter * u)) / width)
    expected = np.trapezoid(lower * stats.norm.pdf(u), u, axis=1)
    # steps of a sixth and a thirtieth of the error, and what a grid from 1e13 on leaves out
    np.testing.assert_allclose(found, expected, atol=2e-4 if n_grid > 100 else 5e-3)


def test_the_rank_of_a_likelihood_greatest_at_an_end_of_its_grid():
    grid = np.linspace(2e14, 2e15, 100)
    objects = MassLikelihoods(
        {"a": MassGrid(grid, -(grid / 1e14)), "b": MassGrid(grid, grid / 1e14)}
    )
    found = objects.rank_below(lambda i, y: np.where(y < np.log(1e14), 0.0, 1.0))
    # all masses of the grids are above those of the population
    np.testing.assert_allclose(found, 1.0)


# -- importance sampling ------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0.2, 0.5, 1.0])
def test_pareto_k_is_that_of_a_pareto_tail(k):
    rng = np.random.default_rng(6)
    found = [pareto_k(-k * np.log(rng.random(4000))) for _ in range(20)]
    # 189 ratios in the tail: scatter .08 each, and the prior pulls to .5 by a twentieth
    assert np.mean(found) == pytest.approx(k, abs=0.08)


def test_pareto_k_of_equal_or_few_ratios():
    assert pareto_k(np.zeros(100)) == -np.inf
    assert pareto_k(np.zeros(10)) == np.inf
    assert pareto_k(np.array([0.0, *[-np.inf] * 999])) == np.inf


def samples_of(measured, noise, rng, size=1500):
    mass = measured + noise * rng.standard_normal(size)
    return MassSamples(mass, np.zeros(size))


def test_samples_far_from_the_population_are_told_of():
    rng = np.random.default_rng(7)
    true, measured = simulated(40, 0.0, 0.25, 1e14, 8)
    objects = {str(i): samples_of(m, 1e14, rng) for i, m in enumerate(measured)}
    likelihood = PopulationLikelihood(MassLikelihoods(objects), MassRelation(np.log(true)))
    _, posterior = sample_population(likelihood, n_grid=15, n_samples=200)
    assert max(posterior.diagnostics["pareto_k"].values()) < 0.7
    assert 0.0 < posterior.diagnostics["sampling_error"] < 1.0
    # one whose samples are nine standard deviations above its true mass
    least = int(np.argmin(true))
    objects[str(least)] = samples_of(true[least] + 9e14, 1e14, rng)
    likelihood = PopulationLikelihood(MassLikelihoods(objects), MassRelation(np.log(true)))
    with pytest.warns(AccuracyWarning, match=rf"1 of 40 objects.*: {least} \("):
        sample_population(
            likelihood,
            {"scatter": {"distribution": "uniform", "low": 0.05, "high": 0.15}},
            n_grid=15,
            n_samples=200,
        )


def test_too_many_bad_samples_are_refused():
    rng = np.random.default_rng(9)
    true = np.full(10, 5e14)
    objects = {str(i): samples_of(1e15, 1e14, rng) for i in range(10)}
    likelihood = PopulationLikelihood(MassLikelihoods(objects), MassRelation(np.log(true)))
    priors = {
        "bias": {"distribution": "uniform", "low": -0.1, "high": 0.1},
        "scatter": {"distribution": "uniform", "low": 0.1, "high": 0.15},
    }
    with pytest.raises(FitError, match="scan their masses"):
        sample_population(likelihood, priors, n_grid=10, n_samples=200)


# -- wrong calls --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ({}, "at least one"),
        ({"a": MassGrid(GRID[:5], GRID[:5])}, ">= 8"),
        ({"a": MassGrid(GRID[::-1], GRID)}, "increasing"),
        ({"a": MassGrid(GRID, np.full(GRID.size, np.nan))}, "-inf"),
        ({"a": MassGrid(GRID - 1e16, -((GRID / 1e15) ** 2))}, "above 0"),
        ({"a": MassGrid(GRID, GRID[:-1])}, "shape"),
        ({"a": MassSamples(-np.ones(50), np.zeros(50))}, "Scan the mass"),
        ({"a": MassSamples(np.ones(50), np.zeros(49))}, "of one"),
        ({"a": GRID}, "MassGrid or MassSamples"),
    ],
)
def test_wrong_likelihoods(objects, words):
    with pytest.raises(ParameterError, match=words):
        MassLikelihoods(objects)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"shape": "lognormal"}, "normal"),
        ({"first": "b"}, "'bias' or 'mean'"),
        ({"shape": "mixture", "groups": np.zeros(2, int)}, "'normal' with groups"),
        ({"mean_terms": {"x": np.zeros(3)}}, r"\(2,\)"),
        ({"groups": np.zeros(2, int), "selection": ProxySelection(0.0)}, "absent"),
    ],
)
def test_wrong_relations(given, words):
    with pytest.raises(ParameterError, match=words):
        MassRelation(np.zeros(2), **given)


def test_a_cut_likelihood_is_told_of():
    short = np.linspace(4e14, 2e15, 100)
    objects = MassLikelihoods(normal_grids([5e14, 1.2e15], 1e14, short))
    assert objects.cut == ("h00000",)


def test_samples_hold_a_narrow_population_as_grids_do():
    """ln L as the scatter goes to 0: finite, and near that of the exact likelihoods."""
    rng = np.random.default_rng(8)
    noise, log_mass = 0.15, 34.5 + 0.15 * rng.standard_normal(40)
    draws = [m + noise * rng.standard_normal(4000) for m in log_mass]
    # under a prior flat in ln M
    objects = {f"{i}": MassSamples(np.exp(one), -one) for i, one in enumerate(draws)}
    likelihoods = MassLikelihoods(objects)
    scatter = np.array([0.0, 1e-4, 2e-3, 0.01, 0.03, 0.1])
    shape = (len(objects), scatter.size)
    values = likelihoods.integrate(
        "normal", np.full(shape, 34.5), np.broadcast_to(scatter, shape)
    ).sum(axis=0)
    variance = noise**2 + scatter**2
    exact = -0.5 * (log_mass[:, None] - 34.5) ** 2 / variance - 0.5 * np.log(variance)
    exact = exact.sum(axis=0)
    # 40 objects with 4000 x 0.4 x 2 sqrt(pi) x 0.03 = 170 samples inside: .077 each, .49 together
    np.testing.assert_allclose(values - values[-1], exact - exact[-1], atol=3.0 * 0.49)
    assert values[0] == values[1] == values[2]  # narrower than .03 standard deviations
