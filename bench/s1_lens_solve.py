"""S1: forward solve of lenses: theta_E, x_rad, y_c, two images, two magnifications."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from . import lens_oracle, lens_peers, peers
from .harness import Options, Row, Timing, compare, deviation, peak_memory
from .oracles import Array

TITLE = "S1: forward lens solve, de Vaucouleurs + generalised NFW"
TARGET = 0.5
TOLERANCE = 1e-9
SIZE = 100_000
LOOP = 20
"""Lenses of a peer that solves one at a time; its time is per lens."""
CHECKED = 60
"""Lenses whose every number is compared with the truth."""
COLUMNS = ("log_mstar", "log_mhalo", "log_re", "gamma_in")

Factory = Callable[[], Callable[[], Any]]


@dataclass(frozen=True)
class Batch:
    """Parameters (n,) of lenses at 0.3 with sources at 2, and source offsets [kpc]."""

    log_mstar: Array
    log_mhalo: Array
    log_re: Array
    gamma_in: Array
    beta: Array

    def lens(self) -> dict[str, Array]:
        """Return the arguments of the lens model."""
        return {name: getattr(self, name) for name in COLUMNS}

    def first(self, count: int) -> Batch:
        """Return the first `count` lenses."""
        return Batch(*(getattr(self, name)[:count] for name in (*COLUMNS, "beta")))


@lru_cache(maxsize=8)
def batch(size: int, nfw: bool = False) -> Batch:
    """Return `size` lenses: SLACS-like masses, gamma ~ N(1, 0.2) in [0.4, 1.8], or 1 for all."""
    from scipy.special import ndtri

    from clmassmod.stronglens import LensModel

    # one row of random numbers a lens: a smaller batch is the beginning of a larger one
    u = np.random.default_rng(20240917).uniform(1e-9, 1.0 - 1e-9, size=(size, 5))
    log_mstar = 11.4 + 0.25 * np.clip(ndtri(u[:, 0]), -2.0, 2.0)
    log_mhalo = 12.91 + 2.04 * (log_mstar - 11.4) + 0.37 * np.clip(ndtri(u[:, 1]), -2.0, 2.0)
    log_re = 0.774 + 0.977 * (log_mstar - 11.4) + 0.112 * np.clip(ndtri(u[:, 2]), -2.0, 2.0)
    gamma = np.ones(size) if nfw else np.clip(1.0 + 0.2 * ndtri(u[:, 3]), 0.4, 1.8)
    caustic = LensModel(log_mstar, log_mhalo, log_re, gamma_in=gamma).caustic_radius()
    # uniform in the area of the caustic, but for its edge
    return Batch(log_mstar, log_mhalo, log_re, gamma, 0.98 * np.sqrt(u[:, 4]) * caustic)


def _solve(model: Any, beta: Array, threads: int) -> Any:
    from clmassmod.stronglens import solve_images

    return solve_images(model, beta, n_threads=threads)


def _ours(b: Batch, threads: int = 1, built: bool = False) -> Factory:
    """Return our call, with or without building the model."""

    def make() -> Callable[[], Any]:
        from clmassmod.stronglens import LensModel

        if built:
            return lambda: _solve(LensModel(**b.lens()), b.beta, threads)
        model = LensModel(**b.lens())
        return lambda: _solve(model, b.beta, threads)

    return make


def implementations(case: str, size: int) -> dict[str, Factory]:
    """Return, by name, what builds the call of `case` ("gNFW" or "NFW") on `size` lenses."""
    b = batch(size, case == "NFW")
    made: dict[str, Factory] = {"ours": _ours(b), "ours, built": _ours(b, built=True)}
    if case == "NFW":
        few = b.first(LOOP)
        made["scipy brentq"] = lambda: lens_peers.by_brentq(few.lens(), few.beta)
        if peers.installed("lenstronomy"):
            made["lenstronomy"] = lambda: lens_peers.by_lenstronomy(few.lens(), few.beta)
    return made


def _per_lens(name: str, size: int) -> int:
    return size if name.startswith("ours") else min(LOOP, size)


# -- accuracy -------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _truth(nfw: bool) -> Array:
    """Return (CHECKED, 7)."""
    b = batch(CHECKED, nfw)
    rows = []
    for i in range(CHECKED):
        twin = lens_oracle.twin(**{name: values[i] for name, values in b.lens().items()})
        rows.append(lens_oracle.solution(twin, float(b.beta[i])))
    return np.array(rows)


def _numbers(images: Any) -> Array:
    names = (*lens_oracle.RADII, "x_a", "x_b", "mu_a", "mu_b")
    return np.stack([getattr(images, name) for name in names], axis=1)


def _errors(case: str) -> tuple[dict[str, float], str]:
    """Return the greatest relative deviation by implementation, and what a peer missed."""
    truth, note = _truth(case == "NFW"), ""
    errors = {"ours": deviation(_numbers(implementations(case, CHECKED)["ours"]()()), truth)}
    for name, make in implementations(case, CHECKED).items():
        if name.startswith("ours"):
            continue
        values = peers.quietly(lambda make=make: make()())
        missed = np.isnan(values[:, 3:5])
        if missed.any():
            note = f"; {name} missed {missed.sum()} of {missed.size} images"
        # it has no x_rad and y_c where these are nan; images it missed are named
        there = np.isfinite(values)
        errors[name] = deviation(values[there], truth[: len(values)][there])
    return errors, note


# -- rows -----------------------------------------------------------------------------------------


def run(options: Options) -> list[Row]:
    """Measure a batch of lenses, the same with NFW haloes beside the peers, and the scaling."""
    size = SIZE // 10 if options.quick else SIZE
    rows = []
    for case in ("gNFW", "NFW"):
        print(f"  {case}", flush=True)
        rows += _case(case, size, options)
    print("  scaling", flush=True)
    return rows + _scaling(size, options)


def _case(case: str, size: int, options: Options) -> list[Row]:
    errors, missed = _errors(case)
    made = implementations(case, size)
    if errors["ours"] > TOLERANCE:
        made = {name: make for name, make in made.items() if not name.startswith("ours")}
    calls = {name: peers.quietly(make) for name, make in made.items()}
    times = peers.quietly(lambda: compare(calls, options.repeats)) if calls else {}
    times = {name: time.per(_per_lens(name, size)) for name, time in times.items()}
    used = _memory(case, calls, size) if options.memory else {}
    others = [name for name in errors if name != "ours"] or [""]
    rows = []
    for label, ours in (("", "ours"), (", building the model included", "ours, built")):
        for i, name in enumerate(others):
            row = Row(f"{case}, n = {size}{label}", "us/lens", times.get(ours), name)
            row.theirs, row.error = times.get(name), errors["ours"]
            row.peer_error, row.tolerance = errors.get(name), TOLERANCE
            if ours == "ours":
                row.target = TARGET if i == 0 else None
                row.memory, row.peer_memory = used.get("ours"), used.get(name)
                row.note = (
                    f"truth: quadrature and brentq, {CHECKED} lenses{missed}" if i == 0 else ""
                )
            rows.append(row)
    return rows


def _memory(case: str, calls: dict[str, Any], size: int) -> dict[str, int | None]:
    names = [name for name in calls if name != "ours, built"]
    return {name: peak_memory("s1_lens_solve", case, name, size, LOOP) for name in names}


def _scaling(size: int, options: Options) -> list[Row]:
    rows = []
    for count in (size // 10, size, 10 * size):
        b = batch(count)
        calls = {f"{n}": _ours(b, n)() for n in (1, 2)}
        times: dict[str, Timing] = compare(calls, options.repeats)
        for threads in (1, 2):
            case = f"gNFW scaling, n = {count}, {threads} thread{'s'[: threads - 1]}"
            rows.append(Row(case, "us/lens", times[f"{threads}"].per(count)))
    return rows
