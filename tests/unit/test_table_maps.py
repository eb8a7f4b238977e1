"""Coordinate maps: there and back, derivatives, files, and a kink that a map removes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from clmassmod.errors import AccuracyWarning, ParameterError
from clmassmod.table.builder import build_table
from clmassmod.table.extension import extend_table
from clmassmod.table.interpolator import Table
from clmassmod.table.maps import CoordinateMap, RatioMap

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
    assert ratio.ratio_to_u(1.0 + 9e-13) == 0.0
    assert ratio.ratio_to_u(1.0 + 4e-12) < 0.0
    assert ratio.ratio_to_u(0.0) == 1.0
    assert ratio.ratio_to_u(1.25) == -0.5
    assert ratio.u_to_ratio(-0.5) == 1.25
    mapped = CoordinateMap.of({"z": ratio, "a": "log"}, 3, NAMES)
    x = [[3.0, 1.0, 0.5], [-1.0, 1.0, 0.5], [np.nan, 1.0, 0.5], [0.5, 1.0, np.nan]]
    u = mapped.forward(x)
    assert u[0, 2] == u[1, 2] == u[1, 0] == -np.inf
    np.testing.assert_array_equal(np.isnan(u[2:]).any(axis=1), True)
    # the nearest point of the scale table has a = 1
    assert mapped.forward(x, "clip")[0, 2] == mapped.forward([1.0, 1.0, 0.5])[2]


@pytest.fixture(scope="module")
def mapped_table(ratio):
    def function(x):
        return np.stack([x[:, 0] + cusp(x), x[:, 1] ** 2], axis=1)

    box = {"a": (0.1, 1), "b": (0, 2), "z": (0, 1)}
    return build_table(function, box, 1e-4, pool=2**12, map={"a": "log", "z": ratio})


OUTSIDE = [
    # beyond the table that holds x_max, which has no z there
    ([0.5, 2.5, 0.3], "b", "between 0 and 2"),
    ([1.5, 1.0, 0.3], "a", "and 1 "),
    # no logarithm
    ([0.0, 1.0, 0.3], "a", "between 0.1"),
    ([-1.0, 1.0, 0.3], "a", "between 0.1"),
    ([0.5, 1.0, 1.7], "z", "between 0 and 1.669"),
    ([0.5, 1.0, -0.1], "z", "between 0 and 1.669"),
]


@pytest.mark.parametrize(("point", "name", "allowed"), OUTSIDE)
def test_points_outside_of_a_mapped_table(mapped_table, point, name, allowed):
    inside = [0.5, 1.0, 0.3]
    x = np.array([inside, point, inside, point])
    assert mapped_table.in_domain(x).tolist() == [True, False, True, False]
    for call in (mapped_table, mapped_table.value_and_grad):
        with pytest.raises(ParameterError, match="point 1") as caught:
            call(x)
        assert caught.value.name == name
        assert caught.value.value == point[NAMES.index(name)]
        assert allowed in caught.value.allowed
    np.testing.assert_array_equal(np.isnan(mapped_table(x, oob="nan")[:, 0]), [0, 1, 0, 1])
    value, gradient = mapped_table.value_and_grad(x, oob="clip")
    # the nearest point in u, with the x_max of the nearest point of the scale table
    a, b, z = point
    rest = 1.0 - z / edge(np.clip(a, 0.0, 1.0), np.clip(b, 0.0, 2.0))
    u = [np.log10(max(a, 1e-9)), b, np.copysign(np.sqrt(np.abs(rest)), rest)]
    near = np.clip(u, *mapped_table.box.T)
    # the scale table is good to 3e-8, of which u has the square root
    np.testing.assert_allclose(value[1], mapped_table.with_map(None)(near), rtol=0, atol=3e-4)
    if name != "a" or not 0.0 <= a <= 1.0:  # there x_max, and z as a part of it, still change
        assert np.all(gradient[1][:, NAMES.index(name)] == 0.0)


def test_a_nan_stays_its_own_row_under_a_map(mapped_table):
    x = np.array([[0.5, 1.0, 0.3], [np.nan, 1.0, 0.3], [0.5, np.nan, 0.3], [0.5, 1.0, np.nan]])
    for oob in ("raise", "nan", "clip", "linear"):
        found, slope = mapped_table.value_and_grad(x, oob=oob)
        np.testing.assert_array_equal(np.isnan(found[:, 0]), [False, True, True, True])
        assert np.isnan(slope[1:]).all(axis=(1, 2)).all()
        assert np.isfinite(slope[0]).all()


def test_linear_continuation_under_a_map(mapped_table):
    x = np.array([[0.5, 2.2, 0.3], [-1.0, 1.0, 0.3], [0.5, 1.0, 1.9]])
    value = mapped_table(x, oob="linear")
    # a logarithm of -1 has no continuation
    np.testing.assert_array_equal(np.isnan(value[:, 0]), [False, True, False])
    # second differences of a line, along b, whose second output has no part of x_max
    line = mapped_table([[0.5, 2.0 + i, 0.3] for i in range(1, 4)], oob="linear")[:, 1]
    np.testing.assert_allclose(line, [8.0, 12.0, 16.0], rtol=1e-9)


def test_points_as_close_to_the_edge_as_its_accuracy_are_at_it():
    def log_edge(x):
        return np.log10(edge(x[:, 0], x[:, 1]))

    box = {"a": (0, 1), "b": (0, 2)}
    scale = build_table(log_edge, box, 1e-6, pool=2**10)
    known = scale.error_report()
    largest = max(known.drive.max, known.stop.max, known.final.max)
    ratio = RatioMap("z", scale, log_scale=True)
    assert ratio.slack == pytest.approx(5.0 * np.log(10.0) * largest, rel=1e-3)
    table = build_table(cusp, {**box, "z": (0, 1)}, 1e-3, pool=2**11, map=ratio)
    rng = np.random.default_rng(5)
    a, b = rng.random((2, 20_000)) * [[1.0], [2.0]]
    rest = 10.0 ** (-9.0 + 6.0 * rng.random(20_000))
    x = np.stack([a, b, edge(a, b) * (1.0 - rest)], axis=1)
    # some are beyond the edge of the table, and are taken for what they are
    assert np.count_nonzero(x[:, 2] > ratio.scale(x[:, :2])) > 100
    assert np.all(table.in_domain(x))
    np.testing.assert_allclose(table(x), cusp(x), rtol=0, atol=5e-3)
    x[:, 2] = edge(a, b) * (1.0 + 2.0 * ratio.slack)
    assert not np.any(table.in_domain(x))
    again = CoordinateMap.from_dict(table.coordinate_map.to_dict())
    assert again.ratio.slack == ratio.slack
    strict = RatioMap("z", scale, log_scale=True, slack=0.0)
    assert strict.ratio_to_u(1.0 + 1e-15) < 0.0


def test_the_way_there_and_back_ends_inside(mapped_table):
    """Points that a map puts at the very edge are inside, whatever the rounding."""
    rng = np.random.default_rng(11)
    low, high = mapped_table.box.T
    u = low + (high - low) * rng.integers(0, 2, (5000, 3))
    free = rng.random((5000, 3)) < 0.5
    u = np.where(free, low + (high - low) * rng.random((5000, 3)), u)
    assert np.all(mapped_table.in_domain(mapped_table.coordinate_map.inverse(u)))


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


@pytest.mark.parametrize("transform", ["log", "sqrt"])
def test_rounding_takes_no_point_beyond_the_box(transform):
    # 10^log10(x) and sqrt(x)^2 are not x: about half of the edges end on the other side
    for low, width in np.random.default_rng(4).uniform(0.1, 5.0, (20, 2)):
        high = low + width

        def function(x, low=low, high=high):
            assert x[:, 0].min() >= low
            assert x[:, 0].max() <= high
            return x[:, 0] + x[:, 1]

        box = [(low, high), (0.0, 1.0)]
        table = Table.build(function, box, tol=1e-2, pool=2**8, map={0: transform})
        edges = np.array([[low, 0.5], [high, 0.5]])
        assert np.isfinite(table(edges)).all()
    # 0 has a square root of its own, and no number below it
    origin = CoordinateMap(["sqrt"]).inverse([[0.0], [2.0]], np.array([[0.0, 2.0]]))
    np.testing.assert_array_equal(origin, [[0.0], [4.0]])


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
        {"z": ratio, "b": RatioMap("b", scale_table, log_scale=True)},
        CoordinateMap(["linear"] * 2),
    ):
        with pytest.raises(ParameterError):
            CoordinateMap.of(wrong, 3, NAMES)
    with pytest.raises(ParameterError):
        CoordinateMap.of({"z": RatioMap("z", scale_table, log_scale=True)}, 4, (*NAMES, "y"))
    with pytest.raises(ParameterError):
        CoordinateMap(["linear", "linear", "log"], ratio, NAMES)
    for slack in (-1e-3, 1.0, np.nan, [0.1]):
        with pytest.raises(ParameterError, match="slack"):
            RatioMap("z", scale_table, log_scale=True, slack=slack)
    for power in (0.0, -1.0, np.nan, [0.5]):
        with pytest.raises(ParameterError, match="power"):
            RatioMap("z", scale_table, power, log_scale=True)
    with pytest.raises(ParameterError, match="scale_table"):
        RatioMap("z", edge)
    # log10 of the edge, taken for the edge itself
    low = Table.from_grid([np.arange(4.0)], np.arange(-1.0, 3.0))
    with pytest.raises(ParameterError, match="log_scale=True"):
        RatioMap("z", low)
    with pytest.raises(ParameterError, match="map of 2 axes"):
        low.with_map(CoordinateMap(["linear"] * 2))
    with pytest.raises(ParameterError, match="domain"):
        build_table(cusp, {"a": (0, 2), "b": (0, 2), "z": (0, 1)}, map=ratio)
