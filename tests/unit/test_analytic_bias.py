"""b(M) of noise-free profiles of one form fitted by another."""

import numpy as np
import pytest
from scipy import optimize

import clmassmod as clm
from clmassmod.cluster.analytic_bias import BIAS_SURVEY
from clmassmod.errors import FitError, ParameterError


@pytest.mark.parametrize("profile", ["NFW", "Einasto", "DK14"])
def test_the_right_form_has_no_bias(profile):
    model = {**BIAS_SURVEY, "profile": profile}
    result = clm.analytic_bias([2e14, 8e14], [0.3, 0.5], profile, model)
    # the tolerance of the least-squares fit
    np.testing.assert_allclose(result.bias, 1.0, rtol=1e-5)
    assert np.all(result.chi2 < 1e-6)


def test_dk14_fitted_by_nfw_against_a_least_squares_twin():
    mass, redshift = 6e14, 0.3
    result = clm.analytic_bias(mass, redshift)
    halo = clm.NFW(1e14, 4.0, redshift)
    cosmology = halo.cosmology
    full = type(cosmology)(70.0, 0.3, Ob0=0.045, Tcmb0=0.0)
    power = clm.LinearPower(full, sigma8=0.82, n_s=0.96, cmb_temperature=2.7255)
    c = clm.concentration(mass, redshift, mass_def="200c", relation="duffy08", cosmology=full)
    truth = clm.DK14(mass, c, redshift, power, cosmology=full)
    edges = np.linspace(0.5, 2.5, 13)
    middle = 2.0 / 3.0 * np.diff(edges**3) / np.diff(edges**2)
    weight = np.sqrt(np.diff(edges**2))
    sources = clm.BetaMoments(0.49)
    data = truth.reduced_tangential_shear(middle, sources)

    def residual(ln_mass):
        m = np.exp(ln_mass[0])
        c = clm.concentration(m, redshift, mass_def="200c", relation="duffy08", cosmology=full)
        model = clm.NFW(m, c, redshift, cosmology=full)
        return weight * (data - model.reduced_tangential_shear(middle, sources)) / 1e-3

    fit = optimize.least_squares(residual, [np.log(mass)], xtol=1e-12, ftol=1e-12)
    assert float(result.fitted_mass) == pytest.approx(float(np.exp(fit.x[0])), rel=1e-5)
    assert 0.8 < float(result.bias) < 1.2
    assert float(result.bias) != pytest.approx(1.0, abs=1e-3)


def test_truth_as_function_mapping_and_name():
    name = clm.analytic_bias(5e14, 0.3, "Hernquist")
    mapping = clm.analytic_bias(5e14, 0.3, {"profile": {"kind": "Hernquist"}})
    cosmology = clm.CLMassMod(BIAS_SURVEY).model.cosmology

    def function(mass, redshift):
        c = clm.concentration(
            mass, redshift, mass_def="200c", relation="duffy08", cosmology=cosmology
        )
        return clm.Hernquist(mass, c, redshift, cosmology=cosmology)

    assert name.bias == mapping.bias
    given = clm.analytic_bias(5e14, 0.3, function)
    # the model's concentrations are on a spline
    assert float(given.bias) == pytest.approx(float(name.bias), rel=1e-5)


def test_wrong_arguments():
    with pytest.raises(ParameterError, match="truth"):
        clm.analytic_bias(5e14, 0.3, 3.0)
    with pytest.raises(ParameterError, match="redshift"):
        clm.analytic_bias(5e14, 0.0)
    survey = {**BIAS_SURVEY, "fit": {"r_min": 5.0}}
    with pytest.raises(FitError, match="5e\\+14"):
        clm.analytic_bias(5e14, 0.3, "NFW", survey)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mass": {}}, "mass = {} is not valid: it must be a number or an array of numbers"),
        ({"mass": "5e14"}, "mass = '5e14'"),
        ({"mass": 1e14 + 1j}, "a number or an array of numbers"),
        ({"redshift": [0.3, [0.4]]}, "redshift = "),
        ({"redshift": (z for z in (0.3,))}, "redshift = <generator"),
        ({"truth": np.zeros(2000)}, r"truth = <array of shape \(2000,\)>"),
        ({"truth": object()}, "truth = <object>"),
        ({"truth": clm.NFW}, r"function of \(mass, redshift\)\. Python says: missing"),
        ({"truth": lambda m: None}, r"function of \(mass, redshift\)\. Python says: too many"),
        ({"truth": lambda m, z: None}, r"truth\(5e\+14, 0.3\) = None .* one profile"),
        ({"truth": lambda m, z: clm.NFW([m, m], 4.0, z)}, "one profile"),
        ({"truth": lambda m, z: clm.NFW(m, 4.0, 0.5)}, r"redshift = 0.5 .* 0.3, that of the halo"),
    ],
)
def test_wrong_arguments_are_named_in_one_line(change, words):
    with pytest.raises(ParameterError, match=words) as raised:
        clm.analytic_bias(**{"mass": 5e14, "redshift": 0.3, **change})
    message = str(raised.value)
    assert len(message) < 260
    assert "\n" not in message
    assert " at 0x" not in message
