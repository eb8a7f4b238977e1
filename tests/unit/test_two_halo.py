"""The two-halo term against Bessel integrals summed between zeros of the Bessel function."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from scipy import special

import clmassmod as clm
from clmassmod.cosmology import mean_matter_density
from clmassmod.errors import ParameterError

COSMOLOGY = FlatLambdaCDM(H0=70.0, Om0=0.3, Tcmb0=2.7255, Ob0=0.045)
POWER = clm.LinearPower(COSMOLOGY, sigma8=0.8, n_s=0.96)
Z = 0.3
R = np.array([1e-3, 0.03, 0.4, 2.0, 11.0, 40.0, 160.0])
NODE, WEIGHT = np.polynomial.legendre.leggauss(24)


def bessel_integral(function, order, r):
    """``int_0^inf function(k) J_order(k r) dk``: panels to each zero, then Euler's averages."""
    zeros = (
        special.jn_zeros(int(order), 400)
        if order == int(order)
        else np.array([_spherical_zero(order - 0.5, n) for n in range(1, 401)])
    ) / r
    first = np.concatenate([[0.0], np.geomspace(1e-7 * zeros[0], zeros[0], 120)])
    edges = np.concatenate([first, zeros[1:]])
    # baryon oscillations have a period of 0.04 / Mpc: no panel may be much wider below k = 2
    fine = np.arange(0.02, min(2.0, zeros[-1]), 0.02)
    edges = np.unique(np.concatenate([edges, fine]))
    half = 0.5 * np.diff(edges)[:, None]
    k = edges[:-1, None] + half * (NODE + 1.0)
    parts = np.sum(half * WEIGHT * function(k) * special.jv(order, k * r), axis=1)
    upto = np.cumsum(parts)
    sums = upto[np.searchsorted(edges[1:], zeros * (1.0 - 1e-12))][-60:]
    while sums.size > 1:
        sums = 0.5 * (sums[1:] + sums[:-1])
    return float(sums[0])


def _spherical_zero(degree, n):
    """Zeros of j_0 (sin) and j_1 (tan x = x), by Newton."""
    if degree == 0:
        return n * np.pi
    x = (n + 0.5) * np.pi
    for _ in range(20):
        x -= (np.tan(x) - x) / np.tan(x) ** 2
        x = min(x, (n + 0.5) * np.pi - 1e-9)
    return x


def integrals(name, radius):
    """Comoving integrals of P(k) by brute force."""
    power = POWER.power
    half = np.sqrt(0.5 * np.pi)
    found = {
        "projected": lambda r: bessel_integral(lambda k: k * power(k), 0, r) / (2 * np.pi),
        "excess_projected": lambda r: bessel_integral(lambda k: k * power(k), 2, r) / (2 * np.pi),
        "three_dimensional": lambda r: (
            half * bessel_integral(lambda k: k**1.5 * power(k), 0.5, r) / (2 * np.pi**2 * r**0.5)
        ),
        "volume_integral": lambda r: (
            half * bessel_integral(lambda k: k**0.5 * power(k), 1.5, r) * 2 * r**1.5 / np.pi
        ),
    }[name]
    return np.array([found(one) for one in radius])


@pytest.mark.parametrize(
    "name", ["projected", "excess_projected", "three_dimensional", "volume_integral"]
)
def test_correlation_against_quadrature(name):
    """1e-7 of the value; near the zeros beyond 100 Mpc, of the value at half the radius."""
    found = getattr(POWER.correlation, name)(R)
    scale = np.maximum(np.abs(found), np.abs(getattr(POWER.correlation, name)(0.5 * R)) * (R > 30))
    np.testing.assert_array_less(np.abs(found - integrals(name, R)) / scale, 1e-7)


@pytest.mark.parametrize("name", ["projected", "three_dimensional"])
def test_slopes_are_derivatives(name):
    known, h = POWER.correlation, 1e-4
    value = getattr(known, name)
    expected = (value(R * np.exp(h)) - value(R * np.exp(-h))) / (2 * h)
    np.testing.assert_allclose(getattr(known, name + "_slope")(R), expected, rtol=1e-6, atol=1e-9)


def test_profile_is_bias_density_and_growth_times_the_integrals():
    """Physical radii and densities: what the comoving integrals become at redshift z."""
    term = clm.TwoHalo(2e14, Z, POWER, "200m")
    bias = float(POWER.halo_bias(2e14, Z, "200m"))
    assert term.bias == pytest.approx(bias, rel=1e-14)
    growth = float(POWER.growth_factor(Z)) ** 2
    density = float(mean_matter_density(Z, COSMOLOGY))
    known = POWER.correlation
    rho = bias * density * growth * known.three_dimensional(R * (1 + Z))
    np.testing.assert_allclose(term.density(R), rho, rtol=1e-13)
    excess = bias * density * growth * known.excess_projected(R * (1 + Z)) / (1 + Z)
    np.testing.assert_allclose(term.excess_surface_density(R), excess, rtol=1e-13)


def test_projection_of_its_own_density():
    """Sigma is the integral of rho along the line of sight, M the integral of rho in spheres."""
    term = clm.TwoHalo(None, Z, POWER, bias=3.0)
    r = 0.7
    u = np.linspace(-18.0, 8.6, 60001)
    line = np.exp(u)
    total = 2.0 * np.trapezoid(term.density(np.hypot(r, line)) * line, u)
    # beyond l = 5400 Mpc nothing is left
    assert term.surface_density(r) == pytest.approx(total, rel=1e-5)
    x = np.linspace(np.log(1e-5), np.log(r), 20001)
    mass = np.trapezoid(4 * np.pi * term.density(np.exp(x)) * np.exp(3 * x), x)
    assert term.enclosed_mass(r) == pytest.approx(mass, rel=1e-6)
    mean = term.surface_density(R) + term.excess_surface_density(R)
    np.testing.assert_allclose(term.mean_surface_density(R), mean, rtol=1e-14)
    np.testing.assert_allclose(term.enclosed_mass_2d(R), np.pi * R**2 * mean, rtol=1e-14)


def test_composes_and_batches():
    halo = clm.NFW(2e14, 4.0, Z, mass_def="200m", cosmology=COSMOLOGY)
    term = clm.TwoHalo(2e14, Z, POWER, "200m")
    both = clm.Composite([halo, term])
    expected = halo.excess_surface_density(R) + term.excess_surface_density(R)
    np.testing.assert_allclose(both.excess_surface_density(R), expected, rtol=1e-14)
    assert np.all(np.isfinite(clm.Miscentred(both, 0.2).reduced_tangential_shear(R, 1.0)))
    z = np.array([0.2, 0.5])
    several = clm.TwoHalo([1e14, 5e14], z, POWER)
    values = several.convergence(R, 1.0)
    for i in range(2):
        alone = clm.TwoHalo([1e14, 5e14][i], z[i], POWER)
        np.testing.assert_allclose(values[i], alone.convergence(R, 1.0), rtol=1e-13)
    assert copy.copy(term) == term
    assert term.replace(bias=2.0).bias == 2.0


def test_wrong_calls():
    for make, message in (
        (lambda: clm.TwoHalo(None, Z, POWER), "mass"),
        (lambda: clm.TwoHalo(-1.0, Z, POWER), "mass"),
        (lambda: clm.TwoHalo(1e14, Z, None), "LinearPower"),
        (lambda: clm.TwoHalo(1e14, Z, POWER, bias=[1.0, np.nan]), "bias"),
        (lambda: clm.TwoHalo(1e14, Z, POWER).density(1e5), "radius"),
    ):
        with pytest.raises(ParameterError, match=message):
            make()


def test_larger_of_halo_and_surroundings_against_quadrature():
    """Sigma and Delta Sigma of max(rho_1h, rho_2h), by adaptive quadrature, to 1e-6."""
    from scipy import integrate

    halo = clm.NFW([1e14, 6e14], 5.0, Z, mass_def="200m", cosmology=COSMOLOGY)
    around = clm.TwoHalo([1e14, 6e14], Z, POWER, "200m")
    both = clm.HaloMatter(halo, around)
    radius = np.array([3e-3, 0.1, 1.0, 2.5, 6.0, 20.0])
    surface, mean = both.surface_density(radius), both.mean_surface_density(radius)
    for i, mass in enumerate((1e14, 6e14)):
        one = clm.NFW(mass, 5.0, Z, mass_def="200m", cosmology=COSMOLOGY)
        term = clm.TwoHalo(mass, Z, POWER, "200m")
        cross = both.crossing_radius[i]
        assert one.density(cross) == pytest.approx(float(term.density(cross)), rel=1e-3)

        def above(r, one=one, term=term):
            return max(float(one.density(r) - term.density(r)), 0.0)

        for j, r in enumerate(radius):
            end = np.sqrt(max(cross**2 - r**2, 0.0))
            added = 0.0
            if end:
                added = (
                    2
                    * integrate.quad(
                        lambda v, r=r: above(np.hypot(r, np.exp(v))) * np.exp(v),
                        np.log(1e-5 * r),
                        np.log(end),
                        epsrel=1e-9,
                        limit=300,
                    )[0]
                )
                added += 2e-5 * r * above(r)
            assert surface[i, j] == pytest.approx(term.surface_density(r) + added, rel=1e-6)
        # of the mean: the cylinder is the sphere and what of each shell beyond is inside
        for j, r in enumerate(radius):
            inner = min(r, cross)
            mass_in = float(one.enclosed_mass(inner) - term.enclosed_mass(inner))
            if r < cross:
                mass_in += integrate.quad(
                    lambda x, r=r: 4 * np.pi * x**2 * above(x) * (1 - np.sqrt(1 - (r / x) ** 2)),
                    r,
                    cross,
                    epsrel=1e-9,
                    limit=300,
                )[0]
            expected = term.mean_surface_density(r) + mass_in / (np.pi * r**2)
            assert mean[i, j] == pytest.approx(expected, rel=1e-6)
    h = 1e-4
    slope = (both.surface_density(0.5 * np.exp(h)) - both.surface_density(0.5 * np.exp(-h))) / 2 / h
    np.testing.assert_allclose(both.surface_density_slope(0.5), slope, rtol=1e-6)
    assert np.all(both.density(0.5) == halo.density(0.5))
    assert np.all(both.density(10.0) == around.density(10.0))
    assert both.excess_surface_density(np.empty(0)).shape == (2, 0)
    inside = np.array(
        [
            4.0
            * np.pi
            * integrate.quad(
                lambda x, i=i: x**2 * float(both.density(x)[i]),
                1e-6,
                8.0,
                limit=400,
                points=[both.crossing_radius[i]],
            )[0]
            for i in range(2)
        ]
    )
    np.testing.assert_allclose(both.enclosed_mass(8.0), inside, rtol=1e-5)


def test_larger_of_two_needs_a_two_halo_term():
    halo = clm.NFW(1e14, 5.0, Z, mass_def="200m", cosmology=COSMOLOGY)
    with pytest.raises(ParameterError, match="TwoHalo"):
        clm.HaloMatter(halo, halo)
    # without bias the halo is alone, to where it is cut
    alone = clm.HaloMatter(halo, clm.TwoHalo(None, Z, POWER, bias=0.0))
    np.testing.assert_allclose(
        alone.excess_surface_density(R[:4]), halo.excess_surface_density(R[:4]), rtol=1e-3
    )
