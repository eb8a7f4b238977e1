"""Normalisation of a selected sample: the mean number of detected lenses of a galaxy, A(eta)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._checks import checked_threads
from .._core import selection as core
from ..errors import ParameterError, nearest
from ..provenance import digest
from ..stronglens.observation import MagnitudeLimit, MockNoise
from ..stronglens.relations import Constant
from ..stronglens.source_population import SourcePopulation
from ..table.interpolator import Table
from .cross_section import CrossSection, DetectedCounts
from .kernels import DEFAULT_BOX, checked_box, checked_points
from .parameters import PARAMETERS, PopulationParameters

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

FORMS = ("lenses", "any_lens", "one_lens")
"""Mean of Lambda; of ``1 - e^-Lambda``; of ``Lambda e^-Lambda``."""

_ALPHA_PER_DEX = 14.0
_LEAST_ALPHA = 8
_GAMMA_NODES = 40
_SIZE_NODES = 9
_MISMATCH_NODES = 12
# knots of the table of Lambda: log M*, excess of log Re, log Mh, gamma
_KNOT_STEP = (0.1, 0.2, 0.2, 0.1)
_LIMITS = {"log_mstar": (9.0, 13.8), "log_mhalo": (9.0, 17.0)}
# Lambda below this is of no account: it keeps the logarithm that is tabulated bounded
_FLOOR = 1e-9


class SelectionNormalisation:
    """A(eta): the mean over a population of the number of detected lenses.

    Deterministic and smooth in eta: a product rule with fixed nodes over stellar mass, halo
    mass, inner slope and size.

    Parameters
    ----------
    parameters : PopulationParameters
        Gives what `box` does not name; its population has one redshift and concentration.
    sources : SourcePopulation, optional
    noise : MockNoise, optional
        Errors of the magnitudes.
    detection : MagnitudeLimit, optional
    box : mapping of name to (low, high)
        Ranges of the parameters that vary.
    cosmology : astropy cosmology, optional
    form : {"lenses", "any_lens", "one_lens"}
        ``<Lambda>``, ``<1 - e^-Lambda>`` or ``<Lambda e^-Lambda>``.
    shift : float
        Shift of the nodes, in parts of their distance: what `log_a` may not depend on.
    n_threads : int

    Notes
    -----
    Stellar masses from 5 standard deviations below the population to 6.5 above, halo masses
    from 10^9 to 10^17 Msun: lighter haloes count as those of 10^9, and a population reaching
    above is an error.
    """

    def __init__(
        self,
        parameters: PopulationParameters,
        sources: SourcePopulation | None = None,
        noise: MockNoise | None = None,
        detection: MagnitudeLimit | None = None,
        box: Mapping[str, tuple[float, float]] | None = None,
        *,
        cosmology: FLRW | None = None,
        form: str = "lenses",
        shift: float = 0.0,
        n_threads: int = 1,
    ) -> None:
        if form not in FORMS:
            raise ParameterError("form", form, f"one of {FORMS}", nearest(str(form), FORMS))
        self.parameters, self.form = parameters, form
        self.support = checked_box(DEFAULT_BOX if box is None else box, parameters)
        population = parameters.population
        for name in ("z_l", "concentration"):
            if not isinstance(getattr(population, name), Constant):
                raise ParameterError(f"population.{name}", getattr(population, name), "a number")
        made = sources or SourcePopulation()
        sigma = (noise or MockNoise()).magnitude
        counts = DetectedCounts(made, detection or MagnitudeLimit(), sigma, sigma)
        self.cross_section = CrossSection(
            counts, made, population.z_l.value, population.sersic_n, cosmology
        )
        self._nodes(shift)
        self.table = self._tabulated(n_threads)
        self._values = self._contracted(n_threads)
        self.identity = digest(
            population.to_dict(),
            made.to_dict(),
            sigma,
            (detection or MagnitudeLimit()).to_dict(),
            sorted(self.support.items()),
            form,
            repr(cosmology),
        )

    def log_a(self, vectors: Any, *, n_threads: int = 1) -> Array:
        """Return ln A at points (n, 15), (n,)."""
        checked_threads(n_threads)
        points = np.ascontiguousarray(checked_points(vectors))
        out = np.empty((len(points), self._x.shape[1]))
        core.shares(
            self._values,
            self._x,
            self._alpha,
            self._h,
            self._mean_re,
            self._excess,
            self._with_sizes,
            points,
            self._slope_weights(points),
            self._mismatch,
            np.array([*self.parameters.pivots, *self.parameters.gamma_support]),
            out,
            n_threads,
        )
        return np.asarray(np.log(out.sum(axis=1)))

    # -- nodes -----------------------------------------------------------------------------------

    def _range(self, name: str) -> tuple[float, float]:
        value = float(self.parameters.fixed[PARAMETERS.index(name)])
        return self.support.get(name, (value, value))

    def _nodes(self, shift: float) -> None:
        mu, sigma = self._range("mu_star"), self._range("sigma_star")
        low, high = mu[0] - 5.0 * sigma[1], mu[1] + 6.5 * sigma[1]
        self._x = _trapezoid(low, high, 0.3 * sigma[0], shift)
        self._alpha = self._mismatch_nodes(low, high)
        support = self.parameters.gamma_support
        node, weight = np.polynomial.legendre.leggauss(_GAMMA_NODES)
        half = 0.5 * (support[1] - support[0])
        self._gamma = np.array([support[0] + half * (1.0 + node), half * weight])
        h_low, h_high = _LIMITS["log_mhalo"]
        self._h = _trapezoid(h_low, h_high, 0.9 * self._range("sigma_h")[0], shift)
        if self._h.shape[1] > core.MOST_HALO_NODES - 8:
            least = 0.9 * (h_high - h_low) / (core.MOST_HALO_NODES - 9)
            raise ParameterError("box['sigma_h']", self._range("sigma_h"), f"low >= {least:.3f}")
        padding = -self._h.shape[1] % 8
        self._h = np.pad(self._h, ((0, 0), (0, padding)))
        t, weight = np.polynomial.hermite_e.hermegauss(_MISMATCH_NODES)
        self._mismatch = np.array([t, weight / weight.sum()])
        self._size_nodes()

    def _mismatch_nodes(self, low: float, high: float) -> Array:
        alpha, slope = self._range("alpha_sps"), self._range("beta_sps")
        pivot = self.parameters.pivots[2]
        reach = 5.5 * self._range("sigma_sps")[1]
        ends = [s * (x - pivot) for s in slope for x in (low, high)]
        first, last = alpha[0] + min(ends) - reach, alpha[1] + max(ends) + reach
        if last - first < 1e-9:
            return np.array([[first], [1.0]])
        n = max(_LEAST_ALPHA, math.ceil(_ALPHA_PER_DEX * (last - first)))
        if n > core.MOST_MISMATCH_NODES:
            raise ParameterError("box", dict(self.support), "alpha_sps within 4 dex in all")
        k = np.arange(n)
        angle = np.pi * (k + 0.5) / n
        node = 0.5 * (first + last) - 0.5 * (last - first) * np.cos(angle)
        return np.array([node, (-1.0) ** k * np.sin(angle)])

    def _size_nodes(self) -> None:
        mu, slope = (0.5 * sum(self._range(name)) for name in ("mu_r", "beta_r"))
        self._mean_re = mu + slope * (self._x[0] - self.parameters.pivots[0])
        moving = any(name in self.support for name in ("mu_r", "beta_r", "sigma_r"))
        self._with_sizes = moving or self._range("xi_h") != (0.0, 0.0)
        sigma = self._range("sigma_r")
        if not self._with_sizes:
            self._excess = np.array([[0.0], [1.0]])
            return
        d = np.abs(self._x[0] - self.parameters.pivots[0]).max()
        reach = 5.0 * sigma[1] + 0.5 * np.diff(self._range("mu_r"))[0]
        reach += 0.5 * np.diff(self._range("beta_r"))[0] * d
        self._excess = _trapezoid(-reach, reach, 0.8 * sigma[0], 0.0)

    # -- what is summed --------------------------------------------------------------------------

    def _tabulated(self, n_threads: int) -> Table:
        """Return ln(Lambda + 1e-9) against log M*, excess of log Re, log Mh and gamma."""
        alpha = self._alpha[0]
        mass = (self._x[0, 0] + alpha.min(), self._x[0, -1] + alpha.max())
        for value in mass:
            low, high = _LIMITS["log_mstar"]
            if not low <= value <= high:
                raise ParameterError("box", f"log M* = {value:.2f}", f"between {low} and {high}")
        sigma = self._range("sigma_r")[1]
        size = max(5.2 * sigma, float(np.abs(self._excess[0]).max()))
        slope = abs(self._slope_re)
        sizes = (-size - slope * alpha.max(), size - slope * alpha.min())
        ranges = (mass, sizes, _LIMITS["log_mhalo"], self.parameters.gamma_support)
        axes = [
            np.linspace(low, high, max(5, math.ceil((high - low) / step) + 1))
            for (low, high), step in zip(ranges, _KNOT_STEP, strict=True)
        ]
        m, e, h, g = np.meshgrid(*axes, indexing="ij")
        value = self._lambda(m, e + self._mean_size(m), h, g, n_threads)
        log_value = np.log(value + _FLOOR)
        names = ["log_mstar", "excess", "log_mhalo", "gamma_in"]
        return Table.from_grid(axes, log_value, names=names)

    @property
    def _slope_re(self) -> float:
        return 0.5 * sum(self._range("beta_r"))

    def _mean_size(self, log_mstar: Array) -> Array:
        """Mean log Re of the relation at log Msps = log M*: where the table is centred."""
        mu = 0.5 * sum(self._range("mu_r"))
        return np.asarray(mu + self._slope_re * (log_mstar - self.parameters.pivots[0]))

    def _lambda(self, m: Array, re: Array, h: Array, g: Array, n_threads: int) -> Array:
        c200 = self.parameters.population.concentration.value
        return self.cross_section(m, re, h, g, c200, n_threads=n_threads)

    def _contracted(self, n_threads: int) -> Array:
        """Return (groups, x, alpha, gamma, h) of the form of Lambda, sizes averaged or not."""
        x, alpha, gamma, h = self._x[0], self._alpha[0], self._gamma[0], self._h[0]
        if self._with_sizes:
            groups = [(np.array([e]), np.ones(1)) for e in self._excess[0]]
        else:
            t, weight = np.polynomial.hermite_e.hermegauss(_SIZE_NODES)
            groups = [(t * self._range("sigma_r")[0], weight / weight.sum())]
        values = np.zeros((len(groups), x.size, alpha.size, gamma.size, h.size))
        full = h[h > 0.0]
        for group, (excess, weights) in enumerate(groups):
            for i in range(x.size):
                m = x[i] + alpha
                for e, w in zip(excess, weights, strict=True):
                    offset = self._mean_re[i] + e - self._mean_size(m)
                    grid = np.empty((alpha.size, gamma.size, full.size, 4))
                    grid[..., 0] = m[:, None, None]
                    grid[..., 1] = offset[:, None, None]
                    grid[..., 2] = full
                    grid[..., 3] = gamma[:, None]
                    one = np.exp(self.table(grid, n_threads=n_threads)) - _FLOOR
                    values[group, i, :, :, : full.size] += w * _form(one, self.form)
        return values

    def _slope_weights(self, points: Array) -> Array:
        from .kernels import core_points

        given = core_points(points, np.ascontiguousarray(self._gamma[0]), self.parameters)
        return np.ascontiguousarray(np.asarray(given.slope_densities()) * self._gamma[1])


def _form(value: Array, form: str) -> Array:
    if form == "lenses":
        return value
    return -np.expm1(-value) if form == "any_lens" else value * np.exp(-value)


def _trapezoid(low: float, high: float, step: float, shift: float) -> Array:
    """Return nodes and weights (2, n) at most `step` apart; ends are where nothing is left."""
    n = math.ceil((high - low) / step)
    width = (high - low) / n
    return np.array([low + width * (np.arange(n) + 0.5 + shift), np.full(n, width)])
