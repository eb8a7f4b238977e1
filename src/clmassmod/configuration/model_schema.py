"""Every configuration key: type, default, unit, allowed range, meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

PROFILES = ("NFW", "gNFW", "BMO", "Einasto", "Hernquist", "Burkert", "DK14", "Diemer23")
"""Cluster profiles that a fit can use."""
RELATIONS = ("duffy08", "bhattacharya13", "prada12", "diemer19", "ishiyama21", "constant")
"""Relations of concentration and mass."""
NEED_POWER = ("bhattacharya13", "prada12", "diemer19", "ishiyama21")
"""Those that need the power spectrum."""
SOURCE_DISTRIBUTIONS = ("chang2013", "desc_srd_y1", "desc_srd_y10")
"""Published redshift distributions of sources."""
METHODS = ("curvefit", "minuit", "scanpdf", "emcee", "pymc", "mcmc", "nested")
"""Ways to fit; ``pymc`` and ``mcmc`` are aliases of ``emcee``."""
DATA_KINDS = ("gamma_theta", "delta_sigma", "mass_map", "kappa_map")
"""Observables that files may hold."""
BARYONS = ("schneider19", "cromer22")
"""Models of the baryons of a halo."""
STACK_METHODS = ("woScaling", "wScaling")
"""Ways to stack."""
PARAMETERS = (
    *("mass", "concentration", "shear_calibration"),
    *("centre", "centre_x", "centre_y"),
    *("miscentring_fraction", "miscentring_scale", "boost_b0", "boost_rs", "two_halo_bias"),
)
"""Parameters that can be free; centre stands for both of its components."""
POPULATION_SHAPES = ("normal", "skew-normal", "student-t", "mixture")
"""Shapes of the distribution of ln M in a population."""
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
"""Priors where none is given; other parameters have none and must be given one."""


@dataclass(frozen=True)
class Key:
    """One configuration key.

    Parameters
    ----------
    kinds : tuple of str
        Types accepted, the first that fits: text, path, integer, float, boolean, mapping, section,
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
    open_low, open_high : bool
        Whether `low` or `high` itself is excluded.
    note : str
        What to say besides where a number is outside the range.
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
    open_high: bool = False
    note: str = ""
    decides_result: bool = True

    def range_text(self) -> str:
        """Return the allowed range in words, with its unit and the note."""
        limits = self.limits()
        unit = f" [{self.unit}]" if self.unit else ""
        note = f". {self.note}" if self.note else ""
        return " and ".join(["finite", *([limits] if limits else [])]) + unit + note

    def limits(self) -> str:
        """Return the limits of numbers in words, "" without any."""
        parts = []
        if self.low is not None:
            parts.append(f"{'>' if self.open_low else '>='} {self.low:g}")
        if self.high is not None:
            parts.append(f"{'<' if self.open_high else '<='} {self.high:g}")
        return " and ".join(parts)


Schema: TypeAlias = Mapping[str, "Key | Schema"]
"""Section to key, or to a section in it, to its rule."""


def text_key(default: str | None, doc: str, choices: tuple[str, ...] = ()) -> Key:
    """Return the rule of a text."""
    return Key(("text",), default, doc, choices=choices)


def path_key(default: str | None, doc: str) -> Key:
    """Return the rule of a path."""
    return Key(("path",), default, doc)


def positive_key(default: float | None, doc: str, unit: str = "", high: float | None = None) -> Key:
    """Return the rule of a number > 0."""
    return Key(("float",), default, doc, unit, low=0.0, open_low=True, high=high)


def not_negative_key(
    default: float | None, doc: str, unit: str = "", high: float | None = None
) -> Key:
    """Return the rule of a number >= 0."""
    return Key(("float",), default, doc, unit, low=0.0, high=high)


def count_key(default: int | None, doc: str, low: int = 1) -> Key:
    """Return the rule of a whole number >= `low`."""
    return Key(("integer",), default, doc, low=low)


def _flag(doc: str) -> Key:
    return Key(("boolean",), False, doc)


COSMOLOGY: dict[str, Key] = {
    "H0": Key(
        ("float",),
        70.0,
        "Hubble constant, not h.",
        "km/s/Mpc",
        low=10.0,
        high=500.0,
        note="For h = 0.7 it is 70",
    ),
    "Om0": positive_key(0.3, "Matter density today over critical.", high=5.0),
    "Ode0": not_negative_key(
        None, "Dark-energy density; without it the universe is flat.", high=3.0
    ),
    "Ob0": positive_key(None, "Baryon density; needed by relations that use the power spectrum."),
    "Tcmb0": not_negative_key(
        0.0,
        "Temperature of the microwave background; the power spectrum has 2.7255 for 0.",
        "K",
        high=10.0,
    ),
    "sigma8": positive_key(None, "Amplitude of the matter power spectrum."),
    "n_s": positive_key(None, "Slope of the primordial power spectrum."),
}
"""Keys of the section that describes the universe."""

SCHEMA: dict[str, Key | dict[str, Key]] = {
    "name": Key(("text",), "", "Name of the model, for tables and figures.", decides_result=False),
    "mass_def": text_key("200c", "Mass definition: 200c, 500c, 200m, vir, any overdensity."),
    "parameters": Key(("list of text",), ["mass"], "Free parameters.", choices=PARAMETERS),
    "seed": count_key(1, "Seed of every random number.", low=0),
    "profile": {
        "kind": text_key("NFW", "Mass profile.", PROFILES),
        "inner_slope": not_negative_key(None, "gNFW: minus the inner slope of the density."),
        "truncation": positive_key(None, "BMO: truncation radius over scale radius."),
        "alpha": positive_key(None, "Einasto: shape parameter."),
    },
    "baryons": {
        "kind": text_key(
            None, "Model of gas and stars; without it the halo is of dark matter alone.", BARYONS
        ),
        "baryon_fraction": Key(
            ("float",),
            None,
            "Share of baryons in all matter; Ob0 / Om0 by default.",
            low=0.0,
            high=1.0,
            open_low=True,
            open_high=True,
        ),
        "core": positive_key(
            None, "Core of the gas over R_200c, theta_co; 0.1, or 0.5 for cromer22."
        ),
        "truncation": positive_key(None, "Where the halo ends over R_200c, epsilon; 4."),
        "ejection": positive_key(None, "schneider19: how far gas is driven, theta_ej; 4."),
        "mass_scale": positive_key(
            None, "schneider19: M_c of the slope of the gas; 6.6e13 / 0.7.", "Msun"
        ),
        "mass_slope": not_negative_key(None, "schneider19: mu of the slope of the gas; 0.21."),
        "stellar_fraction": not_negative_key(None, "schneider19: A of the stars; 0.09."),
        "stellar_mass_scale": positive_key(
            None, "schneider19: M_1 of the stars; 2.5e11 / 0.7.", "Msun"
        ),
        "stellar_slope": positive_key(None, "schneider19: eta of all stars; 0.32."),
        "central_slope": positive_key(None, "schneider19: eta of the central galaxy; 0.6."),
        "galaxy_size": positive_key(
            None, "schneider19: size R_h of the central galaxy over R_200c; 0.015."
        ),
        "relaxation": Key(
            ("float",),
            None,
            "schneider19: a of the relaxation of dark matter; 0.3.",
            low=0.0,
            high=1.0,
            open_high=True,
        ),
        "relaxation_power": positive_key(None, "schneider19: its power n; 2."),
        "sharpness": positive_key(None, "cromer22: how sharply the slope of the gas turns; 0.88."),
        "outer": not_negative_key(None, "cromer22: minus the outer slope of the gas; 3.83."),
        "inner": Key(
            ("float",),
            None,
            "cromer22: minus the inner slope of the gas; 0.2.",
            high=3.0,
            open_high=True,
        ),
    },
    "concentration": {
        "relation": text_key("duffy08", "Concentration where it is not free.", RELATIONS),
        "value": positive_key(None, "The concentration, for relation = constant."),
    },
    "cosmology": COSMOLOGY,
    "miscentring": {
        "distribution": text_key(
            None, "Distribution of the offsets of miscentred haloes.", ("gamma", "rayleigh")
        ),
        "fraction": not_negative_key(None, "Part of the haloes that is miscentred.", high=1.0),
        "scale": Key(("float",), None, "Scale of the distribution.", "Mpc", low=1e-3, high=5.0),
    },
    "two_halo": {
        "combine": text_key(
            None,
            "Add the two-halo term, or take it where it is denser than the halo.",
            ("sum", "max"),
        ),
        "bias": not_negative_key(None, "Its bias; that of the mass by default.", high=100.0),
    },
    "boost": {
        "b0": not_negative_key(None, "Boost factor of members: amplitude.", high=100.0),
        "r_s": Key(
            ("float",), None, "Boost factor of members: scale.", "Mpc", low=1e-3, high=100.0
        ),
    },
    "priors": {},
    "sources": {
        "redshift": positive_key(None, "One redshift for all sources."),
        "distribution": text_key(
            None,
            "A published distribution of sources.",
            SOURCE_DISTRIBUTIONS,
        ),
        "files": path_key(None, "Source histograms, one per object: a path with `{id}`."),
        "mean_beta_s": not_negative_key(None, "Mean of beta(z_s) / beta(inf).", high=1.0),
        "mean_beta_s_squared": not_negative_key(None, "Mean of its square.", high=1.0),
    },
    "noise": {
        "shape_noise": positive_key(
            0.25, "Standard deviation of one ellipticity component, intrinsic and measured."
        ),
        "density": positive_key(10.0, "Source galaxies per area.", "arcmin^-2"),
    },
    "binning": {
        "r_min": positive_key(0.2, "Inner edge of the innermost bin.", "Mpc"),
        "r_max": positive_key(3.0, "Outer edge of the outermost bin.", "Mpc"),
        "n_bins": count_key(10, "Number of bins."),
        "spacing": text_key("log", "Spacing of the edges.", ("log", "linear")),
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
        "n_clusters": count_key(12, "Number of simulated clusters."),
        "mass_min": positive_key(2e14, "Lowest true mass.", "Msun"),
        "mass_max": positive_key(2e15, "Highest true mass.", "Msun"),
        "redshift_min": positive_key(0.2, "Lowest redshift."),
        "redshift_max": positive_key(0.6, "Highest redshift."),
    },
    "data": {
        "kind": text_key("gamma_theta", "What the files hold.", DATA_KINDS),
        "files": Key(
            ("list of text", "path"),
            None,
            "The files: a path, a list, a glob, or a path with `{id}`.",
        ),
        "ids": Key(("list of text",), None, "Name of each file's object."),
        "redshift": positive_key(None, "Redshift of every object, where the files state none."),
        "redshift_table": path_key(None, "Table of redshifts, by id."),
        "id_column": text_key(None, "Column of ids in that table."),
        "redshift_column": text_key(None, "Column of redshifts in that table."),
        "covariance": path_key(None, "Covariance matrices: a path, usually with `{id}`."),
        "inverse_critical_surface_density": positive_key(
            None, "delta_sigma: <Sigma_crit^-1> of the sources.", "Mpc^2/Msun"
        ),
        "shear_kind": text_key(
            None, "gamma_theta: what the values are.", ("reduced_shear", "shear")
        ),
        "columns": Key(("mapping",), {}, "Field to column name, or number from 0."),
        "units": Key(("mapping",), {}, "Field to unit, where the files state none."),
        "little_h": positive_key(None, "Value of h, for units such as Mpc/h.", high=10.0),
        "comoving": Key(
            ("boolean", "list of text"),
            False,
            "Whether lengths and surface densities are comoving, or which of them.",
            choices=("radius", "values", "pixel_scale", "depth"),
        ),
        "pixel_scale": positive_key(
            None, "Maps: side of a pixel, in place of what the files state; in its unit or Mpc."
        ),
        "depth": positive_key(None, "Maps: projected length, likewise."),
        "sampling": text_key(None, "Maps: what pixels are.", ("pixel", "point")),
        "source_redshift": positive_key(
            None, "kappa_map: redshift of what the convergence is for, where no file states it."
        ),
        "group": text_key(None, "HDF5 group or FITS extension."),
    },
    "fit": {
        "method": text_key("emcee", "How to fit.", METHODS),
        "r_min": not_negative_key(None, "Innermost radius used.", "Mpc"),
        "r_max": positive_key(None, "Outermost radius used.", "Mpc"),
        "seed": count_key(None, "Seed of the sampler; the seed above by default.", low=0),
        "source_average": text_key(
            "exact",
            "Average over the sources: each node, or by <beta_s> and <beta_s^2>.",
            ("exact", "moments"),
        ),
        "bin_average": Key(
            ("boolean",),
            None,
            "Average the model over the area of each bin; by default where the data have bins.",
        ),
        "n_grid": count_key(1000, "scanpdf: number of grid points per parameter.", low=8),
        "n_walkers": count_key(32, "emcee: number of walkers.", low=4),
        "n_steps": count_key(2000, "emcee: steps kept per walker."),
        "n_burn": count_key(500, "emcee: steps discarded first.", low=0),
        "n_live": count_key(1000, "nested: number of live points.", low=10),
    },
    "stack": {
        "method": text_key(
            "woScaling",
            "woScaling: Delta Sigma by radius; wScaling: scaled by the NFW profile of each.",
            STACK_METHODS,
        ),
        "edges": Key(
            ("list of floats",),
            None,
            "Edges of the bins [Mpc], or of x = R / r_s; those of [binning] by default.",
            low=0.0,
        ),
        "scaling": text_key(
            "fit", "wScaling: where the masses come from.", ("fit", "truth", "table")
        ),
        "masses": path_key(None, "Table of them: halo_id, mass and perhaps concentration."),
        "covariance": text_key(
            "shape", "Of the data, or of the clusters.", ("shape", "bootstrap", "jackknife")
        ),
        "n_resamples": count_key(500, "bootstrap: number of resamples.", low=2),
    },
    "ensemble": {
        "results": Key(
            ("list of text", "path"),
            None,
            "Folders of fitted masses, added up; that of output by default.",
        ),
        "shape": text_key("normal", "Shape of the distribution of ln M.", POPULATION_SHAPES),
        "mass_dependence": _flag("compare: whether the bias has a slope with ln M_true."),
        "redshift_dependence": _flag("Whether the mean has a slope with ln(1 + z)."),
        "scatter_mass_dependence": _flag("compare: whether ln(scatter^2) has one with ln M_true."),
        "scatter_redshift_dependence": _flag("Whether ln(scatter^2) has one with ln(1 + z)."),
        "pivot_mass": positive_key(None, "Mass where slopes do not count.", "Msun"),
        "pivot_redshift": not_negative_key(None, "Redshift where slopes do not count."),
        "proxy_table": path_key(None, "ensemble: table of a proxy on which ln M is regressed."),
        "proxy_column": text_key("proxy", "Its column."),
        "selection": Key(
            ("section",),
            {},
            "The threshold that a proxy has passed: log_threshold, intercept, slope, scatter.",
        ),
        "priors": Key(("section",), {}, "Parameter to its prior, such as those of [priors]."),
        "n_grid": count_key(51, "Points of the grid of bias and scatter on each axis.", low=8),
        "n_samples": count_key(4000, "Samples of the posterior.", low=100),
    },
    "truth": {
        "file": path_key(None, "Table of true masses by id, for compare."),
        "column": text_key("mass", "Column of the masses."),
        "id_column": text_key(None, "Column of the ids; halo_id, id or name by default."),
        "unit": text_key(None, 'Unit of the masses, such as `"1e14 Msun"`, if the file has none.'),
        "mass_def": text_key(None, "Their definition; by default that of the fit."),
        "groups": path_key(None, "Table of the halo of every result, where they are projections."),
        "group_column": text_key("group", "Its column."),
    },
    "output": {
        "folder": Key(("path",), "results", "Where results go.", decides_result=False),
        "report": Key(
            ("boolean",), True, "Whether to write figures and a report.", decides_result=False
        ),
    },
}
"""Section to key to its rule; keys outside any section stand first."""


def _kind(value: Any) -> Any:
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
    "profile": _kind,
    "baryons": _kind,
    "concentration": _concentration,
    "cosmology": _cosmology,
}
"""Sections that may be a single value: ``profile = "NFW"``,
``baryons = "schneider19"``, ``concentration = 4.0``, an
astropy cosmology without massive neutrinos."""
