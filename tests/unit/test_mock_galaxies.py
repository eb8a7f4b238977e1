"""Mock catalogues: each ingredient against what it is meant to be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import clmassmod as clm
from clmassmod.cosmology import (
    angular_diameter_distance,
    inverse_critical_surface_density_at_infinity,
)
from clmassmod.distributions import Normal, Uniform
from clmassmod.errors import ParameterError
from clmassmod.galaxies import (
    CentreOffset,
    DiscMask,
    FieldOfView,
    MemberContamination,
    PhotoZ,
    PixelMask,
    RescaledField,
    build_profile,
    expected_ellipticity,
)
from clmassmod.galaxies.mock_draws import poisson_quantile
from clmassmod.maps.field import ProfileField
from clmassmod.sources import BetaMoments, SourceDistribution

from galaxy_mocks import P_MIN, Z_L, NoLens, make, probability


@pytest.fixture(scope="module")
def lens():
    return ProfileField(clm.NFW(1.5e15, 5.0, redshift=Z_L))


# -- numbers and places ---------------------------------------------------------------------------


def test_numbers_are_poisson():
    mock = make(density=0.5, sources=1.0, field_of_view=FieldOfView.rectangle(4.0, 5.0))
    counts = [len(mock.generate(NoLens(), seed=3, halo_id=k)) for k in range(600)]
    expected = 600 * stats.poisson.pmf(np.arange(25), 10.0)
    groups = [*range(4, 17)]
    found = np.array([np.sum(np.array(counts) == k) for k in groups])
    squares = np.sum((found - expected[groups]) ** 2 / expected[groups])
    assert probability(squares, len(groups)) > P_MIN


def test_poisson_quantiles_are_scipys():
    for mean in (1e-3, 0.7, 30.0, 1e5):
        for chance in (1e-9, 0.1, 0.5, 0.9, 1.0 - 1e-9):
            assert poisson_quantile(chance, mean) == int(stats.poisson.ppf(chance, mean))


@pytest.mark.parametrize(
    ("view", "area"),
    [
        (FieldOfView.circle(6.0), np.pi * 36.0),
        (FieldOfView.circle(6.0, inner=2.0), np.pi * 32.0),
        (FieldOfView.rectangle(10.0, 6.0, centre=(3.0, 1.0)), 60.0),
    ],
)
def test_places_are_uniform_in_the_field(view, area):
    catalogue = make(field_of_view=view, density=100.0).generate(NoLens(), seed=5)
    expected = 100.0 * area
    assert abs(len(catalogue) - expected) < 4.0 * np.sqrt(expected)
    arcmin = float(angular_diameter_distance(Z_L)) * np.deg2rad(1.0 / 60.0)
    x, y = catalogue["x"] / arcmin, catalogue["y"] / arcmin
    if view.round:
        share = (np.hypot(x, y) ** 2 - view.inner**2) / (36.0 - view.inner**2)
        marks = [share, np.mod(np.arctan2(y, x), 2 * np.pi) / (2 * np.pi)]
    else:
        marks = [(x - 3.0) / 10.0 + 0.5, (y - 1.0) / 6.0 + 0.5]
    for mark in marks:
        assert stats.kstest(mark, "uniform").pvalue > P_MIN


def test_fields_in_mpc_and_in_arcmin_are_the_same():
    arcmin = float(angular_diameter_distance(Z_L)) * np.deg2rad(1.0 / 60.0)
    first = make(field_of_view=FieldOfView.circle(8.0)).generate(NoLens(), seed=1)
    second = make(field_of_view=FieldOfView.circle(8.0 * arcmin, unit="Mpc")).generate(
        NoLens(), seed=1
    )
    np.testing.assert_allclose(first["x"], second["x"], rtol=1e-13)


def test_masks_take_galaxies_away_and_leave_the_others(lens):
    holes = DiscMask(((2.0, 1.0, 1.5), (-4.0, 0.0, 2.0)))
    whole = make().generate(lens, seed=8)
    masked = make(field_of_view=FieldOfView.circle(8.0, mask=holes)).generate(lens, seed=8)
    arcmin = float(angular_diameter_distance(Z_L)) * np.deg2rad(1.0 / 60.0)
    kept = holes(whole["x"] / arcmin, whole["y"] / arcmin)
    assert 0 < np.count_nonzero(~kept) < len(whole)
    assert masked == whole.select(kept)


def test_a_pixel_mask_keeps_its_share():
    image = np.array([[0.0, 0.25], [1.0, 0.5]])  # [row = y, column = x]
    view = FieldOfView.rectangle(16.0, mask=PixelMask(image, 6.0))
    catalogue = make(field_of_view=view, density=60.0).generate(NoLens(), seed=2)
    right, above = catalogue["x"] > 0.0, catalogue["y"] > 0.0
    found = np.array(
        [[np.sum((above == row) & (right == column)) for column in (0, 1)] for row in (0, 1)]
    )
    expected = 60.0 * 36.0 * image
    assert found[0, 0] == 0
    pulls = (found - expected)[image > 0.0] / np.sqrt(expected[image > 0.0])
    assert probability(np.sum(pulls**2), 3) > P_MIN
    # nothing outside of the image, which is narrower than the field
    arcmin = float(angular_diameter_distance(Z_L)) * np.deg2rad(1.0 / 60.0)
    assert np.abs(catalogue["x"] / arcmin).max() < 6.0


# -- redshifts ------------------------------------------------------------------------------------


def test_redshifts_follow_the_distribution():
    sources = SourceDistribution.chang2013()
    catalogue = make(sources=sources, density=100.0).generate(NoLens(), seed=4)
    order = np.argsort(sources.redshift)
    edges = np.linspace(0.0, 1.0, 31)
    cumulative = np.cumsum(sources.weight[order])
    group = np.minimum(np.searchsorted(edges, cumulative, side="left") - 1, 29)
    expected = len(catalogue) * np.bincount(group, sources.weight[order], minlength=30)
    node = np.searchsorted(sources.redshift[order], catalogue["z_true"])
    np.testing.assert_array_equal(sources.redshift[order][node], catalogue["z_true"])
    found = np.bincount(group[node], minlength=30)
    filled = expected > 0.0
    squares = np.sum((found - expected)[filled] ** 2 / expected[filled])
    assert probability(squares, np.count_nonzero(filled) - 1) > P_MIN
    np.testing.assert_array_equal(catalogue["z"], catalogue["z_true"])


def test_galaxies_in_front_are_not_lensed(lens):
    catalogue = make(shape_noise=0.0).generate(lens, seed=4)
    front = catalogue["z_true"] <= Z_L
    assert front.any()
    assert not catalogue["e1"][front].any()
    assert catalogue["e1"][~front].all()


def test_photometric_redshifts_scatter():
    photo = PhotoZ(scatter=0.05, bias=0.02)
    catalogue = make(density=100.0, photo_z=photo).generate(NoLens(), seed=6)
    pull = (catalogue["z"] - catalogue["z_true"]) / (1.0 + catalogue["z_true"])
    # at z = 0.2 the cut at z > 0 lies 3.7 sd off, at the others farther
    assert stats.kstest((pull - 0.02) / 0.05, "norm").pvalue > P_MIN
    wild = make(density=100.0, photo_z=PhotoZ(0.0, 0.0, 0.2, (2.0, 3.0))).generate(NoLens(), seed=6)
    moved = wild["z"] != wild["z_true"]
    assert abs(moved.mean() - 0.2) < 4.0 * np.sqrt(0.16 / len(wild))
    assert stats.kstest(wild["z"][moved] - 2.0, "uniform").pvalue > P_MIN


def test_photometric_redshifts_stay_above_zero():
    z = PhotoZ(scatter=1.0).draw(
        np.full(4000, 0.1), np.random.default_rng(1).uniform(size=(4000, 3))
    )
    assert z.min() > 0.0
    cut = stats.truncnorm(-0.1 / 1.1, np.inf, loc=0.1, scale=1.1)
    assert stats.kstest(z, cut.cdf).pvalue > P_MIN


# -- shapes ---------------------------------------------------------------------------------------


def test_mean_shapes_are_those_expected_of_the_shear_also_beyond_critical_curves():
    # a lens with |g| > 1 within a third of an arcmin; many galaxies on it
    lens = ProfileField(clm.SIS(1500.0, redshift=Z_L))
    view = FieldOfView.circle(1.0, inner=0.02)
    squares, n_strong = 0.0, 0
    for seed in range(4):
        mock = make(density=3000.0, sources=2.0, field_of_view=view)
        catalogue = mock.generate(lens, seed=seed)
        gamma = catalogue["gamma1"] + 1j * catalogue["gamma2"]
        expected = expected_ellipticity(catalogue["kappa"], gamma)
        strong = np.abs(gamma) > np.abs(1.0 - catalogue["kappa"])
        n_strong += np.count_nonzero(strong)
        for part in (strong, ~strong):
            residual = (catalogue["e1"] + 1j * catalogue["e2"] - expected)[part]
            # shapes squeezed by the lens scatter less than 0.25: their own scatter is the error
            squares += residual.real.mean() ** 2 / residual.real.var() * residual.size
            squares += residual.imag.mean() ** 2 / residual.imag.var() * residual.size
    assert n_strong > 300
    assert probability(squares, 16) > P_MIN


def test_intrinsic_and_measurement_noise_have_their_sizes():
    noise = Uniform(0.1, 0.3)
    catalogue = make(density=100.0, shape_noise=0.3, measurement_noise=noise).generate(
        NoLens(), seed=9
    )
    assert stats.kstest((catalogue["e_err"] - 0.1) / 0.2, "uniform").pvalue > P_MIN
    variance = 0.09 + catalogue["e_err"] ** 2
    for name in ("e1", "e2"):
        ratio = catalogue[name] ** 2 / variance
        # the mean of squares of unit variance: sd below sqrt(2 / n), its value for a normal one
        assert abs(ratio.mean() - 1.0) < 4.0 * np.sqrt(2.0 / ratio.size)
    assert abs(np.corrcoef(catalogue["e1"], catalogue["e2"])[0, 1]) < 4.0 / np.sqrt(len(catalogue))
    clean = make(density=100.0, shape_noise=0.3).generate(NoLens(), seed=9)
    pull = (catalogue["e1"] - clean["e1"]) / catalogue["e_err"]
    assert stats.kstest(pull, "norm").pvalue > P_MIN
    assert "e_err" not in clean


def test_calibration_bias_is_exact(lens):
    clean = make().generate(lens, seed=2)
    biased = make(multiplicative_bias=(0.05, -0.03), additive_bias=(0.01, -0.02)).generate(
        lens, seed=2
    )
    np.testing.assert_array_equal(biased["e1"], 1.05 * clean["e1"] + 0.01)
    np.testing.assert_array_equal(biased["e2"], 0.97 * clean["e2"] - 0.02)


# -- lenses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", ["physical", "comoving"])
def test_a_rescaled_halo_keeps_its_mass(lens, keep):
    moved = RescaledField(lens, 0.6, keep=keep)
    stretch = 1.3 / 1.6 if keep == "comoving" else 1.0
    unit = [1.0 / float(inverse_critical_surface_density_at_infinity(z)) for z in (Z_L, 0.6)]
    x, y = np.array([0.3, -0.8]), np.array([0.1, 0.5])
    old = np.array(lens.convergence_shear(x, y)) * unit[0]
    new = np.array(moved.convergence_shear(x * stretch, y * stretch)) * unit[1]
    np.testing.assert_allclose(new * stretch**2, old, rtol=1e-13)
    assert moved.redshift == 0.6
    catalogue = make(sources=1.2, shape_noise=0.0).generate(moved, seed=1)
    assert catalogue.metadata["redshift"] == 0.6


def test_a_mock_does_not_depend_on_threads_or_other_haloes(lens):
    mock = make(
        density=100.0,
        members=MemberContamination(0.3, 0.3),
        photo_z=PhotoZ(0.05),
        measurement_noise=Normal(0.1, 0.02, low=0.0),
        count_slope=0.2,
        centre_offset=CentreOffset.gaussian(0.1),
    )
    alone = mock.generate(lens, seed=7, halo_id="a")
    mock.generate(lens, seed=7, halo_id="b")
    for threads in (1, 2, 7):
        assert mock.generate(lens, seed=7, halo_id="a", n_threads=threads) == alone
    assert mock.generate(lens, seed=8, halo_id="a") != alone
    assert mock.generate(lens, seed=7, halo_id="b")["x"][0] != alone["x"][0]
    assert alone.id == "a"


@pytest.mark.parametrize("system", ["euclidean", "celestial"])
@pytest.mark.parametrize("centre", [(0.0, 0.0), (359.99, 60.0), (120.0, -89.9), (10.0, 90.0)])
def test_catalogues_on_the_sky_hold_the_same_shear(lens, system, centre):
    # shapes without noise: all that differs is where on the sphere they lie
    mock = make(shape_noise=0.0, sources=1.0, centre_offset=[[0.2, 0.1]])
    plane = mock.generate(lens, seed=2)
    sky = mock.generate(lens, seed=2, centre=centre, coordinate_system=system)
    bins = np.array([0.1, 0.5, 1.5])
    flat = build_profile(plane, Z_L, bins=bins)
    curved = build_profile(sky, Z_L, bins=bins, centre=centre)
    np.testing.assert_array_equal(curved.n, flat.n)
    # positions of 1e-14 rad at separations of 1e-3 rad
    np.testing.assert_allclose(curved.g_t, flat.g_t, rtol=1e-9)
    np.testing.assert_allclose(curved.g_x, flat.g_x, atol=1e-10)
    np.testing.assert_allclose(curved.radius, flat.radius, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"density": 0.0}, "density"),
        ({"density": 1e9}, "density"),
        ({"sources": BetaMoments(0.5)}, "sources"),
        ({"sources": -1.0}, "sources"),
        ({"field_of_view": 8.0}, "field_of_view"),
        ({"shape_noise": 0.7}, "shape_noise"),
        ({"measurement_noise": -0.1}, "measurement_noise"),
        ({"measurement_noise": Normal(0.1, 0.1)}, "measurement_noise"),
        ({"multiplicative_bias": -1.0}, "multiplicative_bias"),
        ({"additive_bias": (0.1, 0.2, 0.3)}, "additive_bias"),
        ({"photo_z": 0.05}, "photo_z"),
        ({"members": 0.1}, "members"),
        ({"count_slope": np.nan}, "count_slope"),
        ({"largest_factor": 0.5}, "largest_factor"),
        ({"centre_offset": -0.1}, "offsets"),
    ],
)
def test_wrong_settings_are_named(change, name):
    with pytest.raises(ParameterError, match=name):
        make(**change).generate(NoLens())


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: FieldOfView.circle(0.0), "half_width"),
        (lambda: FieldOfView.circle(1.0, inner=2.0), "inner"),
        (lambda: FieldOfView.circle(1.0, unit="deg"), "unit"),
        (lambda: FieldOfView.circle(1.0, mask=3), "mask"),
        (lambda: PixelMask([[2.0]], 1.0), "image"),
        (lambda: PixelMask([[1.0]], 0.0), "pixel_scale"),
        (lambda: DiscMask(((0.0, 0.0, -1.0),)), "discs"),
        (lambda: MemberContamination(-1.0, 0.3), "amplitude"),
        (lambda: MemberContamination(1.0, 0.0), "scale"),
        (lambda: MemberContamination(1.0, 0.3, "king"), "profile"),
        (lambda: PhotoZ(-0.1), "scatter"),
        (lambda: PhotoZ(0.0, -0.1), "bias"),
        (lambda: PhotoZ(outliers=1.5), "outliers"),
        (lambda: PhotoZ(outlier_range=(2.0, 1.0)), "outlier_range"),
        (lambda: CentreOffset([]), "offsets"),
        (lambda: CentreOffset.gaussian(-1.0), "sd"),
        (lambda: RescaledField(NoLens(), 0.0), "redshift"),
        (lambda: RescaledField(NoLens(), 0.5, keep="angular"), "keep"),
        (lambda: make().generate(NoLens(), halo_id=-1), "halo_id"),
        (lambda: make().generate(NoLens(), seed=-1), "seed"),
        (lambda: make().generate(NoLens(), centre=(0.0, 100.0)), "centre"),
        (
            lambda: make(field_of_view=FieldOfView.circle(1.0, mask=lambda x, y: x * 10)).generate(
                NoLens()
            ),
            "mask",
        ),
    ],
)
def test_wrong_parts_are_named(call, name):
    with pytest.raises(ParameterError, match=name):
        call()
