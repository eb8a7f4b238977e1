"""Background galaxies: catalogues of shapes, mock catalogues, and shear profiles of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

# public name -> the module that holds it
_PUBLIC = {
    "GalaxyCatalogue": ".catalogue",
    "MockGalaxies": ".mock",
    "FieldOfView": ".field_of_view",
    "PixelMask": ".field_of_view",
    "DiscMask": ".field_of_view",
    "MemberContamination": ".contamination",
    "PhotoZ": ".contamination",
    "CentreOffset": ".contamination",
    "RescaledField": ".rescaling",
    "lensed_ellipticity": ".ellipticity",
    "expected_ellipticity": ".ellipticity",
    "GalaxyPairs": ".pair_sums",
    "pair_values": ".pair_values",
    "RadialBins": ".bins",
    "ShearField": ".shear_field",
    "ShearProfile": ".shear_profile",
    "build_profile": ".profile",
    "ApertureMass": ".aperture",
    "PolynomialFilter": ".aperture",
    "ZetaFilter": ".aperture",
    "aperture_mass": ".aperture",
    "expected_aperture_mass": ".aperture",
    "mass_of_aperture": ".aperture",
}

__all__ = list(_PUBLIC)

if TYPE_CHECKING:
    from .aperture import (
        ApertureMass,
        PolynomialFilter,
        ZetaFilter,
        aperture_mass,
        expected_aperture_mass,
        mass_of_aperture,
    )
    from .bins import RadialBins
    from .catalogue import GalaxyCatalogue
    from .contamination import CentreOffset, MemberContamination, PhotoZ
    from .ellipticity import expected_ellipticity, lensed_ellipticity
    from .field_of_view import DiscMask, FieldOfView, PixelMask
    from .mock import MockGalaxies
    from .pair_sums import GalaxyPairs
    from .pair_values import pair_values
    from .profile import build_profile
    from .rescaling import RescaledField
    from .shear_field import ShearField
    from .shear_profile import ShearProfile

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
