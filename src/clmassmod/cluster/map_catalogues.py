"""Under the hood of `CLMassMod`: from maps to mock catalogues of galaxies to shear profiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..configuration.info import ModelInfo
from ..cosmology import resolve_cosmology
from ..errors import ConfigError, ParameterError
from ..galaxies.catalogue import GalaxyCatalogue
from ..galaxies.field_of_view import FieldOfView
from ..galaxies.mock import MockGalaxies
from ..galaxies.profile import build_profile
from ..maps.containers import KappaMap, MassMap
from ..observables import GammaTheta
from ..sources import BetaMoments
from .simulation import bin_edges

SkyMap = MassMap | KappaMap


def mock_of_configuration(info: ModelInfo, maps: Mapping[str, tuple[SkyMap, ...]]) -> MockGalaxies:
    """Return the mock that the sections noise, sources, binning and cosmology describe.

    Parameters
    ----------
    info : ModelInfo
    maps : mapping
        Of every halo; without `sources` in the configuration, galaxies have those that all
        convergence maps name.

    Raises
    ------
    ConfigError
        If there are no redshifts to draw from.
    """
    sources = info.make_sources()
    if sources is None:
        named = [getattr(one, "sources", None) for parts in maps.values() for one in parts]
        sources = named[0] if named and all(one == named[0] for one in named) else None
    if sources is None or isinstance(sources, str | BetaMoments):
        raise ConfigError(
            f"{info.file or 'configuration'}: [sources] mock galaxies need redshift or distribution"
        )
    edges = bin_edges(info["binning"])
    return MockGalaxies(
        density=info["noise"]["density"],
        sources=sources,
        field_of_view=FieldOfView.circle(float(edges[-1]), unit="Mpc"),
        shape_noise=info["noise"]["shape_noise"],
        cosmology=info.make_cosmology(),
    )


def map_catalogue(sky_map: SkyMap, halo_id: str, mock: MockGalaxies, seed: int) -> GalaxyCatalogue:
    """Return the mock galaxies behind a map.

    A mass map is taken relative to its own mean unless its metadata name what was subtracted.

    Raises
    ------
    ParameterError
        If the field of view reaches beyond the map; the message names the halo.
    """
    cosmology = resolve_cosmology(mock.cosmology)
    if isinstance(sky_map, KappaMap):
        field = sky_map.field(cosmology=cosmology)
    else:
        known = sky_map.metadata.get("background") is not None
        field = sky_map.field(background=0.0 if known else "mean", cosmology=cosmology)
    # mass map and convergence map of one halo, where both are wanted, have noise of their own
    key = halo_id if isinstance(sky_map, MassMap) else f"{halo_id} (convergence)"
    try:
        made = mock.generate(field, seed=seed, halo_id=key)
    except ParameterError as error:
        if error.name not in ("x", "y"):
            raise
        hint = f"The map of {halo_id} is smaller than the field of view; lower [binning] r_max."
        raise ParameterError(error.name, error.value, error.allowed, hint) from error
    return made.replace(id=halo_id)


def catalogue_profile(
    catalogue: GalaxyCatalogue, info: ModelInfo, mock: MockGalaxies
) -> GammaTheta:
    """Return the shear profile of a catalogue in the bins of the configuration."""
    profile = build_profile(
        catalogue,
        float(catalogue.metadata["redshift"]),
        mock.cosmology,
        bins=np.asarray(bin_edges(info["binning"])),
        shape_noise=catalogue_noise(mock, info),
    )
    return profile.to_gamma_theta()


def catalogue_noise(mock: MockGalaxies, info: ModelInfo) -> float:
    """Return the sd of a component of the ellipticity that profiles of a mock are weighted by."""
    # a mock without noise has no errors of its own
    return mock.shape_noise or float(info["noise"]["shape_noise"])


def checked_mock(mock: Any) -> MockGalaxies:
    """Return `mock`, which must be a `MockGalaxies`."""
    if not isinstance(mock, MockGalaxies):
        raise ParameterError("mock", mock, "a clmassmod.galaxies.MockGalaxies, or None")
    return mock
