// Einasto 1965: rho = rho_s exp(-(2/a) (x^a - 1)), x = r / r_-2.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "clmassmod/profiles/local.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct Einasto {
    static constexpr std::size_t kParameters = 1;
    double alpha, scale;
    explicit Einasto(const double* p) noexcept : alpha(p[0]), scale(2.0 / p[0]) {}

    CLMASSMOD_INLINE Local at(double x) const noexcept {
        const double power = exp_flushed(alpha * log_positive(x));
        return {exp_flushed(scale * (1.0 - power)), 2.0 * power};
    }
    // entire in ln x, but growing doubly exponentially beyond |Im ln x| = pi/(2 alpha)
    double panel(double, bool) const noexcept { return std::min(11.0, 5.5 / alpha); }
    double power_law_below() const noexcept { return 0.0; }
    double support() const noexcept { return std::pow(1.0 + kNegligible / scale, 1.0 / alpha); }
};

}  // namespace clmassmod
