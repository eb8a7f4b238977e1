import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]

SLOPE_LANES: int
MOST_SLOPES: int
MOST_MASSES: int

class Rows:
    def __init__(self, columns: _Array, sizes: npt.NDArray[np.uintp]) -> None: ...

def log_means(
    rows: Rows,
    slopes: _Array,
    values: _Array,
    steps: _Array,
    points: _Array,
    mismatch: _Array,
    frame: _Array,
    out: _Array,
    n_threads: int,
) -> None: ...
def log_means_found(
    rows: Rows,
    slopes: _Array,
    numbers: npt.NDArray[np.float32],
    bins: npt.NDArray[np.uint16],
    chances: npt.NDArray[np.float32],
    steps: _Array,
    points: _Array,
    mismatch: _Array,
    frame: _Array,
    out: _Array,
    n_threads: int,
) -> None: ...
