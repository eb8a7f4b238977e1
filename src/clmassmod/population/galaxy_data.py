"""What is observed of galaxies without a lensed source."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..provenance import digest
from ..stronglens.catalogue import LensCatalogue
from ..stronglens.lens import require
from .data_columns import filled_up, require_finite, require_logarithms

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GalaxyData:
    """Galaxies in which no lensed source was detected. Arguments are numbers for all, or (n,).

    Parameters
    ----------
    log_re : dex, -2 to 3
        log10 of the half-light radius [physical kpc]; exact.
    log_msps : dex, 5 to 14
        log10 of the observed stellar mass of synthesis [Msun].
    sigma_msps : dex, > 0
        Standard deviation of `log_msps`.
    z_l : float, > 0
        Redshifts.

    Raises
    ------
    ParameterError
        A value outside its range; the argument, the galaxy and the range are named.
    """

    log_re: Any
    log_msps: Any
    sigma_msps: Any = 0.1
    z_l: Any = 0.3

    def __post_init__(self) -> None:
        given = {}
        for name in self.__dataclass_fields__:
            try:
                given[name] = np.asarray(getattr(self, name), dtype=np.float64)
            except (TypeError, ValueError):
                raise ParameterError(name, getattr(self, name), "a number or (n,)") from None
        for name, values in filled_up(given).items():
            if values.size == 0:
                raise ParameterError("galaxies", 0, "one galaxy or more")
            object.__setattr__(self, name, values)
            require_finite(self, name)
            if name in ("sigma_msps", "z_l"):
                require(values, values > 0.0, name, "> 0")
        require_logarithms(self)

    @classmethod
    def from_catalogue(cls, catalogue: LensCatalogue) -> GalaxyData:
        """Return the galaxies of a mock catalogue that have no detected source.

        Raises
        ------
        ParameterError
            A mock whose sizes have errors.
        """
        noise = catalogue.metadata["configuration"]["noise"]
        if noise["log_re"] != 0.0:
            raise ParameterError("noise.log_re", noise["log_re"], "0: sizes that are exact")
        galaxies = catalogue.galaxies
        rows = galaxies["n_detected"] == 0
        return cls(
            galaxies["log_re_obs"][rows],
            galaxies["log_msps_obs"][rows],
            noise["log_msps"],
            galaxies["z_l"][rows],
        )

    def __len__(self) -> int:
        return int(self.log_re.size)

    def __getitem__(self, index: Any) -> GalaxyData:
        """Return the galaxies of a slice, a mask or an array of indices."""
        rows = np.atleast_1d(np.arange(len(self))[index])
        return GalaxyData(**{name: values[rows] for name, values in self.arrays().items()})

    def arrays(self) -> dict[str, Array]:
        """Return the columns by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def hash(self) -> str:
        """SHA-256 over the columns."""
        return digest(*(part for pair in self.arrays().items() for part in pair))

    def __repr__(self) -> str:
        return f"<GalaxyData: {len(self)} galaxies>"
