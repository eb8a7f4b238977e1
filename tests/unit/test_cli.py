"""The command line, run as a user does: in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.table import QTable

import clmassmod as clm
from clmassmod import cli
from clmassmod.cluster.reference import Reference, comparison, load_reference
from clmassmod.cluster.results import find_profiles, read_profile
from clmassmod.cluster.simulation import simulate_sample
from clmassmod.errors import FitError, FormatError
from clmassmod.runs.clusters import demo_configuration, run_demo, run_fit, summary_lines
from clmassmod.stopping import stop_on_signals

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(clm.__file__).parents[1])}
COMMAND = [sys.executable, "-m", "clmassmod"]
QUICK = ["--n-clusters", "3", "--method", "curvefit"]


def run(*arguments, folder, expect=0):
    """Run the command in `folder`; return what it printed."""
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
    if "--debug" not in arguments:
        assert "Traceback" not in done.stderr
    return done


def numbers(folder):
    """All that was fitted, by id, without what names files and times."""
    profiles = [read_profile(file) for file in find_profiles(Path(folder) / "profiles")]
    return {
        p.halo_id: (p.mle, p.errors, p.chi2, p.samples.tobytes(), p.mass_grid.tobytes())
        for p in profiles
    }


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder / "demo-output", run("demo", *QUICK, folder=folder)


# -- demo and fit --------------------------------------------------------------------------------


def test_demo_leaves_every_file_it_promises(demo):
    folder, done = demo
    assert sorted(p.name for p in folder.iterdir()) == [
        "config.json", "data", "figures", "masses.ecsv", "profiles", "report.html", "truth.ecsv",
    ]  # fmt: skip
    ids = [f"sim_{i:04d}" for i in range(3)]
    assert sorted(p.stem for p in (folder / "profiles").glob("*.h5")) == ids
    assert sorted(p.stem for p in (folder / "data").iterdir()) == ids
    assert len(list((folder / "figures").glob("*.png"))) == 5
    table = QTable.read(folder / "masses.ecsv")
    assert list(table["halo_id"]) == ids
    assert set(table["status"]) == {"ok"}
    assert "fitting: 100%" in done.stderr


def test_demo_prints_five_lines_of_summary_and_where_things_are(demo):
    folder, done = demo
    lines = done.stdout.splitlines()
    assert lines[0] == "3 of 3 clusters fitted by curvefit, 0 with warnings"
    assert lines[2].startswith("sum of fitted masses / sum of true mass = ")
    assert len(lines) == 9
    for name in ("masses.ecsv", "report.html", "profiles", "figures"):
        assert any(name in line for line in lines[5:])
    assert (folder.parent / lines[-1].split()[-1]).is_file()


def test_the_configuration_a_demo_leaves_repeats_it(demo, tmp_path):
    folder, _ = demo
    run("fit", folder / "config.json", "--folder", "again", "--no-report", folder=tmp_path)
    assert numbers(tmp_path / "again") == numbers(folder)
    assert not (tmp_path / "again" / "report.html").exists()


def test_processes_change_nothing(demo, tmp_path):
    run("demo", *QUICK, "--no-report", "--processes", "2", folder=tmp_path)
    assert numbers(tmp_path / "demo-output") == numbers(demo[0])


def test_comparison_with_a_table(demo, tmp_path):
    folder, done = demo
    arguments = ("fit", folder / "config.json", "--no-report", "--folder", "again")
    again = run(*arguments, "--reference", folder / "truth.ecsv", folder=tmp_path)
    assert again.stdout.splitlines()[1:5] == done.stdout.splitlines()[1:5]


def test_data_may_lie_elsewhere_than_the_configuration(demo, tmp_path):
    folder, _ = demo
    (tmp_path / "model.json").write_text((folder / "config.json").read_text())
    error = run("fit", "model.json", folder=tmp_path, expect=65).stderr
    assert "no file matches" in error
    arguments = ("--data", folder, "--folder", "out", "--no-report", "--method", "scanpdf")
    run("fit", "model.json", *arguments, folder=tmp_path)
    assert (tmp_path / "out" / "masses.ecsv").exists()
    assert {p.method for p in map(read_profile, find_profiles(tmp_path / "out" / "profiles"))} == {
        "scanpdf"
    }


def test_a_smaller_demo_in_the_same_folder_leaves_no_old_data(tmp_path):
    for n in (3, 2):
        outcome = run_demo(tmp_path, n_clusters=n, method="curvefit", report=False)
    assert len(list((tmp_path / "data").iterdir())) == 2
    assert len(outcome.profiles) == 2


# -- interruption --------------------------------------------------------------------------------


def interrupted(folder, configuration, number):
    """Start a fit and send it a signal once the first halo is saved."""
    arguments = ["fit", configuration, "--folder", "out", "--no-report"]
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 120
        while not list((folder / "out").glob("profiles/[!.]*.h5")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        _, error = process.communicate(timeout=120)
    return process.returncode, error


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="the signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_interrupted_run_goes_on_to_the_same_result(name, tmp_path):
    outcome = run_demo(tmp_path / "source", n_clusters=6, method="curvefit", report=False)
    info = clm.utils.load_config(outcome.config)
    info["fit"] |= {"method": "emcee", "n_steps": 600, "n_burn": 200}
    info.folder = str(tmp_path / "source")
    whole = run_fit(info, tmp_path / "whole", report=False)
    configuration = tmp_path / "whole" / "config.json"

    code, error = interrupted(tmp_path, configuration, getattr(signal, name))
    assert code == 75
    assert "Go on with: clmassmod fit" in error
    saved = len(find_profiles(tmp_path / "out" / "profiles"))
    assert 1 <= saved < 6
    done = run("fit", configuration, "--folder", "out", "--no-report", folder=tmp_path)
    assert f"({saved} of them in an earlier run)" in done.stdout
    assert numbers(tmp_path / "out") == numbers(whole.folder)


def test_a_keyboard_interrupt_says_how_to_go_on(monkeypatch, capsys, tmp_path):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("clmassmod.runs.clusters.run_demo", stop)
    assert cli.main(["demo", "--folder", str(tmp_path)]) == 75
    assert "interrupted" in capsys.readouterr().err


def test_signal_handlers_are_put_back(capsys):
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main(["config"]) == 0
    assert signal.getsignal(signal.SIGTERM) is before
    assert "mass_def" in capsys.readouterr().out


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "COMMAND"),
        (["fitt"], 2, "invalid choice"),
        (["fit"], 2, "CONFIG"),
        (["demo", "--n-clusters", "0"], 2, "not at least 1"),
        (["demo", "--seed", "-1"], 2, "not at least 0"),
        (["demo", "--seed", "a"], 2, "'a' is not a whole number"),
        (["demo", "--method", "emceee"], 2, "invalid choice"),
        (["fit", "absent.toml"], 65, "absent.toml"),
        (["fit", "typo.toml"], 65, "Did you mean 'mass_def'"),
        (["fit", "empty.toml"], 65, "[data] files is missing"),
        (["fit", "nodata.toml"], 65, "nowhere.txt"),
        (["demo", "--folder", "empty.toml", "--no-report"], 65, "empty.toml (it is a file)"),
        (["fit", "data.toml", "--folder", "data.toml"], 65, "data.toml (it is a file)"),
        (["fit", "data.toml", "--folder", "data.toml/deep"], 65, "with --folder"),
        (["fit", "data.toml", "--folder", "/proc/x"], 65, "folder /proc/x (No such file"),
    ],
)
def test_errors_have_their_code_and_one_line(arguments, code, words, tmp_path):
    (tmp_path / "typo.toml").write_text('mas_def = "200c"\n')
    (tmp_path / "empty.toml").write_text("")
    (tmp_path / "data.toml").write_text(
        '[data]\nfiles = "a.csv"\nredshift = 0.3\n[sources]\nredshift = 1.0\n'
    )
    (tmp_path / "a.csv").write_text("r [Mpc],gt,gt_err\n0.5,0.06,0.01\n1.0,0.03,0.01\n")
    (tmp_path / "nodata.toml").write_text('[data]\nfiles = "nowhere.txt"\nredshift = 0.3\n')
    done = run(*arguments, folder=tmp_path, expect=code)
    assert words in done.stderr
    if code != 2:
        assert len(done.stderr.strip().splitlines()) == 1
        assert done.stderr.startswith("clmassmod: ")


def test_debug_shows_where(tmp_path):
    done = run("fit", "absent.toml", "--debug", folder=tmp_path, expect=1)
    assert "Traceback" in done.stderr


def test_a_missing_package_is_told_before_the_fit(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.main(["demo", "--folder", str(tmp_path / "out"), *QUICK]) == 2
    assert "clmassmod[plot]" in capsys.readouterr().err
    assert not list(tmp_path.glob("out/profiles/*"))


def write_objects(folder, *sources):
    """Write profiles that lack their sources where None is given, and a configuration."""
    sample = simulate_sample(demo_configuration(n_clusters=len(sources)))
    for observable, source in zip(sample.observables, sources, strict=True):
        observable.replace(sources=source).write(folder / f"{observable.id}.ecsv")
    (folder / "model.toml").write_text(
        '[data]\nfiles = "*.ecsv"\n[fit]\nmethod = "curvefit"\n[output]\nfolder = "out"\n'
    )


def test_one_bad_object_is_a_warning(tmp_path):
    write_objects(tmp_path, 1.0, None, 1.0)
    done = run("fit", "model.toml", folder=tmp_path)
    assert "2 of 3 clusters fitted" in done.stdout
    assert "warning: sim_0001 could not be fitted: sources = None" in done.stderr
    assert list(QTable.read(tmp_path / "out" / "masses.ecsv")["status"]) == ["ok", "failed", "ok"]
    assert "sources = None" in (tmp_path / "out" / "report.html").read_text()


def test_only_bad_objects_are_an_error(tmp_path):
    write_objects(tmp_path, None, None)
    done = run("fit", "model.toml", folder=tmp_path, expect=65)
    assert "no object could be fitted; sim_0000" in done.stderr


# -- the rest ------------------------------------------------------------------------------------


def test_version_info_and_config(tmp_path):
    assert run("--version", folder=tmp_path).stdout == f"clmassmod {clm.__version__}\n"
    info = run("info", folder=tmp_path).stdout
    for word in ("compiler", "OpenMP", "instruction set", "numpy", clm.__version__):
        assert word in info
    assert run("config", folder=tmp_path).stdout == clm.utils.describe_config()


def test_a_closed_pipe_is_no_error(tmp_path):
    with subprocess.Popen(
        [*COMMAND, "config"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        error = process.stderr.read()
    assert process.returncode == 0
    assert error == b""


def test_reference_table(tmp_path):
    path = tmp_path / "catalogue.csv"
    path.write_text("name,M500,err\na,5.0,0.5\nb,,\n")
    reference = load_reference(path, "M500", error_column="err", unit="1e14 Msun", label="X")
    assert reference.masses["a"] == pytest.approx(5e14)
    assert np.isnan(reference.masses["b"])
    assert reference.errors["a"] == pytest.approx(5e13)
    for column, unit, field in (("M50", "Msun", "M50"), ("M500", None, "unit"), ("M500", "m", "m")):
        with pytest.raises(FormatError, match=field):
            load_reference(path, column, unit=unit)
    path.write_text("name,M500,mass_def\na,5.0,500c\n")
    assert load_reference(path, "M500", unit="Msun", mass_def="500c").masses == {"a": 5.0}
    with pytest.raises(FormatError, match="masses are 500c, those of the fit 200m"):
        load_reference(path, "M500", unit="Msun", mass_def="200m")
    path.write_text("name,M500,mass_def\na,5.0,M500c\n")
    assert load_reference(path, "M500", unit="Msun", mass_def="500c").masses == {"a": 5.0}
    path.write_text("name,M500,mass_def\na,5.0,crit\n")
    with pytest.raises(FormatError, match=r"mass_def.*'crit'"):
        load_reference(path, "M500", unit="Msun", mass_def="500c")
    path.write_text("name,M500\na,5.0\nb,1.0\na,6.0\n")
    with pytest.raises(FormatError, match="name: 'a' occurs 2 times"):
        load_reference(path, "M500", unit="Msun")
    with pytest.raises(FormatError, match=r"absent\.csv"):
        load_reference(tmp_path / "absent.csv")


def test_comparison_is_what_it_says(tmp_path):
    outcome = run_demo(tmp_path, n_clusters=4, method="curvefit", report=False)
    mass = np.array([p.mass for p in outcome.profiles])
    error = np.array([p.errors["mass"][0] for p in outcome.profiles])
    truth = np.array(list(simulate_sample(demo_configuration(n_clusters=4)).true_masses.values()))
    found = outcome.summary
    assert found["n_compared"] == 4
    assert found["ratio"] == pytest.approx(mass.sum() / truth.sum(), rel=1e-12)
    expected = np.sqrt(np.sum(error**2)) / truth.sum()
    assert found["ratio_error"] == pytest.approx(expected, rel=1e-12)
    pull = (mass - truth) / error
    assert found["coverage_68"] == np.mean(np.abs(pull) < 1.0)
    assert found["mean_pull"] == pytest.approx(pull.mean(), rel=1e-9)
    assert len(summary_lines(found)) == 5
    one = outcome.profiles[0]
    flat = one._replace(mle={"mass": 6e14}, errors={"mass": (0.0, 1e14)})
    pulled = comparison([flat], Reference({one.halo_id: 5e14}))
    assert pulled["mean_pull"] == pytest.approx(1.0, rel=1e-12)
    bare = flat._replace(errors={"mass": (0.0, 0.0)})
    assert comparison([bare], Reference({one.halo_id: 5e14}))["n_compared"] == 0
    nothing = comparison(outcome.profiles, Reference({"other": 1e15}))
    assert nothing["n_compared"] == 0
    assert np.isnan(nothing["ratio"])


def test_no_objects_at_all_is_an_error(tmp_path):
    with pytest.raises(FitError, match="nothing to fit"):
        run_fit({}, tmp_path, observables=[], report=False)


def test_a_signal_that_a_destructor_swallows_is_raised_again():
    class Object:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)

    def work():
        with stop_on_signals():
            Object()
            time.sleep(5.0)

    with pytest.raises(KeyboardInterrupt):
        work()
