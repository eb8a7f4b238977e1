"""Keyed random numbers against numpy's Philox, and their independence of how they are asked for."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import stats

from clmassmod.errors import ParameterError
from clmassmod.rng import keyed_uniforms

PURPOSE = "stellar mass"


def numpy_uniforms(seed, purpose, object_id, n_draws, part=0):
    """The same numbers from numpy's generator, one object at a time."""
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    # numpy adds one to its counter before the first block
    counter = ((object_id << 64) + (part << 128) - 1) % (1 << 256)
    bits = np.random.Philox(key=seed + (word << 64), counter=counter).random_raw(n_draws)
    return ((bits >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("n_draws", [1, 4, 6])
def test_against_numpy(seed, n_draws):
    ids = np.array([0, 1, 5, 2**40, 2**63 - 1])
    expected = [numpy_uniforms(seed, PURPOSE, int(i), n_draws) for i in ids]
    np.testing.assert_array_equal(keyed_uniforms(seed, PURPOSE, ids, n_draws), expected)


def test_parts_against_numpy():
    ids, parts = np.array([3, 3, 3, 9]), np.array([0, 1, 2, 1])
    expected = [
        numpy_uniforms(11, PURPOSE, int(i), 5, int(k)) for i, k in zip(ids, parts, strict=True)
    ]
    np.testing.assert_array_equal(keyed_uniforms(11, PURPOSE, ids, 5, parts=parts), expected)


def test_same_numbers_for_any_threads_order_subset_and_number_of_draws():
    ids = np.arange(200_011)  # four blocks, the last one not full
    whole = keyed_uniforms(3, PURPOSE, ids, 5)
    for n_threads in (1, 2, 3, 7, 0):
        np.testing.assert_array_equal(keyed_uniforms(3, PURPOSE, ids, 5, n_threads), whole)
    some = np.random.default_rng(0).permutation(ids)[:777]
    np.testing.assert_array_equal(keyed_uniforms(3, PURPOSE, some, 5), whole[some])
    pieces = [keyed_uniforms(3, PURPOSE, ids[i : i + 997], 5) for i in range(0, ids.size, 997)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    np.testing.assert_array_equal(keyed_uniforms(3, PURPOSE, ids, 2), whole[:, :2])


def test_uniform_within_the_open_interval():
    u = keyed_uniforms(1, PURPOSE, np.arange(50_000), 4)
    assert u.min() > 0.0
    assert u.max() < 1.0
    for column in u.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    # chi^2 of pairs of successive draws on 16 x 16 cells
    cells, _, _ = np.histogram2d(u[:, :3].ravel(), u[:, 1:].ravel(), 16, [[0, 1], [0, 1]])
    assert stats.chisquare(cells.ravel()).pvalue > 1e-4


@pytest.mark.parametrize(
    "other",
    [
        lambda ids: keyed_uniforms(1, "effective radius", ids),
        lambda ids: keyed_uniforms(2, PURPOSE, ids),
        lambda ids: keyed_uniforms(1, PURPOSE, ids, parts=np.ones_like(ids)),
        lambda ids: keyed_uniforms(1, PURPOSE, ids + 1),
        lambda ids: keyed_uniforms(1, PURPOSE, ids, 2)[:, 1:],
    ],
    ids=["purpose", "seed", "part", "object", "draw"],
)
def test_independent_of_other_keys(other):
    ids = np.arange(100_000)
    one, two = keyed_uniforms(1, PURPOSE, ids)[:, 0], other(ids)[:, 0]
    # the correlation of n independent pairs has the standard deviation n^-1/2; 4.5 of them
    assert abs(np.corrcoef(one, two)[0, 1]) < 4.5 / np.sqrt(ids.size)
    cells, _, _ = np.histogram2d(one, two, 16, [[0, 1], [0, 1]])
    assert stats.chisquare(cells.ravel()).pvalue > 1e-4


def test_no_objects_make_no_numbers():
    assert keyed_uniforms(1, PURPOSE, [], 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, r"seed = -1 .* >= 0 and < 2\^64"),
        ({"seed": 2**64}, "seed = 18446744073709551616"),
        ({"seed": 1.5}, "seed = 1.5"),
        ({"seed": True}, "seed = True"),
        ({"ids": [0, -3]}, r"ids\[1\] = -3 .* >= 0"),
        ({"ids": [0.0]}, "ids .* integers"),
        ({"ids": [[1]]}, "ids .* one-dimensional"),
        ({"parts": [1, 2]}, r"parts .* of shape \(1,\)"),
        ({"n_draws": 0}, "n_draws = 0"),
        ({"n_threads": -1}, "n_threads = -1"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ParameterError, match=message):
        keyed_uniforms(**({"seed": 1, "purpose": PURPOSE, "ids": [0]} | arguments))
