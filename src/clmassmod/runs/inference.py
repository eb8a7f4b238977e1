"""The programs behind ``clmassmod infer``, ``resume`` and ``reproduce``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cosmology import cosmology_from_dict
from ..errors import ConfigError, FormatError, ParameterError
from ..inference.chain import Chain
from ..inference.diagnostics import ConvergenceWarning
from ..inference.emcee_sampler import EmceeOptions
from ..inference.reproduction import Reproduction, reproduce, resume
from ..inference.run_directory import DATA_FILE, FIGURES, INFERENCE, RunDirectory, run_folder
from ..inference.samplers import plain_options, run_mcmc, sampler_options
from ..population.error_budget import ErrorBudget
from ..population.likelihood import LensPopulationLikelihood
from ..population.predictive import posterior_predictive
from ..population.rebuilding import likelihood_from_dict
from ..population.unlikely_lenses import unlikely_lenses
from ..reports.inference import write_infer_report
from ..table.store import table_folder
from .inference_config import InferInfo
from .inference_data import (
    FileLikelihood,
    data_record,
    found_data,
    mock_notes,
    mock_truth,
    read_lenses,
    read_non_lenses,
)
from .inference_likelihood import likelihood_settings, make_likelihood, refuse_foreign
from .mocks import errors_named

Array = npt.NDArray[np.float64]

_BUDGET_POINTS = 200
_MOST_ERROR = 0.1
"""nat"""


@dataclass(frozen=True)
class InferOutcome:
    """What `run_infer` and `resume_run` leave behind.

    Attributes
    ----------
    folder : str
        ``<root>/inference/<sim_id>/<run_id>``
    chain : Chain
    likelihood : FileLikelihood
    budget : ErrorBudget
        Numerical errors of ln L.
    figures : dict
        Title -> PNG file.
    report : str
        HTML file, or "" without figures.
    warnings : list of str
    """

    folder: str
    chain: Chain
    likelihood: FileLikelihood
    budget: ErrorBudget
    figures: dict[str, str] = field(default_factory=dict)
    report: str = ""
    warnings: list[str] = field(default_factory=list)


def run_infer(
    infer_info: Mapping[str, Any],
    root: str | os.PathLike[str] | None = None,
    *,
    n_threads: int | None = None,
    figures: bool | None = None,
    progress: bool = False,
) -> InferOutcome:
    """Infer the population of a configuration, in ``inference/<sim_id>/<run_id>``.

    Parameters
    ----------
    infer_info : InferInfo or mapping
        The configuration; see `describe_infer_config`.
    root : path, optional
        Folder that holds ``data`` and ``inference``; the current one by default.
    n_threads : int, >= 0, optional
        In place of that of the configuration; results are the same for any number.
    figures : bool, optional
        Whether to write figures and the report (needs the extra ``plot``).
    progress : bool, optional
        Show progress bars.

    Returns
    -------
    InferOutcome
        Also of a chain that has not converged: its warnings say so.

    Raises
    ------
    ConfigError
        A wrong configuration, naming file and section.
    FormatError
        The data cannot be read.
    FitError
        The folder holds another run, or is in use.
    """
    info = InferInfo.from_dict(infer_info)
    wanted = _figures_wanted(info["output"]["figures"] if figures is None else figures)
    folder = run_folder(info["sim_id"], info["run_id"], root)
    name, options = _sampler(info)
    threads = info["n_threads"] if n_threads is None else n_threads
    with _prior_errors_named(info):
        priors = info.make_priors()
    place = Path(root or ".")
    record = data_record(info, place)
    with errors_named(info):
        tables, settings = table_folder(info["sim_id"], root), likelihood_settings(info)
        refuse_foreign(
            folder,
            settings,
            likelihood={DATA_FILE: record},
            priors=priors.to_dict(),
            sampler=plain_options(name, options)["sampler"],
        )
        likelihood = make_likelihood(info, settings, record, place, tables, threads, progress)
    sample = partial(run_mcmc, likelihood, priors, folder, sampler=name, **options)
    chain = _quiet(partial(sample, progress=progress))
    file = info.path(info["data"]["file"])
    return _finished(folder, chain, likelihood, wanted, file, threads)


def resume_run(
    folder: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    n_threads: int = 1,
    figures: bool = True,
    progress: bool = False,
    **stopping: Any,
) -> InferOutcome:
    """Go on with a run from its folder, and write its figures and report.

    Parameters
    ----------
    folder : path
        ``<root>/inference/<sim_id>/<run_id>``
    data : path, optional
        Where the file of the data is now; it must be the same bytes.
    n_threads : int, >= 0
    figures : bool
    progress : bool
    **stopping
        Limits in place of those of the run: ``max_steps`` or ``max_calls``, ``target_ess``.

    Raises
    ------
    FormatError
        There is no run, or its data are gone or others.
    FitError
        Other data or tables.
    """
    wanted = _figures_wanted(figures)
    made = _Rebuilt(folder, data, n_threads, progress)
    chain = _quiet(partial(resume, folder, made, progress=progress, **stopping))
    return _finished(Path(folder), chain, made.likelihood, wanted, made.file, n_threads)


def reproduce_run(
    folder: str | os.PathLike[str],
    into: str | os.PathLike[str] | None = None,
    *,
    data: str | os.PathLike[str] | None = None,
    any_commit: bool = False,
    n_threads: int = 1,
    progress: bool = False,
) -> Reproduction:
    """Repeat a run from its folder in another one, and compare; see `inference.reproduce`."""
    made = _Rebuilt(folder, data, n_threads, progress)
    repeat = partial(reproduce, folder, made, into, any_commit=any_commit, progress=progress)
    found: Reproduction = _quiet(repeat)
    return found


class _Rebuilt:
    """Makes the likelihood of a run again, of its parameters and the file of its data."""

    def __init__(self, folder: Any, data: Any, n_threads: int, progress: bool) -> None:
        self.folder, self.data = Path(folder), data
        self.n_threads, self.progress = n_threads, progress
        self.likelihood: FileLikelihood
        self.file: Path

    def __call__(self, content: dict[str, Any]) -> FileLikelihood:
        params = dict(content)
        record = params.pop(DATA_FILE, None)
        if record is None:
            problem = f"no {DATA_FILE}: this run was not made by clmassmod infer"
            raise FormatError(self.folder / "params.json", "likelihood", problem)
        root = _root_of(self.folder)
        self.file = found_data(record, root or Path(), self.data)
        lenses = read_lenses(record, self.file, cosmology_from_dict(params["cosmology"]))
        made = likelihood_from_dict(
            params,
            lenses,
            read_non_lenses(record, root or Path(), self.file),
            tables=None if root is None else table_folder(RunDirectory(self.folder).sim_id, root),
            n_threads=self.n_threads,
            progress=self.progress,
        )
        self.likelihood = FileLikelihood(made, record)
        return self.likelihood


def _root_of(folder: Path) -> Path | None:
    """Return the root above ``inference/<sim_id>/<run_id>``; None of a folder elsewhere."""
    place = folder.resolve()
    return place.parents[2] if place.parents[1].name == INFERENCE else None


def _sampler(info: InferInfo) -> tuple[str, dict[str, Any]]:
    """Return name and options of the sampler, checked before anything is built."""
    given = info["sampler"]
    options = {k: v for k, v in given.items() if k != "name" and v is not None}
    options["seed"] = info["seed"]
    with errors_named(info, "sampler"):
        settings = sampler_options(given["name"], options)
        if isinstance(settings, EmceeOptions):
            settings.walkers(len(info["free"]))
    return given["name"], options


@contextmanager
def _prior_errors_named(info: InferInfo) -> Iterator[None]:
    try:
        yield
    except ParameterError as error:
        raise ConfigError(f"{info.file or 'configuration'}: {error}") from error


# -- the end -------------------------------------------------------------------------------------


def _quiet(run: Any) -> Any:
    """Run without the warning of a chain that has not converged: the chain says it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return run()


def _figures_wanted(wanted: bool) -> bool:
    if wanted:
        from ..figures.tools import require_matplotlib

        require_matplotlib()  # now, not after a long run
    return wanted


def _finished(
    folder: Path,
    chain: Chain,
    likelihood: FileLikelihood,
    wanted: bool,
    file: str | os.PathLike[str],
    n_threads: int,
) -> InferOutcome:
    inner = likelihood.inner
    notes, truth = mock_notes(file, inner), mock_truth(file, inner.names)
    if not chain.converged:
        notes = [*notes, f"sampling stopped early: {'; '.join(chain.attributes['problems'])}"]
    points = _some(chain.samples, _BUDGET_POINTS)
    notes = [*notes, *unlikely_lenses(inner, points)]
    budget = inner.error_budget(points)
    if not budget.worst <= _MOST_ERROR:
        notes = [*notes, f"numerical errors above {_MOST_ERROR} nat: {'; '.join(budget.lines())}"]
    run = RunDirectory(folder)
    for line in budget.lines():
        run.say(line)
    if not wanted:
        return InferOutcome(str(folder), chain, likelihood, budget, warnings=notes)
    files = _write_figures(folder, chain, inner, truth, n_threads)
    report = write_infer_report(
        folder, chain, figures=files, budget=budget.lines(), notes=notes, truth=truth
    )
    return InferOutcome(str(folder), chain, likelihood, budget, files, report, notes)


def _write_figures(
    folder: Path,
    chain: Chain,
    likelihood: LensPopulationLikelihood,
    truth: Mapping[str, float],
    n_threads: int,
) -> dict[str, str]:
    from ..figures.inference import write_run_figures
    from ..figures.populations import LABELS, predictive_histograms, selection_along
    from ..figures.tools import save_figure

    labels = {name: LABELS[name] for name in chain.names if name in LABELS}
    files = write_run_figures(folder, labels=labels, truth=truth)
    place = folder / FIGURES
    figure = selection_along(likelihood, chain.samples)
    files["Selection along each parameter"] = save_figure(figure, place / "selection.png")
    predicted = posterior_predictive(likelihood, chain.samples, n_threads=n_threads)
    figure = predictive_histograms(predicted)
    files["Data and posterior predictions"] = save_figure(figure, place / "predictive.png")
    return files


def _some(samples: Array, most: int) -> Array:
    return np.asarray(samples[np.unique(np.linspace(0, len(samples) - 1, most).astype(int))])
