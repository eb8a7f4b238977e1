"""Plans of fixed points: the bits of a direct call, for every table of the same grid."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from clmassmod import Table
from clmassmod.errors import ParameterError
from clmassmod.table.maps import CoordinateMap, RatioMap

SIZES = (7, 6, 8, 5, 6, 5)


def made(n_axes=3, order="cubic", outputs=None, seed=0, **options):
    """Return a table on irregular knots, the same ones for every seed."""
    random = np.random.default_rng(0)
    axes = [np.cumsum(random.uniform(0.2, 1.0, size)) for size in SIZES[:n_axes]]
    shape = SIZES[:n_axes] if outputs is None else (*SIZES[:n_axes], outputs)
    values = np.random.default_rng(seed).normal(size=shape)
    return Table.from_grid(axes, values, order=order, **options)


def points(table, n=500, seed=1, beyond=0.0):
    """Return n points uniform in the table, or in a box wider on each side by `beyond`."""
    random = np.random.default_rng(seed)
    return np.stack(
        [random.uniform(axis[0] - beyond, axis[-1] + beyond, n) for axis in table.axes], axis=-1
    )


def assert_same(plan, table, x, **options):
    """Assert that a plan and a direct call give the same bits, values and gradients."""
    np.testing.assert_array_equal(plan(table), table(x, **options))
    for found, direct in zip(
        plan.value_and_grad(table), table.value_and_grad(x, **options), strict=True
    ):
        np.testing.assert_array_equal(found, direct)


@pytest.mark.parametrize("order", ["linear", "cubic"])
@pytest.mark.parametrize("n_axes", [1, 2, 3, 4, 5, 6])
def test_it_gives_the_bits_of_a_direct_call(order, n_axes):
    table = made(n_axes, order)
    x = points(table)
    assert_same(table.plan(x), table, x)


@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_other_tables_of_the_grid(outputs, dtype):
    plan = made().plan(x := points(made()))
    assert_same(plan, made(outputs=outputs, dtype=dtype, seed=4), x)


@pytest.mark.parametrize("oob", ["nan", "clip", "linear"])
@pytest.mark.parametrize("outputs", [None, 3])
def test_points_outside_and_without_a_number(oob, outputs):
    table = made(outputs=outputs)
    x = points(table, beyond=0.5)
    x[7, 1] = x[20, 0] = np.nan
    x[3] = [np.inf, 1e300, -np.inf]
    x[4] = [axis[-1] * (1.0 + 2.0 * np.finfo(float).eps) for axis in table.axes]
    assert not table.in_domain(x).all()
    assert table.in_domain(x[4])
    plan = table.plan(x, oob=oob)
    assert_same(plan, table, x, oob=oob)
    assert np.isfinite(plan()[4]).all()


def test_a_point_outside_is_named():
    table = made()
    x = points(table)
    x[5, 0] = np.nan
    x[11, 1] = -3.0
    with pytest.raises(ParameterError, match=r"x1.*point 11"):
        table.plan(x)


def test_each_table_has_its_mask():
    mask = np.random.default_rng(3).uniform(size=(6, 5, 7)) < 0.3
    table, masked = made(), made(mask=mask, outputs=2)
    x = points(table)
    plan = table.plan(x)
    assert_same(plan, masked, x)
    assert_same(plan, table, x)
    assert 50 < np.isnan(plan(masked)[:, 0]).sum() < 250
    assert_same(masked.plan(x), masked, x)


def test_coordinate_maps():
    scale = Table.from_grid([np.arange(5.0)], 2.0 + np.arange(5.0), order="linear")
    knots = np.linspace(0.0, 1.0, 6)
    axes, values = [knots, np.arange(5.0)], np.random.default_rng(5).normal(size=(6, 5, 2))
    mapping = CoordinateMap.of([RatioMap(0, scale), "linear"], 2)
    table = Table.from_grid(axes, values).with_map(mapping)
    random = np.random.default_rng(6)
    x = np.stack([random.uniform(0.0, 2.0, 300), random.uniform(0.0, 4.0, 300)], axis=-1)
    plan = table.plan(x)
    assert_same(plan, table, x)
    equal = CoordinateMap.from_dict(mapping.to_dict())
    other = Table.from_grid(axes, 2.0 * values).with_map(equal)
    assert_same(plan, other, x)
    for wrong in (None, CoordinateMap.of(["sqrt", "linear"], 2)):
        with pytest.raises(ParameterError, match="coordinate_map"):
            plan(table.with_map(wrong))


def test_shapes_threads_and_copies():
    table = made()
    x = points(table, 9000)
    expected = table(x)
    assert isinstance(table.plan(x[0])(), float)
    assert table.plan(x[0])() == expected[0]
    assert table.plan(np.empty((0, 3)))().shape == (0,)
    np.testing.assert_array_equal(
        table.plan(x.reshape(90, 100, 3))(made(outputs=2)).shape, (90, 100, 2)
    )
    plan = table.plan(x, n_threads=2)
    out = np.empty(9000)
    for n_threads in (1, 2, 3, 0):
        assert plan(out=out, n_threads=n_threads) is out
        np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(plan))(), expected)
    x[:] = 0.0
    np.testing.assert_array_equal(plan(), expected)
    assert plan.nbytes == 9000 * (12 * 3 + 8)


KNOTS = np.arange(5.0)
PLANNED = Table.from_grid([KNOTS, KNOTS + 1.0], np.zeros((5, 5)))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (Table.from_grid([KNOTS, KNOTS], np.zeros((5, 5))), r"axes\[1\] \(x1\)"),
        (Table.from_grid([KNOTS, np.arange(1.0, 7.0)], np.zeros((5, 6))), r"axes\[1\] \(x1\)"),
        (Table.from_grid([KNOTS, KNOTS + 1.0], np.zeros((5, 5)), order="linear"), "linear"),
        (Table.from_grid([KNOTS, KNOTS + 1.0], np.zeros((5, 5)), names=["a", "b"]), "a, b"),
        (Table.from_grid([KNOTS], np.zeros(5)), "cubic table of x0"),
        ("table", "a Table"),
    ],
)
def test_tables_of_other_grids_are_refused(other, reason):
    with pytest.raises(ParameterError, match=reason):
        PLANNED.plan([[1.0, 2.0]])(other)


def test_bad_plans_are_named():
    with pytest.raises(ParameterError, match="oob"):
        PLANNED.plan([[1.0, 2.0]], oob="wrap")
    with pytest.raises(ParameterError, match=r"x\.shape"):
        PLANNED.plan([1.0, 2.0, 3.0])
    with pytest.raises(ParameterError, match="out"):
        PLANNED.plan([[1.0, 2.0]])(out=np.zeros(2))
    # no memory behind it: what is refused must not be touched
    many = np.broadcast_to(2.0, (1 << 30, 2))
    with pytest.raises(ParameterError, match="in parts"):
        PLANNED.plan(many)
