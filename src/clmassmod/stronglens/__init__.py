"""Strong lenses: galaxies as lenses, their images, their population, mock catalogues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

# public name -> the module that holds it
_PUBLIC = {
    "LensModel": ".lens_model",
    "ProfileLens": ".lens_model",
    "LensStatus": ".lens",
    "LensStructure": ".lens",
    "ImageSolution": ".lens_solver",
    "ImageInversion": ".lens_solver",
    "RingInversion": ".lens_solver",
    "solve_images": ".lens_solver",
    "disc_magnification": ".lens_solver",
    "invert_images": ".lens_solver",
    "invert_einstein_radius": ".lens_solver",
    "InversionGrid": ".inversion_grid",
    "GridInversion": ".inversion_grid",
    "ImagePhotometry": ".inversion_grid",
    "image_properties": ".lens_properties",
    "LensPopulation": ".mass_sampler",
    "GalaxySample": ".mass_sampler",
    "Relation": ".relations",
    "SkewNormal": ".relations",
    "LinearRelation": ".relations",
    "HaloMassRelation": ".relations",
    "Mismatch": ".relations",
    "ConcentrationRelation": ".relations",
    "SourcePopulation": ".source_population",
    "SchechterCounts": ".source_counts",
    "BasisCounts": ".source_counts",
    "MockGenerator": ".mock_generator",
    "MockNoise": ".observation",
    "MagnitudeLimit": ".observation",
    "LensCatalogue": ".catalogue",
}

__all__ = list(_PUBLIC)

if TYPE_CHECKING:
    from .catalogue import LensCatalogue
    from .inversion_grid import GridInversion, ImagePhotometry, InversionGrid
    from .lens import LensStatus, LensStructure
    from .lens_model import LensModel, ProfileLens
    from .lens_properties import image_properties
    from .lens_solver import (
        ImageInversion,
        ImageSolution,
        RingInversion,
        disc_magnification,
        invert_einstein_radius,
        invert_images,
        solve_images,
    )
    from .mass_sampler import GalaxySample, LensPopulation
    from .mock_generator import MockGenerator
    from .observation import MagnitudeLimit, MockNoise
    from .relations import (
        ConcentrationRelation,
        HaloMassRelation,
        LinearRelation,
        Mismatch,
        Relation,
        SkewNormal,
    )
    from .source_counts import BasisCounts, SchechterCounts
    from .source_population import SourcePopulation

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
