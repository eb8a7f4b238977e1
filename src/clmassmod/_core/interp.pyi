import numpy as np
import numpy.typing as npt

MOST_AXES: int
OUTSIDE: dict[str, int]
INSIDE: int
OUT: int
NO_NUMBER: int

class OutsideError(ValueError):
    index: int
    def __init__(self, index: int) -> None: ...

class GridAxes:
    n_axes: int
    width: int
    def __init__(
        self,
        intervals: tuple[npt.NDArray[np.void], ...],
        bases: tuple[npt.NDArray[np.float64], ...],
        cells: tuple[npt.NDArray[np.uint32], ...],
        highs: tuple[float, ...],
        strides: tuple[int, ...],
        width: int,
    ) -> None: ...

def evaluate(
    axes: GridAxes,
    coefficients: npt.NDArray[np.float64] | npt.NDArray[np.float32],
    n_needed: int,
    n_outputs: int,
    outputs_in_lanes: bool,
    x: npt.NDArray[np.float64],
    out: npt.NDArray[np.float64],
    gradient: npt.NDArray[np.float64] | None,
    outside: int,
    n_threads: int,
    known: npt.NDArray[np.uint32] | None = None,
    n_known: int = 0,
) -> None: ...
def locate(
    axes: GridAxes,
    x: npt.NDArray[np.float64],
    intervals: npt.NDArray[np.uint32],
    kinds: npt.NDArray[np.uint8],
    n_threads: int,
) -> None: ...
