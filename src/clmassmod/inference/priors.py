"""Priors: one-dimensional densities with a support, a quantile function and a name."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import special

from ..errors import ParameterError, nearest

Array = npt.NDArray[np.float64]


class Prior(ABC):
    """A normalised density on ``[low, high]``."""

    name: ClassVar[str]
    low: float
    high: float

    @abstractmethod
    def log_density(self, value: Any) -> Array:
        """Natural logarithm of the density; -inf outside the support."""

    @abstractmethod
    def quantile(self, probability: Any) -> Array:
        """Value below which a fraction `probability` in [0, 1] of the mass lies."""

    @property
    def informative(self) -> bool:
        """Whether the density varies over its support (then best fits include it)."""
        return False

    def to_dict(self) -> dict[str, Any]:
        """Return what `prior_from_dict` makes this prior from."""
        return {"distribution": self.name, **asdict(self)}  # type: ignore[call-overload]


def _checked_interval(low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ParameterError("(low, high)", (low, high), "finite with low < high")


@dataclass(frozen=True)
class Uniform(Prior):
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

    def quantile(self, probability: Any) -> Array:
        """Value below which a fraction `probability` in [0, 1] of the mass lies."""
        return np.asarray(self.low + np.asarray(probability) * (self.high - self.low))


@dataclass(frozen=True)
class LogUniform(Prior):
    """Density proportional to 1/x on ``[low, high]``, ``low > 0``."""

    low: float
    high: float
    name: ClassVar[str] = "log-uniform"

    def __post_init__(self) -> None:
        _checked_interval(self.low, self.high)
        if self.low <= 0.0:
            raise ParameterError("low", self.low, "> 0 for a log-uniform prior")

    def log_density(self, value: Any) -> Array:
        """Natural logarithm of the density; -inf outside the support."""
        x = np.asarray(value, dtype=np.float64)
        inside = (x >= self.low) & (x <= self.high)
        safe = np.where(inside, x, self.low)
        norm = math.log(math.log(self.high / self.low))
        return np.where(inside, -np.log(safe) - norm, -np.inf)

    def quantile(self, probability: Any) -> Array:
        """Value below which a fraction `probability` in [0, 1] of the mass lies."""
        return np.asarray(self.low * (self.high / self.low) ** np.asarray(probability))


@dataclass(frozen=True)
class Normal(Prior):
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
        if self._cdf(self.high) - self._cdf(self.low) < 1e-12:
            raise ParameterError(
                "(low, high)", (self.low, self.high), "an interval that holds some of the mass"
            )

    @property
    def informative(self) -> bool:
        """Whether the density varies over its support (then best fits include it)."""
        return True

    def _cdf(self, value: float) -> float:
        return float(special.ndtr((value - self.mean) / self.sd))

    def log_density(self, value: Any) -> Array:
        """Natural logarithm of the density; -inf outside the support."""
        x = np.asarray(value, dtype=np.float64)
        mass = self._cdf(self.high) - self._cdf(self.low)
        norm = 0.5 * math.log(2.0 * math.pi) + math.log(self.sd) + math.log(mass)
        inside = (x >= self.low) & (x <= self.high)
        return np.where(inside, -0.5 * ((x - self.mean) / self.sd) ** 2 - norm, -np.inf)

    def quantile(self, probability: Any) -> Array:
        """Value below which a fraction `probability` in [0, 1] of the mass lies."""
        # measured from the end with the smaller tail, where differences of the cdf keep digits
        sign = 1.0 if self.low + self.high <= 2.0 * self.mean or math.isinf(self.high) else -1.0
        u = np.asarray(probability, dtype=np.float64)
        start, end = (self.low, self.high) if sign > 0.0 else (self.high, self.low)
        below = special.ndtr(sign * (start - self.mean) / self.sd)
        above = special.ndtr(sign * (end - self.mean) / self.sd)
        mass = below + (u if sign > 0.0 else 1.0 - u) * (above - below)
        value = self.mean + sign * self.sd * special.ndtri(mass)
        return np.asarray(np.clip(value, self.low, self.high))


_PRIORS: dict[str, type[Prior]] = {
    "uniform": Uniform,
    "log-uniform": LogUniform,
    "normal": Normal,
    "truncated-normal": Normal,
}


def prior_from_dict(content: Mapping[str, Any] | Prior, where: str = "prior") -> Prior:
    """Return the prior of a mapping such as ``{"distribution": "uniform", "low": 0, "high": 1}``.

    Distributions: ``uniform`` and ``log-uniform`` (low, high), ``normal`` (mean, sd),
    ``truncated-normal`` (mean, sd, low, high).
    """
    if isinstance(content, Prior):
        return content
    arguments = dict(content)
    kind = str(arguments.pop("distribution", None))
    if kind not in _PRIORS:
        raise ParameterError(
            f"{where}.distribution", kind, f"one of {', '.join(_PRIORS)}", nearest(kind, _PRIORS)
        )
    try:
        return _PRIORS[kind](**{key: float(value) for key, value in arguments.items()})
    except TypeError:
        fields = ", ".join(_PRIORS[kind].__dataclass_fields__)  # type: ignore[attr-defined]
        raise ParameterError(where, dict(content), f"a {kind} prior with keys {fields}") from None
