"""The documentation is true: its code runs, its links and tests exist, its tables are current."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

import clmassmod
from clmassmod import cli, stronglens
from clmassmod.cluster.fitting import ALIASES, DEFAULTS
from clmassmod.distributions import Normal
from clmassmod.profiles.registry import profile_class, profile_names
from clmassmod.stronglens.catalogue import UNITS

ROOT = Path(__file__).parents[2]
NOTES = ROOT / "docs" / "from_the_notes.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = sorted(
    name
    for _, name, _ in pkgutil.walk_packages(clmassmod.__path__, "clmassmod.")
    if "__main__" not in name and "._core" not in name
)


def blocks(page, language):
    """Return the code of a page in `language`, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.S | re.M)


def test_the_readme_lists_every_page():
    text = (ROOT / "README.md").read_text("utf-8")
    assert [p.name for p in PAGES[1:] if f"docs/{p.name}" not in text] == []


def identifier(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=identifier)
def test_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": page.stem}
    for i, code in enumerate(blocks(page, "python")):
        exec(compile(code, f"{page.name}, block {i + 1}", "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=identifier)
def test_commands_of_a_page_are_understood(page):
    for line in "".join(blocks(page, "console")).splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] in ("clmassmod", "make")
        if words[0] == "clmassmod":
            cli.make_parser().parse_args(words[1:])
        else:
            assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text()


def test_example_of_the_readme_gives_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = blocks(ROOT / "README.md", "python")[0]
    assert len([line for line in code.splitlines() if line]) == 10
    exec(compile(code, "README.md", "exec"), {})
    mass, down, up = re.fullmatch(r"(\S+) \((\S+), (\S+)\)\n", capsys.readouterr().out).groups()
    assert float(mass) == pytest.approx(8e14, rel=1e-4)
    assert 0 < float(down) < float(up) < 2e14


def test_recipe_of_the_quick_start_gives_a_mass(tmp_path, monkeypatch):
    page = ROOT / "docs" / "quickstart.md"
    (tmp_path / "cluster.csv").write_text(blocks(page, "text")[0])
    (tmp_path / "cluster.toml").write_text(blocks(page, "toml")[0])
    monkeypatch.chdir(tmp_path)
    command = next(line for line in blocks(page, "console")[2].splitlines())
    assert cli.main([*shlex.split(command)[1:], "--no-report"]) == 0
    assert len(list(tmp_path.glob("cluster-output/profiles/*.h5"))) == 1


@pytest.mark.parametrize("page", PAGES, ids=identifier)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", [ROOT / "README.md", NOTES], ids=identifier)
def test_every_test_that_is_named_exists(page):
    rows = re.findall(r"`(tests/\S+)::(\w+)`", page.read_text("utf-8"))
    assert len(rows) >= 8
    for file, name in rows:
        assert re.search(rf"^\s*def {name}\(", (ROOT / file).read_text("utf-8"), re.M), name


def test_every_module_of_the_notes_exists():
    names = re.findall(
        r"^\| `\w+\.py` \| `(clmassmod[\w.]*)` \| (.*?) \|", NOTES.read_text("utf-8"), re.M
    )
    assert len(names) == 11
    for name, text in names:
        module = importlib.import_module(name)
        public = re.findall(r"`(\w+)`", text.split(":")[0])
        assert all(hasattr(module, one) for one in public), (name, public)


@pytest.mark.parametrize("kind", ["", "mock_", "infer_", "table_"])
def test_pages_of_the_configuration_are_current(kind):
    name = f"{kind}configuration"
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    page = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    assert page == getattr(generate, f"{name}_page")(), "run: make docs"


def test_every_profile_is_on_its_page_with_its_parameters():
    page = (ROOT / "docs" / "profiles.md").read_text("utf-8")
    assert re.findall("^## (.*)$", page, re.M) == list(profile_names())
    for part in page.split("\n## ")[1:]:
        for name in inspect.signature(profile_class(part.split("\n", 1)[0])).parameters:
            assert f"`{name}`" in part, name


def test_profiles_that_are_said_to_be_fitted_can_be():
    page = (ROOT / "docs" / "profiles.md").read_text("utf-8")
    (line,) = re.findall(r"^(`.*)\nhave a mass and a concentration", page, re.M)
    radius = [0.4, 1.0]
    cosmology = {"Ob0": 0.05, "sigma8": 0.8, "n_s": 0.96}
    for name in re.findall("`(.*?)`", line):
        profile = {"kind": name} | ({"truncation": 10.0} if name == "BMO" else {})
        massmod = clmassmod.CLMassMod(
            {"profile": profile, "concentration": 4.0, "cosmology": cosmology}
        )
        massmod.obs_gamma_theta = clmassmod.GammaTheta(
            radius, [0.08, 0.04], [0.01, 0.01], redshift=0.3, sources=1.0
        )
        (result,), _ = massmod.fit_mass_profiles("curvefit")
        assert result.status == "ok", name


def test_every_method_is_described_with_its_parameters():
    page = (ROOT / "docs" / "methods.md").read_text("utf-8")
    assert all(f"`{alias}`" in page for alias in ALIASES)
    section = page.split("## Parameters of each method", 1)[1].split("\n## ")[0]
    for method, parameters in DEFAULTS.items():
        row = next(line for line in section.splitlines() if line.startswith(f"| `{method}` |"))
        for name, default in parameters.items():
            assert name == "seed" or f"`{name}` ({default})" in row, (method, name)


def test_every_column_of_a_catalogue_is_described_with_its_unit():
    page = (ROOT / "docs" / "strong_lenses.md").read_text("utf-8")
    generator = stronglens.MockGenerator(
        sources=stronglens.SourcePopulation(size=Normal(-1.0, 0.2)),
        noise=stronglens.MockNoise(time_delay=1.0),
        time_delays=True,
    )
    catalogue = generator.generate(100)
    for table in ("galaxies", "sources"):
        part = page.split(f"`catalogue.{table}`, one row", 1)[1].split("\n\n")[1]
        rows = re.findall(r"^\| `(\w+)` \| (.*?) ?\| .* \|$", part, re.M)
        assert {name for name, _ in rows} == set(getattr(catalogue, table))
        for name, unit in rows:
            if not unit.startswith("dex"):
                assert unit == UNITS.get(name, ""), name


def test_every_status_of_a_lens_is_described():
    page = (ROOT / "docs" / "strong_lenses.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d) \| `(\w+)` \|", page, re.M)
    assert rows == [(str(int(one)), one.name) for one in stronglens.LensStatus]


def test_figures_are_small():
    figures = list((ROOT / "docs" / "figures").glob("*.png"))
    assert figures
    assert all(file.stat().st_size < 200_000 for file in figures)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_citation_and_changelog_state_the_version():
    version = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text()).group(1)
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()
