"""What the arguments of CLMM's functions mean, for `clmassmod.compat.clmm`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cosmology import (
    Array,
    MassDef,
    checked_redshift,
    inverse_critical_surface_density,
    resolve_cosmology,
)
from ..errors import NumericalError, ParameterError, nearest
from ..power import LinearPower
from ..profiles.conversion import convert_mass
from ..profiles.halos import NFW, Hernquist
from ..profiles.miscentred import Miscentred
from ..profiles.numeric_halos import Einasto
from ..sources import SourceDistribution
from ..units import as_float_array

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from ..profiles.base import RadialMass

Z_INF = 1000.0
"""Redshift at which CLMM takes the lensing of a source at infinity: what its beta_s refer to."""

_MODELS = ("nfw", "einasto", "hernquist")
_MASS_DEFINITIONS = ("mean", "critical", "virial")
# amplitude and tilt of CLMM's default cosmology, on which its Einasto slope stands
_SIGMA8, _N_S = 0.8, 0.96
_Z_LIMITS = {"zmin": None, "zmax": 10.0, "delta_z_cut": 0.1}
_APPROXIMATIONS = {None: ("discrete", "distribution"), "order1": ("beta",), "order2": ("beta",)}
# concentrations searched, in ln
_LOG_CONCENTRATION = (math.log(1e-6), math.log(1e6))
# Gauss-Legendre nodes between the redshifts at which p(z) is given
_ORDER = 4


def astropy_cosmology(cosmo: FLRW | None) -> FLRW:
    """Return `cosmo`, or the default one for None; one of CLMM is an error that tells how."""
    try:
        return resolve_cosmology(cosmo)
    except ParameterError:
        raise ParameterError(
            "cosmo",
            cosmo,
            "an astropy cosmology, or None for FlatLambdaCDM(70, 0.3, Tcmb0=0)",
            "For a cosmology of CLMM made from its default parameters: FlatLambdaCDM(cosmo['H0'], "
            "cosmo['Omega_m0'], Ob0=cosmo['Omega_b0'], Tcmb0=2.7255, Neff=2.0307).",
        ) from None


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    folded = str(value).lower()
    if folded not in choices:
        raise ParameterError(name, value, f"one of {', '.join(choices)}", nearest(folded, choices))
    return folded


def model_named(name: str) -> str:
    """Return the name of a profile in lower case."""
    return _choice("halo_profile_model", name, _MODELS)


def mass_definition(massdef: str, delta_mdef: float) -> MassDef:
    """Return the mass definition; the virial one has its own overdensity."""
    reference = _choice("massdef", massdef, _MASS_DEFINITIONS)
    return MassDef(None if reference == "virial" else delta_mdef, reference)


def halo_of(
    mass: Any,
    concentration: Any,
    redshift: Any,
    cosmo: FLRW | None,
    massdef: str,
    delta_mdef: float,
    model: str,
    slope: Any,
) -> NFW | Hernquist | Einasto:
    """Return the halo of CLMM's arguments; the Einasto slope None is CLMM's default."""
    cosmology, definition = astropy_cosmology(cosmo), mass_definition(massdef, delta_mdef)
    einasto = model_named(model) == "einasto"
    if slope is not None and not einasto:
        raise ParameterError("alpha_ein", slope, f"None for the profile {model}")
    if slope is None and einasto:
        slope = _default_slope(mass, concentration, redshift, definition, cosmology)
    return profile_of(model, mass, concentration, redshift, definition, cosmology, slope)


def profile_of(
    model: str,
    mass: Any,
    concentration: Any,
    redshift: Any,
    definition: MassDef,
    cosmology: FLRW,
    slope: Any,
) -> NFW | Hernquist | Einasto:
    """Return the profile called `model`; `slope` matters for Einasto only."""
    name = model_named(model)
    if name == "einasto":
        return Einasto(mass, concentration, redshift, slope, definition, cosmology)
    kind = NFW if name == "nfw" else Hernquist
    return kind(mass, concentration, redshift, definition, cosmology)


def _default_slope(
    mass: Any, concentration: Any, redshift: Any, definition: MassDef, cosmology: FLRW
) -> Any:
    """Return the Einasto slope of Gao et al. (2008), eq. 5, the virial mass being that of NFW."""
    if not (cosmology.Ob0 and cosmology.Tcmb0.value):
        raise ParameterError(
            "alpha_ein",
            None,
            "a number where the cosmology has no Ob0 or no Tcmb0",
            "The default slope follows from the power spectrum.",
        )
    virial, _ = convert_mass(mass, concentration, redshift, definition, "vir", cosmology)
    power = LinearPower(cosmology, sigma8=_SIGMA8, n_s=_N_S)
    return 0.155 + 0.0095 * power.peak_height(virial, redshift) ** 2


def need_slope(name: str, slope: Any, model: str) -> None:
    """Raise where an Einasto profile is given without its slope."""
    if slope is None and model_named(model) == "einasto":
        raise ParameterError(name, None, "a number for an Einasto profile")


def seen_from(r_mis: float | None, halo: RadialMass) -> RadialMass:
    """Return the halo, or what is seen of it around a centre that is off by `r_mis` [Mpc]."""
    return Miscentred(halo, r_mis) if r_mis else halo


def check_approximation(approx: str | None, z_src_info: str) -> None:
    """Raise where `approx` does not exist or does not go with the sources."""
    if approx not in _APPROXIMATIONS:
        raise ParameterError("approx", approx, "None, 'order1' or 'order2'")
    if z_src_info not in _APPROXIMATIONS[approx]:
        allowed = " or ".join(_APPROXIMATIONS[approx])
        raise ParameterError("z_src_info", z_src_info, f"{allowed} with approx = {approx!r}")


def lensed_sources(
    z_src: Any, z_src_info: str, z_cluster: Any, integ_kwargs: Mapping[str, Any] | None = None
) -> Any:
    """Return the sources as the profiles take them."""
    if z_src_info == "discrete":
        return as_float_array(z_src, "", "z_src")
    if z_src_info != "distribution":
        raise ParameterError("z_src_info", z_src_info, "discrete, distribution or beta")
    if not callable(z_src):
        raise ParameterError("z_src", z_src, "a function n(z) with z_src_info = 'distribution'")
    return _distribution(z_src, z_cluster, {**_Z_LIMITS, **(integ_kwargs or {})})


def _distribution(
    function: Callable[[float], float], z_cluster: Any, limits: Mapping[str, Any]
) -> SourceDistribution:
    unknown = sorted(set(limits) - set(_Z_LIMITS))
    if unknown:
        raise ParameterError("integ_kwargs", unknown[0], f"made of {', '.join(_Z_LIMITS)}")
    z_lens = checked_redshift(z_cluster, "z_cluster")
    if z_lens.ndim:
        raise ParameterError("z_cluster.shape", z_lens.shape, "() with n(z), whose limits it sets")
    z_min = limits["zmin"]
    z_min = float(z_lens) + limits["delta_z_cut"] if z_min is None else z_min
    # CLMM calls n(z) with one redshift at a time
    density = np.vectorize(function, otypes=[np.float64])
    return SourceDistribution.from_function(density, z_min, limits["zmax"], breaks=(float(z_lens),))


def beta_moments(z_src: Any) -> tuple[Array, Array]:
    """Return <beta_s> and <beta_s^2>."""
    try:
        mean, square = z_src
    except (TypeError, ValueError):
        raise ParameterError(
            "z_src", z_src, "(<beta_s>, <beta_s^2>) with z_src_info = 'beta'"
        ) from None
    values = as_float_array(mean, "", "z_src[0]"), as_float_array(square, "", "z_src[1]")
    for i, value in enumerate(values):
        if not np.all(np.isfinite(value) & (value >= 0.0)):
            raise ParameterError(f"z_src[{i}]", value, "finite and >= 0")
    return values


def first_axis(alpha: Any, n_other: int) -> Array:
    """Return a slope, an array of them with `n_other` axes after its own."""
    slope = as_float_array(alpha, "", "alpha")
    return slope.reshape(slope.shape + (1,) * n_other) if slope.ndim else slope


def expanded_magnification_bias(
    halo: NFW | Hernquist | Einasto,
    r_proj: Any,
    alpha: Any,
    moments: tuple[Array, Array],
    approx: str,
) -> Any:
    """Return mu^(alpha - 1) to first or second order; alpha = 2 is the magnification itself."""
    mean, square = moments
    shear, kappa = halo.tangential_shear(r_proj, Z_INF), halo.convergence(r_proj, Z_INF)
    slope = first_axis(alpha, np.ndim(kappa))
    bias = 1.0 + (slope - 1.0) * 2.0 * mean * kappa
    if approx == "order2":
        bias = bias + (slope - 1.0) * square * (shear**2 + (2.0 * slope - 1.0) * kappa**2)
    return bias


def mean_inverse(z_cluster: float, z: Array, density: Array, cosmology: FLRW) -> Array:
    """Return <Sigma_crit^-1> (n,) over p(z) (n, k) linear between the redshifts z (k,)."""
    if z.size < 2 or not np.all(np.diff(z) > 0.0):
        raise ParameterError("pzbins", z, "at least two redshifts, strictly increasing")
    # beta has a kink at the lens
    inside = [z_cluster] if z[0] < z_cluster < z[-1] else []
    edges = np.unique(np.concatenate([z, inside]))
    unit_nodes, unit_weights = np.polynomial.legendre.leggauss(_ORDER)
    half = 0.5 * np.diff(edges)[:, None]
    nodes = (edges[:-1, None] + half * (1.0 + unit_nodes)).ravel()
    left = np.searchsorted(z, nodes) - 1
    share = (nodes - z[left]) / (z[left + 1] - z[left])
    weight = density[:, left] * (1.0 - share) + density[:, left + 1] * share
    weight *= (half * unit_weights).ravel()
    total = weight.sum(axis=1)
    if not np.all(total > 0.0):
        row = int(np.argmin(total > 0.0))
        raise ParameterError("pzpdf", float(total[row]), f"of positive integral (row {row})")
    inverse = inverse_critical_surface_density(z_cluster, nodes, cosmology)
    return np.asarray(weight @ inverse / total)


def concentration_where_zero(function: Callable[[float], float]) -> float:
    """Return the concentration at which a function of ln c is 0."""
    from scipy.optimize import brentq

    low, high = _LOG_CONCENTRATION
    if function(low) * function(high) > 0.0:
        raise NumericalError(
            f"no concentration between {math.exp(low):g} and {math.exp(high):g} gives the other "
            "profile the same mass inside both radii"
        )
    return math.exp(float(brentq(function, low, high, xtol=1e-14, rtol=1e-14)))
