"""How lenses are observed: noise of the data, and which pairs of images are detected."""

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


@dataclass(frozen=True)
class MockNoise:
    """Standard deviations of normal errors of the data.

    Parameters
    ----------
    magnitude : float, >= 0
        Of each image [mag].
    log_msps : float, >= 0
        Of the stellar mass of synthesis [dex].
    log_re : float, >= 0
        Of the half-light radius [dex].
    time_delay : float, >= 0, or None
        Of the time delay [days]; None makes no observed delay.
    """

    magnitude: float = 0.1
    log_msps: float = 0.1
    log_re: float = 0.0
    time_delay: float | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name == "time_delay" and value is None:
                continue
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not (number and math.isfinite(value) and value >= 0.0):
                raise ParameterError(f"noise.{name}", value, "a finite number >= 0")

    def to_dict(self) -> dict[str, Any]:
        """Return the standard deviations as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any] | MockNoise) -> MockNoise:
        """Return the noise of `to_dict`; missing keys take the defaults."""
        if isinstance(content, MockNoise):
            return content
        _check_mapping("noise", content, tuple(cls.__dataclass_fields__))
        return cls(**content)


class Detection(ABC):
    """Which pairs of images are found. A subclass of the user's serves as well."""

    kind: ClassVar[str] = "user"

    @abstractmethod
    def detects(self, m_a: Array, m_b: Array) -> npt.NDArray[np.bool_]:
        """Return (n,) whether pairs with these observed magnitudes are found."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain values, for metadata."""


@dataclass(frozen=True)
class MagnitudeLimit(Detection):
    """Pairs of which both images are brighter than `limit` [mag]."""

    limit: float = 26.5
    kind: ClassVar[str] = "magnitude-limit"

    def __post_init__(self) -> None:
        number = isinstance(self.limit, int | float | np.number)
        if not number or math.isnan(self.limit):
            raise ParameterError("limit", self.limit, "a magnitude (inf detects everything)")

    def detects(self, m_a: Array, m_b: Array) -> npt.NDArray[np.bool_]:
        """Return (n,) whether both magnitudes are below the limit; NaN is not."""
        return np.asarray((m_a < self.limit) & (m_b < self.limit))

    def probability(self, m: Any, sigma: float) -> Array:
        """Probability that one image of true magnitude `m` with error `sigma` is detected."""
        x = np.asarray(m, dtype=np.float64)
        if sigma == 0.0:
            return np.where(x < self.limit, 1.0, 0.0)
        return np.asarray(special.ndtr((self.limit - x) / sigma))

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain values."""
        return {"detection": self.kind, "limit": float(self.limit)}


def detection_from_dict(content: Mapping[str, Any] | Detection) -> Detection:
    """Return the rule of `Detection.to_dict`."""
    if isinstance(content, Detection):
        return content
    _check_mapping("detection", content, ("detection", "limit"))
    arguments = dict(content)
    kind = str(arguments.pop("detection", MagnitudeLimit.kind))
    if kind != MagnitudeLimit.kind:
        raise ParameterError("detection.detection", kind, f"{MagnitudeLimit.kind!r}")
    return MagnitudeLimit(**arguments)


def _check_mapping(name: str, content: Any, keys: tuple[str, ...]) -> None:
    if not isinstance(content, Mapping):
        raise ParameterError(name, content, f"an object or a mapping with {', '.join(keys)}")
    for key in content:
        if key not in keys:
            allowed = f"one of {', '.join(keys)}"
            raise ParameterError(f"{name} key", key, allowed, nearest(str(key), keys))
