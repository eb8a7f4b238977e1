"""Likelihoods of image pairs: nodes and weights of each lens, made once, and sums over them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from .._checks import checked_threads
from .._core import population as core
from ..cosmology import resolve_cosmology
from ..errors import FormatError, ParameterError, nearest
from ..provenance import digest
from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.observation import MagnitudeLimit
from ..stronglens.source_population import SourcePopulation
from .kernel_inputs import BoxSteps, PairInputs
from .lens_data import LensData
from .parameters import PARAMETERS, PopulationParameters

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from ..stronglens.source_counts import SourceCounts

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

_MISMATCH_NODES = 16
_BLOCK = 64
_BATCH = 64
# sizes with errors: reach and first step of their nodes in standard deviations, the change of
# ln L between two steps that is small enough, and the last step
_SIZE_REACH, _SIZE_STEP, _SIZE_CHANGE, _SIZE_LAST = 5.0, 1.0, 0.1, 0.0625


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
    tolerance: float = 5e-4
    depth: float = 15.0


class LensKernels:
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
    ) -> None:
        self.parameters = parameters
        self.support = {name: (float(a), float(b)) for name, (a, b) in support.items()}
        self.identity = identity
        self._arrays = dict(arrays)
        self.errors = self._arrays["errors"]
        self.n_slopes = self._arrays["n_slopes"]
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
        _sum_lenses(self._arrays, core_points(points, self._gamma, self.parameters), out, n_threads)
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
            "n_slopes": self.n_slopes[rows],
        }
        identity = digest(self.identity, rows)
        return LensKernels(chosen, self.parameters, self.support, identity)

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the kernels to an HDF5 file, whole or not at all; return its root hash."""
        return _write_arrays(path, self._arrays, self.identity, self.support)

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
        arrays, support = _read_arrays(path, identity)
        return cls(arrays, parameters, support, identity)

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
    checkpoint: str | os.PathLike[str] | None = None,
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
    checkpoint : path, optional
        Folder where every block of lenses is kept as soon as it is made. A build that was
        interrupted, with ``kill -9`` too, goes on from there to the same bits.

    Raises
    ------
    ParameterError
        An argument out of range, or a pair that no lens of the population can make.
    FormatError
        Blocks in `checkpoint` that are damaged or of other data or settings.

    Notes
    -----
    For a lens with x_A and x_B exact, the integral over stellar mass and source offset is done
    by the inversion of the pair, with its Jacobian J:
    ``L = int p(log M*, log Re, log Mh, gamma, data) 2 pi beta n |J| Phi dlog Mh dgamma``.
    Sizes with errors are integrated over by the trapezoid rule, halved until ln L stands
    still; a time delay is another factor of the integrand.
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
    other_draw = limit if selection == "independent" else None
    builder = _Builder(data, parameters, counts, ranges, other_draw, cosmology, fine)
    return builder.build(n_threads, progress, None if checkpoint is None else Path(checkpoint))


@dataclass
class _Part:
    """Nodes of one lens at one size and concentration."""

    lens: int
    shift: float  # of the size, in its standard deviations
    log_re: float
    log_weight: float
    nodes: npt.NDArray[np.float32]
    gamma: npt.NDArray[np.uint16]
    error: float
    level: int


class _Builder:
    def __init__(
        self,
        data: LensData,
        parameters: PopulationParameters,
        counts: SourceCounts,
        box: dict[str, tuple[float, float]],
        detection: MagnitudeLimit | None,
        cosmology: FLRW | None,
        accuracy: KernelAccuracy,
    ) -> None:
        self.data, self.parameters, self.box, self.accuracy = data, parameters, box, accuracy
        universe = resolve_cosmology(cosmology)
        steps = BoxSteps(parameters, box)
        self.steepest = steps.steepest
        node_steps = steps.node_steps(data.sigma_msps, accuracy.step)
        self.inputs = PairInputs(data, parameters, counts, detection, universe, node_steps)
        points = steps.training()
        self.n_training = len(points)
        self.training = core_points(points, self.inputs.slopes, parameters)
        drop = accuracy.node_drop
        numbers = (drop + 2.0, drop, accuracy.tolerance, accuracy.depth, steps.first_level())
        self.settings = np.array(numbers, dtype=np.float64)
        self.identity = digest(
            data.hash,
            parameters.population.to_dict(),
            counts.to_dict(),
            sorted(box.items()),
            None if detection is None else detection.to_dict(),
            repr(universe),
            accuracy,
        )

    def build(self, n_threads: int, progress: bool, folder: Path | None) -> LensKernels:
        from tqdm import tqdm

        n, blocks = len(self.data), []
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with tqdm(total=n, disable=not progress, unit="lens") as bar:
            for first in range(0, n, _BLOCK):
                lenses = np.arange(first, min(first + _BLOCK, n))
                blocks.append(self._kept_block(lenses, n_threads, folder))
                bar.update(lenses.size)
        return LensKernels(_concatenated(blocks), self.parameters, self.box, self.identity)

    def _kept_block(
        self, lenses: npt.NDArray[np.intp], n_threads: int, folder: Path | None
    ) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of a block, from the folder if they are there."""
        if folder is None:
            return self._block(lenses, n_threads)
        path = folder / f"lenses_{lenses[0]:08d}.h5"
        if path.exists():
            return _read_arrays(path, self.identity)[0]
        arrays = self._block(lenses, n_threads)
        _write_arrays(path, arrays, self.identity, self.box)
        return arrays

    def _block(self, lenses: npt.NDArray[np.intp], n_threads: int) -> dict[str, npt.NDArray[Any]]:
        exact = self.data.sigma_re[lenses] == 0.0
        parts = self._parts(lenses[exact], np.zeros(1), n_threads)
        errors = np.zeros(lenses.size)
        for i in lenses[~exact]:
            sized, errors[i - lenses[0]] = self._sized(int(i), n_threads)
            parts += sized
        parts.sort(key=lambda part: part.lens)
        place = np.array([part.lens for part in parts], dtype=np.intp) - lenses[0]
        counts = np.bincount(place, minlength=lenses.size)
        self._require_parts(counts, lenses)
        np.maximum.at(errors, place, [part.error for part in parts])
        n_slopes = np.zeros(lenses.size, dtype=np.int64)
        np.maximum.at(n_slopes, place, [core.LEVELS[part.level] for part in parts])
        return _joined(parts, counts, self.data, lenses) | {"errors": errors, "n_slopes": n_slopes}

    def _require_parts(self, counts: npt.NDArray[np.intp], lenses: npt.NDArray[np.intp]) -> None:
        if not (counts == 0).any():
            return
        at = int(lenses[np.argmin(counts)])
        given = f"lens {self.data.name[at]!r} (index {at})"
        hint = "Its images need a halo, stars or a source outside the population's range."
        raise ParameterError("data", given, "an image pair that a lens can make", hint)

    def _parts(self, lenses: npt.NDArray[np.intp], t: Array, n_threads: int) -> list[_Part]:
        """Return parts of lenses at sizes t standard deviations off, and all concentrations."""
        inputs = self.inputs
        shape = (lenses.size, t.size, inputs.n_concentrations)
        if 0 in shape:
            return []
        of, shift, node = (a.ravel() for a in np.indices(shape))
        lens = lenses[of]
        log_re = self.data.log_re[lens] + self.data.sigma_re[lens] * t[shift]
        columns, which = inputs.parts(lens, log_re, node)
        results = core.build_kernels(
            inputs.grid,
            self.training,
            columns,
            which,
            inputs.photometry,
            inputs.relations,
            inputs.amplitudes,
            1.0 / self.steepest,
            self.settings,
            n_threads,
        )
        weight = inputs.log_weight_c[node] + inputs.log_area[lens]
        return [
            _Part(int(i), s, re, w + r[2], r[0], r[1], r[3], r[4])
            for i, s, re, w, r in zip(
                lens, t[shift].tolist(), log_re.tolist(), weight.tolist(), results, strict=True
            )
            if r is not None
        ]

    def _sized(self, lens: int, n_threads: int) -> tuple[list[_Part], float]:
        """Return the parts of a lens whose size has an error, and the error their nodes leave.

        Trapezoids in the size, halved. For a Gaussian integrand the error e of one step is
        e^4/8 at half of it; the cube of the change is what counts as the error.
        """
        one, step = np.array([lens]), _SIZE_STEP
        parts = self._parts(one, _size_nodes(step), n_threads)
        while True:
            if not parts:
                return [], 0.0
            terms = self._log_terms(parts)
            change = _size_change(terms, np.array([part.shift for part in parts]), step)
            largest = float(change[self._near(terms)].max(initial=0.0))
            if largest < _SIZE_CHANGE or step <= _SIZE_LAST:
                break
            step *= 0.5
            parts += self._parts(one, _size_nodes(step)[1::2], n_threads)
        share = (terms - logsumexp(terms, axis=0)).max(axis=1)
        kept = [p for p, s in zip(parts, share, strict=True) if s > -self.accuracy.node_drop]
        for part in kept:
            part.log_weight += _log_size_weight(part.shift, step)
        return sorted(kept, key=lambda part: part.shift), min(largest, largest**3)

    def _log_terms(self, parts: Sequence[_Part]) -> Array:
        """Return ln of each part's share in L at the training points, (parts, points)."""
        lenses = np.array([part.lens for part in parts], dtype=np.intp)
        out = np.empty((self.n_training, len(parts)))
        arrays = _joined(parts, np.ones(len(parts)), self.data, lenses)
        _sum_lenses(arrays, self.training, out, 1)
        weight = np.array([_log_size_weight(part.shift, 1.0) for part in parts])
        return np.asarray(out.T + weight[:, None])

    def _near(self, terms: Array) -> npt.NDArray[np.bool_]:
        """Return which training points are not too deep below the best."""
        total = logsumexp(terms, axis=0)
        return np.asarray(total > total.max() - self.accuracy.depth)


def _size_nodes(step: float) -> Array:
    """Return nodes of the size in its standard deviations."""
    n = round(_SIZE_REACH / step)
    return np.arange(-n, n + 1, dtype=np.float64) * step


def _log_size_weight(shift: float, step: float) -> float:
    return math.log(step / math.sqrt(2.0 * math.pi)) - 0.5 * shift * shift


def _size_change(terms: Array, shift: Array, step: float) -> Array:
    """Return the change of ln L between nodes twice as far apart and these."""
    coarse = np.mod(np.abs(shift), 2.0 * step) == np.mod(_SIZE_REACH, 2.0 * step)
    if not coarse.any():
        return np.full(terms.shape[1], np.inf)
    fewer = logsumexp(terms[coarse], axis=0) + math.log(2.0)
    return np.asarray(np.abs(logsumexp(terms, axis=0) - fewer))


# -- arrays of the core ---------------------------------------------------------------------------


def _joined(
    parts: Sequence[_Part], counts: npt.NDArray[Any], data: LensData, lenses: npt.NDArray[np.intp]
) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of lenses with so many parts each."""
    return {
        "nodes": np.concatenate([part.nodes for part in parts], axis=1),
        "gamma": np.concatenate([part.gamma for part in parts]),
        "first_part": _offsets(counts),
        "first": _offsets([part.gamma.size for part in parts]),
        "parts": np.array([[p.log_weight for p in parts], [p.log_re for p in parts]]),
        "lenses": np.array([data.log_msps[lenses], data.sigma_msps[lenses]]),
    }


def _concatenated(blocks: Sequence[dict[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of blocks of lenses one after another."""
    result = {
        name: np.concatenate([block[name] for block in blocks], axis=-1)
        for name in ("nodes", "gamma", "parts", "lenses", "errors", "n_slopes")
    }
    for name in ("first_part", "first"):
        result[name] = _offsets(np.concatenate([np.diff(block[name]) for block in blocks]))
    return result


def _sum_lenses(
    arrays: Mapping[str, npt.NDArray[Any]], points: core.Points, out: Array, n_threads: int
) -> None:
    core.sum_lenses(
        arrays["nodes"],
        arrays["gamma"],
        arrays["first_part"],
        arrays["first"],
        arrays["parts"],
        arrays["lenses"],
        points,
        out,
        n_threads,
    )


def _offsets(counts: Any) -> npt.NDArray[np.uintp]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.uintp)


# -- files ----------------------------------------------------------------------------------------


def _write_arrays(
    path: str | os.PathLike[str],
    arrays: Mapping[str, npt.NDArray[Any]],
    identity: str,
    support: Mapping[str, tuple[float, float]],
) -> str:
    from ..table.store import Content, write_content

    attributes = {"kernels": identity, "support": {k: list(v) for k, v in support.items()}}
    return write_content(path, Content(dict(arrays), attributes))


def _read_arrays(
    path: str | os.PathLike[str], identity: str
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, tuple[float, float]]]:
    """Return arrays and support of a file, which must be of `identity`."""
    from ..table.store import read_content

    content = read_content(path)
    found = content.attributes.get("kernels")
    if found is None:
        raise FormatError(path, "kernels", "not a file of lens kernels")
    if found != identity:
        problem = f"made for other data or settings ({found[:12]}, not {identity[:12]})"
        raise FormatError(path, "kernels", problem)
    support = {k: (float(v[0]), float(v[1])) for k, v in content.attributes["support"].items()}
    return dict(content.arrays), support


# -- checks ---------------------------------------------------------------------------------------


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
