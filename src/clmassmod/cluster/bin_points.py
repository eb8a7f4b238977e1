"""Radii and weights of averages over the areas of bins."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_TOLERANCE = 1e-7
_WIDEST_PANEL = 2.0
# a disc, from 0 on, begins with this part of its radius: 1e-8 of its area
_CENTRE = 1e-4


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
    parts = [_points_of_bin(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    sizes = [radius.size for radius, _ in parts]
    return BinPoints(
        np.concatenate([radius for radius, _ in parts]),
        np.concatenate([weight for _, weight in parts]),
        np.repeat(np.arange(len(parts)), sizes),
    )


def _points_of_bin(low: float, high: float) -> tuple[Array, Array]:
    inner = low if low > 0.0 else _CENTRE * high
    n_panels = math.ceil(math.log(high / inner) / math.log(_WIDEST_PANEL) - 1e-9)
    edges = np.geomspace(inner, high, max(n_panels, 1) + 1)
    edges[0], edges[-1] = inner, high
    if low == 0.0:
        edges = np.concatenate([[0.0], edges])
    node, share = np.polynomial.legendre.leggauss(_points_of_panel(edges[-1] / edges[-2]))
    half = 0.5 * np.diff(edges)[:, None]
    radius = edges[:-1, None] + half * (1.0 + node)
    weight = 2.0 * half * share * radius / (high * high - low * low)
    return radius.ravel(), weight.ravel()


def _points_of_panel(ratio: float) -> int:
    y = (ratio + 1.0) / (ratio - 1.0)
    rho = y + math.sqrt(y * y - 1.0)
    return max(2, math.ceil(-math.log(_TOLERANCE) / (2.0 * math.log(rho))))
