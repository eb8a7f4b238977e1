"""Laplace fit: the mode of a posterior and the normal density of the same curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import FitError
from ..rng import purpose_key
from .posterior import Posterior

Array = npt.NDArray[np.float64]

_PER_PARAMETER = 128
_GRADIENT_STEP = 1e-4
_FIRST_STEP = 0.1
_ROUNDS = 6
_MARGIN = 1e-9
_TRIALS = 200
# minus the log density outside the support, for minimisers that cannot take inf
_OUTSIDE = 1e300


@dataclass(frozen=True)
class LaplaceFit:
    """Mode and covariance of a posterior.

    Attributes
    ----------
    names : tuple of str
    mode : (d,) ndarray
        Inside the support.
    covariance : (d, d) ndarray
        Inverse of the curvature at the mode, positive definite: no direction is wider than the
        prior.
    log_posterior : float
        At the mode, up to the evidence.
    """

    names: tuple[str, ...]
    mode: Array
    covariance: Array
    log_posterior: float

    @property
    def sd(self) -> Array:
        """Standard deviations (d,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))


def fit_laplace(posterior: Posterior, seed: int = 0) -> LaplaceFit:
    """Return the Laplace fit of a posterior.

    The best of 128 d draws from the prior is improved by L-BFGS-B with slopes by central
    differences, all in units of the prior's standard deviations and within the support, then by
    Nelder-Mead. Steps of the second differences are one standard deviation of the result, by
    iteration, so that the fit describes the posterior over its own width.

    Raises
    ------
    FitError
        The posterior vanishes at every draw.
    """
    draws = posterior.priors.sample(_PER_PARAMETER * len(posterior.names), seed)
    values = posterior(draws)
    if not np.isfinite(values).any():
        raise FitError(
            f"the likelihood vanishes at all {len(draws)} draws from the prior; "
            "check the data, or narrow the priors"
        )
    problem = _Scaled(posterior, draws)
    z = problem.maximum(draws[int(np.argmax(values))])
    curvature = problem.curvature(z)
    mode = problem.to_theta(z[None])[0]
    covariance = np.linalg.inv(curvature) * np.outer(problem.scale, problem.scale)
    covariance = 0.5 * (covariance + covariance.T)
    return LaplaceFit(posterior.names, mode, covariance, float(posterior(mode[None])[0]))


def draw_around(posterior: Posterior, fit: LaplaceFit, n: int, seed: int) -> Array:
    """Return n draws (n, d) from a Laplace fit, all where the posterior does not vanish.

    Raises
    ------
    FitError
        Nearly every draw is outside.
    """
    random = np.random.default_rng([seed, purpose_key("laplace start")])
    factor = np.linalg.cholesky(fit.covariance)
    found: list[Array] = []
    for _ in range(_TRIALS):
        trial = fit.mode + random.standard_normal((n, fit.mode.size)) @ factor.T
        found.extend(trial[np.isfinite(posterior(trial))])
        if len(found) >= n:
            return np.array(found[:n])
    raise FitError(
        f"the posterior vanishes at nearly all points around its mode {fit.mode.tolist()}; "
        "start from the prior instead"
    )


class _Scaled:
    """A posterior in units of the standard deviations of its prior."""

    def __init__(self, posterior: Posterior, draws: Array) -> None:
        self._posterior = posterior
        self._centre = draws.mean(axis=0)
        self.scale = draws.std(axis=0)
        ends = np.array([posterior.priors.support[name] for name in posterior.names])
        self._low, self._high = ((ends - self._centre[:, None]) / self.scale[:, None]).T

    def to_theta(self, z: Array) -> Array:
        return np.asarray(self._centre + z * self.scale)

    def maximum(self, theta: Array) -> Array:
        """Return the scaled coordinates of the maximum near theta (d,)."""
        from scipy.optimize import minimize

        first = self._inside((theta - self._centre) / self.scale, _GRADIENT_STEP)
        bounds = list(zip(self._low, self._high, strict=True))
        rough = minimize(self._cost_and_slope, first, jac=True, method="L-BFGS-B", bounds=bounds)
        best = rough.x if rough.fun < self._cost(first) else first
        fine = minimize(
            self._cost,
            best,
            method="Nelder-Mead",
            bounds=bounds,
            options={
                "initial_simplex": self._simplex(best),
                "xatol": 1e-4,
                "fatol": 1e-4,
                "maxfev": 200 * len(best),
                "adaptive": True,
            },
        )
        return self._inside(fine.x if fine.fun < self._cost(best) else best, _MARGIN)

    def curvature(self, z: Array) -> Array:
        """Return minus the second derivatives (d, d), at least those of the prior."""
        step = np.full(z.size, _FIRST_STEP)
        for _ in range(_ROUNDS):
            hessian = self._second_differences(self._inside(z, step), step)
            widths, axes = np.linalg.eigh(hessian)
            # flat or rising directions: as wide as the prior, in whose units z is
            hessian = (axes * np.maximum(widths, 1.0)) @ axes.T
            following = np.minimum(1.0 / np.sqrt(np.diag(hessian)), _half_room(self))
            settled = np.all(np.abs(following / step - 1.0) < 0.1)
            step = following
            if settled:
                break
        return np.asarray(hessian)

    def _inside(self, z: Array, margin: Array | float) -> Array:
        return np.asarray(np.clip(z, self._low + margin, self._high - margin))

    def _simplex(self, z: Array) -> Array:
        step = np.minimum(0.02, _half_room(self))
        return np.vstack([z, z + np.diag(np.where(z + step <= self._high, step, -step))])

    def _values(self, z: Array) -> Array:
        return self._posterior(self.to_theta(z))

    def _cost(self, z: Array) -> float:
        value = float(self._values(z[None])[0])
        return -value if np.isfinite(value) else _OUTSIDE

    def _cost_and_slope(self, z: Array) -> tuple[float, Array]:
        d = z.size
        shift = _GRADIENT_STEP * np.eye(d)
        centre = self._inside(z, _GRADIENT_STEP)
        values = self._values(np.vstack([z, centre + shift, centre - shift]))
        slope = (values[1 : d + 1] - values[d + 1 :]) / (2.0 * _GRADIENT_STEP)
        if not np.isfinite(values).all():  # nothing to follow: the line search turns back
            return (_OUTSIDE if not np.isfinite(values[0]) else -values[0]), np.zeros(d)
        return -float(values[0]), -slope

    def _second_differences(self, z: Array, step: Array) -> Array:
        d = z.size
        shift = np.diag(step)
        pairs = [(i, j) for i in range(d) for j in range(i)]
        points = [z[None], z + shift, z - shift]
        points += [
            np.stack([z + a * shift[i] + b * shift[j] for i, j in pairs]).reshape(-1, d)
            for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))
            if pairs
        ]
        values = self._values(np.vstack(points))
        # beyond a wall of the likelihood the density is small, not zero
        values = np.where(np.isfinite(values), values, values[0] - 10.0)
        up, down = values[1 : d + 1], values[d + 1 : 2 * d + 1]
        hessian = np.diag((2.0 * values[0] - up - down) / step**2)
        corners = values[2 * d + 1 :].reshape(4, -1) if pairs else np.empty((4, 0))
        for (i, j), (pp, pm, mp, mm) in zip(pairs, corners.T, strict=True):
            hessian[i, j] = hessian[j, i] = -(pp - pm - mp + mm) / (4.0 * step[i] * step[j])
        return hessian


def _half_room(problem: _Scaled) -> Array:
    """Return the longest step that a central difference can take within the support."""
    return np.asarray(0.49 * (problem._high - problem._low))
