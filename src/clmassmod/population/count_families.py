"""Number counts of sources with parameters that can be free."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from ..errors import ParameterError, nearest
from ..stronglens.source_counts import BasisCounts, SchechterCounts, SourceCounts

Array = npt.NDArray[np.float64]
Box = Mapping[str, tuple[float, float]]

_PER_MAGNITUDE = 0.4 * math.log(10.0)
_QUADRATURE = 128
_MIDDLE = 25.0
# members of a basis: out of a grid of so many values per parameter, until the next one is this
# close to the others
_CANDIDATES = 13
_CLOSE = 3e-7
_MOST_CORNERS = 2
_TRAINING = 12


@dataclass(frozen=True)
class CountBasis:
    """Counts of which all counts in a box are linear combinations.

    Attributes
    ----------
    members : tuple of K SourceCounts
    magnitudes : (m,) ndarray
        Where counts are compared with them.
    matrix : (m, K) ndarray
        The coefficients are the densities there, times this.
    """

    members: tuple[SourceCounts, ...]
    magnitudes: Array
    matrix: Array

    def coefficients(self, family: CountFamily, values: Array) -> Array:
        """Return (n, K) coefficients of the counts of the family at values (n, p)."""
        density = np.exp(family.log_density(values, self.magnitudes))
        # a sum per row: the same bits for any number of rows
        return np.asarray(np.einsum("nm,mk->nk", density, self.matrix))


class CountFamily(ABC):
    """Counts of one kind, as a function of named parameters.

    Attributes
    ----------
    names : tuple of str
    base : SourceCounts
        Gives the values of what is not free.
    """

    names: tuple[str, ...]
    base: SourceCounts

    @property
    @abstractmethod
    def values(self) -> Array:
        """(p,) values of all parameters in `base`."""

    @abstractmethod
    def counts(self, values: Any) -> SourceCounts:
        """Return the counts at values (p,)."""

    @abstractmethod
    def log_density(self, values: Array, m: Array) -> Array:
        """Return ln of n(m), (n, k), at values (n, p) and magnitudes (k,) inside the range."""

    @abstractmethod
    def basis(self, box: Box) -> CountBasis:
        """Return counts of which all counts in the box are linear combinations."""

    @abstractmethod
    def _allowed(self, name: str) -> tuple[float, str]:
        """Return what a value must be greater than, and the range as text."""

    def checked_box(self, box: Box) -> dict[str, tuple[float, float]]:
        """Return ranges of parameters, each (low, high) finite, increasing and possible."""
        result = {}
        for name, given in box.items():
            if name not in self.names:
                known = (
                    ", ".join(self.names) or "none: only those of SchechterCounts and BasisCounts"
                )
                raise ParameterError("counts_box", name, known, nearest(str(name), self.names))
            low, high = (float(v) for v in given)
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ParameterError(f"box[{name!r}]", given, "(low, high), finite, low < high")
            least, allowed = self._allowed(name)
            if not low > least:
                raise ParameterError(f"box[{name!r}]", given, allowed)
            result[name] = (low, high)
        return result

    def training(self, box: Box) -> Array:
        """Return values (n, p) that stand for a box: its corners, or points spread over it."""
        free = [self.names.index(name) for name in box]
        if len(free) <= _MOST_CORNERS:
            unit = np.stack(np.meshgrid(*[[0.0, 1.0]] * len(free), indexing="ij"), -1)
            unit = unit.reshape(-1, len(free))
        else:
            # both ends of everything, in different combinations
            k = np.arange(_TRAINING)[:, None] * (2 * np.arange(len(free)) + 1)
            unit = (np.cos(2.0 * np.pi * k / _TRAINING + np.arange(len(free))) > 0.0).astype(float)
        low, high = np.array(list(box.values())).T
        result = np.tile(self.values, (len(unit), 1))
        result[:, free] = low + unit * (high - low)
        return result


@dataclass(frozen=True)
class SchechterFamily(CountFamily):
    """`SchechterCounts` of any slope, magnitude of the knee and density between fixed limits."""

    base: SchechterCounts
    names = ("source_slope", "source_m_star", "source_density")

    @property
    def values(self) -> Array:
        """(3,) slope, m_star and density [arcmin^-2] of `base`."""
        return np.array([self.base.slope, self.base.m_star, self.base.density])

    def counts(self, values: Any) -> SchechterCounts:
        """Return the counts at values (3,)."""
        slope, m_star, density = (float(v) for v in values)
        return replace(self.base, slope=slope, m_star=m_star, density=density)

    def log_density(self, values: Array, m: Array) -> Array:
        """Return ln of n(m), (n, k), at values (n, 3) and magnitudes (k,)."""
        m_nodes, weight = self._rule
        shape = _log_schechter(values, m_nodes)
        greatest = shape.max(axis=1, keepdims=True)
        integral = np.sum(np.exp(shape - greatest) * weight, axis=1)
        norm = np.log(values[:, 2] / integral) - greatest[:, 0]
        return np.asarray(_log_schechter(values, m) + norm[:, None])

    def basis(self, box: Box) -> CountBasis:
        """Return members of the family; others are combinations of them to 1e-6 of the density.

        Notes
        -----
        QR with pivots, of the counts on a grid over the box: each member is the one furthest
        from all combinations of those before it.
        """
        axes = [self._candidates(name, box) for name in self.names]
        values = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        m, weight = self._rule
        density = np.exp(self.log_density(values, m)) * np.sqrt(weight)
        _, r, order = linalg.qr(density.T, mode="economic", pivoting=True)
        size = np.abs(np.diag(r))
        chosen = order[: max(1, int(np.count_nonzero(size > _CLOSE * size[0])))]
        matrix = np.sqrt(weight)[:, None] * np.linalg.pinv(density[chosen], rcond=1e-14)
        members = tuple(self.counts(values[i]) for i in chosen)
        return CountBasis(members, m, np.ascontiguousarray(matrix))

    def _candidates(self, name: str, box: Box) -> Array:
        """Return values of a parameter: Chebyshev points, one of a density."""
        if name not in box or name == "source_density":
            return self.values[[self.names.index(name)]]
        low, high = box[name]
        x = np.cos(np.pi * np.arange(_CANDIDATES) / (_CANDIDATES - 1))
        return np.asarray(low + 0.5 * (high - low) * (1.0 + x))

    def _allowed(self, name: str) -> tuple[float, str]:
        return (0.0, "low > 0") if name == "source_density" else (-math.inf, "finite")

    @cached_property
    def _rule(self) -> tuple[Array, Array]:
        """Return magnitudes and weights of integrals over all of the counts."""
        x, weight = np.polynomial.legendre.leggauss(_QUADRATURE)
        half = 0.5 * (self.base.m_max - self.base.m_min)
        return self.base.m_min + half * (1.0 + x), half * weight


@dataclass(frozen=True)
class SplineFamily(CountFamily):
    """`BasisCounts` with any coefficients > 0, between fixed knots."""

    base: BasisCounts

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """``source_count_0`` to ``source_count_<K - 1>``: coefficients [arcmin^-2 mag^-1]."""
        return tuple(f"source_count_{k}" for k in range(self.base.n_basis))

    @property
    def values(self) -> Array:
        """(K,) coefficients of `base`."""
        return np.array(self.base.coefficients)

    def counts(self, values: Any) -> BasisCounts:
        """Return the counts with coefficients (K,)."""
        return BasisCounts(self.base.knots, values)

    def log_density(self, values: Array, m: Array) -> Array:
        """Return ln of n(m), (n, k), at coefficients (n, K) and magnitudes (k,)."""
        return np.asarray(np.log(np.einsum("nk,mk->nm", values, self.base.basis_at(m))))

    def checked_box(self, box: Box) -> dict[str, tuple[float, float]]:
        """Return ranges of coefficients; those of `base` must leave no gap."""
        if box and not np.all(self.values > 0.0):
            allowed = "> 0 where some are free"
            raise ParameterError("sources.counts.coefficients", self.values.tolist(), allowed)
        return super().checked_box(box)

    def basis(self, box: Box) -> CountBasis:
        """Return the splines themselves."""
        knots = np.asarray(self.base.knots)
        padded = np.concatenate([[knots[0]] * 3, knots, [knots[-1]] * 3])
        # Greville's abscissae: the splines are known from their values there
        m = np.array([padded[k + 1 : k + 4].mean() for k in range(self.base.n_basis)])
        members = tuple(self.base.element(k) for k in range(self.base.n_basis))
        return CountBasis(members, m, np.asarray(np.linalg.inv(self.base.basis_at(m).T)))

    def _allowed(self, name: str) -> tuple[float, str]:
        return 0.0, "low > 0"


@dataclass(frozen=True)
class FixedFamily(CountFamily):
    """Counts of any other kind: nothing is free."""

    base: SourceCounts
    names = ()

    @property
    def values(self) -> Array:
        """None."""
        return np.empty(0)

    def counts(self, values: Any) -> SourceCounts:
        """Return `base`."""
        return self.base

    def log_density(self, values: Array, m: Array) -> Array:
        """Return ln of n(m), (n, k), the same n times."""
        return np.tile(np.log(self.base.density_at(m)), (len(values), 1))

    def basis(self, box: Box) -> CountBasis:
        """Return `base`."""
        return CountBasis((self.base,), np.empty(0), np.empty((0, 1)))

    def _allowed(self, name: str) -> tuple[float, str]:
        return math.inf, "fixed"


def count_family(counts: SourceCounts) -> CountFamily:
    """Return the family that the counts belong to."""
    if isinstance(counts, SchechterCounts):
        return SchechterFamily(counts)
    if isinstance(counts, BasisCounts):
        return SplineFamily(counts)
    return FixedFamily(counts)


def _log_schechter(values: Array, m: Array) -> Array:
    """Return ln of L^(a+1) e^-L, (n, k)."""
    slope, m_star = values[:, :1] + 1.0, values[:, 1:2]
    luminosity = np.exp(_PER_MAGNITUDE * (m_star - _MIDDLE)) * np.exp(
        -_PER_MAGNITUDE * (m - _MIDDLE)
    )
    return np.asarray(slope * _PER_MAGNITUDE * (m_star - m) - luminosity)
