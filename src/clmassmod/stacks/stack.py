"""`Stack`: the mean profile of clusters, and how far these scatter about it."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .._checks import frozen
from .._immutable import _same
from ..errors import FitError
from ..observables import DeltaSigma
from .covariance import resampled_covariance
from .scaling import scaled_nfw, scaled_nfw_surface_density
from .sums import StackSums, exact_sum

if TYPE_CHECKING:
    from astropy.table import Table

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stack:
    """The mean profile of clusters.

    A bin without data is masked: its values are NaN, its place is kept. Arrays are (n_bins,).

    Attributes
    ----------
    id : str
    method : {"woScaling", "wScaling"}
        Without scaling, Delta Sigma [Msun / Mpc^2] against R [physical Mpc]; or F = Delta
        Sigma / (rho_s r_s) against x = R / r_s.
    scaling : {"", "fit", "truth", "table"}
        Where the masses come from that clusters are scaled by. "fit" is circular: see `Scaling`.
    edges : (n_bins + 1,) ndarray
    radius : weighted mean of R, or of x
    values, cross : weighted mean, and that of the cross component (NaN where there is none)
    errors : root of the diagonal of `covariance`
    covariance : (n_bins, n_bins) ndarray
    estimate : {"shape", "bootstrap", "jackknife"}
        Of the covariance: propagated from the data, or from the scatter of the clusters.
    weight : sum of the inverse variances
    n_pairs : number of galaxies, or of pairs; NaN where the data do not state it
    n_clusters : number of clusters with data in the bin
    mask : True in bins without data
    redshift : float
        Weighted mean of the redshifts of the clusters.
    inverse : float
        Weighted mean of Sigma_crit^-1 [Mpc^2 / Msun], or with scaling of ``rho_s r_s
        Sigma_crit^-1``; 0 for data that are not of the reduced shear.
    expected : (n_bins,) ndarray
        With scaling, the weighted mean of what NFW haloes would give, ``F / (1 - kappa)`` at
        the mean x of every cluster; else NaN.
    scatter : float
        ``d^2 = sum ((y_cb - m_cb) / sigma_cb)^2`` over clusters c and bins b: y the value and
        sigma the error of one cluster in one bin, m the value of the stack, or with scaling
        what an NFW halo would give. Niikura et al. (2015) compare it with and without scaling.
    n_points : int
        Number of terms of `scatter`.
    binned : bool
        Whether values are averages over the bins, and not of points somewhere in them.
    ids : tuple of str
    cosmology : str
    """

    id: str
    method: str
    scaling: str
    edges: Array
    radius: Array
    values: Array
    errors: Array
    covariance: Array
    cross: Array
    weight: Array
    n_pairs: Array
    n_clusters: Array
    mask: npt.NDArray[np.bool_]
    expected: Array
    estimate: str
    redshift: float
    inverse: float
    scatter: float
    n_points: int
    binned: bool
    ids: tuple[str, ...]
    cosmology: str

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                frozen(value)

    @property
    def circular(self) -> bool:
        """Whether clusters were scaled by masses fitted to the same shear."""
        return self.scaling == "fit"

    @property
    def dof(self) -> int:
        """Number of bins with data, the degrees of freedom of `chi2`."""
        return int(np.count_nonzero(~self.mask))

    @property
    def chi2(self) -> float:
        """Chi squared of F against `expected`, of `dof` degrees of freedom: nothing is fitted.

        Raises
        ------
        FitError
            The stack is without scaling.
        """
        if self.method != "wScaling":
            raise FitError("a stack without scaling is fitted, not compared: see to_delta_sigma")
        keep = ~self.mask
        residual = self.values[keep] - self.expected[keep]
        return float(residual @ np.linalg.solve(self.covariance[np.ix_(keep, keep)], residual))

    def to_delta_sigma(self) -> DeltaSigma:
        """Return the bins with data as a `DeltaSigma`, which is fitted as one of a cluster is.

        It is at the effective redshift, the weighted mean, and its mass is a mean of the masses
        of the clusters, weighted as their signal is. The reduced shear is accounted for with the
        weighted mean of Sigma_crit^-1, to first order in the convergence. Where values are
        averages over the bins, their edges are in it, for a model averaged likewise.

        Raises
        ------
        FitError
            The stack is scaled: it has no mass.
        """
        if self.method != "woScaling":
            raise FitError(
                "a scaled stack is compared with the NFW profile (chi2, scatter), not fitted"
            )
        keep = ~self.mask
        known = bool(np.isfinite(self.cross[keep]).all())
        counted = bool(np.isfinite(self.n_pairs[keep]).all())
        return DeltaSigma(
            self.radius[keep],
            self.values[keep],
            covariance=self.covariance[np.ix_(keep, keep)],
            redshift=self.redshift,
            cross=self.cross[keep] if known else None,
            n_galaxies=self.n_pairs[keep] if counted else None,
            inverse_critical_surface_density=self.inverse or None,
            radius_min=self.edges[:-1][keep] if self.binned else None,
            radius_max=self.edges[1:][keep] if self.binned else None,
            id=self.id,
            metadata={
                "stack": self.method,
                "edges": self.edges.tolist(),
                "empty_bins": np.flatnonzero(self.mask).tolist(),
                "n_clusters": self.n_clusters[keep].tolist(),
                "covariance": self.estimate,
            },
        )

    def to_table(self) -> Table:
        """Return a masked astropy table, one row a bin."""
        from astropy.table import Table

        place, value, unit = ("R", "delta_sigma", "Msun / Mpc2")
        if self.method == "wScaling":
            place, value, unit = ("x", "F", "")
        columns = {
            f"{place}_min": self.edges[:-1],
            place: self.radius,
            f"{place}_max": self.edges[1:],
            value: self.values,
            f"{value}_err": self.errors,
            f"{value}_x": self.cross,
            "n_clusters": self.n_clusters,
            "n_pairs": self.n_pairs,
            "weight": self.weight,
        }
        if self.method == "wScaling":
            columns["F_NFW"] = self.expected
        table = Table(masked=True)
        for name, column in columns.items():
            empty = np.isnan(column)
            table[name] = np.ma.MaskedArray(np.where(empty, 0.0, column), mask=empty)
            if name.startswith("R"):
                table[name].unit = "Mpc"
            elif name.startswith("delta_sigma"):
                table[name].unit = unit
        table.meta |= {
            "id": self.id,
            "method": self.method,
            "scaling": self.scaling,
            "redshift": self.redshift,
            "covariance": self.estimate,
            "cosmology": self.cosmology,
        }
        return table

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the stack to one HDF5 file, whole or not at all."""
        from .files import write_stack

        write_stack(self, path)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Stack:
        """Return the stack of a file; one that is damaged or of another kind is a FormatError."""
        from .files import read_stack

        return read_stack(path)

    def __len__(self) -> int:
        return int(self.values.size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stack):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        scaled = f" scaled by masses of a {self.scaling}" if self.scaling else ""
        return (
            f"<Stack {self.id!r} {self.method}: {len(self.ids)} clusters{scaled}, {self.dof} of "
            f"{len(self)} bins with data, z = {self.redshift:.4g}>"
        )


def stack_of(
    sums: StackSums,
    *,
    covariance: str = "shape",
    n_resamples: int = 500,
    seed: int = 0,
    id: str = "stack",
) -> Stack:
    """Return the stack of sums.

    Parameters
    ----------
    sums : StackSums
    covariance : {"shape", "bootstrap", "jackknife"}
        Propagated from the covariance of the data (shape noise); or from the clusters, drawn
        anew with replacement, or left out one at a time, which holds their intrinsic scatter too.
    n_resamples : int
        Of the bootstrap, more than there are bins.
    seed : int
        Of the bootstrap.
    id : str
        Name of the stack.

    Returns
    -------
    Stack
        Of all bins; empty ones are masked.

    Raises
    ------
    FitError
        There are no data in any bin.
    ParameterError
        An argument is out of range; too few clusters for a resample.
    """
    total = {
        name: exact_sum(getattr(sums, name))
        for name in ("pairs", "weight", "place", "signal", "cross", "inverse", "noise")
    }
    mask = total["weight"] == 0.0
    if mask.all():
        raise FitError(
            f"{id}: there are no data in any bin between {sums.edges[0]:g} and {sums.edges[-1]:g}"
        )
    weight = np.where(mask, np.nan, total["weight"])
    values = total["signal"] / weight
    clusters = sums.clusters()
    if covariance == "shape":
        matrix = total["noise"] / np.outer(weight, weight)
    else:
        matrix = resampled_covariance(clusters, mask, covariance, n_resamples, seed)
    member, error, model = _members(clusters, values)
    there = clusters.weight > 0.0
    pulls = (member[there] - model[there]) / error[there]
    scaled = sums.method == "wScaling"
    return Stack(
        id=id,
        method=sums.method,
        scaling=sums.scaling,
        edges=sums.edges,
        radius=total["place"] / weight,
        values=values,
        errors=np.sqrt(np.diag(matrix)),
        covariance=matrix,
        cross=total["cross"] / weight,
        weight=total["weight"],
        n_pairs=total["pairs"],
        n_clusters=there.sum(axis=0),
        mask=mask,
        expected=(
            exact_sum(np.where(there, clusters.weight * model, 0.0)) / weight
            if scaled
            else np.full_like(values, np.nan)
        ),
        estimate=covariance,
        redshift=float(_weighted(clusters.redshift[:, None], clusters.weight)),
        inverse=float(exact_sum(total["inverse"]) / exact_sum(total["weight"])),
        scatter=float(exact_sum(pulls**2)),
        n_points=int(there.sum()),
        binned=bool(clusters.binned.all()),
        ids=clusters.ids,
        cosmology=sums.cosmology,
    )


def member_profiles(sums: StackSums) -> tuple[Array, Array, Array]:
    """Return radius (or x), value and error of every cluster in every bin, (n, n_bins) each.

    NaN where a cluster has no data; clusters in the order of ``sums.clusters().ids``.
    """
    clusters = sums.clusters()
    member, error, _ = _members(clusters, np.zeros(sums.n_bins))
    weight = np.where(clusters.weight > 0.0, clusters.weight, np.nan)
    return clusters.place / weight, member, error


def _members(clusters: StackSums, values: Array) -> tuple[Array, Array, Array]:
    """Return values, errors and models of every cluster in every bin; NaN without data."""
    weight = np.where(clusters.weight > 0.0, clusters.weight, np.nan)
    variance = np.einsum("nbb->nb", clusters.noise) / weight**2
    if clusters.method == "woScaling":
        model = np.broadcast_to(values, weight.shape)
    else:
        x = np.where(clusters.weight > 0.0, clusters.place / weight, 1.0)
        kappa = clusters.inverse / weight * scaled_nfw_surface_density(x)
        model = scaled_nfw(x) / (1.0 - kappa)
    return clusters.signal / weight, np.sqrt(variance), model


def _weighted(values: Array, weight: Array) -> float:
    return float(exact_sum((values * weight).ravel()) / exact_sum(weight.ravel()))
