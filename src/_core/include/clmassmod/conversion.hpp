// From one spherical-overdensity mass definition to another, for one halo profile.
//
// The mean density inside r = c r_s goes as h(c) = m(c)/c^3. The concentration c' of the other
// definition solves ln h(c') = ln h(c) + ln(rho_to / rho_from); M' = M m(c')/m(c).
// ln h is concave and falls in ln c, so that Newton's method in ln c converges from anywhere:
// the first step lands at or beyond the root, the others approach it from there.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "clmassmod/profiles/nfw.hpp"
#include "clmassmod/simd_math.hpp"
#include "clmassmod/status.hpp"
#include "clmassmod/targets.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

struct ConversionBatch {
    std::size_t n = 0;
    const double* mass = nullptr;           // (n,) > 0
    const double* concentration = nullptr;  // (n,) > 0
    const double* density_from = nullptr;   // (n,) > 0
    const double* density_to = nullptr;     // (n,) > 0
    double* mass_out = nullptr;             // (n,)
    double* concentration_out = nullptr;    // (n,)
};

constexpr std::size_t kConversionBlock = 256;
// quadratic convergence: what is left after a step is about its square
constexpr double kLastStep = 1e-8;

struct ConversionBlock {
    double target[kConversionBlock];     // ln of the mass wanted at c' = c
    double log_ratio[kConversionBlock];  // ln(c'/c)
    double resting[kConversionBlock];    // 1 once converged: its bits no longer change
};

// One step of Newton's method for a whole block; returns how many elements still move.
template <class Profile>
CLMASSMOD_TARGETS std::size_t conversion_step(const double* c, ConversionBlock& b,
                                              std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        const double s = b.log_ratio[i];
        const double x = c[i] * exp_flushed(s);
        const double m = Profile::enclosed_mass(x, 0.0);
        const double excess = log_positive(m) - 3.0 * s - b.target[i];
        const double slope = x * x * x * Profile::density(x, 0.0) / m - 3.0;
        const double step = -excess / slope;
        b.log_ratio[i] = b.resting[i] > 0.5 ? s : s + step;
        b.resting[i] = b.resting[i] > 0.5 || std::fabs(step) < kLastStep ? 1.0 : 0.0;
    }
    std::size_t moving = 0;
    for (std::size_t i = 0; i < n; ++i) moving += b.resting[i] < 0.5 ? 1 : 0;
    return moving;
}

template <class Profile>
CLMASSMOD_TARGETS void conversion_begin(const ConversionBatch& batch, std::size_t first,
                                        std::size_t n, ConversionBlock& b) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        const double mass = Profile::enclosed_mass(batch.concentration[first + i], 0.0);
        const double ratio = batch.density_to[first + i] / batch.density_from[first + i];
        b.target[i] = log_positive(mass) + log_positive(ratio);
        b.log_ratio[i] = b.resting[i] = 0.0;
    }
}

template <class Profile>
CLMASSMOD_TARGETS void conversion_end(const ConversionBatch& batch, std::size_t first,
                                      std::size_t n, const ConversionBlock& b) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        const double c = batch.concentration[first + i];
        const double x = b.resting[i] > 0.5 ? c * exp_flushed(b.log_ratio[i]) : kNaN;
        batch.concentration_out[first + i] = x;
        batch.mass_out[first + i] = batch.mass[first + i] * (Profile::enclosed_mass(x, 0.0) /
                                                             Profile::enclosed_mass(c, 0.0));
    }
}

template <class Profile>
Status run_conversion(const ConversionBatch& batch, int n_threads) noexcept {
    constexpr int kMaxSteps = 60;
    const std::size_t blocks = (batch.n + kConversionBlock - 1) / kConversionBlock;
    return for_each_block(blocks, n_threads, [&](std::size_t block) {
        ConversionBlock b;
        Status status;
        const std::size_t first = block * kConversionBlock;
        const std::size_t n = std::min(kConversionBlock, batch.n - first);
        conversion_begin<Profile>(batch, first, n, b);
        for (int k = 0; k < kMaxSteps; ++k)
            if (conversion_step<Profile>(batch.concentration + first, b, n) == 0) break;
        conversion_end<Profile>(batch, first, n, b);
        for (std::size_t i = first; i < first + n; ++i) {
            const double mass = batch.mass_out[i];
            if (!(mass > 0.0 && mass < kInfinity)) status.merge({StatusCode::no_convergence, i});
        }
        return status;
    });
}

inline Status convert_nfw(const ConversionBatch& batch, int n_threads) noexcept {
    return run_conversion<Nfw>(batch, n_threads);
}

}  // namespace clmassmod
