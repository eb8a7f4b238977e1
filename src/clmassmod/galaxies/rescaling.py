"""A halo of one redshift placed at another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ..cosmology import inverse_critical_surface_density_at_infinity
from ..errors import ParameterError

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

KEPT = ("physical", "comoving")


class _Field(Protocol):
    """What has the convergence and shear of a lens for sources at infinity."""

    redshift: float

    def convergence_shear(self, x: Any, y: Any) -> tuple[Array, Array, Array]: ...


class RescaledField:
    """The lensing field of a halo moved to another redshift with its mass kept.

    Parameters
    ----------
    field : LensingField
        With `redshift` and ``convergence_shear(x, y)``.
    redshift : float
        Where the halo is placed, > 0.
    cosmology : astropy.cosmology.FLRW, optional
        None is FlatLambdaCDM(70, 0.3, Tcmb0=0).
    keep : {"physical", "comoving"}
        Which lengths stay as they are.

    Notes
    -----
    With s = 1, or ``(1 + z_old) / (1 + z_new)`` of comoving lengths: a point at R was at R / s,
    and the surface density falls by s^2. Convergence and shear change by that and by the ratio
    of the critical surface densities.
    """

    def __init__(
        self,
        field: _Field,
        redshift: float,
        cosmology: FLRW | None = None,
        *,
        keep: str = "physical",
    ) -> None:
        if keep not in KEPT:
            raise ParameterError("keep", keep, f"one of {', '.join(KEPT)}")
        if not (math.isfinite(redshift) and redshift > 0.0):
            raise ParameterError("redshift", redshift, "finite and > 0")
        self.field = field
        self.redshift = float(redshift)
        self.stretch = (1.0 + field.redshift) / (1.0 + redshift) if keep == "comoving" else 1.0
        new, old = (
            float(inverse_critical_surface_density_at_infinity(z, cosmology))
            for z in (self.redshift, field.redshift)
        )
        self.factor = new / old / self.stretch**2

    def convergence_shear(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array, Array]:
        """Return kappa, gamma1 and gamma2 at offsets [physical Mpc], for sources at infinity."""
        there = np.asarray(x) / self.stretch, np.asarray(y) / self.stretch
        kappa, gamma1, gamma2 = self.field.convergence_shear(*there)
        return self.factor * kappa, self.factor * gamma1, self.factor * gamma2
