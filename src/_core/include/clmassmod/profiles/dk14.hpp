// Diemer & Kravtsov 2014, eq. 4: an Einasto profile times [1 + (x/t)^b]^(-g/b), and matter falling
// in. In units of rho_s; parameters (alpha, b, g, t, infalling...).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "clmassmod/profiles/infalling.hpp"
#include "clmassmod/profiles/local.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct Dk14 {
    static constexpr std::size_t kParameters = 4 + Infalling::kParameters;
    double alpha, beta, gamma, truncation, log_truncation;
    Infalling infalling;
    explicit Dk14(const double* p) noexcept
        : alpha(p[0]),
          beta(p[1]),
          gamma(p[2]),
          truncation(p[3]),
          log_truncation(std::log(p[3])),
          infalling(p + 4) {}

    CLMASSMOD_INLINE Local at(double x) const noexcept {
        const double log_x = log_positive(x);
        const double power = bounded_power(log_x, alpha);
        const double steep = bounded_power(log_x - log_truncation, beta);
        const double base = 1.0 + steep;
        const double value =
            exp_flushed((2.0 / alpha) * (1.0 - power) - (gamma / beta) * log_positive(base));
        return sum_of({value, 2.0 * power + gamma * (steep / base)}, infalling.at(log_x));
    }
    double panel(double x, bool outward) const noexcept {
        const double wide = std::min(11.0, 5.5 / alpha);
        const Feature feature{truncation / 3.0, truncation * 3.0, 10.0 / beta};
        return std::min(feature.panel(x, outward, wide), infalling.panel(x, outward, wide));
    }
    double power_law_below() const noexcept { return 0.0; }
    double support() const noexcept {
        if (infalling.amplitude > 0.0) return kInfinity;
        return std::pow(1.0 + 0.5 * alpha * kNegligible, 1.0 / alpha);
    }
};

}  // namespace clmassmod
