"""Which files a location means, and the objects in them."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from ..errors import FormatError, ParameterError

PathLike = str | os.PathLike[str]
Observed = TypeVar("Observed")


def expand_location(location: PathLike | Sequence[PathLike]) -> tuple[list[tuple[str, str]], bool]:
    """Return (path, id or "") of every file of `location`, and whether it is a list.

    Raises
    ------
    FormatError
        If a glob or a pattern with ``{id}`` matches no file, or a list is empty.
    """
    if not isinstance(location, str | os.PathLike):
        files = [(os.fspath(path), "") for path in location]
        if not files:
            raise ParameterError("location", location, "a path, or a list that is not empty")
        return files, True
    text = os.fspath(location)
    if "{id}" in text:
        found = _by_pattern(text)
    elif any(character in text for character in "*?[") and not Path(text).exists():
        found = [(path, "") for path in sorted(glob.glob(text, recursive=True))]
    else:
        return [(text, "")], False
    if not found:
        raise FormatError(text, "location", "no file matches")
    return found, True


def _by_pattern(text: str) -> list[tuple[str, str]]:
    first, *others = text.split("{id}")
    expression = _as_regex(first) + r"(?P<id>[^/\\]+)" + r"(?P=id)".join(map(_as_regex, others))
    found = []
    for path in sorted(glob.glob(text.replace("{id}", "*"), recursive=True)):
        match = re.fullmatch(expression, path)
        if match:
            found.append((path, match["id"]))
    return found


def _as_regex(piece: str) -> str:
    return re.escape(piece).replace(r"\*", r"[^/\\]*").replace(r"\?", r"[^/\\]")


def load_located(
    location: PathLike | Sequence[PathLike],
    read: Callable[[str, Mapping[str, str]], Sequence[Observed]],
    ids: str | Sequence[str] | None,
) -> Observed | list[Observed]:
    """Return the objects of the files of `location`, a list of them or the only one.

    Parameters
    ----------
    location : path or sequence of paths
        As of `load_gamma_theta`.
    read : callable
        Objects of one file, given its path and ``{"id": name}`` where one is known.
    ids : str or sequence of str, optional
        Name of the object of each file.
    """
    files, several = expand_location(location)
    if ids is not None:
        names = [ids] if isinstance(ids, str) else [str(name) for name in ids]
        if len(names) != len(files):
            raise ParameterError("id", ids, f"one id for each of {len(files)} files")
        files = [(path, name) for (path, _), name in zip(files, names, strict=True)]
    objects: list[Observed] = []
    for path, name in files:
        objects.extend(read(path, {"id": name} if name else {}))
    return objects if several or len(objects) > 1 else objects[0]
