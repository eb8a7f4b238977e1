"""W5: likelihood of the reduced shear of single galaxies behind one NFW halo.

chi^2 = sum (g_obs - g_t(R_i, z_i; M, c))^2 / sigma^2 for a new (M, c) at every call: ours builds
the halo, evaluates g and sums. Distances do not depend on (M, c) and are found once per data set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from . import oracles, peers
from .harness import Options, Row, compare, peak_memory
from .models import CONCENTRATION, MASS, REDSHIFT
from .oracles import Array

TITLE = "W5: per-galaxy reduced-shear likelihood"
SIGMA = 0.25
Z_MIN, Z_MAX = REDSHIFT + 0.1, 4.0
EXACT = 10
"""Galaxies of CLMM's average over n(z), an adaptive quadrature each; its time is per galaxy."""
CHECKED = 300

Factory = Callable[[], Callable[[], Any]]
Model = Callable[[], Array]


@dataclass(frozen=True)
class Data:
    """Radii [Mpc], source redshifts and observed reduced shears, (n,) each."""

    R: Array
    z: Array
    g: Array


@lru_cache(maxsize=4)
def data(size: int) -> Data:
    """Return `size` galaxies uniform on the sky between 0.2 and 3 Mpc, z from n(z)."""
    rng = np.random.default_rng(31415)
    R = np.sqrt(rng.uniform(0.2**2, 3.0**2, size))
    grid = np.linspace(Z_MIN, Z_MAX, 4001)
    cumulative = np.cumsum(density_of_sources(grid))
    z = np.interp(rng.uniform(0.0, 1.0, size), cumulative / cumulative[-1], grid)
    return Data(R, z, rng.normal(0.05, SIGMA, size))


def density_of_sources(z: Any) -> Any:
    """Return n(z) of Chang et al. (2013), not normalised."""
    return z**1.24 * np.exp(-((z / 0.51) ** 1.01))


def _chi2(g: Model, d: Data) -> Callable[[], float]:
    def call() -> float:
        residual = d.g - g()
        return float(np.dot(residual, residual)) / SIGMA**2

    return call


# -- g of the galaxies ----------------------------------------------------------------------------


def _ours(kind: str, d: Data, threads: int) -> Model:
    import clmassmod as clm
    from clmassmod.profiles.lensing import resolve_sources

    z_s: Any = d.z
    if kind != "discrete":
        z_s = _distribution()
    if kind == "moments":
        z_s = z_s.beta_moments(REDSHIFT)
    cosmology = clm.NFW(MASS, CONCENTRATION, REDSHIFT).cosmology
    sources = resolve_sources(z_s, REDSHIFT, (), d.R.shape, cosmology)

    def model() -> Array:
        halo = clm.NFW(MASS, CONCENTRATION, REDSHIFT)
        return np.asarray(halo.reduced_tangential_shear(d.R, sources, n_threads=threads))

    return model


def _distribution() -> Any:
    """Return our n(z), 16 nodes: as many as the quadrature by hand, for 1e-8 in g."""
    import clmassmod as clm

    return clm.SourceDistribution.from_function(
        density_of_sources, Z_MIN, Z_MAX, panel_width=1.0, order=8
    )


def _clmm(kind: str, d: Data) -> Model:
    """CLMM's own call for these sources."""
    model = peers.clmm_model("nfw")
    if kind == "discrete":
        return lambda: model.eval_reduced_tangential_shear(d.R, REDSHIFT, d.z)
    if kind == "moments":
        beta = tuple(_beta_moments())
        arguments = {"z_src_info": "beta", "approx": "order2"}
        return lambda: model.eval_reduced_tangential_shear(d.R, REDSHIFT, beta, **arguments)
    limits = {"zmin": Z_MIN, "zmax": Z_MAX}
    arguments = {"z_src_info": "distribution", "integ_kwargs": limits}
    return lambda: model.eval_reduced_tangential_shear(
        d.R[:EXACT], REDSHIFT, density_of_sources, **arguments
    )


def _clmm_at_infinity(kind: str, d: Data) -> Model:
    """CLMM for one source plane, the rest by hand with beta_s known: its fastest way."""
    model = peers.clmm_model("nfw")
    far = model.z_inf
    beta, weight = _beta_nodes(d, kind)

    def call() -> Array:
        gamma = model.eval_tangential_shear(d.R, REDSHIFT, far)
        kappa = model.eval_convergence(d.R, REDSHIFT, far)
        return _averaged(gamma, kappa, beta, weight)

    return call


def _numpy(kind: str, d: Data) -> Model:
    """The closed form in numpy, beta_s known."""
    inverse = float(oracles.inverse_critical_surface_density(REDSHIFT, 1000.0))
    beta, weight = _beta_nodes(d, kind)
    radius = oracles.overdensity_radius(MASS, REDSHIFT)

    def call() -> Array:
        scales = peers.numpy_nfw_scales(np.float64(MASS), np.float64(CONCENTRATION), radius)
        sigma, excess = peers.numpy_nfw(d.R, *scales)
        return _averaged(excess * inverse, sigma * inverse, beta, weight)

    return call


def _averaged(gamma: Array, kappa: Array, beta: Array, weight: Array | None) -> Array:
    """Return g for beta_s of each galaxy, or averaged over nodes (one by one, for memory)."""
    if weight is None:
        return np.asarray(beta * gamma / (1.0 - beta * kappa))
    total = np.zeros_like(gamma)
    for b, w in zip(beta, weight, strict=True):
        total += w * b * gamma / (1.0 - b * kappa)
    return total


# -- sources, independently of ours ---------------------------------------------------------------


def _beta_s(z: Any) -> Array:
    at_far = oracles.inverse_critical_surface_density(REDSHIFT, 1000.0)
    return oracles.inverse_critical_surface_density(REDSHIFT, z) / at_far


@lru_cache(maxsize=2)
def _nodes(count: int = 16) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    z = Z_MIN + 0.5 * (Z_MAX - Z_MIN) * (1.0 + nodes)
    weights = weights * density_of_sources(z)
    return z, weights / weights.sum()


def _beta_moments() -> tuple[float, float]:
    z, weight = _nodes()
    return float(weight @ _beta_s(z)), float(weight @ _beta_s(z) ** 2)


def _beta_nodes(d: Data, kind: str) -> tuple[Array, Array | None]:
    if kind == "discrete":
        return _beta_s(d.z), None
    z, weight = _nodes()
    return _beta_s(z), weight


def _truth(kind: str, d: Data) -> Array:
    radius = oracles.overdensity_radius(MASS, REDSHIFT)
    sigma, excess = oracles.nfw(d.R, MASS, CONCENTRATION, radius)
    if kind == "discrete":
        inverse = oracles.inverse_critical_surface_density(REDSHIFT, d.z)
        return oracles.reduced_shear(sigma, excess, inverse)
    z, weight = _nodes(200)
    inverse = oracles.inverse_critical_surface_density(REDSHIFT, z)
    return oracles.reduced_shear(sigma[:, None], excess[:, None], inverse) @ weight


# -- rows -----------------------------------------------------------------------------------------

KINDS = {
    "discrete": ("each galaxy its z", 1e-10),
    "distribution": ("exact average over n(z)", 1e-8),
    "moments": ("average by <beta>, <beta^2>", 1e-2),
}
"""Kind of sources -> what it is called, and the error allowed against the exact average."""


def _models(kind: str, d: Data) -> dict[str, Callable[[], Model]]:
    made: dict[str, Callable[[], Model]] = {
        "ours": lambda: _ours(kind, d, 1),
        "ours 2": lambda: _ours(kind, d, 2),
    }
    if peers.installed("clmm"):
        name = f"CLMM, {EXACT} galaxies" if kind == "distribution" else "CLMM"
        made[name] = lambda: _clmm(kind, d)
    if kind == "moments":
        return made
    if peers.installed("clmm"):
        made["CLMM, one plane, beta_s by hand"] = lambda: _clmm_at_infinity(kind, d)
    made["numpy closed form, beta_s known"] = lambda: _numpy(kind, d)
    return made


def implementations(case: str, size: int) -> dict[str, Factory]:
    """Return, by name, what builds the chi^2 of `case` (a kind of sources) for `size` galaxies."""
    d = data(size)

    def factory(name: str, make: Callable[[], Model]) -> Factory:
        some = Data(d.R[:EXACT], d.z[:EXACT], d.g[:EXACT]) if _is_subset(name) else d
        return lambda: _chi2(make(), some)

    return {name: factory(name, make) for name, make in _models(case, d).items()}


def _is_subset(name: str) -> bool:
    return name == f"CLMM, {EXACT} galaxies"


def run(options: Options) -> list[Row]:
    """Measure the three kinds of sources and the scaling of each."""
    size = 10_000 if options.quick else 100_000
    rows = []
    for kind in KINDS:
        print(f"  {kind}", flush=True)
        rows += _against_peers(kind, size, options)
    for kind in KINDS:
        rows += _scaling(kind, size, options)
    return rows


def _errors(kind: str) -> dict[str, float]:
    """Greatest deviation of g, relative to the g of the same galaxy."""
    d = data(CHECKED)
    truth = _truth(kind, d)
    errors = {}
    for name, make in _models(kind, d).items():
        values = np.asarray(peers.quietly(lambda make=make: make()()))
        errors[name] = float(np.max(np.abs(values / truth[: values.size] - 1.0)))
    return errors


def _against_peers(kind: str, size: int, options: Options) -> list[Row]:
    label, tolerance = KINDS[kind]
    errors = _errors(kind)
    made = implementations(kind, size)
    accurate = errors["ours"] <= tolerance
    calls = {
        name: peers.quietly(make)
        for name, make in made.items()
        if name != "ours 2" and (accurate or name != "ours")
    }
    times = peers.quietly(lambda: compare(calls, options.repeats))
    # every time is that of the whole data set, also where a peer did a part of it
    times = {n: t.per(EXACT / size) if _is_subset(n) else t for n, t in times.items()}
    used = _memory(kind, list(calls), size, options)
    others = [name for name in calls if name != "ours"] or [""]
    rows = []
    for i, name in enumerate(others):
        row = Row(f"chi2, {label}, n = {size}", "ms/call", times.get("ours"), name, times.get(name))
        row.error, row.peer_error = errors["ours"], errors.get(name)
        row.tolerance, row.target = tolerance, (1.0 * size / 1e5 if i == 0 else None)
        row.memory, row.peer_memory = used.get("ours"), used.get(name)
        row.note = "truth: mpmath NFW, quadrature distances; ours builds the halo" if i == 0 else ""
        rows.append(row)
    return rows


def _memory(kind: str, names: list[str], size: int, options: Options) -> dict[str, int | None]:
    if not options.memory:
        return {}
    return {n: peak_memory("w5_galaxy_likelihood", kind, n, size, 20) for n in names}


def _scaling(kind: str, size: int, options: Options) -> list[Row]:
    rows = []
    for count in (size // 10, size, 10 * size):
        made = implementations(kind, count)
        calls = {f"ours {n}": made["ours 2" if n == 2 else "ours"]() for n in (1, 2)}
        quick = "numpy closed form, beta_s known"
        if quick in made and kind == "discrete":
            calls[quick] = made[quick]()
        times = {n: t.per(count) for n, t in compare(calls, options.repeats).items()}
        for n in (1, 2):
            case = f"scaling, {KINDS[kind][0]}, n = {count}, {n} thread{'s'[: n - 1]}"
            name = quick if n == 1 and quick in times else ""
            rows.append(Row(case, "ns/galaxy", times[f"ours {n}"], name, times.get(name)))
    return rows
