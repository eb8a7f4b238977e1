"""Sums of profiles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from .._core.lensing import lensing
from .._core.profile import QUANTITIES
from ..errors import ParameterError
from .base import Array, RadialMass
from .lensing import SourceArrays

_FIRST_LENSING = QUANTITIES["convergence"]


class Composite(RadialMass):
    """Sum of profiles with one centre, such as a halo and its central galaxy.

    Parameters
    ----------
    components : sequence of profiles
        At least one; all at the same redshift and in the same cosmology. Each is one profile
        or n of them, with a common n.

    Raises
    ------
    ParameterError
        No component, something that is no profile, or components that differ in redshift,
        cosmology or number.

    Notes
    -----
    Densities and masses are sums. Reduced shear and magnification are those of the total
    Sigma and Delta Sigma, also for every plane of a source distribution: they are not
    sums of those of the components. Accurate as the least accurate component.

    Examples
    --------
    >>> import clmassmod as clm
    >>> halo = clm.NFW(5e14, 4.0, redshift=0.3)
    >>> galaxy = clm.DeVaucouleurs(1e12, 0.02, redshift=0.3)
    >>> both = clm.Composite([halo, galaxy])
    >>> mass = both.enclosed_mass_2d(0.1)
    >>> bool(mass == halo.enclosed_mass_2d(0.1) + galaxy.enclosed_mass_2d(0.1))
    True
    """

    def __init__(self, components: Iterable[RadialMass]) -> None:
        parts = tuple(components) if isinstance(components, Iterable) else (components,)
        if not parts:
            raise ParameterError("components", components, "at least one profile")
        for part in parts:
            if not isinstance(part, RadialMass):
                raise ParameterError("components", part, "profiles, such as clm.NFW(...)")
        first = parts[0]
        self._shape = _common_shape(parts)
        for part in parts[1:]:
            if not np.all(np.equal(part.redshift, first.redshift)):
                raise ParameterError(
                    "components.redshift", (first.redshift, part.redshift), "the same for all"
                )
            if part.cosmology is not first.cosmology and part.cosmology != first.cosmology:
                raise ParameterError(
                    "components.cosmology", (first.cosmology, part.cosmology), "the same for all"
                )
        redshift = max((part.redshift for part in parts), key=np.ndim)
        super().__init__({"components": parts}, redshift, first.cosmology)

    @property
    def components(self) -> tuple[RadialMass, ...]:
        """The profiles that are summed."""
        parts: tuple[RadialMass, ...] = self._arguments["components"]
        return parts

    @property
    def shape(self) -> tuple[int, ...]:
        """``()`` for one profile, ``(n,)`` for n of them."""
        return self._shape

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other `components`, or with `redshift` or `cosmology` of them all."""
        components = changes.pop("components", self.components)
        unknown = sorted(set(changes) - {"redshift", "cosmology"})
        if unknown:
            raise ParameterError("argument", unknown[0], "one of components, redshift, cosmology")
        return type(self)([part.replace(**changes) for part in components])

    def _evaluate(
        self, quantity: int, radius: Array, sources: SourceArrays | None, n_threads: int
    ) -> Array:
        if quantity < _FIRST_LENSING:
            return self._sum(quantity, radius, n_threads)
        assert sources is not None
        surface = self._sum(QUANTITIES["surface_density"], radius, n_threads)
        excess = self._sum(QUANTITIES["excess_surface_density"], radius, n_threads)
        shear, convergence, planes, weights, _ = sources
        out = np.empty_like(surface)
        lensing(quantity, surface, excess, shear, convergence, planes, weights, out, n_threads)
        return out

    def _sum(self, quantity: int, radius: Array, n_threads: int) -> Array:
        rows = self._shape[0] if self._shape else 1
        total = np.zeros((rows, radius.shape[1]))
        for part in self.components:
            if part.shape or radius.shape[0] == 1:
                total += part._evaluate(quantity, radius, None, n_threads)
            else:
                # one profile at the radii of n rows: a single row of n m radii
                row = np.ascontiguousarray(radius).reshape(1, -1)
                total += part._evaluate(quantity, row, None, n_threads).reshape(radius.shape)
        return total

    def __repr__(self) -> str:
        names = ", ".join(type(part).__name__ for part in self.components)
        many = f", {self._shape[0]} profiles" if self._shape else ""
        redshift = "<array>" if np.ndim(self.redshift) else f"{float(self.redshift):.6g}"
        return f"Composite([{names}], redshift={redshift}{many})"


def _common_shape(parts: tuple[RadialMass, ...]) -> tuple[int, ...]:
    shapes = {part.shape for part in parts if part.shape}
    if len(shapes) > 1:
        raise ParameterError("components.shape", sorted(shapes), "() or one common (n,)")
    return shapes.pop() if shapes else ()
