"""Maps to shear, against the profile that the map was made of."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from ..maps.baryonify import baryonify_map, pixel_means
from ..maps.containers import MassMap
from ..maps.field import MapField, ProfileField
from ..profiles.baryonified import Baryonified
from ..profiles.baryons import BaryonModel
from ..profiles.base import RadialMass
from ..profiles.halos import NFW
from . import figures
from .checks import Check, Settings, StepResult

Array = npt.NDArray[np.float64]

_PIXEL = 0.05
_N_ANGLES = 720


def map_to_shear(settings: Settings) -> StepResult:
    """Compare the tangential shear on circles of a map with that of its profile."""
    n = settings.size(160, 320)
    halo = NFW(8e14, 4.0, 0.3)
    radii = _PIXEL * np.array([6.5, 8.0, 11.0, 16.0, 24.0, 36.0, 52.0, 70.0])
    dark = _map_of(halo, n)
    full = Baryonified(halo, BaryonModel(baryon_fraction=0.16))
    errors = {}
    for name, sky, profile in (
        ("NFW", dark, halo),
        ("NFW with baryons", baryonify_map(dark, full), full),
    ):
        field = sky.field(background=0.0, n_threads=settings.n_threads)
        errors[name] = _circle_shear(field, radii) / _expected(profile, radii) - 1.0
    reason = "the cusp between pixels: 4e-4 beyond 6 pixels from the centre, and some room"
    checks = [
        Check(
            "map to shear",
            f"{name}: mean tangential shear on circles of 6.5 to 70 pixels, largest relative error",
            float(np.max(np.abs(found))),
            1e-3,
            reason,
        )
        for name, found in errors.items()
    ]
    draw = partial(figures.circle_errors, radii, errors, _PIXEL)
    return StepResult(checks, {"Map to shear": draw})


def _map_of(halo: RadialMass, n: int) -> MassMap:
    x = np.asarray(_PIXEL * (np.arange(n) - 0.5 * (n - 1)), dtype=np.float64)
    values = pixel_means(halo.enclosed_mass_2d, x, x, _PIXEL)
    return MassMap(values, _PIXEL, redshift=float(halo.redshift))


def _circle_shear(field: MapField, radii: Array) -> Array:
    phi = 2.0 * np.pi / _N_ANGLES * (np.arange(_N_ANGLES) + 0.5)
    x, y = np.outer(radii, np.cos(phi)), np.outer(radii, np.sin(phi))
    _, gamma1, gamma2 = field.convergence_shear(x, y)
    return np.asarray(-(gamma1 * np.cos(2.0 * phi) + gamma2 * np.sin(2.0 * phi)).mean(axis=1))


def _expected(profile: RadialMass, radii: Array) -> Array:
    _, gamma1, _ = ProfileField(profile).convergence_shear(radii, np.zeros(radii.size))
    return np.asarray(-gamma1)
