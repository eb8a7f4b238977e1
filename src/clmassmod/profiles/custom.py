"""Profiles from a user's function or table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._core import numeric as core
from ..errors import NumericalError, ParameterError, nearest
from .base import Array, common_shape
from .numeric import RTOL_RANGE, NumericProfile, make_table

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    Function = Callable[[Array], Any]

_ORDER = 8
"""Coefficients of a panel, as in panels.hpp."""
_SPLITS = (2, 3, 4, 5, 6)
_GAUSS_PANELS = (2.0, 1.0, 0.5, 0.25, 0.125)
_ROUNDING = 1e-12
"""Of ln f: few functions are smoother."""
_SLOPE_ROUNDING = 1e-13
"""Of d ln f / d ln r of four panels an octave, from values rounded to 1e-16."""
_DEFAULT_RANGE = (1e-9, 1e4)
_NOTHING_LEFT = 1e-60
"""Of the largest r^2 f: what a falling exponential may be cut to where it underflows."""
_INNER = ("power", "constant")
_OUTER = ("power", "zero")


class _Samples(NamedTuple):
    """ln f in panels of x = r / r_max, and its slopes at the ends."""

    coefficients: Array  # (panels, order)
    low: float
    octaves: int
    split: int
    slopes: tuple[float, float]


class UserProfile(NumericProfile):
    """A profile given by a function ``rho(r)`` or ``Sigma(R)``, or by a table of rho.

    Parameters
    ----------
    redshift : float or (n,), >= 0
        n redshifts make n profiles of the same mass.
    rho : callable
        Takes radii (k,) [physical Mpc] and returns densities (k,) [Msun / Mpc^3], > 0.
    sigma : callable
        Takes projected radii (k,) and returns surface densities (k,) [Msun / Mpc^2], > 0.
    table : (2, n) array_like, n >= 4
        Radii [physical Mpc], increasing, and densities [Msun / Mpc^3], > 0: cubic splines of ln rho
        in ln r. Exactly one of `rho`, `sigma` and `table` is given.
    radius_range : (float, float), physical Mpc
        Where the function is called. By default (1e-9, 1e4), or up to where an exponential
        fall has left nothing (1e-60 of the largest ``r^2 f``); not for a table.
    inner : {"power", "constant"}
        How the profile goes on below the first radius: with its slope there, or constant.
        Must be given with a table.
    outer : {"power", "zero"}
        How it goes on above the last radius: with its slope there, or not at all (not for
        `sigma`). Must be given with a table.
    cosmology : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``.
    rtol : float, between 1e-9 and 1e-2
        Relative accuracy of every method, for the function or interpolant as continued.

    Raises
    ------
    ParameterError
        Values that are not finite and > 0, or of wrong shape; a slope at the centre below
        -2.999 (rho) or -1.999 (Sigma), or one outside above -1.1 or -0.001, for which
        nothing can be projected; not exactly one of the three inputs; missing `inner` or
        `outer`.
    NumericalError
        The function is not smooth enough for `rtol`.

    Notes
    -----
    The function is sampled once, at Chebyshev points in parts of octaves, finely enough for
    `rtol`. In a constant core, where rounding leaves no digits of the slope, the slope goes on
    as the power of radius that it is just outside; accuracies are those of this continuation,
    and the slope of a density got from Sigma is good to `rtol` of the density. A function given
    by Sigma is deprojected as a sphere (Abel inversion). Sigma must fall with radius for its
    density to be positive.

    Examples
    --------
    >>> import clmassmod as clm
    >>> halo = clm.UserProfile(0.3, rho=lambda r: 1e15 / (r * (1.0 + r) ** 2))
    >>> bool(halo.surface_density(1.0) > halo.surface_density(2.0))
    True
    """

    def __init__(
        self,
        redshift: Any,
        *,
        rho: Function | None = None,
        sigma: Function | None = None,
        table: Any = None,
        radius_range: tuple[float, float] | None = None,
        inner: str | None = None,
        outer: str | None = None,
        cosmology: FLRW | None = None,
        rtol: float = 1e-6,
    ) -> None:
        given = [n for n, v in (("rho", rho), ("sigma", sigma), ("table", table)) if v is not None]
        if len(given) != 1:
            raise ParameterError("rho, sigma, table", given, "exactly one of them")
        if table is not None:
            table = _checked_table(table)
        arguments = {
            "redshift": redshift,
            "rho": rho,
            "sigma": sigma,
            "table": table,
            "radius_range": radius_range,
            "inner": inner,
            "outer": outer,
            "cosmology": cosmology,
        }
        super().__init__(arguments, redshift, cosmology, rtol)
        self.kind = "sampled_surface" if sigma is not None else "sampled_density"  # type: ignore[misc]
        self._shape = common_shape(redshift=np.asarray(self.redshift))
        inner = _choice("inner", inner, _INNER, table is not None)
        outer = _choice("outer", outer, _OUTER, table is not None)
        if outer == "zero" and sigma is not None:
            raise ParameterError("outer", outer, "'power' for a surface density")
        if table is None:
            function = rho if rho is not None else sigma
            assert function is not None
            if radius_range is None:
                low, high = _default_range(function)
            else:
                low, high = _checked_range(radius_range)
            log_function, unit = _log_of(function, given[0], low)
        else:
            if radius_range is not None:
                raise ParameterError("radius_range", radius_range, "None with a table")
            low, high = float(table[0, 0]), float(table[0, -1])
            log_function, unit = _log_spline(table), 1.0
        # integrals need the first derivative of ln f, Abel inversion the second, in which errors
        # grow by 2 k^2 times the number of panels in an e-fold
        tolerance = (1e-5 if sigma is not None else 1e-3) * self.rtol
        samples = _sample(log_function, low, high, table is None, tolerance, self.rtol)
        if table is None and inner == "power":
            samples = _smooth_core(samples, self.rtol)
        inner_slope = 0.0 if inner == "constant" else samples.slopes[0]
        _check_slopes(given[0], inner_slope, samples.slopes[1], outer == "zero")
        n = self._shape[0] if self._shape else 1
        self._density_scale = np.full(n, unit)
        self._radius_scale = np.full(n, high)
        # Sigma is rho_s r_s S: with a surface density of its own, rho_s = 1 / r_s
        if sigma is not None:
            self._density_scale /= high
        self._tabulate(samples, inner_slope, outer == "zero")

    def _tabulate(self, samples: _Samples, inner_slope: float, cut_off: bool) -> None:
        header = [
            0.0,
            samples.low,
            1.0,
            inner_slope,
            samples.slopes[1],
            float(cut_off),
            -samples.octaves,
            samples.octaves,
            samples.split,
        ]
        parameters = np.concatenate([header, samples.coefficients.ravel()])
        parameters[0] = self._gauss_panel(parameters, samples.low)
        self._parameters = parameters[None, :]
        table, error = make_table(self.kind, parameters, self.rtol)
        if table is None:
            raise NumericalError(
                f"the profile cannot be tabulated to rtol={self.rtol:g} (reached {error:.1e}): it "
                f"is not smooth enough. {_remedy(self.rtol)}"
            )
        self._tables = core.TableSet([table], None)

    def _gauss_panel(self, parameters: Array, low: float) -> float:
        """Return the widest quadrature panel for which halving it changes nothing."""
        x = np.exp(np.linspace(math.log(low), 0.0, 25)[1:-1])
        names = ("surface_density", "excess_surface_density", "enclosed_mass", "density")
        before: Array | None = None
        worst = np.full((len(names), x.size), np.nan)
        for panel in (*_GAUSS_PANELS, 0.5 * _GAUSS_PANELS[-1]):
            parameters[0] = panel
            self._parameters = parameters[None, :]
            values = np.array([self._integrated(name, x) for name in names])
            if before is not None:
                difference = np.abs(values - before)
                if np.all(difference <= 0.05 * self.rtol * np.abs(values)):
                    return 2.0 * panel
                worst = difference / np.abs(values)
            before = values
        name, at = np.unravel_index(int(np.argmax(np.nan_to_num(worst, nan=np.inf))), worst.shape)
        raise NumericalError(
            f"the integral for {names[name]} at {x[at] * self._radius_scale[0]:.3g} Mpc does not "
            f"settle to rtol={self.rtol:g} (reached {worst[name, at]:.1e}): the profile is not "
            f"smooth enough. {_remedy(self.rtol)}"
        )


def _remedy(rtol: float) -> str:
    looser = f", or a larger rtol (up to {RTOL_RANGE[1]:g})" if rtol < RTOL_RANGE[1] else ""
    return f"Give a narrower radius_range, where the function is smooth{looser}."


# -- checks ------------------------------------------------------------------------------------


def _choice(name: str, value: str | None, allowed: tuple[str, ...], needed: bool) -> str:
    if value is None and not needed:
        return "power"
    if value not in allowed:
        choices = " or ".join(map(repr, allowed))
        hint = "" if value is None else nearest(str(value), allowed)
        raise ParameterError(name, value, choices, hint)
    return value


def _checked_range(radius_range: Any) -> tuple[float, float]:
    try:
        low, high = map(float, radius_range)
    except (TypeError, ValueError):
        raise ParameterError("radius_range", radius_range, "two radii [Mpc]") from None
    if not (0.0 < low < math.inf and 4.0 * low <= high < math.inf):
        raise ParameterError("radius_range", radius_range, "0 < first, 4 first <= last < inf")
    return low, high


def _default_range(function: Function) -> tuple[float, float]:
    """Return the default range, or less of it where the function underflows outside."""
    low, high = _DEFAULT_RANGE
    r = np.geomspace(low, high, 600)
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(function(r.copy()), dtype=np.float64)
            weight = values * r**2
    except (TypeError, ValueError):
        return low, high  # found, and said, where the function is sampled
    if values.shape != r.shape or not 0.0 <= values[-1] < 1e-200:
        return low, high
    largest = np.max(weight)
    if not math.isfinite(largest):
        return low, high
    last = int(np.argmin(weight > _NOTHING_LEFT * largest)) - 1
    # zero from some radius on is a cut-off, at which a function is not smooth
    if last < 1 or not 0.0 < values[last + 1] < values[last]:
        return low, high
    return low, float(r[last])


def _checked_table(table: Any) -> Array:
    try:
        values = np.array(table, dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError("table", type(table).__name__, "two rows of numbers") from None
    if values.ndim != 2 or values.shape[0] != 2 or values.shape[1] < 4:
        raise ParameterError("table.shape", values.shape, "(2, n): radii and densities, n >= 4")
    for row, name in zip(values, ("radii", "densities"), strict=True):
        bad = ~(np.isfinite(row) & (row > 0.0))
        if bad.any():
            where = int(np.argmax(bad))
            raise ParameterError(
                "table", float(row[where]), f"finite and > 0 ({name}, index {where})"
            )
    if not np.all(np.diff(values[0]) > 0.0):
        where = int(np.argmin(np.diff(values[0]) > 0.0)) + 1
        raise ParameterError("table", float(values[0, where]), f"increasing (radii, index {where})")
    if values[0, -1] < 4.0 * values[0, 0]:
        raise ParameterError("table", tuple(values[0, [0, -1]]), "radii over a factor 4 or more")
    return values


def _check_slopes(what: str, inner: float, outer: float, cut_off: bool) -> None:
    # a little off the slopes at which mass and projection diverge, where no integral settles
    steepest, shallowest = (1.999, 0.001) if what == "sigma" else (2.999, 1.1)
    if not inner < steepest:
        raise ParameterError(
            what, -inner, f"a central slope above {-steepest:g}", "The central mass diverges."
        )
    if not cut_off and not outer > shallowest:
        raise ParameterError(
            what,
            -outer,
            f"a slope below {-shallowest:g} at the last radius",
            "The projection diverges.",
        )


# -- sampling ----------------------------------------------------------------------------------


def _log_of(function: Function, name: str, low: float) -> tuple[Callable[[Array], Array], float]:
    """Return ln(f / f_0) of radii, with the values checked, and f_0, the value at `low`."""

    def checked(r: Array) -> Array:
        try:
            values = np.asarray(function(r.copy()), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ParameterError(
                name,
                function,
                f"a function of an array of radii (it raised {type(error).__name__}: {error})",
                "Use numpy functions such as numpy.where, or numpy.vectorize(function).",
            ) from error
        if values.shape != r.shape:
            raise ParameterError(
                f"{name}(r).shape",
                values.shape,
                f"that of r, {r.shape}",
                "Use numpy functions, or numpy.vectorize.",
            )
        bad = ~(np.isfinite(values) & (values > 0.0))
        if bad.any():
            where = int(np.argmax(bad))
            raise ParameterError(
                f"{name}({r[where]:.6g} Mpc)",
                float(values[where]),
                "finite and > 0",
                "Set radius_range to where the profile is positive.",
            )
        return values

    # two radii: a function of one number must not pass
    unit = float(checked(np.array([low, 2.0 * low]))[0])

    def log_function(r: Array) -> Array:
        values = checked(r)
        with np.errstate(over="ignore", under="ignore"):
            ratio = values / unit
        # about a constant core ln(f / f_0) keeps the digits that ln f rounds away
        near = (ratio > 0.5) & (ratio < 2.0)
        return np.where(near, np.log(np.where(near, ratio, 1.0)), np.log(values) - math.log(unit))

    return log_function, unit


def _log_spline(table: Array) -> Callable[[Array], Array]:
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(np.log(table[0]), np.log(table[1]))
    return lambda r: np.asarray(spline(np.log(r)))


def _sample(
    log_function: Callable[[Array], Array],
    low: float,
    high: float,
    strict: bool,
    tolerance: float,
    rtol: float,
) -> _Samples:
    """Sample ln f in octaves below `high`, as finely as `tolerance` needs.

    With `strict` the function is not called outside: sampling begins at the first octave
    above `low`. An interpolant of a table may be: its first piece goes on a little below.
    """
    ratio = math.log2(high / low)
    octaves = math.floor(ratio) if strict else math.ceil(ratio)
    error = worst_radius = math.nan
    for split in _SPLITS:
        edges = _panel_edges(octaves, split)
        middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
        nodes = np.polynomial.chebyshev.chebpts1(_ORDER)
        x = middle[:, None] + half[:, None] * nodes
        values = log_function((x * high).ravel()).reshape(x.shape)
        coefficients = values @ np.linalg.inv(np.vander(nodes, increasing=True)).T
        places = np.array([-0.85, -0.3, 0.31, 0.87])  # between the nodes
        exact = log_function((middle[:, None] + half[:, None] * places).ravel() * high)
        found = coefficients @ np.vander(places, _ORDER, increasing=True).T
        errors = np.abs(found - exact.reshape(found.shape))
        error = float(np.max(errors))
        worst_radius = float(middle[int(np.argmax(np.max(errors, axis=1)))] * high)
        if error <= max(tolerance, _ROUNDING):
            first = max(low / high, float(edges[0]))
            slopes = tuple(_slope(coefficients, edges, x) for x in (first, 1.0))
            return _Samples(coefficients, first, octaves, split, (slopes[0], slopes[1]))
    raise NumericalError(
        f"ln of the function cannot be sampled to {tolerance:.1e} (reached {error:.1e}, at "
        f"{worst_radius:.3g} Mpc): it is not smooth enough there, or noisy. "
        f"{_remedy(rtol)}"
    )


def _smooth_core(samples: _Samples, rtol: float) -> _Samples:
    """Replace the slopes of a constant core, where they drown in rounding, by a power law.

    Where the function is constant to rounding its slope g, of which density and excess
    surface density are integrals, has no digits left. Below the first octave in which g
    has them, ``g = A x^p (1 + B x^p)`` with p and B of the octave above.
    """
    parts = 2**samples.split
    edges = _panel_edges(samples.octaves, samples.split)
    least = _SLOPE_ROUNDING * parts / 4 / (0.05 * rtol)
    at_octaves = np.array(
        [
            _slope(samples.coefficients, edges, edges[k * parts] * (1.0 + 0.5 / parts))
            for k in range(samples.octaves)
        ]
    )
    resolved = np.abs(at_octaves) > least
    if resolved[0] or not resolved.any():
        return samples
    first = int(np.argmax(resolved))
    if first + 2 >= samples.octaves or not at_octaves[first] > 0.0:
        return samples
    # the slope at a panel's middle is the best known
    start = edges[first * parts] * (1.0 + 0.5 / parts)
    power = math.log2(at_octaves[first + 1] / at_octaves[first])
    if not 0.1 < power < 8.0:
        return samples
    bend = 0.0
    if abs(2.0 * power - round(2.0 * power)) < 0.02:
        # a half-integer power: what the octave above is off by is the next term of a series
        power = 0.5 * round(2.0 * power)
        off = at_octaves[first + 1] / at_octaves[first] / 2.0**power - 1.0
        bend = off / (2.0**power - 1.0)
    # g = amplitude y^p (1 + bend y^p), y = x / start
    amplitude = at_octaves[first] / (1.0 + bend)
    panels = slice(0, first * parts)
    middle = 0.5 * (edges[1:] + edges[:-1])[panels]
    half = 0.5 * np.diff(edges)[panels]
    nodes = np.polynomial.chebyshev.chebpts1(_ORDER)
    to_powers = np.linalg.inv(np.vander(nodes, increasing=True)).T
    x = middle[:, None] + half[:, None] * nodes
    coefficients = samples.coefficients.copy()
    rise = (x / start) ** power
    coefficients[panels] = (-amplitude / power * rise * (1.0 + 0.5 * bend * rise)) @ to_powers
    # continuous where the two meet
    border = first * parts
    at_end = float(np.sum(coefficients[border - 1]))
    at_start = float(np.sum(coefficients[border] * (-1.0) ** np.arange(_ORDER)))
    coefficients[panels, 0] += at_start - at_end
    rise = (samples.low / start) ** power
    slope = float(amplitude * rise * (1.0 + bend * rise))
    return samples._replace(coefficients=coefficients, slopes=(slope, samples.slopes[1]))


def _panel_edges(octaves: int, split: int) -> Array:
    parts = 2**split
    octave = np.repeat(np.arange(-octaves, 0), parts)
    inside = np.tile(np.arange(parts), octaves)
    return np.append(np.ldexp(1.0 + inside / parts, octave), 1.0)


def _slope(coefficients: Array, edges: Array, x: float) -> float:
    """Return -d ln f / d ln x at `x`."""
    panel = min(int(np.searchsorted(edges, x, side="right")) - 1, len(coefficients) - 1)
    half = 0.5 * (edges[panel + 1] - edges[panel])
    place = (x - edges[panel]) / half - 1.0
    derivative = np.polynomial.polynomial.polyder(coefficients[panel])
    return -float(np.polynomial.polynomial.polyval(place, derivative) * x / half)
