"""Rounding: two digits of the error, in every size of error."""

from __future__ import annotations

import math

import pytest

from clmassmod.rounding import rounded


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1.0, 0.0123, 0.5), ("1.000", "0.012", "0.500")),
        ((1.0, 0.00999, 0.00999), ("1.000", "0.010", "0.010")),
        ((-3.456, 1.25, 2.0), ("-3.5", "1.2", "2.0")),
        ((5.0, 0.0, 0.21), ("5.00", "0.00", "0.21")),
        ((5.43219, math.nan, math.nan), ("5.432", "nan", "nan")),
        ((1234.5, 230.0, 250.0), ("1234", "230", "250")),
        ((1.0, 1e-30, 1e-30), ("1.000000000", "0.000000000", "0.000000000")),
    ],
)
def test_smaller_error_decides(given, expected):
    assert rounded(*given) == expected
