"""What is known of the numerical error of a likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ErrorBudget:
    """Numerical errors of ln L.

    Attributes
    ----------
    largest_lens : float
        Largest change of one lens's ln L when its rule was last refined.
    lens : str
        Its name.
    all_lenses : float
        Root of the sum of the squares.
    selection : float
        Standard deviation, over the given points, of the change of ``N ln A`` when all nodes
        of A are moved by half a step: what does not change the posterior is left out. NaN
        without points.
    """

    largest_lens: float
    lens: str
    all_lenses: float
    selection: float

    def lines(self) -> list[str]:
        """Return the errors as lines of text."""
        rows = [
            (self.largest_lens, f"quadrature of lens {self.lens}, the largest"),
            (self.all_lenses, "quadrature of all lenses, root of the squares"),
            (self.selection, "N std(Delta ln A), nodes moved by half a step"),
        ]
        return [f"{value:.2g} nat: {text}" for value, text in rows if not math.isnan(value)]

    @property
    def worst(self) -> float:
        """The largest of them that is known."""
        return float(np.nanmax([self.largest_lens, self.all_lenses, self.selection]))
