// From the mass of a generalised NFW halo to its scale radius and convergence.
//
// r_s = R_Delta / c, rho_s = rho_Delta c^3 / (3 m(c)); the mean convergence inside R is
// rho_s r_s / Sigma_crit times the dimensionless one.
#pragma once

#include <algorithm>
#include <cstddef>

#include "clmassmod/profiles/gnfw.hpp"
#include "clmassmod/targets.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

struct HaloScaleBatch {
    std::size_t n = 0;
    const double* log_mass = nullptr;                // (n,) log10
    const double* concentration = nullptr;           // (n,) > 0
    const double* inner_slope = nullptr;             // (n,) in [0, 3)
    const double* reference_density = nullptr;       // (n,) rho_Delta
    const double* inverse_sigma_critical = nullptr;  // (n,)
    double* amplitude = nullptr;                     // (n,) out: rho_s r_s / Sigma_crit
    double* radius = nullptr;                        // (n,) out: r_s
};

CLMASSMOD_TARGETS
inline void halo_scales_block(const HaloScaleBatch& b, std::size_t begin,
                              std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i) {
        const double c = b.concentration[i];
        const double volume =
            exp_flushed(kLn10 * b.log_mass[i]) / (4.0 * kPi / 3.0 * b.reference_density[i]);
        const double r_s = cbrt_positive(volume) / c;
        const double rho_s =
            b.reference_density[i] * (c * c * c) / (3.0 * Gnfw::enclosed_mass(c, b.inner_slope[i]));
        b.radius[i] = r_s;
        b.amplitude[i] = rho_s * r_s * b.inverse_sigma_critical[i];
    }
}

inline void halo_scales(const HaloScaleBatch& batch, int n_threads) noexcept {
    constexpr std::size_t kBlock = 1024;
    const std::size_t blocks = (batch.n + kBlock - 1) / kBlock;
    for_each_block(blocks, n_threads, [&](std::size_t block) {
        halo_scales_block(batch, block * kBlock, std::min((block + 1) * kBlock, batch.n));
        return Status{};
    });
}

}  // namespace clmassmod
