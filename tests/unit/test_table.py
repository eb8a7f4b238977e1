"""The compiled interpolator: against scipy's splines, its own limits, shapes, bad input."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import NdBSpline, RegularGridInterpolator, make_interp_spline

from clmassmod import Table
from clmassmod.errors import ParameterError

SIZES = (7, 6, 8, 5, 6, 5)


def grid(n_axes, seed=0, sizes=SIZES):
    """Return axes with irregular knots, and normal values."""
    random = np.random.default_rng(seed)
    axes = [np.cumsum(random.uniform(0.2, 1.0, size)) for size in sizes[:n_axes]]
    return axes, random.normal(size=sizes[:n_axes])


def points(axes, n, seed=1):
    """Return n points uniform in the table."""
    random = np.random.default_rng(seed)
    return np.stack([random.uniform(axis[0], axis[-1], n) for axis in axes], axis=-1)


def scipy_spline(axes, values):
    """Return scipy's tensor product of not-a-knot splines."""
    knots = []
    for i, axis in enumerate(axes):
        spline = make_interp_spline(axis, values, k=3, axis=i)
        values = np.moveaxis(spline.c, 0, i)
        knots.append(spline.t)
    return NdBSpline(tuple(knots), values, 3)


# -- accuracy --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_axes", [1, 2, 3, 4, 5, 6])
def test_cubic_is_the_spline_of_scipy(n_axes):
    axes, values = grid(n_axes)
    x = points(axes, 300)
    spline = scipy_spline(axes, values)
    truth = spline(x)
    value, gradient = Table.from_grid(axes, values).value_and_grad(x)
    # both sum 4^N terms of the size of the coefficients, which grow with the dimension
    np.testing.assert_allclose(value, truth, rtol=0, atol=1e-13 * np.abs(truth).max())
    for i in range(n_axes):
        truth = spline(x, nu=[int(i == k) for k in range(n_axes)])
        # derivatives are differences of these terms
        np.testing.assert_allclose(gradient[:, i], truth, rtol=0, atol=1e-12 * np.abs(truth).max())


@pytest.mark.parametrize("n_axes", [1, 2, 3, 4, 5, 6])
def test_linear_is_the_interpolation_of_scipy(n_axes):
    axes, values = grid(n_axes)
    x = points(axes, 300)
    truth = RegularGridInterpolator(axes, values)(x)
    found = Table.from_grid(axes, values, order="linear")(x)
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-14)


@pytest.mark.parametrize("n_axes", [1, 2, 3, 4, 5, 6])
def test_cubic_polynomials_are_reproduced(n_axes):
    axes, _ = grid(n_axes, seed=5)
    # within -1 and 1, where no power is larger than 1
    axes = [2.0 * (knots - knots[0]) / np.ptp(knots) - 1.0 for knots in axes]
    coefficients = np.random.default_rng(6).normal(size=(4,) * n_axes)

    def polynomial(x):
        total = np.tensordot(np.vander(x[:, 0], 4), coefficients, 1)
        for column in x.T[1:]:
            total = np.einsum("pk,pk...->p...", np.vander(column, 4), total)
        return total

    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    values = polynomial(nodes.reshape(-1, n_axes)).reshape(nodes.shape[:-1])
    table = Table.from_grid(axes, values)
    x = points(axes, 200)
    # rounding of the values, whose largest is at a corner
    np.testing.assert_allclose(table(x), polynomial(x), rtol=0, atol=1e-13 * np.abs(values).max())


@pytest.mark.parametrize(("n_axes", "sizes"), [(1, (65, 129, 257)), (3, (33, 65))])
@pytest.mark.parametrize(("order", "factor"), [("cubic", 16.0), ("linear", 4.0)])
def test_error_falls_as_the_fourth_power(n_axes, sizes, order, factor):
    def wave(x):
        return np.sin(2.0 * x[..., 0]) * np.prod(np.cos(x[..., 1:]), axis=-1)

    # away from the edges, where the error of a not-a-knot spline is larger and falls more slowly
    x = 0.5 + 2.0 * np.random.default_rng(3).random((2000, n_axes))
    errors = []
    for n in sizes:
        axes = [np.linspace(0.0, 3.0, n)] * n_axes
        nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        errors.append(np.abs(Table.from_grid(axes, wave(nodes), order=order)(x) - wave(x)).max())
    for coarse, fine in itertools.pairwise(errors):
        # the largest of 2000 points is found to some per cent
        assert 0.9 * factor < coarse / fine < 1.1 * factor


@pytest.mark.parametrize("order", ["linear", "cubic"])
@pytest.mark.parametrize("n_axes", [1, 2, 3, 4, 5, 6])
def test_gradient_is_the_difference(order, n_axes):
    axes, values = grid(n_axes)
    table = Table.from_grid(axes, values, order=order)
    x = points(axes, 100)
    value, gradient = table.value_and_grad(x)
    np.testing.assert_array_equal(value, table(x))
    h = 1e-6
    for i in range(n_axes):
        step = h * np.eye(n_axes)[i]
        up, down = table(x + step, oob="linear"), table(x - step, oob="linear")
        difference = (up - down) / (2.0 * h)
        # rounding over h, and kinks of a linear table within h of a point are not met here
        scale = np.abs(gradient).max()
        np.testing.assert_allclose(gradient[:, i], difference, rtol=0, atol=2e-8 * scale)


@pytest.mark.parametrize("order", ["linear", "cubic"])
@pytest.mark.parametrize("n_outputs", [1, 2, 4, 5])
def test_several_outputs_are_several_tables(order, n_outputs):
    axes, _ = grid(3)
    values = np.random.default_rng(2).normal(size=(*SIZES[:3], n_outputs))
    table = Table.from_grid(axes, values, order=order)
    x = points(axes, 50)
    value, gradient = table.value_and_grad(x)
    assert value.shape == (50, n_outputs)
    assert gradient.shape == (50, n_outputs, 3)
    for k in range(n_outputs):
        one, slope = Table.from_grid(axes, values[..., k], order=order).value_and_grad(x)
        # the same sums in another order
        np.testing.assert_allclose(value[:, k], one, rtol=0, atol=1e-12)
        np.testing.assert_allclose(gradient[:, k], slope, rtol=0, atol=1e-11)


def test_knots_give_their_values():
    axes, values = grid(3)
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    for order, tolerance in (("linear", 1e-15), ("cubic", 1e-13)):
        found = Table.from_grid(axes, values, order=order)(nodes)
        np.testing.assert_allclose(found, values, rtol=0, atol=tolerance * np.abs(values).max())


def test_float32_keeps_seven_digits():
    axes, values = grid(4)
    x = points(axes, 200)
    wide, narrow = (Table.from_grid(axes, values, dtype=d) for d in ("float64", "float32"))
    assert narrow.nbytes < 0.51 * wide.nbytes
    scale = np.abs(values).max() * 50  # of the coefficients
    np.testing.assert_allclose(narrow(x), wide(x), rtol=0, atol=6e-8 * scale)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(1e-6, 1e6), min_size=5, max_size=30),
    st.floats(-1e3, 1e3),
    st.integers(0, 2**32 - 1),
)
def test_any_knots_find_their_interval(steps, start, seed):
    knots = start + np.cumsum(steps)
    if not (np.diff(knots) > 0.0).all():
        return
    values = np.random.default_rng(seed).normal(size=knots.size)
    x = np.concatenate([knots, 0.5 * (knots[1:] + knots[:-1]), np.nextafter(knots[1:], -np.inf)])
    found = Table.from_grid([knots], values, order="linear")(x[:, None])
    np.testing.assert_allclose(found, np.interp(x, knots, values), rtol=1e-9, atol=1e-9)


ULPS = {
    "even but for one": [0, 35, 67, 103, 136],
    "irregular": np.cumsum(np.random.default_rng(3).integers(30, 60, 4000)),
}


@pytest.mark.parametrize("kind", ULPS)
def test_knots_far_from_zero_find_their_interval(kind):
    # in units of the smallest step there is at 1e9
    knots = 1e9 + np.spacing(1e9) * np.array(ULPS[kind])
    n = knots.size
    values = np.random.default_rng(4).normal(size=n)
    x = np.random.default_rng(5).uniform(knots[0], knots[-1], 20_000)
    x = np.concatenate([x, knots, np.nextafter(knots[1:], 0.0), np.nextafter(knots[:-1], 1e10)])
    table = Table.from_grid([knots], values, order="linear")
    # differences of numbers that near are exact
    expected = np.interp(x - 1e9, knots - 1e9, values)
    np.testing.assert_allclose(table(x[:, None]), expected, rtol=0, atol=1e-13)


# -- the same whatever is asked together -----------------------------------------------------------


@pytest.mark.parametrize("order", ["linear", "cubic"])
def test_threads_and_batches_give_the_same_bits(order):
    axes, values = grid(4)
    table = Table.from_grid(axes, values, order=order)
    x = points(axes, 20_001)
    first, slopes = table.value_and_grad(x)
    for n_threads in (2, 3, 7, 0):
        np.testing.assert_array_equal(table(x, n_threads=n_threads), first)
        np.testing.assert_array_equal(table.value_and_grad(x, n_threads=n_threads)[1], slopes)
    np.testing.assert_array_equal([table(p) for p in x[:50]], first[:50])
    np.testing.assert_array_equal(table(x[5000:9000]), first[5000:9000])


def test_shapes():
    axes, values = grid(2)
    table = Table.from_grid(axes, values)
    x = points(axes, 12)
    flat = table(x)
    assert isinstance(table(x[0]), float)
    np.testing.assert_array_equal(table(x.reshape(3, 4, 2)), flat.reshape(3, 4))
    assert table(np.empty((0, 2))).shape == (0,)
    assert table.value_and_grad(np.empty((0, 2)))[1].shape == (0, 2)
    strided = np.repeat(x, 2, axis=0)[::2]
    np.testing.assert_array_equal(table(strided), flat)
    np.testing.assert_array_equal(table(np.asfortranarray(x)), flat)
    np.testing.assert_array_equal(table(x.astype(">f8")), flat)
    single = x.astype(np.float32)
    np.testing.assert_array_equal(table(single), table(single.astype(np.float64)))
    np.testing.assert_array_equal(table(x.tolist()), flat)
    x.flags.writeable = False
    np.testing.assert_array_equal(table(x), flat)
    out = np.empty(12)
    assert table(x, out=out) is out
    np.testing.assert_array_equal(out, flat)


def test_values_may_be_of_any_layout():
    axes, values = grid(3)
    x = points(axes, 20)
    expected = Table.from_grid(axes, values)(x)
    for other in (np.asfortranarray(values), values.astype(">f8"), values[::1, ::1]):
        np.testing.assert_array_equal(Table.from_grid(axes, other)(x), expected)
    np.testing.assert_array_equal(
        Table.from_grid([axes[0][::-1], axes[1], axes[2][::-1]], values[::-1, :, ::-1])(x),
        expected,
    )


def test_what_it_is_made_of_is_not_aliased():
    axes, values = grid(2)
    table = Table.from_grid(axes, values)
    x = points(axes, 5)
    before = table(x)
    values *= 2.0
    axes[0] += 1.0
    np.testing.assert_array_equal(table(x), before)
    with pytest.raises(ValueError, match="read-only"):
        table.values[0, 0] = 1.0


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_pickle(dtype):
    axes, values = grid(3)
    table = Table.from_grid(axes, values, names=["a", "b", "c"], dtype=dtype, metadata={"k": 1})
    again = pickle.loads(pickle.dumps(table))
    x = points(axes, 20)
    np.testing.assert_array_equal(again(x), table(x))
    assert (again.names, again.metadata) == (table.names, table.metadata)


# -- edges, outside, NaN, masks --------------------------------------------------------------------


def test_outside():
    knots = np.linspace(0.0, 1.0, 6)
    table = Table.from_grid([knots, knots], knots[:, None] ** 2 + 3.0 * knots)
    x = np.array([[0.5, 0.5], [1.5, 0.5], [np.nan, 0.5], [0.5, -1.0]])
    with pytest.raises(ParameterError, match="point 1") as caught:
        table(x)
    assert caught.value.name == "x0"
    assert caught.value.value == 1.5
    nan = table(x, oob="nan")
    np.testing.assert_array_equal(np.isnan(nan), [False, True, True, True])
    clip = table(x, oob="clip")
    np.testing.assert_allclose(clip[[0, 1, 3]], [1.75, 2.5, 0.25], rtol=1e-14)
    linear, slope = table.value_and_grad(x, oob="linear")
    # value at the edge and its slope: 1 + 2 * 0.5 beyond x = 1; 3 * -1 below y = 0
    np.testing.assert_allclose(linear[[0, 1, 3]], [1.75, 3.5, -2.75], rtol=1e-13)
    np.testing.assert_allclose(slope[1], [2.0, 3.0], rtol=1e-12)
    assert np.isnan(linear[2])
    _, flat = table.value_and_grad(x, oob="clip")
    np.testing.assert_allclose(flat[1], [0.0, 3.0], rtol=0, atol=1e-12)


def test_points_a_few_ulp_beyond_an_edge_are_inside():
    knots = np.linspace(-218.0, 218.0, 8)
    table = Table.from_grid([knots], knots**2)
    edge = 218.0 * (1.0 + 2.0 * np.finfo(float).eps)
    assert table([edge]) == table([218.0])
    assert table([-edge]) == table([-218.0])
    assert table.in_domain([edge])
    beyond = 218.0 * (1.0 + 8.0 * np.finfo(float).eps)
    assert not table.in_domain([beyond])
    with pytest.raises(ParameterError):
        table([beyond])


@pytest.mark.parametrize("oob", ["raise", "nan", "clip", "linear"])
def test_a_nan_is_its_own_rows_alone(oob):
    axes, values = grid(3)
    table = Table.from_grid(axes, values)
    x = points(axes, 30)
    expected = table(x)
    x[7, 1] = np.nan
    found, slope = table.value_and_grad(x, oob=oob)
    assert np.isnan(found[7])
    assert np.isnan(slope[7]).all()
    keep = np.arange(30) != 7
    np.testing.assert_array_equal(found[keep], expected[keep])


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300, -1e300])
def test_huge_numbers_are_outside(value):
    axes, values = grid(2)
    table = Table.from_grid(axes, values)
    x = np.array([[value, axes[1][1]]])
    assert np.isnan(table(x, oob="nan")[0])
    assert np.isfinite(table(x, oob="clip")[0])
    with pytest.raises(ParameterError, match="x0"):
        table(x)


def test_masked_cells_are_nan():
    knots = np.arange(6.0)
    mask = np.zeros((5, 5), dtype=bool)
    mask[1, 3] = mask[4, 4] = True
    table = Table.from_grid([knots, knots], np.add.outer(knots, knots), mask=mask)
    x = np.array([[1.5, 3.5], [0.5, 3.5], [1.5, 2.5], [4.5, 4.9], [5.0, 5.0]])
    found, slope = table.value_and_grad(x)
    np.testing.assert_array_equal(np.isnan(found), [True, False, False, True, True])
    assert np.isnan(slope[0]).all()
    np.testing.assert_array_equal(table.in_domain(x), [False, True, True, False, False])
    flipped = Table.from_grid(
        [knots[::-1], knots], np.add.outer(knots, knots)[::-1], mask=mask[::-1]
    )
    np.testing.assert_array_equal(np.isnan(flipped(x)), np.isnan(found))


# -- what is refused -------------------------------------------------------------------------------

KNOTS = np.arange(5.0)
VALUES = np.zeros((5, 5))
OVERLAPPING = np.ones(3)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"axes": [KNOTS[:3], KNOTS], "values": VALUES[:3]}, r"axes\[0\]"),
        ({"axes": [KNOTS, [0, 1, 1, 2, 3]]}, r"axes\[1\]\[2\]"),
        ({"axes": [KNOTS, [0, 1, np.nan, 2, 3]]}, r"axes\[1\]\[2\]"),
        ({"axes": [KNOTS, "abc"]}, r"axes\[1\]"),
        ({"axes": [KNOTS, ["0", "1", "2", "3", "4"]]}, r"axes\[1\]"),
        ({"axes": [KNOTS, [[0], [1, 2], 3, 4, 5]]}, r"axes\[1\]"),
        ({"axes": [KNOTS, KNOTS + 0j]}, r"axes\[1\]"),
        # knots that floats cannot tell apart well
        ({"axes": [KNOTS, 1e9 + 1e-6 * KNOTS]}, r"axes\[1\]\[1\]"),
        ({"axes": [KNOTS, 5e-324 * KNOTS]}, r"axes\[1\]\[1\]"),
        ({"axes": [KNOTS, 4e307 * KNOTS]}, r"axes\[1\]"),
        ({"axes": []}, "axes"),
        ({"axes": [KNOTS] * 7}, "axes"),
        ({"values": VALUES[:4]}, "values.shape"),
        ({"values": np.zeros((5, 5, 0))}, "values.shape"),
        ({"values": VALUES.astype(complex)}, "values"),
        ({"names": ["a"]}, "names"),
        ({"names": ["a", "a"]}, "names"),
        ({"names": ["a", "b c"]}, "names"),
        ({"names": "ab"}, "names"),
        ({"metadata": {"a": KNOTS}}, "metadata"),
        ({"metadata": [1]}, "metadata"),
        ({"values": np.ma.array(VALUES, mask=VALUES == 0.0)}, "values"),
        ({"values": 1.7e308 * (-1.0) ** np.add.outer(KNOTS, KNOTS)}, "values"),
        ({"values": 2.9e38 * (-1.0) ** np.add.outer(KNOTS, KNOTS), "dtype": "float32"}, "values"),
        ({"order": "quintic"}, "order"),
        ({"dtype": "float16"}, "dtype"),
        ({"mask": np.zeros((5, 5), dtype=bool)}, "mask"),
        ({"mask": np.zeros((4, 4))}, "mask"),
        ({"values": np.full((5, 5), 1e39), "dtype": "float32"}, "values"),
    ],
)
def test_bad_grids_are_named(arguments, name):
    with pytest.raises(ParameterError, match=name):
        Table.from_grid(**{"axes": [KNOTS, KNOTS], "values": VALUES, **arguments})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_first_value_that_is_no_number_is_named(value):
    values = VALUES.copy()
    values[2, 3] = values[4, 0] = value
    with pytest.raises(ParameterError, match=r"values\[2, 3\]"):
        Table.from_grid([KNOTS, KNOTS], values)


def test_a_table_above_the_limit_is_refused_before_it_is_made():
    # no memory behind it: what is refused must not be touched
    axes = [np.arange(1100.0)] * 3
    values = np.broadcast_to(0.0, (1100,) * 3)
    with pytest.raises(ParameterError, match="GiB"):
        Table.from_grid(axes, values)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"x": np.zeros(3)}, "x.shape"),
        ({"x": 1.0}, "x.shape"),
        ({"x": "a"}, "x"),
        ({"x": ["1", "2"]}, "x"),
        ({"x": [1.0 + 1.0j, 2.0]}, "x"),
        ({"x": [[1.0], [1.0, 2.0]]}, "x"),
        ({"x": np.ma.array([1.0, 2.0], mask=[True, False])}, "x"),
        ({"x": OVERLAPPING[:2], "out": OVERLAPPING[1:2].reshape(())}, "out"),
        ({"oob": "wrap"}, "oob"),
        ({"oob": ["nan"]}, "oob"),
        ({"n_threads": -1}, "n_threads"),
        ({"out": np.zeros(4)}, "out"),
    ],
)
def test_bad_calls_are_named(arguments, name):
    table = Table.from_grid([KNOTS, KNOTS], VALUES)
    arguments = {"x": [1.0, 1.0], **arguments}
    with pytest.raises(ParameterError, match=name):
        table(arguments.pop("x"), **arguments)
