import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]

def lensing(
    quantity: int,
    surface: _Array,
    excess: _Array,
    shear: _Array,
    convergence: _Array,
    plane_inverse: _Array | None,
    plane_weight: _Array | None,
    out: _Array,
    n_threads: int,
) -> None: ...
