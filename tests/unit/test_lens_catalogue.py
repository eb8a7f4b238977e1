"""Files of lens catalogues: the same bytes for any threads, whole or absent, checked on reading."""

from __future__ import annotations

import time
import tracemalloc

import h5py
import numpy as np
import pytest

from clmassmod.errors import FormatError, ParameterError
from clmassmod.stronglens import (
    LensCatalogue,
    LensPopulation,
    MockGenerator,
    SchechterCounts,
    SourcePopulation,
)
from clmassmod.stronglens.relations import LinearRelation

GENERATOR = MockGenerator(sources=SourcePopulation(SchechterCounts(density=500.0)))


@pytest.fixture
def catalogue():
    return GENERATOR.generate(3000, seed=4)


def same(one, two):
    assert one.metadata == two.metadata
    for a, b in ((one.galaxies, two.galaxies), (one.sources, two.sources)):
        assert list(a) == list(b)
        for name in a:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)
            assert a[name].dtype == b[name].dtype


def test_file_gives_the_catalogue_back(catalogue, tmp_path):
    catalogue.write(tmp_path / "mock.h5")
    same(LensCatalogue.read(tmp_path / "mock.h5"), catalogue)


def test_same_bytes_for_any_threads_and_at_any_time(tmp_path):
    files = []
    for n_threads in (1, 2, 3):
        GENERATOR.write(tmp_path / "mock.h5", 3000, seed=4, chunk=700, n_threads=n_threads)
        files.append((tmp_path / "mock.h5").read_bytes())
        time.sleep(1.05)  # times in HDF5 are seconds
    assert files[0] == files[1] == files[2]


def test_same_contents_for_any_chunk(catalogue, tmp_path):
    for chunk in (1000, 2999, 10_000):
        GENERATOR.write(tmp_path / "mock.h5", 3000, seed=4, chunk=chunk)
        same(LensCatalogue.read(tmp_path / "mock.h5"), catalogue)


def test_memory_is_that_of_a_chunk(tmp_path):
    peaks = []
    # tables of slopes that are kept for the whole session
    MockGenerator().generate(100_000)
    for n in (20_000, 100_000):
        tracemalloc.start()
        MockGenerator().write(tmp_path / "mock.h5", n, chunk=5000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # five times the galaxies; a tenth for what is allocated once
    assert peaks[1] < 1.1 * peaks[0]


class Failing(LinearRelation):
    def sample(self, uniforms, given):
        draws = super().sample(uniforms, given)
        if uniforms.shape[0] < 500:
            raise RuntimeError("the last chunk")
        return draws


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_failure_leaves_what_was_there(n_threads, tmp_path):
    path = tmp_path / "mock.h5"
    failing = MockGenerator(LensPopulation(size=Failing(0.774, 0.977, 0.112)))
    with pytest.raises(RuntimeError, match="last chunk"):
        failing.write(path, 1200, chunk=500, n_threads=n_threads)
    assert list(tmp_path.iterdir()) == []
    GENERATOR.write(path, 100)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="last chunk"):
        failing.write(path, 1200, chunk=500)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_lenses_are_detected_sources_with_their_galaxies(catalogue):
    lenses = catalogue.lenses
    assert lenses["beta"].size == catalogue.sources["detected"].sum() > 100
    assert lenses["detected"].all()
    np.testing.assert_array_equal(
        lenses["log_msps"], catalogue.galaxies["log_msps"][lenses["galaxy_id"]]
    )
    # for galaxies in any order
    order = np.random.default_rng(0).permutation(len(catalogue))
    shuffled = LensCatalogue(
        {name: column[order] for name, column in catalogue.galaxies.items()},
        catalogue.sources,
        catalogue.metadata,
    )
    np.testing.assert_array_equal(shuffled.lenses["log_re"], lenses["log_re"])


def test_tables_have_units(catalogue):
    table = catalogue.table("lenses")
    assert str(table["beta"].unit) == "kpc"
    assert str(table["m_a_obs"].unit) == "mag"
    assert table["log_msps"].unit is None
    assert table.meta["imf"] == "chabrier"
    assert len(catalogue.table("galaxies")) == len(catalogue) == 3000
    assert len(catalogue.table("sources")) == catalogue.sources["beta"].size
    with pytest.raises(ParameterError, match="Did you mean 'sources'"):
        catalogue.table("source")


def test_metadata_says_how_it_was_made(catalogue):
    metadata = catalogue.metadata
    assert metadata["configuration"] == GENERATOR.to_dict()
    assert metadata["seed"] == 4
    assert metadata["id_ranges"] == [[0, 3000]]
    assert "time" not in metadata["versions"]
    assert metadata["versions"]["commit"]


def test_long_metadata_is_kept(tmp_path):
    """Attributes of fixed length end at 64 kB."""
    counts = SourcePopulation().counts
    catalogue = GENERATOR.generate(10)
    long = {**catalogue.metadata, "note": "x" * 200_000, "counts": counts.to_dict()}
    LensCatalogue(catalogue.galaxies, catalogue.sources, long).write(tmp_path / "mock.h5")
    assert LensCatalogue.read(tmp_path / "mock.h5").metadata == long


def test_parts_add(catalogue):
    ends = GENERATOR.generate(1000, seed=4, first=2000) + GENERATOR.generate(500, seed=4)
    assert ends.metadata["id_ranges"] == [[0, 500], [2000, 1000]]
    assert len(ends) == 1500
    middle = GENERATOR.generate(1500, seed=4, first=500)
    assert (ends + middle).metadata == catalogue.metadata
    with pytest.raises(ParameterError, match="without overlap"):
        ends + ends
    with pytest.raises(ParameterError, match="seed"):
        ends + GENERATOR.generate(10, seed=5, first=9000)
    with pytest.raises(ParameterError, match="configuration"):
        ends + MockGenerator().generate(10, seed=4, first=9000)
    with pytest.raises(TypeError):
        ends + 1


def test_what_it_says_of_itself(catalogue):
    n = catalogue.sources["beta"].size
    assert repr(catalogue).startswith(f"<LensCatalogue: 3000 galaxies, {n} multiply imaged")


def broken(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.attrs.__setitem__("format", "other"), "'other' is not"),
        (lambda f: f.attrs.__setitem__("format_version", 2), "newer than the 1"),
        (lambda f: f.attrs.__delitem__("metadata"), "not a readable lens catalogue"),
        (lambda f: f.attrs.__setitem__("metadata", "{"), "not a readable lens catalogue"),
        (lambda f: f.__delitem__("sources"), "not a readable lens catalogue"),
        (lambda f: f["galaxies"].__delitem__("log_re"), "galaxies: columns"),
        (lambda f: f["galaxies/log_re"].resize(5, axis=0), "columns of different lengths"),
    ],
)
def test_other_files_are_refused(change, message, tmp_path):
    path = tmp_path / "mock.h5"
    GENERATOR.write(path, 100)
    broken(path, change)
    with pytest.raises(FormatError, match=message):
        LensCatalogue.read(path)


def test_truncated_files_are_refused(tmp_path):
    path = tmp_path / "mock.h5"
    GENERATOR.write(path, 100)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError):
            LensCatalogue.read(path)
    with pytest.raises(FormatError):
        LensCatalogue.read(tmp_path / "absent.h5")
