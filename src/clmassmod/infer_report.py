"""The report of an inference: one HTML file, figures and all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._html import bullets, figure, page, pairs, section, table, text, write_page
from .inference.chain import Chain
from .inference.run_directory import TABLES, RunDirectory
from .population.parameters import PARAMETERS, place_of

REPORT = "report.html"

_HEAD = ("parameter", "mean", "sd", "16 %", "median", "84 %", "2.5 %", "97.5 %")
_HEAD_OF_STEPS = ("ESS", "R-hat")
_SHOWN = ("mean", "sd", "q16", "median", "q84")


def write_infer_report(
    folder: str | os.PathLike[str],
    chain: Chain,
    *,
    figures: Mapping[str, str] | None = None,
    budget: Sequence[str] = (),
    notes: Sequence[str] = (),
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
    """
    run = RunDirectory(folder)
    params, metadata = run.read_params(), run.read_metadata()
    name = f"{metadata['sim_id']}/{metadata['run_id']}"
    given = params["likelihood"]
    shown = "".join(figure(title, file) for title, file in (figures or {}).items())
    parts = [
        f"<h1>{text(name)}</h1>",
        f'<p class="sub">A population of {text(given["n_lenses"])} lenses, stellar masses of the '
        f"{text(given['imf'])} IMF; {text(chain.attributes['sampler'])}; clmassmod "
        f"{text(metadata['versions']['clmassmod'])}, {text(metadata['started'])}</p>",
        section("Warnings", bullets(notes)),
        section("Parameters", _parameters(chain)),
        section("Numerical errors of ln L", bullets(budget)),
        section("Figures", f'<div class="wide">{shown}</div>' if shown else ""),
        section("Likelihood", _likelihood(given)),
        section("Priors", _plain_pairs(params["priors"])),
        section("Sampler", _plain_pairs({**params["sampler"], **params["stopping"]})),
        section("Provenance", _provenance(metadata)),
        section("How to reproduce", _reproduce(Path(folder).name, metadata)),
    ]
    return write_page(Path(folder) / REPORT, page(name, parts))


def _parameters(chain: Chain) -> str:
    import numpy as np

    rows = []
    for name, row in chain.summary().items():
        tails = np.quantile(chain[name], (0.025, 0.975))
        numbers = [*(row[key] for key in _SHOWN), *tails]
        cells = [name, *(f"{one:.4g}" for one in numbers)]
        if chain.of_steps:
            cells += [f"{row['ess']:.0f}", f"{row['r_hat']:.4f}"]
        rows.append(("", cells))
    head = (*_HEAD, *(_HEAD_OF_STEPS if chain.of_steps else ()))
    return table(head, rows, numbers=range(1, len(head))) + bullets(chain.evidence_lines)


def _likelihood(given: Mapping[str, Any]) -> str:
    """Return a table of the likelihood, without the values in place of which others are free."""
    free = {f"population.{place_of(name)}" for name in given["free"] if name in PARAMETERS}
    return pairs({name: value for name, value in _flat(given) if name not in free})


def _plain_pairs(content: Mapping[str, Any]) -> str:
    """Return a table of plain values, one row for each of those that are in sections."""
    return pairs(dict(_flat(content)))


def _flat(content: Mapping[str, Any], place: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in content.items():
        name = f"{place}.{key}" if place else str(key)
        if isinstance(value, Mapping):
            rows += _flat(value, name)
        elif value is not None and not (isinstance(value, float) and math.isnan(value)):
            rows.append((name, value if isinstance(value, str) else json.dumps(value)))
    return rows


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
