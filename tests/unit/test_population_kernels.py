"""Kernels of image pairs against the twin's likelihoods, which know nothing of the ridge."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_ndtr

from clmassmod.distributions import Normal
from clmassmod.errors import FormatError, ParameterError
from clmassmod.population.kernels import DEFAULT_BOX, KernelAccuracy, build_kernels
from clmassmod.population.lens_data import LensData
from clmassmod.population.parameters import DEFAULT_FREE, PARAMETERS, PopulationParameters
from clmassmod.stronglens import InversionGrid, LensPopulation, MockGenerator, SourcePopulation
from clmassmod.stronglens.inversion_grid import ImagePhotometry
from clmassmod.stronglens.relations import ConcentrationRelation, Independent
from clmassmod.stronglens.source_counts import SchechterCounts

ENTRIES = json.loads(Path(__file__).with_name("population_reference.json").read_text())
PLAIN = [entry for entry in ENTRIES if not entry["model"]]
# the twin itself is not converged on a pair made with n = 4 and read with n = 2.5
OTHER = [entry for entry in ENTRIES if entry["model"] and entry["name"] != "Sersic 2.5 7"]
PARAMS = PopulationParameters(LensPopulation())


def vectors(parameters, etas):
    points = np.tile(parameters.fixed, (len(etas), 1))
    for row, eta in zip(points, etas, strict=True):
        for name, value in eta.items():
            row[PARAMETERS.index(name)] = value
    return points


def model_of(given):
    relations, options = {}, {}
    if "gamma_low" in given:
        support = Normal(1.0, 0.2, given["gamma_low"], given["gamma_high"])
        relations["inner_slope"] = Independent(support)
    if "sersic_n" in given:
        relations["sersic_n"] = given["sersic_n"]
    if "duffy08" in given:
        scatter = given.get("scatter_c", 0.0)
        relations["concentration"] = ConcentrationRelation("duffy08", scatter)
    if "counts" in given:
        options["sources"] = SourcePopulation(SchechterCounts(**given["counts"]))
    if "selection" in given:
        options["selection"] = given["selection"]
    return LensPopulation(**relations), options


@pytest.fixture(scope="module")
def pairs():
    # what only some have, such as time delays, is missing in the others
    names = {name for entry in PLAIN for name in entry["pair"]}
    return LensData(**{n: [entry["pair"].get(n, np.nan) for entry in PLAIN] for n in names})


@pytest.fixture(scope="module")
def kernels(pairs):
    return build_kernels(pairs)


def test_likelihoods_of_the_twin(kernels):
    """1e-3 nat within 12 nats of the best, which the design asks for; most are at 1e-5."""
    worst = {}
    for i, entry in enumerate(PLAIN):
        expected = np.array(entry["ln_l"])
        found = kernels.per_lens(vectors(PARAMS, entry["eta"]))[:, i]
        error = np.abs(found - expected)[expected > expected.max() - 12.0].max()
        worst[entry["name"]] = error
    assert max(worst.values()) < 1e-3
    assert np.median(list(worst.values())) < 1e-4


@pytest.mark.parametrize("entry", OTHER, ids=lambda e: e["name"])
def test_other_models(entry):
    population, options = model_of(entry["model"])
    parameters = PopulationParameters(population)
    built = build_kernels(LensData(**entry["pair"]), population, **options)
    found = built.log_likelihood(vectors(parameters, entry["eta"]))
    assert found == pytest.approx(entry["ln_l"], abs=3e-4)


def test_slopes_are_exact(kernels):
    """Slopes of ln L from the twin: differences over a step agree to 1e-5 a lens on average."""
    ordinary = [i for i, entry in enumerate(PLAIN) if entry["name"].startswith("ordinary")]
    difference = []
    for i in ordinary:
        entry = PLAIN[i]
        found = kernels.per_lens(vectors(PARAMS, entry["eta"][:2]))[:, i]
        difference.append((found[1] - found[0]) - (entry["ln_l"][1] - entry["ln_l"][0]))
    assert abs(np.mean(difference)) < 1e-5


def test_sums_over_a_mock():
    """Sums of ln L over 60 lenses of a mock as the twin gave them, on a rule good to 1e-4 nat.

    All 807 lenses of that mock gave scores d(ln L_i - ln A)/d eta whose means are zero within
    1.5 standard errors for each of the six default parameters, with A of `selection_twin`.
    """
    data = LensData.from_catalogue(MockGenerator().generate(200_000, seed=20251))[:60]
    etas = [{}, {"alpha_sps": 0.01}, {"mu_h": 12.93}, {"sigma_h": 0.38}, {"mu_g": 1.01}]
    found = build_kernels(data).log_likelihood(vectors(PARAMS, etas))
    assert found == pytest.approx([-583.8412, -582.1723, -582.867, -583.3803, -583.0161], abs=5e-3)


def test_errors_are_stated(kernels, pairs):
    assert kernels.n_lenses == len(pairs)
    assert (kernels.n_slopes[kernels.errors >= 5e-4] == 385).all()
    assert kernels.nbytes == 12 * kernels.n_nodes.sum() + 2 * kernels.n_nodes.sum() // 8


@pytest.mark.parametrize("n_threads", [2, 3])
def test_same_bits_for_any_threads(pairs, kernels, n_threads):
    other = build_kernels(pairs[:20], n_threads=n_threads)
    few = kernels[:20]
    points = vectors(PARAMS, [{}, {"sigma_sps": 0.05}, {"sigma_h": 0.2}])
    expected = few.per_lens(points)
    assert (other.per_lens(points, n_threads=n_threads) == expected).all()
    assert (other.per_lens(points[1:2]) == expected[1:2]).all()


def test_far_points_are_finite(kernels):
    eta = [{"mu_h": 30.0}, {"alpha_sps": -8.0}, {"mu_star": 5.0, "shape_star": 1.0}]
    values = kernels.per_lens(vectors(PARAMS, eta))
    assert np.isfinite(values).all()
    assert (values < -100.0).all()


def test_files(tmp_path, kernels):
    few = kernels[[0, 3]]
    path = tmp_path / "kernels.h5"
    few.save(path)
    again = type(few).load(path, PARAMS, few.identity)
    points = vectors(PARAMS, [{}])
    assert (again.per_lens(points) == few.per_lens(points)).all()
    with pytest.raises(FormatError, match="other data or settings"):
        type(few).load(path, PARAMS, kernels.identity)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FormatError):
        type(few).load(path, PARAMS, few.identity)


def trapezoid_30(data, points):
    """ln L (n, lenses) by the rule of 30 x 30 cells: what the kernels are there to avoid."""
    mass, slope = np.linspace(11.0, 15.0, 30), np.linspace(0.0, 2.0, 30)
    photometry = ImagePhotometry(SourcePopulation().counts, 0.1, 0.1)
    cells = InversionGrid(mass, slope).invert_images(
        data.x_a, data.x_b, data.log_re, m_a=data.m_a, m_b=data.m_b, photometry=photometry
    )
    log_cell = np.log(cells.beta * cells.jacobian) + cells.log_photometry
    result = np.empty((len(points), len(data)))
    for row, p in zip(result, points, strict=True):
        v = dict(zip(PARAMETERS, p, strict=True))
        x = cells.log_mstar - v["alpha_sps"]
        z = (x - v["mu_star"]) / v["sigma_star"]
        mean = v["mu_h"] + v["beta_h"] * (x - 11.4)
        size = data.log_re[:, None, None] - v["mu_r"] - v["beta_r"] * (x - 11.4)
        log_p = log_cell - 0.5 * z**2 + log_ndtr(10.0 ** v["shape_star"] * z)
        log_p = log_p - 0.5 * (size / v["sigma_r"]) ** 2
        log_p = log_p - 0.5 * ((x - data.log_msps[:, None, None]) / 0.1) ** 2
        log_p = log_p - 0.5 * ((mass - mean) / v["sigma_h"]) ** 2 - np.log(v["sigma_h"])
        log_p = log_p - 0.5 * ((slope[:, None] - v["mu_g"]) / v["sigma_g"]) ** 2
        row[:] = np.log(np.nansum(np.exp(log_p), axis=(1, 2)))
    return result


def peaks(log_likelihood):
    """Number of local maxima of a curve, ends included."""
    rise = np.sign(np.diff(log_likelihood))
    return int((np.diff(rise) < 0).sum() + (rise[0] < 0) + (rise[-1] > 0))


@pytest.mark.parametrize("sigma_h", [0.1, 0.2, 0.37])
def test_one_peak(sigma_h):
    """Section 5 of the design: ln L(mu_h) of fixed data has one peak, and stays where it is.

    Half the step along the ridge changes the curve by less than 0.05 nat; a rule of 30 x 30
    cells is further than that from it, so the test can see the fault it is there for.
    """
    data = LensData.from_catalogue(MockGenerator().generate(12_000, seed=8))[:30]
    eta = [{"mu_h": mu, "sigma_h": sigma_h} for mu in np.linspace(12.4, 13.4, 81)]
    points = vectors(PARAMS, eta)
    curve = build_kernels(data).log_likelihood(points)
    finer = build_kernels(data, accuracy=KernelAccuracy(step=0.75)).log_likelihood(points)
    assert peaks(curve) == peaks(finer) == 1
    assert np.ptp(curve - finer) < 0.05
    assert np.ptp(curve - trapezoid_30(data, points).sum(axis=1)) > 0.05


def test_wrong_arguments(pairs):
    one = pairs[:1]
    with pytest.raises(ParameterError, match="box"):
        build_kernels(one, box={"mu_halo": (12.0, 13.0)})
    with pytest.raises(ParameterError, match="low < high"):
        build_kernels(one, box={"mu_h": (13.0, 12.0)})
    with pytest.raises(ParameterError, match="low > 0"):
        build_kernels(one, box={"sigma_h": (0.0, 0.5)})
    with pytest.raises(ParameterError, match="selection"):
        build_kernels(one, selection="data")
    kernels = build_kernels(one)
    with pytest.raises(ParameterError, match="vectors"):
        kernels.log_likelihood(np.zeros((2, 6)))
    with pytest.raises(ParameterError, match="sigma_h"):
        kernels.log_likelihood(vectors(PARAMS, [{"sigma_h": 0.0}]))
    assert set(DEFAULT_BOX) == set(DEFAULT_FREE)


def test_a_pair_that_no_lens_makes():
    """So faint that the source would have to be fainter than any."""
    absurd = LensData(6.6, -3.0, 0.9, 45.0, 45.9, 11.5)
    with pytest.raises(ParameterError, match="that a lens can make"):
        build_kernels(absurd)
