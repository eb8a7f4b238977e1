"""Figures of tables: drawn without warnings, from the right numbers, no global state."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from clmassmod import Table, cli
from clmassmod.errors import MissingExtraError, ParameterError
from clmassmod.figures import tables as plotting
from clmassmod.table.maps import RatioMap
from clmassmod.table.sample_errors import sample_errors


def bump(x):
    return np.exp(-50.0 * (x[:, 0] - 0.3) ** 2) * (1.0 + x[:, 1] ** 2)


@pytest.fixture(scope="module")
def table():
    return Table.build(bump, {"a": (0, 1), "b": (1, 10)}, 1e-4, pool=2**11, map={"b": "log"})


@pytest.fixture(scope="module")
def greedy():
    return Table.build(bump, {"a": (0, 1), "b": (1, 2)}, 1e-2, pool=2**10, method="greedy")


def is_png(path):
    return Path(path).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


# -- files and state -------------------------------------------------------------------------------


def test_every_figure_is_written(table, greedy, tmp_path):
    plain = Table.from_grid([np.arange(5.0)], np.arange(5.0))
    tables = {"built": table, "kernels": greedy, "values": plain}
    files, missing = plotting.write_figures(tables, tmp_path / "figures")
    assert {Path(file).name for file in files.values()} == {
        "built_errors.png",
        "built_knots.png",
        "kernels_errors.png",
        "values_knots.png",
        "error_against_nodes.png",
    }
    assert all(is_png(file) for file in files.values())
    assert len(missing) == 2
    assert missing[0].startswith("kernels: no figure of its knots")
    assert missing[1].startswith("values: no figure of its errors")
    only, _ = plotting.write_figures({"values": plain}, tmp_path / "other")
    assert list(only) == ["values: knots"]


def test_drawing_leaves_no_trace_in_matplotlib(table):
    before = dict(mpl.rcParams)
    plotting.error_map(table)
    plotting.knots(table)
    assert dict(mpl.rcParams) == before
    code = "import clmassmod.figures.tables, sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib(table, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match="plot"):
        plotting.write_figures({"t": table}, tmp_path)
    for make in (plotting.error_map, plotting.knots):
        with pytest.raises(MissingExtraError, match="plot"):
            make(table)


# -- what is drawn ---------------------------------------------------------------------------------


def test_the_map_holds_the_largest_error_of_each_cell(table):
    u, errors = sample_errors(table)
    figure = plotting.error_map(table)
    axes = next(one for one in figure.axes if one.get_ylabel() == "log10 b")
    assert axes.collections
    mesh = axes.collections[0]
    shown = mesh.get_array()
    n = int(np.sqrt(shown.size))
    low, high = table.box.T
    cells = np.clip(((u - low) / (high - low) * n).astype(int), 0, n - 1)
    for row, column in ((0, 0), (n - 1, 2), (3, n - 2)):
        inside = errors[(cells[:, 0] == column) & (cells[:, 1] == row)]
        found = np.ma.reshape(shown, (n, n))[row, column]
        if inside.size:
            assert found == pytest.approx(max(inside.max(), errors.max() * 1e-3))
        else:
            assert found is np.ma.masked
    # the largest of all is somewhere in it
    assert shown.max() == errors.max()


def test_lines_over_an_axis_are_largest_and_median(table):
    u, errors = sample_errors(table)
    axes = plotting.error_map(table).axes[0]
    largest, median = (patch.get_data() for patch in axes.patches)
    edges = largest.edges
    assert (edges[0], edges[-1]) == (0.0, 1.0)
    for i in (0, 5, len(edges) - 2):
        inside = errors[(u[:, 0] >= edges[i]) & (u[:, 0] < edges[i + 1])]
        assert largest.values[i] == inside.max()
        assert median.values[i] == np.median(inside)
    # tick marks at the knots
    marks = axes.collections[0].get_segments()
    np.testing.assert_allclose([mark[0, 0] for mark in marks], table.axes[0])


def test_exact_tables_and_one_axis_can_be_drawn():
    def constant(x):
        return np.zeros(len(x))

    exact = Table.build(constant, [(0, 1), (0, 1)], 1e-3, pool=2**8)
    assert exact.error_report().final.max == 0.0
    one = Table.build(lambda x: np.tanh(9.0 * x[:, 0]), [(-1, 1)], 1e-4, pool=2**8)
    for table in (exact, one):
        plotting.error_map(table).canvas.draw()
        plotting.knots(table).canvas.draw()
        plotting.error_against_nodes({"t": table.error_report()}).canvas.draw()


def test_knots_are_those_of_the_table(table):
    figure = plotting.knots(table)
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == [f"a: {table.shape[0]} knots", f"log10 b: {table.shape[1]} knots"]
    for axes, knots in zip(figure.axes, table.axes, strict=True):
        np.testing.assert_array_equal(axes.patches[0].get_data().edges, knots)
        steps = np.diff(knots) / np.ptp(knots)
        np.testing.assert_allclose(axes.patches[0].get_data().values, steps)
        low, high = axes.get_ylim()
        assert low < steps.min()
        assert high > steps.max()


def test_labels_say_what_the_coordinates_are():
    scale = Table.from_grid([np.arange(1.0, 6.0)], np.ones(5))
    knots = [np.arange(5.0)] * 2
    table = Table.from_grid(knots, np.zeros((5, 5)), names=["m", "z"])
    mapped = table.with_map({"z": RatioMap("z", scale), "m": "sqrt"})
    assert plotting.axis_labels(mapped) == ["sqrt m", "(1 − z / max)$^{0.5}$"]
    assert plotting.axis_labels(table) == ["m", "z"]


def test_error_against_nodes(table, greedy):
    uniform = Table.build(bump, {"a": (0, 1), "b": (1, 2)}, 1e-3, pool=2**9, method="uniform")
    reports = {"one": table, "two": uniform, "three": greedy, "four": table}
    reports = {name: one.error_report() for name, one in reports.items()}
    axes = plotting.error_against_nodes(reports).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    for name, report in reports.items():
        x, y = lines[name].get_data()
        assert x.tolist() == [step.n_nodes for step in report.history]
        assert y.tolist() == [step.stop_p99 for step in report.history]
    ends = [line.get_xydata()[0].tolist() for line in axes.lines if len(line.get_xdata()) == 1]
    assert [reports["one"].n_nodes, reports["one"].final.p99] in ends
    # of the same method, told apart by dashes
    assert lines["one"].get_color() == lines["four"].get_color()
    assert lines["one"].get_linestyle() != lines["four"].get_linestyle()
    assert len({lines[name].get_color() for name in ("one", "two", "three")}) == 3
    with pytest.raises(ParameterError, match="one report"):
        plotting.error_against_nodes({})


# -- the command line ------------------------------------------------------------------------------


def test_figures_of_files(table, greedy, tmp_path, capsys):
    table.save(tmp_path / "built.h5")
    greedy.save(tmp_path / "kernels.h5")
    files = [str(tmp_path / name) for name in ("built.h5", "kernels.h5")]
    folder = tmp_path / "figures"
    assert cli.main(["tables", "figures", *files, "--folder", str(folder)]) == 0
    output = capsys.readouterr()
    assert output.out.splitlines() == [
        str(folder / name)
        for name in (
            "built_errors.png",
            "built_knots.png",
            "kernels_errors.png",
            "error_against_nodes.png",
        )
    ]
    assert all(is_png(file) for file in output.out.splitlines())
    assert "no figure of its knots" in output.err


def test_files_of_the_same_name_are_refused(table, tmp_path, capsys):
    files = [tmp_path / folder / "t.h5" for folder in ("one", "two")]
    for file in files:
        file.parent.mkdir()
        table.save(file)
    assert cli.main(["tables", "figures", *map(str, files), "--folder", str(tmp_path / "f")]) == 65
    assert "another name" in capsys.readouterr().err
    assert not (tmp_path / "f").exists()
    assert cli.main(["tables", "figures", str(tmp_path / "none.h5")]) == 65
    assert "there is none" in capsys.readouterr().err
