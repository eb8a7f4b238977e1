"""The simulated sample: reproducible, of the right mean, noise and truth."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats

import clmassmod as clm
from clmassmod.cluster.simulation import bin_edges, simulate_sample
from clmassmod.errors import ConfigError

CONFIG = {
    "seed": 3,
    "sources": {"redshift": 1.2},
    "simulation": {"n_clusters": 5},
    "noise": {"density": 20.0},
}


def quiet(**changes):
    """A configuration with so many galaxies that noise is negligible."""
    return CONFIG | {"noise": {"density": 1e16}} | changes


def test_the_same_seed_gives_the_same_sample_and_another_does_not():
    first, again = simulate_sample(CONFIG), simulate_sample(CONFIG)
    assert first.observables == again.observables
    assert first.true_masses == again.true_masses
    other = simulate_sample(CONFIG | {"seed": 4})
    assert all(a != b for a, b in zip(first.observables, other.observables, strict=True))


def test_a_cluster_does_not_depend_on_the_others():
    few = simulate_sample(CONFIG)
    many = simulate_sample(CONFIG | {"simulation": {"n_clusters": 9}})
    assert many.observables[:5] == few.observables
    assert list(many.true_masses.items())[:5] == list(few.true_masses.items())


def test_truth_and_noise_are_different_random_numbers():
    loud = simulate_sample(CONFIG | {"noise": {"density": 5.0}})
    assert loud.true_masses == simulate_sample(CONFIG).true_masses


def test_masses_and_redshifts_are_uniform_in_their_ranges():
    limits = {"mass_min": 1e14, "mass_max": 1e15, "redshift_min": 0.1, "redshift_max": 0.5}
    config = CONFIG | {"simulation": {"n_clusters": 300} | limits}
    truth = simulate_sample(config | {"concentration": 4.0, "binning": {"n_bins": 1}}).truth
    u = np.log(truth["mass"].to_value("Msun") / 1e14) / math.log(10.0)
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    assert stats.kstest((truth["redshift"] - 0.1) / 0.4, "uniform").pvalue > 1e-4
    assert set(truth["concentration"]) == {4.0}


def test_truth_has_the_concentration_of_the_relation():
    sample = simulate_sample(CONFIG | {"mass_def": "500c"})
    for row in sample.truth:
        expected = clm.concentration(
            row["mass"].to_value("Msun"), row["redshift"], mass_def="500c", relation="duffy08"
        )
        assert row["mass_def"] == "500c"
        assert row["concentration"] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("spacing", ["log", "linear"])
def test_expected_value_is_the_mean_over_the_area_of_the_bin(spacing):
    binning = {"r_min": 0.3, "r_max": 2.0, "n_bins": 3, "spacing": spacing}
    sample = simulate_sample(quiet(binning=binning))
    edges = bin_edges(binning | {"edges": None})
    for data, row in zip(sample.observables, sample.truth, strict=True):
        halo = clm.NFW(row["mass"].to_value("Msun"), row["concentration"], row["redshift"])
        for i, (a, b) in enumerate(pairwise(edges)):
            total, _ = integrate.quad(
                lambda r, h=halo: r * h.reduced_tangential_shear(r, 1.2), a, b, epsrel=1e-11
            )
            assert data.values[i] == pytest.approx(2.0 * total / (b**2 - a**2), rel=2e-7)
            mean_radius = 2.0 / 3.0 * (b**3 - a**3) / (b**2 - a**2)
            assert data.radius[i] == pytest.approx(mean_radius, rel=1e-13)


def test_errors_are_shape_noise_over_the_root_of_the_galaxies():
    config = CONFIG | {"noise": {"shape_noise": 0.3, "density": 12.0}}
    for data in simulate_sample(config).observables:
        distance = float(clm.cosmology.angular_diameter_distance(data.redshift))
        edges = np.geomspace(0.2, 3.0, 11) / distance * (180.0 * 60.0 / math.pi)
        n = 12.0 * math.pi * (edges[1:] ** 2 - edges[:-1] ** 2)
        assert data.n_galaxies == pytest.approx(n, rel=1e-12)
        assert data.errors == pytest.approx(0.3 / np.sqrt(n), rel=1e-12)


def test_noise_is_standard_normal_in_units_of_the_errors():
    noisy = simulate_sample(CONFIG | {"simulation": {"n_clusters": 60}})
    clean = simulate_sample(quiet(simulation={"n_clusters": 60}))
    pairs = zip(noisy.observables, clean.observables, strict=True)
    pulls = np.concatenate([(a.values - b.values) / a.errors for a, b in pairs])
    assert stats.kstest(pulls, "norm").pvalue > 1e-4
    by_bin = pulls.reshape(60, -1)
    correlation = np.corrcoef(by_bin.T) - np.eye(by_bin.shape[1])
    assert np.abs(correlation).max() < 5.0 / math.sqrt(60.0)


def test_sources_of_a_distribution_dilute_the_signal():
    # brute force: shear and convergence of every node by itself, averaged over n(z) and the bin
    binning = {"r_min": 0.3, "r_max": 2.0, "n_bins": 3}
    near = simulate_sample(quiet(sources={"distribution": "chang2013"}, binning=binning))
    sources = clm.SourceDistribution.chang2013()
    edges = np.geomspace(0.3, 2.0, 4)
    x, w = np.polynomial.legendre.leggauss(24)
    for data, row in zip(near.observables, near.truth, strict=True):
        halo = clm.NFW(row["mass"].to_value("Msun"), row["concentration"], row["redshift"])
        for i, (a, b) in enumerate(pairwise(edges)):
            radius = 0.5 * (a + b) + 0.5 * (b - a) * x
            total = np.zeros(radius.size)
            for z, weight in zip(sources.redshift, sources.weight, strict=True):
                if z > row["redshift"]:  # sources in front have no shear, and count
                    shear = halo.tangential_shear(radius, float(z))
                    total += weight * shear / (1.0 - halo.convergence(radius, float(z)))
            expected = np.sum(w * radius * total) / np.sum(w * radius)
            assert data.values[i] == pytest.approx(expected, rel=2e-7)
        alone = halo.reduced_tangential_shear(data.radius, float(sources.redshift.max()))
        assert (data.values < alone).all()
        assert data.sources == sources


@pytest.mark.parametrize("sources", [{}, {"files": "nz_{id}.txt"}])
def test_sources_must_be_stated(sources):
    with pytest.raises(ConfigError, match=r"\[sources\]"):
        simulate_sample(CONFIG | {"sources": sources})


def test_edges_of_the_bins():
    given = {"edges": [0.1, 0.5, 2.0]}
    assert len(simulate_sample(CONFIG | {"binning": given}).observables[0]) == 2


def test_fits_average_over_the_bins_and_find_the_masses():
    """The profiles know their bins: without noise masses are right; at mean radii 0.7 % high."""
    sample = simulate_sample(quiet(simulation={"n_clusters": 8}))
    true = np.array(list(sample.true_masses.values()))
    ratio = []
    for fit in ({}, {"bin_average": False}):
        massmod = clm.CLMassMod({"fit": fit})
        massmod.obs_gamma_theta = sample.observables
        found = [one.mass for one in massmod.fit_mass_profiles("curvefit")[0]]
        ratio.append(np.array(found) / true)
    np.testing.assert_allclose(ratio[0], 1.0, rtol=1e-5)  # averages are good to 1e-7
    assert all(1.004 < r < 1.010 for r in ratio[1])  # as the documentation states
