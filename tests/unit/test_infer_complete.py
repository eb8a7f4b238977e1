"""Complete samples, and forms of a sample, from a configuration."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from astropy.table import Table

from clmassmod.configuration.info import MockInfo
from clmassmod.errors import ConfigError, FormatError
from clmassmod.population import GalaxyData, LensData
from clmassmod.runs.inference import resume_run, run_infer
from clmassmod.runs.inference_config import load_infer_config
from clmassmod.runs.inference_data import data_record, read_lenses, read_non_lenses
from clmassmod.runs.mocks import make_population
from clmassmod.stronglens import LensCatalogue, MockGenerator, SchechterCounts, SourcePopulation

POPULATION = {"halo_mass": {"sigma": 0.18}, "inner_slope": {"sd": 0.4}}
DENSE = 600.0
"""Sources per arcmin^2: some galaxies lens two of them."""
CONFIG = {
    "sim_id": "survey",
    "run_id": "complete",
    "free": ["alpha_sps", "mu_h"],
    "form": "any_lens",
    "data": {"file": "mock.h5", "non_lenses": "mock.h5"},
    "population": POPULATION,
    "sources": {"density": DENSE},
    "box": {"alpha_sps": [-0.08, 0.08], "mu_h": [12.85, 13.0]},
    "sampler": {"n_walkers": 8, "max_steps": 200},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with a mock of a thousand galaxies."""
    folder = tmp_path_factory.mktemp("complete")
    generator = MockGenerator(
        population=make_population(MockInfo.from_dict({"population": POPULATION})),
        sources=SourcePopulation(counts=SchechterCounts(density=DENSE)),
    )
    generator.write(folder / "mock.h5", 1000, seed=8)
    return folder


def info_of(root, **changes):
    (root / "infer.json").write_text(json.dumps(CONFIG | changes))
    return load_infer_config(root / "infer.json")


def test_a_catalogue_gives_the_lenses_of_the_form(root):
    catalogue = LensCatalogue.read(root / "mock.h5")
    sizes = []
    for form in ("lenses", "any_lens", "one_lens"):
        info = info_of(root, form=form)
        record = data_record(info, root)
        lenses = read_lenses(record, root / "mock.h5", info.make_cosmology())
        assert lenses.hash == LensData.from_catalogue(catalogue, form).hash
        sizes.append(len(lenses))
    assert sizes[0] > sizes[1] > sizes[2]


def test_non_lenses_of_a_table_and_of_the_catalogue_are_the_same(root):
    data = GalaxyData.from_catalogue(LensCatalogue.read(root / "mock.h5"))
    columns = {"log_re": data.log_re, "log_msps": data.log_msps}
    Table(columns).write(root / "others.ecsv", overwrite=True)
    info = info_of(root, data={"file": "mock.h5", "non_lenses": "others.ecsv"})
    record = json.loads(json.dumps(data_record(info, root)))
    found = read_non_lenses(record, root, root / "mock.h5")
    for name, values in data.arrays().items():
        np.testing.assert_array_equal(getattr(found, name), values, err_msg=name)


def test_a_table_without_a_needed_column_is_refused(root):
    Table({"log_re": [0.8]}).write(root / "few.ecsv", overwrite=True)
    info = info_of(root, data={"file": "mock.h5", "non_lenses": "few.ecsv"})
    with pytest.raises(FormatError, match="log_msps: no such column"):
        read_non_lenses(data_record(info, root), root, root / "mock.h5")


def test_what_a_complete_sample_does_not_take_is_refused(root):
    for changes in ({"form": "lenses"}, {"n_galaxies": 1000}):
        with pytest.raises(ConfigError, match=r"non_lenses|any_lens"):
            run_infer(info_of(root, **changes), root, figures=False)


def test_a_complete_sample_from_configuration_to_report_and_on(root, tmp_path):
    outcome = run_infer(info_of(root), root)
    made = outcome.likelihood.inner
    catalogue = LensCatalogue.read(root / "mock.h5")
    assert made.lenses.hash == LensData.from_catalogue(catalogue, "any_lens").hash
    assert made.to_dict()["non_lenses"] == GalaxyData.from_catalogue(catalogue).hash
    truth = made.log_likelihood([0.0, 12.91])
    assert truth > made.log_likelihood([0.08, 13.0])
    moved = shutil.copytree(root / "inference" / "survey" / "complete", tmp_path / "run")
    shutil.copy(root / "mock.h5", tmp_path)
    again = resume_run(moved, data=tmp_path / "mock.h5", figures=False)
    np.testing.assert_array_equal(again.chain.samples, outcome.chain.samples)
