"""Validation: a simulated catalogue through every step, with the precision reached at each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

_PUBLIC = {
    "Check": ".checks",
    "Settings": ".checks",
    "StepResult": ".checks",
    "ValidationReport": ".program",
    "STEPS": ".program",
    "validate": ".program",
}

__all__ = list(_PUBLIC)

if TYPE_CHECKING:
    from .checks import Check, Settings, StepResult
    from .program import STEPS, ValidationReport, validate

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
