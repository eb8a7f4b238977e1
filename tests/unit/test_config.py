"""Configuration: the same content in four formats, defaults, checks, hash, documentation."""

from __future__ import annotations

import json
import pickle

import pytest
import yaml
from astropy.cosmology import FlatLambdaCDM
from hypothesis import given, settings
from hypothesis import strategies as st

from clmassmod.configuration.info import ModelInfo, describe_config, load_config
from clmassmod.configuration.model_schema import DEFAULT_PRIORS, PRIORS, SCHEMA, Key
from clmassmod.cosmology import default_cosmology
from clmassmod.errors import ConfigError
from clmassmod.sources import BetaMoments, SourceDistribution

CONTENT = {
    "name": "test",
    "profile": "NFW",
    "mass_def": "500c",
    "parameters": ["mass", "shear_calibration"],
    "concentration": 4.0,
    "priors": {
        "mass": {"distribution": "log-uniform", "low": 1e13, "high": 1e16},
        "shear_calibration": {"distribution": "normal", "mean": 0.01, "sd": 0.013},
    },
    "data": {"files": ["a.txt", "b.txt"], "columns": {"n_galaxies": 4}, "comoving": True},
    "fit": {"method": "scanpdf", "r_min": 0.5},
}

OTHER_PRIOR = {"distribution": "log-uniform", "low": 2e13, "high": 1e16}

TOML = """
name = "test"
profile = "NFW"
mass_def = "500c"
parameters = ["mass", "shear_calibration"]
concentration = 4.0
[priors]
mass = {distribution = "log-uniform", low = 1e13, high = 1e16}
shear_calibration = {distribution = "normal", mean = 0.01, sd = 0.013}
[data]
files = ["a.txt", "b.txt"]
columns = {n_galaxies = 4}
comoving = true
[fit]
method = "scanpdf"
r_min = 0.5
"""

YAML = """
name: test
profile: NFW
mass_def: 500c
parameters: [mass, shear_calibration]
concentration: 4
priors:
  mass: {distribution: log-uniform, low: 1e13, high: 1e16}
  shear_calibration: {distribution: normal, mean: 0.01, sd: 0.013}
data:
  files: [a.txt, b.txt]
  columns: {n_galaxies: 4}
  comoving: true
fit:
  method: scanpdf
  r_min: 0.5
"""

INI = """
[clmassmod]
name = test
profile = NFW
mass_def = 500c
parameters = mass, shear_calibration
concentration = 4
[priors.mass]
distribution = log-uniform
low = 1e13
high = 1e16
[priors.shear_calibration]
distribution = normal
mean = 0.01
sd = 0.013
[data]
files = a.txt, b.txt
columns = {"n_galaxies": 4}
comoving = true
[fit]
method = scanpdf
r_min = 0.5
"""

FORMATS = {
    "m.toml": TOML,
    "m.yaml": YAML,
    "m.yml": YAML,
    "m.ini": INI,
    "m.cfg": INI,
    "m.json": json.dumps(CONTENT),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_the_same_configuration(name, tmp_path):
    path = tmp_path / name
    path.write_text(FORMATS[name])
    info = load_config(path)
    expected = ModelInfo.from_dict(CONTENT)
    assert info == expected
    assert info.hash() == expected.hash()
    assert info["fit"]["r_min"] == 0.5
    assert info["priors"]["mass"]["low"] == 1e13
    assert info["concentration"] == {"relation": "constant", "value": 4.0}
    assert (info.file, info.folder) == (str(path), str(tmp_path))
    assert info.path("x/y.txt") == str(tmp_path / "x/y.txt")
    assert info.path("/x/y.txt") == "/x/y.txt"


def test_an_empty_configuration_is_all_defaults():
    info = ModelInfo.from_dict({})
    assert list(info) == list(SCHEMA)
    for name, rule in SCHEMA.items():
        if isinstance(rule, Key):
            assert info[name] == rule.default
        elif name != "priors":
            assert info[name] == {key: k.default for key, k in rule.items()}
    assert info["priors"] == {"mass": DEFAULT_PRIORS["mass"]}
    assert info.path("a") == "a"


def test_defaults_pass_their_own_checks():
    info = ModelInfo.from_dict({})
    assert ModelInfo.from_dict(info) == info
    assert ModelInfo.from_dict(json.loads(json.dumps(info))) == info


def test_defaults_are_not_shared():
    ModelInfo.from_dict({})["data"]["columns"]["radius"] = "r"
    ModelInfo.from_dict({})["parameters"].append("concentration")
    assert ModelInfo.from_dict({})["data"]["columns"] == {}
    assert ModelInfo.from_dict({})["parameters"] == ["mass"]


def test_plain_dicts_and_copies_keep_everything(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text(TOML)
    info = load_config(path)
    for other in (pickle.loads(pickle.dumps(info)), ModelInfo.from_dict(info)):
        assert other == info
        assert type(other) is ModelInfo
        assert (other.file, other.folder) == (info.file, info.folder)
    assert ModelInfo.from_dict(dict(info)).folder is None
    assert repr(info).startswith(f"<ModelInfo 'test' from {path}: name, mass_def")


def test_hash_depends_on_what_decides_the_result_and_on_nothing_else():
    base = ModelInfo.from_dict(CONTENT)
    same = [
        {**CONTENT, "name": "other"},
        {**CONTENT, "output": {"folder": "elsewhere", "report": False}},
        {**CONTENT, "seed": 1, "mass_def": "M500c"},
        dict(reversed(CONTENT.items())),
    ]
    for content in same:
        assert ModelInfo.from_dict(content).hash() == base.hash()
    other = [
        {**CONTENT, "seed": 2},
        {**CONTENT, "mass_def": "200c"},
        {**CONTENT, "concentration": 4.000000001},
        {**CONTENT, "fit": {"method": "scanpdf", "r_min": 0.6}},
        {**CONTENT, "cosmology": {"Om0": 0.31}},
        {
            **CONTENT,
            "priors": {**CONTENT["priors"], "mass": dict(CONTENT["priors"]["mass"], low=1)},
        },
    ]
    hashes = {ModelInfo.from_dict(content).hash() for content in other}
    assert len(hashes | {base.hash()}) == len(other) + 1
    assert len(base.hash()) == 64


@settings(deadline=None)
@given(st.floats(1e-3, 1e3))
def test_numbers_survive_text_formats(value):
    content = {"noise": {"shape_noise": value}}
    for text in (json.dumps(content), yaml.safe_dump(content)):
        loaded = ModelInfo.from_dict(yaml.safe_load(text))
        assert loaded["noise"]["shape_noise"] == value


def test_cosmology_of_a_configuration():
    assert ModelInfo.from_dict({}).make_cosmology() == default_cosmology()
    given_values = {"H0": 67.74, "Om0": 0.3089, "Ob0": 0.0486, "Tcmb0": 2.7255}
    made = ModelInfo.from_dict({"cosmology": given_values}).make_cosmology()
    assert made == FlatLambdaCDM(H0=67.74, Om0=0.3089, Ob0=0.0486, Tcmb0=2.7255)
    curved = ModelInfo.from_dict({"cosmology": {"Ode0": 0.6}}).make_cosmology()
    assert curved.Ok0 == pytest.approx(0.1)


def test_sources_of_a_configuration(tmp_path):
    def sources(**content):
        return ModelInfo.from_dict({"sources": content}, tmp_path / "m.toml").make_sources()

    assert sources() is None
    assert sources(redshift=1) == 1.0
    assert sources(files="nz/{id}.txt") == str(tmp_path / "nz/{id}.txt")
    assert sources(distribution="chang2013") == SourceDistribution.chang2013()
    assert sources(distribution="desc_srd_y1") == SourceDistribution.desc_srd(1)
    assert sources(mean_beta_s=0.5, mean_beta_s_squared=0.3) == BetaMoments(0.5, 0.3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"fitt": {}}, r"configuration: unknown key 'fitt'. Did you mean 'fit'\?"),
        ({"fit": {"metod": "emcee"}}, r"\[fit\] unknown key 'metod'. Did you mean 'method'\?"),
        ({"fit": {"method": "emce"}}, r"\[fit\] method = 'emce': .* Did you mean 'emcee'\?"),
        ({"fit": 3}, r"\[fit\] is 3, where a section"),
        ({"fit": {"r_min": "near"}}, r"\[fit\] r_min = 'near': it must be of type float"),
        ({"fit": {"r_min": -1}}, r"\[fit\] r_min = -1.0: it must be finite and >= 0 \[Mpc\]"),
        ({"fit": {"r_min": float("nan")}}, r"\[fit\] r_min = nan: it must be finite"),
        ({"fit": {"r_max": 0}}, r"\[fit\] r_max = 0.0: it must be finite and > 0"),
        ({"fit": {"r_min": 2, "r_max": 1}}, r"\[fit\] r_min = 2.0: .* above r_max = 1.0"),
        ({"fit": {"n_walkers": 3.5}}, r"\[fit\] n_walkers = 3.5: it must be of type integer"),
        ({"fit": {"n_walkers": True}}, r"n_walkers = True: it must be of type integer"),
        ({"fit": {"n_walkers": 1}}, r"n_walkers = 1: it must be finite and >= 4"),
        ({"fit": {"n_walkers": float("inf")}}, "n_walkers = inf"),
        ({"output": {"report": "maybe"}}, "report = 'maybe': it must be of type boolean"),
        ({"profile": {"kind": "NWF"}}, r"\[profile\] kind = 'NWF': .* Did you mean 'NFW'\?"),
        ({"mass_def": "300x"}, "mass_def = '300x'"),
        ({"parameters": []}, "parameters = .*at least one"),
        ({"parameters": ["mass", "mass"]}, "parameters = .*each once"),
        ({"parameters": ["mas"]}, r"parameters = 'mas': .* Did you mean 'mass'\?"),
        (
            {
                "parameters": ["mass", "miscentring_scale"],
                "miscentring": {"fraction": 0.2},
                "priors": {"miscentring_scale": {"distribution": "uniform", "low": 0.1, "high": 1}},
            },
            r"\[miscentring\] distribution is missing: miscentring_scale is one of parameters",
        ),
        (
            {
                "parameters": ["mass", "two_halo_bias"],
                "priors": {"two_halo_bias": {"distribution": "uniform", "low": 0.1, "high": 9}},
            },
            r"\[two_halo\] combine is missing",
        ),
        ({"miscentring": {"scale": 0.2}}, r"\[miscentring\] distribution is missing: scale is giv"),
        (
            {"miscentring": {"distribution": "gamma", "scale": 0.2}},
            r"\[miscentring\] fraction is missing: give it, or make miscentring_fraction one of",
        ),
        (
            {
                "parameters": ["mass", "boost_b0"],
                "priors": {"boost_b0": {"distribution": "uniform", "low": 0, "high": 1}},
            },
            r"\[boost\] r_s is missing: give it, or make boost_rs one of parameters",
        ),
        ({"parameters": "mass"}, "parameters = 'mass': it must be of type list of text"),
        ({"parameters": ["shear_calibration"]}, r"\[priors\] shear_calibration is free and needs"),
        ({"priors": {"mas": {}}}, r"\[priors\] unknown key 'mas'. Did you mean 'mass'\?"),
        ({"priors": {"concentration": {}}}, "concentration has a prior, but is not one of"),
        ({"priors": {"mass": 3}}, r"\[priors.mass\] is 3"),
        ({"priors": {"mass": {"distribution": "flat"}}}, r"\[priors.mass\] distribution = 'flat'"),
        ({"sources": {"redshift": 1, "distribution": "chang2013"}}, r"\[sources\] .*choose one"),
        ({"sources": {"mean_beta_s": 1.5}}, "mean_beta_s = 1.5: it must be finite and >= 0 and"),
        ({"sources": {"mean_beta_s": 0.5, "mean_beta_s_squared": 0.1}}, "mean_beta_s_squared"),
        ({"sources": {"mean_beta_s_squared": 0.1}}, "mean_beta_s_squared"),
        ({"binning": {"edges": [1.0, 0.5]}}, r"\[binning\] edges = .* strictly increasing"),
        ({"binning": {"edges": [0.0, 0.5]}}, r"\[binning\] edges = 0.0"),
        ({"simulation": {"mass_min": 3e15}}, "mass_min = 3000000000000000.0"),
        ({"data": {"redshift": 0.3, "redshift_table": "z.csv"}}, r"\[data\] .*choose one"),
        ({"data": {"columns": {"radius": 1.5}}}, "columns = .*it must be of type mapping"),
        ({"data": {"comoving": ["radius", "mass"]}}, "comoving = 'mass'"),
        ({"concentration": "constant"}, r"\[concentration\] value is missing"),
        ({"concentration": {"value": 4}}, r"\[concentration\] value is given, but"),
        (["fit"], "list given, a mapping needed"),
    ],
)
def test_mistakes_are_named(content, message):
    with pytest.raises(ConfigError, match=message):
        ModelInfo.from_dict(content)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({"distribution": "uniform", "low": 1}, "high = None: uniform needs a finite number"),
        ({"distribution": "uniform", "low": 2, "high": 1}, "low = 2.0: it must be below high"),
        ({"distribution": "uniform", "low": 1, "hi": 2}, "unknown key 'hi'"),
        ({"distribution": "normal", "mean": 1, "sd": 0}, "sd = 0.0: it must be > 0"),
        ({"distribution": "normal", "mean": "x", "sd": 1}, "mean = 'x'"),
        ({"distribution": "log-uniform", "low": -1, "high": 1}, "low = -1.0: it must be > 0"),
        ({"distribution": "truncated-normal", "mean": 0, "sd": 1, "low": 1}, "high = None"),
    ],
)
def test_mistakes_in_priors_are_named(prior, message):
    with pytest.raises(ConfigError, match=rf"\[priors.mass\] {message}"):
        ModelInfo.from_dict({"priors": {"mass": prior}})


def test_every_prior_can_be_used():
    numbers = {"low": 1.0, "high": 2.0, "mean": 1.5, "sd": 0.1}
    for name, keys in PRIORS.items():
        prior = {"distribution": name, **{key: numbers[key] for key in keys}}
        assert ModelInfo.from_dict({"priors": {"mass": prior}})["priors"]["mass"] == prior
    negative = {"distribution": "uniform", "low": -5e14, "high": 3e15}
    assert ModelInfo.from_dict({"priors": {"mass": negative}})["priors"]["mass"] == negative


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.py", "name = 'x'", "Python files are refused"),
        ("m.txt", "", "unknown suffix '.txt'"),
        ("m.toml", "name = ", "is not valid TOML"),
        ("m.json", '{"seed": 1, "seed": 2}', "key 'seed' occurs 2 times"),
        ("m.yaml", "seed: 1\nseed: 2\n", "key 'seed' occurs 2 times"),
        ("m.yaml", "fit:\n  r_min: 1\n  r_min: 2\n", "key 'r_min' occurs 2 times"),
        ("m.yaml", "- 1\n", "holds a list"),
        ("m.yaml", "", "holds a NoneType"),
        ("m.yaml", "name: !!python/object:os.system x", "is not valid YAML"),
        ("m.ini", "[fit]\nr_min=1\nr_min=2\n", "is not valid INI"),
        ("m.toml", "[fit]\nmetod = 'x'", r"m.toml: \[fit\] unknown key 'metod'"),
        ("m.toml", b"\xff\xfe", "cannot be read"),
        ("m.toml", None, "cannot be read"),
    ],
)
def test_files_that_are_no_configuration(name, text, message, tmp_path):
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_every_key_is_documented():
    text = describe_config()
    for name, rule in SCHEMA.items():
        keys = {name: rule} if isinstance(rule, Key) else rule
        for key, k in keys.items():
            row = next(line for line in text.splitlines() if line.startswith(f"| `{key}` |"))
            assert row.count("|") == 6
            assert k.doc.endswith(".")
            assert k.doc in text
    assert all(f"`{name}`" in text for name in PRIORS)
