"""Errors of a built table at its sample, and of a likelihood that uses the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from .axes import checked_points
from .evaluation import Function
from .files import build_of
from .maps import CoordinateMap
from .pool import SPLITS
from .problem import largest
from .settings import choice

if TYPE_CHECKING:
    from .files import AnyTable

Array = npt.NDArray[np.float64]

_BLOCK = 2**14
_MOST_DRAWS = 2**24


def sample_errors(table: AnyTable, split: str = "final") -> tuple[Array, Array]:
    """Return the errors of a table at points of the sample it was built with.

    Parameters
    ----------
    table : Table or KernelTable
        From `build_table`, in this process or from a file, which keeps the sample.
    split : {"final", "stop", "drive"}
        Final points were not looked at before the table was finished.

    Returns
    -------
    u : (n, N) array
        Points, in the coordinates u of the table's map.
    errors : (n,) array
        ``|table - function|``, the largest over the outputs.

    Raises
    ------
    ParameterError
        A table that keeps no sample: made from values, or pickled.
    FormatError
        The file of a loaded table has changed.
    """
    choice("split", split, SPLITS)
    build = build_of(table)
    if build is None:
        hint = "Tables from values and pickled ones do not; files of built tables do."
        raise ParameterError("table", table, "one that keeps the sample of its build", hint)
    rows = build.pool.rows(split)
    u, values = build.pool.u[rows], build.values[rows]
    # points at an edge may be beyond it by rounding, on their way to x and back
    found = table(build.settings.coordinate_map.inverse(u), oob="clip")
    return u, largest(np.asarray(found).reshape(values.shape) - values)


def delta_log_likelihood(
    table: AnyTable, func: Function, truth: Any, sigma: Any, *, n: int = 2000, seed: int = 0
) -> tuple[Array, Array]:
    """Return the error of ln L that a table makes in a mock posterior.

    The datum is the function at `truth`, its errors are normal:
    ``ln L = -sum_k ((f_k(x) - f_k(truth)) / sigma_k)^2 / 2``. The posterior is that of a prior
    uniform over the box of the table in the coordinates u of its map.

    Parameters
    ----------
    table : Table or KernelTable
    func : callable
        What the table is of: ``func(x (n, N)) -> (n,) or (n, K)``.
    truth : (N,) array
        Within the table.
    sigma : float or (K,) array, > 0
        Standard deviations of the outputs.
    n : int, >= 1
        Points of the posterior.
    seed : int, >= 0

    Returns
    -------
    x : (n, N) array
        A sample of the posterior, by rejection.
    delta : (n,) array
        ln L of the table minus ln L of the function there. A constant part does no harm.

    Raises
    ------
    ParameterError
        An argument outside its range, or a posterior so narrow that 2^24 draws from the prior
        do not give n points.
    """
    point = checked_points(truth, table.names)
    if point.ndim != 1 or not table.in_domain(point):
        raise ParameterError("truth", point.tolist(), "a point (N,) in the domain of the table")
    width = np.asarray(sigma, dtype=np.float64)
    if width.shape not in ((), (table.n_outputs,)) or not np.all((width > 0.0) & (width < np.inf)):
        raise ParameterError("sigma", sigma, f"> 0, one number or {table.n_outputs}")
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ParameterError("n", n, "an integer >= 1")
    datum = _outputs(func(point[None]), table)

    def log_likelihood(values: Any) -> Array:
        return np.asarray(-0.5 * (((_outputs(values, table) - datum) / width) ** 2).sum(axis=1))

    rng = np.random.default_rng(seed)
    found: list[Array] = []
    for _ in range(_MOST_DRAWS // _BLOCK):
        x = _prior(table, rng)
        chance = np.exp(log_likelihood(table(x, oob="clip")))
        # a masked cell has no value: NaN is not larger than anything
        found.append(x[chance > rng.random(_BLOCK)])
        if sum(map(len, found)) >= n:
            break
    else:
        hint = f"Found {sum(map(len, found))} of {n} points; larger sigma or smaller n find more."
        raise ParameterError("sigma", sigma, "not so much narrower than the prior", hint)
    x = np.concatenate(found)[:n]
    return x, log_likelihood(table(x, oob="clip")) - log_likelihood(func(x))


def _prior(table: AnyTable, rng: np.random.Generator) -> Array:
    """Return points x uniform in u."""
    low, high = table.box.T
    u = low + (high - low) * rng.random((_BLOCK, len(low)))
    return CoordinateMap.of(table.coordinate_map, len(low), table.names).inverse(u)


def _outputs(values: Any, table: AnyTable) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in (1, 2) or array.size != len(array) * table.n_outputs:
        raise ParameterError("func(x).shape", array.shape, f"(n,) or (n, {table.n_outputs})")
    return array.reshape(-1, table.n_outputs)
