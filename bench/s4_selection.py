"""S4: the normalisation A(eta) of a selected sample: one call, and its build."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .harness import Options, Row, Timing, compare
from .oracles import Array

TITLE = "S4: A(eta) of a sample of lenses, default box, six parameters free"
TARGET = 0.2
BUILD_TARGET = 10.0
SAMPLE = 1000
"""Lenses: N times the error of a difference of ln A is the error of ln L."""
TOLERANCE = 0.01
BATCH = 64
DRAWS = 10_000
TRUTH = (0.0, 12.91, 2.04, 0.37, 1.0, 0.2)
# differences of ln A to `TRUTH`: nested quadrature of tests/unit/selection_twin.py, good to 3e-6
DIFFERENCES = (
    ((0.0, 13.01, 2.04, 0.37, 1.0, 0.2), 0.106795),
    ((0.0, 12.91, 2.34, 0.37, 1.0, 0.2), 0.050403),
    ((0.0, 12.91, 2.04, 0.27, 1.0, 0.2), -0.070243),
    ((0.0, 12.91, 2.04, 0.15, 1.0, 0.2), -0.113650),
    ((0.0, 12.91, 2.04, 0.10, 1.0, 0.2), -0.123193),
    ((0.0, 12.91, 2.04, 0.37, 1.1, 0.2), 0.199602),
    ((0.0, 12.91, 2.04, 0.37, 1.0, 0.15), -0.062881),
    ((0.1, 12.91, 2.04, 0.37, 1.0, 0.2), 0.283700),
)


@lru_cache(maxsize=1)
def _selection(quick: bool) -> Any:
    from clmassmod.population.selection import build_selection

    box = {"alpha_sps": (-0.1, 0.2), "mu_h": (12.6, 13.2), "beta_h": (1.7, 2.4)}
    box |= {"sigma_h": (0.1, 0.4), "mu_g": (0.8, 1.2), "sigma_g": (0.1, 0.3)}
    return build_selection(box=box if quick else None)


def _points(eta: Any) -> Array:
    from clmassmod.population.parameters import PopulationParameters
    from clmassmod.stronglens import LensPopulation

    return PopulationParameters(LensPopulation()).vectors(eta)


def monte_carlo(eta: Any, seed: int) -> float:
    """Return ln A from galaxies drawn at random, as the prototype had it."""
    from clmassmod.population.cross_section import CrossSection, DetectedCounts
    from clmassmod.population.parameters import PopulationParameters
    from clmassmod.stronglens import LensPopulation, MagnitudeLimit, SourcePopulation

    sources = SourcePopulation()
    section = CrossSection(DetectedCounts(sources, MagnitudeLimit(), 0.1), sources)
    population = PopulationParameters(LensPopulation()).with_values(eta)
    s = population.sample(np.arange(DRAWS), seed)
    return float(np.log(section(s.log_mstar, s.log_re, s.log_mhalo, s.gamma_in).mean()))


def _errors(quick: bool) -> tuple[float, float]:
    """Return N times the greatest error of a difference of ln A: ours, and of random draws."""
    etas = np.array([TRUTH, *(eta for eta, _ in DIFFERENCES)])
    truth = np.array([0.0, *(value for _, value in DIFFERENCES)])
    ours = _selection(quick).log_a(_points(etas))
    # other draws at every eta
    drawn = np.array([monte_carlo(eta, seed) for seed, eta in enumerate(etas)])
    deviations = (np.abs(values - values[0] - truth).max() for values in (ours, drawn))
    first, second = (SAMPLE * float(value) for value in deviations)
    return first, second


def implementations(quick: bool) -> dict[str, Callable[[], Any]]:
    """Return, by name, calls for `BATCH` etas, one eta, and one eta by random draws."""
    rng = np.random.default_rng(11)
    width = np.array([0.02, 0.05, 0.1, 0.02, 0.03, 0.02])
    points = _points(np.array(TRUTH) + width * np.clip(rng.normal(size=(BATCH, 6)), -2.0, 2.0))
    selection = _selection(quick)
    return {
        "batch": lambda: selection.log_a(points),
        "batch, 2 threads": lambda: selection.log_a(points, n_threads=2),
        "one": lambda: selection.log_a(points[:1]),
        "draws": lambda: monte_carlo(np.array(TRUTH), 1),
    }


def run(options: Options) -> list[Row]:
    """Measure the build, then calls, singly and in batches."""
    start = time.perf_counter()
    selection = _selection(options.quick)
    built = Timing.of([time.perf_counter() - start])
    ours, drawn = _errors(options.quick)
    times = compare(implementations(options.quick), options.repeats)
    peer = f"mean of {DRAWS} random galaxies"
    rows = [Row(f"build, {selection.n_nodes} nodes, 1 thread", "s", built, target=BUILD_TARGET)]
    rows[0].note = f"{selection.nbytes / 1e6:.0f} MB"
    for name, count, target in (
        ("batch", BATCH, TARGET),
        ("batch, 2 threads", BATCH, None),
        ("one", 1, None),
    ):
        row = Row(f"A(eta), {name}", "ms/eta", times[name].per(count), peer, times["draws"])
        row.error, row.peer_error, row.tolerance = ours, drawn, TOLERANCE
        row.target = target
        row.note = f"errors: {SAMPLE} times that of differences of ln A [nat]"
        rows.append(row)
    return rows
