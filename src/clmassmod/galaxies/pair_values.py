"""Radius, tangential ellipticity and weight of every galaxy around one centre."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..cosmology import (
    SIGMA_CRITICAL_FACTOR,
    angular_diameter_distance,
    inverse_critical_surface_density,
    inverse_critical_surface_density_at_infinity,
)
from .pair_sums import GalaxyPairs, checked_centres, source_moments

Array = npt.NDArray[np.float64]


class PairValues(NamedTuple):
    """Of every galaxy, in the order of the catalogue, (n,) each; sums of them are `PairSums`."""

    radius: Array
    """Projected separation [Mpc]."""
    angle: Array
    """Position angle phi seen from the centre, in the axes of the shapes [rad]."""
    e_t: Array
    """Tangential ellipticity."""
    e_x: Array
    """Cross ellipticity."""
    beta: Array
    """D_ls / D_s, 0 for galaxies that are not behind."""
    weight: Array
    """w of the pair, see `PairSums`."""


def pair_values(
    pairs: GalaxyPairs,
    centre: npt.ArrayLike,
    z_l: float,
    *,
    weights: str = "critical",
    behind: float | None = None,
) -> PairValues:
    """Return the values of every galaxy around one centre; arguments as of `GalaxyPairs.sums`.

    A galaxy that is left out has the weight 0.
    """
    pairs.check_weights(weights, behind)
    catalogue = pairs.catalogue
    radius, angle = _separations(pairs, np.asarray(centre, dtype=np.float64), z_l)
    # a galaxy at the very centre has no direction: see pair_sums.hpp
    spin = np.where(radius > 1e-12, np.exp(2j * angle), 0.0)
    cosine, sine = spin.real, spin.imag
    e1, e2 = catalogue["e1"], catalogue["e2"]
    beta = _beta(pairs, z_l)
    weight = 1.0 / pairs.variance
    if "weight" in catalogue:
        weight = weight * catalogue["weight"]
    if weights == "critical":
        weight = weight * beta**2
    if behind is not None:
        weight = np.where(catalogue["z"] > z_l + behind, weight, 0.0)
    return PairValues(
        radius, angle, -(e1 * cosine + e2 * sine), e1 * sine - e2 * cosine, beta, weight
    )


def _separations(pairs: GalaxyPairs, centre: Array, z_l: float) -> tuple[Array, Array]:
    """Return radius [Mpc] and position angle; formulae as in pair_sums.hpp."""
    catalogue = pairs.catalogue
    place = checked_centres(centre[None], catalogue.on_sky)[0]
    if not catalogue.on_sky:
        x, y = catalogue["x"] - place[0], catalogue["y"] - place[1]
        return np.hypot(x, y), np.arctan2(y, x)
    ra, dec = np.deg2rad(catalogue["ra"]), np.deg2rad(catalogue["dec"])
    turn = np.mod(ra - place[0] + math.pi, 2.0 * math.pi) - math.pi
    if pairs.frame == "flat_sky":
        east, north = turn * math.cos(place[1]), dec - place[1]
        theta = np.hypot(east, north)
    else:
        # the centre seen from the galaxy, turned round
        east = math.cos(place[1]) * np.sin(turn)
        along = math.cos(place[1]) * np.cos(turn)
        north = along * np.sin(dec) - math.sin(place[1]) * np.cos(dec)
        toward = along * np.cos(dec) + math.sin(place[1]) * np.sin(dec)
        theta = np.arctan2(np.hypot(east, north), toward)
    distance = float(angular_diameter_distance(z_l, pairs.cosmology))
    west_is_x = catalogue.coordinate_system == "euclidean"
    return theta * distance, np.arctan2(north, -east if west_is_x else east)


def _beta(pairs: GalaxyPairs, z_l: float) -> Array:
    catalogue = pairs.catalogue
    unit = SIGMA_CRITICAL_FACTOR / float(angular_diameter_distance(z_l, pairs.cosmology))
    if "z" in catalogue:
        inverse = inverse_critical_surface_density(z_l, catalogue["z"], pairs.cosmology)
        return np.asarray(inverse * unit)
    if pairs.sources is None:
        return np.zeros(len(catalogue))
    far = float(inverse_critical_surface_density_at_infinity(z_l, pairs.cosmology))
    mean = float(source_moments(pairs.sources).mean_beta_s(z_l, pairs.cosmology))
    return np.full(len(catalogue), mean * far * unit)
