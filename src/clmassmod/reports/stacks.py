"""The report of a stack: one HTML file, figures and all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..provenance import provenance
from ..stacks.stack import Stack, member_profiles
from ..stacks.sums import StackSums
from .clusters import configuration_table, machine_facts, masses_table
from .html import bullets, figure, page, pairs, section, table, text, write_page

if TYPE_CHECKING:
    from ..runs.stacks import StackOutcome


def write_stack_report(
    outcome: StackOutcome, path: str | os.PathLike[str], *, summary: Sequence[str] = ()
) -> str:
    """Write a stack as one self-contained HTML file; return the file.

    Parameters
    ----------
    outcome : StackOutcome
    path : path
    summary : sequence of str, optional
        Lines such as `clmassmod.runs.stacks.stack_lines` returns.
    """
    info, mass = outcome.massmod.model_info, outcome.mass
    name = info["name"] or "Stack of clusters"
    facts, time = machine_facts(), provenance()["time"]
    figures = "".join(figure(title, file) for title, file in outcome.figures.items())
    parts = [
        f"<h1>{text(name)}</h1>",
        f'<p class="sub">{text(outcome.stack.method)}; clmassmod {text(facts["clmassmod"])}, '
        f"{text(time)}</p>",
        section("Summary", bullets(summary)),
        section("Mass", masses_table([mass]) if mass is not None else ""),
        section("Figures", f'<div class="wide">{figures}</div>' if figures else ""),
        section("Bins", _bins(outcome.stack)),
        section("Clusters", _clusters(outcome.sums)),
        section("Configuration", configuration_table(info)),
        section("Provenance", pairs({**facts, "written": time})),
        section("How to reproduce", _reproduce()),
    ]
    return write_page(path, page(name, parts))


def _bins(stack: Stack) -> str:
    rows = stack.to_table()
    head = [f"{name} [{rows[name].unit}]" if rows[name].unit else name for name in rows.colnames]
    content = [
        ("", ["" if np.ma.is_masked(value) else f"{value:.4g}" for value in row]) for row in rows
    ]
    return table(head, content, numbers=range(len(head)))


def _clusters(sums: StackSums) -> str:
    """Return a table of what each cluster gives to the stack."""
    clusters = sums.clusters()
    _, values, errors = member_profiles(sums)
    total = clusters.weight.sum()
    rows = []
    for k, name in enumerate(clusters.ids):
        there = clusters.weight[k] > 0.0
        signal = values[k][there] / errors[k][there]
        rows.append(
            (
                "",
                [
                    name,
                    f"{clusters.redshift[k]:.4f}",
                    int(there.sum()),
                    f"{100.0 * clusters.weight[k].sum() / total:.2f} %",
                    f"{np.sqrt(np.sum(signal**2)):.1f}",
                ],
            )
        )
    head = ["cluster", "redshift", "bins with data", "share of the weight", "signal / noise"]
    content = table(head, rows, numbers=range(1, 5))
    return f"<details><summary>All clusters</summary>{content}</details>"


def _reproduce() -> str:
    return (
        "<p>The folder of this file also holds <code>config.json</code>, the complete "
        "configuration, <code>sums/</code>, one HDF5 file per cluster, which add up to "
        "<code>stack.h5</code>, and <code>stack.ecsv</code>, the table of the bins. Change into "
        "that folder; with the same version and the same data</p>"
        f"<pre>{text('clmassmod stack config.json --folder again')}</pre>"
        "<p>gives the same numbers.</p>"
    )
