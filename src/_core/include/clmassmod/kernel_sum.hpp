// Likelihoods of many lenses at many points of a population: sums over fixed nodes.
//
//   L = sum_k exp(ln W_k + ln p(m_k, h_k | eta)) N_T(gamma_k | eta),
// nodes k of one lens in chunks of 8 that share an inner slope. Nodes and weights do not depend on
// eta, so ln L is as smooth in it as the density is.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "clmassmod/population_density.hpp"
#include "clmassmod/spline.hpp"
#include "clmassmod/targets.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

constexpr std::size_t kChunk = 8;        // nodes of one inner slope
constexpr std::size_t kSumBlock = 1024;  // nodes evaluated together: all in the nearest cache

// Nodes of one lens or of a part of one.
template <class T>
struct KernelNodes {
    std::size_t n = 0;                     // a multiple of kChunk
    const T* log_mstar = nullptr;          // (n,)
    const T* log_mhalo = nullptr;          // (n,)
    const T* log_weight = nullptr;         // (n,) those that only fill a chunk: -1e30
    const std::uint16_t* gamma = nullptr;  // (n / kChunk,) index of the inner slope
    const T* ubar = nullptr;               // (n,) mean magnitude of the source, if counts are free
    UniformCubic ratio;                    // of it: ln of counts over those in log_weight
};

// What is summed: factor[k] exp(e[k]) N_T(gamma_k), with ln Phi(s) of the skew normal split into
// -min(s, 0)^2 / 2, part of e, and the rest, a factor between 0 and 1.
struct KernelTerms {
    alignas(64) double e[kSumBlock];
    alignas(64) float s[kSumBlock];
    alignas(64) float factor[kSumBlock];
};

// e[k] += ratio(ubar[k]).
template <class T>
CLMASSMOD_INLINE void add_ratios(const UniformCubic& ratio, const T* __restrict ubar,
                                 std::size_t count, double* __restrict e) noexcept {
    const double* __restrict coefficients = ratio.coefficients;
    const double start = ratio.start, inverse_step = ratio.inverse_step;
    for (std::size_t k = 0; k < count; ++k) {
        const double position = (static_cast<double>(ubar[k]) - start) * inverse_step;
        const int i = static_cast<int>(position);
        const double t = position - i;
        const double* c = coefficients + 4 * i;
        e[k] += mul_add(mul_add(mul_add(c[3], t, c[2]), t, c[1]), t, c[0]);
    }
}

// e and s of nodes begin .. begin + count.
template <class T>
CLMASSMOD_INLINE void fill_exponents(const GalaxyTerms& given, const KernelNodes<T>& nodes,
                                     std::size_t begin, std::size_t count,
                                     KernelTerms& terms) noexcept {
    const GalaxyTerms g = given;
    const T* __restrict log_mstar = nodes.log_mstar + begin;
    const T* __restrict log_mhalo = nodes.log_mhalo + begin;
    const T* __restrict log_weight = nodes.log_weight + begin;
    double* __restrict e = terms.e;
    float* __restrict s = terms.s;
    for (std::size_t k = 0; k < count; ++k) {
        const double d = mul_add(g.d1, static_cast<double>(log_mstar[k]), g.d0);
        const double halo =
            mul_add(g.halo, static_cast<double>(log_mhalo[k]), -mul_add(g.b, d, g.a));
        const double rest = mul_add(mul_add(g.k2, d, g.k1), d, g.k0);
        const double skew = mul_add(g.s1, d, g.s0);
        const double below = skew < 0.0 ? skew : 0.0;
        const double square = mul_add(halo, halo, below * below);
        e[k] = mul_add(-0.5, square, rest + static_cast<double>(log_weight[k]));
        s[k] = static_cast<float>(skew);
    }
    if (nodes.ubar != nullptr) add_ratios(nodes.ratio, nodes.ubar + begin, count, e);
}

// The terms of nodes begin .. begin + count.
template <class T>
CLMASSMOD_INLINE void fill_terms(const GalaxyTerms& g, const KernelNodes<T>& nodes,
                                 std::size_t begin, std::size_t count,
                                 KernelTerms& terms) noexcept {
    fill_exponents(g, nodes, begin, count, terms);
    for (std::size_t k = 0; k < count; ++k) terms.factor[k] = normal_cdf_factor(terms.s[k]);
}

// Sum over the nodes of their shares in L, times e^-shift.
template <class T>
CLMASSMOD_INLINE double weighted_sum(const KernelNodes<T>& nodes, std::size_t begin,
                                     std::size_t count, const double* slope_weight, double shift,
                                     KernelTerms& terms) noexcept {
    double* __restrict e = terms.e;
    for (std::size_t k = 0; k < count; ++k)
        e[k] = exp_flushed(e[k] - shift) * static_cast<double>(terms.factor[k]);
    double lane[kChunk] = {};
    for (std::size_t c = 0; c < count / kChunk; ++c) {
        const double density = slope_weight[nodes.gamma[begin / kChunk + c]];
        for (std::size_t l = 0; l < kChunk; ++l)
            lane[l] = mul_add(density, e[c * kChunk + l], lane[l]);
    }
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

// Largest e of the nodes whose slope has a density.
template <class T>
CLMASSMOD_INLINE double largest_term(const KernelNodes<T>& nodes, std::size_t begin,
                                     std::size_t count, const double* slope_weight,
                                     const KernelTerms& terms) noexcept {
    double largest = -kInfinity;
    for (std::size_t k = 0; k < count; ++k) {
        const bool there = slope_weight[nodes.gamma[(begin + k) / kChunk]] > 0.0;
        const double one = there ? terms.e[k] : -kInfinity;
        largest = one > largest ? one : largest;
    }
    return largest;
}

// ln of the sum over all nodes, for the densities of the inner slopes at one eta.
CLMASSMOD_TARGETS
inline double log_sum(const GalaxyTerms& g, const KernelNodes<float>& nodes,
                      const double* slope_weight) noexcept {
    KernelTerms terms;
    double total = 0.0;
    for (std::size_t begin = 0; begin < nodes.n; begin += kSumBlock) {
        const std::size_t count = std::min(kSumBlock, nodes.n - begin);
        fill_terms(g, nodes, begin, count, terms);
        total += weighted_sum(nodes, begin, count, slope_weight, 0.0, terms);
    }
    if (total > 1e-250 && total < 1e250) return std::log(total);
    // far from every node's best: once more, relative to the largest
    double largest = -kInfinity;
    for (std::size_t begin = 0; begin < nodes.n; begin += kSumBlock) {
        const std::size_t count = std::min(kSumBlock, nodes.n - begin);
        fill_exponents(g, nodes, begin, count, terms);
        largest = std::max(largest, largest_term(nodes, begin, count, slope_weight, terms));
    }
    if (!(largest > -1e29)) return -kInfinity;
    total = 0.0;
    for (std::size_t begin = 0; begin < nodes.n; begin += kSumBlock) {
        const std::size_t count = std::min(kSumBlock, nodes.n - begin);
        fill_terms(g, nodes, begin, count, terms);
        total += weighted_sum(nodes, begin, count, slope_weight, largest, terms);
    }
    return largest + std::log(total);
}

// -- many lenses ---------------------------------------------------------------------------------

// Points of a population, those with scatter of the mismatch once for each of its nodes.
struct PopulationBatch {
    std::size_t n = 0;               // etas
    std::size_t n_gamma = 0;         // distinct inner slopes
    std::size_t n_mismatch = 1;      // nodes t of the mismatch
    const double* points = nullptr;  // (n, 15)
    const double* gamma = nullptr;   // (n_gamma,)
    const double* t = nullptr;       // (n_mismatch,)
    const double* log_t = nullptr;   // (n_mismatch,) ln of the weights
    PopulationFrame frame;
};

// Density of every inner slope at every eta, (n, n_gamma).
inline void fill_slope_densities(const PopulationBatch& b, double* out) noexcept {
    for (std::size_t i = 0; i < b.n; ++i) {
        const PopulationPoint p = population_point(b.points + i * kPopulationNumbers);
        const double share = normal_share(p.mu_g, p.sigma_g, b.frame.gamma_low, b.frame.gamma_high);
        for (std::size_t j = 0; j < b.n_gamma; ++j)
            out[i * b.n_gamma + j] = slope_density(p, share, b.gamma[j]);
    }
}

// Other counts at every eta: cubics in the mean magnitude, at a few errors of it. The first
// interval to the last hold all nodes.
struct RatioBatch {
    std::size_t n_errors = 0;  // 0: counts are those of the kernels
    std::size_t n_intervals = 0;
    double start = 0.0, inverse_step = 1.0;
    const double* coefficients = nullptr;  // (n etas, n_errors, n_intervals, 4)
    const double* weights = nullptr;       // (n_lenses, n_errors) that interpolate between errors
};

// Parts of lenses: part k has chunks first[k] .. first[k + 1].
struct KernelBatch {
    std::size_t n_lenses = 0;
    const std::size_t* first_part = nullptr;  // (n_lenses + 1,)
    const std::size_t* first = nullptr;       // (n_parts + 1,) in chunks
    const double* log_scale = nullptr;        // (n_parts,) added to ln W
    const double* log_re = nullptr;           // (n_parts,)
    const double* log_msps = nullptr;         // (n_lenses,)
    const double* sigma_msps = nullptr;       // (n_lenses,)
    KernelNodes<float> nodes;                 // of all parts
    RatioBatch ratios;
};

// Intervals of the ratios that nodes lie in.
struct IntervalRange {
    std::size_t first = 0, last = 0;
};

inline IntervalRange interval_range(const RatioBatch& r, const float* ubar,
                                    std::size_t n) noexcept {
    float low = ubar[0], high = ubar[0];
    for (std::size_t k = 1; k < n; ++k) {
        low = ubar[k] < low ? ubar[k] : low;
        high = ubar[k] > high ? ubar[k] : high;
    }
    const auto at = [&](float u) {
        return static_cast<std::size_t>((static_cast<double>(u) - r.start) * r.inverse_step);
    };
    return {at(low), at(high)};
}

// The ratios of one eta at a lens's error of the mean magnitude, where its nodes lie.
inline void mix_ratios(const RatioBatch& r, std::size_t eta, std::size_t lens,
                       const IntervalRange& range, double* out) noexcept {
    const std::size_t size = 4 * r.n_intervals;
    const double* all = r.coefficients + eta * r.n_errors * size;
    const double* weight = r.weights + lens * r.n_errors;
    const std::size_t begin = 4 * range.first, end = 4 * (range.last + 1);
    for (std::size_t k = begin; k < end; ++k) out[k] = weight[0] * all[k];
    for (std::size_t s = 1; s < r.n_errors; ++s)
        for (std::size_t k = begin; k < end; ++k)
            out[k] = mul_add(weight[s], all[s * size + k], out[k]);
}

CLMASSMOD_INLINE double log_add(double a, double b) noexcept {
    const double top = a > b ? a : b;
    if (!(top > -kInfinity)) return top;
    return top + std::log(std::exp(a - top) + std::exp(b - top));
}

// ln L of one lens at all points: out[i * stride].
inline void sum_lens(const KernelBatch& k, const PopulationBatch& b, const double* slope_densities,
                     std::size_t lens, double* out, std::size_t stride) {
    const RatioBatch& ratios = k.ratios;
    const std::size_t first_node = k.first[k.first_part[lens]] * kChunk;
    const std::size_t last_node = k.first[k.first_part[lens + 1]] * kChunk;
    std::vector<double> mixed(ratios.n_errors > 0 ? 4 * ratios.n_intervals : 0);
    IntervalRange range;
    if (ratios.n_errors > 0)
        range = interval_range(ratios, k.nodes.ubar + first_node, last_node - first_node);
    for (std::size_t i = 0; i < b.n; ++i) {
        const PopulationPoint p = population_point(b.points + i * kPopulationNumbers);
        if (ratios.n_errors > 0) mix_ratios(ratios, i, lens, range, mixed.data());
        double total = -kInfinity;
        for (std::size_t part = k.first_part[lens]; part < k.first_part[lens + 1]; ++part) {
            const std::size_t begin = k.first[part], end = k.first[part + 1];
            const KernelNodes<float> nodes{
                (end - begin) * kChunk,
                k.nodes.log_mstar + begin * kChunk,
                k.nodes.log_mhalo + begin * kChunk,
                k.nodes.log_weight + begin * kChunk,
                k.nodes.gamma + begin,
                ratios.n_errors > 0 ? k.nodes.ubar + begin * kChunk : nullptr,
                {mixed.data(), ratios.n_intervals, ratios.start, ratios.inverse_step}};
            const GalaxyData galaxy{k.log_msps[lens], k.sigma_msps[lens], k.log_re[part]};
            const std::size_t n_t = p.sigma_sps > 0.0 ? b.n_mismatch : 1;
            for (std::size_t j = 0; j < n_t; ++j) {
                const double t = n_t > 1 ? b.t[j] : 0.0;
                const double log_t = n_t > 1 ? b.log_t[j] : 0.0;
                const GalaxyTerms g = galaxy_terms(p, b.frame, galaxy, t);
                const double value = log_sum(g, nodes, slope_densities + i * b.n_gamma);
                const double one = value + k.log_scale[part] + log_t;
                total = total > -kInfinity ? log_add(total, one) : one;
            }
        }
        out[i * stride] = total;
    }
}

// out (n, n_lenses) = ln L.
inline Status sum_lenses(const KernelBatch& k, const PopulationBatch& b,
                         const double* slope_densities, double* out, int n_threads) noexcept {
    return for_each_block(k.n_lenses, n_threads, [&](std::size_t lens) {
        try {
            sum_lens(k, b, slope_densities, lens, out + lens, k.n_lenses);
        } catch (const std::bad_alloc&) {
            return Status{StatusCode::no_memory, lens};
        }
        return Status{};
    });
}

}  // namespace clmassmod
