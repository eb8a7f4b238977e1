"""Mass and convergence maps: what they hold, refuse and turn into."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
from astropy import units as u
from astropy.cosmology import FlatLambdaCDM
from scipy.integrate import quad

import clmassmod as clm
from clmassmod.cosmology import (
    angular_diameter_distance,
    inverse_critical_surface_density,
    inverse_critical_surface_density_at_infinity,
    mean_matter_density,
)
from clmassmod.errors import ParameterError
from clmassmod.maps import KappaMap, MassMap

from map_twin import disc_halo, pixel_means

HALO = clm.NFW(8e14, 4.5, redshift=0.35)
N, PIXEL = 64, 0.05
OTHER = FlatLambdaCDM(H0=67.0, Om0=0.32)


def halo_map(centre=(0.0, 0.0)):
    def density(x, y):
        return HALO.surface_density(np.hypot(x - centre[0], y - centre[1]))

    return pixel_means(density, N, PIXEL)


@pytest.fixture(scope="module")
def mass_map():
    return MassMap(halo_map(), PIXEL, redshift=0.35, id="a", depth=40.0, metadata={"n": 1})


def test_content_and_units():
    values = np.arange(16.0).reshape(4, 4)
    given = MassMap(
        values * u.Unit("Msun / pc2"), 50.0 * u.kpc, redshift=0.3, depth=20 * u.Mpc, centre=(1, 2)
    )
    assert np.allclose(given.values, values * 1e12, rtol=1e-15)
    assert given.pixel_scale == pytest.approx(0.05, rel=1e-15)
    assert (given.depth, given.centre, given.n_pixels) == (20.0, (1.0, 2.0), 4)
    angle = KappaMap(values, pixel_angle=0.5 * u.arcmin, redshift=0.3)
    distance = float(angular_diameter_distance(0.3, OTHER))
    assert angle.pixel_size(OTHER) == pytest.approx(np.deg2rad(0.5 / 60) * distance, rel=1e-14)
    assert angle.centre == (1.5, 1.5)


def test_immutable_equal_picklable(mass_map):
    with pytest.raises(AttributeError, match="immutable"):
        mass_map.redshift = 1.0
    with pytest.raises(ValueError, match="read-only"):
        mass_map.values[0, 0] = 1.0
    assert pickle.loads(pickle.dumps(mass_map)) == mass_map
    assert mass_map.replace(file="x") == mass_map
    assert mass_map.replace(depth=41.0) != mass_map
    assert repr(mass_map) == "<MassMap 'a': 64 x 64 pixels of 0.05 Mpc, z = 0.35>"


def test_mask():
    values = np.ones((4, 4))
    values[1, 2] = np.nan
    hidden = np.isnan(values)
    masked = KappaMap(values, 0.1, redshift=0.3, sources=1.0, mask=hidden, errors=values)
    assert masked == pickle.loads(pickle.dumps(masked))
    assert np.isnan(masked.values[1, 2])
    assert masked.surface_density().mask.sum() == 1
    with pytest.raises(ParameterError, match=r"without masked pixels.*filled"):
        masked.field()
    with pytest.raises(ParameterError, match="without masked pixels"):
        masked.radial_averages([0.05, 0.1])
    full = masked.filled(0.0)
    assert full.values[1, 2] == 0.0
    assert full.mask is None
    full.field()


def test_convergence_of_a_mass_map(mass_map):
    inverse = float(inverse_critical_surface_density(0.35, 1.2, OTHER))
    kappa = mass_map.convergence(1.2, cosmology=OTHER)
    expected = (mass_map.values - mass_map.values.mean()) * inverse
    assert np.allclose(kappa.values, expected, rtol=1e-13)
    matter = mass_map.convergence(1.2, background="matter", cosmology=OTHER)
    sheet = float(mean_matter_density(0.35, OTHER)) * 40.0
    assert np.allclose(matter.values, (mass_map.values - sheet) * inverse, rtol=1e-13)
    assert matter.metadata == {"n": 1, "background": {"kind": "matter", "value": sheet}}
    assert np.allclose(
        mass_map.convergence(1.2, background=3e12, cosmology=OTHER).values,
        (mass_map.values - 3e12) * inverse,
    )
    assert (kappa.sources, kappa.depth, kappa.id) == (1.2, 40.0, "a")


def test_over_a_source_distribution(mass_map):
    sources = clm.SourceDistribution([0.2, 0.8, 1.5], [1.0, 2.0, 1.0])
    inverse = float(inverse_critical_surface_density(0.35, [0.8, 1.5]) @ [0.5, 0.25])
    kappa = mass_map.convergence(sources, background=0.0)
    assert np.allclose(kappa.values, mass_map.values * inverse, rtol=1e-13)
    back = kappa.surface_density()
    assert np.allclose(back.values, mass_map.values, rtol=1e-13)
    with pytest.raises(ParameterError, match="subtracted already"):
        back.convergence(1.0)
    again = back.convergence(sources, background=0.0)
    assert np.allclose(again.values, kappa.values, rtol=1e-13)


def test_fields_of_both_maps_agree(mass_map):
    kappa = mass_map.convergence(0.9, background=1e12)
    x, y = np.array([0.4, -0.7]), np.array([0.3, 0.2])
    one = mass_map.field(background=1e12).convergence_shear(x, y)
    two = kappa.field().convergence_shear(x, y)
    assert np.allclose(one, two, rtol=1e-12)
    inverse = float(inverse_critical_surface_density_at_infinity(0.35))
    excess = inverse * HALO.excess_surface_density(np.hypot(x, y))
    phi = np.arctan2(y, x)
    tangential = -(one[1] * np.cos(2 * phi) + one[2] * np.sin(2 * phi))
    # the halo beyond the square, unlike that beyond a circle, shears its inside
    assert np.allclose(tangential, excess, rtol=0.02)
    level = kappa.field(subtract_mean=True).convergence_shear(x, y)[0]
    assert np.allclose(level - two[0], -inverse * (mass_map.values.mean() - 1e12), rtol=1e-9)


def test_rings_of_an_nfw_map(mass_map):
    edges = np.array([0.2, 0.3, 0.45, 0.7, 1.1, 1.6])
    rings = mass_map.radial_averages(edges)
    assert np.array_equal(rings.radius_min, edges[:-1])
    assert np.array_equal(rings.radius_max, edges[1:])
    for i, (low, high) in enumerate(pairwise(edges)):
        area = high**2 - low**2
        mean = quad(lambda r: 2 * r * HALO.surface_density(r), low, high)[0] / area
        excess = quad(lambda r: 2 * r * HALO.excess_surface_density(r), low, high)[0] / area
        # from 4 pixels on
        assert rings.mean[i] == pytest.approx(mean, rel=1e-3)
        assert rings.excess[i] == pytest.approx(excess, rel=1e-3)
        assert rings.radius[i] == pytest.approx(
            quad(lambda r: 2 * r * r, low, high)[0] / area, rel=1e-12
        )


def test_rings_about_another_centre():
    shifted = MassMap(halo_map((0.21, -0.13)), PIXEL, redshift=0.35)
    middle = 0.5 * (N - 1)
    at = (middle + 0.21 / PIXEL, middle - 0.13 / PIXEL)
    edges = [0.3, 0.6, 1.0]
    found = shifted.radial_averages(edges, centre=at).excess
    assert np.allclose(
        found, MassMap(halo_map(), PIXEL, redshift=0.35).radial_averages(edges).excess, rtol=1e-3
    )
    assert np.array_equal(found, shifted.replace(centre=at).radial_averages(edges).excess)


def test_tangential_shear_of_the_map_is_its_excess():
    # an identity for any distribution: here two haloes, off the centre of the rings
    kappa = disc_halo(HALO, N, PIXEL, 1.4) + disc_halo(HALO, N, PIXEL, 0.5, (0.6, 0.3))
    convergence = KappaMap(kappa, PIXEL, redshift=0.35, sources=1.0)
    field = convergence.field()
    scale = float(
        inverse_critical_surface_density(0.35, 1.0)
        / inverse_critical_surface_density_at_infinity(0.35)
    )
    angle = np.linspace(0.0, 2 * np.pi, 720, endpoint=False)
    for radius in (0.3, 1.0):
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        _, gamma1, gamma2 = field.convergence_shear(x, y)
        tangential = -(gamma1 * np.cos(2 * angle) + gamma2 * np.sin(2 * angle)).mean() * scale
        cross = (gamma1 * np.sin(2 * angle) - gamma2 * np.cos(2 * angle)).mean() * scale
        ring = convergence.radial_averages([radius - 1e-4, radius + 1e-4]).excess[0]
        # jumps of the map at the cuts ring for some pixels
        assert tangential == pytest.approx(ring, rel=5e-3)
        assert abs(cross) < 2e-3 * tangential


SQUARE = np.ones((4, 4))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("values", {"values": None}),
        ("values.shape", {"values": np.ones((4, 5))}),
        ("values.shape", {"values": np.ones((3, 3))}),
        ("values[0, 0]", {"values": np.full((4, 4), np.nan)}),
        ("values", {"values": np.full((4, 4), "a")}),
        ("pixel_scale", {"pixel_scale": None}),
        ("pixel_scale", {"pixel_scale": 0.0}),
        ("pixel_scale", {"pixel_scale": 1.0 * u.arcmin}),
        ("pixel_angle", {"pixel_angle": 4.0}),
        ("redshift", {"redshift": None}),
        ("redshift", {"redshift": 0.0}),
        ("centre", {"centre": (1.0, 2.0, 3.0)}),
        ("mask", {"mask": np.ones((4, 4))}),
        ("mask", {"mask": np.ones((4, 4), bool)}),
        ("errors.shape", {"errors": np.ones(4)}),
        ("errors[0, 0]", {"errors": np.zeros((4, 4))}),
        ("depth", {"depth": -1.0}),
        ("sampling", {"sampling": "pixels"}),
        ("id", {"id": "a\nb"}),
        ("metadata", {"metadata": {"a": object()}}),
        ("sources", {"sources": "z"}),
    ],
)
def test_refused(name, arguments):
    good = {"values": SQUARE, "pixel_scale": 0.1, "redshift": 0.3, "sources": 1.0}
    KappaMap(**good)
    with pytest.raises(ParameterError) as caught:
        KappaMap(**{**good, **arguments})
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("sources", lambda m: m.convergence(0.2)),
        ("background", lambda m: m.convergence(1.0, background="median")),
        ("background", lambda m: m.convergence(1.0, background=-1.0)),
        ("depth", lambda m: m.replace(depth=None).convergence(1.0, background="matter")),
        ("sources", lambda m: KappaMap(SQUARE, 0.1, redshift=0.3).field()),
        ("edges", lambda m: m.radial_averages([0.3, 0.2])),
        ("edges[1]", lambda m: m.radial_averages([0.3, 1.7])),
        ("field", lambda m: m.replace(sources=1.0)),
    ],
)
def test_refused_by_methods(name, call, mass_map):
    with pytest.raises(ParameterError) as caught:
        call(mass_map)
    assert caught.value.name == name


@pytest.mark.parametrize(("n", "pixel"), [(128, 0.02), (64, 0.1)])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, 0.21)])
def test_accuracy_that_the_documentation_states(n, pixel, shift):
    # docs/maps.md; r_s is 0.45 Mpc
    halo = clm.NFW(1e15, 4.0, redshift=0.4)
    inverse = float(inverse_critical_surface_density_at_infinity(0.4))
    at = tuple(pixel * s for s in shift)
    values = disc_halo(halo, n, pixel, (0.5 * n - 4) * pixel, at) / inverse
    middle = 0.5 * (n - 1)
    centre = (middle + shift[0], middle + shift[1])
    found = MassMap(values, pixel, redshift=0.4, centre=centre)
    field = found.field(background=0.0)
    angle = np.linspace(0.0, 2 * np.pi, 360, endpoint=False)
    limits = {4: (2e-3, 3e-2, 3e-2), 6: (4e-4, 5e-3, 5e-3), 10: (2e-4, 5e-4, 2e-4)}
    for pixels, (ring_limit, shear_limit, kappa_limit) in limits.items():
        low, high = pixels * pixel, 1.3 * pixels * pixel
        area = high**2 - low**2
        excess = quad(lambda r: 2 * r * halo.excess_surface_density(r), low, high)[0] / area
        assert found.radial_averages([low, high]).excess[0] == pytest.approx(excess, rel=ring_limit)
        kappa, *shear = field.convergence_shear(low * np.cos(angle), low * np.sin(angle))
        tangential = -(shear[0] * np.cos(2 * angle) + shear[1] * np.sin(2 * angle))
        exact = inverse * halo.excess_surface_density(low)
        assert np.abs(tangential / exact - 1.0).max() < shear_limit
        assert np.abs(kappa / (inverse * halo.surface_density(low)) - 1.0).max() < kappa_limit
