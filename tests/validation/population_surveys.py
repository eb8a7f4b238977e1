"""Mock surveys of image pairs and their posteriors, right ones and wrong ones on purpose.

The wrong likelihoods are controls: a calibration that does not notice them says nothing.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logsumexp

from clmassmod.inference import PriorSet, Uniform
from clmassmod.population import (
    LensData,
    LensPopulationLikelihood,
    PopulationParameters,
)
from clmassmod.population.kernels import LensKernels
from clmassmod.stronglens import (
    LensModel,
    LensPopulation,
    MockGenerator,
    SchechterCounts,
    SourcePopulation,
)

N_LENSES = 100
PRIOR = {
    "alpha_sps": (-0.06, 0.12),
    "mu_h": (12.5, 13.3),
    "beta_h": (1.4, 2.6),
    "sigma_h": (0.2, 0.5),
    "mu_g": (0.7, 1.3),
    "sigma_g": (0.12, 0.32),
}
"""Uniform priors, four to nine standard deviations of 100 lenses wide, and box of the kernels."""
FEWER_SOURCES = 0.1
"""Of the default density, in surveys with truths from the prior: the likelihood takes lenses as
independent, and several behind one massive halo are not. At the default density that is a quarter
of all lenses where haloes are heaviest."""
NAMES = tuple(PRIOR)
LOW, HIGH = np.array(list(PRIOR.values())).T
PARAMETERS = PopulationParameters(LensPopulation(), NAMES)

_CHUNK = 32_768
_MOST_GALAXIES = 5_000_000


def draw_prior(seed: int) -> np.ndarray:
    """Return one truth (6,)."""
    priors = PriorSet({name: Uniform(*ends) for name, ends in PRIOR.items()})
    return priors.sample(1, seed)[0]


def fewer_sources(share: float = FEWER_SOURCES) -> SourcePopulation:
    """Return the default sources, thinned out."""
    return SourcePopulation(SchechterCounts(density=share * SchechterCounts().density))


def survey(
    truth: Any, seed: int, n_lenses: int = N_LENSES, sources: SourcePopulation | None = None
) -> LensData:
    """Return the first `n_lenses` detected lenses of a mock.

    That many whatever the truth: the likelihood without the rate is that of a given number.
    """
    generator = MockGenerator(PARAMETERS.with_values(truth), sources)
    parts: list[dict[str, np.ndarray]] = []
    found, first = 0, 0
    while found < n_lenses:
        if first >= _MOST_GALAXIES:
            raise RuntimeError(f"{found} lenses among {first} galaxies at {truth}")
        data = LensData.from_catalogue(generator.generate(_CHUNK, seed, first=first))
        parts.append(data.arrays())
        found += len(data)
        first += _CHUNK
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return LensData(**columns)[:n_lenses]


# -- likelihoods ----------------------------------------------------------------------------------


def right_likelihood(
    lenses: LensData,
    tables: str | os.PathLike[str],
    box: dict[str, tuple[float, float]] | None = None,
    selection: str = "on_data",
    sources: SourcePopulation | None = None,
) -> LensPopulationLikelihood:
    """Return the likelihood of a survey; A is kept in the folder `tables`, kernels are not."""
    ends = PRIOR if box is None else box
    found = LensPopulationLikelihood(
        lenses, sources=sources, free=NAMES, box=ends, selection=selection, tables=tables
    )
    for path in Path(tables).glob("kernels-*"):
        path.unlink()
    return found


def doubled_detection(likelihood: LensPopulationLikelihood, tables: str | os.PathLike[str]) -> Any:
    """P_det in every lens though the data decided on the detection: it counts twice."""
    return right_likelihood(
        likelihood.lenses, tables, likelihood.support, "independent", likelihood.sources
    )


def wrong_errors(likelihood: LensPopulationLikelihood, tables: Any = None) -> Any:
    """Stellar masses taken to be known to 0.15 dex, where mocks have 0.1."""
    result, sample = _copied(likelihood)
    lenses = sample.kernels._arrays["lenses"] * np.array([[1.0], [1.5]])
    sample.kernels = _changed(sample.kernels, {"lenses": lenses})
    return result


def without_selection(likelihood: LensPopulationLikelihood, tables: Any = None) -> Any:
    """As if lenses were a fair sample of galaxies: no A."""
    result, sample = _copied(likelihood)
    sample.log_selection = lambda vectors, survey, n_threads: np.zeros((len(vectors), 1))
    return result


def missing_jacobian(likelihood: LensPopulationLikelihood, tables: Any = None) -> Any:
    """Cells weighted without |d(log M*, beta) / d(x_A, x_B)|."""
    result, sample = _copied(likelihood)
    sample.kernels = kernels_without_jacobian(sample.kernels, likelihood.lenses)
    return result


WRONG: dict[str, Callable[..., Any]] = {
    "doubled detection": doubled_detection,
    "missing Jacobian": missing_jacobian,
    "wrong errors": wrong_errors,
    "no selection": without_selection,
}
"""Makes a wrong likelihood of a right one."""


def _copied(likelihood: LensPopulationLikelihood) -> tuple[LensPopulationLikelihood, Any]:
    result = copy.copy(likelihood)
    sample: Any = copy.copy(likelihood.sample)
    result.sample = sample
    return result, sample


def _changed(kernels: LensKernels, arrays: dict[str, np.ndarray]) -> LensKernels:
    whole = kernels._arrays | arrays
    return LensKernels(whole, kernels.parameters, kernels.support, kernels.identity)


def kernels_without_jacobian(kernels: LensKernels, lenses: LensData) -> LensKernels:
    """Return kernels whose weights are divided by ``|R_A R_B| / M*``.

    What is left of the Jacobian, ``ln 10 (a_A + a_B)``, is the same for all nodes of a lens.
    """
    arrays = kernels._arrays
    nodes, chunk = arrays["nodes"].copy(), arrays["nodes"].shape[1] // arrays["gamma"].size
    log_mstar, log_mhalo = nodes[:2].astype(np.float64)
    gamma = kernels._gamma[np.repeat(arrays["gamma"], chunk)]
    lens = np.repeat(np.arange(len(lenses)), kernels.n_nodes)
    real = np.isfinite(nodes[2]) & (nodes[2] > -1e4)  # not those that only fill vectors
    of = lens[real]
    model = LensModel(log_mstar[real], log_mhalo[real], lenses.log_re[of], gamma_in=gamma[real])
    log_j = -np.log(10.0) * log_mstar[real]
    for x in (lenses.x_a[of], -lenses.x_b[of]):
        radial = 1.0 - (model.convergence(x) - model.shear(x))
        # nodes next to the radial critical curve: masses in single precision leave 1e-6
        log_j += np.log(np.maximum(np.abs(radial), 1e-6))
    # kept near zero: weights are single precision
    shift = np.bincount(of, log_j) / np.bincount(of)
    nodes[2, real] -= (log_j - shift[of]).astype(np.float32)
    parts = arrays["parts"] - np.array([[1.0], [0.0]]) * shift
    return _changed(kernels, {"nodes": nodes, "parts": parts})


# -- posteriors -----------------------------------------------------------------------------------


def posterior_samples(likelihood: Any, seed: int, n: int = 1000, least_ess: float = 400.0) -> Any:
    """Return n draws (n, d) from the posterior with a uniform prior in the likelihood's box.

    Importance sampling, adapted: draws from t distributions of five degrees of freedom with
    mean and covariance of the draws before, first of a tempered posterior, until the effective
    number is `least_ess`; then resampled. `test_importance_sampling_is_that_of_emcee` compares.
    """
    random = np.random.default_rng(seed)
    low, high = np.array([likelihood.support[name] for name in likelihood.names]).T
    draws = low + (high - low) * random.random((512, low.size))
    log_weight = likelihood.log_likelihood(draws)
    size, spread = 384, 1.5
    for _ in range(30):
        temper = _temper(log_weight, 60.0)
        weight = _weights(temper * log_weight)
        if temper == 1.0:
            ess = 1.0 / np.sum(weight**2)
            if ess >= least_ess:
                return draws[random.choice(len(draws), n, p=weight)]
            size, spread = int(max(1280, 1.3 * least_ess * min(4.0, len(draws) / ess))), 1.0
        mean = weight @ draws
        covariance = spread * (weight * (draws - mean).T) @ (draws - mean)
        covariance += np.diag((1e-3 * (high - low)) ** 2)
        draws, log_density = _draw_t(random, mean, covariance, size, low, high)
        log_weight = likelihood.log_likelihood(draws) - log_density
    raise RuntimeError(f"importance sampling did not reach {least_ess} effective draws")


def _draw_t(random, mean, covariance, size, low, high):
    """Return draws of a multivariate t (5 degrees of freedom) inside a box, ln density + const."""
    d, freedom = mean.size, 5.0
    factor = np.linalg.cholesky(covariance * (freedom - 2.0) / freedom)
    kept: list[np.ndarray] = []
    while sum(map(len, kept)) < size:
        z = random.standard_normal((2 * size, d))
        z *= np.sqrt(freedom / random.chisquare(freedom, (2 * size, 1)))
        trial = mean + z @ factor.T
        inside = ((trial > low) & (trial < high)).all(axis=1)
        kept.append(np.hstack([trial, (z**2).sum(axis=1, keepdims=True)])[inside])
    found = np.concatenate(kept)[:size]
    return found[:, :d], -0.5 * (freedom + d) * np.log1p(found[:, d] / freedom)


def _weights(log_weight):
    return np.exp(log_weight - logsumexp(log_weight))


def _temper(log_weight, least_ess):
    """Return the largest power <= 1 of the weights that leaves `least_ess` effective draws."""
    low, high = 0.0, 2.0  # the first trial is 1
    for _ in range(30):
        power = 0.5 * (low + high)
        enough = 1.0 / np.sum(_weights(power * log_weight) ** 2) >= least_ess
        if enough and power == 1.0:
            return 1.0
        low, high = (power, high) if enough else (low, power)
    return low


def best_fit(likelihood: Any, start: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the maximum of ln L (d,) and its covariance (d, d): Newton steps from `start`."""
    low, high = np.array([likelihood.support[name] for name in likelihood.names]).T
    step = 0.02 * (high - low)
    x = np.asarray(start, dtype=np.float64)
    for _ in range(12):
        # second differences reach two steps to either side
        centre = np.clip(x, low + 2.01 * step, high - 2.01 * step)
        slope, curvature = derivatives(likelihood.log_likelihood, centre, step)
        values, axes = np.linalg.eigh(-curvature * np.outer(step, step))
        # along directions that rise or are flat, no further than the box
        move = axes @ ((axes.T @ (slope * step)) / np.maximum(np.abs(values), 1e-3)) * step
        move /= max(1.0, np.abs(move / (high - low)).max() / 0.25)
        trial = np.clip(centre + move * 0.5 ** np.arange(8)[:, None], low, high)
        trial = np.vstack([trial, x])
        new = trial[int(np.argmax(likelihood.log_likelihood(trial)))]
        moved = np.abs((new - x) / (high - low)).max()
        x = new
        if moved < 1e-4:
            break
    return x, np.linalg.inv(-curvature)


def derivatives(function: Callable[[np.ndarray], np.ndarray], x: Any, step: Any) -> Any:
    """Return slopes (d,) and second derivatives (d, d) by central differences."""
    d, move = len(x), np.diag(step)
    rows = [move, -move]
    rows += [np.array([a * move[i] + b * move[j] for i in range(d) for j in range(d)])
             for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]  # fmt: skip
    values = function(x + np.concatenate(rows))
    slope = (values[:d] - values[d : 2 * d]) / (2.0 * step)
    pp, pm, mp, mm = values[2 * d :].reshape(4, d, d)
    return slope, (pp - pm - mp + mm) / (4.0 * np.outer(step, step))
