"""Observables of image pairs, of data and of mock samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..stronglens.mock_generator import MockGenerator
from .lens_data import LensData

Array = npt.NDArray[np.float64]

OBSERVABLES = ("x_a", "x_b", "m_a", "m_b", "log_re", "log_msps")
"""Columns of `LensData` that a posterior predicts."""


def observables(lenses: LensData) -> dict[str, Array]:
    """Return positions, magnitudes, sizes and stellar masses."""
    return {name: np.asarray(getattr(lenses, name)) for name in OBSERVABLES}


def mock_pairs(
    generator: MockGenerator, n_galaxies: int, form: str, seed: int, n_threads: int
) -> dict[str, Array]:
    """Return the observables of the lenses of a mock that count, for a form of the selection."""
    catalogue = generator.generate(n_galaxies, seed, n_threads=n_threads)
    return observables(LensData.from_catalogue(catalogue, form))
