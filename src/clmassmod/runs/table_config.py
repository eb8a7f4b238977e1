"""The configuration of ``clmassmod tables build``: keys, checks, documentation."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, ClassVar

from ..configuration.base import (
    Configuration,
    Place,
    as_kind,
    checked_section,
    markdown,
    section_markdown,
)
from ..configuration.files import read_mapping
from ..configuration.model_schema import Key, Schema, count_key, path_key, positive_key, text_key
from ..table.maps import TRANSFORMS
from ..table.pool import LEAST, MOST
from ..table.settings import METHODS

TABLE_SCHEMA: Schema = {
    "name": text_key(None, "Name of the table: its file is `<name>.h5`. Needed."),
    "sim_id": text_key(None, "Name of its set: the folder `data/tables/<sim_id>`. Needed."),
    "version": count_key(1, "Version of the table."),
    "function": text_key(None, "Function to tabulate, as `package.module:name`. Needed."),
    "names": Key(("list of text",), None, "Order of the axes; that of [box] by default."),
    "tol": positive_key(1e-4, "Absolute error of the outputs to reach."),
    "method": text_key("adaptive", "How points are chosen.", METHODS),
    "order": text_key("cubic", "Interpolation.", ("cubic", "linear")),
    "pool": Key(
        ("integer",), 2**14, "Points of the random sample: a power of 2.", low=LEAST, high=MOST
    ),
    "seed": Key(("integer",), 0, "Seed of the sample.", low=0, high=2**64 - 1),
    "max_nodes": count_key(200_000, "Largest number of nodes."),
    "n_processes": Key(
        ("integer",),
        None,
        "Processes that evaluate the function; this one alone by default.",
        low=1,
        decides_result=False,
    ),
    "arguments": {},
    "box": {},
    "map": {},
}
"""Section to key to its rule."""

RATIO_SCHEMA: Schema = {
    "table": path_key(None, "File of the table of x_max, as a function of the other axes. Needed."),
    "power": positive_key(0.5, "Power of `1 - x / x_max`.", high=4.0),
    "log_scale": Key(("boolean",), False, "Whether the table holds log10 x_max."),
}
"""Keys of the map of an axis whose range depends on the others."""

_FREE_SECTIONS = """\
### [arguments]

Further arguments of the function, which is called as `function(x, **arguments)`: numbers, text,
lists.

### [box]

`axis = [low, high]` for each axis, 1 to 6 of them. Of an axis with a ratio map, the range of
`x / x_max`.

### [map]

`axis = "log"`, `"sqrt"` or `"linear"`. Axes that are not named are linear.
"""
_NEEDED = ("name", "sim_id", "function", "box")


class TableInfo(Configuration):
    """A complete, checked configuration of a table to build.

    A dict of keys and sections, every default filled in. Made by `load_table_config` or
    `TableInfo.from_dict`.
    """

    schema: ClassVar[Schema] = TABLE_SCHEMA

    @classmethod
    def _completed(
        cls, result: dict[str, Any], given: Mapping[str, Any], place: Place
    ) -> dict[str, Any]:
        missing = [key for key in _NEEDED if not (given.get(key) or result[key])]
        if missing:
            place.fail(f"{', '.join(missing)} must be given: each table has its own")
        for section in ("arguments", "box", "map"):
            content = {} if given.get(section) is None else given[section]
            if not isinstance(content, Mapping):
                place.fail(f"{section} = {content!r}: it must be a section [{section}]")
            result[section] = dict(content)
        _check_arguments(result["arguments"], place.inside("arguments"))
        inside = place.inside("box")
        result["box"] = {key: _range(key, value, inside) for key, value in result["box"].items()}
        inside = place.inside("map")
        for axis, one in result["map"].items():
            if axis not in result["box"]:
                inside.unknown(axis, result["box"])
            result["map"][axis] = _checked_map(axis, one, inside)
        return result


def load_table_config(path: str | os.PathLike[str]) -> TableInfo:
    """Return the configuration of a table from a TOML, YAML, JSON or INI file.

    Parameters
    ----------
    path : path
        As `load_config` takes.

    Raises
    ------
    ConfigError
        As `load_config`.
    """
    return TableInfo.from_dict(read_mapping(path), path)


def describe_table_config() -> str:
    """Return the documentation of every key of a table as Markdown, one part per section."""
    lines = [*markdown(TABLE_SCHEMA), _FREE_SECTIONS]
    lines += section_markdown("map.<axis>", RATIO_SCHEMA)
    return "\n".join(lines).rstrip() + "\n"


def _check_arguments(arguments: Mapping[str, Any], place: Place) -> None:
    for key, value in arguments.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            place.fail(f"{key} = {value!r}: it must be numbers, text or lists of them ({error})")


def _range(axis: str, value: Any, place: Place) -> list[float]:
    limits: list[float] | None = as_kind(value, "list of floats")
    if limits is None or len(limits) != 2 or not limits[0] < limits[1]:
        place.fail(f"{axis} = {value!r}: it must be [low, high], low < high")
    return limits


def _checked_map(axis: str, value: Any, place: Place) -> Any:
    if not isinstance(value, Mapping):
        if value not in TRANSFORMS:
            allowed = ", ".join(TRANSFORMS)
            place.fail(
                f"{axis} = {value!r}: it must be one of {allowed}, or a section [map.{axis}]"
            )
        return value
    inside = place.inside(axis)
    checked = checked_section("", value, RATIO_SCHEMA, {}, inside)
    if checked["table"] is None:
        inside.fail("table must be given: the file of the table of x_max")
    return checked
