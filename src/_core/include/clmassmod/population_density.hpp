// Density of a population of lens galaxies along one lens: what is left of it when the observed
// stellar mass and size are given, as a function of log M* and log Mh.
//
// With x = log Msps and m = log M* = x + alpha + beta_sps (x - pivot) + sigma_sps t,
//   ln p = ln[N(obs; x) SN(x) N(log Re | x) N(log Mh | x, log Re)] - ln(1 + beta_sps),
// a quadratic form in x and log Mh plus ln Phi(shape z) of the skew normal.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "clmassmod/simd_math.hpp"

namespace clmassmod {

// The order of `clmassmod.population.parameters.PARAMETERS`.
struct PopulationPoint {
    double mu_star, sigma_star, shape_star;
    double mu_r, beta_r, sigma_r;
    double mu_h, beta_h, xi_h, sigma_h;
    double mu_g, sigma_g;
    double alpha_sps, sigma_sps, beta_sps;
};
constexpr std::size_t kPopulationNumbers = 15;

struct PopulationFrame {
    double pivot_r, pivot_h, pivot_sps;
    double gamma_low, gamma_high;  // support of the inner slope
};

inline PopulationPoint population_point(const double* v) noexcept {
    return {v[0], v[1], v[2],  v[3],  v[4],  v[5],  v[6], v[7],
            v[8], v[9], v[10], v[11], v[12], v[13], v[14]};
}

// What is observed of one galaxy.
struct GalaxyData {
    double log_msps, sigma_msps, log_re;
};

// ln p = k0 + d (k1 + d k2) - (h y - (a + b d))^2 / 2 + ln Phi(s0 + s1 d), with y = log Mh and
// d = d0 + d1 m = x - log_msps.
struct GalaxyTerms {
    double d0, d1;
    double k0, k1, k2;
    double halo, a, b;
    double s0, s1;
};

// `t` is the deviation of the mismatch in units of its scatter.
inline GalaxyTerms galaxy_terms(const PopulationPoint& p, const PopulationFrame& frame,
                                const GalaxyData& galaxy, double t) noexcept {
    constexpr double kHalfLogTwoPi = 0.91893853320467274178;
    const double stretch = 1.0 + p.beta_sps;
    GalaxyTerms g;
    g.d1 = 1.0 / stretch;
    g.d0 =
        (p.beta_sps * frame.pivot_sps - p.alpha_sps - p.sigma_sps * t) / stretch - galaxy.log_msps;
    // three normal densities whose deviations are (c + e d) / sigma
    const double inverse_star = 1.0 / p.sigma_star, inverse_r = 1.0 / p.sigma_r;
    const double inverse_m = 1.0 / galaxy.sigma_msps;
    const double star = (galaxy.log_msps - p.mu_star) * inverse_star;
    const double excess =
        galaxy.log_re - p.mu_r - p.beta_r * (galaxy.log_msps - frame.pivot_r);  // at d = 0
    const double size = excess * inverse_r, size_slope = -p.beta_r * inverse_r;
    g.k0 = -0.5 * (star * star + size * size) - 4.0 * kHalfLogTwoPi + kLn2 -
           std::log(galaxy.sigma_msps * p.sigma_star * p.sigma_r * p.sigma_h * stretch);
    g.k1 = -(star * inverse_star + size * size_slope);
    g.k2 = -0.5 * (inverse_m * inverse_m + inverse_star * inverse_star + size_slope * size_slope);
    g.halo = 1.0 / p.sigma_h;
    g.a = (p.mu_h + p.beta_h * (galaxy.log_msps - frame.pivot_h) + p.xi_h * excess) * g.halo;
    g.b = (p.beta_h - p.xi_h * p.beta_r) * g.halo;
    const double shape = std::exp(kLn10 * p.shape_star);
    g.s0 = shape * star;
    g.s1 = shape * inverse_star;
    return g;
}

// ln Phi(s), for s < -5 by the continued fraction
// erfc(u) = e^(-u^2) / (sqrt(pi) (u + (1/2)/(u + 1/(u + (3/2)/(u + ...))))).
inline double log_normal_cdf(double s) noexcept {
    constexpr double kRootHalf = 0.70710678118654752440;
    if (s > -5.0) return std::log1p(-0.5 * std::erfc(s * kRootHalf));
    const double u = -s * kRootHalf;
    double fraction = u;
    for (int k = 120; k >= 1; --k) fraction = u + 0.5 * k / fraction;
    return -u * u - std::log(2.0 * fraction) - 0.57236494292470008707;
}

// e^x in single precision for x <= 0; below -87 no longer smaller.
CLMASSMOD_INLINE float exp_single(float x) noexcept {
    constexpr float kShift = 12582912.0f;  // 1.5 * 2^23: rounds to an integer
    const float inside = x < -87.0f ? -87.0f : x;
    const float shifted = inside * 1.44269504f + kShift;
    const float n = shifted - kShift;
    const float r = __builtin_fmaf(n, -1.42860677e-6f, __builtin_fmaf(n, -0.693145752f, inside));
    float p = 1.0f / 720.0f;
    p = __builtin_fmaf(p, r, 1.0f / 120.0f);
    p = __builtin_fmaf(p, r, 1.0f / 24.0f);
    p = __builtin_fmaf(p, r, 1.0f / 6.0f);
    p = __builtin_fmaf(p, r, 0.5f);
    p = __builtin_fmaf(p, r, 1.0f);
    p = __builtin_fmaf(p, r, 1.0f);
    const std::uint32_t scale = std::bit_cast<std::uint32_t>(shifted) << 23;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) + scale);
}

// Phi(s) e^(min(s, 0)^2 / 2), between 0 and 1, to 3e-7 of it: single precision, since ln L adds up
// thousands of nodes. Below 0, erfcx(-s/sqrt 2)/2 = t Q(t) with t = 4/(4 - s), Q the polynomial
// with the least relative error, 4e-8; above, 1 - Phi(-s).
CLMASSMOD_INLINE float normal_cdf_factor(float s) noexcept {
    const float w = s < 0.0f ? -s : s;
    const float t = 4.0f / (4.0f + w);
    float q = 0.019781969081400064f;
    q = __builtin_fmaf(q, t, -0.0808771354711039f);
    q = __builtin_fmaf(q, t, 0.0955967654251868f);
    q = __builtin_fmaf(q, t, -0.031717211674388346f);
    q = __builtin_fmaf(q, t, 0.06369893489370555f);
    q = __builtin_fmaf(q, t, 0.05897520815929128f);
    q = __builtin_fmaf(q, t, 0.08160309806620882f);
    q = __builtin_fmaf(q, t, 0.0934663562810862f);
    q = __builtin_fmaf(q, t, 0.09973643158187584f);
    q = __builtin_fmaf(q, t, 0.09973556672322559f);
    const float tail = t * q;
    const float above = __builtin_fmaf(-tail, exp_single(-0.5f * w * w), 1.0f);
    return s < 0.0f ? tail : above;
}

// Phi of (high - mu)/sigma minus Phi of (low - mu)/sigma, from the smaller tails.
inline double normal_share(double mu, double sigma, double low, double high) noexcept {
    constexpr double kRootHalf = 0.70710678118654752440;
    double a = (low - mu) / sigma, b = (high - mu) / sigma;
    if (a + b > 0.0) {
        const double kept = a;
        a = -b;
        b = -kept;
    }
    return 0.5 * (std::erfc(-b * kRootHalf) - std::erfc(-a * kRootHalf));
}

// Density of the inner slope, normal and cut to its support.
inline double slope_density(const PopulationPoint& p, double share, double gamma) noexcept {
    constexpr double kInverseRootTwoPi = 0.39894228040143267794;
    const double z = (gamma - p.mu_g) / p.sigma_g;
    return kInverseRootTwoPi / (p.sigma_g * share) * std::exp(-0.5 * z * z);
}

}  // namespace clmassmod
