"""What a build reached: errors at points it did not use, nodes, history, where it is worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import AccuracyWarning as AccuracyWarning  # under its first name too

Array = npt.NDArray[np.float64]

REASONS = {
    "tolerance": "the tolerance is reached at the stop points",
    "nodes": "the largest number of nodes is reached",
    "memory": "the largest memory is reached",
    "stalled": "more nodes gain too little: the function has a kink across the cells, or noise",
    "pool": "no more points of the sample, or centres, to add",
}
P999_FACTOR = 5.0
"""The build ends when p99 <= tol and p99.9 <= this times tol."""
_N_WORST = 10
_WORST_SHARE = 0.01
_LEAST_WORST = 20
# thinner than this part of the box, the worst points lie in a plane
_THIN = 0.25


@dataclass(frozen=True)
class SplitErrors:
    """Quantiles of |table - function|, the largest over the outputs, at n points."""

    n: int
    p50: float
    p90: float
    p99: float
    p99_9: float
    max: float

    @classmethod
    def of(cls, errors: Array) -> SplitErrors:
        """Return the quantiles of errors (n,)."""
        p = np.quantile(errors, [0.5, 0.9, 0.99, 0.999, 1.0]).tolist()
        return cls(errors.size, *p)

    def over(self, tol: float) -> float:
        """Return p99 over `tol` or p99.9 over 5 `tol`, whichever is larger: 1 is enough."""
        return max(self.p99, self.p99_9 / P999_FACTOR) / tol


@dataclass(frozen=True)
class Step:
    """One step of a build."""

    n_nodes: int
    shape: tuple[int, ...]
    refined: tuple[str, ...]
    """The axes that were given knots."""
    drive_p99: float
    drive_p99_9: float
    stop_p99: float
    stop_p99_9: float


@dataclass(frozen=True)
class WorstPoint:
    """A point where the error is among the largest."""

    split: str
    error: float
    x: tuple[float, ...]


@dataclass(frozen=True)
class Slab:
    """The interval of an axis with the largest share of the summed squared error."""

    axis: str
    low: float
    high: float
    """In the coordinate u of the grid, x itself without a map."""
    share: float
    width: float
    """As a part of the axis."""


@dataclass(frozen=True)
class Concentration:
    """Where the worst hundredth of the points lies, in parts of the box (0 to 1) in u."""

    ranges: tuple[tuple[float, float], ...]
    """5 and 95 per cent of each axis."""
    normal: tuple[float, ...]
    """Unit vector along which these points spread least."""
    offset: float
    """They lie near ``normal . u = offset``."""
    thickness: float
    """Full width along the normal, as a uniform spread would have; 1 is the whole box."""


@dataclass(frozen=True)
class ErrorReport:
    """Report of a build.

    Errors are absolute, in the unit of the outputs, at points uniform in the coordinate u of
    the grid. Those of `final` were never looked at during the build: they are the errors to
    quote. `stop` ended the build, `drive` chose the knots, so both are a little too small.
    """

    method: str
    order: str
    tol: float
    converged: bool
    reason: str
    """A key of `REASONS`."""
    names: tuple[str, ...]
    shape: tuple[int, ...]
    n_nodes: int
    n_evaluations: int
    """Points at which the function was evaluated: the pool, the nodes and trial nodes."""
    table_version: int
    drive: SplitErrors
    stop: SplitErrors
    final: SplitErrors
    final_p99_of_outputs: tuple[float, ...]
    history: tuple[Step, ...]
    worst: tuple[WorstPoint, ...]
    slabs: tuple[Slab, ...]
    concentration: Concentration

    @property
    def message(self) -> str:
        """Why the build ended and, if short of the tolerance, where the error is."""
        text = f"{REASONS[self.reason]}; final p99 {self.final.p99:.3g}, tol {self.tol:.3g}"
        return text if self.converged else f"{text}; {self.where}"

    @property
    def where(self) -> str:
        """Where the error is largest, in words."""
        slab = max(self.slabs, key=lambda one: one.share / one.width, default=None)
        place = self.concentration
        text = ""
        if slab is not None:
            text = (
                f"concentrated for {slab.axis} within {slab.low:.4g} and {slab.high:.4g} "
                f"({100.0 * slab.share:.0f} % of the summed square); "
            )
        spans = ", ".join(
            f"{name} {low:.2f} to {high:.2f}"
            for name, (low, high) in zip(self.names, place.ranges, strict=True)
        )
        text += f"worst points, in parts of the box: {spans}"
        if place.thickness < _THIN:
            terms = " ".join(
                f"{factor:+.2f} {name}"
                for name, factor in zip(self.names, place.normal, strict=True)
                if abs(factor) >= 0.05
            )
            text += f", near the plane {terms} = {place.offset:.3f}"
        return text

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.shape))
        lines = [
            f"{self.method} table, version {self.table_version}: {self.n_nodes} nodes ({shape}), "
            f"{self.n_evaluations} evaluations",
            self.message,
            "        points       p50       p90       p99     p99.9       max",
        ]
        for name in ("drive", "stop", "final"):
            e: SplitErrors = getattr(self, name)
            numbers = "".join(f"{v:10.2e}" for v in (e.p50, e.p90, e.p99, e.p99_9, e.max))
            lines.append(f"{name:6s}{e.n:8d}{numbers}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ErrorReport:
        """Return the report that `to_dict` wrote, also after a way through JSON."""
        made = {field.name: _tuples(content[field.name]) for field in fields(cls)}
        for name in ("drive", "stop", "final"):
            made[name] = SplitErrors(**content[name])
        for name, kind in (("history", Step), ("worst", WorstPoint), ("slabs", Slab)):
            made[name] = tuple(_made(kind, one) for one in content[name])
        made["concentration"] = _made(Concentration, content["concentration"])
        return cls(**made)


def _made(kind: Any, content: Mapping[str, Any]) -> Any:
    return kind(**{name: _tuples(value) for name, value in content.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list | tuple) else value


def slab_energies(axes: Sequence[Array], u: Array, squared: Array) -> list[Array]:
    """Return, for each axis, the summed squared error of points (n, N) in each interval."""
    result = []
    for i, knots in enumerate(axes):
        at = np.clip(np.searchsorted(knots, u[:, i], side="right") - 1, 0, knots.size - 2)
        result.append(np.bincount(at, squared, knots.size - 1).astype(np.float64))
    return result


def worst_slabs(
    names: Sequence[str], axes: Sequence[Array], energies: Sequence[Array]
) -> tuple[Slab, ...]:
    """Return the interval with the largest share of each axis."""
    slabs = []
    for name, knots, energy in zip(names, axes, energies, strict=True):
        at = int(np.argmax(energy))
        total = float(energy.sum())
        share = float(energy[at]) / total if total > 0.0 else 0.0
        low, high = float(knots[at]), float(knots[at + 1])
        slabs.append(Slab(name, low, high, share, (high - low) / float(knots[-1] - knots[0])))
    return tuple(slabs)


def concentration(unit: Array, errors: Array) -> Concentration:
    """Return where the worst points (n, N), in parts of the box, lie."""
    n = min(max(_LEAST_WORST, int(_WORST_SHARE * errors.size)), errors.size)
    points = unit[np.argsort(-errors, kind="stable")[:n]]
    ranges = np.quantile(points, [0.05, 0.95], axis=0).T
    centre = points.mean(axis=0)
    covariance = (points - centre).T @ (points - centre) / n
    widths, directions = np.linalg.eigh(covariance)
    normal = directions[:, 0]
    # the largest component is > 0: a plane has two normals
    normal = normal * np.sign(normal[np.argmax(np.abs(normal))])
    return Concentration(
        tuple((float(low), float(high)) for low, high in ranges),
        tuple(normal.tolist()),
        float(normal @ centre),
        float(np.sqrt(12.0 * max(widths[0], 0.0))),
    )


def worst_points(splits: Mapping[str, tuple[Array, Array]]) -> tuple[WorstPoint, ...]:
    """Return the worst points of splits name -> (x (n, N), errors (n,)), worst first."""
    found = [
        WorstPoint(name, float(errors[i]), tuple(x[i].tolist()))
        for name, (x, errors) in splits.items()
        for i in np.argsort(-errors, kind="stable")[:_N_WORST]
    ]
    return tuple(sorted(found, key=lambda one: -one.error)[:_N_WORST])
