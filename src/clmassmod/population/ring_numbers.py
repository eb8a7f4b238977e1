"""Numbers of detected sources: at the nodes of one lens, and of a selection grid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .cross_section import CrossSection, concentrations
from .point_choice import interpolation, polynomial_features
from .ring_ridge import RingLens
from .selection_grid import SelectionGrid

Array = npt.NDArray[np.float64]

# Chebyshev nodes in the inner slope
_SLOPES = 20
_CELLS = 1024
# degrees of polynomials of ln Lambda that are tried, the error that is small enough, and at how
# many nodes it is looked at
_DEGREES = (9, 12)
_ERROR = 3e-4
_CHECKED = 8


def log_numbers(
    section: CrossSection,
    lens: RingLens,
    log_mstar: Array,
    log_mhalo: Array,
    slopes: Array,
    n_threads: int,
) -> Array:
    """Return ln Lambda (n,) of galaxies with one Einstein radius; -inf where nothing is seen.

    A polynomial in log M* and the inner slope through a few nodes, where that errs by less
    than 3e-4 at some others; else worked out at all.
    """

    def exact(rows: Any) -> Array:
        mass = log_mhalo[rows]
        found = section(
            log_mstar[rows],
            lens.log_re,
            mass,
            slopes[rows],
            lens.c200(mass),
            n_threads=n_threads,
        )
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(found))

    checked = slice(0, None, max(1, log_mstar.size // _CHECKED))
    for degree in _DEGREES:
        features = polynomial_features(np.stack([log_mstar, slopes], axis=1), degree)
        if features.shape[1] * 2 > log_mstar.size:
            break
        rows, weights = interpolation(features)
        few = exact(rows)
        if not np.isfinite(few).all():
            break
        result = weights @ few
        if np.abs(result[checked] - exact(checked)).max() < _ERROR:
            return np.asarray(result)
    return exact(slice(None))


def numbers_and_rings(
    section: CrossSection, grid: SelectionGrid, concentration: Any, n_threads: int
) -> Iterator[tuple[float, Array, Array]]:
    """Yield share, Lambda (n_nodes,) and ln theta_E [arcsec], for every node of concentration.

    Parameters
    ----------
    section : CrossSection
        Of one plane of sources.
    grid : SelectionGrid
    concentration : relation of c200
    n_threads : int, >= 0

    Notes
    -----
    ln Lambda and ln theta_E are polynomials in the inner slope through 20 exact values, at every
    log M*, log Re and log Mh: good to 1e-4, and 2e-6 in means. Where one of these galaxies has
    no ring, all slopes are exact; Lambda and the radius are 0 where there is none.
    """
    n_slopes = grid.slopes.shape[1]
    n_cells = grid.n_nodes // n_slopes
    shares = [share for share, _ in concentrations(concentration, np.array([12.0]), section.z_l)]
    found = [np.empty((2, n_cells, n_slopes)) for _ in shares]
    few, to_all = _series(grid.slopes[0], *grid.frame[3:])
    for first in range(0, n_cells, _CELLS):
        last = min(first + _CELLS, n_cells)
        cells = grid.cells(first, last)
        every = concentrations(concentration, cells[2], section.z_l)
        for values, (_, c200) in zip(found, every, strict=True):
            masses = np.vstack([cells, c200])
            values[:, first:last] = _interpolated(
                section, masses, few, to_all, grid.slopes[0], n_threads
            )
    for share, (log_number, log_ring) in zip(shares, found, strict=True):
        yield share, np.exp(log_number).ravel(), log_ring.ravel()


def _interpolated(
    section: CrossSection,
    masses: Array,
    few: Array,
    to_all: Array,
    slopes: Array,
    n_threads: int,
) -> Array:
    """Return ln Lambda and ln theta_E (2, n, slopes) of log M*, log Re, log Mh and c200 (4, n)."""
    values = _exact(section, masses, few, n_threads)
    there = np.isfinite(values).all(axis=(0, 2))
    result = np.where(np.isfinite(values), values, 0.0) @ to_all.T
    result[:, ~there] = _exact(section, masses[:, ~there], slopes, n_threads)
    nothing = ~np.isfinite(result).all(axis=0)
    result[:, nothing] = -np.inf
    return result


def _exact(section: CrossSection, masses: Array, slopes: Array, n_threads: int) -> Array:
    n = masses.shape[1]
    log_mstar, log_re, log_mhalo, c200 = np.repeat(masses, slopes.size, axis=1)
    columns = np.array([log_mstar, log_re, log_mhalo, np.tile(slopes, n), c200])
    number, ring = section.by_plane(columns, n_threads=n_threads)
    with np.errstate(divide="ignore"):
        return np.log([number[0, :, 0], ring[0]]).reshape(2, n, slopes.size)


def _series(x: Array, low: float, high: float) -> tuple[Array, Array]:
    """Return Chebyshev nodes, and the matrix from values there to those at `x`."""
    angle = np.pi * (np.arange(_SLOPES) + 0.5) / _SLOPES
    transform = np.cos(np.outer(np.arange(_SLOPES), angle)) * (2.0 / _SLOPES)
    transform[0] *= 0.5
    series = np.polynomial.chebyshev.chebvander((2.0 * x - low - high) / (high - low), _SLOPES - 1)
    return 0.5 * (low + high) + 0.5 * (high - low) * np.cos(angle), series @ transform
