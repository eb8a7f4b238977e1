"""Errors cross processes unchanged, and carry what was wrong."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from astropy.table import QTable

from clmassmod import errors

EXAMPLES = [
    errors.ParameterError("mass", -1.0, "> 0", "Give Msun."),
    errors.FormatError("a.txt", "radius", "not increasing"),
    errors.MissingExtraError("iminuit", "fit", "method 'minuit'"),
    errors.ConfigError("unknown key"),
    errors.FitError("no maximum"),
    errors.NumericalError("not converged"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda e: type(e).__name__)
def test_pickle_keeps_the_error(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert isinstance(again, errors.ClmassmodError)


def test_parameter_error_says_what_is_allowed():
    error = EXAMPLES[0]
    assert (error.name, error.value, error.allowed) == ("mass", -1.0, "> 0")
    assert str(error) == "mass = -1.0 is not valid: it must be > 0. Give Msun."
    assert isinstance(error, ValueError)


class Thing:
    pass


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.linspace(0.0, 1.0, 2000), "<array of shape (2000,)>"),
        (np.array([1.0, 2.5]), "[1.0, 2.5]"),
        (list(range(500)), "<list of 500>"),
        ([1, 2], "[1, 2]"),
        (Thing(), "<Thing>"),
        (test_pickle_keeps_the_error, "<function test_pickle_keeps_the_error>"),
        (QTable({"a": [1, 2]}), "<QTable>"),
        ("x" * 999, f"'{'x' * 199}..."),
    ],
)
def test_any_value_is_shown_in_one_short_line(value, shown):
    assert str(errors.ParameterError("a", value, "b")) == f"a = {shown} is not valid: it must be b."


def test_nearest_name():
    assert errors.nearest("einast", ["NFW", "Einasto"]) == "Did you mean 'Einasto'?"
    assert errors.nearest("zzzz", ["NFW"]) == ""
