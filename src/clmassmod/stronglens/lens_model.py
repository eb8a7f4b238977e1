"""Lenses of stars and dark matter, and lenses of any profile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gammaln

from .._core import axisym as core
from ..cosmology import MassDef
from ..errors import NumericalError, ParameterError
from ..profiles.base import RadialMass
from ..profiles.composite import Composite
from ..profiles.numeric import RTOL_RANGE, NumericProfile
from ..units import as_float_array, attach, has_unit
from ._tables import sersic_b, sersic_tables, slope_panels
from .lens import Array, AxisymmetricLens, Geometry, broadcast, flat, positive_lengths, require

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

HALOES = ("m200c", "m5kpc")
APERTURE = 5.0
"""Radius [kpc] of the cylinder that ``halo="m5kpc"`` is normalised in."""
_LOG_RANGE = (-30.0, 30.0)
_LOG_MASS = ">= -30 and < 30: log10 of Msun"
_LOG_LENGTH = ">= -6 and < 6: log10 of kpc"


class LensModel(AxisymmetricLens):
    """A galaxy as a lens: Sersic stars and a generalised NFW halo with one centre.

    Parameters
    ----------
    log_mstar : float or array
        log10 of the stellar mass [Msun].
    log_mhalo : float or array
        log10 of the halo mass [Msun], as `halo` says.
    log_re : float or array
        log10 of the radius of half the light [kpc in the lens plane].
    z_l, z_s : float or array
        Redshifts of lens and source, ``0 < z_l < z_s``.
    gamma_in : float or array, >= 0 and < 3
        Inner slope of the dark matter, ``rho ~ x^-gamma (1 + x)^(gamma - 3)``; 1 is NFW.
    c200 : float or array, > 0
        Concentration ``r_200c / r_s``; not used with ``halo="m5kpc"``.
    sersic_n : float or array, >= 0.5 and < 20
        Sersic index; 4 is de Vaucouleurs'.
    cosmology : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``.
    halo : {"m200c", "m5kpc"}
        What `log_mhalo` is: the mass inside the sphere of 200 times the critical density, or
        the dark mass projected inside 5 kpc.
    scale_radius : float or array, kpc, > 0
        r_s of the halo, with ``halo="m5kpc"`` only.

    Raises
    ------
    ParameterError
        A parameter outside its range, or shapes that do not broadcast.

    Notes
    -----
    Everything follows from the mean convergence inside x, which is the sum of a Sersic
    profile (b_n from ``Gamma(2n) = 2 gamma(2n, b_n)``, exactly) and a generalised NFW
    profile, both tabulated from the package's own profiles with their derivatives; see
    `profile` for the same lens as a sum of those. Deflections are good to 1e-11 (stars to
    1e-13) above 1e-4 scale radii of the halo, and to 3e-10 further in; convergences to 6e-11
    of the mean convergence.

    Examples
    --------
    >>> from clmassmod.stronglens import LensModel
    >>> lens = LensModel(11.5, 13.0, 0.9)
    >>> print(f"{lens.einstein_radius():.9f} {lens.caustic_radius():.9f}")
    4.849775675 3.502521959
    >>> print(f"{lens.to_arcsec(lens.einstein_radius()):.3f}")
    1.089
    """

    def __init__(
        self,
        log_mstar: Any,
        log_mhalo: Any,
        log_re: Any,
        z_l: Any = 0.3,
        z_s: Any = 2.0,
        gamma_in: Any = 1.0,
        c200: Any = 5.0,
        sersic_n: Any = 4.0,
        cosmology: FLRW | None = None,
        halo: str = "m200c",
        scale_radius: Any = None,
    ) -> None:
        if halo not in HALOES:
            raise ParameterError("halo", halo, f"one of {', '.join(HALOES)}")
        if (scale_radius is None) != (halo == "m200c"):
            wanted = "left out with halo='m200c'" if halo == "m200c" else "given with halo='m5kpc'"
            raise ParameterError("scale_radius", scale_radius, wanted)
        self.halo = halo
        self.geometry = Geometry(z_l, z_s, cosmology)
        self.log_mstar = _bounded(log_mstar, "log_mstar", *_LOG_RANGE, _LOG_MASS)
        self.log_mhalo = _bounded(log_mhalo, "log_mhalo", *_LOG_RANGE, _LOG_MASS)
        self.log_re = _bounded(log_re, "log_re", -6.0, 6.0, _LOG_LENGTH)
        self.gamma_in = _bounded(gamma_in, "gamma_in", 0.0, 3.0, ">= 0 and < 3 (inner slope)")
        self.sersic_n = _bounded(sersic_n, "sersic_n", 0.5, 20.0, ">= 0.5 and < 20")
        self.c200 = as_float_array(c200, "", "c200")
        require(self.c200, (self.c200 > 0.0) & (self.c200 < 1e6), "c200", "> 0 and < 1e6")
        self.scale_radius = (
            None if scale_radius is None else positive_lengths(scale_radius, "scale_radius")
        )
        self._fill()

    def _fill(self) -> None:
        """Set shape, amplitudes and radii of both components."""
        given = {
            "log_mstar": self.log_mstar,
            "log_mhalo": self.log_mhalo,
            "log_re": self.log_re,
            "gamma_in": self.gamma_in,
            "c200": self.c200,
            "sersic_n": self.sersic_n,
            "z_l": self.geometry.z_l,
            "z_s": self.geometry.z_s,
        }
        if self.scale_radius is not None:
            given["scale_radius"] = self.scale_radius
        self.shape = broadcast(**given)[0].shape
        self._flat = {name: flat(array, self.shape) for name, array in given.items()}
        inverse = flat(self.geometry.inverse_sigma_critical, self.shape)
        radius = 10.0 ** self._flat["log_re"]
        n, mass = self._indices, self._flat["log_mstar"]
        unit = unit_star_amplitude(n, sersic_b(n))
        self._star = unit * 10.0**mass * inverse / (radius * radius)
        self._star_radius = radius
        self._halo, self._halo_radius = (
            self._from_virial_mass(inverse)
            if self.halo == "m200c"
            else self._from_aperture(inverse)
        )

    @property
    def _indices(self) -> Array:
        """Sersic indices: one if all lenses share it, also if there are no lenses."""
        return self.sersic_n.reshape(1) if self.sersic_n.ndim == 0 else self._flat["sersic_n"]

    def _from_virial_mass(self, inverse: Array) -> tuple[Array, Array]:
        amplitude, radius = np.empty(inverse.size), np.empty(inverse.size)
        core.halo_scales(
            self._flat["log_mhalo"],
            self._flat["c200"],
            self._flat["gamma_in"],
            flat(reference_density(self.geometry.z_l, self.cosmology), self.shape),
            inverse,
            amplitude,
            radius,
            1,
        )
        return amplitude, radius

    def _from_aperture(self, inverse: Array) -> tuple[Array, Array]:
        radius = self._flat["scale_radius"]
        unit = np.ones(inverse.size)
        lenses = self._core_arrays(np.zeros(inverse.size), self._star_radius, unit, radius, None)
        out = np.empty((4, inverse.size))
        core.values(lenses, np.full(inverse.size, APERTURE), out, 1)
        mass = 10.0 ** self._flat["log_mhalo"]
        return mass * inverse / (math.pi * APERTURE**2 * out[0]), radius

    # -- what the base asks for -----------------------------------------------------------------

    def _arrays(self, shape: tuple[int, ...]) -> core.LensArrays:
        return self._parts(shape, 1.0)

    def _parts(self, shape: tuple[int, ...], stars: float) -> core.LensArrays:
        """Return the lenses with the stars' amplitude multiplied by `stars`."""
        columns = (stars * self._star, self._star_radius, self._halo, self._halo_radius)
        return self._core_arrays(*columns, None if shape == self.shape else shape)

    def _core_arrays(
        self,
        star: Array,
        star_radius: Array,
        halo: Array,
        halo_radius: Array,
        shape: tuple[int, ...] | None,
    ) -> core.LensArrays:
        slope = self._flat["gamma_in"]
        tables, shapes, which = sersic_tables(self._indices)
        panels = slope_panels(slope)

        def spread(array: Array) -> Array:
            return array if shape is None else flat(array.reshape(self.shape), shape)

        return core.LensArrays.star_halo(
            spread(star),
            spread(star_radius),
            spread(halo),
            spread(halo_radius),
            spread(slope),
            tables,
            shapes,
            None if which is None else spread(which.astype(np.float64)).astype(np.uintp),
            panels,
        )

    # -- masses ---------------------------------------------------------------------------------

    def halo_mass_within(self, r: Any, *, n_threads: int = 1) -> Any:
        """Dark mass [Msun] projected inside r [kpc in the lens plane, > 0]."""
        radius = positive_lengths(r, "r")
        shape = self._shape_with("r", radius)
        out = np.empty((4, math.prod(shape)))
        core.values(self._parts(shape, 0.0), flat(radius, shape), out, n_threads)
        sigma = np.broadcast_to(1.0 / self.geometry.inverse_sigma_critical, shape)
        mass = math.pi * radius * radius * sigma * out[0].reshape(shape)
        return attach(mass, "Msun") if has_unit(r) else mass[()]

    def virial_mass_and_concentration(self) -> tuple[Any, Any]:
        """Return (log10 M_200c [Msun], c_200), of ``halo="m5kpc"`` too.

        Raises
        ------
        NumericalError
            A halo that is nowhere 200 times denser than the critical density.
        """
        if self.halo == "m200c":
            return np.broadcast_to(self.log_mhalo, self.shape)[()], np.broadcast_to(
                self.c200, self.shape
            )[()]
        rho = flat(reference_density(self.geometry.z_l, self.cosmology), self.shape)
        sigma = flat(self.geometry.inverse_sigma_critical, self.shape)
        contrast = self._halo / (sigma * self._halo_radius) / rho
        concentration = _concentration(contrast, self._flat["gamma_in"])
        radius = concentration * self._halo_radius
        log_mass = np.log10(4.0 * math.pi / 3.0 * rho * radius**3)
        return log_mass.reshape(self.shape)[()], concentration.reshape(self.shape)[()]

    def profile(self, *, rtol: float = 1e-9) -> Composite:
        """Return the same lens as a sum of profiles, `Sersic` and `gNFW` (lengths in Mpc).

        Raises
        ------
        ParameterError
            Lenses in more than one dimension.
        """
        from ..profiles.numeric_halos import gNFW
        from ..profiles.stars import Sersic

        if len(self.shape) > 1:
            raise ParameterError("shape", self.shape, "() or (n,) to make profiles")
        mass, concentration = self.virial_mass_and_concentration()
        common = {"redshift": self.z_l, "cosmology": self.cosmology, "rtol": rtol}
        stars = Sersic(10.0**self.log_mstar, 1e-3 * 10.0**self.log_re, self.sersic_n, **common)
        halo = gNFW(10.0**mass, concentration, inner_slope=self.gamma_in, mass_def="200c", **common)
        return Composite([stars, halo])

    def __repr__(self) -> str:
        if self.shape:
            return f"LensModel({math.prod(self.shape)} lenses, halo={self.halo!r})"
        given = {name: column[0] for name, column in self._flat.items()}
        return f"LensModel({', '.join(f'{name}={value:.6g}' for name, value in given.items())})"


def reference_density(z_l: Array, cosmology: FLRW) -> Array:
    """Return 200 times the critical density [Msun / kpc^3]."""
    return np.asarray(MassDef.from_name("200c").density(z_l, cosmology)) * 1e-9


def unit_star_amplitude(index: Array | float, b: Array) -> Array:
    """Return ``b^(2n) / (2 pi n Gamma(2n))``: R_e^2 times the central density of mass 1."""
    n = np.asarray(index)
    # either factor overflows for large n
    return np.asarray(np.exp(2.0 * n * np.log(b) - gammaln(2.0 * n)) / (2.0 * math.pi * n))


def _bounded(value: Any, name: str, low: float, high: float, allowed: str = "") -> Array:
    """Return a parameter as a float array with ``low <= value < high``."""
    array = as_float_array(value, "", name)
    text = allowed or f">= {low:g} and < {high:g}"
    require(array, (array >= low) & (array < high), name, text)
    return array


def _concentration(contrast: Array, inner_slope: Array) -> Array:
    """Return c with ``3 m(c) rho_s / c^3 = rho_Delta``; `contrast` is rho_s / rho_Delta."""
    low, high = np.full(contrast.size, -12.0), np.full(contrast.size, 14.0)
    mass = np.empty(contrast.size)
    for _ in range(60):
        middle = 0.5 * (low + high)
        c = np.exp(middle)
        core.enclosed_mass(c, inner_slope, mass)
        inside = 3.0 * contrast * mass > c**3
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    if np.any(low < -11.9):
        raise NumericalError(
            f"halo {int(np.argmax(low < -11.9))} is nowhere 200 times as dense as the universe"
        )
    return np.asarray(np.exp(0.5 * (low + high)))


# -- any profile -----------------------------------------------------------------------------------


class ProfileLens(AxisymmetricLens):
    """Any mass profile as a strong lens, such as a `clmassmod.Composite`.

    Parameters
    ----------
    profile : RadialMass
        One profile or n of them; its redshift is that of the lens.
    z_s : float or (n,)
        Redshift of the source, above that of the lens.
    stars : RadialMass, optional
        The part of `profile` that is stars, for `stars_convergence`.

    Raises
    ------
    ParameterError
        No profile, a source in front of the lens, or more profiles than memory allows.
    NumericalError
        A profile too rough to be tabulated, such as one that is cut off.

    Notes
    -----
    The mean surface density is tabulated for each profile from 1e-6 to 1e6 kpc (41 kB each),
    integrated ones to ``rtol=1e-9``; radii outside are an error. Deflections agree with the
    profile's own to 1e-9, convergences to 1e-7.

    Examples
    --------
    >>> import clmassmod as clm
    >>> from clmassmod.stronglens import ProfileLens
    >>> halo = clm.NFW(1e13, 5.0, redshift=0.3)
    >>> galaxy = clm.DeVaucouleurs(3e11, 0.008, redshift=0.3)
    >>> lens = ProfileLens(clm.Composite([halo, galaxy]), z_s=2.0, stars=galaxy)
    >>> print(f"{lens.einstein_radius():.3f}")
    4.664
    """

    MOST_PROFILES = 50_000
    _TOLERANCE = 1e-7

    def __init__(self, profile: RadialMass, z_s: Any, stars: RadialMass | None = None) -> None:
        for name, one in (("profile", profile), ("stars", stars)):
            if not isinstance(one, RadialMass) and not (name == "stars" and one is None):
                raise ParameterError(name, one, "a profile, such as clm.Composite([...])")
        self.profile = profile
        self.geometry = Geometry(profile.redshift, z_s, profile.cosmology)
        self.shape = broadcast(
            profile=np.empty(profile.shape), z_s=self.geometry.inverse_sigma_critical
        )[0].shape
        if stars is not None:
            broadcast(profile=np.empty(self.shape), stars=np.empty(stars.shape))
            if not np.all(np.equal(stars.redshift, profile.redshift)):
                raise ParameterError("stars.redshift", stars.redshift, "that of the profile")
        n = math.prod(self.shape)
        if n > self.MOST_PROFILES:
            raise ParameterError(
                "profile", f"array of {n}", f"at most {self.MOST_PROFILES}", "Use LensModel."
            )
        self._total = self._tabulated(profile)
        self._stars = None if stars is None else self._tabulated(stars)

    def _tabulated(self, profile: RadialMass) -> tuple[core.MeanTable, ...]:
        radius = np.empty((core.SAMPLED_SIZE // 8, 8))
        core.sampled_nodes(radius)
        good = _accurate(profile)
        mean = np.atleast_2d(good.mean_surface_density(1e-3 * radius.reshape(-1)))
        inverse = flat(self.geometry.inverse_sigma_critical, self.shape)
        mean = np.broadcast_to(mean, (inverse.size, mean.shape[1]))
        tables = tuple(
            core.MeanTable.sampled((row * (1e-6 * one)).reshape(-1, 8))
            for row, one in zip(mean, inverse, strict=True)
        )
        self._check(good, tables, inverse)
        return tables

    def _check(
        self, profile: RadialMass, tables: tuple[core.MeanTable, ...], inverse: Array
    ) -> None:
        """Compare the tables with the profile between their nodes."""
        radius = np.geomspace(1.1e-6, 0.9e6, 1999)
        exact = np.atleast_2d(profile.mean_surface_density(1e-3 * radius))
        for i, table in enumerate(tables):
            out = np.empty((4, radius.size))
            core.values(core.LensArrays.sampled((table,) * radius.size, None), radius, out, 1)
            truth = exact[i if len(exact) > 1 else 0] * (1e-6 * inverse[i])
            error = np.abs(out[0] / truth - 1.0)
            if not error.max() <= self._TOLERANCE:
                at = radius[int(np.argmax(~(error <= error.max())))]
                raise NumericalError(
                    f"{type(profile).__name__} cannot be tabulated for lensing: at {at:.3g} kpc "
                    f"the table is off by {error.max():.1e}; is the profile cut off?"
                )

    def _arrays(self, shape: tuple[int, ...]) -> core.LensArrays:
        which = np.broadcast_to(np.arange(len(self._total)).reshape(self.shape), shape).reshape(-1)
        total = tuple(self._total[i] for i in which)
        stars = None if self._stars is None else tuple(self._stars[i] for i in which)
        return core.LensArrays.sampled(total, stars)

    def __repr__(self) -> str:
        return f"ProfileLens({self.profile!r}, z_s={self.z_s!r})"


def _accurate(profile: RadialMass) -> RadialMass:
    """Return `profile` with what is integrated in it as accurate as can be."""
    if isinstance(profile, Composite):
        return profile.replace(components=[_accurate(part) for part in profile.components])
    if isinstance(profile, NumericProfile):
        return profile.replace(rtol=RTOL_RANGE[0])
    return profile
