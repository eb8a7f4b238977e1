"""The likelihood of one cluster: a halo model against its observed profiles."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._core import likelihood as core
from .._core.profile import QUANTITIES
from ..cosmology import resolve_cosmology
from ..errors import ClmassmodError, ParameterError
from ..observables import DeltaSigma, GammaTheta
from ..profiles.halos import COMPILED_HALOS
from ..profiles.lensing import SourceArrays, resolve_sources
from ..sources import SourceDistribution
from .effects import RANGES, SeenProfile, signed_sources
from .halo_model import HaloModel
from .parameters import CENTRE, ParameterSet

if TYPE_CHECKING:
    from ..profiles.base import RadialMass
    from ..profiles.compiled import SphericalOverdensityHalo

Array = npt.NDArray[np.float64]
Observable = GammaTheta | DeltaSigma


@dataclass(frozen=True)
class ProfileData:
    """One observable, as the core takes it."""

    quantity: int
    radius: Array  # (1, m)
    values: Array  # (1, m)
    whitening: Array  # (1, m) or (1, m m)
    log_norm: Array  # (1,)
    sources: SourceArrays | None
    divide_by: Array | None  # boost factor (m,)
    seen: SeenProfile | None = None  # with the effects of the model

    @property
    def diagonal(self) -> bool:
        """Whether the covariance is diagonal."""
        return bool(self.whitening.shape[1] == self.values.size)


class HaloLikelihood(ABC):
    """What likelihoods of one cluster share: the haloes of parameter vectors.

    Parameters
    ----------
    model : HaloModel
    parameters : ParameterSet
    redshift : float
        Of the cluster.
    """

    judges_fit = True
    """Whether chi squared says if the model describes the data: of single galaxies it says
    rather whether their shape noise is right."""
    observables: tuple[Any, ...]
    """What it is the likelihood of."""

    def __init__(self, model: HaloModel, parameters: ParameterSet, redshift: float) -> None:
        self.redshift = redshift
        self.model = model
        self.parameters = parameters
        model.effects.check(parameters)

    @property
    @abstractmethod
    def n_data(self) -> int:
        """Number of data."""

    @abstractmethod
    def chi2(self, values: Any) -> Array:
        """Return chi squared, (B,), for parameter vectors (B, P)."""

    def doubts(self, values: Array) -> list[str]:
        """Return what is to be said of a best fit (P,)."""
        return []

    @abstractmethod
    def whitened_residual(self, values: Any) -> Array:
        """Return the residuals of one parameter vector in standard deviations, (n_data,)."""

    @abstractmethod
    def _log_likelihood(self, values: Array, n_threads: int) -> Array:
        """Return ln L, (B,), for parameter vectors (B, P) that the model is defined for."""

    @cached_property
    def concentration(self) -> Any:
        """The function c(mass) used where the concentration is not free."""
        return self.model.concentration_of(self.redshift)

    @cached_property
    def greatest_mass(self) -> float:
        """Greatest size of a mass that the profile is defined for [Msun]; inf as a rule.

        The relations of DK14 and Diemer23 with the peak height end at a mass.
        """
        if not getattr(self.model.profile, "ends_with_peak_height", False):
            return math.inf
        free = dict(zip(self.parameters.names, self.parameters.parameters, strict=True))
        if "concentration" in free:
            lowest = max(free["concentration"].prior.low, 1e-3)
            c: Any = lambda mass: np.full(np.shape(mass), lowest)  # noqa: E731
        else:
            c = self.concentration
        prior = free["mass"].prior
        low, high = 8.0, math.log10(max(abs(prior.low), abs(prior.high)))
        if not math.isfinite(high):
            high = 18.0
        if self._defined(10.0**high, c):
            return math.inf
        for _ in range(40):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self._defined(10.0**middle, c) else (low, middle)
        # a batch iterates its haloes together, and those near the end pass beyond it on the way
        return 0.8 * float(10.0**low)

    def _defined(self, mass: float, concentration: Any) -> bool:
        # far beyond the end, quantities on the way to the answer may overflow
        with np.errstate(all="ignore"):
            try:
                self.model.halo_of(np.array([mass]), self.redshift, concentration)
            except ClmassmodError:
                return False
        return True

    def halo(self, values: Any) -> tuple[RadialMass, Array, Array]:
        """Return the haloes of parameter vectors (B, P), their signs and amplitudes (B,)."""
        return self._halo(self._columns(np.atleast_2d(values)))

    def _halo(self, columns: dict[str, Array]) -> tuple[RadialMass, Array, Array]:
        mass = columns["mass"]
        calibration = columns.get("shear_calibration")
        amplitude = np.ones(mass.size) if calibration is None else 1.0 + calibration
        c = columns.get("concentration", self.concentration)
        others = {name: columns[name] for name in self._others}
        halo, sign = self.model.halo_of(mass, self.redshift, c, self._like, **others)
        return halo, sign, amplitude

    @cached_property
    def _others(self) -> tuple[str, ...]:
        """Free parameters of the profile beside mass and concentration."""
        known = {"mass", "concentration", "shear_calibration", *RANGES, *CENTRE}
        return tuple(name for name in self.parameters.names if name not in known)

    @cached_property
    def _like(self) -> SphericalOverdensityHalo | None:
        """A halo that all others are like but for mass and concentration, where there is one."""
        if self._others or self.model.profile not in COMPILED_HALOS:
            return None
        one: Any = self.model.halo_of(np.array([1e14]), self.redshift, np.array([4.0]))[0]
        return one  # type: ignore[no-any-return]

    def _columns(self, values: Any) -> dict[str, Array]:
        table = np.asarray(values, dtype=np.float64)
        return dict(zip(self.parameters.names, table.T, strict=True))

    def log_likelihood(self, values: Any, *, n_threads: int = 1) -> Array:
        """Return ln L, (B,), for parameter vectors (B, P).

        -inf for a mass that the profile is not defined for, for parameters of an effect out of
        their ranges, and where the model is not a number: where part of the sources behind a
        supercritical centre makes the mean of the reduced shear meaningless.
        """
        table = np.atleast_2d(np.asarray(values, dtype=np.float64))
        place, low, high = self._limits
        limited = table[:, place]
        inside = ((limited >= low) & (limited <= high)).all(axis=1)
        if inside.all():
            total = self._log_likelihood(table, n_threads)
        else:
            total = np.full(inside.size, -np.inf)
            if inside.any():
                total[inside] = self._log_likelihood(table[inside], n_threads)
        total[np.isnan(total)] = -np.inf
        return total

    @cached_property
    def _limits(self) -> tuple[list[int], Array, Array]:
        """Places of the parameters that are limited, the lowest and greatest values allowed."""
        ends = {"mass": (-self.greatest_mass, self.greatest_mass), **RANGES}
        names = [name for name in self.parameters.names if name in ends]
        low, high = np.array([ends[name] for name in names]).T
        return [self.parameters.names.index(name) for name in names], low, high

    def log_posterior(self, coordinates: Any) -> Array:
        """Return ln (likelihood x prior) as a density of the coordinates, (B,)."""
        u = np.atleast_2d(coordinates)
        result = np.full(u.shape[0], -np.inf)
        values = self.parameters.to_values(u)
        prior = self.parameters.log_prior(values) + self.parameters.log_jacobian(u)
        inside = np.isfinite(prior)
        if inside.any():
            result[inside] = prior[inside] + self.log_likelihood(values[inside])
        return result


class ClusterLikelihood(HaloLikelihood):
    """Gaussian log likelihood of one cluster, for many parameter vectors in one call.

    Parameters
    ----------
    model : HaloModel
    parameters : ParameterSet
    observables : GammaTheta or DeltaSigma, or a sequence of them
        All of one object; independent, so their log likelihoods add.

    Notes
    -----
    ``ln L = -1/2 (d - (1 + m) f)^T C^-1 (d - (1 + m) f) - 1/2 ln det(2 pi C)`` with f the
    model and m the shear calibration, one for all observables. A negative mass means a
    surface density of the opposite sign, ``Sigma(-M) = -Sigma(M)``, with the concentration
    of |M|.
    """

    def __init__(
        self,
        model: HaloModel,
        parameters: ParameterSet,
        observables: Observable | Sequence[Observable],
    ) -> None:
        if isinstance(observables, GammaTheta | DeltaSigma):
            observables = (observables,)
        self.observables = tuple(observables)
        redshifts = {o.redshift for o in self.observables}
        if len(redshifts) != 1:
            raise ParameterError(
                "redshift", sorted(redshifts), "the same in all observables of one object"
            )
        super().__init__(model, parameters, redshifts.pop())
        if any(name in CENTRE for name in parameters.names):
            raise ParameterError(
                "parameters",
                ", ".join(parameters.names),
                "without a centre for a profile, which does not know where its centre is",
                "Give galaxies (massmod.obs_galaxies) or maps in its place, or fix the centre.",
            )
        self.data = tuple(_prepare(o, model) for o in self.observables)

    @property
    def n_data(self) -> int:
        """Number of data points."""
        return sum(d.values.size for d in self.data)

    def __repr__(self) -> str:
        return (
            f"<ClusterLikelihood z = {self.redshift:g}, {self.n_data} points, free "
            f"{', '.join(self.parameters.names)}>"
        )

    def _models(
        self, columns: dict[str, Array], n_threads: int, data: Sequence[ProfileData]
    ) -> list[Array]:
        """Return what is observed for parameters (B,) each at the radii of `data`."""
        halo, sign, amplitude = self._halo(columns)
        mass = np.abs(columns["mass"])
        size = np.where(mass == 0.0, 1.0, mass)
        effects = self.model.effects.columns(columns, sign.size)
        models = []
        for one in data:
            if one.seen is None:
                model = _model(halo, sign, one, n_threads)
            else:
                model = one.seen(halo, sign, size, effects, n_threads)
            if one.divide_by is not None:
                model = model / one.divide_by
            models.append(model)
        return [amplitude, *models]

    def predict(self, values: Any, *, n_threads: int = 1) -> list[Array]:
        """Return the model of each observable, (B, m) each, for parameter vectors (B, P)."""
        columns = self._columns(np.atleast_2d(values))
        amplitude, *models = self._models(columns, n_threads, self.data)
        return [amplitude[:, None] * model for model in models]

    def predict_at(self, values: Any, radius: Any, index: int = 0) -> Array:
        """Return the model of observable `index` at other radii [Mpc], (B, k)."""
        data = self.data[index]
        grid = np.ascontiguousarray(np.atleast_2d(np.asarray(radius, dtype=np.float64)))
        boost = None
        if data.divide_by is not None:
            boost = np.interp(grid[0], data.radius[0], data.divide_by)
        seen = None
        if self.model.effects:
            # of single radii: the edges are those of the data
            seen = _seen(self.observables[index], self.model, data.quantity, grid[0], None)
        other = ProfileData(
            data.quantity,
            grid,
            data.values,
            data.whitening,
            data.log_norm,
            data.sources,
            boost,
            seen,
        )
        amplitude, model = self._models(self._columns(np.atleast_2d(values)), 1, (other,))
        return np.asarray(amplitude[:, None] * model)

    def _log_likelihood(self, values: Array, n_threads: int) -> Array:
        amplitude, *models = self._models(self._columns(values), n_threads, self.data)
        n = amplitude.size
        total, part = np.zeros(n), np.empty(n)
        owner = np.zeros(n, dtype=np.int64)
        for data, model in zip(self.data, models, strict=True):
            core.gaussian(
                np.ascontiguousarray(model),
                amplitude,
                owner,
                data.values,
                data.whitening,
                data.log_norm,
                part,
                n_threads,
            )
            total += part
        return total

    def chi2(self, values: Any) -> Array:
        """Return chi squared, (B,), for parameter vectors (B, P)."""
        norm = sum(float(d.log_norm[0]) for d in self.data)
        # a perfect fit may come out below zero by rounding
        return np.maximum(-2.0 * (self.log_likelihood(values) + norm), 0.0)

    def whitened_residual(self, values: Any) -> Array:
        """Return the residuals of one parameter vector in standard deviations, (n_data,)."""
        models = self.predict(np.atleast_2d(values))
        parts = []
        for data, model in zip(self.data, models, strict=True):
            residual = (data.values - model)[0]
            if data.diagonal:
                parts.append(data.whitening[0] * residual)
            else:
                parts.append(data.whitening.reshape(residual.size, -1) @ residual)
        return np.concatenate(parts)


def _model(halo: RadialMass, sign: Array, data: ProfileData, n_threads: int) -> Array:
    """Return what is observed of haloes of signed mass at the radii of `data`, (B, m)."""
    if data.sources is None:
        model = halo._evaluate(data.quantity, data.radius, None, n_threads)
        if (sign != 1.0).any():
            model = model * sign[:, None]
    else:
        sources = data.sources if (sign == 1.0).all() else signed_sources(data.sources, sign)
        model = halo._evaluate(data.quantity, data.radius, sources, n_threads)
    return model


def _prepare(observable: Observable, model: HaloModel) -> ProfileData:
    radius = np.ascontiguousarray(observable.projected_radius(model.cosmology)).reshape(1, -1)
    whitening, log_norm = _whitening(observable)
    quantity, sources = _quantity_and_sources(observable, model, radius.size)
    boost = observable.boost if isinstance(observable, DeltaSigma) else None
    if boost is not None and model.effects.boost:
        raise ParameterError(
            "boost",
            "of the data and of the model",
            "one of them",
            "Leave out [boost], or the boost of the data.",
        )
    seen = None
    edges = _edges(observable, model.effects.bin_average)
    if model.effects or edges is not None:
        seen = _seen(observable, model, QUANTITIES[quantity], radius[0], edges)
    return ProfileData(
        QUANTITIES[quantity],
        radius,
        np.ascontiguousarray(observable.values).reshape(1, -1),
        whitening,
        log_norm,
        sources,
        boost,
        seen,
    )


def _edges(observable: Observable, average: bool | None) -> Array | None:
    """Return the edges of the bins to average over, (2, m); None to take single radii."""
    if average is False:
        return None
    if observable.radius_min is None or observable.radius_max is None:
        if average is None:
            return None
        raise ParameterError(
            "radius_min, radius_max",
            None,
            f"given for {observable.id or 'the profile'}: the model is averaged over its bins",
            "Set bin_average = false in [fit] to take it at the radius of each bin.",
        )
    return np.array([observable.radius_min, observable.radius_max])


def _seen(
    observable: Observable, model: HaloModel, quantity: int, radius: Array, edges: Array | None
) -> SeenProfile:
    inverse = sources = two_halo = None
    if isinstance(observable, DeltaSigma):
        inverse = observable.inverse_critical_surface_density or None
    else:
        _, sources = _quantity_and_sources(observable, model, radius.size)
    if model.effects.two_halo:
        two_halo = (observable.redshift, model.power, model.mass_def)
    return SeenProfile(model.effects, quantity, radius, edges, sources, inverse, two_halo)


def _whitening(observable: Observable) -> tuple[Array, Array]:
    """Return the inverse Cholesky factor, (1, m) if diagonal else (1, m m), and ln norm (1,)."""
    if observable.covariance is None:
        sigma = observable.errors
        norm = 0.5 * sigma.size * math.log(2.0 * math.pi) + float(np.sum(np.log(sigma)))
        return np.ascontiguousarray(1.0 / sigma).reshape(1, -1), np.array([norm])
    from scipy.linalg import solve_triangular

    factor = np.linalg.cholesky(observable.covariance)
    inverse = solve_triangular(factor, np.eye(factor.shape[0]), lower=True)
    norm = 0.5 * factor.shape[0] * math.log(2.0 * math.pi) + float(np.sum(np.log(np.diag(factor))))
    return np.ascontiguousarray(inverse).reshape(1, -1), np.array([norm])


def _quantity_and_sources(
    observable: Observable, model: HaloModel, n_points: int
) -> tuple[str, SourceArrays | None]:
    if isinstance(observable, DeltaSigma):
        inverse = observable.inverse_critical_surface_density
        if not inverse:
            return "excess_surface_density", None
        # g_t Sigma_crit = Delta Sigma / (1 - Sigma / Sigma_crit)
        return "reduced_tangential_shear", SourceArrays(
            np.ones((1, 1)), np.full((1, 1), float(inverse))
        )
    if observable.sources is None:
        raise ParameterError(
            "sources", None, f"given for {observable.id or 'the shear profile'}: a redshift or n(z)"
        )
    quantity = (
        "reduced_tangential_shear" if observable.kind == "reduced_shear" else "tangential_shear"
    )
    sources = observable.sources
    if model.source_averaging == "moments" and isinstance(sources, SourceDistribution):
        sources = sources.beta_moments(observable.redshift, model.cosmology)
    arrays = resolve_sources(
        sources, observable.redshift, (), (n_points,), resolve_cosmology(model.cosmology)
    )
    if not (arrays.shear > 0.0).any():
        raise ParameterError(
            "sources",
            observable.sources,
            f"behind the lens at z = {observable.redshift:g}: sources in front of it see no shear",
        )
    return quantity, arrays
