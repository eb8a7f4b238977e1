"""Raw maps to `MassMap` and `KappaMap`: units, h, comoving lengths, redshifts, sources."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FormatError, ParameterError, nearest
from ..maps.containers import KappaMap, MassMap
from ..maps.fits_file import HEADER_FIELDS, HEADER_KEY
from ..sources import sources_from_dict
from ..units import has_unit
from ._map_files import RawMap, number_of
from ._objects import SOURCE_KEYS, redshift_of, sources_of, stated_in
from ._units import Conversion, carries_little_h, scaled, split_little_h

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

_TARGETS = {"mass_map": "Msun / Mpc2", "kappa_map": ""}
_UNIT_FIELDS = ("values", "errors", "pixel_scale", "depth")


@dataclass(frozen=True)
class MapRequest:
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


def make_map(raw: RawMap, request: MapRequest, name: str | None) -> MassMap | KappaMap:
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


def _arguments(raw: RawMap, request: MapRequest, label: str) -> dict[str, Any]:
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


def _with_layout(raw: RawMap, request: MapRequest) -> Conversion:
    """Return the conversion that the caller and the layout of the file ask for together."""
    asked = set(request.conversion.comoving) | set(raw.comoving)
    if request.pixel_scale is not None and "pixel_scale" not in request.conversion.comoving:
        asked.discard("pixel_scale")
    present = {"values", "pixel_scale"}
    if raw.depth is not None or request.depth is not None:
        present.add("depth")
    return Conversion(request.conversion.little_h, tuple(sorted(asked & present)))


def _length(
    stated: tuple[Any, str | None] | None, name: str, given: Any, request: MapRequest, file: str
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


def _value_unit(raw: RawMap, request: MapRequest) -> str:
    unit = request.units.get("values", raw.values.unit)
    if unit is not None:
        return unit
    if request.kind == "kappa_map":
        return ""
    problem = "the file states no unit; pass units={'values': ...}, such as 'Msun / Mpc2'"
    raise FormatError(raw.table.file, "values", problem)


def _value_factor(
    raw: RawMap,
    unit: str,
    arguments: Mapping[str, Any],
    request: MapRequest,
    conversion: Conversion,
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


def _own_map(raw: RawMap, text: Any, request: MapRequest, name: str | None) -> MassMap | KappaMap:
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
