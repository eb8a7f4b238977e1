import numpy as np
import numpy.typing as npt

MOST_AXES: int
OUTSIDE: dict[str, int]

class OutsideError(ValueError):
    index: int
    def __init__(self, index: int) -> None: ...

class GridAxes:
    n_axes: int
    width: int
    def __init__(
        self,
        breaks: tuple[npt.NDArray[np.float64], ...],
        bases: tuple[npt.NDArray[np.float64], ...],
        cells: tuple[tuple[npt.NDArray[np.uint32], npt.NDArray[np.float64]], ...],
        starts: tuple[npt.NDArray[np.uintp], ...],
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
) -> None: ...
