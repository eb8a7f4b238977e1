"""Positions and directions on the sphere of points given around a centre."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from .catalogue import COORDINATE_SYSTEMS

Array = npt.NDArray[np.float64]


class SkyPlaces(NamedTuple):
    """Where points lie, and how the direction to the centre turns on the way."""

    ra: Array
    """Right ascension, within [0, 360) [deg]."""
    dec: Array
    """Declination [deg]."""
    turn: npt.NDArray[np.complex128]
    """exp(2 i (phi' - phi)): turns a shear from the axes at the centre to those at the point."""


def on_sky(
    x: Array, y: Array, distance: float, centre: tuple[float, float], coordinate_system: str
) -> SkyPlaces:
    """Return where points lie that are x, y [Mpc] from a centre at an angular distance [Mpc].

    Parameters
    ----------
    x, y : (n,) arrays
        The point is at the great-circle distance ``hypot(x, y) / distance`` from the centre, in
        the direction of (x, y); below 90 degrees.
    distance : float
        Angular diameter distance [Mpc].
    centre : (float, float)
        Right ascension and declination [deg].
    coordinate_system : {"euclidean", "celestial"}
        Whether x points to the west or to the east; y points to the north.
    """
    if coordinate_system not in COORDINATE_SYSTEMS:
        allowed = f"one of {', '.join(COORDINATE_SYSTEMS)}"
        raise ParameterError("coordinate_system", coordinate_system, allowed)
    ra, dec = _checked(centre)
    theta = np.hypot(x, y) / distance
    if theta.size and theta.max() >= 0.5 * math.pi:
        raise ParameterError("field_of_view", f"{np.rad2deg(theta.max()):.4g} deg", "below 90 deg")
    east = x if coordinate_system == "celestial" else -x
    length = np.hypot(east, y)
    with np.errstate(invalid="ignore"):
        sine = np.where(length > 0.0, east / length, 0.0)
        cosine = np.where(length > 0.0, y / length, 1.0)
    # the point in the axes of the centre: towards it, to the east, to the north
    toward, right, up = np.cos(theta), np.sin(theta) * sine, np.sin(theta) * cosine
    along = math.cos(dec) * toward - math.sin(dec) * up
    height = math.sin(dec) * toward + math.cos(dec) * up
    turned = np.arctan2(right, along)
    latitude = np.arctan2(height, np.hypot(right, along))
    # the centre seen from the point, turned round: see pair_sums.hpp
    local_east = math.cos(dec) * np.sin(turned)
    local_north = math.cos(dec) * np.cos(turned) * np.sin(latitude) - math.sin(dec) * np.cos(
        latitude
    )
    there = local_north + 1j * local_east
    size = np.abs(there)
    with np.errstate(invalid="ignore"):
        there = np.where(size > 1e-15, there / size, cosine + 1j * sine)
    turn = (there * (cosine - 1j * sine)) ** 2  # of angles from north through east
    if coordinate_system == "celestial":
        turn = np.conj(turn)  # from east through north
    return SkyPlaces(np.mod(np.rad2deg(ra + turned), 360.0), np.rad2deg(latitude), turn)


def _checked(centre: Any) -> tuple[float, float]:
    place = np.asarray(centre, dtype=np.float64)
    if place.shape != (2,) or not np.all(np.isfinite(place)) or abs(place[1]) > 90.0:
        raise ParameterError("centre", centre, "(right ascension, declination) [deg]")
    ra, dec = np.deg2rad(place).tolist()
    return ra, dec
