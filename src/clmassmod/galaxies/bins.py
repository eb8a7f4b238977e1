"""Radial bins of shear profiles: linear, logarithmic, equally occupied, or given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._checks import MAX_RADIUS, vector
from ..errors import ParameterError, nearest

Array = npt.NDArray[np.float64]

SPACINGS = ("linear", "log", "equal_occupation")


@dataclass(frozen=True)
class RadialBins:
    """Bins in projected radius; a galaxy at R is in bin i if ``edges[i] <= R < edges[i + 1]``.

    Parameters
    ----------
    r_min, r_max : float
        Limits [physical Mpc], ``0 <= r_min < r_max`` (``0 < r_min`` for "log").
    n_bins : int, >= 1
    spacing : {"log", "linear", "equal_occupation"}
        Edges at equal steps of ln R or of R, or such that every bin has the same number of
        galaxies (to within one) around the centre. For many centres one set of edges, made of
        all their pairs, serves them all.

    Notes
    -----
    Anywhere bins are asked for, an array of edges [Mpc] will do as well.

    Examples
    --------
    >>> RadialBins(0.25, 4.0, 2).edges().tolist()
    [0.25, 1.0, 4.0]
    """

    r_min: float
    r_max: float
    n_bins: int
    spacing: str = "log"

    def __post_init__(self) -> None:
        if self.spacing not in SPACINGS:
            raise ParameterError(
                "spacing",
                self.spacing,
                f"one of {', '.join(SPACINGS)}",
                nearest(str(self.spacing), SPACINGS),
            )
        low, high = float(self.r_min), float(self.r_max)
        if not (math.isfinite(low) and low >= 0.0) or (low == 0.0 and self.spacing == "log"):
            raise ParameterError("r_min", self.r_min, ">= 0 Mpc (> 0 for spacing 'log')")
        if not low < high <= MAX_RADIUS:
            raise ParameterError("r_max", self.r_max, f"> r_min = {low} Mpc and <= {MAX_RADIUS:g}")
        if isinstance(self.n_bins, bool) or int(self.n_bins) != self.n_bins or self.n_bins < 1:
            raise ParameterError("n_bins", self.n_bins, "an integer >= 1")

    def edges(self, radii: npt.ArrayLike | None = None) -> Array:
        """Return the edges [Mpc], (n_bins + 1,).

        Parameters
        ----------
        radii : (n,) array_like, optional
            Radii of the galaxies, which "equal_occupation" needs; those outside the limits do
            not count. The outer edges stay `r_min` and `r_max`; an inner edge lies halfway
            between two galaxies.

        Raises
        ------
        ParameterError
            If there are fewer galaxies within the limits than bins.
        """
        n = int(self.n_bins)
        if self.spacing == "linear":
            return np.linspace(self.r_min, self.r_max, n + 1)
        if self.spacing == "log":
            made = np.geomspace(self.r_min, self.r_max, n + 1)
            made[0], made[-1] = self.r_min, self.r_max
            return made
        if radii is None:
            raise ParameterError("radii", None, "given for bins of equal occupation")
        r = np.sort(np.asarray(radii, dtype=np.float64))
        r = r[(r >= self.r_min) & (r < self.r_max)]
        if np.unique(r).size < n:
            allowed = f"at least {n} different ones between r_min and r_max, one a bin"
            raise ParameterError("radii", f"array of {r.size} radii", allowed)
        after = np.round(np.arange(1, n) * (r.size / n)).astype(np.int64)
        inner = 0.5 * (r[after - 1] + r[after])
        return np.concatenate([[self.r_min], inner, [self.r_max]])


def checked_edges(bins: Any) -> Array:
    """Return the edges that an array gives: [Mpc], >= 0, strictly increasing, 2 or more."""
    edges = vector("bins", bins, "Mpc")
    if edges.size < 2:
        raise ParameterError("bins", edges.tolist(), "RadialBins, or at least two edges [Mpc]")
    if edges[0] < 0.0:
        raise ParameterError("bins[0]", float(edges[0]), ">= 0 Mpc")
    steps = np.diff(edges) > 0.0
    if not steps.all():
        at = int(np.argmin(steps)) + 1
        raise ParameterError(f"bins[{at}]", float(edges[at]), "greater than the one before")
    if edges[-1] > MAX_RADIUS:
        raise ParameterError("bins[-1]", float(edges[-1]), f"<= {MAX_RADIUS:g} Mpc")
    return edges
