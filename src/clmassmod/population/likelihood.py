"""Likelihood of a population of lenses, corrected for their selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..cosmology import cosmology_to_dict, resolve_cosmology
from ..errors import ParameterError, nearest
from ..provenance import digest, provenance
from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.observation import MagnitudeLimit, MockNoise
from ..stronglens.source_population import SourcePopulation
from .kernels import DEFAULT_BOX, KernelAccuracy, build_kernels
from .lens_data import LensData
from .parameters import DEFAULT_FREE, PopulationParameters
from .selection import build_selection

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ErrorBudget:
    """Numerical errors of ln L at one eta.

    Attributes
    ----------
    largest_lens : float
        Largest change of one lens's ln L when its inner slopes were last doubled.
    lens : str
        Its name.
    all_lenses : float
        Root of the sum of the squares.
    """

    largest_lens: float
    lens: str
    all_lenses: float


class LensPopulationLikelihood:
    """ln L of the parameters of a population, given a selected sample of image pairs.

    ``ln L = sum_i ln L_i(eta) - N ln A(eta)``; with ``n_galaxies``, the rate of lenses counts
    too: ``sum_i ln L_i - n_galaxies A`` (up to a constant). Everything is deterministic and
    smooth in eta.

    Parameters
    ----------
    lenses : LensData
        All at the redshifts of the population and of the sources, or `selection_planes`.
    population : LensPopulation, optional
        Values of what is not free. ``LensPopulation()`` by default.
    sources : SourcePopulation, optional
    free : sequence of str
        Names of the free parameters, out of `PARAMETERS`.
    box : mapping of name to (low, high), optional
        Walls of the free parameters: kernels and A are accurate inside, and ln L is -inf
        outside. Those of `DEFAULT_BOX` by default.
    selection : {"on_data", "independent"}
        Whether the data that are fitted decided on the detection, or another draw of the
        noise. Only then the probability of detection belongs into the likelihood of a lens;
        with it there under "on_data" the selection would count twice.
    detection : MagnitudeLimit, optional
    noise : MockNoise, optional
        Errors of the magnitudes of the whole survey, for A; those of the lenses are in the
        data.
    n_galaxies : float, optional
        Number of galaxies searched, if the number of lenses is to constrain eta.
    cosmology : astropy cosmology, optional
    accuracy : KernelAccuracy, optional
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
        A free parameter without a range, redshifts of lenses other than the population's, or
        what `build_kernels` and `build_selection` refuse.

    Notes
    -----
    Mandel, Farr & Gair (2019, MNRAS 486, 1086) for the selection; Sonnenfeld & Cautun (2021,
    A&A 651, A18) for lens populations. The data per lens are x_A, x_B, m_A, m_B and
    log Msps.
    """

    def __init__(
        self,
        lenses: LensData,
        population: LensPopulation | None = None,
        sources: SourcePopulation | None = None,
        *,
        free: Sequence[str] = DEFAULT_FREE,
        box: Mapping[str, tuple[float, float]] | None = None,
        selection: str = "on_data",
        detection: MagnitudeLimit | None = None,
        noise: MockNoise | None = None,
        n_galaxies: float | None = None,
        cosmology: FLRW | None = None,
        accuracy: KernelAccuracy | None = None,
        n_threads: int = 1,
        progress: bool = False,
    ) -> None:
        self.population = population or LensPopulation()
        self.sources = sources or SourcePopulation()
        self.parameters = PopulationParameters(self.population, free)
        self.support = _box_of(self.parameters.free, box)
        self.selection = selection
        self.detection = detection or MagnitudeLimit()
        self.noise = noise or MockNoise()
        self.cosmology = resolve_cosmology(cosmology)
        self.n_galaxies = _checked_galaxies(n_galaxies)
        self.n_threads = n_threads
        self.lenses = lenses
        _check_redshifts(lenses, self.population, self.sources)
        self.kernels = build_kernels(
            lenses,
            self.population,
            self.sources,
            self.support,
            selection=selection,
            detection=self.detection,
            cosmology=self.cosmology,
            accuracy=accuracy,
            n_threads=n_threads,
            progress=progress,
        )
        self.normalisation = build_selection(
            self.population,
            self.sources,
            self.noise,
            self.detection,
            self.support,
            cosmology=self.cosmology,
            n_threads=n_threads,
            progress=progress,
        )
        self.identity = digest(
            self.kernels.identity, self.normalisation.identity, self.names, self.n_galaxies
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return self.parameters.free

    @property
    def versions(self) -> dict[str, str]:
        """Hash of kernels and normalisation, and versions of the package."""
        tables = digest(self.kernels.identity, self.normalisation.identity)
        return {"precomputed_table_version": tables, "clmassmod": provenance()["clmassmod"]}

    def log_likelihood(self, eta: Any) -> Array:
        """Return ln L (n,) at eta (n, d) or (d,); -inf outside `support`.

        Raises
        ------
        ParameterError
            A wrong number of columns, or a value that is not finite.
        """
        vectors = self.parameters.vectors(eta)
        result = np.full(len(vectors), -np.inf)
        inside = self._inside(eta)
        if inside.any():
            used = vectors[inside]
            total = self.kernels.log_likelihood(used, n_threads=self.n_threads)
            log_a = self.normalisation.log_a(used, n_threads=self.n_threads)
            if self.n_galaxies is None:
                result[inside] = total - len(self.lenses) * log_a
            else:
                result[inside] = total - self.n_galaxies * np.exp(log_a)
        return result

    def per_lens(self, eta: Any) -> Array:
        """Return ln L_i - ln A, (n, n_lenses), at eta (n, d) or (d,) inside `support`."""
        vectors = self.parameters.vectors(eta)
        self._require_inside(eta)
        each = self.kernels.per_lens(vectors, n_threads=self.n_threads)
        return np.asarray(each - self.normalisation.log_a(vectors)[:, None])

    def selection_normalisation(self, eta: Any) -> Array:
        """Return A(eta), detected lensed sources per galaxy, (n,), inside `support`."""
        self._require_inside(eta)
        return np.asarray(np.exp(self.normalisation.log_a(self.parameters.vectors(eta))))

    def error_budget(self) -> ErrorBudget:
        """Return what is known of the numerical error of ln L inside `support`."""
        errors = self.kernels.errors
        worst = int(np.argmax(errors))
        total = float(np.sqrt(np.sum(errors**2)))
        return ErrorBudget(float(errors[worst]), self.lenses.name[worst], total)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values; the data by their hash."""
        return {
            "data": "image_pairs",
            "lenses": self.lenses.hash,
            "n_lenses": len(self.lenses),
            "population": self.population.to_dict(),
            "imf": self.population.imf,
            "sources": self.sources.to_dict(),
            "free": list(self.names),
            "box": {name: list(ends) for name, ends in self.support.items()},
            "selection": self.selection,
            "detection": self.detection.to_dict(),
            "noise": self.noise.to_dict(),
            "n_galaxies": self.n_galaxies,
            "cosmology": cosmology_to_dict(self.cosmology),
        }

    def _inside(self, eta: Any) -> npt.NDArray[np.bool_]:
        free = np.atleast_2d(np.asarray(eta, dtype=np.float64))
        low, high = np.array([self.support[name] for name in self.names]).T
        return np.asarray(((free >= low) & (free <= high)).all(axis=1))

    def _require_inside(self, eta: Any) -> None:
        inside = self._inside(eta)
        if not inside.all():
            at = int(np.argmin(inside))
            value = tuple(np.atleast_2d(np.asarray(eta, dtype=np.float64))[at].tolist())
            allowed = ", ".join(f"{n} {a:g} to {b:g}" for n, (a, b) in self.support.items())
            raise ParameterError(f"eta[{at}]", value, f"within {allowed}")

    def __repr__(self) -> str:
        free = ", ".join(self.names)
        return f"<LensPopulationLikelihood: {len(self.lenses)} lenses, free {free}>"


def _box_of(
    free: Sequence[str], box: Mapping[str, tuple[float, float]] | None
) -> dict[str, tuple[float, float]]:
    given = dict(DEFAULT_BOX) if box is None else dict(box)
    for name in free:
        if name not in given:
            hint = nearest(name, given)
            raise ParameterError("box", sorted(given), f"a range of every free name: {name}", hint)
    return {name: given[name] for name in free}


def _checked_galaxies(n_galaxies: float | None) -> float | None:
    if n_galaxies is None:
        return None
    if not (np.ndim(n_galaxies) == 0 and np.isfinite(n_galaxies) and n_galaxies > 0):
        raise ParameterError("n_galaxies", n_galaxies, "a number > 0")
    return float(n_galaxies)


def _check_redshifts(
    lenses: LensData, population: LensPopulation, sources: SourcePopulation
) -> None:
    """One population redshift and one of the sources: A is made for these."""
    for name, one in (("z_l", getattr(population.z_l, "value", None)), ("z_s", sources.redshift)):
        if not isinstance(one, int | float):
            allowed = "one redshift: A is made for one pair of planes"
            raise ParameterError(name, one, allowed)
        column = getattr(lenses, name)
        wrong = np.abs(column - one) > 1e-9
        if wrong.any():
            at = int(np.argmax(wrong))
            allowed = f"{one:g}, as of the population and its sources, for which A is made"
            raise ParameterError(f"lenses.{name}[{at}]", float(column[at]), allowed)
