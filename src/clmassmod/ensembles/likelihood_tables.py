"""Likelihoods of masses as the compiled core wants them: cubics on equal steps, and samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline
from scipy.special import logsumexp, ndtr

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


class GridTables:
    """Cubics through ln L on equal steps of M."""

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
            self._set([objects[i][0] for i in members], members, values, slopes)
            self._set_width(members, slopes, curvature)

    def _set(self, names: list[str], members: Any, values: Array, slopes: Array) -> None:
        """Set nodes, ends and maximum of objects with grids of one size, (size, objects)."""
        size = len(values)
        mass = self.start[members] + self.step[members] * np.arange(size)[:, None]
        below = np.flatnonzero(~(mass[-1] > 0.0))
        if below.size:
            worst = int(below[0])
            allowed = "a grid that reaches above 0"
            raise ParameterError(f"mass[{names[worst]}]", float(mass[-1, worst]), allowed)
        columns = np.arange(len(names))
        start = np.argmax(mass > 0.0, axis=0)
        # the cell that holds M = 0 counts
        counted = np.arange(size)[:, None] >= start - 1
        top = np.max(np.where(counted, values, -np.inf), axis=0)
        positive = np.where(mass > 0.0, values, -np.inf)
        self.peak[members] = np.log(mass[np.argmax(positive, axis=0), columns])
        for k, depth in enumerate(core.DEPTHS):
            kept = positive > top - depth
            # the first mass > 0 counts even where L falls steeply from a maximum below 0
            kept[start, columns] = True
            first = mass[np.maximum(np.argmax(kept, axis=0) - 1, 0), columns]
            last = np.minimum(size - np.argmax(kept[::-1], axis=0), size - 1)
            log_first = np.log(np.where(first > 0.0, first, 1.0))
            self.low[members, k] = np.where(first > 0.0, log_first, -np.inf)
            self.high[members, k] = np.log(mass[last, columns])
        self.shift[members] = top
        at_low = np.where(mass[0] > 0.0, values[0], -np.inf)
        self.cut[members] = np.maximum(at_low, values[-1]) > top - _CUT
        place = self.first[members] + np.arange(size)[:, None]
        self.nodes[place] = np.stack([values - top, slopes], axis=-1)

    def _set_width(self, members: Any, slopes: Array, curvature: Array) -> None:
        """Narrowest scale in ln M: from the second derivative M^2 l'' + M l' of ln L."""
        rows = np.arange(len(slopes))[:, None]
        values = self.nodes[self.first[members] + rows, 0]
        places = self.start[members] / self.step[members] + rows  # M in steps
        kept = (places > 0.0) & (values > -_WIDTH_DEPTH)
        bend = places**2 * curvature + places * slopes
        sharpest = np.max(np.where(kept, -bend, 0.0), axis=0, initial=1.0 / _WIDEST**2)
        self.width[members] = 1.0 / np.sqrt(sharpest)

    @property
    def arrays(self) -> tuple[Array, ...]:
        return self.nodes, self.start, self.step, self.shift

    def mass_and_weight(self, i: int) -> tuple[Array, Array]:
        values = self.nodes[int(self.first[i]) : int(self.first[i + 1]), 0]
        weight = np.exp(values - values.max())
        weight[[0, -1]] *= 0.5
        return self.start[i] + self.step[i] * np.arange(values.size), weight

    def mass_and_confidence(self, i: int) -> tuple[Array, Array]:
        """Return masses, and how much more probable lower data are at each than at the next.

        Data below what was measured have the probability Phi(r) at a mass M, r the signed root of
        twice the fall of ln L from its maximum to M, positive below it: exact where the data, or
        any function of them, are normal with one width about a monotonic function of M.
        """
        nodes = self.nodes[int(self.first[i]) : int(self.first[i + 1])]
        values, slopes = nodes.T
        mass = self.start[i] + self.step[i] * np.arange(values.size)
        between = 0.5 * (values[1:] + values[:-1]) + 0.125 * (slopes[:-1] - slopes[1:])
        top = int(np.argmax(values))
        bend = slopes[min(top + 1, values.size - 1)] - slopes[max(top - 1, 0)]
        inside = 0 < top < values.size - 1 and bend < 0.0
        shift = float(np.clip(-2.0 * slopes[top] / bend, -0.5, 0.5)) if inside else 0.0
        highest = max(values[top] + 0.5 * slopes[top] * shift, float(between.max()))
        sign = np.where(np.arange(between.size) + 0.5 >= top + shift, 1.0, -1.0)
        below = ndtr(sign * np.sqrt(2.0 * (highest - between)))
        return mass, np.diff(np.maximum.accumulate(below), prepend=0.0, append=1.0)


class SampleTables:
    """ln M of samples, and ln of their weights over the interim prior."""

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

    def mass_and_weight(self, i: int) -> tuple[Array, Array]:
        mass, log_weight = self._all[i]
        return mass, np.exp(log_weight - log_weight.max())

    def mass_and_confidence(self, i: int) -> tuple[Array, Array]:
        """Return the samples and their weights over the interim prior, which add up to one."""
        mass, weight = self.mass_and_weight(i)
        return mass, weight / weight.sum()


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
