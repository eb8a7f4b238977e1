"""Masses to compare fitted ones with: the truth of a simulation, or a catalogue."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..cosmology import MassDef
from ..errors import FormatError, ParameterError, nearest
from .results import MassProfile

ID_NAMES = ("halo_id", "id", "name")
"""Columns that ids may be in."""


@dataclass(frozen=True)
class Reference:
    """Masses by object id.

    Parameters
    ----------
    masses : mapping
        Id -> mass [Msun], of the mass definition of the fit.
    errors : mapping, optional
        Id -> standard deviation [Msun]; absent is 0.
    label : str
        What they are, for figures: ``true mass``, ``catalogue mass``.
    """

    masses: Mapping[str, float]
    errors: Mapping[str, float] = field(default_factory=dict)
    label: str = "reference mass"


def load_reference(
    path: str | os.PathLike[str],
    column: str = "mass",
    *,
    error_column: str | None = None,
    id_column: str | None = None,
    unit: str | None = None,
    label: str | None = None,
    mass_def: str | None = None,
) -> Reference:
    """Return the masses of a table.

    Parameters
    ----------
    path : path
        Any table astropy reads: ECSV, CSV, FITS.
    column, error_column, id_column : str
        Columns of mass, its error, and the id; the id is by default the column called
        halo_id, id or name, else the first.
    unit : str, optional
        Unit of the mass, such as ``"1e14 Msun"``; needed if the table states none.
    label : str, optional
        By default ``true mass`` for a column ``mass`` and else the name of the column.
    mass_def : str, optional
        Definition of the masses of the fit; a table with a column ``mass_def`` must have it.

    Raises
    ------
    FormatError
        If the file is not a table, a column or a unit is missing, an id occurs twice, or the
        masses are of another definition.
    """
    table = table_of(path)
    if mass_def is not None and "mass_def" in table.colnames:
        _check_mass_def(path, table["mass_def"], mass_def)
    ids = id_column or next((n for n in ID_NAMES if n in table.colnames), table.colnames[0])
    names = [str(name) for name in column_of(path, table, ids)]
    again = next((name for name, n in Counter(names).items() if n > 1), None)
    if again is not None:
        raise FormatError(path, ids, f"{again!r} occurs {names.count(again)} times")
    masses = masses_of(path, table, column, unit)
    errors = {} if error_column is None else masses_of(path, table, error_column, unit)
    return Reference(
        dict(zip(names, masses, strict=True)),
        dict(zip(names, errors, strict=False)),
        label or ("true mass" if column == "mass" else column),
    )


def table_of(path: str | os.PathLike[str]) -> Any:
    """Return the astropy table of a file; what is none is a FormatError."""
    from astropy.table import Table

    try:
        return Table.read(path)
    except Exception as error:  # readers of tables raise anything on a damaged file
        raise FormatError(path, "table", f"cannot be read ({error})") from error


def _check_mass_def(path: Any, stated: Any, wanted: str) -> None:
    for name in dict.fromkeys(map(str, stated)):
        try:
            same = MassDef.from_name(name) == MassDef.from_name(wanted)
        except ParameterError as error:
            raise FormatError(path, "mass_def", str(error)) from error
        if not same:
            raise FormatError(path, "mass_def", f"masses are {name}, those of the fit {wanted}")


def column_of(path: Any, table: Any, name: str) -> Any:
    """Return a column; one that is not there is an error that names `path`."""
    if name not in table.colnames:
        hint = nearest(name, table.colnames) or f"Columns are {', '.join(table.colnames)}."
        raise FormatError(path, name, f"no such column. {hint}")
    return table[name]


def masses_of(path: Any, table: Any, name: str, unit: str | None) -> list[float]:
    """Return a column of masses [Msun], NaN where it is masked; see `load_reference`."""
    from astropy import units

    values = column_of(path, table, name)
    stated = unit or values.unit
    if stated is None:
        raise FormatError(
            path,
            name,
            "states no unit; write a table with units (ECSV), or give unit = 'Msun' or '1e14 Msun' "
            "([truth] unit of a configuration, clmassmod fit --reference-unit)",
        )
    try:
        factor = units.Unit(stated).to("Msun")
    except (ValueError, TypeError, units.UnitConversionError) as error:
        raise FormatError(path, name, f"unit {stated!r} is not one of mass") from error
    return [float(v) * factor for v in np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)]


def comparison(profiles: Sequence[MassProfile], reference: Reference) -> dict[str, float]:
    """Return how fitted masses compare with reference masses.

    Returns
    -------
    dict
        ``n_compared``; ``ratio``, the sum of fitted over the sum of reference masses, which
        noise does not bias, and ``ratio_error`` from the errors of both; ``coverage_68``,
        the fraction of objects whose 68.3 % interval (with the error of the reference added
        in quadrature) holds the reference mass, and ``coverage_68_error``, its binomial error
        where 68.3 % is true; ``mean_pull`` and ``sd_pull`` of (fitted - reference) / error.
        The error is that on the side of the reference; where it is zero (a best fit at the
        end of its interval), that of the other side. Objects without errors do not count;
        NaN if none can be compared.
    """
    pairs = [
        p
        for p in compared(profiles, reference)
        if np.isfinite(p[1:]).all() and max(p[2], p[3], p[5]) > 0.0
    ]
    if not pairs:
        names = ("ratio", "ratio_error", "coverage_68", "coverage_68_error")
        return {"n_compared": 0} | dict.fromkeys((*names, "mean_pull", "sd_pull"), math.nan)
    fitted, down, up, mass, sd = np.array([pair[1:] for pair in pairs]).T
    n = len(pairs)
    toward = np.where(mass < fitted, down, up)
    toward = np.where(toward > 0.0, toward, np.maximum(down, up))
    pull = (fitted - mass) / np.sqrt(toward**2 + sd**2)
    ratio = fitted.sum() / mass.sum()
    variance = np.sum((0.5 * (down + up)) ** 2) + ratio**2 * np.sum(sd**2)
    return {
        "n_compared": n,
        "ratio": float(ratio),
        "ratio_error": float(math.sqrt(variance) / mass.sum()),
        "coverage_68": float(np.mean(np.abs(pull) <= 1.0)),
        "coverage_68_error": math.sqrt(0.6827 * 0.3173 / n),
        "mean_pull": float(pull.mean()),
        "sd_pull": float(pull.std(ddof=1)) if n > 1 else math.nan,
    }


def compared(
    profiles: Sequence[MassProfile], reference: Reference
) -> list[tuple[str, float, float, float, float, float]]:
    """Return (id, fitted mass, error down, error up, reference mass, its error) of each pair."""
    pairs = []
    for p in profiles:
        mass = reference.masses.get(p.halo_id, math.nan)
        if p.status != "failed" and math.isfinite(mass) and mass > 0.0:
            down, up = p.errors["mass"]
            pairs.append((p.halo_id, p.mass, down, up, mass, reference.errors.get(p.halo_id, 0.0)))
    return pairs
