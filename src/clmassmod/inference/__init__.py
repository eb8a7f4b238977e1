"""Priors, samplers and their diagnostics, for clusters and for lens populations alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

# public name -> the module that holds it
_PUBLIC = {
    "Uniform": ".priors",
    "LogUniform": ".priors",
    "Normal": ".priors",
    "FunctionPrior": ".priors",
    "Prior": ".priors",
    "JointPrior": ".joint_priors",
    "MultivariateNormal": ".joint_priors",
    "PriorSet": ".prior_set",
    "Likelihood": ".posterior",
    "Posterior": ".posterior",
    "fit_laplace": ".laplace",
    "run_mcmc": ".samplers",
    "Chain": ".chain",
    "ConvergenceWarning": ".diagnostics",
    "run_folder": ".run_directory",
    "load_run": ".run_directory",
    "resume": ".reproduction",
    "reproduce": ".reproduction",
    "simulation_based_calibration": ".calibration",
    "Calibration": ".calibration",
}

__all__ = list(_PUBLIC)

if TYPE_CHECKING:
    from .calibration import Calibration, simulation_based_calibration
    from .chain import Chain
    from .diagnostics import ConvergenceWarning
    from .joint_priors import JointPrior, MultivariateNormal
    from .laplace import fit_laplace
    from .posterior import Likelihood, Posterior
    from .prior_set import PriorSet
    from .priors import FunctionPrior, LogUniform, Normal, Prior, Uniform
    from .reproduction import reproduce, resume
    from .run_directory import load_run, run_folder
    from .samplers import run_mcmc

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
