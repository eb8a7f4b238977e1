import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]

KINDS: dict[str, int]

def nodes(
    kind: int, radius: _Array, scale: float, shape: float
) -> tuple[_Array, _Array, npt.NDArray[np.uintp]]: ...
def sample_nodes(
    radius: _Array, offset: _Array, share: _Array
) -> tuple[_Array, _Array, npt.NDArray[np.uintp]]: ...
def sums(values: _Array, weight: _Array, start: npt.NDArray[np.uintp], out: _Array) -> None: ...
def mixed(
    coefficient: npt.NDArray[np.float64],
    place: _Array,
    value: _Array,
    out: _Array,
    n_threads: int,
) -> None: ...
