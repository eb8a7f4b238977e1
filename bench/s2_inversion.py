"""S2: inversion of image pairs in every cell of a grid of halo masses and slopes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from . import lens_oracle, lens_peers, s1_lens_solve
from .harness import Options, Row, Timing, compare, peak_memory
from .oracles import Array

TITLE = "S2: inversion, Jacobian and photometry per (halo mass, slope) cell"
TARGET = 40.0
TOLERANCE = 1e-8
"""Of M* and beta over their scales, and of Jacobian and magnifications, which divide by R."""
SIZE = 1000
LOG_MHALO = np.linspace(11.0, 15.0, 30)
SLOPES = np.linspace(0.0, 2.0, 30)
CELLS = LOG_MHALO.size * SLOPES.size
SIGMA = 0.1
LOOP = 20
"""Pairs of the peer in numpy; its time is per cell."""
CHECKED = 12
"""Pairs of which one cell in 30 is compared with the truth."""

Factory = Callable[[], Callable[[], Any]]


@dataclass(frozen=True)
class Pairs:
    """Images [kpc] and magnitudes, and half-light radii, (n,) each."""

    x_a: Array
    x_b: Array
    log_re: Array
    m_a: Array
    m_b: Array

    def first(self, count: int) -> Pairs:
        """Return the first `count` pairs."""
        return Pairs(*(a[:count] for a in (self.x_a, self.x_b, self.log_re, self.m_a, self.m_b)))


@lru_cache(maxsize=4)
def pairs(size: int) -> Pairs:
    """Return the images of the lenses of S1, with sources of 23 to 26 mag."""
    from clmassmod.stronglens import LensModel, solve_images

    b = s1_lens_solve.batch(size)
    images = solve_images(LensModel(**b.lens()), b.beta)
    noise = np.random.default_rng(5).normal(0.0, 1.0, (size, 2))
    m = 24.5 + 1.5 * np.tanh(noise[:, 0])
    m_a = m - 2.5 * np.log10(images.mu_a) + SIGMA * noise[:, 0]
    m_b = m - 2.5 * np.log10(-images.mu_b) + SIGMA * noise[:, 1]
    return Pairs(images.x_a, images.x_b, b.log_re, m_a, m_b)


def _ours(p: Pairs, photometry: bool, threads: int = 1) -> Factory:
    def make() -> Callable[[], Any]:
        from clmassmod.stronglens import ImagePhotometry, InversionGrid
        from clmassmod.stronglens.source_counts import SchechterCounts

        grid = InversionGrid(LOG_MHALO, SLOPES)
        more: dict[str, Any] = {}
        if photometry:
            own = ImagePhotometry(SchechterCounts(), SIGMA, SIGMA)
            more = {"m_a": p.m_a, "m_b": p.m_b, "photometry": own}
        return lambda: grid.invert_images(p.x_a, p.x_b, p.log_re, n_threads=threads, **more)

    return make


def implementations(case: str, size: int) -> dict[str, Factory]:
    """Return, by name, what builds the call of `case` ("photometry" or "geometry")."""
    p, photometry = pairs(size), case == "photometry"
    few = p.first(LOOP)
    return {
        "ours": _ours(p, photometry),
        "numpy, splines": lambda: lens_peers.InvertByNumpy(LOG_MHALO, SLOPES, SIGMA).call(
            few.x_a, few.x_b, few.log_re, few.m_a, few.m_b, photometry
        ),
    }


# -- accuracy -------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _truth() -> dict[tuple[int, int, int], Array]:
    """Return log10 M*, beta, jacobian, mu_A, mu_B, ln photometry of some valid cells."""
    p = pairs(CHECKED)
    found = {}
    for i in range(CHECKED):
        for j, k in zip(range(0, SLOPES.size), np.arange(0, 7 * SLOPES.size, 7) % 30, strict=True):
            twin = lens_oracle.twin(
                log_mstar=0.0, log_mhalo=LOG_MHALO[k], log_re=p.log_re[i], gamma_in=SLOPES[j]
            )
            row = lens_oracle.inversion(twin, float(p.x_a[i]), float(p.x_b[i]))
            if row is not None:
                observed = float(p.m_a[i]), float(p.m_b[i])
                own = lens_oracle.photometry(*observed, *row[3:], SIGMA)
                found[i, j, int(k)] = np.append(row, own)
    return found


def _errors(case: str) -> dict[str, float]:
    """Return the greatest error of any number; of logarithms and offsets in kpc, absolute."""
    truth = _truth()
    cells = tuple(np.array(list(truth)).T)
    exact = np.array(list(truth.values())).T
    # a pair mostly deflected by the halo leaves M* a small difference; R_B near 0 likewise
    weight = np.minimum(1.0, 10.0 ** (exact[0] - 11.0)) / np.maximum(1.0, np.abs(exact[4]))
    scale = np.array([np.ones_like(exact[0])] * 2 + list(np.abs(exact[2:5])))
    errors = {}
    for name, make in implementations(case, CHECKED).items():
        result = make()()
        values = np.array([np.asarray(result[column])[cells] for column in range(5)])
        error = np.max(np.abs(values - exact[:5]) / scale * weight)
        if case == "photometry":
            log_photometry = np.asarray(result[5])[cells]
            # its slope in ln mu grows with u_A - u_B, as does ln of it; nan: no such source
            off = np.abs(log_photometry - exact[5]) / (1.0 + np.abs(exact[5])) * weight
            error = max(error, np.nanmax(off))
        errors[name] = float(error) if np.isfinite(error) else math.inf
    return errors


# -- rows -----------------------------------------------------------------------------------------


def run(options: Options) -> list[Row]:
    """Measure a grid of 30 x 30 cells, with and without photometry, and the scaling."""
    size = SIZE // 10 if options.quick else SIZE
    rows = []
    for case in ("photometry", "geometry"):
        print(f"  {case}", flush=True)
        rows.append(_case(case, size, options))
    print("  scaling", flush=True)
    return rows + _scaling(size, options)


def _case(case: str, size: int, options: Options) -> Row:
    errors = _errors(case)
    made = implementations(case, size)
    if errors["ours"] > TOLERANCE:
        del made["ours"]
    calls = {name: make() for name, make in made.items()}
    times = compare(calls, options.repeats)
    (peer,) = (name for name in errors if name != "ours")
    label = "with photometry" if case == "photometry" else "geometry alone"
    row = Row(f"{size} pairs x 30 x 30 cells, {label}", "ns/cell", peer=peer)
    if "ours" in times:
        row.ours = times["ours"].per(size * CELLS)
    row.theirs = times[peer].per(min(LOOP, size) * CELLS)
    row.error, row.peer_error, row.tolerance = errors["ours"], errors[peer], TOLERANCE
    row.target = TARGET if case == "photometry" else None
    row.note = f"truth: quadrature, {len(_truth())} cells; tables and grid built before"
    if options.memory:
        used = {name: peak_memory("s2_inversion", case, name, size, LOOP) for name in calls}
        row.memory, row.peer_memory = used.get("ours"), used.get(peer)
    return row


def _scaling(size: int, options: Options) -> list[Row]:
    rows = []
    for count in (size // 10, size, 10 * size):
        calls = {f"{n}": _ours(pairs(count), True, n)() for n in (1, 2)}
        times: dict[str, Timing] = compare(calls, options.repeats)
        for threads in (1, 2):
            case = f"scaling, {count} pairs, {threads} thread{'s'[: threads - 1]}"
            rows.append(Row(case, "ns/cell", times[f"{threads}"].per(count * CELLS)))
    return rows
