"""Lenses that a random search found to be solved wrongly once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

import clmassmod as clm
from clmassmod.stronglens import (
    LensModel,
    LensStatus,
    ProfileLens,
    disc_magnification,
    solve_images,
)


def radial_factor(model, x):
    # R = 1 + kbar - 2 kappa, of what the model says elsewhere
    return 1.0 + model.deflection(x) / x - 2.0 * model.convergence(x)


@pytest.mark.parametrize("slope", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("excess", [1e-5, 1e-3])
def test_core_that_is_barely_critical(slope, excess):
    # the stretch is 1 to 1e-3 everywhere inside the ring: it says little about the radius
    def core(log_mhalo):
        model = LensModel(4.0, log_mhalo, 1.0, gamma_in=slope, c200=10.0)
        return model.deflection(0.01) / 0.01 - 1.0 - excess

    model = LensModel(4.0, brentq(core, 12.0, 17.0), 1.0, gamma_in=slope, c200=10.0)
    structure = model.structure()
    ring, radial = structure.einstein_radius, structure.radial_critical_radius
    root = brentq(lambda x: radial_factor(model, x), 0.2 * ring, ring, xtol=1e-16, rtol=1e-13)
    # rounding of R, 1e-15, over a slope of R of 1e-5 or more; it was off by 6e-4
    assert radial == pytest.approx(root, rel=1e-9)
    assert structure.caustic_radius == pytest.approx(model.deflection(root) - root, rel=1e-9)


@pytest.mark.parametrize("fraction", [0.5, 0.999, 1.0 - 1e-9])
def test_image_further_in_than_is_looked(fraction):
    lens = ProfileLens(clm.SIS(250.0, 0.3), 2.0)
    ring = lens.einstein_radius()
    images = solve_images(lens, np.array([fraction, 1.0]) * ring)
    found = images.status == LensStatus.ok
    # the table of a profile ends at 1e-6 kpc: images further in are none, not another radius
    np.testing.assert_array_equal(found, [1.0 - fraction > 1e-6, False])
    np.testing.assert_allclose(images.x_b[found], (fraction - 1.0) * ring, rtol=1e-10)
    assert np.isnan(images.x_b[~found]).all()
    assert np.isnan(images.mu_b[~found]).all()
    np.testing.assert_array_equal(images.status[~found], LensStatus.single_image)


def test_ring_so_small_that_its_centre_has_no_table():
    # 1e-6 rings are below 1e-6 kpc here
    lens = ProfileLens(clm.SIS(60.0, 0.3), 2.0)
    ring = lens.einstein_radius()
    assert ring < 1.0
    images = solve_images(lens, np.array([0.1, 0.99]) * ring)
    np.testing.assert_array_equal(images.status, LensStatus.ok)
    np.testing.assert_allclose(images.x_b, np.array([-0.9, -0.01]) * ring, rtol=1e-9)


@pytest.mark.parametrize("offset", [0.01, 1.0, 100.0, 1e4, 1e8])
def test_steep_halo_image_solves_the_equation_or_is_none(offset):
    model = LensModel(9.0, 13.0, 1.0, gamma_in=2.05)
    beta = offset * model.einstein_radius()
    images = solve_images(model, beta)
    if images.status == LensStatus.ok:
        b = -images.x_b
        assert model.deflection(b) - b == pytest.approx(beta, rel=1e-12)
    else:
        assert images.status == LensStatus.single_image
        assert math.isnan(images.x_b)


def test_caustic_of_a_lens_as_small_as_is_looked():
    # ring at 1.2e-6 effective radii in a core: the extrapolation to the centre gave -5.6e-7
    arguments = (10.974645806490651, 12.114686377488908, 1.7600645222763585)
    model = LensModel(*arguments, gamma_in=0.30099401569301, c200=6.472902378343127)
    structure = model.structure()
    assert structure.status == LensStatus.ok
    x = np.geomspace(1.001e-6 * 10.0 ** arguments[2], structure.einstein_radius, 100)
    # rounding of alpha
    assert structure.caustic_radius >= np.max(model.deflection(x) - x) - 1e-15
    assert structure.caustic_radius >= 0.0


@pytest.mark.parametrize("gap", [1e-6, 1e-9, 1e-12])
def test_caustic_far_larger_than_the_ring(gap):
    # y_c is 50 rings: the first guess of B is within 3e-6 of the critical radius already
    arguments = (9.038052008301234, 6.327333604712658, -1.8588373501239839)
    model = LensModel(
        *arguments, 0.7287133557844583, 1.867495154967767, 2.6225336169755793, 42.5186466, 8.0
    )
    beta = model.caustic_radius() * (1.0 - gap)
    images = solve_images(model, beta)
    b = -images.x_b
    # beta is rounded to 1e-16; it was satisfied to the gap itself, with mu_b of any size
    assert model.deflection(b) - b == pytest.approx(beta, rel=1e-14)


@pytest.mark.parametrize("inside", [1e-3, 1e-5, 1e-7])
def test_disc_that_barely_reaches_inside_a_cut(inside):
    lens = ProfileLens(clm.SIS(250.0, 0.3), 2.0)
    ring = lens.einstein_radius()
    radius = 0.1
    magnification = disc_magnification(lens, ring + radius - inside, radius)
    # what has an image B is seen within `inside` of the centre
    assert -((inside / radius) ** 2) <= magnification.mu_b <= 0.0


def test_ring_of_a_search_that_meets_the_radial_critical_radius():
    # Halley's steps are short there, where x - alpha does not rise: .3735 was taken for the ring
    lens = LensModel(
        8.252749341760248,
        11.381996255506849,
        -0.42767943707807804,
        gamma_in=0.6,
        c200=58.59923114141703,
    )
    ring = lens.einstein_radius()
    # brute: the only sign change of alpha - x
    x = np.geomspace(1e-3, 10.0, 4001)
    falls = np.flatnonzero(np.diff(np.sign(lens.deflection(x) - x)))
    assert falls.size == 1
    assert x[falls[0]] < ring < x[falls[0] + 1]
    assert lens.deflection(ring) == pytest.approx(ring, rel=1e-12)
