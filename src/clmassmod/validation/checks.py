"""What a step of the validation is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Settings(NamedTuple):
    """How large a validation is, and its random numbers."""

    quick: bool = True
    """Whether samples are those that take a minute in all."""
    seed: int = 1
    n_threads: int = 1

    def size(self, quick: int, full: int) -> int:
        """Return the size of a sample."""
        return quick if self.quick else full


class Check(NamedTuple):
    """One row of the precision table."""

    step: str
    what: str
    value: float
    """What was found."""
    limit: float
    """The tolerance."""
    reason: str
    """Why the tolerance is what it is."""
    at_least: bool = False
    """Whether `value` must be at least the limit, as a probability; else at most, in size."""

    @property
    def passed(self) -> bool:
        """Whether the tolerance is met; a value that is not a number never does."""
        return self.value >= self.limit if self.at_least else abs(self.value) <= self.limit


class BiasRow(NamedTuple):
    """One row of the table of bias shifts: another true profile, fitted by NFW."""

    truth: str
    mass: float
    """True mass [Msun]."""
    bias: float
    """b = fitted / true without noise."""
    shift: float
    """b less that of an NFW halo of dark matter alone."""
    measured: float
    """b from noisy mock galaxies."""
    error: float
    """Its standard error."""


@dataclass(frozen=True)
class StepResult:
    """What a step returns."""

    checks: list[Check]
    figures: dict[str, Callable[[], Figure]] = field(default_factory=dict)
    """Title -> function that draws it; called where figures are wanted."""
    bias_rows: list[BiasRow] = field(default_factory=list)
