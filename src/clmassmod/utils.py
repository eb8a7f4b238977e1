"""Names handed on from the modules that hold them: ``clm.utils.load_config`` and the like."""

from __future__ import annotations

from .cluster.mass_bins import make_bins
from .configuration.info import describe_config, describe_mock_config, load_config, load_mock_config
from .readers import load_delta_sigma, load_gamma_theta, load_kappa_map, load_mass_map
from .runs.table_config import describe_table_config, load_table_config

__all__ = [
    "describe_config",
    "describe_mock_config",
    "describe_table_config",
    "load_config",
    "load_delta_sigma",
    "load_gamma_theta",
    "load_kappa_map",
    "load_mass_map",
    "load_mock_config",
    "load_table_config",
    "make_bins",
]
