// Singular isothermal sphere: rho = rho_s / x^2, rho_s r_s^2 = sigma_v^2 / (2 pi G).
#pragma once

#include "clmassmod/profiles/projection.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct Sis {
    static CLMASSMOD_INLINE double density(double x, double) noexcept { return 1.0 / (x * x); }
    static CLMASSMOD_INLINE double density_slope(double x, double) noexcept {
        return -2.0 / (x * x);
    }
    static CLMASSMOD_INLINE double enclosed_mass(double x, double) noexcept { return x; }
    static CLMASSMOD_INLINE double surface_density(double x, double) noexcept { return kPi / x; }
    static CLMASSMOD_INLINE double surface_density_slope(double x, double) noexcept {
        return -kPi / x;
    }
    static CLMASSMOD_INLINE double mean_surface_density(double x, double) noexcept {
        return 2.0 * kPi / x;
    }
    static CLMASSMOD_INLINE double excess_surface_density(double x, double) noexcept {
        return kPi / x;
    }
    static CLMASSMOD_INLINE Projection project(double x, double) noexcept {
        return {kPi / x, kPi / x};
    }
};

}  // namespace clmassmod
