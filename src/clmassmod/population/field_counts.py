"""Sources counted in a field without lenses: what they say about the number counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, ndtr, xlogy

from ..errors import ParameterError
from .count_families import CountFamily
from .free_counts import magnitude_rule

Array = npt.NDArray[np.float64]

_PANEL = 0.25


@dataclass(frozen=True, eq=False)
class FieldCounts:
    """Numbers of sources in bins of magnitude, with Poisson errors.

    Parameters
    ----------
    edges : (n + 1,) array_like, mag
        Strictly increasing, within the magnitudes of the counts that are fitted.
    numbers : (n,) array_like of int, >= 0
        Sources found in each bin.
    area : float, > 0
        Area of the field [arcmin^2].
    sigma : float, >= 0
        Error of the magnitudes [mag].
    completeness : (n,) array_like, > 0 and <= 1, optional
        Fraction of the sources in each bin that are found; 1 by default.

    Raises
    ------
    ParameterError
        An argument out of range.

    Notes
    -----
    The expected number in bin j is ``area c_j int n(m) P(j | m) dm``, with P(j | m) the share
    of sources of true magnitude m that the errors put into bin j. Nothing lensed is counted.
    """

    edges: Any
    numbers: Any
    area: float
    sigma: float = 0.0
    completeness: Any = None

    def __post_init__(self) -> None:
        edges = np.array(self.edges, dtype=np.float64)
        if edges.ndim != 1 or edges.size < 2 or not np.all(np.diff(edges) > 0.0):
            raise ParameterError("edges", edges.tolist(), "two or more, strictly increasing")
        numbers = np.array(self.numbers, dtype=np.float64)
        whole = numbers.shape == (edges.size - 1,) and np.all(numbers == np.round(numbers))
        if not whole or np.any(numbers < 0.0):
            allowed = f"{edges.size - 1} whole numbers >= 0, one per bin"
            raise ParameterError("numbers", numbers.tolist(), allowed)
        given = np.ones_like(numbers) if self.completeness is None else self.completeness
        completeness = np.array(given, dtype=np.float64)
        good = completeness.shape == numbers.shape
        if not good or not np.all((completeness > 0.0) & (completeness <= 1.0)):
            allowed = f"{numbers.size} numbers > 0 and <= 1, one per bin"
            raise ParameterError("completeness", completeness.tolist(), allowed)
        if not (np.isfinite(self.area) and self.area > 0.0):
            raise ParameterError("area", self.area, "> 0 [arcmin^2]")
        if not (np.isfinite(self.sigma) and self.sigma >= 0.0):
            raise ParameterError("sigma", self.sigma, ">= 0 [mag]")
        arrays = {"edges": edges, "numbers": numbers, "completeness": completeness}
        for name, array in arrays.items():
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def expected(self, family: CountFamily, values: Array) -> Array:
        """Return expected numbers (k, n) at parameters (k, p) of the counts.

        Raises
        ------
        ParameterError
            Bins beyond the magnitudes of the counts.
        """
        m, response = self._response(family.base.breaks)
        density = np.exp(family.log_density(np.atleast_2d(values), m))
        # a sum per row: the same bits for any number of rows
        return np.asarray(np.einsum("km,mn->kn", density, response))

    def log_likelihood(self, family: CountFamily, values: Array) -> Array:
        """Return ln of the probability of the numbers, (k,), at parameters (k, p)."""
        expected = self.expected(family, values)
        each = xlogy(self.numbers, expected) - expected - gammaln(self.numbers + 1.0)
        return np.asarray(each.sum(axis=1))

    def to_dict(self) -> dict[str, Any]:
        """Return the counts of the field as plain values."""
        return {
            "edges": self.edges.tolist(),
            "numbers": self.numbers.astype(int).tolist(),
            "area": self.area,
            "sigma": self.sigma,
            "completeness": self.completeness.tolist(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> FieldCounts:
        """Return the counts of `to_dict`."""
        return cls(**content)

    def check(self, family: CountFamily, free: Iterable[str]) -> None:
        """Refuse bins beyond the magnitudes of the counts, or counts of which nothing is free."""
        if not set(free) & set(family.names):
            allowed = "None, or free parameters of the counts of the sources"
            raise ParameterError("field_counts", self, allowed)
        self.expected(family, family.values)

    def _response(self, breaks: Array) -> tuple[Array, Array]:
        """Return magnitudes (m,) and numbers per density and bin (m, n)."""
        edges = self.edges
        if edges[0] < breaks[0] or edges[-1] > breaks[-1]:
            allowed = f"within {breaks[0]:g} to {breaks[-1]:g} mag, those of the counts"
            raise ParameterError("field_counts.edges", edges.tolist(), allowed)
        width = _PANEL if self.sigma == 0.0 else min(_PANEL, self.sigma)
        m, weight = magnitude_rule(np.unique(np.concatenate([breaks, edges])), width)
        if self.sigma == 0.0:
            below = (m[:, None] < edges).astype(np.float64)
        else:
            below = ndtr((edges - m[:, None]) / self.sigma)
        share = np.diff(below, axis=1)
        return m, self.area * self.completeness * weight[:, None] * share
