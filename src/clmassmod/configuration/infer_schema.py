"""Every configuration key of an inference of a lens population."""

from __future__ import annotations

from .mock_schema import MOCK_SCHEMA, SELECTIONS
from .model_schema import (
    Key,
    Schema,
    count_key,
    not_negative_key,
    path_key,
    positive_key,
    text_key,
)

KINDS = ("image_pairs", "einstein_radius")
"""Kinds of data."""
UNITS = ("kpc", "arcsec")
"""Units of positions of images."""
FORMS = ("lenses", "any_lens", "one_lens")
"""What a galaxy counts for."""
STARTS = ("laplace", "prior")
SAMPLERS = ("emcee", "nautilus")


def _column(doc: str) -> Key:
    return Key(("text",), None, doc)


_LENS = MOCK_SCHEMA["lens"]
_NOISE = MOCK_SCHEMA["noise"]
_DETECTION = MOCK_SCHEMA["detection"]
assert not isinstance(_LENS, Key)
assert not isinstance(_NOISE, Key)
assert not isinstance(_DETECTION, Key)

INFER_SCHEMA: Schema = {
    "sim_id": text_key(None, "Name of the set: tables are in `data/tables/<sim_id>`. Needed."),
    "run_id": text_key(
        None, "Name of the run: its folder is `inference/<sim_id>/<run_id>`. Needed."
    ),
    "seed": Key(("integer",), 1, "Seed of the sampler.", low=0, high=2**64 - 1),
    "free": Key(
        ("list of text",),
        None,
        "Free parameters; alpha_sps, mu_h, beta_h, sigma_h, mu_g, sigma_g. Counts of the sources "
        "too: source_slope, source_m_star, source_density.",
    ),
    "form": text_key(
        "lenses",
        "What the sample has of a galaxy with several detected sources: all of them, one of them, "
        "or nothing.",
        FORMS,
    ),
    "n_galaxies": positive_key(
        None, "Number of galaxies searched; given, the number of lenses counts too."
    ),
    "n_threads": Key(
        ("integer",),
        1,
        "Threads, 0 for all; results are the same for any number.",
        low=0,
        decides_result=False,
    ),
    "data": {
        "kind": text_key("image_pairs", "What is observed of a lens.", KINDS),
        "file": path_key(
            None, "Catalogue of `clmassmod mock` (HDF5), or a table: ECSV, CSV, FITS. Needed."
        ),
        "non_lenses": path_key(
            None,
            "image_pairs: the galaxies without a lens of a complete sample, in a catalogue or a "
            "table with log_re, log_msps and, where they differ, sigma_msps and z_l. With form "
            "any_lens, without n_galaxies.",
        ),
        "unit": text_key("kpc", "Unit of x_a and x_b in a table that states none.", UNITS),
        "columns": {
            "name": _column("Name of the lens. Columns are found by these keys by default."),
            "x_a": _column("image_pairs: distance of the outer image from the lens, > 0."),
            "x_b": _column("image_pairs: that of the inner image, < 0, on the other side."),
            "m_a": _column("image_pairs: magnitude of the outer image."),
            "m_b": _column("image_pairs: magnitude of the inner image."),
            "sigma_a": _column("Error of m_a; [noise] magnitude without it."),
            "sigma_b": _column("Error of m_b; [noise] magnitude without it."),
            "time_delay": _column("image_pairs: delay of B after A in days; NaN for none."),
            "sigma_delay": _column("Error of the delay; [noise] time_delay without it."),
            "theta_e": _column("einstein_radius: Einstein radius in arcsec."),
            "sigma_theta": _column("Error of theta_e; [noise] theta_e without it."),
            "log_re": _column("log10 of the half-light radius in kpc."),
            "r_e": _column("einstein_radius: half-light radius in kpc, in place of log_re."),
            "sigma_re": _column("Error of log_re; [noise] log_re without it."),
            "log_msps": _column("log10 of the stellar mass of synthesis in Msun."),
            "sigma_msps": _column("Error of log_msps; [noise] log_msps without it."),
            "z_l": _column("Redshift of the lens; [lens] z_l without it."),
            "z_s": _column("Redshift of the source; [sources] redshift without it."),
        },
    },
    "population": MOCK_SCHEMA["population"],
    "lens": {name: _LENS[name] for name in ("z_l", "sersic_n")},
    "sources": MOCK_SCHEMA["sources"],
    "field_counts": {
        "edges": Key(
            ("list of floats",), None, "Bins of a field's sources, for free counts.", "mag"
        ),
        "numbers": Key(("list of floats",), None, "Sources in each bin."),
        "area": positive_key(None, "Area of the field.", "arcmin^2"),
        "sigma": not_negative_key(0.0, "Error of the field's magnitudes.", "mag"),
        "completeness": Key(("list of floats",), None, "Fraction found in each bin; 1."),
    },
    "noise": {
        **_NOISE,
        "theta_e": not_negative_key(0.0, "Error of the Einstein radius.", "arcsec"),
    },
    "finding": {
        "slope": Key(
            ("float",),
            0.0,
            "einstein_radius: find_slope where it is not free; 0 finds every radius alike.",
            "1/arcsec",
        ),
        "radius": Key(
            ("float",), 1.0, "einstein_radius: find_radius where it is not free.", "arcsec"
        ),
    },
    "detection": {
        "limit": _DETECTION["limit"],
        "selection": text_key(
            "on_data",
            "Whether the magnitudes that are fitted decided detection, or others of independent "
            "noise.",
            SELECTIONS,
        ),
    },
    "cosmology": MOCK_SCHEMA["cosmology"],
    "box": {},
    "priors": {},
    "sampler": {
        "name": text_key("emcee", "How to sample.", SAMPLERS),
        "target_ess": positive_key(
            None, "Effective samples of every parameter to stop at; 2000 (nautilus: 4000)."
        ),
        "n_walkers": count_key(None, "emcee: walkers, even; the larger of 32 and 4 a parameter."),
        "max_steps": count_key(None, "emcee: steps to stop at in any case; 20000.", low=200),
        "start": text_key(None, "emcee: where walkers start; laplace.", STARTS),
        "n_live": count_key(None, "nautilus: live points; 1000.", low=100),
        "n_networks": count_key(None, "nautilus: neural networks; 0.", low=0),
        "max_calls": count_key(None, "nautilus: calls to stop at in any case; 10 million."),
    },
    "output": {
        "figures": Key(
            ("boolean",), True, "Whether to write figures and a report.", decides_result=False
        ),
    },
}
"""Section to key, or to a section in it, to its rule."""
