"""Errors cross processes unchanged, and carry what was wrong."""

from __future__ import annotations

import pickle

import pytest

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


def test_nearest_name():
    assert errors.nearest("einast", ["NFW", "Einasto"]) == "Did you mean 'Einasto'?"
    assert errors.nearest("zzzz", ["NFW"]) == ""
