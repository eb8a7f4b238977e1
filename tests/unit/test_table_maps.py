"""Coordinate maps: there and back, derivatives, files, and a kink that a map removes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from clmassmod.errors import ParameterError
from clmassmod.table.builder import build_table
from clmassmod.table.extension import extend_table
from clmassmod.table.interpolator import Table
from clmassmod.table.maps import CoordinateMap, RatioMap
from clmassmod.table.report import AccuracyWarning

NAMES = ("a", "b", "z")


def edge(a, b):
    """The largest z, where the function has its kink."""
    return np.exp(0.5 * a) * (1.0 + 0.3 * b)


def cusp(x):
    """A square root of the distance to the edge, and 0 beyond it."""
    a, b, z = x.T
    return np.sqrt(np.maximum(1.0 - z / edge(a, b), 0.0)) * (1.0 + 0.3 * np.sin(a + z))


@pytest.fixture(scope="module")
def scale_table():
    a, b = np.linspace(0.0, 1.0, 5), np.linspace(0.0, 2.0, 41)
    return Table.from_grid([a, b], np.log10(edge(a[:, None], b)), names=["a", "b"])


@pytest.fixture(scope="module")
def ratio(scale_table):
    return RatioMap("z", scale_table, 0.5, log_scale=True)


@pytest.fixture
def points():
    rng = np.random.default_rng(8)
    a, b = rng.random((2, 500)) * [[1.0], [2.0]]
    # to within 1e-6 of the edge
    rest = np.append(rng.random(250), 10.0 ** (-6.0 * rng.random(250)))
    return np.stack([a, b, (1.0 - rest) * edge(a, b)], axis=1)


def test_there_and_back(ratio, points):
    mapped = CoordinateMap.of({"a": "sqrt", "z": ratio}, 3, NAMES)
    u = mapped.forward(points)
    np.testing.assert_allclose(u[:, 0], np.sqrt(points[:, 0]), rtol=1e-15)
    np.testing.assert_array_equal(u[:, 1], points[:, 1])
    # the spline of the edge is good to 3e-8: u^2 is off by as much
    expected = 1.0 - points[:, 2] / edge(points[:, 0], points[:, 1])
    np.testing.assert_allclose(u[:, 2] ** 2, expected, atol=1e-7)
    np.testing.assert_allclose(mapped.inverse(u), points, rtol=1e-13)
    logarithm = CoordinateMap.of(["linear", "linear", "log"], 3)
    np.testing.assert_allclose(logarithm.forward(points)[:, 2], np.log10(points[:, 2]))
    np.testing.assert_allclose(logarithm.inverse(logarithm.forward(points)), points, rtol=1e-13)


def test_at_the_edge_and_beyond(ratio):
    assert ratio.ratio_to_u(1.0) == 0.0
    assert ratio.ratio_to_u(1.0 + 4e-16) == 0.0
    assert ratio.ratio_to_u(0.0) == 1.0
    assert ratio.ratio_to_u(1.25) == -0.5
    assert ratio.u_to_ratio(-0.5) == 1.25
    outside = CoordinateMap.of(ratio, 3, NAMES).forward([[3.0, 1.0, 0.5]])
    assert np.isnan(outside[0, 2])


def test_derivatives(ratio, points):
    mapped = CoordinateMap.of({"a": "log", "b": "sqrt", "z": ratio}, 3, NAMES)
    # away from the edges, where differences are good
    x = points[:250]
    x = x[(x[:, 0] > 0.05) & (x[:, 1] > 0.05) & (mapped.forward(x)[:, 2] > 0.2)]

    def function(x):
        u = mapped.forward(x)
        return np.stack([u[:, 0] * u[:, 2], u[:, 1] + u[:, 2] ** 2], axis=1)

    u = mapped.forward(x)
    zero, one = np.zeros(len(x)), np.ones(len(x))
    by_u = np.stack(
        [np.stack([u[:, 2], zero, u[:, 0]], 1), np.stack([zero, one, 2.0 * u[:, 2]], 1)], axis=1
    )
    h = 1e-5
    differences = [(function(x + h * d) - function(x - h * d)) / (2.0 * h) for d in np.eye(3)]
    # error of a central difference: h^2 f''' / 6
    np.testing.assert_allclose(mapped.chain(x, by_u), np.stack(differences, -1), atol=1e-6)
    np.testing.assert_array_equal(mapped.chain(x, by_u[:, 0]), mapped.chain(x, by_u)[:, 0])


def test_files(ratio, points):
    mapped = CoordinateMap.of({"a": "sqrt", "z": ratio}, 3, NAMES)
    again = CoordinateMap.from_dict(mapped.to_dict())
    np.testing.assert_array_equal(again.forward(points), mapped.forward(points))
    text = json.dumps(mapped.to_dict(), default=lambda array: array.tolist())
    again = CoordinateMap.from_dict(json.loads(text))
    np.testing.assert_array_equal(again.forward(points), mapped.forward(points))


def test_a_map_removes_the_kink(ratio):
    raw = {"a": (0, 1), "b": (0, 2), "z": (0, 2)}
    with pytest.warns(AccuracyWarning, match="kink"):
        plain = build_table(cusp, raw, 1e-4, pool=2**13)
    assert plain.error_report().reason == "stalled"
    with pytest.warns(AccuracyWarning):
        even = build_table(cusp, raw, 1e-4, pool=2**13, method="uniform", max_nodes=30_000)
    box = {"a": (0, 1), "b": (0, 2), "z": (0, 1)}
    mapped = build_table(cusp, box, 1e-4, pool=2**13, map=ratio)
    report = mapped.error_report()
    assert report.converged
    unmapped = even.error_report()
    assert unmapped.final.p99 > 100.0 * report.final.p99
    assert unmapped.n_nodes > 5 * report.n_nodes
    rng = np.random.default_rng(6)
    a, b = rng.random((2, 30_000)) * [[1.0], [2.0]]
    x = np.stack([a, b, (1.0 - rng.random(30_000) ** 2) * edge(a, b)], axis=1)
    errors = np.abs(mapped(x) - cusp(x))
    assert 1 / 1.5 < report.final.p99 / np.quantile(errors, 0.99) < 1.5
    # close to the edge, where points uniform in u are few
    x[:, 2] = (1.0 - 10.0 ** (-3.0 - 3.0 * rng.random(30_000))) * edge(a, b)
    assert np.quantile(np.abs(mapped(x, oob="clip") - cusp(x)), 0.99) < 5e-4


def test_derivatives_of_a_mapped_table(ratio):
    box = {"a": (0, 1), "b": (0, 2), "z": (0, 1)}
    table = build_table(cusp, box, 1e-5, pool=2**12, map={"b": "linear", "z": ratio})
    x = np.array([[0.4, 1.1, 0.7], [0.7, 0.2, 1.0]])
    value, gradient = table.value_and_grad(x)
    np.testing.assert_array_equal(value, table(x))
    h = 1e-6
    differences = [(table(x + h * d) - table(x - h * d)) / (2.0 * h) for d in np.eye(3)]
    np.testing.assert_allclose(gradient, np.stack(differences, -1), atol=1e-7)


def test_logarithms_straighten_powers():
    def function(x):
        return np.log10(x[:, 0]) ** 3 * x[:, 1]

    box = [(1e-3, 1e3), (0, 1)]
    table = build_table(function, box, 1e-8, pool=2**10, map={0: "log"})
    # a cubic in log x: the first knots are enough
    assert table.shape == (5, 5)
    assert table([1e3, 1.0]) == pytest.approx(27.0, abs=1e-10)
    larger = extend_table(table, box=[(1e-3, 1e4), (0, 1)])
    # blocks of a decade and a half
    assert larger([10**4.4, 1.0]) == pytest.approx(4.4**3, abs=1e-9)


def test_a_box_beyond_the_domain_is_refused(ratio):
    box = {"a": (0, 1), "b": (0, 2), "z": (0, 0.9)}
    table = build_table(cusp, box, 1e-2, pool=2**10, map=ratio)
    with pytest.raises(ParameterError, match="domain"):
        extend_table(table, box={"a": (0, 1.2), "b": (0, 2), "z": (0, 0.9)})
    for wrong in ({**box, "z": (0, 1.1)}, {**box, "z": (-0.1, 1)}):
        with pytest.raises(ParameterError, match="x_max"):
            build_table(cusp, wrong, 1e-2, pool=2**10, map=ratio)
    with pytest.raises(ParameterError, match="log"):
        build_table(cusp, {**box, "a": (0, 1)}, 1e-2, pool=2**10, map={"a": "log"})


def test_wrong_maps(ratio, scale_table):
    for wrong in (
        "log",
        ["linear"],
        {"q": "log"},
        {3: "log"},
        {True: "log"},
        {"a": "cube"},
        {"a": ratio},
        {"z": ratio, "b": RatioMap("b", scale_table)},
        CoordinateMap(["linear"] * 2),
    ):
        with pytest.raises(ParameterError):
            CoordinateMap.of(wrong, 3, NAMES)
    with pytest.raises(ParameterError):
        CoordinateMap.of({"z": RatioMap("z", scale_table)}, 4, (*NAMES, "y"))
    with pytest.raises(ParameterError):
        CoordinateMap(["linear", "linear", "log"], ratio, NAMES)
    for power in (0.0, -1.0, np.nan, [0.5]):
        with pytest.raises(ParameterError, match="power"):
            RatioMap("z", scale_table, power)
    with pytest.raises(ParameterError, match="scale_table"):
        RatioMap("z", edge)
