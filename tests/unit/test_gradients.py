"""Analytic derivatives of haloes; each profile's own are in the contract battery."""

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.errors import ParameterError

R = np.geomspace(0.05, 4.0, 7)
LENSING = ("convergence", "tangential_shear", "reduced_tangential_shear", "magnification")
SOURCES = {
    "plane": 1.1,
    "plane per point": np.linspace(0.2, 2.0, R.size),
    "distribution": clm.SourceDistribution(np.array([0.2, 0.6, 1.4]), np.array([0.2, 0.5, 0.3])),
    "moments": clm.BetaMoments(0.6, 0.4),
}


def differences(halo, name, parameter, *arguments):
    """Richardson-extrapolated differences by `parameter`, good to about 1e-10."""
    value = getattr(halo, parameter)

    def at(step):
        changed = halo.replace(**{parameter: value * np.exp(step)})
        return getattr(changed, name)(R, *arguments)

    one, two, three = ((at(k * 1e-3) - at(-k * 1e-3)) / (2e-3 * k) for k in (1, 2, 3))
    by_log = 1.5 * one - 0.6 * two + 0.1 * three
    return by_log / (value[:, None] if np.ndim(value) else value)


@pytest.mark.parametrize("sources", SOURCES)
@pytest.mark.parametrize("name", LENSING)
def test_lensing(name, sources):
    halo = clm.NFW(5e14, 4.0, redshift=0.3)
    found = halo.gradient(name, R, SOURCES[sources])
    for parameter, actual in found.items():
        expected = differences(halo, name, parameter, SOURCES[sources])
        np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["density", "excess_surface_density", "enclosed_mass_2d"])
def test_many_haloes(name):
    halo = clm.BMO(np.array([1e14, 1e15]), np.array([7.0, 3.0]), redshift=0.3, truncation=5.0)
    for parameter, actual in halo.gradient(name, R).items():
        expected = differences(halo, name, parameter)
        assert actual.shape == (2, R.size)
        np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())


def test_shapes_follow_the_radius():
    one, two = clm.NFW(5e14, 4.0, 0.3), clm.NFW(np.array([1e14, 5e14]), 4.0, 0.3)
    assert np.ndim(one.gradient("surface_density", 1.0)["mass"]) == 0
    assert one.gradient("surface_density", np.ones((2, 3)))["mass"].shape == (2, 3)
    assert two.gradient("surface_density", 1.0)["mass"].shape == (2,)
    assert two.gradient("surface_density", np.ones((2, 3)))["mass"].shape == (2, 3)
    assert two.gradient("convergence", R, np.array([0.8, 1.2]))["mass"].shape == (2, R.size)


def test_quantities():
    from astropy import units as u

    halo = clm.NFW(5e14, 4.0, 0.3)
    found = halo.gradient("excess_surface_density", 500.0 * u.kpc)
    assert found["mass"].unit == u.Unit("1 / Mpc2")
    assert found["concentration"].unit == u.Unit("Msun / Mpc2")
    plain = halo.gradient("excess_surface_density", 0.5)
    assert found["concentration"].value == plain["concentration"]
    assert halo.gradient("convergence", 500.0 * u.kpc, 1.0)["mass"].unit == u.Unit("1 / Msun")


def test_threads_give_the_same_bits():
    radii = np.geomspace(0.01, 10.0, 9001)
    halo = clm.NFW(5e14, 4.0, 0.3)
    one = halo.gradient("reduced_tangential_shear", radii, 1.0)
    for n_threads in (2, 3, 7):
        other = halo.gradient("reduced_tangential_shear", radii, 1.0, n_threads=n_threads)
        for parameter, values in one.items():
            np.testing.assert_array_equal(other[parameter], values)


def test_sources_in_front_have_no_gradient():
    halo = clm.NFW(5e14, 4.0, 0.3)
    for name in LENSING:
        for values in halo.gradient(name, R, 0.2).values():
            np.testing.assert_array_equal(values, np.zeros(R.size))


def test_bad_arguments():
    halo = clm.NFW(5e14, 4.0, 0.3)
    with pytest.raises(ParameterError, match="surface_density"):
        halo.gradient("surfce_density", R)
    with pytest.raises(ParameterError, match="z_s"):
        halo.gradient("convergence", R)
    with pytest.raises(ParameterError, match="z_s"):
        halo.gradient("surface_density", R, 1.0)
    with pytest.raises(ParameterError, match="index 1"):
        halo.gradient("surface_density", np.array([1.0, -1.0]))
