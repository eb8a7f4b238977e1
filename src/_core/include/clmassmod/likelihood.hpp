// Gaussian likelihood of radial profiles, batched over parameter vectors and objects.
//
// ln L = -1/2 |W (d - a m)|^2 - ln_norm, with W the inverse of the lower Cholesky factor of the
// covariance C (so that W^T W = C^-1), ln_norm = 1/2 ln det(2 pi C), m the model, a an amplitude.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "clmassmod/status.hpp"
#include "clmassmod/targets.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

struct GaussianBatch {
    std::size_t n_rows = 0;
    std::size_t n_points = 0;
    const double* model = nullptr;         // (n_rows, n_points)
    const double* amplitude = nullptr;     // (n_rows,)
    const std::int64_t* object = nullptr;  // (n_rows,) which object a row belongs to
    const double* data = nullptr;          // (n_objects, n_points)
    const double* whitening = nullptr;     // (n_objects, n_points, n_points), lower triangular
    const double* log_norm = nullptr;      // (n_objects,)
    double* out = nullptr;                 // (n_rows,)
};

inline double gaussian_row(const GaussianBatch& b, std::size_t row) noexcept {
    const std::size_t n = b.n_points;
    const std::size_t object = static_cast<std::size_t>(b.object[row]);
    const double* model = b.model + row * n;
    const double* data = b.data + object * n;
    const double* whitening = b.whitening + object * n * n;
    double chi2 = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
        double residual = 0.0;
        for (std::size_t j = 0; j <= i; ++j)
            residual += whitening[i * n + j] * (data[j] - b.amplitude[row] * model[j]);
        chi2 += residual * residual;
    }
    return -0.5 * chi2 - b.log_norm[object];
}

// The same with a diagonal covariance: whitening is (n_objects, n_points), 1 / sigma. Four fixed
// partial sums keep the order of addition and let it run in vectors.
CLMASSMOD_TARGETS
inline double gaussian_row_diagonal(const GaussianBatch& b, std::size_t row) noexcept {
    const std::size_t n = b.n_points;
    const std::size_t object = static_cast<std::size_t>(b.object[row]);
    const double* model = b.model + row * n;
    const double* data = b.data + object * n;
    const double* whitening = b.whitening + object * n;
    const double amplitude = b.amplitude[row];
    double partial[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    const std::size_t whole = n / 8 * 8;
    for (std::size_t i = 0; i < whole; i += 8)
        for (std::size_t k = 0; k < 8; ++k) {
            const double residual = whitening[i + k] * (data[i + k] - amplitude * model[i + k]);
            partial[k] += residual * residual;
        }
    for (std::size_t i = whole; i < n; ++i) {
        const double residual = whitening[i] * (data[i] - amplitude * model[i]);
        partial[0] += residual * residual;
    }
    const double chi2 = ((partial[0] + partial[1]) + (partial[2] + partial[3])) +
                        ((partial[4] + partial[5]) + (partial[6] + partial[7]));
    return -0.5 * chi2 - b.log_norm[object];
}

inline Status gaussian_log_likelihood(const GaussianBatch& batch, bool diagonal,
                                      int n_threads) noexcept {
    constexpr std::size_t kRows = 64;
    const std::size_t blocks = (batch.n_rows + kRows - 1) / kRows;
    return for_each_block(blocks, n_threads, [&](std::size_t block) {
        const std::size_t end = std::min((block + 1) * kRows, batch.n_rows);
        for (std::size_t row = block * kRows; row < end; ++row)
            batch.out[row] =
                diagonal ? gaussian_row_diagonal(batch, row) : gaussian_row(batch, row);
        return Status{};
    });
}

}  // namespace clmassmod
