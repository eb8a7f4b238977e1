// Generalised NFW: rho = rho_s / (x^g (1 + x)^(3 - g)), inner slope g (Zhao 1996; Jing & Suto
// 2000).
#pragma once

#include <cstddef>

#include "clmassmod/profiles/local.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct Gnfw {
    static constexpr std::size_t kParameters = 1;
    double inner;
    explicit Gnfw(const double* p) noexcept : inner(p[0]) {}

    CLMASSMOD_INLINE Local at(double x) const noexcept {
        const double outer = 3.0 - inner;
        const double y = 1.0 + x;
        return {exp_flushed(-inner * log_positive(x) - outer * log_positive(y)),
                inner + outer * (x / y)};
    }
    double panel(double, bool) const noexcept { return 11.0; }  // singular at x = -1: strip pi
    double power_law_below() const noexcept { return 1e-17; }
    double support() const noexcept { return kInfinity; }
};

}  // namespace clmassmod
