"""Radii and weights of averages over the areas of bins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_TOLERANCE = 1e-7
_WIDEST_PANEL = 2.0
# a disc, from 0 on, begins with this part of its radius: 1e-8 of its area
_CENTRE = 1e-4
_RULES = {n: np.polynomial.legendre.leggauss(n) for n in range(2, 6)}


class BinPoints(NamedTuple):
    """Points of m bins, one after another: the mean of f over bin i is the sum of weight f."""

    radius: Array
    """(k,) [Mpc]"""
    weight: Array
    """(k,)"""
    bin: npt.NDArray[np.intp]
    """(k,) the bin of each, increasing."""


def bin_points(low: Array, high: Array) -> BinPoints:
    """Return the points of averages over the areas between `low` and `high`, (m,) each [Mpc].

    Notes
    -----
    ``2 int f R dR / (high^2 - low^2)``: what galaxies measure that are spread evenly.
    Gauss-Legendre in panels of equal ratio, of at most an octave, with as many points as
    their ratio q asks for: the error falls as ``rho^(-2 n)`` with ``rho = y + sqrt(y^2 - 1)``
    and ``y = (q + 1) / (q - 1)`` where the profile is analytic but for R = 0, and a power law
    is at its worst. Bins of 0.1 to 2 dex of haloes, cored, miscentred or not, are good to 1e-7
    (tested), discs from R = 0 to 1e-6 where Delta Sigma is less steep than 1/R.
    """
    disc = low == 0.0
    inner = np.where(disc, _CENTRE * high, low)
    panels = np.maximum(np.ceil(np.log(high / inner) / np.log(_WIDEST_PANEL) - 1e-9), 1.0)
    ratio = (high / inner) ** (1.0 / panels)
    count = panels.astype(np.intp)
    order = _points_of_panel(ratio)
    # panels one after another, numbered within their bin; of a disc -1 is the innermost
    number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    bin_of = np.concatenate([np.flatnonzero(disc), np.repeat(np.arange(low.size), count)])
    number = np.concatenate([np.full(bin_of.size - number.size, -1), number])
    start = inner[bin_of] * ratio[bin_of] ** number
    start[number < 0] = 0.0
    half = 0.5 * (inner[bin_of] * ratio[bin_of] ** (number + 1) - start)
    scale = 2.0 / (high * high - low * low)
    parts = []
    for n in np.unique(order):
        of = np.flatnonzero(order[bin_of] == n)
        node, share = _RULES[n]
        radius = start[of, None] + half[of, None] * (1.0 + node)
        weight = (scale[bin_of[of]] * half[of])[:, None] * share * radius
        parts.append((radius.ravel(), weight.ravel(), np.repeat(bin_of[of], n)))
    radius, weight, row = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    sort = np.argsort(row, kind="stable")
    return BinPoints(radius[sort], weight[sort], row[sort])


def _points_of_panel(ratio: Array) -> npt.NDArray[np.intp]:
    y = (ratio + 1.0) / (ratio - 1.0)
    rho = y + np.sqrt(y * y - 1.0)
    order = np.ceil(-np.log(_TOLERANCE) / (2.0 * np.log(rho)))
    return np.asarray(np.maximum(order, 2.0), dtype=np.intp)
