"""What baryons do to a halo: gas, stars, and how dark matter answers (Schneider et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from scipy import integrate

from ..errors import ParameterError
from .base import Array

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

_LITTLE_H = 0.7
"""Of masses that the papers give in Msun / h."""


class GasModel(Protocol):
    """The form of the gas density; its mass is that of the halo's share of gas."""

    def density_shape(self, x: Array, mass: float) -> Array:
        """Return the density at ``x = r / R_200c`` of a halo of M_200c `mass` [Msun], unscaled."""

    def total_shape(self, mass: float) -> float:
        """Return ``int_0^inf 4 pi x^2 density_shape dx``."""


@dataclass(frozen=True)
class SchneiderGas:
    """Gas with a core, ejected by feedback (Schneider et al. 2019).

    ``rho ~ (1 + r/r_co)^-beta (1 + (r/r_ej)^2)^-((7 - beta)/2)``, ``r_co = core R_200c``,
    ``r_ej = ejection R_200c`` and ``beta = 3 - (mass_scale / M_200c)^mass_slope``.

    Parameters
    ----------
    core : float, > 0
        theta_co.
    ejection : float, > 0
        theta_ej: how far, in R_200c, gas has been driven.
    mass_scale : float, Msun, > 0
        M_c, the mass of haloes whose gas has the slope -2. 6.6e13 Msun / h by default.
    mass_slope : float, >= 0
        mu.
    """

    core: float = 0.1
    ejection: float = 4.0
    mass_scale: float = 6.6e13 / _LITTLE_H
    mass_slope: float = 0.21

    def __post_init__(self) -> None:
        _require_positive(self, "core", "ejection", "mass_scale")
        _require_not_negative(self, "mass_slope")

    def slope(self, mass: float) -> float:
        """Return beta of a halo of M_200c `mass` [Msun]; below zero, gas rises outwards."""
        return float(3.0 - (self.mass_scale / mass) ** self.mass_slope)

    def density_shape(self, x: Array, mass: float) -> Array:
        """Return the density at ``x = r / R_200c``, one at the centre."""
        beta = self.slope(mass)
        outer = -0.5 * (7.0 - beta) * np.log1p((x / self.ejection) ** 2)
        return np.asarray(np.exp(outer - beta * np.log1p(x / self.core)))

    def total_shape(self, mass: float) -> float:
        """Return ``int_0^inf 4 pi x^2 density_shape dx``, to 1e-11."""
        return _total(lambda x: self.density_shape(x, mass), (self.core, self.ejection))


@dataclass(frozen=True)
class CromerGas:
    """Gas of a generalised NFW profile (Cromer et al. 2022).

    ``rho ~ y^-inner (1 + y^sharpness)^-((outer - inner)/sharpness) (1 + (x/truncation)^2)^-2``,
    ``x = r / R_200c``, ``y = x / core``. The default slopes are those of simulated clusters with
    feedback (Battaglia 2016, 1e14 Msun at redshift 0).

    Parameters
    ----------
    core : float, > 0
        Where the slope changes, in R_200c; the paper keeps it at 0.5.
    sharpness : float, > 0
        How sharply; 1 / alpha of the paper.
    outer : float, >= 0
        beta, minus the slope beyond the core.
    inner : float, < 3
        gamma, minus the slope at the centre.
    truncation : float, > 0
        Where the gas ends, in R_200c: as the halo does. In the paper it goes on and is given the
        baryons within 3.3 Mpc, some three R_200c, which the truncated halo holds as well.
    """

    core: float = 0.5
    sharpness: float = 0.88
    outer: float = 3.83
    inner: float = 0.2
    truncation: float = 4.0

    def __post_init__(self) -> None:
        _require_positive(self, "core", "sharpness", "truncation")
        _require_not_negative(self, "outer")
        if not -math.inf < self.inner < 3.0:
            raise ParameterError("inner", self.inner, "finite and < 3", "Else its mass diverges.")

    def density_shape(self, x: Array, mass: float) -> Array:
        """Return the density at ``x = r / R_200c``; the same for every mass."""
        ln_y = np.log(x / self.core)
        fall = (self.outer - self.inner) / self.sharpness * np.logaddexp(0.0, self.sharpness * ln_y)
        end = 2.0 * np.log1p((x / self.truncation) ** 2)
        return np.asarray(np.exp(-self.inner * ln_y - fall - end))

    def total_shape(self, mass: float) -> float:
        """Return ``int_0^inf 4 pi x^2 density_shape dx``, to 1e-11."""
        return _total(lambda x: self.density_shape(x, mass), (self.core, self.truncation))


class Fractions(NamedTuple):
    """Shares of the mass of a halo; they add up to 1."""

    gas: float
    central: float
    """Stars of the central galaxy."""
    satellites: float
    """Stars of all other galaxies, which move as dark matter does."""
    dark: float

    @property
    def collisionless(self) -> float:
        """Dark matter and satellites."""
        return self.dark + self.satellites


@dataclass(frozen=True)
class BaryonModel:
    """Shares and places of gas, stars and dark matter in a halo.

    Parameters
    ----------
    gas : SchneiderGas or CromerGas
    baryon_fraction : float or None
        Omega_b / Omega_m, 0 < f < 1; None takes it from the cosmology, which must have Ob0.
    stellar_fraction : float, >= 0
        A: the share of stars is ``A (stellar_mass_scale / M_200c)^stellar_slope``; 0 for none.
    stellar_mass_scale : float, Msun, > 0
        2.5e11 Msun / h by default.
    stellar_slope, central_slope : float
        eta of all stars and of the central galaxy.
    galaxy_size : float, > 0
        R_h / R_200c of the central galaxy, ``rho ~ exp(-(r / 2 R_h)^2) / r^2``.
    relaxation, relaxation_power : float, 0 <= a < 1 and n > 0
        Dark matter and satellites move from r_i to r_f by ``r_f / r_i - 1 = a ((M_i / M_f)^n - 1)``
        (Abadi et al. 2010); 0 for none.
    truncation : float, > 0
        epsilon: the share ``(1 + (r / epsilon R_200c)^2)^-2`` of the density at r is the halo whose
        baryons move; the rest, which falls in or lies behind, stays as it is.

    Notes
    -----
    Schneider et al. (2019, arXiv 1810.08629), section 2, with their default parameters. Without
    stars and relaxation and with `CromerGas` it is the model of Cromer et al. (2022, arXiv
    2104.06925), but for where the gas ends:
    ``BaryonModel(CromerGas(), stellar_fraction=0.0, relaxation=0.0)``.
    """

    gas: GasModel = field(default_factory=SchneiderGas)
    baryon_fraction: float | None = None
    stellar_fraction: float = 0.09
    stellar_mass_scale: float = 2.5e11 / _LITTLE_H
    stellar_slope: float = 0.32
    central_slope: float = 0.6
    galaxy_size: float = 0.015
    relaxation: float = 0.3
    relaxation_power: float = 2.0
    truncation: float = 4.0

    def __post_init__(self) -> None:
        _require_positive(
            self, "stellar_mass_scale", "galaxy_size", "relaxation_power", "truncation"
        )
        _require_not_negative(self, "stellar_fraction", "relaxation")
        if self.relaxation >= 1.0:
            raise ParameterError("relaxation", self.relaxation, ">= 0 and < 1")
        given = self.baryon_fraction
        if given is not None and not 0.0 < given < 1.0:
            raise ParameterError("baryon_fraction", given, "> 0 and < 1, or None")
        for name in ("stellar_slope", "central_slope"):
            if not math.isfinite(getattr(self, name)):
                raise ParameterError(name, getattr(self, name), "finite")

    def cosmic_fraction(self, cosmology: FLRW) -> float:
        """Return Omega_b / Omega_m."""
        if self.baryon_fraction is not None:
            return self.baryon_fraction
        if not cosmology.Ob0:
            raise ParameterError(
                "baryon_fraction",
                None,
                "given, or Ob0 in the cosmology",
                "BaryonModel(baryon_fraction=0.16), say.",
            )
        return float(cosmology.Ob0 / cosmology.Om0)

    def least_mass(self, cosmology: FLRW) -> float:
        """Return the M_200c [Msun] above which `fractions` are defined; 0 without stars.

        Raises
        ------
        ParameterError
            The shares of stars do not fall with mass, that of the central galaxy fastest.
        """
        baryons = self.cosmic_fraction(cosmology)
        if self.stellar_fraction == 0.0:
            return 0.0
        if not 0.0 < self.stellar_slope <= self.central_slope:
            raise ParameterError(
                "stellar_slope",
                self.stellar_slope,
                f"> 0 and <= central_slope {self.central_slope}",
            )
        ratio = (self.stellar_fraction / baryons) ** (1.0 / self.stellar_slope)
        return float(self.stellar_mass_scale * max(1.0, ratio))

    def fractions(self, mass: float, cosmology: FLRW) -> Fractions:
        """Return the shares of a halo of M_200c `mass` [Msun].

        Raises
        ------
        ParameterError
            More stars than baryons, or more in the central galaxy than in all: the relations
            end at small masses.
        """
        baryons = self.cosmic_fraction(cosmology)
        ratio = self.stellar_mass_scale / mass
        stars = self.stellar_fraction * ratio**self.stellar_slope
        central = self.stellar_fraction * ratio**self.central_slope
        if stars >= baryons or central > stars:
            raise ParameterError(
                "mass",
                mass,
                "large enough for fewer stars than baryons, and fewer in the central galaxy than "
                "in all",
                f"The shares would be {stars:.3g} and {central:.3g}, of {baryons:.3g}.",
            )
        return Fractions(baryons - stars, central, stars - central, 1.0 - baryons)


def _total(shape: Callable[[Array], Array], scales: tuple[float, float]) -> float:
    """Return ``int_0^inf 4 pi x^2 shape dx`` of a density that changes its slope at `scales`."""

    def integrand(t: float) -> float:
        return math.exp(3.0 * t) * float(shape(np.asarray(math.exp(t))))

    # 1e-12 farther in a cusp x^-2, and 1e12 farther out a fall x^-4, hold 1e-12 of the mass
    low, high = math.log(1e-12 * min(scales)), math.log(1e12 * max(scales))
    edges = np.linspace(low, high, math.ceil(high - low) + 1)
    parts = [
        integrate.quad(integrand, a, b, epsabs=0.0, epsrel=1e-12)[0] for a, b in pairwise(edges)
    ]
    return 4.0 * math.pi * math.fsum(parts)


def _require_positive(model: object, *names: str) -> None:
    for name in names:
        if not 0.0 < getattr(model, name) < math.inf:
            raise ParameterError(name, getattr(model, name), "finite and > 0")


def _require_not_negative(model: object, *names: str) -> None:
    for name in names:
        if not 0.0 <= getattr(model, name) < math.inf:
            raise ParameterError(name, getattr(model, name), "finite and >= 0")
