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

// The concentration at which h is `ratio` times h(c); NaN without convergence.
template <class Profile>
double converted_concentration(double c, double ratio) noexcept {
    constexpr int kMaxSteps = 60;
    const double target = std::log(Profile::enclosed_mass(c, 0.0)) + std::log(ratio);
    double step_sum = 0.0;  // ln(c'/c)
    for (int k = 0; k < kMaxSteps; ++k) {
        const double x = c * std::exp(step_sum);
        const double m = Profile::enclosed_mass(x, 0.0);
        const double excess = std::log(m) - 3.0 * step_sum - target;
        const double slope = x * x * x * Profile::density(x, 0.0) / m - 3.0;
        const double step = -excess / slope;
        step_sum += step;
        // quadratic convergence: what is left is the square of the step
        if (std::fabs(step) < 1e-8) return c * std::exp(step_sum);
    }
    return kNaN;
}

template <class Profile>
Status run_conversion(const ConversionBatch& b, int n_threads) noexcept {
    constexpr std::size_t kBlock = 256;
    const std::size_t blocks = (b.n + kBlock - 1) / kBlock;
    return for_each_block(blocks, n_threads, [&](std::size_t block) {
        Status status;
        const std::size_t end = std::min((block + 1) * kBlock, b.n);
        for (std::size_t i = block * kBlock; i < end; ++i) {
            const double c = b.concentration[i];
            const double found =
                converted_concentration<Profile>(c, b.density_to[i] / b.density_from[i]);
            const double mass =
                b.mass[i] * (Profile::enclosed_mass(found, 0.0) / Profile::enclosed_mass(c, 0.0));
            b.concentration_out[i] = found;
            b.mass_out[i] = mass;
            if (!(found > 0.0 && mass > 0.0 && mass < kInfinity))
                status.merge({StatusCode::no_convergence, i});
        }
        return status;
    });
}

inline Status convert_nfw(const ConversionBatch& batch, int n_threads) noexcept {
    return run_conversion<Nfw>(batch, n_threads);
}

}  // namespace clmassmod
