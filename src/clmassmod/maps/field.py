"""Lensing fields: convergence and shear at any position around a lens.

What draws galaxies or averages shear needs no more than `LensingField`; a map and a profile both
give one.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from .._checks import positive, vector
from ..cosmology import Array, inverse_critical_surface_density_at_infinity
from ..errors import ParameterError
from ..profiles.base import RadialMass
from ..units import as_float_array
from ._spline import checked_sampling, spline_coefficients, spline_values
from .kaiser_squires import shear_of_convergence, square_map, tapered


@runtime_checkable
class LensingField(Protocol):
    """Convergence and shear about one lens, for sources at infinite redshift.

    For a source of ``beta_s = D_ls / D_s / (the same at infinity)`` all three are to be
    multiplied by beta_s.
    """

    @property
    def redshift(self) -> float:
        """Redshift of the lens, > 0."""

    def convergence_shear(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array, Array]:
        """Return kappa, gamma1 and gamma2 at offsets x, y [physical Mpc] from the lens.

        With phi counted from x towards y, ``gamma_t = -(gamma1 cos 2 phi + gamma2 sin 2 phi)``
        is positive about a mass.
        """


class ProfileField:
    """The lensing field of a circular mass profile.

    Parameters
    ----------
    profile : RadialMass
        One profile, such as `clmassmod.NFW`.
    centre : (x, y), default (0, 0)
        Where its centre is [physical Mpc].

    Examples
    --------
    >>> import clmassmod as clm
    >>> field = ProfileField(clm.NFW(5e14, 4.0, redshift=0.3))
    >>> kappa, gamma1, gamma2 = field.convergence_shear([0.5], [0.0])
    >>> bool(gamma1[0] < 0.0), abs(float(gamma2[0]))
    (True, 0.0)
    """

    def __init__(self, profile: RadialMass, centre: tuple[float, float] = (0.0, 0.0)) -> None:
        if not isinstance(profile, RadialMass) or profile.shape:
            raise ParameterError("profile", profile, "one profile of clmassmod, not several")
        self.profile = profile
        self.redshift = float(profile.redshift)
        self.centre = position("centre", centre)
        self._inverse = float(
            inverse_critical_surface_density_at_infinity(self.redshift, profile.cosmology)
        )

    def convergence_shear(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array, Array]:
        """Return kappa, gamma1 and gamma2; see `LensingField.convergence_shear`.

        Raises
        ------
        ParameterError
            A position at the very centre, where no profile has a shear.
        """
        dx, dy = offsets(x, y, self.centre)
        radius = np.hypot(dx, dy)
        kappa = self._inverse * np.asarray(self.profile.surface_density(radius))
        shear = self._inverse * np.asarray(self.profile.excess_surface_density(radius))
        scaled = -shear / radius**2
        return kappa, scaled * (dx**2 - dy**2), scaled * (2.0 * dx * dy)

    def __repr__(self) -> str:
        return f"<ProfileField of {self.profile!r}>"


class MapField:
    """The lensing field of a convergence map: its spline, and that of its shear.

    Parameters
    ----------
    convergence : (n, n) array_like
        Convergence for sources at infinite redshift, ``[row, column]``, relative to the mean
        universe; y increases along the rows, x along the columns.
    pixel_scale : float or Quantity
        Side of a pixel [physical Mpc], > 0.
    redshift : float
        Redshift of the lens, > 0.
    centre : (x, y), optional
        Position of the lens in pixels from the centre of the first; by default the middle of
        the map.
    sampling, periodic, apodisation, n_threads
        As of `shear_of_convergence`. With an apodisation, the field is that of the tapered map.

    Notes
    -----
    Between pixels the field is the bicubic spline whose means over the pixels (or values at
    their centres) are those of the map: for an NFW halo, shear and convergence at a point are
    good to 5e-3 beyond 6 pixels from the centre, to 5e-4 beyond 10. Outside of the map the field
    is not defined.
    """

    def __init__(
        self,
        convergence: npt.ArrayLike,
        pixel_scale: Any,
        redshift: float,
        *,
        centre: tuple[float, float] | None = None,
        sampling: str = "pixel",
        periodic: bool = False,
        apodisation: float = 0.0,
        n_threads: int = 1,
    ) -> None:
        kappa = tapered(square_map("convergence", convergence), apodisation)
        self.pixel_scale = float(
            positive("pixel_scale", vector("pixel_scale", [pixel_scale], "Mpc"))[0]
        )
        self.redshift = float(redshift)
        self.sampling = checked_sampling(sampling)
        self.n_pixels = kappa.shape[0]
        middle = 0.5 * (self.n_pixels - 1)
        self.centre = position("centre", (middle, middle) if centre is None else centre)
        shear = shear_of_convergence(
            kappa, sampling=sampling, periodic=periodic, n_threads=n_threads
        )
        self._splines = [spline_coefficients(part, sampling) for part in (kappa, *shear)]

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """The outer edges of the map: x_min, x_max, y_min, y_max [physical Mpc]."""
        low_x, low_y = (self.pixel_scale * (-0.5 - c) for c in self.centre)
        side = self.pixel_scale * self.n_pixels
        return low_x, low_x + side, low_y, low_y + side

    def convergence_shear(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array, Array]:
        """Return kappa, gamma1 and gamma2; see `LensingField.convergence_shear`.

        Raises
        ------
        ParameterError
            A position outside of the map.
        """
        dx, dy = offsets(x, y, (0.0, 0.0))
        column = dx / self.pixel_scale + self.centre[0]
        row = dy / self.pixel_scale + self.centre[1]
        self._check_inside(column, row, dx, dy)
        kappa, gamma1, gamma2 = (spline_values(part, column, row) for part in self._splines)
        return kappa, gamma1, gamma2

    def _check_inside(self, column: Array, row: Array, dx: Array, dy: Array) -> None:
        # rounding may put a position on the edge a little outside of it
        low, high = -0.5 - 1e-9, self.n_pixels - 0.5 + 1e-9
        for name, pixel, offset, axis in (("x", column, dx, 0), ("y", row, dy, 2)):
            inside = (pixel >= low) & (pixel <= high)
            if not inside.all():
                edges = self.extent[axis : axis + 2]
                raise ParameterError(
                    name,
                    float(offset[~inside].flat[0]),
                    f"within the map, {edges[0]:.6g} to {edges[1]:.6g} Mpc",
                )

    def __repr__(self) -> str:
        side = self.pixel_scale * self.n_pixels
        return f"<MapField: {self.n_pixels}^2 pixels, {side:.4g} Mpc, z = {self.redshift:.4g}>"


def position(name: str, value: Any) -> tuple[float, float]:
    """Return a pair of finite numbers."""
    pair = vector(name, value, "Mpc" if hasattr(value, "unit") else "", (2,))
    return float(pair[0]), float(pair[1])


def offsets(x: npt.ArrayLike, y: npt.ArrayLike, centre: tuple[float, float]) -> tuple[Array, Array]:
    """Return positions relative to `centre`, of one shape."""
    first, second = as_float_array(x, "Mpc", "x"), as_float_array(y, "Mpc", "y")
    try:
        dx, dy = np.broadcast_arrays(first - centre[0], second - centre[1])
    except ValueError as error:
        raise ParameterError("y.shape", second.shape, f"that of x, {first.shape}") from error
    return dx, dy
