"""Data that know their bins are fitted by averages over them, through the whole chain."""

from __future__ import annotations

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.cluster import sample_likelihood
from clmassmod.errors import ParameterError
from clmassmod.galaxies import FieldOfView, MockGalaxies, RadialBins, build_profile
from clmassmod.maps.field import ProfileField

Z, C, MASS = 0.3, 4.0, 8e14
EDGES = np.geomspace(0.3, 2.5, 7)


def massmod_of(data, **info):
    massmod = clm.CLMassMod({"concentration": C, **info})
    if isinstance(data[0], clm.DeltaSigma):
        massmod.obs_delta_sigma = data
    else:
        massmod.obs_gamma_theta = data
    return massmod


def fitted(data, **fit):
    (profile,), _ = massmod_of([data], fit=fit).fit_mass_profiles("curvefit")
    assert profile.status == "ok"
    return profile.mass


def observable(low, high, mass=MASS, redshift=Z, **changes):
    """Shear at the mean radii of bins; values are not what matters."""
    radius = 2.0 / 3.0 * (high**3 - low**3) / (high**2 - low**2)
    shear = clm.NFW(mass, C, redshift).reduced_tangential_shear(radius, 1.0)
    data = {"radius_min": low, "radius_max": high, "sources": 1.0, "redshift": redshift}
    return clm.GammaTheta(radius, shear, np.full(radius.size, 0.01), **(data | changes))


@pytest.fixture(scope="module")
def measured():
    """The profile of 5e5 galaxies without noise: Poisson positions alone."""
    mock = MockGalaxies(1500.0, 1.0, FieldOfView.circle(10.0), shape_noise=0.0)
    lens = ProfileField(clm.NFW(MASS, C, redshift=Z))
    catalogue = mock.generate(lens, seed=1, halo_id="halo")
    return build_profile(catalogue, Z, bins=RadialBins(0.25, 2.5, 6))


@pytest.mark.parametrize("kind", ["gamma_theta", "delta_sigma"])
def test_mass_of_a_catalogue_without_noise(measured, kind, tmp_path):
    """Within 0.2 %, from a file as well; the model at mean radii gives 1 to 2 % more.

    Galaxies sample the slope within a bin to 0.07 / sqrt(1e4 to 2e5), 3e-4 of the mass.
    """
    data = getattr(measured, f"to_{kind}")()
    data.write(tmp_path / "halo.ecsv")
    read = getattr(clm.utils, f"load_{kind}")(tmp_path / "halo.ecsv")
    assert fitted(data) == pytest.approx(MASS, rel=2e-3)
    assert fitted(read) == fitted(data) == fitted(data, bin_average=True)
    assert 1.01 < fitted(data, bin_average=False) / MASS < 1.02


def test_mass_of_a_map_without_noise():
    """Within 0.5 %: pixels of 0.04 Mpc smooth the cusp, beside the averages over bins."""
    pixels = 0.04 * (np.arange(300) - 149.5)
    radius = np.hypot(*np.meshgrid(pixels, pixels))
    kappa = clm.NFW(MASS, C, redshift=Z).convergence(radius, 1.0)
    ratios = []
    for fit in ({}, {"bin_average": False}):
        massmod = clm.CLMassMod(
            {
                "concentration": C,
                "sources": {"redshift": 1.0},
                "noise": {"density": 1000.0, "shape_noise": 1e-3},
                "binning": {"r_min": 0.5, "r_max": 2.5, "n_bins": 4},
                "fit": fit,
            }
        )
        massmod.obs_kappa_map = clm.KappaMap(kappa, 0.04, redshift=Z, sources=1.0, id="halo")
        ratios.append(massmod.fit_mass_profiles("curvefit")[0][0].mass / MASS)
    assert ratios[0] == pytest.approx(1.0, abs=5e-3)
    assert ratios[1] - ratios[0] > 0.01


def test_data_without_bins_are_taken_at_their_radii():
    with_bins = observable(EDGES[:-1], EDGES[1:])
    without = with_bins.replace(radius_min=None, radius_max=None)
    mass = np.array([[2e14], [-5e14], [9e14]])
    expected = massmod_of([with_bins], fit={"bin_average": False}).likelihood().predict(mass)
    np.testing.assert_array_equal(massmod_of([without]).likelihood().predict(mass), expected)
    with pytest.raises(ParameterError, match="radius_min"):
        massmod_of([without], fit={"bin_average": True}).likelihood()
    averaged = massmod_of([with_bins]).likelihood().predict(mass)[0]
    assert np.all(averaged / expected[0] > 1.001)


def test_excess_surface_density_behind_no_source_has_no_correction():
    """<Sigma_crit^-1> of 0 is that of no convergence, not 0 / 0."""
    radius = np.sqrt(EDGES[1:] * EDGES[:-1])
    data = clm.DeltaSigma(
        radius,
        1e14 / radius,
        1e13 / radius,
        redshift=Z,
        radius_min=EDGES[:-1],
        radius_max=EDGES[1:],
    )
    mass = np.array([[2e14], [-5e14]])
    for fit in ({}, {"bin_average": False}):
        expected = massmod_of([data], fit=fit).likelihood().predict(mass)[0]
        other = data.replace(inverse_critical_surface_density=0.0)
        found = massmod_of([other], fit=fit).likelihood().predict(mass)[0]
        np.testing.assert_array_equal(found, expected)


def sample(kind):
    """Three clusters with bins of their own, and of different number."""
    data = []
    for i, (z, n) in enumerate([(0.25, 5), (0.4, 9), (0.6, 7)]):
        edges = np.geomspace(0.2 + 0.1 * i, 3.0, n + 1)
        source = {
            "plane": 1.1,
            "n(z)": clm.SourceDistribution(np.linspace(0.3, 1.5, 5 + i), np.ones(5 + i)),
            "moments": clm.BetaMoments(0.4 + 0.05 * i, 0.2 + 0.05 * i),
            "delta_sigma": None,
        }[kind]
        one = observable(edges[:-1], edges[1:], redshift=z, id=f"c{i}", sources=source)
        if kind == "delta_sigma":
            one = clm.DeltaSigma(
                one.radius,
                1e14 / one.radius,
                1e13 / one.radius,
                redshift=z,
                radius_min=edges[:-1],
                radius_max=edges[1:],
                boost=1.0 + 0.1 / one.radius if i == 1 else None,
                inverse_critical_surface_density=2e-16,
                id=f"c{i}",
            )
        data.append(one)
    return data


@pytest.mark.parametrize("kind", ["plane", "n(z)", "moments", "delta_sigma"])
def test_samples_are_each_cluster_alone(kind, monkeypatch):
    """To the rounding of sums, a few clusters at a time or all together; threads change no bit."""
    massmod = massmod_of(sample(kind))
    mass = np.array([[-3e14], [0.0], [1e14], [9e14], [4e15]])
    together = massmod.sample_likelihood().log_likelihood(mass)
    alone = [massmod.likelihood(f"c{i}").log_likelihood(mass) for i in range(3)]
    assert together == pytest.approx(np.array(alone), rel=1e-12)
    for n_threads in (2, 3):
        again = massmod.sample_likelihood().log_likelihood(mass, n_threads=n_threads)
        np.testing.assert_array_equal(again, together)
    monkeypatch.setattr(sample_likelihood, "_VALUES", 1)
    np.testing.assert_array_equal(massmod.sample_likelihood().log_likelihood(mass), together)


def test_samples_of_some_with_bins_and_some_without():
    data = sample("plane")
    data[1] = data[1].replace(radius_min=None, radius_max=None)
    massmod = massmod_of(data)
    mass = np.array([[-3e14], [1e14], [9e14]])
    together = massmod.sample_likelihood().log_likelihood(mass)
    for i in range(3):
        alone = massmod.likelihood(f"c{i}").log_likelihood(mass)
        np.testing.assert_array_equal(together[i], alone)
