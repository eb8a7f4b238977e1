"""What every mass profile can be asked, derived once for all of them.

A profile gives density, enclosed mass, surface density and excess surface density;
convergence, shear, reduced shear and magnification follow here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from .._core.profile import QUANTITIES
from ..cosmology import MassDef, checked_redshift, resolve_cosmology
from ..errors import ParameterError
from ..units import as_float_array, attach, has_unit
from .lensing import SourceArrays, resolve_sources

if TYPE_CHECKING:
    from astropy.cosmology import FLRW


Array = npt.NDArray[np.float64]

UNITS = {
    "density": "Msun / Mpc3",
    "enclosed_mass": "Msun",
    "surface_density": "Msun / Mpc2",
    "mean_surface_density": "Msun / Mpc2",
    "excess_surface_density": "Msun / Mpc2",
    "enclosed_mass_2d": "Msun",
    "surface_density_slope": "Msun / Mpc2",
    "density_slope": "Msun / Mpc3",
}
LENSING = ("convergence", "tangential_shear", "reduced_tangential_shear", "magnification")


class RadialMass(ABC):
    """A spherical mass profile, or an array of n of them, at redshift `redshift`.

    Radii are physical Mpc: `R` projected, `r` three-dimensional. Shapes: one profile gives
    ``R.shape``; n profiles with R (m,) give (n, m), with R (n, m) they pair row by row.
    Every method takes ``n_threads`` (1 by default; 0 for all); results are the same bits for
    any number. A radius that is not finite and > 0 raises `ParameterError`. Given an astropy
    Quantity as radius, the methods return a Quantity.

    `z_s` is a source redshift, an array of them (the shape of R for one profile; (n,) or
    (n, m) for n of them), a `clmassmod.SourceDistribution` (exact average over n(z)), a list
    of n of those, or `clmassmod.BetaMoments`. Sources with ``z_s <= z_l`` have convergence
    and shear 0, magnification 1.
    """

    redshift: Any
    cosmology: FLRW
    ends_with_peak_height: ClassVar[bool] = False
    """Whether the profile is undefined above some mass, by its relation with the peak height."""

    def __init__(self, arguments: dict[str, Any], redshift: Any, cosmology: FLRW | None) -> None:
        self._arguments = {name: _kept(value) for name, value in arguments.items()}
        self.redshift = checked_redshift(redshift)[()]
        self.cosmology = resolve_cosmology(cosmology)

    # -- what a kind of profile supplies -------------------------------------------------------

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """``()`` for one profile, ``(n,)`` for n of them."""

    @abstractmethod
    def _evaluate(
        self, quantity: int, radius: Array, sources: SourceArrays | None, n_threads: int
    ) -> Array:
        """Return `quantity` at `radius` ((1, m) or (n, m)) as (n, m)."""

    # -- projected and three-dimensional mass ---------------------------------------------------

    def density(self, r: Any, *, n_threads: int = 1) -> Any:
        """Density [Msun / Mpc^3] at r [physical Mpc, > 0]."""
        return self._at("density", r, n_threads)

    def enclosed_mass(self, r: Any, *, n_threads: int = 1) -> Any:
        """Mass inside the sphere of radius r [Msun]."""
        return self._at("enclosed_mass", r, n_threads)

    def surface_density(self, R: Any, *, n_threads: int = 1) -> Any:
        """Surface density ``Sigma(R) = 2 int_0^inf rho(sqrt(R^2 + l^2)) dl`` [Msun / Mpc^2]."""
        return self._at("surface_density", R, n_threads)

    def mean_surface_density(self, R: Any, *, n_threads: int = 1) -> Any:
        """Mean surface density inside R, ``M_2d(R) / (pi R^2)`` [Msun / Mpc^2]."""
        return self._at("mean_surface_density", R, n_threads)

    def excess_surface_density(self, R: Any, *, n_threads: int = 1) -> Any:
        """Excess surface density, mean minus local [Msun / Mpc^2], without cancellation."""
        return self._at("excess_surface_density", R, n_threads)

    def enclosed_mass_2d(self, R: Any, *, n_threads: int = 1) -> Any:
        """Mass inside the cylinder of radius R [Msun]."""
        return self._at("enclosed_mass_2d", R, n_threads)

    def surface_density_slope(self, R: Any, *, n_threads: int = 1) -> Any:
        """Derivative ``d Sigma / d ln R`` [Msun / Mpc^2]."""
        return self._at("surface_density_slope", R, n_threads)

    def density_slope(self, r: Any, *, n_threads: int = 1) -> Any:
        """Derivative ``d rho / d ln r`` [Msun / Mpc^3]."""
        return self._at("density_slope", r, n_threads)

    # -- spherical overdensity -----------------------------------------------------------------

    def spherical_overdensity_radius(self, mass_def: str | MassDef) -> Any:
        """Radius [physical Mpc] inside which the mean density is that of `mass_def`.

        Raises
        ------
        NumericalError
            The profile does not reach this density anywhere (named by its index).
        """
        from .conversion import solve_radius

        radius = solve_radius(self, MassDef.from_name(mass_def))
        return radius if self.shape else float(radius[0])

    def spherical_overdensity_mass(self, mass_def: str | MassDef) -> Any:
        """Mass [Msun] inside `spherical_overdensity_radius`, ``4 pi/3 Delta rho_ref r^3``."""
        definition = MassDef.from_name(mass_def)
        radius = self.spherical_overdensity_radius(definition)
        return definition.mass(radius, self.redshift, self.cosmology)[()]

    # -- lensing --------------------------------------------------------------------------------

    def convergence(self, R: Any, z_s: Any, *, n_threads: int = 1) -> Any:
        """Convergence ``Sigma / Sigma_crit``."""
        return self._lensing("convergence", R, z_s, n_threads)

    def tangential_shear(self, R: Any, z_s: Any, *, n_threads: int = 1) -> Any:
        """Tangential shear ``Delta Sigma / Sigma_crit``."""
        return self._lensing("tangential_shear", R, z_s, n_threads)

    def reduced_tangential_shear(self, R: Any, z_s: Any, *, n_threads: int = 1) -> Any:
        """Reduced tangential shear ``gamma_t / (1 - kappa)``.

        Over a distribution of sources it is the exact mean of ``beta_s gamma_inf /
        (1 - beta_s kappa_inf)``; with `BetaMoments` it is
        ``<beta_s> gamma_inf / (1 - <beta_s^2>/<beta_s> kappa_inf)`` (Seitz & Schneider 1997).
        NaN where the convergence of part of the sources reaches 1: the mean has a pole there.
        """
        return self._lensing("reduced_tangential_shear", R, z_s, n_threads)

    def tangential_ellipticity(self, R: Any, z_s: Any, *, n_threads: int = 1) -> Any:
        """Expected tangential ellipticity of galaxies: g_t for ``|g_t| <= 1``, else ``1 / g_t``.

        What shear measurements average (Seitz & Schneider 1997): bounded, where the reduced
        shear has a pole at convergence 1, and averaged exactly over a distribution of sources,
        also behind a supercritical centre.
        """
        return self._lensing("tangential_ellipticity", R, z_s, n_threads)

    def magnification(self, R: Any, z_s: Any, *, n_threads: int = 1) -> Any:
        """Magnification ``1 / ((1 - kappa)^2 - gamma_t^2)``, signed.

        Over a distribution of sources it is NaN where part of them lie beyond the critical
        curve, ``kappa + |gamma_t| >= 1``: the mean has a pole there.
        """
        return self._lensing("magnification", R, z_s, n_threads)

    # -- the way to the core --------------------------------------------------------------------

    def _at(self, name: str, radius: Any, n_threads: int) -> Any:
        r, rows = self._radii(radius)
        values = self._evaluate(QUANTITIES[name], rows, None, n_threads)
        result = self._shaped(values, r)
        return attach(result, UNITS[name]) if has_unit(radius) else result

    def _lensing(self, name: str, radius: Any, z_s: Any, n_threads: int) -> Any:
        r, rows, sources = self._sources(z_s, *self._radii(radius))
        values = self._evaluate(QUANTITIES[name], rows, sources, n_threads)
        result = self._shaped(values, r)
        return attach(result, "") if has_unit(radius) else result

    def _sources(self, z_s: Any, r: Array, rows: Array) -> tuple[Array, Array, SourceArrays]:
        """Return radii, rows of them, and sources; source redshifts may widen the radii."""
        sources = resolve_sources(z_s, self.redshift, self.shape, r.shape, self.cosmology)
        if not self.shape and sources.point_shape is not None and r.shape != sources.point_shape:
            r = np.broadcast_to(r, sources.point_shape)
            rows = np.ascontiguousarray(r).reshape(1, -1)
        return r, rows, sources

    def _radii(self, radius: Any) -> tuple[Array, Array]:
        """Return the radii as given and as (1, m) or (n, m) contiguous rows."""
        r = as_float_array(radius, "Mpc", "radius")
        if not self.shape:
            return r, np.ascontiguousarray(r).reshape(1, -1)
        if r.ndim <= 1:
            return r, np.ascontiguousarray(r).reshape(1, -1)
        if r.ndim == 2 and r.shape[0] == self.shape[0]:
            return r, np.ascontiguousarray(r)
        raise ParameterError(
            "radius.shape", r.shape, f"(m,) or ({self.shape[0]}, m) for {self.shape[0]} profiles"
        )

    def _shaped(self, values: Array, r: Array) -> Any:
        if not self.shape:
            return values.reshape(r.shape)[()]
        return values[:, 0] if r.ndim == 0 else values

    # -- identity -------------------------------------------------------------------------------

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some arguments of the constructor changed."""
        unknown = sorted(set(changes) - set(self._arguments))
        if unknown:
            allowed = ", ".join(self._arguments)
            raise ParameterError("argument", unknown[0], f"one of {allowed}")
        return type(self)(**{**self._arguments, **changes})

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or not isinstance(other, RadialMass):
            return NotImplemented
        mine, theirs = self._arguments, other._arguments
        return mine.keys() == theirs.keys() and all(_same(mine[key], theirs[key]) for key in mine)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self._arguments))

    def __repr__(self) -> str:
        parts = [f"{key}={_short(value)}" for key, value in self._arguments.items()]
        return f"{type(self).__name__}({', '.join(parts)})"


def _rebuild(cls: type[RadialMass], arguments: dict[str, Any]) -> RadialMass:
    return cls(**arguments)


def _kept(value: Any) -> Any:
    # the caller may go on writing into the array
    if not isinstance(value, np.ndarray):
        return value
    copy = value.copy()
    copy.flags.writeable = False
    return copy


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    return bool(a == b)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim > 0:
        return f"<{value.size} values>"
    if isinstance(value, int | float | np.floating):
        return f"{float(value):.6g}"
    name = getattr(value, "name", None)
    return str(name) if isinstance(name, str) and name else repr(value)


def parameter(
    value: Any,
    unit: str,
    name: str,
    low: float,
    high: float = np.inf,
    *,
    low_allowed: bool = False,
) -> Array:
    """Return a profile parameter as a read-only float array with ``low < value < high``.

    With `low_allowed` the lower bound itself is inside.
    """
    array = as_float_array(value, unit, name)
    inside = (array >= low if low_allowed else array > low) & (array < high)
    if not inside.all():
        where = np.unravel_index(int(np.argmin(inside)), array.shape)
        place = f" (at index {', '.join(map(str, where))})" if array.ndim else ""
        bound = f"{'>=' if low_allowed else '>'} {low:g}"
        raise ParameterError(name, float(array[where]), f"finite, {bound} and < {high:g}{place}")
    array = array.copy()
    array.flags.writeable = False
    return array


def common_shape(**parameters: Array) -> tuple[int, ...]:
    """Return the shape the parameters broadcast to: ``()`` or ``(n,)``."""
    try:
        shape = np.broadcast_shapes(*(array.shape for array in parameters.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in parameters.items())
        raise ParameterError("parameters", shapes, "scalars or arrays of one common (n,)") from None
    if len(shape) > 1:
        raise ParameterError("parameters", shape, "scalars or one-dimensional arrays (n,)")
    return shape


def per_profile(array: Any, n: int) -> Array:
    """Return a parameter as a contiguous array of n values."""
    values = np.asarray(array, dtype=np.float64)
    return np.ascontiguousarray(values if values.shape == (n,) else np.broadcast_to(values, (n,)))
