"""Populations of fitted haloes: `compare_masses` with the truth, `fit_ensemble` without it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..ensembles.likelihood_tables import MassGrid, MassSamples
from ..ensembles.mass_likelihoods import MassLikelihoods
from ..ensembles.population_likelihood import PopulationLikelihood
from ..ensembles.posterior import GridLikelihood, PopulationPosterior, sample_population
from ..ensembles.relation import MassRelation, ProxySelection
from ..errors import FitError, ParameterError, nearest
from ..inference.priors import prior_from_dict
from .likelihood import HaloModel
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


@dataclass(frozen=True)
class EnsembleSettings:
    """Parameters of `CLMassMod.ensemble_fit`.

    Parameters
    ----------
    shape : str
        Of the distribution of ln M: ``normal``, ``skew-normal``, ``student-t``, ``mixture``.
    redshift_dependence, scatter_redshift_dependence : bool
        Whether mean and ln sd^2 have a slope with ``ln ((1 + z) / (1 + pivot_redshift))``.
    pivot_mass : float, optional
        [Msun]; 3e14, and the geometric mean of the true masses in `CLMassMod.compare`.
    pivot_redshift : float, optional
        By default that of the mean ln (1 + z).
    selection : ProxySelection or mapping of its parameters, optional
        A threshold in a noisy proxy of the mass that the sample has passed.
    priors : mapping
        Parameter -> prior (or a mapping that describes one), in place of the default.
    seed, n_grid, n_samples : int
        As `sample_population` takes.
    n_threads : int
        0 for all.
    proxy : mapping, optional
        Id -> value > 0 of a proxy on which ln M is regressed: ``proxy_slope`` times
        ``ln (proxy / geometric mean)``.
    """

    shape: str = "normal"
    redshift_dependence: bool = False
    scatter_redshift_dependence: bool = False
    pivot_mass: float | None = None
    pivot_redshift: float | None = None
    selection: Any = None
    priors: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1
    n_grid: int = 51
    n_samples: int = 4000
    n_threads: int = 1
    proxy: Mapping[str, float] | None = None


@dataclass(frozen=True)
class CompareSettings(EnsembleSettings):
    """Parameters of `CLMassMod.compare`: those of an ensemble but for the proxy, and these.

    Parameters
    ----------
    mass_dependence, scatter_mass_dependence : bool
        Whether bias and ln sd^2 have a slope with ``ln (M_true / pivot_mass)``.
    mass_def : str, optional
        Of the true masses, by default what a table says, else that of the fit.
    column, id_column, unit : str, optional
        Of a table of true masses, see `clmassmod.cluster.truth.read_truth`.
    groups : mapping, optional
        Id of a result -> halo: results of one halo, its projections, are correlated. The halo
        names the true mass where the id does not.
    """

    mass_dependence: bool = False
    scatter_mass_dependence: bool = False
    mass_def: str | None = None
    column: str = "mass"
    id_column: str | None = None
    unit: str | None = None
    groups: Mapping[str, str] | None = None


def settings_from(kind: type[Any], given: Mapping[str, Any] | None) -> Any:
    """Return checked settings.

    Raises
    ------
    ParameterError
        An unknown key, or a value of the wrong kind.
    """
    values = dict(given or {})
    known = [f.name for f in fields(kind)]
    if kind is CompareSettings:
        known.remove("proxy")
    for key in values:
        if key not in known:
            raise ParameterError(
                key, values[key], f"one of {', '.join(known)}", nearest(key, known)
            )
    for key, value in values.items():
        if key.endswith("_dependence") and not isinstance(value, bool):
            raise ParameterError(key, value, "true or false")
    for key in ("pivot_mass", "pivot_redshift"):
        value = values.get(key)
        low = 0.0 if key == "pivot_mass" else -1.0
        if value is not None and not (isinstance(value, int | float) and low < value < 1e30):
            raise ParameterError(key, value, f"a number > {low:g}")
    if isinstance(values.get("selection"), Mapping):
        values["selection"] = _selection(values["selection"])
    values["priors"] = {
        name: prior_from_dict(dict(p), f"priors.{name}") if isinstance(p, Mapping) else p
        for name, p in dict(values.get("priors") or {}).items()
    }
    return kind(**values)


def _selection(given: Mapping[str, Any]) -> ProxySelection:
    known = [f.name for f in fields(ProxySelection)]
    for key in given:
        if key not in known:
            raise ParameterError(f"selection.{key}", given[key], f"one of {', '.join(known)}")
    if "log_threshold" not in given:
        raise ParameterError("selection.log_threshold", None, "given")
    return ProxySelection(**given)


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
        groups=_group_numbers(matched.profiles, settings.groups),
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


def _group_numbers(profiles: Sequence[MassProfile], groups: Mapping[str, str] | None) -> Any:
    if groups is None:
        return None
    names = [str(groups.get(p.halo_id, p.halo_id)) for p in profiles]
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int64)
