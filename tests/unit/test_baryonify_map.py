"""Baryons put into maps, against cubature of single pixels and the profiles themselves."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from scipy import integrate

import clmassmod as clm
from clmassmod.errors import ParameterError
from clmassmod.maps.baryonify import pixel_means

COSMOLOGY = FlatLambdaCDM(70.0, 0.3, Ob0=0.048, Tcmb0=0.0)
HALO = clm.NFW(5e14, 4.0, 0.3, cosmology=COSMOLOGY)


@pytest.fixture(scope="module")
def full():
    return clm.Baryonified(HALO)


def flat_map(n, scale, **options):
    return clm.MassMap(np.zeros((n, n)), scale, redshift=0.3, **options)


def test_pixel_means_of_a_profile_against_cubature():
    x = 0.1 * (np.arange(6) - 2.3)
    y = 0.1 * (np.arange(5) - 1.9)
    means = pixel_means(HALO.enclosed_mass_2d, x, y, 0.1)
    assert means.shape == (5, 6)

    def of(u, v):
        return HALO.surface_density(np.hypot(u, v))

    for row, column in ((0, 0), (4, 5), (2, 4), (0, 2)):
        u, v = x[column], y[row]
        expected, _ = integrate.dblquad(
            lambda b, a: float(of(a, b)), u - 0.05, u + 0.05, v - 0.05, v + 0.05, epsrel=1e-10
        )
        assert means[row, column] == pytest.approx(expected / 0.01, rel=1e-9)


def test_the_mass_in_the_pixels_is_that_of_the_profile():
    # of a point mass, all of it in one pixel, wherever it lies
    point = clm.PointMass(1e14, 0.3)
    for offset in (0.0, 0.049999999999, 0.031, -0.05):
        x = 0.1 * np.arange(-3, 4) + offset
        means = pixel_means(point.enclosed_mass_2d, x, x, 0.1)
        assert means.sum() * 0.01 == pytest.approx(1e14, rel=1e-10)
    # on a corner, a quarter of it in each of four
    corner = np.sort(means.ravel() * 0.01)[-4:]
    np.testing.assert_allclose(corner, 0.25e14, rtol=1e-10)


def test_rings_of_the_map_are_those_of_the_profile(full):
    change = clm.baryonify_map(flat_map(200, 0.05), full)
    rings = change.radial_averages([0.5, 0.8, 1.3, 2.0, 3.0])
    node, weight = np.polynomial.legendre.leggauss(20)
    for low, high, mean in zip(rings.radius_min, rings.radius_max, rings.mean, strict=True):
        R = 0.5 * (low + high) + 0.5 * (high - low) * node
        difference = full.surface_density(R) - HALO.surface_density(R)
        expected = np.sum(weight * R * difference) / np.sum(weight * R)
        # of the halo, to which errors of a map are relative: its rings are good to 1e-3 or so
        assert abs(mean - expected) < 5e-4 * HALO.surface_density(low)


def test_mass_is_conserved(full):
    side = 40.0
    change = clm.baryonify_map(flat_map(80, side / 80), full)
    mass = change.values.sum() * (side / 80) ** 2
    # within the square there is a little less: what gas there is beyond it
    assert abs(mass) < 1e-3 * 5e14
    inner = clm.baryonify_map(flat_map(8, 0.25), full).values.sum() * 0.25**2
    assert inner < -0.01 * HALO.enclosed_mass_2d(1.0)


def test_structure_stays_and_metadata_say_what_was_done(full):
    rng = np.random.default_rng(3)
    before = clm.MassMap(1e14 * rng.random((16, 16)), 0.2, redshift=0.3, id="a", centre=(7.2, 6.9))
    after = clm.baryonify_map(before, full)
    empty = clm.baryonify_map(flat_map(16, 0.2, centre=(7.2, 6.9)), full)
    np.testing.assert_allclose(after.values - before.values, empty.values, atol=1e-2)
    assert after.id == "a"
    assert after.metadata["baryons"].startswith("BaryonModel(gas=SchneiderGas(")
    for n_threads in (2, 3):
        assert clm.baryonify_map(before, full, n_threads=n_threads) == after


def test_convergence_map_as_mass_map(full):
    mass = flat_map(12, 0.2)
    kappa = mass.convergence(1.0, background=0.0, cosmology=COSMOLOGY)
    expected = clm.baryonify_map(mass, full).convergence(1.0, background=0.0, cosmology=COSMOLOGY)
    np.testing.assert_allclose(
        clm.baryonify_map(kappa, full).values, expected.values, rtol=1e-12, atol=1e-16
    )
    with pytest.raises(ParameterError, match="sources"):
        clm.baryonify_map(kappa.replace(sources=None), full)


def test_point_values(full):
    points = clm.baryonify_map(flat_map(10, 0.3, sampling="point"), full)
    R = np.hypot(0.3 * 4.5, 0.3 * 1.5)
    expected = full.surface_density(R) - HALO.surface_density(R)
    assert points.values[3, 0] == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ParameterError, match="centre"):
        clm.baryonify_map(flat_map(11, 0.3, sampling="point"), full)


def test_wrong_arguments(full):
    with pytest.raises(ParameterError, match="redshift"):
        clm.baryonify_map(flat_map(8, 0.2).replace(redshift=0.4), full)
    with pytest.raises(ParameterError, match="profile"):
        clm.baryonify_map(flat_map(8, 0.2), HALO)
    with pytest.raises(ParameterError, match="sky_map"):
        clm.baryonify_map(np.zeros((8, 8)), full)
