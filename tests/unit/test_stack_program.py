"""``clmassmod stack``: its files, going on, maps of a configuration, figures and report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_report import parsed

import clmassmod as clm
from clmassmod import cli
from clmassmod.cluster.simulation import simulate_sample
from clmassmod.configuration.info import ModelInfo
from clmassmod.errors import ConfigError, FormatError
from clmassmod.figures import stacks as stack_plotting
from clmassmod.runs import stacks as stack_program
from clmassmod.runs.clusters import run_fit, write_sample
from clmassmod.runs.stacks import run_stack, stack_lines
from clmassmod.stacks import Stack, StackSums, sum_profiles

INFO = {
    "name": "a stack",
    "concentration": 4.0,
    "sources": {"redshift": 1.0},
    "noise": {"density": 20.0},
    "simulation": {"n_clusters": 4},
    "data": {"files": "data/*.ecsv"},
    "fit": {"method": "curvefit"},
}
SCALED = {"method": "wScaling", "edges": [0.5, 1.0, 2.0, 4.0, 8.0]}


def configuration(folder, **changes):
    info = ModelInfo.from_dict({**INFO, **changes})
    info.folder = str(folder)
    return info


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack data")
    write_sample(simulate_sample(INFO), folder)
    return folder


@pytest.fixture(scope="module")
def outcome(data, tmp_path_factory):
    return run_stack(configuration(data), tmp_path_factory.mktemp("stacked"))


def test_every_file_is_there_and_says_the_same(outcome, data):
    folder = outcome.folder
    assert os.path.basename(folder) == "stack"
    assert Stack.read(f"{folder}/stack.h5") == outcome.stack
    parts = [StackSums.read(f"{folder}/sums/sim_{k:04d}.h5") for k in range(4)]
    assert StackSums.merged(parts) == outcome.sums
    direct = clm.CLMassMod(INFO)
    direct.obs_gamma_theta = clm.utils.load_gamma_theta(str(data / "data/*.ecsv"))
    direct.stackTools.stack("woScaling")
    assert direct.stacks["woScaling"] == outcome.stack
    fitted = clm.CLMassMod(INFO).read(f"{folder}/fit")
    assert [p.mass for p in fitted] == [outcome.mass.mass]
    from astropy.table import Table

    table = Table.read(f"{folder}/stack.ecsv")
    np.testing.assert_array_equal(table["delta_sigma"], outcome.stack.values)
    assert table["delta_sigma"].unit == "Msun / Mpc2"
    assert json.loads(Path(folder, "config.json").read_text("utf-8"))["stack"]["method"]


def test_the_report_is_whole(outcome):
    page = parsed(Path(outcome.report).read_text("utf-8"))
    text = " ".join("".join(page.text).split())
    for words in (*stack_lines(outcome)[0].split(", "), "sim_0003", "share of the weight"):
        assert words in text
    assert len(outcome.figures) == 2
    assert not {"script", "link"} & set(page.tags)


def test_a_second_run_goes_on_and_other_data_start_anew(data, outcome, tmp_path):
    shutil.copytree(os.path.dirname(outcome.folder), tmp_path / "again")
    again = tmp_path / "again"
    info = configuration(data)
    second = run_stack(info, again, report=False)
    assert second.resumed == tuple(f"sim_{k:04d}" for k in range(4))
    assert second.massmod.fit_info.resumed == ["stack"]
    (again / "stack/sums/sim_0001.h5").write_bytes(b"damaged")
    (again / "stack/sums/sim_0002.h5").unlink()
    third = run_stack(info, again, report=False)
    assert third.resumed == ("sim_0000", "sim_0003")
    assert third.stack == second.stack
    other = configuration(data, stack={"edges": [0.3, 1.0, 3.0]})
    assert run_stack(other, again, report=False).resumed == ()


def test_interrupted_it_keeps_what_is_done(data, tmp_path, monkeypatch, capsys):
    info = dict(configuration(data))
    info["data"]["files"] = str(data / "data/*.ecsv")
    (tmp_path / "config.json").write_text(json.dumps(info))
    arguments = ["stack", str(tmp_path / "config.json"), "--folder", str(tmp_path / "out")]
    whole = stack_program.sum_task

    def stopped(task):
        if task.halo_id == "sim_0002":
            raise KeyboardInterrupt
        return whole(task)

    monkeypatch.setattr(stack_program, "sum_task", stopped)
    assert cli.main(arguments) == cli.INTERRUPTED
    assert "2 finished haloes are saved" in capsys.readouterr().err
    monkeypatch.setattr(stack_program, "sum_task", whole)
    assert cli.main([*arguments, "--no-report"]) == cli.OK
    printed = capsys.readouterr().out
    assert "stack of 4 clusters (sums of 2 from an earlier run)" in printed
    assert "M200c = " in printed


@pytest.mark.slow
def test_processes_change_nothing(data, outcome, tmp_path):
    assert run_stack(configuration(data), tmp_path, executor=2, report=False).sums == outcome.sums


def test_scaled_by_the_truth(data, tmp_path):
    info = configuration(data, stack={**SCALED, "scaling": "truth", "masses": "truth.ecsv"})
    scaled = run_stack(info, tmp_path)
    assert scaled.mass is None
    assert scaled.stack.scaling == "truth"
    lines = stack_lines(scaled)
    assert lines[1].startswith("F against NFW: chi2 = ")
    assert lines[-1] == "scaled by true masses"
    assert list(scaled.figures) == ["Stack and its clusters"]
    assert "F_NFW" in Path(scaled.report).read_text("utf-8")
    # its configuration, with paths relative to it, repeats it
    config = clm.utils.load_config(f"{scaled.folder}/config.json")
    assert run_stack(config, tmp_path / "again", report=False).stack == scaled.stack


def test_scaled_by_its_own_fits_it_says_so(data, tmp_path):
    fitted = run_fit(configuration(data), tmp_path, report=False)
    scaled = run_stack(configuration(data, stack=SCALED), tmp_path, report=False)
    assert scaled.massmod.fit_info.resumed == list(fitted.fit_info)
    assert scaled.stack.circular
    assert "circular" in stack_lines(scaled)[-1]


def test_figures_have_what_they_say(outcome):
    figure = stack_plotting.stacked_profile(outcome.stack, outcome.sums)
    upper, lower = figure.axes
    assert len(upper.lines) >= 4
    assert "ΔΣ" in upper.get_ylabel() or "Delta" in upper.get_ylabel()
    assert lower.get_xscale() == "log"
    alone = stack_plotting.stacked_profile(outcome.stack)
    assert len(alone.axes[0].lines) < len(upper.lines)


def test_empty_bins_and_one_cluster_can_be_drawn():
    profile = clm.DeltaSigma([0.5, 2.0], [-1e14, 2e13], [1e13, 1e13], redshift=0.3, id="a$b")
    sums = sum_profiles([profile], [0.3, 1.0, 1.5, 3.0])
    figure = stack_plotting.stacked_profile(sums.stack(), sums)
    low, high = figure.axes[0].get_ylim()
    assert low < -100.0 < 20.0 < high


def test_clusters_are_within_the_axes_or_counted():
    def drawn(outlier):
        rng = np.random.default_rng(5)
        profiles = [
            clm.DeltaSigma(
                [0.5, 1.2, 2.0],
                1e14 * rng.normal([3.0, 2.0, 1.0], 0.4) + [outlier * (i == 0), 0.0, 0.0],
                np.full(3, 4e13),
                redshift=0.3,
                id=f"c{i}",
            )
            for i in range(20)
        ]
        sums = sum_profiles(profiles, [0.3, 0.9, 1.6, 3.0])
        upper = stack_plotting.stacked_profile(sums.stack(), sums).axes[0]
        points = np.concatenate([np.ravel(line.get_ydata()) for line in upper.lines])
        low, high = upper.get_ylim()
        return np.sum((points < low) | (points > high)), [t.get_text() for t in upper.texts]

    assert drawn(0.0) == (0, [])
    assert drawn(1e16) == (1, ["points beyond the axes: 1"])


# -- maps ----------------------------------------------------------------------------------------

MAPS = {
    "concentration": 4.0,
    "sources": {"redshift": 1.0},
    "noise": {"density": 30.0},
    "binning": {"r_min": 0.6, "r_max": 2.4, "n_bins": 5},
    "fit": {"method": "curvefit"},
}


def write_maps(folder):
    axis = 0.1 * (np.arange(64) - 31.5)
    radius = np.hypot(*np.meshgrid(axis, axis))
    for name, mass in (("a", 8e14), ("b", 5e14)):
        halo = clm.NFW(mass, 4.0, redshift=0.3)
        made = clm.MassMap(
            halo.surface_density(radius), 0.1, redshift=0.3, metadata={"background": "none"}
        )
        made.write(folder / f"{name}_mass.fits")
        kappa = clm.KappaMap(halo.convergence(radius, 1.0), 0.1, redshift=0.3, sources=1.0)
        kappa.write(folder / f"{name}_kappa.fits")


def test_maps_of_a_configuration_are_fitted_and_stacked(tmp_path):
    write_maps(tmp_path)
    (tmp_path / "out").mkdir()
    for kind in ("mass", "kappa"):
        data = {"kind": f"{kind}_map", "files": f"{{id}}_{kind}.fits"}
        info = configuration(tmp_path, **MAPS, data=data)
        fitted = run_fit(info, tmp_path / "out" / kind)
        assert [p.status for p in fitted.profiles] == ["ok", "ok"]
        for profile, mass in zip(fitted.profiles, (8e14, 5e14), strict=True):
            assert abs(profile.mass - mass) < 4.0 * max(profile.errors["mass"])
        assert any("profile" in title for title in fitted.figures)
        stacked = run_stack(info, tmp_path / "out" / kind, report=False)
        assert stacked.stack.n_pairs.min() > 100
        assert abs(stacked.mass.mass - 6.5e14) < 4.0 * max(stacked.mass.errors["mass"])
        again = run_stack(info, tmp_path / "out" / kind, report=False)
        assert again.resumed == ("a", "b")
        # other galaxies, other sums
        other = configuration(tmp_path, **{**MAPS, "seed": 2}, data=data)
        assert run_stack(other, tmp_path / "out" / kind, report=False).resumed == ()


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_stack(tmp_path):
    write_maps(tmp_path)
    names = [f"{k:02d}" for k in range(12)]
    for name in names:
        shutil.copy(tmp_path / "a_mass.fits", tmp_path / f"{name}_mass.fits")
    data = {"kind": "mass_map", "files": "??_mass.fits", "ids": names}
    info = {**MAPS, "noise": {"density": 300.0}, "data": data, "output": {"report": False}}
    (tmp_path / "config.json").write_text(json.dumps(info))
    command = [sys.executable, "-m", "clmassmod", "stack", "config.json", "--folder", "killed"]
    environment = os.environ | {"PYTHONPATH": str(Path(clm.__file__).parents[1])}
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as process:
        sums = tmp_path / "killed/stack/sums"
        end = time.monotonic() + 120.0
        while len(list(sums.glob("[!.]*.h5"))) < 2 and time.monotonic() < end:
            time.sleep(0.002)
        process.kill()
    config = clm.utils.load_config(tmp_path / "config.json")
    again = run_stack(config, tmp_path / "killed")
    assert 2 <= len(again.resumed) < 12
    assert run_stack(config, tmp_path / "whole").stack == again.stack


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "mass_map", "files": "a", "covariance": "b"}, "covariance is given, but kind"),
        ({"files": "a", "pixel_scale": 0.1}, "pixel_scale is given, but kind is 'gamma_theta'"),
        ({"kind": "mass_maps"}, "Did you mean 'mass_map'"),
        ({"kind": "mass_map", "sampling": "area"}, "pixel, point"),
    ],
)
def test_data_that_cannot_be(data, message):
    with pytest.raises(ConfigError, match=message):
        ModelInfo.from_dict({"data": data})


def test_maps_that_lack_what_the_configuration_could_say(tmp_path):
    axis = 0.1 * (np.arange(16) - 7.5)
    kappa = 0.1 / (1.0 + np.hypot(*np.meshgrid(axis, axis)))
    np.savez(tmp_path / "kappa.npz", kappa=kappa)
    bare = {"kind": "kappa_map", "files": "kappa.npz", "redshift": 0.3}
    with pytest.raises(FormatError, match="pixel_scale"):
        clm.readers.load_data(configuration(tmp_path, data=bare))
    full = {**bare, "pixel_scale": 0.1, "source_redshift": 1.2, "sampling": "point"}
    (made,) = clm.readers.load_data(configuration(tmp_path, data=full))
    assert (made.sources, made.pixel_scale, made.sampling) == (1.2, 0.1, "point")
