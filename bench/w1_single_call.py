"""W1: one Delta Sigma call from Python, the object already built (and building it)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import models, oracles, peers
from .harness import Options, Row, Timing, compare, deviation, peak_memory
from .models import Model
from .oracles import Array

TITLE = "W1: one Delta Sigma call, 20 radii"
SIZE = 20
INNER = 0.05
"""A single radius [Mpc] where a grid-based peer depends on the array it is given."""


def radii(size: int) -> Array:
    """Return `size` radii from 0.1 to 3 Mpc."""
    return np.geomspace(0.1, 3.0, size)


def implementations(case: str, size: int) -> dict[str, Callable[[], Callable[[], Any]]]:
    """Return, by name, what builds the call of `case` (a profile) at `size` radii."""
    R = radii(size)
    made: dict[str, Callable[[], Callable[[], Any]]] = {}
    model = models.named(case)
    for threads in (1, 2):
        made[f"ours {threads}"] = lambda n=threads: _ours(model, R, n)
    for name in peers.with_profile(case):
        make = peers.EXCESS[name][1]
        made[name] = lambda make=make: _peer(make(case), R)
    return made


def _ours(model: Model, R: Any, n_threads: int = 1) -> Callable[[], Any]:
    call = model.make().excess_surface_density
    return lambda: call(R, n_threads=n_threads)


def _peer(call: Callable[[Any], Any], R: Any) -> Callable[[], Any]:
    return lambda: call(R)


def run(options: Options) -> list[Row]:
    """Measure every profile we have."""
    present, left_out = models.available()
    rows = [Row(f"not measured, {reason}", "") for reason in left_out]
    for model in present:
        print(f"  {model.name}", flush=True)
        rows += _call(model, options)
        if model.name in ("NFW", "Einasto"):
            rows += _single_radius(model, options)
            rows += _scaling(model, options)
        rows += _build(model, options)
    return rows


def _call(model: Model, options: Options) -> list[Row]:
    case = model.name.lower()
    made = implementations(case, SIZE)
    calls = {name: peers.quietly(make) for name, make in made.items() if name != "ours 2"}
    target = 5.0 if model.name == "NFW" else 10.0
    return _rows(model, f"{model.name}, {SIZE} R", calls, radii(SIZE), target, options)


def _single_radius(model: Model, options: Options) -> list[Row]:
    calls = {"ours 1": _ours(model, INNER)}
    for name in peers.with_profile(model.name.lower()):
        make = peers.EXCESS[name][1]
        calls[name] = _peer(peers.quietly(lambda make=make: make(model.name.lower())), INNER)
    case = f"{model.name}, one R = {INNER} Mpc"
    return _rows(model, case, calls, np.array([INNER]), None, options, memory=False)


def _rows(
    model: Model,
    case: str,
    calls: dict[str, Callable[[], Any]],
    R: Array,
    target: float | None,
    options: Options,
    memory: bool = True,
) -> list[Row]:
    """Check the calls against the truth, time them, and return a row for each peer."""
    halo = model.make()
    errors = {
        name: deviation(peers.quietly(call), _truth(model, halo, name, R))
        for name, call in calls.items()
    }
    if errors["ours 1"] > model.tolerance:
        del calls["ours 1"]
    times = peers.quietly(lambda: compare(calls, options.repeats))
    used = _memory(model.name.lower(), calls, options) if memory else {}
    names = [name for name in errors if name != "ours 1"] or [""]
    return [
        Row(
            case,
            "us/call",
            times.get("ours 1"),
            name,
            times.get(name),
            errors["ours 1"],
            errors.get(name),
            target if i == 0 else None,
            model.tolerance,
            used.get("ours 1"),
            used.get(name),
            note=f"truth: {model.oracle}" if i == 0 else "",
        )
        for i, name in enumerate(names)
    ]


def _truth(model: Model, halo: Any, name: str, R: Array) -> Array:
    """Return what `name` should give: its own density projected, where parameters differ."""
    own = peers.own_density(name, model.name.lower())
    return model.truth(halo, R) if own is None else oracles.excess_of_density(own, R)


def _memory(case: str, calls: dict[str, Any], options: Options) -> dict[str, int | None]:
    if not options.memory or case not in ("nfw", "einasto"):
        return {}
    return {name: peak_memory("w1_single_call", case, name, SIZE, 2) for name in calls}


def _scaling(model: Model, options: Options) -> list[Row]:
    """Time x1, x10, x100 radii with one and two threads."""
    rows = []
    for size in (SIZE, 10 * SIZE, 100 * SIZE):
        made = implementations(model.name.lower(), size)
        cheap = [name for name in made if name != "colossus"]
        calls = {name: peers.quietly(made[name]) for name in cheap}
        times = peers.quietly(lambda calls=calls: compare(calls, options.repeats))
        for threads in (1, 2):
            case = f"{model.name} scaling, {size} R, {threads} thread{'s'[: threads - 1]}"
            ours = times[f"ours {threads}"]
            others = [name for name in cheap if not name.startswith("ours")] if threads == 1 else []
            for name in others or [""]:
                rows.append(Row(case, "us/call", ours, name, times.get(name)))
    return rows


def _build(model: Model, options: Options) -> list[Row]:
    case = model.name.lower()
    calls: dict[str, Callable[[], Any]] = {"ours": model.make}
    builders = {
        "CLMM": peers.clmm_model,
        "CCL": peers.ccl_profile,
        "colossus": peers.colossus_profile,
    }
    for name in peers.with_profile(case):
        calls[name] = lambda build=builders[name]: build(case)
    times: dict[str, Timing] = peers.quietly(lambda: compare(calls, options.repeats))
    names = [name for name in times if name != "ours"] or [""]
    return [
        Row(f"{model.name}, building the object", "us/call", times["ours"], name, times.get(name))
        for name in names
    ]
