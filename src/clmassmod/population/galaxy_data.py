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

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GalaxyData:
    """Galaxies in which no lensed source was detected. Arguments are numbers for all, or (n,).

    Parameters
    ----------
    log_re : dex
        log10 of the half-light radius [physical kpc]; exact.
    log_msps : dex
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
        names = [field.name for field in dataclasses.fields(self)]
        try:
            given = [np.asarray(getattr(self, name), dtype=np.float64) for name in names]
            filled = np.broadcast_arrays(*given)
        except (TypeError, ValueError):
            kinds = ", ".join(f"{n} {np.shape(getattr(self, n))}" for n in names)
            allowed = "numbers and arrays of one length (n,)"
            raise ParameterError("galaxies", kinds, allowed) from None
        if filled[0].ndim > 1 or filled[0].size == 0:
            raise ParameterError("galaxies: shape", filled[0].shape, "a number or (n,), n > 0")
        for name, array in zip(names, filled, strict=True):
            values = np.array(np.atleast_1d(array))
            values.flags.writeable = False
            object.__setattr__(self, name, values)
            require(values, np.isfinite(values), name, "finite")
            if name in ("sigma_msps", "z_l"):
                require(values, values > 0.0, name, "> 0")

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
