"""Configuration of a model and a fit: `load_config` and `ModelInfo`.

One declarative table, `SCHEMA`, holds every key with its type, default, unit and meaning;
checking, default values and the documentation (`describe_config`) all come from it.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import math
import os
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from ._config_schema import DEFAULT_PRIORS, PARAMETERS, PRIORS, SCHEMA, SECTION_SHORTHAND, Key
from .cosmology import MassDef
from .errors import ConfigError, ParameterError, nearest

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from .sources import BetaMoments, SourceDistribution

_INI_TOP = "clmassmod"


class ModelInfo(dict[str, Any]):
    """A complete, checked configuration: a dict of sections, every default filled in.

    Made by `load_config` or `ModelInfo.from_dict`. A plain dict with the same keys works
    wherever a `ModelInfo` does, since what takes one calls `from_dict` on it.

    Attributes
    ----------
    file : str or None
        The file it was read from.
    folder : str or None
        What relative paths in it are relative to: the folder of that file; None is the
        current one.
    """

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
            Sections and keys of `describe_config`; those left out take their default.
            A `ModelInfo` keeps its file and folder.
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
        info.update(_checked(mapping, _Place(None if source is None else os.fspath(source))))
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
            rule = SCHEMA[name]
            if isinstance(rule, dict):
                free = {key for key, k in rule.items() if not k.decides_result}
                content[name] = {key: value[key] for key in value if key not in free}
            elif rule.decides_result:
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

    def make_sources(self) -> float | str | SourceDistribution | BetaMoments | None:
        """Return what the section `sources` describes; for `files` the path pattern."""
        from .sources import BetaMoments, SourceDistribution

        given = self["sources"]
        if given["files"] is not None:
            return self.path(given["files"])
        if given["mean_beta_s"] is not None:
            return BetaMoments(given["mean_beta_s"], given["mean_beta_s_squared"])
        if given["distribution"] == "chang2013":
            return SourceDistribution.chang2013()
        if given["distribution"] is not None:
            _, year = given["distribution"].rsplit("_y", 1)
            return SourceDistribution.desc_srd(int(year))
        redshift: float | None = given["redshift"]
        return redshift

    def __repr__(self) -> str:
        source = "" if self.file is None else f" from {self.file}"
        return f"<ModelInfo {self.get('name', '')!r}{source}: {', '.join(self)}>"


def load_config(path: str | os.PathLike[str]) -> ModelInfo:
    """Return the configuration of a TOML, YAML, JSON or INI file.

    Parameters
    ----------
    path : path
        The suffix tells the format: .toml, .yaml, .yml, .json, .ini, .cfg. In INI files
        the keys outside any section stand under ``[clmassmod]``, a section within a
        section is ``[priors.mass]``, and lists are separated by commas. Python files are
        refused: a configuration is data and is never executed.

    Returns
    -------
    ModelInfo
        A dict of sections with every default filled in.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a key or value is wrong: naming the file, the
        section, the key, and the nearest known key.
    """
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
    except Exception as error:  # parsers raise anything on a damaged file
        raise ConfigError(f"{file}: is not valid {suffix[1:].upper()}: {error}") from error
    if not isinstance(content, Mapping):
        raise ConfigError(f"{file}: holds a {type(content).__name__}, sections and keys needed")
    return ModelInfo.from_dict(content, file)


def describe_config() -> str:
    """Return the documentation of every key as Markdown tables, one per section."""
    lines: list[str] = []
    top = {name: key for name, key in SCHEMA.items() if isinstance(key, Key)}
    lines += ["### Outside any section", "", *_markdown(top)]
    for name, keys in SCHEMA.items():
        if isinstance(keys, dict):
            lines += [f"### [{name}]", "", *_markdown(keys)]
    lines += ["### [priors.<parameter>]", ""]
    lines += ["| distribution | keys |", "|---|---|"]
    lines += [
        f"| `{name}` | {', '.join(f'`{k}`' for k in keys)} |" for name, keys in PRIORS.items()
    ]
    return "\n".join(lines) + "\n"


def _markdown(keys: Mapping[str, Key]) -> list[str]:
    rows = ["| key | type | default | unit | meaning |", "|---|---|---|---|---|"]
    for name, key in keys.items():
        default = "" if key.default is None else f"`{json.dumps(key.default)}`"
        choices = f" One of {', '.join(f'`{c}`' for c in key.choices)}." if key.choices else ""
        kinds = " or ".join(key.kinds)
        rows.append(f"| `{name}` | {kinds} | {default} | {key.unit} | {key.doc}{choices} |")
    return [*rows, ""]


class _Place:
    """Where in a configuration a value stands, for the messages of errors."""

    def __init__(self, file: str | None, *sections: str) -> None:
        self.file = file
        self.sections = sections

    def inside(self, section: str) -> _Place:
        return _Place(self.file, *self.sections, section)

    def fail(self, problem: str) -> NoReturn:
        where = self.file or "configuration"
        section = f" [{'.'.join(self.sections)}]" if self.sections else ""
        raise ConfigError(f"{where}:{section} {problem}")

    def unknown(self, key: object, known: Iterable[str]) -> NoReturn:
        names = list(known)
        hint = nearest(str(key), names) or f"Known are {', '.join(names)}."
        self.fail(f"unknown key {key!r}. {hint}")


def _checked(mapping: Mapping[str, Any], place: _Place) -> dict[str, Any]:
    for name in mapping:
        if name not in SCHEMA:
            place.unknown(name, SCHEMA)
    result: dict[str, Any] = {}
    for name, keys in SCHEMA.items():
        value = mapping.get(name)
        if isinstance(keys, Key):
            result[name] = _checked_value(name, value, keys, place)
        else:
            result[name] = _checked_section(name, value, keys, place.inside(name))
    result["priors"] = _checked_priors(result, mapping.get("priors"), place.inside("priors"))
    _check_together(result, place)
    return result


def _checked_section(
    name: str, value: Any, keys: Mapping[str, Key], place: _Place
) -> dict[str, Any]:
    if name == "priors":
        return {}
    if value is None:
        value = {}
    if not isinstance(value, Mapping) and name in SECTION_SHORTHAND:
        value = SECTION_SHORTHAND[name](value)
    if not isinstance(value, Mapping):
        place.fail(f"is {value!r}, where a section with the keys {', '.join(keys)} is needed")
    for key in value:
        if key not in keys:
            place.unknown(key, keys)
    return {key: _checked_value(key, value.get(key), rule, place) for key, rule in keys.items()}


def _checked_value(name: str, value: Any, key: Key, place: _Place) -> Any:
    if value is None:
        return json.loads(json.dumps(key.default))
    for kind in key.kinds:
        converted = _converted(value, kind)
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
    return low and (key.high is None or number <= key.high)


def _converted(value: Any, kind: str) -> Any:
    """Return `value` as `kind`, or None if it is none; text that reads as a number is one."""
    if kind in ("float", "integer"):
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        try:
            number = float(value)
        except ValueError:
            return None
        if kind == "float":
            return number
        return int(number) if math.isfinite(number) and number == int(number) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind in ("text", "path"):
        return os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if kind == "mapping":
        good = isinstance(value, Mapping) and all(
            isinstance(v, str | int) and not isinstance(v, bool) for v in value.values()
        )
        return {str(k): v for k, v in value.items()} if good else None
    return _converted_list(value, {"list of text": "text", "list of floats": "float"}[kind])


def _converted_list(value: Any, kind: str) -> list[Any] | None:
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        return None
    items = [_converted(item, kind) for item in value]
    return None if any(item is None for item in items) else items


def _checked_priors(result: dict[str, Any], given: Any, place: _Place) -> dict[str, Any]:
    free = result["parameters"]
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        place.fail(f"is {given!r}, where one section per parameter is needed")
    for name in given:
        if name not in PARAMETERS:
            place.unknown(name, PARAMETERS)
        if name not in free:
            place.fail(f"{name} has a prior, but is not one of parameters = {free!r}")
    priors = {}
    for name in free:
        prior = given.get(name, DEFAULT_PRIORS.get(name))
        if prior is None:
            place.fail(f"{name} is free and needs a prior: [priors.{name}]")
        priors[name] = _checked_prior(prior, place.inside(name))
    return priors


def _checked_prior(prior: Any, place: _Place) -> dict[str, Any]:
    if not isinstance(prior, Mapping):
        place.fail(f"is {prior!r}, where distribution and its keys are needed")
    kind = prior.get("distribution")
    if kind not in PRIORS:
        hint = nearest(str(kind), PRIORS)
        place.fail(f"distribution = {kind!r}: one of {', '.join(PRIORS)}. {hint}".strip())
    for key in prior:
        if key != "distribution" and key not in PRIORS[kind]:
            place.unknown(key, PRIORS[kind])
    numbers: dict[str, float] = {}
    for key in PRIORS[kind]:
        number = _converted(prior.get(key), "float")
        if number is None or not math.isfinite(number):
            place.fail(f"{key} = {prior.get(key)!r}: {kind} needs a finite number")
        numbers[key] = number
    if "low" in numbers and not numbers["low"] < numbers["high"]:
        place.fail(f"low = {numbers['low']!r}: it must be below high = {numbers['high']!r}")
    if kind == "log-uniform" and not numbers["low"] > 0.0:
        place.fail(f"low = {numbers['low']!r}: it must be > 0 for log-uniform")
    if "sd" in numbers and not numbers["sd"] > 0.0:
        place.fail(f"sd = {numbers['sd']!r}: it must be > 0")
    return {"distribution": kind, **numbers}


def _check_together(result: dict[str, Any], place: _Place) -> None:
    """What no single key can say."""
    try:
        result["mass_def"] = MassDef.from_name(result["mass_def"]).name
    except ParameterError as error:
        place.fail(str(error))
    free = result["parameters"]
    if len(set(free)) != len(free) or not free:
        place.fail(f"parameters = {free!r}: at least one, each once")
    for section, low, high in (
        ("simulation", "mass_min", "mass_max"),
        ("simulation", "redshift_min", "redshift_max"),
        ("binning", "r_min", "r_max"),
        ("fit", "r_min", "r_max"),
    ):
        a, b = result[section][low], result[section][high]
        if a is not None and b is not None and not a <= b:
            place.inside(section).fail(f"{low} = {a!r}: it must not be above {high} = {b!r}")
    binning = result["binning"]
    edges = binning["edges"]
    if edges is not None and (len(edges) < 2 or any(a >= b for a, b in pairwise(edges))):
        place.inside("binning").fail(f"edges = {edges!r}: two or more, strictly increasing")
    _check_sources(result["sources"], place.inside("sources"))
    data = result["data"]
    if data["redshift"] is not None and data["redshift_table"] is not None:
        place.inside("data").fail("redshift and redshift_table are both given: choose one")
    concentration = result["concentration"]
    if concentration["relation"] == "constant" and concentration["value"] is None:
        place.inside("concentration").fail("value is missing: relation = 'constant' needs it")
    if concentration["relation"] != "constant" and concentration["value"] is not None:
        place.inside("concentration").fail("value is given, but relation is not 'constant'")


def _check_sources(sources: Mapping[str, Any], place: _Place) -> None:
    ways = [
        k for k in ("redshift", "distribution", "files", "mean_beta_s") if sources[k] is not None
    ]
    if len(ways) > 1:
        place.fail(f"{' and '.join(ways)} are all given: choose one")
    squared = sources["mean_beta_s_squared"]
    if squared is None:
        return
    mean = sources["mean_beta_s"]
    if mean is None or not mean**2 <= squared <= mean:
        place.fail(f"mean_beta_s_squared = {squared!r}: between mean_beta_s^2 and mean_beta_s")


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
