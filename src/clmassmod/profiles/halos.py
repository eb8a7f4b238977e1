"""Dark-matter halo profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..cosmology import MassDef
from .base import parameter
from .compiled import SphericalOverdensityHalo

if TYPE_CHECKING:
    from astropy.cosmology import FLRW


class NFW(SphericalOverdensityHalo):
    """Navarro-Frenk-White halo, ``rho = rho_s / (x (1 + x)^2)``, ``x = r / r_s``.

    Parameters
    ----------
    mass : float or (n,), Msun, > 0
        Mass inside the radius of `mass_def`.
    concentration : float or (n,), > 0
        ``R_Delta / r_s`` of the same definition.
    redshift : float or (n,), >= 0
    mass_def : str or MassDef
        ``"200c"``, ``"500c"``, ``"200m"``, ``"vir"`` or any ``MassDef``.
    cosmology : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``.

    Raises
    ------
    ParameterError
        A parameter outside its range, or shapes that do not broadcast to () or (n,).

    Notes
    -----
    Navarro, Frenk & White (1997); projections by Bartelmann (1996) and Wright & Brainerd
    (2000), in a form without cancellation: relative error below 1e-13 for 1e-8 < x < 1e6
    against 60-digit arithmetic, x = 1 included.

    Examples
    --------
    >>> import clmassmod as clm
    >>> halo = clm.NFW(5e14, 4.0, redshift=0.3)
    >>> print(f"{halo.reduced_tangential_shear(1.0, z_s=1.0):.6f}")
    0.033448
    """

    kind = "nfw"

    def __init__(
        self,
        mass: Any,
        concentration: Any,
        redshift: Any,
        mass_def: str | MassDef = "200c",
        cosmology: FLRW | None = None,
    ) -> None:
        arguments = {
            "mass": mass,
            "concentration": concentration,
            "redshift": redshift,
            "mass_def": mass_def,
            "cosmology": cosmology,
        }
        super().__init__(arguments, redshift, cosmology)
        self._set_scales(mass, concentration, mass_def, None)


class Hernquist(SphericalOverdensityHalo):
    """Hernquist halo, ``rho = rho_s / (x (1 + x)^3)``, ``x = r / r_s``.

    Parameters
    ----------
    mass : float or (n,), Msun, > 0
        Mass inside the radius of `mass_def`; the total mass is ``mass ((1 + c) / c)^2``.
    concentration : float or (n,), > 0
        ``R_Delta / r_s`` of the same definition.
    redshift : float or (n,), >= 0
    mass_def : str or MassDef
        ``"200c"``, ``"500c"``, ``"200m"``, ``"vir"`` or any ``MassDef``.
    cosmology : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``.

    Raises
    ------
    ParameterError
        A parameter outside its range, or shapes that do not broadcast to () or (n,).

    Notes
    -----
    Hernquist (1990), in a form without cancellation: relative error below 1e-13 for
    1e-8 < x < 1e6 against 60-digit arithmetic, x = 1 included.

    Examples
    --------
    >>> import clmassmod as clm
    >>> halo = clm.Hernquist(5e14, 4.0, redshift=0.3)
    >>> print(f"{halo.enclosed_mass(4.0 * halo.scale_radius):.6e}")
    5.000000e+14
    """

    kind = "hernquist"

    def __init__(
        self,
        mass: Any,
        concentration: Any,
        redshift: Any,
        mass_def: str | MassDef = "200c",
        cosmology: FLRW | None = None,
    ) -> None:
        arguments = {
            "mass": mass,
            "concentration": concentration,
            "redshift": redshift,
            "mass_def": mass_def,
            "cosmology": cosmology,
        }
        super().__init__(arguments, redshift, cosmology)
        self._set_scales(mass, concentration, mass_def, None)


class BMO(SphericalOverdensityHalo):
    """Truncated NFW halo, ``rho = rho_s / (x (1 + x)^2) tau^2 / (x^2 + tau^2)``, ``x = r / r_s``.

    Parameters
    ----------
    mass : float or (n,), Msun, > 0
        Mass of the truncated profile inside the radius of `mass_def`.
    concentration : float or (n,), > 0
        ``R_Delta / r_s`` of the same definition.
    redshift : float or (n,), >= 0
    truncation : float or (n,), 0.001 < tau < 1e6
        ``tau = r_t / r_s``.
    mass_def : str or MassDef
        ``"200c"``, ``"500c"``, ``"200m"``, ``"vir"`` or any ``MassDef``.
    cosmology : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``.

    Raises
    ------
    ParameterError
        A parameter outside its range, or shapes that do not broadcast to () or (n,).

    Notes
    -----
    Baltz, Marshall & Oguri (2009), n = 1, rewritten free of cancellation: relative error
    below 1e-13 for 1e-8 < x < 1e6 and every tau allowed against 110-digit arithmetic. The
    total mass is finite.

    Examples
    --------
    >>> import clmassmod as clm
    >>> halo = clm.BMO(5e14, 4.0, redshift=0.3, truncation=10.0)
    >>> print(f"{halo.enclosed_mass(4.0 * halo.scale_radius):.6e}")
    5.000000e+14
    """

    kind = "bmo"

    def __init__(
        self,
        mass: Any,
        concentration: Any,
        redshift: Any,
        truncation: Any,
        mass_def: str | MassDef = "200c",
        cosmology: FLRW | None = None,
    ) -> None:
        arguments = {
            "mass": mass,
            "concentration": concentration,
            "redshift": redshift,
            "truncation": truncation,
            "mass_def": mass_def,
            "cosmology": cosmology,
        }
        super().__init__(arguments, redshift, cosmology)
        # beyond these the mass is that of a cusp or of an untruncated NFW halo to 1e-6
        tau = parameter(truncation, "", "truncation", 1e-3, 1e6)
        self.truncation = tau[()]
        self._set_scales(mass, concentration, mass_def, tau)

    @property
    def total_mass(self) -> Any:
        """Mass inside all radii [Msun], scalar or (n,)."""
        tau = np.asarray(self.truncation)
        square = tau * tau
        shape = (square - 1.0) * np.log(tau) + np.pi * tau - (square + 1.0)
        factor = square / (square + 1.0) ** 2 * shape
        return (4.0 * np.pi * self.scale_density * self.scale_radius**3 * factor)[()]


COMPILED_HALOS = (NFW, Hernquist, BMO)
"""Classes whose haloes follow from mass, concentration and the density of the definition."""
