"""`run_mcmc`: sample a posterior, in a run directory that can be killed and gone on with."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from ..errors import ParameterError, nearest
from .chain import Chain
from .chain_file import read_chain, write_chain
from .checkpoints import Checkpoints
from .diagnostics import ConvergenceWarning
from .emcee_sampler import EmceeOptions, sample_emcee
from .nautilus_sampler import NautilusOptions, checked_state, sample_nautilus, write_state
from .posterior import Likelihood, Posterior
from .prior_set import PriorSet
from .run_directory import CHAIN, RunDirectory, opened_run

Options = EmceeOptions | NautilusOptions
MakeLikelihood = Callable[[dict[str, Any]], Likelihood]

SAMPLERS: dict[str, type[Options]] = {"emcee": EmceeOptions, "nautilus": NautilusOptions}
CHECKPOINT_SECONDS = 30.0
FORMAT, FORMAT_VERSION = "clmassmod run", 1


def run_mcmc(
    likelihood: Likelihood,
    priors: PriorSet,
    folder: str | os.PathLike[str] | None = None,
    *,
    sampler: str = "emcee",
    progress: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    **options: Any,
) -> Chain:
    """Sample the posterior of a likelihood.

    Parameters
    ----------
    likelihood : Likelihood
    priors : PriorSet
        Of the parameters of the likelihood, in any order.
    folder : path, optional
        Directory of the run, such as `run_folder` gives: what is there of the same run is gone
        on with, and a run that has ended is read. Without it nothing is written.
    sampler : {"emcee", "nautilus"}
    progress : bool, optional
        Show a progress bar.
    checkpoint_seconds : float, optional
        At least this long between two checkpoints.
    **options
        Of `EmceeOptions` or `NautilusOptions`: seed, target_ess, ...

    Returns
    -------
    Chain
        ``chain.converged`` says whether it reached what was asked for.

    Warns
    -----
    ConvergenceWarning
        Sampling stopped at ``max_steps`` (``max_calls``) before that; a run goes on from
        there when it is called with a larger number.

    Raises
    ------
    ParameterError
        A wrong option; a prior that reaches outside the support of the likelihood.
    FitError
        The folder is in use, holds another run, or cannot be written to; no starting points.
    NumericalError
        The likelihood gave NaN; the message names the parameters.

    Notes
    -----
    With emcee a run that was killed ends with the same bits as one that was not.

    Examples
    --------
    >>> import numpy as np
    >>> from clmassmod.inference.priors import Uniform
    >>> class Gaussian:
    ...     names, support, identity, versions = ("a", "b"), {}, "example", {}
    ...     def log_likelihood(self, eta):
    ...         return -0.5 * (eta**2).sum(axis=1)
    ...     def to_dict(self):
    ...         return {}
    >>> priors = PriorSet({"a": Uniform(-9.0, 9.0), "b": Uniform(-9.0, 9.0)})
    >>> chain = run_mcmc(Gaussian(), priors, seed=1, target_ess=500)
    >>> chain.converged
    True
    """
    posterior = Posterior(likelihood, priors)
    settings = sampler_options(sampler, options)
    if folder is None:
        return _warned(_sample(posterior, settings, None, checkpoint_seconds, progress))
    params = _params(posterior, sampler, options)
    with opened_run(folder, params, likelihood) as run:
        chain = _sample(posterior, settings, run, checkpoint_seconds, progress)
        run.end(
            "finished" if chain.converged else "stopped early",
            n_steps=len(chain.draws),
            **chain.attributes,
        )
    return _warned(chain)


def run_again(
    params: Mapping[str, Any],
    make_likelihood: MakeLikelihood,
    folder: str | os.PathLike[str],
    *,
    progress: bool = False,
    **stopping: Any,
) -> Chain:
    """Run what ``params.json`` of a run holds: in its own folder it goes on, in another anew.

    Parameters
    ----------
    params : mapping
        As `RunDirectory.read_params` gives it.
    make_likelihood : callable
        ``make_likelihood(params["likelihood"]) -> Likelihood``.
    folder : path
    progress : bool, optional
    **stopping
        Limits in place of those of the run, such as ``max_steps``.
    """
    given = dict(params["sampler"])
    name = given.pop("sampler")
    return run_mcmc(
        make_likelihood(params["likelihood"]),
        PriorSet.from_dict(params["priors"]),
        folder,
        sampler=name,
        progress=progress,
        **{**given, **params["stopping"], **stopping},
    )


def sampler_options(sampler: str, options: Mapping[str, Any]) -> Options:
    """Return the checked options of a sampler.

    Raises
    ------
    ParameterError
        An unknown sampler or option, or a wrong value.
    """
    if sampler not in SAMPLERS:
        hint = nearest(str(sampler), SAMPLERS)
        raise ParameterError("sampler", sampler, f"one of {', '.join(SAMPLERS)}", hint)
    kind = SAMPLERS[sampler]
    known = tuple(kind.__dataclass_fields__)
    for key, value in options.items():
        if key not in known:
            raise ParameterError(
                key, value, f"an option of {sampler}: {', '.join(known)}", nearest(key, known)
            )
    return kind(**options)


def plain_options(sampler: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``sampler`` and ``stopping`` of ``params.json``: which chain, and where it ends."""
    settings = sampler_options(sampler, options)
    values = asdict(settings)
    stopping = {key: values.pop(key) for key in settings.stopping}
    return {"sampler": {"sampler": sampler, **values}, "stopping": stopping}


def _params(posterior: Posterior, sampler: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "likelihood": posterior.likelihood.to_dict(),
        "priors": posterior.priors.to_dict(),
        **plain_options(sampler, options),
    }


def _sample(
    posterior: Posterior,
    settings: Options,
    run: RunDirectory | None,
    seconds: float,
    progress: bool,
) -> Chain:
    if isinstance(settings, NautilusOptions):
        return _sample_nautilus(posterior, settings, run, seconds, progress)
    if run is None:
        return sample_emcee(posterior, settings, progress=progress)
    checkpoints = Checkpoints(run.folder, write_chain, read_chain, run.say, seconds)
    start = checkpoints.load()
    if start is None and (run.folder / CHAIN).exists():
        start = read_chain(run.folder / CHAIN)
    chain = sample_emcee(posterior, settings, checkpoints, run.say, start, progress)
    run.write_chain(chain)
    checkpoints.remove()  # the chain can be gone on with as well
    return chain


def _sample_nautilus(
    posterior: Posterior,
    settings: NautilusOptions,
    run: RunDirectory | None,
    seconds: float,
    progress: bool,
) -> Chain:
    if run is None:
        return sample_nautilus(posterior, settings, progress=progress)
    checkpoints: Checkpoints[Any] = Checkpoints(
        run.folder, write_state, checked_state, run.say, seconds
    )
    chain = sample_nautilus(posterior, settings, checkpoints, run.say, progress)
    run.write_chain(chain)
    return chain


def _warned(chain: Chain) -> Chain:
    if not chain.converged:
        problems = "; ".join(chain.attributes["problems"])
        warnings.warn(f"sampling stopped early: {problems}", ConvergenceWarning, stacklevel=3)
    return chain
