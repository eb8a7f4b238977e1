"""Mock galaxies to shear profiles, against the shear that they were given."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import stats

from ..cluster.simulation import area_nodes
from ..galaxies.field_of_view import FieldOfView
from ..galaxies.mock import MockGalaxies
from ..galaxies.profile import build_profile
from ..maps.field import ProfileField
from ..profiles.baryonified import Baryonified
from ..profiles.baryons import BaryonModel
from ..profiles.base import RadialMass
from ..profiles.halos import NFW
from . import figures
from .checks import Check, Settings, StepResult

Array = npt.NDArray[np.float64]

LEAST_P_VALUE = 1e-4
"""Of statistical checks: chance that a right code fails one of them."""
_EDGES = np.geomspace(0.3, 2.5, 9)
_REDSHIFT, _Z_S, _DENSITY = 0.3, 1.0, 30.0


def catalogue_to_profile(settings: Settings) -> StepResult:
    """Compare profiles of mock catalogues with the expected shear, within shape noise."""
    n = settings.size(40, 400)
    halo = NFW(8e14, 4.0, _REDSHIFT)
    cases = {
        "NFW": halo,
        "NFW with baryons": Baryonified(halo, BaryonModel(baryon_fraction=0.16)),
    }
    checks, pulls = [], {}
    for name, profile in cases.items():
        pulls[name] = _pulls(profile, n, name, settings)
        chi2 = float(np.sum(pulls[name] ** 2))
        p_value = float(stats.chi2.sf(chi2, pulls[name].size))
        reason = "of chi^2; a right code fails once in 1e4 times"
        what = f"{name}: g_t of {n} mock catalogues about the expected shear, p-value"
        checks.append(Check("catalogue to profile", what, p_value, LEAST_P_VALUE, reason, True))
        mean = float(pulls[name].mean() * np.sqrt(pulls[name].size))
        what = f"{name}: mean pull of all bins, in its standard errors"
        reason = "normal; beyond 3.9 once in 1e4 times"
        checks.append(Check("catalogue to profile", what, mean, 3.9, reason))
    draw = partial(figures.pull_histograms, pulls)
    return StepResult(checks, {"Catalogue to profile": draw})


def _pulls(profile: RadialMass, n: int, name: str, settings: Settings) -> Array:
    """Return (measured - expected) / error of every bin of `n` catalogues."""
    mock = MockGalaxies(
        density=_DENSITY,
        sources=_Z_S,
        field_of_view=FieldOfView.circle(float(_EDGES[-1]), unit="Mpc"),
    )
    lens = ProfileField(profile)
    nodes, weights = area_nodes(_EDGES)
    expected = np.sum(weights * profile.reduced_tangential_shear(nodes, _Z_S), axis=1)
    rows = []
    for i in range(n):
        catalogue = mock.generate(lens, seed=settings.seed, halo_id=f"{name} {i}")
        found = build_profile(catalogue, _REDSHIFT, bins=_EDGES, n_threads=settings.n_threads)
        rows.append((np.asarray(found.g_t) - expected) / np.asarray(found.g_err))
    return np.array(rows)
