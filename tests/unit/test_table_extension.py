"""Tables from files that are extended: as in memory, with the function given again."""

from __future__ import annotations

import json
import shutil
from functools import partial

import h5py
import numpy as np
import pytest

from clmassmod import Table
from clmassmod.errors import AccuracyWarning, FormatError, ParameterError
from clmassmod.table.evaluation import FunctionId
from clmassmod.table.files import build_of, verify_table
from clmassmod.table.maps import CoordinateMap, RatioMap
from clmassmod.table.store import read_content

BOX = {"a": (0.0, 1.0), "b": (0.0, 2.0), "c": (1.0, 2.0)}
LARGER = {"a": (-0.3, 1.0), "b": (0.0, 2.0), "c": (1.0, 2.1)}


def function(x, factor=1.0):
    return factor * (np.exp(-x[:, 0] * x[:, 1]) / x[:, 2] + np.sin(4.0 * x[:, 1]))


def same_function_elsewhere(x):
    return function(x)


def two_outputs(x):
    return np.stack([function(x), x[:, 0] * x[:, 2]], axis=1)


def kinked(x):
    return np.sqrt(np.maximum(1.0 - x[:, 1] / (1.0 + x[:, 0]), 0.0)) + x[:, 0]


SCALE = Table.from_grid([np.linspace(-1.0, 2.0, 5)], np.linspace(0.0, 3.0, 5))


def make(kind, tol=1e-3):
    """A table of each kind, and the function of it."""
    options = {"tol": tol, "pool": 2**10, "seed": 3}
    if kind == "outputs":
        return Table.build(two_outputs, BOX, **options), two_outputs
    if kind == "mapped":
        mapped = CoordinateMap(["linear"] * 2, RatioMap(1, SCALE))
        return Table.build(kinked, [(0.0, 1.0), (0.0, 1.0)], map=mapped, **options), kinked
    if kind == "log":
        return Table.build(function, BOX, map={"c": "log"}, **options), function
    if kind == "linear":
        return Table.build(function, BOX, order="linear", **options), function
    if kind == "greedy":
        return Table.build(function, BOX, method=kind, **options | {"tol": 2e-2}), function
    return Table.build(function, BOX, method=kind, **options), function


KINDS = ["adaptive", "chebyshev", "uniform", "greedy", "outputs", "mapped", "log", "linear"]


def hash_of(table, path):
    """Root hash of a table's file: over values, sample, nodes, report and build."""
    return table.save(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_table_extends_as_the_one_in_memory(kind, tmp_path):
    table, made_of = make(kind)
    tol = {"greedy": 5e-3, "linear": 5e-4}.get(kind, 1e-4)
    table.save(tmp_path / "t.h5")
    loaded = Table.load(tmp_path / "t.h5")
    assert hash_of(loaded, tmp_path / "copy.h5") == hash_of(table, tmp_path / "again.h5")
    expected = table.extend(tol=tol)
    extended = loaded.extend(tol=tol, function=made_of)
    assert extended.error_report() == expected.error_report()
    assert extended.error_report().table_version == 2
    # everything, to the last bit: values, knots, sample, nodes, report
    one, other = hash_of(expected, tmp_path / "one.h5"), hash_of(extended, tmp_path / "other.h5")
    assert one == other
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "other.h5").read_bytes()
    assert read_content(tmp_path / "other.h5").attributes["table_version"] == 2


def test_many_extensions_each_from_a_file(tmp_path):
    table, _ = make("adaptive")
    file = tmp_path / "t.h5"
    in_memory, from_file = table, table
    for options in ({"box": LARGER}, {"tol": 1e-4}, {"box": {**LARGER, "b": (-0.1, 2.0)}}):
        from_file.save(file)
        in_memory = in_memory.extend(**options)
        from_file = Table.load(file, mmap=True).extend(function=function, **options)
    assert hash_of(in_memory, tmp_path / "a.h5") == hash_of(from_file, tmp_path / "b.h5")
    assert from_file.error_report().table_version == 4
    x = np.array([[-0.2, 0.3, 2.05], [0.5, -0.1, 1.5]])
    np.testing.assert_allclose(from_file(x), function(x), atol=1e-3)


@pytest.mark.parametrize("kind", ["adaptive", "chebyshev", "uniform", "log", "linear"])
def test_every_kind_covers_a_larger_box(kind):
    table, made_of = make(kind)
    larger = table.extend(box=LARGER)
    assert larger.error_report().converged
    assert larger.in_domain(np.array(list(LARGER.values())).T).all()
    # points of LARGER, not of the sample; uniform in x, which under a log is another mean
    low, high = np.array(list(LARGER.values())).T
    x = low + (high - low) * np.random.default_rng(8).random((5000, 3))
    assert np.quantile(np.abs(larger(x) - made_of(x)), 0.99) < 1.5e-3


def test_nothing_known_is_evaluated_again(tmp_path):
    table, _ = make("adaptive")
    table.save(tmp_path / "t.h5")
    seen = []

    def counted(x):
        seen.append(np.array(x))
        return function(x)

    extended = Table.load(tmp_path / "t.h5").extend(tol=1e-4, function=counted, renamed=True)
    content = read_content(tmp_path / "t.h5")
    old = content.arrays["pool/x"]
    # the first call is the probe
    new = np.concatenate(seen[1:])
    together = np.concatenate([old, new])
    assert len(np.unique(together, axis=0)) == len(together)
    known = content.arrays["nodes/values"].shape[0]
    assert extended.error_report().n_evaluations == len(old) + known + len(new)


def test_what_a_file_holds(tmp_path):
    table = Table.build(partial(function, factor=2.0), BOX, tol=1e-3, pool=2**10, version=5)
    table.save(tmp_path / "t.h5", sim_id="run")
    content = read_content(tmp_path / "t.h5")
    given, arrays = content.attributes, content.arrays
    assert given["function"] == {"name": f"{__name__}.function", "parameters": {"factor": 2.0}}
    assert (given["seed"], given["sim_id"], given["table_version"]) == (0, "run", 5)
    assert set(given["made_by"]) == {"clmassmod", "commit"}
    assert given["build"]["method"] == "adaptive"
    assert arrays["pool/x"].shape == (2**10, 3)
    np.testing.assert_array_equal(arrays["pool/y"][:, 0], function(arrays["pool/x"], 2.0))
    share = np.bincount(arrays["pool/split"]) / 2**10
    # binomial scatter is 0.015
    np.testing.assert_allclose(share, [0.6, 0.2, 0.2], atol=0.05)
    assert table.error_report().table_version == 5
    # 8 (2 N + K + 1) + 1 bytes for a point, less x or u where there is no map
    bytes_of = sum(a.nbytes for name, a in arrays.items() if name.startswith("pool/"))
    assert bytes_of == 2**10 * (8 * (3 + 1 + 1) + 1)
    assert (
        Table.load(tmp_path / "t.h5")
        .extend(tol=5e-4, function=partial(function, factor=2.0))
        .error_report()
        .table_version
        == 6
    )


# -- what is refused -------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "t.h5"
    make("adaptive")[0].save(path)
    return path


def test_a_function_is_needed(file):
    with pytest.raises(ParameterError, match="a file does not hold it") as error:
        Table.load(file).extend(tol=1e-4)
    assert f"{__name__}.function" in str(error.value)


@pytest.mark.parametrize("other", [same_function_elsewhere, partial(function, factor=1.0)])
def test_another_name_is_refused_unless_stated(file, other):
    table = Table.load(file)
    with pytest.raises(ParameterError, match="renamed=True"):
        table.extend(tol=1e-4, function=other)
    extended = table.extend(tol=1e-4, function=other, renamed=True)
    np.testing.assert_array_equal(extended.values, table.extend(tol=1e-4, function=function).values)
    assert build_of(extended).function_id == FunctionId.of(other)


def test_another_function_is_refused_in_any_case(file):
    table = Table.load(file)
    for other in (partial(function, factor=1.01), two_outputs, lambda x: np.full(len(x), "a")):
        with pytest.raises(ParameterError, match="other values"):
            table.extend(tol=1e-4, function=other, renamed=True)


def test_the_function_of_a_table_in_memory_is_checked_too():
    table, _ = make("adaptive")
    with pytest.raises(ParameterError, match="renamed=True"):
        table.extend(tol=1e-4, function=same_function_elsewhere)


def test_a_file_that_changed_is_refused(file, tmp_path):
    table = Table.load(file)
    whole = file.read_bytes()
    make("adaptive", tol=1e-2)[0].save(file)
    with pytest.raises(FormatError, match="has changed since"):
        table.extend(tol=1e-4, function=function)
    file.unlink()
    with pytest.raises(FormatError, match="there is none"):
        table.extend(tol=1e-4, function=function)
    file.write_bytes(whole)
    assert table.extend(tol=1e-4, function=function).error_report().converged


@pytest.mark.parametrize("name", ["pool/y", "pool/index", "nodes/values", "nodes/knots/1"])
def test_a_damaged_sample_is_found_by_verify_and_by_extend(file, name):
    with h5py.File(file, "r+") as opened:
        bits = opened[name][()]
        bits.reshape(-1).view(np.uint8)[3] ^= 1
        opened[name][...] = bits
    table = Table.load(file)
    for action in (lambda: table.extend(tol=1e-4, function=function), lambda: verify_table(file)):
        with pytest.raises(FormatError, match="checksum") as error:
            action()
        assert error.value.field == name


def test_a_sample_that_is_not_whole_is_refused(file):
    """Hashes that agree, of a file somebody else wrote."""
    from clmassmod.table.store import Content, write_content

    content = read_content(file)
    for missing in ("pool/x", "nodes/ticks/0", "nodes/values"):
        arrays = {name: array for name, array in content.arrays.items() if name != missing}
        write_content(file, Content(arrays, content.attributes))
        with pytest.raises(FormatError, match="cannot be extended"):
            Table.load(file).extend(tol=1e-4, function=function)


def test_loading_leaves_the_sample_in_the_file(file):
    """A file whose sample is damaged loads: nothing has read it."""
    with h5py.File(file, "r+") as opened:
        opened["pool/y"][...] = 0.0
    x = np.array([[0.5, 0.5, 1.5]])
    assert Table.load(file, mmap=True)(x) == pytest.approx(function(x), abs=1e-3)


def test_tables_of_the_first_format_load(file, tmp_path):
    """Files of format 1.0 had no kind, no sample and no build."""
    from clmassmod.table.store import Content, write_content

    content = read_content(file)
    old = {
        name: array
        for name, array in content.arrays.items()
        if not name.startswith(("pool", "nodes"))
    }
    known = ("names", "order", "map", "metadata", "sim_id", "table_version", "report", "made_by")
    write_content(tmp_path / "old.h5", Content(old, {k: content.attributes[k] for k in known}))
    table = Table.load(tmp_path / "old.h5")
    x = np.array([[0.5, 0.5, 1.5]])
    assert table(x) == Table.load(file)(x)
    with pytest.raises(ParameterError, match="made by Table"):
        table.extend(tol=1e-4, function=function)


def test_a_scale_of_half_precision_with_a_mask_is_kept(tmp_path):
    knots = np.linspace(-1.0, 2.0, 7)
    cells = np.array([True, False, False, False, False, False])
    scale = Table.from_grid([knots], 1.1 + knots / 3.0 + 0.4, mask=cells, dtype="float32")
    mapped = CoordinateMap(["linear"] * 2, RatioMap(1, scale))
    table = Table.build(kinked, [(0.0, 1.0), (0.0, 0.9)], 1e-2, map=mapped, pool=2**8)
    table.save(tmp_path / "t.h5")
    again = Table.load(tmp_path / "t.h5")
    held = again.coordinate_map.ratio.scale_table
    x = np.random.default_rng(1).random((50, 1))
    np.testing.assert_array_equal(held(x), scale(x))
    assert np.isnan(held([-0.9]))
    expected, extended = table.extend(tol=5e-3), again.extend(tol=5e-3, function=kinked)
    assert expected.save(tmp_path / "a.h5") == extended.save(tmp_path / "b.h5")


def test_another_map_is_another_function(tmp_path):
    table, _ = make("log")
    other = table.with_map(None)
    assert other.error_report() is None
    with pytest.raises(ParameterError, match="made by Table"):
        other.extend(tol=1e-4)
    other.save(tmp_path / "t.h5")
    # 10^0.1 is rounded
    value = Table.load(tmp_path / "t.h5")([0.5, 0.5, 0.1])
    assert value == pytest.approx(table([0.5, 0.5, 10.0**0.1]), rel=1e-14)


# -- ids of functions ------------------------------------------------------------------------------


class Model:
    def __call__(self, x):
        return x[:, 0]


def test_ids_of_functions():
    assert str(FunctionId.of(function)) == f"{__name__}.function"
    assert FunctionId.of(Model()).name == f"{__name__}.Model"
    nested = partial(partial(function, factor=np.float64(2.0)), np.zeros(3), other=Model())
    made = FunctionId.of(nested)
    held = made.to_dict()["parameters"]
    assert held["factor"] == 2.0
    assert held["other"] == f"{__name__}.Model"
    assert held["args"][0].startswith("array (3,) sha256")
    assert FunctionId.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert FunctionId.of(partial(function, factor=2)) != FunctionId.of(partial(function, factor=3))


# -- tables of kernels -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel():
    return make("greedy")[0]


def test_kernel_tables_are_kept_to_the_last_bit(kernel, tmp_path):
    kernel.save(tmp_path / "k.h5", sim_id="run", version=3)
    x = np.random.default_rng(1).uniform([0, 0, 1], [1, 2, 2], (500, 3))
    for mmap in (False, True):
        again = Table.load(tmp_path / "k.h5", mmap=mmap)
        assert type(again) is type(kernel)
        np.testing.assert_array_equal(again(x), kernel(x))
        np.testing.assert_array_equal(again.value_and_grad(x)[1], kernel.value_and_grad(x)[1])
        assert again.error_report() == kernel.error_report()
        assert again.noise == kernel.noise


@pytest.mark.filterwarnings("ignore:the table does not reach:UserWarning")
def test_kernel_tables_with_outputs_and_maps(tmp_path):
    with pytest.warns(AccuracyWarning):
        table = Table.build(
            two_outputs, BOX, 1e-9, method="greedy", pool=2**8, max_nodes=150, map={"c": "log"}
        )
    table.save(tmp_path / "k.h5")
    again = Table.load(tmp_path / "k.h5")
    x = np.array([[0.3, 0.2, 1.7], [0.7, 1.1, 1.2]])
    np.testing.assert_array_equal(again(x), table(x))
    assert again(x).shape == (2, 2)


def test_damaged_kernel_tables_are_refused(kernel, tmp_path):
    kernel.save(tmp_path / "k.h5")
    for name in ("centres", "coefficients", "trend", "scales", "box"):
        path = tmp_path / f"{name}.h5"
        shutil.copy(tmp_path / "k.h5", path)
        with h5py.File(path, "r+") as opened:
            data = opened[f"kernel/{name}"]
            data[...] = data[()] * (1.0 + 2e-16)
        with pytest.raises(FormatError, match="checksum"):
            Table.load(path)
    whole = (tmp_path / "k.h5").read_bytes()
    (tmp_path / "half.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError):
        Table.load(tmp_path / "half.h5")


def test_an_unknown_kind_is_refused(kernel, tmp_path):
    from clmassmod.table.store import Content, write_content

    content = kernel.to_content()
    changed = Content(content.arrays, content.attributes | {"kind": "forest"})
    write_content(tmp_path / "k.h5", changed)
    with pytest.raises(FormatError, match="forest"):
        Table.load(tmp_path / "k.h5")


def test_points_outside_a_kernel_table(kernel):
    outside = np.array([[0.5, 0.5, 1.5], [0.5, 2.5, 1.5], [np.nan, 0.5, 1.5]])
    with pytest.raises(ParameterError, match=r"x\[1\]"):
        kernel(outside)
    np.testing.assert_array_equal(np.isnan(kernel(outside, oob="nan")), [False, True, True])
    clipped = kernel(outside, oob="clip")
    assert clipped[1] == kernel([0.5, 2.0, 1.5])
    assert np.isnan(clipped[2])
    np.testing.assert_array_equal(kernel.in_domain(outside), [True, False, False])
    for call in (kernel, kernel.value_and_grad):
        with pytest.raises(ParameterError, match="no edge cells"):
            call(outside, oob="linear")
        with pytest.raises(ParameterError, match="Did you mean 'clip'"):
            call(outside, oob="clib")
