"""The readers on real files: shear profiles, stacks with covariance, a table of stacks."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from clmassmod.configuration.info import ModelInfo
from clmassmod.readers import (
    load_covariance,
    load_data,
    load_delta_sigma,
    load_gamma_theta,
    load_redshifts,
    load_source_distribution,
)

pytestmark = pytest.mark.data


def spt(data_dir):
    folder = data_dir / "spt_megacam"
    return load_gamma_theta(
        f"{folder}/profiles/{{id}}_shear.txt",
        redshift=folder / "clusters.ecsv",
        sources=f"{folder}/profiles/{{id}}_Nz.txt",
        columns={"n_galaxies": 4},
    )


def test_all_shear_profiles_of_twelve_clusters(data_dir):
    table = Table.read(data_dir / "spt_megacam" / "clusters.ecsv")
    profiles = spt(data_dir)
    assert [p.id for p in profiles] == sorted(table["SPT_ID"])
    redshift = dict(zip(table["SPT_ID"], table["redshift"], strict=True))
    for profile in profiles:
        raw = np.loadtxt(profile.file)
        assert np.array_equal(profile.theta, raw[:, 0] * (np.pi / 180))
        assert np.array_equal(profile.values, raw[:, 1])
        assert np.array_equal(profile.errors, raw[:, 2])
        assert np.array_equal(profile.n_galaxies, raw[:, 4])
        assert profile.redshift == redshift[profile.id]
        assert profile.radius is None
        assert profile.kind == "reduced_shear"


def test_shear_profiles_span_the_radii_documented_with_them(data_dir):
    # Stated for H0 = 70, Om0 = 0.3: 0.85 to 2.4 Mpc.
    radius = np.array([p.projected_radius() for p in spt(data_dir)])
    assert radius[:, 0] == pytest.approx(0.86, abs=0.015)
    assert radius[:, -1] == pytest.approx(2.4, abs=0.015)


def test_source_histograms(data_dir):
    for profile in spt(data_dir):
        raw = np.loadtxt(profile.file.replace("_shear", "_Nz"))
        counts = raw[:, 1][raw[:, 1] > 0]
        assert np.array_equal(profile.sources.redshift, raw[:, 0][raw[:, 1] > 0])
        assert profile.sources.weight == pytest.approx(counts / counts.sum(), rel=1e-14)
        assert 0.3 < profile.sources.mean_beta_s(profile.redshift) < 0.75


def test_redshifts_are_found_by_the_only_id_column(data_dir):
    redshifts = load_redshifts(data_dir / "spt_megacam" / "clusters.ecsv")
    assert len(redshifts) == 12
    assert redshifts["SPT-CLJ0234-5831"] == pytest.approx(0.415, rel=1e-6)


def test_stacks_with_covariance(data_dir):
    folder = data_dir / "desy1_z0"
    stacks = load_delta_sigma(
        f"{folder}/y1_{{id}}_z0_profile.dat",
        redshift=0.25,
        covariance=f"{folder}/SAC_z0_{{id}}.txt",
    )
    assert [s.id for s in stacks] == ["l3", "l4", "l5", "l6"]
    for stack in stacks:
        raw = np.loadtxt(stack.file)
        assert np.array_equal(stack.radius, raw[:, 0])
        for i, name in enumerate(("values", "errors", "cross", "cross_errors"), start=1):
            assert np.array_equal(getattr(stack, name), raw[:, i] * 1e12)
        matrix = np.loadtxt(folder / f"SAC_z0_{stack.id}.txt")
        assert np.array_equal(stack.covariance, matrix * 1e24)
        assert stack.metadata["units"]["values"] == "M_sun / pc^2"
        cut = stack.select(0.2, 2.6)
        assert np.array_equal(cut.covariance, stack.covariance[4:10, 4:10])


def test_covariance_and_histogram_on_their_own(data_dir):
    matrix, unit = load_covariance(data_dir / "desy1_z0" / "SAC_z0_l3.txt")
    assert matrix.shape == (15, 15)
    assert unit is None
    path = data_dir / "spt_megacam" / "profiles" / "SPT-CLJ0234-5831_Nz.txt"
    assert load_source_distribution(path) == spt(data_dir)[0].sources


def test_table_of_stacks(data_dir):
    path = data_dir / "mdpl2" / "stacked_dsigma_scatter0.fits"
    stacks = load_delta_sigma(
        path, redshift=0.36, units={"values": "Msun/pc2"}, columns={"id": "bin"}
    )
    raw = fits.getdata(path)
    assert [s.id for s in stacks] == ["0", "1", "2", "3"]
    for stack, row in zip(stacks, raw, strict=True):
        assert np.array_equal(stack.radius, row["r_mpc"])
        assert np.array_equal(stack.values, row["dsig"] * 1e12)
        assert np.array_equal(stack.errors, row["dsig_err"] * 1e12)


def test_configuration_loads_the_same(data_dir):
    folder = data_dir / "spt_megacam"
    info = ModelInfo.from_dict(
        {
            "data": {
                "files": "profiles/{id}_shear.txt",
                "redshift_table": "clusters.ecsv",
                "columns": {"n_galaxies": 4},
            },
            "sources": {"files": "profiles/{id}_Nz.txt"},
        },
        folder / "model.toml",
    )
    assert load_data(info) == spt(data_dir)


def test_real_profiles_written_and_read_again(data_dir, tmp_path):
    profiles = spt(data_dir)
    for profile in profiles:
        profile.write(tmp_path / f"{profile.id}.ecsv")
    assert load_gamma_theta(f"{tmp_path}/*.ecsv") == profiles
