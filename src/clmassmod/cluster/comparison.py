"""Comparison of models fitted to the same data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..errors import FitError, ParameterError
from .massmod import CLMassMod


def compare_models(massmods: Sequence[CLMassMod]) -> Any:
    """Return a table comparing fitted models, an astropy Table, best AIC first.

    Parameters
    ----------
    massmods : sequence of CLMassMod
        Each with results for the same data.

    Returns
    -------
    astropy.table.Table
        ``model``; ``max_log_likelihood`` at the best fits (which include informative priors),
        summed over objects; ``k`` the number of free
        parameters in all; ``n_data``; ``aic = 2 k - 2 ln L``; ``bic = k ln n - 2 ln L``;
        ``log_evidence``, the sum of ln Z, NaN unless every fit is by 'nested'; and the
        differences of each criterion from the best model.

    Raises
    ------
    FitError
        If a model has no results, a failed fit, or other objects or data than the first.
    """
    from astropy.table import Table

    if isinstance(massmods, CLMassMod):
        raise ParameterError("massmods", massmods, "a list of fitted CLMassMod")
    rows = [_row(massmod, i) for i, massmod in enumerate(massmods)]
    if not rows:
        raise FitError("compare_models needs at least one fitted CLMassMod")
    for row in rows[1:]:
        if row["data"] != rows[0]["data"]:
            raise FitError(
                f"{row['model']} and {rows[0]['model']} are fitted to different objects or data"
            )
    rows.sort(key=lambda row: row["aic"])
    best_bic = min(row["bic"] for row in rows)
    evidences = [row["log_evidence"] for row in rows]
    best_evidence = math.nan if any(map(math.isnan, evidences)) else max(evidences)
    for row in rows:
        row["delta_aic"] = row["aic"] - rows[0]["aic"]
        row["delta_bic"] = row["bic"] - best_bic
        row["delta_log_evidence"] = row["log_evidence"] - best_evidence
        del row["data"]
    return Table(rows=rows)


def _row(massmod: CLMassMod, index: int) -> dict[str, Any]:
    profiles = massmod.out_data_profiles
    name = massmod.model_info["name"] or f"{massmod.model_info['profile']['kind']} {index + 1}"
    if not profiles:
        raise FitError(f"{name} has no results: call fit_mass_profiles first")
    failed = [p.halo_id for p in profiles if p.status == "failed"]
    if failed:
        raise FitError(f"{name} failed for {', '.join(failed)}; compare without these objects")
    log_likelihood = sum(p.log_likelihood for p in profiles)
    k = sum(len(p.parameters) for p in profiles)
    n = sum(p.n_data for p in profiles)
    return {
        "model": name,
        "data": sorted((p.halo_id, p.metadata.get("data")) for p in profiles),
        "max_log_likelihood": log_likelihood,
        "k": k,
        "n_data": n,
        "aic": 2.0 * k - 2.0 * log_likelihood,
        "bic": k * math.log(n) - 2.0 * log_likelihood,
        "log_evidence": sum(p.log_evidence for p in profiles),
    }
