"""The program behind ``clmassmod stack``: sums of every object, their stack, its mass, a report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..cluster.fit_task import content_digest
from ..cluster.massmod import CLMassMod
from ..cluster.results import MassProfile, file_name
from ..configuration.info import ModelInfo
from ..errors import ClmassmodError, ParameterError
from ..maps.containers import KappaMap, MassMap
from ..observables import DeltaSigma, GammaTheta
from ..parallel import map_tasks
from ..provenance import atomic_path, digest, exclusive_folder
from ..readers import load_data
from ..stacks.files import read_sums, sums_key, write_sums
from ..stacks.scaling import Scaling
from ..stacks.stack import Stack
from ..stacks.sums import StackSums
from .clusters import PROFILES, assign, write_configuration

FOLDER, SUMS, FIT = "stack", "sums", "fit"
_WITHOUT_INFLUENCE = ["data", "stack", "fit", "priors", "parameters", "ensemble", "truth", "output"]
"""Sections that the sums of an object do not depend on, beside its data, method and scaling."""
STACK, TABLE, REPORT = "stack.h5", "stack.ecsv", "report.html"


@dataclass(frozen=True)
class StackOutcome:
    """What `run_stack` leaves behind.

    Attributes
    ----------
    massmod : CLMassMod
        With the data, the stack and, without scaling, its fitted mass.
    stack : Stack
    sums : StackSums
    resumed : tuple of str
        Ids of the objects whose sums were there already.
    folder : str
    figures : dict
        Title -> PNG file.
    report : str
        HTML file, or "" without a report.
    """

    massmod: CLMassMod
    stack: Stack
    sums: StackSums
    resumed: tuple[str, ...]
    folder: str
    figures: dict[str, str] = field(default_factory=dict)
    report: str = ""

    @property
    def mass(self) -> MassProfile | None:
        """The fitted mass of a stack without scaling."""
        fitted = self.stack.method == "woScaling"
        return self.massmod.out_data_profiles[0] if fitted else None


class SumTask(NamedTuple):
    """The data of one object, of which sums are wanted; picklable."""

    halo_id: str
    data: tuple[Any, ...]
    info: ModelInfo
    method: str
    edges: tuple[float, ...]
    scaling: Scaling | None
    path: str
    key: str


def run_stack(
    model_info: Mapping[str, Any],
    folder: str | os.PathLike[str] | None = None,
    *,
    observables: Any = None,
    executor: Executor | int | None = None,
    report: bool | None = None,
    progress: bool = False,
) -> StackOutcome:
    """Stack the objects of a configuration, and write all results into a folder.

    Parameters
    ----------
    model_info : ModelInfo or mapping
        The configuration, with the stack in `stack`.
    folder : path, optional
        Where results go; `output.folder` by default. Files: ``stack/sums/<id>.h5``,
        ``stack/stack.h5``, ``stack/stack.ecsv``, ``stack/config.json``, ``stack/fit/stack.h5``
        (without scaling), ``stack/figures/*.png``, ``stack/report.html``. Sums that are there
        already, of the same data and configuration, are not made again; scaling "fit" takes
        the masses in ``profiles/``, where `clmassmod.run_fit` leaves them, and fits those that
        are missing.
    observables : sequence of observables or maps of one kind, optional
        The data; by default what `data` names.
    executor : None, int or concurrent.futures.Executor, optional
        As in `CLMassMod.fit_mass_profiles`; the result does not depend on it.
    report : bool, optional
        Whether to write figures and a report; by default what `output.report` says.
    progress : bool, optional
        Show progress bars.

    Returns
    -------
    StackOutcome

    Raises
    ------
    FitError
        There are no data in any bin.
    """
    info = ModelInfo.from_dict(model_info)
    target = Path(info["output"]["folder"] if folder is None else folder)
    wanted = info["output"]["report"] if report is None else report
    if wanted:
        from ..figures.tools import require_matplotlib

        require_matplotlib()  # now, not after a long run
    massmod = CLMassMod(info)
    assign(massmod, load_data(info) if observables is None else observables)
    method, edges = massmod.stackTools.method_and_edges()
    scaling = None
    if method == "wScaling":
        if info["stack"]["scaling"] == "fit":
            massmod.fit_mass_profiles(
                save_loc=target / PROFILES, executor=executor, progress=progress
            )
        scaling = massmod.stackTools.scaling()
    place = target / FOLDER
    tasks = _tasks(massmod, method, tuple(edges.tolist()), scaling, place / SUMS)
    sums, resumed = _all_sums(tasks, place / SUMS, executor)
    stack = massmod.stackTools.stack_of(sums)
    stack.write(place / STACK)
    with atomic_path(place / TABLE) as temporary:
        stack.to_table().write(temporary, format="ascii.ecsv", overwrite=True)
    write_configuration(info, place)
    if method == "woScaling":
        massmod.fit_mass_profiles(save_loc=place / FIT)
    outcome = StackOutcome(massmod, stack, sums, resumed, str(place))
    return _with_report(outcome) if wanted else outcome


def stack_lines(outcome: StackOutcome) -> list[str]:
    """Return what a stack comes down to as lines of text."""
    stack, mass = outcome.stack, outcome.mass
    again = f" (sums of {len(outcome.resumed)} from an earlier run)" if outcome.resumed else ""
    lines = [
        f"stack of {len(stack.ids)} clusters{again}, {stack.dof} of {len(stack)} bins with data, "
        f"effective redshift {stack.redshift:.4f}"
    ]
    if mass is not None:
        lines.append(_mass_line(mass))
        lines.append(
            f"scatter about the stack d2 = {stack.scatter:.1f} for {stack.n_points} points of "
            f"single clusters (expected {stack.n_points - stack.dof} of like clusters)"
        )
        return lines
    lines += [
        f"F against NFW: chi2 = {stack.chi2:.1f} for {stack.dof} bins",
        f"scatter about NFW d2 = {stack.scatter:.1f} for {stack.n_points} points of single "
        "clusters",
    ]
    origin = {
        "fit": "scaled by masses fitted to the same shear: circular, F follows NFW by construction",
        "truth": "scaled by true masses",
        "table": "scaled by masses of a table",
    }
    return [*lines, origin[stack.scaling]]


def _mass_line(mass: MassProfile) -> str:
    if mass.status == "failed":
        return f"the stack could not be fitted: {mass.message}"
    down, up = mass.errors["mass"]
    text = f"M{mass.mass_def} = {mass.mass:.4g} -{down:.2g} +{up:.2g} Msun"
    return f"{text} by {mass.method}, chi2 = {mass.chi2:.1f} for {mass.dof} degrees of freedom"


# -- sums ----------------------------------------------------------------------------------------


def _tasks(
    massmod: CLMassMod,
    method: str,
    edges: tuple[float, ...],
    scaling: Scaling | None,
    folder: Path,
) -> list[SumTask]:
    # the names of maps come without making galaxies behind them, which is for the tasks
    data: Mapping[str, tuple[Any, ...]] = massmod.maps() or massmod.members()
    info = massmod.model_info
    rules = info.hash(without=_WITHOUT_INFLUENCE)
    tasks, taken = [], set()
    for halo_id, parts in data.items():
        name = file_name(halo_id)
        if name.lower() in taken:
            raise ParameterError("id", halo_id, "one whose file name is its own")
        taken.add(name.lower())
        own = None if scaling is None else scaling.only(halo_id)
        # what was subtracted from a mass map is in its metadata
        contents = [(content_digest(one), one.metadata.get("background")) for one in parts]
        key = digest(halo_id, method, edges, own, rules, contents)
        tasks.append(SumTask(halo_id, parts, info, method, edges, own, str(folder / name), key))
    return tasks


def _all_sums(
    tasks: list[SumTask], folder: Path, executor: Executor | int | None
) -> tuple[StackSums, tuple[str, ...]]:
    with exclusive_folder(folder):
        done = {task.halo_id: sums for task in tasks if (sums := _resumable(task)) is not None}
        resumed = tuple(done)
        rest = [task for task in tasks if task.halo_id not in done]
        for task, sums in zip(rest, map_tasks(sum_task, rest, executor), strict=True):
            done[task.halo_id] = sums
    return StackSums.merged(done.values()), resumed


def _resumable(task: SumTask) -> StackSums | None:
    if not Path(task.path).exists():
        return None
    try:
        return read_sums(task.path) if sums_key(task.path) == task.key else None
    except ClmassmodError:
        return None  # a damaged file is made anew and replaced


def sum_task(task: SumTask) -> StackSums:
    """Return the sums of one object, and write them."""
    massmod = CLMassMod(task.info)
    massmod.allow_same_data = True  # the object with all maps has been asked
    for kind, name in (
        (GammaTheta, "obs_gamma_theta"),
        (DeltaSigma, "obs_delta_sigma"),
        (MassMap, "obs_mass_map"),
        (KappaMap, "obs_kappa_map"),
    ):
        own = [one.replace(id=task.halo_id) for one in task.data if isinstance(one, kind)]
        setattr(massmod, name, own)
    sums = massmod.stackTools.sums(task.method, list(task.edges), scaling=task.scaling)
    write_sums(sums, task.path, task.key)
    return sums


# -- figures and report --------------------------------------------------------------------------


def _with_report(outcome: StackOutcome) -> StackOutcome:
    from dataclasses import replace

    from ..figures.stacks import write_figures
    from ..reports.stacks import write_stack_report

    folder = Path(outcome.folder)
    figures = write_figures(outcome.massmod, outcome.stack, outcome.sums, folder / "figures")
    outcome = replace(outcome, figures=figures)
    report = write_stack_report(outcome, folder / REPORT, summary=stack_lines(outcome))
    return replace(outcome, report=report)
