import numpy as np
import numpy.typing as npt

_Ids = npt.NDArray[np.uint64]

def keyed_uniforms(
    seed: int,
    purpose: int,
    objects: _Ids,
    parts: _Ids | None,
    out: npt.NDArray[np.float64],
    n_threads: int,
) -> None: ...
