"""Covariance by large-scale structure against quadrature with distances and Bessel functions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from scipy import integrate, special

import clmassmod as clm
from clmassmod.errors import ParameterError
from clmassmod.large_scale_structure import convergence_power, structure_covariance

COSMOLOGY = FlatLambdaCDM(H0=70.0, Om0=0.3, Tcmb0=0.0, Ob0=0.045)
POWER = clm.LinearPower(COSMOLOGY, sigma8=0.8, n_s=0.96, cmb_temperature=2.7255)
EDGES = np.array([0.2, 0.5, 1.5, 4.0])
Z_L, Z_S = 0.3, 1.0
C_KM_S = 299792.458


def limber(ell, z_s):
    """``9/4 Om^2 (H0/c)^4 int dchi (1+z)^2 ((chi_s - chi)/chi_s)^2 P(l/chi, z)``, in z."""
    chi_s = COSMOLOGY.comoving_distance(z_s).value

    def integrand(x):
        z = x * x
        chi = COSMOLOGY.comoving_distance(z).value
        rate = COSMOLOGY.H(z).value / C_KM_S
        weight = (1 + z) * (chi_s - chi) / chi_s
        return weight**2 * float(POWER.power(ell / chi, z)) / rate * 2 * x

    value = integrate.quad(integrand, 1e-4, np.sqrt(z_s), limit=400, epsrel=1e-9)[0]
    return 2.25 * COSMOLOGY.Om0**2 * (COSMOLOGY.H0.value / C_KM_S) ** 4 * value


@pytest.mark.parametrize("ell", [10.0, 300.0, 1e4])
def test_convergence_power(ell):
    """1e-6: distances of astropy in place of critical surface densities."""
    assert convergence_power(ell, Z_S, POWER) == pytest.approx(limber(ell, Z_S), rel=1e-6)


def test_covariance_is_that_of_the_shear_of_a_ring():
    """A narrow ring far from the origin of the sum: direct quadrature with J_2 of one radius."""
    ell = np.logspace(0, 5.5, 400)
    spectrum = convergence_power(ell, Z_S, POWER)
    distance = COSMOLOGY.angular_diameter_distance(Z_L).value
    theta = 1.0 / distance
    fine = np.exp(np.linspace(np.log(1.0), np.log(3e5), 400001))
    c = np.exp(np.interp(np.log(fine), np.log(ell), np.log(spectrum)))
    expected = integrate.trapezoid(fine * c * special.jv(2, fine * theta) ** 2, fine) / (2 * np.pi)
    narrow = structure_covariance([0.999, 1.001], Z_L, Z_S, POWER)
    assert narrow[0, 0] == pytest.approx(expected, rel=1e-3)  # linear interpolation of C_l


def test_bins_against_adaptive_quadrature():
    """1e-5 of the diagonal, with filters averaged over the area of each bin by quadrature."""
    found = structure_covariance(EDGES, Z_L, Z_S, POWER)
    theta = EDGES / COSMOLOGY.angular_diameter_distance(Z_L).value
    u = np.linspace(np.log(0.3), np.log(3e5), 6001)
    ell = np.exp(u)
    node, weight = np.polynomial.legendre.leggauss(400)
    filters = []
    for low, high in itertools.pairwise(theta):
        at = 0.5 * (low + high) + 0.5 * (high - low) * node
        share = weight * (high - low) * at / (high**2 - low**2)
        filters.append([np.sum(share * special.jv(2, one * at)) for one in ell])
    filters = np.array(filters)
    c = convergence_power(ell, Z_S, POWER)
    step = u[1] - u[0]
    expected = np.einsum("il,jl,l->ij", filters, filters, ell**2 * c * step) / (2 * np.pi)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_array_less(np.abs(found - expected) / scale, 1e-5)
    assert np.all(np.linalg.eigvalsh(found) > 0.0)


def test_distribution_function_and_table():
    """n(z) of one redshift is that redshift; P(k) as a function is that of the object."""
    one = structure_covariance(EDGES, Z_L, Z_S, POWER)
    spike = clm.SourceDistribution([Z_S, Z_S + 1e-9], [1.0, 1.0])
    np.testing.assert_allclose(structure_covariance(EDGES, Z_L, spike, POWER), one, rtol=1e-6)
    twice = structure_covariance(EDGES, Z_L, Z_S, lambda k, z: 2.0 * POWER.power(k, z), COSMOLOGY)
    np.testing.assert_allclose(twice, 2.0 * one, rtol=1e-12)


def test_size_is_that_of_the_literature():
    """Hoekstra (2003): about 1e-3 to 1e-2 in shear on arc minutes, strongly correlated."""
    covariance = structure_covariance(EDGES, Z_L, Z_S, POWER)
    sd = np.sqrt(np.diag(covariance))
    assert np.all((sd > 1e-3) & (sd < 1e-2))
    assert covariance[1, 2] / (sd[1] * sd[2]) > 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.3], Z_L, Z_S, POWER), "two or more"),
        (([0.3, 0.2], Z_L, Z_S, POWER), "increasing"),
        ((EDGES, 0.0, Z_S, POWER), "redshift"),
        ((EDGES, Z_L, Z_S, None), "power"),
        ((EDGES, Z_L, Z_S, lambda k, z: np.zeros(3)), "shape of k"),
    ],
)
def test_wrong_calls(arguments, message):
    with pytest.raises(ParameterError, match=message):
        structure_covariance(*arguments)
