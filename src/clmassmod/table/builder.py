"""Building tables: sample first, select knots until the error is small enough, expand later."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import AccuracyWarning, ParameterError
from ..rng import checked_seed
from .adaptive import refine
from .chebyshev import build_chebyshev
from .evaluation import Evaluator, Function, FunctionId, opened
from .interpolator import Table
from .maps import CoordinateMap
from .nodes import NodeStore, Ticks, box_positions, first_ticks
from .pool import Pool
from .problem import Problem, largest, scaled_squares
from .report import (
    ErrorReport,
    SplitErrors,
    Step,
    concentration,
    slab_energies,
    worst_points,
    worst_slabs,
)
from .settings import METHODS, Settings, checked_box, checked_max_nodes, checked_tol, choice
from .state import Build
from .uniform import build_uniform

Array = npt.NDArray[np.float64]
AnyTable = Any


# -- entry -----------------------------------------------------------------------------------------


def build_table(
    func: Function,
    box: Any,
    tol: float = 1e-4,
    *,
    names: Sequence[str] | None = None,
    method: str = "adaptive",
    pool: int = 2**14,
    seed: int = 0,
    map: Any = None,
    max_nodes: int = 200_000,
    executor: Executor | int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
    order: str = "cubic",
    version: int = 1,
) -> AnyTable:
    """Return a table of a function, as fine as a tolerance asks.

    Parameters
    ----------
    func : callable
        ``func(x (n, N)) -> (n,) or (n, K)``, 1 <= N <= 6, finite everywhere in the box; each
        point by itself. Picklable if `executor` starts processes.
    box : (N, 2) array or dict
        Ranges (low, high) of the axes; a dict has them by name. Of an axis with a `RatioMap`,
        the range of ``x / x_max``.
    tol : float, > 0
        Absolute error of the outputs: the build ends when, at the stop points, the 99th
        percentile is at most `tol` and the 99.9th at most 5 `tol`.
    names : sequence of N str, optional
        Names of the axes: those of the dict, or x0, x1, ...
    method : {"adaptive", "greedy", "chebyshev", "uniform"}
        adaptive: knots are added where the error is. chebyshev: the function is evaluated at
        Chebyshev nodes, for costly smooth functions, and their polynomial tabulated. greedy:
        a subset of the sample itself, interpolated by a kernel, for noisy functions or 5 and
        6 axes. uniform: equal knots, for comparison.
    pool : int, a power of 2
        Points of the random sample; 2^13 to 2^17 for good quantiles.
    seed : int, >= 0
    map : None, RatioMap, dict or sequence
        Coordinate maps of the axes: ``"linear"``, ``"log"``, ``"sqrt"`` or a `RatioMap`. A
        kink must lie on a coordinate plane.
    max_nodes : int
        Largest number of nodes, or of centres for greedy.
    executor : None, int or concurrent.futures.Executor
        Where the function is evaluated; results do not depend on it.
    checkpoint : path, optional
        Keeps what was evaluated: a build that was killed continues, and ends with the
        identical table.
    progress : bool
    order : {"cubic", "linear"}
    version : int, >= 1
        Version of the table; an extension has the next one.

    Returns
    -------
    Table, or KernelTable for greedy
        With an `ErrorReport`.

    Raises
    ------
    ParameterError
        An argument outside its range, a value of the function that is not finite (the point
        is named), or a checkpoint of another build.
    FormatError
        A damaged checkpoint.

    Warns
    -----
    AccuracyWarning
        The tolerance is not reached: at the limit of nodes, or because the error falls as
        slowly as at a kink; the message tells where. ``warnings.simplefilter("error",
        AccuracyWarning)`` makes it an error.

    Notes
    -----
    The sample is a scrambled Sobol sequence in the coordinate u of the grid, split by a hash
    of the number of each point: 60 % choose the knots, 20 % end the build, and 20 % are only
    looked at for the report.
    """
    start = prepared(
        func,
        box,
        tol,
        names=names,
        method=method,
        pool=pool,
        seed=seed,
        map=map,
        max_nodes=max_nodes,
        order=order,
        version=version,
    )
    return run(start, executor, checkpoint, progress)


def prepared(
    func: Function,
    box: Any,
    tol: float,
    *,
    names: Sequence[str] | None = None,
    method: str = "adaptive",
    pool: int = 2**14,
    seed: int = 0,
    map: Any = None,
    max_nodes: int = 200_000,
    order: str = "cubic",
    version: int = 1,
) -> Build:
    """Return a build that has not run, its arguments checked; they are those of `build_table`."""
    if not callable(func):
        raise ParameterError("func", func, "callable")
    ranges, labels = checked_box(box, names)
    coordinate_map = CoordinateMap.of(map, len(labels), labels)
    settings = Settings(
        labels,
        choice("method", method, METHODS),
        checked_tol(tol),
        choice("order", order, ("cubic", "linear")),
        checked_seed(seed),
        checked_max_nodes(max_nodes, len(labels)),
        coordinate_map,
    )
    u_box = coordinate_map.box_to_u(ranges)
    start = Build(
        func,
        FunctionId.of(func),
        settings,
        u_box,
        Pool.sample(u_box, pool, settings.seed),
        np.empty((0, 1)),
        _checked_version(version),
    )
    return replace(start, identity=start.identity_of("build"))


def _checked_version(version: Any) -> int:
    good = isinstance(version, int | np.integer) and not isinstance(version, bool)
    if not good or version < 1:
        raise ParameterError("version", version, "an integer >= 1")
    return int(version)


# -- the run ---------------------------------------------------------------------------------------


def run(
    build: Build,
    executor: Executor | int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> AnyTable:
    """Return the table of a build: a `prepared` one, or one that `extend_table` made larger."""
    settings = build.settings
    assert build.function is not None
    n_old = len(build.values)
    with opened(executor) as workers, _progress_bar(progress) as (on_values, on_step):
        evaluator = Evaluator(
            build.function,
            settings.names,
            workers,
            checkpoint,
            build.identity,
            settings.tol,
            on_values,
        )
        try:
            values = evaluator(
                settings.coordinate_map.inverse(build.pool.u[n_old:], build.pool.box)
            )
            if n_old:
                values = np.concatenate([build.values, values])
            problem = _problem(build, evaluator, values, on_step)
            interpolant, axes, knots, store = _select(problem, build)
        finally:
            evaluator.save()
    known = evaluator.n_values + n_old
    if store is not None and build.store is not None:
        known += build.store.n_known
    report = _report(problem, build, interpolant, axes, known)
    table = interpolant
    if isinstance(interpolant, Table):
        table = _released(interpolant, build)
    else:
        table.coordinate_map = settings.coordinate_map
    table._report = report
    table._build = replace(build, values=values, knots=knots, store=store)
    if not report.converged:
        warnings.warn(
            f"the table does not reach its tolerance: {report.message}",
            AccuracyWarning,
            stacklevel=4,
        )
    return table


def _problem(
    build: Build, evaluator: Evaluator, values: Array, on_step: Callable[[Step], None]
) -> Problem:
    settings = build.settings
    return Problem(
        evaluator,
        settings.coordinate_map,
        settings.names,
        build.pool.box,
        settings.tol,
        settings.order,
        settings.max_nodes,
        build.pool,
        values,
        settings.seed,
        on_step,
    )


def _select(
    problem: Problem, build: Build
) -> tuple[Any, list[Array], tuple[Ticks, ...] | None, NodeStore | None]:
    """Return the interpolant in u, its axes (none for greedy), and dyadic knots and store."""
    method = build.settings.method
    if method == "greedy":
        from .greedy import build_greedy

        return build_greedy(problem), [], None, None
    if method == "uniform":
        table = build_uniform(problem)
        return table, list(table.axes), None, None
    if method == "chebyshev":
        table = build_chebyshev(problem, _store(problem.box, problem.function_of_u))
        return table, list(table.axes), None, None
    if build.store is None:
        store = _store(build.first_box, problem.function_of_u)
    else:
        store = build.store.bound_to(problem.function_of_u)
    knots = build.knots or (first_ticks(),) * problem.n_axes
    fit = refine(problem, store, knots)
    return fit.table, store.axes(fit.knots), fit.knots, store


def _store(box: Array, evaluate: Callable[[Array], Array]) -> NodeStore:
    return NodeStore(len(box), box_positions(box), evaluate)


# -- the release -----------------------------------------------------------------------------------


def _released(table: Table, build: Build) -> Table:
    """Return the table with its map and metadata."""
    s = build.settings
    metadata = {
        "table_version": build.version,
        "function": build.function_id.name,
        "method": s.method,
        "tol": s.tol,
        "seed": s.seed,
        "pool": len(build.pool),
        "max_nodes": s.max_nodes,
    }
    released = Table.from_grid(
        table.axes, table.values, names=s.names, order=s.order, metadata=metadata
    )
    if s.coordinate_map.is_identity:
        return released
    return released.with_map(s.coordinate_map)


def _report(
    problem: Problem, build: Build, interpolant: Any, axes: list[Array], n_evaluations: int
) -> ErrorReport:
    s = build.settings
    errors, splits, quantiles = np.zeros(len(build.pool)), {}, {}
    every = np.empty_like(problem.values)
    for name in ("drive", "stop", "final"):
        rows = build.pool.rows(name)
        u, values = problem.release(name)
        residuals = problem.residuals(interpolant, u, values)
        errors[rows], every[rows] = largest(residuals), residuals
        quantiles[name] = SplitErrors.of(errors[rows])
        splits[name] = s.coordinate_map.inverse(u), errors[rows]
    # of the final points, which come last
    by_output = np.quantile(np.abs(residuals), 0.99, axis=0)
    low, high = build.pool.box.T
    _, squared = scaled_squares(every)
    energies = slab_energies(axes, build.pool.u, squared)
    last = problem.history[-1]
    return ErrorReport(
        method=s.method,
        order=s.order,
        tol=s.tol,
        converged=problem.reason == "tolerance",
        reason=problem.reason,
        names=s.names,
        shape=last.shape,
        n_nodes=last.n_nodes,
        n_evaluations=n_evaluations,
        table_version=build.version,
        drive=quantiles["drive"],
        stop=quantiles["stop"],
        final=quantiles["final"],
        final_p99_of_outputs=tuple(by_output.tolist()),
        history=tuple(problem.history),
        worst=worst_points(splits),
        slabs=worst_slabs(s.names, axes, energies) if axes else (),
        concentration=concentration((build.pool.u - low) / (high - low), errors),
    )


@contextmanager
def _progress_bar(
    progress: bool,
) -> Iterator[tuple[Callable[[int], object], Callable[[Step], None]]]:
    """Give what is told of new values, and of steps."""
    from tqdm import tqdm

    with tqdm(desc="table", unit=" values", disable=not progress) as bar:

        def on_step(step: Step) -> None:
            bar.set_postfix_str(f"{step.n_nodes} nodes, p99 {step.stop_p99:.2e}", refresh=False)

        yield bar.update, on_step
