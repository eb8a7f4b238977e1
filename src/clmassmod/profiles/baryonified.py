"""A halo with baryons: any profile of dark matter alone, and what baryons make of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import special

from .._core.lensing import lensing
from .._core.profile import QUANTITIES
from ..errors import NumericalError, ParameterError
from .baryons import BaryonModel
from .base import Array, RadialMass
from .custom import UserProfile
from .lensing import SourceArrays
from .numeric import RTOL_RANGE

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

_FIRST_LENSING = QUANTITIES["convergence"]
_RADII = (1e-6, 1e4)
"""In R_200c: where densities are sampled; they go on as power laws."""
_PART_RTOL = 1e-3
"""In rtol, and at least 1e-9: of masses of parts; the density of the whole, sampled as finely, is
made of them."""
_NOTHING_LEFT = 1e-60
"""Of the density at R_200c."""
_MAX_STEPS = 100
_LEAST_MASS = 1e10


class Baryonified(RadialMass):
    """A halo of dark matter alone with its baryons moved to where gas and stars are.

    Parameters
    ----------
    halo : profile
        The halo as of a simulation without baryons: one profile or n of them.
    baryons : BaryonModel
        By default that of Schneider et al. (2019).
    rtol : float, between 1e-8 and 1e-2
        Relative accuracy of every method.

    Raises
    ------
    ParameterError
        No profile; no baryon fraction; a mass too small for the stellar relations.
    NumericalError
        The densities are not smooth enough for `rtol`, or the relaxation does not converge.

    Notes
    -----
    ``rho = rho_gas + rho_central + rho_collisionless + rho_outside``. The part
    ``T rho_halo``, ``T = (1 + (r / epsilon R_200c)^2)^-2``, is the halo; its whole mass M is shared
    out, so that mass is conserved: far out, the enclosed mass is that of `halo`. The rest,
    ``(1 - T) rho_halo``, is left where it is. For an NFW halo, ``T rho_halo`` is the
    truncated profile of the paper.

    The collisionless mass inside r is ``f_clm M_i(r_i)`` with r_i from the relation of
    `BaryonModel`, solved to rounding, and ``M_f = f_clm M_i(r_i) + M_gas(r) + M_central(r)``; its
    density follows by differentiating that relation, not numerically. Gas, galaxy and relations
    take M_200c and R_200c of `halo`. The sum of densities is sampled and tabulated as in
    `clmassmod.UserProfile`, once a halo (some tenths of a second).

    Examples
    --------
    >>> import clmassmod as clm
    >>> halo = clm.NFW(5e14, 4.0, redshift=0.3)
    >>> full = clm.Baryonified(halo, clm.BaryonModel(baryon_fraction=0.16))
    >>> bool(full.enclosed_mass(0.02) > halo.enclosed_mass(0.02))
    True
    >>> bool(abs(full.enclosed_mass(1e3) / halo.enclosed_mass(1e3) - 1.0) < 1e-6)
    True
    """

    def __init__(
        self, halo: RadialMass, baryons: BaryonModel | None = None, *, rtol: float = 1e-6
    ) -> None:
        if not isinstance(halo, RadialMass):
            raise ParameterError("halo", halo, "a profile, such as clm.NFW(...)")
        model = BaryonModel() if baryons is None else baryons
        if not isinstance(model, BaryonModel):
            raise ParameterError("baryons", model, "a clmassmod.BaryonModel, or None")
        if not (isinstance(rtol, int | float | np.floating) and 1e-8 <= rtol <= 1e-2):
            raise ParameterError("rtol", rtol, "between 1e-08 and 0.01")
        arguments = {"halo": halo, "baryons": model, "rtol": float(rtol)}
        super().__init__(arguments, halo.redshift, halo.cosmology)
        self.halo, self.baryons, self.rtol = halo, model, float(rtol)
        self.rows = tuple(
            BaryonifiedHalo(single, model, self.rtol) for single in single_profiles(halo)
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """``()`` for one profile, ``(n,)`` for n of them."""
        return self.halo.shape

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other `halo`, `baryons` or `rtol`, or other arguments of the halo."""
        own = {name: changes.pop(name, value) for name, value in self._arguments.items()}
        if changes:
            own["halo"] = own["halo"].replace(**changes)
        return type(self)(**own)

    def _evaluate(
        self, quantity: int, radius: Array, sources: SourceArrays | None, n_threads: int
    ) -> Array:
        if quantity < _FIRST_LENSING:
            return self._each(quantity, radius, n_threads)
        assert sources is not None
        surface = self._each(QUANTITIES["surface_density"], radius, n_threads)
        excess = self._each(QUANTITIES["excess_surface_density"], radius, n_threads)
        shear, convergence, planes, weights, _ = sources
        out = np.empty_like(surface)
        lensing(quantity, surface, excess, shear, convergence, planes, weights, out, n_threads)
        return out

    def _each(self, quantity: int, radius: Array, n_threads: int) -> Array:
        rows = [
            row.total._evaluate(
                quantity, radius[i : i + 1] if len(radius) > 1 else radius, None, n_threads
            )
            for i, row in enumerate(self.rows)
        ]
        return np.concatenate(rows)

    def __repr__(self) -> str:
        gas = type(self.baryons.gas).__name__
        return f"Baryonified({self.halo!r}, gas={gas}, rtol={self.rtol:g})"


class BaryonifiedHalo:
    """The parts of one halo, each a profile.

    Parameters
    ----------
    halo : profile
        One profile.
    model : BaryonModel
    rtol : float
        Relative accuracy of `total`; parts are good to 1e-9 where they are not sums.
    """

    def __init__(self, halo: RadialMass, model: BaryonModel, rtol: float) -> None:
        self.halo, self.model, self.rtol = halo, model, rtol
        self.radius_200c = float(halo.spherical_overdensity_radius("200c"))
        self.mass_200c = float(halo.spherical_overdensity_mass("200c"))
        self.fractions = model.fractions(self.mass_200c, halo.cosmology)
        self._galaxy_radius = model.galaxy_size * self.radius_200c
        fine = max(_PART_RTOL * rtol, RTOL_RANGE[0])
        self.initial = self._profile(self._initial_density, fine, self._last_radius())
        self.mass = float(self.initial.enclosed_mass(1e6 * self.radius_200c))
        self._gas_scale = self.fractions.gas * self.mass / model.gas.total_shape(self.mass_200c)
        self._gas_scale /= self.radius_200c**3
        self.gas = self._profile(self._gas_density, fine)

    @cached_property
    def total(self) -> UserProfile:
        """Everything, what lies outside the halo included."""
        return self._profile(self._total_density, self.rtol)

    @cached_property
    def collisionless(self) -> UserProfile:
        """Dark matter and satellites of the halo."""
        return self._profile(self._collisionless_density, self.rtol)

    @cached_property
    def central(self) -> UserProfile:
        """Stars of the central galaxy."""
        if self.fractions.central == 0.0:
            raise ParameterError("stellar_fraction", 0.0, "> 0: there is no central galaxy")
        return UserProfile(
            self.halo.redshift,
            rho=self._central_density,
            cosmology=self.halo.cosmology,
            rtol=self.rtol,
        )

    def baryon_fraction(self, r: Any) -> Any:
        """Return the share of gas and stars in the mass within `r` [physical Mpc].

        What lies outside the halo has the cosmic share.
        """
        radius = np.asarray(r, dtype=np.float64)
        shares = self.fractions
        in_halo = np.asarray(self.gas.enclosed_mass(radius)) + self._central_mass(radius)
        collisionless = np.asarray(self.collisionless.enclosed_mass(radius))
        satellites = shares.satellites / shares.collisionless * collisionless
        outside = self.halo.enclosed_mass(radius) - self.initial.enclosed_mass(radius)
        baryons = in_halo + satellites + (1.0 - shares.dark) * outside
        return (baryons / self.total.enclosed_mass(radius))[()]

    def _last_radius(self) -> float:
        """Return where the halo ends: an exponential fall has underflowed somewhere."""
        radii = self.radius_200c * np.geomspace(1.0, _RADII[1], 200)
        density = np.asarray(self.halo.density(radii))
        kept = density > _NOTHING_LEFT * density[0]
        return float(radii[-1] if kept.all() else radii[max(int(np.argmin(kept)) - 1, 1)])

    def _profile(
        self, density: Callable[[Array], Array], rtol: float, last: float | None = None
    ) -> UserProfile:
        low, high = (edge * self.radius_200c for edge in _RADII)
        if last is not None:
            high = last
        return UserProfile(
            self.halo.redshift,
            rho=density,
            radius_range=(low, high),
            cosmology=self.halo.cosmology,
            rtol=rtol,
        )

    # -- densities [Msun / Mpc^3] and masses [Msun] ----------------------------------------------

    def _halo_share(self, r: Array) -> tuple[Array, Array]:
        """Return T, and 1 - T without cancellation."""
        t = (r / (self.model.truncation * self.radius_200c)) ** 2
        share = 1.0 / (1.0 + t) ** 2
        return share, t * (2.0 + t) * share

    def _initial_density(self, r: Array) -> Array:
        return np.asarray(self._halo_share(r)[0] * self.halo.density(r))

    def _gas_density(self, r: Array) -> Array:
        shape = self.model.gas.density_shape(r / self.radius_200c, self.mass_200c)
        return np.asarray(self._gas_scale * shape)

    def _central_density(self, r: Array) -> Array:
        size = self._galaxy_radius
        norm = self.fractions.central * self.mass / (4.0 * math.pi**1.5 * size)
        return np.asarray(norm * np.exp(-((r / (2.0 * size)) ** 2)) / r**2)

    def _central_mass(self, r: Array) -> Array:
        share = special.erf(r / (2.0 * self._galaxy_radius))
        return np.asarray(self.fractions.central * self.mass * share)

    def _total_density(self, r: Array) -> Array:
        outside = self._halo_share(r)[1] * self.halo.density(r)
        baryons = self._gas_density(r) + self._central_density(r)
        return np.asarray(baryons + self._collisionless_density(r) + outside)

    def _collisionless_density(self, r: Array) -> Array:
        """Return ``f_clm rho_i(r_i) (r_i / r)^2 dr_i / dr``."""
        share = self.fractions.collisionless
        a, n = self.model.relaxation, self.model.relaxation_power
        inside = self.gas.enclosed_mass(r) + self._central_mass(r)
        r_i = self._initial_radius(r, inside)
        mass, density = self.initial.enclosed_mass(r_i), self._initial_density(r_i)
        final = share * mass + inside
        q = mass / final
        # G(r_i, r) = r - r_i (1 - a + a q^n) = 0, with the derivatives of q from the masses
        slope = r_i * a * n * q ** (n - 1.0)
        q_initial = 4.0 * math.pi * r_i**2 * density * inside / final**2
        baryons = self._gas_density(r) + self._central_density(r)
        q_final = -mass * 4.0 * math.pi * r**2 * baryons / final**2
        derivative = (1.0 - slope * q_final) / (1.0 - a + a * q**n + slope * q_initial)
        return np.asarray(share * density * (r_i / r) ** 2 * derivative)

    def _initial_radius(self, r: Array, inside: Array) -> Array:
        """Return where the collisionless matter at `r` came from, `inside` the baryons there."""
        share = self.fractions.collisionless
        a, n = self.model.relaxation, self.model.relaxation_power
        # r / r_i lies between what no and what all of the final mass being collisionless gives
        low, high = np.log(r / (1.0 - a + a * share**-n)), np.log(r / (1.0 - a))
        target, s = np.log(r), np.log(r)
        for _ in range(_MAX_STEPS):
            r_i = np.exp(s)
            mass = np.asarray(self.initial.enclosed_mass(r_i))
            final = share * mass + inside
            power = a * (mass / final) ** n
            excess = s + np.log(1.0 - a + power) - target
            low, high = np.where(excess <= 0.0, s, low), np.where(excess >= 0.0, s, high)
            # d ln M / d ln r_i, and with it d ln q / d ln r_i
            steep = 4.0 * math.pi * r_i**3 * self._initial_density(r_i) / mass
            slope = 1.0 + n * power / (1.0 - a + power) * steep * inside / final
            proposed = s - excess / slope
            inner = (proposed >= low) & (proposed <= high)
            proposed = np.where(inner, proposed, 0.5 * (low + high))
            done = np.max(np.abs(proposed - s)) < 1e-14 * (1.0 + np.max(np.abs(s)))
            s = proposed
            if done:
                return np.asarray(np.exp(s))
        raise NumericalError(f"the relaxation of {self.halo!r} does not converge")


@dataclass(frozen=True)
class BaryonifiedKind:
    """A kind of halo with baryons, called as the class of that kind is: for `HaloModel.profile`.

    Parameters
    ----------
    kind : class of a profile
        Such as `clmassmod.NFW`.
    baryons : BaryonModel
    rtol : float
        1e-4 is ample for data, and a halo then costs a tenth of a second.

    Examples
    --------
    >>> import clmassmod as clm
    >>> from clmassmod.profiles.baryonified import BaryonifiedKind
    >>> kind = BaryonifiedKind(clm.NFW, clm.BaryonModel(baryon_fraction=0.16))
    >>> kind(5e14, 4.0, redshift=0.3).shape
    ()
    """

    kind: Callable[..., RadialMass]
    baryons: BaryonModel = field(default_factory=BaryonModel)
    rtol: float = 1e-4

    @property
    def ends_with_peak_height(self) -> bool:
        """Whether the kind is undefined above some mass, by its relation with the peak height."""
        return bool(getattr(self.kind, "ends_with_peak_height", False))

    def least_mass(self, cosmology: FLRW) -> float:
        """Return a mass [Msun], of any definition, above which the kind is defined.

        Four times that of `BaryonModel`, which is of M_200c: the masses of a halo in all usual
        definitions lie within that. Not below 1e10 Msun, where the gas has no sensible slope.
        """
        return max(4.0 * self.baryons.least_mass(cosmology), _LEAST_MASS)

    def __call__(self, *arguments: Any, **named: Any) -> RadialMass:
        """Return the halo of these arguments with its baryons."""
        return Baryonified(self.kind(*arguments, **named), self.baryons, rtol=self.rtol)


def single_profiles(halo: RadialMass) -> list[RadialMass]:
    """Return the profiles of a batch one by one.

    Raises
    ------
    ParameterError
        A batch made of other profiles, such as a `Composite` of n.
    """
    if not halo.shape:
        return [halo]
    arrays = {
        name: value
        for name, value in halo._arguments.items()
        if np.shape(value) == halo.shape and np.asarray(value).dtype.kind in "fiu"
    }
    singles = [
        halo.replace(**{name: value[i] for name, value in arrays.items()})
        for i in range(halo.shape[0])
    ]
    if singles[0].shape:
        raise ParameterError("halo", halo, "one profile, or a batch of one kind of profile")
    return singles
