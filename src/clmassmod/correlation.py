"""Correlation function of the linear density, in space and projected along the line of sight.

Lengths here are **comoving** Mpc, as in `power`. All are Hankel transforms of P(k), made
once on a logarithmic grid (FFTLog, Hamilton 2000) and interpolated by cubic splines.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ._core.spline import at_redshifts
from .cosmology import Array
from .errors import ParameterError
from .transfer import EisensteinHu, PowerTable, checked_positive

RADIUS_RANGE = (1e-5, 1e4)
"""Comoving radii [Mpc] at which the correlation is known; below, it goes on as a power law."""

# a transform is periodic in ln k: the grid goes on until what it repeats is nothing
_LN_K_RANGE = (math.log(1e-8), math.log(1e8))
_POINTS = 9216
_NORM_3D = (2.0 * math.pi) ** -1.5


class _Interpolant(NamedTuple):
    """Cubic polynomials of ln r on equal intervals from `low` on, (intervals, 4), and slopes."""

    low: float
    step: float
    value: Array
    slope: Array


class LinearCorrelation:
    """Correlation at z = 0 of a spectrum; `LinearPower.correlation` makes it.

    Methods take comoving radii [Mpc], > 0 and up to 1e4, of any shape. From 1e-5 on errors are
    below 1e-7 of the value for a transfer function, and where the correlation changes its sign, of
    its value one octave inside (tested against quadrature). Outside a table P(k) goes on as
    the power laws of its ends.
    """

    def __init__(self, amplitude: float, spectrum: EisensteinHu | PowerTable) -> None:
        self._amplitude = amplitude
        self._spectrum = spectrum

    def three_dimensional(self, radius: Any) -> Array:
        """``xi(r) = int dk k^2 P(k) j_0(k r) / (2 pi^2)``, dimensionless."""
        return _read(self._space, radius, 0.0)

    def three_dimensional_slope(self, radius: Any) -> Array:
        """Derivative ``d xi / d ln r``."""
        return _read(self._space, radius, 0.0, slope=True)

    def volume_integral(self, radius: Any) -> Array:
        """Integral of xi over the sphere of `radius`, ``4 pi int_0^r xi r^2 dr`` [Mpc^3]."""
        return _read(self._sphere, radius, 3.0)

    def projected(self, radius: Any) -> Array:
        """``w(R) = int xi(sqrt(R^2 + l^2)) dl = int dk k P(k) J_0(k R) / (2 pi)`` [Mpc]."""
        return _read(self._plane, radius, 0.0)

    def projected_slope(self, radius: Any) -> Array:
        """Derivative ``d w / d ln R`` [Mpc]."""
        return _read(self._plane, radius, 1.0, slope=True)

    def excess_projected(self, radius: Any) -> Array:
        """Mean of w inside R minus w(R), ``int dk k P(k) J_2(k R) / (2 pi)`` [Mpc]."""
        return _read(self._tangential, radius, 1.0)

    @cached_property
    def _space(self) -> _Interpolant:
        return self._transform(1.5, 0.5, _NORM_3D, -1.5)

    @cached_property
    def _sphere(self) -> _Interpolant:
        return self._transform(0.5, 1.5, 4.0 * math.pi * _NORM_3D, 0.5)

    @cached_property
    def _plane(self) -> _Interpolant:
        return self._transform(1.0, 0.0, 0.5 / math.pi, -1.0)

    @cached_property
    def _tangential(self) -> _Interpolant:
        return self._transform(1.0, 2.0, 0.5 / math.pi, -1.0)

    def _transform(self, power: float, order: float, norm: float, outer: float) -> _Interpolant:
        """Return ``norm r^outer (r int dk k^power P(k) J_order(k r))`` against ln r."""
        from scipy.fft import fht, fhtoffset
        from scipy.interpolate import CubicSpline

        ln_k = np.linspace(*_LN_K_RANGE, _POINTS)
        step = float(ln_k[1] - ln_k[0])
        values = np.exp(power * ln_k) * self._spectrum.continued_shape(ln_k) * self._amplitude
        offset = fhtoffset(step, mu=order)
        middle = 0.5 * (ln_k[0] + ln_k[-1])
        ln_r = offset - middle + (ln_k - middle)
        result = norm * np.exp(outer * ln_r) * fht(values, step, mu=order, offset=offset)
        inside = slice(_POINTS // 6, -_POINTS // 6)
        spline = CubicSpline(ln_r[inside], result[inside])
        powers = step ** np.arange(4)
        value = np.ascontiguousarray(spline.c[::-1].T * powers)
        slope = np.zeros_like(value)
        slope[:, :3] = value[:, 1:] * np.array([1.0, 2.0, 3.0]) / step
        return _Interpolant(float(np.exp(ln_r[inside][0])), step, value, slope)


def _read(table: _Interpolant, radius: Any, inner: float, slope: bool = False) -> Array:
    """Return the value, or its slope, at `radius`; below the range in proportion to r^inner."""
    low, high = RADIUS_RANGE
    r = checked_positive(radius, "radius", (0.0, math.inf))
    if np.any(r > high):
        raise ParameterError("radius", float(np.max(r)), f"<= {high:g} comoving Mpc")
    held = np.ascontiguousarray(np.maximum(r, low))
    out = np.empty(held.shape)
    # the core's splines are of ln(1 + z)
    coefficients = table.slope if slope else table.value
    at_redshifts(coefficients, table.step, (held / table.low - 1.0).reshape(-1), out.reshape(-1))
    below = r < low
    return np.where(below, out * (r / low) ** inner, out) if below.any() else out
