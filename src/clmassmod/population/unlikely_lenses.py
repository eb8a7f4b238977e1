"""Lenses that a population does not explain, such as those with a column in a wrong unit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .likelihood import LensPopulationLikelihood

Array = npt.NDArray[np.float64]

_LEAST_SCALE = 3.0
"""nat; that of a mock of 286 lenses, from its quartile and from its lowest percent alike"""
_FEW = 8
"""So many lenses are too few for a scale of their own."""
_FALSE_ALARMS = 1e-3
"""A sample without a wrong lens has one named with this probability."""
_SHOWN = 5


def far_below(best: Array) -> npt.NDArray[np.bool_]:
    """Return which of the best ln L of lenses (n,) are far below the others.

    Notes
    -----
    The number of lenses more than d below the median falls as ``n / 2 e^(-d / s)``. The scale s
    is that of the quartile, which wrong lenses, up to a quarter of all, do not move far;
    d is where one false alarm in a thousand samples is expected.
    """
    middle, quartile = np.quantile(best, [0.5, 0.25], method="higher")
    scale = _LEAST_SCALE
    if best.size >= _FEW:
        scale = max(scale, float(middle - quartile) / math.log(2.0))
    depth = scale * math.log(best.size / (2.0 * _FALSE_ALARMS))
    return np.asarray(best < middle - depth)


def unlikely_lenses(likelihood: LensPopulationLikelihood, eta: Any) -> list[str]:
    """Return a note that names the lenses that no point of a posterior explains, or none.

    Parameters
    ----------
    likelihood : LensPopulationLikelihood
    eta : (n, d) array
        Points of the posterior.
    """
    best = likelihood.per_lens(eta).max(axis=0)
    wrong = np.flatnonzero(far_below(best))
    if not wrong.size:
        return []
    worst = wrong[np.argsort(best[wrong], kind="stable")]
    names = ", ".join(f"{likelihood.sample.names[i]} (ln L {best[i]:.0f})" for i in worst[:_SHOWN])
    more = f" and {worst.size - _SHOWN} more" if worst.size > _SHOWN else ""
    return [
        f"lenses that the population does not explain: {names}{more}, where the median is "
        f"{np.median(best):.0f}: check units (kpc or arcsec, log10 or not) and magnitudes"
    ]
