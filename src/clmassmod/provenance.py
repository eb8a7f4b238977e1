"""Where a result comes from: versions, commit, time; and files that are whole or absent."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .errors import FitError, ParameterError

DIRTY = "+dirty"
"""Behind a commit: sources were changed since."""


def provenance() -> dict[str, str]:
    """Return version, commit, Python, numpy and the time (UTC) as strings.

    The commit is that of the build; of sources used in place, in a checkout, it is that of the
    checkout, with ``+dirty`` behind it if some of them were changed since.
    """
    from ._core.info import build_info

    info = build_info()
    return {
        "clmassmod": info["version"],
        "commit": commit_in(Path(__file__).resolve().parents[2]) or info["commit"],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


@cache
def commit_in(checkout: Path) -> str:
    """Return the commit of the sources in a git checkout; "" if it is none, or without git."""
    if not (checkout / ".git").exists():
        return ""
    try:
        head = _git(checkout, "rev-parse", "--short=12", "HEAD")
        changed = _git(checkout, "status", "--porcelain", "--untracked-files=no", "--", "src")
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{head}{DIRTY}" if changed else head


def _git(checkout: Path, *arguments: str) -> str:
    # without locks: others may be at work in the checkout
    command = ["git", "--no-optional-locks", "-C", str(checkout), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20.0, check=True)
    return done.stdout.strip()


def digest(*parts: Any) -> str:
    """Return the sha256 of arrays and of the text of anything else, as hexadecimal."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(str(part.shape).encode() + np.ascontiguousarray(part).tobytes())
        else:
            total.update(repr(part).encode())
        total.update(b"\0")
    return total.hexdigest()


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path; on success it is flushed to disk and renamed to `path`.

    A failure leaves an existing `path` as it was and removes the temporary file.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.part"
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def remove_parts(path: str | os.PathLike[str]) -> None:
    """Remove what writers of `path` left that were killed; no other may be writing it now."""
    target = Path(path)
    name = re.compile(rf"\.{re.escape(target.name)}\.\d+\.[0-9a-f]{{8}}\.part")
    for part in target.parent.glob(".*.part"):
        if name.fullmatch(part.name):
            part.unlink()


def remove_all_parts(folder: str | os.PathLike[str]) -> None:
    """Remove what killed writers left in a folder that this process holds."""
    for part in Path(folder).glob(".*.part"):
        part.unlink()


def folder_name(argument: str, name: str) -> str:
    """Return `name`, which must be the name of one folder that is not hidden."""
    if not name or Path(name).name != name or name.startswith("."):
        raise ParameterError(argument, name, "the name of a folder, without '/'")
    return name


def exclusive_folder(folder: str | os.PathLike[str]) -> AbstractContextManager[None]:
    """Hold `folder` for this process; a second one is refused with a `FitError`.

    The lock is the operating system's: it goes with the process, however that ends.
    """
    path = Path(folder)
    return _locked(path / ".lock", path, "wait for it, or save to another folder")


def exclusive_file(file: str | os.PathLike[str]) -> AbstractContextManager[None]:
    """Hold `file`, which need not be there yet, as `exclusive_folder` holds a folder."""
    path = Path(file)
    return _locked(path.with_name(f".{path.name}.lock"), path, "wait for it")


@contextmanager
def _locked(lock_file: Path, path: Path, advice: str) -> Iterator[None]:
    import fcntl

    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = open(lock_file, "w")  # noqa: SIM115 - closed by the with below
    except OSError as error:
        reason = f"{lock_file.parent} cannot be used as a folder of results: {error}"
        raise FitError(reason) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FitError(f"{path} is in use by another process; {advice}") from None
        yield
