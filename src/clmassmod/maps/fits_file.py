"""Maps as FITS images that any viewer shows, and that give the very same map back."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..provenance import atomic_path
from ..sources import BetaMoments, SourceDistribution

if TYPE_CHECKING:
    from .sky_map import SkyMap

HEADER_KEY = "CLMMAP"
"""Header card with all that is no array, as JSON."""
HEADER_FIELDS = (
    *("pixel_scale", "pixel_angle", "redshift", "centre", "depth", "sampling", "id", "metadata"),
)
"""Its entries of every map; those of a convergence map also hold ``sources``."""


def write_map(sky: SkyMap, path: str | os.PathLike[str], kind: str) -> None:
    """Write a map atomically: values as image, errors and mask as image extensions."""
    from astropy.io import fits

    content: dict[str, Any] = {name: getattr(sky, name) for name in HEADER_FIELDS}
    if kind == "kappa_map":
        sources = getattr(sky, "sources", None)
        described = isinstance(sources, SourceDistribution | BetaMoments)
        content["sources"] = sources.to_dict() if described else sources  # type: ignore[union-attr]
    image = fits.PrimaryHDU(np.array(sky.values))
    image.header["BUNIT"] = sky._unit
    image.header["REDSHIFT"] = sky.redshift
    image.header[HEADER_KEY] = json.dumps({"map": kind, **content})
    hdus = [image]
    if sky.errors is not None:
        hdus.append(fits.ImageHDU(np.array(sky.errors), name="ERRORS"))
    if sky.mask is not None:
        hdus.append(fits.ImageHDU(sky.mask.astype(np.uint8), name="MASK"))
    with atomic_path(path) as temporary:
        fits.HDUList(hdus).writeto(temporary, checksum=True, overwrite=True)
