"""compare and ensemble_fit: what is injected is recovered, and true masses come in any form."""

from __future__ import annotations

import numpy as np
import pytest
from ensemble_mocks import grid_profile, massmod_of, simulated
from scipy import integrate

import clmassmod as clm
from clmassmod.cluster.mass_bias import Comparison
from clmassmod.cluster.results import empty_profile
from clmassmod.errors import FitError, FormatError, ParameterError

QUICK = {"n_grid": 21, "n_samples": 2000}


def truths(true):
    return {f"h{i:05d}": float(m) for i, m in enumerate(true)}


# -- recovery -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [-0.2, 0.0, 0.2])
@pytest.mark.parametrize("scatter", [0.1, 0.3])
def test_compare_recovers_bias_and_scatter(bias, scatter):
    true, measured = simulated(500, bias, scatter, 1.5e14, int(10 * scatter) + int(100 + 10 * bias))
    result = massmod_of(measured, 1.5e14).compare(truths(true), QUICK)
    for samples, value in zip(result[2:], (bias, scatter), strict=True):
        # 12 numbers: one beyond 3 sd has a probability of 3 %
        assert abs(samples.mean() - value) < 3.0 * samples.std()
    assert result.mass_dist_bias_samps.std() < 0.02
    # ranks are uniform: mean and scatter of 500
    rank = result.posteriors.rank
    assert abs(rank.mean() - 0.5) < 3.0 / np.sqrt(12.0 * 500)
    assert abs(rank.std() - 1.0 / np.sqrt(12.0)) < 3.0 * 0.3 / np.sqrt(500.0) / 2.0


def test_the_result_is_what_the_wish_list_says():
    true, measured = simulated(60, -0.1, 0.2, 1e14, 1)
    massmod = massmod_of(measured, 1e14)
    result = massmod.compare(truths(true), QUICK)
    assert isinstance(result, Comparison)
    likelihoods, posteriors, bias_samps, scatter_samps = result
    assert bias_samps.shape == scatter_samps.shape == (2000,)
    np.testing.assert_array_equal(np.stack([bias_samps, scatter_samps], 1), posteriors.samples)
    # the grid: normalised, of the likelihood (flat priors), and the sum of the objects
    total = np.trapezoid(
        np.trapezoid(posteriors.density, posteriors.scatter, axis=1), posteriors.first
    )
    assert total == pytest.approx(1.0, abs=1e-12)
    log_ratio = np.log(posteriors.density) - likelihoods.log_likelihood
    np.testing.assert_allclose(log_ratio, log_ratio[0, 0], atol=1e-9)
    per_object = likelihoods.of_objects()
    assert per_object.shape == (60, 21, 21)
    assert likelihoods.ids == tuple(truths(true))
    np.testing.assert_allclose(per_object.sum(axis=0), likelihoods.log_likelihood, atol=1e-9)
    # draws are from the density
    weight = posteriors.density * posteriors.first[:, None]
    mean = np.trapezoid(np.trapezoid(weight, posteriors.scatter, axis=1), posteriors.first)
    assert bias_samps.mean() == pytest.approx(mean, abs=4.0 * bias_samps.std() / 2000**0.5)
    # both meanings of bias: exp of the mean ln ratio, and the mean ratio
    np.testing.assert_array_equal(posteriors.factor, np.exp(bias_samps))
    np.testing.assert_allclose(
        posteriors.mean_ratio, np.exp(bias_samps + 0.5 * scatter_samps**2), rtol=1e-12
    )
    assert set(posteriors.summary()) == {"bias", "scatter", "exp(bias)", "mean_ratio"}
    again = massmod.compare(truths(true), QUICK)
    np.testing.assert_array_equal(again.mass_dist_bias_samps, bias_samps)
    other = massmod.compare(truths(true), QUICK | {"seed": 2, "n_threads": 2})
    np.testing.assert_array_equal(other.posteriors.density, posteriors.density)
    assert (other.mass_dist_bias_samps != bias_samps).all()


def test_noisy_objects_with_negative_best_fits_do_not_bias():
    # the noise is as large as the masses: one in six best fits is negative
    true, measured = simulated(700, -0.1, 0.2, 5e14, 2, low=3e14, high=8e14)
    assert (measured < 0.0).mean() > 0.1
    grid = np.linspace(-4e15, 5e15, 300)
    massmod = massmod_of(measured, 5e14)
    massmod.out_data_profiles = [
        grid_profile(f"h{i:05d}", m, 5e14, grid=grid) for i, m in enumerate(measured)
    ]
    result = massmod.compare(truths(true), QUICK)
    assert abs(result.mass_dist_bias_samps.mean() + 0.1) < 3 * result.mass_dist_bias_samps.std()
    # leaving the negative ones out is wrong
    massmod.out_data_profiles = [p for p in massmod.out_data_profiles if p.mass > 0.0]
    cut = massmod.compare(truths(true), QUICK)
    assert cut.mass_dist_bias_samps.mean() + 0.1 > 3 * cut.mass_dist_bias_samps.std()


def test_a_dependence_on_mass_and_redshift_is_recovered(tmp_path):
    rng = np.random.default_rng(3)
    n, noise = 120, 1e14
    true, z = np.exp(rng.uniform(np.log(3e14), np.log(2e15), n)), rng.uniform(0.1, 0.9, n)
    x = np.log(true / 7e14), np.log((1 + z) / 1.4)
    mean = -0.1 + 0.15 * x[0] - 0.4 * x[1]
    sd = 0.25 * np.exp(0.5 * -0.6 * x[0])
    measured = true * np.exp(mean + sd * rng.standard_normal(n)) + noise * rng.standard_normal(n)
    settings = {
        "mass_dependence": True,
        "redshift_dependence": True,
        "scatter_mass_dependence": True,
        "pivot_mass": 7e14,
        "pivot_redshift": 0.4,
        "n_samples": 100,
        "n_grid": 15,
    }
    massmod = massmod_of(measured, noise, z)
    result = massmod.compare(truths(true), settings, tmp_path / "chain")
    expected = {
        "bias": -0.1,
        "scatter": 0.25,
        "redshift_slope": -0.4,
        "mass_slope": 0.15,
        "scatter_mass_slope": -0.6,
    }
    assert result.posteriors.names == tuple(expected)
    for name, value in expected.items():
        samples = result.posteriors[name]
        assert abs(samples.mean() - value) < 3.0 * samples.std(), name
    assert "pivots: M = 7e+14 Msun, z = 0.4000" in result.posteriors.notes
    # a run that has ended is read
    again = massmod.compare(truths(true), settings, tmp_path / "chain")
    np.testing.assert_array_equal(again.posteriors.samples, result.posteriors.samples)


def test_ensemble_fit_deconvolves_the_noise():
    rng = np.random.default_rng(4)
    n, noise = 400, 2e14
    mass = np.exp(np.log(6e14) + 0.35 * rng.standard_normal(n))
    massmod = massmod_of(mass + noise * rng.standard_normal(n), noise)
    result = massmod.ensemble_fit(QUICK | {"pivot_mass": 6e14})
    assert result.names == ("mean", "scatter")
    assert abs(result["mean"].mean()) < 3.0 * result["mean"].std()
    assert abs(result["scatter"].mean() - 0.35) < 3.0 * result["scatter"].std()
    # the scatter of the best fits is far larger
    best = np.array([p.mass for p in massmod.out_data_profiles])
    assert best.std() / 6e14 > 0.35 + 3.0 * result["scatter"].std()


def test_ensemble_fit_undoes_a_selection():
    rng = np.random.default_rng(5)
    n, noise = 600, 1.5e14
    log_mass = 0.35 * rng.standard_normal(n)
    kept = log_mass + 0.2 * rng.standard_normal(n) > 0.1  # ln of a proxy above a threshold
    mass = 6e14 * np.exp(log_mass[kept])
    massmod = massmod_of(mass + noise * rng.standard_normal(mass.size), noise)
    settings = QUICK | {"pivot_mass": 6e14}
    selection = {"log_threshold": 0.1, "scatter": 0.2}
    right = massmod.ensemble_fit(settings | {"selection": selection})
    for name, value in (("mean", 0.0), ("scatter", 0.35)):
        assert abs(right[name].mean() - value) < 3.0 * right[name].std(), name
    wrong = massmod.ensemble_fit(settings)
    assert wrong["mean"].mean() > 4.0 * wrong["mean"].std()


@pytest.mark.slow  # with the other chains it is too much for every run
def test_compare_undoes_a_selection_with_correlated_scatter():
    rng = np.random.default_rng(6)
    n, noise, r = 400, 1e14, 0.7
    true = np.exp(rng.uniform(np.log(3e14), np.log(1.5e15), n))
    u, e = rng.standard_normal((2, n))
    proxy = np.log(true / 7e14) + 0.3 * (r * u + np.sqrt(1.0 - r**2) * e)
    kept = proxy > 0.2
    measured = (true * np.exp(-0.1 + 0.25 * u) + noise * rng.standard_normal(n))[kept]
    massmod, truth = massmod_of(measured, noise), truths(true[kept])
    wrong = massmod.compare(truth, QUICK)
    assert wrong.mass_dist_bias_samps.mean() > -0.1 + 3.0 * wrong.mass_dist_bias_samps.std()
    settings = {
        "pivot_mass": 7e14,
        "selection": {"log_threshold": 0.2, "scatter": 0.3},
        "priors": {
            "selection_correlation": {
                "distribution": "normal",
                "mean": r,
                "sd": 0.05,
                "low": -0.95,
                "high": 0.95,
            }
        },
        "n_samples": 100,
        "n_grid": 15,
    }
    right = massmod.compare(truth, settings)
    assert abs(right.mass_dist_bias_samps.mean() + 0.1) < 3.0 * right.mass_dist_bias_samps.std()


def test_a_proxy_must_be_given_for_every_result(small):
    proxy = {f"h{i:05d}": 40.0 for i in range(29)}
    with pytest.raises(ParameterError, match=r"h00029.*every result"):
        small[1].ensemble_fit({"proxy": proxy})
    with pytest.raises(ParameterError, match=r"h00003.*every result"):
        small[1].ensemble_fit({"proxy": proxy | {"h00003": -1.0, "h00029": 1.0}})


# -- importance sampling: the trap --------------------------------------------------------------


def samples_of_a_log_prior(measured, noise, rng, least=1e13, size=2000):
    """Results that are samples of a posterior with a prior uniform in ln M above `least`."""
    massmod = massmod_of(measured, noise)
    profiles = []
    for profile, m, s in zip(massmod.out_data_profiles, measured, noise, strict=True):
        grid = np.geomspace(least, max(m, 0.0) + 8.0 * s, 20_001)
        density = np.exp(-0.5 * ((grid - m) / s) ** 2)  # of ln M
        below = integrate.cumulative_trapezoid(density, initial=0.0)
        mass = np.exp(np.interp(rng.random(size) * below[-1], below, np.log(grid)))
        profiles.append(
            empty_profile(profile.halo_id, "emcee", 0.4, "200c")._replace(
                parameters=("mass",),
                mle=profile.mle,
                errors=profile.errors,
                samples=mass[:, None],
                sample_log_prior=-np.log(mass),
                sample_log_weight=np.zeros(mass.size),
            )
        )
    massmod.out_data_profiles = profiles
    return massmod


def test_the_stored_interim_prior_is_divided_out():
    rng = np.random.default_rng(9)
    n, bias, scatter = 250, -0.1, 0.22
    true = np.exp(rng.uniform(np.log(3e14), np.log(2e15), n))
    noise = true * rng.uniform(0.1, 0.8, n)
    lensing = true * np.exp(bias + scatter * rng.standard_normal(n))
    measured = lensing + noise * rng.standard_normal(n)
    truth = truths(true)
    uniform = {"distribution": "uniform", "low": 0.0, "high": 0.8}
    settings = QUICK | {"priors": {"scatter": uniform}}
    scanned = massmod_of(measured, noise)
    grid = np.linspace(-1.5e15, 1.2e16, 700)
    scanned.out_data_profiles = [
        grid_profile(p.halo_id, m, s, grid=grid)
        for p, m, s in zip(scanned.out_data_profiles, measured, noise, strict=True)
    ]
    exact = scanned.compare(truth, settings)
    massmod = samples_of_a_log_prior(measured, noise, rng)
    with pytest.warns(clm.errors.AccuracyWarning):  # 3 of 250
        right = massmod.compare(truth, settings)
    for ours, scan, value in zip(right[2:], exact[2:], (bias, scatter), strict=True):
        # as scans of the same likelihoods have it, within the noise of the samples
        assert abs(ours.mean() - scan.mean()) < 0.5 * scan.std()
        assert abs(ours.mean() - value) < 3.0 * ours.std()
    # the trap: samples of a prior uniform in ln M taken as those of a flat one
    massmod.out_data_profiles = [
        p._replace(sample_log_prior=np.zeros(len(p.samples))) for p in massmod.out_data_profiles
    ]
    wrong = massmod.compare(truth, settings)  # and nothing warns of it
    for name, result in (("scan", exact), ("right", right), ("wrong", wrong)):
        b, s = result[2:]
        print(f"{name}: b = {b.mean():.3f} +- {b.std():.3f}, s = {s.mean():.3f} +- {s.std():.3f}")
    # the scatter is at the end of its prior
    assert wrong.mass_dist_scatter_samps.mean() > 0.75
    assert wrong.mass_dist_bias_samps.mean() < bias - 5.0 * wrong.mass_dist_bias_samps.std()


# -- forms of the truth -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    true, measured = simulated(30, 0.0, 0.2, 1e14, 9)
    return true, massmod_of(measured, 1e14)


def bias_of(massmod, truth, **settings):
    return massmod.compare(truth, {"n_grid": 11, "n_samples": 200} | settings)


def test_truth_in_every_form_is_the_same(small, tmp_path):
    from astropy import units
    from astropy.table import QTable, Table

    true, massmod = small
    names = [f"h{i:05d}" for i in range(30)]
    table = QTable({"halo_id": names[::-1], "mass": true[::-1] * units.Msun})
    table.write(tmp_path / "truth.ecsv")
    Table({"cluster": names, "m": true / 1e14}).write(tmp_path / "truth.csv")
    record = np.array(
        list(zip(names, true, strict=True)), dtype=[("halo_id", "U8"), ("mass", float)]
    )
    expected = bias_of(massmod, truths(true)).mass_dist_bias_samps
    for truth, settings in (
        (true, {}),
        (true / 1e14, {"unit": "1e14 Msun"}),
        (true * units.Msun, {}),
        (table, {}),
        (record, {}),
        ({"halo_id": names, "mass": true}, {}),
        (tmp_path / "truth.ecsv", {}),
        (str(tmp_path / "truth.csv"), {"column": "m", "unit": "1e14 Msun"}),
        (clm.cluster.reference.Reference(truths(true)), {}),
    ):
        found = bias_of(massmod, truth, **settings).mass_dist_bias_samps
        np.testing.assert_allclose(found, expected, atol=1e-9)
    with pytest.raises(FormatError, match="unit"):
        bias_of(massmod, tmp_path / "truth.csv", column="m")
    with pytest.raises(FormatError, match="no such column"):
        bias_of(massmod, tmp_path / "truth.ecsv", column="m200")
    with pytest.raises(ParameterError, match="of 30 masses"):
        bias_of(massmod, true[:-1])
    with pytest.raises(ParameterError, match="a mapping, an array"):
        bias_of(massmod, ["a", "b", "c"])


def test_what_is_missing_or_no_mass_is_left_out_and_told_of(small):
    true, massmod = small
    truth = truths(true)
    good = {name: mass for name, mass in truth.items() if name not in ("h00000", "h00001")}
    expected = bias_of(massmod, {k: v for k, v in good.items() if k > "h00004"})
    del truth["h00000"]
    truth |= {"h00001": -1.0, "h00002": 0.0, "h00003": np.nan, "h00004": None, "other": 1e15}
    result = bias_of(massmod, truth)
    np.testing.assert_array_equal(result.mass_dist_bias_samps, expected.mass_dist_bias_samps)
    notes = " ".join(result.posteriors.notes)
    assert "1 results have no true mass and are left out: h00000" in notes
    assert "4 true masses are not masses > 0 and are left out: h00001 (-1)" in notes
    assert "1 true masses have no result: other" in notes
    with pytest.raises(ParameterError, match="at least one of the results"):
        bias_of(massmod, {"someone": 1e15})


def test_failed_fits_are_left_out(small):
    true, massmod = small
    other = clm.CLMassMod({"concentration": 4.0})
    failed = empty_profile("bad", "scanpdf", 0.4, "200c")._replace(status="failed")
    other.out_data_profiles = [*massmod.out_data_profiles, failed]
    result = bias_of(other, truths(true) | {"bad": 1e15})
    assert "1 fits failed and are left out: bad" in " ".join(result.posteriors.notes)
    assert result.posteriors.ids == tuple(truths(true))
    other.out_data_profiles = [failed]
    with pytest.raises(FitError, match="all fits failed"):
        other.ensemble_fit()


def test_true_masses_of_another_definition_are_converted(small):
    from clmassmod.cluster.truth import to_definition

    true, _ = small
    massmod = clm.CLMassMod({"mass_def": "200c", "concentration": "duffy08"})
    z = np.full(3, 0.4)
    m200 = np.array([2e14, 5e14, 1.5e15])
    c = clm.concentration(m200, 0.4, mass_def="200c", relation="duffy08")
    m500, _ = clm.convert_mass(m200, c, 0.4, "200c", "500c")
    # by the model's spline of c(M), good to 1e-6
    np.testing.assert_allclose(to_definition(m500, z, "500c", massmod.model), m200, rtol=1e-6)

    massmod = small[1]
    m500, _ = clm.convert_mass(true, 4.0, 0.4, "200c", "500c")
    result = bias_of(massmod, truths(m500), mass_def="500c")
    expected = bias_of(massmod, truths(true))
    np.testing.assert_allclose(
        result.mass_dist_bias_samps, expected.mass_dist_bias_samps, atol=1e-7
    )
    assert "30 true masses M500c are converted to M200c" in " ".join(result.posteriors.notes)
    table = {"halo_id": list(truths(true)), "mass": m500, "mass_def": ["500c"] * 30}
    stated = bias_of(massmod, table)
    np.testing.assert_allclose(
        stated.mass_dist_bias_samps, expected.mass_dist_bias_samps, atol=1e-7
    )


@pytest.mark.slow  # four minutes
def test_projections_of_a_halo_count_once():
    rng = np.random.default_rng(10)
    n, noise = 60, 5e13
    true = np.exp(rng.uniform(np.log(3e14), np.log(2e15), n))
    common, own = rng.standard_normal((n, 1)), rng.standard_normal((n, 3))
    ratio = np.exp(-0.1 + 0.2 * (np.sqrt(0.7) * common + np.sqrt(0.3) * own))
    measured = (true[:, None] * ratio + noise * rng.standard_normal((n, 3))).ravel()
    massmod = massmod_of(measured, noise)
    groups = {f"h{i:05d}": f"halo {i // 3}" for i in range(3 * n)}
    truth = {f"halo {i}": m for i, m in enumerate(true)}
    settings = {"n_samples": 200, "n_grid": 11}
    joint = massmod.compare(truth, settings | {"groups": groups})
    alone = massmod.compare(true.repeat(3), settings)
    rho = joint.posteriors["group_correlation"]
    assert abs(rho.mean() - 0.7) < 3.0 * rho.std()
    assert abs(joint.mass_dist_bias_samps.mean() + 0.1) < 3.0 * joint.mass_dist_bias_samps.std()
    # three projections are worth 1.25 independent ones: the error is 1.5 times larger
    ratio = joint.mass_dist_bias_samps.std() / alone.mass_dist_bias_samps.std()
    assert 1.3 < ratio < 1.8


# -- wrong calls --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"shpe": "normal"}, "shape"),
        ({"shape": "lognormal"}, "skew-normal"),
        ({"mass_dependence": 1}, "true or false"),
        ({"pivot_mass": -1.0}, "> 0"),
        ({"proxy": {}}, "one of"),
        ({"n_grid": 2}, ">= 8"),
        ({"priors": {"sigma": {"distribution": "uniform", "low": 0.0, "high": 1.0}}}, "scatter"),
        ({"priors": {"scatter": {"distribution": "uniform", "low": -1.0, "high": 1.0}}}, "within"),
        ({"selection": {"scatter": 0.2}}, "log_threshold"),
        ({"selection": {"log_threshold": 0.2, "scatter": 0.0}}, "> 0"),
        ({"mass_def": "200x"}, "200x"),
    ],
)
def test_wrong_settings(small, settings, words):
    true, massmod = small
    with pytest.raises(ParameterError, match=words):
        massmod.compare(truths(true), settings)


def test_without_results():
    massmod = clm.CLMassMod({})
    with pytest.raises(FitError, match="no results yet"):
        massmod.compare({"a": 1e15})
    with pytest.raises(FitError, match="no results yet"):
        massmod.ensemble_fit()


def test_true_masses_in_another_unit_are_noticed(small):
    true, massmod = small
    names = [one.halo_id for one in massmod.out_data_profiles]
    for values in (np.log10(true), true / 1e14):
        with pytest.raises(ParameterError, match="log10 of a mass, or in another unit"):
            bias_of(massmod, dict(zip(names, values, strict=True)))


def test_results_of_a_folder_come_in_the_order_of_their_numbers(small, tmp_path):
    """So that an array of true masses fits to what was read again."""
    true, massmod = small
    named = [p._replace(halo_id=f"h_{i}") for i, p in enumerate(massmod.out_data_profiles)]
    first, again = clm.CLMassMod(massmod.model_info), clm.CLMassMod(massmod.model_info)
    first.out_data_profiles = named
    first.save_mass_profiles(tmp_path)
    assert [p.halo_id for p in again.read(tmp_path)] == [f"h_{i}" for i in range(len(true))]
    notes = bias_of(again, true).posteriors.notes
    assert any("by place, h_0 to h_29" in note for note in notes)


def test_a_population_says_its_pivot(small):
    posterior = small[1].ensemble_fit({"n_grid": 11, "n_samples": 200, "pivot_mass": 4e14})
    assert posterior.pivot_mass == pytest.approx(4e14)
    assert "M0 = 4e+14 Msun" in posterior.summary_lines()[-1]


def test_a_posterior_against_its_prior_is_said():
    true, measured = simulated(60, 0.0, 0.2, 1e14, 3)
    massmod, truth = massmod_of(measured, 1e14), truths(true)

    def notes(**priors):
        result = massmod.compare(truth, {"n_grid": 15, "n_samples": 500, "priors": priors})
        return [note for note in result.posteriors.notes if "lies against" in note]

    assert notes() == []
    assert notes(scatter={"distribution": "uniform", "low": 0.0, "high": 0.5}) == []
    (found,) = notes(bias={"distribution": "uniform", "low": -1.0, "high": 0.01})
    assert "bias lies against the end of its prior at 0.01" in found
    (found,) = notes(scatter={"distribution": "uniform", "low": 0.19, "high": 1.0})
    assert "scatter lies against the end of its prior at 0.19" in found
