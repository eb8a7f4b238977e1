"""Columns of data of lenses: numbers and arrays of one length, finite."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..stronglens.lens import require

Array = npt.NDArray[np.float64]


def column_names(data: Any) -> list[str]:
    """Return the names of the columns of numbers of a dataclass, whose rows have a `name`."""
    return [field.name for field in dataclasses.fields(data) if field.name != "name"]


def fill_columns(data: Any) -> None:
    """Make every column of `data` an array (n,) that cannot be written; fill in names of rows.

    Raises
    ------
    ParameterError
        What is no number or array of the common length, or a wrong number of names.
    """
    names, arrays = column_names(data), []
    for name in names:
        try:
            arrays.append(np.asarray(getattr(data, name), dtype=np.float64))
        except (TypeError, ValueError):
            raise ParameterError(name, getattr(data, name), "a number or (n,)") from None
    try:
        filled = np.broadcast_arrays(*arrays)
    except ValueError:
        shapes = ", ".join(f"{n} {a.shape}" for n, a in zip(names, arrays, strict=True))
        raise ParameterError("shapes", shapes, "numbers and arrays of one length (n,)") from None
    if filled[0].ndim > 1:
        raise ParameterError("shape", filled[0].shape, "one number or (n,)")
    for name, array in zip(names, filled, strict=True):
        values = np.array(np.atleast_1d(array))
        values.flags.writeable = False
        object.__setattr__(data, name, values)
    n = int(values.size)
    labels = [str(i) for i in range(n)] if data.name is None else list(data.name)
    if len(labels) != n:
        raise ParameterError("name", len(labels), f"one name for each of {n} lenses")
    object.__setattr__(data, "name", tuple(map(str, labels)))


def require_finite(data: Any, name: str) -> None:
    """Refuse a column with a number that is not finite."""
    values = getattr(data, name)
    require(values, np.isfinite(values), name, "finite")
