// Diemer 2023, eq. 14 (model A): rho = rho_s e^S, S = -(2/alpha)(x^alpha - 1) - (1/b)[(x/t)^b -
// (1/t)^b], and matter falling in. In units of rho_s; parameters (alpha, b, t, infalling...).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "clmassmod/profiles/infalling.hpp"
#include "clmassmod/profiles/local.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct Diemer23 {
    static constexpr std::size_t kParameters = 3 + Infalling::kParameters;
    double alpha, beta, truncation, log_truncation, at_scale;
    Infalling infalling;
    explicit Diemer23(const double* p) noexcept
        : alpha(p[0]),
          beta(p[1]),
          truncation(p[2]),
          log_truncation(std::log(p[2])),
          at_scale(std::exp(-beta * log_truncation)),
          infalling(p + 3) {}

    CLMASSMOD_INLINE Local at(double x) const noexcept {
        const double log_x = log_positive(x);
        const double power = bounded_power(log_x, alpha);
        const double steep = bounded_power(log_x - log_truncation, beta);
        const double value = exp_flushed((2.0 / alpha) * (1.0 - power) - (steep - at_scale) / beta);
        return sum_of({value, 2.0 * power + steep}, infalling.at(log_x));
    }
    double panel(double x, bool outward) const noexcept {
        const double wide = std::min(11.0, 5.5 / alpha);
        // above `high` the truncated part is below e^-40
        const double high = truncation * std::pow(40.0 * beta, 1.0 / beta);
        const Feature feature{truncation / 3.0, high, 4.5 / beta};
        return std::min(feature.panel(x, outward, wide), infalling.panel(x, outward, wide));
    }
    double power_law_below() const noexcept { return 0.0; }
    double support() const noexcept {
        if (infalling.amplitude > 0.0) return kInfinity;
        return std::min(truncation * std::pow(beta * kNegligible, 1.0 / beta),
                        std::pow(1.0 + 0.5 * alpha * kNegligible, 1.0 / alpha));
    }
};

}  // namespace clmassmod
