"""Priors of one parameter: distributions, functions of the user's, made from a configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..distributions import (
    Distribution,
    LogUniform,
    Normal,
    Uniform,
    distribution_from_dict,
)
from ..errors import ParameterError
from ..provenance import digest

__all__ = ["FunctionPrior", "LogUniform", "Normal", "Prior", "Uniform", "prior_from_dict"]

Array = npt.NDArray[np.float64]

Prior = Distribution
"""A prior is the distribution of a parameter before the data."""

_PANELS = 8192
_MOST_IN_PANEL = 0.02


class FunctionPrior(Distribution):
    """The density of a function of the user's.

    Parameters
    ----------
    function : callable
        ``function(x (n,)) -> (n,)``: natural logarithm of the density on the support, up to a
        constant; -inf where it vanishes.
    low, high : float
        Ends of the support.
    label : str, optional
        What files call it; the name of the function by default.

    Raises
    ------
    ParameterError
        A function that gives NaN or +inf, or vanishes; a peak narrower than 1/400 of the support.

    Notes
    -----
    The integral is by Simpson's rule on 8192 panels, the quantile by linear interpolation in
    it: both to about 1e-6 for densities a hundred panels wide.
    """

    name: ClassVar[str] = "function"

    def __init__(
        self, function: Callable[[Array], Any], low: float, high: float, label: str = ""
    ) -> None:
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ParameterError("(low, high)", (low, high), "finite with low < high")
        self.low, self.high = float(low), float(high)
        self.label = label or str(getattr(function, "__name__", type(function).__name__))
        self._function = function
        x = np.linspace(self.low, self.high, 2 * _PANELS + 1)
        values = self._evaluated(x)
        top = float(values.max())
        if not math.isfinite(top):
            raise ParameterError(self.label, top, "a log density that is finite somewhere")
        density = np.exp(values - top)
        step = (self.high - self.low) / _PANELS
        panels = (density[:-1:2] + 4.0 * density[1::2] + density[2::2]) * step / 6.0
        total = float(panels.sum())
        if panels.max() > _MOST_IN_PANEL * total:
            raise ParameterError(
                "(low, high)",
                (low, high),
                f"a support that {self.label} fills",
                "Its peak is too narrow for the support; give a smaller one.",
            )
        self._norm = top + math.log(total)
        self._knots = x[::2]
        self._below = np.concatenate([[0.0], np.cumsum(panels)]) / total
        self._below[-1] = 1.0
        self._digest = digest(values)

    @property
    def informative(self) -> bool:
        """Whether the density varies over its support (then best fits include it)."""
        return True

    def log_density(self, value: Any) -> Array:
        """Natural logarithm of the density; -inf outside the support."""
        x = np.asarray(value, dtype=np.float64)
        inside = (x >= self.low) & (x <= self.high)
        safe = np.where(inside, x, self.low)
        found = self._evaluated(safe.ravel()).reshape(x.shape)
        return np.where(inside, found - self._norm, -np.inf)

    def cdf(self, value: Any) -> Array:
        """Fraction of the mass below `value`: 0 below the support, 1 above."""
        return np.asarray(np.interp(value, self._knots, self._below))

    def quantile(self, probability: Any) -> Array:
        """Value below which a fraction `probability` in [0, 1] of the mass lies."""
        return np.asarray(np.interp(probability, self._below, self._knots))

    def to_dict(self) -> dict[str, Any]:
        """Return what tells the prior from others; the function itself is not in it."""
        return {
            "distribution": self.name,
            "label": self.label,
            "low": self.low,
            "high": self.high,
            "digest": self._digest,
        }

    def _evaluated(self, x: Array) -> Array:
        values = np.asarray(self._function(x), dtype=np.float64)
        if values.shape != x.shape:
            raise ParameterError(f"{self.label}(x).shape", values.shape, f"{x.shape}, as x")
        bad = np.isnan(values) | (values == np.inf)
        if bad.any():
            at = int(np.argmax(bad))
            where = f"{self.label}({float(x[at]):.10g})"
            raise ParameterError(where, float(values[at]), "finite, or -inf for no density")
        return values


def prior_from_dict(content: Mapping[str, Any] | Prior, where: str = "prior") -> Prior:
    """Return the prior of a mapping such as ``{"distribution": "uniform", "low": 0, "high": 1}``.

    Distributions: ``uniform`` and ``log-uniform`` (low, high), ``normal`` (mean, sd),
    ``truncated-normal`` (mean, sd, low, high).
    """
    if isinstance(content, Mapping) and content.get("distribution") == FunctionPrior.name:
        raise ParameterError(
            where, content.get("label"), "given as an object", "A file does not hold a function."
        )
    return distribution_from_dict(content, where)
