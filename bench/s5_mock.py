"""S5: a mock survey, from galaxies to the observed images behind them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import lens_oracle, lens_peers
from .harness import Options, Row, Timing, compare, deviation, peak_memory
from .oracles import Array

TITLE = "S5: mock of lens galaxies, sources, images, noise and selection"
TARGET = 1.0
TOLERANCE = 1e-9
SIZE = 1_000_000
SEED = 11
LOOP = 50
"""Galaxies of the peer that handles one at a time; its time is per galaxy."""
CHECKED = 30
"""Galaxies, and lensed sources, that are compared with the truth."""
SCANNED = 20_000
"""Galaxies among which the checked ones are."""

Factory = Callable[[], Callable[[], Any]]


def _ours(size: int, threads: int = 1) -> Factory:
    def make() -> Callable[[], Any]:
        from clmassmod.stronglens import MockGenerator

        generator = MockGenerator()
        return lambda: generator.generate(size, seed=SEED, n_threads=threads)

    return make


def _to_file(size: int) -> Factory:
    def make() -> Callable[[], Any]:
        from clmassmod.stronglens import MockGenerator

        generator = MockGenerator()

        def call() -> None:
            with tempfile.TemporaryDirectory() as folder:
                generator.write(Path(folder) / "mock.h5", size, seed=SEED)

        return call

    return make


def implementations(case: str, size: int) -> dict[str, Factory]:
    """Return, by name, what builds the call on `size` galaxies; `case` is "mock"."""
    del case
    return {
        "ours": _ours(size),
        "ours, to a file": _to_file(size),
        "numpy and brentq, NFW": lambda: lambda: lens_peers.mock_by_brentq(min(LOOP, size), SEED),
    }


# -- accuracy -------------------------------------------------------------------------------------


def _error() -> float:
    """Return the greatest relative deviation of a galaxy's or a source's numbers."""
    catalogue = _ours(SCANNED)()()
    galaxies, sources = catalogue.galaxies, catalogue.sources
    return max(_galaxy_error(galaxies), _source_error(galaxies, sources))


def _lens(galaxies: Any, i: int, z_s: float = 2.0) -> Any:
    names = ("log_mstar", "log_mhalo", "log_re", "z_l", "gamma_in", "c200")
    return lens_oracle.twin(**{name: galaxies[name][i] for name in names}, z_s=z_s)


def _galaxy_error(galaxies: Any) -> float:
    """Compare Einstein radius, caustic and the expected number of sources."""
    ours, truth = [], []
    with_ring = np.flatnonzero(galaxies["status"] == 0)
    for i in with_ring[:: with_ring.size // CHECKED]:
        twin = _lens(galaxies, i)
        names = ("einstein_radius", "caustic_radius", "expected_sources")
        ours.append([galaxies[name][i] for name in names])
        arcmin = float(twin.distances[0]) * math.pi / 10_800.0
        expected = 28.57 / arcmin**2 * math.pi * twin.caustic_radius**2
        truth.append([twin.einstein_radius, twin.caustic_radius, expected])
    return deviation(ours, truth)


def _source_error(galaxies: Any, sources: Any) -> float:
    """Compare the images of sources."""
    ours, truth = [], []
    rows = np.searchsorted(galaxies["galaxy_id"], sources["galaxy_id"])
    for k in range(0, rows.size, max(1, rows.size // CHECKED)):
        twin, beta = _lens(galaxies, rows[k], sources["z_s"][k]), float(sources["beta"][k])
        ours.append([sources[name][k] for name in ("x_a", "x_b", "mu_a", "mu_b")])
        solution: Array = lens_oracle.solution(twin, beta)
        # magnifications next to the caustic divide by a radial eigenvalue near 0
        solution[5:] = [_near(ours[-1][2], solution[5]), _near(ours[-1][3], solution[6])]
        truth.append(solution[3:])
    return deviation(ours, truth)


def _near(value: float, truth: float) -> float:
    return truth if abs(truth) < 30.0 else value


# -- rows -----------------------------------------------------------------------------------------


def run(options: Options) -> list[Row]:
    """Measure a mock in memory and to a file, and the scaling."""
    size = SIZE // 20 if options.quick else SIZE
    error = _error()
    print("  mock", flush=True)
    rows = _against_peer(size, error, options)
    print("  scaling", flush=True)
    return rows + (_scaling(size, options) if error <= TOLERANCE else [])


def _against_peer(size: int, error: float, options: Options) -> list[Row]:
    made = implementations("mock", size)
    peer = "numpy and brentq, NFW"
    if error > TOLERANCE:
        made = {peer: made[peer]}
    times = compare({name: make() for name, make in made.items()}, options.repeats)
    used = {
        name: peak_memory("s5_mock", "mock", name, size, 1000) if options.memory else None
        for name in made
    }
    rows = []
    for name, label in (("ours", "in memory"), ("ours, to a file", "to an HDF5 file")):
        row = Row(f"{size} galaxies, {label}", "us/galaxy", peer=peer)
        row.ours = times[name].per(size) if name in times else None
        row.theirs = times[peer].per(min(LOOP, size))
        row.error, row.tolerance = error, TOLERANCE
        row.memory, row.peer_memory = used.get(name), used[peer]
        if name == "ours":
            row.target = TARGET
            row.note = f"truth: quadrature and brentq, {CHECKED} galaxies and {CHECKED} sources"
        rows.append(row)
    return rows


def _scaling(size: int, options: Options) -> list[Row]:
    rows = []
    for count in (size // 100, size // 10, size):
        calls = {f"{n}": _ours(count, n)() for n in (1, 2)}
        times: dict[str, Timing] = compare(calls, options.repeats)
        for threads in (1, 2):
            case = f"scaling, {count} galaxies, {threads} thread{'s'[: threads - 1]}"
            rows.append(Row(case, "us/galaxy", times[f"{threads}"].per(count)))
    return rows
