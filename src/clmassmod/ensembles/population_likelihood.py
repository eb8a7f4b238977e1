"""The likelihood of a population: those of its objects, integrated over their masses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..provenance import digest
from .importance import MOST_K, pareto_k
from .mass_likelihoods import MassLikelihoods
from .relation import MassRelation

Array = npt.NDArray[np.float64]

_VALUES = 2_000_000


class PopulationLikelihood:
    """``ln L(theta) = sum_i ln int dlnM L_i(M) p(ln M | theta)``.

    Parameters
    ----------
    objects : MassLikelihoods
    relation : MassRelation
        Of as many objects.
    n_threads : int
        0 for all; the result is the same bits for any number.

    Notes
    -----
    With groups the integral is over the masses of all projections of a halo and what their
    scatter has in common: ``ln M_ij = mean + sd (sqrt(rho) h_i + sqrt(1 - rho) e_ij)``.

    It is a `clmassmod.inference.Likelihood`.
    """

    def __init__(
        self, objects: MassLikelihoods, relation: MassRelation, *, n_threads: int = 1
    ) -> None:
        if len(objects) != len(relation.offset):
            raise ParameterError(
                "relation", f"of {len(relation.offset)} objects", f"of {len(objects)}"
            )
        self.objects = objects
        self.relation = relation
        self.names = relation.names
        self.support = relation.support
        self.versions: dict[str, str] = {}
        self._n_threads = n_threads

    @property
    def identity(self) -> str:
        """Hash of data and relation."""
        relation = self.relation
        terms = [*relation.mean_terms.values(), *relation.scatter_terms.values()]
        given = [a for a in (relation.groups, relation.log_mass) if a is not None]
        return digest(
            self.objects.identity,
            self.names,
            relation.shape,
            relation.selection,
            np.asarray(relation.offset),
            *map(np.asarray, (*terms, *given)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what describes it; the data are in `identity`."""
        return {
            "kind": "clusters",
            "n_objects": len(self.objects),
            "shape": self.relation.shape,
            "parameters": list(self.names),
            "identity": self.identity,
        }

    def log_likelihood(self, eta: Any) -> Array:
        """Return ln L (B,) at parameters (B, P)."""
        return np.asarray(self.of_objects(eta).sum(axis=0))

    def of_objects(self, eta: Any) -> Array:
        """Return ln L (n, B) of every object; with groups, (number of groups, B)."""
        theta = np.atleast_2d(np.asarray(eta, dtype=np.float64))
        if theta.shape[1] != len(self.names):
            raise ParameterError("eta.shape", theta.shape, f"(B, {len(self.names)})")
        rows = max(1, _VALUES // len(self.objects))
        parts = [self._of_few(theta[i : i + rows]) for i in range(0, len(theta), rows)]
        return np.concatenate(parts, axis=1)

    def _of_few(self, theta: Array) -> Array:
        mean, sd = self.relation.mean_and_sd(theta)
        if self.relation.groups is not None:
            rho = theta[:, self.names.index("group_correlation")]
            return self.objects.integrate_groups(
                self.relation.groups, mean, sd, rho, n_threads=self._n_threads
            )
        if self.relation.selection is not None:
            tilt, slope = self.relation.tilt_and_slope(theta, mean, sd)
            return self.objects.integrate(
                "selected", mean, sd, tilt=tilt, slope=slope, n_threads=self._n_threads
            )
        return self.objects.integrate(
            self.relation.shape,
            mean,
            sd,
            self.relation.shape_parameters(theta),
            n_threads=self._n_threads,
        )

    def pareto_k(self, eta: Any) -> dict[str, float]:
        """Return id -> k-hat of the objects given by samples, at parameters (P,).

        Above 0.7 the average over the samples of this object is not reliable.
        """
        point = np.atleast_2d(np.asarray(eta, dtype=np.float64))
        return {self.objects.ids[i]: pareto_k(r) for i, r in self._ratios(point)}

    def sampling_error(self, eta: Any) -> float:
        """Return the standard deviation of ln L (P,) from the finite number of samples."""
        point = np.atleast_2d(np.asarray(eta, dtype=np.float64))
        variance = 0.0
        for _, log_ratio in self._ratios(point):
            ratio = np.exp(log_ratio - log_ratio.max())
            variance += ratio.var() / ratio.mean() ** 2 / ratio.size
        return float(np.sqrt(variance))

    def _ratios(self, point: Array) -> list[tuple[int, Array]]:
        """Return number and ln of p(M) / interim prior of the objects given by samples."""
        mean, sd = self.relation.mean_and_sd(point)
        return self.objects.log_ratios(mean[:, 0], sd[:, 0])


def unreliable(k: dict[str, float]) -> dict[str, float]:
    """Return the objects whose k-hat is above 0.7, worst first."""
    return dict(sorted(((i, v) for i, v in k.items() if v > MOST_K), key=lambda pair: -pair[1]))
