"""The matter around a halo that belongs to others: linear theory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import checked_threads
from .._core.lensing import lensing
from .._core.profile import QUANTITIES
from ..cosmology import MassDef, mean_matter_density
from ..errors import ParameterError
from .base import Array, RadialMass, common_shape, parameter, per_profile
from .lensing import SourceArrays

if TYPE_CHECKING:
    from ..power import LinearPower

_NAMES = {value: name for name, value in QUANTITIES.items()}
_FIRST_LENSING = QUANTITIES["convergence"]


class TwoHalo(RadialMass):
    """Two-halo term: mean excess of matter around haloes that are correlated with it.

    ``rho(r) = b(M, z) rho_m(z) xi_lin(r (1 + z), z)``, with the mean density subtracted, so
    that it is negative beyond about 120 comoving Mpc. Add it to a halo with `Composite`.

    Parameters
    ----------
    mass : float or (n,), Msun, > 0
        Mass of the halo, for its bias.
    redshift : float or (n,), >= 0
    power : LinearPower
        Linear power, with its cosmology.
    mass_def : str
        Definition of `mass`.
    bias : float or (n,), optional
        Linear bias in place of that of Tinker et al. (2010); `mass` may then be None.

    Raises
    ------
    ParameterError
        A value out of range; neither mass nor bias; radii beyond 1e4 comoving Mpc.

    Notes
    -----
    Projected along the whole line of sight, ``Sigma = b rho_m int dk k P(k) J_0(k R) / (2 pi)``
    and ``Delta Sigma`` with J_2 (Oguri & Takada 2011). Relative accuracy 1e-7 of the
    integrals (tested against quadrature); linear theory and its bias are good to some ten
    per cent where the halo itself takes over.

    Examples
    --------
    >>> import clmassmod as clm
    >>> from astropy.cosmology import FlatLambdaCDM
    >>> cosmology = FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=2.7255, Ob0=0.045)
    >>> power = clm.LinearPower(cosmology, sigma8=0.8, n_s=0.96)
    >>> around = clm.TwoHalo(2e14, 0.3, power, mass_def="200m")
    >>> halo = clm.NFW(2e14, 5.0, 0.3, mass_def="200m", cosmology=cosmology)
    >>> both = clm.Composite([halo, around])
    >>> bool(both.excess_surface_density(20.0) > 2 * halo.excess_surface_density(20.0))
    True
    """

    def __init__(
        self,
        mass: Any,
        redshift: Any,
        power: LinearPower,
        mass_def: str | MassDef = "200c",
        bias: Any = None,
    ) -> None:
        if not hasattr(power, "correlation"):
            raise ParameterError("power", power, "a clm.LinearPower")
        arguments = {
            "mass": mass,
            "redshift": redshift,
            "power": power,
            "mass_def": mass_def,
            "bias": bias,
        }
        super().__init__(arguments, redshift, power.cosmology)
        if bias is None:
            if mass is None:
                raise ParameterError("mass", mass, "given [Msun], or the bias in its place")
            m = parameter(mass, "Msun", "mass", 0.0)
            b = np.asarray(power.halo_bias(m, self.redshift, mass_def))
        else:
            b = parameter(bias, "", "bias", -np.inf)
        self._shape = common_shape(bias=b, redshift=np.asarray(self.redshift))
        self.bias = b[()]
        self._correlation = power.correlation
        n = self._shape[0] if self._shape else 1
        z = per_profile(self.redshift, n)
        growth = np.asarray(power.growth_factor(z)) ** 2
        self._stretch = (1.0 + z)[:, None]
        density = np.asarray(mean_matter_density(z, self.cosmology))
        self._density = (per_profile(b, n) * growth * density)[:, None]

    @property
    def shape(self) -> tuple[int, ...]:
        """``()`` for one profile, ``(n,)`` for n of them."""
        return self._shape

    def _evaluate(
        self, quantity: int, radius: Array, sources: SourceArrays | None, n_threads: int
    ) -> Array:
        checked_threads(n_threads)
        if quantity < _FIRST_LENSING:
            return np.ascontiguousarray(self._value(_NAMES[quantity], radius))
        assert sources is not None
        surface = np.ascontiguousarray(self._value("surface_density", radius))
        excess = np.ascontiguousarray(self._value("excess_surface_density", radius))
        shear, convergence, planes, weights, _ = sources
        out = np.empty_like(surface)
        lensing(quantity, surface, excess, shear, convergence, planes, weights, out, n_threads)
        return out

    def _value(self, name: str, radius: Array) -> Array:
        """Return a quantity at `radius` (1|n, m) [physical Mpc], (n, m)."""
        comoving = radius * self._stretch if np.ptp(self._stretch) else radius * self._stretch[:1]
        known = self._correlation
        match name:
            case "density":
                return self._density * known.three_dimensional(comoving)
            case "density_slope":
                return self._density * known.three_dimensional_slope(comoving)
            case "enclosed_mass":
                return self._density / self._stretch**3 * known.volume_integral(comoving)
        column = self._density / self._stretch
        match name:
            case "surface_density":
                return column * known.projected(comoving)
            case "surface_density_slope":
                return column * known.projected_slope(comoving)
            case "excess_surface_density":
                return column * known.excess_projected(comoving)
        mean = known.projected(comoving) + known.excess_projected(comoving)
        if name == "enclosed_mass_2d":
            mean = mean * (np.pi * radius**2)
        return column * mean
