"""Peers of the lens workloads: lenstronomy, and what one writes with numpy and scipy.

Lenses at 0.3, sources at 2, concentration 5, de Vaucouleurs stars; kpc in the lens plane.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammainc, gammaincinv, gammaln

from . import oracles
from .oracles import Array

Z_L, Z_S, CONCENTRATION, INDEX = 0.3, 2.0, 5.0, 4.0
_B = float(gammaincinv(2.0 * INDEX, 0.5))


@lru_cache(maxsize=1)
def sigma_critical() -> float:
    """Critical surface density [Msun / kpc^2]."""
    return float(1e-6 / oracles.inverse_critical_surface_density(Z_L, Z_S))


def halo_scales(log_mhalo: Any) -> tuple[Any, Any]:
    """Return r_s [kpc] and rho_s r_s^3 [Msun] of NFW haloes."""
    mass = 10.0 ** np.asarray(log_mhalo)
    r_s = 1e3 * oracles.overdensity_radius(mass, Z_L) / CONCENTRATION
    inside = math.log1p(CONCENTRATION) - CONCENTRATION / (1.0 + CONCENTRATION)
    return r_s, mass / (4.0 * math.pi * inside)


def central_stars(log_mstar: Any, log_re: Any) -> Any:
    """Return the central surface density of the stars [Msun / kpc^2]."""
    lead = math.exp(2.0 * INDEX * math.log(_B) - gammaln(2.0 * INDEX)) / (2.0 * math.pi * INDEX)
    return lead * 10.0 ** (np.asarray(log_mstar) - 2.0 * np.asarray(log_re))


# -- scipy, one lens at a time --------------------------------------------------------------------


def by_brentq(lenses: dict[str, Array], beta: Array) -> Callable[[], Array]:
    """Return a call giving (n, 7) of NFW lenses, by closed forms and brentq."""
    columns = [lenses[name] for name in ("log_mstar", "log_mhalo", "log_re")]

    def call() -> Array:
        rows = [_one_by_brentq(*row) for row in zip(*columns, beta, strict=True)]
        return np.array(rows)

    return call


def _one_by_brentq(log_mstar: float, log_mhalo: float, log_re: float, beta: float) -> list[float]:
    r_e, m_star = 10.0**log_re, 10.0**log_mstar
    central = float(central_stars(log_mstar, log_re))
    r_s, unit = map(float, halo_scales(log_mhalo))
    critical = sigma_critical()

    def alpha(x: float) -> float:
        stars = gammainc(2.0 * INDEX, _B * (x / r_e) ** (1.0 / INDEX))
        return (m_star * stars + unit * _nfw_mass(x / r_s)) / (math.pi * x * critical)

    def kappa(x: float) -> float:
        stars = central * math.exp(-_B * (x / r_e) ** (1.0 / INDEX))
        return (stars + unit / r_s**2 * _nfw_surface(x / r_s)) / critical

    def radial(x: float) -> float:
        return 1.0 + alpha(x) / x - 2.0 * kappa(x)

    def mu(x: float) -> float:
        return 1.0 / ((1.0 - alpha(x) / x) * radial(x))

    accuracy = {"xtol": 1e-12, "rtol": 1e-12}
    ring = brentq(lambda x: alpha(x) - x, 1e-3, 1e3, **accuracy)
    inner = brentq(radial, 1e-3 * ring, ring, **accuracy)
    caustic = alpha(inner) - inner
    x_a = brentq(lambda x: x - alpha(x) - beta, ring, 2.0 * ring + beta, **accuracy)
    b = brentq(lambda x: alpha(x) - x - beta, inner, ring, **accuracy)
    return [ring, inner, caustic, x_a, -b, mu(x_a), mu(b)]


def _nfw_mass(x: float) -> float:
    if x < 1.0:
        return 4.0 * math.pi * (math.log(0.5 * x) + math.acosh(1.0 / x) / math.sqrt(1.0 - x * x))
    return 4.0 * math.pi * (math.log(0.5 * x) + math.acos(1.0 / x) / math.sqrt(x * x - 1.0))


def _nfw_surface(x: float) -> float:
    square = x * x - 1.0
    if x < 1.0:
        return 2.0 / square * (1.0 - math.acosh(1.0 / x) / math.sqrt(-square))
    return 2.0 / square * (1.0 - math.acos(1.0 / x) / math.sqrt(square))


# -- lenstronomy ----------------------------------------------------------------------------------


def by_lenstronomy(lenses: dict[str, Array], beta: Array) -> Callable[[], Array]:
    """Return a call giving (n, 7) of NFW lenses; nan for what it has not, or has not found.

    Its solver of the lens equation and its Einstein radius from the radial profile; it has no
    radial critical radius of an axisymmetric lens.
    """
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LensModel.Solver.lens_equation_solver import LensEquationSolver

    model = LensModel(["SERSIC", "NFW"])
    solver = LensEquationSolver(model)
    columns = (lenses["log_mstar"], lenses["log_mhalo"], lenses["log_re"])
    parameters = [_lenstronomy_parameters(*row) for row in zip(*columns, strict=True)]

    def call() -> Array:
        rows = [
            _one_by_lenstronomy(model, solver, own, b)
            for own, b in zip(parameters, beta, strict=True)
        ]
        return np.array(rows)

    return call


def _kpc_per_arcsec() -> float:
    distance = 1e3 * float(oracles.comoving_distance(Z_L)) / (1.0 + Z_L)
    return distance * math.pi / 648_000.0


def _lenstronomy_parameters(log_mstar: float, log_mhalo: float, log_re: float) -> list[Any]:
    kpc, critical = _kpc_per_arcsec(), sigma_critical()
    # its b_n is linear in n: the same exponential needs another radius
    theirs = 1.9992 * INDEX - 0.3271
    central = float(central_stars(log_mstar, log_re)) / critical
    stars = {
        "k_eff": central * math.exp(-theirs),
        "R_sersic": 10.0**log_re * (theirs / _B) ** INDEX / kpc,
        "n_sersic": INDEX,
    }
    r_s, unit = map(float, halo_scales(log_mhalo))
    alpha = 4.0 * (1.0 - math.log(2.0)) * unit / r_s / critical
    return [stars, {"Rs": r_s / kpc, "alpha_Rs": alpha / kpc}]


def _one_by_lenstronomy(model: Any, solver: Any, parameters: list[Any], beta: float) -> list[float]:
    from lenstronomy.Analysis.lens_profile import LensProfileAnalysis

    kpc = _kpc_per_arcsec()
    r = np.geomspace(1e-3, 10.0, 1000)
    kappa = model.kappa(r, np.zeros_like(r), parameters)
    ring = float(LensProfileAnalysis.effective_einstein_radius_from_radial_profile(r, kappa))
    source = beta / kpc
    x, y = solver.image_position_from_source(
        source,
        0.0,
        parameters,
        solver="lenstronomy",
        min_distance=0.05,
        search_window=4.0 * (ring + source),
        precision_limit=1e-12,
        num_iter_max=200,
    )
    mu = model.magnification(x, y, parameters) if len(x) else np.zeros(0)
    outer = [(float(p) * kpc, float(m)) for p, m in zip(x, mu, strict=True) if p > ring]
    inner = [(float(p) * kpc, float(m)) for p, m in zip(x, mu, strict=True) if p < 0.0 > m]
    none = (math.nan, math.nan)
    (x_a, mu_a), (x_b, mu_b) = (outer or [none])[0], (inner or [none])[0]
    return [ring * kpc, math.nan, math.nan, x_a, x_b, mu_a, mu_b]


# -- numpy and scipy, one pair at a time ----------------------------------------------------------


class InvertByNumpy:
    """Inversion of pairs over a grid as a numpy user writes it, tables built beforehand.

    ln of mass and surface density of generalised NFW haloes in bicubic splines of ln x and
    slope; every pair is one set of array operations over the grid.
    """

    def __init__(self, log_mhalo: Array, slopes: Array, sigma: float) -> None:
        from scipy.interpolate import RectBivariateSpline, make_interp_spline

        from . import lens_oracle

        log_x = np.linspace(math.log(1e-5), math.log(10.0), 160)
        gamma = np.linspace(0.0, 2.0, 21)
        tables = np.empty((2, gamma.size, log_x.size))
        for row, g in enumerate(gamma):
            twin = lens_oracle.twin(log_mstar=0.0, log_mhalo=0.0, log_re=0.0, gamma_in=g)
            tables[:, row] = np.log([twin.halo_shape(x) for x in np.exp(log_x)]).T
        self._mass, self._surface = (RectBivariateSpline(gamma, log_x, t) for t in tables)
        self._slopes, self._sigma = slopes, sigma
        self._radius = halo_scales(log_mhalo)[0]
        twins = [
            lens_oracle.twin(log_mstar=0.0, log_mhalo=0.0, log_re=0.0, gamma_in=g) for g in slopes
        ]
        inside = np.array([twin.sphere_shape(CONCENTRATION) for twin in twins])
        self._unit = 10.0**log_mhalo / (4.0 * math.pi * inside[:, None])
        # ln of the counts convolved with the error of the mean magnitude
        u = np.linspace(19.6, 30.4, 433)
        table = [lens_oracle.photometry(m, m, 1.0, 1.0, sigma) for m in u]
        self._counts = make_interp_spline(u, table)

    def call(
        self, x_a: Array, x_b: Array, log_re: Array, m_a: Array, m_b: Array, photometry: bool
    ) -> Callable[[], list[Array]]:
        """Return a call giving the six numbers of `lens_oracle`, each (n, slopes, masses)."""

        def all_pairs() -> list[Array]:
            rows = [
                self._pair(*row, photometry) for row in zip(x_a, x_b, log_re, m_a, m_b, strict=True)
            ]
            return [np.array(column) for column in zip(*rows, strict=True)]

        return all_pairs

    def _at(self, x: float, r_e: float) -> tuple[Any, Any, Array, Array]:
        """Return kbar and kappa of stars of 1 Msun, and of the haloes (slopes, masses)."""
        at = np.log(x / self._radius)
        order = np.argsort(at)
        slopes = self._slopes
        mass, surface = (
            np.exp(table(slopes, at[order]))[:, np.argsort(order)]
            for table in (self._mass, self._surface)
        )
        critical, area = sigma_critical(), math.pi * x * x
        u = _B * (x / r_e) ** (1.0 / INDEX)
        stars = gammainc(2.0 * INDEX, u) / (area * critical)
        local = central_stars(0.0, math.log10(r_e)) * math.exp(-u) / critical
        return (
            stars,
            local,
            self._unit * mass / (area * critical),
            self._unit * surface / (self._radius**2 * critical),
        )

    def _pair(
        self, x_a: float, x_b: float, log_re: float, m_a: float, m_b: float, photometry: bool
    ) -> list[Array]:
        b, r_e = -x_b, 10.0**log_re
        star_a, local_a, halo_a, surface_a = self._at(x_a, r_e)
        star_b, local_b, halo_b, surface_b = self._at(b, r_e)
        per_mass = x_a * star_a + b * star_b
        with np.errstate(invalid="ignore", divide="ignore"):
            mass = (x_a + b - x_a * halo_a - b * halo_b) / per_mass
            kbar_a, kbar_b = mass * star_a + halo_a, mass * star_b + halo_b
            beta = x_a * (1.0 - kbar_a)
            radial_a = 1.0 + kbar_a - 2.0 * (mass * local_a + surface_a)
            radial_b = 1.0 + kbar_b - 2.0 * (mass * local_b + surface_b)
            valid = (mass > 0.0) & (beta >= 0.0) & (radial_b > 0.0)
            jacobian = np.abs(radial_a * radial_b) / (mass * math.log(10.0) * per_mass)
            mu_a, mu_b = 1.0 / ((1.0 - kbar_a) * radial_a), 1.0 / ((1.0 - kbar_b) * radial_b)
            columns = [np.log10(mass), beta, jacobian, mu_a, mu_b]
            if photometry:
                u_a = m_a + 2.5 * np.log10(np.abs(mu_a))
                u_b = m_b + 2.5 * np.log10(np.abs(mu_b))
                apart = -0.25 * ((u_a - u_b) / self._sigma) ** 2
                columns.append(self._counts(0.5 * (u_a + u_b)) + apart)
        return [np.where(valid, column, np.nan) for column in columns]


# -- a mock, one galaxy at a time -----------------------------------------------------------------


def mock_by_brentq(size: int, seed: int) -> list[list[float]]:
    """Return the images and magnitudes of the sources behind `size` galaxies with NFW haloes."""
    from scipy.stats import skewnorm

    random = np.random.default_rng(seed)
    log_mstar = skewnorm.rvs(10.0**0.17, 11.252, 0.202, size, random_state=random)
    log_re = 0.774 + 0.977 * (log_mstar - 11.4) + random.normal(0.0, 0.112, size)
    log_mhalo = 12.91 + 2.04 * (log_mstar - 11.4) + random.normal(0.0, 0.37, size)
    arcmin = 60.0 * _kpc_per_arcsec()
    found = []
    for row in zip(log_mstar, log_mhalo, log_re, strict=True):
        caustic = _one_by_brentq(*row, beta=1e-3)[2]
        number = random.poisson(28.57 / arcmin**2 * math.pi * caustic**2)
        for beta in caustic * np.sqrt(random.uniform(0.0, 1.0, number)):
            images = _one_by_brentq(*row, beta=float(beta))
            noise = random.normal(0.0, 0.1, 2)
            m = random.uniform(20.0, 30.0) - 2.5 * np.log10(np.abs(images[5:])) + noise
            found.append([*images, *m])
    return found
