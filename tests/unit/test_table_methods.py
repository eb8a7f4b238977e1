"""Greedy and Chebyshev tables, and error against nodes of all methods."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from clmassmod.errors import AccuracyWarning, ParameterError
from clmassmod.table.builder import build_table
from clmassmod.table.chebyshev import Polynomial
from clmassmod.table.greedy import KernelTable, kernel_scales, matern

BOX = {"a": (0.0, 1.0), "b": (0.0, 2.0), "c": (1.0, 2.0)}


def smooth(x):
    """An analytic function."""
    return np.exp(-x[:, 0] * x[:, 1]) / x[:, 2] + np.sin(2.0 * x[:, 1])


def fresh(n, seed=5):
    """Points of BOX."""
    low, high = np.array(list(BOX.values())).T
    return low + (high - low) * np.random.default_rng(seed).random((n, 3))


# -- Chebyshev -------------------------------------------------------------------------------------


def test_chebyshev_needs_far_fewer_values():
    asked = []

    def function(x):
        asked.append(len(x))
        return smooth(x)

    options = {"tol": 1e-6, "pool": 2**10}
    table = build_table(function, BOX, method="chebyshev", **options)
    report = table.error_report()
    assert report.converged
    n = sum(asked)
    assert report.n_evaluations == n
    errors = np.abs(table(fresh(30_000)) - smooth(fresh(30_000)))
    assert np.quantile(errors, 0.99) < 1.5e-6
    adaptive = build_table(smooth, BOX, **options).error_report()
    # measured: 9 times fewer at 1e-6, more than 10 at 1e-7
    assert 6 * (n - 2**10) < adaptive.n_evaluations - 2**10
    # the cubic table that is kept is as fine as the adaptive one
    assert report.n_nodes < 2 * adaptive.n_nodes


def test_a_polynomial_is_itself():
    rng = np.random.default_rng(1)
    box = np.array([[0.0, 2.0], [-1.0, 3.0], [5.0, 6.0]])
    coefficients = rng.normal(size=(5, 3, 4, 2))
    u = box[:, 0] + np.diff(box)[:, 0] * rng.random((700, 3))
    # the knots increase with the angle: T_k(-z)
    z = -(2.0 * u - box.sum(axis=1)) / np.diff(box)[:, 0]
    for k in range(2):
        expected = np.polynomial.chebyshev.chebval3d(*z[:400].T, coefficients[..., k])
        value = Polynomial(box, coefficients)(u)[:400, k]
        np.testing.assert_allclose(value, expected, atol=1e-12)


def test_chebyshev_with_outputs_and_limits():
    def function(x):
        return np.stack([smooth(x), x[:, 0] ** 3], axis=1)

    table = build_table(function, BOX, 1e-4, method="chebyshev", pool=2**10)
    np.testing.assert_allclose(table(fresh(9)), function(fresh(9)), atol=5e-4)

    def rough(x):
        return np.abs(x[:, 0] + x[:, 1] - 1.0)

    with pytest.warns(AccuracyWarning):
        table = build_table(rough, BOX, 1e-6, method="chebyshev", pool=2**10, max_nodes=3000)
    assert table.error_report().n_evaluations <= 2**10 + 3000


# -- greedy ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def greedy():
    return build_table(smooth, BOX, 1e-3, method="greedy", pool=2**11)


def test_greedy_reaches_the_tolerance(greedy):
    report = greedy.error_report()
    assert report.converged
    assert isinstance(greedy, KernelTable)
    # a part of the sample only
    assert report.n_nodes == len(greedy.centres) < 0.3 * report.drive.n
    assert report.n_evaluations == 2**11
    errors = np.abs(greedy(fresh(30_000)) - smooth(fresh(30_000)))
    assert 1 / 1.5 < report.final.p99 / np.quantile(errors, 0.99) < 1.5


def test_greedy_equals_the_direct_solution(greedy):
    """The Newton basis gives what solving with the kernel matrix gives."""
    table = greedy
    scaled = table.centres / table._scales
    low, high = np.array(list(BOX.values())).T
    rest = smooth(low + (high - low) * table.centres)
    n = 3
    terms = [np.ones(len(rest)), *table.centres.T]
    terms += [table.centres[:, i] * table.centres[:, j] for i in range(n) for j in range(i + 1)]
    rest = rest - np.stack(terms, axis=1) @ table._trend[:, 0]
    direct = np.linalg.solve(matern(scaled, scaled) + table.noise * np.eye(len(rest)), rest)
    other = (fresh(100) - low) / (high - low) / table._scales
    kernel = matern(other, scaled)
    difference = kernel @ table._coefficients[:, 0] - kernel @ direct
    # rounding times the condition of the matrix, 1e8
    assert np.abs(difference).max() < 1e-8
    # the centres are met, up to the noise
    x = low + (high - low) * table.centres
    left = smooth(x) - table(x)
    np.testing.assert_allclose(left, table.noise * table._coefficients[:, 0], atol=1e-8)
    assert np.abs(left).max() < 2e-4


def test_greedy_spreads_its_centres(greedy):
    """P-greedy centres are far from each other: more so than the sample itself."""

    def nearest(points):
        distance = np.linalg.norm(points[:, None] - points, axis=-1)
        np.fill_diagonal(distance, np.inf)
        return distance.min()

    scaled = greedy.centres / greedy._scales
    m = len(scaled)
    sample = np.random.default_rng(2).random((m, 3)) / greedy._scales
    assert nearest(scaled) > 2.0 * nearest(sample)


def test_greedy_derivatives(greedy):
    x = fresh(50)
    value, gradient = greedy.value_and_grad(x)
    np.testing.assert_array_equal(value, greedy(x))
    h = 1e-4
    inside = np.clip(x, np.array([0, 0, 1]) + h, np.array([1, 2, 2]) - h)
    _, gradient = greedy.value_and_grad(inside)
    differences = [(greedy(inside + h * d) - greedy(inside - h * d)) / (2.0 * h) for d in np.eye(3)]
    # h^2 times third derivatives, of 1 / scale^3
    np.testing.assert_allclose(gradient, np.stack(differences, -1), atol=1e-5)


def test_greedy_outside_and_files(greedy):
    x = np.array([[0.5, 1.0, 1.5], [0.5, 1.0, 2.5]])
    assert greedy.in_domain(x).tolist() == [True, False]
    with pytest.raises(ParameterError, match="box of the table"):
        greedy(x)
    assert np.isnan(greedy(x, oob="nan")).tolist() == [False, True]
    assert greedy(x, oob="clip")[1] == greedy([0.5, 1.0, 2.0])
    assert np.isnan(greedy([np.nan, 1.0, 1.5]))
    # what does not change beyond the edge has no slope there
    _, slope = greedy.value_and_grad(x, oob="clip")
    _, at_edge = greedy.value_and_grad([0.5, 1.0, 2.0])
    np.testing.assert_array_equal(slope[1], [at_edge[0], at_edge[1], 0.0])
    mapped = build_table(smooth, BOX, 0.1, method="greedy", pool=2**8, map={"c": "log"})
    lost = [[0.5, 1.0, 1.5], [0.5, 1.0, -1.0]]
    with pytest.raises(ParameterError, match=r"x\[1\]"):
        mapped(lost)
    assert np.isnan(mapped(lost, oob="nan")).tolist() == [False, True]
    assert mapped(lost, oob="clip")[1] == mapped([0.5, 1.0, 1.0])
    assert mapped.in_domain(lost).tolist() == [True, False]
    assert greedy(np.zeros((0, 3))).shape == (0,)
    with pytest.raises(ParameterError, match="oob"):
        greedy(x, oob="extrapolate")
    with pytest.raises(ParameterError, match=r"x\.shape"):
        greedy([1.0, 2.0])
    for other in (
        KernelTable.from_content(greedy.to_content()),
        pickle.loads(pickle.dumps(greedy)),
    ):
        np.testing.assert_array_equal(other(fresh(20)), greedy(fresh(20)))


def test_greedy_averages_noise():
    def noisy(x):
        # as a Monte-Carlo estimate has: it depends on the point, and wildly
        noise = np.sin(1e5 * x @ np.array([1.3, 2.7, 3.1])) * np.sqrt(2.0)
        return smooth(x) + 0.02 * noise

    table = build_table(noisy, BOX, 0.06, method="greedy", pool=2**11)
    assert table.error_report().converged
    with pytest.warns(AccuracyWarning):
        more = build_table(noisy, BOX, 0.01, method="greedy", pool=2**11, max_nodes=1000)
    errors = more(fresh(2000)) - smooth(fresh(2000))
    # closer to the function than the values it was given
    assert np.sqrt(np.mean(errors**2)) < 0.5 * 0.02


def test_scales_follow_the_function():
    rng = np.random.default_rng(4)
    unit = rng.random((300, 3))
    target = np.sin(9.0 * unit[:, 0]) + 0.3 * unit[:, 1] ** 2
    scales, noise = kernel_scales(unit, target[:, None])
    assert scales[0] < 0.3 * scales[1] < 0.5 * scales[2]
    assert noise < 1e-6
    scales, noise = kernel_scales(unit, (target + rng.normal(0.0, 0.2, 300))[:, None])
    # 0.04 over the square of the amplitude
    assert 0.005 < noise < 0.3
    constant, _ = kernel_scales(unit, np.zeros((300, 1)))
    assert np.all(constant == 1.0)


def test_greedy_in_six_dimensions_with_outputs():
    def function(x):
        radius = x.sum(axis=1) / 6.0
        return np.stack([np.cos(2.0 * radius), radius**2], axis=1)

    table = build_table(function, [(0, 1)] * 6, 3e-3, method="greedy", pool=2**11)
    assert table.error_report().converged
    x = np.random.default_rng(3).random((4, 5, 6))
    assert table(x).shape == (4, 5, 2)
    value, gradient = table.value_and_grad(x)
    assert gradient.shape == (4, 5, 2, 6)
    np.testing.assert_allclose(value.reshape(-1, 2), function(x.reshape(-1, 6)), atol=0.015)


# -- comparison ------------------------------------------------------------------------------------


def test_pickled_tables_forget_their_function():
    table = build_table(lambda x: 1.0 * smooth(x), BOX, 1e-2, pool=2**8)
    other = pickle.loads(pickle.dumps(table))
    np.testing.assert_array_equal(other(fresh(20)), table(fresh(20)))
    assert other.error_report() == table.error_report()
    with pytest.raises(ParameterError, match="made by Table"):
        other.extend(tol=1e-3)
