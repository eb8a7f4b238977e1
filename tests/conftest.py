"""Options and fixtures shared by the tests."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data-dir", default=None, help="folder of the real inputs")


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """Folder of the real inputs; its absence is a failure, not a reason to skip."""
    given = request.config.getoption("--data-dir")
    if given is None:
        pytest.fail("this test needs real inputs: make test-data DATA=folder")
    folder = Path(given)
    if not folder.is_dir():
        pytest.fail(f"--data-dir {given}: no such folder")
    return folder
