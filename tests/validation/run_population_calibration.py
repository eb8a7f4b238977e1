"""The long calibrations of the population likelihood; their numbers go into JSON files beside this.

Usage: python tests/validation/run_population_calibration.py calibration|controls FOLDER [N]

FOLDER keeps A and what is finished: a run that was killed goes on.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import numpy as np
import population_surveys as surveys
from tqdm import tqdm

from clmassmod.inference import Calibration, simulation_based_calibration
from clmassmod.provenance import provenance

HERE = Path(__file__).parent
SEED = 20261126
N_CALIBRATION = 608
"""Four seconds of one core each."""
N_CONTROLS = 50
"""A minute of one core each."""
CONTROL_LENSES = 1200
CONTROL_BOX = {
    "alpha_sps": (-0.045, 0.045),
    "mu_h": (12.41, 13.41),
    "beta_h": (1.54, 2.54),
    "sigma_h": (0.2, 0.54),
    "mu_g": (0.76, 1.24),
    "sigma_g": (0.11, 0.29),
}
"""Around the default population: five to eight standard deviations of 1200 lenses."""


# -- calibration ----------------------------------------------------------------------------------


def calibration(folder: Path, n: int = N_CALIBRATION, progress: bool = False) -> Calibration:
    """Return the calibration of the right likelihood on n surveys of 100 lenses."""
    folder.mkdir(parents=True, exist_ok=True)

    sources = surveys.fewer_sources()

    def simulate(truth: np.ndarray, seed: int) -> surveys.LensData:
        return surveys.survey(truth, seed, sources=sources)

    def posterior(lenses: surveys.LensData, seed: int) -> np.ndarray:
        likelihood = surveys.right_likelihood(lenses, folder, sources=sources)
        return surveys.posterior_samples(likelihood, seed)

    return simulation_based_calibration(
        surveys.draw_prior,
        simulate,
        posterior,
        n=n,
        seed=SEED,
        names=surveys.NAMES,
        checkpoint=folder / "right.npz",
        progress=progress,
    )


def to_content(found: Calibration) -> dict:
    """Return a calibration as plain values."""
    return {
        "names": list(found.names),
        "n_draws": found.n_draws,
        "truth": np.round(found.truth, 4).tolist(),
        "ranks": found.ranks.tolist(),
        "pit": np.round(found.pit, 3).tolist(),
        "z": np.round(found.z, 3).tolist(),
    }


def from_content(content: dict) -> Calibration:
    """Return the calibration of `to_content`."""
    columns = {name: np.array(content[name]) for name in ("truth", "ranks", "pit", "z")}
    return Calibration(tuple(content["names"]), content["n_draws"], **columns)


# -- controls -------------------------------------------------------------------------------------


def control(seed: int, folder: Path, n_lenses: int = CONTROL_LENSES) -> dict[str, list[float]]:
    """Return pulls (d,) of one survey by kind of likelihood: (best fit - truth) / sd.

    The standard deviations are those of the right likelihood. A wrong one may drive the best fit
    to a wall of the box, and its pull is then a lower limit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    truth = surveys.PARAMETERS.values
    lenses = surveys.survey(truth, seed, n_lenses)
    right = surveys.right_likelihood(lenses, folder, CONTROL_BOX)
    found, covariance = surveys.best_fit(right, truth)
    sd = np.sqrt(np.diag(covariance))
    pulls = {"right": (found - truth) / sd}
    for kind, wrong in surveys.WRONG.items():
        pulls[kind] = (surveys.best_fit(wrong(right, folder), truth)[0] - truth) / sd
    return {kind: np.round(values, 4).tolist() for kind, values in pulls.items()}


def controls(folder: Path, n: int = N_CONTROLS) -> dict[str, np.ndarray]:
    """Return pulls (n, d) by kind; every finished survey is kept in a file of its own."""
    rows = []
    for i in tqdm(range(n), desc="controls", unit="survey"):
        kept = folder / f"control-{i}.json"
        if not kept.exists():
            kept.write_text(json.dumps(control(SEED + i, folder / "tables")))
        rows.append(json.loads(kept.read_text()))
    return {kind: np.array([row[kind] for row in rows]) for kind in rows[0]}


def shift(pulls: dict[str, np.ndarray], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of wrong minus right pulls (d,), and that in its standard errors."""
    difference = pulls[kind] - pulls["right"]
    mean = difference.mean(axis=0)
    return mean, mean * np.sqrt(len(difference)) / difference.std(axis=0, ddof=1)


# -- files ----------------------------------------------------------------------------------------


def main(what: str, folder: str, n: str = "") -> None:
    """Run and write."""
    origin = provenance() | {"machine": f"{platform.machine()}, {platform.system()}", "seed": SEED}
    if what == "calibration":
        count = int(n or N_CALIBRATION)
        found = calibration(Path(folder), count, progress=True)
        print("\n".join(found.lines()))
        content = {"n_lenses": surveys.N_LENSES, "prior": surveys.PRIOR, **to_content(found)}
    else:
        count = int(n or N_CONTROLS)
        pulls = controls(Path(folder), count)
        for kind in surveys.WRONG:
            print(kind, *(np.round(one, 2) for one in shift(pulls, kind)))
        content = {
            "n_lenses": CONTROL_LENSES,
            "box": CONTROL_BOX,
            "names": surveys.NAMES,
            "pulls": {kind: rows.tolist() for kind, rows in pulls.items()},
        }
    path = HERE / f"population_{what}.json"
    path.write_text(json.dumps({"origin": origin, **content}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
