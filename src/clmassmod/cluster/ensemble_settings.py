"""Settings of populations of fitted haloes, as `compare` and `ensemble_fit` take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..ensembles.relation import ProxySelection
from ..errors import ParameterError, nearest
from ..inference.priors import prior_from_dict


@dataclass(frozen=True)
class EnsembleSettings:
    """Parameters of `CLMassMod.ensemble_fit`.

    Parameters
    ----------
    shape : str
        Of the distribution of ln M: ``normal``, ``skew-normal``, ``student-t``, ``mixture``.
    redshift_dependence, scatter_redshift_dependence : bool
        Whether mean and ln sd^2 have a slope with ``ln ((1 + z) / (1 + pivot_redshift))``.
    pivot_mass : float, optional
        [Msun]; 3e14, and the geometric mean of the true masses in `CLMassMod.compare`.
    pivot_redshift : float, optional
        By default that of the mean ln (1 + z).
    selection : ProxySelection or mapping of its parameters, optional
        A threshold in a noisy proxy of the mass that the sample has passed.
    priors : mapping
        Parameter -> prior (or a mapping that describes one), in place of the default.
    seed, n_grid, n_samples : int
        As `sample_population` takes.
    n_threads : int
        0 for all.
    proxy : mapping, optional
        Id -> value > 0 of a proxy on which ln M is regressed: ``proxy_slope`` times
        ``ln (proxy / geometric mean)``.
    """

    shape: str = "normal"
    redshift_dependence: bool = False
    scatter_redshift_dependence: bool = False
    pivot_mass: float | None = None
    pivot_redshift: float | None = None
    selection: Any = None
    priors: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1
    n_grid: int = 51
    n_samples: int = 4000
    n_threads: int = 1
    proxy: Mapping[str, float] | None = None


@dataclass(frozen=True)
class CompareSettings(EnsembleSettings):
    """Parameters of `CLMassMod.compare`: those of an ensemble but for the proxy, and these.

    Parameters
    ----------
    mass_dependence, scatter_mass_dependence : bool
        Whether bias and ln sd^2 have a slope with ``ln (M_true / pivot_mass)``.
    mass_def : str, optional
        Of the true masses, by default what a table says, else that of the fit.
    column, id_column, unit : str, optional
        Of a table of true masses, see `clmassmod.cluster.truth.read_truth`.
    groups : mapping, optional
        Id of a result -> halo: results of one halo, its projections, are correlated. The halo
        names the true mass where the id does not.
    """

    mass_dependence: bool = False
    scatter_mass_dependence: bool = False
    mass_def: str | None = None
    column: str = "mass"
    id_column: str | None = None
    unit: str | None = None
    groups: Mapping[str, str] | None = None


def settings_from(kind: type[Any], given: Mapping[str, Any] | None) -> Any:
    """Return checked settings.

    Raises
    ------
    ParameterError
        An unknown key, or a value of the wrong kind.
    """
    values = dict(given or {})
    known = [f.name for f in fields(kind)]
    if kind is CompareSettings:
        known.remove("proxy")
    for key in values:
        if key not in known:
            raise ParameterError(
                key, values[key], f"one of {', '.join(known)}", nearest(key, known)
            )
    for key, value in values.items():
        if key.endswith("_dependence") and not isinstance(value, bool):
            raise ParameterError(key, value, "true or false")
    for key in ("pivot_mass", "pivot_redshift"):
        value = values.get(key)
        low = 0.0 if key == "pivot_mass" else -1.0
        if value is not None and not (isinstance(value, int | float) and low < value < 1e30):
            raise ParameterError(key, value, f"a number > {low:g}")
    if isinstance(values.get("selection"), Mapping):
        values["selection"] = _selection(values["selection"])
    values["priors"] = {
        name: prior_from_dict(dict(p), f"priors.{name}") if isinstance(p, Mapping) else p
        for name, p in dict(values.get("priors") or {}).items()
    }
    return kind(**values)


def _selection(given: Mapping[str, Any]) -> ProxySelection:
    known = [f.name for f in fields(ProxySelection)]
    for key in given:
        if key not in known:
            raise ParameterError(f"selection.{key}", given[key], f"one of {', '.join(known)}")
    if "log_threshold" not in given:
        raise ParameterError("selection.log_threshold", None, "given")
    return ProxySelection(**given)
