"""S3: ln L of a population for 1000 lenses at many points, and what it needs beforehand."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .harness import Options, Row, Timing, compare, peak_memory
from .oracles import Array

TITLE = "S3: ln L of a population of lenses, 64 points a call"
SIZE = 1000
POINTS = 64
CHECKED = 4
"""Lenses whose ln L is compared with the truth, at 6 points of the box."""
TOLERANCE = 1e-3
SEED = 17
SHARE = 290
"""Galaxies of a mock for each of its lenses, and a few more."""
POSTERIOR = {
    "alpha_sps": (-0.1, 0.1),
    "mu_h": (12.5, 13.3),
    "beta_h": (1.5, 2.6),
    "sigma_h": (0.2, 0.5),
    "mu_g": (0.75, 1.25),
    "sigma_g": (0.1, 0.3),
}
TARGETS = {"prior": 6.0, "posterior": 1.0}
"""ms a point for 1000 lenses."""
BYTES = {"prior": 30_000, "posterior": 6_000}
BUILD = 15.0
"""ms a lens."""

Factory = Callable[[], Callable[[], Any]]


@lru_cache(maxsize=2)
def lenses(size: int) -> Any:
    """Return the data of the first lenses of a mock."""
    from clmassmod.population.lens_data import LensData
    from clmassmod.stronglens import MockGenerator

    return LensData.from_catalogue(MockGenerator().generate(SHARE * size + 5000, seed=SEED))[:size]


def box(case: str) -> dict[str, tuple[float, float]]:
    """Return the ranges of "prior" or "posterior"."""
    from clmassmod.population.kernels import DEFAULT_BOX

    return dict(DEFAULT_BOX) if case == "prior" else POSTERIOR


def points(case: str, n: int = POINTS) -> Array:
    """Return points (n, 15), uniform in the box."""
    from clmassmod.population.parameters import PopulationParameters
    from clmassmod.stronglens import LensPopulation

    parameters = PopulationParameters(LensPopulation())
    low, high = np.array([box(case)[name] for name in parameters.free]).T
    unit = np.random.default_rng(SEED).uniform(size=(n, low.size))
    return parameters.vectors(low + unit * (high - low))


@lru_cache(maxsize=4)
def _kernels(case: str, size: int) -> Any:
    from clmassmod.population.kernels import build_kernels

    return build_kernels(lenses(size), box=box(case))


def _sums(case: str, size: int, threads: int = 1) -> Factory:
    def make() -> Callable[[], Any]:
        kernels, vectors = _kernels(case, size), points(case)
        return lambda: kernels.per_lens(vectors, n_threads=threads)

    return make


def _build(case: str, size: int, threads: int = 1) -> Factory:
    def make() -> Callable[[], Any]:
        from clmassmod.population.kernels import build_kernels

        data = lenses(size)
        return lambda: build_kernels(data, box=box(case), n_threads=threads)

    return make


def implementations(case: str, size: int) -> dict[str, Factory]:
    """Return what builds the call on `size` lenses; `case` is "prior" or "posterior"."""
    return {"ours": _sums(case, size)}


# -- accuracy -------------------------------------------------------------------------------------


def _error(case: str) -> float:
    """Return the greatest deviation of ln L [nat] from sums over a grid of 8500 x 100 cells."""
    vectors, kernels, worst = points(case, 6), _kernels(case, CHECKED), 0.0
    for i in range(CHECKED):
        truth = _brute_force(lenses(CHECKED)[i], vectors)
        near = truth > truth.max() - 12.0
        worst = max(worst, float(np.abs(kernels[i].per_lens(vectors)[:, 0] - truth)[near].max()))
    return worst


def _brute_force(data: Any, vectors: Array) -> Array:
    """Return ln L by inverting the pair in every cell: halo masses, and Gauss panels of slopes.

    The inversion and the counts are ours, tested by S2 and the tests; the rule and the densities
    of the population are not.
    """
    from scipy.special import log_ndtr, logsumexp
    from scipy.stats import norm, truncnorm

    from clmassmod.population.parameters import PARAMETERS
    from clmassmod.stronglens import ImagePhotometry, InversionGrid, SourcePopulation

    sources, step = SourcePopulation(), 2e-3
    node, weight = np.polynomial.legendre.leggauss(10)
    gamma = (0.1 * (1.0 + node) + np.arange(0.0, 2.0, 0.2)[:, None]).ravel()
    halo = np.arange(8.0, 16.5, step)
    photometry = ImagePhotometry(sources.counts, float(data.sigma_a[0]), float(data.sigma_b[0]))
    cells = InversionGrid(halo, gamma).invert_images(
        data.x_a, data.x_b, data.log_re, m_a=data.m_a, m_b=data.m_b, photometry=photometry
    )
    row, column = np.nonzero((cells.status[0] == 0) & (cells.beta[0] > 0.0))
    at = (0, row, column)
    area = 2.0 * math.pi * step * np.tile(0.1 * weight, 10)[row]
    log_weight = np.log(area * cells.beta[at] * cells.jacobian[at])
    log_weight += cells.log_photometry[at]
    log_weight += math.log(float(sources.density_per_kpc2(0.3)) / sources.density)
    result = []
    for vector in vectors:
        p = dict(zip(PARAMETERS, vector.tolist(), strict=True))
        x = cells.log_mstar[at] - p["alpha_sps"]
        z = (x - p["mu_star"]) / p["sigma_star"]
        low, high = ((s - p["mu_g"]) / p["sigma_g"] for s in (0.0, 2.0))
        terms = log_weight + norm.logpdf(data.log_msps[0], x, data.sigma_msps[0])
        terms += norm.logpdf(z) + math.log(2.0 / p["sigma_star"])
        terms += log_ndtr(10.0 ** p["shape_star"] * z)
        mean_re = p["mu_r"] + p["beta_r"] * (x - 11.4)
        terms += norm.logpdf(data.log_re[0], mean_re, p["sigma_r"])
        terms += norm.logpdf(halo[column], p["mu_h"] + p["beta_h"] * (x - 11.4), p["sigma_h"])
        terms += truncnorm.logpdf(gamma[row], low, high, p["mu_g"], p["sigma_g"])
        result.append(logsumexp(terms))
    return np.array(result)


# -- rows -----------------------------------------------------------------------------------------


def run(options: Options) -> list[Row]:
    """Measure sums and builds with the box of a prior and of a posterior, and the scaling."""
    size = SIZE // 10 if options.quick else SIZE
    rows = []
    for case in ("prior", "posterior"):
        print(f"  {case}", flush=True)
        error = _error(case)
        rows += [_sum_row(case, size, error, options), _build_row(case, error, options)]
    print("  scaling", flush=True)
    return rows + _scaling(size, options)


def _per_1000(time: Timing, size: int) -> Timing:
    """Return the time a point for 1000 lenses, from that of a call on `size`."""
    return time.per(POINTS * size / 1000.0)


def _sum_row(case: str, size: int, error: float, options: Options) -> Row:
    row = Row(f"box of a {case}, {size} lenses", "ms/point/1000 lenses")
    row.error, row.tolerance, row.target = error, TOLERANCE, TARGETS[case]
    if error <= TOLERANCE:
        row.ours = _per_1000(compare({"ours": _sums(case, size)()}, options.repeats)["ours"], size)
    if options.memory:
        row.memory = peak_memory("s3_population", case, "ours", size // 10, 10)
    kernels = _kernels(case, size)
    each = kernels.n_nodes
    row.note = (
        f"{kernels.nbytes / size / 1e3:.1f} kB a lens ({BYTES[case] / 1e3:g} asked for), "
        f"nodes: mean {each.mean():.0f}, largest {each.max()}; truth: brute force"
    )
    return row


def _build_row(case: str, error: float, options: Options) -> Row:
    count = 10
    row = Row(f"build, box of a {case}", "ms/lens")
    row.error, row.tolerance, row.target = error, TOLERANCE, BUILD
    if error <= TOLERANCE:
        time = compare({"ours": _build(case, count)()}, options.repeats)["ours"]
        row.ours = time.per(count)
    return row


def _scaling(size: int, options: Options) -> list[Row]:
    """x0.1, x1, x10 lenses and 1, 2 threads, with the box of a posterior."""
    rows = []
    for count in (size // 10, size, 10 * size):
        calls = {f"{n}": _sums("posterior", count, n)() for n in (1, 2)}
        times = compare(calls, options.repeats)
        for n in (1, 2):
            label = f"scaling, box of a posterior, {count} lenses, {n} thread{'s'[: n - 1]}"
            rows.append(Row(label, "ms/point/1000 lenses", _per_1000(times[f"{n}"], count)))
    return rows
