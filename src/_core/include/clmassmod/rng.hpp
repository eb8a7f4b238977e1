// Counter-based random numbers: Philox4x64-10 (Salmon et al. 2011, SC'11, table 2 and section 3.3).
//
// A number depends on (seed, purpose, object, part, draw) alone, so any subset, order, chunking or
// number of threads gives the same one.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "clmassmod/threads.hpp"

namespace clmassmod {

using PhiloxKey = std::array<std::uint64_t, 2>;
using PhiloxBlock = std::array<std::uint64_t, 4>;

inline constexpr std::size_t kDrawsPerBlock = 4;

namespace philox {

__extension__ using Product = unsigned __int128;

inline constexpr int kRounds = 10;
inline constexpr std::uint64_t kMultiplier0 = 0xD2E7470EE14C6C93;
inline constexpr std::uint64_t kMultiplier1 = 0xCA5A826395121157;
inline constexpr std::uint64_t kWeyl0 = 0x9E3779B97F4A7C15;
inline constexpr std::uint64_t kWeyl1 = 0xBB67AE8584CAA73B;

inline PhiloxBlock one_round(const PhiloxBlock& x, const PhiloxKey& key) noexcept {
    const Product p0 = static_cast<Product>(kMultiplier0) * x[0];
    const Product p1 = static_cast<Product>(kMultiplier1) * x[2];
    const auto high0 = static_cast<std::uint64_t>(p0 >> 64);
    const auto high1 = static_cast<std::uint64_t>(p1 >> 64);
    return {high1 ^ x[1] ^ key[0], static_cast<std::uint64_t>(p1), high0 ^ x[3] ^ key[1],
            static_cast<std::uint64_t>(p0)};
}

}  // namespace philox

// The four words of one counter.
inline PhiloxBlock philox4x64(PhiloxBlock counter, PhiloxKey key) noexcept {
    for (int round = 0; round < philox::kRounds; ++round) {
        counter = philox::one_round(counter, key);
        key[0] += philox::kWeyl0;
        key[1] += philox::kWeyl1;
    }
    return counter;
}

// An odd multiple of 2^-53: exact, symmetric about 1/2, and never 0 or 1, where quantiles diverge.
inline double open_uniform(std::uint64_t word) noexcept {
    return (static_cast<double>(static_cast<std::int64_t>(word >> 12)) + 0.5) * 0x1p-52;
}

struct KeyedUniforms {
    PhiloxKey key;                // (seed, purpose)
    const std::uint64_t* object;  // (n_objects)
    const std::uint64_t* part;    // (n_objects), a part of the object; null: 0 for all
    std::size_t n_objects;
    std::size_t n_draws;  // of each
};

// out: (n_objects, n_draws); the counter is (draw / 4, object, part, 0).
inline void fill_uniforms(const KeyedUniforms& wanted, std::size_t first, std::size_t last,
                          double* out) noexcept {
    for (std::size_t i = first; i < last; ++i) {
        const std::uint64_t part = wanted.part == nullptr ? 0 : wanted.part[i];
        double* row = out + i * wanted.n_draws;
        for (std::size_t draw = 0; draw < wanted.n_draws; draw += kDrawsPerBlock) {
            const auto words =
                philox4x64({draw / kDrawsPerBlock, wanted.object[i], part, 0}, wanted.key);
            const std::size_t n = std::min(kDrawsPerBlock, wanted.n_draws - draw);
            for (std::size_t k = 0; k < n; ++k) row[draw + k] = open_uniform(words[k]);
        }
    }
}

inline void keyed_uniforms(const KeyedUniforms& wanted, int n_threads, double* out) noexcept {
    // about a millisecond: below, a second thread does not pay
    constexpr std::size_t kBlock = 65536;
    const std::size_t n_blocks = (wanted.n_objects + kBlock - 1) / kBlock;
    for_each_block(n_blocks, n_threads, [&](std::size_t block) noexcept {
        const std::size_t first = block * kBlock;
        fill_uniforms(wanted, first, std::min(first + kBlock, wanted.n_objects), out);
        return Status{};
    });
}

}  // namespace clmassmod
