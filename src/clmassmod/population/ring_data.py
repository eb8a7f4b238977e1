"""What is observed of a sample of lenses whose Einstein radii were measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..stronglens.lens import require
from .data_columns import Columns, column_names, fill_columns, require_finite, require_logarithms
from .finding import MEASURED

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class RingData(Columns):
    """Einstein radii of n lenses. Every argument is a number for all of them or (n,).

    Parameters
    ----------
    theta_e : arcsec, > 0
        Observed Einstein radius: inside it the mean convergence is 1.
    log_re : dex, -2 to 3
        log10 of the half-light radius [physical kpc].
    log_msps : dex, 5 to 14
        log10 of the observed stellar mass of synthesis [Msun].
    z_l, z_s : float
        Redshifts of lens and source, ``0 < z_l < z_s``.
    sigma_theta : arcsec, >= 0
        Standard deviation of `theta_e`; 0 is exact.
    sigma_msps : dex, > 0
        Standard deviation of `log_msps`.
    sigma_re : dex, >= 0
        Standard deviation of `log_re`; 0 is exact.
    name : (n,) of str, optional

    Raises
    ------
    ParameterError
        A value outside its range; the argument, the lens and the range are named. A radius
        with an error of a quarter of itself or more is not measured: such lenses are taken to
        be missing from the sample, and A knows it.

    Examples
    --------
    >>> from clmassmod.population import RingData
    >>> RingData([1.2, 0.9], log_re=0.8, log_msps=[11.4, 11.2], z_l=0.2, z_s=[0.6, 0.5])
    <RingData: 2 lenses>
    """

    theta_e: Any
    log_re: Any
    log_msps: Any
    z_l: Any
    z_s: Any
    sigma_theta: Any = 0.0
    sigma_msps: Any = 0.1
    sigma_re: Any = 0.0
    name: Any = None

    def __post_init__(self) -> None:
        fill_columns(self)
        for name in column_names(self):
            require_finite(self, name)
        require_logarithms(self)
        for name in ("theta_e", "sigma_msps"):
            require(getattr(self, name), getattr(self, name) > 0.0, name, "> 0")
        for name in ("sigma_theta", "sigma_re"):
            require(getattr(self, name), getattr(self, name) >= 0.0, name, ">= 0")
        measured = MEASURED * self.sigma_theta < self.theta_e
        require(self.sigma_theta, measured, "sigma_theta", "below theta_e / 4", "arcsec")
        require(self.z_l, self.z_l > 0.0, "z_l", "> 0")
        require(self.z_s, self.z_s > self.z_l, "z_s", "> z_l")
