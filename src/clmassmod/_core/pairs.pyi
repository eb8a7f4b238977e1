import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]
_Bounds = tuple[float, float, float, float, float]

N_SUMS: int

def sort_galaxies(
    bounds: _Bounds,
    first_cell: _Integers,
    u: _Array,
    v: _Array,
    order: _Integers,
    start: _Integers,
) -> None: ...
def pair_sums(
    frame: str,
    critical: bool,
    bounds: _Bounds,
    first_cell: _Integers,
    start: _Integers,
    galaxies: _Array,
    centres: _Array,
    edges: _Array,
    out: npt.NDArray[np.float64],
    n_threads: int,
) -> None: ...
