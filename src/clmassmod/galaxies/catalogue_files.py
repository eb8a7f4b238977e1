"""Galaxy catalogues in FITS and ECSV tables."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError, ParameterError
from ..provenance import atomic_path
from .catalogue import COLUMNS, GalaxyCatalogue

FORMATS = {".fits": "fits", ".fit": "fits", ".ecsv": "ascii.ecsv"}
_HEADER = {"coordinate_system": "COORDSYS", "id": "OBJECT", "metadata": "CLMMETA"}


def read_catalogue(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    coordinate_system: str | None = None,
    id: str | None = None,
) -> GalaxyCatalogue:
    """Return the galaxy catalogue in a FITS or ECSV table.

    Parameters
    ----------
    path : path
        A file whose name ends in .fits, .fit or .ecsv.
    columns : mapping, optional
        Our name of a column (see `GalaxyCatalogue`) -> its name in the file; by default the
        same. Other columns of the file are left out.
    coordinate_system : {"euclidean", "celestial"}, optional
        The axes of e1, e2; by default what our own files state, else "euclidean".
    id : str, optional
        By default what our own files state, else the name of the file without its suffix.

    Raises
    ------
    FormatError
        Naming the file and the column at fault: one named in `columns` that is not there, one
        that is no number, not finite, masked, or out of range.
    """
    file = Path(path)
    _check_names(columns or {})
    table = _read_table(file)
    try:
        result = catalogue_of_table(table, columns=columns, coordinate_system=coordinate_system)
    except ParameterError as error:
        raise FormatError(file, error.name, f"{error.value!r}: must be {error.allowed}") from error
    name = id if id is not None else (result.id or file.stem)
    return result.replace(id=name)


def catalogue_of_table(
    table: Any,
    *,
    columns: Mapping[str, str] | None = None,
    coordinate_system: str | None = None,
) -> GalaxyCatalogue:
    """Return the galaxy catalogue of an astropy table; arguments as in `read_catalogue`.

    A column without a unit is taken in that of `COLUMNS`.
    """
    names = dict(columns or {})
    _check_names(names)
    for theirs in names.values():
        if theirs not in table.colnames:
            raise ParameterError(theirs, "absent", "a column of the table")
    content = {
        name: table[names.get(name, name)]
        for name in COLUMNS
        if names.get(name, name) in table.colnames
    }
    header = _header(table.meta)
    return GalaxyCatalogue(
        coordinate_system=coordinate_system or header.get("coordinate_system", "euclidean"),
        id=header.get("id", ""),
        metadata=header.get("metadata"),
        **{name: _numbers(name, column) for name, column in content.items()},
    )


def _check_names(columns: Mapping[str, str]) -> None:
    for name in columns:
        if name not in COLUMNS:
            raise ParameterError("columns", name, f"made of {', '.join(COLUMNS)}")


def write_catalogue(catalogue: GalaxyCatalogue, path: str | os.PathLike[str]) -> None:
    """Write a catalogue as FITS or ECSV, by the suffix of `path`, atomically."""
    kind = _format(Path(path))
    table = catalogue.to_table()
    if kind == "fits":
        own = table.meta.pop("clmassmod")
        table.meta.update({_HEADER[key]: own[key] for key in _HEADER})
    with atomic_path(path) as temporary:
        if kind == "fits":
            from astropy.io import fits

            hdus = fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(table)])
            hdus.writeto(temporary, overwrite=True, checksum=True)
        else:
            table.write(temporary, format=kind, overwrite=True)


def _format(path: Path) -> str:
    if path.suffix.lower() not in FORMATS:
        raise ParameterError("path", str(path), f"a name that ends in {', '.join(FORMATS)}")
    return FORMATS[path.suffix.lower()]


def _read_table(path: Path) -> Any:
    from astropy.io import fits
    from astropy.table import Table

    kind = _format(path)
    if not path.is_file():
        raise FormatError(path, "file", "there is none")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a truncated file is only a warning to astropy
            if kind != "fits":
                return Table.read(path, format=kind)
            # our own stream: astropy leaves that of a damaged file open
            with open(path, "rb") as stream:
                hdus = fits.open(stream, memmap=False, checksum=True)
                return Table.read(hdus, format="fits", hdu=1)
    except Exception as error:  # whatever the format library raises on a damaged file
        raise FormatError(path, "file", f"not a readable {kind} table ({error})") from error


def _header(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what our own files state of a catalogue."""
    import json

    own = meta.get("clmassmod")
    if isinstance(own, Mapping) and own.get("catalogue") == "galaxies":
        content = {key: own[key] for key in _HEADER if key in own}
    else:
        content = {key: meta[card] for key, card in _HEADER.items() if card in meta}
    if "metadata" in content:
        try:
            content["metadata"] = json.loads(content["metadata"])
        except (TypeError, ValueError) as error:
            raise ParameterError("metadata", content["metadata"], "JSON text") from error
    return content


def _numbers(name: str, column: Any) -> Any:
    """Return the entries with their unit, in the byte order of this machine."""
    if np.ma.is_masked(column):
        at = int(np.argmax(np.ma.getmaskarray(column)))
        raise ParameterError(f"{name}[{at}]", "masked", "a number")
    data = np.asarray(column)
    if data.dtype.kind not in "biuf":
        raise ParameterError(name, f"column of {data.dtype}", "made of numbers")
    data = data.astype(data.dtype.newbyteorder("="))
    unit = getattr(column, "unit", None)
    if unit is None:
        return data
    from astropy.units import Quantity

    return Quantity(data, unit)
