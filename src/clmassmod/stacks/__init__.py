"""Stacks of clusters: their mean excess surface density, or their mean scaled profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

# public name -> the module that holds it
_PUBLIC = {
    "Scaling": ".scaling",
    "Stack": ".stack",
    "StackSums": ".sums",
    "scaled_nfw": ".scaling",
    "sum_galaxies": ".galaxy_sums",
    "sum_profiles": ".profile_sums",
}

__all__ = list(_PUBLIC)

if TYPE_CHECKING:
    from .galaxy_sums import sum_galaxies
    from .profile_sums import sum_profiles
    from .scaling import Scaling, scaled_nfw
    from .stack import Stack
    from .sums import StackSums

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
