"""Figures of strong lenses: drawn without warnings, from the right numbers, no global state."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

import clmassmod as clm
from clmassmod.distributions import Uniform
from clmassmod.errors import FitError, MissingExtraError, ParameterError
from clmassmod.figures import lenses as plotting
from clmassmod.stronglens import (
    LensModel,
    LensPopulation,
    MagnitudeLimit,
    MockGenerator,
    ProfileLens,
    solve_images,
)
from clmassmod.stronglens.catalogue import LensCatalogue

ARCSEC = 180.0 * 3600.0 / np.pi
MODEL = LensModel(11.5, 13.0, 0.9)


@pytest.fixture(scope="module")
def catalogue():
    return MockGenerator(population=LensPopulation(mismatch=0.2)).generate(20_000, seed=2)


@pytest.fixture(scope="module")
def nothing_detected():
    return MockGenerator(detection=MagnitudeLimit(10.0)).generate(3_000, seed=2)


def is_png(path):
    return Path(path).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def line(axes, label):
    return next(one for one in axes.lines if one.get_label() == label)


# -- files and state -----------------------------------------------------------------------------


def test_every_figure_is_written(catalogue, tmp_path):
    (tmp_path / "mine.png").write_bytes(b"")
    files = plotting.write_figures(catalogue, tmp_path)
    assert list(files) == ["Galaxies and lenses", "Einstein radii", "A typical lens"]
    assert all(is_png(file) for file in files.values())
    assert {Path(f).name for f in files.values()} == set(plotting.FILES)
    plotting.remove_figures(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.png"]


def test_catalogues_without_lenses_have_the_figures_they_can(nothing_detected, tmp_path):
    assert len(plotting.write_figures(nothing_detected, tmp_path)) == 3
    bare = LensCatalogue(
        nothing_detected.galaxies,
        {name: column[:0] for name, column in nothing_detected.sources.items()},
        nothing_detected.metadata,
    )
    assert list(plotting.write_figures(bare, tmp_path)) == ["Galaxies and lenses"]
    assert [p.name for p in tmp_path.iterdir()] == ["population.png"]
    for function in (plotting.einstein_radius_histogram, plotting.typical_lens):
        with pytest.raises(FitError, match="no multiply imaged source"):
            function(bare)


def test_drawing_leaves_no_trace_in_matplotlib(catalogue, tmp_path):
    before = dict(mpl.rcParams)
    plotting.write_figures(catalogue, tmp_path)
    assert dict(mpl.rcParams) == before
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []


def test_importing_does_not_import_matplotlib():
    code = "import sys, clmassmod.figures.lenses; sys.exit('matplotlib' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(Path(clm.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == 0


def test_a_missing_package_is_named(catalogue, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (
        lambda: plotting.write_figures(catalogue, tmp_path),
        lambda: plotting.population_corner(catalogue),
        lambda: plotting.image_configuration(MODEL, 1.0),
    ):
        with pytest.raises(MissingExtraError, match=r"matplotlib.*clmassmod\[plot\]"):
            draw()


# -- the population ------------------------------------------------------------------------------


def test_points_of_the_corner_are_the_lenses(catalogue):
    figure = plotting.population_corner(catalogue)
    grid = np.array(figure.axes).reshape(4, 4)
    lens = catalogue.galaxies["n_detected"] > 0
    names = ("log_msps", "log_re", "log_mhalo", "gamma_in")
    for row in range(4):
        for column in range(row):
            (points,) = grid[row, column].lines
            for values, name in zip(points.get_data(), (names[column], names[row]), strict=True):
                np.testing.assert_array_equal(values, catalogue.galaxies[name][lens])
            low, high = grid[row, column].get_xlim()
            assert low < points.get_xdata().min() < points.get_xdata().max() < high
    texts = [text.get_text() for text in grid[0, 3].get_legend().get_texts()]
    expected = ["all galaxies: 20000 (contours: 68, 95 %)", f"with a detected source: {lens.sum()}"]
    assert texts == expected
    assert not any(axes.axison for axes in grid[np.triu_indices(4, 1)])


def test_contours_of_the_corner_hold_what_they_say(catalogue):
    axes = plotting.population_corner(catalogue).axes[4 * 3 + 2]
    lines = axes.collections[-1]
    x, y = catalogue.galaxies["log_mhalo"], catalogue.galaxies["gamma_in"]
    for path, share in zip(lines.get_paths(), (0.954, 0.683), strict=True):
        inside = path.contains_points(np.column_stack([x, y])).mean()
        # the smoothing widens the inner contour by some per cent
        assert inside == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("n", [1, 40, 700])
@pytest.mark.parametrize("population", [LensPopulation(), LensPopulation(inner_slope=1.0, size=1)])
def test_few_galaxies_and_constant_properties(n, population):
    small = MockGenerator(population=population).generate(n, seed=3)
    figure = plotting.population_corner(small)
    figure.draw_without_rendering()
    text = figure.axes[3].get_legend().get_texts()[0].get_text()
    assert ("contours" in text) == (n >= 500)


# -- Einstein radii ------------------------------------------------------------------------------


def test_histogram_counts_every_source_at_its_angle():
    cosmology = FlatLambdaCDM(60.0, 0.25, Tcmb0=0.0)
    population = LensPopulation(mismatch=0.2)
    mixed = MockGenerator(population=population, cosmology=cosmology).generate(9_000, seed=5)
    axes = plotting.einstein_radius_histogram(mixed, cosmology).axes[0]
    every, found = (patch.get_path().vertices for patch in axes.patches)
    assert axes.get_legend_handles_labels()[1] == [
        f"multiply imaged: {mixed.sources['detected'].size}",
        f"detected: {mixed.sources['detected'].sum()}",
    ]
    # astropy's own distance, and the ends of the outline
    distance = cosmology.angular_diameter_distance(0.3).to_value("kpc")
    theta = mixed.sources["einstein_radius"] / distance * ARCSEC
    assert every[:, 0].min() == pytest.approx(theta.min(), rel=2e-4)
    assert every[:, 0].max() == pytest.approx(theta.max(), rel=2e-4)
    edges = np.unique(every[:, 0])
    counts, _ = np.histogram(theta, bins=edges)
    assert every[:, 1].max() == counts.max()
    counts, _ = np.histogram(theta[mixed.sources["detected"]], bins=edges)
    assert found[:, 1].max() == counts.max()


def test_each_lens_has_its_own_redshift():
    spread = MockGenerator(population=LensPopulation(z_l=Uniform(0.2, 0.8))).generate(4000)
    radius = plotting._in_arcsec(spread, None)
    row = int(np.argmax(spread.sources["z_s"] > 0))
    galaxy = spread.galaxies["galaxy_id"] == spread.sources["galaxy_id"][row]
    lens = LensModel(11.0, 13.0, 0.8, z_l=float(spread.galaxies["z_l"][galaxy][0]))
    assert radius[row] == pytest.approx(lens.to_arcsec(spread.sources["einstein_radius"][row]))
    assert np.unique(plotting._of_galaxies(spread, "z_l")).size > 10


# -- one lens ------------------------------------------------------------------------------------


def test_the_typical_lens_is_one_of_the_catalogue(catalogue):
    model, beta = plotting.typical_lens(catalogue)
    lenses = catalogue.lenses
    radius = float(model.einstein_radius())
    row = int(np.argmin(np.abs(lenses["einstein_radius"] - radius)))
    assert lenses["einstein_radius"][row] == pytest.approx(radius, rel=1e-12)
    assert lenses["beta"][row] == beta
    assert solve_images(model, beta).x_a == pytest.approx(lenses["x_a"][row], rel=1e-12)
    assert np.mean(lenses["einstein_radius"] < radius) == pytest.approx(0.5, abs=0.02)


def test_the_sketch_is_to_scale():
    images = solve_images(MODEL, 1.75)
    axes = plotting.image_configuration(MODEL, 1.75).axes[0]
    expected = [MODEL.to_arcsec(x) for x in (images.x_a, images.x_b, images.x_c)]
    np.testing.assert_allclose(line(axes, "images").get_xdata(), expected, rtol=1e-12)
    assert line(axes, "source, unlensed").get_xdata() == [MODEL.to_arcsec(1.75)]
    for label, radius in (
        ("Einstein ring", images.einstein_radius),
        ("radial critical curve", images.radial_critical_radius),
        ("radial caustic (source plane)", images.caustic_radius),
    ):
        x, y = line(axes, label).get_data()
        np.testing.assert_allclose(np.hypot(x, y), MODEL.to_arcsec(radius), rtol=1e-12)
    numbers = next(text.get_text() for text in axes.texts if "theta" in text.get_text())
    for words in ("= 1.09 arcsec", "= 3.84", "= −1.81"):
        assert words in numbers
    assert axes.get_aspect() == 1.0


@pytest.mark.parametrize(
    ("model", "beta", "letters"),
    [
        (MODEL, 0.0, "AB"),  # a ring: infinite magnifications
        (MODEL, 6.0, "A"),  # beyond the caustic
        (LensModel(6.0, 7.0, 1.5), 1.0, ""),  # no Einstein ring
        (LensModel(11.5, 13.0, 0.9, gamma_in=2.5), 1.0, "AB"),  # no radial critical curve
        (ProfileLens(MODEL.profile(), 2.0), 1.0, "ABC"),
    ],
)
def test_extreme_lenses_are_drawn_with_what_they_have(model, beta, letters):
    figure = plotting.image_configuration(model, beta)
    figure.draw_without_rendering()
    found = "".join(t.get_text() for t in figure.axes[0].texts if len(t.get_text()) == 1)
    assert found == letters


def test_the_title_says_what_lens_it_is(catalogue, tmp_path, monkeypatch):
    text = plotting.image_configuration(LensModel(11.5, 13.0, 0.9, 0.4, 1.5), 1.0).axes[0]
    title = text.get_title()
    for words in ("= 0.4,", "= 1.5,", "= 11.50", "= 13.00"):
        assert words in title
    assert "galaxy" not in title
    drawn = {}
    monkeypatch.setattr(plotting, "save_figure", lambda f, path: drawn.setdefault(path.name, f))
    plotting.write_figures(catalogue, tmp_path)
    title = drawn["image_configuration.png"].axes[0].get_title()
    _, beta = plotting.typical_lens(catalogue)
    (galaxy,) = catalogue.sources["galaxy_id"][catalogue.sources["beta"] == beta]
    assert title.startswith(f"galaxy {galaxy}: ")


def test_a_disc_wider_than_the_sketch_is_left_out():
    for log_re, drawn in ((0.5, True), (1.9, False)):
        figure = plotting.image_configuration(LensModel(11.5, 13.5, log_re), 0.1)
        labels = figure.axes[0].get_legend_handles_labels()[1]
        assert ("half-light radius of the stars" in labels) == drawn


def test_a_sketch_is_of_one_lens_and_one_source():
    for model, beta in ((LensModel([11.0, 11.5], 13.0, 0.9), 1.0), (MODEL, [1.0, 2.0])):
        with pytest.raises(ParameterError, match="one lens, one source"):
            plotting.image_configuration(model, beta)
    with pytest.raises(ParameterError, match="beta"):
        plotting.image_configuration(MODEL, -1.0)
