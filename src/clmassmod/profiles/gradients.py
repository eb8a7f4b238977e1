"""Derivatives of a halo's quantities by its mass and its concentration.

A halo ``rho = rho_s f(r / r_s)`` answers ``Q = rho_s r_s^k q(R / r_s)``. With
``d ln r_s = d ln M / 3 - d ln c`` and ``d ln rho_s = (3 - c m'(c)/m(c)) d ln c`` every
derivative follows from ``dQ / d ln R``, which the profile knows:

    dQ / d ln r_s = k Q - dQ / d ln R.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .base import Array

if TYPE_CHECKING:
    from .lensing import SourceArrays

Quantity = Callable[[str], Array]
"""The value (n, m) of a named quantity at the radii asked for."""


class _Rule(NamedTuple):
    power: float
    """k in Q = rho_s r_s^k q(R / r_s)."""
    slope: Callable[[Quantity, Array], Array]
    """dQ / d ln R from other quantities and the radii."""


RULES = {
    "density": _Rule(0.0, lambda q, r: q("density_slope")),
    "enclosed_mass": _Rule(3.0, lambda q, r: 4.0 * math.pi * r**3 * q("density")),
    "surface_density": _Rule(1.0, lambda q, r: q("surface_density_slope")),
    "mean_surface_density": _Rule(1.0, lambda q, r: -2.0 * q("excess_surface_density")),
    "excess_surface_density": _Rule(
        1.0, lambda q, r: -2.0 * q("excess_surface_density") - q("surface_density_slope")
    ),
    "enclosed_mass_2d": _Rule(3.0, lambda q, r: 2.0 * math.pi * r**2 * q("surface_density")),
}


def by_log_scales(name: str, quantity: Quantity, radius: Array) -> tuple[Array, Array]:
    """Return Q and ``dQ / d ln r_s`` of the quantity `name`."""
    rule = RULES[name]
    value = quantity(name)
    return value, rule.power * value - rule.slope(quantity, radius)


class Observable(NamedTuple):
    """Surface density and excess with their derivatives by one parameter, (n, m) each."""

    sigma: Array
    excess: Array
    sigma_derivative: Array
    excess_derivative: Array


def _linear(name: str, o: Observable, shear: Array, convergence: Array) -> Array:
    kappa, kappa_slope = o.sigma * convergence, o.sigma_derivative * convergence
    gamma, gamma_slope = o.excess * shear, o.excess_derivative * shear
    if name == "convergence":
        return kappa_slope
    if name == "tangential_shear":
        return gamma_slope
    if name == "reduced_tangential_shear":
        return (gamma_slope + gamma / (1.0 - kappa) * kappa_slope) / (1.0 - kappa)
    magnification = 1.0 / ((1.0 - kappa) ** 2 - gamma**2)
    return 2.0 * magnification**2 * ((1.0 - kappa) * kappa_slope + gamma * gamma_slope)


def lensing(name: str, o: Observable, sources: SourceArrays) -> Array:
    """Return the derivative of the lensing quantity `name` for `sources`, (n, m)."""
    inverse, weight = sources.plane_inverse, sources.plane_weight
    if inverse is None or weight is None or name in ("convergence", "tangential_shear"):
        return _linear(name, o, sources.shear, sources.convergence)
    total = np.zeros_like(o.sigma)
    for k in range(inverse.shape[1]):
        total += weight[:, k, None] * _linear(name, o, inverse[:, k, None], inverse[:, k, None])
    return total


def unit_by(unit: str, parameter: str) -> Any:
    """Return the unit of the derivative of a quantity in `unit` by `parameter`."""
    from astropy.units import Unit

    return Unit(unit) / Unit("Msun") if parameter == "mass" else Unit(unit)
