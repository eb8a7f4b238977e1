"""What a table remembers of its build: all that a later extension needs, in memory or in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..provenance import digest
from .evaluation import Function, FunctionId, same_values
from .maps import CoordinateMap
from .nodes import NodeStore, Ticks, box_positions
from .pool import Pool
from .settings import Settings

Array = npt.NDArray[np.float64]

POOL, NODES = "pool", "nodes"
"""Groups of a file that only an extension reads."""


@dataclass(frozen=True)
class Build:
    """What a table remembers of its build, to be extended."""

    function: Function | None
    """None in a table that was loaded: a function is never stored."""
    function_id: FunctionId
    settings: Settings
    first_box: Array
    """(N, 2) in u, of the first version: dyadic knots count from it."""
    pool: Pool
    values: Array
    """(n, K) at the pool; empty before the first run."""
    version: int
    knots: tuple[Ticks, ...] | None = None
    store: NodeStore | None = None
    identity: str = ""
    """Digest of all that decided the table."""

    def __reduce__(self) -> tuple[Any, ...]:
        # a table that is pickled forgets its build: few functions can be pickled
        return _forgotten, ()

    def identity_of(self, purpose: str) -> str:
        """Return a digest of all that decides which points are evaluated."""
        s = self.settings
        return digest(
            purpose,
            str(self.function_id),
            s.names,
            s.method,
            s.tol,
            s.order,
            s.seed,
            s.max_nodes,
            self.first_box,
            self.pool.box,
            len(self.pool),
            self.version,
            digest_of(s.coordinate_map.to_dict()),
        )

    def with_function(self, function: Function | None, *, renamed: bool) -> Build:
        """Return the build with a function given again, which must be the one of the table.

        Raises
        ------
        ParameterError
            No function where there is none, one of another name or parameters unless it is
            said to be renamed, or one of other values at the first points of the sample.
        """
        if function is None:
            if self.function is not None:
                return self
            hint = "Give the function again: a file does not hold it."
            raise ParameterError("function", None, f"{self.function_id}", hint)
        given = FunctionId.of(function)
        if given != self.function_id and not renamed:
            hint = "If it is the same function under another name, say renamed=True."
            allowed = f"the function of the table, {self.function_id}"
            raise ParameterError("function", str(given), allowed, hint)
        s = self.settings
        points = s.coordinate_map.inverse(self.pool.u, self.pool.box)
        if not same_values(function, points, self.values, s.tol):
            hint = "It has other values at the first points: build a new table with it."
            raise ParameterError("function", str(given), "the function of the table", hint)
        return replace(self, function=function, function_id=given)


def _forgotten() -> None:
    return None


def digest_of(content: Any) -> str:
    """Return a digest of nested dicts and lists with arrays in them."""
    if isinstance(content, Mapping):
        return digest(*(part for k in sorted(content) for part in (k, digest_of(content[k]))))
    if isinstance(content, list | tuple):
        return digest(*(digest_of(one) for one in content))
    return digest(content)


# -- in a file -------------------------------------------------------------------------------------


def build_arrays(build: Build) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a build by their names in a file.

    ``pool/{x,y,split,index}``, and ``pool/u`` where there is a map: 8 (2 N + K + 1) + 1 bytes
    for each point. ``nodes/knots/<i>``, the table's knots as dyadic ticks, and of the nodes
    evaluated ``nodes/ticks/<i>``, ``nodes/known`` (bits) and ``nodes/values`` (n, K).
    """
    pool, mapped = build.pool, build.settings.coordinate_map
    arrays: dict[str, npt.NDArray[Any]] = {
        f"{POOL}/x": mapped.inverse(pool.u, pool.box),
        f"{POOL}/y": build.values,
        f"{POOL}/split": pool.split(),
        f"{POOL}/index": pool.index,
    }
    if not mapped.is_identity:
        # x to u is not exact
        arrays[f"{POOL}/u"] = pool.u
    if build.knots is not None and build.store is not None:
        arrays |= {f"{NODES}/knots/{i}": ticks for i, ticks in enumerate(build.knots)}
        arrays |= {f"{NODES}/{name}": array for name, array in build.store.to_arrays().items()}
    return arrays


def build_attributes(build: Build) -> dict[str, Any]:
    """Return the rest of a build, as JSON can hold it."""
    s = build.settings
    return {
        "function": build.function_id.to_dict(),
        "seed": s.seed,
        "build": {
            "method": s.method,
            "tol": s.tol,
            "order": s.order,
            "max_nodes": s.max_nodes,
            "first_box": build.first_box.tolist(),
            "box": build.pool.box.tolist(),
            "used": build.pool.used,
            "identity": build.identity,
        },
    }


def build_from(arrays: Mapping[str, npt.NDArray[Any]], attributes: Mapping[str, Any]) -> Build:
    """Return the build, without its function, of `build_arrays` and `build_attributes`."""
    given, names = attributes["build"], tuple(attributes["names"])
    kept = attributes["map"]
    mapped = CoordinateMap.of(None, len(names)) if kept is None else CoordinateMap.from_dict(kept)
    settings = Settings(
        names,
        given["method"],
        given["tol"],
        given["order"],
        attributes["seed"],
        given["max_nodes"],
        mapped,
    )
    first_box = np.array(given["first_box"], dtype=np.float64)
    u = arrays[f"{POOL}/x" if mapped.is_identity else f"{POOL}/u"]
    box = np.array(given["box"], dtype=np.float64)
    pool = Pool(attributes["seed"], u, arrays[f"{POOL}/index"], box, given["used"])
    knots = store = None
    if f"{NODES}/known" in arrays:
        knots = tuple(arrays[f"{NODES}/knots/{i}"] for i in range(len(names)))
        start = len(NODES) + 1
        nodes = {name[start:]: array for name, array in arrays.items() if name.startswith(NODES)}
        store = NodeStore.from_arrays(nodes, len(names), box_positions(first_box))
    return Build(
        None,
        FunctionId.from_dict(attributes["function"]),
        settings,
        first_box,
        pool,
        arrays[f"{POOL}/y"],
        attributes["table_version"],
        knots,
        store,
        given["identity"],
    )
