"""Readers of maps: files to `MassMap` and `KappaMap`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import FormatError, ParameterError, nearest
from ..maps.containers import KappaMap, MassMap
from ..maps.fits_file import HEADER_FIELDS, HEADER_KEY
from ..sources import sources_from_dict
from ..units import has_unit
from ._location import PathLike, load_located
from ._map_files import RawMap, maps_of_table, number_of, read_images
from ._map_layouts import (
    convergence_of_jacobian,
    is_jacobian,
    is_plane,
    read_plane,
    read_projected_haloes,
    sigma_columns,
)
from ._objects import SOURCE_KEYS, redshift_of, sources_of, stated_in
from ._raw import kind_of, read_tables
from ._tables import redshifts_of
from ._units import Conversion, carries_little_h, conversion_of, scaled, split_little_h

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

_TARGETS = {"mass_map": "Msun / Mpc2", "kappa_map": ""}
_UNIT_FIELDS = ("values", "errors", "pixel_scale", "depth")
_COMOVING = {"mass_map": ("pixel_scale", "values", "depth"), "kappa_map": ("pixel_scale", "depth")}


@dataclass(frozen=True)
class _Request:
    """What the caller of a reader of maps asked for; see `load_kappa_map`."""

    kind: str
    conversion: Conversion
    columns: Mapping[str, str | int] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    redshift: Any = None
    sources: Any = None
    pixel_scale: Any = None
    depth: Any = None
    sampling: str | None = None
    group: str | int | None = None
    cosmology: FLRW | None = None

    def __post_init__(self) -> None:
        for name in self.units:
            if name not in _UNIT_FIELDS:
                allowed = f"a mapping from {', '.join(_UNIT_FIELDS)}"
                raise ParameterError("units", name, allowed, nearest(str(name), _UNIT_FIELDS))


def load_mass_map(
    location: PathLike | Sequence[PathLike],
    *,
    redshift: float | Mapping[str, float] | PathLike | None = None,
    pixel_scale: Any = None,
    depth: Any = None,
    columns: Mapping[str, str | int] | None = None,
    units: Mapping[str, str] | None = None,
    little_h: float | None = None,
    comoving: bool | Collection[str] = False,
    sampling: str | None = None,
    id: str | Sequence[str] | None = None,
    group: str | int | None = None,
) -> MassMap | list[MassMap]:
    """Return the map of projected mass of a file, or a list of them.

    Parameters
    ----------
    location, redshift, pixel_scale, depth, columns, units, little_h, sampling, id, group
        As of `load_kappa_map`. Values are surface densities, or masses per pixel, by their
        unit.
    comoving : bool or collection of str, optional
        True if all is in comoving units, or the names of what is, of ``"pixel_scale"``,
        ``"values"`` (a surface density) and ``"depth"``.

    Returns
    -------
    MassMap or list of MassMap
        In physical Mpc and Msun / Mpc^2; what was converted is recorded in ``metadata``.

    Raises
    ------
    FormatError
        Naming the file and the field at fault; nothing is half-loaded.
    ParameterError
        If an argument itself is wrong.
    """
    request = _Request(
        "mass_map",
        conversion_of(little_h, comoving, _COMOVING["mass_map"]),
        columns=columns or {},
        units=units or {},
        redshift=redshifts_of(redshift),
        pixel_scale=pixel_scale,
        depth=depth,
        sampling=sampling,
        group=group,
    )
    loaded = load_located(location, lambda path, names: _read_maps(path, request, names), id)
    return cast("MassMap | list[MassMap]", loaded)


def load_kappa_map(
    location: PathLike | Sequence[PathLike],
    *,
    redshift: float | Mapping[str, float] | PathLike | None = None,
    sources: Any = None,
    pixel_scale: Any = None,
    depth: Any = None,
    columns: Mapping[str, str | int] | None = None,
    units: Mapping[str, str] | None = None,
    little_h: float | None = None,
    comoving: bool | Collection[str] = False,
    sampling: str | None = None,
    id: str | Sequence[str] | None = None,
    group: str | int | None = None,
    cosmology: FLRW | None = None,
) -> KappaMap | list[KappaMap]:
    """Return the convergence map of a file, or a list of them.

    Formats, told apart by content: FITS image or table, HDF5, npz, npy, ECSV, CSV, text; an
    array, a matrix of numbers, or rows of x, y and value; the layouts of projected haloes
    (HDF5), of ray-tracing Jacobians (FITS columns A00 ... A11) and of binary planes.

    Parameters
    ----------
    location : path or sequence of paths
        A file; a list of files; a glob; or a pattern with ``{id}``, as of `load_gamma_theta`.
        All but a file of one map give a list.
    redshift : float, mapping or path, optional
        Redshift of the object, or of each by id, or a table for `load_redshifts`; else what
        the file states.
    sources : float, SourceDistribution, BetaMoments, path or mapping, optional
        What the convergence is for; by default the source redshift that the file states.
    pixel_scale : float or Quantity, optional
        Side of a pixel, a length or an angle, in place of what the file states; a number is in
        the unit of ``units["pixel_scale"]``, or else physical Mpc.
    depth : float or Quantity, optional
        Projected length, likewise.
    columns : mapping, optional
        Field (values, errors, mask, x, y, redshift) to the name of a column or array, or to
        its number from 0.
    units : mapping, optional
        Field (values, errors, pixel_scale, depth) to unit, in place of what the file states.
    little_h : float, optional
        Value of h, for units that carry it, such as ``kpc/h``.
    comoving : bool or collection of str, optional
        True if lengths are comoving, or the names of those that are, of ``"pixel_scale"`` and
        ``"depth"``.
    sampling : {"pixel", "point"}, optional
        What pixels are; by default means over their area, of ray-traced Jacobians points.
    id : str or sequence of str, optional
        Name of the object, or of each file's; by default that of the file without its suffix,
        or of the HDF5 group.
    group : str or int, optional
        HDF5 group or FITS extension to read.
    cosmology : astropy.cosmology.FLRW, optional
        Needed for the angle between the rays of a Jacobian alone.

    Returns
    -------
    KappaMap or list of KappaMap
        Pixels in physical Mpc or radians; what was converted is recorded in ``metadata``.

    Raises
    ------
    FormatError
        Naming the file and the field at fault; nothing is half-loaded.
    ParameterError
        If an argument itself is wrong.
    """
    request = _Request(
        "kappa_map",
        conversion_of(little_h, comoving, _COMOVING["kappa_map"]),
        columns=columns or {},
        units=units or {},
        redshift=redshifts_of(redshift),
        sources=sources,
        pixel_scale=pixel_scale,
        depth=depth,
        sampling=sampling,
        group=group,
        cosmology=cosmology,
    )
    loaded = load_located(location, lambda path, names: _read_maps(path, request, names), id)
    return cast("KappaMap | list[KappaMap]", loaded)


def _read_maps(
    path: PathLike, request: _Request, names: Mapping[str, str]
) -> list[MassMap | KappaMap]:
    file = str(path)
    raw = _raw_maps(file, request)
    given = names.get("id")
    if given is not None and len(raw) > 1:
        raise FormatError(file, "id", f"one id given for {len(raw)} maps")
    return [_make(found, request, given) for found in raw]


def _raw_maps(file: str, request: _Request) -> list[RawMap]:
    if is_plane(file):
        return read_plane(file, request.kind)
    if kind_of(file) == "fits":
        images = read_images(file, request.group)
        if images:
            return images
    tables = read_tables(file, request.group)
    if any(sigma_columns(table) for table in tables):
        haloes = [table for table in tables if sigma_columns(table)]
        return [
            found
            for table in haloes
            for found in read_projected_haloes(table, request.kind, request.columns)
        ]
    maps: list[RawMap] = []
    for table in tables:
        if request.kind == "kappa_map" and is_jacobian(table):
            little_h, given = request.conversion.little_h, request.pixel_scale is not None
            maps += convergence_of_jacobian(table, little_h, request.cosmology, given)
        else:
            maps += maps_of_table(table, request.kind, request.columns)
    return maps


def _make(raw: RawMap, request: _Request, name: str | None) -> MassMap | KappaMap:
    """Make the container; what is wrong with it is wrong with the file."""
    file, table = raw.table.file, raw.table
    own = {str(key).upper(): key for key in table.meta}.get(HEADER_KEY)
    label = name or table.name or Path(file).stem
    try:
        if own is not None:
            return _own_map(raw, table.meta[own], request, name)
        arguments = _arguments(raw, request, label)
        if request.kind == "mass_map":
            return MassMap(**arguments, file=file)
        sources = request.sources
        if sources is not None:
            arguments["sources"] = sources_of(sources, label, file)
        else:
            arguments["sources"] = stated_in(table, SOURCE_KEYS)
        return KappaMap(**arguments, file=file)
    except ParameterError as error:
        raise FormatError(file, re.split(r"[\[.]", error.name)[0], str(error)) from error


def _arguments(raw: RawMap, request: _Request, label: str) -> dict[str, Any]:
    file = raw.table.file
    content = {c.name: c for c in raw.table.columns if c.name == "redshift"}
    redshift = redshift_of(raw.table, content, request.redshift, label)
    conversion = _with_layout(raw, request)
    units: dict[str, str] = {}
    lengths = {
        "pixel_scale": _length(raw.pixel, "pixel_scale", request.pixel_scale, request, file),
        "depth": _length(raw.depth, "depth", request.depth, request, file),
    }
    pixel = lengths["pixel_scale"]
    if pixel is None:
        problem = "the file states none; pass pixel_scale=, a Quantity or a number of Mpc"
        raise FormatError(file, "pixel_scale", problem)
    arguments: dict[str, Any] = {"redshift": redshift, "id": label, "centre": raw.centre}
    for name, length in lengths.items():
        if length is None:
            continue
        number, units[name] = length
        angular = name == "pixel_scale" and _is_of(file, name, units[name], "rad")
        target = "rad" if angular else "Mpc"
        factor = conversion.factor(file, name, units[name], target, redshift)
        arguments["pixel_angle" if angular else name] = number_of(file, name, number) * factor
    units["values"] = _value_unit(raw, request)
    factor = _value_factor(raw, units["values"], arguments, request, conversion)
    arguments["values"] = scaled(file, "values", raw.values.data, factor)
    if raw.errors is not None:
        stated = request.units.get("errors", raw.errors.unit)
        units["errors"] = units["values"] if stated is None else stated
        factor = _value_factor(raw, units["errors"], arguments, request, conversion)
        arguments["errors"] = scaled(file, "errors", raw.errors.data, factor)
    if raw.mask is not None:
        arguments["mask"] = raw.mask
    arguments["sampling"] = request.sampling or raw.sampling
    _check_little_h(file, units, conversion)
    arguments["metadata"] = {
        "array": raw.values.name,
        "units": units,
        **({} if conversion.little_h is None else {"little_h": conversion.little_h}),
        **({"comoving": sorted(conversion.comoving)} if conversion.comoving else {}),
        **raw.notes,
    }
    return arguments


def _with_layout(raw: RawMap, request: _Request) -> Conversion:
    """Return the conversion that the caller and the layout of the file ask for together."""
    asked = set(request.conversion.comoving) | set(raw.comoving)
    if request.pixel_scale is not None and "pixel_scale" not in request.conversion.comoving:
        asked.discard("pixel_scale")
    present = {"values", "pixel_scale"}
    if raw.depth is not None or request.depth is not None:
        present.add("depth")
    return Conversion(request.conversion.little_h, tuple(sorted(asked & present)))


def _length(
    stated: tuple[Any, str | None] | None, name: str, given: Any, request: _Request, file: str
) -> tuple[Any, str] | None:
    """Return number and unit of a length: the caller's, else the file's."""
    if given is not None:
        if has_unit(given):
            return given.value, str(given.unit)
        return given, request.units.get(name, "Mpc")
    if stated is None:
        return None
    unit = request.units.get(name, stated[1])
    if unit is None:
        problem = f"the file states no unit; pass units={{{name!r}: ...}}, such as 'Mpc'"
        raise FormatError(file, name, problem)
    return stated[0], unit


def _value_unit(raw: RawMap, request: _Request) -> str:
    unit = request.units.get("values", raw.values.unit)
    if unit is not None:
        return unit
    if request.kind == "kappa_map":
        return ""
    problem = "the file states no unit; pass units={'values': ...}, such as 'Msun / Mpc2'"
    raise FormatError(raw.table.file, "values", problem)


def _value_factor(
    raw: RawMap, unit: str, arguments: Mapping[str, Any], request: _Request, conversion: Conversion
) -> float:
    """Return the factor to the unit of the map; a mass is that of a pixel."""
    file, redshift = raw.table.file, arguments["redshift"]
    if request.kind == "mass_map" and _is_of(file, "values", unit, "Msun"):
        if "pixel_scale" not in arguments:
            problem = "a mass per pixel needs a pixel scale in Mpc, not an angle"
            raise FormatError(file, "pixel_scale", problem)
        side = arguments["pixel_scale"]
        if not side > 0.0:
            raise FormatError(file, "pixel_scale", f"{side!r} Mpc is not > 0")
        mass = Conversion(conversion.little_h).factor(file, "values", unit, "Msun", redshift)
        return float(mass / side**2)
    return conversion.factor(file, "values", unit, _TARGETS[request.kind], redshift)


def _is_of(file: str, name: str, unit: str, target: str) -> bool:
    from astropy.units import Unit

    return bool(split_little_h(file, name, unit)[0].is_equivalent(Unit(target)))


def _check_little_h(file: str, units: Mapping[str, str], conversion: Conversion) -> None:
    carried = any(carries_little_h(file, name, unit) for name, unit in units.items())
    if conversion.little_h is not None and not carried:
        listed = ", ".join(f"{name} [{unit}]" for name, unit in units.items() if unit)
        problem = f"given, but no unit carries h ({listed}): write it, as in units='Mpc/h'"
        raise FormatError(file, "little_h", problem)


def _own_map(raw: RawMap, text: Any, request: _Request, name: str | None) -> MassMap | KappaMap:
    """A map that `SkyMap.write` wrote."""
    file, conversion = raw.table.file, request.conversion
    try:
        header = json.loads(text)
    except (TypeError, ValueError) as error:
        raise FormatError(file, "header", f"{HEADER_KEY} is not JSON ({error})") from error
    fields = {"map", *HEADER_FIELDS, *(("sources",) if request.kind == "kappa_map" else ())}
    if not isinstance(header, dict) or header.get("map") != request.kind:
        found = header.get("map") if isinstance(header, dict) else header
        raise FormatError(file, "map", f"the file holds {found!r}, not {request.kind!r}")
    if set(header) != fields:
        odd = sorted(set(header) ^ fields)[0]
        raise FormatError(file, odd, "is missing from the header, or unknown")
    if request.units or conversion.little_h is not None or conversion.comoving:
        problem = "the file states its own: leave out units, little_h and comoving"
        raise FormatError(file, "units", problem)
    arguments = {key: value for key, value in header.items() if key != "map"}
    arguments["id"] = name or arguments["id"]
    arguments["values"] = np.asarray(raw.values.data)
    arguments["errors"] = None if raw.errors is None else raw.errors.data
    arguments["mask"] = raw.mask
    for key in ("pixel_scale", "depth", "sampling"):
        if getattr(request, key) is not None:
            arguments[key] = getattr(request, key)
    if request.redshift is not None:
        arguments["redshift"] = redshift_of(raw.table, {}, request.redshift, arguments["id"])
    if request.kind == "mass_map":
        return MassMap(**arguments, file=file)
    if request.sources is not None:
        arguments["sources"] = sources_of(request.sources, arguments["id"], file)
    elif arguments["sources"] is not None:
        arguments["sources"] = sources_from_dict(arguments["sources"])
    return KappaMap(**arguments, file=file)
