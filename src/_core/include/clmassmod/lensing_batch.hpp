// Lensing of any profile whose Sigma and Delta Sigma are known: the compiled profiles' own code,
// for sums of profiles and others that are evaluated elsewhere.
#pragma once

#include <algorithm>
#include <cstddef>

#include "clmassmod/profile_batch.hpp"

namespace clmassmod {

struct LensingBatch {
    ProfileBatch profile;             // only n_rows, n_columns, sources and out
    const double* surface = nullptr;  // (n_rows, n_columns) Sigma
    const double* excess = nullptr;   // (n_rows, n_columns) Delta Sigma
};

inline Status lensing_of(int quantity, const LensingBatch& batch, int n_threads) noexcept {
    const auto q = static_cast<Quantity>(quantity);
    if (!needs_sources(q)) return {StatusCode::unknown_kind, 0};
    const ProfileBatch& profile = batch.profile;
    const std::size_t points = profile.n_rows * profile.n_columns;
    const auto evaluate = [&, q](Block& b, std::size_t begin, std::size_t n, std::size_t padded) {
        const double* first = q == Quantity::tangential_shear ? batch.excess : batch.surface;
        std::copy_n(first + begin, n, b.first);
        std::copy_n(batch.excess + begin, n, b.second);
        std::fill(b.first + n, b.first + padded, 0.0);
        std::fill(b.second + n, b.second + padded, 0.0);
        return Status{};
    };
    const std::size_t blocks = (points + kBlockPoints - 1) / kBlockPoints;
    return for_each_block(blocks, points < kSerialPoints ? 1 : n_threads, [&](std::size_t block) {
        const std::size_t begin = block * kBlockPoints;
        return run_block(q, profile, begin, std::min(kBlockPoints, points - begin), evaluate);
    });
}

}  // namespace clmassmod
