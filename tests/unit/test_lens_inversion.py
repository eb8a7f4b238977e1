"""Inversion of image pairs and Einstein radii: round trips, Jacobians, validity."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clmassmod.stronglens import (
    LensModel,
    LensStatus,
    invert_einstein_radius,
    invert_images,
    solve_images,
)

from lens_twin import Twin

HALO = ("log_mhalo", "log_re")
OPTIONS = ("z_l", "z_s", "gamma_in", "c200", "sersic_n")
COUNT = 40


@pytest.fixture(scope="module")
def lenses():
    """Arguments (n,) of lenses with a ring, and sources within their caustics."""
    random = np.random.default_rng(99)
    arguments = {
        "log_mstar": random.uniform(11.0, 12.0, COUNT),
        "log_mhalo": random.uniform(12.0, 13.8, COUNT),
        "log_re": random.uniform(0.5, 1.2, COUNT),
        "z_l": random.uniform(0.2, 0.7, COUNT),
        "z_s": random.uniform(1.2, 2.5, COUNT),
        "gamma_in": random.uniform(0.2, 1.8, COUNT),
        "c200": random.uniform(3.0, 9.0, COUNT),
        "sersic_n": np.full(COUNT, 4.0),
    }
    beta = random.uniform(0.1, 0.85, COUNT) * LensModel(**arguments).caustic_radius()
    assert np.all(beta > 0.0)
    return arguments, beta


def known(arguments):
    """Return what the inversions are given beside the images."""
    return [arguments[name] for name in HALO], {name: arguments[name] for name in OPTIONS}


def derivative(function, at, step):
    """Return df/dx by five points, with an error of step^4."""
    inner = function(at + step) - function(at - step)
    outer = function(at + 2.0 * step) - function(at - 2.0 * step)
    return (8.0 * inner - outer) / (12.0 * step)


def test_round_trip(lenses):
    arguments, beta = lenses
    images = solve_images(LensModel(**arguments), beta)
    positional, options = known(arguments)
    inverse = invert_images(images.x_a, images.x_b, *positional, **options)
    assert np.all(inverse.status == LensStatus.ok)
    # the 1e-12 theta_E of the images, amplified where both deflections are mostly the halo's
    np.testing.assert_allclose(inverse.log_mstar, arguments["log_mstar"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(inverse.beta, beta, rtol=1e-10)
    # the magnifications amplify it by themselves
    np.testing.assert_allclose(inverse.mu_a, images.mu_a, rtol=1e-9)
    np.testing.assert_allclose(inverse.mu_b, images.mu_b, rtol=1e-9)


def test_jacobian_of_the_images(lenses):
    arguments, beta = lenses
    images = solve_images(LensModel(**arguments), beta)

    def positions(log_mstar, beta):
        solved = solve_images(LensModel(**{**arguments, "log_mstar": log_mstar}), beta)
        return np.stack((solved.x_a, solved.x_b))

    by_mass = derivative(lambda m: positions(m, beta), arguments["log_mstar"], 1e-3)
    by_source = derivative(lambda b: positions(arguments["log_mstar"], b), beta, 1e-3 * beta)
    determinant = by_mass[0] * by_source[1] - by_mass[1] * by_source[0]
    positional, options = known(arguments)
    inverse = invert_images(images.x_a, images.x_b, *positional, **options)
    # issue 3: truncation 1e-12 times a fifth derivative, rounding 1e-12 / 1e-3
    np.testing.assert_allclose(inverse.jacobian * np.abs(determinant), 1.0, rtol=1e-7)


def test_jacobian_in_the_direction_of_the_inversion(lenses):
    arguments, beta = lenses
    images = solve_images(LensModel(**arguments), beta)
    positional, options = known(arguments)

    def parameters(x_a, x_b):
        inverse = invert_images(x_a, x_b, *positional, **options)
        return np.stack((inverse.log_mstar, inverse.beta))

    by_a = derivative(lambda x: parameters(x, images.x_b), images.x_a, 1e-3 * images.x_a)
    by_b = derivative(lambda x: parameters(images.x_a, x), images.x_b, 1e-3 * images.x_b)
    determinant = by_a[0] * by_b[1] - by_a[1] * by_b[0]
    inverse = invert_images(images.x_a, images.x_b, *positional, **options)
    np.testing.assert_allclose(inverse.jacobian, np.abs(determinant), rtol=1e-7)


def test_against_the_twin(lenses):
    arguments, beta = lenses
    positional, options = known(arguments)
    for i in range(0, COUNT, 4):
        twin = Twin(**{name: float(values[i]) for name, values in arguments.items()})
        images = twin.images(beta[i])
        own = {name: values[i] for name, values in options.items()}
        inverse = invert_images(images.x_a, images.x_b, *(v[i] for v in positional), **own)
        assert inverse.log_mstar == pytest.approx(arguments["log_mstar"][i], abs=1e-8)
        assert inverse.beta == pytest.approx(beta[i], rel=1e-8)
        assert inverse.mu_a == pytest.approx(images.mu_a, rel=1e-7)
        assert inverse.mu_b == pytest.approx(images.mu_b, rel=1e-7)
        stars = [twin.parts(x)[0] / 10.0**twin.log_mstar for x in (images.x_a, -images.x_b)]
        radial = [twin.eigenvalues(x)[1] for x in (images.x_a, -images.x_b)]
        truth = abs(radial[0] * radial[1]) / (10.0**twin.log_mstar * math.log(10) * sum(stars))
        assert inverse.jacobian == pytest.approx(truth, rel=1e-7)


def test_einstein_radius(lenses):
    arguments, _ = lenses
    positional, options = known(arguments)
    ring = LensModel(**arguments).einstein_radius()
    inverse = invert_einstein_radius(ring, *positional, **options)
    assert np.all(inverse.status == LensStatus.ok)
    np.testing.assert_allclose(inverse.log_mstar, arguments["log_mstar"], rtol=0, atol=1e-10)

    def radius(log_mstar):
        return LensModel(**{**arguments, "log_mstar": log_mstar}).einstein_radius()

    slope = derivative(radius, arguments["log_mstar"], 1e-3)
    # issue 3
    np.testing.assert_allclose(inverse.jacobian * slope, 1.0, rtol=1e-7)


def test_inner_mass_normalisation():
    options = {"gamma_in": 1.3, "halo": "m5kpc", "scale_radius": 70.0}
    model = LensModel(11.3, 10.9, 0.8, **options)
    images = solve_images(model, 1.0)
    inverse = invert_images(images.x_a, images.x_b, 10.9, 0.8, **options)
    assert inverse.log_mstar == pytest.approx(11.3, abs=1e-10)
    assert inverse.beta == pytest.approx(1.0, rel=1e-10)
    ring = invert_einstein_radius(model.einstein_radius(), 10.9, 0.8, **options)
    assert ring.log_mstar == pytest.approx(11.3, abs=1e-10)


# -- validity -------------------------------------------------------------------------------------


def test_pairs_no_lens_makes():
    model = LensModel(11.5, 13.0, 0.9)
    images = solve_images(model, 1.7)
    x_a = [images.x_a, 2.0, 3.0, images.x_a]
    # the pair itself; a halo that deflects too much; B outside A; the central image as B
    x_b = [images.x_b, -1.9, -6.0, images.x_c]
    log_mhalo = [13.0, 15.5, 13.0, 13.0]
    inverse = invert_images(x_a, x_b, log_mhalo, 0.9)
    assert list(inverse.status) == [
        LensStatus.ok,
        LensStatus.no_stellar_mass,
        LensStatus.source_behind_axis,
        LensStatus.inside_radial_critical_curve,
    ]
    for name in ("log_mstar", "beta", "jacobian", "mu_a", "mu_b"):
        good = np.isfinite(getattr(inverse, name))
        assert list(good) == [True, False, False, False], name


def test_rings_no_stars_make():
    inverse = invert_einstein_radius([5.0, 1.0], [13.0, 15.5], 0.9)
    assert list(inverse.status) == [LensStatus.ok, LensStatus.no_stellar_mass]
    assert np.isnan(inverse.log_mstar[1])
    assert np.isnan(inverse.jacobian[1])
