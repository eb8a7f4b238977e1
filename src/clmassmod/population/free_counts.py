"""Weights of the nodes of lenses for other counts of the sources than those of their kernels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from .count_families import CountFamily

Array = npt.NDArray[np.float64]

_STEP = 0.1
_STEPS_PER_SIGMA = 1.0
_PANEL = 0.1
_REACH = 6.0
_WINDOW = 32.0
_ERRORS = 8
_POINTS = 6
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


class CountRatios:
    """``ln F(u)/F_0(u)``: F free counts, F_0 those of `family.base`, convolved with errors.

    Parameters
    ----------
    family : CountFamily
        Its `base` has a density > 0 at all magnitudes.
    sigma : (n,) array, mag
        Error of the mean magnitude of each lens.

    Attributes
    ----------
    errors : (S,) ndarray
        Errors for which there are tables: all that there are, or Chebyshev points of ln sigma.
    weights : (n, S) ndarray
        Tables of a lens are the sums of these with its weights.
    axis : (2,) ndarray
        First magnitude u of the tables, and 1 / step.

    Notes
    -----
    F/F_0 at u is the mean of the ratio of the densities over source magnitudes, weighted with
    ``n_0(m) N(m; u, sigma)``: a Gauss rule of 6 points for that weight, made once, serves all
    counts. Cubics with exact slopes at nodes 0.1 mag or one error apart follow its logarithm
    to 2e-5.
    """

    def __init__(self, family: CountFamily, sigma: Array) -> None:
        self.family = family
        self.errors, self.weights = _error_nodes(np.asarray(sigma, dtype=np.float64))
        least, most = float(self.errors.min()), float(self.errors.max())
        breaks = family.base.breaks
        first, last = float(breaks[0]) - _REACH * most, float(breaks[-1]) + _REACH * most
        n = math.ceil((last - first) / min(_STEP, least / _STEPS_PER_SIGMA))
        self._u = np.linspace(first, last, n + 1)
        self._step = (last - first) / n
        self.axis = np.array([first, 1.0 / self._step])
        m, weight = magnitude_rule(breaks, min(_PANEL, least))
        log_weight = family.log_density(family.values[None], m)[0] + np.log(weight)
        rules = [_gauss_rules(self._u, m, log_weight, sigma) for sigma in self.errors]
        self._m, self._mean = (np.stack(parts) for parts in zip(*rules, strict=True))
        centre = np.sum(self._mean * self._m, axis=-1, keepdims=True)
        self._slope = self._mean * (self._m - centre) / self.errors[:, None, None] ** 2
        self._log_base = family.log_density(family.values[None], self._m.ravel())[0]

    def tables(self, values: Array) -> Array:
        """Return cubics (n, S, intervals, 4) of u at parameters (n, p) of the counts."""
        log_ratio = self.family.log_density(values, self._m.ravel()) - self._log_base
        ratio = np.exp(log_ratio).reshape(len(values), *self._m.shape)
        mean = np.einsum("nsuk,suk->nsu", ratio, self._mean)
        slope = np.einsum("nsuk,suk->nsu", ratio, self._slope) / mean * self._step
        value = np.log(mean)
        rise = np.diff(value, axis=-1)
        left, right = slope[..., :-1], slope[..., 1:]
        cubics = [value[..., :-1], left, 3.0 * rise - 2.0 * left - right, left + right - 2.0 * rise]
        return np.stack(cubics, axis=-1)

    def mixed(self, values: Array, lens: int) -> Array:
        """Return the cubics (n, intervals, 4) of one lens."""
        return np.ascontiguousarray(
            np.einsum("s,nsik->nik", self.weights[lens], self.tables(values))
        )

    def __getitem__(self, rows: Any) -> CountRatios:
        """Return those of some of the lenses, with the same tables."""
        result = CountRatios.__new__(CountRatios)
        result.__dict__.update(self.__dict__ | {"weights": self.weights[rows]})
        return result


def check_free_counts(names: Iterable[str], selection: str, form: str) -> None:
    """Refuse free counts where they are more than a factor of the nodes of a lens."""
    if selection == "independent":
        hint = "There the weight of a node depends on the detection at each source magnitude."
        raise ParameterError("selection", selection, f"'on_data' with free {list(names)}", hint)
    if form != "lenses":
        hint = "Galaxies with several detected sources depend on the square of the counts."
        raise ParameterError("form", form, f"'lenses' with free {list(names)}", hint)


def mean_magnitude_error(sigma_a: Array, sigma_b: Array) -> Array:
    """Return the error of the inverse-variance mean of two magnitudes."""
    return np.asarray(sigma_a * sigma_b / np.hypot(sigma_a, sigma_b))


def _error_nodes(sigma: Array) -> tuple[Array, Array]:
    """Return errors (S,) for tables, and weights (n, S) that interpolate between them."""
    unique, index = np.unique(sigma, return_inverse=True)
    if unique.size <= _ERRORS:
        return unique, np.eye(unique.size)[index.reshape(-1)]
    low, high = np.log(unique[[0, -1]])
    x = np.cos(np.pi * (np.arange(_ERRORS) + 0.5) / _ERRORS)
    nodes = 0.5 * (low + high) + 0.5 * (high - low) * x
    at = np.log(sigma)[:, None]
    weights = np.ones((sigma.size, _ERRORS))
    for s in range(_ERRORS):
        others = np.delete(nodes, s)
        weights[:, s] = np.prod((at - others) / (nodes[s] - others), axis=1)
    return np.exp(nodes), weights


def magnitude_rule(breaks: Array, width: float) -> tuple[Array, Array]:
    """Return magnitudes and weights of Gauss-Legendre panels between the breaks."""
    pieces = [np.linspace(a, b, math.ceil((b - a) / width) + 1)[:-1] for a, b in pairwise(breaks)]
    edges = np.append(np.concatenate(pieces), breaks[-1])
    half = 0.5 * np.diff(edges)[:, None]
    return (edges[:-1, None] + half * (1.0 + _NODES)).ravel(), (half * _WEIGHTS).ravel()


def _gauss_rules(u: Array, m: Array, log_weight: Array, sigma: float) -> tuple[Array, Array]:
    """Return points and weights (u, 6) of Gauss rules for the magnitudes around each u.

    Stieltjes's recurrence over the magnitudes m; the points are the eigenvalues of the Jacobi
    matrix.
    """
    distance = (m - u[:, None]) / sigma
    exponent = log_weight - 0.5 * distance**2
    exponent -= exponent.max(axis=1, keepdims=True)
    share = np.where(exponent > -_WINDOW, np.exp(exponent), 0.0)
    share /= share.sum(axis=1, keepdims=True)
    jacobi = np.zeros((u.size, _POINTS, _POINTS))
    before, now = np.zeros_like(share), np.ones_like(share)
    off = np.zeros((u.size, 1))
    for k in range(_POINTS):
        diagonal = np.sum(share * distance * now**2, axis=1, keepdims=True)
        jacobi[:, k, k] = diagonal[:, 0]
        if k == _POINTS - 1:
            break
        new = (distance - diagonal) * now - off * before
        off = np.sqrt(np.sum(share * new**2, axis=1, keepdims=True))
        jacobi[:, k, k + 1] = jacobi[:, k + 1, k] = off[:, 0]
        before, now = now, new / off
    points, vectors = np.linalg.eigh(jacobi)
    return u[:, None] + sigma * points, vectors[:, 0, :] ** 2
