"""Errors of clmassmod.

Which error is raised when:

====================  ===========================================  ==================
class                 raised when                                  also a
====================  ===========================================  ==================
ParameterError        an argument has a wrong value, shape, unit   ValueError
ConfigError           a configuration key or value is wrong        ValueError
FormatError           a data file cannot be read as it stands      ValueError
FitError              a fit cannot be done or did not converge     RuntimeError
NumericalError        a computation failed to reach its accuracy   ArithmeticError
MissingExtraError     an optional package is not installed         ImportError
====================  ===========================================  ==================

Every one derives from `ClmassmodError`. Messages name what was wrong, where,
the allowed range, and what to do. `AccuracyWarning` is a warning: a result is there, but not as
accurate as was asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

_LONGEST, _MOST_NUMBERS = 200, 8
"""Characters and numbers of a value in a message."""


class ClmassmodError(Exception):
    """Base class of every error raised on purpose by clmassmod."""


class ParameterError(ClmassmodError, ValueError):
    """An argument is outside its allowed range, shape or unit.

    Attributes
    ----------
    name : str
        The argument.
    value : object
        What was given.
    allowed : str
        What is allowed.
    """

    def __init__(self, name: str, value: object, allowed: str, hint: str = "") -> None:
        self.name = name
        self.value = value
        self.allowed = allowed
        self._hint = hint
        message = f"{name} = {_readable(value)} is not valid: it must be {allowed}."
        super().__init__(f"{message} {hint}".rstrip())

    def __reduce__(self) -> tuple[Any, ...]:
        # an exception that crosses processes is rebuilt from its own arguments
        return type(self), (self.name, self.value, self.allowed, self._hint)


def _readable(value: object) -> str:
    """Return `value` in one short line: no pages of numbers, no addresses in memory."""
    shape, kind = getattr(value, "shape", ()), type(value)
    if kind.__module__ == "numpy" and (shape or kind.__name__ == "ndarray"):
        size = getattr(value, "size", 0)
        if size > _MOST_NUMBERS:
            return f"<array of shape {shape}>"
        return repr(getattr(value, "tolist")())  # noqa: B009
    shown = repr(value)
    if " at 0x" in shown:
        name = getattr(value, "__qualname__", "")
        return f"<{kind.__name__} {name}>" if name else f"<{kind.__name__}>"
    if len(shown) <= _LONGEST and "\n" not in shown:
        return shown
    if isinstance(value, list | tuple | dict | set):
        return f"<{kind.__name__} of {len(value)}>"
    if isinstance(value, str):
        return f"{shown[:_LONGEST]}..."
    return f"<{kind.__name__}>"


class ConfigError(ClmassmodError, ValueError):
    """A configuration key or value is wrong."""


class FormatError(ClmassmodError, ValueError):
    """A data file cannot be read as it stands.

    Attributes
    ----------
    file : str
        The file.
    field : str
        The column, header key or line at fault.
    problem : str
        What is wrong with it.
    """

    def __init__(self, file: object, field: str, problem: str) -> None:
        self.file = str(file)
        self.field = field
        self.problem = problem
        super().__init__(f"{self.file}: {field}: {problem}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.file, self.field, self.problem)


class FitError(ClmassmodError, RuntimeError):
    """A fit cannot be done, or did not converge."""


class NumericalError(ClmassmodError, ArithmeticError):
    """A computation failed to reach its accuracy."""


class AccuracyWarning(UserWarning):
    """A result is there, but not as accurate as was asked for; its report tells why."""


class MissingExtraError(ClmassmodError, ImportError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self._arguments = (package, extra, purpose)
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed; "
            f"run: pip install 'clmassmod[{extra}]'"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return a hint ``Did you mean ...?`` for a misspelt `word`, or ``""``."""
    matches = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    return f"Did you mean {matches[0]!r}?" if matches else ""
