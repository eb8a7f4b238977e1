// Cubic polynomials on equal intervals: y(x) = c0 + t (c1 + t (c2 + t c3)), t = (x - x_i)/step.
#pragma once

#include <algorithm>
#include <cstddef>

#include "clmassmod/simd_math.hpp"
#include "clmassmod/status.hpp"

namespace clmassmod {

struct UniformCubic {
    const double* coefficients = nullptr;  // (n_intervals, 4)
    std::size_t n_intervals = 0;
    double start = 0.0;
    double inverse_step = 1.0;

    // x must lie in [start, start + n_intervals * step]
    double operator()(double x) const noexcept {
        const double position = (x - start) * inverse_step;
        const auto i = std::min(static_cast<std::size_t>(position), n_intervals - 1);
        const double t = position - static_cast<double>(i);
        const double* c = coefficients + 4 * i;
        return c[0] + t * (c[1] + t * (c[2] + t * c[3]));
    }
};

// out[k] = y(ln(1 + z[k])); the status names the first z outside [0, e^end - 1].
inline Status evaluate_at_redshifts(const UniformCubic& spline, const double* z, std::size_t n,
                                    double* out) noexcept {
    const double end = spline.start + static_cast<double>(spline.n_intervals) / spline.inverse_step;
    Status status;
    for (std::size_t k = 0; k < n; ++k) {
        const double x = log_positive(1.0 + z[k]);
        const bool inside = x >= spline.start && x <= end;
        if (!inside) status.merge({StatusCode::outside, k});
        out[k] = inside ? spline(x) : kNaN;
    }
    return status;
}

}  // namespace clmassmod
