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

from .correlation import LinearCorrelation
from .cosmology import (
    Array,
    MassDef,
    checked_redshift,
    mean_matter_density,
    resolve_cosmology,
)
from .errors import ParameterError
from .transfer import EisensteinHu, PowerTable, checked_positive, eisenstein_hu, power_table

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

COLLAPSE_THRESHOLD = 0.15 * (12.0 * math.pi) ** (2.0 / 3.0)
"""Linear overdensity of spherical collapse, 1.686470, of Einstein-de Sitter, at all redshifts."""

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

    __hash__ = None  # type: ignore[assignment]
    __slots__ = ("_amplitude", "_correlation", "_cosmology", "_growth", "_spectrum", "_variance")

    _amplitude: float
    _correlation: LinearCorrelation | None
    _cosmology: FLRW
    _growth: _Growth
    _spectrum: EisensteinHu | PowerTable
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
        spectrum = eisenstein_hu(resolve_cosmology(cosmology), n_s, transfer, cmb_temperature)
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
        table = power_table(k, power)
        new = cls.__new__(cls)
        new._prepare(resolve_cosmology(cosmology), table)
        new._amplitude = float(new.growth_factor(redshift)) ** -2
        return new

    def _prepare(self, cosmology: FLRW, spectrum: EisensteinHu | PowerTable) -> None:
        self._cosmology = cosmology
        self._spectrum = spectrum
        self._growth = _solve_growth(cosmology)
        self._variance = _tabulate_variance(spectrum)
        self._correlation = None

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
        wave_number = checked_positive(k, "k", self._spectrum.k_range)
        shape = self._spectrum.shape(wave_number)
        return np.asarray(self._amplitude * shape * self.growth_factor(redshift) ** 2)

    def continued_power(self, k: Any, redshift: Any = 0.0) -> Array:
        """As `power`, at any k > 0: a table goes on as the power laws of its ends."""
        wave_number = checked_positive(k, "k", (0.0, math.inf))
        shape = self._spectrum.continued_shape(np.log(wave_number))
        return np.asarray(self._amplitude * shape * self.growth_factor(redshift) ** 2)

    def log_slope(self, k: Any) -> Array:
        """Logarithmic slope dlnP/dlnk at wave number `k` [comoving 1/Mpc], at any redshift.

        Exact to 1e-12 for a transfer function (a derivative by complex step), the slope
        of the spline for a table. Raises `ParameterError` if `k` is out of range.
        """
        return self._spectrum.log_slope(checked_positive(k, "k", self._spectrum.k_range))

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
        checked = checked_positive(mass, "mass", (0.0, math.inf))
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

    @property
    def correlation(self) -> LinearCorrelation:
        """Correlation function of the linear density at z = 0; it grows as D(z)^2."""
        if self._correlation is None:
            self._correlation = LinearCorrelation(self._amplitude, self._spectrum)
        return self._correlation

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
        checked = checked_positive(radius, "radius", self._variance.radius_range)
        return np.asarray(np.log(checked))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LinearPower):
            return NotImplemented
        same = self._cosmology == other._cosmology and self._amplitude == other._amplitude
        return bool(same) and self._spectrum == other._spectrum

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
    nu = checked_positive(peak_height, "peak_height", (0.0, math.inf))
    y = np.log10(checked_positive(overdensity, "overdensity", (170.0, 3200.0)))
    fall = np.exp(-((4.0 / y) ** 4))
    a = 0.44 * y - 0.88
    power = nu**a
    first = (1.0 + 0.24 * y * fall) * power / (power + COLLAPSE_THRESHOLD**a)
    last = (0.019 + 0.107 * y + 0.19 * fall) * nu**2.4
    return np.asarray(1.0 - first + 0.183 * nu**1.5 + last)


# ---------------------------------------------------------------------------------------
# Spectra


@dataclass(frozen=True)
class _Variance:
    """ln sigma and its slope against ln R, of the unnormalised spectrum."""

    ln_sigma: Any
    slope: Any
    radius_range: tuple[float, float]


def _tabulate_variance(spectrum: EisensteinHu | PowerTable) -> _Variance:
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
