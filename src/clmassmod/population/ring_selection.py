"""Normalisation of samples of Einstein radii: A(eta) at the redshifts of each lens."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._checks import checked_threads
from .._core import selection as core
from ..distributions import normal_rule
from ..provenance import digest
from ..stronglens.lens import Geometry
from ..table.files import ABOUT
from ..table.store import Content
from .cross_section import CrossSection, DetectedCounts
from .finding import mean_find
from .kept_tables import KeptTable, kept, read_kept, table_path
from .kernel_inputs import BoxSteps
from .parameters import PopulationParameters, range_text
from .point_choice import interpolation, polynomial_features
from .ring_data import RingData
from .ring_numbers import numbers_and_rings
from .selection_grid import SelectionGrid

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from ..stronglens.source_population import SourcePopulation

Array = npt.NDArray[np.float64]

# another number when A of the same arguments changes: files of older ones are not read
_NUMBERS = 2
# degrees of ln A in the redshifts, of samples of up to so many lenses and of larger ones
_DEGREES, _SMALL_SAMPLE = (4, 6), 100
_MISMATCH_NODES = 16
# bins of ln theta_E [arcsec] in which p_find is one number: 0.15 %
_LOW, _HIGH, _BINS = math.log(0.05), math.log(20.0), 4096
# step of log M* over which p_find changes little, times its slope: d theta / d log10 M* < 2.3 theta
_FIND_STEP = 1.2


class LensPlanes:
    """Redshifts and errors at which A is worked out, and how A of all lenses follows.

    ln A is a polynomial in ln z_l and ln(D_ls / D_s) through the values at the redshifts of
    some of the lenses: of total degree 4, so through 15 of them, with up to 100 lenses; 6, and
    28, with more. Where errors of theta differ, a term linear in their square, of degree 1 in
    the redshifts, takes up to 3 more. With as many different lenses or fewer it is exact.

    Parameters
    ----------
    data : RingData
    cosmology : astropy cosmology

    Attributes
    ----------
    lenses : (P,) ndarray of int
        Lenses whose redshifts and error they are.
    weights : (n_lenses, P) ndarray
        ln A of the lenses is ``weights @`` that of the planes.
    others : (Q,) ndarray of int
        As many other lenses, to see the error of the polynomial at; fewer if there are not.
    """

    def __init__(self, data: RingData, cosmology: FLRW) -> None:
        geometry = Geometry(data.z_l, data.z_s, cosmology)
        # 1 / Sigma_cr is proportional to D_l D_ls / D_s
        ratio = geometry.inverse_sigma_critical / geometry.kpc_per_arcsec
        where = np.log(np.stack([data.z_l, ratio], axis=1))
        degree = _DEGREES[len(data) > _SMALL_SAMPLE]
        features = polynomial_features(where, degree)
        noise = data.sigma_theta**2
        if np.ptp(noise) > 0.0:
            few = polynomial_features(where, 1) * (noise / noise.max())[:, None]
            features = np.concatenate([features, few], axis=1)
        self.lenses, self.weights = interpolation(features)
        rest = np.delete(np.arange(len(data)), self.lenses)
        self.others = rest[interpolation(features[rest])[0]] if rest.size else rest


class RingSelection(KeptTable):
    """A(eta) at the redshifts of every lens of a sample; made by `build_ring_selection`.

    Attributes
    ----------
    grid : SelectionGrid
        Galaxies.
    identity : str
        Digest of all that A depends on.
    """

    def __init__(
        self,
        grid: SelectionGrid,
        shares: Array,
        numbers: npt.NDArray[np.float32],
        bins: npt.NDArray[np.uint16],
        sigma: Array,
        weights: Array,
        identity: str,
    ) -> None:
        self.grid, self.identity = grid, identity
        self._shares, self._numbers, self._bins = shares, numbers, bins
        self._sigma, self._weights = sigma, weights
        assert bins.max() < _BINS  # the core does not look

    @property
    def n_planes(self) -> int:
        """Pairs of redshifts at which A is worked out."""
        return int(self._numbers.shape[0])

    def log_a(self, vectors: Any, find: Array, *, n_threads: int = 1) -> Array:
        """Return ln A (n, n_lenses).

        Parameters
        ----------
        vectors : (n, 15) array
        find : (n, 2) array
            Slope [1/arcsec] and radius [arcsec] of the finding probability.
        n_threads : int, >= 0

        Raises
        ------
        ParameterError
            A point outside the box that the grid was made for.
        """
        checked_threads(n_threads)
        points = self.grid.checked_points(vectors)
        planes = np.empty((len(points), self.n_planes))
        tables = {sigma: _find_table(sigma, find) for sigma in set(self._sigma.tolist())}
        for p in range(self.n_planes):
            planes[:, p] = self._log_plane(p, points, tables[float(self._sigma[p])], n_threads)
        # plane by plane: the sum is the same bits for any number of points
        total = np.zeros((len(points), len(self._weights)))
        for values, weights in zip(planes.T, self._weights.T, strict=True):
            total += values[:, None] * weights
        return total

    def _log_plane(self, plane: int, points: Array, chances: Any, n_threads: int) -> Array:
        """Return ln A (n,) at one plane, with chances (n, bins) of being found."""
        mismatch = np.array(normal_rule(_MISMATCH_NODES))
        terms = np.empty((len(self._shares), len(points)))
        for k, share in enumerate(self._shares.tolist()):
            core.log_means_found(
                self.grid.rows,
                self.grid.slopes,
                self._numbers[plane, k],
                self._bins[plane, k],
                chances,
                self.grid.steps,
                points,
                mismatch,
                self.grid.frame,
                terms[k],
                n_threads,
            )
            terms[k] += math.log(share)
        return np.asarray(np.logaddexp.reduce(terms, axis=0))

    def _content(self) -> Content:
        arrays = self.grid.to_arrays() | {
            "shares": self._shares,
            "numbers": self._numbers,
            "bins": self._bins,
            "sigma": self._sigma,
            "weights": self._weights,
        }
        attributes = {
            "ring_selection": self.identity,
            "support": {name: list(ends) for name, ends in self.grid.support.items()},
            ABOUT: f"selection of Einstein radii  {self.n_planes} planes, {self.grid.n_nodes} "
            "nodes, in " + range_text(self.grid.support),
        }
        return Content(arrays, attributes)

    @classmethod
    def load(cls, path: str | os.PathLike[str], identity: str) -> RingSelection:
        """Return A of a file, which must be that of `identity`.

        Raises
        ------
        FormatError
            Damaged, another kind of file, or of another population, survey or box.
        """
        content = read_kept(path, "ring_selection", "a selection of Einstein radii", identity)
        support = {k: (low, high) for k, (low, high) in content.attributes["support"].items()}
        a = content.arrays
        grid = SelectionGrid.from_arrays(a, support)
        return cls(grid, a["shares"], a["numbers"], a["bins"], a["sigma"], a["weights"], identity)


def _bin_centres() -> Array:
    return np.exp(_LOW + (_HIGH - _LOW) * (np.arange(_BINS) + 0.5) / _BINS)


def _find_table(sigma: float, find: Array) -> npt.NDArray[np.float32]:
    """Return the mean of p_find over errors in every bin of theta, (n, bins)."""
    return mean_find(_bin_centres(), sigma, find)


def _bins_of(log_ring: Array) -> npt.NDArray[np.uint16]:
    """Return the bins of ln theta_E; beyond the ends p_find is that of the end."""
    place = (log_ring - _LOW) * (_BINS / (_HIGH - _LOW))
    return np.clip(place, 0.0, _BINS - 1.0).astype(np.uint16)


def build_ring_selection(
    data: RingData,
    parameters: PopulationParameters,
    detected: DetectedCounts,
    sources: SourcePopulation,
    box: dict[str, tuple[float, float]],
    find_slope: tuple[float, float],
    cosmology: FLRW,
    *,
    shift: float = 0.0,
    n_threads: int = 1,
    progress: bool = False,
    tables: str | os.PathLike[str] | None = None,
) -> RingSelection:
    """Return A(eta) at the redshifts of every lens.

    Parameters
    ----------
    data : RingData
        Its redshifts and errors of theta.
    parameters : PopulationParameters
    detected : DetectedCounts
    sources : SourcePopulation
    box : dict of name to (low, high)
    find_slope : (low, high)
        Slopes of the finding probability [1/arcsec].
    cosmology : astropy cosmology
    shift : float
        Steps by which all nodes are moved.
    n_threads : int, >= 0
    progress : bool
    tables : path, optional
        Folder where A is kept.

    Notes
    -----
    ``A_i = int p(psi | eta) Lambda(psi) int p_find(theta) N(theta; theta_E(psi), sigma_i) dtheta
    dpsi`` at z_l and z_s of lens i, by the product rule of `build_selection`, with steps of
    log M* of 1.2 over the steepest slope at most; Lambda and theta_E at every node do not
    depend on eta or p_find. See `LensPlanes` for how few redshifts serve all lenses.
    """
    planes = LensPlanes(data, cosmology)
    n = parameters.population.sersic_n
    sections = [
        CrossSection(detected, sources, z_l, n, cosmology, [(z_s, 1.0)])
        for z_l, z_s in zip(
            data.z_l[planes.lenses].tolist(), data.z_s[planes.lenses].tolist(), strict=True
        )
    ]
    concentration = parameters.population.concentration
    steepest = max(abs(value) for value in find_slope)
    parts = [json.dumps(section.to_dict(), sort_keys=True) for section in sections]
    identity = digest(
        "einstein_radius",
        _NUMBERS,
        parameters.population.to_dict(),
        *parts,
        data.sigma_theta[planes.lenses],
        planes.weights,
        sorted(box.items()),
        float(steepest),
        float(shift),
    )

    def build(folder: Path | None) -> RingSelection:
        points = BoxSteps(parameters, box).training()
        rough = partial(_rough_number, sections, concentration)
        widest = _FIND_STEP / steepest if steepest > 0.0 else math.inf
        grid = SelectionGrid.of(parameters, box, rough, points, shift, widest)
        shares, numbers, bins = _values(grid, sections, concentration, n_threads, progress)
        sigma = data.sigma_theta[planes.lenses]
        return RingSelection(grid, shares, numbers, bins, sigma, planes.weights, identity)

    if tables is None:
        return build(None)
    path = table_path(tables, "ring_selection", identity)
    return kept(path, build, partial(RingSelection.load, identity=identity))


def _rough_number(sections: Sequence[CrossSection], concentration: Any, psi: Array) -> Array:
    """Return Lambda (n,) at points (n, 4), largest of the planes over their means."""
    from .cross_section import concentrations

    # of the first node of the concentration
    (_, c200), *_ = concentrations(concentration, psi[:, 2], sections[0].z_l)
    columns = np.vstack([psi.T, c200])
    found = [section.by_plane(columns)[0][0, :, 0] for section in sections]
    return np.asarray(np.max([one / np.median(one[one > 0.0]) for one in found], axis=0))


def _values(
    grid: SelectionGrid,
    sections: Sequence[CrossSection],
    concentration: Any,
    n_threads: int,
    progress: bool,
) -> tuple[Array, npt.NDArray[np.float32], npt.NDArray[np.uint16]]:
    """Return shares (C,), Lambda and bins of theta_E (P, C, n_nodes) of C concentrations."""
    from tqdm import tqdm

    numbers, bins, shares = [], [], []
    for section in tqdm(sections, desc="selection", unit="plane", disable=not progress):
        found = list(numbers_and_rings(section, grid, concentration, n_threads))
        shares = [share for share, _, _ in found]
        numbers.append([number for _, number, _ in found])
        bins.append([_bins_of(ring) for _, _, ring in found])
    return np.array(shares), np.array(numbers, dtype=np.float32), np.array(bins)
