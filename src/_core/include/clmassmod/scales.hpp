// From (mass, concentration, density of the mass definition) to (rho_s, r_s).
//
// r_Delta = (3 M / (4 pi rho_Delta))^(1/3), r_s = r_Delta / c,
// rho_s = M / (4 pi r_s^3 m(c)) with m the profile's dimensionless enclosed mass.
#pragma once

#include <algorithm>
#include <cstddef>

#include "clmassmod/simd_math.hpp"
#include "clmassmod/status.hpp"
#include "clmassmod/targets.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

struct ScaleBatch {
    std::size_t n = 0;
    const double* mass = nullptr;               // (n,) > 0
    const double* concentration = nullptr;      // (n,) > 0
    const double* reference_density = nullptr;  // (n,) rho_Delta > 0
    const double* shape = nullptr;              // (n,) or null
    double* density_scale = nullptr;            // (n,) out
    double* radius_scale = nullptr;             // (n,) out
};

template <class Profile>
CLMASSMOD_TARGETS void scales_block(const ScaleBatch& b, std::size_t begin,
                                    std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i) {
        const double c = b.concentration[i];
        const double radius = cbrt_positive(b.mass[i] / (4.0 * kPi / 3.0 * b.reference_density[i]));
        const double enclosed = Profile::enclosed_mass(c, b.shape == nullptr ? 0.0 : b.shape[i]);
        b.radius_scale[i] = radius / c;
        b.density_scale[i] = b.reference_density[i] * (c * c * c) / (3.0 * enclosed);
    }
}

template <class Profile>
Status run_scales(const ScaleBatch& batch, int n_threads) noexcept {
    constexpr std::size_t kBlock = 1024;
    const std::size_t blocks = (batch.n + kBlock - 1) / kBlock;
    return for_each_block(blocks, n_threads, [&](std::size_t block) {
        const std::size_t begin = block * kBlock;
        scales_block<Profile>(batch, begin, std::min(begin + kBlock, batch.n));
        return Status{};
    });
}

}  // namespace clmassmod
