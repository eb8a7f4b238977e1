import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]

MOST_HALO_NODES: int
MOST_MISMATCH_NODES: int

def shares(
    values: _Array,
    x: _Array,
    alpha: _Array,
    h: _Array,
    mean_re: _Array,
    excess: _Array,
    with_sizes: bool,
    points: _Array,
    slope_weights: _Array,
    mismatch: _Array,
    frame: _Array,
    out: _Array,
    n_threads: int,
) -> None: ...
