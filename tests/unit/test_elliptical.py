"""Elliptical mass against closed forms and brute force over the plane."""

from __future__ import annotations

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.errors import ParameterError

HALO = clm.NFW(5e14, 4.0, redshift=0.3)
R = np.array([0.02, 0.3, 2.0])


def surface(profile, q, x, y):
    return profile.surface_density(np.sqrt(q * x**2 + y**2 / q))


@pytest.mark.parametrize("q", [0.2, 0.6, 0.95])
def test_monopole_and_quadrupole_of_the_surface_density(q):
    """Sums over 4000 points of each circle, to 1e-10."""
    a = (np.arange(4000) + 0.5) * 2.0 * np.pi / 4000
    halo = clm.Elliptical(HALO, q)
    for r in R:
        ring = surface(HALO, q, r * np.cos(a), r * np.sin(a))
        assert halo.surface_density(r) == pytest.approx(np.mean(ring), rel=1e-10)
        amplitude = 2.0 * np.mean(ring * np.cos(2.0 * a))
        assert halo.quadrupole(r).surface_density == pytest.approx(amplitude, rel=1e-9)


def test_mass_in_circles():
    """Mean surface density from an integral over circles; Delta Sigma is mean minus local."""
    halo = clm.Elliptical(HALO, 0.5)
    u = np.linspace(np.log(1e-7), np.log(R), 8001)
    mass = np.trapezoid(2 * np.pi * np.exp(2 * u) * halo.surface_density(np.exp(u)), u, axis=0)
    np.testing.assert_allclose(halo.enclosed_mass_2d(R), mass, rtol=1e-6)
    excess = halo.mean_surface_density(R) - halo.surface_density(R)
    np.testing.assert_allclose(halo.excess_surface_density(R), excess, rtol=1e-9)
    inverse = halo.convergence(1.0, 1.0) / halo.surface_density(1.0)
    shear = halo.tangential_shear(R, 1.0)
    np.testing.assert_allclose(shear, excess * inverse, rtol=1e-9)


def test_isothermal_ellipse_has_the_shear_of_its_convergence():
    """For Sigma = F(a) / R, gamma_t = kappa at every angle and gamma_x = 0 (Kormann 1994)."""
    halo = clm.Elliptical(clm.SIS(800.0, redshift=0.3), 0.6)
    found = halo.quadrupole(R)
    np.testing.assert_allclose(found.tangential, found.surface_density, rtol=2e-6)
    np.testing.assert_array_less(np.abs(found.cross / found.surface_density), 2e-6)
    np.testing.assert_allclose(halo.excess_surface_density(R), halo.surface_density(R), rtol=1e-12)


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_multipoles_of_the_shear_against_the_plane(q):
    """Shear at eight angles of a quarter turn by the sum over the mass of the plane, projected.

    ``gamma(z) = -1/pi int kappa(z') / (z - z')*^2 d^2 z'`` over circles about the point, where
    the kernel averages to nothing close by. To 2e-4 of Delta Sigma, by 720 angles.
    """
    r = 0.4
    halo = clm.Elliptical(HALO, q)
    quadrupole, scale = halo.quadrupole(r), halo.excess_surface_density(r)
    distance = np.geomspace(1e-4, 3e3, 1200)[:, None]
    turn = np.exp(1j * (np.arange(720) + 0.5) * 2.0 * np.pi / 720)
    angles = (np.arange(8) + 0.5) * np.pi / 16
    shear = []
    for a in angles:
        at = r * np.exp(1j * a) - distance * turn
        ring = np.mean(surface(HALO, q, at.real, at.imag) * turn**2, axis=1)
        shear.append(2.0 * np.trapezoid(ring, np.log(distance[:, 0])) * np.exp(-2j * a))
    shear = np.array(shear)
    found = (
        np.mean(shear.real),
        2.0 * np.mean(shear.real * np.cos(2 * angles)),
        2.0 * np.mean(shear.imag * np.sin(2 * angles)),
    )
    expected = (scale, quadrupole.tangential, quadrupole.cross)
    np.testing.assert_array_less(np.abs(np.subtract(found, expected)) / scale, 2e-4)


def test_round_is_the_profile_and_many_are_each_alone():
    round_one = clm.Elliptical(HALO, 1.0)
    expected = HALO.excess_surface_density(R)
    np.testing.assert_allclose(round_one.excess_surface_density(R), expected, rtol=1e-13)
    assert np.all(np.abs(round_one.quadrupole(R).tangential) < 1e-12 * expected)
    several = clm.Elliptical(clm.NFW([1e14, 5e14], 4.0, redshift=0.3), 0.6)
    alone = clm.Elliptical(HALO, 0.6)
    np.testing.assert_array_equal(several.surface_density(R)[1], alone.surface_density(R))
    np.testing.assert_array_equal(several.quadrupole(R).cross[1], alone.quadrupole(R).cross)
    assert np.isfinite(clm.Miscentred(alone, 0.1).excess_surface_density(0.2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: clm.Elliptical(3.0, 0.5), "profile"),
        (lambda: clm.Elliptical(HALO, 0.1), "axis_ratio"),
        (lambda: clm.Elliptical(HALO, 1.5), "axis_ratio"),
        (lambda: clm.Elliptical(HALO, 0.5).reduced_tangential_shear(1.0, 1.0), "convergence"),
        (lambda: clm.Elliptical(HALO, 0.5).density(1.0), "average of mass"),
    ],
)
def test_wrong_calls(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
