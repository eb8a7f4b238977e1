"""The documentation is true: its code runs, its links and tests exist, its tables are current."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

import clmassmod
from clmassmod import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = sorted(
    name
    for _, name, _ in pkgutil.walk_packages(clmassmod.__path__, "clmassmod.")
    if "__main__" not in name and "._core" not in name
)


def blocks(page, language):
    """Return the code of a page in `language`, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.S | re.M)


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


@pytest.mark.parametrize("page", PAGES, ids=identifier)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_promise_names_a_test_that_exists():
    rows = re.findall(r"`(tests/\S+)::(\w+)`", (ROOT / "README.md").read_text("utf-8"))
    assert len(rows) >= 8
    for file, name in rows:
        assert re.search(rf"^\s*def {name}\(", (ROOT / file).read_text("utf-8"), re.M), name


def test_page_of_the_configuration_is_current():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert page == generate.configuration_page(), "run: make docs"


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
