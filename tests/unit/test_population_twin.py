"""The twin of the population likelihood against quadrature by scipy and its own identities."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from population_twin import (
    PIVOT,
    Counts,
    Eta,
    Inversion,
    Model,
    Pair,
    Rule,
    cells_of,
    halo_at,
    log_halo_density,
    log_likelihood,
    log_normal,
    log_photometry,
    log_size_density,
    log_slope_density,
    log_stellar_density,
)
from scipy.integrate import quad
from scipy.stats import norm, skewnorm, truncnorm

from lens_twin import Twin

PAIR = Pair(6.620633941128, -3.07240697064, 0.9, 24.03, 24.87, 11.48)
MODEL = Model()
COARSE = Rule(gamma_panels=6, width=0.1)
REFERENCE = Path(__file__).with_name("population_reference.json")


@pytest.mark.parametrize("gamma", [0.0, 0.7, 1.0, 2.0, 2.6])
def test_halo_polynomials(gamma):
    for log_mhalo, x in ((7.0, 20.0), (12.0, 0.3), (13.0, 5.0), (16.0, 0.05)):
        twin = Twin(-30.0, log_mhalo, 0.9, gamma_in=gamma, c200=6.0)
        c = np.array([math.log10(6.0)])
        kbar, kappa = halo_at(x, np.array([log_mhalo]), c, gamma, 0.3, 2.0)
        _, _, deflection, convergence = twin.parts(x)
        # the polynomials are good to 1e-12, ten times the rounding of their exponents
        assert kbar[0] * x == pytest.approx(deflection, rel=1e-11)
        assert kappa[0] == pytest.approx(convergence, rel=1e-11)


def test_inversion_gives_back_the_lens():
    lens = Twin(11.5, 13.0, 0.9, z_l=0.4, z_s=1.7, gamma_in=1.3)
    beta = 0.4 * lens.caustic_radius
    image = lens.images(beta)
    pair = replace(PAIR, x_a=image.x_a, x_b=image.x_b, z_l=0.4, z_s=1.7)
    found = Inversion(pair, MODEL, 0.9, 1.3, np.array([13.0]), 0.0)
    assert found.log_mstar[0] == pytest.approx(11.5, abs=1e-11)
    assert found.beta[0] == pytest.approx(beta, abs=1e-10)
    assert found.mu_a[0] == pytest.approx(image.mu_a, rel=1e-9)
    assert found.mu_b[0] == pytest.approx(image.mu_b, rel=1e-9)


def test_jacobian_is_the_finite_difference():
    step = 1e-4

    def at(x_a, x_b):
        pair = replace(PAIR, x_a=x_a, x_b=x_b)
        found = Inversion(pair, MODEL, 0.9, 1.0, np.array([12.9]), 0.0)
        return np.array([found.log_mstar[0], found.beta[0]])

    a, b = PAIR.x_a, PAIR.x_b
    columns = [at(a + step, b) - at(a - step, b), at(a, b + step) - at(a, b - step)]
    numeric = abs(np.linalg.det(np.array(columns) / (2.0 * step)))
    exact = Inversion(PAIR, MODEL, 0.9, 1.0, np.array([12.9]), 0.0).jacobian[0]
    assert numeric == pytest.approx(exact, rel=1e-7)  # error of the differences: step^2


@pytest.mark.parametrize("selection", ["on_data", "independent"])
@pytest.mark.parametrize("mu", [(3.0, -1.5), (60.0, -55.0), (200.0, -190.0)])
def test_photometry_is_the_integral(selection, mu):
    model = Model(selection=selection, counts=Counts(slope=-1.5))
    pair = replace(PAIR, sigma_a=0.05, sigma_b=0.2)

    def density(m):
        a, b = (m - 2.5 * math.log10(abs(x)) for x in mu)
        value = model.counts.density_at(m) * norm.pdf(24.03, a, 0.05) * norm.pdf(24.87, b, 0.2)
        if selection == "independent":
            value *= norm.cdf((26.5 - a) / 0.05) * norm.cdf((26.5 - b) / 0.2)
        return value

    # the normal errors are narrow: tell quad where they lie
    middle = 24.03 + 2.5 * math.log10(mu[0])
    points = [p for p in middle + np.linspace(-0.5, 0.5, 11) if p < 30.0]
    ends = (max(20.0, middle - 2.0), min(30.0, middle + 2.0))
    integral = quad(density, *ends, points=points, epsabs=0.0, epsrel=1e-11, limit=500)[0]
    value = log_photometry(pair, model, np.array([mu[0]]), np.array([mu[1]]), 48)[0]
    assert value == pytest.approx(math.log(integral), abs=1e-8)


def test_densities_are_those_of_scipy():
    eta = Eta(xi_h=-0.3, alpha_sps=0.1)
    x, log_re, log_mhalo, gamma = 11.6, 1.1, 13.5, 0.4
    shape = 10.0**eta.shape_star
    stars = skewnorm.logpdf(x, shape, eta.mu_star, eta.sigma_star)
    assert log_stellar_density(eta, x) == pytest.approx(stars, abs=1e-12)
    size = eta.mu_r + eta.beta_r * (x - PIVOT)
    expected = norm.logpdf(log_re, size, eta.sigma_r)
    assert log_size_density(eta, log_re, x) == pytest.approx(expected, abs=1e-12)
    halo = eta.mu_h + eta.beta_h * (x - PIVOT) - 0.3 * (log_re - size)
    expected = norm.logpdf(log_mhalo, halo, eta.sigma_h)
    assert log_halo_density(eta, log_mhalo, log_re, x) == pytest.approx(expected, abs=1e-12)
    for mu_g in (-0.6, 1.0, 2.7):
        cut = truncnorm((0.0 - mu_g) / 0.2, (2.0 - mu_g) / 0.2, mu_g, 0.2)
        value = log_slope_density(Eta(mu_g=mu_g), gamma, 0.0, 2.0)
        assert value == pytest.approx(cut.logpdf(gamma), abs=1e-9)


def integrand(log_mhalo: float, gamma: float, pair: Pair, eta: Eta) -> float:
    """Return the integrand of L, from `lens_twin` and scipy alone."""
    stars, halo = Twin(0.0, -30.0, pair.log_re), Twin(-30.0, log_mhalo, 0.9, gamma_in=gamma)
    outer, inner = pair.x_a, -pair.x_b
    a, b = stars.parts(outer), stars.parts(inner)
    h, k = halo.parts(outer), halo.parts(inner)
    mstar = (outer + inner - h[2] - k[2]) / (a[0] + b[0])
    beta = outer - mstar * a[0] - h[2]
    if mstar <= 0.0 or beta < 0.0:
        return 0.0
    kbar = (mstar * a[0] + h[2]) / outer, (mstar * b[0] + k[2]) / inner
    kappa = mstar * a[1] + h[3], mstar * b[1] + k[3]
    radial = [1.0 + m - 2.0 * s for m, s in zip(kbar, kappa, strict=True)]
    if radial[1] <= 0.0:
        return 0.0
    mu = [abs(1.0 / ((1.0 - m) * r)) for m, r in zip(kbar, radial, strict=True)]
    u_a, u_b = pair.m_a + 2.5 * math.log10(mu[0]), pair.m_b + 2.5 * math.log10(mu[1])
    # the counts are smooth over the errors, and far from their ends: 20 nodes are exact
    t, w = np.polynomial.hermite_e.hermegauss(20)
    sd = 0.1 / math.sqrt(2.0)
    smooth = float(np.sum(w * Counts().density_at(0.5 * (u_a + u_b) + sd * t)))
    smooth *= norm.pdf(u_a - u_b, 0.0, 0.1 * math.sqrt(2.0)) / math.sqrt(2.0 * math.pi)
    x = math.log10(mstar) - eta.alpha_sps
    density = skewnorm.pdf(x, 10.0**eta.shape_star, eta.mu_star, eta.sigma_star)
    density *= norm.pdf(pair.log_msps, x, pair.sigma_msps)
    density *= norm.pdf(pair.log_re, eta.mu_r + eta.beta_r * (x - PIVOT), eta.sigma_r)
    density *= norm.pdf(log_mhalo, eta.mu_h + eta.beta_h * (x - PIVOT), eta.sigma_h)
    jacobian = abs(radial[0] * radial[1]) / (mstar * math.log(10.0) * (a[0] + b[0]))
    per_kpc2 = (math.pi / 10_800.0 * halo.distances[0]) ** -2
    return 2.0 * math.pi * beta * per_kpc2 * jacobian * smooth * density


def test_likelihood_at_one_slope_is_the_integral():
    """A support of the slope so narrow that one Gauss node stands for it."""
    gamma, half = 1.1, 1e-7
    model, rule = replace(MODEL, gamma_low=gamma - half, gamma_high=gamma + half), Rule(1, 0.1)
    cells = cells_of(PAIR, model, rule)
    for eta in (Eta(), Eta(alpha_sps=0.1, mu_h=12.6, sigma_h=0.2)):
        value = log_likelihood(cells, PAIR, model, eta)
        parts = [(5.0, 10.0), *((m, m + 0.5) for m in np.arange(10.0, 14.5, 0.5))]
        arguments = {"args": (gamma, PAIR, eta), "epsabs": 0.0, "epsrel": 1e-8, "limit": 200}
        peak = sum(quad(integrand, *p, **arguments)[0] for p in parts if p[0] < 13.5)
        assert value == pytest.approx(math.log(peak), abs=1e-6)


def test_scatter_of_the_mismatch_is_a_mean_over_constants():
    cells = cells_of(PAIR, MODEL, COARSE)
    t, w = np.polynomial.hermite_e.hermegauss(24)
    for eta in (Eta(), Eta(xi_h=0.3, beta_h=1.0)):
        single = [log_likelihood(cells, PAIR, MODEL, replace(eta, alpha_sps=0.05 * v)) for v in t]
        mean = math.log(np.sum(w * np.exp(single)) / math.sqrt(2.0 * math.pi))
        value = log_likelihood(cells, PAIR, MODEL, replace(eta, sigma_sps=0.05))
        # both rules converge faster than any power; what is left is rounding
        assert value == pytest.approx(mean, abs=1e-9)


def test_exact_data_are_the_limit_of_small_errors():
    model, rule = replace(MODEL, gamma_low=0.999, gamma_high=1.001), Rule(1, 0.1)
    exact = log_likelihood(cells_of(PAIR, model, rule), PAIR, model, Eta())
    pair = replace(PAIR, sigma_re=0.002)
    value = log_likelihood(cells_of(pair, model, rule), pair, model, Eta())
    # the second derivative of ln L in log Re is of the order of sigma_r^-2 = 80
    assert value == pytest.approx(exact, abs=80.0 * 0.002**2)


def test_delay_multiplies_by_its_density():
    gamma, half = 1.0, 1e-7
    lens = Twin(11.5, 13.0, 0.9)
    delay = lens.images(0.5 * lens.caustic_radius).time_delay
    model, rule = replace(MODEL, gamma_low=gamma - half, gamma_high=gamma + half), Rule(1, 0.05)
    pair = replace(PAIR, time_delay=delay, sigma_delay=0.01)
    plain, timed = cells_of(PAIR, model, rule), cells_of(pair, model, rule)
    # a delay measured exactly picks the halo mass it was made with
    assert timed.log_mhalo[np.argmax(timed.log_weight - plain.log_weight)] == pytest.approx(
        13.0, abs=2e-3
    )
    top = np.max(timed.log_weight - plain.log_weight)
    assert top <= log_normal(0.0, 0.0, 0.01)


def test_stored_numbers_are_those_of_the_twin():
    entries = json.loads(REFERENCE.read_text())
    assert len(entries) == 79
    assert max(e["error"] for e in entries) <= 1e-4
    for entry in (entries[0], entries[17]):
        pair = Pair(**entry["pair"])
        cells = cells_of(pair, MODEL, COARSE)
        values = [log_likelihood(cells, pair, MODEL, Eta(**eta)) for eta in entry["eta"]]
        assert values == pytest.approx(entry["ln_l"], abs=1e-5)
