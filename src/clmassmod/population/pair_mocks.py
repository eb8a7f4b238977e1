"""Observables of image pairs, of data and of mock samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.mock_generator import MockGenerator
from ..stronglens.observation import Detection, MockNoise
from ..stronglens.source_population import SourcePopulation
from .lens_data import LensData
from .parameters import PARAMETERS, population_of
from .sample import KernelTerms

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

OBSERVABLES = ("x_a", "x_b", "m_a", "m_b", "log_re", "log_msps")
"""Columns of `LensData` that a posterior predicts."""


class PairTerms(KernelTerms):
    """What samples of image pairs have in common, whatever is known of other galaxies."""

    lenses: LensData

    def __init__(
        self,
        lenses: LensData,
        population: LensPopulation,
        sources: SourcePopulation,
        selection: str,
        form: str,
        detection: Detection,
        noise: MockNoise,
        cosmology: FLRW,
    ) -> None:
        self.lenses, self.selection, self.form, self.noise = lenses, selection, form, noise
        self._population, self._sources = population, sources
        self._detection, self._cosmology = detection, cosmology

    def observed(self) -> dict[str, Array]:
        """Return positions, magnitudes, stellar masses and sizes of the lenses."""
        return _observables(self.lenses)

    def _mock(
        self, vector: Array, sources: SourcePopulation, n_galaxies: int, seed: int, n_threads: int
    ) -> dict[str, Array]:
        """Return the observables of the lenses that count among galaxies of a population."""
        numbers = dict(zip(PARAMETERS, vector.tolist(), strict=True))
        generator = MockGenerator(
            population=population_of(self._population, numbers),
            sources=sources,
            noise=self.noise,
            detection=self._detection,
            selection=self.selection,
            cosmology=self._cosmology,
        )
        catalogue = generator.generate(n_galaxies, seed, n_threads=n_threads)
        return _observables(LensData.from_catalogue(catalogue, self.form))

    def to_dict(self) -> dict[str, Any]:
        """Return data and selection as plain values."""
        return {
            "data": "image_pairs",
            "lenses": self.lenses.hash,
            "selection": self.selection,
            "form": self.form,
            "noise": self.noise.to_dict(),
        }


def _observables(lenses: LensData) -> dict[str, Array]:
    return {name: np.asarray(getattr(lenses, name)) for name in OBSERVABLES}
