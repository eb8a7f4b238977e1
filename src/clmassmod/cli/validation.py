"""The command validate."""

from __future__ import annotations

import argparse
from typing import Any

from .arguments import not_negative
from .exit_codes import MISSED, OK


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to `commands`."""
    validate = commands.add_parser(
        "validate",
        parents=[common],
        help="a simulated catalogue through every step, with the precision of each",
    )
    validate.add_argument("steps", nargs="*", metavar="STEP", help="all by default")
    validate.add_argument(
        "--folder", default="validation-output", help="where the report goes (%(default)s)"
    )
    validate.add_argument("--full", action="store_true", help="samples ten times larger")
    validate.add_argument("--seed", type=not_negative, default=1, help="(%(default)s)")
    validate.add_argument(
        "--threads",
        type=not_negative,
        default=0,
        metavar="T",
        help="0 for all (the default); the numbers are the same for any",
    )
    validate.add_argument("--no-report", action="store_true", help="no figures and no report")
    validate.set_defaults(run=_validate, goes_on=False)


def _validate(options: argparse.Namespace) -> int:
    from ..validation.program import validate

    options.results = options.folder
    report = validate(
        None if options.no_report else options.folder,
        steps=options.steps or None,
        quick=not options.full,
        seed=options.seed,
        n_threads=options.threads,
        progress=True,
    )
    print(report)
    if report.report:
        print(f"report  {report.report}")
    return OK if report.passed else MISSED
