"""What stands between a halo's own profile and the one that is measured of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._core.lensing import lensing
from .._core.profile import QUANTITIES
from .._core.spline import at_redshifts
from ..errors import ParameterError
from ..profiles.boost import boost_factors
from ..profiles.halo_matter import HaloMatter
from ..profiles.lensing import SourceArrays
from ..profiles.two_halo import TwoHalo
from .bin_matrix import OFFSETS, SCALE_RANGE, BinMatrix

if TYPE_CHECKING:
    from ..power import LinearPower
    from ..profiles.base import RadialMass
    from .parameters import ParameterSet

Array = npt.NDArray[np.float64]

RANGES: dict[str, tuple[float, float]] = {
    "miscentring_fraction": (0.0, 1.0),
    "miscentring_scale": SCALE_RANGE,
    "boost_b0": (0.0, 100.0),
    "boost_rs": (1e-3, 100.0),
    "two_halo_bias": (0.0, 100.0),
}
"""Parameters of the effects and the ranges they may have; lengths in Mpc."""
_REDUCED = QUANTITIES["reduced_tangential_shear"]
_ELLIPTICITY = QUANTITIES["tangential_ellipticity"]
_BIAS_MASSES = np.linspace(math.log(1e8), math.log(1e17), 160)


@dataclass(frozen=True)
class Effects:
    """Which effects a model has, and the values of their parameters that are not free.

    Parameters
    ----------
    offsets : {"gamma", "rayleigh"}, optional
        Distribution of the offsets of a part of the haloes: ``miscentring_fraction`` and
        ``miscentring_scale`` [Mpc].
    two_halo : {"sum", "max"}, optional
        Add the two-halo term, or take it where it is denser than the halo (`HaloMatter`); its
        bias is that of the mass (Tinker et al. 2010) unless ``two_halo_bias`` is given or free.
    boost : bool
        Divide by the boost factor of members: ``boost_b0`` and ``boost_rs`` [Mpc].
    bin_average : bool, optional
        Average over the area of each bin, between its ``radius_min`` and ``radius_max``; None
        where the data have them.
    values : mapping
        Name to fixed value.
    """

    offsets: str | None = None
    two_halo: str | None = None
    boost: bool = False
    bin_average: bool | None = None
    values: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.offsets is not None and self.offsets not in OFFSETS:
            raise ParameterError("offsets", self.offsets, f"one of {', '.join(OFFSETS)}, or None")
        if self.two_halo not in (None, "sum", "max"):
            raise ParameterError("two_halo", self.two_halo, "'sum', 'max' or None")
        for name, value in self.values.items():
            low, high = RANGES.get(name, (math.nan, math.nan))
            if name not in RANGES:
                raise ParameterError("values", name, f"names of {', '.join(RANGES)}")
            if not low <= value <= high:
                raise ParameterError(name, value, f"between {low:g} and {high:g}")

    def __bool__(self) -> bool:
        """Whether there are any, averages over bins aside."""
        return any((self.offsets, self.two_halo, self.boost))

    def check(self, parameters: ParameterSet) -> None:
        """Raise unless every parameter is fixed or free, within its range, and belongs here."""
        free = {p.name: p.prior for p in parameters.parameters if p.name in RANGES}
        needed = ["miscentring_fraction", "miscentring_scale"] if self.offsets else []
        needed += ["boost_b0", "boost_rs"] if self.boost else []
        known = [*needed, "two_halo_bias"] if self.two_halo else needed
        for name in self.values:
            if name not in known:
                raise ParameterError(name, self.values[name], "None without its effect")
        for name in needed:
            if name not in free and name not in self.values:
                raise ParameterError(name, None, "given, or free with a prior")
        for name, prior in free.items():
            low, high = RANGES[name]
            if name not in known:
                raise ParameterError(name, "free", "a parameter of an effect that the model has")
            if not (prior.low >= low and prior.high <= high):
                raise ParameterError(
                    f"priors.{name}",
                    (prior.low, prior.high),
                    f"a support within {low:g} to {high:g}",
                    "Give a uniform or truncated-normal prior.",
                )

    def columns(self, given: Mapping[str, Array], n: int) -> dict[str, Array]:
        """Return the value of every parameter for n vectors: those given, else the fixed."""
        fixed = {name: np.full(n, value) for name, value in self.values.items()}
        return fixed | {name: column for name, column in given.items() if name in RANGES}


class SeenProfile:
    """One observable of a halo with its effects.

    Parameters
    ----------
    effects : Effects
    quantity : int
        What is measured, of `QUANTITIES`.
    radius : (m,) ndarray [Mpc]
    edges : (2, m) ndarray or None
        Of the bins, where they are averaged over.
    sources : SourceArrays or None
        Of a shear; None for Delta Sigma.
    inverse : float or None
        <Sigma_crit^-1> of a Delta Sigma that is to be corrected for reduced shear.
    two_halo : (redshift, LinearPower, mass definition) or None
    """

    def __init__(
        self,
        effects: Effects,
        quantity: int,
        radius: Array,
        edges: Array | None,
        sources: SourceArrays | None,
        inverse: float | None,
        two_halo: tuple[float, LinearPower, str] | None,
    ) -> None:
        self._effects = effects
        self._matrix = BinMatrix(radius, edges, effects.offsets)
        self._radius = np.ascontiguousarray(radius)[None, :]
        self.sources, self.inverse = sources, inverse
        if inverse is not None:
            # the ellipticity itself, whose inverse counts where it exceeds 1
            self.sources = SourceArrays(*(np.full((1, 1), inverse),) * 2)
        self.quantity = quantity
        """What is averaged, of `QUANTITIES`."""
        if quantity == _REDUCED and self._matrix.averages:
            self.quantity = _ELLIPTICITY
        self._term: tuple[Array, Array] | None = None
        if effects.two_halo:
            assert two_halo is not None
            self._two_halo = two_halo
            redshift, power, mass_def = two_halo
            unit = TwoHalo(None, redshift, power, bias=1.0)
            self._term = (
                unit.surface_density(self._matrix.nodes),
                unit.excess_surface_density(self._matrix.nodes),
            )
            self._bias = _bias_of_mass(redshift, power, mass_def)

    @property
    def nodes(self) -> Array:
        """The radii that the profile is taken at, (1, nodes) [Mpc]."""
        return self._matrix.nodes

    def bin_averages(self, values: Array, n_threads: int) -> Array:
        """Return the means over bins, (B, m), of what is seen without effects, (B, nodes)."""
        means = self._matrix.seen(values, None, None, n_threads)
        return means if self.inverse is None else means / self.inverse

    def __call__(
        self,
        halo: RadialMass,
        sign: Array,
        mass: Array,
        columns: Mapping[str, Array],
        n_threads: int,
    ) -> Array:
        """Return what is seen of haloes of signed mass, (B, m); `mass` is its size, (B,)."""
        values = self._values(halo, mass, columns, sign, n_threads)
        seen = self._matrix.seen(
            values, columns.get("miscentring_fraction"), columns.get("miscentring_scale"), n_threads
        )
        if self._effects.boost:
            seen = seen / boost_factors(self._radius, columns["boost_b0"], columns["boost_rs"])
        return seen if self.inverse is None else seen / self.inverse

    def _values(
        self,
        halo: RadialMass,
        mass: Array,
        columns: Mapping[str, Array],
        sign: Array,
        n_threads: int,
    ) -> Array:
        """Return the quantity at the nodes, (B, nodes)."""
        if self._term is None:
            return self._of_profile(halo, sign, n_threads)
        nodes, column = self._matrix.nodes, sign[:, None]
        bias = columns.get("two_halo_bias")
        bias = self._bias(mass) if bias is None else bias
        if self._effects.two_halo == "max":
            redshift, power, _ = self._two_halo
            halo = HaloMatter(halo, TwoHalo(None, redshift, power, bias=bias))
            return self._of_profile(halo, sign, n_threads)
        bias = bias[:, None]
        excess = halo._evaluate(QUANTITIES["excess_surface_density"], nodes, None, n_threads)
        excess = excess + bias * self._term[1]
        if self.sources is None:
            return column * excess
        surface = halo._evaluate(QUANTITIES["surface_density"], nodes, None, n_threads)
        surface = surface + bias * self._term[0]
        shear, convergence, planes, weights, _ = _signed(self.sources, sign)
        out = np.empty_like(surface)
        lensing(self.quantity, surface, excess, shear, convergence, planes, weights, out, n_threads)
        return out

    def _of_profile(self, profile: RadialMass, sign: Array, n_threads: int) -> Array:
        nodes = self._matrix.nodes
        if self.sources is None:
            return sign[:, None] * profile._evaluate(self.quantity, nodes, None, n_threads)
        sources = _signed(self.sources, sign)
        return profile._evaluate(self.quantity, nodes, sources, n_threads)


def _signed(sources: SourceArrays, sign: Array) -> SourceArrays:
    if (sign == 1.0).all():
        return sources
    return signed_sources(sources, sign)


def signed_sources(sources: SourceArrays, sign: Array) -> SourceArrays:
    """Return sources that see surface densities of the given signs, one a row.

    A surface density of the opposite sign acts as one of the opposite 1 / Sigma_crit.
    """
    column = sign[:, None]
    planes = sources.plane_inverse
    return sources._replace(
        shear=np.ascontiguousarray(column * sources.shear),
        convergence=np.ascontiguousarray(column * sources.convergence),
        plane_inverse=None if planes is None else np.ascontiguousarray(column * planes),
    )


def _bias_of_mass(redshift: float, power: LinearPower, mass_def: str) -> Any:
    """Return b(mass) on a cubic spline of ln b in ln M, 1e8 to 1e17 Msun, to 1e-6.

    Fits that pass through mass zero meet smaller masses, which have no signal.
    """
    from scipy.interpolate import CubicSpline

    bias = power.halo_bias(np.exp(_BIAS_MASSES), redshift, mass_def)
    step = float(_BIAS_MASSES[1] - _BIAS_MASSES[0])
    spline = CubicSpline(_BIAS_MASSES, np.log(bias))
    coefficients = np.ascontiguousarray(spline.c[::-1].T * step ** np.arange(4))
    low, high = math.exp(_BIAS_MASSES[0]), math.exp(_BIAS_MASSES[-1]) * (1.0 - 1e-12)

    def of(mass: Array) -> Array:
        out = np.empty(mass.shape)
        # the core's splines are of ln(1 + z)
        at_redshifts(coefficients, step, np.clip(mass, low, high) / low - 1.0, out)
        return np.exp(out)

    return of
