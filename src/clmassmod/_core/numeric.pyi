from typing import Self

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]

KINDS: dict[str, int]

class Table:
    @property
    def error(self) -> float: ...
    @property
    def limits(self) -> tuple[float, float]: ...
    def __new__(
        cls, kind: int, parameters: _Array, split: int, nodes: int, tolerance: float
    ) -> Self: ...

class TableSet:
    @property
    def tables(self) -> tuple[Table, ...]: ...
    def __new__(
        cls, tables: list[Table] | tuple[Table, ...], table_of_row: npt.NDArray[np.uintp] | None
    ) -> Self: ...

def evaluate(
    kind: int,
    quantity: int,
    radius: _Array,
    density_scale: _Array,
    radius_scale: _Array,
    parameters: _Array,
    tables: TableSet | None,
    shear: _Array | None,
    convergence: _Array | None,
    plane_inverse: _Array | None,
    plane_weight: _Array | None,
    out: _Array,
    n_threads: int,
) -> None: ...
