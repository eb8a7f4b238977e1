"""Checks of the arrays of observables: each error names field, index and value."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .cosmology import Array
from .errors import ParameterError

MAX_RADIUS = 1e5
"""Largest radius accepted [Mpc]: several times the horizon."""
MAX_VALUE = 1e150
"""Largest value accepted: its square must not overflow."""
_SYMMETRY = 1e-6


def vector(name: str, values: Any, unit: str, shape: tuple[int, ...] | None = None) -> Array:
    """Return a finite, read-only (n,) float copy of `values` in `unit` ("" is none)."""
    array = numbers(name, values, unit)
    if array.ndim != 1 or array.size == 0:
        raise ParameterError(name, f"array of shape {array.shape}", "one-dimensional, not empty")
    if shape is not None and array.shape != shape:
        raise ParameterError(name, f"array of {array.size}", f"of {shape[0]} numbers, as values")
    require(name, array, np.isfinite(array), "finite")
    return frozen(array)


def scalar(name: str, value: Any, unit: str) -> float:
    """Return `value` in `unit` as a float, finite and >= 0."""
    array = numbers(name, value, unit)
    if array.ndim != 0 or not (np.isfinite(array) and array >= 0.0):
        raise ParameterError(name, value, f"one number, finite and >= 0{f' [{unit}]' * bool(unit)}")
    return float(array)


def checked_covariance(covariance: Any, n: int, unit: str) -> Array:
    """Return `covariance` as a read-only (n, n) array in `unit`.

    Raises
    ------
    ParameterError
        If it is of wrong shape, not finite, asymmetric beyond 1e-6 of
        ``sqrt(C_ii C_jj)``, or not positive definite. Smaller asymmetries, as rounding
        in a text file leaves, are averaged out.
    """
    matrix = numbers("covariance", covariance, unit)
    if matrix.shape != (n, n):
        raise ParameterError(
            "covariance", f"array of shape {matrix.shape}", f"of shape {(n, n)}, as values"
        )
    require("covariance", matrix, np.isfinite(matrix), "finite")
    diagonal = np.diag(matrix)
    good = (diagonal > 0.0) & (diagonal < MAX_VALUE**2)
    if not good.all():
        at = int(np.argmin(good))
        allowed = "> 0 on the diagonal (and below 1e300)"
        raise ParameterError(f"covariance[{at}, {at}]", float(diagonal[at]), allowed)
    scale = np.sqrt(diagonal)
    correlation = matrix / scale / scale[:, None]
    symmetric = np.abs(correlation - correlation.T) <= _SYMMETRY
    if not symmetric.all():
        i, j = np.unravel_index(np.argmin(symmetric), symmetric.shape)
        allowed = f"symmetric (covariance[{j}, {i}] is {float(matrix[j, i])!r})"
        raise ParameterError(f"covariance[{i}, {j}]", float(matrix[i, j]), allowed)
    try:
        np.linalg.cholesky(0.5 * (correlation + correlation.T))
    except np.linalg.LinAlgError as error:
        lowest = float(np.linalg.eigvalsh(correlation)[0])
        value = f"matrix whose correlation has the eigenvalue {lowest:.3g}"
        raise ParameterError("covariance", value, "positive definite") from error
    return frozen(0.5 * (matrix + matrix.T))


def numbers(name: str, values: Any, unit: str) -> Array:
    """Return a float copy of `values` in `unit`, of any shape; text and masks are errors."""
    if values is None:
        raise ParameterError(name, None, f"given{f' [{unit}]' * bool(unit)}")
    if np.ma.is_masked(values):
        at = int(np.argmax(np.ma.getmaskarray(values)))
        raise ParameterError(f"{name}[{at}]", "masked", "a number")
    if getattr(values, "unit", None) is not None:
        from astropy.units import Quantity, UnitConversionError

        try:
            values = Quantity(values).to_value(unit or "")
        except (UnitConversionError, TypeError) as error:
            allowed = f"convertible to {unit or 'a pure number'}"
            raise ParameterError(name, f"unit {values.unit}", allowed) from error
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise ParameterError(name, f"array of {array.dtype}", "made of real numbers")
    return np.array(array, dtype=np.float64)


def require(name: str, array: Array, good: Any, allowed: str) -> None:
    """Raise ParameterError for the first entry that is not `good`."""
    if not np.all(good):
        index = np.unravel_index(np.argmin(good), array.shape)
        where = ", ".join(str(i) for i in index)
        raise ParameterError(f"{name}[{where}]", float(array[index]), allowed)


def bounded(name: str, array: Array) -> Array:
    """Return `array`, whose squares must not overflow."""
    require(name, array, np.abs(array) < MAX_VALUE, f"below {MAX_VALUE:g} in size")
    return array


def positive(name: str, array: Array) -> Array:
    """Return `array`, which must be > 0 with squares that neither over- nor underflow."""
    allowed = f"> 0 (and within {1 / MAX_VALUE:g} to {MAX_VALUE:g})"
    require(name, array, (array > 1 / MAX_VALUE) & (array < MAX_VALUE), allowed)
    return array


def not_negative(name: str, array: Array) -> Array:
    """Return `array`, which must be >= 0."""
    require(name, array, array >= 0.0, ">= 0")
    return array


def increasing(name: str, array: Array, limit: float) -> Array:
    """Return `array`, which must be > 0, at most `limit`, strictly increasing."""
    require(name, array, (array > 0.0) & (array <= limit), f"> 0 and <= {limit:.6g}")
    steps = np.diff(array, prepend=-math.inf) > 0.0
    require(name, array, steps, "greater than the one before: strictly increasing")
    return array


def lens_redshift(redshift: Any) -> float:
    """Return the redshift of an object as a float > 0."""
    allowed = "the redshift of the object, finite and > 0"
    try:
        value = float(redshift)
    except (TypeError, ValueError) as error:
        raise ParameterError("redshift", redshift, allowed) from error
    if not (math.isfinite(value) and 0.0 < value < 1e4):
        raise ParameterError("redshift", redshift, allowed)
    return value


def printable(name: str, text: Any) -> str:
    """Return `text` as a string, which must be printable."""
    result = str(text)
    if not result.isprintable():
        raise ParameterError(name, result, "made of printable characters")
    return result


def metadata_text(metadata: Mapping[str, Any] | None) -> str:
    """Return `metadata` as JSON text, which is immutable."""
    try:
        return json.dumps(dict(metadata or {}), sort_keys=True)
    except (TypeError, ValueError) as error:
        raise ParameterError("metadata", metadata, "made of what JSON can hold") from error


def frozen(array: Array) -> Array:
    """Return `array`, made read-only."""
    array.setflags(write=False)
    return array


def checked_threads(n_threads: Any) -> None:
    """Raise ParameterError unless `n_threads` is an integer >= 0."""
    # the first test is enough for nearly every call
    if type(n_threads) is int and n_threads >= 0:
        return
    if isinstance(n_threads, np.integer) and n_threads >= 0:
        return
    raise ParameterError("n_threads", n_threads, "an integer >= 0 (0 for all threads)")
