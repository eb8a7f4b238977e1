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
    cdef struct TableInterval:
        double left
        double inverse_width
        double right
        size_t start
    cdef struct TableAxis:
        size_t intervals
        const TableInterval* interval
        const double* basis
        const uint32_t* first_of
        size_t cells
        double cells_per_unit
        double low
        double high
        size_t stride
    cdef enum class PointKind "clmassmod::PointKind":
        inside
        outside
        no_number
    cdef cppclass LocateBatch:
        LocateBatch()
        int n_axes
        const TableAxis* axes
        size_t n
        double* x
        uint32_t* interval
        unsigned char* kind
    Status locate_points "clmassmod::locate"(const LocateBatch& batch, int n_threads)
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
        const uint32_t* known
        size_t n_known
    Status interpolate[T](const InterpBatch[T]& batch, int n_threads)

MOST_AXES = 6
OUTSIDE = {
    "raise": <int>Outside.report,
    "nan": <int>Outside.nan,
    "clip": <int>Outside.clip,
    "linear": <int>Outside.linear,
}
INSIDE, OUT, NO_NUMBER = (
    <int>PointKind.inside, <int>PointKind.outside, <int>PointKind.no_number
)

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

    def __cinit__(self, tuple intervals, tuple bases, tuple cells, highs, strides, int width):
        """Take, of every axis, the intervals (m,), bases (m, W, W), first intervals of its cells
        (uint32), the end, and the stride.
        """
        cdef const TableInterval[::1] interval
        cdef const double[:, :, ::1] basis
        cdef const uint32_t[::1] first
        cdef size_t m
        cdef int a
        self.axes = NULL
        self.n_axes = len(intervals)
        self.width = width
        check(1 <= self.n_axes <= 6 and width in (2, 4), "1 to 6 axes, width 2 or 4")
        check(len(bases) == self.n_axes and len(cells) == self.n_axes
              and len(highs) == self.n_axes and len(strides) == self.n_axes, "axes")
        self.axes = <TableAxis*>PyMem_Calloc(self.n_axes, sizeof(TableAxis))
        if self.axes == NULL:
            raise MemoryError()
        kept = []
        for a in range(self.n_axes):
            interval, basis, first = intervals[a], bases[a], cells[a]
            m = interval.shape[0]
            check(m >= 1 and <size_t>basis.shape[0] == m and basis.shape[1] == width
                  and basis.shape[2] == width and 1 <= first.shape[0] < 1 << 31, "axis")
            self.axes[a].intervals = m
            self.axes[a].interval = &interval[0]
            self.axes[a].basis = &basis[0, 0, 0]
            self.axes[a].first_of = &first[0]
            self.axes[a].cells = first.shape[0]
            self.axes[a].low = interval[0].left
            self.axes[a].high = highs[a]
            self.axes[a].cells_per_unit = <double>first.shape[0] / (highs[a] - interval[0].left)
            self.axes[a].stride = strides[a]
            kept.append((interval, basis, first))
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
    const uint32_t[:, ::1] known=None,
    size_t n_known=0,
):
    """Fill `out` (n K) and, unless None, `gradient` (n K N).

    `coefficients` may be longer than the `n_needed` that the axes reach: whole lanes are read.
    `known`: intervals (n, N) that `locate` found, of which the first `n_known` points are inside.
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
    batch.known = NULL
    batch.n_known = n_known
    if known is not None:
        check(<size_t>known.shape[0] == n and known.shape[1] == axes.n_axes and n_known <= n,
              "known: (n, N)")
        batch.known = &known[0, 0]
    with nogil:
        status = interpolate(batch, n_threads)
    if status.code == StatusCode.outside:
        raise OutsideError(status.index)


def locate(
    GridAxes axes,
    double[:, ::1] x,
    uint32_t[:, ::1] intervals,
    unsigned char[::1] kinds,
    int n_threads,
):
    """Fill intervals (n, N) of points x (n, N), and kinds (n,): INSIDE, OUT or NO_NUMBER.

    Points within 4 ulp of an edge are put on it, in `x` itself.
    """
    cdef LocateBatch batch
    cdef size_t n = x.shape[0]
    check(x.shape[1] == axes.n_axes and intervals.shape[1] == axes.n_axes, "x: (n, N)")
    check(<size_t>intervals.shape[0] == n and <size_t>kinds.shape[0] == n, "intervals, kinds")
    if n == 0:
        return
    batch.n_axes = axes.n_axes
    batch.axes = axes.axes
    batch.n = n
    batch.x = &x[0, 0]
    batch.interval = &intervals[0, 0]
    batch.kind = &kinds[0]
    with nogil:
        locate_points(batch, n_threads)
