"""The program behind ``clmassmod tables build``: the table of a configuration, in its place."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import ConfigError, FormatError, ParameterError, nearest
from ..provenance import exclusive_file, remove_parts
from ..table.builder import prepared, run
from ..table.evaluation import Function
from ..table.files import build_of, file_origin, verify_table
from ..table.interpolator import Table
from ..table.maps import RatioMap
from ..table.report import AccuracyWarning, ErrorReport
from ..table.state import Build
from ..table.store import table_folder
from .table_config import TableInfo


@dataclass(frozen=True)
class TableOutcome:
    """What `run_table` leaves behind.

    Attributes
    ----------
    path : str
        ``<root>/data/tables/<sim_id>/<name>.h5``
    root_hash : str
        Of the file.
    report : ErrorReport
    built : bool
        False if the same table was there already.
    """

    path: str
    root_hash: str
    report: ErrorReport
    built: bool


def run_table(
    table_info: Mapping[str, Any],
    root: str | os.PathLike[str] | None = None,
    *,
    replace: bool = False,
    progress: bool = False,
) -> TableOutcome:
    """Build the table of a configuration and write it under ``data/tables``.

    What is evaluated is kept beside the file until it is written: a build that was killed
    goes on when it is run again, and ends with the identical file. Where the same table is
    there already, nothing is done.

    Parameters
    ----------
    table_info : TableInfo or mapping
        The configuration; see `describe_table_config`. The module of the function may also
        lie in the folder of its file.
    root : path, optional
        Folder that holds ``data``; the current one by default.
    replace : bool
        Whether a table that is not this one may be replaced.
    progress : bool
        Show a progress bar.

    Returns
    -------
    TableOutcome
        Also of a table that does not reach its tolerance: its report says so.

    Raises
    ------
    ConfigError
        A wrong configuration, or another table in its place.
    ParameterError
        A value of the function that is not finite, or a checkpoint of other arguments.
    FormatError
        A damaged checkpoint, or a damaged file in its place.
    FitError
        Another process is building the same table.
    """
    info = TableInfo.from_dict(table_info)
    with _folder_of_modules(info.folder):
        with _errors_named(info):
            start = _prepared(info)
            target = table_folder(info["sim_id"], root) / f"{_file_name(info['name'])}.h5"
        checkpoint = target.with_name(f".{target.name}.checkpoint.npz")
        with exclusive_file(target):
            for file in (target, checkpoint):
                remove_parts(file)
            built = _is_wanted(target, start, replace=replace)
            if built:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", AccuracyWarning)  # the report says it
                    table = run(start, info["n_processes"], checkpoint, progress)
                table.save(target, sim_id=info["sim_id"])
            checkpoint.unlink(missing_ok=True)
            root_hash, report = file_origin(target)
    return TableOutcome(str(target), root_hash, report, built)


def _prepared(info: TableInfo) -> Build:
    return prepared(
        load_function(info),
        info["box"],
        info["tol"],
        names=info["names"],
        method=info["method"],
        pool=info["pool"],
        seed=info["seed"],
        map={axis: _map(axis, one, info) for axis, one in info["map"].items()},
        max_nodes=info["max_nodes"],
        order=info["order"],
        version=info["version"],
    )


def _is_wanted(target: Path, start: Build, *, replace: bool) -> bool:
    """Whether a table is to be built: not if it is there; another in its place may be refused."""
    if not target.exists():
        return True
    difference = _difference(target, start)
    if difference and not replace:
        raise ConfigError(
            f"{target} is there and is not this table: {difference}. Give another name, or allow "
            "to replace it (--replace)"
        )
    return bool(difference)


def _difference(file: Path, start: Build) -> str:
    """Return why the table of a file is not the one of a build, "" if it is."""
    try:
        held = build_of(verify_table(file))
        if held is None or held.identity != start.identity:
            return "it was made with other arguments"
        held.with_function(start.function, renamed=False)
    except (FormatError, ParameterError) as error:
        return str(error).rstrip(".")
    return ""


def _file_name(name: str) -> str:
    if Path(name).name != name or name.startswith("."):
        raise ParameterError("name", name, "the name of a file, without '/'")
    return name


def _map(axis: str, given: Any, info: TableInfo) -> Any:
    if isinstance(given, str):
        return given
    scale = Table.load(info.path(given["table"]))
    return RatioMap(axis, scale, given["power"], log_scale=given["log_scale"])


# -- the function ----------------------------------------------------------------------------------


def load_function(info: TableInfo) -> Function:
    """Return the function a configuration names, with its arguments.

    Raises
    ------
    ConfigError
        No such module, no such name in it, nothing that can be called, or arguments that it
        does not take.
    """
    where, text = info.file or "configuration", info["function"]
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        raise ConfigError(f"{where}: function = {text!r}: it must be 'package.module:name'")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # a module of the user's may raise anything
        kind = type(error).__name__
        raise ConfigError(
            f"{where}: module {module!r} cannot be imported: {kind}: {error}"
        ) from error
    if not hasattr(found, name):
        hint = nearest(name, vars(found))
        raise ConfigError(f"{where}: module {module!r} has no {name!r}. {hint}".rstrip())
    function = getattr(found, name)
    arguments = info["arguments"]
    try:
        inspect.signature(function).bind(None, **arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{where}: {text} cannot be called as (x, **arguments): {error}"
        ) from error
    return partial(function, **arguments) if arguments else function


@contextmanager
def _folder_of_modules(folder: str | None) -> Iterator[None]:
    """Let modules be found in a folder too, after all others; processes that start inherit it."""
    place = os.path.abspath(folder or ".")
    sys.path.append(place)
    try:
        yield
    finally:
        sys.path.remove(place)


@contextmanager
def _errors_named(info: TableInfo) -> Iterator[None]:
    """Turn errors of arguments into those of the configuration they come from."""
    try:
        yield
    except ParameterError as error:
        raise ConfigError(f"{info.file or 'configuration'}: {error}") from error
