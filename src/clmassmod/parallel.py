"""One door to parallel work: `map_tasks`, and the processes that it may start, `process_pool`.

Tasks are independent and carry their own seed, so results do not depend on the executor.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
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
        with process_pool(executor) as pool:
            yield from pool.map(function, tasks)
    else:
        yield from executor.map(function, tasks)


@contextmanager
def process_pool(n_processes: int) -> Iterator[Executor]:
    """Give an executor of new processes, which end with this one, however that ends.

    An error or an interrupt does not wait for tasks that have not begun.
    """
    if isinstance(n_processes, bool) or n_processes < 1:
        raise ParameterError(
            "executor", n_processes, "None, a number of processes >= 1 or an Executor"
        )
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(n_processes, mp_context=context, initializer=_end_with_parent)
    try:
        yield pool
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def _end_with_parent() -> None:
    """Watch the process that started this one: killed, it cannot tell its own to end."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
