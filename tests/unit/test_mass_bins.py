"""`make_bins`, and the results of a bin read in a process that has seen nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import clmassmod as clm
from clmassmod.cluster.results import empty_profile
from clmassmod.cluster.simulation import simulate_sample
from clmassmod.errors import AccuracyWarning, ParameterError

INFO = {
    "concentration": 4.0,
    "sources": {"redshift": 1.0},
    "noise": {"density": 200.0},
    "simulation": {"n_clusters": 5},
}
EDGES = [1e14, 6e14, 1e15, 5e15]


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    massmod = clm.CLMassMod(INFO)
    massmod.obs_gamma_theta = simulate_sample(INFO).observables
    folder = tmp_path_factory.mktemp("results")
    return massmod.fit_mass_profiles("curvefit", save_loc=folder)[0]


def test_a_function_of_all_profiles(profiles):
    """As in the wish list: its own rule for one profile, and a list of lists."""

    def bin_one_func(bin_defs, profile):
        return int(np.searchsorted(bin_defs, profile.mass)) - 1

    def bin_all_func(mass_profiles):
        bin_members = [[] for _ in EDGES[:-1]]
        for one in mass_profiles:
            bin_members[bin_one_func(EDGES, one)].append(one.loc)
        return bin_members

    bins = clm.utils.make_bins(profiles, bin_all_func)
    assert bins == clm.utils.make_bins(profiles, EDGES)
    assert sum(map(len, bins)) == 5
    assert max(map(len, bins)) < 5
    for low, high, one in zip(EDGES, EDGES[1:], bins, strict=False):
        assert all(low <= p.mass < high for p in profiles if p.loc in one)
    tuples = clm.utils.make_bins(
        profiles, lambda all_of_them: ((Path(p.loc),) for p in all_of_them)
    )
    assert tuples == [[p.loc] for p in profiles]


def test_edges_of_a_column(profiles):
    bins = clm.utils.make_bins(profiles, ("redshift", [0.2, 0.4, 0.6]))
    assert bins == [
        [p.loc for p in profiles if p.redshift < 0.4],
        [p.loc for p in profiles if p.redshift >= 0.4],
    ]
    assert clm.utils.make_bins(profiles, ("mass", EDGES)) == clm.utils.make_bins(profiles, EDGES)
    # a bin holds its lower edge and not its upper one
    mass = profiles[0].mass
    assert clm.utils.make_bins(profiles[:1], [0.0, mass, 1e17]) == [[], [profiles[0].loc]]


def test_what_could_not_be_fitted_or_is_outside_is_in_no_bin(profiles):
    failed = profiles[0]._replace(status="failed", mle={}, redshift=0.3)
    assert clm.utils.make_bins([failed], ("redshift", [0.2, 0.6])) == [[]]
    # edges in log10, as one is apt to write them
    with pytest.warns(AccuracyWarning, match=r"all bins are empty.*edges are 14 to 16 .*not log10"):
        assert clm.utils.make_bins([failed, *profiles[1:]], [14.0, 15.0, 16.0]) == [[], []]


def test_a_fresh_process_reads_a_bin(profiles):
    bins = clm.utils.make_bins(profiles, EDGES)
    script = (
        "import sys, clmassmod as clm\n"
        "bin_massmod = clm.CLMassMod({'concentration': 4.0})\n"
        "print([p.mass for p in bin_massmod.read(sys.argv[1:])])\n"
    )
    locations = next(one for one in bins if one)
    done = subprocess.run(
        [sys.executable, "-c", script, *locations],
        env=os.environ | {"PYTHONPATH": str(Path(clm.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == str([p.mass for p in profiles if p.loc in locations])


def test_refused(profiles):
    with pytest.raises(ParameterError, match="a without a location"):
        clm.utils.make_bins([empty_profile("a", "curvefit", 0.3, "200c")], EDGES)
    for wrong in ([1e15, 1e14], [1e14], "mass", None, [[1.0, 2.0]]):
        with pytest.raises(ParameterError, match="bin_all_func"):
            clm.utils.make_bins(profiles, wrong)
    with pytest.raises(ParameterError, match="one of mass, redshift"):
        clm.utils.make_bins(profiles, ("richness", [1.0, 2.0]))
    for result in (None, ["a", "b"], [[1.0]], [None]):
        with pytest.raises(ParameterError, match="a list of lists of locations"):
            clm.utils.make_bins(profiles, lambda _, result=result: result)
