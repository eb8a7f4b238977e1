"""Free parameters of a fit and the coordinates a sampler moves in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..inference.priors import LogUniform, Prior, prior_from_dict

Array = npt.NDArray[np.float64]

CENTRE = ("centre_x", "centre_y")
"""Offsets of the centre from the nominal one [Mpc], in the axes of the galaxies."""
MASS_UNIT = 1e14
"""Coordinates of a linear mass are in units of this [Msun]."""


@dataclass(frozen=True)
class FreeParameter:
    """A free parameter: its name, its prior, and its coordinate.

    The coordinate is ln(value) under a log-uniform prior and value / unit otherwise, so
    that a sampler sees numbers of order one.
    """

    name: str
    prior: Prior

    @property
    def _logarithmic(self) -> bool:
        return isinstance(self.prior, LogUniform)

    @property
    def unit(self) -> float:
        """What one step of a linear coordinate is."""
        return MASS_UNIT if self.name == "mass" else 1.0

    def to_coordinate(self, value: Any) -> Array:
        """Return the coordinate of `value`."""
        x = np.asarray(value, dtype=np.float64)
        return np.log(x) if self._logarithmic else x / self.unit

    def to_value(self, coordinate: Any) -> Array:
        """Return the value at `coordinate`."""
        u = np.asarray(coordinate, dtype=np.float64)
        return np.exp(u) if self._logarithmic else u * self.unit

    def log_jacobian(self, coordinate: Any) -> Array:
        """Return ln |d value / d coordinate|."""
        u = np.asarray(coordinate, dtype=np.float64)
        return u if self._logarithmic else np.full_like(u, np.log(self.unit))

    @property
    def bounds(self) -> tuple[float, float]:
        """Coordinates of the ends of the support."""
        low, high = self.prior.low, self.prior.high
        return float(self.to_coordinate(low)), float(self.to_coordinate(high))


class ParameterSet:
    """The free parameters of a fit, in order."""

    def __init__(self, parameters: Sequence[FreeParameter]) -> None:
        names = [p.name for p in parameters]
        if "mass" not in names:
            raise ParameterError("parameters", names, "a set that contains 'mass'")
        self.parameters = tuple(parameters)
        self.names = tuple(names)
        """Names, in order."""

    @classmethod
    def from_priors(cls, priors: Mapping[str, Any]) -> ParameterSet:
        """Return the set of a mapping name -> prior (a `Prior`, or a mapping describing one)."""
        return cls(
            [
                FreeParameter(name, prior_from_dict(prior, f"priors.{name}"))
                for name, prior in priors.items()
            ]
        )

    def __len__(self) -> int:
        return len(self.parameters)

    def to_values(self, coordinates: Any) -> Array:
        """Return the values (..., P) at `coordinates` (..., P)."""
        u = np.asarray(coordinates, dtype=np.float64)
        return np.stack([p.to_value(u[..., i]) for i, p in enumerate(self.parameters)], axis=-1)

    def log_prior(self, values: Any) -> Array:
        """Return the log density of the prior in the values themselves, (...,)."""
        x = np.asarray(values, dtype=np.float64)
        total: Array = np.zeros(x.shape[:-1])
        for i, p in enumerate(self.parameters):
            total = total + p.prior.log_density(x[..., i])
        return total

    def log_jacobian(self, coordinates: Any) -> Array:
        """Return ln |d values / d coordinates|, (...,)."""
        u = np.asarray(coordinates, dtype=np.float64)
        total: Array = np.zeros(u.shape[:-1])
        for i, p in enumerate(self.parameters):
            total = total + p.log_jacobian(u[..., i])
        return total

    def log_penalty(self, values: Any) -> Array:
        """Return the log density of the informative priors only, as a best fit includes them."""
        x = np.asarray(values, dtype=np.float64)
        total: Array = np.zeros(x.shape[:-1])
        for i, p in enumerate(self.parameters):
            if p.prior.informative:
                total = total + p.prior.log_density(x[..., i])
        return total

    def to_dict(self) -> dict[str, Any]:
        """Return name -> prior as plain values."""
        return {p.name: p.prior.to_dict() for p in self.parameters}
