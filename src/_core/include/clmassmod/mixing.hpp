// Profiles at the nodes of a radial grid to what is seen of them in bins, by matrices that are
// polynomials of a place t: out[b][i] = sum_n (sum_k t_b^k c[k][i][n]) v[b][n].
#pragma once

#include <algorithm>
#include <cstddef>

#include "clmassmod/status.hpp"
#include "clmassmod/targets.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

struct MixingBatch {
    std::size_t n_rows = 0;
    std::size_t n_terms = 0;              // k: 1 for a constant matrix
    std::size_t n_bins = 0;               // i
    std::size_t n_nodes = 0;              // n
    const double* coefficient = nullptr;  // (n_terms, n_bins, n_nodes)
    const double* place = nullptr;        // (n_rows,) t
    const double* value = nullptr;        // (n_rows, n_nodes)
    double* out = nullptr;                // (n_rows, n_bins)
};

// In eight fixed partial sums: the same bits on every instruction set.
CLMASSMOD_TARGETS
inline void mix_row(const MixingBatch& batch, std::size_t row) noexcept {
    const std::size_t n = batch.n_nodes;
    const std::size_t stride = batch.n_bins * n;
    const std::size_t whole = n / 8 * 8;
    const double* value = batch.value + row * n;
    const double t = batch.place[row];
    for (std::size_t i = 0; i < batch.n_bins; ++i) {
        const double* last = batch.coefficient + (batch.n_terms - 1) * stride + i * n;
        double partial[8] = {0, 0, 0, 0, 0, 0, 0, 0};
        for (std::size_t j = 0; j < whole; j += 8) {
            double c[8];
            for (std::size_t l = 0; l < 8; ++l) c[l] = last[j + l];
            for (std::size_t k = 1; k < batch.n_terms; ++k) {
                const double* next = last - k * stride + j;
                for (std::size_t l = 0; l < 8; ++l) c[l] = c[l] * t + next[l];
            }
            for (std::size_t l = 0; l < 8; ++l) partial[l] += c[l] * value[j + l];
        }
        for (std::size_t j = whole; j < n; ++j) {
            double c = last[j];
            for (std::size_t k = 1; k < batch.n_terms; ++k) c = c * t + last[j - k * stride];
            partial[0] += c * value[j];
        }
        batch.out[row * batch.n_bins + i] =
            ((partial[0] + partial[1]) + (partial[2] + partial[3])) +
            ((partial[4] + partial[5]) + (partial[6] + partial[7]));
    }
}

inline Status mix(const MixingBatch& batch, int n_threads) noexcept {
    constexpr std::size_t kRows = 8;
    const std::size_t blocks = (batch.n_rows + kRows - 1) / kRows;
    return for_each_block(blocks, n_threads, [&](std::size_t block) {
        const std::size_t end = std::min((block + 1) * kRows, batch.n_rows);
        for (std::size_t row = block * kRows; row < end; ++row) mix_row(batch, row);
        return Status{};
    });
}

}  // namespace clmassmod
