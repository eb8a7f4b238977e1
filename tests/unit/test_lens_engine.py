"""The lens engine against its slow twin: quoted lenses, random lenses, its own lens equation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammainc, gammaincinv, gammaln

import clmassmod as clm
from clmassmod.stronglens import LensModel, LensStatus, image_properties, solve_images

from lens_twin import GNFW_VALUES, REFERENCES, Twin

POSITION, MAGNIFICATION = 1e-9, 1e-7
"""What issue 3 promises, relative."""
DELAY = 1e-6
"""The quoted delays have 7 digits."""
RANDOM = 60
NAMES = ("log_mstar", "log_mhalo", "log_re", "z_l", "z_s", "gamma_in", "c200", "sersic_n")


def random_lenses(count, seed=20240311, sersic=False):
    """Return arguments (count,) of galaxies that all have an Einstein ring, as a dictionary."""
    random = np.random.default_rng(seed)
    log_mstar = random.uniform(11.0, 12.0, count)
    z_l = random.uniform(0.15, 0.8, count)
    return {
        "log_mstar": log_mstar,
        "log_mhalo": 12.9 + 1.5 * (log_mstar - 11.4) + random.normal(0.0, 0.4, count),
        "log_re": 0.8 + 0.9 * (log_mstar - 11.4) + random.normal(0.0, 0.12, count),
        "z_l": z_l,
        "z_s": z_l + random.uniform(0.5, 2.0, count),
        "gamma_in": random.uniform(0.0, 1.9, count),
        "c200": random.uniform(3.0, 10.0, count),
        "sersic_n": random.choice([1.0, 2.3, 4.0, 6.5], count) if sersic else np.full(count, 4.0),
    }


def twins(lenses):
    """Return the twin of each lens."""
    return [
        Twin(**{name: float(lenses[name][i]) for name in lenses})
        for i in range(lenses["log_mstar"].size)
    ]


@pytest.fixture(scope="module", params=[False, True], ids=["deV", "Sersic"])
def sample(request):
    """Random lenses, their twins, and a source within each caustic."""
    lenses = random_lenses(RANDOM, sersic=request.param)
    slow = twins(lenses)
    fraction = np.random.default_rng(7).uniform(0.02, 0.97, RANDOM)
    beta = fraction * np.array([twin.caustic_radius for twin in slow])
    # an exponential disc under a cored halo has no radial critical curve within the twin's reach
    assert np.all(np.isfinite(beta))
    return lenses, slow, beta


# -- quoted values --------------------------------------------------------------------------------


@pytest.mark.parametrize("case", REFERENCES, ids=str)
def test_reference_lenses(case):
    log_mstar, log_re, log_mhalo, slope, fraction = case
    ring, radial, caustic, x_a, x_b, mu_a, mu_b, delay = REFERENCES[case]
    model = LensModel(log_mstar, log_mhalo, log_re, gamma_in=slope)
    assert model.einstein_radius() == pytest.approx(ring, rel=POSITION)
    assert model.radial_critical_radius() == pytest.approx(radial, rel=POSITION)
    assert model.caustic_radius() == pytest.approx(caustic, rel=POSITION)
    images = solve_images(model, fraction * caustic)
    assert images.x_a == pytest.approx(x_a, rel=POSITION)
    assert images.x_b == pytest.approx(x_b, rel=POSITION)
    assert images.mu_a == pytest.approx(mu_a, rel=MAGNIFICATION)
    assert images.mu_b == pytest.approx(mu_b, rel=MAGNIFICATION)
    assert (images.parity_a, images.parity_b) == (1, -1)
    assert images.status == LensStatus.ok
    assert images.time_delay == pytest.approx(delay, rel=DELAY)
    assert model.time_delay(fraction * caustic) == pytest.approx(delay, rel=DELAY)


@pytest.mark.parametrize("case", GNFW_VALUES, ids=str)
def test_quoted_halo_shapes_by_the_profile(case):
    slope, x = case
    halo = clm.gNFW(1e13, 5.0, 0.3, inner_slope=slope, rtol=1e-9, tabulate=False)
    r_s, rho_s = halo.scale_radius, halo.scale_density
    mass, sigma = GNFW_VALUES[case]
    # issue 3
    assert halo.enclosed_mass_2d(x * r_s) / (rho_s * r_s**3) == pytest.approx(mass, rel=1e-10)
    assert halo.surface_density(x * r_s) / (rho_s * r_s) == pytest.approx(sigma, rel=1e-10)


@pytest.mark.parametrize("case", GNFW_VALUES, ids=str)
def test_quoted_halo_shapes_by_the_lens(case):
    slope, x = case
    twin = Twin(5.0, 13.0, 1.0, gamma_in=slope)
    r_s, unit = twin.halo_scales
    mass, sigma = GNFW_VALUES[case]
    model = LensModel(5.0, 13.0, 1.0, gamma_in=slope)
    assert model.halo_mass_within(x * r_s) / unit == pytest.approx(mass, rel=1e-10)
    stars, star_convergence, _, _ = twin.parts(x * r_s)
    kbar = (model.deflection(x * r_s) - stars) / (x * r_s)
    per_area = np.pi * twin.critical_surface_density * r_s**2 / unit
    assert kbar * per_area * x**2 == pytest.approx(mass, rel=1e-10)
    kappa = model.convergence(x * r_s) - star_convergence
    assert kappa * per_area / np.pi == pytest.approx(sigma, rel=1e-10)


@pytest.mark.parametrize("n", [0.5, 1.0, 2.7, 4.0, 9.0])
def test_stars_alone(n):
    # b_n is the exact root, not an approximation; the halo is taken off
    model, twin = LensModel(11.5, 5.0, 0.9, sersic_n=n), Twin(11.5, 5.0, 0.9)
    sigma_cr = twin.critical_surface_density
    r_e, b = 10.0**0.9, gammaincinv(2.0 * n, 0.5)
    x = np.geomspace(0.01, 60.0, 30)
    u = b * (x / r_e) ** (1.0 / n)
    alpha = 10.0**11.5 * gammainc(2.0 * n, u) / (np.pi * x * sigma_cr)
    lead = 10.0**11.5 * np.exp(2.0 * n * np.log(b) - gammaln(2.0 * n)) / (2.0 * np.pi * n * r_e**2)
    kappa = lead * np.exp(-u) / sigma_cr
    halo = np.array([twin.parts(r)[2:] for r in x]).T
    np.testing.assert_allclose(model.deflection(x) - halo[0], alpha, rtol=1e-10)
    # it is the slope of kbar's table: rounding of kbar where a disc has ended
    error = np.abs(model.convergence(x) - halo[1] - kappa)
    assert np.all(error < 1e-10 * kappa + 1e-11 * alpha / x)


# -- random lenses --------------------------------------------------------------------------------


def test_random_lenses(sample):
    lenses, slow, beta = sample
    model = LensModel(**lenses)
    images = solve_images(model, beta)
    exact = [twin.images(b) for twin, b in zip(slow, beta, strict=True)]
    ring = np.array([twin.einstein_radius for twin in slow])
    np.testing.assert_allclose(model.einstein_radius(), ring, rtol=POSITION)
    for name in ("radial_critical_radius", "caustic_radius"):
        truth = [getattr(twin, name) for twin in slow]
        np.testing.assert_allclose(getattr(model, name)(), truth, rtol=POSITION, err_msg=name)
        np.testing.assert_array_equal(getattr(images, name), getattr(model, name)())
    for name in ("x_a", "x_b"):
        truth = np.array([getattr(one, name) for one in exact])
        error = np.abs(getattr(images, name) - truth)
        # an error of the deflection moves an image by 1 / R of it
        radial = [float(t.eigenvalues(abs(x))[1]) for t, x in zip(slow, truth, strict=True)]
        assert np.max(error * np.minimum(radial, 1.0) / ring) < POSITION, name
    for name in ("mu_a", "mu_b"):
        truth = np.array([getattr(one, name) for one in exact])
        # near a critical curve d ln mu = mu times the error of an eigenvalue
        tolerance = MAGNIFICATION * np.maximum(1.0, np.abs(truth))
        error = np.abs(getattr(images, name) / truth - 1.0)
        assert np.max(error / tolerance) < 1.0, name
    delay = [one.time_delay for one in exact]
    np.testing.assert_allclose(images.time_delay, delay, rtol=DELAY)
    assert np.all(images.status == LensStatus.ok)


def test_fields_of_random_lenses(sample):
    lenses, slow, _ = sample
    model = LensModel(**lenses)
    for factor in (0.01, 0.3, 1.0, 8.0):
        x = factor * np.array([twin.einstein_radius for twin in slow])
        alpha = [twin.deflection(r) for twin, r in zip(slow, x, strict=True)]
        kappa = np.array([twin.convergence(r) for twin, r in zip(slow, x, strict=True)])
        np.testing.assert_allclose(model.deflection(x), alpha, rtol=POSITION)
        np.testing.assert_allclose(model.convergence(x), kappa, rtol=MAGNIFICATION)
        dark = [twin.halo_mass_within(r) for twin, r in zip(slow, x, strict=True)]
        np.testing.assert_allclose(model.halo_mass_within(x), dark, rtol=POSITION)


def test_inner_mass_normalisation():
    arguments = (11.3, 10.9, 0.8)
    options = {"gamma_in": 1.3, "halo": "m5kpc", "scale_radius": 70.0}
    model, twin = LensModel(*arguments, **options), Twin(*arguments, **options)
    assert model.halo_mass_within(5.0) == pytest.approx(10.0**10.9, rel=1e-12)
    assert model.einstein_radius() == pytest.approx(twin.einstein_radius, rel=POSITION)
    assert model.deflection(9.0) == pytest.approx(twin.deflection(9.0), rel=POSITION)


# -- consistency ----------------------------------------------------------------------------------


def test_images_satisfy_the_lens_equation(sample):
    lenses, _, beta = sample
    model = LensModel(**lenses)
    images = solve_images(model, beta)
    ring = model.einstein_radius()
    # not every central image is far enough from the centre
    central = np.isfinite(images.x_c)
    x_c = np.where(central, images.x_c, images.x_b)
    for x in (images.x_a, images.x_b, x_c):
        residual = x - np.sign(x) * model.deflection(np.abs(x)) - beta
        # issue 3
        assert np.max(np.abs(residual) / ring) < 1e-12
    assert np.all((images.x_a > ring) & (-images.x_b < ring))
    assert np.all(-images.x_b > images.radial_critical_radius)
    x_c = images.x_c[central]
    assert np.all((x_c < 0.0) & (-x_c < images.radial_critical_radius[central]))


def test_magnifications_are_those_of_the_model(sample):
    lenses, _, beta = sample
    model = LensModel(**lenses)
    images = solve_images(model, beta)
    for x, mu in (
        (images.x_a, images.mu_a),
        (-images.x_b, images.mu_b),
    ):
        # rounding, times the magnification
        np.testing.assert_allclose(model.magnification(x), mu, rtol=1e-10)
    assert np.all((images.mu_a > 0.0) & (images.mu_b < 0.0) & ~(images.mu_c < 0.0))
    kappa, shear = model.convergence(images.x_a), model.shear(images.x_a)
    mu = 1.0 / ((1.0 - kappa) ** 2 - shear**2)
    np.testing.assert_allclose(mu, images.mu_a, rtol=1e-10)


def test_central_images(sample):
    lenses, slow, beta = sample
    images = solve_images(LensModel(**lenses), beta)
    found = 0
    for i in range(0, RANDOM, 3):
        x_c = slow[i].central_image(beta[i])
        if -x_c < 1e-12 * slow[i].einstein_radius:
            # too near to the centre to be looked for
            assert np.isnan(images.x_c[i]), i
            assert np.isnan(images.mu_c[i]), i
            continue
        found += 1
        # faint images sit where 1 / R amplifies least; 1e-8 of their own, tiny, radius
        assert images.x_c[i] == pytest.approx(x_c, rel=1e-8), i
        if -x_c > 1e-6 * slow[i].einstein_radius:
            # nearer in, the twin's own radial factor is the difference of large numbers
            assert images.mu_c[i] == pytest.approx(slow[i].magnification(-x_c), rel=1e-6), i
    assert found > 10


def test_convergence_is_the_slope_of_the_deflection(sample):
    lenses, _, _ = sample
    model = LensModel(**lenses)
    for factor in (0.03, 0.2, 1.0, 5.0):
        x = factor * model.einstein_radius()
        h = 1e-3 * x
        # five points: truncation h^4 of a smooth deflection, 1e-12; rounding 1e-16 / 1e-3
        inner = model.deflection(x + h) - model.deflection(x - h)
        outer = model.deflection(x + 2.0 * h) - model.deflection(x - 2.0 * h)
        slope = (8.0 * inner - outer) / (12.0 * h)
        kbar = model.deflection(x) / x
        # the table between its nodes is only once differentiable
        np.testing.assert_allclose(slope, 2.0 * model.convergence(x) - kbar, rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(model.shear(x), kbar - model.convergence(x), atol=1e-13)


def test_delay_grows_by_the_image_separation(sample):
    lenses, slow, beta = sample
    model = LensModel(**lenses)
    images = solve_images(model, beta)
    h = 1e-3 * beta
    inner = model.time_delay(beta + h) - model.time_delay(beta - h)
    outer = model.time_delay(beta + 2.0 * h) - model.time_delay(beta - 2.0 * h)
    unit = np.array([twin.delay_unit for twin in slow])
    # Fermat: the images are stationary; near the caustic x_B has a square root, at .97 of it
    # the five points are good to 1e-8
    np.testing.assert_allclose(
        (8.0 * inner - outer) / (12.0 * h), unit * (images.x_a - images.x_b), rtol=1e-6
    )


def test_angles_and_lengths():
    model, twin = LensModel(11.5, 13.0, 0.9), Twin(11.5, 13.0, 0.9)
    kpc_per_arcsec = twin.distances[0] * np.pi / 180.0 / 3600.0
    assert model.kpc_per_arcsec == pytest.approx(kpc_per_arcsec, rel=1e-12)
    assert model.to_arcsec(model.to_kpc(1.7)) == pytest.approx(1.7, rel=1e-15)
    assert model.to_kpc(2.0) == pytest.approx(2.0 * kpc_per_arcsec, rel=1e-12)


def number(column):
    """Return the values of a column, in the unit it has."""
    return np.asarray(getattr(column, "value", column))


def test_properties_at_the_images(sample):
    lenses, slow, beta = sample
    table = image_properties(LensModel(**lenses), beta)
    images = solve_images(LensModel(**lenses), beta)
    columns = {"beta": beta, "x_a": images.x_a, "x_b": images.x_b, "status": images.status}
    columns |= {"mu_a": images.mu_a, "mu_b": images.mu_b, "theta_e": images.einstein_radius}
    for name, values in columns.items():
        np.testing.assert_array_equal(number(table[name]), values, err_msg=name)
    for i in range(0, RANDOM, 3):
        for letter in "ab":
            x = abs(number(table[f"x_{letter}"][i]))
            alpha_stars, kappa_stars, alpha_halo, kappa_halo = slow[i].parts(x)
            kappa = kappa_stars + kappa_halo
            shear = (alpha_stars + alpha_halo) / x - kappa
            for name, value in (
                ("kappa", kappa),
                ("gamma", shear),
                ("s", 1.0 - kappa_stars / kappa),
            ):
                ours = number(table[f"{name}_{letter}"][i])
                assert ours == pytest.approx(value, rel=MAGNIFICATION, abs=1e-9), (name, letter, i)
        angle = number(table["theta_e"][i]) / slow[i].distances[0] * 180.0 * 3600.0 / np.pi
        assert number(table["theta_e_arcsec"][i]) == pytest.approx(angle, rel=1e-12)


def test_lens_of_any_profile_equals_the_model():
    from clmassmod.stronglens import ProfileLens

    accuracy = {"rtol": 1e-9, "tabulate": False}
    halo = clm.gNFW(1e13, 5.0, 0.3, inner_slope=1.4, **accuracy)
    stars = clm.DeVaucouleurs(10.0**11.5, 10.0**0.9 / 1e3, 0.3, **accuracy)
    lens = ProfileLens(clm.Composite([halo, stars]), 2.0)
    model = LensModel(11.5, 13.0, 0.9, gamma_in=1.4)
    x = np.array([0.3, 2.0, 7.0, 30.0])
    # twice the rtol of the profiles; mu and the radial curve amplify it
    for name in ("deflection", "convergence", "shear"):
        ours, theirs = getattr(lens, name)(x), getattr(model, name)(x)
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, err_msg=name)
    for name in ("einstein_radius", "radial_critical_radius", "caustic_radius"):
        assert getattr(lens, name)() == pytest.approx(getattr(model, name)(), rel=1e-8), name
    beta = 0.4 * model.caustic_radius()
    ours, theirs = solve_images(lens, beta), solve_images(model, beta)
    for name in ("x_a", "x_b", "mu_a", "mu_b", "time_delay"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-7), name
