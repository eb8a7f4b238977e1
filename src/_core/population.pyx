# distutils: language = c++
"""Populations of lenses: kernels of image pairs, and their likelihoods, without the GIL."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t
from libcpp.vector cimport vector

import numpy as np

from batch cimport Status, StatusCode, check
from lenses cimport (
    GnfwShape,
    SersicShape,
    UniformCubic,
    build_gnfw_table,
    build_sersic_table,
    kMeanLayout,
    mean_table_size,
)
from population cimport (
    Concentration,
    KernelBatch,
    KernelResult,
    KernelSettings,
    PairColumns,
    PairPhotometry,
    PopulationBatch,
    RatioBatch,
    RidgeRow,
    build_pair_kernels,
    fill_slope_densities,
    kChunk,
    kGammaLevels,
    kMostSlopes,
    level_stride,
    sum_kernels,
)

CHUNK = kChunk
MOST_SLOPES = kMostSlopes
LEVELS = tuple((kMostSlopes - 1) // level_stride(i) + 1 for i in range(kGammaLevels))
PAIR_COLUMNS = (
    "x_a", "b", "star_amplitude", "star_radius", "unit_radius", "factor", "m_a", "m_b",
    "sigma_a", "sigma_b", "log_msps", "sigma_msps", "log_re", "step", "delay", "sigma_delay", "days",
)


cdef class Points:
    """Points of a population (n, 15), and nodes (t, ln weight) of the mismatch's scatter."""

    cdef PopulationBatch batch
    cdef tuple kept

    def __cinit__(
        self,
        const double[:, ::1] points,
        const double[::1] gamma,
        const double[:, ::1] mismatch,
        const double[::1] frame,
    ):
        check(points.shape[0] > 0 and points.shape[1] == 15, "points: (n, 15)")
        check(gamma.shape[0] > 0 and frame.shape[0] == 5, "gamma: (n,), frame: (5,)")
        check(mismatch.shape[0] == 2 and mismatch.shape[1] > 0, "mismatch: (2, n)")
        self.kept = (points, gamma, mismatch)
        self.batch.n = points.shape[0]
        self.batch.n_gamma = gamma.shape[0]
        self.batch.n_mismatch = mismatch.shape[1]
        self.batch.points = &points[0, 0]
        self.batch.gamma = &gamma[0]
        self.batch.t, self.batch.log_t = &mismatch[0, 0], &mismatch[1, 0]
        self.batch.frame.pivot_r, self.batch.frame.pivot_h = frame[0], frame[1]
        self.batch.frame.pivot_sps = frame[2]
        self.batch.frame.gamma_low, self.batch.frame.gamma_high = frame[3], frame[4]

    def slope_densities(self):
        """Density of every inner slope at every point, (n, n_gamma)."""
        cdef double[:, ::1] out = np.empty((self.batch.n, self.batch.n_gamma))
        with nogil:
            fill_slope_densities(self.batch, &out[0, 0])
        return np.asarray(out)


cdef class KernelGrid:
    """Tables of stars and of haloes of all inner slopes, shared by all lenses."""

    cdef double* tables
    cdef readonly object slopes
    cdef double[2] star_shape

    def __cinit__(self, const double[::1] slopes, double sersic_n, double b):
        cdef size_t size = mean_table_size(kMeanLayout)
        cdef bint done
        cdef size_t i
        check(<size_t>slopes.shape[0] == kMostSlopes, "slopes: (385,)")
        self.slopes = np.array(slopes)
        self.star_shape[0], self.star_shape[1] = sersic_n, b
        self.tables = <double*>PyMem_Malloc((kMostSlopes + 1) * size * sizeof(double))
        if self.tables == NULL:
            raise MemoryError()
        with nogil:
            done = build_sersic_table(SersicShape(self.star_shape), kMeanLayout,
                                      self.tables + kMostSlopes * size)
            for i in range(kMostSlopes):
                done = done and build_gnfw_table(GnfwShape(&slopes[i]), kMeanLayout,
                                                 self.tables + i * size)
        if not done:
            raise ArithmeticError("tables of haloes")

    def __dealloc__(self):
        PyMem_Free(self.tables)


cdef int fill_photometry(
    PairPhotometry* out, vector[UniformCubic]& ratios, tuple given
) except -1:
    """(ln F (n, 4), numbers (14,), ln n (n, 4) or None, ratios or None) of one pair of errors.

    Ratios are ((k, n, 4) cubics, (2,) start and 1 / step).
    """
    cdef const double[:, ::1] table = given[0]
    cdef const double[::1] numbers = given[1]
    cdef const double[:, ::1] counts
    check(table.shape[1] == 4 and numbers.shape[0] == 14, "photometry")
    out.table.log_counts.coefficients = &table[0, 0]
    out.table.log_counts.n_intervals = table.shape[0]
    out.table.log_counts.start, out.table.log_counts.inverse_step = numbers[0], numbers[1]
    out.table.inverse_variance, out.table.weight_a = numbers[2], numbers[3]
    out.table.log_norm = numbers[4]
    out.sigma_a, out.sigma_b = numbers[5], numbers[6]
    out.ubar_low, out.ubar_high = numbers[7], numbers[8]
    fill_ratios(out, ratios, given[3])
    out.with_detection = given[2] is not None
    if given[2] is None:
        return 0
    counts = given[2]
    out.limit = numbers[9]
    out.log_counts.coefficients = &counts[0, 0]
    out.log_counts.n_intervals = counts.shape[0]
    out.log_counts.start, out.log_counts.inverse_step = numbers[10], numbers[11]
    out.counts_low, out.counts_high = numbers[12], numbers[13]
    return 0


cdef int fill_ratios(PairPhotometry* out, vector[UniformCubic]& ratios, given) except -1:
    cdef const double[:, :, ::1] table
    cdef const double[::1] axis
    cdef size_t i
    if given is None:
        return 0
    table, axis = given
    check(table.shape[0] > 0 and table.shape[1] > 0 and table.shape[2] == 4
          and axis.shape[0] == 2, "ratios: (k, n, 4)")
    ratios.resize(table.shape[0])
    for i in range(ratios.size()):
        ratios[i].coefficients, ratios[i].n_intervals = &table[i, 0, 0], table.shape[1]
        ratios[i].start, ratios[i].inverse_step = axis[0], axis[1]
    out.n_ratios, out.ratios = ratios.size(), ratios.data()
    return 0


def build_kernels(
    KernelGrid grid,
    Points training,
    const double[:, ::1] columns,
    const size_t[:, ::1] which,
    tuple photometry,
    const double[:, ::1] concentrations,
    const double[:, ::1] amplitudes,
    double r,
    const double[::1] settings,
    int n_threads,
):
    """Kernels of n parts: a list of (nodes (4, m), slopes (m / 8,), ln scale, error, level) or None.

    `columns` (17, n) as `PAIR_COLUMNS`; `which` (2, n): photometry and concentration of each;
    `concentrations` (k, terms), `amplitudes` (k, 385); `settings`: scan drop, node drop,
    tolerance, depth, first level.
    """
    cdef size_t n = columns.shape[1]
    cdef size_t size = mean_table_size(kMeanLayout)
    cdef size_t i, j, k = concentrations.shape[0]
    cdef vector[PairPhotometry] tables = vector[PairPhotometry](<size_t>len(photometry))
    cdef vector[vector[UniformCubic]] ratios = vector[vector[UniformCubic]](tables.size())
    cdef vector[Concentration] relations = vector[Concentration](k)
    cdef vector[RidgeRow] rows = vector[RidgeRow](k * kMostSlopes)
    cdef vector[KernelSettings] all_settings = vector[KernelSettings](k)
    cdef vector[KernelResult] results = vector[KernelResult](n)
    cdef vector[char] found = vector[char](n)
    cdef const double[::1] slopes = grid.slopes
    cdef const double[:, ::1] densities = training.slope_densities()
    cdef PairColumns pairs
    cdef Status status
    check(n > 0 and columns.shape[0] == 17 and which.shape[0] == 2
          and <size_t>which.shape[1] == n, "columns: (17, n)")
    check(<size_t>amplitudes.shape[0] == k and <size_t>amplitudes.shape[1] == kMostSlopes
          and training.batch.n_gamma == kMostSlopes and settings.shape[0] == 5, "amplitudes")
    for i in range(tables.size()):
        fill_photometry(&tables[i], ratios[i], photometry[i])
    for i in range(k):
        relations[i].coefficient = &concentrations[i, 0]
        relations[i].terms = concentrations.shape[1]
        for j in range(kMostSlopes):
            rows[i * kMostSlopes + j].table = grid.tables + j * size
            rows[i * kMostSlopes + j].slope = slopes[j]
            rows[i * kMostSlopes + j].amplitude = amplitudes[i, j]
        all_settings[i].scan_drop, all_settings[i].node_drop = settings[0], settings[1]
        all_settings[i].tolerance, all_settings[i].depth = settings[2], settings[3]
        all_settings[i].first_level = <int>settings[4]
        all_settings[i].rows = &rows[i * kMostSlopes]
        all_settings[i].slope_step = (slopes[kMostSlopes - 1] - slopes[0]) / (kMostSlopes - 1)
        all_settings[i].training = &training.batch
        all_settings[i].slope_densities = &densities[0, 0]
    pairs.n = n
    pairs.x_a, pairs.b = &columns[0, 0], &columns[1, 0]
    pairs.star_amplitude, pairs.star_radius = &columns[2, 0], &columns[3, 0]
    pairs.unit_radius, pairs.factor = &columns[4, 0], &columns[5, 0]
    pairs.m_a, pairs.m_b = &columns[6, 0], &columns[7, 0]
    pairs.sigma_a, pairs.sigma_b = &columns[8, 0], &columns[9, 0]
    pairs.log_msps, pairs.sigma_msps = &columns[10, 0], &columns[11, 0]
    pairs.log_re, pairs.step = &columns[12, 0], &columns[13, 0]
    pairs.delay, pairs.sigma_delay = &columns[14, 0], &columns[15, 0]
    pairs.days = &columns[16, 0]
    pairs.counts, pairs.concentration = &which[0, 0], &which[1, 0]
    pairs.star_table, pairs.star_shape = grid.tables + kMostSlopes * size, grid.star_shape
    pairs.photometry, pairs.concentrations = tables.data(), relations.data()
    pairs.r = r
    with nogil:
        status = build_pair_kernels(pairs, all_settings.data(), results.data(), found.data(),
                                    n_threads)
    if status.code != StatusCode.ok:
        raise MemoryError(f"kernel {status.index}")
    return [result_arrays(results[i]) if found[i] else None for i in range(n)]


cdef tuple result_arrays(const KernelResult& result):
    cdef size_t n = result.log_mstar.size()
    nodes = np.empty((4, n), dtype=np.float32)
    gamma = np.empty(n // kChunk, dtype=np.uint16)
    cdef float[:, ::1] view = nodes
    cdef uint16_t[::1] slopes = gamma
    cdef size_t i
    for i in range(n):
        view[0, i], view[1, i] = result.log_mstar[i], result.log_mhalo[i]
        view[2, i], view[3, i] = result.log_weight[i], result.ubar[i]
    for i in range(n // kChunk):
        slopes[i] = result.gamma[i]
    return nodes, gamma, result.log_scale, result.error, result.level


def sum_lenses(
    const float[:, ::1] nodes,
    const uint16_t[::1] gamma,
    const size_t[::1] first_part,
    const size_t[::1] first,
    const double[:, ::1] parts,
    const double[:, ::1] lenses,
    Points points,
    tuple ratios,
    double[:, ::1] out,
    int n_threads,
):
    """Fill `out` (points, lenses) with ln L.

    `nodes` (3, n): log M*, log Mh, ln weight, or (4, n) with the mean magnitude; `parts` (2, n):
    ln scale, log Re; `lenses` (2, n). `ratios`: None, or cubics (points, errors, n, 4) of the mean
    magnitude, (2,) start and 1 / step, and weights (lenses, errors).
    """
    cdef KernelBatch batch
    cdef const double[:, ::1] densities = points.slope_densities()
    cdef size_t n = lenses.shape[1], n_parts = parts.shape[1]
    cdef Status status
    check(nodes.shape[0] in (3, 4) and <size_t>nodes.shape[1] == gamma.shape[0] * kChunk
          and n > 0 and n_parts > 0, "nodes: (3, n)")
    check(<size_t>first_part.shape[0] == n + 1 and <size_t>first.shape[0] == n_parts + 1
          and parts.shape[0] == 2 and lenses.shape[0] == 2, "offsets")
    check(first_part[n] == n_parts and first[n_parts] == <size_t>gamma.shape[0], "offsets")
    check(<size_t>out.shape[0] == points.batch.n and <size_t>out.shape[1] == n, "out")
    batch.n_lenses = n
    batch.first_part, batch.first = &first_part[0], &first[0]
    batch.log_scale, batch.log_re = &parts[0, 0], &parts[1, 0]
    batch.log_msps, batch.sigma_msps = &lenses[0, 0], &lenses[1, 0]
    batch.nodes.n = nodes.shape[1]
    batch.nodes.log_mstar, batch.nodes.log_mhalo = &nodes[0, 0], &nodes[1, 0]
    batch.nodes.log_weight, batch.nodes.gamma = &nodes[2, 0], &gamma[0]
    if ratios is not None:
        check(nodes.shape[0] == 4, "nodes: (4, n)")
        batch.nodes.ubar = &nodes[3, 0]
        fill_ratio_batch(&batch.ratios, points.batch.n, n, ratios)
    with nogil:
        status = sum_kernels(batch, points.batch, &densities[0, 0], &out[0, 0], n_threads)
    if status.code != StatusCode.ok:
        raise MemoryError(f"lens {status.index}")


cdef int fill_ratio_batch(RatioBatch* out, size_t n, size_t n_lenses, tuple ratios) except -1:
    cdef const double[:, :, :, ::1] table = ratios[0]
    cdef const double[::1] axis = ratios[1]
    cdef const double[:, ::1] weights = ratios[2]
    check(<size_t>table.shape[0] == n and table.shape[2] > 0 and table.shape[3] == 4
          and axis.shape[0] == 2, "ratios: (points, errors, n, 4)")
    check(<size_t>weights.shape[0] == n_lenses and weights.shape[1] == table.shape[1]
          and weights.shape[1] > 0, "weights: (lenses, errors)")
    out.n_errors, out.n_intervals = table.shape[1], table.shape[2]
    out.start, out.inverse_step = axis[0], axis[1]
    out.coefficients, out.weights = &table[0, 0, 0, 0], &weights[0, 0]
    return 0
