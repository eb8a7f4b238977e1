"""A fit as one HTML file, figures and all."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from ..cluster.massmod import CLMassMod
from ..cluster.results import MassProfile
from ..configuration.info import ModelInfo
from ..configuration.model_schema import SCHEMA, Key
from ..provenance import provenance
from ..rounding import rounded
from .html import bullets, figure, number, page, pairs, section, table, text, write_page

_DIAGNOSTICS = {
    "r_hat": "split R-hat",
    "ess": "effective samples",
    "autocorrelation_time": "autocorrelation time",
    "acceptance": "acceptance",
    "n_steps": "steps",
    "n_calls": "likelihood calls",
    "edge": "at the edge of the prior",
}


def machine_facts() -> dict[str, str]:
    """Return versions, commit, compiler, instruction set, threads and machine as text."""
    import astropy
    import scipy

    from .._core.info import build_info

    build = build_info()
    facts = provenance()
    return {
        "clmassmod": facts["clmassmod"],
        "commit": facts["commit"],
        "Python": facts["python"],
        "numpy": facts["numpy"],
        "scipy": scipy.__version__,
        "astropy": astropy.__version__,
        "compiler": build["compiler"],
        "compiler flags": build["flags"],
        "instruction set": build["instruction_set"],
        "dispatch at run time": _yes(build["dispatch"]),
        "OpenMP": _yes(build["openmp"]),
        "fast-math": _yes(build["fast_math"]),
        "threads": str(build["max_threads"]),
        "system": f"{platform.system()} {platform.machine()}",
    }


def write_report(
    massmod: CLMassMod,
    path: str | os.PathLike[str],
    *,
    figures: Mapping[str, str] | None = None,
    summary: Sequence[str] = (),
    command: str = "",
) -> str:
    """Write the results of a fit as one self-contained HTML file; return the file.

    Parameters
    ----------
    massmod : CLMassMod
        With results.
    path : path
    figures : mapping, optional
        Title -> PNG file, as `clmassmod.figures.clusters.write_figures` returns.
    summary : sequence of str, optional
        Lines such as `clmassmod.runs.clusters.summary_lines` returns.
    command : str, optional
        What repeats the fit.
    """
    return write_page(path, report_text(massmod, figures=figures, summary=summary, command=command))


def report_text(
    massmod: CLMassMod,
    *,
    figures: Mapping[str, str] | None = None,
    summary: Sequence[str] = (),
    command: str = "",
) -> str:
    """Return the HTML text of `write_report`."""
    profiles = massmod.out_data_profiles
    name = massmod.model_info["name"] or "Cluster masses"
    facts = machine_facts()
    time = provenance()["time"]
    model = massmod.model_info["profile"]["kind"]
    baryons = massmod.model_info["baryons"]["kind"]
    if baryons is not None:
        model += f" with baryons ({baryons})"
    method = profiles[0].method if profiles else ""
    parts = [
        f"<h1>{text(name)}</h1>",
        f'<p class="sub">{text(model)} fitted by {text(method)}, masses '
        f"M<sub>{text(massmod.model_info['mass_def'])}</sub>; clmassmod "
        f"{text(facts['clmassmod'])}, {text(time)}</p>",
        section("Summary", bullets(summary)),
        section("Masses", masses_table(profiles)),
        _figures(figures or {}, sum(p.status != "failed" for p in profiles)),
        section("Diagnostics", _diagnostics(profiles)),
        section("Configuration", configuration_table(massmod.model_info)),
        section("Provenance", pairs({**facts, "written": time})),
        section("How to reproduce", _reproduce(command)),
    ]
    return page(name, parts)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def masses_table(profiles: Sequence[MassProfile]) -> str:
    """Return the table of fitted masses."""
    others = [n for n in dict.fromkeys(n for p in profiles for n in p.parameters) if n != "mass"]
    head = ["object", "redshift", "mass [1e14 Msun]", "68 % error", *others]
    head += ["chi2 / dof", "status", *(["message"] if any(p.message for p in profiles) else [])]
    rows = []
    for p in profiles:
        row: list[Any] = [p.halo_id, f"{p.redshift:.4f}", *_value(p, "mass", 1e14)]
        row += [" ".join(_value(p, name, 1.0)) for name in others]
        fitted = p.status != "failed"
        row += [f"{p.chi2:.1f} / {p.dof}" if fitted else "", p.status, p.message]
        rows.append((p.status, row[: len(head)]))
    return table(head, rows, numbers=range(1, head.index("status")))


def _value(p: MassProfile, name: str, unit: float) -> tuple[str, str]:
    if name not in p.mle:
        return "", ""
    down, up = p.errors.get(name, (math.nan, math.nan))
    best, lower, upper = rounded(p.mle[name] / unit, down / unit, up / unit)
    return best, f"-{lower} +{upper}"


def _figures(figures: Mapping[str, str], n_fitted: int) -> str:
    """Overall figures large, those of single objects in a grid, traces and corners folded."""
    groups: dict[str, list[str]] = {}
    for title, file in figures.items():
        kind = title.rsplit(": ", 1)[1] if ": " in title else ""
        groups.setdefault(kind, []).append(figure(title, file))
    parts = []
    for kind, items in groups.items():
        if kind == "":
            parts.append(section("Figures", f'<div class="wide">{"".join(items)}</div>'))
        elif kind == "profile":
            few = f"<p>The first {len(items)} of {n_fitted}.</p>" if len(items) < n_fitted else ""
            parts.append(section("Profiles", f'{few}<div class="grid">{"".join(items)}</div>'))
        else:
            parts.append(
                f"<details><summary>{text(kind.capitalize())} of every object</summary>"
                f'<div class="grid">{"".join(items)}</div></details>'
            )
    return "\n".join(parts)


def _diagnostics(profiles: Sequence[MassProfile]) -> str:
    keys = [k for k in _DIAGNOSTICS if any(k in p.diagnostics for p in profiles)]
    rows = [
        (p.status, [p.halo_id, *(number(p.diagnostics.get(k, "")) for k in keys)]) for p in profiles
    ]
    head = ["object", *(_DIAGNOSTICS[k] for k in keys)]
    return table(head, rows, numbers=range(1, len(head))) if keys else ""


def configuration_table(info: ModelInfo) -> str:
    """Every key with its value; those that differ from the default are marked."""
    rows = []
    for name, content in info.items():
        rules = SCHEMA[name]
        if isinstance(rules, Key):
            rows.append((name, content, content == rules.default))
        elif name == "priors":
            rows += [(f"priors.{key}", json.dumps(value), False) for key, value in content.items()]
        else:
            rows += [
                (f"{name}.{key}", value, value == rules[key].default)
                for key, value in content.items()
                if value is not None
            ]
    keys = table(
        ["key", "value", ""],
        [("", (key, number(value), "default" if same else "")) for key, value, same in rows],
    )
    return f"<details open><summary>All keys</summary>{keys}</details>"


def _reproduce(command: str) -> str:
    line = command or "clmassmod fit config.json --folder again"
    return (
        "<p>The folder of this file also holds <code>config.json</code>, the complete "
        "configuration, <code>profiles/</code>, one HDF5 file per object, and "
        "<code>masses.ecsv</code>, the table above. Change into that folder; with the same version "
        "and the same data</p>"
        f"<pre>{text(line)}</pre>"
        "<p>gives the same numbers.</p>"
    )
