// From an observed pair of images (or an Einstein radius) to stellar mass and source offset, for a
// given halo: closed forms.
//
// a, h: deflections of the stars per unit mass and of the halo at an image, b = |x_B|:
//   M* = (x_A + b - h_A - h_B)/(a_A + a_B),   beta = x_A - M* a_A - h_A,
//   |d(log10 M*, beta)/d(x_A, x_B)| = |R_A R_B| / (M* ln 10 (a_A + a_B)),
// and for an Einstein radius M* = (theta - h)/a, |d log10 M*/d theta| = |R|/(M* ln 10 a).
#pragma once

#include <algorithm>
#include <cstddef>

#include "clmassmod/axisym.hpp"
#include "clmassmod/lens_status.hpp"
#include "clmassmod/spline.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

struct PairSolution {
    double mass, beta, jacobian, mu_a, mu_b, radial_b;
};

// A pair is valid if M* > 0, beta >= 0 and R_B > 0.
CLMASSMOD_INLINE LensStatus pair_status(double mass, double beta, double radial_b) noexcept {
    if (!(mass > 0.0)) return LensStatus::no_stellar_mass;
    if (!(beta >= 0.0)) return LensStatus::source_behind_axis;
    return radial_b > 0.0 ? LensStatus::ok : LensStatus::inside_radial_critical_curve;
}

// `star_*` for one unit of mass, at x_A and at b.
CLMASSMOD_INLINE PairSolution invert_pair(double x_a, double b, const MeanValues& star_a,
                                          const MeanValues& star_b, const MeanValues& halo_a,
                                          const MeanValues& halo_b) noexcept {
    const double sum = x_a * star_a.mean + b * star_b.mean;
    const double left = x_a * (1.0 - halo_a.mean) + b * (1.0 - halo_b.mean);
    const double mass = left / sum;
    const double beta = x_a * (1.0 - halo_a.mean - mass * star_a.mean);
    const double radial_a =
        1.0 - (halo_a.mean + halo_a.slope) - mass * (star_a.mean + star_a.slope);
    const double radial_b =
        1.0 - (halo_b.mean + halo_b.slope) - mass * (star_b.mean + star_b.slope);
    const double product = std::fabs(radial_a * radial_b);
    PairSolution s;
    s.mass = mass;
    s.beta = beta;
    s.jacobian = product / (left * kLn10);  // M* (a_A + a_B) = left
    s.mu_a = x_a / (beta * radial_a);
    s.mu_b = -b / (beta * radial_b);
    s.radial_b = radial_b;
    return s;
}

// -- element by element --------------------------------------------------------------------------

// `lenses` have star_amplitude for one unit of stellar mass.
struct PairBatch {
    LensBatch lenses;
    const double* x_a = nullptr;  // (n,) > 0
    const double* x_b = nullptr;  // (n,) < 0
    double *log_mass = nullptr, *beta = nullptr, *jacobian = nullptr;
    double *mu_a = nullptr, *mu_b = nullptr;
    int* status = nullptr;
};

CLMASSMOD_TARGETS
inline void invert_pairs_block(const PairBatch& batch, std::size_t begin,
                               std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i) {
        const StarHaloLens lens = star_halo_lens(batch.lenses, i);
        const double b = -batch.x_b[i];
        const double x_a = batch.x_a[i];
        const PairSolution s = invert_pair(x_a, b, lens.star.at(x_a), lens.star.at(b),
                                           lens.halo.at(x_a), lens.halo.at(b));
        const LensStatus status = pair_status(s.mass, s.beta, s.radial_b);
        const bool ok = status == LensStatus::ok;
        batch.log_mass[i] = ok ? log_positive(s.mass) * (1.0 / kLn10) : kNaN;
        batch.beta[i] = ok ? s.beta : kNaN;
        batch.jacobian[i] = ok ? s.jacobian : kNaN;
        batch.mu_a[i] = ok ? s.mu_a : kNaN;
        batch.mu_b[i] = ok ? s.mu_b : kNaN;
        batch.status[i] = static_cast<int>(status);
    }
}

inline void invert_pairs(const PairBatch& batch, int n_threads) noexcept {
    constexpr std::size_t kBlock = 512;
    const std::size_t n = batch.lenses.n;
    for_each_block((n + kBlock - 1) / kBlock, n_threads, [&](std::size_t block) {
        invert_pairs_block(batch, block * kBlock, std::min((block + 1) * kBlock, n));
        return Status{};
    });
}

struct RingBatch {
    LensBatch lenses;
    const double* einstein = nullptr;  // (n,) > 0
    double *log_mass = nullptr, *jacobian = nullptr;
    int* status = nullptr;
};

CLMASSMOD_TARGETS
inline void invert_rings_block(const RingBatch& batch, std::size_t begin,
                               std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i) {
        const StarHaloLens lens = star_halo_lens(batch.lenses, i);
        const double x = batch.einstein[i];
        const MeanValues star = lens.star.at(x), halo = lens.halo.at(x);
        const double mass = (1.0 - halo.mean) / star.mean;
        const double radial = 1.0 - (halo.mean + halo.slope) - mass * (star.mean + star.slope);
        const bool ok = mass > 0.0;
        batch.log_mass[i] = ok ? log_positive(mass) * (1.0 / kLn10) : kNaN;
        // M* a = x (1 - h/x)
        batch.jacobian[i] = ok ? std::fabs(radial) / (x * (1.0 - halo.mean) * kLn10) : kNaN;
        batch.status[i] = static_cast<int>(ok ? LensStatus::ok : LensStatus::no_stellar_mass);
    }
}

inline void invert_rings(const RingBatch& batch, int n_threads) noexcept {
    constexpr std::size_t kBlock = 512;
    const std::size_t n = batch.lenses.n;
    for_each_block((n + kBlock - 1) / kBlock, n_threads, [&](std::size_t block) {
        invert_rings_block(batch, block * kBlock, std::min((block + 1) * kBlock, n));
        return Status{};
    });
}

}  // namespace clmassmod
