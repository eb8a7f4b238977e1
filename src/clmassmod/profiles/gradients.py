"""Derivatives of a halo's quantities by its mass and its concentration.

A halo ``rho = rho_s f(r / r_s)`` answers ``Q = rho_s r_s^k q(R / r_s)``. With
``d ln r_s = d ln M / 3 - d ln c`` and ``d ln rho_s = (3 - c m'(c)/m(c)) d ln c`` every
derivative follows from ``dQ / d ln R``, which the profile knows:

    dQ / d ln r_s = k Q - dQ / d ln R.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._core.profile import QUANTITIES
from ..errors import ParameterError, nearest
from ..units import attach, has_unit
from .base import LENSING, UNITS, Array, RadialMass, per_profile

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


class HaloGradients(RadialMass):
    """A halo ``rho = rho_s f(r / r_s)`` of given mass and concentration, with derivatives.

    The shape of f must not depend on mass or concentration.
    """

    mass: Any
    concentration: Any

    @property
    @abstractmethod
    def scale_radius(self) -> Any:
        """Scale radius r_s [physical Mpc], scalar or (n,)."""

    def gradient(
        self, quantity: str, R: Any, z_s: Any = None, *, n_threads: int = 1
    ) -> dict[str, Any]:
        """Derivatives of a quantity by mass and by concentration, at fixed mass definition.

        Parameters
        ----------
        quantity : str
            Name of the method: ``"density"``, ``"enclosed_mass"``, ``"surface_density"``,
            ``"mean_surface_density"``, ``"excess_surface_density"``, ``"enclosed_mass_2d"``,
            ``"convergence"``, ``"tangential_shear"``, ``"reduced_tangential_shear"`` or
            ``"magnification"``.
        R : float or array, physical Mpc, > 0
            Radii, with the shapes of the method itself.
        z_s : as for the method
            Sources; only for the last four.

        Returns
        -------
        dict
            ``"mass"``: d/dM [unit of the quantity / Msun]; ``"concentration"``: d/dc. Each has
            the shape of the quantity. Analytic; see `clmassmod.profiles.gradients`.
        """
        is_lensing = quantity in LENSING
        if not is_lensing and quantity not in RULES:
            allowed = (*RULES, *LENSING)
            raise ParameterError(
                "quantity", quantity, f"one of {', '.join(allowed)}", nearest(quantity, allowed)
            )
        if is_lensing != (z_s is not None):
            raise ParameterError("z_s", z_s, f"{'given' if is_lensing else 'None'} for {quantity}")
        r, rows = self._radii(R)
        sources = None
        if is_lensing:
            r, rows, sources = self._sources(z_s, r, rows)

        @cache
        def value(name: str) -> Array:
            return self._evaluate(QUANTITIES[name], rows, None, n_threads)

        result = {}
        for name, derivative in self._log_derivatives(value, rows).items():
            if sources is None:
                slope = derivative(quantity)
            else:
                names = ("surface_density", "excess_surface_density")
                values = Observable(*map(value, names), *map(derivative, names))
                slope = lensing(quantity, values, sources)
            shaped = self._shaped(slope, r)
            unit = UNITS.get(quantity, "")
            result[name] = attach(shaped, unit_by(unit, name)) if has_unit(R) else shaped
        return result

    def _log_derivatives(self, value: Quantity, rows: Array) -> dict[str, Callable[[str], Array]]:
        """Return, for each parameter, what gives the derivative of a quantity by it."""
        n = self.shape[0] if self.shape else 1
        mass, c, r_s = (
            per_profile(a, n)[:, None] for a in (self.mass, self.concentration, self.scale_radius)
        )
        edge = c * r_s
        density = self._evaluate(QUANTITIES["density"], edge, None, 1)
        # 3 - c m'(c)/m(c), with m'/m from the density at r_Delta
        by_log_c = 3.0 - 4.0 * np.pi * edge**3 * density / mass

        def by_mass(name: str) -> Array:
            _, slope = by_log_scales(name, value, rows)
            return slope / (3.0 * mass)

        def by_concentration(name: str) -> Array:
            quantity, slope = by_log_scales(name, value, rows)
            return (by_log_c * quantity - slope) / c

        return {"mass": by_mass, "concentration": by_concentration}
