"""Mock catalogues: what is in them is what was asked for, for any threads and chunks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from clmassmod.distributions import Normal, Uniform
from clmassmod.errors import ParameterError
from clmassmod.sources import SourceDistribution
from clmassmod.stronglens import (
    LensModel,
    LensPopulation,
    MagnitudeLimit,
    MockGenerator,
    MockNoise,
    SchechterCounts,
    SourcePopulation,
    disc_magnification,
    solve_images,
)
from clmassmod.stronglens.mock_generator import poisson_quantile

# a thousand times the sources: as good as a thousand times the galaxies, and quicker
DENSE = SourcePopulation(SchechterCounts(density=28570.0))
N = 2000


@pytest.fixture(scope="module")
def catalogue():
    return MockGenerator(sources=DENSE).generate(N, seed=3)


def owners(catalogue):
    """Row of the galaxy of every source."""
    return np.searchsorted(catalogue.galaxies["galaxy_id"], catalogue.sources["galaxy_id"])


def lenses_of(catalogue, **others):
    """The lens of every source."""
    g, rows = catalogue.galaxies, owners(catalogue)
    names = ("log_mstar", "log_mhalo", "log_re", "z_l", "gamma_in", "c200")
    z_s = catalogue.sources["z_s"]
    return LensModel(z_s=z_s, **{name: g[name][rows] for name in names}, **others)


def same(one, two):
    assert list(one) == list(two)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
        assert one[name].dtype == two[name].dtype


def expected_detections(galaxies, limit=26.5, noise=0.1, density=28570.0):
    """Mean number of detected pairs of each galaxy, by quadrature over offset and magnitude."""
    counts = SchechterCounts(density=density)
    lens = LensModel(
        galaxies["log_mstar"],
        galaxies["log_mhalo"],
        galaxies["log_re"],
        gamma_in=galaxies["gamma_in"],
    )
    caustic = lens.caustic_radius()
    # beta = y_c (1 - t^2): the magnification of image B is singular as the root at the caustic
    node, weight = np.polynomial.legendre.leggauss(24)
    t, w = 0.5 * (node + 1.0), 0.5 * weight
    m = np.linspace(20.0, 30.0, 1001)
    n_m = counts.density_at(m) * 0.01
    per_kpc2 = float(SourcePopulation(counts).density_per_kpc2(0.3)) / density
    total = np.zeros(caustic.size)
    for tk, wk in zip(t, w, strict=True):
        beta = caustic * (1.0 - tk**2)
        images = solve_images(lens, beta)
        found = np.ones((caustic.size, m.size))
        for mu in (images.mu_a, images.mu_b):
            observed = m - 2.5 * np.log10(np.abs(mu))[:, None]
            found *= stats.norm.sf((observed - limit) / noise)
        total += wk * 2.0 * math.pi * beta * 2.0 * tk * caustic * (found @ n_m)
    return per_kpc2 * total


def test_number_of_detected_lenses_is_the_integral(catalogue):
    galaxies = {name: column[:500] for name, column in catalogue.galaxies.items()}
    expected = expected_detections(galaxies).sum()
    found = galaxies["n_detected"].sum()
    assert expected > 1000
    # Poisson; the quadrature is good to 1e-3
    assert found == pytest.approx(expected, abs=4 * math.sqrt(expected))
    # the control: half a magnitude in the limit would be seen
    wrong = expected_detections(galaxies, limit=26.0).sum()
    assert abs(found - wrong) > 10 * math.sqrt(wrong)


def test_number_of_sources_is_poisson_with_the_expected_mean(catalogue):
    g = catalogue.galaxies
    caustic = LensModel(
        g["log_mstar"], g["log_mhalo"], g["log_re"], gamma_in=g["gamma_in"]
    ).caustic_radius()
    # strong-lensing.md: 4e-4 per kpc^2 for 28.57 per arcmin^2
    expected = 1e3 * float(SourcePopulation().density_per_kpc2(0.3)) * math.pi * caustic**2
    np.testing.assert_allclose(g["expected_sources"], expected, rtol=1e-12)
    np.testing.assert_array_equal(g["caustic_radius"], caustic)
    assert g["n_sources"].sum() == pytest.approx(expected.sum(), abs=4 * math.sqrt(expected.sum()))
    # the cdf of a discrete number, spread over its steps, is uniform
    below = stats.poisson.cdf(g["n_sources"] - 1, expected)
    spread = below + np.random.default_rng(0).random(N) * stats.poisson.pmf(
        g["n_sources"], expected
    )
    assert stats.kstest(spread, "uniform").pvalue > 1e-4
    assert stats.kstest(stats.poisson.cdf(g["n_sources"], 1.1 * expected), "uniform").pvalue < 1e-4


def test_sources_are_uniform_in_area(catalogue):
    share = catalogue.sources["beta"] / catalogue.galaxies["caustic_radius"][owners(catalogue)]
    assert stats.kstest(share**2, "uniform").pvalue > 1e-4
    assert stats.kstest(share, "uniform").pvalue < 1e-4
    assert stats.kstest(DENSE.counts.cdf(catalogue.sources["m_s"]), "uniform").pvalue > 1e-4


def test_galaxies_follow_the_population(catalogue):
    g, population = catalogue.galaxies, LensPopulation()
    for column, relation in (
        ("log_msps", population.stellar_mass),
        ("log_re", population.size),
        ("log_mhalo", population.halo_mass),
        ("gamma_in", population.inner_slope),
    ):
        assert stats.kstest(relation.cdf(g[column], g), "uniform").pvalue > 1e-4
    design = np.column_stack([np.ones(N), g["log_msps"]])
    rest = [
        g[name] - design @ np.linalg.lstsq(design, g[name], rcond=None)[0]
        for name in ("log_mhalo", "log_re")
    ]
    # xi = 0: no partial correlation, to 4 standard deviations
    assert abs(np.corrcoef(rest)[0, 1]) < 4 / math.sqrt(N)
    np.testing.assert_array_equal(g["log_re_obs"], g["log_re"])


def test_images_satisfy_the_lens_equation(catalogue):
    s, lens = catalogue.sources, lenses_of(catalogue)
    outer = s["x_a"] - lens.deflection(s["x_a"])
    inner = lens.deflection(-s["x_b"]) + s["x_b"]
    for beta in (outer, inner):
        np.testing.assert_allclose(beta, s["beta"], rtol=0, atol=1e-12 * s["einstein_radius"].max())
    np.testing.assert_allclose(s["mu_a"], lens.magnification(s["x_a"]), rtol=1e-9)
    np.testing.assert_array_equal(s["status"], 0)
    assert np.all(s["mu_b"] < 0.0)


def test_noise_is_normal_and_independent_of_the_truth(catalogue):
    s, g = catalogue.sources, catalogue.galaxies
    errors = [
        (s["m_a_obs"] - s["m_s"] + 2.5 * np.log10(s["mu_a"])) / 0.1,
        (s["m_b_obs"] - s["m_s"] + 2.5 * np.log10(-s["mu_b"])) / 0.1,
        (g["log_msps_obs"] - g["log_msps"]) / 0.1,
    ]
    for one in errors:
        assert stats.kstest(one, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(errors[0], errors[1])[0, 1]) < 4.5 / math.sqrt(errors[0].size)
    assert abs(np.corrcoef(errors[0], s["m_s"])[0, 1]) < 4.5 / math.sqrt(errors[0].size)
    assert abs(np.corrcoef(errors[2], g["log_msps"])[0, 1]) < 4.5 / math.sqrt(N)


def test_selection_on_data_is_in_the_data(catalogue):
    s = catalogue.sources
    faint = np.maximum(s["m_a_obs"], s["m_b_obs"])
    np.testing.assert_array_equal(s["detected"], faint < 26.5)
    # image B near the limit is detected when the noise brightens it
    error = s["m_b_obs"] - s["m_s"] + 2.5 * np.log10(-s["mu_b"])
    near = s["detected"] & (np.abs(s["m_b_obs"] - error - 26.5) < 0.1)
    assert error[near].mean() < -4 * 0.1 / math.sqrt(near.sum())


def test_independent_selection_leaves_the_noise_of_the_data(catalogue):
    other = MockGenerator(sources=DENSE, selection="independent").generate(N, seed=3)
    s = other.sources
    for name in ("beta", "m_a_obs", "m_b_obs"):
        np.testing.assert_array_equal(s[name], catalogue.sources[name])
    assert other.metadata["selection"] == "independent"
    error = s["m_b_obs"] - s["m_s"] + 2.5 * np.log10(-s["mu_b"])
    near = s["detected"] & (np.abs(s["m_b_obs"] - error - 26.5) < 0.1)
    assert near.sum() > 200
    assert abs(error[near].mean()) < 4 * 0.1 / math.sqrt(near.sum())
    assert np.any(s["m_b_obs"][s["detected"]] > 26.5)
    # as many in all: the probability to be detected is the same
    both = [other.galaxies["n_detected"].sum(), catalogue.galaxies["n_detected"].sum()]
    assert abs(both[0] - both[1]) < 4 * math.sqrt(sum(both))


def test_galaxies_without_lenses_and_undetected_sources_are_kept():
    catalogue = MockGenerator().generate(20_000, seed=1)
    g, s = catalogue.galaxies, catalogue.sources
    np.testing.assert_array_equal(g["galaxy_id"], np.arange(20_000))
    assert 0 < (g["n_sources"] > 0).sum() < 1000
    counted = np.bincount(s["galaxy_id"], minlength=20_000)
    np.testing.assert_array_equal(g["n_sources"], counted)
    detected = np.bincount(s["galaxy_id"][s["detected"]], minlength=20_000)
    np.testing.assert_array_equal(g["n_detected"], detected)
    assert 0 < s["detected"].sum() < s["detected"].size
    # about one galaxy in forty has a source within its caustic: the default density
    total = g["expected_sources"].sum()
    assert s["detected"].size == pytest.approx(total, abs=4 * math.sqrt(total))


FULL = MockGenerator(
    LensPopulation(z_l=Uniform(0.2, 0.6), mismatch=Normal(0.1, 0.02)),
    SourcePopulation(
        SchechterCounts(density=2000.0),
        SourceDistribution([0.45, 1.2, 2.5], [0.3, 0.5, 0.2]),
        Normal(-0.7, 0.1),
    ),
    noise=MockNoise(log_re=0.02, time_delay=1.5),
    time_delays=True,
)


def test_same_catalogue_for_any_threads_of_many_chunks():
    generator = MockGenerator()
    whole = generator.generate(100_000, seed=5)
    for n_threads in (2, 3, 7, 0):
        other = generator.generate(100_000, seed=5, n_threads=n_threads)
        same(other.galaxies, whole.galaxies)
        same(other.sources, whole.sources)


def test_same_catalogue_for_any_threads_and_parts():
    whole = FULL.generate(3000, seed=5)
    assert whole.sources["beta"].size > 500
    for n_threads in (2, 3, 7):
        other = FULL.generate(3000, seed=5, n_threads=n_threads)
        same(other.galaxies, whole.galaxies)
        same(other.sources, whole.sources)
    parts = FULL.generate(700, seed=5) + FULL.generate(2300, seed=5, first=700)
    same(parts.galaxies, whole.galaxies)
    same(parts.sources, whole.sources)
    assert parts.metadata == whole.metadata


def test_source_redshifts_have_caustics_of_their_own():
    catalogue = FULL.generate(4000, seed=2)
    g, s, rows = catalogue.galaxies, catalogue.sources, owners(catalogue)
    assert np.all(s["z_s"] > g["z_l"][rows])
    assert np.all(s["z_s"][g["z_l"][rows] > 0.45] > 0.45)
    caustic = lenses_of(catalogue).caustic_radius()
    assert stats.kstest((s["beta"] / caustic) ** 2, "uniform").pvalue > 1e-4
    np.testing.assert_array_equal(s["einstein_radius"], lenses_of(catalogue).einstein_radius())
    # the number at each redshift, from the area of its caustic
    names = ("log_mstar", "log_mhalo", "log_re", "z_l", "gamma_in", "c200")
    expected = np.zeros(len(catalogue))
    for z_s, weight in ((0.45, 0.3), (1.2, 0.5), (2.5, 0.2)):
        behind = g["z_l"] < z_s
        lens = LensModel(z_s=z_s, **{name: g[name][behind] for name in names})
        density = FULL.sources.density_per_kpc2(g["z_l"][behind])
        mean = weight * density * math.pi * lens.caustic_radius() ** 2
        expected[behind] += mean
        found = (s["z_s"] == z_s).sum()
        assert found == pytest.approx(mean.sum(), abs=4 * math.sqrt(mean.sum())), z_s
    np.testing.assert_allclose(g["expected_sources"], expected, rtol=1e-10)


def test_sources_in_front_of_every_lens_are_not_lensed():
    # with one lens redshift for all, and a third of the sources in front of it
    mixed = SourcePopulation(redshift=SourceDistribution([0.1, 2.0], [1.0, 2.0]))
    mock = MockGenerator(sources=mixed).generate(3000)
    alone = MockGenerator(sources=SourcePopulation(redshift=2.0)).generate(3000)
    expected = alone.galaxies["expected_sources"]
    np.testing.assert_allclose(mock.galaxies["expected_sources"], expected * 2.0 / 3.0, rtol=1e-12)
    assert set(mock.sources["z_s"]) == {2.0}


def test_extended_sources_are_magnified_by_their_disc():
    catalogue = FULL.generate(1500, seed=2)
    s, lens = catalogue.sources, lenses_of(catalogue)
    arcsec = np.log10(lens.to_arcsec(s["radius"]))
    assert stats.kstest(arcsec, stats.norm(-0.7, 0.1).cdf).pvalue > 1e-4
    averaged = disc_magnification(lens, s["beta"], s["radius"])
    np.testing.assert_array_equal(s["mu_a"], averaged.mu_a)
    np.testing.assert_array_equal(s["mu_b"], averaged.mu_b)
    point = lens.magnification(s["x_a"])
    # the average is another number, where the disc is not small
    assert np.median(np.abs(s["mu_a"] / point - 1.0)) > 1e-3


def test_tiny_sources_are_points():
    point = MockGenerator(sources=SourcePopulation(SchechterCounts(density=3000.0)))
    tiny = MockGenerator(
        sources=SourcePopulation(SchechterCounts(density=3000.0), size=Normal(-5.0, 1e-3))
    )
    one, two = point.generate(500).sources, tiny.generate(500).sources
    for name in ("mu_a", "mu_b"):
        # second order in 1e-5 arcsec over the distance to the axis and to the caustic
        close = np.abs(two[name] / one[name] - 1.0) < 1e-4
        assert close.mean() > 0.99


def test_time_delays():
    catalogue = FULL.generate(1500, seed=2)
    s = catalogue.sources
    expected = lenses_of(catalogue).time_delay(s["beta"])
    np.testing.assert_array_equal(s["time_delay"], expected)
    error = (s["time_delay_obs"] - s["time_delay"]) / 1.5
    assert stats.kstest(error, "norm").pvalue > 1e-4
    without = MockGenerator(time_delays=True).generate(1000).sources
    assert "time_delay" in without
    assert "time_delay_obs" not in without


def test_a_galaxy_does_not_depend_on_the_others():
    whole = FULL.generate(1000, seed=5)
    one = FULL.generate(1, seed=5, first=417)
    for name, column in one.galaxies.items():
        assert column[0] == whole.galaxies[name][417]
    rows = whole.sources["galaxy_id"] == 417
    same(one.sources, {name: column[rows] for name, column in whole.sources.items()})


def test_haloes_normalised_inside_five_kpc():
    population = LensPopulation(halo_mass=Normal(11.0, 0.1))
    generator = MockGenerator(population, DENSE, halo="m5kpc", scale_radius=50.0)
    catalogue = generator.generate(20)
    g = catalogue.galaxies
    lens = LensModel(
        g["log_mstar"],
        g["log_mhalo"],
        g["log_re"],
        gamma_in=g["gamma_in"],
        halo="m5kpc",
        scale_radius=50.0,
    )
    np.testing.assert_array_equal(g["caustic_radius"], lens.caustic_radius())
    assert catalogue.sources["beta"].size > 0


def test_galaxies_that_are_no_lenses_have_no_sources():
    generator = MockGenerator(LensPopulation(stellar_mass=7.0, size=1.0, halo_mass=8.0), DENSE)
    catalogue = generator.generate(50)
    assert catalogue.sources["beta"].size == 0
    assert catalogue.lenses["beta"].size == 0
    np.testing.assert_array_equal(catalogue.galaxies["n_sources"], 0)
    np.testing.assert_array_equal(catalogue.galaxies["expected_sources"] >= 0.0, True)


def test_poisson_quantile_against_scipy():
    rng = np.random.default_rng(1)
    mean = np.concatenate([rng.uniform(0.0, 3.0, 3000), rng.uniform(3.0, 900.0, 3000), [0.0]])
    u = rng.random(mean.size)
    np.testing.assert_array_equal(poisson_quantile(u, mean), stats.poisson.ppf(u, mean))
    assert poisson_quantile(np.array([0.9]), np.array([np.nan]))[0] == 0
    top = np.full(5, 1.0 - 2.0**-53)
    large = poisson_quantile(top, np.array([0.0, 1e-3, 1.0, 30.0, 480.0]))
    # the last bit of the cdf decides up there; it ends, about ten standard deviations out
    assert np.all(large <= np.array([0, 6, 25, 95, 720]))


def test_brighter_limit_detects_fewer():
    deep = MockGenerator(sources=DENSE, detection=MagnitudeLimit(math.inf)).generate(100)
    assert deep.sources["detected"].all()
    shallow = MockGenerator(sources=DENSE, detection={"limit": 24.0}).generate(100)
    assert shallow.sources["detected"].mean() < 0.1


def test_detection_probability_is_the_share_detected():
    rng = np.random.default_rng(2)
    rule = MagnitudeLimit(25.0)
    m = rng.uniform(24.8, 25.2, 100_000)
    observed = m + rng.normal(0.0, 0.1, m.size)
    found = rule.detects(observed, np.full(m.size, 20.0)).mean()
    assert found == pytest.approx(rule.probability(m, 0.1).mean(), abs=4 * 0.5 / math.sqrt(m.size))
    np.testing.assert_array_equal(rule.probability([24.9, 25.0], 0.0), [1.0, 0.0])


def test_configuration_makes_the_same_generator():
    again = MockGenerator(
        **{name: value for name, value in FULL.to_dict().items() if name not in ("cosmology",)}
    )
    assert again == FULL


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MockGenerator(selection="on_dat"), "Did you mean 'on_data'"),
        (lambda: MockGenerator(population=3.0), "population = 3.0"),
        (lambda: MockGenerator(sources="many"), "sources = 'many'"),
        (lambda: MockGenerator(noise={"magnitud": 0.1}), "Did you mean 'magnitude'"),
        (lambda: MockGenerator(noise=MockNoise(magnitude=-0.1)), "noise.magnitude = -0.1"),
        (lambda: MockGenerator(noise=0.1), "noise = 0.1"),
        (lambda: MockGenerator(detection=MagnitudeLimit(math.nan)), "limit = nan"),
        (lambda: MockGenerator(detection={"detection": "peak"}), "detection.detection = 'peak'"),
        (lambda: MockGenerator(halo="m200m"), "halo = 'm200m'"),
        (lambda: MockGenerator(halo="m5kpc"), "scale_radius = None"),
        (lambda: MockGenerator(cosmology="planck"), "cosmology = 'planck'"),
        (lambda: MockGenerator().generate(0), "n_galaxies = 0"),
        (lambda: MockGenerator().generate(5, seed=-1), "seed = -1"),
        (lambda: MockGenerator().generate(5, first=-1), "first = -1"),
        (lambda: MockGenerator().generate(5, n_threads=-1), "n_threads = -1"),
        (lambda: MockGenerator(LensPopulation(z_l=2.5)).generate(5), "z_s = 2.0 .* above z_l"),
        (
            lambda: MockGenerator(LensPopulation(inner_slope=2.5)).generate(5),
            "inner slope = .* below 2",
        ),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
