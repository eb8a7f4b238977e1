"""What the kernels of image pairs need of every lens, as columns for the core."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.stats import qmc

from .._core import axisym
from .._core import population as core
from ..distributions import normal_rule
from ..errors import ParameterError
from ..stronglens._tables import sersic_b
from ..stronglens.inversion_grid import ImagePhotometry
from ..stronglens.lens import Geometry
from ..stronglens.lens_model import reference_density, unit_star_amplitude
from ..stronglens.relations import ConcentrationRelation, Constant
from .count_families import count_family
from .free_counts import CountRatios, mean_magnitude_error
from .parameters import PARAMETERS, PopulationParameters

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from ..stronglens.observation import MagnitudeLimit
    from ..stronglens.source_counts import SourceCounts
    from .lens_data import LensData

Array = npt.NDArray[np.float64]
Box = dict[str, tuple[float, float]]

_HALTON = 192
_MOST_CORNERS = 6
_MISMATCH_REACH = 3.0
_CONCENTRATION_NODES = 5
_CONCENTRATION_TERMS = 9
# standard deviations of the mean magnitude by which it may lie beyond the counts
_SOFT_EDGE = 5.6


class BoxSteps:
    """What the ranges of the parameters ask of the nodes.

    Parameters
    ----------
    parameters : PopulationParameters
    box : mapping of name to (low, high)
    """

    def __init__(self, parameters: PopulationParameters, box: Box) -> None:
        self.parameters, self.box = parameters, box
        least_stretch = 1.0 + self._range("beta_sps")[0]
        sizes = self._largest("beta_r")
        slope = self._largest("beta_h") + self._largest("xi_h") * sizes
        self.steepest = max(1.0, slope / least_stretch)
        """Largest slope of log Mh in log M*, at least 1: that of the ridge coordinate."""
        inverse = 1.0 / self._range("sigma_star")[0] ** 2 + (sizes / self._range("sigma_r")[0]) ** 2
        self._inverse_mass = inverse / least_stretch**2
        self._inverse_halo = (self.steepest / self._range("sigma_h")[0]) ** 2
        self._stretch = least_stretch

    def node_steps(self, sigma_msps: Array, step: float) -> Array:
        """Return distances of nodes, `step` standard deviations of the narrowest ridge."""
        observed = 1.0 / (sigma_msps * self._stretch) ** 2
        inverse = self._inverse_halo + self._inverse_mass + observed
        return np.asarray(step * math.log(10.0) / np.sqrt(inverse))

    def first_level(self) -> int:
        """Return which number of inner slopes resolves the narrowest distribution of them."""
        low, high = self.parameters.gamma_support
        needed = 1.0 + (high - low) / (1.3 * self._range("sigma_g")[0])
        last = len(core.LEVELS) - 2
        return next((k for k in range(last) if core.LEVELS[k] >= needed), last)

    def training(self) -> Array:
        """Return points (n, 15): corners of the box and a Halton sequence inside it.

        Where the mismatch has scatter, its mean is moved by up to three of them: nodes are
        chosen without it.
        """
        names = list(self.box)
        unit = np.concatenate([_corners(len(names)), _halton(len(names))])
        points = np.tile(self.parameters.fixed, (len(unit), 1))
        for name, column in zip(names, unit.T, strict=True):
            low, high = self.box[name]
            points[:, PARAMETERS.index(name)] = low + column * (high - low)
        scatter = points[:, PARAMETERS.index("sigma_sps")]
        if (scatter > 0.0).any():
            moves = np.linspace(-_MISMATCH_REACH, _MISMATCH_REACH, 7)
            points[:, PARAMETERS.index("alpha_sps")] += scatter * moves[np.arange(len(unit)) % 7]
        return points

    def _range(self, name: str) -> tuple[float, float]:
        value = float(self.parameters.fixed[PARAMETERS.index(name)])
        return self.box.get(name, (value, value))

    def _largest(self, name: str) -> float:
        return max(abs(v) for v in self._range(name))


def _corners(d: int) -> Array:
    """Return corners of the unit cube, of its first six dimensions; in the middle of others."""
    few = min(d, _MOST_CORNERS)
    corners = np.stack(np.meshgrid(*[[0.0, 1.0]] * few, indexing="ij"), -1) if few else np.empty(())
    corners = corners.reshape(-1, few) if few else np.empty((1, 0))
    return np.hstack([corners, np.full((len(corners), d - few), 0.5)])


def _halton(d: int) -> Array:
    if d == 0:
        return np.empty((0, 0))
    return np.asarray(qmc.Halton(d, scramble=False).random(_HALTON + 1)[1:])


class PairInputs:
    """Image pairs as the core takes them.

    Parameters
    ----------
    data : LensData
    parameters : PopulationParameters
    counts : SourceCounts
    detection : MagnitudeLimit or None
        Of another draw of the noise.
    cosmology : astropy cosmology
    steps : (n,) ndarray
        Distances of nodes.
    other_counts : (k, p) ndarray or None
        Parameters of other counts that nodes have to be good for.
    """

    def __init__(
        self,
        data: LensData,
        parameters: PopulationParameters,
        counts: SourceCounts,
        detection: MagnitudeLimit | None,
        cosmology: FLRW,
        steps: Array,
        other_counts: Array | None,
    ) -> None:
        n, population = len(data), parameters.population
        self.photometry, self._table_of = _photometry(data, counts, detection, other_counts)
        self.relations, self._relation_of, self.log_weight_c = _concentrations(
            population.concentration, data.z_l
        )
        low, high = parameters.gamma_support
        self.slopes = np.linspace(low, high, core.MOST_SLOPES)
        self.amplitudes = np.stack([_amplitudes(c, self.slopes) for c in self.relations])
        geometry = Geometry(data.z_l, data.z_s, cosmology)
        inverse = geometry.inverse_sigma_critical
        density = np.broadcast_to(reference_density(data.z_l, cosmology), (n,))
        measured = np.isfinite(data.time_delay)
        b = sersic_b(population.sersic_n)
        self.grid = _grid(low, high, population.sersic_n, float(b))
        self._star = unit_star_amplitude(population.sersic_n, b) * inverse
        self._columns = {
            "x_a": data.x_a,
            "b": -data.x_b,
            "unit_radius": np.cbrt(0.75 / math.pi / density),
            "factor": density * inverse,
            "m_a": data.m_a,
            "m_b": data.m_b,
            "sigma_a": data.sigma_a,
            "sigma_b": data.sigma_b,
            "log_msps": data.log_msps,
            "sigma_msps": data.sigma_msps,
            "step": steps,
            "delay": np.where(measured, data.time_delay, 0.0),
            "sigma_delay": np.where(measured, data.sigma_delay, 0.0),
            "days": np.broadcast_to(geometry.days_per_kpc2, (n,)),
        }
        # counts per arcmin^2 become counts per kpc^2 of the lens plane
        self.log_area = -2.0 * np.log(60.0 * np.broadcast_to(geometry.kpc_per_arcsec, (n,)))

    @property
    def n_concentrations(self) -> int:
        """Nodes of the scatter of the concentration."""
        return int(self.log_weight_c.size)

    def c200(self, relation: int, log_mhalo: Array) -> Array:
        """Return the concentrations (n,) of halo masses, of one of the `relations`."""
        scaled = (log_mhalo - 11.0) / 5.0
        return np.asarray(
            np.exp(np.polynomial.polynomial.polyval(scaled, self.relations[relation]))
        )

    def parts(
        self, lenses: npt.NDArray[np.intp], log_re: Array, node: npt.NDArray[np.intp]
    ) -> tuple[Array, npt.NDArray[np.uintp]]:
        """Return (17, n) columns and (2, n) tables of parts of lenses.

        Each has a size, and a node of the scatter of the concentration.
        """
        radius = 10.0**log_re
        columns = {name: values[lenses] for name, values in self._columns.items()}
        columns["star_amplitude"] = self._star[lenses] / radius**2
        columns["star_radius"], columns["log_re"] = radius, log_re
        which = [self._table_of[lenses], self._relation_of[lenses, node]]
        return (
            np.array([columns[name] for name in core.PAIR_COLUMNS]),
            np.array(which, dtype=np.uintp),
        )


@lru_cache(maxsize=2)
def _grid(low: float, high: float, sersic_n: float, b: float) -> core.KernelGrid:
    """Return tables of stars and haloes: a quarter of a second, and 14 MB."""
    return core.KernelGrid(np.linspace(low, high, core.MOST_SLOPES), sersic_n, b)


def _photometry(
    data: LensData,
    counts: SourceCounts,
    detection: MagnitudeLimit | None,
    other_counts: Array | None,
) -> tuple[tuple[Any, ...], npt.NDArray[np.intp]]:
    """Return tables for each pair of errors, and which each lens uses."""
    pairs = np.stack([data.sigma_a, data.sigma_b], axis=1)
    unique, table_of = np.unique(pairs, axis=0, return_inverse=True)
    first, last = float(counts.breaks[0]), float(counts.breaks[-1])
    log_counts, extra = None, [0.0] * 5
    if detection is not None:
        log_counts, start, step = _log_counts(counts)
        extra = [detection.limit, start, 1.0 / step, first, last]
    others: list[Any] = [None] * len(unique)
    if other_counts is not None:
        ratios = CountRatios(count_family(counts), mean_magnitude_error(*unique.T))
        others = [(ratios.mixed(other_counts, i), ratios.axis) for i in range(len(unique))]
    tables = []
    for (a, b), other in zip(unique, others, strict=True):
        table, numbers = ImagePhotometry(counts, float(a), float(b)).core_tables
        reach = _SOFT_EDGE * a * b / math.hypot(a, b)
        edges = [first - reach, last + reach]
        tables.append((table, np.array([*numbers, a, b, *edges, *extra]), log_counts, other))
    return tuple(tables), table_of.reshape(-1)


def _concentrations(relation: Any, z_l: Array) -> tuple[Array, npt.NDArray[np.intp], Array]:
    """Return polynomials of ln c, those of each lens (n, nodes), and ln weights of the nodes."""
    if isinstance(relation, Constant):
        one = np.zeros((z_l.size, 1), dtype=np.intp)
        return np.array([[math.log(relation.value)]]), one, np.zeros(1)
    if not isinstance(relation, ConcentrationRelation):
        allowed = "a number or a ConcentrationRelation"
        raise ParameterError("population.concentration", relation, allowed)
    t, log_w = normal_rule(_CONCENTRATION_NODES if relation.scatter > 0.0 else 1)
    redshifts, of = np.unique(z_l, return_inverse=True)
    rows = []
    for z in redshifts:
        median = _concentration_polynomial(relation, float(z))
        for one_t in t:
            shifted = median.copy()
            shifted[0] += one_t * relation.scatter * math.log(10.0)
            rows.append(shifted)
    return np.array(rows), of.reshape(-1, 1) * t.size + np.arange(t.size), log_w


def _amplitudes(relation: Array, slopes: Array) -> Array:
    """Return c^3 / (3 m(c)) of every inner slope, of a concentration that is one number."""
    c = np.full(slopes.size, math.exp(relation[0]))
    mass = np.empty(slopes.size)
    axisym.enclosed_mass(c, slopes, mass)
    return np.asarray(c**3 / (3.0 * mass))


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
