"""Errors of tables at their samples, and of likelihoods that use them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from clmassmod import Table
from clmassmod.errors import ParameterError
from clmassmod.table.builder import build_table
from clmassmod.table.sample_errors import delta_log_likelihood, sample_errors

BOX = {"a": (0.1, 1.0), "b": (0.0, 2.0)}


def function(x):
    return np.stack([np.exp(-x[:, 0]) * np.sin(3.0 * x[:, 1]), np.log(x[:, 0]) * x[:, 1]], axis=1)


@pytest.mark.parametrize("method", ["adaptive", "greedy"])
@pytest.mark.parametrize("mapped", [None, {"a": "log"}])
def test_errors_of_the_sample_are_those_of_the_report(method, mapped, tmp_path):
    table = build_table(function, BOX, 1e-2, method=method, map=mapped, pool=2**10)
    report = table.error_report()
    table.save(tmp_path / "t.h5")
    for one in (table, Table.load(tmp_path / "t.h5")):
        for split in ("drive", "stop", "final"):
            u, errors = sample_errors(one, split)
            known = getattr(report, split)
            # the way from u to x and back is rounded
            assert np.quantile(errors, 0.99) == pytest.approx(known.p99, rel=1e-6, abs=1e-13)
            assert errors.max() == pytest.approx(known.max, rel=1e-6, abs=1e-13)
            x = u.copy()
            if mapped is not None:
                x[:, 0] = 10.0 ** u[:, 0]
            direct = np.abs(one(x, oob="clip") - function(x)).max(axis=1)
            np.testing.assert_allclose(errors, direct, rtol=0, atol=1e-12)


def test_tables_without_a_sample_say_so():
    plain = Table.from_grid([np.arange(5.0)], np.arange(5.0))
    built = build_table(function, BOX, 1e-2, pool=2**8)
    for table in (plain, pickle.loads(pickle.dumps(built))):
        with pytest.raises(ParameterError, match="sample of its build"):
            sample_errors(table)
    with pytest.raises(ParameterError, match="Did you mean 'final'"):
        sample_errors(built, "finals")


def plane(x):
    return 0.5 + x @ np.array([1.0, -2.0])


def test_a_likelihood_of_known_error():
    knots = np.linspace(0.0, 1.0, 5)
    # 1e-3 too large everywhere: ln L is wrong by -(r + e/2) e / sigma^2 for a residual r
    table = Table.from_grid([knots, knots], 0.501 + np.add.outer(knots, -2.0 * knots))
    sigma = 0.02
    x, delta = delta_log_likelihood(table, plane, [0.5, 0.5], sigma, n=4000, seed=1)
    assert x.shape == (4000, 2)
    residual = plane(x) - plane(np.array([[0.5, 0.5]]))
    np.testing.assert_allclose(delta, -(residual + 5e-4) * 1e-3 / sigma**2, rtol=0, atol=1e-11)
    # the posterior is normal across the plane and flat along it; 4 standard errors
    assert residual.mean() == pytest.approx(-1e-3, abs=4 * sigma / np.sqrt(4000))
    assert residual.std() == pytest.approx(sigma, rel=4 / np.sqrt(8000))
    along = x @ np.array([2.0, 1.0])
    assert np.ptp(along) > 2.0
    again = delta_log_likelihood(table, plane, [0.5, 0.5], sigma, n=4000, seed=1)[1]
    np.testing.assert_array_equal(again, delta)


def test_outputs_have_their_own_errors():
    def two(x):
        return np.stack([plane(x), x[:, 0]], axis=1)

    knots = np.linspace(0.0, 1.0, 5)
    nodes = np.stack(np.meshgrid(knots, knots, indexing="ij"), axis=-1)
    values = two(nodes.reshape(-1, 2)).reshape(5, 5, 2)
    table = Table.from_grid([knots, knots], values)
    x, delta = delta_log_likelihood(table, two, [0.5, 0.5], [0.05, 0.01], n=500)
    assert np.std(x[:, 0]) == pytest.approx(0.01, rel=0.15)
    assert np.std(plane(x)) == pytest.approx(0.05, rel=0.15)
    # a table that is exact, but for rounding over sigma
    assert np.abs(delta).max() < 1e-11


def test_masked_cells_are_no_part_of_a_posterior():
    knots = np.linspace(0.0, 1.0, 5)
    mask = np.zeros((4, 4), dtype=bool)
    mask[2:, :] = True
    table = Table.from_grid([knots, knots], np.add.outer(0.5 + knots, -2.0 * knots), mask=mask)
    x, _ = delta_log_likelihood(table, plane, [0.2, 0.5], 0.1, n=300)
    assert x[:, 0].max() < 0.5


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("truth", {"truth": [1.5, 0.5]}),
        ("truth", {"truth": [np.nan, 0.5]}),
        ("truth", {"truth": [[0.5, 0.5]]}),
        ("x.shape", {"truth": 0.5}),
        ("sigma", {"sigma": 0.0}),
        ("sigma", {"sigma": np.inf}),
        ("sigma", {"sigma": [0.1, 0.1]}),
        ("sigma", {"sigma": 1e-9}),
        ("n", {"n": 0}),
        ("n", {"n": 2.5}),
        ("func(x).shape", {"func": lambda x: x}),
    ],
)
def test_wrong_arguments_are_named(name, options):
    knots = np.linspace(0.0, 1.0, 4)
    table = Table.from_grid([knots, knots], 0.5 + np.add.outer(knots, -2.0 * knots))
    given = {"func": plane, "truth": [0.5, 0.5], "sigma": 0.1, **options}
    with pytest.raises(ParameterError) as caught:
        delta_log_likelihood(table, **given)
    assert caught.value.name == name
