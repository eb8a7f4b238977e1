"""Maps of one object: projected mass, and convergence.

`MassMap` and `KappaMap` are immutable, like the profiles of `clmassmod.observables`. They are
square, of square pixels; ``values[row, column]`` has x along the columns and y along the rows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import scalar
from ..cosmology import (
    Array,
    inverse_critical_surface_density_at_infinity,
    mean_matter_density,
    resolve_cosmology,
)
from ..errors import ParameterError
from ..profiles.lensing import resolve_sources
from ..sources import BetaMoments, SourceDistribution, Sources, checked_sources
from .field import MapField
from .sky_map import SkyMap

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

BACKGROUNDS = ("mean", "matter")
"""Names of what `MassMap.convergence` can subtract."""


class MassMap(SkyMap):
    """Map of the projected mass of one object.

    Parameters
    ----------
    values : (n, n) array_like or Quantity
        Surface density [Msun / Mpc^2], physical.
    pixel_scale : float or Quantity, optional
        Side of a pixel [physical Mpc], > 0.
    pixel_angle : float or Quantity, optional
        The same as an angle [rad]. At least one of the two is needed.
    redshift : float
        Redshift of the object, > 0.
    centre : (x, y), optional
        Position of the object, in pixels from the centre of the first; by default the middle.
    mask : (n, n) array_like of bool, optional
        True for pixels that are not known; their values become NaN.
    errors : (n, n) array_like or Quantity, optional
        Standard deviation of each pixel, > 0.
    depth : float or Quantity, optional
        Length along the line of sight that was projected [physical Mpc], > 0. The structure
        within it is in the map: a covariance of large-scale structure must leave it out.
    sampling : {"pixel", "point"}
        Whether pixels are means over their area, the default, or values at their centres.
    id : str, optional
        Name of the object, of printable characters.
    file : path, optional
        Where it was read from; not part of ``==``.
    metadata : mapping, optional
        Anything JSON can hold.

    Raises
    ------
    ParameterError
        Naming field, index and value of what is wrong.
    """

    _unit = "Msun / Mpc2"
    _kind = "mass_map"
    _fields = (
        *("values", "pixel_scale", "pixel_angle", "redshift", "centre", "mask", "errors", "depth"),
        *("sampling", "id", "file", "metadata"),
    )

    def __init__(
        self,
        values: Any = None,
        pixel_scale: Any = None,
        *,
        pixel_angle: Any = None,
        redshift: Any = None,
        centre: Any = None,
        mask: Any = None,
        errors: Any = None,
        depth: Any = None,
        sampling: str = "pixel",
        id: str = "",
        file: str | os.PathLike[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._set_common(
            *(values, pixel_scale, pixel_angle, redshift, centre, mask, errors, depth),
            *(sampling, id, file, metadata),
        )

    def convergence(
        self,
        sources: float | SourceDistribution | BetaMoments,
        *,
        background: str | float = "mean",
        cosmology: FLRW | None = None,
    ) -> KappaMap:
        """Return the convergence, ``(Sigma - background) <Sigma_crit^-1>``.

        Parameters
        ----------
        sources : float, SourceDistribution or BetaMoments
            The sources, over which the inverse critical surface density is averaged.
        background : "mean", "matter" or float
            Surface density of the mean universe, against which convergence counts: the mean of
            the map, which takes the halo's own mean for background; the mean matter density
            times `depth`, right where that is known; or a number [Msun / Mpc^2], zero where the
            map holds the halo alone. What was subtracted is in the metadata.
        cosmology : astropy.cosmology.FLRW, optional
            None is FlatLambdaCDM(70, 0.3, Tcmb0=0).

        Raises
        ------
        ParameterError
            No source lies behind the lens; ``"matter"`` without `depth`; a background that was
            subtracted before.
        """
        cosmo = resolve_cosmology(cosmology)
        level = self._background(background, cosmo)
        inverse = mean_inverse(sources, self.redshift, cosmo)
        return KappaMap(
            (self.values - level) * inverse,
            self.pixel_scale,
            pixel_angle=self.pixel_angle,
            redshift=self.redshift,
            sources=sources,
            centre=self.centre,
            mask=self.mask,
            errors=None if self.errors is None else self.errors * inverse,
            depth=self.depth,
            sampling=self.sampling,
            id=self.id,
            file=self.file,
            metadata={**self.metadata, "background": {"kind": str(background), "value": level}},
        )

    def _background(self, background: str | float, cosmology: FLRW) -> float:
        known = self.metadata.get("background")
        if known is not None and background != 0.0:
            hint = f"What was subtracted: {known}."
            raise ParameterError("background", background, "0: it is subtracted already", hint)
        if not isinstance(background, str):
            return scalar("background", background, self._unit)
        if background == "mean":
            return float(np.nanmean(self.values))
        if background != "matter":
            raise ParameterError("background", background, f"a number or {BACKGROUNDS}")
        if self.depth is None:
            raise ParameterError("depth", None, "given, for background='matter'")
        return float(mean_matter_density(self.redshift, cosmology)) * self.depth

    def field(
        self,
        *,
        background: str | float = "mean",
        cosmology: FLRW | None = None,
        apodisation: float = 0.0,
        periodic: bool = False,
        n_threads: int = 1,
    ) -> MapField:
        """Return convergence and shear for sources at infinity, at any position in the map.

        Parameters
        ----------
        background
            As of `convergence`.
        cosmology, apodisation, periodic, n_threads
            As of `KappaMap.field`.
        """
        self.need_all_pixels()
        cosmo = resolve_cosmology(cosmology)
        inverse = float(inverse_critical_surface_density_at_infinity(self.redshift, cosmo))
        kappa = (self.values - self._background(background, cosmo)) * inverse
        return _map_field(self, kappa, cosmo, apodisation, periodic, n_threads)


class KappaMap(SkyMap):
    """Map of the convergence of one object, relative to the mean universe.

    Parameters
    ----------
    values : (n, n) array_like
        Convergence. Of several planes along the line of sight, it is treated as that of the
        plane of the object.
    sources : float, SourceDistribution or BetaMoments, optional
        The sources that the convergence is for; needed to turn it into that of others.
    pixel_scale, pixel_angle, redshift, centre, mask, errors, depth, sampling, id, file, metadata
        As of `MassMap`; errors without unit.

    Raises
    ------
    ParameterError
        Naming field, index and value of what is wrong.
    """

    _unit = ""
    _kind = "kappa_map"
    _fields = (
        *("values", "pixel_scale", "pixel_angle", "redshift", "sources", "centre", "mask"),
        *("errors", "depth", "sampling", "id", "file", "metadata"),
    )

    sources: Sources | None

    def __init__(
        self,
        values: Any = None,
        pixel_scale: Any = None,
        *,
        pixel_angle: Any = None,
        redshift: Any = None,
        sources: float | SourceDistribution | BetaMoments | None = None,
        centre: Any = None,
        mask: Any = None,
        errors: Any = None,
        depth: Any = None,
        sampling: str = "pixel",
        id: str = "",
        file: str | os.PathLike[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._set_common(
            *(values, pixel_scale, pixel_angle, redshift, centre, mask, errors, depth),
            *(sampling, id, file, metadata),
        )
        self._set(sources=None if sources is None else checked_sources(sources))

    def surface_density(self, cosmology: FLRW | None = None) -> MassMap:
        """Return the mass map ``kappa / <Sigma_crit^-1>``, relative to the mean universe.

        Raises
        ------
        ParameterError
            The map does not name its sources, or none lies behind the lens.
        """
        inverse = self._mean_inverse(resolve_cosmology(cosmology))
        return MassMap(
            self.values / inverse,
            self.pixel_scale,
            pixel_angle=self.pixel_angle,
            redshift=self.redshift,
            centre=self.centre,
            mask=self.mask,
            errors=None if self.errors is None else self.errors / inverse,
            depth=self.depth,
            sampling=self.sampling,
            id=self.id,
            file=self.file,
            metadata={"background": "that of a convergence map", **self.metadata},
        )

    def field(
        self,
        *,
        subtract_mean: bool = False,
        cosmology: FLRW | None = None,
        apodisation: float = 0.0,
        periodic: bool = False,
        n_threads: int = 1,
    ) -> MapField:
        """Return convergence and shear for sources at infinity, at any position in the map.

        Parameters
        ----------
        subtract_mean : bool, default False
            Whether to subtract the mean of the map first, for maps that are not relative to
            the mean universe.
        cosmology : astropy.cosmology.FLRW, optional
            None is FlatLambdaCDM(70, 0.3, Tcmb0=0).
        apodisation, periodic, n_threads
            As of `shear_of_convergence`.

        Raises
        ------
        ParameterError
            A masked pixel (see `filled`), or no sources behind the lens.
        """
        self.need_all_pixels()
        cosmo = resolve_cosmology(cosmology)
        at_infinity = float(inverse_critical_surface_density_at_infinity(self.redshift, cosmo))
        kappa = self.values - self.values.mean() if subtract_mean else self.values
        kappa = kappa * (at_infinity / self._mean_inverse(cosmo))
        return _map_field(self, kappa, cosmo, apodisation, periodic, n_threads)

    def _mean_inverse(self, cosmology: FLRW) -> float:
        if self.sources is None:
            hint = "Give them: .replace(sources=1.0), say."
            raise ParameterError("sources", None, "the sources that the convergence is for", hint)
        return mean_inverse(self.sources, self.redshift, cosmology)


def mean_inverse(
    sources: float | SourceDistribution | BetaMoments, redshift: float, cosmology: FLRW
) -> float:
    """Return <Sigma_crit^-1> of the sources of a lens [Mpc^2 / Msun], > 0."""
    arrays = resolve_sources(checked_sources(sources), redshift, (), (), cosmology)
    mean = float(arrays.convergence.flat[0])
    if mean <= 0.0:
        raise ParameterError("sources", sources, f"behind the lens at z = {redshift:.6g}")
    return mean


def _map_field(
    sky: SkyMap,
    kappa: Array,
    cosmology: FLRW,
    apodisation: float,
    periodic: bool,
    n_threads: int,
) -> MapField:
    return MapField(
        kappa,
        sky.pixel_size(cosmology),
        sky.redshift,
        centre=sky.centre,
        sampling=sky.sampling,
        periodic=periodic,
        apodisation=apodisation,
        n_threads=n_threads,
    )
