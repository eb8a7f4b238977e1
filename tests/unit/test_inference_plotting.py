"""Figures of chains and of calibration: what they show, and what they refuse."""

from __future__ import annotations

import dataclasses
import sys

import matplotlib
import numpy as np
import pytest

from clmassmod.errors import FitError, MissingExtraError, ParameterError
from clmassmod.figures import inference as inference_plotting
from clmassmod.inference.calibration import Calibration
from clmassmod.inference.chain import Chain
from clmassmod.inference.prior_set import PriorSet
from clmassmod.inference.priors import Uniform
from clmassmod.inference.samplers import run_mcmc

from inference_targets import Banana, Gaussian


@pytest.fixture(scope="module")
def chain():
    priors = PriorSet({"a": Uniform(-6.0, 6.0), "b": Uniform(-30.0, 60.0)})
    return run_mcmc(Banana(), priors, seed=1, target_ess=500)


def test_write_figures(chain, tmp_path):
    before = dict(matplotlib.rcParams)
    files = inference_plotting.write_figures(chain, tmp_path / "figures", truth={"a": 0.0})
    assert list(files) == ["Trace", "Corner"]
    for file in files.values():
        with open(file, "rb") as opened:
            assert opened.read(8) == b"\x89PNG\r\n\x1a\n"
    assert dict(matplotlib.rcParams) == before


def test_figures_of_a_run(tmp_path):
    priors = PriorSet({"a": Uniform(-9.0, 9.0)})
    run_mcmc(Gaussian(names=("a",)), priors, tmp_path / "run", seed=1, target_ess=200)
    files = inference_plotting.write_run_figures(tmp_path / "run", labels={"a": "first"})
    assert files == {"Trace": str(tmp_path / "run" / "figures" / "trace.png")}


def test_trace_shows_walkers_median_burn_in_and_truth(chain):
    figure = inference_plotting.trace(chain, truth={"b": 1.0}, labels={"b": "the other"})
    upper, lower = figure.axes
    assert upper.get_ylabel() == "a"
    assert lower.get_ylabel() == "the other"
    assert len(upper.lines) == 17
    assert len(lower.lines) == 18
    np.testing.assert_array_equal(upper.lines[0].get_ydata(), chain.draws[:, 0, 0])
    np.testing.assert_array_equal(
        upper.lines[16].get_ydata(), np.median(chain.draws[..., 0], axis=1)
    )
    (patch,) = upper.patches
    assert patch.get_width() == chain.n_burn
    assert f"ESS {chain.summary()['a']['ess']:.0f}" in upper.get_title(loc="right")


def test_trace_of_nested_samples():
    draws = np.random.default_rng(1).standard_normal((500, 1, 1))
    zero = np.zeros((500, 1))
    figure = inference_plotting.trace(Chain(("a",), draws, zero, zero))
    assert figure.axes[0].lines[0].get_linestyle() == "None"


def test_samples_of_nested_sampling_have_no_trace(chain, tmp_path):
    nested = dataclasses.replace(chain, attributes={"sampler": "nautilus"})
    assert set(inference_plotting.write_figures(nested, tmp_path)) == {"Corner"}
    assert not inference_plotting.trace(nested).axes[0].get_title(loc="right")


def test_contours_of_the_corner_hold_what_it_says():
    x = np.random.default_rng(4).standard_normal((200_000, 2))
    zero = np.zeros((len(x), 1))
    figure = inference_plotting.corner(Chain(("a", "b"), x[:, None, :], zero, zero))
    assert [text.get_text() for text in figure.texts] == ["contours hold 68.3 % and 95.4 %"]
    paths = [p for one in figure.axes[2].collections for p in one.get_paths() if len(p)]
    shares = np.array([path.contains_points(x).mean() for path in paths])
    for share in (0.683, 0.954):
        # the smoothing widens the inner contour by some per cent
        assert np.abs(shares - share).min() < 0.04
    assert np.abs(shares - 0.393).min() > 0.1


def test_corner_shows_the_density(chain):
    figure = inference_plotting.corner(chain, truth={"a": 0.0}, labels={"a": "first"})
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels[2:] == ["first", "b"]


def test_rank_ecdf_shows_curve_and_band():
    random = np.random.default_rng(2)
    ranks = np.stack([random.integers(0, 20, 200), random.integers(8, 20, 200)], axis=1)
    zero = np.zeros((200, 2))
    found = Calibration(("a", "b"), 19, zero, ranks, zero, zero)
    figure = inference_plotting.rank_ecdf(found)
    good, bad = figure.axes
    for axes, inside in ((good, True), (bad, False)):
        (band,) = axes.collections
        top = band.get_datalim(axes.transData).ymax
        assert bool(np.abs(axes.lines[1].get_ydata()).max() < top) is inside
    # no rank is below 8 of 20: the curve falls to -8/20 there
    assert bad.lines[1].get_ydata().min() == pytest.approx(-0.4)


def test_wrong_calls(chain, monkeypatch):
    single = run_mcmc(
        Gaussian(names=("a",)), PriorSet({"a": Uniform(-9.0, 9.0)}), seed=1, target_ess=200
    )
    with pytest.raises(FitError, match=">= 2"):
        inference_plotting.corner(single)
    with pytest.raises(ParameterError, match="truth = 'x'"):
        inference_plotting.trace(chain, truth={"x": 1.0})
    monkeypatch.setitem(sys.modules, "corner", None)
    with pytest.raises(MissingExtraError, match="corner"):
        inference_plotting.corner(chain)
