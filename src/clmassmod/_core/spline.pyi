import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]

def at_redshifts(coefficients: _Array, step: float, z: _Array, out: _Array) -> None: ...
