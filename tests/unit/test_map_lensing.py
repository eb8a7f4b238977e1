"""Convergence maps to shear and back, and the lensing fields, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.cosmology import inverse_critical_surface_density_at_infinity
from clmassmod.errors import ParameterError
from clmassmod.maps import (
    LensingField,
    MapField,
    ProfileField,
    convergence_of_shear,
    shear_of_convergence,
)

from map_twin import disc_halo, pixel_means, positions

N, SIDE = 128, 6.4
PIXEL = SIDE / N
HALO = clm.NFW(1e15, 4.0, redshift=0.4)
EXACT = ProfileField(HALO)
X, Y = positions(N, PIXEL)
RADIUS = np.hypot(X, Y) / PIXEL
# the halo is cut off here: rings of mass outside of a circle cause no shear in it
CUT = 60.0 * PIXEL


@pytest.fixture(scope="module")
def convergence():
    return disc_halo(HALO, N, PIXEL, CUT)


@pytest.fixture(scope="module")
def exact_means():
    return pixel_means(lambda x, y: np.array(EXACT.convergence_shear(x, y)[1:]), N, PIXEL)


def shear_error(shear, exact):
    return np.hypot(shear[0] - exact[0], shear[1] - exact[1]) / np.hypot(*exact)


def test_shear_of_an_nfw_map(convergence, exact_means):
    error = shear_error(shear_of_convergence(convergence), exact_means)
    # found: 3.5e-4 and 4e-5; the cusp and the cut at 60 pixels die away by a factor 3 a pixel
    assert error[(RADIUS > 6) & (RADIUS < 50)].max() < 1e-3
    assert error[(RADIUS > 12) & (RADIUS < 45)].max() < 1e-4


def test_periodic_and_merely_padded_maps_are_wrong_at_the_edge(convergence, exact_means):
    edge = (RADIUS > 40) & (RADIUS < 55)
    periodic = shear_error(shear_of_convergence(convergence, periodic=True), exact_means)
    assert periodic[edge].max() > 0.3
    assert shear_error(zero_padded(convergence, 2), exact_means)[edge].max() > 0.02
    isolated = shear_error(shear_of_convergence(convergence), exact_means)
    assert isolated[edge].max() < 1e-3


def zero_padded(kappa, factor):
    """Kaiser-Squires in a periodic box `factor` times the side of the map."""
    n, size = len(kappa), factor * len(kappa)
    k = np.fft.fftfreq(size)
    kx, ky = np.meshgrid(k, k)
    square = np.where((kx == 0) & (ky == 0), 1.0, kx**2 + ky**2)
    transform = np.fft.fft2(kappa, s=(size, size)) / square
    parts = (transform * (kx**2 - ky**2), transform * 2.0 * kx * ky)
    return [np.fft.ifft2(part).real[:n, :n] for part in parts]


def test_a_map_field_is_the_halo_between_pixels(convergence):
    field = MapField(convergence, PIXEL, 0.4)
    rng = np.random.default_rng(3)
    radius = PIXEL * rng.uniform(10, 40, 500)
    angle = rng.uniform(0, 2 * np.pi, 500)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    found, true = field.convergence_shear(x, y), EXACT.convergence_shear(x, y)
    assert np.abs(found[0] / true[0] - 1.0).max() < 1e-4
    assert shear_error(found[1:], true[1:]).max() < 3e-4


def test_the_spline_has_the_means_of_the_pixels(convergence):
    field = MapField(convergence, PIXEL, 0.4)
    at = (slice(30, 40), slice(60, 70))
    u, w = np.polynomial.legendre.leggauss(6)
    means = np.zeros((10, 10))
    # a cubic spline has knots at the centres of the pixels: one panel on each side
    for i, j in ((a, b) for a in (-0.25, 0.25) for b in (-0.25, 0.25)):
        for a, wa in zip(i + u / 4, w / 4, strict=True):
            for b, wb in zip(j + u / 4, w / 4, strict=True):
                found = field.convergence_shear(X[at] + a * PIXEL, Y[at] + b * PIXEL)[0]
                means += wa * wb * found
    assert np.allclose(means, convergence[at], rtol=1e-12)


def test_points_instead_of_means():
    # a Gaussian lens: mean convergence within R is (1 - exp(-R^2 / 2 s^2)) 2 s^2 / R^2
    s = 6.0
    kappa = np.exp(-0.5 * (RADIUS / s) ** 2)
    mean = 2.0 * (s / RADIUS) ** 2 * (1.0 - kappa)
    amplitude = -(mean - kappa) / (X**2 + Y**2)
    exact = amplitude * (X**2 - Y**2), amplitude * 2.0 * X * Y
    shear = shear_of_convergence(kappa, sampling="point")
    # spline of 6 pixels a standard deviation: (1 / s)^4 of the order of 1e-3, times 1 / 100
    assert np.abs(np.array(shear) - exact).max() < 3e-5


def test_there_and_back():
    rng = np.random.default_rng(5)
    kappa = rng.normal(size=(24, 24))
    kappa -= kappa.mean()
    smooth = np.fft.ifft2(
        np.fft.fft2(kappa)
        * np.exp(-100.0 * np.add.outer(np.fft.fftfreq(24) ** 2, np.fft.fftfreq(24) ** 2))
    ).real
    e_mode, b_mode = convergence_of_shear(
        *shear_of_convergence(smooth, periodic=True), periodic=True
    )
    scale = np.abs(smooth).max()
    # near the sampling limit the kernel is that of the spline, not of modulus one
    assert np.abs(e_mode - smooth).max() < 1e-3 * scale
    assert np.abs(b_mode).max() < 1e-13 * scale


def test_a_rotated_shear_is_a_b_mode(convergence):
    gamma1, gamma2 = shear_of_convergence(convergence)
    e_mode, b_mode = convergence_of_shear(gamma1, gamma2)
    turned = convergence_of_shear(-gamma2, gamma1)
    assert np.allclose(turned[1], e_mode, rtol=0, atol=1e-14)
    middle = (RADIUS > 5) & (RADIUS < 20)
    lost = e_mode - convergence
    # what lies outside of the map is missing: a nearly constant part of the size at the edge
    assert np.abs(b_mode[middle]).max() < 1e-3
    assert np.ptp(lost[middle]) < 0.2 * convergence[middle].min()


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("n", [4, 9, 16])
def test_a_turned_map_has_a_turned_shear(n, periodic):
    kappa = np.random.default_rng(n).normal(size=(n, n))
    gamma1, gamma2 = shear_of_convergence(kappa, periodic=periodic)
    # by 90 degrees, and as in a mirror on the diagonal; rounding of a few hundred sums
    turned = shear_of_convergence(np.rot90(kappa), periodic=periodic)
    assert np.allclose(turned, [-np.rot90(gamma1), -np.rot90(gamma2)], rtol=0, atol=1e-14)
    mirrored = shear_of_convergence(kappa.T, periodic=periodic)
    assert np.allclose(mirrored, [-gamma1.T, gamma2.T], rtol=0, atol=1e-14)


def test_threads_do_not_change_bits(convergence):
    one = shear_of_convergence(convergence, n_threads=1)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(one, shear_of_convergence(convergence, n_threads=2), strict=True)
    )


def test_a_profile_field_is_tangential():
    x, y = np.array([0.3, -0.2, 0.0]), np.array([0.4, 0.7, -0.5])
    kappa, gamma1, gamma2 = EXACT.convergence_shear(x, y)
    phi, radius = np.arctan2(y, x), np.hypot(x, y)
    inverse = float(inverse_critical_surface_density_at_infinity(0.4))
    tangential = -(gamma1 * np.cos(2 * phi) + gamma2 * np.sin(2 * phi))
    cross = gamma1 * np.sin(2 * phi) - gamma2 * np.cos(2 * phi)
    assert np.allclose(kappa, inverse * HALO.surface_density(radius), rtol=1e-14)
    assert np.allclose(tangential, inverse * HALO.excess_surface_density(radius), rtol=1e-13)
    assert np.abs(cross).max() < 1e-15
    moved = ProfileField(HALO, centre=(1.0, -2.0))
    assert np.allclose(moved.convergence_shear(x + 1.0, y - 2.0), [kappa, gamma1, gamma2])


def test_protocol(convergence):
    assert isinstance(EXACT, LensingField)
    assert isinstance(MapField(convergence, PIXEL, 0.4), LensingField)


def test_positions_of_any_shape(convergence):
    field = MapField(convergence, PIXEL, 0.4)
    x, y = np.array([[0.3, 0.4], [0.5, -0.6]]), np.array([0.2, 0.1])
    kappa = field.convergence_shear(x, y)[0]
    assert kappa.shape == (2, 2)
    single = field.convergence_shear(0.5, 0.2)
    assert [part.shape for part in single] == [(), (), ()]
    assert single[0] == kappa[1, 0]
    assert EXACT.convergence_shear(0.5, 0.2)[1].shape == ()


def test_apodisation_and_extent(convergence):
    field = MapField(np.ones((10, 10)), 0.1, 0.3, centre=(2.0, 4.5), apodisation=0.3)
    assert np.allclose(field.extent, (-0.25, 0.75, -0.5, 0.5))
    edge, middle = field.convergence_shear([-0.25, 0.25], [0.0, 0.0])[0]
    assert abs(edge) < 0.05
    assert abs(middle - 1.0) < 0.01


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: shear_of_convergence(np.ones((8, 9))), "convergence.shape"),
        (lambda: shear_of_convergence(np.full((8, 8), np.nan)), "convergence[0, 0]"),
        (lambda: shear_of_convergence(np.ones((8, 8)), apodisation=0.6), "apodisation"),
        (lambda: shear_of_convergence(np.ones((8, 8)), sampling="mean"), "sampling"),
        (lambda: convergence_of_shear(np.ones((8, 8)), np.ones((9, 9))), "gamma2.shape"),
        (lambda: MapField(np.ones((8, 8)), 0.0, 0.3), "pixel_scale[0]"),
        (lambda: MapField(np.ones((8, 8)), 0.1, 0.3).convergence_shear(0.0, 0.5), "y"),
        (lambda: ProfileField(clm.NFW([1e14, 1e15], 4.0, redshift=0.4)), "profile"),
        (lambda: EXACT.convergence_shear([0.1, 0.2], [0.1, 0.2, 0.3]), "y.shape"),
    ],
)
def test_refusals(call, name):
    with pytest.raises(ParameterError) as caught:
        call()
    assert caught.value.name == name
