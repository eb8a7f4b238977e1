"""Population of background sources: magnitudes, redshifts, sizes and their number on the sky."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..cosmology import angular_diameter_distance
from ..distributions import Distribution, distribution_from_dict
from ..errors import ParameterError, nearest
from ..rng import keyed_uniforms
from ..sources import SourceDistribution, sources_from_dict
from .source_counts import BasisCounts, SchechterCounts, SourceCounts, counts_from_dict

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

__all__ = [
    "BasisCounts",
    "SchechterCounts",
    "SourceCounts",
    "SourcePopulation",
    "SourceSample",
]

Array = npt.NDArray[np.float64]

_ARCMIN = math.pi / 10_800.0
_MOST_PLANES = 24


class SourceSample(NamedTuple):
    """Sources drawn from a population.

    Attributes
    ----------
    m_s : (n,) ndarray
        Magnitude without lensing.
    z_s : (n,) ndarray
        Redshift.
    radius : (n,) ndarray or None
        Radius [arcsec]; None for point sources.
    """

    m_s: Array
    z_s: Array
    radius: Array | None


@dataclass(frozen=True)
class SourcePopulation:
    """Population of background sources, uniform on the sky.

    Parameters
    ----------
    counts : SourceCounts or mapping
        Sources per arcmin^2 against magnitude; `SchechterCounts` by default.
    redshift : float or SourceDistribution
        > 0. A distribution is drawn from at its nodes, by their weights.
    size : Distribution or mapping, optional
        Distribution of log10 of the radius [arcsec]; None for point sources.

    Raises
    ------
    ParameterError
        If an argument is of another kind or out of range.

    Examples
    --------
    >>> sources = SourcePopulation()
    >>> print(f"{sources.density_per_kpc2(0.3):.2e}")
    4.00e-04
    """

    counts: Any = field(default_factory=SchechterCounts)
    redshift: Any = 2.0
    size: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", counts_from_dict(self.counts, "counts"))
        object.__setattr__(self, "redshift", _checked_redshift(self.redshift))
        if self.size is not None and not isinstance(self.size, Distribution):
            if not isinstance(self.size, Mapping):
                allowed = "a Distribution of log10 radius [arcsec], or None for point sources"
                raise ParameterError("size", self.size, allowed)
            object.__setattr__(self, "size", distribution_from_dict(self.size, "size"))

    @property
    def density(self) -> float:
        """Sources per arcmin^2, of all magnitudes and redshifts."""
        return float(self.counts.density)

    @property
    def redshifts(self) -> Array:
        """Redshifts that sources can have, increasing."""
        return self._redshift_table[0]

    @property
    def median_redshift(self) -> float:
        """The redshift that half of the sources are not beyond."""
        z, weight = self._redshift_table
        # a sum of halves may be a rounding above a half
        return float(z[np.searchsorted(np.cumsum(weight), 0.5 * (1.0 - 1e-12))])

    @property
    def planes(self) -> tuple[Array, Array]:
        """At most 24 redshifts and their weights that stand for the distribution in means.

        Neighbouring redshifts are merged into their mean, about equal weights together.
        """
        z, weight = self._redshift_table
        if z.size <= _MOST_PLANES:
            return z, weight
        middle = np.cumsum(weight) - 0.5 * weight
        group = np.minimum((_MOST_PLANES * middle).astype(np.intp), _MOST_PLANES - 1)
        total = np.bincount(group, weight, _MOST_PLANES)
        mean = np.bincount(group, weight * z, _MOST_PLANES)
        some = total > 0.0
        return mean[some] / total[some], np.asarray(total[some], dtype=np.float64)

    def density_per_kpc2(self, z_l: Any, cosmology: FLRW | None = None) -> Array:
        """Sources per physical kpc^2 in the lens plane.

        Parameters
        ----------
        z_l : float or array, > 0
            Lens redshift.
        cosmology : astropy.cosmology.FLRW, optional
            None is FlatLambdaCDM(70, 0.3, Tcmb0=0).
        """
        kpc_per_arcmin = 1e3 * _ARCMIN * angular_diameter_distance(z_l, cosmology)
        if np.any(kpc_per_arcmin <= 0.0):
            raise ParameterError("z_l", z_l, "> 0")
        return np.asarray(self.density / kpc_per_arcmin**2)

    def sample(
        self, galaxy_ids: Any, source_index: Any, seed: int, n_threads: int = 1
    ) -> SourceSample:
        """Return sources behind galaxies.

        Parameters
        ----------
        galaxy_ids, source_index : (n,) array_like of int, >= 0
            A source depends on the seed, the id of its galaxy and its index there.
        seed : int, >= 0 and < 2^64
        n_threads : int, >= 0
            Threads for the random numbers; 0 is all.
        """

        def uniforms(purpose: str) -> Array:
            name = f"source population: {purpose}"
            return keyed_uniforms(seed, name, galaxy_ids, 1, n_threads, parts=source_index)[:, 0]

        magnitude = self.counts.quantile(uniforms("magnitude"))
        nodes, weights = self._redshift_table
        if nodes.size == 1:
            z_s = np.full(magnitude.shape, nodes[0])
        else:
            # the last sum may fall short of 1 by rounding
            cumulative = np.cumsum(weights)[:-1]
            index = np.searchsorted(cumulative, uniforms("redshift"), side="right")
            z_s = nodes[index]
        radius = None if self.size is None else 10.0 ** self.size.quantile(uniforms("size"))
        return SourceSample(magnitude, z_s, radius)

    def to_dict(self) -> dict[str, Any]:
        """Return the population as plain values; `from_dict` makes it again."""
        distributed = isinstance(self.redshift, SourceDistribution)
        return {
            "counts": self.counts.to_dict(),
            "redshift": self.redshift.to_dict() if distributed else self.redshift,
            "size": None if self.size is None else self.size.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SourcePopulation:
        """Return the population of `to_dict`; missing keys take the defaults."""
        allowed = ("counts", "redshift", "size")
        for name in content:
            if name not in allowed:
                raise ParameterError(
                    "key", name, f"one of {', '.join(allowed)}", nearest(name, allowed)
                )
        return cls(**content)

    @cached_property
    def _redshift_table(self) -> tuple[Array, Array]:
        """Return the redshifts in increasing order and their weights."""
        if not isinstance(self.redshift, SourceDistribution):
            return np.array([self.redshift]), np.ones(1)
        possible = self.redshift.weight > 0.0
        z, weight = self.redshift.redshift[possible], self.redshift.weight[possible]
        order = np.argsort(z, kind="stable")
        return z[order], weight[order]


def _checked_redshift(redshift: Any) -> float | SourceDistribution:
    allowed = "a number > 0 or a SourceDistribution"
    if isinstance(redshift, Mapping):
        redshift = sources_from_dict(redshift)
    if isinstance(redshift, SourceDistribution):
        return redshift
    try:
        value = float(redshift)
    except (TypeError, ValueError):
        raise ParameterError("redshift", redshift, allowed) from None
    if isinstance(redshift, bool) or not (math.isfinite(value) and value > 0.0):
        raise ParameterError("redshift", redshift, allowed)
    return value
