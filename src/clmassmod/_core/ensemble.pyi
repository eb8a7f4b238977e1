from typing import Any

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]
_Places = npt.NDArray[np.int64]

SHAPES: dict[str, int]
DEPTHS: tuple[float, ...]

class MassTables:
    def __init__(self, grids: Any, samples: Any, row: _Places) -> None: ...
    def integrate(
        self,
        kind: int,
        mean: _Array,
        sd: _Array,
        tilt: _Array,
        slope: _Array,
        parameters: _Array,
        out: _Array,
        n_threads: int,
    ) -> None: ...
    def of_groups(
        self,
        first: _Places,
        members: _Places,
        mean: _Array,
        sd: _Array,
        correlation: _Array,
        out: _Array,
        n_threads: int,
    ) -> None: ...
