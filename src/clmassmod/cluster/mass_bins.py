"""`make_bins`: clusters sorted into bins, as the files that their results are in."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import AccuracyWarning, ParameterError
from .results import MassProfile


def make_bins(out_data_profiles: Sequence[MassProfile], bin_all_func: Any) -> list[list[str]]:
    """Return the locations of the results of every bin, which ``massmod.read`` reads.

    Parameters
    ----------
    out_data_profiles : sequence of MassProfile
        Saved: with a location each, as ``fit_mass_profiles(save_loc=...)`` or
        `save_mass_profiles` give them.
    bin_all_func : callable, (n + 1,) array_like, or (str, array_like)
        A function of all profiles that returns a list of lists, one for each bin, of their
        locations (``profile.loc``); or edges of the mass [Msun], strictly increasing; or a name
        and the edges of it: a parameter of the fit, redshift, chi2 or log_likelihood. A profile
        is in bin i if ``edges[i] <= value < edges[i + 1]``; one outside of all bins, or that
        could not be fitted, is in none.

    Returns
    -------
    list of list of str

    Raises
    ------
    ParameterError
        A profile is not saved; edges are not increasing; a name is unknown; the function
        returns something else.

    Warns
    -----
    AccuracyWarning
        No profile is within the edges.

    Examples
    --------
    >>> make_bins([], [1e14, 5e14, 1e15])
    [[], []]
    """
    profiles = list(out_data_profiles)
    for profile in profiles:
        if not profile.loc:
            raise ParameterError(
                "out_data_profiles",
                f"{profile.halo_id} without a location",
                "saved",
                "Call massmod.save_mass_profiles(folder), and take its out_data_profiles.",
            )
    if callable(bin_all_func):
        return _locations(bin_all_func(profiles))
    name, edges = "mass", bin_all_func
    if isinstance(bin_all_func, tuple) and len(bin_all_func) == 2:
        first, second = bin_all_func
        if isinstance(first, str):
            name, edges = first, second
    limits = _edges(edges)
    values = np.array([_value(profile, name, profiles) for profile in profiles])
    if np.isfinite(values).any() and not np.any((values >= limits[0]) & (values < limits[-1])):
        warnings.warn(
            f"all bins are empty: {name} is between {np.nanmin(values):.4g} and "
            f"{np.nanmax(values):.4g}, edges are {limits[0]:.4g} to {limits[-1]:.4g} "
            "(those of masses in Msun, not log10)",
            AccuracyWarning,
            stacklevel=2,
        )
    return [
        [p.loc for p, value in zip(profiles, values, strict=True) if low <= value < high]
        for low, high in pairwise(limits)
    ]


_FIELDS = ("redshift", "chi2", "log_likelihood")


def _value(profile: MassProfile, name: str, profiles: Sequence[MassProfile]) -> float:
    """Return what a profile is sorted by; NaN, which is in no bin, if it could not be fitted."""
    if profile.status == "failed":
        return float("nan")
    if name in _FIELDS:
        return float(getattr(profile, name))
    known = sorted({one for p in profiles for one in p.mle})
    if name not in known and known:
        allowed = f"one of {', '.join([*known, *_FIELDS])}"
        raise ParameterError("bin_all_func", name, allowed)
    return profile.mle.get(name, float("nan"))


def _edges(edges: Any) -> list[float]:
    allowed = "a function, edges, or (name, edges); edges are 2 or more numbers, increasing"
    try:
        limits = np.asarray(edges, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError("bin_all_func", edges, allowed) from error
    if limits.ndim != 1 or limits.size < 2 or not np.all(np.diff(limits) > 0.0):
        raise ParameterError("bin_all_func", limits.tolist(), allowed)
    return [float(value) for value in limits]


def _locations(bins: Any) -> list[list[str]]:
    """Return what a user's function returned, which must be lists of locations."""
    try:
        return [[os.fspath(location) for location in one] for one in _lists(bins)]
    except TypeError as error:
        allowed = "a list of lists of locations, one list for each bin"
        raise ParameterError("bin_all_func(profiles)", type(bins).__name__, allowed) from error


def _lists(bins: Any) -> list[Any]:
    found = list(bins)
    if any(isinstance(one, str | os.PathLike) for one in found):
        raise TypeError("a location in the place of a list")
    return found
