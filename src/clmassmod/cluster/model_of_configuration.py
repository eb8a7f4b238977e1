"""The halo model that a configuration describes."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..configuration.info import ModelInfo
from ..configuration.model_schema import NEED_POWER
from ..errors import ConfigError, ParameterError
from ..inference.priors import prior_from_dict
from ..profiles.baryonified import BaryonifiedKind
from .baryon_factors import TabulatedKind
from .effects import Effects
from .halo_model import HaloModel

if TYPE_CHECKING:
    from ..profiles.baryons import BaryonModel

_USUAL_CONCENTRATIONS = (1.0, 15.0)
"""c_200c that relations give to masses with a signal."""
_FREE_CONCENTRATIONS = (0.3, 40.0)
"""Within which the table of baryons is good to 1e-4."""


def halo_model(info: ModelInfo) -> HaloModel:
    """Return the halo model a configuration describes."""
    from ..profiles.registry import profile_class

    given = info["profile"]
    profile: Any = profile_class(given["kind"])
    cosmology = info.make_cosmology()
    concentration = info["concentration"]
    relation = concentration["relation"]
    parameters = {k: v for k, v in given.items() if k != "kind" and v is not None}
    accepted = inspect.signature(profile).parameters
    _check_profile_parameters(info, parameters, accepted)
    power = None
    profile_needs_power = "power" in accepted
    effects = model_effects(info)
    users = [given["kind"]] * profile_needs_power + [relation] * (relation in NEED_POWER)
    users += ["the two-halo term"] * bool(effects.two_halo)
    if users:
        power = info.make_power(users[0])
    if profile_needs_power:
        parameters["power"] = power
    baryons = baryon_model(info)
    if baryons is not None and profile_needs_power:
        profile = BaryonifiedKind(profile, baryons)  # its shape depends on the redshift too
    elif baryons is not None:
        profile = TabulatedKind(
            profile,
            baryons,
            concentrations=_concentrations(info),
            cosmology=cosmology,
            parameters=parameters,
        )
    return HaloModel(
        profile=profile,
        mass_def=info["mass_def"],
        concentration=concentration["value"] if relation == "constant" else relation,
        cosmology=cosmology,
        profile_parameters=parameters,
        power=power,
        source_averaging=info["fit"]["source_average"],
        effects=effects,
    )


def baryon_model(info: ModelInfo) -> BaryonModel | None:
    """Return the model of baryons a configuration describes, None without one.

    Raises
    ------
    ConfigError
        A key of another model or without `kind`, a value out of its range, or no baryon fraction.
    """
    from ..profiles.baryons import BaryonModel, CromerGas, SchneiderGas

    where = f"{info.file or 'configuration'}: [baryons]"
    given = {key: value for key, value in info["baryons"].items() if value is not None}
    kind = given.pop("kind", None)
    if kind is None:
        if given:
            raise ConfigError(f"{where} {next(iter(given))} is given, which needs kind")
        return None
    gas_class = SchneiderGas if kind == "schneider19" else CromerGas
    of_gas = {field.name for field in dataclasses.fields(gas_class)}
    of_model = {field.name for field in dataclasses.fields(BaryonModel)}
    if kind == "cromer22":
        of_model = {"baryon_fraction", "truncation"}
    for name in given:
        if name not in of_gas | of_model:
            raise ConfigError(f"{where} {name} is given, but kind is {kind!r}")
    fixed = {"stellar_fraction": 0.0, "relaxation": 0.0} if kind == "cromer22" else {}
    try:
        gas = gas_class(**{name: value for name, value in given.items() if name in of_gas})
        shares = {name: value for name, value in given.items() if name in of_model}
        model = BaryonModel(gas, **shares, **fixed)
        model.least_mass(info.make_cosmology())
    except ParameterError as error:
        raise ConfigError(f"{where} {error}") from error
    return model


def _concentrations(info: ModelInfo) -> tuple[float, float]:
    """Return the ends of the values of c_200c that a fit may ask for."""
    low = high = info["concentration"]["value"]
    if "concentration" in info["parameters"]:
        prior = prior_from_dict(info["priors"]["concentration"], "priors.concentration")
        lowest, highest = _FREE_CONCENTRATIONS
        low, high = max(prior.low, lowest), min(prior.high, highest)
        if not low < high:
            raise ConfigError(
                f"{info.file or 'configuration'}: [priors.concentration] with baryons it must hold "
                f"values between {lowest:g} and {highest:g}"
            )
    elif low is None:
        return _USUAL_CONCENTRATIONS
    # c_200c is .5 to 2 times that of any usual definition
    return (low, high) if info["mass_def"] == "200c" else (0.4 * low, 2.5 * high)


def model_effects(info: ModelInfo) -> Effects:
    """Return the effects a configuration describes, with the parameters that are free."""
    given = {
        "miscentring_fraction": info["miscentring"]["fraction"],
        "miscentring_scale": info["miscentring"]["scale"],
        "boost_b0": info["boost"]["b0"],
        "boost_rs": info["boost"]["r_s"],
        "two_halo_bias": info["two_halo"]["bias"],
    }
    free = info["parameters"]
    values = {name: value for name, value in given.items() if value is not None}
    twice = sorted(set(values) & set(free))
    if twice:
        raise ConfigError(
            f"{info.file or 'configuration'}: {twice[0]} is one of parameters, and has a value in "
            "its section: choose one"
        )
    return Effects(
        offsets=info["miscentring"]["distribution"],
        two_halo=info["two_halo"]["combine"],
        boost=any(name in values or name in free for name in ("boost_b0", "boost_rs")),
        bin_average=info["fit"]["bin_average"],
        values=values,
    )


def _check_profile_parameters(
    info: ModelInfo, given: Mapping[str, Any], accepted: Mapping[str, inspect.Parameter]
) -> None:
    where = f"{info.file or 'configuration'}: [profile] {info['profile']['kind']}"
    for name in given:
        if name not in accepted:
            raise ConfigError(f"{where} has no parameter {name}")
    supplied = {"mass", "concentration", "redshift", *given, *info["parameters"]}
    for name, parameter in accepted.items():
        if parameter.default is parameter.empty and name not in supplied:
            raise ConfigError(f"{where} needs {name}")
