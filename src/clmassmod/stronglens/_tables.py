"""Tables of stars and haloes that lenses share: made once for each shape, then immutable."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from .._core import axisym as core
from ..errors import ParameterError

Array = npt.NDArray[np.float64]

MOST_INDICES = 4096
"""Largest number of distinct Sersic indices in one array of lenses: 37 kB each."""


def sersic_b(index: Array | float) -> Array:
    """Return b_n, the root of ``Gamma(2n) = 2 gamma(2n, b)``."""
    return np.asarray(gammaincinv(2.0 * np.asarray(index), 0.5))


@lru_cache(maxsize=64)
def _one_sersic_table(index: float) -> core.MeanTable:
    return core.MeanTable.sersic(index, float(sersic_b(index)))


def sersic_tables(
    index: Array,
) -> tuple[tuple[core.MeanTable, ...], Array, npt.NDArray[np.uintp] | None]:
    """Return the tables of Sersic indices (n,), their shapes (tables, 2) and which each uses."""
    # no lenses at all need some table too
    unique, which = np.unique(index if index.size else [1.0], return_inverse=True)
    if unique.size > MOST_INDICES:
        raise ParameterError(
            "sersic_n",
            f"array of {unique.size} different values",
            f"of at most {MOST_INDICES} different values",
            "Round the indices, to 0.01 say.",
        )
    tables = tuple(_one_sersic_table(float(n)) for n in unique)
    shapes = np.column_stack([unique, sersic_b(unique)])
    return tables, shapes, None if unique.size == 1 else which.astype(np.uintp)


@lru_cache(maxsize=core.SLOPE_PANELS)
def _one_slope_panel(panel: int) -> core.SlopePanel:
    return core.SlopePanel(panel)


def slope_panels(inner_slope: Array) -> dict[int, core.SlopePanel]:
    """Return the panels that hold inner slopes (n,), each in [0, 3)."""
    panels = np.unique((inner_slope * core.SLOPE_PANELS_PER_UNIT).astype(np.intp))
    return {int(panel): _one_slope_panel(int(panel)) for panel in panels}


@lru_cache(maxsize=1024)
def gnfw_table(inner_slope: float) -> core.MeanTable:
    """Return the table of generalised NFW haloes of one inner slope."""
    return core.MeanTable.gnfw(inner_slope)
