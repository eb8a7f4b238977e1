"""Likelihood of galaxies in which no lensed source was detected."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

from .._checks import checked_threads
from ..distributions import normal_rule
from ..errors import ParameterError
from ..provenance import digest
from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.observation import Detection, MockNoise
from ..stronglens.source_population import SourcePopulation
from ..table.files import ABOUT
from ..table.store import Content
from .cross_section import CrossSection, DetectedCounts
from .galaxy_data import GalaxyData
from .kept_tables import KeptTable, kept, read_kept, table_path
from .kernel_inputs import BoxSteps
from .non_lens_grid import GalaxyNodes, ObservableNodes
from .parameters import PARAMETERS, POSITIVE, PopulationParameters, checked_points
from .selection import LensPlane

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

# another number when values of the same arguments change: files of older ones are not read
_NUMBERS = 1
_MISMATCH_NODES = 16
_CELLS = 65_536
_BATCH = 64
_OF_OBSERVABLES = ("mu_star", "sigma_star", "shape_star", "mu_r", "beta_r", "sigma_r")
_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class NonLensTerm(KeptTable):
    """ln L of galaxies without a detected lensed source; made by `build_non_lenses`.

    Attributes
    ----------
    n_galaxies : int
    identity : str
        Digest of all that it depends on.

    Notes
    -----
    A galaxy with the observables g = (log Re, log Msps_obs) has
    ``p(g, none | eta) = int p(psi | eta) p(g | psi) e^-Lambda dpsi = p(g | eta) (1 - F)``, with F
    the mean of ``1 - e^-Lambda`` over galaxies with these observables. p(g | eta) is a closed
    form. F, small, is a product rule in log M*, log Mh and the inner slope; ``log1p(-F)`` is
    evaluated at nodes of g and interpolated to the galaxies: as the weights do not depend on
    eta, the sum over any number of galaxies is one over the nodes.
    """

    def __init__(
        self,
        data: GalaxyData,
        nodes: ObservableNodes,
        galaxies: GalaxyNodes,
        values: Array,
        frame: Array,
        identity: str,
    ) -> None:
        self.data, self.nodes, self.galaxies, self.values = data, nodes, galaxies, values
        self.frame, self.n_galaxies, self.identity = frame, len(data), identity
        # the same at all points where only haloes and mismatch vary
        self._log_observed = lru_cache(maxsize=_BATCH)(self._sum_observed)

    def log_likelihood(self, vectors: Any) -> Array:
        """Return the sum over galaxies of ln p(g, none) (n,) at points (n, 15).

        Per dex of the observed stellar mass and of size.
        """
        points = checked_points(vectors)
        # each point by itself: the same bits in any batch
        return np.array([self._log_likelihood(point) for point in points])

    def _log_likelihood(self, point: Array) -> float:
        p = dict(zip(PARAMETERS, point.tolist(), strict=True))
        observed = self._log_observed(*(p[name] for name in _OF_OBSERVABLES))
        return observed + float(np.sum(self.nodes.weight * np.log1p(-self.lensed(p))))

    def _sum_observed(self, *numbers: float) -> float:
        """Return the sum over galaxies of ln p(g)."""
        p = dict(zip(_OF_OBSERVABLES, numbers, strict=True))
        data = self.data
        columns = data.log_re, data.log_msps, data.sigma_msps
        return float(np.sum(log_observables(*columns, p, self.frame[0])))

    def lensed(self, p: Mapping[str, float]) -> Array:
        """Return F of every node, the mean of 1 - e^-Lambda, for parameters by name."""
        nodes, grid, (pivot_r, pivot_h, pivot_sps) = self.nodes, self.galaxies, self.frame[:3]
        columns = nodes.log_re[nodes.size], nodes.log_msps, nodes.sigma_msps
        log_p = log_observables(*columns, p, pivot_r)
        slopes = grid.slopes[1] * np.exp(-0.5 * ((grid.slopes[0] - p["mu_g"]) / p["sigma_g"]) ** 2)
        # not a matrix product: its bits would depend on threads
        of_halo = np.einsum("zkmhg,g->zkmh", self.values, slopes / slopes.sum())
        t, log_t = normal_rule(_MISMATCH_NODES if p["sigma_sps"] > 0.0 else 1)
        stretch, log_re = 1.0 + p["beta_sps"], nodes.log_re[:, None]
        total = np.zeros(nodes.weight.size)
        for deviation, log_share in zip(t, log_t, strict=True):
            x = grid.log_mstar - p["alpha_sps"] - p["sigma_sps"] * deviation
            x = (x + p["beta_sps"] * pivot_sps) / stretch
            excess = log_re - p["mu_r"] - p["beta_r"] * (x - pivot_r)
            mean = p["mu_h"] + p["beta_h"] * (x - pivot_h) + p["xi_h"] * excess
            halo = (grid.log_mhalo - mean[..., None]) / p["sigma_h"]
            density = np.exp(-0.5 * halo * halo - _HALF_LOG_TWO_PI) * (grid.steps[1] / p["sigma_h"])
            lensed = np.einsum("zkmh,kmh->zkm", of_halo, np.where(np.isnan(density), 0.0, density))
            log_density = _log_stars(x, p) + _log_normal(excess, p["sigma_r"])
            log_density += log_share + math.log(grid.steps[0] / stretch)
            rows = x[nodes.size]
            deviate = (nodes.log_msps[:, None] - rows) / nodes.sigma_msps[:, None]
            exponent = log_density[nodes.size] - 0.5 * deviate * deviate
            exponent -= (_HALF_LOG_TWO_PI + np.log(nodes.sigma_msps) + log_p)[:, None]
            total += np.sum(np.exp(exponent) * lensed[nodes.redshift, nodes.size], axis=1)
        return total

    def _content(self) -> Content:
        arrays = {f"nodes_{k}": v for k, v in vars(self.nodes).items()}
        arrays |= {f"galaxies_{k}": v for k, v in vars(self.galaxies).items() if k != "n_masses"}
        arrays |= {f"data_{k}": v for k, v in self.data.arrays().items()}
        arrays |= {"values": self.values, "frame": self.frame}
        about = f"galaxies without a lens  {self.n_galaxies}, {self.values.size} nodes"
        return Content(arrays, {"non_lenses": self.identity, ABOUT: about})

    @classmethod
    def load(cls, path: str | os.PathLike[str], identity: str) -> NonLensTerm:
        """Return the term of a file, which must be that of `identity`.

        Raises
        ------
        FormatError
            Damaged, another kind of file, or of other galaxies or settings.
        """
        arrays = dict(read_kept(path, "non_lenses", "galaxies without a lens", identity).arrays)
        parts: dict[str, dict[str, Any]] = {"data": {}, "nodes": {}, "galaxies": {}}
        for name, array in arrays.items():
            kind, _, field = name.partition("_")
            if kind in parts:
                parts[kind][field] = array
        nodes = ObservableNodes(**parts["nodes"])
        galaxies = GalaxyNodes(n_masses=arrays["values"].shape[3], **parts["galaxies"])
        data = GalaxyData(**parts["data"])
        return cls(data, nodes, galaxies, arrays["values"], arrays["frame"], identity)

    def __repr__(self) -> str:
        return f"<NonLensTerm: {self.n_galaxies} galaxies, {self.nodes.weight.size} nodes>"


def log_observables(
    log_re: Array, log_msps: Array, sigma: Array, p: Mapping[str, float], pivot: float
) -> Array:
    """Return ln p(log Re, log Msps_obs) of galaxies (n,), in closed form.

    Normal densities in log Msps multiply to one of mean m and variance v; the mean of
    ``Phi(s z)`` over it is ``Phi(s z(m) / sqrt(1 + s^2 v / sigma_star^2))``.
    """
    # of log Msps alone, then of log Re given it
    result = _log_normal(log_msps - p["mu_star"], np.hypot(p["sigma_star"], sigma))
    inverse = p["sigma_star"] ** -2 + sigma**-2
    mean = (p["mu_star"] / p["sigma_star"] ** 2 + log_msps / sigma**2) / inverse
    excess = log_re - p["mu_r"] - p["beta_r"] * (mean - pivot)
    result += _log_normal(excess, np.sqrt(p["sigma_r"] ** 2 + p["beta_r"] ** 2 / inverse))
    inverse += (p["beta_r"] / p["sigma_r"]) ** 2
    mean += p["beta_r"] * excess / p["sigma_r"] ** 2 / inverse
    shape = 10.0 ** p["shape_star"] / p["sigma_star"]
    skew = shape * (mean - p["mu_star"]) / np.sqrt(1.0 + shape**2 / inverse)
    return np.asarray(result + math.log(2.0) + log_ndtr(skew))


def _log_stars(x: Array, p: Mapping[str, float]) -> Array:
    """Return ln of the skew-normal density of log Msps."""
    z = (x - p["mu_star"]) / p["sigma_star"]
    skew = log_ndtr(10.0 ** p["shape_star"] * z)
    return np.asarray(math.log(2.0) + _log_normal(x - p["mu_star"], p["sigma_star"]) + skew)


def _log_normal(excess: Array, sigma: Any) -> Array:
    return np.asarray(-0.5 * (excess / sigma) ** 2 - np.log(sigma) - _HALF_LOG_TWO_PI)


# -- making it -------------------------------------------------------------------------------------


def build_non_lenses(
    galaxies: GalaxyData,
    population: LensPopulation,
    sources: SourcePopulation,
    noise: MockNoise,
    detection: Detection,
    box: Mapping[str, tuple[float, float]],
    *,
    cosmology: FLRW | None = None,
    n_threads: int = 1,
    progress: bool = False,
    tables: str | os.PathLike[str] | None = None,
) -> NonLensTerm:
    """Return the likelihood of galaxies without a lens; arguments as of `build_selection`.

    Raises
    ------
    ParameterError
        A scatter of the population that is 0, or a galaxy behind all sources.
    FormatError
        A damaged file in `tables`.
    FitError
        Another process is making the same there.
    """
    checked_threads(n_threads)
    parameters = PopulationParameters(population, ())
    for name in POSITIVE:
        value = float(parameters.fixed[PARAMETERS.index(name)])
        if not value > 0.0:
            raise ParameterError(f"population: {name}", value, "> 0: a scatter")
    detected = DetectedCounts(sources, detection, noise.magnitude)
    nodes = ObservableNodes.of(galaxies)
    planes = [
        LensPlane(1.0, CrossSection(detected, sources, z, population.sersic_n, cosmology))
        for z in nodes.z_l.tolist()
    ]
    frame = np.array([*parameters.pivots, *parameters.gamma_support])
    sections = [json.dumps(plane.section.to_dict(), sort_keys=True) for plane in planes]
    identity = digest(
        _NUMBERS, galaxies.hash, population.to_dict(), frame, *sections, sorted(box.items())
    )

    def build(parts: Path | None) -> NonLensTerm:
        training = BoxSteps(parameters, dict(box)).training()
        grid = GalaxyNodes.of(nodes, parameters, box, training)
        values = np.stack(
            [
                _values(grid, nodes, plane, population.concentration, n_threads, progress)
                for plane in planes
            ]
        )
        return NonLensTerm(galaxies, nodes, grid, values, frame, identity)

    if tables is None:
        return build(None)
    path = table_path(tables, "non_lenses", identity)
    return kept(path, build, partial(NonLensTerm.load, identity=identity))


def _values(
    grid: GalaxyNodes,
    nodes: ObservableNodes,
    plane: LensPlane,
    concentration: Any,
    n_threads: int,
    progress: bool,
) -> Array:
    """Return 1 - e^-Lambda (sizes, n, masses, slopes) of galaxies in one plane."""
    from tqdm import tqdm

    columns = np.broadcast_arrays(
        grid.log_mstar[..., None, None],
        nodes.log_re[:, None, None, None],
        grid.log_mhalo[..., None],
        grid.slopes[0],
    )
    psi = np.stack([column.reshape(-1) for column in columns], axis=-1)
    used = np.flatnonzero(np.isfinite(psi[:, 2]))
    values = np.zeros(len(psi))
    blocks = range(0, used.size, _CELLS)
    for first in tqdm(blocks, desc="non-lenses", unit="block", disable=not progress):
        rows = used[first : first + _CELLS]
        for share, number in plane.numbers(psi[rows], concentration, n_threads):
            values[rows] -= share * np.expm1(-number[:, 0])
    return values.reshape(grid.shape)
