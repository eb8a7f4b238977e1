"""Stellar profiles: Sersic and de Vaucouleurs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import common_shape, parameter
from .numeric import NumericProfile

if TYPE_CHECKING:
    from astropy.cosmology import FLRW


class Sersic(NumericProfile):
    """Sersic surface density, ``Sigma = Sigma_0 exp(-b (R / R_e)^(1/n))``.

    Parameters
    ----------
    stellar_mass : float or (n,), Msun, > 0
        Total mass.
    effective_radius : float or (n,), physical Mpc, > 0
        R_e, the projected radius of half the mass.
    sersic_index : float or (n,), >= 0.5 and < 20
        n; 4 is de Vaucouleurs', 1 exponential, 0.5 Gaussian. Below 0.5 the deprojected
        density would rise outwards.
    redshift : float or (n,), >= 0
    cosmology : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``.
    rtol : float, between 1e-9 and 1e-2
        Relative accuracy of every method.
    tabulate : bool or None
        Whether to tabulate the integrals, which pays from some hundred radii; None does so
        for up to 8 distinct indices. False integrates every point to about 1e-11.

    Raises
    ------
    ParameterError
        A parameter outside its range, or shapes that do not broadcast to () or (n,).

    Notes
    -----
    Sersic (1968). ``b`` solves ``gamma(2n, b) = Gamma(2n) / 2`` exactly, and
    ``Sigma_0 = M b^(2n) / (2 pi n R_e^2 Gamma(2n))`` (Graham & Driver 2005). Density and
    enclosed mass are those of the sphere that projects to Sigma (Abel inversion). The
    surface density is 0 where it is below 1e-260 of the central one.

    Examples
    --------
    >>> import clmassmod as clm
    >>> galaxy = clm.Sersic(1e12, 0.02, 4.0, redshift=0.3)
    >>> half = galaxy.enclosed_mass_2d(0.02)
    >>> bool(abs(half / 5e11 - 1) < 1e-6)
    True
    """

    kind = "sersic"

    def __init__(
        self,
        stellar_mass: Any,
        effective_radius: Any,
        sersic_index: Any,
        redshift: Any,
        cosmology: FLRW | None = None,
        *,
        rtol: float = 1e-6,
        tabulate: bool | None = None,
    ) -> None:
        arguments = {
            "stellar_mass": stellar_mass,
            "effective_radius": effective_radius,
            "sersic_index": sersic_index,
            "redshift": redshift,
            "cosmology": cosmology,
            "tabulate": tabulate,
        }
        super().__init__(arguments, redshift, cosmology, rtol)
        self._set_stars(stellar_mass, effective_radius, sersic_index, tabulate)

    def _set_stars(
        self, stellar_mass: Any, effective_radius: Any, sersic_index: Any, tabulate: bool | None
    ) -> None:
        from scipy.special import gammaincinv, gammaln

        mass = parameter(stellar_mass, "Msun", "stellar_mass", 0.0)
        radius = parameter(effective_radius, "Mpc", "effective_radius", 0.0)
        index = parameter(sersic_index, "", "sersic_index", math.nextafter(0.5, 0.0), 20.0)
        self._shape = common_shape(
            stellar_mass=mass,
            effective_radius=radius,
            sersic_index=index,
            redshift=np.asarray(self.redshift),
        )
        self.stellar_mass, self.effective_radius = mass[()], radius[()]
        self.sersic_index = index[()]
        b = np.asarray(gammaincinv(2.0 * index, 0.5))
        self._set_parameters((index, b), tabulate)
        n = self._shape[0] if self._shape else 1
        # b^(2n) / Gamma(2n) by logarithms: either overflows for large n
        ratio = np.exp(2.0 * index * np.log(b) - gammaln(2.0 * index))
        central = mass * ratio / (2.0 * math.pi * index * radius * radius)
        self._radius_scale = np.array(np.broadcast_to(radius, (n,)))
        self._density_scale = np.array(np.broadcast_to(central / radius, (n,)))


class DeVaucouleurs(Sersic):
    """De Vaucouleurs surface density, a `Sersic` profile of index 4.

    Parameters
    ----------
    stellar_mass : float or (n,), Msun, > 0
        Total mass.
    effective_radius : float or (n,), physical Mpc, > 0
        Projected radius of half the mass.
    redshift : float or (n,), >= 0
    cosmology, rtol, tabulate
        As for `Sersic`.

    Raises
    ------
    ParameterError
        A parameter outside its range, or shapes that do not broadcast to () or (n,).

    Examples
    --------
    >>> import clmassmod as clm
    >>> galaxy = clm.DeVaucouleurs(1e12, 0.02, redshift=0.3)
    >>> bool(galaxy.surface_density(0.1) == clm.Sersic(1e12, 0.02, 4.0, 0.3).surface_density(0.1))
    True
    """

    def __init__(
        self,
        stellar_mass: Any,
        effective_radius: Any,
        redshift: Any,
        cosmology: FLRW | None = None,
        *,
        rtol: float = 1e-6,
        tabulate: bool | None = None,
    ) -> None:
        arguments = {
            "stellar_mass": stellar_mass,
            "effective_radius": effective_radius,
            "redshift": redshift,
            "cosmology": cosmology,
            "tabulate": tabulate,
        }
        NumericProfile.__init__(self, arguments, redshift, cosmology, rtol)
        self._set_stars(stellar_mass, effective_radius, 4.0, tabulate)
