"""Background galaxies: catalogues of shapes, mock catalogues, and shear profiles of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

# public name -> the module that holds it
_PUBLIC = {
    "GalaxyCatalogue": ".catalogue",
    "RadialBins": ".bins",
    "ShearProfile": ".shear_profile",
    "build_profile": ".profile",
}

__all__ = list(_PUBLIC)

if TYPE_CHECKING:
    from .bins import RadialBins
    from .catalogue import GalaxyCatalogue
    from .profile import build_profile
    from .shear_profile import ShearProfile

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
