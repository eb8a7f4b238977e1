// Dual pseudo-isothermal profile (Eliasdottir et al. 2007, appendix A), x = r / r_cut and shape
// q = r_core / r_cut: rho = rho_s / ((q^2 + x^2)(1 + x^2)), with rho_s = rho_0 q^2.
//
// With A = sqrt(q^2 + x^2), B = sqrt(1 + x^2) every difference of the published forms has a common
// factor; what is left is a sum of positive terms, for any q from 0 (no core) through 1 and above:
//   Sigma / (rho_s r_s)      = pi / (A B (A + B)),
//   mean Sigma / (rho_s r_s) = 2 pi (1 + q + A + B) / ((1 + q)(A + B)(A + q)(B + 1)).
#pragma once

#include <cmath>

#include "clmassmod/profiles/projection.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct Dpie {
    static CLMASSMOD_INLINE double density(double x, double q) noexcept {
        const double square = x * x;
        return 1.0 / ((q * q + square) * (1.0 + square));
    }
    static CLMASSMOD_INLINE double density_slope(double x, double q) noexcept {
        const double square = x * x;
        const double core = 1.0 / (q * q + square);
        const double cut = 1.0 / (1.0 + square);
        return -2.0 * square * core * cut * (core + cut);
    }

    // m = (arctan x - q arctan(x/q))/(1 - q^2). With e = 1 - q and y = x/(q + x^2),
    //   (1 + q) m = arctan x - q y T(e y), T(t) = arctan(t)/t = 1 - t^2 T_1(t):
    // no pole at q = 1; below x = 0.4 the leading terms are taken out of both arctangents
    static CLMASSMOD_INLINE double enclosed_mass(double x, double q) noexcept {
        const double square = x * x;
        const double y = x / (q + square);
        const double step = (1.0 - q) * y;
        const Arctan outer = arctan_kernels(x);
        const Arctan inner = arctan_kernels(std::fabs(step));
        const double direct = x * outer.zeroth - q * y * inner.zeroth;
        const double series = square * (y - x * outer.first) + q * y * (step * step) * inner.first;
        return (x < 0.4 ? series : direct) / (1.0 + q);
    }

    struct Roots {
        double core, cut, sum;  // A, B, A + B
    };
    static CLMASSMOD_INLINE Roots roots(double x, double q) noexcept {
        const double square = x * x;
        const double core = std::sqrt(q * q + square);
        const double cut = std::sqrt(1.0 + square);
        return {core, cut, core + cut};
    }

    static CLMASSMOD_INLINE double surface(const Roots& s) noexcept {
        return kPi / (s.core * s.cut * s.sum);
    }
    // A = q + alpha, B = 1 + beta with alpha = x^2/(A + q), beta = x^2/(B + 1)
    static CLMASSMOD_INLINE double excess(double x, double q, const Roots& s) noexcept {
        const double square = x * x;
        const double core = s.core + q;
        const double cut = s.cut + 1.0;
        const double product = core * cut;
        const double inverse = 1.0 / (product * product * (1.0 + q) * s.sum * s.core * s.cut);
        // alpha and beta times (A + q)(B + 1)
        const double alpha = square * cut;
        const double beta = square * core;
        const double first = (1.0 + q) * (3.0 * square * square + 2.0 * alpha + 2.0 * q * beta);
        const double second = 2.0 * s.core * s.cut * (alpha + beta);
        return kPi * (first + second) * inverse;
    }

    static CLMASSMOD_INLINE double surface_density(double x, double q) noexcept {
        return surface(roots(x, q));
    }
    static CLMASSMOD_INLINE double mean_surface_density(double x, double q) noexcept {
        const Roots s = roots(x, q);
        return 2.0 * kPi * (1.0 + q + s.sum) / ((1.0 + q) * s.sum * (s.core + q) * (s.cut + 1.0));
    }
    static CLMASSMOD_INLINE double excess_surface_density(double x, double q) noexcept {
        return excess(x, q, roots(x, q));
    }
    static CLMASSMOD_INLINE Projection project(double x, double q) noexcept {
        const Roots s = roots(x, q);
        return {surface(s), excess(x, q, s)};
    }
    static CLMASSMOD_INLINE double surface_density_slope(double x, double q) noexcept {
        const Roots s = roots(x, q);
        const double core = x / s.core;
        const double cut = x / s.cut;
        return -surface(s) * (core * core + cut * cut + core * cut);
    }
};

}  // namespace clmassmod
