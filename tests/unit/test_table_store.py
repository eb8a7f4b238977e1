"""Tables on disk: round trips, and every kind of file that is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from clmassmod import Table
from clmassmod.errors import FormatError, ParameterError
from clmassmod.table.maps import CoordinateMap, RatioMap
from clmassmod.table.store import (
    FORMAT_VERSION,
    Content,
    array_hash,
    folder_hash,
    read_content,
    root_hash,
    table_files,
    table_folder,
    write_content,
)


def make(dtype="float64", outputs=None, order="cubic", mask=False):
    random = np.random.default_rng(1)
    axes = [np.cumsum(random.uniform(0.5, 1.0, n)) for n in (6, 7, 9)]
    shape = (6, 7, 9) if outputs is None else (6, 7, 9, outputs)
    cells = np.zeros((5, 6, 8), dtype=bool)
    cells[0, 0, 0] = True
    return Table.from_grid(
        axes,
        random.normal(size=shape),
        names=["a", "b", "c"],
        order=order,
        mask=cells if mask else None,
        dtype=dtype,
        metadata={"function": "none", "parameters": [1.0, 0.1]},
    )


def points(table, n=200):
    random = np.random.default_rng(2)
    return np.stack([random.uniform(a[0], a[-1], n) for a in table.axes], axis=-1)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"dtype": "float32"}, {"outputs": 3}, {"order": "linear"}, {"mask": True}],
)
def test_round_trip(tmp_path, arguments, mmap):
    table = make(**arguments)
    table.save(tmp_path / "t.h5", sim_id="run", version=3)
    again = Table.load(tmp_path / "t.h5", mmap=mmap)
    x = points(table)
    np.testing.assert_array_equal(again(x), table(x))
    np.testing.assert_array_equal(again.value_and_grad(x)[1], table.value_and_grad(x)[1])
    assert (again.names, again.order, again.metadata) == (table.names, table.order, table.metadata)
    for mine, theirs in zip(table.axes, again.axes, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_maps_and_reports_are_kept(tmp_path):
    scale = Table.from_grid([np.linspace(0.0, 1.0, 5)], np.linspace(1.0, 2.0, 5))
    ratio = RatioMap(1, scale)

    def function(x):
        return np.sqrt(np.maximum(1.0 - x[:, 1] / scale(x[:, :1]), 0.0)) + x[:, 0]

    box = [(0.0, 1.0), (0.0, 1.0)]
    table = Table.build(
        function, box, tol=1e-6, pool=2**10, map=CoordinateMap(["linear"] * 2, ratio)
    )
    table.save(tmp_path / "t.h5")
    again = Table.load(tmp_path / "t.h5")
    x = np.array([[0.3, 0.2], [0.7, 1.1]])
    np.testing.assert_array_equal(again(x), table(x))
    assert again.error_report() == table.error_report()


def test_two_writes_give_the_same_bytes(tmp_path):
    table = make()
    hashes = [table.save(tmp_path / name) for name in ("one.h5", "two.h5")]
    assert hashes[0] == hashes[1]
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    assert read_content(tmp_path / "one.h5").root_hash == hashes[0]


def test_hash_is_of_the_numbers_and_not_of_their_layout():
    array = np.arange(12.0).reshape(3, 4)
    assert array_hash(array) == array_hash(np.asfortranarray(array))
    assert array_hash(array) == array_hash(array.astype(">f8"))
    assert array_hash(array) != array_hash(array.astype("f4"))
    assert array_hash(array) != array_hash(array.reshape(4, 3))
    array[0, 0] = -0.0
    assert array_hash(array) != array_hash(np.abs(array))


# -- what is refused -------------------------------------------------------------------------------


def damaged(tmp_path, name, change):
    path = tmp_path / name
    make().save(path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


@pytest.mark.parametrize("dataset", ["values", "coef", "axes/1_b"])
def test_one_wrong_bit_is_found(tmp_path, dataset):
    def change(file):
        bits = file[dataset][()].view(np.uint64)
        bits.reshape(-1)[3] ^= 1
        file[dataset][...] = bits.view(np.float64)

    path = damaged(tmp_path, "t.h5", change)
    for mmap in (False, True):
        with pytest.raises(FormatError, match="checksum") as caught:
            Table.load(path, mmap=mmap)
        assert caught.value.field == dataset


def test_changed_attributes_are_found(tmp_path):
    def change(file):
        content = json.loads(file.attrs["content"])
        content["metadata"]["parameters"][1] = 0.2
        file.attrs["content"] = json.dumps(content, sort_keys=True)

    with pytest.raises(FormatError, match="attributes"):
        Table.load(damaged(tmp_path, "t.h5", change))


def test_newer_format(tmp_path):
    def change(file):
        file.attrs["format_version"] = np.array([FORMAT_VERSION[0] + 1, 0])

    with pytest.raises(FormatError, match="newer"):
        Table.load(damaged(tmp_path, "t.h5", change))


def test_newer_minor_version_is_read(tmp_path):
    def change(file):
        file.attrs["format_version"] = np.array([FORMAT_VERSION[0], FORMAT_VERSION[1] + 7])

    assert Table.load(damaged(tmp_path, "t.h5", change)).shape == (6, 7, 9)


def test_foreign_files(tmp_path):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["values"] = np.zeros(3)
    (tmp_path / "text.h5").write_text("no HDF5")
    (tmp_path / "empty.h5").write_bytes(b"")
    for name, reason in (
        ("foreign.h5", "format"),
        ("text.h5", "not a readable table"),
        ("empty.h5", "not a readable table"),
        ("none.h5", "there is none"),
    ):
        with pytest.raises(FormatError, match=reason):
            Table.load(tmp_path / name)


def test_truncated_at_any_place(tmp_path):
    make().save(tmp_path / "whole.h5")
    whole = (tmp_path / "whole.h5").read_bytes()
    for part in np.linspace(0.01, 0.999, 25):
        (tmp_path / "part.h5").write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(FormatError):
            Table.load(tmp_path / "part.h5")


def test_flipped_bytes_are_an_error_or_harmless(tmp_path):
    table = make()
    table.save(tmp_path / "whole.h5")
    whole = bytearray((tmp_path / "whole.h5").read_bytes())
    x = points(table)
    expected = table(x)
    random = np.random.default_rng(7)
    found = 0
    for place in random.integers(0, len(whole), 200):
        other = bytearray(whole)
        other[place] ^= 1 << random.integers(8)
        (tmp_path / "other.h5").write_bytes(other)
        try:
            again = Table.load(tmp_path / "other.h5")
        except FormatError:
            found += 1
            continue
        np.testing.assert_array_equal(again(x), expected)
    assert found > 100


def test_content_that_is_no_table(tmp_path):
    write_content(tmp_path / "t.h5", Content({"values": np.zeros(3)}, {"names": ["a"]}))
    with pytest.raises(FormatError, match="no whole table"):
        Table.load(tmp_path / "t.h5")


def test_a_killed_save_leaves_the_old_table(tmp_path):
    path = tmp_path / "t.h5"
    table = make()
    table.save(path)
    program = f"""
import os, signal, numpy as np
from clmassmod import Table
from clmassmod.table import store
store.array_hash = lambda array, hashed=store.array_hash: hashed(array)
import h5py
close = h5py.File.close
h5py.File.close = lambda self: os.kill(os.getpid(), signal.SIGKILL)
Table.from_grid([np.arange(5.0)], np.zeros(5)).save({str(path)!r})
"""
    done = subprocess.run([sys.executable, "-c", program], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    x = points(table)
    np.testing.assert_array_equal(Table.load(path)(x), table(x))


# -- folders ---------------------------------------------------------------------------------------


def test_folders(tmp_path):
    folder = table_folder("one", tmp_path)
    assert folder == tmp_path / "data" / "tables" / "one"
    table = make()
    first = table.save(folder / "b.h5")
    table.save(folder / "a.h5", version=2)
    assert [file.name for file in table_files(tmp_path)] == ["a.h5", "b.h5"]
    before = folder_hash(folder)
    assert before == folder_hash(folder)
    table.save(folder / "b.h5", version=9)
    assert folder_hash(folder) != before
    table.save(folder / "b.h5")
    assert folder_hash(folder) == before
    assert read_content(folder / "b.h5").root_hash == first


@pytest.mark.parametrize("sim_id", ["", "a/b", "..", ".hidden"])
def test_names_that_are_no_folder(sim_id):
    with pytest.raises(ParameterError, match="sim_id"):
        table_folder(sim_id)


def test_root_hash_depends_on_everything():
    base = root_hash({"a": "1", "b": "2"}, "{}")
    assert base == root_hash({"b": "2", "a": "1"}, "{}")
    assert len({base, root_hash({"a": "2", "b": "2"}, "{}"), root_hash({"a": "1"}, "{}")}) == 3
    assert base != root_hash({"a": "1", "b": "2"}, "{ }")
