"""The error of a mass that a survey can reach, against the innermost radius used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..configuration.info import ModelInfo
from ..errors import ParameterError
from ..units import as_float_array
from .expected_profile import expected_profile, mass_redshift_pairs
from .halo_model import HaloModel
from .likelihood import ClusterLikelihood
from .model_of_configuration import halo_model
from .parameters import ParameterSet
from .scan import marginal_likelihood, scan_range
from .simulation import bin_edges

Array = npt.NDArray[np.float64]

POWER_SURVEY: dict[str, Any] = {
    "sources": {"mean_beta_s": 0.49},
    "noise": {"shape_noise": 0.25, "density": 9.7},
    "binning": {"r_max": 2.5, "n_bins": 12, "spacing": "linear"},
    "priors": {"mass": {"distribution": "uniform", "low": -5.05e14, "high": 3e15}},
}
"""The survey of `statistical_power` where none is given: from the ground, of NFW haloes."""

_N_GRID = 1001
# of the concentration, where it is free
_N_NUISANCE = 41


def statistical_power(
    mass: Any,
    redshift: Any,
    inner_radius: Any,
    model_info: Mapping[str, Any] | None = None,
) -> Array:
    """Return sigma_M, the standard deviation of the posterior of a mass, for inner radii.

    Parameters
    ----------
    mass, redshift : float or array_like, Msun
        True masses, > 0, and redshifts, > 0; they broadcast.
    inner_radius : (k,) array_like, Mpc
        Inner edges of the innermost bin, > 0 and below ``binning.r_max``.
    model_info : ModelInfo or mapping, optional
        Survey and model, `POWER_SURVEY` by default: `binning` (its r_min is not used), `noise`,
        `sources`, `profile`, `mass_def`, `concentration`, `cosmology`, `parameters` and
        `priors`.

    Returns
    -------
    (..., k) ndarray
        sigma_M [Msun], in the shape of the masses, by inner radius.

    Raises
    ------
    ParameterError
        A mass, a redshift or a radius outside its range.
    ConfigError
        There are no sources, or the edges of the bins are given themselves.

    Notes
    -----
    The data are the expected reduced shear of the model itself at the mean radius of each bin,
    without noise; their errors are ``shape_noise / sqrt(n)``, n the expected number of
    galaxies. The likelihood is put on 1001 masses that hold all of it (a density of 1e-17 of its
    peak) and multiplied by the prior. As many bins are used for every inner radius.

    Examples
    --------
    >>> from clmassmod import statistical_power
    >>> near, far = statistical_power(1e15, 0.3, [0.1, 0.5])
    >>> print(f"{near / far:.1f}")
    0.9
    """
    info = ModelInfo.from_dict(POWER_SURVEY if model_info is None else model_info)
    model = halo_model(info)
    parameters = ParameterSet.from_priors(info["priors"])
    masses, redshifts = mass_redshift_pairs(mass, redshift)
    radii = _checked_radii(inner_radius, info)
    sigma = np.empty((masses.size, radii.size))
    for i, pair in enumerate(zip(masses.ravel(), redshifts.ravel(), strict=True)):
        for k, radius in enumerate(radii):
            sigma[i, k] = _sigma(info, model, parameters, *map(float, (*pair, radius)))
    return sigma.reshape(*masses.shape, radii.size)


def _sigma(
    info: ModelInfo,
    model: HaloModel,
    parameters: ParameterSet,
    mass: float,
    redshift: float,
    radius: float,
) -> float:
    """Return sigma_M of one halo."""
    halo, _ = model.halo_of(np.array([mass]), redshift, model.concentration_of(redshift))
    edges = bin_edges({**info["binning"], "r_min": radius})
    observable = expected_profile(halo, edges, info, model.cosmology)
    likelihood = ClusterLikelihood(model, parameters, observable)
    index = parameters.names.index("mass")
    free = parameters.parameters[index]
    best = np.zeros(len(parameters))
    best[index] = free.to_coordinate(mass)
    low, high = scan_range(likelihood, best, _N_NUISANCE)
    grid = free.to_value(np.linspace(low, high, _N_GRID))
    marginal = marginal_likelihood(likelihood, grid, _N_NUISANCE)
    log_density = marginal.log_likelihood + free.prior.log_density(grid)
    density = np.exp(log_density - log_density.max())
    density /= np.trapezoid(density, grid)
    mean = np.trapezoid(grid * density, grid)
    return float(np.sqrt(np.trapezoid((grid - mean) ** 2 * density, grid)))


def _checked_radii(inner_radius: Any, info: ModelInfo) -> Array:
    binning = info["binning"]
    if binning["edges"] is not None:
        raise ParameterError(
            "binning.edges", binning["edges"], "None", "r_max, n_bins and spacing say the bins."
        )
    radii = np.atleast_1d(as_float_array(inner_radius, "Mpc", "inner_radius"))
    bad = ~((radii > 0.0) & (radii < binning["r_max"]))
    if radii.ndim != 1 or bad.any():
        value = radii.shape if radii.ndim != 1 else float(radii[np.argmax(bad)])
        raise ParameterError("inner_radius", value, f"(k,), > 0 and < {binning['r_max']:g} Mpc")
    return radii
