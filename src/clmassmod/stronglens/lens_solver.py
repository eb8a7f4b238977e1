"""From source to images and back: the lens equation, and the closed forms of its inverse."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._checks import checked_threads
from .._core import axisym as core
from ..errors import ParameterError
from ..units import as_float_array
from .lens import (
    Array,
    AxisymmetricLens,
    LensStatus,
    broadcast,
    flat,
    offsets,
    positive_lengths,
    require,
)
from .lens_model import LensModel

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

__all__ = [
    "ImageSolution",
    "ImageInversion",
    "RingInversion",
    "LensStatus",
    "disc_magnification",
    "invert_einstein_radius",
    "invert_images",
    "solve_images",
]


@dataclass(frozen=True)
class ImageSolution:
    """Images of sources at `beta` on the +x axis; every array has the common shape.

    Lengths are kpc in the lens plane. NaN where there is no such image; `status` tells why.

    Attributes
    ----------
    beta : float or array
    x_a, x_b : float or array
        Outer image, > 0, and inner image, < 0.
    mu_a, mu_b : float or array
        Magnifications, signed: ``mu_a > 0``, ``mu_b < 0``; infinite for ``beta = 0``.
    x_c, mu_c : float or array
        Central image, < 0, and its magnification, > 0; worked out when asked for.
    time_delay : float or array
        Days by which B arrives after A; worked out when asked for.
    parity_a, parity_b, parity_c : float or array
    einstein_radius, radial_critical_radius, caustic_radius : float or array
        Of the lens, as `AxisymmetricLens.structure` gives them.
    status : int or array
        `LensStatus` numbers.
    """

    beta: Any
    x_a: Any
    x_b: Any
    mu_a: Any
    mu_b: Any
    einstein_radius: Any
    radial_critical_radius: Any
    caustic_radius: Any
    status: Any
    _model: AxisymmetricLens = field(repr=False)
    _n_threads: int = field(repr=False)

    @property
    def parity_a(self) -> Any:
        """Parity of image A: 1, a minimum of the arrival time; NaN without the image."""
        return np.sign(self.mu_a)

    @property
    def parity_b(self) -> Any:
        """Parity of image B: -1, a saddle point; NaN without the image."""
        return np.sign(self.mu_b)

    @property
    def parity_c(self) -> Any:
        """Parity of image C: 1, a maximum; NaN without the image."""
        return np.sign(self.mu_c)

    @cached_property
    def time_delay(self) -> Any:
        """Days by which image B arrives after image A; NaN without two images.

        ``(1 + z_l)/c D_s/(D_d D_ds) [((b + beta)^2 - (x_A - beta)^2)/2 + int_b^{x_A} alpha dx]``
        with ``b = -x_B`` (Schneider, Ehlers & Falco 1992), by Gauss quadrature: relative
        accuracy 1e-12.
        """
        out, _ = _solve(self._model, np.asarray(self.beta), True, self._n_threads)
        shape = np.shape(self.beta)
        return (out[7].reshape(shape) * self._model.geometry.days_per_kpc2)[()]

    @cached_property
    def _central(self) -> Array:
        shape = np.shape(self.beta)
        out = np.empty((2, math.prod(shape)))
        arrays = self._model._arrays(shape)
        core.central_images(arrays, flat(np.asarray(self.beta), shape), out, self._n_threads)
        return out.reshape(2, *shape)

    @property
    def x_c(self) -> Any:
        """Central image, < 0, inside the radial critical curve.

        NaN where there is none: beyond the caustic, for cusps as steep as ``rho ~ r^-2``,
        or within 1e-12 Einstein radii of the centre.
        """
        return self._central[0][()]

    @property
    def mu_c(self) -> Any:
        """Magnification of the central image, > 0."""
        return self._central[1][()]


def solve_images(model: AxisymmetricLens, beta: Any, *, n_threads: int = 1) -> ImageSolution:
    """Return the images of sources at offsets `beta`.

    Parameters
    ----------
    model : LensModel or ProfileLens
    beta : float or array, kpc in the lens plane, >= 0
        Source offset; broadcasts with the lenses.
    n_threads : int, >= 0
        0 for all; the results are the same bits for any number.

    Returns
    -------
    ImageSolution

    Raises
    ------
    ParameterError
        An offset that is negative or not finite, or shapes that do not broadcast.

    Notes
    -----
    The images solve ``beta = x - alpha(x)``: A outside the Einstein ring, where the right
    side rises, and B between the outermost radial critical radius and the ring, where it
    falls; each by Halley's method in a bracket, so that no other branch can be found. The
    equation is satisfied to 1e-14 of the Einstein radius. As ``beta`` tends to the caustic
    radius, the relative error of ``x_b - radial_critical_radius`` grows as
    ``1e-16 / (1 - beta/y_c)`` and that of ``mu_b`` likewise: rounding of `beta` itself.

    Examples
    --------
    >>> from clmassmod.stronglens import LensModel, solve_images
    >>> images = solve_images(LensModel(11.5, 13.0, 0.9), 1.75)
    >>> print(f"{images.x_a:.4f} {images.x_b:.4f} {images.mu_a:.3f} {images.mu_b:.3f}")
    6.6194 -3.0737 3.837 -1.812
    """
    _checked_model(model)
    offset = offsets(beta, "beta")
    shape = model._shape_with("beta", offset)
    checked_threads(n_threads)
    offset = np.array(np.broadcast_to(offset, shape))
    out, status = _solve(model, offset, False, n_threads)
    einstein, radial, caustic, x_a, x_b, mu_a, mu_b = (c.reshape(shape)[()] for c in out)
    return ImageSolution(
        offset[()],
        x_a,
        x_b,
        mu_a,
        mu_b,
        einstein,
        radial,
        caustic,
        status.reshape(shape)[()],
        model,
        n_threads,
    )


def _checked_model(model: Any) -> None:
    if not isinstance(model, AxisymmetricLens):
        raise ParameterError("model", model, "a LensModel or a ProfileLens")


def _solve(
    model: AxisymmetricLens, beta: Array, delays: bool, n_threads: int
) -> tuple[Array, npt.NDArray[np.intc]]:
    out = np.empty((8 if delays else 7, beta.size))
    status = np.empty(beta.size, dtype=np.intc)
    arrays = model._arrays(beta.shape)
    core.solve_images(arrays, flat(beta, beta.shape), delays, out, status, n_threads)
    return out, status


class DiscMagnification(NamedTuple):
    """Magnifications averaged over a source disc, signed; NaN without the image."""

    mu_a: Any
    mu_b: Any


def disc_magnification(
    model: AxisymmetricLens, beta: Any, radius: Any, *, n_threads: int = 1
) -> DiscMagnification:
    """Return the magnifications of images A and B averaged over uniform source discs.

    Parameters
    ----------
    model : LensModel or ProfileLens
    beta : float or array, kpc in the lens plane, >= 0
        Offset of the centre of the disc.
    radius : float or array, kpc in the lens plane, > 0
        Radius of the disc.
    n_threads : int, >= 0

    Returns
    -------
    DiscMagnification
        ``mu_a > 0`` and ``mu_b < 0``, finite also for ``beta = 0``. Light of the disc beyond
        the caustic has no image B; ``mu_b`` is NaN where the whole disc is beyond it.

    Notes
    -----
    Surface brightness is conserved: the area of the image, outside the Einstein ring for A
    and inside it for B, over that of the disc. It tends to the point magnification as the
    radius tends to 0, and is that below 1e-7 Einstein radii. Relative accuracy 1e-9, or 1e-4
    where the edge of the disc touches the caustic or the axis.
    """
    _checked_model(model)
    offset, size = offsets(beta, "beta"), positive_lengths(radius, "radius")
    offset, size = broadcast(beta=offset, radius=size)
    shape = model._shape_with("beta", offset)
    checked_threads(n_threads)
    out = np.empty((2, math.prod(shape)))
    arrays = model._arrays(shape)
    core.disc_magnification(arrays, flat(offset, shape), flat(size, shape), out, n_threads)
    return DiscMagnification(*(column.reshape(shape)[()] for column in out))


# -- inversion -------------------------------------------------------------------------------------


class ImageInversion(NamedTuple):
    """Stellar masses and source offsets of image pairs; NaN where `status` is not ok."""

    log_mstar: Any
    """log10 M* [Msun]."""
    beta: Any
    """Source offset [kpc]."""
    jacobian: Any
    """``|d(log10 M*, beta) / d(x_A, x_B)|`` [1 / kpc]."""
    mu_a: Any
    mu_b: Any
    status: Any
    """`LensStatus` numbers."""


class RingInversion(NamedTuple):
    """Stellar masses of Einstein rings; NaN where `status` is not ok."""

    log_mstar: Any
    """log10 M* [Msun]."""
    jacobian: Any
    """``|d log10 M* / d theta_E|`` [1 / kpc]."""
    status: Any


def invert_images(
    x_a: Any,
    x_b: Any,
    log_mhalo: Any,
    log_re: Any,
    *,
    z_l: Any = 0.3,
    z_s: Any = 2.0,
    gamma_in: Any = 1.0,
    c200: Any = 5.0,
    sersic_n: Any = 4.0,
    cosmology: FLRW | None = None,
    halo: str = "m200c",
    scale_radius: Any = None,
    n_threads: int = 1,
) -> ImageInversion:
    """Return stellar mass and source offset of observed image pairs, for given haloes.

    Parameters
    ----------
    x_a : float or array, kpc, > 0
        Outer image.
    x_b : float or array, kpc, < 0
        Inner image; further out than A it gives ``source_behind_axis``.
    log_mhalo, log_re, z_l, z_s, gamma_in, c200, sersic_n, cosmology, halo, scale_radius
        As for `LensModel`. Everything broadcasts.
    n_threads : int, >= 0

    Returns
    -------
    ImageInversion

    Raises
    ------
    ParameterError
        A parameter outside its range.

    Notes
    -----
    With b = -x_B and the deflections a (stars, per unit mass) and h (halo),
    ``M* = (x_A + b - h_A - h_B)/(a_A + a_B)``, ``beta = x_A - M* a_A - h_A`` and
    ``|d(log10 M*, beta)/d(x_A, x_B)| = |R_A R_B| / (M* ln10 (a_A + a_B))``. A pair is valid
    if M* > 0, beta >= 0 and R_B > 0: then no caustic has to be found. (A halo with several
    radial critical curves, such as a compact galaxy in a heavy core, can have a pair whose B
    lies inside the outermost of them: it is valid here, and `solve_images` does not find it.)

    Examples
    --------
    >>> from clmassmod.stronglens import LensModel, invert_images, solve_images
    >>> images = solve_images(LensModel(11.5, 13.0, 0.9), 1.0)
    >>> pair = invert_images(images.x_a, images.x_b, 13.0, 0.9)
    >>> print(f"{pair.log_mstar:.10f} {pair.beta:.10f}")
    11.5000000000 1.0000000000
    """
    outer = positive_lengths(x_a, "x_a")
    inner = as_float_array(x_b, "kpc", "x_b")
    require(inner, (inner < 0.0) & (inner > -np.inf), "x_b", "finite and < 0", "kpc")
    model = LensModel(
        0.0, log_mhalo, log_re, z_l, z_s, gamma_in, c200, sersic_n, cosmology, halo, scale_radius
    )
    outer, inner = broadcast(x_a=outer, x_b=inner)
    shape = model._shape_with("x_a", outer)
    checked_threads(n_threads)
    out, status = np.empty((5, math.prod(shape))), np.empty(math.prod(shape), dtype=np.intc)
    arrays = model._arrays(shape)
    core.invert_pairs(arrays, flat(outer, shape), flat(inner, shape), out, status, n_threads)
    log_mstar, offset, jacobian, mu_a, mu_b = (c.reshape(shape)[()] for c in out)
    result = status.reshape(shape)[()]
    return ImageInversion(log_mstar, offset, jacobian, mu_a, mu_b, result)


def invert_einstein_radius(
    einstein_radius: Any,
    log_mhalo: Any,
    log_re: Any,
    *,
    z_l: Any = 0.3,
    z_s: Any = 2.0,
    gamma_in: Any = 1.0,
    c200: Any = 5.0,
    sersic_n: Any = 4.0,
    cosmology: FLRW | None = None,
    halo: str = "m200c",
    scale_radius: Any = None,
    n_threads: int = 1,
) -> RingInversion:
    """Return the stellar mass of observed Einstein radii, for given haloes.

    Parameters
    ----------
    einstein_radius : float or array, kpc in the lens plane, > 0
    log_mhalo, log_re, z_l, z_s, gamma_in, c200, sersic_n, cosmology, halo, scale_radius
        As for `LensModel`. Everything broadcasts.
    n_threads : int, >= 0

    Returns
    -------
    RingInversion

    Raises
    ------
    ParameterError
        A parameter outside its range.

    Notes
    -----
    ``M* = (theta_E - h)/a`` and ``|d log10 M*/d theta_E| = |R|/(M* ln10 a)``, with the
    deflections a (stars, per unit mass) and h (halo) at theta_E.

    Examples
    --------
    >>> from clmassmod.stronglens import LensModel, invert_einstein_radius
    >>> ring = invert_einstein_radius(LensModel(11.5, 13.0, 0.9).einstein_radius(), 13.0, 0.9)
    >>> print(f"{ring.log_mstar:.10f}")
    11.5000000000
    """
    radius = positive_lengths(einstein_radius, "einstein_radius")
    model = LensModel(
        0.0, log_mhalo, log_re, z_l, z_s, gamma_in, c200, sersic_n, cosmology, halo, scale_radius
    )
    shape = model._shape_with("einstein_radius", radius)
    checked_threads(n_threads)
    out, status = np.empty((2, math.prod(shape))), np.empty(math.prod(shape), dtype=np.intc)
    core.invert_rings(model._arrays(shape), flat(radius, shape), out, status, n_threads)
    log_mstar, jacobian = (c.reshape(shape)[()] for c in out)
    return RingInversion(log_mstar, jacobian, status.reshape(shape)[()])
