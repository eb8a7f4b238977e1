"""Likelihoods of Einstein radii: nodes and weights of each lens, made once."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from .._core import population as core
from ..distributions import normal_rule
from ..errors import ParameterError
from ..provenance import digest
from ..stronglens.lens import Geometry
from .cross_section import CrossSection, DetectedCounts, concentrations
from .kept_tables import kept, table_path
from .kernel_arrays import Arrays, concatenated, core_points, offsets, sum_lenses
from .kernel_inputs import BoxSteps
from .kernels import LensKernels
from .parameters import PARAMETERS, PopulationParameters
from .ring_data import RingData
from .ring_numbers import log_numbers
from .ring_ridge import RidgeLattice, RingLens, ridge_lattice, ring_masses

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from ..stronglens.source_population import SourcePopulation

Array = npt.NDArray[np.float64]

# another number when the kernels of the same arguments change: files of older ones are not read
_NUMBERS = 1
_STEP = 1.25
_DROP = 14.5
_DEPTH = 15.0
_EMPTY = -1e30
# ln L of a lens below which no galaxy of the box explains it
_LEAST = -60.0


@dataclass(frozen=True)
class _Part:
    """A lens at one radius, size and concentration, and the ln of the share it stands for."""

    lens: RingLens
    log_share: float


class RingBuilder:
    """Makes the kernels of a sample of Einstein radii; arguments as for `build_ring_kernels`."""

    def __init__(
        self,
        data: RingData,
        parameters: PopulationParameters,
        detected: DetectedCounts,
        sources: SourcePopulation,
        box: dict[str, tuple[float, float]],
        cosmology: FLRW,
    ) -> None:
        self.data, self.parameters, self.cosmology = data, parameters, cosmology
        self.detected, self.sources, self.box = detected, sources, box
        steps = BoxSteps(parameters, box)
        self.r = 1.0 / steps.steepest
        self.steps = steps.node_steps(data.sigma_msps, _STEP)
        self.training = steps.training()
        self.rule = _slope_rule(parameters, box, 0)
        self.other_rule = _slope_rule(parameters, box, 1)
        self.scale = Geometry(data.z_l, data.z_s, cosmology).kpc_per_arcsec
        self.identity = digest(
            "einstein_radius",
            _NUMBERS,
            data.hash,
            parameters.population.to_dict(),
            detected.to_dict(),
            sorted(box.items()),
            repr(cosmology),
        )

    def build(self, n_threads: int, progress: bool) -> Arrays:
        """Return the arrays of all lenses."""
        from tqdm import tqdm

        lenses = tqdm(range(len(self.data)), desc="lenses", disable=not progress)
        arrays = concatenated([self._lens(i, n_threads) for i in lenses])
        return arrays | {"slopes": self.rule[0]}

    def _lens(self, index: int, n_threads: int) -> Arrays:
        parts = self._parts(index)
        lattices = [
            ridge_lattice(part.lens, self.rule[0], self.r, self.steps[index], 0.0) for part in parts
        ]
        made = [
            self._rough(index, part, lattice, self.rule)
            for part, lattice in zip(parts, lattices, strict=True)
        ]
        rough = self._joined(index, parts, made)
        terms = self._terms_of_chunks(rough, self.rule)
        total = logsumexp(terms, axis=1)
        if not total.max() > _LEAST:
            self._refuse(index)
        keep = (terms - total[:, None]).max(axis=0) > -_DROP
        first = 0
        for i, part in enumerate(parts):
            n = made[i]["gamma"].size
            made[i] = self._exact(
                index, part, lattices[i], made[i], keep[first : first + n], n_threads
            )
            first += n
        exact = self._joined(index, parts, made)
        return exact | {
            "errors": np.array([self._error(index, parts[len(parts) // 2])]),
            "n_slopes": np.array([self.rule.shape[1]]),
        }

    def _refuse(self, index: int) -> None:
        given = f"lens {self.data.name[index]!r} (index {index})"
        allowed = "a lens that some galaxy of the population, within the box, can be"
        hint = "Its Einstein radius, stellar mass and size do not go together."
        raise ParameterError("data", given, allowed, hint)

    # -- parts -------------------------------------------------------------------------------------

    def _parts(self, index: int) -> list[_Part]:
        """Return the lens at every radius, size and concentration that is summed over."""
        d, population = self.data, self.parameters.population
        radii = _noise_rule(d.sigma_theta[index] / d.theta_e[index], self._width(index))
        sizes = _noise_rule(d.sigma_re[index], self._range("sigma_r"))
        shares = [
            math.log(share)
            for share, _ in concentrations(population.concentration, np.zeros(1) + 12.0, 0.3)
        ]
        parts = []
        for (t, wt), (s, ws), (k, wc) in product(radii, sizes, enumerate(shares)):
            theta = (d.theta_e[index] + t * d.sigma_theta[index]) * self.scale[index]
            if theta <= 0.0:
                continue  # no lens has such a radius
            log_re = d.log_re[index] + s * d.sigma_re[index]
            z = float(d.z_l[index]), float(d.z_s[index])
            lens = RingLens(float(theta), float(log_re), *z, population, self.cosmology, k)
            # per arcsec, not per kpc
            parts.append(_Part(lens, wt + ws + wc + math.log(self.scale[index])))
        return parts

    def _width(self, index: int) -> float:
        """Return roughly the narrowest width of ln theta that a galaxy of known light has."""
        return 0.4 * float(self.steps[index]) / _STEP * max(1.0, 1.0 / self.r)

    def _range(self, name: str) -> float:
        value = float(self.parameters.fixed[PARAMETERS.index(name)])
        return self.box.get(name, (value, value))[0]

    # -- nodes -------------------------------------------------------------------------------------

    def _rough(self, index: int, part: _Part, lattice: RidgeLattice, rule: Array) -> Arrays:
        """Return nodes of a whole lattice, with weights that leave out lensing."""
        n_slopes, n = lattice.log_mhalo.shape
        width = -(-n // core.CHUNK) * core.CHUNK
        shape = (3, n_slopes, width)
        nodes = np.zeros(shape)
        nodes[2] = _EMPTY
        on = np.isfinite(lattice.log_mhalo) & (lattice.log_mstar > 5.0)
        with np.errstate(invalid="ignore"):
            weight = np.log(lattice.weight) + np.log(rule[1])[:, None]
        for row, values in enumerate((lattice.log_mstar, lattice.log_mhalo, weight)):
            nodes[row, :, :n][on] = values[on]
        gamma = np.repeat(np.arange(n_slopes), width // core.CHUNK)
        return {"nodes": nodes.reshape(3, -1), "gamma": gamma}

    def _exact(
        self,
        index: int,
        part: _Part,
        lattice: RidgeLattice,
        rough: Arrays,
        keep: npt.NDArray[np.bool_],
        n_threads: int,
    ) -> Arrays:
        """Return the nodes that are kept, with their masses and weights."""
        gamma = rough["gamma"][keep]
        nodes = rough["nodes"].reshape(3, -1, core.CHUNK)[:, keep]
        on = nodes[2] > 0.5 * _EMPTY
        slopes = np.broadcast_to(self.rule[0][gamma][:, None], on.shape)[on]
        mass = nodes[1][on]
        if mass.size:
            log_mstar, stretch = ring_masses(part.lens, mass, slopes)
            # at the very end of a line the halo alone may be too much for the rounded spline
            good = np.isfinite(log_mstar)
            number = np.full(mass.size, -np.inf)
            number[good] = log_numbers(
                self._section(part.lens),
                part.lens,
                log_mstar[good],
                mass[good],
                slopes[good],
                n_threads,
            )
            weight = nodes[2][on] + np.log(stretch) + number
            nodes[0][on] = np.where(good, log_mstar, 0.0)
            nodes[2][on] = np.where(np.isfinite(weight), weight, _EMPTY)
        return {"nodes": nodes.reshape(3, -1), "gamma": gamma}

    def _section(self, lens: RingLens) -> CrossSection:
        index, planes = lens.population.sersic_n, [(lens.z_s, 1.0)]
        return CrossSection(self.detected, self.sources, lens.z_l, index, self.cosmology, planes)

    def _joined(self, index: int, parts: list[_Part], made: list[Arrays]) -> Arrays:
        """Return the arrays of one lens."""
        used = [i for i, one in enumerate(made) if one["gamma"].size]
        nodes, shares = [], []
        for i in used:
            one = made[i]["nodes"].copy()
            real = one[2] > 0.5 * _EMPTY
            scale = float(one[2][real].max()) if real.any() else 0.0
            one[2][real] -= scale
            nodes.append(one.astype(np.float32))
            shares.append(parts[i].log_share + scale)
        d = self.data
        return {
            "nodes": np.concatenate(nodes, axis=1),
            "gamma": np.concatenate([made[i]["gamma"] for i in used]).astype(np.uint16),
            "first_part": offsets([len(used)]),
            "first": offsets([made[i]["gamma"].size for i in used]),
            "parts": np.array([shares, [parts[i].lens.log_re for i in used]]),
            "lenses": np.array([[d.log_msps[index]], [d.sigma_msps[index]]]),
        }

    def _terms_of_chunks(self, arrays: Arrays, rule: Array) -> Array:
        """Return ln of each chunk's share in L at the training points, (points, chunks)."""
        n = arrays["gamma"].size
        of = np.repeat(np.arange(arrays["parts"].shape[1]), np.diff(arrays["first"]).astype(int))
        single = arrays | {
            "first_part": offsets(np.ones(n)),
            "first": offsets(np.ones(n)),
            "parts": np.ascontiguousarray(arrays["parts"][:, of]),
            "lenses": np.repeat(arrays["lenses"], n, axis=1),
        }
        out = np.empty((len(self.training), n))
        sum_lenses(single, core_points(self.training, rule[0], self.parameters), out, 1)
        return out

    def _error(self, index: int, part: _Part) -> float:
        """Return the largest change of ln L, without lensing, with all nodes elsewhere."""
        totals = []
        for rule, shift in ((self.rule, 0.0), (self.other_rule, 0.5)):
            lattice = ridge_lattice(part.lens, rule[0], self.r, self.steps[index], shift)
            arrays = self._joined(index, [part], [self._rough(index, part, lattice, rule)])
            out = np.empty((len(self.training), 1))
            sum_lenses(arrays, core_points(self.training, rule[0], self.parameters), out, 1)
            totals.append(out[:, 0])
        near = totals[0] > totals[0].max() - _DEPTH
        return float(np.abs(totals[1] - totals[0])[near].max())


def _slope_rule(
    parameters: PopulationParameters, box: Mapping[str, tuple[float, float]], more: int
) -> Array:
    """Return Gauss-Legendre nodes and weights (2, n) that resolve the narrowest distribution."""
    low, high = parameters.gamma_support
    value = float(parameters.fixed[PARAMETERS.index("sigma_g")])
    sigma = box.get("sigma_g", (value, value))[0]
    # the nodes lie furthest apart in the middle, pi/2 times the mean
    n = max(12, math.ceil(0.5 * math.pi * (high - low) / (0.8 * sigma))) + 5 * more
    x, weight = np.polynomial.legendre.leggauss(n)
    return np.array([low + 0.5 * (high - low) * (1.0 + x), 0.5 * (high - low) * weight])


def _noise_rule(sigma: float, width: float) -> list[tuple[float, float]]:
    """Return (node, ln weight) of a mean over an error, of a function of at least that width."""
    if sigma == 0.0:
        return [(0.0, 0.0)]
    ratio = (sigma / width) ** 2
    n = 3 if ratio < 0.1 else 5 if ratio < 0.35 else 9 if ratio < 1.0 else 17
    nodes, log_weight = normal_rule(n)
    return list(zip(nodes.tolist(), log_weight.tolist(), strict=True))


def build_ring_kernels(
    data: RingData,
    parameters: PopulationParameters,
    detected: DetectedCounts,
    sources: SourcePopulation,
    box: dict[str, tuple[float, float]],
    cosmology: FLRW,
    *,
    n_threads: int = 1,
    progress: bool = False,
    tables: str | os.PathLike[str] | None = None,
) -> LensKernels:
    """Return the kernels of a sample of Einstein radii.

    Parameters
    ----------
    data : RingData
    parameters : PopulationParameters
    detected : DetectedCounts
    sources : SourcePopulation
    box : dict of name to (low, high)
    cosmology : astropy cosmology
    n_threads : int, >= 0
        The kernels are the same bits for any number.
    progress : bool
    tables : path, optional
        Folder where the kernels are kept.

    Raises
    ------
    ParameterError
        A lens that no galaxy of the population can be.

    Notes
    -----
    ``L = int p(log M*, log Re, log Mh, gamma, log Msps) Lambda |J| dlog Mh dgamma``, with
    ``J = d log M* / d theta`` and M* of the ring in closed form (`ring_masses`), per arcsec and
    dex^2; errors of theta and of sizes by Gauss-Hermite rules. Lambda along the line is a
    polynomial through a few exact values, good to 3e-4. `LensKernels.errors` are changes of
    ln L, Lambda left out, with all nodes moved by half a step and other inner slopes.
    """
    builder = RingBuilder(data, parameters, detected, sources, box, cosmology)
    identity = builder.identity

    def build(parts: Path | None) -> LensKernels:
        return LensKernels(builder.build(n_threads, progress), parameters, box, identity)

    if tables is None:
        return build(None)
    path = table_path(tables, "ring_kernels", identity)
    return kept(path, build, partial(LensKernels.load, parameters=parameters, identity=identity))
