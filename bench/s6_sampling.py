"""S6: the posterior of the population of 1000 lenses, kernels and A made before."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import numpy as np

from . import s3_population as s3
from .harness import Options, Row, Timing
from .oracles import Array

TITLE = "S6: emcee, 1000 lenses, 1000 effective samples of each of six parameters"
SIZE = 1000
EFFECTIVE = 1000.0
TARGET = 60.0
TOLERANCE = 0.2
"""Standard deviations by which means may differ: 5 standard errors of both samples."""
DRAWS = 4000
"""Points of the truth, importance sampling."""
SEED = 3


@lru_cache(maxsize=1)
def _likelihood(case: str, size: int) -> Any:
    from clmassmod.population import LensPopulationLikelihood

    return LensPopulationLikelihood(s3.lenses(size), box=s3.box(case), n_threads=2)


class _Counted:
    """A likelihood that counts the points it is asked for."""

    def __init__(self, likelihood: Any) -> None:
        self._likelihood = likelihood
        self.n_points = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._likelihood, name)

    def log_likelihood(self, eta: Any) -> Array:
        self.n_points += len(eta)
        return np.asarray(self._likelihood.log_likelihood(eta))


def _importance_means(likelihood: Any, samples: Array) -> tuple[Array, float]:
    """Return posterior means by weighted draws of Student's t, and their effective number.

    Centre and widths of the draws are those of the samples; the means do not depend on them.
    """
    from scipy.stats import multivariate_t

    centre, covariance = samples.mean(axis=0), np.cov(samples.T)
    proposal = multivariate_t(centre, covariance, df=5, seed=SEED)
    draws = np.asarray(proposal.rvs(DRAWS))
    log_weight = likelihood.log_likelihood(draws) - proposal.logpdf(draws)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    return weight @ draws, float(1.0 / np.sum(weight**2))


def run(options: Options) -> list[Row]:
    """Sample once with each box, and compare the means with those of importance sampling."""
    size = SIZE // 10 if options.quick else SIZE
    rows = []
    for case in ("posterior", "prior"):
        print(f"  {case}", flush=True)
        rows.append(_row(case, size))
    return rows


def _row(case: str, size: int) -> Row:
    from clmassmod.inference import PriorSet, Uniform, run_mcmc

    likelihood = _Counted(_likelihood(case, size))
    priors = PriorSet({name: Uniform(*likelihood.support[name]) for name in likelihood.names})
    start = time.perf_counter()
    chain = run_mcmc(likelihood, priors, seed=SEED, target_ess=EFFECTIVE)
    seconds = time.perf_counter() - start
    samples = chain.samples
    means, effective = _importance_means(_likelihood(case, size), samples)
    row = Row(f"box of a {case}, {size} lenses, 2 threads", "s", Timing.of([seconds]))
    row.error = float(np.max(np.abs(samples.mean(axis=0) - means) / samples.std(axis=0)))
    row.tolerance, row.target = TOLERANCE, TARGET
    least = min(one["ess"] for one in chain.summary().values())
    row.note = (
        f"once; {likelihood.n_points} points, {len(chain.draws)} steps, least number of "
        f"effective samples {least:.0f}, converged: {'yes' if chain.converged else 'no'}; error: "
        f"means in standard deviations, truth: {effective:.0f} effective weighted draws"
    )
    return row
