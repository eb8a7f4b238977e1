"""What is observed of galaxies without a lensed source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..stronglens.catalogue import LensCatalogue
from ..stronglens.lens import require
from .data_columns import Columns, fill_columns, require_finite, require_logarithms

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class GalaxyData(Columns):
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

    _rows: ClassVar[str] = "galaxies"

    log_re: Any
    log_msps: Any
    sigma_msps: Any = 0.1
    z_l: Any = 0.3

    def __post_init__(self) -> None:
        fill_columns(self)
        if not len(self):
            raise ParameterError("galaxies", 0, "one galaxy or more")
        for name, values in self.arrays().items():
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
