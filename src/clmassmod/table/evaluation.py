"""Calls of the function that is tabulated: in blocks, checked, kept in a checkpoint.

A build is a fixed sequence of requests. What a checkpoint holds is the answers so far; a build
that continues runs from its start with these at hand, so it ends with the identical table.
"""

from __future__ import annotations

import math
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, ParameterError
from ..parallel import map_tasks
from ..provenance import atomic_path, digest

Array = npt.NDArray[np.float64]
Function = Callable[[Array], Any]

FORMAT_VERSION = 1
_SERIAL_BLOCK = 8192
_BLOCKS_PER_BATCH = 64
_PROBE = 8
# a checkpoint is written when the calls since the last one took this many times as long as
# writing it
_PATIENCE = 20.0


@contextmanager
def opened(executor: Executor | int | None) -> Iterator[Executor | None]:
    """Give the executor of a whole build; processes asked for by number are started once."""
    if isinstance(executor, bool) or (isinstance(executor, int) and executor < 1):
        allowed = "None, a number of processes >= 1 or an Executor"
        raise ParameterError("executor", executor, allowed)
    if isinstance(executor, int):
        with ProcessPoolExecutor(executor, mp_context=get_context("spawn")) as pool:
            yield pool
    else:
        yield executor


def function_name(function: Any) -> str:
    """Return module and name of a function, or of the type of a callable object."""
    owner = function if hasattr(function, "__qualname__") else type(function)
    return f"{owner.__module__}.{owner.__qualname__}"


class Evaluator:
    """Values of a function at points, in order of request.

    Parameters
    ----------
    function : callable
        ``function(x (n, N)) -> (n,) or (n, K)``, of each point by itself.
    names : sequence of N str
        For errors.
    executor : Executor or None
    checkpoint : path, optional
        File the values are kept in, and read from if it is there.
    identity : str
        Digest of the arguments of the build: another build's checkpoint is refused.
    tolerance : float
        By how much a value kept may differ from the function's.

    Raises
    ------
    ParameterError
        A checkpoint of another build, or of a function that has changed.
    FormatError
        A file that is not a checkpoint, or is damaged.
    """

    def __init__(
        self,
        function: Function,
        names: Sequence[str],
        executor: Executor | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        identity: str = "",
        tolerance: float = 0.0,
    ) -> None:
        self.names = tuple(names)
        self.n_values = 0
        """Values given so far, whether computed here or kept."""
        self.n_calls = 0
        """Points at which the function was called here."""
        self.n_outputs: int | None = None
        """K; 0 for a function without an axis of outputs."""
        self._function = function
        self._executor = executor
        self._checkpoint = None if checkpoint is None else Path(checkpoint)
        self._identity = identity
        self._points: list[Array] = []
        self._values: list[Array] = []
        self._kept = (np.empty((0, len(self.names))), np.empty((0, 1)))
        self._unsaved = 0.0
        self._save_cost = 0.0
        self._saved = 0
        if self._checkpoint is not None and self._checkpoint.exists():
            self._load(self._checkpoint, tolerance)

    def __call__(self, x: Array) -> Array:
        """Return values (n, max(K, 1)) at points (n, N).

        Raises
        ------
        ParameterError
            A value that is not finite (the point is named), or values of a wrong shape.
        """
        parts = [self._take(x)]
        done = len(parts[0])
        self._record(x[:done], parts[0])
        blocks = self._blocks(x[done:])
        started = time.perf_counter()
        try:
            for block, raw in zip(
                blocks, map_tasks(self._function, blocks, self._executor), strict=True
            ):
                parts.append(self._checked(raw, block))
                self._record(block, parts[-1])
                self.n_calls += len(block)
                now = time.perf_counter()
                self._unsaved += now - started
                if self._unsaved > _PATIENCE * self._save_cost:
                    self.save()
                started = time.perf_counter()
        except BaseException:
            self.save()
            raise
        width = max(self.n_outputs or 0, 1)
        return np.concatenate([part.reshape(-1, width) for part in parts])

    def save(self) -> None:
        """Write the checkpoint, if there is one and anything to add."""
        if self._checkpoint is None or self.n_values <= self._saved:
            return
        started = time.perf_counter()
        points, values = np.concatenate(self._points), np.concatenate(self._values)
        outputs = np.array(self.n_outputs)
        check = digest(self._identity, points, values, outputs)
        with atomic_path(self._checkpoint) as path, open(path, "wb") as file:
            np.savez(
                file,
                version=FORMAT_VERSION,
                identity=self._identity,
                points=points,
                values=values,
                outputs=outputs,
                check=check,
            )
        self._points, self._values = [points], [values]
        self._saved = self.n_values
        self._save_cost = time.perf_counter() - started
        self._unsaved = 0.0

    def _blocks(self, x: Array) -> list[Array]:
        size = _SERIAL_BLOCK
        if self._executor is not None:
            size = min(max(math.ceil(len(x) / _BLOCKS_PER_BATCH), 1), size)
        return [x[i : i + size] for i in range(0, len(x), size)]

    def _record(self, x: Array, values: Array) -> None:
        if not len(x):
            return
        self.n_values += len(x)
        if self._checkpoint is not None:
            self._points.append(x)
            self._values.append(values)

    def _take(self, x: Array) -> Array:
        """Return the values kept for the first points of a request."""
        points, values = self._kept
        n = min(len(points), len(x))
        if not np.array_equal(points[:n], x[:n]):
            raise ParameterError(
                "checkpoint",
                str(self._checkpoint),
                "of this build: it holds other points",
                "Remove the file to start anew.",
            )
        self._kept = points[n:], values[n:]
        return values[:n]

    def _checked(self, raw: Any, x: Array) -> Array:
        values = np.asarray(raw)
        n = len(x)
        if values.dtype.kind not in "iuf":
            raise ParameterError("func(x)", f"array of {values.dtype}", "made of real numbers")
        if values.ndim not in (1, 2) or values.shape[0] != n or values.size == 0:
            raise ParameterError("func(x).shape", values.shape, f"({n},) or ({n}, K)")
        outputs = 0 if values.ndim == 1 else values.shape[1]
        if self.n_outputs is None:
            self.n_outputs = outputs
        if outputs != self.n_outputs:
            raise ParameterError("func(x).shape", values.shape, "of the same K in every call")
        values = np.array(values, dtype=np.float64).reshape(n, -1)
        good = np.isfinite(values).all(axis=1)
        if not good.all():
            at = int(np.argmin(good))
            point = ", ".join(
                f"{name}={value:.10g}" for name, value in zip(self.names, x[at], strict=True)
            )
            bad = values[at][~np.isfinite(values[at])][0]
            hint = "Choose a box (or a map) inside which the function has a value everywhere."
            raise ParameterError(f"func({point})", float(bad), "finite", hint)
        return values

    def _load(self, path: Path, tolerance: float) -> None:
        try:
            # numpy leaves a file that it opened itself open when it is not an archive
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
                content = {name: file[name] for name in file.files}
            version, identity = int(content["version"]), str(content["identity"])
            points, values = content["points"], content["values"]
            outputs, check = content["outputs"], str(content["check"])
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise FormatError(path, "checkpoint", f"is not one, or damaged: {error}") from error
        if version > FORMAT_VERSION:
            raise FormatError(path, "version", f"{version} is newer than {FORMAT_VERSION}")
        if digest(identity, points, values, outputs) != check:
            raise FormatError(path, "check", "does not match the content: the file is damaged")
        advice = "Remove the file to start anew, or give another path."
        if identity != self._identity:
            raise ParameterError(
                "checkpoint", str(path), "of a build with the same arguments", advice
            )
        n = min(_PROBE, len(points))
        # the first points again: a function that was edited is another function
        probe = self._checked(self._function(points[:n]), points[:n])
        if int(outputs) != self.n_outputs or not np.allclose(
            probe, values[:n], rtol=1e-9, atol=tolerance
        ):
            raise ParameterError("checkpoint", str(path), "of the same function", advice)
        self._kept = points, values
        self._saved = len(points)
