"""The report of a population of clusters: one HTML file, figures and all."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..ensembles.posterior import PopulationPosterior
from ..inference.rank_statistics import uniformity_p_value
from ..provenance import provenance
from .html import bullets, figure, page, pairs, section, table, text, write_page

_HEAD = ("quantity", "mean", "sd", "16 %", "median", "84 %")
_RANKS = 999


def write_ensemble_report(
    posterior: PopulationPosterior,
    path: str | os.PathLike[str],
    *,
    title: str,
    figures: Mapping[str, str] | None = None,
) -> str:
    """Write the posterior of a population as one self-contained HTML file; return the file.

    Parameters
    ----------
    posterior : PopulationPosterior
    path : path
    title : str
    figures : mapping, optional
        Title -> PNG file.
    """
    facts = provenance()
    shown = "".join(figure(name, file) for name, file in (figures or {}).items())
    rows = [
        ("", [name, *(f"{value:.4f}" for value in row.values())])
        for name, row in posterior.summary().items()
    ]
    parts = [
        f"<h1>{text(title)}</h1>",
        f'<p class="sub">{len(posterior.ids)} clusters; clmassmod {text(facts["clmassmod"])}, '
        f"{text(facts['time'])}</p>",
        section("Posterior", table(_HEAD, rows, numbers=range(1, len(_HEAD)))),
        section("Notes", bullets(posterior.notes)),
        section("Figures", f'<div class="wide">{shown}</div>' if shown else ""),
        section("Checks", pairs(_checks(posterior))),
        section("Provenance", pairs(facts)),
    ]
    return write_page(path, page(title, parts))


def _checks(posterior: PopulationPosterior) -> dict[str, object]:
    ranks = (posterior.rank * _RANKS).round().astype(int)
    found: dict[str, object] = {
        "p-value of uniform ranks": uniformity_p_value(ranks, _RANKS),
    }
    for key, value in posterior.diagnostics.items():
        if key == "pareto_k":
            found["largest Pareto k-hat"] = max(value.values())
        else:
            found[key.replace("_", " ")] = value
    return found
