// Baltz, Marshall & Oguri 2009, n = 1: rho = rho_s / (x (1 + x)^2) * t^2 / (x^2 + t^2), x = r/r_s,
// shape t = r_t / r_s.
//
// Their appendix in the notation D = 1 + t^2, S = sqrt(x^2 + t^2), F = arccos(1/x)/sqrt(x^2 - 1),
// L = arsinh(t/x), f = (1 - F)/(x^2 - 1):
//   Sigma      = 2 t^2/D^2 K,  K = D f + 2 F - pi/S - (t^2 - 1) L/(t S),
//   mean Sigma = 4 t^2/D^2 J/x^2,
//   J = (t^2 - 1)(F + C) + 2 x^2 F + pi (t - S),  C = ln t - (S/t) L,
// in units of rho_s r_s. C = ln(x/2) - log1p(p/2) - p L, p = x^2/(t (S + t)), and F + ln(x/2) is
// the NFW's G: no cancellation for x < 2.7 but in K, where a small t loses at most three digits.
// K falls like x^-4 through two more cancellations. For x > 2.7, with y = 1/x, u = t/x,
// a = (1 - y^2)^(-1/2), b = (1 + u^2)^(-1/2), g = 1 + y^2 g_1 = arcsin(y) a/y and
// h = 1 - u^2 h_1 = arsinh(u) b/u, the cancelling terms are taken out by hand:
//   K = y^4 [D a^2 (1 + g) - 2 g_1 + (t^2 - 1) t^2 h_1] - pi D^2 y^5 a^4 b^2 (a + 2b)/(2 (a +
//   b)^2), J = (t^2 - 1)(C - y^2 g) - 2 g
//       + pi {t + y a [(t^2 - 1)(1 - a b)/2 + u^2 a b]/(1 + a b)}.
#pragma once

#include <cmath>

#include "clmassmod/profiles/nfw.hpp"
#include "clmassmod/profiles/projection.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct Bmo {
    static CLMASSMOD_INLINE double density(double x, double t) noexcept {
        const double v = x / t;
        return 1.0 / (x * (1.0 + x) * (1.0 + x) * (1.0 + v * v));
    }
    static CLMASSMOD_INLINE double density_slope(double x, double t) noexcept {
        const double v = x / t;
        const double cut = v * v / (1.0 + v * v);
        return -density(x, t) * (1.0 + 2.0 * x / (1.0 + x) + 2.0 * cut);
    }

    // m = t^2/D^2 {(t^2 - 1)[m_NFW - ln(1 + v^2)/2] - 2x/(1 + x) + 2t arctan v}, v = x/t; below
    // v = 1/2 the linear terms of the last two are taken out
    static CLMASSMOD_INLINE double enclosed_mass(double x, double t) noexcept {
        const double v = x / t;
        const double square = v * v;
        const double below_one = (t - 1.0) * (t + 1.0);
        const Arctan arc = arctan_kernels(v);
        const double common = below_one * (Nfw::enclosed_mass(x, 0.0) - 0.5 * log_one_plus(square));
        const double direct = 2.0 * (x * arc.zeroth - x / (1.0 + x));
        const double series = 2.0 * x * (x / (1.0 + x) - square * arc.first);
        const double ratio = t / (1.0 + t * t);
        return ratio * ratio * (common + (v < 0.5 ? series : direct));
    }

    struct Terms {
        Nfw::Arc arc;
        double scale;               // 2 t^2/D^2
        double d, below_one;        // D, t^2 - 1
        double root, inverse_root;  // S, 1/S
        double inverse_sum;         // 1/(S + t)
        double rest;                // log1p(p/2) + p L
        double hyperbolic;          // L/(t S)
        double y, square;           // 1/x, y^2
        double u_square;            // u^2
        double a, b, a_square, b_square;
        double g, g_first, h, h_first;
    };

    static CLMASSMOD_INLINE Terms terms(double x, double t) noexcept {
        Terms s;
        s.arc = Nfw::arc(x);
        s.d = 1.0 + t * t;
        s.below_one = (t - 1.0) * (t + 1.0);
        const double ratio = t / s.d;
        s.scale = 2.0 * ratio * ratio;
        s.root = std::sqrt(x * x + t * t);
        s.inverse_root = 1.0 / s.root;
        s.y = s.arc.inverse_x;
        s.square = s.y * s.y;
        const double u = t * s.y;
        s.u_square = u * u;
        // L = T z with z = tanh L = t/S
        const double z = t * s.inverse_root;
        const double z_square = z * z;
        const bool near = z_square <= 0.1716;
        const double kernel = arc_kernel_first(z_square);
        // divisions dominate the cost: 1/t and 1/(S + t) from one of them
        const double sum = s.root + t;
        const double sine = log_positive(sum * s.y);
        const double inverse_both = 1.0 / (t * sum);
        const double inverse_t = sum * inverse_both;
        s.inverse_sum = t * inverse_both;
        const double inverse_z = s.root * inverse_t;
        const double zeroth = near ? 1.0 + z_square * kernel : sine * inverse_z;
        const double first = near ? kernel : (zeroth - 1.0) * (inverse_z * inverse_z);
        const double arsinh = near ? zeroth * z : sine;
        const double p = x * x * inverse_both;
        s.rest = log_one_plus(0.5 * p) + p * arsinh;
        s.hyperbolic = arsinh * s.inverse_root * inverse_t;
        // for x > 2.7; clipped below so that nothing overflows where it is not used
        const double w = s.square < 0.1372 ? s.square : 0.1372;
        s.a_square = 1.0 / (1.0 - w);
        s.a = std::sqrt(s.a_square);
        s.b = x * s.inverse_root;
        s.b_square = s.b * s.b;
        s.g_first = s.a_square * (1.0 - s.a_square * arc_kernel_first(-w * s.a_square));
        s.g = 1.0 + w * s.g_first;
        s.h = s.b_square * zeroth;
        s.h_first = s.b_square * (1.0 - s.b_square * first);
        return s;
    }

    // K
    static CLMASSMOD_INLINE double surface(double x, const Terms& s) noexcept {
        const double cosine = s.arc.one_plus_w * s.arc.zeroth;  // F
        const double near = s.d * (0.5 * Nfw::surface(s.arc)) + 2.0 * cosine -
                            kPi * s.inverse_root - s.below_one * s.hyperbolic;
        const double ab = s.a + s.b;
        const double rational = s.d * s.a_square * (1.0 + s.g) - 2.0 * s.g_first +
                                s.below_one * (s.d - 1.0) * s.h_first;
        const double half = s.d * s.a_square * s.b / ab;
        const double transcendental = 0.5 * kPi * half * half * (s.a + 2.0 * s.b) * s.y;
        const double far = s.square * s.square * (rational - transcendental);
        return x < 2.7 ? near : far;
    }
    // 2 J/x^2
    static CLMASSMOD_INLINE double mean(double x, double t, const Terms& s) noexcept {
        const double cosine = s.arc.one_plus_w * s.arc.zeroth;  // F
        const double near = s.below_one * (0.25 * Nfw::mean(x, s.arc) - s.rest * s.square) +
                            2.0 * cosine - kPi * s.inverse_sum;
        const double ab = s.a * s.b;
        const double inverse = 1.0 / (1.0 + ab);
        // 1 - a b
        const double gap = ab * ab * s.square * (s.below_one - s.u_square) * inverse;
        const double transcendental =
            kPi * (t + s.y * s.a * (0.5 * s.below_one * gap + s.u_square * ab) * inverse);
        const double rational =
            s.below_one * (s.arc.log_x - kLn2 - s.rest - s.square * s.g) - 2.0 * s.g;
        return 2.0 * (x < 2.7 ? near : (transcendental + rational) * s.square);
    }
    // dK/d ln x
    static CLMASSMOD_INLINE double slope(double x, const Terms& s) noexcept {
        const double cosine = s.arc.one_plus_w * s.arc.zeroth;  // F
        const double f = 0.5 * Nfw::surface(s.arc);
        const double cut = s.inverse_root * s.inverse_root;  // 1/S^2
        const double near = s.d * (0.5 * Nfw::slope(x, s.arc)) + 2.0 * (f - cosine) +
                            kPi * s.b_square * s.inverse_root +
                            s.below_one * (cut + s.b_square * s.hyperbolic);
        // d/d ln y of the far form: a' = a^3 y^2, b' = -b^3 u^2, g_1' = a^2 (1 + g) - 3 g_1,
        // g' = y^2 (2 g_1 + g_1'), h_1' = b^2 (1 + h) - 3 h_1
        const double a_slope = s.a_square * s.square;  // d ln a
        const double b_slope = -s.b_square * s.u_square;
        const double g_first_slope = s.a_square * (1.0 + s.g) - 3.0 * s.g_first;
        const double g_slope = s.square * (2.0 * s.g_first + g_first_slope);
        const double h_first_slope = s.b_square * (1.0 + s.h) - 3.0 * s.h_first;
        const double h_weight = s.below_one * (s.d - 1.0);
        const double rational =
            s.d * s.a_square * (1.0 + s.g) - 2.0 * s.g_first + h_weight * s.h_first;
        const double rational_slope = s.d * s.a_square * (2.0 * a_slope * (1.0 + s.g) + g_slope) -
                                      2.0 * g_first_slope + h_weight * h_first_slope;
        const double ab = s.a + s.b;
        const double half = s.d * s.a_square * s.b / ab;
        const double transcendental = 0.5 * kPi * half * half * (s.a + 2.0 * s.b) * s.y;
        const double sum_slope = (s.a * a_slope + s.b * b_slope) / ab;
        const double last_slope = (s.a * a_slope + 2.0 * s.b * b_slope) / (s.a + 2.0 * s.b);
        const double log_slope = 5.0 + 4.0 * a_slope + 2.0 * b_slope - 2.0 * sum_slope + last_slope;
        const double far =
            -s.square * s.square * (4.0 * rational + rational_slope - transcendental * log_slope);
        return x < 2.7 ? near : far;
    }

    static CLMASSMOD_INLINE double surface_density(double x, double t) noexcept {
        const Terms s = terms(x, t);
        return s.scale * surface(x, s);
    }
    static CLMASSMOD_INLINE double mean_surface_density(double x, double t) noexcept {
        const Terms s = terms(x, t);
        return s.scale * mean(x, t, s);
    }
    static CLMASSMOD_INLINE Projection project(double x, double t) noexcept {
        const Terms s = terms(x, t);
        const double sigma = surface(x, s);
        return {s.scale * sigma, s.scale * (mean(x, t, s) - sigma)};
    }
    static CLMASSMOD_INLINE double excess_surface_density(double x, double t) noexcept {
        return project(x, t).excess;
    }
    static CLMASSMOD_INLINE double surface_density_slope(double x, double t) noexcept {
        const Terms s = terms(x, t);
        return s.scale * slope(x, s);
    }
};

}  // namespace clmassmod
