"""Calls of the function that is tabulated: in blocks, checked, kept in a checkpoint.

A build is a fixed sequence of requests. What a checkpoint holds is the answers so far; a build
that continues runs from its start with these at hand, so it ends with the identical table.
"""

from __future__ import annotations

import json
import math
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, ParameterError
from ..parallel import map_tasks, process_pool
from ..provenance import atomic_path, digest

Array = npt.NDArray[np.float64]
Function = Callable[[Array], Any]

FORMAT_VERSION = 1
# fewest and most points of a call: what a killed build loses is a block, if the function is slow
_SERIAL_BLOCKS = (16, 512)
_PARALLEL_BLOCKS = (1, 8192)
_BLOCKS_PER_BATCH = 64
_PROBE = 8
# a checkpoint is written when the calls since the last one took this many times as long as
# writing it
_PATIENCE = 20.0


@contextmanager
def opened(executor: Executor | int | None) -> Iterator[Executor | None]:
    """Give the executor of a whole build; processes asked for by number are started once."""
    if isinstance(executor, int):
        with process_pool(executor) as pool:
            yield pool
    else:
        yield executor


@dataclass(frozen=True)
class FunctionId:
    """What a function is called, and its parameters: never the function itself."""

    name: str
    """Module and name, or those of the type of a callable object."""
    parameters: str = "{}"
    """JSON: the arguments that a `functools.partial` holds."""

    @classmethod
    def of(cls, function: Any) -> FunctionId:
        """Return the id of a function."""
        if isinstance(function, partial):
            inner = cls.of(function.func)
            held = {**json.loads(inner.parameters), **function.keywords}
            if function.args:
                held["args"] = function.args
            text = json.dumps(held, sort_keys=True, default=_described)
            return cls(inner.name, text)
        return cls(_type_name(function))

    def to_dict(self) -> dict[str, Any]:
        """Return name and parameters, as JSON can hold them."""
        return {"name": self.name, "parameters": json.loads(self.parameters)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> FunctionId:
        """Return the id that `to_dict` wrote."""
        return cls(content["name"], json.dumps(content["parameters"], sort_keys=True))

    def __str__(self) -> str:
        return self.name if self.parameters == "{}" else f"{self.name} {self.parameters}"


def _type_name(function: Any) -> str:
    owner = function if hasattr(function, "__qualname__") else type(function)
    return f"{owner.__module__}.{owner.__qualname__}"


def _described(value: Any) -> Any:
    """Return what JSON can hold in place of a value that it cannot."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return f"array {value.shape} sha256 {digest(value)}"
    return _type_name(value)


def same_values(function: Function, x: Array, values: Array, tolerance: float) -> bool:
    """Whether a function still gives the first of its values (n, K) at points (n, N).

    A function that was edited is another function.
    """
    n = min(_PROBE, len(x))
    # a copy: a function may write into what it is given
    probe = np.asarray(function(x[:n].copy()))
    if probe.dtype.kind not in "iuf" or probe.size != values[:n].size:
        return False
    return np.allclose(probe.reshape(n, -1), values[:n], rtol=1e-9, atol=tolerance)


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

    on_values : callable
        Told how many values there are more, for a progress bar.

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
        on_values: Callable[[int], object] = lambda n: None,
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
        self._on_values = on_values
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
        blocks = self._blocks(x, done)
        started = time.perf_counter()
        for block, raw in zip(
            blocks, map_tasks(self._function, blocks, self._executor), strict=True
        ):
            points = x[done : done + len(block)]
            done += len(block)
            parts.append(self._checked(raw, points))
            self._record(points, parts[-1])
            self.n_calls += len(block)
            now = time.perf_counter()
            self._unsaved += now - started
            if self._unsaved > _PATIENCE * self._save_cost:
                self.save()
            started = time.perf_counter()
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

    def _blocks(self, x: Array, done: int) -> list[Array]:
        """Return the points of a request that are left, in blocks.

        Their size is that of the whole request, so that a build that continues calls the
        function with the same blocks.
        """
        least, most = _SERIAL_BLOCKS if self._executor is None else _PARALLEL_BLOCKS
        size = min(max(math.ceil(len(x) / _BLOCKS_PER_BATCH), least), most)
        # copies: a function may write into what it is given
        return [x[i : i + size].copy() for i in range(done, len(x), size)]

    def _record(self, x: Array, values: Array) -> None:
        if not len(x):
            return
        self.n_values += len(x)
        self._on_values(len(x))
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
        if not same_values(self._function, points, values, tolerance):
            raise ParameterError("checkpoint", str(path), "of the same function", advice)
        self.n_outputs = int(outputs)
        self._kept = points, values
        self._saved = len(points)
