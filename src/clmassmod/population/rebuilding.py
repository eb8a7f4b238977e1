"""Likelihoods of populations from the plain values that runs keep of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..cosmology import cosmology_from_dict
from ..errors import FitError
from ..stronglens.mass_sampler import LensPopulation
from ..stronglens.observation import MagnitudeLimit, MockNoise, detection_from_dict
from ..stronglens.source_population import SourcePopulation
from .field_counts import FieldCounts
from .finding import FindingProbability
from .galaxy_data import GalaxyData
from .lens_data import LensData
from .likelihood import LensPopulationLikelihood
from .ring_data import RingData


def likelihood_from_dict(
    content: Mapping[str, Any],
    lenses: LensData | RingData,
    non_lenses: GalaxyData | None = None,
    *,
    tables: str | os.PathLike[str] | None = None,
    n_threads: int = 1,
    progress: bool = False,
) -> LensPopulationLikelihood:
    """Return the likelihood of `LensPopulationLikelihood.to_dict`, such as ``params.json`` holds.

    Parameters
    ----------
    content : mapping
    lenses : LensData or RingData
        The data, which `content` knows by their hash only.
    non_lenses : GalaxyData, optional
        Those of a complete sample.
    tables : path, optional
        Folder where kernels and A are kept, as of `LensPopulationLikelihood`.
    n_threads : int, >= 0
    progress : bool

    Raises
    ------
    FitError
        Other data.
    ParameterError
        What `LensPopulationLikelihood` refuses, or a cosmology of which only the text was kept.
    """
    if lenses.hash != content["lenses"]:
        raise FitError(
            f"these are not the data of the run: the hash of {len(lenses)} lenses is "
            f"{lenses.hash[:16]}..., that of the run's {content['n_lenses']} lenses is "
            f"{content['lenses'][:16]}..."
        )
    found = None if non_lenses is None else non_lenses.hash
    if found != content.get("non_lenses"):
        raise FitError(
            "these are not the galaxies without a lens of the run: their hash is "
            f"{str(found)[:16]}, that of the run's {str(content.get('non_lenses'))[:16]}"
        )
    detection = detection_from_dict(content["detection"])
    assert isinstance(detection, MagnitudeLimit)  # the only one that plain values describe
    finding = content.get("finding")
    field = content.get("field_counts")
    return LensPopulationLikelihood(
        lenses,
        LensPopulation.from_dict(content["population"]),
        SourcePopulation.from_dict(content["sources"]),
        free=content["free"],
        box={name: (low, high) for name, (low, high) in content["box"].items()},
        data=content["data"],
        selection=content["selection"],
        form=content["form"],
        detection=detection,
        noise=MockNoise.from_dict(content["noise"]),
        non_lenses=non_lenses,
        n_galaxies=content["n_galaxies"],
        finding=None if finding is None else FindingProbability.from_dict(finding),
        field_counts=None if field is None else FieldCounts.from_dict(field),
        cosmology=cosmology_from_dict(content["cosmology"]),
        tables=tables,
        n_threads=n_threads,
        progress=progress,
    )
