"""`build_profile`: from a catalogue of galaxies to the shear profile around one centre."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._checks import lens_redshift
from ..cosmology import inverse_critical_surface_density_at_infinity
from ..errors import ParameterError, nearest
from ..sources import BetaMoments, SourceDistribution, Sources
from .bins import RadialBins, checked_edges
from .catalogue import GalaxyCatalogue
from .covariance import resampled_covariances
from .pair_sums import GalaxyPairs, PairSums
from .pair_values import pair_values
from .shear_profile import ShearProfile

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

COVARIANCES = ("shape", "bootstrap", "jackknife")


def build_profile(
    catalogue: GalaxyCatalogue,
    z_l: float,
    cosmology: FLRW | None = None,
    *,
    bins: RadialBins | npt.ArrayLike,
    centre: Any = None,
    shape_noise: float = 0.25,
    weights: str = "critical",
    sky: str = "curved",
    sources: float | SourceDistribution | BetaMoments | None = None,
    behind: float | None = None,
    covariance: str = "shape",
    n_resamples: int = 500,
    n_patches: int = 50,
    patches: npt.ArrayLike | None = None,
    seed: int = 0,
    id: str | None = None,
    n_threads: int = 1,
) -> ShearProfile:
    """Measure the tangential shear and the excess surface density around a centre.

    Parameters
    ----------
    catalogue : GalaxyCatalogue
    z_l : float
        Redshift of the object, > 0.
    cosmology : astropy.cosmology.FLRW, optional
        None is FlatLambdaCDM(70, 0.3, Tcmb0=0).
    bins : RadialBins or (n_bins + 1,) array_like
        Bins in projected radius, or their edges [physical Mpc].
    centre : (float, float), optional
        (right ascension, declination) [deg]; or (x, y) [Mpc], by default (0, 0).
    shape_noise : float
        Intrinsic sd of a component of the ellipticity, >= 0.
    weights : {"critical", "shape"}
        ``w = weight Sigma_crit^-2 / sigma^2`` or ``weight / sigma^2``, with ``sigma^2 =
        shape_noise^2 + e_err^2``. The first is best for surface densities and leaves
        galaxies at ``z <= z_l`` out; the second needs no redshifts and gives shear alone.
    sky : {"curved", "flat"}
        How right ascension and declination are taken.
    sources : float, SourceDistribution or BetaMoments, optional
        Redshifts of all galaxies, for a catalogue without z.
    behind : float, optional
        Use only galaxies at ``z > z_l + behind``.
    covariance : {"shape", "bootstrap", "jackknife"}
        Diagonal, from the variances of the shapes; or from resampled galaxies: drawn anew
        with replacement, or leaving out one patch of the sky at a time.
    n_resamples : int
        Resamples of the bootstrap, more than there are bins.
    n_patches : int
        Sectors around the centre for the jackknife, more than there are bins.
    patches : (n,) array_like of int, optional
        In their place, the patch of every galaxy.
    seed : int
        Of the bootstrap.
    id : str, optional
        Name of the object; by default that of the catalogue.
    n_threads : int
        0 is all threads; the result does not depend on it.

    Returns
    -------
    ShearProfile
        Of all bins; empty ones are masked.

    Raises
    ------
    ParameterError
        If an argument is out of range, redshifts are missing, or a resample leaves a bin
        without galaxies.

    Notes
    -----
    ``g_t = sum w e_t / sum w``, of variance ``sum w^2 sigma^2 / (sum w)^2``, and ``Delta Sigma =
    sum w Sigma_crit e_t / sum w``; neither is corrected for 1 - kappa: both are of the reduced
    shear. The tangential ellipticity is ``-(e1 cos 2 phi + e2 sin 2 phi)``, the cross one
    ``e1 sin 2 phi - e2 cos 2 phi``, phi the position angle of the galaxy seen from the centre. On
    the curved sky, separations and angles are those of great circles and agree with astropy's to
    1e-10.

    Examples
    --------
    >>> import clmassmod as clm
    >>> from clmassmod.galaxies import GalaxyCatalogue, build_profile
    >>> catalogue = GalaxyCatalogue(x=[0.5, 1.5], y=[0, 0], e1=[-0.2, -0.1], e2=[0, 0], z=[1, 1])
    >>> build_profile(catalogue, 0.3, bins=[0.1, 1, 2]).g_t.round(6).tolist()
    [0.2, 0.1]
    """
    z_lens = lens_redshift(z_l)
    if covariance not in COVARIANCES:
        raise ParameterError(
            "covariance",
            covariance,
            f"one of {', '.join(COVARIANCES)}",
            nearest(str(covariance), COVARIANCES),
        )
    place = catalogue_centre(catalogue, centre)
    pairs = GalaxyPairs(catalogue, cosmology, shape_noise=shape_noise, sky=sky, sources=sources)
    edges = _edges(bins, pairs, place, z_lens, weights, behind)
    sums = pairs.sums([place], z_lens, edges, weights=weights, behind=behind, n_threads=n_threads)
    mask = sums.weight[0] == 0.0
    shear_cov, excess_cov = _shape_covariances(sums, weights)
    if covariance != "shape":
        values = pair_values(pairs, place, z_lens, weights=weights, behind=behind)
        shear_cov, excess_cov = resampled_covariances(
            values,
            edges,
            mask,
            covariance,
            n_resamples=n_resamples,
            n_patches=n_patches,
            patches=patches,
            seed=seed,
        )
        excess_cov = excess_cov / sums.critical[0] ** 2
    notes = {
        "weights": weights,
        "shape_noise": float(shape_noise),
        "covariance": covariance,
        "sky": sky if catalogue.on_sky else "plane",
        "centre": [float(v) for v in place],
    }
    return _assembled(pairs, sums, edges, z_lens, weights, shear_cov, excess_cov, id, notes)


def _assembled(
    pairs: GalaxyPairs,
    sums: PairSums,
    edges: Array,
    z_l: float,
    weights: str,
    shear_cov: Array,
    excess_cov: Array,
    id: str | None,
    notes: dict[str, Any],
) -> ShearProfile:
    """Return the profile of the sums around one centre."""
    weight = np.where(sums.weight[0] == 0.0, np.nan, sums.weight[0])
    inverse = float(sums.critical[0])
    has_beta = "z" in pairs.catalogue or pairs.sources is not None
    far = float(sums.beta_infinity[0])
    critical = weights == "critical"
    sources, mean_inverse = _pooled(pairs, sums, z_l)
    return ShearProfile(
        edges=edges,
        radius=sums.radius[0] / weight,
        g_t=sums.tangential[0] / weight,
        g_x=sums.cross[0] / weight,
        g_err=np.sqrt(np.diag(shear_cov)),
        g_cov=shear_cov,
        delta_sigma=sums.excess[0] / weight / inverse if critical else None,
        delta_sigma_x=sums.excess_cross[0] / weight / inverse if critical else None,
        delta_sigma_err=np.sqrt(np.diag(excess_cov)) if critical else None,
        delta_sigma_cov=excess_cov if critical else None,
        n=sums.pairs[0],
        beta_s=sums.beta[0] / weight / far if has_beta else None,
        beta_s_squared=sums.beta_squared[0] / weight / far**2 if has_beta else None,
        mask=sums.weight[0] == 0.0,
        redshift=z_l,
        sources=sources,
        inverse_critical_surface_density=mean_inverse,
        id=pairs.catalogue.id if id is None else id,
        metadata=notes,
    )


def _pooled(pairs: GalaxyPairs, sums: PairSums, z_l: float) -> tuple[Sources | None, float | None]:
    """Return the sources behind all bins, and their mean Sigma_crit^-1."""
    total = float(sums.weight[0].sum())
    if ("z" not in pairs.catalogue and pairs.sources is None) or total == 0.0:
        return pairs.sources, None
    mean = float(sums.beta[0].sum()) / total
    square = float(sums.beta_squared[0].sum()) / total
    mean_inverse = mean * float(sums.critical[0])
    if pairs.sources is not None:
        return pairs.sources, mean_inverse
    at_infinity = float(inverse_critical_surface_density_at_infinity(z_l, pairs.cosmology))
    first = mean_inverse / at_infinity
    second = max(square / float(sums.beta_infinity[0]) ** 2, first**2)
    return BetaMoments(first, second), mean_inverse


def _shape_covariances(sums: PairSums, weights: str) -> tuple[Array, Array]:
    weight = np.where(sums.weight[0] == 0.0, np.nan, sums.weight[0])
    shear = _diagonal(sums.noise[0] / weight**2)
    excess = _diagonal(sums.excess_noise[0] / (weight * float(sums.critical[0])) ** 2)
    return shear, excess


def _diagonal(variance: Array) -> Array:
    """Return diag(variance), NaN in the rows and columns of empty bins."""
    matrix = np.diag(variance)
    empty = np.isnan(variance)
    matrix[empty, :] = np.nan
    matrix[:, empty] = np.nan
    return matrix


def catalogue_centre(catalogue: GalaxyCatalogue, centre: Any) -> Array:
    """Return the centre that `build_profile` was given, or its default, (2,)."""
    if centre is None:
        if catalogue.on_sky:
            raise ParameterError("centre", None, "(right ascension, declination) [deg]")
        return np.zeros(2)
    place = np.asarray(centre, dtype=np.float64)
    if place.shape != (2,):
        raise ParameterError("centre", centre, "two numbers")
    return place


def _edges(
    bins: Any, pairs: GalaxyPairs, place: Array, z_l: float, weights: str, behind: float | None
) -> Array:
    if not isinstance(bins, RadialBins):
        return checked_edges(bins)
    if bins.spacing != "equal_occupation":
        return checked_edges(bins.edges())
    values = pair_values(pairs, place, z_l, weights=weights, behind=behind)
    return checked_edges(bins.edges(values.radius[values.weight > 0.0]))
