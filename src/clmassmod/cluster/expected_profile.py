"""The shear profile that a survey would measure of a halo, without noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..configuration.info import ModelInfo
from ..cosmology import angular_diameter_distance
from ..errors import ConfigError, ParameterError
from ..observables import GammaTheta
from ..profiles.base import RadialMass
from ..units import as_float_array

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]


def expected_profile(
    halo: RadialMass, edges: Array, info: ModelInfo, cosmology: FLRW | None, halo_id: str = ""
) -> GammaTheta:
    """Return the reduced shear of one halo at the mean radii of bins, with its errors.

    Parameters
    ----------
    halo : profile
        One halo, or one row.
    edges : (n + 1,) array_like, Mpc
    info : ModelInfo
        Of which `sources` and `noise` are used.
    cosmology : astropy cosmology or None
    halo_id : str

    Raises
    ------
    ConfigError
        If `sources` states no source redshift, distribution or moments.
    """
    sources = survey_sources(info)
    redshift = float(np.ravel(halo.redshift)[0])
    radius = 2.0 / 3.0 * np.diff(edges**3) / np.diff(edges**2)
    errors, n_galaxies = shape_errors(edges, redshift, info["noise"], cosmology)
    return GammaTheta(
        radius,
        np.ravel(halo.reduced_tangential_shear(radius, sources)),
        errors,
        redshift=redshift,
        n_galaxies=n_galaxies,
        sources=sources,
        id=halo_id,
    )


def survey_sources(info: ModelInfo) -> Any:
    """Return the sources of a configuration, which must not be files."""
    sources = info.make_sources()
    if sources is None or isinstance(sources, str):
        raise ConfigError(
            f"{info.file or 'configuration'}: [sources] a simulation needs redshift, "
            "distribution or mean_beta_s"
        )
    return sources


def shape_errors(
    edges: Array, redshift: float, noise: Mapping[str, Any], cosmology: FLRW | None
) -> tuple[Array, Array]:
    """Return ``shape_noise / sqrt(n)`` of bins (n,), and n, their expected numbers of galaxies."""
    distance = float(angular_diameter_distance(redshift, cosmology))
    arcmin = np.rad2deg(edges / distance) * 60.0
    n_galaxies = noise["density"] * math.pi * np.diff(arcmin**2)
    return noise["shape_noise"] / np.sqrt(n_galaxies), n_galaxies


def mass_redshift_pairs(mass: Any, redshift: Any) -> tuple[Array, Array]:
    """Return masses [Msun] and redshifts of one shape, checked to be finite and > 0."""
    given = as_float_array(mass, "Msun", "mass"), as_float_array(redshift, "", "redshift")
    try:
        masses, redshifts = np.broadcast_arrays(*given)
    except ValueError:
        shapes = tuple(array.shape for array in given)
        raise ParameterError("mass, redshift", shapes, "shapes that broadcast") from None
    for name, array in (("mass", masses), ("redshift", redshifts)):
        bad = ~(np.isfinite(array) & (array > 0.0))
        if bad.any():
            raise ParameterError(name, float(array[bad].flat[0]), "finite and > 0")
    return masses, redshifts
