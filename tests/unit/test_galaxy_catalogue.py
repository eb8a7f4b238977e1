"""Galaxy catalogues: checks, immutability, files."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from astropy import units
from astropy.table import Table

from clmassmod.errors import FormatError, ParameterError
from clmassmod.galaxies import GalaxyCatalogue


def catalogue(n=20, **changes):
    rng = np.random.default_rng(5)
    content = {
        "ra": rng.uniform(0, 360, n),
        "dec": rng.uniform(-90, 90, n),
        "e1": rng.normal(0, 0.3, n),
        "e2": rng.normal(0, 0.3, n),
        "z": rng.uniform(0, 2, n),
        "weight": rng.uniform(0, 1, n),
        "e_err": rng.uniform(0, 0.2, n),
        "id": "A 1689",
        "coordinate_system": "celestial",
        "metadata": {"note": "x" * 100, "offset": [0.1, -0.2]},
    }
    return GalaxyCatalogue(**{**content, **changes})


def test_columns_are_read_only_copies():
    e1 = np.array([0.1, 0.2])
    made = GalaxyCatalogue(x=[1, 2], y=[0, 0], e1=e1, e2=[0, 0], member=[True, False])
    e1[0] = 9.0
    assert made["e1"].tolist() == [0.1, 0.2]
    assert made["member"].tolist() == [1.0, 0.0]
    assert "z" not in made
    assert not made.on_sky
    with pytest.raises(ValueError, match="read-only"):
        made["e1"][0] = 0.0
    with pytest.raises(AttributeError, match="immutable"):
        made.e1 = 0.0


def test_units_are_converted():
    made = GalaxyCatalogue(ra=[1.0] * units.rad, dec=[30.0] * units.arcmin, e1=[0.1], e2=[0.0])
    assert made["ra"][0] == pytest.approx(np.rad2deg(1.0), rel=1e-14)
    assert made["dec"][0] == pytest.approx(0.5, rel=1e-14)
    with pytest.raises(ParameterError, match="ra"):
        GalaxyCatalogue(ra=[1.0] * units.Mpc, dec=[0.0], e1=[0.1], e2=[0.0])


def test_selections_and_changes():
    whole = catalogue()
    near = whole.select(whole["z"] < 1.0)
    assert len(near) == np.count_nonzero(whole["z"] < 1.0)
    assert near.id == "A 1689"
    assert whole.select([3, 1])["z"].tolist() == whole["z"][[3, 1]].tolist()
    assert len(whole.select(np.zeros(20, dtype=bool))) == 0
    assert "z" not in whole.replace(z=None)
    assert whole == pickle.loads(pickle.dumps(whole))
    assert whole != near
    with pytest.raises(ParameterError, match="keep"):
        whole.select(np.ones(3, dtype=bool))
    with pytest.raises(ParameterError, match="Did you mean"):
        whole["e_er"]


@pytest.mark.parametrize("suffix", [".fits", ".ecsv"])
@pytest.mark.parametrize("n", [20, 0])
def test_files_hold_the_same_bits(tmp_path, suffix, n):
    path = tmp_path / f"cluster{suffix}"
    whole = catalogue(n)
    whole.write(path)
    assert GalaxyCatalogue.read(path) == whole
    plane = GalaxyCatalogue(x=[1 / 3], y=[2 / 3], e1=[0.1], e2=[0.1], z_true=[0.7])
    plane.write(path)
    assert GalaxyCatalogue.read(path) == plane.replace(id="cluster")
    assert not list(tmp_path.glob(".*"))


def test_other_names_and_other_columns(tmp_path):
    table = Table({"RAJ2000": [10.0], "DEC": [5.0], "g1": [0.1], "g2": [0.0], "flag": ["a"]})
    table["RAJ2000"].unit = "deg"
    path = tmp_path / "survey.fits"
    table.write(path)
    names = {"ra": "RAJ2000", "dec": "DEC", "e1": "g1", "e2": "g2"}
    made = GalaxyCatalogue.read(path, columns=names, coordinate_system="celestial")
    assert made.names == ("ra", "dec", "e1", "e2")
    assert (made.id, made.coordinate_system) == ("survey", "celestial")
    assert GalaxyCatalogue.from_table(table, columns=names)["ra"][0] == 10.0


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"e1": [0.1]}, "e1"),
        ({"e1": None}, "e1"),
        ({"dec": [91.0] * 20}, r"dec\[0\]"),
        ({"dec": None}, "dec"),
        ({"z": [-0.1] * 20}, r"z\[0\]"),
        ({"z": [np.nan] * 20}, r"z\[0\]"),
        ({"z": ["a"] * 20}, "z"),
        ({"weight": [-1.0] * 20}, r"weight\[0\]"),
        ({"e_err": [-1.0] * 20}, r"e_err\[0\]"),
        ({"x": [1.0] * 20}, "columns"),
        ({"ra": None, "dec": None}, "columns"),
        ({"redshift": [1.0] * 20}, "column"),
        ({"gamma1": [1.0] * 20}, "gamma2"),
        ({"coordinate_system": "celestal"}, "celestial"),
        ({"metadata": {"a": object()}}, "metadata"),
        ({"id": "a\n"}, "id"),
    ],
)
def test_wrong_columns_are_named(change, name):
    with pytest.raises(ParameterError, match=name):
        catalogue(**change)


def _spoil(path, change):
    table = Table.read(path)
    change(table)
    for card in ("CHECKSUM", "DATASUM"):
        table.meta.pop(card, None)
    table.write(path, overwrite=True)


@pytest.mark.parametrize("suffix", [".fits", ".ecsv"])
@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda t: t.remove_column("e2"), "e2"),
        (lambda t: t["z"].__setitem__(3, -1.0), r"z\[3\]"),
        (lambda t: t["dec"].__setitem__(2, 100.0), r"dec\[2\]"),
        (lambda t: t.replace_column("e1", ["a"] * len(t)), "e1"),
        (lambda t: setattr(t["ra"], "unit", "Mpc"), "ra"),
        (lambda t: t.replace_column("z", np.ones((len(t), 2))), "z"),
    ],
)
def test_bad_files_are_named(tmp_path, suffix, change, field):
    path = tmp_path / f"bad{suffix}"
    catalogue().write(path)
    _spoil(path, change)
    with pytest.raises(FormatError, match=field) as caught:
        GalaxyCatalogue.read(path)
    assert caught.value.file == str(path)


def test_masked_entries_are_refused():
    table = Table({"ra": [1.0, 2.0], "dec": [0.0, 0.0], "e1": [0.1, 0.1], "e2": [0.0, 0.0]})
    table = Table(table, masked=True)
    table["e1"].mask[1] = True
    with pytest.raises(ParameterError, match=r"e1\[1\]"):
        GalaxyCatalogue.from_table(table)


def test_missing_unknown_and_unnamed_files(tmp_path):
    with pytest.raises(FormatError, match="there is none"):
        GalaxyCatalogue.read(tmp_path / "none.fits")
    with pytest.raises(ParameterError, match=r"\.ecsv"):
        GalaxyCatalogue.read(tmp_path / "a.csv")
    with pytest.raises(ParameterError, match=r"\.ecsv"):
        catalogue().write(tmp_path / "a.parquet")
    catalogue().write(tmp_path / "a.fits")
    with pytest.raises(FormatError, match="RA"):
        GalaxyCatalogue.read(tmp_path / "a.fits", columns={"ra": "RA"})
    with pytest.raises(ParameterError, match="columns"):
        GalaxyCatalogue.read(tmp_path / "a.fits", columns={"RA": "ra"})


def test_a_changed_bit_of_a_fits_file_is_found(tmp_path):
    path = tmp_path / "a.fits"
    catalogue().write(path)
    data = bytearray(path.read_bytes())
    data[-2880 + 5] ^= 1  # in the last block, that of the numbers
    path.write_bytes(bytes(data))
    with pytest.raises(FormatError, match="Checksum"):
        GalaxyCatalogue.read(path)


@pytest.mark.fuzz
@pytest.mark.parametrize("suffix", [".fits", ".ecsv"])
def test_damaged_files_give_a_catalogue_or_an_error(tmp_path, suffix):
    path = tmp_path / f"damaged{suffix}"
    catalogue(5).write(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(11)
    refused = 0
    for trial in range(120):
        data = bytearray(whole)
        if trial % 3 == 0:
            data = data[: rng.integers(0, len(data))]
        else:
            for place in rng.integers(0, len(data), 1 + trial % 4):
                data[place] = rng.integers(0, 256)
        path.write_bytes(bytes(data))
        try:
            made = GalaxyCatalogue.read(path)
        except FormatError:
            refused += 1
        else:
            assert np.isfinite(made["e1"]).all()
    assert refused > 30
