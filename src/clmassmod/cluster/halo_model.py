"""`HaloModel`: what a fit assumes of every halo."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..cosmology import resolve_cosmology
from ..errors import ParameterError
from ..profiles.baryonified import BaryonifiedKind
from .baryon_factors import TabulatedKind
from .effects import Effects

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from ..profiles.base import RadialMass
    from ..profiles.compiled import SphericalOverdensityHalo

Array = npt.NDArray[np.float64]

_CONCENTRATION_NODES = 160
_LN_MASS_RANGE = (math.log(1e8), math.log(1e18))


@dataclass(frozen=True)
class HaloModel:
    """What is assumed of every halo of a fit.

    Parameters
    ----------
    profile : class of a halo profile
        Class of the profile: mass, concentration, redshift, mass_def, cosmology, and more.
    mass_def : str
    concentration : float, str or callable
        A number, the name of a c(M, z) relation, or a function of (mass, redshift); not
        used when the concentration is a free parameter.
    cosmology : astropy cosmology or None
    profile_parameters : mapping
        Further arguments of the profile, such as ``alpha`` of Einasto.
    power : LinearPower or None
        For relations that rest on the peak height.
    source_averaging : {"exact", "moments"}
        How the reduced shear is averaged over n(z): exactly, or with two moments of beta.
    effects : Effects
        Miscentring, two-halo term, boost factor, averages over bins; by default the last alone,
        where the data know their bins.
    """

    profile: Callable[..., RadialMass]
    mass_def: str = "200c"
    concentration: Any = "duffy08"
    cosmology: FLRW | None = None
    profile_parameters: dict[str, Any] = field(default_factory=dict)
    power: Any = None
    source_averaging: str = "exact"
    effects: Effects = field(default_factory=Effects)

    def __post_init__(self) -> None:
        if self.source_averaging not in ("exact", "moments"):
            raise ParameterError("source_averaging", self.source_averaging, "'exact' or 'moments'")
        if self.effects.two_halo and self.power is None:
            raise ParameterError("power", None, "a clm.LinearPower, for the two-halo term")

    def prepare(self) -> None:
        """Make the tables that all haloes share now, so that processes are sent them."""
        if isinstance(self.profile, TabulatedKind):
            self.profile.prepare()

    def concentration_of(self, redshift: float) -> Any:
        """Return a function c(mass) at `redshift`.

        A relation is put on a cubic spline of ln c against ln M from 1e8 to 1e18 Msun,
        160 nodes (relative error below 1e-6), once per cluster. A fit that passes through
        mass zero meets smaller masses, which have no signal: c is that of 1e8 Msun there.
        """
        if isinstance(self.concentration, int | float):
            value = float(self.concentration)
            return lambda mass: np.full(np.shape(mass), value)
        from scipy.interpolate import CubicSpline

        from ..profiles.concentration import concentration

        ln_mass = np.linspace(*_LN_MASS_RANGE, _CONCENTRATION_NODES)
        c = concentration(
            np.exp(ln_mass),
            redshift,
            mass_def=self.mass_def,
            relation=self.concentration,
            cosmology=self.cosmology,
            power=self.power,
        )
        spline = CubicSpline(ln_mass, np.log(c))
        return lambda mass: np.exp(spline(np.clip(np.log(mass), *_LN_MASS_RANGE)))

    def halo_of(
        self,
        mass: Array,
        redshift: Any,
        concentration: Any,
        like: SphericalOverdensityHalo | None = None,
        **others: Array,
    ) -> tuple[RadialMass, Array]:
        """Return the haloes of signed masses (B,), and what their signals are to be multiplied by.

        That is the sign of the mass. Masses below the least that the profile is defined for, such
        as a fit with baryons passes on its way through zero, have no signal to speak of: they are
        the halo of the least mass times their share of it.

        `concentration` is an array, or a function of the size of the mass; `like` a halo of the
        same redshift that they are otherwise like; `others` are further free parameters of the
        profile.
        """
        sign = np.sign(mass)
        size = np.where(sign == 0.0, 1.0, np.abs(mass))
        if isinstance(self.profile, BaryonifiedKind):
            least = self.profile.least_mass(resolve_cosmology(self.cosmology))
            sign = np.where(size < least, mass / least, sign)
            size = np.maximum(size, least)
        c = concentration(size) if callable(concentration) else concentration
        if like is not None:
            return like._of_masses(size, c), sign
        halo = self.profile(
            size,
            c,
            redshift=redshift,
            mass_def=self.mass_def,
            cosmology=self.cosmology,
            **{**self.profile_parameters, **others},
        )
        return halo, sign
