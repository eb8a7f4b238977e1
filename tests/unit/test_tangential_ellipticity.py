"""The expected ellipticity of galaxies: g, or 1/g where that exceeds 1."""

from __future__ import annotations

import numpy as np
import pytest

import clmassmod as clm

R = np.geomspace(1e-3, 2.0, 25)
PROFILES = (
    clm.NFW(2e15, 8.0, redshift=0.3),
    clm.Einasto(2e15, 6.0, 0.3, alpha=0.2),
    clm.Composite([clm.NFW(1e15, 6.0, 0.3), clm.DeVaucouleurs(1e12, 0.02, redshift=0.3)]),
)


def expected(profile, z_s):
    kappa, gamma = profile.convergence(R, z_s), profile.tangential_shear(R, z_s)
    g = gamma / (1.0 - kappa)
    return np.where(np.abs(g) <= 1.0, g, 1.0 / g)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: type(p).__name__)
def test_one_source_redshift(profile):
    """Inside and outside the critical curves; where g is weak it is the reduced shear."""
    value = profile.tangential_ellipticity(R, 1.5)
    np.testing.assert_allclose(value, expected(profile, 1.5), rtol=1e-12)
    assert np.any(np.abs(profile.reduced_tangential_shear(R, 1.5)) > 1.0)
    weak = R > 0.5
    reduced = profile.reduced_tangential_shear(R, 1.5)
    np.testing.assert_array_equal(value[weak], reduced[weak])


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: type(p).__name__)
def test_distribution_of_sources(profile):
    """The mean over planes, finite where the mean of the reduced shear has a pole."""
    z, weight = np.array([0.2, 0.6, 1.0, 2.0]), np.array([0.1, 0.3, 0.4, 0.2])
    value = profile.tangential_ellipticity(R, clm.SourceDistribution(z, weight))
    mean = sum(w * expected(profile, one) for one, w in zip(z[1:], weight[1:], strict=True))
    np.testing.assert_allclose(value, mean, rtol=1e-12)
    sources = clm.SourceDistribution(z, weight)
    assert np.any(np.isnan(profile.reduced_tangential_shear(R, sources)))
