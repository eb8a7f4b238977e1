"""Nodes of the product rule that averages over populations of lenses."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from .._core import selection as core
from ..errors import ParameterError
from .parameters import PARAMETERS, POSITIVE, PopulationParameters

Array = npt.NDArray[np.float64]
Ranges = Mapping[str, tuple[float, float]]
Number = Callable[[Array], Array]

STEP = 1.1
"""Steps over the least scatter: the rule's error is ``exp(-2 pi^2 / STEP^2)``, 8e-8."""
GREATEST_STEP = 0.2
"""dex; wider scatters than 0.18 are not what limits a step, but how fast galaxies turn into
lenses: ``1 - e^-Lambda`` rises from 0 to 1 within half a dex of mass."""
GREATEST_MASS = 19.0
"""log10 Msun above which haloes are left out: rings of 40 Mpc."""

_REACH = 6.5
_SIZE_REACH = 5.7
_MISMATCH_REACH = 5.0
_DROP = 18.0
_COARSE = 0.25
_SLACK = 1e-9
# where nothing is seen
_LEAST_NUMBER = 1e-300


class SelectionGrid:
    """Equal steps in log M*, log Re and log Mh, Gauss nodes in the inner slope.

    A row has one log M* and sizes of its own, each size the masses that matter somewhere in the
    box. Nodes are numbered by row, size, mass and slope.

    Attributes
    ----------
    support : dict
        Ranges of all 15 parameters.
    steps : (3,) ndarray
        Of log M*, log Re and log Mh.
    slopes : (2, n) ndarray
        Nodes and weights of the rule in the inner slope.
    frame : (5,) ndarray
        Pivots and the support of the inner slope.
    """

    def __init__(
        self,
        columns: Array,
        windows: npt.NDArray[np.uintp],
        steps: Array,
        slopes: Array,
        frame: Array,
        support: Ranges,
    ) -> None:
        self.support = dict(support)
        self.steps, self.slopes, self.frame = steps, slopes, frame
        self._columns, self._windows = columns, windows
        self.rows = core.Rows(columns, windows)
        self._begin, end = windows.astype(np.intp).reshape(2, -1)
        self._cells = np.concatenate([[0], np.cumsum(end - self._begin)])

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return int(self._cells[-1] * self.slopes.shape[1])

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Rows, sizes in each, the largest number of masses, slopes."""
        _, n_rows, n_sizes = self._windows.shape
        return n_rows, n_sizes, int(self._windows[1].max()), self.slopes.shape[1]

    @classmethod
    def of(
        cls,
        parameters: PopulationParameters,
        box: Ranges,
        number: Number,
        training: Array,
        shift: float,
        widest: float = math.inf,
    ) -> SelectionGrid:
        """Return the grid for a box of parameters.

        Parameters
        ----------
        parameters : PopulationParameters
            Values of those that are not in the box.
        box : dict of name to (low, high)
        number : callable
            Lambda (n,) of points (n, 4): tells roughly which masses matter.
        training : (n, 15) array
            Points for which they are to matter.
        shift : float
            Steps by which all nodes are moved.
        widest : float, dex
            Step of log M* at most: where what is averaged changes within less than the
            scatter of masses.
        """
        fixed = dict(zip(PARAMETERS, parameters.fixed.tolist(), strict=True))
        support = {name: box.get(name, (value, value)) for name, value in fixed.items()}
        for name in POSITIVE:
            if not support[name][0] > 0.0:
                raise ParameterError(f"population: {name}", support[name][0], "> 0: a scatter")
        steps = _steps(support)
        steps[0] = min(steps[0], widest)
        frame = np.array([*parameters.pivots, *parameters.gamma_support])
        slopes = _slopes(support, frame, shift)
        log_mstar = _lattice(*_mass_range(support, frame), steps[0], shift)
        log_re = _sizes(*_size_ranges(support, frame, log_mstar), steps[1], shift)
        log_mhalo, windows = _mass_windows(
            training, frame, number, log_mstar, log_re, steps[2], shift
        )
        begin, end = windows
        kept = np.flatnonzero((end > begin).any(axis=1))
        first = np.min(begin[kept], axis=1, where=(end > begin)[kept], initial=log_mhalo.size)
        columns = np.array([log_mstar[kept], log_re[kept, 0], log_mhalo[first]])
        # of each row from its first mass on
        windows = np.maximum(windows[:, kept] - first[:, None], 0)
        if windows.max() > core.MOST_MASSES:
            allowed = f"a box whose halo masses need at most {core.MOST_MASSES} nodes"
            raise ParameterError("box: nodes of log Mh", int(windows.max()), allowed)
        return cls(columns, windows.astype(np.uintp, order="C"), steps, slopes, frame, support)

    def cells(self, first: int, last: int) -> Array:
        """Return log M*, log Re and log Mh (3, n) of cells, each with nodes of all slopes."""
        n_slopes = self.slopes.shape[1]
        return np.ascontiguousarray(
            self.points(first * n_slopes, last * n_slopes)[::n_slopes, :3].T
        )

    def points(self, first: int, last: int) -> Array:
        """Return psi (n, 4) of nodes `first` to ``last - 1``."""
        n_slopes = self.slopes.shape[1]
        node = np.arange(first, last)
        cell, slope = np.divmod(node, n_slopes)
        strip = np.searchsorted(self._cells, cell, side="right") - 1
        mass = self._begin[strip] + cell - self._cells[strip]
        row, size = np.divmod(strip, self._windows.shape[2])
        log_mstar, log_re, log_mhalo = self._columns[:, row]
        return np.stack(
            [
                log_mstar,
                log_re + self.steps[1] * size,
                log_mhalo + self.steps[2] * mass,
                self.slopes[0][slope],
            ],
            axis=-1,
        )

    def checked_points(self, vectors: Any) -> Array:
        """Return vectors (n, 15) as a float array; those outside the support are refused."""
        points = np.atleast_2d(np.array(vectors, dtype=np.float64, order="C"))
        if points.ndim != 2 or points.shape[1] != len(PARAMETERS):
            raise ParameterError("vectors.shape", np.shape(vectors), f"(n, {len(PARAMETERS)})")
        ends = np.array([self.support[name] for name in PARAMETERS])
        slack = _SLACK * (1.0 + np.abs(ends).max(axis=1))
        good = (points >= ends[:, 0] - slack) & (points <= ends[:, 1] + slack)
        if not good.all():
            row, column = np.argwhere(~good)[0]
            low, high = ends[column]
            allowed = f"between {low:g} and {high:g}: the box it was built for (point {row})"
            hint = "Build the selection in a larger box."
            raise ParameterError(PARAMETERS[column], float(points[row, column]), allowed, hint)
        return points

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the grid as arrays, without its support."""
        return {
            "rows": self._columns,
            "windows": self._windows.astype(np.int64),
            "steps": self.steps,
            "slopes": self.slopes,
            "frame": self.frame,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], support: Ranges) -> SelectionGrid:
        """Return the grid of `to_arrays`."""
        windows = arrays["windows"].astype(np.uintp)
        steps, slopes, frame = (arrays[name] for name in ("steps", "slopes", "frame"))
        return cls(arrays["rows"], windows, steps, slopes, frame, support)


# -- steps and ranges ------------------------------------------------------------------------------


def _steps(support: Ranges) -> Array:
    """Return the steps of log M*, log Re and log Mh."""
    # the sharper side of a skew normal falls as a normal of this width
    shape = 10.0 ** support["shape_star"][1]
    sharp = support["sigma_star"][0] / math.hypot(1.0, shape) * (1.0 + support["beta_sps"][0])
    scatters = np.array([sharp, support["sigma_r"][0], support["sigma_h"][0]])
    return np.minimum(STEP * scatters, GREATEST_STEP)


def least_slopes(support: Ranges, frame: Array) -> int:
    """Return how many Gauss nodes the narrowest distribution of inner slopes needs."""
    # they lie furthest apart in the middle, pi/2 times the mean
    low, high = frame[3:]
    return math.ceil(float(0.5 * math.pi * (high - low) / (STEP * support["sigma_g"][0])))


def slope_nodes(n: int, frame: Array) -> Array:
    """Return Gauss-Legendre nodes and weights (2, n) over the support of the inner slope."""
    low, high = frame[3:]
    x, weight = np.polynomial.legendre.leggauss(n)
    return np.array([low + 0.5 * (high - low) * (1.0 + x), 0.5 * (high - low) * weight])


def _slopes(support: Ranges, frame: Array, shift: float) -> Array:
    """Return nodes and weights, a multiple of the core's lanes; a shifted grid has more of them."""
    lanes = core.SLOPE_LANES
    n = lanes * (math.ceil(least_slopes(support, frame) / lanes) + (shift != 0.0))
    if n > core.MOST_SLOPES:
        least = 0.5 * math.pi * (frame[4] - frame[3]) / (STEP * core.MOST_SLOPES)
        raise ParameterError("box['sigma_g']", support["sigma_g"][0], f">= {least:.3g}")
    return slope_nodes(n, frame)


def _lattice(low: float, high: float, step: float, shift: float) -> Array:
    """Return the multiples of `step`, moved by `shift` steps, from below `low` to above `high`."""
    first, last = math.floor(low / step - shift), math.ceil(high / step - shift)
    return step * (np.arange(first, last + 1, dtype=np.float64) + shift)


def _sizes(first: Array, last: Array, step: float, shift: float) -> Array:
    """Return as many multiples of `step`, moved by `shift` steps, for each range (n, sizes)."""
    begin = np.floor(first / step - shift)
    n = int(np.max(np.ceil(last / step - shift) - begin)) + 1
    return np.asarray(step * (begin[:, None] + np.arange(n) + shift), dtype=np.float64)


def _true_mass(x: Any, alpha: float, beta: float, pivot: float) -> Any:
    return x + alpha + beta * (x - pivot)


def _mass_range(support: Ranges, frame: Array) -> tuple[float, float]:
    """Return the ends of log M* where there may be galaxies."""
    sigma, shape = support["sigma_star"][1], 10.0 ** support["shape_star"][0]
    x = (
        support["mu_star"][0] - _REACH * sigma / math.hypot(1.0, shape),
        support["mu_star"][1] + (_REACH + 1.5) * sigma,
    )
    masses = [
        _true_mass(one, alpha, beta, frame[2])
        for one in x
        for alpha in support["alpha_sps"]
        for beta in support["beta_sps"]
    ]
    reach = _MISMATCH_REACH * support["sigma_sps"][1]
    return min(masses) - reach, max(masses) + reach


def _size_ranges(support: Ranges, frame: Array, log_mstar: Array) -> tuple[Array, Array]:
    """Return the ends of log Re of galaxies with each true mass, (n,) each."""
    reach = _MISMATCH_REACH * support["sigma_sps"][1]
    means = [
        mu
        + slope * ((log_mstar - alpha + side * reach + beta * frame[2]) / (1.0 + beta) - frame[0])
        for mu in support["mu_r"]
        for slope in support["beta_r"]
        for alpha in support["alpha_sps"]
        for beta in support["beta_sps"]
        for side in (-1.0, 1.0)
    ]
    width = _SIZE_REACH * support["sigma_r"][1]
    return np.min(means, axis=0) - width, np.max(means, axis=0) + width


# -- halo masses that matter -----------------------------------------------------------------------


def _mass_windows(
    training: Array,
    frame: Array,
    number: Number,
    log_mstar: Array,
    log_re: Array,
    step: float,
    shift: float,
) -> tuple[Array, npt.NDArray[np.intp]]:
    """Return a lattice of log Mh and, for each log Re (n, sizes), its first node and the end.

    Nodes matter if, at some point of the box, density times cross-section is above e^-18 of
    its maximum; the cross-section is taken roughly, at the middle size and slope.
    """
    p = dict(zip(PARAMETERS, training.T[:, :, None, None], strict=True))
    centre = p["mu_h"] + p["beta_h"] * (log_mstar[:, None] - p["alpha_sps"] - frame[1])
    width = np.hypot(p["sigma_h"], p["xi_h"] * p["sigma_r"])
    low = float((centre - _REACH * width).min())
    high = float((centre + 2.0 * _REACH * width).max())
    log_mhalo = _lattice(low, min(high, GREATEST_MASS), step, shift)
    rough = _rough_log_number(number, frame, log_mstar, log_re.mean(axis=1), log_mhalo)
    t = np.array([0.0])
    if training[:, PARAMETERS.index("sigma_sps")].any():
        t = np.linspace(-_MISMATCH_REACH, _MISMATCH_REACH, 11)
    needed = np.zeros((*log_re.shape, log_mhalo.size), dtype=bool)
    for point in training:
        weights = (_log_weight(point, frame, log_mstar, log_re, log_mhalo, one) for one in t)
        weight = functools.reduce(np.maximum, weights) + rough[:, None, :]
        needed |= weight > weight.max() - _DROP
    begin = np.argmax(needed, axis=2)
    end = log_mhalo.size - np.argmax(needed[:, :, ::-1], axis=2)
    return log_mhalo, np.stack([begin, np.where(needed.any(axis=2), end, begin)])


def _log_weight(
    point: Array, frame: Array, log_mstar: Array, log_re: Array, log_mhalo: Array, t: float
) -> Array:
    """Return ln of the density (n, sizes, masses) at one deviation of the mismatch."""
    p = dict(zip(PARAMETERS, point.tolist(), strict=True))
    x = log_mstar - p["alpha_sps"] - p["sigma_sps"] * t + p["beta_sps"] * frame[2]
    x /= 1.0 + p["beta_sps"]
    z = (x - p["mu_star"]) / p["sigma_star"]
    skew = special.log_ndtr(10.0 ** p["shape_star"] * z)
    excess = log_re - (p["mu_r"] + p["beta_r"] * (x - frame[0]))[:, None]
    mean = (p["mu_h"] + p["beta_h"] * (x - frame[1]))[:, None] + p["xi_h"] * excess
    halo = (log_mhalo - mean[:, :, None]) / p["sigma_h"]
    rest = (skew - 0.5 * (z * z + t * t))[:, None] - 0.5 * (excess / p["sigma_r"]) ** 2
    return np.asarray(rest[:, :, None] - 0.5 * halo * halo)


def _rough_log_number(
    number: Number, frame: Array, log_mstar: Array, log_re: Array, log_mhalo: Array
) -> Array:
    """Return ln of the number of sources (n_mstar, n_mhalo), linear between masses a step apart."""
    n = max(2, math.ceil((log_mhalo[-1] - log_mhalo[0]) / _COARSE) + 1)
    few = np.linspace(log_mhalo[0], log_mhalo[-1], n)
    gamma = 0.5 * (frame[3] + frame[4])
    columns = np.broadcast_arrays(log_mstar[:, None], log_re[:, None], few, gamma)
    psi = np.stack(columns, axis=-1).reshape(-1, 4)
    found = np.log(number(psi) + _LEAST_NUMBER).reshape(log_mstar.size, few.size)
    return np.stack([np.interp(log_mhalo, few, row) for row in found])
