"""From a profile at the nodes of a radial grid to averages over bins around displaced centres.

Averages over circles and bins are linear in the profile, with weights that know nothing of it:
a matrix (bins, nodes), a polynomial of the scale of the offsets. A likelihood then costs a
profile at some 180 radii and one such matrix for every parameter vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .._core import miscentring as core
from ..profiles.offsets import GammaOffset, Offset, RayleighOffset
from .bin_points import BinPoints, bin_points

Array = npt.NDArray[np.float64]

SCALE_RANGE = (1e-3, 5.0)
"""Scales of offsets [Mpc] that the matrices reach."""
OFFSETS: dict[str, Callable[[float], Offset]] = {"gamma": GammaOffset, "rayleigh": RayleighOffset}
"""Distributions of offsets by name; Gamma with k = 2."""

_ORDER = 8
_POINTS = (np.arange(_ORDER) + 0.5) * math.pi / _ORDER
_CHEBYSHEV = np.cos(_POINTS)
# values at the Chebyshev points to coefficients of Chebyshev polynomials, and of powers
_TO_SERIES = 2.0 / _ORDER * np.cos(np.outer(np.arange(_ORDER), _POINTS))
_TO_SERIES[0] *= 0.5
_TO_POWERS = np.linalg.inv(np.vander(_CHEBYSHEV, increasing=True))
# of ln r: the interpolation error of an NFW halo is 1e-9
_PANEL = 0.7
# radii below this part of the innermost count as that: they hold 1e-6 of a circle's area
_INNERMOST = 1e-3
_REACH = 40.0
"""Offsets, in scales, that the grid goes on for beyond the outermost bin."""


class RadialGrid:
    """Chebyshev points in panels of ln r, and interpolation between them."""

    def __init__(self, low: float, high: float) -> None:
        self.panels = max(1, math.ceil(math.log(high / low) / _PANEL))
        self._start, self._end = math.log(low), math.log(high)
        self._width = (self._end - self._start) / self.panels
        middle = self._start + self._width * (np.arange(self.panels) + 0.5)
        self.nodes = np.exp(middle[:, None] + 0.5 * self._width * _CHEBYSHEV).ravel()

    def matrix(self, radius: Array, weight: Array, row: npt.NDArray[np.intp], n_rows: int) -> Array:
        """Return (n_rows, nodes): sums of weight x value at `radius`, (k,) each, by row."""
        place = (np.clip(np.log(radius), self._start, self._end) - self._start) / self._width
        panel = np.minimum(place.astype(np.intp), self.panels - 1)
        t = 2.0 * (place - panel) - 1.0
        series = np.polynomial.chebyshev.chebvander(t, _ORDER - 1)
        basis = np.einsum("ks,sc->kc", series, _TO_SERIES) * weight[:, None]
        size = self.nodes.size
        index = (row * size + panel * _ORDER)[:, None] + np.arange(_ORDER)
        total = np.bincount(index.ravel(), weights=basis.ravel(), minlength=n_rows * size)
        return np.asarray(total, dtype=np.float64).reshape(n_rows, size)


class BinMatrix:
    """What is seen of a tangential profile in bins: `centred`, or of miscentred haloes.

    Parameters
    ----------
    radius : (m,) ndarray [Mpc]
    edges : (2, m) ndarray or None
        Inner and outer edges of bins to average over, weighted by area; None takes the
        profile at `radius`.
    offsets : {"gamma", "rayleigh"} or None
        Distribution of the offsets of miscentred haloes.

    Notes
    -----
    Bins by `bin_points`, with as many points as their width asks for; the whole within 1e-6
    of `Miscentred` averaged by quadrature (tested for bins of 0.1 to 2 dex between 0.01 and 30
    Mpc), for profiles as smooth as those of haloes.
    """

    def __init__(self, radius: Array, edges: Array | None, offsets: str | None) -> None:
        self._offsets = None if offsets is None else OFFSETS[offsets]
        self.averages = not (offsets is None and edges is None)
        """Whether a value is an average, and not the profile at one radius."""
        self._n_bins = radius.size
        if edges is None:
            self._at = BinPoints(radius, np.ones(radius.size), np.arange(radius.size))
        else:
            self._at = bin_points(*edges)
        self._grid: RadialGrid | None = None
        if self._offsets is None:
            self.nodes = np.ascontiguousarray(self._at.radius)[None, :]
            centred = np.zeros((self._n_bins, self.nodes.size))
            centred[self._at.bin, np.arange(self.nodes.size)] = self._at.weight
        else:
            high = self._at.radius.max() + _REACH * SCALE_RANGE[1]
            self._grid = RadialGrid(_INNERMOST * self._at.radius.min(), high)
            self.nodes = np.ascontiguousarray(self._grid.nodes)[None, :]
            centred = self._grid.matrix(*self._at, self._n_bins)
        self._centred = np.ascontiguousarray(centred)[None]
        self._octaves: dict[int, Array] = {}

    def seen(
        self, values: Array, fraction: Array | None, scale: Array | None, n_threads: int
    ) -> Array:
        """Return what is seen of profiles at the nodes, (B, nodes), in the bins, (B, m).

        `fraction` and `scale` (B,) are those of the offsets, None without them.
        """
        values = np.ascontiguousarray(values)
        shape = (values.shape[0], self._n_bins)
        centred = np.empty(shape)
        core.mixed(self._centred, np.zeros(shape[0]), values, centred, n_threads)
        if fraction is None or scale is None:
            return centred
        displaced = np.empty(shape)
        exponent = np.log2(scale)
        octave = np.floor(exponent)
        place = 2.0 * (exponent - octave) - 1.0
        octaves = set(octave.tolist())
        if len(octaves) == 1:
            core.mixed(self._displaced(int(octaves.pop())), place, values, displaced, n_threads)
        for one in octaves:
            rows = np.flatnonzero(octave == one)
            out = np.empty((rows.size, shape[1]))
            core.mixed(self._displaced(int(one)), place[rows], values[rows], out, n_threads)
            displaced[rows] = out
        return (1.0 - fraction)[:, None] * centred + fraction[:, None] * displaced

    def _displaced(self, octave: int) -> Array:
        """Return the powers (8, m, nodes) of the matrix for scales of one octave."""
        if octave not in self._octaves:
            scales = 2.0 ** (octave + 0.5 * (1.0 + _CHEBYSHEV))
            at_points = np.array([self._matrix_of(float(scale)) for scale in scales])
            powers = np.einsum("kp,pmn->kmn", _TO_POWERS, at_points)
            self._octaves[octave] = np.ascontiguousarray(powers)
        return self._octaves[octave]

    def _matrix_of(self, scale: float) -> Array:
        assert self._offsets is not None
        assert self._grid is not None
        nodes = self._offsets(scale).nodes(np.ascontiguousarray(self._at.radius))
        weight = nodes.weight[1] * np.repeat(self._at.weight, nodes.counts)
        row = np.repeat(self._at.bin, nodes.counts)
        return self._grid.matrix(nodes.radius, weight, row, self._n_bins)
