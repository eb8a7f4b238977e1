"""Builds that are killed and continue, and tables that are extended."""

from __future__ import annotations

import numpy as np
import pytest

from clmassmod.errors import AccuracyWarning, FormatError, ParameterError
from clmassmod.table.builder import build_table
from clmassmod.table.extension import extend_table

BOX = {"a": (0.0, 1.0), "b": (0.0, 2.0), "c": (1.0, 2.0)}


class Counted:
    """A function that counts its points, and may be stopped after some of them."""

    def __init__(self, limit=10**9, factor=1.0):
        self.points = []
        self.limit = limit
        self.factor = factor

    def __call__(self, x):
        if self.n + len(x) > self.limit:
            raise KeyboardInterrupt
        self.points.append(np.array(x))
        value = np.exp(-x[:, 0] * x[:, 1]) / x[:, 2] + np.sin(4.0 * x[:, 1])
        return self.factor * value

    @property
    def n(self):
        return sum(len(x) for x in self.points)


def same(a, b):
    """Whether two tables, and their reports, are identical."""
    for one, other in zip(a.axes, b.axes, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(a.values, b.values)
    return a.error_report() == b.error_report()


OPTIONS = {"tol": 1e-4, "pool": 2**10, "seed": 3}


@pytest.mark.parametrize("method", ["adaptive", "chebyshev", "uniform"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.75, 0.9])
def test_a_killed_build_continues(tmp_path, method, part):
    whole = Counted()
    expected = build_table(whole, BOX, method=method, **OPTIONS)
    path = tmp_path / "build.npz"
    first = Counted(limit=int(part * whole.n))
    with pytest.raises(KeyboardInterrupt):
        build_table(first, BOX, method=method, checkpoint=path, **OPTIONS)
    second = Counted()
    table = build_table(second, BOX, method=method, checkpoint=path, **OPTIONS)
    assert same(table, expected)
    # all that was computed is used, but for the points that test whether it is the same function
    assert first.n + second.n <= whole.n + 8
    third = Counted()
    assert same(build_table(third, BOX, method=method, checkpoint=path, **OPTIONS), expected)
    assert third.n <= 8


def test_killed_twice(tmp_path):
    whole = Counted()
    expected = build_table(whole, BOX, **OPTIONS)
    path = tmp_path / "build.npz"
    for limit in (1100, 300, 9):
        with pytest.raises(KeyboardInterrupt):
            build_table(Counted(limit), BOX, checkpoint=path, **OPTIONS)
    assert same(build_table(Counted(), BOX, checkpoint=path, **OPTIONS), expected)


def test_killed_greedy(tmp_path):
    options = {**OPTIONS, "tol": 1e-2, "method": "greedy"}
    expected = build_table(Counted(), BOX, **options)
    path = tmp_path / "build.npz"
    build_table(Counted(), BOX, checkpoint=path, **options)
    again = Counted()
    table = build_table(again, BOX, checkpoint=path, **options)
    np.testing.assert_array_equal(table.centres, expected.centres)
    assert table.error_report() == expected.error_report()
    assert again.n == 8


@pytest.mark.parametrize(
    "change",
    [
        {"tol": 1e-3},
        {"seed": 4},
        {"pool": 2**11},
        {"method": "uniform"},
        {"max_nodes": 1000},
        {"order": "linear"},
        {"map": {"c": "log"}},
        {"box": {**BOX, "c": (1.0, 3.0)}},
        {"names": ("b", "a", "c")},
    ],
)
def test_the_checkpoint_of_another_build_is_refused(tmp_path, change):
    path = tmp_path / "build.npz"
    build_table(Counted(), BOX, checkpoint=path, **OPTIONS)
    before = path.read_bytes()
    options = {"box": BOX, **OPTIONS, **change}
    with pytest.raises(ParameterError, match="same arguments"):
        build_table(Counted(), options.pop("box"), checkpoint=path, **options)
    assert path.read_bytes() == before


def test_the_checkpoint_of_a_changed_function_is_refused(tmp_path):
    path = tmp_path / "build.npz"
    build_table(Counted(), BOX, checkpoint=path, **OPTIONS)
    with pytest.raises(ParameterError, match="same function"):
        build_table(Counted(factor=1.01), BOX, checkpoint=path, **OPTIONS)


def test_damaged_checkpoints_are_refused(tmp_path):
    path = tmp_path / "build.npz"
    build_table(Counted(), BOX, checkpoint=path, **OPTIONS)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 4
    for content in (b"", b"no archive", whole[: len(whole) // 2], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(FormatError):
            build_table(Counted(), BOX, checkpoint=path, **OPTIONS)


# -- extension -------------------------------------------------------------------------------------


def distinct(*functions):
    """Whether no point was evaluated twice."""
    points = np.concatenate([x for function in functions for x in function.points])
    return len(np.unique(points, axis=0)) == len(points)


def test_a_smaller_tolerance_keeps_what_is_known():
    function = Counted()
    table = build_table(function, BOX, 1e-3, pool=2**11)
    old = table.values.copy(), table.error_report()
    n = function.n
    finer = extend_table(table, tol=1e-5)
    report = finer.error_report()
    assert report.converged
    assert report.tol == 1e-5
    assert report.table_version == 2
    assert report.drive.n + report.stop.n + report.final.n == 2**12
    assert distinct(function)
    assert report.n_evaluations == function.n
    # the knots are among the new ones
    for a, b in zip(table.axes, finer.axes, strict=True):
        assert np.isin(a, b).all()
    fresh = Counted()
    build_table(fresh, BOX, 1e-5, pool=2**12)
    assert function.n - n < fresh.n
    # the first version is as it was
    np.testing.assert_array_equal(table.values, old[0])
    assert table.error_report() == old[1]


def test_a_larger_box_keeps_what_is_known():
    function = Counted()
    table = build_table(function, BOX, 1e-4, pool=2**11)
    n_nodes = table.error_report().n_nodes
    larger = extend_table(table, box={"a": (-0.3, 1.0), "b": (0.0, 2.1), "c": (1.0, 2.0)})
    assert distinct(function)
    assert larger.error_report().converged
    assert larger.error_report().n_nodes > n_nodes
    # whole blocks: a quarter of the first box each
    assert larger.axes[0][0] == -0.5
    assert larger.axes[1][-1] == 2.5
    assert larger.axes[2][0] == 1.0
    assert larger.axes[2][-1] == 2.0
    low = np.array([axis[0] for axis in larger.axes])
    high = np.array([axis[-1] for axis in larger.axes])
    x = low + (high - low) * np.random.default_rng(1).random((30_000, 3))
    errors = np.abs(larger(x) - Counted()(x))
    assert 1 / 1.5 < larger.error_report().final.p99 / np.quantile(errors, 0.99) < 1.5
    again = extend_table(
        larger, box={"a": (-0.5, 1.0), "b": (-0.1, 2.1), "c": (1.0, 2.0)}, tol=2e-5
    )
    assert again.error_report().table_version == 3
    assert again.error_report().converged
    assert distinct(function)


def test_extension_resumes(tmp_path):
    function = Counted()
    table = build_table(function, BOX, 1e-3, pool=2**11)
    n = function.n
    expected = extend_table(table, tol=1e-5)
    extra = function.n - n
    path = tmp_path / "extension.npz"
    function.limit = function.n + extra // 2
    with pytest.raises(KeyboardInterrupt):
        extend_table(table, tol=1e-5, checkpoint=path)
    function.limit = 10**9
    before = function.n
    assert same(extend_table(table, tol=1e-5, checkpoint=path), expected)
    assert function.n - before < 0.8 * extra
    with pytest.raises(ParameterError, match="same arguments"):
        extend_table(table, tol=1e-6, checkpoint=path)


def test_other_methods_extend_too():
    with pytest.warns(AccuracyWarning):
        greedy = build_table(Counted(), BOX, 1e-3, pool=2**10, method="greedy", max_nodes=200)
    more = greedy.extend(tol=5e-3, max_nodes=1000)
    assert more.error_report().table_version == 2
    assert more.error_report().converged


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("box", {}),
        ("box", {"box": {**BOX, "a": (0.1, 1.0)}}),
        ("box", {"box": BOX}),
        ("names", {"box": {"a": (0, 1)}}),
        ("tol", {"tol": -1.0}),
        ("pool", {"box": {**BOX, "a": (0.0, 1e4)}}),
    ],
)
def test_wrong_extensions(name, options):
    table = build_table(Counted(), BOX, 1e-2, pool=2**8)
    with pytest.raises(ParameterError) as error:
        extend_table(table, **options)
    assert error.value.name == name


def test_a_table_that_was_not_built_cannot_be_extended():
    table = build_table(Counted(), BOX, 1e-2, pool=2**8)
    table._build = None
    with pytest.raises(ParameterError, match="made by Table"):
        extend_table(table, tol=1e-3)
