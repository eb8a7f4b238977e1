// Matter falling in around a halo: rho = A [C + (x/p)^(s/z)]^(-z) (Diemer 2023, eq. 27); the
// power law of Diemer & Kravtsov 2014, with the maximum that keeps it out of the centre, is z = 1.
#pragma once

#include <algorithm>
#include <cmath>

#include "clmassmod/profiles/local.hpp"
#include "clmassmod/simd_math.hpp"

namespace clmassmod {

struct Infalling {
    static constexpr std::size_t kParameters = 5;
    double amplitude, core, slope, smoothness, log_pivot;
    explicit Infalling(const double* p) noexcept
        : amplitude(p[0]), core(p[1]), slope(p[2]), smoothness(p[3]), log_pivot(std::log(p[4])) {}

    CLMASSMOD_INLINE Local at(double log_x) const noexcept {
        // base = e^shift (C e^-shift + e^(y - shift)): neither overflows, nor vanishes, far away
        const double y = (log_x - log_pivot) * (slope / smoothness);
        const double shift = y > 0.0 || !(core > 0.0) ? y : 0.0;
        const double power = exp_flushed(y - shift);
        const double base = core * exp_flushed(-shift) + power;
        return {amplitude * exp_flushed(-smoothness * (shift + log_positive(base))),
                slope * (power / base)};
    }
    // singular where (x/p)^(s/z) = -C: strip pi z/s
    double panel(double x, bool outward, double wide) const noexcept {
        if (!(core > 0.0 && amplitude > 0.0)) return wide;
        const double turn = std::exp(log_pivot + std::log(core) * smoothness / slope);
        const Feature feature{turn / 3.0, turn * 3.0, 10.0 * smoothness / slope};
        return feature.panel(x, outward, wide);
    }
};

// A power that stays finite far outside, where what it is in no longer matters.
CLMASSMOD_INLINE double bounded_power(double log_x, double power) noexcept {
    const double exponent = power * log_x;
    return exp_flushed(exponent < 600.0 ? exponent : 600.0);
}

// Sum of two functions with their slopes.
CLMASSMOD_INLINE Local sum_of(Local a, Local b) noexcept {
    const double value = a.value + b.value;
    const double slope = (a.value * a.slope + b.value * b.slope) / value;
    return {value, value > 0.0 ? slope : a.slope};
}

}  // namespace clmassmod
