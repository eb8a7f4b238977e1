"""The bias of masses fitted by NFW to haloes of other profiles, with and without baryons."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cluster.analytic_bias import BIAS_SURVEY, analytic_bias, true_profile
from ..cluster.massmod import CLMassMod
from ..configuration.info import ModelInfo
from ..galaxies.field_of_view import FieldOfView
from ..galaxies.mock import MockGalaxies
from ..galaxies.profile import build_profile
from ..maps.field import ProfileField
from ..profiles.baryonified import Baryonified, single_profiles
from ..profiles.baryons import BaryonModel, CromerGas
from ..profiles.base import RadialMass
from . import figures
from .checks import BiasRow, Check, Settings, StepResult

Array = npt.NDArray[np.float64]
TrueProfile = Callable[[float, float], RadialMass]

_MASS, _REDSHIFT, _Z_S = 8e14, 0.3, 1.0
_DENSITIES = (5.0, 20.0, 100.0)
_GALAXIES = 1200.0
"""Times the number of haloes of a check: galaxies per square arcmin, whatever the density."""
_TRUTHS: tuple[dict[str, Any], ...] = (
    {"profile": "NFW"},
    {"profile": {"kind": "Einasto", "alpha": 0.18}},
    {"profile": "DK14"},
    {"profile": {"kind": "BMO", "truncation": 8.0}},
)
BARYONS: dict[str, BaryonModel | None] = {
    "": None,
    " + Schneider": BaryonModel(),
    " + Cromer": BaryonModel(CromerGas(), stellar_fraction=0.0, relaxation=0.0),
}
"""Suffix of the name of a truth -> its baryons."""
SURVEY = ModelInfo.from_dict(
    {
        **BIAS_SURVEY,
        "sources": {"redshift": _Z_S},
        "binning": {"edges": [float(edge) for edge in np.linspace(0.5, 2.5, 21)]},
    }
)
"""NFW fitted with the concentrations of the truth, to narrow bins: see `simulate_sample`."""


def bias_shifts(settings: Settings) -> StepResult:
    """Return the table of bias shifts, checked against noisy mock galaxies."""
    n = settings.size(16, 200)
    rows: list[BiasRow] = []
    for truth in _TRUTHS:
        for suffix, baryons in BARYONS.items():
            name = _name(truth) + suffix
            profile_of = baryonified(truth, baryons)
            bias = float(analytic_bias(_MASS, _REDSHIFT, profile_of, SURVEY).bias)
            shift = bias - (rows[0].bias if rows else bias)
            profile = profile_of(_MASS, _REDSHIFT)
            measured, error = mock_bias(profile, 50.0, n, name, settings)
            rows.append(BiasRow(name, _MASS, bias, shift, measured, error))
    pulls = [(row.measured - row.bias) / row.error for row in rows]
    worst = max(pulls, key=abs)
    what = f"b of {n} mocks of each of {len(rows)} truths about that without noise, largest pull"
    reason = "normal; of 12 one is beyond 4.4 once in 1e4 times"
    checks = [
        Check("bias shifts", what, worst, 4.4, reason),
        Check(
            "bias shifts",
            "NFW fitted to NFW without noise: b - 1",
            rows[0].bias - 1.0,
            1e-5,
            "the tolerance of the least-squares fit",
        ),
    ]
    return StepResult(checks, {"Bias shifts": partial(figures.bias_shifts, rows)}, rows)


def bias_and_density(settings: Settings) -> StepResult:
    """Check that b does not move with the density of galaxies (Sommer et al. 2022)."""
    scale = settings.size(1, 10)
    profile = baryonified(_TRUTHS[0], BARYONS[" + Schneider"])(_MASS, _REDSHIFT)
    found = []
    for density in _DENSITIES:
        n = round(scale * _GALAXIES / density)
        found.append(mock_bias(profile, density, n, f"density {density:g}", settings))
    b, error = np.array(found).T
    mean = np.sum(b / error**2) / np.sum(error**-2.0)
    worst = float(np.max(np.abs(b - mean) / error))
    numbers = ", ".join(f"{d:g}" for d in _DENSITIES)
    what = f"b at {numbers} galaxies per square arcmin about their mean, largest pull"
    checks = [
        Check(
            "bias and density",
            what,
            worst,
            4.2,
            "normal; of 3 one is beyond 4.2 once in 1e4 times: noise must not bias masses",
        )
    ]
    draw = partial(figures.bias_against_density, np.array(_DENSITIES), b, error)
    return StepResult(checks, {"Bias against the density of galaxies": draw})


def _name(truth: dict[str, Any]) -> str:
    profile = truth["profile"]
    return str(profile if isinstance(profile, str) else profile["kind"])


def baryonified(truth: dict[str, Any], baryons: BaryonModel | None) -> TrueProfile:
    """Return the profile of (mass, redshift) of a truth, with baryons if there are any."""
    dark = true_profile(truth, SURVEY)

    def profile_of(mass: float, redshift: float) -> RadialMass:
        halo = single_profiles(dark(mass, redshift))[0]
        return halo if baryons is None else Baryonified(halo, baryons)

    return profile_of


def mock_bias(
    profile: RadialMass, density: float, n: int, name: str, settings: Settings
) -> tuple[float, float]:
    """Return b of `n` haloes of one mass and its error, from the product of their likelihoods.

    The mass is common to all, so that the sum of ln L is that of one halo with n times the
    data: without a prior, and without the bias of averaging best fits.
    """
    edges = np.array(SURVEY["binning"]["edges"])
    mock = MockGalaxies(
        density=density,
        sources=_Z_S,
        field_of_view=FieldOfView.circle(float(edges[-1]), unit="Mpc"),
        cosmology=profile.cosmology,
    )
    lens = ProfileField(profile)
    massmod = CLMassMod(SURVEY)
    profiles = []
    for i in range(n):
        catalogue = mock.generate(lens, seed=settings.seed, halo_id=f"{name} {i}")
        found = build_profile(catalogue, _REDSHIFT, profile.cosmology, bins=edges)
        profiles.append(found.to_gamma_theta())
    massmod.obs_gamma_theta = profiles
    grid = _MASS * np.linspace(0.4, 1.6, 601)
    likelihood = massmod.sample_likelihood()
    ln_l = likelihood.log_likelihood(grid[:, None], n_threads=settings.n_threads).sum(axis=0)
    density_of = np.exp(ln_l - ln_l.max())
    density_of /= np.trapezoid(density_of, grid)
    mean = np.trapezoid(grid * density_of, grid)
    variance = np.trapezoid((grid - mean) ** 2 * density_of, grid)
    return float(mean / _MASS), float(np.sqrt(variance) / _MASS)
