"""Population of strong lenses: likelihood with selection, and its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

# public name -> the module that holds it
_PUBLIC = {
    "LensPopulationLikelihood": ".likelihood",
    "ErrorBudget": ".error_budget",
    "LensData": ".lens_data",
    "GalaxyData": ".galaxy_data",
    "RingData": ".ring_data",
    "FindingProbability": ".finding",
    "PopulationParameters": ".parameters",
    "PARAMETERS": ".parameters",
    "DEFAULT_FREE": ".parameters",
    "DEFAULT_BOX": ".kernels",
    "KernelAccuracy": ".kernels",
    "LensKernels": ".kernels",
    "build_kernels": ".kernels",
    "SelectionNormalisation": ".selection",
    "build_selection": ".selection",
    "CrossSection": ".cross_section",
    "build_cross_section": ".cross_section",
    "DetectedCounts": ".detected_counts",
    "FieldCounts": ".field_counts",
    "count_family": ".count_families",
}

__all__ = list(_PUBLIC)

if TYPE_CHECKING:
    from .count_families import count_family
    from .cross_section import CrossSection, build_cross_section
    from .detected_counts import DetectedCounts
    from .error_budget import ErrorBudget
    from .field_counts import FieldCounts
    from .finding import FindingProbability
    from .galaxy_data import GalaxyData
    from .kernels import DEFAULT_BOX, KernelAccuracy, LensKernels, build_kernels
    from .lens_data import LensData
    from .likelihood import LensPopulationLikelihood
    from .parameters import DEFAULT_FREE, PARAMETERS, PopulationParameters
    from .ring_data import RingData
    from .selection import SelectionNormalisation, build_selection

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
