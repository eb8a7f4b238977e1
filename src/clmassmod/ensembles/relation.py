"""How ln M is distributed in a population: mean, scatter and shape, of objects with covariates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from ..distributions import Distribution, LogUniform, Uniform
from ..errors import ParameterError, nearest

Array = npt.NDArray[np.float64]

SHAPES: dict[str, tuple[str, ...]] = {
    "normal": (),
    "skew-normal": ("slant",),
    "student-t": ("degrees_of_freedom",),
    "mixture": ("second_share", "second_offset", "second_width"),
}
"""Shapes of the distribution of ln M and their parameters.

All have the mean and the standard deviation of the relation. ``slant`` is alpha of the
skew-normal distribution; the second of two normals has a share of the objects, a mean that is
``second_offset`` standard deviations (of the whole) above that of the first, and
``second_width`` times its width.
"""
_SUPPORT = {
    "scatter": (0.0, math.inf),
    "degrees_of_freedom": (2.0, math.inf),
    "second_share": (0.0, 1.0),
    "second_width": (0.0, math.inf),
    "group_correlation": (0.0, 1.0),
    "selection_correlation": (-1.0, 1.0),
}
_PRIORS: dict[str, Distribution] = {
    "bias": Uniform(-2.0, 2.0),
    "mean": Uniform(-6.0, 6.0),
    "scatter": Uniform(0.0, 1.5),
    "slant": Uniform(-10.0, 10.0),
    "degrees_of_freedom": LogUniform(3.0, 100.0),
    "second_share": Uniform(0.0, 0.5),
    "second_offset": Uniform(-4.0, 4.0),
    "second_width": LogUniform(0.2, 5.0),
    "group_correlation": Uniform(0.0, 0.98),
    "selection_correlation": Uniform(-0.95, 0.95),
}
_SLOPE_PRIOR = Uniform(-5.0, 5.0)
_WITH_WIDE_PRIORS = ("bias", "mean", "scatter")
NATURAL_ENDS: dict[str, tuple[float | None, float | None]] = {
    name: (prior.low, prior.high)
    for name, prior in _PRIORS.items()
    if name not in _WITH_WIDE_PRIORS
} | {"scatter": (0.0, None)}
"""Ends of priors that a posterior may well reach, as data seldom constrain a shape."""
_CDF_POINTS = 2001


@dataclass(frozen=True)
class ProxySelection:
    """Objects are in the sample if a proxy of their mass is above a threshold.

    ``ln proxy = intercept + slope ln(M / pivot_mass) + scatter e``, e normal of sd 1; kept where
    it is above ``log_threshold``.

    Parameters
    ----------
    log_threshold, intercept, slope, scatter : float
        scatter > 0.
    """

    log_threshold: float
    intercept: float = 0.0
    slope: float = 1.0
    scatter: float = 0.2

    def __post_init__(self) -> None:
        for name in ("log_threshold", "intercept", "slope", "scatter"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ParameterError(f"selection.{name}", value, "a number")
            if not math.isfinite(value):
                raise ParameterError(f"selection.{name}", value, "finite")
        if not self.scatter > 0.0:
            raise ParameterError("selection.scatter", self.scatter, "> 0")

    def excess(self, log_mass: Array) -> Array:
        """Return (mean ln proxy - threshold) / scatter at ln (M / pivot_mass)."""
        return np.asarray(
            (self.intercept + self.slope * log_mass - self.log_threshold) / self.scatter
        )


@dataclass(frozen=True)
class MassRelation:
    """The distribution of ln M of every object, given the parameters.

    ``<ln M_i> = offset_i + theta_0 + sum_k theta_k x_ik`` and
    ``ln sd_i^2 = ln scatter^2 + sum_k s_k y_ik``.

    Parameters
    ----------
    offset : (n,) array
        ln of the true masses [Msun] where they are known, ln of the pivot mass else.
    first : str
        Name of theta_0: ``bias`` where the truth is known, ``mean`` else.
    mean_terms, scatter_terms : mapping
        Name of the parameter -> covariate (n,).
    shape : str
        One of `SHAPES`.
    log_mass : (n,) array, optional
        ln of true mass over pivot mass, which a selection needs where the truth is known.
    selection : ProxySelection, optional
        Of a normal shape alone. With known truth the scatter of the proxy has a correlation
        with that of the mass, ``selection_correlation``; else the proxy depends on the mass.
    groups : (n,) array of int, optional
        Number of the halo of every object, from 0: projections of one halo have a part of
        their scatter in common, the share ``group_correlation`` of its variance. Of a normal
        shape alone.

    Notes
    -----
    Grandis et al. (2021, MNRAS 507, 5671), Bocquet et al. (2023, arXiv:2310.12213).
    """

    offset: Array
    first: str = "bias"
    mean_terms: Mapping[str, Array] = field(default_factory=dict)
    scatter_terms: Mapping[str, Array] = field(default_factory=dict)
    shape: str = "normal"
    log_mass: Array | None = None
    selection: ProxySelection | None = None
    groups: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            hint = nearest(str(self.shape), SHAPES)
            raise ParameterError("shape", self.shape, f"one of {', '.join(SHAPES)}", hint)
        if self.first not in ("bias", "mean"):
            raise ParameterError("first", self.first, "'bias' or 'mean'")
        for what, given in (("selection", self.selection), ("groups", self.groups)):
            if given is not None and self.shape != "normal":
                raise ParameterError("shape", self.shape, f"'normal' with {what}")
        if self.selection is not None and self.groups is not None:
            raise ParameterError("groups", "given", "absent with a selection")
        n = np.shape(self.offset)
        for name, values in {**self.mean_terms, **self.scatter_terms}.items():
            if np.shape(values) != n or not np.isfinite(values).all():
                raise ParameterError(f"terms[{name}]", np.shape(values), f"finite, of shape {n}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters: the first is bias or mean, the second the scatter."""
        extra: tuple[str, ...] = ()
        if self.groups is not None:
            extra = ("group_correlation",)
        elif self.selection is not None and self.first == "bias":
            extra = ("selection_correlation",)
        terms = *self.mean_terms, *self.scatter_terms
        return (self.first, "scatter", *terms, *SHAPES[self.shape], *extra)

    @property
    def support(self) -> dict[str, tuple[float, float]]:
        """Name -> limits, of the parameters that have them."""
        return {name: _SUPPORT[name] for name in self.names if name in _SUPPORT}

    def default_priors(self) -> dict[str, Distribution]:
        """Return a prior for every parameter; slopes are uniform from -5 to 5."""
        return {name: _PRIORS.get(name, _SLOPE_PRIOR) for name in self.names}

    @property
    def pivot_mass(self) -> float:
        """M0 [Msun]; NaN where the relation has no pivot."""
        if self.first == "mean":
            return float(np.exp(self.offset[0]))
        return math.nan if self.log_mass is None else float(np.exp(self.offset - self.log_mass)[0])

    @property
    def core_shape(self) -> str:
        """The shape's name in the compiled core."""
        return "normal" if self.selection is None else "selected"

    def mean_and_sd(self, theta: Array) -> tuple[Array, Array]:
        """Return mean and sd of ln M, (n, B) each, of parameters (B, P)."""
        column = dict(zip(self.names, theta.T, strict=True))
        mean = self.offset[:, None] + column[self.first]
        for name, values in self.mean_terms.items():
            mean = mean + values[:, None] * column[name]
        sd = np.broadcast_to(column["scatter"], mean.shape)
        for name, values in self.scatter_terms.items():
            sd = sd * np.exp(0.5 * values[:, None] * column[name])
        return mean, np.asarray(sd)

    def shape_parameters(self, theta: Array) -> Array:
        """Return (B, 3) parameters of the shape, as the core wants them."""
        table = np.zeros((len(theta), 3))
        for i, name in enumerate(SHAPES[self.shape]):
            table[:, i] = theta[:, self.names.index(name)]
        return table

    def tilt_and_slope(self, theta: Array, mean: Array, sd: Array) -> tuple[Array, Array]:
        """Return tilt and slope (n, B) of the probability to be selected, Phi(tilt + slope u).

        With known truth (tilt, slope) is (excess, r) / sqrt(1 - r^2), r the correlation of the
        scatters; else the excess at the mean mass, and the slope of ln proxy times the scatter
        of ln M over that of ln proxy.
        """
        assert self.selection is not None
        if self.first == "bias":
            assert self.log_mass is not None
            r = theta[:, self.names.index("selection_correlation")]
            root = np.sqrt(1.0 - r**2)
            tilt = self.selection.excess(self.log_mass)[:, None] / root
            return tilt, np.broadcast_to(r / root, mean.shape)
        tilt = self.selection.excess(mean - self.offset[:, None])
        return tilt, self.selection.slope * sd / self.selection.scatter

    def mean_ratio(self, theta: Array) -> Array:
        """Return <M / exp(offset)> (B,) at the pivots: exp(mean) times <exp(sd u)>.

        NaN for Student's t, of which it does not exist.
        """
        column = dict(zip(self.names, theta.T, strict=True))
        sd = column["scatter"]
        table = self.shape_parameters(theta).T
        return np.asarray(np.exp(column[self.first]) * _mean_exponential(self.shape, sd, table))

    def cdf(self, theta: Array) -> Any:
        """Return ``cdf(i, ln M (k,)) -> (k,)`` of the object i at parameters (P,)."""
        point = np.atleast_2d(theta)
        mean, sd = self.mean_and_sd(point)
        table = self.shape_parameters(point)[0]
        if self.selection is not None:
            tilt, slope = self.tilt_and_slope(point, mean, sd)

        def of_object(i: int, log_mass: Array) -> Array:
            u = (log_mass - mean[i, 0]) / sd[i, 0]
            if self.selection is not None:
                return _selected_cdf(u, tilt[i, 0], slope[i, 0])
            return standard_cdf(self.shape, u, table)

        return of_object


def standard_cdf(shape: str, u: Array, parameters: Array) -> Array:
    """Return the distribution function of u = (ln M - mean) / sd of a shape."""
    a, b, c = parameters
    if shape == "skew-normal":
        centre, width, _ = skew_normal_scales(a)
        t = (u - centre) / width
        return np.asarray(special.ndtr(t) - 2.0 * special.owens_t(t, a))
    if shape == "student-t":
        return np.asarray(special.stdtr(a, u * math.sqrt(a / (a - 2.0))))
    if shape == "mixture":
        first, second = mixture_scales(a, b, c)
        below = [special.ndtr((u - one[0]) / one[1]) for one in (first, second)]
        return np.asarray((1.0 - a) * below[0] + a * below[1])
    return np.asarray(special.ndtr(u))


def skew_normal_scales(slant: Any) -> tuple[Any, Any, Any]:
    """Return centre, width and delta of the skew-normal of mean 0 and sd 1."""
    delta = slant / np.sqrt(1.0 + slant**2)
    width = 1.0 / np.sqrt(1.0 - 2.0 * delta**2 / math.pi)
    return -width * delta * math.sqrt(2.0 / math.pi), width, delta


def mixture_scales(share: Any, offset: Any, ratio: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return (centre, width) of the two normals of a mixture of mean 0 and sd 1."""
    between = share * (1.0 - share) * offset**2
    width = np.sqrt((1.0 - between) / (1.0 - share + share * ratio**2))
    return (-share * offset, width), ((1.0 - share) * offset, ratio * width)


def _mean_exponential(shape: str, sd: Array, table: Array) -> Array:
    """Return <exp(sd u)>."""
    a, b, c = table
    if shape == "skew-normal":
        centre, width, delta = skew_normal_scales(a)
        s = width * sd
        return np.asarray(2.0 * np.exp(centre * sd + 0.5 * s**2) * special.ndtr(delta * s))
    if shape == "student-t":
        return np.full(sd.shape, np.nan)
    if shape == "mixture":
        parts = [np.exp(m * sd + 0.5 * (w * sd) ** 2) for m, w in mixture_scales(a, b, c)]
        return np.asarray((1.0 - a) * parts[0] + a * parts[1])
    return np.asarray(np.exp(0.5 * sd**2))


def _selected_cdf(u: Array, tilt: float, slope: float) -> Array:
    """Distribution function of the density phi(u) Phi(tilt + slope u) / norm, on a fine grid."""
    grid = np.linspace(-9.0, 9.0, _CDF_POINTS)
    density = stats.norm.pdf(grid) * special.ndtr(tilt + slope * grid)
    below = np.cumsum(density)
    below = (below - 0.5 * density) / below[-1]
    return np.asarray(np.interp(u, grid, below, left=0.0, right=1.0))
