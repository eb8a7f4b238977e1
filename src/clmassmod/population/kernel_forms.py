"""What a lens counts for where galaxies can have several: a factor of the nodes of its kernel."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, nearest
from ..stronglens.source_population import SourcePopulation
from .cross_section import CrossSection, DetectedCounts

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

Array = npt.NDArray[np.float64]

FORMS: dict[str, Callable[[Array], Array]] = {
    "lenses": lambda number: number,
    "any_lens": lambda number: -np.expm1(-number),
    "one_lens": lambda number: number * np.exp(-number),
}
"""What a galaxy counts for in A, of the mean number Lambda of detected sources behind it: every
lens; a galaxy with one or more of them; a galaxy with exactly one."""


def checked_form(form: Any) -> str:
    """Return a name out of `FORMS`."""
    if form not in FORMS:
        raise ParameterError("form", form, f"one of {', '.join(FORMS)}", nearest(str(form), FORMS))
    return str(form)


class KernelForm:
    """The factor ``f(Lambda) / Lambda`` of the likelihood of a lens, f out of `FORMS`.

    Parameters
    ----------
    form : {"any_lens", "one_lens"}
        ``(1 - e^-Lambda) / Lambda`` or ``e^-Lambda``.
    counts : DetectedCounts
        Of the survey.
    sources : SourcePopulation
        Their redshifts: the other sources behind a galaxy are where any source is.
    sersic_n : float
    cosmology : astropy cosmology, optional

    Notes
    -----
    Lambda is worked out at every node, some 250 to 3000 a lens: about twice what the kernel
    itself costs.
    """

    def __init__(
        self,
        form: str,
        counts: DetectedCounts,
        sources: SourcePopulation,
        sersic_n: float,
        cosmology: FLRW | None = None,
    ) -> None:
        self.form = checked_form(form)
        self._section = cache(lambda z_l: CrossSection(counts, sources, z_l, sersic_n, cosmology))

    def log_factor(self, z_l: float, columns: Array) -> Array:
        """Return ln of the factor (n,).

        Parameters
        ----------
        z_l : float
        columns : (5, n) array
            log M*, log Re, log Mh, inner slope and c200.

        Raises
        ------
        ParameterError
            An inner slope above 2: the number of lensed sources has no bound.
        """
        number = self._section(z_l)(*columns)
        if self.form == "one_lens":
            return np.asarray(-number)
        # the limit at 0 is 1
        some = np.where(number > 0.0, number, 1.0)
        return np.where(number > 0.0, np.log(-np.expm1(-some) / some), 0.0)

    def to_dict(self, z_l: Array) -> dict[str, Any]:
        """Return what the factors of lenses at these redshifts depend on."""
        sections = [self._section(float(z)).to_dict() for z in np.unique(z_l)]
        return {"form": self.form, "sections": sections}
