"""Readers of observed profiles: files to `GammaTheta` and `DeltaSigma`.

A file gives a valid object or a `FormatError` naming the file and the field; nothing is
half-loaded, and no unit is guessed. Formats: ECSV, CSV, whitespace text, FITS table,
HDF5, npz; told apart by content.

Columns are recognised by name (`clmassmod.readers.SYNONYMS`) or named by the caller.
One file may hold several objects: a table whose cells are arrays holds one object per
row; rows with the same entry of an id column are one object; so is every HDF5 group.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from ..configuration.info import ModelInfo
from ..errors import ConfigError
from ..maps.containers import KappaMap, MassMap
from ..observables import DeltaSigma, GammaTheta
from ._fields import SYNONYMS
from ._location import PathLike, load_located
from ._maps import load_kappa_map, load_mass_map
from ._objects import Request, read_objects
from ._tables import (
    load_covariance,
    load_redshifts,
    load_source_distribution,
    redshifts_of,
)
from ._units import COMOVING_FIELDS, conversion_of

__all__ = [
    "SYNONYMS",
    "load_covariance",
    "load_data",
    "load_delta_sigma",
    "load_gamma_theta",
    "load_kappa_map",
    "load_mass_map",
    "load_redshifts",
    "load_source_distribution",
]


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
        HDF5 attributes) states as ``source_redshift``, ``z_source``, ``zsource``, ``z_s`` or
        ``zs``. A path is read by `load_source_distribution` and may contain ``{id}``; a mapping
        gives any of these by id.
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
        conversion=conversion_of(little_h, comoving, ("radius",)),
        redshift=redshifts_of(redshift),
        covariance=covariance,
        sources=sources,
        shear_kind=kind,
        group=group,
    )
    objects = load_located(location, lambda path, names: read_objects(path, request, names), id)
    return cast("GammaTheta | list[GammaTheta]", objects)


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
        conversion=conversion_of(little_h, comoving, COMOVING_FIELDS),
        redshift=redshifts_of(redshift),
        covariance=covariance,
        inverse_critical_surface_density=inverse_critical_surface_density,
        group=group,
    )
    objects = load_located(location, lambda path, names: read_objects(path, request, names), id)
    return cast("DeltaSigma | list[DeltaSigma]", objects)


Data = list[GammaTheta] | list[DeltaSigma] | list[MassMap] | list[KappaMap]


def load_data(model_info: Mapping[str, Any]) -> Data:
    """Return the observed profiles or maps that a configuration names, as a list.

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
    common |= {"redshift": redshift, "id": data["ids"]}
    if data["kind"] in ("mass_map", "kappa_map"):
        return _load_maps(location, info, common)
    if data["covariance"] is not None:
        common["covariance"] = info.path(data["covariance"])
    inverse = data["inverse_critical_surface_density"]
    if data["kind"] == "gamma_theta":
        shear = load_gamma_theta(
            location, sources=info.make_sources(), kind=data["shear_kind"], **common
        )
        return shear if isinstance(shear, list) else [shear]
    excess = load_delta_sigma(location, inverse_critical_surface_density=inverse, **common)
    return excess if isinstance(excess, list) else [excess]


def _load_maps(
    location: PathLike | Sequence[PathLike], info: ModelInfo, common: dict[str, Any]
) -> list[MassMap] | list[KappaMap]:
    data = info["data"]
    common |= {key: data[key] for key in ("pixel_scale", "depth", "sampling")}
    if data["kind"] == "mass_map":
        masses = load_mass_map(location, **common)
        return masses if isinstance(masses, list) else [masses]
    convergences = load_kappa_map(
        location, sources=data["source_redshift"], cosmology=info.make_cosmology(), **common
    )
    return convergences if isinstance(convergences, list) else [convergences]
