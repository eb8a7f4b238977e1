"""`clmassmod ensemble` and `clmassmod compare` killed half-way, and with something changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from ensemble_mocks import massmod_of, normal_grids, simulated

from clmassmod.cli import BAD_DATA, OK, main
from clmassmod.cluster.results import write_profile
from clmassmod.ensembles import MassLikelihoods, MassRelation, PopulationLikelihood, ProxySelection

N = 15

# what is killed: the command line with a checkpoint as often as can be
PROGRAM = """
import functools, sys
import clmassmod.ensembles.posterior as posterior
from clmassmod.cli import main

posterior.run_mcmc = functools.partial(posterior.run_mcmc, checkpoint_seconds=0.02)
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def fitted(tmp_path, monkeypatch):
    """A folder with fits, the truth, a proxy and a configuration."""
    monkeypatch.chdir(tmp_path)
    true, measured = simulated(N, -0.1, 0.2, 1e14, 12)
    profiles = massmod_of(measured, 1e14, np.linspace(0.2, 0.6, N)).out_data_profiles
    (tmp_path / "fits" / "profiles").mkdir(parents=True)
    for profile in profiles:
        write_profile(profile, tmp_path / "fits" / "profiles" / f"{profile.halo_id}.h5")
    names = [p.halo_id for p in profiles]
    Table({"halo_id": names, "mass": true / 1e14}).write(tmp_path / "truth.csv")
    Table({"halo_id": names, "proxy": true / 1e13}).write(tmp_path / "proxy.csv")
    config = """
        concentration = 4.0
        seed = 3
        [ensemble]
        results = "fits"
        n_grid = 8
        n_samples = 100
        TERM
        [truth]
        file = "truth.csv"
        unit = "1e14 Msun"
        """
    (tmp_path / "compare.toml").write_text(config.replace("TERM", "mass_dependence = true"))
    (tmp_path / "ensemble.toml").write_text(config.replace("TERM", 'proxy_table = "proxy.csv"'))
    return tmp_path


def killed(command, folder):
    """Run a command in a process of its own, and kill it after its next checkpoint."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    arguments = [command, f"{command}.toml", "--no-report", "--folder", str(folder.parent)]
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    chain = folder / "chain"
    before, end = set(chain.glob("checkpoint-*.h5")), time.monotonic() + 60.0
    while not set(chain.glob("checkpoint-*.h5")) - before:
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.005)
    child.kill()
    child.communicate()


def run(command, folder):
    return main([command, f"{command}.toml", "--no-report", "--folder", str(folder.parent)])


@pytest.mark.parametrize("command", ["compare", pytest.param("ensemble", marks=pytest.mark.slow)])
def test_a_killed_command_ends_with_the_same_bits(fitted, command, capsys):
    whole, folder = (fitted / name / command for name in ("whole", "pieces"))
    assert run(command, whole) == OK
    for _ in range(2):
        killed(command, folder)
        # nothing but the chain is there
        assert [p.name for p in folder.iterdir()] == ["chain"]
    assert run(command, folder) == OK
    assert "goes on from step" in (folder / "chain" / "log.txt").read_text()
    for name in ("samples.ecsv", "objects.ecsv"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    contents = [json.loads((one / "summary.json").read_text()) for one in (whole, folder)]
    for content in contents:
        del content["provenance"]
    assert contents[0] == contents[1]
    # a changed configuration, and other data, are refused: what is there stays
    before = (folder / "samples.ecsv").read_bytes()
    config = fitted / f"{command}.toml"
    text = config.read_text()
    config.write_text(text.replace("seed = 3", "seed = 4"))
    assert run(command, folder) == BAD_DATA
    assert "sampler.seed: 3 there, 4 here" in capsys.readouterr().err
    config.write_text(text)
    name, column = ("truth.csv", "mass") if command == "compare" else ("proxy.csv", "proxy")
    table = Table.read(name)
    table[column][0] *= 1.001
    table.write(name, overwrite=True)
    assert run(command, folder) == BAD_DATA
    assert "likelihood.identity" in capsys.readouterr().err
    assert (folder / "samples.ecsv").read_bytes() == before


def test_everything_the_likelihood_depends_on_is_in_its_identity():
    true, measured = simulated(4, 0.0, 0.2, 1e14, 3)
    objects = MassLikelihoods(normal_grids(measured, 1e14))
    selection = ProxySelection(0.1)

    def identity(objects=objects, **given):
        return PopulationLikelihood(objects, MassRelation(np.log(true), **given)).identity

    x = np.arange(4.0)
    found = [
        identity(),
        identity(MassLikelihoods(normal_grids(measured, 1.001e14))),
        identity(shape="mixture"),
        identity(mean_terms={"mass_slope": x}),
        identity(mean_terms={"mass_slope": x + 1e-9}),
        identity(scatter_terms={"scatter_mass_slope": x}),
        identity(groups=np.array([0, 0, 1, 1])),
        identity(groups=np.array([0, 1, 1, 1])),
        identity(selection=selection, log_mass=x),
        identity(selection=selection, log_mass=x + 0.1),
        identity(selection=ProxySelection(0.2), log_mass=x),
    ]
    assert len(set(found)) == len(found)
