"""Maps of halos by direct quadrature, for tests of maps."""

from __future__ import annotations

import numpy as np

from clmassmod.cosmology import inverse_critical_surface_density_at_infinity


def positions(n, pixel):
    """x, y of the pixels from the middle of the map."""
    axis = (np.arange(n) - 0.5 * (n - 1)) * pixel
    return np.meshgrid(axis, axis)


def pixel_means(function, n, pixel, order=6):
    """Means of function(x, y) over the pixels, by Gauss-Legendre quadrature."""
    u, w = np.polynomial.legendre.leggauss(order)
    x, y = positions(n, pixel)
    total = 0.0
    for a, wa in zip(0.5 * u, 0.5 * w, strict=True):
        for b, wb in zip(0.5 * u, 0.5 * w, strict=True):
            total += wa * wb * function(x + a * pixel, y + b * pixel)
    return total


def disc_halo(halo, n, pixel, cut, centre=(0.0, 0.0)):
    """Convergence at infinite source redshift of a halo within `cut` of its centre."""
    inverse = float(inverse_critical_surface_density_at_infinity(halo.redshift))

    def convergence(x, y):
        radius = np.hypot(x - centre[0], y - centre[1])
        return inverse * np.where(radius < cut, halo.surface_density(radius), 0.0)

    return pixel_means(convergence, n, pixel)
