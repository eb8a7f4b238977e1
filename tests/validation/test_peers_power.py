"""Linear power, bias and concentration against pyccl and colossus at random inputs.

Needs both packages: run by ``pytest -m peers``.
"""

from __future__ import annotations

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from clmassmod.power import LinearPower
from clmassmod.profiles.concentration import concentration

pytestmark = [
    pytest.mark.peers,
    # the other packages warn of things of their own
    pytest.mark.filterwarnings("ignore"),
]

SEEDS = range(5)


def random_parameters(seed):
    random = np.random.default_rng(seed)
    return {
        "h": random.uniform(0.6, 0.8),
        "matter": random.uniform(0.2, 0.4),
        "baryons": random.uniform(0.035, 0.06),
        "sigma8": random.uniform(0.7, 0.9),
        "n_s": random.uniform(0.92, 1.0),
    }


def ours(parameters, transfer="eh98"):
    cosmology = FlatLambdaCDM(
        H0=100.0 * parameters["h"],
        Om0=parameters["matter"],
        Ob0=parameters["baryons"],
        Tcmb0=2.7255,
        Neff=3.04,
    )
    return LinearPower(
        cosmology, sigma8=parameters["sigma8"], n_s=parameters["n_s"], transfer=transfer
    )


def ccl_cosmology(parameters, transfer):
    import pyccl

    return pyccl.Cosmology(
        Omega_c=parameters["matter"] - parameters["baryons"],
        Omega_b=parameters["baryons"],
        h=parameters["h"],
        sigma8=parameters["sigma8"],
        n_s=parameters["n_s"],
        T_CMB=2.7255,
        Neff=3.04,
        m_nu=0.0,
        transfer_function=transfer,
    )


def colossus_cosmology(parameters, interpolation):
    from colossus.cosmology import cosmology

    return cosmology.setCosmology(
        "random",
        params={
            "flat": True,
            "H0": 100.0 * parameters["h"],
            "Om0": parameters["matter"],
            "Ob0": parameters["baryons"],
            "sigma8": parameters["sigma8"],
            "ns": parameters["n_s"],
            "Tcmb0": 2.7255,
            "Neff": 3.04,
        },
        persistence="",
        interpolation=interpolation,
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    # With wiggles CCL has 1 + z where eq. 5 of Eisenstein & Hu has z: shifted wiggles, the
    # more of them the higher the baryon fraction. Without wiggles CCL's splines limit.
    ("transfer", "ccl_name", "power_error", "sigma_error"),
    [
        ("eh98", "eisenstein_hu", 2e-3, 5e-4),
        ("eh98_nowiggle", "eisenstein_hu_nowiggles", 1e-5, 1e-5),
    ],
)
def test_ccl(seed, transfer, ccl_name, power_error, sigma_error):
    import pyccl

    parameters = random_parameters(seed)
    mine, theirs = ours(parameters, transfer), ccl_cosmology(parameters, ccl_name)
    random = np.random.default_rng(seed + 100)
    k, masses = 10.0 ** random.uniform(-3.0, 1.0, 50), 10.0 ** random.uniform(11.0, 15.5, 50)
    for z in random.uniform(0.0, 3.0, 3):
        a = 1.0 / (1.0 + z)
        power = pyccl.linear_matter_power(theirs, k, a)
        np.testing.assert_allclose(mine.power(k, z), power, rtol=power_error)
        # sigmaR integrates; sigmaM interpolates in a as well, with errors of 2e-4
        radii = mine.lagrangian_radius(masses)
        sigma = pyccl.sigmaR(theirs, radii, a)
        np.testing.assert_allclose(mine.sigma(radii, z), sigma, rtol=sigma_error)
        assert mine.growth_factor(z) == pytest.approx(theirs.growth_factor(a), rel=1e-6)
        assert mine.growth_rate(z) == pytest.approx(theirs.growth_rate(a), rel=1e-6)
        for mass_def in ("200m", "200c", "500c"):
            bias = pyccl.halos.HaloBiasTinker10(mass_def=mass_def)(theirs, masses, a)
            # from sigmaM; b grows at most as sigma^-2.4
            error = 2.4 * (sigma_error + 3e-4)
            np.testing.assert_allclose(mine.halo_bias(masses, z, mass_def), bias, rtol=error)


@pytest.mark.parametrize("seed", SEEDS)
def test_colossus_power(seed):
    parameters = random_parameters(seed)
    mine, theirs = ours(parameters), colossus_cosmology(parameters, interpolation=False)
    h = parameters["h"]
    k = 10.0 ** np.random.default_rng(seed).uniform(-3.0, 1.0, 50)
    ratio = mine.power(k) / (theirs.matterPowerSpectrum(k / h) / h**3)
    # the same transfer function
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-10)
    # colossus's adaptive integral of sigma8 is off by up to 6e-4 (1e-5 as a rule), as the
    # quadrature of tests/unit/test_power.py shows, which agrees with ours to 1e-10
    assert ratio[0] == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    # see tests/unit/test_concentration.py for what limits each comparison
    ("relation", "mass_def", "tolerance"),
    [
        ("duffy08", "200c", 1e-12),
        ("duffy08", "vir", 1e-12),
        ("bhattacharya13", "200c", 2e-3),
        ("bhattacharya13", "200m", 2e-3),
        ("prada12", "200c", 5e-3),
        ("diemer19", "200c", 5e-3),
        ("ishiyama21", "200c", 5e-3),
        ("ishiyama21", "vir", 5e-3),
        ("ishiyama21", "500c", 5e-3),
    ],
)
def test_colossus_concentration(seed, relation, mass_def, tolerance):
    from colossus.halo import concentration as module

    parameters = random_parameters(seed)
    power = ours(parameters)
    colossus_cosmology(parameters, interpolation=True)
    random = np.random.default_rng(seed)
    masses, z = 10.0 ** random.uniform(11.5, 15.3, 30), random.uniform(0.0, 1.5)
    theirs = module.concentration(masses * parameters["h"], mass_def, z, model=relation)
    mine = concentration(masses, z, mass_def, relation, power=power)
    np.testing.assert_allclose(mine, theirs, rtol=tolerance)
