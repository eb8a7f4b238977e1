"""Observables of many objects, by id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import ParameterError


def observables_by_id(groups: Sequence[Sequence[Any]]) -> dict[str, tuple[Any, ...]]:
    """Join the observables of each group by id; one without an id is called by its place."""
    joined: dict[str, list[Any]] = {}
    for group in groups:
        seen: set[str] = set()
        for place, observable in enumerate(group):
            name = observable.id or f"halo_{place:05d}"
            if name in seen:
                raise ParameterError("id", name, "different for every object of one observable")
            seen.add(name)
            joined.setdefault(name, []).append(observable)
    return {name: tuple(parts) for name, parts in joined.items()}


def joined_by_id(*groups: Mapping[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """Join observables by id."""
    names = dict.fromkeys(name for group in groups for name in group)
    return {name: tuple(one for group in groups for one in group.get(name, ())) for name in names}


def checked_observables(name: str, value: Any, kind: type[Any]) -> tuple[Any, ...]:
    """Return what is assigned as observables of one kind: none, one or a sequence."""
    if value is None:
        return ()
    single = isinstance(value, kind) or not isinstance(value, Iterable)
    items = (value,) if single else tuple(value)
    for item in items:
        if not isinstance(item, kind):
            raise ParameterError(
                name, type(item).__name__, f"a {kind.__name__} or a sequence of them"
            )
    return items
