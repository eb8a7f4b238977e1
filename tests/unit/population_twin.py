"""The slow, obvious twin of the population likelihood: one image pair at a time.

Nothing here uses clmassmod; the lenses are those of `lens_twin`. Over halo mass and inner slope,
every integral is a composite Gauss-Legendre rule between edges found by bisection, in log Mh
itself; the magnitude of the source is integrated explicitly. Rules can be refined (`Rule`), so
that the error is known. Lengths are kpc in the lens plane, masses log10 of Msun.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.polynomial import Chebyshev
from scipy.integrate import quad
from scipy.special import log_ndtr, logsumexp, ndtr

from lens_twin import Twin

PIVOT = 11.4
LOG_TWO_PI = math.log(2.0 * math.pi)
ARCMIN = math.pi / 10_800.0


@dataclass(frozen=True)
class Eta:
    """The 15 numbers of a population; defaults are de Vaucouleurs' of Sonnenfeld et al. 2019."""

    mu_star: float = 11.252
    sigma_star: float = 0.202
    shape_star: float = 0.17
    mu_r: float = 0.774
    beta_r: float = 0.977
    sigma_r: float = 0.112
    mu_h: float = 12.91
    beta_h: float = 2.04
    xi_h: float = 0.0
    sigma_h: float = 0.37
    mu_g: float = 1.0
    sigma_g: float = 0.2
    alpha_sps: float = 0.0
    sigma_sps: float = 0.0
    beta_sps: float = 0.0


@dataclass(frozen=True)
class Pair:
    """Data of one lens, as `clmassmod.population.lens_data.LensData` has them."""

    x_a: float
    x_b: float
    log_re: float
    m_a: float
    m_b: float
    log_msps: float
    sigma_a: float = 0.1
    sigma_b: float = 0.1
    sigma_msps: float = 0.1
    sigma_re: float = 0.0
    z_l: float = 0.3
    z_s: float = 2.0
    time_delay: float = math.nan
    sigma_delay: float = math.nan


@dataclass(frozen=True)
class Counts:
    """Schechter counts, ``n(m) = N L^(a+1) exp(-L)`` [arcmin^-2 mag^-1]."""

    slope: float = -1.3
    m_star: float = 24.5
    m_min: float = 20.0
    m_max: float = 30.0
    density: float = 28.57

    def shape_at(self, m):
        """Return n(m) / N between the limits; nothing is cut here."""
        light = 10.0 ** (-0.4 * (m - self.m_star))
        return light ** (self.slope + 1.0) * np.exp(-light)

    def density_at(self, m):
        return self.density / _total_shape(self) * self.shape_at(m)


@cache
def _total_shape(counts: Counts) -> float:
    return quad(counts.shape_at, counts.m_min, counts.m_max, epsabs=0.0, epsrel=1e-12, limit=200)[0]


@dataclass(frozen=True)
class Model:
    """What is not data and not eta."""

    counts: Counts = Counts()
    selection: str = "on_data"
    limit: float = 26.5
    gamma_low: float = 0.0
    gamma_high: float = 2.0
    sersic_n: float = 4.0
    log_c: Callable = field(default=lambda log_mhalo: np.log10(5.0) + 0.0 * log_mhalo)
    """Median log10 c200 at a halo mass."""
    scatter_c: float = 0.0


@dataclass(frozen=True)
class Rule:
    """Resolution: panels of inner slope, width of panels of log Mh [dex], nodes of each."""

    gamma_panels: int = 24
    width: float = 0.05
    order: int = 10
    lowest: float = 5.0
    magnitude_nodes: int = 48

    @property
    def finer(self) -> Rule:
        panels = 2 * self.gamma_panels
        return replace(self, gamma_panels=panels, width=0.5 * self.width, magnitude_nodes=64)


@cache
def gauss(order: int):
    return np.polynomial.legendre.leggauss(order)


def composite(edges, order: int):
    """Return nodes and weights of Gauss-Legendre panels between edges."""
    nodes, weights = gauss(order)
    half = 0.5 * np.diff(edges)[:, None]
    at = np.asarray(edges)[:-1, None] + half * (1.0 + nodes)
    return at.ravel(), (half * weights).ravel()


# -- halo and stars at many radii ----------------------------------------------------------------


@cache
def halo_curves(gamma: float):
    """Return polynomials of ln mass and ln surface density in ln x, for rho_s = r_s = 1.

    Degree 169 over 28 e-folds: both are analytic within +-i pi, so the error is below 1e-13.
    """
    twin = Twin(11.0, 13.0, 0.8, gamma_in=gamma)
    domain, count = (-18.0, 10.0), 170
    angle = np.pi * (np.arange(count) + 0.5) / count
    log_x = 0.5 * (domain[0] + domain[1]) + 0.5 * (domain[1] - domain[0]) * np.cos(angle)
    values = np.log([twin.halo_shape(math.exp(x)) for x in log_x])
    coefficients = 2.0 / count * np.cos(np.outer(np.arange(count), angle)) @ values
    coefficients[0] *= 0.5
    return tuple(Curve(c, domain) for c in coefficients.T)


class Curve(Chebyshev):
    """A Chebyshev polynomial that is quick for a few points as well."""

    def __call__(self, x):
        if np.size(x) > 100:
            return super().__call__(x)
        low, high = self.domain
        angle = np.arccos((2.0 * np.asarray(x) - low - high) / (high - low))
        return np.cos(np.multiply.outer(angle, np.arange(self.coef.size))) @ self.coef


@cache
def plane(z_l: float, z_s: float) -> Twin:
    """Return a lens that gives distances and densities of these redshifts."""
    return Twin(11.0, 13.0, 0.8, z_l=z_l, z_s=z_s)


def halo_at(x, log_mhalo, log_c, gamma, z_l, z_s):
    """Return mean convergence inside x and convergence of haloes."""
    where = plane(z_l, z_s)
    c = 10.0**log_c
    volume = 4.0 / 3.0 * math.pi * 200.0 * where.critical_density
    r_s = (10.0**log_mhalo / volume) ** (1.0 / 3.0) / c
    unit = 10.0**log_mhalo / sphere_mass(c, gamma) / where.critical_surface_density
    mass, sigma = halo_curves(gamma)
    log_x = np.log(x / r_s)
    # far outside the polynomials' range, where cells are masked by the caller, they overflow
    with np.errstate(over="ignore"):
        mean = unit * np.exp(mass(log_x)) / (math.pi * x**2)
        return mean, unit * np.exp(sigma(log_x)) / r_s**2


def sphere_mass(c, gamma):
    """Return the mass inside c of a halo with rho_s = r_s = 1."""
    twin = Twin(11.0, 13.0, 0.8, gamma_in=gamma)
    if np.ptp(c) == 0.0:
        return 4.0 * math.pi * twin.sphere_shape(float(np.ravel(c)[0]))
    # a polynomial in ln c: analytic within +-i pi again
    low, high = math.log(np.min(c)), math.log(np.max(c))

    def log_mass(log_c):
        return np.log([twin.sphere_shape(math.exp(v)) for v in log_c])

    return 4.0 * math.pi * np.exp(Chebyshev.interpolate(log_mass, 40, (low, high))(np.log(c)))


def stars_at(x, log_re, sersic_n, z_l, z_s):
    """Return mean convergence inside x and convergence of stars of 1 Msun; scalars."""
    r_e = 10.0**log_re
    inside, local = Twin(11.0, 13.0, log_re, sersic_n=sersic_n).star_shape(x / r_e)
    sigma = plane(z_l, z_s).critical_surface_density
    return inside / (math.pi * x**2 * sigma), local / r_e**2 / sigma


# -- inversion -----------------------------------------------------------------------------------


class Inversion:
    """What an image pair says of stellar mass and source, at one slope and many halo masses."""

    def __init__(self, pair: Pair, model: Model, log_re, gamma, log_mhalo, deviation):
        planes = pair.z_l, pair.z_s
        outer, inner = pair.x_a, -pair.x_b
        log_c = model.log_c(log_mhalo) + deviation * model.scatter_c
        halo_a, halo_b = (halo_at(x, log_mhalo, log_c, gamma, *planes) for x in (outer, inner))
        star_a, star_b = (stars_at(x, log_re, model.sersic_n, *planes) for x in (outer, inner))
        both = outer * star_a[0] + inner * star_b[0]
        self.halo = outer * halo_a[0] + inner * halo_b[0]
        self.mstar = (outer + inner - self.halo) / both
        kbar_a, kbar_b = (self.mstar * s[0] + h[0] for s, h in ((star_a, halo_a), (star_b, halo_b)))
        kappa_a, kappa_b = (
            self.mstar * s[1] + h[1] for s, h in ((star_a, halo_a), (star_b, halo_b))
        )
        self.beta = outer - outer * kbar_a
        self.radial_a = 1.0 + kbar_a - 2.0 * kappa_a
        self.radial_b = 1.0 + kbar_b - 2.0 * kappa_b
        with np.errstate(divide="ignore", invalid="ignore"):
            self.mu_a = 1.0 / ((1.0 - kbar_a) * self.radial_a)
            self.mu_b = 1.0 / ((1.0 - kbar_b) * self.radial_b)
            size = np.abs(self.radial_a * self.radial_b)
            self.jacobian = size / (self.mstar * math.log(10.0) * both)
            self.log_mstar = np.log10(self.mstar)

    @property
    def valid(self):
        return (self.mstar > 0.0) & (self.beta >= 0.0) & (self.radial_b > 0.0)


def valid_intervals(invert: Callable[[np.ndarray], Inversion], deflection: float, lowest: float):
    """Return [(low, high)] of log Mh where the inversion is valid, by scan and bisection."""
    top = _bisected(lambda m: invert(m).halo < deflection, lowest, 18.0)
    # towards the mass at which no stars are left in geometric steps
    near = top - np.geomspace(1e-9, 0.02, 120)
    grid = np.unique(np.concatenate((np.linspace(lowest, top - 0.02, 1200), near)))
    good = invert(grid).valid
    edges = [lowest] if good[0] else []
    for i in np.flatnonzero(good[1:] != good[:-1]):
        low, high = grid[i], grid[i + 1]
        edges.append(_bisected(lambda m, g=good[i]: invert(m).valid == g, low, high))
    if good[-1]:
        edges.append(top)
    return list(zip(edges[::2], edges[1::2], strict=True))


def _bisected(holds, low: float, high: float) -> float:
    """Return where `holds` ends, true at low and false at high; by sections of 32."""
    for _ in range(11):
        points = np.linspace(low, high, 33)
        first = int(np.argmin(np.append(holds(points[1:-1]), False)))
        low, high = points[first], points[first + 1]
    return low


def graded(low: float, high: float, width: float):
    """Return panel edges at most `width` apart that shrink by 1.5 towards both ends."""
    half = 0.5 * (high - low)
    steps = [0.0, min(1e-9, 1e-3 * half)]
    while steps[-1] < half:
        steps.append(steps[-1] + min(width, 0.5 * steps[-1]))
    steps = np.array(steps) * (half / steps[-1])
    return np.concatenate((low + steps, (high - steps[:-1])[::-1]))


# -- photometry ----------------------------------------------------------------------------------


def log_photometry(pair: Pair, model: Model, mu_a, mu_b, nodes: int):
    """Return ln of the integral of counts and both normal errors over the source's magnitude.

    With ``selection="independent"`` the probability of detection of both images is in it.
    """
    counts = model.counts
    shift_a, shift_b = 2.5 * np.log10(np.abs(mu_a)), 2.5 * np.log10(np.abs(mu_b))
    weight_a, weight_b = pair.sigma_a**-2, pair.sigma_b**-2
    mean = (weight_a * (pair.m_a + shift_a) + weight_b * (pair.m_b + shift_b)) / (
        weight_a + weight_b
    )
    sd = (weight_a + weight_b) ** -0.5
    # where the mean is beyond the counts, what is left lies at their end
    centre = np.clip(mean, counts.m_min, counts.m_max)
    low = np.maximum(centre - 9.0 * sd, counts.m_min)
    high = np.minimum(centre + 9.0 * sd, counts.m_max)
    t, w = gauss(nodes)
    terms = np.empty((nodes, mean.size))
    for i in range(nodes):
        m = low + 0.5 * (high - low) * (1.0 + t[i])
        line = np.log(0.5 * (high - low) * w[i] * counts.density_at(m))
        line += log_normal(pair.m_a, m - shift_a, pair.sigma_a)
        line += log_normal(pair.m_b, m - shift_b, pair.sigma_b)
        if model.selection == "independent":
            line += log_ndtr((model.limit - m + shift_a) / pair.sigma_a)
            line += log_ndtr((model.limit - m + shift_b) / pair.sigma_b)
        terms[i] = line
    return logsumexp(terms, axis=0)


def log_normal(value, mean, sd):
    return -0.5 * ((value - mean) / sd) ** 2 - math.log(sd) - 0.5 * LOG_TWO_PI


# -- cells ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cells:
    """Nodes of one lens; `log_weight` has all that does not depend on eta."""

    log_mstar: np.ndarray
    log_re: np.ndarray
    log_mhalo: np.ndarray
    gamma: np.ndarray
    log_weight: np.ndarray

    @classmethod
    def joined(cls, parts) -> Cells:
        names = cls.__dataclass_fields__
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))


def cells_of(pair: Pair, model: Model, rule: Rule, size_step: float = 0.05) -> Cells:
    """Return the nodes: log Mh and slope; and size or concentration, where these scatter.

    Equal steps over +-6.5 standard deviations for those two: errors e^(-2 (pi sd / step)^2).
    """
    parts = []
    for log_re, log_size in _sizes(pair, size_step):
        for deviation, log_deviation in _deviations(model):
            for row in _rows(pair, model, rule, log_re, deviation):
                extra = log_size + log_deviation
                parts.append(replace(row, log_weight=row.log_weight + extra))
    return Cells.joined(parts)


def _sizes(pair: Pair, step: float):
    if pair.sigma_re == 0.0:
        return [(pair.log_re, 0.0)]
    step = min(step, 0.5 * pair.sigma_re)
    count = math.ceil(6.5 * pair.sigma_re / step)
    values = pair.log_re + step * np.arange(-count, count + 1)
    log_p = math.log(step) + log_normal(pair.log_re, values, pair.sigma_re)
    return list(zip(values, log_p, strict=True))


def _deviations(model: Model):
    if model.scatter_c == 0.0:
        return [(0.0, 0.0)]
    values = 0.65 * np.arange(-10, 11)
    return list(zip(values, math.log(0.65) + log_normal(values, 0.0, 1.0), strict=True))


def _rows(pair: Pair, model: Model, rule: Rule, log_re: float, deviation: float) -> Iterator[Cells]:
    edges = np.linspace(model.gamma_low, model.gamma_high, rule.gamma_panels + 1)
    for gamma, w_gamma in zip(*composite(edges, rule.order), strict=True):

        def invert(log_mhalo, gamma=float(gamma)):
            return Inversion(pair, model, log_re, gamma, log_mhalo, deviation)

        intervals = valid_intervals(invert, pair.x_a - pair.x_b, rule.lowest)
        for low, high in intervals:
            m, w = composite(graded(low, high, rule.width), rule.order)
            found = invert(m)
            # rounding next to an edge
            inside = found.valid & np.isfinite(found.mu_a * found.mu_b)
            found = invert(m[inside])
            m, w = m[inside], w[inside]
            weight = np.log(w * w_gamma) + _log_geometry(pair, model, rule, found)
            if math.isfinite(pair.time_delay):
                delay = time_delay(pair, model, log_re, gamma, m, deviation, found)
                weight += log_normal(pair.time_delay, delay, pair.sigma_delay)
            same = np.ones_like(m)
            yield Cells(found.log_mstar, log_re * same, m, gamma * same, weight)


def _log_geometry(pair: Pair, model: Model, rule: Rule, found: Inversion):
    per_kpc2 = 1.0 / (ARCMIN * plane(pair.z_l, pair.z_s).distances[0]) ** 2
    photometry = log_photometry(pair, model, found.mu_a, found.mu_b, rule.magnitude_nodes)
    with np.errstate(divide="ignore"):
        return np.log(2.0 * math.pi * found.beta * per_kpc2 * found.jacobian) + photometry


def time_delay(pair: Pair, model: Model, log_re, gamma, log_mhalo, deviation, found: Inversion):
    """Return the delay of B after A [days]."""
    inner, outer = -pair.x_b, pair.x_a
    log_c = model.log_c(log_mhalo) + deviation * model.scatter_c
    path = 0.5 * (inner + found.beta) ** 2 - 0.5 * (outer - found.beta) ** 2
    for x, w in zip(*composite(np.geomspace(inner, outer, 4), 12), strict=True):
        star = stars_at(x, log_re, model.sersic_n, pair.z_l, pair.z_s)[0]
        halo = halo_at(x, log_mhalo, log_c, gamma, pair.z_l, pair.z_s)[0]
        path = path + w * x * (found.mstar * star + halo)
    return plane(pair.z_l, pair.z_s).delay_unit * path


# -- population ----------------------------------------------------------------------------------


def log_stellar_density(eta: Eta, x):
    """Return ln of the skew-normal density of log Msps."""
    z = (x - eta.mu_star) / eta.sigma_star
    normal = log_normal(x, eta.mu_star, eta.sigma_star)
    return math.log(2.0) + normal + log_ndtr(10.0**eta.shape_star * z)


def log_slope_density(eta: Eta, gamma, low: float, high: float):
    """Return ln of the normal density of the inner slope, cut to [low, high]."""
    if low > eta.mu_g:  # no cancellation in the upper tail
        ends = (eta.mu_g - high) / eta.sigma_g, (eta.mu_g - low) / eta.sigma_g
    else:
        ends = (low - eta.mu_g) / eta.sigma_g, (high - eta.mu_g) / eta.sigma_g
    norm = math.log(ndtr(ends[1]) - ndtr(ends[0]))
    return log_normal(gamma, eta.mu_g, eta.sigma_g) - norm


def log_size_density(eta: Eta, log_re, x):
    return log_normal(log_re, eta.mu_r + eta.beta_r * (x - PIVOT), eta.sigma_r)


def log_halo_density(eta: Eta, log_mhalo, log_re, x):
    mean_size = eta.mu_r + eta.beta_r * (x - PIVOT)
    mean = eta.mu_h + eta.beta_h * (x - PIVOT) + eta.xi_h * (log_re - mean_size)
    return log_normal(log_mhalo, mean, eta.sigma_h)


def log_likelihood(cells: Cells, pair: Pair, model: Model, eta: Eta, step: float = 0.02) -> float:
    """Return ln L of one lens; with sigma_sps > 0 by equal steps of log Msps."""
    weight = cells.log_weight
    weight = weight + log_slope_density(eta, cells.gamma, model.gamma_low, model.gamma_high)
    if eta.sigma_sps == 0.0:
        factor = 1.0 + eta.beta_sps
        x = (cells.log_mstar - eta.alpha_sps + eta.beta_sps * PIVOT) / factor
        weight = weight + _log_of_msps(cells, pair, eta, x) - math.log(abs(factor))
        return float(logsumexp(weight))
    count = math.ceil(8.0 * pair.sigma_msps / step)
    terms = []
    for x in pair.log_msps + step * np.arange(-count, count + 1):
        mean = x + eta.alpha_sps + eta.beta_sps * (x - PIVOT)
        mismatch = log_normal(cells.log_mstar, mean, eta.sigma_sps)
        terms.append(logsumexp(weight + mismatch + _log_of_msps(cells, pair, eta, x)))
    return float(logsumexp(terms) + math.log(step))


def _log_of_msps(cells: Cells, pair: Pair, eta: Eta, x):
    """Return ln of all densities that have log Msps = x in them."""
    return (
        log_stellar_density(eta, x)
        + log_normal(pair.log_msps, x, pair.sigma_msps)
        + log_size_density(eta, cells.log_re, x)
        + log_halo_density(eta, cells.log_mhalo, cells.log_re, x)
    )


def duffy08(z_l: float) -> Callable:
    """Return log10 c200c(log Mh) of Duffy et al. (2008), all haloes, NFW; h = 0.7."""

    def log_c(log_mhalo):
        log_pivot = np.log10(2e12 / 0.7)
        return np.log10(5.71) - 0.084 * (log_mhalo - log_pivot) - 0.47 * math.log10(1.0 + z_l)

    return log_c
