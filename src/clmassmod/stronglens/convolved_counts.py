"""Number counts convolved with the errors of the magnitudes, as a table of its logarithm."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError

Array = npt.NDArray[np.float64]

_STEP = 0.005
_STEPS_PER_SIGMA = 25.0
_REACH = 8.0
_WINDOW = 40.0
_PANEL = 0.05
_ROWS = 64
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


@dataclass(frozen=True, eq=False)
class ConvolvedCounts:
    """Table of ``ln F(m)``, F the counts convolved with a normal distribution.

    Attributes
    ----------
    sigma : float
        Standard deviation of the magnitudes.
    start, step : float
        Magnitude of the first node, distance of the nodes.
    coefficients : (n, 4) ndarray
        ``ln F = c0 + t (c1 + t (c2 + t c3))`` with t in [0, 1] on each interval.

    Notes
    -----
    The nodes reach 8 sigma beyond the counts and lie 0.005 mag or sigma / 25 apart, whichever
    is less. Values and slopes at the nodes are integrals by Gauss-Legendre rules; the cubic
    between them keeps F to a relative 1e-8 wherever it exceeds e^-600 of its maximum.
    """

    sigma: float
    start: float
    step: float
    coefficients: Array

    @classmethod
    def of(cls, density: Callable[[Array], Array], breaks: Array, sigma: float) -> ConvolvedCounts:
        """Return the table of `density` (of magnitude, smooth between the `breaks`)."""
        if not (isinstance(sigma, int | float | np.number) and 1e-3 <= sigma <= 5.0):
            raise ParameterError("sigma", sigma, "between 0.001 and 5 mag")
        sd = float(sigma)
        start, end = float(breaks[0]) - _REACH * sd, float(breaks[-1]) + _REACH * sd
        n = math.ceil((end - start) / min(_STEP, sd / _STEPS_PER_SIGMA))
        step = (end - start) / n
        at, log_weight = _nodes(density, breaks, min(_PANEL, 0.5 * sd))
        m = start + step * np.arange(n + 1, dtype=np.float64)
        value, slope = _log_convolution(m, at, log_weight, sd)
        return cls(sd, start, step, _hermite(value, step * slope))

    @property
    def end(self) -> float:
        """Magnitude of the last node."""
        return self.start + self.step * float(self.coefficients.shape[0])

    def log_density(self, m: Any) -> Array:
        """ln F at magnitude `m` [arcmin^-2 mag^-1]; -inf outside the table."""
        x = np.asarray(m, dtype=np.float64)
        position = (x - self.start) / self.step
        n = self.coefficients.shape[0]
        inside = (position >= 0.0) & (position <= n)
        safe = np.where(inside, position, 0.0)
        index = np.minimum(safe.astype(np.intp), n - 1)
        t = safe - index
        c = self.coefficients[index]
        value = c[..., 0] + t * (c[..., 1] + t * (c[..., 2] + t * c[..., 3]))
        return np.where(inside, value, np.where(np.isnan(x), np.nan, -np.inf))


def _nodes(density: Callable[[Array], Array], breaks: Array, width: float) -> tuple[Array, Array]:
    """Return quadrature nodes and the logarithms of weight times density, where not 0."""
    pieces = [np.linspace(a, b, math.ceil((b - a) / width) + 1)[:-1] for a, b in pairwise(breaks)]
    edges = np.append(np.concatenate(pieces), breaks[-1])
    half = 0.5 * np.diff(edges)[:, None]
    at = (edges[:-1, None] + half * (1.0 + _NODES)).ravel()
    weight = (half * _WEIGHTS).ravel() * density(at)
    filled = weight > 0.0
    return at[filled], np.log(weight[filled])


def _log_convolution(m: Array, at: Array, log_weight: Array, sd: float) -> tuple[Array, Array]:
    """Return ln F and its slope at magnitudes `m`, from the nodes within 40 sd."""
    value = np.full(m.size, -np.inf)
    slope = np.zeros(m.size)
    norm = math.log(sd) + 0.5 * math.log(2.0 * math.pi)
    for first in range(0, m.size, _ROWS):
        rows = slice(first, first + _ROWS)
        ends = m[rows][[0, -1]] + np.array([-_WINDOW, _WINDOW]) * sd
        near = slice(*np.searchsorted(at, ends))
        if near.start == near.stop:
            continue
        distance = (m[rows, None] - at[near]) / sd
        exponent = log_weight[near] - 0.5 * distance**2
        greatest = exponent.max(axis=1)
        share = np.exp(exponent - greatest[:, None])
        total = share.sum(axis=1)
        value[rows] = greatest + np.log(total) - norm
        # dF/dm = -<(m - m')> / sd^2 F
        slope[rows] = -np.sum(share * distance, axis=1) / (total * sd)
    return value, slope


def _hermite(value: Array, slope: Array) -> Array:
    """Return (n, 4) coefficients of the cubics with these values and slopes per step."""
    known = np.isfinite(value[:-1]) & np.isfinite(value[1:])
    low = np.where(known, value[:-1], 0.0)
    rise = np.where(known, value[1:], 0.0) - low
    first, second = slope[:-1], slope[1:]
    cubic = np.column_stack(
        [low, first, 3.0 * rise - 2.0 * first - second, first + second - 2.0 * rise]
    )
    # a gap in the counts wider than the noise: F underflows
    return np.where(known[:, None], cubic, np.array([-np.inf, 0.0, 0.0, 0.0]))
