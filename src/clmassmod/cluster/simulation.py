"""Simulated samples of clusters with known masses: shear profiles with shape noise.

This is the expected profile plus Gaussian noise per bin, enough to try a fit on; it makes
no galaxies.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..configuration.info import ModelInfo
from ..observables import GammaTheta
from .expected_profile import shape_errors, survey_sources
from .halo_model import HaloModel
from .model_of_configuration import halo_model

if TYPE_CHECKING:
    from astropy.table import QTable

Array = npt.NDArray[np.float64]

N_NODES = 16
"""Gauss-Legendre nodes per bin of the average over its area."""


@dataclass(frozen=True)
class SimulatedSample:
    """Observed profiles and what is true of them.

    Attributes
    ----------
    observables : tuple of GammaTheta
        One per cluster.
    truth : astropy.table.QTable
        Columns halo_id, redshift, mass [Msun], mass_def, concentration; rows as
        `observables`.
    """

    observables: tuple[GammaTheta, ...]
    truth: QTable

    @property
    def true_masses(self) -> dict[str, float]:
        """True mass [Msun] by id."""
        masses = self.truth["mass"].to_value("Msun")
        return dict(zip(map(str, self.truth["halo_id"]), map(float, masses), strict=True))

    def __len__(self) -> int:
        return len(self.observables)


def simulate_sample(model_info: Mapping[str, Any]) -> SimulatedSample:
    """Return shear profiles of simulated clusters, and the truth.

    Parameters
    ----------
    model_info : ModelInfo or mapping
        `simulation` (number, mass and redshift ranges), `binning`, `noise`, `sources` (not
        `files`), `profile`, `mass_def`, `concentration`, `cosmology` and `seed` are used.

    Raises
    ------
    ConfigError
        If `sources` states no source redshift, distribution or moments.

    Notes
    -----
    ln M and z are uniform in their ranges; the concentration is that of the relation, with
    no scatter. The data point of a bin is ``<g_t> + noise``, where ``<g_t>`` is the expected
    reduced shear averaged over the area of the bin (Gauss-Legendre, 16 nodes) and over the
    sources, those in front of the cluster included with zero shear. The noise is normal with
    ``sigma = shape_noise / sqrt(n)``, n the expected number of galaxies: density times the
    area of the bin. The radius of a bin is its area-weighted mean radius.

    A fit averages over the same bins. A model taken at the mean radius differs by less than
    1 % for the default ones.

    Random numbers come from a Philox counter keyed by (seed, id, purpose): a cluster stays
    the same however many others there are.

    Examples
    --------
    >>> sample = simulate_sample({"sources": {"redshift": 1.0}, "simulation": {"n_clusters": 3}})
    >>> len(sample), sample.observables[0].id
    (3, 'sim_0000')
    """
    from astropy import units
    from astropy.table import QTable

    info = ModelInfo.from_dict(model_info)
    model = halo_model(info)
    sources = survey_sources(info)
    edges = bin_edges(info["binning"])
    rows, observables = [], []
    for index in range(info["simulation"]["n_clusters"]):
        row = _draw(info, model, f"sim_{index:04d}")
        rows.append(row)
        observables.append(_observe(info, model, row, edges, sources))
    truth = QTable(rows=rows)
    truth["mass"] = truth["mass"] * units.Msun
    return SimulatedSample(tuple(observables), truth)


def bin_edges(binning: Mapping[str, Any]) -> Array:
    """Return the edges (n + 1,) [Mpc] that the section `binning` describes."""
    if binning["edges"] is not None:
        return np.array(binning["edges"], dtype=np.float64)
    low, high, n = binning["r_min"], binning["r_max"], binning["n_bins"]
    if binning["spacing"] == "log":
        return np.geomspace(low, high, n + 1)
    return np.linspace(low, high, n + 1)


def random_generator(seed: int, halo_id: str, purpose: str) -> np.random.Generator:
    """Return the random numbers of one object for one purpose."""
    text = f"{seed}:{halo_id}:{purpose}"
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def _draw(info: ModelInfo, model: HaloModel, halo_id: str) -> dict[str, Any]:
    """Return the true properties of one cluster."""
    given = info["simulation"]
    ln_mass, redshift = random_generator(info["seed"], halo_id, "truth").uniform(
        [math.log(given["mass_min"]), given["redshift_min"]],
        [math.log(given["mass_max"]), given["redshift_max"]],
    )
    mass = math.exp(ln_mass)
    return {
        "halo_id": halo_id,
        "redshift": float(redshift),
        "mass": mass,
        "mass_def": model.mass_def,
        "concentration": float(model.concentration_of(float(redshift))(mass)),
    }


def _observe(
    info: ModelInfo, model: HaloModel, row: Mapping[str, Any], edges: Array, sources: Any
) -> GammaTheta:
    """Return the noisy profile of one cluster."""
    kind: Any = model.profile
    halo = kind(
        row["mass"],
        row["concentration"],
        redshift=row["redshift"],
        mass_def=model.mass_def,
        cosmology=model.cosmology,
        **model.profile_parameters,
    )
    nodes, weights = area_nodes(edges)
    shear = halo.reduced_tangential_shear(nodes, sources)
    expected = np.sum(weights * shear, axis=1)
    errors, n_galaxies = shape_errors(edges, row["redshift"], info["noise"], model.cosmology)
    noise = random_generator(info["seed"], row["halo_id"], "noise").standard_normal(errors.size)
    return GammaTheta(
        np.sum(weights * nodes, axis=1),
        expected + errors * noise,
        errors,
        redshift=row["redshift"],
        n_galaxies=n_galaxies,
        sources=sources,
        id=row["halo_id"],
        radius_min=edges[:-1],
        radius_max=edges[1:],
    )


def area_nodes(edges: Array) -> tuple[Array, Array]:
    """Return radii and weights, (n, N_NODES) each, of the mean over the area of every bin."""
    x, w = np.polynomial.legendre.leggauss(N_NODES)
    half = 0.5 * np.diff(edges)[:, None]
    radius = edges[:-1, None] + half * (1.0 + x)
    weight = w * radius
    return radius, weight / weight.sum(axis=1, keepdims=True)
