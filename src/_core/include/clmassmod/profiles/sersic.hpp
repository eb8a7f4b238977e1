// Sersic 1968: Sigma = Sigma_e e^b exp(-b X^(1/n)), X = R / R_e; a surface density.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "clmassmod/profiles/local.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct Sersic {
    static constexpr std::size_t kParameters = 2;
    double power, b;  // 1/n, b_n
    explicit Sersic(const double* p) noexcept : power(1.0 / p[0]), b(p[1]) {}

    CLMASSMOD_INLINE Local at(double x) const noexcept {
        const double t = b * exp_flushed(power * log_positive(x));
        return {exp_flushed(-t), power * t, power * power * t};
    }
    double panel(double, bool) const noexcept { return std::min(11.0, 5.5 / power); }
    double power_law_below() const noexcept { return 0.0; }
    double support() const noexcept { return std::pow(kNegligible / b, 1.0 / power); }
};

}  // namespace clmassmod
