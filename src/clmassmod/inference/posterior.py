"""The posterior density that samplers call: priors and a likelihood, checked against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import NumericalError, ParameterError
from .prior_set import PriorSet

Array = npt.NDArray[np.float64]


class Likelihood(Protocol):
    """What a likelihood must have to be sampled.

    Attributes
    ----------
    names : tuple of str
        Its free parameters, in the order of the columns of eta.
    support : mapping
        Name -> (low, high) that its tables reach; a name that is left out has no walls.
    identity : str
        Hash of its data and tables: a run is continued with the same one only.
    versions : mapping
        What metadata of a run keep beside: ``precomputed_table_version`` (the root hash of its
        tables), versions of packages.
    """

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def support(self) -> Mapping[str, tuple[float, float]]: ...

    @property
    def identity(self) -> str: ...

    @property
    def versions(self) -> Mapping[str, str]: ...

    def log_likelihood(self, eta: Array) -> Array:
        """Return ln L (n,) at eta (n, d); -inf where it vanishes."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as what JSON can hold."""
        ...


class Posterior:
    """Natural logarithm of prior times likelihood.

    Parameters
    ----------
    likelihood : Likelihood
    priors : PriorSet
        Of the parameters of the likelihood, in any order.

    Raises
    ------
    ParameterError
        A parameter without a prior, a prior of something else, or one that reaches outside the
        support of the likelihood.
    """

    def __init__(self, likelihood: Likelihood, priors: PriorSet) -> None:
        self.likelihood = likelihood
        self.priors = priors.ordered(likelihood.names)
        self.names = self.priors.names
        self.n_vanishing = 0
        """Points inside the priors at which the likelihood was zero so far."""
        _check_names(self.names)
        check_support(self.priors, likelihood.support)

    def __call__(self, theta: Any) -> Array:
        """Return the log density (n,) at theta (n, d), up to the evidence.

        Raises
        ------
        NumericalError
            The likelihood gives NaN or +inf; the message names the parameters.
        """
        x = np.asarray(theta, dtype=np.float64)
        log_prior = self.priors.log_density(x)
        return self._with_likelihood(log_prior, x, np.isfinite(log_prior))

    def log_likelihood(self, theta: Any) -> Array:
        """Return ln L (n,) at theta (n, d); -inf outside the support of the priors."""
        x = np.asarray(theta, dtype=np.float64)
        inside = np.isfinite(self.priors.log_density(x))
        return self._with_likelihood(np.where(inside, 0.0, -np.inf), x, inside)

    def _with_likelihood(self, start: Array, x: Array, inside: npt.NDArray[np.bool_]) -> Array:
        result = start.copy()
        if inside.any():
            points = np.ascontiguousarray(x[inside])
            values = np.asarray(self.likelihood.log_likelihood(points), dtype=np.float64)
            self._check(values, points)
            self.n_vanishing += int(np.isneginf(values).sum())
            result[inside] += values
        return result

    def _check(self, values: Array, points: Array) -> None:
        if values.shape != (len(points),):
            raise ParameterError("log_likelihood(eta).shape", values.shape, f"({len(points)},)")
        bad = np.isnan(values) | np.isposinf(values)
        if bad.any():
            at = int(np.argmax(bad))
            where = ", ".join(
                f"{name}={value!r}"
                for name, value in zip(self.names, points[at].tolist(), strict=True)
            )
            raise NumericalError(f"the log likelihood is {values[at]} at {where}")


def _check_names(names: tuple[str, ...]) -> None:
    """Refuse names that files of chains cannot have."""
    for name in names:
        if name in ("chain", "draw") or not name.isprintable() or "/" in name or not name:
            raise ParameterError("names", name, "printable without '/', and not 'chain' or 'draw'")


def check_support(priors: PriorSet, support: Mapping[str, tuple[float, float]]) -> None:
    """Raise ParameterError where a prior reaches outside the support of a likelihood."""
    reached = priors.support
    for name, (low, high) in support.items():
        if name not in reached:
            continue
        start, end = reached[name]
        if start < low or end > high:
            raise ParameterError(
                f"priors.{name}",
                (start, end),
                f"within [{low:g}, {high:g}], which the tables of the likelihood reach",
                "Cut the prior there (low, high), or build the tables further.",
            )
