"""Readers of maps: files to `MassMap` and `KappaMap`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from ..errors import FormatError
from ..maps.containers import KappaMap, MassMap
from ._location import PathLike, load_located
from ._map_files import RawMap, maps_of_table, read_images
from ._map_layouts import (
    convergence_of_jacobian,
    is_jacobian,
    is_plane,
    read_plane,
    read_projected_haloes,
    sigma_columns,
)
from ._map_objects import MapRequest, make_map
from ._raw import kind_of, read_tables
from ._tables import redshifts_of
from ._units import conversion_of

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

_COMOVING = {"mass_map": ("pixel_scale", "values", "depth"), "kappa_map": ("pixel_scale", "depth")}


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
    request = MapRequest(
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
    request = MapRequest(
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
    path: PathLike, request: MapRequest, names: Mapping[str, str]
) -> list[MassMap | KappaMap]:
    file = str(path)
    raw = _raw_maps(file, request)
    given = names.get("id")
    if given is not None and len(raw) > 1:
        raise FormatError(file, "id", f"one id given for {len(raw)} maps")
    return [make_map(found, request, given) for found in raw]


def _raw_maps(file: str, request: MapRequest) -> list[RawMap]:
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
