"""What the core offers for axisymmetric lenses: declarations."""

from libc.stddef cimport size_t

cdef extern from "clmassmod/panels.hpp" namespace "clmassmod" nogil:
    cdef struct OctavePanels:
        int first_exponent
        int octaves
        int split
        size_t panels()
        double low()
        double high()

cdef extern from "clmassmod/axisym.hpp" namespace "clmassmod" nogil:
    const OctavePanels kMeanLayout
    const OctavePanels kSampledLayout
    cdef int kSlopePanels
    cdef struct LensBatch:
        size_t n
        const double* star_amplitude
        const double* star_radius
        const double* halo_amplitude
        const double* halo_radius
        const double* inner_slope
        const double** star_tables
        const double* star_shapes
        const size_t* star_table_of
        const double** slope_panels
        const double** total_tables
        const double** stars_tables
    size_t mean_table_size(const OctavePanels& layout)
    void fit_mean_table(const OctavePanels& layout, const double* values, double* coefficient)
    void mean_table_nodes(const OctavePanels& layout, double* radius)
    size_t slope_panel_size()
    bint build_slope_panel(int panel, double* scratch, double* coefficient)
    bint build_sersic_table "clmassmod::build_mean_table<clmassmod::FromSurface<clmassmod::Sersic>>"(
        const SersicShape& kernel, const OctavePanels& layout, double* coefficient)
    cdef cppclass SersicShape "clmassmod::Sersic":
        SersicShape(const double* parameters)
    bint build_gnfw_table "clmassmod::build_mean_table<clmassmod::FromDensity<clmassmod::Gnfw>>"(
        const GnfwShape& kernel, const OctavePanels& layout, double* coefficient)
    cdef cppclass GnfwShape "clmassmod::Gnfw":
        GnfwShape(const double* parameters)

cdef extern from "clmassmod/slope_table.hpp" namespace "clmassmod" nogil:
    const OctavePanels kSlopeLayout

cdef extern from "clmassmod/lens_batch.hpp" namespace "clmassmod" nogil:
    cdef struct LensValueColumns:
        double* mean
        double* convergence
        double* stretch
        double* stars_convergence
    cdef struct StructureColumns:
        double* einstein
        double* radial
        double* caustic
        int* status
    cdef struct ImageColumns:
        StructureColumns structure
        double* x_a
        double* x_b
        double* mu_a
        double* mu_b
        double* delay
    cdef struct CentralColumns:
        double* x_c
        double* mu_c
    cdef struct DiscColumns:
        double* mu_a
        double* mu_b
    void lens_values(
        const LensBatch& batch, const double* x, const LensValueColumns& out, int n_threads)
    void lens_structures(const LensBatch& batch, const StructureColumns& out, int n_threads)
    void solve_lenses(
        const LensBatch& batch, const double* beta, const ImageColumns& out, int n_threads)
    void solve_central(
        const LensBatch& batch, const double* beta, const CentralColumns& out, int n_threads)
    void disc_magnifications(
        const LensBatch& batch, const double* beta, const double* radius, const DiscColumns& out,
        int n_threads)

cdef extern from "clmassmod/lens_scales.hpp" namespace "clmassmod" nogil:
    cdef struct HaloScaleBatch:
        size_t n
        const double* log_mass
        const double* concentration
        const double* inner_slope
        const double* reference_density
        const double* inverse_sigma_critical
        double* amplitude
        double* radius
    double gnfw_enclosed_mass "clmassmod::Gnfw::enclosed_mass"(double x, double inner_slope)
    void fill_halo_scales "clmassmod::halo_scales"(const HaloScaleBatch& batch, int n_threads)

cdef extern from "clmassmod/lens_inversion.hpp" namespace "clmassmod" nogil:
    cdef struct PairBatch:
        LensBatch lenses
        const double* x_a
        const double* x_b
        double* log_mass
        double* beta
        double* jacobian
        double* mu_a
        double* mu_b
        int* status
    cdef struct RingBatch:
        LensBatch lenses
        const double* einstein
        double* log_mass
        double* jacobian
        int* status
    void invert_pair_batch "clmassmod::invert_pairs"(const PairBatch& batch, int n_threads)
    void invert_ring_batch "clmassmod::invert_rings"(const RingBatch& batch, int n_threads)

cdef extern from "clmassmod/spline.hpp" namespace "clmassmod" nogil:
    cdef struct UniformCubic:
        const double* coefficients
        size_t n_intervals
        double start
        double inverse_step

cdef extern from "clmassmod/lens_grid.hpp" namespace "clmassmod" nogil:
    cdef struct Photometry:
        UniformCubic log_counts
        double inverse_variance
        double weight_a
        double log_norm
    cdef struct GridBatch:
        size_t n_slopes
        size_t n_masses
        const double* slopes
        const double** halo_tables
        const double* amplitude
        const double* unit_radius
        size_t n
        const double* x_a
        const double* x_b
        const double* star_amplitude
        const double* star_radius
        const double* star_table
        const double* star_shape
        const double* reference_density
        const double* inverse_sigma_critical
        const double* m_a
        const double* m_b
        Photometry photometry
        double* log_mass
        double* beta
        double* jacobian
        double* mu_a
        double* mu_b
        double* log_photometry
        int* status
    void invert_grid_batch "clmassmod::invert_grid"(const GridBatch& batch, int n_threads)

cdef extern from "clmassmod/detected_counts.hpp" namespace "clmassmod" nogil:
    cdef struct DetectedTable "clmassmod::DetectedCounts":
        size_t n_counts
        size_t n_means
        size_t n_apart
        const double* coefficients
        double faint_low
        double faint_high
        double apart_high
        double inverse_step
    void detected_pairs "clmassmod::detected_counts"(
        const DetectedTable& table, const double* log_a, const double* log_b, size_t n, double* out)

cdef extern from "clmassmod/cross_section.hpp" namespace "clmassmod" nogil:
    const size_t kSolvedOffsets
    const size_t kRuleOffsets
    const size_t kTailTerms
    cdef struct OffsetRule:
        const double* solved
        const double* tail
        const double* interpolation
        const double* w
        const double* weight
        const double* log_beta
        const double* log_w
    cdef struct CrossSectionColumns:
        double* section
        double* einstein
        int* status
    void fill_cross_sections "clmassmod::cross_sections"(
        const LensBatch& batch, const OffsetRule& rule, const DetectedTable& table,
        const CrossSectionColumns& out, int n_threads)
