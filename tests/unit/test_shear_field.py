"""Fits of single galaxies: their likelihood, a free centre, and the ways to get them."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.cluster.shear_field_likelihood import ShearFieldLikelihood
from clmassmod.errors import ConfigError, FitError, ParameterError
from clmassmod.galaxies import (
    FieldOfView,
    GalaxyCatalogue,
    MockGalaxies,
    ShearField,
    build_profile,
    expected_ellipticity,
)
from clmassmod.maps import ProfileField

Z_L = 0.3
CENTRE = {"distribution": "uniform", "low": -0.6, "high": 0.6}


def mock(seed=1, mass=1e15, noise=0.25, density=8.0, sources=1.0):
    made = MockGalaxies(
        density=density,
        sources=sources,
        field_of_view=FieldOfView.circle(2.6, unit="Mpc"),
        shape_noise=noise,
    )
    return made.generate(ProfileField(clm.NFW(mass, 4.0, Z_L)), seed=seed, halo_id="a")


def moved(catalogue, x, y):
    """The same galaxies about a nominal centre that is not the halo's, which is at (x, y)."""
    return catalogue.replace(x=catalogue["x"] + x, y=catalogue["y"] + y)


def massmod(*parameters, **sections):
    free = ["mass", *parameters]
    priors = {name: CENTRE for name in parameters if name.startswith("centre")}
    given = {"concentration": 4.0, "parameters": free, "priors": priors, **sections}
    return clm.CLMassMod(given)


def twin(field, mass, concentration, centre, m=0.0, low=0.2, high=3.0):
    """ln L by a loop over galaxies with the public functions."""
    catalogue = field.catalogue
    halo = clm.NFW(mass, concentration, Z_L)
    e_err = catalogue["e_err"] if "e_err" in catalogue else np.zeros(len(catalogue))
    total = 0.0
    for i in range(len(catalogue)):
        if not low <= math.hypot(catalogue["x"][i], catalogue["y"][i]) < high:
            continue
        if catalogue["z"][i] <= Z_L:
            continue
        place = complex(catalogue["x"][i] - centre[0], catalogue["y"][i] - centre[1])
        z = catalogue["z"][i]
        kappa = halo.convergence(abs(place), z)
        gamma = -halo.tangential_shear(abs(place), z) * cmath.exp(2j * cmath.phase(place))
        e = complex(catalogue["e1"][i], catalogue["e2"][i])
        residual = abs(e - (1.0 + m) * complex(expected_ellipticity(kappa, gamma)))
        variance = field.shape_noise**2 + e_err[i] ** 2
        total -= 0.5 * (residual**2 / variance + 2.0 * math.log(2.0 * math.pi * variance))
    return total


def random_field(n=60, seed=4, **more):
    """Galaxies all over, in front of the lens too, and one near a centre that is tried."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-2.0, 2.0, (2, n))
    x[0], y[0] = 0.21, 0.05
    columns = {"x": x, "y": y, "e1": rng.normal(0, 0.3, n), "e2": rng.normal(0, 0.3, n)}
    columns |= {"z": rng.uniform(0.1, 2.0, n), "e_err": rng.uniform(0.05, 0.2, n)}
    return ShearField(GalaxyCatalogue(**columns, **more), Z_L, shape_noise=0.25, id="a")


def test_the_likelihood_is_that_of_a_loop_over_galaxies():
    field = random_field()
    model = massmod("concentration", "centre", "shear_calibration", priors={
        "centre": CENTRE, "shear_calibration": {"distribution": "normal", "mean": 0, "sd": 0.1},
    })  # fmt: skip
    model.obs_galaxies = field
    likelihood = model.likelihood("a")
    assert likelihood.parameters.names == (
        *("mass", "concentration", "centre_x", "centre_y", "shear_calibration"),
    )
    # at (0.11, 0.05) the first galaxy is 100 kpc away, between the critical curves, where |g| > 1
    rows = [(1e15, 4.0, 0.0, 0.0, 0.0), (3e15, 9.0, 0.11, 0.05, 0.1), (2e14, 2.0, -0.5, 0.3, -0.2)]
    expected = [twin(field, mass, c, (x, y), m) for mass, c, x, y, m in rows]
    assert likelihood.log_likelihood(rows) == pytest.approx(expected, rel=1e-12)
    halo = clm.NFW(3e15, 9.0, Z_L)
    z = field.catalogue["z"][0]
    assert abs(halo.reduced_tangential_shear(0.1, z)) > 1.0
    # a negative mass has shears of the opposite sign, and chi^2 and residuals are of one model
    likelihood.log_likelihood([(-1e15, 4.0, 0.1, 0.0, 0.0)])
    residual = likelihood.whitened_residual(rows[1])
    assert likelihood.chi2(rows[1])[0] == pytest.approx(np.sum(residual**2), rel=1e-12)
    assert likelihood.n_data == residual.size


def test_a_negative_mass_is_one_of_opposite_shear():
    turned = random_field()
    likelihood = ShearFieldLikelihood(
        massmod().model, massmod().parameters, turned, 0.2, 3.0
    )  # fmt: skip
    e1, e2 = likelihood.predict([[-1e13]])
    f1, f2 = likelihood.predict([[1e13]])
    assert np.allclose(e1, -f1, atol=1e-3)
    assert np.allclose(e2, -f2, atol=1e-3)
    assert np.max(np.abs(f1)) > 1e-2


def test_the_same_bits_for_threads_and_batches():
    model = massmod("centre")
    model.obs_galaxies = mock(density=3.0)
    likelihood = model.likelihood()
    rng = np.random.default_rng(1)
    rows = np.column_stack([rng.uniform(1e14, 2e15, 70), *rng.uniform(-0.5, 0.5, (2, 70))])
    whole = likelihood.log_likelihood(rows)
    assert np.array_equal(whole, likelihood.log_likelihood(rows, n_threads=2))
    assert np.array_equal(whole, [likelihood.log_likelihood(row)[0] for row in rows])


def test_a_galaxy_at_the_very_centre_has_no_direction():
    galaxies = GalaxyCatalogue(x=[0.3, 1.0], y=[0.0, 0.5], e1=[0.1, 0.2], e2=[0.3, 0], z=[1, 1])
    model = massmod("centre")
    model.obs_galaxies = ShearField(galaxies, Z_L)
    e1, e2 = model.likelihood().predict([[1e15, 0.3, 0.0]])
    assert e1[0, 0] == 0.0
    assert e2[0, 0] == 0.0
    assert e1[0, 1] != 0.0


def test_sources_of_the_configuration_where_galaxies_have_no_redshift():
    distribution = clm.SourceDistribution([0.2, 0.8, 1.5], [1.0, 2.0, 1.0])
    field = random_field()
    plain = field.catalogue.replace(z=None)
    model = massmod()
    model.obs_galaxies = ShearField(plain, Z_L)
    with pytest.raises(ParameterError, match=r"sources.*\[sources\]"):
        model.likelihood()
    model = massmod(sources={"redshift": 1.0})
    model.obs_galaxies = ShearField(plain, Z_L)
    same = massmod()
    same.obs_galaxies = ShearField(plain.replace(z=np.ones(len(plain))), Z_L)
    row = [[1e15]]
    assert model.likelihood().log_likelihood(row) == same.likelihood().log_likelihood(row)
    averaged = massmod()
    averaged.obs_galaxies = ShearField(plain, Z_L, sources=distribution)
    likelihood = averaged.likelihood()
    e1, e2 = likelihood.predict(row)
    radius = np.hypot(likelihood.galaxies.x, likelihood.galaxies.y)
    halo = clm.NFW(1e15, 4.0, Z_L)
    expected = np.abs(halo.tangential_ellipticity(radius, distribution))
    assert np.hypot(e1, e2)[0] == pytest.approx(expected, rel=1e-12)


def test_the_error_of_weighted_galaxies_does_not_depend_on_the_unit_of_the_weight():
    base = random_field()
    weight = np.random.default_rng(2).uniform(0.2, 1.0, len(base.catalogue))
    fields = [
        base.replace(catalogue=base.catalogue.replace(weight=k * weight)) for k in (1.0, 50.0)
    ]
    one, other = (field.galaxies(0.2, 3.0) for field in fields)
    assert one.sigma == pytest.approx(other.sigma, rel=1e-12)
    # the error of an amplitude is that of the weighted mean
    profile = build_profile(
        fields[0].catalogue, Z_L, bins=[0.2, 3.0], weights="shape", behind=0.0
    )  # fmt: skip
    assert np.sum(one.sigma**-2.0) ** -0.5 == pytest.approx(profile.g_err[0], rel=1e-12)
    # a constant weight is none
    constant = base.replace(catalogue=base.catalogue.replace(weight=np.full(len(weight), 7.0)))
    expected = base.galaxies(0.2, 3.0).sigma
    assert constant.galaxies(0.2, 3.0).sigma == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("system", ["euclidean", "celestial"])
def test_galaxies_on_the_sky_are_those_of_the_plane(system):
    """Tangential shapes about the centre stay what they are, even near the pole."""
    rng = np.random.default_rng(3)
    n, centre = 200, (359.99, 84.0)
    ra = centre[0] + rng.uniform(-1.0, 1.0, n)
    dec = centre[1] + rng.uniform(-0.1, 0.1, n)
    catalogue = GalaxyCatalogue(
        ra=ra, dec=dec, e1=rng.normal(0, 0.3, n), e2=rng.normal(0, 0.3, n), z=np.ones(n),
        coordinate_system=system,
    )  # fmt: skip
    galaxies = ShearField(catalogue, Z_L, centre, shape_noise=0.25).galaxies(0.2, 1.5)
    plane = GalaxyCatalogue(
        x=galaxies.x, y=galaxies.y, e1=galaxies.e1, e2=galaxies.e2, z=galaxies.z
    )  # fmt: skip
    edges = [0.2, 0.6, 1.5]
    on_sky = build_profile(catalogue, Z_L, bins=edges, centre=centre)
    flat = build_profile(plane, Z_L, bins=edges)
    assert flat.g_t == pytest.approx(on_sky.g_t, abs=1e-9)
    assert flat.g_x == pytest.approx(on_sky.g_x, abs=1e-9)
    # x, y about a centre that is moved: to the north by 0.1 Mpc
    from clmassmod.cosmology import angular_diameter_distance

    north = np.rad2deg(0.1 / float(angular_diameter_distance(Z_L)))
    there = ShearField(catalogue, Z_L, (centre[0], centre[1] + north), shape_noise=0.25)
    other = there.galaxies(0.0, 3.0)
    here = ShearField(catalogue, Z_L, centre, shape_noise=0.25).galaxies(0.0, 3.0)
    assert here.x == pytest.approx(other.x, abs=1e-5)
    assert here.y - 0.1 == pytest.approx(other.y, abs=1e-5)


# -- fits ----------------------------------------------------------------------------------------


def test_a_fixed_centre_agrees_with_the_fit_of_the_profile():
    catalogue = mock(density=20.0)
    galaxies, profile = massmod(), massmod()
    galaxies.obs_galaxies = catalogue
    made = build_profile(catalogue, Z_L, bins=np.geomspace(0.2, 2.6, 25), shape_noise=0.25)
    profile.obs_gamma_theta = made.to_gamma_theta()
    one, two = (m.fit_mass_profiles("curvefit")[0][0] for m in (galaxies, profile))
    error = two.errors["mass"][0]
    # bins weigh galaxies a little differently, and smooth the shear within
    assert abs(one.mass - two.mass) < 0.3 * error
    assert one.errors["mass"][0] == pytest.approx(error, rel=0.05)
    assert one.status == "ok"
    assert "p_value" not in one.diagnostics


def test_a_wrong_centre_biases_low_and_a_free_one_does_not():
    catalogue = moved(mock(noise=0.1, density=6.0), 0.3, -0.2)
    fixed, free = massmod(), massmod("centre")
    for model in (fixed, free):
        model.obs_galaxies = ShearField(catalogue, Z_L, shape_noise=0.1, id="a")
    (wrong,), _ = fixed.fit_mass_profiles("curvefit")
    assert wrong.mass < 1e15 - 4.0 * wrong.errors["mass"][0]
    # the best fit is a maximum that a galaxy 10 kpc away makes, and that is said
    (narrow,), _ = free.fit_mass_profiles("curvefit")
    assert "kpc from a galaxy, which alone may make this maximum" in narrow.message
    chain = {"n_walkers": 24, "n_steps": 400, "n_burn": 200, "max_steps": 400}
    (right,), _ = free.fit_mass_profiles("emcee", chain)
    for i, truth in enumerate((1e15, 0.3, -0.2)):
        samples = right.samples[:, i]
        assert abs(samples.mean() - truth) < 4.0 * samples.std()
    assert right.samples[:, 1:].std(axis=0).max() < 0.05


METHODS = {
    "curvefit": {},
    "minuit": {},
    "scanpdf": {"n_grid": 60, "n_nuisance": 9},
    "emcee": {"n_walkers": 16, "n_steps": 150, "n_burn": 80, "max_steps": 150},
    "nested": {"n_live": 150, "n_eff": 400},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_centre_and_its_result_is_kept(method, tmp_path):
    model = massmod("centre")
    model.obs_galaxies = moved(mock(noise=0.1, density=2.0), 0.1, 0.0)
    (one,), info = model.fit_mass_profiles(method, METHODS[method], tmp_path)
    assert one.status != "failed", one.message
    assert one.parameters == ("mass", "centre_x", "centre_y")
    assert one.mle["centre_x"] == pytest.approx(0.1, abs=0.1)
    assert set(one.errors) == set(one.parameters)
    assert not info.resumed
    again = massmod("centre")
    assert again.read(tmp_path)[0].mle == one.mle
    assert {"centre_x", "centre_y"} <= set(again.table().colnames)
    again.obs_galaxies = model.obs_galaxies
    assert again.fit_mass_profiles(method, METHODS[method], tmp_path)[1].resumed == ["a"]
    # other galaxies, or other radii of them, are another fit
    if method == "curvefit":
        again.obs_galaxies = moved(mock(noise=0.1, density=2.0), 0.1001, 0.0)
        assert again.fit_mass_profiles(method, {}, tmp_path)[1].resumed == []
        farther = massmod("centre", binning={"r_min": 0.3})
        farther.obs_galaxies = again.obs_galaxies
        assert farther.fit_mass_profiles(method, {}, tmp_path)[1].resumed == []


def test_a_free_centre_of_a_map_takes_the_galaxies_behind_it():
    halo = clm.NFW(1e15, 4.0, Z_L)
    axis = (np.arange(60) - 29.5) * 0.1
    x, y = np.meshgrid(axis, axis)
    kappa = clm.KappaMap(
        halo.convergence(np.hypot(x - 0.15, y), 1.0), 0.1, redshift=Z_L, sources=1.0, id="a"
    )
    sections = {"sources": {"redshift": 1.0}, "noise": {"density": 10.0, "shape_noise": 0.05}}
    model = massmod("centre", binning={"r_max": 2.4}, **sections)
    model.obs_kappa_map = kappa
    (one,), _ = model.fit_mass_profiles("curvefit")
    assert one.mle["centre_x"] == pytest.approx(0.15, abs=0.05)
    assert one.mle["centre_y"] == pytest.approx(0.0, abs=0.05)


@pytest.mark.slow
def test_masses_and_centres_of_many_mocks_are_unbiased():
    """Pulls about (1e15, 0.2, -0.1) of 60 mocks: mean 0 and sd 1, each within 3.5 errors.

    With galaxies beyond the reach of the centre: none makes a maximum of its own.
    """
    pulls = []
    near = {"distribution": "uniform", "low": -0.4, "high": 0.4}
    for seed in range(60):
        model = massmod("centre", priors={"centre": near}, fit={"r_min": 0.6})
        model.obs_galaxies = moved(mock(seed, density=12.0), 0.2, -0.1)
        (one,), _ = model.fit_mass_profiles("curvefit")
        truth = {"mass": 1e15, "centre_x": 0.2, "centre_y": -0.1}
        pulls.append([(one.mle[k] - truth[k]) / one.errors[k][0] for k in truth])
    pulls = np.array(pulls)
    assert np.all(np.abs(pulls.mean(axis=0)) < 3.5 / np.sqrt(60)), pulls.mean(axis=0)
    assert np.all(np.abs(pulls.std(axis=0) - 1.0) < 3.5 / np.sqrt(120)), pulls.std(axis=0)


# -- what is refused -----------------------------------------------------------------------------


def profile_of(name):
    radius = np.geomspace(0.3, 2.5, 8)
    return clm.GammaTheta(
        radius, np.full(8, 0.1), np.full(8, 0.01), redshift=Z_L, sources=1.0, id=name
    )


def test_a_profile_does_not_know_its_centre():
    model = massmod("centre")
    model.obs_gamma_theta = profile_of("a")
    with pytest.raises(ParameterError, match=r"does not know where its centre.*obs_galaxies"):
        model.likelihood()
    profiles, info = model.fit_mass_profiles("curvefit")
    assert profiles[0].status == "failed"
    assert "obs_galaxies" in info.failed["a"]


def test_galaxies_and_their_profile_are_the_same_data():
    model = massmod()
    model.obs_galaxies = random_field()
    model.obs_gamma_theta = profile_of("a")
    with pytest.raises(ParameterError, match="counts them twice"):
        model.likelihood("a")
    model.obs_gamma_theta = profile_of("b")
    assert list(model.objects()) == ["b", "a"]


def test_effects_of_profiles_are_refused():
    for section in (
        {"miscentring": {"distribution": "rayleigh", "fraction": 0.3, "scale": 0.2}},
        {"fit": {"bin_average": True}},
        {"boost": {"b0": 0.2, "r_s": 0.5}},
    ):
        model = massmod("centre", **section)
        model.obs_galaxies = random_field()
        with pytest.raises(ParameterError, match=r"effects.*Leave out"):
            model.likelihood()


def test_what_galaxies_must_have():
    plain = random_field().catalogue
    model = massmod("centre")
    with pytest.raises(ParameterError, match=r"metadata have the redshift.*ShearField"):
        model.obs_galaxies = plain
    with pytest.raises(ParameterError, match="ShearField, a GalaxyCatalogue"):
        model.obs_galaxies = [3]
    with pytest.raises(ParameterError, match="redshift"):
        ShearField(plain, -0.1)
    with pytest.raises(ParameterError, match="catalogue"):
        ShearField("galaxies.fits", Z_L)
    with pytest.raises(ParameterError, match="shape_noise"):
        ShearField(plain, Z_L, shape_noise=-0.1)
    with pytest.raises(ParameterError, match="right ascension"):
        ShearField(GalaxyCatalogue(ra=[1], dec=[1], e1=[0], e2=[0]), Z_L)
    with pytest.raises(ParameterError, match="no galaxy"):
        ShearField(plain, Z_L, shape_noise=0.2).galaxies(10.0, 20.0)
    with pytest.raises(ParameterError, match="shape_noise"):
        ShearField(plain, Z_L).galaxies(0.2, 2.0)
    model.obs_galaxies = random_field()
    assert "1 galaxies" in repr(model)
    assert "galaxies" in repr(model.likelihood())
    assert model.obs_galaxies[0] == random_field() != random_field(seed=5)
    model.obs_galaxies = None
    with pytest.raises(FitError, match="obs_galaxies"):
        model.fit_mass_profiles("curvefit")
    model.obs_galaxies = random_field()
    with pytest.raises(ParameterError, match="of profiles"):
        model.sample_likelihood()


def test_the_prior_of_the_centre_is_that_of_both_components():
    info = massmod("centre").model_info
    assert info["parameters"] == ["mass", "centre_x", "centre_y"]
    assert info["priors"]["centre_x"] == info["priors"]["centre_y"]
    assert clm.CLMassMod(info).parameters.names == ("mass", "centre_x", "centre_y")
    one = massmod("centre_x")
    assert one.parameters.names == ("mass", "centre_x")
    for parameters, priors, message in (
        (["mass", "centre"], {}, r"needs a prior.*\[priors.centre\]"),
        (["mass", "centre"], None, r"needs a prior.*\[priors.centre\]"),
        (["mass", "centre"], {"centre": CENTRE, "centre_x": CENTRE}, "choose one"),
        (["mass", "centre", "centre_y"], {"centre": CENTRE}, "choose one"),
        (["mass"], {"centre": CENTRE}, "not one of parameters"),
        (["mass", "centre_x", "centre_y"], {"centre": CENTRE}, "not one of parameters"),
    ):
        with pytest.raises(ConfigError, match=message):
            clm.CLMassMod({"parameters": parameters, "priors": priors})


def test_a_wrong_shape_noise_is_said():
    model = massmod()
    for noise, said in ((0.25, False), (0.15, True), (0.4, True)):
        model.obs_galaxies = ShearField(mock(density=3.0), Z_L, shape_noise=noise)
        (one,), _ = model.fit_mass_profiles("curvefit")
        assert one.diagnostics["scatter_over_noise"] == pytest.approx(0.25 / noise, rel=0.07)
        assert ("shapes scatter" in one.message) == said
