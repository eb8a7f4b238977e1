"""A complete sample of galaxies: image pairs, and galaxies without a detected lensed source."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..provenance import digest
from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.observation import Detection, MockNoise
from ..stronglens.source_population import SourcePopulation
from .data_columns import check_repeats
from .galaxy_data import GalaxyData
from .kernels import KernelAccuracy, build_kernels
from .lens_data import LensData
from .non_lenses import build_non_lenses
from .pair_mocks import PairTerms
from .pair_sample import check_detected, check_pairs, check_range, redshift_range

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]


_FORM_HINT = {
    "one_lens": "Galaxies with several detected sources would be in neither.",
    "lenses": "Galaxies with several would count several times.",
}


class CompleteSample(PairTerms):
    """Terms of the likelihood of lenses and non-lenses; arguments as for the likelihood."""

    survey: tuple[str, ...] = ()

    def __init__(
        self,
        lenses: LensData,
        non_lenses: GalaxyData,
        population: LensPopulation,
        sources: SourcePopulation,
        box: Mapping[str, tuple[float, float]],
        *,
        selection: str,
        form: str,
        detection: Detection,
        noise: MockNoise,
        cosmology: FLRW,
        accuracy: KernelAccuracy | None,
        tables: str | os.PathLike[str] | None,
        n_threads: int,
        progress: bool,
    ) -> None:
        check_pairs(lenses, population, sources)
        check_detected(lenses, detection, selection)
        if not isinstance(non_lenses, GalaxyData):
            raise ParameterError("non_lenses", non_lenses, "GalaxyData")
        if form != "any_lens":
            allowed = "'any_lens' with non_lenses: every galaxy is one or the other"
            raise ParameterError("form", form, allowed, _FORM_HINT.get(form, ""))
        check_repeats(lenses, form)
        check_range("non_lenses.z_l", non_lenses.z_l, *redshift_range(population), "the population")
        super().__init__(lenses, population, sources, selection, form, detection, noise, cosmology)
        self.non_lenses = non_lenses
        self.kernels = build_kernels(
            lenses,
            population,
            sources,
            box,
            selection=selection,
            form=form,
            detection=detection,
            noise=noise,
            cosmology=cosmology,
            accuracy=accuracy,
            n_threads=n_threads,
            progress=progress,
            tables=tables,
        )
        self.others = build_non_lenses(
            non_lenses,
            population,
            sources,
            noise,
            detection,
            box,
            cosmology=cosmology,
            n_threads=n_threads,
            progress=progress,
            tables=tables,
        )

    @property
    def survey_values(self) -> Array:
        """None."""
        return np.empty(0)

    @property
    def identity(self) -> str:
        """Digest of data and settings."""
        return digest(self.kernels.identity, self.others.identity)

    @cached_property
    def tables_hash(self) -> str:
        """Digest of the contents of kernels and grid."""
        return digest(self.kernels.root_hash, self.others.root_hash)

    def log_numerators(self, vectors: Array, survey: Array, n_threads: int) -> Array:
        """Return ln L_i (n, n_lenses)."""
        return self.kernels.per_lens(vectors, n_threads=n_threads)

    def log_selection(self, vectors: Array, survey: Array, n_threads: int) -> Array:
        """Return 0 (n, 1): every galaxy is in the sample."""
        return np.zeros((len(vectors), 1))

    def selection_error(
        self, vectors: Array, survey: Array, box: Mapping[str, tuple[float, float]], n_threads: int
    ) -> Array:
        """Return 0 (n,): there is no A."""
        return np.zeros(len(vectors))

    def mock(
        self, vector: Array, survey: Array, n_lenses: int, seed: int, n_threads: int
    ) -> dict[str, Array]:
        """Return the observables of the lenses among as many galaxies, of the population there."""
        share = n_lenses / len(self.lenses)
        n_galaxies = math.ceil(share * (len(self.lenses) + len(self.non_lenses)))
        return self._mock(vector, self._sources, n_galaxies, seed, n_threads)

    def log_non_lenses(self, vectors: Array) -> Array:
        """Return ln L of the galaxies without a lens (n,)."""
        return self.others.log_likelihood(vectors)

    def to_dict(self) -> dict[str, Any]:
        """Return data and selection as plain values."""
        return super().to_dict() | {"non_lenses": self.non_lenses.hash}
