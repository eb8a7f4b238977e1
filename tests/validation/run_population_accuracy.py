"""Numerical errors of ln L of single lenses, against brute force; numbers go into a JSON file.

Usage: python tests/validation/run_population_accuracy.py FOLDER

FOLDER keeps what is finished. Two seconds of one core for a lens; a minute where the usual grid of
the brute force does not suffice.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from clmassmod.population import LensData, PopulationParameters, build_kernels, build_selection
from clmassmod.population.kernels import DEFAULT_BOX
from clmassmod.provenance import provenance
from clmassmod.stronglens import LensPopulation, MockGenerator

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from kernel_reference import BruteForce

HERE = Path(__file__).parent
SEED = 20261127
N_FRESH = 200
N_POINTS = 6
DEPTH = 12.0
"""Points further below the best of a lens do not count."""
NEARER = 3e-4
"""Where the first brute force differs by more than this, the finer one decides."""
PARAMETERS = PopulationParameters(LensPopulation())
SHIFT = np.array([0.02, 0.05, 0.05, 0.02, 0.03, 0.01])
"""Step of every parameter over which the change of ln L is compared: the slope."""


def points() -> np.ndarray:
    """Return base points (n, 6): the default population and uniform ones in the default box."""
    low, high = np.array([DEFAULT_BOX[name] for name in PARAMETERS.free]).T
    unit = np.random.default_rng(SEED).random((N_POINTS - 1, 6))
    return np.vstack([PARAMETERS.values, low + unit * (high - SHIFT - low)])


def fresh_lenses(n: int = N_FRESH) -> LensData:
    """Return detected lenses of a mock that nothing else uses."""
    return LensData.from_catalogue(MockGenerator().generate(60_000, seed=SEED))[:n]


def extreme_lenses(each: int = 5) -> tuple[LensData, list[str]]:
    """Return the most extreme of 1200 other lenses in six respects, and in which."""
    catalogue = MockGenerator().generate(300_000, seed=SEED + 1)
    lenses, data = catalogue.lenses, LensData.from_catalogue(catalogue)
    ratio = data.x_a / -data.x_b
    respects = {
        "largest x_A / |x_B|": -ratio,
        "smallest x_A / |x_B|": ratio,
        "next to the caustic": -lenses["beta"] / lenses["caustic_radius"],
        "highest magnification": -np.abs(lenses["mu_a"]),
        "lowest observed stellar mass": data.log_msps,
        "largest separation": -(data.x_a - data.x_b),
    }
    rows: list[int] = []
    labels: list[str] = []
    for label, order in respects.items():
        new = [int(i) for i in np.argsort(order) if i not in rows][:each]
        rows += new
        labels += [label] * each
    return data[np.array(rows)], labels


def compared(kernels, data: LensData, brute: BruteForce) -> dict[str, float]:
    """Return the errors of one lens: of ln L, and of its change over `SHIFT`."""
    eta = points()
    vectors = PARAMETERS.vectors(np.vstack([eta, eta + SHIFT]))
    truth = brute.log_likelihood(data, vectors)
    difference = kernels.per_lens(vectors)[:, 0] - truth
    near = truth.max() - truth < DEPTH
    slope = difference[len(eta) :] - difference[: len(eta)]
    both = near[len(eta) :] & near[: len(eta)]
    return {
        "error": float(np.abs(difference[near]).max()),
        "slope": float(np.abs(slope[both]).max(initial=0.0)),
        "slope_rms": float(np.sqrt(np.mean(slope[both] ** 2))) if both.any() else 0.0,
        "slope_at_default": float(slope[0]) if near[0] else 0.0,
        "n_near": int(near.sum()),
    }


def measured(folder: Path) -> list[dict]:
    """Return one row per lens; rows of an earlier run are read."""
    folder.mkdir(parents=True, exist_ok=True)
    extreme, labels = extreme_lenses()
    samples = [(fresh_lenses(), ["fresh"] * N_FRESH), (extreme, labels)]
    usual, finer = BruteForce.fine(10, 2e-3), None
    rows = []
    for data, kinds in samples:
        kernels = build_kernels(data)
        for i, kind in enumerate(tqdm(kinds, desc="accuracy", unit="lens")):
            path = folder / f"{len(rows):03d}.json"
            if not path.exists():
                one = compared(kernels[[i]], data[[i]], usual)
                one["finer"] = False
                # every fortieth lens as well, to see what the usual grid is worth
                if one["error"] > NEARER or i % 40 == 0:
                    finer = finer or BruteForce.fine(48, 1e-3)
                    usual_error = one["error"]
                    one = compared(kernels[[i]], data[[i]], finer)
                    one |= {"finer": True, "against_usual": usual_error}
                about = {"kind": kind, "name": data.name[i], "n_slopes": int(kernels.n_slopes[i])}
                path.write_text(json.dumps(about | one))
            rows.append(json.loads(path.read_text()))
    return rows


def staggered(folder: Path, n: int = 200) -> dict[str, Any]:
    """Return how ln A - ln A(default) changes at random points with all nodes half a step on."""
    low, high = np.array([DEFAULT_BOX[name] for name in PARAMETERS.free]).T
    inside = low + np.random.default_rng(SEED + 2).random((n, low.size)) * (high - low)
    points = np.vstack([PARAMETERS.values, inside])
    vectors = PARAMETERS.vectors(points)
    first, second = (
        build_selection(shift=shift, tables=folder).log_a(vectors) for shift in (0.0, 0.5)
    )
    change = np.abs(second - first - (second[0] - first[0]))
    return {
        "n_points": n,
        "median": float(np.median(change)),
        "share_below_1e-6": float((change < 1e-6).mean()),
        "largest": float(change.max()),
        "where": np.round(points[int(np.argmax(change))], 3).tolist(),
    }


def summary(rows: list[dict]) -> list[str]:
    """Return lines with what the rows say."""
    lines = []
    for name in ("fresh", "extreme"):
        some = [row for row in rows if (row["kind"] == "fresh") == (name == "fresh")]
        error = np.array([row["error"] for row in some])
        rms = np.array([row["slope_rms"] for row in some])
        slope = np.array([row["slope"] for row in some])
        mean = np.mean([row["slope_at_default"] for row in some])
        lines.append(
            f"{len(some)} {name}: ln L median {np.median(error):.1e}, largest {error.max():.1e}, "
            f"{(error > 1e-3).sum()} above 1e-3; slope rms {np.sqrt(np.mean(rms**2)):.1e}, "
            f"largest {slope.max():.1e}, {(slope > 1e-5).sum()} above 1e-5, "
            f"mean at the default {mean:.1e}"
        )
    worst = sorted(rows, key=lambda row: -row["error"])[:5]
    lines += [f"  {row['kind']}, galaxy {row['name']}: {row['error']:.1e}" for row in worst]
    return lines


def main(folder: str) -> None:
    """Run, print and write."""
    rows = measured(Path(folder))
    print("\n".join(summary(rows)))
    origin = provenance() | {"machine": f"{platform.machine()}, {platform.system()}", "seed": SEED}
    content = {"origin": origin, "selection": staggered(Path(folder)), "rows": rows}
    print(content["selection"])
    (HERE / "population_accuracy.json").write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
