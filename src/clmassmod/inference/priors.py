"""Priors of parameters: distributions, made from a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..distributions import (
    Distribution,
    LogUniform,
    Normal,
    Uniform,
    distribution_from_dict,
)

__all__ = ["LogUniform", "Normal", "Prior", "Uniform", "prior_from_dict"]

Prior = Distribution
"""A prior is the distribution of a parameter before the data."""


def prior_from_dict(content: Mapping[str, Any] | Prior, where: str = "prior") -> Prior:
    """Return the prior of a mapping such as ``{"distribution": "uniform", "low": 0, "high": 1}``.

    Distributions: ``uniform`` and ``log-uniform`` (low, high), ``normal`` (mean, sd),
    ``truncated-normal`` (mean, sd, low, high).
    """
    return distribution_from_dict(content, where)
