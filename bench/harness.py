"""Timing side by side, peak memory, and what is known of the machine."""

from __future__ import annotations

import gc
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
PEERS = ("clmm", "pyccl", "colossus", "lenstronomy", "TreeCorr", "interpn", "dsigma", "profiley")
_SIDE = ("numpy", "scipy", "astropy", "h5py", "emcee", "mpmath")
_MIN_TIME = 0.05


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    quick: bool = False
    repeats: int = 7
    memory: bool = True


@dataclass(frozen=True)
class Timing:
    """Median, least and greatest seconds of the repeats."""

    median: float
    low: float
    high: float
    repeats: int

    def per(self, count: float) -> Timing:
        """Return the time per item of a call that handles `count` of them."""
        return Timing(self.median / count, self.low / count, self.high / count, self.repeats)

    @classmethod
    def of(cls, seconds: list[float]) -> Timing:
        """Summarise single measurements."""
        return cls(statistics.median(seconds), min(seconds), max(seconds), len(seconds))


@dataclass
class Row:
    """One line of the table: ours beside one peer on the same work.

    Errors are the greatest relative deviation from the oracle; `ours` and `theirs` are seconds
    per item, printed in `unit`; `target` is in `unit`; memory is bytes above the inputs.
    """

    case: str
    unit: str
    ours: Timing | None = None
    peer: str = ""
    theirs: Timing | None = None
    error: float | None = None
    peer_error: float | None = None
    target: float | None = None
    tolerance: float | None = None
    memory: int | None = None
    peer_memory: int | None = None
    size: float | None = None
    """Bytes, where the measurement is a size and not a time."""
    note: str = ""

    @property
    def scale(self) -> float:
        """Seconds of one printed unit."""
        return SECONDS.get(self.unit.split("/")[0], 1.0)

    @property
    def accurate(self) -> bool:
        """Whether our error is within the tolerance (true where there is none)."""
        if self.tolerance is None or self.error is None:
            return True
        return self.error <= self.tolerance

    @property
    def reached(self) -> bool | None:
        """Whether the target is met by the median (None without a target)."""
        if self.target is None:
            return None
        if self.size is not None:
            return self.size / 1e6 <= self.target
        if self.ours is None:
            return False if not self.accurate else None
        return self.ours.median / self.scale <= self.target

    @property
    def ratio(self) -> float | None:
        """How many times faster than the peer."""
        if self.ours is None or self.theirs is None:
            return None
        return self.theirs.median / self.ours.median


# -- time -----------------------------------------------------------------------------------------


def compare(
    calls: dict[str, Callable[[], Any]], repeats: int = 7, min_time: float = _MIN_TIME
) -> dict[str, Timing]:
    """Time the calls in turns: every round measures each of them once.

    A measurement repeats the call for at least `min_time` seconds. The first call of each,
    which loads tables and code, is not counted.
    """
    numbers = {name: _calibrated(call, min_time) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(max(repeats, 5)):
            for name, call in calls.items():
                seconds[name].append(_once(call, numbers[name]))
            gc.collect()
    finally:
        if enabled:
            gc.enable()
    return {name: Timing.of(values) for name, values in seconds.items()}


def _once(call: Callable[[], Any], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number


def _calibrated(call: Callable[[], Any], min_time: float) -> int:
    call()
    number = 1
    while True:
        taken = _once(call, number) * number
        if taken >= min_time:
            return number
        number = max(2 * number, int(1.2 * number * min_time / max(taken, 1e-9)))


# -- memory ---------------------------------------------------------------------------------------


def peak_memory(module: str, case: str, name: str, size: int, small: int) -> int | None:
    """Bytes that one call needs beyond its inputs, in a fresh process; None if it failed.

    The process builds the inputs, warms up with a call of size `small`, resets the kernel's
    record of its peak and makes the call; without that record (not Linux) the peak of the whole
    process is used.
    """
    arguments = [module, case, name, str(size), str(small)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.harness", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    try:
        return int(done.stdout.split()[-1])
    except (IndexError, ValueError):
        print(f"  no peak memory of {case} {name}: {done.stderr.strip()[-300:]}", flush=True)
        return None


def _measure_memory(module: str, case: str, name: str, size: int, small: int) -> int:
    workload = importlib.import_module(f"bench.{module}")
    workload.implementations(case, small)[name]()()
    call = workload.implementations(case, size)[name]()
    gc.collect()
    start = _resident()
    _reset_peak()
    call()
    return max(0, _peak() - start)


def _status(field: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field)), None)


def _peak() -> int:
    import resource

    value = _status("VmHWM:")
    unit = 1 if sys.platform == "darwin" else 1024
    return value or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _resident() -> int:
    return _status("VmRSS:") or _peak()


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


# -- the machine ----------------------------------------------------------------------------------


class IdleMeter:
    """Share of the machine that other processes use, from the kernel's counters."""

    def __init__(self) -> None:
        self._start = self._counters()

    @staticmethod
    def _counters() -> tuple[float, float, float] | None:
        try:
            fields = [int(x) for x in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        except (OSError, ValueError):
            return None
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        tick = os.sysconf("SC_CLK_TCK")
        total, idle = sum(fields) / tick, (fields[3] + fields[4]) / tick
        return total, total - idle, own

    def others(self) -> float | None:
        """Share of all cores used by others since the meter was made, within [0, 1]."""
        now = self._counters()
        if now is None or self._start is None or now[0] == self._start[0]:
            return None
        total, busy, own = (b - a for a, b in zip(self._start, now, strict=True))
        return min(1.0, max(0.0, (busy - own) / total))


def machine() -> dict[str, Any]:
    """Return the processor, cores, system and load at this moment."""
    meter = IdleMeter()
    load = list(os.getloadavg())
    time.sleep(1.0)
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": load,
        "others_before": meter.others(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(
        reversed([[x.strip() for x in line.split(":", 1)] for line in lines if ":" in line])
    )
    parts = [fields.get("model name", platform.machine())]
    if "cpu family" in fields:
        parts.append(f"family {fields['cpu family']} model {fields.get('model', '?')}")
    return ", ".join(parts)


def versions() -> dict[str, str]:
    """Return the versions of the peers ("not installed" where absent) and of what both use."""
    return {name: _version(name) for name in (*PEERS, *_SIDE)}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def commit() -> str:
    """Return the commit of the checkout, with "+dirty" if sources differ from it."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", "src", "meson.build", "pyproject.toml")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+dirty" if changed else "")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def environment() -> dict[str, Any]:
    """Return everything a measurement depends on."""
    import clmassmod
    from clmassmod._core.info import build_info

    return {
        "machine": machine(),
        "commit": commit(),
        "build": build_info(),
        "installed": "from the checkout" if _in_checkout(clmassmod) else "as a package",
        "versions": versions(),
    }


def _in_checkout(module: Any) -> bool:
    return Path(module.__file__).resolve().is_relative_to(ROOT / "src")


# -- accuracy -------------------------------------------------------------------------------------


def deviation(values: Any, truth: Any) -> float:
    """Greatest relative deviation from `truth`; inf if a value is not finite."""
    import numpy as np

    values, truth = np.asarray(values, dtype=float), np.asarray(truth, dtype=float)
    if not np.all(np.isfinite(values)):
        return float("inf")
    return float(np.max(np.abs(values / truth - 1.0)))


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    _module, _case, _name, _size, _small = sys.argv[1:]
    print(json.dumps(_measure_memory(_module, _case, _name, int(_size), int(_small))))
