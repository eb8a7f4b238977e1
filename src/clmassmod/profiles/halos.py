"""Dark-matter halo profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..cosmology import MassDef
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
    >>> round(halo.reduced_tangential_shear(1.0, z_s=1.0), 6)
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
