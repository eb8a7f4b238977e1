// Distributions of u = (ln M - mean) / sd over a population, of mean 0 and standard deviation 1.
#pragma once

#include <cmath>

#include "clmassmod/simd_math.hpp"

namespace clmassmod {

enum class PopulationShape : int {
    normal = 0,
    skew_normal = 1,  // slope
    student = 2,      // degrees of freedom
    mixture = 3,      // share, offset and relative width of the second of two normals
    selected = 4,     // a normal times the probability to be selected, Phi(tilt + slope u)
};

constexpr int kShapeParameters = 3;
// A normal density has fallen by e^-40 there, as likelihoods have at the ends of their grids.
constexpr double kNormalReach = 9.0;
// Two-sided tail of Student's t beyond it: 1e-5 for 3 degrees of freedom, less for more.
constexpr double kStudentReach = 60.0;

// ln g(u) = log_norm + ln of what density_factor and density_exponent give.
struct ShapeDensity {
    double centre = 0.0, inverse_width = 1.0;                // t = (u - centre) inverse_width
    double tilt = 0.0, slope = 0.0;                          // of Phi(tilt + slope t)
    double freedom = 0.0;                                    // of Student's t
    double second_centre = 0.0, second_inverse_width = 1.0;  // of a mixture
    double first_weight = 1.0, second_weight = 0.0;          // share times inverse width
    double log_norm = 0.0;
    double low = -kNormalReach, high = kNormalReach;  // outside it is negligible
    double finest = 1.0;                              // its narrowest scale
    bool exists = true;                               // false: no such distribution
};

inline double normal_cdf(double x) noexcept { return 0.5 * std::erfc(-x * 0.70710678118654752); }

inline void set_tilted(ShapeDensity& s, double centre, double width, double tilt,
                       double slope) noexcept {
    const double norm = normal_cdf(tilt / std::sqrt(1.0 + slope * slope));
    s.centre = centre;
    s.inverse_width = 1.0 / width;
    s.tilt = tilt;
    s.slope = slope;
    s.low = centre - kNormalReach * width;
    s.high = centre + kNormalReach * width;
    s.finest = width / (1.0 + 0.5 * std::fabs(slope));
    s.exists = norm > 0.0;
    s.log_norm = s.exists ? -0.5 * std::log(2.0 * kPi) - std::log(width * norm) : 0.0;
}

inline void set_student(ShapeDensity& s, double freedom) noexcept {
    s.exists = freedom > 2.0;
    if (!s.exists) return;
    const double scale = std::sqrt((freedom - 2.0) / freedom);
    s.inverse_width = 1.0 / scale;
    s.freedom = freedom;
    s.log_norm = std::lgamma(0.5 * (freedom + 1.0)) - std::lgamma(0.5 * freedom) -
                 0.5 * std::log(kPi * freedom) - std::log(scale);
    s.low = -kStudentReach * scale;
    s.high = kStudentReach * scale;
    s.finest = scale;
}

inline void set_mixture(ShapeDensity& s, double share, double offset, double ratio) noexcept {
    // (1 - share) v + share ratio^2 v + share (1 - share) offset^2 = 1, v the first variance
    const double between = share * (1.0 - share) * offset * offset;
    s.exists = share >= 0.0 && share <= 1.0 && ratio > 0.0 && between < 1.0;
    if (!s.exists) return;
    const double width = std::sqrt((1.0 - between) / (1.0 - share + share * ratio * ratio));
    const double second = ratio * width;
    s.centre = -share * offset;
    s.second_centre = (1.0 - share) * offset;
    s.inverse_width = 1.0 / width;
    s.second_inverse_width = 1.0 / second;
    s.first_weight = (1.0 - share) / width;
    s.second_weight = share / second;
    s.log_norm = -0.5 * std::log(2.0 * kPi);
    s.low = std::fmin(s.centre - kNormalReach * width, s.second_centre - kNormalReach * second);
    s.high = std::fmax(s.centre + kNormalReach * width, s.second_centre + kNormalReach * second);
    s.finest = std::fmin(width, second);
}

inline ShapeDensity make_shape(PopulationShape kind, const double* parameters, double tilt,
                               double slope) noexcept {
    ShapeDensity s;
    switch (kind) {
        case PopulationShape::normal:
            s.log_norm = -0.5 * std::log(2.0 * kPi);
            break;
        case PopulationShape::skew_normal: {
            const double delta = parameters[0] / std::sqrt(1.0 + parameters[0] * parameters[0]);
            const double width = 1.0 / std::sqrt(1.0 - 2.0 * delta * delta / kPi);
            set_tilted(s, -width * delta * std::sqrt(2.0 / kPi), width, 0.0, parameters[0]);
            break;
        }
        case PopulationShape::student:
            set_student(s, parameters[0]);
            break;
        case PopulationShape::mixture:
            set_mixture(s, parameters[0], parameters[1], parameters[2]);
            break;
        case PopulationShape::selected:
            set_tilted(s, 0.0, 1.0, tilt, slope);
            break;
    }
    return s;
}

// e^log_value g(u) / e^log_norm
template <PopulationShape kind>
CLMASSMOD_INLINE double weighted_density(const ShapeDensity& s, double log_value,
                                         double u) noexcept {
    const double t = (u - s.centre) * s.inverse_width;
    if constexpr (kind == PopulationShape::normal) {
        return exp_flushed(log_value - 0.5 * u * u);
    } else if constexpr (kind == PopulationShape::student) {
        return exp_flushed(log_value - 0.5 * (s.freedom + 1.0) * log_one_plus(t * t / s.freedom));
    } else if constexpr (kind == PopulationShape::mixture) {
        const double v = (u - s.second_centre) * s.second_inverse_width;
        return s.first_weight * exp_flushed(log_value - 0.5 * t * t) +
               s.second_weight * exp_flushed(log_value - 0.5 * v * v);
    } else {
        return exp_flushed(log_value - 0.5 * t * t) * normal_cdf(s.tilt + s.slope * t);
    }
}

}  // namespace clmassmod
