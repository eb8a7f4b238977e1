"""Tables of a likelihood in a folder: made once, found again by what they depend on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ..errors import FormatError
from ..provenance import exclusive_file, remove_parts
from ..table.store import Content, content_hash, read_content, write_content


class KeptTable:
    """A table that can be written into a file; classes say what it holds."""

    def _content(self) -> Content:
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the table to an HDF5 file, whole or not at all; return its root hash."""
        return write_content(path, self._content())

    @cached_property
    def root_hash(self) -> str:
        """SHA-256 over everything in the table: that of the file."""
        return content_hash(self._content())


Made = TypeVar("Made", bound=KeptTable)


def read_kept(path: str | os.PathLike[str], kind: str, what: str, identity: str | None) -> Content:
    """Return the content of a file, whose attribute `kind` must be `identity`, if given.

    Raises
    ------
    FormatError
        Damaged, another kind of file (not `what`), or of another identity.
    """
    content = read_content(path)
    found = content.attributes.get(kind)
    if found is None:
        raise FormatError(path, kind, f"not a file of {what}")
    if identity is not None and found != identity:
        problem = f"made for other data or settings ({found[:12]}, not {identity[:12]})"
        raise FormatError(path, kind, problem)
    return content


def table_path(folder: str | os.PathLike[str], kind: str, identity: str) -> Path:
    """Return the file of a table of this kind and identity."""
    return Path(folder) / f"{kind}-{identity[:16]}.h5"


def kept(path: Path, build: Callable[[Path], Made], load: Callable[[Path], Made]) -> Made:
    """Return the table of a file; build and write it if there is none.

    Parameters
    ----------
    path : Path
    build : callable
        Makes the table; its argument is a folder for finished parts, which is removed when the
        file is there.
    load : callable
        Reads the file, and refuses one of another identity.

    Raises
    ------
    FitError
        Another process is at the same table.
    FormatError
        As `load`; the message says to delete the file, which is then made again.
    """
    with exclusive_file(path):
        remove_parts(path)
        parts = path.with_name(f".{path.stem}.parts")
        if path.exists():
            shutil.rmtree(parts, ignore_errors=True)  # of a process killed just before it did
            return _loaded(path, load)
        made = build(parts)
        made.save(path)
        shutil.rmtree(parts, ignore_errors=True)
    return made


def _loaded(path: Path, load: Callable[[Path], Made]) -> Made:
    try:
        return load(path)
    except FormatError as error:
        problem = f"{error.problem}. Delete the file {path.name}: it is made again."
        raise FormatError(path, error.field, problem) from error
