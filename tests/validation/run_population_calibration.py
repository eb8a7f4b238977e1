"""The long calibration of the population likelihood; its numbers go into a JSON file.

Usage: python tests/validation/run_population_calibration.py FOLDER [N]

FOLDER keeps A and the checkpoint: a run that was killed goes on. About seven seconds of one core
a survey.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path

import numpy as np
import population_surveys as surveys

from clmassmod.inference import Calibration, simulation_based_calibration
from clmassmod.provenance import provenance

SEED = 20261126
N = 320
RESULTS = Path(__file__).with_name("population_calibration.json")


def run(folder: Path, n: int = N, kind: str = "right", progress: bool = True) -> Calibration:
    """Return the calibration of one kind of likelihood."""
    folder.mkdir(parents=True, exist_ok=True)
    return simulation_based_calibration(
        *surveys.calibration_functions(kind, folder),
        n=n,
        seed=SEED,
        names=surveys.NAMES,
        checkpoint=folder / f"{kind.replace(' ', '_')}.npz",
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


def origin() -> dict:
    """Return machine, versions and commit of a run."""
    return provenance() | {"machine": f"{platform.machine()}, {platform.system()}"}


def main(folder: str, n: str = str(N)) -> None:
    """Run, print and write."""
    start = time.process_time()
    found = run(Path(folder), int(n))
    print("\n".join(found.lines()))
    content = {
        "what": f"{n} surveys of {surveys.N_LENSES} lenses, truths uniform in `prior`",
        "prior": surveys.PRIOR,
        "seed": SEED,
        "cpu_seconds_of_last_session": round(time.process_time() - start),
        **origin(),
        "calibration": to_content(found),
    }
    RESULTS.write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
