"""Equal knots on every axis, added evenly: what the other methods are compared with."""

from __future__ import annotations

import numpy as np

from .interpolator import Table
from .problem import Problem

# knots of an axis, each about 1.2 times the one before
_KNOTS = [5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 29]


def build_uniform(problem: Problem) -> Table:
    """Return the first table of equal knots that reaches the tolerance, or the largest."""
    table = None
    n = 0
    knots = iter(_KNOTS)
    while True:
        n = next(knots, int(n * 1.2))
        if table is not None and n**problem.n_axes > problem.max_nodes:
            problem.reason = "nodes"
            return table
        axes = [np.linspace(low, high, n) for low, high in problem.box]
        u = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        values = problem.function_of_u(u.reshape(-1, problem.n_axes))
        table = problem.table(axes, values.reshape(*u.shape[:-1], -1))
        if problem.record(table, u.size // problem.n_axes, table.shape, problem.names):
            problem.reason = "tolerance"
            return table
