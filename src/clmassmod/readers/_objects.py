"""Raw tables to the observables of one object or of several."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cosmology import Array
from ..errors import FormatError, ParameterError, nearest
from ..observables import DeltaSigma, GammaTheta
from ..sources import BetaMoments, SourceDistribution, sources_from_dict
from ._fields import find_columns, missing_column
from ._raw import Column, RawTable, read_tables
from ._tables import load_covariance, load_source_distribution
from ._units import Conversion, carries_little_h, scaled

_TARGETS: dict[str, dict[str, str]] = {
    "gamma_theta": {
        "radius": "Mpc",
        "radius_min": "Mpc",
        "radius_max": "Mpc",
        "theta": "rad",
        "values": "",
        "errors": "",
        "covariance": "",
        "cross": "",
        "cross_errors": "",
        "n_galaxies": "",
    },
    "delta_sigma": {
        "radius": "Mpc",
        "radius_min": "Mpc",
        "radius_max": "Mpc",
        "values": "Msun / Mpc2",
        "errors": "Msun / Mpc2",
        "covariance": "Msun2 / Mpc4",
        "cross": "Msun / Mpc2",
        "cross_errors": "Msun / Mpc2",
        "n_galaxies": "",
        "boost": "",
    },
}
_EDGES = ("radius_min", "radius_max")
_UNIT_OF_VALUES = ("errors", "cross", "cross_errors")
SOURCE_KEYS = ("source_redshift", "z_source", "zsource", "z_s", "zs")
_REDSHIFT_KEYS = ("redshift", "z", "z_lens", "z_cl", "zlens")
_HEADER_KEYS = {"observable", "n_points", "redshift", "id", "metadata"}


@dataclass(frozen=True)
class Request:
    """What the caller of a reader asked for; see `load_gamma_theta`."""

    kind: str
    columns: Mapping[str, str | int] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    conversion: Conversion = field(default_factory=Conversion)
    redshift: Any = None
    covariance: Any = None
    sources: Any = None
    inverse_critical_surface_density: Any = None
    shear_kind: str | None = None
    group: str | int | None = None

    def __post_init__(self) -> None:
        known = tuple(_TARGETS[self.kind])
        for name in self.units:
            if name not in known:
                allowed = f"a mapping from {', '.join(known)}"
                raise ParameterError("units", name, allowed, nearest(str(name), known))


def read_objects(
    path: str, request: Request, names: Mapping[str, str]
) -> list[GammaTheta | DeltaSigma]:
    """Return the objects of one file; `names` may give the id of a file's only object."""
    objects: list[GammaTheta | DeltaSigma] = []
    for table in read_tables(path, request.group):
        header = table.meta.get("clmassmod")
        if isinstance(header, Mapping):
            objects.append(_own_object(table, header, request, names))
            continue
        found = find_columns(table, request.kind, request.columns)
        for needed in ("radius", "values"):
            if needed not in found and not (needed == "radius" and "theta" in found):
                raise missing_column(table, request.kind, needed)
        found = _angle_as_theta(table.file, found, request)
        parts = _split(table, found, explicit="id" in request.columns)
        given = names.get("id")
        if given is not None and len(parts) > 1:
            raise FormatError(table.file, "id", f"one id given for {len(parts)} objects")
        for name, content in parts:
            objects.append(_make(table, content, request, given or name))
    return objects


def _angle_as_theta(file: str, found: dict[str, Column], request: Request) -> dict[str, Column]:
    """A radius column whose unit is an angle is the field theta."""
    if request.kind != "gamma_theta":
        return found
    if "radius" in found and not _is_angle(_unit_of(file, "radius", found, request)):
        return found
    if "radius" in found and "theta" in found:
        return found
    # edges are kept in Mpc alone: those of angular bins are left
    return {
        ("theta" if name == "radius" else name): column
        for name, column in found.items()
        if name not in _EDGES
    }


def _is_angle(unit: str) -> bool:
    from astropy.units import Unit, rad

    try:
        return bool(Unit(unit).is_equivalent(rad))
    except (ValueError, TypeError):
        return False


def _unit_of(file: str, name: str, found: Mapping[str, Column], request: Request) -> str:
    """The unit of a field: the caller's, else the file's, else that of the values."""
    asked = request.units.get(name)
    if asked is None and name == "theta":
        asked = request.units.get("radius") if "radius" not in found else None
    if asked is not None:
        return asked
    stated = found[name].unit
    if stated is not None:
        return stated
    if name in _UNIT_OF_VALUES:
        return _unit_of(file, "values", found, request)
    if name in _EDGES and "radius" in found:
        return _unit_of(file, "radius", found, request)
    if not _TARGETS[request.kind].get(name):
        return ""
    problem = f"the file states no unit; pass units={{{name!r}: ...}}, such as 'Mpc'"
    raise FormatError(file, name, problem)


def _split(
    table: RawTable, found: Mapping[str, Column], explicit: bool
) -> list[tuple[str, dict[str, Column]]]:
    """Return (id, columns) per object.

    Array-valued cells make every row an object; otherwise rows of the same id belong
    together, where an id column was named or holds repeated names.
    """
    values = found["values"].data
    names = found.get("id")
    content = {name: column for name, column in found.items() if name != "id"}
    if values.ndim == 0 or len(values) == 0:
        raise FormatError(table.file, "values", "has no entries")
    label = table.name if table.name else Path(table.file).stem
    if values.ndim > 1:
        rows = range(len(values))
        ids = names.labels() if names else [f"{label}[{i}]" for i in rows]
        return [
            (ids[i], {k: _row(table, k, c, i, len(values)) for k, c in content.items()})
            for i in rows
        ]
    if names is None or names.data.shape != values.shape:
        return [(label, content)]
    labels = names.labels()
    unique = list(dict.fromkeys(labels))
    if not explicit and len(unique) == len(values) > 1:
        return [(label, content)]
    members = np.array(labels)
    return [
        (name, {k: _pick(table.file, k, c, members == name) for k, c in content.items()})
        for name in unique
    ]


def _row(table: RawTable, name: str, column: Column, i: int, n: int) -> Column:
    shared = name in ("radius", *_EDGES, "theta", "covariance") and column.data.ndim == (
        2 if name == "covariance" else 1
    )
    if shared:
        return column
    if len(column.data) != n:
        raise FormatError(table.file, name, f"has {len(column.data)} rows, the values {n}")
    return Column(column.name, column.data[i], column.unit)


def _pick(file: str, name: str, column: Column, members: npt.NDArray[np.bool_]) -> Column:
    if column.data.shape != members.shape:
        problem = f"has the shape {column.data.shape}, one entry per row is needed"
        raise FormatError(file, name, problem)
    return Column(column.name, column.data[members], column.unit)


def _make(
    table: RawTable, content: Mapping[str, Column], request: Request, name: str
) -> GammaTheta | DeltaSigma:
    file = table.file
    redshift = redshift_of(table, content, request.redshift, name)
    arguments: dict[str, Any] = {}
    units: dict[str, str] = {}
    targets, conversion = _TARGETS[request.kind], request.conversion
    for key, column in content.items():
        if key in ("redshift", "covariance"):
            continue
        units[key] = _unit_of(file, key, content, request)
        factor = conversion.factor(file, key, units[key], targets[key], redshift)
        arguments[key] = scaled(file, key, column.data, factor)
    covariance, unit = _covariance(file, content, request, name)
    if covariance is not None:
        if unit is None:
            factor = conversion.factor(file, "values", units["values"], targets["values"], redshift)
            factor **= 2
        else:
            units["covariance"] = unit
            factor = conversion.factor(file, "covariance", unit, targets["covariance"], redshift)
        arguments["covariance"] = scaled(file, "covariance", covariance, factor)
    _check_conversion(file, units, conversion)
    arguments["metadata"] = _how_it_was_read(content, units, conversion)
    arguments |= {"redshift": redshift, "id": name}
    if request.kind == "gamma_theta":
        arguments["sources"] = stated_in(table, SOURCE_KEYS)
    return _build(file, request, arguments, name, content)


def _build(
    file: str,
    request: Request,
    arguments: dict[str, Any],
    name: str,
    content: Mapping[str, Column],
) -> GammaTheta | DeltaSigma:
    """Make the container; what is wrong with it is wrong with the file."""
    try:
        if request.kind == "gamma_theta":
            if request.sources is not None:
                arguments["sources"] = sources_of(request.sources, name, file)
            if request.shear_kind is not None:
                arguments["kind"] = request.shear_kind
            return GammaTheta(**arguments, file=file)
        inverse = request.inverse_critical_surface_density
        if inverse is not None:
            arguments["inverse_critical_surface_density"] = per_object(
                inverse, name, file, "inverse_critical_surface_density"
            )
        return DeltaSigma(**arguments, file=file)
    except ParameterError as error:
        key = error.name.split("[", maxsplit=1)[0]
        problem = str(error)
        if key == "covariance" and request.covariance is not None:
            file = _covariance_file(request, name) or file
        elif key in content and content[key].name != key:
            problem += f" This is the column {content[key].name!r}."
        raise FormatError(file, key, problem) from error


def stated_in(table: RawTable, known: tuple[str, ...]) -> Any:
    """Return the entry of the metadata that goes by one of the names, or None."""
    keys = {str(key).lower(): key for key in table.meta}
    return next((table.meta[keys[k]] for k in known if k in keys), None)


def redshift_of(table: RawTable, content: Mapping[str, Column], given: Any, name: str) -> float:
    """Return the redshift of the object `name`: the one given, else what the file states."""
    value = given
    if value is not None:
        value = per_object(value, name, table.file, "redshift")
    elif "redshift" in content:
        data = np.unique(content["redshift"].data)
        if data.size != 1:
            problem = f"the column holds {data.size} different values for {name!r}"
            raise FormatError(table.file, "redshift", problem)
        value = data[0]
    else:
        value = stated_in(table, _REDSHIFT_KEYS)
    if value is None:
        problem = (
            f"the file states none; pass redshift= (a number, a mapping from the id, here "
            f"{name!r}, or the path of a table)"
        )
        raise FormatError(table.file, "redshift", problem)
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise FormatError(table.file, "redshift", f"{value!r} is not a number") from error
    if not 0.0 < number < 1e4:
        raise FormatError(table.file, "redshift", f"{number!r} is not finite and > 0")
    return number


def per_object(value: Any, name: str, file: str, argument: str) -> Any:
    """Return what a per-object argument says for the object `name`."""
    if not isinstance(value, Mapping):
        return value
    if name in value:
        return value[name]
    hint = nearest(name, [str(key) for key in value])
    raise FormatError(file, argument, f"nothing given for the object {name!r}. {hint}".rstrip())


def _filled(value: Any, name: str) -> Any:
    return str(value).replace("{id}", name) if isinstance(value, str | Path) else value


def _covariance(
    file: str, content: Mapping[str, Column], request: Request, name: str
) -> tuple[Array | None, str | None]:
    """The covariance as in its file, and its unit if one is stated anywhere."""
    unit = request.units.get("covariance")
    if request.covariance is not None:
        given = _filled(per_object(request.covariance, name, file, "covariance"), name)
        if isinstance(given, str):
            matrix, stated = load_covariance(given)
            return matrix, unit or stated
        stated = getattr(given, "unit", None)
        matrix = np.asarray(given if stated is None else given.value)
        return matrix, unit or (None if stated is None else str(stated))
    if "covariance" in content:
        column = content["covariance"]
        return np.asarray(column.data), unit or column.unit
    return None, None


def _covariance_file(request: Request, name: str) -> str | None:
    """Return the file the covariance was read from, if it was."""
    given = _filled(per_object(request.covariance, name, "", "covariance"), name)
    return given if isinstance(given, str) else None


def sources_of(sources: Any, name: str, file: str) -> Any:
    """Return the sources of the object `name`, from a file where a path was given."""
    given = _filled(per_object(sources, name, file, "sources"), name)
    if isinstance(given, SourceDistribution | BetaMoments):
        return given
    return load_source_distribution(given) if isinstance(given, str) else given


def _check_conversion(file: str, units: Mapping[str, str], conversion: Conversion) -> None:
    if conversion.little_h is not None and not any(
        carries_little_h(file, key, unit) for key, unit in units.items()
    ):
        listed = ", ".join(f"{key} [{unit}]" for key, unit in units.items() if unit)
        problem = f"given, but no unit carries h ({listed}): write it, as in units='Mpc/h'"
        raise FormatError(file, "little_h", problem)
    for key in conversion.comoving:
        if key not in units or (key == "values" and not units[key]):
            raise FormatError(file, "comoving", f"{key} is no length or surface density here")


def _how_it_was_read(
    content: Mapping[str, Column], units: Mapping[str, str], conversion: Conversion
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "columns": {key: column.name for key, column in content.items()},
        "units": dict(units),
    }
    if conversion.little_h is not None:
        record["little_h"] = conversion.little_h
    if conversion.comoving:
        record["comoving"] = sorted(conversion.comoving)
    return record


def _own_object(
    table: RawTable, header: Mapping[str, Any], request: Request, names: Mapping[str, str]
) -> GammaTheta | DeltaSigma:
    """An object that `RadialObservable.write` wrote."""
    file = table.file
    if header.get("observable") != request.kind:
        problem = f"the file holds {header.get('observable')!r}, not {request.kind!r}"
        raise FormatError(file, "observable", problem)
    conversion = request.conversion
    if request.units or conversion.little_h is not None or conversion.comoving:
        problem = "the file states its own: leave out units, little_h and comoving"
        raise FormatError(file, "units", problem)
    missing = _HEADER_KEYS - set(header)
    if missing:
        raise FormatError(file, sorted(missing)[0], "is missing from the header")
    found = find_columns(table, request.kind, request.columns)
    for needed in ("values", "errors"):
        if needed not in found:
            raise missing_column(table, request.kind, needed)
    if len(found["values"].data) != header["n_points"]:
        problem = f"has {len(found['values'].data)} rows of {header['n_points']}: truncated"
        raise FormatError(file, "values", problem)
    name = names.get("id") or str(header["id"])
    given = request.redshift
    redshift = header["redshift"] if given is None else per_object(given, name, file, "redshift")
    arguments: dict[str, Any] = {}
    for key, column in found.items():
        if key not in ("id", "redshift"):
            arguments[key] = _own_column(file, key, column, request.kind)
    extra = {key: header[key] for key in set(header) - _HEADER_KEYS}
    try:
        if extra.get("sources") is not None:
            extra["sources"] = sources_from_dict(extra["sources"])
        arguments |= extra
        arguments |= {"redshift": redshift, "id": name}
        arguments["metadata"] = _own_metadata(file, header["metadata"])
        if request.covariance is not None:
            arguments["covariance"] = _own_covariance(file, request, name)
        return _build(file, request, arguments, name, found)
    except TypeError as error:
        raise FormatError(file, "header", f"holds an unknown entry ({error})") from error
    except ParameterError as error:
        raise FormatError(file, error.name, str(error)) from error


def _own_metadata(file: str, text: Any) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (TypeError, ValueError) as error:
        raise FormatError(file, "metadata", f"is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise FormatError(file, "metadata", "is no JSON object")
    return content


def _own_covariance(file: str, request: Request, name: str) -> Array:
    matrix, unit = _covariance(file, {}, request, name)
    assert matrix is not None
    return _own_column(file, "covariance", Column("covariance", matrix, unit), request.kind)


def _own_column(file: str, key: str, column: Column, kind: str) -> Array:
    target = _TARGETS[kind][key]
    unit = target if column.unit is None else column.unit
    return scaled(file, key, column.data, Conversion().factor(file, key, unit, target, 0.0))
