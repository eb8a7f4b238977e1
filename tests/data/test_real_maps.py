"""Maps of a ray-traced catalogue and of a hydrodynamical simulation."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits

from clmassmod.cosmology import (
    inverse_critical_surface_density,
    inverse_critical_surface_density_at_infinity,
)
from clmassmod.errors import FormatError
from clmassmod.maps import convergence_of_shear, shear_of_convergence
from clmassmod.readers import load_kappa_map

pytestmark = pytest.mark.data

# the middle of a map, where what lies outside of it matters least
INNER = (slice(6, -6), slice(6, -6))


@pytest.fixture(scope="module")
def catalogue_maps(data_dir):
    """Means of kappa, gamma1, gamma2 in pixels of 1.1 arcmin; x to the east, y to the north."""
    table = fits.getdata(data_dir / "mice_catalog" / "gal_cat.fits")
    dec = table["dec"].astype(float)
    x = (table["ra"].astype(float) - 3.5) * np.cos(np.deg2rad(dec))
    edges = np.linspace(-0.43, 0.43, 49)
    far = table["z_cgal"] > 0.6
    where = (dec[far] - 30.5, x[far])
    counts = np.histogram2d(*where, bins=[edges, edges])[0]
    assert counts.min() > 0
    return [
        np.histogram2d(*where, bins=[edges, edges], weights=table[name].astype(float)[far])[0]
        / counts
        for name in ("kappa", "gamma1", "gamma2")
    ]


def slope_and_correlation(model, data):
    a, b = (part[INNER].ravel() - part[INNER].mean() for part in (model, data))
    return (a @ b) / (a @ a), np.corrcoef(a, b)[0, 1]


def test_shear_of_the_catalogue_has_the_opposite_sign(catalogue_maps):
    kappa, *shear = catalogue_maps
    expected = shear_of_convergence(kappa - kappa.mean(), apodisation=0.1)
    for model, data in zip(expected, shear, strict=True):
        slope, correlation = slope_and_correlation(model, data)
        # -1 but for 18 galaxies a pixel at many redshifts, and for the mass around the field
        assert correlation < -0.8
        assert slope == pytest.approx(-1.0, abs=0.12)


def test_only_this_sign_makes_an_e_mode(catalogue_maps):
    kappa, gamma1, gamma2 = catalogue_maps
    e_mode, b_mode = convergence_of_shear(-gamma1, -gamma2, apodisation=0.1)
    assert slope_and_correlation(e_mode, kappa)[1] > 0.9
    assert b_mode[INNER].std() < 0.3 * e_mode[INNER].std()
    mirrored = convergence_of_shear(-gamma1, gamma2, apodisation=0.1)
    assert mirrored[1][INNER].std() > 0.9 * mirrored[0][INNER].std()


def test_simulated_map(data_dir):
    path = data_dir / "kappa_maps" / "ktng_kappa360v2.fits"
    with pytest.raises(FormatError, match="redshift"):
        load_kappa_map(path, pixel_scale=0.29 * u.arcmin)
    # it states no redshift of a lens: any will do here
    found = load_kappa_map(path, redshift=0.3, sources=1.0, pixel_scale=0.29 * u.arcmin)
    raw = fits.getdata(path)
    assert np.array_equal(found.values, raw)
    assert found.pixel_angle == pytest.approx(np.deg2rad(0.29 / 60.0))
    gamma1, gamma2 = shear_of_convergence(found.values - found.values.mean())
    # of a field of structure, each component has half the variance of the convergence
    ratio = (gamma1.var() + gamma2.var()) / found.values.var()
    assert ratio == pytest.approx(1.0, abs=0.1)
    # the shear that lies outside of the map is missing most near its edges
    inner = (slice(60, -60), slice(60, -60))
    e_mode, b_mode = (part[inner] for part in convergence_of_shear(gamma1, gamma2))
    assert np.corrcoef(e_mode.ravel(), raw[inner].ravel())[0, 1] > 0.99
    assert b_mode.std() < 0.1 * e_mode.std()


def test_rings_of_a_simulated_peak(data_dir):
    path = data_dir / "kappa_maps" / "ktng_kappa360v2.fits"
    found = load_kappa_map(path, redshift=0.3, sources=1.0, pixel_scale=0.29 * u.arcmin)
    row, column = np.unravel_index(found.values[60:-60, 60:-60].argmax(), (240, 240))
    found = found.replace(centre=(column + 60, row + 60))
    field, pixel = found.field(), found.pixel_size()
    kappa_inf = float(
        inverse_critical_surface_density_at_infinity(0.3)
        / inverse_critical_surface_density(0.3, 1.0)
    )
    angle = np.linspace(0.0, 2.0 * np.pi, 2000, endpoint=False)
    for radius in pixel * np.array([5.0, 12.0, 30.0, 55.0]):
        _, gamma1, gamma2 = field.convergence_shear(radius * np.cos(angle), radius * np.sin(angle))
        tangential = -(gamma1 * np.cos(2 * angle) + gamma2 * np.sin(2 * angle)).mean()
        cross = (gamma1 * np.sin(2 * angle) - gamma2 * np.cos(2 * angle)).mean()
        ring = found.radial_averages([radius * 0.9999, radius * 1.0001]).excess[0] * kappa_inf
        # the mean tangential shear on a circle is the excess, whatever the map: two roads to it,
        # which part by the structure of the size of a pixel (0.03 rms, on 30 pixels or more)
        assert tangential == pytest.approx(ring, abs=1e-3)
        assert cross == pytest.approx(0.0, abs=1e-3)
