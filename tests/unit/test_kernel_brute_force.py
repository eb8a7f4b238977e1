"""Kernels of image pairs: against brute force, on all kinds of populations, and as objects."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from kernel_reference import BruteForce, composite

from clmassmod.errors import FormatError, ParameterError
from clmassmod.population.kernels import DEFAULT_BOX, KernelAccuracy, build_kernels
from clmassmod.population.lens_data import LensData
from clmassmod.population.parameters import PARAMETERS, PopulationParameters
from clmassmod.stronglens import (
    LensModel,
    LensPopulation,
    MockGenerator,
    solve_images,
)

PARAMETERS_OF = PopulationParameters(LensPopulation())
FREE = PARAMETERS_OF.free
LOW, HIGH = np.array([DEFAULT_BOX[name] for name in FREE]).T
SHIFT = np.array([0.02, 0.05, 0.05, 0.02, 0.03, 0.01])
"""Of alpha_sps, mu_h, beta_h, sigma_h, mu_g, sigma_g: over which slopes are measured."""


def eta_points(n_random: int, seed: int = 5) -> np.ndarray:
    """Return points: the default, some corners of the box, and random ones."""
    corners = np.array([[0, 0, 1, 0, 0, 0], [1, 0, 1, 1, 1, 1], [0, 1, 0, 0, 1, 0]])
    unit = np.vstack([corners, np.random.default_rng(seed).uniform(size=(n_random, 6))])
    return np.vstack([PARAMETERS_OF.values, LOW + unit * (HIGH - LOW)])


def extreme_pairs(n: int) -> LensData:
    """Return noiseless pairs of n lenses: near rings, wide pairs, steep and shallow haloes."""
    i = np.arange(n)
    gamma = np.array([1.0, 1.9, 0.1, 1.5, 0.6])[i % 5]
    part = np.array([0.004, 0.97, 0.03, 0.93, 0.5, 0.99])[i % 6]
    log_mstar = 11.2 + 0.6 * ((i * 7) % n) / n
    log_mhalo = 12.3 + 1.6 * ((i * 11) % n) / n
    log_re = 0.774 + 0.977 * (log_mstar - 11.4)
    model = LensModel(log_mstar, log_mhalo, log_re, gamma_in=gamma)
    images = solve_images(model, part * model.caustic_radius())
    # fainter than any detection for wide pairs: the integral has to be right all the same
    m_a, m_b = (25.5 - 2.5 * np.log10(np.abs(mu)) for mu in (images.mu_a, images.mu_b))
    return LensData(images.x_a, images.x_b, log_re, m_a, m_b, log_mstar)


@pytest.fixture(scope="module")
def mock():
    """Fourteen lenses of a mock."""
    return LensData.from_catalogue(MockGenerator().generate(3000, seed=11))


@pytest.fixture(scope="module")
def kernels(mock):
    return build_kernels(mock)


@pytest.fixture(scope="module")
def brute():
    """Against twice the panels and half the step it moves by 1e-10."""
    return BruteForce.fine(10, 2e-3)


# -- accuracy ------------------------------------------------------------------------------------


def deviations(kernels, data, brute, vectors):
    """Return |difference of ln L| (eta, lenses), and the depth below the best eta."""
    truth = np.stack([brute.log_likelihood(data[i], vectors) for i in range(len(data))], axis=1)
    return np.abs(kernels.per_lens(vectors) - truth), truth.max(axis=0) - truth


def test_equals_brute_force(mock, kernels, brute):
    vectors = PARAMETERS_OF.vectors(eta_points(5))
    error, depth = deviations(kernels[:8], mock[:8], brute, vectors)
    # asked for: 1e-3; the rule is made for ten times less
    assert error[depth < 12.0].max() < 3e-4
    assert error.max() < 2e-2


def test_slopes_equal_those_of_brute_force(mock, kernels, brute):
    eta = PARAMETERS_OF.values + np.outer([-0.5, 0.5], SHIFT)
    vectors = PARAMETERS_OF.vectors(eta)
    truth = np.stack([brute.log_likelihood(mock[i], vectors) for i in range(6)], axis=1)
    ours = kernels[:6].per_lens(vectors)
    assert np.abs(np.diff(ours, axis=0) - np.diff(truth, axis=0)).max() < 1e-5


@pytest.mark.slow
def test_fresh_and_extreme_lenses(brute):
    """Below 1e-3 without exception; where a grid seems to say otherwise, finer ones decide.

    Pairs with x_A = 25 b, or 50 kpc, need 480 slopes and steps of 0.001: coarser grids are off by
    0.3 nat.
    """
    fresh = LensData.from_catalogue(MockGenerator().generate(60_000, seed=77))[:200]
    vectors = PARAMETERS_OF.vectors(eta_points(8, seed=8))
    finest = BruteForce.fine(48, 1e-3)
    for data in (fresh, extreme_pairs(30)):
        kernels = build_kernels(data)
        error, depth = deviations(kernels, data, brute, vectors)
        for i in np.flatnonzero(np.where(depth < 12.0, error, 0.0).max(axis=0) > 3e-4):
            one, below = deviations(kernels[[i]], data[[i]], finest, vectors)
            error[:, i], depth[:, i] = one[:, 0], below[:, 0]
        worst = np.where(depth < 12.0, error, 0.0).max(axis=0)
        assert worst.max() < 1e-3, data.name[int(np.argmax(worst))]
        assert np.median(worst) < 2e-4


def test_nothing_is_lost_between_scan_and_edge(brute):
    # a pair whose valid part is short at every slope: near the radial critical curve
    data = extreme_pairs(12)[np.array([1, 5])]
    vectors = PARAMETERS_OF.vectors(eta_points(2))
    fine = BruteForce.fine(24, 1e-3)
    error, depth = deviations(build_kernels(data), data, fine, vectors)
    assert error[depth < 12.0].max() < 1e-3


# -- smoothness: why a coarse grid has several peaks ---------------------------------------------


def peaks(values) -> int:
    inner = (values[1:-1] > values[:-2]) & (values[1:-1] > values[2:])
    return int(inner.sum())


def along_mu_h(sigma_h: float) -> np.ndarray:
    eta = np.tile(PARAMETERS_OF.values, (81, 1))
    eta[:, FREE.index("mu_h")] = np.linspace(12.0, 14.0, 81)
    eta[:, FREE.index("sigma_h")] = sigma_h
    return PARAMETERS_OF.vectors(eta)


@pytest.fixture(scope="module")
def forty():
    return LensData.from_catalogue(MockGenerator().generate(14_000, seed=13))[:40]


def test_one_peak_that_stands_still(forty):
    usual = build_kernels(forty)
    finer = build_kernels(forty, accuracy=KernelAccuracy(step=0.9, node_drop=15.0, tolerance=1e-5))
    for sigma_h in (0.1, 0.2, 0.37):
        vectors = along_mu_h(sigma_h)
        coarse, fine = usual.log_likelihood(vectors), finer.log_likelihood(vectors)
        assert peaks(coarse) == 1
        # .05 nat is asked for; for 40 lenses the measured range is 1e-3
        assert np.ptp(coarse - fine) < 5e-3


def test_a_coarse_trapezoid_has_several_peaks(forty):
    # what this package must not do: 30 halo masses in [11, 15] and 30 slopes in [0, 2]
    weight = np.full(30, 2.0 / 29.0)
    weight[[0, -1]] *= 0.5
    coarse = BruteForce((np.linspace(0.0, 2.0, 30), weight), np.linspace(11.0, 15.0, 30))
    some, vectors = forty[:20], along_mu_h(0.1)
    ours = build_kernels(some).per_lens(vectors)
    trapezoid = np.stack([coarse.log_likelihood(some[i], vectors) for i in range(20)], axis=1)
    assert max(peaks(column) for column in ours.T) <= 1
    assert max(peaks(column) for column in trapezoid.T) > 1
    assert np.ptp((trapezoid - ours).sum(axis=1)) > 1.0


# -- other forms of the population ----------------------------------------------------------------


def vector_of(**numbers) -> np.ndarray:
    values = dict(zip(PARAMETERS, PARAMETERS_OF.fixed.tolist(), strict=True)) | numbers
    return np.array([[values[name] for name in PARAMETERS]])


@pytest.mark.parametrize(
    "numbers",
    [
        {"xi_h": -0.3, "mu_r": 0.8, "sigma_r": 0.15},
        {"beta_sps": 0.2, "alpha_sps": 0.05},
        {"mu_star": 11.1, "sigma_star": 0.3, "shape_star": 0.4},
        {"shape_star": 1.2},
    ],
)
def test_all_numbers_may_vary(mock, brute, numbers):
    box = DEFAULT_BOX | {name: (v - 0.1, v + 0.1) for name, v in numbers.items()}
    vectors = vector_of(**numbers)
    kernels = build_kernels(mock[:2], box=box)
    error, _ = deviations(kernels, mock[:2], brute, vectors)
    assert error.max() < 3e-4


def test_scatter_of_the_mismatch(mock, kernels, brute):
    sigma, alpha = 0.08, 0.05
    t, weight = composite(-6.0, 6.0, 3)
    weight = weight * np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi)
    vectors = np.concatenate([vector_of(alpha_sps=alpha + sigma * s) for s in t])
    ours = kernels[:2].per_lens(vector_of(alpha_sps=alpha, sigma_sps=sigma))[0]
    for i in range(2):
        values = brute.log_likelihood(mock[i], vectors)
        assert ours[i] == pytest.approx(np.log(weight @ np.exp(values)), abs=3e-4)


def test_no_scatter_is_the_limit_of_little(kernels):
    none = kernels.per_lens(vector_of())
    little = kernels.per_lens(vector_of(sigma_sps=1e-4))
    assert np.abs(none - little).max() < 1e-4  # second order in sigma_sps / 0.07


# -- the same whatever way it is computed ----------------------------------------------------------


def test_threads_and_batches_change_no_bit(mock, kernels):
    vectors = PARAMETERS_OF.vectors(eta_points(66))
    whole = kernels.per_lens(vectors)
    np.testing.assert_array_equal(kernels.per_lens(vectors, n_threads=2), whole)
    np.testing.assert_array_equal(kernels.per_lens(vectors[3:4]), whole[3:4])
    np.testing.assert_array_equal(kernels[4:6].per_lens(vectors), whole[:, 4:6])
    assert kernels.log_likelihood(vectors) == pytest.approx(whole.sum(axis=1), abs=1e-11)
    other = build_kernels(mock[:5], n_threads=2)
    np.testing.assert_array_equal(other.per_lens(vectors), whole[:, :5])


def test_saved_kernels(tmp_path, kernels):
    path = tmp_path / "kernels.h5"
    kernels.save(path)
    again = kernels.load(path, kernels.parameters, kernels.identity)
    vectors = PARAMETERS_OF.vectors(eta_points(2))
    np.testing.assert_array_equal(again.per_lens(vectors), kernels.per_lens(vectors))
    assert again.support == kernels.support
    with pytest.raises(FormatError, match="other data or settings"):
        kernels.load(path, kernels.parameters, "0" * 64)


# -- refused ---------------------------------------------------------------------------------------


def test_a_pair_no_lens_can_make_is_named():
    data = LensData([7.0, 50.0], [-3.0, -1.0], 0.9, [23.5, 24.0], [24.3, 12.0], 11.5)
    with pytest.raises(ParameterError, match="index 1"):
        build_kernels(data)


# -- builds that are interrupted -------------------------------------------------------------------

BUILD = """
import sys
from clmassmod.population.kernels import build_kernels
from clmassmod.population.lens_data import LensData
from clmassmod.stronglens import MockGenerator
data = LensData.from_catalogue(MockGenerator().generate(40_000, seed=3))[:130]
build_kernels(data, tables=sys.argv[1])
"""


def test_a_killed_build_goes_on_to_the_same_bits(tmp_path):
    folder, blocks = tmp_path / "tables", ".kernels-*/lenses_*.h5"
    with subprocess.Popen([sys.executable, "-c", BUILD, str(folder)]) as process:
        deadline = time.monotonic() + 120.0
        while not list(folder.glob(blocks)) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    there = {path: path.stat().st_mtime_ns for path in folder.glob(blocks)}
    assert 0 < len(there) < 3
    data = LensData.from_catalogue(MockGenerator().generate(40_000, seed=3))[:130]
    first = next(iter(there))
    kept = first.read_bytes()
    first.write_bytes(kept[:-9])
    with pytest.raises(FormatError, match=r"truncated|damaged"):
        build_kernels(data, tables=folder)
    first.write_bytes(kept)
    resumed = build_kernels(data, tables=folder)
    assert [path.name for path in folder.glob("*") if path.suffix == ".h5"] == [
        f"kernels-{resumed.identity[:16]}.h5"
    ]
    assert not list(folder.glob(blocks))
    vectors = PARAMETERS_OF.vectors(eta_points(3))
    fresh = build_kernels(data)
    np.testing.assert_array_equal(resumed.per_lens(vectors), fresh.per_lens(vectors))
    again = build_kernels(data, tables=folder)  # read
    np.testing.assert_array_equal(again.per_lens(vectors), fresh.per_lens(vectors))
    assert again.root_hash == resumed.root_hash == fresh.root_hash
    assert build_kernels(data[:70], tables=folder).root_hash != fresh.root_hash
