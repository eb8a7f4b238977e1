"""`StackSums`: the weighted sums that a stack is made of, which add up exactly."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._checks import frozen
from .._immutable import _same
from ..errors import ParameterError, nearest
from ..galaxies.bins import checked_edges

if TYPE_CHECKING:
    from .stack import Stack

Array = npt.NDArray[np.float64]

METHODS = ("woScaling", "wScaling")
"""Without scaling, by radius [Mpc]; with scaling, by x = R / r_s."""
ROWS = ("redshift", "binned", "pairs", "weight", "place", "signal", "cross", "inverse", "noise")
"""Arrays whose first axis is that of the rows."""
_SETTINGS = ("method", "edges", "scaling", "cosmology")
"""What sums that are added must share."""


@dataclass(frozen=True, eq=False)
class StackSums:
    """Sums over the galaxies, or the data points, of each cluster in each bin.

    A row belongs to one part of the data of one cluster, such as one catalogue. Rows are kept,
    in the order of their names, and added only when a stack is asked for, with a sum that is
    rounded once (`math.fsum`). So sums that are added, ``a + b`` or `merged`, give a stack of the
    same bits in whatever order and groups they are added. Cutting one part, such as a catalogue,
    into several changes the rounding of its row: the stack is then the same to 1e-15.

    Attributes
    ----------
    method : {"woScaling", "wScaling"}
    edges : (n_bins + 1,) ndarray
        Of the radius [physical Mpc], or of x = R / r_s.
    scaling : str
        Where the masses come from that clusters are scaled by; "" without scaling.
    cosmology : str
        As astropy prints it.
    ids, parts : tuple of str
        Cluster and part of every row.
    redshift : (n,) ndarray
    binned : (n,) ndarray
        1 where the data are averages over the bins, or over parts of them: galaxies, or points
        whose own bins lie within; else 0.
    pairs : (n, n_bins) ndarray
        Number of galaxies with a weight; NaN where the data do not state it.
    weight : (n, n_bins) ndarray
        Sum of w, with ``w = Sigma_crit^-2 / sigma^2`` the inverse variance of Delta Sigma, or
        that of F = Delta Sigma / (rho_s r_s).
    place, signal, cross : (n, n_bins) ndarray
        Sums of w R (or w x), w Delta Sigma (or w F), and of the cross component (NaN where the
        data have none).
    inverse : (n, n_bins) ndarray
        Sum of w Sigma_crit^-1 (or ``w rho_s r_s Sigma_crit^-1``), of the data of reduced shear.
    noise : (n, n_bins, n_bins) ndarray
        Sums of w_i w_j C_ij, C the covariance of the data.
    """

    method: str
    edges: Array
    ids: tuple[str, ...]
    redshift: Array
    binned: Array
    pairs: Array
    weight: Array
    place: Array
    signal: Array
    cross: Array
    inverse: Array
    noise: Array
    parts: tuple[str, ...] = ()
    scaling: str = ""
    cosmology: str = ""

    def __post_init__(self) -> None:
        parts = self.parts or ("",) * len(self.ids)
        keys = list(zip(self.ids, parts, strict=True))
        order = sorted(range(len(keys)), key=keys.__getitem__)
        keys = [keys[i] for i in order]
        again = next((a for a, b in pairwise(keys) if a == b), None)
        if again is not None:
            name = again[0] + (f" ({again[1]})" if again[1] else "")
            raise ParameterError(
                "id", name, "of one row: the same data count once", "Name the parts differently."
            )
        content: dict[str, Any] = {
            name: frozen(np.array(getattr(self, name), dtype=np.float64)[order]) for name in ROWS
        }
        content |= {"ids": tuple(k[0] for k in keys), "parts": tuple(k[1] for k in keys)}
        content["edges"] = frozen(np.array(self.edges, dtype=np.float64))
        self.__dict__.update(content)
        _check_redshifts(self.ids, self.redshift)

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return self.edges.size - 1

    @classmethod
    def merged(cls, sums: Iterable[StackSums]) -> StackSums:
        """Return all sums as one.

        Raises
        ------
        ParameterError
            They are of other bins, methods, scalings or cosmologies; or a part of a cluster
            occurs twice.
        """
        all_sums = list(sums)
        if not all_sums:
            raise ParameterError("sums", [], "at least one StackSums")
        first = all_sums[0]
        for one in all_sums[1:]:
            for name in _SETTINGS:
                if not _same(getattr(one, name), getattr(first, name)):
                    given = _plain(getattr(one, name))
                    raise ParameterError(
                        name, given, f"that of the others, {_plain(getattr(first, name))}"
                    )
        rows: dict[str, Any] = {
            name: np.concatenate([getattr(one, name) for one in all_sums]) for name in ROWS
        }
        ids = tuple(name for one in all_sums for name in one.ids)
        parts = tuple(name for one in all_sums for name in one.parts)
        return replace(first, ids=ids, parts=parts, **rows)

    def __add__(self, other: StackSums) -> StackSums:
        """Return the sums of both; see `merged`."""
        return StackSums.merged([self, other])

    def clusters(self) -> StackSums:
        """Return the sums with one row for each cluster, its parts added."""
        names = list(dict.fromkeys(self.ids))
        if len(names) == len(self.ids):
            return self
        where: dict[str, list[int]] = {name: [] for name in names}
        for i, name in enumerate(self.ids):
            where[name].append(i)
        rows: dict[str, Any] = {
            key: np.array([exact_sum(getattr(self, key)[where[name]]) for name in names])
            for key in ROWS
            if key not in ("redshift", "binned")
        }
        rows["redshift"] = np.array([self.redshift[where[name][0]] for name in names])
        rows["binned"] = np.array([self.binned[where[name]].min() for name in names])
        return replace(self, ids=tuple(names), parts=("",) * len(names), **rows)

    def stack(
        self, *, covariance: str = "shape", n_resamples: int = 500, seed: int = 0, id: str = "stack"
    ) -> Stack:
        """Return the stack; see `clmassmod.stacks.stack.stack_of` for the arguments."""
        from .stack import stack_of

        return stack_of(self, covariance=covariance, n_resamples=n_resamples, seed=seed, id=id)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the sums to one HDF5 file, whole or not at all."""
        from .files import write_sums

        write_sums(self, path)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> StackSums:
        """Return the sums of a file; one that is damaged or of another kind is a FormatError."""
        from .files import read_sums

        return read_sums(path)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StackSums):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        n = len(set(self.ids))
        return (
            f"<StackSums {self.method}: {n} clusters in {len(self.ids)} parts, {self.n_bins} bins>"
        )


def exact_sum(array: Array) -> Array:
    """Return the sum over the first axis, rounded once: the same bits in any order."""
    columns = array.reshape(array.shape[0], -1).T
    return np.array([math.fsum(column.tolist()) for column in columns]).reshape(array.shape[1:])


def checked_method(method: Any) -> str:
    """Return the name of a method of stacking."""
    if method not in METHODS:
        allowed = f"one of {', '.join(METHODS)}"
        raise ParameterError("method", method, allowed, nearest(str(method), METHODS))
    return str(method)


def checked_preset(edges: Any, method: str) -> Array:
    """Return the edges of the bins of a stack: >= 0, strictly increasing, 2 or more.

    They are lengths [physical Mpc], or pure numbers x = R / r_s with scaling.
    """
    unit = getattr(edges, "unit", None)
    if method == "wScaling" and unit is not None and str(unit):
        raise ParameterError("presetX", f"of unit {unit}", "x = R / r_s, a pure number")
    try:
        return checked_edges(edges)
    except ParameterError as error:
        name = error.name.replace("bins", "presetX")
        allowed = error.allowed.replace("RadialBins, or at", "at")
        raise ParameterError(name, error.value, allowed) from None


def _check_redshifts(ids: tuple[str, ...], redshift: Array) -> None:
    """Refuse parts of one cluster at different redshifts; rows are in the order of ids."""
    for i in range(1, len(ids)):
        if ids[i] == ids[i - 1] and redshift[i] != redshift[i - 1]:
            raise ParameterError(
                "redshift",
                [float(redshift[i - 1]), float(redshift[i])],
                f"the same in all data of {ids[i]}",
            )


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
