import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]
_Places = npt.NDArray[np.int64]

SHAPES: dict[str, int]
DEPTHS: tuple[float, ...]

def of_grids(
    kind: int,
    first: _Places,
    nodes: _Array,
    start: _Array,
    step: _Array,
    low: _Array,
    high: _Array,
    peak: _Array,
    width: _Array,
    mean: _Array,
    sd: _Array,
    tilt: _Array,
    slope: _Array,
    parameters: _Array,
    out: _Array,
    n_threads: int,
) -> None: ...
def of_samples(
    kind: int,
    first: _Places,
    log_mass: _Array,
    log_weight: _Array,
    mean: _Array,
    sd: _Array,
    tilt: _Array,
    slope: _Array,
    parameters: _Array,
    out: _Array,
    n_threads: int,
) -> None: ...
