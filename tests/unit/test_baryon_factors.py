"""Factors of baryons from a table, against haloes built one by one."""

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.cluster.baryon_factors import TabulatedKind
from clmassmod.cluster.expected_profile import expected_profile
from clmassmod.cluster.model_of_configuration import baryon_model, halo_model
from clmassmod.cluster.simulation import simulate_sample
from clmassmod.configuration.info import ModelInfo

EDGES = np.geomspace(0.2, 3.0, 9)
RADII = np.geomspace(0.01, 5.0, 25)
SURVEY = {
    "cosmology": {"H0": 70.0, "Om0": 0.3, "Ob0": 0.048},
    "sources": {"mean_beta_s": 0.5},
    "concentration": 4.0,
}
SCHNEIDER = {**SURVEY, "baryons": "schneider19"}
CROMER = {**SURVEY, "baryons": {"kind": "cromer22", "core": 0.4}}
CASES = [(1.5e14, 0.2), (5e14, 0.35), (1.4e15, 0.6)]


def truth(info):
    """Return the exact halo of a mass and a redshift that a configuration with baryons means."""
    given = ModelInfo.from_dict(info)
    model = halo_model(ModelInfo.from_dict({**info, "baryons": {}}))
    baryons = baryon_model(given)

    def halo(mass, redshift):
        c = float(model.concentration_of(redshift)(mass))
        named = {"mass_def": given["mass_def"], "cosmology": model.cosmology}
        return clm.Baryonified(clm.NFW(mass, c, redshift, **named), baryons)

    return halo


def fitted(info, halo, method="curvefit"):
    """Return fitted over true masses of noise-free data of `halo`."""
    massmod = clm.CLMassMod(info)
    massmod.obs_gamma_theta = [
        expected_profile(halo(m, z), EDGES, massmod.model_info, massmod.model.cosmology, f"h{i}")
        for i, (m, z) in enumerate(CASES)
    ]
    profiles, _ = massmod.fit_mass_profiles(method)
    return np.array([p.mass / m for p, (m, _) in zip(profiles, CASES, strict=True)])


@pytest.mark.parametrize("method", ["curvefit", "scanpdf"])
def test_noise_free_haloes_with_baryons_give_their_masses_back(method):
    np.testing.assert_allclose(fitted(SCHNEIDER, truth(SCHNEIDER), method), 1.0, rtol=1e-4)


def test_without_baryons_the_bias_is_that_of_analytic_bias():
    halo, masses, redshifts = truth(SCHNEIDER), *np.transpose(CASES)
    survey = {**SURVEY, "binning": {"edges": list(EDGES)}}
    expected = clm.analytic_bias(masses, redshifts, halo, survey).bias
    assert np.abs(expected - 1.0).min() > 0.01
    np.testing.assert_allclose(fitted(SURVEY, halo), expected, rtol=1e-7)


def test_truth_of_a_bias_may_be_a_configuration_with_baryons():
    by_table = clm.analytic_bias(
        5e14, 0.35, {"profile": "NFW", "baryons": CROMER["baryons"]}, SURVEY
    )
    by_halo = clm.analytic_bias(5e14, 0.35, truth(CROMER), SURVEY)
    assert by_table.bias == pytest.approx(by_halo.bias, rel=1e-5)


@pytest.mark.parametrize("mass_def", ["200m", "vir", "500c"])
def test_other_mass_definitions(mass_def):
    info = {**CROMER, "mass_def": mass_def}
    np.testing.assert_allclose(fitted(info, truth(info)), 1.0, rtol=1e-4)


def compare_factors(kind, masses, concentrations):
    halo = clm.NFW(masses, concentrations, 0.4, cosmology=kind.cosmology)
    many = kind(masses, concentrations, redshift=0.4, cosmology=kind.cosmology)
    exact = clm.Baryonified(halo, kind.baryons, rtol=1e-4)
    for name in ("surface_density", "excess_surface_density"):
        ours, theirs = (getattr(one, name)(RADII) for one in (many, exact))
        # what the docstring promises
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    # bounded behind a supercritical centre too, where it is (1 - kappa) / gamma_t
    ours, theirs = (one.tangential_ellipticity(RADII[8:], 1.5) for one in (many, exact))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_factors_at_any_mass_are_those_of_the_haloes():
    kind = halo_model(ModelInfo.from_dict(SCHNEIDER)).profile
    masses = np.array([2e12, 4.4e13, 7e14, 9e15])
    compare_factors(kind, masses, np.full(masses.size, 4.0))


def test_factors_at_any_concentration_are_those_of_the_haloes():
    info = ModelInfo.from_dict({**CROMER, "parameters": ["mass", "concentration"]})
    kind = halo_model(info).profile
    assert kind.concentrations == (0.5, 30.0)
    concentrations = np.array([0.6, 1.7, 5.0, 12.0, 28.0])
    compare_factors(kind, np.full(concentrations.size, 5e14), concentrations)


@pytest.mark.slow
def test_factors_at_any_mass_and_concentration():
    kind = TabulatedKind(clm.NFW, clm.BaryonModel(baryon_fraction=0.16), concentrations=(0.5, 30.0))
    rng = np.random.default_rng(4)
    masses = np.exp(rng.uniform(*np.log([1e12, 3e16]), 60))
    compare_factors(kind, masses, np.exp(rng.uniform(*np.log([0.5, 30.0]), 60)))


def test_haloes_without_a_signal_and_of_negative_mass():
    massmod = clm.CLMassMod(SCHNEIDER)
    halo = truth(SCHNEIDER)(5e14, 0.35)
    massmod.obs_gamma_theta = [
        expected_profile(halo, EDGES, massmod.model_info, massmod.model.cosmology, "a")
    ]
    likelihood = massmod.likelihood("a")
    (values,) = likelihood.predict([[0.0], [1e6], [-1e6], [5e14], [-5e14]])
    assert np.isfinite(values).all()
    assert np.abs(values[:3]).max() < 1e-5
    # the opposite surface density: the same shear, but for what reduces it
    assert np.all(values[4] < 0.0)
    np.testing.assert_allclose(-values[4], values[3], rtol=0.3)
    # the same bits alone and among others
    (alone,) = likelihood.predict([[5e14]])
    np.testing.assert_array_equal(alone[0], values[3])


def test_simulated_clusters_have_baryons():
    sample = {"n_clusters": 2, "mass_min": 1e15, "mass_max": 1.1e15}
    with_baryons = simulate_sample({**SCHNEIDER, "simulation": sample})
    without = simulate_sample({**SURVEY, "simulation": sample})
    for a, b, row in zip(with_baryons.observables, without.observables, without.truth, strict=True):
        halo = truth(SCHNEIDER)(row["mass"].value, row["redshift"])
        sources = clm.BetaMoments(0.5)
        change = halo.reduced_tangential_shear(a.radius, sources)
        change = change - halo.halo.reduced_tangential_shear(a.radius, sources)
        # the mean over a bin is that at its mean radius within 4 % of the change
        np.testing.assert_allclose(a.values - b.values, change, atol=0.04 * np.abs(change).max())


def test_a_model_with_its_table_goes_to_processes():
    import pickle

    model = halo_model(ModelInfo.from_dict(CROMER))
    model.prepare()
    kind = pickle.loads(pickle.dumps(model)).profile
    assert "_table" in vars(kind)
    R = np.array([[0.5]])
    mass, c = np.array([5e14]), np.array([4.0])
    np.testing.assert_array_equal(kind.factors(mass, c, R), model.profile.factors(mass, c, R))
