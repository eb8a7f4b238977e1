// Mean of a function of a lens over a population: a product rule whose nodes do not depend on the
// population.
//
//   A(eta) = sum_ij p(x_i | eta) N(h_j | x_i, eta) sum_kl l_k(alpha_i) N_T(gamma_l | eta) C_iklj,
// x = log Msps, h = log Mh; C is the function at log M* = x_i + alpha_k, contracted with the sizes;
// l_k are the polynomials of Lagrange in the mismatch alpha. With several groups g the sizes
// log Re = r_i + e_g are kept, with a density of their own.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "clmassmod/population_density.hpp"
#include "clmassmod/targets.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

constexpr std::size_t kMostHaloNodes = 256;
constexpr std::size_t kMostMismatchNodes = 64;

struct SelectionGrid {
    std::size_t n_groups = 1, n_x = 0, n_alpha = 0, n_gamma = 0, n_h = 0;  // n_h padded to 8
    const double* values = nullptr;  // (n_groups, n_x, n_alpha, n_gamma, n_h)
    const double* x = nullptr;
    const double* x_weight = nullptr;
    const double* alpha = nullptr;
    const double* alpha_weight = nullptr;  // barycentric
    const double* h = nullptr;
    const double* h_weight = nullptr;  // 0 where only padded
    const double* mean_re = nullptr;   // (n_x,) r_i
    const double* excess = nullptr;    // (n_groups,) e_g
    const double* excess_weight = nullptr;
    bool with_sizes = false;  // the density of the sizes is in the sum
};

// The polynomials of Lagrange at a, times `factor`.
inline void lagrange(const SelectionGrid& g, double a, double factor, double* out) noexcept {
    double total = 0.0;
    for (std::size_t k = 0; k < g.n_alpha; ++k) {
        const double gap = a - g.alpha[k];
        if (gap == 0.0) {
            for (std::size_t j = 0; j < g.n_alpha; ++j) out[j] = j == k ? factor : 0.0;
            return;
        }
        out[k] = g.alpha_weight[k] / gap;
        total += out[k];
    }
    for (std::size_t k = 0; k < g.n_alpha; ++k) out[k] *= factor / total;
}

// acc[h] += sum over alpha and gamma of weights times the function.
CLMASSMOD_TARGETS
inline void contract_row(const SelectionGrid& g, const double* values, const double* alpha_weight,
                         const double* gamma_weight, double* acc) noexcept {
    for (std::size_t k = 0; k < g.n_alpha; ++k)
        for (std::size_t l = 0; l < g.n_gamma; ++l) {
            const double w = alpha_weight[k] * gamma_weight[l];
            const double* v = values + (k * g.n_gamma + l) * g.n_h;
            for (std::size_t j = 0; j < g.n_h; ++j) acc[j] = mul_add(w, v[j], acc[j]);
        }
}

// Normal density of the halo masses about `mean`, dotted with acc.
CLMASSMOD_TARGETS
inline double halo_sum(const SelectionGrid& g, double mean, double inverse, const double* acc,
                       double* e) noexcept {
    for (std::size_t j = 0; j < g.n_h; ++j) {
        const double z = (g.h[j] - mean) * inverse;
        e[j] = exp_flushed(-0.5 * z * z) * g.h_weight[j];
    }
    double lane[8] = {};
    for (std::size_t j = 0; j < g.n_h; j += 8)
        for (std::size_t l = 0; l < 8; ++l) lane[l] = mul_add(e[j + l], acc[j + l], lane[l]);
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

struct SelectionPoints {
    std::size_t n = 0;
    const double* points = nullptr;  // (n, 15)
    std::size_t n_t = 0;             // nodes of the scatter of the mismatch
    const double* t = nullptr;
    const double* t_weight = nullptr;
    PopulationFrame frame;
};

// The share of stellar mass x_i at one eta.
inline double selection_row(const SelectionGrid& g, const SelectionPoints& s, std::size_t i,
                            const PopulationPoint& p, const double* gamma_weight) noexcept {
    constexpr double kInverseRootTwoPi = 0.39894228040143267794;
    double alpha_weight[kMostMismatchNodes], one[kMostMismatchNodes];
    alignas(64) double acc[kMostHaloNodes], e[kMostHaloNodes];
    const double x = g.x[i];
    std::fill(alpha_weight, alpha_weight + g.n_alpha, 0.0);
    const double mean_alpha = p.alpha_sps + p.beta_sps * (x - s.frame.pivot_sps);
    const std::size_t n_t = p.sigma_sps > 0.0 ? s.n_t : 1;
    for (std::size_t k = 0; k < n_t; ++k) {
        const double t = n_t > 1 ? s.t[k] : 0.0;
        lagrange(g, mean_alpha + p.sigma_sps * t, n_t > 1 ? s.t_weight[k] : 1.0, one);
        for (std::size_t j = 0; j < g.n_alpha; ++j) alpha_weight[j] += one[j];
    }
    const double z = (x - p.mu_star) / p.sigma_star;
    const double skew = log_normal_cdf(std::exp(kLn10 * p.shape_star) * z);
    const double density = 2.0 * kInverseRootTwoPi / p.sigma_star * std::exp(skew - 0.5 * z * z);
    const std::size_t slab = g.n_alpha * g.n_gamma * g.n_h;
    const double mean_re = p.mu_r + p.beta_r * (x - s.frame.pivot_r);
    double total = 0.0;
    for (std::size_t group = 0; group < g.n_groups; ++group) {
        std::fill(acc, acc + g.n_h, 0.0);
        contract_row(g, g.values + (group * g.n_x + i) * slab, alpha_weight, gamma_weight, acc);
        const double excess = g.with_sizes ? g.mean_re[i] + g.excess[group] - mean_re : 0.0;
        double share = 1.0;
        if (g.with_sizes) {
            const double size = excess / p.sigma_r;
            share = kInverseRootTwoPi / p.sigma_r * std::exp(-0.5 * size * size) *
                    g.excess_weight[group];
        }
        const double mean = p.mu_h + p.beta_h * (x - s.frame.pivot_h) + p.xi_h * excess;
        total += share * halo_sum(g, mean, 1.0 / p.sigma_h, acc, e);
    }
    return total * density * g.x_weight[i] * kInverseRootTwoPi / p.sigma_h;
}

// out (n, n_x): shares of every stellar mass; `gamma_weight` (n, n_gamma) densities times weights.
inline void selection_shares(const SelectionGrid& g, const SelectionPoints& s,
                             const double* gamma_weight, double* out, int n_threads) noexcept {
    for_each_block(g.n_x, n_threads, [&](std::size_t i) {
        for (std::size_t k = 0; k < s.n; ++k)
            out[k * g.n_x + i] =
                selection_row(g, s, i, population_point(s.points + k * kPopulationNumbers),
                              gamma_weight + k * g.n_gamma);
        return Status{};
    });
}

}  // namespace clmassmod
