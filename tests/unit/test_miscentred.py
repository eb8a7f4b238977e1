"""Miscentred profiles against quadrature that shares nothing with them."""

from __future__ import annotations

import copy
import pickle

import miscentring_twin as twin
import numpy as np
import pytest

import clmassmod as clm
from clmassmod.errors import ParameterError

NFW = clm.NFW(3e14, 5.0, redshift=0.3)
R_S = float(NFW.scale_radius)
BEHIND = 1.0
RATIOS = (1e-3, 0.05, 0.24, 0.26, 0.7, 0.99, 1.0 - 1e-7, 1.0, 1.0 + 1e-9, 1.01, 1.6, 3.9, 4.1, 1e3)


@pytest.mark.parametrize("d", [1e-3 * R_S, 0.3 * R_S, 20.0 * R_S])
def test_one_offset_against_quadrature(d):
    """Delta Sigma within 1e-8 of the mass in the displaced disc, also where R = d.

    Where Delta Sigma all but vanishes (R << d, or the zero at R of about d) 1e-11 of Sigma: the
    twin is a difference of means.
    """
    R = d * np.array(RATIOS)
    seen = clm.Miscentred(NFW, d)
    surface = np.array([twin.ring_mean(NFW.surface_density, one, d) for one in R])
    excess = np.array([twin.ring_excess(NFW.surface_density, one, d) for one in R])
    np.testing.assert_allclose(seen.surface_density(R), surface, rtol=1e-8)
    np.testing.assert_array_less(
        np.abs(seen.excess_surface_density(R) - excess), 1e-8 * np.abs(excess) + 1e-11 * surface
    )
    np.testing.assert_allclose(seen.mean_surface_density(R), surface + excess, rtol=1e-8)


@pytest.mark.parametrize("ratio", [1e-3, 0.1, 0.9, 1.0, 3.0, 100.0])
@pytest.mark.parametrize("s", [0.01 * R_S, R_S, 10.0 * R_S])
def test_rayleigh_offsets_against_closed_kernels(s, ratio):
    """Within 1e-7 of integrals over r with the Bessel and chi squared kernels.

    At R = 1e-3 s the twin subtracts means that agree to 1e-7 of Sigma.
    """
    R = ratio * s
    seen = clm.Miscentred(NFW, clm.RayleighOffset(s))
    surface = twin.rayleigh_surface(NFW.surface_density, R, s)
    excess = twin.rayleigh_mean(NFW.surface_density, R, s) - surface
    assert seen.surface_density(R) == pytest.approx(surface, rel=1e-7)
    assert abs(seen.excess_surface_density(R) - excess) < 1e-7 * excess + 1e-12 * surface


@pytest.mark.parametrize(("s", "ratio"), [(0.1, 0.03), (0.1, 1.0), (0.02, 2.5), (0.8, 10.0)])
@pytest.mark.parametrize("shape", [1.0, 2.0, 3.5])
def test_gamma_offsets_against_quadrature(s, ratio, shape):
    """Within 1e-6 of an average over offsets of discs and circles."""
    R = ratio * s
    offset = clm.GammaOffset(s, shape)
    reach = (40.0 + 4.0 * shape) * s

    def density(d):
        from scipy.stats import gamma

        return gamma.pdf(d, shape, scale=s)

    seen = clm.Miscentred(NFW, offset)
    surface = twin.over_offsets(
        lambda d: twin.ring_mean(NFW.surface_density, R, d), R, density, reach
    )
    mean = twin.over_offsets(lambda d: twin.disc_mean(NFW.surface_density, R, d), R, density, reach)
    assert seen.surface_density(R) == pytest.approx(surface, rel=1e-7)
    assert seen.excess_surface_density(R) == pytest.approx(mean - surface, rel=1e-6)


def test_reduced_shear_is_the_average_of_the_tangential_component():
    """Brute force: g of the lens at points of the circle, turned to the displaced centre."""
    d, R = 0.2, 0.3
    angle = (np.arange(20000) + 0.5) * 2.0 * np.pi / 20000
    x, y = d + R * np.cos(angle), R * np.sin(angle)
    g = NFW.reduced_tangential_shear(np.hypot(x, y), BEHIND)
    position = np.arctan2(y, x)
    g1, g2 = -g * np.cos(2 * position), -g * np.sin(2 * position)
    tangential = -(g1 * np.cos(2 * angle) + g2 * np.sin(2 * angle))
    seen = clm.Miscentred(NFW, d)
    value = seen.reduced_tangential_shear(R, BEHIND)
    assert value == pytest.approx(np.mean(tangential), rel=1e-10)
    of_means = seen.tangential_shear(R, BEHIND) / (1.0 - seen.convergence(R, BEHIND))
    assert abs(value / of_means - 1.0) > 1e-3  # the two are different things
    mean_kappa = np.mean(NFW.convergence(np.hypot(x, y), BEHIND))
    assert seen.convergence(R, BEHIND) == pytest.approx(mean_kappa, rel=1e-10)


def test_reduced_shear_over_a_source_distribution():
    """The average over sources and circle commute: a list of planes one by one."""
    sources = clm.SourceDistribution.chang2013()
    R = np.array([0.2, 0.5, 1.5])
    seen = clm.Miscentred(NFW, clm.GammaOffset(0.1), 0.4)
    whole = seen.reduced_tangential_shear(R, sources)
    inverse, weight = sources.inverse_critical_surface_density_nodes(0.3, NFW.cosmology)
    total = np.zeros(3)
    for one, share in zip(np.ravel(inverse), np.ravel(weight), strict=True):
        from clmassmod._core.profile import QUANTITIES
        from clmassmod.profiles.lensing import SourceArrays

        plane = np.array([[one]])
        total += (
            share
            * seen._evaluate(
                QUANTITIES["reduced_tangential_shear"], R[None, :], SourceArrays(plane, plane), 1
            )[0]
        )
    np.testing.assert_allclose(whole, total, rtol=1e-12)


def test_slope_is_the_derivative():
    seen = clm.Miscentred(NFW, clm.GammaOffset(0.2), 0.3)
    R, h = 0.15, 1e-4
    up, down = seen.surface_density(R * np.exp(h)), seen.surface_density(R * np.exp(-h))
    assert seen.surface_density_slope(R) == pytest.approx((up - down) / (2 * h), rel=1e-6)


def test_fraction_mixes_and_none_is_the_profile_itself():
    R = np.geomspace(0.05, 3.0, 5)
    off = clm.Miscentred(NFW, 0.1)
    mixed = clm.Miscentred(NFW, 0.1, fraction=0.25)
    expected = 0.75 * NFW.excess_surface_density(R) + 0.25 * off.excess_surface_density(R)
    np.testing.assert_allclose(mixed.excess_surface_density(R), expected, rtol=1e-14)
    none = clm.Miscentred(NFW, 0.1, fraction=0.0)
    np.testing.assert_array_equal(none.excess_surface_density(R), NFW.excess_surface_density(R))
    np.testing.assert_array_equal(
        clm.Miscentred(NFW, 0.0).excess_surface_density(R), NFW.excess_surface_density(R)
    )


def test_sample_is_the_mean_of_its_members():
    distances, weights = np.array([0.0, 0.1, 0.4]), np.array([3.0, 1.0, 2.0])
    R = np.array([0.1, 0.3, 1.0])
    seen = clm.Miscentred(NFW, clm.OffsetSample(distances, weights)).excess_surface_density(R)
    each = [clm.Miscentred(NFW, d).excess_surface_density(R) for d in distances]
    np.testing.assert_allclose(seen, np.average(each, axis=0, weights=weights), rtol=1e-13)


def test_many_profiles_are_each_alone():
    """(n,) profiles, offsets and fractions, and sources a point each, give the single values."""
    mass, scale, f = np.array([1e14, 4e14]), np.array([0.05, 0.2]), np.array([0.2, 1.0])
    R = np.array([[0.1, 0.5, 2.0], [0.2, 0.4, 1.0]])
    z_s = np.array([[0.8, 1.0, 0.2], [1.5, 0.9, 2.0]])
    several = clm.Miscentred(clm.NFW(mass, 4.0, redshift=0.3), clm.GammaOffset(scale), f)
    values = several.reduced_tangential_shear(R, z_s)
    one_profile = clm.Miscentred(NFW, clm.GammaOffset(scale), f).reduced_tangential_shear(R, z_s)
    for i in range(2):
        halo = clm.NFW(mass[i], 4.0, redshift=0.3)
        alone = clm.Miscentred(halo, clm.GammaOffset(scale[i]), f[i])
        np.testing.assert_array_equal(values[i], alone.reduced_tangential_shear(R[i], z_s[i]))
        alone = clm.Miscentred(NFW, clm.GammaOffset(scale[i]), f[i])
        np.testing.assert_array_equal(one_profile[i], alone.reduced_tangential_shear(R[i], z_s[i]))


def test_every_kind_of_profile_and_any_number_of_threads():
    star = clm.DeVaucouleurs(1e12, 0.02, redshift=0.3)
    for profile in (clm.Composite([NFW, star]), clm.Einasto(3e14, 4.0, 0.3, alpha=0.2)):
        seen = clm.Miscentred(profile, 0.07)
        R = np.array([0.03, 0.07, 0.3])
        twins = [twin.ring_excess(profile.surface_density, one, 0.07) for one in R]
        # Einasto is tabulated to 1e-6
        np.testing.assert_allclose(seen.excess_surface_density(R), twins, rtol=3e-6)
        for n_threads in (2, 3, 7):
            many = seen.excess_surface_density(R, n_threads=n_threads)
            np.testing.assert_array_equal(many, seen.excess_surface_density(R))


def test_copies_are_equal():
    seen = clm.Miscentred(NFW, clm.GammaOffset(0.1, 1.5), 0.3)
    assert pickle.loads(pickle.dumps(seen)) == seen
    assert copy.copy(seen) == seen
    assert seen.replace(fraction=0.2) != seen
    assert seen.excess_surface_density(np.empty(0)).shape == (0,)
    assert seen != clm.Miscentred(NFW, clm.RayleighOffset(0.1), 0.3)
    assert "GammaOffset(0.1)" in repr(seen)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: clm.Miscentred(3.0, 0.1), "profile"),
        (lambda: clm.Miscentred(NFW, -0.1), "distance"),
        (lambda: clm.Miscentred(NFW, 0.1, 1.1), "fraction"),
        (lambda: clm.Miscentred(NFW, clm.GammaOffset(0.0)), "scale"),
        (lambda: clm.GammaOffset(0.1, 0.5), "shape"),
        (lambda: clm.OffsetSample([]), "distances"),
        (lambda: clm.OffsetSample([0.1], [-1.0]), "weights"),
        (lambda: clm.Miscentred(NFW, np.ones(3), np.ones(2)), "common"),
        (lambda: clm.Miscentred(NFW, 0.1).enclosed_mass(1.0), r"\.profile\.enclosed_mass"),
        (lambda: clm.Miscentred(NFW, 0.1).surface_density([1.0, -1.0]), "index 1"),
    ],
)
def test_wrong_calls(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
