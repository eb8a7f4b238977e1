"""What every configuration shares: a schema that checks it, its hash, its documentation."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from ..errors import ConfigError, nearest
from .model_schema import Key, Schema

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from ..power import LinearPower


class Configuration(dict[str, Any]):
    """A complete, checked configuration: a dict of sections, every default filled in.

    A subclass names its schema. A plain dict with the same keys works wherever one does,
    since what takes one calls `from_dict` on it.

    Attributes
    ----------
    schema : Mapping
        Section to key to its rule; keys outside any section stand first.
    shorthand : Mapping
        Section, as ``population.size``, to what makes a section of a single value.
    file : str or None
        The file it was read from.
    folder : str or None
        What relative paths in it are relative to: the folder of that file; None is the
        current one.
    """

    schema: ClassVar[Schema]
    shorthand: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    file: str | None = None
    folder: str | None = None

    @classmethod
    def from_dict(
        cls, mapping: Mapping[str, Any], file: str | os.PathLike[str] | None = None
    ) -> Self:
        """Return the configuration given by a mapping, checked and completed.

        Parameters
        ----------
        mapping : mapping
            Sections and keys of the schema; those left out take their default. A
            configuration keeps its file and folder.
        file : path, optional
            Named in errors; its folder is what relative paths refer to.

        Raises
        ------
        ConfigError
            Naming the file, the section, the key, and the nearest known key.
        """
        if not isinstance(mapping, Mapping):
            raise ConfigError(f"configuration: {type(mapping).__name__} given, a mapping needed")
        source = mapping.file if file is None and isinstance(mapping, cls) else file
        info = cls()
        place = Place(None if source is None else os.fspath(source))
        result = checked_section("", mapping, cls.schema, cls.shorthand, place)
        info.update(cls._completed(result, mapping, place))
        if isinstance(mapping, cls) and file is None:
            info.file, info.folder = mapping.file, mapping.folder
        elif file is not None:
            info.file = os.fspath(file)
            info.folder = str(Path(info.file).parent)
        return info

    def hash(self, without: Collection[str] = ()) -> str:
        """Return a sha256 of what decides the result, in hexadecimal: the key of a resume.

        Two configurations that differ only in order, in spelled-out defaults, in the file
        format, or in keys without influence on the result (name, output) have the same hash.

        Parameters
        ----------
        without : collection of str
            Sections to leave out: a fit leaves out what describes the data, since it has
            the data themselves in its key.
        """
        content: dict[str, Any] = {}
        for name, value in self.items():
            if name in without:
                continue
            if not _decides_result(self.schema[name]):
                continue
            rule = self.schema[name]
            if not isinstance(rule, Key):
                free = {key for key, one in rule.items() if not _decides_result(one)}
                content[name] = {key: value[key] for key in value if key not in free}
            else:
                content[name] = value
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def path(self, text: str | os.PathLike[str]) -> str:
        """Return a path of the configuration, relative to its file's folder, as usable."""
        return os.fspath(text) if self.folder is None else str(Path(self.folder) / text)

    def make_cosmology(self) -> FLRW:
        """Return the astropy cosmology of the section `cosmology`."""
        from astropy.cosmology import FlatLambdaCDM, LambdaCDM

        given = self["cosmology"]
        common = {key: given[key] for key in ("H0", "Om0", "Tcmb0", "Ob0")}
        common = {key: value for key, value in common.items() if value is not None}
        if given["Ode0"] is None:
            return FlatLambdaCDM(**common)
        return LambdaCDM(Ode0=given["Ode0"], **common)

    def make_power(self, user: str) -> LinearPower:
        """Return the linear matter power of the section `cosmology`.

        Parameters
        ----------
        user : str
            What needs it, for the error where a key is missing.
        """
        from ..power import LinearPower

        given = self["cosmology"]
        missing = [key for key in ("sigma8", "n_s", "Ob0") if given[key] is None]
        if missing:
            raise ConfigError(
                f"{self.file or 'configuration'}: {user} needs the power spectrum: give "
                f"{', '.join(missing)} in [cosmology]"
            )
        # without radiation in the expansion, the transfer function still needs a temperature
        # (FIRAS)
        temperature = 2.7255 if given["Tcmb0"] == 0.0 else None
        return LinearPower(
            self.make_cosmology(),
            sigma8=given["sigma8"],
            n_s=given["n_s"],
            cmb_temperature=temperature,
        )

    @classmethod
    def _completed(
        cls, result: dict[str, Any], given: Mapping[str, Any], place: Place
    ) -> dict[str, Any]:
        """Return `result`, whose keys are checked one by one, with what no key can say alone."""
        return result

    def __repr__(self) -> str:
        source = "" if self.file is None else f" from {self.file}"
        return f"<{type(self).__name__} {self.get('name', '')!r}{source}: {', '.join(self)}>"


_OTHER_NAMES = {"mean": "mu", "scatter": "sigma", "sd": "sigma", "slope": "beta", "h": "H0"}
"""What others call some keys."""


class Place:
    """Where in a configuration a value stands, for the messages of errors."""

    def __init__(self, file: str | None, *sections: str) -> None:
        self.file = file
        self.sections = sections

    def inside(self, section: str) -> Place:
        return Place(self.file, *self.sections, section)

    def fail(self, problem: str) -> NoReturn:
        where = self.file or "configuration"
        section = f" [{'.'.join(self.sections)}]" if self.sections else ""
        raise ConfigError(f"{where}:{section} {problem}")

    def unknown(self, key: object, known: Iterable[str]) -> NoReturn:
        names = list(known)
        other = _OTHER_NAMES.get(str(key))
        hint = f"Did you mean {other!r}?" if other in names else nearest(str(key), names)
        hint = hint or f"Known are {', '.join(names)}."
        self.fail(f"unknown key {key!r}. {hint}")


def checked_section(
    name: str,
    value: Any,
    keys: Schema,
    shorthand: Mapping[str, Callable[[Any], Any]],
    place: Place,
) -> dict[str, Any]:
    """Return the section `name`, checked by the rules `keys` and with every default filled in.

    A section whose schema is empty is left empty: what is in it is for `_completed` to check.
    """
    if not keys:
        return {}
    if value is None:
        value = {}
    if not isinstance(value, Mapping) and name in shorthand:
        value = shorthand[name](value)
    if not isinstance(value, Mapping):
        place.fail(f"is {value!r}, where a section with the keys {', '.join(keys)} is needed")
    for key in value:
        if key not in keys:
            place.unknown(key, keys)
    result: dict[str, Any] = {}
    for key, rule in keys.items():
        one = value.get(key)
        if isinstance(rule, Key):
            result[key] = _checked_value(key, one, rule, place)
        else:
            inner = f"{name}.{key}" if name else key
            result[key] = checked_section(inner, one, rule, shorthand, place.inside(key))
    return result


def _checked_value(name: str, value: Any, key: Key, place: Place) -> Any:
    if value is None:
        return json.loads(json.dumps(key.default))
    for kind in key.kinds:
        converted = as_kind(value, kind)
        if converted is not None:
            break
    else:
        place.fail(f"{name} = {value!r}: it must be of type {' or '.join(key.kinds)}")
    if key.choices:
        wrong = [v for v in _as_list(converted) if isinstance(v, str) and v not in key.choices]
        if wrong:
            hint = nearest(wrong[0], key.choices)
            place.fail(
                f"{name} = {wrong[0]!r}: it must be one of {', '.join(key.choices)}. {hint}".strip()
            )
    for number in _as_list(converted):
        outside = (
            isinstance(number, int | float)
            and not isinstance(number, bool)
            and not (math.isfinite(number) and _within(number, key))
        )
        if outside:
            place.fail(f"{name} = {number!r}: it must be {key.range_text()}")
    return converted


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _within(number: float, key: Key) -> bool:
    low = key.low is None or (number > key.low if key.open_low else number >= key.low)
    high = key.high is None or (number < key.high if key.open_high else number <= key.high)
    return low and high


def as_kind(value: Any, kind: str) -> Any:
    """Return `value` as `kind`, or None if it is none; text that reads as a number is one."""
    if kind in ("float", "integer"):
        return _as_number(value, kind)
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind in ("text", "path"):
        return os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if kind == "section":
        return dict(value) if isinstance(value, Mapping) else None
    if kind == "mapping":
        good = isinstance(value, Mapping) and all(
            isinstance(v, str | int) and not isinstance(v, bool) for v in value.values()
        )
        return {str(k): v for k, v in value.items()} if good else None
    return _as_list_of(value, {"list of text": "text", "list of floats": "float"}[kind])


def _as_number(value: Any, kind: str) -> float | int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if kind == "float":
        return number
    if isinstance(value, int):
        return value  # a float has not the digits of a large seed
    return int(number) if math.isfinite(number) and number == int(number) else None


def _as_list_of(value: Any, kind: str) -> list[Any] | None:
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        return None
    items = [as_kind(item, kind) for item in value]
    return None if any(item is None for item in items) else items


def markdown(schema: Schema) -> list[str]:
    """Return the lines of Markdown tables of every key, one table per section.

    A section whose schema is empty is left out: what it may hold is to be said in words.
    """
    top = {name: rule for name, rule in schema.items() if isinstance(rule, Key)}
    lines = ["### Outside any section", "", *_table(top)]
    for name, rule in schema.items():
        if not isinstance(rule, Key) and rule:
            lines += section_markdown(name, rule)
    return lines


def section_markdown(name: str, rules: Schema) -> list[str]:
    """Return the lines of the Markdown table of a section, and of those in it."""
    own = {key: rule for key, rule in rules.items() if isinstance(rule, Key)}
    lines = [f"### [{name}]", "", *_table(own)]
    for key, rule in rules.items():
        if not isinstance(rule, Key):
            lines += section_markdown(f"{name}.{key}", rule)
    return lines


def _table(keys: Mapping[str, Key]) -> list[str]:
    rows = ["| key | type | default | unit | meaning |", "|---|---|---|---|---|"]
    for name, key in keys.items():
        default = "" if key.default is None else f"`{json.dumps(key.default)}`"
        choices = f" One of {', '.join(f'`{c}`' for c in key.choices)}." if key.choices else ""
        limits = "" if key.low is None and key.high is None else f" Range: {key.limits()}."
        kinds = " or ".join(key.kinds)
        rows.append(f"| `{name}` | {kinds} | {default} | {key.unit} | {key.doc}{choices}{limits} |")
    return [*rows, ""]


def _decides_result(rule: Key | Schema) -> bool:
    return rule.decides_result if isinstance(rule, Key) else True
