"""Maps of projected mass and of convergence, and the lensing they cause."""

from __future__ import annotations

from .._lazy import lazy_names

_PUBLIC = {
    "LensingField": ".field",
    "MapField": ".field",
    "ProfileField": ".field",
    "convergence_of_shear": ".kaiser_squires",
    "shear_of_convergence": ".kaiser_squires",
}

__all__ = list(_PUBLIC)

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
