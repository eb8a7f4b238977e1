"""How well a chain has been sampled: autocorrelation time, effective samples, split R-hat.

A chain is an array (steps, walkers, parameters).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError

Array = npt.NDArray[np.float64]

LEAST_LENGTHS = 50.0
"""A chain shorter than this many autocorrelation times does not know its own."""
MOST_R_HAT = 1.05
"""Largest split R-hat of a converged chain.

Half a walker of 50 autocorrelation times holds 25 independent samples, whose mean scatters so
that R-hat is 1.02 even of a perfect chain.
"""
_WINDOW = 5.0
_BURN_IN = 10.0


_NEAR, _MOST_NEAR = 0.1, 0.01


class ConvergenceWarning(UserWarning):
    """Sampling stopped before it reached what was asked for."""


def autocorrelation_time(chain: Array) -> Array:
    """Return the integrated autocorrelation time of every parameter.

    Parameters
    ----------
    chain : (n, w, d) array
        n steps of w walkers.

    Returns
    -------
    (d,) ndarray
        In steps; inf of a parameter that does not move.

    Raises
    ------
    ParameterError
        Fewer than 4 steps, or another number of axes.

    Notes
    -----
    ``tau = 1 + 2 sum_t rho(t)`` up to the first t >= 5 tau (Sokal 1997) and >= 5, with rho averaged
    over walkers. Deviations are from the mean of the whole chain, so that walkers that stay
    in different places give a long tau (with each walker's own mean they would not). The
    scatter of tau is about ``sqrt(20 tau / (n w)) tau``; it is too small by up to a fifth for
    chains of 50 tau.
    """
    x = _checked(chain)
    n = len(x)
    size = 1 << (2 * n - 1).bit_length()  # zeros behind the chain: it must not wrap around
    result = np.full(x.shape[2], np.inf)
    for i in range(x.shape[2]):
        deviation = x[:, :, i] - x[:, :, i].mean()
        power = np.abs(np.fft.rfft(deviation, size, axis=0)) ** 2
        covariance = np.fft.irfft(power.mean(axis=1), size)[:n]
        if _moves(x[:, :, i]):
            tau = 2.0 * np.cumsum(covariance / covariance[0]) - 1.0
            # at least five lags: after one, an alternating chain seems to have none
            beyond = np.arange(n) >= _WINDOW * np.maximum(tau, 1.0)
            result[i] = tau[np.argmax(beyond)] if beyond.any() else tau[-1]
    return result


def effective_sample_size(chain: Array) -> Array:
    """Return the number of independent samples (d,) that a chain (n, w, d) is worth: n w / tau."""
    x = _checked(chain)
    return np.asarray(x.shape[0] * x.shape[1] / autocorrelation_time(x))


def r_hat(chain: Array) -> Array:
    """Return split R-hat (d,) of a chain (n, w, d); inf of a parameter that does not move.

    Gelman et al., Bayesian Data Analysis (2013), sect. 11.4; each walker is split in two.
    """
    x = _checked(chain)
    half = x.shape[0] // 2
    parts = np.concatenate([x[:half], x[half : 2 * half]], axis=1)
    within = parts.var(axis=0, ddof=1).mean(axis=0)
    between = parts.mean(axis=0).var(axis=0, ddof=1)
    ratio = np.full(x.shape[2], np.inf)
    for i in range(x.shape[2]):
        if _moves(x[:, :, i]) and within[i] > 0.0:
            ratio[i] = between[i] / within[i]
    return np.asarray(np.sqrt((half - 1) / half + ratio))


@dataclass(frozen=True)
class Convergence:
    """How far a chain has converged.

    Attributes
    ----------
    n_burn : int
        Steps to leave out: ten autocorrelation times of the second half, at most half of all.
    n_steps : int
        Steps that remain.
    tau, ess, r_hat : (d,) ndarray
        Of the steps that remain.
    """

    n_burn: int
    n_steps: int
    tau: Array
    ess: Array
    r_hat: Array

    def problems(self, target_ess: float) -> list[str]:
        """Return what is missing, in words; nothing if the chain has converged."""
        tau, ess, split = float(self.tau.max()), float(self.ess.min()), float(self.r_hat.max())
        found = []
        if not self.n_steps >= LEAST_LENGTHS * tau:
            found.append(
                f"{self.n_steps} steps are fewer than {LEAST_LENGTHS:.0f} autocorrelation "
                f"times of {tau:.1f}"
            )
        if not ess >= target_ess:
            found.append(f"{ess:.0f} effective samples of the {target_ess:.0f} asked for")
        if not split <= MOST_R_HAT:
            found.append(f"split R-hat {split:.3f} is above {MOST_R_HAT}")
        return found

    def waits_for(self, target_ess: float) -> list[str]:
        """Return the criteria that are not fulfilled yet, as short as a progress bar is."""
        tau, ess, split = float(self.tau.max()), float(self.ess.min()), float(self.r_hat.max())
        found = []
        if not self.n_steps >= LEAST_LENGTHS * tau:
            times = math.floor(self.n_steps / tau)
            found.append(f"{times} of {LEAST_LENGTHS:.0f} autocorrelation times")
        if not ess >= target_ess:
            found.append(f"ESS {ess:.0f} of {target_ess:.0f}")
        if not split <= MOST_R_HAT:
            found.append(f"R-hat {split:.2f} above {MOST_R_HAT}")
        return found

    def steps_wanted(self, target_ess: float) -> float:
        """Return how many steps, burn-in included, length and effective samples ask for.

        What the autocorrelation time of now says; inf of a parameter that does not move.
        """
        tau = float(self.tau.max())
        of_ess = self.n_steps * target_ess / float(self.ess.min()) if math.isfinite(tau) else tau
        return _BURN_IN * tau + max(LEAST_LENGTHS * tau, of_ess)


def convergence(chain: Array) -> Convergence:
    """Return how far a chain (n, w, d) has converged, and how much of it to leave out."""
    x = _checked(chain)
    half = len(x) // 2
    tau = float(autocorrelation_time(x[half:]).max())
    n_burn = min(half, math.ceil(_BURN_IN * tau)) if math.isfinite(tau) else half
    kept = x[n_burn:]
    times = autocorrelation_time(kept)
    ess = kept.shape[0] * kept.shape[1] / times
    return Convergence(n_burn, len(kept), times, ess, r_hat(kept))


def _moves(x: Array) -> bool:
    """Whether a parameter has two values; the variance of a constant may be rounding."""
    return bool(np.ptp(x) > 0.0)


def _checked(chain: Array) -> Array:
    x = np.asarray(chain, dtype=np.float64)
    if x.ndim != 3 or x.shape[0] < 4 or x.size == 0:
        raise ParameterError("chain.shape", x.shape, "(n >= 4 steps, walkers, parameters)")
    return x


def ends_reached(values: Array, ends: tuple[float, float], weight: Array | None = None) -> Array:
    """Return which of the ends of its prior cut a posterior off, (k,).

    Parameters
    ----------
    values : (n,) array
        Samples of one parameter.
    ends : (float, float)
    weight : (n,) array, optional
        Of the samples, > 0 in sum; equal by default.

    Notes
    -----
    More than one sample in a hundred is within a tenth of their standard deviation of such an
    end (of a normal density: if it is cut at less than 1.6 standard deviations).
    """
    share = np.full(values.size, 1.0) if weight is None else weight
    share = share / share.sum()
    near = _NEAR * math.sqrt(float(share @ (values - share @ values) ** 2))
    return np.array([end for end in ends if share @ (np.abs(values - end) < near) > _MOST_NEAR])
