"""True masses of fitted haloes, in whatever form they come, of the mass definition of the fit."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cosmology import MassDef
from ..errors import FormatError, NumericalError, ParameterError
from ..profiles.conversion import convert_mass
from .halo_model import HaloModel
from .reference import ID_NAMES, Reference, masses_of
from .results import MassProfile

Array = npt.NDArray[np.float64]

_SHOWN = 5
_ROUNDS = 50

_LEAST_MASS, _GREATEST_MASS = 1e8, 1e18
"""Msun; below, a number is no mass of a halo that lenses."""


@dataclass(frozen=True)
class Truth:
    """True masses, as given.

    Attributes
    ----------
    masses : dict
        Id -> mass [Msun]; what is not a mass (a sentinel, NaN) is still there.
    mass_defs : dict
        Id -> mass definition, of those that state one.
    note : str
        How they were understood, where that could be wrong.
    """

    masses: dict[str, float]
    mass_defs: dict[str, str]
    note: str = ""


@dataclass(frozen=True)
class Matched:
    """Fitted haloes with a true mass.

    Attributes
    ----------
    profiles : tuple of MassProfile
    mass : (n,) ndarray
        True masses [Msun] of the definition of the fit.
    notes : tuple of str
        What was left out or converted.
    """

    profiles: tuple[MassProfile, ...]
    mass: Array
    notes: tuple[str, ...]


def read_truth(
    truth: Any,
    profiles: Sequence[MassProfile],
    *,
    column: str = "mass",
    id_column: str | None = None,
    unit: str | None = None,
) -> Truth:
    """Return true masses from any of the forms they come in.

    Parameters
    ----------
    truth : mapping, array, table, Reference or path
        Id -> mass; masses in the order of `profiles`; a table (astropy's, a structured array, a
        mapping of columns, or a file that astropy reads) with a column of ids.
    profiles : sequence of MassProfile
    column, id_column : str
        Of a table; the id is by default the column halo_id, id or name, else the first.
    unit : str, optional
        Of numbers without one: Msun by default, but a file must state it or it must be given.

    Raises
    ------
    FormatError
        The file is not a table, a column is missing, an id occurs twice, no unit is known.
    ParameterError
        It is none of these, or an array of another length than `profiles`.
    """
    if isinstance(truth, Reference):
        return Truth(dict(truth.masses), {})
    if isinstance(truth, str | os.PathLike):
        return _of_table(_read_table(truth), truth, column, id_column, unit)
    if _is_table(truth, column):
        from astropy.table import Table

        table = Table(truth)
        stated = table[column].unit if column in table.colnames else None
        return _of_table(table, "truth", column, id_column, unit or stated or "Msun")
    if isinstance(truth, Mapping):
        values = {str(name): _one_mass(name, mass, unit) for name, mass in truth.items()}
        return Truth(values, {})
    masses = _numbers("truth", truth, unit)
    if masses.shape != (len(profiles),):
        raise ParameterError(
            "truth", f"array of shape {masses.shape}", f"of {len(profiles)} masses, as results"
        )
    names = [p.halo_id for p in profiles]
    note = f"true masses are those of the results by place, {names[0]} to {names[-1]}"
    return Truth(dict(zip(names, masses.tolist(), strict=True)), {}, note)


def match_truth(
    truth: Truth,
    profiles: Sequence[MassProfile],
    model: HaloModel,
    *,
    mass_def: str | None = None,
    groups: Mapping[str, str] | None = None,
) -> Matched:
    """Return the fitted haloes that have a true mass, of the mass definition of the fit.

    Parameters
    ----------
    truth : Truth
    profiles : sequence of MassProfile
        Failed ones are left out.
    model : HaloModel
        Of the fit: masses of another definition are converted with its concentrations.
    mass_def : str, optional
        Of the true masses; by default what the table says, else that of the fit.
    groups : mapping, optional
        Id of a result -> halo, whose true mass it has if it has none of its own.

    Raises
    ------
    ParameterError
        No halo is left, or an id occurs twice among the results.
    """
    again = [name for name, k in Counter(p.halo_id for p in profiles).items() if k > 1]
    if again:
        raise ParameterError("halo_id", again[0], "different for every result", _listed(again))
    lookup = {} if groups is None else {str(k): str(v) for k, v in groups.items()}
    kept: list[tuple[MassProfile, float, str]] = []
    failed, missing, sentinels = [], [], []
    used = set()
    for profile in profiles:
        name = profile.halo_id
        halo = name if name in truth.masses else lookup.get(name, name)
        used.add(halo)
        mass = truth.masses.get(halo)
        if profile.status == "failed":
            failed.append(name)
        elif mass is None:
            missing.append(name)
        elif not (math.isfinite(mass) and mass > 0.0):
            sentinels.append(f"{name} ({mass:g})")
        elif not _LEAST_MASS <= mass <= _GREATEST_MASS:
            hint = "Is it log10 of a mass, or in another unit (unit='1e14 Msun')?"
            raise ParameterError(
                f"truth[{name!r}]", mass, f"{_LEAST_MASS:g} to {_GREATEST_MASS:g} Msun", hint
            )
        else:
            stated = mass_def or truth.mass_defs.get(halo) or model.mass_def
            kept.append((profile, mass, stated))
    notes = [
        truth.note,
        _note(failed, "fits failed and are left out"),
        _note(missing, "results have no true mass and are left out"),
        _note(sentinels, "true masses are not masses > 0 and are left out"),
        _note([n for n in truth.masses if n not in used], "true masses have no result"),
    ]
    if not kept:
        raise ParameterError(
            "truth",
            f"{len(truth.masses)} masses",
            "of at least one of the results",
            " ".join(note for note in notes if note),
        )
    masses, converted = _converted(kept, model)
    notes.append(converted)
    return Matched(tuple(k[0] for k in kept), masses, tuple(note for note in notes if note))


def _note(names: Sequence[str], what: str) -> str:
    return f"{len(names)} {what}: {_listed(names)}" if names else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + ", ..." * (len(names) > _SHOWN)


def _converted(
    kept: Sequence[tuple[MassProfile, float, str]], model: HaloModel
) -> tuple[Array, str]:
    """Return the masses in the definition of the model, and what to say about it."""
    mass = np.array([k[1] for k in kept])
    wanted = MassDef.from_name(model.mass_def)
    definitions = {name: MassDef.from_name(name) for name in {k[2] for k in kept}}
    said = []
    for name in sorted(definitions):
        if definitions[name] == wanted:
            continue
        at = np.array([k[2] == name for k in kept])
        redshift = np.array([k[0].redshift for k in kept])[at]
        mass[at] = to_definition(mass[at], redshift, name, model)
        said.append(
            f"{at.sum()} true masses M{name} are converted to M{model.mass_def} with the "
            "concentrations of the model"
        )
    return mass, "; ".join(said)


def to_definition(mass: Array, redshift: Array, mass_def: str, model: HaloModel) -> Array:
    """Return masses (n,) of the model's definition of NFW haloes with masses of another.

    The concentration is that of the model at the mass that is returned; both are found
    together, to 1e-10.
    """
    relations = [model.concentration_of(float(z)) for z in redshift]
    result = mass.copy()
    for _ in range(_ROUNDS):
        c = np.array([float(f(m)) for f, m in zip(relations, result, strict=True)])
        there, _ = convert_mass(result, c, redshift, model.mass_def, mass_def, model.cosmology)
        step = mass / there
        result *= step
        if np.all(np.abs(step - 1.0) < 1e-10):
            return result
    raise NumericalError(f"conversion of {mass_def} to {model.mass_def} did not converge")


def _is_table(truth: Any, column: str) -> bool:
    if isinstance(truth, Mapping):
        return column in truth and np.ndim(truth[column]) == 1
    names = getattr(getattr(truth, "dtype", None), "names", None)
    return hasattr(truth, "colnames") or bool(names)


def _read_table(path: str | os.PathLike[str]) -> Any:
    from astropy.table import Table

    try:
        return Table.read(path)
    except Exception as error:  # readers of tables raise anything on a damaged file
        raise FormatError(path, "table", f"cannot be read ({error})") from error


def _of_table(table: Any, where: Any, column: str, id_column: str | None, unit: Any) -> Truth:
    ids = id_column or next((n for n in ID_NAMES if n in table.colnames), table.colnames[0])
    names = [str(name) for name in table[ids]] if ids in table.colnames else None
    if names is None:
        raise FormatError(where, ids, f"no such column; columns are {', '.join(table.colnames)}")
    again = next((name for name, n in Counter(names).items() if n > 1), None)
    if again is not None:
        raise FormatError(where, ids, f"{again!r} occurs {names.count(again)} times")
    masses = masses_of(where, table, column, unit)
    stated = {}
    if "mass_def" in table.colnames:
        stated = dict(zip(names, map(str, table["mass_def"]), strict=True))
    return Truth(dict(zip(names, masses, strict=True)), stated)


def _one_mass(name: Any, mass: Any, unit: str | None) -> float:
    if mass is None:
        return math.nan
    value = _numbers(f"truth[{name!r}]", mass, unit)
    if value.ndim:
        raise ParameterError(f"truth[{name!r}]", mass, "one mass [Msun]")
    return float(value)


def _numbers(name: str, given: Any, unit: str | None) -> Array:
    from astropy import units

    try:
        if getattr(given, "unit", None) is not None:
            return np.asarray(units.Quantity(given).to_value("Msun"), dtype=np.float64)
        values = np.ma.filled(np.ma.asarray(given, dtype=np.float64), np.nan)
        return np.asarray(values * (1.0 if unit is None else units.Unit(unit).to("Msun")))
    except (ValueError, TypeError, units.UnitConversionError) as error:
        allowed = "masses [Msun]: a mapping, an array, a table or a path"
        raise ParameterError(name, type(given).__name__, allowed) from error
