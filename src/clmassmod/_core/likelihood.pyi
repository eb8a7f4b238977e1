import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]

def gaussian(
    model: _Array,
    amplitude: _Array,
    object: npt.NDArray[np.int64],
    data: _Array,
    whitening: _Array,
    log_norm: _Array,
    out: _Array,
    n_threads: int,
) -> None: ...
