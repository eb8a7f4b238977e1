"""Which column of a file is which field, by a table of synonyms or as told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..errors import FormatError, ParameterError, nearest
from ._raw import Column, RawTable

_SHEAR = (
    "gt",
    "g_t",
    "g_tan",
    "et",
    "e_t",
    "gamma_t",
    "gammat",
    "gamma_tan",
    "shear",
    "reduced_shear",
    "tangential_shear",
    "reduced_tangential_shear",
)
_CROSS_SHEAR = ("gx", "g_x", "ex", "e_x", "gamma_x", "gammax", "cross_shear", "shear_x")
_EXCESS = (
    "delta_sigma",
    "delta_sigma_t",
    "deltasigma",
    "deltasigma_t",
    "dsigma",
    "dsigma_t",
    "dsig",
    "ds",
    "ds_t",
    "esd",
    "excess_surface_density",
)
_CROSS_EXCESS = ("delta_sigma_x", "deltasigma_x", "dsigma_x", "dsig_x", "ds_x", "esd_x")
_DENSITY = (
    "surface_density",
    "surface_mass_density",
    "projected_density",
    "sigma",
    "sigma_map",
    "mass_map",
    "massmap",
    "projected_mass",
    "mass",
)
_CONVERGENCE = ("kappa", "convergence", "kappa_map", "convergence_map", "kappa_e")
_ERROR_NAMES = ("err", "error", "errors", "std", "uncertainty")


def _error_names(names: Iterable[str]) -> tuple[str, ...]:
    shapes = ("{}_err", "{}_error", "{}_std", "err_{}", "delta_{}", "sigma_{}", "e_{}")
    return tuple(shape.format(name) for name in names for shape in shapes)


_COMMON = {
    "radius": ("radius", "r", "rp", "r_p", "r_mean", "r_proj", "projected_radius"),
    "radius_min": ("radius_min", "r_min"),
    "radius_max": ("radius_max", "r_max"),
    "n_galaxies": ("n_src", "n_galaxies", "n_gal", "ngal", "n_sources", "npairs", "n_pairs"),
    "covariance": ("covariance", "cov"),
    "redshift": ("redshift", "z_lens", "z_l", "z_cl", "lens_redshift", "cluster_redshift"),
    "id": ("id", "name", "cluster_id", "halo_id", "object_id", "cluster", "halo"),
}
_GRID = {
    "x": ("x", "dx", "x_offset", "delta_x"),
    "y": ("y", "dy", "y_offset", "delta_y"),
    "mask": ("mask", "masked", "bad"),
    "redshift": _COMMON["redshift"],
}
SYNONYMS: dict[str, dict[str, tuple[str, ...]]] = {
    "gamma_theta": {
        **_COMMON,
        "theta": ("theta", "angle", "theta_mean", "angular_radius"),
        "values": _SHEAR,
        "errors": (*_error_names(_SHEAR), *_ERROR_NAMES, "sigma"),
        "cross": _CROSS_SHEAR,
        "cross_errors": _error_names(_CROSS_SHEAR),
    },
    "delta_sigma": {
        **_COMMON,
        "values": _EXCESS,
        "errors": (*_error_names(_EXCESS), *_ERROR_NAMES),
        "cross": _CROSS_EXCESS,
        "cross_errors": _error_names(_CROSS_EXCESS),
        "boost": ("boost", "boost_factor"),
    },
    "mass_map": {
        **_GRID,
        "values": _DENSITY,
        "errors": (*_error_names(_DENSITY), *_ERROR_NAMES),
    },
    "kappa_map": {
        **_GRID,
        "values": _CONVERGENCE,
        "errors": (*_error_names(_CONVERGENCE), *_ERROR_NAMES),
    },
    "redshifts": {
        "id": _COMMON["id"],
        "redshift": (*_COMMON["redshift"], "z"),
    },
    "source_distribution": {
        "z": ("z", "redshift", "z_mid", "z_s", "zs", "z_source"),
        "weight": (
            *("n(z)", "n_z", "nz", "p(z)", "p_z", "pz", "pdf", "dndz", "dn_dz"),
            *("counts", "count", "weight", "n"),
        ),
    },
}
"""Names by which a field is recognised, for each kind of file, in lower case.

Blanks and dashes count as underscores. A radius or a position may end in its unit (``r_mpc``,
``R_kpc``, ``theta_arcmin``), which is then taken as stated.
"""

_LENGTHS = ("radius", "radius_min", "radius_max", "theta", "x", "y")
SUFFIX_UNITS = {
    "mpc": "Mpc",
    "kpc": "kpc",
    "deg": "deg",
    "arcmin": "arcmin",
    "arcsec": "arcsec",
    "rad": "rad",
}
_WITH_UNIT = re.compile(rf"^(.+)_({'|'.join(SUFFIX_UNITS)})$")


def find_columns(
    table: RawTable, kind: str, columns: Mapping[str, str | int] | None
) -> dict[str, Column]:
    """Return the column of each field that `table` holds.

    Parameters
    ----------
    table : RawTable
        The table.
    kind : str
        Key of `SYNONYMS`.
    columns : mapping, optional
        Field to column name, or to column number counted from 0; it goes before the
        synonyms, and switches them off for that field.

    Raises
    ------
    ParameterError
        If `columns` names an unknown field.
    FormatError
        If a column asked for is not there, or a field could be several columns.
    """
    synonyms = SYNONYMS[kind]
    asked = dict(columns or {})
    for field in asked:
        if field not in synonyms:
            allowed = f"a mapping from {', '.join(synonyms)}"
            raise ParameterError("columns", field, allowed, nearest(str(field), synonyms))
    places = {field: _asked_place(table, field, key) for field, key in asked.items()}
    for field, names in synonyms.items():
        if field in asked:
            continue
        matches = [
            place
            for place, column in enumerate(table.columns)
            if _plain_name(field, column.name) in names and place not in places.values()
        ]
        if len(matches) > 1:
            listed = ", ".join(repr(table.columns[place].name) for place in matches)
            problem = f"could be any of {listed}; choose with columns={{{field!r}: ...}}"
            raise FormatError(table.file, field, problem)
        if matches:
            places[field] = matches[0]
    return {field: _with_unit(field, table.columns[place]) for field, place in places.items()}


def missing_column(table: RawTable, kind: str, field: str) -> FormatError:
    """Return the error that says how to name the column of `field`."""
    names = [column.name for column in table.columns]
    others = {n for other, known in SYNONYMS[kind].items() if other != field for n in known}
    free = [name for name in names if _normal(name) not in others]
    hints = [nearest(name, free) for name in SYNONYMS[kind][field]]
    hint = next((h for h in hints if h), "")
    problem = (
        f"no column is known as this; the columns are {', '.join(map(repr, names))}. "
        f"Pass columns={{{field!r}: name or number}}. {hint}"
    )
    return FormatError(table.file, field, problem.rstrip())


def _asked_place(table: RawTable, field: str, key: str | int) -> int:
    names = [column.name for column in table.columns]
    if isinstance(key, int) and not isinstance(key, bool):
        if not 0 <= key < len(names):
            raise FormatError(table.file, field, f"no column {key}: there are {len(names)}")
        return key
    if names.count(str(key)) == 1:
        return names.index(str(key))
    if key in names:
        problem = f"column {key!r} occurs {names.count(str(key))} times; give its number, from 0"
        raise FormatError(table.file, field, problem)
    listed = ", ".join(map(repr, names))
    problem = f"no column {key!r}; the columns are {listed}. {nearest(str(key), names)}"
    raise FormatError(table.file, field, problem.rstrip())


def _normal(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", name.strip().lower())


def _plain_name(field: str, name: str) -> str:
    match = _WITH_UNIT.match(_normal(name)) if field in _LENGTHS else None
    return match[1] if match else _normal(name)


def _with_unit(field: str, column: Column) -> Column:
    match = _WITH_UNIT.match(_normal(column.name)) if field in _LENGTHS else None
    if match and column.unit is None:
        return replace(column, unit=SUFFIX_UNITS[match[2]])
    return column
