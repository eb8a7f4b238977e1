"""Concentration-mass relations c(M, z) from the literature, constant ones and the user's own.

`concentration` is the one door; it converts between mass definitions, so that a relation
calibrated for one of them serves any other. Masses are Msun, without h: each relation
turns the h of its paper into the cosmology's.

==================  ============================  =========  ========================
relation            mass definitions of its fit   power=     options
==================  ============================  =========  ========================
``duffy08``         200c, vir, 200m               no         sample
``bhattacharya13``  200c, vir, 200m               needed     -
``prada12``         200c                          needed     -
``diemer19``        200c                          needed     statistic
``ishiyama21``      200c, vir, 500c               needed     sample, method
a number            any                           no         -
a callable          any                           no         -
==================  ============================  =========  ========================

All are fits to simulations without baryons. They are evaluated at any mass and redshift;
the range of each calibration stands in its docstring, and beyond it they are extrapolations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cosmology import Array, MassDef, checked_redshift, resolve_cosmology
from ..errors import NumericalError, ParameterError, nearest

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from ..power import LinearPower

_SAMPLES = ("all", "relaxed")
_CONVERSION_TOLERANCE = 1e-12
_GREATEST_ITERATIONS = 100


def concentration(
    mass: Any,
    redshift: Any,
    mass_def: str | MassDef,
    relation: str | float | Callable[[Array, Array], Any],
    *,
    cosmology: FLRW | None = None,
    power: LinearPower | None = None,
    **options: str,
) -> Array:
    """Concentration ``c = R_Delta / r_s`` of haloes, in the mass definition asked for.

    Parameters
    ----------
    mass : float or array, Msun, > 0
        Halo mass in `mass_def`.
    redshift : float or array, >= 0
        Broadcasts with `mass`.
    mass_def : str or MassDef
        Definition of both `mass` and the concentration returned: "200c", "500c", "vir", ...
    relation : str, float or callable
        A name from the table of this module; a constant, > 0; or ``f(mass, redshift)``
        that takes arrays of one shape and returns the concentrations in `mass_def`.
    cosmology : astropy.cosmology.FLRW, optional
        None is that of `power` if given, else the package default.
    power : LinearPower, optional
        Linear power, needed by the relations in peak height; of the same cosmology.
    **options
        What the relation takes: ``sample``, ``statistic``, ``method``.

    Returns
    -------
    ndarray
        Of the broadcast shape. NaN where a relation has no solution (see `diemer19`).

    Raises
    ------
    ParameterError
        If an argument is out of range, `power` is missing or of another cosmology, or an
        option is unknown.
    NumericalError
        If the conversion between mass definitions does not converge.

    Notes
    -----
    A relation that was not calibrated for `mass_def` is solved self-consistently: the mass
    M' in a definition it was calibrated for (of the same reference density if there is
    one, else 200c) is found such that the NFW halo (M', c(M')) has `mass` in `mass_def`,
    to a relative 1e-12; its concentration in `mass_def` is returned.

    Examples
    --------
    >>> print(f"{concentration(2e14, 0.3, '200c', 'duffy08'):.4f}")
    3.5326
    """
    definition = MassDef.from_name(mass_def)
    m, z = np.broadcast_arrays(_checked_mass(mass), checked_redshift(redshift))
    if callable(relation):
        _refuse_options("a callable", options, ())
        return _user_concentration(relation, m, z)
    if not isinstance(relation, str):
        _refuse_options("a constant", options, ())
        return _constant_concentration(relation, m)
    entry = _relation(relation)
    _refuse_options(relation, options, entry.options)
    cosmo = _consistent_cosmology(cosmology, power)
    context: dict[str, Any] = {"power": power} if entry.needs_power else {"cosmology": cosmo}
    native = _calibrated_definition(entry, definition)

    def calibrated(masses: Array, redshifts: Array) -> Array:
        return entry.function(masses, redshifts, native, **context, **options)

    if native == definition:
        return calibrated(m, z)
    return _converted(calibrated, m, z, native, definition, cosmo)


def duffy08(
    mass: Any,
    redshift: Any,
    mass_def: str | MassDef = "200c",
    *,
    cosmology: FLRW | None = None,
    sample: str = "all",
) -> Array:
    """Concentration of Duffy et al. (2008), table 1, NFW fits at z = 0 to 2.

    Parameters
    ----------
    mass : float or array, Msun, > 0
    redshift : float or array, >= 0
    mass_def : {"200c", "vir", "200m"}
    cosmology : astropy.cosmology.FLRW, optional
        Gives h of the pivot mass.
    sample : {"all", "relaxed"}

    Raises
    ------
    ParameterError
        If an argument is out of range or the definition is another one.

    Notes
    -----
    ``c = A (M / 2e12 Msun h^-1)^B (1 + z)^C``. Calibrated with a WMAP5 cosmology for
    1e11 to 1e15 Msun/h, z = 0 to 2.
    """
    _check_choice("sample", sample, _SAMPLES)
    m, z = np.broadcast_arrays(_checked_mass(mass), checked_redshift(redshift))
    name = _own_definition("duffy08", mass_def)
    a, b, c = _DUFFY08[name, sample]
    h = float(resolve_cosmology(cosmology).H0.value) / 100.0
    return np.asarray(a * (m * h / 2e12) ** b * (1.0 + z) ** c)


def bhattacharya13(
    mass: Any, redshift: Any, mass_def: str | MassDef = "200c", *, power: LinearPower | None = None
) -> Array:
    """Concentration of Bhattacharya et al. (2013), table 2, full sample.

    Parameters
    ----------
    mass : float or array, Msun, > 0
    redshift : float or array, >= 0
    mass_def : {"200c", "vir", "200m"}
    power : LinearPower

    Raises
    ------
    ParameterError
        If an argument is out of range, `power` is missing or the definition is another one.

    Notes
    -----
    ``c = A D(z)^B nu^C`` with D = 1 at z = 0 and nu of the mass in `mass_def`. Calibrated
    with a WMAP7 cosmology for 2e12 to 2e15 Msun/h (to 2e14 above z = 0.5, to 1e14 above
    z = 1.5), z = 0 to 2.
    """
    linear = _needed_power("bhattacharya13", power)
    a, b, c = _BHATTACHARYA13[_own_definition("bhattacharya13", mass_def)]
    nu = linear.peak_height(_checked_mass(mass), redshift)
    return np.asarray(a * linear.growth_factor(redshift) ** b * nu**c)


def prada12(
    mass: Any, redshift: Any, mass_def: str | MassDef = "200c", *, power: LinearPower | None = None
) -> Array:
    """Concentration of Prada et al. (2012), eqs 12-22.

    Parameters
    ----------
    mass : float or array, Msun, > 0
    redshift : float or array, >= 0
    mass_def : {"200c"}
    power : LinearPower
        Its cosmology must have dark energy (``Ode0 > 0``); the fit is for a cosmological constant.

    Raises
    ------
    ParameterError
        If an argument is out of range, `power` is missing or the definition is another one.

    Notes
    -----
    ``c = B0(x) C(B1(x) sigma(M, z))`` with ``x = (Omega_L0 / Omega_m0)^(1/3) / (1 + z)``
    and ``C(s) = 2.881 [(s / 1.257)^1.022 + 1] exp(0.060 / s^2)``. It rises towards
    the highest masses. Calibrated with a WMAP5/7 cosmology, z = 0 to 10, on the ratio of the
    circular velocities at maximum and at R200c, not on fitted profiles.
    """
    linear = _needed_power("prada12", power)
    _own_definition("prada12", mass_def)
    dark_energy, matter = float(linear.cosmology.Ode0), float(linear.cosmology.Om0)
    if not dark_energy > 0.0:
        raise ParameterError("power.cosmology.Ode0", dark_energy, "> 0 for 'prada12'")
    sigma = linear.sigma_mass(_checked_mass(mass), redshift)
    x = np.cbrt(dark_energy / matter) / (1.0 + checked_redshift(redshift))
    b0 = _prada_step(x, *_PRADA_C) / _prada_step(1.393, *_PRADA_C)
    b1 = _prada_step(x, *_PRADA_S) / _prada_step(1.393, *_PRADA_S)
    s = b1 * sigma
    return np.asarray(b0 * 2.881 * ((s / 1.257) ** 1.022 + 1.0) * np.exp(0.060 / s**2))


def diemer19(
    mass: Any,
    redshift: Any,
    mass_def: str | MassDef = "200c",
    *,
    power: LinearPower | None = None,
    statistic: str = "median",
) -> Array:
    """Concentration of Diemer & Joyce (2019), eqs 28-31 and table 2.

    Parameters
    ----------
    mass : float or array, Msun, > 0
    redshift : float or array, >= 0
    mass_def : {"200c"}
    power : LinearPower
    statistic : {"median", "mean"}

    Returns
    -------
    ndarray
        NaN where the equation has no solution (low concentration and flat spectra, far
        from halos of a standard cosmology).

    Raises
    ------
    ParameterError
        If an argument is out of range, `power` is missing or the definition is another one.

    Notes
    -----
    With the peak height nu, the slope ``n = -2 dln sigma/dlnR - 3`` at kappa times the
    Lagrangian radius and the growth rate ``alpha = -dlnD/dln(1+z)``,

    ``c / (1 - c_alpha (1 - alpha)) = x``,  ``x g(x)^(-(5+n)/6) = A(n) (1 + nu^2 / B(n)) / nu``,

    ``g(x) = ln(1+x) - x/(1+x)``, ``A = a0 (1 + a1 (n+3))``, ``B = b0 (1 + b1 (n+3))``;
    solved to 1e-12 on the branch where c grows with the right side. Calibrated in 200c
    with Planck, WMAP7 and scale-free cosmologies and the Eisenstein & Hu power.
    """
    _check_choice("statistic", statistic, tuple(_DIEMER19))
    _own_definition("diemer19", mass_def)
    linear = _needed_power("diemer19", power)
    return _diemer_form(_checked_mass(mass), redshift, linear, _DIEMER19[statistic])


def ishiyama21(
    mass: Any,
    redshift: Any,
    mass_def: str | MassDef = "200c",
    *,
    power: LinearPower | None = None,
    sample: str = "all",
    method: str = "fit",
) -> Array:
    """Concentration of Ishiyama et al. (2021), table 3, in the form of `diemer19`.

    Parameters
    ----------
    mass : float or array, Msun, > 0
    redshift : float or array, >= 0
    mass_def : {"200c", "vir", "500c"}
    power : LinearPower
    sample : {"all", "relaxed"}
    method : {"fit", "vmax"}
        Concentrations by fitting NFW profiles, or from the maximum of the circular
        velocity; "vmax" does not exist for 500c.

    Returns
    -------
    ndarray
        NaN where the equation has no solution.

    Raises
    ------
    ParameterError
        If an argument is out of range, `power` is missing, or there is no such fit.

    Notes
    -----
    Calibrated on the Uchuu simulations (Planck 2015), z = 0 to 14, with the linear power of
    a Boltzmann code. The Eisenstein & Hu power changes c by up to a few per cent; give
    `LinearPower.from_table` to avoid that.
    """
    _check_choice("sample", sample, _SAMPLES)
    _check_choice("method", method, ("fit", "vmax"))
    name = _own_definition("ishiyama21", mass_def)
    linear = _needed_power("ishiyama21", power)
    if (name, method, sample) not in _ISHIYAMA21:
        raise ParameterError("method", method, f"'fit' for the mass definition {name}")
    parameters = _ISHIYAMA21[name, method, sample]
    return _diemer_form(_checked_mass(mass), redshift, linear, parameters)


# ---------------------------------------------------------------------------------------
# Published numbers

# A, B, C of c = A (M / 2e12 Msun h^-1)^B (1+z)^C
_DUFFY08 = {
    ("200c", "all"): (5.71, -0.084, -0.47),
    ("vir", "all"): (7.85, -0.081, -0.71),
    ("200m", "all"): (10.14, -0.081, -1.01),
    ("200c", "relaxed"): (6.71, -0.091, -0.44),
    ("vir", "relaxed"): (9.23, -0.090, -0.69),
    ("200m", "relaxed"): (11.93, -0.090, -0.99),
}

# A, B, C of c = A D^B nu^C
_BHATTACHARYA13 = {
    "200c": (5.9, 0.54, -0.35),
    "vir": (7.7, 0.90, -0.29),
    "200m": (9.0, 1.15, -0.29),
}

# low value, high value, steepness, position of eqs 19 and 20
_PRADA_C = (3.681, 5.033, 6.948, 0.424)
_PRADA_S = (1.047, 1.646, 7.386, 0.526)


@dataclass(frozen=True)
class _DiemerParameters:
    kappa: float
    a0: float
    a1: float
    b0: float
    b1: float
    c_alpha: float


_DIEMER19 = {
    "median": _DiemerParameters(0.41, 2.45, 1.82, 3.20, 2.30, 0.21),
    "mean": _DiemerParameters(0.42, 2.37, 1.74, 3.39, 1.82, 0.20),
}

_ISHIYAMA21 = {
    ("200c", "fit", "all"): _DiemerParameters(1.19, 2.54, 1.33, 4.04, 1.21, 0.22),
    ("200c", "fit", "relaxed"): _DiemerParameters(0.60, 2.14, 2.63, 1.69, 6.36, 0.37),
    ("200c", "vmax", "all"): _DiemerParameters(1.10, 2.30, 1.64, 1.72, 3.60, 0.32),
    ("200c", "vmax", "relaxed"): _DiemerParameters(1.79, 2.15, 2.06, 0.88, 9.24, 0.51),
    ("vir", "fit", "all"): _DiemerParameters(1.64, 2.67, 1.23, 3.92, 1.30, -0.19),
    ("vir", "fit", "relaxed"): _DiemerParameters(1.22, 2.52, 1.87, 2.13, 4.19, -0.017),
    ("vir", "vmax", "all"): _DiemerParameters(0.76, 2.34, 1.82, 1.83, 3.52, -0.18),
    ("vir", "vmax", "relaxed"): _DiemerParameters(2.40, 2.27, 1.80, 0.56, 13.24, 0.079),
    ("500c", "fit", "all"): _DiemerParameters(1.83, 1.95, 1.17, 3.57, 0.91, 0.26),
    ("500c", "fit", "relaxed"): _DiemerParameters(0.38, 1.44, 3.41, 2.86, 2.99, 0.42),
}


@dataclass(frozen=True)
class _Relation:
    function: Callable[..., Array]
    mass_defs: tuple[str, ...]
    needs_power: bool
    options: tuple[str, ...] = ()


_RELATIONS = {
    "duffy08": _Relation(duffy08, ("200c", "vir", "200m"), False, ("sample",)),
    "bhattacharya13": _Relation(bhattacharya13, ("200c", "vir", "200m"), True),
    "prada12": _Relation(prada12, ("200c",), True),
    "diemer19": _Relation(diemer19, ("200c",), True, ("statistic",)),
    "ishiyama21": _Relation(ishiyama21, ("200c", "vir", "500c"), True, ("sample", "method")),
}

RELATIONS = tuple(_RELATIONS)
"""Names of the relations."""


# ---------------------------------------------------------------------------------------
# Helpers


def _prada_step(x: Any, low: float, high: float, steepness: float, position: float) -> Any:
    return low + (high - low) * (np.arctan(steepness * (x - position)) / math.pi + 0.5)


def _diemer_form(
    mass: Array, redshift: Any, power: LinearPower, parameters: _DiemerParameters
) -> Array:
    radius = power.lagrangian_radius(mass)
    nu = power.peak_height(mass, redshift)
    slope = -2.0 * power.sigma_log_slope(parameters.kappa * radius)  # n + 3
    a = parameters.a0 * (1.0 + parameters.a1 * slope)
    b = parameters.b0 * (1.0 + parameters.b1 * slope)
    right_side = a / nu * (1.0 + nu**2 / b)
    growth = 1.0 - parameters.c_alpha * (1.0 - power.growth_rate(redshift))
    return np.asarray(growth * _solve_diemer(*np.broadcast_arrays(right_side, slope)))


def _solve_diemer(right_side: Array, slope: Array) -> Array:
    """Solve ``x g(x)^-p = right_side``, ``p = (slope + 2) / 6``, on the rising branch; else NaN.

    In ln x the left side's logarithm is convex, and slopes towards 1 at large x; so Newton's
    method started to the right of the solution stays there, and a slope <= 0 on
    the way means that there is none.
    """
    with np.errstate(invalid="ignore"):
        target = np.log(right_side).ravel()
    exponent = ((slope + 2.0) / 6.0).ravel()
    ln_x = 2.0 * np.maximum(target, 0.0) + 6.0
    active = np.flatnonzero(np.isfinite(target) & (exponent < 1.0))
    solved = np.full(target.shape, np.nan)
    for _ in range(_GREATEST_ITERATIONS):
        if active.size == 0:
            break
        x = np.exp(ln_x[active])
        p = exponent[active]
        g = np.log1p(x) - x / (1.0 + x)
        derivative = 1.0 - p * (x / (1.0 + x)) ** 2 / g
        has_solution = derivative > 0.0
        difference = ln_x[active] - p * np.log(g) - target[active]
        step = difference / np.where(has_solution, derivative, 1.0)
        ln_x[active] -= step
        size = np.maximum(1.0, np.abs(ln_x[active]))
        # near the minimum the step is the rounding error over a small derivative
        at_rounding = np.abs(difference) < 4.0 * np.finfo(float).eps * size
        done = has_solution & (at_rounding | (np.abs(step) < 1e-13 * size))
        solved[active[done]] = np.exp(ln_x[active[done]])
        active = active[has_solution & ~done]
    return solved.reshape(right_side.shape)


def _converted(
    calibrated: Callable[[Array, Array], Array],
    mass: Array,
    redshift: Array,
    native: MassDef,
    definition: MassDef,
    cosmology: FLRW,
) -> Array:
    """Concentration in `definition`, from a relation for the definition `native`.

    The mass in `native` moves by what the mass in `definition` misses, in ln M. Each mass
    stops on its own, so that the answer does not depend on its neighbours.
    """
    from .conversion import convert_mass

    wanted, z = mass.ravel(), redshift.ravel()
    native_mass = wanted.copy()
    result = np.full(wanted.shape, np.nan)
    active = np.arange(wanted.size)
    for _ in range(_GREATEST_ITERATIONS):
        if active.size == 0:
            return result.reshape(mass.shape)
        c = calibrated(native_mass[active], z[active])
        exists = np.isfinite(c)
        active, c = active[exists], c[exists]
        reached, converted = convert_mass(
            native_mass[active], c, z[active], native, definition, cosmology
        )
        miss = np.log(reached / wanted[active])
        native_mass[active] *= np.exp(-miss)
        done = np.abs(miss) < _CONVERSION_TOLERANCE
        result[active[done]] = np.asarray(converted)[done]
        active = active[~done]
    raise NumericalError(
        f"concentration: no {native.name} mass was found for {wanted[active[0]]:g} Msun in "
        f"{definition.name} at redshift {z[active[0]]:g}; use a relation calibrated for it"
    )


def _calibrated_definition(entry: _Relation, definition: MassDef) -> MassDef:
    """Definition in which to evaluate a relation for `definition`."""
    own = [MassDef.from_name(name) for name in entry.mass_defs]
    if definition in own:
        return definition
    same = [one for one in own if one.reference == definition.reference]
    return same[0] if same else own[0]


def _own_definition(relation: str, mass_def: str | MassDef) -> str:
    name = MassDef.from_name(mass_def).name
    allowed = _RELATIONS[relation].mass_defs
    if name not in allowed:
        raise ParameterError(
            "mass_def",
            name,
            f"one of {', '.join(allowed)} for {relation!r}",
            "concentration() converts to other definitions.",
        )
    return name


def _relation(name: str) -> _Relation:
    if name not in _RELATIONS:
        raise ParameterError(
            "relation",
            name,
            f"one of {', '.join(RELATIONS)}, a number or a callable",
            nearest(name, RELATIONS),
        )
    return _RELATIONS[name]


def _needed_power(relation: str, power: LinearPower | None) -> LinearPower:
    if power is None:
        raise ParameterError(
            "power",
            None,
            f"a clmassmod.power.LinearPower for the relation {relation!r}",
            "For example power=LinearPower(cosmology, sigma8=0.81, n_s=0.96).",
        )
    return power


def _consistent_cosmology(cosmology: FLRW | None, power: LinearPower | None) -> FLRW:
    """Return the cosmology; an error if that of `power` has another expansion or density."""
    if power is None:
        return resolve_cosmology(cosmology)
    if cosmology is None:
        return power.cosmology
    one, other = resolve_cosmology(cosmology), power.cosmology
    redshifts = np.array([0.5, 1.0, 3.0])
    same = math.isclose(one.H0.value, other.H0.value, rel_tol=1e-9)
    same &= math.isclose(one.Om0, other.Om0, rel_tol=1e-9)
    same &= np.allclose(one.efunc(redshifts), other.efunc(redshifts), rtol=1e-9, atol=0.0)
    if not same:
        raise ParameterError("power", power, f"of the same cosmology as cosmology = {one!r}")
    return one


def _user_concentration(relation: Callable[[Array, Array], Any], m: Array, z: Array) -> Array:
    values = np.asarray(relation(m, z), dtype=np.float64)
    if values.shape not in (m.shape, ()):
        raise ParameterError(
            "relation(mass, redshift)", f"array of shape {values.shape}", f"of shape {m.shape}"
        )
    bad = values[~(np.isfinite(values) & (values > 0.0))]
    if bad.size:
        raise ParameterError("relation(mass, redshift)", float(bad[0]), "finite and > 0")
    return np.broadcast_to(values, m.shape).copy()


def _constant_concentration(value: Any, mass: Array) -> Array:
    try:
        number = float(value)
    except TypeError:
        allowed = f"one of {', '.join(RELATIONS)}, a number or a callable"
        raise ParameterError("relation", value, allowed) from None
    if not (math.isfinite(number) and number > 0.0):
        raise ParameterError("relation", value, "finite and > 0")
    return np.full(mass.shape, number)


def _checked_mass(mass: Any) -> Array:
    m = np.asarray(mass, dtype=np.float64)
    good = np.isfinite(m) & (m > 0.0)
    if not np.all(good):
        raise ParameterError("mass", float(m[~good].flat[0]), "finite and > 0 (Msun)")
    return m


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        allowed = f"one of {', '.join(choices)}"
        raise ParameterError(name, value, allowed, nearest(str(value), choices))


def _refuse_options(relation: str, options: dict[str, str], allowed: tuple[str, ...]) -> None:
    for name in options:
        if name not in allowed:
            text = f"absent; {relation} takes {', '.join(allowed) or 'no options'}"
            raise ParameterError(name, options[name], text, nearest(name, allowed))
