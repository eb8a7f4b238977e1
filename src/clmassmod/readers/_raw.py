"""Files to raw tables: named columns with the unit the file states, and metadata.

Every format ends in `RawTable`; what the columns mean is decided later. Anything a
format library raises becomes a `FormatError` with that error as its cause.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from ._text import read_text

MAX_BYTES = 2**31
"""Largest array read from a file; a profile is never near it."""
_SIGNATURES = {"hdf5": b"\x89HDF\r\n\x1a\n", "fits": b"SIMPLE  =", "npz": b"PK\x03\x04"}
_SUFFIXES = {
    ".hdf5": "hdf5",
    ".hdf": "hdf5",
    ".h5": "hdf5",
    ".fits": "fits",
    ".fit": "fits",
    ".npz": "npz",
    ".npy": "npy",
}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
        Its name in the file.
    data : ndarray
        Numbers or text.
    unit : str or None
        The unit stated in the file; None if none is.
    cells : ndarray of str or None
        The entries as spelled in a text file, for use as ids ("007" is no 7).
    """

    name: str
    data: npt.NDArray[Any]
    unit: str | None = None
    cells: npt.NDArray[Any] | None = None

    def labels(self) -> list[str]:
        """Return the entries as text."""
        return [str(entry) for entry in (self.data if self.cells is None else self.cells)]


@dataclass(frozen=True)
class RawTable:
    """The columns of one table of a file, with its metadata and name within the file."""

    file: str
    columns: tuple[Column, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


def read_tables(path: str | os.PathLike[str], group: str | int | None = None) -> list[RawTable]:
    """Return the tables of `path`: one, or one per HDF5 group that holds arrays.

    Parameters
    ----------
    path : path
        ECSV, CSV, whitespace text, FITS table, HDF5 or npz; told apart by content.
    group : str or int, optional
        HDF5 group or FITS extension to read.

    Raises
    ------
    FormatError
        If the file is missing, empty, a directory, or not of its format.
    """
    file = os.fspath(path)
    kind = kind_of(file)
    if group is not None and kind not in ("hdf5", "fits"):
        raise FormatError(file, "group", "only HDF5 and FITS files have groups")
    readers: dict[str, Callable[[], list[RawTable]]] = {
        "hdf5": lambda: _read_hdf5(file, group),
        "fits": lambda: _read_fits(file, group),
        "npz": lambda: _read_npz(file),
        "npy": lambda: _read_npy(file),
        "ecsv": lambda: _read_ecsv(file),
        "text": lambda: _read_text(file),
    }
    with parsing(file, kind):
        return readers[kind]()


@contextmanager
def parsing(file: str, kind: str) -> Iterator[None]:
    """Turn whatever a parser raises on a damaged file into a `FormatError`."""
    try:
        yield
    except FormatError:
        raise
    except Exception as error:
        problem = f"cannot be read as {kind} ({type(error).__name__}: {error})"
        raise FormatError(file, "content", problem) from error


def kind_of(file: str) -> str:
    """Return the format of a file, by its first bytes."""
    path = Path(file)
    if path.is_dir():
        raise FormatError(file, "file", "is a directory; give a file, a list of files or a glob")
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
    except OSError as error:
        raise FormatError(file, "file", f"cannot be opened ({error.strerror})") from error
    if not head:
        raise FormatError(file, "file", "is empty")
    expected = _SUFFIXES.get(path.suffix.lower())
    for kind, signature in _SIGNATURES.items():
        if head.startswith(signature):
            return kind
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if expected is not None:
        problem = f"does not begin like {expected.upper()}: damaged, or another format"
        raise FormatError(file, "file", problem)
    if head.startswith(b"\x1f\x8b"):
        raise FormatError(file, "file", "is compressed; decompress it first")
    return "ecsv" if head.startswith(b"# %ECSV") else "text"


def _read_text(file: str) -> list[RawTable]:
    columns = [Column(*column) for column in read_text(file)]
    return [RawTable(file, tuple(columns))]


def _read_ecsv(file: str) -> list[RawTable]:
    from astropy.table import Table
    from astropy.units import UnrecognizedUnit

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an unknown unit warns; it is refused when used
        table = Table.read(file, format="ascii.ecsv")
    columns = []
    for name in table.colnames:
        unit = table[name].unit
        text = None if unit is None else str(unit)
        if isinstance(unit, UnrecognizedUnit):
            text = unit.name
        columns.append(Column(name, _plain(file, name, table[name]), text))
    return [RawTable(file, tuple(columns), dict(table.meta))]


def _read_fits(file: str, group: str | int | None) -> list[RawTable]:
    with opened_fits(file) as hdus:
        hdu = _fits_table(file, hdus, group)
        columns = tuple(
            Column(c.name, _plain(file, c.name, hdu.data[c.name]), c.unit or None)
            for c in hdu.columns
        )
        return [RawTable(file, columns, fits_header(hdu), hdu.name)]


@contextmanager
def opened_fits(file: str) -> Iterator[Any]:
    """Give the HDUs of a FITS file; damage that the library only warns of is an error."""
    from astropy.io import fits

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with (
            open(file, "rb") as stream,
            fits.open(stream, memmap=False, checksum=True) as hdus,
        ):
            yield hdus
    for warning in caught:
        text = str(warning.message)
        if any(word in text.lower() for word in ("truncat", "checksum", "datasum", "corrupt")):
            raise FormatError(file, "content", f"is damaged: {text}")


def fits_header(hdu: Any) -> dict[str, Any]:
    """Return the header of an HDU by its keys in lower case."""
    return {key.lower(): value for key, value in hdu.header.items() if key}


def _fits_table(file: str, hdus: Any, group: str | int | None) -> Any:
    from astropy.io import fits

    if group is not None:
        try:
            hdu = hdus[group]
        except (KeyError, IndexError) as error:
            raise FormatError(file, "group", f"no extension {group!r}") from error
        tables = [hdu] if isinstance(hdu, fits.BinTableHDU | fits.TableHDU) else []
    else:
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
    if not tables:
        raise FormatError(file, "table", "no FITS table here (an image, or damaged)")
    if len(tables) > 1:
        names = ", ".join(repr(hdu.name) for hdu in tables)
        raise FormatError(file, "table", f"several tables: choose with group=, from {names}")
    if tables[0].data is None:
        raise FormatError(file, "table", "has no rows")
    return tables[0]


def _read_npz(file: str) -> list[RawTable]:
    with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return [_table_of_arrays(file, arrays, {}, "")]


def _read_npy(file: str) -> list[RawTable]:
    with open(file, "rb") as stream:
        array = np.load(stream, allow_pickle=False)
    if array.dtype.names:
        return [_table_of_arrays(file, {n: array[n] for n in array.dtype.names}, {}, "")]
    return [RawTable(file, (Column("array", array),))]


def _read_hdf5(file: str, group: str | int | None) -> list[RawTable]:
    import h5py

    with h5py.File(file, "r") as root:
        start = root if group is None else root.get(str(group))
        if not isinstance(start, h5py.Group):
            raise FormatError(file, "group", f"no group {group!r}")
        table = _hdf5_table(file, start, _hdf5_above(start))
        if table.columns:
            return [table]
        found = [
            _hdf5_table(file, item, dict(table.meta))
            for item in _hdf5_groups(start)
            if any(isinstance(child, h5py.Dataset) for child in item.values())
        ]
    if not found:
        raise FormatError(file, "content", "holds no arrays")
    return found


def _hdf5_above(group: Any) -> dict[str, Any]:
    """Attributes and single numbers of the groups that hold `group`, the nearest first."""
    known: dict[str, Any] = {}
    parts = str(group.name).strip("/").split("/")[:-1] if group.name != "/" else []
    for depth in range(len(parts) + (group.name != "/")):
        parent = group.file["/".join(parts[:depth]) or "/"]
        known |= {key: parent.attrs[key] for key in parent.attrs} | _hdf5_single(parent)
    return known


def _hdf5_single(group: Any) -> dict[str, Any]:
    """Numbers that are no arrays, by name; a name with a unit, ``length [kpc/h]``, is a path."""
    import h5py

    found: dict[str, Any] = {}
    for key, item in group.items():
        name = _text_of(key)
        if isinstance(item, h5py.Dataset) and item.ndim == 0:
            found[name] = item[()]
        elif isinstance(item, h5py.Group) and "[" in name and "]" not in name:
            found |= {f"{name}/{rest}": value for rest, value in _hdf5_single(item).items()}
    return found


def _hdf5_groups(parent: Any) -> list[Any]:
    """Groups below `parent` in order of name, three levels deep at most."""
    import h5py

    level, found = [parent], []
    for _ in range(3):
        level = [c for p in level for c in p.values() if isinstance(c, h5py.Group)]
        found.extend(level)
    return found


def _hdf5_table(file: str, group: Any, inherited: Mapping[str, Any] | None = None) -> RawTable:
    import h5py

    arrays, units = {}, {}
    for key, item in group.items():
        if not isinstance(item, h5py.Dataset):
            continue
        name = _text_of(key)
        if item.nbytes > MAX_BYTES:
            raise FormatError(file, name, f"holds {item.nbytes:.3g} bytes: damaged, or too large")
        arrays[name] = item[()]
        unit = next((item.attrs[k] for k in ("unit", "units") if k in item.attrs), None)
        if unit is not None:
            units[name] = _text_of(unit)
    meta = {**(inherited or {}), **{key: group.attrs[key] for key in group.attrs}}
    meta |= {key: value for key, value in _hdf5_single(group).items() if "[" in key}
    return _table_of_arrays(file, arrays, units, str(group.name).rsplit("/", 1)[-1], meta)


def _table_of_arrays(
    file: str,
    arrays: Mapping[str, Any],
    units: Mapping[str, str],
    name: str,
    meta: Mapping[str, Any] | None = None,
) -> RawTable:
    """Arrays become columns; single values become metadata."""
    known = {key: _scalar_of(value) for key, value in (meta or {}).items()}
    columns = []
    for key, value in arrays.items():
        array = _plain(file, key, value)
        if array.ndim == 0:
            known[key] = _scalar_of(value)
        else:
            columns.append(Column(key, array, units.get(key)))
    return RawTable(file, tuple(columns), known, name)


def _plain(file: str, name: str, data: Any) -> npt.NDArray[Any]:
    """An ordinary array in native byte order; masked entries are an error."""
    if np.ma.is_masked(data):
        at = int(np.argmax(np.ma.getmaskarray(data)))
        raise FormatError(file, name, f"entry {at} is missing")
    array = np.asarray(data)
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    if array.dtype.kind == "O" and all(isinstance(x, bytes | str) for x in array.flat):
        return np.array([_text_of(x) for x in array.flat], dtype=str).reshape(array.shape)
    return array.astype(array.dtype.newbyteorder("="), copy=True)


def _scalar_of(value: Any) -> Any:
    array = np.asarray(value)
    item = array.item() if array.size == 1 else array.tolist()
    return _text_of(item) if isinstance(item, bytes) else item


def _text_of(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
