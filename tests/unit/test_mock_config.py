"""Configuration of mocks: formats, defaults, checks, and the schema shared with clusters."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import yaml
from astropy.cosmology import FlatLambdaCDM

from clmassmod.configuration.info import (
    MockInfo,
    ModelInfo,
    describe_config,
    describe_mock_config,
    load_mock_config,
)
from clmassmod.configuration.mock_schema import MOCK_SCHEMA
from clmassmod.configuration.model_schema import SCHEMA, Key
from clmassmod.errors import ConfigError
from clmassmod.runs.mocks import run_mock
from clmassmod.sources import SourceDistribution

CONTENT = {
    "name": "test",
    "n_galaxies": 500,
    "population": {
        "preset": "Sersic",
        "halo_mass": {"mu": 13.0, "sigma": 0.3},
        "inner_slope": 1.2,
        "mismatch": 0.1,
        "concentration": "duffy08",
    },
    "lens": {"z_l": [0.2, 0.8]},
    "detection": {"selection": "independent"},
}

TOML = """
name = "test"
n_galaxies = 500
[population]
preset = "Sersic"
inner_slope = 1.2
mismatch = 0.1
concentration = "duffy08"
[population.halo_mass]
mu = 13.0
sigma = 0.3
[lens]
z_l = [0.2, 0.8]
[detection]
selection = "independent"
"""

INI = """
[clmassmod]
name = test
n_galaxies = 500
[population]
preset = Sersic
inner_slope = 1.2
mismatch = 0.1
concentration = duffy08
[population.halo_mass]
mu = 13
sigma = 0.3
[lens]
z_l = 0.2, 0.8
[detection]
selection = independent
"""

FORMATS = {
    "m.toml": TOML,
    "m.ini": INI,
    "m.yaml": yaml.safe_dump(CONTENT),
    "m.json": json.dumps(CONTENT),
}


def rules(schema, *sections):
    """Every (sections, key, rule) of a schema."""
    for name, rule in schema.items():
        if isinstance(rule, Key):
            yield sections, name, rule
        else:
            yield from rules(rule, *sections, name)


def inside(content, sections):
    for section in sections:
        content = content[section]
    return content


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_the_same_configuration(name, tmp_path):
    path = tmp_path / name
    path.write_text(FORMATS[name])
    info = load_mock_config(path)
    expected = MockInfo.from_dict(CONTENT)
    assert info == expected
    assert info.hash() == expected.hash()
    assert (info.file, info.folder) == (str(path), str(tmp_path))
    population = info["population"]
    assert population["halo_mass"]["mu"] == 13.0
    assert population["halo_mass"]["beta"] is None
    assert population["inner_slope"]["value"] == 1.2
    assert population["mismatch"]["alpha"] == 0.1
    assert population["concentration"] == {"relation": "duffy08", "value": None, "scatter": 0.0}
    assert info["lens"]["z_l"] == [0.2, 0.8]


def test_an_empty_configuration_is_all_defaults():
    info = MockInfo.from_dict({})
    assert list(info) == list(MOCK_SCHEMA)
    filled = {("sources", "redshift"): 2.0, ("population", "concentration", "value"): 5.0}
    for sections, name, rule in rules(MOCK_SCHEMA):
        expected = filled.get((*sections, name), rule.default)
        assert inside(info, sections)[name] == expected, name


def test_a_complete_configuration_passes_its_own_checks():
    for content in ({}, CONTENT):
        info = MockInfo.from_dict(content)
        assert MockInfo.from_dict(info) == info
        assert MockInfo.from_dict(json.loads(json.dumps(info))) == info
        again = pickle.loads(pickle.dumps(info))
        assert (again, type(again)) == (info, MockInfo)


def test_what_is_made_of_a_configuration():
    assert MockInfo.from_dict({}).make_sources() == 2.0
    published = MockInfo.from_dict({"sources": {"distribution": "desc_srd_y10"}})
    assert published.make_sources() == SourceDistribution.desc_srd(10)
    made = MockInfo.from_dict({"cosmology": {"H0": 67.0, "Om0": 0.32}}).make_cosmology()
    assert made == FlatLambdaCDM(H0=67.0, Om0=0.32, Tcmb0=0.0)
    assert repr(MockInfo.from_dict(CONTENT)).startswith("<MockInfo 'test': name, seed")


def test_hash_depends_on_what_decides_the_result_and_on_nothing_else():
    base = MockInfo.from_dict(CONTENT).hash()
    same = [{"name": "other"}, {"chunk": 10}, {"output": {"folder": "x", "figures": False}}]
    other = [{"seed": 2}, {"n_galaxies": 501}, {"lens": {"z_l": 0.3}}, {"time_delays": True}]
    deep = [{"population": {**CONTENT["population"], "halo_mass": {"mu": 13.0 + 1e-9}}}]
    assert {MockInfo.from_dict(CONTENT | one).hash() for one in same} == {base}
    hashes = {MockInfo.from_dict(CONTENT | one).hash() for one in other + deep}
    assert len(hashes | {base}) == len(other + deep) + 1


def test_large_seeds_keep_every_digit():
    # a float has 53 bits
    for seed in (2**53 + 1, 2**64 - 1):
        assert MockInfo.from_dict({"seed": seed})["seed"] == seed
        assert ModelInfo.from_dict({"seed": seed})["seed"] == seed
    for seed in (2**64, -1):
        with pytest.raises(ConfigError, match=rf"seed = {seed}: it must be finite and >= 0"):
            MockInfo.from_dict({"seed": seed})
    with pytest.raises(ConfigError, match="it must be of type integer"):
        MockInfo.from_dict({"seed": 10**400})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"populatio": {}}, "configuration: unknown key 'populatio'. Did you mean 'population'"),
        ({"profile": "NFW"}, "configuration: unknown key 'profile'"),
        (
            {"population": {"preset": "devauc"}},
            r"\[population\] preset = 'devauc': .* Did you mean 'deVauc'",
        ),
        ({"population": {"halomass": {}}}, r"\[population\] unknown key 'halomass'. Did you mean"),
        (
            {"population": {"halo_mass": {"qqq": 13}}},
            r"\[population.halo_mass\] unknown key 'qqq'. Known are value, mu",
        ),
        (
            {"population": {"halo_mass": {"sigma": -1}}},
            r"\[population.halo_mass\] sigma = -1.0: it must be finite and >= 0 \[dex\]",
        ),
        (
            {"population": {"halo_mass": {"value": 13, "mu": 13}}},
            r"\[population.halo_mass\] value and mu are all given: choose one",
        ),
        (
            {"population": {"inner_slope": 2.0}},
            r"\[population.inner_slope\] value = 2.0: it must be finite and >= 0 and < 2",
        ),
        (
            {"population": {"inner_slope": {"low": 1.5, "high": 1.0}}},
            r"\[population.inner_slope\] low = 1.5: it must be below high = 1.0",
        ),
        (
            {"population": {"inner_slope": {"distribution": "uniform", "sd": 0.1}}},
            r"\[population.inner_slope\] sd is given, but distribution is 'uniform'",
        ),
        (
            {"population": {"concentration": {"relation": "duffy08", "value": 5}}},
            r"\[population.concentration\] value is given, but relation is not 'constant'",
        ),
        (
            {"population": {"size": "large"}},
            r"\[population.size\] is 'large', where a section",
        ),
        ({"lens": {"z_l": 0}}, r"\[lens\] z_l = 0.0: it must be finite and > 0"),
        ({"lens": {"z_l": [0.5, 0.4]}}, r"\[lens\] z_l = \[0.5, 0.4\]: one redshift, or two"),
        ({"lens": {"z_l": "near"}}, r"z_l = 'near': it must be of type float or list of floats"),
        ({"lens": {"sersic_n": 20}}, r"sersic_n = 20.0: it must be finite and >= 0.5 and < 20"),
        ({"lens": {"halo": "m5kpc"}}, r"\[lens\] scale_radius is missing"),
        (
            {"lens": {"halo": "m5kpc", "scale_radius": 10}},
            r"\[lens\] halo = 'm5kpc' needs mu or value in \[population.halo_mass\]",
        ),
        ({"lens": {"scale_radius": 10}}, r"\[lens\] scale_radius is given, but"),
        ({"sources": {"redshift": 0.3}}, r"\[sources\] redshift = 0.3: it must be above .*z_l"),
        (
            {"lens": {"z_l": [0.3, 2.5]}},
            r"\[sources\] redshift = 2.0: .* \[lens\] z_l = \[0.3, 2.5\]",
        ),
        (
            {"sources": {"redshift": 1, "distribution": "chang2013"}},
            r"\[sources\] redshift and distribution are both given: choose one",
        ),
        ({"sources": {"m_min": 31}}, r"\[sources\] m_min = 31.0: it must be below m_max = 30.0"),
        (
            {"sources": {"density": 0}},
            r"density = 0.0: it must be finite and > 0 and <= 100000 \[arcmin\^-2\]",
        ),
        ({"detection": {"selection": "on-data"}}, "Did you mean 'on_data'"),
        ({"n_galaxies": 0}, "n_galaxies = 0: it must be finite and >= 1"),
        ({"time_delays": "yes"}, "time_delays = 'yes': it must be of type boolean"),
        ({"noise": {"magnitude": float("nan")}}, r"\[noise\] magnitude = nan"),
    ],
)
def test_mistakes_are_named(content, message):
    with pytest.raises(ConfigError, match=message):
        MockInfo.from_dict(content)


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text("[population.halo_mass]\nmo = 13\n")
    with pytest.raises(ConfigError, match=r"m\.toml: \[population.halo_mass\] unknown key 'mo'"):
        load_mock_config(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_mock_config(tmp_path / "absent.toml")


def test_every_key_is_documented_in_its_section():
    text = describe_mock_config()
    parts = dict(part.split("\n", 1) for part in text.split("### ")[1:])
    for sections, name, rule in rules(MOCK_SCHEMA):
        part = parts[f"[{'.'.join(sections)}]" if sections else "Outside any section"]
        row = next(line for line in part.splitlines() if line.startswith(f"| `{name}` |"))
        assert row.count("|") == 6
        assert rule.doc.endswith(".")
        assert rule.doc in row
        assert rule.limits() in row
    assert len(parts) == len({sections for sections, *_ in rules(MOCK_SCHEMA)})


def test_ranges_are_documented_for_clusters_too():
    assert "Range: >= 4." in describe_config()
    assert SCHEMA["cosmology"] is MOCK_SCHEMA["cosmology"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"cosmology": {"H0": 0.7}},
            r"H0 = 0.7: .*>= 10 .* For h = 0.7 it is 70",
        ),
        ({"cosmology": {"Ode0": 2}}, r"\[cosmology\] Ode0 = 2.0 with Om0 = 0.3: .* no big bang"),
        ({"cosmology": {"Ob0": 0.4}}, r"\[cosmology\] Ob0 = 0.4: it must not be above Om0 = 0.3"),
        ({"cosmology": {"Tcmb0": 1e6}}, r"\[cosmology\] Tcmb0"),
        ({"population": {"stellar_mass": {"log10_shape": 400}}}, "log10_shape = 400"),
        ({"population": {"halo_mass": {"slope": 1.7}}}, "Did you mean 'beta'"),
        ({"sources": {"m_star": 500}}, "m_star = 500"),
        ({"cosmology": {"Ode0": 5}}, "Ode0"),
        ({"sources": {"density": 1e12}}, "density"),
        ({"sources": {"size": 100}}, "size"),
        ({"sources": {"size_scatter": 0.3}}, "size_scatter is given, which needs size"),
        ({"noise": {"time_delay": 1.0}}, "needs time_delays = true"),
    ],
)
def test_what_makes_no_sense_is_refused(content, message):
    with pytest.raises(ConfigError, match=message):
        MockInfo.from_dict(content)


@pytest.mark.parametrize("matter", [0.05, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("dark_energy", [0.0, 0.7, 1.2, 1.6, 1.8, 2.5, 3.0])
@pytest.mark.parametrize("temperature", [0.0, 2.7])
def test_cosmologies_that_are_accepted_have_an_expansion_rate(matter, dark_energy, temperature):
    section = {"Om0": matter, "Ode0": dark_energy, "Tcmb0": temperature}
    # (H / H0)^2 in full, with photons alone, on a fine grid as far as the last scattering
    x = np.geomspace(1.0, 1100.0, 20_000)
    photons = 2.473e-5 / 0.7**2 * (temperature / 2.7255) ** 4
    curvature = 1.0 - matter - dark_energy - photons
    square = photons * x**4 + matter * x**3 + curvature * x**2 + dark_energy
    if square.min() > 0.0:
        assert MockInfo.from_dict({"cosmology": section}).make_cosmology().Ode0 == dark_energy
    else:
        with pytest.raises(ConfigError, match="no big bang"):
            MockInfo.from_dict({"cosmology": section})


def test_ini_keys_outside_any_section(tmp_path):
    path = tmp_path / "m.ini"
    path.write_text("seed = 3\n[lens]\nz_l = 0.4\n")
    with pytest.raises(ConfigError, match=r"m\.ini: line 1: .* belong under \[clmassmod\]"):
        load_mock_config(path)
    path.write_text("[clmassmod]\n" + path.read_text())
    assert load_mock_config(path)["seed"] == 3


@pytest.mark.parametrize(
    ("population", "message"),
    [
        ({"halo_mass": {"mu": 99}}, r"\[population\.halo_mass\] mu = 99\.0: log_mhalo = "),
        ({"size": 8000}, r"\[population\.size\] value = 8000\.0: log_re = 8000"),
        ({"mismatch": 100}, r"\[population\.mismatch\] alpha = 100\.0: log_mstar = "),
        (
            {"concentration": 1e9},
            r"\[population\.concentration\] .*value = 1000000000\.0",
        ),
        (
            {"stellar_mass": 80, "mismatch": -9},
            r"stellar_mass\] value = 80\.0: \[population\.mismatch\] alpha = -9\.0: ",
        ),
    ],
)
def test_numbers_that_give_impossible_galaxies_are_named(population, message, tmp_path):
    content = {"n_galaxies": 10, "population": population}
    with pytest.raises(ConfigError, match=message):
        run_mock(content, tmp_path / "out", figures=False)
