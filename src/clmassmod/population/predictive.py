"""Samples that a posterior predicts, to be held against the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError

if TYPE_CHECKING:
    from .likelihood import LensPopulationLikelihood

Array = npt.NDArray[np.float64]

MOST_LENSES = 2000
"""Lenses of a predicted sample at most: enough for every histogram."""


@dataclass(frozen=True)
class Predictive:
    """Observables of the data and of samples that a posterior predicts.

    Attributes
    ----------
    observed : dict of name to (n_lenses,) ndarray
    drawn : sequence of dict of name to ndarray
        One for each draw of the posterior, found and observed as the data were, each with about
        as many lenses as they have, at most `MOST_LENSES`.
    """

    observed: Mapping[str, Array]
    drawn: Sequence[Mapping[str, Array]]


def posterior_predictive(
    likelihood: LensPopulationLikelihood,
    samples: Any,
    *,
    n_draws: int = 40,
    seed: int = 1,
    n_threads: int = 1,
) -> Predictive:
    """Return mock samples of populations of a posterior.

    Parameters
    ----------
    likelihood : LensPopulationLikelihood
    samples : (n, d) array
        Of the posterior, such as `Chain.samples`; `n_draws` evenly spaced ones are used.
    n_draws : int, >= 1
    seed : int
    n_threads : int, >= 0

    Notes
    -----
    The spread between draws is that of the posterior and of a finite sample: the data should
    look like one of them.
    """
    points = np.asarray(samples, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != len(likelihood.names) or not len(points):
        raise ParameterError("samples.shape", points.shape, f"(n, {len(likelihood.names)})")
    if n_draws < 1:
        raise ParameterError("n_draws", n_draws, ">= 1")
    rows = np.unique(np.linspace(0, len(points) - 1, n_draws).astype(int))
    sample = likelihood.sample
    n_lenses = min(len(sample.names), MOST_LENSES)
    vectors, survey = likelihood.all_parameters(points[rows])
    drawn = [
        sample.mock(vector, values, n_lenses, seed + i, n_threads)
        for i, (vector, values) in enumerate(zip(vectors, survey, strict=True))
    ]
    return Predictive(sample.observed(), drawn)
