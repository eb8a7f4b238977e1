"""W6: haloes to mock galaxies, to shear profiles, to the pdf of each mass, to bias and scatter.

Each halo: an NFW profile, Poisson galaxies within 10 arcmin with shape noise, the profile in 8
bins, and ln L on a grid of masses. Bias and scatter: `CLMassMod.compare`, the posterior of the
integral of each L over a lognormal of masses about e^b M_true. No peer does this chain.
"""

from __future__ import annotations

import time

import numpy as np

from .harness import Options, Row, Timing
from .oracles import Array

TITLE = "W6: haloes -> mock galaxies -> profiles -> pdf of masses -> bias and scatter"
DENSITY, RADIUS = 9.7, 10.0
CONCENTRATION = 4.0
N_MASSES, N_GRID = 200, 31
BATCH = 200
PROCESSES = 2
STEPS = ("mock galaxies", "profiles", "pdf of masses", "bias and scatter")


def truth(n: int) -> tuple[Array, Array]:
    """Return true masses [Msun] and redshifts."""
    rng = np.random.default_rng(161803)
    return np.exp(rng.uniform(np.log(3e14), np.log(2e15), n)), rng.uniform(0.25, 0.6, n)


def masses() -> Array:
    """Return the grid of masses [Msun], negative ones included."""
    return np.linspace(-1e15, 5e15, N_MASSES)


def batch(rows: range) -> tuple[Array, list[float]]:
    """Return ln L, (rows, N_MASSES), of haloes by number, and the seconds of each step."""
    import clmassmod as clm
    from clmassmod.galaxies import FieldOfView, MockGalaxies, RadialBins, build_profile
    from clmassmod.maps.field import ProfileField

    true, redshift = truth(int(rows[-1]) + 1)
    mock = MockGalaxies(DENSITY, 1.2, FieldOfView.circle(RADIUS))
    bins = RadialBins(0.25, 2.0, 8)
    catalogues, profiles = [], []
    start = time.perf_counter()
    for k in rows:
        lens = ProfileField(clm.NFW(true[k], CONCENTRATION, redshift=redshift[k]))
        catalogues.append(mock.generate(lens, seed=1, halo_id=int(k)))
    made = time.perf_counter()
    for k, catalogue in zip(rows, catalogues, strict=True):
        profiles.append(build_profile(catalogue, redshift[k], bins=bins).to_gamma_theta())
    built = time.perf_counter()
    massmod = clm.CLMassMod({"concentration": CONCENTRATION})
    massmod.obs_gamma_theta = profiles
    values = massmod.sample_likelihood().log_likelihood(masses()[:, None])
    return values, [made - start, built - made, time.perf_counter() - built]


def compare(log_likelihood: Array, true: Array, redshift: Array) -> dict[str, float]:
    """Return mean and sd of bias and scatter, by `CLMassMod.compare`."""
    import clmassmod as clm
    from clmassmod.cluster.results import empty_profile

    massmod = clm.CLMassMod({"concentration": CONCENTRATION})
    grid = masses()
    prior = np.full(grid.size, -np.log(grid[-1] - grid[0]))
    massmod.out_data_profiles = [
        empty_profile(str(k), "scanpdf", float(redshift[k]), "200c")._replace(
            parameters=("mass",),
            mass_grid=grid,
            grid_log_likelihood=log_likelihood[k],
            grid_log_prior=prior,
        )
        for k in range(true.size)
    ]
    result = massmod.compare(true, {"n_grid": N_GRID, "n_threads": PROCESSES})
    found = {}
    for name in ("bias", "scatter"):
        samples = result.posteriors[name]
        found |= {name: float(samples.mean()), f"{name} sd": float(samples.std())}
    return found


def run(options: Options) -> list[Row]:
    """Measure the chain once, step by step."""
    from clmassmod.parallel import map_tasks

    size = 400 if options.quick else 10_000
    tasks = [range(a, min(a + BATCH, size)) for a in range(0, size, BATCH)]
    start = time.perf_counter()
    parts = list(map_tasks(batch, tasks, PROCESSES))
    log_likelihood = np.vstack([part[0] for part in parts])
    chain = time.perf_counter() - start
    found = compare(log_likelihood, *truth(size))
    whole_time = time.perf_counter() - start
    seconds = dict(
        zip(STEPS, np.sum([part[1] for part in parts], axis=0) / PROCESSES, strict=False)
    )
    seconds[STEPS[-1]] = whole_time - chain
    rows = [Row(f"{step}, {size} haloes", "s", _once(taken)) for step, taken in seconds.items()]
    off = abs(found["bias"])
    whole = Row(f"all, {size} haloes", "s", _once(whole_time))
    whole.error, whole.tolerance = off, 4.0 * found["bias sd"]
    whole.target = 60.0 * size / 10_000
    whole.note = (
        f"b = {found['bias']:.4f} +- {found['bias sd']:.4f} (truth 0), "
        f"scatter {found['scatter']:.3f} +- {found['scatter sd']:.3f} (truth 0); "
        f"{PROCESSES} processes; error: of the bias"
    )
    return [whole, *rows]


def _once(seconds: float) -> Timing:
    return Timing(seconds, seconds, seconds, 1)
