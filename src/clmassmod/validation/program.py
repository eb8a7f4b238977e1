"""`validate`: every step one after another, the tables of what they found, and a report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .._checks import checked_threads
from ..errors import ParameterError, nearest
from ..rng import checked_seed
from .bias_step import bias_and_density, bias_shifts
from .catalogue_step import catalogue_to_profile
from .checks import BiasRow, Check, Settings, StepResult
from .ensemble_step import bias_and_scatter, other_truths
from .map_step import map_to_shear
from .mass_step import posterior_masses, resumed_runs
from .profile_step import profiles
from .stack_step import stacks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Step = Callable[[Settings], StepResult]

STEPS: dict[str, Step] = {
    "profiles": profiles,
    "map to shear": map_to_shear,
    "catalogue to profile": catalogue_to_profile,
    "stacks": stacks,
    "masses": posterior_masses,
    "resumed runs": resumed_runs,
    "bias and scatter": bias_and_scatter,
    "other truths": other_truths,
    "bias shifts": bias_shifts,
    "bias and density": bias_and_density,
}
"""Name -> step, in the order of a catalogue's way from profiles to a bias."""


@dataclass(frozen=True)
class ValidationReport:
    """What `validate` found.

    Attributes
    ----------
    settings : Settings
    checks : tuple of Check
        The precision table.
    bias_rows : tuple of BiasRow
        The table of bias shifts.
    seconds : dict
        Wall-clock time by step.
    figures : dict
        Title -> function that draws it.
    report : str
        The HTML file, "" without a folder.
    """

    settings: Settings
    checks: tuple[Check, ...]
    bias_rows: tuple[BiasRow, ...]
    seconds: Mapping[str, float]
    figures: Mapping[str, Callable[[], Figure]] = field(repr=False)
    report: str = ""

    @property
    def passed(self) -> bool:
        """Whether every check meets its tolerance."""
        return all(check.passed for check in self.checks)

    def lines(self) -> list[str]:
        """Return the precision table and that of bias shifts as text."""
        lines = []
        for check in self.checks:
            sign = ">=" if check.at_least else "<="
            mark = "ok    " if check.passed else "FAILED"
            value = f"{check.value:10.3g} {sign} {check.limit:<8.3g}"
            lines += [f"{mark} {value} {check.step}: {check.what}", f"{'':30}{check.reason}"]
        if self.bias_rows:
            width = max(len(row.truth) for row in self.bias_rows)
            lines += ["", f"{'truth, fitted by NFW':<{width}}  {'b':>7}  {'shift':>7}  from mocks"]
            lines += [
                f"{row.truth:<{width}}  {row.bias:7.4f}  {row.shift:+7.4f}  "
                f"{row.measured:.4f} +- {row.error:.4f}"
                for row in self.bias_rows
            ]
        return lines

    def __str__(self) -> str:
        return "\n".join(self.lines())


def validate(
    folder: str | os.PathLike[str] | None = None,
    *,
    steps: Iterable[str] | None = None,
    quick: bool = True,
    seed: int = 1,
    n_threads: int = 1,
    progress: bool = False,
) -> ValidationReport:
    """Run a simulated catalogue through every step and say how precise each is.

    Parameters
    ----------
    folder : path, optional
        Where figures and ``report.html`` go; neither is made without one.
    steps : iterable of str, optional
        Names of the steps to run, of `STEPS`; all by default.
    quick : bool
        Samples that take a minute in all; otherwise ten times larger ones.
    seed : int
        Of every random number.
    n_threads : int
        0 for all; the numbers do not depend on it.
    progress : bool
        Print a line as each step ends.

    Returns
    -------
    ValidationReport
        Print it for the tables; ``.passed`` says whether all tolerances are met.

    Raises
    ------
    ParameterError
        An unknown step, or a wrong seed or number of threads.

    Examples
    --------
    >>> import clmassmod as clm
    >>> clm.validate(steps=["map to shear"]).passed
    True
    """
    checked_threads(n_threads)
    chosen = _chosen(steps)
    settings = Settings(bool(quick), checked_seed(seed), n_threads)
    checks: list[Check] = []
    bias_rows: list[BiasRow] = []
    figures: dict[str, Callable[[], Figure]] = {}
    seconds: dict[str, float] = {}
    for name in chosen:
        start = time.perf_counter()
        result = STEPS[name](settings)
        seconds[name] = time.perf_counter() - start
        checks += result.checks
        bias_rows += result.bias_rows
        figures |= result.figures
        if progress:
            good = sum(check.passed for check in result.checks)
            print(
                f"{name}: {good} of {len(result.checks)} checks, {seconds[name]:.1f} s", flush=True
            )
    report = ValidationReport(settings, tuple(checks), tuple(bias_rows), seconds, figures)
    if folder is None:
        return report
    from .report import write_report

    path = write_report(report, Path(folder))
    return ValidationReport(settings, report.checks, report.bias_rows, seconds, figures, path)


def _chosen(steps: Iterable[str] | None) -> list[str]:
    if steps is None:
        return list(STEPS)
    names = [steps] if isinstance(steps, str) else list(steps)
    for name in names:
        if name not in STEPS:
            allowed = f"of {', '.join(STEPS)}"
            raise ParameterError("steps", name, allowed, nearest(str(name), STEPS))
    return names
