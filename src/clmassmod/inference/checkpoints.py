"""Checkpoints: numbered files of which the last two are kept, so that one is always whole."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from ..errors import FormatError

Content = TypeVar("Content")

_KEPT = 2
# a checkpoint is due when the work since the last one took this many times as long as writing it
_PATIENCE = 20.0


class Checkpoints(Generic[Content]):
    """The checkpoints of one run.

    Parameters
    ----------
    folder : path
    write : callable
        ``write(path, content)``: a file, whole or not at all.
    read : callable
        ``read(path) -> content``; raises FormatError for a damaged file.
    say : callable
        Is told of a damaged file.
    seconds : float
        At least this long between two.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        write: Callable[[Path, Content], None],
        read: Callable[[Path], Content],
        say: Callable[[str], None],
        seconds: float,
    ) -> None:
        self._folder = Path(folder)
        self._write = write
        self._read = read
        self._say = say
        self._seconds = seconds
        self._saved_at = time.monotonic()
        self._cost = 0.0

    @property
    def files(self) -> list[Path]:
        """Checkpoints that are there, the newest first."""
        return sorted(self._folder.glob("checkpoint-*.h5"), reverse=True)

    def load(self) -> Content | None:
        """Return the newest one that is whole; None if there is no file.

        Raises
        ------
        FormatError
            All that are there are damaged.
        """
        files = self.files
        for file in files:
            try:
                return self._read(file)
            except FormatError as error:
                self._say(f"damaged checkpoint: {error}")
                if file == files[-1]:
                    raise
        return None

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        return time.monotonic() - self._saved_at > max(self._seconds, _PATIENCE * self._cost)

    def save(self, content: Content) -> None:
        """Write the next one; remove those before the last two."""
        started = time.monotonic()
        files = self.files
        number = int(files[0].stem.rpartition("-")[2]) + 1 if files else 1
        self._write(self._folder / f"checkpoint-{number:06d}.h5", content)
        for old in files[_KEPT - 1 :]:
            old.unlink()
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - started

    def remove(self) -> None:
        """Remove all of them."""
        for file in self.files:
            file.unlink()
