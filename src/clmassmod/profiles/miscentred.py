"""Profiles around a centre that is not that of the mass."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._checks import checked_threads
from .._core import miscentring as core
from .._core.profile import QUANTITIES
from ..errors import ParameterError
from .base import Array, RadialMass, parameter
from .lensing import SourceArrays
from .offsets import Offset, RingNodes, as_offset

_SCALAR, _TANGENTIAL, _SLOPE = 0, 1, 2
_FIELD = {
    QUANTITIES["surface_density"]: _SCALAR,
    QUANTITIES["convergence"]: _SCALAR,
    QUANTITIES["magnification"]: _SCALAR,
    QUANTITIES["excess_surface_density"]: _TANGENTIAL,
    QUANTITIES["tangential_shear"]: _TANGENTIAL,
    QUANTITIES["tangential_ellipticity"]: _TANGENTIAL,
    QUANTITIES["surface_density_slope"]: _SLOPE,
}
_REDUCED = QUANTITIES["reduced_tangential_shear"]
_MEANS = (QUANTITIES["mean_surface_density"], QUANTITIES["enclosed_mass_2d"])


class Miscentred(RadialMass):
    """What is measured around centres that are displaced from that of the mass.

    Every projected quantity is the average over a circle around the displaced centre; of
    a part `fraction` of the haloes, the rest is centred:
    ``(1 - f) Delta Sigma(R) + f Delta Sigma_mis(R)``.

    Parameters
    ----------
    profile : profile
        The mass: any profile, also a `Composite`, or n of them.
    offset : float, (n,), or an `Offset`
        The distance [physical Mpc] between the centres, or its distribution:
        `RayleighOffset`, `GammaOffset`, `OffsetSample`.
    fraction : float or (n,), between 0 and 1
        Part of the haloes that is miscentred.

    Raises
    ------
    ParameterError
        Offsets that are negative or not finite, a fraction outside [0, 1], no profile; or
        density and mass in spheres, which a projected offset does not define: ask `profile`.

    Notes
    -----
    `reduced_tangential_shear`, here the same as `tangential_ellipticity`, is the average over
    the circle (and over sources and offsets) of the ellipticity that galaxies have,
    ``<gamma_t / (1 - kappa)>``, or the inverse of that beyond 1: what is measured. It is not
    the reduced shear of the averages, ``<gamma_t> / (1 - <kappa>)``, which differs at second
    order in kappa; for that, as McClintock et al. (2019) use it, divide `tangential_shear`
    by ``1 - convergence``. `magnification` is an average likewise, and meaningless (or NaN) for
    circles that meet a critical curve.

    Tangential quantities follow from the shear about the displaced centre,
    ``Delta Sigma_mis(R) = <Delta Sigma(r) cos 2b>`` with b the angle between the directions to
    the two centres, so that nothing is integrated over radius. Relative accuracy 1e-7 for
    R between 1e-3 and 1e3 offsets (tested against quadrature), and no better than that of
    `profile`. A surface density that rises towards the centre as ``r^-1`` or faster has no
    average on a circle through the centre.

    Examples
    --------
    >>> import clmassmod as clm
    >>> halo = clm.NFW(5e14, 4.0, redshift=0.3)
    >>> seen = clm.Miscentred(halo, clm.GammaOffset(0.15), fraction=0.3)
    >>> bool(seen.excess_surface_density(0.2) < halo.excess_surface_density(0.2))
    True
    """

    def __init__(self, profile: RadialMass, offset: Any, fraction: Any = 1.0) -> None:
        if not isinstance(profile, RadialMass):
            raise ParameterError("profile", profile, "a profile, such as clm.NFW(...)")
        self.profile = profile
        self.offset: Offset = as_offset(offset)
        self._fraction = parameter(fraction, "", "fraction", 0.0, low_allowed=True)
        if np.any(self._fraction > 1.0):
            raise ParameterError("fraction", float(self._fraction.max()), "between 0 and 1")
        self.fraction = self._fraction[()]
        shapes = {s for s in (profile.shape, self.offset.shape, self._fraction.shape) if s}
        if len(shapes) > 1 or any(len(s) > 1 for s in shapes):
            raise ParameterError("shapes", sorted(shapes), "() or one common (n,)")
        self._shape = shapes.pop() if shapes else ()
        arguments = {"profile": profile, "offset": self.offset, "fraction": fraction}
        super().__init__(arguments, profile.redshift, profile.cosmology)

    @property
    def shape(self) -> tuple[int, ...]:
        """``()`` for one profile, ``(n,)`` for n of them."""
        return self._shape

    def _evaluate(
        self, quantity: int, radius: Array, sources: SourceArrays | None, n_threads: int
    ) -> Array:
        checked_threads(n_threads)
        if quantity in _MEANS:
            return self._mean(quantity, radius, n_threads)
        if quantity == _REDUCED:
            # a circle may pass through the centre, where the reduced shear has a pole
            quantity = QUANTITIES["tangential_ellipticity"]
        if quantity not in _FIELD:
            name = next(key for key, value in QUANTITIES.items() if value == quantity)
            raise ParameterError(
                name,
                "of a Miscentred profile",
                "a projected quantity",
                f"Its mass in spheres is that of .profile: use .profile.{name}.",
            )
        _check_radius(radius)
        centred = self._rows(self.profile._evaluate, quantity, radius, sources, n_threads)
        if not np.any(self._fraction):
            return centred
        if not radius.size:
            return centred
        f = self._fraction.reshape(-1, 1)
        result = f * self._average(quantity, radius, sources, n_threads)
        if not np.all(f == 1.0):
            result = result + (1.0 - f) * centred
        return np.ascontiguousarray(result)

    def _mean(self, quantity: int, radius: Array, n_threads: int) -> Array:
        names = ("surface_density", "excess_surface_density")
        parts = [self._evaluate(QUANTITIES[name], radius, None, n_threads) for name in names]
        mean = parts[0] + parts[1]
        return mean * (np.pi * radius**2) if quantity == _MEANS[1] else mean

    def _rows(
        self, evaluate: Any, quantity: int, radius: Array, sources: Any, n_threads: int
    ) -> Array:
        """Return (n, m) of a profile that may be one for all n rows."""
        if self.profile.shape or not self._shape:
            return np.asarray(evaluate(quantity, radius, sources, n_threads))
        rows = [
            evaluate(quantity, _row(radius, i), _source_row(sources, i), n_threads)
            for i in range(self._shape[0])
        ]
        return np.concatenate(rows)

    def _average(
        self, quantity: int, radius: Array, sources: SourceArrays | None, n_threads: int
    ) -> Array:
        """Return the average over circles, (n, m)."""
        n = self._shape[0] if self._shape else 1
        shared = not self.offset.shape and radius.shape[0] == 1
        all_nodes = [self.offset.nodes(_row(radius, i)[0], i) for i in range(1 if shared else n)]
        at = _padded([one.radius for one in all_nodes])
        column = _padded([_circle_of(one) for one in all_nodes]).astype(np.intp)
        values = self._rows(
            self.profile._evaluate, quantity, at, _sources_at(sources, column), n_threads
        )
        out = np.empty((n, radius.shape[1]))
        for i, one in enumerate(all_nodes):
            rows = slice(None) if shared else slice(i, i + 1)
            part = np.ascontiguousarray(values[rows, : one.radius.size])
            weight = np.ascontiguousarray(one.weight[_FIELD[quantity]])
            core.sums(part, weight, one.start, out[rows])
        return out

    def __repr__(self) -> str:
        f = self._fraction
        text = f"{float(f):.6g}" if not f.ndim else f"<{f.size} values>"
        return f"Miscentred({self.profile!r}, {self.offset!r}, fraction={text})"


def _check_radius(radius: Array) -> None:
    bad = ~((radius > 0.0) & np.isfinite(radius))
    if bad.any():
        index = int(np.argmax(bad))
        value = float(radius.ravel()[index])
        raise ParameterError("radius", value, f"finite and > 0 Mpc (at index {index})")


def _row(values: Array, i: int) -> Array:
    return values if values.shape[0] == 1 else np.ascontiguousarray(values[i : i + 1])


def _source_row(sources: SourceArrays | None, i: int) -> SourceArrays | None:
    if sources is None:
        return None
    arrays = [None if a is None else _row(a, i) for a in sources[:4]]
    return SourceArrays(*arrays)  # type: ignore[arg-type]


def _padded(rows: list[Array]) -> Array:
    """Return rows of unequal length as one array, filled up with their last value."""
    out = np.empty((len(rows), max(row.size for row in rows)))
    for i, row in enumerate(rows):
        out[i, : row.size] = row
        out[i, row.size :] = row[-1]
    return out


def _circle_of(nodes: RingNodes) -> Array:
    return np.repeat(np.arange(nodes.start.size - 1, dtype=np.float64), nodes.counts)


def _sources_at(sources: SourceArrays | None, column: Any) -> SourceArrays | None:
    """Return the sources of every node: those of the circle it is on."""
    if sources is None:
        return None

    def spread(values: Array) -> Array:
        if values.shape[1] == 1:
            return values
        rows = max(values.shape[0], column.shape[0])
        wide = np.broadcast_to(values, (rows, values.shape[1]))
        index = np.broadcast_to(column, (rows, column.shape[1]))
        return np.ascontiguousarray(np.take_along_axis(wide, index, axis=1))

    return sources._replace(
        shear=spread(sources.shear), convergence=spread(sources.convergence), point_shape=None
    )
