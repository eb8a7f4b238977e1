"""Lenses that a population does not explain are named, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from clmassmod.population.lens_data import LensData
from clmassmod.population.likelihood import LensPopulationLikelihood
from clmassmod.population.unlikely_lenses import far_below, unlikely_lenses
from clmassmod.stronglens import MockGenerator

BOX = {"alpha_sps": (-0.02, 0.02), "mu_h": (12.85, 12.97)}


@pytest.mark.parametrize("n", [3, 30, 3000])
def test_false_alarms_are_as_rare_as_they_should_be(n):
    """Exponential tails of 3 nat, as those of a mock: one sample in a thousand, 3 of 1000."""
    draws = -3.0 * np.random.default_rng(n).exponential(size=(1000, n))
    assert sum(far_below(best).any() for best in draws) <= (3 if n >= 1000 else 12)


def test_what_is_far_below_is_found():
    best = -3.0 * np.random.default_rng(1).exponential(size=40)
    best[[7, 11]] = [-326.0, -80.0]
    assert np.flatnonzero(far_below(best)).tolist() == [7, 11]
    assert far_below(np.array([0.0, -326.0])).tolist() == [False, True]


class Found:
    """ln L of ten lenses at two points; that of the third is bad at both."""

    class sample:
        names = tuple("abcdefghij")

    def __init__(self, worst):
        self.terms = np.tile(np.linspace(-4.0, 0.0, 10), (2, 1))
        self.terms[:, 2] = [worst - 9.0, worst]

    def per_lens(self, eta):
        return self.terms


def test_a_note_names_the_lens():
    (note,) = unlikely_lenses(Found(-150.0), np.zeros((2, 1)))
    assert "explain: c (ln L -150), where the median is" in note
    assert "arcsec" in note
    assert unlikely_lenses(Found(-20.0), np.zeros((2, 1))) == []


@pytest.mark.slow
def test_no_lens_of_a_mock_is_named():
    data = LensData.from_catalogue(MockGenerator().generate(70_000, seed=5))
    points = [[alpha, mu] for alpha in (-0.02, 0.02) for mu in (12.85, 12.97)]
    assert len(data) > 200
    likelihood = LensPopulationLikelihood(data, free=list(BOX), box=BOX)
    assert unlikely_lenses(likelihood, points) == []
