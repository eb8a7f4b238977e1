import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]

QUANTITIES: dict[str, int]
KINDS: dict[str, int]

class RadiusError(ValueError):
    index: int
    value: float
    def __init__(self, index: int, value: float) -> None: ...

class ConvergenceError(ArithmeticError):
    index: int
    def __init__(self, index: int) -> None: ...

def evaluate(
    kind: int,
    quantity: int,
    radius: _Array,
    density_scale: _Array,
    radius_scale: _Array,
    shape: _Array | None,
    shear: _Array | None,
    convergence: _Array | None,
    plane_inverse: _Array | None,
    plane_weight: _Array | None,
    out: _Array,
    n_threads: int,
) -> None: ...
def scales(
    kind: int,
    mass: _Array,
    concentration: _Array,
    reference_density: _Array,
    shape: _Array | None,
    density_scale: _Array,
    radius_scale: _Array,
    n_threads: int,
) -> None: ...
def convert(
    mass: _Array,
    concentration: _Array,
    density_from: _Array,
    density_to: _Array,
    mass_out: _Array,
    concentration_out: _Array,
    n_threads: int,
) -> None: ...
