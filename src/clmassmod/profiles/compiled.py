"""Profiles of the form ``rho = rho_s f(r / r_s; shape)`` evaluated in the compiled core."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .._core import profile as core
from ..cosmology import MassDef
from ..errors import ParameterError, nearest
from ..units import attach, has_unit
from . import gradients
from .base import LENSING, UNITS, Array, RadialMass, common_shape, parameter
from .lensing import SourceArrays

if TYPE_CHECKING:
    from ..sources import SourceLike


class CompiledProfile(RadialMass):
    """A profile given by scale density, scale radius and at most one shape parameter."""

    kind: ClassVar[str]
    """Name of the kernel in the core."""

    _shape: tuple[int, ...]
    _density_scale: Array
    _radius_scale: Array
    _shape_parameter: Array | None

    @property
    def shape(self) -> tuple[int, ...]:
        """``()`` for one profile, ``(n,)`` for n of them."""
        return self._shape

    def _evaluate(
        self, quantity: int, radius: Array, sources: SourceArrays | None, n_threads: int
    ) -> Array:
        out = np.empty((self._density_scale.size, radius.shape[1]))
        shear = convergence = planes = weights = None
        if sources is not None:
            shear, convergence, planes, weights, _ = sources
        try:
            core.evaluate(
                core.KINDS[self.kind],
                quantity,
                radius,
                self._density_scale,
                self._radius_scale,
                self._shape_parameter,
                shear,
                convergence,
                planes,
                weights,
                out,
                n_threads,
            )
        except core.RadiusError as error:
            raise ParameterError(
                "radius", error.value, f"finite and > 0 Mpc (at index {error.index})"
            ) from None
        return out

    @property
    def scale_radius(self) -> Any:
        """Scale radius r_s [physical Mpc], scalar or (n,)."""
        return self._radius_scale.copy() if self._shape else float(self._radius_scale[0])

    @property
    def scale_density(self) -> Any:
        """Scale density rho_s [Msun / Mpc^3], scalar or (n,)."""
        return self._density_scale.copy() if self._shape else float(self._density_scale[0])


class SphericalOverdensityHalo(CompiledProfile):
    """A halo given by its mass and concentration, ``c = R_Delta / r_s``."""

    mass: Any
    concentration: Any
    mass_def: MassDef

    def _set_scales(
        self,
        mass: Any,
        concentration: Any,
        mass_def: str | MassDef,
        shape_parameter: Array | None,
    ) -> None:
        m = parameter(mass, "Msun", "mass", 0.0)
        c = parameter(concentration, "", "concentration", 0.0)
        extra = {} if shape_parameter is None else {"shape": shape_parameter}
        self._shape = common_shape(
            mass=m, concentration=c, redshift=np.asarray(self.redshift), **extra
        )
        self.mass_def = MassDef.from_name(mass_def)
        self.mass, self.concentration = m[()], c[()]
        density = self.mass_def.density(self.redshift, self.cosmology)
        n = self._shape[0] if self._shape else 1
        m, c, density = (per_profile(array, n) for array in (m, c, density))
        self._shape_parameter = None if shape_parameter is None else per_profile(shape_parameter, n)
        self._density_scale = np.empty(n)
        self._radius_scale = np.empty(n)
        core.scales(
            core.KINDS[self.kind],
            m,
            c,
            density,
            self._shape_parameter,
            self._density_scale,
            self._radius_scale,
            1,
        )

    def gradient(
        self, quantity: str, R: Any, z_s: SourceLike | None = None, *, n_threads: int = 1
    ) -> dict[str, Any]:
        """Derivatives of a quantity by mass and by concentration, at fixed mass definition.

        Parameters
        ----------
        quantity : str
            Name of the method: ``"density"``, ``"enclosed_mass"``, ``"surface_density"``,
            ``"mean_surface_density"``, ``"excess_surface_density"``, ``"enclosed_mass_2d"``,
            ``"convergence"``, ``"tangential_shear"``, ``"reduced_tangential_shear"`` or
            ``"magnification"``.
        R : float or array, physical Mpc, > 0
            Radii, with the shapes of the method itself.
        z_s : as for the method
            Sources; only for the last four.

        Returns
        -------
        dict
            ``"mass"``: d/dM [unit of the quantity / Msun]; ``"concentration"``: d/dc. Each has
            the shape of the quantity. Analytic; see `clmassmod.profiles.gradients`.
        """
        is_lensing = quantity in LENSING
        if not is_lensing and quantity not in gradients.RULES:
            allowed = (*gradients.RULES, *LENSING)
            raise ParameterError(
                "quantity", quantity, f"one of {', '.join(allowed)}", nearest(quantity, allowed)
            )
        if is_lensing != (z_s is not None):
            raise ParameterError("z_s", z_s, f"{'given' if is_lensing else 'None'} for {quantity}")
        r, rows = self._radii(R)
        sources = None
        if is_lensing:
            r, rows, sources = self._sources(z_s, r, rows)

        @cache
        def value(name: str) -> Array:
            return self._evaluate(core.QUANTITIES[name], rows, None, n_threads)

        result = {}
        for name, derivative in self._log_derivatives(value, rows).items():
            if sources is None:
                slope = derivative(quantity)
            else:
                names = ("surface_density", "excess_surface_density")
                values = gradients.Observable(*map(value, names), *map(derivative, names))
                slope = gradients.lensing(quantity, values, sources)
            shaped = self._shaped(slope, r)
            unit = UNITS.get(quantity, "")
            result[name] = attach(shaped, gradients.unit_by(unit, name)) if has_unit(R) else shaped
        return result

    def _log_derivatives(
        self, value: gradients.Quantity, rows: Array
    ) -> dict[str, Callable[[str], Array]]:
        """Return, for each parameter, what gives the derivative of a quantity by it."""
        n = self._density_scale.size
        mass, c = (per_profile(a, n)[:, None] for a in (self.mass, self.concentration))
        edge = c * self._radius_scale[:, None]
        density = self._evaluate(core.QUANTITIES["density"], edge, None, 1)
        # 3 - c m'(c)/m(c), with m'/m from the density at r_Delta
        by_log_c = 3.0 - 4.0 * np.pi * edge**3 * density / mass

        def by_mass(name: str) -> Array:
            _, slope = gradients.by_log_scales(name, value, rows)
            return slope / (3.0 * mass)

        def by_concentration(name: str) -> Array:
            quantity, slope = gradients.by_log_scales(name, value, rows)
            return (by_log_c * quantity - slope) / c

        return {"mass": by_mass, "concentration": by_concentration}


def per_profile(array: Any, n: int) -> Array:
    """Return a parameter as a contiguous array of n values."""
    return np.ascontiguousarray(np.broadcast_to(np.asarray(array, dtype=np.float64), (n,)))
