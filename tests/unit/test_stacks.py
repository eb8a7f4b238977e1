"""Stacks against loops, their exact addition, their covariance, their files."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from stack_twin import inverse_critical, scaled_nfw_formula, stack_galaxies

import clmassmod as clm
from clmassmod.errors import FitError, FormatError, ParameterError
from clmassmod.galaxies import GalaxyCatalogue, GalaxyPairs
from clmassmod.stacks import Scaling, Stack, StackSums, scaled_nfw, sum_galaxies, sum_profiles

IDS = ("a", "b", "c")
CENTRES = np.array([[150.0, 2.0], [150.3, 2.1], [149.9, 1.8]])
Z_L = np.array([0.2, 0.3, 0.45])
EDGES = np.array([0.3, 0.8, 1.5, 3.0])
MASSES = {"a": 3e14, "b": 1e15, "c": 6e14}
SCALING = Scaling(MASSES, {"a": 4.0, "b": 3.5, "c": 5.0})


def galaxies(n=400, seed=1):
    random = np.random.default_rng(seed)
    return GalaxyCatalogue(
        ra=150.0 + random.uniform(-0.5, 0.7, n),
        dec=2.0 + random.uniform(-0.5, 0.5, n),
        e1=random.normal(0.0, 0.25, n),
        e2=random.normal(0.0, 0.25, n),
        z=random.uniform(0.1, 1.5, n),
        e_err=random.uniform(0.0, 0.2, n),
    )


CATALOGUE = galaxies()


def sums_of(which, **changes):
    index = [IDS.index(name) for name in which]
    return sum_galaxies(CATALOGUE, CENTRES[index], Z_L[index], EDGES, ids=list(which), **changes)


# -- against loops -------------------------------------------------------------------------------


def test_galaxies_without_scaling():
    stack = sums_of(IDS).stack()
    y, err, avg, pairs = stack_galaxies(CATALOGUE, CENTRES, Z_L, EDGES)
    np.testing.assert_allclose(stack.values, y, rtol=1e-9)
    np.testing.assert_allclose(stack.errors, err, rtol=1e-9)
    np.testing.assert_allclose(stack.radius, avg, rtol=1e-9)
    np.testing.assert_array_equal(stack.n_pairs, pairs)


def test_galaxies_with_scaling():
    edges = np.array([0.5, 1.5, 4.0, 8.0])
    amplitude, length = SCALING.scales(IDS, Z_L)
    sums = sum_galaxies(CATALOGUE, CENTRES, Z_L, edges, ids=IDS, scaling=SCALING)
    stack = sums.stack()
    scales = list(zip(amplitude, length, strict=True))
    y, err, avg, pairs = stack_galaxies(CATALOGUE, CENTRES, Z_L, edges, scales=scales)
    np.testing.assert_allclose(stack.values, y, rtol=1e-9)
    np.testing.assert_allclose(stack.errors, err, rtol=1e-9)
    np.testing.assert_allclose(stack.radius, avg, rtol=1e-9)
    np.testing.assert_array_equal(stack.n_pairs, pairs)
    # rho_s r_s and r_s of the definition of a halo
    halo = clm.NFW(1e15, 3.5, redshift=0.3)
    assert math.isclose(amplitude[1], halo.scale_density * halo.scale_radius, rel_tol=1e-14)
    assert math.isclose(length[1], halo.spherical_overdensity_radius("200c") / 3.5, rel_tol=1e-10)


def test_the_weights_of_galaxies_count_twice_in_the_variance():
    """sum w^2 sigma^2 / (sum w)^2, which is 1 / sum w for weights of one alone."""
    random = np.random.default_rng(3)
    weight = random.uniform(0.2, 3.0, len(CATALOGUE))
    catalogue = CATALOGUE.replace(weight=weight)
    stack = sum_galaxies(catalogue, CENTRES[:1], Z_L[0], EDGES, ids="a").stack()
    separation = GalaxyPairs(CATALOGUE).sums(CENTRES[:1], Z_L[:1], EDGES)  # for the bins
    assert separation.pairs.sum() == stack.n_pairs.sum()
    variance = 0.25**2 + CATALOGUE["e_err"] ** 2
    sky = np.deg2rad(CENTRES[0])
    ra, dec = np.deg2rad(CATALOGUE["ra"]), np.deg2rad(CATALOGUE["dec"])
    cosine = np.sin(dec) * np.sin(sky[1]) + np.cos(dec) * np.cos(sky[1]) * np.cos(ra - sky[0])
    radius = np.arccos(cosine) * float(clm.cosmology.angular_diameter_distance(Z_L[0]))
    inverse = inverse_critical(Z_L[0], CATALOGUE["z"])
    for b in range(3):
        keep = (radius >= EDGES[b]) & (radius < EDGES[b + 1]) & (inverse > 0.0)
        w = weight[keep] * inverse[keep] ** 2 / variance[keep]
        noise = np.sum(w**2 * variance[keep] / inverse[keep] ** 2)
        assert math.isclose(stack.errors[b], math.sqrt(noise) / w.sum(), rel_tol=1e-9)


def profiles():
    """A shear profile with a covariance, one of n(z), and a surface density with a boost."""
    radius = np.array([0.35, 0.6, 1.1, 2.0, 2.8])
    random = np.random.default_rng(5)
    root = random.normal(0.0, 0.01, (5, 5)) + 0.02 * np.eye(5)
    shear = clm.GammaTheta(
        radius, 0.05 / radius, covariance=root @ root.T, redshift=0.25, sources=0.9, id="a"
    )
    spread = clm.SourceDistribution([0.4, 1.2], [1.0, 2.0])
    other = clm.GammaTheta(
        radius * 1.1, 0.04 / radius, np.full(5, 0.015), redshift=0.3, sources=spread, id="b"
    )
    excess = clm.DeltaSigma(
        radius,
        1e14 / radius,
        2e13 * np.ones(5),
        redshift=0.4,
        boost=1.0 + 0.2 / radius,
        inverse_critical_surface_density=2e-16,
        id="c",
    )
    return shear, other, excess


def test_profiles_by_loops():
    shear, other, excess = profiles()
    stack = sum_profiles([shear, other, excess], EDGES).stack()
    one = inverse_critical(0.25, 0.9)
    two = inverse_critical(0.3, np.array([0.4, 1.2])) @ [1.0 / 3.0, 2.0 / 3.0]
    tables = [
        (shear.radius, shear.values / one, shear.covariance / one**2),
        (other.radius, other.values / two, np.diag((other.errors / two) ** 2)),
        (
            excess.radius,
            excess.values * excess.boost,
            np.diag((excess.errors * excess.boost) ** 2),
        ),
    ]
    total, signal, place = np.zeros((3, 3))
    noise = np.zeros((3, 3))
    for radius, values, covariance in tables:
        for i, r in enumerate(radius):
            a = np.searchsorted(EDGES, r, side="right") - 1
            if not 0 <= a < 3:
                continue
            total[a] += 1.0 / covariance[i, i]
            signal[a] += values[i] / covariance[i, i]
            place[a] += r / covariance[i, i]
            for j, s in enumerate(radius):
                b = np.searchsorted(EDGES, s, side="right") - 1
                if 0 <= b < 3:
                    noise[a, b] += covariance[i, j] / covariance[i, i] / covariance[j, j]
    np.testing.assert_allclose(stack.values, signal / total, rtol=1e-10)
    np.testing.assert_allclose(stack.radius, place / total, rtol=1e-12)
    np.testing.assert_allclose(stack.covariance, noise / np.outer(total, total), rtol=1e-9)
    assert math.isnan(stack.n_pairs[0])
    assert math.isnan(stack.cross[0])
    np.testing.assert_array_equal(stack.n_clusters, [3, 3, 3])


def test_one_cluster_in_its_own_bins_stays_what_it_is():
    _, _, excess = profiles()
    edges = [0.3, 0.5, 1.0, 1.5, 2.5, 3.0]
    plain = excess.replace(boost=None)
    again = sum_profiles([plain], edges).stack().to_delta_sigma()
    for name in ("radius", "values", "errors"):
        np.testing.assert_allclose(getattr(again, name), getattr(plain, name), rtol=1e-14)
    assert again.inverse_critical_surface_density == pytest.approx(2e-16, rel=1e-14)
    assert again.redshift == pytest.approx(0.4, rel=1e-14)


def test_galaxies_and_their_profile_give_the_same():
    """The profile of a catalogue, stacked in its own bins, is the stack of the catalogue."""
    from clmassmod.galaxies import build_profile

    profile = build_profile(CATALOGUE, 0.3, bins=EDGES, centre=CENTRES[1], id="b")
    direct = sums_of("b").stack()
    measured = sum_profiles([profile.to_delta_sigma()], EDGES).stack()
    for name in ("values", "errors", "radius", "n_pairs", "cross"):
        np.testing.assert_allclose(getattr(measured, name), getattr(direct, name), rtol=1e-12)
    assert measured.inverse == pytest.approx(direct.inverse, rel=1e-12)
    assert direct.binned
    assert measured.binned
    there = ~direct.mask
    np.testing.assert_array_equal(direct.to_delta_sigma().radius_min, EDGES[:-1][there])
    # in other bins, the points are somewhere in them
    other = sum_profiles([profile.to_delta_sigma()], [0.4, 0.9, 2.0, 4.0]).stack()
    assert not other.binned
    assert other.to_delta_sigma().radius_min is None


def test_points_outside_of_the_bins_are_left_out_and_empty_bins_stay():
    shear, _, _ = profiles()
    stack = sum_profiles([shear], [0.3, 0.5, 0.55, 0.7, 9.0]).stack()
    np.testing.assert_array_equal(stack.mask, [False, True, False, False])
    assert np.isnan(stack.values[1])
    assert len(stack.to_table()) == 4
    assert stack.to_table()["delta_sigma"].mask.tolist() == stack.mask.tolist()
    fitted = stack.to_delta_sigma()
    assert len(fitted) == 3
    assert fitted.metadata["empty_bins"] == [1]


# -- the scaled profile --------------------------------------------------------------------------


def test_the_scaled_nfw_profile():
    assert float(scaled_nfw(1.0)) == pytest.approx(10.0 / 3.0 + 4.0 * math.log(0.5), rel=1e-14)
    for x in (0.02, 0.3, 0.9, 1.7, 6.0, 30.0):
        assert float(scaled_nfw(x)) == pytest.approx(scaled_nfw_formula(x), rel=1e-9)


def test_the_scaled_nfw_profile_by_quadrature():
    """Mean minus local surface density of rho = rho_s / (x (1 + x)^2), by Abel integrals."""

    def sigma(x):
        return quad(lambda t: 2.0 / (math.hypot(x, t) * (1.0 + math.hypot(x, t)) ** 2), 0, np.inf)[
            0
        ]

    x = 0.7
    mean = 2.0 / x**2 * quad(lambda s: s * sigma(s), 0.0, x)[0]
    assert float(scaled_nfw(x)) == pytest.approx(mean - sigma(x), rel=1e-6)


def nfw_shear(name, mass, c, z_l, x):
    halo = clm.NFW(mass, c, redshift=z_l)
    radius = x * halo.scale_radius
    values = halo.reduced_tangential_shear(radius, 1.2)
    return clm.GammaTheta(radius, values, 0.1 * values, redshift=z_l, sources=1.2, id=name)


def test_nfw_haloes_scaled_by_the_truth_are_the_nfw_profile():
    """Whatever their masses; the reduced shear is in what is expected."""
    x = np.array([0.6, 1.2, 2.5, 5.0])
    made = [
        nfw_shear(name, MASSES[name], SCALING.concentrations[name], z, x)
        for name, z in zip(IDS, Z_L, strict=True)
    ]
    stack = sum_profiles(made, [0.5, 1.0, 2.0, 4.0, 8.0], scaling=SCALING).stack()
    np.testing.assert_allclose(stack.radius, x, rtol=1e-12)
    np.testing.assert_allclose(stack.values, stack.expected, rtol=1e-12)
    assert stack.chi2 < 1e-18
    assert stack.scatter < 1e-18
    assert (stack.n_points, stack.dof) == (12, 4)
    # beside the plain F(x), by the convergence
    assert np.all(stack.values > scaled_nfw(x))
    np.testing.assert_allclose(stack.values, scaled_nfw(x), rtol=0.25)
    plain = [one.replace(kind="shear", values=one.values / 1.0) for one in made]
    shear_only = sum_profiles(plain, [0.5, 1.0, 2.0, 4.0, 8.0], scaling=SCALING).stack()
    np.testing.assert_allclose(shear_only.expected, scaled_nfw(x), rtol=1e-12)
    assert shear_only.inverse == 0.0


def test_scatter_is_smaller_with_scaling():
    """The scatter of Niikura et al. (2015): clusters of different mass differ, unless scaled."""
    x = np.array([0.6, 1.2, 2.5, 5.0])
    made = [
        nfw_shear(name, MASSES[name], SCALING.concentrations[name], z, x)
        for name, z in zip(IDS, Z_L, strict=True)
    ]
    without = sum_profiles(made, [0.1, 0.5, 1.0, 2.0, 4.0]).stack()
    assert without.scatter > 10.0
    assert sum_profiles(made, [0.5, 1.0, 8.0], scaling=SCALING).stack().scatter < without.scatter


def test_scatter_by_loops():
    shear, other, excess = profiles()
    sums = sum_profiles([shear, other, excess], EDGES)
    stack = sums.stack()
    total = 0.0
    for one in (shear, other, excess):
        alone = sum_profiles([one], EDGES).stack()
        total += np.sum(((alone.values - stack.values) / alone.errors) ** 2)
    assert stack.scatter == pytest.approx(total, rel=1e-12)
    assert stack.n_points == 9


POINTS = st.tuples(
    st.integers(-1000, 1000), st.floats(1e12, 1e15), st.floats(0.11, 2.9), st.floats(0.1, 0.9)
)
"""Value [1e12 Msun / Mpc^2], error, radius and redshift of one cluster."""


@given(
    st.lists(POINTS, min_size=1, max_size=8),
    st.floats(0.1, 10.0),
)
@settings(max_examples=15, deadline=None)
def test_a_stack_of_points_is_their_weighted_mean(points, factor):
    def stacked(scale):
        return sum_profiles(
            [
                clm.DeltaSigma([r], [scale * 1e12 * y], [scale * e], redshift=z, id=f"{k}")
                for k, (y, e, r, z) in enumerate(points)
            ],
            [0.1, 1.0, 3.0],
        ).stack()

    stack, scaled = stacked(1.0), stacked(factor)
    y, e, r, z = np.array(points).T
    y = 1e12 * y
    for b, inside in enumerate((r < 1.0, r >= 1.0)):
        assert stack.mask[b] == (not inside.any())
        assert stack.n_clusters[b] == inside.sum()
        if inside.any():
            rounding = 1e-12 * 1e15
            assert y[inside].min() - rounding <= stack.values[b] <= y[inside].max() + rounding
            assert stack.errors[b] == pytest.approx(np.sum(e[inside] ** -2.0) ** -0.5, rel=1e-12)
            assert r[inside].min() * (1 - 1e-12) <= stack.radius[b] <= r[inside].max() * (1 + 1e-12)
    assert z.min() * (1 - 1e-12) <= stack.redshift <= z.max() * (1 + 1e-12)
    np.testing.assert_allclose(
        scaled.values, factor * stack.values, rtol=1e-12, atol=1e-12 * factor * 1e15
    )
    np.testing.assert_allclose(scaled.radius, stack.radius, rtol=1e-12)
    np.testing.assert_allclose(scaled.scatter, stack.scatter, rtol=1e-9, atol=1e-9)


# -- sums add up ---------------------------------------------------------------------------------


@given(st.permutations(range(6)), st.lists(st.integers(0, 2), min_size=6, max_size=6))
@settings(max_examples=25, deadline=None)
def test_sums_add_up_to_the_same_bits_in_any_order_and_groups(order, group):
    whole = SIX.stack()
    groups = [
        StackSums.merged([ROWS[i] for i in order if group[i] == k]) for k in range(3) if k in group
    ]
    total = groups[0]
    for one in groups[1:]:
        total = one + total
    assert total == SIX
    assert total.stack() == whole


def _six():
    random = np.random.default_rng(8)
    centres = np.column_stack(
        [150.0 + random.uniform(-0.2, 0.4, 6), 2.0 + random.uniform(-0.2, 0.2, 6)]
    )
    z_l = random.uniform(0.1, 0.5, 6)
    names = [f"cluster {k}" for k in range(6)]
    rows = [sum_galaxies(CATALOGUE, centres[[k]], z_l[k], EDGES, ids=[names[k]]) for k in range(6)]
    return rows, sum_galaxies(CATALOGUE, centres, z_l, EDGES, ids=names)


ROWS, SIX = _six()


def test_a_catalogue_cut_into_files_is_the_same_to_rounding():
    half = np.arange(len(CATALOGUE)) % 2 == 0
    parts = [
        sum_galaxies(CATALOGUE.select(keep), CENTRES, Z_L, EDGES, ids=IDS, part=name)
        for name, keep in (("even", half), ("odd", ~half))
    ]
    whole, cut = sums_of(IDS).stack(), (parts[0] + parts[1]).stack()
    for name in ("values", "errors", "radius", "n_pairs", "cross", "covariance"):
        np.testing.assert_allclose(getattr(cut, name), getattr(whole, name), rtol=1e-12)
    assert cut.n_clusters.tolist() == whole.n_clusters.tolist()
    assert cut.scatter == pytest.approx(whole.scatter, rel=1e-10)


def test_the_same_bits_for_any_number_of_threads():
    assert sums_of(IDS, n_threads=1) == sums_of(IDS, n_threads=3)


def test_the_stack_is_the_mean_of_stacks_by_weight():
    first, second = sums_of("ab").stack(), sums_of("c").stack()
    both = sums_of(IDS).stack()
    weight = first.weight + second.weight
    mean = (first.values * first.weight + second.values * second.weight) / weight
    np.testing.assert_allclose(both.values, mean, rtol=1e-12)
    np.testing.assert_allclose(both.weight, weight, rtol=1e-14)


def test_what_cannot_be_added():
    one = sums_of("a")
    with pytest.raises(ParameterError, match=r"id = 'a'.*count once"):
        one + sums_of("ab")
    with pytest.raises(ParameterError, match="edges"):
        one + sum_galaxies(CATALOGUE, CENTRES[1:2], 0.3, [0.1, 1.0], ids="b")
    with pytest.raises(ParameterError, match=r"method.*woScaling"):
        one + sum_galaxies(CATALOGUE, CENTRES[1:2], 0.3, EDGES, ids="b", scaling=SCALING)
    with pytest.raises(ParameterError, match="redshift"):
        one + sum_galaxies(CATALOGUE, CENTRES[:1], 0.3, EDGES, ids="a", part="2")
    with pytest.raises(ParameterError, match="at least one"):
        StackSums.merged([])


# -- covariance ----------------------------------------------------------------------------------


def scattered(n=40, seed=2):
    """Clusters of the same radii and errors, with values of a covariance that is known."""
    random = np.random.default_rng(seed)
    root = np.array([[2.0, 0.0], [1.2, 1.5]])
    values = 10.0 + random.normal(size=(n, 2)) @ root.T
    return values, [
        clm.DeltaSigma([0.5, 1.0], row, [1.0, 1.0], redshift=0.3, id=f"{k:03d}")
        for k, row in enumerate(values)
    ]


def test_jackknife_of_equal_weights_is_the_covariance_of_the_mean():
    values, made = scattered()
    stack = sum_profiles(made, [0.3, 0.7, 1.5]).stack(covariance="jackknife")
    np.testing.assert_allclose(stack.covariance, np.cov(values.T) / len(values), rtol=1e-10)
    assert stack.estimate == "jackknife"


def test_bootstrap_of_clusters():
    values, made = scattered()
    sums = sum_profiles(made, [0.3, 0.7, 1.5])
    stack = sums.stack(covariance="bootstrap", n_resamples=2000, seed=3)
    expected = np.cov(values.T, ddof=0) / len(values)
    # an element of a covariance of 2000 resamples scatters by sqrt(2 / 2000) = 3 per cent
    np.testing.assert_allclose(stack.covariance, expected, rtol=0.13)
    assert sums.stack(covariance="bootstrap", n_resamples=2000, seed=3) == stack
    assert sums.stack(covariance="bootstrap", n_resamples=2000, seed=4) != stack


def test_empty_bins_stay_masked_in_every_covariance():
    _, made = scattered()
    sums = sum_profiles(made, [0.1, 0.3, 0.7, 1.5])
    for method in ("shape", "jackknife", "bootstrap"):
        stack = sums.stack(covariance=method)
        np.testing.assert_array_equal(stack.mask, [True, False, False])
        np.testing.assert_array_equal(np.isnan(stack.errors), stack.mask)
        assert len(stack.to_delta_sigma()) == 2


def test_covariances_that_cannot_be():
    _, made = scattered(4)
    sums = sum_profiles(made, [0.3, 0.7, 1.5])
    with pytest.raises(ParameterError, match="Did you mean 'jackknife'"):
        sums.stack(covariance="jacknife")
    with pytest.raises(ParameterError, match="n_resamples"):
        sums.stack(covariance="bootstrap", n_resamples=2)
    two = sum_profiles(made[:2], [0.3, 0.7, 1.5])
    with pytest.raises(ParameterError, match=r"clusters = 2.*more than the 2 bins"):
        two.stack(covariance="jackknife")
    alone = clm.DeltaSigma([3.0], [1.0], [1.0], redshift=0.3, id="z")
    with pytest.raises(ParameterError, match=r"bin 2.*1 clusters.*wider bins"):
        sum_profiles([*made, alone], [0.3, 0.7, 1.5, 4.0]).stack(covariance="jackknife")


# -- files ---------------------------------------------------------------------------------------


def test_files_hold_all_of_it(tmp_path):
    sums = sum_profiles(profiles(), EDGES, scaling=None)
    sums.write(tmp_path / "sums.h5")
    assert StackSums.read(tmp_path / "sums.h5") == sums
    scaled = sums_of(IDS, scaling=SCALING)
    stack = sums.stack()
    for one in (stack, scaled.stack()):
        one.write(tmp_path / "stack.h5")
        assert Stack.read(tmp_path / "stack.h5") == one


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "sums.h5"
    sums_of("a").write(path)
    with pytest.raises(FormatError, match="stack sums"):
        Stack.read(path)
    with pytest.raises(FormatError, match="there is none"):
        StackSums.read(tmp_path / "none.h5")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError):
        StackSums.read(path)
    import h5py

    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file["signal"][0, 0] *= 2.0
    with pytest.raises(FormatError, match="checksum"):
        StackSums.read(path)


# -- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([0.5, 0.3, 1.0], r"presetX\[1\] = 0.3.*greater than the one before"),
        ([0.5], "at least two edges"),
        ([-1.0, 1.0], r"presetX\[0\]"),
        ([0.1, math.nan], "finite"),
        ("no", "presetX"),
    ],
)
def test_edges_that_are_none(edges, message):
    with pytest.raises(ParameterError, match=message):
        sum_profiles(profiles(), edges)


def test_wrong_input():
    shear, other, _ = profiles()
    with pytest.raises(ParameterError, match=r"sources = None.*given for a"):
        sum_profiles([shear.replace(sources=None)], EDGES)
    with pytest.raises(ParameterError, match="behind a"):
        sum_profiles([shear.replace(sources=0.2)], EDGES)
    with pytest.raises(ParameterError, match="different for every profile"):
        sum_profiles([shear, other.replace(id="a")], EDGES)
    with pytest.raises(ParameterError, match="GammaTheta or a DeltaSigma"):
        sum_profiles([1.0], EDGES)
    with pytest.raises(ParameterError, match="at least one profile"):
        sum_profiles([], EDGES)
    with pytest.raises(FitError, match="no data in any bin between 10 and 20"):
        sum_profiles([shear], [10.0, 20.0]).stack()
    with pytest.raises(ParameterError, match=r"ids = '2 names'.*3, as centres"):
        sum_galaxies(CATALOGUE, CENTRES, Z_L, EDGES, ids=["a", "b"])
    with pytest.raises(FitError, match="not fitted"):
        sums_of(IDS, scaling=SCALING).stack().to_delta_sigma()
    with pytest.raises(FitError, match="not compared"):
        _ = sums_of(IDS).stack().chi2


@pytest.mark.parametrize("mass", [-1e14, 0.0, math.nan, None, "heavy"])
def test_a_cluster_without_a_scale_radius_is_named(mass):
    scaling = Scaling({**MASSES, "b": mass}, SCALING.concentrations, "fit")
    with pytest.raises(ParameterError, match=r"1 of 3 have none: b\."):
        sums_of(IDS, scaling=scaling)


def test_scalings_say_where_they_come_from():
    with pytest.raises(ParameterError, match="Did you mean 'truth'"):
        Scaling({}, {}, "thruth")
    for origin, circular in (("fit", True), ("truth", False), ("table", False)):
        scaling = Scaling(MASSES, SCALING.concentrations, origin)
        stack = sums_of(IDS, scaling=scaling).stack()
        assert (stack.scaling, stack.circular) == (origin, circular)
        assert stack.to_table().meta["scaling"] == origin
        assert origin in repr(stack)
    assert sums_of(IDS).stack().scaling == ""
