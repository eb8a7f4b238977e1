"""Runs that are killed and go on, and runs that are refused."""

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

import h5py
import numpy as np
import pytest

from clmassmod.errors import FitError, FormatError, ParameterError
from clmassmod.inference.diagnostics import ConvergenceWarning
from clmassmod.inference.prior_set import PriorSet
from clmassmod.inference.priors import Uniform
from clmassmod.inference.reproduction import reproduce, resume
from clmassmod.inference.run_directory import RunDirectory, differences, load_run, run_folder
from clmassmod.inference.samplers import run_mcmc
from clmassmod.provenance import exclusive_folder, provenance
from clmassmod.stopping import Stopped as SignalStop
from clmassmod.stopping import stop_on_signals

from inference_targets import Banana, SlowBanana

PRIORS = PriorSet({"a": Uniform(-6.0, 6.0), "b": Uniform(-30.0, 60.0)})
OPTIONS = {"seed": 7, "target_ess": 800}

# what a process that may be killed runs: argument 1 is the folder, 2 the bytes of its disk
PROGRAM = """
import resource, sys
from inference_targets import SlowBanana
from clmassmod.stopping import stop_on_signals
from clmassmod.inference.prior_set import PriorSet
from clmassmod.inference.samplers import run_mcmc

if int(sys.argv[2]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
uniform = {"distribution": "uniform"}
priors = PriorSet(
    {"a": {**uniform, "low": -6.0, "high": 6.0}, "b": {**uniform, "low": -30.0, "high": 60.0}}
)
try:
    with stop_on_signals():
        run_mcmc(
            SlowBanana(), priors, sys.argv[1], checkpoint_seconds=0.02, seed=7, target_ess=800
        )
except KeyboardInterrupt:
    sys.exit(75)
"""


def process(folder, disk=0):
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), str(disk)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_steps(folder, child, seconds=60.0):
    """Wait until the process has written a checkpoint of its own."""
    before = set(folder.glob("checkpoint-*.h5"))
    end = time.monotonic() + seconds
    while not set(folder.glob("checkpoint-*.h5")) - before:
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.01)


def same(one, other):
    np.testing.assert_array_equal(one.draws, other.draws)
    np.testing.assert_array_equal(one.log_posterior, other.log_posterior)
    assert one.n_burn == other.n_burn
    assert one.attributes == other.attributes


@pytest.fixture(scope="module")
def whole():
    return run_mcmc(Banana(), PRIORS, **OPTIONS)


# -- killed ----------------------------------------------------------------------------------------


class Stopped(Banana):
    """A likelihood that is interrupted at one call."""

    def __init__(self, call):
        self._left = call

    def to_dict(self):
        return {"target": "Banana"}

    def log_likelihood(self, eta):
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        return super().log_likelihood(eta)


def test_what_a_likelihood_raises_is_not_printed(capsys):
    with pytest.raises(KeyboardInterrupt):
        run_mcmc(Stopped(400), PRIORS, **OPTIONS)
    assert capsys.readouterr() == ("", "")


class Signalled(Banana):
    """A likelihood during one call of which a signal comes."""

    def __init__(self, call):
        self._left = call

    def log_likelihood(self, eta):
        self._left -= 1
        if self._left == 0:
            signal.raise_signal(signal.SIGTERM)
        return super().log_likelihood(eta)

    def to_dict(self):
        return {"target": "Banana"}


def test_a_step_of_emcee_is_finished_before_a_signal_stops(tmp_path, whole):
    # two calls a step
    for call in (500, 501):
        with pytest.raises(SignalStop, match="SIGTERM"), stop_on_signals():
            run_mcmc(Signalled(call), PRIORS, tmp_path / "run", **OPTIONS)
    same(run_mcmc(Banana(), PRIORS, tmp_path / "run", **OPTIONS), whole)


def test_nautilus_leaves_a_checkpoint_when_a_signal_stops_it(tmp_path):
    folder, options = tmp_path / "run", {"sampler": "nautilus", "seed": 1, "target_ess": 200}
    with pytest.raises(SignalStop), stop_on_signals():
        run_mcmc(Signalled(4), PRIORS, folder, n_live=100, **options)
    assert list(folder.glob("checkpoint-*.h5"))
    assert run_mcmc(Banana(), PRIORS, folder, n_live=100, **options).converged
    assert "goes on from" in (folder / "log.txt").read_text()


def test_an_interrupted_chain_goes_on(tmp_path, whole):
    folder = tmp_path / "run"
    for call in (3, 400, 100, 751, 200):
        with pytest.raises(KeyboardInterrupt):
            run_mcmc(Stopped(call), PRIORS, folder, **OPTIONS)
        assert RunDirectory(folder).read_metadata()["status"] == "interrupted"
    if list(folder.glob("checkpoint-*.h5")):
        assert len(load_run(folder).draws) > 500
    same(run_mcmc(Banana(), PRIORS, folder, **OPTIONS), whole)
    same(load_run(folder), whole)
    metadata = RunDirectory(folder).read_metadata()
    assert metadata["status"] == "finished"
    assert [s["status"] for s in metadata["sessions"]] == ["interrupted"] * 5 + ["finished"]
    assert not list(folder.glob("checkpoint-*.h5"))


def test_kill_9_at_random_moments(tmp_path, whole):
    folder = tmp_path / "run"
    random = np.random.default_rng(11)
    for _ in range(3):
        child = process(folder)
        wait_for_steps(folder, child)
        time.sleep(random.uniform(0.0, 0.25))
        child.kill()
        child.communicate()
    assert "goes on from step" in (folder / "log.txt").read_text()
    steps = len(load_run(folder).draws)
    assert 0 < steps < len(whole.draws)
    same(run_mcmc(SlowBanana(), PRIORS, folder, **OPTIONS), whole)
    assert sorted(p.name for p in folder.iterdir() if p.name != ".lock") == [
        "chain.h5",
        "log.txt",
        "metadata.json",
        "params.json",
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signals_of_batch_systems(tmp_path, whole, number):
    folder = tmp_path / "run"
    child = process(folder)
    wait_for_steps(folder, child)
    child.send_signal(number)
    assert child.communicate(timeout=60) == ("", "")
    assert child.returncode == 75
    assert RunDirectory(folder).read_metadata()["status"] == "interrupted"
    same(run_mcmc(Banana(), PRIORS, folder, **OPTIONS), whole)


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, whole):
    folder = tmp_path / "run"
    child = process(folder, disk=300_000)
    _, errors = child.communicate(timeout=120)
    assert child.returncode == 1
    assert "OSError" in errors or "RuntimeError" in errors, errors
    assert RunDirectory(folder).read_metadata()["status"].startswith("failed")
    assert 0 < len(load_run(folder).draws) < len(whole.draws)
    same(run_mcmc(Banana(), PRIORS, folder, **OPTIONS), whole)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, whole):
    folder = tmp_path / "run"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_mcmc(Stopped(400), PRIORS, folder, **OPTIONS)
    _, newer = sorted(folder.glob("checkpoint-*.h5"))
    content = newer.read_bytes()
    newer.write_bytes(content[: len(content) // 2])
    with pytest.warns(UserWarning, match="damaged checkpoint"):
        assert load_run(folder).draws.shape[0] > 0
    same(run_mcmc(Banana(), PRIORS, folder, **OPTIONS), whole)
    assert "damaged checkpoint" in (folder / "log.txt").read_text()


def test_flipped_bits_of_a_checkpoint_are_seen(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run_mcmc(Stopped(400), PRIORS, folder, **OPTIONS)
    (file,) = folder.glob("checkpoint-*.h5")
    with h5py.File(file, "r+") as opened:
        opened["posterior/a"][2, 3] += 1e-12
    with pytest.raises(FormatError, match="checksum"):
        run_mcmc(Banana(), PRIORS, folder, **OPTIONS)


def test_nautilus_goes_on(tmp_path):
    options = {"sampler": "nautilus", "seed": 1, "n_live": 300, "target_ess": 2000}
    folder = tmp_path / "run"
    expected = run_mcmc(Banana(), PRIORS, **options)
    for call in (50, 30):
        with pytest.raises(KeyboardInterrupt):
            run_mcmc(Stopped(call), PRIORS, folder, checkpoint_seconds=0.0, **options)
    assert list(folder.glob("checkpoint-*.h5"))
    with pytest.raises(FormatError, match="none yet"):
        load_run(folder)
    chain = run_mcmc(Banana(), PRIORS, folder, **options)
    assert "goes on from" in (folder / "log.txt").read_text()
    # nautilus promises no identical samples
    difference = chain.attributes["log_evidence"] - expected.attributes["log_evidence"]
    assert abs(difference) < 0.2
    assert chain["b"].mean() == pytest.approx(1.0, abs=0.2)
    same(load_run(folder), chain)


# -- more of the same run --------------------------------------------------------------------------


def test_a_finished_run_is_read(tmp_path, whole):
    folder = tmp_path / "run"
    run_mcmc(Banana(), PRIORS, folder, **OPTIONS)
    same(run_mcmc(Stopped(1), PRIORS, folder, **OPTIONS), whole)


def test_a_run_that_stopped_early_goes_on(tmp_path, whole):
    folder = tmp_path / "run"
    with pytest.warns(ConvergenceWarning):
        run_mcmc(Banana(), PRIORS, folder, **OPTIONS, max_steps=333)
    assert RunDirectory(folder).read_metadata()["status"] == "stopped early"
    same(run_mcmc(Banana(), PRIORS, folder, **OPTIONS), whole)
    assert RunDirectory(folder).read_params()["stopping"]["max_steps"] == 20_000
    more = resume(folder, lambda content: Banana(), target_ess=1500)
    np.testing.assert_array_equal(more.draws[: len(whole.draws)], whole.draws)
    same(more, run_mcmc(Banana(), PRIORS, seed=7, target_ess=1500))
    with pytest.raises(ParameterError, match="seed"):
        resume(folder, lambda content: Banana(), seed=8)


# -- refused ---------------------------------------------------------------------------------------


@pytest.fixture
def ended(tmp_path):
    folder = run_folder("sim", "run", tmp_path)
    run_mcmc(Banana(), PRIORS, folder, seed=7, target_ess=300)
    return folder


@pytest.mark.parametrize(
    ("priors", "options", "words"),
    [
        (PRIORS.replace(a=Uniform(-5.0, 6.0)), {}, r"priors\.priors\.a\.low: -6.0 there, -5.0 her"),
        (PRIORS, {"seed": 8}, r"sampler\.seed: 7 there, 8 here"),
        (PRIORS, {"n_walkers": 40}, r"sampler\.n_walkers: null there, 40 here"),
        (PRIORS, {"sampler": "nautilus"}, r"sampler\.sampler"),
    ],
)
def test_foreign_parameters(ended, priors, options, words):
    before = {p.name: p.read_bytes() for p in ended.iterdir()}
    with pytest.raises(FitError, match=words):
        run_mcmc(Banana(), priors, ended, **{"seed": 7, **options})
    assert {p.name: p.read_bytes() for p in ended.iterdir()} == before


def test_other_likelihood_tables_or_data(ended):
    class Other(Banana):
        def to_dict(self):
            return {"target": "Banana", "selection": "independent"}

    with pytest.raises(FitError, match=r"likelihood\.selection: \"nothing\" there"):
        run_mcmc(Other(), PRIORS, ended, seed=7)
    tables = Banana()
    tables.versions = {"precomputed_table_version": "tables-2"}
    with pytest.raises(FitError, match=r"other tables.*'tables-1'.*'tables-2'"):
        run_mcmc(tables, PRIORS, ended, seed=7)
    data = Banana()
    data.identity = "data-2"
    with pytest.raises(FitError, match=r"other data.*'data-1'.*'data-2'"):
        resume(ended, lambda content: data)


def test_a_chain_without_metadata(ended):
    (ended / "metadata.json").unlink()
    with pytest.raises(FormatError, match="metadata"):
        run_mcmc(Banana(), PRIORS, ended, seed=7)


def test_a_second_process_is_refused(tmp_path):
    with (
        exclusive_folder(tmp_path / "run"),
        pytest.raises(FitError, match="in use by another process"),
    ):
        run_mcmc(Banana(), PRIORS, tmp_path / "run", **OPTIONS)


def test_a_process_is_refused_while_another_samples(tmp_path):
    folder = tmp_path / "run"
    child = process(folder)
    wait_for_steps(folder, child)
    with pytest.raises(FitError, match="in use"):
        run_mcmc(Banana(), PRIORS, folder, **OPTIONS)
    child.kill()
    child.communicate()


def test_places_that_are_no_folders(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(FitError, match="cannot be used as a folder"):
        run_mcmc(Banana(), PRIORS, file, **OPTIONS)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    with pytest.raises(FitError, match=r"thesis\.tex.*not the folder of a run"):
        run_mcmc(Banana(), PRIORS, other, **OPTIONS)
    assert (other / "thesis.tex").read_text() == "mine"
    for name in ("", "a/b", ".hidden", ".."):
        with pytest.raises(ParameterError, match="run_id"):
            run_folder("sim", name)
    with pytest.raises(FormatError, match="no run here"):
        load_run(tmp_path)


# -- content ---------------------------------------------------------------------------------------


def test_what_a_run_leaves(ended, tmp_path):
    assert ended == tmp_path / "inference" / "sim" / "run"
    params = json.loads((ended / "params.json").read_text())
    assert params["likelihood"] == {"target": "Banana"}
    assert params["sampler"]["seed"] == 7
    assert PriorSet.from_dict(params["priors"]).support == PRIORS.support
    metadata = json.loads((ended / "metadata.json").read_text())
    assert metadata["sim_id"] == "sim"
    assert metadata["run_id"] == "run"
    assert metadata["precomputed_table_version"] == "tables-1"
    assert metadata["likelihood_identity"] == "data-1"
    assert metadata["started"] <= metadata["ended"]
    assert metadata["git_commit"]
    assert metadata["sessions"][0]["cores"] >= 1
    assert {"clmassmod", "numpy", "emcee"} <= metadata["versions"].keys()
    shutil.rmtree(ended)
    assert [p.name for p in (tmp_path / "inference").rglob("*")] == ["sim"]


def test_the_chain_has_the_layout_of_arviz(ended):
    chain = load_run(ended)
    n, walkers, _ = chain.posterior.shape
    with h5py.File(ended / "chain.h5", "r") as file:
        group = file["posterior"]
        assert group["a"].shape == (walkers, n)
        assert [dim.keys() for dim in group["a"].dims] == [["chain"], ["draw"]]
        np.testing.assert_array_equal(group["b"][()].T, chain.posterior[..., 1])
        statistics = file["sample_stats"]
        np.testing.assert_array_equal(statistics["lp"][()].T, chain.log_posterior[chain.n_burn :])
        assert statistics["log_likelihood"].shape == (walkers, n)
        assert file["warmup_posterior/a"].shape == (walkers, chain.n_burn)


def test_differences_name_their_place():
    old, new = {"a": {"b": [1, 2], "c": 0}}, {"a": {"b": [1, 3]}, "d": 1}
    assert differences(old, new) == [
        "a.b: [1, 2] there, [1, 3] here",
        'a.c: 0 there, "nothing" here',
        'd: "nothing" there, 1 here',
    ]
    assert differences({"a": float("nan")}, {"a": float("nan")}) == []


# -- reproduction ----------------------------------------------------------------------------------


def test_reproduction(ended):
    result = reproduce(ended, lambda content: Banana())
    assert result.identical
    assert result.first_difference is None
    assert "bit for bit" in result.lines()[0]
    assert (ended.parent / "run-reproduced" / "chain.h5").exists()


def test_reproduction_by_another_likelihood_is_seen(ended):
    class Nearly(Banana):
        def to_dict(self):
            return {"target": "Banana"}

        def log_likelihood(self, eta):
            return super().log_likelihood(eta) - 0.05 * (eta[:, 0] - 3.0) ** 2

    result = reproduce(ended, lambda content: Nearly())
    assert not result.identical
    assert result.first_difference == 0
    assert abs(result.shifts["a"]) > 3.0
    assert "differs from step 0 on" in result.lines()[0]


def test_reproduction_says_that_changed_sources_are_not_compared(ended, tmp_path, monkeypatch):
    file = ended / "metadata.json"
    content = json.loads(file.read_text())
    dirty = "0123456789ab+dirty"
    file.write_text(json.dumps({**content, "git_commit": dirty}))
    with pytest.raises(FitError, match="git checkout 0123456789ab &&"):
        reproduce(ended, lambda content: Banana(), tmp_path / "again")
    here = {**provenance(), "commit": dirty}
    monkeypatch.setattr("clmassmod.inference.reproduction.provenance", lambda: here)
    found = reproduce(ended, lambda content: Banana(), tmp_path / "again")
    assert any(line.startswith(f"{dirty}: changes") for line in found.notes)


def test_the_log_says_what_a_chain_waits_for(ended):
    first, *_, last = re.findall(r"step \d+: .*", (ended / "log.txt").read_text())
    found = re.fullmatch(r"step 200: .*; waits for \d+ of 50 autocorr.*: about step (\d+)", first)
    assert 200 < int(found[1]) <= 20_000
    assert "waits" not in last


def test_reproduction_asks_for_the_commit(ended, tmp_path):
    file = ended / "metadata.json"
    content = json.loads(file.read_text())
    here = content["git_commit"]
    file.write_text(json.dumps({**content, "git_commit": "0123456789ab"}))
    with pytest.raises(FitError, match=r"git checkout 0123456789ab.*tables-1.*sim"):
        reproduce(ended, lambda content: Banana())
    result = reproduce(ended, lambda content: Banana(), tmp_path / "again", any_commit=True)
    assert result.identical
    assert f"commit 0123456789ab, this code is {here}" in result.notes[0]
    with pytest.raises(ParameterError, match="another folder"):
        reproduce(ended, lambda content: Banana(), ended, any_commit=True)


def test_reproduction_with_other_tables_is_refused(ended):
    other = Banana()
    other.versions = {"precomputed_table_version": "tables-2"}
    with pytest.raises(FitError, match=r"'tables-1'.*'tables-2'"):
        reproduce(ended, lambda content: other)
