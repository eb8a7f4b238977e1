"""Lenses at the edges: no radial critical curve, no ring, sources on the axis and outside."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clmassmod.stronglens import LensModel, LensStatus, solve_images

from lens_twin import Twin

CASES = {
    "cored halo": (11.3, 13.5, 0.8, {"gamma_in": 0.0}),
    "steepest halo": (11.6, 10.0, 0.8, {"gamma_in": 2.5}),
    "stars a thousandth": (12.0, 15.0, 1.2, {"gamma_in": 0.8}),
    "stars a thousand times": (12.0, 9.0, 0.9, {"gamma_in": 1.0}),
    "low concentration": (11.5, 13.0, 0.9, {"c200": 1.5}),
    "high concentration": (11.5, 13.0, 0.9, {"c200": 25.0}),
    "nearby": (11.5, 13.0, 0.9, {"z_l": 0.02, "z_s": 0.3}),
    "far": (11.5, 13.0, 0.9, {"z_l": 1.5, "z_s": 6.0}),
    "compact": (11.0, 12.0, -0.5, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_against_the_twin(name):
    *arguments, options = CASES[name]
    model, twin = LensModel(*arguments, **options), Twin(*arguments, **options)
    for radius in ("einstein_radius", "radial_critical_radius", "caustic_radius"):
        truth = getattr(twin, radius)
        assert math.isfinite(truth)
        # issue 3; the radial curve far inside amplifies the error of kappa
        assert getattr(model, radius)() == pytest.approx(truth, rel=1e-8), radius
    beta = 0.5 * twin.caustic_radius
    images, exact = solve_images(model, beta), twin.images(beta)
    assert images.status == LensStatus.ok
    assert images.x_a == pytest.approx(exact.x_a, rel=1e-9)
    assert images.x_b == pytest.approx(exact.x_b, rel=1e-9)
    assert images.mu_a == pytest.approx(exact.mu_a, rel=1e-7)
    assert images.mu_b == pytest.approx(exact.mu_b, rel=1e-7)
    assert images.time_delay == pytest.approx(exact.time_delay, rel=1e-6)


@pytest.mark.parametrize("slope", [2.3, 2.5, 2.8])
def test_halo_without_radial_critical_curve(slope):
    # the deflection of the halo diverges at the centre, the stars' is too small to matter
    arguments = (9.0, 13.0, 1.0)
    model, twin = LensModel(*arguments, gamma_in=slope), Twin(*arguments, gamma_in=slope)
    assert math.isnan(twin.radial_critical_radius)
    assert model.radial_critical_radius() == 0.0
    assert model.caustic_radius() == math.inf
    assert model.einstein_radius() == pytest.approx(twin.einstein_radius, rel=1e-9)
    # two images of every source, the inner the fainter the farther the source
    for fraction in (0.1, 0.9, 3.0):
        beta = fraction * twin.einstein_radius
        images, exact = solve_images(model, beta), twin.images(beta)
        assert images.status == LensStatus.ok
        assert images.x_a == pytest.approx(exact.x_a, rel=1e-9)
        assert images.x_b == pytest.approx(exact.x_b, rel=1e-9)
        assert images.mu_b == pytest.approx(exact.mu_b, rel=1e-7)
        assert math.isnan(images.x_c)
        assert math.isnan(images.mu_c)


def test_isothermal_cusp():
    # alpha tends to a constant: a cut, not a caustic, ends the region of two images
    model, twin = LensModel(2.0, 13.0, 1.0, gamma_in=2.0), Twin(2.0, 13.0, 1.0, gamma_in=2.0)
    # the cusp's deflection, pi rho_s r_s^2 m-hat / x at x = 0: m-hat = 2 pi^2 x
    r_s, unit = twin.halo_scales
    cut = 2.0 * math.pi * unit / (r_s * twin.critical_surface_density)
    assert twin.deflection(1e-9) == pytest.approx(cut, rel=1e-6)
    assert math.isnan(twin.radial_critical_radius)
    assert model.radial_critical_radius() == 0.0
    assert model.caustic_radius() == pytest.approx(cut, rel=1e-9)
    images, exact = solve_images(model, 0.6 * cut), twin.images(0.6 * cut)
    assert images.status == LensStatus.ok
    assert images.x_a == pytest.approx(exact.x_a, rel=1e-9)
    assert images.x_b == pytest.approx(exact.x_b, rel=1e-9)
    outside = solve_images(model, 1.1 * cut)
    assert outside.status == LensStatus.single_image
    assert math.isnan(outside.x_b)


def test_no_ring():
    model = LensModel(8.0, 10.0, 2.0, gamma_in=0.0)
    assert math.isnan(Twin(8.0, 10.0, 2.0, gamma_in=0.0).einstein_radius)
    assert math.isnan(model.einstein_radius())
    assert math.isnan(model.radial_critical_radius())
    assert model.caustic_radius() == 0.0
    assert model.structure().status == LensStatus.no_einstein_ring
    images = solve_images(model, 0.5)
    assert images.status == LensStatus.no_einstein_ring
    for name in ("x_b", "mu_b", "x_c", "mu_c", "time_delay"):
        assert math.isnan(getattr(images, name)), name


def test_a_lens_that_fails_leaves_the_others_alone():
    good = solve_images(LensModel(11.5, 13.0, 0.9), 1.0)
    images = solve_images(
        LensModel([11.5, 8.0, 11.5], [13.0, 10.0, 13.0], [0.9, 2.0, 0.9], gamma_in=[1.0, 0.0, 1.0]),
        [1.0, 1.0, 500.0],
    )
    expected = [LensStatus.ok, LensStatus.no_einstein_ring, LensStatus.single_image]
    assert list(images.status) == expected
    assert list(np.isfinite(images.x_b)) == [True, False, False]
    assert images.x_a[0] == good.x_a
    assert images.x_b[0] == good.x_b


# -- the source on its way out --------------------------------------------------------------------


@pytest.fixture
def lens():
    """The first reference lens and its twin."""
    return LensModel(11.5, 13.0, 0.9), Twin(11.5, 13.0, 0.9)


def test_source_on_the_axis(lens):
    model, _ = lens
    images = solve_images(model, 0.0)
    ring = model.einstein_radius()
    assert images.status == LensStatus.ok
    # an Einstein ring, of infinite magnification
    assert images.x_a == pytest.approx(ring, rel=1e-13)
    assert images.x_b == pytest.approx(-ring, rel=1e-13)
    assert images.mu_a == math.inf
    assert images.mu_b == -math.inf
    assert images.time_delay == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("fraction", [1e-12, 1e-9, 1e-6, 1e-3])
def test_source_near_the_axis(lens, fraction):
    model, twin = lens
    ring = model.einstein_radius()
    beta = fraction * ring
    images = solve_images(model, beta)
    radial = 2.0 * (1.0 - twin.convergence(twin.einstein_radius))
    # to first order x = +-theta_E + beta / R
    for x, side in ((images.x_a, 1.0), (images.x_b, -1.0)):
        shift = side * (x - side * ring)
        expected = side * beta / radial
        assert shift == pytest.approx(expected, abs=2.0 * fraction * beta + 2e-12 * ring)
    # exactly: mu = x / (beta R), which rounding of T limits to 1e-15 / (beta / x)
    for x, mu in ((images.x_a, images.mu_a), (images.x_b, images.mu_b)):
        exact = x / (beta * twin.eigenvalues(abs(x))[1])
        assert mu == pytest.approx(exact, rel=1e-7 + 1e-14 / fraction)
    if fraction > 1e-10:
        # dt = unit int (x_A - x_B) dbeta
        delay = twin.delay_unit * 2.0 * ring * beta
        assert images.time_delay == pytest.approx(delay, rel=1e-6 + fraction)


@pytest.mark.parametrize("gap", [1e-2, 1e-5, 1e-8])
def test_source_near_the_caustic(lens, gap):
    model, twin = lens
    beta = twin.caustic_radius * (1.0 - gap)
    images = solve_images(model, beta)
    assert images.status == LensStatus.ok
    # R = 0 there: an error e of the deflection moves B by e / R, R = sqrt(2 gap y_c |R'|)
    bound = 1e-9 * twin.einstein_radius / math.sqrt(gap)
    assert images.x_b == pytest.approx(twin.inner_image(beta), abs=bound)
    assert -images.x_b >= model.radial_critical_radius()
    assert images.x_c == pytest.approx(twin.central_image(beta), abs=bound)
    assert images.mu_b < 0.0 < images.mu_c
    # both merge with opposite magnifications
    assert images.mu_c / -images.mu_b == pytest.approx(1.0, abs=10.0 * math.sqrt(gap))


@pytest.mark.parametrize("factor", [1.0 + 1e-7, 1.5, 1e3])
def test_source_outside_the_caustic(lens, factor):
    model, twin = lens
    beta = factor * twin.caustic_radius
    images = solve_images(model, beta)
    assert images.status == LensStatus.single_image
    for name in ("x_b", "mu_b", "x_c", "mu_c", "time_delay"):
        assert math.isnan(getattr(images, name)), name
    x_a = twin.outer_image(beta)
    assert images.x_a == pytest.approx(x_a, rel=1e-9)
    assert images.mu_a == pytest.approx(twin.magnification(x_a), rel=1e-7)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((12.0, 16.0, -1.5), {"gamma_in": 1.99, "c200": 30.0, "sersic_n": 10.0}),
        ((12.0, 15.0, -1.0), {"gamma_in": 2.0, "c200": 10.0, "sersic_n": 12.0}),
    ],
    ids=["steep", "isothermal"],
)
@pytest.mark.parametrize("fraction", [0.5, 0.95, 1.5])
def test_radial_curve_next_to_the_centre(arguments, options, fraction):
    # the stars' cusp puts the radial critical curve at 1e-7 of the Einstein radius
    model, twin = LensModel(*arguments, **options), Twin(*arguments, **options)
    assert 0.0 < twin.radial_critical_radius < 1e-6 * twin.einstein_radius
    # finite: only a slope above 2 has images of every source
    assert model.caustic_radius() < 1.01 * twin.caustic_radius
    beta = fraction * twin.caustic_radius
    images = solve_images(model, beta)
    if images.status == LensStatus.ok:
        # whatever is called an image solves the lens equation
        residual = images.x_b + model.deflection(-images.x_b) - beta
        assert abs(residual) < 1e-11 * twin.caustic_radius
    else:
        assert math.isnan(images.x_b)
    if fraction > 1.0:
        assert images.status == LensStatus.single_image


def test_caustics_of_tiny_rings_are_not_negative():
    # a ring of 2e-4 kpc in stars of 80 kpc
    structure = LensModel(11.3, 10.4, 1.9, gamma_in=0.5).structure()
    assert structure.status != LensStatus.ok or structure.caustic_radius >= 0.0
