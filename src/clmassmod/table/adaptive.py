"""Selection of knots: halve the slabs that hold the error, on the axis that gains most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .interpolator import Table
from .nodes import MOST_BYTES, NodeStore, Ticks, halved
from .problem import Problem, largest, scaled_squares
from .report import P999_FACTOR, Step, slab_energies

Array = npt.NDArray[np.float64]

# the slabs halved in one step hold this part of the summed squared error
_PART = 0.5
# axes refined together with the best one gain at least this part of what it gains
_TOGETHER = 0.7
# a step that gains less is not taken before looking at knots halved more often
_WORTH = 0.1
_DEPTHS = 3
# error lost when the number of nodes grows by 2^N, one halving of every slab: 16 for a smooth
# function with cubics and 4 with lines, 2 at a kink; the least that is taken for smooth
_LEAST_GAIN = {"cubic": 5.6, "linear": 2.8}

_TINY = float(np.finfo(np.float64).tiny)


class Fit(NamedTuple):
    """A grid of knots, its table in u, and what is left at the drive points."""

    knots: tuple[Ticks, ...]
    table: Table
    residuals: Array
    n_nodes: int

    @property
    def size(self) -> float:
        """Root of the summed squared residual."""
        scale, squares = scaled_squares(self.residuals)
        return scale * math.sqrt(float(squares.sum()))


def refine(problem: Problem, store: NodeStore, knots: Sequence[Ticks]) -> Fit:
    """Add knots until the tolerance, a limit or a stall; `problem.reason` tells which."""
    fit = _fit(problem, store, knots)
    refined: tuple[int, ...] = ()
    while True:
        names = [problem.names[i] for i in refined]
        errors = largest(fit.residuals)
        if problem.record(fit.table, fit.n_nodes, fit.table.shape, names, errors):
            problem.reason = "tolerance"
        elif stalled(problem.history, problem.n_axes, problem):
            problem.reason = "stalled"
        if problem.reason:
            return fit
        best, refined = _best_step(problem, store, fit)
        if best is None:
            return fit
        fit = best


def _best_step(problem: Problem, store: NodeStore, fit: Fit) -> tuple[Fit | None, tuple[int, ...]]:
    """Return the next fit and the axes it refines; None, with the reason set, at a limit."""
    u, _ = problem.points("drive")
    _, squared = scaled_squares(fit.residuals)
    finer = fit.knots
    fallback: tuple[Fit, tuple[int, ...]] | None = None
    # a knot on a kink, or knots at the zeros of a wave, gain nothing at first: look further
    for _ in range(_DEPTHS):
        energies = slab_energies(store.axes(finer), u, squared)
        finer = tuple(_halve_worst(t, e) for t, e in zip(finer, energies, strict=True))
        found = _best_axes(problem, store, fit, finer)
        if found is None:
            break
        gain, best, axes = found
        if gain >= _WORTH:
            return best, axes
        if fallback is None:
            every = tuple(range(problem.n_axes))
            if not _limit(problem, store, _with(fit, finer, every)):
                fallback = _fit(problem, store, _with(fit, finer, every)), every
            else:
                fallback = best, axes
    if fallback is not None:
        return fallback
    problem.reason = min(
        _limit(problem, store, _with(fit, finer, (i,))) for i in range(problem.n_axes)
    )
    return None, ()


def _best_axes(
    problem: Problem, store: NodeStore, fit: Fit, finer: tuple[Ticks, ...]
) -> tuple[float, Fit, tuple[int, ...]] | None:
    """Return the best gain of finer knots on one axis or several; None beyond the limits."""
    trials = []
    for i in range(problem.n_axes):
        knots = _with(fit, finer, (i,))
        if not _limit(problem, store, knots):
            trial = _fit(problem, store, knots)
            trials.append((_gain(fit, trial), i, trial))
    if not trials:
        return None
    gain, first, best = max(trials, key=lambda one: (one[0], -one[1]))
    # axes that gain nearly as much are refined with it: fewer trials
    together = tuple(i for other, i, _ in trials if other >= _TOGETHER * gain > 0.0)
    knots = _with(fit, finer, together)
    if len(together) > 1 and not _limit(problem, store, knots):
        both = _fit(problem, store, knots)
        if _gain(fit, both) >= gain:
            return _gain(fit, both), both, together
    return gain, best, (first,)


def _with(fit: Fit, finer: Sequence[Ticks], axes: Sequence[int]) -> tuple[Ticks, ...]:
    """Return the knots of a fit with finer ones on some axes."""
    return tuple(finer[i] if i in axes else ticks for i, ticks in enumerate(fit.knots))


def _limit(problem: Problem, store: NodeStore, knots: Sequence[Ticks]) -> str:
    """Return the limit that a grid is beyond, "" if it is not."""
    if math.prod(ticks.size for ticks in knots) > problem.max_nodes:
        return "nodes"
    return "memory" if store.bytes_with(knots) > MOST_BYTES else ""


def _fit(problem: Problem, store: NodeStore, knots: Sequence[Ticks]) -> Fit:
    values = store.values(knots)
    table = problem.table(store.axes(knots), values)
    residuals = problem.residuals(table, *problem.points("drive"))
    return Fit(tuple(knots), table, residuals, math.prod(table.shape))


def _gain(before: Fit, after: Fit) -> float:
    """Return log(error drop) / log(node growth)."""
    drop = math.log(max(before.size, _TINY)) - math.log(max(after.size, _TINY))
    return drop / math.log(after.n_nodes / before.n_nodes)


def _halve_worst(ticks: Ticks, energy: Array) -> Ticks:
    """Return knots with the fewest slabs halved that hold a given part of the error."""
    order = np.argsort(-energy, kind="stable")
    reached = np.cumsum(energy[order])
    n = int(np.searchsorted(reached, _PART * reached[-1])) + 1
    slabs = np.zeros(energy.size, dtype=bool)
    slabs[order[:n]] = True
    return halved(ticks, slabs)


def stalled(history: Sequence[Step], n_axes: int, problem: Problem) -> bool:
    """Return whether the error falls as slowly as at a kink, too slowly for the limit of nodes."""
    now = history[-1]
    # waves that the knots do not resolve yet look like noise; a grid as large as the sample is
    # no great cost after it
    if now.n_nodes < len(problem.points("drive")[0]):
        return False
    before = [step for step in history if step.n_nodes * 2**n_axes <= now.n_nodes]
    if not before:
        return False
    then = before[-1]
    growth = math.log(now.n_nodes / then.n_nodes)
    left = max(now.drive_p99, now.drive_p99_9 / P999_FACTOR)
    slope = math.log(max(then.drive_p99, then.drive_p99_9 / P999_FACTOR) / left) / growth
    if slope >= math.log(_LEAST_GAIN[problem.order]) / (n_axes * math.log(2.0)):
        return False
    needed = math.inf
    if slope > 0.0:
        needed = math.log(now.n_nodes) + math.log(left / problem.tol) / slope
    return needed > math.log(problem.max_nodes)
