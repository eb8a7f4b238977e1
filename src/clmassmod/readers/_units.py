"""Units of files to the fixed units: h and comoving factors included, nothing guessed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..cosmology import Array
from ..errors import FormatError, ParameterError

_COMOVING_POWER = {
    "radius": -1,
    "radius_min": -1,
    "radius_max": -1,
    "pixel_scale": -1,
    "depth": -1,
    "values": 2,
    "errors": 2,
    "cross": 2,
    "cross_errors": 2,
    "covariance": 4,
}
_WITH_VALUES = ("errors", "cross", "cross_errors", "covariance")
COMOVING_FIELDS = ("radius", "values")
"""Fields that can be comoving; ``values`` takes the errors and the covariance along."""
_MAX_H_POWER = 4


@dataclass(frozen=True)
class Conversion:
    """How numbers of a file become numbers in the fixed unit.

    Parameters
    ----------
    little_h : float or None
        Value of h for units that carry one.
    comoving : collection of str
        Fields, of `COMOVING_FIELDS`, that the file gives in comoving units.
    """

    little_h: float | None = None
    comoving: Collection[str] = ()

    def factor(self, file: str, field: str, unit: str, target: str, redshift: float) -> float:
        """Return what multiplies a number in `unit` to give it in `target`.

        A length in comoving units is divided by 1 + z, a surface density multiplied by
        (1 + z)^2; a unit with h to the power p gives a factor h^p.

        Raises
        ------
        FormatError
            If the unit is unknown or not of the dimension of `target`, or carries an h
            and `little_h` is not given.
        """
        plain, power = split_little_h(file, field, unit)
        try:
            scale = float(plain.to(target))
        except Exception as error:  # astropy raises several kinds
            problem = f"unit {unit!r} cannot be converted to {target or 'a pure number'}"
            raise FormatError(file, field, problem) from error
        if power:
            if self.little_h is None:
                problem = f"unit {unit!r} carries h: pass little_h= (0.7, say) to convert it"
                raise FormatError(file, field, problem)
            scale *= self.little_h**power
        base = "values" if field in _WITH_VALUES else field
        base = "radius" if field in ("radius_min", "radius_max") else base
        if base in self.comoving:
            scale *= (1.0 + redshift) ** _COMOVING_POWER[field]
        return scale


def conversion_of(
    little_h: float | None, comoving: bool | Collection[str], fields: tuple[str, ...]
) -> Conversion:
    """Return what a reader was told of h and of comoving `fields`."""
    if little_h is not None and not 0.1 < little_h < 10.0:
        raise ParameterError("little_h", little_h, "between 0.1 and 10 (0.7, say)")
    if isinstance(comoving, bool):
        return Conversion(little_h, fields if comoving else ())
    names = (comoving,) if isinstance(comoving, str) else tuple(comoving)
    if not set(names) <= set(fields):
        raise ParameterError("comoving", comoving, f"True, False or some of {', '.join(fields)}")
    return Conversion(little_h, names)


def split_little_h(file: str, field: str, unit: str) -> tuple[Any, int]:
    """Return the astropy unit without h, and the power of h in it.

    ``h`` (which astropy reads as hour) and ``littleh`` both mean H0 / (100 km/s/Mpc).
    """
    from astropy.units import Unit, hour

    text = unit.strip()
    try:
        parsed = Unit(text.replace("littleh", "h"))
    except (ValueError, TypeError) as error:
        hint = ""
        if text.lower().startswith(("cmpc", "ckpc")):
            hint = ": write Mpc or kpc and pass comoving=True"
        raise FormatError(file, field, f"unit {unit!r} is not known{hint}") from error
    power = 0
    for base, exponent in zip(parsed.bases, parsed.powers, strict=True):
        if base == hour:
            power = exponent
    if power != int(power) or abs(power) > _MAX_H_POWER:
        raise FormatError(file, field, f"unit {unit!r} holds an odd power of h")
    return parsed * hour**-power, int(power)


def carries_little_h(file: str, field: str, unit: str) -> bool:
    """Whether `unit` contains h."""
    return split_little_h(file, field, unit)[1] != 0


def scaled(file: str, field: str, data: Any, factor: float) -> Array:
    """Return `data` as floats times `factor`; text and complex numbers are errors."""
    array = np.asarray(data)
    if array.dtype.kind not in "iuf":
        if array.dtype.kind == "U":
            cells = [str(cell) for cell in array.flat]
            bad = next((i for i, cell in enumerate(cells) if not _is_number(cell)), 0)
            raise FormatError(file, field, f"entry {bad} is {cells[bad]!r}, not a number")
        raise FormatError(file, field, f"is of type {array.dtype}, not real numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = array.astype(np.float64)
        return numbers if factor == 1.0 else numbers * factor


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
