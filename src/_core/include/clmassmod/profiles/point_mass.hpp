// A point mass M at the centre. Scales: r_s = 1 Mpc, rho_s = M / (pi r_s^3).
#pragma once

#include "clmassmod/profiles/projection.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct PointMass {
    static CLMASSMOD_INLINE double density(double, double) noexcept { return 0.0; }
    static CLMASSMOD_INLINE double density_slope(double, double) noexcept { return 0.0; }
    static CLMASSMOD_INLINE double enclosed_mass(double, double) noexcept { return 0.25; }
    static CLMASSMOD_INLINE double surface_density(double, double) noexcept { return 0.0; }
    static CLMASSMOD_INLINE double surface_density_slope(double, double) noexcept { return 0.0; }
    static CLMASSMOD_INLINE double mean_surface_density(double x, double) noexcept {
        return 1.0 / (x * x);
    }
    static CLMASSMOD_INLINE double excess_surface_density(double x, double) noexcept {
        return 1.0 / (x * x);
    }
    static CLMASSMOD_INLINE Projection project(double x, double) noexcept {
        return {0.0, 1.0 / (x * x)};
    }
};

}  // namespace clmassmod
