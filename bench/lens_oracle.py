"""The truth of the lens workloads: the slow twin of the tests, which does not use clmassmod."""

from __future__ import annotations

import importlib.util
import math
import sys
from functools import lru_cache
from typing import Any

import numpy as np

from .harness import ROOT
from .oracles import Array

RADII = ("einstein_radius", "radial_critical_radius", "caustic_radius")


@lru_cache(maxsize=1)
def twin_module() -> Any:
    """Return tests/unit/lens_twin.py as a module."""
    name = "lens_twin"
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "unit" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def twin(**arguments: float) -> Any:
    """Return the twin of one lens; arguments as `LensModel` has them."""
    return twin_module().Twin(**{name: float(value) for name, value in arguments.items()})


def solution(lens: Any, beta: float) -> Array:
    """Return theta_E, x_rad, y_c, x_A, x_B [kpc], mu_A, mu_B."""
    x_a, x_b = lens.outer_image(beta), lens.inner_image(beta)
    images = (x_a, x_b, lens.magnification(x_a), lens.magnification(-x_b))
    return np.array([*(getattr(lens, name) for name in RADII), *images], dtype=float)


def inversion(lens: Any, x_a: float, x_b: float) -> Array | None:
    """Return log10 M*, beta, |d(log10 M*, beta)/d(x_A, x_B)|, mu_A, mu_B; None if not valid.

    `lens` has a stellar mass of 1 Msun, which is left to be found.
    """
    b = -x_b
    star_a, kappa_star_a, halo_a, kappa_halo_a = lens.parts(x_a)
    star_b, kappa_star_b, halo_b, kappa_halo_b = lens.parts(b)
    mass = (x_a + b - halo_a - halo_b) / (star_a + star_b)
    if mass <= 0.0:
        return None
    beta = x_a - mass * star_a - halo_a
    kbar_a, kbar_b = (mass * star_a + halo_a) / x_a, (mass * star_b + halo_b) / b
    radial_a = 1.0 + kbar_a - 2.0 * (mass * kappa_star_a + kappa_halo_a)
    radial_b = 1.0 + kbar_b - 2.0 * (mass * kappa_star_b + kappa_halo_b)
    if beta < 0.0 or radial_b <= 0.0:
        return None
    jacobian = abs(radial_a * radial_b) / (mass * math.log(10.0) * (star_a + star_b))
    mu = 1.0 / ((1.0 - kbar_a) * radial_a), 1.0 / ((1.0 - kbar_b) * radial_b)
    return np.array([math.log10(mass), beta, jacobian, *mu])


def photometry(m_a: float, m_b: float, mu_a: float, mu_b: float, sigma: float) -> float:
    """Return ln of ``int n(m) N(m_A | m, mu_A) N(m_B | m, mu_B) dm``, the default counts n.

    ``n ~ L^-0.3 exp(-L)``, ``L = 10^(-0.4 (m - 24.5))``, 28.57 per arcmin^2 in [20, 30]; nan for
    a mean magnitude outside, by more than the errors are wide.
    """
    u = m_a + 2.5 * math.log10(abs(mu_a)), m_b + 2.5 * math.log10(abs(mu_b))
    middle, width = 0.5 * (u[0] + u[1]), sigma / math.sqrt(2.0)
    if not 20.0 - 8.0 * width < middle < 30.0 + 8.0 * width:
        return math.nan
    nodes, weights = _nodes()
    low, high = max(20.0, middle - 12.0 * width), min(30.0, middle + 12.0 * width)
    m = 0.5 * (low + high) + 0.5 * (high - low) * nodes
    narrow = _counts(m) * np.exp(-0.5 * ((m - middle) / width) ** 2)
    # the product of both errors is a narrow one of m and a wide one of the difference
    integral = 0.5 * (high - low) * float(np.sum(weights * narrow))
    apart = -0.25 * ((u[0] - u[1]) / sigma) ** 2
    return math.log(integral / (2.0 * math.pi * sigma**2)) + apart


@lru_cache(maxsize=1)
def _nodes() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(400)


def _counts(m: Array) -> Array:
    def shape(at: Array) -> Array:
        luminosity = 10.0 ** (-0.4 * (at - 24.5))
        return np.asarray(luminosity**-0.3 * np.exp(-luminosity))

    nodes, weights = _nodes()
    return 28.57 * shape(m) / (5.0 * float(np.sum(weights * shape(25.0 + 5.0 * nodes))))
