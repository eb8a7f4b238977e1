"""Detected sources and Einstein radii of galaxies at all nodes of a selection grid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .cross_section import CrossSection, concentrations
from .selection_grid import SelectionGrid

Array = npt.NDArray[np.float64]

# Chebyshev nodes in the inner slope
_SLOPES = 20


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
    shares = [share for share, _ in concentrations(concentration, np.array([12.0]), section.z_l)]
    found = [np.empty((2, grid.n_nodes)) for _ in shares]
    few, to_all = _series(grid.slopes[0], *grid.frame[3:])
    for row in range(grid.n_rows):
        nodes, log_mstar, log_re, log_mhalo = grid.row(row)
        for k in range(len(shares)):

            def exact(masses: Array, slopes: Array, k: int = k) -> Array:
                mesh = np.meshgrid(log_re, masses, slopes, indexing="ij")
                points = np.stack([axis.ravel() for axis in mesh])
                c200 = list(concentrations(concentration, points[1], section.z_l))[k][1]
                columns = np.vstack([np.full(points.shape[1], log_mstar), points, c200])
                number, ring = section.by_plane(columns, n_threads=n_threads)
                with np.errstate(divide="ignore"):
                    values = np.log([number[0, :, 0], ring[0]])
                return np.asarray(values.reshape(2, *mesh[0].shape))

            values = exact(log_mhalo, few)
            there = np.isfinite(values).all(axis=(0, 1, 3))
            every = np.where(np.isfinite(values), values, 0.0) @ to_all.T
            if not there.all():
                every[:, :, ~there] = exact(log_mhalo[~there], grid.slopes[0])
            nothing = ~np.isfinite(every).all(axis=0)
            every[:, nothing] = -np.inf
            found[k][:, nodes] = every.reshape(2, -1)
    for share, (log_number, log_ring) in zip(shares, found, strict=True):
        yield share, np.exp(log_number), log_ring


def _series(x: Array, low: float, high: float) -> tuple[Array, Array]:
    """Return Chebyshev nodes, and the matrix from values there to those at `x`."""
    angle = np.pi * (np.arange(_SLOPES) + 0.5) / _SLOPES
    transform = np.cos(np.outer(np.arange(_SLOPES), angle)) * (2.0 / _SLOPES)
    transform[0] *= 0.5
    series = np.polynomial.chebyshev.chebvander((2.0 * x - low - high) / (high - low), _SLOPES - 1)
    return 0.5 * (low + high) + 0.5 * (high - low) * np.cos(angle), series @ transform
