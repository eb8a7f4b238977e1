// Hernquist 1990: rho = rho_s / (x (1 + x)^3), x = r / r_s.
//
// With w = (1 - x)/(1 + x) and T, T_2 of the NFW header (T = 1 + w/3 + w^2 T_2), the powers of
// 1 - x^2 in the denominators of Hernquist's eqs. 32-37 divide out:
//   mean Sigma / (rho_s r_s)  = Sigma_NFW / (rho_s r_s),
//   Sigma / (rho_s r_s)       = (1 + w)^3 [11/3 + w + (3 + 2w + 3w^2) T_2] / 16,
//   Delta Sigma / (rho_s r_s) = (1 + w)^2 [7 - 2w - w^2 - 3 (1 - w)^2 (1 + w) T_2] / 16.
#pragma once

#include "clmassmod/profiles/nfw.hpp"
#include "clmassmod/profiles/projection.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct Hernquist {
    static CLMASSMOD_INLINE double density(double x, double) noexcept {
        const double y = 1.0 + x;
        return 1.0 / (x * y * y * y);
    }
    static CLMASSMOD_INLINE double density_slope(double x, double) noexcept {
        const double y = 1.0 + x;
        return -(1.0 + 4.0 * x) / (x * (y * y) * (y * y));
    }
    static CLMASSMOD_INLINE double enclosed_mass(double x, double) noexcept {
        const double y = x / (1.0 + x);
        return 0.5 * y * y;
    }

    static CLMASSMOD_INLINE double surface(const Nfw::Arc& a) noexcept {
        const double s = a.one_plus_w;
        const double w = a.w;
        return s * s * s * (11.0 / 3.0 + w + (3.0 + w * (2.0 + 3.0 * w)) * a.second) / 16.0;
    }
    static CLMASSMOD_INLINE double excess(double x, const Nfw::Arc& a) noexcept {
        const double s = a.one_plus_w;
        const double one_minus_w = x * s;
        const double bracket =
            7.0 - a.w * (2.0 + a.w) - 3.0 * one_minus_w * one_minus_w * s * a.second;
        return s * s * bracket / 16.0;
    }

    static CLMASSMOD_INLINE double surface_density(double x, double) noexcept {
        return surface(Nfw::arc(x));
    }
    static CLMASSMOD_INLINE double mean_surface_density(double x, double) noexcept {
        return Nfw::surface(Nfw::arc(x));
    }
    static CLMASSMOD_INLINE double excess_surface_density(double x, double) noexcept {
        return excess(x, Nfw::arc(x));
    }
    static CLMASSMOD_INLINE Projection project(double x, double) noexcept {
        const Nfw::Arc a = Nfw::arc(x);
        return {surface(a), excess(x, a)};
    }
    // dw/d ln x = -(1 - w^2)/2; T_2' = (1/(1 - w) - 5 T_3)/2 from 2 w T' + T = 1/(1 - w)
    static CLMASSMOD_INLINE double surface_density_slope(double x, double) noexcept {
        const Nfw::Arc a = Nfw::arc(x);
        const double s = a.one_plus_w;
        const double w = a.w;
        const double one_minus_w = x * s;
        const double quadratic = 3.0 + w * (2.0 + 3.0 * w);
        const double bracket = 11.0 / 3.0 + w + quadratic * a.second;
        const double second_slope = 0.5 * (1.0 / one_minus_w - 5.0 * a.third);
        const double bracket_slope = 1.0 + (2.0 + 6.0 * w) * a.second + quadratic * second_slope;
        return -0.5 * one_minus_w * s * s * s * (3.0 * bracket + s * bracket_slope) / 16.0;
    }
};

}  // namespace clmassmod
