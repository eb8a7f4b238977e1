"""The likelihood of a mass on a grid, the other parameters marginalised over their priors.

For every mass the range of the other parameters is narrowed until their nodes resolve the
posterior at that mass, and the range of masses likewise. The sums over equal steps of smooth
functions that vanish at both ends then converge exponentially (the trapezoidal rule).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from .density import distribution_function, mass_density, weighted_quantile
from .likelihood import HaloLikelihood
from .results import MassProfile

Array = npt.NDArray[np.float64]

# below the maximum by this much in ln, a mass is left out (a density of 1e-17)
_DEPTH = 40.0
# the same for the other parameters at a given mass: 7.7 standard deviations
_NUISANCE_DEPTH = 30.0
_ROWS = 100_000
_LEVEL_68 = (0.158655, 0.841345)


class Marginal(NamedTuple):
    """The likelihood at masses (G,), marginalised, and the nodes it was summed over."""

    log_likelihood: Array
    """(G,)"""
    nodes: Array
    """(G, K, P - 1) values of the other parameters."""
    log_weight: Array
    """(G, K) ln of likelihood x prior x cell; its sum over K is the marginal."""


def scan(
    likelihood: HaloLikelihood, parameters: dict[str, Any], start: MassProfile, best: Array
) -> MassProfile:
    """Return `start` with the likelihood on a grid of masses that holds all of it."""
    mass_parameter = _mass_parameter(likelihood)
    n_nuisance = int(parameters["n_nuisance"])
    low, high = scan_range(likelihood, best, n_nuisance)
    mass = mass_parameter.to_value(np.linspace(low, high, int(parameters["n_grid"])))
    marginal = marginal_likelihood(likelihood, mass, n_nuisance)
    profile = start._replace(
        mass_grid=mass,
        grid_log_likelihood=marginal.log_likelihood,
        grid_log_prior=mass_parameter.prior.log_density(mass),
    )
    return _summarised(profile, marginal)


def scan_range(likelihood: HaloLikelihood, best: Array, n: int) -> tuple[float, float]:
    """Return the coordinates of mass outside which the marginal likelihood is negligible."""
    p = _mass_parameter(likelihood)
    low, high = p.bounds
    if not math.isfinite(high - low):
        raise ParameterError("priors.mass", p.prior, "bounded for 'scanpdf'")
    middle = best[likelihood.parameters.names.index("mass")]
    for _ in range(40):
        grid = np.linspace(low, high, 201)
        step = grid[1] - grid[0]
        if low < middle < high:
            grid = np.unique(np.append(grid, middle))
        value = marginal_likelihood(likelihood, p.to_value(grid), n).log_likelihood
        kept = grid[value > value.max() - _DEPTH]
        narrow = max(low, kept.min() - step), min(high, kept.max() + step)
        if narrow[1] - narrow[0] > 0.25 * (high - low):
            return narrow
        low, high = narrow
    return low, high


def marginal_likelihood(likelihood: HaloLikelihood, mass: Array, n: int) -> Marginal:
    """Return the likelihood at `mass` (G,), marginalised over n nodes a parameter."""
    d = len(likelihood.parameters) - 1
    if d == 0:
        ln_l = likelihood.log_likelihood(mass[:, None])
        return Marginal(ln_l, np.zeros((mass.size, 1, 0)), ln_l[:, None])
    rows = max(1, _ROWS // n**d)
    parts = [_marginal_of_few(likelihood, mass[i : i + rows], n) for i in range(0, mass.size, rows)]
    return Marginal(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _marginal_of_few(likelihood: HaloLikelihood, mass: Array, n: int) -> Marginal:
    others = [p for p in likelihood.parameters.parameters if p.name != "mass"]
    d = len(others)
    # a normal prior without limits is given those that hold all but 2e-12 of it
    ends = np.array([p.to_coordinate(p.prior.quantile([1e-12, 1.0 - 1e-12])) for p in others])
    low = np.tile(ends[:, 0], (mass.size, 1))
    high = np.tile(ends[:, 1], (mass.size, 1))
    for _ in range(40):
        nodes, log_density = _evaluated(likelihood, others, mass, low, high, n)
        narrow = _narrowed(log_density, low, high, n, d)
        if np.all(narrow[1] - narrow[0] > 0.5 * (high - low)):
            break
        low, high = narrow
    step = (high - low) / (n - 1)
    edge = np.ones(n)
    edge[[0, -1]] = 0.5
    cell = np.ones(1)
    for _ in range(d):
        cell = np.multiply.outer(cell, edge).ravel()
    log_weight = log_density + np.log(cell) + np.sum(np.log(step), axis=1, keepdims=True)
    return Marginal(np.logaddexp.reduce(log_weight, axis=1), nodes, log_weight)


def _evaluated(
    likelihood: HaloLikelihood,
    others: list[Any],
    mass: Array,
    low: Array,
    high: Array,
    n: int,
) -> tuple[Array, Array]:
    """Return nodes (G, K, d) as values, and ln (likelihood x prior), a density of coordinates."""
    t = np.linspace(0.0, 1.0, n)
    mesh = np.stack([m.ravel() for m in np.meshgrid(*[t] * len(others), indexing="ij")], axis=-1)
    u = low[:, None, :] + (high - low)[:, None, :] * mesh
    nodes = np.stack([p.to_value(u[..., i]) for i, p in enumerate(others)], axis=-1)
    names = likelihood.parameters.names
    values = np.empty((*u.shape[:2], len(names)))
    values[..., names.index("mass")] = mass[:, None]
    log_prior = np.zeros(u.shape[:2])
    for i, p in enumerate(others):
        values[..., names.index(p.name)] = nodes[..., i]
        # a node at an end of the support may be out of it by rounding
        inside = np.clip(nodes[..., i], p.prior.low, p.prior.high)
        log_prior += p.prior.log_density(inside) + p.log_jacobian(u[..., i])
    ln_l = likelihood.log_likelihood(values.reshape(-1, len(names)))
    return nodes, ln_l.reshape(u.shape[:2]) + log_prior


def _narrowed(log_density: Array, low: Array, high: Array, n: int, d: int) -> tuple[Array, Array]:
    """Return the ranges that hold what is not negligible, a step wider on either side."""
    top = log_density.max(axis=1, keepdims=True)
    kept = (log_density > top - _NUISANCE_DEPTH) | ~np.isfinite(top)
    kept = kept.reshape(-1, *[n] * d)
    step = (high - low) / (n - 1)
    new_low, new_high = low.copy(), high.copy()
    for i in range(d):
        along = kept.any(axis=tuple(j + 1 for j in range(d) if j != i))
        first = np.maximum(np.argmax(along, axis=1) - 1, 0)
        last = np.minimum(n - np.argmax(along[:, ::-1], axis=1), n - 1)
        new_low[:, i] = low[:, i] + first * step[:, i]
        new_high[:, i] = low[:, i] + last * step[:, i]
    return new_low, np.minimum(new_high, high)


def _summarised(profile: MassProfile, marginal: Marginal) -> MassProfile:
    mass, density = mass_density(profile)
    grid, cumulative = distribution_function(profile)
    low, high = np.interp(_LEVEL_68, cumulative, grid)
    errors = {"mass": _distances(profile.mass, low, high)}
    weight = np.exp(marginal.log_weight - marginal.log_weight.max())
    weight *= (np.exp(profile.grid_log_prior) * np.gradient(mass))[:, None]
    others = [name for name in profile.parameters if name != "mass"]
    for i, name in enumerate(others):
        q = weighted_quantile(marginal.nodes[..., i].ravel(), weight.ravel(), _LEVEL_68)
        errors[name] = _distances(profile.mle[name], *q)
    mean = np.trapezoid(mass * density, mass)
    covariance = np.full((len(profile.parameters),) * 2, np.nan)
    index = profile.parameters.index("mass")
    covariance[index, index] = np.trapezoid((mass - mean) ** 2 * density, mass)
    messages = []
    if max(density[0], density[-1]) > 1e-3 * density.max():
        messages.append("the pdf of the mass is cut by its prior")
    if np.sum(density > 0.1 * density.max()) < 8:
        messages.append("the scan is too coarse for this pdf: raise n_grid")
    at_peak = marginal.log_weight[int(np.argmax(density))]
    share = np.exp(at_peak - np.logaddexp.reduce(at_peak))
    if others and 1.0 / np.sum(share**2) < 3.0 ** len(others):
        messages.append("the other parameters are not resolved: raise n_nuisance")
    return profile._replace(
        covariance=covariance,
        errors=errors,
        message="; ".join(messages),
        status="warning" if messages else profile.status,
    )


def _distances(centre: float, low: Any, high: Any) -> tuple[float, float]:
    return max(centre - float(low), 0.0), max(float(high) - centre, 0.0)


def _mass_parameter(likelihood: HaloLikelihood) -> Any:
    return likelihood.parameters.parameters[likelihood.parameters.names.index("mass")]
