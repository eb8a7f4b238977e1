"""Source galaxies: a redshift, a redshift distribution, or moments of beta.

Whatever takes sources accepts

- a number, or an array of numbers: the source redshift itself;
- `SourceDistribution`: n(z) or p(z), as nodes and weights, averaged exactly;
- `BetaMoments`: only <beta_s> and <beta_s^2> are known.

With beta = D_ls / D_s and beta_s = beta(z_s) / beta(inf), every source of a lens has
``Sigma_crit^-1 = beta_s Sigma_crit,inf^-1``. A source at ``z_s <= z_l`` is not lensed
(shear and convergence 0, magnification 1), but counts in the weights: it dilutes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .cosmology import (
    Array,
    checked_redshift,
    inverse_critical_surface_density,
    inverse_critical_surface_density_at_infinity,
)
from .errors import NumericalError, ParameterError

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

_TAIL = 1e-9
_MAX_PANELS = 4096


class SourceDistribution:
    """Redshift distribution of source galaxies: nodes with normalised weights.

    Parameters
    ----------
    redshift : (K,) array_like
        Redshifts of the nodes, finite and >= 0.
    weight : (K,) array_like
        Weights of the nodes (counts, lensing weights, n(z) dz), >= 0, not all zero.
        They are stored divided by their sum.

    Raises
    ------
    ParameterError
        If a node or weight is out of range or the lengths differ.

    Notes
    -----
    Immutable; the arrays are read-only copies. Every average over the distribution
    is the weighted sum over the nodes, which makes it exact for a discrete sample
    and a quadrature for a continuous one.

    Examples
    --------
    >>> sources = SourceDistribution([0.5, 1.0], [30, 10])
    >>> sources.weight
    array([0.75, 0.25])
    """

    __slots__ = ("_redshift", "_weight")
    _redshift: Array
    _weight: Array

    def __init__(self, redshift: npt.ArrayLike, weight: npt.ArrayLike) -> None:
        z = _nodes("redshift", redshift)
        w = _nodes("weight", weight)
        if z.shape != w.shape:
            raise ParameterError("weight", w.shape, f"an array of shape {z.shape}, as redshift")
        total = math.fsum(w)
        if not (math.isfinite(total) and total > 0.0):
            raise ParameterError("weight", total, "of positive, finite sum")
        w /= total
        for array in (z, w):
            array.setflags(write=False)
        object.__setattr__(self, "_redshift", z)
        object.__setattr__(self, "_weight", w)

    @property
    def redshift(self) -> Array:
        """Redshifts of the nodes, (K,), read-only."""
        return self._redshift

    @property
    def weight(self) -> Array:
        """Normalised weights of the nodes, (K,), read-only."""
        return self._weight

    @classmethod
    def from_histogram(
        cls, z: npt.ArrayLike, counts: npt.ArrayLike, nodes_per_bin: int = 1
    ) -> SourceDistribution:
        """Return the distribution given by a histogram.

        Parameters
        ----------
        z : (n,) or (n + 1,) array_like
            Bin centres, or bin edges, strictly increasing.
        counts : (n,) array_like
            Counts (or summed weights) per bin, >= 0. Not a density per unit redshift
            where the bins differ in width.
        nodes_per_bin : int, default 1
            Gauss-Legendre nodes within a bin taken as uniform; 1 is the bin centre.
            More than 1 needs bin edges.

        Notes
        -----
        Empty bins make no node.
        """
        centres = _nodes("z", z)
        number = _nodes("counts", counts)
        if np.any(np.diff(centres) <= 0.0):
            at = int(np.argmax(np.diff(centres) <= 0.0)) + 1
            raise ParameterError(f"z[{at}]", float(centres[at]), "greater than the one before")
        if nodes_per_bin < 1:
            raise ParameterError("nodes_per_bin", nodes_per_bin, ">= 1")
        if centres.size == number.size:
            if nodes_per_bin > 1:
                raise ParameterError("nodes_per_bin", nodes_per_bin, "1 where z holds bin centres")
            return cls._without_empty(centres, number)
        if centres.size != number.size + 1:
            allowed = f"of {number.size} bin centres or {number.size + 1} bin edges"
            raise ParameterError("z", f"array of {centres.size}", allowed)
        nodes, weights = _panel_nodes(centres, nodes_per_bin)
        share = weights / np.diff(centres)[:, None]
        return cls._without_empty(nodes.ravel(), (share * number[:, None]).ravel())

    @classmethod
    def _without_empty(cls, z: Array, weight: Array) -> SourceDistribution:
        filled = weight > 0.0
        return cls(z[filled], weight[filled]) if filled.any() else cls(z, weight)

    @classmethod
    def from_function(
        cls,
        function: Callable[[Array], npt.ArrayLike],
        z_min: float,
        z_max: float,
        *,
        breaks: Iterable[float] = (),
        panel_width: float = 0.05,
        order: int = 4,
        rtol: float = 1e-8,
    ) -> SourceDistribution:
        """Return the distribution proportional to a function of redshift.

        Parameters
        ----------
        function : callable
            n(z) for an array of redshifts, >= 0; it need not be normalised.
        z_min, z_max : float
            Limits of the distribution, ``0 <= z_min < z_max``.
        breaks : iterable of float, optional
            Redshifts where a panel must end: steps of n(z), and the lens redshift,
            where beta has a kink.
        panel_width : float, default 0.05
            Widest panel in ln(1 + z). Without the lens redshift among `breaks`, the kink
            of beta leaves an error of at most about 3e-4 in the moments of beta at the
            default, falling with the square of the width; with it, 0.25 and 6 nodes per
            panel reach 1e-7.
        order : int, default 4
            Gauss-Legendre nodes per panel.
        rtol : float, default 1e-8
            Panels are halved until the integral of n(z) on each agrees with that of its
            two halves to `rtol` of the whole.

        Raises
        ------
        NumericalError
            If 4096 panels do not reach `rtol`.
        """
        if not (math.isfinite(z_min) and z_min >= 0.0):
            raise ParameterError("z_min", z_min, "finite and >= 0")
        if not (math.isfinite(z_max) and z_max > z_min):
            raise ParameterError("z_max", z_max, f"finite and > z_min = {z_min}")
        if not panel_width > 0.0:
            raise ParameterError("panel_width", panel_width, "> 0")
        inner = [z for z in breaks if z_min < z < z_max]
        corners = np.unique(np.array([z_min, *inner, z_max], dtype=np.float64))
        pieces = [corners]
        for a, b in pairwise(np.log1p(corners)):
            inside = np.linspace(a, b, math.ceil((b - a) / panel_width) + 1)[1:-1]
            pieces.append(np.expm1(inside))
        edges = np.sort(np.concatenate(pieces))
        return cls(*_adaptive_nodes(function, edges, order, rtol))

    @classmethod
    def smail(
        cls,
        alpha: float,
        beta: float,
        z0: float,
        *,
        z_max: float | None = None,
        breaks: Iterable[float] = (),
    ) -> SourceDistribution:
        """Return ``n(z) ~ z^alpha exp(-(z / z0)^beta)`` (Smail et al. 1994).

        Parameters
        ----------
        alpha : float
            Slope at low redshift, >= 0.
        beta : float
            Exponent of the cut-off, > 0.
        z0 : float
            Scale redshift, > 0.
        z_max : float, optional
            Upper limit; by default where 1e-9 of the galaxies lie above.
        breaks : iterable of float, optional
            As in `from_function`: with the lens redshift here, moments of beta are good
            to 1e-7 with fewer nodes; without, to 3e-4.
        """
        for name, value, allowed in (
            ("alpha", alpha, alpha >= 0.0),
            ("beta", beta, beta > 0.0),
            ("z0", z0, z0 > 0.0),
        ):
            if not (allowed and math.isfinite(value)):
                raise ParameterError(name, value, "finite and > 0 (alpha: >= 0)")
        if z_max is None:
            from scipy.special import gammainccinv

            z_max = float(z0 * gammainccinv((alpha + 1.0) / beta, _TAIL) ** (1.0 / beta))

        def density(z: Array) -> Array:
            scaled = z / z0
            return np.asarray(scaled**alpha * np.exp(-(scaled**beta)))

        inner = tuple(breaks)
        width, order = (0.25, 6) if inner else (0.05, 4)
        return cls.from_function(density, 0.0, z_max, breaks=inner, panel_width=width, order=order)

    @classmethod
    def chang2013(
        cls, *, z_max: float | None = None, breaks: Iterable[float] = ()
    ) -> SourceDistribution:
        """Return the LSST source distribution of Chang et al. (2013, MNRAS 434, 2121).

        A `smail` distribution with alpha 1.24, beta 1.01, z0 0.51, their fiducial case.
        """
        return cls.smail(1.24, 1.01, 0.51, z_max=z_max, breaks=breaks)

    @classmethod
    def desc_srd(
        cls,
        year: int = 10,
        sample: str = "source",
        *,
        z_max: float | None = None,
        breaks: Iterable[float] = (),
    ) -> SourceDistribution:
        """Return a distribution of the LSST DESC Science Requirements Document.

        Parameters
        ----------
        year : {1, 10}
            Year of the survey.
        sample : {"source", "lens"}
            The weak-lensing source sample, or the photometric clustering sample.
        z_max, breaks
            As in `smail`.

        Notes
        -----
        ``z^2 exp(-(z / z0)^a)`` with (z0, a) = source Y1 (0.13, 0.78), source Y10
        (0.11, 0.68), lens Y1 (0.26, 0.94), lens Y10 (0.28, 0.90): The LSST Dark Energy
        Science Collaboration (2018), arXiv:1809.01669, appendix D.
        """
        parameters = {
            (1, "source"): (0.13, 0.78),
            (10, "source"): (0.11, 0.68),
            (1, "lens"): (0.26, 0.94),
            (10, "lens"): (0.28, 0.90),
        }
        if (year, sample) not in parameters:
            allowed = "year 1 or 10 with sample 'source' or 'lens'"
            raise ParameterError("(year, sample)", (year, sample), allowed)
        z0, exponent = parameters[year, sample]
        return cls.smail(2.0, exponent, z0, z_max=z_max, breaks=breaks)

    def beta_s_moment(self, order: int, z_l: Any, cosmology: FLRW | None = None) -> Array:
        """Mean of beta_s^order over the sources, those with ``z_s <= z_l`` counting as 0.

        Parameters
        ----------
        order : int
            Power of beta_s, >= 1.
        z_l : float or (n,) array_like
            Lens redshift, > 0.
        cosmology : astropy.cosmology.FLRW, optional
            ``None`` is FlatLambdaCDM(70, 0.3, Tcmb0=0).

        Returns
        -------
        ndarray
            Of the shape of `z_l`, within [0, 1].
        """
        if order < 1:
            raise ParameterError("order", order, ">= 1")
        z_lens = _lens_redshift(z_l)
        inverse = inverse_critical_surface_density(z_lens[..., None], self._redshift, cosmology)
        at_infinity = inverse_critical_surface_density_at_infinity(z_lens, cosmology)
        return np.asarray((inverse / at_infinity[..., None]) ** order @ self._weight)

    def mean_beta_s(self, z_l: Any, cosmology: FLRW | None = None) -> Array:
        """<beta_s> of the sources behind and in front of `z_l`; see `beta_s_moment`."""
        return self.beta_s_moment(1, z_l, cosmology)

    def mean_beta_s_squared(self, z_l: Any, cosmology: FLRW | None = None) -> Array:
        """<beta_s^2>; see `beta_s_moment`."""
        return self.beta_s_moment(2, z_l, cosmology)

    def mean_beta_s_cubed(self, z_l: Any, cosmology: FLRW | None = None) -> Array:
        """<beta_s^3>; see `beta_s_moment`."""
        return self.beta_s_moment(3, z_l, cosmology)

    def beta_moments(self, z_l: float, cosmology: FLRW | None = None) -> BetaMoments:
        """Return the first two moments for one lens, a fast stand-in for the distribution."""
        return BetaMoments(
            float(self.mean_beta_s(z_l, cosmology)), float(self.mean_beta_s_squared(z_l, cosmology))
        )

    def inverse_critical_surface_density_nodes(
        self, z_l: Any, cosmology: FLRW | None = None
    ) -> tuple[Array, Array]:
        """Return Sigma_crit^-1 of every node, and the weights.

        Parameters
        ----------
        z_l : float or (n,) array_like
            Lens redshifts, > 0.
        cosmology : astropy.cosmology.FLRW, optional
            ``None`` is FlatLambdaCDM(70, 0.3, Tcmb0=0).

        Returns
        -------
        values : (n, K) ndarray
            Sigma_crit^-1 [Mpc^2 / Msun], 0 for nodes at ``z_s <= z_l``; n = 1 for a
            scalar `z_l`.
        weights : (K,) ndarray
            Weights of the nodes, of sum 1, foreground nodes included.
        """
        z_lens = np.atleast_1d(_lens_redshift(z_l))
        values = inverse_critical_surface_density(z_lens[:, None], self._redshift, cosmology)
        return values, self._weight

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary from which `sources_from_dict` makes the same object."""
        return {
            "type": "distribution",
            "redshift": self._redshift.tolist(),
            "weight": self._weight.tolist(),
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SourceDistribution):
            return NotImplemented
        return np.array_equal(self._redshift, other._redshift) and np.array_equal(
            self._weight, other._weight
        )

    def __hash__(self) -> int:
        return hash((self._redshift.tobytes(), self._weight.tobytes()))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"SourceDistribution is immutable; cannot set {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_distribution, (np.array(self._redshift), np.array(self._weight))

    def __repr__(self) -> str:
        mean = float(self._redshift @ self._weight)
        span = f"{self._redshift.min():.3g} to {self._redshift.max():.3g}"
        return f"<SourceDistribution: {self._redshift.size} nodes, z = {span}, mean {mean:.3f}>"


class BetaMoments:
    """Sources of one lens known only by <beta_s> and <beta_s^2>.

    Parameters
    ----------
    mean_beta_s : float
        <beta_s>, within [0, 1].
    mean_beta_s_squared : float, optional
        <beta_s^2>, between <beta_s>^2 and <beta_s>; by default <beta_s>^2, which is a
        single source plane.

    Raises
    ------
    ParameterError
        If no distribution can have these moments.

    Notes
    -----
    The two moments are represented exactly by the share <beta_s>^2 / <beta_s^2> of the
    sources at beta_s = <beta_s^2> / <beta_s>, the rest unlensed. Averaging the reduced
    shear over these two nodes gives
    ``<beta_s> gamma_inf / (1 - (<beta_s^2> / <beta_s>) kappa_inf)``,
    the approximation of Seitz & Schneider (1997, A&A 318, 687).
    """

    __slots__ = ("_mean", "_square")
    _mean: float
    _square: float

    def __init__(self, mean_beta_s: float, mean_beta_s_squared: float | None = None) -> None:
        mean = float(mean_beta_s)
        if not 0.0 <= mean <= 1.0:
            raise ParameterError("mean_beta_s", mean_beta_s, "within [0, 1]")
        square = mean * mean if mean_beta_s_squared is None else float(mean_beta_s_squared)
        if not mean * mean * (1.0 - 1e-12) <= square <= mean:
            raise ParameterError(
                "mean_beta_s_squared",
                mean_beta_s_squared,
                f"between mean_beta_s^2 = {mean * mean:.6g} and mean_beta_s = {mean:.6g}",
            )
        object.__setattr__(self, "_mean", mean)
        object.__setattr__(self, "_square", max(square, mean * mean))

    @classmethod
    def from_beta(
        cls,
        mean_beta: float,
        z_l: float,
        mean_beta_squared: float | None = None,
        cosmology: FLRW | None = None,
    ) -> BetaMoments:
        """Return the object for moments of ``beta = D_ls / D_s`` at lens redshift `z_l`.

        Parameters
        ----------
        mean_beta : float
            <D_ls / D_s>.
        z_l : float
            Lens redshift, > 0.
        mean_beta_squared : float, optional
            <(D_ls / D_s)^2>; by default the square of `mean_beta`.
        cosmology : astropy.cosmology.FLRW, optional
            ``None`` is FlatLambdaCDM(70, 0.3, Tcmb0=0).
        """
        from .cosmology import SIGMA_CRITICAL_FACTOR, angular_diameter_distance

        z_lens = _lens_redshift(z_l)
        inverse = inverse_critical_surface_density_at_infinity(z_lens, cosmology)
        distance = angular_diameter_distance(z_lens, cosmology)
        beta_infinity = float(inverse * SIGMA_CRITICAL_FACTOR / distance)
        square = None if mean_beta_squared is None else mean_beta_squared / beta_infinity**2
        return cls(mean_beta / beta_infinity, square)

    def mean_beta_s(self, z_l: Any = None, cosmology: FLRW | None = None) -> Array:
        """<beta_s>, the number given; the arguments are those of `SourceDistribution`."""
        return np.full(np.shape(z_l), self._mean)

    def mean_beta_s_squared(self, z_l: Any = None, cosmology: FLRW | None = None) -> Array:
        """<beta_s^2>, the number given; the arguments are those of `SourceDistribution`."""
        return np.full(np.shape(z_l), self._square)

    def inverse_critical_surface_density_nodes(
        self, z_l: Any, cosmology: FLRW | None = None
    ) -> tuple[Array, Array]:
        """Return Sigma_crit^-1 [Mpc^2 / Msun] of two nodes, (n, 2), and weights, (2,).

        The nodes are those of the class notes; see
        `SourceDistribution.inverse_critical_surface_density_nodes`.
        """
        z_lens = np.atleast_1d(_lens_redshift(z_l))
        ratio = self._square / self._mean if self._mean > 0.0 else 0.0
        share = self._mean / ratio if ratio > 0.0 else 0.0
        at_infinity = inverse_critical_surface_density_at_infinity(z_lens, cosmology)
        values = at_infinity[:, None] * np.array([0.0, ratio])
        return values, np.array([1.0 - share, share])

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary from which `sources_from_dict` makes the same object."""
        return {
            "type": "beta_moments",
            "mean_beta_s": self._mean,
            "mean_beta_s_squared": self._square,
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BetaMoments):
            return NotImplemented
        return (self._mean, self._square) == (other._mean, other._square)

    def __hash__(self) -> int:
        return hash((self._mean, self._square))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"BetaMoments is immutable; cannot set {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return BetaMoments, (self._mean, self._square)

    def __repr__(self) -> str:
        return f"BetaMoments({self._mean!r}, {self._square!r})"


Sources = float | SourceDistribution | BetaMoments
"""What describes the sources of one object."""


def checked_sources(sources: Any, name: str = "sources") -> Sources:
    """Return `sources`, a number as a float > 0; anything else is a `ParameterError`."""
    if isinstance(sources, SourceDistribution | BetaMoments):
        return sources
    allowed = "a source redshift > 0, a SourceDistribution or a BetaMoments"
    try:
        redshift = float(sources)
    except (TypeError, ValueError) as error:
        raise ParameterError(name, sources, allowed) from error
    if isinstance(sources, bool | np.bool_) or not (math.isfinite(redshift) and redshift > 0.0):
        raise ParameterError(name, sources, allowed)
    return redshift


def sources_from_dict(content: Any) -> Sources:
    """Return the sources described by a number or by what ``to_dict`` gave.

    Raises
    ------
    ParameterError
        If `content` describes no sources.
    """
    if not isinstance(content, Mapping):
        return checked_sources(content)
    keys = {
        "distribution": (SourceDistribution, ("redshift", "weight")),
        "beta_moments": (BetaMoments, ("mean_beta_s", "mean_beta_s_squared")),
    }
    kind = str(content.get("type"))
    if kind not in keys or set(content) != {"type", *keys[kind][1]}:
        allowed = "what SourceDistribution.to_dict or BetaMoments.to_dict returns"
        raise ParameterError("sources", sorted(map(str, content)), allowed)
    if kind == "distribution":
        return _restore_distribution(content["redshift"], content["weight"])
    try:
        return BetaMoments(content["mean_beta_s"], content["mean_beta_s_squared"])
    except (TypeError, ValueError) as error:
        raise ParameterError("sources", dict(content), "made of numbers") from error


def _restore_distribution(redshift: npt.ArrayLike, weight: npt.ArrayLike) -> SourceDistribution:
    """Rebuild a distribution with the very weights it had (normalising again could round)."""
    result = SourceDistribution(redshift, weight)
    exact = np.array(weight, dtype=np.float64)
    if abs(math.fsum(exact) - 1.0) < 1e-12:
        exact.setflags(write=False)
        object.__setattr__(result, "_weight", exact)
    return result


def _nodes(name: str, values: npt.ArrayLike) -> Array:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(name, values, "an array of numbers") from error
    if array.ndim != 1 or array.size == 0:
        raise ParameterError(name, f"array of shape {array.shape}", "one-dimensional, not empty")
    good = np.isfinite(array) & (array >= 0.0)
    if not good.all():
        at = int(np.argmin(good))
        raise ParameterError(f"{name}[{at}]", float(array[at]), "finite and >= 0")
    return array


def _lens_redshift(z_l: Any) -> Array:
    z_lens = checked_redshift(z_l, "z_l")
    if np.any(z_lens == 0.0):
        raise ParameterError("z_l", 0.0, "> 0")
    return z_lens


def _panel_nodes(edges: Array, order: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on each panel, (panels, order)."""
    unit_nodes, unit_weights = np.polynomial.legendre.leggauss(order)
    half = 0.5 * np.diff(edges)[:, None]
    centre = 0.5 * (edges[1:] + edges[:-1])[:, None]
    return centre + half * unit_nodes, half * unit_weights


def _adaptive_nodes(
    function: Callable[[Array], npt.ArrayLike], edges: Array, order: int, rtol: float
) -> tuple[Array, Array]:
    while edges.size <= _MAX_PANELS:
        nodes, weights = _weighted(function, edges, order)
        halves = np.sort(np.concatenate([edges, 0.5 * (edges[1:] + edges[:-1])]))
        fine = _weighted(function, halves, order)[1].sum(axis=1).reshape(-1, 2).sum(axis=1)
        open_ = np.abs(weights.sum(axis=1) - fine) > rtol * fine.sum()
        if not open_.any():
            return nodes.ravel(), weights.ravel()
        centres = 0.5 * (edges[1:] + edges[:-1])
        edges = np.sort(np.concatenate([edges, centres[open_]]))
    raise NumericalError(
        f"n(z) is not integrated to rtol = {rtol} with {_MAX_PANELS} panels; "
        "give its steps as breaks, or a larger rtol"
    )


def _weighted(
    function: Callable[[Array], npt.ArrayLike], edges: Array, order: int
) -> tuple[Array, Array]:
    nodes, weights = _panel_nodes(edges, order)
    density = np.asarray(function(nodes.ravel()), dtype=np.float64)
    if density.shape != (nodes.size,):
        raise ParameterError("function", f"of shape {density.shape}", "an array like its argument")
    good = np.isfinite(density) & (density >= 0.0)
    if not good.all():
        at = int(np.argmin(good))
        value = f"{density[at]} at z = {nodes.flat[at]:.6g}"
        raise ParameterError("function", value, "finite and >= 0 at every redshift")
    return nodes, weights * density.reshape(nodes.shape)
