"""The result as a Markdown table and as JSON."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

from .harness import PEERS, ROOT, Row, Timing

RESULTS = ROOT / "bench" / "results"
_BUSY = 0.05
"""Share of the machine used by others from which the table carries a warning."""

Results = dict[str, tuple[str, list[Row]]]
_COLUMNS = (
    "case",
    "unit",
    "ours (min to max)",
    "target",
    "reached",
    "error",
    "peer",
    "peer (min to max)",
    "ratio",
    "peer error",
    "peak memory ours / peer",
    "note",
)


def write(facts: dict[str, Any], results: Results, name: str) -> list[Path]:
    """Write ``NAME.md`` and ``NAME.json`` under bench/results and return their paths."""
    RESULTS.mkdir(exist_ok=True)
    facts = {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), **facts}
    markdown, data = RESULTS / f"{name}.md", RESULTS / f"{name}.json"
    markdown.write_text(_markdown(facts, results))
    content = {
        "facts": facts,
        "workloads": {
            key: {"title": title, "rows": [_plain(row) for row in rows]}
            for key, (title, rows) in results.items()
        },
    }
    data.write_text(json.dumps(content, indent=1) + "\n")
    return [path.relative_to(ROOT) for path in (markdown, data)]


def _plain(row: Row) -> dict[str, Any]:
    derived = {"accurate": row.accurate, "reached": row.reached, "ratio": row.ratio}
    return {**dataclasses.asdict(row), **derived}


def _markdown(facts: dict[str, Any], results: Results) -> str:
    lines = ["# Benchmarks", "", *_warnings(facts), *_facts(facts), ""]
    lines += [
        "Times are medians, with the least and greatest of the repeats; ours and the peer are "
        "measured in turns in one process, one thread unless said otherwise. Errors are the "
        "greatest relative deviation from the truth named in the note. Ratio: peer / ours. "
        "Peak memory: of one call, beyond its inputs, in a fresh process.",
        "",
    ]
    for title, rows in results.values():
        lines += [f"## {title}", "", _line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
        lines += [_line(_cells(row)) for row in rows]
        lines.append("")
    return "\n".join(lines)


def _warnings(facts: dict[str, Any]) -> list[str]:
    busy = [x for x in (facts["machine"]["others_before"], facts["others_during"]) if x is not None]
    lines = []
    if facts["quick"]:
        lines.append("**A trial of the harness (`--quick`): not a measurement.**")
    if facts["machine"]["load_average"][0] > 0.5 or any(share > _BUSY for share in busy):
        lines.append("**WARNING: the machine was not idle; the times are not reliable.**")
    return [line for text in lines for line in (text, "")]


def _facts(facts: dict[str, Any]) -> list[str]:
    machine, build, versions = facts["machine"], facts["build"], facts["versions"]
    load = " ".join(f"{x:.2f}" for x in machine["load_average"])
    installed = [f"{n} {v}" for n, v in versions.items() if v != "not installed"]
    skipped = [name for name in PEERS if versions[name] == "not installed"]
    return [
        f"- {facts['date']}, {facts['seconds']:.0f} s; commit {facts['commit']}; clmassmod "
        f"{build['version']} ({facts['installed']})",
        f"- {machine['processor']}, {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}",
        f"- load average at the start {load}; share of the machine used by others: "
        f"{_share(machine['others_before'])} in the second before, "
        f"{_share(facts['others_during'])} during the run",
        f"- {build['compiler']}, `{build['flags']}`, {build['instruction_set']}, "
        f"OpenMP {'yes' if build['openmp'] else 'no'}",
        f"- {', '.join(installed)}",
        f"- skipped, not installed: {', '.join(skipped) or 'none'}",
    ]


def _share(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.0%}"


def _line(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"


def _cells(row: Row) -> list[str]:
    ours = _time(row.ours, row.scale) if row.accurate else "not timed: inaccurate"
    if row.size is not None:
        ours = f"{row.size / 1e6:.3g}"
    return [
        row.case,
        row.unit,
        ours,
        "" if row.target is None else f"{row.target:g}",
        {None: "", True: "yes", False: "**no**"}[row.reached],
        _error(row.error, row.accurate),
        row.peer,
        _time(row.theirs, row.scale),
        "" if row.ratio is None else _number(row.ratio),
        _error(row.peer_error),
        _memory(row),
        row.note,
    ]


def _time(timing: Timing | None, scale: float) -> str:
    if timing is None:
        return ""
    values = (timing.median, timing.low, timing.high)
    median, low, high = (_number(value / scale) for value in values)
    return f"{median} ({low} to {high})"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _error(error: float | None, accurate: bool = True) -> str:
    if error is None:
        return ""
    return f"{error:.1e}" if accurate else f"**{error:.1e} FAILED**"


def _memory(row: Row) -> str:
    if row.memory is None and row.peer_memory is None:
        return ""
    return " / ".join(
        "-" if x is None else f"{x / 1e6:.3g} MB" for x in (row.memory, row.peer_memory)
    )
