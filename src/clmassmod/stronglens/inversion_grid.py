"""Inversion of many image pairs over a grid of halo masses and inner slopes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._checks import checked_threads
from .._core import axisym as core
from ..errors import ParameterError
from ..units import as_float_array
from ._tables import gnfw_table, sersic_b, sersic_tables
from .lens import Array, Geometry, broadcast, flat, positive_lengths, require
from .lens_model import reference_density, unit_star_amplitude

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

    from .source_counts import SourceCounts

_MOST_CELLS = 200_000_000


@dataclass(frozen=True, eq=False)
class ImagePhotometry:
    """Probability of the magnitudes of two images of one source, given their magnifications.

    Parameters
    ----------
    counts : SourceCounts
        Number counts n(m) of the sources [arcmin^-2 mag^-1].
    sigma_a, sigma_b : float, mag, > 0
        Errors of the magnitudes of A and B.

    Raises
    ------
    ParameterError
        An error that is not > 0.

    Notes
    -----
    With u = m + 2.5 log10 |mu|, ``int n(m) N(m_A - ...) N(m_B - ...) dm`` is
    ``N(u_A - u_B; sqrt(sigma_A^2 + sigma_B^2)) F(ubar)``, ubar the inverse-variance mean of
    u_A and u_B and F the counts convolved with ``N(0, (sigma_A^-2 + sigma_B^-2)^(-1/2))``.
    """

    counts: SourceCounts
    sigma_a: float = 0.1
    sigma_b: float = 0.1

    def __post_init__(self) -> None:
        for name in ("sigma_a", "sigma_b"):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            require(value, (value > 0.0) & (value < 10.0), name, "> 0 and < 10", "mag")
        a, b = self.sigma_a, self.sigma_b
        table = self.counts.convolved(a * b / math.hypot(a, b))
        variance = a * a + b * b
        numbers = (
            table.start,
            1.0 / table.step,
            1.0 / variance,
            b * b / variance,
            -0.5 * math.log(2.0 * math.pi * variance),
        )
        object.__setattr__(self, "_table", np.ascontiguousarray(table.coefficients))
        object.__setattr__(self, "_numbers", np.array(numbers))

    @property
    def core_tables(self) -> tuple[Array, Array]:
        """The table of ln F, (intervals, 4), and the numbers the core takes beside it."""
        return self._table, self._numbers  # type: ignore[attr-defined]


class GridInversion(NamedTuple):
    """Inversions of n image pairs, each array (n, slopes, masses); NaN where not valid."""

    log_mstar: Array
    """log10 M* [Msun]."""
    beta: Array
    """Source offset [kpc]."""
    jacobian: Array
    """``|d(log10 M*, beta) / d(x_A, x_B)|`` [1 / kpc]."""
    mu_a: Array
    mu_b: Array
    log_photometry: Array | None
    """ln of `ImagePhotometry`; None without photometry."""
    status: npt.NDArray[np.intc]
    """`LensStatus` numbers."""


class InversionGrid:
    """Grid of halo masses and inner slopes on which image pairs are inverted.

    Parameters
    ----------
    log_mhalo : (k,) array
        log10 M200c [Msun].
    gamma_in : (j,) array, >= 0 and < 3
        Inner slopes.
    c200 : float or (k,), > 0
        Concentration, of each halo mass if an array.
    sersic_n : float, >= 0.5 and < 20
    z_l, z_s : float or (n,)
        Redshifts of the lenses and sources.
    cosmology : astropy cosmology or None

    Raises
    ------
    ParameterError
        A parameter outside its range.

    Notes
    -----
    The closed forms of `invert_images`, with everything that several cells share computed
    once: about 15 ns a cell with photometry. Masses and offsets agree with `invert_images` to
    1e-10, Jacobians and magnifications to 1e-10 over R_B.

    Examples
    --------
    >>> import numpy as np
    >>> from clmassmod.stronglens import InversionGrid
    >>> grid = InversionGrid(np.linspace(12, 14, 5), np.linspace(0, 2, 3))
    >>> cells = grid.invert_images([6.6, 7.0], [-3.1, -2.5], log_re=[0.9, 0.8])
    >>> cells.log_mstar.shape
    (2, 3, 5)
    """

    def __init__(
        self,
        log_mhalo: Any,
        gamma_in: Any,
        *,
        c200: Any = 5.0,
        sersic_n: float = 4.0,
        z_l: Any = 0.3,
        z_s: Any = 2.0,
        cosmology: FLRW | None = None,
    ) -> None:
        self.log_mhalo = _axis(log_mhalo, "log_mhalo", -300.0, 300.0)
        self.gamma_in = _axis(gamma_in, "gamma_in", 0.0, 3.0)
        concentration = as_float_array(c200, "", "c200")
        require(concentration, (concentration > 0.0) & (concentration < 1e6), "c200", "> 0")
        if concentration.shape not in ((), self.log_mhalo.shape):
            raise ParameterError("c200.shape", concentration.shape, f"() or {self.log_mhalo.shape}")
        self.geometry = Geometry(z_l, z_s, cosmology)
        index = as_float_array(sersic_n, "", "sersic_n")
        if index.ndim:
            raise ParameterError("sersic_n", f"array of shape {index.shape}", "one number")
        require(index, (index >= 0.5) & (index < 20.0), "sersic_n", ">= 0.5 and < 20")
        self.sersic_n = float(index)
        self._axes = self._make_axes(flat(concentration, self.log_mhalo.shape))

    def _make_axes(self, c: Array) -> core.GridAxes:
        slopes = self.gamma_in
        mass = np.empty((slopes.size, c.size))
        for row, slope in zip(mass, slopes, strict=True):
            core.enclosed_mass(c, np.full(c.size, slope), row)
        (star,), shapes, _ = sersic_tables(np.array([self.sersic_n]))
        # r_s = (3 M / (4 pi rho))^(1/3) / c for a reference density of 1
        unit_radius = np.cbrt(10.0**self.log_mhalo * (0.75 / math.pi)) / c
        tables = tuple(gnfw_table(float(slope)) for slope in slopes)
        return core.GridAxes(slopes, tables, c**3 / (3.0 * mass), unit_radius, star, shapes[0])

    def invert_images(
        self,
        x_a: Any,
        x_b: Any,
        log_re: Any,
        *,
        m_a: Any = None,
        m_b: Any = None,
        photometry: ImagePhotometry | None = None,
        n_threads: int = 1,
    ) -> GridInversion:
        """Return the inversion of n image pairs in every cell.

        Parameters
        ----------
        x_a, x_b : float or (n,), kpc
            Outer image, > 0, and inner image, < 0.
        log_re : float or (n,)
            log10 of the half-light radius [kpc].
        m_a, m_b : float or (n,), mag
            Observed magnitudes, with `photometry`.
        photometry : ImagePhotometry, optional
        n_threads : int, >= 0

        Returns
        -------
        GridInversion

        Raises
        ------
        ParameterError
            An argument outside its range, or more than 2e8 cells in one call.
        """
        checked_threads(n_threads)
        lenses, shape = self._lenses(x_a, x_b, log_re)
        n = lenses.shape[1]
        cells = n * self.gamma_in.size * self.log_mhalo.size
        if cells > _MOST_CELLS:
            raise ParameterError("cells", cells, f"at most {_MOST_CELLS}", "Pass fewer lenses.")
        if photometry is None and not (m_a is None and m_b is None):
            raise ParameterError("photometry", None, "given with m_a and m_b")
        magnitudes = table = numbers = None
        if photometry is not None:
            a, b = (_magnitudes(m, name) for m, name in ((m_a, "m_a"), (m_b, "m_b")))
            magnitudes = np.array([flat(a, shape), flat(b, shape)])
            table, numbers = photometry.core_tables
        out = np.empty((5 if photometry is None else 6, cells))
        status = np.empty(cells, dtype=np.intc)
        core.invert_grid(self._axes, lenses, magnitudes, table, numbers, out, status, n_threads)
        grid = (n, self.gamma_in.size, self.log_mhalo.size)
        columns = out.reshape(-1, *grid)
        log_photometry = None if photometry is None else columns[5]
        log_mstar, beta, jacobian, mu_a, mu_b = columns[:5]
        result = status.reshape(grid)
        return GridInversion(log_mstar, beta, jacobian, mu_a, mu_b, log_photometry, result)

    def _lenses(self, x_a: Any, x_b: Any, log_re: Any) -> tuple[Array, tuple[int, ...]]:
        """Return (6, n) numbers of the lenses, and (n,)."""
        outer = positive_lengths(x_a, "x_a")
        inner = as_float_array(x_b, "kpc", "x_b")
        require(inner, (inner < 0.0) & (inner > -np.inf), "x_b", "finite and < 0", "kpc")
        size = as_float_array(log_re, "", "log_re")
        require(size, (size >= -6.0) & (size < 6.0), "log_re", ">= -6 and < 6")
        z_l = self.geometry.z_l
        inverse = self.geometry.inverse_sigma_critical
        given = broadcast(x_a=outer, x_b=inner, log_re=size, z_l=z_l, z_s=inverse)
        shape = given[0].shape
        if len(shape) > 1:
            raise ParameterError("x_a.shape", shape, "one number or (n,)")
        outer, inner, size, _, inverse = (np.atleast_1d(a) for a in given)
        radius = 10.0**size
        star = unit_star_amplitude(self.sersic_n, sersic_b(self.sersic_n))
        density = reference_density(z_l, self.geometry.cosmology)
        rows = (
            outer,
            inner,
            star * inverse / (radius * radius),
            radius,
            np.broadcast_to(density, outer.shape),
            inverse,
        )
        return np.array(rows), outer.shape


def _axis(values: Any, name: str, low: float, high: float) -> Array:
    axis = as_float_array(values, "", name)
    if axis.ndim != 1 or axis.size == 0:
        raise ParameterError(f"{name}.shape", axis.shape, "one-dimensional, not empty")
    require(axis, (axis >= low) & (axis < high), name, f">= {low:g} and < {high:g}")
    return np.array(axis)


def _magnitudes(value: Any, name: str) -> Array:
    if value is None:
        raise ParameterError(name, value, "given with photometry")
    array = as_float_array(value, "", name)
    require(array, np.isfinite(array), name, "finite", "mag")
    return array
