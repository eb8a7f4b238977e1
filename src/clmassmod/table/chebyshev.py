"""Chebyshev sampling of smooth, costly functions, tabulated as a cubic afterwards.

A polynomial through Chebyshev nodes converges geometrically for an analytic function, so it
needs far fewer values than a spline; evaluating it is slow, so a spline of it is what is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import dct

from .adaptive import refine
from .interpolator import Table
from .nodes import NodeStore, Positions, Ticks, first_ticks
from .problem import Problem, scaled_squares
from .report import SplitErrors

Array = npt.NDArray[np.float64]

# the part of the tolerance left to the polynomial: the spline needs the rest
_PART = 0.3
_FIRST_INTERVALS = 4
# ticks of half a turn: intervals of an axis can be halved 20 times
_HALF_TURN = 1 << 20
_MOST_INTERVALS = 256
_BLOCK = 256


@dataclass(frozen=True)
class Polynomial:
    """Tensor Chebyshev series over a box, coefficients (n_1, ..., n_N, K)."""

    box: Array
    coefficients: Array

    def __call__(self, u: Array) -> Array:
        """Return values (n, K) at points (n, N)."""
        parts = [self._block(u[i : i + _BLOCK]) for i in range(0, len(u), _BLOCK)]
        return np.concatenate(parts)

    def _block(self, u: Array) -> Array:
        low, high = self.box.T
        # knots increase with the angle
        angle = np.arccos(np.clip((low + high - 2.0 * u) / (high - low), -1.0, 1.0))
        n_axes = u.shape[1]
        basis = [np.cos(angle[:, i, None] * np.arange(n)) for i, n in enumerate(self._shape)]
        # the first axis by one matrix product; then one axis less each time, point by point
        result = np.tensordot(basis[0], self.coefficients, (1, 0))
        for i in range(1, n_axes):
            result = np.einsum("pj...,pj->p...", result, basis[i])
        return np.asarray(result)

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.coefficients.shape[:-1]

    def tails(self) -> Array:
        """Return, for each axis, the size of its last quarter of coefficients, over the largest."""
        squares = scaled_squares(self.coefficients.reshape(-1, self.coefficients.shape[-1]))[1]
        squared = squares.reshape(self._shape)
        sizes = []
        for i, n in enumerate(squared.shape):
            last = np.take(squared, range(n - max(n // 4, 1), n), axis=i)
            sizes.append(math.sqrt(float(last.sum())))
        return np.array(sizes)


def build_chebyshev(problem: Problem, bake: NodeStore) -> Table:
    """Return the cubic table of the polynomial through Chebyshev nodes.

    The number of intervals of the axis with the largest last coefficients is doubled, which
    keeps all nodes, until the drive points are within a part of the tolerance. The knots of
    the table are then those the polynomial needs; errors are those of the table against the
    function itself.

    Parameters
    ----------
    problem : Problem
    bake : NodeStore
        Empty, of the knots of the cubic table: its values will be those of the polynomial.
    """
    store = NodeStore(problem.n_axes, _positions(problem.box), problem.function_of_u)
    intervals = [_FIRST_INTERVALS] * problem.n_axes
    short = ""
    while True:
        polynomial = _polynomial(problem, store, intervals)
        if SplitErrors.of(problem.errors(polynomial, "drive")).over(_PART * problem.tol) <= 1.0:
            break
        tails = np.where(np.array(intervals) < _MOST_INTERVALS, polynomial.tails(), -1.0)
        axis = int(np.argmax(tails))
        finer = [2 * m if i == axis else m for i, m in enumerate(intervals)]
        if tails[axis] < 0.0 or math.prod(m + 1 for m in finer) > problem.max_nodes:
            short = "nodes"
            break
        intervals = finer
    fit = refine(problem, bake.bound_to(polynomial), (first_ticks(),) * problem.n_axes)
    if short and problem.reason != "tolerance":
        problem.reason = short
    return fit.table


def _polynomial(problem: Problem, store: NodeStore, intervals: Sequence[int]) -> Polynomial:
    ticks = [np.arange(m + 1, dtype=np.int64) * (_HALF_TURN // m) for m in intervals]
    coefficients = store.values(ticks)
    for i, m in enumerate(intervals):
        # the series of the cosines that takes the values at pi k / m
        coefficients = np.moveaxis(dct(coefficients, type=1, axis=i) / m, i, 0)
        coefficients[[0, m]] *= 0.5
        coefficients = np.moveaxis(coefficients, 0, i)
    return Polynomial(problem.box, np.ascontiguousarray(coefficients))


def _positions(box: Array) -> Positions:
    def position(axis: int, ticks: Ticks) -> Array:
        part = 0.5 - 0.5 * np.cos(np.pi * ticks / _HALF_TURN)
        low, high = box[axis]
        return np.asarray((1.0 - part) * low + part * high)

    return position
