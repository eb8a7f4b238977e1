"""Einstein radii from a table and a configuration to a posterior."""

from __future__ import annotations

import numpy as np
import pytest

from clmassmod.errors import ConfigError, FormatError, ParameterError
from clmassmod.population.data_files import load_einstein_radii
from clmassmod.runs.inference import run_infer
from clmassmod.runs.inference_config import InferInfo

TABLE = """\
# name ring Reff_kpc mass zd zs
A 1.10 7.2 11.45 0.2 0.6
B 0.95 5.1 11.25 0.2 0.6
"""
COLUMNS = {"theta_e": "ring", "r_e": "Reff_kpc", "log_msps": "mass", "z_l": "zd", "z_s": "zs"}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rings.txt"
    path.write_text(TABLE)
    return path


def test_a_table_is_read(table):
    lenses = load_einstein_radii(table, COLUMNS, sigma_theta=0.03)
    assert lenses.name == ("A", "B")
    assert lenses.theta_e.tolist() == [1.10, 0.95]
    assert lenses.log_re == pytest.approx(np.log10([7.2, 5.1]), rel=1e-14)
    assert set(lenses.sigma_theta) == {0.03}


@pytest.mark.parametrize(
    ("change", "kind", "match"),
    [
        ({"theta_e": "rings"}, FormatError, "rings.*'ring'"),
        ({"theta": "ring"}, ParameterError, "theta_e"),
        ({"r_e": "nothing"}, FormatError, "nothing"),
        ({"z_s": "zd"}, FormatError, "z_s"),
    ],
)
def test_a_wrong_column_is_named(table, change, kind, match):
    with pytest.raises(kind, match=match):
        load_einstein_radii(table, COLUMNS | change)


def test_a_size_of_nothing_is_refused(table):
    table.write_text(TABLE.replace("7.2", "0.0"))
    with pytest.raises(FormatError, match="> 0"):
        load_einstein_radii(table, COLUMNS)


def configuration(table, **changes):
    return {
        "sim_id": "rings",
        "run_id": "one",
        "free": ["alpha_sps", "find_radius"],
        "data": {"kind": "einstein_radius", "file": str(table), "columns": COLUMNS},
        "noise": {"theta_e": 0.02},
        "finding": {"slope": 5.0},
        "box": {"alpha_sps": [0.0, 0.1], "find_radius": [0.8, 1.2]},
        "sampler": {"max_steps": 200, "target_ess": 20},
        "output": {"figures": False},
    } | changes


def test_a_configuration_gives_a_posterior(table, tmp_path):
    outcome = run_infer(configuration(table), tmp_path)
    again = run_infer(configuration(table), tmp_path, figures=False)  # not taken for another run
    assert np.array_equal(again.chain.draws, outcome.chain.draws)
    assert outcome.chain.names == ("alpha_sps", "find_radius")
    assert np.isfinite(outcome.chain.samples).all()
    likelihood = outcome.likelihood.inner
    assert likelihood.sample.finding.slope == 5.0
    assert set(likelihood.lenses.sigma_theta) == {0.02}
    assert outcome.budget.worst < 1e-3


def test_walls_of_the_finding_probability_are_needed(table):
    with pytest.raises(ConfigError, match="find_radius must be given"):
        InferInfo.from_dict(configuration(table, box={}))
