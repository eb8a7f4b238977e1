"""astropy units at the edge: stripped once on entry, attached once on exit.

Inside the package all numbers are floats in fixed units: Msun, physical Mpc, radians.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ParameterError

Array = npt.NDArray[np.float64]

_COMOVING_HINT = "Give a physical {unit}, without h."


def has_unit(value: Any) -> bool:
    """Return whether `value` is an astropy Quantity."""
    return hasattr(value, "unit") and hasattr(value, "to_value")


def to_value(value: Any, unit: str, name: str) -> Any:
    """Return `value` in `unit`: a Quantity is converted, a number is taken to be in `unit`."""
    if not has_unit(value):
        return value
    from astropy.units import UnitConversionError

    try:
        return value.to_value(unit)
    except UnitConversionError:
        raise ParameterError(
            name, value, f"in units of {unit}", _COMOVING_HINT.format(unit=unit)
        ) from None


def refuse_mask(value: Any, name: str) -> None:
    """Raise ParameterError for a masked array: its mask would be lost."""
    if isinstance(value, np.ma.MaskedArray) or (has_unit(value) and hasattr(value, "mask")):
        raise ParameterError(
            name,
            type(value).__name__,
            "an array without a mask",
            "Give the unmasked values, such as a.compressed().",
        )


def as_float_array(value: Any, unit: str, name: str) -> Array:
    """Return `value` as a float64 array in `unit`."""
    refuse_mask(value, name)
    allowed = f"a number or an array of numbers{unit and f' [{unit}]'}"
    # numpy would read numbers from text and tables, count True as 1, and drop imaginary parts
    if value is None or isinstance(value, str | bytes | bool | np.bool_):
        raise ParameterError(name, value, allowed)
    try:
        array = np.asarray(to_value(value, unit, name))
        if array.dtype.kind in "USbcV":
            raise ParameterError(name, value, allowed)
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(name, value, allowed) from None


def attach(value: Any, unit: str) -> Any:
    """Return `value` as a Quantity in `unit`."""
    from astropy.units import Quantity, Unit

    # a scalar becomes an array of no dimensions: numpy 2 cannot take it without a copy
    return Quantity(np.asarray(value), Unit(unit), copy=False)
