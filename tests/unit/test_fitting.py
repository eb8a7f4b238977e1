"""Fits of one cluster against independent answers: Fisher matrix, quadrature, brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

import clmassmod as clm
from clmassmod.cluster.density import mass_statistics
from clmassmod.cluster.fitting import DEFAULTS
from clmassmod.configuration.model_schema import PROFILES
from clmassmod.errors import ConfigError, ParameterError

RADIUS = np.geomspace(0.3, 2.5, 9)
MASS, CONCENTRATION, REDSHIFT, SOURCE = 6e14, 4.0, 0.3, 1.0
METHODS = ("curvefit", "minuit", "scanpdf", "emcee", "nested")


def model_shear(mass=MASS, concentration=CONCENTRATION, radius=RADIUS):
    return clm.NFW(mass, concentration, REDSHIFT).reduced_tangential_shear(radius, SOURCE)


def shear_profile(values=None, *, sd=0.01, name="a", **extra):
    values = model_shear() if values is None else values
    extra = {"errors": np.full(values.size, sd)} | extra
    return clm.GammaTheta(RADIUS, values, redshift=REDSHIFT, sources=SOURCE, id=name, **extra)


def noisy(seed, mass=MASS, sd=0.01, **extra):
    noise = np.random.default_rng(seed).normal(0.0, sd, RADIUS.size)
    return shear_profile(model_shear(mass) + noise, sd=sd, **extra)


def massmod_of(data, **info):
    info = {"concentration": CONCENTRATION} | info
    massmod = clm.CLMassMod(info)
    massmod.obs_gamma_theta = data
    return massmod


def fit(data, method, calc_params=None, **info):
    return massmod_of(data, **info).fit_mass_profiles(method, calc_params)[0][0]


def two_free():
    return {
        "concentration": "duffy08",
        "parameters": ["mass", "concentration"],
        "priors": {"concentration": {"distribution": "uniform", "low": 1.0, "high": 15.0}},
    }


# -- the likelihood ---------------------------------------------------------------------------


def covariance_matrix(sd=0.01, correlation=0.4):
    index = np.arange(RADIUS.size)
    return sd**2 * correlation ** np.abs(index[:, None] - index[None, :])


def test_log_likelihood_is_the_multivariate_normal_density():
    data = shear_profile(model_shear() * 1.1, covariance=covariance_matrix())
    masses = np.array([2e14, 6e14, 1.5e15])
    found = massmod_of(data).likelihood().log_likelihood(masses[:, None])
    expected = [
        stats.multivariate_normal(model_shear(m), covariance_matrix()).logpdf(data.values)
        for m in masses
    ]
    # both sum nine terms in double precision after a Cholesky factor of condition 5
    assert found == pytest.approx(expected, rel=1e-11)


def test_diagonal_and_full_covariance_agree():
    full = shear_profile(covariance=np.diag(np.full(RADIUS.size, 1e-4)))
    masses = np.array([[3e14], [9e14]])
    a = massmod_of(shear_profile()).likelihood().log_likelihood(masses)
    b = massmod_of(full).likelihood().log_likelihood(masses)
    assert a == pytest.approx(b, rel=1e-12)


def test_batch_is_the_same_bits_as_single_calls_and_threads():
    likelihood = massmod_of(noisy(3)).likelihood()
    masses = np.linspace(-1e15, 2e15, 1501)[:, None]
    batch = likelihood.log_likelihood(masses)
    single = [likelihood.log_likelihood(m[None])[0] for m in masses[::100]]
    assert np.array_equal(batch[::100], single)
    for n_threads in (2, 3, 7):
        assert np.array_equal(batch, likelihood.log_likelihood(masses, n_threads=n_threads))


def test_negative_mass_has_the_opposite_surface_density():
    likelihood = massmod_of(shear_profile()).likelihood()
    halo = clm.NFW(MASS, CONCENTRATION, REDSHIFT)
    kappa, gamma = halo.convergence(RADIUS, SOURCE), halo.tangential_shear(RADIUS, SOURCE)
    # an expression with the same operations up to their order
    assert likelihood.predict([[-MASS]])[0][0] == pytest.approx(-gamma / (1 + kappa), rel=1e-13)
    assert np.all(likelihood.predict([[0.0]])[0] == 0.0)


def test_several_observables_of_one_object_add():
    halo = clm.NFW(MASS, CONCENTRATION, REDSHIFT)
    excess = clm.DeltaSigma(
        RADIUS,
        halo.excess_surface_density(RADIUS),
        np.full(RADIUS.size, 1e13),
        redshift=REDSHIFT,
        id="a",
    )
    both = massmod_of(shear_profile())
    both.obs_delta_sigma = excess
    alone = clm.CLMassMod({"concentration": CONCENTRATION})
    alone.obs_delta_sigma = excess
    masses = np.array([[4e14], [8e14]])
    total = massmod_of(shear_profile()).likelihood().log_likelihood(masses)
    total = total + alone.likelihood().log_likelihood(masses)
    assert both.likelihood().log_likelihood(masses) == pytest.approx(total, rel=1e-13)
    assert both.likelihood().n_data == 2 * RADIUS.size


def test_boost_and_reduced_shear_of_delta_sigma():
    halo = clm.NFW(MASS, CONCENTRATION, REDSHIFT)
    inverse = 2.5e-16
    boost = 1.0 + 0.3 / (1.0 + RADIUS)
    sigma, excess = halo.surface_density(RADIUS), halo.excess_surface_density(RADIUS)
    data = clm.DeltaSigma(
        RADIUS,
        excess,
        np.full(RADIUS.size, 1e13),
        redshift=REDSHIFT,
        boost=boost,
        inverse_critical_surface_density=inverse,
    )
    massmod = clm.CLMassMod({"concentration": CONCENTRATION})
    massmod.obs_delta_sigma = data
    model = massmod.likelihood().predict([[MASS], [-MASS]])[0]
    assert model[0] == pytest.approx(excess / (1 - sigma * inverse) / boost, rel=1e-13)
    assert model[1] == pytest.approx(-excess / (1 + sigma * inverse) / boost, rel=1e-13)


# -- best fits and errors ---------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_noise_free_data_give_the_true_mass(method):
    quick = {"emcee": {"n_steps": 200, "n_burn": 50, "max_steps": 200}, "nested": {"n_live": 200}}
    profile = fit(shear_profile(), method, quick.get(method))
    # the maximum of a parabola of width 5e13 is found to 1e-4 of that by a 1e-10 change of ln L
    assert profile.mass == pytest.approx(MASS, rel=1e-5)
    assert profile.chi2 < 1e-6


@pytest.mark.parametrize("method", ["curvefit", "minuit"])
def test_mass_and_concentration_are_recovered_together(method):
    profile = fit(shear_profile(), method, **two_free())
    assert profile.mle["mass"] == pytest.approx(MASS, rel=1e-4)
    assert profile.mle["concentration"] == pytest.approx(CONCENTRATION, rel=1e-4)


def test_errors_are_those_of_the_fisher_matrix():
    step = 1e-4
    slope = (model_shear(MASS * (1 + step)) - model_shear(MASS * (1 - step))) / (2 * step * MASS)
    expected = 0.01 / np.sqrt(np.sum(slope**2))
    profile = fit(shear_profile(), "curvefit")
    # slopes over one standard deviation, 7 % of the mass: they differ in second order
    assert profile.errors["mass"][0] == pytest.approx(expected, rel=2e-3)
    deep = fit(shear_profile(sd=1e-4), "curvefit").errors["mass"][0]
    assert deep == pytest.approx(0.01 * expected, rel=1e-6)
    # the likelihood is not exactly a parabola: HESSE and MINOS agree with it to percents
    other = fit(shear_profile(), "minuit")
    assert math.sqrt(other.covariance[0, 0]) == pytest.approx(expected, rel=0.01)
    assert np.mean(other.errors["mass"]) == pytest.approx(expected, rel=0.02)


def test_minos_errors_are_where_the_likelihood_drops_by_a_half():
    data = noisy(11)
    profile = fit(data, "minuit")
    down, up = profile.errors["mass"]
    ends = np.array([[profile.mass - down], [profile.mass + up]])
    drop = profile.log_likelihood - massmod_of(data).likelihood().log_likelihood(ends)
    assert drop == pytest.approx([0.5, 0.5], abs=2e-3)  # the tolerance MINOS works to


def test_calibration_prior_widens_the_mass_as_marginalisation_does():
    info = {
        "parameters": ["mass", "shear_calibration"],
        "priors": {"shear_calibration": {"distribution": "normal", "mean": 0.0, "sd": 0.05}},
    }
    profile = fit(shear_profile(), "curvefit", **info)
    slope = (model_shear(MASS * 1.0001) - model_shear(MASS * 0.9999)) / (2e-4 * MASS)
    jacobian = np.stack([slope, model_shear()], axis=1)
    fisher = jacobian.T @ jacobian / 0.01**2 + np.diag([0.0, 0.05**-2])
    expected = np.sqrt(np.linalg.inv(fisher)[0, 0])
    assert profile.errors["mass"][0] == pytest.approx(expected, rel=5e-3)
    assert profile.mle["shear_calibration"] == pytest.approx(0.0, abs=1e-6)


def test_scans_of_weak_signals_combine_to_the_truth():
    """Best fits of weak signals scatter below zero and are skewed; their likelihoods are not."""
    truth, n, sd = 1e14, 300, 0.045
    data = [noisy(100 + i, truth, sd=sd, name=f"h{i}") for i in range(n)]
    profiles, info = massmod_of(data).fit_mass_profiles("scanpdf")
    assert not info.failed
    assert sum(p.mass < 0 for p in profiles) > 15  # the case is one where it matters
    slope = (model_shear(truth * 1.001) - model_shear(truth * 0.999)) / (2e-3 * truth)
    error = sd / np.sqrt(n * np.sum(slope**2))
    mass = np.linspace(truth - 8 * error, truth + 8 * error, 801)
    total = sum(np.interp(mass, p.mass_grid, p.grid_log_likelihood) for p in profiles)
    assert abs(mass[np.argmax(total)] - truth) < 4.0 * error


# -- densities --------------------------------------------------------------------------------


def test_scan_is_the_likelihood_itself():
    data = noisy(5)
    profile = fit(data, "scanpdf")
    masses = profile.mass_grid
    brute = [np.sum(stats.norm(model_shear(m), 0.01).logpdf(data.values)) for m in masses[500::97]]
    assert profile.grid_log_likelihood[500::97] == pytest.approx(brute, rel=1e-11)
    assert profile.grid_log_prior == pytest.approx(np.full(masses.size, -math.log(1.2e16)))
    # beyond the grid nothing is left
    edge = profile.grid_log_likelihood[[0, -1]] - profile.grid_log_likelihood.max()
    assert np.all(edge < -30.0)


def test_scan_resolves_a_deep_stack():
    profile = fit(shear_profile(sd=2e-5), "scanpdf")
    assert profile.status == "ok", profile.message
    fisher = fit(shear_profile(sd=2e-5), "curvefit").errors["mass"][0]
    # the quadrature of a smooth density on 1000 points; the density is not exactly normal
    assert np.mean(profile.errors["mass"]) == pytest.approx(fisher, rel=0.01)


def test_scan_marginalises_other_parameters_over_their_priors():
    data = noisy(7)
    info = {
        "parameters": ["mass", "shear_calibration"],
        "priors": {"shear_calibration": {"distribution": "normal", "mean": 0.01, "sd": 0.03}},
    }
    profile = fit(data, "scanpdf", **info)
    at = int(np.argmax(profile.grid_log_likelihood)) + 60
    mass = profile.mass_grid[at]

    def integrand(m):
        chi2 = np.sum(((data.values - (1 + m) * model_shear(mass)) / 0.01) ** 2)
        norm = RADIUS.size * (0.5 * math.log(2 * math.pi) + math.log(0.01))
        return math.exp(-0.5 * chi2 - norm) * stats.norm(0.01, 0.03).pdf(m)

    expected, _ = integrate.quad(integrand, -0.2, 0.2, epsabs=0, epsrel=1e-10)
    # the trapezoid over what is not negligible: 1e-13 is left out
    assert math.exp(profile.grid_log_likelihood[at]) == pytest.approx(expected, rel=1e-9)


def test_chain_and_nested_samples_agree_with_the_scan():
    data = noisy(21)
    scan = mass_statistics(fit(data, "scanpdf"))
    for method in ("emcee", "nested"):
        profile = fit(data, method)
        found = mass_statistics(profile)
        # four standard errors of a mean of `ess` samples; twice that for the sd
        error = scan["sd"] / math.sqrt(profile.diagnostics["ess"])
        assert abs(found["mean"] - scan["mean"]) < 4.0 * error
        assert abs(found["sd"] - scan["sd"]) < 8.0 * error
        weight = np.exp(profile.sample_log_weight - profile.sample_log_weight.max())
        assert np.isfinite(profile.sample_log_prior).all()
        again = massmod_of(data).likelihood().log_likelihood(profile.samples[:50])
        assert profile.sample_log_likelihood[:50] == pytest.approx(again, rel=1e-9)
        assert weight.min() >= 0.0


def test_evidence_is_the_integral_over_the_prior():
    data = noisy(23)
    profile = fit(data, "nested")
    likelihood = massmod_of(data).likelihood()
    mass = np.linspace(-2e15, 1e16, 60001)
    value = likelihood.log_likelihood(mass[:, None])
    integral = np.trapezoid(np.exp(value - value.max()), mass) / 1.2e16
    expected = math.log(integral) + value.max()
    # nautilus reaches 1/sqrt(n_eff) = 0.016; four times that
    assert profile.log_evidence == pytest.approx(expected, abs=0.065)


def test_log_uniform_prior_is_sampled_with_its_density():
    data = noisy(31, 2e14, sd=0.03)
    info = {"priors": {"mass": {"distribution": "log-uniform", "low": 1e13, "high": 3e15}}}
    profile = fit(data, "emcee", **info)
    mass = np.geomspace(1e13, 3e15, 4001)
    density = np.exp(massmod_of(data).likelihood().log_likelihood(mass[:, None])) / mass
    density /= np.trapezoid(density, mass)
    mean = np.trapezoid(mass * density, mass)
    sd = math.sqrt(np.trapezoid((mass - mean) ** 2 * density, mass))
    found = profile.samples[:, 0]
    assert abs(found.mean() - mean) < 4.0 * sd / math.sqrt(profile.diagnostics["ess"])


# -- settings ---------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_chain_and_pymc_is_an_alias():
    short = {"n_steps": 100, "n_burn": 20, "max_steps": 100}
    a = fit(noisy(1), "emcee", short)
    b = fit(noisy(1), "pymc", short)
    c = fit(noisy(1), "emcee", short | {"seed": 9})
    assert np.array_equal(a.samples, b.samples)
    assert not np.array_equal(a.samples, c.samples)
    assert a.method == b.method == "emcee"


def test_fit_at_the_edge_of_its_prior_is_a_warning():
    info = {"priors": {"mass": {"distribution": "uniform", "low": 1e13, "high": 4e14}}}
    for method in ("curvefit", "scanpdf", "emcee"):
        profile = fit(shear_profile(), method, **info)
        assert profile.status == "warning"
        assert "edge of the prior: mass" in profile.message


@pytest.mark.parametrize("method", DEFAULTS)
def test_unknown_settings_name_the_nearest(method):
    with pytest.raises(ParameterError, match=r"sede.*Did you mean 'seed'"):
        fit(shear_profile(), method, {"sede": 1})


def test_unknown_method_names_the_nearest():
    with pytest.raises(ParameterError, match="Did you mean 'curvefit'"):
        fit(shear_profile(), "curve_fit")


def test_too_few_walkers_are_a_failed_fit_with_a_reason():
    profile = fit(shear_profile(), "emcee", {"n_walkers": 3})
    assert profile.status == "failed"
    assert "n_walkers = 3" in profile.message


# -- every halo profile -----------------------------------------------------------------------

HALOES = {
    "NFW": {},
    "gNFW": {"inner_slope": 1.2},
    "BMO": {"truncation": 8.0},
    "Einasto": {"alpha": 0.2},
    "Hernquist": {},
    "Burkert": {},
    "DK14": {},
    "Diemer23": {},
}


def test_every_configurable_profile_is_tried():
    assert set(HALOES) == set(PROFILES)


@pytest.mark.parametrize("kind", HALOES)
def test_every_profile_recovers_itself(kind):
    info = {
        "profile": {"kind": kind} | HALOES[kind],
        # the relations of DK14 and Diemer23 with the peak height end near 4e15 Msun
        "priors": {"mass": {"distribution": "uniform", "low": -1e15, "high": 3e15}},
        "cosmology": {"sigma8": 0.8, "n_s": 0.96, "Ob0": 0.045, "Tcmb0": 2.7255},
    }
    massmod = massmod_of(shear_profile(), **info)
    truth = massmod.likelihood().predict([[MASS]])[0][0]
    profile = fit(shear_profile(truth), "curvefit", **info)
    # the maximum is found as for NFW above, the model itself is good to rtol = 1e-6
    assert profile.mass == pytest.approx(MASS, rel=1e-4), profile.message


def test_a_profile_that_needs_the_power_spectrum_says_so():
    with pytest.raises(ConfigError, match="DK14 needs the power spectrum: give sigma8, n_s, Ob0"):
        massmod_of(shear_profile(), profile="DK14")


# -- scans over other parameters, weak signals, poor data ---------------------------------------


def brute_marginal(massmod, mass, others):
    """ln of the mean likelihood over points of the prior, by plain summation."""
    likelihood = massmod.likelihood()
    grid = np.stack(np.broadcast_arrays(mass[:, None], others[None, :]), axis=-1)
    value = likelihood.log_likelihood(grid.reshape(-1, 2)).reshape(mass.size, -1)
    return np.logaddexp.reduce(value, axis=1) - math.log(others.size)


@pytest.mark.parametrize("sd", [0.02, 0.005, 0.001])
def test_scan_resolves_a_degenerate_concentration(sd):
    data = noisy(3, sd=sd)
    massmod = massmod_of(data, **two_free())
    profile = massmod.fit_mass_profiles("scanpdf")[0][0]
    assert "resolved" not in profile.message
    density = np.exp(profile.grid_log_likelihood - profile.grid_log_likelihood.max())
    peaks = np.sum((density[1:-1] > density[:-2]) & (density[1:-1] > density[2:]))
    assert peaks == 1
    # 6000 points of the prior: the conditional width of c is 0.02 at sd = 0.001, 8 steps
    uniform = 1.0 + 14.0 * (np.arange(6000) + 0.5) / 6000
    brute = brute_marginal(massmod, profile.mass_grid[::10], uniform)
    kept = brute > brute.max() - 12.0
    difference = (profile.grid_log_likelihood[::10] - brute)[kept]
    # far out the range of c ends within its density, where the trapezoid on 41 nodes keeps 1e-3
    assert np.abs(difference).max() < 2e-3
    assert np.abs(difference[brute[kept] > brute.max() - 2.0]).max() < 1e-3


@pytest.mark.parametrize("sd", [0.01, 0.002, 0.0002])
def test_scan_resolves_a_degenerate_calibration(sd):
    prior = {"distribution": "normal", "mean": 0.0, "sd": 0.05}
    massmod = massmod_of(
        shear_profile(sd=sd),
        parameters=["mass", "shear_calibration"],
        priors={"shear_calibration": prior},
    )
    profile = massmod.fit_mass_profiles("scanpdf")[0][0]
    assert profile.status == "ok", profile.message
    fisher = massmod.fit_mass_profiles("curvefit")[0][0].errors["mass"][0]
    found = math.sqrt(profile.covariance[0, 0])
    # the posterior is normal to second order in its relative width, 8 % at most
    assert found == pytest.approx(fisher, rel=0.04)


def test_errors_of_a_vanishing_signal():
    nothing = shear_profile(np.zeros(RADIUS.size))
    scan = fit(nothing, "scanpdf")
    for method in ("curvefit", "minuit"):
        errors = fit(nothing, method).errors["mass"]
        # the likelihood has a sharp peak at zero, where its curvature means nothing
        assert np.mean(errors) == pytest.approx(np.mean(scan.errors["mass"]), rel=0.6)


def test_pulls_of_weak_signals():
    truth = 5e13
    data = [noisy(500 + i, truth, sd=0.03, name=f"p{i}") for i in range(200)]
    profiles, _ = massmod_of(data).fit_mass_profiles("curvefit")
    pulls = np.array([(p.mass - truth) / p.errors["mass"][0] for p in profiles])
    # 200 draws give the sd of a normal to 5 %; the estimate is skewed, which widens it a little
    assert 0.8 < pulls.std() < 1.25
    assert np.abs(pulls).max() < 5.0


def test_masses_beyond_a_profile_are_impossible_not_an_error():
    info = {
        "profile": "Diemer23",
        "cosmology": {"sigma8": 0.8, "n_s": 0.96, "Ob0": 0.045, "Tcmb0": 2.7255},
    }
    massmod = massmod_of(shear_profile(), **info)  # the default prior reaches 1e16 Msun
    limit = massmod.likelihood().greatest_mass
    assert 2e15 < limit < 1e16
    values = massmod.likelihood().log_likelihood([[0.9 * limit], [1.1 * limit], [-1.1 * limit]])
    assert np.isfinite(values[0])
    assert np.all(np.isneginf(values[1:]))
    for method in ("curvefit", "scanpdf"):
        profile = fit(shear_profile(), method, **info)
        assert profile.status == "ok", profile.message


def test_sources_in_front_of_the_lens_cannot_be_fitted():
    data = shear_profile().replace(sources=0.2)
    profile = fit(data, "curvefit")
    assert profile.status == "failed"
    assert "behind the lens" in profile.message


@pytest.mark.parametrize("method", ["curvefit", "minuit"])
def test_too_few_data_are_a_failed_fit(method):
    data = shear_profile().select(r_max=0.32)
    assert len(data) == 1
    profile = fit(data, method, **two_free())
    assert profile.status == "failed"
    assert "1 data points cannot determine mass, concentration" in profile.message


def test_a_poor_fit_is_a_warning():
    profile = fit(shear_profile(2.0 - model_shear()), "curvefit")
    assert profile.status == "warning"
    assert "poor fit" in profile.message


def test_an_interval_beyond_the_prior_is_said():
    narrow = {"mass": {"distribution": "uniform", "low": 0.0, "high": 1.02 * MASS}}
    for method in ("curvefit", "scanpdf"):
        profile = fit(shear_profile(), method, priors=narrow)
        assert ("interval reaches beyond the prior: mass" in profile.message) == (
            method == "curvefit"
        )


@pytest.mark.parametrize(
    ("method", "settings", "words"),
    [
        ("minuit", {}, "interval ends with the prior: mass"),
        ("scanpdf", {}, "the pdf of the mass is cut by its prior"),
        ("emcee", {"n_steps": 1000, "n_burn": 100}, "the pdf of mass is cut by its prior"),
        ("nested", {"n_live": 200, "n_eff": 1000}, "the pdf of mass is cut by its prior"),
    ],
)
def test_a_posterior_against_its_prior_is_said(method, settings, words):
    """The mass is half a standard deviation below the end of its prior, or far from it."""
    sd = fit(shear_profile(), "curvefit").errors["mass"][1]
    for high, said in ((MASS + 0.5 * sd, True), (MASS + 8.0 * sd, False)):
        prior = {"mass": {"distribution": "uniform", "low": MASS - 8.0 * sd, "high": high}}
        profile = fit(shear_profile(), method, priors=prior, calc_params=settings)
        assert (words in profile.message) == said
        assert (profile.status == "warning") == said


def test_a_concentration_that_reaches_the_ends_of_its_default_prior_is_no_warning():
    weak = shear_profile(sd=0.05)
    settings = {"n_steps": 1000, "n_burn": 100}
    free = {"parameters": ["mass", "concentration"]}
    assert fit(weak, "emcee", calc_params=settings, **free).status == "ok"
    chosen = {"concentration": {"distribution": "uniform", "low": 3.0, "high": 5.0}}
    profile = fit(weak, "emcee", calc_params=settings, priors=chosen, **free)
    assert "the pdf of concentration is cut by its prior" in profile.message
