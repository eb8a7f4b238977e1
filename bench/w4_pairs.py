"""W4: from a catalogue of galaxies to the shear around clusters, every pair by itself.

1000 clusters among 1e6 galaxies on 100 square degrees, 15 bins of angle, the same for all so that
the peer sums the same pairs (bin_slop = 0). Ours weights each pair with Sigma_crit^-2 and sums the
surface density and its error beside the shear; the peer sums the shear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from . import oracles, peers
from .harness import Options, Row, compare, peak_memory
from .oracles import Array

TITLE = "W4: catalogue to profile, pairs of clusters and galaxies"
CENTRES = 1000
SIDE = 10.0
"""Of the field [deg]."""
BINS = 15
INNER, OUTER = 0.4, 15.0
"""Of the bins [arcmin]."""
SHAPE_NOISE = 0.3
CHECKED = 10
"""Clusters whose sums are found by brute force."""

Factory = Callable[[], Callable[[], Any]]


@dataclass(frozen=True)
class Data:
    """Galaxies and clusters, in degrees."""

    galaxies: dict[str, Array]
    centres: Array
    z_l: Array


@lru_cache(maxsize=2)
def data(size: int) -> Data:
    """Return `size` galaxies, and clusters, uniform on a field that shrinks with `size`."""
    rng = np.random.default_rng(2718)
    side = SIDE * np.sqrt(size / 1e6)
    n_centres = max(10, CENTRES * size // 1_000_000)

    def places(n: int) -> Array:
        height = np.sin(np.deg2rad(side)) * rng.uniform(size=n)
        return np.column_stack([rng.uniform(0.0, side, n), np.rad2deg(np.arcsin(height))])

    galaxies = places(size)
    columns = {
        "ra": galaxies[:, 0],
        "dec": galaxies[:, 1],
        "e1": rng.normal(0.0, SHAPE_NOISE, size),
        "e2": rng.normal(0.0, SHAPE_NOISE, size),
        "z": rng.uniform(0.7, 2.0, size),  # all behind all clusters: the peer knows no redshifts
    }
    return Data(columns, places(n_centres), rng.uniform(0.2, 0.6, n_centres))


def angles() -> Array:
    """Return the edges of the bins [rad]."""
    return np.deg2rad(np.geomspace(INNER, OUTER, BINS + 1) / 60.0)


def edges(z_l: Array) -> Array:
    """Return the edges of the bins of each cluster [Mpc]."""
    distance = oracles.comoving_distance(z_l) / (1.0 + z_l)
    return distance[:, None] * angles()


def _ours(d: Data) -> Any:
    from clmassmod.galaxies import GalaxyCatalogue, GalaxyPairs

    catalogue = GalaxyCatalogue(coordinate_system="celestial", **d.galaxies)
    return GalaxyPairs(catalogue, shape_noise=SHAPE_NOISE)


def _treecorr(d: Data) -> tuple[Any, Any]:
    import treecorr

    g, units = d.galaxies, {"ra_units": "deg", "dec_units": "deg"}
    lenses = treecorr.Catalog(ra=d.centres[:, 0], dec=d.centres[:, 1], **units)
    sources = treecorr.Catalog(ra=g["ra"], dec=g["dec"], g1=g["e1"], g2=g["e2"], **units)
    return lenses, sources


def _treecorr_sums(lenses: Any, sources: Any) -> Any:
    import treecorr

    theta = angles()
    made = treecorr.NGCorrelation(
        min_sep=theta[0], max_sep=theta[-1], nbins=BINS, sep_units="rad", bin_slop=0, num_threads=1
    )
    made.process(lenses, sources, num_threads=1)
    return made


def implementations(case: str, size: int) -> dict[str, Factory]:
    """Return, by name, what builds the call of `case`: "sums" of ready catalogues, or "all"."""
    d = data(size)
    radii = edges(d.z_l)
    made: dict[str, Factory] = {}
    for threads in (1, 2):

        def ours(n: int = threads) -> Callable[[], Any]:
            if case == "all":
                return lambda: _ours(d).sums(d.centres, d.z_l, radii, n_threads=n)
            ready = _ours(d)
            return lambda: ready.sums(d.centres, d.z_l, radii, n_threads=n)

        made[f"ours {threads}"] = ours
    if peers.installed("treecorr"):

        def theirs() -> Callable[[], Any]:
            if case == "all":
                return lambda: _treecorr_sums(*_treecorr(d))
            ready = _treecorr(d)  # its trees are kept from the first call
            return lambda: _treecorr_sums(*ready)

        made["TreeCorr, angles only"] = theirs
    return made


def _brute_force(d: Data, row: int) -> tuple[Array, Array, Array]:
    """Return pairs, sum of weights and of weighted e_t around a cluster, by definition."""
    ra, dec = np.deg2rad(d.galaxies["ra"]), np.deg2rad(d.galaxies["dec"])
    ra_l, dec_l = np.deg2rad(d.centres[row])
    # haversine; and the angle at the galaxy, of the spherical triangle with the pole
    half = np.sin(0.5 * (dec - dec_l)) ** 2
    half += np.cos(dec) * np.cos(dec_l) * np.sin(0.5 * (ra - ra_l)) ** 2
    theta = 2.0 * np.arcsin(np.sqrt(half))
    east = np.cos(dec_l) * np.sin(ra_l - ra)
    north = np.cos(dec) * np.sin(dec_l) - np.sin(dec) * np.cos(dec_l) * np.cos(ra_l - ra)
    phi = np.arctan2(north, east)
    e_t = -(d.galaxies["e1"] * np.cos(2 * phi) + d.galaxies["e2"] * np.sin(2 * phi))
    inside = (theta >= angles()[0]) & (theta < angles()[-1])
    inverse = oracles.inverse_critical_surface_density(d.z_l[row], d.galaxies["z"][inside])
    w = inverse**2 / SHAPE_NOISE**2
    where = np.searchsorted(angles(), theta[inside], side="right") - 1

    def total(values: Any) -> Array:
        return np.bincount(where, weights=values, minlength=BINS)

    return total(np.ones_like(w)), total(w), total(w * e_t[inside])


def _error(size: int) -> float:
    """Greatest deviation of ours, relative to the sum (of the e_t: to that of the sizes)."""
    d = data(size)
    sums = _ours(d).sums(d.centres, d.z_l, edges(d.z_l))
    worst = 0.0
    for row in range(CHECKED):
        pairs, weight, tangential = _brute_force(d, row)
        factor = sums.critical[row] ** 2
        worst = max(
            worst,
            float(np.max(np.abs(sums.pairs[row] - pairs))),
            float(np.max(np.abs(sums.weight[row] * factor - weight) / weight)),
            float(np.max(np.abs(sums.tangential[row] * factor - tangential) / weight)),
        )
    return worst


def run(options: Options) -> list[Row]:
    """Measure the sums, with and without making the catalogues ready, and their scaling."""
    size = 100_000 if options.quick else 1_000_000
    error = _error(size)
    rows = []
    for case, label in (("sums", "sums alone"), ("all", "with catalogues and grids")):
        print(f"  {label}", flush=True)
        rows.append(_row(case, label, size, error, options))
    sizes = (size // 100, size // 10, size)
    return rows + [row for count in sizes for row in _scaling(count, options)]


def _row(case: str, label: str, size: int, error: float, options: Options) -> Row:
    made = implementations(case, size)
    names = [name for name in made if name != "ours 2" and (error < 1e-9 or name != "ours 1")]
    times = peers.quietly(lambda: compare({n: made[n]() for n in names}, options.repeats))
    pairs = _n_pairs(size)
    times = {name: time.per(pairs) for name, time in times.items()}
    peer = next((name for name in names if not name.startswith("ours")), "")
    row = Row(f"{label}, n = {size}", "ns/pair", times.get("ours 1"), peer, times.get(peer))
    row.error, row.tolerance = error, 1e-9
    if row.theirs is not None:
        row.target = row.theirs.median * 1e9
    if options.memory:
        used = {n: peak_memory("w4_pairs", case, n, size, 1000) for n in names}
        row.memory, row.peer_memory = used.get("ours 1"), used.get(peer)
    row.note = f"{pairs:.3g} pairs; truth: brute force; ours has Sigma_crit, reach: the peer's time"
    return row


def _n_pairs(size: int) -> float:
    d = data(size)
    return float(_ours(d).sums(d.centres, d.z_l, edges(d.z_l)).pairs.sum())


def _scaling(size: int, options: Options) -> list[Row]:
    made = implementations("sums", size)
    times = compare({f"ours {n}": made[f"ours {n}"]() for n in (1, 2)}, options.repeats)
    pairs = _n_pairs(size)
    return [
        Row(
            f"scaling, sums alone, n = {size}, {n} thread{'s'[: n - 1]}",
            "ns/pair",
            times[f"ours {n}"].per(pairs),
        )
        for n in (1, 2)
    ]
