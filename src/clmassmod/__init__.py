"""clmassmod: lensing mass modelling with a compiled core.

Masses in Msun, lengths in physical Mpc (`stronglens`: kpc in the lens plane), no h. Public names
are loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# public name -> the module that holds it
_PUBLIC = {
    "NFW": ".profiles.halos",
    "Hernquist": ".profiles.halos",
    "BMO": ".profiles.halos",
    "SIS": ".profiles.simple",
    "PowerLaw": ".profiles.simple",
    "DPIE": ".profiles.simple",
    "PointMass": ".profiles.simple",
    "convert_mass": ".profiles.conversion",
    "Table": ".table.interpolator",
    "gNFW": ".profiles.numeric_halos",
    "Einasto": ".profiles.numeric_halos",
    "Burkert": ".profiles.numeric_halos",
    "Sersic": ".profiles.stars",
    "DeVaucouleurs": ".profiles.stars",
    "Composite": ".profiles.composite",
    "Miscentred": ".profiles.miscentred",
    "FixedOffset": ".profiles.offsets",
    "GammaOffset": ".profiles.offsets",
    "RayleighOffset": ".profiles.offsets",
    "OffsetSample": ".profiles.offsets",
    "TwoHalo": ".profiles.two_halo",
    "HaloMatter": ".profiles.halo_matter",
    "Elliptical": ".profiles.elliptical",
    "UserProfile": ".profiles.custom",
    "DK14": ".profiles.splashback",
    "Diemer23": ".profiles.splashback",
    "Baryonified": ".profiles.baryonified",
    "BaryonModel": ".profiles.baryons",
    "SchneiderGas": ".profiles.baryons",
    "CromerGas": ".profiles.baryons",
    "MassDef": ".cosmology",
    "critical_surface_density": ".cosmology",
    "concentration": ".profiles.concentration",
    "LinearPower": ".power",
    "SourceDistribution": ".sources",
    "BetaMoments": ".sources",
    "GammaTheta": ".observables",
    "DeltaSigma": ".observables",
    "MassMap": ".maps.containers",
    "KappaMap": ".maps.containers",
    "baryonify_map": ".maps.baryonify",
    "CLMassMod": ".cluster.massmod",
    "FitInfo": ".cluster.massmod",
    "MassProfile": ".cluster.results",
    "compare_models": ".cluster.comparison",
    "analytic_bias": ".cluster.analytic_bias",
    "statistical_power": ".cluster.statistical_power",
    "simulate_sample": ".cluster.simulation",
    "run_fit": ".runs.clusters",
    "load_reference": ".cluster.reference",
    "validate": ".validation.program",
}
# modules that are reached as attributes of the package
_MODULES = (
    "ensembles",
    "errors",
    "galaxies",
    "inference",
    "maps",
    "population",
    "stacks",
    "stronglens",
    "utils",
)

__all__ = ["__version__", *_PUBLIC, *_MODULES]

if TYPE_CHECKING:
    from . import (
        ensembles,
        errors,
        galaxies,
        inference,
        maps,
        population,
        stacks,
        stronglens,
        utils,
    )
    from .cluster.analytic_bias import analytic_bias
    from .cluster.comparison import compare_models
    from .cluster.massmod import CLMassMod, FitInfo
    from .cluster.reference import load_reference
    from .cluster.results import MassProfile
    from .cluster.simulation import simulate_sample
    from .cluster.statistical_power import statistical_power
    from .cosmology import MassDef, critical_surface_density
    from .maps.baryonify import baryonify_map
    from .maps.containers import KappaMap, MassMap
    from .observables import DeltaSigma, GammaTheta
    from .power import LinearPower
    from .profiles.baryonified import Baryonified
    from .profiles.baryons import BaryonModel, CromerGas, SchneiderGas
    from .profiles.composite import Composite
    from .profiles.concentration import concentration
    from .profiles.conversion import convert_mass
    from .profiles.custom import UserProfile
    from .profiles.elliptical import Elliptical
    from .profiles.halo_matter import HaloMatter
    from .profiles.halos import BMO, NFW, Hernquist
    from .profiles.miscentred import Miscentred
    from .profiles.numeric_halos import Burkert, Einasto, gNFW
    from .profiles.offsets import FixedOffset, GammaOffset, OffsetSample, RayleighOffset
    from .profiles.simple import DPIE, SIS, PointMass, PowerLaw
    from .profiles.splashback import DK14, Diemer23
    from .profiles.stars import DeVaucouleurs, Sersic
    from .profiles.two_halo import TwoHalo
    from .runs.clusters import run_fit
    from .sources import BetaMoments, SourceDistribution
    from .table.interpolator import Table
    from .validation.program import validate


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from ._core.info import build_info

        return build_info()["version"]
    if name in _PUBLIC:
        value = getattr(importlib.import_module(_PUBLIC[name], __name__), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
