"""`massmod.stackTools`: the stack of all clusters of a `CLMassMod`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import FitError, ParameterError, nearest
from ..stacks.galaxy_sums import sum_galaxies
from ..stacks.profile_sums import sum_profiles
from ..stacks.scaling import ORIGINS, Scaling
from ..stacks.stack import Stack
from ..stacks.sums import StackSums, checked_method, checked_preset
from .simulation import bin_edges
from .stack_scaling import fitted_scaling, table_scaling

if TYPE_CHECKING:
    from .massmod import CLMassMod

Array = npt.NDArray[np.float64]


class StackTools:
    """Stacks of the clusters of a `CLMassMod`, reached as ``massmod.stackTools``."""

    def __init__(self, massmod: CLMassMod) -> None:
        self._massmod = massmod

    def stack(
        self,
        *arguments: Any,
        method: str | None = None,
        presetX: Any = None,
        scaling: Any = None,
        masses: Any = None,
        covariance: str | None = None,
        n_resamples: int | None = None,
        seed: int | None = None,
        id: str = "stack",
    ) -> tuple[Array, Array, Array]:
        """Stack all clusters; ``stack(method, presetX)``, by place or by name.

        Parameters
        ----------
        method : {"woScaling", "wScaling"}
            Without scaling, the mean Delta Sigma against the radius, which `fit_mass_profiles`
            then fits in place of the single clusters; or with scaling, the mean of F = Delta
            Sigma / (rho_s r_s) against x = R / r_s, which is compared with that of NFW haloes.
            That of the configuration by default.
        presetX : (n_bins + 1,) array_like
            Edges of the bins, strictly increasing: of R [physical Mpc], or of x. Those of
            `stack` in the configuration by default, or without scaling those of `binning`.
        scaling : {"fit", "truth", "table"}, Scaling or table, optional
            With scaling, where the masses come from: "fit", the results of this object (of
            the same shear, so that the result is circular, which it states); "truth" or
            "table", `masses`. A `clmassmod.stacks.Scaling`, or what `masses` may be but a
            text, will do in its place.
        masses : table, mapping or path, optional
            Columns halo_id, mass [Msun] and concentration; or id -> mass, or id -> (mass,
            concentration). Of the mass definition of the model, and without a concentration
            of its relation.
        covariance, n_resamples, seed
            As of `clmassmod.stacks.StackSums.stack`; those of the configuration by default.
        id : str
            Name of the stack, and of its fitted mass.

        Returns
        -------
        y, err, avg : (n_bins,) ndarray
            Mean, error, and mean R or x of each bin, NaN in bins without data. Also set are
            ``massmod.deltaSigma``, ``errSigma`` and ``avgR``, or ``F``, ``errF`` and
            ``avgX``; and ``massmod.stacks[method]``, the `Stack` with all there is.

        Raises
        ------
        FitError
            There are no data, or no results to scale by.
        ParameterError
            An argument is out of range; a cluster has no mass to scale by.
        """
        method, edges = self.method_and_edges(*arguments, method=method, presetX=presetX)
        sums = self.sums(method, edges, scaling=scaling, masses=masses)
        result = self.stack_of(
            sums, covariance=covariance, n_resamples=n_resamples, seed=seed, id=id
        )
        return result.values, result.errors, result.radius

    def stack_of(
        self,
        sums: StackSums,
        *,
        covariance: str | None = None,
        n_resamples: int | None = None,
        seed: int | None = None,
        id: str = "stack",
    ) -> Stack:
        """Return the stack of sums, such as those of many files, and set it as `stack` does."""
        info = self._massmod.model_info
        given = info["stack"]
        result = sums.stack(
            covariance=given["covariance"] if covariance is None else covariance,
            n_resamples=given["n_resamples"] if n_resamples is None else n_resamples,
            seed=info["seed"] if seed is None else seed,
            id=id,
        )
        self._massmod.stacks[sums.method] = result
        return result

    def sums(
        self,
        *arguments: Any,
        method: str | None = None,
        presetX: Any = None,
        scaling: Any = None,
        masses: Any = None,
    ) -> StackSums:
        """Return the sums of `stack`, to be written, and added to those of other clusters."""
        method, edges = self.method_and_edges(*arguments, method=method, presetX=presetX)
        scale = self.scaling(scaling, masses) if method == "wScaling" else None
        if scale is None and (scaling is not None or masses is not None):
            raise ParameterError("scaling", scaling, "None for method 'woScaling'")
        massmod = self._massmod
        cosmology = massmod.model.cosmology
        catalogues = massmod.catalogues()
        if not catalogues:
            objects = massmod.members()
            if not objects:
                raise FitError(
                    "there is nothing to stack: assign obs_gamma_theta, obs_delta_sigma, "
                    "obs_mass_map or obs_kappa_map"
                )
            return sum_profiles(objects, edges, scaling=scale, cosmology=cosmology)
        return StackSums.merged(
            sum_galaxies(
                one,
                [[0.0, 0.0]],
                float(one.metadata["redshift"]),
                edges,
                ids=[name],
                part=str(place) if place else "",
                scaling=scale,
                cosmology=cosmology,
                shape_noise=massmod._catalog_noise,
            )
            for name, parts in catalogues.items()
            for place, one in enumerate(parts)
        )

    def clear(self) -> None:
        """Forget all stacks: `fit_mass_profiles` fits the single clusters again."""
        self._massmod.stacks.clear()

    def method_and_edges(
        self, *arguments: Any, method: Any = None, presetX: Any = None
    ) -> tuple[str, Array]:
        """Return the method and the edges that the arguments of `stack` mean.

        By place, a text is the method and anything else the edges; what is not given is that of
        the configuration.
        """
        if len(arguments) > 2:
            raise TypeError(f"method and presetX are expected, {len(arguments)} were given")
        for one in arguments:
            if isinstance(one, str):
                if method is not None:
                    raise TypeError("method is given twice")
                method = one
            else:
                if presetX is not None:
                    raise TypeError("presetX is given twice")
                presetX = one
        info = self._massmod.model_info
        name = checked_method(info["stack"]["method"] if method is None else method)
        if presetX is None and info["stack"]["method"] == name:
            presetX = info["stack"]["edges"]
        if presetX is None and name == "woScaling":
            presetX = bin_edges(info["binning"])
        if presetX is None:
            raise ParameterError("presetX", None, "the edges of the bins of x = R / r_s")
        return name, checked_preset(presetX, name)

    def scaling(self, scaling: Any = None, masses: Any = None) -> Scaling:
        """Return what clusters are scaled by, of the arguments of `stack` or the configuration."""
        massmod = self._massmod
        info = massmod.model_info
        if isinstance(scaling, Scaling) and masses is None:
            return scaling
        if scaling is None and masses is None:
            scaling, masses = info["stack"]["scaling"], info["stack"]["masses"]
            masses = None if masses is None else info.path(masses)
        if scaling is not None and not isinstance(scaling, str):
            scaling, masses = "table", scaling
        origin = scaling or "table"
        if origin not in ORIGINS:
            allowed = f"one of {', '.join(ORIGINS)}, or a table"
            raise ParameterError("scaling", origin, allowed, nearest(origin, ORIGINS))
        if (origin == "fit") != (masses is None):
            needed = "None, since the fitted ones are used," if masses is not None else "given"
            raise ParameterError("masses", masses, f"{needed} for scaling {origin!r}")
        if origin == "fit":
            return fitted_scaling(massmod.out_data_profiles, massmod.model)
        profiles = massmod.obs_gamma_theta or massmod.obs_delta_sigma
        data: Any = massmod.members() if profiles else massmod.maps()
        redshifts = {name: parts[0].redshift for name, parts in data.items()}
        return table_scaling(masses, origin, massmod.model, redshifts)
