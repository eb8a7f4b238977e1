"""`CLMassMod`: from the observed profiles of clusters to their masses."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..configuration.info import ModelInfo
from ..errors import FitError, ParameterError
from ..galaxies.shear_field import ShearField
from ..parallel import map_tasks
from ..provenance import digest, exclusive_folder
from .cluster_data import ClusterData
from .density import mass_statistics
from .fit_task import FitTask, content_digest, cut_likelihood, resumable, run_task
from .fitting import method_name, method_parameters
from .likelihood import HaloLikelihood, Observable
from .model_of_configuration import halo_model
from .results import (
    MassProfile,
    file_name,
    find_profiles,
    read_profile,
    write_profile,
)
from .sample_likelihood import SampleLikelihood
from .simulation import bin_edges
from .stack_attributes import StackArray

if TYPE_CHECKING:
    from ..ensembles.posterior import PopulationPosterior
    from .mass_bias import Comparison
    from .stack_tools import StackTools

# sections that describe the data, which are in the key of a result by themselves, and what comes
# after the fit
_DATA_SECTIONS = (
    *("data", "sources", "simulation", "noise", "binning"),
    *("stack", "ensemble", "truth"),
)


class FitInfo(dict[str, dict[str, Any]]):
    """Diagnostics of a fit by halo id: chi2, r_hat, ess, acceptance, edge, sampler, ...

    Attributes
    ----------
    method : str
    resumed : list of str
        Ids of the haloes whose saved result was taken as it is.
    failed : dict
        Id -> message of the haloes that could not be fitted.
    """

    def __init__(self, method: str) -> None:
        super().__init__()
        self.method = method
        self.resumed: list[str] = []
        self.failed: dict[str, str] = {}

    def __repr__(self) -> str:
        return (
            f"<FitInfo {self.method}: {len(self)} haloes, {len(self.resumed)} resumed, "
            f"{len(self.failed)} failed>"
        )


class CLMassMod(ClusterData):
    """A mass model and the clusters it is applied to.

    Parameters
    ----------
    model_info : ModelInfo or mapping
        What `clmassmod.utils.load_config` returns, or a dict with the same keys: profile,
        mass_def, concentration, cosmology, parameters, priors, fit.

    Examples
    --------
    >>> import numpy as np, clmassmod as clm
    >>> halo, R = clm.NFW(5e14, 4.0, redshift=0.3), np.linspace(0.3, 2.5, 8)
    >>> shear = halo.reduced_tangential_shear(R, z_s=1.0)
    >>> data = clm.GammaTheta(R, shear, np.full(8, 0.01), redshift=0.3, sources=1.0, id="a")
    >>> massmod = clm.CLMassMod({"concentration": 4.0})
    >>> massmod.obs_gamma_theta = data
    >>> profiles, fit_info = massmod.fit_mass_profiles("curvefit")
    >>> round(profiles[0].mass / 1e14, 4)
    5.0
    """

    def __init__(self, model_info: Mapping[str, Any] | None = None) -> None:
        super().__init__(ModelInfo.from_dict(model_info if model_info is not None else {}))
        self.model = halo_model(self.model_info)
        self.out_data_profiles: list[MassProfile] = []
        self.fit_info: FitInfo | None = None

    @property
    def stackTools(self) -> StackTools:
        """The stacks of all objects: ``stackTools.stack(method, presetX)``."""
        from .stack_tools import StackTools

        return StackTools(self)

    deltaSigma = StackArray("woScaling", "values")
    errSigma = StackArray("woScaling", "errors")
    avgR = StackArray("woScaling", "radius")
    F = StackArray("wScaling", "values")
    errF = StackArray("wScaling", "errors")
    avgX = StackArray("wScaling", "radius")

    def _clear(self) -> None:
        super()._clear()
        self.out_data_profiles = []
        self.fit_info = None

    def likelihood(self, halo_id: str | None = None) -> HaloLikelihood:
        """Return the likelihood of one object (the only one if `halo_id` is None)."""
        objects = self.objects()
        if halo_id is None and len(objects) == 1:
            halo_id = next(iter(objects))
        if halo_id not in objects:
            raise ParameterError("halo_id", halo_id, f"one of {', '.join(objects) or '(no data)'}")
        return self._likelihood_of(objects[halo_id])

    def sample_likelihood(self) -> SampleLikelihood:
        """Return the likelihoods of all objects as one, for one observable each."""
        return SampleLikelihood(
            [self._likelihood_of(observables) for observables in self.objects().values()]
        )

    def _likelihood_of(self, observables: Sequence[Observable | ShearField]) -> HaloLikelihood:
        return cut_likelihood(self.model, self.parameters, observables, self._limits(observables))

    def _limits(
        self, observables: Sequence[Observable | ShearField]
    ) -> tuple[float | None, float | None]:
        """Return the radii of the fit; of galaxies, where not given, those of the bins."""
        fit = self.model_info["fit"]
        limits = (fit["r_min"], fit["r_max"])
        if not any(isinstance(one, ShearField) for one in observables):
            return limits
        edges = bin_edges(self.model_info["binning"])
        low, high = limits
        return (
            float(edges[0]) if low is None else low,
            float(edges[-1]) if high is None else high,
        )

    # -- fits ------------------------------------------------------------------------------------

    def fit_mass_profiles(
        self,
        calc_method: str | None = None,
        calc_params: Mapping[str, Any] | None = None,
        save_loc: str | os.PathLike[str] | None = None,
        *,
        executor: Executor | int | None = None,
        progress: bool = False,
    ) -> tuple[list[MassProfile], FitInfo]:
        """Fit every object.

        Parameters
        ----------
        calc_method : str, optional
            'curvefit', 'minuit', 'scanpdf', 'emcee' ('pymc' an alias) or 'nested'; the one
            of the configuration by default.
        calc_params : mapping, optional
            Parameters of the method (see `clmassmod.cluster.fitting.DEFAULTS`), over those
            of the configuration.
        save_loc : path, optional
            Folder for one file per halo, each written whole as its fit ends. A rerun takes
            the results whose data, model and parameters are the same and fits the rest.
        executor : None, int or concurrent.futures.Executor, optional
            Here, by that many processes, or by the executor; the results are the same. A
            script that asks for processes needs the guard ``if __name__ == "__main__":``.
        progress : bool, optional
            Show a progress bar.

        Returns
        -------
        out_data_profiles : list of MassProfile
            In the order of the data, failed ones included (``status == "failed"``).
        fit_info : FitInfo
            Diagnostics by halo id; the sampler object too, if fitted here.

        Raises
        ------
        FitError
            There are no data, or another process is writing to `save_loc`.
        ParameterError
            The method or one of its parameters is unknown or out of range.
        """
        self.maps()  # refuses the same data twice
        method = method_name(calc_method or self.model_info["fit"]["method"])
        settings = method_parameters(method, self._settings(method, calc_params))
        tasks = list(self._tasks(method, settings, save_loc, executor is None))
        if not tasks:
            raise FitError(
                "there is nothing to fit: assign obs_gamma_theta, obs_delta_sigma, obs_galaxies, "
                "obs_mass_map or obs_kappa_map"
            )
        info = FitInfo(method)
        done = {task.halo_id: result for task in tasks if (result := resumable(task))}
        info.resumed = list(done)
        rest = [task for task in tasks if task.halo_id not in done]
        if rest:
            self.model.prepare()
        with nullcontext() if save_loc is None else exclusive_folder(save_loc):
            for profile in _with_bar(map_tasks(run_task, rest, executor), len(rest), progress):
                done[profile.halo_id] = profile
        self.out_data_profiles = [done[task.halo_id] for task in tasks]
        for profile in self.out_data_profiles:
            fit = {"chi2": profile.chi2, "dof": profile.dof}
            info[profile.halo_id] = fit | profile.diagnostics
            if profile.status == "failed":
                info.failed[profile.halo_id] = profile.message
        self.fit_info = info
        return self.out_data_profiles, info

    def _settings(self, method: str, calc_params: Mapping[str, Any] | None) -> dict[str, Any]:
        fit = self.model_info["fit"]
        keys = {
            "scanpdf": ("n_grid",),
            "emcee": ("n_walkers", "n_steps", "n_burn"),
            "nested": ("n_live",),
        }.get(method, ())
        seed = fit["seed"] if fit["seed"] is not None else self.model_info["seed"]
        return {"seed": seed, **{key: fit[key] for key in keys}, **dict(calc_params or {})}

    def _tasks(
        self,
        method: str,
        settings: dict[str, Any],
        save_loc: str | os.PathLike[str] | None,
        keep_sampler: bool,
    ) -> Iterator[FitTask]:
        taken: set[str] = set()
        for halo_id, observables in self.objects().items():
            path = ""
            if save_loc is not None:
                name = file_name(halo_id)
                if name.lower() in taken:
                    raise ParameterError("id", halo_id, "one whose file name is its own")
                taken.add(name.lower())
                path = str(Path(save_loc) / name)
            key = digest(
                self.model_info.hash(without=_DATA_SECTIONS),
                method,
                sorted(settings.items()),
                *map(content_digest, observables),
                *(self._limits(observables) if isinstance(observables[0], ShearField) else ()),
            )
            yield FitTask(
                halo_id=halo_id,
                observables=observables,
                model=self.model,
                parameters=self.parameters,
                method=method,
                calc_params=settings,
                limits=self._limits(observables),
                key=key,
                path=path,
                keep_sampler=keep_sampler,
            )

    # -- results ---------------------------------------------------------------------------------

    def save_mass_profiles(self, save_loc: str | os.PathLike[str]) -> list[str]:
        """Write every result to the folder `save_loc`; return the files."""
        self._need_results()
        self.out_data_profiles = [
            write_profile(p, Path(save_loc) / file_name(p.halo_id)) for p in self.out_data_profiles
        ]
        return [p.loc for p in self.out_data_profiles]

    def read(self, location: Any) -> list[MassProfile]:
        """Read saved results: a folder, a file, a glob, or a list of these.

        Raises
        ------
        FormatError
            No result found, or one that cannot be read.
        ParameterError
            A result in another mass definition than this model's.
        """
        profiles = [read_profile(path) for path in find_profiles(location)]
        for profile in profiles:
            if profile.mass_def != self.model.mass_def:
                raise ParameterError(
                    "mass_def",
                    profile.mass_def,
                    f"{self.model.mass_def}, as of this model",
                    f"It is that of {profile.loc}.",
                )
        self.out_data_profiles = profiles
        self.fit_info = None
        return self.out_data_profiles

    def ensemble_fit(
        self,
        calc_params: Mapping[str, Any] | None = None,
        save_loc: str | os.PathLike[str] | None = None,
        *,
        progress: bool = False,
    ) -> PopulationPosterior:
        """Fit the distribution of the true masses of all results, without knowing any of them.

        Parameters
        ----------
        calc_params : mapping, optional
            As `clmassmod.cluster.ensemble_settings.EnsembleSettings` has them: shape, proxy,
            redshift_dependence, selection, priors, seed, ...
        save_loc : path, optional
            Folder of the chain, if there are more than two parameters: a run that was killed
            goes on.
        progress : bool, optional
            Show a progress bar of a chain.

        Returns
        -------
        PopulationPosterior
            Of ``mean``, that of ln (M / pivot mass), ``scatter`` and what else is asked for.

        Raises
        ------
        FitError
            There are no results, all of them failed, or importance sampling is not reliable.
        ParameterError
            An unknown parameter, or one out of range.

        Notes
        -----
        ``L_i(theta) = int dlnM L_i(M) p(ln M | theta)``: the noise of each result is divided
        out, and so is the interim prior of those that are samples.
        """
        from .ensemble_settings import EnsembleSettings, settings_from
        from .mass_bias import fit_ensemble

        self._need_results()
        settings = settings_from(EnsembleSettings, calc_params)
        return fit_ensemble(self.out_data_profiles, settings, save_loc, progress=progress)

    def compare(
        self,
        truth: Any,
        calc_params: Mapping[str, Any] | None = None,
        save_loc: str | os.PathLike[str] | None = None,
        *,
        progress: bool = False,
    ) -> Comparison:
        """Compare the results with true masses: bias and scatter, p(M_WL | M_true).

        Parameters
        ----------
        truth : mapping, array, table or path
            True masses [Msun]: id -> mass, an array in the order of the results, a table with
            a column of ids, or its file. Missing ids and what is not a mass > 0 (-1, 0, NaN)
            are left out; masses of another definition are converted with the concentrations of
            this model; ``posteriors.notes`` tells of both.
        calc_params : mapping, optional
            As `clmassmod.cluster.ensemble_settings.CompareSettings` has them: shape,
            mass_dependence, redshift_dependence, mass_def, groups, selection, priors, seed, ...
        save_loc : path, optional
            As in `ensemble_fit`.
        progress : bool, optional
            Show a progress bar of a chain.

        Returns
        -------
        likelihoods : GridLikelihood
        posteriors : PopulationPosterior
        mass_dist_bias_samps, mass_dist_scatter_samps : (K,) ndarray
            Of the same draws: ``b = <ln (M_WL / M_true)>``, and the standard deviation of
            ``ln (M_WL / M_true)``. ``posteriors.factor`` is exp(b), ``posteriors.mean_ratio``
            the mean of M_WL / M_true.

        Raises
        ------
        FitError, ParameterError
            As in `ensemble_fit`; no result has a true mass.
        FormatError
            The file of true masses cannot be used.

        Notes
        -----
        ``<ln M_WL> = ln M + bias + mass_slope ln (M / M0) + redshift_slope ln ((1 + z) /
        (1 + z0))`` (Grandis et al. 2021, Bocquet et al. 2023).
        """
        from .ensemble_settings import CompareSettings, settings_from
        from .mass_bias import compare_masses

        self._need_results()
        settings = settings_from(CompareSettings, calc_params)
        return compare_masses(
            self.out_data_profiles, truth, self.model, settings, save_loc, progress=progress
        )

    def statistics(self, truth: Mapping[str, float] | None = None) -> Any:
        """Return a table of statistics of every fitted mass, an astropy Table.

        Columns as `clmassmod.cluster.density.mass_statistics`, with ``pit`` if `truth`
        (id -> true mass [Msun], > 0) is given. Failed fits, and haloes not in `truth`, have NaN.
        """
        from astropy.table import Table

        self._need_results()
        _check_truth(truth)
        rows = []
        for profile in self.out_data_profiles:
            row: dict[str, Any] = {"halo_id": profile.halo_id, "status": profile.status}
            if truth is not None:
                row["pit"] = math.nan
            if profile.status != "failed":
                true_mass = None if truth is None else truth.get(profile.halo_id)
                row |= mass_statistics(profile, true_mass)
            rows.append(row)
        columns = list(dict.fromkeys(key for row in rows for key in row))
        return Table(
            {key: [row.get(key, math.nan) for row in rows] for key in columns}, names=columns
        )

    def table(self) -> Any:
        """Return best fits and errors of every halo as an astropy QTable (ECSV writes it)."""
        from .table import results_table

        self._need_results()
        return results_table(self.out_data_profiles)

    def _need_results(self) -> None:
        if not self.out_data_profiles:
            raise FitError("there are no results yet: call fit_mass_profiles or read")

    def __repr__(self) -> str:
        name = self.model_info["name"] or self.model_info["profile"]["kind"]
        return (
            f"<CLMassMod {name} "
            f"{self.model.mass_def}, free {', '.join(self.parameters.names)}: "
            f"{len(self._gamma_theta)} gamma_theta, {len(self._delta_sigma)} delta_sigma, "
            f"{f'{len(self._galaxies)} galaxies, ' if self._galaxies else ''}"
            f"{len(self._mass_map)} mass_map, {len(self._kappa_map)} kappa_map, "
            f"{''.join(f'stack {name}, ' for name in self.stacks)}"
            f"{len(self.out_data_profiles)} results>"
        )


def _check_truth(truth: Any) -> None:
    if truth is None:
        return
    if not isinstance(truth, Mapping):
        raise ParameterError("truth", truth, "a mapping of halo id to true mass [Msun]")
    for halo_id, mass in truth.items():
        if not (math.isfinite(mass) and mass > 0.0):
            raise ParameterError(f"truth[{halo_id!r}]", mass, "finite and > 0 Msun")


def _with_bar(results: Iterator[MassProfile], total: int, progress: bool) -> Iterator[MassProfile]:
    if not progress or total == 0:
        yield from results
        return
    from tqdm import tqdm

    with tqdm(total=total, desc="fitting", unit="halo") as bar:
        for profile in results:
            bar.update()
            yield profile
