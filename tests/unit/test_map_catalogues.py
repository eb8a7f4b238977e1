"""Maps fitted by CLMassMod: mock galaxies and profiles made under the hood, or step by step."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

import clmassmod as clm
from clmassmod.errors import ConfigError, ParameterError
from clmassmod.galaxies import FieldOfView, MockGalaxies, build_profile
from clmassmod.sources import BetaMoments

HALO = clm.NFW(1e15, 4.0, redshift=0.3)
N, PIXEL = 96, 0.1
CONFIGURATION = {
    "concentration": 4.0,
    "sources": {"redshift": 1.0},
    "binning": {"r_min": 0.8, "r_max": 3.0, "n_bins": 8},
    "noise": {"density": 40.0},
}


def surface_density():
    """The halo on a grid, each pixel the mean over 4 x 4 points of it."""
    fine = PIXEL * ((np.arange(4 * N) + 0.5) / 4.0 - 0.5 * N)
    radius = np.hypot(*np.meshgrid(fine, fine))
    values = np.asarray(HALO.surface_density(radius))
    return values.reshape(N, 4, N, 4).mean(axis=(1, 3))


SIGMA = surface_density()


def mass_map(name="a", **changes):
    # the halo alone: zero is the mean universe
    given = {"redshift": 0.3, "id": name, "metadata": {"background": "none"}, **changes}
    return clm.MassMap(SIGMA, PIXEL, **given)


def test_the_mass_behind_a_map_is_recovered():
    massmod = clm.CLMassMod({**CONFIGURATION, "noise": {"density": 40.0, "shape_noise": 0.05}})
    massmod.obs_mass_map = mass_map()
    profile = massmod.fit_mass_profiles("curvefit")[0][0]
    assert (profile.halo_id, profile.status) == ("a", "ok")
    # the mass that the map lacks at its edge: 1 %
    assert abs(profile.mass - 1e15) < 4.0 * np.mean(profile.errors["mass"]) + 0.01e15


def test_a_map_gives_the_shear_of_its_profile():
    mock = MockGalaxies(300.0, 1.0, FieldOfView.circle(3.0, unit="Mpc"), shape_noise=0.0)
    massmod = clm.CLMassMod(CONFIGURATION)
    massmod.obs_mass_map = mass_map()
    (catalogue,) = massmod.make_catalog(mock=mock)["a"]
    edges = np.array([1.0, 1.5, 2.0, 3.0])
    profile = build_profile(catalogue, 0.3, bins=edges)
    expected = [
        quad(lambda r: r * float(HALO.reduced_tangential_shear(r, 1.0)), a, b)[0]
        / (0.5 * (b**2 - a**2))
        for a, b in pairwise(edges)
    ]
    # the galaxies sample the bins to 1e-3; a map of 9.6 Mpc lacks the corners beyond it
    np.testing.assert_allclose(profile.g_t, expected, rtol=5e-3)


def test_make_catalog_is_the_step_of_a_fit():
    first, second = clm.CLMassMod(CONFIGURATION), clm.CLMassMod(CONFIGURATION)
    for massmod in (first, second):
        massmod.obs_mass_map = [mass_map("a"), mass_map("b")]
    masses = [p.mass for p in first.fit_mass_profiles("curvefit")[0]]
    assert masses[0] != masses[1]
    catalogues = second.make_catalog()
    assert list(catalogues) == ["a", "b"]
    assert [p.mass for p in second.fit_mass_profiles("curvefit")[0]] == masses
    by_hand = build_profile(
        catalogues["b"][0], 0.3, bins=np.geomspace(0.8, 3.0, 9)
    ).to_gamma_theta()
    np.testing.assert_allclose(by_hand.values, second.objects()["b"][0].values, rtol=1e-12)
    # another seed, other galaxies; and alone, a halo has the same
    other = second.make_catalog(seed=5)
    assert other["a"][0] != catalogues["a"][0]
    assert not second.out_data_profiles
    second.obs_mass_map = mass_map("b")
    assert second.make_catalog()["b"][0] == catalogues["b"][0]


def test_a_convergence_map_brings_its_sources():
    massmod = clm.CLMassMod({**CONFIGURATION, "sources": {}})
    massmod.obs_kappa_map = mass_map().convergence(1.2, background=0.0)
    (catalogue,) = massmod.make_catalog()["a"]
    assert set(catalogue["z"]) == {1.2}
    massmod.obs_kappa_map = mass_map().convergence(BetaMoments(0.6), background=0.0)
    with pytest.raises(ConfigError, match="sources"):
        massmod.make_catalog()
    massmod.obs_kappa_map = None
    massmod.obs_mass_map = mass_map()
    with pytest.raises(ConfigError, match="sources"):
        massmod.fit_mass_profiles("curvefit")


def test_profiles_and_maps_of_different_haloes_are_fitted_side_by_side():
    massmod = clm.CLMassMod(CONFIGURATION)
    radius = np.linspace(1.0, 3.0, 4)
    shear = HALO.reduced_tangential_shear(radius, 1.0)
    massmod.obs_gamma_theta = clm.GammaTheta(
        radius, shear, np.full(4, 0.01), redshift=0.3, sources=1.0, id="a"
    )
    massmod.obs_mass_map = mass_map("b")
    first, second = massmod.fit_mass_profiles("curvefit")[0]
    assert (first.halo_id, second.halo_id) == ("a", "b")
    assert first.mass == pytest.approx(1e15, rel=1e-6)
    assert abs(second.mass - 1e15) < 4.0 * np.mean(second.errors["mass"])


def test_both_views_of_a_halo_have_noise_of_their_own():
    massmod = clm.CLMassMod(CONFIGURATION)
    massmod.obs_mass_map = mass_map()
    massmod.obs_kappa_map = mass_map().convergence(1.0, background=0.0)
    with pytest.raises(ParameterError, match="count twice"):
        massmod.make_catalog()
    massmod.allow_same_data = True
    both = massmod.make_catalog()["a"]
    assert len(both) == 2
    assert both[0] != both[1]
    assert [one.id for one in both] == ["a", "a"]


def test_refused():
    massmod = clm.CLMassMod({**CONFIGURATION, "binning": {"r_max": 6.0}})
    massmod.obs_mass_map = mass_map("small one")
    with pytest.raises(ParameterError, match=r"small one.*r_max"):
        massmod.make_catalog()
    with pytest.raises(ParameterError, match="mock"):
        massmod.make_catalog(mock=3.0)
