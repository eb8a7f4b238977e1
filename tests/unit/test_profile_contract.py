"""The contract battery over every registered profile."""

import functools

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


class TestHernquist(ProfileContract):
    profile = clm.Hernquist(5e14, 4.0, redshift=0.3, mass_def="500c")
    several = {
        "mass": np.array([1e14, 5e14, 2e15]),
        "concentration": 3.0,
        "redshift": np.array([0.1, 0.3, 0.7]),
    }
    bad_parameters = {"mass": (0.0, -1e14), "concentration": (0.0, -4.0)}


class TestBMO(ProfileContract):
    profile = clm.BMO(5e14, 4.0, redshift=0.3, truncation=8.0, mass_def="200m")
    several = {
        "mass": np.array([1e14, 5e14, 2e15]),
        "concentration": np.array([6.0, 4.0, 3.0]),
        "truncation": np.array([0.4, 1.0, 80.0]),
    }
    bad_parameters = {"mass": (0.0,), "concentration": (0.0,), "truncation": (0.0, -2.0, 1e7)}


class TestSIS(ProfileContract):
    profile = clm.SIS(700.0, redshift=0.3)
    several = {"sigma_v": np.array([200.0, 700.0, 1200.0])}
    bad_parameters = {"sigma_v": (0.0, -200.0)}


class TestPowerLaw(ProfileContract):
    profile = clm.PowerLaw(5e14, 2.2, redshift=0.3)
    several = {"mass": np.array([1e13, 5e14, 1e15]), "slope": np.array([1.6, 2.2, 2.4])}
    bad_parameters = {"mass": (0.0,), "slope": (1.0, 3.0, -2.0)}


class TestDPIE(ProfileContract):
    profile = clm.DPIE(1e14, core=0.04, cut=0.9, redshift=0.3)
    several = {"core": np.array([0.0, 0.1, 1.2]), "cut": 1.2, "mass": 2e14}
    bad_parameters = {"mass": (0.0,), "core": (-0.1, 1.0), "cut": (0.0, -1.0)}


class TestPointMass(ProfileContract):
    profile = clm.PointMass(1e14, redshift=0.3)
    several = {"mass": np.array([1e12, 1e13, 1e15])}
    bad_parameters = {"mass": (0.0, -1e12)}
    central_mass = 1e14


class NumericContract(ProfileContract):
    """For profiles read from tables: what follows from one another does so within rtol."""

    identity = 1e-6
    quadrature = 1e-6
    # the slope of an interpolant good to 1e-6 loses a digit
    gradient = 1e-5


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


class TestSersic(NumericContract):
    profile = clm.Sersic(1e12, 0.02, 3.0, redshift=0.3)
    several = {
        "stellar_mass": np.array([1e11, 1e12, 5e12]),
        "sersic_index": np.array([0.5, 3.0, 7.0]),
    }
    bad_parameters = {
        "stellar_mass": (0.0, -1e11),
        "effective_radius": (0.0, -0.01),
        "sersic_index": (0.4, -1.0, 30.0),
    }


class TestDeVaucouleurs(NumericContract):
    profile = clm.DeVaucouleurs(1e12, 0.02, redshift=0.3)
    several = {
        "stellar_mass": np.array([1e11, 1e12, 5e12]),
        "effective_radius": np.array([0.005, 0.02, 0.1]),
    }
    bad_parameters = {"stellar_mass": (0.0, -1e11), "effective_radius": (0.0, -0.01)}


class TestComposite(NumericContract):
    profile = clm.Composite(
        [clm.NFW(5e14, 4.0, redshift=0.3), clm.DeVaucouleurs(1e12, 0.02, redshift=0.3)]
    )
    several = {"redshift": np.array([0.1, 0.3, 0.7])}

    def test_wrong_shapes_are_refused(self):
        with pytest.raises(ParameterError, match="radius"):
            self.batch.surface_density(np.ones((2, 5)))
        with pytest.raises(ParameterError, match="parameters"):
            self.profile.replace(redshift=np.ones((1, 3)))
        halves = clm.NFW(5e14, 4.0, redshift=np.array([0.3, 0.3]))
        thirds = clm.NFW(5e14, 4.0, redshift=np.array([0.3, 0.3, 0.3]))
        with pytest.raises(ParameterError, match="shape"):
            clm.Composite([halves, thirds])


def user_density(r):
    """A density in Msun / Mpc^3 that pickle can find."""
    return 1e15 / (r**0.8 * (1.0 + 2.0 * r) ** 2)


class TestUserProfile(NumericContract):
    profile = clm.UserProfile(0.3, rho=user_density)
    several = {"redshift": np.array([0.1, 0.3, 0.7])}
    bad_parameters = {"rtol": (0.0, 1.0)}

    def test_wrong_shapes_are_refused(self):
        with pytest.raises(ParameterError, match="radius"):
            self.batch.surface_density(np.ones((2, 5)))
        with pytest.raises(ParameterError, match="parameters"):
            self.profile.replace(redshift=np.ones((1, 3)))


class TestDK14(NumericContract):
    profile = clm.DK14(5e14, 4.0, redshift=0.3, peak_height=2.9)
    several = {
        "mass": np.array([1e14, 5e14, 2e15]),
        "concentration": np.array([6.0, 4.0, 3.0]),
        "peak_height": np.array([1.8, 2.9, 4.5]),
        "redshift": np.array([0.1, 0.3, 0.7]),
    }
    bad_parameters = {
        "mass": (0.0, -1e14),
        "concentration": (0.0, -4.0),
        "peak_height": (0.0, -1.0, 11.0),
        "accretion_rate": (-1.0,),
        "infall_norm": (-1.0,),
        "infall_slope": (1.0, -1.5, 7.0),
    }


class TestDiemer23(NumericContract):
    profile = clm.Diemer23(5e14, 4.0, redshift=0.3, accretion_rate=2.0, mass_def="200m")
    several = {
        "mass": np.array([1e14, 5e14, 2e15]),
        "concentration": np.array([6.0, 4.0, 3.0]),
        "accretion_rate": np.array([0.5, 2.0, 4.0]),
    }
    bad_parameters = {
        "mass": (0.0, -1e14),
        "concentration": (0.0, -4.0),
        "accretion_rate": (-1.0,),
        "alpha": (0.0, 20.0),
        "beta": (0.0, -3.0),
        "infall_norm": (-1.0,),
    }


class TestBaryonified(NumericContract):
    profile = clm.Baryonified(
        clm.NFW(5e14, 4.0, redshift=0.3), clm.BaryonModel(baryon_fraction=0.16)
    )
    several = {
        "mass": np.array([1e14, 5e14, 2e15]),
        "concentration": 4.0,
        "redshift": np.array([0.1, 0.3, 0.7]),
    }
    bad_parameters = {"mass": (0.0, -1e14), "rtol": (0.0, 1e-9, 0.1)}

    # tables of a halo take a quarter of a second: made once for all tests
    @property
    def batch(self):
        return baryonified_batch()

    def single(self, row):
        return baryonified_single(row)


@functools.cache
def baryonified_batch():
    return ProfileContract.batch.fget(TestBaryonified())


@functools.cache
def baryonified_single(row):
    return ProfileContract.single(TestBaryonified(), row)


require_all_registered()


def test_registry_finds_by_name():
    for name in registry.profile_names():
        assert registry.profile_class(name).__name__ == name
        assert registry.profile_class(name.lower()).__name__ == name


def test_registry_hints_at_the_nearest_name():
    with pytest.raises(ParameterError, match="NFW"):
        registry.profile_class("NWF")
