"""Priors of several parameters together."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import linalg, special

from .._checks import checked_covariance, frozen, vector
from ..errors import ParameterError, nearest

Array = npt.NDArray[np.float64]

_SOBOL_POWER = 14


class JointPrior(ABC):
    """A normalised density of k parameters. A subclass of the user's serves as well.

    Attributes
    ----------
    low, high : (k,) ndarray
        Ends of the support.
    inside : float
        Share of the unit cube that `transform` maps into the support.
    """

    name: ClassVar[str] = "user"
    low: Array
    high: Array
    inside: float = 1.0

    @abstractmethod
    def log_density(self, values: Array) -> Array:
        """Natural logarithm of the density (n,) at values (n, k); -inf outside the support."""

    @abstractmethod
    def transform(self, cube: Array) -> Array:
        """Return values (n, k) of points (n, k) uniform in the unit cube.

        Those of them inside the support have the density of the prior.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the prior as plain values."""


class MultivariateNormal(JointPrior):
    """Normal density of several parameters, cut to a box and renormalised if one is given.

    Parameters
    ----------
    mean : (k,) array_like
    covariance : (k, k) array_like
        Positive definite.
    low, high : (k,) array_like, optional
        Ends of the box; infinite by default.

    Raises
    ------
    ParameterError
        Wrong shapes, a covariance that is none, or a box that holds less than 1e-6.

    Notes
    -----
    The share of the density inside the box is an integral over 2^14 Sobol points by the
    conditional decomposition of Genz (1992); it is exact for a diagonal covariance and
    otherwise good to about 1e-4. It enters the evidence, and is a constant to a sampler.
    """

    name: ClassVar[str] = "multivariate-normal"

    def __init__(self, mean: Any, covariance: Any, low: Any = None, high: Any = None) -> None:
        self.mean = vector("mean", mean, "")
        k = self.mean.size
        self.covariance = checked_covariance(covariance, k, "")
        self.low = _end("low", low, k, -math.inf)
        self.high = _end("high", high, k, math.inf)
        if not (self.low < self.high).all():
            at = int(np.argmin(self.low < self.high))
            ends = (float(self.low[at]), float(self.high[at]))
            raise ParameterError(f"(low, high)[{at}]", ends, "low < high")
        self._factor: Array = np.asarray(np.linalg.cholesky(self.covariance), np.float64)
        self.inside = _mass_inside(self._factor, self.low - self.mean, self.high - self.mean)
        if self.inside < 1e-6:
            raise ParameterError(
                "(low, high)", (self.low.tolist(), self.high.tolist()), "a box with some mass"
            )
        self._norm = (
            0.5 * k * math.log(2.0 * math.pi)
            + float(np.log(np.diag(self._factor)).sum())
            + math.log(self.inside)
        )

    def log_density(self, values: Array) -> Array:
        """Natural logarithm of the density (n,) at values (n, k); -inf outside the box."""
        x = np.asarray(values, dtype=np.float64)
        within = ((x >= self.low) & (x <= self.high)).all(axis=-1)
        scaled = linalg.solve_triangular(self._factor, (x - self.mean).T, lower=True)
        return np.where(within, -0.5 * (scaled**2).sum(axis=0) - self._norm, -np.inf)

    def transform(self, cube: Array) -> Array:
        """Return values (n, k) of the normal density without its box."""
        return np.asarray(self.mean + special.ndtri(cube) @ self._factor.T)

    def to_dict(self) -> dict[str, Any]:
        """Return the prior as plain values."""
        content: dict[str, Any] = {
            "distribution": self.name,
            "mean": self.mean.tolist(),
            "covariance": self.covariance.tolist(),
        }
        for name, ends in (("low", self.low), ("high", self.high)):
            if np.isfinite(ends).any():
                content[name] = [float(e) if math.isfinite(e) else None for e in ends]
        return content


def joint_prior_from_dict(
    content: Mapping[str, Any] | JointPrior, where: str = "prior"
) -> JointPrior:
    """Return the prior that ``{"distribution": "multivariate-normal", mean, ...}`` describes."""
    if isinstance(content, JointPrior):
        return content
    arguments = dict(content)
    kind = arguments.pop("distribution", None)
    if kind != MultivariateNormal.name:
        hint = nearest(str(kind), [MultivariateNormal.name])
        raise ParameterError(f"{where}.distribution", kind, repr(MultivariateNormal.name), hint)
    try:
        return MultivariateNormal(**arguments)
    except TypeError:
        allowed = "a multivariate-normal with keys mean, covariance, low, high"
        raise ParameterError(where, dict(content), allowed) from None


def _end(name: str, given: Any, k: int, default: float) -> Array:
    if given is None:
        return frozen(np.full(k, default))
    listed = [default if one is None else one for one in np.asarray(given, dtype=object).tolist()]
    ends = np.asarray(listed, dtype=np.float64)
    if ends.shape != (k,) or np.isnan(ends).any():
        raise ParameterError(name, given, f"{k} numbers, as the mean (None for no end)")
    return frozen(ends)


def _mass_inside(factor: Array, low: Array, high: Array) -> float:
    """Return the share of a normal density, of the given Cholesky factor, inside a box."""
    if np.isinf(low).all() and np.isinf(high).all():
        return 1.0
    from scipy.stats import qmc

    k = low.size
    points = qmc.Sobol(k, scramble=True, rng=np.random.default_rng(0)).random_base2(_SOBOL_POWER)
    draws = np.zeros((len(points), k))
    mass = np.ones(len(points))
    for i in range(k):
        before = draws[:, :i] @ factor[i, :i]
        start = special.ndtr((low[i] - before) / factor[i, i])
        share = special.ndtr((high[i] - before) / factor[i, i]) - start
        mass *= share
        # a draw at 0 or 1 would be infinite
        inner = np.clip(start + points[:, i] * share, 1e-300, 1.0 - 1e-16)
        draws[:, i] = special.ndtri(inner)
    return float(mass.mean())
