"""Surface densities with a core or an exponential fall, and what a wrong function is told."""

import numpy as np
import pytest
from scipy.integrate import quad

import clmassmod as clm
from clmassmod.errors import NumericalError, ParameterError

# Sigma / Sigma_0 and -d/dR of it
SURFACES = {
    "1/(1+R)^2": (lambda R: 1.0 / (1.0 + R) ** 2, lambda R: 2.0 / (1.0 + R) ** 3),
    "1/(1+R)": (lambda R: 1.0 / (1.0 + R), lambda R: 1.0 / (1.0 + R) ** 2),
    "1/(1+R^2)": (lambda R: 1.0 / (1.0 + R**2), lambda R: 2.0 * R / (1.0 + R**2) ** 2),
    "exp(-R)": (lambda R: np.exp(-R), lambda R: np.exp(-R)),
    "exp(-R^2)": (lambda R: np.exp(-(R**2)), lambda R: 2.0 * R * np.exp(-(R**2))),
}


@pytest.mark.parametrize("name", SURFACES)
def test_cored_and_exponential_surface_densities(name):
    shape, fall = SURFACES[name]
    profile = clm.UserProfile(0.3, sigma=lambda R: 1e14 * shape(R))
    for R in (1e-3, 0.03, 0.4, 2.0, 6.0):
        excess = quad(lambda t, R=R: fall(t) * (t / R) ** 2, 0.0, R, epsabs=0.0, epsrel=1e-11)[0]
        # beyond R cosh(12) nothing is left: the slowest of them falls as e^-2u
        end = 12.0 - min(0.0, np.log(R))
        rho = quad(lambda u, R=R: fall(R * np.cosh(u)), 0.0, end, epsabs=0.0, epsrel=1e-10)[0]
        assert profile.surface_density(R) == pytest.approx(1e14 * shape(R), rel=1e-6)
        # rtol of the profile as continued, and as much for the continuation of its core
        assert profile.excess_surface_density(R) == pytest.approx(1e14 * excess, rel=2e-6)
        assert profile.density(R) == pytest.approx(1e14 * rho / np.pi, rel=2e-6)


@pytest.mark.parametrize("name", SURFACES)
def test_core_in_a_range_of_ones_own(name):
    shape, _ = SURFACES[name]
    profile = clm.UserProfile(0.3, sigma=lambda R: 1e14 * shape(R), radius_range=(1e-4, 10.0))
    assert profile.surface_density(0.1) == pytest.approx(1e14 * shape(0.1), rel=1e-6)


def test_slope_in_a_core_is_a_power_far_below_rounding():
    profile = clm.UserProfile(0.3, sigma=lambda R: 1e14 / (1.0 + R**2))
    R = np.array([1e-6, 1e-5, 1e-4])
    # Delta Sigma = Sigma_0 R^2 / 2, less R^2 of it: to rtol by the series continued below 2e-3
    np.testing.assert_allclose(profile.excess_surface_density(R), 5e13 * R**2, rtol=1e-6)


def test_scalar_functions_are_named_with_a_remedy():
    with pytest.raises(ParameterError, match=r"rho .*array of radii.*numpy\.vectorize"):
        clm.UserProfile(0.3, rho=lambda r: 1e15 if r > 1.0 else 1e14)


def test_failures_name_radius_and_remedy():
    noise = np.random.default_rng(1)

    def noisy(r):
        return 1e15 * (1.0 + 1e-3 * noise.random(r.shape)) / (r * (1.0 + r) ** 2)

    for rtol, looser in ((1e-6, True), (1e-2, False)):
        with pytest.raises(NumericalError, match=r"Mpc\).*radius_range") as caught:
            clm.UserProfile(0.3, rho=noisy, rtol=rtol)
        # nothing looser than the largest rtol is advised
        assert ("larger rtol" in str(caught.value)) is looser
