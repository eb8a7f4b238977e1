"""Nodes for galaxies without a lens: of their observables, and of what they may be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .galaxy_data import GalaxyData
from .parameters import PARAMETERS, PopulationParameters
from .selection_grid import GREATEST_MASS, STEP, least_slopes, slope_nodes

Array = npt.NDArray[np.float64]
Ranges = Mapping[str, tuple[float, float]]

# dex between nodes of the observables; functions of them are interpolated
_APART = 0.08
_POINTS = 6
# standard deviations that are summed over, of stellar mass, halo mass and mismatch
_MASS_REACH = 6.5
_HALO_REACH = 6.0
_MISMATCH_REACH = 5.0
# of the number of lenses with halo mass, ln per dex; above 10^16 Msun every galaxy has some
_RISE = 5.0
_SATURATED = 16.0
# of the number of lenses itself, which is not as wide as a population may be
_LEAST_SLOPES = 24
_WIDEST_STEP = 0.4


# -- of the observables ----------------------------------------------------------------------------


@dataclass(frozen=True)
class ObservableNodes:
    """Where a function of the observables is evaluated, for its sum over all galaxies.

    Attributes
    ----------
    z_l, log_re : ndarray
        Redshifts and sizes of nodes.
    redshift, size : (n,) ndarray of int
        Which of them each node has.
    log_msps, sigma_msps : (n,) ndarray
        Of each node.
    weight : (n,) ndarray
        ``sum_j f(galaxy j) = sum_n weight_n f_n``.
    """

    z_l: Array
    log_re: Array
    redshift: npt.NDArray[np.intp]
    size: npt.NDArray[np.intp]
    log_msps: Array
    sigma_msps: Array
    weight: Array

    @classmethod
    def of(cls, galaxies: GalaxyData) -> ObservableNodes:
        """Return the nodes of a sample.

        Six-point Lagrange interpolation in log Re and log Msps; in errors and redshifts the
        values themselves, up to six of them, or a polynomial of degree 5.
        """
        z_l, z_weight = _few(galaxies.z_l)
        sigma, sigma_weight = _few(galaxies.sigma_msps)
        log_re, first_re, re_weight = _lattice_weights(galaxies.log_re)
        log_msps, first_msps, msps_weight = _lattice_weights(galaxies.log_msps)
        total = np.zeros((z_l.size, sigma.size, log_re.size, log_msps.size))
        for i in range(_POINTS):
            for j in range(_POINTS):
                both = re_weight[:, i] * msps_weight[:, j]
                for a in range(z_l.size):
                    for b in range(sigma.size):
                        each = both * z_weight[:, a] * sigma_weight[:, b]
                        np.add.at(total[a, b], (first_re + i, first_msps + j), each)
        at = np.nonzero(total)
        sizes, size = np.unique(at[2], return_inverse=True)
        columns = log_msps[at[3]], sigma[at[1]], total[at]
        redshift = np.ascontiguousarray(at[0])
        return cls(z_l, log_re[sizes], redshift, size.reshape(-1), *columns)


def _lattice_weights(values: Array) -> tuple[Array, npt.NDArray[np.intp], Array]:
    """Return equally spaced nodes, the first one that each value uses, and weights (n, 6)."""
    below = np.floor(values / _APART).astype(np.intp)
    before = _POINTS // 2 - 1
    low = int(below.min()) - before
    nodes = _APART * np.arange(low, int(below.max()) + _POINTS // 2 + 1, dtype=np.float64)
    first = np.asarray(below - before - low, dtype=np.intp)
    weights = _lagrange(values / _APART - below + before, np.arange(_POINTS, dtype=np.float64))
    return nodes, first, weights


def _few(values: Array) -> tuple[Array, Array]:
    """Return at most six nodes and the weights (n, nodes) of every value."""
    nodes = np.unique(values)
    if nodes.size <= _POINTS:
        return nodes, (values[:, None] == nodes).astype(np.float64)
    x = np.cos(np.pi * (np.arange(_POINTS) + 0.5) / _POINTS)
    nodes = 0.5 * (nodes[0] + nodes[-1]) + 0.5 * (nodes[-1] - nodes[0]) * x[::-1]
    return nodes, _lagrange(values, nodes)


def _lagrange(x: Array, nodes: Array) -> Array:
    weights = np.ones((x.size, nodes.size))
    for i, node in enumerate(nodes):
        for other in np.delete(nodes, i):
            weights[:, i] *= (x - other) / (node - other)
    return weights


# -- of the galaxies themselves --------------------------------------------------------------------


@dataclass(frozen=True)
class GalaxyNodes:
    """Equal steps in log M* and log Mh at every size, Gauss nodes in the inner slope.

    Attributes
    ----------
    log_mstar : (sizes, n) ndarray
    first_mhalo : (sizes, n) ndarray
        NaN where no galaxy can be.
    n_masses : int
        Halo masses of every stellar mass.
    steps : (2,) ndarray
        Of log M* and log Mh.
    slopes : (2, m) ndarray
        Nodes and weights.
    """

    log_mstar: Array
    first_mhalo: Array
    n_masses: int
    steps: Array
    slopes: Array

    @classmethod
    def of(
        cls, nodes: ObservableNodes, parameters: PopulationParameters, box: Ranges, training: Array
    ) -> GalaxyNodes:
        """Return nodes that serve everywhere in a box; `training` (t, 15) are points in it."""
        fixed = dict(zip(PARAMETERS, parameters.fixed.tolist(), strict=True))
        support = {name: box.get(name, (value, value)) for name, value in fixed.items()}
        frame = np.array([*parameters.pivots, *parameters.gamma_support])
        steps = _steps(support, float(nodes.sigma_msps.min()))
        p = dict(zip(PARAMETERS, training.T, strict=True))
        low, high = _stellar_ranges(nodes, p, frame)
        first, last = _true_ranges(low, high, p, frame)
        start = np.floor(first.min(axis=1) / steps[0])
        n = int(np.max(np.ceil(last.max(axis=1) / steps[0]) - start)) + 1
        log_mstar = steps[0] * (start[:, None] + np.arange(n))
        bottom, top = _halo_ranges(log_mstar, nodes.log_re, low, high, p, frame)
        first_mhalo = steps[1] * np.floor(bottom / steps[1])
        n_masses = int(np.nanmax(np.ceil((top - first_mhalo) / steps[1]))) + 1
        slopes = slope_nodes(max(least_slopes(support, frame) + 6, _LEAST_SLOPES), frame)
        return cls(log_mstar, first_mhalo, n_masses, steps, slopes)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Numbers of sizes, stellar masses, halo masses and slopes."""
        return (*self.log_mstar.shape, self.n_masses, self.slopes.shape[1])

    @property
    def log_mhalo(self) -> Array:
        """(sizes, n, n_masses) halo masses."""
        return np.asarray(self.first_mhalo[..., None] + self.steps[1] * np.arange(self.n_masses))


def _steps(support: Ranges, sigma_msps: float) -> Array:
    """Return steps of log M* and log Mh: 1.1 of the least widths, at most 0.4 dex of log Mh."""
    stretch = 1.0 + support["beta_sps"][0]
    shape = 10.0 ** support["shape_star"][1]
    size_slope = max(abs(v) for v in support["beta_r"])
    inverse = (
        sigma_msps**-2
        + (1.0 + shape**2) / support["sigma_star"][0] ** 2
        + (size_slope / support["sigma_r"][0]) ** 2
    )
    step = STEP * stretch / math.sqrt(inverse)
    return np.array([step, min(STEP * support["sigma_h"][0], _WIDEST_STEP)])


def _stellar_ranges(
    nodes: ObservableNodes, p: Mapping[str, Array], frame: Array
) -> tuple[Array, Array]:
    """Return ends of log Msps that galaxies with the observables of the nodes have, (sizes, t).

    The product of the normal densities, and that with the falling side of the skew normal.
    """
    low = np.full((nodes.log_re.size, p["mu_h"].size), np.inf)
    high = -low
    shape = 10.0 ** p["shape_star"]
    for size in range(nodes.log_re.size):
        here = nodes.size == size
        observed, sigma = nodes.log_msps[here, None], nodes.sigma_msps[here, None]
        # of the size relation, times its slope
        excess = (nodes.log_re[size] - p["mu_r"] + p["beta_r"] * frame[0]) * p["beta_r"]
        inverse = sigma**-2 + p["sigma_star"] ** -2 + (p["beta_r"] / p["sigma_r"]) ** 2
        total = (
            observed / sigma**2 + p["mu_star"] / p["sigma_star"] ** 2 + excess / p["sigma_r"] ** 2
        )
        extra = (shape / p["sigma_star"]) ** 2
        means = total / inverse, (total + extra * p["mu_star"]) / (inverse + extra)
        reach = _MASS_REACH / np.sqrt(inverse)
        low[size] = (np.minimum(*means) - reach).min(axis=0, initial=np.inf)
        high[size] = (np.maximum(*means) + reach).max(axis=0, initial=-np.inf)
    return low, high


def _true_ranges(
    low: Array, high: Array, p: Mapping[str, Array], frame: Array
) -> tuple[Array, Array]:
    """Return ends of log M* (sizes, t)."""
    reach = _MISMATCH_REACH * p["sigma_sps"]
    first, last = (x + p["alpha_sps"] + p["beta_sps"] * (x - frame[2]) for x in (low, high))
    return first - reach, last + reach


def _halo_ranges(
    log_mstar: Array,
    log_re: Array,
    low: Array,
    high: Array,
    p: Mapping[str, Array],
    frame: Array,
) -> tuple[Array, Array]:
    """Return ends of log Mh (sizes, n) of galaxies with a size and a log M*; NaN without any."""
    stretch, reach = 1.0 + p["beta_sps"], _MISMATCH_REACH * p["sigma_sps"]
    bottom = np.full(log_mstar.shape, np.nan)
    top = bottom.copy()
    for size, row in enumerate(log_mstar):
        true = row[:, None] - p["alpha_sps"] + p["beta_sps"] * frame[2]
        first = np.maximum((true - reach) / stretch, low[size])
        last = np.minimum((true + reach) / stretch, high[size])
        means = [
            p["mu_h"]
            + p["beta_h"] * (x - frame[1])
            + p["xi_h"] * (log_re[size] - p["mu_r"] - p["beta_r"] * (x - frame[0]))
            for x in (first, last)
        ]
        sigma = p["sigma_h"]
        least = np.minimum(*means) - _HALO_REACH * sigma
        most = np.maximum(*means) + _HALO_REACH * sigma
        most = np.maximum(most, np.minimum(most + _RISE * sigma**2, _SATURATED))
        there = first <= last
        some = there.any(axis=1)
        bottom[size, some] = np.where(there, least, np.inf).min(axis=1)[some]
        top[size, some] = np.where(there, most, -np.inf).max(axis=1)[some]
    return np.minimum(bottom, GREATEST_MASS), np.minimum(top, GREATEST_MASS)
