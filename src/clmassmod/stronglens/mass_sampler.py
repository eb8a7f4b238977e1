"""Populations of lens galaxies: one relation per property, and samples of galaxies from them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..distributions import Normal
from ..errors import ParameterError, nearest
from ..rng import checked_ids, checked_seed, keyed_uniforms
from .relations import (
    Constant,
    HaloMassRelation,
    Independent,
    LinearRelation,
    Mismatch,
    Relation,
    SkewNormal,
    as_relation,
)

Array = npt.NDArray[np.float64]

# relation of the population -> the column it draws, in the order of drawing
_COLUMNS = {
    "z_l": "z_l",
    "stellar_mass": "log_msps",
    "size": "log_re",
    "halo_mass": "log_mhalo",
    "inner_slope": "gamma_in",
    "mismatch": "alpha_sps",
    "concentration": "c200",
}
# what a lens can have, as half-open intervals; the slope of a halo of finite mass is below 3
_ALLOWED = {
    "z_l": (np.nextafter(0.0, 1.0), math.inf),
    "inner_slope": (0.0, 3.0),
    "concentration": (np.nextafter(0.0, 1.0), math.inf),
}

# skew normal of log Msps; intercept, slope, scatter of log Re; mu, beta, xi, sigma of log Mh
_PRESETS = {
    "deVauc": ((11.252, 0.202, 0.17), (0.774, 0.977, 0.112), (12.91, 2.04, 0.0, 0.37)),
    "SerExp": ((11.274, 0.254, 0.31), (0.854, 1.218, 0.129), (12.83, 1.73, -0.03, 0.32)),
    "Sersic": ((11.249, 0.285, 0.44), (0.855, 1.366, 0.147), (12.79, 1.70, -0.14, 0.35)),
}


@dataclass(frozen=True, eq=False)
class GalaxySample:
    """Galaxies drawn from a population; every attribute is an array of shape (n,).

    Attributes
    ----------
    galaxy_id : ndarray of int
    log_msps : ndarray
        log10 of the stellar mass of stellar-population synthesis [Msun].
    log_re : ndarray
        log10 of the half-light radius [physical kpc].
    log_mhalo : ndarray
        log10 of the halo mass M200c [Msun].
    gamma_in : ndarray
        Inner slope of the halo.
    alpha_sps : ndarray
        log10 of true stellar mass over that of synthesis.
    log_mstar : ndarray
        ``log_msps + alpha_sps``.
    c200 : ndarray
        Concentration.
    z_l : ndarray
        Redshift.
    """

    galaxy_id: npt.NDArray[np.int64]
    log_msps: Array
    log_re: Array
    log_mhalo: Array
    gamma_in: Array
    alpha_sps: Array
    log_mstar: Array
    c200: Array
    z_l: Array

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def __len__(self) -> int:
        return int(self.galaxy_id.size)

    def __getitem__(self, index: Any) -> GalaxySample:
        """Return the galaxies of a slice, a mask or an array of indices."""
        if isinstance(index, int | np.integer):
            index = [index]
        return GalaxySample(**{name: column[index] for name, column in self.columns().items()})

    def __repr__(self) -> str:
        return f"<GalaxySample: {len(self)} galaxies>"


def _default(preset: int) -> Any:
    numbers = _PRESETS["deVauc"][preset]
    return (SkewNormal, LinearRelation, HaloMassRelation)[preset](*numbers)


@dataclass(frozen=True)
class LensPopulation:
    """Population of galaxies: the distribution of stellar mass, size, halo and redshift.

    Every relation may be given as a `Relation`, a number (no scatter), a `Distribution` (of
    nothing else) or the mapping its `to_dict` gives. Each is conditional on the ones before it
    in this order: ``z_l``, ``stellar_mass``, ``size``, ``halo_mass``, ``inner_slope``,
    ``mismatch``, ``concentration``.

    Parameters
    ----------
    stellar_mass : relation of log Msps
        A `SkewNormal` by default.
    size : relation of log Re [kpc]
        A `LinearRelation` in log Msps by default.
    halo_mass : relation of log M200c
        A `HaloMassRelation` by default.
    inner_slope : relation of gamma
        Within [0, 3); normal (1, 0.2) cut to [0, 2] by default.
    mismatch : relation of alpha_sps
        ``Mismatch(0)`` by default: log M* = log Msps + alpha_sps.
    concentration : relation of c200
        > 0; 5 by default.
    z_l : relation of the lens redshift
        > 0; 0.3 by default.
    sersic_n : float, >= 0.5 and < 20
        Sersic index of the stars; 4 is de Vaucouleurs'.
    imf : str
        Initial mass function of Msps, recorded only.

    Raises
    ------
    ParameterError
        If an argument is no relation or outside its range.

    Notes
    -----
    The defaults are the fits of Sonnenfeld et al. (2019) to CMASS galaxies with
    de Vaucouleurs' profiles. All relations are in Msps, not in M*.

    Examples
    --------
    >>> population = LensPopulation(mismatch=0.1)
    >>> galaxies = population.sample(range(3), seed=1)
    >>> bool(abs(galaxies.log_mstar - galaxies.log_msps - 0.1).max() < 1e-12)
    True
    """

    stellar_mass: Any = dataclasses.field(default_factory=lambda: _default(0))
    size: Any = dataclasses.field(default_factory=lambda: _default(1))
    halo_mass: Any = dataclasses.field(default_factory=lambda: _default(2))
    inner_slope: Any = dataclasses.field(
        default_factory=lambda: Independent(Normal(1.0, 0.2, 0.0, 2.0))
    )
    mismatch: Any = dataclasses.field(default_factory=Mismatch)
    concentration: Any = 5.0
    z_l: Any = 0.3
    sersic_n: float = 4.0
    imf: str = "chabrier"

    def __post_init__(self) -> None:
        for name in _COLUMNS:
            relation = as_relation(getattr(self, name), name)
            _check_support(name, relation)
            object.__setattr__(self, name, relation)
        n = self.sersic_n
        if not (isinstance(n, int | float | np.number) and 0.5 <= n < 20.0):
            raise ParameterError("sersic_n", n, "a number, >= 0.5 and < 20")
        if not isinstance(self.imf, str):
            raise ParameterError("imf", self.imf, "a name, such as 'chabrier'")

    @classmethod
    def preset(cls, name: str = "deVauc", **relations: Any) -> LensPopulation:
        """Return a population with the relations of Sonnenfeld et al. (2019).

        Parameters
        ----------
        name : {"deVauc", "SerExp", "Sersic"}
            The light profile whose masses and sizes the relations were fitted to.
        **relations
            What to set otherwise, as for `LensPopulation`.
        """
        if name not in _PRESETS:
            allowed = f"one of {', '.join(_PRESETS)}"
            raise ParameterError("name", name, allowed, nearest(str(name), _PRESETS))
        mass, size, halo = _PRESETS[name]
        fitted = {
            "stellar_mass": SkewNormal(*mass),
            "size": LinearRelation(*size),
            "halo_mass": HaloMassRelation(*halo),
        }
        return cls(**(fitted | relations))

    def replace(self, **relations: Any) -> LensPopulation:
        """Return the population with some relations replaced.

        With the same seed, properties that do not depend on the replaced ones stay the same.
        """
        allowed = {field.name for field in dataclasses.fields(self)}
        for name in relations:
            if name not in allowed:
                raise ParameterError(
                    "relation", name, f"one of {', '.join(allowed)}", nearest(name, allowed)
                )
        return dataclasses.replace(self, **relations)

    def sample(self, ids: Any, seed: int, n_threads: int = 1) -> GalaxySample:
        """Return the galaxies of the given ids.

        Parameters
        ----------
        ids : (n,) array_like of int, >= 0 and < 2^63
            A galaxy depends on its id and the seed, not on the others drawn with it.
        seed : int, >= 0 and < 2^64
        n_threads : int, >= 0
            Threads for the random numbers; 0 is all.

        Raises
        ------
        ParameterError
            If an argument is out of range, or a relation does not give (n,) finite numbers.
        """
        checked_seed(seed)
        objects = checked_ids("ids", np.asarray(ids))
        if objects.size and objects.max() >= 1 << 63:
            raise ParameterError("ids", int(objects.max()), "< 2^63")
        given: dict[str, Array] = {}
        for name, column, relation in self._relations():
            uniforms = np.empty((objects.size, 0))
            if relation.n_uniforms > 0:
                purpose = f"lens population: {name}"
                uniforms = keyed_uniforms(seed, purpose, objects, relation.n_uniforms, n_threads)
            given[column] = _checked_draws(
                name, _drawn(name, relation, uniforms, given), len(objects)
            )
        return GalaxySample(
            galaxy_id=objects.astype(np.int64),
            log_mstar=given["log_msps"] + given["alpha_sps"],
            **given,
        )

    def log_density(self, sample: GalaxySample | Mapping[str, Array]) -> Array:
        """Natural logarithm of the joint density of galaxies, (n,).

        Per unit of every property that has scatter (dex for logarithms); -inf where one
        without scatter is not at its value.
        """
        given = _as_columns(sample)
        parts = [relation.log_density(given[c], given) for _, c, relation in self._relations()]
        return np.asarray(sum(parts[1:], parts[0]), dtype=np.float64)

    def fit(self, sample: GalaxySample | Mapping[str, Array]) -> LensPopulation:
        """Return the population whose relations, each of the same kind, fit `sample` best.

        Maximum likelihood per relation, from the properties taken as exact. Numbers,
        concentration relations and distributions other than normal stay as they are.
        """
        given = _as_columns(sample)
        fitted: dict[str, Any] = {}
        for name, column, relation in self._own_relations():
            if isinstance(relation, HaloMassRelation):
                best = _fitted_halo_mass(relation, fitted["size"], given[column], given)
            else:
                best = relation.fitted(given[column], given)
            fitted[name] = best
        return dataclasses.replace(self, **fitted)

    def to_dict(self) -> dict[str, Any]:
        """Return the population as plain values; `from_dict` makes it again."""
        relations = {name: relation.to_dict() for name, _, relation in self._own_relations()}
        return {**relations, "sersic_n": float(self.sersic_n), "imf": self.imf}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LensPopulation:
        """Return the population of `to_dict`; missing keys take the defaults."""
        allowed = [field.name for field in dataclasses.fields(cls)]
        for name in content:
            if name not in allowed:
                raise ParameterError(
                    "key", name, f"one of {', '.join(allowed)}", nearest(name, allowed)
                )
        return cls(**content)

    def _own_relations(self) -> Iterator[tuple[str, str, Relation]]:
        for name, column in _COLUMNS.items():
            yield name, column, getattr(self, name)

    def _relations(self) -> Iterator[tuple[str, str, Relation]]:
        """Yield (name, column, relation) in the order of drawing, the halo's with its size."""
        for name, column, relation in self._own_relations():
            if name == "halo_mass" and isinstance(relation, HaloMassRelation):
                yield name, column, _with_size(relation, self.size)
            else:
                yield name, column, relation


def _with_size(halo_mass: HaloMassRelation, size: Relation) -> HaloMassRelation:
    if halo_mass.size is None and isinstance(size, LinearRelation):
        return dataclasses.replace(halo_mass, size=size)
    return halo_mass


def _fitted_halo_mass(
    halo_mass: HaloMassRelation, size: Relation, value: Array, given: Mapping[str, Array]
) -> Relation:
    best = _with_size(halo_mass, size).fitted(value, given)
    # a relation that takes the size relation of its population still does
    return dataclasses.replace(best, size=halo_mass.size)


def _check_support(name: str, relation: Relation) -> None:
    if name not in _ALLOWED:
        return
    if isinstance(relation, Constant):
        low = high = relation.value
    elif isinstance(relation, Independent):
        low, high = relation.distribution.low, relation.distribution.high
    else:
        return
    least, beyond = _ALLOWED[name]
    # an end is drawn with probability 0, so the support may reach up to `beyond`
    inside = high < beyond or (isinstance(relation, Independent) and high <= beyond)
    if not (low >= least and inside):
        text = "within [0, 3)" if name == "inner_slope" else "> 0"
        raise ParameterError(name, relation, text, "Cut the distribution with low= and high=.")


def _drawn(name: str, relation: Relation, uniforms: Array, given: dict[str, Array]) -> Any:
    try:
        return relation.sample(uniforms, given)
    except KeyError as error:
        allowed = f"one of the columns drawn before: {', '.join(given) or 'none'}"
        raise ParameterError(f"{name}.sample: column", error.args[0], allowed) from error


def _checked_draws(name: str, values: Any, n: int) -> Array:
    draws = np.asarray(values, dtype=np.float64)
    if draws.shape != (n,):
        raise ParameterError(f"{name}.sample", f"array of shape {draws.shape}", f"of shape {(n,)}")
    if not np.isfinite(draws).all():
        at = int(np.argmin(np.isfinite(draws)))
        raise ParameterError(f"{name}.sample[{at}]", float(draws[at]), "finite")
    return draws


def _as_columns(sample: GalaxySample | Mapping[str, Array]) -> Mapping[str, Array]:
    columns = sample.columns() if isinstance(sample, GalaxySample) else sample
    for column in _COLUMNS.values():
        if column not in columns:
            raise ParameterError("sample", sorted(columns), f"a sample with the column {column!r}")
    return columns
