"""Readers of what goes with a profile: source histogram, covariance, redshifts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..cosmology import Array
from ..errors import FormatError, ParameterError
from ..sources import SourceDistribution
from ._fields import find_columns, missing_column
from ._raw import Column, RawTable, read_tables
from ._units import scaled


def load_source_distribution(
    path: str | os.PathLike[str], columns: Mapping[str, str | int] | None = None
) -> SourceDistribution:
    """Return the source redshift distribution of a file of bin centres and counts.

    Parameters
    ----------
    path : path
        A table with columns ``z`` (bin centres, strictly increasing) and ``weight``
        (counts; names such as ``N(z)``, ``counts``, ``pz``); or two columns of numbers
        without names, in this order.
    columns : mapping, optional
        ``{"z": ..., "weight": ...}`` to column names or numbers.

    Raises
    ------
    FormatError
        If the file cannot be read or holds no distribution.
    """
    table = _only_table(path)
    if columns is None and [c.name for c in table.columns] == ["col1", "col2"]:
        columns = {"z": 0, "weight": 1}
    found = find_columns(table, "source_distribution", columns)
    for field in ("z", "weight"):
        if field not in found:
            raise missing_column(table, "source_distribution", field)
    z = scaled(table.file, "z", found["z"].data, 1.0)
    weight = scaled(table.file, "weight", found["weight"].data, 1.0)
    try:
        if z.shape != weight.shape:
            raise ParameterError("weight", f"array of shape {weight.shape}", "of the shape of z")
        return SourceDistribution.from_histogram(z, weight)
    except ParameterError as error:
        raise FormatError(table.file, error.name.split("[", maxsplit=1)[0], str(error)) from error


def load_redshifts(
    path: str | os.PathLike[str],
    id_column: str | int | None = None,
    redshift_column: str | int | None = None,
) -> dict[str, float]:
    """Return the redshift of each object of a table, by id.

    Parameters
    ----------
    path : path
        A table of one row per object.
    id_column, redshift_column : str or int, optional
        Names or numbers of the columns; by default ``id``, ``name`` and the like, or
        the only column ending in ``_id``, and ``redshift`` or ``z``.

    Raises
    ------
    FormatError
        If a column is missing, an id occurs twice, or a redshift is not finite and > 0.
    """
    table = _only_table(path)
    given = {"id": id_column, "redshift": redshift_column}
    asked = {key: value for key, value in given.items() if value is not None}
    if id_column is None:
        ending = [c.name for c in table.columns if c.name.lower().endswith("_id")]
        if len(ending) == 1:
            asked["id"] = ending[0]
    found = find_columns(table, "redshifts", asked)
    for field in ("id", "redshift"):
        if field not in found:
            raise missing_column(table, "redshifts", field)
    ids = found["id"].labels()
    redshifts = scaled(table.file, "redshift", found["redshift"].data, 1.0)
    if redshifts.shape != (len(ids),):
        raise FormatError(table.file, "redshift", f"has the shape {redshifts.shape}")
    for name, redshift in zip(ids, redshifts, strict=True):
        if not 0.0 < redshift < 1e4:
            problem = f"{float(redshift)!r} of {name!r} is not finite and > 0"
            raise FormatError(table.file, "redshift", problem)
        if ids.count(name) > 1:
            raise FormatError(table.file, "id", f"{name!r} occurs {ids.count(name)} times")
    return dict(zip(ids, redshifts.tolist(), strict=True))


def load_covariance(path: str | os.PathLike[str]) -> tuple[Array, str | None]:
    """Return a covariance matrix as it stands in a file, and its unit if stated.

    Parameters
    ----------
    path : path
        A text file holding the matrix and nothing else, a .npy file, or any table
        format with an array called ``covariance`` or ``cov``.

    Returns
    -------
    matrix : (n, n) ndarray
        In the unit of the file.
    unit : str or None
        The unit, where the file states one.

    Raises
    ------
    FormatError
        If it is not a square matrix of finite numbers.
    """
    table = _only_table(path)
    column = _matrix_column(table)
    matrix = scaled(table.file, "covariance", column.data, 1.0)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        problem = f"is of shape {matrix.shape}, not a square matrix"
        raise FormatError(table.file, "covariance", problem)
    if not np.isfinite(matrix).all():
        i, j = np.argwhere(~np.isfinite(matrix))[0]
        raise FormatError(table.file, "covariance", f"entry [{i}, {j}] is {matrix[i, j]}")
    return matrix, column.unit


def _matrix_column(table: RawTable) -> Column:
    named = [c for c in table.columns if c.name.lower() in ("covariance", "cov")]
    if len(named) == 1:
        return named[0]
    if len(table.columns) == 1 and table.columns[0].data.ndim == 2:
        return table.columns[0]
    if any(c.data.ndim != 1 or c.data.dtype.kind not in "iuf" for c in table.columns):
        raise FormatError(table.file, "covariance", "no array called covariance, and no matrix")
    return Column("covariance", np.stack([c.data for c in table.columns], axis=1))


def _only_table(path: str | os.PathLike[str]) -> RawTable:
    tables = read_tables(path)
    if len(tables) != 1:
        raise FormatError(path, "content", f"holds {len(tables)} tables, one is needed")
    return tables[0]


def redshifts_of(redshift: Any) -> Any:
    """Return the redshifts that a reader was given, those of a table if it was a path."""
    return load_redshifts(redshift) if isinstance(redshift, str | os.PathLike) else redshift
