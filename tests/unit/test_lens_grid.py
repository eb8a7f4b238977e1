"""Inversion over a grid of halo masses and slopes: single inversions, the twin, photometry."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from clmassmod.errors import ParameterError
from clmassmod.stronglens import (
    ImagePhotometry,
    InversionGrid,
    LensModel,
    LensStatus,
    invert_images,
    solve_images,
)
from clmassmod.stronglens.source_counts import SchechterCounts

from lens_twin import Twin

LOG_MHALO = np.linspace(11.5, 15.0, 9)
SLOPES = np.linspace(0.0, 2.0, 7)
LOG_RE = np.array([0.9, 1.1, 0.7])
SIGMA_A, SIGMA_B = 0.1, 0.15
NAMES = ("log_mstar", "beta", "jacobian", "mu_a", "mu_b")


@pytest.fixture(scope="module")
def pairs():
    """Images of three lenses."""
    images = solve_images(LensModel([11.4, 11.7, 11.2], 13.0, LOG_RE), [0.6, 2.0, 1.0])
    assert np.all(images.status == LensStatus.ok)
    return images


@pytest.fixture(scope="module")
def grid():
    """The grid of the tests."""
    return InversionGrid(LOG_MHALO, SLOPES, c200=5.0, sersic_n=4.0, z_l=0.3, z_s=2.0)


@pytest.fixture(scope="module")
def cells(grid, pairs):
    """All cells with photometry, and the magnitudes observed."""
    # a source of 24.7 mag, and errors of observation
    m_a = 24.7 - 2.5 * np.log10(pairs.mu_a) + np.array([0.05, -0.1, 0.0])
    m_b = 24.7 - 2.5 * np.log10(-pairs.mu_b) + np.array([-0.07, 0.2, 0.0])
    photometry = ImagePhotometry(SchechterCounts(), SIGMA_A, SIGMA_B)
    result = grid.invert_images(
        pairs.x_a, pairs.x_b, LOG_RE, m_a=m_a, m_b=m_b, photometry=photometry
    )
    return result, m_a, m_b


def test_equals_single_inversions(pairs, cells):
    result, _, _ = cells
    single = invert_images(
        pairs.x_a[:, None, None],
        pairs.x_b[:, None, None],
        LOG_MHALO[None, None, :],
        LOG_RE[:, None, None],
        gamma_in=SLOPES[None, :, None],
    )
    assert result.log_mstar.shape == (3, SLOPES.size, LOG_MHALO.size)
    np.testing.assert_array_equal(result.status, single.status)
    valid = result.status == LensStatus.ok
    assert 20 < valid.sum() < valid.size - 20
    # M* is a difference of deflections: 1e-11 of them, of an M* that may be a small part
    part = np.minimum(1.0, 10.0 ** (single.log_mstar[valid] - 11.3))
    error = np.abs(result.log_mstar - single.log_mstar)[valid]
    assert np.all(error * part < 1e-10)
    np.testing.assert_allclose(result.beta[valid], single.beta[valid], rtol=0, atol=1e-9)
    # the error of an eigenvalue counts by its inverse
    amplified = 1.0 + np.abs(single.mu_a[valid] * single.mu_b[valid])
    for name in ("jacobian", "mu_a", "mu_b"):
        error = np.abs(getattr(result, name)[valid] / getattr(single, name)[valid] - 1.0)
        assert np.all(error * part < 1e-9 * amplified), name


def test_cells_without_a_lens_are_nan(cells):
    result, _, _ = cells
    invalid = result.status != LensStatus.ok
    for name in NAMES:
        values = getattr(result, name)
        assert np.all(np.isnan(values[invalid])), name
        assert np.all(np.isfinite(values[~invalid])), name
    # not a number or no probability: a sum over cells may use either
    assert not np.any(np.isfinite(result.log_photometry[invalid]))


def test_against_the_twin(pairs, cells):
    result, _, _ = cells
    checked = 0
    for i, j, k in np.argwhere(result.status == LensStatus.ok)[::5]:
        twin = Twin(0.0, float(LOG_MHALO[k]), float(LOG_RE[i]), gamma_in=float(SLOPES[j]))
        x_a, b = float(pairs.x_a[i]), -float(pairs.x_b[i])
        (star_a, kappa_star_a, halo_a, kappa_halo_a) = twin.parts(x_a)
        (star_b, kappa_star_b, halo_b, kappa_halo_b) = twin.parts(b)
        mass = (x_a + b - halo_a - halo_b) / (star_a + star_b)
        beta = x_a - mass * star_a - halo_a
        kbar_a, kbar_b = (mass * star_a + halo_a) / x_a, (mass * star_b + halo_b) / b
        radial_a = 1.0 + kbar_a - 2.0 * (mass * kappa_star_a + kappa_halo_a)
        radial_b = 1.0 + kbar_b - 2.0 * (mass * kappa_star_b + kappa_halo_b)
        jacobian = radial_a * radial_b / (mass * math.log(10.0) * (star_a + star_b))
        assert result.log_mstar[i, j, k] == pytest.approx(math.log10(mass), abs=1e-8)
        assert result.beta[i, j, k] == pytest.approx(beta, abs=1e-9)
        close = 1e-8 / min(1.0, radial_b) / min(1.0, mass / 1e11)
        assert result.jacobian[i, j, k] == pytest.approx(jacobian, rel=close)
        assert result.mu_a[i, j, k] == pytest.approx(1.0 / ((1 - kbar_a) * radial_a), rel=close)
        assert result.mu_b[i, j, k] == pytest.approx(1.0 / ((1 - kbar_b) * radial_b), rel=close)
        checked += 1
    assert checked > 10


def test_photometry_is_an_integral_over_the_source(cells):
    result, m_a, m_b = cells
    counts = SchechterCounts()
    # N L^(a+1) exp(-L), a = -1.3, m* = 24.5, 28.57 per arcmin^2 between 20 and 30
    shape = quad(schechter, 20.0, 30.0, epsrel=1e-12)[0]
    checked = 0
    for i, j, k in np.argwhere(result.status == LensStatus.ok)[::7]:
        u_a = m_a[i] + 2.5 * math.log10(result.mu_a[i, j, k])
        u_b = m_b[i] + 2.5 * math.log10(-result.mu_b[i, j, k])
        # times exp of its greatest value, lest far cells underflow
        middle = (u_a / SIGMA_A**2 + u_b / SIGMA_B**2) / (SIGMA_A**-2 + SIGMA_B**-2)
        shift = log_normal(u_a - middle, SIGMA_A) + log_normal(u_b - middle, SIGMA_B)

        def integrand(m, u_a=u_a, u_b=u_b, shift=shift):
            log_errors = log_normal(u_a - m, SIGMA_A) + log_normal(u_b - m, SIGMA_B)
            return schechter(m) * math.exp(log_errors - shift)

        low, high = max(20.0, middle - 1.0), min(30.0, middle + 1.0)
        if high - low < 1.0:
            continue
        value = quad(integrand, low, high, epsabs=0.0, epsrel=1e-11, limit=200)[0]
        truth = math.log(value * counts.density / shape) + shift
        # one table of ln F
        assert result.log_photometry[i, j, k] == pytest.approx(truth, abs=1e-7), (i, j, k)
        checked += 1
    assert checked > 5


def schechter(m):
    luminosity = 10.0 ** (-0.4 * (m - 24.5))
    return luminosity**-0.3 * math.exp(-luminosity)


def log_normal(x, sigma):
    return -0.5 * (x / sigma) ** 2 - math.log(sigma * math.sqrt(2.0 * math.pi))


def test_same_bits_for_threads_and_parts(grid, pairs, cells):
    result, m_a, m_b = cells
    photometry = ImagePhotometry(SchechterCounts(), SIGMA_A, SIGMA_B)
    options = {"m_a": m_a, "m_b": m_b, "photometry": photometry}
    for n_threads in (2, 3):
        again = grid.invert_images(pairs.x_a, pairs.x_b, LOG_RE, n_threads=n_threads, **options)
        for name in result._fields:
            np.testing.assert_array_equal(getattr(again, name), getattr(result, name), name)
    alone = grid.invert_images(
        pairs.x_a[1], pairs.x_b[1], LOG_RE[1], m_a=m_a[1], m_b=m_b[1], photometry=photometry
    )
    for name in result._fields:
        np.testing.assert_array_equal(getattr(alone, name)[0], getattr(result, name)[1], name)
    bare = grid.invert_images(pairs.x_a, pairs.x_b, LOG_RE)
    assert bare.log_photometry is None
    np.testing.assert_array_equal(bare.log_mstar, result.log_mstar)


def test_own_redshifts_and_concentrations(pairs):
    z_l, z_s, c200 = np.array([0.2, 0.3, 0.5]), np.array([1.0, 2.0, 1.6]), 6.0 - 0.3 * LOG_MHALO / 5
    grid = InversionGrid(LOG_MHALO, [0.8, 1.3], c200=c200, sersic_n=2.5, z_l=z_l, z_s=z_s)
    result = grid.invert_images(pairs.x_a, pairs.x_b, LOG_RE)
    single = invert_images(
        pairs.x_a[:, None, None],
        pairs.x_b[:, None, None],
        LOG_MHALO[None, None, :],
        LOG_RE[:, None, None],
        gamma_in=np.array([0.8, 1.3])[None, :, None],
        c200=c200[None, None, :],
        sersic_n=2.5,
        z_l=z_l[:, None, None],
        z_s=z_s[:, None, None],
    )
    np.testing.assert_array_equal(result.status, single.status)
    valid = result.status == LensStatus.ok
    np.testing.assert_allclose(result.log_mstar[valid], single.log_mstar[valid], atol=1e-8)
    np.testing.assert_allclose(result.beta[valid], single.beta[valid], atol=1e-9)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"x_a": -1.0}, r"x_a .*> 0"),
        ({"x_b": 1.0}, r"x_b .*< 0"),
        ({"x_b": math.nan}, r"x_b .*< 0"),
        ({"log_re": math.nan}, r"log_re "),
        ({"m_a": 25.0}, "photometry"),
        ({"x_a": [6.0, 7.0], "x_b": [-3.0, -2.0, -1.0]}, r"\(2,\).*\(3,\)"),
    ],
    ids=str,
)
def test_wrong_calls(grid, change, word):
    with pytest.raises(ParameterError, match=word):
        grid.invert_images(**{"x_a": 6.0, "x_b": -3.0, "log_re": 0.9, **change})


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"log_mhalo": []}, "log_mhalo"),
        ({"log_mhalo": [13.0, math.nan]}, "log_mhalo"),
        ({"gamma_in": [0.0, 3.0]}, r"gamma_in .*< 3"),
        ({"gamma_in": [-0.1]}, r"gamma_in .*>= 0"),
        ({"z_s": 0.2}, r"z_s .*z_l"),
        ({"c200": [5.0, 5.0, 5.0]}, "c200"),
        ({"sersic_n": 0.2}, r"sersic_n .*0\.5"),
    ],
    ids=str,
)
def test_wrong_grids(change, word):
    with pytest.raises(ParameterError, match=word):
        InversionGrid(**{"log_mhalo": [13.0, 14.0], "gamma_in": [1.0], **change})


@pytest.mark.parametrize("sigma", [0.0, -0.1, math.nan])
def test_wrong_errors_of_magnitudes(sigma):
    with pytest.raises(ParameterError, match=r"sigma_b .*> 0"):
        ImagePhotometry(SchechterCounts(), 0.1, sigma)
