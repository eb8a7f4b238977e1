"""W3: the likelihood of a stacked survey profile with all its effects.

Each call: (1 - f) + f miscentred (Gamma offsets) of an NFW halo with its two-halo term, reduced
shear, averages over 15 bins, boost factor, ln L with a full covariance; five free parameters
change from call to call.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from . import peers
from .harness import Options, Row, compare, deviation
from .oracles import Array, inverse_critical_surface_density

TITLE = "W3: likelihood of a stacked profile: miscentring, two-halo, boost, reduced shear, bins"
REDSHIFT, SOURCES, CONCENTRATION = 0.3, 1.0, 5.0
EDGES = np.geomspace(0.03, 30.0, 16)
CALLS, BATCH = 10_000, 64
NAMES = ["mass", "miscentring_fraction", "miscentring_scale", "boost_b0", "boost_rs"]
RANGES = np.array([(1e14, 1e15), (0.0, 0.6), (0.05, 0.4), (0.0, 0.5), (0.3, 1.5)])
CHECKED = np.array([3e14, 0.3, 0.15, 0.2, 0.7])
_COSMOLOGY = {"H0": 70.0, "Om0": 0.3, "Ob0": 0.05, "sigma8": 0.8, "n_s": 0.96}
TOLERANCE = 1e-5


def likelihood() -> Any:
    """Return our likelihood of a profile in 15 bins."""
    import clmassmod as clm

    low, high = EDGES[:-1], EDGES[1:]
    radius = 2.0 / 3.0 * (high**3 - low**3) / (high**2 - low**2)
    errors = 2e13 / radius
    covariance = np.diag(errors**2) + 0.05 * np.outer(errors, errors)
    priors = {
        name: {"distribution": "uniform", "low": a, "high": b}
        for name, (a, b) in zip(NAMES, RANGES.tolist(), strict=True)
    }
    massmod = clm.CLMassMod(
        {
            "concentration": CONCENTRATION,
            "cosmology": _COSMOLOGY,
            "parameters": NAMES,
            "priors": priors,
            "miscentring": {"distribution": "gamma"},
            "two_halo": {"combine": "sum"},
            "fit": {"bin_average": True},
        }
    )
    massmod.obs_delta_sigma = clm.DeltaSigma(
        radius,
        8e13 / radius,
        covariance=covariance,
        redshift=REDSHIFT,
        radius_min=low,
        radius_max=high,
        inverse_critical_surface_density=_inverse(),
    )
    return massmod.likelihood()


def _inverse() -> float:
    return float(inverse_critical_surface_density(REDSHIFT, SOURCES))


def points(n: int) -> Array:
    """Return n parameter vectors."""
    u = np.random.default_rng(577215).uniform(size=(n, len(NAMES)))
    return RANGES[:, 0] + (RANGES[:, 1] - RANGES[:, 0]) * u


# -- the truth ------------------------------------------------------------------------------------


def _two_halo(R: Array, power: Any, mass: float) -> tuple[Array, Array]:
    """Return Sigma and Delta Sigma: Bessel integrals between zeros, Euler's averages of the sums.

    The linear power itself is ours.
    """
    from scipy import special

    from .oracles import critical_density

    density = 0.3 * float(critical_density(0.0)) * (1.0 + REDSHIFT) ** 2
    bias = float(power.halo_bias(mass, REDSHIFT, "200c"))
    node, weight = np.polynomial.legendre.leggauss(24)
    result = []
    for order in (0, 2):
        zeros = special.jn_zeros(order, 300)
        column = []
        for r in R * (1.0 + REDSHIFT):
            first = np.concatenate([[0.0], np.geomspace(1e-7, 1.0, 120) * zeros[0] / r])
            fine = np.arange(0.02, min(2.0, zeros[-1] / r), 0.02)
            edges = np.unique(np.concatenate([first, zeros / r, fine]))
            half = 0.5 * np.diff(edges)[:, None]
            k = edges[:-1, None] + half * (node + 1.0)
            values = k * power.power(k, REDSHIFT) * special.jv(order, k * r)
            upto = np.cumsum(np.sum(half * weight * values, axis=1))
            sums = upto[np.searchsorted(edges[1:], zeros / r * (1.0 - 1e-12))][-60:]
            while sums.size > 1:
                sums = 0.5 * (sums[1:] + sums[:-1])
            column.append(sums[0] / (2.0 * np.pi))
        result.append(density * bias * np.array(column))
    return result[0], result[1]


def _graded(low: float, high: float, ends: tuple[bool, bool], n: int) -> tuple[Array, Array]:
    """Return nodes and weights of panels graded towards some of the two ends."""
    half = 0.5 * (high - low)
    steps = half * 0.25 ** np.arange(n, -1, -1.0)
    left = low + steps if ends[0] else np.array([low + half])
    right = (high - steps)[::-1] if ends[1] else np.array([high])
    edges = np.unique(np.concatenate([[low], left, right, [high]]))
    node, weight = np.polynomial.legendre.leggauss(12)
    width = 0.5 * np.diff(edges)[:, None]
    return (edges[:-1, None] + width * (node + 1.0)).ravel(), (width * weight).ravel()


def truth(power: Any) -> Array:
    """Return the model at `CHECKED` by quadrature over offsets, angles and bins, (15,)."""
    from scipy.interpolate import CubicSpline

    from .oracles import overdensity_radius

    mass, f, s, b0, r_s = CHECKED
    scale, density = peers.numpy_nfw_scales(
        np.array([mass]), np.array([CONCENTRATION]), np.atleast_1d(overdensity_radius(mass, 0.3))
    )
    knots = np.geomspace(1e-5, 60.0, 600)
    surface, excess = _two_halo(knots, power, mass)
    splines = [CubicSpline(np.log(knots), values) for values in (surface, excess)]
    inverse = _inverse()

    def measured(r: Array) -> Array:
        flat = np.clip(r.ravel(), knots[0], knots[-1])
        one = peers.numpy_nfw(flat, scale, density)
        sigma, delta = (a + spline(np.log(flat)) for a, spline in zip(one, splines, strict=True))
        gamma, rest = delta * inverse, 1.0 - sigma * inverse
        return np.where(np.abs(gamma) > np.abs(rest), rest / gamma, gamma / rest).reshape(r.shape)

    angle, share = _graded(0.0, np.pi, (True, False), 12)
    node, weight = np.polynomial.legendre.leggauss(8)
    model = []
    for low, high in itertools.pairwise(EDGES):
        at = 0.5 * (low + high) + 0.5 * (high - low) * node
        values = []
        for R in at:
            parts = [_graded(0.0, min(R, 30 * s), (False, True), 10)]
            if 30 * s > R:
                parts.append(_graded(R, 30 * s, (True, False), 10))
            d = np.concatenate([part[0] for part in parts])[:, None]
            w = np.concatenate([part[1] for part in parts])
            square = np.sin(0.5 * angle) ** 2
            r = np.sqrt((R - d) ** 2 + 4.0 * R * d * square)
            c = (R - d + 2.0 * d * square) / r
            ring = measured(r) * (2.0 * c * c - 1.0) @ share / np.pi
            moved = np.sum(w * d[:, 0] / s**2 * np.exp(-d[:, 0] / s) * ring)
            values.append((1.0 - f) * measured(np.array([R]))[0] + f * moved)
        part = 0.5 * (high - low) * weight * at
        model.append(np.sum(part * values) / np.sum(part))
    radius = 2.0 / 3.0 * (EDGES[1:] ** 3 - EDGES[:-1] ** 3) / (EDGES[1:] ** 2 - EDGES[:-1] ** 2)
    x = radius / r_s
    q = np.sqrt(np.abs(x * x - 1.0))
    shape = np.where(x < 1.0, np.arctanh(np.where(x < 1.0, q, 0.0)), np.arctan(q)) / q
    return np.array(model) / inverse / (1.0 + b0 * (1.0 - shape) / (x * x - 1.0))


# -- the measurement ------------------------------------------------------------------------------


def _clmm_calls() -> dict[str, Any]:
    """Return CLMM's Delta Sigma of one offset, and of the two-halo term, in 15 radii."""
    model = peers.clmm_model("nfw")
    radius = np.sqrt(EDGES[1:] * EDGES[:-1])
    return {
        "CLMM, one offset": lambda: model.eval_excess_surface_density(radius, REDSHIFT, r_mis=0.15),
        "CLMM, two-halo alone": lambda: model.eval_excess_surface_density_2h(radius, REDSHIFT),
    }


def run(options: Options) -> list[Row]:
    """Check the model, then time single calls and batches of `BATCH` of 1e4 different points."""
    one = likelihood()
    (found,) = one.predict(CHECKED[None, :])
    error = deviation(found[0], truth(one.model.power))
    table = points(1000 if options.quick else CALLS)
    one.log_likelihood(table)  # makes the matrices of all scales
    batches = [table[i : i + BATCH] for i in range(0, len(table), BATCH)]
    place = {"single": 0, "batch": 0}

    def single() -> Any:
        place["single"] = (place["single"] + 1) % len(table)
        return one.log_likelihood(table[place["single"]])

    def batch() -> Any:
        place["batch"] = (place["batch"] + 1) % len(batches)
        return one.log_likelihood(batches[place["batch"]])

    calls = {"single": single, "batch": batch}
    if peers.installed("clmm"):
        calls |= peers.quietly(_clmm_calls)
    times = compare(calls, options.repeats)
    rows = []
    for name, case, count in (
        ("single", "one parameter vector a call", 1),
        ("batch", f"{BATCH} vectors a call, time of each", BATCH),
    ):
        row = Row(case, "ms", error=error, tolerance=TOLERANCE, target=0.2)
        row.ours = times[name].per(count) if row.accurate else None
        rows.append(row)
    for name in [name for name in times if name.startswith("CLMM")]:
        row = Row("one parameter vector a call", "ms", rows[0].ours, name, times[name])
        row.note = "the peer does a part of the model, without a likelihood"
        rows.append(row)
    if len(rows) == 2:
        rows.append(Row("one parameter vector a call", "ms", note="skipped: clmm not installed"))
    return rows
