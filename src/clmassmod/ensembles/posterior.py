"""Posteriors of the parameters of a population: `sample_population`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import AccuracyWarning, FitError, ParameterError, nearest
from ..inference.chain import named_column, sample_numbers
from ..inference.diagnostics import ends_reached
from ..inference.posterior import Posterior
from ..inference.prior_set import PriorSet
from ..inference.samplers import run_mcmc
from .grid_posterior import covering_axes, grid_draws, on_grid
from .population_likelihood import PopulationLikelihood, unreliable
from .relation import NATURAL_ENDS

Array = npt.NDArray[np.float64]

_MOST_UNRELIABLE = 0.1
_MOST_ERROR = 1.0
_TAIL = 1e-9


@dataclass(frozen=True)
class GridLikelihood:
    """ln L on a grid of the first two parameters: bias (or mean) and scatter.

    Attributes
    ----------
    names : tuple of two str
    first, scatter : (A,) and (S,) ndarray
        Axes.
    log_likelihood : (A, S) ndarray
        Summed over all objects.
    fixed : dict
        Values of all other parameters, which are their posterior means.
    """

    names: tuple[str, str]
    first: Array
    scatter: Array
    log_likelihood: Array
    fixed: dict[str, float]
    _likelihood: PopulationLikelihood = field(repr=False)

    @property
    def likelihood(self) -> PopulationLikelihood:
        """The likelihood that the grid is of."""
        return self._likelihood

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the objects, as `of_objects` has them (with groups: their numbers)."""
        groups = self._likelihood.relation.groups
        if groups is None:
            return self._likelihood.objects.ids
        return tuple(str(g) for g in np.unique(groups))

    def of_objects(self) -> Array:
        """Return ln L of every object, (n, A, S); computed at each call."""
        values = self._likelihood.of_objects(self.theta(self.first, self.scatter))
        return values.reshape(len(values), self.first.size, self.scatter.size)

    def theta(self, first: Array, scatter: Array) -> Array:
        """Return all parameters (A * S, P) on the grid of two axes."""
        mesh = np.stack(np.meshgrid(first, scatter, indexing="ij"), axis=-1)
        return _filled(self._likelihood.names, mesh.reshape(-1, 2), self.fixed)


@dataclass(frozen=True)
class PopulationPosterior:
    """The posterior of the parameters of a population.

    Attributes
    ----------
    names : tuple of P str
        The first is ``bias`` or ``mean``, the second ``scatter``.
    samples : (K, P) ndarray
    first, scatter : (A,) and (S,) ndarray
        Axes of the grid of the first two parameters.
    density : (A, S) ndarray
        Normalised: its trapezoidal integral over both axes is 1. Exact with two parameters, a
        kernel density of the samples with more.
    mean_ratio : (K,) ndarray
        ``<M / M_true>`` (with unknown truth ``<M> / pivot mass``) of every sample, at the pivots;
        NaN for Student's t.
    ids : tuple of str
        Objects.
    rank : (n,) ndarray
        Of every object, the probability of lower data than the measured at the posterior mean
        (`MassLikelihoods.rank_below`): uniform if the relation describes the data.
    pivot_mass : float
        M0 [Msun], which ``mean`` and dependences on mass refer to.
    notes : tuple of str
        What to know about the result, such as objects left out.
    diagnostics : dict
        ``method``; ``pareto_k``, id -> k-hat of objects given by samples; ``sampling_error``, the
        standard deviation of ln L that their finite numbers leave; of chains also r_hat and ess.
    """

    names: tuple[str, ...]
    samples: Array
    first: Array
    scatter: Array
    density: Array
    mean_ratio: Array
    ids: tuple[str, ...]
    rank: Array
    pivot_mass: float
    notes: tuple[str, ...] = ()
    diagnostics: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Array:
        """Return the samples (K,) of one parameter."""
        return named_column(self.samples, self.names, name)

    @property
    def factor(self) -> Array:
        """``exp(<ln ratio>)`` (K,), the median of ``M / M_true`` of a normal shape."""
        return np.asarray(np.exp(self.samples[:, 0]))

    def summary(self) -> dict[str, dict[str, float]]:
        """Return name -> mean, sd, q16, median, q84; also of ``exp(<name>)`` and mean_ratio."""
        columns = {name: self.samples[:, i] for i, name in enumerate(self.names)}
        columns |= {f"exp({self.names[0]})": self.factor, "mean_ratio": self.mean_ratio}
        return {name: sample_numbers(values) for name, values in columns.items()}

    def summary_lines(self) -> list[str]:
        """Return the summary as lines of text, one per quantity below a head."""
        rows = self.summary()
        width = max(len(name) for name in (*rows, "parameter"))
        keys = list(next(iter(rows.values())))
        lines = [f"{'parameter':<{width}}" + "".join(f"{key:>11}" for key in keys)]
        for name, row in rows.items():
            lines.append(f"{name:<{width}}" + "".join(f"{row[key]:11.4f}" for key in keys))
        if self.names[0] == "mean":
            lines.append(
                f"mean is of ln(M / M0), exp(mean) of M / M0, M0 = {self.pivot_mass:g} Msun"
            )
        return lines


def sample_population(
    likelihood: PopulationLikelihood,
    priors: Mapping[str, Any] | None = None,
    folder: str | os.PathLike[str] | None = None,
    *,
    seed: int = 1,
    n_grid: int = 51,
    n_samples: int = 4000,
    progress: bool = False,
    notes: tuple[str, ...] = (),
) -> tuple[GridLikelihood, PopulationPosterior]:
    """Return likelihood and posterior of the parameters of a population.

    Parameters
    ----------
    likelihood : PopulationLikelihood
    priors : mapping, optional
        Name -> prior (`clmassmod.inference`), in place of those of
        `MassRelation.default_priors`.
    folder : path, optional
        Of a chain, which goes on where it was killed; not used with two parameters.
    seed : int
    n_grid : int, >= 8
        Points of the grid on each axis.
    n_samples : int
        Draws from the grid; effective samples that a chain reaches.
    progress : bool
        Show a progress bar of a chain.
    notes : tuple of str
        For the result.

    Raises
    ------
    FitError
        The likelihood vanishes wherever the prior does not; k-hat is above 0.7 for more than a
        tenth of the objects (whose likelihoods are samples).
    ParameterError
        A prior of something else.

    Warns
    -----
    AccuracyWarning
        k-hat is above 0.7 for some objects, or samples leave an error above 1 in ln L.

    Notes
    -----
    Two parameters (bias and scatter) are put on a grid that covers the posterior; draws are
    from the grid, independent. More are sampled by `run_mcmc`.
    """
    _check_counts(n_grid, n_samples)
    chosen = PriorSet(_merged(likelihood, priors))
    posterior = Posterior(likelihood, chosen)
    if len(posterior.names) == 2:
        first, scatter = covering_axes(posterior, _box(posterior), n_grid)
        fixed: dict[str, float] = {}
        grid_values = on_grid(likelihood.log_likelihood, first, scatter)
        values = grid_values + on_grid(posterior.priors.log_density, first, scatter)
        density = np.exp(values - values.max())
        samples = grid_draws(values, first, scatter, n_samples, seed)
        diagnostics: dict[str, Any] = {"method": "grid"}
    else:
        chain = run_mcmc(
            likelihood, chosen, folder, seed=seed, target_ess=float(n_samples), progress=progress
        )
        samples = chain.samples
        first, scatter = (_axis(samples[:, i], n_grid, posterior, i) for i in (0, 1))
        means = samples.mean(axis=0)
        fixed = {name: float(means[i]) for i, name in enumerate(chain.names) if i > 1}
        density = _kernel_density(samples[:, :2], first, scatter)
        grid_values = on_grid(
            lambda two: likelihood.log_likelihood(_filled(likelihood.names, two, fixed)),
            first,
            scatter,
        )
        rows = chain.summary()
        diagnostics = {"method": "emcee", "converged": chain.converged}
        diagnostics["r_hat"] = max(row["r_hat"] for row in rows.values())
        diagnostics["ess"] = min(row["ess"] for row in rows.values())
    density /= np.trapezoid(np.trapezoid(density, scatter, axis=1), first)
    grid = GridLikelihood(
        (likelihood.names[0], "scatter"), first, scatter, grid_values, fixed, likelihood
    )
    centre = samples.mean(axis=0)
    diagnostics |= _checked_samples(likelihood, centre)
    return grid, PopulationPosterior(
        names=likelihood.names,
        samples=samples,
        first=first,
        scatter=scatter,
        density=density,
        mean_ratio=likelihood.relation.mean_ratio(samples),
        ids=likelihood.objects.ids,
        rank=likelihood.objects.rank_below(likelihood.relation.cdf(centre)),
        pivot_mass=likelihood.relation.pivot_mass,
        notes=(*notes, *_cut_note(likelihood), *_wall_notes(posterior, samples)),
        diagnostics=diagnostics,
    )


def _wall_notes(posterior: Posterior, samples: Array) -> list[str]:
    """Say which posteriors are cut off by an end of their prior that somebody chose."""
    notes = []
    for i, name in enumerate(posterior.names):
        natural = NATURAL_ENDS.get(name, (None, None))
        for end in ends_reached(samples[:, i], posterior.priors.support[name]):
            if end not in natural:
                notes.append(
                    f"the posterior of {name} lies against the end of its prior at {end:g}: give a "
                    "wider prior, or take its limits with it"
                )
    return notes


def _check_counts(n_grid: Any, n_samples: Any) -> None:
    for name, value, least in (("n_grid", n_grid, 8), ("n_samples", n_samples, 100)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ParameterError(name, value, f"an integer >= {least}")


def _merged(likelihood: PopulationLikelihood, priors: Mapping[str, Any] | None) -> dict[str, Any]:
    given = dict(priors or {})
    for name in given:
        if name not in likelihood.names:
            hint = nearest(str(name), likelihood.names)
            allowed = f"of one of {', '.join(likelihood.names)}"
            raise ParameterError("priors", name, allowed, hint)
    return likelihood.relation.default_priors() | given


def _box(posterior: Posterior) -> list[tuple[float, float]]:
    """Return finite limits of the priors: but for 1e-9 of them where they have none."""
    ends = posterior.priors.transform(np.array([[_TAIL, _TAIL], [1.0 - _TAIL, 1.0 - _TAIL]]))
    limits = [posterior.priors.support[name] for name in posterior.names]
    return [
        (low if np.isfinite(low) else float(a), high if np.isfinite(high) else float(b))
        for (low, high), a, b in zip(limits, ends[0], ends[1], strict=True)
    ]


def _axis(values: Array, n: int, posterior: Posterior, i: int) -> Array:
    low, high = posterior.priors.support[posterior.names[i]]
    margin = 0.1 * (values.max() - values.min())
    return np.linspace(max(low, values.min() - margin), min(high, values.max() + margin), n)


def _filled(names: tuple[str, ...], two: Array, fixed: Mapping[str, float]) -> Array:
    theta = np.empty((len(two), len(names)))
    theta[:, :2] = two
    theta[:, 2:] = [fixed[name] for name in names[2:]]
    return theta


def _kernel_density(samples: Array, first: Array, scatter: Array) -> Array:
    """Return the density on two axes; kernels are reflected at scatter = 0."""
    from scipy.stats import gaussian_kde

    thin = samples[:: max(1, len(samples) // 4000)]
    density = gaussian_kde(thin.T)
    x, y = (one.ravel() for one in np.meshgrid(first, scatter, indexing="ij"))
    values = density(np.stack([x, y])) + density(np.stack([x, -y]))
    return np.asarray(values.reshape(first.size, scatter.size))


def _checked_samples(likelihood: PopulationLikelihood, centre: Array) -> dict[str, Any]:
    """Return k-hat and the error of ln L of objects given by samples, if there are any."""
    if not likelihood.objects.has_samples:
        return {}
    k = likelihood.pareto_k(centre)
    bad = unreliable(k)
    if bad:
        worst = ", ".join(f"{name} ({value:.2f})" for name, value in list(bad.items())[:5])
        text = (
            f"importance sampling is not reliable for {len(bad)} of {len(k)} objects, whose k-hat "
            f"is above 0.7: {worst}; scan their masses, or draw more samples from a wider prior"
        )
        if len(bad) > _MOST_UNRELIABLE * len(k):
            raise FitError(text)
        warnings.warn(text, AccuracyWarning, stacklevel=4)
    error = likelihood.sampling_error(centre)
    if error > _MOST_ERROR:
        warnings.warn(
            f"the samples leave an error of {error:.1f} in ln L: their number is too small for so "
            "small a scatter; scan the masses, or draw more samples",
            AccuracyWarning,
            stacklevel=4,
        )
    return {"pareto_k": k, "sampling_error": error}


def _cut_note(likelihood: PopulationLikelihood) -> tuple[str, ...]:
    cut = likelihood.objects.cut
    if not cut:
        return ()
    return (
        f"{len(cut)} likelihoods end at a mass where they are not negligible, and count as zero "
        f"beyond it: {', '.join(cut[:5])}{', ...' * (len(cut) > 5)}; scan with a wider prior",
    )
