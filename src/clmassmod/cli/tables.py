"""Commands of tables: tables build, list, verify, info, figures."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..errors import FormatError, ParameterError
from .arguments import add_config


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the commands to `commands`."""
    tables = commands.add_parser(
        "tables", help="tables under data/tables: build, list, verify, info, figures"
    )
    actions = tables.add_subparsers(title="actions", metavar="ACTION", required=True)
    place = argparse.ArgumentParser(add_help=False, parents=[common])
    place.add_argument("--root", metavar="DIR", help="folder that holds data/ (this one)")
    build = actions.add_parser(
        "build",
        parents=[place],
        help="build the table of a configuration; goes on if it was killed",
    )
    add_config(build)
    build.add_argument(
        "--replace", action="store_true", help="replace a table in its place that is another one"
    )
    build.set_defaults(run=_tables_build)
    listed = actions.add_parser("list", parents=[place], help="all tables, one a line")
    listed.set_defaults(run=_tables_list)
    verify = actions.add_parser("verify", parents=[place], help="check the checksums of tables")
    verify.add_argument("files", nargs="*", metavar="FILE", help="all of data/tables by default")
    verify.set_defaults(run=_tables_verify)
    about = actions.add_parser("info", parents=[common], help="axes, origin and errors of a table")
    about.add_argument("file", metavar="FILE")
    about.set_defaults(run=_tables_info)
    drawn = actions.add_parser(
        "figures", parents=[common], help="where the error of tables is, knots, error against nodes"
    )
    drawn.add_argument("files", nargs="+", metavar="FILE")
    drawn.add_argument(
        "--folder", default="table-figures", metavar="DIR", help="where they go (%(default)s)"
    )
    drawn.set_defaults(run=_tables_figures)


def _tables_build(options: argparse.Namespace) -> None:
    from ..runs.table_config import load_table_config
    from ..runs.tables import run_table

    info = load_table_config(options.config)
    options.results = os.path.join(options.root or ".", "data", "tables", info["sim_id"])
    outcome = run_table(info, options.root, replace=options.replace, progress=True)
    print(outcome.report)
    if not outcome.report.converged:
        print("warning: the table does not reach its tolerance", file=sys.stderr)
    print(f"table   {outcome.path}{'' if outcome.built else '  (was there already)'}")
    print(f"sha256  {outcome.root_hash}")


def _tables_list(options: argparse.Namespace) -> None:
    from ..table.files import describe_file
    from ..table.store import table_files

    _each_file(table_files(options.root), describe_file)


def _tables_verify(options: argparse.Namespace) -> None:
    from ..table.files import verify_file
    from ..table.store import table_files

    def checked(file: str | os.PathLike[str]) -> str:
        verify_file(file)
        return "ok"

    _each_file(options.files or table_files(options.root), checked)


def _each_file(
    files: Iterable[str | os.PathLike[str]], say: Callable[[str | os.PathLike[str]], str]
) -> None:
    """Print a line for each file, damaged ones too; raise the first error when all are done."""
    wrong: list[FormatError] = []
    for file in files:
        try:
            print(f"{file}  {say(file)}")
        except FormatError as error:
            wrong.append(error)
            print(f"{file}  {error.field}: {str(error).split(': ', 2)[-1]}")
    if wrong:
        raise wrong[0]


def _tables_info(options: argparse.Namespace) -> None:
    from ..table.files import info_lines

    for line in info_lines(options.file):
        print(line)


def _tables_figures(options: argparse.Namespace) -> None:
    from ..figures.tables import write_figures
    from ..table.interpolator import Table

    options.results = options.folder
    names = [Path(file).stem for file in options.files]
    for name, file in zip(names, options.files, strict=True):
        if names.count(name) > 1:
            raise ParameterError("FILE", file, "of another name than the other files")
    tables = {name: Table.load(file) for name, file in zip(names, options.files, strict=True)}
    files, missing = write_figures(tables, options.folder)
    for file in files.values():
        print(file)
    for reason in missing:
        print(f"warning: {reason}", file=sys.stderr)
