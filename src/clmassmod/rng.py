"""Random numbers keyed by what they are for: the same for any threads, chunks and order.

A number depends on (seed, purpose, object id, part, draw) and on nothing else, since the
generator is a function of a counter: Philox4x64-10 of Salmon et al. (2011, SC'11).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ._checks import checked_threads
from .errors import ParameterError

Array = npt.NDArray[np.float64]
Ids = npt.NDArray[np.uint64]

_WORD = 1 << 64


def keyed_uniforms(
    seed: int,
    purpose: str,
    ids: Any,
    n_draws: int = 1,
    n_threads: int = 1,
    *,
    parts: Any = None,
) -> Array:
    """Uniform random numbers of every object, for one purpose.

    Parameters
    ----------
    seed : int
        0 <= seed < 2^64.
    purpose : str
        What the numbers are for; two purposes give independent numbers.
    ids : (n,) array_like of int, >= 0
        The objects. They need not differ or be in order.
    n_draws : int, >= 1
        Numbers per object. The first ones do not depend on how many are drawn.
    n_threads : int, >= 0
        Threads; 0 is all of them. The numbers do not depend on it.
    parts : (n,) array_like of int, >= 0, optional
        A part of each object with numbers of its own, such as one of its sources; 0 by
        default.

    Returns
    -------
    (n, n_draws) ndarray of float
        Odd multiples of 2^-53: within the open interval (0, 1).

    Raises
    ------
    ParameterError
        If a number is negative, too large or not an integer, or shapes differ.

    Notes
    -----
    Philox4x64-10 with the key (seed, first 64 bits of the sha256 of `purpose`) and the
    counter (draw // 4, id, part, 0); four draws come from one evaluation. numpy's
    `numpy.random.Philox` gives the same words.

    Examples
    --------
    >>> u = keyed_uniforms(1, "colour", [7, 8, 9])
    >>> bool((keyed_uniforms(1, "colour", [9])[0] == u[2]).all())
    True
    """
    from ._core.rng import keyed_uniforms as fill

    key = checked_seed(seed)
    objects = checked_ids("ids", ids)
    within = None if parts is None else checked_ids("parts", parts)
    if within is not None and within.shape != objects.shape:
        raise ParameterError("parts", f"array of shape {within.shape}", f"of shape {objects.shape}")
    if isinstance(n_draws, bool) or not isinstance(n_draws, int | np.integer) or n_draws < 1:
        raise ParameterError("n_draws", n_draws, "an integer >= 1")
    checked_threads(n_threads)
    out = np.empty((objects.size, int(n_draws)))
    fill(key, purpose_key(purpose), objects, within, out, int(n_threads))
    return out


@lru_cache(maxsize=256)
def purpose_key(purpose: str) -> int:
    """Return the 64-bit key of a purpose: the first bytes of its sha256, little-endian."""
    return int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")


def checked_seed(seed: Any) -> int:
    """Return `seed` as an int, which must be an integer within [0, 2^64)."""
    integer = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not (integer and 0 <= seed < _WORD):
        raise ParameterError("seed", seed, "an integer, >= 0 and < 2^64")
    return int(seed)


def checked_ids(name: str, ids: Any) -> Ids:
    """Return `ids` as (n,) unsigned integers; they must be integers >= 0."""
    array = np.asarray(ids)
    if array.ndim != 1:
        raise ParameterError(name, f"array of shape {array.shape}", "one-dimensional")
    if array.size == 0:
        return np.empty(0, dtype=np.uint64)
    if array.dtype.kind not in "iu":
        raise ParameterError(name, f"array of {array.dtype}", "made of integers >= 0")
    if array.dtype.kind == "i" and array.min() < 0:
        at = int(np.argmax(array < 0))
        raise ParameterError(f"{name}[{at}]", int(array[at]), ">= 0")
    return np.ascontiguousarray(array, dtype=np.uint64)
