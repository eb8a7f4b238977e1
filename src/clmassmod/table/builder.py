"""Building tables: sample first, select knots until the error is small enough, expand later."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..provenance import digest
from ..rng import checked_seed
from .adaptive import refine
from .chebyshev import build_chebyshev
from .evaluation import Evaluator, Function, function_name, opened
from .interpolator import Table
from .maps import CoordinateMap
from .nodes import BLOCK, CELLS, NodeStore, Positions, Ticks, first_ticks, halved, positions
from .pool import Pool
from .problem import Problem, largest
from .report import (
    AccuracyWarning,
    ErrorReport,
    SplitErrors,
    Step,
    concentration,
    slab_energies,
    worst_points,
    worst_slabs,
)
from .settings import METHODS, Settings, checked_box, checked_max_nodes, checked_tol, choice
from .uniform import build_uniform

Array = npt.NDArray[np.float64]
AnyTable = Any


@dataclass(frozen=True)
class Build:
    """What a table remembers of its build, to be extended."""

    function: Function
    settings: Settings
    first_box: Array
    """(N, 2) in u, of the first version: dyadic knots count from it."""
    pool: Pool
    values: Array
    """(n, K) at the pool."""
    version: int
    knots: tuple[Ticks, ...] | None = None
    store: NodeStore | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # a table that is pickled forgets its build: few functions can be pickled
        return _forgotten, ()


def _forgotten() -> None:
    return None


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
    sample = Pool.sample(u_box, pool, settings.seed)
    start = Build(func, settings, u_box, sample, np.empty((0, 1)), 1)
    return _run(start, executor, checkpoint, progress, "build")


def extend_table(
    table: AnyTable,
    *,
    box: Any = None,
    tol: float | None = None,
    max_nodes: int | None = None,
    executor: Executor | int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> AnyTable:
    """Return a new version of a built table: in a larger box, or of a smaller tolerance.

    Nodes and points of the sample are not evaluated again; the table given stays as it is.

    Parameters
    ----------
    table : Table
        From `build_table`, in this process.
    box : (N, 2) array or dict, optional
        The table's box grows by whole blocks, each a quarter of the first box, until it holds
        this one too; the sample grows with the same density.
    tol : float, optional
        A new tolerance; the sample is doubled.
    max_nodes : int, optional
    executor, checkpoint, progress
        As in `build_table`.

    Raises
    ------
    ParameterError
        A table that was not built here, neither box nor tolerance, or a box within the
        present one.
    """
    build: Build | None = getattr(table, "_build", None)
    if build is None:
        hint = "Build it again with the new box or tolerance; a checkpoint keeps evaluations."
        raise ParameterError("table", table, "built in this process", hint)
    if box is None and tol is None:
        raise ParameterError("box", None, "given, or a new tol")
    settings, pool, knots = build.settings, build.pool, build.knots
    if tol is not None:
        settings = replace(settings, tol=checked_tol(tol))
    if max_nodes is not None:
        settings = replace(settings, max_nodes=checked_max_nodes(max_nodes, len(pool.box)))
    if box is not None:
        blocks = _blocks_to_add(build, box)
        pool = pool.enlarged(_box_with(build, blocks))
        if knots is not None:
            knots = tuple(_with_blocks(k, *b) for k, b in zip(knots, blocks, strict=True))
    if tol is not None:
        pool = pool.doubled()
    larger = replace(build, settings=settings, pool=pool, version=build.version + 1, knots=knots)
    identity = digest(table.values, *table.axes) if isinstance(table, Table) else ""
    return _run(larger, executor, checkpoint, progress, f"extend {identity}")


# -- the run ---------------------------------------------------------------------------------------


def _run(
    build: Build,
    executor: Executor | int | None,
    checkpoint: str | os.PathLike[str] | None,
    progress: bool,
    purpose: str,
) -> AnyTable:
    settings = build.settings
    n_old = build.values.shape[0] if build.version > 1 else 0
    with opened(executor) as pool_of_workers:
        evaluator = Evaluator(
            build.function,
            settings.names,
            pool_of_workers,
            checkpoint,
            _identity(build, purpose),
            settings.tol,
        )
        values = evaluator(settings.coordinate_map.inverse(build.pool.u[n_old:]))
        if n_old:
            values = np.concatenate([build.values, values])
        with _progress_bar(progress) as on_step:
            problem = _problem(build, evaluator, values, on_step)
            interpolant, axes, knots, store = _select(problem, build)
        evaluator.save()
    known = evaluator.n_values + n_old
    if store is not None and build.store is not None:
        known += build.store.n_known
    report = _report(problem, build, interpolant, axes, known)
    table = interpolant
    if isinstance(interpolant, Table):
        table = _released(problem, interpolant, report, build)
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
        table = build_chebyshev(problem, _store(build, problem.function_of_u))
        return table, list(table.axes), None, None
    if build.store is None:
        store = _store(build, problem.function_of_u)
    else:
        store = build.store.bound_to(problem.function_of_u)
    knots = build.knots or (first_ticks(),) * problem.n_axes
    fit = refine(problem, store, knots)
    return fit.table, store.axes(fit.knots), fit.knots, store


def _store(build: Build, evaluate: Callable[[Array], Array]) -> NodeStore:
    return NodeStore(len(build.first_box), _positions(build.first_box), evaluate)


def _positions(box: Array) -> Positions:
    def position(axis: int, ticks: Ticks) -> Array:
        return positions(ticks, *box[axis])

    return position


def _identity(build: Build, purpose: str) -> str:
    """Return a digest of all that decides which points are evaluated."""
    s = build.settings
    return digest(
        purpose,
        function_name(build.function),
        s.names,
        s.method,
        s.tol,
        s.order,
        s.seed,
        s.max_nodes,
        build.first_box,
        build.pool.box,
        len(build.pool),
        digest_of(s.coordinate_map.to_dict()),
    )


def digest_of(content: Any) -> str:
    """Return a digest of nested dicts and lists with arrays in them."""
    if isinstance(content, Mapping):
        return digest(*(part for k in sorted(content) for part in (k, digest_of(content[k]))))
    if isinstance(content, list | tuple):
        return digest(*(digest_of(one) for one in content))
    return digest(content)


# -- the release -----------------------------------------------------------------------------------


def _released(problem: Problem, table: Table, report: ErrorReport, build: Build) -> Table:
    """Return the table with its map and metadata."""
    s = build.settings
    metadata = {
        "table_version": build.version,
        "function": function_name(build.function),
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
    squared = np.zeros(len(build.pool))
    errors, splits, quantiles = np.zeros(len(build.pool)), {}, {}
    for name in ("drive", "stop", "final"):
        rows = build.pool.rows(name)
        u, values = problem.release(name)
        residuals = problem.residuals(interpolant, u, values)
        errors[rows], squared[rows] = largest(residuals), (residuals**2).sum(axis=1)
        quantiles[name] = SplitErrors.of(errors[rows])
        splits[name] = s.coordinate_map.inverse(u), errors[rows]
    # of the final points, which come last
    by_output = np.quantile(np.abs(residuals), 0.99, axis=0)
    low, high = build.pool.box.T
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
def _progress_bar(progress: bool) -> Iterator[Callable[[Step], None]]:
    from tqdm import tqdm

    with tqdm(desc="table", unit="step", disable=not progress) as bar:

        def on_step(step: Step) -> None:
            bar.set_postfix_str(f"{step.n_nodes} nodes, p99 {step.stop_p99:.2e}", refresh=False)
            bar.update()

        yield on_step


# -- a larger box ----------------------------------------------------------------------------------


def _blocks_to_add(build: Build, box: Any) -> list[tuple[int, int]]:
    """Return, for each axis, how many blocks to add below and above."""
    s = build.settings
    ranges, _ = checked_box(box, s.names)
    wanted = s.coordinate_map.box_to_u(ranges)
    blocks = []
    for (low, high), now, first in zip(wanted, build.pool.box, build.first_box, strict=True):
        width = (first[1] - first[0]) / CELLS
        # an edge that is the same but for rounding is the same
        outside = np.array([now[0] - low, high - now[1]]) / width - 1e-9
        below, above = np.maximum(np.ceil(outside), 0.0)
        blocks.append((int(below), int(above)))
    if not np.any(blocks):
        raise ParameterError("box", ranges.tolist(), "larger than the present box")
    return blocks


def _box_with(build: Build, blocks: Sequence[tuple[int, int]]) -> Array:
    """Return the box in u that knots with these blocks added cover."""
    result = np.empty_like(build.first_box)
    for i, (below, above) in enumerate(blocks):
        low, high = build.first_box[i]
        width = (high - low) / CELLS
        edges = np.rint((build.pool.box[i] - low) / width).astype(np.int64)
        ticks = (edges + np.array([-below, above])) * BLOCK
        result[i] = positions(ticks, low, high)
    x = build.settings.coordinate_map.inverse(result.T)
    back = build.settings.coordinate_map.forward(x)
    if not (np.isfinite(x).all() and np.allclose(back, result.T, rtol=1e-6, atol=1e-9)):
        allowed = "such that whole blocks (a quarter of the first box) stay in the map's domain"
        raise ParameterError("box", result.tolist(), allowed)
    return result


def _with_blocks(ticks: Ticks, below: int, above: int) -> Ticks:
    """Return knots with blocks added at both ends."""
    low = ticks[0] - BLOCK * np.arange(below, 0, -1)
    high = ticks[-1] + BLOCK * np.arange(1, above + 1)
    grown = np.concatenate([low, ticks, high])
    while True:
        even = halved(grown, np.zeros(grown.size - 1, dtype=bool))
        if even.size == grown.size:
            return even
        grown = even
