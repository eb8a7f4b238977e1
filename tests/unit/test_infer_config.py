"""Configurations of inferences: defaults, checks, priors, documentation."""

from __future__ import annotations

import re

import pytest

from clmassmod.configuration.infer_schema import FORMS, INFER_SCHEMA
from clmassmod.configuration.model_schema import Key
from clmassmod.distributions import _DISTRIBUTIONS
from clmassmod.errors import ConfigError, ParameterError
from clmassmod.inference.priors import Normal, Uniform
from clmassmod.population.count_families import SchechterFamily
from clmassmod.population.kernels import DEFAULT_BOX
from clmassmod.population.parameters import DEFAULT_FREE, PARAMETERS
from clmassmod.population.selection import FORMS as SELECTION_FORMS
from clmassmod.runs.inference_config import InferInfo, describe_infer_config, load_infer_config

NEEDED = {"sim_id": "survey", "run_id": "one", "data": {"file": "lenses.ecsv"}}
TOML = """
sim_id = "survey"
run_id = "one"
free = ["mu_h", "sigma_h"]
[data]
file = "lenses.ecsv"
unit = "arcsec"
[data.columns]
x_a = "theta_outer"
[population]
imf = "salpeter"
[box]
mu_h = [12.5, 13.5]
[priors.mu_h]
distribution = "normal"
mean = 13.0
sd = 0.1
low = 12.6
high = 13.4
"""


def wrong(match, **changes):
    with pytest.raises(ConfigError, match=match):
        InferInfo.from_dict({**NEEDED, **changes})


def test_every_default_is_filled_in():
    info = InferInfo.from_dict(NEEDED)
    assert info["free"] == list(DEFAULT_FREE)
    assert info["detection"] == {"limit": 26.5, "selection": "on_data"}
    assert info["sampler"]["name"] == "emcee"
    assert info["noise"]["magnitude"] == 0.1
    assert InferInfo.from_dict(info) == info


def test_a_file_says_the_same_as_a_dict(tmp_path):
    file = tmp_path / "infer.toml"
    file.write_text(TOML)
    info = load_infer_config(file)
    assert info["data"]["columns"]["x_a"] == "theta_outer"
    assert info["population"]["imf"] == "salpeter"
    assert info.path(info["data"]["file"]) == str(tmp_path / "lenses.ecsv")


def test_priors_are_those_given_and_uniform_ones():
    given = {"distribution": "normal", "mean": 13.0, "sd": 0.1, "low": 12.6, "high": 13.4}
    info = InferInfo.from_dict({**NEEDED, "free": ["sigma_h", "mu_h"], "priors": {"mu_h": given}})
    priors = info.make_priors()
    assert priors.names == ("sigma_h", "mu_h")
    assert priors.to_dict()["priors"]["mu_h"] == Normal(13.0, 0.1, 12.6, 13.4).to_dict()
    assert priors.to_dict()["priors"]["sigma_h"] == Uniform(0.1, 0.6).to_dict()


def test_counts_of_the_sources_can_be_free():
    field = {"edges": [22.0, 23.0, 24.0], "numbers": [2, 90], "area": 500.0}
    given = {
        "free": ["mu_h", "source_slope"],
        "box": {"source_slope": [-1.6, -1.0]},
        "field_counts": field,
    }
    info = InferInfo.from_dict({**NEEDED, **given})
    assert info["box"]["source_slope"] == [-1.6, -1.0]
    assert info["field_counts"] == field | {"sigma": 0.0, "completeness": None}
    wrong("no default walls", free=["source_slope"])
    wrong(r"field_counts.*area must be given", field_counts=field | {"area": None})


@pytest.mark.parametrize("key", ["sim_id", "run_id"])
def test_names_of_the_run_must_be_given(key):
    content = {k: v for k, v in NEEDED.items() if k != key}
    with pytest.raises(ConfigError, match=f"{key} must be given"):
        InferInfo.from_dict(content)


def test_the_data_must_be_given():
    wrong(r"data\b.*file must be given", data={})


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"sampler": {"nmae": "emcee"}}, "nmae.*'name'"),
        ({"sampler": {"name": "emce"}}, "emcee"),
        ({"sampler": {"max_steps": 10}}, "max_steps.*200"),
        ({"detection": {"selection": "on_dat"}}, "on_data"),
        ({"data": {"file": "x", "kind": "pairs"}}, "image_pairs"),
        ({"data": {"file": "x", "columns": {"xa": "x"}}}, "xa.*x_a"),
        ({"box": {"mu_hh": [12.0, 13.0]}}, "mu_hh.*'mu_h'"),
        ({"box": {"mu_h": [13.0, 12.0]}}, "low < high"),
        ({"box": {"mu_h": 13.0}}, "low, high"),
        ({"box": 3}, r"must be a section \[box\]"),
        ({"free": ["mu_hh"]}, "free: 'mu_hh' is not a parameter.*'mu_h'"),
        ({"free": ["mu_h", "mu_h"]}, "each once"),
        ({"free": []}, "at least one"),
        ({"free": ["xi_h"]}, r"\[box\] xi_h must be given"),
        ({"form": "anylens"}, "any_lens"),
        ({"free": ["find_radius"]}, "free: 'find_radius' is not a parameter"),
        (
            {"free": ["mu_h"], "box": {"mu_g": [0.8, 1.2]}},
            r"\[box\] 'mu_g' is not free; free are mu_h",
        ),
        (
            {"free": ["mu_h"], "priors": {"sigma_h": {"distribution": "uniform"}}},
            r"\[priors\.sigma_h\] 'sigma_h' is not free; free are mu_h",
        ),
        (
            {"priors": {"mu_g": {"distribution": "gaussian"}}},
            r"configuration: priors\.mu_g\.distribution = 'gaussian'.*truncated-normal",
        ),
        ({"priors": {"mu_g": {"distribution": "uniform"}}}, r"configuration: priors\.mu_g ="),
        ({"priors": {"mu_g": 3}}, "mu_g.*distribution"),
        ({"priors": {"mu_gg": {"distribution": "uniform", "low": 0, "high": 1}}}, "mu_g"),
        ({"priors": {"mu_g": {"distribution": "unifrom", "low": 0, "high": 1}}}, "uniform"),
        ({"priors": {"mu_g": {"distribution": "uniform", "low": 2, "high": 1}}}, "mu_g"),
        ({"n_galaxies": -3}, "n_galaxies"),
        ({"population": {"preset": "Sersik"}}, "Sersic"),
        ({"suorces": {}}, "sources"),
    ],
)
def test_what_is_wrong_is_named(changes, match):
    wrong(match, **changes)


def test_priors_outside_the_box_are_refused():
    wide = {"distribution": "uniform", "low": 11.0, "high": 13.0}
    info = InferInfo.from_dict({**NEEDED, "priors": {"mu_h": wide}})
    with pytest.raises(ParameterError, match=r"priors\.mu_h = \(11\.0, 13\.0\).*\[12, 14\]"):
        info.make_priors()


def test_a_box_is_completed_in_the_order_of_what_is_free():
    info = InferInfo.from_dict(
        {**NEEDED, "free": ["xi_h", "mu_h"], "box": {"mu_h": [12, 13], "xi_h": [-0.5, 0.5]}}
    )
    assert list(info["box"].items()) == [("xi_h", [-0.5, 0.5]), ("mu_h", [12.0, 13.0])]


def test_every_parameter_that_can_be_free_is_documented():
    text = describe_infer_config()
    part = text.split("### Parameters that can be free")[1].split("###")[0]
    assert set(re.findall("`(.*?)`", part)) == {*PARAMETERS, *SchechterFamily.names}
    counts = {"source_slope": [-1.5, -1.1]}
    info = InferInfo.from_dict({**NEEDED, "free": ["source_slope"], "box": counts})
    assert info.make_priors().support == {"source_slope": (-1.5, -1.1)}


def test_forms_of_the_schema_are_those_of_the_selection():
    assert tuple(SELECTION_FORMS) == FORMS


def test_every_distribution_of_priors_is_documented():
    part = describe_infer_config().split("### [priors.<name>]")[1]
    missing = [name for name in (*_DISTRIBUTIONS, "multivariate-normal") if f"`{name}`" not in part]
    assert not missing


def test_the_documentation_has_every_key_and_the_default_box():
    text = describe_infer_config()

    def keys(schema):
        for name, rule in schema.items():
            if isinstance(rule, Key):
                yield name
            else:
                yield from keys(rule)

    missing = [name for name in keys(INFER_SCHEMA) if f"`{name}`" not in text]
    assert not missing
    flat = " ".join(text.split())
    for name, (low, high) in DEFAULT_BOX.items():
        assert f"{name} {low:g} to {high:g}" in flat
