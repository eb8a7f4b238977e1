# distutils: language = c++
"""Axisymmetric lenses: tables, and calls over many lenses without the GIL."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stddef cimport size_t

from batch cimport check
from lenses cimport (
    CentralColumns,
    CrossSectionColumns,
    DetectedTable,
    DiscColumns,
    GnfwShape,
    GridBatch,
    HaloScaleBatch,
    ImageColumns,
    LensBatch,
    LensValueColumns,
    OctavePanels,
    OffsetRule,
    PairBatch,
    RingBatch,
    SersicShape,
    StructureColumns,
    build_gnfw_table,
    build_sersic_table,
    build_slope_panel,
    detected_pairs,
    disc_magnifications,
    fill_cross_sections,
    fill_halo_scales,
    fit_mean_table,
    gnfw_enclosed_mass,
    invert_grid_batch,
    invert_pair_batch,
    invert_ring_batch,
    kMeanLayout,
    kRuleOffsets,
    kSampledLayout,
    kSlopeLayout,
    kSlopePanels,
    kSolvedOffsets,
    kTailTerms,
    lens_structures,
    lens_values,
    mean_table_nodes,
    mean_table_size,
    slope_panel_size,
    solve_central,
    solve_lenses,
)


SLOPE_PANELS = kSlopePanels
SLOPE_PANELS_PER_UNIT = kSlopePanels // 3


cdef class MeanTable:
    """Mean surface density inside x, tabulated; immutable."""

    cdef double* coefficient

    def __cinit__(self):
        self.coefficient = NULL

    def __dealloc__(self):
        PyMem_Free(self.coefficient)

    cdef int allocate(self, OctavePanels layout) except -1:
        self.coefficient = <double*>PyMem_Malloc(mean_table_size(layout) * sizeof(double))
        if self.coefficient == NULL:
            raise MemoryError()
        return 0

    @staticmethod
    def sersic(double index, double b):
        """The table of a Sersic profile, x = R / R_e."""
        cdef MeanTable table = MeanTable()
        cdef double[2] shape = [index, b]
        cdef bint done
        table.allocate(kMeanLayout)
        with nogil:
            done = build_sersic_table(SersicShape(shape), kMeanLayout, table.coefficient)
        if not done:
            raise ArithmeticError(f"Sersic index {index}")
        return table

    @staticmethod
    def gnfw(double inner_slope):
        """The table of a generalised NFW halo, x = R / r_s."""
        cdef MeanTable table = MeanTable()
        cdef bint done
        table.allocate(kMeanLayout)
        with nogil:
            done = build_gnfw_table(GnfwShape(&inner_slope), kMeanLayout, table.coefficient)
        if not done:
            raise ArithmeticError(f"inner slope {inner_slope}")
        return table

    @staticmethod
    def sampled(const double[:, ::1] values):
        """The table of a profile from its mean surface density at `sampled_nodes`."""
        cdef MeanTable table = MeanTable()
        check(<size_t>(values.shape[0] * values.shape[1]) == mean_table_size(kSampledLayout),
              "values: (panels, 8)")
        table.allocate(kSampledLayout)
        fit_mean_table(kSampledLayout, &values[0, 0], table.coefficient)
        return table


SAMPLED_SIZE = mean_table_size(kSampledLayout)
SAMPLED_LIMITS = kSampledLayout.low(), kSampledLayout.high()


def sampled_nodes(double[:, ::1] radius):
    """Fill `radius` (panels, 8) with the places where `MeanTable.sampled` wants values."""
    check(<size_t>(radius.shape[0] * radius.shape[1]) == mean_table_size(kSampledLayout),
          "radius: (panels, 8)")
    mean_table_nodes(kSampledLayout, &radius[0, 0])


cdef class SlopePanel:
    """Generalised NFW haloes with inner slopes in one panel, tabulated; immutable."""

    cdef double* coefficient

    def __cinit__(self, int panel):
        cdef double* scratch
        cdef bint done
        check(0 <= panel < kSlopePanels, "panel")
        self.coefficient = <double*>PyMem_Malloc(slope_panel_size() * sizeof(double))
        scratch = <double*>PyMem_Malloc(8 * mean_table_size(kSlopeLayout) * sizeof(double))
        if self.coefficient == NULL or scratch == NULL:
            PyMem_Free(scratch)
            raise MemoryError()
        with nogil:
            done = build_slope_panel(panel, scratch, self.coefficient)
        PyMem_Free(scratch)
        if not done:
            raise ArithmeticError(f"panel {panel} of inner slopes")

    def __dealloc__(self):
        PyMem_Free(self.coefficient)


cdef const double** views_of(tuple tables) except NULL:
    cdef size_t i
    cdef const double** views = <const double**>PyMem_Malloc((len(tables) + 1) * sizeof(double*))
    if views == NULL:
        raise MemoryError()
    for i in range(<size_t>len(tables)):
        views[i] = (<MeanTable?>tables[i]).coefficient
    return views


cdef class LensArrays:
    """n lenses as the core takes them, and what keeps their memory."""

    cdef LensBatch batch
    cdef const double** first_views
    cdef const double** second_views
    cdef const double** panels
    cdef tuple kept

    def __cinit__(self):
        self.first_views = NULL
        self.second_views = NULL
        self.panels = NULL

    def __dealloc__(self):
        PyMem_Free(self.first_views)
        PyMem_Free(self.second_views)
        PyMem_Free(self.panels)

    def __len__(self):
        return self.batch.n

    @staticmethod
    def star_halo(
        const double[::1] star_amplitude,
        const double[::1] star_radius,
        const double[::1] halo_amplitude,
        const double[::1] halo_radius,
        const double[::1] inner_slope,
        tuple star_tables,
        const double[:, ::1] star_shapes,
        const size_t[::1] star_table_of,
        dict slope_panels,
    ):
        """Sersic stars and generalised NFW haloes.

        Arrays are (n,), `star_shapes` is (tables, 2), `star_table_of` (n,) or None;
        `slope_panels` maps the panel of every inner slope to its `SlopePanel`.
        """
        cdef LensArrays self = LensArrays()
        cdef size_t n = star_amplitude.shape[0]
        cdef size_t i
        cdef int panel
        check(star_radius.shape[0] == n and halo_amplitude.shape[0] == n
              and halo_radius.shape[0] == n and inner_slope.shape[0] == n, "arrays: (n,)")
        check(len(star_tables) > 0 and star_shapes.shape[0] == len(star_tables)
              and star_shapes.shape[1] == 2, "star_shapes: (tables, 2)")
        self.panels = <const double**>PyMem_Malloc(kSlopePanels * sizeof(double*))
        if self.panels == NULL:
            raise MemoryError()
        for panel in range(kSlopePanels):
            one = slope_panels.get(panel)
            self.panels[panel] = NULL
            if one is not None:
                self.panels[panel] = (<SlopePanel?>one).coefficient
        for i in range(n):
            check(0.0 <= inner_slope[i] < 3.0, "inner_slope")
            panel = <int>(inner_slope[i] * SLOPE_PANELS_PER_UNIT_C)
            check(self.panels[panel] != NULL, "slope_panels")
        self.kept = (star_amplitude, star_radius, halo_amplitude, halo_radius, inner_slope,
                     star_tables, star_shapes, star_table_of, slope_panels)
        self.first_views = views_of(star_tables)
        self.batch.n = n
        if star_table_of is not None:
            check(star_table_of.shape[0] == n, "star_table_of: (n,)")
            for i in range(n):
                check(star_table_of[i] < <size_t>len(star_tables), "star_table_of")
            if n:
                self.batch.star_table_of = &star_table_of[0]
        self.batch.star_tables = self.first_views
        self.batch.star_shapes = &star_shapes[0, 0]
        self.batch.slope_panels = self.panels
        if n:
            self.batch.star_amplitude = &star_amplitude[0]
            self.batch.star_radius = &star_radius[0]
            self.batch.halo_amplitude = &halo_amplitude[0]
            self.batch.halo_radius = &halo_radius[0]
            self.batch.inner_slope = &inner_slope[0]
        return self

    @staticmethod
    def sampled(tuple total, tuple stars):
        """Sampled profiles: a `MeanTable` a lens; `stars` likewise, or None."""
        cdef LensArrays self = LensArrays()
        self.kept = (total, stars)
        self.first_views = views_of(total)
        self.batch.n = len(total)
        self.batch.total_tables = self.first_views
        if stars is not None:
            check(len(stars) == len(total), "stars: (n,)")
            self.second_views = views_of(stars)
            self.batch.stars_tables = self.second_views
        return self


cdef int SLOPE_PANELS_PER_UNIT_C = kSlopePanels // 3


def halo_scales(
    const double[::1] log_mass,
    const double[::1] concentration,
    const double[::1] inner_slope,
    const double[::1] reference_density,
    const double[::1] inverse_sigma_critical,
    double[::1] amplitude,
    double[::1] radius,
    int n_threads,
):
    """Fill `amplitude` (rho_s r_s / Sigma_crit) and `radius` (r_s) of n haloes, all (n,)."""
    cdef HaloScaleBatch batch
    cdef size_t n = log_mass.shape[0]
    check(concentration.shape[0] == n and inner_slope.shape[0] == n
          and reference_density.shape[0] == n and inverse_sigma_critical.shape[0] == n
          and amplitude.shape[0] == n and radius.shape[0] == n, "all arrays: (n,)")
    if n == 0:
        return
    batch.n = n
    batch.log_mass = &log_mass[0]
    batch.concentration = &concentration[0]
    batch.inner_slope = &inner_slope[0]
    batch.reference_density = &reference_density[0]
    batch.inverse_sigma_critical = &inverse_sigma_critical[0]
    batch.amplitude = &amplitude[0]
    batch.radius = &radius[0]
    with nogil:
        fill_halo_scales(batch, n_threads)


def enclosed_mass(const double[::1] x, const double[::1] inner_slope, double[::1] out):
    """Fill `out` (n,) with M(x) / (4 pi rho_s r_s^3) of generalised NFW haloes."""
    cdef size_t i
    check(x.shape[0] == out.shape[0] and inner_slope.shape[0] == out.shape[0], "(n,)")
    with nogil:
        for i in range(<size_t>out.shape[0]):
            out[i] = gnfw_enclosed_mass(x[i], inner_slope[i])


def values(LensArrays lenses, const double[::1] x, double[:, ::1] out, int n_threads):
    """Fill `out` (4, n): mean convergence, convergence, d alpha/dx, convergence of the stars."""
    cdef size_t n = lenses.batch.n
    cdef LensValueColumns columns
    check(x.shape[0] == n and out.shape[0] == 4 and out.shape[1] == n, "x: (n,), out: (4, n)")
    if n == 0:
        return
    columns.mean = &out[0, 0]
    columns.convergence = &out[1, 0]
    columns.stretch = &out[2, 0]
    columns.stars_convergence = &out[3, 0]
    with nogil:
        lens_values(lenses.batch, &x[0], columns, n_threads)


cdef StructureColumns structure_columns(double[:, ::1] out, int[::1] status) noexcept:
    cdef StructureColumns columns
    columns.einstein = &out[0, 0]
    columns.radial = &out[1, 0]
    columns.caustic = &out[2, 0]
    columns.status = &status[0]
    return columns


def structure(LensArrays lenses, double[:, ::1] out, int[::1] status, int n_threads):
    """Fill `out` (3, n): Einstein radius, radial critical radius, caustic; and `status` (n,)."""
    cdef size_t n = lenses.batch.n
    cdef StructureColumns columns
    check(out.shape[0] == 3 and out.shape[1] == n and status.shape[0] == n, "out: (3, n)")
    if n == 0:
        return
    columns = structure_columns(out, status)
    with nogil:
        lens_structures(lenses.batch, columns, n_threads)


def solve_images(
    LensArrays lenses,
    const double[::1] beta,
    bint delays,
    double[:, ::1] out,
    int[::1] status,
    int n_threads,
):
    """Fill `out` (7 or 8, n): structure, x_a, x_b, mu_a, mu_b, with `delays` Fermat differences."""
    cdef size_t n = lenses.batch.n
    cdef ImageColumns columns
    check(beta.shape[0] == n and out.shape[0] == 7 + delays and out.shape[1] == n
          and status.shape[0] == n, "beta: (n,), out: (7 or 8, n)")
    if n == 0:
        return
    columns.structure = structure_columns(out, status)
    columns.x_a = &out[3, 0]
    columns.x_b = &out[4, 0]
    columns.mu_a = &out[5, 0]
    columns.mu_b = &out[6, 0]
    columns.delay = &out[7, 0] if delays else NULL
    with nogil:
        solve_lenses(lenses.batch, &beta[0], columns, n_threads)


def central_images(LensArrays lenses, const double[::1] beta, double[:, ::1] out, int n_threads):
    """Fill `out` (2, n): x_c, mu_c; NaN where there is no central image."""
    cdef size_t n = lenses.batch.n
    cdef CentralColumns columns
    check(beta.shape[0] == n and out.shape[0] == 2 and out.shape[1] == n, "out: (2, n)")
    if n == 0:
        return
    columns.x_c = &out[0, 0]
    columns.mu_c = &out[1, 0]
    with nogil:
        solve_central(lenses.batch, &beta[0], columns, n_threads)


def disc_magnification(
    LensArrays lenses,
    const double[::1] beta,
    const double[::1] radius,
    double[:, ::1] out,
    int n_threads,
):
    """Fill `out` (2, n): magnifications of A and B averaged over source discs."""
    cdef size_t n = lenses.batch.n
    cdef DiscColumns columns
    check(beta.shape[0] == n and radius.shape[0] == n and out.shape[0] == 2
          and out.shape[1] == n, "out: (2, n)")
    if n == 0:
        return
    columns.mu_a = &out[0, 0]
    columns.mu_b = &out[1, 0]
    with nogil:
        disc_magnifications(lenses.batch, &beta[0], &radius[0], columns, n_threads)


def invert_pairs(
    LensArrays lenses,
    const double[::1] x_a,
    const double[::1] x_b,
    double[:, ::1] out,
    int[::1] status,
    int n_threads,
):
    """Fill `out` (5, n): log10 M*, beta, Jacobian, mu_a, mu_b; lenses with unit stellar mass."""
    cdef size_t n = lenses.batch.n
    cdef PairBatch batch
    check(lenses.batch.total_tables == NULL, "lenses of stars and halo")
    check(x_a.shape[0] == n and x_b.shape[0] == n and out.shape[0] == 5 and out.shape[1] == n
          and status.shape[0] == n, "x_a, x_b: (n,), out: (5, n)")
    if n == 0:
        return
    batch.lenses = lenses.batch
    batch.x_a = &x_a[0]
    batch.x_b = &x_b[0]
    batch.log_mass = &out[0, 0]
    batch.beta = &out[1, 0]
    batch.jacobian = &out[2, 0]
    batch.mu_a = &out[3, 0]
    batch.mu_b = &out[4, 0]
    batch.status = &status[0]
    with nogil:
        invert_pair_batch(batch, n_threads)


def invert_rings(
    LensArrays lenses,
    const double[::1] einstein,
    double[:, ::1] out,
    int[::1] status,
    int n_threads,
):
    """Fill `out` (2, n): log10 M*, Jacobian; lenses with unit stellar mass."""
    cdef size_t n = lenses.batch.n
    cdef RingBatch batch
    check(lenses.batch.total_tables == NULL, "lenses of stars and halo")
    check(einstein.shape[0] == n and out.shape[0] == 2 and out.shape[1] == n
          and status.shape[0] == n, "einstein: (n,), out: (2, n)")
    if n == 0:
        return
    batch.lenses = lenses.batch
    batch.einstein = &einstein[0]
    batch.log_mass = &out[0, 0]
    batch.jacobian = &out[1, 0]
    batch.status = &status[0]
    with nogil:
        invert_ring_batch(batch, n_threads)


cdef class GridAxes:
    """Halo masses and inner slopes of a grid, and the stars' table, as the core takes them."""

    cdef GridBatch batch
    cdef const double** views
    cdef tuple kept

    def __cinit__(
        self,
        const double[::1] slopes,
        tuple halo_tables,
        const double[:, ::1] amplitude,
        const double[::1] unit_radius,
        MeanTable star_table,
        const double[::1] star_shape,
    ):
        cdef size_t n_slopes = slopes.shape[0]
        cdef size_t n_masses = unit_radius.shape[0]
        self.views = NULL
        check(n_slopes > 0 and n_masses > 0, "axes")
        check(len(halo_tables) == n_slopes and star_shape.shape[0] == 2
              and amplitude.shape[0] == n_slopes and amplitude.shape[1] == n_masses,
              "amplitude: (n_slopes, n_masses)")
        self.kept = (slopes, halo_tables, amplitude, unit_radius, star_table, star_shape)
        self.views = views_of(halo_tables)
        self.batch.n_slopes = n_slopes
        self.batch.n_masses = n_masses
        self.batch.slopes = &slopes[0]
        self.batch.halo_tables = self.views
        self.batch.amplitude = &amplitude[0, 0]
        self.batch.unit_radius = &unit_radius[0]
        self.batch.star_table = star_table.coefficient
        self.batch.star_shape = &star_shape[0]

    def __dealloc__(self):
        PyMem_Free(self.views)


def invert_grid(
    GridAxes axes,
    const double[:, ::1] lenses,
    const double[:, ::1] magnitudes,
    const double[:, ::1] log_counts,
    const double[::1] photometry,
    double[:, ::1] out,
    int[::1] status,
    int n_threads,
):
    """Fill `out` (5 or 6, cells): log10 M*, beta, Jacobian, mu_a, mu_b, ln Phi.

    `lenses` (6, n): x_a, x_b, star amplitude and radius, reference density, 1/Sigma_crit;
    `magnitudes` (2, n), `log_counts` (intervals, 4) and `photometry` (start, 1/step,
    1/variance, weight of A, log norm) or None.
    """
    cdef GridBatch batch = axes.batch
    cdef size_t n = lenses.shape[1]
    cdef size_t cells = n * batch.n_slopes * batch.n_masses
    cdef bint with_photometry = magnitudes is not None
    check(lenses.shape[0] == 6 and out.shape[0] == 5 + with_photometry
          and <size_t>out.shape[1] == cells and <size_t>status.shape[0] == cells, "out: (5 or 6, cells)")
    if n == 0:
        return
    batch.n = n
    batch.x_a, batch.x_b = &lenses[0, 0], &lenses[1, 0]
    batch.star_amplitude, batch.star_radius = &lenses[2, 0], &lenses[3, 0]
    batch.reference_density, batch.inverse_sigma_critical = &lenses[4, 0], &lenses[5, 0]
    batch.log_mass, batch.beta, batch.jacobian = &out[0, 0], &out[1, 0], &out[2, 0]
    batch.mu_a, batch.mu_b = &out[3, 0], &out[4, 0]
    batch.status = &status[0]
    batch.log_photometry = NULL
    if with_photometry:
        check(magnitudes.shape[0] == 2 and <size_t>magnitudes.shape[1] == n
              and log_counts.shape[0] > 0 and log_counts.shape[1] == 4
              and photometry.shape[0] == 5, "magnitudes: (2, n)")
        batch.m_a, batch.m_b = &magnitudes[0, 0], &magnitudes[1, 0]
        batch.photometry.log_counts.coefficients = &log_counts[0, 0]
        batch.photometry.log_counts.n_intervals = log_counts.shape[0]
        batch.photometry.log_counts.start = photometry[0]
        batch.photometry.log_counts.inverse_step = photometry[1]
        batch.photometry.inverse_variance = photometry[2]
        batch.photometry.weight_a = photometry[3]
        batch.photometry.log_norm = photometry[4]
        batch.log_photometry = &out[5, 0]
    with nogil:
        invert_grid_batch(batch, n_threads)


# -- detection cross-sections ----------------------------------------------------------------------

SOLVED_OFFSETS = kSolvedOffsets
RULE_OFFSETS = kRuleOffsets
TAIL_TERMS = kTailTerms


cdef class DetectionTable:
    """Splines (n_counts, n_means, n_apart) of the number of sources seen in both images.

    `limits` are the fainter gain's ends, the largest difference and the step.
    """

    cdef DetectedTable table
    cdef object kept

    def __cinit__(self, const double[:, :, ::1] coefficients, const double[::1] limits):
        check(limits.shape[0] == 4 and limits[3] > 0.0 and limits[0] < limits[1], "limits: (4,)")
        self.table.n_counts = coefficients.shape[0]
        self.table.n_means = coefficients.shape[1]
        self.table.n_apart = coefficients.shape[2]
        self.table.faint_low, self.table.faint_high = limits[0], limits[1]
        self.table.apart_high = limits[2]
        self.table.inverse_step = 1.0 / limits[3]
        check(coefficients.shape[0] > 0
              and (limits[1] - limits[0] + 0.5 * limits[2]) / limits[3] + 4.0
              <= coefficients.shape[1]
              and limits[2] / limits[3] + 4.0 <= coefficients.shape[2], "coefficients")
        self.table.coefficients = &coefficients[0, 0, 0]
        self.kept = coefficients

    def counts(self, const double[::1] log_a, const double[::1] log_b, double[:, ::1] out):
        """Fill `out` (n, n_counts) at logarithms of the magnifications."""
        cdef size_t n = log_a.shape[0]
        check(<size_t>log_b.shape[0] == n and <size_t>out.shape[0] == n
              and <size_t>out.shape[1] == self.table.n_counts, "out: (n, n_counts)")
        if n == 0:
            return
        with nogil:
            detected_pairs(self.table, &log_a[0], &log_b[0], n, &out[0, 0])


cdef class SourceOffsets:
    """Rule over the offsets of sources within the caustic; see `OffsetRule` of the core."""

    cdef OffsetRule rule
    cdef tuple kept

    def __cinit__(
        self,
        const double[::1] solved,
        const double[:, ::1] tail,
        const double[:, ::1] interpolation,
        const double[:, ::1] offsets,
    ):
        """`offsets` (4, n): w, weight, ln beta, ln w."""
        check(<size_t>solved.shape[0] == kSolvedOffsets
              and <size_t>tail.shape[0] == kTailTerms
              and <size_t>tail.shape[1] == kSolvedOffsets
              and <size_t>interpolation.shape[0] == kSolvedOffsets
              and <size_t>interpolation.shape[1] == kRuleOffsets
              and offsets.shape[0] == 4 and <size_t>offsets.shape[1] == kRuleOffsets, "rule")
        self.rule.solved = &solved[0]
        self.rule.tail = &tail[0, 0]
        self.rule.interpolation = &interpolation[0, 0]
        self.rule.w, self.rule.weight = &offsets[0, 0], &offsets[1, 0]
        self.rule.log_beta, self.rule.log_w = &offsets[2, 0], &offsets[3, 0]
        self.kept = (solved, tail, interpolation, offsets)


def cross_sections(
    LensArrays lenses,
    SourceOffsets rule,
    DetectionTable table,
    double[:, ::1] out,
    double[::1] einstein,
    int[::1] status,
    int n_threads,
):
    """Fill `out` (n, n_counts), Einstein radii and status (n,) of lenses of stars and halo."""
    cdef size_t n = lenses.batch.n
    cdef CrossSectionColumns columns
    check(lenses.batch.total_tables == NULL, "lenses of stars and halo")
    check(<size_t>out.shape[0] == n and <size_t>out.shape[1] == table.table.n_counts
          and <size_t>einstein.shape[0] == n and <size_t>status.shape[0] == n,
          "out: (n, n_counts)")
    if n == 0:
        return
    columns.section = &out[0, 0]
    columns.einstein = &einstein[0]
    columns.status = &status[0]
    with nogil:
        fill_cross_sections(lenses.batch, rule.rule, table.table, columns, n_threads)
