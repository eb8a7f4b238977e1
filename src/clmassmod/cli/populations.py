"""Commands of populations of fitted clusters: ensemble, compare."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .arguments import add_config, add_threads

if TYPE_CHECKING:
    from ..runs.ensembles import EnsembleOutcome


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the commands to `commands`."""
    population = argparse.ArgumentParser(add_help=False, parents=[common])
    add_config(population)
    population.add_argument(
        "--fits",
        nargs="+",
        metavar="DIR",
        help="folders of fitted masses, in place of [ensemble] results",
    )
    population.add_argument(
        "--folder",
        help="in place of [output] folder: where fits are, and this goes into a folder of its own",
    )
    add_threads(population, "the result is")
    population.add_argument("--no-report", action="store_true", help="no figures and no report")
    for name, run, text in (
        ("ensemble", _ensemble, "the distribution of the masses that `clmassmod fit` has fitted"),
        ("compare", _compare, "bias and scatter of fitted masses against true ones"),
    ):
        one = commands.add_parser(name, parents=[population], help=text)
        one.set_defaults(run=run)


def _ensemble(options: argparse.Namespace) -> None:
    from ..runs.ensembles import run_ensemble

    _run_population(options, run_ensemble)


def _compare(options: argparse.Namespace) -> None:
    from ..runs.ensembles import run_compare

    _run_population(options, run_compare)


def _run_population(options: argparse.Namespace, run: Callable[..., EnsembleOutcome]) -> None:
    from ..configuration.info import ModelInfo, load_config

    info = load_config(options.config)
    if options.fits is not None:
        info["ensemble"]["results"] = [os.path.abspath(one) for one in options.fits]
    if options.folder is not None:
        info["output"]["folder"] = options.folder
    options.results = info["output"]["folder"]
    outcome = run(
        ModelInfo.from_dict(info),
        n_threads=options.threads,
        report=False if options.no_report else None,
        progress=True,
    )
    for line in outcome.posterior.summary_lines():
        print(line)
    for note in outcome.posterior.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"samples  {outcome.folder}{os.sep}samples.ecsv")
    if outcome.report:
        print(f"figures  {outcome.folder}{os.sep}figures")
        print(f"report   {outcome.report}")
