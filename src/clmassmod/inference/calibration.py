"""Simulation-based calibration: are posteriors as wide, and where, as they say?

Talts et al. (2018): draw a truth from the prior, simulate data, sample the posterior; the rank
of the truth among the samples is uniform.
"""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from ..errors import FitError, FormatError, ParameterError
from ..parallel import map_tasks
from ..provenance import atomic_path, digest
from ..rng import checked_seed, purpose_key
from .rank_statistics import Counts, uniformity_p_value

Array = npt.NDArray[np.float64]
DrawPrior = Callable[[int], Any]
Simulate = Callable[[Array, int], Any]
PosteriorSamples = Callable[[Any, int], Any]

N_DRAWS = 99
_SECONDS = 5.0


@dataclass(frozen=True)
class Calibration:
    """Truths and what the posteriors said about them.

    Attributes
    ----------
    names : tuple of d str
    n_draws : int
        Independent samples that each truth was ranked among.
    truth : (n, d) ndarray
    ranks : (n, d) ndarray of int
        Number of these samples below the truth, 0..n_draws.
    pit : (n, d) ndarray
        Fraction of all samples below the truth.
    z : (n, d) ndarray
        (truth - mean) / sd of all samples.
    """

    names: tuple[str, ...]
    n_draws: int
    truth: Array
    ranks: Counts
    pit: Array
    z: Array

    def coverage(self, level: float) -> Array:
        """Return the share (d,) of truths inside the central interval of `level`."""
        return np.asarray((np.abs(2.0 * self.pit - 1.0) <= level).mean(axis=0))

    def rank_p_value(self) -> Array:
        """Return the p-value (d,) of uniform ranks: small if a posterior is shifted or too wide."""
        return np.array([uniformity_p_value(column, self.n_draws) for column in self.ranks.T])

    def coverage_p_value(self, level: float) -> Array:
        """Return the binomial p-value (d,) of `coverage`, both sides."""
        n = len(self.truth)
        inside = np.rint(self.coverage(level) * n).astype(int)
        return np.array([stats.binomtest(int(k), n, level).pvalue for k in inside])

    def width_p_value(self) -> Array:
        """Return the chi2 p-value (d,) of sum z^2, both sides; exact for normal posteriors."""
        n, total = len(self.z), (self.z**2).sum(axis=0)
        return np.asarray(2.0 * np.minimum(stats.chi2.cdf(total, n), stats.chi2.sf(total, n)))

    def lines(self) -> list[str]:
        """Return the numbers as lines of text, one per parameter below a head."""
        width = max(len(name) for name in (*self.names, "parameter"))
        head = ("p(ranks)", "68 %", "95 %", "mean z", "sd z", "p(width)")
        columns = (
            self.rank_p_value(),
            100.0 * self.coverage(0.682689),
            100.0 * self.coverage(0.954500),
            self.z.mean(axis=0),
            self.z.std(axis=0, ddof=1),
            self.width_p_value(),
        )
        lines = [f"{'parameter':<{width}}" + "".join(f"{one:>10}" for one in head)]
        for i, name in enumerate(self.names):
            lines.append(f"{name:<{width}}" + "".join(f"{column[i]:10.3g}" for column in columns))
        return lines


def simulation_based_calibration(
    draw_prior: DrawPrior,
    simulate: Simulate,
    posterior_samples: PosteriorSamples,
    n: int,
    seed: int,
    *,
    names: Sequence[str] = (),
    n_draws: int = N_DRAWS,
    executor: Executor | int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Calibration:
    """Draw truths from a prior, simulate data, and rank the truths in their posteriors.

    Parameters
    ----------
    draw_prior : callable
        ``draw_prior(seed) -> (d,)``: one truth.
    simulate : callable
        ``simulate(truth, seed) -> data``.
    posterior_samples : callable
        ``posterior_samples(data, seed) -> (s, d)``: samples worth at least `n_draws`
        independent ones, in the order they were drawn.
    n : int, > 0
        Simulations.
    seed : int, >= 0 and < 2^64
        Simulation i has seeds of its own from (seed, i), whatever n and the executor.
    names : sequence of d str, optional
    n_draws : int, > 0
        Samples to rank among, evenly spaced over those given.
    executor : None, int or concurrent.futures.Executor, optional
        As in `map_tasks`; the callables must then be picklable.
    checkpoint : path, optional
        File of the simulations so far, which are not done again; n may be larger than before.
    progress : bool, optional
        Show a progress bar.

    Returns
    -------
    Calibration

    Raises
    ------
    ParameterError
        A wrong argument, or a checkpoint of another calibration.
    FitError
        Too few samples, samples or truths that are not finite, naming the simulation.
    FormatError
        A damaged checkpoint.
    """
    checked_seed(seed)
    for name, value in (("n", n), ("n_draws", n_draws)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ParameterError(name, value, "an integer >= 1")
    kept = _Kept(checkpoint, digest("calibration", seed, n_draws, tuple(names)))
    work = partial(_one, draw_prior, simulate, posterior_samples, seed, n_draws)
    tasks = range(len(kept.rows), n)
    with kept, _bar(n, len(kept.rows), progress) as bar:
        for row in map_tasks(work, tasks, executor):
            kept.add(row)
            bar.update(1)
    return _calibration(np.array(kept.rows[:n]), tuple(names), n_draws)


def _one(
    draw_prior: DrawPrior,
    simulate: Simulate,
    posterior_samples: PosteriorSamples,
    seed: int,
    n_draws: int,
    i: int,
) -> Array:
    """Return truth, rank, PIT and z-score (4, d) of simulation i."""
    key = np.random.SeedSequence([seed, i, purpose_key("calibration")])
    first, second, third = (int(s) for s in key.generate_state(3, np.uint64))
    truth = np.atleast_1d(np.asarray(draw_prior(first), dtype=np.float64))
    samples = np.asarray(posterior_samples(simulate(truth, second), third), dtype=np.float64)
    samples = samples.reshape(-1, 1) if samples.ndim == 1 else samples
    if samples.ndim != 2 or samples.shape[1] != truth.size or len(samples) < n_draws:
        allowed = f"(s >= {n_draws}, {truth.size})"
        raise FitError(f"simulation {i}: samples are {samples.shape}, not {allowed}")
    if not (np.isfinite(samples).all() and np.isfinite(truth).all()):
        raise FitError(f"simulation {i}: truth or samples are not finite (truth {truth.tolist()})")
    spaced = samples[np.linspace(0, len(samples) - 1, n_draws).astype(int)]
    rank = (spaced < truth).sum(axis=0)
    pit = (samples < truth).mean(axis=0)
    return np.stack([truth, rank, pit, (truth - samples.mean(axis=0)) / samples.std(axis=0)])


def _calibration(rows: Array, names: tuple[str, ...], n_draws: int) -> Calibration:
    truth, ranks, pit, z = np.moveaxis(rows, 1, 0)
    d = truth.shape[1]
    if names and len(names) != d:
        raise ParameterError("names", names, f"{d} names, as there are parameters")
    given = names or tuple(f"parameter {i}" for i in range(d))
    return Calibration(given, n_draws, truth, ranks.astype(np.int64), pit, z)


class _Kept:
    """Rows of simulations, in a file if there is one; written at the end in any case."""

    def __init__(self, path: str | os.PathLike[str] | None, identity: str) -> None:
        self._path = None if path is None else Path(path)
        self._identity = identity
        self._saved_at = time.monotonic()
        self.rows: list[Array] = []
        if self._path is not None and self._path.exists():
            self.rows = list(self._read(self._path))

    def __enter__(self) -> _Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self._save()

    def add(self, row: Array) -> None:
        self.rows.append(row)
        if time.monotonic() - self._saved_at > _SECONDS:
            self._save()

    def _save(self) -> None:
        if self._path is None or not self.rows:
            return
        rows = np.array(self.rows)
        check = digest(self._identity, rows)
        with atomic_path(self._path) as temporary, open(temporary, "wb") as file:
            np.savez(file, identity=self._identity, rows=rows, check=check)
        self._saved_at = time.monotonic()

    def _read(self, path: Path) -> Array:
        try:
            # numpy leaves a file that it opened itself open when it is not an archive
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
                identity, rows, check = str(file["identity"]), file["rows"], str(file["check"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise FormatError(path, "checkpoint", f"is not one, or damaged: {error}") from error
        if digest(identity, rows) != check:
            raise FormatError(path, "check", "does not match the content: the file is damaged")
        if identity != self._identity:
            advice = "Remove the file to start anew, or give another path."
            allowed = "of a calibration with the same seed, n_draws and names"
            raise ParameterError("checkpoint", str(path), allowed, advice)
        return np.asarray(rows)


def _bar(total: int, initial: int, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(
        total=total, initial=initial, desc="calibration", unit="simulation", disable=not progress
    )
