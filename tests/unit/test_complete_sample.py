"""Complete samples: galaxies without a lens, against nested sums and a mock."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from clmassmod.errors import FitError, FormatError, ParameterError
from clmassmod.population import GalaxyData, LensData, LensPopulationLikelihood, build_selection
from clmassmod.population.cross_section import CrossSection, DetectedCounts
from clmassmod.population.non_lenses import NonLensTerm, build_non_lenses, log_observables
from clmassmod.population.parameters import PARAMETERS, PopulationParameters, population_of
from clmassmod.population.rebuilding import likelihood_from_dict
from clmassmod.stronglens import (
    LensPopulation,
    MagnitudeLimit,
    MockGenerator,
    MockNoise,
    SchechterCounts,
    SourcePopulation,
)

SOURCES = SourcePopulation(SchechterCounts(density=600.0))
"""Many, so that a tenth of the galaxies are lenses."""
LIMIT = MagnitudeLimit(26.5)
GENERAL = {
    "mu_star": 11.27,
    "sigma_star": 0.3,
    "shape_star": 0.1,
    "mu_r": 0.8,
    "beta_r": 0.9,
    "sigma_r": 0.2,
    "mu_h": 12.95,
    "beta_h": 1.8,
    "xi_h": -0.4,
    "sigma_h": 0.4,
    "mu_g": 1.1,
    "sigma_g": 0.3,
    "alpha_sps": 0.07,
    "sigma_sps": 0.08,
    "beta_sps": 0.15,
}
POPULATION = population_of(LensPopulation(), GENERAL)
QUICK = population_of(
    LensPopulation(),
    {"sigma_star": 0.15, "beta_r": 0.2, "sigma_r": 0.12, "sigma_h": 0.6, "sigma_g": 0.4},
)
"""Few sizes, wide haloes: small grids."""
BOX = {"mu_h": (12.9, 13.0)}


def term_of(galaxies, population=POPULATION, box=BOX, **options):
    return build_non_lenses(galaxies, population, SOURCES, MockNoise(), LIMIT, box, **options)


def vectors_of(population, **changes):
    parameters = PopulationParameters(population)
    vector = parameters.fixed.copy()
    for name, value in changes.items():
        vector[PARAMETERS.index(name)] = value
    return vector[None]


# -- one galaxy ------------------------------------------------------------------------------------


def normal(excess, sigma):
    return np.exp(-0.5 * (excess / sigma) ** 2) / (sigma * np.sqrt(2.0 * np.pi))


def plain_galaxy(p, log_re, observed, sigma, z_l=0.3):
    """Return p(g) and the mean of e^-Lambda given g, by nested Gauss rules in the relations."""
    x, weight_x = np.polynomial.legendre.leggauss(36)
    x, weight_x = observed + 7.0 * sigma * x, 7.0 * sigma * weight_x
    d, z = x - 11.4, (x - p["mu_star"]) / p["sigma_star"]
    mean_re = p["mu_r"] + p["beta_r"] * d
    skew = special.ndtr(10.0 ** p["shape_star"] * z)
    weight_x = weight_x * 2.0 * normal(x - p["mu_star"], p["sigma_star"]) * skew
    weight_x *= normal(log_re - mean_re, p["sigma_r"]) * normal(observed - x, sigma)
    g, weight_g = np.polynomial.legendre.leggauss(18)
    g = 1.0 + g
    weight_g = weight_g * np.exp(-0.5 * ((g - p["mu_g"]) / p["sigma_g"]) ** 2)
    scattered = 5 if p["sigma_sps"] > 0.0 else 1
    (h, weight_h), (t, weight_t) = (np.polynomial.hermite_e.hermegauss(n) for n in (14, scattered))
    mean_h = p["mu_h"] + p["beta_h"] * d + p["xi_h"] * (log_re - mean_re)
    mean_m = x + p["alpha_sps"] + p["beta_sps"] * d
    log_mstar = mean_m[:, None, None, None] + p["sigma_sps"] * t
    log_mhalo = mean_h[:, None, None, None] + p["sigma_h"] * h[:, None, None]
    section = CrossSection(DetectedCounts(SOURCES, LIMIT, 0.1), SOURCES, z_l)
    none = np.exp(-section(log_mstar, log_re, log_mhalo, g[:, None]))
    weights = weight_x, weight_h / weight_h.sum(), weight_g / weight_g.sum()
    whole = np.einsum("xhgt,x,h,g,t", none, *weights, weight_t / weight_t.sum())
    return weight_x.sum(), whole / weight_x.sum()


@pytest.mark.parametrize("galaxy", [(0.8, 11.4, 0.1), (0.3, 12.1, 0.2)])
def test_a_galaxy_without_a_lens(galaxy):
    """An ordinary one, and a small one with a poor mass: all parameters off their defaults.

    1e-5 of the few per cent that are lenses: what the nested rules are good for.
    """
    p = dict(zip(PARAMETERS, vectors_of(POPULATION)[0].tolist(), strict=True))
    density, none = plain_galaxy(p, *galaxy)
    term = term_of(GalaxyData(*galaxy))
    found = term.log_likelihood(vectors_of(POPULATION))[0]
    assert found == pytest.approx(np.log(density * none), abs=2e-6)
    assert none < 0.9


def test_observables_have_a_closed_form():
    galaxies = GalaxyData([0.8, 1.9, 0.3], [11.4, 10.2, 12.1], [0.1, 0.05, 0.2])
    p = dict(zip(PARAMETERS, vectors_of(POPULATION)[0].tolist(), strict=True))
    x, step = np.linspace(9.0, 13.0, 8001, retstep=True)
    columns = galaxies.log_re, galaxies.log_msps, galaxies.sigma_msps
    for i, found in enumerate(log_observables(*columns, p, 11.4)):
        skew = 2.0 * special.ndtr(10.0 ** p["shape_star"] * (x - p["mu_star"]) / p["sigma_star"])
        values = skew * normal(x - p["mu_star"], p["sigma_star"])
        values *= normal(galaxies.log_re[i] - p["mu_r"] - p["beta_r"] * (x - 11.4), p["sigma_r"])
        values *= normal(galaxies.log_msps[i] - x, galaxies.sigma_msps[i])
        assert found == pytest.approx(np.log(values.sum() * step), abs=1e-9)


# -- many galaxies ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_sums_over_galaxies_are_interpolated():
    """Seven errors: more than six, and so a polynomial; two redshifts."""
    log_msps = np.array([11.1, 11.2, 11.3, 11.35, 11.45, 11.6, 11.8])
    log_re = np.array([0.75, 0.7, 0.77, 0.78, 0.71, 0.73, 0.79])
    sigma = np.array([0.06, 0.16, 0.08, 0.1, 0.14, 0.07, 0.12])
    z_l = np.where(np.arange(7) % 2, 0.3, 0.4)
    p = dict(zip(PARAMETERS, vectors_of(QUICK)[0].tolist(), strict=True))
    term = term_of(GalaxyData(log_re, log_msps, sigma, z_l), QUICK)
    each = [plain_galaxy(p, *one) for one in zip(log_re, log_msps, sigma, z_l, strict=True)]
    expected = sum(np.log(density * none) for density, none in each)
    assert term.log_likelihood(vectors_of(QUICK))[0] == pytest.approx(expected, abs=2e-5)
    assert term.nodes.z_l.tolist() == [0.3, 0.4]
    assert np.unique(term.nodes.sigma_msps).size == 6


def test_lenses_and_non_lenses_are_all_galaxies():
    """The integral over g of p(g) - p(g, no lens) is A of galaxies with any lens.

    That is where the complete sample and the rate agree. The sum over equal steps of both
    observables, a third of their widths, has no error of its own; the grids are good to 1e-5,
    and 2e-5 of the galaxies are further out.
    """
    step = 0.08
    log_re, log_msps = (
        step * np.arange(round(a / step), round(b / step)) for a, b in ((0.2, 1.4), (10.6, 12.3))
    )
    re, msps = (one.ravel() for one in np.meshgrid(log_re, log_msps))
    term = term_of(GalaxyData(re, msps), QUICK)
    nodes = term.nodes
    a = build_selection(QUICK, SOURCES, box=BOX, form="any_lens")
    for mu_h in (12.91, 12.99):
        vectors = vectors_of(QUICK, mu_h=mu_h)
        p = dict(zip(PARAMETERS, vectors[0].tolist(), strict=True))
        columns = nodes.log_re[nodes.size], nodes.log_msps, nodes.sigma_msps
        log_p = log_observables(*columns, p, 11.4)
        share = np.sum(np.exp(log_p) * term.lensed(p)) * step**2
        assert np.exp(log_p).sum() * step**2 == pytest.approx(1.0, abs=3e-5)
        assert share == pytest.approx(np.exp(a.log_a(vectors)[0]), rel=5e-5)


# -- likelihoods -----------------------------------------------------------------------------------

FREE = {"mu_h": 0.03, "alpha_sps": 0.01, "mu_g": 0.03, "mu_star": 0.01, "mu_r": 0.01}
"""Free parameters and the steps of their scores."""


@pytest.fixture(scope="module")
def catalogue():
    return MockGenerator(QUICK, SOURCES).generate(1200, seed=6)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def likelihood(catalogue, tables):
    return LensPopulationLikelihood(
        LensData.from_catalogue(catalogue, "any_lens"),
        QUICK,
        SOURCES,
        free=list(FREE),
        box=box_of_steps(),
        form="any_lens",
        non_lenses=GalaxyData.from_catalogue(catalogue),
        tables=tables,
    )


def box_of_steps():
    truth = dict(zip(PARAMETERS, PopulationParameters(QUICK).fixed.tolist(), strict=True))
    return {name: (truth[name] - 2 * step, truth[name] + 2 * step) for name, step in FREE.items()}


def significance(log_likelihood, truth):
    """Return scores at the truth in units of their standard errors, from three points each."""
    steps = np.diag(list(FREE.values()))
    below, above = log_likelihood(truth - steps), log_likelihood(truth + steps)
    information = -(below + above - 2.0 * log_likelihood(truth)) / np.diag(steps) ** 2
    return (above - below) / (2.0 * np.diag(steps)) / np.sqrt(information)


def test_scores_of_a_mock_vanish_at_the_truth(catalogue, likelihood):
    """Where their variance is the information: within 3 standard errors.

    Without the factor of the galaxies that have no lens they do not.
    """
    assert len(likelihood.lenses) > 80
    assert len(likelihood.lenses) + len(likelihood.sample.non_lenses) == len(catalogue)
    z = significance(likelihood.log_likelihood, likelihood.values)
    assert (np.abs(z) < 3.0).all(), z

    def lenses_alone(eta):
        return likelihood.per_lens(eta).sum(axis=1)

    assert np.abs(significance(lenses_alone, likelihood.values)).max() > 5.0


def test_terms_add_up(likelihood):
    eta = likelihood.values + np.array([[0.0] * 5, [0.01] * 5])
    term = likelihood.sample.others.log_likelihood(likelihood.parameters.vectors(eta))
    expected = likelihood.per_lens(eta).sum(axis=1) + term
    assert likelihood.log_likelihood(eta) == pytest.approx(expected, rel=1e-12)
    assert (likelihood.selection_normalisation(eta) == 1.0).all()
    assert likelihood.log_likelihood(eta[1])[0] == likelihood.log_likelihood(eta)[1]


def test_rebuilding_and_tables(likelihood, tables):
    non_lenses = likelihood.sample.non_lenses
    again = likelihood_from_dict(likelihood.to_dict(), likelihood.lenses, non_lenses, tables=tables)
    assert again.identity == likelihood.identity
    assert again.versions == likelihood.versions
    assert again.log_likelihood(again.values) == likelihood.log_likelihood(again.values)
    with pytest.raises(FitError, match="without a lens"):
        likelihood_from_dict(likelihood.to_dict(), likelihood.lenses, tables=tables)
    path = next(tables.glob("non_lenses-*.h5"))
    with pytest.raises(FormatError, match="non_lenses"):
        NonLensTerm.load(path, "another")


def test_refusals(likelihood):
    lenses, others = likelihood.lenses[:1], likelihood.sample.non_lenses[:3]
    options = {"free": ["mu_h"], "box": BOX}

    def refused(match, **changes):
        given = options | {"form": "any_lens", "non_lenses": others} | changes
        with pytest.raises(ParameterError, match=match):
            LensPopulationLikelihood(lenses, QUICK, SOURCES, **given)

    refused("form", form="lenses")
    refused("neither", form="one_lens")
    refused("n_galaxies", n_galaxies=100.0)
    refused("GalaxyData", non_lenses=lenses)
    refused(r"non_lenses\.z_l", non_lenses=GalaxyData(0.8, 11.4, z_l=0.5))
    with pytest.raises(ParameterError, match="z_l"):
        GalaxyData(0.8, 11.4, z_l=0.0)
    with pytest.raises(ParameterError, match="at index 1"):
        GalaxyData(0.8, [11.4, np.nan])
    with pytest.raises(ParameterError, match="one length"):
        GalaxyData([0.8, 0.9, 1.0], [11.4, 11.5])
