"""Adaptive tables: the tolerance, the report, kinks, outputs, arguments."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from clmassmod.errors import AccuracyWarning, ParameterError
from clmassmod.table.builder import build_table
from clmassmod.table.nodes import BLOCK, NodeStore, first_ticks, halved, positions
from clmassmod.table.pool import Pool
from clmassmod.table.report import ErrorReport

UNIT4 = [(0.0, 1.0)] * 4


def waves(x):
    """Smooth, of unlike roughness along its axes."""
    return np.exp(-x[:, 0]) * np.sin(3.0 * x[:, 1]) + 1.0 / (1.0 + x[:, 2] ** 2 + 0.5 * x[:, 3])


def peak(x):
    """A narrow maximum off the centre."""
    centre = np.array([0.3, 0.6, 0.45, 0.7])
    width = np.array([0.2, 0.4, 0.3, 0.6])
    return np.exp(-0.5 * (((x - centre) / width) ** 2).sum(axis=1))


def ridge(x):
    """A ridge oblique to two of its axes."""
    return 1.0 / (1.0 + 9.0 * (x[:, 0] - 0.6 * x[:, 1]) ** 2) + 0.2 * x[:, 2] * np.cos(x[:, 3])


def fresh_errors(table, function, box, n=30_000, seed=77):
    """Errors at points that are independent of the build."""
    low, high = np.array(box, dtype=float).T
    x = low + (high - low) * np.random.default_rng(seed).random((n, len(low)))
    return np.abs(table(x) - function(x))


# -- the tolerance and the report ------------------------------------------------------------------


@pytest.mark.parametrize("function", [waves, peak, ridge])
@pytest.mark.parametrize("tol", [1e-3, 1e-4])
def test_reaches_the_tolerance(function, tol):
    table = build_table(function, UNIT4, tol, pool=2**13)
    report = table.error_report()
    assert report.converged
    assert report.reason == "tolerance"
    assert report.stop.p99 <= tol
    assert report.stop.p99_9 <= 5.0 * tol
    errors = fresh_errors(table, function, UNIT4)
    # the 99th percentile of 1600 points, 16 of them above it, scatters by 10 to 20 %
    assert 1 / 1.5 < report.final.p99 / np.quantile(errors, 0.99) < 1.5
    assert report.n_nodes == np.prod(table.shape)
    # a product grid of the 4-D peak at 1e-4; the others need far fewer
    assert report.n_nodes < 40_000


def test_fewer_nodes_than_a_uniform_grid():
    adaptive = build_table(ridge, UNIT4, 1e-3, pool=2**12).error_report()
    uniform = build_table(ridge, UNIT4, 1e-3, pool=2**12, method="uniform").error_report()
    assert uniform.converged
    assert 3 * adaptive.n_nodes < uniform.n_nodes


def test_knots_go_where_the_function_bends():
    def function(x):
        return np.tanh(20.0 * (x[:, 0] - 0.25)) + x[:, 1] ** 3

    table = build_table(function, [(0, 1), (0, 2)], 1e-5, pool=2**12)
    x, y = table.axes
    # a cubic needs no more than the knots of the start
    np.testing.assert_array_equal(y, np.linspace(0.0, 2.0, 5))
    steps = np.diff(x)
    assert steps[np.searchsorted(x, 0.25) - 1] < 0.1 * steps.max()
    assert x[0] == 0.0
    assert x[-1] == 1.0


def test_history_and_text():
    table = build_table(peak, UNIT4, 1e-3, pool=2**12)
    report = table.error_report()
    nodes = [step.n_nodes for step in report.history]
    assert nodes[0] == 5**4
    assert nodes == sorted(set(nodes))
    assert report.history[-1].stop_p99 == report.stop.p99
    assert {axis for step in report.history for axis in step.refined} == set(table.names)
    assert report.stop.n + report.drive.n + report.final.n == 2**12
    assert report.worst[0].error == max(report.drive.max, report.stop.max, report.final.max)
    point = np.array(report.worst[0].x)
    assert abs(table(point) - peak(point[None])[0]) == pytest.approx(report.worst[0].error)
    assert "final" in str(report)
    again = ErrorReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again == report


def test_several_outputs():
    def function(x):
        return np.stack([np.sin(x[:, 0]), x[:, 1] ** 4, np.exp(x[:, 0] * x[:, 1])], axis=1)

    table = build_table(function, {"a": (0, 2), "b": (0, 1)}, 1e-5, pool=2**12)
    assert table.names == ("a", "b")
    x = np.array([[0.3, 0.7], [1.9, 0.2]])
    np.testing.assert_allclose(table(x), function(x), atol=5e-5)
    report = table.error_report()
    assert max(report.final_p99_of_outputs) <= report.final.p99
    assert len(report.final_p99_of_outputs) == 3
    one = build_table(lambda x: function(x)[:, :1], [(0, 2), (0, 1)], 1e-4, pool=2**12)
    assert one(x).shape == (2, 1)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_every_number_of_axes(n):
    def function(x):
        return np.cos(x.sum(axis=1) / n)

    box = [(0.0, 1.0)] * n
    table = build_table(function, box, 1e-3, pool=2**10)
    assert table.error_report().converged
    assert np.quantile(fresh_errors(table, function, box, 2000), 0.99) < 1.5e-3


def test_linear_order():
    table = build_table(peak, UNIT4, 1e-2, pool=2**12, order="linear")
    assert table.order == "linear"
    assert table.error_report().converged


# -- kinks -----------------------------------------------------------------------------------------


def oblique_kink(x):
    """A kink along ``0.8 a + 0.6 b = 0.7``."""
    return np.abs(0.8 * x[:, 0] + 0.6 * x[:, 1] - 0.7) + np.sin(x[:, 2])


def test_an_oblique_kink_is_found():
    box = {"a": (0, 1), "b": (0, 1), "c": (0, 1)}
    with pytest.warns(AccuracyWarning, match="kink") as caught:
        table = build_table(oblique_kink, box, 1e-5, pool=2**13)
    report = table.error_report()
    assert not report.converged
    assert report.reason == "stalled"
    # it did not go on to the limit
    assert report.n_nodes < 100_000
    place = report.concentration
    np.testing.assert_allclose(place.normal, [0.8, 0.6, 0.0], atol=0.05)
    assert place.offset == pytest.approx(0.7, abs=0.02)
    assert place.thickness < 0.1
    assert "near the plane" in str(caught[0].message)


def test_a_kink_across_an_axis_is_followed():
    def function(x):
        return np.abs(x[:, 0] - 0.375) + x[:, 1] ** 2

    table = build_table(function, [(0, 1), (0, 1)], 1e-5, pool=2**12)
    assert table.error_report().converged
    steps = np.diff(table.axes[0])
    at = table.axes[0][np.argmin(steps)]
    assert abs(at - 0.375) < 0.02


def test_a_step_in_one_axis_names_the_slab():
    def function(x):
        return np.where(x[:, 1] > 0.3, 1.0, 0.0) + 0.1 * x[:, 0]

    with pytest.warns(AccuracyWarning) as caught:
        table = build_table(function, {"a": (0, 1), "b": (0, 1)}, 1e-6, pool=2**12, max_nodes=400)
    assert "concentrated for b within 0.3" in str(caught[0].message)
    slab = max(table.error_report().slabs, key=lambda one: one.share / one.width)
    assert slab.axis == "b"
    assert slab.low <= 0.3 + 1e-3
    assert slab.high >= 0.3 - 1e-3


@pytest.mark.parametrize("periods", [16, 50.3, 64])
def test_waves_finer_than_the_first_knots_are_resolved(periods):
    # those of 2^n periods vanish at every knot until there are more than 2 for each
    def waves_of(x):
        return np.sin(2.0 * np.pi * periods * x[:, 0])

    table = build_table(waves_of, [(0, 1)], 1e-4, pool=2**13)
    assert table.error_report().converged
    # a cubic needs some 20 knots for each period
    assert table.shape[0] < 25 * periods
    assert np.quantile(fresh_errors(table, waves_of, [(0, 1)]), 0.99) < 1.5e-4


@pytest.mark.parametrize("method", ["adaptive", "chebyshev", "greedy", "uniform"])
@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_the_unit_of_the_function_does_not_matter(method, unit):
    def function(x):
        return np.exp(-((x - 0.3) ** 2).sum(axis=1))

    def in_unit(x):
        return unit * function(x)

    box = [(0, 1), (0, 1)]
    plain = build_table(function, box, 1e-3, pool=2**10, method=method).error_report()
    report = build_table(in_unit, box, 1e-3 * unit, pool=2**10, method=method).error_report()
    assert (report.shape, report.n_evaluations) == (plain.shape, plain.n_evaluations)
    # rounding of 1, within the table
    np.testing.assert_allclose(report.final.p99 / unit, plain.final.p99, rtol=0, atol=1e-12)


def test_noise_ends_the_build():
    def function(x):
        # a fixed, but wild, function of the point
        return x[:, 0] + 1e-2 * np.modf(1e6 * np.sin(1e4 * x).sum(axis=1))[0]

    with pytest.warns(AccuracyWarning, match="noise"):
        table = build_table(function, [(0, 1), (0, 1)], 1e-5, pool=2**12)
    assert table.error_report().n_nodes < 5000


def test_the_limit_of_nodes():
    with pytest.warns(AccuracyWarning, match="number of nodes"):
        table = build_table(peak, UNIT4, 1e-6, pool=2**12, max_nodes=2000)
    assert table.error_report().reason == "nodes"
    assert np.prod(table.shape) <= 2000


# -- where the function runs -----------------------------------------------------------------------


def test_executors_give_the_same_table():
    here = build_table(peak, UNIT4, 1e-3, pool=2**10)
    with ThreadPoolExecutor(2) as executor:
        threads = build_table(peak, UNIT4, 1e-3, pool=2**10, executor=executor)
    np.testing.assert_array_equal(here.values, threads.values)
    assert here.error_report() == threads.error_report()


def test_processes():
    function = partial(np.linalg.norm, axis=1)
    box = [(1, 2), (1, 2)]
    here = build_table(function, box, 1e-3, pool=2**10)
    there = build_table(function, box, 1e-3, pool=2**10, executor=2)
    np.testing.assert_array_equal(here.values, there.values)


def test_the_bar(capsys):
    build_table(peak, UNIT4, 1e-2, pool=2**10, progress=True)
    assert "nodes" in capsys.readouterr().err


# -- the parts -------------------------------------------------------------------------------------


def test_splits_are_shares_of_the_pool_and_stay():
    pool = Pool.sample(np.array([[0.0, 1.0], [2.0, 3.0]]), 2**12, seed=4)
    rows = {name: pool.rows(name) for name in ("drive", "stop", "final")}
    assert np.array_equal(np.sort(np.concatenate(list(rows.values()))), np.arange(2**12))
    for name, share in (("drive", 0.6), ("stop", 0.2), ("final", 0.2)):
        # 5 standard deviations of a binomial
        assert abs(rows[name].size / 2**12 - share) < 5 * np.sqrt(share * (1 - share) / 2**12)
    larger = pool.doubled()
    np.testing.assert_array_equal(larger.u[: 2**12], pool.u)
    assert len(np.unique(larger.u, axis=0)) == 2**13
    for name, old in rows.items():
        new = larger.rows(name)
        np.testing.assert_array_equal(new[new < 2**12], old)


def test_a_larger_box_is_filled_with_the_same_density():
    box = np.array([[0.0, 1.0], [0.0, 1.0]])
    pool = Pool.sample(box, 2**12, seed=4)
    larger = pool.enlarged(np.array([[-0.5, 1.0], [0.0, 1.25]]))
    assert len(larger) == round(2**12 * 1.5 * 1.25)
    assert not ((larger.u[2**12 :] >= 0) & (larger.u[2**12 :] <= 1)).all(axis=1).any()
    # counts of equal cells of a low-discrepancy sequence
    counts, *_ = np.histogram2d(*larger.u.T, bins=[6, 5], range=[[-0.5, 1.0], [0.0, 1.25]])
    assert counts.max() < 1.1 * counts.min()


def test_neighbouring_slabs_differ_by_two_at_most():
    ticks = first_ticks()
    rng = np.random.default_rng(3)
    for _ in range(12):
        slabs = np.zeros(ticks.size - 1, dtype=bool)
        slabs[rng.integers(slabs.size)] = True
        finer = halved(ticks, slabs)
        assert np.isin(ticks, finer).all()
        ticks = finer
        widths = np.diff(ticks)
        assert (
            np.maximum(widths[1:], widths[:-1]) <= 2 * np.minimum(widths[1:], widths[:-1])
        ).all()


def test_edges_are_exact():
    ticks = first_ticks()
    for low, high in ((0.1, 0.7), (-3.3, 1e-3), (1e10, 1e10 + 3)):
        u = positions(ticks, low, high)
        assert u[0] == low
        assert u[-1] == high


def test_no_node_is_computed_twice():
    asked = []

    def function(u):
        asked.append(u)
        return u.sum(axis=1, keepdims=True)

    store = NodeStore(2, lambda axis, ticks: ticks / BLOCK, function)
    coarse = first_ticks()
    fine = halved(coarse, np.array([True, False, False, False]))
    for knots in ([coarse, coarse], [fine, coarse], [coarse, fine], [fine, fine]):
        values = store.values(knots)
        u = store.axes(knots)
        np.testing.assert_array_equal(values[..., 0], u[0][:, None] + u[1])
    points = np.concatenate(asked)
    assert len(points) == len(np.unique(points, axis=0)) == 36 == store.n_known


# -- arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("box.shape", {"box": [0, 1]}),
        ("box.shape", {"box": [(0, 1)] * 7}),
        ("box[0]", {"box": [(1, 0), (0, 1)]}),
        ("box[1]", {"box": [(0, 1), (0, np.inf)]}),
        ("box", {"box": "unit"}),
        ("names", {"names": ["a"]}),
        ("names", {"names": ["a", "a"]}),
        ("names", {"names": ["a", "b c"]}),
        ("names", {"box": {"a": (0, 1), "b": (0, 1)}, "names": ["a", "c"]}),
        ("tol", {"tol": 0.0}),
        ("tol", {"tol": [1e-3, 1e-4]}),
        ("tol", {"tol": "small"}),
        ("tol", {"tol": None}),
        ("tol", {"tol": np.inf}),
        ("box", {"box": [("0", "1"), ("0", "1")]}),
        ("box", {"box": [(0, 1), (0, 1, 2)]}),
        ("box", {"box": {"a": (0, 1), "b": 5}}),
        ("box[1]", {"box": [(0, 1), (1e6, 1e6 + 0.5)]}),
        ("names", {"names": "ab"}),
        ("method", {"method": "adaptiv"}),
        ("order", {"order": "quintic"}),
        ("pool", {"pool": 1000}),
        ("pool", {"pool": 2**7}),
        ("pool", {"pool": 2**21}),
        ("seed", {"seed": -1}),
        ("max_nodes", {"max_nodes": 2.5}),
        ("max_nodes", {"max_nodes": 10}),
        ("executor", {"executor": 0}),
        ("executor", {"executor": True}),
        ("map", {"map": {"x7": "log"}}),
        ("map[0]", {"map": ["logarithm", "linear"]}),
    ],
)
def test_wrong_arguments(name, options):
    given = {"box": [(0, 1), (0, 1)], "tol": 1e-3, "pool": 2**8, **options}
    with pytest.raises(ParameterError) as error:
        build_table(lambda x: x[:, 0], given.pop("box"), given.pop("tol"), **given)
    assert error.value.name == name


def test_what_is_no_function_is_refused():
    with pytest.raises(ParameterError, match="callable"):
        build_table(None, [(0, 1)], 1e-3, pool=2**8)


def test_a_function_may_write_into_its_points(tmp_path):
    def clean(x):
        return np.exp(-x[:, 0]) * x[:, 1]

    def untidy(x):
        value = clean(x)
        x[:] = np.nan
        return value

    options = {"tol": 1e-4, "pool": 2**8}
    expected = build_table(clean, [(0, 1), (0, 1)], **options)
    for _ in range(2):  # the second one goes on from the checkpoint of the first
        path = tmp_path / "build.npz"
        table = build_table(untidy, [(0, 1), (0, 1)], checkpoint=path, **options)
        np.testing.assert_array_equal(table.values, expected.values)
        assert table.error_report() == expected.error_report()


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: np.where(x[:, 0] > 0.9, np.nan, 1.0), r"func\(a=0\.9\d+, b=0\.\d+\) = nan"),
        (lambda x: np.where(x[:, 0] > 0.9, np.inf, 1.0), r"func\(a=0\.9\d+, b=0\.\d+\) = inf"),
        (lambda x: x[:3, 0], "func"),
        (lambda x: 1.0, "func"),
        (lambda x: x[:, 0] + 1j, "complex"),
        (lambda x: x[:, :0], "func"),
        (lambda x: x[:, :, None], "func"),
    ],
)
def test_wrong_values_are_refused(function, text):
    with pytest.raises(ParameterError, match=text):
        build_table(function, {"a": (0, 1), "b": (0, 1)}, 1e-3, pool=2**8)
