"""Sums of a stack from catalogues of galaxies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..galaxies.catalogue import GalaxyCatalogue
from ..galaxies.pair_sums import GalaxyPairs, PairSums
from ..sources import BetaMoments, SourceDistribution
from .scaling import Scaling
from .sums import StackSums, checked_preset

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]


def sum_galaxies(
    catalogue: GalaxyCatalogue,
    centres: npt.ArrayLike,
    z_l: npt.ArrayLike,
    edges: npt.ArrayLike,
    *,
    ids: Sequence[str],
    part: str = "",
    scaling: Scaling | None = None,
    cosmology: FLRW | None = None,
    shape_noise: float = 0.25,
    sky: str = "curved",
    sources: float | SourceDistribution | BetaMoments | None = None,
    behind: float | None = None,
    n_threads: int = 1,
) -> StackSums:
    """Return the sums of the galaxies of a catalogue around the centres of clusters.

    Parameters
    ----------
    catalogue : GalaxyCatalogue
        With z, or else `sources`.
    centres : (n, 2) array_like
        Right ascension and declination [deg], or x and y [Mpc].
    z_l : float or (n,) array_like
        Redshift of each cluster, > 0.
    edges : (n_bins + 1,) array_like
        Of the radius [physical Mpc], or with `scaling` of x = R / r_s; >= 0, strictly increasing.
    ids : sequence of str
        Name of each cluster.
    part : str
        Name of the catalogue, where several hold galaxies of one cluster.
    scaling : Scaling, optional
        Scale each cluster by its NFW profile: the method wScaling.
    cosmology, shape_noise, sky, sources, behind, n_threads
        As of `clmassmod.galaxies.GalaxyPairs`; the result does not depend on the threads.

    Returns
    -------
    StackSums

    Raises
    ------
    ParameterError
        An argument is out of range, or a cluster has no scale.

    Notes
    -----
    ``w = weight Sigma_crit^-2 / sigma^2``, with ``sigma^2 = shape_noise^2 + e_err^2`` and the
    Sigma_crit of each pair; the estimate of a bin is ``sum w Sigma_crit e_t / sum w``, of variance
    1 / sum w where no galaxy has a weight of its own. With scaling ``w = weight (rho_s r_s /
    Sigma_crit)^2 / sigma^2`` (Niikura et al. 2015). A galaxy near several centres counts for each:
    the covariance of the shapes takes their noise as independent, a bootstrap of the clusters
    does not.
    """
    pairs = GalaxyPairs(catalogue, cosmology, shape_noise=shape_noise, sky=sky, sources=sources)
    method = "woScaling" if scaling is None else "wScaling"
    preset = checked_preset(edges, method)
    names = [str(name) for name in ids]
    n = len(np.atleast_2d(np.asarray(centres)))
    if len(names) != n:
        raise ParameterError("ids", f"{len(names)} names", f"{n}, as centres")
    redshift = np.array(np.broadcast_to(np.asarray(z_l, dtype=np.float64), (n,)))
    rows: Array = np.tile(preset, (n, 1))
    amplitude = length = np.ones(n)
    if scaling is not None:
        amplitude, length = scaling.scales(names, redshift)
        rows = preset * length[:, None]
    sums = pairs.sums(centres, redshift, rows, behind=behind, n_threads=n_threads)
    return StackSums(
        method=method,
        edges=preset,
        ids=tuple(names),
        parts=(part,) * n,
        redshift=redshift,
        binned=np.ones(n),
        pairs=sums.pairs,
        scaling="" if scaling is None else scaling.origin,
        cosmology=repr(pairs.cosmology),
        **scaled_sums(_excess_sums(sums), amplitude, length),
    )


def _excess_sums(sums: PairSums) -> dict[str, Any]:
    """Return the sums of Delta Sigma, from those with beta in place of Sigma_crit^-1."""
    unit = sums.critical[:, None]
    n_bins = sums.weight.shape[1]
    return {
        "weight": unit**2 * sums.weight,
        "place": unit**2 * sums.radius,
        "signal": unit * sums.excess,
        "cross": unit * sums.excess_cross,
        "inverse": unit**3 * sums.beta,
        "noise": (unit**2 * sums.excess_noise)[:, :, None] * np.eye(n_bins),
    }


def scaled_sums(sums: dict[str, Any], amplitude: Array, length: Array) -> dict[str, Any]:
    """Return sums of Delta Sigma as those of ``Delta Sigma / amplitude`` against R / length.

    Weights are inverse variances, and grow by amplitude^2.
    """
    a, s = amplitude[:, None], length[:, None]
    return {
        "weight": a**2 * sums["weight"],
        "place": a**2 / s * sums["place"],
        "signal": a * sums["signal"],
        "cross": a * sums["cross"],
        "inverse": a**3 * sums["inverse"],
        "noise": a[:, :, None] ** 2 * sums["noise"],
    }
