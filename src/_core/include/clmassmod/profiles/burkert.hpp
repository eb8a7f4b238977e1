// Burkert 1995: rho = rho_s / ((1 + x) (1 + x^2)), a cored halo.
#pragma once

#include <cstddef>

#include "clmassmod/profiles/local.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct Burkert {
    static constexpr std::size_t kParameters = 0;
    explicit Burkert(const double*) noexcept {}

    CLMASSMOD_INLINE Local at(double x) const noexcept {
        const double y = 1.0 + x;
        const double square = 1.0 + x * x;
        const double inverse = 1.0 / (y * square);
        return {inverse, x * (square + 2.0 * x * y) * inverse};
    }
    double panel(double, bool) const noexcept { return 5.5; }  // singular at x = +-i: strip pi/2
    double power_law_below() const noexcept { return 0.0; }
    double support() const noexcept { return kInfinity; }
};

}  // namespace clmassmod
