"""Populations of lens galaxies: draws, their independence of chunks and threads, fits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from clmassmod.distributions import Normal, Uniform
from clmassmod.errors import ParameterError
from clmassmod.stronglens.mass_sampler import LensPopulation
from clmassmod.stronglens.relations import (
    ConcentrationRelation,
    HaloMassRelation,
    LinearRelation,
    Mismatch,
    SkewNormal,
)

IDS = np.arange(60_000)
FULL = LensPopulation.preset(
    "Sersic",
    mismatch=Mismatch(0.1, 0.03, 0.1),
    concentration=ConcentrationRelation("duffy08", 0.1),
    z_l=Uniform(0.2, 0.8),
)


def same(one, two):
    for name, column in one.columns().items():
        np.testing.assert_array_equal(column, getattr(two, name), err_msg=name)


def partial_correlation(x, y, z):
    """Correlation of x and y after their linear dependence on z is taken out."""
    design = np.column_stack([np.ones_like(z), z])
    x, y = (v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (x, y))
    return np.corrcoef(x, y)[0, 1]


@pytest.mark.parametrize("name", ["deVauc", "SerExp", "Sersic"])
def test_every_relation_of_a_preset_is_followed(name):
    population = LensPopulation.preset(name)
    galaxies = population.sample(IDS, seed=2)
    given = galaxies.columns()
    relations = {
        "log_msps": population.stellar_mass,
        "log_re": population.size,
        "gamma_in": population.inner_slope,
    }
    halo = population.halo_mass
    relations["log_mhalo"] = HaloMassRelation(
        halo.mu, halo.beta, halo.xi, halo.sigma, population.size
    )
    heavy = galaxies.log_msps > np.median(galaxies.log_msps)
    for column, relation in relations.items():
        probability = relation.cdf(given[column], given)
        parts = (slice(None),) if column == "log_msps" else (heavy, ~heavy)
        for part in parts:
            assert stats.kstest(probability[part], "uniform").pvalue > 1e-4, column
    np.testing.assert_array_equal(galaxies.c200, 5.0)
    np.testing.assert_array_equal(galaxies.z_l, 0.3)
    np.testing.assert_array_equal(galaxies.log_mstar, galaxies.log_msps)


def test_published_numbers():
    default = LensPopulation()
    assert default.stellar_mass == SkewNormal(11.252, 0.202, 0.17)
    assert default.size == LinearRelation(0.774, 0.977, 0.112)
    assert default.halo_mass == HaloMassRelation(12.91, 2.04, 0.0, 0.37)
    assert default == LensPopulation.preset("deVauc")
    assert LensPopulation.preset("SerExp").halo_mass == HaloMassRelation(12.83, 1.73, -0.03, 0.32)
    assert LensPopulation.preset("Sersic").size.scatter == 0.147
    assert default.inner_slope.distribution == Normal(1.0, 0.2, 0.0, 2.0)


def test_halo_mass_and_size_are_unrelated_at_fixed_stellar_mass():
    galaxies = LensPopulation().sample(IDS, seed=3)
    columns = (galaxies.log_mhalo, galaxies.log_re, galaxies.log_msps)
    # the estimate has the standard deviation n^-1/2; 4 of them
    assert abs(partial_correlation(*columns)) < 4 / np.sqrt(IDS.size)
    # without taking out the stellar mass they are related: the test can see it
    assert np.corrcoef(columns[0], columns[1])[0, 1] > 0.3


def test_a_dependence_on_size_is_seen():
    """The control: xi = -0.3 gives xi sigR / sqrt(sigma^2 + (xi sigR)^2)."""
    halo = HaloMassRelation(12.91, 2.04, -0.3, 0.37)
    galaxies = LensPopulation(halo_mass=halo).sample(IDS, seed=3)
    found = partial_correlation(galaxies.log_mhalo, galaxies.log_re, galaxies.log_msps)
    expected = -0.3 * 0.112 / np.hypot(0.37, 0.3 * 0.112)
    assert found == pytest.approx(expected, abs=4 / np.sqrt(IDS.size))
    assert found < -15 / np.sqrt(IDS.size)


def test_relations_are_in_msps_not_in_the_true_mass():
    galaxies = LensPopulation(mismatch=Mismatch(0.2, 0.1)).sample(IDS, seed=4)
    given = galaxies.columns()
    size = LensPopulation().size
    probability = size.cdf(galaxies.log_re, given)
    assert stats.kstest(probability, "uniform").pvalue > 1e-4
    wrong = size.cdf(galaxies.log_re, given | {"log_msps": galaxies.log_mstar})
    assert stats.kstest(wrong, "uniform").pvalue < 1e-10
    np.testing.assert_array_equal(galaxies.log_mstar, galaxies.log_msps + galaxies.alpha_sps)


def test_same_galaxies_for_any_threads_chunks_and_order():
    whole = FULL.sample(IDS, seed=9)
    many = np.arange(140_000)  # more than the random numbers of one thread
    for n_threads in (2, 3, 7):
        same(FULL.sample(many, seed=9, n_threads=n_threads)[: IDS.size], whole)
    for chunk in (997, 16384):
        for first in range(0, IDS.size, chunk):
            part = slice(first, first + chunk)
            same(FULL.sample(IDS[part], seed=9), whole[part])
            if first > 3 * chunk:
                break
    some = np.random.default_rng(1).permutation(IDS)[:500]
    same(FULL.sample(some, seed=9), whole[some])


def test_replacing_a_relation_leaves_the_other_draws():
    one = LensPopulation().sample(IDS[:1000], seed=5)
    two = LensPopulation().replace(inner_slope=1.5, z_l=Uniform(0.2, 0.4)).sample(IDS[:1000], 5)
    for name in ("log_msps", "log_re", "log_mhalo", "alpha_sps", "c200"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    np.testing.assert_array_equal(two.gamma_in, 1.5)
    assert two.z_l.std() > 0.05


def test_halo_mass_follows_the_size_relation_of_its_population():
    """A smaller mean size with the same excess leaves the halo mass."""
    halo = HaloMassRelation(12.9, 2.0, -0.5, 0.3)
    one = LensPopulation(halo_mass=halo)
    two = one.replace(size=LinearRelation(0.5, 0.977, 0.112))
    np.testing.assert_allclose(
        one.sample(IDS[:100], 1).log_mhalo, two.sample(IDS[:100], 1).log_mhalo, rtol=1e-13
    )


def test_seeds_differ():
    one, two = LensPopulation().sample(IDS, 1), LensPopulation().sample(IDS, 2)
    assert abs(np.corrcoef(one.log_msps, two.log_msps)[0, 1]) < 4.5 / np.sqrt(IDS.size)


def test_properties_are_drawn_independently_of_each_other():
    galaxies = LensPopulation(z_l=Uniform(0.2, 0.8)).sample(IDS, seed=6)
    given = galaxies.columns()
    population = LensPopulation(z_l=Uniform(0.2, 0.8))
    probabilities = [
        population.z_l.cdf(galaxies.z_l, given),
        population.stellar_mass.cdf(galaxies.log_msps, given),
        population.size.cdf(galaxies.log_re, given),
        population.halo_mass.cdf(galaxies.log_mhalo, given),
        population.inner_slope.cdf(galaxies.gamma_in, given),
    ]
    correlation = np.corrcoef(probabilities) - np.eye(5)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(IDS.size)


def test_log_density_is_the_sum_of_the_relations():
    galaxies = FULL.sample(IDS[:200], seed=1)
    given = galaxies.columns()
    x = galaxies.log_msps - 11.4
    halo = 12.79 + 1.70 * x - 0.14 * (galaxies.log_re - 0.855 - 1.366 * x)
    expected = (
        stats.skewnorm.logpdf(galaxies.log_msps, 10**0.44, 11.249, 0.285)
        + stats.norm.logpdf(galaxies.log_re, 0.855 + 1.366 * x, 0.147)
        + stats.norm.logpdf(galaxies.log_mhalo, halo, 0.35)
        + stats.truncnorm.logpdf(galaxies.gamma_in, -5.0, 5.0, 1.0, 0.2)
        + stats.norm.logpdf(galaxies.alpha_sps, 0.1 + 0.1 * x, 0.03)
        + FULL.concentration.log_density(galaxies.c200, given)
        - np.log(0.6)
    )
    np.testing.assert_allclose(FULL.log_density(galaxies), expected, rtol=1e-10)
    moved = {**given, "z_l": given["z_l"] + 1.0}
    assert np.all(np.isneginf(FULL.log_density(moved)))


def test_fit_recovers_the_population():
    galaxies = FULL.sample(IDS, seed=8)
    start = LensPopulation(
        mismatch=Mismatch(), concentration=FULL.concentration, z_l=Uniform(0.2, 0.8)
    )
    fitted = start.fit(galaxies)
    n, spread = IDS.size, galaxies.log_msps.std()
    offset = galaxies.log_msps.mean() - 11.4
    # 4 standard errors; the intercept holds at 11.4, away from the mean of the sample
    lever = np.hypot(1.0, offset / spread) / np.sqrt(n)
    assert fitted.size.intercept == pytest.approx(0.855, abs=4 * 0.147 * lever)
    assert fitted.size.slope == pytest.approx(1.366, abs=4 * 0.147 / spread / np.sqrt(n))
    assert fitted.halo_mass.mu == pytest.approx(12.79, abs=4 * 0.35 * lever)
    assert fitted.halo_mass.xi == pytest.approx(-0.14, abs=4 * 0.35 / 0.147 / np.sqrt(n))
    assert fitted.halo_mass.sigma == pytest.approx(0.35, abs=4 * 0.35 / np.sqrt(2 * n))
    assert fitted.halo_mass.size is None
    assert fitted.mismatch.scatter == pytest.approx(0.03, abs=4 * 0.03 / np.sqrt(2 * n))
    assert fitted.inner_slope.distribution.mean == pytest.approx(1.0, abs=4 * 0.2 / np.sqrt(n))
    assert fitted.concentration == FULL.concentration
    # the best fit is more likely than the truth, by about half its number of parameters
    gain = fitted.log_density(galaxies).sum() - FULL.log_density(galaxies).sum()
    assert 0.0 < gain < 30.0


def test_a_point_stays_a_point_in_a_fit():
    galaxies = LensPopulation(mismatch=0.1).sample(IDS[:1000], 1)
    fitted = LensPopulation(mismatch=Mismatch()).fit(galaxies)
    assert fitted.mismatch.scatter == 0.0
    assert fitted.mismatch.alpha == pytest.approx(0.1, abs=1e-12)


@pytest.mark.parametrize("population", [LensPopulation(), FULL], ids=["default", "full"])
def test_dictionary_round_trip(population):
    assert LensPopulation.from_dict(population.to_dict()) == population


def test_sample_is_a_table_of_columns():
    galaxies = LensPopulation().sample(range(10), seed=1)
    assert len(galaxies) == 10
    assert galaxies.galaxy_id.dtype == np.int64
    assert len(galaxies[galaxies.log_msps > galaxies.log_msps[3]]) < 10
    assert len(galaxies[3]) == 1
    assert repr(galaxies) == "<GalaxySample: 10 galaxies>"
    assert len(LensPopulation().sample([], seed=1)) == 0


class Wrong(LinearRelation):
    def sample(self, uniforms, given):
        return np.append(super().sample(uniforms, given)[1:], np.nan)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LensPopulation(inner_slope=3.0), r"inner_slope .* within \[0, 3\)"),
        (lambda: LensPopulation(inner_slope=Normal(1.0, 0.2)), "Cut the distribution"),
        (lambda: LensPopulation(z_l=0.0), "z_l .* > 0"),
        (lambda: LensPopulation(z_l=Uniform(0.0, 0.5)), "z_l .* > 0"),
        (lambda: LensPopulation(concentration=-1.0), "concentration .* > 0"),
        (lambda: LensPopulation(sersic_n=0.1), "sersic_n = 0.1"),
        (lambda: LensPopulation(imf=None), "imf = None"),
        (lambda: LensPopulation(size="large"), "size = 'large'"),
        (lambda: LensPopulation(halo_mass=np.nan), "halo_mass = nan .* finite number"),
        (lambda: LensPopulation.preset("devauc"), "Did you mean 'deVauc'"),
        (lambda: LensPopulation().replace(sizes=1.0), "Did you mean 'size'"),
        (lambda: LensPopulation.from_dict({"sizes": 1.0}), "Did you mean 'size'"),
        (lambda: LensPopulation().sample([-1], 1), r"ids\[0\] = -1"),
        (lambda: LensPopulation().sample(np.array([2**63], np.uint64), 1), "ids = 92.*< 2"),
        (lambda: LensPopulation().sample([1], -1), "seed = -1"),
        (lambda: LensPopulation(size=Wrong(0.7, 1.0, 0.1)).sample([1, 2], 1), r"sample\[1\] = nan"),
        (lambda: LensPopulation().log_density({"z_l": np.ones(1)}), "column 'log_msps'"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
