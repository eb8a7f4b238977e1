"""Slow twins of averages over displaced circles: mean minus local surface density, by quadrature.

They never use the shear about the displaced centre, as `Miscentred` does, but the mass in the
displaced disc: of the circle of radius r, the part inside is arccos((r^2 + d^2 - R^2)/(2 r d))/pi.
"""

from __future__ import annotations

import numpy as np
from scipy import special, stats

NODE, WEIGHT = np.polynomial.legendre.leggauss(40)


def panels(function, edges):
    """Integrate `function` of arrays over consecutive panels, 40 Gauss points each."""
    edges = np.asarray(edges, dtype=float)
    half = 0.5 * np.diff(edges)[:, None]
    x = edges[:-1, None] + half * (NODE + 1.0)
    return float(np.sum(half * WEIGHT * function(x)))


def graded(low, high, towards_low=True, towards_high=True, decades=12):
    """Edges between `low` and `high`, in octaves of the distance from either end."""
    half = 0.5 * (high - low)
    steps = half * 0.3 ** np.arange(decades * 2, -1, -1.0)
    left = low + steps if towards_low else np.array([low + half])
    right = (high - steps)[::-1] if towards_high else np.array([high])
    return np.unique(np.concatenate([[low], left, right, [high]]))


def ring_mean(function, R, d):
    """Mean of ``function(r)`` over the circle of radius R, displaced by d."""

    def integrand(a):
        return function(np.sqrt((R - d) ** 2 + 4.0 * R * d * np.sin(0.5 * a) ** 2))

    return panels(integrand, graded(0.0, np.pi, towards_high=False)) / np.pi


def disc_mean(function, R, d):
    """Mean of ``function(r)`` over the disc of radius R, displaced by d."""
    whole = max(R - d, 0.0)
    total = panels(lambda r: 2.0 * r * function(r), graded(0.0, whole, True, False)) if whole else 0
    low, high = abs(R - d), R + d

    def partly(r):
        # arccos near its ends loses digits: by the half angle
        up = np.clip((R - r + d) * (R + r - d), 0.0, None)
        down = np.clip((r + d - R) * (r + d + R), 1e-300, None)
        return 2.0 * r * function(r) * 2.0 / np.pi * np.arctan2(np.sqrt(up), np.sqrt(down))

    return (total + panels(partly, graded(low, high))) / R**2


def ring_excess(function, R, d):
    """Mean inside minus mean on the circle."""
    return disc_mean(function, R, d) - ring_mean(function, R, d)


def over_offsets(value, R, density, reach):
    """Mean of ``value(d)`` over offsets of a density, with panels graded towards d = R."""
    edges = [graded(0.0, min(R, reach), True, reach > R, 5)]
    if reach > R:
        edges.append(graded(R, reach, True, False, 5))
    nodes = np.unique(np.concatenate(edges))
    half = 0.5 * np.diff(nodes)[:, None]
    d = nodes[:-1, None] + half * (NODE[::1] + 1.0)
    values = np.array([value(one) for one in d.ravel()]).reshape(d.shape)
    return float(np.sum(half * WEIGHT * density(d) * values))


def rayleigh_surface(function, R, s):
    """Mean surface density for offsets of a Rayleigh distribution, by its Bessel kernel."""

    def integrand(r):
        kernel = special.ive(0, R * r / s**2) * np.exp(-0.5 * ((R - r) / s) ** 2)
        return r / s**2 * kernel * function(r)

    return panels(integrand, _rayleigh_edges(R, s))


def rayleigh_mean(function, R, s):
    """Mean surface density inside R likewise: the part inside is a non-central chi squared."""

    def integrand(r):
        return 2.0 * r * function(r) * stats.ncx2.cdf((R / s) ** 2, 2, (r / s) ** 2)

    return panels(integrand, _rayleigh_edges(R, s)) / R**2


def _rayleigh_edges(R, s):
    top = R + 9.0 * s
    wide = np.geomspace(1e-8 * top, top, 80)
    near = np.clip(R + s * np.linspace(-9.0, 9.0, 37), 0.0, top)
    return np.unique(np.concatenate([[0.0], wide, near]))
