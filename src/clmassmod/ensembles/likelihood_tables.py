"""Likelihoods of masses as the compiled core wants them: cubics on equal steps, and samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline
from scipy.special import logsumexp

from .._core import ensemble as core
from ..errors import ParameterError

Array = npt.NDArray[np.float64]

_CUT = 10.0
_WIDTH_DEPTH = 4.0
_FEWEST, _MOST = 8, 8192
_WIDEST = 10.0


@dataclass(frozen=True)
class MassGrid:
    """The likelihood of one mass on a grid.

    Parameters
    ----------
    mass : (G,) array, Msun, increasing
        At least 8; negative ones may be among them.
    log_likelihood : (G,) array
        ln L, up to a constant; -inf where it vanishes.
    """

    mass: Array
    log_likelihood: Array


@dataclass(frozen=True)
class MassSamples:
    """The likelihood of one mass as samples of a posterior with an interim prior.

    Parameters
    ----------
    mass : (S,) array, Msun
    log_prior : (S,) array
        ln of the interim prior density of the mass alone [1/Msun].
    log_weight : (S,) array, optional
        Of the samples; zero by default.
    """

    mass: Array
    log_prior: Array
    log_weight: Array | None = None


def with_far_values(values: Array, part: GridTables | SampleTables, rows: Rows) -> Array:
    """Return ln L with what is told of distributions too far from the measured mass."""
    d2 = (rows.mean - part.peak[:, None]) ** 2 / (rows.sd**2 + part.width[:, None] ** 2)
    far = np.maximum(values, -part.far - np.log1p(d2))
    return np.where(np.isnan(values), -np.inf, far)


class Rows(NamedTuple):
    """Distributions of ln M, (objects, B) each."""

    mean: Array
    sd: Array
    tilt: Array
    slope: Array


class GridTables:
    """Cubics through ln L on equal steps of M."""

    far = 40.5

    def __init__(self, objects: list[tuple[str, Any]]) -> None:
        rows = [_on_equal_steps(name, one) for name, one in objects]
        n = len(rows)
        self.first = np.zeros(n + 1, dtype=np.int64)
        self.first[1:] = np.cumsum([values.size for _, _, values in rows])
        self.nodes = np.empty((int(self.first[-1]), 2))
        self.start = np.array([start for start, _, _ in rows], dtype=np.float64)
        self.step = np.array([step for _, step, _ in rows], dtype=np.float64)
        self.peak, self.width, self.shift = (np.zeros(n) for _ in range(3))
        self.low, self.high = (np.zeros((n, len(core.DEPTHS))) for _ in range(2))
        self.cut = np.zeros(n, dtype=bool)
        sizes = np.diff(self.first)
        for size in np.unique(sizes):
            members = np.flatnonzero(sizes == size)
            values = np.stack([rows[i][2] for i in members], axis=1)
            spline = CubicSpline(np.arange(size, dtype=np.float64), values, axis=0)
            slopes = spline(np.arange(size), 1)
            curvature = spline(np.arange(size), 2)
            for column, i in enumerate(map(int, members)):
                self._set(objects[i][0], i, values[:, column], slopes[:, column])
                self._set_width(i, slopes[:, column], curvature[:, column])

    def _set(self, name: str, i: int, values: Array, slopes: Array) -> None:
        mass = self.start[i] + self.step[i] * np.arange(values.size)
        if not mass[-1] > 0.0:
            raise ParameterError(f"mass[{name}]", float(mass[-1]), "a grid that reaches above 0")
        above = np.flatnonzero(mass > 0.0)
        top = values[max(above[0] - 1, 0) :].max()  # the cell that holds M = 0 counts
        self.peak[i] = np.log(mass[above[np.argmax(values[above])]])
        for k, depth in enumerate(core.DEPTHS):
            # the first mass > 0 counts even where L falls steeply from a maximum below 0
            kept = np.union1d(above[:1], above[values[above] > top - depth])
            first, last = max(kept[0] - 1, 0), min(kept[-1] + 1, values.size - 1)
            self.low[i, k] = np.log(mass[first]) if mass[first] > 0.0 else -np.inf
            self.high[i, k] = np.log(mass[last])
        self.shift[i] = top
        at_low = values[0] if mass[0] > 0.0 else -np.inf
        self.cut[i] = max(at_low, values[-1]) > top - _CUT
        place = slice(int(self.first[i]), int(self.first[i + 1]))
        self.nodes[place] = np.stack([values - top, slopes], axis=1)

    def _set_width(self, i: int, slopes: Array, curvature: Array) -> None:
        """Narrowest scale in ln M: from the second derivative M^2 l'' + M l' of ln L."""
        values = self.nodes[int(self.first[i]) : int(self.first[i + 1]), 0]
        places = self.start[i] / self.step[i] + np.arange(values.size)  # M in steps
        kept = (places > 0.0) & (values > -_WIDTH_DEPTH)
        bend = places**2 * curvature + places * slopes
        sharpest = float(np.max(-bend[kept], initial=1.0 / _WIDEST**2))
        self.width[i] = 1.0 / np.sqrt(sharpest)

    @property
    def arrays(self) -> tuple[Array, ...]:
        return self.nodes, self.start, self.step, self.shift

    def integrate(self, shape: int, rows: Rows, parameters: Array, n_threads: int) -> Array:
        out = np.empty_like(rows.mean)
        core.of_grids(
            shape,
            self.first,
            self.nodes,
            self.start,
            self.step,
            self.low,
            self.high,
            self.peak,
            self.width,
            rows.mean,
            rows.sd,
            rows.tilt,
            rows.slope,
            parameters,
            out,
            n_threads,
        )
        return out

    def mass_and_weight(self, i: int) -> tuple[Array, Array]:
        values = self.nodes[int(self.first[i]) : int(self.first[i + 1]), 0]
        weight = np.exp(values - values.max())
        weight[[0, -1]] *= 0.5
        return self.start[i] + self.step[i] * np.arange(values.size), weight


class SampleTables:
    """ln M of samples, and ln of their weights over the interim prior."""

    far = 700.0

    def __init__(self, objects: list[tuple[str, Any]]) -> None:
        self._all = [_weights(name, one) for name, one in objects]
        rows = []
        for (name, _), (mass, log_weight) in zip(objects, self._all, strict=True):
            positive = mass > 0.0
            if not positive.any():
                raise ParameterError(
                    f"samples[{name}]", "none > 0", "some masses > 0", "Scan the mass instead."
                )
            # p(M) dM = p(ln M) dlnM
            rows.append((np.log(mass[positive]), log_weight[positive] - np.log(mass[positive])))
        self.first = np.zeros(len(rows) + 1, dtype=np.int64)
        self.first[1:] = np.cumsum([mass.size for mass, _ in rows])
        self.shift = np.array([weight.max() for _, weight in rows], dtype=np.float64)
        self.peak = np.array([mass.mean() for mass, _ in rows], dtype=np.float64)
        self.width = np.array([mass.std() for mass, _ in rows], dtype=np.float64) + 1e-6
        empty = [np.empty(0)]
        self.log_mass = np.concatenate([mass for mass, _ in rows] or empty)
        self.log_weight = np.concatenate([weight - weight.max() for _, weight in rows] or empty)

    @property
    def arrays(self) -> tuple[Array, ...]:
        return self.log_mass, self.log_weight, self.shift

    def row(self, i: int) -> tuple[Array, Array]:
        """Return ln M and ln weight over interim prior of the samples > 0 of one object."""
        place = slice(int(self.first[i]), int(self.first[i + 1]))
        return self.log_mass[place], self.log_weight[place]

    def size(self, i: int) -> int:
        """Return the number of all samples of one object."""
        return int(self._all[i][0].size)

    def integrate(self, shape: int, rows: Rows, parameters: Array, n_threads: int) -> Array:
        out = np.empty_like(rows.mean)
        core.of_samples(
            shape,
            self.first,
            self.log_mass,
            self.log_weight,
            rows.mean,
            rows.sd,
            rows.tilt,
            rows.slope,
            parameters,
            out,
            n_threads,
        )
        return out

    def mass_and_weight(self, i: int) -> tuple[Array, Array]:
        mass, log_weight = self._all[i]
        return mass, np.exp(log_weight - log_weight.max())


def _on_equal_steps(name: str, grid: MassGrid) -> tuple[float, float, Array]:
    """Return first mass, step and ln L of a grid, where it is finite around its maximum."""
    mass = np.asarray(grid.mass, dtype=np.float64)
    values = np.asarray(grid.log_likelihood, dtype=np.float64)
    if mass.ndim != 1 or mass.shape != values.shape:
        raise ParameterError(f"log_likelihood[{name}].shape", values.shape, f"{mass.shape}")
    if not (np.isfinite(mass).all() and np.all(np.diff(mass) > 0.0)):
        raise ParameterError(f"mass[{name}]", "not finite or increasing", "finite, increasing")
    if np.isnan(values).any() or np.isposinf(values).any():
        raise ParameterError(f"log_likelihood[{name}]", "NaN or +inf", "finite or -inf")
    bad = np.flatnonzero(~np.isfinite(values))
    peak = int(np.argmax(values))
    first = int(bad[bad < peak].max(initial=-1)) + 1
    last = int(bad[bad > peak].min(initial=mass.size))
    mass, values = mass[first:last], values[first:last]
    if mass.size < _FEWEST:
        raise ParameterError(f"mass[{name}]", f"{mass.size} finite points", f">= {_FEWEST}")
    step = (mass[-1] - mass[0]) / (mass.size - 1)
    if np.allclose(np.diff(mass), step, rtol=1e-6, atol=0.0):
        return float(mass[0]), float(step), values
    finest = float(np.diff(mass)[values[1:] > values.max() - _CUT].min(initial=step))
    size = int(np.clip(np.ceil((mass[-1] - mass[0]) / finest) + 1, mass.size, _MOST))
    equal = np.linspace(mass[0], mass[-1], size)
    return float(mass[0]), float(equal[1] - equal[0]), CubicSpline(mass, values)(equal)


def _weights(name: str, samples: MassSamples) -> tuple[Array, Array]:
    """Return masses and ln of (weight / interim prior), weights adding up to one."""
    mass = np.asarray(samples.mass, dtype=np.float64)
    log_prior = np.asarray(samples.log_prior, dtype=np.float64)
    given = samples.log_weight
    log_weight = np.zeros(mass.shape) if given is None else np.asarray(given, dtype=np.float64)
    if mass.ndim != 1 or not mass.size or not mass.shape == log_prior.shape == log_weight.shape:
        shapes = mass.shape, log_prior.shape, log_weight.shape
        raise ParameterError(f"samples[{name}]", shapes, "mass, log_prior, log_weight of one (S,)")
    if not (np.isfinite(mass).all() and np.isfinite(log_prior).all()):
        raise ParameterError(f"samples[{name}]", "not finite", "finite masses and log_prior")
    return mass, log_weight - logsumexp(log_weight) - log_prior
