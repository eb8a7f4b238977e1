// Lensing of projected mass: the one place where convergence and shear become observables.
//
// kappa = Sigma / Sigma_crit, gamma_t = Delta Sigma / Sigma_crit,
// g_t = gamma_t / (1 - kappa), mu = 1 / ((1 - kappa)^2 - gamma_t^2)   (Schneider 2006, sect. 2).
// A source in front of the lens has 1/Sigma_crit = 0: kappa = gamma_t = g_t = 0, mu = 1.
#pragma once

#include <cmath>

#include "clmassmod/simd_math.hpp"

namespace clmassmod {

CLMASSMOD_INLINE double reduced_shear(double kappa, double gamma) noexcept {
    return gamma / (1.0 - kappa);
}

// Expected ellipticity of galaxies: g for |g| <= 1, 1/g beyond (Seitz & Schneider 1997).
CLMASSMOD_INLINE double expected_ellipticity(double kappa, double gamma) noexcept {
    const double a = 1.0 - kappa;
    const bool inside = std::fabs(gamma) > std::fabs(a);
    return (inside ? a : gamma) / (inside ? gamma : a);
}

CLMASSMOD_INLINE double magnification(double kappa, double gamma) noexcept {
    const double a = 1.0 - kappa;
    return 1.0 / (a * a - gamma * gamma);
}

}  // namespace clmassmod
