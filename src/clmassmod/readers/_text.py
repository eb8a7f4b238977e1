"""Plain text tables: whitespace or comma separated, with or without a header line."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError

TextColumn = tuple[str, npt.NDArray[Any], str | None, npt.NDArray[Any]]
_NAME_AND_UNIT = re.compile(r"^(?P<name>.*?)\s*(?:\[(?P<square>[^\]]*)\])$")
_HEADER_TOKEN = re.compile(r"[^\s,]+(?:[ \t]*\[[^\]]*\])?")


def read_text(file: str) -> list[TextColumn]:
    """Return name, data, unit and cells of each column of a text table.

    Parameters
    ----------
    file : str
        Lines of numbers separated by whitespace, or by commas. ``#`` starts a comment.
        The last comment line above the data, or a first line that holds no number,
        names the columns as ``name``, ``name [unit]`` or ``name/unit``; names are
        separated by tabs where the line has any, else like the data.

    Returns
    -------
    list of (name, data, unit, cells)
        A column without a name is called ``col1``, ``col2``, ... by position. Data are
        floats, or strings where a column is not made of numbers; the cells are always
        the strings.

    Raises
    ------
    FormatError
        Naming the line, if it differs from the others in length, or the file is not text.
    """
    lines = _lines(file)
    data = [(number, line) for number, line in lines if not line.startswith("#")]
    if not data:
        raise FormatError(file, "content", "holds no data lines")
    comma = "," in data[0][1] or Path(file).suffix.lower() == ".csv"
    rows = [(number, _cells(line, comma)) for number, line in data]
    if len(rows) == 1 and not any(_is_number(cell) for cell in rows[0][1]):
        raise FormatError(file, "content", f"line {rows[0][0]} alone, without any number")
    comments = [line for number, line in lines if line.startswith("#") and number < data[0][0]]
    header = _names(comments[-1].lstrip("#").strip(), comma) if comments else []
    if not any(_is_number(cell) for cell in rows[0][1]) and len(rows) > 1:
        header = _names(data[0][1], comma)
        rows = rows[1:]
    width = len(rows[0][1])
    for number, cells in rows:
        if len(cells) != width:
            problem = f"has {len(cells)} values where line {rows[0][0]} has {width}"
            raise FormatError(file, f"line {number}", problem)
    if len(header) > width:
        header = []
    names = header + [(f"col{i + 1}", None) for i in range(len(header), width)]
    result = []
    for i, (name, unit) in enumerate(names):
        cells_of = [cells[i] for _, cells in rows]
        result.append((name, _column(cells_of), unit, np.array(cells_of, dtype=str)))
    return result


def _lines(file: str) -> list[tuple[int, str]]:
    try:
        text = Path(file).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"is not text: byte {error.start} is not UTF-8"
        raise FormatError(file, "content", problem) from error
    if "\0" in text:
        raise FormatError(file, "content", f"is not text: byte {text.index(chr(0))} is zero")
    numbered = enumerate(text.splitlines(), start=1)
    return [(number, line.strip()) for number, line in numbered if line.strip()]


def _cells(line: str, comma: bool) -> list[str]:
    content = line.split("#", 1)[0]
    if not comma:
        return content.split()
    return [cell.strip() for cell in next(csv.reader([content], strict=True))]


def _names(line: str, comma: bool) -> list[tuple[str, str | None]]:
    if "\t" in line:
        tokens = [token.strip() for token in line.split("\t")]
    elif comma:
        tokens = [token.strip() for token in next(csv.reader([line], skipinitialspace=True))]
    else:
        tokens = _HEADER_TOKEN.findall(line)
    return [_name_and_unit(token) for token in tokens if token]


def _name_and_unit(token: str) -> tuple[str, str | None]:
    match = _NAME_AND_UNIT.match(token)
    if match and match["name"]:
        return match["name"], match["square"].strip()
    name, slash, unit = token.partition("/")
    if slash and name and unit and _is_unit(unit):
        return name.strip(), unit.strip()
    return token, None


def _is_unit(text: str) -> bool:
    from astropy.units import Unit

    try:
        Unit(text)
    except (ValueError, TypeError):
        return False
    return True


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _column(cells: list[str]) -> npt.NDArray[Any]:
    if all(_is_number(cell) for cell in cells):
        return np.array([float(cell) for cell in cells])
    return np.array(cells, dtype=str)
