"""The contract battery over every registered profile."""

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.errors import ParameterError
from clmassmod.profiles import registry

from contract import ProfileContract, require_all_registered


class TestNFW(ProfileContract):
    profile = clm.NFW(5e14, 4.0, redshift=0.3)
    several = {
        "mass": np.array([1e14, 5e14, 2e15]),
        "concentration": np.array([6.0, 4.0, 3.0]),
        "redshift": np.array([0.1, 0.3, 0.7]),
    }
    bad_parameters = {"mass": (0.0, -1e14), "concentration": (0.0, -4.0)}


class NumericContract(ProfileContract):
    """For profiles read from tables: what follows from one another does so within rtol."""

    identity = 1e-6
    quadrature = 1e-6


class TestGNFW(NumericContract):
    profile = clm.gNFW(5e14, 4.0, redshift=0.3, inner_slope=1.4)
    several = {
        "mass": np.array([1e14, 5e14, 2e15]),
        "inner_slope": np.array([0.0, 1.4, 2.3]),
        "redshift": np.array([0.1, 0.3, 0.7]),
    }
    bad_parameters = {
        "mass": (0.0, -1e14),
        "concentration": (0.0, -4.0),
        "inner_slope": (-0.1, 3.0, 4.0),
        "rtol": (0.0, 1e-12, 0.1),
    }


class TestEinasto(NumericContract):
    profile = clm.Einasto(5e14, 4.0, redshift=0.3, alpha=0.2)
    several = {
        "mass": np.array([1e14, 5e14, 2e15]),
        "concentration": np.array([6.0, 4.0, 3.0]),
        "alpha": np.array([0.16, 0.2, 0.3]),
    }
    bad_parameters = {
        "mass": (0.0, -1e14),
        "concentration": (0.0, -4.0),
        "alpha": (0.0, -0.2, 11.0),
    }


class TestBurkert(NumericContract):
    profile = clm.Burkert(5e14, 8.0, redshift=0.3)
    several = {
        "mass": np.array([1e14, 5e14, 2e15]),
        "concentration": np.array([6.0, 4.0, 3.0]),
    }
    bad_parameters = {"mass": (0.0, -1e14), "concentration": (0.0, -4.0)}


require_all_registered()


def test_registry_finds_by_name():
    for name in registry.profile_names():
        assert registry.profile_class(name).__name__ == name
        assert registry.profile_class(name.lower()).__name__ == name


def test_registry_hints_at_the_nearest_name():
    with pytest.raises(ParameterError, match="NFW"):
        registry.profile_class("NWF")
