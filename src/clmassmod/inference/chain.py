"""Chains: what a sampler leaves behind, with the numbers that describe it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, nearest
from .diagnostics import autocorrelation_time, effective_sample_size, r_hat

Array = npt.NDArray[np.float64]

_QUANTILES = {"q16": 0.158655, "median": 0.5, "q84": 0.841345}

OF_STEPS = ("ess", "r_hat", "tau")
"""Keys of `Chain.summary` that say something of steps of walkers only."""


@dataclass(frozen=True)
class Chain:
    """Samples of a posterior.

    Attributes
    ----------
    names : tuple of d str
        Parameters.
    draws : (n, w, d) ndarray
        n steps of w walkers, burn-in included. Nested sampling gives one walker of equally
        weighted samples in random order.
    log_posterior, log_prior : (n, w) ndarray
        Of the draws; the posterior up to the evidence.
    n_burn : int
        Steps at the start that do not count.
    attributes : dict
        What JSON can hold: sampler, converged, problems, acceptance, log_evidence, ...
    random_state : tuple, optional
        State of the random numbers after the last step, from which a chain goes on.
    """

    names: tuple[str, ...]
    draws: Array
    log_posterior: Array
    log_prior: Array
    n_burn: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)
    random_state: tuple[Any, ...] | None = None

    def __repr__(self) -> str:
        steps, walkers, _ = self.draws.shape
        size = f"{steps} steps ({self.n_burn} of them burn-in) of {walkers} walkers"
        return f"<Chain {', '.join(self.names)}: {size}>"

    def __getitem__(self, name: str) -> Array:
        """Return the samples of one parameter, (n - n_burn) * w of them."""
        return named_column(self.samples, self.names, name)

    @property
    def posterior(self) -> Array:
        """Draws (n - n_burn, w, d) without burn-in."""
        return self.draws[self.n_burn :]

    @property
    def samples(self) -> Array:
        """Samples ((n - n_burn) * w, d) without burn-in, in order of steps."""
        return np.asarray(self.posterior.reshape(-1, len(self.names)))

    @property
    def log_likelihood(self) -> Array:
        """ln L (n, w) of the draws."""
        return np.asarray(self.log_posterior - self.log_prior)

    @property
    def best(self) -> dict[str, float]:
        """Parameters of the draw with the largest posterior."""
        at = np.unravel_index(int(np.argmax(self.log_posterior)), self.log_posterior.shape)
        return dict(zip(self.names, map(float, self.draws[at]), strict=True))

    @property
    def converged(self) -> bool:
        """Whether the sampler reached what was asked for."""
        return bool(self.attributes.get("converged", False))

    @property
    def of_steps(self) -> bool:
        """Whether draws are steps of walkers; those of nested sampling are independent.

        Autocorrelation times, split R-hat and effective samples by them say something of steps
        only.
        """
        return self.attributes.get("sampler") != "nautilus"

    @property
    def evidence_lines(self) -> list[str]:
        """Samples and evidence of nested sampling as lines of text; none of other chains."""
        if "log_evidence" not in self.attributes:
            return []
        n, calls = len(self.samples), self.attributes["n_calls"]
        return [
            f"ln Z = {self.attributes['log_evidence']:.3f}",
            f"{n} independent samples of {calls} likelihood calls",
        ]

    def independent(self, n: int) -> Array:
        """Return n samples (n, d) evenly spaced over the chain, for rank statistics.

        Raises
        ------
        ParameterError
            More than there are effective samples.
        """
        ess = float(effective_sample_size(self.posterior).min())
        if not 1 <= n <= ess:
            raise ParameterError("n", n, f"from 1 to the {ess:.0f} effective samples")
        at = np.linspace(0, len(self.samples) - 1, n).astype(int)
        return np.asarray(self.samples[at])

    def summary(self) -> dict[str, dict[str, float]]:
        """Return name -> mean, sd, q16, median, q84, ess, r_hat, tau (in steps)."""
        tau, split = autocorrelation_time(self.posterior), r_hat(self.posterior)
        size = self.posterior.shape[0] * self.posterior.shape[1]
        result = {}
        for i, name in enumerate(self.names):
            x = self.samples[:, i]
            result[name] = {
                **sample_numbers(x),
                "ess": float(size / tau[i]),
                "r_hat": float(split[i]),
                "tau": float(tau[i]),
            }
        return result

    def summary_lines(self) -> list[str]:
        """Return the summary as lines of text, one per parameter below a head.

        Of nested sampling without what is said of steps, and with the evidence.
        """
        rows = self.summary()
        width = max(len(name) for name in (*rows, "parameter"))
        keys = [key for key in next(iter(rows.values())) if self.of_steps or key not in OF_STEPS]
        lines = [f"{'parameter':<{width}}" + "".join(f"{key:>11}" for key in keys)]
        for name, row in rows.items():
            lines.append(f"{name:<{width}}" + "".join(f"{row[key]:11.5g}" for key in keys))
        return lines + self.evidence_lines


def named_column(samples: Array, names: tuple[str, ...], name: str) -> Array:
    """Return the samples (n,) of one parameter out of (n, d).

    Raises
    ------
    ParameterError
        No parameter has this name.
    """
    if name not in names:
        hint = nearest(str(name), names)
        raise ParameterError("name", name, f"one of {', '.join(names)}", hint)
    return np.asarray(samples[:, names.index(name)])


def sample_numbers(samples: Array) -> dict[str, float]:
    """Return mean, sd and the quantiles q16, median and q84 of samples (n,)."""
    quantiles = np.quantile(samples, list(_QUANTILES.values()))
    return {
        "mean": float(samples.mean()),
        "sd": float(samples.std(ddof=1)),
        **dict(zip(_QUANTILES, quantiles.tolist(), strict=True)),
    }
