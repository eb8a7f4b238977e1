"""A fit as one HTML file that needs nothing else: figures are inside, no script, no network."""

from __future__ import annotations

import base64
import html
import json
import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ._config_schema import SCHEMA, Key
from .cluster.massmod import CLMassMod
from .cluster.results import MassProfile
from .provenance import atomic_path, provenance
from .rounding import rounded

_CSS = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff;
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
p.sub { color: #555; margin-top: .2rem; }
table { border-collapse: collapse; font-size: .88rem; }
th, td { padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid #999; font-weight: 600; }
tr + tr td { border-top: 1px solid #eee; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.warning { background: #fff3d6; } .failed { background: #fbe0dc; }
.scroll { overflow-x: auto; }
pre { background: #f5f5f5; padding: .6rem .8rem; overflow-x: auto; font-size: .85rem; }
figure { margin: 0; break-inside: avoid; }
figure img { max-width: 100%; height: auto; }
figcaption { font-size: .85rem; color: #555; }
.wide figure { margin: 1rem 0; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1.2rem; }
summary { cursor: pointer; }
@media print { body { max-width: none; margin: 0; } .grid { grid-template-columns: 1fr 1fr; }
               h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""

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

    from ._core.info import build_info

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
        Title -> PNG file, as `clmassmod.plotting.write_figures` returns.
    summary : sequence of str, optional
        Lines such as `clmassmod.cluster.program.summary_lines` returns.
    command : str, optional
        What repeats the fit.
    """
    text = report_text(massmod, figures=figures, summary=summary, command=command)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return str(path)


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
    method = profiles[0].method if profiles else ""
    parts = [
        f"<h1>{_text(name)}</h1>",
        f'<p class="sub">{_text(model)} fitted by {_text(method)}, masses '
        f"M<sub>{_text(massmod.model_info['mass_def'])}</sub>; clmassmod "
        f"{_text(facts['clmassmod'])}, {_text(time)}</p>",
        _section("Summary", _list(summary)),
        _section("Masses", _masses(profiles)),
        _figures(figures or {}, sum(p.status != "failed" for p in profiles)),
        _section("Diagnostics", _diagnostics(profiles)),
        _section("Configuration", _configuration(massmod)),
        _section("Provenance", _pairs({**facts, "written": time})),
        _section("How to reproduce", _reproduce(command)),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(name)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _text(value: Any) -> str:
    return html.escape(str(value), quote=True)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _section(title: str, content: str) -> str:
    return f"<h2>{_text(title)}</h2>\n{content}" if content else ""


def _table(
    head: Sequence[str], rows: Iterable[tuple[str, Sequence[Any]]], numbers: Sequence[int] = ()
) -> str:
    """Return a table of escaped cells; each row comes with its class."""

    def cell(tag: str, i: int, value: Any) -> str:
        kind = ' class="number"' if i in numbers else ""
        return f"<{tag}{kind}>{_text(value)}</{tag}>"

    lines = [f"<tr>{''.join(cell('th', i, h) for i, h in enumerate(head))}</tr>"] if head else []
    for name, row in rows:
        mark = f' class="{_text(name)}"' if name not in ("", "ok") else ""
        lines.append(f"<tr{mark}>{''.join(cell('td', i, v) for i, v in enumerate(row))}</tr>")
    return '<div class="scroll"><table>\n' + "\n".join(lines) + "\n</table></div>"


def _pairs(content: Mapping[str, Any]) -> str:
    return _table([], [("", (key, _number(value))) for key, value in content.items()])


def _number(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _list(lines: Sequence[str]) -> str:
    items = "".join(f"<li>{_text(line.replace('+-', '±'))}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _masses(profiles: Sequence[MassProfile]) -> str:
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
    return _table(head, rows, numbers=range(1, head.index("status")))


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
        groups.setdefault(kind, []).append(_figure(title, file))
    parts = []
    for kind, items in groups.items():
        if kind == "":
            parts.append(_section("Figures", f'<div class="wide">{"".join(items)}</div>'))
        elif kind == "profile":
            few = f"<p>The first {len(items)} of {n_fitted}.</p>" if len(items) < n_fitted else ""
            parts.append(_section("Profiles", f'{few}<div class="grid">{"".join(items)}</div>'))
        else:
            parts.append(
                f"<details><summary>{_text(kind.capitalize())} of every object</summary>"
                f'<div class="grid">{"".join(items)}</div></details>'
            )
    return "\n".join(parts)


def _figure(title: str, file: str) -> str:
    data = base64.b64encode(Path(file).read_bytes()).decode()
    return (
        f'<figure><img alt="{_text(title)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{_text(title)}</figcaption></figure>\n"
    )


def _diagnostics(profiles: Sequence[MassProfile]) -> str:
    keys = [k for k in _DIAGNOSTICS if any(k in p.diagnostics for p in profiles)]
    rows = [
        (p.status, [p.halo_id, *(_number(p.diagnostics.get(k, "")) for k in keys)])
        for p in profiles
    ]
    head = ["object", *(_DIAGNOSTICS[k] for k in keys)]
    return _table(head, rows, numbers=range(1, len(head))) if keys else ""


def _configuration(massmod: CLMassMod) -> str:
    """Every key with its value; those that differ from the default are marked."""
    rows = []
    for section, content in massmod.model_info.items():
        rules = SCHEMA[section]
        if isinstance(rules, Key):
            rows.append((section, content, content == rules.default))
        elif section == "priors":
            rows += [(f"priors.{key}", json.dumps(value), False) for key, value in content.items()]
        else:
            rows += [
                (f"{section}.{key}", value, value == rules[key].default)
                for key, value in content.items()
                if value is not None
            ]
    table = _table(
        ["key", "value", ""],
        [("", (key, _number(value), "default" if same else "")) for key, value, same in rows],
    )
    return f"<details open><summary>All keys</summary>{table}</details>"


def _reproduce(command: str) -> str:
    line = command or "clmassmod fit config.json --folder again"
    return (
        "<p>The folder of this file also holds <code>config.json</code>, the complete "
        "configuration, <code>profiles/</code>, one HDF5 file per object, and "
        "<code>masses.ecsv</code>, the table above. Change into that folder; with the same version "
        "and the same data</p>"
        f"<pre>{_text(line)}</pre>"
        "<p>gives the same numbers.</p>"
    )
