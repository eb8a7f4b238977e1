"""Fits of haloes with baryons by a configuration."""

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.cluster.analytic_bias import BIAS_SURVEY
from clmassmod.cluster.model_of_configuration import halo_model
from clmassmod.cluster.simulation import simulate_sample
from clmassmod.configuration.info import ModelInfo
from clmassmod.errors import ConfigError
from clmassmod.runs.clusters import run_fit

MASS, REDSHIFT = 4e14, 0.3
SURVEY = {
    **BIAS_SURVEY,
    "binning": {"r_min": 0.2, "r_max": 2.5, "n_bins": 6},
    "concentration": 4.0,
}
CROMER = clm.BaryonModel(clm.CromerGas(), stellar_fraction=0.0, relaxation=0.0)


def truth(model):
    cosmology = clm.CLMassMod(SURVEY).model.cosmology

    def profile_of(mass, redshift):
        return clm.Baryonified(clm.NFW(mass, 4.0, redshift, cosmology=cosmology), model)

    return profile_of


@pytest.mark.parametrize(
    ("section", "model"),
    [
        ("schneider19", clm.BaryonModel()),
        ({"kind": "cromer22"}, CROMER),
    ],
)
def test_the_right_baryons_give_the_mass_back_and_none_are_biased(section, model):
    right = clm.analytic_bias(MASS, REDSHIFT, truth(model), {**SURVEY, "baryons": section})
    # the truth is good to 1e-6, the model to 1e-4
    assert float(right.bias) == pytest.approx(1.0, abs=1e-4)
    without = clm.analytic_bias(MASS, REDSHIFT, truth(model), SURVEY)
    assert abs(float(without.bias) - 1.0) > 3e-3
    # a truth described by the same section is the same truth
    by_section = {"profile": "NFW", "baryons": section, "concentration": 4.0}
    again = clm.analytic_bias(MASS, REDSHIFT, by_section, SURVEY)
    assert float(again.bias) == pytest.approx(float(without.bias), abs=1e-4)


def test_every_key_reaches_the_model():
    given = {
        **{"kind": "schneider19", "baryon_fraction": 0.17, "core": 0.12, "truncation": 5.0},
        **{"ejection": 3.0, "mass_scale": 2e14, "mass_slope": 0.3, "stellar_fraction": 0.08},
        **{"stellar_mass_scale": 3e11, "stellar_slope": 0.3, "central_slope": 0.7},
        **{"galaxy_size": 0.02, "relaxation": 0.2, "relaxation_power": 1.5},
    }
    gas = clm.SchneiderGas(core=0.12, ejection=3.0, mass_scale=2e14, mass_slope=0.3)
    expected = clm.BaryonModel(gas, 0.17, 0.08, 3e11, 0.3, 0.7, 0.02, 0.2, 1.5, 5.0)
    assert halo_model(ModelInfo.from_dict({"baryons": given})).profile.baryons == expected

    given = {"kind": "cromer22", "baryon_fraction": 0.17, "core": 0.4, "truncation": 5.0}
    given |= {"sharpness": 0.9, "outer": 4.0, "inner": 0.1}
    gas = clm.CromerGas(0.4, 0.9, 4.0, 0.1, 5.0)
    expected = clm.BaryonModel(gas, 0.17, stellar_fraction=0.0, relaxation=0.0, truncation=5.0)
    assert halo_model(ModelInfo.from_dict({"baryons": given})).profile.baryons == expected
    assert halo_model(ModelInfo.from_dict({})).profile is clm.NFW


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"core": 0.2}, "core is given, which needs kind"),
        ({"kind": "cromer22", "baryon_fraction": 0.16, "ejection": 3.0}, "ejection is given"),
        ({"kind": "schneider19", "baryon_fraction": 0.16, "outer": 4.0}, "outer is given"),
        ("schneider19", "baryon_fraction"),
        (
            {"kind": "schneider19", "baryon_fraction": 0.16, "stellar_slope": 0.8},
            "stellar_slope",
        ),
        ("schneider15", "kind"),
    ],
)
def test_wrong_sections(section, message):
    with pytest.raises(ConfigError, match=message):
        clm.CLMassMod({"baryons": section})


def test_masses_that_have_no_baryons_to_speak_of_are_continued_to_zero():
    model = halo_model(ModelInfo.from_dict({**SURVEY, "baryons": "schneider19"}))
    least = model.profile.least_mass(model.cosmology)
    assert 1e12 < least < 2e12
    mass = np.array([-2.0, -0.5, 0.0, 0.25, 1.0]) * least
    halo, factor = model.halo_of(mass, 0.3, 4.0)
    np.testing.assert_array_equal(factor, [-1.0, -0.5, 0.0, 0.25, 1.0])
    surface = factor[:, None] * halo.surface_density(np.array([0.5]))
    np.testing.assert_allclose(surface[1:4, 0], np.array([-0.5, 0.0, 0.25]) * surface[4, 0])


@pytest.mark.slow
def test_simulated_and_fitted_by_a_configuration(tmp_path):
    info = {
        **SURVEY,
        "baryons": "schneider19",
        "simulation": {"n_clusters": 1, "mass_min": 1e15, "mass_max": 1.1e15},
        "noise": {"density": 1e9},
        "fit": {"method": "curvefit", "bin_average": True},
        "concentration": "duffy08",
    }
    sample = simulate_sample(info)
    outcome = run_fit(info, tmp_path, observables=sample.observables, report=False)
    true = sample.true_masses["sim_0000"]
    fit = outcome.profiles[0]
    # noise of 1e9 galaxies an arcmin^2 and the model, 1e-4 each
    assert fit.mass == pytest.approx(true, rel=3e-4)
    dark = run_fit(
        {**info, "baryons": {}}, tmp_path / "dark", observables=sample.observables, report=False
    )
    assert abs(dark.profiles[0].mass / true - 1.0) > 3e-3
    # the written configuration has the baryons, and gives the same numbers
    again = run_fit(
        clm.utils.load_config(outcome.config),
        tmp_path / "again",
        observables=sample.observables,
        report=False,
    )
    assert again.profiles[0].mass == fit.mass
