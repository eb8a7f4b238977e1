"""Averages over source distributions: brute force over single planes, and the poles."""

from __future__ import annotations

import numpy as np
import pytest

import clmassmod as clm

HALO = clm.NFW(1.5e15, 5.0, redshift=0.5)
RADIUS = np.array([0.05, 0.12, 0.2, 0.4, 1.0, 3.0])


def planes():
    redshift = np.array([0.3, 0.5, 0.7, 1.0, 1.5, 2.5, 4.0, 0.9, 1.2])
    weight = np.array([1.0, 0.5, 2.0, 3.0, 2.0, 1.0, 0.2, 0.0, 1.0])
    return redshift, weight / weight.sum()


def by_hand(quantity, radius):
    redshift, weight = planes()
    values = [getattr(HALO, quantity)(radius, z) for z in redshift]
    return np.einsum("k,kr->r", weight, np.array(values))


@pytest.mark.parametrize(
    "quantity", ["convergence", "tangential_shear", "reduced_tangential_shear", "magnification"]
)
def test_average_is_the_weighted_sum_over_planes(quantity):
    outside = RADIUS[3:]  # beyond the critical curve of every plane
    found = getattr(HALO, quantity)(outside, clm.SourceDistribution(*planes()))
    # nine terms in another order
    assert found == pytest.approx(by_hand(quantity, outside), rel=1e-13)


def test_a_pole_within_the_sources_gives_nan_and_nothing_else_does():
    sources = clm.SourceDistribution(*planes())
    farthest = 4.0
    kappa = HALO.convergence(RADIUS, farthest)
    gamma = HALO.tangential_shear(RADIUS, farthest)
    assert (kappa >= 1.0).any()
    assert (kappa < 1.0).any()
    shear = HALO.reduced_tangential_shear(RADIUS, sources)
    assert np.array_equal(np.isnan(shear), kappa >= 1.0)
    magnification = HALO.magnification(RADIUS, sources)
    assert np.array_equal(np.isnan(magnification), kappa + gamma >= 1.0)
    # one plane has no such trouble: the signed values are what they are
    assert np.isfinite(HALO.magnification(RADIUS, farthest)).all()


def test_planes_without_weight_do_not_count():
    sources = clm.SourceDistribution([0.7, 10.0], [1.0, 0.0])
    assert np.isfinite(HALO.reduced_tangential_shear(RADIUS[1:], sources)).all()


def test_a_likelihood_leaves_out_masses_with_a_pole():
    radius = np.array([0.15, 0.4, 1.0])
    sources = clm.SourceDistribution(*planes())
    halo = clm.NFW(4e14, 5.0, redshift=0.5)
    data = clm.GammaTheta(
        radius,
        halo.reduced_tangential_shear(radius, sources),
        np.full(3, 0.02),
        redshift=0.5,
        sources=sources,
    )
    massmod = clm.CLMassMod({"concentration": 5.0})
    massmod.obs_gamma_theta = data
    values = massmod.likelihood().log_likelihood([[4e14], [9e15]])
    assert np.isfinite(values[0])
    assert np.isneginf(values[1])
    profile = massmod.fit_mass_profiles("scanpdf")[0][0]
    assert profile.mass == pytest.approx(4e14, rel=1e-5)
