"""Bins of the data over posterior predictions."""

from __future__ import annotations

import numpy as np

from clmassmod.figures.populations import predictive_histograms
from clmassmod.population.predictive import Predictive


def test_bins_are_as_wide_as_the_data_ask_for():
    """Predictions that reach far beyond the data do not make bins wide."""
    random = np.random.default_rng(1)
    data = random.normal(1.2, 0.25, 59)
    drawn = [random.normal(1.2, 0.25, 59) for _ in range(5)]
    drawn[0][:3] = 5.0
    figure = predictive_histograms(
        Predictive({"theta_e": data, "m_a": data}, [{"theta_e": d, "m_a": d} for d in drawn])
    )
    first, second = figure.axes
    widths = np.diff(first.patches[-1].get_data().edges)
    # Freedman & Diaconis: 2 IQR / n^(1/3), of which a normal density has 0.17
    assert 0.1 < widths[0] < 0.2
    assert second.get_xlabel().endswith("[mag]")
