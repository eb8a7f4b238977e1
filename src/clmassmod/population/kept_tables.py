"""Tables of a likelihood in a folder: made once, found again by what they depend on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from ..errors import FormatError
from ..provenance import exclusive_file, remove_parts


class Kept(Protocol):
    """What can be written into a file."""

    def save(self, path: str | os.PathLike[str]) -> str: ...


Made = TypeVar("Made", bound=Kept)


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
