"""Columns of data of lenses and galaxies: numbers and arrays of one length, finite, plausible."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..provenance import digest
from ..stronglens.lens import require

Array = npt.NDArray[np.float64]

LOGARITHMS = {"log_re": (-2.0, 3.0, "kpc"), "log_msps": (5.0, 14.0, "Msun")}
"""Columns that are log10: what any galaxy is within, and the unit of the number itself."""


class Columns:
    """Base of dataclasses of columns (n,) of numbers, that may have a `name` for each row."""

    _rows: ClassVar[str] = "lenses"

    def __len__(self) -> int:
        return int(next(iter(self.arrays().values())).size)

    def __getitem__(self, index: Any) -> Self:
        """Return the rows of a slice, a mask or an array of indices."""
        at = np.atleast_1d(np.arange(len(self))[index])
        columns: dict[str, Any] = {name: column[at] for name, column in self.arrays().items()}
        if hasattr(self, "name"):
            columns["name"] = [self.name[i] for i in at]
        return type(self)(**columns)

    def arrays(self) -> dict[str, Array]:
        """Return the columns of numbers by name."""
        return {name: getattr(self, name) for name in column_names(self)}

    @property
    def hash(self) -> str:
        """SHA-256 over the columns of numbers."""
        return digest(*(part for pair in self.arrays().items() for part in pair))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} {self._rows}>"


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
    filled = filled_up(dict(zip(names, arrays, strict=True)))
    for name, values in filled.items():
        object.__setattr__(data, name, values)
    if not hasattr(data, "name"):
        return
    n = int(values.size)
    labels = [str(i) for i in range(n)] if data.name is None else list(data.name)
    if len(labels) != n:
        raise ParameterError("name", len(labels), f"one name for each of {n} lenses")
    object.__setattr__(data, "name", tuple(map(str, labels)))


def filled_up(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return read-only columns (n,) of numbers and arrays of one length.

    Raises
    ------
    ParameterError
        Arrays of more than one dimension or of several lengths, one of length 1 among longer
        ones too: only a number stands for every row.
    """
    if any(array.ndim > 1 for array in arrays.values()):
        found = next(array.shape for array in arrays.values() if array.ndim > 1)
        raise ParameterError("shape", found, "one number or (n,)")
    lengths = {array.size for array in arrays.values() if array.ndim == 1}
    if len(lengths) > 1:
        given = ", ".join(f"{name} {a.size}" for name, a in arrays.items() if a.ndim == 1)
        raise ParameterError("shapes", given, "numbers, and arrays of one length (n,)")
    n = lengths.pop() if lengths else 1
    result = {}
    for name, array in arrays.items():
        result[name] = np.array(np.broadcast_to(array, (n,)))
        result[name].flags.writeable = False
    return result


def require_logarithms(data: Any) -> None:
    """Refuse sizes and stellar masses that are no logarithms of those of galaxies."""
    for name, (low, high, unit) in LOGARITHMS.items():
        values = getattr(data, name)
        good = (values >= low) & (values <= high)
        if not good.all():
            at = int(np.argmin(good))
            allowed = f"log10 of {unit}, {low:g} to {high:g} (at index {at})"
            hint = f"Is it in {unit}? Give its log10."
            raise ParameterError(name, float(values[at]), allowed, hint)


def require_finite(data: Any, name: str) -> None:
    """Refuse a column with a number that is not finite."""
    values = getattr(data, name)
    require(values, np.isfinite(values), name, "finite")


def check_repeats(data: Any, form: str) -> None:
    """Refuse lenses that are in the data twice.

    Rows that agree in everything are one lens. Under forms that have one lens of a galaxy the
    name is that of the galaxy, so it is enough; several sources behind one galaxy may share it
    under "lenses".
    """
    rows: dict[Any, int] = {}
    columns = [getattr(data, name).tolist() for name in column_names(data)]
    for at, (name, *numbers) in enumerate(zip(data.name, *columns, strict=True)):
        # as text, so that a NaN is like another
        key = (name, str(numbers)) if form == "lenses" else name
        if key in rows:
            allowed = f"there once (rows {rows[key]} and {at} are the same lens)"
            if form != "lenses":
                allowed = f"the name of one lens for form={form!r} (rows {rows[key]} and {at})"
            raise ParameterError("lenses: name", name, allowed)
        rows[key] = at
