"""One halo to fit: with all it needs, and alone in its process."""

from __future__ import annotations

import math
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ClmassmodError, ParameterError
from ..galaxies.shear_field import ShearField
from ..maps.containers import KappaMap, MassMap
from ..provenance import digest, provenance
from .fitting import fit_cluster
from .halo_model import HaloModel
from .likelihood import ClusterLikelihood, HaloLikelihood, Observable
from .parameters import ParameterSet
from .results import MassProfile, empty_profile, read_profile, write_profile
from .shear_field_likelihood import ShearFieldLikelihood


class FitTask(NamedTuple):
    """One halo to fit, with all it needs; picklable."""

    halo_id: str
    observables: tuple[Observable | ShearField, ...]
    model: HaloModel
    parameters: ParameterSet
    method: str
    calc_params: dict[str, Any]
    limits: tuple[float | None, float | None]
    """Innermost and outermost radius used [Mpc]."""
    key: str
    path: str
    """File to write, or ""."""
    keep_sampler: bool
    """Whether to hand the sampler object back; it does not cross processes."""


def content_digest(observable: Observable | ShearField | MassMap | KappaMap) -> str:
    """Return a digest of what a fit sees of an observable."""
    parts = [
        getattr(observable, name)
        for name in observable._fields
        if name not in ("file", "metadata", "id", "catalogue")
    ]
    if isinstance(observable, ShearField):
        catalogue = observable.catalogue
        parts += [catalogue.coordinate_system, *catalogue.names]
        parts += [catalogue[name] for name in catalogue.names]
    return digest(type(observable).__name__, *parts)


def resumable(task: FitTask) -> MassProfile | None:
    """Return the saved result of a task, if it is whole and of the same configuration."""
    if not task.path or not Path(task.path).exists():
        return None
    try:
        profile = read_profile(task.path)
    except ClmassmodError:
        return None  # a damaged file is fitted anew and replaced
    same = profile.metadata.get("key") == task.key and profile.status != "failed"
    return profile if same else None


def cut_likelihood(
    model: HaloModel,
    parameters: ParameterSet,
    observables: Sequence[Observable | ShearField],
    limits: tuple[float | None, float | None],
) -> HaloLikelihood:
    """Return the likelihood of the points, or galaxies, of an object between two radii [Mpc]."""
    fields = [one for one in observables if isinstance(one, ShearField)]
    if fields:
        if len(observables) > 1:
            raise ParameterError(
                "obs_galaxies",
                fields[0].id,
                "the only data of an object: its profile or another catalogue counts them twice",
                "Clear one of them.",
            )
        low, high = limits
        return ShearFieldLikelihood(
            model, parameters, fields[0], low or 0.0, math.inf if high is None else high
        )
    cut = [
        one.select(*limits, model.cosmology)
        for one in observables
        if not isinstance(one, ShearField)
    ]
    return ClusterLikelihood(model, parameters, cut)


def run_task(task: FitTask) -> MassProfile:
    """Fit one halo; a failure is a result with ``status == "failed"`` and its reason."""
    redshift = task.observables[0].redshift
    start = empty_profile(task.halo_id, task.method, redshift, task.model.mass_def)
    priors = {p.name: p.prior.to_dict() for p in task.parameters.parameters}
    start.metadata.update(provenance(), key=task.key, priors=priors)
    try:
        likelihood = cut_likelihood(task.model, task.parameters, task.observables, task.limits)
        start.metadata["data"] = digest(*map(content_digest, likelihood.observables))
        profile = fit_cluster(likelihood, task.method, task.calc_params, start)
    except ImportError:
        raise  # a missing package is not a property of this halo
    except ClmassmodError as error:
        profile = start._replace(status="failed", message=str(error))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        profile = start._replace(status="failed", message=message)
    sampler = profile.diagnostics.pop("sampler", None)
    if task.path:
        profile = write_profile(profile, task.path)
    if sampler is not None and task.keep_sampler:
        profile.diagnostics["sampler"] = sampler
    return profile
