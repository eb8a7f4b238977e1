"""Markov chains by emcee, all walkers in one call, which go on bit for bit after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FitError, ParameterError
from ..rng import checked_seed, purpose_key
from .chain import Chain
from .checkpoints import Checkpoints
from .diagnostics import Convergence, convergence
from .laplace import draw_around, fit_laplace
from .posterior import Posterior

Array = npt.NDArray[np.float64]

_FIRST_CHECK = 200
_GROWTH = 1.2
STARTS = ("laplace", "prior")


@dataclass(frozen=True)
class EmceeOptions:
    """How emcee samples, and when it stops.

    Parameters
    ----------
    seed : int, >= 0 and < 2^64
    n_walkers : int, optional
        Even and at least 4 and 2 d; the larger of 32 and 4 d by default.
    start : {"laplace", "prior"}
        Where the walkers start: drawn from a Laplace fit (`fit_laplace`) or from the prior.
    target_ess : float, > 0
        Effective samples of every parameter to stop at.
    max_steps : int, >= 200
        Steps to stop at in any case.
    """

    seed: int = 0
    n_walkers: int | None = None
    start: str = "laplace"
    target_ess: float = 2000.0
    max_steps: int = 20_000

    stopping = ("target_ess", "max_steps")
    """These may change when a run goes on: the chain up to there is the same."""

    def __post_init__(self) -> None:
        checked_seed(self.seed)
        if self.n_walkers is not None and not (_whole(self.n_walkers) and self.n_walkers > 0):
            raise ParameterError("n_walkers", self.n_walkers, "an even integer > 0, or None")
        if self.start not in STARTS:
            raise ParameterError("start", self.start, f"one of {', '.join(STARTS)}")
        if not (_whole(self.max_steps) and self.max_steps >= _FIRST_CHECK):
            raise ParameterError("max_steps", self.max_steps, f"an integer >= {_FIRST_CHECK}")
        if not (isinstance(self.target_ess, int | float) and self.target_ess > 0.0):
            raise ParameterError("target_ess", self.target_ess, "a number > 0")

    def walkers(self, n_parameters: int) -> int:
        """Return the number of walkers for so many parameters."""
        if self.n_walkers is None:
            return max(32, 4 * n_parameters)
        least = max(2 * n_parameters, 4)
        if self.n_walkers < least or self.n_walkers % 2:
            raise ParameterError("n_walkers", self.n_walkers, f"even and >= {least}")
        return self.n_walkers


def sample_emcee(
    posterior: Posterior,
    options: EmceeOptions,
    checkpoints: Checkpoints[Chain] | None = None,
    say: Callable[[str], None] = lambda line: None,
    start: Chain | None = None,
    progress: bool = False,
) -> Chain:
    """Return a chain that has converged, or has `max_steps` steps.

    Parameters
    ----------
    posterior : Posterior
    options : EmceeOptions
    checkpoints : Checkpoints, optional
        Where the chain is kept meanwhile; also when an exception ends the sampling, such as
        KeyboardInterrupt, which the command line makes of SIGTERM and SIGUSR1.
    say : callable, optional
        Is told what happens, a line at a time.
    start : Chain, optional
        Of the same options; it is gone on with.
    progress : bool, optional
        Show a progress bar.

    Raises
    ------
    FitError
        No starting points with a finite posterior.
    NumericalError
        The likelihood gave NaN.

    Notes
    -----
    Four in five moves are differential evolution (ter Braak 2006; Nelson et al. 2014), the
    others stretch moves (Goodman & Weare 2010), both by emcee (Foreman-Mackey et al. 2013). The
    autocorrelation time is a third of that of stretch moves alone on normal densities, and
    half of it on curved ones. The snooker move of emcee 3.1.6 is not used: it has the wrong
    distribution (mended in emcee's pull request 531).
    Convergence is looked at after 200 steps and then whenever the chain has grown by a fifth
    (`convergence`), at steps that depend on nothing else: where the chain ends does not depend
    on interruptions.
    """
    record = _Record(posterior, options.walkers(len(posterior.names)))
    if start is not None:
        record.restore(start)
        say(f"goes on from step {record.n}")
    else:
        record.begin(_first_points(posterior, options, record.n_walkers, say), options.seed)
    with _kept(record, checkpoints), _bar(options.max_steps, record.n, progress) as bar:
        while True:
            # a chain that is restored may have got there already
            found = convergence(record.draws) if _is_check(record.n, options) else None
            if found is not None:
                _report(found, record, options, bar, say)
                if not found.problems(options.target_ess) or record.n >= options.max_steps:
                    return record.chain(found, options)
            _advance(record, _next_check(record.n, options), checkpoints, bar)


def _next_check(n: int, options: EmceeOptions) -> int:
    return min(next(c for c in _checks() if c > n), options.max_steps)


def _is_check(n: int, options: EmceeOptions) -> bool:
    return n >= options.max_steps or n == next(c for c in _checks() if c >= n)


def _checks() -> Iterator[int]:
    step = _FIRST_CHECK
    while True:
        yield step
        step = int(step * _GROWTH)


def _advance(record: _Record, end: int, checkpoints: Checkpoints[Chain] | None, bar: Any) -> None:
    """Make the steps up to `end`."""
    import emcee

    moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.StretchMove(), 0.2)]
    quiet = _Quiet(record.posterior)
    sampler = emcee.EnsembleSampler(
        record.n_walkers, len(record.posterior.names), quiet, moves=moves, vectorize=True
    )
    steps = sampler.sample(
        emcee.State(record.coords, log_prob=record.log_prob, random_state=record.random_state),
        iterations=end - record.n,
        store=False,
        skip_initial_state_check=True,
    )
    for state in steps:
        if quiet.interrupt is not None:
            raise quiet.interrupt
        record.add(state.coords, state.log_prob, state.random_state)
        bar.update(1)
        if checkpoints is not None and checkpoints.due:
            checkpoints.save(record.chain())


class _Quiet:
    """A posterior that keeps an interrupt until emcee, which would print all walkers, is done."""

    def __init__(self, posterior: Posterior) -> None:
        self.posterior = posterior
        self.interrupt: KeyboardInterrupt | None = None

    def __call__(self, points: Array) -> Array:
        try:
            return self.posterior(points)
        except KeyboardInterrupt as interrupt:
            self.interrupt = interrupt
            return np.full(len(points), -np.inf)


def _first_points(
    posterior: Posterior, options: EmceeOptions, walkers: int, say: Callable[[str], None]
) -> Array:
    if options.start == "laplace":
        fit = fit_laplace(posterior, options.seed)
        text = ", ".join(
            f"{name} = {value:.6g} +- {sd:.2g}"
            for name, value, sd in zip(fit.names, fit.mode, fit.sd, strict=True)
        )
        say(f"Laplace fit: ln P = {fit.log_posterior:.3f} at {text}")
        return draw_around(posterior, fit, walkers, options.seed)
    draws = posterior.priors.sample(100 * walkers, options.seed)
    found: list[Array] = []
    for block in draws.reshape(100, walkers, -1):
        found.extend(block[np.isfinite(posterior(block))])
        if len(found) >= walkers:
            return np.array(found[:walkers])
    raise FitError(
        f"the likelihood vanishes at all but {len(found)} of {len(draws)} draws from the prior; "
        "check the data, or narrow the priors"
    )


class _Record:
    """The steps so far.

    What an interrupt may cut short is never half there: a step counts once `_last` is set.
    """

    def __init__(self, posterior: Posterior, n_walkers: int) -> None:
        self.posterior = posterior
        self.n_walkers = n_walkers
        self._draws = np.empty((_FIRST_CHECK, n_walkers, len(posterior.names)))
        self._log_prob = np.empty((_FIRST_CHECK, n_walkers))
        self._first: tuple[Array, Array] = (self._draws[0], self._log_prob[0])
        self._last: tuple[int, Any, int] = (0, None, 0)

    def begin(self, points: Array, seed: int) -> None:
        self._first = (points, self.posterior(points))
        key = [seed % 2**32, seed >> 32, purpose_key("emcee") % 2**32]
        self._last = (0, np.random.RandomState(key).get_state(), 0)
        self.posterior.n_vanishing = 0

    def restore(self, chain: Chain) -> None:
        n = len(chain.draws)
        self._reserve(2 * n)
        self._draws[:n] = chain.draws
        self._log_prob[:n] = chain.log_posterior
        self.posterior.n_vanishing = chain.attributes["n_vanishing"]
        self._last = (n, chain.random_state, self.posterior.n_vanishing)

    def add(self, coords: Array, log_prob: Array, random_state: Any) -> None:
        n = self.n
        if n == len(self._draws):
            self._reserve(2 * n)
        self._draws[n] = coords
        self._log_prob[n] = log_prob
        self._last = (n + 1, random_state, self.posterior.n_vanishing)

    @property
    def n(self) -> int:
        return self._last[0]

    @property
    def random_state(self) -> Any:
        return self._last[1]

    @property
    def draws(self) -> Array:
        return self._draws[: self.n]

    @property
    def coords(self) -> Array:
        return self._draws[self.n - 1].copy() if self.n else self._first[0]

    @property
    def log_prob(self) -> Array:
        return self._log_prob[self.n - 1].copy() if self.n else self._first[1]

    @property
    def acceptance(self) -> float:
        """Share of proposals that were taken."""
        moved = np.any(self.draws[1:] != self.draws[:-1], axis=2)
        return float(moved.mean())

    def chain(self, found: Convergence | None = None, options: EmceeOptions | None = None) -> Chain:
        n, random_state, n_vanishing = self._last
        draws = self._draws[:n].copy()
        attributes = {"sampler": "emcee", "n_vanishing": n_vanishing, "converged": False}
        if found is not None and options is not None:
            problems = found.problems(options.target_ess)
            attributes |= {"converged": not problems, "problems": problems}
            attributes |= {"acceptance": self.acceptance}
        return Chain(
            names=self.posterior.names,
            draws=draws,
            log_posterior=self._log_prob[:n].copy(),
            log_prior=self.posterior.priors.log_density(draws.reshape(-1, draws.shape[2])).reshape(
                draws.shape[:2]
            ),
            n_burn=0 if found is None else found.n_burn,
            attributes=attributes,
            random_state=random_state,
        )

    def _reserve(self, n: int) -> None:
        draws = np.empty((n, *self._draws.shape[1:]))
        log_prob = np.empty((n, self.n_walkers))
        draws[: self.n] = self.draws
        log_prob[: self.n] = self._log_prob[: self.n]
        self._draws, self._log_prob = draws, log_prob


@contextmanager
def _kept(record: _Record, checkpoints: Checkpoints[Chain] | None) -> Iterator[None]:
    """Write a checkpoint when an exception ends the sampling."""
    try:
        yield
    except BaseException as error:
        if checkpoints is not None and record.n:
            try:
                checkpoints.save(record.chain())
            except OSError as second:  # what ended the sampling is the news
                error.add_note(f"the steps since the last checkpoint are lost: {second}")
        raise


@contextmanager
def _bar(total: int, initial: int, progress: bool) -> Iterator[Any]:
    from tqdm import tqdm

    with tqdm(
        total=total, initial=initial, desc="sampling", unit="step", disable=not progress
    ) as bar:
        yield bar


def _report(
    found: Convergence,
    record: _Record,
    options: EmceeOptions,
    bar: Any,
    say: Callable[[str], None],
) -> None:
    ess, tau, split = found.ess.min(), found.tau.max(), found.r_hat.max()
    bar.set_postfix_str(f"ESS {ess:.0f} of {options.target_ess:.0f}", refresh=False)
    say(
        f"step {record.n}: effective samples {ess:.0f}, autocorrelation time {tau:.1f}, "
        f"split R-hat {split:.3f}, acceptance {record.acceptance:.2f}"
    )


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
