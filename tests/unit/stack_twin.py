"""Stacks by loops over clusters and galaxies, written from the definitions."""

from __future__ import annotations

import math

import numpy as np
from astropy import constants, units
from astropy.coordinates import SkyCoord
from astropy.cosmology import FlatLambdaCDM

from clmassmod.cosmology import SIGMA_CRITICAL_FACTOR

COSMOLOGY = FlatLambdaCDM(70.0, 0.3, Tcmb0=0)


def inverse_critical(z_l, z_s):
    """Sigma_crit^-1 [Mpc^2 / Msun] of sources, from astropy's distances in a flat universe."""
    chi_l, chi_s = (COSMOLOGY.comoving_distance(z).to_value("Mpc") for z in (z_l, z_s))
    # astropy's constants agree with those of the package to 1e-4
    expected = (constants.c**2 / (4.0 * math.pi * constants.G)).to_value(units.Msun / units.Mpc)
    assert abs(SIGMA_CRITICAL_FACTOR / expected - 1.0) < 1e-4
    beta = np.maximum(1.0 - chi_l / chi_s, 0.0)
    return chi_l / (1.0 + z_l) * beta / SIGMA_CRITICAL_FACTOR


def scaled_nfw_formula(x):
    """F(x) = 4 g(x) / x^2 - 2 f(x) of Niikura et al. (2015)."""
    if x < 1.0:
        h = math.acosh(1.0 / x) / math.sqrt(1.0 - x**2)
    else:
        h = math.acos(1.0 / x) / math.sqrt(x**2 - 1.0)
    f = (1.0 - h) / (x**2 - 1.0)
    g = math.log(x / 2.0) + h
    return 4.0 * g / x**2 - 2.0 * f


def stack_galaxies(catalogue, centres, z_l, edges, sigma=0.25, scales=None):
    """Return y, err, avg, number of pairs of each bin, by loops.

    `scales` are (rho_s r_s, r_s) of each cluster, for the method wScaling.
    """
    n_bins = len(edges) - 1
    sum_w, sum_wy, sum_wr, pairs = np.zeros((4, n_bins))
    sky = SkyCoord(catalogue["ra"], catalogue["dec"], unit="deg")
    for k, (ra, dec) in enumerate(centres):
        centre = SkyCoord(ra, dec, unit="deg")
        distance = COSMOLOGY.angular_diameter_distance(z_l[k]).to_value("Mpc")
        amplitude, length = (1.0, 1.0) if scales is None else scales[k]
        radii = sky.separation(centre).rad * distance / length
        # at the galaxy, from north to east, turned round: the direction away from the centre
        turns = sky.position_angle(centre).rad + math.pi
        inverses = inverse_critical(z_l[k], catalogue["z"])
        for i, (radius, turn, inverse) in enumerate(zip(radii, turns, inverses, strict=True)):
            if inverse == 0.0 or not edges[0] <= radius < edges[-1]:
                continue
            b = np.searchsorted(edges, radius, side="right") - 1
            angle = math.pi / 2.0 + turn  # x points to the west, y to the north
            e_t = -(
                catalogue["e1"][i] * math.cos(2.0 * angle)
                + catalogue["e2"][i] * math.sin(2.0 * angle)
            )
            variance = sigma**2 + catalogue["e_err"][i] ** 2
            weight = (amplitude * inverse) ** 2 / variance
            sum_w[b] += weight
            sum_wy[b] += weight * e_t / (inverse * amplitude)
            sum_wr[b] += weight * radius
            pairs[b] += 1
    return sum_wy / sum_w, sum_w**-0.5, sum_wr / sum_w, pairs
