"""Profiles of a ray-traced catalogue, and of mock galaxies behind a simulated map."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u

from clmassmod.cosmology import angular_diameter_distance
from clmassmod.galaxies import (
    FieldOfView,
    GalaxyCatalogue,
    GalaxyPairs,
    MockGalaxies,
    build_profile,
)
from clmassmod.readers import load_kappa_map

pytestmark = pytest.mark.data

Z_L = 0.3
"""Of no matter: radii are angles, shears those of the columns."""


@pytest.fixture(scope="module")
def far_galaxies(data_dir):
    """The catalogue at z > 0.6; its shears have the opposite sign (see test_real_maps.py)."""
    path = data_dir / "mice_catalog" / "gal_cat.fits"
    names = {"z": "z_cgal", "e1": "gamma1", "e2": "gamma2"}
    read = GalaxyCatalogue.read(path, columns=names, coordinate_system="celestial")
    made = read.replace(e1=-read["e1"], e2=-read["e2"])
    return made.select(made["z"] > 0.6)


def test_shear_on_rings_is_the_excess_of_the_convergence_inside(far_galaxies):
    minute = float(angular_diameter_distance(Z_L)) * np.deg2rad(1.0 / 60.0)
    disc, ring = np.array([0.0, 5.5]) * minute, np.array([5.0, 6.0]) * minute
    middle = np.median(far_galaxies["ra"]), np.median(far_galaxies["dec"])
    steps = np.linspace(-0.3, 0.3, 6)
    centres = [
        (middle[0] + x / np.cos(np.deg2rad(middle[1])), middle[1] + y) for x in steps for y in steps
    ]
    shear = GalaxyPairs(far_galaxies).sums(centres, Z_L, ring, weights="shape")
    # the mean of kappa over galaxies: a column that is summed as a weight
    kappa = far_galaxies["kappa"] + 1.0
    weighted = GalaxyPairs(far_galaxies.replace(weight=kappa))
    inside, on = (
        weighted.sums(centres, Z_L, edges, weights="shape").weight[:, 0]
        / GalaxyPairs(far_galaxies).sums(centres, Z_L, edges, weights="shape").weight[:, 0]
        for edges in (disc, ring)
    )
    assert shear.pairs.min() > 300
    tangential, cross = shear.tangential / shear.weight, shear.cross / shear.weight
    excess = inside - on
    slope = (tangential[:, 0] @ excess) / (excess @ excess)
    correlation = np.corrcoef(tangential[:, 0], excess)[0, 1]
    # not exactly 1: galaxies at many redshifts, which cluster, sample disc and ring
    assert correlation > 0.9
    assert slope == pytest.approx(1.0, abs=0.15)
    assert np.std(cross) < 0.3 * np.std(tangential)


def test_map_to_mock_to_profile_is_the_direct_average_of_the_map(data_dir):
    path = data_dir / "kappa_maps" / "ktng_kappa360v2.fits"
    found = load_kappa_map(path, redshift=Z_L, sources=1.0, pixel_scale=0.29 * u.arcmin)
    row, column = np.unravel_index(found.values[80:-80, 80:-80].argmax(), (200, 200))
    # weak enough that the reduced shear is the shear to 1e-4 of it
    found = found.replace(values=1e-3 * found.values, centre=(column + 80, row + 80))
    edges = found.pixel_size() * np.array([6.0, 12.0, 24.0, 48.0, 75.0])
    mock = MockGalaxies(
        100.0, 1.0, FieldOfView.circle(edges[-1], inner=edges[0], unit="Mpc"), shape_noise=0.0
    )
    catalogue = mock.generate(found.field(), seed=1)
    profile = build_profile(catalogue, Z_L, bins=edges)
    direct = found.radial_averages(edges).excess
    # galaxies sample the structure of the map: each scatters by 0.02 (times 1e-3)
    error = 2e-5 / np.sqrt(profile.n)
    np.testing.assert_allclose(profile.g_t, direct, atol=4.0 * error.max())
    assert np.abs(direct).max() > 10.0 * error.max()
    assert np.all(np.abs(profile.g_x) < 4.0 * error)
