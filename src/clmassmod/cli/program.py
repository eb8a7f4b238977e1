"""The command line itself: its parser, its exit codes, and what errors and signals print."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import (
    ClmassmodError,
    ConfigError,
    FitError,
    FormatError,
    MissingExtraError,
    ParameterError,
)
from ..stopping import stop_on_signals
from . import about, clusters, lenses, populations, tables, validation
from .exit_codes import BAD_DATA, INTERNAL, INTERRUPTED, MEANING, OK, USAGE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser()
    if not given:
        parser.print_help(sys.stderr)
        return USAGE
    options = parser.parse_args(given)
    try:
        with stop_on_signals():
            code = options.run(options)
        sys.stdout.flush()  # a reader that has gone is noticed here, not at exit
    except KeyboardInterrupt:
        _say_interrupted(options, given)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if options.debug:
            raise
        return _explained(error, getattr(options, "results", None))
    return OK if code is None else int(code)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="clmassmod", description="Lensing mass modelling.", epilog=MEANING
    )
    parser.add_argument("--version", action=about.Version)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show where an error arose")
    common.set_defaults(goes_on=True)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in (clusters, populations, lenses, tables, validation, about):
        group.add_commands(commands, common)
    return parser


def _explained(error: Exception, folder: str | None) -> int:
    """Print one line about an error; return its exit code."""
    if folder is not None and _concerns(error, folder):
        error = _unusable(error, folder)
    if isinstance(error, ConfigError | FormatError | ParameterError | FitError):
        code = BAD_DATA
    elif isinstance(error, MissingExtraError):
        code = USAGE
    else:
        code = INTERNAL
    text = " ".join(str(error).split())
    if not isinstance(error, ClmassmodError):
        text = f"{type(error).__name__}: {text} (--debug shows where)"
    print(f"clmassmod: {text}", file=sys.stderr)
    return code


def _concerns(error: Exception, folder: str) -> bool:
    """Whether `error` is the operating system's about a file in the folder of results."""
    if not isinstance(error, OSError) or isinstance(error, ClmassmodError):
        return False
    if error.filename is None:
        return True  # HDF5 and a full disk name no file, and files of data have their own errors
    place, name = os.path.abspath(folder), os.path.abspath(error.filename)
    return os.path.commonpath([place, name]) in (place, name)  # mkdir may name one above


def _unusable(error: Exception, folder: str) -> FitError:
    reason = getattr(error, "strerror", None) or str(error)
    if Path(folder).exists() and not Path(folder).is_dir():
        reason = "it is a file"
    return FitError(
        f"results cannot be written into the folder {folder} ({reason}); give one that can be "
        "written to, with --folder, --root or as [output] folder"
    )


def _say_interrupted(options: argparse.Namespace, given: Sequence[str]) -> None:
    folder, kept = getattr(options, "results", None), getattr(options, "kept", None)
    saved = len(list(Path(folder, kept).glob("[!.]*.h5"))) if folder and kept else 0
    where = f"; {saved} finished haloes are saved in {folder}" if saved else ""
    command = shlex.join(["clmassmod", *given])
    again = "Go on with" if options.goes_on else "Start again with"
    print(f"\nclmassmod: interrupted{where}. {again}: {command}", file=sys.stderr)
