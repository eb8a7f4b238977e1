// Power law: rho = rho_s x^-s, shape s the slope, 1 < s < 3.
//
// Sigma / (rho_s r_s) = 2 k x^(1-s) / (s - 1), k(s) = sqrt(pi) Gamma((s + 1)/2) / Gamma(s/2),
// smooth and between 1 and 2 over the whole range.
#pragma once

#include "clmassmod/profiles/projection.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct PowerLaw {
    // Chebyshev interpolant in s - 2, relative error 1e-16 (tools/simd_coefficients.py)
    static CLMASSMOD_INLINE double projection_factor(double s) noexcept {
        const double t = s - 2.0;
        double p = -1.7581695383237162e-10;
        p = p * t + 5.274586632654473e-10;
        p = p * t + -6.593760214652244e-10;
        p = p * t + 1.978282515783254e-09;
        p = p * t + -8.01245892120708e-09;
        p = p * t + 2.4041346490337948e-08;
        p = p * t + -6.952867881645666e-08;
        p = p * t + 2.0868598578592515e-07;
        p = p * t + -6.28580299937976e-07;
        p = p * t + 1.8882817573353306e-06;
        p = p * t + -5.6767450954951085e-06;
        p = p * t + 1.709597678282225e-05;
        p = p * t + -5.162680088913729e-05;
        p = p * t + 0.00015664866865572083;
        p = p * t + -0.0004793842870662903;
        p = p * t + 0.0014903229226955466;
        p = p * t + -0.004776899089784674;
        p = p * t + 0.016330527273940677;
        p = p * t + -0.06548203291543035;
        p = p * t + 0.48200328164309436;
        return p * t + 1.5707963267948966;
    }

    static CLMASSMOD_INLINE double density(double x, double s) noexcept {
        return pow_positive(x, -s);
    }
    static CLMASSMOD_INLINE double density_slope(double x, double s) noexcept {
        return -s * pow_positive(x, -s);
    }
    static CLMASSMOD_INLINE double enclosed_mass(double x, double s) noexcept {
        return pow_positive(x, 3.0 - s) / (3.0 - s);
    }
    static CLMASSMOD_INLINE double surface_density(double x, double s) noexcept {
        return 2.0 * projection_factor(s) / (s - 1.0) * pow_positive(x, 1.0 - s);
    }
    static CLMASSMOD_INLINE double surface_density_slope(double x, double s) noexcept {
        return -2.0 * projection_factor(s) * pow_positive(x, 1.0 - s);
    }
    static CLMASSMOD_INLINE double mean_surface_density(double x, double s) noexcept {
        return 4.0 * projection_factor(s) / ((s - 1.0) * (3.0 - s)) * pow_positive(x, 1.0 - s);
    }
    static CLMASSMOD_INLINE double excess_surface_density(double x, double s) noexcept {
        return 2.0 * projection_factor(s) / (3.0 - s) * pow_positive(x, 1.0 - s);
    }
    static CLMASSMOD_INLINE Projection project(double x, double s) noexcept {
        const double excess = excess_surface_density(x, s);
        return {excess * ((3.0 - s) / (s - 1.0)), excess};
    }
};

}  // namespace clmassmod
