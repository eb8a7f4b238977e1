"""Aperture masses against loops over galaxies, the convergence they stand for, and mocks."""

import numpy as np
import pytest
from scipy import integrate, stats

import clmassmod as clm
from clmassmod.errors import FitError, ParameterError
from clmassmod.galaxies import (
    FieldOfView,
    GalaxyCatalogue,
    MockGalaxies,
    PolynomialFilter,
    ZetaFilter,
    aperture_mass,
    expected_aperture_mass,
    mass_of_aperture,
)
from clmassmod.maps import ProfileField
from clmassmod.sources import SourceDistribution

HALO = clm.NFW(8e14, 4.0, 0.3)
ZETA = ZetaFilter(0.5, 1.2, 2.2)
POLYNOMIAL = PolynomialFilter(2.0)


def weak(profile):
    """The profile with a thousandth of the mass at the same radii: shear to first order."""
    return clm.UserProfile(0.3, rho=lambda r: 1e-5 * profile.density(r))


def mean_convergence(profile, low, high):
    inverse = 1.0 / clm.critical_surface_density(0.3, 1.0)
    inner = profile.enclosed_mass_2d(low) if low else 0.0
    return inverse * (profile.enclosed_mass_2d(high) - inner) / (np.pi * (high**2 - low**2))


def test_zeta_is_a_difference_of_mean_convergences():
    profile = weak(HALO)
    expected = mean_convergence(profile, 0.0, 0.5) - mean_convergence(profile, 1.2, 2.2)
    found = expected_aperture_mass(profile, ZETA, 1.0)
    # the profile is tabulated to 1e-6, and second order is 1e-5
    assert found == pytest.approx(expected, rel=2e-5)


def test_polynomial_is_a_compensated_mean_of_convergence():
    profile = weak(HALO)

    def integrand(R):
        x2 = (R / 2.0) ** 2
        u = 9.0 / (np.pi * 4.0) * (1.0 - x2) * (1.0 / 3.0 - x2)
        return 2.0 * np.pi * R * u * profile.convergence(R, 1.0)

    expected = integrate.quad(integrand, 1e-9, 2.0, epsrel=1e-9, limit=400)[0]
    assert expected_aperture_mass(profile, POLYNOMIAL, 1.0) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("aperture", [ZETA, POLYNOMIAL])
def test_sum_against_a_loop(aperture):
    rng = np.random.default_rng(5)
    n = 300
    x, y = rng.uniform(-2.5, 2.5, (2, n))
    e1, e2 = 0.2 * rng.standard_normal((2, n))
    z = rng.uniform(0.1, 1.5, n)
    e_err = rng.uniform(0.05, 0.2, n)
    catalogue = GalaxyCatalogue(x=x, y=y, e1=e1, e2=e2, z=z, e_err=e_err)
    found = aperture_mass(catalogue, 0.3, aperture)
    low, high = aperture.knots[0], aperture.knots[-1]
    total = value = cross = noise = number = 0.0
    for i in range(n):
        R, phi = np.hypot(x[i], y[i]), np.arctan2(y[i], x[i])
        if not (low <= R <= high and z[i] > 0.3):
            continue
        variance = 0.25**2 + e_err[i] ** 2
        w = 1.0 / clm.critical_surface_density(0.3, z[i]) ** 2 / variance
        q = float(aperture.weight(np.array([R]))[0])
        total += w
        value += w * q * -(e1[i] * np.cos(2 * phi) + e2[i] * np.sin(2 * phi))
        cross += w * q * (e1[i] * np.sin(2 * phi) - e2[i] * np.cos(2 * phi))
        noise += w**2 * q**2 * variance
        number += 1
    area = np.pi * (high**2 - low**2)
    assert found.value == pytest.approx(area * value / total, rel=1e-11)
    assert found.cross == pytest.approx(area * cross / total, rel=1e-11)
    assert found.error == pytest.approx(area * np.sqrt(noise) / total, rel=1e-11)
    assert found.n == number


@pytest.mark.parametrize("aperture", [ZETA, PolynomialFilter(2.0, inner=0.2)])
def test_masses_of_mocks(aperture):
    sources = SourceDistribution.chang2013()
    mock = MockGalaxies(30.0, sources, FieldOfView.circle(2.3, unit="Mpc"))
    lens = ProfileField(HALO)
    pulls, crosses = [], []
    for i in range(24):
        catalogue = mock.generate(lens, seed=3, halo_id=str(i))
        found = aperture_mass(catalogue, 0.3, aperture)
        mass, error = mass_of_aperture(found, lambda m: clm.NFW(m, 4.0, 0.3))
        pulls.append((mass - 8e14) / error)
        crosses.append(found.cross / found.error)
    for values in map(np.array, (pulls, crosses)):
        assert stats.chi2.sf(np.sum(values**2), values.size) > 1e-4
        assert abs(values.mean()) * np.sqrt(values.size) < 3.9


def test_mass_and_error_without_noise():
    value = expected_aperture_mass(HALO, ZETA, 1.0)
    catalogue = GalaxyCatalogue(x=[1.0], y=[0.0], e1=[-0.1], e2=[0.0])
    measured = aperture_mass(catalogue, 0.3, ZETA, sources=1.0)
    exact = measured._replace(value=float(value), error=1e-3)
    mass, error = mass_of_aperture(exact, lambda m: clm.NFW(m, 4.0, 0.3))
    assert mass == pytest.approx(8e14, rel=1e-8)
    lighter = expected_aperture_mass(clm.NFW(mass - error, 4.0, 0.3), ZETA, 1.0)
    assert value - lighter == pytest.approx(1e-3, rel=0.05)
    with pytest.raises(FitError, match="no mass"):
        mass_of_aperture(exact._replace(value=-0.1), lambda m: clm.NFW(m, 4.0, 0.3))
    with pytest.raises(FitError, match="no mass"):
        mass_of_aperture(exact, lambda m: clm.NFW(m, 4.0, 0.3), (1e13, 2e13))
    with pytest.raises(ParameterError, match="sources"):
        mass_of_aperture(exact._replace(sources=None), lambda m: clm.NFW(m, 4.0, 0.3))


def test_wrong_arguments():
    with pytest.raises(ParameterError, match="inner, background, outer"):
        ZetaFilter(0.5, 0.4, 2.0)
    with pytest.raises(ParameterError, match="inner, radius"):
        PolynomialFilter(1.0, inner=1.0)
    catalogue = GalaxyCatalogue(x=[9.0], y=[0.0], e1=[0.0], e2=[0.0], z=[1.0])
    with pytest.raises(ParameterError, match="inner radius"):
        expected_aperture_mass(HALO, POLYNOMIAL, SourceDistribution.chang2013())
    with pytest.raises(FitError, match="no galaxy"):
        aperture_mass(catalogue, 0.3, ZETA)
