"""Composition of ellipticities, magnification and intrinsic shapes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate

from clmassmod.errors import ParameterError
from clmassmod.galaxies import expected_ellipticity, lensed_ellipticity
from clmassmod.galaxies.ellipticity import IntrinsicShapes, magnification

SHEARS = [0.0, 0.1 - 0.05j, 0.6j, 0.999, 1.001j, 1.5 + 0.5j, -4.0]


def by_axes(e, kappa, gamma):
    """The image of an elliptical isophote under the Jacobian of the lens, from its moments."""
    # second moments of the source with ellipticity e = (a - b) / (a + b) exp(2 i phi)
    a, b, phi = 1.0 + abs(e), 1.0 - abs(e), 0.5 * np.angle(e)
    turn = np.array([[np.cos(phi), -np.sin(phi)], [np.sin(phi), np.cos(phi)]])
    source = turn @ np.diag([a**2, b**2]) @ turn.T
    jacobian = np.array(
        [
            [1.0 - kappa - gamma.real, -gamma.imag],
            [-gamma.imag, 1.0 - kappa + gamma.real],
        ]
    )
    inverse = np.linalg.inv(jacobian)
    q = inverse @ source @ inverse.T
    size = q[0, 0] + q[1, 1] + 2.0 * np.sqrt(np.linalg.det(q))
    return (q[0, 0] - q[1, 1] + 2j * q[0, 1]) / size


@pytest.mark.parametrize("kappa", [0.0, 0.3, 0.9, 1.4, -0.2])
@pytest.mark.parametrize("g", SHEARS)
@pytest.mark.parametrize("e", [0.0, 0.3 - 0.2j, -0.7j, 0.95])
def test_composition_is_the_image_of_an_ellipse(e, g, kappa):
    gamma = complex(g) * (1.0 - kappa)
    expected = by_axes(complex(e), kappa, gamma)
    # moments square the axis ratio, which costs digits next to a critical curve
    assert complex(lensed_ellipticity(e, kappa, gamma)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("g", SHEARS)
def test_composition_is_the_formula_of_seitz_and_schneider(g):
    e = 0.4 * np.exp(2j * np.linspace(0.0, np.pi, 7))
    if abs(g) <= 1.0:
        expected = (e + g) / (1.0 + np.conj(g) * e)
    else:
        expected = (1.0 + g * np.conj(e)) / (np.conj(e) + np.conj(g))
    np.testing.assert_allclose(lensed_ellipticity(e, 0.0, g), expected, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(
        lensed_ellipticity(e, 0.5, 0.5 * g), expected, rtol=1e-14, atol=1e-15
    )


@pytest.mark.parametrize("g", [0.2 + 0.1j, 0.9j, 1.2, -3.0j])
def test_mean_over_directions_is_the_expected_ellipticity(g):
    # the mean of a periodic analytic function over equal steps converges like |e g|^n
    e = 0.6 * np.exp(2j * np.pi * np.arange(512) / 512)
    mean = np.mean(lensed_ellipticity(e, 0.0, g))
    assert mean == pytest.approx(g if abs(g) <= 1.0 else 1.0 / np.conj(g), abs=1e-12)
    assert complex(expected_ellipticity(0.0, g)) == pytest.approx(mean, abs=1e-12)


def test_kappa_of_one_is_a_value_as_any_other():
    # g is infinite: the image is the conjugate turned by gamma
    assert complex(lensed_ellipticity(0.3j, 1.0, 0.2)) == pytest.approx(-0.3j, abs=1e-15)
    near = complex(lensed_ellipticity(0.3j, 1.0 - 1e-13, 0.2))
    assert complex(lensed_ellipticity(0.3j, 1.0, 0.2)) == pytest.approx(near, abs=1e-11)


def test_ellipticities_stay_below_one():
    rng = np.random.default_rng(3)
    e = np.sqrt(rng.uniform(0, 0.99, 5000)) * np.exp(2j * np.pi * rng.uniform(size=5000))
    lensed = lensed_ellipticity(e, rng.normal(0, 2, 5000), rng.normal(0, 2, 5000) * 1j)
    assert np.abs(lensed).max() < 1.0


def test_magnification_is_the_inverse_determinant():
    kappa, gamma = 0.3, 0.2 + 0.1j
    assert magnification(kappa, gamma) == pytest.approx(1.0 / (0.7**2 - 0.05), rel=1e-14)
    assert magnification(1.0, 0.0) == np.inf


@pytest.mark.parametrize("sd", [0.05, 0.25, 0.3, 0.4])
def test_intrinsic_shapes_have_the_standard_deviation_asked_for(sd):
    shapes = IntrinsicShapes(sd)
    # the mean of |e|^2 over the uniform numbers is twice the variance of a component
    square = integrate.quad(
        lambda u: abs(shapes.draw(np.array([u]), np.array([0.0]))[0]) ** 2,
        0.0,
        1.0,
        epsabs=1e-12,
        limit=200,
    )[0]
    assert square / 2.0 == pytest.approx(sd**2, rel=1e-7)
    edge = np.array([0.0, 1.0 - 2.0**-53])
    assert np.abs(shapes.draw(edge, edge)).max() < 1.0


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: lensed_ellipticity(1.0, 0.0, 0.1), "e = "),
        (lambda: lensed_ellipticity(0.1, np.nan, 0.1), "kappa"),
        (lambda: lensed_ellipticity(0.1, 0.1, np.inf), "gamma"),
        (lambda: IntrinsicShapes(0.6), "shape_noise"),
        (lambda: IntrinsicShapes(-0.1), "shape_noise"),
    ],
)
def test_wrong_values_are_named(call, name):
    with pytest.raises(ParameterError, match=name):
        call()
