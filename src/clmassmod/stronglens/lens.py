"""What every axisymmetric strong lens can be asked, derived once from its mean convergence."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._checks import checked_threads
from .._core import axisym as core
from ..cosmology import (
    SIGMA_CRITICAL_FACTOR,
    SPEED_OF_LIGHT,
    angular_diameter_distance,
    checked_redshift,
    inverse_critical_surface_density,
    resolve_cosmology,
)
from ..errors import ParameterError
from ..units import as_float_array, attach, has_unit

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

ARCSEC = math.pi / 648_000.0
"""One arcsecond [rad]."""
KPC_PER_DAY = SPEED_OF_LIGHT * 86_400.0 / (648_000.0 / math.pi * 149_597_870.7 * 1e3)
"""Speed of light [kpc / day]."""


class LensStatus(IntEnum):
    """What came of one lens."""

    ok = 0
    no_einstein_ring = 1
    """The mean convergence is below 1 everywhere, or down to 1e-12 effective radii."""
    single_image = 2
    """The source lies on or beyond the radial caustic, or image B too near the centre to be
    looked for: image A only."""
    no_convergence = 3
    not_a_number = 4
    no_stellar_mass = 5
    """Inversion: the halo alone deflects too much."""
    source_behind_axis = 6
    """Inversion: beta would be negative."""
    inside_radial_critical_curve = 7
    """Inversion: x_B would be a central image."""


class LensStructure(NamedTuple):
    """Radii of lenses [kpc in the lens plane], each of the shape of the lenses."""

    einstein_radius: Array
    radial_critical_radius: Array
    caustic_radius: Array
    status: npt.NDArray[np.intc]
    """`LensStatus` numbers."""


class Geometry:
    """Distances of lenses at `z_l` and sources at `z_s`, which broadcast."""

    def __init__(self, z_l: Any, z_s: Any, cosmology: FLRW | None) -> None:
        self.cosmology = resolve_cosmology(cosmology)
        self.z_l = checked_redshift(z_l, "z_l")
        self.z_s = checked_redshift(z_s, "z_s")
        require(self.z_l, self.z_l > 0.0, "z_l", "finite and > 0")
        lens, source = broadcast(z_l=self.z_l, z_s=self.z_s)
        require(source, source > lens, "z_s", "above z_l: a source behind its lens")
        inverse = inverse_critical_surface_density(self.z_l, self.z_s, self.cosmology)
        self.inverse_sigma_critical = np.asarray(inverse) * 1e6
        """1 / Sigma_crit [kpc^2 / Msun]."""
        distance = np.asarray(angular_diameter_distance(self.z_l, self.cosmology))
        self.kpc_per_arcsec = distance * (1e3 * ARCSEC)

    @property
    def days_per_kpc2(self) -> Array:
        """(1 + z_l)/c D_s/(D_d D_ds): what turns Fermat potentials into time delays."""
        per_kpc = 1e3 / (self.inverse_sigma_critical * SIGMA_CRITICAL_FACTOR)
        return np.asarray((1.0 + self.z_l) * per_kpc / KPC_PER_DAY)


class AxisymmetricLens(ABC):
    """A lens with a centre, or an array of them.

    Lengths are physical kpc in the lens plane, source offsets too; times are days. Parameters,
    radii and offsets broadcast element by element. Methods take ``n_threads`` (1 by default; 0
    for all); results are the same bits for any number. astropy Quantities are accepted and
    given back where given.
    """

    shape: tuple[int, ...]
    geometry: Geometry

    @abstractmethod
    def _arrays(self, shape: tuple[int, ...]) -> core.LensArrays:
        """Return the lenses, broadcast to `shape` and flattened, as the core takes them."""

    # -- geometry -------------------------------------------------------------------------------

    @property
    def z_l(self) -> Any:
        """Redshift of the lens."""
        return self.geometry.z_l[()]

    @property
    def z_s(self) -> Any:
        """Redshift of the source."""
        return self.geometry.z_s[()]

    @property
    def cosmology(self) -> FLRW:
        """The astropy cosmology."""
        return self.geometry.cosmology

    @property
    def critical_surface_density(self) -> Any:
        """Critical surface density [Msun / kpc^2]."""
        return (1.0 / self.geometry.inverse_sigma_critical)[()]

    @property
    def kpc_per_arcsec(self) -> Any:
        """Physical kpc in the lens plane that one arcsecond spans."""
        return self.geometry.kpc_per_arcsec[()]

    def to_arcsec(self, kpc: Any) -> Any:
        """Return a length in the lens plane [kpc] as an angle [arcsec]."""
        return (as_float_array(kpc, "kpc", "kpc") / self.geometry.kpc_per_arcsec)[()]

    def to_kpc(self, arcsec: Any) -> Any:
        """Return an angle [arcsec] as a length in the lens plane [kpc]."""
        return (as_float_array(arcsec, "arcsec", "arcsec") * self.geometry.kpc_per_arcsec)[()]

    # -- at a radius ----------------------------------------------------------------------------

    def deflection(self, x: Any, *, n_threads: int = 1) -> Any:
        """Deflection ``alpha(x) = m(x) / (pi x Sigma_crit)`` [kpc] at x [kpc, > 0]."""
        values, radius = self._values(x, n_threads)
        return self._given_back(radius * values[0], x, "kpc")

    def convergence(self, x: Any, *, n_threads: int = 1) -> Any:
        """Convergence ``kappa`` at x [kpc, > 0]."""
        return self._given_back(self._values(x, n_threads)[0][1], x, "")

    def shear(self, x: Any, *, n_threads: int = 1) -> Any:
        """Tangential shear, mean convergence minus convergence, at x [kpc, > 0]."""
        values, _ = self._values(x, n_threads)
        return self._given_back(values[0] - values[1], x, "")

    def magnification(self, x: Any, *, n_threads: int = 1) -> Any:
        """Magnification ``1/(T R)`` of an image at x [kpc, > 0]; negative where parity is odd.

        ``T = 1 - kbar``, ``R = 1 + kbar - 2 kappa``. Infinite on a critical curve.
        """
        values, _ = self._values(x, n_threads)
        with np.errstate(divide="ignore"):
            result = 1.0 / ((1.0 - values[0]) * (1.0 - values[2]))
        return self._given_back(result, x, "")

    def stars_convergence(self, x: Any, *, n_threads: int = 1) -> Any:
        """Convergence of the stars alone at x [kpc, > 0]."""
        return self._given_back(self._values(x, n_threads)[0][3], x, "")

    def _values(self, x: Any, n_threads: int) -> tuple[Array, Array]:
        """Return (4, ...) kbar, kappa, d alpha/dx, kappa of the stars; and the radii."""
        radius = positive_lengths(x, "x")
        shape = self._shape_with("x", radius)
        out = np.empty((4, math.prod(shape)))
        checked_threads(n_threads)
        core.values(self._arrays(shape), flat(radius, shape), out, n_threads)
        if np.isnan(out[0]).any():
            self._refuse_range(radius, shape, out[0])
        return out.reshape(4, *shape), radius

    def _refuse_range(self, radius: Array, shape: tuple[int, ...], values: Array) -> None:
        bad = flat(radius, shape)[int(np.argmax(np.isnan(values)))]
        low, high = core.SAMPLED_LIMITS
        raise ParameterError("x", float(bad), f"between {low:g} and {high:g} kpc")

    # -- radii of the lens ----------------------------------------------------------------------

    def structure(self, *, n_threads: int = 1) -> LensStructure:
        """Return Einstein radius, radial critical radius, caustic radius and status.

        NaN where there is no Einstein ring (the caustic radius is 0 there). The radial
        critical radius is 0 where no image is radially critical (inner slopes of 2 and
        more); then the caustic radius is the limit of ``alpha(x) - x`` at the centre, inf
        where it has none. Relative accuracy 1e-11; of the radial critical radius 1e-11 times
        the mean convergence there, if that is large. What is not found: rings below 1e-12
        effective radii, and radial critical radii below 1e-12 Einstein radii or where the
        mean convergence exceeds 5e9.
        """
        checked_threads(n_threads)
        n = math.prod(self.shape)
        out, status = np.empty((3, n)), np.empty(n, dtype=np.intc)
        core.structure(self._arrays(self.shape), out, status, n_threads)
        einstein, radial, caustic = out.reshape(3, *self.shape)
        return LensStructure(einstein, radial, caustic, status.reshape(self.shape))

    def einstein_radius(self, *, n_threads: int = 1) -> Any:
        """Radius [kpc] where the mean convergence is 1; NaN where there is none."""
        return self.structure(n_threads=n_threads).einstein_radius[()]

    def radial_critical_radius(self, *, n_threads: int = 1) -> Any:
        """Outermost radius [kpc] where ``R = 1 + kbar - 2 kappa`` is 0; see `structure`."""
        return self.structure(n_threads=n_threads).radial_critical_radius[()]

    def caustic_radius(self, *, n_threads: int = 1) -> Any:
        """Radius [kpc] of the radial caustic: sources inside have two images; see `structure`."""
        return self.structure(n_threads=n_threads).caustic_radius[()]

    def time_delay(self, beta: Any, *, n_threads: int = 1) -> Any:
        """Days by which image B of a source at `beta` [kpc, >= 0] arrives after image A.

        NaN where there are not two images. See `solve_images`.
        """
        from .lens_solver import solve_images

        return solve_images(self, beta, n_threads=n_threads).time_delay

    # -- shapes and units -----------------------------------------------------------------------

    def _shape_with(self, name: str, values: Array) -> tuple[int, ...]:
        try:
            return np.broadcast_shapes(self.shape, values.shape)
        except ValueError:
            raise ParameterError(
                f"{name}.shape", values.shape, f"one that broadcasts with the lenses {self.shape}"
            ) from None

    @staticmethod
    def _given_back(values: Array, given: Any, unit: str) -> Any:
        return attach(values, unit) if has_unit(given) else values[()]


# -- checks ----------------------------------------------------------------------------------------


def require(values: Array, good: Any, name: str, allowed: str, unit: str = "") -> None:
    """Raise ParameterError naming the first element of `values` that is not `good`."""
    if np.all(good):
        return
    index = np.unravel_index(int(np.argmin(good)), values.shape)
    place = f" (at index {', '.join(map(str, index))})" if values.ndim else ""
    raise ParameterError(name, float(values[index]), f"{allowed}{unit and f' [{unit}]'}{place}")


def positive_lengths(value: Any, name: str) -> Array:
    """Return radii [kpc] as a float array, each finite and > 0."""
    array = as_float_array(value, "kpc", name)
    require(array, (array > 0.0) & (array < np.inf), name, "a radius, finite and > 0", "kpc")
    return array


def offsets(value: Any, name: str) -> Array:
    """Return source offsets [kpc] as a float array, each finite and >= 0."""
    array = as_float_array(value, "kpc", name)
    require(array, (array >= 0.0) & (array < np.inf), name, "finite and >= 0", "kpc")
    return array


def broadcast(**parameters: Array) -> list[Array]:
    """Return the parameters broadcast to one shape."""
    try:
        return list(np.broadcast_arrays(*parameters.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in parameters.items())
        raise ParameterError("shapes", shapes, "shapes that broadcast together") from None


def flat(array: Array, shape: tuple[int, ...]) -> Array:
    """Return `array` broadcast to `shape`, flattened and contiguous."""
    return np.ascontiguousarray(np.broadcast_to(array, shape)).reshape(-1)
