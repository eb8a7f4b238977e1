"""Likelihood of a population of lenses, corrected for their selection."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from ..cosmology import cosmology_to_dict, resolve_cosmology
from ..errors import ParameterError, nearest
from ..provenance import digest, provenance
from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.observation import Detection, MagnitudeLimit, MockNoise
from ..stronglens.source_population import SourcePopulation
from .complete_sample import CompleteSample
from .count_families import count_family
from .error_budget import ErrorBudget
from .field_counts import FieldCounts
from .finding import FIND_NAMES, FindingProbability
from .galaxy_data import GalaxyData
from .kernel_forms import checked_form
from .kernels import DEFAULT_BOX, KernelAccuracy
from .lens_data import LensData
from .pair_sample import PairSample
from .parameters import DEFAULT_FREE, PARAMETERS, PopulationParameters, range_text
from .ring_data import RingData
from .ring_sample import RingSample
from .sample import LensSample

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

DATA = ("image_pairs", "einstein_radius")
"""Kinds of data."""
_BATCH = 64


class LensPopulationLikelihood:
    """ln L of the parameters of a population, given a selected sample of lenses.

    ``ln L = sum_i ln L_i(eta) - N ln A(eta)``; with ``n_galaxies``, the rate of lenses counts
    too: ``sum_i ln L_i - n_galaxies A`` (up to a constant), or with at most one lens per galaxy
    ``sum_i ln L_i + (n_galaxies - N) ln(1 - A)``. Everything is deterministic and smooth in eta.

    Parameters
    ----------
    lenses : LensData or RingData
        Image pairs at redshifts of the population and of the sources; Einstein radii at any.
    population : LensPopulation, optional
        Values of what is not free. ``LensPopulation()`` by default.
    sources : SourcePopulation, optional
    free : sequence of str
        Names of the free parameters, out of `PARAMETERS`.
    box : mapping of name to (low, high), optional
        Walls of the free parameters: kernels and A are accurate inside, and ln L is -inf
        outside. Those of `DEFAULT_BOX` by default.
    data : {"image_pairs", "einstein_radius"}
        What was observed of the lenses.
    selection : {"on_data", "independent"}
        Whether the data that are fitted decided on the detection, or another draw of the
        noise. Only then the probability of detection belongs into the likelihood of a lens;
        with it there under "on_data" the selection would count twice.
    form : {"lenses", "any_lens", "one_lens"}
        What the sample has of a galaxy with several detected sources: all of them as lenses of
        their own; one of them, whichever; or nothing, only galaxies with a single one count.
    detection : Detection, optional
        ``MagnitudeLimit(26.5)`` by default; one with ``probability(m, sigma)``, with
        ``selection="independent"`` a `MagnitudeLimit`.
    noise : MockNoise, optional
        Errors of the magnitudes of the whole survey, for A; those of the lenses are in the
        data.
    non_lenses : GalaxyData, optional
        All other galaxies of the population, for a complete sample: there is no A then, and
        ``ln L = sum_i ln L_i + sum_j ln p(log Re_j, log Msps_j, no lens | eta)``.
    n_galaxies : float, optional
        Number of galaxies searched, if the number of lenses is to constrain eta.
    field_counts : FieldCounts, optional
        Sources counted in a field, if they are to constrain free counts.
    finding : FindingProbability, optional
        Of lenses with ``data="einstein_radius"``, where ``find_slope`` and ``find_radius`` are
        not free: every radius alike by default.
    cosmology : astropy cosmology, optional
    accuracy : KernelAccuracy, optional
    tables : path, optional
        Folder where kernels and A are kept as they are made, such as ``data/tables/<sim_id>``,
        and found again; without it they are made anew.
    n_threads : int, >= 0
    progress : bool

    Attributes
    ----------
    names : tuple of str
    support : dict
    identity : str

    Raises
    ------
    ParameterError
        A free parameter without a range, lenses at redshifts that the population or the
        sources do not have, with magnitudes that are not detected under "on_data", or twice
        in the data, or what `build_kernels` and `build_selection` refuse.

    Notes
    -----
    Mandel, Farr & Gair (2019, MNRAS 486, 1086) for the selection; Sonnenfeld & Cautun (2021,
    A&A 651, A18) for lens populations. The data per lens are x_A, x_B, m_A, m_B and
    log Msps. Where redshifts have distributions, A is the mean over them; those of a lens are
    known, and their densities do not depend on eta.

    With Einstein radii the data per lens are theta_E, log Re and log Msps, and A is that at the
    redshifts of each lens: ``ln L = sum_i (ln L_i - ln A_i)``. That asks nothing of how many
    lenses there are at which redshifts, as long as a lens was not looked for the more eagerly
    at its redshifts the heavier it is.
    """

    def __init__(
        self,
        lenses: LensData | RingData,
        population: LensPopulation | None = None,
        sources: SourcePopulation | None = None,
        *,
        free: Sequence[str] = DEFAULT_FREE,
        box: Mapping[str, tuple[float, float]] | None = None,
        data: str = "image_pairs",
        selection: str = "on_data",
        form: str = "lenses",
        detection: Detection | None = None,
        noise: MockNoise | None = None,
        non_lenses: GalaxyData | None = None,
        n_galaxies: float | None = None,
        field_counts: FieldCounts | None = None,
        finding: FindingProbability | None = None,
        cosmology: FLRW | None = None,
        accuracy: KernelAccuracy | None = None,
        tables: str | os.PathLike[str] | None = None,
        n_threads: int = 1,
        progress: bool = False,
    ) -> None:
        if data not in DATA:
            hint = nearest(str(data), DATA)
            raise ParameterError("data", data, f"one of {', '.join(DATA)}", hint)
        self.population = population or LensPopulation()
        self.sources = sources or SourcePopulation()
        self._family = count_family(self.sources.counts)
        _check_names(free, FIND_NAMES if data == "einstein_radius" else self._family.names)
        self.parameters = PopulationParameters(
            self.population, [name for name in free if name in PARAMETERS]
        )
        self.names = tuple(free)
        self.support = _box_of(self.names, box)
        self.detection: Detection = detection or MagnitudeLimit()
        self.cosmology = resolve_cosmology(cosmology)
        self.form = checked_form(form)
        self.n_galaxies = _checked_galaxies(n_galaxies, self.form, len(lenses))
        self.field_counts = field_counts
        self._check_counts()
        self.n_threads = n_threads
        self.lenses = cast(Any, lenses)
        ranges = {name: self.support[name] for name in self.parameters.free}
        common: dict[str, Any] = {
            "selection": selection,
            "form": self.form,
            "detection": self.detection,
            "noise": noise or MockNoise(),
            "cosmology": self.cosmology,
            "accuracy": accuracy,
            "tables": tables,
            "n_threads": n_threads,
            "progress": progress,
        }
        given: tuple[Any, ...] = (lenses, self.population, self.sources, ranges)
        survey = {n: ends for n, ends in self.support.items() if n not in PARAMETERS}
        self.sample: LensSample
        if data == "einstein_radius":
            _refuse_of_rings(
                non_lenses=non_lenses, n_galaxies=n_galaxies, field_counts=field_counts
            )
            self.sample = RingSample(*given, find_box=survey, finding=finding, **common)
        elif finding is not None:
            raise ParameterError("finding", finding, "None, but with data='einstein_radius'")
        elif non_lenses is None:
            self.sample = PairSample(*given, counts_box=survey, **common)
        elif survey:
            allowed = "parameters of the population, with non_lenses"
            raise ParameterError("free", next(iter(survey)), allowed)
        elif n_galaxies is None:
            self.sample = CompleteSample(given[0], non_lenses, *given[1:], **common)
        else:
            allowed = "left out with non_lenses: each of them counts"
            raise ParameterError("n_galaxies", n_galaxies, allowed)
        field = () if field_counts is None else (field_counts.to_dict(),)
        self.identity = digest(self.sample.identity, self.names, self.n_galaxies, *field)

    @property
    def versions(self) -> dict[str, str]:
        """Hash of the contents of kernels and A, and the version of the package."""
        tables = self.sample.tables_hash
        return {"precomputed_table_version": tables, "clmassmod": provenance()["clmassmod"]}

    @property
    def values(self) -> Array:
        """(d,) values of the free parameters in population and survey."""
        known = dict(zip(self.parameters.free, self.parameters.values, strict=True))
        known |= dict(zip(self.sample.survey, self.sample.survey_values, strict=True))
        return np.array([known[name] for name in self.names])

    def log_likelihood(self, eta: Any) -> Array:
        """Return ln L (n,) at eta (n, d) or (d,); -inf outside `support`.

        Raises
        ------
        ParameterError
            A wrong number of columns, or a value that is not finite.
        """
        points = self._points(eta)
        result = np.full(len(points), -np.inf)
        inside = np.flatnonzero(self._inside(points))
        for first in range(0, inside.size, _BATCH):
            rows = inside[first : first + _BATCH]
            terms, log_a = self._terms(points[rows])
            total = terms.sum(axis=1) + self._log_non_lenses(points[rows])
            if self.n_galaxies is None:
                result[rows] = total - (len(self.sample.names) / log_a.shape[1]) * log_a.sum(axis=1)
            else:
                result[rows] = total + self._log_rate(np.exp(log_a).mean(axis=1))
            if self.field_counts is not None:
                survey = self._split(points[rows])[1]
                result[rows] += self.field_counts.log_likelihood(self._family, survey)
        return result

    def _log_non_lenses(self, points: Array) -> Array | float:
        if not isinstance(self.sample, CompleteSample):
            return 0.0
        return self.sample.log_non_lenses(self._split(points)[0])

    def _log_rate(self, a: Array) -> Array:
        """Return what the number of galaxies without a lens adds to ln L."""
        assert self.n_galaxies is not None
        if self.form == "lenses":
            return -self.n_galaxies * a
        return np.asarray((self.n_galaxies - len(self.sample.names)) * np.log1p(-a))

    def per_lens(self, eta: Any) -> Array:
        """Return ln L_i - ln A, (n, n_lenses), at eta (n, d) or (d,) inside `support`."""
        terms, log_a = self._terms(self._inner_points(eta))
        return np.asarray(terms - log_a)

    def selection_normalisation(self, eta: Any) -> Array:
        """Return A(eta), what counts as a lens per galaxy, inside `support`.

        1 for a complete sample: nothing is left out.

        Returns
        -------
        (n,) ndarray, or (n, n_lenses) where lenses have selections of their own
        """
        a = np.exp(self.sample.log_selection(*self._split(self._inner_points(eta)), self.n_threads))
        return np.asarray(a[:, 0] if a.shape[1] == 1 else a)

    def error_budget(self, eta: Any = None) -> ErrorBudget:
        """Return what is known of the numerical error of ln L.

        Parameters
        ----------
        eta : (n, d) array, optional
            Points of a posterior. A is made once more in the box around them.
        """
        errors = self.sample.errors
        worst = int(np.argmax(errors))
        total = float(np.sqrt(np.sum(errors**2)))
        moved = math.nan if eta is None else self._selection_error(self._inner_points(eta))
        return ErrorBudget(float(errors[worst]), self.sample.names[worst], total, moved)

    def all_parameters(self, eta: Any) -> tuple[Array, Array]:
        """Return all parameters of the population (n, 15) and of the survey (n, s) at eta."""
        return self._split(self._inner_points(eta))

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values; the data by their hash."""
        return {
            **self.sample.to_dict(),
            "n_lenses": len(self.sample.names),
            "population": self.population.to_dict(),
            "imf": self.population.imf,
            "sources": self.sources.to_dict(),
            "free": list(self.names),
            "box": {name: list(ends) for name, ends in self.support.items()},
            "detection": self.detection.to_dict(),
            "n_galaxies": self.n_galaxies,
            "field_counts": None if self.field_counts is None else self.field_counts.to_dict(),
            "cosmology": cosmology_to_dict(self.cosmology),
        }

    def _check_counts(self) -> None:
        """What is free of the counts is what some data depend on."""
        if self.field_counts is not None:
            self.field_counts.check(self._family, self.names)
        elif self.n_galaxies is None and "source_density" in self.names:
            hint = "The number of sources cancels without n_galaxies or field_counts."
            raise ParameterError("free", "source_density", "what the data depend on", hint)

    def _points(self, eta: Any) -> Array:
        """Return eta as (n, d), finite."""
        try:
            points = np.asarray(eta, dtype=np.float64)
        except (TypeError, ValueError):
            allowed = f"numbers (n, {len(self.names)}) or ({len(self.names)},)"
            hint = f"Their order is {', '.join(self.names)}."
            raise ParameterError("eta", eta, allowed, hint) from None
        points = points.reshape(1, -1) if points.ndim == 1 else points
        if points.ndim != 2 or points.shape[1] != len(self.names):
            allowed = f"(n, {len(self.names)}): {', '.join(self.names)}"
            raise ParameterError("eta.shape", np.shape(eta), allowed)
        if not np.isfinite(points).all():
            row, column = np.argwhere(~np.isfinite(points))[0]
            name, value = self.names[column], float(points[row, column])
            raise ParameterError(f"eta[{row}]: {name}", value, "finite")
        return points

    def _inside(self, points: Array) -> npt.NDArray[np.bool_]:
        low, high = np.array([self.support[name] for name in self.names]).T
        return np.asarray(((points >= low) & (points <= high)).all(axis=1))

    def _inner_points(self, eta: Any) -> Array:
        points = self._points(eta)
        inside = self._inside(points)
        if not inside.all():
            at = int(np.argmin(inside))
            value = tuple(points[at].tolist())
            raise ParameterError(f"eta[{at}]", value, f"within {range_text(self.support)}")
        return points

    def _split(self, points: Array) -> tuple[Array, Array]:
        """Return all parameters of the population (n, 15), and of the survey (n, s)."""
        column = {name: i for i, name in enumerate(self.names)}
        vectors = self.parameters.vectors(points[:, [column[n] for n in self.parameters.free]])
        survey = np.tile(self.sample.survey_values, (len(points), 1))
        for i, name in enumerate(self.sample.survey):
            if name in column:
                survey[:, i] = points[:, column[name]]
        return vectors, survey

    def _selection_error(self, points: Array) -> float:
        around = {
            name: (float(low), float(high))
            for name, low, high in zip(self.names, points.min(0), points.max(0), strict=True)
            if name in PARAMETERS and low < high
        }
        vectors, survey = self._split(points)
        return float(self.sample.selection_error(vectors, survey, around, self.n_threads).std())

    def _terms(self, points: Array) -> tuple[Array, Array]:
        """Return ln L_i (n, n_lenses) and ln A (n, 1) or (n, n_lenses)."""
        split = self._split(points)
        terms = self.sample.log_numerators(*split, self.n_threads)
        return terms, self.sample.log_selection(*split, self.n_threads)

    def __repr__(self) -> str:
        free = ", ".join(self.names)
        return f"<LensPopulationLikelihood: {len(self.sample.names)} lenses, free {free}>"


def _refuse_of_rings(**given: Any) -> None:
    """Refuse what Einstein radii do not come with: A is that at the redshifts of each lens."""
    for name, value in given.items():
        if value is not None:
            raise ParameterError(name, value, "None with data='einstein_radius'")


def _check_names(free: Sequence[str], survey: Sequence[str]) -> None:
    known = (*PARAMETERS, *survey)
    for name in free:
        if name not in known:
            hint = nearest(str(name), known)
            raise ParameterError("free", name, f"among {', '.join(known)}", hint)
    if len(set(free)) != len(free):
        raise ParameterError("free", tuple(free), "different names")


def _box_of(
    free: Sequence[str], box: Mapping[str, tuple[float, float]] | None
) -> dict[str, tuple[float, float]]:
    given = dict(DEFAULT_BOX) if box is None else dict(box)
    missing = [name for name in free if name not in given]
    if missing:
        ranges = ", ".join(f"{name!r}: {given.get(name, '(low, high)')}" for name in free)
        allowed = f"a range of every free name, {', '.join(missing)} too"
        raise ParameterError("box", sorted(given), allowed, f"Give box={{{ranges}}}.")
    return {name: given[name] for name in free}


def _checked_galaxies(n_galaxies: float | None, form: str, n_lenses: int) -> float | None:
    if n_galaxies is None:
        return None
    if not (np.ndim(n_galaxies) == 0 and np.isfinite(n_galaxies) and n_galaxies > 0):
        raise ParameterError("n_galaxies", n_galaxies, "a number > 0")
    if form != "lenses" and n_galaxies < n_lenses:
        allowed = f">= {n_lenses}, the number of lenses: one of each galaxy for form={form!r}"
        raise ParameterError("n_galaxies", n_galaxies, allowed)
    return float(n_galaxies)
