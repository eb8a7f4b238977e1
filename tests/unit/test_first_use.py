"""What a first user stumbled over: each is an error that helps, or works."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM, LambdaCDM, w0waCDM

import clmassmod as clm
from clmassmod.configuration.info import MockInfo
from clmassmod.cosmology import cosmology_from_dict, cosmology_to_dict
from clmassmod.distributions import Uniform
from clmassmod.errors import ConfigError, FormatError, ParameterError
from clmassmod.stronglens import (
    ConcentrationRelation,
    LensCatalogue,
    LensModel,
    LensPopulation,
    MockGenerator,
    ProfileLens,
    Relation,
    SchechterCounts,
    SourcePopulation,
    disc_magnification,
    solve_images,
)

COSMOLOGY = FlatLambdaCDM(67.7, 0.31, Tcmb0=0)


@pytest.mark.parametrize("value", ["11.5", True, np.array(["11.5"]), np.array([True])])
def test_text_and_truth_are_no_numbers(value):
    with pytest.raises(ParameterError, match="log_mstar"):
        LensModel(value, 13.0, 0.9)
    with pytest.raises(ParameterError, match="beta"):
        solve_images(LensModel(11.5, 13.0, 0.9), value)


@pytest.mark.parametrize(
    ("arguments", "name"), [((3e11, 13.0, 0.9), "log_mstar"), ((11.5, 13.0, 8.0), "log_re")]
)
def test_a_mass_where_its_logarithm_belongs(arguments, name):
    with pytest.raises(ParameterError, match="log10") as caught:
        LensModel(*arguments)
    assert caught.value.name == name


def test_something_that_is_no_lens():
    for call in (solve_images, lambda model, beta: disc_magnification(model, beta, 0.1)):
        with pytest.raises(ParameterError, match="model"):
            call({"log_mstar": 11.5}, 1.0)


def test_profiles_and_sources_of_different_number():
    halo = clm.NFW(np.full(3, 1e13), 6.0, redshift=0.3)
    with pytest.raises(ParameterError, match="shapes"):
        ProfileLens(halo, [2.0, 1.0])
    with pytest.raises(ParameterError, match=r"stars\.redshift"):
        ProfileLens(halo, 2.0, stars=clm.DeVaucouleurs(1e11, 0.01, redshift=0.2))


@pytest.mark.parametrize("cosmology", [COSMOLOGY, LambdaCDM(70, 0.3, 0.6), FlatLambdaCDM(70, 0.3)])
def test_cosmologies_survive_as_plain_values(cosmology):
    again = cosmology_from_dict(cosmology_to_dict(cosmology))
    z = np.array([0.2, 1.0, 3.0])
    np.testing.assert_array_equal(again.comoving_distance(z), cosmology.comoving_distance(z))


def test_other_cosmologies_are_named():
    content = cosmology_to_dict(w0waCDM(70, 0.3, 0.7))
    with pytest.raises(ParameterError, match="cosmology"):
        cosmology_from_dict(content)


def test_a_catalogue_knows_its_cosmology_and_makes_its_generator_again():
    concentration = ConcentrationRelation("duffy08", 0.1, COSMOLOGY)
    population = LensPopulation(z_l=Uniform(0.2, 0.5), concentration=concentration)
    generator = MockGenerator(population=population, cosmology=COSMOLOGY)
    catalogue = generator.generate(2000, seed=4)
    assert catalogue.cosmology == COSMOLOGY
    lenses = catalogue.sources
    z_l = catalogue.galaxies["z_l"][lenses["galaxy_id"]]
    arcsec = catalogue.to_arcsec(lenses["einstein_radius"], z_l)
    distance = COSMOLOGY.angular_diameter_distance(z_l).to_value("kpc")
    expected = np.rad2deg(lenses["einstein_radius"] / distance) * 3600.0
    np.testing.assert_allclose(arcsec, expected, rtol=1e-10)
    again = MockGenerator(**catalogue.metadata["configuration"]).generate(2000, seed=4)
    for name, column in catalogue.galaxies.items():
        np.testing.assert_array_equal(again.galaxies[name], column)


def test_radii_of_galaxies_are_for_the_median_source():
    sources = SourcePopulation(redshift=clm.SourceDistribution([0.2, 1.0, 8.0], [0.2, 0.7, 0.1]))
    catalogue = MockGenerator(sources=sources).generate(200, seed=1)
    assert catalogue.metadata["reference_redshift"] == 1.0
    g = catalogue.galaxies
    lens = LensModel(g["log_mstar"], g["log_mhalo"], g["log_re"], 0.3, 1.0, g["gamma_in"])
    np.testing.assert_array_equal(g["einstein_radius"], lens.einstein_radius())


def test_more_sources_than_can_be_are_refused():
    sources = SourcePopulation(SchechterCounts(density=1e12))
    with pytest.raises(ParameterError, match="density"):
        MockGenerator(sources=sources).generate(10, seed=1)


def test_a_catalogue_that_is_not_there(tmp_path):
    with pytest.raises(FormatError, match="there is none"):
        LensCatalogue.read(tmp_path / "none.h5")


def test_a_column_that_an_own_relation_does_not_find_is_named():
    class Own(Relation):
        def sample(self, uniforms, given):
            return given["log_mass"]

        def log_density(self, value, given):
            return value

        def cdf(self, value, given):
            return value

        def to_dict(self):
            return {}

    with pytest.raises(ParameterError, match="log_msps") as caught:
        LensPopulation(size=Own()).sample(range(3), seed=1)
    assert caught.value.value == "log_mass"


def test_keys_under_another_name():
    with pytest.raises(ConfigError, match="Did you mean 'mu'"):
        MockInfo.from_dict({"population": {"halo_mass": {"mean": 13.0}}})


def test_one_lens_shows_its_numbers():
    assert "log_mstar=11.5" in repr(LensModel(11.5, 13.0, 0.9))


def test_a_tiny_disc_is_a_point():
    lens = LensModel(11.5, 13.0, 0.9)
    images = solve_images(lens, 1.0)
    for radius in (1e-16, 1e-9, 1e-5):
        disc = disc_magnification(lens, 1.0, radius)
        # the second derivative of mu over the disc, (radius/theta_E)^2
        assert disc.mu_a == pytest.approx(images.mu_a, rel=1e-9)
        assert disc.mu_b == pytest.approx(images.mu_b, rel=1e-9)
