"""Haloes with a steepening at their edge and matter falling in: DK14 and Diemer23."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._core import numeric as core
from .._core.profile import QUANTITIES, ConvergenceError
from ..cosmology import MassDef, mean_matter_density
from ..errors import NumericalError, ParameterError
from .base import Array, common_shape, parameter
from .numeric import NumericProfile

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from ..power import LinearPower

_MOST_STEPS = 60
_R200M_TOLERANCE = 1e-13


class _Infall(NamedTuple):
    """``rho = norm rho_m [core + (r / pivot)^(slope / smoothness)]^(-smoothness)``."""

    norm: Array
    core: Array
    slope: Array
    smoothness: float
    pivot: float  # in R_200m


class _Edge(NamedTuple):
    """What depends on R_200m, each (n,)."""

    scale_density: Array
    parameters: Array  # (n, p)
    excess: Array  # ln of (mass inside R_200m / what it should be)


class SplashbackHalo(NumericProfile):
    """A halo of orbiting and infalling matter, given by mass and concentration."""

    ends_with_peak_height = True
    mass: Any
    concentration: Any
    mass_def: MassDef
    _r200m: Array

    @abstractmethod
    def _inner_parameters(self, peak_height: Array | None, edge: Array) -> list[Array]:
        """Return the shape parameters of the orbiting matter; `edge` is R_200m / r_s."""

    def _set_halo(
        self,
        mass: Any,
        concentration: Any,
        mass_def: str | MassDef,
        infall: _Infall,
        sources_of_shape: tuple[LinearPower | None, Any, Any],
        mean_density: bool,
        tabulate: bool | None,
    ) -> None:
        m = parameter(mass, "Msun", "mass", 0.0)
        c = parameter(concentration, "", "concentration", 0.0)
        self._power, peak_height, accretion_rate = sources_of_shape
        nu = None if peak_height is None else parameter(peak_height, "", "peak_height", 0.0)
        rate = (
            None
            if accretion_rate is None
            else parameter(accretion_rate, "", "accretion_rate", -math.ulp(0.0))
        )
        given = {"peak_height": nu, "accretion_rate": rate}
        self._shape = common_shape(
            mass=m,
            concentration=c,
            redshift=np.asarray(self.redshift),
            norm=infall.norm,
            slope=infall.slope,
            **{name: value for name, value in given.items() if value is not None},
        )
        self.mass_def = MassDef.from_name(mass_def)
        self.mass, self.concentration = m[()], c[()]
        n = self._shape[0] if self._shape else 1
        self._peak_height = None if nu is None else np.broadcast_to(nu, (n,))
        self._accretion_rate = None if rate is None else np.broadcast_to(rate, (n,))
        self._infall = infall
        mean = np.broadcast_to(mean_matter_density(self.redshift, self.cosmology), (n,))
        density = np.broadcast_to(self.mass_def.density(self.redshift, self.cosmology), (n,))
        m, c = np.broadcast_to(m, (n,)), np.broadcast_to(c, (n,))
        self._mean_density = np.array(mean)
        self._counted = 1.0 if mean_density else 0.0
        radius = np.cbrt(3.0 * m / (4.0 * math.pi * density))
        self._radius_scale = radius / c
        self._inside = m - self._counted * 4.0 * math.pi / 3.0 * mean * radius**3
        edge = self._solve_edge(np.array(c), density)
        self._density_scale = edge.scale_density
        self._set_parameters(tuple(edge.parameters.T), tabulate)

    def _solve_edge(self, c: Array, density: Array) -> _Edge:
        """Find R_200m, on which the shape depends, so that the mean density inside is 200 rho_m."""
        overdensity = density / self._mean_density
        log_r = np.log(self._radius_scale * c) + 0.5 * np.log(overdensity / 200.0)
        if self.mass_def == MassDef(200.0, "mean"):
            self._r200m = self._radius_scale * c
            return self._edge(self._r200m, c)
        # secant on ln R: the logarithm of the mean density is nearly straight, of slope about -2
        before, at_before = log_r, self._edge(np.exp(log_r), c).excess
        log_r = before + 0.4 * at_before
        for _ in range(_MOST_STEPS):
            edge = self._edge(np.exp(log_r), c)
            done = np.abs(edge.excess) <= _R200M_TOLERANCE
            if done.all():
                self._r200m = np.exp(log_r)
                return edge
            # a halo that is done stays where it is: it must not depend on the others
            change = np.where(done, 1.0, edge.excess - at_before)
            step = np.where(done, 0.0, -edge.excess * (log_r - before) / change)
            before, at_before = log_r, edge.excess
            log_r = log_r + np.clip(step, -0.5, 0.5)
        raise NumericalError(f"R_200m of {self!r} is not found from {self.mass_def}")

    def _edge(self, r200m: Array, c: Array) -> _Edge:
        """Return shape and normalisation for R_200m as given."""
        r_s = self._radius_scale
        x = r200m / r_s
        nu = self._peak_height
        if nu is None and self._power is not None:
            m200m = 800.0 * math.pi / 3.0 * self._mean_density * r200m**3
            nu = np.asarray(self._power.peak_height(m200m, self.redshift))
        infall = self._infall
        n = r_s.size
        columns: list[Any] = self._inner_parameters(nu, x)
        columns += [0.0, infall.core, infall.slope, infall.smoothness, infall.pivot * x]
        parameters = np.stack([np.broadcast_to(column, (n,)) for column in columns], axis=1)
        orbiting = self._masses(parameters, c, x)
        parameters[:, -5] = 1.0
        falling = self._masses(parameters, c, x) - orbiting
        norm = infall.norm * self._mean_density
        volume = 4.0 * math.pi * r_s**3
        density = (self._inside / volume - norm * falling[0]) / orbiting[0]
        if not np.all(density > 0.0):
            raise ParameterError(
                "mass",
                float(np.ravel(self.mass)[0]),
                "larger than that of the infalling matter alone inside its radius",
            )
        inside = volume * (density * orbiting[1] + norm * falling[1])
        wanted = 4.0 * math.pi / 3.0 * (200.0 - self._counted) * self._mean_density * r200m**3
        parameters[:, -5] = norm / density
        return _Edge(density, parameters, np.log(inside / wanted))

    def _masses(self, parameters: Array, *radii: Array) -> Array:
        """Return ``M / (4 pi rho_s r_s^3)`` inside each of `radii` (n,), as (k, n)."""
        n, one = len(parameters), np.ones(len(parameters))
        x = np.ascontiguousarray(np.stack(radii, axis=1))
        out = np.empty((n, len(radii)))
        none = None, None, None, None
        quantity = QUANTITIES["enclosed_mass"]
        kind = core.KINDS[self.kind]
        try:
            core.evaluate(kind, quantity, x, one, one, parameters, None, *none, out, 1)
        except ConvergenceError:
            raise NumericalError("the mass inside the halo's radius does not converge") from None
        return np.ascontiguousarray(out.T) / (4.0 * math.pi)

    def _truncation_by_rate(self) -> Array:
        """Return r_t / R_200m of haloes selected by accretion rate, both papers."""
        assert self._accretion_rate is not None
        matter = np.asarray(self.cosmology.Om(self.redshift))
        decay = np.exp(-self._accretion_rate / 1.91)
        return np.asarray(0.43 * (1.0 + 0.92 * matter) * (1.0 + 2.18 * decay))

    @property
    def scale_radius(self) -> Any:
        """Scale radius r_s [physical Mpc], scalar or (n,)."""
        return self._radius_scale.copy() if self._shape else float(self._radius_scale[0])

    @property
    def scale_density(self) -> Any:
        """Scale density rho_s of the orbiting matter [Msun / Mpc^3], scalar or (n,)."""
        return self._density_scale.copy() if self._shape else float(self._density_scale[0])

    @property
    def radius_200m(self) -> Any:
        """R_200m, which the shape depends on [physical Mpc], scalar or (n,)."""
        return self._r200m.copy() if self._shape else float(self._r200m[0])


def _shape_sources(
    power: LinearPower | None, peak_height: Any, cosmology: FLRW, needed: bool
) -> None:
    """Check that the peak height is known in exactly one way, or not at all if not `needed`."""
    if power is not None and peak_height is not None:
        raise ParameterError("peak_height", peak_height, "None when power is given")
    if needed and power is None and peak_height is None:
        raise ParameterError(
            "power",
            None,
            "a clmassmod.LinearPower (or give peak_height)",
            "The shape depends on the peak height of the halo.",
        )
    if power is not None and power.cosmology != cosmology:
        raise ParameterError(
            "power.cosmology", power.cosmology, f"the cosmology of the profile, {cosmology!r}"
        )


def _positive_or_zero(value: Any, name: str) -> Array:
    return parameter(value, "", name, -math.ulp(0.0))


class DK14(SplashbackHalo):
    """Halo of Diemer & Kravtsov (2014): steepened Einasto profile, and a power law outside.

    Parameters
    ----------
    mass : float or (n,), Msun, > 0
        Mass of orbiting and infalling matter inside the radius of `mass_def`.
    concentration : float or (n,), > 0
        ``R_Delta / r_s``.
    redshift : float or (n,), >= 0
    power : LinearPower
        Gives the peak height nu of M_200m; its cosmology must be the profile's.
    mass_def : str or MassDef
        ``"200c"``, ``"500c"``, ``"200m"``, ``"vir"`` or any ``MassDef``.
    cosmology : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``.
    peak_height : float or (n,), > 0
        nu of M_200m itself, in place of `power`.
    accretion_rate : float or (n,), >= 0
        Gamma. Given, the parameters are those of haloes selected by accretion rate.
    infall_norm, infall_slope : float or (n,), >= 0 and between 1.1 and 6
        b_e and s_e of the infalling matter.
    infall_maximum : float, > 0
        Largest density of the infalling matter in units of ``b_e rho_m``. ``inf`` is the
        power law of the paper, which rises to the centre; 1000 is what the paper's author uses.
    mean_density : bool
        Whether `mass` counts the mean matter density as well, as a halo finder does.
    rtol, tabulate
        As for `clmassmod.gNFW`.

    Raises
    ------
    ParameterError
        A parameter outside its range, or shapes that do not broadcast to () or (n,).
    NumericalError
        R_200m is not found.

    Notes
    -----
    ``rho = rho_s exp(-(2/alpha) ((r/r_s)^alpha - 1)) [1 + (r/r_t)^beta]^(-gamma/beta)
    + b_e rho_m / (1/maximum + (r / 5 R_200m)^s_e)`` (eq. 4 of the paper), with
    ``alpha = 0.155 + 0.0095 nu^2`` (Gao et al. 2008); ``(beta, gamma) = (4, 8)`` and
    ``r_t = (1.9 - 0.18 nu) R_200m`` (eq. 6), or, by accretion rate, ``(6, 4)`` and
    ``r_t = 0.43 (1 + 0.92 Omega_m(z)) (1 + 2.18 exp(-Gamma/1.91)) R_200m``.

    The constant mean density of the paper's eq. 4 is left out of every method: it does not
    lens, and all methods of a profile describe the same mass. R_200m is that of this profile
    and is solved for to 1e-13 where `mass_def` is another; nu is that of M_200m (the
    paper calibrated with nu_vir; the difference is small).

    Many haloes have many shapes: more than 8 are integrated point by point.

    Examples
    --------
    >>> import clmassmod as clm
    >>> halo = clm.DK14(5e14, 4.0, redshift=0.3, peak_height=3.0)
    >>> print(f"{halo.radius_200m:.3f}")
    2.005
    """

    kind = "dk14"

    def __init__(
        self,
        mass: Any,
        concentration: Any,
        redshift: Any,
        power: LinearPower | None = None,
        mass_def: str | MassDef = "200c",
        cosmology: FLRW | None = None,
        *,
        peak_height: Any = None,
        accretion_rate: Any = None,
        infall_norm: Any = 1.0,
        infall_slope: Any = 1.5,
        infall_maximum: float = 1000.0,
        mean_density: bool = False,
        rtol: float = 1e-6,
        tabulate: bool | None = None,
    ) -> None:
        arguments = {
            "mass": mass,
            "concentration": concentration,
            "redshift": redshift,
            "power": power,
            "mass_def": mass_def,
            "cosmology": cosmology,
            "peak_height": peak_height,
            "accretion_rate": accretion_rate,
            "infall_norm": infall_norm,
            "infall_slope": infall_slope,
            "infall_maximum": infall_maximum,
            "mean_density": mean_density,
            "tabulate": tabulate,
        }
        super().__init__(arguments, redshift, cosmology, rtol)
        _shape_sources(power, peak_height, self.cosmology, needed=True)
        if not infall_maximum > 0.0:
            raise ParameterError("infall_maximum", infall_maximum, "> 0")
        infall = _Infall(
            _positive_or_zero(infall_norm, "infall_norm"),
            np.asarray(1.0 / infall_maximum),
            parameter(infall_slope, "", "infall_slope", 1.1, 6.0),
            1.0,
            5.0,
        )
        shape = power, peak_height, accretion_rate
        self._set_halo(mass, concentration, mass_def, infall, shape, mean_density, tabulate)

    def _inner_parameters(self, peak_height: Array | None, edge: Array) -> list[Array]:
        assert peak_height is not None
        alpha = 0.155 + 0.0095 * peak_height**2
        if self._accretion_rate is None:
            truncation = 1.9 - 0.18 * peak_height
            beta, gamma = 4.0, 8.0
        else:
            truncation = self._truncation_by_rate()
            beta, gamma = 6.0, 4.0
        _check_truncation(truncation, peak_height)
        return [alpha, np.asarray(beta), np.asarray(gamma), truncation * edge]


class Diemer23(SplashbackHalo):
    """Halo of Diemer (2023): truncated exponential of orbiting matter, and infalling matter.

    Parameters
    ----------
    mass : float or (n,), Msun, > 0
        Mass of orbiting and infalling matter inside the radius of `mass_def`.
    concentration : float or (n,), > 0
        ``R_Delta / r_s``.
    redshift : float or (n,), >= 0
    power : LinearPower
        Gives the peak height nu of M_200m; its cosmology must be the profile's. Not needed with
        `accretion_rate`.
    mass_def : str or MassDef
        ``"200c"``, ``"500c"``, ``"200m"``, ``"vir"`` or any ``MassDef``.
    cosmology : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``.
    peak_height : float or (n,), > 0
        nu of M_200m itself, in place of `power`.
    accretion_rate : float or (n,), >= 0
        Gamma. Given, r_t follows from it and not from nu.
    alpha : float or (n,), between 0.02 and 10
        Steepening of the Einasto part.
    beta : float or (n,), between 0.5 and 20
        Sharpness of the truncation.
    infall_norm, infall_slope : float or (n,), >= 0 and between 1.1 and 6
        delta_1, the overdensity of the infalling matter at R_200m, and s.
    infall_maximum : float, > 0
        delta_max, its overdensity at the centre.
    infall_smoothness : float, between 0.1 and 10
        zeta, how smoothly it gets there.
    mean_density : bool
        Whether `mass` counts the mean matter density as well, as a halo finder does.
    rtol, tabulate
        As for `clmassmod.gNFW`.

    Raises
    ------
    ParameterError
        A parameter outside its range, or shapes that do not broadcast to () or (n,).
    NumericalError
        R_200m is not found.

    Notes
    -----
    Model A of the paper: ``rho = rho_s exp(S) + delta_1 rho_m [(delta_1/delta_max)^(1/zeta) +
    (r/R_200m)^(s/zeta)]^(-zeta)`` with ``S = -(2/alpha) [(r/r_s)^alpha - 1] - (1/beta)
    [(r/r_t)^beta - (r_s/r_t)^beta]``. ``r_t = (1.4 - 0.21 nu) R_200m``, or by accretion rate
    as in `DK14`. Mean density and R_200m are treated as in `DK14`.

    Many haloes have many shapes: more than 8 are integrated point by point.

    Examples
    --------
    >>> import clmassmod as clm
    >>> halo = clm.Diemer23(5e14, 4.0, redshift=0.3, accretion_rate=2.0)
    >>> print(f"{halo.radius_200m:.3f}")
    2.040
    """

    kind = "diemer23"

    def __init__(
        self,
        mass: Any,
        concentration: Any,
        redshift: Any,
        power: LinearPower | None = None,
        mass_def: str | MassDef = "200c",
        cosmology: FLRW | None = None,
        *,
        peak_height: Any = None,
        accretion_rate: Any = None,
        alpha: Any = 0.18,
        beta: Any = 3.0,
        infall_norm: Any = 10.0,
        infall_slope: Any = 1.5,
        infall_maximum: float = 100.0,
        infall_smoothness: float = 0.5,
        mean_density: bool = False,
        rtol: float = 1e-6,
        tabulate: bool | None = None,
    ) -> None:
        arguments = {
            "mass": mass,
            "concentration": concentration,
            "redshift": redshift,
            "power": power,
            "mass_def": mass_def,
            "cosmology": cosmology,
            "peak_height": peak_height,
            "accretion_rate": accretion_rate,
            "alpha": alpha,
            "beta": beta,
            "infall_norm": infall_norm,
            "infall_slope": infall_slope,
            "infall_maximum": infall_maximum,
            "infall_smoothness": infall_smoothness,
            "mean_density": mean_density,
            "tabulate": tabulate,
        }
        super().__init__(arguments, redshift, cosmology, rtol)
        _shape_sources(power, peak_height, self.cosmology, needed=accretion_rate is None)
        if not infall_maximum > 0.0:
            raise ParameterError("infall_maximum", infall_maximum, "> 0")
        if not 0.1 <= infall_smoothness <= 10.0:
            raise ParameterError("infall_smoothness", infall_smoothness, "between 0.1 and 10")
        self._alpha = parameter(alpha, "", "alpha", 0.02, 10.0)
        self._beta = parameter(beta, "", "beta", 0.5, 20.0)
        norm = _positive_or_zero(infall_norm, "infall_norm")
        infall = _Infall(
            norm,
            (norm / infall_maximum) ** (1.0 / infall_smoothness),
            parameter(infall_slope, "", "infall_slope", 1.1, 6.0),
            infall_smoothness,
            1.0,
        )
        shape = power, peak_height, accretion_rate
        self._set_halo(mass, concentration, mass_def, infall, shape, mean_density, tabulate)

    def _inner_parameters(self, peak_height: Array | None, edge: Array) -> list[Array]:
        if self._accretion_rate is not None:
            truncation = self._truncation_by_rate()
        else:
            assert peak_height is not None
            truncation = 1.4 - 0.21 * peak_height
            _check_truncation(truncation, peak_height)
        return [self._alpha, self._beta, truncation * edge]


def _check_truncation(truncation: Array, peak_height: Array) -> None:
    if not np.all(truncation > 0.0):
        raise ParameterError(
            "peak_height",
            float(np.max(peak_height)),
            "small enough for a truncation radius > 0",
            "The relation is calibrated for nu below about 4.",
        )
