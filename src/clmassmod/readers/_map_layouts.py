"""Layouts of maps that certain simulations use: ray-traced planes, Jacobians, projected haloes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cosmology import Array, resolve_cosmology, transverse_comoving_distance
from ..errors import FormatError
from ._map_files import RawMap, maps_of_table, number_of
from ._raw import Column, RawTable
from ._units import scaled

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

_PLANE = np.dtype(
    [
        ("lower", "<f8", 2),
        ("upper", "<f8", 2),
        ("plane_angle", "<f8"),
        ("redshift", "<f8"),
        ("particle_mass", "<f4"),
        ("n_pixels", "<i4", 2),
    ]
)
_PLANE_SUFFIXES = (".mass_map", ".convergence_map")
_PLANE_UNITS = {"mass_map": "1e10 Msun h / Mpc2", "kappa_map": ""}
_JACOBIAN = ("a00", "a01", "a10", "a11")
_SCALE_FACTOR_KEYS = ("scale_fac", "scale_factor", "scalefactor", "a")
_MAX_KEPT = 16
_MAX_REDSHIFT = 1e4


def is_plane(file: str) -> bool:
    """Return whether a file begins like a binary plane: two bounds, an angle of 90 degrees."""
    if Path(file).suffix.lower() in _PLANE_SUFFIXES:
        return True
    try:
        with open(file, "rb") as stream:
            head = stream.read(_PLANE.itemsize)
    except OSError:
        return False  # the reader of other formats says why
    if len(head) < _PLANE.itemsize:
        return False
    header = np.frombuffer(head, _PLANE)[0]
    return bool(abs(header["plane_angle"] - 0.5 * math.pi) < 1e-3)


def read_plane(file: str, kind: str) -> list[RawMap]:
    """Return the map of a little-endian binary plane, as of the Millennium-XXL ray tracing.

    Bounds (2 + 2 doubles), angle between the axes and redshift (doubles), particle mass
    (float), pixels along x and y (ints), then the pixels as floats, y fastest. Surface
    densities are in 1e10 Msun/h per (Mpc/h)^2, comoving, with bounds in comoving Mpc/h;
    convergences have bounds in arcsec.

    Raises
    ------
    FormatError
        If header and length do not agree.
    """
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise FormatError(file, "file", f"cannot be opened ({error.strerror})") from error
    if len(content) < _PLANE.itemsize:
        raise FormatError(file, "content", f"{len(content)} bytes are too few: truncated")
    header = np.frombuffer(content[: _PLANE.itemsize], _PLANE)[0]
    nx, ny = (int(n) for n in header["n_pixels"])
    if nx != ny or nx < 1:
        raise FormatError(file, "values", f"{nx} by {ny} pixels: not square, or damaged")
    found, expected = len(content) - _PLANE.itemsize, 4 * nx * ny
    if found != expected:
        problem = f"{found} bytes of pixels where {expected} are expected: truncated, or damaged"
        raise FormatError(file, "values", problem)
    sides = [float(x) for x in header["upper"] - header["lower"]]
    if not (math.isfinite(sides[0]) and sides[0] > 0.0 and math.isclose(*sides, rel_tol=1e-6)):
        raise FormatError(file, "pixel_scale", f"sides of {sides[0]:.6g} and {sides[1]:.6g}")
    pixels = np.frombuffer(content, "<f4", offset=_PLANE.itemsize).reshape(nx, ny)
    pixel = sides[0] / nx
    corner = [-float(low) / pixel - 0.5 for low in header["lower"]]
    inside = all(-0.5 <= c <= nx - 0.5 for c in corner)
    return [
        RawMap(
            RawTable(file, (), {"redshift": float(header["redshift"])}),
            # x is the first axis of the file, and the second of a map
            Column("plane", scaled(file, "values", pixels.T, 1.0), _PLANE_UNITS[kind]),
            pixel=(pixel, "Mpc / h" if kind == "mass_map" else "arcsec"),
            centre=(corner[0], corner[1]) if inside else None,
            comoving=("pixel_scale", "values") if kind == "mass_map" else (),
            notes={"layout": "binary plane"},
        )
    ]


def is_jacobian(table: RawTable) -> bool:
    """Return whether a table has the columns A00, A01, A10 and A11."""
    return set(_JACOBIAN) <= {column.name.lower() for column in table.columns}


def convergence_of_jacobian(
    table: RawTable, little_h: float | None, cosmology: FLRW | None, pixel_given: bool
) -> list[RawMap]:
    """Return the convergence map of each row of a table of ray-tracing Jacobians.

    ``kappa = (2 - A00 - A11) / 2`` of rays on a grid of equal angles, x the first axis (Becker
    & Kravtsov 2011). The table states the comoving width and length of the box [Mpc/h], the
    redshifts of lens and sources; the width is that at the far side of the box, so that the
    angle takes a cosmology.
    """
    file = table.file
    columns = {column.name.lower(): column for column in table.columns}
    rows = len(columns["a00"].data)
    parts = {name: _squares(file, columns[name], rows) for name in ("a00", "a11")}
    if parts["a00"].shape != parts["a11"].shape:
        raise FormatError(file, "A11", f"is of shape {columns['a11'].data.shape}, unlike A00")
    with np.errstate(invalid="ignore", over="ignore"):  # the map will name the pixel
        kappa = 0.5 * (2.0 - parts["a00"] - parts["a11"])
    maps = []
    for i in range(rows):
        label = table.name or Path(file).stem
        meta = {
            name: _entry(column, i) for name, column in columns.items() if column.data.ndim == 1
        }
        known = {**meta, "redshift": meta.get("zlens"), "z_source": meta.get("zsource")}
        row = RawTable(
            file,
            (),
            {key: value for key, value in known.items() if value is not None},
            label if rows == 1 else f"{label}[{i}]",
        )
        pixel = None if pixel_given else _ray_pixel(row, kappa.shape[-1], little_h, cosmology)
        maps.append(
            RawMap(
                row,
                Column("A00, A11", kappa[i].T, ""),
                pixel=pixel,
                sampling="point",
                notes={"layout": "Jacobian"},
            )
        )
    return maps


def _squares(file: str, column: Column, rows: int) -> Array:
    data = scaled(file, column.name, column.data, 1.0)
    if len(data) != rows or data.size == 0:
        raise FormatError(file, column.name, f"has {len(data)} rows, A00 has {rows}")
    data = data.reshape(rows, -1)
    side = math.isqrt(data.shape[1])
    if side**2 != data.shape[1]:
        problem = f"{data.shape[1]} entries are no square map: not square, or truncated"
        raise FormatError(file, column.name, problem)
    return data.reshape(rows, side, side)


def _entry(column: Column, i: int) -> Any:
    return column.data[i].item() if column.data.size > i else None


def _ray_pixel(
    table: RawTable, n: int, little_h: float | None, cosmology: FLRW | None
) -> tuple[float, str]:
    meta = table.meta
    names = ("boxwidthcomovinghinvmpc", "boxlengthcomovinghinvmpc", "redshift")
    missing = next((name for name in names if name not in meta), None)
    if missing is not None:
        problem = f"the table has no column {missing.upper()}; pass pixel_scale="
        raise FormatError(table.file, "pixel_scale", problem)
    if cosmology is None:
        problem = "the width is that at the far side of the box: pass cosmology= or pixel_scale="
        raise FormatError(table.file, "pixel_scale", problem)
    cosmo = resolve_cosmology(cosmology)
    width, length, redshift = (number_of(table.file, name, meta[name]) for name in names)
    if not (width > 0.0 and length >= 0.0 and 0.0 < redshift < _MAX_REDSHIFT):
        problem = f"box of {width!r} by {length!r} Mpc/h at z = {redshift!r}"
        raise FormatError(table.file, "pixel_scale", problem)
    # lengths in Mpc/h need no h but that of the cosmology
    h = float(cosmo.h) if little_h is None else little_h
    far = float(transverse_comoving_distance(redshift, cosmo)) + 0.5 * length / h
    return math.atan2(width / h, far) / n, "rad"


def read_projected_haloes(
    table: RawTable, kind: str, columns: Mapping[str, str | int]
) -> list[RawMap]:
    """Return the three projections of one halo: the array (3, n, n) called ``*_Sigma``.

    The file states redshift, scale factor, projection length and pixel scale at its root. The
    first axis of a projection is x.

    Raises
    ------
    FormatError
        Several such arrays and none named by the caller; redshift and scale factor that do
        not agree.
    """
    file = table.file
    found = sigma_columns(table)
    names = ", ".join(repr(column.name) for column in found)
    if "values" not in columns and len(found) > 1:
        problem = f"could be any of {names}; choose with columns={{'values': ...}}"
        raise FormatError(file, "values", problem)
    asked = {**columns} if "values" in columns else {"values": found[0].name}
    _check_scale_factor(table)
    label = table.name or Path(file).stem
    kept = {key: value for key, value in table.meta.items() if isinstance(value, int | float | str)}
    small = {c.name: c.data.tolist() for c in table.columns if c.data.size <= _MAX_KEPT}
    maps = []
    for i, found_map in enumerate(maps_of_table(table, kind, asked)):
        values = replace(found_map.values, data=found_map.values.data.T)
        notes: dict[str, Any] = {"layout": "projected haloes", "halo": label, "projection": i}
        notes["properties"] = {**kept, **small}
        maps.append(replace(found_map, values=values, notes=notes))
    return maps


def sigma_columns(table: RawTable) -> list[Column]:
    """Return the arrays (3, n, n) of a table whose name ends in ``_Sigma``."""
    return [
        column
        for column in table.columns
        if column.name.endswith("_Sigma") and column.data.ndim == 3 and len(column.data) == 3
    ]


def _check_scale_factor(table: RawTable) -> None:
    meta = {str(key).lower(): value for key, value in table.meta.items()}
    factor = next((meta[key] for key in _SCALE_FACTOR_KEYS if key in meta), None)
    redshift = meta.get("redshift")
    if factor is None or redshift is None:
        return
    product = number_of(table.file, "scale_factor", factor) * (
        1.0 + number_of(table.file, "redshift", redshift)
    )
    if not math.isclose(product, 1.0, rel_tol=1e-3):
        problem = f"{factor!r} does not go with the redshift {redshift!r}"
        raise FormatError(table.file, "scale_factor", problem)
