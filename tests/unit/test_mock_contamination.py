"""Mock catalogues: members of the cluster, magnified counts, centres that are off."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats

import clmassmod as clm
from clmassmod.cosmology import (
    angular_diameter_distance,
)
from clmassmod.galaxies import (
    CentreOffset,
    MemberContamination,
    build_profile,
)
from clmassmod.maps.field import ProfileField

from galaxy_mocks import P_MIN, Z_L, make, probability


@pytest.fixture(scope="module")
def lens():
    return ProfileField(clm.NFW(1.5e15, 5.0, redshift=Z_L))


@pytest.mark.parametrize("profile", ["nfw", "exponential"])
def test_member_profiles_integrate_to_what_they_enclose(profile):
    members = MemberContamination(0.7, 0.4, profile)
    for radius in (0.01, 0.2, 0.4, 1.0, 3.0):
        direct = integrate.quad(
            lambda r: 2.0 * np.pi * r * float(members.ratio(r)),
            0.0,
            radius,
            epsrel=1e-11,
            points=[min(0.4, 0.5 * radius)],
            limit=200,
        )[0]
        assert float(members.enclosed(radius)) == pytest.approx(direct, rel=1e-7)
        share = float(members.enclosed(radius) / members.enclosed(3.0))
        assert float(members.radius_of(np.array([share]), 3.0)[0]) == pytest.approx(
            radius, rel=2e-5
        )
    near = members.ratio(0.4 * (1.0 + np.array([-2e-5, -1e-6, 0.0, 1e-6, 2e-5])))
    assert np.ptp(near) < 5e-5


@pytest.mark.parametrize("profile", ["nfw", "exponential"])
def test_members_dilute_the_shear_by_the_boost_factor(lens, profile):
    members = MemberContamination(0.8, 0.5, profile)
    settings = {"density": 200.0, "sources": 1.0, "shape_noise": 0.0}
    clean = make(**settings).generate(lens, seed=3)
    mixed = make(**settings, members=members).generate(lens, seed=3)
    is_member = mixed["member"] == 1.0
    assert mixed.select(~is_member) == clean
    assert (mixed["z_true"][is_member] == Z_L).all()
    assert not mixed["e1"][is_member].any()
    edges = np.geomspace(0.1, 2.0, 9)
    first = build_profile(clean, Z_L, bins=edges)
    second = build_profile(mixed, Z_L, bins=edges)
    dilution = second.g_t / first.g_t
    np.testing.assert_allclose(dilution, first.n / second.n, rtol=1e-12)
    # numbers against the boost factor, 1 + B averaged over the bin
    mean = np.diff(members.enclosed(edges)) / (np.pi * np.diff(edges**2))
    per_mpc = 200.0 / (float(angular_diameter_distance(Z_L)) * np.deg2rad(1.0 / 60.0)) ** 2
    expected = mean * per_mpc * np.pi * np.diff(edges**2)
    found = second.n - first.n
    assert probability(np.sum((found - expected) ** 2 / expected), 8) > P_MIN
    np.testing.assert_allclose(dilution, 1.0 / (1.0 + mean), atol=0.05)


@pytest.mark.parametrize("slope", [0.1, 0.4, 0.8])
def test_counts_are_magnified(lens, slope):
    mock = make(density=150.0, sources=1.5, count_slope=slope, shape_noise=0.0)
    catalogue = mock.generate(lens, seed=12)
    edges = np.geomspace(0.15, 2.0, 9)
    radius = np.hypot(catalogue["x"], catalogue["y"])
    found = np.histogram(radius, edges)[0]
    per_mpc = 150.0 / (float(angular_diameter_distance(Z_L)) * np.deg2rad(1.0 / 60.0)) ** 2

    def density(r):
        mu = float(lens.profile.magnification(r, 1.5))
        return 2.0 * np.pi * r * min(abs(mu) ** (2.5 * slope - 1.0), 5.0)

    expected = per_mpc * np.array(
        [integrate.quad(density, a, b, limit=200)[0] for a, b in pairwise(edges)]
    )
    assert probability(np.sum((found - expected) ** 2 / expected), 8) > P_MIN
    flat = per_mpc * np.pi * np.diff(edges**2)
    if slope == 0.4:
        np.testing.assert_allclose(expected, flat, rtol=1e-12)
    else:  # far more than the noise, so that the test above is one
        assert np.sum((flat - expected) ** 2 / expected) > 100.0


def test_centres_are_offset(lens):
    halos = range(400)
    gauss = CentreOffset.gaussian(0.3)
    draws = np.array([gauss.draw(1, k) for k in halos])
    assert stats.kstest(np.hypot(*draws.T) / 0.3, stats.rayleigh.cdf).pvalue > P_MIN
    assert stats.kstest(draws[:, 0] / 0.3, "norm").pvalue > P_MIN
    one = np.array([CentreOffset(0.25).draw(1, k) for k in halos])
    np.testing.assert_allclose(np.hypot(*one.T), 0.25, rtol=1e-14)
    assert stats.kstest(np.arctan2(*one.T) / (2 * np.pi) + 0.5, "uniform").pvalue > P_MIN
    listed = np.array([CentreOffset([0.1, 0.5]).draw(1, k) for k in halos])
    assert abs(np.mean(np.hypot(*listed.T) > 0.3) - 0.5) < 0.1
    pairs = np.array([CentreOffset([[0.1, 0.2], [0.0, -0.4]]).draw(1, k) for k in halos])
    assert {tuple(pair) for pair in pairs.tolist()} == {(0.1, 0.2), (0.0, -0.4)}


def test_an_offset_moves_the_catalogue_not_the_lens(lens):
    mock = make(shape_noise=0.0, sources=1.0, centre_offset=[[0.3, -0.1]])
    catalogue = mock.generate(lens, seed=1)
    assert catalogue.metadata["offset"] == [0.3, -0.1]
    true_centre = build_profile(catalogue, Z_L, bins=[0.2, 0.4, 0.8], centre=(-0.3, 0.1))
    # about the true centre all shear of a circular lens is tangential
    np.testing.assert_allclose(true_centre.g_x, 0.0, atol=1e-14)
    wrong_centre = build_profile(catalogue, Z_L, bins=[0.2, 0.4, 0.8])
    assert wrong_centre.g_t[0] < 0.9 * true_centre.g_t[0]
