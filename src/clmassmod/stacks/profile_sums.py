"""Sums of a stack from measured profiles of clusters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..cosmology import (
    inverse_critical_surface_density_at_infinity,
    resolve_cosmology,
)
from ..errors import ParameterError
from ..galaxies.pair_sums import source_moments
from ..observables import DeltaSigma, GammaTheta
from .galaxy_sums import scaled_sums
from .scaling import Scaling
from .sums import StackSums, checked_preset

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]
Observable = GammaTheta | DeltaSigma


def sum_profiles(
    profiles: Mapping[str, Sequence[Observable]] | Iterable[Observable],
    edges: npt.ArrayLike,
    *,
    scaling: Scaling | None = None,
    cosmology: FLRW | None = None,
) -> StackSums:
    """Return the sums of the points of measured profiles.

    Parameters
    ----------
    profiles : sequence of GammaTheta or DeltaSigma, or mapping
        One for each cluster, with its id; or id -> those of one cluster, which are
        independent data.
    edges : (n_bins + 1,) array_like
        Of the radius [physical Mpc], or with `scaling` of x = R / r_s; >= 0, strictly
        increasing. A point is in the bin that its radius is in; others are left out.
    scaling : Scaling, optional
        Scale each cluster by its NFW profile: the method wScaling.
    cosmology : astropy.cosmology.FLRW, optional
        None is FlatLambdaCDM(70, 0.3, Tcmb0=0).

    Returns
    -------
    StackSums

    Raises
    ------
    ParameterError
        A shear profile without sources, or with none behind the cluster; a cluster without a
        scale; edges out of range.

    Notes
    -----
    Points are weighted by their inverse variance, and their full covariance, where one is given,
    is that of the stack. A shear becomes an excess surface density by ``Delta Sigma = g_t /
    <Sigma_crit^-1>``; the reduced shear stays one, of sources with ``<Sigma_crit^-2> /
    <Sigma_crit^-1>`` in the place of Sigma_crit^-1 (Seitz & Schneider 1997), good to first order
    in the convergence. Data with a boost factor are multiplied by it.
    """
    objects = _objects(profiles)
    universe = resolve_cosmology(cosmology)
    method = "woScaling" if scaling is None else "wScaling"
    preset = checked_preset(edges, method)
    rows = [
        (name, str(place) if place else "", one)
        for name, parts in objects.items()
        for place, one in enumerate(parts)
    ]
    if not rows:
        raise ParameterError("profiles", "none", "at least one profile")
    ids = tuple(name for name, _, _ in rows)
    redshift = np.array([one.redshift for _, _, one in rows])
    amplitude = length = np.ones(len(rows))
    if scaling is not None:
        amplitude, length = scaling.scales(ids, redshift)
    made = [
        _row(name, one, preset * scale, universe)
        for (name, _, one), scale in zip(rows, length, strict=True)
    ]
    sums = {key: np.array([row[key] for row in made]) for key in made[0]}
    return StackSums(
        method=method,
        edges=preset,
        ids=ids,
        parts=tuple(part for _, part, _ in rows),
        redshift=redshift,
        binned=sums.pop("binned"),
        pairs=sums.pop("pairs"),
        scaling="" if scaling is None else scaling.origin,
        cosmology=repr(universe),
        **scaled_sums(sums, amplitude, length),
    )


def _objects(profiles: Any) -> dict[str, tuple[Observable, ...]]:
    if isinstance(profiles, Mapping):
        objects = {str(name): tuple(parts) for name, parts in profiles.items()}
    else:
        objects = {}
        for place, one in enumerate(profiles):
            name = getattr(one, "id", "") or f"halo_{place:05d}"
            if name in objects:
                raise ParameterError("id", name, "different for every profile")
            objects[name] = (one,)
    for name, parts in objects.items():
        for one in parts:
            if not isinstance(one, GammaTheta | DeltaSigma):
                raise ParameterError(
                    f"profiles[{name!r}]", type(one).__name__, "a GammaTheta or a DeltaSigma"
                )
    return objects


def _row(name: str, profile: Observable, edges: Array, cosmology: FLRW) -> dict[str, Any]:
    """Return the sums of one profile in bins of the radius."""
    radius = profile.projected_radius(cosmology)
    unit, inverse = _units(name, profile, cosmology)
    covariance = profile.covariance_matrix() * np.outer(unit, unit)
    n_bins = edges.size - 1
    bin_of = np.searchsorted(edges, radius, side="right") - 1
    # (n_bins, n_points): the weight of every point, in the row of its bin
    weights = np.where(np.arange(n_bins)[:, None] == bin_of, 1.0 / np.diag(covariance), 0.0)
    cross, n_galaxies = profile.cross, profile.n_galaxies
    counted = weights > 0.0
    return {
        "weight": weights.sum(axis=1),
        "place": (weights * radius).sum(axis=1),
        "signal": (weights * (unit * profile.values)).sum(axis=1),
        "cross": _known(weights, None if cross is None else unit * cross),
        "inverse": weights.sum(axis=1) * inverse,
        "noise": np.einsum("ai,ij,bj->ab", weights, covariance, weights),
        "pairs": _known(counted.astype(np.float64), n_galaxies),
        "binned": float(_within(profile, edges, counted)),
    }


def _within(profile: Observable, edges: Array, counted: npt.NDArray[np.bool_]) -> bool:
    """Whether the bins of all points that count, (n_bins, n_points), lie within those of edges."""
    if profile.radius_min is None or profile.radius_max is None:
        return False
    rounding = 1e-9
    outside = (profile.radius_min < edges[:-1, None] * (1.0 - rounding)) | (
        profile.radius_max > edges[1:, None] * (1.0 + rounding)
    )
    return not bool((counted & outside).any())


def _known(weights: Array, values: Array | None) -> Array:
    """Return weighted sums of values; where these are unknown, NaN in bins with points."""
    if values is None:
        return np.where(weights.any(axis=1), np.nan, 0.0)
    return np.asarray((weights * values).sum(axis=1))


def _units(name: str, profile: Observable, cosmology: FLRW) -> tuple[Array, float]:
    """Return what turns the values into Delta Sigma, (m,), and the Sigma_crit^-1 behind them."""
    if isinstance(profile, DeltaSigma):
        boost = np.ones(len(profile)) if profile.boost is None else profile.boost
        return boost, profile.inverse_critical_surface_density or 0.0
    if profile.sources is None:
        raise ParameterError("sources", None, f"given for {name}: a redshift or n(z)")
    moments = source_moments(profile.sources)
    mean = float(np.asarray(moments.mean_beta_s(profile.redshift, cosmology)))
    if not mean > 0.0:
        raise ParameterError(
            "sources", profile.sources, f"behind {name} at z = {profile.redshift:g}"
        )
    far = float(inverse_critical_surface_density_at_infinity(profile.redshift, cosmology))
    square = float(np.asarray(moments.mean_beta_s_squared(profile.redshift, cosmology)))
    reduced = profile.kind == "reduced_shear"
    return np.full(len(profile), 1.0 / (mean * far)), far * square / mean if reduced else 0.0
