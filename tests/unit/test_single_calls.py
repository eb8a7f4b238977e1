"""Likelihoods of one parameter vector: the short way to a halo is the long one, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.cluster.halo_model import HaloModel
from clmassmod.cluster.likelihood import ClusterLikelihood
from clmassmod.cluster.parameters import ParameterSet
from clmassmod.errors import ParameterError

Z = 0.3
R = np.geomspace(0.3, 3.0, 8)
PRIORS = {
    "mass": {"distribution": "uniform", "low": -1e15, "high": 5e15},
    "concentration": {"distribution": "uniform", "low": 0.5, "high": 30.0},
}
VALUES = np.array([[3e14, 4.0], [-8e14, 7.0], [0.0, 5.0], [2e15, 2.5]])
KINDS = {
    "NFW": (clm.NFW, {}),
    "Hernquist": (clm.Hernquist, {}),
    "BMO": (clm.BMO, {"truncation": 5.0}),
}


def data(kind="shear"):
    if kind == "shear":
        return clm.GammaTheta(R, 0.05 / R, 0.01 / R, redshift=Z, sources=1.0)
    return clm.DeltaSigma(R, 5e13 / R, 1e13 / R, redshift=Z)


def likelihood(profile, observable=None, **profile_parameters):
    model = HaloModel(profile, "200m", profile_parameters=profile_parameters)
    return ClusterLikelihood(model, ParameterSet.from_priors(PRIORS), observable or data())


@pytest.mark.parametrize("name", KINDS)
def test_haloes_are_those_of_the_constructor(name):
    """Equal, of the same bits in all quantities, and independent of the caller's array."""
    kind, others = KINDS[name]
    table = VALUES.copy()
    halo, sign, amplitude = likelihood(kind, **others).halo(table)
    table[:] = 1.0
    size = np.where(VALUES[:, 0] == 0.0, 1.0, np.abs(VALUES[:, 0]))
    expected = kind(size, VALUES[:, 1], redshift=Z, mass_def="200m", **others)
    assert halo == expected
    assert halo.shape == expected.shape
    assert halo.mass_def == expected.mass_def
    np.testing.assert_array_equal(sign, np.sign(VALUES[:, 0]))
    np.testing.assert_array_equal(amplitude, 1.0)
    for attribute in ("mass", "concentration", "scale_radius", "scale_density"):
        np.testing.assert_array_equal(getattr(halo, attribute), getattr(expected, attribute))
    for quantity in ("density", "surface_density", "excess_surface_density", "enclosed_mass"):
        found = getattr(halo, quantity)(R)
        np.testing.assert_array_equal(found, getattr(expected, quantity)(R))
    with pytest.raises(ValueError, match="read-only"):
        halo.mass[0] = 1.0


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("kind", ["shear", "excess surface density"])
def test_single_calls_are_rows_of_a_batch(name, kind):
    profile, others = KINDS[name]
    one = likelihood(profile, data(kind), **others)
    together = one.log_likelihood(VALUES)
    alone = [one.log_likelihood(row)[0] for row in VALUES]
    np.testing.assert_array_equal(alone, together)
    assert np.all(np.isfinite(together))


def test_profiles_that_change_their_arguments_are_built_by_their_own_constructor():
    class Heavier(clm.NFW):
        def __init__(self, mass, concentration, redshift, **others):
            super().__init__(2.0 * mass, concentration, redshift, **others)

    positive = VALUES[VALUES[:, 0] > 0.0]
    found = likelihood(Heavier).log_likelihood(positive)
    expected = likelihood(clm.NFW).log_likelihood(positive * [2.0, 1.0])
    np.testing.assert_array_equal(found, expected)


def test_what_is_no_halo():
    """Masses that are no number have no likelihood; infinite ones and c <= 0 are errors."""
    one = likelihood(clm.NFW)
    assert np.isneginf(one.log_likelihood([np.nan, 4.0])[0])
    for values, name in (
        ([np.inf, 4.0], "mass"),
        ([3e14, -4.0], "concentration"),
        ([3e14, np.nan], "concentration"),
    ):
        with pytest.raises(ParameterError, match=name):
            one.log_likelihood(values)
    assert one.log_likelihood(np.empty((0, 2))).shape == (0,)
