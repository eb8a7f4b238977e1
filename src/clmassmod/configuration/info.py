"""Configurations: of a model and a fit (`load_config`), of a mock (`load_mock_config`).

One declarative table each, `SCHEMA` and `MOCK_SCHEMA`, holds every key with its type, default,
unit and meaning; checking, default values and the documentation (`describe_config`,
`describe_mock_config`) all come from it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from ..cosmology import MassDef
from ..errors import ParameterError, nearest
from .base import Configuration, Place, as_kind, markdown
from .files import read_mapping
from .mock_schema import MOCK_SCHEMA, MOCK_SHORTHAND
from .model_schema import DEFAULT_PRIORS, PARAMETERS, PRIORS, SCHEMA, SECTION_SHORTHAND, Schema

if TYPE_CHECKING:
    from ..sources import BetaMoments, SourceDistribution


class ModelInfo(Configuration):
    """A complete, checked configuration of a model and a fit.

    A dict of sections, every default filled in. Made by `load_config` or
    `ModelInfo.from_dict`. A plain dict with the same keys works wherever a `ModelInfo` does,
    since what takes one calls `from_dict` on it.
    """

    schema: ClassVar[Schema] = SCHEMA
    shorthand = SECTION_SHORTHAND

    def make_sources(self) -> float | str | SourceDistribution | BetaMoments | None:
        """Return what the section `sources` describes; for `files` the path pattern."""
        from ..sources import BetaMoments

        given = self["sources"]
        if given["files"] is not None:
            return self.path(given["files"])
        if given["mean_beta_s"] is not None:
            return BetaMoments(given["mean_beta_s"], given["mean_beta_s_squared"])
        if given["distribution"] is not None:
            return _published_sources(given["distribution"])
        redshift: float | None = given["redshift"]
        return redshift

    @classmethod
    def _completed(
        cls, result: dict[str, Any], given: Mapping[str, Any], place: Place
    ) -> dict[str, Any]:
        _check_cosmology(result["cosmology"], place.inside("cosmology"))
        priors = _with_both_components(result, given.get("priors"), place.inside("priors"))
        result["priors"] = _checked_priors(result, priors, place.inside("priors"))
        _check_together(result, place)
        return result


class LensInfo(Configuration):
    """A configuration with the sections of lenses: population, lens, sources, cosmology.

    Base of that of a mock and that of an inference.
    """

    shorthand = MOCK_SHORTHAND

    def make_sources(self) -> float | SourceDistribution:
        """Return the redshift of the sources, or the distribution of them."""
        given = self["sources"]
        if given["distribution"] is not None:
            return _published_sources(given["distribution"])
        redshift: float = given["redshift"]
        return redshift

    @classmethod
    def _completed(
        cls, result: dict[str, Any], given: Mapping[str, Any], place: Place
    ) -> dict[str, Any]:
        _check_cosmology(result["cosmology"], place.inside("cosmology"))
        _check_relations(result["population"], place.inside("population"))
        _check_lens_redshift(result["lens"]["z_l"], place.inside("lens"))
        _check_mock_sources(result, place.inside("sources"))
        return result


class MockInfo(LensInfo):
    """A complete, checked configuration of a mock catalogue of strong lenses.

    A dict of sections, every default filled in; keys of relations that are not given are
    those of the preset. Made by `load_mock_config` or `MockInfo.from_dict`.
    """

    schema: ClassVar[Schema] = MOCK_SCHEMA

    @classmethod
    def _completed(
        cls, result: dict[str, Any], given: Mapping[str, Any], place: Place
    ) -> dict[str, Any]:
        result = super()._completed(result, given, place)
        _check_halo(result, place.inside("lens"))
        if result["noise"]["time_delay"] is not None and not result["time_delays"]:
            place.inside("noise").fail(
                "time_delay is given, which needs time_delays = true above all sections"
            )
        return result


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
    return ModelInfo.from_dict(read_mapping(path), path)


def load_mock_config(path: str | os.PathLike[str]) -> MockInfo:
    """Return the configuration of a mock catalogue from a TOML, YAML, JSON or INI file.

    Parameters
    ----------
    path : path
        As `load_config` takes; sections within sections are ``[population.halo_mass]``.

    Raises
    ------
    ConfigError
        As `load_config`.
    """
    return MockInfo.from_dict(read_mapping(path), path)


def describe_config() -> str:
    """Return the documentation of every key as Markdown tables, one per section."""
    lines = [*markdown(SCHEMA), "### [priors.<parameter>]", ""]
    lines += ["| distribution | keys |", "|---|---|"]
    lines += [
        f"| `{name}` | {', '.join(f'`{k}`' for k in keys)} |" for name, keys in PRIORS.items()
    ]
    return "\n".join(lines) + "\n"


def describe_mock_config() -> str:
    """Return the documentation of every key of a mock as Markdown tables, one per section."""
    return "\n".join(markdown(MOCK_SCHEMA)).rstrip() + "\n"


def _published_sources(name: str) -> SourceDistribution:
    from ..sources import SourceDistribution

    if name == "chang2013":
        return SourceDistribution.chang2013()
    _, year = name.rsplit("_y", 1)
    return SourceDistribution.desc_srd(int(year))


# -- checks of both ------------------------------------------------------------------------------


def _check_cosmology(given: Mapping[str, Any], place: Place) -> None:
    """Refuse more baryons than matter, and a universe without a big bang.

    With x = 1 + z, H^2 / H0^2 = f(x) = Om0 x^3 + Ok0 x^2 + Ode0 must stay above 0 for x > 1,
    where it is least at x = -2 Ok0 / (3 Om0). Radiation is left out, since it only raises f:
    its x^4 takes as much from the x^2 of the curvature.
    """
    matter, dark_energy, baryons = given["Om0"], given["Ode0"], given["Ob0"]
    if baryons is not None and baryons > matter:
        place.fail(f"Ob0 = {baryons!r}: it must not be above Om0 = {matter!r}")
    if dark_energy is None:
        return
    curvature = 1.0 - matter - dark_energy
    x = max(1.0, -2.0 * curvature / (3.0 * matter))
    if not matter * x**3 + curvature * x**2 + dark_energy > 0.0:
        place.fail(
            f"Ode0 = {dark_energy!r} with Om0 = {matter!r}: such a universe has no big bang; "
            "lower Ode0"
        )


# -- checks of a model and a fit -----------------------------------------------------------------


def _with_both_components(result: dict[str, Any], given: Any, place: Place) -> Any:
    """Replace the parameter centre by centre_x and centre_y, and likewise its prior."""
    components = ("centre_x", "centre_y")
    free = result["parameters"]
    if "centre" not in free:
        return given
    twice = [name for name in components if name in free]
    if twice:
        place.fail(f"centre is one of parameters, and {twice[0]} too: choose one")
    at = free.index("centre")
    result["parameters"] = [*free[:at], *components, *free[at + 1 :]]
    if not isinstance(given, Mapping):
        given = {} if given is None else given
    if not isinstance(given, Mapping) or not {"centre", *components} & set(given):
        place.fail("centre is free and needs a prior [Mpc]: [priors.centre], of each component")
    if "centre" not in given:
        return given
    twice = [name for name in components if name in given]
    if twice:
        place.fail(f"centre has a prior, and {twice[0]} too: choose one")
    others = {name: prior for name, prior in given.items() if name != "centre"}
    return others | dict.fromkeys(components, given["centre"])


def _checked_priors(result: dict[str, Any], given: Any, place: Place) -> dict[str, Any]:
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


def _checked_prior(prior: Any, place: Place) -> dict[str, Any]:
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
        number = as_kind(prior.get(key), "float")
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


_OF_MAPS = ("pixel_scale", "depth", "sampling", "source_redshift")
_NOT_OF_MAPS = ("covariance", "inverse_critical_surface_density", "shear_kind")


def _check_together(result: dict[str, Any], place: Place) -> None:
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
    _check_effects(result, place)
    _check_sources(result["sources"], place.inside("sources"))
    _check_stack(result["stack"], place.inside("stack"))
    data = result["data"]
    if data["redshift"] is not None and data["redshift_table"] is not None:
        place.inside("data").fail("redshift and redshift_table are both given: choose one")
    others = _NOT_OF_MAPS if data["kind"] in ("mass_map", "kappa_map") else _OF_MAPS
    for key in others:
        if data[key] is not None:
            place.inside("data").fail(f"{key} is given, but kind is {data['kind']!r}")
    concentration = result["concentration"]
    if concentration["relation"] == "constant" and concentration["value"] is None:
        place.inside("concentration").fail("value is missing: relation = 'constant' needs it")
    if concentration["relation"] != "constant" and concentration["value"] is not None:
        place.inside("concentration").fail("value is given, but relation is not 'constant'")


_EFFECTS: dict[str, tuple[str | None, dict[str, str]]] = {
    "miscentring": (
        "distribution",
        {"fraction": "miscentring_fraction", "scale": "miscentring_scale"},
    ),
    "two_halo": ("combine", {"bias": "two_halo_bias"}),
    "boost": (None, {"b0": "boost_b0", "r_s": "boost_rs"}),
}
"""Section of an effect: the key that asks for it, and the parameter of each other key."""
_HAS_DEFAULT = ("two_halo_bias",)


def _check_effects(result: Mapping[str, Any], place: Place) -> None:
    """Refuse parameters of an effect without the effect, and the other way round."""
    for section, (switch, keys) in _EFFECTS.items():
        given, here = result[section], place.inside(section)
        free = [name for name in keys.values() if name in result["parameters"]]
        fixed = [key for key in keys if given[key] is not None]
        there = bool(free or fixed) if switch is None else given[switch] is not None
        if not there:
            if free:
                here.fail(f"{switch} is missing: {free[0]} is one of parameters")
            if fixed:
                here.fail(f"{switch} is missing: {fixed[0]} is given")
            continue
        for key, name in keys.items():
            if key not in fixed and name not in free and name not in _HAS_DEFAULT:
                here.fail(f"{key} is missing: give it, or make {name} one of parameters")


def _check_sources(sources: Mapping[str, Any], place: Place) -> None:
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


def _check_stack(stack: Mapping[str, Any], place: Place) -> None:
    edges, scaled = stack["edges"], stack["method"] == "wScaling"
    if edges is not None and (len(edges) < 2 or any(a >= b for a, b in pairwise(edges))):
        place.fail(f"edges = {edges!r}: two or more, strictly increasing")
    if scaled and edges is None:
        place.fail("edges is missing: method = 'wScaling' needs those of x = R / r_s")
    if (stack["masses"] is None) != (stack["scaling"] == "fit"):
        which = "is missing" if stack["masses"] is None else "is given"
        place.fail(f"masses {which}, with scaling = {stack['scaling']!r}")


# -- checks of lenses -----------------------------------------------------------------------------


def _check_relations(population: Mapping[str, Any], place: Place) -> None:
    for name in ("stellar_mass", "size", "halo_mass", "inner_slope"):
        relation, here = population[name], place.inside(name)
        others = [key for key, one in relation.items() if key != "value" and one is not None]
        if relation["value"] is not None and others:
            here.fail(f"value and {' and '.join(others)} are all given: choose one")
    slope, here = population["inner_slope"], place.inside("inner_slope")
    for key in ("mean", "sd"):
        if slope["distribution"] == "uniform" and slope[key] is not None:
            here.fail(f"{key} is given, but distribution is 'uniform'")
    if None not in (slope["low"], slope["high"]) and not slope["low"] < slope["high"]:
        here.fail(f"low = {slope['low']!r}: it must be below high = {slope['high']!r}")
    concentration, here = population["concentration"], place.inside("concentration")
    if concentration["relation"] != "constant":
        if concentration["value"] is not None:
            here.fail("value is given, but relation is not 'constant'")
    elif concentration["value"] is None:
        concentration["value"] = 5.0


def _check_lens_redshift(z_l: Any, place: Place) -> None:
    if isinstance(z_l, list) and not (len(z_l) == 2 and z_l[0] < z_l[1]):
        place.fail(f"z_l = {z_l!r}: one redshift, or two of which the second is greater")


def _check_halo(result: Mapping[str, Any], place: Place) -> None:
    lens, halo_mass = result["lens"], result["population"]["halo_mass"]
    if lens["halo"] == "m5kpc" and lens["scale_radius"] is None:
        place.fail("scale_radius is missing: halo = 'm5kpc' needs it")
    if lens["halo"] == "m5kpc" and halo_mass["value"] is None and halo_mass["mu"] is None:
        place.fail("halo = 'm5kpc' needs mu or value in [population.halo_mass]: presets are M200c")
    if lens["halo"] != "m5kpc" and lens["scale_radius"] is not None:
        place.fail("scale_radius is given, but halo is not 'm5kpc'")


def _check_mock_sources(result: Mapping[str, Any], place: Place) -> None:
    sources = result["sources"]
    if sources["distribution"] is None:
        if sources["redshift"] is None:
            sources["redshift"] = 2.0
        z_l = result["lens"]["z_l"]
        furthest = z_l[1] if isinstance(z_l, list) else z_l
        if not sources["redshift"] > furthest:
            place.fail(
                f"redshift = {sources['redshift']!r}: it must be above that of the lenses, "
                f"[lens] z_l = {z_l!r}"
            )
    elif sources["redshift"] is not None:
        place.fail("redshift and distribution are both given: choose one")
    if sources["size"] is not None and sources["size_scatter"] is None:
        sources["size_scatter"] = 0.2
    if sources["size"] is None and sources["size_scatter"] is not None:
        place.fail("size_scatter is given, which needs size: give both or neither")
    if not sources["m_min"] < sources["m_max"]:
        place.fail(f"m_min = {sources['m_min']!r}: it must be below m_max = {sources['m_max']!r}")
