"""The examples of real data give the published masses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from clmassmod import cli
from clmassmod.cluster.reference import load_reference
from clmassmod.configuration.info import load_config
from clmassmod.runs.clusters import run_fit, summary_lines

pytestmark = pytest.mark.data

EXAMPLES = Path(__file__).parents[2] / "examples"


def configuration(name, folder):
    info = load_config(EXAMPLES / f"{name}.toml")
    info.folder = str(folder)
    return info


def test_masses_of_twelve_clusters(data_dir, tmp_path):
    folder = data_dir / "spt_megacam"
    catalogue = load_reference(
        folder / "clusters.ecsv", "M500", unit="1e14 Msun", label="catalogue mass"
    )
    info = configuration("spt_megacam", folder)
    outcome = run_fit(info, tmp_path, reference=catalogue, report=False)
    for p in outcome.profiles:
        down, up = p.errors["mass"]
        print(f"{p.halo_id}  M500c {p.mass / 1e14:5.2f} -{down / 1e14:.2f} +{up / 1e14:.2f} e14")
    print("\n".join(summary_lines(outcome.summary)))
    summary = outcome.summary
    assert summary["n_compared"] == 12
    assert summary["ratio"] == pytest.approx(0.98, abs=0.02)
    assert summary["ratio_error"] == pytest.approx(0.13, abs=0.02)
    assert summary["chi2"] / 12 == pytest.approx(6.0, abs=0.5)


def test_masses_of_stacks(data_dir, tmp_path):
    info = configuration("desy1_z0", data_dir / "desy1_z0")
    outcome = run_fit(info, tmp_path, report=False)
    # McClintock et al. (2019): log10 of M200m in Msun / h, h = 0.7
    published = np.array([14.036, 14.323, 14.454, 14.758]) - np.log10(0.7)
    fitted = np.log10([p.mass for p in outcome.profiles])
    assert [p.halo_id for p in outcome.profiles] == ["l3", "l4", "l5", "l6"]
    print("log10 M200m fitted   ", fitted.round(3))
    print("log10 M200m published", published.round(3))
    assert np.abs(fitted - published).max() < 0.07


def test_masses_of_simulated_haloes(data_dir, tmp_path):
    folder = data_dir / "mdpl2"
    outcome = run_fit(configuration("mdpl2", folder), tmp_path, report=False)
    table = Table.read(folder / "true_logmvir_histogram_scatter0.fits")
    middle = 0.5 * (table["edge"][:, 1:] + table["edge"][:, :-1])
    mean = np.log10((table["hist"] * 10**middle).sum(axis=1) / table["hist"].sum(axis=1))
    fitted = np.log10([p.mass for p in outcome.profiles])
    print("log10 Mvir fitted", fitted.round(3), "true mean", np.asarray(mean).round(3))
    assert np.abs(fitted - mean).max() < 0.05


def test_command_line_on_real_data(data_dir, tmp_path, capsys):
    folder = data_dir / "spt_megacam"
    arguments = ["fit", str(EXAMPLES / "spt_megacam.toml"), "--data", str(folder)]
    arguments += ["--folder", str(tmp_path), "--reference", str(folder / "clusters.ecsv")]
    arguments += ["--reference-column", "M500", "--reference-error", "M500_uerr"]
    assert cli.main([*arguments, "--reference-unit", "1e14 Msun"]) == 0
    assert "12 of 12 clusters fitted" in capsys.readouterr().out
    assert (tmp_path / "report.html").stat().st_size > 500_000
