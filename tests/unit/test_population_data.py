"""Data of image pairs, and parameters of a population by name."""

from __future__ import annotations

import numpy as np
import pytest

from clmassmod.cosmology import angular_diameter_distance
from clmassmod.distributions import Normal
from clmassmod.errors import ParameterError
from clmassmod.population import (
    PARAMETERS,
    GalaxyData,
    LensData,
    PopulationParameters,
    RingData,
)
from clmassmod.stronglens import HaloMassRelation, LensPopulation, MockGenerator, SkewNormal

PAIR = {"x_a": 6.6, "x_b": -3.1, "log_re": 0.9, "m_a": 24.0, "m_b": 24.9, "log_msps": 11.5}


def test_numbers_and_arrays_broadcast():
    data = LensData(**PAIR | {"x_a": [6.6, 7.1, 8.0]}, name=["a", "b", "c"])
    assert len(data) == 3
    assert data.sigma_a.tolist() == [0.1] * 3
    few = data[[2, 0]]
    assert few.name == ("c", "a")
    assert few.x_a.tolist() == [8.0, 6.6]
    assert data[1].name == ("b",)


def test_angles_are_lengths_over_distances():
    kpc = angular_diameter_distance(0.5) * 1e3 * np.pi / 648_000.0
    others = {k: v for k, v in PAIR.items() if not k.startswith("x")}
    data = LensData.from_arcsec(1.2, -0.6, 0.5, **others)
    assert data.x_a[0] == pytest.approx(1.2 * kpc, rel=1e-14)
    assert data.x_b[0] == pytest.approx(-0.6 * kpc, rel=1e-14)


def test_catalogue():
    catalogue = MockGenerator(noise={"log_re": 0.03, "time_delay": 2.0}, time_delays=True).generate(
        4000, seed=3
    )
    data, lenses = LensData.from_catalogue(catalogue), catalogue.lenses
    assert len(data) == len(lenses["x_a"]) > 5
    assert (data.m_b == lenses["m_b_obs"]).all()
    assert (data.time_delay == lenses["time_delay_obs"]).all()
    assert set(data.sigma_re) == {0.03}
    assert set(data.sigma_delay) == {2.0}


def test_the_hash_is_over_every_column():
    hashes = {LensData(**PAIR).hash}
    for name, value in PAIR.items():
        hashes.add(LensData(**PAIR | {name: value * 1.001}).hash)
    hashes.add(LensData(**PAIR, z_s=1.9).hash)
    assert len(hashes) == len(PAIR) + 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"x_b": 3.1}, "x_b"),
        ({"x_b": -7.0}, "image A is the outer one"),
        ({"x_a": np.nan}, "x_a"),
        ({"x_a": [1.0, 2.0], "m_a": [1.0, 2.0, 3.0]}, "shapes"),
        ({"x_a": "far"}, "x_a"),
        ({"sigma_a": 0.0}, "sigma_a"),
        ({"sigma_re": -0.1}, "sigma_re"),
        ({"z_l": 2.5}, "z_s"),
        ({"z_l": 0.0}, "z_l"),
        ({"time_delay": 30.0}, "sigma_delay"),
        ({"x_a": [[6.6]]}, "shape"),
        ({"name": ["a", "b"]}, "name"),
    ],
)
def test_wrong_data_are_named(change, named):
    with pytest.raises(ParameterError, match=named):
        LensData(**PAIR | change)


def test_every_parameter_finds_its_place():
    population = LensPopulation()
    parameters = PopulationParameters(population, free=PARAMETERS)
    eta = parameters.values * 1.01 + 0.001
    changed = PopulationParameters(parameters.with_values(eta), free=PARAMETERS)
    assert changed.values == pytest.approx(eta, rel=1e-15)
    # the free ones alone, in the order they were asked for
    two = PopulationParameters(population, free=["sigma_h", "mu_star"])
    vector = two.vectors([0.2, 11.0])[0]
    assert vector[PARAMETERS.index("sigma_h")] == 0.2
    assert vector[PARAMETERS.index("mu_star")] == 11.0
    assert (np.flatnonzero(vector != two.fixed) == [0, 9]).all()


@pytest.mark.parametrize(
    ("relations", "free", "named"),
    [
        ({}, ["mu_halo"], "mu_h"),
        ({}, ["mu_h", "mu_h"], "different names"),
        ({"halo_mass": 13.0}, ["mu_h"], "population.halo_mass"),
        ({"inner_slope": 1.0}, ["mu_g"], "population.inner_slope"),
        ({"inner_slope": Normal(1.0, 0.2, 0.0, 3.0)}, ["mu_g"], "population.inner_slope"),
        ({"stellar_mass": Normal(11.0, 0.2)}, ["mu_h"], "population.stellar_mass"),
    ],
)
def test_wrong_parameters_are_named(relations, free, named):
    with pytest.raises(ParameterError, match=named):
        PopulationParameters(LensPopulation(**relations), free)


def test_a_size_relation_of_its_own_is_refused():
    size = LensPopulation().size
    own = HaloMassRelation(12.9, 2.0, 0.1, 0.3, size=type(size)(0.5, 1.0, 0.1))
    with pytest.raises(ParameterError, match=r"halo_mass\.size"):
        PopulationParameters(LensPopulation(halo_mass=own))
    same = HaloMassRelation(12.9, 2.0, 0.1, 0.3, size=size)
    star = SkewNormal(11.3, 0.2, 0.1)
    assert PopulationParameters(LensPopulation(halo_mass=same, stellar_mass=star)).values[1] == 12.9


RING = {"theta_e": 1.2, "log_re": 0.8, "log_msps": 11.4, "z_l": 0.2, "z_s": 0.6}
GALAXY = {"log_re": 0.8, "log_msps": 11.4}
KINDS = [(LensData, PAIR), (RingData, RING), (GalaxyData, GALAXY)]


@pytest.mark.parametrize(("kind", "good"), KINDS)
@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("log_re", 5.6, r"log_re = 5\.6.*log10 of kpc, -2 to 3 \(at index 1\).*in kpc\?"),
        ("log_msps", 2e11, r"log_msps = 2.*log10 of Msun, 5 to 14 \(at index 1\).*in Msun\?"),
    ],
)
def test_sizes_and_masses_that_are_no_logarithms_are_refused(kind, good, name, wrong, words):
    with pytest.raises(ParameterError, match=words):
        kind(**good | {name: [good[name], wrong]})


@pytest.mark.parametrize(("kind", "good"), KINDS)
def test_a_column_of_one_row_is_no_number_for_all(kind, good):
    with pytest.raises(ParameterError, match=r"log_re 2, log_msps 1"):
        kind(**good | {"log_re": [0.8, 0.9], "log_msps": [11.4]})
    assert len(kind(**good | {"log_re": [0.8], "log_msps": [11.4]})) == 1
    assert len(kind(**good | {"log_re": [0.8, 0.9]})) == 2
