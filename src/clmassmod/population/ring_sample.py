"""A sample of Einstein radii: their kernels, and the A of the survey that found them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..provenance import digest
from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.observation import MagnitudeLimit, MockNoise
from ..stronglens.source_population import SourcePopulation
from .cross_section import DetectedCounts
from .data_columns import check_repeats
from .finding import FIND_NAMES, GREATEST_SLOPE, FindingProbability, log_find
from .kernels import KernelAccuracy
from .parameters import PARAMETERS, PopulationParameters, checked_box, population_of
from .ring_data import RingData
from .ring_kernels import build_ring_kernels
from .ring_mock import mock_rings
from .ring_selection import LensPlanes, build_ring_selection
from .sample import KernelTerms

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

OBSERVABLES = ("theta_e", "log_re", "log_msps")
"""Columns of `RingData` that a posterior predicts."""


class RingSample(KernelTerms):
    """Terms of the likelihood of Einstein radii; arguments as for `LensPopulationLikelihood`.

    `box` holds the ranges of the free parameters of the population, `find_box` those of
    `FIND_NAMES` that are free.
    """

    lenses: RingData
    survey: tuple[str, ...] = FIND_NAMES

    def __init__(
        self,
        lenses: RingData,
        population: LensPopulation,
        sources: SourcePopulation,
        box: Mapping[str, tuple[float, float]],
        *,
        find_box: Mapping[str, tuple[float, float]],
        finding: FindingProbability | None,
        selection: str,
        form: str,
        detection: MagnitudeLimit,
        noise: MockNoise,
        cosmology: FLRW,
        accuracy: KernelAccuracy | None,
        tables: str | os.PathLike[str] | None,
        n_threads: int,
        progress: bool,
    ) -> None:
        if not isinstance(lenses, RingData):
            raise ParameterError("lenses", lenses, "RingData, for data='einstein_radius'")
        _check_options(selection, form, accuracy)
        check_repeats(lenses, form)
        self.finding = finding or FindingProbability()
        self.lenses, self.noise = lenses, noise
        self._sources, self._detection, self._cosmology = sources, detection, cosmology
        self._population = population
        self._find_slope = _slope_range(find_box, self.finding)
        ranges = checked_box(box)
        self._detected = DetectedCounts(sources, detection, noise.magnitude)
        parameters = PopulationParameters(population, ())
        self.kernels = build_ring_kernels(
            lenses,
            parameters,
            self._detected,
            sources,
            ranges,
            cosmology,
            n_threads=n_threads,
            progress=progress,
            tables=tables,
        )
        self.normalisation = build_ring_selection(
            lenses,
            parameters,
            self._detected,
            sources,
            ranges,
            self._find_slope,
            cosmology,
            n_threads=n_threads,
            progress=progress,
            tables=tables,
        )

    @property
    def survey_values(self) -> Array:
        """(2,) slope and radius of the finding probability where they are not free."""
        return np.array([self.finding.slope, self.finding.radius])

    @property
    def identity(self) -> str:
        """Digest of data and settings."""
        found = self.finding.to_dict()
        return digest(self.kernels.identity, self.normalisation.identity, sorted(found.items()))

    @cached_property
    def tables_hash(self) -> str:
        """Digest of the contents of kernels and A."""
        return digest(self.kernels.root_hash, self.normalisation.root_hash)

    def log_numerators(self, vectors: Array, survey: Array, n_threads: int) -> Array:
        """Return ln L_i (n, n_lenses)."""
        terms = self.kernels.per_lens(vectors, n_threads=n_threads)
        return terms + log_find(self.lenses.theta_e, survey)

    def log_selection(self, vectors: Array, survey: Array, n_threads: int) -> Array:
        """Return ln A (n, n_lenses)."""
        return self.normalisation.log_a(vectors, survey, n_threads=n_threads)

    def selection_error(
        self, vectors: Array, survey: Array, box: Mapping[str, tuple[float, float]], n_threads: int
    ) -> Array:
        """Return changes (n,) of the sum of ln A with all nodes moved by half a step.

        Seen at lenses that are no planes of the polynomial over redshifts, if there are such,
        so that its error is in it: as many times their mean as there are lenses.
        """
        planes = LensPlanes(self.lenses, self._cosmology)
        rows = planes.others if planes.others.size else planes.lenses
        fixed = dict(zip(PARAMETERS, vectors[0].tolist(), strict=True))
        moved = build_ring_selection(
            self.lenses[rows],
            PopulationParameters(population_of(self._population, fixed), ()),
            self._detected,
            self._sources,
            dict(box),
            self._find_slope,
            self._cosmology,
            shift=0.5,
            n_threads=n_threads,
        )
        change = moved.log_a(vectors, survey, n_threads=n_threads)
        change -= self.log_selection(vectors, survey, n_threads)[:, rows]
        return np.asarray(change.mean(axis=1) * len(self.lenses))

    def observed(self) -> dict[str, Array]:
        """Return Einstein radii, sizes and stellar masses."""
        return {name: getattr(self.lenses, name) for name in OBSERVABLES}

    def mock(
        self, vector: Array, survey: Array, n_lenses: int, seed: int, n_threads: int
    ) -> dict[str, Array]:
        """Return the observables of `n_lenses` mock lenses at the redshifts of the data."""
        numbers = dict(zip(PARAMETERS, vector.tolist(), strict=True))
        mock = mock_rings(
            self.lenses,
            population_of(self._population, numbers),
            self._detected,
            self._sources,
            FindingProbability(float(survey[0]), float(survey[1])),
            self._cosmology,
            n_lenses=n_lenses,
            seed=seed,
            n_threads=n_threads,
        )
        return {name: getattr(mock, name) for name in OBSERVABLES}

    def to_dict(self) -> dict[str, Any]:
        """Return data and selection as plain values."""
        return {
            "data": "einstein_radius",
            "lenses": self.lenses.hash,
            "selection": "on_data",
            "form": "lenses",
            "noise": self.noise.to_dict(),
            "finding": self.finding.to_dict(),
        }


def _check_options(selection: str, form: str, accuracy: KernelAccuracy | None) -> None:
    given = {
        "selection": (selection, "on_data"),
        "form": (form, "lenses"),
        "accuracy": (accuracy, None),
    }
    for name, (value, only) in given.items():
        if value != only:
            allowed = f"{only!r} with data='einstein_radius', found by the observed radius"
            raise ParameterError(name, value, allowed)


def _slope_range(
    box: Mapping[str, tuple[float, float]], finding: FindingProbability
) -> tuple[float, float]:
    """Return the range of the slope of the finding probability."""
    low, high = box.get("find_slope", (finding.slope, finding.slope))
    if not -GREATEST_SLOPE <= low <= high <= GREATEST_SLOPE:
        allowed = f"(low, high) within -{GREATEST_SLOPE:g} and {GREATEST_SLOPE:g} per arcsec"
        raise ParameterError("box['find_slope']", (low, high), allowed)
    return float(low), float(high)
