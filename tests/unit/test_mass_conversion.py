"""Conversion between mass definitions, and masses at any overdensity."""

import mpmath
import numpy as np
import pytest

import clmassmod as clm
from clmassmod._core import profile as core
from clmassmod.errors import NumericalError, ParameterError

DEFINITIONS = ("200c", "500c", "2500c", "200m", "vir")


def nfw_mass(x):
    return mpmath.log(1 + x) - x / (1 + x)


def test_reference_numbers():
    """weak-lensing reference: M200m = 1e15, c = 4, z = 1."""
    from astropy.cosmology import FlatLambdaCDM

    cosmology = FlatLambdaCDM(67.66, 0.31240716, Tcmb0=0)
    mass, c = clm.convert_mass(1e15, 4.0, 1.0, "200m", "500c", cosmology)
    # the numbers are published to five digits
    assert mass == pytest.approx(6.1780e14, rel=1e-4)
    assert c == pytest.approx(2.31480, rel=1e-4)


def test_against_mpmath():
    mass = np.array([1e13, 5e14, 2e15, 1e14])
    c = np.array([0.05, 1.0, 4.0, 200.0])
    z = np.array([0.0, 0.2, 0.7, 1.5])
    found_mass, found_c = clm.convert_mass(mass, c, z, "200c", "500m")
    rho_from = clm.MassDef.from_name("200c").density(z)
    rho_to = clm.MassDef.from_name("500m").density(z)
    with mpmath.workdps(40):
        for i in range(4):
            x, ratio = mpmath.mpf(c[i]), mpmath.mpf(rho_to[i]) / mpmath.mpf(rho_from[i])
            target = ratio * nfw_mass(x) / x**3

            def excess(v, target=target):
                return nfw_mass(v) / v**3 / target - 1

            root = mpmath.findroot(excess, mpmath.mpf(found_c[i]))
            # 1e-13 of the method times the conditioning of m(c), up to 20 ulp
            assert float(abs(found_c[i] / root - 1)) < 1e-13
            exact = mpmath.mpf(mass[i]) * nfw_mass(root) / nfw_mass(x)
            assert float(abs(found_mass[i] / exact - 1)) < 1e-13


@pytest.mark.parametrize("from_def", DEFINITIONS)
@pytest.mark.parametrize("to_def", DEFINITIONS)
def test_is_the_same_halo(from_def, to_def):
    mass, c = clm.convert_mass(4e14, 3.5, 0.4, from_def, to_def)
    before = clm.NFW(4e14, 3.5, 0.4, from_def)
    after = clm.NFW(mass, c, 0.4, to_def)
    # scales follow from both within the conversion's 1e-13 and the rounding of the scales
    assert after.scale_radius == pytest.approx(before.scale_radius, rel=5e-13)
    assert after.scale_density == pytest.approx(before.scale_density, rel=5e-13)
    assert before.spherical_overdensity_mass(to_def) == pytest.approx(mass, rel=5e-13)
    back = clm.convert_mass(mass, c, 0.4, to_def, from_def)
    np.testing.assert_allclose(back, (4e14, 3.5), rtol=5e-13)


def test_shapes():
    mass, c = clm.convert_mass(1e14, 4.0, 0.3, "200c", "500c")
    assert np.ndim(mass) == np.ndim(c) == 0
    many, several = clm.convert_mass(np.full(5, 1e14), 4.0, 0.3, "200c", "500c")
    np.testing.assert_array_equal(many, np.full(5, mass))
    np.testing.assert_array_equal(several, np.full(5, c))
    assert clm.convert_mass(np.empty(0), 4.0, 0.3, "200c", "500c")[0].shape == (0,)


def test_quantity_in_quantity_out():
    from astropy import units as u

    mass, c = clm.convert_mass(1e14 * u.kg * 2e30, 4.0, 0.3, "200c", "500c")
    assert mass.unit == u.Msun
    assert not hasattr(c, "unit")


def test_threads_give_the_same_bits():
    rng = np.random.default_rng(1)
    mass, c = rng.uniform(1e13, 1e15, 3000), rng.uniform(0.5, 20.0, 3000)
    one = clm.convert_mass(mass, c, 0.3, "200m", "500c", n_threads=1)
    for n_threads in (2, 3, 7, 0):
        other = clm.convert_mass(mass, c, 0.3, "200m", "500c", n_threads=n_threads)
        np.testing.assert_array_equal(other, one)


def test_failing_element_is_named():
    c = np.full(700, 4.0)
    c[[333, 600]] = 1e-200  # c^3 is zero in double precision
    with pytest.raises(NumericalError, match="index 333"):
        clm.convert_mass(1e14, c, 0.3, "200c", "500c", n_threads=3)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mass", (-1e14, 4.0, 0.3, "200c", "500c")),
        ("concentration", (1e14, 0.0, 0.3, "200c", "500c")),
        ("redshift", (1e14, 4.0, np.nan, "200c", "500c")),
        ("mass_def", (1e14, 4.0, 0.3, "200x", "500c")),
        ("parameters", (np.ones(2), np.ones(3), 0.3, "200c", "500c")),
    ],
)
def test_bad_arguments_are_named(name, arguments):
    with pytest.raises(ParameterError) as caught:
        clm.convert_mass(*arguments)
    assert caught.value.name == name


def test_core_refuses_wrong_lengths():
    arrays = [np.ones(2)] * 5
    with pytest.raises(ValueError, match="all arrays"):
        core.convert(*arrays, np.ones(3), 1)


# -- any profile -----------------------------------------------------------------------------------

PROFILES = (
    clm.NFW(np.array([1e13, 5e14]), np.array([2.0, 9.0]), 0.3),
    clm.Hernquist(np.array([1e13, 5e14]), 4.0, np.array([0.1, 1.0])),
    clm.BMO(5e14, 4.0, 0.3, np.array([0.1, 10.0])),
    clm.SIS(np.array([300.0, 1200.0]), 0.3),
    clm.PowerLaw(1e14, np.array([1.1, 2.9]), 0.3),
    clm.DPIE(np.array([1e13, 1e15]), 0.02, 0.3, 0.3),
    clm.PointMass(np.array([1e8, 1e16]), 0.3),
)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("definition", ["200m", "500c", "vir"])
def test_overdensity_radius_has_the_density(profile, definition):
    radius = profile.spherical_overdensity_radius(definition)
    mass = profile.spherical_overdensity_mass(definition)
    assert radius.shape == mass.shape == (2,)
    inside = profile.enclosed_mass(radius[:, None])[:, 0]
    density = clm.MassDef.from_name(definition).density(profile.redshift, profile.cosmology)
    # the mean density falls as r^-1.1 at least, so that rounding of r is hardly magnified
    np.testing.assert_allclose(inside / (4.0 / 3.0 * np.pi * radius**3), density, rtol=1e-13)
    np.testing.assert_allclose(mass, inside, rtol=1e-13)


@pytest.mark.parametrize("cls", [clm.NFW, clm.Hernquist])
def test_own_definition_returns_the_mass(cls):
    halo = cls(3e14, 5.0, 0.4, "500c")
    assert halo.spherical_overdensity_mass("500c") == pytest.approx(3e14, rel=1e-13)
    assert np.ndim(halo.spherical_overdensity_mass("500c")) == 0


def test_values_do_not_depend_on_the_batch():
    alone = clm.NFW(5e14, 9.0, 0.3).spherical_overdensity_radius("2500c")
    assert alone == PROFILES[0].spherical_overdensity_radius("2500c")[1]


def test_density_never_reached():
    thin = clm.DPIE(np.array([1e16, 1e9]), 0.5, 1.0, 0.3)
    with pytest.raises(NumericalError, match=r"profile 1 .* 200c"):
        thin.spherical_overdensity_radius("200c")
