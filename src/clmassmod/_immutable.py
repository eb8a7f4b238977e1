"""What all observables share: they never change, and compare by content."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Self

import numpy as np

from .errors import ParameterError, nearest


class ImmutableObservable:
    """An object of checked, read-only content; not made by itself.

    A subclass names the arguments of its constructor in `_fields`, keeps each under its name,
    and its metadata as JSON text.
    """

    _fields: ClassVar[tuple[str, ...]]
    _metadata: str

    def _set(self, **content: Any) -> None:
        self.__dict__.update(content)

    @property
    def metadata(self) -> dict[str, Any]:
        """A copy of the metadata: how the file was read, and what the user added."""
        content: dict[str, Any] = json.loads(self._metadata)
        return content

    def replace(self, **changes: Any) -> Self:
        """Return a new object with some constructor arguments changed, checked again."""
        unknown = next((name for name in changes if name not in self._fields), None)
        if unknown is not None:
            allowed = f"one of {', '.join(self._fields)}"
            raise ParameterError("field", unknown, allowed, nearest(unknown, self._fields))
        return type(self)(**{**self._content(), **changes})

    def _content(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._fields}

    def __eq__(self, other: object) -> bool:
        """Same type and content; the file it was read from does not count."""
        if not isinstance(other, type(self)):
            return NotImplemented
        names = [name for name in self._fields if name not in ("file", "metadata")]
        same = all(_same(getattr(self, name), getattr(other, name)) for name in names)
        return same and self._metadata == other._metadata

    __hash__ = None  # type: ignore[assignment]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"{type(self).__name__} is immutable; use .replace({name}=...) to make a new one"
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; cannot delete {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._content())


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return type(a) is type(b) and bool(a == b)


def _rebuild(cls: type[ImmutableObservable], content: dict[str, Any]) -> ImmutableObservable:
    return cls(**content)
