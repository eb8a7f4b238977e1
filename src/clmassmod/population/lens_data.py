"""What is observed of a sample of doubly imaged lenses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cosmology import angular_diameter_distance
from ..stronglens.catalogue import LensCatalogue
from ..stronglens.lens import ARCSEC, require
from .data_columns import Columns, fill_columns, require_finite, require_logarithms
from .kernel_forms import checked_form

Array = npt.NDArray[np.float64]

_POSITIVE = ("sigma_a", "sigma_b", "sigma_msps", "x_a")


def _of_form(lenses: Any, form: str) -> Any:
    """Return the rows that a sample of a form has."""
    if form == "lenses":
        return lenses
    _, first, number = np.unique(lenses["galaxy_id"], return_index=True, return_counts=True)
    rows = first if form == "any_lens" else first[number == 1]
    return {name: lenses[name][rows] for name in lenses}


@dataclass(frozen=True, eq=False, repr=False)
class LensData(Columns):
    """Image pairs of n lenses. Every argument is a number for all of them or (n,).

    An array of length 1 is one lens, and not a number for all of several.

    Parameters
    ----------
    x_a, x_b : kpc
        Positions of the outer image, > 0, and of the inner one, < 0, in the lens plane; exact.
    log_re : dex, -2 to 3
        log10 of the half-light radius [physical kpc].
    m_a, m_b : mag
        Observed magnitudes of the images.
    log_msps : dex, 5 to 14
        log10 of the observed stellar mass of synthesis [Msun].
    sigma_a, sigma_b : mag, > 0
        Standard deviations of the magnitudes.
    sigma_msps : dex, > 0
        Standard deviation of `log_msps`.
    sigma_re : dex, >= 0
        Standard deviation of `log_re`; 0 is exact.
    z_l, z_s : float
        Redshifts.
    time_delay, sigma_delay : days, optional
        Observed delay of B after A and its standard deviation; NaN where there is none.
    name : (n,) of str, optional

    Raises
    ------
    ParameterError
        A value outside its range; the argument, the lens and the range are named.
    """

    x_a: Any
    x_b: Any
    log_re: Any
    m_a: Any
    m_b: Any
    log_msps: Any
    sigma_a: Any = 0.1
    sigma_b: Any = 0.1
    sigma_msps: Any = 0.1
    sigma_re: Any = 0.0
    z_l: Any = 0.3
    z_s: Any = 2.0
    time_delay: Any = np.nan
    sigma_delay: Any = np.nan
    name: Any = None

    def __post_init__(self) -> None:
        fill_columns(self)
        for name, values in self.arrays().items():
            self._check(name, values)
        require_logarithms(self)
        self._check_pairs()

    def _check(self, name: str, values: Array) -> None:
        if name in ("time_delay", "sigma_delay"):
            return
        require_finite(self, name)
        if name in _POSITIVE:
            require(values, values > 0.0, name, "> 0")
        if name == "sigma_re":
            require(values, values >= 0.0, name, ">= 0")

    def _check_pairs(self) -> None:
        require(self.x_b, self.x_b < 0.0, "x_b", "< 0, on the other side of the lens", "kpc")
        outer = self.x_a > -self.x_b
        require(self.x_a, outer, "x_a", "> |x_b|: image A is the outer one", "kpc")
        require(self.z_l, self.z_l > 0.0, "z_l", "> 0")
        require(self.z_s, self.z_s > self.z_l, "z_s", "> z_l")
        measured = np.isfinite(self.time_delay)
        good = ~measured | (self.sigma_delay > 0.0)
        require(self.sigma_delay, good, "sigma_delay", "> 0 where there is a time delay", "days")

    @classmethod
    def from_catalogue(cls, catalogue: LensCatalogue, form: str = "lenses") -> LensData:
        """Return the data of the detected lenses of a mock catalogue.

        Parameters
        ----------
        catalogue : LensCatalogue
        form : {"lenses", "any_lens", "one_lens"}
            Of galaxies with several: all, the first one (sources are in no order), or none.
        """
        lenses = _of_form(catalogue.lenses, checked_form(form))
        noise = catalogue.metadata["configuration"]["noise"]
        delays = {}
        if "time_delay_obs" in lenses and noise["time_delay"] is not None:
            delays = {"time_delay": lenses["time_delay_obs"], "sigma_delay": noise["time_delay"]}
        return cls(
            x_a=lenses["x_a"],
            x_b=lenses["x_b"],
            log_re=lenses["log_re_obs"],
            m_a=lenses["m_a_obs"],
            m_b=lenses["m_b_obs"],
            log_msps=lenses["log_msps_obs"],
            sigma_a=noise["magnitude"],
            sigma_b=noise["magnitude"],
            sigma_msps=noise["log_msps"],
            sigma_re=noise["log_re"],
            z_l=lenses["z_l"],
            z_s=lenses["z_s"],
            name=[f"{g}" for g in lenses["galaxy_id"]],
            **delays,
        )

    @classmethod
    def from_arcsec(
        cls, theta_a: Any, theta_b: Any, z_l: Any, cosmology: Any = None, **data: Any
    ) -> LensData:
        """Return the data of images at angles [arcsec]; other arguments as for `LensData`."""
        kpc = np.asarray(angular_diameter_distance(z_l, cosmology)) * (1e3 * ARCSEC)
        return cls(x_a=np.asarray(theta_a) * kpc, x_b=np.asarray(theta_b) * kpc, z_l=z_l, **data)
