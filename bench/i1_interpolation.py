"""I1: interpolation in four dimensions, linear and cubic: values, gradients, plans, memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from . import peers
from .harness import Options, Row, compare, peak_memory
from .oracles import Array

TITLE = "I1: interpolation of 4-D tables"
SIZE = 1_000_000
CHECKED = 2000
FEW = 20_000
"""Points of scipy's spline, which takes microseconds each."""
TARGETS = {
    ("linear", 30, "random"): 15.0,
    ("cubic", 30, "random"): 60.0,
    ("cubic", 30, "coherent"): 35.0,
}
TOLERANCE = {"linear": 1e-13, "cubic": 1e-13}
"""Of the largest value, against scipy's own interpolant of the same nodes."""

BESIDE = {
    "ours, gradient": "ours",
    "ours, float32": "ours",
    "ours, plan": "ours",
    "ours, plan, gradient": "ours, gradient",
}
"""Our other calls, and which of ours each is compared with."""

Factory = Callable[[], Callable[[], Any]]


@lru_cache(maxsize=2)
def grid(n: int) -> tuple[list[Array], Array]:
    """Return axes and values of a smooth function with some noise, n nodes an axis."""
    axes = [np.linspace(low, low + 1.0, n) for low in (11.0, 12.0, 0.2, 0.0)]
    nodes = np.meshgrid(*axes, indexing="ij", sparse=True)
    values = np.sin(3.0 * nodes[0]) * np.cos(2.0 * nodes[1]) + nodes[2] ** 2 * nodes[3]
    return axes, values + 0.01 * np.random.default_rng(1).normal(size=values.shape)


@lru_cache(maxsize=8)
def points(n: int, kind: str, size: int) -> Array:
    """Return points (size, 4): anywhere, or as the walkers of a posterior."""
    axes, _ = grid(n)
    random = np.random.default_rng(2)
    if kind == "random":
        unit = random.uniform(size=(size, 4))
    else:
        unit = np.clip(0.5 + 0.03 * random.normal(size=(size, 4)), 0.0, 1.0)
    low = np.array([axis[0] for axis in axes])
    return low + unit * (1.0 - 1e-12)


@lru_cache(maxsize=4)
def table(n: int, order: str, dtype: str = "float64") -> Any:
    """Return our table."""
    from clmassmod import Table

    return Table.from_grid(*grid(n), order=order, dtype=dtype)


@lru_cache(maxsize=4)
def scipy_table(n: int, order: str) -> Any:
    """Return scipy's interpolator."""
    from scipy.interpolate import NdBSpline, RegularGridInterpolator, make_interp_spline

    axes, values = grid(n)
    if order == "linear":
        return RegularGridInterpolator(axes, values)
    knots = []
    for i, axis in enumerate(axes):
        spline = make_interp_spline(axis, values, k=3, axis=i)
        values = np.moveaxis(spline.c, 0, i)
        knots.append(spline.t)
    return NdBSpline(tuple(knots), np.ascontiguousarray(values), 3)


def _interpn_table(n: int, order: str) -> Any:
    import interpn

    axes, values = grid(n)
    starts = np.array([axis[0] for axis in axes])
    steps = np.array([axis[1] - axis[0] for axis in axes])
    kind = interpn.MultilinearRegular if order == "linear" else interpn.MultiBsplineRegular
    more = {} if order == "linear" else {"linearize_extrapolation": True}
    return kind.new(list(values.shape), starts, steps, values.reshape(-1).copy(), **more)


def _interpn(n: int, order: str, x: Array) -> Callable[[], Any]:
    made = _interpn_table(n, order)
    columns = [np.ascontiguousarray(column) for column in x.T]
    return lambda: made.eval(columns)


def implementations(case: str, size: int) -> dict[str, Factory]:
    """Return, by name, what builds the call of `case`, such as "cubic 30 random"."""
    order, n, kind = case.split()
    x, few = points(int(n), kind, size), points(int(n), kind, min(size, FEW))
    made: dict[str, Factory] = {
        "ours": lambda: lambda: table(int(n), order)(x),
        "ours, gradient": lambda: lambda: table(int(n), order).value_and_grad(x),
        "ours, float32": lambda: lambda: table(int(n), order, "float32")(x),
        "ours, plan": lambda: table(int(n), order).plan(x),
        "ours, plan, gradient": lambda: table(int(n), order).plan(x).value_and_grad,
        "scipy": lambda: lambda: scipy_table(int(n), order)(few),
    }
    if peers.installed("interpn"):
        made["interpn"] = lambda: _interpn(int(n), order, x)
    return made


def _error(order: str, n: int) -> float:
    """Return our greatest deviation from scipy, over the largest value."""
    x = points(n, "random", CHECKED)
    truth = scipy_table(n, order)(x)
    return float(np.abs(table(n, order)(x) - truth).max() / np.abs(truth).max())


def run(options: Options) -> list[Row]:
    """Measure linear and cubic tables of 30^4 and 64^4 nodes, and the scaling in threads."""
    size = SIZE // 10 if options.quick else SIZE
    rows = []
    for order in ("linear", "cubic"):
        for n in (30, 64):
            for kind in ("random", "coherent"):
                print(f"  {order} {n} {kind}", flush=True)
                rows += _case(order, n, kind, size, options)
    rows += [row for order in ("linear", "cubic") for n in (30, 64) for row in _sizes(order, n)]
    return rows + _scaling(size, options)


def _sizes(order: str, n: int) -> list[Row]:
    """Return what tables keep: values and coefficients of ours, coefficients of the peers."""
    kept = {f"ours, {dtype}": table(n, order, dtype).nbytes for dtype in ("float64", "float32")}
    peer = scipy_table(n, order)
    kept["scipy"] = (peer.values if order == "linear" else peer.c).nbytes
    if peers.installed("interpn"):
        made = _interpn_table(n, order)
        kept["interpn"] = (made.vals if order == "linear" else made.coeffs).data.nbytes
    return [
        Row(
            f"{order}, {n}^4 nodes, table of {name}",
            "MB",
            size=size,
            note=f"{size / n**4:.1f} bytes a node",
        )
        for name, size in kept.items()
    ]


def _case(order: str, n: int, kind: str, size: int, options: Options) -> list[Row]:
    case = f"{order} {n} {kind}"
    error = _error(order, n)
    calls = {name: make() for name, make in implementations(case, size).items()}
    if error > TOLERANCE[order]:
        del calls["ours"]
    times = compare(calls, max(5, options.repeats - 2))
    counts = {name: min(size, FEW) if name == "scipy" else size for name in calls}
    per = {name: timing.per(counts[name]) for name, timing in times.items()}
    used: dict[str, int | None] = {}
    if options.memory and n == 30 and kind == "random":
        used = {name: peak_memory("i1_interpolation", case, name, size, 100) for name in calls}
    label = f"{order}, {n}^4 nodes, {kind}"
    rows = []
    for i, name in enumerate(name for name in ("interpn", "scipy") if name in per):
        row = Row(label, "ns/point", per.get("ours"), name, per[name], error=error)
        row.tolerance = TOLERANCE[order]
        row.target = TARGETS.get((order, n, kind)) if i == 0 else None
        row.memory, row.peer_memory = used.get("ours"), used.get(name)
        row.note = "truth: scipy's interpolant of the same nodes" if i == 0 else ""
        rows.append(row)
    # a gradient beside the value alone: at most twice as long; a plan beside the call
    for name, beside in BESIDE.items():
        what = name.removeprefix("ours, ")
        row = Row(f"{label}, {what}", "ns/point", per[name], beside, theirs=per.get(beside))
        row.memory, row.peer_memory = used.get(name), used.get(beside)
        rows.append(row)
    return rows


def _scaling(size: int, options: Options) -> list[Row]:
    rows = []
    for count in (size // 100, size // 10, size):
        x = points(30, "random", count)
        calls = {
            f"{threads}": lambda x=x, threads=threads: table(30, "cubic")(x, n_threads=threads)
            for threads in (1, 2)
        }
        times = compare(calls, options.repeats)
        for name, timing in times.items():
            case = f"cubic 30^4 scaling, {count} points, {name} thread{'s'[: int(name) - 1]}"
            rows.append(Row(case, "ns/point", timing.per(count)))
    return rows
