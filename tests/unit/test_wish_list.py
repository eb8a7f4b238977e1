"""The wish list from top to bottom: the blocks of docs/wish_list.md, and whether they are right."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "wish_list.md"


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """All names of the page once every block has run in an empty folder."""
    names: dict = {"__name__": "wish_list"}
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("wish_list"))
    try:
        blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.S | re.M)
        for i, code in enumerate(blocks):
            exec(compile(code, f"wish_list.md, block {i + 1}", "exec"), names)
        yield names
    finally:
        os.chdir(before)


def lensing_mass(walk):
    return dict(zip(walk["truth"], walk["lensing_mass"], strict=True))


def test_every_kind_of_data_is_fitted(walk):
    profiles = {one.halo_id: one for one in walk["out_data_profiles"]}
    assert sorted(profiles) == sorted(walk["truth"])
    assert {one.status for one in profiles.values()} == {"ok"}
    kinds = ("obs_mass_map", "obs_kappa_map", "obs_gamma_theta", "obs_delta_sigma")
    true = lensing_mass(walk)
    for kind in kinds:
        pulls = []
        for data in getattr(walk["massmod"], kind):
            one = profiles[data.id]
            pulls.append((one.mass - true[data.id]) / np.mean(one.errors["mass"]))
        # chi squared of ten masses: p = 1e-4 on either side; their mean within 4 errors
        assert 1.0 < np.square(pulls).sum() < 36.0, kind
        assert abs(np.mean(pulls)) < 4.0 / np.sqrt(10.0), kind


def test_each_halo_has_a_file_and_can_be_saved_again(walk):
    locations = [one.loc for one in walk["out_data_profiles"]]
    assert len(set(locations)) == 40
    assert walk["fit_info"].failed == {}
    assert len(list(Path("copies").glob("*.h5"))) == 40
    assert len(walk["statistics"]) == 40


def test_the_stack_has_the_mass_of_its_clusters(walk):
    (stack,) = walk["of_stack"]
    masses = np.array(list(lensing_mass(walk).values()))
    # the profile of a mean lies between those of the mean of ln M and of M, as its weights do
    error = np.mean(stack.errors["mass"])
    assert np.exp(np.log(masses).mean()) - 3 * error < stack.mass < masses.mean() + 3 * error


def test_the_scaled_stack_is_that_of_nfw_haloes(walk):
    scaled = walk["scaled"]
    deviation = (scaled.values - scaled.expected) / scaled.errors
    assert np.square(deviation).sum() < 28.0  # p = 1e-4 for 6 bins
    np.testing.assert_array_equal(walk["massmod"].F, scaled.values)
    np.testing.assert_array_equal(walk["massmod"].avgX, scaled.radius)


def test_bins_hold_every_cluster_once(walk):
    assert sorted(walk["bin_loc"]) == sorted(one.loc for one in walk["out_data_profiles"])
    read = {one.halo_id: one.mass for one in walk["bin_mass_profile_data"]}
    assert read == {one.halo_id: one.mass for one in walk["out_data_profiles"]}


def test_the_population_is_that_of_the_lensing_masses(walk):
    log_mass = np.log(walk["lensing_mass"])
    mean = walk["clust_mass_dist"]["mean"] + np.log(3e14)
    assert abs(mean.mean() - log_mass.mean()) < 4.0 * mean.std()
    scatter = walk["clust_mass_dist"]["scatter"]
    assert abs(scatter.mean() - log_mass.std()) < 4.0 * scatter.std()


def test_bias_and_scatter_are_those_that_were_put_in(walk):
    bias, scatter = walk["mass_dist_bias_samps"], walk["mass_dist_scatter_samps"]
    assert len(bias) == len(scatter)
    # -0.1 and 0.15, of which forty haloes have what they have
    assert abs(bias.mean() + 0.1) < 4.0 * bias.std()
    assert abs(scatter.mean() - 0.15) < 4.0 * scatter.std()
    assert 0.015 < bias.std() < 0.04  # 0.15 / sqrt(40) = 0.024 without noise
    density = walk["posteriors"].density
    first, second = walk["posteriors"].first, walk["posteriors"].scatter
    total = np.trapezoid(np.trapezoid(density, second, axis=1), first)
    assert total == pytest.approx(1.0, abs=1e-6)
