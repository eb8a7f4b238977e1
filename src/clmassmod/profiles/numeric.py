"""Profiles known by quadrature: tables of them, their accuracy, and the way to the core."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .._checks import checked_threads
from .._core import numeric as core
from .._core.profile import QUANTITIES, ConvergenceError, RadiusError
from ..errors import NumericalError, ParameterError
from .base import Array, RadialMass
from .lensing import SourceArrays

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

RTOL_RANGE = (1e-9, 1e-2)
"""Relative accuracies that can be asked for."""
_MOST_TABLES = 8
_MARGIN = 0.3
"""Part of rtol that the errors found may reach: those not looked at may be larger."""
# (2^k panels an octave, nodes of the coarse interpolant): coarser ones serve a looser accuracy
_LEVELS = ((1, 8), (2, 11), (3, 14), (3, 18), (4, 21), (5, 24))
_FIRST_LEVEL = ((1e-5, 0), (1e-7, 1), (0.0, 2))


@lru_cache(maxsize=128)
def shared_table(kind: str, parameters: tuple[float, ...], rtol: float) -> core.Table:
    """Return the table of a shape, good to `rtol`; made once for all profiles of that shape."""
    table, error = make_table(kind, np.array(parameters, dtype=np.float64), rtol)
    if table is None:
        raise NumericalError(
            f"{kind} with shape {parameters} cannot be tabulated to rtol={rtol:g} (reached "
            f"{error:.1e}); use a larger rtol, or tabulate=False"
        )
    return table


def make_table(kind: str, shape: Array, rtol: float) -> tuple[core.Table | None, float]:
    """Return the table of `shape` (p,) and its error; None when it stays too large.

    The errors at points between the nodes are measured while the table is made; the
    coarsest of a fixed series of tables that is good enough is taken.
    """
    error = math.nan
    first = next(level for least, level in _FIRST_LEVEL if rtol >= least)
    for split, nodes in _LEVELS[first:]:
        table = core.Table(core.KINDS[kind], shape, split, nodes, _MARGIN * rtol)
        error = table.error
        if error <= _MARGIN * rtol:
            return table, error
    return None, error


class NumericProfile(RadialMass):
    """A profile ``rho = rho_s f(r / r_s; shape)`` whose projections are integrals.

    With few distinct shapes the integrals are tabulated, once for each shape; with many
    (more than 8), or ``tabulate=False``, every point is integrated by itself to about 1e-12.
    Which of the two is decided by the parameters alone, never by the radii, so that a
    value does not depend on the radii asked for beside it.
    """

    kind: ClassVar[str]
    """Name of the kernel in the core."""

    rtol: float
    _shape: tuple[int, ...]
    _density_scale: Array
    _radius_scale: Array
    _parameters: Array  # (1 or n, p)
    _tables: core.TableSet | None

    def __init__(
        self,
        arguments: dict[str, Any],
        redshift: Any,
        cosmology: FLRW | None,
        rtol: float,
    ) -> None:
        low, high = RTOL_RANGE
        if not (isinstance(rtol, int | float | np.floating) and low <= rtol <= high):
            raise ParameterError("rtol", rtol, f"between {low:g} and {high:g}")
        self.rtol = float(rtol)
        super().__init__({**arguments, "rtol": self.rtol}, redshift, cosmology)

    @property
    def shape(self) -> tuple[int, ...]:
        """``()`` for one profile, ``(n,)`` for n of them."""
        return self._shape

    def _set_parameters(self, columns: tuple[Array, ...], tabulate: bool | None) -> None:
        """Set the shape parameters, each () or (n,), and make or find the tables."""
        n = self._shape[0] if self._shape else 1
        rows = n if any(column.ndim and column.size > 1 for column in columns) else 1
        parameters = np.empty((rows, len(columns)))
        for i, column in enumerate(columns):
            parameters[:, i] = column
        unique, index = (
            np.unique(parameters, axis=0, return_inverse=True)
            if columns
            else (parameters, np.zeros(1, dtype=np.intp))
        )
        if len(unique) == 1:
            parameters = np.ascontiguousarray(unique)
        self._parameters = parameters
        self._tables = None
        if tabulate or (tabulate is None and len(unique) <= _MOST_TABLES):
            tables = [shared_table(self.kind, tuple(row.tolist()), self.rtol) for row in unique]
            table_of_row = None if len(unique) == 1 else index.reshape(-1).astype(np.uintp)
            self._tables = core.TableSet(tables, table_of_row)

    def _integrated(self, name: str, x: Array) -> Array:
        """Return a dimensionless quantity (rho_s = r_s = 1) at x (n,), integrated to 1e-12."""
        one = np.ones(x.size)
        radius = np.ascontiguousarray(x, dtype=np.float64).reshape(-1, 1)
        return self._run(QUANTITIES[name], radius, (one, one), None, None, 1)[:, 0]

    def _evaluate(
        self, quantity: int, radius: Array, sources: SourceArrays | None, n_threads: int
    ) -> Array:
        scales = self._density_scale, self._radius_scale
        return self._run(quantity, radius, scales, self._tables, sources, n_threads)

    def _run(
        self,
        quantity: int,
        radius: Array,
        scales: tuple[Array, Array],
        tables: core.TableSet | None,
        sources: SourceArrays | None,
        n_threads: int,
    ) -> Array:
        checked_threads(n_threads)
        out = np.empty((scales[0].size, radius.shape[1]))
        shear = convergence = planes = weights = None
        if sources is not None:
            shear, convergence, planes, weights, _ = sources
        try:
            core.evaluate(
                core.KINDS[self.kind],
                quantity,
                radius,
                *scales,
                self._parameters,
                tables,
                shear,
                convergence,
                planes,
                weights,
                out,
                n_threads,
            )
        except RadiusError as error:
            raise ParameterError(
                "radius", error.value, f"finite and > 0 Mpc (at index {error.index})"
            ) from None
        except ConvergenceError as error:
            row, column = divmod(error.index, radius.shape[1])
            at = radius[row if radius.shape[0] > 1 else 0, column]
            name = next(key for key, value in QUANTITIES.items() if value == quantity)
            raise NumericalError(
                f"the integral for {name} of {type(self).__name__} at radius {at:.6g} "
                f"{'Mpc' if scales[1] is self._radius_scale else 'scale radii'} (index "
                f"{error.index}) does not converge: the profile is too steep or not smooth there"
            ) from None
        return out
