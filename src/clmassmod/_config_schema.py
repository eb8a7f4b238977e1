"""Every configuration key: type, default, unit, allowed range, meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PROFILES = ("NFW", "gNFW", "BMO", "Einasto", "Hernquist", "Burkert", "DK14", "Diemer23")
"""Cluster profiles that a fit can use."""
RELATIONS = ("duffy08", "bhattacharya13", "prada12", "diemer19", "ishiyama21", "constant")
"""Relations of concentration and mass."""
METHODS = ("curvefit", "minuit", "scanpdf", "emcee", "pymc", "mcmc", "nested")
"""Ways to fit; ``pymc`` and ``mcmc`` are aliases of ``emcee``."""
PARAMETERS = ("mass", "concentration", "shear_calibration")
"""Parameters that can be free."""
PRIORS: dict[str, tuple[str, ...]] = {
    "uniform": ("low", "high"),
    "log-uniform": ("low", "high"),
    "normal": ("mean", "sd"),
    "truncated-normal": ("mean", "sd", "low", "high"),
}
"""Prior distributions and their keys, in the unit of the parameter."""
DEFAULT_PRIORS: dict[str, dict[str, Any]] = {
    # flat in the mass itself, negative ones allowed: a weak signal stays unbiased
    "mass": {"distribution": "uniform", "low": -2e15, "high": 1e16},
    "concentration": {"distribution": "log-uniform", "low": 0.5, "high": 30.0},
}
"""Priors where none is given; the shear calibration has none and must be given one."""


@dataclass(frozen=True)
class Key:
    """One configuration key.

    Parameters
    ----------
    kinds : tuple of str
        Types accepted, the first that fits: text, path, integer, float, boolean, mapping,
        list of text, list of floats.
    default : object
        Value where the key is left out; None is "not given".
    doc : str
        Its meaning, in one line.
    unit : str
        Unit of the number, if it has one.
    choices : tuple of str
        Allowed texts; any if empty.
    low, high : float or None
        Allowed range of numbers.
    open_low : bool
        Whether `low` itself is excluded.
    decides_result : bool
        False if no result depends on it: then it is not part of the hash.
    """

    kinds: tuple[str, ...]
    default: Any
    doc: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    decides_result: bool = True

    def range_text(self) -> str:
        """Return the allowed range in words."""
        parts = ["finite"]
        if self.low is not None:
            parts.append(f"{'>' if self.open_low else '>='} {self.low:g}")
        if self.high is not None:
            parts.append(f"<= {self.high:g}")
        unit = f" [{self.unit}]" if self.unit else ""
        return " and ".join(parts) + unit


def _text(default: str | None, doc: str, choices: tuple[str, ...] = ()) -> Key:
    return Key(("text",), default, doc, choices=choices)


def _path(default: str | None, doc: str) -> Key:
    return Key(("path",), default, doc)


def _positive(default: float | None, doc: str, unit: str = "", high: float | None = None) -> Key:
    return Key(("float",), default, doc, unit, low=0.0, open_low=True, high=high)


def _not_negative(
    default: float | None, doc: str, unit: str = "", high: float | None = None
) -> Key:
    return Key(("float",), default, doc, unit, low=0.0, high=high)


def _count(default: int | None, doc: str, low: int = 1) -> Key:
    return Key(("integer",), default, doc, low=low)


SCHEMA: dict[str, Key | dict[str, Key]] = {
    "name": Key(("text",), "", "Name of the model, for tables and figures.", decides_result=False),
    "mass_def": _text("200c", "Mass definition: 200c, 500c, 200m, vir, any overdensity."),
    "parameters": Key(("list of text",), ["mass"], "Free parameters.", choices=PARAMETERS),
    "seed": _count(1, "Seed of every random number.", low=0),
    "profile": {
        "kind": _text("NFW", "Mass profile.", PROFILES),
        "inner_slope": _not_negative(None, "gNFW: minus the inner slope of the density."),
        "truncation": _positive(None, "BMO: truncation radius over scale radius."),
        "alpha": _positive(None, "Einasto: shape parameter."),
    },
    "concentration": {
        "relation": _text("duffy08", "Concentration where it is not free.", RELATIONS),
        "value": _positive(None, "The concentration, for relation = constant."),
    },
    "cosmology": {
        "H0": _positive(70.0, "Hubble constant.", "km/s/Mpc"),
        "Om0": _positive(0.3, "Matter density today over critical."),
        "Ode0": _not_negative(None, "Dark-energy density; without it the universe is flat."),
        "Ob0": _positive(None, "Baryon density; needed by relations that use the power spectrum."),
        "Tcmb0": _not_negative(
            0.0,
            "Temperature of the microwave background; the power spectrum has 2.7255 for 0.",
            "K",
        ),
        "sigma8": _positive(None, "Amplitude of the matter power spectrum."),
        "n_s": _positive(None, "Slope of the primordial power spectrum."),
    },
    "priors": {},
    "sources": {
        "redshift": _positive(None, "One redshift for all sources."),
        "distribution": _text(
            None,
            "A published distribution of sources.",
            ("chang2013", "desc_srd_y1", "desc_srd_y10"),
        ),
        "files": _path(None, "Source histograms, one per object: a path with `{id}`."),
        "mean_beta_s": _not_negative(None, "Mean of beta(z_s) / beta(inf).", high=1.0),
        "mean_beta_s_squared": _not_negative(None, "Mean of its square.", high=1.0),
    },
    "noise": {
        "shape_noise": _positive(
            0.25, "Standard deviation of one ellipticity component, intrinsic and measured."
        ),
        "density": _positive(10.0, "Source galaxies per area.", "arcmin^-2"),
    },
    "binning": {
        "r_min": _positive(0.2, "Inner edge of the innermost bin.", "Mpc"),
        "r_max": _positive(3.0, "Outer edge of the outermost bin.", "Mpc"),
        "n_bins": _count(10, "Number of bins."),
        "spacing": _text("log", "Spacing of the edges.", ("log", "linear")),
        "edges": Key(
            ("list of floats",),
            None,
            "The edges themselves, in place of the above.",
            "Mpc",
            low=0.0,
            open_low=True,
        ),
    },
    "simulation": {
        "n_clusters": _count(12, "Number of simulated clusters."),
        "mass_min": _positive(2e14, "Lowest true mass.", "Msun"),
        "mass_max": _positive(2e15, "Highest true mass.", "Msun"),
        "redshift_min": _positive(0.2, "Lowest redshift."),
        "redshift_max": _positive(0.6, "Highest redshift."),
    },
    "data": {
        "kind": _text("gamma_theta", "What the files hold.", ("gamma_theta", "delta_sigma")),
        "files": Key(
            ("list of text", "path"),
            None,
            "The files: a path, a list, a glob, or a path with `{id}`.",
        ),
        "ids": Key(("list of text",), None, "Name of each file's object."),
        "redshift": _positive(None, "Redshift of every object, where the files state none."),
        "redshift_table": _path(None, "Table of redshifts, by id."),
        "id_column": _text(None, "Column of ids in that table."),
        "redshift_column": _text(None, "Column of redshifts in that table."),
        "covariance": _path(None, "Covariance matrices: a path, usually with `{id}`."),
        "inverse_critical_surface_density": _positive(
            None, "delta_sigma: <Sigma_crit^-1> of the sources.", "Mpc^2/Msun"
        ),
        "shear_kind": _text(None, "gamma_theta: what the values are.", ("reduced_shear", "shear")),
        "columns": Key(("mapping",), {}, "Field to column name, or number from 0."),
        "units": Key(("mapping",), {}, "Field to unit, where the files state none."),
        "little_h": _positive(None, "Value of h, for units such as Mpc/h.", high=10.0),
        "comoving": Key(
            ("boolean", "list of text"),
            False,
            "Whether lengths and surface densities are comoving, or which of them.",
            choices=("radius", "values"),
        ),
        "group": _text(None, "HDF5 group or FITS extension."),
    },
    "fit": {
        "method": _text("emcee", "How to fit.", METHODS),
        "r_min": _not_negative(None, "Innermost radius used.", "Mpc"),
        "r_max": _positive(None, "Outermost radius used.", "Mpc"),
        "seed": _count(None, "Seed of the sampler; the seed above by default.", low=0),
        "source_average": _text(
            "exact",
            "Average over the sources: each node, or by <beta_s> and <beta_s^2>.",
            ("exact", "moments"),
        ),
        "n_grid": _count(1000, "scanpdf: number of grid points per parameter.", low=8),
        "n_walkers": _count(32, "emcee: number of walkers.", low=4),
        "n_steps": _count(2000, "emcee: steps kept per walker."),
        "n_burn": _count(500, "emcee: steps discarded first.", low=0),
        "n_live": _count(1000, "nested: number of live points.", low=10),
    },
    "output": {
        "folder": Key(("path",), "results", "Where results go.", decides_result=False),
        "report": Key(
            ("boolean",), True, "Whether to write figures and a report.", decides_result=False
        ),
    },
}
"""Section to key to its rule; keys outside any section stand first."""


def _profile(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def _concentration(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"relation": "constant", "value": value}
    return {"relation": value} if isinstance(value, str) else value


def _cosmology(value: Any) -> Any:
    """Return the section of an astropy FlatLambdaCDM or LambdaCDM without massive neutrinos."""
    parameters = getattr(value, "parameters", {})
    if type(value).__name__ not in ("FlatLambdaCDM", "LambdaCDM"):
        return value
    section = {
        key: float(getattr(parameters[key], "value", parameters[key]))
        for key in ("H0", "Om0", "Ode0", "Ob0", "Tcmb0")
        if parameters.get(key) is not None
    }
    if section.get("Ob0") == 0.0:
        del section["Ob0"]
    if section["Tcmb0"] > 0.0 and (value.has_massive_nu or value.Neff != 3.04):
        return value  # what a section cannot say
    return section


SECTION_SHORTHAND: dict[str, Callable[[Any], Any]] = {
    "profile": _profile,
    "concentration": _concentration,
    "cosmology": _cosmology,
}
"""Sections that may be a single value: ``profile = "NFW"``, ``concentration = 4.0``, an
astropy cosmology without massive neutrinos."""
