"""Profiles of galaxies and point lenses in closed form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .._core import profile as core
from ..cosmology import GRAVITATIONAL_CONSTANT, MassDef
from ..errors import ParameterError
from .base import Array, common_shape, parameter, per_profile
from .compiled import CompiledProfile

if TYPE_CHECKING:
    from astropy.cosmology import FLRW


class _Simple(CompiledProfile):
    """A profile whose scales follow from its parameters without a mass definition."""

    def _set(self, density: Any, radius: Any, shape: Any, **parameters: Array) -> None:
        self._shape = common_shape(**parameters, redshift=np.asarray(self.redshift))
        n = self._shape[0] if self._shape else 1
        self._density_scale = per_profile(density, n)
        self._radius_scale = per_profile(radius, n)
        self._shape_parameter = None if shape is None else per_profile(shape, n)


class SIS(_Simple):
    """Singular isothermal sphere, ``rho = sigma_v^2 / (2 pi G r^2)``.

    Parameters
    ----------
    sigma_v : float or (n,), km/s, > 0
        One-dimensional velocity dispersion.
    redshift : float or (n,), >= 0
    cosmology : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``.

    Raises
    ------
    ParameterError
        A parameter outside its range, or shapes that do not broadcast to () or (n,).

    Notes
    -----
    ``Sigma = Delta Sigma = sigma_v^2 / (2 G R)`` (Binney & Tremaine 2008, sect. 4.3.3), exact
    to rounding. The mass grows with radius without end.

    Examples
    --------
    >>> import clmassmod as clm
    >>> lens = clm.SIS(250.0, redshift=0.3)
    >>> bool(lens.surface_density(0.1) == lens.excess_surface_density(0.1))
    True
    """

    kind = "sis"

    def __init__(self, sigma_v: Any, redshift: Any, cosmology: FLRW | None = None) -> None:
        arguments = {"sigma_v": sigma_v, "redshift": redshift, "cosmology": cosmology}
        super().__init__(arguments, redshift, cosmology)
        sigma = parameter(sigma_v, "km / s", "sigma_v", 0.0)
        self.sigma_v = sigma[()]
        # at the scale radius of 1 Mpc
        self._set(sigma**2 / (2.0 * math.pi * GRAVITATIONAL_CONSTANT), 1.0, None, sigma_v=sigma)


class PowerLaw(_Simple):
    """Power law, ``rho = rho_s (r / r_Delta)^-slope``, that holds `mass` inside r_Delta.

    Parameters
    ----------
    mass : float or (n,), Msun, > 0
        Mass inside the radius r_Delta of `mass_def`.
    slope : float or (n,), 1 < slope < 3
        Minus the logarithmic slope of the density; 2 is isothermal. Outside the range the
        surface density or the enclosed mass is infinite.
    redshift : float or (n,), >= 0
    mass_def : str or MassDef
        ``"200c"``, ``"500c"``, ``"200m"``, ``"vir"`` or any ``MassDef``.
    cosmology : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``.

    Raises
    ------
    ParameterError
        A parameter outside its range, or shapes that do not broadcast to () or (n,).

    Notes
    -----
    ``Sigma = sqrt(pi) Gamma((s - 1)/2) / Gamma(s/2) rho_s r_Delta x^(1 - s)`` with
    ``x = R / r_Delta``, ``Delta Sigma = Sigma (s - 1)/(3 - s)``. Relative error below 1e-14
    for 1e-8 < x < 1e6 against 60-digit arithmetic.

    Examples
    --------
    >>> import clmassmod as clm
    >>> lens = clm.PowerLaw(1e13, 2.1, redshift=0.3)
    >>> print(f"{lens.enclosed_mass(lens.scale_radius):.6e}")
    1.000000e+13
    """

    kind = "power_law"

    def __init__(
        self,
        mass: Any,
        slope: Any,
        redshift: Any,
        mass_def: str | MassDef = "200c",
        cosmology: FLRW | None = None,
    ) -> None:
        arguments = {
            "mass": mass,
            "slope": slope,
            "redshift": redshift,
            "mass_def": mass_def,
            "cosmology": cosmology,
        }
        super().__init__(arguments, redshift, cosmology)
        m = parameter(mass, "Msun", "mass", 0.0)
        s = parameter(slope, "", "slope", 1.0, 3.0)
        self.mass, self.slope = m[()], s[()]
        self.mass_def = MassDef.from_name(mass_def)
        self._shape = common_shape(mass=m, slope=s, redshift=np.asarray(self.redshift))
        n = self._shape[0] if self._shape else 1
        density = per_profile(self.mass_def.density(self.redshift, self.cosmology), n)
        self._shape_parameter = per_profile(s, n)
        self._density_scale, self._radius_scale = np.empty(n), np.empty(n)
        # r_Delta is the scale radius: a concentration of one
        core.scales(
            core.KINDS[self.kind],
            per_profile(m, n),
            np.ones(n),
            density,
            self._shape_parameter,
            self._density_scale,
            self._radius_scale,
            1,
        )


class DPIE(_Simple):
    """Dual pseudo-isothermal halo, ``rho = rho_0 / ((1 + r^2/core^2)(1 + r^2/cut^2))``.

    Parameters
    ----------
    mass : float or (n,), Msun, > 0
        Total mass, ``2 pi^2 rho_0 core^2 cut^2 / (core + cut)``. To start from a velocity
        dispersion use `from_velocity_dispersion`.
    core, cut : float or (n,), physical Mpc, 0 <= core <= cut, cut > 0
        Core radius and cut-off radius; core = 0 is the singular (pseudo-Jaffe) profile.
    redshift : float or (n,), >= 0
    cosmology : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``.

    Raises
    ------
    ParameterError
        A parameter outside its range, or shapes that do not broadcast to () or (n,).

    Notes
    -----
    Eliasdottir et al. (2007), appendix A, in a form that is a sum of positive terms: relative
    error below 2e-15 (enclosed mass: 1e-14) for 1e-8 < r / cut < 1e6 and any core against
    110-digit arithmetic, ``R << core`` (where Delta Sigma goes as R^2) and core = cut included.
    `scale_radius` is `cut`; `scale_density` is ``rho_0 core^2 / cut^2``.

    Examples
    --------
    >>> import clmassmod as clm
    >>> lens = clm.DPIE.from_velocity_dispersion(250.0, core=1e-4, cut=0.05, redshift=0.3)
    >>> print(f"{lens.mass:.4e}")
    2.2826e+12
    """

    kind = "dpie"

    def __init__(
        self,
        mass: Any,
        core: Any,
        cut: Any,
        redshift: Any,
        cosmology: FLRW | None = None,
    ) -> None:
        arguments = {
            "mass": mass,
            "core": core,
            "cut": cut,
            "redshift": redshift,
            "cosmology": cosmology,
        }
        super().__init__(arguments, redshift, cosmology)
        m = parameter(mass, "Msun", "mass", 0.0)
        inner, outer = core_and_cut(core, cut)
        self.mass, self.core, self.cut = m[()], inner[()], outer[()]
        common_shape(mass=m, core=inner, cut=outer)
        ratio = inner / outer
        density = m * (1.0 + ratio) / (2.0 * math.pi**2 * outer**3)
        self._set(density, outer, ratio, mass=m, core=inner, cut=outer)

    @classmethod
    def from_velocity_dispersion(
        cls,
        sigma_v: Any,
        core: Any,
        cut: Any,
        redshift: Any,
        cosmology: FLRW | None = None,
    ) -> Self:
        """Return the profile with ``mass = pi sigma_v^2 cut / G``.

        `sigma_v` [km/s] is that of the isothermal sphere which the profile approaches at
        core << r << cut (Limousin et al. 2005, eq. 4); Lenstool's dispersion of Eliasdottir
        et al. (2007) is ``sqrt(2/3) sigma_v``.
        """
        sigma = parameter(sigma_v, "km / s", "sigma_v", 0.0)
        _, outer = core_and_cut(core, cut)
        common_shape(sigma_v=sigma, cut=outer)
        mass = math.pi * sigma**2 * outer / GRAVITATIONAL_CONSTANT
        return cls(mass[()], core, cut, redshift, cosmology)

    @property
    def sigma_v(self) -> Any:
        """Velocity dispersion ``sqrt(G mass / (pi cut))`` [km/s], see the constructor from it."""
        return np.sqrt(GRAVITATIONAL_CONSTANT * self.mass / (math.pi * self.cut))


def core_and_cut(core: Any, cut: Any) -> tuple[Array, Array]:
    """Return core and cut-off radius [Mpc], with 0 <= core <= cut."""
    inner = parameter(core, "Mpc", "core", 0.0, low_allowed=True)
    outer = parameter(cut, "Mpc", "cut", 0.0)
    common_shape(core=inner, cut=outer)
    inside = inner <= outer
    if not np.all(inside):
        first = np.broadcast_to(inner, inside.shape)[~inside].flat[0]
        raise ParameterError("core", float(first), "at most cut")
    return inner, outer


class PointMass(_Simple):
    """Point mass: ``M(R) = mass``, ``Delta Sigma = mass / (pi R^2)``, no density off centre.

    Parameters
    ----------
    mass : float or (n,), Msun, > 0
    redshift : float or (n,), >= 0
    cosmology : astropy cosmology or None
        None means ``FlatLambdaCDM(70, 0.3, Tcmb0=0)``.

    Raises
    ------
    ParameterError
        A parameter outside its range, or shapes that do not broadcast to () or (n,).

    Examples
    --------
    >>> import clmassmod as clm
    >>> lens = clm.PointMass(1e12, redshift=0.3)
    >>> print(lens.surface_density(0.1), f"{lens.enclosed_mass_2d(0.1):.3e}")
    0.0 1.000e+12
    """

    kind = "point_mass"

    def __init__(self, mass: Any, redshift: Any, cosmology: FLRW | None = None) -> None:
        arguments = {"mass": mass, "redshift": redshift, "cosmology": cosmology}
        super().__init__(arguments, redshift, cosmology)
        m = parameter(mass, "Msun", "mass", 0.0)
        self.mass = m[()]
        # at the scale radius of 1 Mpc
        self._set(m / math.pi, 1.0, None, mass=m)
