// Mean over a population of a function of its lenses: A(eta) = int p(psi | eta) f(psi) dpsi.
// f may be a number times a chance of being found: of a bin, and another one for every eta.
//
// f is known on a grid: equal steps in log M* (rows), in log Re (strips of a row) and in log Mh,
// each strip with halo masses of its own, and Gauss nodes in the inner slope. Equal steps converge
// exponentially for densities that are wide beside them, whatever the correlations. Nodes and f do
// not depend on eta.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "clmassmod/population_density.hpp"
#include "clmassmod/targets.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

constexpr std::size_t kSlopeLanes = 32;
constexpr std::size_t kMostSlopeNodes = 128;
constexpr std::size_t kMostMasses = 1024;
constexpr std::size_t kSelectionBlock = 8;  // etas that share a row of the grid in cache

// Halo masses begin .. end - 1 of the row, at one size.
struct SelectionStrip {
    std::size_t begin, end;
    std::size_t start;  // its first cell
};

struct SelectionRow {
    double log_mstar;
    double first_re;     // log Re of the first size
    double first_mhalo;  // log Mh of the first mass
    std::size_t n_sizes;
    std::size_t n_masses;          // the largest end of its strips
    const SelectionStrip* strips;  // (n_sizes,)
};

struct SelectionGrid {
    std::size_t n_rows = 0;
    const SelectionRow* rows = nullptr;
    std::size_t n_slopes = 0;             // a multiple of kSlopeLanes
    const double* slopes = nullptr;       // (n_slopes,)
    const double* weights = nullptr;      // (n_slopes,) of the rule in the slope
    const double* values = nullptr;       // (cells, n_slopes), or null with `numbers`
    const float* numbers = nullptr;       // (cells, n_slopes)
    const std::uint16_t* bins = nullptr;  // (cells, n_slopes)
    double step_re = 0.0, step_mhalo = 0.0;
    double volume = 0.0;  // product of all three steps
};

// Points of a population and nodes (t, ln weight) of the mismatch's scatter.
struct SelectionPoints {
    std::size_t n = 0;
    const double* points = nullptr;  // (n, 15)
    std::size_t n_mismatch = 1;
    const double* t = nullptr;
    const double* log_t = nullptr;
    PopulationFrame frame;
    std::size_t n_bins = 0;
    const float* chances = nullptr;  // (n, n_bins), for grids with `numbers`
};

// f at the nodes from some cell on.
struct PlainValues {
    const double* values;
    CLMASSMOD_INLINE double operator()(std::size_t k) const noexcept { return values[k]; }
    CLMASSMOD_INLINE PlainValues from(std::size_t k) const noexcept { return {values + k}; }
};
struct FoundValues {
    const float* numbers;
    const std::uint16_t* bins;
    const float* chances;
    CLMASSMOD_INLINE double operator()(std::size_t k) const noexcept {
        return static_cast<double>(numbers[k] * chances[bins[k]]);
    }
    CLMASSMOD_INLINE FoundValues from(std::size_t k) const noexcept {
        return {numbers + k, bins + k, chances};
    }
};

// Standard deviations of halo mass that are summed over, the upper one more with wide scatter: f
// rises by less than e^5 a dex.
constexpr double kMassReach = 6.5;
constexpr double kMassRise = 5.0;
// Sizes whose density is below e^-kSmallest are left out.
constexpr double kSmallest = 45.0;
constexpr double kHalfLog2Pi = 0.91893853320467274178;

// Densities of one point at one stellar mass.
struct MassSlice {
    double log_density;  // ln p(log M*), without the size
    double mean_re, mean_mhalo;
};

inline MassSlice mass_slice(const PopulationPoint& p, const PopulationFrame& frame,
                            double log_mstar, double t, double log_t) noexcept {
    const double stretch = 1.0 + p.beta_sps;
    const double x =
        (log_mstar - p.alpha_sps - p.sigma_sps * t + p.beta_sps * frame.pivot_sps) / stretch;
    const double z = (x - p.mu_star) / p.sigma_star;
    const double skew = log_normal_cdf(std::exp(kLn10 * p.shape_star) * z);
    return {kLn2 - 0.5 * z * z + skew - kHalfLog2Pi - std::log(p.sigma_star * stretch) + log_t,
            p.mu_r + p.beta_r * (x - frame.pivot_r), p.mu_h + p.beta_h * (x - frame.pivot_h)};
}

// Densities of log Mh at the masses of a row that matter.
struct MassWeights {
    std::size_t begin = 0, end = 0;
    double density[kMostMasses];
};

CLMASSMOD_INLINE void fill_masses(const SelectionGrid& grid, const SelectionRow& row, double mean,
                                  double sigma, MassWeights& w) noexcept {
    const double low = (mean - kMassReach * sigma - row.first_mhalo) / grid.step_mhalo;
    const double high =
        (mean + (kMassReach + kMassRise * sigma) * sigma - row.first_mhalo) / grid.step_mhalo;
    const double last = static_cast<double>(row.n_masses) - 1.0;
    w.begin = w.end = 0;
    if (!(high >= 0.0 && low <= last)) return;
    w.begin = static_cast<std::size_t>(std::ceil(std::max(low, 0.0)));
    w.end = static_cast<std::size_t>(std::floor(std::min(high, last))) + 1;
    const double inverse = 1.0 / sigma, step = grid.step_mhalo * inverse;
    const double first = (row.first_mhalo - mean) * inverse;
    for (std::size_t j = w.begin; j < w.end; ++j) {
        const double z = first + step * static_cast<double>(j);
        w.density[j] = inverse * exp_flushed(-0.5 * z * z - kHalfLog2Pi);
    }
}

// sum[g] += factor sum_j density[j] f(j, g), over the masses of a strip that matter.
template <class Values>
CLMASSMOD_INLINE void add_masses(const MassWeights& w, const SelectionStrip& strip, Values values,
                                 std::size_t n_slopes, double factor, double* sum) noexcept {
    const std::size_t begin = std::max(w.begin, strip.begin), end = std::min(w.end, strip.end);
    if (begin >= end) return;
    const std::size_t first = (strip.start + begin - strip.begin) * n_slopes;
    for (std::size_t group = 0; group < n_slopes; group += kSlopeLanes) {
        double lanes[kSlopeLanes] = {};
        for (std::size_t j = begin; j < end; ++j) {
            const Values f = values.from(first + (j - begin) * n_slopes + group);
            for (std::size_t g = 0; g < kSlopeLanes; ++g)
                lanes[g] = mul_add(w.density[j], f(g), lanes[g]);
        }
        for (std::size_t g = 0; g < kSlopeLanes; ++g)
            sum[group + g] = mul_add(factor, lanes[g], sum[group + g]);
    }
}

// Adds a row of the grid: sum[g] += int p(log M*, log Re, log Mh) f.
template <class Values>
CLMASSMOD_INLINE void add_row(const SelectionGrid& grid, const SelectionRow& row, Values values,
                              const PopulationPoint& p, const MassSlice& slice,
                              double* sum) noexcept {
    MassWeights masses;
    // without a relation of halo mass and size, one density of mass serves every size
    if (p.xi_h == 0.0) fill_masses(grid, row, slice.mean_mhalo, p.sigma_h, masses);
    for (std::size_t r = 0; r < row.n_sizes; ++r) {
        const double excess = row.first_re + grid.step_re * static_cast<double>(r) - slice.mean_re;
        const double z = excess / p.sigma_r;
        const double exponent = slice.log_density - 0.5 * z * z - kHalfLog2Pi;
        if (exponent < -kSmallest) continue;
        if (p.xi_h != 0.0)
            fill_masses(grid, row, slice.mean_mhalo + p.xi_h * excess, p.sigma_h, masses);
        add_masses(masses, row.strips[r], values, grid.n_slopes, exp_flushed(exponent) / p.sigma_r,
                   sum);
    }
}

// ln A of points begin .. end - 1, which take turns on each row of the grid.
CLMASSMOD_TARGETS
inline void selection_block(const SelectionGrid& grid, const SelectionPoints& given,
                            std::size_t begin, std::size_t end, double* out) noexcept {
    double sums[kSelectionBlock][kMostSlopeNodes] = {};
    PopulationPoint points[kSelectionBlock];
    for (std::size_t i = begin; i < end; ++i)
        points[i - begin] = population_point(given.points + i * kPopulationNumbers);
    for (std::size_t row = 0; row < grid.n_rows; ++row)
        for (std::size_t i = 0; i < end - begin; ++i) {
            const PopulationPoint& p = points[i];
            const bool scattered = p.sigma_sps > 0.0;
            for (std::size_t k = 0; k < (scattered ? given.n_mismatch : 1); ++k) {
                const MassSlice slice =
                    mass_slice(p, given.frame, grid.rows[row].log_mstar,
                               scattered ? given.t[k] : 0.0, scattered ? given.log_t[k] : 0.0);
                if (grid.values != nullptr)
                    add_row(grid, grid.rows[row], PlainValues{grid.values}, p, slice, sums[i]);
                else
                    add_row(grid, grid.rows[row],
                            FoundValues{grid.numbers, grid.bins,
                                        given.chances + (begin + i) * given.n_bins},
                            p, slice, sums[i]);
            }
        }
    for (std::size_t i = 0; i < end - begin; ++i) {
        const PopulationPoint& p = points[i];
        const double share =
            normal_share(p.mu_g, p.sigma_g, given.frame.gamma_low, given.frame.gamma_high);
        double total = 0.0;
        for (std::size_t g = 0; g < grid.n_slopes; ++g)
            total += grid.weights[g] * slope_density(p, share, grid.slopes[g]) * sums[i][g];
        out[begin + i] = std::log(total * grid.volume);
    }
}

inline void selection_sums(const SelectionGrid& grid, const SelectionPoints& points, double* out,
                           int n_threads) noexcept {
    const std::size_t blocks = (points.n + kSelectionBlock - 1) / kSelectionBlock;
    for_each_block(blocks, n_threads, [&](std::size_t block) {
        selection_block(grid, points, block * kSelectionBlock,
                        std::min((block + 1) * kSelectionBlock, points.n), out);
        return Status{};
    });
}

}  // namespace clmassmod
