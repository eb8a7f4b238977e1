"""Counts of the sources that are free: weights of nodes, A, counts of a field, their posterior."""

from __future__ import annotations

import json

import numpy as np
import pytest
from kernel_reference import BruteForce
from scipy.integrate import quad, simpson
from scipy.optimize import minimize
from scipy.stats import norm, poisson

from clmassmod.errors import ParameterError
from clmassmod.population import (
    FieldCounts,
    LensData,
    LensPopulationLikelihood,
    PopulationParameters,
    build_kernels,
    build_selection,
    count_family,
)
from clmassmod.population.free_counts import CountRatios
from clmassmod.population.galaxy_data import GalaxyData
from clmassmod.population.rebuilding import likelihood_from_dict
from clmassmod.stronglens import (
    BasisCounts,
    LensPopulation,
    MockGenerator,
    SchechterCounts,
    SourcePopulation,
)

BASE = SchechterCounts()
FAMILY = count_family(BASE)
COUNTS_BOX = {"source_slope": (-1.5, -1.1), "source_m_star": (24.2, 24.8)}
OTHERS = [(-1.5, 24.2), (-1.1, 24.8), (-1.37, 24.35)]
POPULATION_BOX = {"mu_h": (12.88, 12.94)}
PARAMETERS = PopulationParameters(LensPopulation(), ["mu_h"])
EDGES = np.arange(21.0, 26.01, 0.5)


def values_of(pairs, density=BASE.density):
    return np.array([[a, m, density] for a, m in pairs])


@pytest.fixture(scope="module")
def data():
    return LensData.from_catalogue(MockGenerator().generate(2_500, seed=5))


@pytest.fixture(scope="module")
def kernels(data):
    return build_kernels(data[:6], box=POPULATION_BOX, counts_box=COUNTS_BOX)


def field_of(counts, area, seed=3):
    """Return a mock of the counts of a field."""
    share = np.diff(counts.cdf(EDGES))
    numbers = np.random.default_rng(seed).poisson(area * counts.density * share)
    return FieldCounts(EDGES, numbers, area)


@pytest.fixture(scope="module")
def likelihood(data, tmp_path_factory):
    return LensPopulationLikelihood(
        data[:4],
        free=("source_slope", "mu_h", "source_m_star", "source_density"),
        box=POPULATION_BOX | COUNTS_BOX | {"source_density": (20.0, 40.0)},
        field_counts=field_of(BASE, 2_000.0),
        tables=tmp_path_factory.mktemp("tables"),
    )


# -- families ------------------------------------------------------------------------------------


def test_densities_are_those_of_the_counts():
    m = np.linspace(20.0, 30.0, 101)
    given = values_of(OTHERS, 12.0)
    for row, (a, m_star) in zip(np.exp(FAMILY.log_density(given, m)), OTHERS, strict=True):
        assert row == pytest.approx(
            SchechterCounts(a, m_star, density=12.0).density_at(m), rel=1e-11
        )
    knots = np.linspace(20.0, 30.0, 6)
    spline = count_family(BasisCounts(knots, np.ones(8)))
    c = np.random.default_rng(1).uniform(0.5, 2.0, (2, 8))
    expected = BasisCounts(knots, c[1]).density_at(m)
    assert np.exp(spline.log_density(c, m))[1] == pytest.approx(expected, rel=1e-13)


def test_a_basis_makes_all_counts_of_a_box():
    """Members are added until the next one is 3e-7 from those before."""
    basis = FAMILY.basis(COUNTS_BOX)
    assert 6 <= len(basis.members) <= 14
    rng = np.random.default_rng(2)
    pairs = np.column_stack([rng.uniform(*COUNTS_BOX[n], 50) for n in COUNTS_BOX])
    m = np.linspace(20.5, 29.5, 200)
    got = basis.coefficients(FAMILY, values_of(pairs)) @ [n.density_at(m) for n in basis.members]
    expected = np.array([SchechterCounts(*pair).density_at(m) for pair in pairs])
    assert np.abs(got - expected).max() < 1e-6 * expected.max()


def test_splines_are_their_own_basis():
    counts = BasisCounts(np.array([20.0, 23.0, 24.5, 30.0]), [1.0, 2.0, 0.5, 3.0, 4.0, 5.0])
    family = count_family(counts)
    assert family.names == tuple(f"source_count_{k}" for k in range(6))
    c = np.random.default_rng(1).uniform(0.5, 2.0, (3, 6))
    basis = family.basis(dict.fromkeys(family.names, (0.1, 3.0)))
    assert basis.coefficients(family, c) == pytest.approx(c, rel=1e-12)
    assert basis.members == tuple(counts.element(k) for k in range(6))
    assert len(family.training(dict.fromkeys(family.names, (0.1, 3.0)))) == 12


# -- weights of nodes ----------------------------------------------------------------------------


def log_convolved(counts, u, sigma):
    """Return ln of the counts convolved with an error, by Simpson's rule."""
    m = np.linspace(max(20.0, u - 9.0 * sigma), min(30.0, u + 9.0 * sigma), 4001)
    return np.log(simpson(counts.density_at(m) * norm.pdf(m, u, sigma), x=m))


@pytest.mark.parametrize(
    "sigma", [[0.0707], [0.03, 0.1, 0.3], np.geomspace(0.04, 0.2, 12)], ids=["one", "few", "many"]
)
def test_ratios_are_those_of_the_integrals(sigma):
    """Within the counts, and at the faint end where the errors cross it.

    Largest, 1e-5, at 21 mag with errors of 0.3 mag: the counts fall by e^20 over 2 mag. Twelve
    errors share 8 tables.
    """
    ratios = CountRatios(FAMILY, np.array(sigma))
    first, inverse_step = ratios.axis
    for lens in {0, len(sigma) // 2, len(sigma) - 1}:
        table = ratios.mixed(values_of(OTHERS), lens)
        for u in (21.0, 23.37, 25.0, 27.81, 30.0 - sigma[lens], 30.0 + 1.3 * sigma[lens]):
            i, t = divmod((u - first) * inverse_step, 1.0)
            got = table[:, int(i)] @ t ** np.arange(4)
            for one, (a, m) in zip(got, OTHERS, strict=True):
                other = log_convolved(SchechterCounts(a, m), u, sigma[lens])
                expected = other - log_convolved(BASE, u, sigma[lens])
                assert one == pytest.approx(expected, abs=2e-5)


def test_lenses_equal_brute_force(data, kernels):
    """As close as kernels of fixed counts are: see test_kernel_brute_force.py."""
    brute = BruteForce.fine(10, 4e-3)
    vectors = PARAMETERS.vectors([[12.91], [12.88]])
    for a, m in OTHERS:
        brute.counts = SchechterCounts(a, m)
        got = kernels.per_lens(vectors, values_of([(a, m)] * 2))
        for lens in range(3):
            expected = brute.log_likelihood(data[lens], vectors)
            assert got[:, lens] == pytest.approx(expected, abs=5e-4)


def test_kernels_of_these_counts(data, kernels):
    """Kernels made for other counts have other nodes: a check of what is left out.

    Counts matter: between the first two they change ln L by more than 0.3.
    """
    vectors = PARAMETERS.vectors([[12.91]])
    for a, m in OTHERS:
        sources = SourcePopulation(SchechterCounts(a, m))
        own = build_kernels(data[:6], sources=sources, box=POPULATION_BOX).per_lens(vectors)
        assert kernels.per_lens(vectors, values_of([(a, m)])) == pytest.approx(own, abs=2e-4)
    change = np.diff(kernels.per_lens(np.tile(vectors, (2, 1)), values_of(OTHERS[:2])), axis=0)
    assert np.abs(change).max() > 0.3


def test_unequal_errors_and_splines(data):
    """Each lens its own error, and coefficients of splines that are free."""
    few = data[:5]
    columns = {name: getattr(few, name) for name in ("x_a", "x_b", "log_re", "m_a", "m_b")}
    errors = {"sigma_a": np.linspace(0.05, 0.25, 5), "sigma_b": 0.1}
    uneven = LensData(**columns, log_msps=few.log_msps, **errors)
    knots = np.array([20.0, 22.0, 24.0, 26.0, 30.0])
    spline = BasisCounts(knots, [0.1, 0.5, 1.0, 3.0, 8.0, 12.0, 15.0])
    box = {"source_count_3": (2.0, 5.0), "source_count_4": (5.0, 12.0)}
    sources = SourcePopulation(spline)
    free = build_kernels(uneven, sources=sources, box=POPULATION_BOX, counts_box=box)
    c = np.array(spline.coefficients)
    c[3:5] = 4.5, 6.0
    other = SourcePopulation(BasisCounts(knots, c))
    vectors = PARAMETERS.vectors([[12.91]])
    expected = build_kernels(uneven, sources=other, box=POPULATION_BOX).per_lens(vectors)
    assert free.per_lens(vectors, c[None]) == pytest.approx(expected, abs=2e-4)
    assert free[[3, 1]].per_lens(vectors, c[None])[0] == pytest.approx(
        expected[0, [3, 1]], abs=2e-4
    )


def test_same_bits(kernels):
    vectors = PARAMETERS.vectors(np.linspace(12.88, 12.94, 5)[:, None])
    counts = values_of([*OTHERS, *OTHERS[:2]])
    one = kernels.per_lens(vectors, counts)
    assert np.array_equal(one, kernels.per_lens(vectors, counts, n_threads=3))
    assert np.array_equal(one[2:3], kernels.per_lens(vectors[2:3], counts[2:3]))
    assert np.array_equal(kernels.log_likelihood(vectors, counts), one.sum(axis=1))


def test_files(tmp_path, data, kernels):
    given = {"box": POPULATION_BOX, "counts_box": COUNTS_BOX, "tables": tmp_path}
    made, found = (build_kernels(data[:6], **given) for _ in range(2))
    assert made.root_hash == found.root_hash == kernels.root_hash
    vectors, counts = PARAMETERS.vectors([[12.9]]), values_of(OTHERS[:1])
    assert np.array_equal(found.per_lens(vectors, counts), kernels.per_lens(vectors, counts))
    assert build_kernels(data[:6], box=POPULATION_BOX).identity != made.identity


# -- counts of a field ---------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.0, 0.15])
def test_expected_numbers_are_integrals(sigma):
    edges, completeness = np.array([20.0, 22.0, 25.3, 26.0]), np.array([1.0, 0.9, 0.4])
    field = FieldCounts(edges, [3, 200, 70], 7.0, sigma, completeness)
    values = values_of(OTHERS[:1], 30.0)
    counts = SchechterCounts(*OTHERS[0], density=30.0)

    def share(m, j):
        if sigma == 0.0:
            return float(edges[j] <= m < edges[j + 1])
        return np.diff(norm.cdf(edges[j : j + 2], m, sigma))[0]

    expected = [
        7.0 * quad(lambda m, j=j: counts.density_at(m) * share(m, j), 20.0, 28.0, points=edges)[0]
        for j in range(3)
    ]
    expected *= completeness
    assert field.expected(FAMILY, values)[0] == pytest.approx(expected, rel=1e-7)
    log_p = poisson.logpmf([3, 200, 70], expected).sum()
    assert field.log_likelihood(FAMILY, values)[0] == pytest.approx(log_p, rel=1e-8)


def test_empty_bins_where_nothing_is_expected():
    """Expected numbers below the smallest float: the chance of none is 1."""
    field = FieldCounts([20.0, 21.0, 27.0, 28.0], [0, 0, 1], 1.0)
    found = field.log_likelihood(FAMILY, values_of([(-1.3, 29.0)], 30.0))
    expected = field.expected(FAMILY, values_of([(-1.3, 29.0)], 30.0))[0]
    assert expected[0] == 0.0
    assert found == pytest.approx(poisson.logpmf([0, 0, 1], expected).sum())


def test_bad_fields():
    with pytest.raises(ParameterError, match="strictly increasing"):
        FieldCounts([21.0, 20.0], [3], 1.0)
    with pytest.raises(ParameterError, match="1 whole numbers"):
        FieldCounts([20.0, 21.0], [2.5], 1.0)
    with pytest.raises(ParameterError, match="area"):
        FieldCounts([20.0, 21.0], [2], 0.0)
    with pytest.raises(ParameterError, match="sigma"):
        FieldCounts([20.0, 21.0], [2], 1.0, -0.1)
    with pytest.raises(ParameterError, match="completeness"):
        FieldCounts([20.0, 21.0], [2], 1.0, completeness=[0.0])
    with pytest.raises(ParameterError, match="20 to 30 mag"):
        FieldCounts([19.0, 21.0], [2], 1.0).expected(FAMILY, FAMILY.values)


# -- the likelihood ------------------------------------------------------------------------------


def test_a_is_that_of_the_counts(likelihood):
    """To 1e-6, what the basis leaves: 1e-3 in ln L of a thousand lenses."""
    for a, m in OTHERS[:2]:
        eta = [a, 12.9, m, 35.0]
        sources = SourcePopulation(SchechterCounts(a, m, density=35.0))
        expected = build_selection(sources=sources, box=POPULATION_BOX)
        log_a = expected.log_a(PARAMETERS.vectors([[12.9]]))[0]
        assert np.log(likelihood.selection_normalisation(eta)[0]) == pytest.approx(log_a, abs=1e-6)


def test_density_cancels_but_in_the_field(likelihood):
    eta = np.array([[-1.3, 12.9, 24.5, d] for d in (25.0, 35.0)])
    assert np.diff(likelihood.per_lens(eta), axis=0) == pytest.approx(0.0, abs=1e-9)
    field = likelihood.field_counts.log_likelihood(FAMILY, eta[:, [0, 2, 3]])
    assert np.diff(likelihood.log_likelihood(eta)) == pytest.approx(np.diff(field), abs=1e-7)
    assert np.diff(np.log(likelihood.selection_normalisation(eta))) == pytest.approx(
        np.log(35.0 / 25.0), abs=1e-9
    )


def test_outside_the_box(likelihood):
    assert np.array_equal(likelihood.values, [-1.3, 12.91, 24.5, 28.57])
    assert likelihood.log_likelihood([-1.6, 12.9, 24.5, 28.57])[0] == -np.inf
    with pytest.raises(ParameterError, match=r"source_slope -1\.5 to -1\.1"):
        likelihood.per_lens([-1.6, 12.9, 24.5, 28.57])


def test_made_again(likelihood, tmp_path_factory):
    """From plain values, with the tables that were kept."""
    content = json.loads(json.dumps(likelihood.to_dict()))
    folder = tmp_path_factory.getbasetemp()
    tables = next(folder.glob("tables*"))
    again = likelihood_from_dict(content, likelihood.lenses, tables=tables)
    assert again.identity == likelihood.identity
    eta = [[-1.25, 12.92, 24.4, 27.0]]
    assert np.array_equal(again.log_likelihood(eta), likelihood.log_likelihood(eta))


def test_mock_of_other_counts(likelihood):
    """Flat counts with a bright knee give brighter lenses; the number is that of A."""
    truth = likelihood.parameters.vectors([[12.91]])[0]
    drawn = [
        likelihood.sample.mock(truth, np.array([a, m, 28.57]), 150, 7, 1) for a, m in OTHERS[:2]
    ]
    faint, bright = (one["m_a"] for one in drawn)
    assert abs(faint.size - 150) < 5 * np.sqrt(150)
    assert abs(bright.size - 150) < 5 * np.sqrt(150)


def test_refused_likelihoods(data):
    box = POPULATION_BOX | COUNTS_BOX | {"source_density": (20.0, 40.0), "source_slop": (0.0, 1.0)}
    field = FieldCounts([20.0, 21.0], [2], 1.0)
    others = GalaxyData(data.log_re[2:], data.log_msps[2:])
    for free, given, message in [
        (["source_density"], {}, "cancels without n_galaxies"),
        (["source_slope"], {"selection": "independent"}, "'on_data' with free"),
        (["source_slope"], {"form": "one_lens"}, "'lenses' with free"),
        (["source_slope"], {"non_lenses": others}, "parameters of the population"),
        (["source_slop"], {}, r"among .*source_slope"),
        (["mu_h"], {"field_counts": field}, "free parameters of the counts"),
    ]:
        with pytest.raises(ParameterError, match=message):
            LensPopulationLikelihood(data[:2], free=free, box=box, **given)


def test_refused_kernels(data):
    gap = BasisCounts([20.0, 25.0, 30.0], [0.0, 1.0, 1.0, 1.0, 1.0])
    for counts, box, message in [
        (BASE, {"source_density": (0.0, 3.0)}, "low > 0"),
        (BASE, {"source_slope": (-1.0, -1.2)}, "low < high"),
        (gap, {"source_count_1": (0.5, 2.0)}, "> 0 where some are free"),
    ]:
        with pytest.raises(ParameterError, match=message):
            build_kernels(data[:2], sources=SourcePopulation(counts), counts_box=box)
    fixed = build_kernels(data[:1], box=POPULATION_BOX)
    with pytest.raises(ParameterError, match="kernels are of fixed counts"):
        fixed.per_lens(PARAMETERS.vectors([[12.9]]), values_of(OTHERS[:1]))


def test_the_field_fixes_the_counts(likelihood):
    """The best point lies within errors of the truth, in slope, knee and density."""

    def cost(eta):
        value = likelihood.log_likelihood([eta[0], 12.91, eta[1], eta[2]])[0]
        return -value if np.isfinite(value) else 1e6

    found = minimize(cost, [-1.35, 24.4, 27.0], method="Nelder-Mead", options={"xatol": 1e-3})
    steps = np.diag([0.01, 0.02, 0.3])

    def second(i, j):
        at = [found.x + s * steps[i] + t * steps[j] for s in (-1, 1) for t in (-1, 1)]
        values = [cost(x) for x in at]
        return (values[0] - values[1] - values[2] + values[3]) / (4 * steps[i, i] * steps[j, j])

    curvature = np.array([[second(i, j) for j in range(3)] for i in range(3)])
    miss = found.x - [BASE.slope, BASE.m_star, BASE.density]
    # chi^2 of 3 degrees of freedom, 99.9 %
    assert miss @ curvature @ miss < 16.3


@pytest.mark.slow
def test_scores_vanish_at_the_truth():
    """The mean slope of ln L_i - ln A in the counts is zero at the truth; without A it is not."""
    data = LensData.from_catalogue(MockGenerator().generate(80_000, seed=77))
    free = ("mu_h", "source_slope", "source_m_star")
    likelihood = LensPopulationLikelihood(data, free=free, box=POPULATION_BOX | COUNTS_BOX)
    for column in (1, 2):
        points = np.tile(likelihood.values, (2, 1))
        points[:, column] += -0.02, 0.02
        scores = np.diff(likelihood.per_lens(points), axis=0)[0] / 0.04
        error = scores.std() / np.sqrt(len(data))
        slope_of_a = np.diff(np.log(likelihood.selection_normalisation(points)))[0] / 0.04
        assert abs(scores.mean()) < 4.0 * error
        assert abs(scores.mean() + slope_of_a) > 8.0 * error
