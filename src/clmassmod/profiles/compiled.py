"""Profiles of the form ``rho = rho_s f(r / r_s; shape)`` evaluated in the compiled core."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from .._checks import checked_threads
from .._core import profile as core
from ..cosmology import MassDef
from ..errors import ParameterError
from .base import Array, RadialMass, _kept, common_shape, parameter, per_profile
from .gradients import HaloGradients
from .lensing import SourceArrays


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
        checked_threads(n_threads)
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


class SphericalOverdensityHalo(CompiledProfile, HaloGradients):
    """A halo given by its mass and concentration, ``c = R_Delta / r_s``."""

    mass_def: MassDef
    mass: Any
    concentration: Any
    _mean_density: Array

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
        self._mean_density = self.mass_def.density(self.redshift, self.cosmology)
        self._fill_scales(m, c, shape_parameter)

    def _of_masses(self, mass: Array, concentration: Array) -> Self:
        """Return haloes of other masses and concentrations, (n,) each, otherwise as this one.

        What `replace` gives, without repeating what rests on the redshift alone.
        """
        if not (
            mass.min(initial=1.0) > 0.0
            and mass.max(initial=1.0) < np.inf
            and concentration.min(initial=1.0) > 0.0
            and concentration.max(initial=1.0) < np.inf
        ):
            return self.replace(mass=mass, concentration=concentration)  # says what is wrong
        mass, concentration = _kept(mass), _kept(concentration)
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._arguments = {**self._arguments, "mass": mass, "concentration": concentration}
        other._shape = mass.shape
        other.mass, other.concentration = mass, concentration
        other._fill_scales(mass, concentration, self._shape_parameter)
        return other

    def _fill_scales(self, mass: Array, concentration: Array, shape: Array | None) -> None:
        n = self._shape[0] if self._shape else 1
        m, c, density = (per_profile(a, n) for a in (mass, concentration, self._mean_density))
        self._shape_parameter = None if shape is None else per_profile(shape, n)
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
