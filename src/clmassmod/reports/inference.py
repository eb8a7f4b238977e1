"""The report of an inference: one HTML file, figures and all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..figures.tools import SHARES_TEXT
from ..inference.chain import Chain
from ..inference.run_directory import TABLES, RunDirectory, flat
from ..population.parameters import PARAMETERS, place_of
from .html import bullets, figure, page, pairs, section, table, text, write_page

REPORT = "report.html"

_HEAD = ("parameter", "mean", "sd", "16 %", "median", "84 %", "2.5 %", "97.5 %")
_HEAD_OF_STEPS = ("ESS", "R-hat")
_CAPTIONS = {
    "Trace": "Walkers by step (blue, up to 16 of them) and the median of all (black line). What "
    "lies in the grey band is burn-in and does not count.",
    "Corner": f"Densities of each parameter and of each pair; {SHARES_TEXT}.",
    "Selection along each parameter": "A, the detected lenses per galaxy, with the other "
    "parameters at their posterior means. The grey band holds 95 % of the posterior.",
    "Data and posterior predictions": "Bands hold 68 and 95 % of the samples that the "
    "posterior predicts, bin by bin.",
}
_WITH_TRUTH = ("Trace", "Corner")
_SHOWN = ("mean", "sd", "q16", "median", "q84")


def write_infer_report(
    folder: str | os.PathLike[str],
    chain: Chain,
    *,
    figures: Mapping[str, str] | None = None,
    budget: Sequence[str] = (),
    notes: Sequence[str] = (),
    truth: Mapping[str, float] | None = None,
) -> str:
    """Write ``report.html`` into the folder of a run; return the file.

    Parameters
    ----------
    folder : path
    chain : Chain
    figures : mapping, optional
        Title -> PNG file.
    budget : sequence of str, optional
        Numerical errors, as `ErrorBudget.lines` returns.
    notes : sequence of str, optional
        Warnings.
    truth : mapping, optional
        Name -> value of the mock that the data are.
    """
    run = RunDirectory(folder)
    params, metadata = run.read_params(), run.read_metadata()
    name = f"{metadata['sim_id']}/{metadata['run_id']}"
    given = params["likelihood"]
    shown = "".join(
        figure(title, file, _caption(title, truth or {})) for title, file in (figures or {}).items()
    )
    parts = [
        f"<h1>{text(name)}</h1>",
        f'<p class="sub">A population of {text(given["n_lenses"])} lenses, stellar masses of the '
        f"{text(given['imf'])} IMF; {text(chain.attributes['sampler'])}; clmassmod "
        f"{text(metadata['versions']['clmassmod'])}, {text(metadata['started'])}</p>",
        section("Warnings", bullets(notes)),
        section("Parameters", _parameters(chain, truth or {})),
        section("Numerical errors of ln L", bullets(budget)),
        section("Figures", f'<div class="wide">{shown}</div>' if shown else ""),
        section("Likelihood", _likelihood(given)),
        section("Priors", _plain_pairs(params["priors"])),
        section("Sampler", _plain_pairs({**params["sampler"], **params["stopping"]})),
        section("Provenance", _provenance(metadata)),
        section("How to reproduce", _reproduce(Path(folder).name, metadata)),
    ]
    return write_page(Path(folder) / REPORT, page(name, parts))


def _parameters(chain: Chain, truth: Mapping[str, float]) -> str:
    import numpy as np

    rows = []
    for name, row in chain.summary().items():
        tails = np.quantile(chain[name], (0.025, 0.975))
        numbers = [*(row[key] for key in _SHOWN), *tails]
        cells = [name, *(f"{one:.4g}" for one in numbers)]
        if chain.of_steps:
            cells += [f"{row['ess']:.0f}", f"{row['r_hat']:.4f}"]
        if truth:
            cells.append(f"{truth[name]:.4g}" if name in truth else "")
        rows.append(("", cells))
    head = (*_HEAD, *(_HEAD_OF_STEPS if chain.of_steps else ()), *(("truth",) if truth else ()))
    return table(head, rows, numbers=range(1, len(head))) + bullets(chain.evidence_lines)


def _caption(title: str, truth: Mapping[str, float]) -> str:
    caption = _CAPTIONS.get(title, "")
    if truth and title in _WITH_TRUTH:
        caption += " Red lines: the truth of the mock."
    return caption


def _likelihood(given: Mapping[str, Any]) -> str:
    """Return a table of the likelihood, without the values in place of which others are free."""
    free = {f"population.{place_of(name)}" for name in given["free"] if name in PARAMETERS}
    return pairs({name: value for name, value in _shown(given).items() if name not in free})


def _plain_pairs(content: Mapping[str, Any]) -> str:
    """Return a table of plain values, one row for each of those that are in sections."""
    return pairs(_shown(content))


def _shown(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values by their places, without those that are not there."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in flat(content)
        if value is not None and not (isinstance(value, float) and math.isnan(value))
    }


def _provenance(metadata: Mapping[str, Any]) -> str:
    last = metadata["sessions"][-1]
    return pairs(
        {
            "commit": metadata["git_commit"],
            "tables": metadata[TABLES],
            "likelihood": metadata["likelihood_identity"],
            **{f"{name} version": version for name, version in metadata["versions"].items()},
            "sessions": str(len(metadata["sessions"])),
            "system": last["system"],
            "ended": metadata["ended"],
        }
    )


def _reproduce(run_id: str, metadata: Mapping[str, Any]) -> str:
    folder = f"inference/{metadata['sim_id']}/{run_id}" if metadata["sim_id"] else run_id
    return (
        "<p>The folder of this file holds all of the run: deleting it removes every trace. From "
        "the folder above <code>inference</code>, with the same version and the same data,</p>"
        f"<pre>{text(f'clmassmod reproduce {folder}')}</pre>"
        "<p>repeats it and compares the chains bit for bit.</p>"
    )
