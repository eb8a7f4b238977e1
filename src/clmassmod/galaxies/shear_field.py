"""`ShearField`: the galaxies behind one lens, as a fit of single shapes takes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._checks import lens_redshift, metadata_text, printable, scalar
from .._immutable import ImmutableObservable
from ..errors import ParameterError
from ..sources import BetaMoments, SourceDistribution, Sources
from .catalogue import GalaxyCatalogue
from .pair_sums import GalaxyPairs, checked_centres
from .pair_values import pair_values
from .profile import catalogue_centre

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]


class FieldGalaxies(NamedTuple):
    """Galaxies of a field in the plane about its nominal centre, (n,) each."""

    x: Array
    """Offset from the nominal centre [Mpc]."""
    y: Array
    e1: Array
    """Ellipticity in the axes of x and y."""
    e2: Array
    sigma: Array
    """sd of a component; of galaxies with weights the one that gives them these weights."""
    z: Array | None
    """Source redshift."""


class ShearField(ImmutableObservable):
    """A catalogue of galaxies and the redshift of the lens before them.

    Parameters
    ----------
    catalogue : GalaxyCatalogue
    redshift : float
        Of the lens, > 0.
    centre : (2,) array_like, optional
        Nominal centre: right ascension and declination [deg], needed on the sky, or x and y
        [Mpc], (0, 0) by default. Parameters ``centre_x`` and ``centre_y`` are offsets from it.
    sources : float, SourceDistribution or BetaMoments, optional
        Redshifts of all galaxies of a catalogue without the column z.
    shape_noise : float, optional
        Intrinsic sd of a component of the ellipticity, >= 0, added to ``e_err`` in quadrature;
        None, the default, is that of the configuration.
    id : str, optional
        Name of the lens; that of the catalogue by default.
    metadata : mapping, optional
        Anything JSON can hold.

    Raises
    ------
    ParameterError
        Naming what is missing or out of range.

    Examples
    --------
    >>> galaxies = GalaxyCatalogue(x=[0.5, 1.5], y=[0, 0], e1=[-0.2, -0.1], e2=[0, 0], z=[1, 1])
    >>> ShearField(galaxies, 0.3, id="a")
    <ShearField 'a': 2 galaxies, z = 0.3>
    """

    _fields = ("catalogue", "redshift", "centre", "sources", "shape_noise", "id", "metadata")
    catalogue: GalaxyCatalogue
    redshift: float
    centre: tuple[float, float]
    sources: Sources | None
    shape_noise: float | None
    id: str

    def __init__(
        self,
        catalogue: GalaxyCatalogue,
        redshift: float,
        centre: Any = None,
        *,
        sources: float | SourceDistribution | BetaMoments | None = None,
        shape_noise: float | None = None,
        id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(catalogue, GalaxyCatalogue):
            raise ParameterError("catalogue", type(catalogue).__name__, "a GalaxyCatalogue")
        place = catalogue_centre(catalogue, centre)
        checked_centres(place[None], catalogue.on_sky)
        noise = None if shape_noise is None else scalar("shape_noise", shape_noise, "")
        # an unknown shape noise is that of the configuration, which is > 0
        pairs = GalaxyPairs(catalogue, shape_noise=1.0 if noise is None else noise, sources=sources)
        self._set(
            catalogue=catalogue,
            redshift=lens_redshift(redshift),
            centre=(float(place[0]), float(place[1])),
            sources=pairs.sources,
            shape_noise=noise,
            id=catalogue.id if id is None else printable("id", id),
            _metadata=metadata_text(metadata),
        )

    def complete(self, shape_noise: float, sources: Any) -> ShearField:
        """Return the field with what it leaves open filled in: shape noise, and sources."""
        open_sources = self.sources is None and "z" not in self.catalogue
        return self.replace(
            shape_noise=shape_noise if self.shape_noise is None else self.shape_noise,
            sources=sources if open_sources else self.sources,
        )

    def galaxies(self, r_min: float, r_max: float, cosmology: FLRW | None = None) -> FieldGalaxies:
        """Return the galaxies behind the lens within [r_min, r_max) Mpc of the nominal centre.

        Right ascension and declination are distances along great circles and directions seen
        from the nominal centre (the zenithal equidistant projection), and shapes are turned so
        that tangential components about that centre stay what they are; an offset of 1 Mpc is
        then exact to the square of the angle it is seen at, below 1e-5 beyond z = 0.1.

        The likelihood of a galaxy of weight w has the variance ``sigma^2 / (w k)``, with
        ``k = sum(w / sigma^2) / sum(w^2 / sigma^2)``: the error of an amplitude is that of the
        weighted mean, ``sqrt(sum(w^2 sigma^-2)) / sum(w sigma^-2)``, whatever the unit of w.

        Raises
        ------
        ParameterError
            If there is none, or no shape noise.
        """
        if self.shape_noise is None:
            raise ParameterError("shape_noise", None, "given: the sd of a component")
        pairs = GalaxyPairs(
            self.catalogue, cosmology, shape_noise=self.shape_noise, sources=self.sources
        )
        behind = 0.0 if "z" in self.catalogue else None
        values = pair_values(pairs, self.centre, self.redshift, weights="shape", behind=behind)
        keep = (values.radius >= r_min) & (values.radius < r_max) & (values.weight > 0.0)
        if not keep.any():
            raise ParameterError(
                "catalogue",
                f"no galaxy of {len(self.catalogue)}",
                f"with galaxies behind z = {self.redshift:g} within {r_min:g} to {r_max:g} Mpc",
                "Check the centre, its unit, and the redshifts.",
            )
        angle = values.angle if not self.catalogue.on_sky else self._bearing()
        spin = np.exp(1j * angle)
        shape = -(values.e_t + 1j * values.e_x) * spin**2
        place = values.radius * spin
        # w / sigma^2 of `pair_values`, and w^2 / sigma^2
        weight = values.weight[keep]
        square = weight**2 * pairs.variance[keep]
        precision = weight * (weight.sum() / square.sum())
        return FieldGalaxies(
            place.real[keep],
            place.imag[keep],
            shape.real[keep],
            shape.imag[keep],
            1.0 / np.sqrt(precision),
            self.catalogue["z"][keep] if "z" in self.catalogue else None,
        )

    def _bearing(self) -> Array:
        """Return the directions of galaxies seen from the centre, in the axes of the shapes."""
        place = np.deg2rad(self.centre)
        ra, dec = np.deg2rad(self.catalogue["ra"]), np.deg2rad(self.catalogue["dec"])
        turn = np.mod(ra - place[0] + math.pi, 2.0 * math.pi) - math.pi
        east = np.cos(dec) * np.sin(turn)
        north = np.sin(dec) * math.cos(place[1]) - np.cos(dec) * math.sin(place[1]) * np.cos(turn)
        west_is_x = self.catalogue.coordinate_system == "euclidean"
        return np.asarray(np.arctan2(north, -east if west_is_x else east))

    def __repr__(self) -> str:
        name = f" {self.id!r}" if self.id else ""
        return f"<ShearField{name}: {len(self.catalogue)} galaxies, z = {self.redshift:g}>"
