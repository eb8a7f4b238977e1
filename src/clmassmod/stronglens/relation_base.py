"""What a relation between properties of galaxies is, and the simplest ones."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import special

from ..distributions import Distribution, Normal
from ..errors import FitError, ParameterError, nearest

Array = npt.NDArray[np.float64]
Columns = Mapping[str, Array]

LOG_TWO_PI = math.log(2.0 * math.pi)
_SAME = 1e-12


class Relation(ABC):
    """Conditional distribution of one property, given the ones drawn before.

    A subclass defines the four abstract methods; `given` maps names of columns
    (``z_l, log_msps, log_re, log_mhalo, gamma_in, alpha_sps`` as far as they are drawn) to
    arrays of shape (n,). Where there is no scatter, `log_density` is 0 at the value and
    -inf elsewhere.
    """

    kind: ClassVar[str] = "user"

    @property
    def n_uniforms(self) -> int:
        """Uniform random numbers that one draw takes."""
        return 1

    @abstractmethod
    def sample(self, uniforms: Array, given: Columns) -> Array:
        """Return (n,) draws made of `uniforms`, (n, n_uniforms) within (0, 1)."""

    @abstractmethod
    def log_density(self, value: Any, given: Columns) -> Array:
        """Natural logarithm of the density at `value`, (n,)."""

    @abstractmethod
    def cdf(self, value: Any, given: Columns) -> Array:
        """Probability of a smaller value, (n,)."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the relation as plain values, for metadata."""

    def fitted(self, value: Any, given: Columns) -> Relation:
        """Return the relation of this kind that fits best; itself if there is nothing to fit."""
        return self


@dataclass(frozen=True)
class Constant(Relation):
    """A property without scatter: the same value for every galaxy."""

    value: float
    kind: ClassVar[str] = "constant"

    def __post_init__(self) -> None:
        check_finite(value=self.value)

    @property
    def n_uniforms(self) -> int:
        """Uniform random numbers that one draw takes: none."""
        return 0

    def sample(self, uniforms: Array, given: Columns) -> Array:
        """Return the value, (n,) times."""
        return np.full(uniforms.shape[0], self.value)

    def log_density(self, value: Any, given: Columns) -> Array:
        """Return 0 at the value, -inf elsewhere."""
        return point_log_density(value, self.value)

    def cdf(self, value: Any, given: Columns) -> Array:
        """Return 1 from the value on, 0 below."""
        return point_cdf(value, self.value)

    def to_dict(self) -> dict[str, Any]:
        """Return the relation as plain values."""
        return {"relation": self.kind, "value": self.value}


@dataclass(frozen=True)
class Independent(Relation):
    """A property that depends on no other, with any one-dimensional distribution.

    Parameters
    ----------
    distribution : Distribution
        Such as ``Normal(1.0, 0.2, low=0.0, high=2.0)`` for the inner slope of the halo.
    """

    distribution: Distribution
    kind: ClassVar[str] = "independent"

    def __post_init__(self) -> None:
        if not isinstance(self.distribution, Distribution):
            raise ParameterError("distribution", self.distribution, "a clmassmod Distribution")

    @classmethod
    def fit_normal(cls, value: Any, low: float = -math.inf, high: float = math.inf) -> Independent:
        """Return the normal distribution, cut to ``[low, high]``, of maximum likelihood.

        Raises
        ------
        FitError
            If the values are too few or do not differ, or the search fails.
        """
        x = sample_values("value", value, 2)
        if x.min() < low or x.max() > high:
            raise ParameterError("value", f"{x.min():.6g} to {x.max():.6g}", f"[{low}, {high}]")
        mean, sd = float(x.mean()), float(x.std())
        if not sd > 0.0:
            raise FitError("all values are equal: a normal distribution needs scatter")

        def cost(theta: Array) -> float:
            width = sd * math.exp(theta[1])
            trial = Normal(mean + sd * theta[0], width, low, high)
            # the sample enters by its mean and variance alone
            return float(-trial.log_density(mean) + 0.5 * (sd / width) ** 2)

        # the bounds hold the mean within 30 sd of the data's and sd within a factor 20
        best = minimised(cost, np.zeros(2), bounds=[(-30.0, 30.0), (-3.0, 3.0)])
        return cls(Normal(mean + sd * best[0], sd * math.exp(best[1]), low, high))

    def sample(self, uniforms: Array, given: Columns) -> Array:
        """Return (n,) draws: the quantiles of `uniforms` (n, 1)."""
        return self.distribution.quantile(uniforms[:, 0])

    def log_density(self, value: Any, given: Columns) -> Array:
        """Natural logarithm of the density at `value`, (n,)."""
        return self.distribution.log_density(value)

    def cdf(self, value: Any, given: Columns) -> Array:
        """Probability of a smaller value, (n,)."""
        return self.distribution.cdf(value)

    def fitted(self, value: Any, given: Columns) -> Relation:
        """Return the fit of a normal distribution with the same ends; others stay as they are."""
        if not isinstance(self.distribution, Normal):
            return self
        return self.fit_normal(value, self.distribution.low, self.distribution.high)

    def to_dict(self) -> dict[str, Any]:
        """Return the relation as plain values."""
        return {"relation": self.kind, **self.distribution.to_dict()}


class NormalRelation(Relation):
    """Base of relations with a mean that depends on other properties and a normal scatter."""

    @abstractmethod
    def mean(self, given: Columns) -> Array:
        """Mean at the properties `given`, (n,)."""

    @property
    @abstractmethod
    def standard_deviation(self) -> float:
        """Scatter about the mean, >= 0."""

    @property
    def n_uniforms(self) -> int:
        """Uniform random numbers that one draw takes: none without scatter."""
        return 1 if self.standard_deviation > 0.0 else 0

    def sample(self, uniforms: Array, given: Columns) -> Array:
        """Return (n,) draws of `uniforms` (n, n_uniforms)."""
        mean = np.broadcast_to(self.mean(given), uniforms.shape[:1])
        if self.n_uniforms == 0:
            return np.array(mean)
        return np.asarray(mean + self.standard_deviation * special.ndtri(uniforms[:, 0]))

    def log_density(self, value: Any, given: Columns) -> Array:
        """Natural logarithm of the density at `value`, (n,)."""
        x, sd, mean = np.asarray(value, dtype=np.float64), self.standard_deviation, self.mean(given)
        if sd == 0.0:
            return point_log_density(x, mean)
        return np.asarray(-0.5 * ((x - mean) / sd) ** 2 - math.log(sd) - 0.5 * LOG_TWO_PI)

    def cdf(self, value: Any, given: Columns) -> Array:
        """Probability of a smaller value, (n,)."""
        x, sd, mean = np.asarray(value, dtype=np.float64), self.standard_deviation, self.mean(given)
        return point_cdf(x, mean) if sd == 0.0 else np.asarray(special.ndtr((x - mean) / sd))


# ---------------------------------------------------------------------------------------
# Helpers


def column(given: Columns, name: str) -> Array:
    """Return a column of `given`; an error names it if it is not there."""
    if name not in given:
        allowed = f"one of the columns drawn before: {', '.join(given) or 'none'}"
        raise ParameterError("column", name, allowed, nearest(name, given))
    return np.asarray(given[name], dtype=np.float64)


def check_finite(**values: float) -> None:
    """Raise ParameterError unless every value is a finite number."""
    for name, value in values.items():
        if not (isinstance(value, int | float | np.number) and math.isfinite(value)):
            raise ParameterError(name, value, "a finite number")


def check_scatter(name: str, value: float) -> None:
    """Raise ParameterError unless `value` is finite and >= 0."""
    check_finite(**{name: value})
    if value < 0.0:
        raise ParameterError(name, value, ">= 0 (0 for no scatter)")


def point_log_density(value: Any, at: Any) -> Array:
    """Return 0 where `value` is `at`, -inf elsewhere."""
    # the value may have been through a sum with another order of roundings
    close = np.isclose(value, at, rtol=_SAME, atol=_SAME)
    return np.where(close, 0.0, -np.inf)


def point_cdf(value: Any, at: Any) -> Array:
    """Return the step from 0 to 1 at `at`."""
    return np.where(np.asarray(value) >= np.asarray(at) - _SAME, 1.0, 0.0)


def sample_values(name: str, value: Any, at_least: int) -> Array:
    """Return `value` as a finite (n,) array with n >= `at_least`."""
    x = np.asarray(value, dtype=np.float64)
    if x.ndim != 1 or x.size < at_least:
        raise ParameterError(name, f"array of shape {x.shape}", f"(n,) with n >= {at_least}")
    if not np.isfinite(x).all():
        at = int(np.argmin(np.isfinite(x)))
        raise ParameterError(f"{name}[{at}]", float(x[at]), "finite")
    return x


def least_squares(value: Any, columns: list[Array]) -> tuple[list[float], float]:
    """Return (1 + k) coefficients of 1 and the columns, and the rms of the residuals."""
    y = sample_values("value", value, len(columns) + 2)
    design = np.column_stack([np.ones_like(y), *(np.broadcast_to(c, y.shape) for c in columns)])
    coefficients, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    if rank < design.shape[1]:
        raise FitError("the columns of the fit do not vary independently: no unique slope")
    rms = float(np.sqrt(np.mean((y - design @ coefficients) ** 2)))
    # residuals of rounding alone are no scatter
    exact = rms <= _SAME * (1.0 + float(np.abs(y).max()))
    return [float(c) for c in coefficients], 0.0 if exact else rms


def minimised(cost: Any, start: Array, **options: Any) -> Array:
    """Return where `cost` is least, by L-BFGS-B."""
    from scipy.optimize import minimize

    found = minimize(cost, start, method="L-BFGS-B", tol=1e-13, **options)
    if not np.isfinite(found.fun):
        raise FitError(f"the likelihood could not be maximised: {found.message}")
    return np.asarray(found.x)
