"""Shapes, bits, and what a wrong call of the lens engine is told."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from clmassmod.errors import ParameterError
from clmassmod.stronglens import (
    LensModel,
    ProfileLens,
    invert_einstein_radius,
    invert_images,
    solve_images,
)

COUNT = 501
FIELDS = ("deflection", "convergence", "shear", "magnification")
RADII = ("einstein_radius", "radial_critical_radius", "caustic_radius")
IMAGES = ("x_a", "x_b", "x_c", "mu_a", "mu_b", "mu_c", "time_delay", "status", *RADII)


def many(count=COUNT):
    """Return arguments of lenses of all kinds, some of them without ring or radial curve."""
    random = np.random.default_rng(5)
    return {
        "log_mstar": random.uniform(9.0, 12.0, count),
        "log_mhalo": random.uniform(11.0, 14.5, count),
        "log_re": random.uniform(0.0, 1.5, count),
        "z_l": random.uniform(0.1, 0.9, count),
        "z_s": random.uniform(1.0, 3.0, count),
        "gamma_in": random.uniform(0.0, 2.5, count),
        "c200": random.uniform(2.0, 12.0, count),
        "sersic_n": random.choice([1.0, 4.0], count),
    }, random.uniform(0.0, 6.0, count)


# -- bits -----------------------------------------------------------------------------------------


def test_same_bits_for_any_number_of_threads():
    arguments, beta = many()
    model = LensModel(**arguments)
    first, solved = model.structure(), solve_images(model, beta)
    for n_threads in (1, 2, 3):
        again = model.structure(n_threads=n_threads)
        for name in (*RADII, "status"):
            np.testing.assert_array_equal(getattr(again, name), getattr(first, name), name)
        images = solve_images(LensModel(**arguments), beta, n_threads=n_threads)
        for name in IMAGES:
            np.testing.assert_array_equal(getattr(images, name), getattr(solved, name), name)


def test_same_bits_one_by_one():
    arguments, beta = many()
    model = LensModel(**arguments)
    images, structure = solve_images(model, beta), model.structure()
    for i in range(0, COUNT, 25):
        one = LensModel(**{name: values[i] for name, values in arguments.items()})
        alone = solve_images(one, beta[i])
        for name in IMAGES:
            np.testing.assert_array_equal(getattr(alone, name), getattr(images, name)[i], name)
        for name in RADII:
            np.testing.assert_array_equal(getattr(one, name)(), getattr(structure, name)[i], name)
        for name in FIELDS:
            both = getattr(one, name)(3.0), getattr(model, name)(3.0)[i]
            np.testing.assert_array_equal(*both, name)


def test_same_bits_of_any_part():
    arguments, beta = many()
    whole = solve_images(LensModel(**arguments), beta)
    part = slice(100, 137)
    some = {name: values[part] for name, values in arguments.items()}
    images = solve_images(LensModel(**some), beta[part])
    for name in IMAGES:
        np.testing.assert_array_equal(getattr(images, name), getattr(whole, name)[part], name)


def test_inversions_one_by_one():
    arguments, beta = many()
    images = solve_images(LensModel(**arguments), beta)
    pairs = np.flatnonzero(np.isfinite(images.x_b) & np.isfinite(images.x_a))
    assert pairs.size > 100
    known = {name: values[pairs] for name, values in arguments.items() if name != "log_mstar"}
    x_a, x_b = images.x_a[pairs], images.x_b[pairs]
    whole = invert_images(x_a, x_b, **known)
    rings = invert_einstein_radius(x_a, **known)
    for i in range(0, pairs.size, 20):
        own = {name: values[i] for name, values in known.items()}
        alone = invert_images(x_a[i], x_b[i], **own)
        for name in ("log_mstar", "beta", "jacobian", "mu_a", "mu_b", "status"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(whole, name)[i], name)
        ring = invert_einstein_radius(x_a[i], **own)
        for name in ("log_mstar", "jacobian", "status"):
            np.testing.assert_array_equal(getattr(ring, name), getattr(rings, name)[i], name)


def test_pickle():
    model = LensModel([11.4, 11.6], 13.0, 0.9, gamma_in=1.2)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.einstein_radius(), model.einstein_radius())


# -- shapes ---------------------------------------------------------------------------------------


def test_scalars_give_floats():
    model = LensModel(11.5, 13.0, 0.9)
    assert model.shape == ()
    values = [getattr(model, name)(2.0) for name in FIELDS]
    values += [getattr(model, name)() for name in RADII]
    values += [model.halo_mass_within(2.0), model.time_delay(1.0), model.kpc_per_arcsec]
    images = solve_images(model, 1.0)
    values += [getattr(images, name) for name in ("x_a", "x_b", "mu_a", "mu_b", "time_delay")]
    inverse = invert_images(6.0, -3.0, 13.0, 0.9)
    values += [inverse.log_mstar, inverse.beta, inverse.jacobian]
    values += [invert_einstein_radius(5.0, 13.0, 0.9).log_mstar]
    for value in values:
        assert np.ndim(value) == 0
        assert isinstance(value, float)


def test_arrays_pair_elementwise():
    model = LensModel([11.3, 11.5, 11.7], 13.0, 0.9)
    assert model.shape == (3,)
    for name in FIELDS:
        assert getattr(model, name)(2.0).shape == (3,)
        assert getattr(model, name)([1.0, 2.0, 3.0]).shape == (3,)
    for name in RADII:
        assert getattr(model, name)().shape == (3,)
    assert solve_images(model, 0.5).x_a.shape == (3,)
    assert solve_images(model, [0.5, 0.6, 0.7]).x_b.shape == (3,)
    assert model.time_delay([0.5, 0.6, 0.7]).shape == (3,)


def test_one_lens_many_radii_and_sources():
    model = LensModel(11.5, 13.0, 0.9)
    x = np.array([1.0, 2.0, 3.0, 4.0])
    for name in FIELDS:
        values = getattr(model, name)(x)
        np.testing.assert_array_equal(values, [getattr(model, name)(r) for r in x], name)
    beta = np.array([0.0, 0.5, 1.0, 40.0])
    images = solve_images(model, beta)
    assert images.x_a.shape == (4,)
    np.testing.assert_array_equal(images.x_b[:3], [solve_images(model, b).x_b for b in beta[:3]])


def test_broadcast_of_an_inversion():
    result = invert_images(6.5, -3.0, np.linspace(12.0, 13.5, 5)[:, None], [0.8, 0.9])
    assert np.shape(result.log_mstar) == (5, 2)
    assert np.shape(result.status) == (5, 2)


def test_empty():
    model = LensModel([], 13.0, 0.9)
    assert model.einstein_radius().shape == (0,)
    assert solve_images(model, 1.0).x_a.shape == (0,)


# -- wrong calls ----------------------------------------------------------------------------------

LENS = {"log_mstar": 11.5, "log_mhalo": 13.0, "log_re": 0.9}
DEFAULTS = {**LENS, "z_l": 0.3, "z_s": 2.0, "gamma_in": 1.0, "c200": 5.0, "sersic_n": 4.0}
WRONG_LENSES = [
    ("log_mstar", math.nan, ""),
    ("log_mhalo", math.inf, ""),
    ("log_re", math.nan, ""),
    ("z_l", -0.1, "0"),
    ("z_l", math.nan, "0"),
    ("z_s", 0.3, "z_l"),
    ("z_s", 0.2, "z_l"),
    ("z_s", math.nan, "finite"),
    ("gamma_in", 3.0, "3"),
    ("gamma_in", -0.1, "0"),
    ("gamma_in", math.nan, "3"),
    ("c200", 0.0, "0"),
    ("c200", -5.0, "0"),
    ("sersic_n", 0.3, "0.5"),
    ("sersic_n", math.nan, "0.5"),
    ("halo", "m500", "m200c"),
]


def told(caught, name, value, allowed):
    """Check that an error names the argument, its value and what is allowed."""
    error = caught.value
    assert error.name.split(".")[0].split("[")[0] == name
    if isinstance(value, float) and math.isnan(value):
        assert "nan" in str(error)
    else:
        assert str(value).rstrip("0").rstrip(".") in str(error)
    assert allowed in error.allowed


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG_LENSES)
def test_wrong_lenses(name, value, allowed):
    with pytest.raises(ParameterError) as caught:
        LensModel(**{**LENS, name: value})
    told(caught, name, value, allowed)
    if name == "halo":
        return
    # one wrong lens among others
    with pytest.raises(ParameterError) as caught:
        LensModel(**{**LENS, name: [DEFAULTS[name], value]})
    told(caught, name, value, allowed)


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG_LENSES)
def test_wrong_inversions(name, value, allowed):
    if name == "log_mstar":
        return
    known = {"log_mhalo": 13.0, "log_re": 0.9, name: value}
    with pytest.raises(ParameterError) as caught:
        invert_images(6.0, -3.0, **known)
    told(caught, name, value, allowed)
    with pytest.raises(ParameterError) as caught:
        invert_einstein_radius(5.0, **known)
    told(caught, name, value, allowed)


@pytest.mark.parametrize("method", FIELDS)
@pytest.mark.parametrize("x", [-1.0, 0.0, math.nan, [1.0, -2.0]])
def test_wrong_radii(method, x):
    with pytest.raises(ParameterError) as caught:
        getattr(LensModel(**LENS), method)(x)
    assert caught.value.name.split("[")[0] in ("x", "radius")
    assert "> 0" in caught.value.allowed


@pytest.mark.parametrize("r", [-1.0, math.nan])
def test_wrong_radius_of_the_halo(r):
    with pytest.raises(ParameterError, match="> 0"):
        LensModel(**LENS).halo_mass_within(r)


@pytest.mark.parametrize("beta", [-1e-3, math.nan, math.inf, [0.5, -0.5]])
def test_wrong_sources(beta):
    for call in (lambda b: solve_images(LensModel(**LENS), b), LensModel(**LENS).time_delay):
        with pytest.raises(ParameterError) as caught:
            call(beta)
        assert caught.value.name.split("[")[0] == "beta"
        assert ">= 0" in caught.value.allowed


@pytest.mark.parametrize(
    ("x_a", "x_b", "name", "allowed"),
    [
        (6.0, 3.0, "x_b", "< 0"),
        (6.0, 0.0, "x_b", "< 0"),
        (-6.0, -3.0, "x_a", "> 0"),
        (math.nan, -3.0, "x_a", "> 0"),
        (6.0, math.nan, "x_b", "< 0"),
        ([6.0, 7.0], [-3.0, 3.0], "x_b", "< 0"),
    ],
)
def test_wrong_images(x_a, x_b, name, allowed):
    with pytest.raises(ParameterError) as caught:
        invert_images(x_a, x_b, 13.0, 0.9)
    assert caught.value.name.split("[")[0] == name
    assert allowed in caught.value.allowed


@pytest.mark.parametrize("radius", [-1.0, 0.0, math.nan])
def test_wrong_einstein_radii(radius):
    with pytest.raises(ParameterError, match="> 0") as caught:
        invert_einstein_radius(radius, 13.0, 0.9)
    assert caught.value.name.split("[")[0] == "einstein_radius"


def test_mismatched_shapes():
    with pytest.raises(ParameterError, match=r"\(2,\).*\(3,\)"):
        LensModel([11.0, 11.5], [13.0, 13.1, 13.2], 0.9)
    model = LensModel([11.0, 11.5], 13.0, 0.9)
    for call in (model.deflection, model.time_delay, lambda b: solve_images(model, b)):
        with pytest.raises(ParameterError, match=r"\(3,\)"):
            call([1.0, 2.0, 3.0])
    with pytest.raises(ParameterError, match=r"\(2,\).*\(3,\)"):
        invert_images([6.0, 7.0], [-3.0, -2.0, -1.0], 13.0, 0.9)


def test_inner_mass_needs_a_scale_radius():
    with pytest.raises(ParameterError, match="scale_radius"):
        LensModel(11.5, 11.0, 0.9, halo="m5kpc")
    with pytest.raises(ParameterError, match="scale_radius"):
        LensModel(11.5, 11.0, 0.9, halo="m5kpc", scale_radius=-3.0)


def test_wrong_profile_lenses():
    import clmassmod as clm

    halo = clm.NFW(1e13, 5.0, 0.3)
    with pytest.raises(ParameterError, match=r"z_s.*0\.3"):
        ProfileLens(halo, 0.3)
    with pytest.raises(ParameterError, match="profile"):
        ProfileLens("NFW", 2.0)
    with pytest.raises(ParameterError, match="> 0"):
        ProfileLens(halo, 2.0).deflection(-1.0)
