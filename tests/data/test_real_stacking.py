"""Twelve clusters of the South Pole Telescope stacked, and scaled by their catalogue masses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

import clmassmod as clm
from clmassmod.configuration.info import load_config
from clmassmod.readers import load_data

pytestmark = pytest.mark.data

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def clusters(data_dir):
    info = load_config(EXAMPLES / "spt_megacam.toml")
    info.folder = str(data_dir / "spt_megacam")
    massmod = clm.CLMassMod(info)
    massmod.obs_gamma_theta = load_data(info)
    catalogue = Table.read(data_dir / "spt_megacam" / "clusters.ecsv")
    masses = dict(zip(map(str, catalogue["SPT_ID"]), 1e14 * catalogue["M500"], strict=True))
    return massmod, {one.id: float(masses[one.id]) for one in massmod.obs_gamma_theta}


def test_the_mass_of_the_stack_is_the_mean_of_the_catalogue(clusters):
    massmod, masses = clusters
    massmod.stackTools.stack("woScaling", np.geomspace(0.5, 2.6, 7))
    stack = massmod.stacks["woScaling"]
    fit = massmod.fit_mass_profiles("curvefit")[0][0]
    mean = np.mean(list(masses.values()))
    print(f"M500c of the stack {fit.mass:.3g} +- {max(fit.errors['mass']):.2g}, mean {mean:.3g}")
    assert stack.mask.tolist() == [True] + 5 * [False]  # no cluster has data within 0.65 Mpc
    # the published calibration of these data: b = 0.94 +- 0.03
    assert abs(fit.mass - 0.94 * mean) < 2.0 * max(fit.errors["mass"])
    assert fit.chi2 < fit.dof + 4.0 * np.sqrt(2.0 * fit.dof)


def test_clusters_scaled_by_their_catalogue_masses_are_nfw_haloes(clusters):
    massmod, masses = clusters
    massmod.stackTools.stack("wScaling", np.geomspace(1.0, 6.0, 7), masses=masses)
    stack = massmod.stacks["wScaling"]
    print(f"chi2 {stack.chi2:.1f} / {stack.dof}, d2 {stack.scatter:.1f} / {stack.n_points}")
    assert not stack.circular
    assert stack.chi2 < stack.dof + 4.0 * np.sqrt(2.0 * stack.dof)
    assert abs(stack.scatter - stack.n_points) < 4.0 * np.sqrt(2.0 * stack.n_points)
