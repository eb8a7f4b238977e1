"""Relations between the properties of lens galaxies: what a population is made of.

A relation is the conditional distribution of one property given those drawn before it. Every
one can be replaced: by another of this module, by a number (no scatter), by a distribution
that depends on nothing (`clmassmod.distributions`), or by a subclass of `Relation`.

Masses and radii are decadic logarithms (Msun, physical kpc). ``log_msps`` is the stellar mass
of stellar-population synthesis, with the initial mass function assumed there; the relations
are in it and not in the true stellar mass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import special

from ..cosmology import cosmology_from_dict, cosmology_to_dict
from ..distributions import Distribution, distribution_from_dict
from ..errors import FitError, ParameterError, nearest
from ..profiles.concentration import concentration
from .relation_base import (
    LOG_TWO_PI,
    Array,
    Columns,
    Constant,
    Independent,
    NormalRelation,
    Relation,
    check_finite,
    check_scatter,
    column,
    least_squares,
    minimised,
    point_cdf,
    point_log_density,
    sample_values,
)

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from ..power import LinearPower

__all__ = [
    "ConcentrationRelation",
    "Constant",
    "HaloMassRelation",
    "Independent",
    "LinearRelation",
    "Mismatch",
    "NormalRelation",
    "Relation",
    "SkewNormal",
    "as_relation",
]

PIVOT = 11.4
"""log10 of the stellar mass [Msun] where intercepts are stated (Sonnenfeld et al. 2019)."""


@dataclass(frozen=True)
class SkewNormal(Relation):
    """Skew-normal distribution of log Msps, ``2/w phi(z) Phi(a z)`` with ``z = (x - location)/w``.

    Parameters
    ----------
    location : float
    scale : float, > 0
        w, in dex.
    log10_shape : float
        ``log10 a``: a is positive, the longer tail is towards high masses.

    Notes
    -----
    Azzalini (1985). With ``d = a / sqrt(1 + a^2)`` and two standard normal numbers,
    ``z = d |n_1| + sqrt(1 - d^2) n_2``. The cdf is ``Phi(z) - 2 T(z, a)``, T Owen's function.
    """

    location: float
    scale: float
    log10_shape: float
    kind: ClassVar[str] = "skew-normal"

    def __post_init__(self) -> None:
        check_finite(location=self.location, scale=self.scale, log10_shape=self.log10_shape)
        if not self.scale > 0.0:
            raise ParameterError("scale", self.scale, "> 0", "A number has no scatter.")

    @property
    def n_uniforms(self) -> int:
        """Uniform random numbers that one draw takes."""
        return 2

    @property
    def shape(self) -> float:
        """The shape parameter a, > 0."""
        return float(10.0**self.log10_shape)

    @classmethod
    def fit(cls, value: Any) -> SkewNormal:
        """Return the maximum-likelihood fit to `value`, (n,), with log10_shape within [-2, 2].

        At the lower bound the sample shows no tail to high values: it is then normal, or
        skewed the other way.
        """
        x = sample_values("value", value, 3)
        mean, sd = float(x.mean()), float(x.std())
        if not sd > 0.0:
            raise FitError("all values are equal: a skew-normal distribution needs scatter")
        y = (x - mean) / sd

        def cost(theta: Array) -> tuple[float, Array]:
            location, scale, shape = theta[0], math.exp(theta[1]), 10.0 ** theta[2]
            z = (y - location) / scale
            log_upper = special.log_ndtr(shape * z)
            ratio = shape * np.exp(-0.5 * (shape * z) ** 2 - 0.5 * LOG_TWO_PI - log_upper)
            value = theta[1] + float(np.mean(0.5 * z**2 - log_upper))
            slope_z = z - ratio
            gradient = [
                -np.mean(slope_z) / scale,
                1.0 - np.mean(z * slope_z),
                -math.log(10.0) * np.mean(z * ratio),
            ]
            return value, np.array(gradient)

        bounds = [(-10.0, 10.0), (-4.0, 4.0), (-2.0, 2.0)]
        best = minimised(cost, np.array([-0.8, 0.2, 0.2]), bounds=bounds, jac=True)
        return cls(mean + sd * float(best[0]), sd * math.exp(best[1]), float(best[2]))

    def sample(self, uniforms: Array, given: Columns) -> Array:
        """Return (n,) draws of `uniforms` (n, 2)."""
        d = self.shape / math.hypot(1.0, self.shape)
        # -ndtri(u/2) is |n|, accurate in the tail
        half = special.ndtri(0.5 * uniforms[:, 0])
        other = special.ndtri(uniforms[:, 1])
        part = self.scale * math.sqrt((1.0 - d) * (1.0 + d))
        return np.asarray(self.location - self.scale * d * half + part * other)

    def log_density(self, value: Any, given: Columns) -> Array:
        """Natural logarithm of the density at `value`, (n,)."""
        z = (np.asarray(value, dtype=np.float64) - self.location) / self.scale
        norm = math.log(2.0 / self.scale) - 0.5 * LOG_TWO_PI
        return np.asarray(norm - 0.5 * z**2 + special.log_ndtr(self.shape * z))

    def cdf(self, value: Any, given: Columns) -> Array:
        """Probability of a smaller value, (n,)."""
        z = (np.asarray(value, dtype=np.float64) - self.location) / self.scale
        return np.asarray(special.ndtr(z) - 2.0 * special.owens_t(z, self.shape))

    def fitted(self, value: Any, given: Columns) -> SkewNormal:
        """Return the fit to `value`."""
        return self.fit(value)

    def to_dict(self) -> dict[str, Any]:
        """Return the relation as plain values."""
        return {
            "relation": self.kind,
            "location": self.location,
            "scale": self.scale,
            "log10_shape": self.log10_shape,
        }


@dataclass(frozen=True)
class LinearRelation(NormalRelation):
    """Normal about a straight line, ``N(intercept + slope (x - pivot), scatter)``.

    Parameters
    ----------
    intercept, slope : float
    scatter : float, >= 0
    pivot : float
        The x at which `intercept` holds.
    of : str
        The column x.
    """

    intercept: float
    slope: float
    scatter: float
    pivot: float = PIVOT
    of: str = "log_msps"
    kind: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        check_finite(intercept=self.intercept, slope=self.slope, pivot=self.pivot)
        check_scatter("scatter", self.scatter)

    @property
    def standard_deviation(self) -> float:
        """Scatter about the mean, >= 0."""
        return self.scatter

    @classmethod
    def fit(
        cls, value: Any, given: Columns, pivot: float = PIVOT, of: str = "log_msps"
    ) -> LinearRelation:
        """Return the maximum-likelihood fit: least squares, and the rms of the residuals.

        Notes
        -----
        The columns are taken as exact: errors in x flatten the slope.
        """
        coefficients, rms = least_squares(value, [column(given, of) - pivot])
        return cls(coefficients[0], coefficients[1], rms, pivot, of)

    def mean(self, given: Columns) -> Array:
        """Mean at the properties `given`, (n,)."""
        return np.asarray(self.intercept + self.slope * (column(given, self.of) - self.pivot))

    def fitted(self, value: Any, given: Columns) -> LinearRelation:
        """Return the fit with the same pivot and column."""
        return self.fit(value, given, self.pivot, self.of)

    def to_dict(self) -> dict[str, Any]:
        """Return the relation as plain values."""
        return {
            "relation": self.kind,
            "intercept": self.intercept,
            "slope": self.slope,
            "scatter": self.scatter,
            "pivot": self.pivot,
            "of": self.of,
        }


@dataclass(frozen=True)
class HaloMassRelation(NormalRelation):
    """Stellar-to-halo-mass relation with a dependence on the excess size at fixed mass.

    log Mh is normal about
    ``mu + beta (log Msps - pivot) + xi (log Re - muR(Msps))`` with scatter `sigma`.

    Parameters
    ----------
    mu, beta, xi : float
    sigma : float, >= 0
    size : LinearRelation, optional
        Gives muR, the mean log Re. None is the size relation of the population this one is
        part of.
    pivot : float

    Notes
    -----
    Sonnenfeld et al. (2019). Since the excess is measured from the mean size at that mass,
    ``xi = 0`` means no relation of halo mass and size at fixed Msps, and beta is the full
    dependence on stellar mass.
    """

    mu: float
    beta: float
    xi: float
    sigma: float
    size: LinearRelation | None = None
    pivot: float = PIVOT
    kind: ClassVar[str] = "halo-mass"

    def __post_init__(self) -> None:
        check_finite(mu=self.mu, beta=self.beta, xi=self.xi, pivot=self.pivot)
        check_scatter("sigma", self.sigma)
        if not (self.size is None or isinstance(self.size, LinearRelation)):
            raise ParameterError("size", self.size, "a LinearRelation or None")

    @property
    def standard_deviation(self) -> float:
        """Scatter about the mean, >= 0."""
        return self.sigma

    @classmethod
    def fit(
        cls, value: Any, given: Columns, size: LinearRelation, pivot: float = PIVOT
    ) -> HaloMassRelation:
        """Return the maximum-likelihood fit: least squares, and the rms of the residuals."""
        columns = [column(given, "log_msps") - pivot, column(given, "log_re") - size.mean(given)]
        (mu, beta, xi), rms = least_squares(value, columns)
        return cls(mu, beta, xi, rms, size, pivot)

    def mean(self, given: Columns) -> Array:
        """Mean at the properties `given`, (n,)."""
        mean = self.mu + self.beta * (column(given, "log_msps") - self.pivot)
        if self.xi != 0.0:
            mean = mean + self.xi * (column(given, "log_re") - self._size().mean(given))
        return np.asarray(mean)

    def fitted(self, value: Any, given: Columns) -> HaloMassRelation:
        """Return the fit with the same pivot and size relation."""
        return self.fit(value, given, self._size(), self.pivot)

    def to_dict(self) -> dict[str, Any]:
        """Return the relation as plain values."""
        return {
            "relation": self.kind,
            "mu": self.mu,
            "beta": self.beta,
            "xi": self.xi,
            "sigma": self.sigma,
            "size": None if self.size is None else self.size.to_dict(),
            "pivot": self.pivot,
        }

    def _size(self) -> LinearRelation:
        if self.size is None:
            hint = "Inside a LensPopulation its size relation is taken."
            raise ParameterError("size", None, "a LinearRelation for xi != 0 or a fit", hint)
        return self.size


@dataclass(frozen=True)
class Mismatch(NormalRelation):
    """Mismatch of the stellar mass, ``alpha_sps = log M* - log Msps``.

    Normal about ``alpha + slope (log Msps - pivot)``: a constant, with scatter, or
    depending on mass.

    Parameters
    ----------
    alpha : float
        0.25 is the difference of a Salpeter and a Chabrier initial mass function.
    scatter : float, >= 0
    slope : float
    pivot : float
    """

    alpha: float = 0.0
    scatter: float = 0.0
    slope: float = 0.0
    pivot: float = PIVOT
    kind: ClassVar[str] = "mismatch"

    def __post_init__(self) -> None:
        check_finite(alpha=self.alpha, slope=self.slope, pivot=self.pivot)
        check_scatter("scatter", self.scatter)

    @property
    def standard_deviation(self) -> float:
        """Scatter about the mean, >= 0."""
        return self.scatter

    @classmethod
    def fit(cls, value: Any, given: Columns, pivot: float = PIVOT) -> Mismatch:
        """Return the maximum-likelihood fit: least squares, and the rms of the residuals."""
        coefficients, rms = least_squares(value, [column(given, "log_msps") - pivot])
        return cls(coefficients[0], rms, coefficients[1], pivot)

    def mean(self, given: Columns) -> Array:
        """Mean at the properties `given`, (n,)."""
        if self.slope == 0.0:
            return np.asarray(self.alpha)
        return np.asarray(self.alpha + self.slope * (column(given, "log_msps") - self.pivot))

    def fitted(self, value: Any, given: Columns) -> Mismatch:
        """Return the fit with the same pivot."""
        return self.fit(value, given, self.pivot)

    def to_dict(self) -> dict[str, Any]:
        """Return the relation as plain values."""
        return {
            "relation": self.kind,
            "alpha": self.alpha,
            "scatter": self.scatter,
            "slope": self.slope,
            "pivot": self.pivot,
        }


@dataclass(frozen=True)
class ConcentrationRelation(Relation):
    """Concentration c200 of the halo, log-normal about a relation of `profiles.concentration`.

    Parameters
    ----------
    relation : str, float or callable
        A name such as "duffy08", a constant, or ``f(mass, redshift)`` (Msun, 200c).
    scatter : float, >= 0
        In dex.
    cosmology : astropy.cosmology.FLRW, optional
    power : LinearPower, optional
        Needed by the relations in peak height.
    """

    relation: str | float | Callable[[Array, Array], Any]
    scatter: float = 0.0
    cosmology: FLRW | None = None
    power: LinearPower | None = None
    kind: ClassVar[str] = "concentration"

    def __post_init__(self) -> None:
        check_scatter("scatter", self.scatter)
        # an unknown name or a missing power is an error here, not at the first draw
        self._log_median({"log_mhalo": np.array([13.0]), "z_l": np.array([0.3])})

    @property
    def n_uniforms(self) -> int:
        """Uniform random numbers that one draw takes: none without scatter."""
        return 1 if self.scatter > 0.0 else 0

    def sample(self, uniforms: Array, given: Columns) -> Array:
        """Return (n,) concentrations of `uniforms` (n, n_uniforms)."""
        median = self._log_median(given)
        if self.n_uniforms == 0:
            return np.asarray(10.0**median)
        return np.asarray(10.0 ** (median + self.scatter * special.ndtri(uniforms[:, 0])))

    def log_density(self, value: Any, given: Columns) -> Array:
        """Natural logarithm of the density in c at `value`, (n,); -inf for c <= 0."""
        c = np.asarray(value, dtype=np.float64)
        positive = c > 0.0
        log_c = np.log10(np.where(positive, c, 1.0))
        if self.scatter == 0.0:
            density = point_log_density(log_c, self._log_median(given))
        else:
            z = (log_c - self._log_median(given)) / self.scatter
            jacobian = math.log(10.0) * log_c + math.log(math.log(10.0) * self.scatter)
            density = -0.5 * z**2 - 0.5 * LOG_TWO_PI - jacobian
        return np.where(positive, density, -np.inf)

    def cdf(self, value: Any, given: Columns) -> Array:
        """Probability of a smaller value, (n,)."""
        c = np.asarray(value, dtype=np.float64)
        log_c = np.log10(np.maximum(c, 1e-300))
        median = self._log_median(given)
        if self.scatter == 0.0:
            return point_cdf(log_c, median)
        return np.asarray(special.ndtr((log_c - median) / self.scatter))

    def to_dict(self) -> dict[str, Any]:
        """Return the relation as plain values; objects are given by their repr."""
        plain = isinstance(self.relation, str | float | int)
        return {
            "relation": self.kind,
            "name": self.relation if plain else repr(self.relation),
            "scatter": self.scatter,
            "cosmology": None if self.cosmology is None else cosmology_to_dict(self.cosmology),
            "power": None if self.power is None else repr(self.power),
        }

    def _log_median(self, given: Columns) -> Array:
        mass, redshift = 10.0 ** column(given, "log_mhalo"), column(given, "z_l")
        median = concentration(
            mass, redshift, "200c", self.relation, cosmology=self.cosmology, power=self.power
        )
        return np.log10(median)


_FROM_KEYS: dict[str, Callable[..., Relation]] = {
    "constant": Constant,
    "skew-normal": SkewNormal,
    "linear": LinearRelation,
    "halo-mass": HaloMassRelation,
    "mismatch": Mismatch,
    "concentration": ConcentrationRelation,
}


def as_relation(content: Any, where: str = "relation") -> Relation:
    """Return `content` as a relation.

    Parameters
    ----------
    content : Relation, number, Distribution or mapping
        A number is a `Constant`, a distribution is `Independent`, a mapping is what `to_dict`
        gives, or what `distribution_from_dict` takes.
    where : str
        Named in errors.

    Raises
    ------
    ParameterError
        If it is none of these, or a mapping has a wrong key.
    """
    if isinstance(content, Relation):
        return content
    if isinstance(content, Distribution):
        return Independent(content)
    if isinstance(content, Mapping):
        return _from_mapping(content, where)
    try:
        return Constant(float(content))
    except (TypeError, ValueError):
        allowed = "a finite number, a Distribution, a Relation or a mapping that describes one"
        raise ParameterError(where, content, allowed) from None


def _from_mapping(content: Mapping[str, Any], where: str) -> Relation:
    arguments = dict(content)
    kind = str(arguments.pop("relation", Independent.kind))
    if kind == Independent.kind:
        return Independent(distribution_from_dict(arguments, where))
    if kind not in _FROM_KEYS:
        allowed = f"one of {', '.join([*_FROM_KEYS, Independent.kind])}"
        raise ParameterError(f"{where}.relation", kind, allowed, nearest(kind, _FROM_KEYS))
    if kind == "concentration":
        arguments["relation"] = arguments.pop("name", None)
        if isinstance(arguments.get("cosmology"), Mapping):
            arguments["cosmology"] = cosmology_from_dict(arguments["cosmology"])
        if isinstance(arguments.get("power"), str):
            allowed = "absent in a mapping; make the ConcentrationRelation with the object"
            raise ParameterError(f"{where}.power", arguments["power"], allowed)
    if kind == "halo-mass" and isinstance(arguments.get("size"), Mapping):
        arguments["size"] = _from_mapping(arguments["size"], f"{where}.size")
    try:
        return _FROM_KEYS[kind](**arguments)
    except TypeError as error:
        raise ParameterError(where, dict(content), f"a {kind} relation ({error})") from None
