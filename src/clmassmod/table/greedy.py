"""Greedy kernel interpolation: a subset of the random sample is the interpolator.

The Newton basis of Mueller & Schaback (2009, J. Approx. Theory 161) with the P-greedy choice of
De Marchi, Schaback & Wendland (2005, Adv. Comput. Math. 23): the next centre is the point of
the sample where the power function, the worst error of the interpolant, is largest.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.spatial.distance import cdist

from ..errors import ParameterError
from .axes import checked_points
from .maps import CoordinateMap
from .problem import Problem, largest
from .settings import choice

if TYPE_CHECKING:
    from .files import StoredBuild
    from .report import ErrorReport
    from .state import Build
    from .store import Content

Array = npt.NDArray[np.float64]

OUTSIDE = ("raise", "nan", "clip")
"""What a call can do with points outside."""
_ROOT5 = math.sqrt(5.0)
# beyond the edge, in parts of the box, for rounding
_SLACK = 1e-14
_BLOCK = 2048
# points from which scales and noise are found; a Cholesky factor of them is made each time
_FOR_SCALES = 256
_LOG_SCALES = (math.log(0.05), math.log(20.0))
_LOG_NOISE = (math.log(1e-10), math.log(1.0))
_LOG_STEPS = (math.log(4.0), math.log(2.0), math.log(1.4))
# of the logarithm of a likelihood
_LEAST_GAIN = 0.05
_MOST_BYTES = 1 << 30
_GROWTH = 1.15
_FIRST = 20


def matern(a: Array, b: Array) -> Array:
    """Return the Matern-5/2 kernel (n, m) of points (n, N) and (m, N), in units of scale."""
    r = _ROOT5 * cdist(a, b)
    return np.asarray((1.0 + r + r * r / 3.0) * np.exp(-r))


class KernelTable:
    """A function as a sum of kernels about selected points of a sample, plus a quadratic.

    It is called as a `Table` is; a call takes some 10 ns per centre and point. The values of a
    point do not depend on the others of a call.

    Attributes
    ----------
    names : tuple of str
    centres : (m, N) array
        In parts of the box in u, 0 to 1.
    n_outputs : int
    noise : float
        Variance of the noise that was found, over the square of the kernel's amplitude: the
        values at the centres are met up to this times their coefficients.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        box: Array,
        centres: Array,
        coefficients: Array,
        trend: Array,
        scales: Array,
        noise: float,
        *,
        has_outputs: bool,
        coordinate_map: CoordinateMap | None = None,
    ) -> None:
        self.names = names
        self.box = box
        self.centres = centres
        self.noise = float(noise)
        self.coordinate_map = coordinate_map
        self.n_outputs = coefficients.shape[1]
        self._coefficients = coefficients
        self._trend = trend
        self._scales = scales
        self._scaled_centres = centres / scales
        self._has_outputs = has_outputs
        self._report: ErrorReport | None = None
        self._build: Build | StoredBuild | None = None

    def __repr__(self) -> str:
        return f"<KernelTable of {', '.join(self.names)}: {len(self.centres)} centres>"

    def __call__(self, x: Any, *, oob: str = "raise") -> Any:
        """Return values at points.

        Parameters
        ----------
        x : (..., N) array
        oob : {"raise", "nan", "clip"}
            Points outside the box: an error naming the first; NaN; or the value at the nearest
            point of it.

        Returns
        -------
        (...) or (..., K) array
        """
        unit, shape, _ = self._unit(x, oob)
        values = np.concatenate([self._values(part) for part in _parts(unit)])
        full = (*shape, self.n_outputs) if self._has_outputs else shape
        return values.reshape(full)[()]

    def value_and_grad(self, x: Any, *, oob: str = "raise") -> tuple[Any, Any]:
        """Return values, and derivatives (..., N) or (..., K, N) by x."""
        unit, shape, held = self._unit(x, oob)
        values = np.concatenate([self._values(part) for part in _parts(unit)])
        gradient = np.concatenate([self._gradient(part) for part in _parts(unit)])
        # a value that does not change beyond the edge has no slope there
        gradient = np.where(held[:, None], 0.0, gradient / np.diff(self.box)[:, 0])
        full = (*shape, self.n_outputs) if self._has_outputs else shape
        gradient = gradient.reshape(*full, len(self.names))
        if self.coordinate_map is not None:
            gradient = self.coordinate_map.chain(x, gradient, oob)
        return values.reshape(full)[()], gradient

    def in_domain(self, x: Any) -> Any:
        """Return whether points (..., N) are in the box."""
        points, unit = self._to_unit(x, "nan")
        return _inside(unit).reshape(points.shape[:-1])[()]

    def error_report(self) -> ErrorReport | None:
        """Return what the build reached."""
        return self._report

    def extend(self, **options: Any) -> KernelTable:
        """Return a new version; parameters are those of `extension.extend_table`."""
        from .extension import extend_table

        table: KernelTable = extend_table(self, **options)
        return table

    def save(
        self, path: str | os.PathLike[str], *, sim_id: str = "", version: int | None = None
    ) -> str:
        """Write the table to an HDF5 file, as `Table.save` does; `Table.load` reads it."""
        from .files import save_table

        return save_table(self, path, sim_id, version)

    def to_content(self) -> Content:
        """Return what the table is, as a file holds it."""
        from .store import Content, plain

        inner = self.coordinate_map
        arrays = {
            "kernel/box": self.box,
            "kernel/centres": self.centres,
            "kernel/coefficients": self._coefficients,
            "kernel/trend": self._trend,
            "kernel/scales": self._scales,
        }
        attributes = {
            "kind": "kernel",
            "names": list(self.names),
            "n_centres": len(self.centres),
            "noise": self.noise,
            "has_outputs": self._has_outputs,
            "map": None if inner is None else plain(inner.to_dict()),
        }
        return Content(arrays, attributes)

    @classmethod
    def from_content(cls, content: Content) -> KernelTable:
        """Return the table that `to_content` wrote."""
        given = content.attributes
        names = ("box", "centres", "coefficients", "trend", "scales")
        box, centres, coefficients, trend, scales = (content.arrays[f"kernel/{n}"] for n in names)
        return cls(
            tuple(given["names"]),
            box,
            centres,
            coefficients,
            trend,
            scales,
            given["noise"],
            has_outputs=given["has_outputs"],
            coordinate_map=None if given["map"] is None else CoordinateMap.from_dict(given["map"]),
        )

    def _unit(self, x: Any, oob: str) -> tuple[Array, tuple[int, ...], npt.NDArray[np.bool_]]:
        """Return points in parts of the box, those outside as `oob` says, the shape of x.

        And which coordinates were moved to an edge of the box.
        """
        if oob == "linear":
            hint = "A sum of kernels has no edge cells to continue."
            raise ParameterError("oob", oob, f"one of {', '.join(OUTSIDE)}", hint)
        choice("oob", oob, OUTSIDE)
        points, unit = self._to_unit(x, oob)
        outside = ~_inside(unit) & ~np.isnan(unit).any(axis=1)
        if oob == "raise" and outside.any():
            at = int(np.argmax(outside))
            value = tuple(points.reshape(-1, len(self.names))[at].tolist())
            hint = "oob='nan' or 'clip' allows it."
            raise ParameterError(f"x[{at}]", value, "in the box of the table", hint)
        if oob == "nan":
            unit[outside] = np.nan
        held = np.clip(unit, 0.0, 1.0)
        return held, points.shape[:-1], (unit < -_SLACK) | (unit > 1.0 + _SLACK)

    def _to_unit(self, x: Any, oob: str) -> tuple[Array, Array]:
        points = checked_points(x, self.names)
        u = points if self.coordinate_map is None else self.coordinate_map.forward(points, oob)
        low, high = self.box.T
        return points, (u.reshape(-1, len(low)) - low) / (high - low)

    def _values(self, unit: Array) -> Array:
        kernel = matern(unit / self._scales, self._scaled_centres)
        return _weighted(kernel, self._coefficients) + _weighted(_quadratic(unit), self._trend)

    def _gradient(self, unit: Array) -> Array:
        scaled = unit / self._scales
        squared = ((scaled[:, None, :] - self._scaled_centres) ** 2).sum(axis=-1)
        r = _ROOT5 * np.sqrt(squared)
        # d/dr of (1 + r + r^2/3) e^-r is -(r + r^2) e^-r / 3, and dr^2/dx = 10 (x - c) / scale
        slope = -(5.0 / 3.0) * (1.0 + r) * np.exp(-r)
        n = unit.shape[1]
        result = np.empty((len(unit), self.n_outputs, n))
        for i in range(n):
            step = scaled[:, i, None] - self._scaled_centres[:, i]
            result[:, :, i] = _weighted(slope * step, self._coefficients) / self._scales[i]
            result[:, :, i] += _weighted(_quadratic_slope(unit, i), self._trend)
        return result


def build_greedy(problem: Problem) -> KernelTable:
    """Return the interpolant of the smallest subset of the drive points that is enough."""
    low, high = problem.box.T
    u, values = problem.points("drive")
    u_stop, values_stop = problem.points("stop")
    unit = np.concatenate([(u - low) / (high - low), (u_stop - low) / (high - low)])
    every = np.concatenate([values, values_stop])
    n_drive = len(u)
    trend = np.linalg.lstsq(_quadratic(unit[:n_drive]), values, rcond=None)[0]
    target = every - _quadratic(unit) @ trend
    scales, noise = kernel_scales(unit[:n_drive][:_FOR_SCALES], target[:n_drive][:_FOR_SCALES])
    chosen, factor, newton = _select(problem, unit / scales, target, n_drive, noise)
    # the Newton basis at the centres is the Cholesky factor of their kernel matrix
    coefficients = solve_triangular(factor, newton, lower=True, trans="T")
    return KernelTable(
        problem.names,
        problem.box,
        unit[chosen],
        np.asarray(coefficients),
        np.asarray(trend, dtype=np.float64),
        scales,
        noise,
        has_outputs=problem.has_outputs,
    )


def _select(
    problem: Problem, points: Array, target: Array, n_drive: int, noise: float
) -> tuple[npt.NDArray[np.intp], Array, Array]:
    """Return the centres, the Newton basis at them (m, m), and its coefficients (m, K)."""
    n_most = min(problem.max_nodes, n_drive, _MOST_BYTES // (8 * len(points)))
    basis = np.empty((n_most, len(points)))
    newton = np.empty((n_most, target.shape[1]))
    chosen = np.empty(n_most, dtype=np.intp)
    power = np.full(len(points), 1.0 + noise)
    left = target.copy()
    look = min(_FIRST, n_most)
    for m in range(n_most):
        at = int(np.argmax(power[:n_drive]))
        column = matern(points, points[at : at + 1])[:, 0]
        column[at] += noise
        column -= basis[:m].T @ basis[:m, at]
        root = math.sqrt(max(power[at], 1e-14))
        basis[m] = column / root
        newton[m] = left[at] / root
        # with noise, the centre itself is the only point that has its own share of it
        left -= np.outer(basis[m], newton[m])
        power -= basis[m] ** 2
        power[at] = -math.inf
        chosen[m] = at
        if m + 1 == look:
            look = min(max(int(look * _GROWTH), look + 1), n_most)
            if _enough(problem, left, m + 1, n_drive, chosen):
                n_most = m + 1
                break
    else:
        problem.reason = "nodes" if n_most == problem.max_nodes else "pool"
    chosen = chosen[:n_most]
    factor = np.tril(basis[:n_most, chosen].T)
    return chosen, factor, newton[:n_most]


def _enough(
    problem: Problem,
    left: Array,
    m: int,
    n_drive: int,
    chosen: npt.NDArray[np.intp],
) -> bool:
    drive, stop = left[:n_drive], left[n_drive:]
    # centres are interpolated: they say nothing about the error
    others = np.ones(n_drive, dtype=bool)
    others[chosen[:m]] = m == n_drive
    done = problem.record_errors(largest(drive[others]), largest(stop), m, (m,), ())
    if done:
        problem.reason = "tolerance"
    return done


def kernel_scales(unit: Array, target: Array) -> tuple[Array, float]:
    """Return the scales (N,) of the kernel, in parts of the box, and the noise over the signal.

    They maximise the likelihood of the values under a Gaussian process, the amplitude of each
    output being its best.
    """
    n, n_axes = unit.shape
    # first by size: the variance of values of 1e-200 is no number
    size = np.abs(target).max(axis=0)
    sized = target[:, size > 0.0] / size[size > 0.0]
    spread = sized.std(axis=0)
    used = sized[:, spread > 0.0] / spread[spread > 0.0]
    if used.shape[1] == 0:
        return np.ones(n_axes), math.exp(_LOG_NOISE[0])

    def cost(parameters: Array) -> float:
        scaled = unit / np.exp(parameters[:-1])
        kernel = matern(scaled, scaled)
        kernel[np.diag_indices(n)] += math.exp(parameters[-1]) + 1e-12
        try:
            factor = cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            return 1e10
        half_log_det = float(np.log(np.diag(factor[0])).sum())
        fit = (used * cho_solve(factor, used, check_finite=False)).sum(axis=0) / n
        return float((0.5 * n * np.log(np.maximum(fit, 1e-300)) + half_log_det).sum())

    bounds = [_LOG_SCALES] * n_axes + [_LOG_NOISE]
    best = _pattern_search(cost, np.append(np.zeros(n_axes), math.log(1e-6)), bounds)
    return np.exp(best[:-1]), math.exp(best[-1])


def _pattern_search(
    cost: Callable[[Array], float], start: Array, bounds: Sequence[tuple[float, float]]
) -> Array:
    """Return where a cost is least, by steps along the axes that are halved when none helps.

    The steps are fixed and a gain must be larger than rounding, so that the result does not
    depend on the threads of the linear algebra as that of a gradient descent does.
    """
    best, least = start, cost(start)
    for step in _LOG_STEPS:
        improved = True
        while improved:
            improved = False
            for i, (low, high) in enumerate(bounds):
                for sign in (1.0, -1.0):
                    trial = best.copy()
                    trial[i] = min(max(trial[i] + sign * step, low), high)
                    value = cost(trial) if trial[i] != best[i] else least
                    if value < least - _LEAST_GAIN:
                        best, least, improved = trial, value, True
                        break
    return best


def _weighted(columns: Array, weights: Array) -> Array:
    """Return the sums (n, K) of columns (n, m) with weights (m, K).

    Not a product of matrices, whose last bits depend on the number of rows.
    """
    return np.stack([(columns * one).sum(axis=1) for one in weights.T], axis=1)


def _quadratic(unit: Array) -> Array:
    """Return 1, x_i and x_i x_j, j <= i, of points (n, N)."""
    n = unit.shape[1]
    columns = [np.ones(len(unit)), *unit.T]
    columns += [unit[:, i] * unit[:, j] for i in range(n) for j in range(i + 1)]
    return np.stack(columns, axis=1)


def _quadratic_slope(unit: Array, axis: int) -> Array:
    """Return the derivatives of `_quadratic` along an axis."""
    n = unit.shape[1]
    zero = np.zeros(len(unit))
    columns = [zero, *(zero + (i == axis) for i in range(n))]
    for i in range(n):
        for j in range(i + 1):
            columns.append((i == axis) * unit[:, j] + (j == axis) * unit[:, i])
    return np.stack(columns, axis=1)


def _inside(unit: Array) -> npt.NDArray[np.bool_]:
    return np.asarray(((unit >= -_SLACK) & (unit <= 1.0 + _SLACK)).all(axis=1))


def _parts(unit: Array) -> list[Array]:
    return [unit[i : i + _BLOCK] for i in range(0, max(len(unit), 1), _BLOCK)]
