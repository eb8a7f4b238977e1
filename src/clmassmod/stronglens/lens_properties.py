"""What a lens is at its images: one call, a table out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .lens import Array, AxisymmetricLens
from .lens_solver import ImageSolution, solve_images

if TYPE_CHECKING:
    from astropy.table import QTable

_UNITS = {"beta": "kpc", "x_a": "kpc", "x_b": "kpc", "theta_e": "kpc", "theta_e_arcsec": "arcsec"}


def image_properties(model: AxisymmetricLens, beta: Any, *, n_threads: int = 1) -> QTable:
    """Return convergence, shear, smooth fraction and magnification at the images of sources.

    Parameters
    ----------
    model : LensModel or ProfileLens
    beta : float or array, kpc in the lens plane, >= 0
        Source offset; broadcasts with the lenses to () or (n,).
    n_threads : int, >= 0

    Returns
    -------
    astropy.table.QTable
        One row a source, with columns ``beta``, ``x_a``, ``x_b``, ``theta_e`` [kpc],
        ``theta_e_arcsec``, and for each image ``kappa``, ``gamma`` (shear), ``s = 1 -
        kappa_*/kappa`` (the part of the matter that is smooth), ``mu`` (signed), followed by
        ``_a`` or ``_b``; ``status`` as `LensStatus`. NaN where there is no image.

    Raises
    ------
    ParameterError
        As `solve_images`.

    Examples
    --------
    >>> from clmassmod.stronglens import LensModel, image_properties
    >>> table = image_properties(LensModel(11.5, 13.0, 0.9), [0.5, 1.0])
    >>> [f"{kappa:.3f}" for kappa in table["kappa_b"]]
    ['0.562', '0.637']
    """
    from astropy import units
    from astropy.table import QTable

    images = solve_images(model, beta, n_threads=n_threads)
    columns: dict[str, Any] = {"beta": images.beta, "x_a": images.x_a, "x_b": images.x_b}
    for name in ("a", "b"):
        columns |= _at_image(model, images, name, n_threads)
    columns["theta_e"] = images.einstein_radius
    columns["theta_e_arcsec"] = images.einstein_radius / model.geometry.kpc_per_arcsec
    columns["status"] = images.status
    table = QTable({key: np.atleast_1d(value) for key, value in columns.items()})
    for key, unit in _UNITS.items():
        table[key] = table[key] * units.Unit(unit)
    return table


def _at_image(
    model: AxisymmetricLens, images: ImageSolution, name: str, n_threads: int
) -> dict[str, Array]:
    """Return kappa, gamma, s and mu at image `name`."""
    radius = np.abs(getattr(images, f"x_{name}"))
    there = np.isfinite(radius)
    # any radius stands in where there is no image
    values, _ = model._values(np.where(there, radius, 1.0), n_threads)
    kappa = np.where(there, values[1], np.nan)
    return {
        f"kappa_{name}": kappa,
        f"gamma_{name}": np.where(there, values[0] - values[1], np.nan),
        f"s_{name}": 1.0 - values[3] / kappa,
        f"mu_{name}": getattr(images, f"mu_{name}"),
    }
