"""The likelihoods of many clusters in one compiled call."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._core import likelihood as core
from ..errors import ParameterError
from ..profiles.lensing import SourceArrays
from .likelihood import ClusterLikelihood, HaloLikelihood, ProfileData

Array = npt.NDArray[np.float64]

# of a profile at once: 32 MB
_VALUES = 2**22


class SampleLikelihood:
    """Log likelihoods of n clusters, for B parameter vectors each, in one call.

    Parameters
    ----------
    likelihoods : sequence of ClusterLikelihood
        Of one model and one set of parameters, each with one observable of the same kind.
        Numbers of data points and of source planes may differ.

    Notes
    -----
    Profiles of all clusters and parameter vectors are one paired batch of the core, and so
    are their residuals; averages over bins are a small product each, and with effects every
    cluster is by itself. Shorter profiles are filled up with points of no weight, so that a
    value agrees with that of the cluster alone to rounding (the order of a sum); profiles by
    quadrature to their rtol, as many shapes at once are not tabulated.
    """

    def __init__(self, likelihoods: Sequence[HaloLikelihood]) -> None:
        if not likelihoods:
            raise ParameterError("likelihoods", "empty", "at least one")
        profiles = [one for one in likelihoods if isinstance(one, ClusterLikelihood)]
        if len(profiles) < len(likelihoods):
            raise ParameterError("likelihoods", "of single galaxies", "of profiles")
        self._likelihoods = tuple(profiles)
        first = self._likelihoods[0]
        self.parameters = first.parameters
        for other in self._likelihoods:
            kinds = {type(one.observables[0]) for one in (first, other)}
            quantities = {one.data[0].quantity for one in (first, other)}
            if len(other.data) != 1 or len(kinds) != 1 or len(quantities) != 1:
                raise ParameterError(
                    "likelihoods", "several kinds", "one observable each, of the same kind"
                )
            if other.model is not first.model or other.parameters is not first.parameters:
                raise ParameterError("likelihoods", "several models", "of one model")
        self._data = [likelihood.data[0] for likelihood in self._likelihoods]
        # effects have matrices of each object; single radii beside averages have another quantity
        averaged = sum(d.seen is not None for d in self._data)
        self._apart = bool(first.model.effects) or 0 < averaged < len(self._data)
        if self._apart:
            return
        self._taken = [_taken(d) for d in self._data]
        self._columns = max(d.values.size for d in self._data)
        radii = [taken.radius[0] for taken in self._taken]
        self._nodes = max(radius.size for radius in radii)
        self._radius = _filled(radii, self._nodes, repeat_last=True)
        self._values = _filled([d.values[0] for d in self._data], self._columns)
        self._boost = self._filled_boost()
        self._whitening = self._filled_whitening()
        self._log_norm = np.array([d.log_norm[0] for d in self._data])

    def log_likelihood(self, values: Any, *, n_threads: int = 1) -> Array:
        """Return ln L, (n, B), for parameter vectors (n, B, P), or (B, P) shared by all."""
        n = len(self._likelihoods)
        table = np.asarray(values, dtype=np.float64)
        if table.ndim == 2:
            table = np.broadcast_to(table, (n, *table.shape))
        if table.ndim != 3 or table.shape[0] != n or table.shape[2] != len(self.parameters):
            raise ParameterError(
                "values.shape", np.shape(values), f"({n}, B, {len(self.parameters)})"
            )
        if self._apart:
            rows = zip(self._likelihoods, table, strict=True)
            return np.array([one.log_likelihood(own, n_threads=n_threads) for one, own in rows])
        few = max(1, _VALUES // max(1, table.shape[1] * self._nodes))
        blocks = [slice(a, min(a + few, n)) for a in range(0, n, few)]
        return np.concatenate([self._of(block, table[block], n_threads) for block in blocks])

    def _of(self, block: slice, table: Array, n_threads: int) -> Array:
        """Return ln L, (k, B), of some clusters for parameter vectors (k, B, P)."""
        likelihoods, size = self._likelihoods[block], table.shape[1]
        columns = {
            name: np.ascontiguousarray(table[..., i]).reshape(-1)
            for i, name in enumerate(self.parameters.names)
        }
        mass = columns.pop("mass")
        limit = np.repeat([one.greatest_mass for one in likelihoods], size)
        inside = np.abs(mass) <= limit
        mass = np.where(inside, mass, 0.0)
        amplitude = 1.0 + columns.pop("shear_calibration", np.zeros_like(mass))
        redshift = np.repeat([one.redshift for one in likelihoods], size)

        def relation(mass: Array) -> Array:
            rows = zip(likelihoods, mass.reshape(len(likelihoods), size), strict=True)
            return np.concatenate([one.concentration(own) for one, own in rows])

        c = columns.pop("concentration", relation)
        halo, sign = likelihoods[0].model.halo_of(mass, redshift, c, None, **columns)
        owner = np.repeat(np.arange(block.start, block.stop, dtype=np.int64), size)
        model = self._model(halo, sign, owner, n_threads)
        out = np.empty(mass.size)
        core.gaussian(
            model, amplitude, owner, self._values, self._whitening, self._log_norm, out, n_threads
        )
        return np.where(inside & ~np.isnan(out), out, -np.inf).reshape(len(likelihoods), size)

    def _model(self, halo: Any, sign: Array, owner: Any, n_threads: int) -> Array:
        radius = np.ascontiguousarray(self._radius[owner])
        quantity = self._taken[0].quantity
        column = sign[:, None]
        if self._taken[0].sources is None:
            model = halo._evaluate(quantity, radius, None, n_threads) * column
        else:
            model = halo._evaluate(quantity, radius, self._sources(owner, column), n_threads)
        if self._data[0].seen is not None:
            model = self._bin_averages(model, owner, n_threads)
        return np.ascontiguousarray(model if self._boost is None else model / self._boost[owner])

    def _bin_averages(self, values: Array, owner: Any, n_threads: int) -> Array:
        """Return means over the bins of each cluster, (k B, columns)."""
        means = np.zeros((owner.size, self._columns))
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        for start, end in itertools.pairwise([*starts, owner.size]):
            data = self._data[owner[start]]
            assert data.seen is not None
            own = values[start:end, : data.seen.nodes.size]
            means[start:end, : data.values.size] = data.seen.bin_averages(own, n_threads)
        return means

    def _sources(self, owner: Any, column: Array) -> SourceArrays:
        parts = [taken.sources for taken in self._taken if taken.sources is not None]
        shear = np.concatenate([part.shear for part in parts])
        convergence = np.concatenate([part.convergence for part in parts])
        inverse = weight = None
        if any(part.plane_inverse is not None for part in parts):
            planes, weights = _planes(parts)
            inverse = np.ascontiguousarray(planes[owner] * column)
            weight = np.ascontiguousarray(weights[owner])
        return SourceArrays(shear[owner] * column, convergence[owner] * column, inverse, weight)

    def _filled_boost(self) -> Array | None:
        if all(d.divide_by is None for d in self._data):
            return None
        boost = np.ones((len(self._data), self._columns))
        for i, d in enumerate(self._data):
            if d.divide_by is not None:
                boost[i, : d.divide_by.size] = d.divide_by
        return boost

    def _filled_whitening(self) -> Array:
        if all(d.diagonal for d in self._data):
            return _filled([d.whitening[0] for d in self._data], self._columns)
        m = self._columns
        result = np.zeros((len(self._data), m, m))
        for i, d in enumerate(self._data):
            size = d.values.size
            result[i, :size, :size] = (
                np.diag(d.whitening[0]) if d.diagonal else d.whitening.reshape(size, size)
            )
        return result.reshape(len(self._data), m * m)


class _Taken(NamedTuple):
    """What a profile is evaluated as."""

    quantity: int
    radius: Array  # (1, nodes)
    sources: SourceArrays | None


def _taken(data: ProfileData) -> _Taken:
    if data.seen is None:
        return _Taken(data.quantity, data.radius, data.sources)
    return _Taken(data.seen.quantity, data.seen.nodes, data.seen.sources)


def _filled(rows: Sequence[Array], size: int, repeat_last: bool = False) -> Array:
    result = np.zeros((len(rows), size))
    for i, row in enumerate(rows):
        result[i, : row.size] = row
        if repeat_last:
            result[i, row.size :] = row[-1]
    return result


def _planes(parts: Sequence[SourceArrays]) -> tuple[Array, Array]:
    """Source planes of all clusters, filled up with planes of no weight, (n, k) each."""
    size = max(1 if p.plane_inverse is None else p.plane_inverse.shape[1] for p in parts)
    inverse, weight = np.zeros((len(parts), size)), np.zeros((len(parts), size))
    for i, part in enumerate(parts):
        if part.plane_inverse is None or part.plane_weight is None:
            inverse[i, 0], weight[i, 0] = part.shear[0, 0], 1.0
        else:
            inverse[i, : part.plane_inverse.shape[1]] = part.plane_inverse[0]
            weight[i, : part.plane_weight.shape[1]] = part.plane_weight[0]
    return inverse, weight
