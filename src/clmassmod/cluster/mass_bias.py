"""Populations of fitted haloes: `compare_masses` with the truth, `fit_ensemble` without it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..ensembles.bootstrap import bootstrap_maxima
from ..ensembles.likelihood_tables import MassGrid, MassSamples
from ..ensembles.mass_likelihoods import MassLikelihoods
from ..ensembles.population_likelihood import PopulationLikelihood
from ..ensembles.posterior import GridLikelihood, PopulationPosterior, sample_population
from ..ensembles.relation import MassRelation
from ..errors import FitError, ParameterError
from ..inference.priors import prior_from_dict
from .ensemble_settings import CompareSettings, EnsembleSettings
from .halo_model import HaloModel
from .results import MassProfile
from .truth import match_truth, read_truth

Array = npt.NDArray[np.float64]

PIVOT_MASS = 3e14
"""Pivot of a population of unknown masses [Msun]."""
_NORMAL_POINTS, _NORMAL_REACH = 161, 9.0


class Comparison(NamedTuple):
    """Bias and scatter of lensing masses: what `CLMassMod.compare` returns."""

    likelihoods: GridLikelihood
    """ln L on the grid of bias and scatter, in all and (`of_objects`) per object."""
    posteriors: PopulationPosterior
    """Normalised density on the grid with its axes, samples of all parameters, summary."""
    mass_dist_bias_samps: Array
    """(K,) samples of the bias, ``<ln (M_WL / M_true)>`` at the pivots."""
    mass_dist_scatter_samps: Array
    """(K,) of the scatter, the standard deviation of ``ln (M_WL / M_true)``: the same draws."""

    def bootstrap(
        self, n: int = 200, *, groups: Mapping[str, str] | None = None, seed: int = 1
    ) -> Array:
        """Return bias and scatter (n, 2) of resampled haloes, by the greatest likelihood.

        Their standard deviations are errors that need no model of how projections of a halo
        are correlated, where the posterior takes them as independent and is too narrow.

        Parameters
        ----------
        n : int, >= 2
            Number of samples.
        groups : mapping, optional
            Id of a result -> halo, whose results are drawn together. Without it every result is
            a halo; with the setting ``groups`` the haloes are those.
        seed : int

        Raises
        ------
        ParameterError
            Groups beside those of the setting; fewer than two haloes.
        FitError
            Too few haloes for their scatter.
        """
        likelihoods = self.likelihoods
        blocks = None
        if groups is not None:
            if likelihoods.likelihood.relation.groups is not None:
                raise ParameterError("groups", "given", "absent: the comparison has groups")
            blocks = _numbers_of_groups(likelihoods.ids, groups)
        return bootstrap_maxima(likelihoods, n, blocks=blocks, seed=seed)


def compare_masses(
    profiles: Sequence[MassProfile],
    truth: Any,
    model: HaloModel,
    settings: CompareSettings,
    folder: str | os.PathLike[str] | None = None,
    *,
    progress: bool = False,
) -> Comparison:
    """Return bias and scatter of fitted masses; see `CLMassMod.compare`."""
    given = read_truth(
        truth,
        profiles,
        column=settings.column,
        id_column=settings.id_column,
        unit=settings.unit,
    )
    matched = match_truth(
        given, profiles, model, mass_def=settings.mass_def, groups=settings.groups
    )
    ids = [p.halo_id for p in matched.profiles]
    log_truth = np.log(matched.mass)
    pivot = np.log(settings.pivot_mass) if settings.pivot_mass else log_truth.mean()
    log_mass = log_truth - pivot
    redshift, pivot_redshift = _redshift_term(matched.profiles, settings)
    mean, scatter = _redshift_terms(redshift, settings)
    if settings.mass_dependence:
        mean["mass_slope"] = log_mass
    if settings.scatter_mass_dependence:
        scatter["scatter_mass_slope"] = log_mass
    relation = MassRelation(
        offset=log_truth,
        first="bias",
        mean_terms=mean,
        scatter_terms=scatter,
        shape=settings.shape,
        log_mass=log_mass,
        selection=settings.selection,
        groups=None if settings.groups is None else _numbers_of_groups(ids, settings.groups),
    )
    notes = (*matched.notes, _pivots(float(np.exp(pivot)), pivot_redshift))
    likelihoods, posteriors = _sampled(
        matched.profiles, relation, settings, folder, notes, progress
    )
    return Comparison(likelihoods, posteriors, posteriors["bias"], posteriors["scatter"])


def fit_ensemble(
    profiles: Sequence[MassProfile],
    settings: EnsembleSettings,
    folder: str | os.PathLike[str] | None = None,
    *,
    progress: bool = False,
) -> PopulationPosterior:
    """Return the distribution of the masses of a sample; see `CLMassMod.ensemble_fit`."""
    good = tuple(p for p in profiles if p.status != "failed")
    failed = [p.halo_id for p in profiles if p.status == "failed"]
    if not good:
        raise FitError("no result can be used: all fits failed")
    pivot = settings.pivot_mass or PIVOT_MASS
    redshift, pivot_redshift = _redshift_term(good, settings)
    mean, scatter = _redshift_terms(redshift, settings)
    notes = [f"{len(failed)} fits failed and are left out"] if failed else []
    notes.append(_pivots(pivot, pivot_redshift))
    if settings.proxy is not None:
        log_proxy = _log_proxy(good, settings.proxy)
        mean["proxy_slope"] = log_proxy - log_proxy.mean()
        notes.append(f"pivot of the proxy: {np.exp(log_proxy.mean()):.6g}")
    relation = MassRelation(
        offset=np.full(len(good), np.log(pivot)),
        first="mean",
        mean_terms=mean,
        scatter_terms=scatter,
        shape=settings.shape,
        selection=settings.selection,
    )
    return _sampled(good, relation, settings, folder, tuple(notes), progress)[1]


def _sampled(
    profiles: Sequence[MassProfile],
    relation: MassRelation,
    settings: EnsembleSettings,
    folder: str | os.PathLike[str] | None,
    notes: tuple[str, ...],
    progress: bool,
) -> tuple[GridLikelihood, PopulationPosterior]:
    normal = [p.halo_id for p in profiles if not (p.mass_grid.size or p.samples.size)]
    if normal:
        notes = (*notes, f"{len(normal)} results are a best fit and an error, taken as normal")
    likelihood = PopulationLikelihood(
        MassLikelihoods({p.halo_id: mass_likelihood(p) for p in profiles}),
        relation,
        n_threads=settings.n_threads,
    )
    return sample_population(
        likelihood,
        settings.priors,
        folder,
        seed=settings.seed,
        n_grid=settings.n_grid,
        n_samples=settings.n_samples,
        progress=progress,
        notes=notes,
    )


def mass_likelihood(profile: MassProfile) -> MassGrid | MassSamples:
    """Return the likelihood of a fitted mass, its interim prior divided out.

    A result without grid and samples (curvefit, minuit) is taken as a normal likelihood with
    the variance of the fit.

    Raises
    ------
    FitError
        A result without any of them; samples of several parameters by a version that did not
        store the prior of each.
    """
    if profile.mass_grid.size:
        return MassGrid(profile.mass_grid, profile.grid_log_likelihood)
    if profile.samples.size:
        mass = profile.samples[:, profile.parameters.index("mass")]
        return MassSamples(mass, _log_prior_of_mass(profile, mass), profile.sample_log_weight)
    at = profile.parameters.index("mass") if "mass" in profile.parameters else -1
    variance = profile.covariance[at, at] if profile.covariance.size and at >= 0 else np.nan
    if not (np.isfinite(variance) and variance > 0.0):
        raise FitError(f"{profile.halo_id}: no density of the mass (status {profile.status})")
    reach = _NORMAL_REACH * np.sqrt(variance)
    grid = np.linspace(profile.mass - reach, profile.mass + reach, _NORMAL_POINTS)
    return MassGrid(grid, -0.5 * (grid - profile.mass) ** 2 / variance)


def _log_prior_of_mass(profile: MassProfile, mass: Array) -> Array:
    """Return ln of the interim prior density of the mass alone."""
    if len(profile.parameters) == 1:
        return profile.sample_log_prior
    stored = profile.metadata.get("priors", {}).get("mass")
    if stored is None:
        raise FitError(
            f"{profile.halo_id}: its file does not say which prior the mass had beside "
            f"{', '.join(n for n in profile.parameters if n != 'mass')}; fit it again"
        )
    return np.asarray(prior_from_dict(dict(stored), "priors.mass").log_density(mass))


def _redshift_term(
    profiles: Sequence[MassProfile], settings: EnsembleSettings
) -> tuple[Array, float]:
    """Return ln ((1 + z) / (1 + z0)) (n,) and z0."""
    log_z = np.log1p([p.redshift for p in profiles])
    given = settings.pivot_redshift
    pivot = float(log_z.mean()) if given is None else float(np.log1p(given))
    return log_z - pivot, float(np.expm1(pivot))


def _redshift_terms(
    redshift: Array, settings: EnsembleSettings
) -> tuple[dict[str, Array], dict[str, Array]]:
    mean = {"redshift_slope": redshift} if settings.redshift_dependence else {}
    scatter = {"scatter_redshift_slope": redshift} if settings.scatter_redshift_dependence else {}
    return mean, scatter


def _pivots(mass: float, redshift: float) -> str:
    return f"pivots: M = {mass:.6g} Msun, z = {redshift:.4f}"


def _log_proxy(profiles: Sequence[MassProfile], proxy: Mapping[str, float]) -> Array:
    values = np.array([float(proxy.get(p.halo_id, np.nan)) for p in profiles])
    if not np.all(values > 0.0):
        name = profiles[int(np.argmin(values > 0.0))].halo_id
        raise ParameterError(f"proxy[{name!r}]", proxy.get(name), "given for every result, > 0")
    return np.asarray(np.log(values))


def _numbers_of_groups(ids: Sequence[str], groups: Mapping[str, str]) -> npt.NDArray[np.int64]:
    names = [str(groups.get(one, one)) for one in ids]
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int64)
