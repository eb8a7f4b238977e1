"""Profiles of catalogues: against analytic shear, their errors, bins and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import clmassmod as clm
from clmassmod.cosmology import inverse_critical_surface_density
from clmassmod.errors import FitError, ParameterError
from clmassmod.galaxies import (
    FieldOfView,
    GalaxyCatalogue,
    MockGalaxies,
    RadialBins,
    build_profile,
)
from clmassmod.maps.field import ProfileField
from clmassmod.sources import BetaMoments, SourceDistribution

Z_L = 0.3
HALO = clm.NFW(8e14, 4.0, redshift=Z_L)
SOURCES = SourceDistribution([0.25, 0.6, 1.0, 1.8], [1.0, 3.0, 4.0, 2.0])


def mock(seed=0, **changes):
    given = {
        "density": 20.0,
        "sources": SOURCES,
        "field_of_view": FieldOfView.circle(2.5, unit="Mpc"),
        **changes,
    }
    return MockGalaxies(**given).generate(ProfileField(HALO), seed=seed)


def area_mean(function, edges, n=24):
    """Mean of a function of R over the area of every bin, by Gauss-Legendre quadrature."""
    x, w = np.polynomial.legendre.leggauss(n)
    low, high = edges[:-1, None], edges[1:, None]
    radius = low + 0.5 * (high - low) * (1.0 + x)
    weight = w * radius
    return np.sum(weight * function(radius), axis=1) / np.sum(weight, axis=1)


def expected_shear(edges, weights):
    """<g_t> of the sources with their weights, over the area of every bin."""
    inverse = inverse_critical_surface_density(Z_L, SOURCES.redshift)
    weight = SOURCES.weight * (inverse**2 if weights == "critical" else 1.0)
    parts = [
        w * area_mean(lambda r, z=z: np.asarray(HALO.reduced_tangential_shear(r, float(z))), edges)
        for z, w in zip(SOURCES.redshift, weight, strict=True)
        if z > Z_L
    ]
    return np.sum(parts, axis=0) / weight.sum()


# -- values ---------------------------------------------------------------------------------------


def test_without_noise_the_profile_is_the_analytic_one_averaged_over_areas():
    edges = np.linspace(0.5, 2.5, 9)
    catalogue = mock(seed=2, density=4000.0, sources=1.0, shape_noise=0.0)
    profile = build_profile(catalogue, Z_L, bins=edges)
    expected = area_mean(lambda r: np.asarray(HALO.reduced_tangential_shear(r, 1.0)), edges)
    # the galaxies of a bin sample its area: g varies by 10 % in the first, of 2e4 galaxies
    assert profile.n.min() > 2e4
    np.testing.assert_allclose(profile.g_t, expected, rtol=1e-3)
    np.testing.assert_allclose(profile.g_x, 0.0, atol=1e-15)
    np.testing.assert_allclose(profile.radius, area_mean(lambda r: r, edges), rtol=1e-3)
    critical = 1.0 / float(inverse_critical_surface_density(Z_L, 1.0))
    np.testing.assert_allclose(profile.delta_sigma, profile.g_t * critical, rtol=1e-12)


def test_without_noise_values_are_weighted_means_over_the_galaxies():
    catalogue = mock(shape_noise=0.0, measurement_noise=0.0).replace(
        weight=np.random.default_rng(1).uniform(0.5, 2.0, len(mock(shape_noise=0.0)))
    )
    edges = np.array([0.3, 1.0, 2.0])
    profile = build_profile(catalogue, Z_L, bins=edges)
    radius = np.hypot(catalogue["x"], catalogue["y"])
    inverse = inverse_critical_surface_density(Z_L, catalogue["z"])
    shear = np.array(
        [
            float(HALO.reduced_tangential_shear(r, z))
            for r, z in zip(radius, catalogue["z"], strict=True)
        ]
    )
    far = float(inverse_critical_surface_density(Z_L, 1e6))
    for k in range(2):
        inside = (radius >= edges[k]) & (radius < edges[k + 1]) & (inverse > 0.0)
        w = catalogue["weight"][inside] * inverse[inside] ** 2
        mean = np.sum(w * shear[inside]) / w.sum()
        assert profile.g_t[k] == pytest.approx(mean, rel=1e-11)
        excess = np.sum(w * shear[inside] / inverse[inside]) / w.sum()
        assert profile.delta_sigma[k] == pytest.approx(excess, rel=1e-11)
        assert profile.n[k] == np.count_nonzero(inside)
        # beta_s: 1e6 is short of infinity by 1e-3
        beta = np.sum(w * inverse[inside] / far) / w.sum()
        assert profile.beta_s[k] == pytest.approx(beta, rel=2e-3)
        beta_squared = np.sum(w * (inverse[inside] / far) ** 2) / w.sum()
        assert profile.beta_s_squared[k] == pytest.approx(beta_squared, rel=4e-3)


@pytest.mark.parametrize("weights", ["critical", "shape"])
def test_the_shear_is_recovered_within_its_errors(weights):
    edges = np.geomspace(0.3, 2.4, 7)
    expected = expected_shear(edges, weights)
    squares, cross = 0.0, 0.0
    for seed in range(25):
        catalogue = mock(seed, measurement_noise=0.1)
        profile = build_profile(catalogue, Z_L, bins=edges, weights=weights)
        squares += np.sum(((profile.g_t - expected) / profile.g_err) ** 2)
        cross += np.sum((profile.g_x / profile.g_err) ** 2)
    for value in (squares, cross):
        assert 2.0 * min(stats.chi2.sf(value, 150), stats.chi2.cdf(value, 150)) > 1e-4


def fitted_mass(profile, observable):
    massmod = clm.CLMassMod({"concentration": 4.0})
    if observable == "shear":
        massmod.obs_gamma_theta = profile.to_gamma_theta()
    else:
        massmod.obs_delta_sigma = profile.to_delta_sigma()
    fit = massmod.fit_mass_profiles("curvefit")[0][0]
    return fit.mass, np.mean(fit.errors["mass"])


@pytest.mark.parametrize("observable", ["shear", "surface density"])
def test_masses_follow_from_profiles(observable):
    edges = np.geomspace(0.3, 2.4, 13)
    clean = build_profile(mock(density=300.0, shape_noise=0.0), Z_L, bins=edges)
    # sources pooled over all bins, of which each has a few thousand: 0.3 %
    assert fitted_mass(clean, observable)[0] == pytest.approx(8e14, rel=0.003)
    noisy = [
        fitted_mass(build_profile(mock(seed), Z_L, bins=edges[::2]), observable)
        for seed in range(6)
    ]
    mass, error = np.array(noisy).T
    mean = np.average(mass, weights=error**-2)
    assert abs(mean - 8e14) < 4.0 * np.sum(error**-2) ** -0.5


# -- errors ---------------------------------------------------------------------------------------


def test_errors_are_the_scatter_of_many_mocks():
    edges = np.array([0.5, 1.0, 2.0])
    profiles = [build_profile(mock(k, density=8.0), Z_L, bins=edges) for k in range(200)]
    for name, error in (("g_t", "g_err"), ("delta_sigma", "delta_sigma_err")):
        scatter = np.std([getattr(p, name) for p in profiles], axis=0)
        stated = np.mean([getattr(p, error) for p in profiles], axis=0)
        # the scatter of 200 is known to 1 / sqrt(400) = 5 %
        np.testing.assert_allclose(scatter, stated, rtol=0.2)


@pytest.mark.parametrize("method", ["bootstrap", "jackknife"])
def test_resampled_errors_agree_with_those_of_shapes(method):
    catalogue = mock(3, density=60.0)
    edges = np.geomspace(0.3, 2.4, 5)
    shape = build_profile(catalogue, Z_L, bins=edges)
    other = build_profile(
        catalogue, Z_L, bins=edges, covariance=method, n_resamples=400, n_patches=200, seed=1
    )
    # the variance from 200 or 400 resamples is known to 10 % or 7 %, its root to half of that
    np.testing.assert_allclose(other.g_err, shape.g_err, rtol=0.2)
    np.testing.assert_allclose(other.delta_sigma_err, shape.delta_sigma_err, rtol=0.2)
    np.testing.assert_array_equal(other.g_t, shape.g_t)
    correlation = other.g_cov / np.outer(other.g_err, other.g_err)
    off = correlation[~np.eye(4, dtype=bool)]
    assert 0.0 < np.abs(off).max() < 0.3
    assert other.to_gamma_theta().covariance is not None
    np.testing.assert_allclose(other.g_cov, other.g_cov.T, rtol=1e-12)


def test_a_jackknife_by_hand():
    catalogue = mock(3, density=6.0)
    edges = np.array([0.3, 2.4])
    patches = np.arange(len(catalogue)) % 7
    whole = build_profile(catalogue, Z_L, bins=edges, covariance="jackknife", patches=patches)
    parts = np.array(
        [build_profile(catalogue.select(patches != k), Z_L, bins=edges).g_t[0] for k in range(7)]
    )
    expected = 6.0 / 7.0 * np.sum((parts - parts.mean()) ** 2)
    assert whole.g_cov[0, 0] == pytest.approx(expected, rel=1e-10)


def test_covariance_of_structure_is_added():
    edges = np.geomspace(0.3, 2.4, 4)
    profile = build_profile(mock(), Z_L, bins=edges)
    extra = 1e-4 * (np.eye(3) + 0.5)
    more = profile.add_covariance(shear=extra, delta_sigma=extra * 1e30)
    np.testing.assert_allclose(more.g_cov, profile.g_cov + extra, rtol=1e-14)
    np.testing.assert_allclose(more.g_err**2, np.diag(more.g_cov), rtol=1e-14)
    np.testing.assert_array_equal(more.to_gamma_theta().covariance, more.g_cov)
    assert more.delta_sigma_err[0] > profile.delta_sigma_err[0]
    with pytest.raises(ParameterError, match="covariance"):
        profile.add_covariance(shear=-extra)
    with pytest.raises(FitError, match="surface density"):
        build_profile(mock(), Z_L, bins=edges, weights="shape").add_covariance(delta_sigma=extra)


# -- bins -----------------------------------------------------------------------------------------


def test_bins_are_linear_logarithmic_or_equally_filled():
    np.testing.assert_allclose(RadialBins(0.5, 2.5, 4, "linear").edges(), [0.5, 1, 1.5, 2, 2.5])
    np.testing.assert_allclose(RadialBins(0.1, 10.0, 2).edges(), [0.1, 1.0, 10.0])
    catalogue = mock()
    profile = build_profile(catalogue, Z_L, bins=RadialBins(0.2, 2.0, 7, "equal_occupation"))
    assert np.ptp(profile.n) <= 1.0
    assert (profile.edges[0], profile.edges[-1]) == (0.2, 2.0)
    radius = np.hypot(catalogue["x"], catalogue["y"])
    behind = catalogue["z"] > Z_L
    assert profile.n.sum() == np.count_nonzero(behind & (radius >= 0.2) & (radius < 2.0))


def test_an_empty_bin_keeps_its_place():
    catalogue = GalaxyCatalogue(
        x=[0.5, 0.6, 2.5], y=[0, 0, 0], e1=[-0.1, -0.2, -0.1], e2=[0, 0, 0], z=[1, 0.1, 1]
    )
    profile = build_profile(catalogue, Z_L, bins=[0.1, 1.0, 2.0, 3.0])
    assert profile.mask.tolist() == [False, True, False]
    assert profile.n.tolist() == [1.0, 0.0, 1.0]
    for values in (profile.g_t, profile.g_err, profile.radius, profile.delta_sigma, profile.beta_s):
        assert np.isnan(values).tolist() == [False, True, False]
    observed = profile.to_gamma_theta()
    assert len(observed) == 2
    assert observed.metadata["empty_bins"] == [1]
    assert observed.metadata["edges"] == [0.1, 1.0, 2.0, 3.0]
    assert len(profile.to_delta_sigma()) == 2
    table = profile.to_table()
    assert table["gt"].mask.tolist() == [False, True, False]
    assert table.colnames[:8] == [
        "radius_min", "radius", "radius_max", "gt", "gt_err", "gx", "gx_err", "n_src",
    ]  # fmt: skip
    empty = build_profile(catalogue, 2.0, bins=[0.1, 1.0])
    assert empty.mask.all()
    with pytest.raises(FitError, match="no galaxies"):
        empty.to_gamma_theta()


def test_sources_of_the_profile():
    profile = build_profile(mock(), Z_L, bins=[0.3, 1.0, 2.0])
    observed = profile.to_gamma_theta()
    assert isinstance(observed.sources, BetaMoments)
    pooled = np.average(profile.beta_s, weights=profile.n * profile.beta_s**2)
    assert float(observed.sources.mean_beta_s()) == pytest.approx(pooled, rel=0.05)
    no_z = mock().replace(z=None)
    assert build_profile(no_z, Z_L, bins=[0.3, 1.0], sources=SOURCES).sources == SOURCES
    plain = build_profile(no_z, Z_L, bins=[0.3, 1.0], weights="shape")
    assert plain.sources is None
    assert plain.beta_s is None
    with pytest.raises(FitError, match="critical"):
        plain.to_delta_sigma()


def test_same_bits_for_any_threads():
    catalogue = mock(density=300.0)
    one = build_profile(catalogue, Z_L, bins=RadialBins(0.1, 2.0, 9))
    for threads in (2, 3, 7):
        other = build_profile(catalogue, Z_L, bins=RadialBins(0.1, 2.0, 9), n_threads=threads)
        np.testing.assert_array_equal(one.g_t, other.g_t)
        np.testing.assert_array_equal(one.delta_sigma_cov, other.delta_sigma_cov)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"z_l": 0.0}, "redshift"),
        ({"bins": [1.0, 0.5]}, r"bins\[1\]"),
        ({"bins": [1.0]}, "bins"),
        ({"centre": (0.0,)}, "centre"),
        ({"centre": (np.nan, 0.0)}, "centre"),
        ({"shape_noise": -0.1}, "shape_noise"),
        ({"weights": "uniform"}, "weights"),
        ({"covariance": "bootsrap"}, "bootstrap"),
        ({"covariance": "bootstrap", "n_resamples": 2}, "n_resamples"),
        ({"covariance": "jackknife", "n_patches": 2}, "n_patches"),
        ({"covariance": "jackknife", "patches": [1, 2]}, "patches"),
        ({"covariance": "jackknife", "patches": np.zeros(3, int)}, "patches"),
        ({"behind": np.nan}, "behind"),
        ({"bins": RadialBins(0.01, 0.02, 5, "equal_occupation")}, "radii"),
    ],
)
def test_wrong_arguments_are_named(change, name):
    given = {"z_l": Z_L, "bins": [0.3, 0.6, 1.0], **change}
    with pytest.raises(ParameterError, match=name):
        build_profile(mock(density=3.0), **given)


def test_a_resample_without_galaxies_is_refused():
    catalogue = GalaxyCatalogue(
        x=[0.5, 1.5, 1.6, 1.7], y=[0, 0, 0.1, -0.5], e1=[-0.1] * 4, e2=[0.0] * 4, z=[1.0] * 4
    )
    for method in ("bootstrap", "jackknife"):
        with pytest.raises(ParameterError, match="bin 0"):
            build_profile(
                catalogue, Z_L, bins=[0.1, 1.0, 2.0], covariance=method, patches=[0, 1, 2, 3]
            )


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: RadialBins(0.0, 1.0, 3), "r_min"),
        (lambda: RadialBins(1.0, 1.0, 3), "r_max"),
        (lambda: RadialBins(0.1, 1.0, 0), "n_bins"),
        (lambda: RadialBins(0.1, 1.0, 3, "lin"), "linear"),
        (lambda: RadialBins(0.1, 1.0, 3, "equal_occupation").edges(), "radii"),
        (lambda: build_profile(_on_sky(), Z_L, bins=[0.1, 1.0]), "centre"),
    ],
)
def test_wrong_bins_and_centres_are_named(call, name):
    with pytest.raises(ParameterError, match=name):
        call()


def _on_sky():
    return GalaxyCatalogue(ra=[0.0], dec=[0.0], e1=[0.0], e2=[0.0], z=[1.0])
