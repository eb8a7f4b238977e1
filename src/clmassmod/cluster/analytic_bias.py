"""The bias of masses fitted with another profile than the true one, without noise."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..configuration.info import ModelInfo
from ..errors import FitError, ParameterError
from ..profiles.base import RadialMass
from .expected_profile import expected_profile, mass_redshift_pairs
from .massmod import CLMassMod
from .model_of_configuration import halo_model
from .simulation import bin_edges

Array = npt.NDArray[np.float64]
TrueProfile = Callable[[float, float], RadialMass]

BIAS_SURVEY: dict[str, Any] = {
    "cosmology": {"H0": 70.0, "Om0": 0.3, "Ob0": 0.045, "sigma8": 0.82, "n_s": 0.96},
    "sources": {"mean_beta_s": 0.49},
    "noise": {"shape_noise": 0.25, "density": 9.7},
    "binning": {"r_min": 0.5, "r_max": 2.5, "n_bins": 12, "spacing": "linear"},
}
"""The survey of `analytic_bias` where none is given; `mass` is the one free parameter."""


class AnalyticBias(NamedTuple):
    """What `analytic_bias` returns; arrays have the shape of the masses."""

    mass: Array
    """True masses [Msun]."""
    redshift: Array
    fitted_mass: Array
    """Best-fitting masses [Msun]."""
    bias: Array
    """b = fitted / true."""
    chi2: Array
    """chi^2 of the best fit to data without noise: how badly the form is wrong."""


def analytic_bias(
    mass: Any,
    redshift: Any,
    truth: str | Mapping[str, Any] | TrueProfile = "DK14",
    model_info: Mapping[str, Any] | None = None,
) -> AnalyticBias:
    """Return b(M) = M_fitted / M_true for noise-free shear of haloes of another profile.

    Parameters
    ----------
    mass, redshift : float or array_like, Msun
        True masses, > 0, in the definition of the model, and redshifts, > 0; they broadcast.
    truth : str, mapping or callable
        The true profile: its name; a mapping as of a configuration with `profile` and
        `concentration` (what it leaves out is that of `model_info`); or a function of
        (mass, redshift) that returns one profile, `clmassmod.Baryonified` say.
    model_info : ModelInfo or mapping, optional
        The fitted model and the survey, `BIAS_SURVEY` by default, which fits NFW: `profile`,
        `mass_def`, `concentration`, `cosmology`, `parameters`, `priors`, `binning`, `noise`,
        `sources`, `fit` (`r_min`, `r_max`).

    Raises
    ------
    ParameterError
        A mass or redshift outside its range; a truth that is none of these, or a function that
        does not return one profile at the redshift.
    ConfigError
        There are no sources, or a profile lacks its power spectrum (Ob0, sigma8 and n_s).
    FitError
        A fit that failed; the message names mass, redshift and reason.

    Notes
    -----
    The data are the reduced shear of the true profile at the mean radius of each bin, weighted
    as shape noise does. Bins, sources and radii change b as much as profiles do: they belong to
    a statement of it.

    Examples
    --------
    >>> import clmassmod as clm
    >>> result = clm.analytic_bias([2e14, 1e15], 0.3, truth="NFW")
    >>> [round(float(b), 6) for b in result.bias]
    [1.0, 1.0]
    """
    info = ModelInfo.from_dict(BIAS_SURVEY if model_info is None else model_info)
    profile_of = true_profile(truth, info)
    masses, redshifts = mass_redshift_pairs(mass, redshift)
    massmod = CLMassMod(info)
    edges = bin_edges(info["binning"])
    massmod.obs_gamma_theta = [
        expected_profile(profile_of(float(m), float(z)), edges, info, massmod.model.cosmology)
        for m, z in zip(masses.flat, redshifts.flat, strict=True)
    ]
    profiles, _ = massmod.fit_mass_profiles("curvefit")
    for fit, m, z in zip(profiles, masses.flat, redshifts.flat, strict=True):
        if fit.status == "failed":
            raise FitError(f"mass {m:.4g} Msun at redshift {z:g}: {fit.message}")
    fitted = np.array([fit.mass for fit in profiles]).reshape(masses.shape)
    chi2 = np.array([fit.chi2 for fit in profiles]).reshape(masses.shape)
    return AnalyticBias(masses.copy(), redshifts.copy(), fitted, fitted / masses, chi2)


def true_profile(truth: str | Mapping[str, Any] | TrueProfile, info: ModelInfo) -> TrueProfile:
    """Return the profile of (mass, redshift) that `truth` of `analytic_bias` describes."""
    if callable(truth):
        return _checked(truth)
    if isinstance(truth, str):
        truth = {"profile": truth}
    if not isinstance(truth, Mapping):
        raise ParameterError("truth", truth, "a name of a profile, a mapping, or a function")
    common = {key: info[key] for key in ("mass_def", "concentration", "cosmology")}
    model = halo_model(ModelInfo.from_dict({**common, **truth}))

    def profile_of(mass: float, redshift: float) -> RadialMass:
        c = model.concentration_of(redshift)
        return model.halo_of(np.array([mass]), redshift, c)[0]

    return profile_of


def _checked(truth: TrueProfile) -> TrueProfile:
    """Return a function that is `truth`, with what it returns checked."""
    try:
        inspect.signature(truth).bind(1e14, 0.3)
    except TypeError as error:
        raise ParameterError(
            "truth", truth, "a function of (mass, redshift)", f"Python says: {error}."
        ) from None

    def profile_of(mass: float, redshift: float) -> RadialMass:
        profile = truth(mass, redshift)
        where = f"truth({mass:.6g}, {redshift:g})"
        if not isinstance(profile, RadialMass) or profile.shape not in ((), (1,)):
            raise ParameterError(where, profile, "one profile, such as clm.NFW(...)")
        own = float(np.ravel(profile.redshift)[0])
        if not math.isclose(own, redshift):
            raise ParameterError(f"{where}.redshift", own, f"{redshift:g}, that of the halo")
        return profile

    return profile_of
