"""The files a configuration can be: TOML, YAML, JSON and INI, each read into a mapping."""

from __future__ import annotations

import configparser
import json
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError

_INI_TOP = "clmassmod"


def read_mapping(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """Return the sections and keys of a file, unchecked; see `load_config`."""
    file = os.fspath(path)
    suffix = Path(file).suffix.lower()
    if suffix == ".py":
        raise ConfigError(
            f"{file}: Python files are refused, a configuration is never executed; "
            f"write it as {', '.join(_PARSERS)}"
        )
    if suffix not in _PARSERS:
        raise ConfigError(f"{file}: unknown suffix {suffix!r}; known are {', '.join(_PARSERS)}")
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read ({error})") from error
    try:
        content = _PARSERS[suffix](text)
    except configparser.MissingSectionHeaderError as error:
        raise ConfigError(
            f"{file}: line {error.lineno}: keys outside any section belong under [{_INI_TOP}] "
            "in an INI file"
        ) from error
    except Exception as error:  # parsers raise anything on a damaged file
        raise ConfigError(f"{file}: is not valid {suffix[1:].upper()}: {error}") from error
    if not isinstance(content, Mapping):
        raise ConfigError(f"{file}: holds a {type(content).__name__}, sections and keys needed")
    return content


def _parse_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"key {key!r} occurs {keys.count(key)} times")
    return dict(pairs)


def _parse_yaml(text: str) -> Any:
    import yaml

    class UniqueKeyLoader(yaml.SafeLoader):  # type: ignore[misc]
        """Refuses a key that occurs twice, of which YAML would keep the last."""

    def construct(loader: Any, node: Any) -> dict[str, Any]:
        loader.flatten_mapping(node)
        return _unique(loader.construct_pairs(node, deep=True))

    UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, construct)
    return yaml.load(text, Loader=UniqueKeyLoader)


def _parse_ini(text: str) -> dict[str, Any]:
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    parser.read_string(text)
    content: dict[str, Any] = {}
    for section in parser.sections():
        values = {key: _ini_value(value) for key, value in parser[section].items()}
        target = content
        if section != _INI_TOP:
            for part in section.split("."):
                target = target.setdefault(part, {})
        target.update(values)
    return content


def _ini_value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [part.strip() for part in text.split(",")] if "," in text else text


_PARSERS: dict[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
    ".json": _parse_json,
    ".ini": _parse_ini,
    ".cfg": _parse_ini,
}
