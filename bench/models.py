"""Our profiles as the workloads use them, each with an independent truth.

The list is that of `clmassmod.profiles.registry`; the arguments of a constructor are found by
their names in `VALUES`, so that a new profile is measured as soon as its arguments are there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from . import oracles
from .oracles import Array

MASS, CONCENTRATION, REDSHIFT = 5e14, 4.0, 0.3
ALPHA, INNER_SLOPE, TRUNCATION = 0.18, 0.7, 6.0
VELOCITY, STELLAR_MASS, EFFECTIVE_RADIUS, INDEX = 900.0, 1e12, 0.03, 3.0

VALUES: dict[str, Any] = {
    "mass": MASS,
    "concentration": CONCENTRATION,
    "redshift": REDSHIFT,
    "alpha": ALPHA,
    "inner_slope": INNER_SLOPE,
    "truncation": TRUNCATION,
    "sigma_v": VELOCITY,
    "velocity_dispersion": VELOCITY,
    "slope": 2.2,
    "radius": 1.0,
    "reference_radius": 1.0,
    "core": 0.05,
    "core_radius": 0.05,
    "cut": 1.5,
    "cut_radius": 1.5,
    "stellar_mass": STELLAR_MASS,
    "effective_radius": EFFECTIVE_RADIUS,
    "R_e": EFFECTIVE_RADIUS,
    "index": INDEX,
    "sersic_index": INDEX,
    "n": INDEX,
    "peak_height": 3.0,
}
"""Argument of a constructor -> its value."""

Shape = Callable[[Array], Array]


@dataclass(frozen=True)
class Model:
    """One of our profiles: how to build it, and what its Delta Sigma should be."""

    name: str
    kind: type
    arguments: dict[str, Any]
    truth: Callable[[Any, Array], Array]
    """From the profile and radii to Delta Sigma."""
    tolerance: float
    oracle: str
    replaced: tuple[str, ...] = field(default=("mass", "concentration", "redshift"))

    def make(self) -> Any:
        """Return one profile."""
        return self.kind(**self.arguments)

    @property
    def is_halo(self) -> bool:
        """Whether it is given by mass, concentration and redshift."""
        return all(name in self.arguments for name in self.replaced)

    def batch(self, mass: Any, concentration: Any, redshift: Any) -> Any:
        """Return n profiles for (n,) arrays."""
        values = dict(zip(self.replaced, (mass, concentration, redshift), strict=True))
        return self.kind(**{**self.arguments, **values})


# -- truths ---------------------------------------------------------------------------------------


def _nfw(halo: Any, R: Array) -> Array:
    return oracles.nfw(R, MASS, CONCENTRATION, oracles.overdensity_radius(MASS, REDSHIFT))[1]


def _normalised(shape: Shape, halo: Any, R: Array) -> Array:
    radius = float(oracles.overdensity_radius(MASS, REDSHIFT))
    rho = oracles.normalised(shape, MASS, radius, radius / CONCENTRATION)
    return oracles.excess_of_density(rho, R)


def _own_density(halo: Any, R: Array) -> Array:
    return oracles.excess_of_density(halo.density, R)


def _isothermal(halo: Any, R: Array) -> Array:
    return np.asarray(VELOCITY**2 / (2.0 * oracles.constants()[0] * R))


def _point_mass(halo: Any, R: Array) -> Array:
    return np.asarray(MASS / (np.pi * R**2))


def _sersic(index: float, halo: Any, R: Array) -> Array:
    from scipy.special import gamma, gammaincinv

    b = float(gammaincinv(2.0 * index, 0.5))
    area = 2.0 * np.pi * index * EFFECTIVE_RADIUS**2 * gamma(2.0 * index)
    central = STELLAR_MASS * b ** (2.0 * index) / area
    return oracles.excess_of_surface_density(
        lambda r: central * np.exp(-b * (r / EFFECTIVE_RADIUS) ** (1.0 / index)), R
    )


def _bmo(x: Array) -> Array:
    return TRUNCATION**2 / (TRUNCATION**2 + x**2) / (x * (1.0 + x) ** 2)


_OWN = (_own_density, 2e-6, "projection of its own density")
_QUADRATURE = "quadrature of rho normalised to M"
_TRUTHS: dict[str, tuple[Callable[[Any, Array], Array], float, str]] = {
    "nfw": (_nfw, 1e-12, "mpmath, 40 digits"),
    "gnfw": (
        partial(_normalised, lambda x: x**-INNER_SLOPE * (1.0 + x) ** (INNER_SLOPE - 3.0)),
        1e-6,
        _QUADRATURE,
    ),
    "bmo": (partial(_normalised, _bmo), 1e-10, _QUADRATURE),
    "einasto": (
        partial(_normalised, lambda x: np.exp(-2.0 / ALPHA * (x**ALPHA - 1.0))),
        1e-6,
        _QUADRATURE,
    ),
    "hernquist": (partial(_normalised, lambda x: 1.0 / (x * (1.0 + x) ** 3)), 1e-10, _QUADRATURE),
    "burkert": (
        partial(_normalised, lambda x: 1.0 / ((1.0 + x) * (1.0 + x**2))),
        1e-6,
        _QUADRATURE,
    ),
    "sis": (_isothermal, 1e-12, "sigma_v^2 / (2 G R)"),
    "pointmass": (_point_mass, 1e-12, "M / (pi R^2)"),
    "sersic": (partial(_sersic, INDEX), 1e-6, "quadrature of Sigma"),
    "devaucouleurs": (partial(_sersic, 4.0), 1e-6, "quadrature of Sigma"),
}
"""Name in lower case -> Delta Sigma, error allowed, what the truth is."""


# -- the list -------------------------------------------------------------------------------------


def available() -> tuple[list[Model], list[str]]:
    """Return the models of all registered profiles, and those left out, each with the reason."""
    from clmassmod.profiles.registry import profile_class, profile_names

    models, left_out = [], []
    for name in profile_names():
        model = _model(name, profile_class(name))
        if model is None:
            left_out.append(f"{name}: an argument is not in bench/models.py")
            continue
        try:
            model.make()
        except Exception as error:  # one profile that has changed must not stop the others
            left_out.append(f"{name}: {error}")
        else:
            models.append(model)
    return models, left_out


def named(name: str) -> Model:
    """Return the model called `name`, in any case."""
    from clmassmod.profiles.registry import profile_class

    kind = profile_class(name)
    model = _model(kind.__name__, kind)
    if model is None:
        raise ValueError(f"no arguments for {name} in bench/models.py")
    return model


def mass_definition(name: str) -> str:
    """Return the name of the mass definition that the model called `name` uses."""
    return str(named(name).make().mass_def.name)


def _model(name: str, kind: type) -> Model | None:
    arguments = _composite(kind) if name.lower() == "composite" else _arguments(kind)
    if name.lower() == "userprofile":
        arguments = {"rho": _user_density, "redshift": REDSHIFT}
    if arguments is None:
        return None
    truth, tolerance, oracle = _TRUTHS.get(name.lower(), _OWN)
    return Model(name, kind, arguments, truth, tolerance, oracle)


def _arguments(kind: type) -> dict[str, Any] | None:
    """Return the values of the constructor's arguments; None if one is not known here."""
    parameters = list(inspect.signature(kind).parameters.values())
    if any(p.default is p.empty and p.name not in VALUES for p in parameters):
        return None
    return {p.name: VALUES[p.name] for p in parameters if p.name in VALUES}


def _composite(kind: type) -> dict[str, Any] | None:
    from clmassmod import NFW

    first = next(iter(inspect.signature(kind).parameters))
    return {first: [NFW(MASS, CONCENTRATION, REDSHIFT), NFW(1e13, 8.0, REDSHIFT)]}


def _user_density(r: Any) -> Any:
    """A cored density that no built-in profile has [Msun / Mpc^3]."""
    return 1e15 / (0.2**2 + np.asarray(r) ** 2) ** 1.5
