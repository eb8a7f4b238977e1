"""The stack of a `CLMassMod`: called, fitted by the same call, scaled, from maps, in bins."""

from __future__ import annotations

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.cluster.simulation import simulate_sample
from clmassmod.errors import ConfigError, FitError, ParameterError
from clmassmod.galaxies import FieldOfView, GalaxyCatalogue, MockGalaxies
from clmassmod.maps import ProfileField
from clmassmod.stacks import Scaling, StackSums, sum_galaxies

EDGES = np.geomspace(0.2, 3.0, 11)
X_EDGES = np.geomspace(0.5, 12.0, 9)
INFO = {
    "concentration": 4.0,
    "sources": {"redshift": 1.0},
    "noise": {"shape_noise": 0.25, "density": 20.0},
    "simulation": {"n_clusters": 6},
}


def sample(**changes):
    info = {**INFO, **changes}
    made = simulate_sample(info)
    massmod = clm.CLMassMod(info)
    massmod.obs_gamma_theta = made.observables
    return massmod, made.truth


def test_by_place_and_by_name():
    massmod, _ = sample()
    first = massmod.stackTools.stack("woScaling", EDGES)
    for other in (
        massmod.stackTools.stack(method="woScaling", presetX=EDGES),
        massmod.stackTools.stack(EDGES, method="woScaling"),
        massmod.stackTools.stack("woScaling", presetX=EDGES),
        massmod.stackTools.stack(EDGES, "woScaling"),
        massmod.stackTools.stack("woScaling"),  # the edges of [binning]
        massmod.stackTools.stack(),
    ):
        for a, b in zip(first, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_lines_of_the_wish_list():
    massmod, truth = sample()
    assert massmod.deltaSigma is None
    assert massmod.F is None
    presetX = EDGES
    massmod.deltaSigma, massmod.errSigma, massmod.avgR = massmod.stackTools.stack(
        method="woScaling", presetX=presetX
    )
    stack = massmod.stacks["woScaling"]
    np.testing.assert_array_equal(massmod.deltaSigma, stack.values)
    np.testing.assert_array_equal(massmod.errSigma, stack.errors)
    np.testing.assert_array_equal(massmod.avgR, stack.radius)
    massmod.F, massmod.errF, massmod.avgX = massmod.stackTools.stack(
        "wScaling", X_EDGES, scaling="truth", masses=truth
    )
    assert massmod.stacks["wScaling"].scaling == "truth"
    assert massmod.F.shape == massmod.avgX.shape == (8,)
    profiles, fit_info = massmod.fit_mass_profiles("curvefit")
    assert [p.halo_id for p in profiles] == ["stack"]
    assert "stack woScaling" in repr(massmod)
    assert fit_info["stack"]["dof"] == 9
    with pytest.raises(ParameterError, match=r"deltaSigma.*obs_delta_sigma"):
        massmod.deltaSigma = 2.0 * massmod.deltaSigma
    massmod.stackTools.clear()
    assert len(massmod.fit_mass_profiles("curvefit")[0]) == 6


def test_a_stack_is_fitted_saved_and_resumed_as_a_cluster_is(tmp_path):
    massmod, _ = sample()
    massmod.stackTools.stack("woScaling", EDGES, id="rich clusters")
    profiles, _ = massmod.fit_mass_profiles("curvefit", save_loc=tmp_path)
    assert profiles[0].loc == str(tmp_path / "rich_clusters.h5")
    _, again = massmod.fit_mass_profiles("curvefit", save_loc=tmp_path)
    assert again.resumed == ["rich clusters"]
    fresh = clm.CLMassMod(INFO)
    assert fresh.read(tmp_path)[0].mass == profiles[0].mass
    weights = massmod.stacks["woScaling"]
    assert min(o.redshift for o in massmod.obs_gamma_theta) < weights.redshift
    assert profiles[0].redshift == weights.redshift


def test_the_mass_of_200_clusters():
    """Of one mass at several redshifts: the stack is the cluster, to a per cent."""
    mass = 5e14
    massmod, _ = sample(
        simulation={
            "n_clusters": 200,
            "mass_min": mass,
            "mass_max": mass,
            "redshift_min": 0.25,
            "redshift_max": 0.4,
        },
        binning={"r_min": 0.4, "r_max": 3.0, "n_bins": 12},
    )
    massmod.stackTools.stack("woScaling")
    stack = massmod.stacks["woScaling"]
    assert stack.n_clusters.tolist() == [200] * 12
    fit = massmod.fit_mass_profiles("curvefit")[0][0]
    error = max(fit.errors["mass"])
    assert error < 0.02 * mass
    # clusters at several redshifts fitted at one: 0.3 %
    assert abs(fit.mass - mass) < 3.0 * error + 0.003 * mass
    expected_chi2 = 11.0
    assert abs(fit.chi2 - expected_chi2) < 4.0 * np.sqrt(2.0 * expected_chi2)
    # the clusters are alike, so that their scatter is noise
    dof = stack.n_points - 12
    assert abs(stack.scatter - dof) < 5.0 * np.sqrt(2.0 * dof)


def test_f_of_200_clusters_is_that_of_nfw_haloes():
    massmod, truth = sample(simulation={"n_clusters": 200})
    y, err, avg = massmod.stackTools.stack("wScaling", X_EDGES, scaling="truth", masses=truth)
    stack = massmod.stacks["wScaling"]
    assert not stack.circular
    assert np.all(stack.n_clusters > 50)
    pull = (y - stack.expected) / err
    assert stack.chi2 == pytest.approx(np.sum(pull**2), rel=0.5)  # two points of one in a bin
    assert abs(stack.chi2 - 8.0) < 4.0 * np.sqrt(16.0)
    assert np.max(np.abs(y / stack.expected - 1.0)) < 0.05
    assert abs(stack.scatter - stack.n_points) < 5.0 * np.sqrt(2.0 * stack.n_points)
    assert np.all((avg > X_EDGES[:-1]) & (avg < X_EDGES[1:]))


def test_scaling_by_masses_fitted_to_the_same_shear_is_circular():
    """The fits follow the noise of their clusters, so that these scatter less than they should."""
    massmod, truth = sample(
        simulation={"n_clusters": 16, "mass_min": 3e14, "mass_max": 2e15},
        priors={"mass": {"distribution": "uniform", "low": 1e13, "high": 1e16}},
    )
    with pytest.raises(FitError, match="no masses to scale by"):
        massmod.stackTools.stack("wScaling", X_EDGES, scaling="fit")
    massmod.fit_mass_profiles("curvefit")
    massmod.stackTools.stack("wScaling", X_EDGES, scaling="fit")
    circular = massmod.stacks["wScaling"]
    assert circular.circular
    massmod.stackTools.stack("wScaling", X_EDGES, scaling="truth", masses=truth)
    true = massmod.stacks["wScaling"]
    # each cluster gives up one degree of freedom to its own fit: 16 +- 6
    assert 1.0 < true.scatter - circular.scatter < 35.0
    assert abs(true.scatter - true.n_points) < 4.0 * np.sqrt(2.0 * true.n_points)


def test_tables_of_masses(tmp_path):
    massmod, truth = sample()
    names = [str(name) for name in truth["halo_id"]]
    masses = dict(zip(names, truth["mass"].to_value("Msun"), strict=True))
    expected = massmod.stackTools.stack("wScaling", X_EDGES, scaling="truth", masses=truth)
    truth.write(tmp_path / "truth.ecsv")
    pairs = {name: (mass, 4.0) for name, mass in masses.items()}
    for table in (masses, pairs, tmp_path / "truth.ecsv"):
        given = massmod.stackTools.stack("wScaling", X_EDGES, scaling=table)
        assert massmod.stacks["wScaling"].scaling == "table"
        np.testing.assert_allclose(given, expected, rtol=1e-12)
    del masses["sim_0002"]
    with pytest.raises(ParameterError, match=r"1 of 6 have none: sim_0002"):
        massmod.stackTools.stack("wScaling", X_EDGES, masses=masses)


def test_wrong_calls():
    massmod, truth = sample()
    stack = massmod.stackTools.stack
    with pytest.raises(ParameterError, match="Did you mean 'woScaling'"):
        stack("woScalling", EDGES)
    with pytest.raises(ParameterError, match=r"presetX = None.*x = R / r_s"):
        stack("wScaling")
    with pytest.raises(ParameterError, match=r"masses = None.*given for scaling 'truth'"):
        stack("wScaling", X_EDGES, scaling="truth")
    with pytest.raises(ParameterError, match="None, since the fitted ones are used"):
        stack("wScaling", X_EDGES, scaling="fit", masses=truth)
    with pytest.raises(ParameterError, match="Did you mean 'truth'"):
        stack("wScaling", X_EDGES, scaling="thruth", masses=truth)
    with pytest.raises(ParameterError, match="None for method 'woScaling'"):
        stack("woScaling", EDGES, scaling="fit")
    with pytest.raises(TypeError, match="3 were given"):
        stack("woScaling", EDGES, X_EDGES)
    with pytest.raises(TypeError, match="method is given twice"):
        stack("woScaling", EDGES, method="wScaling")
    with pytest.raises(TypeError, match="presetX is given twice"):
        stack(EDGES, EDGES)
    with pytest.raises(FitError, match="nothing to stack"):
        clm.CLMassMod().stackTools.stack("woScaling", EDGES)
    massmod.obs_gamma_theta = massmod.obs_gamma_theta[:2]
    assert massmod.stacks == {}


# -- maps ----------------------------------------------------------------------------------------

PIXEL = 0.1
AXIS = PIXEL * (np.arange(80) - 39.5)
MAP_RADIUS = np.hypot(*np.meshgrid(AXIS, AXIS))
MAP_INFO = {
    **INFO,
    "noise": {"density": 30.0},
    "binning": {"r_min": 0.6, "r_max": 3.0, "n_bins": 6},
}


def mass_map(name, mass):
    sigma = clm.NFW(mass, 4.0, redshift=0.3).surface_density(MAP_RADIUS)
    return clm.MassMap(sigma, PIXEL, redshift=0.3, id=name, metadata={"background": "none"})


def test_maps_alone_are_stacked_by_their_galaxies():
    massmod = clm.CLMassMod(MAP_INFO)
    massmod.obs_mass_map = [mass_map("a", 8e14), mass_map("b", 4e14)]
    y, err, avg = massmod.stackTools.stack("woScaling", [0.6, 1.0, 1.8, 3.0])
    catalogues = massmod.make_catalog()
    parts = [
        sum_galaxies(catalogues[name][0], [[0.0, 0.0]], 0.3, [0.6, 1.0, 1.8, 3.0], ids=[name])
        for name in "ab"
    ]
    by_hand = (parts[0] + parts[1]).stack()
    np.testing.assert_array_equal(y, by_hand.values)
    np.testing.assert_array_equal(err, by_hand.errors)
    np.testing.assert_array_equal(avg, by_hand.radius)
    massmod.stackTools.stack("woScaling")
    fit = massmod.fit_mass_profiles("curvefit")[0][0]
    assert abs(fit.mass - 6e14) < 4.0 * max(fit.errors["mass"])


def test_galaxies_of_ones_own_are_stacked_and_fitted():
    """Sums of a catalogue with many centres are the stack of a model without other data."""
    field = FieldOfView.circle(10.0)
    made = []
    for name, centre in (("a", (150.0, 2.0)), ("b", (152.0, 2.0))):
        mock = MockGalaxies(30.0, 1.0, field, shape_noise=0.25)
        lens = ProfileField(clm.NFW(8e14, 4.0, redshift=0.3))
        made.append(mock.generate(lens, seed=1, halo_id=name, centre=centre))
    joined = GalaxyCatalogue(
        **{
            key: np.concatenate([one[key] for one in made])
            for key in ("ra", "dec", "e1", "e2", "z")
        }
    )
    centres = [(150.0, 2.0), (152.0, 2.0)]
    sums = sum_galaxies(joined, centres, 0.3, np.geomspace(0.3, 2.4, 9), ids="ab")
    massmod = clm.CLMassMod({"concentration": 4.0})
    stack = massmod.stackTools.stack_of(sums)
    assert massmod.avgR is stack.radius
    fit = massmod.fit_mass_profiles("curvefit")[0][0]
    assert abs(fit.mass - 8e14) < 4.0 * max(fit.errors["mass"])
    assert fit.chi2 < 7.0 + 4.0 * np.sqrt(14.0)


def test_f_of_galaxies_without_noise_is_that_of_nfw_haloes():
    """Two haloes of different mass, sampled by galaxies: their reduced shear and bins included."""
    parts = []
    masses = {"a": 3e14, "b": 1.5e15}
    edges = np.geomspace(1.0, 5.0, 9)
    scaling = Scaling(masses, {"a": 5.0, "b": 3.0}, "truth")
    for name, c in (("a", 5.0), ("b", 3.0)):
        mock = MockGalaxies(150.0, 1.0, FieldOfView.circle(8.0), shape_noise=0.0)
        lens = ProfileField(clm.NFW(masses[name], c, redshift=0.3))
        catalogue = mock.generate(lens, seed=2, halo_id=name)
        parts.append(sum_galaxies(catalogue, [[0, 0]], 0.3, edges, ids=name, scaling=scaling))
    stack = StackSums.merged(parts).stack()
    # F at the mean x for its mean over a bin: 1 %; galaxies sample the bins to a few 1e-3
    np.testing.assert_allclose(stack.values, stack.expected, rtol=0.012)
    assert np.all(stack.n_pairs > 300)


def test_results_that_were_read_stay_where_maps_are_stacked(tmp_path):
    massmod = clm.CLMassMod(MAP_INFO)
    massmod.obs_mass_map = mass_map("a", 8e14)
    massmod.fit_mass_profiles("curvefit", save_loc=tmp_path)
    fresh = clm.CLMassMod(MAP_INFO)
    fresh.obs_mass_map = mass_map("a", 8e14)
    fresh.read(tmp_path)
    fresh.stackTools.stack("wScaling", [1.0, 3.0, 10.0], scaling="fit")
    assert fresh.stacks["wScaling"].circular
    assert len(fresh.out_data_profiles) == 1


# -- configuration -------------------------------------------------------------------------------


def test_the_section_of_the_configuration(tmp_path):
    massmod, truth = sample()
    truth.write(tmp_path / "truth.ecsv")
    expected = massmod.stackTools.stack("wScaling", X_EDGES, scaling="truth", masses=truth)
    info = {
        **INFO,
        "stack": {
            "method": "wScaling",
            "edges": X_EDGES,
            "scaling": "truth",
            "masses": str(tmp_path / "truth.ecsv"),
        },
    }
    other = clm.CLMassMod(info)
    other.obs_gamma_theta = massmod.obs_gamma_theta
    np.testing.assert_array_equal(other.stackTools.stack(), expected)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"method": "wScaling"}, r"\[stack\] edges is missing"),
        ({"edges": [1.0, 0.5]}, "strictly increasing"),
        ({"scaling": "truth"}, "masses is missing"),
        ({"masses": "table.ecsv"}, "masses is given"),
        ({"method": "withScaling"}, "Did you mean 'wScaling'"),
        ({"covariance": "none"}, "shape, bootstrap, jackknife"),
    ],
)
def test_sections_that_cannot_be(section, message):
    with pytest.raises(ConfigError, match=message):
        clm.CLMassMod({"stack": section})
