"""The tables of the lens engine against direct quadrature, and what its search relies on."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy.special import gammaincinv

import clmassmod as clm
from clmassmod._core import axisym as core
from clmassmod.stronglens import LensModel, ProfileLens
from clmassmod.stronglens._tables import sersic_tables, slope_panels

RADII = np.geomspace(3e-7, 3e4, 613)
"""Radii in scale radii: inside the tables and, at both ends, beyond them."""


def values(star, halo, x, slope=1.0, index=4.0):
    """Return kbar, kappa, stretch of stars and haloes of unit radius and given amplitudes."""
    ones = np.ones(x.size)
    slopes = np.full(x.size, slope)
    tables, shapes, which = sersic_tables(np.array([index]))
    lenses = core.LensArrays.star_halo(
        star * ones, ones, halo * ones, ones, slopes, tables, shapes, which, slope_panels(slopes)
    )
    out = np.empty((4, x.size))
    core.values(lenses, x, out, 1)
    return out[:3]


def quadrature(profile, scale_radius, scale, x):
    """Return the same of a profile that integrates every point."""
    R = scale_radius * x
    mean = profile.mean_surface_density(R) / scale
    kappa = profile.surface_density(R) / scale
    return mean, kappa, 2.0 * kappa - mean


def halo(slope):
    return clm.gNFW(1e13, 5.0, 0.3, slope, tabulate=False)


# slopes at an edge of a panel of slopes, in the middle of one, next to the last number below 3
SLOPES = (0.0, 0.03, 0.5, 0.97, 1.0, 1.031, 1.4, 1.9999, 2.0, 2.5, 2.9, 2.99)


@pytest.mark.parametrize("slope", SLOPES)
def test_haloes_are_their_quadrature(slope):
    profile = halo(slope)
    scale = profile.scale_density * profile.scale_radius
    truth = quadrature(profile, profile.scale_radius, scale, RADII)
    found = values(0.0, 1.0, RADII, slope=slope)
    # interpolation in the slope is worst at the end of the table, 3e-10; it falls as |ln x|^8
    # (slope_table.hpp)
    inner = RADII < 1e-4
    np.testing.assert_allclose(found[0][inner], truth[0][inner], rtol=4e-10)
    np.testing.assert_allclose(found[0][~inner], truth[0][~inner], rtol=1.5e-11)
    # kappa comes of a derivative; it may be a small part of kbar, of which it is good to 5e-11
    np.testing.assert_array_less(np.abs(found[1] - truth[1]), 6e-11 * truth[0])


@pytest.mark.parametrize("index", [0.5, 0.8, 1.0, 2.0, 4.0, 8.0, 19.0])
def test_stars_are_their_quadrature(index):
    profile = clm.Sersic(1e11, 1.0, index, 0.3, tabulate=False)
    scale = profile._density_scale[0]  # R_e is 1
    mean, kappa, _ = quadrature(profile, 1.0, scale, RADII)
    found = values(1.0, 0.0, RADII, index=index)
    np.testing.assert_allclose(found[0], mean, rtol=5e-12)
    # kappa dies exponentially outside while kbar does not: it is good to 1e-10 of kbar
    np.testing.assert_array_less(np.abs(found[1] - kappa), 1e-10 * mean)


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0, 1.7, 2.0, 2.6, 2.97])
@pytest.mark.parametrize("x", [1e-4, 0.3, 0.999, 1.0, 1.001, 5.0, 30.0, 1e5])
def test_enclosed_mass_of_a_halo(slope, x):
    out = np.empty(1)
    core.enclosed_mass(np.array([x]), np.array([slope]), out)
    with mpmath.workdps(40):
        a = 3 - mpmath.mpf(slope)
        c = mpmath.mpf(x)
        truth = c**a / a * mpmath.hyp2f1(a, a, a + 1, -c)
    # between the two series, at x = 1, -ln w and psi cancel to a tenth
    assert out[0] == pytest.approx(float(truth), rel=3e-14)


def turning_points(stretch):
    """Return how often a sampled function changes from rising to falling or back."""
    steps = np.diff(stretch)
    # constant to the accuracy of the table: the centre of a core, the tail
    steps = steps[np.abs(steps) > 1e-10 * np.abs(stretch).max()]
    return np.count_nonzero(np.diff(np.sign(steps)) != 0), np.sign(steps[0])


@pytest.mark.parametrize("slope", np.arange(0.0, 2.0, 0.25))
def test_stretch_of_a_halo_falls_to_one_minimum(slope):
    x = np.geomspace(1e-5, 1e4, 1500)
    assert turning_points(values(0.0, 1.0, x, slope=slope)[2]) == (1, -1.0)


@pytest.mark.parametrize("index", [0.5, 1.0, 1.5, 2.0, 4.0, 8.0, 15.0])
def test_stretch_of_stars_falls_to_one_minimum(index):
    x = np.geomspace(1e-5, 300.0, 1500)
    assert turning_points(values(1.0, 0.0, x, index=index)[2]) == (1, -1.0)


def brute_radial_critical_radius(lens, einstein):
    """Return the outermost sign change of R on a fine grid, refined by bisection."""
    x = np.geomspace(2e-6 * einstein, einstein, 40001)
    outside = lens.convergence(x) - lens.shear(x) < 1.0
    if outside.all():
        return 0.0
    last = int(np.nonzero(~outside)[0][-1])
    low, high = x[last], x[last + 1]
    for _ in range(60):
        middle = np.sqrt(low * high)
        inside = lens.convergence(middle) - lens.shear(middle) >= 1.0
        low, high = (middle, high) if inside else (low, middle)
    return low


# compact galaxies in massive cores and cusps: several radial critical curves, or none
MANY = [
    (10.5, 14.8, -0.5, 0.0),
    (11.0, 15.3, -0.3, 0.2),
    (11.0, 15.6, -1.0, 0.0),
    (11.5, 14.0, 0.9, 2.5),
    (12.0, 14.0, 1.5, 2.3),
    (11.5, 13.0, 0.3, 2.0),
    (9.0, 14.5, 0.0, 1.99),
    (11.5, 13.0, 0.9, 0.0),
    (12.3, 12.0, 0.2, 1.0),
    (10.5, 15.0, -1.0, 1.0),
    (10.0, 15.2, -1.5, 0.9),
    (11.0, 15.2, -1.0, 1.1),
]


@pytest.mark.parametrize("case", MANY)
def test_radial_critical_radius_is_the_outermost(case):
    lens = LensModel(*case[:3], gamma_in=case[3])
    found = lens.structure()
    brute = brute_radial_critical_radius(lens, found.einstein_radius)
    assert found.radial_critical_radius == pytest.approx(brute, rel=1e-9)


def test_some_of_these_have_several_radial_critical_curves():
    # else the test above would not try what it is for
    several = 0
    for case in MANY:
        lens = LensModel(*case[:3], gamma_in=case[3])
        x = np.geomspace(1e-5, 1.0, 20001) * lens.einstein_radius()
        inside = lens.convergence(x) - lens.shear(x) >= 1.0
        several += np.count_nonzero(inside[1:] != inside[:-1]) > 1
    assert several >= 2


def test_the_general_search_finds_the_same_as_the_quick_one():
    random = np.random.default_rng(3)
    n = 40
    model = LensModel(
        random.uniform(10.5, 12.0, n),
        random.uniform(12.0, 14.0, n),
        random.uniform(0.2, 1.4, n),
        gamma_in=random.uniform(0.3, 1.7, n),
    )
    general = ProfileLens(model.profile(), 2.0).structure()
    quick = model.structure()
    assert (quick.status == 0).all()
    # the profiles are integrated to rtol = 1e-9, whose derivative loses a factor 30
    np.testing.assert_allclose(general.einstein_radius, quick.einstein_radius, rtol=2e-9)
    np.testing.assert_allclose(
        general.radial_critical_radius, quick.radial_critical_radius, rtol=1e-7
    )


def test_b_n_is_the_exact_root():
    # strong-lensing literature often uses a linear approximation, off by 4e-4 for n = 4
    assert float(gammaincinv(8.0, 0.5)) == pytest.approx(7.66924944250080, rel=1e-14)
    lens = LensModel(11.5, -20.0, 0.9)
    half = lens.deflection(10**0.9) * 10**0.9 * np.pi * lens.critical_surface_density
    assert half == pytest.approx(0.5 * 10**11.5, rel=1e-12)
