"""Probability that a lens is found, as a function of its Einstein radius."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from ..distributions import normal_rule
from ..errors import ParameterError

Array = npt.NDArray[np.float64]

FIND_NAMES = ("find_slope", "find_radius")
"""Names of the parameters of `FindingProbability` where they are free."""

GREATEST_SLOPE = 30.0
"""Of a probability that a selection can average [1/arcsec]."""

MEASURED = 4.0
"""Observed radii are more than so many times their error."""

_NOISE_NODES, _CUT_NODES = 11, 32
# errors beyond which the normal distribution is nothing
_NEAR = 6.0


@dataclass(frozen=True)
class FindingProbability:
    """``p_find(theta) = 1 / (1 + exp(-slope (theta - radius)))`` of the observed radius theta.

    Parameters
    ----------
    slope : float, 1/arcsec
        Between -30 and 30. With 0, the default, every radius is found alike.
    radius : float, arcsec
        Where half of the lenses are found.

    Raises
    ------
    ParameterError
        A slope outside its range, or a radius that is not finite.

    Notes
    -----
    Sonnenfeld (2022, A&A 659, A133). A constant factor of p_find is of no consequence: it
    is in the likelihood of a lens and in the normalisation of the sample.

    Examples
    --------
    >>> from clmassmod.population import FindingProbability
    >>> float(FindingProbability(slope=8.0, radius=1.0)(1.0))
    0.5
    """

    slope: float = 0.0
    radius: float = 1.0

    def __post_init__(self) -> None:
        if not (np.ndim(self.slope) == 0 and abs(self.slope) <= GREATEST_SLOPE):
            allowed = f"between -{GREATEST_SLOPE:g} and {GREATEST_SLOPE:g} per arcsec"
            raise ParameterError("finding.slope", self.slope, allowed)
        if not (np.ndim(self.radius) == 0 and np.isfinite(self.radius)):
            raise ParameterError("finding.radius", self.radius, "a finite number of arcsec")

    def __call__(self, theta: Any) -> Any:
        """Return p_find of observed radii [arcsec]."""
        return special.expit(self.slope * (np.asarray(theta) - self.radius))

    def to_dict(self) -> dict[str, float]:
        """Return the numbers by name."""
        return {"slope": float(self.slope), "radius": float(self.radius)}

    @classmethod
    def from_dict(cls, content: Mapping[str, float]) -> FindingProbability:
        """Return the probability of `to_dict`."""
        return cls(**content)


def log_find(theta: Array, find: Array) -> Array:
    """Return ln p_find (n, n_lenses) of radii (n_lenses,) at slopes and radii (n, 2)."""
    return np.asarray(-np.logaddexp(0.0, -find[:, :1] * (theta - find[:, 1:])))


def mean_find(theta: Array, sigma: float, find: Array) -> npt.NDArray[np.float32]:
    """Return the mean of p_find (n, m) over normal errors sigma of true radii (m,).

    Observed radii of four errors or less are not measured, and so never in a sample. In single
    precision, which is good to 1e-6; Gaussian nodes to 1e-6 for slopes up to 2 / sigma.
    """
    total = _mean_of_all(theta, sigma, find)
    near = theta < (MEASURED + _NEAR) * sigma
    if near.any():
        total[:, near] = _mean_of_measured(theta[near], sigma, find)
    return total


def _mean_of_measured(theta: Array, sigma: float, find: Array) -> npt.NDArray[np.float32]:
    """Return the mean where the smallest radius that is measured matters."""
    t, weight = np.polynomial.legendre.leggauss(_CUT_NODES)
    least = MEASURED * sigma
    half = 0.5 * (np.maximum(theta, least) + _NEAR * sigma - least)
    total = np.zeros((len(find), theta.size))
    for one, share in zip(t, weight, strict=True):
        x = least + half * (1.0 + one)
        density = np.exp(-0.5 * ((x - theta) / sigma) ** 2) / (np.sqrt(2.0 * np.pi) * sigma)
        total += share * half * density * special.expit(find[:, :1] * (x - find[:, 1:]))
    return total.astype(np.float32)


def _mean_of_all(theta: Array, sigma: float, find: Array) -> npt.NDArray[np.float32]:
    """Return the mean over all observed radii."""
    t, log_share = normal_rule(_NOISE_NODES if sigma > 0.0 else 1)
    slope, radius = find[:, :1], find[:, 1:]
    total = np.zeros((len(find), theta.size), dtype=np.float32)
    for one, share in zip(t, np.exp(log_share), strict=True):
        exponent = (slope * (radius - sigma * one)).astype(np.float32)
        exponent = exponent - slope.astype(np.float32) * theta.astype(np.float32)
        np.clip(exponent, -80.0, 80.0, out=exponent)
        total += np.float32(share) / (np.float32(1.0) + np.exp(exponent))
    return total
