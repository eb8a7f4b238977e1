// Generalised NFW: rho = rho_s / (x^g (1 + x)^(3 - g)), inner slope g (Zhao 1996; Jing & Suto
// 2000).
//
// Enclosed mass, with a = 3 - g, y = x/(1 + x), w = 1/(1 + x): M / (4 pi rho_s r_s^3) is
//   int_0^y s^(a-1)/(1 - s) ds = y^a sum_k y^k/(a + k)                                   (y <= 1/2)
//                              = -ln w - psi(a) - gamma_E - sum_(k>0) d_k w^k/k,
//                                d_k = d_(k-1) (k - a)/k, d_0 = 1                        (w <= 1/2)
#pragma once

#include <cmath>
#include <cstddef>

#include "clmassmod/profiles/local.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

constexpr double kEulerGamma = 0.57721566490153286061;

// psi(a) for a > 0: recurrence up to a + 8, then the asymptotic series; absolute error below 1e-15.
CLMASSMOD_INLINE double digamma(double a) noexcept {
    double sum = 0.0;
    for (int k = 0; k < 8; ++k) sum += 1.0 / (a + k);
    const double b = a + 8.0;
    const double z = 1.0 / (b * b);
    const double tail =
        z *
        (1.0 / 12.0 -
         z * (1.0 / 120.0 -
              z * (1.0 / 252.0 - z * (1.0 / 240.0 - z * (1.0 / 132.0 - z * (691.0 / 32760.0 -
                                                                            z * (1.0 / 12.0)))))));
    return (log_positive(b) - 0.5 / b - tail) - sum;
}

struct Reciprocals {
    double of[53];
    constexpr Reciprocals() noexcept : of{} {
        for (int k = 1; k < 53; ++k) of[k] = 1.0 / k;
    }
};
constexpr Reciprocals kReciprocal;

struct Gnfw {
    // M(x) / (4 pi rho_s r_s^3); relative error below 2e-14 for 1e-6 <= x <= 1e6, 0 <= g < 3
    static CLMASSMOD_INLINE double enclosed_mass(double x, double inner_slope) noexcept {
        const double a = 3.0 - inner_slope;
        const double w = 1.0 / (1.0 + x);
        const double y = x * w;
        if (y <= 0.5) {
            double power = 1.0, series = 1.0 / a;
            for (int k = 1; k <= 52; ++k) {
                power *= y;
                series += power / (a + k);
            }
            return exp_flushed(a * log_positive(y)) * series;
        }
        double term = 1.0, rest = 0.0;
        for (int k = 1; k <= 52 && std::fabs(term) > 1e-18; ++k) {
            term *= w * (1.0 - a * kReciprocal.of[k]);
            rest += term * kReciprocal.of[k];
        }
        return -log_positive(w) - (digamma(a) + kEulerGamma) - rest;
    }

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
