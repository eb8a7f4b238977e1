"""The likelihood of an inference, from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..cosmology import cosmology_to_dict
from ..inference.run_directory import RunDirectory
from ..population.field_counts import FieldCounts
from ..population.finding import FindingProbability
from ..population.likelihood import LensPopulationLikelihood
from ..stronglens.observation import MagnitudeLimit, MockNoise
from .inference_config import InferInfo
from .inference_data import FileLikelihood, read_lenses, read_non_lenses
from .mocks import errors_named, make_population, make_source_population


def likelihood_settings(info: InferInfo) -> dict[str, Any]:
    """Return arguments of the likelihood: those that say which one it is, beside the data."""
    noise = {key: value for key, value in info["noise"].items() if key != "theta_e"}
    return {
        "population": make_population(info),
        "sources": make_source_population(info),
        "data": info["data"]["kind"],
        "free": info["free"],
        "box": {key: (low, high) for key, (low, high) in info["box"].items()},
        "selection": info["detection"]["selection"],
        "form": info["form"],
        "detection": MagnitudeLimit(info["detection"]["limit"]),
        "noise": MockNoise(**noise),
        "n_galaxies": info["n_galaxies"],
        "field_counts": _field_counts(info),
        "cosmology": info.make_cosmology(),
    }


def refuse_foreign(folder: Path, settings: Mapping[str, Any], **others: Any) -> None:
    """Raise FitError if the folder holds a run of other parameters, before tables are made."""
    plain = {
        key: value.to_dict() if hasattr(value, "to_dict") else value
        for key, value in settings.items()
    }
    plain["cosmology"] = cosmology_to_dict(settings["cosmology"])
    plain["box"] = {name: settings["box"][name] for name in settings["free"]}
    others["likelihood"] = plain | others["likelihood"]
    RunDirectory(folder).check_params(others)


def make_likelihood(
    info: InferInfo,
    settings: Mapping[str, Any],
    record: Mapping[str, Any],
    place: Path,
    tables: Path,
    n_threads: int,
    progress: bool,
) -> FileLikelihood:
    file = info.path(info["data"]["file"])
    rings = info["data"]["kind"] == "einstein_radius"
    made = LensPopulationLikelihood(
        read_lenses(record, file, settings["cosmology"]),
        **settings,
        finding=FindingProbability(**info["finding"]) if rings else None,
        non_lenses=read_non_lenses(record, place, file),
        tables=tables,
        n_threads=n_threads,
        progress=progress,
    )
    return FileLikelihood(made, record)


def _field_counts(info: InferInfo) -> FieldCounts | None:
    given = info["field_counts"]
    if given["edges"] is None:
        return None
    with errors_named(info, "field_counts"):
        return FieldCounts(**given)
