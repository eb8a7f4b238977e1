"""`MockGalaxies`: catalogues of lensed galaxies behind a profile or a map."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from .._checks import checked_threads, lens_redshift
from ..cosmology import (
    angular_diameter_distance,
    inverse_critical_surface_density,
    inverse_critical_surface_density_at_infinity,
    resolve_cosmology,
)
from ..distributions import Distribution
from ..errors import ParameterError
from ..rng import checked_seed, keyed_uniforms
from ..sources import BetaMoments, SourceDistribution, checked_sources
from .catalogue import GalaxyCatalogue
from .contamination import CentreOffset, MemberContamination, PhotoZ
from .ellipticity import Complex, IntrinsicShapes, lensed_ellipticity, magnification
from .field_of_view import FieldOfView
from .mock_draws import Galaxies, Setting, draws, halo_number, poisson_quantile
from .sky_places import on_sky

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

_ARCMIN = math.pi / 180.0 / 60.0
_LARGEST_NUMBER = 1e8
"""Largest expected number of galaxies of one catalogue: beyond, memory is at stake."""


class Lens(Protocol):
    """What `MockGalaxies` needs of a lens, a `clmassmod.maps.LensingField`."""

    @property
    def redshift(self) -> float:
        """Redshift of the lens."""

    def convergence_shear(self, x: Any, y: Any) -> tuple[Array, Array, Array]:
        """Return kappa, gamma1, gamma2 for sources at infinity, at offsets [physical Mpc]."""


@dataclass(frozen=True)
class MockGalaxies:
    """Generator of mock catalogues of galaxies behind clusters.

    Parameters
    ----------
    density : float
        Number of source galaxies per square arcmin, without lens and mask, > 0.
    sources : float or SourceDistribution
        Redshifts of the source galaxies: those of the nodes of a distribution, drawn with their
        weights.
    field_of_view : FieldOfView
        In angles or in Mpc at the lens, around the centre of the catalogue.
    shape_noise : float
        Sd of a component of the intrinsic ellipticity, within [0, 0.45].
    measurement_noise : float or Distribution
        Sd of the normal error of a component, >= 0; the column e_err. A distribution is drawn
        from for every galaxy.
    multiplicative_bias, additive_bias : float or (float, float)
        m and c of both or of each component, ``e -> (1 + m) e + c``, before the measurement
        noise; m > -1. c is in the axes of the catalogue.
    photo_z : PhotoZ, optional
        Scatter of the redshifts in the column z; by default they are true.
    members : MemberContamination, optional
        Members of the cluster among the galaxies.
    count_slope : float, optional
        s = d log10 N / d magnitude of the sources at the limit of the survey: their counts
        change by ``mu^(2.5 s - 1)``. By default they do not, as for s = 0.4.
    largest_factor : float, >= 1
        The factor of counts is at most this: where mu diverges, counts do not follow a power law.
    centre_offset : CentreOffset or array_like, optional
        Where the centre of the catalogue lies, as seen from the halo.
    cosmology : astropy.cosmology.FLRW, optional
        None is FlatLambdaCDM(70, 0.3, Tcmb0=0); it has to be that of the lens.

    Raises
    ------
    ParameterError
        If an argument is of another kind or out of range.

    Notes
    -----
    Positions are a Poisson process. Lensing is the full composition of ellipticities (see
    `lensed_ellipticity`) with convergence and shear at the place and true redshift of every
    galaxy; those in front of the lens have none. The number of a halo's galaxies and all that is
    random of each are keyed by (seed, halo, galaxy): a catalogue is the same for any threads, and
    whatever else is made; a mask takes galaxies away and leaves the others as they were.

    Shape noise is all the noise of a mock of a profile. That of a map also holds the structure
    within the box it was projected along, which is then not to be added to the covariance again.

    Examples
    --------
    >>> import clmassmod as clm
    >>> from clmassmod.galaxies import FieldOfView, MockGalaxies
    >>> from clmassmod.maps import ProfileField
    >>> lens = ProfileField(clm.NFW(5e14, 4.0, redshift=0.3))
    >>> mock = MockGalaxies(10.0, 1.0, FieldOfView.circle(5.0))
    >>> catalogue = mock.generate(lens, seed=1)
    >>> bool(abs(len(catalogue) - 785) < 100), catalogue.names[:5]
    (True, ('x', 'y', 'e1', 'e2', 'z'))
    """

    density: float
    sources: Any
    field_of_view: FieldOfView
    shape_noise: float = 0.25
    measurement_noise: Any = 0.0
    multiplicative_bias: Any = 0.0
    additive_bias: Any = 0.0
    photo_z: PhotoZ | None = None
    members: MemberContamination | None = None
    count_slope: float | None = None
    largest_factor: float = 5.0
    centre_offset: Any = None
    cosmology: FLRW | None = None
    _shapes: IntrinsicShapes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check(self.density, "density", math.isfinite(self.density) and self.density > 0.0, "> 0")
        for name, kind in (
            ("field_of_view", FieldOfView),
            ("photo_z", PhotoZ | None),
            ("members", MemberContamination | None),
        ):
            value = getattr(self, name)
            _check(value, name, isinstance(value, kind), f"of the kind {kind}")
        slope = self.count_slope
        _check(slope, "count_slope", slope is None or math.isfinite(slope), "finite, or None")
        largest = self.largest_factor
        _check(largest, "largest_factor", 1.0 <= largest <= 1e3, "within [1, 1000]")
        sources = self.sources
        _check(sources, "sources", not isinstance(sources, BetaMoments), "redshifts to draw from")
        sources = checked_sources(sources)
        if isinstance(sources, float):
            sources = SourceDistribution([sources], [1.0])
        offset = self.centre_offset
        if offset is not None and not isinstance(offset, CentreOffset):
            offset = CentreOffset(offset)
        noise = self.measurement_noise
        if not isinstance(noise, Distribution):
            noise = float(noise)
        low = noise.low if isinstance(noise, Distribution) else noise
        _check(noise, "measurement_noise", math.isfinite(low) and low >= 0.0, ">= 0 throughout")
        bias = _pair("multiplicative_bias", self.multiplicative_bias)
        _check(bias, "multiplicative_bias", min(bias) > -1.0, "> -1")
        for name, value in (
            ("sources", sources),
            ("centre_offset", offset),
            ("measurement_noise", noise),
            ("multiplicative_bias", bias),
            ("additive_bias", _pair("additive_bias", self.additive_bias)),
            ("cosmology", resolve_cosmology(self.cosmology)),
            ("_shapes", IntrinsicShapes(self.shape_noise)),
        ):
            object.__setattr__(self, name, value)

    def generate(
        self,
        lens: Lens,
        *,
        seed: int = 0,
        halo_id: int | str = 0,
        centre: tuple[float, float] | None = None,
        coordinate_system: str = "euclidean",
        n_threads: int = 1,
    ) -> GalaxyCatalogue:
        """Return the galaxies behind a lens, with what is true of them.

        Parameters
        ----------
        lens : LensingField
            `ProfileField`, `MapField`, `RescaledField`, or anything with `redshift` and
            ``convergence_shear(x, y)``. It has to be defined in all of the field of view.
        seed : int
            0 <= seed < 2^64.
        halo_id : int or str
            What the random numbers are keyed by beside the seed, and the id of the catalogue.
        centre : (float, float), optional
            Right ascension and declination [deg] of the centre of the catalogue, which then has
            ra and dec; without, it has x and y [Mpc].
        coordinate_system : {"euclidean", "celestial"}
            Axes on the sky, see `GalaxyCatalogue`.
        n_threads : int
            Threads of the random numbers, 0 for all; the catalogue does not depend on it.

        Returns
        -------
        GalaxyCatalogue
            Columns x and y, or ra and dec; e1, e2, z; e_err where there is measurement noise; the
            truth: z_true, kappa, gamma1, gamma2, member. The offset of the centre is in the
            metadata.
        """
        checked_threads(n_threads)
        setting = self._setting(lens, seed, halo_id, n_threads)
        offset = np.zeros(2)
        if self.centre_offset is not None:
            offset = self.centre_offset.draw(setting.seed, setting.halo)
        samples = [self._sources_behind(lens, setting, offset)]
        if self.members is not None:
            samples.append(self._members(setting, offset))
        places = None
        if centre is not None:
            places = [
                on_sky(one.x, one.y, setting.distance, centre, coordinate_system) for one in samples
            ]
            samples = [
                one._replace(gamma=one.gamma * at.turn)
                for one, at in zip(samples, places, strict=True)
            ]
        measured = [self._measured(one, setting) for one in samples]
        if places is None:
            position = {"x": [one.x for one in samples], "y": [one.y for one in samples]}
        else:
            position = {"ra": [at.ra for at in places], "dec": [at.dec for at in places]}
        columns = {name: np.concatenate([one[name] for one in measured]) for name in measured[0]}
        return GalaxyCatalogue(
            coordinate_system=coordinate_system,
            id=str(halo_id),
            metadata={
                "seed": setting.seed,
                "redshift": setting.redshift,
                "offset": offset.tolist(),
                "centre": None if centre is None else [float(v) for v in centre],
                "density": self.density,
            },
            **{name: np.concatenate(parts) for name, parts in position.items()},
            **columns,
        )

    # -- draws -----------------------------------------------------------------------------------

    def _setting(self, lens: Lens, seed: int, halo_id: int | str, n_threads: int) -> Setting:
        redshift = lens_redshift(lens.redshift)
        distance = float(angular_diameter_distance(redshift, self.cosmology))
        arcmin = distance * _ARCMIN
        unit = arcmin if self.field_of_view.unit == "arcmin" else 1.0
        density = self.density / arcmin**2
        return Setting(
            checked_seed(seed), halo_number(halo_id), redshift, distance, unit, density, n_threads
        )

    def _number(self, setting: Setting, mean: float, which: int) -> npt.NDArray[np.int64]:
        """Return 0, 1, ... for a Poisson number of galaxies."""
        if mean > _LARGEST_NUMBER:
            raise ParameterError("density", self.density, f"below {_LARGEST_NUMBER:g} galaxies")
        chance = keyed_uniforms(setting.seed, "number of galaxies", [setting.halo], 2)[0, which]
        return np.arange(poisson_quantile(float(chance), mean))

    def _sources_behind(self, lens: Lens, setting: Setting, offset: Array) -> Galaxies:
        view, counts = self.field_of_view, self.count_slope is not None
        mean = setting.density * view.area * setting.unit**2
        part = self._number(setting, mean * (self.largest_factor if counts else 1.0), 0)
        chance = draws(setting, "places of galaxies", part, 4)
        x, y = view.place(chance[:, 0], chance[:, 1])
        kept = view.kept(x, y, chance[:, 2])
        part, x, y = part[kept], setting.unit * x[kept], setting.unit * y[kept]
        node = self._nodes(chance[kept, 3])
        kappa, gamma1, gamma2 = lens.convergence_shear(x + offset[0], y + offset[1])
        beta_s = self._beta_s(setting.redshift)[node]
        gamma: Complex = np.asarray(beta_s * (gamma1 + 1j * gamma2))
        z = self.sources.redshift[node]
        sample = Galaxies(part, x, y, z, z, beta_s * kappa, gamma, False)
        return self._magnified(sample, setting) if counts else sample

    def _magnified(self, sample: Galaxies, setting: Setting) -> Galaxies:
        """Return the galaxies that are left of `largest_factor` times as many."""
        assert self.count_slope is not None
        mu = magnification(sample.kappa, sample.gamma)
        with np.errstate(divide="ignore"):
            factor = np.minimum(mu ** (2.5 * self.count_slope - 1.0), self.largest_factor)
        chance = draws(setting, "magnified counts", sample.part, 1)[:, 0]
        return sample.select(chance * self.largest_factor < factor)

    def _members(self, setting: Setting, offset: Array) -> Galaxies:
        """Return members of the cluster around its true centre, which is at -offset."""
        assert self.members is not None
        view = self.field_of_view
        outermost = view.reach * setting.unit + math.hypot(*offset)
        mean = setting.density * float(self.members.enclosed(outermost))
        part = self._number(setting, mean, 1)
        chance = draws(setting, "places of members", part, 4)
        radius = self.members.radius_of(chance[:, 0], outermost)
        angle = 2.0 * math.pi * chance[:, 1]
        x, y = radius * np.cos(angle) - offset[0], radius * np.sin(angle) - offset[1]
        kept = view.kept(x / setting.unit, y / setting.unit, chance[:, 2])
        part, x, y = part[kept], x[kept], y[kept]
        apparent = self.sources.redshift[self._nodes(chance[kept, 3])]
        zero = np.zeros(x.size)
        none = np.zeros(x.size, dtype=np.complex128)
        true = np.full(x.size, setting.redshift)
        return Galaxies(part, x, y, true, apparent, zero, none, True)

    def _nodes(self, chance: Array) -> npt.NDArray[np.int64]:
        """Return a node of the redshift distribution for each random number."""
        cumulative = np.cumsum(self.sources.weight)
        node = np.searchsorted(cumulative / cumulative[-1], chance, side="right")
        return np.asarray(node, dtype=np.int64)

    def _beta_s(self, redshift: float) -> Array:
        """Return beta_s of the nodes of the redshift distribution."""
        inverse = inverse_critical_surface_density(redshift, self.sources.redshift, self.cosmology)
        far = inverse_critical_surface_density_at_infinity(redshift, self.cosmology)
        return np.asarray(inverse / far)

    # -- measurement -----------------------------------------------------------------------------

    def _measured(self, sample: Galaxies, setting: Setting) -> dict[str, Array]:
        """Return the columns of a catalogue other than positions."""
        kind = "members" if sample.member else "galaxies"
        shapes = draws(setting, f"shapes of {kind}", sample.part, 4)
        intrinsic = self._shapes.draw(shapes[:, 0], shapes[:, 1])
        e = lensed_ellipticity(intrinsic, sample.kappa, sample.gamma)
        m, c = self.multiplicative_bias, self.additive_bias
        e1, e2 = (1.0 + m[0]) * e.real + c[0], (1.0 + m[1]) * e.imag + c[1]
        columns = {"e1": e1, "e2": e2, "z": sample.apparent}
        known = draws(setting, f"measurement of {kind}", sample.part, 4)
        error = self._errors(known[:, 0])
        if error is not None:
            from scipy import special

            columns["e1"] = e1 + error * special.ndtri(shapes[:, 2])
            columns["e2"] = e2 + error * special.ndtri(shapes[:, 3])
            columns["e_err"] = error
        if self.photo_z is not None:
            columns["z"] = self.photo_z.draw(sample.apparent, known[:, 1:])
        return columns | {
            "z_true": sample.z_true,
            "kappa": sample.kappa,
            "gamma1": sample.gamma.real,
            "gamma2": sample.gamma.imag,
            "member": np.full(sample.part.size, float(sample.member)),
        }

    def _errors(self, chance: Array) -> Array | None:
        """Return the sd of the measurement of each galaxy; None if there is no noise."""
        if isinstance(self.measurement_noise, Distribution):
            return self.measurement_noise.quantile(chance)
        if self.measurement_noise == 0.0:
            return None
        return np.full_like(chance, self.measurement_noise)


def _pair(name: str, value: Any) -> tuple[float, float]:
    both = np.asarray(value, dtype=np.float64)
    if both.shape not in ((), (2,)) or not np.all(np.isfinite(both)):
        raise ParameterError(name, value, "one or two finite numbers")
    first, second = np.broadcast_to(both, (2,)).tolist()
    return first, second


def _check(value: Any, name: str, good: bool, allowed: str) -> None:
    if not good:
        raise ParameterError(name, value, allowed)
