"""Masses that clusters are scaled by in a stack: fitted ones, or those of a table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import FitError, FormatError, ParameterError
from ..stacks.scaling import Scaling
from .halo_model import HaloModel
from .reference import ID_NAMES, column_of, masses_of, table_of
from .results import MassProfile


def fitted_scaling(profiles: Iterable[MassProfile], model: HaloModel) -> Scaling:
    """Return the scaling by fitted masses; concentrations are fitted ones, or the relation's.

    Raises
    ------
    FitError
        There are no results.
    """
    masses: dict[str, float] = {}
    concentrations: dict[str, float] = {}
    for profile in profiles:
        name, mass = profile.halo_id, profile.mass
        masses[name] = mass
        if "concentration" in profile.mle:
            concentrations[name] = profile.mle["concentration"]
        elif mass > 0.0:
            concentrations[name] = _of_relation(model, mass, profile.redshift)
    if not masses:
        raise FitError(
            "there are no masses to scale by: call fit_mass_profiles or read before the stack, or "
            "give scaling='table' and masses"
        )
    return Scaling(masses, concentrations, "fit", model.mass_def, model.cosmology)


def table_scaling(
    table: Any, origin: str, model: HaloModel, redshifts: Mapping[str, float]
) -> Scaling:
    """Return the scaling by masses that are given.

    Parameters
    ----------
    table : mapping, table or path
        Id -> mass [Msun], or id -> (mass, concentration); or an astropy table, or the file of
        one, with columns halo_id (or id, name), mass and, if it has one, concentration.
    origin : {"truth", "table"}
    model : HaloModel
        Whose mass definition the masses have; its relation gives concentrations that are not
        given.
    redshifts : mapping
        Of the clusters, by id.
    """
    masses, concentrations = _contents(table)
    for name, mass in masses.items():
        if name not in concentrations and name in redshifts and mass > 0.0:
            concentrations[name] = _of_relation(model, mass, redshifts[name])
    return Scaling(masses, concentrations, origin, model.mass_def, model.cosmology)


def _of_relation(model: HaloModel, mass: float, redshift: float) -> float:
    return float(model.concentration_of(redshift)(np.array([mass]))[0])


def _contents(table: Any) -> tuple[dict[str, float], dict[str, float]]:
    """Return masses and concentrations by id."""
    if isinstance(table, str | os.PathLike):
        return _columns(table_of(table), table)
    if hasattr(table, "colnames"):
        return _columns(_plain(table), "masses")
    if not isinstance(table, Mapping):
        allowed = "a table, a mapping of id to mass [Msun], or a path"
        raise ParameterError("masses", type(table).__name__, allowed)
    masses: dict[str, float] = {}
    concentrations: dict[str, float] = {}
    for name, value in table.items():
        pair = np.atleast_1d(np.asarray(value, dtype=np.float64))
        if pair.size not in (1, 2):
            raise ParameterError(f"masses[{name!r}]", value, "a mass, or (mass, concentration)")
        masses[str(name)] = float(pair[0])
        if pair.size == 2:
            concentrations[str(name)] = float(pair[1])
    return masses, concentrations


def _plain(table: Any) -> Any:
    """Return a table whose columns have units but are not Quantities."""
    from astropy.table import Table

    return Table(table)


def _columns(table: Any, place: Any) -> tuple[dict[str, float], dict[str, float]]:
    ids = next((name for name in ID_NAMES if name in table.colnames), table.colnames[0])
    names = [str(name) for name in column_of(place, table, ids)]
    masses = dict(zip(names, masses_of(place, table, "mass", None), strict=True))
    if len(masses) != len(names):
        raise FormatError(place, ids, "an id occurs twice")
    if "concentration" not in table.colnames:
        return masses, {}
    values: Any = np.ma.filled(np.ma.asarray(table["concentration"], dtype=float), np.nan)
    return masses, dict(zip(names, map(float, values), strict=True))
