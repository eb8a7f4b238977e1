"""The twin itself: quoted values, definitions, and its two arithmetics against one another."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from lens_twin import GNFW_VALUES, REFERENCES, LongTwin, Twin


@pytest.mark.parametrize("arithmetic", [Twin, LongTwin])
@pytest.mark.parametrize("case", GNFW_VALUES, ids=str)
def test_quoted_halo_shapes(arithmetic, case):
    slope, x = case
    twin = arithmetic(11.0, 13.0, 1.0, gamma_in=slope)
    values = [float(v) for v in twin.halo_shape(twin.number(x))]
    # the last quoted digit
    np.testing.assert_allclose(values, GNFW_VALUES[case], rtol=5e-15)


@pytest.mark.parametrize("case", REFERENCES, ids=str)
def test_reference_lenses(case):
    log_mstar, log_re, log_mhalo, slope, fraction = case
    twin = Twin(log_mstar, log_mhalo, log_re, gamma_in=slope)
    beta = fraction * twin.caustic_radius
    values = (
        twin.einstein_radius,
        twin.radial_critical_radius,
        twin.caustic_radius,
        *twin.images(beta),
    )
    # 13 quoted digits, of the delay 7
    np.testing.assert_allclose(values[:-1], REFERENCES[case][:-1], rtol=4e-13)
    assert values[-1] == pytest.approx(REFERENCES[case][-1], rel=1e-7)
    assert twin.critical_surface_density == pytest.approx(2.352362907776449e9, rel=1e-15)
    assert twin.critical_density == pytest.approx(184.828014744076, rel=1e-12)


def test_doubles_against_long_arithmetic():
    arguments = (11.2, 13.4, 0.7, 0.45, 1.3, 0.35, 7.0, 2.5)
    short, long = Twin(*arguments), LongTwin(*arguments)
    for name in ("einstein_radius", "radial_critical_radius", "caustic_radius", "delay_unit"):
        assert getattr(short, name) == pytest.approx(float(getattr(long, name)), rel=1e-13), name
    beta = 0.3 * short.caustic_radius
    for name in ("outer_image", "inner_image", "central_image"):
        ours, exact = getattr(short, name)(beta), float(getattr(long, name)(beta))
        assert ours == pytest.approx(exact, rel=1e-12), name
        mu = float(long.magnification(abs(exact)))
        assert short.magnification(abs(ours)) == pytest.approx(mu, rel=1e-11), name


@pytest.mark.parametrize("slope", [0.0, 0.7, 1.9, 2.5])
@pytest.mark.parametrize("x", [0.02, 0.8, 6.0])
def test_halo_is_the_projected_density(slope, x):
    def density(r):
        return r**-slope * (1.0 + r) ** (slope - 3.0)

    def along_the_line(u):
        return density(x * np.cosh(u)) * x * np.cosh(u)

    mass, sigma = Twin(11.0, 13.0, 1.0, gamma_in=slope).halo_shape(x)
    direct = 2.0 * quad(along_the_line, 0.0, 40.0, epsabs=0.0, epsrel=1e-11, limit=200)[0]
    assert sigma == pytest.approx(direct, rel=1e-10)
    inside = quad(lambda u: density(np.exp(u)) * np.exp(3 * u), -90.0, np.log(x), epsrel=1e-11)[0]
    outside = quad(
        # r^2 dr (1 - sqrt(1 - x^2 / r^2)), r = x cosh u
        lambda u: density(x * np.cosh(u)) * x**3 * np.cosh(u) * np.sinh(u) * np.exp(-u),
        0.0,
        40.0,
        epsabs=0.0,
        epsrel=1e-11,
        limit=200,
    )[0]
    assert mass == pytest.approx(4.0 * np.pi * (inside + outside), rel=1e-9)


@pytest.mark.parametrize("n", [0.7, 1.0, 4.0, 9.0])
def test_half_of_the_stars_are_within_the_effective_radius(n):
    twin = Twin(11.0, 13.0, 1.0, sersic_n=n)
    assert twin.star_shape(1.0)[0] == pytest.approx(0.5, rel=1e-14)
    for x in (0.1, 1.0, 3.0):
        mass = quad(lambda r: 2.0 * np.pi * r * twin.star_shape(r)[1], 0.0, x, epsrel=1e-11)[0]
        assert twin.star_shape(x)[0] == pytest.approx(mass, rel=1e-9)


def test_inner_dark_mass():
    twin = Twin(11.0, 11.0, 1.0, gamma_in=1.2, halo="m5kpc", scale_radius=60.0)
    assert twin.halo_mass_within(5.0) == pytest.approx(1e11, rel=1e-14)
