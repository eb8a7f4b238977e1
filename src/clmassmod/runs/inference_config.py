"""The configuration of ``clmassmod infer``: keys, checks, documentation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..configuration.base import Place, as_kind, markdown
from ..configuration.files import read_mapping
from ..configuration.infer_schema import INFER_SCHEMA
from ..configuration.info import LensInfo
from ..configuration.model_schema import Schema
from ..errors import ParameterError, nearest
from ..inference.posterior import check_support
from ..inference.prior_set import PriorSet
from ..population.count_families import SchechterFamily
from ..population.finding import FIND_NAMES
from ..population.kernels import DEFAULT_BOX
from ..population.parameters import DEFAULT_FREE, PARAMETERS

_FREE_SECTIONS = """\
### Parameters that can be free

| relation | parameters |
|---|---|
| stellar_mass | `mu_star`, `sigma_star`, `shape_star` (location, scale, log10_shape) |
| size | `mu_r`, `beta_r`, `sigma_r` (intercept, slope, scatter) |
| halo_mass | `mu_h`, `beta_h`, `xi_h`, `sigma_h` |
| inner_slope | `mu_g`, `sigma_g` (mean, sd) |
| mismatch | `alpha_sps`, `sigma_sps`, `beta_sps` (alpha, scatter, slope) |
| sources | `source_slope`, `source_m_star`; with n_galaxies or field_counts also `source_density` |

### [box]

`name = [low, high]`: walls of a free parameter, inside which the tables are accurate. Those that
are not named: alpha_sps -0.2 to 0.4, mu_h 12 to 14, beta_h 0.5 to 3, sigma_h 0.1 to 0.6,
mu_g 0.5 to 1.5, sigma_g 0.1 to 0.5; others have none and must be given. With
`kind = "einstein_radius"`, `find_slope` (1/arcsec) and `find_radius` (arcsec) can be free too.

### [priors.<name>]

| distribution | keys |
|---|---|
| `uniform` | `low`, `high` |
| `log-uniform` | `low`, `high` |
| `normal` or `truncated-normal` | `mean`, `sd`, and where it is cut `low`, `high` |
| `multivariate-normal` | `names`, `mean`, `covariance`, `low`, `high`, for several parameters |

Without one, a parameter is uniform in its box. A prior that reaches outside the box is an error,
a normal one without `low` and `high` too.
"""
_NEEDED = ("sim_id", "run_id")


class InferInfo(LensInfo):
    """A complete, checked configuration of an inference.

    A dict of sections, every default filled in; keys of relations that are not given are
    those of the preset. Made by `load_infer_config` or `InferInfo.from_dict`.
    """

    schema: ClassVar[Schema] = INFER_SCHEMA

    def make_priors(self) -> PriorSet:
        """Return the priors: those that are given, uniform within the box for the others.

        Raises
        ------
        ParameterError
            A prior that reaches outside the box.
        """
        named = {name for key, one in self["priors"].items() for name in _names(key, one)}
        uniform = {
            name: {"distribution": "uniform", "low": low, "high": high}
            for name, (low, high) in self["box"].items()
            if name not in named
        }
        priors = PriorSet({**self["priors"], **uniform}).ordered(tuple(self["free"]))
        check_support(priors, self["box"])
        return priors

    @classmethod
    def _completed(
        cls, result: dict[str, Any], given: Mapping[str, Any], place: Place
    ) -> dict[str, Any]:
        result = super()._completed(result, given, place)
        missing = [key for key in _NEEDED if not result[key]]
        if missing:
            place.fail(f"{' and '.join(missing)} must be given: each run has its own")
        if result["data"]["file"] is None:
            place.inside("data").fail("file must be given: the sample of lenses")
        if result["free"] is None:
            result["free"] = list(DEFAULT_FREE)
        rings = result["data"]["kind"] == "einstein_radius"
        survey = FIND_NAMES if rings else SchechterFamily.names
        known = (*PARAMETERS, *survey)
        _check_free(result["free"], known, place)
        for section in ("box", "priors"):
            content = {} if given.get(section) is None else given[section]
            if not isinstance(content, Mapping):
                place.fail(f"{section} = {content!r}: it must be a section [{section}]")
            result[section] = dict(content)
        result["box"] = _completed_box(result["box"], result["free"], known, place.inside("box"))
        _check_priors(result["priors"], result["free"], known, place.inside("priors"))
        _check_field(result["field_counts"], place.inside("field_counts"))
        return result


def load_infer_config(path: str | os.PathLike[str]) -> InferInfo:
    """Return the configuration of an inference from a TOML, YAML, JSON or INI file.

    Parameters
    ----------
    path : path
        As `load_config` takes; sections within sections are ``[priors.mu_h]``.

    Raises
    ------
    ConfigError
        As `load_config`.
    """
    return InferInfo.from_dict(read_mapping(path), path)


def describe_infer_config() -> str:
    """Return the documentation of every key as Markdown, one part per section."""
    return "\n".join([*markdown(INFER_SCHEMA), _FREE_SECTIONS]).rstrip() + "\n"


def _check_free(free: list[str], known: Sequence[str], place: Place) -> None:
    for name in free:
        if name not in known:
            hint = nearest(name, known) or f"Parameters are {', '.join(known)}."
            place.fail(f"free: {name!r} is not a parameter. {hint}")
    if len(set(free)) != len(free) or not free:
        place.fail(f"free = {free!r}: at least one, each once")


def _check_field(given: Mapping[str, Any], place: Place) -> None:
    needed = ("edges", "numbers", "area")
    missing = [name for name in needed if given[name] is None]
    if 0 < len(missing) < len(needed):
        place.fail(f"{' and '.join(missing)} must be given with the others")


def _check_is_free(name: str, free: list[str], known: Sequence[str], place: Place) -> None:
    if name in free:
        return
    if name in known:
        place.fail(f"{name!r} is not free; free are {', '.join(free)}")
    place.unknown(name, free)


def _completed_box(
    given: Mapping[str, Any], free: list[str], known: Sequence[str], place: Place
) -> dict[str, list[float]]:
    """Return the walls of every free parameter, [low, high]."""
    for name, value in given.items():
        _check_is_free(name, free, known, place)
        ends = as_kind(value, "list of floats")
        if ends is None or len(ends) != 2 or not ends[0] < ends[1]:
            place.fail(f"{name} = {value!r}: it must be [low, high], low < high")
    box = {**DEFAULT_BOX, **given}
    missing = [name for name in free if name not in box]
    if missing:
        place.fail(f"{' and '.join(missing)} must be given: there are no default walls")
    return {name: [float(end) for end in box[name]] for name in free}


def _check_priors(
    priors: dict[str, Any], free: list[str], known: Sequence[str], place: Place
) -> None:
    for key, one in priors.items():
        inside = place.inside(key)
        if not isinstance(one, Mapping):
            inside.fail(f"is {one!r}, where distribution and its keys are needed")
        for name in _names(key, one):
            _check_is_free(name, free, known, inside)
        priors[key] = dict(one)
        _check_prior_set({key: priors[key]}, inside)
    _check_prior_set(priors, place)


def _check_prior_set(priors: dict[str, Any], place: Place) -> None:
    try:
        PriorSet(priors)
    except (ParameterError, TypeError, ValueError) as error:
        # what names the prior itself needs no section before it
        named = str(error).startswith("priors.")
        (Place(place.file) if named else place).fail(str(error))


def _names(key: str, prior: Mapping[str, Any]) -> list[str]:
    names = prior.get("names", [key])
    return [names] if isinstance(names, str) else list(names)
