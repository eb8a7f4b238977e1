"""Maps of projected mass and of convergence, and the lensing they cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

_PUBLIC = {
    "MassMap": ".containers",
    "KappaMap": ".containers",
    "RadialAverages": ".radial",
    "LensingField": ".field",
    "MapField": ".field",
    "ProfileField": ".field",
    "convergence_of_shear": ".kaiser_squires",
    "shear_of_convergence": ".kaiser_squires",
}

__all__ = list(_PUBLIC)

if TYPE_CHECKING:
    from .containers import KappaMap, MassMap
    from .field import LensingField, MapField, ProfileField
    from .kaiser_squires import convergence_of_shear, shear_of_convergence
    from .radial import RadialAverages

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
