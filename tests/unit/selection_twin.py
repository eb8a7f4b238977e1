"""The slow twin of the selection: detection cross-section of a lens and its mean, A(eta).

Images are found by bracketed Newton steps, the magnitude of the source is integrated explicitly.
Nothing here uses clmassmod.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from population_twin import (
    ARCMIN,
    Cells,
    Eta,
    Model,
    Pair,
    composite,
    gauss,
    graded,
    halo_at,
    log_halo_density,
    log_normal,
    log_size_density,
    log_slope_density,
    log_stellar_density,
    plane,
    stars_at,
)
from scipy.special import gammainc, gammaincinv, gammaln, logsumexp, ndtr

SMALLEST = 1e-4
"""Smallest ratio of radial critical to Einstein radius looked for."""


class Lenses:
    """Lenses of one inner slope and one pair of redshifts; masses and sizes are arrays (n,)."""

    def __init__(self, log_mstar, log_re, log_mhalo, gamma, z_l, z_s, model: Model, deviation=0.0):
        shape = np.broadcast_shapes(*map(np.shape, (log_mstar, log_re, log_mhalo)))
        self.log_mstar, self.log_re, self.log_mhalo = (
            np.broadcast_to(np.asarray(a, float), shape).ravel()
            for a in (log_mstar, log_re, log_mhalo)
        )
        self.gamma, self.planes, self.model = float(gamma), (z_l, z_s), model
        self.log_c = model.log_c(self.log_mhalo) + deviation * model.scatter_c

    def __getitem__(self, rows) -> Lenses:
        part = object.__new__(Lenses)
        part.gamma, part.planes, part.model = self.gamma, self.planes, self.model
        for name in ("log_mstar", "log_re", "log_mhalo", "log_c"):
            setattr(part, name, getattr(self, name)[rows])
        return part

    def kbar_kappa(self, x):
        """Return mean convergence inside x (n,) and convergence."""
        halo = halo_at(x, self.log_mhalo, self.log_c, self.gamma, *self.planes)
        n = self.model.sersic_n
        b, r_e = gammaincinv(2.0 * n, 0.5), 10.0**self.log_re
        u = b * (x / r_e) ** (1.0 / n)
        unit = 10.0**self.log_mstar / plane(*self.planes).critical_surface_density
        lead = math.exp(2.0 * n * math.log(b) - gammaln(2.0 * n)) / (2.0 * math.pi * n)
        kbar = halo[0] + unit * gammainc(2.0 * n, u) / (math.pi * x**2)
        return kbar, halo[1] + unit * lead * np.exp(-u) / r_e**2

    def einstein_radius(self):
        """Return theta_E [kpc]; mean convergence falls outwards, so that there is one at most."""
        low, high = np.full_like(self.log_mstar, -8.0), np.full_like(self.log_mstar, 6.5)
        for _ in range(70):
            middle = 0.5 * (low + high)
            dense = self.kbar_kappa(np.exp(middle))[0] > 1.0
            low, high = np.where(dense, middle, low), np.where(dense, high, middle)
        return np.exp(low)

    def radial_critical_radius(self, ring):
        """Return the outermost radius where R = 0 [kpc]; 0 where none is above `SMALLEST`."""

        def radial(x):
            kbar, kappa = self.kbar_kappa(x)
            return 1.0 + kbar - 2.0 * kappa

        factors = np.geomspace(1.0, SMALLEST, 140)
        low, high = np.zeros_like(ring), np.array(ring)
        open_ = np.ones(ring.shape, dtype=bool)
        for previous, factor in itertools.pairwise(factors):
            turned = open_ & (radial(factor * ring) < 0.0)
            low[turned], high[turned] = factor * ring[turned], previous * ring[turned]
            open_ &= ~turned
            if not open_.any():
                break
        for _ in range(55):
            middle = 0.5 * (low + high)
            negative = radial(np.where(open_, 1.0, middle)) < 0.0
            low, high = np.where(negative, middle, low), np.where(negative, high, middle)
        return np.where(open_, 0.0, high)

    def caustic_radius(self, radial):
        x = np.where(radial > 0.0, radial, 1.0)
        return np.where(radial > 0.0, x * (self.kbar_kappa(x)[0] - 1.0), 0.0)

    def magnification(self, x):
        kbar, kappa = self.kbar_kappa(x)
        return 1.0 / np.abs((1.0 - kbar) * (1.0 + kbar - 2.0 * kappa))

    def image(self, beta, side, low, high):
        """Return the image radius: x - alpha = beta outside (side 1), alpha - x = beta inside."""
        x = 0.5 * (low + high)
        low, high = np.array(low), np.array(high)
        for _ in range(200):
            kbar, kappa = self.kbar_kappa(x)
            excess = side * x * (1.0 - kbar) - beta
            above = side * excess > 0.0
            high, low = np.where(above, x, high), np.where(above, low, x)
            new = x - excess / (side * (1.0 + kbar - 2.0 * kappa))
            new = np.where((new > low) & (new < high), new, 0.5 * (low + high))
            moved = np.max(np.abs(new - x) / x)
            x = new
            if moved < 1e-13:
                return x
        return x

    def images(self, beta, ring, radial):
        """Return radii of the outer and the inner image."""
        far = 2.0 * ring + beta
        for _ in range(60):
            short = far * (1.0 - self.kbar_kappa(far)[0]) < beta
            if not short.any():
                break
            far = np.where(short, 2.0 * far, far)
        return self.image(beta, 1.0, ring, far), self.image(beta, -1.0, radial, ring)


def pair_detection(model: Model, mu_a, mu_b, sigma: float = 0.1, order: int = 10):
    """Return sources per arcmin^2 of which both images are detected, by explicit integration."""
    counts = model.counts
    limit_a, limit_b = (model.limit + 2.5 * np.log10(mu) for mu in (mu_a, mu_b))
    # smooth up to the limits, and in steps of a few errors around them
    bright = np.minimum(limit_a, limit_b)
    offsets = sigma * np.array([-8.0, -4.5, -1.5, 1.5, 4.5, 8.0])
    edges = [np.full_like(bright, counts.m_min)]
    far = np.clip(bright + offsets[0], counts.m_min, counts.m_max)
    edges += [edges[0] + f * (far - edges[0]) for f in (0.25, 0.5, 0.75, 1.0)]
    edges += [np.clip(bright + d, counts.m_min, counts.m_max) for d in offsets[1:]]
    t, w = gauss(order)
    total = np.zeros_like(bright)
    for low, high in itertools.pairwise(edges):
        half = 0.5 * (high - low)
        for ti, wi in zip(t, w, strict=True):
            m = low + half * (1.0 + ti)
            found = ndtr((limit_a - m) / sigma) * ndtr((limit_b - m) / sigma)
            total += half * wi * counts.density_at(m) * found
    return total


EDGES = (0.0, 0.06, 0.2, 0.6, 0.9, 1.0)
"""Panels of w: both ends have highly magnified images, beyond the faintest sources."""


def cross_section(lenses: Lenses, sigma: float = 0.1, order: int = 8, edges=EDGES):
    """Return Lambda (n,): the expected number of detected pairs, beta = y_c (1 - w^2)."""
    z_l, z_s = lenses.planes
    # the halo's polynomials end at radii far below a ring that is counted
    with np.errstate(over="ignore", invalid="ignore"):
        ring = lenses.einstein_radius()
        radial = lenses.radial_critical_radius(ring)
        caustic = lenses.caustic_radius(radial)
    # no ring within the bracket: a lens too weak for any pair
    some = np.flatnonzero((caustic > 0.0) & (ring > 1e-3))
    if some.size == 0:
        return np.zeros(lenses.log_mstar.size)
    lens, ring, radial, caustic = lenses[some], ring[some], radial[some], caustic[some]
    per_kpc2 = 1.0 / (ARCMIN * plane(z_l, z_s).distances[0]) ** 2
    total = np.zeros(some.size)
    for w, weight in zip(*composite(edges, order), strict=True):
        beta = caustic * (1.0 - w) * (1.0 + w)
        outer, inner = lens.images(beta, ring, radial)
        found = pair_detection(
            lens.model, lens.magnification(outer), lens.magnification(inner), sigma
        )
        total += weight * 2.0 * math.pi * beta * 2.0 * w * caustic * per_kpc2 * found
    result = np.zeros(lenses.log_mstar.size)
    result[some] = total
    return result


# -- A(eta) --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Survey:
    """Lambda at nodes of equal steps in (log M*, log Re, log Mh) and Gauss nodes of slope.

    Equal steps over smooth functions that vanish at both ends: errors of e^(-2 (pi sd / step)^2)
    for a normal factor of width sd.
    """

    log_mstar: np.ndarray
    log_re: np.ndarray
    log_mhalo: np.ndarray
    gamma: np.ndarray
    weight: np.ndarray
    value: np.ndarray
    model: Model

    @classmethod
    def of(
        cls,
        model: Model,
        around: Eta,
        step: float = 0.125,
        halo_step: float = 0.1,
        shift: float = 0.0,
        slopes: int = 24,
        reach: float = 6.0,
        z_l: float = 0.3,
        z_s: float = 2.0,
    ) -> Survey:
        """Return the nodes within `reach` standard deviations of the relations of `around`.

        0.25 dex of size and 0.5 of halo mass more leave room for other eta.
        """
        star, re, halo = np.meshgrid(
            np.arange(10.25, 13.1, step) + shift * step,
            np.arange(-1.25, 3.2, step) + shift * step,
            np.arange(8.0, 18.0, halo_step) + shift * halo_step,
            indexing="ij",
        )
        mass = star - 11.4 - around.alpha_sps
        far = np.abs(re - around.mu_r - around.beta_r * mass) > reach * around.sigma_r + 0.25
        far |= np.abs(halo - around.mu_h - around.beta_h * mass) > reach * around.sigma_h + 0.5
        star, re, halo = star[~far], re[~far], halo[~far]
        parts = []
        edges = np.linspace(model.gamma_low, model.gamma_high, 3)
        for gamma, weight in zip(*composite(edges, slopes // 2), strict=True):
            lenses = Lenses(star, re, halo, gamma, z_l, z_s, model)
            same, volume = np.ones_like(star), weight * step**2 * halo_step
            parts.append((star, re, halo, gamma * same, volume * same, cross_section(lenses)))
        return cls(*(np.concatenate(c) for c in zip(*parts, strict=True)), model)

    def log_a(self, eta: Eta, function=lambda value: value) -> float:
        """Return ln of the mean of a function of Lambda over the population."""
        with np.errstate(divide="ignore"):
            log_value = np.log(function(self.value) * self.weight)
        log_value = log_value + log_slope_density(
            eta, self.gamma, self.model.gamma_low, self.model.gamma_high
        )
        if eta.sigma_sps == 0.0:
            factor = 1.0 + eta.beta_sps
            x = (self.log_mstar - eta.alpha_sps + eta.beta_sps * 11.4) / factor
            return float(logsumexp(log_value + self._log_density(eta, x)) - math.log(factor))
        terms, step = [], min(0.05, 0.5 * eta.sigma_sps)
        for x in np.arange(10.0, 13.0, step):
            mean = x + eta.alpha_sps + eta.beta_sps * (x - 11.4)
            mismatch = log_normal(self.log_mstar, mean, eta.sigma_sps)
            terms.append(logsumexp(log_value + mismatch + self._log_density(eta, x)))
        return float(logsumexp(terms) + math.log(step))

    def _log_density(self, eta: Eta, x):
        return (
            log_stellar_density(eta, x)
            + log_size_density(eta, self.log_re, x)
            + log_halo_density(eta, self.log_mhalo, self.log_re, x)
        )


# -- one lens per galaxy ---------------------------------------------------------------------------


def with_lambda(cells: Cells, pair: Pair, model: Model, function) -> Cells:
    """Return cells whose weight has `function` of Lambda, such as (1 - e^-Lambda) / Lambda."""
    factor = np.empty_like(cells.gamma)
    for gamma in np.unique(cells.gamma):
        rows = cells.gamma == gamma
        lenses = Lenses(
            cells.log_mstar[rows],
            cells.log_re[rows],
            cells.log_mhalo[rows],
            gamma,
            pair.z_l,
            pair.z_s,
            model,
        )
        factor[rows] = function(cross_section(lenses))
    names = ("log_mstar", "log_re", "log_mhalo", "gamma")
    return Cells(*(getattr(cells, n) for n in names), cells.log_weight + np.log(factor))


# -- Einstein-radius data ------------------------------------------------------------------------


@dataclass(frozen=True)
class Ring:
    """Data of a lens of which the Einstein radius is known [arcsec]."""

    theta: float
    sigma_theta: float
    log_re: float
    log_msps: float
    sigma_msps: float = 0.1
    z_l: float = 0.3
    z_s: float = 2.0


def kpc_per_arcsec(z_l: float, z_s: float) -> float:
    return plane(z_l, z_s).distances[0] * math.pi / 648_000.0


def find_probability(theta, a: float, t: float):
    return 1.0 / (1.0 + np.exp(-a * (theta - t)))


def ring_cells(ring: Ring, model: Model, panels=3, thetas=13, width=0.2, lowest=7.0) -> Cells:
    """Return nodes over (theta_E, log Mh, gamma); theta_E stands for the stellar mass.

    sigma_lens is in the weight, and the normal error of theta; equal steps of theta over +-6 of
    its standard deviations, or the value itself where it is exact.
    """
    kpc = kpc_per_arcsec(ring.z_l, ring.z_s)
    if ring.sigma_theta == 0.0:
        values, log_p = np.array([ring.theta]), np.array([0.0])
    else:
        values = ring.theta + np.linspace(-6.0, 6.0, thetas) * ring.sigma_theta
        log_p = log_normal(ring.theta, values, ring.sigma_theta) + math.log(values[1] - values[0])
    parts = []
    edges = np.linspace(model.gamma_low, model.gamma_high, panels + 1)
    for theta, log_weight in zip(values, log_p, strict=True):
        for gamma, w_gamma in zip(*composite(edges, 10), strict=True):
            parts.append(
                _ring_row(
                    ring,
                    model,
                    theta * kpc,
                    gamma,
                    log_weight + math.log(w_gamma * kpc),
                    width,
                    lowest,
                )
            )
    return Cells.joined(parts)


def _ring_row(ring: Ring, model: Model, x: float, gamma, log_weight, width, lowest) -> Cells:
    planes = ring.z_l, ring.z_s

    def halo(log_mhalo):
        return halo_at(x, log_mhalo, model.log_c(log_mhalo), gamma, *planes)

    low, top = lowest, 18.0
    for _ in range(60):
        middle = 0.5 * (low + top)
        low, top = (middle, top) if halo(np.array([middle]))[0][0] < 1.0 else (low, middle)
    m, w = composite(graded(lowest, low, width), 8)
    kbar, kappa = halo(m)
    m, w, kbar, kappa = (a[kbar < 1.0] for a in (m, w, kbar, kappa))
    star = stars_at(x, ring.log_re, model.sersic_n, *planes)
    mstar = (1.0 - kbar) / star[0]
    # |d log10 M* / d theta_E| = R / (M* ln10 a), a = x times the mean convergence of 1 Msun
    radial = 2.0 - 2.0 * (kappa + mstar * star[1])
    log_jacobian = np.log(np.abs(radial) / (mstar * math.log(10.0) * x * star[0]))
    log_mstar = np.log10(mstar)
    lenses = Lenses(log_mstar, ring.log_re, m, gamma, *planes, model)
    with np.errstate(divide="ignore"):
        log_lambda = np.log(cross_section(lenses))
    same = np.ones_like(m)
    weight = log_weight + np.log(w) + log_jacobian + log_lambda
    return Cells(log_mstar, ring.log_re * same, m, gamma * same, weight)
