"""Samples of lenses from files: catalogues of mocks, and tables with named columns."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._formats import check_format
from ..cosmology import angular_diameter_distance
from ..errors import FormatError, ParameterError, nearest
from ..readers._raw import Column, RawTable, read_tables
from ..readers._units import Conversion, scaled
from ..stronglens.catalogue import FORMAT, FORMAT_VERSION, LensCatalogue
from ..stronglens.lens import ARCSEC
from .galaxy_data import GalaxyData
from .lens_data import LensData
from .ring_data import RingData

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

_NEEDED = ("x_a", "x_b", "log_re", "m_a", "m_b", "log_msps")
_LENGTHS = ("x_a", "x_b")
_RING_NEEDED = ("theta_e", "log_msps", "z_l", "z_s")
_RING_UNITS = {"theta_e": "arcsec", "sigma_theta": "arcsec"}
_UNITS = {"m_a": "mag", "m_b": "mag", "sigma_a": "mag", "sigma_b": "mag"}
_UNITS |= {"time_delay": "day", "sigma_delay": "day"}


def load_image_pairs(
    path: str | os.PathLike[str],
    columns: Mapping[str, str] | None = None,
    *,
    unit: str = "kpc",
    cosmology: FLRW | None = None,
    form: str = "lenses",
    **values: Any,
) -> LensData:
    """Return the lenses of a file.

    Parameters
    ----------
    path : path
        A catalogue that `MockGenerator` wrote, of which the detected lenses are taken, or a
        table: ECSV, CSV, whitespace text, FITS, HDF5.
    columns : mapping, optional
        Argument of `LensData` -> name of its column; the name of the argument by default.
    unit : {"kpc", "arcsec"}
        Of the positions x_a and x_b, where the table states none. Angles become physical kpc
        at the redshift of each lens.
    cosmology : astropy cosmology, optional
        For angles.
    form : {"lenses", "any_lens", "one_lens"}
        Which lenses of a catalogue are taken, as `LensData.from_catalogue`; every row of a
        table is.
    **values
        Arguments of `LensData` that a table without their column takes: errors, redshifts.

    Raises
    ------
    FormatError
        Not readable, a column that is missing or not of its unit, a value out of its range.
    ParameterError
        Columns named for a catalogue of a mock, or of what `LensData` does not have.
    """
    table = _catalogue_or_table(path)
    if isinstance(table, LensCatalogue):
        if columns:
            raise ParameterError("columns", dict(columns), "left out for a catalogue of a mock")
        return LensData.from_catalogue(table, form)
    given: dict[str, Any] = dict(values)
    known = [field.name for field in dataclasses.fields(LensData)]
    found = _columns(table, dict(columns or {}), known, _NEEDED)
    for name, column in found.items():
        if name == "name":
            given[name] = column.labels()
        elif name not in _LENGTHS:
            given[name] = _numbers(table, name, column, _UNITS.get(name))
    for name in _LENGTHS:
        given[name] = _lengths(table, name, found[name], unit, given.get("z_l", 0.3), cosmology)
    try:
        return LensData(**given)
    except ParameterError as error:
        raise FormatError(table.file, error.name.split("[", maxsplit=1)[0], str(error)) from error


def load_einstein_radii(
    path: str | os.PathLike[str],
    columns: Mapping[str, str] | None = None,
    **values: Any,
) -> RingData:
    """Return the lenses of a table of Einstein radii.

    Parameters
    ----------
    path : path
        ECSV, CSV, whitespace text, FITS, HDF5.
    columns : mapping, optional
        Argument of `RingData` -> name of its column; the name of the argument by default.
        ``r_e`` is a half-light radius in kpc, not its logarithm, in place of ``log_re``.
    **values
        Arguments of `RingData` that a table without their column takes: errors, redshifts.

    Raises
    ------
    FormatError
        Not readable, a column that is missing or not of its unit, a value out of its range.
    ParameterError
        Columns named of what `RingData` does not have.
    """
    table = _one_table(path)
    asked, given = dict(columns or {}), dict(values)
    size = "r_e" if "r_e" in asked else "log_re"
    known = [field.name for field in dataclasses.fields(RingData) if field.name != "log_re"]
    needed = [name for name in (*_RING_NEEDED, size) if name not in given]
    for name, column in _columns(table, asked, [*known, size], needed).items():
        if name == "name":
            given[name] = column.labels()
        elif name == "r_e":
            lengths = _numbers(table, name, column, "kpc")
            if not (lengths > 0.0).all():
                raise FormatError(table.file, column.name, "half-light radii are > 0")
            given["log_re"] = np.log10(lengths)
        else:
            given[name] = _numbers(table, name, column, _RING_UNITS.get(name))
    try:
        return RingData(**given)
    except ParameterError as error:
        raise FormatError(table.file, error.name.split("[", maxsplit=1)[0], str(error)) from error


def load_non_lenses(path: str | os.PathLike[str], **values: Any) -> GalaxyData:
    """Return the galaxies of a file in which no lensed source was detected.

    Parameters
    ----------
    path : path
        A catalogue that `MockGenerator` wrote, or a table as of `load_image_pairs` with columns
        ``log_re``, ``log_msps`` and, where they differ, ``sigma_msps`` and ``z_l``.
    **values
        Arguments of `GalaxyData` that a table without their column takes.

    Raises
    ------
    FormatError
        Not readable, a column that is missing, a value out of its range.
    """
    table = _catalogue_or_table(path)
    if isinstance(table, LensCatalogue):
        return GalaxyData.from_catalogue(table)
    known = [field.name for field in dataclasses.fields(GalaxyData)]
    columns = _columns(table, {}, known, ("log_re", "log_msps"))
    found = {name: _numbers(table, name, column, None) for name, column in columns.items()}
    try:
        return GalaxyData(**{**values, **found})
    except ParameterError as error:
        raise FormatError(table.file, error.name.split("[", maxsplit=1)[0], str(error)) from error


def mock_metadata(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return the metadata of a catalogue of a mock; None for any other file."""
    if not _is_catalogue(path):
        return None
    return LensCatalogue.read(path, n_galaxies=0).metadata


def column_names(path: str | os.PathLike[str]) -> set[str]:
    """Return the names of the columns of a table.

    Raises
    ------
    FormatError
        Not readable, or more than one table.
    """
    return {column.name for column in _one_table(path).columns}


def file_hash(path: str | os.PathLike[str]) -> str:
    """Return the sha256 of the bytes of a file."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FormatError(path, "file", f"cannot be opened ({error.strerror})") from error


def _catalogue_or_table(path: str | os.PathLike[str]) -> LensCatalogue | RawTable:
    if _is_catalogue(path):
        return LensCatalogue.read(path)
    return _one_table(path)


def _one_table(path: str | os.PathLike[str]) -> RawTable:
    tables = read_tables(path)
    if len(tables) != 1:
        raise FormatError(path, "content", f"holds {len(tables)} tables, one is needed")
    return tables[0]


def _is_catalogue(path: str | os.PathLike[str]) -> bool:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            check_format(path, file.attrs, FORMAT, FORMAT_VERSION)
    except (OSError, FormatError, KeyError, ValueError):
        return False  # whatever it is, its own reader says what is wrong
    return True


def _columns(
    table: RawTable, asked: dict[str, str], known: Sequence[str], needed: Sequence[str]
) -> dict[str, Column]:
    """Return the columns by argument; those that were asked for and the needed ones must be."""
    by_name = {column.name: column for column in table.columns}
    for name in asked:
        if name not in known:
            hint = nearest(name, known)
            raise ParameterError("columns", name, f"one of {', '.join(known)}", hint)
    found = {}
    for name in known:
        wanted = asked.get(name, name)
        if wanted in by_name:
            found[name] = by_name[wanted]
        elif name in asked or name in needed:
            hint = nearest(wanted, by_name) or f"Columns are {', '.join(by_name)}."
            raise FormatError(table.file, wanted, f"no such column. {hint}")
    return found


def _numbers(table: RawTable, name: str, column: Column, unit: str | None) -> Array:
    factor = 1.0
    if unit is not None and column.unit:
        factor = Conversion().factor(table.file, name, column.unit, unit, 0.0)
    return scaled(table.file, name, column.data, factor)


def _lengths(
    table: RawTable, name: str, column: Column, unit: str, z_l: Any, cosmology: FLRW | None
) -> Array:
    """Return positions in physical kpc in the lens plane."""
    stated = column.unit or unit
    if stated in ("kpc", "arcsec"):
        numbers = scaled(table.file, name, column.data, 1.0)
        angle = stated == "arcsec"
    else:
        try:
            numbers, angle = _numbers(table, name, column, "kpc"), False
        except FormatError:
            numbers, angle = _numbers(table, name, column, "arcsec"), True
    if not angle:
        return numbers
    return np.asarray(numbers * angular_diameter_distance(z_l, cosmology) * (1e3 * ARCSEC))
