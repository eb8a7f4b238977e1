"""Forms of the selection: what a galaxy with several lensed sources counts for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from population_twin import Cells, Counts, Eta, Model, Pair, Rule, cells_of, log_likelihood
from scipy import special
from selection_twin import with_lambda

from clmassmod.distributions import Normal
from clmassmod.errors import ParameterError
from clmassmod.population import LensData, LensPopulationLikelihood, build_selection
from clmassmod.population.cross_section import CrossSection, DetectedCounts
from clmassmod.population.kernel_forms import FORMS, KernelForm
from clmassmod.population.kernels import build_kernels
from clmassmod.population.parameters import PopulationParameters, population_of
from clmassmod.population.rebuilding import likelihood_from_dict
from clmassmod.stronglens import (
    ConcentrationRelation,
    LensPopulation,
    MagnitudeLimit,
    MockGenerator,
    SchechterCounts,
    SourcePopulation,
)
from clmassmod.stronglens.observation import Detection

DENSE = 600.0
"""Sources per arcmin^2: Lambda near 0.1, so that forms differ."""
SOURCES = SourcePopulation(SchechterCounts(density=DENSE))
SLOPES = Normal(1.0, 0.2, 0.8, 1.2)
"""A short support, which is quick for the twin."""
BOX = {"mu_h": (12.9, 12.95)}
WIDE = population_of(
    LensPopulation(), {"sigma_star": 0.4, "sigma_r": 0.3, "sigma_h": 0.6, "sigma_g": 0.4}
)
"""Wide scatters: grids of A are small."""
PARAMS = PopulationParameters(WIDE, ["mu_h"])
FACTORS = {
    "any_lens": lambda number: -np.expm1(-number) / number,
    "one_lens": lambda number: np.exp(-number),
}
PAIR = {"x_a": 6.62, "x_b": -3.07, "log_re": 0.9, "m_a": 24.03, "m_b": 24.87, "log_msps": 11.48}


# -- numerators ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def twin():
    """Return the twin's pair, model, the cells that matter and their Lambda."""
    pair = Pair(**PAIR)
    model = Model(counts=Counts(density=DENSE), gamma_low=0.8, gamma_high=1.2)
    rule = Rule(gamma_panels=1, width=0.6, order=3, lowest=11.5, magnitude_nodes=24)
    cells = cells_of(pair, model, rule)
    kept = cells.log_weight > cells.log_weight.max() - 7.0
    cells = Cells(*(getattr(cells, name)[kept] for name in Cells.__dataclass_fields__))
    heavy = with_lambda(cells, pair, model, lambda number: number)
    return pair, model, cells, np.exp(heavy.log_weight - cells.log_weight)


@pytest.mark.parametrize("form", ["any_lens", "one_lens"])
def test_numerators_are_those_of_the_twin(twin, form):
    """The twin's Lambda is good to 3e-4, its factor to 1e-4; the kernels to some 1e-5."""
    pair, model, cells, number = twin
    population = LensPopulation(inner_slope=SLOPES)
    points = PopulationParameters(population, ["mu_h"]).vectors([[12.92]])
    one = LensData(**PAIR)
    plain, found = (
        build_kernels(one, population, SOURCES, BOX, form=f).per_lens(points)[0, 0]
        for f in ("lenses", form)
    )
    heavy = replace(cells, log_weight=cells.log_weight + np.log(FACTORS[form](number)))
    expected = [log_likelihood(c, pair, model, Eta(mu_h=12.92)) for c in (heavy, cells)]
    assert found - plain == pytest.approx(expected[0] - expected[1], abs=1e-4)
    assert found - plain < -0.02


def test_factors_where_lambda_is_small_or_large():
    counts = DetectedCounts(SOURCES, MagnitudeLimit(26.5), 0.1)
    psi = np.array([[5.0, 11.5, 12.0], [0.9] * 3, [8.0, 13.0, 15.2], [1.0] * 3, [5.0] * 3])
    number = CrossSection(counts, SOURCES)(*psi)
    assert number[0] == 0.0
    assert number[2] > 10.0
    for form, exact in FACTORS.items():
        found = KernelForm(form, counts, SOURCES, 4.0).log_factor(0.3, psi)
        assert found[0] == 0.0
        assert found[1:] == pytest.approx(np.log(exact(number[1:])), rel=1e-12)


def test_concentrations_with_scatter_have_lambdas_of_their_own():
    """A mean over Gauss nodes of c, of f(Lambda) / Lambda at each."""
    population = LensPopulation(concentration=ConcentrationRelation(5.0, 0.1))
    one = LensData(**PAIR)
    points = PopulationParameters(population, ["mu_h"]).vectors([[12.92]])
    found = build_kernels(one, population, SOURCES, BOX, form="one_lens").per_lens(points)[0, 0]
    t, weight = np.polynomial.hermite_e.hermegauss(5)
    each = [
        build_kernels(
            one,
            LensPopulation(concentration=5.0 * 10.0 ** (0.1 * v)),
            SOURCES,
            BOX,
            form="one_lens",
        ).per_lens(points)[0, 0]
        for v in t
    ]
    # nodes are chosen for each c
    assert found == pytest.approx(np.log(np.exp(each) @ weight / weight.sum()), abs=1e-4)


# -- likelihoods -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def catalogue():
    return MockGenerator(WIDE, SOURCES).generate(150, seed=4)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


def likelihood_of(catalogue, **options):
    lenses = LensData.from_catalogue(catalogue, "one_lens")[:3]
    return LensPopulationLikelihood(lenses, WIDE, SOURCES, free=["mu_h"], box=BOX, **options)


@pytest.mark.parametrize("form", ["any_lens", "one_lens"])
def test_likelihood_of_a_form(catalogue, form, tables):
    """Kernels and A are of the same form; the number of galaxies with a lens is binomial."""
    made = likelihood_of(catalogue, form=form, n_galaxies=150.0, tables=tables)
    points = PARAMS.vectors([[12.91], [12.94]])
    kernels = build_kernels(made.lenses, WIDE, SOURCES, BOX, form=form)
    a = np.exp(build_selection(WIDE, SOURCES, box=BOX, form=form, tables=tables).log_a(points))
    expected = kernels.log_likelihood(points) + 147.0 * np.log(1.0 - a)
    assert made.log_likelihood([[12.91], [12.94]]) == pytest.approx(expected, rel=1e-12)
    again = likelihood_from_dict(made.to_dict(), made.lenses, tables=tables)
    assert again.identity == made.identity
    assert (again.log_likelihood([12.91]) == made.log_likelihood([12.91])).all()


def test_forms_have_identities_and_tables_of_their_own(catalogue, tables):
    made = [likelihood_of(catalogue, form=form, tables=tables) for form in FORMS]
    assert len({one.identity for one in made}) == 3
    assert len({one.to_dict()["form"] for one in made}) == 3
    assert len(list(tables.glob("*.h5"))) == 6
    values = [one.log_likelihood([12.92])[0] for one in made]
    assert len(set(values)) == 3
    again = likelihood_of(catalogue, form="one_lens", tables=tables)
    assert again.log_likelihood([12.92])[0] == values[2]


def test_wrong_forms_are_refused(catalogue):
    with pytest.raises(ParameterError, match="one_lens"):
        likelihood_of(catalogue, form="onelens")
    with pytest.raises(ParameterError, match="n_galaxies"):
        likelihood_of(catalogue, form="any_lens", n_galaxies=2)


# -- rules of detection ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Completeness(Detection):
    """A rule as a user may write it."""

    middle: float = 26.6

    def detects(self, m_a, m_b):
        return (m_a < self.middle) & (m_b < self.middle)

    def probability(self, m, sigma):
        return 0.95 * special.expit((self.middle - m) / 0.2)

    def to_dict(self):
        return {"detection": "completeness", "middle": self.middle}


def test_a_rule_of_ones_own(catalogue):
    """Where the data decide, it is in A and Lambda; of other data, in no kernel."""
    made = likelihood_of(catalogue, detection=Completeness())
    a = build_selection(WIDE, SOURCES, detection=Completeness(), box=BOX)
    expected = np.exp(a.log_a(PARAMS.vectors([[12.92]])))
    assert made.selection_normalisation([12.92]) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ParameterError, match="MagnitudeLimit"):
        build_kernels(
            made.lenses, WIDE, SOURCES, BOX, selection="independent", detection=Completeness()
        )
