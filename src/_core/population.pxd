"""What the core offers for populations of lenses: declarations."""

from libc.stddef cimport size_t
from libc.stdint cimport uint16_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from batch cimport Status
from lenses cimport Photometry, UniformCubic

cdef extern from "clmassmod/population_density.hpp" namespace "clmassmod" nogil:
    cdef struct PopulationFrame:
        double pivot_r
        double pivot_h
        double pivot_sps
        double gamma_low
        double gamma_high

cdef extern from "clmassmod/kernel_sum.hpp" namespace "clmassmod" nogil:
    const size_t kChunk
    cdef cppclass KernelNodes[T]:
        size_t n
        const T* log_mstar
        const T* log_mhalo
        const T* log_weight
        const uint16_t* gamma
        const T* ubar
    cdef struct RatioBatch:
        size_t n_errors
        size_t n_intervals
        double start
        double inverse_step
        const double* coefficients
        const double* weights
    cdef struct PopulationBatch:
        size_t n
        size_t n_gamma
        size_t n_mismatch
        const double* points
        const double* gamma
        const double* t
        const double* log_t
        PopulationFrame frame
    cdef struct KernelBatch:
        size_t n_lenses
        const size_t* first_part
        const size_t* first
        const double* log_scale
        const double* log_re
        const double* log_msps
        const double* sigma_msps
        KernelNodes[float] nodes
        RatioBatch ratios
    void fill_slope_densities(const PopulationBatch& b, double* out)
    Status sum_kernels "clmassmod::sum_lenses"(
        const KernelBatch& k, const PopulationBatch& b, const double* slope_densities, double* out,
        int n_threads)

cdef extern from "clmassmod/lens_ridge.hpp" namespace "clmassmod" nogil:
    cdef struct Concentration:
        const double* coefficient
        int terms
    cdef struct PairPhotometry:
        Photometry table
        double sigma_a
        double sigma_b
        double ubar_low
        double ubar_high
        cbool with_detection
        double limit
        UniformCubic log_counts
        double counts_low
        double counts_high
        size_t n_ratios
        const UniformCubic* ratios
    cdef struct RidgeRow:
        const double* table
        double slope
        double amplitude

cdef extern from "clmassmod/lens_kernel.hpp" namespace "clmassmod" nogil:
    const size_t kMostSlopes
    const int kGammaLevels
    size_t level_stride(int level)
    cdef struct KernelSettings:
        double scan_drop
        double node_drop
        double tolerance
        double depth
        int first_level
        const RidgeRow* rows
        double slope_step
        const PopulationBatch* training
        const double* slope_densities
    cdef cppclass KernelResult:
        vector[float] log_mstar
        vector[float] log_mhalo
        vector[float] log_weight
        vector[float] ubar
        vector[uint16_t] gamma
        double log_scale
        double error
        int level
    cdef struct PairColumns:
        size_t n
        const double* x_a
        const double* b
        const double* star_amplitude
        const double* star_radius
        const double* unit_radius
        const double* factor
        const double* m_a
        const double* m_b
        const double* sigma_a
        const double* sigma_b
        const double* log_msps
        const double* sigma_msps
        const double* log_re
        const double* step
        const double* delay
        const double* sigma_delay
        const double* days
        const size_t* counts
        const size_t* concentration
        const double* star_table
        const double* star_shape
        const PairPhotometry* photometry
        const Concentration* concentrations
        double r
    Status build_pair_kernels "clmassmod::build_kernels"(
        const PairColumns& columns, const KernelSettings* settings, KernelResult* results,
        char* found, int n_threads)
