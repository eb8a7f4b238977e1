// Number of sources of which both images are detected, against the gains of the images.
//
// A gain is 2.5 log10 |mu| [mag]. The number is an even, smooth function of the difference of both
// gains at a given mean: uniform cubic B-splines in the mean and in the absolute difference.
// Fainter than the table nothing is seen; further apart than it the brighter image is seen surely.
#pragma once

#include <cmath>
#include <cstddef>

#include "clmassmod/simd_math.hpp"
#include "clmassmod/targets.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

struct DetectedCounts {
    std::size_t n_counts = 0;
    std::size_t n_means = 0;               // nodes along the mean gain, one beyond each end
    std::size_t n_apart = 0;               // nodes along the difference, likewise
    const double* coefficients = nullptr;  // (n_counts, n_means, n_apart)
    double faint_low = 0.0;                // gains of the fainter image
    double faint_high = 0.0;
    double apart_high = 0.0;
    double inverse_step = 1.0;  // of both axes
};

// Where a pair of images lies in the table.
struct DetectedPlace {
    std::size_t offset;
    double mean[4], apart[4];
};

CLMASSMOD_INLINE void cubic_weights(double t, double* w) noexcept {
    const double s = 1.0 - t;
    w[0] = s * s * s * (1.0 / 6.0);
    w[1] = 2.0 / 3.0 + t * t * (0.5 * t - 1.0);
    w[2] = 2.0 / 3.0 + s * s * (0.5 * s - 1.0);
    w[3] = t * t * t * (1.0 / 6.0);
}

// At natural logarithms of the magnifications; -inf or NaN is no image.
CLMASSMOD_INLINE DetectedPlace detected_place(const DetectedCounts& table, double log_a,
                                              double log_b) noexcept {
    constexpr double kMagnitudes = 2.5 / kLn10;
    const double faintest = kMagnitudes * (log_a < log_b ? log_a : log_b);
    const double difference = kMagnitudes * std::fabs(log_a - log_b);
    const double above = faintest > table.faint_low ? faintest : table.faint_low;
    const double faint = above < table.faint_high ? above : table.faint_high;
    const double apart = difference < table.apart_high ? difference : table.apart_high;
    // one node lies before each axis
    const double u = 1.0 + (faint - table.faint_low + 0.5 * apart) * table.inverse_step;
    const double v = 1.0 + apart * table.inverse_step;
    const auto i = static_cast<std::size_t>(u), j = static_cast<std::size_t>(v);
    DetectedPlace place;
    place.offset = (i - 1) * table.n_apart + (j - 1);
    cubic_weights(u - static_cast<double>(i), place.mean);
    cubic_weights(v - static_cast<double>(j), place.apart);
    return place;
}

CLMASSMOD_INLINE double detected_at(const DetectedCounts& table, std::size_t count,
                                    const DetectedPlace& place) noexcept {
    const double* c = table.coefficients + count * table.n_means * table.n_apart + place.offset;
    double sum = 0.0;
    for (std::size_t k = 0; k < 4; ++k, c += table.n_apart)
        sum = mul_add(place.mean[k],
                      (c[0] * place.apart[0] + c[1] * place.apart[1]) +
                          (c[2] * place.apart[2] + c[3] * place.apart[3]),
                      sum);
    return sum;
}

// out (n, n_counts) at n pairs of logarithms.
CLMASSMOD_TARGETS
inline void detected_block(const DetectedCounts& table, const double* log_a, const double* log_b,
                           std::size_t begin, std::size_t end, double* out) noexcept {
    for (std::size_t i = begin; i < end; ++i) {
        const DetectedPlace place = detected_place(table, log_a[i], log_b[i]);
        for (std::size_t k = 0; k < table.n_counts; ++k)
            out[i * table.n_counts + k] = detected_at(table, k, place);
    }
}

inline void detected_counts(const DetectedCounts& table, const double* log_a, const double* log_b,
                            std::size_t n, double* out) noexcept {
    detected_block(table, log_a, log_b, 0, n, out);
}

}  // namespace clmassmod
