"""Write the profiles of examples/simulated and their true masses (seed 7).

Usage: python make_simulated.py FOLDER
"""

import sys
from pathlib import Path

from clmassmod.cluster.simulation import simulate_sample

MODEL_INFO = {
    "seed": 7,
    "sources": {"redshift": 1.0},
    "noise": {"shape_noise": 0.25, "density": 20.0},
    "simulation": {"n_clusters": 4},
}


def main(folder):
    """Write one file per cluster, and truth.csv."""
    sample = simulate_sample(MODEL_INFO)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for observable in sample.observables:
        observable.write(target / f"{observable.id}.ecsv")
    lines = ["halo_id,mass_Msun"]
    lines += [f"{name},{mass:.6e}" for name, mass in sample.true_masses.items()]
    (target / "truth.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
