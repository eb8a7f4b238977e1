"""What a catalogue gets wrong: cluster members, photometric redshifts, centres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..rng import keyed_uniforms

Array = npt.NDArray[np.float64]

MEMBER_PROFILES = ("nfw", "exponential")


@dataclass(frozen=True)
class MemberContamination:
    """Cluster members taken for background galaxies: they are not lensed and dilute the shear.

    Parameters
    ----------
    amplitude : float, >= 0
        Of the ratio B(R) of members to sources (of the number density without the lens).
    scale : float, > 0
        Scale radius r [physical Mpc].
    profile : {"nfw", "exponential"}
        B = amplitude (1 - F(x)) / (x^2 - 1), x = R / r, of a projected NFW profile (McClintock
        et al. 2019, MNRAS 482, 1352, eq. 24), or ``amplitude exp(-x)``.

    Notes
    -----
    Members have the redshift of the cluster; as an analysis has taken them for sources, the
    redshift that it knows is drawn as that of a source. The mean shear is that without members
    divided by the boost factor ``1 + B(R)``, times what the weights make of it.
    """

    amplitude: float
    scale: float
    profile: str = "nfw"

    def __post_init__(self) -> None:
        if self.profile not in MEMBER_PROFILES:
            allowed = f"one of {', '.join(MEMBER_PROFILES)}"
            raise ParameterError("profile", self.profile, allowed)
        if not (math.isfinite(self.amplitude) and self.amplitude >= 0.0):
            raise ParameterError("amplitude", self.amplitude, "finite and >= 0")
        if not (math.isfinite(self.scale) and self.scale > 0.0):
            raise ParameterError("scale", self.scale, "finite and > 0 Mpc")

    def ratio(self, radius: npt.ArrayLike) -> Array:
        """Return B(R), members per source, for R > 0 [Mpc]."""
        x = np.asarray(radius, dtype=np.float64) / self.scale
        if self.profile == "exponential":
            return np.asarray(self.amplitude * np.exp(-x))
        away = np.abs(x**2 - 1.0)
        near = away < 1e-5
        with np.errstate(invalid="ignore", divide="ignore"):
            shape = (1.0 - _nfw_term(x)) / (x**2 - 1.0)
        # 1/3 - 2/5 (x - 1) at x = 1
        return np.asarray(self.amplitude * np.where(near, 1.0 / 3.0 - 0.4 * (x - 1.0), shape))

    def enclosed(self, radius: npt.ArrayLike) -> Array:
        """Return the integral of B over the disc of a radius > 0 [Mpc^2].

        Times the number of sources per Mpc^2, it is the expected number of members.
        """
        x = np.asarray(radius, dtype=np.float64) / self.scale
        if self.profile == "exponential":
            mass = -np.expm1(-x) - x * np.exp(-x)
        else:
            mass = np.log(0.5 * x) + _nfw_term(x)
        return np.asarray(2.0 * math.pi * self.scale**2 * self.amplitude * mass)

    def radius_of(self, share: Array, outermost: float) -> Array:
        """Return the radius within which `share` of the members within `outermost` lie [Mpc].

        By a table of ln R in ln(share), good to 1e-5.
        """
        table = np.geomspace(1e-4 * min(outermost, self.scale), outermost, 4096)
        inside = np.log(self.enclosed(table) / self.enclosed(outermost))
        return np.asarray(np.exp(np.interp(np.log(share), inside, np.log(table))))


def _nfw_term(x: Array) -> Array:
    """arccosh(1 / x) / sqrt(1 - x^2), or arccos(1 / x) / sqrt(x^2 - 1)."""
    below = np.minimum(x, 1.0)
    above = np.maximum(x, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        inner = np.arccosh(1.0 / below) / np.sqrt(1.0 - below**2)
        outer = np.arccos(1.0 / above) / np.sqrt(above**2 - 1.0)
    close = np.abs(x - 1.0) < 1e-9
    return np.where(close, 1.0, np.where(x < 1.0, inner, outer))


@dataclass(frozen=True)
class PhotoZ:
    """Scatter of photometric redshifts.

    Parameters
    ----------
    scatter : float, >= 0
        z is normal about ``z_true + bias (1 + z_true)`` with the sd ``scatter (1 + z_true)``, cut
        at z > 0.
    bias : float
        As above, within (-1, 1).
    outliers : float
        Share of galaxies whose z is uniform over `outlier_range` instead, within [0, 1].
    outlier_range : (float, float)
        0 <= low < high.
    """

    scatter: float = 0.0
    bias: float = 0.0
    outliers: float = 0.0
    outlier_range: tuple[float, float] = (0.0, 4.0)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scatter) and self.scatter >= 0.0):
            raise ParameterError("scatter", self.scatter, "finite and >= 0")
        if not -1.0 < self.bias < 1.0:
            raise ParameterError("bias", self.bias, "within (-1, 1)")
        if not 0.0 <= self.outliers <= 1.0:
            raise ParameterError("outliers", self.outliers, "within [0, 1]")
        low, high = self.outlier_range
        if not (math.isfinite(high) and 0.0 <= low < high):
            raise ParameterError("outlier_range", self.outlier_range, "0 <= low < high")
        if self.scatter == 0.0 and self.bias < 0.0:
            raise ParameterError("bias", self.bias, ">= 0 without scatter, or z could be below 0")

    def draw(self, z_true: Array, uniforms: Array) -> Array:
        """Return the redshifts as an analysis knows them; uniforms: (n, 3), random numbers."""
        from scipy import special

        mean = z_true + self.bias * (1.0 + z_true)
        z = mean
        if self.scatter > 0.0:
            sd = self.scatter * (1.0 + z_true)
            # drawn from above, where the area keeps its digits however far the cut
            area = special.ndtr(mean / sd) * uniforms[:, 0]
            z = np.maximum(mean - sd * special.ndtri(area), np.finfo(float).tiny)
        low, high = self.outlier_range
        elsewhere = low + (high - low) * uniforms[:, 2]
        return np.where(uniforms[:, 1] < self.outliers, elsewhere, z)


class CentreOffset:
    """Where the centre of a catalogue lies, as seen from the true centre of the halo.

    Parameters
    ----------
    offsets : float, (n,) or (n, 2) array_like
        One distance [physical Mpc]; a list of them; or of (x, y). Each halo takes one of the
        list at random. A distance has a random direction.

    Examples
    --------
    >>> offset = CentreOffset.gaussian(0.2)
    >>> offset.draw(seed=1, halo=7).shape
    (2,)
    """

    def __init__(self, offsets: Any) -> None:
        try:
            values = np.atleast_1d(np.array(offsets, dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise ParameterError("offsets", offsets, "numbers [Mpc]") from error
        pairs = values.ndim == 2 and values.shape[1] == 2
        if not (pairs or values.ndim == 1) or values.size == 0:
            raise ParameterError("offsets", f"array of shape {values.shape}", "(n,) or (n, 2)")
        if not np.all(np.isfinite(values)) or (not pairs and np.any(values < 0.0)):
            raise ParameterError("offsets", float(values.min()), "finite, distances >= 0 Mpc")
        self._values: Array | None = values
        self._sd = 0.0

    @classmethod
    def gaussian(cls, sd: float) -> CentreOffset:
        """Return the offset whose x and y are normal with this sd [Mpc]: Rayleigh distances."""
        if not (math.isfinite(sd) and sd >= 0.0):
            raise ParameterError("sd", sd, "finite and >= 0 Mpc")
        made = cls(0.0)
        made._values, made._sd = None, float(sd)
        return made

    def draw(self, seed: int, halo: int) -> Array:
        """Return the offset (x, y) [Mpc] of a halo, by its number."""
        which, turn = keyed_uniforms(seed, "offset of the centre", [halo], 2)[0]
        direction = np.array([math.cos(2.0 * math.pi * turn), math.sin(2.0 * math.pi * turn)])
        if self._values is None:
            return self._sd * math.sqrt(-2.0 * math.log(which)) * direction
        chosen = self._values[int(which * self._values.shape[0])]
        return np.array(chosen) if chosen.ndim else float(chosen) * direction
