"""A sample of image pairs: their kernels, and the A of the survey that found them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..provenance import digest
from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.observation import Detection, MagnitudeLimit, MockNoise
from ..stronglens.relations import Constant
from ..stronglens.source_population import SourcePopulation
from .count_families import count_family
from .data_columns import check_repeats
from .kernels import KernelAccuracy, build_kernels
from .lens_data import LensData
from .pair_mocks import PairTerms
from .parameters import PARAMETERS, population_of
from .selection import SelectionNormalisation, build_selection

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]


class PairSample(PairTerms):
    """Terms of the likelihood of image pairs; arguments as for `LensPopulationLikelihood`."""

    def __init__(
        self,
        lenses: LensData,
        population: LensPopulation,
        sources: SourcePopulation,
        box: Mapping[str, tuple[float, float]],
        *,
        counts_box: Mapping[str, tuple[float, float]],
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
        check_repeats(lenses, form)
        super().__init__(lenses, population, sources, selection, form, detection, noise, cosmology)
        self.family = count_family(sources.counts)
        self.survey = self.family.names
        self._basis = self.family.basis(self.family.checked_box(counts_box)) if counts_box else None
        self.kernels = build_kernels(
            lenses,
            population,
            sources,
            box,
            counts_box=counts_box,
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
        self.normalisation = build_selection(
            population,
            sources,
            noise,
            detection,
            box,
            form=form,
            cosmology=cosmology,
            counts=None if self._basis is None else self._basis.members,
            n_threads=n_threads,
            progress=progress,
            tables=tables,
        )

    @property
    def survey_values(self) -> Array:
        """Parameters of the counts of the sources."""
        return self.family.values

    @property
    def identity(self) -> str:
        """Digest of data and settings."""
        return digest(self.kernels.identity, self.normalisation.identity)

    @cached_property
    def tables_hash(self) -> str:
        """Digest of the contents of kernels and A."""
        return digest(self.kernels.root_hash, self.normalisation.root_hash)

    def log_numerators(self, vectors: Array, survey: Array, n_threads: int) -> Array:
        """Return ln L_i (n, n_lenses)."""
        counts = None if self._basis is None else survey
        return self.kernels.per_lens(vectors, counts, n_threads=n_threads)

    def log_selection(self, vectors: Array, survey: Array, n_threads: int) -> Array:
        """Return ln A (n, 1)."""
        return self._log_a(self.normalisation, vectors, survey, n_threads)[:, None]

    def selection_error(
        self, vectors: Array, survey: Array, box: Mapping[str, tuple[float, float]], n_threads: int
    ) -> Array:
        """Return changes (n,) of N ln A with all nodes moved by half a step."""
        fixed = dict(zip(PARAMETERS, vectors[0].tolist(), strict=True))
        population = population_of(self._population, fixed)
        moved = build_selection(
            population,
            self._sources,
            self.noise,
            self._detection,
            box,
            form=self.form,
            cosmology=self._cosmology,
            counts=None if self._basis is None else self._basis.members,
            shift=0.5,
            n_threads=n_threads,
        )
        change = self._log_a(moved, vectors, survey, n_threads)
        change -= self._log_a(self.normalisation, vectors, survey, n_threads)
        return np.asarray(len(self.lenses) * change)

    def _log_a(
        self, of: SelectionNormalisation, vectors: Array, survey: Array, n_threads: int
    ) -> Array:
        """Return ln A (n,), with free counts as a sum over those of a basis."""
        log_a = of.log_a(vectors, n_threads=n_threads)
        if self._basis is None:
            return log_a
        coefficients = self._basis.coefficients(self.family, survey)
        return np.asarray(np.log(np.sum(coefficients * np.exp(log_a), axis=1)))

    def mock(
        self, vector: Array, survey: Array, n_lenses: int, seed: int, n_threads: int
    ) -> dict[str, Array]:
        """Return the observables of about `n_lenses` mock lenses of the population at a point."""
        sources = self._sources
        if self._basis is not None:
            sources = replace(sources, counts=self.family.counts(survey))
        a = float(np.exp(self.log_selection(vector[None], survey[None], n_threads)[0, 0]))
        return self._mock(vector, sources, math.ceil(n_lenses / a), seed, n_threads)


def check_pairs(lenses: Any, population: LensPopulation, sources: SourcePopulation) -> None:
    """Lenses are image pairs, where the galaxies and sources that A counts are."""
    if not isinstance(lenses, LensData):
        raise ParameterError("lenses", lenses, "LensData, for data='image_pairs'")
    if not len(lenses):
        raise ParameterError("lenses", lenses, "one lens or more")
    z = sources.redshifts
    check_range("lenses.z_s", lenses.z_s, float(z.min()), float(z.max()), "the sources")
    check_range("lenses.z_l", lenses.z_l, *redshift_range(population), "the population")


def check_detected(lenses: LensData, detection: Detection, selection: str) -> None:
    """Magnitudes that decided on the detection are those of detected lenses.

    Raises
    ------
    ParameterError
        A lens that was not detected, under "on_data".
    """
    if selection != "on_data":
        return
    found = np.asarray(detection.detects(lenses.m_a, lenses.m_b))
    if found.all():
        return
    at = int(np.argmin(found))
    lens = f"lens {lenses.name[at]}"
    hint = "If other data decided on the detection: selection='independent'."
    if not isinstance(detection, MagnitudeLimit):
        pair = (float(lenses.m_a[at]), float(lenses.m_b[at]))
        raise ParameterError(
            f"{lens}: (m_a, m_b)", pair, f"detected by {type(detection).__name__}", hint
        )
    image = "m_a" if lenses.m_a[at] >= detection.limit else "m_b"
    allowed = f"below the limit of detection, {detection.limit:g} mag"
    raise ParameterError(f"{lens}: {image}", float(getattr(lenses, image)[at]), allowed, hint)


def redshift_range(population: LensPopulation) -> tuple[float, float]:
    """Return the ends of the redshifts of the galaxies."""
    if isinstance(population.z_l, Constant):
        return float(population.z_l.value), float(population.z_l.value)
    low, high = population.z_l.distribution.quantile([0.0, 1.0])
    return float(low), float(high)


def check_range(name: str, column: Array, low: float, high: float, of: str) -> None:
    """Refuse a redshift outside the range of those that the likelihood is made for."""
    wrong = (column < low - 1e-9) | (column > high + 1e-9)
    if wrong.any():
        at = int(np.argmax(wrong))
        allowed = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        allowed += f", as of {of}, for which A is made"
        raise ParameterError(f"{name}[{at}]", float(column[at]), allowed)
