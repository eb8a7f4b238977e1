"""One door to parallel work: `map_tasks`.

Tasks are independent and carry their own seed, so results do not depend on the executor.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import TypeVar

from .errors import ParameterError

Task = TypeVar("Task")
Result = TypeVar("Result")


def available_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_tasks(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    executor: Executor | int | None = None,
) -> Iterator[Result]:
    """Yield ``function(task)`` for every task, in order, as results come in.

    Parameters
    ----------
    function : callable
        Picklable for anything but ``executor=None``.
    tasks : sequence
    executor : None, int or concurrent.futures.Executor
        None runs here; an integer starts that many processes (by spawn, since forking a
        process that has used OpenMP hangs); any other executor (dask's
        ``Client.get_executor()``, ``mpi4py.futures.MPIPoolExecutor``) is used as it is.
    """
    if executor is None:
        yield from map(function, tasks)
    elif isinstance(executor, int):
        if executor < 1:
            raise ParameterError(
                "executor", executor, "None, a number of processes >= 1 or an Executor"
            )
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=executor, mp_context=context) as pool:
            yield from pool.map(function, tasks)
    else:
        yield from executor.map(function, tasks)
