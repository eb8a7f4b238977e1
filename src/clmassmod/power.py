"""Linear matter power spectrum, its variance, growth, peak height and halo bias.

The shape is that of Eisenstein & Hu (1998) or a table given by the user; the
amplitude (``sigma8``) and the tilt (``n_s``) are always given, never guessed.

Units: lengths here are **comoving** Mpc (unlike most of the package, where they
are physical), wave numbers comoving 1/Mpc, P(k) comoving Mpc^3, masses Msun. No h
anywhere; the one exception is the definition of ``sigma8`` itself, the variance in
spheres of 8 Mpc / h.

All methods take numbers or arrays, broadcast their arguments elementwise and
give the same value for an element whatever else is asked for in the same call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .cosmology import (
    Array,
    MassDef,
    checked_redshift,
    mean_matter_density,
    resolve_cosmology,
)
from .errors import ParameterError, nearest

if TYPE_CHECKING:
    from astropy.cosmology import FLRW
    from scipy.interpolate import CubicSpline

COLLAPSE_THRESHOLD = 0.15 * (12.0 * math.pi) ** (2.0 / 3.0)
"""Linear overdensity of spherical collapse, 1.686470, of Einstein-de Sitter, at all redshifts."""

TRANSFERS = ("eh98", "eh98_nowiggle")
"""Names of the transfer functions."""

RADIUS_RANGE = (1e-4, 1e3)
"""Radii [comoving Mpc] at which the variance is known."""

GREATEST_REDSHIFT = 1000.0
"""Largest redshift of the growth factor."""

# The variance is summed on a grid in ln k with this spacing (a trapezoid sum of an analytic
# integrand that vanishes at both ends converges exponentially), at radii 5 spacings apart.
_K_SPACING = 0.004
_RADIUS_STRIDE = 5
_K_RANGE = (1e-7, 1e7)
# A table of P(k) serves radii at which less than this part of the variance lies outside it.
_GREATEST_MISSING_VARIANCE = 1e-4
# Growth is integrated in ln a from here, deep in the radiation era.
_FIRST_SCALE_FACTOR = 1e-7
_GROWTH_STEPS = 1600


class LinearPower:
    """Linear matter power spectrum of one cosmology.

    Parameters
    ----------
    cosmology : astropy.cosmology.FLRW
        Must have ``Ob0 > 0``; so the package default (None) is an error here.
    sigma8 : float
        Standard deviation of the linear density in spheres of 8 Mpc / h at z = 0, > 0.
    n_s : float
        Tilt of the primordial spectrum, between -1 and 3.
    transfer : {"eh98", "eh98_nowiggle"}
        Eisenstein & Hu (1998) with baryon oscillations (their eqs 2-24), or their
        form without them (eqs 26, 28-31).
    cmb_temperature : float, optional
        Temperature of the microwave background [K] in the transfer function. None
        takes the cosmology's ``Tcmb0``, which must then be > 0.

    Raises
    ------
    ParameterError
        If an argument is out of range, or the cosmology has no baryons.

    See Also
    --------
    LinearPower.from_table : the user's own P(k).

    Notes
    -----
    The sound horizon takes ``R = 31.5 Omega_b h^2 theta^-4 (1000 / z)`` as printed (their
    eq. 5). Codes that descend from the authors' program put 1 + z there at the drag
    epoch, which shifts the oscillations: up to 3e-4 in P(k), 6e-5 in sigma.

    The transfer function takes Omega_m from ``Om0``. Massive neutrinos, which astropy
    keeps apart from ``Om0``, enter the expansion only, their free streaming is
    neglected. The fit of Eisenstein & Hu itself differs from a Boltzmann code by a few per
    cent in P(k). Use `from_table` where either matters.

    Examples
    --------
    >>> from astropy.cosmology import FlatLambdaCDM
    >>> cosmology = FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=2.7255, Ob0=0.045)
    >>> linear = LinearPower(cosmology, sigma8=0.8, n_s=0.96)
    >>> print(f"{linear.sigma(8 / 0.7):.4f}")
    0.8000
    """

    __slots__ = ("_amplitude", "_cosmology", "_growth", "_spectrum", "_variance")

    _amplitude: float
    _cosmology: FLRW
    _growth: _Growth
    _spectrum: _EisensteinHu | _PowerTable
    _variance: _Variance

    def __init__(
        self,
        cosmology: FLRW,
        *,
        sigma8: float,
        n_s: float,
        transfer: str = "eh98",
        cmb_temperature: float | None = None,
    ) -> None:
        if not (math.isfinite(sigma8) and sigma8 > 0.0):
            raise ParameterError("sigma8", sigma8, "finite and > 0")
        if not -1.0 < n_s < 3.0:
            raise ParameterError("n_s", n_s, "between -1 and 3")
        spectrum = _eisenstein_hu(resolve_cosmology(cosmology), n_s, transfer, cmb_temperature)
        self._prepare(resolve_cosmology(cosmology), spectrum)
        unnormalised = math.exp(float(self._variance.ln_sigma(math.log(self._radius8))))
        self._amplitude = (sigma8 / unnormalised) ** 2

    @classmethod
    def from_table(
        cls, k: Any, power: Any, cosmology: FLRW | None = None, redshift: float = 0.0
    ) -> LinearPower:
        """Return the linear power of a table, for example from a Boltzmann code.

        Parameters
        ----------
        k : (n,) float, comoving 1/Mpc, > 0, strictly increasing, n >= 10
            Wave numbers.
        power : (n,) float, comoving Mpc^3, > 0
            Linear power at `redshift`.
        cosmology : astropy.cosmology.FLRW, optional
            Gives growth and mean density; None is the package default.
        redshift : float
            Redshift of `power`, between 0 and 1000; other redshifts follow by the growth factor.

        Raises
        ------
        ParameterError
            If the table is not as described.

        Notes
        -----
        A cubic spline of ln P in ln k. Outside the table `power` is an error. The
        variance continues the table by the power laws of its ends, and is an error at
        radii for which this would give more than 1e-4 of it.
        """
        table = _power_table(k, power)
        new = cls.__new__(cls)
        new._prepare(resolve_cosmology(cosmology), table)
        new._amplitude = float(new.growth_factor(redshift)) ** -2
        return new

    def _prepare(self, cosmology: FLRW, spectrum: _EisensteinHu | _PowerTable) -> None:
        self._cosmology = cosmology
        self._spectrum = spectrum
        self._growth = _solve_growth(cosmology)
        self._variance = _tabulate_variance(spectrum)

    @property
    def cosmology(self) -> FLRW:
        """The cosmology."""
        return self._cosmology

    @property
    def sigma8(self) -> float:
        """Standard deviation in spheres of 8 Mpc / h at z = 0."""
        return float(self.sigma(self._radius8))

    @property
    def n_s(self) -> float | None:
        """Tilt of the primordial spectrum; None for a table."""
        return self._spectrum.n_s

    @property
    def transfer(self) -> str:
        """Name of the transfer function, or ``"table"``."""
        return self._spectrum.name

    @property
    def _radius8(self) -> float:
        return 800.0 / float(self._cosmology.H0.value)

    def power(self, k: Any, redshift: Any = 0.0) -> Array:
        """Linear matter power P(k, z) [comoving Mpc^3].

        Parameters
        ----------
        k : float or array, comoving 1/Mpc, > 0
            Wave number; for a table, inside its range.
        redshift : float or array
            Between 0 and 1000; broadcasts with `k`.

        Raises
        ------
        ParameterError
            If `k` or `redshift` is out of range.

        Notes
        -----
        ``P(k, z) = A k^n_s T(k)^2 D(z)^2``, with A from sigma8.
        """
        wave_number = _checked_positive(k, "k", self._spectrum.k_range)
        shape = self._spectrum.shape(wave_number)
        return np.asarray(self._amplitude * shape * self.growth_factor(redshift) ** 2)

    def log_slope(self, k: Any) -> Array:
        """Logarithmic slope dlnP/dlnk at wave number `k` [comoving 1/Mpc], at any redshift.

        Exact to 1e-12 for a transfer function (a derivative by complex step), the slope
        of the spline for a table. Raises `ParameterError` if `k` is out of range.
        """
        return self._spectrum.log_slope(_checked_positive(k, "k", self._spectrum.k_range))

    def sigma(self, radius: Any, redshift: Any = 0.0) -> Array:
        """Standard deviation of the linear density in spheres.

        Parameters
        ----------
        radius : float or array, comoving Mpc
            Radius of the sphere, between 1e-4 and 1e3 (for a table: as far as it reaches).
        redshift : float or array
            Between 0 and 1000; broadcasts with `radius`.

        Raises
        ------
        ParameterError
            If `radius` or `redshift` is out of range.

        Notes
        -----
        ``sigma^2 = D(z)^2 int dk k^2 P(k) W(kR)^2 / (2 pi^2)``,
        ``W(x) = 3 (sin x - x cos x) / x^3``. Interpolated in ln R between values summed to
        1e-10; the whole error is below 1e-8 for a transfer function (tested against
        Gauss-Legendre quadrature).
        """
        return np.asarray(
            math.sqrt(self._amplitude)
            * np.exp(self._variance.ln_sigma(self._ln_radius(radius)))
            * self.growth_factor(redshift)
        )

    def sigma_log_slope(self, radius: Any) -> Array:
        """Logarithmic slope d ln sigma / d ln R at `radius` [comoving Mpc], at any redshift.

        Interpolated between direct integrals; the error is below 1e-6. Raises
        `ParameterError` if `radius` is out of range (see `sigma`).
        """
        return np.asarray(self._variance.slope(self._ln_radius(radius)))

    def lagrangian_radius(self, mass: Any) -> Array:
        """Radius [comoving Mpc] of the sphere of mean density that holds `mass` [Msun], > 0.

        ``M = 4 pi / 3 rho_m(z=0) R^3``, with the density of ``Om0``.
        """
        density = float(mean_matter_density(0.0, self._cosmology))
        checked = _checked_positive(mass, "mass", (0.0, math.inf))
        return np.asarray(np.cbrt(3.0 * checked / (4.0 * math.pi * density)))

    def sigma_mass(self, mass: Any, redshift: Any = 0.0) -> Array:
        """Standard deviation of the linear density in spheres that hold `mass` [Msun].

        See `sigma` and `lagrangian_radius`; the arguments broadcast.
        """
        return self.sigma(self.lagrangian_radius(mass), redshift)

    def peak_height(self, mass: Any, redshift: Any = 0.0) -> Array:
        """Peak height ``nu = delta_c / sigma(M, z)`` of haloes of `mass` [Msun].

        delta_c is 1.686470, the Einstein-de Sitter value, at all redshifts (the convention
        of Tinker et al. 2010 and of the concentration relations). Some authors call
        the square of this quantity nu. The arguments broadcast.
        """
        return np.asarray(COLLAPSE_THRESHOLD / self.sigma_mass(mass, redshift))

    def growth_factor(self, redshift: Any) -> Array:
        """Linear growth factor D(z), 1 at z = 0.

        Parameters
        ----------
        redshift : float or array
            Between 0 and 1000.

        Notes
        -----
        The growing solution of ``D'' + (2 + dlnE/dlna) D' = 3/2 Omega_m(a) D`` in ln a,
        with E(a) astropy's, so any expansion history is possible. Matter (``Om0``) clusters;
        radiation, neutrinos and dark energy do not. The error is below 1e-8.
        """
        return np.asarray(np.exp(self._growth.ln_factor(_ln_scale_factor(redshift))))

    def growth_rate(self, redshift: Any) -> Array:
        """Growth rate ``dlnD/dlna = -dlnD/dln(1+z)`` at `redshift`, to 1e-8.

        It is alpha_eff of Diemer & Joyce (2019). The range is that of `growth_factor`.
        """
        return np.asarray(self._growth.rate(_ln_scale_factor(redshift)))

    def halo_bias(self, mass: Any, redshift: Any, mass_def: str | MassDef) -> Array:
        """Linear bias of haloes of `mass` [Msun] in definition `mass_def` at `redshift`.

        Tinker et al. (2010): see `tinker10_bias`. The arguments broadcast.
        """
        definition = MassDef.from_name(mass_def)
        mean = mean_matter_density(redshift, self._cosmology)
        overdensity = definition.density(redshift, self._cosmology) / mean
        return tinker10_bias(self.peak_height(mass, redshift), overdensity)

    def _ln_radius(self, radius: Any) -> Array:
        checked = _checked_positive(radius, "radius", self._variance.radius_range)
        return np.asarray(np.log(checked))

    def __repr__(self) -> str:
        n_s = "" if self.n_s is None else f", n_s={self.n_s:g}"
        name = self._cosmology.name or type(self._cosmology).__name__
        return f"LinearPower({name}{n_s}, transfer={self.transfer!r})"


def tinker10_bias(peak_height: Any, overdensity: Any) -> Array:
    """Linear halo bias b(nu) of Tinker et al. (2010), eq. 6 and table 2.

    Parameters
    ----------
    peak_height : float or array, > 0
        nu = delta_c / sigma(M, z).
    overdensity : float or array, between 170 and 3200
        Mean density of the halo relative to the **mean matter** density; the relation was
        calibrated from 200. Virial masses fall to 178 at high redshift, hence 170.

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Notes
    -----
    ``b = 1 - A nu^a / (nu^a + delta_c^a) + B nu^b + C nu^c`` with y = log10 Delta,
    A = 1 + 0.24 y exp(-(4/y)^4), a = 0.44 y - 0.88, B = 0.183, b = 1.5,
    C = 0.019 + 0.107 y + 0.19 exp(-(4/y)^4), c = 2.4, delta_c = 1.686470.

    Examples
    --------
    >>> print(f"{tinker10_bias(2.0, 200.0):.4f}")
    2.4118
    """
    nu = _checked_positive(peak_height, "peak_height", (0.0, math.inf))
    y = np.log10(_checked_positive(overdensity, "overdensity", (170.0, 3200.0)))
    fall = np.exp(-((4.0 / y) ** 4))
    a = 0.44 * y - 0.88
    power = nu**a
    first = (1.0 + 0.24 * y * fall) * power / (power + COLLAPSE_THRESHOLD**a)
    last = (0.019 + 0.107 * y + 0.19 * fall) * nu**2.4
    return np.asarray(1.0 - first + 0.183 * nu**1.5 + last)


# ---------------------------------------------------------------------------------------
# Spectra


@dataclass(frozen=True)
class _EisensteinHu:
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


@dataclass(frozen=True)
class _PowerTable:
    """Power interpolated in the user's table."""

    spline: CubicSpline
    k_range: tuple[float, float]
    name: str = "table"
    n_s: None = None

    def shape(self, k: Array) -> Array:
        return np.asarray(np.exp(self.spline(np.log(k))))

    def log_slope(self, k: Array) -> Array:
        return np.asarray(self.spline(np.log(k), 1))

    def continued_shape(self, ln_k: Array) -> Array:
        """Power, continued outside the table by the power laws of its ends."""
        inside = np.clip(ln_k, self.spline.x[0], self.spline.x[-1])
        return np.asarray(np.exp(self.spline(inside) + self.spline(inside, 1) * (ln_k - inside)))


def _eisenstein_hu(
    cosmology: FLRW, n_s: float, transfer: str, cmb_temperature: float | None
) -> _EisensteinHu:
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
    return _EisensteinHu(transfer, float(n_s), matter * h2, baryons * h2, temperature / 2.7)


def _power_table(k: Any, power: Any) -> _PowerTable:
    from scipy.interpolate import CubicSpline

    wave_number = np.array(k, dtype=np.float64)
    values = np.array(power, dtype=np.float64)
    if wave_number.ndim != 1 or wave_number.size < 10:
        raise ParameterError("k", f"array of shape {wave_number.shape}", "1-d, 10 or more values")
    if values.shape != wave_number.shape:
        raise ParameterError(
            "power", f"array of shape {values.shape}", f"of the shape of k, {wave_number.shape}"
        )
    _checked_positive(wave_number, "k", (0.0, math.inf))
    _checked_positive(values, "power", (0.0, math.inf))
    if not np.all(np.diff(wave_number) > 0.0):
        raise ParameterError("k", "an array that does not increase", "strictly increasing")
    spline = CubicSpline(np.log(wave_number), np.log(values))
    return _PowerTable(spline, (float(wave_number[0]), float(wave_number[-1])))


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


@dataclass(frozen=True)
class _Variance:
    """ln sigma and its slope against ln R, of the unnormalised spectrum."""

    ln_sigma: Any
    slope: Any
    radius_range: tuple[float, float]


def _tabulate_variance(spectrum: _EisensteinHu | _PowerTable) -> _Variance:
    from scipy.interpolate import CubicHermiteSpline, CubicSpline

    step = _K_SPACING
    ln_k = np.arange(math.log(_K_RANGE[0]), math.log(_K_RANGE[1]) + step, step)
    delta2 = np.exp(3.0 * ln_k) * spectrum.continued_shape(ln_k) / (2.0 * math.pi**2)
    stride = _RADIUS_STRIDE * step
    first, last = (math.log(radius) for radius in RADIUS_RANGE)
    ln_r = np.float64(first) + stride * np.arange(math.ceil((last - first) / stride) + 1.0)
    # ln(kR) of all pairs (k, R) lies on one grid: the window is computed once.
    count = ln_k.size + (ln_r.size - 1) * _RADIUS_STRIDE
    squared, product = _squared_window(np.exp(ln_k[0] + ln_r[0] + step * np.arange(count)))

    def integrals(integrand: Array, weight: Array) -> Array:
        starts = _RADIUS_STRIDE * np.arange(ln_r.size)
        return np.array([step * (integrand @ weight[j : j + ln_k.size]) for j in starts])

    variance = integrals(delta2, squared)
    slope = integrals(delta2, product) / variance
    # what an analytic spectrum has outside the grid is negligible
    low = max(spectrum.k_range[0], _K_RANGE[0])
    high = min(spectrum.k_range[1], _K_RANGE[1])
    inside = (ln_k > math.log(low) - step) & (ln_k < math.log(high) + step)
    missing = integrals(np.where(inside, 0.0, delta2), squared) / variance
    return _Variance(
        CubicHermiteSpline(ln_r, 0.5 * np.log(variance), slope),
        CubicSpline(ln_r, slope),
        _served_radii(ln_r, missing),
    )


def _served_radii(ln_radius: Array, missing: Array) -> tuple[float, float]:
    """Range of radii whose variance the spectrum holds."""
    served = np.flatnonzero(missing <= _GREATEST_MISSING_VARIANCE)
    if served.size == 0:
        raise ParameterError(
            "k",
            "a range too narrow",
            "wide enough to hold the variance of some radius",
            "Give P(k) at least from 1e-3 to 10 per Mpc.",
        )
    low, high = np.exp(ln_radius[[served[0], served[-1]]])
    return max(float(low), RADIUS_RANGE[0]), min(float(high), RADIUS_RANGE[1])


def _squared_window(x: Array) -> tuple[Array, Array]:
    """W(x)^2 and W dW/dlnx, without their oscillations where the grid cannot follow these.

    At large x, ``W^2 = 9/2 (x^-4 + x^-6) + oscillating terms``. The latter are faded out
    smoothly around x = 100, over many periods, so that what is left out integrates to
    nothing; past x = 400 the grid would sample them less than twice a period.
    """
    from scipy.special import erfc

    window, derivative = _top_hat(x)
    fade = 0.5 * erfc(np.log(x / 100.0) / 0.3)
    large = np.maximum(x, 1.0)
    mean = 4.5 * large**-4 * (1.0 + large**-2)
    mean_product = -9.0 * large**-4 * (1.0 + 1.5 * large**-2)
    squared = fade * window**2 + (1.0 - fade) * mean
    return squared, fade * window * derivative + (1.0 - fade) * mean_product


def _top_hat(x: Array) -> tuple[Array, Array]:
    """W(x) = 3 (sin x - x cos x) / x^3 and dW/dlnx; series where x < 0.1 (error 1e-14)."""
    small = x < 0.1
    t = np.where(small, x, 0.0) ** 2
    series = 1.0 - t / 10.0 * (1.0 - t / 28.0 * (1.0 - t / 54.0))
    slope_series = -t / 5.0 * (1.0 - t / 14.0 * (1.0 - t / 36.0))
    big = np.where(small, 1.0, x)
    direct = 3.0 * (np.sin(big) - big * np.cos(big)) / big**3
    slope = 3.0 * (np.sin(big) / big - direct)
    return np.where(small, series, direct), np.where(small, slope_series, slope)


# ---------------------------------------------------------------------------------------
# Growth


@dataclass(frozen=True)
class _Growth:
    """ln D and dlnD/dlna against ln a."""

    ln_factor: Any
    rate: Any


def _solve_growth(cosmology: FLRW) -> _Growth:
    """Integrate the growth rate f = dlnD/dlna by Runge-Kutta (fourth order, fixed step).

    ``f' = 3/2 Omega_m(a) - f^2 - (2 + dlnE/dlna) f``. At the start the growing solution
    of Meszaros (1974), D = 1 + 3/2 rho_m / rho_r, gives f = 3/2 Om / (1 + Om / 2), which
    is 1 for matter alone. The other solution has died out long before z = 1000.
    """
    from scipy.interpolate import CubicHermiteSpline, CubicSpline

    matter = float(cosmology.Om0)
    if not matter > 0.0:
        raise ParameterError("cosmology.Om0", matter, "> 0")
    step = -math.log(_FIRST_SCALE_FACTOR) / _GROWTH_STEPS
    # half steps, and two more on either side for the derivative of ln E
    x = 0.5 * step * np.arange(-2 * _GROWTH_STEPS - 2, 3)
    ln_e = np.log(np.asarray(cosmology.efunc(np.expm1(-x))))
    slope_e = (8.0 * (ln_e[3:-1] - ln_e[1:-3]) - (ln_e[4:] - ln_e[:-4])) / (6.0 * step)
    x, ln_e = x[2:-2], ln_e[2:-2]
    omega = matter * np.exp(-3.0 * x - 2.0 * ln_e)
    rate, ln_factor = _runge_kutta(1.5 * omega, 2.0 + slope_e, step)
    ln_a = x[::2]
    ln_factor -= ln_factor[-1]
    return _Growth(CubicHermiteSpline(ln_a, ln_factor, rate), CubicSpline(ln_a, rate))


def _runge_kutta(source: Array, friction: Array, step: float) -> tuple[Array, Array]:
    """Solve f' = source - f^2 - friction f and (ln D)' = f; inputs on half steps."""
    s, b = source.tolist(), friction.tolist()
    f = s[0] / (1.0 + s[0] / 3.0)
    ln_d = 0.0
    rates, factors = [f], [ln_d]
    for i in range(0, len(s) - 2, 2):
        k1 = s[i] - f * (f + b[i])
        f2 = f + 0.5 * step * k1
        k2 = s[i + 1] - f2 * (f2 + b[i + 1])
        f3 = f + 0.5 * step * k2
        k3 = s[i + 1] - f3 * (f3 + b[i + 1])
        f4 = f + step * k3
        k4 = s[i + 2] - f4 * (f4 + b[i + 2])
        ln_d += step / 6.0 * (f + 2.0 * (f2 + f3) + f4)
        f += step / 6.0 * (k1 + 2.0 * (k2 + k3) + k4)
        rates.append(f)
        factors.append(ln_d)
    return np.array(rates), np.array(factors)


# ---------------------------------------------------------------------------------------
# Arguments


def _ln_scale_factor(redshift: Any) -> Array:
    z = checked_redshift(redshift)
    if np.any(z > GREATEST_REDSHIFT):
        raise ParameterError("redshift", float(z.max()), f"<= {GREATEST_REDSHIFT:g}")
    return np.asarray(-np.log1p(z))


def _checked_positive(value: Any, name: str, limits: tuple[float, float]) -> Array:
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
