"""Files of data of an inference: how they are read, and known again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.table import Table

from clmassmod.cosmology import angular_diameter_distance
from clmassmod.errors import ConfigError, FormatError
from clmassmod.population import LensData
from clmassmod.runs.inference import run_infer
from clmassmod.runs.inference_config import InferInfo
from clmassmod.runs.inference_data import data_record, found_data, read_lenses
from clmassmod.stronglens import LensCatalogue, MockGenerator

COLUMNS = {
    "x_a": [6.6, 7.1],
    "x_b": [-3.1, -2.0],
    "log_re": [0.9, 0.8],
    "m_a": [24.0, 24.5],
    "m_b": [24.9, 25.8],
    "log_msps": [11.5, 11.3],
}
KPC_PER_ARCSEC = np.pi / 648.0


def read(root, columns, **changes):
    """The lenses of a table with these columns, as the configuration reads them."""
    file = root / "lenses.ecsv"
    Table(columns).write(file, overwrite=True)
    content = {"sim_id": "s", "run_id": "r", "data": {"file": str(file)}}
    for section, keys in changes.items():
        content[section] = {**content.get(section, {}), **keys}
    info = InferInfo.from_dict(content)
    record = json.loads(json.dumps(data_record(info, root)))  # as a run keeps it
    assert record["path"] == "lenses.ecsv"
    return read_lenses(record, found_data(record, root, None), info.make_cosmology())


def test_what_the_table_does_not_say_is_that_of_the_configuration(tmp_path):
    lenses = read(
        tmp_path,
        COLUMNS,
        noise={"magnitude": 0.2, "log_msps": 0.15, "log_re": 0.01},
        lens={"z_l": 0.4},
        sources={"redshift": 1.5},
    )
    found = {name: set(values.tolist()) for name, values in lenses.arrays().items()}
    expected = {"sigma_a": 0.2, "sigma_b": 0.2, "sigma_msps": 0.15, "sigma_re": 0.01}
    expected |= {"z_l": 0.4, "z_s": 1.5}
    assert {name: found[name] for name in expected} == {k: {v} for k, v in expected.items()}
    assert np.isnan(lenses.time_delay).all()


def test_what_the_table_says_goes_first(tmp_path):
    more = {"sigma_a": [0.05, 0.06], "z_l": [0.31, 0.32], "id": ["one", "two"], "dt": [9.0, 8.0]}
    lenses = read(
        tmp_path,
        COLUMNS | more,
        data={"columns": {"name": "id", "time_delay": "dt"}},
        noise={"time_delay": 2.0},
    )
    assert lenses.sigma_a.tolist() == [0.05, 0.06]
    assert lenses.z_l.tolist() == [0.31, 0.32]
    assert lenses.name == ("one", "two")
    assert lenses.time_delay.tolist() == [9.0, 8.0]
    assert lenses.sigma_delay.tolist() == [2.0, 2.0]


def test_a_run_keeps_the_values_that_no_column_replaces(tmp_path):
    more = {"error": [0.05, 0.06], "z_l": [0.31, 0.32]}
    Table(COLUMNS | more).write(tmp_path / "lenses.ecsv")
    data = {"file": str(tmp_path / "lenses.ecsv"), "columns": {"sigma_a": "error"}}
    content = {"sim_id": "s", "run_id": "r", "data": data}
    found = data_record(InferInfo.from_dict(content), tmp_path)["values"]
    assert found == {"sigma_b": 0.1, "sigma_msps": 0.1, "sigma_re": 0.0, "z_s": 2.0}
    # those of the galaxies without a lens may be in need of them
    others = {"form": "any_lens", "data": {**data, "non_lenses": str(tmp_path / "lenses.ecsv")}}
    kept = data_record(InferInfo.from_dict({**content, **others}), tmp_path)["values"]
    assert kept == {**found, "z_l": 0.3}


def test_angles_become_lengths_in_the_cosmology_of_the_configuration(tmp_path):
    angles = COLUMNS | {"x_a": [1.4, 1.5], "x_b": [-0.7, -0.5]}
    cosmology = {"H0": 60.0, "Om0": 0.4}
    lenses = read(tmp_path, angles, data={"unit": "arcsec"}, cosmology=cosmology)
    made = InferInfo.from_dict(
        {"sim_id": "s", "run_id": "r", "data": {"file": "f"}, "cosmology": cosmology}
    ).make_cosmology()
    scale = angular_diameter_distance(0.3, made) * KPC_PER_ARCSEC
    np.testing.assert_allclose(lenses.x_a, np.array([1.4, 1.5]) * scale, rtol=1e-13)
    np.testing.assert_allclose(lenses.x_b, np.array([-0.7, -0.5]) * scale, rtol=1e-13)


def test_redshifts_that_differ_must_be_in_the_table(tmp_path):
    with pytest.raises(FormatError, match="z_l: no such column"):
        read(tmp_path, COLUMNS, lens={"z_l": [0.2, 0.5]})
    published = {"distribution": "chang2013"}
    with pytest.raises(FormatError, match="z_s: no such column"):
        read(tmp_path, COLUMNS, sources=published)
    both = COLUMNS | {"z_l": [0.25, 0.4], "z_s": [0.9, 1.4]}
    lenses = read(tmp_path, both, lens={"z_l": [0.2, 0.5]}, sources=published)
    assert lenses.z_s.tolist() == [0.9, 1.4]


def test_catalogues_of_mocks_say_all_of_it(tmp_path):
    file = tmp_path / "lenses.h5"
    MockGenerator(noise={"magnitude": 0.15}).write(file, 3000, seed=3)
    content = {"sim_id": "s", "run_id": "r", "data": {"file": str(file)}, "lens": {"z_l": [0.2, 1]}}
    info = InferInfo.from_dict(content)
    record = data_record(info, tmp_path / "elsewhere")
    assert record["path"] == str(file)
    lenses = read_lenses(record, file, info.make_cosmology())
    assert lenses.hash == LensData.from_catalogue(LensCatalogue.read(file)).hash


def test_columns_of_a_catalogue_are_refused(tmp_path):
    MockGenerator().write(tmp_path / "lenses.h5", 3000, seed=3)
    data = {"file": str(tmp_path / "lenses.h5"), "columns": {"x_a": "outer"}}
    with pytest.raises(ConfigError, match="left out for a catalogue of a mock"):
        run_infer({"sim_id": "s", "run_id": "r", "data": data}, tmp_path, figures=False)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"x_b": [3.1, 2.0]}, "lenses.ecsv: x_b: .*other side"),
        ({"x_a": [2.0, 7.1]}, "image A is the outer one"),
        ({"sigma_b": [0.1, 0.0]}, "sigma_b"),
        ({"z_l": [0.3, 2.5]}, "z_s"),
    ],
)
def test_wrong_lenses_are_named(tmp_path, columns, words):
    with pytest.raises(FormatError, match=words):
        read(tmp_path, COLUMNS | columns)
