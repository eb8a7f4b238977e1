from typing import Any

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]

CHUNK: int
LEVELS: tuple[int, ...]
"""Numbers of inner slopes."""
MOST_SLOPES: int
PAIR_COLUMNS: tuple[str, ...]

class Points:
    def __init__(self, points: _Array, gamma: _Array, mismatch: _Array, frame: _Array) -> None: ...
    def slope_densities(self) -> _Array: ...

class KernelGrid:
    slopes: _Array
    def __init__(self, slopes: _Array, sersic_n: float, b: float) -> None: ...

def build_kernels(
    grid: KernelGrid,
    training: Points,
    columns: _Array,
    which: npt.NDArray[np.uintp],
    photometry: tuple[Any, ...],
    concentrations: _Array,
    amplitudes: _Array,
    r: float,
    settings: _Array,
    n_threads: int,
) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16], float, float, int] | None]: ...
def sum_lenses(
    nodes: npt.NDArray[np.float32],
    gamma: npt.NDArray[np.uint16],
    first_part: npt.NDArray[np.uintp],
    first: npt.NDArray[np.uintp],
    parts: _Array,
    lenses: _Array,
    points: Points,
    ratios: tuple[_Array, _Array, _Array] | None,
    out: _Array,
    n_threads: int,
) -> None: ...
