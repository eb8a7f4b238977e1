"""The validation as one HTML file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..figures.tools import save_figure
from ..reports.clusters import machine_facts
from ..reports.html import figure, page, pairs, section, table, text, write_page

if TYPE_CHECKING:
    from .program import ValidationReport


def write_report(report: ValidationReport, folder: Path) -> str:
    """Write figures and ``report.html`` into `folder`; return the HTML file."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        title: save_figure(draw(), folder / f"{re.sub('[^a-z]+', '_', title.lower())}.png")
        for title, draw in report.figures.items()
    }
    return write_page(folder / "report.html", report_text(report, files))


def report_text(report: ValidationReport, files: dict[str, str]) -> str:
    """Return the HTML text; `files` is title -> PNG file."""
    settings = report.settings
    good = sum(check.passed for check in report.checks)
    size = "quick" if settings.quick else "full"
    drawn = "".join(figure(title, file) for title, file in files.items())
    parts = [
        "<h1>Validation</h1>",
        f'<p class="sub">{good} of {len(report.checks)} checks meet their tolerance; {size} '
        f"samples, seed {settings.seed}.</p>",
        section("Precision at each step", _checks(report)),
        section("Bias shifts", _bias_rows(report)),
        section("Figures", f'<div class="wide">{drawn}</div>' if drawn else ""),
        section("Time", pairs({name: f"{s:.1f} s" for name, s in report.seconds.items()})),
        section("Provenance", pairs(machine_facts())),
    ]
    return page("Validation", parts)


def _checks(report: ValidationReport) -> str:
    head = ["step", "check", "found", "tolerance", "why", ""]
    rows = [
        (
            "ok" if check.passed else "failed",
            [
                check.step,
                check.what,
                f"{check.value:.3g}",
                f"{'at least' if check.at_least else 'at most'} {check.limit:.3g}",
                check.reason,
                "ok" if check.passed else "failed",
            ],
        )
        for check in report.checks
    ]
    return table(head, rows, numbers=(2, 3))


def _bias_rows(report: ValidationReport) -> str:
    if not report.bias_rows:
        return ""
    head = ["truth", "true mass [1e14 Msun]", "b", "shift", "b from mocks", "error"]
    rows = [
        (
            "",
            [
                row.truth,
                f"{row.mass / 1e14:.3g}",
                f"{row.bias:.4f}",
                f"{row.shift:+.4f}",
                f"{row.measured:.4f}",
                f"{row.error:.4f}",
            ],
        )
        for row in report.bias_rows
    ]
    words = text(
        "b = mass fitted by NFW / true mass, from shear without noise and from mock galaxies; the "
        "shift is against an NFW halo of dark matter alone."
    )
    return f"<p>{words}</p>{table(head, rows, numbers=range(1, 6))}"
