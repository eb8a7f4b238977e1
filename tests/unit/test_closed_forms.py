"""Closed-form profiles against 40-digit quadrature of their densities, and published forms.

Two steps. The published closed forms, in arithmetic with digits to spare for what cancels in
them, are held against quadrature of the density; the kernels are then held against those closed
forms densely, from x = 1e-8 to 1e6 and around x = 1.
"""

from dataclasses import dataclass
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from mpmath import acos, acosh, asinh, atan, gamma, log, mpf, pi, sqrt

import clmassmod as clm
from clmassmod._core import profile as core

QUANTITIES = (
    "density",
    "density_slope",
    "enclosed_mass",
    "surface_density",
    "mean_surface_density",
    "excess_surface_density",
    "surface_density_slope",
)
# DeltaSigma of a core at x = 1e-8 cancels 32 of these digits in the published form
DIGITS = 110
X = np.concatenate(
    [
        np.geomspace(1e-8, 1e6, 141),
        np.linspace(0.3, 4.0, 75),
        1.0 + np.array([0.0, 1e-15, 1e-13, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2]),
        1.0 - np.array([1e-15, 1e-13, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2]),
        # both sides of the places where a kernel changes its form
        np.outer([0.1, 0.4, 0.5, 0.70710678, 2.7], [1.0 - 1e-9, 1.0, 1.0 + 1e-9]).ravel(),
    ]
)


def evaluate(kind, quantity, x, shape):
    """Return the dimensionless quantity: rho_s = r_s = 1, enclosed mass without 4 pi."""
    radius = np.ascontiguousarray(np.atleast_2d(x), dtype=np.float64)
    out, one = np.empty(radius.shape), np.ones(1)
    arguments = (one, one, np.array([float(shape)]), None, None, None, None, out, 1)
    core.evaluate(core.KINDS[kind], core.QUANTITIES[quantity], radius, *arguments)
    return out[0] / (4.0 * np.pi) if quantity == "enclosed_mass" else out[0]


def arc(x):
    """arcosh(1/x)/sqrt(1 - x^2), or arccos(1/x)/sqrt(x^2 - 1)."""
    return acosh(1 / x) / sqrt(1 - x**2) if x < 1 else acos(1 / x) / sqrt(x**2 - 1)


def arc_slope(x):
    return (1 - x**2 * arc(x)) / (x**2 - 1)


# -- published forms -------------------------------------------------------------------------
# Bartelmann 1996; Wright & Brainerd 2000


def nfw(x, _):
    sigma = 2 * (1 - arc(x)) / (x**2 - 1)
    mean = 4 * (arc(x) + log(x / 2)) / x**2
    slope = (-2 * arc_slope(x) - 2 * x**2 * sigma) / (x**2 - 1)
    return {
        "density": 1 / (x * (1 + x) ** 2),
        "density_slope": -(1 + 3 * x) / (x * (1 + x) ** 3),
        "enclosed_mass": log(1 + x) - x / (1 + x),
        "surface_density": sigma,
        "mean_surface_density": mean,
        "excess_surface_density": mean - sigma,
        "surface_density_slope": slope,
    }


# Hernquist 1990, eqs. 2, 3, 32, 37
def hernquist(x, _):
    sigma = ((2 + x**2) * arc(x) - 3) / (1 - x**2) ** 2
    mean = 2 * (arc(x) - 1) / (1 - x**2)
    slope = (2 * x**2 * arc(x) + (2 + x**2) * arc_slope(x)) / (1 - x**2) ** 2
    return {
        "density": 1 / (x * (1 + x) ** 3),
        "density_slope": -(1 + 4 * x) / (x * (1 + x) ** 4),
        "enclosed_mass": x**2 / (2 * (1 + x) ** 2),
        "surface_density": sigma,
        "mean_surface_density": mean,
        "excess_surface_density": mean - sigma,
        "surface_density_slope": slope + 4 * x**2 * sigma / (1 - x**2),
    }


# Baltz, Marshall & Oguri 2009, appendix A, n = 1
def bmo(x, t):
    d, s = 1 + t**2, sqrt(x**2 + t**2)
    decline = asinh(t / x) / (t * s)
    f = (1 - arc(x)) / (x**2 - 1)
    k = d * f + 2 * arc(x) - pi / s - (t**2 - 1) * decline
    j = (d + 2 * x**2 - 2) * arc(x) + pi * (t - s)
    j += (t**2 - 1) * (log(t) - s**2 * decline)
    k_slope = d * (-arc_slope(x) - 2 * x**2 * f) / (x**2 - 1) + 2 * arc_slope(x)
    k_slope += pi * x**2 / s**3 + (t**2 - 1) * (1 + x**2 * decline) / s**2
    m = (t**2 - 1) * (log(1 + x) - log(1 + (x / t) ** 2) / 2) - d * x / (1 + x)
    rho = t**2 / (x * (1 + x) ** 2 * (x**2 + t**2))
    factor = 2 * t**2 / d**2
    return {
        "density": rho,
        "density_slope": -rho * (1 + 2 * x / (1 + x) + 2 * x**2 / (x**2 + t**2)),
        "enclosed_mass": t**2 / d**2 * (m + 2 * t * atan(x / t)),
        "surface_density": factor * k,
        "mean_surface_density": factor * 2 * j / x**2,
        "excess_surface_density": factor * (2 * j / x**2 - k),
        "surface_density_slope": factor * k_slope,
    }


# Eliasdottir et al. 2007, appendix A, with lengths in units of the cut-off radius
def dpie(x, q):
    core_root, cut_root = sqrt(q**2 + x**2), sqrt(1 + x**2)
    factor = pi / (1 - q**2)
    sigma = factor * (1 / core_root - 1 / cut_root)
    mean = 2 * factor * (core_root - q - cut_root + 1) / x**2
    rho = 1 / ((q**2 + x**2) * (1 + x**2))
    return {
        "density": rho,
        "density_slope": -2 * x**2 * rho * (1 / (q**2 + x**2) + 1 / (1 + x**2)),
        "enclosed_mass": (atan(x) - (q * atan(x / q) if q else 0)) / (1 - q**2),
        "surface_density": sigma,
        "mean_surface_density": mean,
        "excess_surface_density": mean - sigma,
        "surface_density_slope": factor * x**2 * (1 / cut_root**3 - 1 / core_root**3),
    }


def power_law(x, s):
    sigma = sqrt(pi) * gamma((s - 1) / 2) / gamma(s / 2) * x ** (1 - s)
    mean = 2 / (3 - s) * sigma
    return {
        "density": x**-s,
        "density_slope": -s * x**-s,
        "enclosed_mass": x ** (3 - s) / (3 - s),
        "surface_density": sigma,
        "mean_surface_density": mean,
        "excess_surface_density": mean - sigma,
        "surface_density_slope": (1 - s) * sigma,
    }


def sis(x, _):
    return power_law(x, mpf(2))


@dataclass(frozen=True)
class Case:
    """Kernel, its published form, shapes to try, and the tolerance of the kernel."""

    kind: str
    exact: object
    shapes: tuple[float, ...]
    tolerance: float


CASES = {
    case.kind: case
    for case in (
        # NFW, BMO: ln(1/x) cancels in mean - Sigma as x -> 0, at most 20 ulp at 1e-8; the mass
        # loses 20 ulp where its direct form takes over from the series
        Case("nfw", nfw, (0.0,), 3e-14),
        Case("hernquist", hernquist, (0.0,), 5e-14),
        # BMO: Sigma with a small truncation loses three digits below x = 2.7
        Case("bmo", bmo, (1e-3, 0.01, 0.1, 0.5, 0.999, 1.0, 1.01, 3.0, 1e2, 1e4, 1e6), 1e-13),
        # powers of x are exponentials of up to 37 s: that many half ulps
        Case("power_law", power_law, (1.001, 1.5, 2.0, 2.5, 2.999), 2e-14),
        Case("sis", sis, (0.0,), 1e-15),
        Case("dpie", dpie, (0.0, 1e-6, 1e-3, 0.05, 0.3, 0.9, 1.0 - 1e-9), 1e-14),
    )
}


@pytest.mark.parametrize("kind", CASES)
def test_kernel_is_published_form(kind):
    case = CASES[kind]
    with mpmath.workdps(DIGITS):
        for shape in case.shapes:
            # at x = 1 exactly the published forms are 0/0: take them a step of 1e-20 beside it
            points = [mpf(float(x)) + (mpf(10) ** -20 if x == 1.0 else 0) for x in X]
            truth = [case.exact(x, mpf(shape)) for x in points]
            for quantity in QUANTITIES:
                actual = evaluate(kind, quantity, X, shape)
                errors = [
                    float(abs(mpf(float(a)) / t[quantity] - 1))
                    for a, t in zip(actual, truth, strict=True)
                ]
                worst = int(np.argmax(errors))
                assert errors[worst] < case.tolerance, (quantity, shape, X[worst])


@pytest.mark.parametrize("quantity", ["surface_density", "excess_surface_density"])
def test_dpie_with_core_equal_to_cut(quantity):
    """The limit of the published form, which is 0/0 there."""
    x = np.geomspace(1e-8, 1e6, 57)
    with mpmath.workdps(DIGITS):
        truth = [dpie(mpf(float(v)), 1 - mpf(10) ** -30)[quantity] for v in x]
    np.testing.assert_allclose(evaluate("dpie", quantity, x, 1.0), [float(t) for t in truth], 1e-14)


# -- the published forms against quadrature of the density ----------------------------------


DENSITIES = {
    "nfw": lambda r, _: 1 / (r * (1 + r) ** 2),
    "hernquist": lambda r, _: 1 / (r * (1 + r) ** 3),
    "bmo": lambda r, t: t**2 / (r * (1 + r) ** 2 * (r**2 + t**2)),
    "power_law": lambda r, s: r**-s,
    "sis": lambda r, _: r**-2,
    "dpie": lambda r, q: 1 / ((q**2 + r**2) * (1 + r**2)),
}


def integral(function, edges):
    """Gauss-Legendre of order 40 on every panel: 1e-25 for panels of width 2 in ln r."""
    total = mpf(0)
    for low, high in pairwise(edges):
        middle, half = (low + high) / 2, (high - low) / 2
        total += half * sum(w * function(middle + half * x) for x, w in GAUSS)
    return total


with mpmath.workdps(40):
    # nodes by Newton's method from numpy's, weights 2/((1 - x^2) P'^2)
    GAUSS = []
    for start in np.polynomial.legendre.leggauss(40)[0]:
        node = mpmath.findroot(lambda v: mpmath.legendre(40, v), mpf(float(start)))
        slope = 40 * (mpmath.legendre(39, node) - node * mpmath.legendre(40, node)) / (1 - node**2)
        GAUSS.append((node, 2 / ((1 - node**2) * slope**2)))


def quadrature(density, x):
    """Return the quantities at x from `density` alone."""
    # spheres: in ln r from x e^-120, where less than e^-60 of the mass of any case is left
    mass = integral(
        lambda s: mpmath.exp(3 * s) * density(mpmath.exp(s)),
        [log(x) + 2 * k for k in range(-60, 1)],
    )
    # r = x cosh u, to e^-60 of the surface density
    steps = [mpf(k) for k in range(0, 61, 2)]
    sigma = integral(lambda u: 2 * x * mpmath.cosh(u) * density(x * mpmath.cosh(u)), steps)

    # the shells outside x add 4 pi r^2 rho (1 - sqrt(1 - x^2/r^2)) to the cylinder
    def outside(u):
        r = x * mpmath.cosh(u)
        return r**2 * density(r) * mpmath.exp(-u) / mpmath.cosh(u) * x * mpmath.sinh(u)

    mean = 4 * (mass + integral(outside, steps)) / x**2
    return {
        "enclosed_mass": mass,
        "surface_density": sigma,
        "mean_surface_density": mean,
        "excess_surface_density": mean - sigma,
    }


@pytest.mark.parametrize("kind", CASES)
def test_published_form_is_quadrature(kind):
    case = CASES[kind]
    # the ends cut off hold e^-60 (3 - slope) or (slope - 1) of the total
    shapes = (1.5, 2.5) if kind == "power_law" else case.shapes[1:6:2] or case.shapes
    with mpmath.workdps(40):
        for shape in map(mpf, shapes):
            for x in (mpf("0.03"), mpf("11")):
                exact = case.exact(x, shape)
                found = quadrature(lambda r: DENSITIES[kind](r, shape), x)  # noqa: B023
                for quantity, value in found.items():
                    # e^-30 is the end cut off the power law; far below double precision
                    tolerance = 1e-12 if kind == "power_law" else 1e-20
                    error = abs(value / exact[quantity] - 1)
                    assert error < tolerance, (quantity, shape, x)


# -- anchors through the public classes ------------------------------------------------------------


def test_reference_numbers():
    """M = 4e14 Msun/h, c = 5.7, 200c, z = 0.2 at 576.2 kpc/h, in h Msun / kpc^2."""
    from astropy.cosmology import FlatLambdaCDM

    h = 0.6932
    cosmology = FlatLambdaCDM(69.32, 0.2865, Tcmb0=2.7255, Neff=3.046)
    expected = {
        clm.NFW: (1.1463419220e8, 1.8576181860e8),
        clm.Hernquist: (6.7231103797e7, 2.6580861724e8),
    }
    for cls, (sigma, excess) in expected.items():
        halo = cls(4e14 / h, 5.7, redshift=0.2, cosmology=cosmology)
        R = 0.5762 / h
        # ten published digits, made with constants that differ in the fifth or sixth digit
        assert halo.surface_density(R) / h * 1e-6 == pytest.approx(sigma, rel=1e-4)
        assert halo.excess_surface_density(R) / h * 1e-6 == pytest.approx(excess, rel=1e-4)


def test_masses_inside_r_delta():
    for halo in (
        clm.NFW(5e14, 4.0, 0.3, "500c"),
        clm.Hernquist(5e14, 4.0, 0.3, "500c"),
        clm.BMO(5e14, 4.0, 0.3, 2.5, "500c"),
        clm.PowerLaw(5e14, 2.3, 0.3, "500c"),
    ):
        radius = halo.mass_def.radius(5e14, 0.3)
        assert halo.enclosed_mass(radius) == pytest.approx(5e14, rel=1e-13)


def test_bmo_has_its_total_mass():
    halo = clm.BMO(5e14, 4.0, 0.3, truncation=np.array([0.3, 1.0, 20.0]))
    # the mass outside r falls as (r_t/r)^2
    far = halo.enclosed_mass(1e7 * halo.scale_radius[:, None])[:, 0]
    np.testing.assert_allclose(far, halo.total_mass, rtol=1e-11)
    np.testing.assert_allclose(
        halo.enclosed_mass_2d(1e7 * halo.scale_radius[:, None])[:, 0], far, rtol=1e-5
    )


def test_bmo_without_truncation_is_nfw():
    R = np.geomspace(0.01, 3.0, 9)
    wide = clm.BMO(5e14, 4.0, 0.3, 9.9e5).excess_surface_density(R)
    # the truncation enters with ln(tau) x / tau^2 and x/tau
    np.testing.assert_allclose(wide, clm.NFW(5e14, 4.0, 0.3).excess_surface_density(R), rtol=1e-9)


def test_sis_deflects_by_its_dispersion():
    """4 pi (sigma/c)^2 is the deflection: kappa = theta_E / (2 theta)."""
    lens = clm.SIS(250.0, redshift=0.3)
    inverse = 1.0 / clm.critical_surface_density(0.3, 1.0)
    d_l = float(lens.cosmology.angular_diameter_distance(0.3).value)
    near, far = lens.cosmology.comoving_distance([0.3, 1.0]).value  # a flat universe
    d_s, d_ls = far / 2.0, (far - near) / 2.0
    einstein_radius = 4.0 * np.pi * (250.0 / 299792.458) ** 2 * d_ls / d_s * d_l
    assert lens.mean_surface_density(einstein_radius) * inverse == pytest.approx(1.0, rel=1e-9)


def test_power_law_of_slope_two_is_isothermal():
    power = clm.PowerLaw(1e13, 2.0, redshift=0.3)
    sphere = clm.SIS(200.0, redshift=0.3)
    R = np.geomspace(1e-3, 3.0, 7)
    ratio = power.excess_surface_density(R) / sphere.excess_surface_density(R)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-14)
    np.testing.assert_allclose(
        power.surface_density(R) / sphere.surface_density(R), ratio[0], 1e-14
    )


def test_dpie_from_velocity_dispersion():
    """Between core and cut it is the isothermal sphere of its dispersion."""
    lens = clm.DPIE.from_velocity_dispersion(250.0, core=1e-7, cut=1e3, redshift=0.3)
    sphere = clm.SIS(250.0, redshift=0.3)
    # corrections of core/R, R/cut and core/cut
    assert lens.surface_density(0.01) == pytest.approx(sphere.surface_density(0.01), rel=2e-5)
    assert lens.sigma_v == pytest.approx(250.0, rel=1e-14)
    assert lens.enclosed_mass(1e9) == pytest.approx(lens.mass, rel=1e-5)


def test_core_beyond_cut_is_refused():
    with pytest.raises(clm.errors.ParameterError, match=r"core = 2\.0"):
        clm.DPIE(1e12, core=[0.1, 2.0], cut=1.0, redshift=0.3)


def test_point_mass():
    lens = clm.PointMass(1e12, redshift=0.3)
    assert lens.surface_density(0.1) == 0.0
    assert lens.density(0.1) == 0.0
    assert lens.excess_surface_density(0.1) == pytest.approx(1e12 / (np.pi * 0.01), rel=1e-15)
    assert lens.enclosed_mass_2d(0.3) == pytest.approx(1e12, rel=1e-15)
    assert lens.enclosed_mass(0.3) == pytest.approx(1e12, rel=1e-15)
