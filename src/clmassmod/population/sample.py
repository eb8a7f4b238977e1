"""What a likelihood needs of a sample of lenses, whatever was observed of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .kernels import LensKernels
    from .lens_data import LensData
    from .ring_data import RingData

Array = npt.NDArray[np.float64]


class KernelTerms:
    """What a sample knows by its lenses and their kernels alone."""

    lenses: LensData | RingData
    kernels: LensKernels

    @property
    def names(self) -> tuple[str, ...]:
        """Of the lenses."""
        return tuple(self.lenses.name)

    @property
    def errors(self) -> Array:
        """(n_lenses,) changes of ln L when the rules were last refined."""
        return self.kernels.errors


class LensSample(Protocol):
    """Terms of the likelihood of a selected sample of lenses.

    Attributes
    ----------
    names : tuple of str
        Of the lenses.
    survey : tuple of str
        Parameters of the survey, of its sources or of how lenses were found, that it knows.
    survey_values : (s,) ndarray
        Their values where they are not free.
    errors : (n_lenses,) ndarray
        Numerical error of each ln L.
    identity : str
        Digest of data and settings.
    tables_hash : str
        Digest of the contents of all tables.
    """

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def survey(self) -> tuple[str, ...]: ...

    @property
    def survey_values(self) -> Array: ...

    @property
    def errors(self) -> Array: ...

    @property
    def identity(self) -> str: ...

    @property
    def tables_hash(self) -> str: ...

    def log_numerators(self, vectors: Array, survey: Array, n_threads: int) -> Array:
        """Return ln L_i (n, n_lenses) at points (n, 15) and survey parameters (n, s)."""
        ...

    def log_selection(self, vectors: Array, survey: Array, n_threads: int) -> Array:
        """Return ln A (n, 1), or (n, n_lenses) where lenses have selections of their own."""
        ...

    def selection_error(
        self, vectors: Array, survey: Array, box: Mapping[str, tuple[float, float]], n_threads: int
    ) -> Array:
        """Return changes (n,) of the sum of ln A over the lenses with all nodes moved.

        The moved nodes need to be good within `box` only.
        """
        ...

    def observed(self) -> dict[str, Array]:
        """Return the observables by name, (n_lenses,) each."""
        ...

    def mock(
        self, vector: Array, survey: Array, n_lenses: int, seed: int, n_threads: int
    ) -> dict[str, Array]:
        """Return the observables of about `n_lenses` mock lenses of the population at a point."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return what the terms depend on, as plain values; the data by their hash."""
        ...
