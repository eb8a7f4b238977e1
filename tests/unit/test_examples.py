"""The examples run, and the two forms of each agree."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from clmassmod import cli
from clmassmod.cluster.results import find_profiles, read_profile
from clmassmod.configuration.info import load_config, load_mock_config
from clmassmod.population import PARAMETERS, PopulationParameters
from clmassmod.readers import load_gamma_theta
from clmassmod.runs.inference_config import load_infer_config
from clmassmod.runs.mocks import make_population
from clmassmod.stronglens import LensCatalogue

EXAMPLES = Path(__file__).parents[2] / "examples"
MOCKS = sorted(EXAMPLES.glob("mock_*.toml"))
INFERENCES = sorted(EXAMPLES.glob("*_population.toml"))
INFERENCES = [path for path in INFERENCES if path not in MOCKS]
FITS = sorted(set(EXAMPLES.glob("*.toml")) - set(MOCKS) - set(INFERENCES))


def script(name):
    """Import a script of the examples."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_forms_give_the_same_numbers(tmp_path, capsys):
    by_script = script("fit_simulated").main(tmp_path / "script")
    arguments = [str(EXAMPLES / "fit_simulated.toml"), "--folder", str(tmp_path / "command")]
    assert cli.main(["fit", *arguments, "--no-report"]) == 0
    by_command = [read_profile(f) for f in find_profiles(tmp_path / "command" / "profiles")]
    saved = [read_profile(f) for f in find_profiles(tmp_path / "script")]
    assert len(by_script) == len(by_command) == len(saved) == 4
    for a, b, c in zip(by_script, by_command, saved, strict=True):
        for other in (b, c):
            assert a.halo_id == other.halo_id
            assert (a.mle, a.errors, a.chi2) == (other.mle, other.errors, other.chi2)
            assert np.array_equal(a.mass_grid, other.mass_grid)
            assert np.array_equal(a.grid_log_likelihood, other.grid_log_likelihood)
            assert np.array_equal(a.grid_log_prior, other.grid_log_prior)
    assert "4 of 4 clusters fitted by scanpdf" in capsys.readouterr().out


def test_fitted_masses_of_the_example_are_the_true_ones(tmp_path):
    lines = (EXAMPLES / "simulated" / "truth.csv").read_text().splitlines()[1:]
    truth = {name: float(mass) for name, mass in (line.split(",") for line in lines)}
    for profile in script("fit_simulated").main(tmp_path):
        down, up = profile.errors["mass"]
        mass = truth[profile.halo_id]
        assert profile.mass - 3 * down < mass < profile.mass + 3 * up


def test_data_of_the_example_come_from_their_script(tmp_path):
    script("make_simulated").main(tmp_path)
    made = load_gamma_theta(f"{tmp_path}/*.ecsv")
    shipped = load_gamma_theta(f"{EXAMPLES}/simulated/*.ecsv")
    for a, b in zip(made, shipped, strict=True):
        assert (a.id, a.sources) == (b.id, b.sources)
        for name in ("radius", "values", "errors", "n_galaxies"):
            assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-9)
    truth = (tmp_path / "truth.csv").read_text()
    assert truth == (EXAMPLES / "simulated" / "truth.csv").read_text()


def test_both_forms_of_the_mock_give_the_same_catalogue(tmp_path, capsys):
    by_script = script("mock_lenses").main(tmp_path / "script.h5")
    arguments = [str(MOCKS[0]), "--folder", str(tmp_path), "--no-figures"]
    assert cli.main(["mock", *arguments]) == 0
    by_command = LensCatalogue.read(tmp_path / "lenses.h5")
    for name in ("galaxies", "sources"):
        one, two = getattr(by_script, name), getattr(by_command, name)
        assert list(one) == list(two)
        for column in one:
            np.testing.assert_array_equal(one[column], two[column], err_msg=column)
    assert by_script.metadata == by_command.metadata
    assert (tmp_path / "script.h5").read_bytes() == (tmp_path / "lenses.h5").read_bytes()
    assert f"{by_script.sources['detected'].sum()} of these detected" in capsys.readouterr().out


@pytest.mark.parametrize("path", MOCKS, ids=lambda path: path.stem)
def test_configurations_of_mocks_are_valid(path):
    assert load_mock_config(path)["name"]


@pytest.mark.parametrize("path", INFERENCES, ids=lambda path: path.stem)
def test_configurations_of_inferences_are_valid_and_name_no_place(path):
    info = load_infer_config(path)
    assert not Path(info["data"]["file"]).is_absolute()
    assert info.make_priors().names == tuple(info["free"])


def test_the_inference_is_of_the_population_of_the_mock():
    """What is fixed is what the mock was made with, and the truth of the rest is in the box."""
    made = make_population(load_mock_config(EXAMPLES / "mock_population.toml"))
    info = load_infer_config(EXAMPLES / "lens_population.toml")
    truth = PopulationParameters(made, info["free"])
    assumed = PopulationParameters(make_population(info), info["free"])
    for name, one, other in zip(PARAMETERS, truth.fixed, assumed.fixed, strict=True):
        assert one == other or name in info["free"], name
    for name, value in zip(truth.free, truth.values, strict=True):
        low, high = info["box"][name]
        assert low < value < high


@pytest.mark.parametrize("path", FITS, ids=lambda path: path.stem)
def test_configurations_are_valid_and_name_no_place(path):
    info = load_config(path)
    assert info["data"]["files"] is not None
    files = info["data"]["files"]
    names = [files] if isinstance(files, str) else files
    names += [info["data"]["redshift_table"], info["sources"]["files"]]
    assert not any(Path(name).is_absolute() for name in names if name is not None)
