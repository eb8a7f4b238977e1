"""Readers of observed profiles: files to `GammaTheta` and `DeltaSigma`.

A file gives a valid object or a `FormatError` naming the file and the field; nothing is
half-loaded, and no unit is guessed. Formats: ECSV, CSV, whitespace text, FITS table,
HDF5, npz; told apart by content.

Columns are recognised by name (`clmassmod.readers.SYNONYMS`) or named by the caller.
One file may hold several objects: a table whose cells are arrays holds one object per
row; rows with the same entry of an id column are one object; so is every HDF5 group.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ..config import ModelInfo
from ..errors import ConfigError, FormatError, ParameterError
from ..observables import DeltaSigma, GammaTheta
from ._fields import SYNONYMS
from ._objects import Request, read_objects
from ._tables import load_covariance, load_redshifts, load_source_distribution
from ._units import COMOVING_FIELDS, Conversion

__all__ = [
    "SYNONYMS",
    "load_covariance",
    "load_data",
    "load_delta_sigma",
    "load_gamma_theta",
    "load_redshifts",
    "load_source_distribution",
]

PathLike = str | os.PathLike[str]


def load_gamma_theta(
    location: PathLike | Sequence[PathLike],
    *,
    redshift: float | Mapping[str, float] | PathLike | None = None,
    sources: Any = None,
    kind: str | None = None,
    columns: Mapping[str, str | int] | None = None,
    units: Mapping[str, str] | None = None,
    covariance: Any = None,
    little_h: float | None = None,
    comoving: bool | Collection[str] = False,
    id: str | Sequence[str] | None = None,
    group: str | int | None = None,
) -> GammaTheta | list[GammaTheta]:
    """Return the tangential shear profile of a file, or a list of them.

    Parameters
    ----------
    location : path or sequence of paths
        A file; a list of files; a glob (``"profiles/*_shear.txt"``); or a pattern with
        ``{id}`` (``"profiles/{id}_shear.txt"``), which also gives the ids. A list, a
        glob, a pattern, or a file that holds several objects gives a list.
    redshift : float, mapping or path, optional
        Redshift of the object, or of each by id, or a table for `load_redshifts`; else
        what the file states.
    sources : float, SourceDistribution, BetaMoments, path or mapping, optional
        The sources; by default the number that the metadata of the file (ECSV, FITS header,
        HDF5 attributes) states as ``source_redshift``, ``z_source``, ``z_s`` or ``zs``. A
        path is read by `load_source_distribution` and may contain
        ``{id}``; a mapping gives any of these by id.
    kind : {"reduced_shear", "shear"}, optional
        What the values are; by default what our own ECSV states, else reduced shear.
    columns : mapping, optional
        Field (radius, theta, values, errors, cross, cross_errors, n_galaxies,
        covariance, redshift, id) to column name, or number from 0. An `id` column
        named here groups the rows into objects.
    units : mapping, optional
        Field to unit, for files that state none, or in place of what they state. A
        radius with an angle as unit is the field theta. Errors are in the unit of the
        values and the covariance in its square, unless stated.
    covariance : path, (n, n) array or mapping, optional
        Covariance of the values; a path may contain ``{id}``.
    little_h : float, optional
        Value of h, for units that carry it, such as ``Mpc/h``.
    comoving : bool or collection of str, optional
        True if lengths are comoving.
    id : str or sequence of str, optional
        Name of the object, or of each file's; by default that of the file without its
        suffix, of the id column, or of the HDF5 group.
    group : str or int, optional
        HDF5 group or FITS extension to read.

    Returns
    -------
    GammaTheta or list of GammaTheta
        Radii in physical Mpc or angles in radians; what was converted is recorded in
        ``metadata``.

    Raises
    ------
    FormatError
        Naming the file and the field at fault.
    ParameterError
        If an argument itself is wrong.
    """
    request = Request(
        "gamma_theta",
        columns=columns or {},
        units=units or {},
        conversion=_conversion(little_h, comoving, ("radius",)),
        redshift=_redshifts(redshift),
        covariance=covariance,
        sources=sources,
        shear_kind=kind,
        group=group,
    )
    return cast("GammaTheta | list[GammaTheta]", _load(location, request, id))


def load_delta_sigma(
    location: PathLike | Sequence[PathLike],
    *,
    redshift: float | Mapping[str, float] | PathLike | None = None,
    columns: Mapping[str, str | int] | None = None,
    units: Mapping[str, str] | None = None,
    covariance: Any = None,
    inverse_critical_surface_density: Any = None,
    little_h: float | None = None,
    comoving: bool | Collection[str] = False,
    id: str | Sequence[str] | None = None,
    group: str | int | None = None,
) -> DeltaSigma | list[DeltaSigma]:
    """Return the excess surface density profile of a file, or a list of them.

    Parameters
    ----------
    location, redshift, columns, units, covariance, little_h, id, group
        As in `load_gamma_theta`; `columns` also knows ``boost``.
    inverse_critical_surface_density : float, Quantity or mapping, optional
        <Sigma_crit^-1> of the sources [Mpc^2 / Msun], or by id.
    comoving : bool or collection of str, optional
        True if radius and surface density are both comoving, or the names of those
        that are, of ``"radius"`` and ``"values"``: R = R_com / (1 + z), DeltaSigma =
        DeltaSigma_com (1 + z)^2.

    Returns
    -------
    DeltaSigma or list of DeltaSigma
        In physical Mpc and Msun / Mpc^2; what was converted is recorded in
        ``metadata``.

    Raises
    ------
    FormatError
        Naming the file and the field at fault.
    ParameterError
        If an argument itself is wrong.
    """
    request = Request(
        "delta_sigma",
        columns=columns or {},
        units=units or {},
        conversion=_conversion(little_h, comoving, COMOVING_FIELDS),
        redshift=_redshifts(redshift),
        covariance=covariance,
        inverse_critical_surface_density=inverse_critical_surface_density,
        group=group,
    )
    return cast("DeltaSigma | list[DeltaSigma]", _load(location, request, id))


def load_data(model_info: Mapping[str, Any]) -> list[GammaTheta] | list[DeltaSigma]:
    """Return the observed profiles that a configuration names, as a list.

    Parameters
    ----------
    model_info : ModelInfo or mapping
        Its sections `data` and `sources` are used; paths are relative to its folder.

    Raises
    ------
    ConfigError
        If no files are given.
    FormatError
        If a file cannot be read.
    """
    info = ModelInfo.from_dict(model_info)
    data = info["data"]
    if data["files"] is None:
        raise ConfigError(f"{info.file or 'configuration'}: [data] files is missing")
    files = data["files"]
    location = info.path(files) if isinstance(files, str) else [info.path(f) for f in files]
    redshift = data["redshift"]
    if data["redshift_table"] is not None:
        columns = (data["id_column"], data["redshift_column"])
        redshift = load_redshifts(info.path(data["redshift_table"]), *columns)
    common: dict[str, Any] = {
        key: data[key] for key in ("columns", "units", "little_h", "comoving", "group")
    }
    if data["covariance"] is not None:
        common["covariance"] = info.path(data["covariance"])
    common |= {"redshift": redshift, "id": data["ids"]}
    inverse = data["inverse_critical_surface_density"]
    if data["kind"] == "gamma_theta":
        shear = load_gamma_theta(
            location, sources=info.make_sources(), kind=data["shear_kind"], **common
        )
        return shear if isinstance(shear, list) else [shear]
    excess = load_delta_sigma(location, inverse_critical_surface_density=inverse, **common)
    return excess if isinstance(excess, list) else [excess]


def expand_location(location: PathLike | Sequence[PathLike]) -> tuple[list[tuple[str, str]], bool]:
    """Return (path, id or "") of every file of `location`, and whether it is a list.

    Raises
    ------
    FormatError
        If a glob or a pattern with ``{id}`` matches no file, or a list is empty.
    """
    if not isinstance(location, str | os.PathLike):
        files = [(os.fspath(path), "") for path in location]
        if not files:
            raise ParameterError("location", location, "a path, or a list that is not empty")
        return files, True
    text = os.fspath(location)
    if "{id}" in text:
        found = _by_pattern(text)
    elif any(character in text for character in "*?[") and not Path(text).exists():
        found = [(path, "") for path in sorted(glob.glob(text, recursive=True))]
    else:
        return [(text, "")], False
    if not found:
        raise FormatError(text, "location", "no file matches")
    return found, True


def _by_pattern(text: str) -> list[tuple[str, str]]:
    first, *others = text.split("{id}")
    expression = _as_regex(first) + r"(?P<id>[^/\\]+)" + r"(?P=id)".join(map(_as_regex, others))
    found = []
    for path in sorted(glob.glob(text.replace("{id}", "*"), recursive=True)):
        match = re.fullmatch(expression, path)
        if match:
            found.append((path, match["id"]))
    return found


def _as_regex(piece: str) -> str:
    return re.escape(piece).replace(r"\*", r"[^/\\]*").replace(r"\?", r"[^/\\]")


def _load(
    location: PathLike | Sequence[PathLike], request: Request, ids: str | Sequence[str] | None
) -> GammaTheta | DeltaSigma | list[GammaTheta | DeltaSigma]:
    files, several = expand_location(location)
    if ids is not None:
        names = [ids] if isinstance(ids, str) else [str(name) for name in ids]
        if len(names) != len(files):
            raise ParameterError("id", ids, f"one id for each of {len(files)} files")
        files = [(path, name) for (path, _), name in zip(files, names, strict=True)]
    objects: list[GammaTheta | DeltaSigma] = []
    for path, name in files:
        objects.extend(read_objects(path, request, {"id": name} if name else {}))
    return objects if several or len(objects) > 1 else objects[0]


def _conversion(
    little_h: float | None, comoving: bool | Collection[str], fields: tuple[str, ...]
) -> Conversion:
    if little_h is not None and not 0.1 < little_h < 10.0:
        raise ParameterError("little_h", little_h, "between 0.1 and 10 (0.7, say)")
    if isinstance(comoving, bool):
        return Conversion(little_h, fields if comoving else ())
    names = (comoving,) if isinstance(comoving, str) else tuple(comoving)
    if not set(names) <= set(fields):
        raise ParameterError("comoving", comoving, f"True, False or some of {', '.join(fields)}")
    return Conversion(little_h, names)


def _redshifts(redshift: Any) -> Any:
    return load_redshifts(redshift) if isinstance(redshift, str | os.PathLike) else redshift
