# distutils: language = c++
"""Means of a function of lenses over populations, without the GIL."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t

from batch cimport check
from population cimport PopulationFrame

cdef extern from "clmassmod/selection_sum.hpp" namespace "clmassmod" nogil:
    const size_t kSlopeLanes
    const size_t kMostSlopeNodes
    const size_t kMostMasses
    cdef struct SelectionStrip:
        size_t begin
        size_t end
        size_t start
    cdef struct SelectionRow:
        double log_mstar
        double first_re
        double first_mhalo
        size_t n_sizes
        size_t n_masses
        const SelectionStrip* strips
    cdef struct SelectionGrid:
        size_t n_rows
        const SelectionRow* rows
        size_t n_slopes
        const double* slopes
        const double* weights
        const double* values
        const float* numbers
        const uint16_t* bins
        double step_re
        double step_mhalo
        double volume
    cdef struct SelectionPoints:
        size_t n
        const double* points
        size_t n_mismatch
        const double* t
        const double* log_t
        PopulationFrame frame
        size_t n_bins
        const float* chances
    void fill_sums "clmassmod::selection_sums"(
        const SelectionGrid& grid, const SelectionPoints& points, double* out, int n_threads)

SLOPE_LANES = kSlopeLanes
MOST_SLOPES = kMostSlopeNodes
MOST_MASSES = kMostMasses


cdef class Rows:
    """Rows of a grid: columns (3, n) log M*, first log Re and log Mh; windows (2, n, n_sizes).

    The windows are the first mass, and the one after the last, of the row's masses at each size.
    """

    cdef SelectionRow* rows
    cdef SelectionStrip* strips
    cdef size_t n
    cdef size_t n_cells

    def __cinit__(self, const double[:, ::1] columns, const size_t[:, :, ::1] windows):
        cdef size_t i, j, n_sizes = windows.shape[2]
        cdef SelectionStrip* strip
        self.rows = NULL
        self.strips = NULL
        self.n = columns.shape[1]
        self.n_cells = 0
        check(self.n > 0 and columns.shape[0] == 3 and windows.shape[0] == 2 and n_sizes > 0
              and <size_t>windows.shape[1] == self.n, "columns: (3, n), windows: (2, n, sizes)")
        self.rows = <SelectionRow*>PyMem_Malloc(self.n * sizeof(SelectionRow))
        self.strips = <SelectionStrip*>PyMem_Malloc(self.n * n_sizes * sizeof(SelectionStrip))
        if self.rows == NULL or self.strips == NULL:
            raise MemoryError()
        for i in range(self.n):
            self.rows[i].log_mstar = columns[0, i]
            self.rows[i].first_re, self.rows[i].first_mhalo = columns[1, i], columns[2, i]
            self.rows[i].n_sizes, self.rows[i].n_masses = n_sizes, 0
            self.rows[i].strips = self.strips + i * n_sizes
            for j in range(n_sizes):
                check(windows[0, i, j] <= windows[1, i, j] <= kMostMasses, "windows")
                strip = self.strips + i * n_sizes + j
                strip.begin, strip.end = windows[0, i, j], windows[1, i, j]
                strip.start = self.n_cells
                self.n_cells += strip.end - strip.begin
                self.rows[i].n_masses = max(self.rows[i].n_masses, strip.end)

    def __dealloc__(self):
        PyMem_Free(self.rows)
        PyMem_Free(self.strips)


cdef int fill_grid(
    SelectionGrid* grid, SelectionPoints* given, Rows rows,
    const double[:, ::1] slopes, const double[::1] steps,
    const double[:, ::1] points, const double[:, ::1] mismatch, const double[::1] frame,
) except -1:
    cdef size_t n_slopes = slopes.shape[1]
    check(slopes.shape[0] == 2 and 0 < n_slopes <= kMostSlopeNodes
          and n_slopes % kSlopeLanes == 0, "slopes: (2, n)")
    check(points.shape[0] > 0 and points.shape[1] == 15, "points: (n, 15)")
    check(mismatch.shape[0] == 2 and mismatch.shape[1] > 0, "mismatch: (2, n)")
    check(frame.shape[0] == 5 and steps.shape[0] == 3, "frame: (5,), steps: (3,)")
    grid.n_rows, grid.n_slopes = rows.n, n_slopes
    grid.slopes, grid.weights = &slopes[0, 0], &slopes[1, 0]
    grid.step_re, grid.step_mhalo = steps[1], steps[2]
    grid.volume = steps[0] * steps[1] * steps[2]
    grid.rows = rows.rows
    given.n, given.points = points.shape[0], &points[0, 0]
    given.n_mismatch = mismatch.shape[1]
    given.t, given.log_t = &mismatch[0, 0], &mismatch[1, 0]
    given.frame.pivot_r, given.frame.pivot_h = frame[0], frame[1]
    given.frame.pivot_sps = frame[2]
    given.frame.gamma_low, given.frame.gamma_high = frame[3], frame[4]
    return 0


def log_means(
    Rows rows,
    const double[:, ::1] slopes,
    const double[::1] values,
    const double[::1] steps,
    const double[:, ::1] points,
    const double[:, ::1] mismatch,
    const double[::1] frame,
    double[::1] out,
    int n_threads,
):
    """Fill `out` (n,) with ln A at points (n, 15).

    `slopes` (2, n_slopes): nodes and weights; `values` (cells, n_slopes) in one piece; `steps`
    (3,) of log M*, log Re and log Mh; `mismatch` (2, k): nodes and ln of weights; `frame` (5,).
    """
    cdef SelectionGrid grid
    cdef SelectionPoints given
    if points.shape[0] == 0:
        return
    fill_grid(&grid, &given, rows, slopes, steps, points, mismatch, frame)
    check(<size_t>values.shape[0] == rows.n_cells * grid.n_slopes, "values: (cells, n_slopes)")
    check(out.shape[0] == points.shape[0], "out: (n,)")
    grid.values = &values[0]
    with nogil:
        fill_sums(grid, given, &out[0], n_threads)


def log_means_found(
    Rows rows,
    const double[:, ::1] slopes,
    const float[::1] numbers,
    const uint16_t[::1] bins,
    const float[:, ::1] chances,
    const double[::1] steps,
    const double[:, ::1] points,
    const double[:, ::1] mismatch,
    const double[::1] frame,
    double[::1] out,
    int n_threads,
):
    """As `log_means` of numbers times the chance of their bin: `chances` (n, n_bins).

    Bins must be below n_bins.
    """
    cdef SelectionGrid grid
    cdef SelectionPoints given
    if points.shape[0] == 0:
        return
    fill_grid(&grid, &given, rows, slopes, steps, points, mismatch, frame)
    check(<size_t>numbers.shape[0] == rows.n_cells * grid.n_slopes
          and bins.shape[0] == numbers.shape[0], "numbers, bins: (cells, n_slopes)")
    check(out.shape[0] == points.shape[0] and chances.shape[0] == points.shape[0],
          "out: (n,), chances: (n, n_bins)")
    grid.numbers, grid.bins = &numbers[0], &bins[0]
    given.n_bins, given.chances = chances.shape[1], &chances[0, 0]
    with nogil:
        fill_sums(grid, given, &out[0], n_threads)
