"""Number counts of background sources against magnitude."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline

from ..errors import ParameterError, nearest
from .convolved_counts import ConvolvedCounts

Array = npt.NDArray[np.float64]

_PANEL = 0.025
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_GREATEST_ITERATIONS = 100
_TOLERANCE = 1e-12
_DEGREE = 3


class SourceCounts(ABC):
    """Number of sources per arcmin^2 and magnitude, between two magnitudes.

    A subclass gives `m_min`, `m_max`, `density_at` and `to_dict`; `breaks` where the density
    is not smooth. The integral, its inverse and the convolution with noise follow.

    Notes
    -----
    Integrals are by Gauss-Legendre rules of 8 nodes on panels of at most 0.025 mag: rounding
    for densities that change by less than a factor of 30 over a panel.
    """

    kind: ClassVar[str] = "user"
    m_min: float
    m_max: float

    @abstractmethod
    def density_at(self, m: Any) -> Array:
        """Sources per arcmin^2 and magnitude at magnitude `m`; 0 outside [m_min, m_max]."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain values, for metadata."""

    @property
    def breaks(self) -> Array:
        """Magnitudes where the density is not smooth, from m_min to m_max."""
        return np.array([self.m_min, self.m_max])

    @property
    def density(self) -> float:
        """Sources per arcmin^2 in all."""
        return self._table.total

    def cdf(self, m: Any) -> Array:
        """Fraction of the sources brighter than magnitude `m`."""
        x = np.clip(np.asarray(m, dtype=np.float64), self.m_min, self.m_max)
        edges = self._table.edges
        panel = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, edges.size - 2)
        return np.asarray(self._brighter(x, panel) / self._table.total)

    def quantile(self, probability: Any) -> Array:
        """Magnitude that a fraction `probability` in [0, 1] of the sources is brighter than.

        Notes
        -----
        The panel comes from the tabulated integral; within it, Newton's method, kept inside a
        bracket, on the integral to 1e-12 mag or rounding.
        """
        u = np.asarray(probability, dtype=np.float64)
        if not np.all((u >= 0.0) & (u <= 1.0)):
            bad = u[~((u >= 0.0) & (u <= 1.0))].flat[0]
            raise ParameterError("probability", float(bad), "within [0, 1]")
        table = self._table
        target = u.ravel() * table.total
        last = table.edges.size - 2
        panel = np.clip(np.searchsorted(table.brighter, target, side="right") - 1, 0, last)
        return self._solved(target, panel).reshape(u.shape)

    def convolved(self, sigma: float) -> ConvolvedCounts:
        """Return the counts convolved with a normal error of `sigma` mag, as a table.

        Parameters
        ----------
        sigma : float, between 1e-3 and 5
            Standard deviation of the magnitudes.
        """
        return ConvolvedCounts.of(self.density_at, self.breaks, sigma)

    @cached_property
    def _table(self) -> _Cumulative:
        pieces = []
        for a, b in pairwise(self.breaks):
            pieces.append(np.linspace(a, b, math.ceil((b - a) / _PANEL) + 1)[:-1])
        edges = np.append(np.concatenate(pieces), self.m_max)
        counts = self._integral(edges[:-1], edges[1:])
        return _Cumulative(edges, np.concatenate([[0.0], np.cumsum(counts)]))

    def _integral(self, low: Array, high: Array) -> Array:
        half = 0.5 * (high - low)
        nodes = low[:, None] + half[:, None] * (1.0 + _NODES)
        return np.asarray(half * (self.density_at(nodes) @ _WEIGHTS))

    def _brighter(self, m: Array, panel: npt.NDArray[np.intp]) -> Array:
        """Sources per arcmin^2 brighter than `m`, which lies in `panel`."""
        low = self._table.edges[panel]
        within = self._integral(np.ravel(low), np.ravel(m)).reshape(np.shape(m))
        return np.asarray(self._table.brighter[panel] + within)

    def _solved(self, target: Array, panel: npt.NDArray[np.intp]) -> Array:
        low, high = self._table.edges[panel], self._table.edges[panel + 1]
        m = self._first_guess(target, panel)
        active = np.arange(m.size)
        for _ in range(_GREATEST_ITERATIONS):
            excess = self._brighter(m[active], panel[active]) - target[active]
            above = excess > 0.0
            high[active[above]] = m[active[above]]
            low[active[~above]] = m[active[~above]]
            with np.errstate(divide="ignore", invalid="ignore"):
                new = m[active] - excess / self.density_at(m[active])
            outside = ~((new >= low[active]) & (new <= high[active]))
            new = np.where(outside, 0.5 * (low[active] + high[active]), new)
            moved = np.abs(new - m[active]) > _TOLERANCE
            m[active] = new
            active = active[moved]
            if active.size == 0:
                break
        return m

    def _first_guess(self, target: Array, panel: npt.NDArray[np.intp]) -> Array:
        """Invert the integral of a straight line between the densities at the panel's ends."""
        table = self._table
        inside = table.brighter[panel + 1] - table.brighter[panel]
        share = (target - table.brighter[panel]) / np.where(inside > 0.0, inside, 1.0)
        share = np.clip(share, 0.0, 1.0)
        low, high = table.edges[panel], table.edges[panel + 1]
        first, second = self.density_at(low), self.density_at(high)
        both = first + np.sqrt(first**2 + share * (second - first) * (second + first))
        with np.errstate(divide="ignore", invalid="ignore"):
            position = np.where(both > 0.0, share * (first + second) / both, share)
        return np.asarray(low + np.clip(position, 0.0, 1.0) * (high - low))


@dataclass(frozen=True)
class _Cumulative:
    edges: Array
    brighter: Array

    @property
    def total(self) -> float:
        return float(self.brighter[-1])


@dataclass(frozen=True)
class SchechterCounts(SourceCounts):
    """Counts of the shape of a Schechter function in luminosity.

    Parameters
    ----------
    slope : float
        a, the slope at the faint end.
    m_star : float
        Magnitude of the knee.
    m_min, m_max : float
        Brightest and faintest magnitude, ``m_min < m_max``.
    density : float, > 0
        Sources per arcmin^2 between them.

    Notes
    -----
    ``n(m) = N L^(a+1) exp(-L)`` with ``L = 10^(-0.4 (m - m_star))`` (Schechter 1976), N such
    that the integral over [m_min, m_max] is `density`.
    """

    slope: float = -1.3
    m_star: float = 24.5
    m_min: float = 20.0
    m_max: float = 30.0
    density: float = 28.57
    kind: ClassVar[str] = "schechter"

    def __post_init__(self) -> None:
        for name in ("slope", "m_star", "m_min", "m_max", "density"):
            value = getattr(self, name)
            if not (isinstance(value, int | float | np.number) and math.isfinite(value)):
                raise ParameterError(name, value, "a finite number")
        if not self.m_max > self.m_min:
            raise ParameterError("m_max", self.m_max, f"> m_min = {self.m_min}")
        if not self.density > 0.0:
            raise ParameterError("density", self.density, "> 0 [arcmin^-2]")

    def density_at(self, m: Any) -> Array:
        """Sources per arcmin^2 and magnitude at magnitude `m`; 0 outside [m_min, m_max]."""
        x = np.asarray(m, dtype=np.float64)
        inside = (x >= self.m_min) & (x <= self.m_max)
        log_shape = self._log_shape(np.clip(x, self.m_min, self.m_max))
        return np.where(inside, np.exp(log_shape + self._log_norm), 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        names = ("slope", "m_star", "m_min", "m_max", "density")
        return {"counts": self.kind, **{name: float(getattr(self, name)) for name in names}}

    def _log_shape(self, m: Array) -> Array:
        log_luminosity = -0.4 * math.log(10.0) * (m - self.m_star)
        return np.asarray((self.slope + 1.0) * log_luminosity - np.exp(log_luminosity))

    @cached_property
    def _log_norm(self) -> float:
        n_panels = math.ceil((self.m_max - self.m_min) / _PANEL)
        edges = np.linspace(self.m_min, self.m_max, n_panels + 1)
        half = 0.5 * (edges[1] - edges[0])
        log_shape = self._log_shape(edges[:-1, None] + half * (1.0 + _NODES))
        # bright magnitudes alone would underflow
        greatest = float(log_shape.max())
        integral = half * float(np.sum(np.exp(log_shape - greatest) @ _WEIGHTS))
        return math.log(self.density / integral) - greatest


@dataclass(frozen=True, eq=False)
class BasisCounts(SourceCounts):
    """Counts ``n(m) = sum_k c_k B_k(m)`` in cubic B-splines, linear in the coefficients.

    Parameters
    ----------
    knots : (K - 2,) array_like
        Magnitudes between which the counts are cubic, strictly increasing; the first and the
        last are m_min and m_max.
    coefficients : (K,) array_like, >= 0, not all 0
        c_k [arcmin^-2 mag^-1]. The B_k sum to one, so counts lie between the least and the
        greatest coefficient.

    Notes
    -----
    Whatever is an integral over n(m), such as the number of lenses, is a sum over k of c_k
    and the integral with `element(k)`.
    """

    knots: Any
    coefficients: Any
    kind: ClassVar[str] = "b-spline"

    def __post_init__(self) -> None:
        knots = _vector("knots", self.knots)
        if knots.size < 2 or np.any(np.diff(knots) <= 0.0):
            raise ParameterError("knots", knots.tolist(), "two or more, strictly increasing")
        coefficients = _vector("coefficients", self.coefficients)
        if coefficients.size != knots.size + 2:
            allowed = f"of {knots.size + 2} numbers for {knots.size} knots"
            raise ParameterError("coefficients", f"array of {coefficients.size}", allowed)
        if np.any(coefficients < 0.0) or not np.any(coefficients > 0.0):
            raise ParameterError("coefficients", coefficients.tolist(), ">= 0 and not all 0")
        for name, array in (("knots", knots), ("coefficients", coefficients)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "m_min", float(knots[0]))
        object.__setattr__(self, "m_max", float(knots[-1]))

    @classmethod
    def fit(
        cls, edges: Any, counts_per_arcmin2: Any, errors: Any = None, knots: Any = None
    ) -> BasisCounts:
        """Return the non-negative least-squares fit to counts in magnitude bins of a field.

        Parameters
        ----------
        edges : (n + 1,) array_like, mag
            Strictly increasing.
        counts_per_arcmin2 : (n,) array_like, >= 0
            Sources per arcmin^2 in each bin, not per magnitude.
        errors : (n,) array_like, > 0, optional
            Standard deviations of the counts; equal by default.
        knots : (K - 2,) array_like, optional
            Within the edges; by default at equal steps over all bins, half as many intervals
            as bins.
        """
        bins, counts = _vector("edges", edges), _vector("counts_per_arcmin2", counts_per_arcmin2)
        if bins.size < 5 or np.any(np.diff(bins) <= 0.0):
            raise ParameterError("edges", bins.tolist(), "five or more, strictly increasing")
        if counts.shape != (bins.size - 1,) or np.any(counts < 0.0):
            allowed = f"{bins.size - 1} numbers >= 0, one per bin"
            raise ParameterError("counts_per_arcmin2", counts.tolist(), allowed)
        sd = np.ones_like(counts) if errors is None else _vector("errors", errors)
        if sd.shape != counts.shape or np.any(sd <= 0.0):
            raise ParameterError("errors", sd.tolist(), f"{counts.size} numbers > 0")
        if knots is None:
            n_intervals = max(1, min(counts.size - _DEGREE, counts.size // 2))
            knots = np.linspace(bins[0], bins[-1], n_intervals + 1)
        chosen = _vector("knots", knots)
        return cls(chosen, _fitted_coefficients(bins, counts, sd, chosen))

    @property
    def breaks(self) -> Array:
        """Magnitudes where the density is not smooth: the knots."""
        return np.asarray(self.knots)

    @property
    def n_basis(self) -> int:
        """Number of basis functions."""
        return int(self.coefficients.size)

    def basis_at(self, m: Any) -> Array:
        """Return every B_k at magnitudes `m`, (..., K); 0 outside [m_min, m_max]."""
        return _basis_at(self.knots, np.asarray(m, dtype=np.float64))

    def element(self, k: int) -> BasisCounts:
        """Return the counts of the basis function `k` with coefficient 1."""
        if not 0 <= k < self.n_basis:
            raise ParameterError("k", k, f"0 to {self.n_basis - 1}")
        return BasisCounts(self.knots, np.eye(self.n_basis)[k])

    def density_at(self, m: Any) -> Array:
        """Sources per arcmin^2 and magnitude at magnitude `m`; 0 outside [m_min, m_max]."""
        x = np.asarray(m, dtype=np.float64)
        values = self._spline(x)
        # rounding may leave -1e-17 where the counts vanish
        return np.where(np.isnan(values), 0.0, np.maximum(values, 0.0))

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        return {
            "counts": self.kind,
            "knots": self.knots.tolist(),
            "coefficients": self.coefficients.tolist(),
        }

    @cached_property
    def _spline(self) -> BSpline:
        return BSpline(_padded(self.knots), self.coefficients, _DEGREE, extrapolate=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BasisCounts):
            return NotImplemented
        return np.array_equal(self.knots, other.knots) and np.array_equal(
            self.coefficients, other.coefficients
        )

    def __hash__(self) -> int:
        return hash((self.knots.tobytes(), self.coefficients.tobytes()))


_KINDS: dict[str, type[SourceCounts]] = {"schechter": SchechterCounts, "b-spline": BasisCounts}


def counts_from_dict(content: Mapping[str, Any] | SourceCounts, where: str) -> SourceCounts:
    """Return the counts of `SourceCounts.to_dict`; `where` is named in errors."""
    if isinstance(content, SourceCounts):
        return content
    if not isinstance(content, Mapping):
        raise ParameterError(where, content, "a SourceCounts or a mapping that describes one")
    arguments = dict(content)
    kind = str(arguments.pop("counts", "schechter"))
    if kind not in _KINDS:
        allowed = f"one of {', '.join(_KINDS)}"
        raise ParameterError(f"{where}.counts", kind, allowed, nearest(kind, _KINDS))
    try:
        return _KINDS[kind](**arguments)
    except TypeError as error:
        raise ParameterError(where, dict(content), f"{kind} counts ({error})") from None


# ---------------------------------------------------------------------------------------
# Helpers


def _vector(name: str, values: Any) -> Array:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(name, values, "an array of numbers") from None
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise ParameterError(name, array.tolist(), "one-dimensional, not empty and finite")
    return array


def _padded(knots: Array) -> Array:
    """Repeat the ends so that the splines are complete up to them."""
    return np.concatenate([[knots[0]] * _DEGREE, knots, [knots[-1]] * _DEGREE])


def _basis_at(knots: Array, m: Array) -> Array:
    inside = (m >= knots[0]) & (m <= knots[-1])
    flat = np.clip(m, knots[0], knots[-1]).ravel()
    design = BSpline.design_matrix(flat, _padded(knots), _DEGREE).toarray()
    return np.where(inside[..., None], design.reshape(*m.shape, -1), 0.0)


def _fitted_coefficients(edges: Array, counts: Array, sd: Array, knots: Array) -> Array:
    from scipy.optimize import nnls

    if not (edges[0] <= knots[0] and knots[-1] <= edges[-1]):
        allowed = f"within the bins, {edges[0]:g} to {edges[-1]:g}"
        raise ParameterError("knots", knots.tolist(), allowed)
    splines = BSpline(_padded(knots), np.eye(knots.size + 2), _DEGREE)
    integral = splines.antiderivative()(np.clip(edges, knots[0], knots[-1]))
    coefficients, _ = nnls(np.diff(integral, axis=0) / sd[:, None], counts / sd)
    return np.asarray(coefficients)
