"""Projections of one halo: the integral over what their scatter has in common."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from ensemble_mocks import normal_grids
from scipy import integrate, stats
from scipy.special import logsumexp

from clmassmod.ensembles import (
    MassGrid,
    MassLikelihoods,
    MassRelation,
    MassSamples,
    PopulationLikelihood,
)

MASS = 3e14


def one_halo(objects):
    relation = MassRelation(np.full(len(objects), np.log(MASS)), groups=np.zeros(len(objects), int))
    return PopulationLikelihood(MassLikelihoods(objects), relation)


def scattered(k, scatter, rho, rng):
    """ln (M / MASS) of k projections."""
    common, own = rng.standard_normal(), rng.standard_normal(k)
    return scatter * (np.sqrt(rho) * common + np.sqrt(1.0 - rho) * own)


@pytest.mark.parametrize("rho", [0.0, 0.7, 0.98, 0.999])
@pytest.mark.parametrize("error", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("k", [1, 3, 30, 300])
def test_errors_normal_in_ln_mass_give_a_multivariate_normal(k, error, rho):
    rng = np.random.default_rng([k, int(1000 * rho)])
    scatter = 0.2
    y = scattered(k, scatter, rho, rng) + error * rng.standard_normal(k)
    grids = MASS * np.exp(y[:, None] + error * np.linspace(-9.0, 9.0, 241))
    values = -0.5 * np.linspace(-9.0, 9.0, 241) ** 2
    likelihood = one_halo({str(i): MassGrid(grid, values) for i, grid in enumerate(grids)})
    # the truth, and what a chain visits about it
    theta = np.array([[0.0, scatter, rho], [0.1, 1.2 * scatter, 0.9 * rho]])
    found = likelihood.log_likelihood(theta)
    for value, (bias, sd, r) in zip(found, theta, strict=True):
        covariance = sd**2 * (r + (1.0 - r) * np.eye(k)) + error**2 * np.eye(k)
        norm = k * np.log(np.sqrt(2.0 * np.pi) * error)
        expected = stats.multivariate_normal.logpdf(y, np.full(k, bias), covariance) + norm
        # splines of 241 points of every likelihood: 1e-6 each
        assert value == pytest.approx(expected, abs=1e-3)


def by_quadrature(measured, noise, bias, sd, rho):
    """ln of the integral over h, adaptively, and over each mass by the trapezoidal rule."""
    u = np.linspace(-8.5, 8.5, 241)
    weight = stats.norm.pdf(u) * (u[1] - u[0])

    def log_integrand(h):
        mass = MASS * np.exp(bias + sd * (np.sqrt(rho) * h + np.sqrt(1.0 - rho) * u))
        each = np.exp(-0.5 * ((mass - measured[:, None]) / noise) ** 2) @ weight
        return np.log(np.maximum(each, 1e-300)).sum() + stats.norm.logpdf(h)

    coarse = np.linspace(-7.0, 7.0, 141)
    values = np.array([log_integrand(h) for h in coarse])
    top = int(values.argmax())
    # break points about the peak, however narrow it is
    near = coarse[top] + np.array([-2.0, -0.6, -0.2, 0.0, 0.2, 0.6, 2.0])
    edges = [-9.0, *near[(near > -9.0) & (near < 9.0)], 9.0]
    parts = [
        integrate.quad(lambda h: np.exp(log_integrand(h) - values[top]), a, b, epsrel=1e-6)[0]
        for a, b in pairwise(edges)
    ]
    return values[top] + np.log(sum(parts))


@pytest.mark.parametrize(("k", "noise", "rho"), [(1, 1.0, 0.5), (3, 1.0, 0.98), (40, 0.6, 0.9)])
def test_errors_normal_in_mass_agree_with_quadrature(k, noise, rho):
    rng = np.random.default_rng([k, 5])
    measured = MASS * (np.exp(scattered(k, 0.3, rho, rng)) + noise * rng.standard_normal(k))
    grid = np.linspace(measured.min() - 9 * noise * MASS, measured.max() + 12 * noise * MASS, 300)
    likelihood = one_halo(normal_grids(measured, noise * MASS, grid))
    for theta in ([0.0, 0.3, rho], [-0.3, 0.5, 0.999], [0.2, 0.1, 0.02]):
        expected = by_quadrature(measured, noise * MASS, *theta)
        assert likelihood.log_likelihood([theta])[0] == pytest.approx(expected, abs=1e-4)


def test_grids_and_samples_of_one_halo_and_any_order_of_groups():
    rng = np.random.default_rng(6)
    sampled = MASS * np.exp(0.1 * rng.standard_normal(300))
    objects = normal_grids([2.5e14, 4e14, 3.5e14], 8e13)
    objects["chain"] = MassSamples(sampled, np.zeros(300))
    likelihoods = MassLikelihoods(objects)
    groups, sd, rho = np.array([7, 3, 7, 7]), 0.25, 0.8
    mean, width = np.full((4, 1), np.log(MASS)), np.full((4, 1), sd)
    found = likelihoods.integrate_groups(groups, mean, width, [rho])[:, 0]
    h = np.linspace(-7.0, 7.0, 1401)
    given = likelihoods.integrate(
        "normal",
        mean + sd * np.sqrt(rho) * h,
        np.broadcast_to(width * np.sqrt(1.0 - rho), (4, h.size)),
    )
    weight = stats.norm.logpdf(h) + np.log(h[1] - h[0])
    expected = [logsumexp(given[groups == g].sum(axis=0) + weight) for g in (3, 7)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_threads_and_batches_do_not_change_a_bit():
    rng = np.random.default_rng(7)
    measured = MASS * np.exp(0.2 * rng.standard_normal(12))
    likelihoods = MassLikelihoods(normal_grids(measured, 3e13))
    relation = MassRelation(np.full(12, np.log(MASS)), groups=np.arange(12) // 3)
    theta = rng.uniform([-0.3, 0.05, 0.0], [0.3, 0.5, 0.99], (9, 3))
    one = PopulationLikelihood(likelihoods, relation).of_objects(theta)
    more = PopulationLikelihood(likelihoods, relation, n_threads=3).of_objects(theta[4:5])
    assert one.shape == (4, 9)
    assert (one[:, 4:5] == more).all()


def test_a_halo_far_off_counts_as_an_outlier():
    likelihood = one_halo(normal_grids([MASS, 1.05 * MASS], 3e13))
    biases = np.linspace(-2.0, 2.0, 41)
    theta = np.column_stack([biases, np.full(41, 0.02), np.full(41, 0.5)])
    values = likelihood.log_likelihood(theta)
    # two objects, 9 standard deviations each and a slow fall: not 2 / .02 = 100 of them
    assert np.all((values > -120.0) & (values < 0.0))
    assert np.all(np.diff(values[: values.argmax()]) > 0.0)
    assert np.all(np.diff(values[values.argmax() :]) < 0.0)
