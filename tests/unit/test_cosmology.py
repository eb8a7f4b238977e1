"""Distances and densities against astropy, mass definitions against published numbers."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import clmassmod as clm
from clmassmod import cosmology as cosmo
from clmassmod.errors import ParameterError


def cosmologies():
    from astropy.cosmology import FlatLambdaCDM, LambdaCDM, Planck18, w0waCDM

    return {
        "default": cosmo.default_cosmology(),
        "neutrinos": Planck18,
        "radiation": FlatLambdaCDM(67.74, 0.3089, Tcmb0=2.7255, Neff=3.046),
        "open": LambdaCDM(70, 0.3, 0.6),
        "closed": LambdaCDM(70, 0.3, 0.8),
        "dark energy": w0waCDM(70, 0.3, 0.7, w0=-0.9, wa=0.3),
    }


REDSHIFT = np.concatenate([[0.0, 1e-6, 1e-3], np.linspace(0.01, 29.9, 300)])


@pytest.mark.parametrize("name", cosmologies())
def test_distances_and_densities_are_those_of_astropy(name):
    c = cosmologies()[name]
    distance = c.comoving_transverse_distance(REDSHIFT).to_value("Mpc")
    # astropy's own quadrature: 1.5e-8 absolute in units of c/H0 at worst, 1e-11 as a rule
    assert cosmo.transverse_comoving_distance(REDSHIFT, c) == pytest.approx(
        distance, rel=3e-11, abs=1e-9
    )
    angular = c.angular_diameter_distance(REDSHIFT).to_value("Mpc")
    assert cosmo.angular_diameter_distance(REDSHIFT, c) == pytest.approx(
        angular, rel=3e-11, abs=1e-9
    )
    density = c.critical_density(REDSHIFT).to_value("Msun / Mpc3")
    assert cosmo.critical_density(REDSHIFT, c) == pytest.approx(density, rel=1e-11)


@pytest.mark.parametrize("name", cosmologies())
def test_critical_surface_density_is_that_of_astropy(name):
    from astropy import constants, units

    c = cosmologies()[name]
    z_l, z_s = np.array([0.1, 0.3, 0.8]), np.array([0.5, 2.0, 0.9])
    d_l = c.angular_diameter_distance(z_l)
    d_s = c.angular_diameter_distance(z_s)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # renamed in astropy 8, and still needed before
        d_ls = c.angular_diameter_distance_z1z2(z_l, z_s)
    expected = constants.c**2 / (4 * math.pi * constants.G) * d_s / (d_l * d_ls)
    found = clm.critical_surface_density(z_l, z_s, c)
    # z_ls is a difference of distances: it keeps 1e-10
    assert found == pytest.approx(expected.to_value(units.Msun / units.Mpc**2), rel=1e-9)


def test_sources_in_front_of_the_lens_are_not_lensed():
    assert np.all(clm.critical_surface_density(0.5, [0.2, 0.5]) == np.inf)
    assert np.all(cosmo.inverse_critical_surface_density(0.5, [0.2, 0.5]) == 0.0)


@pytest.mark.parametrize("name", ["default", "neutrinos", "radiation", "open", "closed"])
def test_distance_to_infinity_is_the_limit(name):
    c = cosmologies()[name]
    far = cosmo.distance_to_infinity(c)
    near = float(c.comoving_transverse_distance(1e7).to_value("Mpc"))
    # the rest beyond z = 1e7 is below 2 c/(H0 sqrt(1e7 Om)), less with radiation, and up to
    # twice that where space is curved
    assert 0.0 < far - near < 4.0 * cosmo.SPEED_OF_LIGHT / c.H0.value / math.sqrt(0.3e7)


def test_constants_are_those_of_astropy():
    from astropy import constants

    g = (constants.G * constants.M_sun).to_value("Mpc km2 / s2")
    assert pytest.approx(g, rel=1e-15) == cosmo.GRAVITATIONAL_CONSTANT
    assert constants.c.to_value("km/s") == cosmo.SPEED_OF_LIGHT


def test_virial_overdensity_reference():
    """Bryan & Norman (1998) at z = 0.7, a published value; radiation constants shift it 6e-9."""
    found = cosmo.virial_overdensity(0.7, cosmologies()["radiation"])
    assert float(found) == pytest.approx(148.1550413377, rel=2e-8)


@pytest.mark.parametrize("name", ["200c", "500c", "200m", "vir", "2500c", "178m"])
def test_mass_definition_round_trip(name):
    definition = clm.MassDef.from_name(name)
    assert definition.name == name
    assert clm.MassDef.from_name(definition) is definition
    radius = definition.radius(3e14, [0.1, 0.9])
    assert definition.mass(radius, [0.1, 0.9]) == pytest.approx([3e14, 3e14], rel=1e-13)


def test_mass_definitions_are_ordered_as_their_densities():
    at = 0.4
    critical = float(cosmo.critical_density(at))
    mean = float(cosmo.mean_matter_density(at))
    assert float(clm.MassDef(200.0).density(at)) == pytest.approx(200 * critical, rel=1e-15)
    assert float(clm.MassDef(200.0, "mean").density(at)) == pytest.approx(200 * mean, rel=1e-15)
    expected_mean = 0.3 * float(cosmo.critical_density(0.0)) * (1 + at) ** 3
    assert mean == pytest.approx(expected_mean, rel=1e-12)


@pytest.mark.parametrize("bad", ["200", "c200", "200x", "", "200b", "-5c"])
def test_unknown_mass_definitions_are_refused(bad):
    with pytest.raises(ParameterError, match="mass_def"):
        clm.MassDef.from_name(bad)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: cosmo.critical_density(-0.1), "redshift"),
        (lambda: cosmo.critical_density([0.1, math.nan]), "redshift"),
        (lambda: clm.critical_surface_density(0.3, math.inf), "z_s"),
        (lambda: cosmo.critical_density(0.1, "Planck18"), "cosmology"),
        (lambda: clm.MassDef(200.0, "citrical"), "Did you mean 'critical'"),
        (lambda: clm.MassDef(-1.0), "delta"),
        (lambda: clm.MassDef(None, "mean"), "delta"),
    ],
)
def test_wrong_calls_are_refused(call, word):
    with pytest.raises(ParameterError, match=word):
        call()
