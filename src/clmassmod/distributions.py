"""One-dimensional distributions: a density with a support, its integral, and its inverse.

They serve as priors of parameters (`clmassmod.inference.priors`) and as what properties of
objects are drawn from.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import special

from .errors import ParameterError, nearest

Array = npt.NDArray[np.float64]


def normal_rule(n: int) -> tuple[Array, Array]:
    """Return nodes and ln weights of n points for means over a standard normal number.

    Gauss-Hermite: exact for polynomials of degree 2 n - 1; one point is the mean itself.
    """
    t, weight = np.polynomial.hermite_e.hermegauss(n)
    return t, np.log(weight / weight.sum())


class Distribution(ABC):
    """A normalised density on ``[low, high]``."""

    name: ClassVar[str]
    low: float
    high: float

    @abstractmethod
    def log_density(self, value: Any) -> Array:
        """Natural logarithm of the density; -inf outside the support."""

    @abstractmethod
    def cdf(self, value: Any) -> Array:
        """Fraction of the mass below `value`: 0 below the support, 1 above."""

    @abstractmethod
    def quantile(self, probability: Any) -> Array:
        """Value below which a fraction `probability` in [0, 1] of the mass lies."""

    @property
    def informative(self) -> bool:
        """Whether the density varies over its support (then best fits include it)."""
        return False

    def to_dict(self) -> dict[str, Any]:
        """Return what `distribution_from_dict` makes the same object from."""
        return {"distribution": self.name, **asdict(self)}  # type: ignore[call-overload]


def _checked_interval(low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ParameterError("(low, high)", (low, high), "finite with low < high")


@dataclass(frozen=True)
class Uniform(Distribution):
    """Constant density on ``[low, high]``."""

    low: float
    high: float
    name: ClassVar[str] = "uniform"

    def __post_init__(self) -> None:
        _checked_interval(self.low, self.high)

    def log_density(self, value: Any) -> Array:
        """Natural logarithm of the density; -inf outside the support."""
        x = np.asarray(value, dtype=np.float64)
        inside = (x >= self.low) & (x <= self.high)
        return np.where(inside, -math.log(self.high - self.low), -np.inf)

    def cdf(self, value: Any) -> Array:
        """Fraction of the mass below `value`: 0 below the support, 1 above."""
        x = np.clip(np.asarray(value, dtype=np.float64), self.low, self.high)
        return np.asarray((x - self.low) / (self.high - self.low))

    def quantile(self, probability: Any) -> Array:
        """Value below which a fraction `probability` in [0, 1] of the mass lies."""
        return np.asarray(self.low + np.asarray(probability) * (self.high - self.low))


@dataclass(frozen=True)
class LogUniform(Distribution):
    """Density proportional to 1/x on ``[low, high]``, ``low > 0``."""

    low: float
    high: float
    name: ClassVar[str] = "log-uniform"

    def __post_init__(self) -> None:
        _checked_interval(self.low, self.high)
        if self.low <= 0.0:
            raise ParameterError("low", self.low, "> 0 for a log-uniform density")

    def log_density(self, value: Any) -> Array:
        """Natural logarithm of the density; -inf outside the support."""
        x = np.asarray(value, dtype=np.float64)
        inside = (x >= self.low) & (x <= self.high)
        safe = np.where(inside, x, self.low)
        norm = math.log(math.log(self.high / self.low))
        return np.where(inside, -np.log(safe) - norm, -np.inf)

    def cdf(self, value: Any) -> Array:
        """Fraction of the mass below `value`: 0 below the support, 1 above."""
        x = np.clip(np.asarray(value, dtype=np.float64), self.low, self.high)
        return np.asarray(np.log(x / self.low) / math.log(self.high / self.low))

    def quantile(self, probability: Any) -> Array:
        """Value below which a fraction `probability` in [0, 1] of the mass lies."""
        return np.asarray(self.low * (self.high / self.low) ** np.asarray(probability))


@dataclass(frozen=True)
class Normal(Distribution):
    """Normal density, cut to ``[low, high]`` and renormalised if these are given."""

    mean: float
    sd: float
    low: float = -math.inf
    high: float = math.inf
    name: ClassVar[str] = "normal"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd > 0.0):
            raise ParameterError("(mean, sd)", (self.mean, self.sd), "finite with sd > 0")
        if not self.low < self.high:
            raise ParameterError("(low, high)", (self.low, self.high), "low < high")
        start, end = self._tails()
        if end - start < 1e-12:
            raise ParameterError(
                "(low, high)", (self.low, self.high), "an interval that holds some of the mass"
            )

    @property
    def informative(self) -> bool:
        """Whether the density varies over its support (then best fits include it)."""
        return True

    @property
    def _sign(self) -> float:
        # areas are measured from the end with the smaller tail, where they keep their digits
        if math.isinf(self.low):
            return 1.0
        middle = self.low if math.isinf(self.high) else 0.5 * (self.low + self.high)
        return 1.0 if middle <= self.mean else -1.0

    def _tails(self) -> tuple[float, float]:
        """Return the areas beyond the two ends, on the side of the smaller tail."""
        ends = (self.low, self.high) if self._sign > 0.0 else (self.high, self.low)
        start, end = (float(self._tail(one)) for one in ends)
        return start, end

    def _tail(self, value: Any) -> Any:
        return special.ndtr(self._sign * (value - self.mean) / self.sd)

    def log_density(self, value: Any) -> Array:
        """Natural logarithm of the density; -inf outside the support."""
        x = np.asarray(value, dtype=np.float64)
        start, end = self._tails()
        norm = 0.5 * math.log(2.0 * math.pi) + math.log(self.sd) + math.log(end - start)
        inside = (x >= self.low) & (x <= self.high)
        return np.where(inside, -0.5 * ((x - self.mean) / self.sd) ** 2 - norm, -np.inf)

    def cdf(self, value: Any) -> Array:
        """Fraction of the mass below `value`: 0 below the support, 1 above."""
        x = np.clip(np.asarray(value, dtype=np.float64), self.low, self.high)
        start, end = self._tails()
        share = (self._tail(x) - start) / (end - start)
        return np.asarray(share if self._sign > 0.0 else 1.0 - share)

    def quantile(self, probability: Any) -> Array:
        """Value below which a fraction `probability` in [0, 1] of the mass lies."""
        u = np.asarray(probability, dtype=np.float64)
        start, end = self._tails()
        mass = start + (u if self._sign > 0.0 else 1.0 - u) * (end - start)
        value = self.mean + self._sign * self.sd * special.ndtri(mass)
        return np.asarray(np.clip(value, self.low, self.high))


_DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "uniform": Uniform,
    "log-uniform": LogUniform,
    "normal": Normal,
    "truncated-normal": Normal,
}


def distribution_from_dict(
    content: Mapping[str, Any] | Distribution, where: str = "distribution"
) -> Distribution:
    """Return what ``{"distribution": name, ...}`` describes; `where` is named in errors.

    Names and keys: ``uniform`` and ``log-uniform`` (low, high), ``normal`` and
    ``truncated-normal`` (mean, sd, and optionally low, high).
    """
    if isinstance(content, Distribution):
        return content
    arguments = dict(content)
    kind = str(arguments.pop("distribution", None))
    if kind not in _DISTRIBUTIONS:
        raise ParameterError(
            f"{where}.distribution",
            kind,
            f"one of {', '.join(_DISTRIBUTIONS)}",
            nearest(kind, _DISTRIBUTIONS),
        )
    try:
        return _DISTRIBUTIONS[kind](**{key: float(value) for key, value in arguments.items()})
    except TypeError:
        fields = ", ".join(_DISTRIBUTIONS[kind].__dataclass_fields__)  # type: ignore[attr-defined]
        raise ParameterError(
            where, dict(content), f"a {kind} distribution with keys {fields}"
        ) from None
