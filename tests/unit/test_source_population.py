"""Background sources: counts against mpmath and quad, draws, conversions."""

from __future__ import annotations

import math
import pickle
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats

from clmassmod.distributions import Normal
from clmassmod.errors import ParameterError
from clmassmod.sources import BetaMoments, SourceDistribution
from clmassmod.stronglens.source_population import (
    BasisCounts,
    SchechterCounts,
    SourceCounts,
    SourcePopulation,
)

KNOTS = np.array([20.0, 22.0, 23.5, 25.0, 27.0, 30.0])
BASIS = BasisCounts(KNOTS, [0.0, 0.1, 0.5, 2.0, 4.0, 0.0, 3.0, 5.0])
SCHECHTER = [
    SchechterCounts(),
    SchechterCounts(slope=-1.0),  # an exponential integral
    SchechterCounts(slope=-2.4, m_star=23.0, m_min=18.0, m_max=27.0, density=3.0),
    SchechterCounts(slope=0.5, m_star=26.0, m_min=21.0, m_max=29.0),
]
ALL = [*SCHECHTER, BASIS]


def exact_fraction(counts, m):
    """Fraction brighter than m of Schechter counts, by mpmath's incomplete gamma function."""
    with mpmath.workdps(40):

        def above(magnitude):
            luminosity = mpmath.mpf(10) ** (-mpmath.mpf("0.4") * (magnitude - counts.m_star))
            return mpmath.gammainc(mpmath.mpf(counts.slope) + 1, luminosity)

        brightest = above(mpmath.mpf(counts.m_min))
        part = above(mpmath.mpf(m)) - brightest
        return part / (above(mpmath.mpf(counts.m_max)) - brightest)


@pytest.mark.parametrize("counts", SCHECHTER, ids=repr)
def test_schechter_cdf_against_the_incomplete_gamma_function(counts):
    for m in np.linspace(counts.m_min + 0.5, counts.m_max - 0.1, 9):
        # relative, also in the bright tail, down to 1e-30
        assert float(counts.cdf(m)) == pytest.approx(
            float(exact_fraction(counts, float(m))), rel=1e-12
        )


@pytest.mark.parametrize("counts", SCHECHTER, ids=repr)
def test_schechter_shape_and_norm(counts):
    m = np.linspace(counts.m_min, counts.m_max, 11)[1:]
    luminosity = 10.0 ** (-0.4 * (m - counts.m_star))
    shape = luminosity ** (counts.slope + 1.0) * np.exp(-luminosity)
    density = counts.density_at(m)
    np.testing.assert_allclose(density / density[-1], shape / shape[-1], rtol=1e-12)
    total, _ = integrate.quad(counts.density_at, counts.m_min, counts.m_max, epsabs=0, limit=200)
    assert total == pytest.approx(counts.density, rel=1e-9)


@pytest.mark.parametrize("counts", ALL, ids=repr)
def test_quantile_inverts_the_cdf(counts):
    u = np.concatenate([np.geomspace(1e-12, 0.5, 200), 1.0 - np.geomspace(1e-12, 0.5, 200)])
    m = counts.quantile(u)
    assert np.all((m >= counts.m_min) & (m <= counts.m_max))
    density = counts.density_at(m) / counts.density
    # the error in magnitude: 1e-9 is stated; rounding of the cdf near 1 adds 1e-15 / density
    error = np.abs(counts.cdf(m) - u) / density
    assert np.all(error < 1e-9 + 4e-16 / density)
    assert np.median(error) < 1e-12
    np.testing.assert_array_equal(counts.quantile([0.0, 1.0]) >= counts.m_min, True)
    assert float(counts.quantile(1.0)) == pytest.approx(counts.m_max, abs=1e-9)


def test_quantile_against_mpmath():
    counts = SchechterCounts()
    for u in (1e-10, 1e-3, 0.3, 0.9, 0.999):
        m = float(counts.quantile(u))
        with mpmath.workdps(30):
            root = mpmath.findroot(
                lambda x, u=u: mpmath.log(exact_fraction(counts, x) / mpmath.mpf(u)), m, tol=1e-20
            )
        assert m == pytest.approx(float(root), abs=1e-9)


@pytest.mark.parametrize("counts", ALL, ids=repr)
def test_outside_there_are_no_sources(counts):
    outside = np.array([counts.m_min - 1e-6, counts.m_max + 1e-6, -1e9, 1e9])
    np.testing.assert_array_equal(counts.density_at(outside), 0.0)
    np.testing.assert_array_equal(counts.cdf(outside), [0.0, 1.0, 0.0, 1.0])


def test_quantile_across_a_gap_without_sources():
    counts = BasisCounts(np.arange(20.0, 33.0), [1, 1] + [0] * 10 + [1, 1, 1])
    m = counts.quantile(np.linspace(0.0, 1.0, 1001))
    assert np.all(np.diff(m) >= 0.0)
    np.testing.assert_allclose(counts.cdf(m), np.linspace(0.0, 1.0, 1001), rtol=0, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.02, 0.1 / math.sqrt(2.0), 0.3])
@pytest.mark.parametrize("counts", [SCHECHTER[0], SCHECHTER[2], BASIS], ids=repr)
def test_convolution_against_quad(counts, sigma):
    table = counts.convolved(sigma)
    rng = np.random.default_rng(0)
    m = np.concatenate(
        [
            rng.uniform(counts.m_min, counts.m_max, 15),
            counts.m_min + sigma * rng.uniform(-7.9, 3.0, 5),
            counts.m_max + sigma * rng.uniform(-3.0, 7.9, 10),
        ]
    )
    for x in m:
        found = float(table.log_density(x))

        # relative to the value itself, which in the tails is below quad's absolute tolerance
        def scaled(t, x=x, found=found):
            noise = stats.norm.logpdf(x, t, sigma) - found
            return float(counts.density_at(t)) * math.exp(min(noise, 600.0))

        pieces = np.unique(
            np.clip(
                np.concatenate([counts.breaks, x + sigma * np.arange(-36.0, 37.0, 2.0)]),
                counts.m_min,
                counts.m_max,
            )
        )
        total = sum(
            integrate.quad(scaled, a, b, epsabs=1e-14, epsrel=1e-12)[0] for a, b in pairwise(pieces)
        )
        assert total == pytest.approx(1.0, abs=1e-8), x


def test_convolution_outside_its_table():
    table = SchechterCounts().convolved(0.1)
    assert table.start == pytest.approx(19.2, abs=1e-12)
    assert table.end == pytest.approx(30.8, abs=1e-9)
    assert table.step <= 0.1 / 25
    np.testing.assert_array_equal(table.log_density([19.1, 31.0, -np.inf]), -np.inf)
    assert np.isnan(table.log_density(np.nan))


def test_convolution_of_a_gap_is_minus_infinity_within():
    counts = BasisCounts(np.arange(20.0, 33.0), [1, 1] + [0] * 10 + [1, 1, 1])
    table = counts.convolved(0.02)
    assert np.isneginf(table.log_density(25.5))
    assert np.isfinite(table.log_density(20.5))
    assert not np.isnan(table.log_density(np.linspace(19.5, 32.5, 999))).any()


def test_everything_is_linear_in_the_coefficients():
    m = np.linspace(19.0, 31.0, 200)
    basis = BASIS.basis_at(m)
    assert basis.shape == (200, BASIS.n_basis)
    np.testing.assert_allclose(basis @ BASIS.coefficients, BASIS.density_at(m), atol=1e-13)
    inside = (m >= 20.0) & (m <= 30.0)
    np.testing.assert_allclose(basis.sum(axis=1), inside, atol=1e-13)
    elements = [BASIS.element(k) for k in range(BASIS.n_basis)]
    total = sum(c * one.density for c, one in zip(BASIS.coefficients, elements, strict=True))
    assert total == pytest.approx(BASIS.density, rel=1e-13)
    convolved = sum(
        c * np.exp(one.convolved(0.1).log_density(m))
        for c, one in zip(BASIS.coefficients, elements, strict=True)
    )
    # 1e-8 is stated of each table
    np.testing.assert_allclose(convolved, np.exp(BASIS.convolved(0.1).log_density(m)), rtol=3e-8)


def test_fit_recovers_counts_in_the_basis():
    edges = np.linspace(20.0, 30.0, 41)
    counts = np.diff(BASIS.cdf(edges)) * BASIS.density
    fitted = BasisCounts.fit(edges, counts, knots=KNOTS)
    # exact data of a member of the basis: rounding times the condition of the fit
    np.testing.assert_allclose(fitted.coefficients, BASIS.coefficients, atol=1e-10)


def test_fit_to_noisy_field_counts():
    truth, area = SchechterCounts(), 3600.0
    edges = np.arange(20.0, 30.01, 0.25)
    expected = np.diff(truth.cdf(edges)) * truth.density
    rng = np.random.default_rng(1)
    observed = rng.poisson(expected * area) / area
    errors = np.sqrt(np.maximum(observed, 1.0 / area) / area)
    fitted = BasisCounts.fit(edges, observed, errors)
    assert np.all(fitted.coefficients >= 0.0)
    # 1e5 sources in all: 4 standard errors of their number
    assert fitted.density == pytest.approx(truth.density, rel=4 / math.sqrt(truth.density * area))
    found = np.diff(fitted.cdf(edges)) * fitted.density
    chi2 = np.sum(((found - expected) / np.sqrt(expected / area + 1e-12)) ** 2)
    # a fit with 23 coefficients takes up about that much of the noise
    assert chi2 < 60.0


def test_counts_of_the_user():
    class Flat(SourceCounts):
        m_min, m_max = 20.0, 24.0

        def density_at(self, m):
            x = np.asarray(m, dtype=np.float64)
            return np.where((x >= self.m_min) & (x <= self.m_max), 2.5, 0.0)

        def to_dict(self):
            return {"counts": "flat"}

    flat = Flat()
    assert flat.density == pytest.approx(10.0, rel=1e-14)
    assert float(flat.quantile(0.25)) == pytest.approx(21.0, abs=1e-12)
    assert SourcePopulation(flat).density == pytest.approx(10.0, rel=1e-14)
    centre = float(flat.convolved(0.1).log_density(22.0))
    assert centre == pytest.approx(math.log(2.5), abs=1e-9)


def test_density_in_the_lens_plane():
    sources = SourcePopulation()
    # strong-lensing.md, section 3: 28.57 per arcmin^2 are 4e-4 per kpc^2 at z = 0.3
    assert float(sources.density_per_kpc2(0.3)) == pytest.approx(4.0e-4, rel=0.01)
    from astropy.cosmology import FlatLambdaCDM

    z = np.array([0.1, 0.5, 1.0])
    per_arcmin = FlatLambdaCDM(70.0, 0.3, Tcmb0=0.0).kpc_proper_per_arcmin(z).value
    np.testing.assert_allclose(sources.density_per_kpc2(z), 28.57 / per_arcmin**2, rtol=1e-9)


def test_draws_follow_the_population():
    nodes = SourceDistribution([2.5, 0.8, 1.5], [0.2, 0.5, 0.3])
    sources = SourcePopulation(redshift=nodes, size=Normal(-0.5, 0.2))
    ids = np.arange(30_000)
    drawn = sources.sample(ids, ids % 3, seed=4)
    assert stats.kstest(sources.counts.cdf(drawn.m_s), "uniform").pvalue > 1e-4
    assert stats.kstest(sources.size.cdf(np.log10(drawn.radius)), "uniform").pvalue > 1e-4
    found = [int(np.sum(drawn.z_s == z)) for z in (0.8, 1.5, 2.5)]
    assert stats.chisquare(found, np.array([0.5, 0.3, 0.2]) * ids.size).pvalue > 1e-4
    # three independent properties
    correlation = np.corrcoef([drawn.m_s, drawn.z_s, drawn.radius]) - np.eye(3)
    assert np.abs(correlation).max() < 4.5 / math.sqrt(ids.size)
    # the control: another knee is seen
    wrong = SchechterCounts(m_star=25.0).cdf(drawn.m_s)
    assert stats.kstest(wrong, "uniform").pvalue < 1e-4


def test_draws_depend_on_galaxy_and_index_alone():
    sources = SourcePopulation()
    ids, index = np.array([3, 3, 9, 9, 9]), np.array([0, 1, 0, 1, 2])
    whole = sources.sample(ids, index, seed=1)
    part = sources.sample(ids[[4, 1]], index[[4, 1]], seed=1, n_threads=2)
    np.testing.assert_array_equal(part.m_s, whole.m_s[[4, 1]])
    np.testing.assert_array_equal(whole.z_s, 2.0)
    assert whole.radius is None
    assert len(set(whole.m_s)) == 5


@pytest.mark.parametrize(
    "sources",
    [
        SourcePopulation(),
        SourcePopulation(BASIS, SourceDistribution([1.0, 2.0], [1, 2]), Normal(-0.5, 0.2)),
    ],
    ids=["default", "full"],
)
def test_dictionary_and_pickle_round_trip(sources):
    assert SourcePopulation.from_dict(sources.to_dict()) == sources
    assert pickle.loads(pickle.dumps(sources)) == sources


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SchechterCounts(density=0.0), "density = 0.0 .* > 0"),
        (lambda: SchechterCounts(m_min=31.0), "m_max = 30.0 .* > m_min = 31.0"),
        (lambda: SchechterCounts(slope=np.nan), "slope = nan"),
        (lambda: SchechterCounts().quantile([0.5, 1.5]), "probability = 1.5"),
        (lambda: SchechterCounts().convolved(0.0), "sigma = 0.0 .* between"),
        (lambda: BasisCounts([20, 22, 21], np.ones(5)), "knots = .* increasing"),
        (lambda: BasisCounts([20, 22], np.ones(5)), "coefficients = .* of 4 numbers"),
        (lambda: BasisCounts([20, 22], [1, -1, 1, 1]), "coefficients = .* >= 0"),
        (lambda: BASIS.element(8), "k = 8 .* 0 to 7"),
        (lambda: BasisCounts.fit([20, 21, 22], [1, 2]), "edges = .* five or more"),
        (lambda: BasisCounts.fit(np.arange(20, 27), np.ones(5)), "counts_per_arcmin2 = .*6 num"),
        (
            lambda: BasisCounts.fit(np.arange(20, 27), np.ones(6), knots=[19, 26]),
            "knots = .* within the bins, 20 to 26",
        ),
        (lambda: SourcePopulation(counts=3.0), "counts = 3.0"),
        (lambda: SourcePopulation(counts={"counts": "shechter"}), "Did you mean 'schechter'"),
        (lambda: SourcePopulation(counts={"m_stra": 24.0}), "counts = .*m_stra"),
        (lambda: SourcePopulation(redshift=-1.0), "redshift = -1.0"),
        (lambda: SourcePopulation(redshift=BetaMoments(0.5)), "redshift = BetaMoments"),
        (lambda: SourcePopulation(size=0.3), "size = 0.3"),
        (lambda: SourcePopulation.from_dict({"count": 1}), "Did you mean 'counts'"),
        (lambda: SourcePopulation().density_per_kpc2(0.0), "z_l = 0.0 .* > 0"),
        (lambda: SourcePopulation().sample([1], [0, 1], 1), "parts"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
