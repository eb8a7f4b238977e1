"""What every map is: a square of checked numbers, with scale, place and redshift."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from .._checks import (
    MAX_RADIUS,
    MAX_VALUE,
    frozen,
    lens_redshift,
    metadata_text,
    numbers,
    printable,
    require,
    scalar,
)
from .._immutable import ImmutableObservable
from ..cosmology import Array, angular_diameter_distance
from ..errors import ParameterError
from ._spline import checked_sampling
from .field import position
from .radial import RadialAverages, radial_averages

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

MIN_PIXELS = 4
"""Smallest side of a map, in pixels."""


class SkyMap(ImmutableObservable):
    """What `MassMap` and `KappaMap` share; not made by itself."""

    _unit: ClassVar[str]
    _kind: ClassVar[str]

    values: Array
    errors: Array | None
    mask: Any
    pixel_scale: float | None
    pixel_angle: float | None
    redshift: float
    centre: tuple[float, float]
    depth: float | None
    sampling: str
    id: str
    file: str | None

    def _set_common(
        self,
        values: Any,
        pixel_scale: Any,
        pixel_angle: Any,
        redshift: Any,
        centre: Any,
        mask: Any,
        errors: Any,
        depth: Any,
        sampling: str,
        id: str,
        file: str | os.PathLike[str] | None,
        metadata: Mapping[str, Any] | None,
    ) -> None:
        array = numbers("values", values, self._unit)
        if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) < MIN_PIXELS:
            allowed = f"(n, n) with n >= {MIN_PIXELS}: a square map"
            raise ParameterError("values.shape", array.shape, allowed)
        hidden = _checked_mask(mask, array.shape)
        array[hidden] = 0.0
        require("values", array, np.isfinite(array), "finite where it is not masked")
        require("values", array, np.abs(array) < MAX_VALUE, f"below {MAX_VALUE:g} in size")
        array[hidden] = math.nan
        if pixel_scale is None and pixel_angle is None:
            allowed = "given [physical Mpc], or pixel_angle [rad] instead"
            raise ParameterError("pixel_scale", None, allowed)
        middle = 0.5 * (len(array) - 1)
        self._set(
            values=frozen(array),
            mask=frozen(hidden) if hidden.any() else None,
            errors=None if errors is None else self._checked_errors(errors, array.shape, hidden),
            pixel_scale=_size("pixel_scale", pixel_scale, "Mpc", MAX_RADIUS),
            pixel_angle=_size("pixel_angle", pixel_angle, "rad", math.pi),
            redshift=lens_redshift(redshift),
            centre=position("centre", (middle, middle) if centre is None else centre),
            depth=_size("depth", depth, "Mpc", MAX_RADIUS),
            sampling=checked_sampling(sampling),
            id=printable("id", id),
            file=None if file is None else os.fspath(file),
            _metadata=metadata_text(metadata),
        )

    def _checked_errors(self, errors: Any, shape: tuple[int, ...], hidden: Any) -> Array:
        array = numbers("errors", errors, self._unit)
        if array.shape != shape:
            raise ParameterError("errors.shape", array.shape, f"{shape}, as values")
        array[hidden] = 1.0
        require("errors", array, (array > 0.0) & np.isfinite(array), "finite and > 0")
        array[hidden] = math.nan
        return frozen(array)

    @property
    def n_pixels(self) -> int:
        """Pixels along a side."""
        return len(self.values)

    def pixel_size(self, cosmology: FLRW | None = None) -> float:
        """Return the side of a pixel [physical Mpc]: `pixel_scale`, else from the angle.

        Parameters
        ----------
        cosmology : astropy.cosmology.FLRW, optional
            Used where the map has only `pixel_angle`; None is FlatLambdaCDM(70, 0.3, Tcmb0=0).
        """
        if self.pixel_scale is not None:
            return self.pixel_scale
        assert self.pixel_angle is not None
        return self.pixel_angle * float(angular_diameter_distance(self.redshift, cosmology))

    def filled(self, value: float) -> Self:
        """Return the map without its mask, with `value` in the pixels that were masked.

        The shear of a map is that of all its pixels, so that somebody has to say what is in
        those that were not seen: zero in a convergence map is the mean universe.
        """
        if self.mask is None:
            return self
        content = {"values": np.where(self.mask, value, self.values), "mask": None}
        if self.errors is not None:
            content["errors"] = None
        return self.replace(**content)

    def radial_averages(
        self, edges: Any, *, centre: Any = None, cosmology: FLRW | None = None
    ) -> RadialAverages:
        """Return the averages of the map over rings, and the excess: mean inside minus local.

        Parameters
        ----------
        edges : (n + 1,) array_like or Quantity
            Edges of the rings [physical Mpc], >= 0, increasing; the largest circle must lie
            in the map.
        centre : (x, y), optional
            Centre of the rings in pixels from the centre of the first; by default `centre`.
        cosmology : astropy.cosmology.FLRW, optional
            As of `pixel_size`.

        Returns
        -------
        RadialAverages
            Its `excess` is Delta Sigma [Msun / Mpc^2] of a mass map and the tangential shear
            of a convergence map, which are the same for any distribution of mass.

        Raises
        ------
        ParameterError
            A ring outside of the map, edges out of order, or a masked pixel.
        """
        self.need_all_pixels()
        return radial_averages(
            self.values,
            self.pixel_size(cosmology),
            edges,
            position("centre", self.centre if centre is None else centre),
            self.sampling,
        )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the map to `path` as a FITS image, atomically.

        `load_mass_map` or `load_kappa_map` makes the same map of it again, bit for bit.
        """
        from .fits_file import write_map

        write_map(self, path, self._kind)

    def need_all_pixels(self) -> None:
        """Raise ParameterError if a pixel is masked."""
        if self.mask is not None:
            n = int(np.count_nonzero(self.mask))
            allowed = "without masked pixels"
            raise ParameterError("mask", f"{n} pixels", allowed, "Fill them: .filled(0.0), say.")

    def __repr__(self) -> str:
        name = f" {self.id!r}" if self.id else ""
        if self.pixel_scale is not None:
            pixel = f"{self.pixel_scale:.4g} Mpc"
        else:
            assert self.pixel_angle is not None
            pixel = f"{math.degrees(self.pixel_angle) * 60.0:.4g} arcmin"
        size = f"{self.n_pixels} x {self.n_pixels} pixels of {pixel}"
        return f"<{type(self).__name__}{name}: {size}, z = {self.redshift:.4g}>"


def _size(name: str, value: Any, unit: str, limit: float) -> float | None:
    if value is None:
        return None
    size = scalar(name, value, unit)
    if not 0.0 < size <= limit:
        raise ParameterError(name, size, f"> 0 and <= {limit:.6g} {unit}")
    return size


def _checked_mask(mask: Any, shape: tuple[int, ...]) -> Any:
    if mask is None:
        return np.zeros(shape, dtype=bool)
    array = np.array(mask)
    if array.dtype != bool or array.shape != shape:
        found = f"array of {array.dtype} of shape {array.shape}"
        raise ParameterError("mask", found, f"of True and False, of shape {shape}, as values")
    if array.all():
        raise ParameterError("mask", "all pixels", "of some of the pixels only")
    return array
