"""``clmassmod infer``, ``resume``, ``reproduce``: files, repeats, kill -9, refusals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import clmassmod as clm
from clmassmod import cli
from clmassmod.configuration.info import MockInfo
from clmassmod.errors import ConfigError, FitError, FormatError
from clmassmod.inference.run_directory import load_run
from clmassmod.population.likelihood import LensPopulationLikelihood
from clmassmod.population.parameters import PopulationParameters
from clmassmod.runs.inference import reproduce_run, resume_run, run_infer
from clmassmod.runs.inference_config import load_infer_config
from clmassmod.runs.inference_data import mock_notes_of, mock_truth
from clmassmod.runs.mocks import make_population
from clmassmod.stronglens.mass_sampler import LensPopulation
from clmassmod.stronglens.mock_generator import MockGenerator
from clmassmod.stronglens.observation import MagnitudeLimit

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(clm.__file__).parents[1])}
FREE = {"alpha_sps": [-0.08, 0.08], "mu_h": [12.85, 13.0]}
# scatters for which A needs few nodes
POPULATION = {
    "stellar_mass": {"scale": 0.3},
    "size": {"scatter": 0.18},
    "halo_mass": {"sigma": 0.18},
    "inner_slope": {"sd": 0.4},
}
CONFIG = {
    "sim_id": "survey",
    "run_id": "one",
    "seed": 5,
    "free": list(FREE),
    "data": {"file": "lenses.h5"},
    "population": POPULATION,
    "box": FREE,
    "sampler": {"n_walkers": 8, "max_steps": 200},
}
FOLDER = Path("inference") / "survey" / "one"
TABLES = Path("data") / "tables" / "survey"


def changed(**changes):
    return CONFIG | changes


def run(root, content=CONFIG, **options):
    """Infer in a folder, whose data the configuration means."""
    file = root / "infer.json"
    file.write_text(json.dumps(content))
    return run_infer(load_infer_config(file), root, **{"figures": False} | options)


def process(root, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "clmassmod", *map(str, arguments)],
        cwd=root,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_when(root, there, seconds=120.0):
    """Start the inference in a process of its own and kill it as soon as `there()`."""
    child = process(root, "infer", "infer.json", "--no-figures")
    end = time.monotonic() + seconds
    while not there():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL


def write_mock(root, seed):
    """Write a dozen lenses of the population of the configuration."""
    population = make_population(MockInfo.from_dict({"population": POPULATION}))
    MockGenerator(population=population).write(root / "lenses.h5", 1200, seed=seed)


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run with figures, and its root."""
    root = tmp_path_factory.mktemp("root")
    write_mock(root, seed=11)
    return root, run(root, figures=True)


@pytest.fixture(autouse=True)
def without_moved_nodes(whole, monkeypatch):
    """The first run has the error of A, which costs as much as A: the others need it no more."""
    monkeypatch.setattr(LensPopulationLikelihood, "_selection_error", lambda *_: 0.0)


@pytest.fixture
def root(whole, tmp_path):
    """A copy of it that may be spoilt."""
    return Path(shutil.copytree(whole[0], tmp_path / "root"))


@pytest.fixture
def fresh(whole, tmp_path):
    """Data and configuration alone."""
    for name in ("lenses.h5", "infer.json"):
        shutil.copy(whole[0] / name, tmp_path)
    return tmp_path


# -- files ---------------------------------------------------------------------------------------


def test_a_run_leaves_what_it_promises(whole):
    root, outcome = whole
    found = {p.name for p in (root / FOLDER).iterdir() if not p.name.startswith(".")}
    assert found == {
        "params.json",
        "metadata.json",
        "chain.h5",
        "log.txt",
        "figures",
        "report.html",
    }
    figures = {p.name for p in (root / FOLDER / "figures").iterdir()}
    assert figures == {"corner.png", "trace.png", "selection.png", "predictive.png"}
    kinds = sorted(p.name.split("-")[0] for p in (root / TABLES).glob("[!.]*"))
    assert kinds == ["kernels", "selection"]
    assert Path(outcome.folder) == root / FOLDER


def test_the_report_needs_nothing_else(whole):
    root, outcome = whole
    text = (root / FOLDER / "report.html").read_text()
    assert not re.findall(r"<script|https?://", text)
    assert len(re.findall('src="data:image/png', text)) == len(outcome.figures) == 4
    for expected in ("alpha_sps", "chabrier", "on_data", "nat: quadrature of lens", "reproduce"):
        assert expected in text
    assert "sampling stopped early" in text  # 200 steps are no convergence
    assert str(root) not in text


def test_the_report_says_what_figures_show_and_the_truth(whole):
    root, _ = whole
    text = (root / FOLDER / "report.html").read_text()
    for expected in (
        "grey band is burn-in",
        "contours hold 68.3 % and 95.4 %",
        "at their posterior means",
        "Red lines: the truth of the mock",
    ):
        assert expected in text
    assert '<th class="number">truth</th>' in text
    values = MockInfo.from_dict({"population": POPULATION})
    truth = PopulationParameters(make_population(values), list(FREE)).values
    found = mock_truth(root / "lenses.h5", [*FREE, "source_m_star", "find_slope"])
    assert found == {**dict(zip(FREE, truth, strict=True)), "source_m_star": 24.5}
    assert "data_file.values" not in text  # a catalogue has its own


def test_numerical_errors_are_reported(whole):
    root, outcome = whole
    budget = outcome.budget
    assert 0.0 < budget.largest_lens <= budget.all_lenses < 0.1
    # 3e-6 in differences of ln A, as documented, for each of the lenses
    assert 0.0 < budget.selection < 3e-6 * len(outcome.likelihood.inner.lenses)
    log = (root / FOLDER / "log.txt").read_text()
    for line in budget.lines():
        assert line in log


def test_errors_above_a_tenth_of_a_nat_are_warned_of(whole, root, monkeypatch):
    monkeypatch.setattr("clmassmod.runs.inference._MOST_ERROR", 1e-12)
    assert any("numerical errors above" in line for line in run(root).warnings)
    assert not any("numerical errors" in line for line in whole[1].warnings)


def test_metadata_hold_the_hash_of_the_tables(whole):
    root, outcome = whole
    metadata = json.loads((root / FOLDER / "metadata.json").read_text())
    assert metadata["precomputed_table_version"] == outcome.likelihood.inner.sample.tables_hash
    assert metadata["sim_id"] == "survey"


def test_tables_are_listed_and_verified(whole, capsys):
    root, _ = whole
    assert cli.main(["tables", "list", "--root", str(root)]) == 0
    listed = capsys.readouterr().out
    assert "lens kernels" in listed
    assert "selection (lenses)" in listed
    assert cli.main(["tables", "verify", "--root", str(root)]) == 0
    assert capsys.readouterr().out.count("ok\n") == 2


# -- again ---------------------------------------------------------------------------------------


def test_a_finished_run_is_read(root):
    before, kept = tree(root / TABLES), load_run(root / FOLDER)
    np.testing.assert_array_equal(run(root).chain.draws, kept.draws)
    assert tree(root / TABLES) == before


def test_a_resumed_run_is_a_longer_one(root, fresh):
    longer = changed(sampler={**CONFIG["sampler"], "max_steps": 300})
    shutil.copytree(root / "data", fresh / "data")
    at_once = run(fresh, longer).chain
    gone_on = resume_run(root / FOLDER, figures=False, max_steps=300).chain
    np.testing.assert_array_equal(gone_on.draws, at_once.draws)
    np.testing.assert_array_equal(gone_on.log_posterior, at_once.log_posterior)


def test_what_a_configuration_says_arrives_in_the_likelihood(fresh, monkeypatch):
    """Each key that is not of the population or the sources, which the mock tests too."""
    root = fresh
    content = changed(
        form="any_lens",
        n_galaxies=1000,
        detection={"limit": 26.0, "selection": "independent"},
        noise={"magnitude": 0.11},
        cosmology={"H0": 72.0},
    )
    (root / "other.json").write_text(json.dumps(content))
    info = load_infer_config(root / "other.json")
    given = {}

    class Recorded(Exception):
        pass

    def record(lenses, **options):
        given.update(options)
        raise Recorded

    monkeypatch.setattr("clmassmod.runs.inference_likelihood.LensPopulationLikelihood", record)
    with pytest.raises(Recorded):
        run_infer(info, root, figures=False)
    assert given["free"] == list(FREE)
    assert given["box"] == {name: tuple(ends) for name, ends in FREE.items()}
    assert (given["form"], given["n_galaxies"], given["selection"]) == (
        "any_lens",
        1000.0,
        "independent",
    )
    assert given["detection"].limit == 26.0
    assert given["noise"].magnitude == 0.11
    assert given["cosmology"].H0.value == 72.0
    assert given["population"].halo_mass.sigma == POPULATION["halo_mass"]["sigma"]
    assert given["tables"] == root / TABLES


def test_a_run_is_reproduced(root):
    found = reproduce_run(root / FOLDER)
    assert found.identical
    assert cli.main(["reproduce", str(root / FOLDER), "--into", str(root / "again")]) == 0


def test_threads_do_not_matter(whole, fresh):
    shutil.copytree(whole[0] / "data", fresh / "data")
    chain = run(fresh, n_threads=2).chain
    np.testing.assert_array_equal(chain.draws, load_run(whole[0] / FOLDER).draws)


def test_deleting_a_run_leaves_no_trace(root):
    shutil.rmtree(root / "inference")
    before = tree(root)
    run(root, figures=True)
    shutil.rmtree(root / FOLDER)
    for empty in ("inference/survey", "inference"):
        (root / empty).rmdir()  # fails if anything else is there
    assert tree(root) == before


# -- kill -9 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["kernels", "selection", "sampling"])
def test_a_killed_run_ends_as_if_it_had_not_been(whole, fresh, moment):
    tables = fresh / TABLES
    there = {
        "kernels": lambda: any(tables.glob(".kernels-*")),
        "selection": lambda: any(tables.glob("kernels-*.h5")),
        "sampling": (fresh / FOLDER / "log.txt").exists,
    }
    killed_when(fresh, there[moment])
    assert not (fresh / FOLDER / "chain.h5").exists()
    chain = run(fresh).chain
    expected = load_run(whole[0] / FOLDER)
    np.testing.assert_array_equal(chain.draws, expected.draws)
    visible = {k: v for k, v in tree(fresh / TABLES).items() if not k.startswith(".")}
    assert visible == {k: v for k, v in tree(whole[0] / TABLES).items() if not k.startswith(".")}
    assert not [p for p in (fresh / TABLES).iterdir() if p.name.endswith(".parts")]


@pytest.mark.slow
def test_a_run_killed_at_random_moments(whole, fresh):
    generator = np.random.default_rng(3)
    for _ in range(12):
        child = process(fresh, "infer", "infer.json", "--no-figures")
        try:
            child.wait(generator.uniform(0.2, 6.0))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        child.communicate()
    chain = run(fresh).chain
    np.testing.assert_array_equal(chain.draws, load_run(whole[0] / FOLDER).draws)


# -- refusals ------------------------------------------------------------------------------------


PRIOR = {"distribution": "uniform", "low": 12.86, "high": 12.9}


def test_a_foreign_run_is_refused(root):
    shutil.rmtree(root / "data")
    for changes, words in (
        ({"seed": 6}, r"seed: 5 there, 6 here"),
        ({"priors": {"mu_h": PRIOR}}, r"priors\.mu_h.* there"),
        ({"detection": {"limit": 26.0}}, r"likelihood\.detection\.limit: 26\.5 there, 26\.0 here"),
        ({"population": {}}, r"likelihood\.population"),
    ):
        with pytest.raises(FitError, match=f"other parameters: .*{words}"):
            run(root, changed(**changes))
    assert not (root / "data").exists()  # refused before tables are made


def test_other_data_are_refused(root):
    write_mock(root, seed=12)
    with pytest.raises(FormatError, match=r"lenses.h5: content: not the data of the run: .*sha256"):
        resume_run(root / FOLDER, figures=False)
    shutil.rmtree(root / "data")
    hashes = r"data_file\.sha256: \"[0-9a-f]{12}\" there, \"[0-9a-f]{12}\" here"
    with pytest.raises(FitError, match=f"other parameters: likelihood.{hashes}"):
        run(root)
    assert not (root / "data").exists()


def test_no_lenses_at_all_are_refused(root):
    other = changed(run_id="none", detection={"limit": 21.0})
    population = make_population(MockInfo.from_dict({"population": POPULATION}))
    MockGenerator(population=population, detection=MagnitudeLimit(21.0)).write(
        root / "lenses.h5", 20, seed=1
    )
    with pytest.raises(ConfigError, match="one lens or more"):
        run(root, other)


def test_missing_data_are_asked_for(root):
    moved = root / "elsewhere.h5"
    (root / "lenses.h5").rename(moved)
    with pytest.raises(FormatError, match="put them back, or say where"):
        resume_run(root / FOLDER, figures=False)
    assert resume_run(root / FOLDER, data=moved, figures=False).chain is not None


def test_a_damaged_table_is_refused(root):
    file = next((root / TABLES).glob("selection-*.h5"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(FormatError, match=r"selection-.*damaged.*Delete the file selection-"):
        run(root)
    file.unlink()
    assert run(root).chain is not None


def test_an_exchanged_table_is_refused(root):
    other = changed(run_id="two", box={**FREE, "mu_h": [12.86, 12.99]})
    run(root, other)
    new, old = sorted((root / TABLES).glob("selection-*.h5"), key=lambda p: p.stat().st_mtime)[::-1]
    shutil.copy(new, old)
    with pytest.raises(FormatError, match="made for other data or settings"):
        resume_run(root / FOLDER, figures=False)


def test_a_run_with_other_tables_says_so(root):
    file = root / FOLDER / "metadata.json"
    metadata = json.loads(file.read_text())
    was = metadata["precomputed_table_version"]
    metadata["precomputed_table_version"] = "0" * 64
    file.write_text(json.dumps(metadata))
    with pytest.raises(FitError, match=f"other tables: .*'{'0' * 12}'.*'{was[:12]}'"):
        resume_run(root / FOLDER, figures=False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_galaxies": 3, "form": "any_lens"}, "n_galaxies = 3.*>= 9, the number of lenses"),
        ({"sampler": {"n_walkers": 3}}, r"\[sampler\] n_walkers = 3.*even and >= 4"),
        ({"sampler": {"target_ess": "many"}}, r"\[sampler\] target_ess = 'many'.*float"),
        ({"free": ["xi_h"], "box": {}}, r"\[box\] xi_h must be given"),
    ],
)
def test_what_is_wrong_is_refused_before_tables_are_made(fresh, changes, words):
    with pytest.raises(ConfigError, match=words):
        run(fresh, changed(**changes))
    assert not (fresh / "data").exists()


def test_a_prior_outside_the_tables_is_refused(root):
    wide = {"mu_h": {"distribution": "uniform", "low": 12.0, "high": 13.0}}
    with pytest.raises(ConfigError, match=r"mu_h.*12.85"):
        run(root, changed(run_id="wide", priors=wide))


@pytest.fixture(scope="module")
def likelihood(whole):
    return whole[1].likelihood.inner


def noted(likelihood, **settings):
    """The notes about a mock made with other settings."""
    settings = {"population": likelihood.population} | settings
    metadata = MockGenerator(**settings).generate(10, seed=1).metadata
    return mock_notes_of(metadata, likelihood)


def test_a_mock_that_is_fitted_as_it_was_made_is_not_noted(whole, likelihood):
    assert not [line for line in whole[1].warnings if "mock" in line]
    assert noted(likelihood) == []
    # free
    assert noted(likelihood, population=likelihood.parameters.with_values([0.05, 12.9])) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"selection": "independent"}, "selected 'independent', the likelihood assumes 'on_data'"),
        ({"noise": {"magnitude": 0.2}}, "noise.magnitude: 0.2 there, 0.1 here"),
        ({"detection": {"limit": 26.0}}, "detection.limit: 26.0 there, 26.5 here"),
        ({"sources": {"counts": {"m_star": 24.0}}}, "sources.counts.m_star: 24.0 there, 24.5 here"),
        ({"population": "Sersic"}, "population.halo_mass.beta: 1.7 there, 2.04 here.* more"),
    ],
)
def test_a_mock_made_otherwise_than_it_is_fitted_is_noted(likelihood, settings, words):
    if settings.get("population") == "Sersic":
        settings = {"population": LensPopulation.preset("Sersic")}
    (line,) = noted(likelihood, **settings)
    assert re.search(words, line)


@pytest.mark.parametrize("command", ["resume", "reproduce"])
def test_what_is_no_run_is_refused(tmp_path, command, capsys):
    assert cli.main([command, str(tmp_path)]) != 0
    assert "no run here" in capsys.readouterr().err


def test_without_arguments_the_program_says_what_there_is():
    done = subprocess.run(
        [sys.executable, "-m", "clmassmod"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    for command in ("mock", "infer", "resume", "reproduce", "tables", "fit"):
        assert command in done.stdout + done.stderr
