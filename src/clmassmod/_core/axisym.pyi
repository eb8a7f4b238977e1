import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.intc]
_Sizes = npt.NDArray[np.uintp]

SLOPE_PANELS: int
SLOPE_PANELS_PER_UNIT: int
SAMPLED_SIZE: int
SAMPLED_LIMITS: tuple[float, float]

class MeanTable:
    @staticmethod
    def sersic(index: float, b: float) -> MeanTable: ...
    @staticmethod
    def gnfw(inner_slope: float) -> MeanTable: ...
    @staticmethod
    def sampled(values: _Floats) -> MeanTable: ...

class SlopePanel:
    def __init__(self, panel: int) -> None: ...

class LensArrays:
    def __len__(self) -> int: ...
    @staticmethod
    def star_halo(
        star_amplitude: _Floats,
        star_radius: _Floats,
        halo_amplitude: _Floats,
        halo_radius: _Floats,
        inner_slope: _Floats,
        star_tables: tuple[MeanTable, ...],
        star_shapes: _Floats,
        star_table_of: _Sizes | None,
        slope_panels: dict[int, SlopePanel],
    ) -> LensArrays: ...
    @staticmethod
    def sampled(
        total: tuple[MeanTable, ...], stars: tuple[MeanTable, ...] | None
    ) -> LensArrays: ...

def sampled_nodes(radius: _Floats) -> None: ...
def halo_scales(
    log_mass: _Floats,
    concentration: _Floats,
    inner_slope: _Floats,
    reference_density: _Floats,
    inverse_sigma_critical: _Floats,
    amplitude: _Floats,
    radius: _Floats,
    n_threads: int,
) -> None: ...
def enclosed_mass(x: _Floats, inner_slope: _Floats, out: _Floats) -> None: ...
def values(lenses: LensArrays, x: _Floats, out: _Floats, n_threads: int) -> None: ...
def structure(lenses: LensArrays, out: _Floats, status: _Ints, n_threads: int) -> None: ...
def solve_images(
    lenses: LensArrays, beta: _Floats, delays: bool, out: _Floats, status: _Ints, n_threads: int
) -> None: ...
def central_images(lenses: LensArrays, beta: _Floats, out: _Floats, n_threads: int) -> None: ...
def disc_magnification(
    lenses: LensArrays, beta: _Floats, radius: _Floats, out: _Floats, n_threads: int
) -> None: ...
def invert_pairs(
    lenses: LensArrays, x_a: _Floats, x_b: _Floats, out: _Floats, status: _Ints, n_threads: int
) -> None: ...
def invert_rings(
    lenses: LensArrays, einstein: _Floats, out: _Floats, status: _Ints, n_threads: int
) -> None: ...

class GridAxes:
    def __init__(
        self,
        slopes: _Floats,
        halo_tables: tuple[MeanTable, ...],
        amplitude: _Floats,
        unit_radius: _Floats,
        star_table: MeanTable,
        star_shape: _Floats,
    ) -> None: ...

def invert_grid(
    axes: GridAxes,
    lenses: _Floats,
    magnitudes: _Floats | None,
    log_counts: _Floats | None,
    photometry: _Floats | None,
    out: _Floats,
    status: _Ints,
    n_threads: int,
) -> None: ...

SOLVED_OFFSETS: int
RULE_OFFSETS: int
TAIL_TERMS: int

class DetectionTable:
    def __init__(self, coefficients: _Floats, limits: _Floats) -> None: ...
    def counts(self, log_a: _Floats, log_b: _Floats, out: _Floats) -> None: ...

class SourceOffsets:
    def __init__(
        self, solved: _Floats, tail: _Floats, interpolation: _Floats, offsets: _Floats
    ) -> None: ...

def cross_sections(
    lenses: LensArrays,
    rule: SourceOffsets,
    table: DetectionTable,
    out: _Floats,
    einstein: _Floats,
    status: _Ints,
    n_threads: int,
) -> None: ...
