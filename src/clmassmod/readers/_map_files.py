"""Files to raw maps: a square of numbers, with what the file states of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cosmology import Array
from ..errors import FormatError
from ._fields import SUFFIX_UNITS, find_columns, missing_column
from ._raw import (
    Column,
    RawTable,
    fits_header,
    opened_fits,
    parsing,
)
from ._units import scaled

Stated = tuple[Any, str | None]
"""A number of the file and its unit, if stated."""

_PIXEL_KEYS = ("pixel_scale", "pixel_size", "pixscale", "pixsize", "resolution", "res")
_DEPTH_KEYS = ("depth", "l_proj", "projection_length", "projection_depth", "length_projection")
_UNIT_KEYS = ("unit", "units", "bunit")
_CELESTIAL = re.compile(r"^(RA|DEC|[GES]LON|[GES]LAT|[XY]LON|[XY]LAT)[-\s]", re.I)
_NOT_DATA = ("MASK", "ERRORS")
# of spacings and shapes of pixels, as text files round them
_GRID_TOLERANCE = 1e-4


@dataclass(frozen=True)
class RawMap:
    """One map of a file: arrays and numbers in the units of the file."""

    table: RawTable
    """Columns by which a redshift may be stated, metadata, and the name of the map."""
    values: Column
    errors: Column | None = None
    mask: npt.NDArray[Any] | None = None
    pixel: Stated | None = None
    depth: Stated | None = None
    centre: tuple[float, float] | None = None
    sampling: str = "pixel"
    comoving: tuple[str, ...] = ()
    """Fields of `clmassmod.readers._maps` that the layout gives in comoving units."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """For the metadata of the map."""


def maps_of_table(table: RawTable, kind: str, columns: Mapping[str, str | int]) -> list[RawMap]:
    """Return the maps of one table: of its arrays, of a matrix, or of rows of x, y, value."""
    lone = [column for column in table.columns if column.data.ndim > 1]
    found = find_columns(table, kind, columns)
    if "values" not in found and len(lone) == 1 == len(table.columns):
        found["values"] = lone[0]
    if "values" not in found:
        matrix = _matrix(table)
        if matrix is None:
            raise missing_column(table, kind, "values")
        found = {"values": matrix}
    values = found["values"]
    if values.data.ndim == 1:
        return [_gridded(table, found)]
    given = {name: found.get(name) for name in ("errors", "mask")}
    if values.data.ndim == 2:
        return [_from_arrays(table, values, given["errors"], given["mask"])]
    if values.data.ndim != 3:
        problem = f"is of shape {values.data.shape}: neither a map nor a list of maps"
        raise FormatError(table.file, "values", problem)
    label = table.name or Path(table.file).stem
    return [
        _from_arrays(
            RawTable(table.file, (), table.meta, f"{label}_{i}"),
            _layer(values, i, values),
            _layer(given["errors"], i, values),
            _layer(given["mask"], i, values),
        )
        for i in range(len(values.data))
    ]


def _layer(column: Column | None, i: int, values: Column) -> Column | None:
    if column is None or column.data.shape != values.data.shape:
        return column  # one for all maps, or an error that the map itself will name
    return Column(column.name, column.data[i], column.unit)


def _from_arrays(
    table: RawTable, values: Column | None, errors: Column | None, mask: Column | None
) -> RawMap:
    assert values is not None
    unit = values.unit if values.unit is not None else _unit_in(table)
    return RawMap(
        table,
        Column(values.name, values.data, unit),
        errors,
        None if mask is None else _flags(table.file, mask),
        stated_length(table, _PIXEL_KEYS),
        stated_length(table, _DEPTH_KEYS),
    )


def _flags(file: str, mask: Column) -> npt.NDArray[np.bool_]:
    if mask.data.dtype.kind not in "biu" or not np.isin(mask.data, (0, 1)).all():
        raise FormatError(file, "mask", f"holds {mask.data.dtype}s other than 0 and 1")
    return mask.data.astype(bool)


def _unit_in(table: RawTable) -> str | None:
    keys = {str(key).lower(): key for key in table.meta}
    found = next((table.meta[keys[k]] for k in _UNIT_KEYS if k in keys), None)
    return None if found is None else str(found)


def stated_length(table: RawTable, names: tuple[str, ...]) -> Stated | None:
    """Return a number of the metadata that goes by one of the names, and its unit.

    The unit is in the key (``pixel_scale_mpc``, ``resolution [kpc/h]``) or in one of its own
    (``pixel_scale_unit``).
    """
    meta = {str(key).strip().lower(): value for key, value in table.meta.items()}
    for key, value in meta.items():
        bracket = re.fullmatch(r"(\w+)\s*\[(.*)\]", key)
        suffix = re.fullmatch(rf"(\w+)_({'|'.join(SUFFIX_UNITS)})", key)
        if bracket and bracket[1] in names:
            # units keep the spelling of the file: M is no m
            original = next(k for k in table.meta if str(k).strip().lower() == key)
            return value, str(original)[str(original).index("[") + 1 :].rstrip("] ")
        if suffix and suffix[1] in names:
            return value, SUFFIX_UNITS[suffix[2]]
        if key in names:
            unit = meta.get(f"{key}_unit")
            return value, None if unit is None else str(unit)
    return None


def _matrix(table: RawTable) -> Column | None:
    """Return a text file of as many numbers a row as there are rows, as one array."""
    columns = table.columns
    numeric = all(c.data.ndim == 1 and c.data.dtype.kind in "iuf" for c in columns)
    unnamed = all(re.fullmatch(r"col\d+", c.name) for c in columns)
    if not (numeric and unnamed) or len(columns) < 4:
        return None
    return Column("matrix", np.stack([c.data for c in columns], axis=1))


def _gridded(table: RawTable, found: Mapping[str, Column]) -> RawMap:
    """Rows of x, y and value, in any order, as a map; the object is at x = y = 0."""
    file, values = table.file, found["values"]
    missing = [axis for axis in ("x", "y") if axis not in found]
    if missing:
        problem = "the values are a list, which needs the columns x and y to be a map"
        raise FormatError(file, missing[0], problem)
    rows = values.data.size
    side = math.isqrt(rows)
    if side**2 != rows or side < 2:
        raise FormatError(
            file, "values", f"{rows} rows are no square map: not square, or truncated"
        )
    axes = {axis: _axis(file, axis, found[axis], side) for axis in ("x", "y")}
    place = axes["y"].index * side + axes["x"].index
    if np.unique(place).size != rows:
        at = int(np.argmax(np.bincount(place, minlength=rows) != 1))
        problem = f"pixel [{at // side}, {at % side}] does not occur once: no complete grid"
        raise FormatError(file, "values", problem)
    step_x, step_y = axes["x"].step, axes["y"].step
    if found["x"].unit != found["y"].unit or abs(step_y / step_x - 1.0) > _GRID_TOLERANCE:
        problem = (
            f"{step_x:.6g} {found['x'].unit or ''} by {step_y:.6g} {found['y'].unit or ''}: "
            "pixels are not square"
        )
        raise FormatError(file, "pixel_scale", problem)

    def squared(column: Column | None) -> Column | None:
        if column is None:
            return None
        array = np.empty(rows, dtype=column.data.dtype)
        array[place] = column.data
        return Column(column.name, array.reshape(side, side), column.unit)

    known = tuple(replace(c, name="redshift") for k, c in found.items() if k == "redshift")
    built = _from_arrays(
        replace(table, columns=known),
        squared(values),
        squared(found.get("errors")),
        squared(found.get("mask")),
    )
    corner = (-axes["x"].start / step_x, -axes["y"].start / step_y)
    inside = all(-0.5 <= c <= side - 0.5 for c in corner)
    return replace(built, pixel=(step_x, found["x"].unit), centre=corner if inside else None)


@dataclass(frozen=True)
class _Axis:
    index: npt.NDArray[np.int64]
    start: float
    step: float


def _axis(file: str, name: str, column: Column, side: int) -> _Axis:
    position: Array = scaled(file, name, column.data, 1.0)
    if not np.isfinite(position).all():
        at = int(np.argmin(np.isfinite(position)))
        raise FormatError(file, name, f"entry {at} is {position[at]}")
    start, end = float(position.min()), float(position.max())
    step = (end - start) / (side - 1)
    if not step > 0.0:
        raise FormatError(file, "pixel_scale", f"all {name} are {start:.6g}: pixels of size zero")
    fractional = (position - start) / step
    index = np.rint(fractional).astype(np.int64)
    off = np.abs(fractional - index)
    if off.max() > 100.0 * _GRID_TOLERANCE:
        at = int(np.argmax(off))
        problem = f"entry {at}, {position[at]:.6g}, is not on {side} equal steps of {step:.6g}"
        raise FormatError(file, name, problem)
    return _Axis(index, start, step)


def read_images(file: str, group: str | int | None) -> list[RawMap]:
    """Return the image of a FITS file, none if it has only tables."""
    with parsing(file, "fits"), opened_fits(file) as hdus:
        chosen = _image_hdus(file, hdus, group)
        if not chosen:
            return []
        if len(chosen) > 1:
            names = ", ".join(repr(hdu.name) for hdu in chosen)
            problem = f"several images: choose with group=, from {names}"
            raise FormatError(file, "image", problem)
        hdu = chosen[0]
        header = fits_header(hdu)
        extra = {h.name: np.asarray(h.data) for h in hdus if h.name in _NOT_DATA and h is not hdu}
        data = _native(hdu.data)
    name = hdu.name if group is not None else ""
    table = RawTable(file, (), header, name)
    errors = extra.get("ERRORS")
    mask = extra.get("MASK")
    found = _from_arrays(
        table,
        Column(hdu.name or "image", data),
        None if errors is None else Column("ERRORS", _native(errors)),
        None if mask is None else Column("MASK", _native(mask)),
    )
    if found.pixel is None:
        found = replace(found, pixel=_wcs_pixel(file, header))
    return [found]


def _image_hdus(file: str, hdus: Any, group: str | int | None) -> list[Any]:
    if group is not None:
        try:
            hdu = hdus[group]
        except (KeyError, IndexError) as error:
            raise FormatError(file, "group", f"no extension {group!r}") from error
        return [hdu] if hdu.is_image and hdu.data is not None else []
    return [h for h in hdus if h.is_image and h.data is not None and h.name not in _NOT_DATA]


def _native(data: Any) -> npt.NDArray[Any]:
    array = np.asarray(data)
    return array.astype(array.dtype.newbyteorder("="), copy=True)


def _wcs_pixel(file: str, header: Mapping[str, Any]) -> Stated | None:
    """Return the pixel scale of the coordinates of an image, if it has any."""
    matrix = np.array(
        [[header.get(f"cd{i}_{j}", np.nan) for j in (1, 2)] for i in (1, 2)], dtype=np.float64
    )
    if np.isnan(matrix).all():
        if "cdelt1" not in header or "cdelt2" not in header:
            return None
        rotation = [[header.get(f"pc{i}_{j}", float(i == j)) for j in (1, 2)] for i in (1, 2)]
        steps = np.array([header["cdelt1"], header["cdelt2"]], dtype=np.float64)
        matrix = steps[:, None] * np.array(rotation, dtype=np.float64)
    matrix = np.nan_to_num(matrix)
    first, second = (float(np.hypot(*matrix[:, i])) for i in (0, 1))
    square = abs(first - second) <= _GRID_TOLERANCE * max(first, second)
    if not square or abs(matrix[:, 0] @ matrix[:, 1]) > _GRID_TOLERANCE * first * second:
        problem = f"{first:.6g} by {second:.6g}: pixels are not square"
        raise FormatError(file, "pixel_scale", problem)
    unit = header.get("cunit1")
    if unit is None and _CELESTIAL.match(str(header.get("ctype1", ""))):
        unit = "deg"  # of celestial coordinates, by the standard
    if header.get("cunit2", unit) != unit:
        raise FormatError(file, "pixel_scale", "the two axes are in different units")
    return first, None if unit is None else str(unit)


def number_of(file: str, name: str, value: Any) -> float:
    """Return a number that a file states."""
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise FormatError(file, name, f"{value!r} is not a number") from error
