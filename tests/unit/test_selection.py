"""Detection cross-sections and A(eta) against plain quadrature."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import special
from scipy.integrate import quad

from clmassmod.distributions import Normal
from clmassmod.errors import FormatError, ParameterError
from clmassmod.population import selection_grid
from clmassmod.population.cross_section import CrossSection, DetectedCounts, build_cross_section
from clmassmod.population.parameters import PARAMETERS, PopulationParameters, population_of
from clmassmod.population.selection import (
    FORMS,
    SelectionNormalisation,
    build_selection,
)
from clmassmod.stronglens import (
    BasisCounts,
    ConcentrationRelation,
    LensModel,
    LensPopulation,
    MagnitudeLimit,
    MockGenerator,
    MockNoise,
    SchechterCounts,
    SourcePopulation,
    solve_images,
)
from clmassmod.stronglens.observation import Detection

SOURCES = SourcePopulation()
LIMIT = MagnitudeLimit(26.5)
LENSES = [
    (11.5, 0.9, 13.0, 1.0),
    (10.9, 0.3, 12.0, 0.3),
    (11.9, 1.2, 14.2, 1.7),
    (11.2, -0.1, 12.6, 1.95),
]


@dataclasses.dataclass(frozen=True)
class Completeness(Detection):
    """A logistic completeness that never reaches one, as a user may write it."""

    middle: float = 26.0

    def detects(self, m_a, m_b):
        return (m_a < self.middle) & (m_b < self.middle)

    def probability(self, m, sigma):
        return 0.95 * special.expit((self.middle - m) / 0.2)

    def to_dict(self):
        return {"detection": "completeness", "middle": self.middle}


def section(detection=LIMIT, sigma=0.1, **given):
    return CrossSection(DetectedCounts(SOURCES, detection, sigma), SOURCES, **given)


# -- detected counts -------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("gains", [(1.0, -0.2), (1.0, 1.05), (3.4, 3.6), (-0.5, 6.0), (0.3, 0.3)])
def test_detected_counts_are_the_integral(sigma, gains):
    counts = SOURCES.counts

    def integrand(m):
        both = [LIMIT.probability(m - gain, sigma) for gain in gains]
        return float(counts.density_at(m) * both[0] * both[1])

    around = [26.5 + gain + k * sigma for gain in gains for k in (-6, -3, 0, 3, 6)]
    points = sorted({min(max(m, 20.001), 29.999) for m in around})
    exact = quad(integrand, 20, 30, points=points, epsabs=0.0, epsrel=1e-11, limit=500)[0]
    detected = DetectedCounts(SOURCES, LIMIT, sigma)
    mu = [10.0 ** (0.4 * gain) for gain in gains]
    # cubic splines, five nodes in a sigma
    assert detected(mu[0], -mu[1]) == pytest.approx(exact, rel=4e-7)
    assert detected(mu[1], mu[0]) == detected(mu[0], mu[1])


def test_detected_counts_beyond_the_table():
    detected = DetectedCounts(SOURCES, LIMIT, 0.1)
    assert detected(1e9, 1e9) == pytest.approx(SOURCES.density, rel=1e-9)
    assert detected(1e9, 0.0) == pytest.approx(0.0, abs=1e-12)
    assert detected(np.inf, 1.0) == pytest.approx(float(detected(1e9, 1.0)), rel=1e-12)
    everything = DetectedCounts(SOURCES, MagnitudeLimit(np.inf), 0.1)
    assert everything(2.0, 0.1) == pytest.approx(SOURCES.density, rel=1e-9)


def test_bad_detection():
    with pytest.raises(ParameterError, match=r"noise\.magnitude"):
        DetectedCounts(SOURCES, LIMIT, 0.0)
    with pytest.raises(ParameterError, match="probability"):
        DetectedCounts(SOURCES, object(), 0.1)  # type: ignore[arg-type]
    rule = type("Rule", (), {"probability": lambda self, m, s: 2.0 + 0.0 * m})()
    with pytest.raises(ParameterError, match="within"):
        DetectedCounts(SOURCES, rule, 0.1)
    sized = SourcePopulation(
        size={"distribution": "normal", "mean": -1.0, "sd": 0.1, "low": -2, "high": 0}
    )
    with pytest.raises(ParameterError, match=r"sources\.size"):
        DetectedCounts(sized, LIMIT, 0.1)


# -- cross-sections --------------------------------------------------------------------------------


def plain_cross_section(psi, probability, z_l=0.3, z_s=2.0, c200=5.0):
    """Lambda from 1200 offsets and 3200 magnitudes by Gauss rules in panels, images solved."""
    log_mstar, log_re, log_mhalo, gamma = psi
    lens = LensModel(log_mstar, log_mhalo, log_re, z_l, z_s, gamma, c200)
    x, weight = np.polynomial.legendre.leggauss(40)
    # in w = sqrt(1 - beta/y_c): panels, close to each other at both ends
    edges = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, 31))
    half = 0.5 * np.diff(edges)[:, None]
    w, dw = (edges[:-1, None] + half * (1.0 + x)).ravel(), (half * weight).ravel()
    caustic = float(lens.caustic_radius())
    images = solve_images(lens, caustic * (1.0 - w) * (1.0 + w))
    m_edges = np.linspace(20.0, 30.0, 81)
    m = (m_edges[:-1, None] + 0.0625 * (1.0 + x)).ravel()
    counts = np.tile(0.0625 * weight, 80) * SOURCES.counts.density_at(m)
    seen = 1.0
    for mu in (images.mu_a, images.mu_b):
        seen = seen * probability(m - 2.5 * np.log10(np.abs(mu[:, None])), 0.1)
    density = (seen @ counts) / (60.0 * float(lens.kpc_per_arcsec)) ** 2
    return float(4.0 * np.pi * caustic**2 * np.sum(dw * w * (1.0 - w * w) * density))


@pytest.mark.parametrize("psi", LENSES)
@pytest.mark.parametrize("detection", [LIMIT, Completeness()])
def test_cross_section_is_the_integral(psi, detection):
    """1e-6: the rule of 160 offsets; images interpolated from 20."""
    exact = plain_cross_section(psi, detection.probability)
    assert section(detection)(*psi) == pytest.approx(exact, rel=1e-6)


def test_cross_section_of_other_redshifts():
    psi = LENSES[0]
    far = plain_cross_section(psi, LIMIT.probability, z_l=0.5, z_s=1.5)
    assert section(z_l=0.5, z_s=[(1.5, 1.0)])(*psi) == pytest.approx(far, rel=1e-6)
    near = plain_cross_section(psi, LIMIT.probability, z_l=0.5, z_s=1.0)
    both = section(z_l=0.5, z_s=[(1.5, 0.3), (0.4, 0.5), (1.0, 0.2)])
    assert both(*psi) == pytest.approx(0.3 * far + 0.2 * near, rel=1e-6)
    assert both.planes == ((1.0, 0.2), (1.5, 0.3))
    with pytest.raises(ParameterError, match="z_s"):
        section(z_l=0.5, z_s=[(0.4, 1.0)])


def test_lenses_that_are_not_smooth_are_solved_at_every_offset():
    """A compact galaxy in a wide core: the radial critical curve nearly splits in two."""
    psi = (10.3, -0.3, 13.6, 0.2)
    rough = [(10.3, -0.3, h, 0.2) for h in np.arange(13.0, 14.6, 0.2)]
    for one in (psi, *rough):
        exact = plain_cross_section(one, LIMIT.probability)
        assert section()(*one) == pytest.approx(exact, rel=3e-5)


def test_steep_haloes_are_refused():
    with pytest.raises(ParameterError, match="gamma_in"):
        section()(11.5, 0.9, 13.0, 2.3)


def test_einstein_radii():
    columns = np.array([*np.array(LENSES).T, np.full(4, 5.0)])
    _, rings = section().by_plane(columns)
    m, r, h, g = np.array(LENSES).T
    lens = LensModel(m, h, r, gamma_in=g)
    assert rings[0] == pytest.approx(lens.to_arcsec(lens.einstein_radius()), rel=1e-12)


def test_table_of_the_cross_section(tmp_path):
    box = {
        "log_mstar": (11.3, 11.7),
        "log_re": (0.7, 1.1),
        "log_mhalo": (12.7, 13.3),
        "gamma_in": (0.8, 1.2),
    }
    c = ConcentrationRelation(5.0, 0.15)
    population = LensPopulation(concentration=c)
    table = build_cross_section(
        population, SOURCES, MockNoise(), LIMIT, box, 1e-3, pool=1024, max_nodes=20_000
    )
    assert table.error_report().converged
    t, weight = np.polynomial.hermite_e.hermegauss(12)
    values = section()(11.42, 0.83, 12.95, 1.07, 5.0 * 10.0 ** (0.15 * t))
    expected = np.log(np.sum(weight * values) / weight.sum())
    assert table([11.42, 0.83, 12.95, 1.07]) == pytest.approx(expected, abs=2e-3)
    assert table.metadata["concentration"]["scatter"] == 0.15
    table.save(tmp_path / "lambda.h5", sim_id="test")


# -- A(eta) ----------------------------------------------------------------------------------------

ETA = {
    "mu_h": 12.95,
    "beta_h": 1.8,
    "xi_h": 0.0,
    "sigma_h": 0.3,
    "mu_g": 1.1,
    "sigma_g": 0.25,
    "alpha_sps": 0.07,
}
GENERAL = ETA | {
    "mu_star": 11.27,
    "sigma_star": 0.22,
    "shape_star": 0.1,
    "mu_r": 0.8,
    "beta_r": 0.9,
    "sigma_r": 0.13,
    "xi_h": -0.4,
    "sigma_sps": 0.08,
    "beta_sps": 0.15,
}


def box_of(numbers, **widths):
    """Ranges about the numbers."""
    return {n: (v - widths.get(n, 0.01), v + 0.01) for n, v in numbers.items()}


def vector_of(numbers):
    parameters = PopulationParameters(population_of(LensPopulation(), numbers))
    return parameters.vectors(parameters.values)


def plain_mean(numbers, function, c200=5.0):
    """Return <f(Lambda)> by nested Gauss rules along the chain of relations."""
    v = dict(zip(PARAMETERS, vector_of(numbers)[0].tolist(), strict=True))

    def hermite(n):
        t, weight = np.polynomial.hermite_e.hermegauss(n)
        return t, weight / weight.sum()

    x, weight_x = np.polynomial.legendre.leggauss(36)
    low, high = v["mu_star"] - 4.5 * v["sigma_star"], v["mu_star"] + 6.5 * v["sigma_star"]
    x = low + 0.5 * (high - low) * (1.0 + x)
    z = (x - v["mu_star"]) / v["sigma_star"]
    skew = special.ndtr(10.0 ** v["shape_star"] * z)
    weight_x = (
        weight_x * (high - low) * np.exp(-0.5 * z * z) * skew
        / (v["sigma_star"] * np.sqrt(2.0 * np.pi))
    )  # fmt: skip
    g, weight_g = np.polynomial.legendre.leggauss(22)
    g = 1.0 + g
    weight_g = weight_g * np.exp(-0.5 * ((g - v["mu_g"]) / v["sigma_g"]) ** 2)
    weight_g /= weight_g.sum()
    r, weight_r = hermite(7)
    h, weight_h = hermite(14)
    t, weight_t = hermite(5) if v["sigma_sps"] > 0.0 else (np.zeros(1), np.ones(1))
    x, r, h, g, t = np.meshgrid(x, r * v["sigma_r"], h * v["sigma_h"], g, t, indexing="ij")
    d = x - 11.4
    log_re = v["mu_r"] + v["beta_r"] * d + r
    log_mhalo = v["mu_h"] + v["beta_h"] * d + v["xi_h"] * r + h
    log_mstar = x + v["alpha_sps"] + v["beta_sps"] * d + v["sigma_sps"] * t
    number = section()(log_mstar, log_re, log_mhalo, g, c200)
    weights = (weight_x, weight_r, weight_h, weight_g, weight_t)
    return float(np.einsum("xrhgt,x,r,h,g,t", function(number), *weights))


@pytest.fixture(scope="module")
def selection():
    return build_selection(box=box_of(ETA))


def test_a_is_the_nested_integral(selection):
    """1e-5: what the nested rules are good for."""
    exact = plain_mean(ETA, FORMS["lenses"])
    assert selection.log_a(vector_of(ETA))[0] == pytest.approx(np.log(exact), abs=1e-5)


@pytest.mark.parametrize("form", ["any_lens", "one_lens"])
def test_forms(form):
    numbers = ETA | {"mu_h": 13.6, "beta_h": 2.0}
    made = build_selection(box=box_of(numbers), form=form)
    exact = plain_mean(numbers, FORMS[form])
    assert made.log_a(vector_of(numbers))[0] == pytest.approx(np.log(exact), abs=1e-5)
    every = plain_mean(numbers, FORMS["lenses"])
    # the forms differ by more than the test's tolerance
    assert abs(np.log(exact / every)) > 1e-2


def test_all_numbers_free():
    """Correlated sizes and haloes, scattered and sloped mismatch: the same sum, all 15 free."""
    made = build_selection(box=box_of(GENERAL))
    exact = plain_mean(GENERAL, FORMS["lenses"])
    assert made.log_a(vector_of(GENERAL))[0] == pytest.approx(np.log(exact), abs=2e-5)


def test_shifted_nodes_agree():
    """Differences of ln A to 1e-6 down to the least scatter of halo masses."""
    box = {"mu_h": (12.9, 13.1), "sigma_h": (0.1, 0.37), "alpha_sps": (0.0, 0.1)}
    parameters = PopulationParameters(LensPopulation(), list(box))
    eta = [[12.91, 0.37, 0.0], [13.01, 0.37, 0.0], [12.91, 0.1, 0.0], [13.05, 0.15, 0.1]]
    points = parameters.vectors(np.array(eta))
    first, second = (build_selection(box=box, shift=s).log_a(points) for s in (0.0, 0.5))
    assert second - second[0] == pytest.approx(first - first[0], abs=1e-6)
    assert second[0] == pytest.approx(first[0], abs=1e-6)


def test_nodes_that_are_left_out_do_not_matter(monkeypatch):
    """e^-18 of the largest term and less: 1e-7 in all, with sizes and haloes related too."""
    box = {"mu_h": (12.7, 13.2), "sigma_h": (0.3, 0.5), "xi_h": (-0.5, 0.0), "mu_g": (0.8, 1.2)}
    parameters = PopulationParameters(LensPopulation(), list(box))
    corners = np.array(list(itertools.product(*box.values())))
    points = parameters.vectors(np.vstack([corners, corners.mean(axis=0)]))
    some = build_selection(box=box)
    monkeypatch.setattr(selection_grid, "_DROP", 28.0)
    more = build_selection(box=box)
    assert some.n_nodes < 0.8 * more.n_nodes
    lost = more.log_a(points) - some.log_a(points)
    assert np.all((lost > 0.0) & (lost < 3e-7))
    monkeypatch.setattr(selection_grid, "_DROP", 12.0)  # the control: 8e-6 and less
    few = build_selection(box=box)
    assert np.abs(few.log_a(points) - more.log_a(points)).max() > 3e-6


def test_threads_and_batches_give_the_same_bits(selection):
    rng = np.random.default_rng(3)
    points = np.repeat(vector_of(ETA), 21, axis=0)
    points[:, PARAMETERS.index("mu_h")] += rng.uniform(-0.01, 0.01, 21)
    whole = selection.log_a(points)
    for threads in (2, 3):
        assert np.array_equal(selection.log_a(points, n_threads=threads), whole)
    parts = [selection.log_a(points[k : k + 1])[0] for k in range(21)]
    assert np.array_equal(parts, whole)
    again = build_selection(box=box_of(ETA), n_threads=2)
    assert np.array_equal(again.log_a(points), whole)


SMALL = {"mu_h": (12.9, 12.95)}
"""A box of wide steps: quickly built."""


def default_points():
    return PopulationParameters(LensPopulation(), ["mu_h"]).vectors([[12.91]])


def test_planes_are_averaged():
    planes = [(0.3, 2.0, 3.0), (0.5, 1.5, 1.0)]
    both = build_selection(box=SMALL, planes=planes).log_a(default_points())
    each = [build_selection(box=SMALL, planes=[p]).log_a(default_points()) for p in planes]
    # the rows that matter are chosen once: 1e-6
    expected = np.log(0.75 * np.exp(each[0]) + 0.25 * np.exp(each[1]))
    assert both == pytest.approx(expected, abs=1e-6)
    plain = build_selection(box=SMALL).log_a(default_points())
    assert each[0] == pytest.approx(plain, rel=1e-12)


def test_sources_behind_one_galaxy_add_up():
    """Planes with one z_l: f of the sum, not the sum of f."""
    planes = [(0.3, 2.0, 0.5), (0.3, 1.0, 0.5)]
    made = build_selection(box=SMALL, planes=planes, form="one_lens").log_a(default_points())
    sources = build_selection(box=SMALL, planes=planes).log_a(default_points())
    assert made < sources
    with pytest.raises(ParameterError, match="planes"):
        build_selection(box=SMALL, planes=[(0.3, 2.0)])  # type: ignore[list-item]


def test_counts_are_linear():
    counts = BasisCounts([20.0, 23.0, 25.0, 27.0, 30.0], [0.1, 0.3, 1.0, 4.0, 9.0, 12.0, 14.0])
    elements = [counts.element(k) for k in range(counts.n_basis)]
    parts = build_selection(box=SMALL, counts=elements).log_a(default_points())
    assert parts.shape == (1, 7)
    whole = build_selection(sources=SourcePopulation(counts), box=SMALL).log_a(default_points())
    total = np.log(np.exp(parts) @ counts.coefficients)
    assert total == pytest.approx(whole, abs=1e-7)


def test_scatter_of_the_concentration():
    c = ConcentrationRelation(5.0, 0.1)
    made = build_selection(LensPopulation(concentration=c), box=SMALL).log_a(default_points())
    t, weight = np.polynomial.hermite_e.hermegauss(5)
    each = [
        build_selection(LensPopulation(concentration=5.0 * 10.0 ** (0.1 * one)), box=SMALL)
        for one in t
    ]
    a = np.array([np.exp(one.log_a(default_points())[0]) for one in each])
    # 8 nodes against 5
    assert made[0] == pytest.approx(np.log(np.sum(weight * a) / weight.sum()), abs=1e-6)


def test_other_counts_change_a():
    bright = SourcePopulation(SchechterCounts(m_star=24.0))
    value = build_selection(sources=bright, box=SMALL).log_a(default_points())
    assert value[0] > build_selection(box=SMALL).log_a(default_points())[0] + 0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    "relations",
    [
        {"z_l": Normal(0.4, 0.1, 0.2, 0.6)},
        {"concentration": ConcentrationRelation(6.0, 0.1)},
    ],
)
def test_a_is_the_mean_of_a_mock(relations):
    """400,000 galaxies before many sources, nothing at its default: 4 sigma, 3 % of A."""
    population = population_of(LensPopulation(**relations), GENERAL)
    sources = SourcePopulation(SchechterCounts(density=600.0), redshift=1.8)
    mock = MockGenerator(population, sources).generate(400_000, seed=9).galaxies["n_detected"]
    parameters = PopulationParameters(population)
    made = build_selection(population, sources, box={"mu_h": (12.94, 12.96)})
    a = np.exp(made.log_a(parameters.vectors(parameters.values))[0])
    error = mock.std() / np.sqrt(mock.size)
    assert abs(mock.mean() - a) < 4.0 * error
    assert error < 0.01 * a


# -- files and refusals ----------------------------------------------------------------------------


def test_saved_and_loaded(tmp_path):
    made = build_selection(box=SMALL)
    path = tmp_path / "selection.h5"
    made.save(path)
    loaded = SelectionNormalisation.load(path, made.identity)
    assert np.array_equal(loaded.log_a(default_points()), made.log_a(default_points()))
    assert (loaded.support, loaded.form) == (made.support, made.form)
    other = build_selection(box=SMALL, detection=MagnitudeLimit(26.0))
    assert other.identity != made.identity
    with pytest.raises(FormatError, match="made for other data or settings"):
        SelectionNormalisation.load(path, other.identity)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(FormatError):
        SelectionNormalisation.load(path)


def test_points_outside_the_box_are_refused(selection):
    points = vector_of(ETA | {"mu_h": 13.2})
    with pytest.raises(ParameterError, match="mu_h"):
        selection.log_a(points)
    with pytest.raises(ParameterError, match=r"vectors\.shape"):
        selection.log_a(points[:, :3])
    points[0, 6] = np.nan
    with pytest.raises(ParameterError, match="mu_h"):
        selection.log_a(points)


def test_bad_boxes():
    with pytest.raises(ParameterError, match="form"):
        build_selection(box=SMALL, form="lens")
    with pytest.raises(ParameterError, match="sigma_g"):
        build_selection(box={"sigma_g": (0.001, 0.2)})
    with pytest.raises(ParameterError, match="nodes of log Mh"):
        build_selection(box={"sigma_h": (0.002, 0.4)})


def test_wide_scatters_do_not_widen_the_steps():
    """Where a tenth of the galaxies are lenses, f(Lambda) is what a step has to resolve."""
    wide = {"sigma_star": 0.15, "beta_r": 0.2, "sigma_r": 0.12, "sigma_h": 0.6, "sigma_g": 0.4}
    population = population_of(LensPopulation(), wide)
    sources = SourcePopulation(SchechterCounts(density=600.0))
    box = {"mu_h": (12.9, 12.92)}
    vector = PopulationParameters(population).fixed
    first, moved = (
        build_selection(population, sources, box=box, form="any_lens", shift=shift).log_a(vector)
        for shift in (0.0, 0.5)
    )
    # what is left out of the grid differs by as much
    assert moved == pytest.approx(first, abs=2e-6)
