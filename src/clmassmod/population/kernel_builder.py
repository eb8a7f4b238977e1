"""Making kernels: the nodes of every lens, in blocks that can be kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from .._core import population as core
from ..cosmology import resolve_cosmology
from ..errors import ParameterError
from ..provenance import digest
from ..stronglens.observation import MagnitudeLimit
from ..table.store import write_content
from .count_families import count_family
from .kernel_arrays import (
    Arrays,
    concatenated,
    core_points,
    kernel_content,
    offsets,
    read_arrays,
    sum_lenses,
)
from .kernel_forms import KernelForm
from .kernel_inputs import BoxSteps, PairInputs
from .lens_data import LensData
from .parameters import PopulationParameters

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from ..stronglens.source_counts import SourceCounts

Array = npt.NDArray[np.float64]

# another number when the kernels of the same arguments change: files of older ones are not read
_NUMBERS = 1
_BLOCK = 64
# ln weights below this one are those of nodes that fill vectors
_FILL = -1e29
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


@dataclass
class KernelPart:
    """Nodes of one lens at one size and concentration."""

    lens: int
    shift: float  # of the size, in its standard deviations
    log_re: float
    log_weight: float
    nodes: npt.NDArray[np.float32]
    gamma: npt.NDArray[np.uint16]
    error: float
    level: int


class KernelBuilder:
    """Makes the kernels of a sample; arguments as for `build_kernels`, checked."""

    def __init__(
        self,
        data: LensData,
        parameters: PopulationParameters,
        counts: SourceCounts,
        box: dict[str, tuple[float, float]],
        detection: MagnitudeLimit | None,
        cosmology: FLRW | None,
        accuracy: KernelAccuracy,
        form: KernelForm | None,
        counts_box: dict[str, tuple[float, float]],
    ) -> None:
        self.data, self.accuracy, self.form = data, accuracy, form
        self.box = {**box, **counts_box}
        self._n_rows = 4 if counts_box else 3  # of nodes: the mean magnitude too
        universe = resolve_cosmology(cosmology)
        steps = BoxSteps(parameters, box)
        self.steepest = steps.steepest
        node_steps = steps.node_steps(data.sigma_msps, accuracy.step)
        other = count_family(counts).training(counts_box) if counts_box else None
        self.inputs = PairInputs(data, parameters, counts, detection, universe, node_steps, other)
        points = steps.training()
        self.n_training = len(points)
        self.training = core_points(points, self.inputs.slopes, parameters)
        drop = accuracy.node_drop
        numbers = (drop + 2.0, drop, accuracy.tolerance, accuracy.depth, steps.first_level())
        self.settings = np.array(numbers, dtype=np.float64)
        self.identity = digest(
            _NUMBERS,
            data.hash,
            parameters.population.to_dict(),
            counts.to_dict(),
            sorted(box.items()),
            None if detection is None else detection.to_dict(),
            repr(universe),
            accuracy,
            *(() if form is None else (form.to_dict(data.z_l),)),
            *((sorted(counts_box.items()),) if counts_box else ()),
        )

    def build(self, n_threads: int, progress: bool, folder: Path | None) -> Arrays:
        """Return the arrays of all lenses."""
        from tqdm import tqdm

        n, blocks = len(self.data), []
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with tqdm(total=n, desc="kernels", unit="lens", disable=not progress) as bar:
            for first in range(0, n, _BLOCK):
                lenses = np.arange(first, min(first + _BLOCK, n))
                blocks.append(self._kept_block(lenses, n_threads, folder))
                bar.update(lenses.size)
        return concatenated(blocks)

    def _kept_block(
        self, lenses: npt.NDArray[np.intp], n_threads: int, folder: Path | None
    ) -> Arrays:
        """Return the arrays of a block, from the folder if they are there."""
        if folder is None:
            return self._block(lenses, n_threads)
        path = folder / f"lenses_{lenses[0]:08d}.h5"
        if path.exists():
            return read_arrays(path, self.identity)[0]
        arrays = self._block(lenses, n_threads)
        write_content(path, kernel_content(arrays, self.identity, self.box))
        return arrays

    def _block(self, lenses: npt.NDArray[np.intp], n_threads: int) -> Arrays:
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
        return joined_parts(parts, counts, self.data, lenses) | {
            "errors": errors,
            "n_slopes": n_slopes,
        }

    def _require_parts(self, counts: npt.NDArray[np.intp], lenses: npt.NDArray[np.intp]) -> None:
        if not (counts == 0).any():
            return
        at = int(lenses[np.argmin(counts)])
        given = f"lens {self.data.name[at]!r} (index {at})"
        hint = "Its images need a halo, stars or a source outside the population's range."
        raise ParameterError("data", given, "an image pair that a lens can make", hint)

    def _parts(self, lenses: npt.NDArray[np.intp], t: Array, n_threads: int) -> list[KernelPart]:
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
        for i, result in enumerate(results):
            if self.form is not None and result is not None:
                self._apply_form(
                    self.form, int(lens[i]), float(log_re[i]), int(which[1, i]), result
                )
        weight, rows = inputs.log_weight_c[node] + inputs.log_area[lens], self._n_rows
        return [
            KernelPart(int(i), s, re, w + r[2], r[0][:rows], r[1], r[3], r[4])
            for i, s, re, w, r in zip(
                lens, t[shift].tolist(), log_re.tolist(), weight.tolist(), results, strict=True
            )
            if r is not None
        ]

    def _apply_form(
        self, form: KernelForm, lens: int, log_re: float, relation: int, result: tuple[Any, ...]
    ) -> None:
        """Multiply the weights of nodes by the form's factor."""
        nodes, gamma = result[0], np.repeat(self.inputs.slopes[result[1]], core.CHUNK)
        used = nodes[2] > _FILL
        log_mstar, log_mhalo = nodes[:2, used].astype(np.float64)
        columns = np.stack(
            [
                log_mstar,
                np.full_like(log_mstar, log_re),
                log_mhalo,
                gamma[used],
                self.inputs.c200(relation, log_mhalo),
            ]
        )
        nodes[2, used] += form.log_factor(float(self.data.z_l[lens]), columns)

    def _sized(self, lens: int, n_threads: int) -> tuple[list[KernelPart], float]:
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

    def _log_terms(self, parts: Sequence[KernelPart]) -> Array:
        """Return ln of each part's share in L at the training points, (parts, points)."""
        lenses = np.array([part.lens for part in parts], dtype=np.intp)
        out = np.empty((self.n_training, len(parts)))
        arrays = joined_parts(parts, np.ones(len(parts)), self.data, lenses)
        sum_lenses(arrays, self.training, out, 1)
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


def joined_parts(
    parts: Sequence[KernelPart],
    counts: npt.NDArray[Any],
    data: LensData,
    lenses: npt.NDArray[np.intp],
) -> Arrays:
    """Return the arrays of lenses with so many parts each."""
    return {
        "nodes": np.concatenate([part.nodes for part in parts], axis=1),
        "gamma": np.concatenate([part.gamma for part in parts]),
        "first_part": offsets(counts),
        "first": offsets([part.gamma.size for part in parts]),
        "parts": np.array([[p.log_weight for p in parts], [p.log_re for p in parts]]),
        "lenses": np.array([data.log_msps[lenses], data.sigma_msps[lenses]]),
    }
