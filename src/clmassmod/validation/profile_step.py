"""Profiles against quadrature of their own density."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import numpy.typing as npt

from ..profiles.baryonified import Baryonified
from ..profiles.baryons import BaryonModel
from ..profiles.base import RadialMass
from ..profiles.halos import BMO, NFW, Hernquist
from ..profiles.numeric_halos import Burkert, Einasto, gNFW
from ..profiles.splashback import DK14, Diemer23
from . import figures
from .checks import Check, Settings, StepResult

Array = npt.NDArray[np.float64]

_RTOL = 1e-9
_RADII = np.geomspace(0.01, 10.0, 25)
_ORDER = 30
_REACH = 60.0
"""Of ln r: of matter falling as r^-1.5, e^-30 lies farther out."""


def profiles(settings: Settings) -> StepResult:
    """Compare surface density, excess and mass of every halo with quadrature."""
    checks, errors = [], {}
    for name, profile, limit, reason in _cases(settings):
        found = quadrature_errors(profile, _RADII)
        errors[name] = found
        worst = float(np.max(list(found.values())))
        what = f"{name}: Sigma, Delta Sigma, M(r) against quadrature, largest relative error"
        checks.append(Check("profiles", what, worst, limit, reason))
    draw = partial(figures.profile_errors, _RADII, errors)
    return StepResult(checks, {"Profiles against quadrature": draw})


def _cases(settings: Settings) -> list[tuple[str, RadialMass, float, str]]:
    closed = "closed form, good to 1e-13; the quadrature to 1e-11"
    numeric = "asked for rtol = 1e-9; the quadrature is good to 1e-11"
    arguments = 6e14, 4.0, 0.3
    nfw = NFW(*arguments)
    cases: list[tuple[str, RadialMass, float, str]] = [
        ("NFW", nfw, 1e-8, closed),
        ("Hernquist", Hernquist(*arguments), 1e-8, closed),
        ("BMO", BMO(*arguments, truncation=8.0), 1e-8, closed),
        ("gNFW", gNFW(*arguments, inner_slope=1.4, rtol=_RTOL), 1e-8, numeric),
        ("Einasto", Einasto(*arguments, alpha=0.2, rtol=_RTOL), 1e-8, numeric),
        ("Burkert", Burkert(*arguments, rtol=_RTOL), 1e-8, numeric),
        ("DK14", DK14(*arguments, peak_height=3.0, rtol=_RTOL), 1e-8, numeric),
        ("Diemer23", Diemer23(*arguments, peak_height=3.0, rtol=_RTOL), 1e-8, numeric),
    ]
    full = Baryonified(nfw, BaryonModel(baryon_fraction=0.16), rtol=1e-6)
    reason = "asked for rtol = 1e-6: its density is a sum of parts good to 1e-9"
    cases.append(("NFW with baryons", full, 1e-6, reason))
    return cases


def quadrature_errors(profile: RadialMass, radii: Array) -> dict[str, Array]:
    """Return relative errors of three quantities at `radii` [Mpc], from `profile.density` alone.

    The excess is relative to the mean surface density where that is larger.
    """
    sigma = np.array([_surface_density(profile, R) for R in radii])
    mass = np.array([_sphere(profile, R) for R in radii])
    mean = np.array([_caps(profile, R) for R in radii]) + mass
    mean /= math.pi * radii**2
    excess = profile.excess_surface_density(radii)
    return {
        "surface density": np.abs(profile.surface_density(radii) / sigma - 1.0),
        "excess": np.abs(excess - (mean - sigma)) / np.maximum(mean, np.abs(excess)),
        "mass": np.abs(profile.enclosed_mass(radii) / mass - 1.0),
    }


def _panels(low: float, high: float, width: float = 0.5) -> tuple[Array, Array]:
    """Return nodes and weights of Gauss-Legendre on panels."""
    node, weight = np.polynomial.legendre.leggauss(_ORDER)
    edges = np.linspace(low, high, math.ceil((high - low) / width) + 1)
    half = 0.5 * np.diff(edges)[:, None]
    return (edges[:-1, None] + half * (node + 1.0)).ravel(), (half * weight).ravel()


def _surface_density(profile: RadialMass, R: float) -> float:
    # l = R sinh u along the line of sight
    u, weight = _panels(0.0, _REACH)
    r = R * np.cosh(u)
    return float(2.0 * np.sum(weight * r * profile.density(r)))


def _sphere(profile: RadialMass, R: float) -> float:
    t, weight = _panels(math.log(R) - _REACH, math.log(R))
    r = np.exp(t)
    return float(4.0 * math.pi * np.sum(weight * r**3 * profile.density(r)))


def _caps(profile: RadialMass, R: float) -> float:
    """Return the mass of the cylinder outside the sphere."""
    u, weight = _panels(0.0, _REACH)
    r = R * np.cosh(u)
    # a shell of radius r has the share 1 - sqrt(1 - R^2 / r^2) of its area in the cylinder
    share = 2.0 / (np.exp(2.0 * u) + 1.0)
    shells = 4.0 * math.pi * r**3 * profile.density(r) * np.tanh(u)
    return float(np.sum(weight * share * shells))
