"""Normalisation of a sample of lenses that were found: A(eta), at any number of points at once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._checks import checked_threads
from .._core import selection as core
from ..distributions import normal_rule
from ..errors import FormatError, ParameterError
from ..provenance import digest
from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.observation import Detection, MagnitudeLimit, MockNoise
from ..stronglens.relations import Constant, Independent
from ..stronglens.source_counts import SourceCounts
from ..stronglens.source_population import SourcePopulation
from ..table.files import ABOUT
from ..table.store import Content
from .cross_section import CrossSection, DetectedCounts, concentrations
from .kept_tables import KeptTable, kept, read_kept, table_path
from .kernel_forms import FORMS, checked_form
from .kernel_inputs import BoxSteps
from .kernels import DEFAULT_BOX
from .parameters import PopulationParameters, checked_box, range_text
from .selection_grid import SelectionGrid

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

# another number when A of the same arguments changes: files of older ones are not read
_NUMBERS = 3
_MISMATCH_NODES = 16
_REDSHIFT_NODES = 12
_CELLS = 65_536


class SelectionNormalisation(KeptTable):
    """A(eta), the mean over a population of what a galaxy counts for; made by `build_selection`.

    Attributes
    ----------
    support : dict
        Ranges of the parameters in which A is accurate; outside it is an error.
    form : str
        One of `FORMS`.
    n_nodes : int
        Nodes of the grid.
    identity : str
        Digest of all that A depends on.
    """

    def __init__(
        self, grid: SelectionGrid, values: Sequence[Array], form: str, identity: str, several: bool
    ) -> None:
        self.grid = grid
        self.form = form
        self.identity = identity
        self.support = {n: ends for n, ends in grid.support.items() if ends[0] < ends[1]}
        self.n_nodes = grid.n_nodes
        self._values = tuple(values)
        self._several = several

    @property
    def nbytes(self) -> int:
        """Memory of the values on the grid."""
        return sum(one.nbytes for one in self._values)

    def log_a(self, vectors: Any, *, n_threads: int = 1) -> Array:
        """Return ln A at points of the population.

        Parameters
        ----------
        vectors : (n, 15) array
            `PopulationParameters.vectors`.
        n_threads : int, >= 0
            0 for all; the results are the same bits for any number.

        Returns
        -------
        (n,) ndarray, or (n, K) if made with K `counts`

        Raises
        ------
        ParameterError
            A point outside `support`; parameter and point are named.
        """
        points = self.grid.checked_points(vectors)
        columns = [log_mean(self.grid, one, points, n_threads) for one in self._values]
        return np.stack(columns, axis=-1) if self._several else columns[0]

    def _content(self) -> Content:
        arrays = self.grid.to_arrays() | {"values": np.stack(self._values)}
        attributes = {
            "selection": self.identity,
            "form": self.form,
            "several": self._several,
            "support": {name: list(ends) for name, ends in self.grid.support.items()},
            ABOUT: f"selection ({self.form})  {self.grid.n_nodes} nodes, in "
            + range_text(self.grid.support),
        }
        return Content(arrays, attributes)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], identity: str | None = None
    ) -> SelectionNormalisation:
        """Return A of a file, which must be that of `identity`, if given.

        Raises
        ------
        FormatError
            Damaged, another kind of file, or of another population, survey or box.
        """
        content = read_kept(path, "selection", "a selection normalisation", identity)
        given = content.attributes
        support = {name: (low, high) for name, (low, high) in given["support"].items()}
        try:
            grid = SelectionGrid.from_arrays(content.arrays, support)
            values = list(content.arrays["values"])
            return cls(grid, values, given["form"], given["selection"], given["several"])
        except (KeyError, ValueError) as error:
            raise FormatError(path, "content", f"no whole grid ({error})") from error

    def __repr__(self) -> str:
        return f"<SelectionNormalisation of {self.form!r}: {self.n_nodes} nodes>"


def log_mean(grid: SelectionGrid, values: Array, points: Array, n_threads: int) -> Array:
    """Return ln of the mean of `values` on a grid over populations at points (n, 15)."""
    checked_threads(n_threads)
    mismatch = np.array(normal_rule(_MISMATCH_NODES))
    out = np.empty(len(points))
    core.log_means(
        grid.rows,
        grid.slopes,
        values,
        grid.steps,
        points,
        mismatch,
        grid.frame,
        out,
        n_threads,
    )
    return out


# -- what it is made for ---------------------------------------------------------------------------


@dataclass(frozen=True)
class LensPlane:
    """Galaxies at one redshift: their share of all, and the sources behind them."""

    share: float
    section: CrossSection

    def numbers(
        self, psi: Array, concentration: Any, n_threads: int
    ) -> Iterator[tuple[float, Array]]:
        """Yield shares of all galaxies and Lambda (n, K) at points (n, 4), by concentration."""
        weights = np.array([weight for _, weight in self.section.planes])
        for share, c200 in concentrations(concentration, psi[:, 2], self.section.z_l):
            columns = np.vstack([psi.T, c200])
            sections, _ = self.section.by_plane(columns, n_threads=n_threads)
            yield self.share * share, np.tensordot(weights, sections, axes=1)


def _redshifts(population: LensPopulation) -> list[tuple[float, float, None]]:
    """Return (z_l, share of the galaxies, None: the sources' own redshifts)."""
    relation = population.z_l
    if isinstance(relation, Constant):
        return [(float(relation.value), 1.0, None)]
    if not isinstance(relation, Independent):
        raise ParameterError(
            "population.z_l", relation, "a number or a distribution", "Or planes=."
        )
    # Gauss nodes of the quantile
    x, weight = np.polynomial.legendre.leggauss(_REDSHIFT_NODES)
    redshifts = relation.distribution.quantile(0.5 * (1.0 + x))
    return [(float(z), float(0.5 * w), None) for z, w in zip(redshifts, weight, strict=True)]


def _grouped(
    planes: Sequence[tuple[float, float, float]],
) -> list[tuple[float, float, list[tuple[float, float]]]]:
    """Return (z_l, share of the galaxies, [(z_s, share of the sources)])."""
    rows = np.asarray(planes, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3 or not np.isfinite(rows).all() or not len(rows):
        raise ParameterError("planes", planes, "a sequence of (z_l, z_s, weight)")
    if np.any(rows[:, 2] <= 0.0):
        raise ParameterError("planes: weight", rows[:, 2].tolist(), "> 0")
    total = rows[:, 2].sum()
    groups = []
    for z_l in np.unique(rows[:, 0]):
        mine = rows[rows[:, 0] == z_l]
        share = mine[:, 2].sum()
        sources = [(float(z_s), float(weight / share)) for _, z_s, weight in mine]
        groups.append((float(z_l), float(share / total), sources))
    return groups


# -- making it -------------------------------------------------------------------------------------


def build_selection(
    population: LensPopulation | None = None,
    sources: SourcePopulation | None = None,
    noise: MockNoise | None = None,
    detection: Detection | None = None,
    box: Mapping[str, tuple[float, float]] | None = None,
    *,
    form: str = "lenses",
    planes: Sequence[tuple[float, float, float]] | None = None,
    cosmology: FLRW | None = None,
    counts: Sequence[SourceCounts] | None = None,
    shift: float = 0.0,
    n_threads: int = 1,
    progress: bool = False,
    tables: str | os.PathLike[str] | None = None,
) -> SelectionNormalisation:
    """Return A(eta) of a survey.

    Parameters
    ----------
    population : LensPopulation, optional
        Gives the values of the parameters that are not in the box, the concentration, the
        Sersic index and the redshifts of the lenses.
    sources : SourcePopulation, optional
        Point sources.
    noise : MockNoise, optional
        Its `magnitude` is that of each image, 0.02 to 5 mag.
    detection : Detection, optional
        ``MagnitudeLimit(26.5)`` by default; one with ``probability(m, sigma)``.
    box : dict of name to (low, high), optional
        Parameters that may vary, out of `PARAMETERS`; `DEFAULT_BOX` by default.
    form : {"lenses", "any_lens", "one_lens"}
        ``A = <Lambda>``, ``<1 - e^-Lambda>`` or ``<Lambda e^-Lambda>``.
    planes : sequence of (z_l, z_s, weight), optional
        Redshifts of lenses and sources. Planes with the same z_l are sources behind the same
        galaxies. Those of `population` and `sources` by default.
    cosmology : astropy cosmology or None
    counts : sequence of K SourceCounts, optional
        Gives A for each of them in place of those of `sources`. With ``form="lenses"`` A is
        linear in the counts: ``BasisCounts.element`` gives what free counts need.
    shift : float
        Steps by which all nodes are moved: another value tells the error of the rule.
    n_threads : int, >= 0
        0 for all; the results are the same bits for any number.
    progress : bool
        Whether to show a progress bar.
    tables : path, optional
        Folder where A is kept, and read if it is there for the same population and survey.

    Raises
    ------
    ParameterError
        A name or range that makes no sense, scatters too small for the grid, or extended
        sources.
    FormatError
        A damaged file in `tables`.
    FitError
        Another process is making the same A there.

    Notes
    -----
    ``A(eta) = int p(psi | eta) f(Lambda(psi)) dpsi`` by a product rule: equal steps in log M*,
    log Re and log Mh of 1.1 times the least scatter in the box (error e^(-2 pi^2 / 1.1^2) =
    8e-8 there, less for wider scatter, and whatever the relations between them) and at most
    0.2 dex, which f needs (2e-7 of A where a tenth of the galaxies are lenses), Gauss-Legendre
    nodes in the inner slope. Nodes where density times Lambda is below e^-18 of its maximum
    everywhere in the box are left out, 1.2e-7 of A at most; at the others Lambda itself is
    worked out, about 12 us each. Nodes do not depend on eta: ln A is as smooth as the
    densities. Haloes above 10^19 Msun are left out: 3e-4 of A at the corner of `DEFAULT_BOX`
    with the heaviest and most scattered haloes, below 1e-6 elsewhere. Against independent
    sums: 3e-6 in differences of ln A.

    Examples
    --------
    >>> from clmassmod.population.parameters import PopulationParameters
    >>> from clmassmod.population.selection import build_selection
    >>> from clmassmod.stronglens import LensPopulation
    >>> selection = build_selection(box={"mu_h": (12.8, 13.0)})
    >>> parameters = PopulationParameters(LensPopulation(), free=["mu_h"])
    >>> log_a = selection.log_a(parameters.vectors([[12.91]]))
    >>> print(f"{log_a[0]:.5f}")
    -5.50238
    """
    given = population or LensPopulation()
    parameters = PopulationParameters(given, ())
    support = checked_box(DEFAULT_BOX if box is None else box)
    checked_form(form)
    behind = sources or SourcePopulation()
    detected = DetectedCounts(
        behind, detection or MagnitudeLimit(), (noise or MockNoise()).magnitude, counts=counts
    )
    groups = _redshifts(given) if planes is None else _grouped(planes)
    made = [
        LensPlane(share, CrossSection(detected, behind, z_l, given.sersic_n, cosmology, z_s))
        for z_l, share, z_s in groups
    ]
    identity = _identity(parameters, support, made, form, shift)

    def build(parts: Path | None) -> SelectionNormalisation:
        points = BoxSteps(parameters, support).training()
        rough = partial(_rough_number, made[-1], given.concentration)
        grid = SelectionGrid.of(parameters, support, rough, points, shift)
        values = _values(grid, made, given.concentration, FORMS[form], n_threads, progress)
        return SelectionNormalisation(grid, values, form, identity, counts is not None)

    if tables is None:
        return build(None)
    path = table_path(tables, "selection", identity)
    return kept(path, build, partial(SelectionNormalisation.load, identity=identity))


def _identity(
    parameters: PopulationParameters,
    support: Mapping[str, tuple[float, float]],
    planes: Sequence[LensPlane],
    form: str,
    shift: float,
) -> str:
    """Return the digest of all that A depends on."""
    parts = [json.dumps([plane.share, plane.section.to_dict()], sort_keys=True) for plane in planes]
    concentration = json.dumps(parameters.population.concentration.to_dict(), sort_keys=True)
    frame = np.array([*parameters.pivots, *parameters.gamma_support])
    ranges = sorted(support.items())
    return digest(
        _NUMBERS, parameters.fixed, frame, form, float(shift), concentration, *parts, ranges
    )


def _rough_number(plane: LensPlane, concentration: Any, psi: Array) -> Array:
    """Return Lambda (n,) at points (n, 4): its mean over concentrations, counts added up."""
    total = np.zeros(len(psi))
    for share, number in plane.numbers(psi, concentration, 1):
        total += share / plane.share * number.sum(axis=-1)
    return total


def _values(
    grid: SelectionGrid,
    planes: Sequence[LensPlane],
    concentration: Any,
    form: Callable[[Array], Array],
    n_threads: int,
    progress: bool,
) -> list[Array]:
    """Return the mean over redshifts and concentrations of f(Lambda) at every node, K arrays."""
    from tqdm import tqdm

    values = np.zeros((planes[0].section.counts.n_counts, grid.n_nodes))
    blocks = range(0, grid.n_nodes, _CELLS)
    for first in tqdm(blocks, desc="selection", unit="block", disable=not progress):
        psi = grid.points(first, min(first + _CELLS, grid.n_nodes))
        for plane in planes:
            for share, number in plane.numbers(psi, concentration, n_threads):
                values[:, first : first + len(psi)] += share * form(number).T
    return list(values)
