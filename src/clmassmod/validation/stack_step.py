"""Stacks of mock galaxies, against what was put in."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from ..cluster.analytic_bias import analytic_bias
from ..cluster.massmod import CLMassMod
from ..cluster.simulation import random_generator
from ..cosmology import critical_surface_density
from ..galaxies.field_of_view import FieldOfView
from ..galaxies.mock import MockGalaxies
from ..maps.field import ProfileField
from ..profiles.baryons import BaryonModel
from ..profiles.base import RadialMass
from ..profiles.halos import NFW
from ..stacks.galaxy_sums import sum_galaxies
from ..stacks.scaling import Scaling
from ..stacks.stack import Stack
from ..stacks.sums import StackSums
from . import figures
from .bias_step import SURVEY, baryonified
from .catalogue_step import LEAST_P_VALUE
from .checks import Check, Settings, StepResult

Array = npt.NDArray[np.float64]

_MASS, _REDSHIFT, _Z_S, _DENSITY = 8e14, 0.3, 1.0, 30.0
_X_EDGES = np.geomspace(1.2, 6.0, 17)


def stacks(settings: Settings) -> StepResult:
    """Check masses of stacks, that parts of a stack add up, and the scaled stack."""
    n = settings.size(40, 400)
    checks: list[Check] = []
    drawn: dict[str, tuple[Stack, Array]] = {}
    cases: dict[str, BaryonModel | None] = {"NFW": None, "NFW with baryons": BaryonModel()}
    for name, baryons in cases.items():
        profile_of = baryonified({"profile": "NFW"}, baryons)
        profile = profile_of(_MASS, _REDSHIFT)
        parts = _sums(profile, n, name, settings)
        stack = StackSums.merged(parts).stack(id=name)
        # what is measured is of the reduced shear
        shear = profile.reduced_tangential_shear(stack.radius, _Z_S)
        critical = critical_surface_density(_REDSHIFT, _Z_S, profile.cosmology)
        drawn[name] = stack, np.asarray(shear * critical)
        bias = float(analytic_bias(_MASS, _REDSHIFT, profile_of, SURVEY).bias)
        pull = _pull(stack, bias * _MASS)
        what = f"{name}: mass fitted to the stack of {n} against that without noise, pull"
        checks.append(Check("stacks", what, pull, 3.9, "normal; beyond 3.9 once in 1e4 times"))
    checks += [_added(parts), _scaled(n, settings)]
    return StepResult(checks, {"Stacks": partial(figures.stacked, drawn)})


def _mock(cosmology: Any) -> MockGalaxies:
    outer = float(SURVEY["binning"]["edges"][-1])
    field = FieldOfView.circle(outer, unit="Mpc")
    return MockGalaxies(_DENSITY, _Z_S, field, cosmology=cosmology)


def _sums(profile: RadialMass, n: int, name: str, settings: Settings) -> list[StackSums]:
    """Return the sums of `n` catalogues behind one profile."""
    mock, lens = _mock(profile.cosmology), ProfileField(profile)
    parts = []
    for i in range(n):
        halo_id = f"stack of {name} {i}"
        catalogue = mock.generate(lens, seed=settings.seed, halo_id=halo_id)
        parts.append(
            sum_galaxies(
                catalogue,
                [[0.0, 0.0]],
                _REDSHIFT,
                SURVEY["binning"]["edges"],
                ids=[halo_id],
                cosmology=profile.cosmology,
                n_threads=settings.n_threads,
            )
        )
    return parts


def _pull(stack: Stack, mass: float) -> float:
    massmod = CLMassMod(SURVEY)
    massmod.obs_delta_sigma = stack.to_delta_sigma()
    fit = massmod.fit_mass_profiles("curvefit")[0][0]
    return (fit.mass - mass) / max(fit.errors["mass"])


def _added(parts: list[StackSums]) -> Check:
    """Compare the stack of all clusters with that of two halves, added."""

    half = len(parts) // 2
    both = (StackSums.merged(parts[half:]) + StackSums.merged(parts[:half])).stack()
    whole = StackSums.merged(parts).stack()
    changed = sum(
        not np.array_equal(getattr(both, name), getattr(whole, name), equal_nan=True)
        for name in ("radius", "values", "cross", "covariance", "weight", "n_pairs")
    )
    what = "columns that differ between a stack and its two halves, added"
    return Check("stacks", what, float(changed), 0.0, "the same numbers: sums are rounded once")


def _scaled(n: int, settings: Settings) -> Check:
    """Compare clusters of all masses, scaled by their true profiles, with the NFW form."""
    info = SURVEY
    model = CLMassMod(info).model
    masses, concentrations, parts = {}, {}, []
    catalogues = []
    mock = _mock(model.cosmology)
    for i in range(n):
        name = f"scaled {i}"
        draw = random_generator(settings.seed, name, "validation").uniform()
        mass = 2e14 * 8.0**draw
        c = float(model.concentration_of(_REDSHIFT)(mass))
        masses[name], concentrations[name] = mass, c
        halo = NFW(mass, c, _REDSHIFT, cosmology=model.cosmology)
        catalogues.append(mock.generate(ProfileField(halo), seed=settings.seed, halo_id=name))
    scaling = Scaling(masses, concentrations, "truth", cosmology=model.cosmology)
    for name, catalogue in zip(masses, catalogues, strict=True):
        parts.append(
            sum_galaxies(
                catalogue,
                [[0.0, 0.0]],
                _REDSHIFT,
                _X_EDGES,
                ids=[name],
                scaling=scaling,
                cosmology=model.cosmology,
                n_threads=settings.n_threads,
            )
        )
    stack = StackSums.merged(parts).stack()
    p_value = float(stats.chi2.sf(stack.chi2, stack.dof))
    what = f"F(x) of {n} clusters scaled by their true profiles against that of NFW, p-value"
    reason = "of chi^2; a right code fails once in 1e4 times"
    return Check("stacks", what, p_value, LEAST_P_VALUE, reason, True)
