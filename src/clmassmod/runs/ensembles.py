"""The programs behind ``clmassmod ensemble`` and ``clmassmod compare``: results in one folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..cluster.mass_bias import Comparison
from ..cluster.massmod import CLMassMod
from ..cluster.reference import ID_NAMES
from ..configuration.info import ModelInfo
from ..ensembles.posterior import PopulationPosterior
from ..errors import ConfigError, FitError, FormatError
from ..provenance import atomic_path, provenance

CHAIN, FIGURES = "chain", "figures"
SAMPLES, OBJECTS, SUMMARY, REPORT = "samples.ecsv", "objects.ecsv", "summary.json", "report.html"


@dataclass(frozen=True)
class EnsembleOutcome:
    """What `run_ensemble` and `run_compare` leave behind.

    Attributes
    ----------
    folder : str
    posterior : PopulationPosterior
    comparison : Comparison or None
        Of `run_compare`.
    figures : dict
        Title -> PNG file.
    report : str
        HTML file, or "" without a report.
    """

    folder: str
    posterior: PopulationPosterior
    comparison: Comparison | None = None
    figures: dict[str, str] = field(default_factory=dict)
    report: str = ""


def run_ensemble(
    model_info: Mapping[str, Any],
    folder: str | os.PathLike[str] | None = None,
    *,
    n_threads: int = 1,
    report: bool | None = None,
    progress: bool = False,
) -> EnsembleOutcome:
    """Fit the distribution of the masses of a sample and write all results into a folder.

    Parameters
    ----------
    model_info : ModelInfo or mapping
        `ensemble` says of which results and how.
    folder : path, optional
        ``<output.folder>/ensemble`` by default. Files: ``samples.ecsv``, ``objects.ecsv``,
        ``summary.json``, ``figures/*.png``, ``report.html``, and ``chain/`` with more than two
        parameters, which goes on where it was killed.
    n_threads : int
        0 for all.
    report : bool, optional
        By default what `output.report` says.
    progress : bool

    Raises
    ------
    FormatError, FitError, ParameterError
        As `CLMassMod.read` and `CLMassMod.ensemble_fit`.
    """

    def work(massmod: CLMassMod, settings: dict[str, Any], chain: Path) -> EnsembleOutcome:
        given = massmod.model_info["ensemble"]
        for key in ("mass_dependence", "scatter_mass_dependence"):
            if settings.pop(key):
                place = massmod.model_info.file or "configuration"
                raise ConfigError(f"{place}: [ensemble] {key}: of compare alone")
        if given["proxy_table"] is not None:
            path = massmod.model_info.path(given["proxy_table"])
            column = _by_id(path, given["proxy_column"])
            settings["proxy"] = {name: float(value) for name, value in column.items()}
        posterior = massmod.ensemble_fit(settings, chain, progress=progress)
        return EnsembleOutcome("", posterior)

    return _run(model_info, folder, "ensemble", work, n_threads, report)


def run_compare(
    model_info: Mapping[str, Any],
    folder: str | os.PathLike[str] | None = None,
    *,
    n_threads: int = 1,
    report: bool | None = None,
    progress: bool = False,
) -> EnsembleOutcome:
    """Compare fitted masses with the truth and write all results into a folder.

    Parameters
    ----------
    model_info : ModelInfo or mapping
        `ensemble` says of which results and how, `truth` where the true masses are.
    folder : path, optional
        ``<output.folder>/compare`` by default; files as of `run_ensemble`.
    n_threads, report, progress
        As of `run_ensemble`.

    Raises
    ------
    ConfigError
        There is no `truth.file`.
    FormatError, FitError, ParameterError
        As `CLMassMod.read` and `CLMassMod.compare`.
    """

    def work(massmod: CLMassMod, settings: dict[str, Any], chain: Path) -> EnsembleOutcome:
        info, given = massmod.model_info, massmod.model_info["truth"]
        if given["file"] is None:
            place = info.file or "configuration"
            raise ConfigError(f"{place}: [truth] file is missing: the table of true masses")
        for key in ("column", "id_column", "unit", "mass_def"):
            settings[key] = given[key]
        if given["groups"] is not None:
            settings["groups"] = _by_id(info.path(given["groups"]), given["group_column"])
        comparison = massmod.compare(info.path(given["file"]), settings, chain, progress=progress)
        return EnsembleOutcome("", comparison.posteriors, comparison)

    return _run(model_info, folder, "compare", work, n_threads, report)


Work = Callable[[CLMassMod, dict[str, Any], Path], EnsembleOutcome]


def _run(
    model_info: Mapping[str, Any],
    folder: str | os.PathLike[str] | None,
    name: str,
    work: Work,
    n_threads: int,
    report: bool | None,
) -> EnsembleOutcome:
    info = ModelInfo.from_dict(model_info)
    target = Path(info["output"]["folder"]) / name if folder is None else Path(folder)
    wanted = info["output"]["report"] if report is None else report
    if wanted:
        from ..figures.tools import require_matplotlib

        require_matplotlib()  # now, not after a long chain
    massmod = CLMassMod(info)
    _read(massmod, _results(info))
    given = info["ensemble"]
    settings = {key: given[key] for key in given if key not in ("results", *_TABLES)}
    settings |= {"seed": info["seed"], "n_threads": n_threads}
    settings["selection"] = given["selection"] or None
    outcome = replace(work(massmod, settings, target / CHAIN), folder=str(target))
    _write(outcome)
    return _with_report(outcome, name) if wanted else outcome


def _read(massmod: CLMassMod, places: list[str]) -> None:
    try:
        massmod.read(places)
    except FormatError as error:
        if error.field != "location":
            raise
        raise FitError(
            f"there are no fitted masses in {error.file}: run `clmassmod fit` with this "
            "configuration first, or say where they are with --fits or as [ensemble] results"
        ) from error


_TABLES = ("proxy_table", "proxy_column")


def _results(info: ModelInfo) -> list[str]:
    given = info["ensemble"]["results"]
    if given is None:
        return [str(Path(info["output"]["folder"]))]
    return [info.path(one) for one in ([given] if isinstance(given, str) else given)]


def _by_id(path: str, column: str) -> dict[str, Any]:
    """Return id -> value of a column of a table."""
    from astropy.table import Table

    try:
        table = Table.read(path)
    except Exception as error:  # readers of tables raise anything on a damaged file
        raise FormatError(path, "table", f"cannot be read ({error})") from error
    if column not in table.colnames:
        raise FormatError(path, column, f"no such column; columns are {', '.join(table.colnames)}")
    ids = next((n for n in ID_NAMES if n in table.colnames), table.colnames[0])
    return {str(key): value for key, value in zip(table[ids], table[column], strict=True)}


def _write(outcome: EnsembleOutcome) -> None:
    from astropy.table import Table

    target, posterior = Path(outcome.folder), outcome.posterior
    samples = Table(posterior.samples, names=posterior.names)
    samples["mean_ratio"] = posterior.mean_ratio
    objects = Table({"halo_id": posterior.ids, "rank": posterior.rank})
    k = posterior.diagnostics.get("pareto_k")
    if k is not None:
        objects["pareto_k"] = [k.get(name, np.nan) for name in posterior.ids]
    for file, table in ((SAMPLES, samples), (OBJECTS, objects)):
        with atomic_path(target / file) as temporary:
            table.write(temporary, format="ascii.ecsv", overwrite=True)
    diagnostics = {k: v for k, v in posterior.diagnostics.items() if k != "pareto_k"}
    content = {
        "summary": posterior.summary(),
        "n_objects": len(posterior.ids),
        "notes": list(posterior.notes),
        "diagnostics": diagnostics,
        "provenance": provenance(),
    }
    with atomic_path(target / SUMMARY) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _with_report(outcome: EnsembleOutcome, name: str) -> EnsembleOutcome:
    from ..figures.ensembles import write_ensemble_figures
    from ..reports.ensembles import write_ensemble_report

    target = Path(outcome.folder)
    figures = write_ensemble_figures(
        outcome.posterior, target / FIGURES, comparison=outcome.comparison
    )
    file = write_ensemble_report(outcome.posterior, target / REPORT, title=name, figures=figures)
    return replace(outcome, figures=figures, report=file)
