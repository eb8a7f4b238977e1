"""Mock catalogues: galaxies, sources behind them, images, noisy data and selection."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import special

from .._checks import checked_threads
from ..cosmology import cosmology_from_dict, cosmology_to_dict, resolve_cosmology
from ..errors import ParameterError, nearest
from ..parallel import available_cores
from ..provenance import provenance
from ..rng import checked_seed, keyed_uniforms
from .catalogue import Columns, LensCatalogue, catalogue_file, joined
from .lens import LensStatus, LensStructure
from .lens_model import LensModel
from .lens_solver import ImageSolution, disc_magnification, solve_images
from .mass_sampler import GalaxySample, LensPopulation
from .observation import Detection, MagnitudeLimit, MockNoise, detection_from_dict
from .relations import Constant
from .source_population import SourcePopulation

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

__all__ = ["Detection", "MagnitudeLimit", "MockGenerator", "MockNoise"]

Array = npt.NDArray[np.float64]

SELECTIONS = ("on_data", "independent")
DEFAULT_CHUNK = 32_768
_LARGE_MEAN = 500.0
_LARGEST_MEAN = 1e6


@dataclass(frozen=True)
class MockGenerator:
    """Generator of mock surveys of galaxy-scale lenses.

    Parameters
    ----------
    population : LensPopulation or mapping, optional
    sources : SourcePopulation or mapping, optional
    noise : MockNoise or mapping
    detection : Detection or mapping
        ``MagnitudeLimit(26.5)`` by default: both images brighter.
    selection : {"on_data", "independent"}
        Whether the data that are kept decide on the detection, or the same images with
        another draw of the noise. A likelihood has to know it.
    cosmology : astropy.cosmology.FLRW or mapping, optional
        None is FlatLambdaCDM(70, 0.3, Tcmb0=0); a mapping is that of `to_dict`.
    halo : {"m200c", "m5kpc"}
        What log_mhalo of the population is; see `LensModel`.
    scale_radius : float, kpc, > 0
        r_s of the haloes, with ``halo="m5kpc"`` only.
    time_delays : bool
        Whether to add the time delays.

    Raises
    ------
    ParameterError
        If an argument is of another kind or out of range.

    Notes
    -----
    Sources are uniform on the sky, without clustering: the number with two images behind a
    galaxy is Poisson with the mean ``expected_sources = n pi y_c^2``, n the number per kpc^2 of
    the lens plane and y_c the caustic radius; with a distribution of source redshifts, the
    mean over at most 24 planes of it, good to 0.5 % for a galaxy and 0.1 % for a sample. Each
    source is lensed as if it were alone. The light of extended sources is averaged over their
    disc; whether one counts is a matter of its centre.

    Every random number is keyed by (seed, purpose, galaxy, source): a galaxy and what lies
    behind it are the same in any catalogue, for any threads and chunks.

    Examples
    --------
    >>> from clmassmod.stronglens import MockGenerator
    >>> catalogue = MockGenerator().generate(2000, seed=1)
    >>> len(catalogue)
    2000
    """

    population: Any = None
    sources: Any = None
    noise: Any = field(default_factory=MockNoise)
    detection: Any = field(default_factory=MagnitudeLimit)
    selection: str = "on_data"
    cosmology: FLRW | None = None
    halo: str = "m200c"
    scale_radius: float | None = None
    time_delays: bool = False

    def __post_init__(self) -> None:
        if self.selection not in SELECTIONS:
            hint = nearest(str(self.selection), SELECTIONS)
            raise ParameterError("selection", self.selection, f"one of {SELECTIONS}", hint)
        made = {
            "population": _made(self.population, "population", LensPopulation),
            "sources": _made(self.sources, "sources", SourcePopulation),
            "noise": MockNoise.from_dict(self.noise),
            "detection": detection_from_dict(self.detection),
            "cosmology": _cosmology(self.cosmology),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)
        # the arguments of the lens are checked where they are defined
        LensModel(11.0, 13.0, 0.8, cosmology=self.cosmology, **self._halo_arguments)

    # -- results --------------------------------------------------------------------------------

    def generate(
        self,
        n_galaxies: int,
        seed: int = 1,
        *,
        first: int = 0,
        n_threads: int = 1,
        progress: bool = False,
    ) -> LensCatalogue:
        """Return the catalogue of galaxies ``first`` to ``first + n_galaxies - 1``.

        Parameters
        ----------
        n_galaxies : int, >= 1
        seed : int, >= 0 and < 2^64
        first : int, >= 0
            Id of the first galaxy: parts of a large catalogue can be made anywhere, and added.
        n_threads : int, >= 0
            0 for all; the results do not depend on it.
        progress : bool
            Whether to show a progress bar.
        """
        parts = list(
            self._parts(n_galaxies, seed, first, DEFAULT_CHUNK, n_threads, progress),
        )
        galaxies = joined([part[0] for part in parts])
        sources = joined([part[1] for part in parts])
        return LensCatalogue(galaxies, sources, self.metadata(n_galaxies, seed, first))

    def write(
        self,
        path: str | os.PathLike[str],
        n_galaxies: int,
        seed: int = 1,
        *,
        first: int = 0,
        chunk: int = DEFAULT_CHUNK,
        n_threads: int = 1,
        progress: bool = False,
    ) -> None:
        """Write the catalogue of `generate` to an HDF5 file, `chunk` galaxies at a time.

        Memory is that of one chunk for each thread. The file appears when it is complete; its
        bytes do not depend on `n_threads`, its contents not on `chunk` either.
        """
        parts = self._parts(n_galaxies, seed, first, chunk, n_threads, progress)
        with catalogue_file(path, self.metadata(n_galaxies, seed, first)) as file:
            for galaxies, sources in parts:
                file.append(galaxies, sources)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values."""
        return {
            "population": self.population.to_dict(),
            "sources": self.sources.to_dict(),
            "noise": self.noise.to_dict(),
            "detection": self.detection.to_dict(),
            "selection": self.selection,
            "cosmology": cosmology_to_dict(self.cosmology),
            "halo": self.halo,
            "scale_radius": None if self.scale_radius is None else float(self.scale_radius),
            "time_delays": bool(self.time_delays),
        }

    def metadata(self, n_galaxies: int, seed: int, first: int = 0) -> dict[str, Any]:
        """Return what a catalogue says of its origin: no times, so that files can be equal."""
        versions = {key: value for key, value in provenance().items() if key != "time"}
        return {
            "configuration": self.to_dict(),
            "imf": self.population.imf,
            "selection": self.selection,
            "seed": int(seed),
            "reference_redshift": self.sources.median_redshift,
            "id_ranges": [[int(first), int(n_galaxies)]],
            "versions": versions,
        }

    # -- steps ----------------------------------------------------------------------------------

    def _parts(
        self, n_galaxies: int, seed: int, first: int, chunk: int, n_threads: int, progress: bool
    ) -> Iterator[tuple[Columns, Columns]]:
        from tqdm import tqdm

        for name, value, least in (
            ("n_galaxies", n_galaxies, 1),
            ("first", first, 0),
            ("chunk", chunk, 1),
        ):
            if not isinstance(value, int | np.integer) or value < least:
                raise ParameterError(name, value, f"an integer >= {least}")
        checked_seed(seed)
        checked_threads(n_threads)
        end = first + n_galaxies
        chunks = [(start, min(start + chunk, end)) for start in range(first, end, chunk)]

        def part(limits: tuple[int, int], threads: int) -> tuple[Columns, Columns]:
            return self._part(np.arange(*limits), seed, threads)

        with tqdm(total=n_galaxies, desc="mock", unit="galaxy", disable=not progress) as bar:
            for tables in _in_order(part, chunks, n_threads):
                yield tables
                bar.update(tables[0]["galaxy_id"].size)

    def _part(
        self, ids: npt.NDArray[np.int64], seed: int, n_threads: int
    ) -> tuple[Columns, Columns]:
        """Return the two tables of some galaxies."""
        sample = self.population.sample(ids, seed, n_threads)
        keys = _Keys(seed, ids, None, n_threads)
        structure = self._structure(sample, self.sources.redshifts[-1], n_threads)
        reference = structure
        if self.sources.redshifts.size > 1:
            reference = self._at_reference(sample, n_threads)
        density = self._density(sample)
        in_circle = _checked_mean(density * np.pi * structure.caustic_radius**2, sample)
        number = poisson_quantile(keys.uniforms("number of sources")[:, 0], in_circle)
        owner = np.repeat(np.arange(ids.size), number)
        sources, owner = self._sources(sample, structure.caustic_radius, owner, seed, n_threads)
        count = np.bincount(owner, minlength=ids.size)
        detected = np.bincount(owner[sources["detected"]], minlength=ids.size)
        galaxies = {
            **sample.columns(),
            "log_msps_obs": keys.noisy("noise of log_msps", sample.log_msps, self.noise.log_msps),
            "log_re_obs": keys.noisy("noise of log_re", sample.log_re, self.noise.log_re),
            "einstein_radius": reference.einstein_radius,
            "caustic_radius": reference.caustic_radius,
            "expected_sources": self._expected(sample, in_circle, density, n_threads),
            "n_sources": count.astype(np.int32),
            "n_detected": detected.astype(np.int32),
            "status": reference.status.astype(np.int8),
        }
        return galaxies, sources

    def _at_reference(self, sample: GalaxySample, n_threads: int) -> LensStructure:
        """Return the structure for the median source redshift; galaxies beyond it have none."""
        z_s = self.sources.median_redshift
        n = len(sample)
        near = np.flatnonzero(sample.z_l < z_s)
        found = self._structure(sample[near], z_s, n_threads) if near.size else None
        columns = [np.full(n, np.nan), np.full(n, np.nan), np.zeros(n)]
        status = np.full(n, int(LensStatus.no_einstein_ring), dtype=np.intc)
        if found is not None:
            for column, values in zip(columns, found[:3], strict=True):
                column[near] = values
            status[near] = found.status
        return LensStructure(columns[0], columns[1], columns[2], status)

    def _sources(
        self, sample: GalaxySample, radius: Array, owner: Any, seed: int, n_threads: int
    ) -> tuple[Columns, Any]:
        """Return the table of multiply imaged sources, and which galaxy each is behind.

        Candidates lie in the circle of `radius`, the caustic of the most distant sources;
        those outside the caustic for their own redshift drop out.
        """
        index = np.arange(owner.size) - np.searchsorted(owner, owner)
        ids = sample.galaxy_id[owner]
        keys = _Keys(seed, ids, index, n_threads)
        drawn = self.sources.sample(ids, index, seed, n_threads)
        beta = radius[owner] * np.sqrt(keys.uniforms("source offset")[:, 0])
        behind = np.flatnonzero(drawn.z_s > sample.z_l[owner])
        lens = self._model(sample[owner[behind]], drawn.z_s[behind])
        images = solve_images(lens, beta[behind], n_threads=n_threads)
        # what fails for another reason than a single image stays, with its status
        single = (LensStatus.single_image, LensStatus.no_einstein_ring)
        kept = np.flatnonzero(~np.isin(images.status, single))
        rows = behind[kept]
        table: Columns = {
            "galaxy_id": ids[rows],
            "source_index": index[rows].astype(np.int32),
            "z_s": drawn.z_s[rows],
            "m_s": drawn.m_s[rows],
        }
        model = self._model(sample[owner[rows]], drawn.z_s[rows])
        size = None
        if drawn.radius is not None:
            size = np.asarray(model.to_kpc(drawn.radius[rows]))
            table["radius"] = size
        table |= _image_columns(images, kept)
        keys = keys[rows]
        table |= self._photometry(model, table, size, keys)
        table["einstein_radius"] = images.einstein_radius[kept]
        if self.time_delays:
            table |= self._delays(images.time_delay[kept], keys)
        table["status"] = images.status[kept].astype(np.int8)
        return table, owner[rows]

    def _photometry(
        self, model: LensModel, table: Columns, size: Array | None, keys: _Keys
    ) -> Columns:
        """Return observed magnitudes and detection."""
        mu = np.column_stack([table["mu_a"], table["mu_b"]])
        if size is not None:
            averaged = disc_magnification(model, table["beta"], size, n_threads=keys.n_threads)
            mu = np.column_stack([averaged.mu_a, averaged.mu_b])
        true = table["m_s"][:, None] - 2.5 * np.log10(np.abs(mu))
        observed = keys.noisy("noise of magnitudes", true, self.noise.magnitude)
        decisive = observed
        if self.selection == "independent":
            decisive = keys.noisy("noise of detection", true, self.noise.magnitude)
        return {
            "mu_a": mu[:, 0],
            "mu_b": mu[:, 1],
            "m_a_obs": observed[:, 0],
            "m_b_obs": observed[:, 1],
            "detected": self.detection.detects(decisive[:, 0], decisive[:, 1]),
        }

    def _delays(self, delay: Array, keys: _Keys) -> Columns:
        columns: Columns = {"time_delay": delay}
        if self.noise.time_delay is not None:
            observed = keys.noisy("noise of time delays", delay, self.noise.time_delay)
            columns["time_delay_obs"] = observed
        return columns

    def _structure(self, sample: GalaxySample, z_s: float, n_threads: int) -> LensStructure:
        return self._model(sample, z_s).structure(n_threads=n_threads)

    def _model(self, sample: GalaxySample, z_s: Any) -> LensModel:
        # one redshift or concentration for all is quicker than the same one many times
        z_l, c200 = self.population.z_l, self.population.concentration
        return LensModel(
            sample.log_mstar,
            sample.log_mhalo,
            sample.log_re,
            z_l.value if isinstance(z_l, Constant) else sample.z_l,
            z_s,
            sample.gamma_in,
            c200.value if isinstance(c200, Constant) else sample.c200,
            self.population.sersic_n,
            self.cosmology,
            **self._halo_arguments,
        )

    @property
    def _halo_arguments(self) -> dict[str, Any]:
        return {"halo": self.halo, "scale_radius": self.scale_radius}

    def _density(self, sample: GalaxySample) -> Array:
        """Sources per kpc^2 in the plane of each lens, () or (n,)."""
        z_l = self.population.z_l
        redshift = z_l.value if isinstance(z_l, Constant) else sample.z_l
        return np.asarray(self.sources.density_per_kpc2(redshift, self.cosmology))

    def _expected(
        self, sample: GalaxySample, in_circle: Array, density: Array, n_threads: int
    ) -> Array:
        """Mean number of multiply imaged sources: over the planes of the sources, if several."""
        redshifts, weights = self.sources.planes
        if redshifts.size == 1:
            return np.asarray(in_circle)
        expected = np.zeros(in_circle.shape)
        for z_s, weight in zip(redshifts, weights, strict=True):
            near = np.flatnonzero(sample.z_l < z_s)
            if near.size == 0:
                continue  # sources in front of every lens
            caustic = self._structure(sample[near], float(z_s), n_threads).caustic_radius
            share = weight * np.broadcast_to(density, in_circle.shape)[near]
            expected[near] += share * np.pi * caustic**2
        return expected


@dataclass(frozen=True)
class _Keys:
    """What random numbers of galaxies, or of the sources behind them, are keyed by."""

    seed: int
    ids: npt.NDArray[np.int64]
    index: Any
    n_threads: int

    def uniforms(self, purpose: str, n_draws: int = 1) -> Array:
        name = f"mock: {purpose}"
        return keyed_uniforms(self.seed, name, self.ids, n_draws, self.n_threads, parts=self.index)

    def noisy(self, purpose: str, value: Array, sd: float) -> Array:
        """Return `value`, (n,) or (n, k), with normal noise."""
        if sd == 0.0:
            return np.array(value)
        draws = self.uniforms(purpose, 1 if value.ndim == 1 else value.shape[1])
        return np.asarray(value + sd * special.ndtri(draws).reshape(value.shape))

    def __getitem__(self, rows: Any) -> _Keys:
        return _Keys(self.seed, self.ids[rows], self.index[rows], self.n_threads)


def _in_order(
    work: Callable[[Any, int], Any], items: Sequence[Any], n_threads: int
) -> Iterator[Any]:
    """Yield ``work(item, threads)`` in order, `n_threads` items at a time (0: all cores).

    Whole items side by side: numpy and the core release the interpreter's lock, so all of
    the work is shared, not the core's part alone. One item alone gets all the threads.
    """
    threads = n_threads or available_cores()
    if threads == 1 or len(items) < 2:
        for item in items:
            yield work(item, n_threads)
        return
    pending: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item, 1))
                # no more results wait than there are threads: memory is bounded
                if len(pending) == threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            # not to wait for chunks that nobody will take
            pool.shutdown(wait=False, cancel_futures=True)


def poisson_quantile(probability: Array, mean: Array) -> npt.NDArray[np.int64]:
    """Return the least k with ``P(N <= k) >= probability``, N Poisson with `mean`, (n,).

    0 where the mean is NaN.
    """
    result = np.zeros(probability.shape, dtype=np.int64)
    large = mean > _LARGE_MEAN
    if large.any():
        from scipy.stats import poisson

        result[large] = poisson.ppf(probability[large], mean[large]).astype(np.int64)
    term = np.exp(-mean)
    left = np.flatnonzero((probability > term) & ~large)
    target, mean, term = probability[left], mean[left], term[left]
    total, k = term.copy(), 0
    while left.size:
        k += 1
        term = term * mean / k
        before, total = total, total + term
        result[left] = k
        # a sum that no longer grows has reached 1 to rounding
        more = (total < target) & ((total > before) | (k < mean))
        left, target, mean = left[more], target[more], mean[more]
        term, total = term[more], total[more]
    return result


def _image_columns(images: ImageSolution, kept: Any) -> Columns:
    names = ("beta", "x_a", "x_b", "mu_a", "mu_b")
    return {name: getattr(images, name)[kept] for name in names}


def _cosmology(given: Any) -> FLRW:
    return resolve_cosmology(cosmology_from_dict(given) if isinstance(given, Mapping) else given)


def _checked_mean(mean: Array, sample: GalaxySample) -> Array:
    """Return expected numbers; an infinite caustic is an error."""
    if np.isinf(mean).any():
        at = int(np.argmax(np.isinf(mean)))
        text = f"{sample.gamma_in[at]:.4g} (galaxy {sample.galaxy_id[at]})"
        allowed = "below 2: a steeper halo gives every source a second image"
        raise ParameterError("inner slope", text, allowed, "Cut the relation with high=2.")
    if np.nanmax(mean, initial=0.0) > _LARGEST_MEAN:
        at = int(np.nanargmax(mean))
        raise ParameterError(
            "expected sources",
            f"{mean[at]:.3g} (galaxy {sample.galaxy_id[at]})",
            f"at most {_LARGEST_MEAN:g} a galaxy",
            "Lower the density of the sources.",
        )
    return mean


def _made(content: Any, name: str, kind: Any) -> Any:
    if content is None:
        return kind()
    if isinstance(content, Mapping):
        return kind.from_dict(content)
    if not isinstance(content, kind):
        raise ParameterError(name, content, f"a {kind.__name__}, a mapping that makes one or None")
    return content
