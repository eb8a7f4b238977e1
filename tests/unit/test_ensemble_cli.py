"""`clmassmod ensemble` and `clmassmod compare`: folders, reports, several folders, wrong input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.table import Table
from ensemble_mocks import massmod_of, simulated

from clmassmod.cli import BAD_DATA, OK, main
from clmassmod.cluster.results import write_profile

N = 40


@pytest.fixture
def fitted(tmp_path, monkeypatch):
    """A folder with fits in two parts, the truth and a configuration."""
    monkeypatch.chdir(tmp_path)
    true, measured = simulated(N, -0.1, 0.2, 1e14, 12)
    profiles = massmod_of(measured, 1e14, np.linspace(0.2, 0.6, N)).out_data_profiles
    for i, profile in enumerate(profiles):
        folder = tmp_path / ("first" if i < N // 2 else "second") / "profiles"
        folder.mkdir(parents=True, exist_ok=True)
        write_profile(profile, folder / f"{profile.halo_id}.h5")
    names = [p.halo_id for p in profiles]
    Table({"halo_id": names, "mass": true / 1e14}).write(tmp_path / "truth.csv")
    Table({"halo_id": names, "proxy": true / 1e13}).write(tmp_path / "proxy.csv")
    (tmp_path / "config.toml").write_text(
        """
        concentration = 4.0
        [ensemble]
        results = ["first", "second"]
        n_grid = 15
        n_samples = 200
        [truth]
        file = "truth.csv"
        unit = "1e14 Msun"
        [output]
        folder = "out"
        """
    )
    return tmp_path


def test_compare_writes_samples_figures_and_a_report(fitted, capsys):
    assert main(["compare", "config.toml"]) == OK
    text = capsys.readouterr()
    assert "bias" in text.out
    assert "mean_ratio" in text.out
    assert "note: pivots: M = " in text.err
    folder = fitted / "out" / "compare"
    samples = Table.read(folder / "samples.ecsv")
    assert samples.colnames == ["bias", "scatter", "mean_ratio"]
    assert len(samples) == 200
    assert abs(np.mean(samples["bias"]) + 0.1) < 3.0 * np.std(samples["bias"])
    objects = Table.read(folder / "objects.ecsv")
    assert len(objects) == N
    assert np.all((objects["rank"] > 0.0) & (objects["rank"] < 1.0))
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["n_objects"] == N
    assert summary["summary"]["bias"]["mean"] == pytest.approx(np.mean(samples["bias"]))
    report = (folder / "report.html").read_text()
    assert report.count("<img") == 3
    assert "p-value of uniform ranks" in report
    assert len(list((folder / "figures").glob("*.png"))) == 3


def test_folders_add_up(fitted):
    def objects(*arguments):
        command = ["compare", "config.toml", "--no-report", "--folder", "some", *arguments]
        assert main(command) == OK
        return set(Table.read(fitted / "some" / "compare" / "objects.ecsv")["halo_id"])

    parts = [objects("--fits", one) for one in ("first", "second")]
    assert len(parts[0]) == len(parts[1]) == N // 2
    assert objects("--fits", "first", "second") == parts[0] | parts[1] == objects()
    assert not (fitted / "some" / "compare" / "report.html").exists()


def test_a_folder_given_twice_is_refused(fitted, capsys):
    assert main(["compare", "config.toml", "--fits", "first", "first"]) == BAD_DATA
    assert "different for every result" in capsys.readouterr().err


def test_ensemble_regresses_on_a_proxy_and_keeps_its_chain(fitted, capsys):
    config = fitted / "ensemble.toml"
    text = (fitted / "config.toml").read_text()
    config.write_text(text.replace("n_grid", 'proxy_table = "proxy.csv"\n        n_grid'))
    assert main(["ensemble", str(config)]) == OK
    folder = fitted / "out" / "ensemble"
    first = Table.read(folder / "samples.ecsv")
    assert first.colnames[:3] == ["mean", "scatter", "proxy_slope"]
    # the proxy is the true mass
    assert abs(np.mean(first["proxy_slope"]) - 1.0) < 3.0 * np.std(first["proxy_slope"])
    assert (folder / "figures" / "corner.png").exists()
    assert (folder / "chain" / "params.json").exists()
    # again: the chain is read
    assert main(["ensemble", str(config), "--no-report"]) == OK
    assert np.array_equal(Table.read(folder / "samples.ecsv")["mean"], first["mean"])


def test_the_demonstration_is_compared_with_its_truth(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    demo = ["demo", "--method", "scanpdf", "--n-clusters", "5", "--folder", "d", "--no-report"]
    assert main(demo) == OK
    assert main(["compare", "d/config.json", "--folder", "d", "--no-report"]) == OK
    samples = Table.read("d/compare/samples.ecsv")
    assert abs(np.mean(samples["bias"])) < 3.0 * np.std(samples["bias"])


@pytest.mark.parametrize(
    ("command", "change", "words"),
    [
        ("compare", ('file = "truth.csv"', ""), "file is missing"),
        ("compare", ('unit = "1e14 Msun"', ""), "[truth] unit"),
        ("compare", ('"second"', '"third"'), "run `clmassmod fit`"),
        ("compare", ("n_grid", 'shape = "mixtures"\n        n_grid'), "mixture"),
        ("compare", ("n_grid", "selection = {scatter = 0.1}\n        n_grid"), "log_threshold"),
        ("ensemble", ("n_grid", "mass_dependence = true\n        n_grid"), "of compare alone"),
        ("ensemble", ("n_grid", 'proxy_table = "truth.csv"\n        n_grid'), "no such column"),
    ],
)
def test_wrong_configurations(fitted, capsys, command, change, words):
    text = (fitted / "config.toml").read_text()
    assert change[0] in text
    (fitted / "config.toml").write_text(text.replace(*change))
    assert main([command, "config.toml"]) == BAD_DATA
    assert words in capsys.readouterr().err
