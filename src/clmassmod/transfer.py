"""Shape of the linear matter power: Eisenstein & Hu (1998), or a table.

Wave numbers in comoving 1/Mpc, tables of P(k) in comoving Mpc^3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .cosmology import Array
from .errors import ParameterError, nearest

if TYPE_CHECKING:
    from astropy.cosmology import FLRW
    from scipy.interpolate import CubicSpline

TRANSFERS = ("eh98", "eh98_nowiggle")
"""Names of the transfer functions."""


@dataclass(frozen=True)
class EisensteinHu:
    """Power of unit amplitude with the transfer function of Eisenstein & Hu (1998)."""

    name: str
    n_s: float
    matter: float  # Omega_m h^2
    baryons: float  # Omega_b h^2
    theta: float  # CMB temperature in units of 2.7 K
    k_range: tuple[float, float] = (0.0, math.inf)

    def transfer(self, k: Any) -> Any:
        """T(k), for real or complex `k` [1/Mpc]."""
        function = _transfer_wiggle if self.name == "eh98" else _transfer_nowiggle
        return function(k, self.matter, self.baryons, self.theta)

    def shape(self, k: Array) -> Array:
        return np.asarray(k**self.n_s * self.transfer(k) ** 2)

    def log_slope(self, k: Array) -> Array:
        step = 1e-30
        value = self.transfer(k * (1.0 + 1j * step))
        return np.asarray(self.n_s + 2.0 * value.imag / (value.real * step))

    def continued_shape(self, ln_k: Array) -> Array:
        return self.shape(np.exp(ln_k))


@dataclass(frozen=True, eq=False)
class PowerTable:
    """Power interpolated in the user's table."""

    spline: CubicSpline
    k_range: tuple[float, float]
    name: str = "table"
    n_s: None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PowerTable):
            return NotImplemented
        mine, theirs = self.spline, other.spline
        return bool(np.array_equal(mine.x, theirs.x) and np.array_equal(mine.c, theirs.c))

    __hash__ = None  # type: ignore[assignment]

    def shape(self, k: Array) -> Array:
        return np.asarray(np.exp(self.spline(np.log(k))))

    def log_slope(self, k: Array) -> Array:
        return np.asarray(self.spline(np.log(k), 1))

    def continued_shape(self, ln_k: Array) -> Array:
        """Power, continued outside the table by the power laws of its ends."""
        inside = np.clip(ln_k, self.spline.x[0], self.spline.x[-1])
        return np.asarray(np.exp(self.spline(inside) + self.spline(inside, 1) * (ln_k - inside)))


def eisenstein_hu(
    cosmology: FLRW, n_s: float, transfer: str, cmb_temperature: float | None
) -> EisensteinHu:
    if transfer not in TRANSFERS:
        allowed = f"one of {', '.join(TRANSFERS)}"
        raise ParameterError("transfer", transfer, allowed, nearest(str(transfer), TRANSFERS))
    h2 = (float(cosmology.H0.value) / 100.0) ** 2
    matter = float(cosmology.Om0)
    baryons = float(cosmology.Ob0 or 0.0)
    if not 0.0 < baryons < matter:
        raise ParameterError(
            "cosmology.Ob0",
            cosmology.Ob0,
            "between 0 and Om0 (both excluded)",
            "Give the cosmology its baryon density, as in FlatLambdaCDM(70, 0.3, Ob0=0.045).",
        )
    temperature = float(cosmology.Tcmb0.value) if cmb_temperature is None else cmb_temperature
    if not (math.isfinite(temperature) and temperature > 0.0):
        raise ParameterError(
            "cmb_temperature",
            temperature,
            "finite and > 0",
            "The cosmology has Tcmb0 = 0: give cmb_temperature=2.7255, or Tcmb0 to the cosmology."
            if cmb_temperature is None
            else "",
        )
    return EisensteinHu(transfer, float(n_s), matter * h2, baryons * h2, temperature / 2.7)


def power_table(k: Any, power: Any) -> PowerTable:
    from scipy.interpolate import CubicSpline

    wave_number = np.array(k, dtype=np.float64)
    values = np.array(power, dtype=np.float64)
    if wave_number.ndim != 1 or wave_number.size < 10:
        raise ParameterError("k", f"array of shape {wave_number.shape}", "1-d, 10 or more values")
    if values.shape != wave_number.shape:
        raise ParameterError(
            "power", f"array of shape {values.shape}", f"of the shape of k, {wave_number.shape}"
        )
    checked_positive(wave_number, "k", (0.0, math.inf))
    checked_positive(values, "power", (0.0, math.inf))
    if not np.all(np.diff(wave_number) > 0.0):
        raise ParameterError("k", "an array that does not increase", "strictly increasing")
    spline = CubicSpline(np.log(wave_number), np.log(values))
    return PowerTable(spline, (float(wave_number[0]), float(wave_number[-1])))


def _transfer_wiggle(k: Any, matter: float, baryons: float, theta: float) -> Any:
    """Transfer function with baryon oscillations, Eisenstein & Hu (1998) eqs 2-24."""
    fraction = baryons / matter
    equality = 2.5e4 * matter / theta**4  # eq. 2, redshift of equality
    k_equality = 0.0746 * matter / theta**2  # eq. 3
    drag = _drag_redshift(matter, baryons)
    r_drag = 31.5e3 * baryons / theta**4 / drag  # eq. 5
    r_equality = 31.5e3 * baryons / theta**4 / equality
    horizon = (  # eq. 6, sound horizon at the drag epoch
        2.0 / (3.0 * k_equality) * math.sqrt(6.0 / r_equality)
    ) * math.log(
        (math.sqrt(1.0 + r_drag) + math.sqrt(r_drag + r_equality)) / (1.0 + math.sqrt(r_equality))
    )
    silk = 1.6 * baryons**0.52 * matter**0.73 * (1.0 + (10.4 * matter) ** -0.95)  # eq. 7

    q = k / (13.41 * k_equality)  # eq. 10
    ks = k * horizon
    alpha_c, beta_c = _cold_matter_coefficients(matter, fraction)
    f = 1.0 / (1.0 + (ks / 5.4) ** 4)  # eq. 18
    cold = f * _pressureless(q, 1.0, beta_c) + (1.0 - f) * _pressureless(q, alpha_c, beta_c)

    y = (1.0 + equality) / (1.0 + drag)
    alpha_b = 2.07 * k_equality * horizon * (1.0 + r_drag) ** -0.75 * _eq15(y)  # eq. 14
    beta_b = 0.5 + fraction + (3.0 - 2.0 * fraction) * math.sqrt((17.2 * matter) ** 2 + 1.0)
    beta_node = 8.41 * matter**0.435  # eq. 23
    shifted = ks / (1.0 + (beta_node / ks) ** 3) ** (1.0 / 3.0)  # eq. 22 times k
    baryon = (  # eq. 21
        _pressureless(q, 1.0, 1.0) / (1.0 + (ks / 5.2) ** 2)
        + alpha_b / (1.0 + (beta_b / ks) ** 3) * np.exp(-((k / silk) ** 1.4))
    ) * np.sinc(shifted / math.pi)
    return fraction * baryon + (1.0 - fraction) * cold  # eq. 16


def _drag_redshift(matter: float, baryons: float) -> float:
    """Redshift of the drag epoch, eq. 4."""
    b1 = 0.313 * matter**-0.419 * (1.0 + 0.607 * matter**0.674)
    b2 = 0.238 * matter**0.223
    without_baryons = 1291.0 * matter**0.251 / (1.0 + 0.659 * matter**0.828)
    return float(without_baryons * (1.0 + b1 * baryons**b2))


def _cold_matter_coefficients(matter: float, fraction: float) -> tuple[float, float]:
    """alpha_c and beta_c, eqs 11 and 12."""
    a1 = (46.9 * matter) ** 0.670 * (1.0 + (32.1 * matter) ** -0.532)
    a2 = (12.0 * matter) ** 0.424 * (1.0 + (45.0 * matter) ** -0.582)
    b1 = 0.944 / (1.0 + (458.0 * matter) ** -0.708)
    b2 = (0.395 * matter) ** -0.0266
    alpha_c = a1**-fraction * a2 ** -(fraction**3)
    return alpha_c, 1.0 / (1.0 + b1 * ((1.0 - fraction) ** b2 - 1.0))


def _eq15(y: float) -> float:
    root = math.sqrt(1.0 + y)
    return y * (-6.0 * root + (2.0 + 3.0 * y) * math.log((root + 1.0) / (root - 1.0)))


def _pressureless(q: Any, alpha: float, beta: float) -> Any:
    """Transfer function without pressure, eqs 19 and 20."""
    c = 14.2 / alpha + 386.0 / (1.0 + 69.9 * q**1.08)
    logarithm = np.log(math.e + 1.8 * beta * q)
    return logarithm / (logarithm + c * q**2)


def _transfer_nowiggle(k: Any, matter: float, baryons: float, theta: float) -> Any:
    """Transfer function without oscillations, Eisenstein & Hu (1998) eqs 26, 28-31."""
    fraction = baryons / matter
    horizon = 44.5 * math.log(9.83 / matter) / math.sqrt(1.0 + 10.0 * baryons**0.75)
    alpha = (
        1.0
        - 0.328 * math.log(431.0 * matter) * fraction
        + 0.38 * math.log(22.3 * matter) * fraction**2
    )
    # eqs 28 and 30 in 1/Mpc: Gamma_eff h = Omega_m h^2 (...)
    shape = matter * (alpha + (1.0 - alpha) / (1.0 + (0.43 * k * horizon) ** 4))
    q = k * theta**2 / shape
    logarithm = np.log(2.0 * math.e + 1.8 * q)
    return logarithm / (logarithm + (14.2 + 731.0 / (1.0 + 62.5 * q)) * q**2)


# ---------------------------------------------------------------------------------------
# Variance


def checked_positive(value: Any, name: str, limits: tuple[float, float]) -> Array:
    """Return `value` as floats; they must be finite, > 0 and within `limits` (1e-9 of grace)."""
    array = np.asarray(value, dtype=np.float64)
    low, high = limits
    good = np.isfinite(array) & (array > 0.0)
    good &= (array >= low * (1.0 - 1e-9)) & (array <= high * (1.0 + 1e-9))
    if not np.all(good):
        allowed = "finite and > 0"
        if low > 0.0:
            allowed = f"between {low:.6g} and {high:.6g}"
        raise ParameterError(name, float(array[~good].flat[0]), allowed)
    return array
