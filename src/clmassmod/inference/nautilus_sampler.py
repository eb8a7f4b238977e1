"""Nested sampling by nautilus: posterior and evidence, also of several separate peaks."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, MissingExtraError, ParameterError
from ..provenance import atomic_path
from ..rng import checked_seed, purpose_key
from ..stopping import Stopped, between_steps
from .chain import Chain
from .checkpoints import Checkpoints
from .posterior import Posterior

Array = npt.NDArray[np.float64]

# batches of likelihood calls between looks at the clock
_BATCHES = 5


@dataclass(frozen=True)
class NautilusOptions:
    """How nautilus samples, and when it stops.

    Parameters
    ----------
    seed : int, >= 0 and < 2^64
    n_live : int, >= 100
        Live points.
    n_networks : int, >= 0
        Neural networks that guide the bounds; 0 uses ellipsoids alone.
    target_ess : float, > 0
        Effective samples to stop at.
    max_calls : int, > 0
        Likelihood calls to stop at in any case.
    """

    seed: int = 0
    n_live: int = 1000
    n_networks: int = 0
    target_ess: float = 4000.0
    max_calls: int = 10_000_000

    stopping = ("target_ess", "max_calls")
    """These may change when a run goes on."""

    def __post_init__(self) -> None:
        checked_seed(self.seed)
        for name, least in (("n_live", 100), ("n_networks", 0), ("max_calls", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ParameterError(name, value, f"an integer >= {least}")
        if not (isinstance(self.target_ess, int | float) and self.target_ess > 0.0):
            raise ParameterError("target_ess", self.target_ess, "a number > 0")


def write_state(path: str | os.PathLike[str], sampler: Any) -> None:
    """Write the state of a nautilus sampler, whole or not at all."""
    with atomic_path(path) as temporary:
        named = temporary.with_suffix(".h5")  # nautilus wants this ending
        try:
            sampler.write(named, overwrite=True)
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)


def checked_state(path: Path) -> Path:
    """Return `path`, a state that `write_state` wrote.

    Raises
    ------
    FormatError
        It is damaged.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            int(file["sampler"].attrs["n_like"])
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise FormatError(path, "file", f"not a state of nautilus ({error})") from error
    return path


def sample_nautilus(
    posterior: Posterior,
    options: NautilusOptions,
    checkpoints: Checkpoints[Any] | None = None,
    say: Callable[[str], None] = lambda line: None,
    progress: bool = False,
) -> Chain:
    """Return equally weighted samples of the posterior, in random order, as one walker.

    Parameters
    ----------
    posterior : Posterior
        Of at least two parameters.
    options : NautilusOptions
    checkpoints : Checkpoints, optional
        Of `write_state` and `checked_state`: where the state is kept, and read from.
    say : callable, optional
        Is told what happens, a line at a time.
    progress : bool, optional
        Show a progress bar.

    Raises
    ------
    MissingExtraError
        nautilus is not installed.
    NumericalError
        The likelihood gave NaN.

    Notes
    -----
    Lange (2023, MNRAS 525, 3181). As many samples are kept as there are effective ones, by
    systematic resampling. A run that goes on does so from the last checkpoint; nautilus makes
    no promise that the samples are then those of an uninterrupted run.
    """
    if len(posterior.names) < 2:
        hint = "Use sampler='emcee'."
        raise ParameterError("names", posterior.names, "two parameters or more for nautilus", hint)
    resumed = None if checkpoints is None else checkpoints.load()
    sampler = _sampler(posterior, options, resumed)
    if resumed is not None:
        say(f"goes on from {sampler.n_like} likelihood calls")
    with _Bar(options.target_ess, progress) as bar, between_steps() as check:
        finished = False
        while not finished and sampler.n_like < options.max_calls:
            end = min(sampler.n_like + _BATCHES * sampler.n_batch, options.max_calls)
            finished = sampler.run(n_eff=options.target_ess, n_like_max=end)
            bar.show(sampler)
            try:
                check()
            except Stopped:
                if checkpoints is not None:
                    checkpoints.save(sampler)
                raise
            if checkpoints is not None and (finished or checkpoints.due):
                checkpoints.save(sampler)
    chain = _chain(posterior, options, sampler, finished)
    say("; ".join(chain.evidence_lines))
    return chain


def _sampler(posterior: Posterior, options: NautilusOptions, resumed: Any) -> Any:
    try:
        from nautilus import Sampler
    except ImportError:
        raise MissingExtraError("nautilus-sampler", "fit", "sampler 'nautilus'") from None
    sampler = Sampler(
        posterior.priors.transform,
        posterior.log_likelihood,
        n_dim=len(posterior.names),
        n_live=options.n_live,
        n_networks=options.n_networks,
        vectorized=True,
        pass_dict=False,
        seed=[options.seed, purpose_key("nautilus")],
        filepath=resumed,
    )
    sampler.filepath = None  # its own checkpoints can be cut short; `Checkpoints` writes them
    return sampler


def _chain(posterior: Posterior, options: NautilusOptions, sampler: Any, finished: bool) -> Chain:
    points, log_weight, log_likelihood = sampler.posterior()
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    random = np.random.default_rng([options.seed, purpose_key("resampling")])
    n = max(int(1.0 / np.sum(weight**2)), 4)
    # systematic resampling: a point is there as often as its weight says, to one
    at = np.searchsorted(np.cumsum(weight), (np.arange(n) + random.random()) / n)
    rows = random.permutation(np.minimum(at, len(points) - 1))
    log_prior = posterior.priors.log_density(points[rows])
    return Chain(
        names=posterior.names,
        draws=points[rows][:, None, :],
        log_posterior=(log_prior + log_likelihood[rows])[:, None],
        log_prior=log_prior[:, None],
        attributes={
            "sampler": "nautilus",
            "converged": bool(finished),
            "problems": [] if finished else [_short(sampler, options)],
            "n_calls": int(sampler.n_like),
            # of the prior within its support: the cube reaches beyond it
            "log_evidence": float(sampler.log_z - np.log(posterior.priors.inside)),
        },
    )


def _short(sampler: Any, options: NautilusOptions) -> str:
    return (
        f"{sampler.n_like} likelihood calls gave {sampler.n_eff:.0f} effective samples of the "
        f"{options.target_ess:.0f} asked for"
    )


class _Bar:
    """Progress bar of effective samples, which may fall as well."""

    def __init__(self, total: float, progress: bool) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=round(total), desc="sampling", unit="sample", disable=not progress)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, sampler: Any) -> None:
        found = float(sampler.n_eff) if sampler.explored else 0.0
        self._bar.set_postfix_str(f"{sampler.n_like} calls", refresh=False)
        self._bar.update(round(min(found, self._bar.total)) - self._bar.n)
