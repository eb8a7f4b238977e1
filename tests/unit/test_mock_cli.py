"""``clmassmod mock``: files, figures, repeats, interruption, errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import clmassmod as clm
from clmassmod import cli
from clmassmod.configuration.info import MockInfo
from clmassmod.cosmology import resolve_cosmology
from clmassmod.errors import ConfigError, FitError, FormatError, ParameterError
from clmassmod.provenance import exclusive_folder
from clmassmod.runs.mocks import make_generator, run_mock, summary_lines
from clmassmod.stronglens.catalogue import LensCatalogue, catalogue_totals
from clmassmod.stronglens.mass_sampler import LensPopulation
from clmassmod.stronglens.mock_generator import MockGenerator
from clmassmod.stronglens.relations import (
    ConcentrationRelation,
    Constant,
    HaloMassRelation,
    Mismatch,
)

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(clm.__file__).parents[1])}
COMMAND = [sys.executable, "-m", "clmassmod", "mock"]
TOML = """
n_galaxies = 4000
chunk = 1500
seed = 3
[population.mismatch]
alpha = 0.2
[output]
folder = "out"
"""
POWER = {"Ob0": 0.05, "sigma8": 0.8, "n_s": 0.96}


def run(*arguments, folder, expect=0):
    """Run ``clmassmod mock`` in `folder`; return what it printed."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def mock(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mock")
    (folder / "mock.toml").write_text(TOML)
    return folder / "out", run("mock.toml", folder=folder)


def content(file):
    """Every array of a catalogue, by table and column."""
    with h5py.File(file) as opened:
        return {
            (table, name): opened[table][name][()]
            for table in ("galaxies", "sources")
            for name in opened[table]
        }


# -- files ---------------------------------------------------------------------------------------


def test_a_mock_leaves_every_file_it_promises(mock):
    folder, done = mock
    found = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    assert found == ["config.json", "figures", "lenses.h5"]
    figures = sorted(p.name for p in (folder / "figures").iterdir())
    assert figures == ["einstein_radii.png", "image_configuration.png", "population.png"]
    assert "mock: 100%" in done.stderr


def test_the_catalogue_is_that_of_the_generator(mock):
    folder, _ = mock
    catalogue = LensCatalogue.read(folder / "lenses.h5")
    expected = MockGenerator(population=LensPopulation(mismatch=0.2)).generate(4000, seed=3)
    for name in ("galaxies", "sources"):
        one, two = getattr(catalogue, name), getattr(expected, name)
        assert list(one) == list(two)
        for column in one:
            np.testing.assert_array_equal(one[column], two[column], err_msg=column)


def test_the_summary_is_of_the_catalogue(mock):
    folder, done = mock
    catalogue = LensCatalogue.read(folder / "lenses.h5")
    expected = catalogue.galaxies["expected_sources"].sum()
    number, detected = len(catalogue.sources["galaxy_id"]), catalogue.sources["detected"].sum()
    behind = len(np.unique(catalogue.lenses["galaxy_id"]))
    lines = done.stdout.splitlines()
    assert lines[0] == (
        f"4000 galaxies, with {number} multiply imaged sources behind them "
        f"(expected {expected:.0f} +- {expected**0.5:.0f})"
    )
    assert lines[1] == f"{detected} of these detected, behind {behind} galaxies (selection on_data)"
    assert lines[2] == "stellar masses of synthesis with the IMF chabrier"
    assert [line.split()[0] for line in lines[3:]] == ["catalogue", "config", "figures"]
    assert all((folder.parent / line.split()[1]).exists() for line in lines[3:])
    # Poisson: 5 sigma of the expected number
    assert abs(number - expected) < 5.0 * expected**0.5


def test_totals_do_not_depend_on_how_they_are_summed(mock, monkeypatch):
    file = mock[0] / "lenses.h5"
    totals = catalogue_totals(file)
    monkeypatch.setattr("clmassmod.stronglens.catalogue._SUMMED", 700)
    again = catalogue_totals(file)
    assert again.pop("expected_sources") == pytest.approx(totals.pop("expected_sources"), rel=1e-14)
    assert again == totals
    assert totals["n_failed"] == 0


def test_a_part_of_a_catalogue_is_its_first_galaxies(mock):
    file = mock[0] / "lenses.h5"
    whole, part = LensCatalogue.read(file), LensCatalogue.read(file, n_galaxies=1700)
    assert len(part) == 1700
    behind = whole.sources["galaxy_id"] < 1700
    assert 0 < behind.sum() < behind.size
    for name, column in whole.sources.items():
        np.testing.assert_array_equal(part.sources[name], column[behind], err_msg=name)
    assert len(LensCatalogue.read(file, n_galaxies=10_000)) == 4000
    with pytest.raises(ParameterError, match="n_galaxies = -1"):
        LensCatalogue.read(file, n_galaxies=-1)


# -- repeats -------------------------------------------------------------------------------------


def test_the_configuration_a_mock_leaves_repeats_it_bit_for_bit(mock, tmp_path):
    folder, _ = mock
    run(folder / "config.json", "--folder", "again", "--no-figures", folder=tmp_path)
    again = tmp_path / "again"
    assert (again / "lenses.h5").read_bytes() == (folder / "lenses.h5").read_bytes()
    assert not (again / "figures").exists()
    numbers = json.loads((folder / "config.json").read_text())["population"]
    assert numbers["halo_mass"] == {
        "value": None, "mu": 12.91, "beta": 2.04, "xi": 0.0, "sigma": 0.37, "pivot": 11.4,
    }  # fmt: skip
    assert numbers["mismatch"]["alpha"] == 0.2


def test_threads_and_chunks_change_nothing(mock, tmp_path):
    folder, _ = mock
    info = json.loads((folder / "config.json").read_text())
    for n_threads in (2, 3, 0):
        run_mock(info, tmp_path, n_threads=n_threads, figures=False)
        assert (tmp_path / "lenses.h5").read_bytes() == (folder / "lenses.h5").read_bytes()
    run_mock(info | {"chunk": 4000}, tmp_path, figures=False)
    for key, column in content(tmp_path / "lenses.h5").items():
        np.testing.assert_array_equal(column, content(folder / "lenses.h5")[key], err_msg=str(key))


def test_options_stand_in_place_of_keys(mock, tmp_path):
    folder, _ = mock
    options = ("--seed", 4, "--n-galaxies", 50, "--threads", 2, "--folder", "out", "--no-figures")
    run(folder / "config.json", *options, folder=tmp_path)
    info = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (info["seed"], info["n_galaxies"]) == (4, 50)
    assert len(LensCatalogue.read(tmp_path / "out" / "lenses.h5")) == 50


def test_figures_of_an_earlier_mock_do_not_stay(tmp_path):
    (tmp_path / "figures").mkdir()
    for name in ("population.png", "mine.png"):
        (tmp_path / "figures" / name).write_bytes(b"")
    outcome = run_mock({"n_galaxies": 20}, tmp_path, figures=False)
    assert outcome.figures == {}
    assert [p.name for p in (tmp_path / "figures").iterdir()] == ["mine.png"]


# -- from the configuration to the generator -----------------------------------------------------


def generator(**content):
    return make_generator(MockInfo.from_dict(content))


def test_an_empty_configuration_is_the_default_generator():
    assert generator().to_dict() == MockGenerator(cosmology=resolve_cosmology(None)).to_dict()


def test_relations_take_the_numbers_that_are_given():
    population = generator(
        population={
            "preset": "Sersic",
            "imf": "salpeter",
            "halo_mass": {"mu": 13.1},
            "size": 0.9,
            "inner_slope": {"distribution": "uniform", "low": 0.5},
            "mismatch": {"alpha": 0.1, "scatter": 0.02},
            "concentration": {"value": 6.0, "scatter": 0.1},
        },
        lens={"z_l": [0.2, 0.5], "sersic_n": 3.0},
    ).population
    assert population.imf == "salpeter"
    assert population.sersic_n == 3.0
    assert population.stellar_mass == LensPopulation.preset("Sersic").stellar_mass
    assert population.halo_mass == HaloMassRelation(13.1, 1.70, -0.14, 0.35)
    assert population.size == Constant(0.9)
    assert population.mismatch == Mismatch(0.1, 0.02)
    slope, z_l = population.inner_slope.distribution, population.z_l.distribution
    assert (slope.name, slope.low, slope.high) == ("uniform", 0.5, 2.0)
    assert (z_l.name, z_l.low, z_l.high) == ("uniform", 0.2, 0.5)
    concentration = population.concentration
    assert isinstance(concentration, ConcentrationRelation)
    assert (concentration.relation, concentration.scatter) == (6.0, 0.1)


def test_concentration_relations_have_the_cosmology_and_power_they_need():
    given = {"population": {"concentration": "diemer19"}}
    with pytest.raises(ConfigError, match=r"diemer19 needs the power spectrum: give sigma8, n_s"):
        generator(**given)
    made = generator(**given, cosmology=POWER).population.concentration
    assert made.power.cosmology.H0 == made.cosmology.H0
    duffy = generator(population={"concentration": "duffy08"}, cosmology={"H0": 60.0})
    assert duffy.population.concentration.cosmology.H0.value == 60.0
    assert duffy.cosmology.H0.value == 60.0


def test_sources_noise_and_detection():
    made = generator(
        sources={"distribution": "desc_srd_y1", "slope": -1.4, "size": 0.1, "density": 40.0},
        noise={"magnitude": 0.05, "time_delay": 2.0},
        detection={"limit": 25.0, "selection": "independent"},
        lens={"halo": "m5kpc", "scale_radius": 30.0},
        population={"halo_mass": {"mu": 10.9, "beta": 0.5, "sigma": 0.1}},
        time_delays=True,
    )
    assert made.sources.counts.slope == -1.4
    assert made.sources.counts.density == 40.0
    assert made.sources.redshifts.size > 10
    assert made.sources.size.mean == pytest.approx(-1.0, abs=1e-15)
    assert made.sources.size.sd == 0.2
    assert (made.noise.magnitude, made.noise.time_delay) == (0.05, 2.0)
    assert (made.detection.limit, made.selection) == (25.0, "independent")
    assert (made.halo, made.scale_radius, made.time_delays) == ("m5kpc", 30.0, True)


# -- interruption and neighbours -----------------------------------------------------------------


def parts(folder):
    return list(folder.glob(".lenses.h5.*.part"))


def started(folder, n_galaxies):
    """Start a long mock; return its process once it writes."""
    process = subprocess.Popen(
        [*COMMAND, "mock.toml", "--no-figures", "--n-galaxies", str(n_galaxies)],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not parts(folder / "out"):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 75), ("SIGKILL", -9)])
def test_a_mock_that_is_stopped_leaves_the_last_good_file(name, code, tmp_path):
    (tmp_path / "mock.toml").write_text(TOML)
    run("mock.toml", "--n-galaxies", 100, "--no-figures", folder=tmp_path)
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    with started(tmp_path, 50_000_000) as process:
        process.send_signal(getattr(signal, name))
        _, error = process.communicate(timeout=120)
    assert process.returncode == code, error
    after = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    for part in parts(tmp_path / "out"):
        del after[part.name]
    assert after == before
    if code == 75:
        assert "Start again with: clmassmod mock mock.toml" in error
        assert "haloes" not in error
        assert not parts(tmp_path / "out")
    # what was left is cleared away by the next run
    run("mock.toml", "--n-galaxies", 100, "--no-figures", folder=tmp_path)
    assert not parts(tmp_path / "out")
    assert (tmp_path / "out" / "lenses.h5").read_bytes() == before["lenses.h5"]


@pytest.mark.parametrize(
    ("text", "number"), [("1e6", 10**6), ("2_000", 2000), (str(2**64 - 1), 2**64 - 1)]
)
def test_whole_numbers_as_in_files(text, number):
    options = cli.make_parser().parse_args(["mock", "m.toml", "--n-galaxies", text, "--seed", text])
    assert (options.n_galaxies, options.seed) == (number, number)


def test_a_second_run_in_the_same_folder_is_refused(tmp_path):
    (tmp_path / "mock.toml").write_text(TOML)
    with exclusive_folder(tmp_path / "out"):
        done = run("mock.toml", folder=tmp_path, expect=65)
        assert "in use by another process" in done.stderr
        with pytest.raises(FitError, match="in use by another process"):
            run_mock({}, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == [".lock"]


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "arguments", "code", "words"),
    [
        (TOML, ["--seed", "-1"], 2, "not at least 0"),
        (TOML, ["--n-galaxies", "0"], 2, "not at least 1"),
        (TOML, ["--threads", "x"], 2, "'x' is not a whole number"),
        (TOML, ["--n-galaxies", "1.5"], 2, "'1.5' is not a whole number"),
        (TOML, ["--n-galaxies", "inf"], 2, "'inf' is not a whole number"),
        (TOML, ["--folder", "mock.toml"], 65, "mock.toml cannot be used as a folder"),
        (TOML, ["--folder", "mock.toml/deep"], 65, "cannot be used as a folder"),
        ("n_galaxie = 3", [], 65, "mock.toml: unknown key 'n_galaxie'. Did you mean 'n_galaxies'"),
        (
            "[noise]\nmagnitude = -0.1",
            [],
            65,
            "mock.toml: [noise] magnitude = -0.1: it must be finite and >= 0 [mag]",
        ),
        (
            "[population.inner_slope]\nmean = 50.0",
            [],
            65,
            "mock.toml: [population.inner_slope] mean = 50.0: (low, high) = (0.0, 2.0) is not",
        ),
        (
            "[population]\nconcentration = 'prada12'",
            [],
            65,
            "mock.toml: prada12 needs the power spectrum",
        ),
        (
            "[population]\nsize = 8.0",
            [],
            65,
            "mock.toml: [population.size] value = 8.0: log_re = 8.0 is not valid",
        ),
    ],
)
def test_errors_have_their_code_and_one_line(text, arguments, code, words, tmp_path):
    (tmp_path / "mock.toml").write_text(text)
    done = run("mock.toml", *arguments, "--no-figures", folder=tmp_path, expect=code)
    assert words in done.stderr
    if code != 2:
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("clmassmod: ")
    assert not (tmp_path / "out" / "lenses.h5").exists()


def test_a_missing_package_is_told_before_the_mock(monkeypatch, capsys, tmp_path):
    (tmp_path / "mock.toml").write_text(TOML)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.main(["mock", str(tmp_path / "mock.toml"), "--folder", str(tmp_path / "out")]) == 2
    assert "clmassmod[plot]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_few_expected_sources_and_failures_are_written_out():
    numbers = {
        "n_galaxies": 10, "expected_sources": 0.5, "n_sources": 1, "n_detected": 0,
        "n_lenses": 0, "n_failed": 2, "imf": "chabrier", "selection": "independent",
    }  # fmt: skip
    lines = summary_lines(numbers)
    assert "(expected 0.5 +- 0.7)" in lines[0]
    assert lines[3] == "2 lenses could not be solved: see the column status"


def test_configuration_reference_of_mocks(capsys):
    assert cli.main(["config", "--mock"]) == 0
    assert capsys.readouterr().out == clm.utils.describe_mock_config()


def test_another_file_is_no_catalogue(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"nothing")
    with pytest.raises(FormatError, match=r"a\.h5"):
        LensCatalogue.read(tmp_path / "a.h5", n_galaxies=3)


def test_a_lens_that_failed_does_not_spoil_the_totals(tmp_path):
    catalogue = MockGenerator().generate(200)
    galaxies = {name: column.copy() for name, column in catalogue.galaxies.items()}
    galaxies["expected_sources"][7], galaxies["status"][7] = np.nan, 3
    LensCatalogue(galaxies, catalogue.sources, catalogue.metadata).write(tmp_path / "a.h5")
    totals = catalogue_totals(tmp_path / "a.h5")
    assert totals["n_failed"] == 1
    rest = np.delete(galaxies["expected_sources"], 7)
    assert totals["expected_sources"] == pytest.approx(rest.sum(), rel=1e-12)
