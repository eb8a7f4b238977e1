"""The program behind the command line: fit, tables, figures and report in one folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..cluster.massmod import CLMassMod, FitInfo
from ..cluster.reference import Reference, comparison
from ..cluster.results import MassProfile
from ..cluster.simulation import SimulatedSample, simulate_sample
from ..configuration.info import ModelInfo
from ..errors import FitError
from ..galaxies.shear_field import ShearField
from ..maps.containers import KappaMap, MassMap
from ..observables import DeltaSigma, GammaTheta
from ..provenance import atomic_path
from ..readers import load_data

PROFILES, FIGURES, DATA = "profiles", "figures", "data"
TABLE, TRUTH, CONFIG, REPORT = "masses.ecsv", "truth.ecsv", "config.json", "report.html"


Observables = (
    Sequence[GammaTheta]
    | Sequence[DeltaSigma]
    | Sequence[MassMap]
    | Sequence[KappaMap]
    | Sequence[ShearField]
)


@dataclass(frozen=True)
class FitOutcome:
    """What `run_fit` leaves behind.

    Attributes
    ----------
    massmod : CLMassMod
        With data and results.
    fit_info : FitInfo
    folder : str
    table : str
        File of masses (ECSV).
    config : str
        File of the complete configuration; fitting it again gives the same numbers.
    figures : dict
        Title -> PNG file.
    report : str
        HTML file, or "" without a report.
    summary : dict
        As `summary` gives it.
    """

    massmod: CLMassMod
    fit_info: FitInfo
    folder: str
    table: str
    config: str
    figures: dict[str, str] = field(default_factory=dict)
    report: str = ""
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def profiles(self) -> list[MassProfile]:
        """Results, one per object."""
        return self.massmod.out_data_profiles


def run_fit(
    model_info: Mapping[str, Any],
    folder: str | os.PathLike[str] | None = None,
    *,
    observables: Observables | None = None,
    reference: Reference | None = None,
    calc_params: Mapping[str, Any] | None = None,
    executor: Executor | int | None = None,
    report: bool | None = None,
    progress: bool = False,
) -> FitOutcome:
    """Fit every object of a configuration and write all results into a folder.

    Parameters
    ----------
    model_info : ModelInfo or mapping
        The configuration, with the method in `fit`.
    folder : path, optional
        Where results go; `output.folder` by default, relative to the current folder. Files:
        ``profiles/<id>.h5``, ``masses.ecsv``, ``config.json``, ``figures/*.png``,
        ``report.html``. Haloes whose result is there already are not fitted again.
    observables : sequence of GammaTheta, DeltaSigma, MassMap, KappaMap or ShearField, optional
        The data; by default what `data` names.
    reference : Reference, optional
        Masses to compare with: the truth of a simulation, a catalogue.
    calc_params : mapping, optional
        Parameters of the method over those of the configuration.
    executor : None, int or concurrent.futures.Executor, optional
        As in `CLMassMod.fit_mass_profiles`.
    report : bool, optional
        Whether to write figures and a report (needs the extra ``plot``); by default what
        `output.report` says.
    progress : bool, optional
        Show progress bars.

    Returns
    -------
    FitOutcome

    Raises
    ------
    FitError
        If no object at all could be fitted.
    """
    info = ModelInfo.from_dict(model_info)
    target = Path(info["output"]["folder"] if folder is None else folder)
    wanted = info["output"]["report"] if report is None else report
    if wanted:
        from ..figures.tools import require_matplotlib

        require_matplotlib()  # now, not after a long fit
    massmod = CLMassMod(info)
    assign(massmod, load_data(info) if observables is None else observables)
    config = write_configuration(info, target)
    _, fit_info = massmod.fit_mass_profiles(
        calc_params=calc_params, save_loc=target / PROFILES, executor=executor, progress=progress
    )
    table = target / TABLE
    with atomic_path(table) as temporary:
        massmod.table().write(temporary, format="ascii.ecsv", overwrite=True)
    if len(fit_info.failed) == len(massmod.out_data_profiles):
        halo_id, message = next(iter(fit_info.failed.items()))
        raise FitError(f"no object could be fitted; {halo_id}: {message}")
    outcome = FitOutcome(massmod, fit_info, str(target), str(table), config)
    outcome.summary.update(summary(massmod, fit_info, reference))
    return _with_report(outcome, reference, progress) if wanted else outcome


def run_demo(
    folder: str | os.PathLike[str],
    *,
    seed: int = 4,
    n_clusters: int = 12,
    method: str = "emcee",
    executor: Executor | int | None = None,
    report: bool = True,
    progress: bool = False,
) -> FitOutcome:
    """Simulate a sample with known masses, fit it and compare; see `run_fit`.

    The folder then also holds ``data/<id>.ecsv`` and ``truth.ecsv``, and
    ``clmassmod fit <folder>/config.json`` repeats the fit from these files;
    ``clmassmod compare <folder>/config.json`` compares its masses with the truth.
    """
    info = demo_configuration(seed=seed, n_clusters=n_clusters, method=method)
    sample = simulate_sample(info)
    target = Path(folder)
    info.folder = str(target)
    write_sample(sample, target)
    return run_fit(
        info,
        target,
        observables=sample.observables,
        reference=Reference(sample.true_masses, label="true mass"),
        executor=executor,
        report=report,
        progress=progress,
    )


def demo_configuration(*, seed: int = 4, n_clusters: int = 12, method: str = "emcee") -> ModelInfo:
    """Return the configuration of the demonstration."""
    return ModelInfo.from_dict(
        {
            "name": "simulated clusters",
            "seed": seed,
            "sources": {"distribution": "chang2013"},
            "noise": {"shape_noise": 0.25, "density": 20.0},
            "simulation": {"n_clusters": n_clusters},
            "data": {"files": f"{DATA}/*.ecsv"},
            "ensemble": {"results": ["."]},
            "truth": {"file": TRUTH},
            "fit": {"method": method},
        }
    )


def write_sample(sample: SimulatedSample, folder: str | os.PathLike[str]) -> None:
    """Write the profiles of a sample as ``data/<id>.ecsv`` and its truth as ``truth.ecsv``.

    Profiles of an earlier sample in the folder that are not part of this one are removed.
    """
    data = Path(folder) / DATA
    data.mkdir(parents=True, exist_ok=True)
    for observable in sample.observables:
        observable.write(data / f"{observable.id}.ecsv")
    ids = {observable.id for observable in sample.observables}
    for file in data.glob("sim_*.ecsv"):
        if file.stem not in ids:
            file.unlink()
    with atomic_path(Path(folder) / TRUTH) as temporary:
        sample.truth.write(temporary, format="ascii.ecsv", overwrite=True)


def summary(
    massmod: CLMassMod, fit_info: FitInfo, reference: Reference | None = None
) -> dict[str, Any]:
    """Return the numbers that a fit of many objects comes down to.

    method, n_objects, n_failed, n_warnings, n_resumed, chi2 and dof summed over objects,
    and, with a reference, those of `comparison`.
    """
    profiles = massmod.out_data_profiles
    good = [p for p in profiles if p.status != "failed"]
    numbers: dict[str, Any] = {
        "method": fit_info.method,
        "n_objects": len(profiles),
        "n_failed": len(profiles) - len(good),
        "n_warnings": sum(p.status == "warning" for p in good),
        "n_resumed": len(fit_info.resumed),
        "chi2": float(sum(p.chi2 for p in good)),
        "dof": sum(p.dof for p in good),
    }
    if reference is None:
        return numbers
    return numbers | comparison(good, reference) | {"reference": reference.label}


def summary_lines(numbers: Mapping[str, Any]) -> list[str]:
    """Return the numbers of `summary` as lines of text."""
    fitted = numbers["n_objects"] - numbers["n_failed"]
    resumed = numbers["n_resumed"]
    lines = [
        f"{fitted} of {numbers['n_objects']} clusters fitted by {numbers['method']}"
        + (f" ({resumed} of them in an earlier run)" if resumed else "")
        + f", {numbers['n_warnings']} with warnings",
        f"chi2 = {numbers['chi2']:.1f} for {numbers['dof']} degrees of freedom",
    ]
    if not numbers.get("n_compared"):
        return lines
    name = numbers["reference"]
    return [
        *lines,
        f"sum of fitted masses / sum of {name} = "
        f"{numbers['ratio']:.3f} +- {numbers['ratio_error']:.3f}",
        f"{name} inside the 68.3 % interval: {100 * numbers['coverage_68']:.0f} % of "
        f"{numbers['n_compared']} (expected 68 +- {100 * numbers['coverage_68_error']:.0f} %)",
        f"(fitted - {name}) / error: mean {numbers['mean_pull']:.2f}, "
        f"standard deviation {numbers['sd_pull']:.2f}",
    ]


_ATTRIBUTES = {
    GammaTheta: "obs_gamma_theta",
    DeltaSigma: "obs_delta_sigma",
    MassMap: "obs_mass_map",
    KappaMap: "obs_kappa_map",
    ShearField: "obs_galaxies",
}


def assign(massmod: CLMassMod, data: Observables) -> None:
    """Assign observables of one kind to where they belong."""
    if data:
        setattr(massmod, _ATTRIBUTES[type(data[0])], tuple(data))


def write_configuration(info: ModelInfo, folder: Path) -> str:
    """Write the complete configuration, its paths relative to `folder`; return the file."""
    content = json.loads(json.dumps(info))
    for section, key in (
        ("data", "files"),
        ("data", "redshift_table"),
        ("data", "covariance"),
        ("sources", "files"),
        ("stack", "masses"),
        ("ensemble", "results"),
        ("ensemble", "proxy_table"),
        ("truth", "file"),
        ("truth", "groups"),
    ):
        value = content[section][key]
        if isinstance(value, list):
            content[section][key] = [os.path.relpath(info.path(v), folder) for v in value]
        elif value is not None:
            content[section][key] = os.path.relpath(info.path(value), folder)
    with atomic_path(folder / CONFIG) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return str(folder / CONFIG)


def _with_report(outcome: FitOutcome, reference: Reference | None, progress: bool) -> FitOutcome:
    from dataclasses import replace

    from ..figures.clusters import write_figures
    from ..reports.clusters import write_report

    folder = Path(outcome.folder)
    figures = write_figures(
        outcome.massmod, folder / FIGURES, reference=reference, progress=progress
    )
    outcome = replace(outcome, figures=figures)
    lines = summary_lines(outcome.summary)
    file = write_report(outcome.massmod, folder / REPORT, figures=figures, summary=lines)
    return replace(outcome, report=file)
