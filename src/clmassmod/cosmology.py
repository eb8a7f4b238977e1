"""Background cosmology: densities, distances and mass definitions.

Everything rests on an astropy cosmology, given as an argument; ``None`` means
``FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=0)`` everywhere in the package. Masses are
in Msun, lengths in physical Mpc, without h. There is no global cosmology.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._background import MAX_REDSHIFT, background_of, line_of_sight_to_infinity
from .errors import ParameterError, nearest
from .units import refuse_mask

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

# CODATA 2018/2022 G, IAU 2015 GM_sun and parsec; a test holds them equal to astropy's.
SPEED_OF_LIGHT = 299_792.458
"""Speed of light [km/s], exact."""
GRAVITATIONAL_CONSTANT = 1.3271244e20 / (648_000.0 / math.pi * 149_597_870_700.0 * 1e6) * 1e-6
"""Newton's constant [Mpc (km/s)^2 / Msun], from the IAU's GM_sun and parsec."""
SIGMA_CRITICAL_FACTOR = SPEED_OF_LIGHT**2 / (4.0 * math.pi * GRAVITATIONAL_CONSTANT)
"""c^2 / (4 pi G) [Msun / Mpc]."""

_REFERENCES = ("critical", "mean", "virial")


@lru_cache(maxsize=1)
def default_cosmology() -> FLRW:
    """Return ``FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=0)``, what ``cosmology=None`` means."""
    from astropy.cosmology import FlatLambdaCDM

    return FlatLambdaCDM(H0=70.0, Om0=0.3, Tcmb0=0.0)


def resolve_cosmology(cosmology: FLRW | None) -> FLRW:
    """Return `cosmology`, or the default one for None; anything else is an error."""
    if cosmology is None:
        return default_cosmology()
    from astropy.cosmology import FLRW

    if not isinstance(cosmology, FLRW):
        raise ParameterError(
            "cosmology",
            cosmology,
            "an astropy.cosmology.FLRW instance or None (FlatLambdaCDM(70, 0.3, Tcmb0=0))",
        )
    return cosmology


def cosmology_to_dict(cosmology: FLRW) -> dict[str, Any]:
    """Return a cosmology as plain values that `cosmology_from_dict` makes it from.

    For FlatLambdaCDM and LambdaCDM without massive neutrinos; of others only the repr is kept.
    """
    kind = type(cosmology).__name__
    if kind not in ("FlatLambdaCDM", "LambdaCDM") or cosmology.has_massive_nu:
        return {"kind": "other", "repr": repr(cosmology)}
    names = ("H0", "Om0", "Ode0", "Tcmb0", "Neff", "Ob0")
    given = {name: cosmology.parameters.get(name) for name in names}
    values = {
        name: float(getattr(value, "value", value))
        for name, value in given.items()
        if value is not None
    }
    return {"kind": kind, **values}


def cosmology_from_dict(content: Mapping[str, Any]) -> FLRW:
    """Return the cosmology of `cosmology_to_dict`.

    Raises
    ------
    ParameterError
        One of which only the repr was kept.
    """
    from astropy import cosmology

    values = dict(content)
    kind = values.pop("kind", None)
    if kind not in ("FlatLambdaCDM", "LambdaCDM"):
        raise ParameterError(
            "cosmology", content, "FlatLambdaCDM or LambdaCDM", "Give the cosmology itself."
        )
    made: FLRW = getattr(cosmology, kind)(**values)
    return made


def checked_redshift(redshift: Any, name: str = "redshift") -> Array:
    """Return `redshift` as a float array; it must be finite and >= 0."""
    refuse_mask(redshift, name)
    try:
        z = np.asarray(redshift, dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(name, redshift, "a number or an array of numbers, >= 0") from None
    inside = (z >= 0.0) & (z < np.inf)
    if not inside.all():
        bad = z[~inside].flat[0]
        raise ParameterError(name, float(bad), "finite and >= 0")
    return z


def critical_density(redshift: Any, cosmology: FLRW | None = None) -> Array:
    """Critical density 3 H(z)^2 / (8 pi G) [Msun / Mpc^3], physical."""
    cosmo = resolve_cosmology(cosmology)
    z = checked_redshift(redshift)
    today = 3.0 * float(cosmo.H0.value) ** 2 / (8.0 * math.pi * GRAVITATIONAL_CONSTANT)
    return today * _squared_expansion_rate(z, cosmo)


def mean_matter_density(redshift: Any, cosmology: FLRW | None = None) -> Array:
    """Mean matter density Omega_m(z) rho_crit(z) [Msun / Mpc^3], physical.

    Omega_m is astropy's ``Om0``: cold dark matter and baryons, without massive neutrinos.
    """
    cosmo = resolve_cosmology(cosmology)
    z = checked_redshift(redshift)
    today = 3.0 * cosmo.H0.value**2 / (8.0 * math.pi * GRAVITATIONAL_CONSTANT) * cosmo.Om0
    return np.asarray(today * (1.0 + z) ** 3)


def virial_overdensity(redshift: Any, cosmology: FLRW | None = None) -> Array:
    """Virial overdensity relative to the critical density (Bryan & Norman 1998, eq. 6).

    ``18 pi^2 + 82 x - 39 x^2`` with ``x = Omega_m(z) - 1``, for a flat universe.
    """
    cosmo = resolve_cosmology(cosmology)
    z = checked_redshift(redshift)
    x = cosmo.Om0 * (1.0 + z) ** 3 / _squared_expansion_rate(z, cosmo) - 1.0
    return np.asarray(18.0 * math.pi**2 + 82.0 * x - 39.0 * x**2)


def angular_diameter_distance(redshift: Any, cosmology: FLRW | None = None) -> Array:
    """Angular diameter distance to `redshift` [Mpc]."""
    z = checked_redshift(redshift)
    return np.asarray(transverse_comoving_distance(z, cosmology) / (1.0 + z))


def transverse_comoving_distance(redshift: Any, cosmology: FLRW | None = None) -> Array:
    """Transverse comoving distance to `redshift` [Mpc].

    Splines of astropy's E(z) up to z = 30 (relative error below 1e-11), astropy beyond.
    """
    cosmo = resolve_cosmology(cosmology)
    z = checked_redshift(redshift)
    if z.size and z.max() > MAX_REDSHIFT:
        return np.asarray(cosmo.comoving_transverse_distance(z).to_value("Mpc"))
    hubble_distance = SPEED_OF_LIGHT / float(cosmo.H0.value)
    return _curved(hubble_distance * background_of(cosmo).comoving_distance(z), cosmo)


def _squared_expansion_rate(z: Array, cosmo: FLRW) -> Array:
    if z.size and z.max() > MAX_REDSHIFT:
        return np.asarray(cosmo.efunc(z)) ** 2
    return background_of(cosmo).squared_expansion_rate(z)


def inverse_critical_surface_density(z_l: Any, z_s: Any, cosmology: FLRW | None = None) -> Array:
    """Inverse critical surface density ``4 pi G D_l D_ls / (c^2 D_s)`` [Mpc^2 / Msun].

    Parameters
    ----------
    z_l, z_s : float or array
        Redshifts of lens and source, >= 0; they broadcast. ``z_s = inf`` is not
        accepted here: use `inverse_critical_surface_density_at_infinity`.

    Returns
    -------
    ndarray
        0 where ``z_s <= z_l`` (such a source is not lensed).

    Notes
    -----
    With D_M the transverse comoving distance, ``D_ls / D_s = D_M(l, s) / D_M(s)``;
    the curvature term is exact (Hogg 1999, eq. 19).
    """
    cosmo = resolve_cosmology(cosmology)
    z_lens = checked_redshift(z_l, "z_l")
    z_source = checked_redshift(z_s, "z_s")
    d_l = transverse_comoving_distance(z_lens, cosmo)
    d_s = transverse_comoving_distance(z_source, cosmo)
    d_ls = _comoving_difference(d_l, d_s, cosmo)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(z_source > z_lens, d_ls / d_s, 0.0)
    return np.asarray(d_l / (1.0 + z_lens) * ratio / SIGMA_CRITICAL_FACTOR)


def critical_surface_density(z_l: Any, z_s: Any, cosmology: FLRW | None = None) -> Array:
    """Critical surface density ``c^2 D_s / (4 pi G D_l D_ls)`` [Msun / Mpc^2].

    ``inf`` where ``z_s <= z_l``.
    """
    inverse = inverse_critical_surface_density(z_l, z_s, cosmology)
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / inverse)


def inverse_critical_surface_density_at_infinity(z_l: Any, cosmology: FLRW | None = None) -> Array:
    """Inverse critical surface density for a source at infinite redshift [Mpc^2 / Msun].

    The comoving distance to infinity is finite in every cosmology with a big bang;
    it is integrated by scipy to 1e-11 and kept per cosmology.
    """
    cosmo = resolve_cosmology(cosmology)
    z_lens = checked_redshift(z_l, "z_l")
    d_l = transverse_comoving_distance(z_lens, cosmo)
    d_s = distance_to_infinity(cosmo)
    d_ls = _comoving_difference(d_l, np.float64(d_s), cosmo)
    return np.asarray(d_l / (1.0 + z_lens) * d_ls / d_s / SIGMA_CRITICAL_FACTOR)


def distance_to_infinity(cosmology: FLRW | None = None) -> float:
    """Transverse comoving distance to infinite redshift [Mpc] (the particle horizon)."""
    cosmo = resolve_cosmology(cosmology)
    line_of_sight = SPEED_OF_LIGHT / float(cosmo.H0.value) * line_of_sight_to_infinity(cosmo)
    return float(_curved(np.asarray(line_of_sight), cosmo))


def _curved(line_of_sight: Array, cosmo: FLRW) -> Array:
    """Transverse distance of a line-of-sight one (Hogg 1999, eq. 16)."""
    curvature = float(cosmo.Ok0)
    if curvature == 0.0:
        return line_of_sight
    scale = math.sqrt(abs(curvature)) * float(cosmo.H0.value) / SPEED_OF_LIGHT
    bent = np.sinh if curvature > 0.0 else np.sin
    return np.asarray(bent(scale * line_of_sight) / scale)


def _comoving_difference(d_near: Any, d_far: Any, cosmo: FLRW) -> Array:
    curvature = float(cosmo.Ok0)
    if curvature == 0.0:
        return np.asarray(d_far - d_near)
    scale = curvature * (float(cosmo.H0.value) / SPEED_OF_LIGHT) ** 2
    return np.asarray(
        d_far * np.sqrt(1.0 + scale * d_near**2) - d_near * np.sqrt(1.0 + scale * d_far**2)
    )


@dataclass(frozen=True)
class MassDef:
    """A spherical-overdensity mass definition, ``M = 4 pi / 3 delta rho_ref R^3``.

    Parameters
    ----------
    delta : float or None
        Overdensity, > 0; None for the virial one of Bryan & Norman (1998).
    reference : {"critical", "mean", "virial"}
        What `delta` refers to.

    Examples
    --------
    >>> import clmassmod as clm
    >>> clm.MassDef.from_name("200m")
    MassDef('200m')
    """

    delta: float | None
    reference: str = "critical"

    def __post_init__(self) -> None:
        if self.reference not in _REFERENCES:
            raise ParameterError(
                "reference",
                self.reference,
                f"one of {', '.join(_REFERENCES)}",
                nearest(str(self.reference), _REFERENCES),
            )
        if (self.delta is None) != (self.reference == "virial"):
            raise ParameterError("delta", self.delta, "None for 'virial', and a number otherwise")
        if self.delta is not None and not (math.isfinite(self.delta) and self.delta > 0.0):
            raise ParameterError("delta", self.delta, "finite and > 0")

    @classmethod
    def from_name(cls, name: str | MassDef) -> MassDef:
        """Return the definition called `name`: ``"200c"``, ``"500c"``, ``"200m"``, ``"vir"``."""
        if isinstance(name, MassDef):
            return name
        text = str(name).strip().lower().lstrip("m")
        if text in ("vir", "virial"):
            return cls(None, "virial")
        match = re.fullmatch(r"(\d+(?:\.\d*)?(?:e[+-]?\d+)?)([cm])", text)
        if match is None:
            raise ParameterError(
                "mass_def", name, "a number followed by 'c' or 'm' (200c, 500c, 200m) or 'vir'"
            )
        return cls(float(match[1]), "critical" if match[2] == "c" else "mean")

    @property
    def name(self) -> str:
        """Short name, such as ``200c``, ``200m`` or ``vir``; `from_name` gives the same back."""
        if self.delta is None:
            return "vir"
        # the fewest digits that give the same number back
        digits = repr(float(self.delta)).removesuffix(".0")
        return f"{digits}{self.reference[0]}"

    def density(self, redshift: Any, cosmology: FLRW | None = None) -> Array:
        """Mean density inside the radius [Msun / Mpc^3], physical, at each `redshift`."""
        if self.delta is None:
            overdensity = virial_overdensity(redshift, cosmology)
            return np.asarray(overdensity * critical_density(redshift, cosmology))
        if self.reference == "mean":
            return np.asarray(self.delta * mean_matter_density(redshift, cosmology))
        return np.asarray(self.delta * critical_density(redshift, cosmology))

    def radius(self, mass: Any, redshift: Any, cosmology: FLRW | None = None) -> Array:
        """Radius [physical Mpc] that holds `mass` [Msun]."""
        density = self.density(redshift, cosmology)
        return np.asarray(np.cbrt(3.0 * np.asarray(mass) / (4.0 * math.pi * density)))

    def mass(self, radius: Any, redshift: Any, cosmology: FLRW | None = None) -> Array:
        """Mass [Msun] inside `radius` [physical Mpc]."""
        density = self.density(redshift, cosmology)
        return np.asarray(4.0 * math.pi / 3.0 * density * np.asarray(radius) ** 3)

    def __repr__(self) -> str:
        return f"MassDef({self.name!r})"
