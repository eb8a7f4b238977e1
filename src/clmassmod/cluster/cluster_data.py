"""The data of many clusters: profiles, galaxies and maps, joined by id."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..configuration.info import ModelInfo
from ..errors import FitError, ParameterError
from ..galaxies.catalogue import GalaxyCatalogue
from ..galaxies.shear_field import ShearField
from ..maps.containers import KappaMap, MassMap
from ..observables import DeltaSigma, GammaTheta
from .field_data import checked_fields, map_fields
from .likelihood import Observable
from .objects import checked_observables, joined_by_id, observables_by_id
from .parameters import CENTRE, ParameterSet

if TYPE_CHECKING:
    from ..galaxies.mock import MockGalaxies
    from ..stacks.stack import Stack


class ClusterData:
    """What `CLMassMod` is given: observables by id, and what is made of maps.

    Parameters
    ----------
    model_info : ModelInfo
    """

    def __init__(self, model_info: ModelInfo) -> None:
        self.model_info = model_info
        self.parameters = ParameterSet.from_priors(model_info["priors"])
        self._gamma_theta: tuple[GammaTheta, ...] = ()
        self._delta_sigma: tuple[DeltaSigma, ...] = ()
        self._mass_map: tuple[MassMap, ...] = ()
        self._kappa_map: tuple[KappaMap, ...] = ()
        self._galaxies: tuple[ShearField, ...] = ()
        self.allow_same_data = False
        """Whether mass map and convergence map of one halo may count as independent data."""
        self._catalogs: dict[str, tuple[GalaxyCatalogue, ...]] = {}
        self._map_profiles: dict[str, tuple[GammaTheta, ...]] = {}
        self._catalog_noise = math.nan
        self.stacks: dict[str, Stack] = {}
        """The last stack of each method; one without scaling is what a fit fits."""

    @property
    def obs_gamma_theta(self) -> tuple[GammaTheta, ...]:
        """Observed shear profiles; assign one or a sequence. Assigning clears the results."""
        return self._gamma_theta

    @obs_gamma_theta.setter
    def obs_gamma_theta(self, value: GammaTheta | Iterable[GammaTheta] | None) -> None:
        self._gamma_theta = checked_observables("obs_gamma_theta", value, GammaTheta)
        self._clear()

    @property
    def obs_delta_sigma(self) -> tuple[DeltaSigma, ...]:
        """Observed excess surface densities; assign one or a sequence, clears the results."""
        return self._delta_sigma

    @obs_delta_sigma.setter
    def obs_delta_sigma(self, value: DeltaSigma | Iterable[DeltaSigma] | None) -> None:
        self._delta_sigma = checked_observables("obs_delta_sigma", value, DeltaSigma)
        self._clear()

    @property
    def obs_mass_map(self) -> tuple[MassMap, ...]:
        """Maps of projected mass; assign one or a sequence, which clears the results."""
        return self._mass_map

    @obs_mass_map.setter
    def obs_mass_map(self, value: MassMap | Iterable[MassMap] | None) -> None:
        self._mass_map = checked_observables("obs_mass_map", value, MassMap)
        self._clear()

    @property
    def obs_kappa_map(self) -> tuple[KappaMap, ...]:
        """Convergence maps; assign one or a sequence, which clears the results."""
        return self._kappa_map

    @obs_kappa_map.setter
    def obs_kappa_map(self, value: KappaMap | Iterable[KappaMap] | None) -> None:
        self._kappa_map = checked_observables("obs_kappa_map", value, KappaMap)
        self._clear()

    @property
    def obs_galaxies(self) -> tuple[ShearField, ...]:
        """Galaxies, fitted one by one; assign one or a sequence, which clears the results.

        `ShearField`, or `GalaxyCatalogue` whose metadata have the ``redshift`` of the lens (and
        the ``centre``, on the sky), as those of `MockGalaxies` do. Shape noise and source redshifts
        they leave open are those of the configuration.
        """
        return self._galaxies

    @obs_galaxies.setter
    def obs_galaxies(
        self, value: ShearField | GalaxyCatalogue | Iterable[ShearField | GalaxyCatalogue] | None
    ) -> None:
        self._galaxies = checked_fields(value, self.model_info)
        self._clear()

    def _clear(self) -> None:
        """Forget what was made of the data."""
        self._catalogs = {}
        self._map_profiles = {}
        self.stacks = {}

    def objects(self) -> dict[str, tuple[Observable | ShearField, ...]]:
        """Return what a fit fits, by id: the stack, where there is one, or else `members`.

        And the galaxies of `obs_galaxies`; with a free centre those behind maps in place of
        their profiles.
        """
        stack = self.stacks.get("woScaling")
        if stack is not None:
            return {stack.id: (stack.to_delta_sigma(),)}
        fields = observables_by_id((self._galaxies,))
        if not (self._mass_map or self._kappa_map) or not self._free_centre:
            return joined_by_id(self.members(), fields)
        self._make_missing_catalogs()
        profiles = observables_by_id((self._gamma_theta, self._delta_sigma))
        behind = map_fields(self._catalogs, self.model_info, self._catalog_noise)
        return joined_by_id(profiles, fields, behind)

    @property
    def _free_centre(self) -> bool:
        return any(name in CENTRE for name in self.parameters.names)

    def members(self) -> dict[str, tuple[Observable, ...]]:
        """Return the observables of each object by id, as they were assigned.

        Several observables of one object join by its id and are fitted together, as
        independent data. An observable without an id is called by its place. Of maps the
        observables are the shear profiles of mock galaxies behind them, those of
        `make_catalog`.
        """
        self._make_missing_catalogs()
        return joined_by_id(
            observables_by_id((self._gamma_theta, self._delta_sigma)), self._map_profiles
        )

    def catalogues(self) -> dict[str, tuple[GalaxyCatalogue, ...]]:
        """Return the mock galaxies behind maps, by id; none where there are other data."""
        if self._gamma_theta or self._delta_sigma:
            return {}
        self._make_missing_catalogs()
        return dict(self._catalogs)

    def _make_missing_catalogs(self) -> None:
        if (self._mass_map or self._kappa_map) and not self._catalogs:
            made = self._made_catalogs(self.model_info["seed"], None)
            self._catalogs, self._map_profiles, self._catalog_noise = made

    def make_catalog(
        self, seed: int | None = None, *, mock: MockGalaxies | None = None
    ) -> dict[str, tuple[GalaxyCatalogue, ...]]:
        """Make mock galaxies behind the maps of every object; clears the results.

        A fit of maps alone calls it; call it first for another seed or another mock.

        Parameters
        ----------
        seed : int, optional
            That of the configuration by default. The galaxies of an object are keyed by it and
            by the id of the object.
        mock : MockGalaxies, optional
            How galaxies are made; by default as the sections noise, sources, binning and
            cosmology of the configuration say, out to the outermost edge of the bins. The
            sources may be left to convergence maps that name theirs.

        Returns
        -------
        dict
            Id -> catalogues, one for each map of the object.

        Raises
        ------
        FitError
            There are no maps.
        ConfigError
            There are no source redshifts to draw from.
        ParameterError
            A map is smaller than the field of view.
        """
        made = self._made_catalogs(self.model_info["seed"] if seed is None else seed, mock)
        self._clear()
        self._catalogs, self._map_profiles, self._catalog_noise = made
        return dict(self._catalogs)

    def _made_catalogs(
        self, seed: int, mock: MockGalaxies | None
    ) -> tuple[dict[str, tuple[GalaxyCatalogue, ...]], dict[str, tuple[GammaTheta, ...]], float]:
        """Return catalogues behind maps, their profiles, and the noise these are weighted by."""
        from .map_catalogues import (
            catalogue_noise,
            catalogue_profile,
            checked_mock,
            map_catalogue,
            mock_of_configuration,
        )

        maps = self.maps()
        if not maps:
            raise FitError("there are no maps: assign obs_mass_map or obs_kappa_map")
        info = self.model_info
        made = mock_of_configuration(info, maps) if mock is None else checked_mock(mock)
        catalogs = {
            name: tuple(map_catalogue(one, name, made, seed) for one in parts)
            for name, parts in maps.items()
        }
        profiles = {
            name: tuple(catalogue_profile(one, info, made) for one in parts)
            for name, parts in catalogs.items()
        }
        return catalogs, profiles, catalogue_noise(made, info)

    def maps(self) -> dict[str, tuple[MassMap | KappaMap, ...]]:
        """Return the maps of each object by id, named as the observables of `objects` are.

        Raises
        ------
        ParameterError
            A mass map and a convergence map of one object, or a map and a profile: two views
            of the same data, which would count twice. Clear one of them
            (``massmod.obs_kappa_map = None``), or set `allow_same_data`.
        """
        joined: dict[str, tuple[MassMap | KappaMap, ...]]
        joined = observables_by_id((self._mass_map, self._kappa_map))
        if self.allow_same_data:
            return joined
        profiles = observables_by_id((self._gamma_theta, self._delta_sigma, self._galaxies))
        for map_name in ("obs_kappa_map", "obs_mass_map"):
            others = observables_by_id((self._mass_map,)) if map_name == "obs_kappa_map" else {}
            there = {*profiles, *others}
            twice = [
                name for name in observables_by_id((getattr(self, map_name),)) if name in there
            ]
            if twice:
                raise ParameterError(
                    map_name,
                    ", ".join(twice),
                    "of haloes without other data: two views of the same data count twice",
                    "Clear one of them, or set massmod.allow_same_data = True.",
                )
        return joined
