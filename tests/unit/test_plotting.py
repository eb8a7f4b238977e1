"""Figures: drawn without warnings, from the right numbers, and without global state."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

import clmassmod as clm
from clmassmod.cluster.density import mass_statistics
from clmassmod.cluster.reference import Reference
from clmassmod.cluster.simulation import simulate_sample
from clmassmod.errors import FitError, MissingExtraError, ParameterError
from clmassmod.figures import clusters as plotting

BOTH = ["mass", "concentration"]
SHORT_CHAIN = {"n_steps": 400, "n_burn": 100, "max_steps": 400, "n_walkers": 16}


def fitted(method="scanpdf", n=3, calc_params=None, **config):
    info = {"sources": {"redshift": 1.0}, "simulation": {"n_clusters": n}} | config
    sample = simulate_sample(info)
    massmod = clm.CLMassMod(info)
    massmod.obs_gamma_theta = sample.observables
    massmod.fit_mass_profiles(method, calc_params)
    return massmod, Reference(sample.true_masses, label="true mass")


@pytest.fixture(scope="module")
def scanned():
    return fitted()


@pytest.fixture(scope="module")
def chained():
    return fitted("emcee", 1, SHORT_CHAIN, parameters=BOTH)


def is_png(path):
    return Path(path).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_every_figure_of_a_scan_is_written(scanned, tmp_path):
    massmod, reference = scanned
    files = plotting.write_figures(massmod, tmp_path, reference=reference)
    assert list(files) == [
        "Masses",
        "Fitted mass against true mass",
        *(f"sim_{i:04d}: profile" for i in range(3)),
    ]
    assert all(is_png(file) for file in files.values())
    assert len(list(tmp_path.iterdir())) == len(files)


def test_every_figure_of_a_chain_is_written(chained, tmp_path):
    massmod, reference = chained
    files = plotting.write_figures(massmod, tmp_path, reference=reference)
    assert [title.rsplit(": ")[-1] for title in files][2:] == ["profile", "trace", "corner"]
    assert all(is_png(file) for file in files.values())


def test_figures_of_an_earlier_fit_do_not_stay(scanned, tmp_path):
    for name in ("trace_sim_0000.png", "corner_gone.png", "mine.png"):
        (tmp_path / name).write_bytes(b"")
    files = plotting.write_figures(scanned[0], tmp_path)
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {Path(file).name for file in files.values()} | {"mine.png"}


def test_drawing_leaves_no_trace_in_matplotlib(chained, tmp_path):
    before = dict(mpl.rcParams)
    plotting.write_figures(chained[0], tmp_path, reference=chained[1])
    assert dict(mpl.rcParams) == before
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []


def test_importing_does_not_import_matplotlib():
    code = "import sys, clmassmod.figures.clusters; sys.exit('matplotlib' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(Path(clm.__file__).parents[1])}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )


@pytest.mark.parametrize("n", [1, 40])
def test_few_and_many_objects(n):
    massmod, reference = fitted("curvefit", n)
    axes = plotting.mass_posteriors(massmod.out_data_profiles, reference).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        p.halo_id for p in massmod.out_data_profiles
    ]
    plotting.mass_comparison(massmod.out_data_profiles, reference).draw_without_rendering()


# -- the numbers that are drawn ------------------------------------------------------------------


def test_points_are_the_data_and_the_line_is_the_best_fit(scanned):
    massmod, _ = scanned
    profile, data = massmod.out_data_profiles[1], massmod.obs_gamma_theta[1]
    upper, lower = plotting.shear_profile(massmod, profile.halo_id).axes
    points = next(line for line in upper.lines if line.get_marker() == "o")
    assert np.array_equal(points.get_xdata(), data.radius)
    assert np.array_equal(points.get_ydata(), data.values)
    curve = next(line for line in upper.lines if line.get_label() == "best fit")
    halo = massmod.likelihood(profile.halo_id).halo([[profile.mass]])[0]
    expected = halo.reduced_tangential_shear(curve.get_xdata(), 1.0)[0]
    assert curve.get_ydata() == pytest.approx(expected, rel=1e-12)
    residual = next(line for line in lower.lines if line.get_marker() == "o").get_ydata()
    assert np.sum(residual**2) == pytest.approx(profile.chi2, rel=1e-9)


@pytest.mark.parametrize("method", ["curvefit", "scanpdf", "emcee", "nested"])
def test_draws_have_the_spread_of_the_posterior(method):
    settings = {"nested": {"n_live": 200, "n_eff": 1500}, "emcee": {"n_steps": 1000}}
    massmod, _ = fitted(method, 1, settings.get(method))
    profile = massmod.out_data_profiles[0]
    draws = plotting.parameter_draws(massmod, profile, 4000)[:, 0]
    expected = mass_statistics(profile)
    assert draws.mean() == pytest.approx(expected["mean"], abs=0.08 * expected["sd"])
    assert draws.std() == pytest.approx(expected["sd"], rel=0.06)
    again = plotting.parameter_draws(massmod, profile, 4000)[:, 0]
    assert np.array_equal(draws, again)


def test_draws_of_several_parameters_stay_inside_the_priors():
    massmod, _ = fitted("curvefit", 1, parameters=BOTH)
    draws = plotting.parameter_draws(massmod, massmod.out_data_profiles[0])
    assert draws.shape[1] == 2
    assert np.isfinite(massmod.parameters.log_prior(draws)).all()


def test_points_outside_the_fit_are_shown_apart():
    massmod, _ = fitted("curvefit", 1, fit={"r_min": 0.6})
    upper = plotting.shear_profile(massmod, "sim_0000").axes[0]
    grey, black = (line for line in upper.lines if line.get_marker() == "o")
    assert (np.asarray(grey.get_xdata()) < 0.6).all()
    assert (np.asarray(black.get_xdata()) > 0.6).all()


def test_several_observables_have_a_column_each():
    halo, radius = clm.NFW(6e14, 4.0, 0.3), np.geomspace(0.3, 2.0, 6)
    massmod = clm.CLMassMod({"concentration": 4.0})
    massmod.obs_gamma_theta = clm.GammaTheta(
        radius, halo.reduced_tangential_shear(radius, 1.0), 0.01 * np.ones(6),
        redshift=0.3, sources=1.0, id="a",
    )  # fmt: skip
    excess = halo.excess_surface_density(radius)
    massmod.obs_delta_sigma = clm.DeltaSigma(radius, excess, 0.1 * excess, redshift=0.3, id="a")
    massmod.fit_mass_profiles("curvefit")
    figure = plotting.shear_profile(massmod, "a")
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert "shear" in labels[0]
    assert "pc" in labels[1]
    points = next(line for line in figure.axes[1].lines if line.get_marker() == "o")
    assert points.get_ydata() == pytest.approx(excess / 1e12, rel=1e-14)
    figure.draw_without_rendering()


def test_negative_masses_are_drawn_on_a_linear_axis(scanned):
    massmod, reference = scanned
    first, *rest = massmod.out_data_profiles
    negative = [first._replace(mle={"mass": -1e14}), *rest]
    assert plotting.mass_comparison(negative, reference).axes[0].get_yscale() == "linear"
    assert plotting.mass_comparison([first, *rest], reference).axes[0].get_yscale() == "log"


@pytest.mark.parametrize("free", [["mass"], BOTH])
def test_results_without_errors_are_drawn_as_best_fits(free):
    massmod, reference = fitted("curvefit", 1, parameters=free)
    profile = massmod.out_data_profiles[0]
    bare = profile._replace(
        covariance=np.full((len(free), len(free)), np.nan),
        errors={name: (float("nan"), float("nan")) for name in free},
    )
    assert len(plotting.parameter_draws(massmod, bare)) == 1
    plotting.shear_profile(massmod, bare).draw_without_rendering()
    plotting.mass_posteriors([bare], reference).draw_without_rendering()
    plotting.mass_comparison([bare], reference).draw_without_rendering()


def test_signs_of_mathematics_in_names_are_only_text(scanned, tmp_path):
    massmod, _ = scanned
    odd = [p._replace(halo_id=f"a${i}_$b") for i, p in enumerate(massmod.out_data_profiles)]
    plotting.save_figure(plotting.mass_posteriors(odd), tmp_path / "odd.png")


# -- errors --------------------------------------------------------------------------------------


def test_what_cannot_be_drawn_says_why(scanned):
    massmod, _ = scanned
    profile = massmod.out_data_profiles[0]
    failed = profile._replace(status="failed", message="no reason")
    with pytest.raises(FitError, match="no reason"):
        plotting.shear_profile(massmod, failed)
    with pytest.raises(ParameterError, match="sim_0002"):
        plotting.shear_profile(massmod, "sim_9999")
    with pytest.raises(FitError, match="no fitted mass"):
        plotting.mass_posteriors([failed])
    with pytest.raises(FitError, match="reference"):
        plotting.mass_comparison([profile], Reference({"other": 1e14}))
    with pytest.raises(FitError, match="samples"):
        plotting.trace(profile)
    with pytest.raises(FitError, match="samples"):
        plotting.corner_plot(profile)


@pytest.mark.parametrize("package", ["matplotlib", "corner"])
def test_a_missing_package_is_named(package, chained, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}.*clmassmod\[plot\]"):
        plotting.corner_plot(chained[0].out_data_profiles[0])


def test_profiles_share_their_scales(scanned):
    massmod, _ = scanned
    for p in massmod.out_data_profiles:
        upper, lower = plotting.shear_profile(massmod, p).axes
        assert upper.get_yscale() == "linear"
        low, high = lower.get_ylim()
        largest = max(abs(lower.lines[-1].get_ydata())) if lower.lines else 0.0
        assert high == -low
        assert high == pytest.approx(max(3.5, 1.3 + largest))


def test_error_bars_of_the_comparison_are_drawn_whole(scanned):
    massmod, reference = scanned
    first, *rest = massmod.out_data_profiles
    for down in (0.1e14, 0.9999 * first.mass, 3 * first.mass):
        wide = first._replace(errors={"mass": (down, 4e14)})
        upper = plotting.mass_comparison([wide, *rest], reference).axes[0]
        low, high = upper.get_ylim()
        assert low < (first.mass - down) / 1e14
        assert high > (first.mass + 4e14) / 1e14
    assert upper.get_yscale() == "linear"


def test_narrow_posteriors_are_seen_and_written_out():
    massmod, _ = fitted("curvefit", 2, noise={"density": 1e9})
    figure = plotting.mass_posteriors(massmod.out_data_profiles)
    figure.draw_without_rendering()
    assert sum("LineCollection" in type(c).__name__ for c in figure.axes[0].collections) == 2
    labels = [t.get_text() for a in figure.axes[0].child_axes for t in a.get_yticklabels()]
    assert len(labels) == 2
    assert all("^" in text for text in labels)


def test_masses_are_labelled_with_their_definition(chained):
    texts = [
        axes.get_xlabel() for axes in plotting.corner_plot(chained[0].out_data_profiles[0]).axes
    ]
    assert any(r"M_{\rm 200c}" in text for text in texts)
