import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]

FUNCTIONS: dict[str, int]

def evaluate(function: int, x: _Array, out: _Array) -> None: ...
