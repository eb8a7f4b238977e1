"""S7: ln L of up to 1e5 lenses: one point, batches, memory, and what a posterior would take."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from . import s3_population as s3
from .harness import Options, Row, Timing, compare, peak_memory

TITLE = "S7: ln L of a population of up to 1e5 lenses"
SIZES = (1_000, 10_000, 100_000)
DISTINCT = {"posterior": 1000, "prior": 200}
"""Lenses whose kernels are made; more are copies of them in memory of their own."""
SMALL = 20
"""The same where memory is measured."""
POINTS = 16
"""Points of a batch: half of emcee's 32 walkers move at once."""
TARGETS = {"posterior": 100.0, "prior": 500.0}
"""ms a point for 1e5 lenses."""
EVALUATIONS = 60_000
"""Points that S6 takes for a thousand effective samples of each parameter, rounded up."""
HOURS = 2.0

Factory = Callable[[], Callable[[], Any]]


@lru_cache(maxsize=2)
def _first_kernels(case: str, distinct: int) -> tuple[Any, float]:
    """Return kernels of a mock's first lenses, and the seconds their build took."""
    from clmassmod.population.kernels import build_kernels

    data = s3.lenses(distinct)
    start = time.perf_counter()
    kernels = build_kernels(data, box=s3.box(case))
    return kernels, time.perf_counter() - start


@lru_cache(maxsize=1)
def _kernels(case: str, size: int, distinct: int) -> Any:
    """Return kernels of `size` lenses: every one has nodes of its own in memory."""
    from clmassmod.population.kernel_arrays import concatenated
    from clmassmod.population.kernels import LensKernels

    one, _ = _first_kernels(case, distinct)
    arrays = concatenated([one._arrays] * (size // distinct))
    return LensKernels(arrays, one.parameters, one.support, one.identity)


@lru_cache(maxsize=2)
def _selection(case: str) -> Any:
    from clmassmod.population.selection import build_selection

    return build_selection(box=s3.box(case))


def _log_likelihood(case: str, size: int, n_points: int, threads: int = 1) -> Callable[[], Any]:
    """Return a call for ln L of the sample: the lenses' sum, less N ln A."""
    kernels = _kernels(case, size, min(size, DISTINCT[case]))
    selection, vectors = _selection(case), s3.points(case, n_points)

    def call() -> Any:
        a = selection.log_a(vectors, n_threads=threads)
        return kernels.log_likelihood(vectors, n_threads=threads) - size * a

    return call


def implementations(case: str, size: int) -> dict[str, Factory]:
    """Return what builds the sum over `size` lenses at a point; `case` is "prior" or "posterior".

    For its memory, to which it does not matter how few of the lenses are different.
    """

    def make() -> Callable[[], Any]:
        kernels, vectors = _kernels(case, size, min(size, SMALL)), s3.points(case, 1)
        return lambda: kernels.log_likelihood(vectors)

    return {"ours": make}


# -- rows -----------------------------------------------------------------------------------------


def run(options: Options) -> list[Row]:
    """Measure both boxes: one point and batches for each size, memory, builds."""
    sizes = SIZES[:2] if options.quick else SIZES
    rows = []
    for case in ("posterior", "prior"):
        print(f"  {case}", flush=True)
        error = max(s3._error(case), _copying_error(case))
        rows += [_build_row(case), *_single_rows(case, sizes, error, options)]
        rows += _batch_rows(case, sizes, error, options)
    return rows


def _copying_error(case: str) -> float:
    """Return the deviation [nat a lens] of copies from the lenses they are copied from."""
    distinct = DISTINCT[case]
    one, _ = _first_kernels(case, distinct)
    vectors = s3.points(case, 3)
    copies = _kernels(case, 3 * distinct, distinct).per_lens(vectors)
    return float(np.abs(copies - np.tile(one.per_lens(vectors), 3)).max())


def _build_row(case: str) -> Row:
    distinct = DISTINCT[case]
    _, seconds = _first_kernels(case, distinct)
    row = Row(f"build of kernels, box of a {case}, {distinct} lenses", "s")
    row.ours = Timing.of([seconds])
    row.note = f"measured once, 1 thread; 1e5 lenses at this rate: {seconds * 1e5 / distinct:.0f} s"
    return row


def _single_rows(case: str, sizes: tuple[int, ...], error: float, options: Options) -> list[Row]:
    rows = []
    for size in sizes:
        row = Row(f"one ln L, box of a {case}, {size} lenses", "ms/point")
        row.error, row.tolerance = error, s3.TOLERANCE
        if row.accurate:
            call = _log_likelihood(case, size, 1)
            row.ours = compare({"ours": call}, options.repeats)["ours"]
        nodes = _kernels(case, size, min(size, DISTINCT[case]))
        row.note = (
            f"{nodes.nbytes / 1e9:.3g} GB of nodes, {nodes.nbytes / size / 1e3:.1f} kB a lens"
        )
        if size == SIZES[-1]:
            row.target = TARGETS[case]
        if options.memory:
            row.memory = peak_memory("s7_many_lenses", case, "ours", size, SMALL)
        rows.append(row)
    return rows


def _batch_rows(case: str, sizes: tuple[int, ...], error: float, options: Options) -> list[Row]:
    rows = []
    if error > s3.TOLERANCE:
        return rows
    for size in sizes:
        calls = {str(n): _log_likelihood(case, size, POINTS, n) for n in (1, 2)}
        times = compare(calls, options.repeats)
        for n in (1, 2):
            threads = f"{n} thread{'s'[: n - 1]}"
            label = f"{POINTS} points, box of a {case}, {size} lenses, {threads}"
            rows.append(Row(label, "ms/point", times[str(n)].per(POINTS)))
    if sizes[-1] == SIZES[-1]:
        rows.append(_posterior_row(case, times["2"].per(POINTS)))
    return rows


def _posterior_row(case: str, point: Timing) -> Row:
    row = Row(f"a posterior of {SIZES[-1]} lenses, box of a {case}, 2 threads", "s")
    row.ours = point.per(1.0 / EVALUATIONS)
    row.target = 3600.0 * HOURS
    row.note = f"computed: {EVALUATIONS} points, what S6 needs, at the time of the line above"
    return row
