"""Masses: calibrated posteriors, and runs that go on where another stopped."""

from __future__ import annotations

import tempfile
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from ..cluster.density import distribution_function
from ..cluster.massmod import CLMassMod
from ..cluster.results import MassProfile
from ..cluster.simulation import simulate_sample
from . import figures
from .catalogue_step import LEAST_P_VALUE
from .checks import Check, Settings, StepResult

Array = npt.NDArray[np.float64]

_RANGE = 2e14, 2e15
_N_RESUMED = 3


def survey(settings: Settings, n_clusters: int) -> dict[str, Any]:
    """Return the configuration of simulated clusters whose prior is how masses are drawn."""
    low, high = _RANGE
    return {
        "seed": settings.seed,
        "concentration": 4.0,
        "sources": {"redshift": 1.0},
        "noise": {"density": 20.0},
        "binning": {"r_min": 0.3, "r_max": 2.5, "n_bins": 8},
        "simulation": {"n_clusters": n_clusters, "mass_min": low, "mass_max": high},
        "priors": {"mass": {"distribution": "log-uniform", "low": low, "high": high}},
    }


def posterior_masses(settings: Settings) -> StepResult:
    """Check that the truth falls anywhere in the posterior as often as anywhere else."""
    info = survey(settings, settings.size(100, 2000))
    sample = simulate_sample(info)
    massmod = CLMassMod(info)
    massmod.obs_gamma_theta = sample.observables
    profiles, _ = massmod.fit_mass_profiles("scanpdf", {"n_grid": 200})
    pit = np.array([_pit(p, sample.true_masses[p.halo_id]) for p in profiles])
    p_value = float(stats.kstest(pit, "uniform").pvalue)
    what = f"PIT of {pit.size} clusters uniform, p-value"
    reason = "Kolmogorov-Smirnov; a right code fails once in 1e4 times"
    checks = [Check("masses", what, p_value, LEAST_P_VALUE, reason, True)]
    for level in (0.6827, 0.9545):
        inside = np.abs(pit - 0.5) < 0.5 * level
        error = np.sqrt(level * (1.0 - level) / pit.size)
        found = float((inside.mean() - level) / error)
        what = f"truth inside the {100 * level:.0f} % interval, deviation in standard errors"
        checks.append(Check("masses", what, found, 3.9, "binomial; beyond 3.9 once in 1e4 times"))
    return StepResult(checks, {"Masses": partial(figures.pit_histogram, pit)})


def _pit(profile: MassProfile, truth: float) -> float:
    mass, cumulative = distribution_function(profile)
    return float(np.interp(truth, mass, cumulative))


def resumed_runs(settings: Settings) -> StepResult:
    """Compare a run that stopped half way and went on with one that did not."""
    info = survey(settings, _N_RESUMED)
    observables = simulate_sample(info).observables
    reason = "the same numbers: nothing may depend on where a run stopped"
    checks = []
    for method, parameters in (
        ("scanpdf", {"n_grid": 100}),
        ("emcee", {"n_steps": 100, "n_burn": 20, "max_steps": 100}),
    ):
        whole = _fit(settings, observables, method, parameters, None)
        with tempfile.TemporaryDirectory() as folder:
            _fit(settings, observables[:1], method, parameters, folder)
            resumed = _fit(settings, observables, method, parameters, folder)
        changed = sum(not _same(a, b) for a, b in zip(whole, resumed, strict=True))
        what = f"{method}: results that differ between one run and a resumed one, of {len(whole)}"
        checks.append(Check("resumed runs", what, float(changed), 0.0, reason))
    return StepResult(checks)


def _fit(
    settings: Settings, observables: Any, method: str, parameters: dict[str, Any], folder: Any
) -> list[MassProfile]:
    massmod = CLMassMod(survey(settings, _N_RESUMED))
    massmod.obs_gamma_theta = observables
    return massmod.fit_mass_profiles(method, parameters, folder)[0]


def _same(first: MassProfile, second: MassProfile) -> bool:
    names = ("samples", "sample_log_likelihood", "mass_grid", "grid_log_likelihood", "covariance")
    fitted = "failed" not in (first.status, second.status)
    return (
        fitted
        and first.mle == second.mle
        and all(
            np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True)
            for name in names
        )
    )
