"""Likelihoods of image pairs: nodes and weights of each lens, made once, and sums over them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._checks import checked_threads
from .._core import population as core
from ..errors import ParameterError, nearest
from ..provenance import digest
from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.observation import Detection, MagnitudeLimit, MockNoise
from ..stronglens.source_population import SourcePopulation
from ..table.store import Content
from .count_families import count_family
from .cross_section import DetectedCounts
from .free_counts import CountRatios, check_free_counts, mean_magnitude_error
from .kept_tables import KeptTable, kept, table_path
from .kernel_arrays import core_points, kernel_content, offsets, read_arrays, sum_lenses
from .kernel_builder import KernelAccuracy, KernelBuilder
from .kernel_forms import KernelForm, checked_form
from .lens_data import LensData
from .parameters import PopulationParameters, checked_box, checked_points

if TYPE_CHECKING:
    from astropy.cosmology import FLRW


__all__ = ["DEFAULT_BOX", "SELECTIONS", "KernelAccuracy", "LensKernels", "build_kernels"]

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

_BATCH = 64


class LensKernels(KeptTable):
    """Nodes and weights of the likelihoods of n lenses; made by `build_kernels`.

    Attributes
    ----------
    n_lenses : int
    support : dict
        Ranges of the parameters the kernels were made for.
    errors : (n,) ndarray
        Change of each ln L with more inner slopes: its largest over training points in the box
        less than 15 below the best one. With sizes that have errors, also what is left of the
        change when their nodes were last halved.
    n_slopes : (n,) ndarray of int
        Inner slopes, 25 to 385.
    identity : str
        Digest of the data, the fixed parameters, the sources and the box.
    """

    def __init__(
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
        parameters: PopulationParameters,
        support: Mapping[str, tuple[float, float]],
        identity: str,
        ratios: CountRatios | None = None,
    ) -> None:
        self.parameters = parameters
        self.support = {name: (float(a), float(b)) for name, (a, b) in support.items()}
        self.identity = identity
        self._ratios = ratios
        self._arrays = dict(arrays)
        self.errors = self._arrays["errors"]
        self.n_slopes = self._arrays["n_slopes"]
        self.n_lenses = int(self._arrays["lenses"].shape[1])
        low, high = parameters.gamma_support
        # those of Einstein radii are at slopes of their own
        slopes = self._arrays.get("slopes")
        self._gamma = np.linspace(low, high, core.MOST_SLOPES) if slopes is None else slopes

    @property
    def n_nodes(self) -> npt.NDArray[np.intp]:
        """(n,) nodes of each lens, those that fill vectors included."""
        chunks = self._arrays["first"][self._arrays["first_part"]]
        return np.asarray(np.diff(chunks.astype(np.intp)) * core.CHUNK)

    @property
    def nbytes(self) -> int:
        """Memory of the nodes."""
        return int(self._arrays["nodes"].nbytes + self._arrays["gamma"].nbytes)

    def log_likelihood(self, vectors: Any, counts: Any = None, *, n_threads: int = 1) -> Array:
        """Return ln L of the sample at points of the population.

        Parameters
        ----------
        vectors : (n, 15) array
            `PopulationParameters.vectors`.
        counts : (n, p) array, optional
            Values of all parameters of the counts, of kernels for which some are free.
        n_threads : int, >= 0

        Returns
        -------
        (n,) ndarray
        """
        points = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
        rows = [slice(i, i + _BATCH) for i in range(0, len(points), _BATCH)]
        given = [None if counts is None else np.atleast_2d(counts)[one] for one in rows]
        parts = [
            self.per_lens(points[one], values, n_threads=n_threads).sum(axis=1)
            for one, values in zip(rows, given, strict=True)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def per_lens(self, vectors: Any, counts: Any = None, *, n_threads: int = 1) -> Array:
        """Return ln L of every lens, (n, n_lenses), at points (n, 15) and counts (n, p).

        Per kpc^2 (of x_A and x_B), mag^2 and dex (of the observed stellar mass and size).
        """
        checked_threads(n_threads)
        points = checked_points(vectors)
        out = np.empty((len(points), self.n_lenses))
        ratios = self._core_ratios(counts, len(points))
        of = core_points(points, self._gamma, self.parameters)
        sum_lenses(self._arrays, of, out, n_threads, ratios)
        return out

    def _core_ratios(self, counts: Any, n: int) -> tuple[Array, Array, Array] | None:
        if counts is None:
            return None
        if self._ratios is None:
            hint = "Name them in counts_box of build_kernels."
            raise ParameterError("counts", counts, "None: the kernels are of fixed counts", hint)
        values = np.asarray(counts, dtype=np.float64)
        names = self._ratios.family.names
        if values.shape != (n, len(names)):
            raise ParameterError("counts.shape", values.shape, f"({n}, {len(names)}): {names}")
        return self._ratios.tables(values), self._ratios.axis, self._ratios.weights

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
            "first_part": offsets([len(p) for p in parts]),
            "first": offsets(np.diff(a["first"])[which]),
            "parts": np.ascontiguousarray(a["parts"][:, which]),
            "lenses": np.ascontiguousarray(a["lenses"][:, rows]),
            "errors": self.errors[rows],
            "n_slopes": self.n_slopes[rows],
            **{name: a[name] for name in ("slopes",) if name in a},
        }
        identity = digest(self.identity, rows)
        ratios = None if self._ratios is None else self._ratios[rows]
        return LensKernels(chosen, self.parameters, self.support, identity, ratios)

    def _content(self) -> Content:
        return kernel_content(self._arrays, self.identity, self.support)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        parameters: PopulationParameters,
        identity: str,
        ratios: CountRatios | None = None,
    ) -> LensKernels:
        """Return the kernels of a file, which must be those of `identity`.

        Raises
        ------
        FormatError
            Damaged, not kernels, or of other data or settings.
        """
        arrays, support = read_arrays(path, identity)
        return cls(arrays, parameters, support, identity, ratios)

    def __repr__(self) -> str:
        mean = self.n_nodes.mean()
        return f"<LensKernels: {self.n_lenses} lenses, {mean:.0f} nodes each>"


def build_kernels(
    data: LensData,
    population: LensPopulation | None = None,
    sources: SourcePopulation | None = None,
    box: Mapping[str, tuple[float, float]] | None = None,
    *,
    counts_box: Mapping[str, tuple[float, float]] | None = None,
    selection: str = "on_data",
    form: str = "lenses",
    detection: Detection | None = None,
    noise: MockNoise | None = None,
    cosmology: FLRW | None = None,
    accuracy: KernelAccuracy | None = None,
    n_threads: int = 1,
    progress: bool = False,
    tables: str | os.PathLike[str] | None = None,
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
    counts_box : mapping of name to (low, high), optional
        Ranges of the parameters of the counts that will be varied, out of
        ``count_family(sources.counts).names``.
    selection : {"on_data", "independent"}
        Whether the data themselves decided on the detection. If another draw of the noise
        did, the integral over source magnitudes carries the probability of detection.
    form : {"lenses", "any_lens", "one_lens"}
        What a galaxy with several lensed sources counts for, as in A: its integrand has the
        factor 1, ``(1 - e^-Lambda) / Lambda`` or ``e^-Lambda``.
    detection : Detection, optional
        For ``selection="independent"``, a `MagnitudeLimit`, and for Lambda.
    noise : MockNoise, optional
        For Lambda.
    cosmology : astropy cosmology, optional
    accuracy : KernelAccuracy, optional
    n_threads : int, >= 0
        The kernels are the same bits for any number.
    progress : bool
    tables : path, optional
        Folder where the kernels are kept, each block of lenses as soon as it is made: a build
        that was interrupted, with ``kill -9`` too, goes on from there to the same bits, and
        kernels of the same data and settings are read.

    Raises
    ------
    ParameterError
        An argument out of range, a pair that no lens of the population can make, or counts
        that are varied with ``selection="independent"`` or another form.
    FormatError
        A damaged file in `tables`.
    FitError
        Another process is making the same kernels there.

    Notes
    -----
    For a lens with x_A and x_B exact, the integral over stellar mass and source offset is done
    by the inversion of the pair, with its Jacobian J:
    ``L = int p(log M*, log Re, log Mh, gamma, data) 2 pi beta n |J| Phi dlog Mh dgamma``.
    Sizes with errors are integrated over by the trapezoid rule, halved until ln L stands
    still; a time delay is another factor of the integrand.
    """
    parameters = PopulationParameters(population or LensPopulation())
    behind = sources or SourcePopulation()
    ranges = checked_box(DEFAULT_BOX if box is None else box)
    if selection not in SELECTIONS:
        hint = nearest(str(selection), SELECTIONS)
        raise ParameterError("selection", selection, f"one of {', '.join(SELECTIONS)}", hint)
    checked_threads(n_threads)
    fine = accuracy or KernelAccuracy()
    limit: Detection = detection or MagnitudeLimit()
    other_draw = None
    if selection == "independent":
        if not isinstance(limit, MagnitudeLimit):
            raise ParameterError("detection", limit, "a MagnitudeLimit, for 'independent'")
        other_draw = limit
    factor = None
    if checked_form(form) != "lenses":
        detected = DetectedCounts(behind, limit, (noise or MockNoise()).magnitude)
        n = parameters.population.sersic_n
        factor = KernelForm(form, detected, behind, n, cosmology)
    varied = dict(counts_box or {})
    ratios = None
    if varied:
        check_free_counts(varied, selection, form)
        family = count_family(behind.counts)
        varied = family.checked_box(varied)
        ratios = CountRatios(family, mean_magnitude_error(data.sigma_a, data.sigma_b))
    builder = KernelBuilder(
        data, parameters, behind.counts, ranges, other_draw, cosmology, fine, factor, varied
    )
    identity = builder.identity

    def build(parts: Path | None) -> LensKernels:
        arrays = builder.build(n_threads, progress, parts)
        return LensKernels(arrays, parameters, builder.box, identity, ratios)

    if tables is None:
        return build(None)
    path = table_path(tables, "kernels", identity)
    load = partial(LensKernels.load, parameters=parameters, identity=identity, ratios=ratios)
    return kept(path, build, load)
