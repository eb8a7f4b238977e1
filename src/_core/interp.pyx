# distutils: language = c++
"""Interpolation on rectilinear grids: checks shapes, makes one call without the GIL."""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t

from batch cimport Status, StatusCode, check

cdef extern from "clmassmod/interp_batch.hpp" namespace "clmassmod" nogil:
    cdef enum class Outside "clmassmod::Outside":
        report
        nan
        clip
        linear
    cdef struct TableAxis:
        size_t intervals
        const double* breaks
        const double* inverse_width
        const double* basis
        const uint32_t* first_of
        double cells_per_unit
        size_t cells
        const size_t* start_of
        size_t stride
    cdef cppclass InterpBatch[T]:
        InterpBatch()
        int n_axes
        int width
        const TableAxis* axes
        const T* coefficients
        size_t n_outputs
        bint outputs_in_lanes
        size_t n
        const double* x
        double* out
        double* gradient
        Outside outside
    Status interpolate[T](const InterpBatch[T]& batch, int n_threads)

MOST_AXES = 6
OUTSIDE = {
    "raise": <int>Outside.report,
    "nan": <int>Outside.nan,
    "clip": <int>Outside.clip,
    "linear": <int>Outside.linear,
}

ctypedef fused Real:
    float
    double


class OutsideError(ValueError):
    """A point is outside the table; `index` is the first of them."""

    def __init__(self, index):
        self.index = index
        super().__init__(f"point {index} is outside")


cdef class GridAxes:
    """Axes of a table as the core takes them; immutable."""

    cdef TableAxis* axes
    cdef readonly int n_axes
    cdef readonly int width
    cdef tuple kept

    def __cinit__(
        self, tuple breaks, tuple bases, tuple cells, tuple starts, strides, int width
    ):
        """Take, of every axis, the breaks (m + 1,), bases (m, W, W), first intervals of its
        cells (uint32) and widths, first coefficients (m,), and the stride.
        """
        cdef const double[::1] b, inverse
        cdef const double[:, :, ::1] basis
        cdef const uint32_t[::1] first
        cdef const size_t[::1] start
        cdef size_t m
        cdef int a
        self.axes = NULL
        self.n_axes = len(breaks)
        self.width = width
        check(1 <= self.n_axes <= 6 and width in (2, 4), "1 to 6 axes, width 2 or 4")
        check(len(bases) == self.n_axes and len(cells) == self.n_axes
              and len(starts) == self.n_axes and len(strides) == self.n_axes, "axes")
        self.axes = <TableAxis*>PyMem_Calloc(self.n_axes, sizeof(TableAxis))
        if self.axes == NULL:
            raise MemoryError()
        kept = []
        for a in range(self.n_axes):
            b, basis, first = breaks[a], bases[a], cells[a][0]
            inverse = cells[a][1]
            start = starts[a]
            m = b.shape[0] - 1
            check(m >= 1 and <size_t>basis.shape[0] == m and basis.shape[1] == width
                  and basis.shape[2] == width and <size_t>inverse.shape[0] == m
                  and first.shape[0] >= 1 and <size_t>start.shape[0] == m, "axis")
            self.axes[a].intervals = m
            self.axes[a].breaks = &b[0]
            self.axes[a].inverse_width = &inverse[0]
            self.axes[a].basis = &basis[0, 0, 0]
            self.axes[a].first_of = &first[0]
            self.axes[a].cells = first.shape[0]
            self.axes[a].cells_per_unit = <double>first.shape[0] / (b[m] - b[0])
            self.axes[a].start_of = &start[0]
            self.axes[a].stride = strides[a]
            kept.append((b, basis, first, inverse, start))
        self.kept = tuple(kept)

    def __dealloc__(self):
        PyMem_Free(self.axes)


def evaluate(
    GridAxes axes,
    const Real[::1] coefficients,
    size_t n_needed,
    size_t n_outputs,
    bint outputs_in_lanes,
    const double[:, ::1] x,
    double[::1] out,
    double[::1] gradient,
    int outside,
    int n_threads,
):
    """Fill `out` (n K) and, unless None, `gradient` (n K N).

    `coefficients` may be longer than the `n_needed` that the axes reach: whole lanes are read.
    """
    cdef InterpBatch[Real] batch
    cdef Status status
    cdef size_t n = x.shape[0]
    check(x.shape[1] == axes.n_axes and <size_t>out.shape[0] == n * n_outputs, "x: (n, N)")
    check(<size_t>coefficients.shape[0] >= n_needed, "coefficients")
    check(0 <= outside <= 3, "outside")
    if n == 0:
        return
    batch.n_axes = axes.n_axes
    batch.width = axes.width
    batch.axes = axes.axes
    batch.coefficients = &coefficients[0]
    batch.n_outputs = n_outputs
    batch.outputs_in_lanes = outputs_in_lanes
    batch.n = n
    batch.x = &x[0, 0]
    batch.out = &out[0]
    batch.gradient = NULL
    if gradient is not None:
        check(<size_t>gradient.shape[0] == n * n_outputs * axes.n_axes, "gradient: (n K N)")
        batch.gradient = &gradient[0]
    batch.outside = <Outside>outside
    with nogil:
        status = interpolate(batch, n_threads)
    if status.code == StatusCode.outside:
        raise OutsideError(status.index)
