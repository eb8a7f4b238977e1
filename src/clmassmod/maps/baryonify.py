"""Baryons on maps: what a halo's baryons change of its projected mass."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .._core.profile import QUANTITIES
from ..cosmology import Array, resolve_cosmology
from ..errors import ParameterError
from ..profiles.baryonified import Baryonified
from .containers import KappaMap, MassMap, mean_inverse

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Map = TypeVar("Map", MassMap, KappaMap)

_ORDER = 12
_PANEL = 1.0
"""Of asinh(l / d), in which the flux through an edge is smooth."""


def baryonify_map(
    sky_map: Map,
    profile: Baryonified,
    *,
    cosmology: FLRW | None = None,
    n_threads: int = 1,
) -> Map:
    """Return a map of a halo without baryons with its baryons put in.

    Parameters
    ----------
    sky_map : MassMap or KappaMap
        Of a simulation of dark matter alone; a convergence map must name its sources.
    profile : Baryonified
        One halo with its baryons, at the redshift of the map: its `halo` describes the halo of
        the map, mass and concentration.
    cosmology : astropy.cosmology.FLRW, optional
        For pixels and convergence; that of the profile by default.
    n_threads : int
        0 for all; the result is the same bits for any number.

    Returns
    -------
    MassMap or KappaMap
        ``Sigma + Sigma_baryonified - Sigma_halo`` about the centre of the halo; everything else of
        the map, its structure, is as it was.

    Raises
    ------
    ParameterError
        Another redshift, several profiles, a convergence map without sources, or a map of
        point values with a pixel at the very centre.

    Notes
    -----
    The mean of a pixel is the flux of ``M_2d(R) / (2 pi R^2) (x, y)``, whose divergence is Sigma,
    through its edges: exact for any cusp, and the fluxes through edges inside the map cancel,
    so that the mass added to any rectangle of pixels is that of the profile within it. Edges
    are integrated by Gauss-Legendre in asinh(l / d), l along an edge and d its distance, to about
    1e-9 of the profile; far out the mass added is zero, as the profile conserves mass.

    Examples
    --------
    >>> import numpy as np, clmassmod as clm
    >>> halo = clm.NFW(5e14, 4.0, redshift=0.3)
    >>> dark = clm.MassMap(np.ones((8, 8)), 0.5, redshift=0.3)
    >>> full = clm.Baryonified(halo, clm.BaryonModel(baryon_fraction=0.16))
    >>> clm.baryonify_map(dark, full).values.shape
    (8, 8)
    """
    if not isinstance(sky_map, MassMap | KappaMap):
        raise ParameterError("sky_map", type(sky_map).__name__, "a MassMap or a KappaMap")
    if not isinstance(profile, Baryonified) or profile.shape:
        raise ParameterError("profile", profile, "one clmassmod.Baryonified")
    if not math.isclose(float(profile.redshift), sky_map.redshift, rel_tol=1e-9):
        raise ParameterError(
            "profile.redshift", float(profile.redshift), f"that of the map, {sky_map.redshift:.6g}"
        )
    cosmo = resolve_cosmology(profile.cosmology if cosmology is None else cosmology)
    change = _change(sky_map, profile, sky_map.pixel_size(cosmo), n_threads)
    if isinstance(sky_map, KappaMap):
        if sky_map.sources is None:
            hint = "Give them: .replace(sources=1.0), say."
            raise ParameterError("sources", None, "the sources that the convergence is for", hint)
        change = change * mean_inverse(sky_map.sources, sky_map.redshift, cosmo)
    metadata = {**sky_map.metadata, "baryons": repr(profile.baryons)}
    return sky_map.replace(values=sky_map.values + change, metadata=metadata)


def _change(
    sky_map: MassMap | KappaMap, profile: Baryonified, pixel: float, n_threads: int
) -> Array:
    def difference(quantity: str) -> Callable[[Array], Array]:
        def of_radius(radius: Array) -> Array:
            rows = np.ascontiguousarray(radius).reshape(1, -1)
            parts = [
                one._evaluate(QUANTITIES[quantity], rows, None, n_threads)
                for one in (profile, profile.halo)
            ]
            return np.asarray((parts[0] - parts[1]).reshape(radius.shape))

        return of_radius

    place = np.arange(sky_map.n_pixels, dtype=np.float64)
    x, y = (np.asarray(pixel * (place - c)) for c in sky_map.centre)
    if sky_map.sampling == "pixel":
        return pixel_means(difference("enclosed_mass_2d"), x, y, pixel)
    radius = np.hypot(x[None, :], y[:, None])
    if not (radius > 0.0).all():
        raise ParameterError(
            "centre",
            sky_map.centre,
            "between the pixels of a map of point values",
            "The surface density of a cusp has no value at the very centre.",
        )
    return difference("surface_density")(radius)


def pixel_means(mass: Callable[[Array], Array], x: Array, y: Array, pixel: float) -> Array:
    """Return the means over square pixels of a circular surface density, (n_y, n_x).

    Parameters
    ----------
    mass : callable
        Mass inside circles of radii (k,) > 0.
    x, y : (n,) ndarray
        Centres of the pixels, from the centre of the circles, a side apart.
    pixel : float
        Side of a pixel.
    """
    edges_x = np.append(x - 0.5 * pixel, x[-1] + 0.5 * pixel)
    edges_y = np.append(y - 0.5 * pixel, y[-1] + 0.5 * pixel)
    through_x = _fluxes(mass, edges_x, edges_y)  # (n_x + 1, n_y): edges of one x
    through_y = _fluxes(mass, edges_y, edges_x)
    inflow = np.diff(through_x, axis=0).T + np.diff(through_y, axis=0)
    return np.asarray(inflow / pixel**2)


def _fluxes(mass: Callable[[Array], Array], distance: Array, ends: Array) -> Array:
    """Return the flux through edges at signed `distance` (k,), between successive `ends`, (k, n).

    ``1 / (2 pi) int M(R) d / R^2 dl = 1 / (2 pi) int M(d cosh u) / cosh u du``, ``l = d sinh u``.
    """
    d = np.abs(distance)[:, None]
    low, high = ends[:-1][None, :], ends[1:][None, :]
    # through the very centre nothing flows, to either side
    near = d > 1e-12 * np.max(np.abs(ends))
    scale = np.where(near, d, 1.0)
    u_low, u_high = np.arcsinh(low / scale), np.arcsinh(high / scale)
    panels = np.ceil((u_high - u_low) / _PANEL).astype(int)
    node, weight = np.polynomial.legendre.leggauss(_ORDER)
    flux = np.zeros(panels.shape)
    for count in np.unique(panels):
        rows, columns = np.nonzero((panels == count) & near)
        if not rows.size:
            continue
        step = (u_high - u_low)[rows, columns] / count
        start = u_low[rows, columns]
        total = np.zeros(rows.size)
        for k in range(count):
            u = (start + (k + 0.5) * step)[:, None] + 0.5 * step[:, None] * node
            cosh = np.cosh(u)
            inside = mass((scale[rows, 0][:, None] * cosh).ravel()).reshape(u.shape)
            total += 0.5 * step * np.sum(weight * inside / cosh, axis=1)
        flux[rows, columns] = total
    return np.sign(distance)[:, None] * flux / (2.0 * math.pi)
