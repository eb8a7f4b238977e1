"""Tables of both kinds to and from files: what they are, their report, and their build."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FormatError
from ..provenance import provenance
from .report import ErrorReport
from .state import NODES, POOL, Build, build_arrays, build_attributes, build_from
from .store import Content, plain, read_content, write_content

if TYPE_CHECKING:
    from .greedy import KernelTable
    from .interpolator import Table

    AnyTable = Table | KernelTable

KINDS = ("grid", "kernel")
ABOUT = "about"
"""Attribute of files that hold no table to interpolate in: one line that says what they do."""
_OF_BUILD = (POOL, NODES)
_VALUES = ("values", "coef")
_OF_LIKELIHOOD = ("nodes", "gamma")


@dataclass(frozen=True)
class StoredBuild:
    """The build of a loaded table, left in its file until it is asked for."""

    path: Path
    root_hash: str

    def read(self) -> Build:
        """Return the build.

        Raises
        ------
        FormatError
            The file is gone, is damaged, or holds another table by now.
        """
        content = read_content(self.path, skip=_VALUES)
        if content.root_hash != self.root_hash:
            raise FormatError(self.path, "file", "has changed since the table was loaded")
        return _build(self.path, content)


def build_of(table: AnyTable) -> Build | None:
    """Return the build of a table, read from its file if it was loaded; None if it has none."""
    kept = table._build
    return kept.read() if isinstance(kept, StoredBuild) else kept


def save_table(
    table: AnyTable, path: str | os.PathLike[str], sim_id: str, version: int | None
) -> str:
    """Write a table, with what an extension needs, whole or not at all; return its root hash."""
    own, build, report = table.to_content(), build_of(table), table.error_report()
    arrays, attributes = dict(own.arrays), dict(own.attributes)
    if build is not None:
        arrays |= build_arrays(build)
        attributes |= build_attributes(build)
    held = 1 if build is None else build.version
    attributes |= {
        "sim_id": sim_id,
        "table_version": held if version is None else int(version),
        "report": None if report is None else plain(report.to_dict()),
        "made_by": {k: v for k, v in provenance().items() if k in ("clmassmod", "commit")},
    }
    return write_content(path, Content(arrays, attributes))


def load_table(path: str | os.PathLike[str], *, mmap: bool, verify: bool) -> AnyTable:
    """Return the table of a file; its build stays there until an extension asks for it."""
    return _table(path, read_content(path, mmap=mmap, verify=verify, skip=_OF_BUILD))


def verify_table(path: str | os.PathLike[str]) -> AnyTable:
    """Return the table of a file of which everything is checked, the build too.

    Raises
    ------
    FormatError
        The first thing that is wrong.
    """
    content = read_content(path)
    table = _table(path, content)
    if content.attributes.get("build") is not None:
        _build(path, content)
    return table


def verify_file(path: str | os.PathLike[str]) -> None:
    """Check everything in a file under ``data/tables``, a table or not.

    Raises
    ------
    FormatError
        The first thing that is wrong.
    """
    if ABOUT not in read_content(path).attributes:
        verify_table(path)


def describe_file(path: str | os.PathLike[str]) -> str:
    """Return one line about what a file holds, without reading its values."""
    content = read_content(path, verify=False, skip=(*_OF_BUILD, *_VALUES, *_OF_LIKELIHOOD))
    given = content.attributes
    if ABOUT in given:
        return str(given[ABOUT])
    if given.get("kind", KINDS[0]) == "kernel":
        what = f"kernel  {given['n_centres']} centres, {' x '.join(given['names'])}"
    else:
        sizes = " x ".join(
            f"{name} {content.arrays[f'axes/{i}_{name}'].size}"
            for i, name in enumerate(given["names"])
        )
        what = f"{given['order']}  {sizes}"
    return f"{what}  version {given['table_version']}"


def file_origin(path: str | os.PathLike[str]) -> tuple[str, ErrorReport]:
    """Return the root hash and the report of the file of a built table, without its values."""
    content = read_content(path, verify=False, skip=(*_OF_BUILD, *_VALUES))
    return content.root_hash, ErrorReport.from_dict(content.attributes["report"])


def info_lines(path: str | os.PathLike[str]) -> list[str]:
    """Return what a file says about its table: axes, origin, checksum, errors."""
    content = read_content(path, skip=_OF_BUILD)
    given = content.attributes
    if ABOUT in given:
        return [str(given[ABOUT]), f"  sha256 {content.root_hash}"]
    table = _table(path, content)
    lines = [str(table)]
    lines += [
        f"  {name:<12} {knots.size:4d} knots from {knots[0]:.6g} to {knots[-1]:.6g}"
        for name, knots in zip(table.names, getattr(table, "axes", ()), strict=False)
    ]
    lines.append(f"  map {'none' if given['map'] is None else given['map']['maps']}"[:200])
    if "function" in given:
        function = given["function"]
        lines.append(f"  function {function['name']} {json.dumps(function['parameters'])}"[:200])
    origin = f"version {given['table_version']}, {given['made_by']}"
    lines += [f"  sim_id {given['sim_id'] or '-'}, {origin}", f"  sha256 {content.root_hash}"]
    if table.error_report() is not None:
        lines.append(str(table.error_report()))
    return lines


def _table(path: str | os.PathLike[str], content: Content) -> AnyTable:
    from .greedy import KernelTable
    from .interpolator import Table

    given = content.attributes
    kind = given.get("kind", KINDS[0])
    if kind not in KINDS:
        raise FormatError(path, "kind", f"{kind!r} is none of {', '.join(KINDS)}")
    try:
        made: AnyTable
        made = (
            KernelTable.from_content(content) if kind == "kernel" else Table.from_content(content)
        )
        if given["report"] is not None:
            made._report = ErrorReport.from_dict(given["report"])
        if given.get("build") is not None:
            made._build = StoredBuild(Path(path).absolute(), content.root_hash)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise FormatError(path, "content", f"no whole table ({error})") from error
    return made


def _build(path: str | os.PathLike[str], content: Content) -> Build:
    try:
        return build_from(content.arrays, content.attributes)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise FormatError(path, "build", f"cannot be extended ({error})") from error
