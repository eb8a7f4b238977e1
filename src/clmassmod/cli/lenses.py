"""Commands of strong lenses: mock, infer, resume, reproduce."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from ..errors import FitError
from .arguments import add_config, add_threads, not_negative, positive

if TYPE_CHECKING:
    from ..configuration.info import MockInfo
    from ..runs.inference import InferOutcome


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the commands to `commands`."""
    _add_mock(commands, common)
    _add_inference(commands, common)


def _add_mock(commands: Any, common: argparse.ArgumentParser) -> None:
    mock = commands.add_parser(
        "mock", parents=[common], help="make the mock catalogue of strong lenses of a configuration"
    )
    add_config(mock)
    mock.add_argument("--folder", help="where results go, in place of [output] folder")
    mock.add_argument("--n-galaxies", type=positive, metavar="N", help="in place of n_galaxies")
    mock.add_argument("--seed", type=not_negative, help="in place of seed")
    add_threads(mock, "the catalogue is")
    mock.add_argument("--no-figures", action="store_true", help="no figures")
    mock.set_defaults(run=_mock, goes_on=False)


def _add_inference(commands: Any, common: argparse.ArgumentParser) -> None:
    running = argparse.ArgumentParser(add_help=False, parents=[common])
    running.add_argument("--no-figures", action="store_true", help="no figures and no report")
    infer = commands.add_parser(
        "infer",
        parents=[running],
        help="infer the lens population of a configuration; goes on if it was killed",
    )
    add_config(infer)
    infer.add_argument(
        "--threads", type=not_negative, metavar="T", help="in place of n_threads; 0 for all"
    )
    infer.add_argument("--root", metavar="DIR", help="folder that holds data/ and inference/")
    infer.add_argument("--data", metavar="FILE", help="in place of [data] file")
    infer.set_defaults(run=_infer)

    again = argparse.ArgumentParser(add_help=False)
    add_threads(again, "results are")
    again.add_argument("folder", metavar="DIR", help="inference/<sim_id>/<run_id>")
    again.add_argument("--data", metavar="FILE", help="where the file of the data is now")
    resume = commands.add_parser(
        "resume", parents=[running, again], help="go on with an inference from its folder"
    )
    resume.add_argument("--target-ess", type=float, metavar="N", help="in place of the run's")
    resume.add_argument("--max-steps", type=positive, metavar="N", help="emcee: the same")
    resume.add_argument("--max-calls", type=positive, metavar="N", help="nautilus: the same")
    resume.set_defaults(run=_resume)
    reproduce = commands.add_parser(
        "reproduce", parents=[common, again], help="repeat an inference, and compare the chains"
    )
    reproduce.add_argument("--into", metavar="DIR", help="a fresh folder (DIR-reproduced)")
    reproduce.add_argument(
        "--any-commit", action="store_true", help="with this code, whatever made the run"
    )
    reproduce.set_defaults(run=_reproduce)


def _mock(options: argparse.Namespace) -> None:
    from ..runs.mocks import run_mock, summary_lines

    info = _mock_configuration(options)
    options.results = info["output"]["folder"]
    outcome = run_mock(
        info,
        n_threads=options.threads,
        figures=False if options.no_figures else None,
        progress=True,
    )
    for line in summary_lines(outcome.summary):
        print(line)
    print(f"catalogue  {outcome.catalogue}")
    print(f"config     {outcome.config}")
    if outcome.figures:
        print(f"figures    {os.path.dirname(next(iter(outcome.figures.values())))}")


def _mock_configuration(options: argparse.Namespace) -> MockInfo:
    """Return the configuration with what the options change in it."""
    from ..configuration.info import MockInfo, load_mock_config

    info = load_mock_config(options.config)
    for key in ("n_galaxies", "seed"):
        if getattr(options, key) is not None:
            info[key] = getattr(options, key)
    if options.folder is not None:
        info["output"]["folder"] = options.folder
    return MockInfo.from_dict(info)


def _infer(options: argparse.Namespace) -> None:
    from ..inference.run_directory import run_folder
    from ..runs.inference import run_infer
    from ..runs.inference_config import load_infer_config

    info = load_infer_config(options.config)
    if options.data is not None:
        info["data"]["file"] = os.path.abspath(options.data)
    options.results = str(run_folder(info["sim_id"], info["run_id"], options.root))
    outcome = run_infer(
        info,
        options.root,
        n_threads=options.threads,
        figures=False if options.no_figures else None,
        progress=True,
    )
    _print_run(outcome)


def _resume(options: argparse.Namespace) -> None:
    from ..runs.inference import resume_run

    options.results = options.folder
    limits = {name: getattr(options, name) for name in ("max_steps", "max_calls", "target_ess")}
    outcome = resume_run(
        options.folder,
        data=options.data,
        n_threads=options.threads,
        figures=not options.no_figures,
        progress=True,
        **{name: value for name, value in limits.items() if value is not None},
    )
    _print_run(outcome)


def _reproduce(options: argparse.Namespace) -> None:
    from ..runs.inference import reproduce_run

    found = reproduce_run(
        options.folder,
        options.into,
        data=options.data,
        any_commit=options.any_commit,
        n_threads=options.threads,
        progress=True,
    )
    for line in found.lines():
        print(line)
    if not found.identical:
        raise FitError(f"{found.repeated} is not the chain of {found.folder}")


def _print_run(outcome: InferOutcome) -> None:
    for line in outcome.chain.summary_lines():
        print(line)
    for line in outcome.warnings:
        print(f"warning: {line}", file=sys.stderr)
    print(f"run      {outcome.folder}")
    if outcome.report:
        print(f"report   {outcome.report}")
