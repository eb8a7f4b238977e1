"""`ShearProfile`: what `build_profile` measures, bin by bin, empty bins included."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._checks import checked_covariance
from ..errors import FitError
from ..observables import DeltaSigma, GammaTheta
from ..sources import BetaMoments, SourceDistribution

if TYPE_CHECKING:
    from astropy.table import Table

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ShearProfile:
    """Tangential shear and excess surface density of one object, (n_bins,) each.

    A bin without galaxies is masked: its values are NaN, its place is kept.

    Attributes
    ----------
    edges : (n_bins + 1,) ndarray
        Edges of the bins [Mpc].
    radius : weighted mean radius [Mpc]
    g_t, g_x : weighted mean tangential and cross ellipticity, estimates of the reduced shear
    g_err : standard deviation of `g_t` and of `g_x`
    g_cov : (n_bins, n_bins) covariance of `g_t`
    delta_sigma, delta_sigma_x, delta_sigma_err, delta_sigma_cov
        The same for Sigma_crit e_t [Msun / Mpc^2]; None for weights "shape".
    n : number of galaxies with a weight
    beta_s, beta_s_squared : weighted means of beta_s and beta_s^2; None without redshifts
    mask : True in bins without galaxies
    redshift : float
        Of the object.
    sources : float, SourceDistribution, BetaMoments or None
        The sources behind all bins, as in `GammaTheta`.
    inverse_critical_surface_density : float or None
        Their weighted mean of Sigma_crit^-1 [Mpc^2 / Msun], as in `DeltaSigma`.
    id : str
    metadata : dict
        How it was measured.
    """

    edges: Array
    radius: Array
    g_t: Array
    g_x: Array
    g_err: Array
    g_cov: Array
    delta_sigma: Array | None
    delta_sigma_x: Array | None
    delta_sigma_err: Array | None
    delta_sigma_cov: Array | None
    n: Array
    beta_s: Array | None
    beta_s_squared: Array | None
    mask: npt.NDArray[np.bool_]
    redshift: float
    sources: float | SourceDistribution | BetaMoments | None = None
    inverse_critical_surface_density: float | None = None
    id: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.radius.size)

    def to_gamma_theta(self) -> GammaTheta:
        """Return the bins with galaxies as a `GammaTheta`; the metadata name the empty ones.

        Raises
        ------
        FitError
            If all bins are empty.
        """
        keep = self._filled()
        return GammaTheta(
            self.radius[keep],
            self.g_t[keep],
            covariance=self.g_cov[np.ix_(keep, keep)],
            redshift=self.redshift,
            cross=self.g_x[keep],
            cross_errors=self.g_err[keep],
            n_galaxies=self.n[keep],
            radius_min=self.edges[:-1][keep],
            radius_max=self.edges[1:][keep],
            sources=self.sources,
            id=self.id,
            metadata=self._notes(),
        )

    def to_delta_sigma(self) -> DeltaSigma:
        """Return the bins with galaxies as a `DeltaSigma`; the metadata name the empty ones.

        Raises
        ------
        FitError
            If all bins are empty, or weights were "shape".
        """
        keep = self._filled()
        if self.delta_sigma is None or self.delta_sigma_cov is None:
            raise FitError("there is no surface density: build the profile with weights='critical'")
        assert self.delta_sigma_x is not None
        assert self.delta_sigma_err is not None
        return DeltaSigma(
            self.radius[keep],
            self.delta_sigma[keep],
            covariance=self.delta_sigma_cov[np.ix_(keep, keep)],
            redshift=self.redshift,
            cross=self.delta_sigma_x[keep],
            cross_errors=self.delta_sigma_err[keep],
            n_galaxies=self.n[keep],
            radius_min=self.edges[:-1][keep],
            radius_max=self.edges[1:][keep],
            inverse_critical_surface_density=self.inverse_critical_surface_density,
            id=self.id,
            metadata=self._notes(),
        )

    def add_covariance(self, shear: Any = None, delta_sigma: Any = None) -> ShearProfile:
        """Return the profile with more covariance, such as that of large-scale structure.

        Parameters
        ----------
        shear : (n_bins, n_bins) array_like, optional
            Added to `g_cov`; symmetric and positive definite.
        delta_sigma : (n_bins, n_bins) array_like or Quantity, optional
            Added to `delta_sigma_cov` [Msun^2 / Mpc^4].

        Notes
        -----
        What is added must not be in the data's own scatter twice: a bootstrap or jackknife over
        the galaxies of one object holds shape noise alone, since structure along the line of
        sight is the same in every resample.
        """
        changes: dict[str, Any] = {}
        if shear is not None:
            total = self.g_cov + checked_covariance(shear, len(self), "")
            changes |= {"g_cov": total, "g_err": np.sqrt(np.diag(total))}
        if delta_sigma is not None:
            if self.delta_sigma_cov is None:
                raise FitError("there is no surface density to add a covariance to")
            more = checked_covariance(delta_sigma, len(self), "Msun2 / Mpc4")
            total = self.delta_sigma_cov + more
            changes |= {"delta_sigma_cov": total, "delta_sigma_err": np.sqrt(np.diag(total))}
        return replace(self, **changes)

    def to_table(self) -> Table:
        """Return a masked astropy table, one row a bin, with the column names of CLMM."""
        from astropy.table import Table

        columns = {
            "radius_min": (self.edges[:-1], "Mpc"),
            "radius": (self.radius, "Mpc"),
            "radius_max": (self.edges[1:], "Mpc"),
            "gt": (self.g_t, ""),
            "gt_err": (self.g_err, ""),
            "gx": (self.g_x, ""),
            "gx_err": (self.g_err, ""),
            "n_src": (self.n, ""),
            "delta_sigma": (self.delta_sigma, "Msun / Mpc2"),
            "delta_sigma_err": (self.delta_sigma_err, "Msun / Mpc2"),
            "delta_sigma_x": (self.delta_sigma_x, "Msun / Mpc2"),
            "beta_s": (self.beta_s, ""),
            "beta_s_squared": (self.beta_s_squared, ""),
        }
        table = Table(masked=True)
        for name, (values, unit) in columns.items():
            if values is not None:
                empty = np.isnan(values)
                table[name] = np.ma.MaskedArray(np.where(empty, 0.0, values), mask=empty)
                table[name].unit = unit or None
        table.meta["redshift"] = self.redshift
        table.meta["id"] = self.id
        return table

    def _filled(self) -> npt.NDArray[np.bool_]:
        if self.mask.all():
            raise FitError(f"{self.id or 'profile'}: there are no galaxies in any bin")
        return ~self.mask

    def _notes(self) -> dict[str, Any]:
        empty = np.flatnonzero(self.mask).tolist()
        return {**self.metadata, "edges": self.edges.tolist(), "empty_bins": empty}

    def __repr__(self) -> str:
        name = f" {self.id!r}" if self.id else ""
        filled = int(np.count_nonzero(~self.mask))
        return (
            f"<ShearProfile{name}: {filled} of {len(self)} bins with galaxies, "
            f"{self.edges[0]:.3g} to {self.edges[-1]:.3g} Mpc, z = {self.redshift:.4g}>"
        )
