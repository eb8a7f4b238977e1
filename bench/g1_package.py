"""G1: import time, size, and building the wheel."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import peers
from .harness import ROOT, Options, Row, Timing

TITLE = "G1: import, package size, wheel build"
_IMPORT = """
import time
start = time.perf_counter()
{statement}
print(time.perf_counter() - start)
try:
    lines = open("/proc/self/status").read().splitlines()
    print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")))
except (OSError, StopIteration):
    import resource

    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
_OURS = {
    "import": "import clmassmod",
    "import and use NFW": "import clmassmod as clm; clm.NFW(5e14, 4.0, 0.3)",
}
_PEERS = {"numpy": "numpy", "CLMM": "clmm", "CCL": "pyccl", "colossus": "colossus.halo.profile_nfw"}
_SKIPPED = ("__pycache__",)


def run(options: Options) -> list[Row]:
    """Measure the imports, the installed size and, unless quick, the wheel."""
    rows = _imports(options)
    rows.append(_installed_size())
    return rows if options.quick else rows + _wheel()


def _imports(options: Options) -> list[Row]:
    """Time each statement in fresh processes, in turns; the files are warm after the first."""
    others = {n: f"import {m}" for n, m in _PEERS.items() if peers.installed(m.split(".")[0])}
    statements = {**_OURS, **others}
    for statement in statements.values():
        _fresh(statement)
    measured: dict[str, list[tuple[float, int]]] = {name: [] for name in statements}
    for _ in range(max(5, options.repeats)):
        for name, statement in statements.items():
            measured[name].append(_fresh(statement))
    times = {name: Timing.of([t for t, _ in values]) for name, values in measured.items()}
    memory = {name: max(m for _, m in values) for name, values in measured.items()}
    rows = []
    for name in _OURS:
        for i, other in enumerate(others):
            row = Row(f"{name}, fresh process", "ms", times[name], other, times[other])
            row.memory, row.peer_memory = memory[name], memory[other]
            row.target = 300.0 if i == 0 and name == "import" else None
            row.note = "memory: peak of the whole process" if i == 0 else ""
            rows.append(row)
    return rows


def _fresh(statement: str) -> tuple[float, int]:
    command = [sys.executable, "-W", "ignore", "-c", _IMPORT.format(statement=statement)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, peak = done.stdout.split()[-2:]
    return float(seconds), int(peak)


def _package_folder() -> Path:
    spec = importlib.util.find_spec("clmassmod")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _installed_size() -> Row:
    folder = _package_folder()
    files = [f for f in folder.rglob("*") if f.is_file() and not set(_SKIPPED) & set(f.parts)]
    row = Row("size of the package's files", "MB", size=sum(f.stat().st_size for f in files))
    row.target = 10.0
    row.note = f"{len(files)} files, without byte code"
    return row


def _wheel() -> list[Row]:
    """Build the wheel once, from a copy of the committed files."""
    with tempfile.TemporaryDirectory() as temporary:
        source, target = Path(temporary) / "source", Path(temporary) / "wheel"
        source.mkdir()
        _export(source)
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(target)]
        isolated = importlib.util.find_spec("mesonpy") is None
        if not isolated:
            command.append("--no-build-isolation")
        start = time.perf_counter()
        done = subprocess.run(
            [*command, str(source)], capture_output=True, text=True, env=_path(), check=False
        )
        seconds = time.perf_counter() - start
        if done.returncode:
            return [Row("wheel build", "s", note=f"failed: {done.stderr.strip()[-200:]}")]
        size = next(target.glob("*.whl")).stat().st_size
    how = "build tools fetched by pip" if isolated else "build tools installed before"
    built = Row("wheel build", "s", Timing(seconds, seconds, seconds, 1), target=120.0)
    built.note = f"once, {os.cpu_count()} cores, {how}"
    return [built, Row("wheel file", "MB", size=size, target=10.0)]


def _path() -> dict[str, str]:
    """Put the tools of this environment first, for meson, ninja and cython."""
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([here, os.environ.get("PATH", "")])}


def _export(target: Path) -> None:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, path)
