"""Commands of clusters: demo, fit, stack."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from .arguments import add_config, not_negative, positive

if TYPE_CHECKING:
    from ..configuration.info import ModelInfo
    from ..runs.clusters import FitOutcome


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the commands to `commands`."""
    from ..configuration.model_schema import METHODS, STACK_METHODS

    fitting = argparse.ArgumentParser(add_help=False, parents=[common])
    fitting.add_argument(
        "--processes", type=positive, metavar="N", help="fit in N processes (default: this one)"
    )
    fitting.add_argument("--no-report", action="store_true", help="no figures and no report")
    demo = commands.add_parser(
        "demo", parents=[fitting], help="simulate clusters with known masses and fit them"
    )
    demo.add_argument("--folder", default="demo-output", help="where results go (%(default)s)")
    demo.add_argument("--seed", type=not_negative, default=4, help="random seed (%(default)s)")
    demo.add_argument("--n-clusters", type=positive, default=12, help="how many (%(default)s)")
    demo.add_argument("--method", choices=METHODS, default="emcee", help="how to fit (%(default)s)")
    demo.set_defaults(run=_demo, kept="profiles")

    fit = commands.add_parser("fit", parents=[fitting], help="fit the data a configuration names")
    add_config(fit)
    fit.add_argument("--folder", help="where results go, in place of [output] folder")
    fit.add_argument("--data", metavar="DIR", help="what paths to data in CONFIG are relative to")
    fit.add_argument("--method", choices=METHODS, help="how to fit, in place of [fit] method")
    fit.add_argument(
        "--reference",
        metavar="TABLE",
        help="masses to compare with, by id, of the definition of the fit",
    )
    fit.add_argument("--reference-column", default="mass", metavar="NAME", help="(%(default)s)")
    fit.add_argument("--reference-error", metavar="NAME", help="column of their errors")
    fit.add_argument("--reference-unit", metavar="UNIT", help='such as "1e14 Msun"')
    fit.add_argument("--reference-label", metavar="TEXT", help="what to call them in figures")
    fit.set_defaults(run=_fit, kept="profiles")

    stack = commands.add_parser(
        "stack", parents=[fitting], help="stack the data a configuration names, and fit the stack"
    )
    add_config(stack)
    stack.add_argument("--folder", help="where results go, in place of [output] folder")
    stack.add_argument("--data", metavar="DIR", help="what paths to data in CONFIG are relative to")
    stack.add_argument("--method", choices=STACK_METHODS, help="in place of [stack] method")
    stack.set_defaults(run=_stack, kept="stack/sums")


def _demo(options: argparse.Namespace) -> None:
    from ..runs.clusters import run_demo

    options.results = options.folder
    outcome = run_demo(
        options.folder,
        seed=options.seed,
        n_clusters=options.n_clusters,
        method=options.method,
        executor=options.processes,
        report=not options.no_report,
        progress=True,
    )
    _print_outcome(outcome)


def _fit(options: argparse.Namespace) -> None:
    from ..cluster.reference import load_reference
    from ..runs.clusters import run_fit

    info = _configuration(options)
    options.results = info["output"]["folder"]
    reference = None
    if options.reference is not None:
        reference = load_reference(
            options.reference,
            options.reference_column,
            error_column=options.reference_error,
            unit=options.reference_unit,
            label=options.reference_label,
            mass_def=info["mass_def"],
        )
    outcome = run_fit(
        info,
        reference=reference,
        executor=options.processes,
        report=False if options.no_report else None,
        progress=True,
    )
    _print_outcome(outcome)


def _stack(options: argparse.Namespace) -> None:
    from ..runs.stacks import run_stack, stack_lines

    info = _configuration(options, "stack")
    options.results = info["output"]["folder"]
    outcome = run_stack(
        info,
        executor=options.processes,
        report=False if options.no_report else None,
        progress=True,
    )
    for line in stack_lines(outcome):
        print(line)
    print(f"results  {outcome.folder}")
    if outcome.report:
        print(f"report   {outcome.report}")


def _configuration(options: argparse.Namespace, section: str = "fit") -> ModelInfo:
    """Return the configuration with what the options change in it, the method of a section."""
    from ..configuration.info import ModelInfo, load_config

    info = load_config(options.config)
    if options.method is not None:
        info[section]["method"] = options.method
    if options.folder is not None:
        info["output"]["folder"] = options.folder
    if options.data is not None:
        info.folder = options.data
    return ModelInfo.from_dict(info)


def _print_outcome(outcome: FitOutcome) -> None:
    from ..runs.clusters import summary_lines

    for line in summary_lines(outcome.summary):
        print(line)
    for halo_id, message in outcome.fit_info.failed.items():
        print(f"warning: {halo_id} could not be fitted: {message}", file=sys.stderr)
    print(f"results  {outcome.folder}{os.sep}profiles  (one HDF5 file per halo)")
    print(f"table    {outcome.table}")
    if outcome.report:
        print(f"figures  {outcome.folder}{os.sep}figures")
        print(f"report   {outcome.report}")
