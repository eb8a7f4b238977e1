"""Sums over pairs against brute force: astropy's angles, complex ellipticities."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.cosmology import FlatLambdaCDM, LambdaCDM

from clmassmod.cosmology import angular_diameter_distance, inverse_critical_surface_density
from clmassmod.errors import ParameterError
from clmassmod.galaxies import GalaxyCatalogue
from clmassmod.galaxies.pair_sums import GalaxyPairs
from clmassmod.galaxies.pair_values import pair_values
from clmassmod.sources import BetaMoments, SourceDistribution

N = 6000
SHAPE_NOISE = 0.3
EDGES = np.geomspace(2.0, 40.0, 8)


def sky_catalogue(seed=1, n=N, ra=(-4.0, 5.0), dec=(-3.0, 6.0), system="celestial"):
    rng = np.random.default_rng(seed)
    return GalaxyCatalogue(
        ra=rng.uniform(*ra, n),
        dec=rng.uniform(*dec, n),
        e1=rng.normal(0.0, 0.3, n),
        e2=rng.normal(0.0, 0.3, n),
        z=rng.uniform(0.0, 2.0, n),
        weight=rng.uniform(0.3, 1.0, n),
        e_err=rng.uniform(0.0, 0.2, n),
        coordinate_system=system,
    )


def centres_and_redshifts(n=5, ra=(-4.0, 5.0), dec=(-3.0, 6.0)):
    rng = np.random.default_rng(9)
    return np.column_stack([rng.uniform(*ra, n), rng.uniform(*dec, n)]), rng.uniform(0.1, 0.9, n)


def twin_geometry(catalogue, centre, sky):
    """Separation [rad] and exp(-2 i phi), phi from the x axis, by astropy or by flat formulae."""
    if sky == "curved":
        lens = SkyCoord(*centre, unit="deg")
        galaxy = SkyCoord(catalogue["ra"], catalogue["dec"], unit="deg")
        theta = lens.separation(galaxy).to_value("rad")
        # the direction to the lens at the galaxy, east of north, from the north to the y axis
        from_north = galaxy.position_angle(lens).to_value("rad")
        east, north = np.sin(from_north), np.cos(from_north)
    else:
        turn = (catalogue["ra"] - centre[0] + 180.0) % 360.0 - 180.0
        east = np.deg2rad(turn) * np.cos(np.deg2rad(centre[1]))
        north = np.deg2rad(catalogue["dec"] - centre[1])
        theta = np.hypot(east, north)
    x = east if catalogue.coordinate_system == "celestial" else -east
    direction = (x + 1j * north) / np.hypot(east, north)
    return theta, np.conj(direction) ** 2


def twin_sums(catalogue, centre, z_l, edges, sky, weights, cosmology=None, behind=None):
    """The sums of one centre by definition, with Sigma_crit^-1 in place of beta."""
    theta, spin = twin_geometry(catalogue, centre, sky)
    radius = theta * float(angular_diameter_distance(z_l, cosmology))
    rotated = -(catalogue["e1"] + 1j * catalogue["e2"]) * spin
    # e_t + i (-e_x): cross as e1 sin 2 phi - e2 cos 2 phi
    e_t, e_x = rotated.real, rotated.imag
    inverse = inverse_critical_surface_density(z_l, catalogue["z"], cosmology)
    variance = SHAPE_NOISE**2 + catalogue["e_err"] ** 2
    w = catalogue["weight"] / variance
    used = np.ones(w.size, dtype=bool)
    if weights == "critical":
        w, used = w * inverse**2, inverse > 0.0
    if behind is not None:
        used &= catalogue["z"] > z_l + behind
    critical = np.divide(1.0, inverse, out=np.zeros_like(inverse), where=inverse > 0.0)
    if weights == "shape":
        critical = 0.0 * critical
    terms = {
        "pairs": np.ones_like(w),
        "weight": w,
        "radius": w * radius,
        "tangential": w * e_t,
        "cross": w * e_x,
        "beta": w * inverse,
        "beta_squared": w * inverse**2,
        "noise": w**2 * variance,
        "excess": w * critical * e_t,
        "excess_cross": w * critical * e_x,
        "excess_noise": (w * critical) ** 2 * variance,
    }
    bins = np.searchsorted(edges, radius, side="right") - 1
    found = {}
    for name, term in terms.items():
        found[name] = np.array(
            [np.sum(term[used & (bins == k)]) for k in range(edges.size - 1)], dtype=float
        )
    return found


# powers of the factor 4 pi G D_l / c^2 by which the twin's sums differ from ours
POWERS = {
    "critical": dict.fromkeys(("weight", "radius", "tangential", "cross"), 2)
    | {"pairs": 0, "beta": 3, "beta_squared": 4, "noise": 4}
    | {"excess": 1, "excess_cross": 1, "excess_noise": 2},
    "shape": dict.fromkeys(("pairs", "weight", "radius", "tangential", "cross", "noise"), 0)
    | {"beta": 1, "beta_squared": 2, "excess": 0, "excess_cross": 0, "excess_noise": 0},
}


def assert_sums(sums, row, twin, weights):
    for name, values in twin.items():
        ours = getattr(sums, name)[row] * sums.critical[row] ** POWERS[weights][name]
        # 600 terms of both signs: rounding of the angles (1e-12) adds up to this of the largest
        scale = np.max(np.abs(values)) or 1.0
        np.testing.assert_allclose(ours, values, rtol=1e-11, atol=1e-11 * scale, err_msg=name)


@pytest.mark.parametrize("system", ["celestial", "euclidean"])
@pytest.mark.parametrize("weights", ["critical", "shape"])
@pytest.mark.parametrize("sky", ["curved", "flat"])
def test_sums_on_the_sky_are_those_of_brute_force(sky, weights, system):
    catalogue = sky_catalogue(system=system)
    centres, z_l = centres_and_redshifts()
    sums = GalaxyPairs(catalogue, shape_noise=SHAPE_NOISE, sky=sky).sums(
        centres, z_l, EDGES, weights=weights
    )
    assert sums.pairs.sum() > 1000
    for row in range(len(centres)):
        twin = twin_sums(catalogue, centres[row], z_l[row], EDGES, sky, weights)
        assert_sums(sums, row, twin, weights)


@pytest.mark.parametrize(
    ("ra", "dec"),
    [((355.0, 365.0), (-5.0, 5.0)), ((0.0, 360.0), (84.0, 90.0)), ((-180.0, 180.0), (-90.0, 90.0))],
    ids=["across 0 h", "around a pole", "whole sky"],
)
def test_no_pair_is_lost_across_zero_and_at_poles(ra, dec):
    catalogue = sky_catalogue(ra=ra, dec=dec, n=20_000)
    centres, z_l = centres_and_redshifts(6, ra, dec)
    centres = np.vstack([centres, [ra[0], dec[1]], [ra[1], dec[0]]])
    z_l = np.append(z_l, [0.2, 0.1])
    edges = np.array([1.0, 30.0, 100.0])
    sums = GalaxyPairs(catalogue, shape_noise=SHAPE_NOISE).sums(
        centres, z_l, edges, weights="shape"
    )
    assert sums.pairs.sum() > 1000
    for row in range(len(centres)):
        twin = twin_sums(catalogue, centres[row], z_l[row], edges, "curved", "shape")
        np.testing.assert_array_equal(sums.pairs[row], twin["pairs"])
        np.testing.assert_allclose(sums.tangential[row], twin["tangential"], rtol=0, atol=1e-8)


def test_sums_in_a_plane_are_those_of_brute_force():
    rng = np.random.default_rng(4)
    x, y = rng.uniform(-3.0, 3.0, (2, N))
    shapes = sky_catalogue()
    columns = {name: shapes[name] for name in ("e1", "e2", "z", "weight", "e_err")}
    catalogue = GalaxyCatalogue(x=x, y=y, **columns)
    centre, edges = np.array([0.3, -0.2]), np.linspace(0.0, 2.0, 6)
    sums = GalaxyPairs(catalogue, shape_noise=SHAPE_NOISE).sums([centre], 0.4, edges)
    place = x - centre[0] + 1j * (y - centre[1])
    rotated = -(catalogue["e1"] + 1j * catalogue["e2"]) * np.conj(place / np.abs(place)) ** 2
    inverse = inverse_critical_surface_density(0.4, catalogue["z"])
    w = inverse**2 * catalogue["weight"] / (SHAPE_NOISE**2 + catalogue["e_err"] ** 2)
    factor = sums.critical[0] ** 2
    for ours, term in (
        (sums.weight, w),
        (sums.radius, w * np.abs(place)),
        (sums.tangential, w * rotated.real),
        (sums.cross, w * rotated.imag),
    ):
        expected = np.histogram(np.abs(place), edges, weights=term)[0]
        scale = np.max(np.abs(expected))
        np.testing.assert_allclose(ours[0] * factor, expected, rtol=1e-11, atol=1e-11 * scale)


@pytest.mark.parametrize(
    "cosmology", [FlatLambdaCDM(67.0, 0.32), LambdaCDM(70.0, 0.3, 0.6), LambdaCDM(70.0, 0.4, 0.8)]
)
def test_critical_surface_densities_in_curved_space(cosmology):
    catalogue = sky_catalogue(n=3000)
    centres, z_l = centres_and_redshifts(2)
    pairs = GalaxyPairs(catalogue, cosmology, shape_noise=SHAPE_NOISE)
    for weights in ("critical", "shape"):
        sums = pairs.sums(centres, z_l, EDGES, weights=weights, behind=0.1)
        for row in range(2):
            twin = twin_sums(
                catalogue, centres[row], z_l[row], EDGES, "curved", weights, cosmology, 0.1
            )
            assert_sums(sums, row, twin, weights)


def test_same_bits_for_any_threads_and_centres():
    catalogue = sky_catalogue(n=30_000)
    centres, z_l = centres_and_redshifts(40)
    pairs = GalaxyPairs(catalogue)
    sums = pairs.sums(centres, z_l, EDGES)
    for threads in (2, 3, 7):
        other = pairs.sums(centres, z_l, EDGES, n_threads=threads)
        for name in POWERS["critical"]:
            np.testing.assert_array_equal(getattr(sums, name), getattr(other, name))
    # a centre alone, and in another order
    reverse = pairs.sums(centres[::-1], z_l[::-1], EDGES, n_threads=2)
    alone = pairs.sums(centres[7:8], z_l[7], EDGES, n_threads=2)
    for name in POWERS["critical"]:
        np.testing.assert_array_equal(getattr(sums, name), getattr(reverse, name)[::-1])
        np.testing.assert_array_equal(getattr(sums, name)[7], getattr(alone, name)[0])


def test_many_pieces_of_work_for_one_centre():
    # more candidates than one piece holds (8192), so that pieces are added up
    catalogue = sky_catalogue(n=40_000, ra=(-1.0, 1.0), dec=(-1.0, 1.0))
    pairs = GalaxyPairs(catalogue, shape_noise=SHAPE_NOISE)
    edges = np.linspace(1.0, 20.0, 5)
    sums = pairs.sums([[0.1, 0.2]], 0.5, edges)
    assert sums.pairs.sum() > 2 * 8192
    assert_sums(
        sums, 0, twin_sums(catalogue, (0.1, 0.2), 0.5, edges, "curved", "critical"), "critical"
    )
    again = pairs.sums([[0.1, 0.2]], 0.5, edges, n_threads=3)
    np.testing.assert_array_equal(sums.excess, again.excess)


@pytest.mark.parametrize("sky", ["curved", "flat"])
@pytest.mark.parametrize("system", ["celestial", "euclidean"])
def test_angles_of_single_galaxies_are_astropys(sky, system):
    catalogue = sky_catalogue(system=system, n=2000)
    centre = np.array([0.4, 1.3])
    values = pair_values(GalaxyPairs(catalogue, sky=sky), centre, 0.3)
    theta, spin = twin_geometry(catalogue, centre, sky)
    np.testing.assert_allclose(
        values.radius, theta * float(angular_diameter_distance(0.3)), rtol=1e-10
    )
    rotated = -(catalogue["e1"] + 1j * catalogue["e2"]) * spin
    np.testing.assert_allclose(values.e_t, rotated.real, atol=1e-10)
    np.testing.assert_allclose(values.e_x, rotated.imag, atol=1e-10)


def test_curved_and_flat_agree_near_the_centre():
    catalogue = sky_catalogue(n=20_000, ra=(-0.2, 0.2), dec=(29.8, 30.2))
    edges = np.array([0.1, 1.0, 2.0])
    radii = [
        pair_values(GalaxyPairs(catalogue, sky=sky), [0.0, 30.0], 0.3).radius
        for sky in ("curved", "flat")
    ]
    near = radii[0] < edges[-1]
    # to first order in the angle: difference of cos(dec) over 0.13 deg at dec = 30 is 1.3e-3
    np.testing.assert_allclose(radii[0][near], radii[1][near], rtol=1.4e-3)
    assert np.max(np.abs(radii[0] / radii[1] - 1.0)[near]) > 1e-4


def test_sources_in_place_of_redshifts():
    catalogue = sky_catalogue(n=3000)
    plane = GalaxyPairs(catalogue.replace(z=np.full(3000, 1.2)))
    one = GalaxyPairs(catalogue.replace(z=None), sources=1.2)
    centres, z_l = centres_and_redshifts(2)
    for weights in ("critical", "shape"):
        first = plane.sums(centres, z_l, EDGES, weights=weights)
        second = one.sums(centres, z_l, EDGES, weights=weights)
        for name in POWERS["critical"]:
            np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-11)
    distribution = SourceDistribution([0.2, 0.8, 1.5], [1.0, 2.0, 1.0])
    sums = GalaxyPairs(catalogue.replace(z=None), sources=distribution).sums(centres, z_l, EDGES)
    filled = sums.weight > 0.0
    far = np.broadcast_to(sums.beta_infinity[:, None], filled.shape)[filled]
    mean = sums.beta[filled] / sums.weight[filled] / far
    square = sums.beta_squared[filled] / sums.weight[filled] / far**2
    expected = np.broadcast_to(distribution.mean_beta_s(z_l)[:, None], filled.shape)[filled]
    np.testing.assert_allclose(mean, expected, rtol=1e-12)
    expected = np.broadcast_to(distribution.mean_beta_s_squared(z_l)[:, None], filled.shape)[filled]
    np.testing.assert_allclose(square, expected, rtol=1e-12)


def test_galaxies_at_the_centre_at_redshift_zero_and_none_at_all():
    at_centre = GalaxyCatalogue(ra=[10.0, 10.0], dec=[5.0, 5.0], e1=[0.3, 0.1], e2=[0, 0], z=[1, 0])
    sums = GalaxyPairs(at_centre).sums([[10.0, 5.0]], 0.3, [0.0, 1.0], weights="shape")
    assert sums.pairs[0, 0] == 2.0
    assert sums.tangential[0, 0] == 0.0
    assert np.isfinite(sums.beta[0, 0])
    empty = GalaxyCatalogue(ra=[], dec=[], e1=[], e2=[], z=[])
    sums = GalaxyPairs(empty).sums([[10.0, 5.0]], 0.3, [0.0, 1.0, 2.0])
    assert not sums.pairs.any()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"centres": [[0.0, 91.0]]}, r"centres\[0\]"),
        ({"centres": [0.0, 1.0]}, "centres"),
        ({"centres": [[np.nan, 1.0]]}, r"centres\[0\]"),
        ({"z_l": 0.0}, "z_l"),
        ({"z_l": -1.0}, "z_l"),
        ({"edges": [1.0]}, "bins"),
        ({"edges": [1.0, 1.0]}, r"bins\[1\]"),
        ({"edges": [-1.0, 1.0]}, r"bins\[0\]"),
        ({"edges": [1.0, 5000.0]}, "edges"),
        ({"weights": "critcal"}, "critical"),
        ({"behind": -0.1}, "behind"),
        ({"n_threads": -1}, "n_threads"),
    ],
)
def test_wrong_arguments_are_named(change, name):
    given = {"centres": [[0.0, 1.0]], "z_l": 0.3, "edges": [1.0, 2.0], **change}
    with pytest.raises(ParameterError, match=name):
        GalaxyPairs(sky_catalogue(n=10)).sums(**given)


def test_missing_redshifts_and_double_ones_are_refused():
    catalogue = sky_catalogue(n=10)
    with pytest.raises(ParameterError, match="column z"):
        GalaxyPairs(catalogue.replace(z=None)).sums([[0.0, 1.0]], 0.3, [1.0, 2.0])
    with pytest.raises(ParameterError, match="sources"):
        GalaxyPairs(catalogue, sources=BetaMoments(0.5))
    with pytest.raises(ParameterError, match="behind"):
        GalaxyPairs(catalogue.replace(z=None), sources=1.0).sums(
            [[0.0, 1.0]], 0.3, [1.0, 2.0], behind=0.1
        )
    with pytest.raises(ParameterError, match="sky"):
        GalaxyPairs(catalogue, sky="round")
    with pytest.raises(ParameterError, match="shape_noise"):
        GalaxyPairs(catalogue.replace(e_err=None), shape_noise=0.0)


def test_separation_by_units():
    # one galaxy 1 deg north of the centre, tangential shape
    catalogue = GalaxyCatalogue(ra=[0.0], dec=[1.0] * units.deg, e1=[0.1], e2=[0.0], z=[1.0])
    values = pair_values(GalaxyPairs(catalogue), [0.0, 0.0], 0.3)
    assert values.radius[0] == pytest.approx(
        np.deg2rad(1.0) * float(angular_diameter_distance(0.3)), rel=1e-12
    )
    assert values.e_t[0] == pytest.approx(0.1, rel=1e-12)
