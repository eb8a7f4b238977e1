"""Every configuration key of a mock catalogue of strong lenses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .model_schema import (
    COSMOLOGY,
    RELATIONS,
    SECTION_SHORTHAND,
    SOURCE_DISTRIBUTIONS,
    Key,
    Schema,
    count_key,
    not_negative_key,
    positive_key,
    text_key,
)

PRESETS = ("deVauc", "SerExp", "Sersic")
"""Populations, by the light profile their relations were fitted to (Sonnenfeld et al. 2019)."""
SELECTIONS = ("on_data", "independent")
"""What detection acts on."""
HALOES = ("m200c", "m5kpc")
"""What the halo mass is."""

_SAME = "The same for every galaxy, in place of the keys below."
_PIVOT = "log10 Msps where the other keys hold."


def _number(doc: str, unit: str = "", default: float | None = None) -> Key:
    return Key(("float",), default, doc, unit)


def _magnitude(doc: str, default: float) -> Key:
    return Key(("float",), default, doc, "mag", low=-50.0, high=50.0)


MOCK_SCHEMA: Schema = {
    "name": Key(("text",), "", "Name of the mock; kept in config.json only.", decides_result=False),
    "seed": Key(("integer",), 1, "Seed of every random number.", low=0, high=2**64 - 1),
    "n_galaxies": count_key(100_000, "Number of galaxies, lenses or not."),
    "time_delays": Key(("boolean",), False, "Whether to compute time delays."),
    "chunk": Key(
        ("integer",),
        65_536,
        "Galaxies that are in memory at a time.",
        low=1,
        decides_result=False,
    ),
    "population": {
        "preset": text_key("deVauc", "Relations, unless given below.", PRESETS),
        "imf": text_key("chabrier", "Initial mass function of Msps; recorded only."),
        "stellar_mass": {
            "value": _number(_SAME, "log10 Msun"),
            "location": _number("Skew-normal distribution of log10 Msps: its location.", "dex"),
            "scale": positive_key(None, "Its scale.", "dex"),
            "log10_shape": Key(
                ("float",), None, "log10 of its shape parameter.", low=-10.0, high=10.0
            ),
        },
        "size": {
            "value": _number(_SAME, "log10 kpc"),
            "intercept": _number("Mean log10 of the half-light radius at the pivot.", "log10 kpc"),
            "slope": _number("Its change per dex of Msps."),
            "scatter": not_negative_key(None, "Scatter about the mean.", "dex"),
            "pivot": _number(_PIVOT, "log10 Msun"),
        },
        "halo_mass": {
            "value": _number(_SAME, "log10 Msun"),
            "mu": _number("Mean log10 of the halo mass at the pivot.", "log10 Msun"),
            "beta": _number("Its change per dex of Msps."),
            "xi": _number("Its change per dex of size above the mean size at that mass."),
            "sigma": not_negative_key(None, "Scatter about the mean.", "dex"),
            "pivot": _number(_PIVOT, "log10 Msun"),
        },
        "inner_slope": {
            "value": Key(("float",), None, _SAME, low=0.0, high=2.0, open_high=True),
            "distribution": text_key(
                None, "Distribution of the halo's inner slope.", ("normal", "uniform")
            ),
            "mean": _number("normal: mean."),
            "sd": positive_key(None, "normal: standard deviation."),
            "low": not_negative_key(None, "Lowest inner slope.", high=2.0),
            "high": not_negative_key(None, "Highest inner slope.", high=2.0),
        },
        "mismatch": {
            "alpha": _number("log10 of true stellar mass over Msps, at the pivot.", "dex"),
            "scatter": not_negative_key(None, "Scatter about the mean.", "dex"),
            "slope": _number("Its change per dex of Msps."),
            "pivot": _number(_PIVOT, "log10 Msun"),
        },
        "concentration": {
            "relation": text_key("constant", "Concentration of the halo.", RELATIONS),
            "value": positive_key(None, "For relation = constant; 5 by default."),
            "scatter": not_negative_key(0.0, "Scatter about the relation.", "dex"),
        },
    },
    "lens": {
        "z_l": Key(
            ("float", "list of floats"),
            0.3,
            "Redshift of every lens, or two between which lenses are uniform.",
            low=0.0,
            open_low=True,
        ),
        "sersic_n": Key(
            ("float",), 4.0, "Sersic index of the stars.", low=0.5, high=20.0, open_high=True
        ),
        "halo": text_key(
            "m200c", "What halo_mass is: M200c, or the dark mass projected inside 5 kpc.", HALOES
        ),
        "scale_radius": positive_key(None, "m5kpc: scale radius of the halo.", "kpc"),
    },
    "sources": {
        "redshift": positive_key(None, "Redshift of every source; 2 by default."),
        "distribution": text_key(
            None, "A published distribution of sources, in its place.", SOURCE_DISTRIBUTIONS
        ),
        "slope": _number("Number counts: slope a of L^(a+1) exp(-L).", default=-1.3),
        "m_star": _magnitude("Number counts: magnitude of L = 1.", 24.5),
        "m_min": _magnitude("Brightest magnitude without lensing.", 20.0),
        "m_max": _magnitude("Faintest magnitude without lensing.", 30.0),
        "density": positive_key(
            28.57, "Sources per area, of all magnitudes.", "arcmin^-2", high=1e5
        ),
        "size": positive_key(
            None, "Median radius of the sources; points without it.", "arcsec", high=10.0
        ),
        "size_scatter": positive_key(
            None, "Scatter of log10 of the radius; 0.2 by default.", "dex"
        ),
    },
    "noise": {
        "magnitude": not_negative_key(0.1, "Error of each observed magnitude.", "mag"),
        "log_msps": not_negative_key(0.1, "Error of log10 of the observed Msps.", "dex"),
        "log_re": not_negative_key(0.0, "Error of log10 of the observed size.", "dex"),
        "time_delay": not_negative_key(None, "Error of the observed time delays.", "day"),
    },
    "detection": {
        "limit": _number("Faintest observed magnitude of a detected image.", "mag", 26.5),
        "selection": text_key(
            "on_data",
            "Whether the observed magnitudes decide detection, or others of independent noise.",
            SELECTIONS,
        ),
    },
    "cosmology": COSMOLOGY,
    "output": {
        "folder": Key(("path",), "mock-output", "Where results go.", decides_result=False),
        "figures": Key(("boolean",), True, "Whether to write figures.", decides_result=False),
    },
}
"""Section to key, or to a section in it, to its rule."""


def _value(content: Any) -> Any:
    return {"value": content} if _is_number(content) else content


def _alpha(content: Any) -> Any:
    return {"alpha": content} if _is_number(content) else content


def _is_number(content: Any) -> bool:
    return isinstance(content, int | float) and not isinstance(content, bool)


MOCK_SHORTHAND: dict[str, Callable[[Any], Any]] = {
    "population.stellar_mass": _value,
    "population.size": _value,
    "population.halo_mass": _value,
    "population.inner_slope": _value,
    "population.mismatch": _alpha,
    "population.concentration": SECTION_SHORTHAND["concentration"],
    "cosmology": SECTION_SHORTHAND["cosmology"],
}
"""Sections that may be a single value: ``inner_slope = 1.0``, ``concentration = "duffy08"``."""
