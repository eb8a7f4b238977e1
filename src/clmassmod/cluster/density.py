"""The one-dimensional density of a fitted mass, and statistics of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from ..errors import FitError
from .results import MassProfile

Array = npt.NDArray[np.float64]

LEVELS = (0.6827, 0.9545)


def mass_density(profile: MassProfile, n_grid: int = 400) -> tuple[Array, Array]:
    """Return masses [Msun] and the normalised posterior density there [1/Msun].

    From the grid of a scan as it is; from samples by a Gaussian kernel (Scott's rule); from
    a best fit with its variance as a normal density.
    """
    if profile.mass_grid.size:
        log_density = profile.grid_log_likelihood + profile.grid_log_prior
        density = np.exp(log_density - log_density.max())
        return profile.mass_grid, density / np.trapezoid(density, profile.mass_grid)
    column = profile.parameters.index("mass") if profile.parameters else 0
    if profile.samples.size:
        from scipy.stats import gaussian_kde

        mass, weight = profile.samples[:, column], sample_weights(profile)
        kernel = gaussian_kde(mass / 1e14, weights=weight)
        low, high = weighted_quantile(mass, weight, [1e-4, 1.0 - 1e-4])
        margin = 0.15 * (high - low)
        grid = np.linspace(low - margin, high + margin, n_grid)
        density = kernel(grid / 1e14) / 1e14
        return grid, density / np.trapezoid(density, grid)
    if profile.covariance.size and math.isfinite(profile.covariance[column, column]):
        sd = math.sqrt(profile.covariance[column, column])
        grid = np.linspace(profile.mass - 5.0 * sd, profile.mass + 5.0 * sd, n_grid)
        density = np.exp(-0.5 * ((grid - profile.mass) / sd) ** 2)
        return grid, density / np.trapezoid(density, grid)
    raise FitError(f"{profile.halo_id}: no density of the mass (status {profile.status})")


def sample_weights(profile: MassProfile) -> Array:
    """Return the normalised weights of the samples, (S,)."""
    weight = np.exp(profile.sample_log_weight - profile.sample_log_weight.max())
    return np.asarray(weight / weight.sum())


def weighted_quantile(values: Array, weights: Array, probability: Any) -> Array:
    """Return quantiles of weighted samples (inverse of the mid-point distribution function)."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) - 0.5 * weights[order]
    return np.asarray(np.interp(probability, cumulative / weights.sum(), values[order]))


def distribution_function(profile: MassProfile) -> tuple[Array, Array]:
    """Return masses and the posterior probability below each."""
    if profile.samples.size and not profile.mass_grid.size:
        mass = profile.samples[:, profile.parameters.index("mass")]
        weight = sample_weights(profile)
        order = np.argsort(mass)
        return mass[order], np.cumsum(weight[order]) - 0.5 * weight[order]
    mass, density = mass_density(profile)
    steps = 0.5 * (density[1:] + density[:-1]) * np.diff(mass)
    cumulative = np.concatenate([[0.0], np.cumsum(steps)])
    return mass, cumulative / cumulative[-1]


def highest_density_interval(mass: Array, density: Array, level: float) -> tuple[float, float]:
    """Return the ends of the highest-density region of probability `level`.

    The region of a density with several peaks is returned by its outermost ends.
    """
    fine = np.linspace(mass[0], mass[-1], 20 * mass.size)
    p = np.interp(fine, mass, density)
    order = np.argsort(p)[::-1]
    total = np.cumsum(p[order]) / p.sum()
    kept = order[: int(np.searchsorted(total, level)) + 1]
    return float(fine[kept.min()]), float(fine[kept.max()])


def mass_statistics(profile: MassProfile, truth: float | None = None) -> dict[str, float]:
    """Return statistics of the posterior of one mass [Msun].

    mean, median, mode, sd, equal-tailed 68.27 % interval, highest-density intervals at
    68.27 and 95.45 %; location, scale and shape of a skew-normal and of a Voigt density
    fitted to it by least squares; and, given the true mass, the probability integral
    transform ``pit`` (posterior probability below the truth).
    """
    mass, density = mass_density(profile)
    grid, cumulative = distribution_function(profile)
    mean, variance = _moments(profile, mass, density)
    low, median, high = np.interp([0.158655, 0.5, 0.841345], cumulative, grid)
    result = {
        "mean": mean,
        "median": float(median),
        "mode": float(mass[np.argmax(density)]),
        "sd": math.sqrt(variance),
        "low_68": float(low),
        "high_68": float(high),
    }
    for level, name in zip(LEVELS, ("68", "95"), strict=True):
        ends = highest_density_interval(mass, density, level)
        result[f"hdi_{name}_low"], result[f"hdi_{name}_high"] = ends
    result.update(_skew_normal_fit(mass, density, mean, math.sqrt(variance)))
    result.update(_voigt_fit(mass, density, mean, math.sqrt(variance)))
    if truth is not None:
        result["pit"] = float(np.interp(truth, grid, cumulative, left=0.0, right=1.0))
    return result


def _moments(profile: MassProfile, mass: Array, density: Array) -> tuple[float, float]:
    if profile.samples.size and not profile.mass_grid.size:
        weight = sample_weights(profile)
        values = profile.samples[:, profile.parameters.index("mass")]
        mean = float(np.sum(weight * values))
        return mean, float(np.sum(weight * (values - mean) ** 2))
    mean = float(np.trapezoid(mass * density, mass))
    return mean, float(np.trapezoid((mass - mean) ** 2 * density, mass))


def _least_squares(
    shape: Any, mass: Array, density: Array, mean: float, sd: float, start: list[float]
) -> Array:
    t = (mass - mean) / sd
    target = density * sd
    fit = optimize.least_squares(lambda p: shape(t, *p) - target, start, method="lm")
    return np.asarray(fit.x)


def _skew_normal_fit(mass: Array, density: Array, mean: float, sd: float) -> dict[str, float]:
    def shape(t: Array, location: float, log_scale: float, skew: float) -> Array:
        scale = math.exp(log_scale)
        u = (t - location) / scale
        normal = np.exp(-0.5 * u * u) / math.sqrt(2.0 * math.pi)
        return np.asarray(2.0 / scale * normal * special.ndtr(skew * u))

    location, log_scale, skew = _least_squares(shape, mass, density, mean, sd, [0.0, 0.0, 0.1])
    return {
        "skew_normal_location": mean + sd * location,
        "skew_normal_scale": sd * math.exp(log_scale),
        "skew_normal_shape": float(skew),
    }


def _voigt_fit(mass: Array, density: Array, mean: float, sd: float) -> dict[str, float]:
    def shape(t: Array, location: float, log_sigma: float, log_gamma: float) -> Array:
        sigma, gamma = math.exp(log_sigma), math.exp(log_gamma)
        return np.asarray(special.voigt_profile(t - location, sigma, gamma))

    location, log_sigma, log_gamma = _least_squares(
        shape, mass, density, mean, sd, [0.0, -0.1, -2.0]
    )
    return {
        "voigt_location": mean + sd * location,
        "voigt_sigma": sd * math.exp(log_sigma),
        "voigt_gamma": sd * math.exp(log_gamma),
    }
