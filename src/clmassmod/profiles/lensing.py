"""From what a user calls sources to the arrays the core takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..cosmology import inverse_critical_surface_density
from ..errors import ParameterError
from ..sources import BetaMoments, SourceDistribution
from ..units import refuse_mask

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]


_Z_S_ALLOWED = (
    "a source redshift, an array of redshifts, a SourceDistribution (or a list of them, one for "
    "each lens) or BetaMoments"
)


class SourceArrays(NamedTuple):
    """Inverse critical surface densities [Mpc^2 / Msun], as the core takes them.

    An axis of length one is shared by all rows (lenses) or columns (radii).
    """

    shear: Array
    """(1 or n, 1 or m), multiplies Delta Sigma."""
    convergence: Array
    """(1 or n, 1 or m), multiplies Sigma."""
    plane_inverse: Array | None = None
    """(1 or n, k): source planes for the exact average over n(z)."""
    plane_weight: Array | None = None
    """(1 or n, k), each row sums to 1."""
    point_shape: tuple[int, ...] | None = None
    """Shape of source redshifts given point by point, for a single lens."""


def resolve_sources(
    z_s: Any,
    z_l: Any,
    lens_shape: tuple[int, ...],
    radius_shape: tuple[int, ...],
    cosmology: FLRW,
) -> SourceArrays:
    """Return the core's arrays for sources `z_s` behind lenses at `z_l`."""
    if isinstance(z_s, SourceArrays):
        return z_s
    if isinstance(z_s, SourceDistribution | BetaMoments):
        inverse, weight = z_s.inverse_critical_surface_density_nodes(z_l, cosmology)
        return _from_planes(inverse, np.atleast_2d(weight))
    if isinstance(z_s, Sequence) and z_s and isinstance(z_s[0], SourceDistribution | BetaMoments):
        return _from_list(z_s, z_l, lens_shape, cosmology)
    return _from_redshifts(z_s, z_l, lens_shape, radius_shape, cosmology)


def _from_planes(inverse: Array, weight: Array) -> SourceArrays:
    inverse = np.ascontiguousarray(inverse, dtype=np.float64)
    weight = np.ascontiguousarray(weight, dtype=np.float64)
    mean = np.sum(inverse * weight, axis=1, keepdims=True)
    return SourceArrays(mean, mean, inverse, weight)


def _from_list(
    z_s: Sequence[Any], z_l: Any, lens_shape: tuple[int, ...], cosmology: FLRW
) -> SourceArrays:
    if lens_shape != (len(z_s),):
        raise ParameterError(
            "z_s", f"a list of {len(z_s)}", f"a list of one distribution per lens {lens_shape}"
        )
    redshifts = np.broadcast_to(z_l, lens_shape)
    rows = [
        sources.inverse_critical_surface_density_nodes(z, cosmology)
        for sources, z in zip(z_s, redshifts, strict=True)
    ]
    size = max(weight.size for _, weight in rows)
    inverse = np.zeros((len(rows), size))
    weight = np.zeros((len(rows), size))
    for i, (values, weights) in enumerate(rows):
        inverse[i, : values.size] = np.ravel(values)
        weight[i, : weights.size] = np.ravel(weights)
    return _from_planes(inverse, weight)


def _from_redshifts(
    z_s: Any,
    z_l: Any,
    lens_shape: tuple[int, ...],
    radius_shape: tuple[int, ...],
    cosmology: FLRW,
) -> SourceArrays:
    refuse_mask(z_s, "z_s")
    try:
        redshift = None if z_s is None else np.asarray(z_s, dtype=np.float64)
    except (TypeError, ValueError):
        redshift = None
    if redshift is None:
        raise ParameterError("z_s", z_s, _Z_S_ALLOWED)
    if redshift.ndim == 0:
        inverse = inverse_critical_surface_density(z_l, redshift, cosmology)
        inverse = np.ascontiguousarray(np.atleast_1d(inverse)[:, None])
        return SourceArrays(inverse, inverse)
    if not lens_shape:
        try:
            shape = np.broadcast_shapes(redshift.shape, radius_shape)
        except ValueError:
            raise ParameterError(
                "z_s.shape", redshift.shape, f"a scalar or the shape of the radii {radius_shape}"
            ) from None
        inverse = inverse_critical_surface_density(z_l, redshift, cosmology)
        inverse = np.ascontiguousarray(np.broadcast_to(inverse, shape)).reshape(1, -1)
        return SourceArrays(inverse, inverse, point_shape=shape)
    columns = radius_shape[-1] if radius_shape else 1
    z_lens = np.broadcast_to(z_l, lens_shape)
    if redshift.shape == lens_shape:
        redshift, z_lens = redshift[:, None], z_lens[:, None]
    elif redshift.shape == (*lens_shape, columns):
        z_lens = z_lens[:, None]
    else:
        raise ParameterError(
            "z_s.shape",
            redshift.shape,
            f"a scalar, {lens_shape} (a lens each) or {(*lens_shape, columns)} (a point each)",
        )
    inverse = np.ascontiguousarray(inverse_critical_surface_density(z_lens, redshift, cosmology))
    return SourceArrays(inverse, inverse)
