"""Likelihoods of image pairs: nodes and weights of each lens, made once, and sums over them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.stats import qmc

from .._checks import checked_threads
from .._core import axisym
from .._core import population as core
from ..cosmology import resolve_cosmology
from ..errors import FormatError, ParameterError, nearest
from ..provenance import digest
from ..stronglens._tables import sersic_b
from ..stronglens.inversion_grid import ImagePhotometry
from ..stronglens.lens import Geometry
from ..stronglens.lens_model import reference_density, unit_star_amplitude
from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.observation import MagnitudeLimit
from ..stronglens.relations import ConcentrationRelation, Constant
from ..stronglens.source_population import SourcePopulation
from .lens_data import LensData
from .parameters import PARAMETERS, PopulationParameters

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

DEFAULT_BOX: dict[str, tuple[float, float]] = {
    "alpha_sps": (-0.2, 0.4),
    "mu_h": (12.0, 14.0),
    "beta_h": (0.5, 3.0),
    "sigma_h": (0.1, 0.6),
    "mu_g": (0.5, 1.5),
    "sigma_g": (0.1, 0.5),
}
"""Ranges of the parameters in which kernels are accurate, unless others are asked for."""
SELECTIONS = ("on_data", "independent")

_HALTON = 192
_MOST_CORNERS = 6
_MISMATCH_NODES = 16
_SIZE_NODES = 7
_CONCENTRATION_NODES = 5
_CONCENTRATION_TERMS = 9
_BLOCK = 64
_BATCH = 64
# standard deviations of the mean magnitude by which it may lie beyond the counts
_SOFT_EDGE = 5.6


@dataclass(frozen=True)
class KernelAccuracy:
    """How fine kernels are made.

    Parameters
    ----------
    step : float
        Distance of nodes along halo mass, in standard deviations of the narrowest ridge.
    node_drop : float
        Nodes below e^-node_drop of the likelihood everywhere in the box are left out.
    tolerance : float
        Change of ln L, at less than `depth` below the best, when the number of inner slopes
        is doubled, that is accepted.
    depth : float
    """

    step: float = 1.5
    node_drop: float = 12.5
    tolerance: float = 3e-4
    depth: float = 15.0


class LensKernels:
    """Nodes and weights of the likelihoods of n lenses; made by `build_kernels`.

    Attributes
    ----------
    n_lenses : int
    support : dict
        Ranges of the parameters the kernels were made for.
    errors : (n,) ndarray
        Change of each ln L when the number of inner slopes was last doubled: its largest over
        the training points less than 15 below the best one.
    levels : (n,) ndarray of int
        0 to 3: 33, 65, 129 or 257 inner slopes.
    identity : str
        Digest of the data, the fixed parameters, the sources and the box.
    """

    def __init__(
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
        parameters: PopulationParameters,
        support: Mapping[str, tuple[float, float]],
        identity: str,
    ) -> None:
        self.parameters = parameters
        self.support = {name: (float(a), float(b)) for name, (a, b) in support.items()}
        self.identity = identity
        self._arrays = dict(arrays)
        self.errors = self._arrays["errors"]
        self.levels = self._arrays["levels"]
        self.n_lenses = int(self._arrays["lenses"].shape[1])
        low, high = parameters.gamma_support
        self._gamma = np.linspace(low, high, core.MOST_SLOPES)

    @property
    def n_nodes(self) -> npt.NDArray[np.intp]:
        """(n,) nodes of each lens, those that fill vectors included."""
        chunks = self._arrays["first"][self._arrays["first_part"]]
        return np.asarray(np.diff(chunks.astype(np.intp)) * core.CHUNK)

    @property
    def nbytes(self) -> int:
        """Memory of the nodes."""
        return int(self._arrays["nodes"].nbytes + self._arrays["gamma"].nbytes)

    def log_likelihood(self, vectors: Any, *, n_threads: int = 1) -> Array:
        """Return ln L of the sample at points of the population.

        Parameters
        ----------
        vectors : (n, 15) array
            `PopulationParameters.vectors`.
        n_threads : int, >= 0

        Returns
        -------
        (n,) ndarray
        """
        points = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
        parts = [
            self.per_lens(points[i : i + _BATCH], n_threads=n_threads).sum(axis=1)
            for i in range(0, len(points), _BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def per_lens(self, vectors: Any, *, n_threads: int = 1) -> Array:
        """Return ln L of every lens, (n, n_lenses), at points (n, 15).

        Per kpc^2 (of x_A and x_B), mag^2 and dex (of the observed stellar mass and size).
        """
        checked_threads(n_threads)
        points = checked_points(vectors)
        out = np.empty((len(points), self.n_lenses))
        a = self._arrays
        core.sum_lenses(
            a["nodes"],
            a["gamma"],
            a["first_part"],
            a["first"],
            a["parts"],
            a["lenses"],
            core_points(points, self._gamma, self.parameters),
            out,
            n_threads,
        )
        return out

    def __getitem__(self, index: Any) -> LensKernels:
        """Return the kernels of a slice, a mask or an array of indices of lenses."""
        rows = np.atleast_1d(np.arange(self.n_lenses)[index])
        a = self._arrays
        parts = [np.arange(a["first_part"][i], a["first_part"][i + 1]) for i in rows]
        which = np.concatenate(parts).astype(np.intp)
        chunks = np.concatenate([np.arange(a["first"][p], a["first"][p + 1]) for p in which])
        nodes = (chunks[:, None].astype(np.intp) * core.CHUNK + np.arange(core.CHUNK)).ravel()
        chosen = {
            "nodes": np.ascontiguousarray(a["nodes"][:, nodes]),
            "gamma": a["gamma"][chunks.astype(np.intp)],
            "first_part": _offsets([len(p) for p in parts]),
            "first": _offsets(np.diff(a["first"])[which]),
            "parts": np.ascontiguousarray(a["parts"][:, which]),
            "lenses": np.ascontiguousarray(a["lenses"][:, rows]),
            "errors": self.errors[rows],
            "levels": self.levels[rows],
        }
        identity = digest(self.identity, rows)
        return LensKernels(chosen, self.parameters, self.support, identity)

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the kernels to an HDF5 file, whole or not at all; return its root hash."""
        from ..table.store import Content, write_content

        attributes = {
            "kernels": self.identity,
            "support": {k: list(v) for k, v in self.support.items()},
        }
        return write_content(path, Content(self._arrays, attributes))

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], parameters: PopulationParameters, identity: str
    ) -> LensKernels:
        """Return the kernels of a file, which must be those of `identity`.

        Raises
        ------
        FormatError
            Damaged, not kernels, or of other data or settings.
        """
        from ..table.store import read_content

        content = read_content(path)
        found = content.attributes.get("kernels")
        if found is None:
            raise FormatError(path, "kernels", "not a file of lens kernels")
        if found != identity:
            problem = f"made for other data or settings ({found[:12]}, not {identity[:12]})"
            raise FormatError(path, "kernels", problem)
        support = {k: tuple(v) for k, v in content.attributes["support"].items()}
        return cls(content.arrays, parameters, support, identity)

    def __repr__(self) -> str:
        mean = self.n_nodes.mean()
        return f"<LensKernels: {self.n_lenses} lenses, {mean:.0f} nodes each>"


def core_points(points: Array, gamma: Array, parameters: PopulationParameters) -> core.Points:
    """Return points (n, 15) of a population as the core takes them."""
    t, weight = np.polynomial.hermite_e.hermegauss(_MISMATCH_NODES)
    mismatch = np.array([t, np.log(weight / weight.sum())])
    frame = np.array([*parameters.pivots, *parameters.gamma_support])
    return core.Points(np.ascontiguousarray(points), gamma, mismatch, frame)


def build_kernels(
    data: LensData,
    population: LensPopulation | None = None,
    sources: SourcePopulation | None = None,
    box: Mapping[str, tuple[float, float]] | None = None,
    *,
    selection: str = "on_data",
    detection: MagnitudeLimit | None = None,
    cosmology: FLRW | None = None,
    accuracy: KernelAccuracy | None = None,
    n_threads: int = 1,
    progress: bool = False,
) -> LensKernels:
    """Return the kernels of a sample: what its likelihood needs of lensing and photometry.

    Parameters
    ----------
    data : LensData
    population : LensPopulation, optional
        Values of the parameters that `box` does not name, concentration and Sersic index.
    sources : SourcePopulation, optional
        Their counts; redshifts are those of the data.
    box : mapping of name to (low, high)
        Ranges of the parameters, out of `PARAMETERS`, that will be varied: `DEFAULT_BOX` by
        default.
    selection : {"on_data", "independent"}
        Whether the data themselves decided on the detection. If another draw of the noise
        did, the integral over source magnitudes carries the probability of detection.
    detection : MagnitudeLimit, optional
        For ``selection="independent"``.
    cosmology : astropy cosmology, optional
    accuracy : KernelAccuracy, optional
    n_threads : int, >= 0
        The kernels are the same bits for any number.
    progress : bool

    Raises
    ------
    ParameterError
        An argument out of range, or a pair that no lens of the population can make.

    Notes
    -----
    For a lens with x_A and x_B exact, the integral over stellar mass and source offset is done
    by the inversion of the pair, with its Jacobian J:
    ``L = int p(log M*, log Re, log Mh, gamma, data) 2 pi beta n |J| Phi dlog Mh dgamma``.
    """
    made = population or LensPopulation()
    counts = (sources or SourcePopulation()).counts
    parameters = PopulationParameters(made)
    ranges = checked_box(DEFAULT_BOX if box is None else box, parameters)
    limit = detection or MagnitudeLimit()
    if selection not in SELECTIONS:
        hint = nearest(str(selection), SELECTIONS)
        raise ParameterError("selection", selection, f"one of {', '.join(SELECTIONS)}", hint)
    checked_threads(n_threads)
    fine = accuracy or KernelAccuracy()
    builder = _Builder(data, parameters, counts, ranges, selection, limit, cosmology, fine)
    return builder.build(n_threads, progress)


def checked_box(
    box: Mapping[str, tuple[float, float]], parameters: PopulationParameters
) -> dict[str, tuple[float, float]]:
    """Return ranges of parameters, each (low, high) finite and increasing."""
    result = {}
    for name, given in box.items():
        if name not in PARAMETERS:
            hint = nearest(str(name), PARAMETERS)
            raise ParameterError("box", name, f"names out of {', '.join(PARAMETERS)}", hint)
        low, high = (float(v) for v in given)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ParameterError(f"box[{name!r}]", given, "(low, high), finite, low < high")
        least = 0.0 if name == "sigma_sps" else -math.inf
        if name in ("sigma_star", "sigma_r", "sigma_h", "sigma_g") and not low > 0.0:
            raise ParameterError(f"box[{name!r}]", given, "low > 0")
        if low < least or (name == "beta_sps" and low <= -1.0):
            raise ParameterError(f"box[{name!r}]", given, "within the range of a population")
        result[name] = (low, high)
    return result


def training_points(
    parameters: PopulationParameters, box: Mapping[str, tuple[float, float]]
) -> Array:
    """Return points (n, 15): corners of the box and a Halton sequence inside it."""
    names = list(box)
    low, high = np.array([box[name] for name in names]).reshape(-1, 2).T
    inner = qmc.Halton(len(names), scramble=False).random(_HALTON + 1)[1:] if names else []
    d = min(len(names), _MOST_CORNERS)
    if names:
        corners = np.stack(np.meshgrid(*[[0.0, 1.0]] * d, indexing="ij"), -1).reshape(-1, d)
        rest = np.full((len(corners), len(names) - d), 0.5)
        unit = np.concatenate([np.hstack([corners, rest]), inner])
    else:
        unit = np.empty((1, 0))
    points = np.tile(parameters.fixed, (len(unit), 1))
    for i, name in enumerate(names):
        points[:, PARAMETERS.index(name)] = low[i] + unit[:, i] * (high[i] - low[i])
    return points


class _Builder:
    def __init__(
        self,
        data: LensData,
        parameters: PopulationParameters,
        counts: Any,
        box: dict[str, tuple[float, float]],
        selection: str,
        detection: MagnitudeLimit,
        cosmology: FLRW | None,
        accuracy: KernelAccuracy,
    ) -> None:
        self.data, self.parameters, self.counts, self.box = data, parameters, counts, box
        self.selection, self.detection, self.accuracy = selection, detection, accuracy
        self.cosmology = resolve_cosmology(cosmology)
        low, high = parameters.gamma_support
        self.gamma = np.linspace(low, high, core.MOST_SLOPES)
        self.training = training_points(parameters, box)
        self.identity = digest(
            data.hash,
            parameters.population.to_dict(),
            counts.to_dict(),
            sorted(box.items()),
            selection,
            detection.to_dict() if selection == "independent" else None,
            repr(self.cosmology),
            accuracy,
        )

    def build(self, n_threads: int, progress: bool) -> LensKernels:
        from tqdm import tqdm

        population = self.parameters.population
        grid = core.KernelGrid(
            self.gamma, population.sersic_n, float(sersic_b(population.sersic_n))
        )
        columns, which, lens_of, photometry, relations, log_extra = self._parts()
        amplitudes = np.stack([self._amplitudes(c) for c in relations])
        r, settings = self._settings()
        results: list[Any] = []
        n = columns.shape[1]
        with tqdm(total=len(self.data), disable=not progress, unit="lens") as bar:
            for first in range(0, n, _BLOCK):
                rows = slice(first, first + _BLOCK)
                results += core.build_kernels(
                    grid,
                    core_points(self.training, self.gamma, self.parameters),
                    np.ascontiguousarray(columns[:, rows]),
                    np.ascontiguousarray(which[:, rows]),
                    tuple(photometry),
                    relations,
                    amplitudes,
                    r,
                    settings,
                    n_threads,
                )
                bar.update(min(lens_of[min(first + _BLOCK, n) - 1] + 1, len(self.data)) - bar.n)
        return self._joined(results, lens_of, columns[-1], log_extra)

    # -- what is given ---------------------------------------------------------------------------

    def _values(self, name: str) -> tuple[float, float]:
        value = float(self.parameters.fixed[PARAMETERS.index(name)])
        return self.box.get(name, (value, value))

    def _settings(self) -> tuple[float, Array]:
        """Return r of the ridge coordinate and the settings of the core."""
        beta = max(abs(v) for v in self._values("beta_h"))
        beta += max(abs(v) for v in self._values("xi_h")) * max(
            abs(v) for v in self._values("beta_r")
        )
        beta = max(beta, 1.0)
        sigma_h = self._values("sigma_h")[0]
        inverse = 1.0 / float(self.data.sigma_msps.min()) ** 2
        inverse += 1.0 / self._values("sigma_star")[0] ** 2
        slope = max(abs(v) for v in self._values("beta_r"))
        inverse += (slope / self._values("sigma_r")[0]) ** 2
        step = self.accuracy.step * math.log(10.0) / math.sqrt((beta / sigma_h) ** 2 + inverse)
        low, high = self.parameters.gamma_support
        spacing = 1.3 * self._values("sigma_g")[0]
        needed = 1.0 + (high - low) / spacing
        level = next((k for k in range(core.LEVELS - 2) if 32 << k >= needed - 1.0), 2)
        drop = self.accuracy.node_drop
        numbers = (step, drop + 2.0, drop, self.accuracy.tolerance, self.accuracy.depth, level)
        return 1.0 / beta, np.array(numbers, dtype=np.float64)

    def _parts(self) -> tuple[Any, ...]:
        """Return the columns of the parts of all lenses, and what they share."""
        data, n = self.data, len(self.data)
        photometry, table_of = self._photometry()
        relations, relation_of, log_weight_c = self._concentrations()
        size_t, size_w = _normal_rule(_SIZE_NODES)
        lens_of, log_re, relation, log_extra = [], [], [], []
        for i in range(n):
            exact = data.sigma_re[i] == 0.0
            shifts = np.zeros(1) if exact else size_t
            weights = np.zeros(1) if exact else size_w
            for shift, weight in zip(shifts, weights, strict=True):
                for k, log_w in zip(relation_of[i], log_weight_c, strict=True):
                    lens_of.append(i)
                    log_re.append(data.log_re[i] + data.sigma_re[i] * shift)
                    relation.append(k)
                    log_extra.append(weight + log_w)
        at = np.array(lens_of)
        geometry = Geometry(data.z_l, data.z_s, self.cosmology)
        inverse = geometry.inverse_sigma_critical
        density = np.broadcast_to(reference_density(data.z_l, self.cosmology), (n,))
        radius = 10.0 ** np.array(log_re)
        index = self.parameters.population.sersic_n
        star = unit_star_amplitude(index, sersic_b(index))
        columns = np.array(
            [
                data.x_a[at],
                -data.x_b[at],
                star * inverse[at] / radius**2,
                radius,
                np.cbrt(0.75 / math.pi / density[at]),
                (density * inverse)[at],
                data.m_a[at],
                data.m_b[at],
                data.sigma_a[at],
                data.sigma_b[at],
                data.log_msps[at],
                data.sigma_msps[at],
                np.array(log_re),
            ]
        )
        which = np.array([table_of[at], relation], dtype=np.uintp)
        # counts per arcmin^2 become counts per kpc^2 of the lens plane
        per_kpc2 = -2.0 * np.log(60.0 * np.broadcast_to(geometry.kpc_per_arcsec, (n,)))
        return columns, which, at, photometry, relations, np.array(log_extra) + per_kpc2[at]

    def _photometry(self) -> tuple[list[tuple[Any, ...]], npt.NDArray[np.intp]]:
        pairs = np.stack([self.data.sigma_a, self.data.sigma_b], axis=1)
        unique, table_of = np.unique(pairs, axis=0, return_inverse=True)
        breaks = np.asarray(self.counts.breaks)
        log_counts = None
        extra = [0.0] * 5
        if self.selection == "independent":
            log_counts, start, step = _log_counts(self.counts)
            ends = (float(breaks[0]), float(breaks[-1]))
            extra = [self.detection.limit, start, 1.0 / step, *ends]
        tables = []
        for a, b in unique:
            table, numbers = ImagePhotometry(self.counts, float(a), float(b)).core_tables
            reach = _SOFT_EDGE * a * b / math.hypot(a, b)
            edges = [breaks[0] - reach, breaks[-1] + reach]
            tables.append((table, np.array([*numbers, a, b, *edges, *extra]), log_counts))
        return tables, table_of.reshape(-1)

    def _concentrations(self) -> tuple[Array, list[list[int]], Array]:
        """Return polynomials of ln c, which each lens uses, and the ln weights of its nodes."""
        relation = self.parameters.population.concentration
        n = len(self.data)
        if isinstance(relation, Constant):
            return np.array([[math.log(relation.value)]]), [[0]] * n, np.zeros(1)
        if not isinstance(relation, ConcentrationRelation):
            allowed = "a number or a ConcentrationRelation"
            raise ParameterError("population.concentration", relation, allowed)
        scatter = relation.scatter
        t, log_w = _normal_rule(_CONCENTRATION_NODES) if scatter > 0.0 else (np.zeros(1),) * 2
        redshifts, of = np.unique(self.data.z_l, return_inverse=True)
        rows = []
        for z in redshifts:
            median = _concentration_polynomial(relation, float(z))
            for one in t:
                shifted = median.copy()
                shifted[0] += one * scatter * math.log(10.0)
                rows.append(shifted)
        uses = [[int(k) * len(t) + j for j in range(len(t))] for k in of.reshape(-1)]
        return np.array(rows), uses, log_w

    def _amplitudes(self, relation: Array) -> Array:
        """Return c^3 / (3 m(c)) of every inner slope, of a concentration that is one number."""
        c = np.full(self.gamma.size, math.exp(relation[0]))
        mass = np.empty(self.gamma.size)
        axisym.enclosed_mass(c, self.gamma, mass)
        return np.asarray(c**3 / (3.0 * mass))

    # -- what comes out --------------------------------------------------------------------------

    def _joined(
        self, results: list[Any], lens_of: Any, log_re: Array, log_extra: Array
    ) -> LensKernels:
        n = len(self.data)
        good = np.array([result is not None for result in results])
        parts_of = np.bincount(lens_of[good], minlength=n)
        if (parts_of == 0).any():
            at = int(np.argmin(parts_of))
            given = f"lens {self.data.name[at]!r} (index {at})"
            hint = "Its images need a halo, stars or a source outside the population's range."
            raise ParameterError("data", given, "an image pair that a lens can make", hint)
        kept = [result for result in results if result is not None]
        lens = lens_of[good]
        errors, levels = np.zeros(n), np.zeros(n, dtype=np.int64)
        np.maximum.at(errors, lens, [result[3] for result in kept])
        np.maximum.at(levels, lens, [result[4] for result in kept])
        log_scale = np.array([result[2] for result in kept]) + log_extra[good]
        arrays = {
            "nodes": np.concatenate([result[0] for result in kept], axis=1),
            "gamma": np.concatenate([result[1] for result in kept]),
            "first_part": _offsets(parts_of),
            "first": _offsets([result[1].size for result in kept]),
            "parts": np.array([log_scale, log_re[good]]),
            "lenses": np.array([self.data.log_msps, self.data.sigma_msps]),
            "errors": errors,
            "levels": levels,
        }
        return LensKernels(arrays, self.parameters, self.box, self.identity)


def checked_points(vectors: Any) -> Array:
    points = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    if points.ndim != 2 or points.shape[1] != len(PARAMETERS):
        raise ParameterError("vectors.shape", np.shape(vectors), f"(n, {len(PARAMETERS)})")
    for name in ("sigma_star", "sigma_r", "sigma_h", "sigma_g"):
        column = points[:, PARAMETERS.index(name)]
        if not (column > 0.0).all():
            at = int(np.argmin(column > 0.0))
            raise ParameterError(f"vectors[{at}]: {name}", float(column[at]), "> 0")
    return points


def _normal_rule(n: int) -> tuple[Array, Array]:
    """Return nodes and ln weights of n points for means over a standard normal number."""
    t, weight = np.polynomial.hermite_e.hermegauss(n)
    return t, np.log(weight / weight.sum())


def _offsets(counts: Any) -> npt.NDArray[np.uintp]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.uintp)


def _log_counts(counts: Any) -> tuple[Array, float, float]:
    """Return ln n(m) as cubics (n, 4) on equal intervals of 0.01 mag or less."""
    from scipy.interpolate import CubicSpline

    first, last = float(counts.breaks[0]), float(counts.breaks[-1])
    n = math.ceil((last - first) / 0.01)
    m = np.linspace(first, last, n + 1)
    with np.errstate(divide="ignore"):
        log_n = np.log(np.asarray(counts.density_at(m)))
    if not np.isfinite(log_n).all():
        at = float(m[int(np.argmin(np.isfinite(log_n)))])
        raise ParameterError("sources.counts", f"0 at {at:g} mag", "> 0 everywhere")
    spline = CubicSpline(m, log_n)
    step = (last - first) / n
    powers = step ** np.arange(4)
    return np.ascontiguousarray(spline.c[::-1].T * powers), first, step


def _concentration_polynomial(relation: ConcentrationRelation, z: float) -> Array:
    """Return ln c as a polynomial of (log10 Mh - 11)/5, good to 1e-4 between 6 and 16."""
    u = np.cos(np.pi * (np.arange(64) + 0.5) / 64)
    given = {"log_mhalo": 11.0 + 5.0 * u, "z_l": np.full(u.size, z)}
    value = math.log(10.0) * relation._log_median(given)
    series = np.polynomial.chebyshev.Chebyshev.fit(
        u, value, _CONCENTRATION_TERMS - 1, domain=[-1, 1]
    )
    worst = float(np.abs(series(u) - value).max())
    if worst > 1e-3:
        allowed = "a smooth relation: a polynomial of degree 8 misses it"
        raise ParameterError("population.concentration", f"{worst:.1e} in ln c", allowed)
    return np.asarray(series.convert(kind=np.polynomial.Polynomial).coef)
