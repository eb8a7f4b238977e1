"""Where galaxies can be: the field of view of a camera, and masks within it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError

Array = npt.NDArray[np.float64]
Mask = Callable[[Array, Array], npt.ArrayLike]

UNITS = ("arcmin", "Mpc")


@dataclass(frozen=True)
class FieldOfView:
    """A circle or a rectangle around a centre, with an optional mask.

    Made by `circle` or `rectangle`.

    Parameters
    ----------
    half_width, half_height : float, > 0
    round : bool
        Whether it is the circle of radius `half_width`.
    inner : float, >= 0
        Radius of a circle that is left out.
    unit : {"arcmin", "Mpc"}
        Of all lengths, the mask's included. Physical Mpc at the lens.
    centre : (float, float)
        Where its centre lies, as seen from the centre of the catalogue.
    mask : callable, optional
        ``mask(x, y)`` for arrays of offsets from the centre of the catalogue: bool, or the share
        of galaxies that is kept, within [0, 1]. See `PixelMask` and `DiscMask`.
    """

    half_width: float
    half_height: float
    round: bool
    inner: float = 0.0
    unit: str = "arcmin"
    centre: tuple[float, float] = (0.0, 0.0)
    mask: Mask | None = None

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ParameterError("unit", self.unit, f"one of {', '.join(UNITS)}")
        for name in ("half_width", "half_height"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 < value < 1e5):
                raise ParameterError(name, value, f"> 0 {self.unit} and below 1e5")
        if not 0.0 <= self.inner < math.hypot(self.half_width, self.half_height):
            raise ParameterError("inner", self.inner, ">= 0 and within the field")
        if not (len(self.centre) == 2 and all(map(math.isfinite, self.centre))):
            raise ParameterError("centre", self.centre, "two finite numbers")
        if self.mask is not None and not callable(self.mask):
            raise ParameterError("mask", self.mask, "a function of x and y, a PixelMask or None")

    @classmethod
    def circle(
        cls,
        radius: float,
        *,
        inner: float = 0.0,
        unit: str = "arcmin",
        centre: tuple[float, float] = (0.0, 0.0),
        mask: Mask | None = None,
    ) -> FieldOfView:
        """Return the field ``inner <= R < radius`` (`inner` around the catalogue's centre)."""
        return cls(radius, radius, True, inner, unit, centre, mask)

    @classmethod
    def rectangle(
        cls,
        width: float,
        height: float | None = None,
        *,
        inner: float = 0.0,
        unit: str = "arcmin",
        centre: tuple[float, float] = (0.0, 0.0),
        mask: Mask | None = None,
    ) -> FieldOfView:
        """Return the field of these full sides; a square without `height`."""
        tall = width if height is None else height
        return cls(0.5 * width, 0.5 * tall, False, inner, unit, centre, mask)

    @property
    def area(self) -> float:
        """Area that positions are drawn in, in the square of `unit`: before `inner` and `mask`."""
        if self.round:
            return math.pi * self.half_width**2
        return 4.0 * self.half_width * self.half_height

    @property
    def reach(self) -> float:
        """Greatest distance of a point of the field from the centre of the catalogue."""
        if self.round:
            return self.half_width + math.hypot(*self.centre)
        across = abs(self.centre[0]) + self.half_width, abs(self.centre[1]) + self.half_height
        return math.hypot(*across)

    def place(self, first: Array, second: Array) -> tuple[Array, Array]:
        """Return positions x, y [unit], uniform for two uniform random numbers each."""
        if self.round:
            radius = self.half_width * np.sqrt(first)
            angle = 2.0 * math.pi * second
            x, y = radius * np.cos(angle), radius * np.sin(angle)
        else:
            x = self.half_width * (2.0 * first - 1.0)
            y = self.half_height * (2.0 * second - 1.0)
        return x + self.centre[0], y + self.centre[1]

    def kept(self, x: Array, y: Array, chance: Array) -> npt.NDArray[np.bool_]:
        """Return which positions [unit] are within the field, by a uniform random number each."""
        from_middle = x - self.centre[0], y - self.centre[1]
        if self.round:
            inside = np.hypot(*from_middle) < self.half_width
        else:
            inside = np.abs(from_middle[0]) < self.half_width
            inside &= np.abs(from_middle[1]) < self.half_height
        if self.inner > 0.0:
            inside &= np.hypot(x, y) >= self.inner
        if self.mask is not None:
            inside &= chance < _share(self.mask, x, y)
        return inside


@dataclass(frozen=True, eq=False)
class PixelMask:
    """A mask in an image: the share of galaxies that is kept in every pixel.

    Parameters
    ----------
    image : (rows, columns) array_like
        bool, or numbers within [0, 1]; x runs along a row, y along a column. Nothing is kept
        outside of the image.
    pixel_scale : float, > 0
        Side of a pixel, in the unit of the field.
    centre : (float, float), optional
        Where the centre of the catalogue lies, in pixels (column, row), whole numbers in the
        middle of a pixel; by default the middle of the image.
    """

    image: npt.ArrayLike
    pixel_scale: float
    centre: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        image = np.array(self.image, dtype=np.float64)
        if image.ndim != 2 or image.size == 0:
            raise ParameterError("image", f"array of shape {image.shape}", "two-dimensional")
        if not np.all((image >= 0.0) & (image <= 1.0)):
            raise ParameterError("image", "values outside", "within [0, 1] in every pixel")
        if not (math.isfinite(self.pixel_scale) and self.pixel_scale > 0.0):
            raise ParameterError("pixel_scale", self.pixel_scale, "> 0")
        image.setflags(write=False)
        object.__setattr__(self, "image", image)

    def __call__(self, x: Array, y: Array) -> Array:
        """Return the share that is kept at offsets from the centre of the catalogue."""
        image = np.asarray(self.image)
        rows, columns = image.shape
        middle = (0.5 * (columns - 1), 0.5 * (rows - 1)) if self.centre is None else self.centre
        column = np.floor(x / self.pixel_scale + middle[0] + 0.5)
        row = np.floor(y / self.pixel_scale + middle[1] + 0.5)
        inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
        share = np.zeros(np.shape(x))
        share[inside] = image[row[inside].astype(np.int64), column[inside].astype(np.int64)]
        return share


@dataclass(frozen=True)
class DiscMask:
    """A mask of discs that hold no galaxies, such as those around bright stars.

    Parameters
    ----------
    discs : sequence of (x, y, radius)
        In the unit of the field.
    """

    discs: tuple[tuple[float, float, float], ...]

    def __post_init__(self) -> None:
        discs = np.array(self.discs, dtype=np.float64)
        if discs.ndim != 2 or discs.shape[1] != 3 or not np.all(np.isfinite(discs)):
            raise ParameterError("discs", f"array of shape {discs.shape}", "finite (x, y, radius)")
        if not np.all(discs[:, 2] > 0.0):
            raise ParameterError("discs", float(discs[:, 2].min()), "of radius > 0")
        object.__setattr__(self, "discs", tuple(map(tuple, discs.tolist())))

    def __call__(self, x: Array, y: Array) -> npt.NDArray[np.bool_]:
        """Return whether each position is outside of all discs."""
        kept = np.ones(np.shape(x), dtype=bool)
        for x_disc, y_disc, radius in self.discs:
            kept &= np.hypot(x - x_disc, y - y_disc) >= radius
        return kept


def _share(mask: Mask, x: Array, y: Array) -> Array:
    share = np.asarray(mask(x, y), dtype=np.float64)
    if share.shape != x.shape:
        raise ParameterError("mask", f"of shape {share.shape}", f"of shape {x.shape}, as x and y")
    if not np.all((share >= 0.0) & (share <= 1.0)):
        raise ParameterError("mask", "values outside", "bool, or within [0, 1]")
    return share
