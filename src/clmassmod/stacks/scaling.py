"""Clusters scaled by their NFW profiles: x = R / r_s and F = Delta Sigma / (rho_s r_s)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, nearest
from ..profiles.halos import NFW

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

ORIGINS = ("fit", "truth", "table")
"""Where the masses of a scaling may come from."""
_SHOWN = 5
"""Names in a message about many clusters."""


@dataclass(frozen=True)
class Scaling:
    """The NFW profile that each cluster is scaled by.

    Parameters
    ----------
    masses : mapping
        Id -> mass [Msun], > 0.
    concentrations : mapping
        Id -> concentration, > 0.
    origin : {"fit", "truth", "table"}
        Where they come from, kept with the stack: "fit", the shear of the same clusters;
        "truth", a simulation; "table", other data.
    mass_def : str
    cosmology : astropy.cosmology.FLRW, optional
        None is FlatLambdaCDM(70, 0.3, Tcmb0=0).

    Notes
    -----
    Scaling by masses that were fitted to the very shear that is stacked is circular: a cluster
    whose noise is high has a high mass, and its profile is divided by more. The stack then
    follows the fitted profiles by construction.
    """

    masses: Mapping[str, float]
    concentrations: Mapping[str, float]
    origin: str = "table"
    mass_def: str = "200c"
    cosmology: FLRW | None = None

    def __post_init__(self) -> None:
        if self.origin not in ORIGINS:
            allowed = f"one of {', '.join(ORIGINS)}"
            raise ParameterError("origin", self.origin, allowed, nearest(str(self.origin), ORIGINS))

    def only(self, name: str) -> Scaling:
        """Return the scaling of one cluster."""
        masses, concentrations = (
            {name: one[name]} if name in one else {} for one in (self.masses, self.concentrations)
        )
        return replace(self, masses=masses, concentrations=concentrations)

    def scales(self, ids: Sequence[str], redshift: Array) -> tuple[Array, Array]:
        """Return ``rho_s r_s`` [Msun / Mpc^2] and ``r_s`` [physical Mpc] of clusters, (n,) each.

        Raises
        ------
        ParameterError
            Naming the clusters without a mass and a concentration, both finite and > 0.
        """
        mass = np.array([_number(self.masses.get(name)) for name in ids])
        c = np.array([_number(self.concentrations.get(name)) for name in ids])
        # a mass that is not > 0 has no scale radius
        bad = ~((mass > 0.0) & np.isfinite(mass) & (c > 0.0) & np.isfinite(c))
        if bad.any():
            names = [name for name, missing in zip(ids, bad, strict=True) if missing]
            shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
            raise ParameterError(
                "scaling",
                self.origin,
                f"a mass and a concentration > 0 of every cluster; {len(names)} of {len(ids)} "
                f"have none: {shown}",
                "Give their masses, or leave these clusters out.",
            )
        halo = NFW(mass, c, redshift=redshift, mass_def=self.mass_def, cosmology=self.cosmology)
        radius = np.asarray(halo.scale_radius)
        return np.asarray(halo.scale_density) * radius, radius


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


_HALO = NFW(1e14, 4.0, redshift=0.3)
"""Any NFW halo: scaled, they are all the same."""


def scaled_nfw(x: npt.ArrayLike) -> Array:
    """Return the scaled excess surface density of an NFW halo, ``F = Delta Sigma / (rho_s r_s)``.

    Parameters
    ----------
    x : array_like, > 0
        R / r_s.

    Notes
    -----
    ``F(x) = 4 g(x) / x^2 - 2 f(x)`` of Niikura et al. (2015), F(1) = 10/3 + 4 ln(1/2); it is
    that of `clmassmod.NFW`, without cancellation, to 1e-13.

    Examples
    --------
    >>> round(float(scaled_nfw(1.0)), 12)
    0.560744611094
    """
    radius = np.asarray(x, dtype=np.float64) * _HALO.scale_radius
    return np.asarray(_HALO.excess_surface_density(radius)) / _scale()


def scaled_nfw_surface_density(x: npt.ArrayLike) -> Array:
    """Return ``Sigma / (rho_s r_s) = 2 f(x)`` of an NFW halo at ``x = R / r_s > 0``."""
    radius = np.asarray(x, dtype=np.float64) * _HALO.scale_radius
    return np.asarray(_HALO.surface_density(radius)) / _scale()


def _scale() -> float:
    return float(_HALO.scale_density * _HALO.scale_radius)
