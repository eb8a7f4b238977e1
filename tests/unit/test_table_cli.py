"""``clmassmod tables``."""

from __future__ import annotations

import numpy as np
import pytest

from clmassmod import Table, cli
from clmassmod.table.store import table_folder


@pytest.fixture
def file(tmp_path):
    path = table_folder("one", tmp_path) / "square.h5"
    knots = np.linspace(0.0, 1.0, 7)
    Table.from_grid([knots], knots**2, names=["u"]).save(path, sim_id="one", version=4)
    return path


def test_list(file, tmp_path, capsys):
    assert cli.main(["tables", "list", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{file}  cubic  u 7  version 4\n"


def test_list_goes_on_after_a_damaged_file(file, tmp_path, capsys):
    (file.parent / "empty.h5").write_bytes(b"")
    assert cli.main(["tables", "list", "--root", str(tmp_path)]) == 65
    output = capsys.readouterr()
    assert f"{file}  cubic  u 7  version 4\n" in output.out
    assert "empty.h5  file: not a readable table" in output.out
    assert "empty.h5" in output.err


def test_info(file, capsys):
    assert cli.main(["tables", "info", str(file)]) == 0
    out = capsys.readouterr().out
    assert "7 knots from 0 to 1" in out
    assert "sim_id one, version 4" in out


def test_verify(file, tmp_path, capsys):
    assert cli.main(["tables", "verify", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{file}  ok\n"
    content = bytearray(file.read_bytes())
    place = content.find(np.float64(0.25).tobytes())
    content[place] ^= 1
    file.write_bytes(content)
    assert cli.main(["tables", "verify", str(file)]) == 65
    output = capsys.readouterr()
    assert "checksum" in output.out
    assert "checksum" in output.err


def test_no_such_table(tmp_path, capsys):
    assert cli.main(["tables", "info", str(tmp_path / "none.h5")]) == 65
    assert "there is none" in capsys.readouterr().err
