"""W2: paired batches, (M, c, z) of n haloes with 15 radii each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import models, oracles, peers
from .harness import Options, Row, Timing, compare, deviation, peak_memory
from .oracles import Array

TITLE = "W2: paired batch, (M, c, z) x 15 R"
RADII = 15
SOURCE_REDSHIFT = 2.0
LOOP = 100
"""Haloes of a peer that needs a Python loop; its time is per point."""
SMALL = 300
"""Haloes of a batch of profiles that are integrated point by point."""
CHECKED = 40
"""Haloes whose every point is compared with the truth."""

Factory = Callable[[], Callable[[], Any]]


@dataclass(frozen=True)
class Batch:
    """Parameters (n,) and radii (n, 15)."""

    mass: Array
    concentration: Array
    redshift: Array
    R: Array


def batch(size: int) -> Batch:
    """Return `size` haloes: 1e13.5 to 1e15.3 Msun, c 2 to 9, z 0.1 to 0.9, R 0.05 to 5 Mpc."""
    # one row of random numbers a halo: a smaller batch is the beginning of a larger one
    u = np.random.default_rng(20240607).uniform(size=(size, 3 + RADII))
    mass, concentration, redshift = (
        10.0 ** (13.5 + 1.8 * u[:, 0]),
        2.0 + 7.0 * u[:, 1],
        0.1 + 0.8 * u[:, 2],
    )
    R = np.geomspace(0.05, 5.0, RADII) * (0.97 + 0.06 * u[:, 3:])
    return Batch(mass, concentration, redshift, R)


# -- ours -----------------------------------------------------------------------------------------


def _build(b: Batch, name: str = "NFW") -> Any:
    return models.named(name).batch(b.mass, b.concentration, b.redshift)


def _sources(b: Batch) -> Any:
    import clmassmod as clm
    from clmassmod.profiles.lensing import SourceArrays

    sigma_crit = clm.critical_surface_density(b.redshift, SOURCE_REDSHIFT)
    inverse = np.ascontiguousarray(1.0 / sigma_crit[:, None])
    return SourceArrays(inverse, inverse)


def _ours(size: int, threads: int = 1, name: str = "NFW") -> dict[str, Factory]:
    """Return our calls: with and without building the object, Delta Sigma and g."""
    b = batch(size)

    def excess() -> Callable[[], Any]:
        call = _build(b, name).excess_surface_density
        return lambda: call(b.R, n_threads=threads)

    def shear() -> Callable[[], Any]:
        call, sources = _build(b, name).reduced_tangential_shear, _sources(b)
        return lambda: call(b.R, sources, n_threads=threads)

    def shear_all() -> Callable[[], Any]:
        return lambda: _build(b, name).reduced_tangential_shear(
            b.R, SOURCE_REDSHIFT, n_threads=threads
        )

    return {
        "excess": excess,
        "excess, built": lambda: (
            lambda: _build(b, name).excess_surface_density(b.R, n_threads=threads)
        ),
        "build": lambda: lambda: _build(b, name),
        "shear": shear,
        "shear, built": shear_all,
    }


# -- peers ----------------------------------------------------------------------------------------


def _numpy(size: int, shear: bool) -> Factory:
    b = batch(size)

    def make() -> Callable[[], Any]:
        inverse = _inverse_sigma_crit(b)[:, None] if shear else 0.0

        def call() -> Any:
            radius = oracles.overdensity_radius(b.mass, b.redshift)
            scales = peers.numpy_nfw_scales(b.mass, b.concentration, radius)
            sigma, excess = peers.numpy_nfw(b.R, *(a[:, None] for a in scales))
            return oracles.reduced_shear(sigma, excess, inverse) if shear else excess

        return call

    return make


def _ccl(size: int, shear: bool) -> Factory:
    """One redshift, one concentration, one set of radii for all: the batch CCL offers."""
    b = batch(size)
    R = b.R[0]

    def make() -> Callable[[], Any]:
        if not shear:
            call = peers.ccl_excess("nfw", b.mass)
            return lambda: call(R)
        cosmology, halo = peers.ccl_cosmology(), peers.ccl_profile("nfw")
        a_l, a_s = 1.0 / (1.0 + models.REDSHIFT), 1.0 / (1.0 + SOURCE_REDSHIFT)
        return lambda: halo.reduced_shear(cosmology, R / a_l, b.mass, a_lens=a_l, a_source=a_s)

    return make


def _clmm_loop(shear: bool) -> Factory:
    b = batch(LOOP)

    def make() -> Callable[[], Any]:
        model = peers.clmm_model("nfw")

        def one(i: int) -> Any:
            model.set_mass(b.mass[i])
            model.set_concentration(b.concentration[i])
            z = float(b.redshift[i])
            if shear:
                return model.eval_reduced_tangential_shear(b.R[i], z, SOURCE_REDSHIFT)
            return model.eval_excess_surface_density(b.R[i], z)

        return lambda: np.array([one(i) for i in range(LOOP)])

    return make


def implementations(case: str, size: int) -> dict[str, Factory]:
    """Return, by name, what builds the call of `case` ("excess" or "shear") on `size` haloes."""
    shear = case == "shear"
    made = {"ours": _ours(size)[case], "numpy closed form": _numpy(size, shear)}
    if peers.installed("pyccl"):
        made["CCL, one z and c"] = _ccl(size, shear)
    if peers.installed("clmm"):
        made[f"CLMM, loop of {LOOP}"] = _clmm_loop(shear)
    return made


def _points(name: str, size: int) -> int:
    return RADII * (LOOP if name.startswith("CLMM") else size)


# -- truth ----------------------------------------------------------------------------------------


def _inverse_sigma_crit(b: Batch) -> Array:
    return oracles.inverse_critical_surface_density(b.redshift, SOURCE_REDSHIFT)


def _truth(b: Batch, shear: bool) -> Array:
    radius = oracles.overdensity_radius(b.mass, b.redshift)
    columns = (a[:, None] for a in (b.mass, b.concentration, radius))
    sigma, excess = oracles.nfw(b.R, *columns)
    if not shear:
        return excess
    return oracles.reduced_shear(sigma, excess, _inverse_sigma_crit(b)[:, None])


def _truth_of_ccl(b: Batch, shear: bool) -> Array:
    fixed = np.full(b.mass.size, models.CONCENTRATION), np.full(b.mass.size, models.REDSHIFT)
    return _truth(Batch(b.mass, *fixed, np.broadcast_to(b.R[0], b.R.shape)), shear)


def _errors(case: str) -> dict[str, float]:
    shear = case == "shear"
    b = batch(CHECKED)
    errors = {}
    for name, make in implementations(case, CHECKED).items():
        truth = _truth_of_ccl(b, shear) if name.startswith("CCL") else _truth(b, shear)
        values = peers.quietly(lambda make=make: make()())
        errors[name] = deviation(np.asarray(values)[:CHECKED], truth)
    return errors


# -- rows -----------------------------------------------------------------------------------------


def run(options: Options) -> list[Row]:
    """Measure NFW against the peers, its scaling, and every other halo profile."""
    size = 10_000 if options.quick else 100_000
    rows = []
    for case, label in (("excess", "Delta Sigma"), ("shear", "g")):
        print(f"  NFW {label}", flush=True)
        rows += _against_peers(case, f"NFW {label}", size, options)
    print("  scaling", flush=True)
    rows += _scaling(size, options)
    print("  other profiles", flush=True)
    return rows + _others(size, options)


def _against_peers(case: str, label: str, size: int, options: Options) -> list[Row]:
    errors = _errors(case)
    tolerance = 1e-10 if case == "shear" else 1e-11  # g amplifies where kappa nears 1
    made = implementations(case, size)
    built = _ours(size)
    made["ours, built"] = built[f"{case}, built"]
    made["build"] = built["build"]
    if errors["ours"] > tolerance:
        made = {name: make for name, make in made.items() if name not in ("ours", "ours, built")}
    calls = {name: peers.quietly(make) for name, make in made.items()}
    times = peers.quietly(lambda: compare(calls, options.repeats))
    times = {name: time.per(_points(name, size)) for name, time in times.items()}
    used = _memory(case, made, size, options)
    others = [name for name in errors if name != "ours"]
    rows = []
    for kind, ours in (("object built before", "ours"), ("building included", "ours, built")):
        for i, name in enumerate(others):
            row = Row(
                f"{label}, n = {size}, {kind}", "ns/point", times.get(ours), name, times[name]
            )
            row.error, row.peer_error, row.tolerance = errors["ours"], errors[name], tolerance
            if ours == "ours":
                row.memory, row.peer_memory = used.get("ours"), used.get(name)
                row.target = 5.0 if i == 0 else None
            if i == 0:
                row.note = _note(case, ours)
            rows.append(row)
    if case == "excess":
        rows.append(
            Row(f"NFW, n = {size}, building alone", "ns/halo", _scaled(times["build"], RADII))
        )
    return rows


def _scaled(time: Timing, factor: float) -> Timing:
    return time.per(1.0 / factor)


def _note(case: str, ours: str) -> str:
    if case == "excess":
        return f"truth: mpmath, 40 digits, {CHECKED} haloes"
    if ours == "ours":
        return "1/Sigma_crit known, as for numpy; the other peers find it in the call"
    return "distances to every lens (astropy) included; numpy does without"


def _memory(case: str, made: dict[str, Any], size: int, options: Options) -> dict[str, int | None]:
    if not options.memory:
        return {}
    names = [name for name in made if name not in ("build", "ours, built")]
    return {n: peak_memory("w2_paired_batch", case, n, size, 10) for n in names}


def _scaling(size: int, options: Options) -> list[Row]:
    rows = []
    for count in (size // 10, size, 10 * size):
        made = {f"ours {n}": _ours(count, n)["excess"] for n in (1, 2)}
        made["numpy closed form"] = _numpy(count, False)
        if peers.installed("pyccl"):
            made["CCL, one z and c"] = _ccl(count, False)
        times = compare({name: make() for name, make in made.items()}, options.repeats)
        times = {name: time.per(count * RADII) for name, time in times.items()}
        for threads in (1, 2):
            case = f"NFW Delta Sigma scaling, n = {count}, {threads} thread{'s'[: threads - 1]}"
            others = [name for name in times if not name.startswith("ours")] if threads == 1 else []
            for name in others or [""]:
                rows.append(Row(case, "ns/point", times[f"ours {threads}"], name, times.get(name)))
    return rows


def _others(full: int, options: Options) -> list[Row]:
    """Time the other profiles given by (M, c); W1 checks their values, here the pairing."""
    from clmassmod.profiles.registry import profile_class

    rows = []
    for model in models.available()[0]:
        if model.name == "NFW" or not model.is_halo:
            continue
        print(f"    {model.name}", flush=True)
        # a shape of its own for every halo means quadrature at every point, 1e3 times slower
        size = SMALL if profile_class(model.name).ends_with_peak_height else full
        made = _ours(size, 1, model.name)
        made["excess, 2 threads"] = _ours(size, 2, model.name)["excess"]
        calls = {name: made[name]() for name in ("excess", "excess, 2 threads", "shear", "build")}
        times = compare(calls, options.repeats)
        error = _pairing_error(model)
        label = f"{model.name}"
        for name in ("excess", "excess, 2 threads", "shear"):
            row = Row(f"{label} {name}, n = {size}", "ns/point", times[name].per(size * RADII))
            row.case = row.case.replace("excess", "Delta Sigma").replace("shear", "g")
            row.target = 15.0 if name != "excess, 2 threads" else None
            row.error, row.tolerance = error, 2.0 * model.tolerance
            row.note = "error: row by row against quadrature of its own density"
            rows.append(row)
        rows.append(
            Row(f"{label}, n = {size}, building alone", "ns/halo", times["build"].per(size))
        )
    return rows


def _pairing_error(model: models.Model) -> float:
    """Compare each row of a batch with the projection of that halo's own density."""
    b = batch(CHECKED)
    values = model.batch(b.mass, b.concentration, b.redshift).excess_surface_density(b.R)
    errors = []
    for i in range(CHECKED):
        one = model.batch(b.mass[i], b.concentration[i], b.redshift[i])
        truth = oracles.excess_of_density(one.density, b.R[i])
        errors.append(deviation(values[i], truth))
    return max(errors)
