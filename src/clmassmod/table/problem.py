"""What every method of a build works with: the function, its pool, and errors at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .evaluation import Evaluator
from .interpolator import Table
from .maps import CoordinateMap
from .pool import Pool
from .report import SplitErrors, Step

Array = npt.NDArray[np.float64]
Interpolant = Callable[[Array], Any]


@dataclass
class Problem:
    """A function over a box in u, sampled at a pool."""

    evaluator: Evaluator
    coordinate_map: CoordinateMap
    names: tuple[str, ...]
    box: Array
    """(N, 2), in u."""
    tol: float
    order: str
    max_nodes: int
    pool: Pool
    values: Array
    """(n, K) at the pool."""
    seed: int
    on_step: Callable[[Step], None] = lambda step: None
    history: list[Step] = field(default_factory=list)
    reason: str = ""
    """Why the method ended: a key of `report.REASONS`."""

    def __post_init__(self) -> None:
        self._splits = {}
        for name in ("drive", "stop"):
            rows = self.pool.rows(name)
            self._splits[name] = self.pool.u[rows], self.values[rows]

    @property
    def n_axes(self) -> int:
        """N."""
        return len(self.names)

    @property
    def has_outputs(self) -> bool:
        """Whether the function gives (n, K)."""
        return bool(self.evaluator.n_outputs)

    def points(self, split: str) -> tuple[Array, Array]:
        """Return u (n, N) and values (n, K) of the drive or stop points."""
        return self._splits[split]

    def release(self, split: str) -> tuple[Array, Array]:
        """Return u and values of any split: for the report of a finished table only."""
        rows = self.pool.rows(split)
        return self.pool.u[rows], self.values[rows]

    def function_of_u(self, u: Array) -> Array:
        """Return values (n, K) at points u (n, N)."""
        return self.evaluator(self.coordinate_map.inverse(u, self.box))

    def table(self, axes: Sequence[Array], values: Array) -> Table:
        """Return the table in u of values (n_1, ..., n_N, K)."""
        grid = values if self.has_outputs else values[..., 0]
        return Table.from_grid(axes, grid, names=self.names, order=self.order)

    def residuals(self, interpolant: Interpolant, u: Array, values: Array) -> Array:
        """Return interpolant minus function, (n, K)."""
        return np.asarray(np.asarray(interpolant(u)).reshape(values.shape) - values)

    def errors(self, interpolant: Interpolant, split: str) -> Array:
        """Return errors (n,) of drive or stop points, the largest over the outputs."""
        u, values = self.points(split)
        return largest(self.residuals(interpolant, u, values))

    def record(
        self,
        interpolant: Interpolant,
        n_nodes: int,
        shape: Sequence[int],
        refined: Sequence[str],
        drive_errors: Array | None = None,
    ) -> bool:
        """Add a step to the history; return whether the tolerance is reached."""
        if drive_errors is None:
            drive_errors = self.errors(interpolant, "drive")
        stop_errors = self.errors(interpolant, "stop")
        return self.record_errors(drive_errors, stop_errors, n_nodes, shape, refined)

    def record_errors(
        self,
        drive_errors: Array,
        stop_errors: Array,
        n_nodes: int,
        shape: Sequence[int],
        refined: Sequence[str],
    ) -> bool:
        """Add a step of known errors to the history; return whether they are small enough."""
        drive, stop = SplitErrors.of(drive_errors), SplitErrors.of(stop_errors)
        step = Step(
            n_nodes,
            tuple(shape),
            tuple(refined),
            drive.p99,
            drive.p99_9,
            stop.p99,
            stop.p99_9,
        )
        self.history.append(step)
        self.on_step(step)
        return stop.over(self.tol) <= 1.0


def scaled_squares(residuals: Array) -> tuple[float, Array]:
    """Return the largest size of residuals (n, K), and their summed squares (n,) in units of it.

    Squares of errors of 1e-200 or 1e200 are not numbers.
    """
    scale = float(np.abs(residuals).max(initial=0.0))
    unit = scale if scale > 0.0 else 1.0
    return scale, np.asarray(((residuals / unit) ** 2).sum(axis=1))


def largest(residuals: Array) -> Array:
    """Return the largest size over the outputs, (n,), of residuals (n, K)."""
    return np.asarray(np.abs(residuals).max(axis=1))
