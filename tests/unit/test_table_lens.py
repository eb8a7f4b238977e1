"""Tables of a lens: the inner image over stellar mass, halo mass, size and source offset."""

from __future__ import annotations

import numpy as np
import pytest

from clmassmod.errors import AccuracyWarning
from clmassmod.stronglens import LensModel, LensStatus, solve_images
from clmassmod.table.builder import build_table
from clmassmod.table.maps import RatioMap
from clmassmod.table.sample_errors import delta_log_likelihood

BOX = {"log_mstar": (10.8, 12.2), "log_mhalo": (11.5, 14.5), "log_re": (0.3, 1.5)}


def log_caustic(p):
    """log10 of the caustic radius [kpc]."""
    return np.log10(LensModel(*p.T).caustic_radius())


def log_theta(p):
    """log10 of the distance of the counter-image from the lens [kpc].

    Offsets that the map puts beyond the caustic, within the error of its table, are at it.
    """
    model = LensModel(*p[:, :3].T)
    beta = np.minimum(p[:, 3], model.caustic_radius() * (1.0 - 1e-13))
    images = solve_images(model, beta)
    assert np.all(images.status == LensStatus.ok)
    return np.log10(-images.x_b)


@pytest.fixture(scope="module")
def caustic_map():
    # an error of 1e-6 moves the kink by 1e-3 in u
    table = build_table(log_caustic, BOX, 1e-6, pool=2**13)
    return RatioMap("beta", table, 0.5, log_scale=True)


def fresh(n, near=False):
    """Points independent of any build: uniform in u, or log-uniform close to the caustic."""
    rng = np.random.default_rng(2024)
    low, high = np.array(list(BOX.values())).T
    p = low + (high - low) * rng.random((n, 3))
    u2 = 10.0 ** (-6.0 + 5.0 * rng.random(n)) if near else rng.random(n) ** 2
    beta = LensModel(*p.T).caustic_radius() * (1.0 - u2)
    return np.column_stack([p, beta])


@pytest.fixture(scope="module")
def tables(caustic_map):
    """The mapped tables by their tolerances."""
    options = {"map": caustic_map, "pool": 2**14}
    box = {**BOX, "beta": (0, 1)}
    return {tol: build_table(log_theta, box, tol, **options) for tol in (3e-4, 1e-4)}


@pytest.mark.parametrize("tol", [3e-4, 1e-4])
def test_counter_image(tables, tol):
    table = tables[tol]
    report = table.error_report()
    assert report.converged
    if tol == 3e-4:
        assert report.n_nodes <= 40_000
    x = fresh(30_000)
    # of points within 1e-6 of the caustic, some are beyond the caustic of the map: within its slack
    errors = np.abs(table(x) - log_theta(x))
    p99 = float(np.quantile(errors, 0.99))
    assert p99 <= 1.2 * tol
    assert 1 / 1.5 < report.final.p99 / p99 < 1.5
    x = fresh(10_000, near=True)
    # all of them in the last cells before the caustic
    errors = np.abs(table(x) - log_theta(x))
    assert np.quantile(errors, 0.99) < 5.0 * tol


def test_the_likelihood_of_an_image(tables):
    """ln L of a counter-image measured to 2 per cent, in the posterior of all four parameters."""
    truth = [11.4, 13.0, 0.9, 0.5 * float(LensModel(11.4, 13.0, 0.9).caustic_radius())]
    x, delta = delta_log_likelihood(tables[1e-4], log_theta, truth, 0.01)
    spread = log_theta(x) - log_theta(np.array([truth]))
    assert np.std(spread) == pytest.approx(0.01, rel=0.1)
    # p99 of the table, 1e-4, times a residual of 2.6 sigma, over sigma^2
    assert np.quantile(np.abs(delta), 0.99) < 0.026
    assert abs(delta.mean()) < 1e-3


def test_without_the_map_the_caustic_is_found():
    # offsets up to 3 kpc, beyond the caustic of the smaller lenses
    with pytest.warns(AccuracyWarning, match="kink"):
        table = build_table(log_theta, {**BOX, "beta": (0.0, 3.0)}, 3e-4, pool=2**13)
    report = table.error_report()
    assert report.reason == "stalled"
    # a hundred times what the map reaches
    assert report.final.p99 > 0.03
