"""The likelihood of one cluster by single galaxies, about a centre that may be free."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .._core.profile import QUANTITIES
from ..cosmology import inverse_critical_surface_density, resolve_cosmology
from ..errors import ParameterError
from ..galaxies.shear_field import ShearField
from ..profiles.lensing import SourceArrays, resolve_sources
from ..sources import SourceDistribution
from .effects import signed_sources
from .halo_model import HaloModel
from .likelihood import HaloLikelihood
from .parameters import CENTRE, ParameterSet

Array = npt.NDArray[np.float64]

_ELLIPTICITY = QUANTITIES["tangential_ellipticity"]
# points evaluated together, few enough for their arrays to stay in the cache
_POINTS = 1 << 15
# expected ellipticity of a galaxy so near to the centre that it alone makes a maximum there
_STRONG = 0.5
# nearer than this to the centre a galaxy has no direction [Mpc]; see pair_sums.hpp
_NO_DIRECTION = 1e-12


class ShearFieldLikelihood(HaloLikelihood):
    """Gaussian log likelihood of the shapes of galaxies, for many parameter vectors in one call.

    Parameters
    ----------
    model : HaloModel
        Without effects: they are of profiles in bins.
    parameters : ParameterSet
        ``centre_x`` and ``centre_y`` [Mpc], offsets of the centre from the nominal one, may be
        among them; 0 if not.
    field : ShearField
        With a shape noise.
    r_min, r_max : float
        Galaxies from `r_min` to below `r_max` Mpc of the nominal centre are used, the same
        whatever the parameters.

    Notes
    -----
    ``ln L = -1/2 sum_i [|e_i - (1 + m) E_i|^2 / sigma_i^2 + 2 ln(2 pi sigma_i^2)]``, with
    ``E = -g exp(2 i phi)`` where ``|g| <= 1``, else its conjugate inverse (Seitz & Schneider
    1997, A&A 318, 687), g the reduced shear of the halo at the distance and direction phi from
    the centre that is tried, and the redshift of the galaxy or averaged over n(z). A galaxy at
    the very centre has no direction and E = 0.

    With a free centre, ln L has narrow maxima, some kpc wide, where the centre that is tried is
    so near to a galaxy that its shear is strong; `doubts` says where a best fit may be one. There
    are none if `r_min` is beyond the reach of the prior of the centre.
    """

    judges_fit = False

    def __init__(
        self,
        model: HaloModel,
        parameters: ParameterSet,
        field: ShearField,
        r_min: float,
        r_max: float,
    ) -> None:
        super().__init__(model, parameters, field.redshift)
        if model.effects or model.effects.bin_average:
            raise ParameterError(
                "effects",
                "miscentring, two-halo term, boost or average over bins",
                "none for single galaxies",
                "Leave out [miscentring], [two_halo], [boost] and fit.bin_average, or fit the "
                "profile of clmassmod.galaxies.build_profile; a free centre takes the place of "
                "miscentring.",
            )
        self.observables = (field,)
        self.galaxies = field.galaxies(r_min, r_max, model.cosmology)
        self._sources = _sources(field, self.galaxies.z, model)
        # (1, n) each
        self._precision = self.galaxies.sigma[None] ** -2
        e1, e2 = self.galaxies.e1[None], self.galaxies.e2[None]
        self._least = float(np.sum((e1**2 + e2**2) * self._precision))
        self._log_norm = float(np.sum(np.log(2.0 * math.pi * self.galaxies.sigma**2)))

    @property
    def n_data(self) -> int:
        """Number of data, two components for each galaxy."""
        return 2 * self.galaxies.sigma.size

    def __repr__(self) -> str:
        return (
            f"<ShearFieldLikelihood z = {self.redshift:g}, {self.galaxies.sigma.size} galaxies, "
            f"free {', '.join(self.parameters.names)}>"
        )

    def predict(self, values: Any, *, n_threads: int = 1) -> tuple[Array, Array]:
        """Return the expected e1 and e2, (B, n) each, for parameter vectors (B, P)."""
        table = np.atleast_2d(np.asarray(values, dtype=np.float64))
        cosine, sine, radius = self._directions(table)
        expected = self._expected(table, radius, n_threads)
        return -expected * cosine, -expected * sine

    def whitened_residual(self, values: Any) -> Array:
        """Return the residuals of one parameter vector in standard deviations, (n_data,)."""
        model1, model2 = self.predict(np.atleast_2d(values))
        galaxies = self.galaxies
        residual = np.concatenate([galaxies.e1 - model1[0], galaxies.e2 - model2[0]])
        return np.asarray(residual / np.tile(galaxies.sigma, 2))

    def chi2(self, values: Any) -> Array:
        """Return chi squared, (B,), for parameter vectors (B, P)."""
        return np.maximum(-2.0 * (self.log_likelihood(values) + self._log_norm), 0.0)

    def doubts(self, values: Array) -> list[str]:
        """Say whether the best fit (P,) is a narrow maximum that one galaxy makes."""
        if not any(name in CENTRE for name in self.parameters.names):
            return []
        table = np.atleast_2d(values)
        _, _, radius = self._directions(table)
        near = int(np.argmin(radius[0]))
        if abs(self._expected(table, radius, 1)[0, near]) < _STRONG:
            return []
        return [
            f"the centre is {1e3 * radius[0, near]:.0f} kpc from a galaxy, which alone may make "
            "this maximum and its errors: give an r_min beyond the reach of the prior"
        ]

    def _log_likelihood(self, values: Array, n_threads: int) -> Array:
        rows = max(1, _POINTS // self.galaxies.sigma.size)
        parts = [
            self._log_likelihood_of_few(values[i : i + rows], n_threads)
            for i in range(0, len(values), rows)
        ]
        return np.concatenate(parts)

    def _log_likelihood_of_few(self, values: Array, n_threads: int) -> Array:
        cosine, sine, radius = self._directions(values)
        tangential = -(self.galaxies.e1 * cosine + self.galaxies.e2 * sine)
        expected = self._expected(values, radius, n_threads)
        # |e - E|^2 = |e|^2 + E_t (E_t - 2 e_t)
        change = np.sum(expected * (expected - 2.0 * tangential) * self._precision, axis=1)
        return np.asarray(-0.5 * (self._least + change) - self._log_norm)

    def _directions(self, values: Array) -> tuple[Array, Array, Array]:
        """Return cos 2 phi, sin 2 phi and the distance [Mpc], (B or 1, n) each."""
        columns = self._columns(values)
        x, y = (
            axis[None] - columns[name][:, None] if name in columns else axis[None]
            for name, axis in zip(CENTRE, (self.galaxies.x, self.galaxies.y), strict=True)
        )
        square = x**2 + y**2
        near = square < _NO_DIRECTION**2
        inverse = 1.0 / np.where(near, np.inf, square)
        radius = np.sqrt(np.where(near, 1.0, square))
        return (x**2 - y**2) * inverse, 2.0 * x * y * inverse, np.ascontiguousarray(radius)

    def _expected(self, values: Array, radius: Array, n_threads: int) -> Array:
        """Return (1 + m) times the expected tangential ellipticity, (B, n)."""
        halo, sign, amplitude = self.halo(values)
        sources = self._sources if (sign == 1.0).all() else signed_sources(self._sources, sign)
        expected = halo._evaluate(_ELLIPTICITY, radius, sources, n_threads)
        return np.asarray(amplitude[:, None] * expected)


def _sources(field: ShearField, z: Array | None, model: HaloModel) -> SourceArrays:
    cosmology = resolve_cosmology(model.cosmology)
    if z is not None:
        inverse = inverse_critical_surface_density(field.redshift, z, cosmology)
        row = np.ascontiguousarray(np.asarray(inverse)[None])
        return SourceArrays(row, row)
    sources: Any = field.sources
    if sources is None:
        raise ParameterError(
            "sources",
            None,
            f"given for {field.id or 'the galaxies'}, which have no redshifts",
            "Give the catalogue a column z, or the configuration a section [sources].",
        )
    if model.source_averaging == "moments" and isinstance(sources, SourceDistribution):
        sources = sources.beta_moments(field.redshift, model.cosmology)
    arrays = resolve_sources(sources, field.redshift, (), (1,), cosmology)
    if not (arrays.shear > 0.0).any():
        raise ParameterError(
            "sources",
            field.sources,
            f"behind the lens at z = {field.redshift:g}: sources in front of it see no shear",
        )
    return arrays
