"""sigma_M against the inner radius: landmarks of the wish list, and a twin of quadratures."""

import numpy as np
import pytest
from scipy import integrate

import clmassmod as clm
from clmassmod.cluster.statistical_power import POWER_SURVEY
from clmassmod.errors import ConfigError, ParameterError

# sigma_M at an inner radius over that at 0.5 Mpc, read off the plots of the wish list's notebook
# to .025
LANDMARKS = [
    (0.1, 2e14, 0.3, 0.87),
    (0.1, 2e14, 0.6, 0.85),
    (0.1, 1e15, 0.3, 0.92),
    (0.1, 1e15, 0.6, 0.885),
    (0.95, 2e14, 0.3, 1.28),
    (0.95, 2e14, 0.6, 1.285),
    (0.95, 1e15, 0.3, 1.165),
    (0.95, 1e15, 0.6, 1.18),
]


@pytest.mark.parametrize(("radius", "mass", "redshift", "expected"), LANDMARKS)
def test_landmarks(radius, mass, redshift, expected):
    sigma = clm.statistical_power(mass, redshift, [radius, 0.5])
    assert sigma[0] / sigma[1] == pytest.approx(expected, abs=0.025)


def test_against_quadrature():
    mass, redshift, radius = 5e14, 0.4, 0.3
    edges = np.linspace(radius, 2.5, 13)
    middle = 2.0 / 3.0 * np.diff(edges**3) / np.diff(edges**2)
    cosmology = clm.NFW(1e14, 4.0, 0.1).cosmology
    arcmin = np.rad2deg(edges / cosmology.angular_diameter_distance(redshift).value) * 60.0
    errors = 0.25 / np.sqrt(9.7 * np.pi * np.diff(arcmin**2))

    def shear(m):
        c = clm.concentration(abs(m), redshift, mass_def="200c", relation="duffy08")
        halo = clm.NFW(abs(m), c, redshift)
        infinity = clm.BetaMoments(1.0)
        gamma, kappa = halo.tangential_shear(middle, infinity), halo.convergence(middle, infinity)
        sign = np.sign(m)
        return sign * 0.49 * gamma / (1.0 - sign * 0.49 * kappa)

    data = shear(mass)

    def density(m):
        return np.exp(-0.5 * np.sum(((data - shear(m)) / errors) ** 2))

    # the prior cuts nothing here; masses near zero have no signal to tell them apart
    ranges = ((-5.05, -1e-4), (1e-4, 5.0), (5.0, 30.0))

    def moment(k):
        def integrand(m):
            return m**k * density(m * 1e14)

        return sum(integrate.quad(integrand, *ends, epsrel=1e-7)[0] for ends in ranges)

    moments = [moment(k) for k in range(3)]
    mean = moments[1] / moments[0]
    expected = 1e14 * np.sqrt(moments[2] / moments[0] - mean**2)
    # 1001 masses of a trapezoidal rule, against 1e-7
    assert clm.statistical_power(mass, redshift, radius)[0] == pytest.approx(expected, rel=1e-4)


def test_shapes_and_scaling_with_noise():
    masses = np.array([[2e14], [1e15]])
    sigma = clm.statistical_power(masses, [0.3, 0.6], [0.2, 0.5])
    assert sigma.shape == (2, 2, 2)
    assert sigma[1, 0, 1] == clm.statistical_power(1e15, 0.3, 0.5)[0]
    # where noise is small the posterior is normal, and sigma_M goes as the shape noise
    quiet = [
        clm.statistical_power(
            1e15, 0.3, 0.5, {**POWER_SURVEY, "noise": {"shape_noise": s, "density": 9.7}}
        )[0]
        for s in (0.002, 0.001)
    ]
    assert quiet[0] / quiet[1] == pytest.approx(2.0, rel=1e-3)


def test_wrong_arguments():
    with pytest.raises(ParameterError, match=r"inner_radius.*2\.5"):
        clm.statistical_power(1e15, 0.3, [0.1, 2.5])
    with pytest.raises(ParameterError, match="mass"):
        clm.statistical_power([1e15, -1e14], 0.3, 0.5)
    with pytest.raises(ParameterError, match="broadcast"):
        clm.statistical_power([1e15, 1e14], [0.3, 0.4, 0.5], 0.5)
    with pytest.raises(ConfigError, match="sources"):
        clm.statistical_power(1e15, 0.3, 0.5, {})
    edges = {**POWER_SURVEY, "binning": {"edges": [0.1, 1.0]}}
    with pytest.raises(ParameterError, match="edges"):
        clm.statistical_power(1e15, 0.3, 0.5, edges)
    edges = {**POWER_SURVEY, "binning": {"edges": list(np.linspace(0.1, 1.0, 500))}}
    with pytest.raises(ParameterError, match="edges = <list of 500>"):
        clm.statistical_power(1e15, 0.3, 0.5, edges)
    for wrong in ("abc", {}, [0.1, [0.2]], object(), 0.5j):
        with pytest.raises(ParameterError, match=r"inner_radius = .* a number or an array"):
            clm.statistical_power(1e15, 0.3, wrong)
