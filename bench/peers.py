"""The peer packages, each behind the same few functions.

Masses in Msun, lengths in physical Mpc, Sigma in Msun / Mpc^2, as ours. The cosmology is that of
`bench.oracles`. A peer that is not installed is left out.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from . import models
from .models import ALPHA, CONCENTRATION, MASS, REDSHIFT
from .oracles import H0, OMEGA_M, Array

Excess = Callable[[Any], Any]
_H = H0 / 100.0
_OMEGA_B = 0.05


def installed(name: str) -> bool:
    """Whether the module `name` can be imported."""
    return importlib.util.find_spec(name) is not None


def quietly(make: Callable[[], Any]) -> Any:
    """Return ``make()`` without the warnings of the peers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


# -- CLMM -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def clmm_cosmology() -> Any:
    """Return CLMM's object around `ccl_cosmology`."""
    import clmm

    return clmm.Cosmology(be_cosmo=ccl_cosmology())


def clmm_model(profile: str) -> Any:
    """Return a CLMM model object with the parameters of `bench.models`."""
    import clmm

    model = clmm.Modeling(massdef="critical", delta_mdef=200, halo_profile_model=profile)
    model.set_cosmo(clmm_cosmology())
    model.set_concentration(CONCENTRATION)
    model.set_mass(MASS)
    if profile == "einasto":
        model.set_einasto_alpha(ALPHA)
    return model


def clmm_excess(profile: str) -> Excess:
    """Return CLMM's Delta Sigma as a function of R."""
    model = clmm_model(profile)
    return lambda R: model.eval_excess_surface_density(R, REDSHIFT)


# -- CCL ------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def ccl_cosmology() -> Any:
    """Return the cosmology of the benchmarks as CCL has it: no radiation."""
    import pyccl

    return pyccl.Cosmology(
        Omega_c=OMEGA_M - _OMEGA_B,
        Omega_b=_OMEGA_B,
        h=_H,
        sigma8=0.8,
        n_s=0.96,
        Omega_g=0.0,
        Neff=0.0,
        transfer_function="eisenstein_hu",
        matter_power_spectrum="linear",
    )


def ccl_profile(profile: str, concentration: float = CONCENTRATION) -> Any:
    """Return a CCL profile, closed forms where CCL has them."""
    from pyccl import halos

    mass_def = halos.MassDef(200, "critical")
    concentration = halos.ConcentrationConstant(c=concentration, mass_def=mass_def)
    common = {"mass_def": mass_def, "concentration": concentration, "truncated": False}
    analytic = {"projected_analytic": True, "cumul2d_analytic": True}
    if profile == "nfw":
        return halos.HaloProfileNFW(**common, **analytic)
    if profile == "hernquist":
        return halos.HaloProfileHernquist(**common, **analytic)
    return halos.HaloProfileEinasto(**common, alpha=ALPHA)


def ccl_excess(profile: str, mass: Any = MASS) -> Excess:
    """Return CCL's Delta Sigma as a function of R; `mass` may be an array."""
    cosmology, halo = ccl_cosmology(), ccl_profile(profile)
    a = 1.0 / (1.0 + REDSHIFT)

    def excess(R: Any) -> Any:
        at = np.asarray(R) / a
        mean = halo.cumul2d(cosmology, at, mass, a)
        return (mean - halo.projected(cosmology, at, mass, a)) / a**2

    return excess


# -- colossus -------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _set_colossus() -> None:
    from colossus.cosmology import cosmology

    parameters = {
        "flat": True,
        "H0": H0,
        "Om0": OMEGA_M,
        "Ob0": _OMEGA_B,
        "sigma8": 0.8,
        "ns": 0.96,
    }
    cosmology.setCosmology("bench", relspecies=False, persistence="", **parameters)


def colossus_profile(profile: str) -> Any:
    """Return a colossus profile object (kpc / h, Msun / h)."""
    _set_colossus()
    from colossus.halo import (
        profile_diemer23,
        profile_dk14,
        profile_einasto,
        profile_hernquist,
        profile_nfw,
    )

    kinds = {
        "nfw": (profile_nfw.NFWProfile, {}),
        "hernquist": (profile_hernquist.HernquistProfile, {}),
        "einasto": (profile_einasto.EinastoProfile, {"alpha": ALPHA}),
        "dk14": (profile_dk14.DK14Profile, {}),
        "diemer23": (profile_diemer23.ModelAProfile, {}),
    }
    kind, extra = kinds[profile]
    mass_def = models.mass_definition(profile)
    return kind(M=MASS * _H, c=CONCENTRATION, z=REDSHIFT, mdef=mass_def, **extra)


def colossus_excess(profile: str) -> Excess:
    """Return colossus' Delta Sigma as a function of R."""
    halo = colossus_profile(profile)
    return lambda R: halo.deltaSigma(np.atleast_1d(R) * (1e3 * _H)) * (1e6 * _H)


def own_density(name: str, profile: str) -> Callable[[Array], Array] | None:
    """Return the density of a peer's halo [Msun / Mpc^3] where its parameters are not ours.

    DK14 and Diemer23 take their shape from the peak height, that is from each package's own
    power spectrum: the peer is judged against its own density.
    """
    if name != "colossus" or profile not in ("dk14", "diemer23"):
        return None
    halo = colossus_profile(profile)
    return lambda r: halo.density(r * (1e3 * _H)) * (1e9 * _H**2)


# -- by hand --------------------------------------------------------------------------------------


def numpy_nfw(R: Array, r_s: Array, rho_s: Array) -> tuple[Array, Array]:
    """Return Sigma and Delta Sigma of NFW haloes as a numpy user writes them."""
    x = R / r_s
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(np.abs((1.0 - x) / (1.0 + x)))
        bracket = 2.0 * np.where(x < 1.0, np.arctanh(np.minimum(root, 1.0)), np.arctan(root))
        bracket /= np.sqrt(np.abs(1.0 - x * x))
        local = 2.0 / (x * x - 1.0) * (1.0 - bracket)
        mean = 4.0 / (x * x) * (bracket + np.log(0.5 * x))
    amplitude = rho_s * r_s
    return amplitude * local, amplitude * (mean - local)


def numpy_nfw_scales(mass: Array, concentration: Array, radius: Array) -> tuple[Array, Array]:
    """Return r_s and rho_s."""
    r_s = radius / concentration
    inside = np.log1p(concentration) - concentration / (1.0 + concentration)
    return r_s, mass / (4.0 * np.pi * r_s**3 * inside)


EXCESS: dict[str, tuple[str, Callable[[str], Excess], tuple[str, ...]]] = {
    "CLMM": ("clmm", clmm_excess, ("nfw", "einasto", "hernquist")),
    "CCL": ("pyccl", ccl_excess, ("nfw", "einasto", "hernquist")),
    "colossus": ("colossus", colossus_excess, ("nfw", "einasto", "hernquist", "dk14", "diemer23")),
}
"""Peer -> module, its Delta Sigma for one halo, the profiles it has."""


def with_profile(profile: str) -> list[str]:
    """Return the installed peers that have `profile`."""
    return [
        name for name, (module, _, has) in EXCESS.items() if profile in has and installed(module)
    ]
