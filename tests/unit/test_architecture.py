"""The layers of docs/architecture.md hold: every import of the package points down, or sideways."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import clmassmod

PACKAGE = Path(clmassmod.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def layers() -> dict[str, int]:
    """Return the row of each module in the table, from the top."""
    rows = re.findall(r"^\| [^|]+ \| ((?:`\w+`(?:, )?)+) \|$", PAGE.read_text("utf8"), re.M)
    return {name: i for i, row in enumerate(rows) for name in re.findall(r"`(\w+)`", row)}


def is_for_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imported(node: ast.AST, package: list[str]) -> Iterator[str]:
    """Yield the first names of the modules of the package that code imports, in functions too."""
    for child in ast.iter_child_nodes(node):
        if is_for_typing(child):
            continue
        if isinstance(child, ast.ImportFrom) and child.level:
            base = package[: len(package) + 1 - child.level]
            target = [*base, *(child.module.split(".") if child.module else [])]
            yield from [target[0]] if target else [alias.name for alias in child.names]
        yield from imported(child, package)


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_every_module_has_a_layer() -> None:
    there = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in files()}
    assert there - {"__init__", "__main__"} == set(layers())


@pytest.mark.parametrize(
    "code", ["from ..figures import tools", "def f():\n    from .. import cli"]
)
def test_an_import_that_points_up_is_seen(code: str) -> None:
    own = layers()["cluster"]
    (name,) = imported(ast.parse(code), ["cluster"])
    assert layers()[name] < own


def test_imports_point_down() -> None:
    rows = layers()
    up = []
    for path in files():
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] in ("__init__", "__main__"):
            continue
        for name in imported(ast.parse(path.read_text("utf8")), list(parts[:-1])):
            if name in rows and rows[name] < rows[parts[0]]:
                up.append(f"{'.'.join(parts)} imports {name}")
    assert up == []
