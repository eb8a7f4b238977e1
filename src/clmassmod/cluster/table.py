"""Tables of fitted masses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .results import MassProfile


def results_table(profiles: Sequence[MassProfile]) -> Any:
    """Return one row per halo: best fits, 68 % errors, chi2, status (astropy QTable)."""
    from astropy import units
    from astropy.table import QTable

    names = list(dict.fromkeys(name for p in profiles for name in p.parameters)) or ["mass"]
    table = QTable()
    table["halo_id"] = [p.halo_id for p in profiles]
    table["redshift"] = [p.redshift for p in profiles]
    table["mass_def"] = [p.mass_def for p in profiles]
    for name in names:
        unit = units.Msun if name == "mass" else units.dimensionless_unscaled
        table[name] = [p.mle.get(name, math.nan) for p in profiles] * unit
        for side, label in enumerate(("err_down", "err_up")):
            values = [p.errors.get(name, (math.nan, math.nan))[side] for p in profiles]
            table[f"{name}_{label}"] = values * unit
    table["chi2"] = [p.chi2 for p in profiles]
    table["n_data"] = [p.n_data for p in profiles]
    table["method"] = [p.method for p in profiles]
    table["status"] = [p.status for p in profiles]
    table["message"] = [p.message for p in profiles]
    return table
