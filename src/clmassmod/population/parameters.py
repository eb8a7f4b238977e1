"""Parameters of a lens population by name, free or fixed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..distributions import Normal
from ..errors import ParameterError, nearest
from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.relations import (
    HaloMassRelation,
    Independent,
    LinearRelation,
    Mismatch,
    SkewNormal,
)

Array = npt.NDArray[np.float64]

# name -> relation of LensPopulation and its field, in the order the core takes them
_FIELDS = {
    "mu_star": ("stellar_mass", "location"),
    "sigma_star": ("stellar_mass", "scale"),
    "shape_star": ("stellar_mass", "log10_shape"),
    "mu_r": ("size", "intercept"),
    "beta_r": ("size", "slope"),
    "sigma_r": ("size", "scatter"),
    "mu_h": ("halo_mass", "mu"),
    "beta_h": ("halo_mass", "beta"),
    "xi_h": ("halo_mass", "xi"),
    "sigma_h": ("halo_mass", "sigma"),
    "mu_g": ("inner_slope", "mean"),
    "sigma_g": ("inner_slope", "sd"),
    "alpha_sps": ("mismatch", "alpha"),
    "sigma_sps": ("mismatch", "scatter"),
    "beta_sps": ("mismatch", "slope"),
}
PARAMETERS = tuple(_FIELDS)
"""Names of the parameters of a population.

``log Msps ~ SkewNormal(mu_star, sigma_star, 10^shape_star)``;
``log Re ~ N(mu_r + beta_r d, sigma_r)`` with ``d = log Msps - 11.4``;
``log Mh ~ N(mu_h + beta_h d + xi_h (log Re - mean), sigma_h)``;
``gamma ~ N(mu_g, sigma_g)`` cut to its support;
``log M* - log Msps ~ N(alpha_sps + beta_sps d, sigma_sps)``.
"""
DEFAULT_FREE = ("alpha_sps", "mu_h", "beta_h", "sigma_h", "mu_g", "sigma_g")
"""The six parameters that are free by default."""
POSITIVE = ("sigma_star", "sigma_r", "sigma_h", "sigma_g")
"""Scatters that must be > 0."""

_KINDS = {
    "stellar_mass": SkewNormal,
    "size": LinearRelation,
    "halo_mass": HaloMassRelation,
    "mismatch": Mismatch,
}


class PopulationParameters:
    """What is free and what is fixed in a population.

    Parameters
    ----------
    population : LensPopulation
        Gives the fixed values. Its relations are of the kinds of `LensPopulation`'s defaults.
    free : sequence of str
        Names out of `PARAMETERS`, in the order of the columns of eta.

    Raises
    ------
    ParameterError
        An unknown or repeated name, or a relation of another kind.

    Examples
    --------
    >>> from clmassmod.stronglens import LensPopulation
    >>> parameters = PopulationParameters(LensPopulation(), free=["alpha_sps", "mu_h"])
    >>> parameters.vectors([0.1, 12.8]).shape
    (1, 15)
    """

    def __init__(self, population: LensPopulation, free: Sequence[str] = DEFAULT_FREE) -> None:
        _check_relations(population)
        self.population = population
        self.free = tuple(free)
        for name in self.free:
            if name not in _FIELDS:
                hint = nearest(str(name), PARAMETERS)
                raise ParameterError("free", name, f"among {', '.join(PARAMETERS)}", hint)
        if len(set(self.free)) != len(self.free):
            raise ParameterError("free", self.free, "different names")
        self._columns = [PARAMETERS.index(name) for name in self.free]
        self.fixed = np.array([_value(population, name) for name in PARAMETERS])
        """(15,) values of `population`."""

    @property
    def gamma_support(self) -> tuple[float, float]:
        """Ends of the support of the inner slope."""
        distribution = self.population.inner_slope.distribution
        return distribution.low, distribution.high

    @property
    def pivots(self) -> tuple[float, float, float]:
        """log10 stellar masses where mu_r, mu_h and alpha_sps are stated."""
        p = self.population
        return p.size.pivot, p.halo_mass.pivot, p.mismatch.pivot

    @property
    def values(self) -> Array:
        """(d,) values of the free parameters in `population`."""
        return np.array(self.fixed[self._columns])

    def vectors(self, eta: Any) -> Array:
        """Return all 15 parameters, (n, 15), for free ones (n, d) or (d,).

        Raises
        ------
        ParameterError
            Another number of columns, or a value that is not finite.
        """
        free = np.asarray(eta, dtype=np.float64)
        free = free.reshape(1, -1) if free.ndim == 1 else free
        if free.ndim != 2 or free.shape[1] != len(self.free):
            allowed = f"(n, {len(self.free)}): {', '.join(self.free)}"
            raise ParameterError("eta.shape", np.shape(eta), allowed)
        if not np.isfinite(free).all():
            row, column = np.argwhere(~np.isfinite(free))[0]
            value = float(free[row, column])
            raise ParameterError(f"eta[{row}]: {self.free[column]}", value, "finite")
        result = np.tile(self.fixed, (len(free), 1))
        result[:, self._columns] = free
        return result

    def with_values(self, eta: Any) -> LensPopulation:
        """Return the population at one eta (d,)."""
        numbers = dict(zip(PARAMETERS, self.vectors(eta)[0].tolist(), strict=True))
        return population_of(self.population, numbers)


def checked_box(box: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Return ranges of parameters, each (low, high) finite and increasing."""
    result = {}
    for name, given in box.items():
        if name not in PARAMETERS:
            hint = nearest(str(name), PARAMETERS)
            raise ParameterError("box", name, f"names out of {', '.join(PARAMETERS)}", hint)
        low, high = (float(v) for v in given)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ParameterError(f"box[{name!r}]", given, "(low, high), finite, low < high")
        least = 0.0 if name == "sigma_sps" else -math.inf
        if name in POSITIVE and not low > 0.0:
            raise ParameterError(f"box[{name!r}]", given, "low > 0")
        if low < least or (name == "beta_sps" and low <= -1.0):
            raise ParameterError(f"box[{name!r}]", given, "within the range of a population")
        result[name] = (low, high)
    return result


def range_text(ranges: Mapping[str, tuple[float, float]]) -> str:
    """Return the ranges that are not single values as text."""
    # sorted, as files keep them: a hash is over this text
    return ", ".join(f"{n} {a:g} to {b:g}" for n, (a, b) in sorted(ranges.items()) if a != b)


def checked_points(vectors: Any) -> Array:
    """Return points (n, 15) of a population whose scatters are > 0."""
    points = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    if points.ndim != 2 or points.shape[1] != len(PARAMETERS):
        raise ParameterError("vectors.shape", np.shape(vectors), f"(n, {len(PARAMETERS)})")
    for name in POSITIVE:
        column = points[:, PARAMETERS.index(name)]
        if not (column > 0.0).all():
            at = int(np.argmin(column > 0.0))
            raise ParameterError(f"vectors[{at}]: {name}", float(column[at]), "> 0")
    return points


def population_of(population: LensPopulation, numbers: Mapping[str, float]) -> LensPopulation:
    """Return `population` with some of its `PARAMETERS` set."""
    changes: dict[str, dict[str, float]] = {}
    for name, value in numbers.items():
        relation, field = _FIELDS[name]
        changes.setdefault(relation, {})[field] = float(value)
    relations = {}
    for relation, fields in changes.items():
        given = getattr(population, relation)
        if relation == "inner_slope":
            old = given.distribution
            numbers_of = {"mean": old.mean, "sd": old.sd, "low": old.low, "high": old.high}
            relations[relation] = Independent(Normal(**(numbers_of | fields)))
        else:
            keys = [f for f in given.__dataclass_fields__ if f != "kind"]
            relations[relation] = type(given)(**({k: getattr(given, k) for k in keys} | fields))
    return population.replace(**relations)


def place_of(name: str) -> str:
    """Return where one of `PARAMETERS` stands in a population, such as ``halo_mass.mu``."""
    return ".".join(_FIELDS[name])


def _value(population: LensPopulation, name: str) -> float:
    relation, field = _FIELDS[name]
    given = getattr(population, relation)
    return float(getattr(given.distribution if relation == "inner_slope" else given, field))


def _check_relations(population: LensPopulation) -> None:
    for name, kind in _KINDS.items():
        given = getattr(population, name)
        if not isinstance(given, kind):
            raise ParameterError(f"population.{name}", given, f"a {kind.__name__}")
    if population.halo_mass.size not in (None, population.size):
        given = population.halo_mass.size
        allowed = "None or the size relation of the population"
        raise ParameterError("population.halo_mass.size", given, allowed)
    slope = population.inner_slope
    good = isinstance(slope, Independent) and isinstance(slope.distribution, Normal)
    if not good or not (slope.distribution.low >= 0.0 and slope.distribution.high < 3.0):
        allowed = "Normal(mean, sd, low, high) with a support within [0, 3)"
        raise ParameterError("population.inner_slope", slope, allowed)
