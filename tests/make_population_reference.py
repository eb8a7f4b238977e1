"""Write unit/population_reference.json: ln L of single lenses by the twin, at several eta.

Run ``python tests/make_population_reference.py`` with clmassmod importable; about ten minutes
on one core. The pairs of the ordinary lenses come from a mock of clmassmod, everything else from
the twins. Every number is computed with two resolutions; `error` is their largest difference.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "unit"))

import numpy as np  # noqa: E402
from population_twin import (  # noqa: E402
    Counts,
    Eta,
    Inversion,
    Model,
    Pair,
    Rule,
    cells_of,
    duffy08,
    log_likelihood,
    time_delay,
)

from lens_twin import Twin  # noqa: E402

ETAS = (
    {},
    {"alpha_sps": 0.1},
    {"mu_h": 12.5, "mu_g": 1.2},
    {"sigma_h": 0.1, "beta_h": 3.0},
    {"sigma_h": 0.6, "beta_h": 1.0, "alpha_sps": -0.1},
    {"mu_g": 0.6, "sigma_g": 0.1},
    {"mu_g": 1.4, "sigma_g": 0.4, "mu_h": 13.3},
    {"alpha_sps": 0.3, "mu_h": 12.0, "beta_h": 3.0, "sigma_h": 0.6},
)
# name -> log M*, log Re, log Mh, gamma, beta / y_c, and other data
EXTREME = {
    "near ring": (11.5, 0.9, 13.0, 1.0, 0.01, {}),
    "nearer ring": (11.6, 1.0, 13.2, 1.2, 0.003, {}),
    "wide": (11.5, 0.9, 13.0, 1.0, 0.97, {}),
    "wide, steep": (11.4, 0.8, 13.3, 1.8, 0.95, {}),
    "massive halo": (11.9, 1.3, 14.2, 1.3, 0.4, {}),
    "small": (10.8, 0.2, 12.0, 1.0, 0.5, {}),
    "near": (11.3, 0.7, 12.7, 1.1, 0.5, {"z_l": 0.12, "z_s": 0.6}),
    "far": (11.6, 0.8, 13.2, 0.7, 0.6, {"z_l": 0.8, "z_s": 3.0}),
    "unequal errors": (11.4, 0.8, 13.0, 1.0, 0.5, {"sigma_a": 0.03, "sigma_b": 0.2}),
    "outlier": (11.4, 0.8, 13.0, 1.0, 0.5, {"sigma_msps": 0.2, "wrong": (-0.5, -0.3)}),
}
SEED, N_GALAXIES, N_ORDINARY = 20251, 20_000, 30


def ordinary_pairs() -> list[Pair]:
    """Return the first detected lenses of a mock."""
    from clmassmod.stronglens import MockGenerator

    lenses = MockGenerator().generate(N_GALAXIES, seed=SEED).lenses
    columns = ("x_a", "x_b", "log_re", "m_a_obs", "m_b_obs", "log_msps_obs")
    rows = zip(*(lenses[c][:N_ORDINARY].tolist() for c in columns), strict=True)
    return [Pair(*row) for row in rows]


def extreme_pair(star, size, halo, slope, offset, data) -> Pair:
    """Return noiseless data of a source of 25.5 mag; `wrong` is added to m_B and log Msps."""
    data = dict(data)
    wrong = data.pop("wrong", (0.0, 0.0))
    planes = {k: data[k] for k in ("z_l", "z_s") if k in data}
    lens = Twin(star, halo, size, gamma_in=slope, **planes)
    image = lens.images(offset * lens.caustic_radius)
    m_a, m_b = (25.5 - 2.5 * math.log10(abs(mu)) for mu in (image.mu_a, image.mu_b))
    return Pair(image.x_a, image.x_b, size, m_a, m_b + wrong[0], star + wrong[1], **data)


def model_of(given: dict) -> Model:
    """Return the model of plain values."""
    given = dict(given)
    if "counts" in given:
        given["counts"] = Counts(**given["counts"])
    if "duffy08" in given:
        given["log_c"] = duffy08(given.pop("duffy08"))
    return Model(**given)


def extended_cases(pairs: list[Pair]):
    """Yield (name, pair, model, etas) of the less usual forms."""
    some = (0, 3, 7)
    plain = ETAS[:5]
    xi = tuple(eta | {"xi_h": -0.3, "mu_r": 0.8, "sigma_r": 0.15} for eta in plain)
    slope = tuple(eta | {"beta_sps": 0.2} for eta in plain)
    scatter = tuple(eta | {"sigma_sps": 0.05} for eta in plain[:3])
    both = ({"sigma_sps": 0.1, "beta_sps": -0.15, "xi_h": 0.4},)
    mass = tuple(eta | {"mu_star": 11.1, "sigma_star": 0.3, "shape_star": 0.4} for eta in plain)
    for i in some:
        pair = pairs[i]
        yield f"xi_h {i}", pair, {}, xi
        yield f"beta_sps {i}", pair, {}, slope
        yield f"sigma_sps {i}", pair, {}, scatter + both
        yield f"mass function {i}", pair, {}, mass
        yield f"independent {i}", pair, {"selection": "independent"}, plain
        faint = replace(pair, sigma_a=0.2, sigma_b=0.3)
        yield f"independent, errors {i}", faint, {"selection": "independent"}, plain
        yield f"slopes to 2.5 {i}", pair, {"gamma_low": 0.5, "gamma_high": 2.5}, plain
        yield f"Sersic 2.5 {i}", pair, {"sersic_n": 2.5}, plain
        counts = {"slope": -1.6, "m_star": 25.0, "m_min": 21.0, "m_max": 28.5, "density": 20.0}
        yield f"counts {i}", pair, {"counts": counts}, plain
        yield f"concentration of mass {i}", pair, {"duffy08": pair.z_l}, plain
        spread = {"duffy08": pair.z_l, "scatter_c": 0.11}
        yield f"concentration with scatter {i}", pair, spread, plain
        yield f"size errors {i}", replace(pair, sigma_re=0.05), {}, plain + xi[:1]
        delayed = replace(pair, time_delay=likely_delay(pair), sigma_delay=2.0)
        yield f"delay {i}", delayed, {}, plain


def likely_delay(pair: Pair) -> float:
    """Return the delay [days] for slope 1 and a halo of 12.9, to one decimal."""
    found = Inversion(pair, Model(), pair.log_re, 1.0, np.array([12.9]), 0.0)
    delay = time_delay(pair, Model(), pair.log_re, 1.0, np.array([12.9]), 0.0, found)
    return round(float(delay[0]), 1)


def entry(name: str, pair: Pair, given: dict, etas, rule: Rule) -> dict:
    """Return one lens as plain values, at two resolutions."""
    model, changes = model_of(given), [Eta(**eta) for eta in etas]
    coarse = cells_of(pair, model, rule)
    first = [log_likelihood(coarse, pair, model, eta) for eta in changes]
    if given.get("scatter_c") or pair.sigma_re > 0.0:
        fine = cells_of(pair, model, replace(rule, gamma_panels=rule.gamma_panels + 2), 0.02)
    else:
        fine = cells_of(pair, model, rule.finer)
    values = [log_likelihood(fine, pair, model, eta, step=0.0125) for eta in changes]
    error = max(abs(a - b) for a, b in zip(first, values, strict=True))
    print(f"{name}: {fine.gamma.size} cells, {error:.1e}", flush=True)
    data = {k: v for k, v in asdict(pair).items() if v == v}
    ln_l = [round(v, 10) for v in values]
    return {
        "name": name,
        "pair": data,
        "model": given,
        "eta": list(etas),
        "ln_l": ln_l,
        "error": float(f"{error:.1e}"),
    }


def main() -> None:
    pairs = ordinary_pairs()
    usual, dense = Rule(gamma_panels=8, width=0.1), Rule(gamma_panels=24, width=0.05)
    entries = [entry(f"ordinary {i}", pair, {}, ETAS, usual) for i, pair in enumerate(pairs)]
    for name, numbers in EXTREME.items():
        entries.append(entry(name, extreme_pair(*numbers), {}, ETAS, dense))
    for case in extended_cases(pairs):
        narrow = case[0].startswith(("delay", "Sersic"))
        entries.append(entry(*case, dense if narrow else Rule(gamma_panels=4, width=0.15)))
    lines = ",\n".join(json.dumps(e, separators=(",", ":")) for e in entries)
    (HERE / "unit" / "population_reference.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
