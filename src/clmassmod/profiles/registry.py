"""Profiles by name, as configuration files call them."""

from __future__ import annotations

import importlib

from ..errors import ParameterError, nearest
from .base import RadialMass

# name -> module of this folder; a test fails for a name without a canonical instance
_MODULES = {
    "NFW": "halos",
    "Hernquist": "halos",
    "BMO": "halos",
    "SIS": "simple",
    "PowerLaw": "simple",
    "DPIE": "simple",
    "PointMass": "simple",
    "gNFW": "numeric_halos",
    "Einasto": "numeric_halos",
    "Burkert": "numeric_halos",
    "Sersic": "stars",
    "DeVaucouleurs": "stars",
    "Composite": "composite",
    "UserProfile": "custom",
    "Baryonified": "baryonified",
    "DK14": "splashback",
    "Diemer23": "splashback",
}


def profile_names() -> tuple[str, ...]:
    """Return the names of all profiles, in the order they are registered."""
    return tuple(_MODULES)


def profile_class(name: str) -> type[RadialMass]:
    """Return the profile class called `name`; upper and lower case are the same.

    Raises
    ------
    ParameterError
        No profile has this name; the message gives the nearest one.

    Examples
    --------
    >>> from clmassmod.profiles.registry import profile_class
    >>> profile_class("nfw").__name__
    'NFW'
    """
    by_folded = {known.casefold(): known for known in _MODULES}
    known = by_folded.get(str(name).casefold())
    if known is None:
        raise ParameterError(
            "profile", name, f"one of {', '.join(_MODULES)}", nearest(str(name), _MODULES)
        )
    module = importlib.import_module(f".{_MODULES[known]}", __package__)
    found: type[RadialMass] = getattr(module, known)
    return found
