"""Polynomials through a few of many scattered points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import linalg

Array = npt.NDArray[np.float64]

_RANK = 1e-9


def polynomial_features(points: Array, degree: int) -> Array:
    """Return products of Chebyshev polynomials of total degree up to `degree`, (n, m).

    Parameters
    ----------
    points : (n, d) array
        Each coordinate is mapped to [-1, 1]; one that does not vary gives no features.
    degree : int, >= 0
    """
    low, high = points.min(axis=0), points.max(axis=0)
    varies = high - low > 1e-12 * np.maximum(np.abs(low), np.abs(high))
    unit = (2.0 * points - low - high)[:, varies] / (high - low)[varies]
    features = [(np.ones(len(points)), 0)]
    for column in unit.T:
        series = np.polynomial.chebyshev.chebvander(column, degree).T
        features = [
            (known * series[k], used + k)
            for known, used in features
            for k in range(degree - used + 1)
        ]
    return np.stack([values for values, _ in features], axis=1)


def interpolation(features: Array) -> tuple[npt.NDArray[np.intp], Array]:
    """Return rows (r,) and weights (n, r): ``f = weights @ f[rows]`` for all in the span.

    Rows are approximate Fekete points (Sommariva & Vianello 2009): those that a QR
    decomposition with pivots takes first. There are as many as the rank of the features.
    """
    left, size, _ = np.linalg.svd(features, full_matrices=False)
    basis = left[:, size > _RANK * size[0]]
    rows = linalg.qr(basis.T, mode="r", pivoting=True)[1][: basis.shape[1]]
    rows = np.sort(rows).astype(np.intp)
    return rows, np.linalg.solve(basis[rows].T, basis.T).T
