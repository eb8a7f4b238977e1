"""Catalogues of galaxies as data of a fit: what they leave open is that of the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..configuration.info import ModelInfo
from ..errors import ParameterError
from ..galaxies.catalogue import GalaxyCatalogue
from ..galaxies.shear_field import ShearField


def checked_fields(value: Any, info: ModelInfo) -> tuple[ShearField, ...]:
    """Return what is assigned as galaxies: none, one or a sequence, complete."""
    if value is None:
        return ()
    one = isinstance(value, ShearField | GalaxyCatalogue) or not isinstance(value, Iterable)
    return tuple(complete_field(item, info) for item in ((value,) if one else value))


def complete_field(value: Any, info: ModelInfo) -> ShearField:
    """Return the field of one catalogue, with shape noise and sources of the configuration."""
    sources = info.make_sources()
    if isinstance(sources, str):
        sources = None  # histograms by object, which catalogues do not read
    return _field_of(value).complete(float(info["noise"]["shape_noise"]), sources)


def map_fields(
    catalogues: Mapping[str, tuple[GalaxyCatalogue, ...]], info: ModelInfo, shape_noise: float
) -> dict[str, tuple[ShearField, ...]]:
    """Return the fields of mock catalogues behind maps, by id."""
    sources = info.make_sources()
    return {
        name: tuple(
            _field_of(one).complete(shape_noise, None if isinstance(sources, str) else sources)
            for one in parts
        )
        for name, parts in catalogues.items()
    }


def _field_of(value: Any) -> ShearField:
    if isinstance(value, ShearField):
        return value
    if not isinstance(value, GalaxyCatalogue):
        raise ParameterError(
            "obs_galaxies",
            type(value).__name__,
            "a ShearField, a GalaxyCatalogue, or a sequence of them",
        )
    redshift = value.metadata.get("redshift")
    if redshift is None:
        raise ParameterError(
            "obs_galaxies",
            value.id or "a GalaxyCatalogue",
            "one whose metadata have the redshift of the lens",
            "Give clmassmod.galaxies.ShearField(catalogue, redshift, centre).",
        )
    return ShearField(value, redshift, value.metadata.get("centre") if value.on_sky else None)
