"""Where a result comes from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from clmassmod._core.info import build_info
from clmassmod.provenance import commit_in, provenance

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git")


def git(folder, *arguments):
    names = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", *names, "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "code.py").write_text("x = 1\n")
    (tmp_path / "notes").write_text("one\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    commit_in.cache_clear()
    return tmp_path


@needs_git
def test_sources_in_place_have_the_commit_of_their_checkout(checkout):
    assert commit_in(checkout) == git(checkout, "rev-parse", "--short=12", "HEAD")


@needs_git
def test_changed_sources_are_dirty(checkout):
    (checkout / "notes").write_text("two\n")  # no source
    commit = commit_in(checkout)
    commit_in.cache_clear()
    (checkout / "src" / "code.py").write_text("x = 2\n")
    assert commit_in(checkout) == f"{commit}+dirty"


def test_elsewhere_it_is_that_of_the_build(tmp_path):
    assert commit_in(tmp_path) == ""
    here = commit_in(Path(provenance.__code__.co_filename).resolve().parents[2])
    assert provenance()["commit"] == (here or build_info()["commit"])
