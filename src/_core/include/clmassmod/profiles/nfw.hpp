// Navarro, Frenk & White 1997: rho = rho_s / (x (1 + x)^2), x = r / r_s.
//
// Projection (Bartelmann 1996; Wright & Brainerd 2000), rewritten free of cancellation. With
// w = (1 - x)/(1 + x) and T(w) = artanh(sqrt w)/sqrt w (arctan for w < 0), analytic at w = 0,
//   A = (1 + w) T(w) = arcosh(1/x)/sqrt(1 - x^2)  (or arccos(1/x)/sqrt(x^2 - 1)),
//   Sigma / (rho_s r_s)      = 2 (1 - A)/(x^2 - 1) = U (1 + w)^2 / 2,  U = T + (T - 1)/w,
//   mean Sigma / (rho_s r_s) = 4 G / x^2,  G = ln(x/2) + A.
// Measured against 50-digit mpmath for 1e-8 < x < 1e6: below 2e-14 relative, x = 1 included.
#pragma once

#include <cmath>

#include "clmassmod/profiles/projection.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct Nfw {
    static CLMASSMOD_INLINE double density(double x, double) noexcept {
        return 1.0 / (x * (1.0 + x) * (1.0 + x));
    }

    static CLMASSMOD_INLINE double density_slope(double x, double) noexcept {
        const double y = 1.0 + x;
        return -(1.0 + 3.0 * x) / (x * y * (y * y));
    }

    // ln(1 + x) - x/(1 + x), with the series below x = 0.1 where the terms cancel
    static CLMASSMOD_INLINE double enclosed_mass(double x, double) noexcept {
        // y = x/(1+x): ln(1+x) = -ln(1-y) = y + y^2/2 + y^3/3 ...
        const double y = x / (1.0 + x);
        double p = 1.0 / 16.0;
        for (int k = 15; k >= 2; --k) p = p * y + 1.0 / k;
        const double series = y * y * p;
        const double direct = log_positive(1.0 + x) - y;
        return x < 0.1 ? series : direct;
    }

    // T, T_1 = (T - 1)/w, T_2 = (T_1 - 1/3)/w, T_3 = (T_2 - 1/5)/w at w = (1 - x)/(1 + x), and what
    // G shares with them. Divisions dominate the cost, so reciprocals are taken of products.
    struct Arc {
        double w, one_plus_w, inverse_x, inverse_q, log_x;
        double gap;       // (1 - q)/x^2 = 1/(1 + q), q = sqrt|1 - x^2|
        double log_half;  // ln((1 + q)/2)/x^2, for x < 0.71
        double zeroth, first, second, third;
    };

    static CLMASSMOD_INLINE Arc arc(double x) noexcept {
        const double y = 1.0 + x;
        const double both = 1.0 / (x * y);
        const double inverse_y = x * both;
        const double w = (1.0 - x) * inverse_y;
        const double t = std::sqrt(std::fabs(w));
        // q = sqrt|1 - x^2| matters for x < 1 only, where ln((1 + q)/2) = -2 artanh(x^2 s) with
        // s = 1/(4 (1 + q) - x^2); elsewhere a harmless value keeps the shared reciprocal finite
        const double square = x * x;
        const double q = y * t;
        const double a = 1.0 + q;
        const double b = w > 0.0 ? 4.0 * a - square : 1.0;
        const double c = mul_add(t, t, t);
        const double ab = a * b;
        const double all = 1.0 / (c * ab);
        const double both_t = ab * all;
        const double both_q = c * all;
        const double inverse_t = (1.0 + t) * both_t;
        const double inverse_w = std::copysign(inverse_t * inverse_t, w);
        // |w| small: series in w; w strongly negative: arctan t = pi/4 + arctan((t - 1)/(t + 1))
        const bool near = std::fabs(w) <= 0.1716;
        const double reduced = (t - 1.0) * (t * both_t);
        const double v = near ? w : -reduced * reduced;
        const double kernel_third = arc_kernel_third(v);
        const double kernel_second = kernel_third * v + 0.2000000000000006;
        const double kernel_first = kernel_second * v + 0.3333333333333333;
        const double outer = (kPi / 4.0 + reduced * (1.0 + v * kernel_first)) * inverse_t;
        // w strongly positive (x < 0.707): 2 artanh(sqrt w) = ln((1 + q)/x)
        const double s = a * both_q;
        const double z = (square * s) * (square * s);
        double p = 1.0 / 15.0;
        p = mul_add(p, z, 1.0 / 13.0);
        p = mul_add(p, z, 1.0 / 11.0);
        p = mul_add(p, z, 1.0 / 9.0);
        p = mul_add(p, z, 1.0 / 7.0);
        p = mul_add(p, z, 1.0 / 5.0);
        p = mul_add(p, z, 1.0 / 3.0);
        const double log_half = -2.0 * s * (1.0 + z * p);
        const double log_x = log_normal(x);
        const double inner = ((kLn2 - log_x) + square * log_half) * (0.5 * inverse_t);
        const double far = w > 0.0 ? inner : outer;
        const double far_first = (far - 1.0) * inverse_w;
        const double far_second = (far_first - 0.3333333333333333) * inverse_w;
        Arc result;
        result.w = w;
        result.one_plus_w = 2.0 * inverse_y;
        result.inverse_x = y * both;
        result.inverse_q = inverse_y * inverse_t;
        result.log_x = log_x;
        result.gap = b * both_q;
        result.log_half = log_half;
        result.zeroth = near ? 1.0 + w * kernel_first : far;
        result.first = near ? kernel_first : far_first;
        result.second = near ? kernel_second : far_second;
        result.third = near ? kernel_third : (far_second - 0.2) * inverse_w;
        return result;
    }

    static CLMASSMOD_INLINE double surface(const Arc& a) noexcept {
        return 0.5 * (a.zeroth + a.first) * a.one_plus_w * a.one_plus_w;
    }

    // 4 G / x^2 with G = ln(x/2) + A for x > 1/2; below, where that cancels,
    // G = (ln((1 + q)/2) - (1 - q) ln(x/2))/q
    static CLMASSMOD_INLINE double mean(double x, const Arc& a) noexcept {
        const double log_half_x = a.log_x - kLn2;
        const double outer = (log_half_x + a.one_plus_w * a.zeroth) * (a.inverse_x * a.inverse_x);
        const double inner = (a.log_half - a.gap * log_half_x) * a.inverse_q;
        return 4.0 * (x < 0.5 ? inner : outer);
    }

    static CLMASSMOD_INLINE double surface_density(double x, double) noexcept {
        return surface(arc(x));
    }
    static CLMASSMOD_INLINE double mean_surface_density(double x, double) noexcept {
        return mean(x, arc(x));
    }
    static CLMASSMOD_INLINE Projection project(double x, double) noexcept {
        const Arc a = arc(x);
        const double sigma = surface(a);
        return {sigma, mean(x, a) - sigma};
    }
    static CLMASSMOD_INLINE double excess_surface_density(double x, double shape) noexcept {
        return project(x, shape).excess;
    }
    // d/d ln x of U (1 + w)^2 / 2, with dw/d ln x = -(1 - w^2)/2, 2 w T' + T = 1/(1 - w)
    static CLMASSMOD_INLINE double slope(double x, const Arc& a) noexcept {
        const double one_minus_w = x * a.one_plus_w;
        const double first_slope = 0.5 / one_minus_w - 1.5 * a.second;
        const double u_slope = a.first + a.one_plus_w * first_slope;
        const double u = a.zeroth + a.first;
        return -0.5 * one_minus_w * a.one_plus_w * a.one_plus_w *
               (u + 0.5 * a.one_plus_w * u_slope);
    }
    static CLMASSMOD_INLINE double surface_density_slope(double x, double) noexcept {
        return slope(x, arc(x));
    }
};

}  // namespace clmassmod
