"""Likelihoods of the mass of every object, on grids or as samples, ready to be integrated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .._core import ensemble as core
from ..errors import ParameterError
from ..provenance import digest
from .likelihood_tables import GridTables, MassGrid, MassSamples, SampleTables

Array = npt.NDArray[np.float64]


class MassLikelihoods:
    """The likelihoods L_i(M) of the masses of n objects.

    Parameters
    ----------
    objects : mapping
        Id -> `MassGrid` or `MassSamples`.

    Attributes
    ----------
    ids : tuple of str
    cut : tuple of str
        Ids whose likelihood is still above e^-10 of its maximum at an end of the grid
        (masses <= 0 do not count): outside it counts as zero.

    Raises
    ------
    ParameterError
        No objects; a grid that is too short, not increasing, or vanishes at all masses > 0;
        samples none of which is > 0.

    Notes
    -----
    ``int dlnM L(M) p(ln M)`` (`integrate`) has no support at M <= 0. A likelihood that reaches
    there, or is greatest there, is not cut: its part at M > 0 says how unlikely every mass is.

    On grids ln L is a cubic spline in M (exact for a likelihood normal in M, of whatever
    spacing), and the integral a composite Gauss-Legendre rule whose panels are as narrow as the
    narrower of p and L need: its error is below 1e-7, for Student's t 1e-5. Samples are
    averaged with weights ``p(ln M) / (M pi(M))``, pi being the interim prior; a p narrower than
    .03 of their standard deviation counts as of that width, as too few samples are inside.

    A distribution d times its own and the likelihood's width away from the measured mass, with an
    integral below e^-40.5 (of samples e^-700) of the maximum of L, is given that over ``1 + d^2``:
    an outlier counts as 9 standard deviations, and a sampler that starts far away finds its way.
    """

    def __init__(self, objects: Mapping[str, MassGrid | MassSamples]) -> None:
        if not objects:
            raise ParameterError("objects", "empty", "at least one")
        self.ids = tuple(objects)
        given = list(objects.values())
        grids = [i for i, one in enumerate(given) if isinstance(one, MassGrid)]
        samples = [i for i, one in enumerate(given) if isinstance(one, MassSamples)]
        if len(grids) + len(samples) != len(given):
            raise ParameterError("objects", "something else", "MassGrid or MassSamples")
        self._at_grids, self._at_samples = np.array(grids, int), np.array(samples, int)
        self.grids = GridTables([(self.ids[i], given[i]) for i in grids])
        self.samples = SampleTables([(self.ids[i], given[i]) for i in samples])
        row, self._shift = np.empty(len(given), np.int64), np.empty((len(given), 1))
        row[grids], row[samples] = np.arange(len(grids)), -1 - np.arange(len(samples))
        self._shift[grids, 0], self._shift[samples, 0] = self.grids.shift, self.samples.shift
        self._tables = core.MassTables(self.grids, self.samples, row)
        self.cut = tuple(self.ids[i] for row, i in enumerate(grids) if self.grids.cut[row])

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def identity(self) -> str:
        """Hash of the content."""
        return digest(self.ids, *self.grids.arrays, *self.samples.arrays)

    @property
    def has_samples(self) -> bool:
        """Whether any object is given by samples."""
        return bool(self._at_samples.size)

    def integrate(
        self,
        shape: str,
        mean: Any,
        sd: Any,
        parameters: Any = None,
        *,
        tilt: Any = None,
        slope: Any = None,
        n_threads: int = 1,
    ) -> Array:
        """Return ``ln int dlnM L_i(M) p(ln M)``, (n, B), of n objects and B distributions.

        -inf where there is no such distribution, as of a mixture whose means scatter too much.

        Parameters
        ----------
        shape : str
            ``normal``, ``skew-normal``, ``student-t``, ``mixture`` or ``selected``.
        mean, sd : (n, B) arrays
            Of ln (M / Msun) without selection; sd >= 0, and with 0 all masses are
            ``exp(mean)``.
        parameters : (B, 3) array, optional
            Of the shape, see `clmassmod.ensembles.relation.SHAPES`.
        tilt, slope : (n, B) arrays, optional
            Of ``selected``: the density is normal times ``Phi(tilt + slope u) / norm`` with
            ``u = (ln M - mean) / sd``.
        n_threads : int
            0 for all; the result is the same bits for any number.
        """
        centre, width = self._checked(mean, sd)
        n, m = centre.shape
        if shape not in core.SHAPES:
            raise ParameterError("shape", shape, f"one of {', '.join(core.SHAPES)}")
        none = np.zeros((n, m))
        tilts = none if tilt is None else np.ascontiguousarray(tilt, dtype=np.float64)
        slopes = none if slope is None else np.ascontiguousarray(slope, dtype=np.float64)
        table = np.zeros((m, 3)) if parameters is None else np.ascontiguousarray(parameters, float)
        out = np.empty((n, m))
        self._tables.integrate(
            core.SHAPES[shape], centre, width, tilts, slopes, table, out, n_threads
        )
        return out + self._shift

    def integrate_groups(
        self, groups: Any, mean: Any, sd: Any, correlation: Any, *, n_threads: int = 1
    ) -> Array:
        """Return ln L, (number of groups, B), of haloes whose projections scatter together.

        ``ln M_j = mean + sd (sqrt(rho) h + sqrt(1 - rho) e_j)`` of all objects j of a group, h and
        e_j normal of sd 1, is integrated over h and all M_j.

        Parameters
        ----------
        groups : (n,) array of int
            Numbers of the groups; rows of the result are in their order.
        mean, sd : (n, B) arrays
            Of ln (M / Msun), sd >= 0.
        correlation : (B,) array
            rho, from 0 to 1.
        n_threads : int
            0 for all; the result is the same bits for any number.

        Notes
        -----
        The integral over h is a trapezoidal sum of nodes about the maximum of the integrand, as
        many and as wide as it needs: below 1e-4 off, for one projection or hundreds and any rho.
        """
        centre, width = self._checked(mean, sd)
        numbers = np.asarray(groups)
        members = np.argsort(numbers, kind="stable")
        starts = np.flatnonzero(np.diff(numbers[members], prepend=numbers.min() - 1))
        out = np.empty((starts.size, centre.shape[1]))
        self._tables.of_groups(
            np.append(starts, numbers.size),
            members,
            centre,
            width,
            np.ascontiguousarray(correlation, dtype=np.float64),
            out,
            n_threads,
        )
        return out + np.add.reduceat(self._shift[members], starts, axis=0)

    def _checked(self, mean: Any, sd: Any) -> tuple[Array, Array]:
        centre = np.ascontiguousarray(mean, dtype=np.float64)
        width = np.ascontiguousarray(sd, dtype=np.float64)
        expected = len(self), centre.shape[-1]
        for name, array in (("mean", centre), ("sd", width)):
            if array.shape != expected:
                raise ParameterError(f"{name}.shape", array.shape, str(expected))
        if not (np.isfinite(centre).all() and np.all(width >= 0.0)):
            raise ParameterError("mean, sd", "not finite or negative", "finite, and sd >= 0")
        return centre, width

    def mean_and_sd(self) -> tuple[Array, Array]:
        """Return mean and standard deviation [Msun] of every mass, (n,) each.

        Of the likelihood normalised over all masses.
        """
        mean, sd = np.empty(len(self)), np.empty(len(self))
        for at, part in ((self._at_grids, self.grids), (self._at_samples, self.samples)):
            for row, i in enumerate(at):
                mass, weight = part.mass_and_weight(row)
                mean[i] = mass @ weight / weight.sum()
                sd[i] = np.sqrt((mass - mean[i]) ** 2 @ weight / weight.sum())
        return mean, sd

    def rank_below(self, cdf: Any) -> Array:
        """Return (n,) probabilities that a mass of a population is below the measured one.

        ``cdf(i, ln M (k,)) -> (k,)`` is the distribution function of object i. Uniform from 0
        to 1 over objects of that population. The probability that a mass M gives lower data
        than what was measured is, on a grid, that of the signed root of the likelihood ratio,
        ``Phi(+-sqrt(2 ln (L_max / L(M))))``, whatever function of M the data are; of samples,
        the part of the likelihood above M, right if that is normal in M.
        """
        result = np.empty(len(self))
        for at, part in ((self._at_grids, self.grids), (self._at_samples, self.samples)):
            for row, i in enumerate(at):
                mass, weight = part.mass_and_confidence(row)
                below = np.zeros(mass.size)
                below[mass > 0.0] = cdf(int(i), np.log(mass[mass > 0.0]))
                result[i] = below @ weight
        return result

    def log_ratios(self, mean: Array, sd: Array) -> list[tuple[int, Array]]:
        """Return number and ln of target over interim density of the objects given by samples.

        The target is normal in ln M with mean and sd (n,), whatever the shape; ratios (S,) are
        -inf at masses <= 0.
        """
        result = []
        for row, i in enumerate(self._at_samples):
            log_mass, log_weight = self.samples.row(row)
            u = (log_mass - mean[i]) / sd[i]
            ratio = np.full(self.samples.size(row), -np.inf)
            ratio[: u.size] = log_weight - 0.5 * u**2
            result.append((int(i), ratio))
        return result
