// Many lenses in one call, threaded: each element is worked out by itself, so that results depend
// neither on its neighbours nor on the number of threads.
#pragma once

#include <algorithm>
#include <cstddef>

#include "clmassmod/lens_disc.hpp"
#include "clmassmod/lens_images.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

constexpr std::size_t kLensBlock = 128;
// below this number of lenses starting threads costs more than it gains
constexpr std::size_t kSerialLenses = 64;

// Calls element(lens, i) for every lens of the batch.
template <class Element>
Status for_each_lens(const LensBatch& batch, int n_threads, const Element& element) noexcept {
    const std::size_t blocks = (batch.n + kLensBlock - 1) / kLensBlock;
    return for_each_block(blocks, batch.n < kSerialLenses ? 1 : n_threads, [&](std::size_t block) {
        element(block * kLensBlock, std::min((block + 1) * kLensBlock, batch.n));
        return Status{};
    });
}

// Columns of `out` (columns, n).
struct LensValueColumns {
    double *mean, *convergence, *stretch, *stars_convergence;
};

template <auto make>
CLMASSMOD_TARGETS void lens_values_block(const LensBatch& batch, const double* x,
                                         const LensValueColumns& out, std::size_t begin,
                                         std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i) {
        const auto lens = make(batch, i);
        const LensPoint p = lens.at(x[i]);
        out.mean[i] = p.v.mean;
        out.convergence[i] = p.convergence();
        out.stretch[i] = p.stretch();
        const MeanValues stars = lens.stars_at(x[i]);
        out.stars_convergence[i] = stars.mean + 0.5 * stars.slope;
    }
}

struct StructureColumns {
    double *einstein, *radial, *caustic;
    int* status;
};

template <auto make>
CLMASSMOD_TARGETS void lens_structure_block(const LensBatch& batch, const StructureColumns& out,
                                            std::size_t begin, std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i) {
        const LensStructure s = structure_of(make(batch, i));
        out.einstein[i] = s.einstein.x;
        out.radial[i] = s.radial_radius();
        out.caustic[i] = s.caustic;
        out.status[i] = static_cast<int>(s.status);
    }
}

struct ImageColumns {
    StructureColumns structure;
    double *x_a, *x_b, *mu_a, *mu_b;
    double* delay;  // Fermat potential of B minus that of A; null: not wanted
};

template <class Lens>
CLMASSMOD_INLINE void solve_lens(const Lens& lens, double beta, const ImageColumns& out,
                                 std::size_t i) noexcept {
    const LensStructure s = structure_of(lens);
    LensImage a = no_image(s.status), b = a;
    if (s.status == LensStatus::ok) {
        a = outer_image(lens, s, beta);
        b = inner_image(lens, s, beta);
    }
    out.structure.einstein[i] = s.einstein.x;
    out.structure.radial[i] = s.radial_radius();
    out.structure.caustic[i] = s.caustic;
    out.structure.status[i] = static_cast<int>(a.status == LensStatus::ok ? b.status : a.status);
    out.x_a[i] = a.radius;
    out.x_b[i] = -b.radius;
    out.mu_a[i] = a.magnification;
    out.mu_b[i] = b.magnification;
    if (out.delay != nullptr) out.delay[i] = fermat_difference(lens, a.radius, b.radius, beta);
}

template <auto make>
CLMASSMOD_TARGETS void solve_block(const LensBatch& batch, const double* beta,
                                   const ImageColumns& out, std::size_t begin,
                                   std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i) solve_lens(make(batch, i), beta[i], out, i);
}

struct CentralColumns {
    double *x_c, *mu_c;
};

template <auto make>
CLMASSMOD_TARGETS void central_block(const LensBatch& batch, const double* beta,
                                     const CentralColumns& out, std::size_t begin,
                                     std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i) {
        const auto lens = make(batch, i);
        const LensStructure s = structure_of(lens);
        const LensImage c =
            s.status == LensStatus::ok ? central_image(lens, s, beta[i]) : no_image(s.status);
        out.x_c[i] = -c.radius;
        out.mu_c[i] = c.magnification;
    }
}

// Over the Einstein radius.
constexpr double kSmallestDisc = 1e-7;

struct DiscColumns {
    double *mu_a, *mu_b;
};

template <auto make>
CLMASSMOD_TARGETS void disc_block(const LensBatch& batch, const double* beta, const double* radius,
                                  const DiscColumns& out, std::size_t begin,
                                  std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i) {
        const auto lens = make(batch, i);
        const LensStructure s = structure_of(lens);
        const bool ok = s.status == LensStatus::ok;
        // areas of discs this small are rounded away: these are points
        if (ok && radius[i] < kSmallestDisc * s.einstein.x) {
            out.mu_a[i] = outer_image(lens, s, beta[i]).magnification;
            out.mu_b[i] = inner_image(lens, s, beta[i]).magnification;
            continue;
        }
        out.mu_a[i] = ok ? disc_outer(lens, s, beta[i], radius[i]) : kNaN;
        // a disc that does not reach inside the caustic has no image B
        const bool inside = ok && beta[i] - radius[i] < s.caustic;
        out.mu_b[i] = inside ? -disc_inner(lens, s, beta[i], radius[i]) : kNaN;
    }
}

// -- the one switch from a batch to the kind of its lenses ---------------------------------------

inline bool is_sampled(const LensBatch& batch) noexcept { return batch.total_tables != nullptr; }

inline void lens_values(const LensBatch& batch, const double* x, const LensValueColumns& out,
                        int n_threads) noexcept {
    const auto block =
        is_sampled(batch) ? lens_values_block<sampled_lens> : lens_values_block<star_halo_lens>;
    for_each_lens(batch, n_threads,
                  [&](std::size_t begin, std::size_t end) { block(batch, x, out, begin, end); });
}

inline void lens_structures(const LensBatch& batch, const StructureColumns& out,
                            int n_threads) noexcept {
    const auto block = is_sampled(batch) ? lens_structure_block<sampled_lens>
                                         : lens_structure_block<star_halo_lens>;
    for_each_lens(batch, n_threads,
                  [&](std::size_t begin, std::size_t end) { block(batch, out, begin, end); });
}

inline void solve_lenses(const LensBatch& batch, const double* beta, const ImageColumns& out,
                         int n_threads) noexcept {
    const auto block = is_sampled(batch) ? solve_block<sampled_lens> : solve_block<star_halo_lens>;
    for_each_lens(batch, n_threads,
                  [&](std::size_t begin, std::size_t end) { block(batch, beta, out, begin, end); });
}

inline void solve_central(const LensBatch& batch, const double* beta, const CentralColumns& out,
                          int n_threads) noexcept {
    const auto block =
        is_sampled(batch) ? central_block<sampled_lens> : central_block<star_halo_lens>;
    for_each_lens(batch, n_threads,
                  [&](std::size_t begin, std::size_t end) { block(batch, beta, out, begin, end); });
}

inline void disc_magnifications(const LensBatch& batch, const double* beta, const double* radius,
                                const DiscColumns& out, int n_threads) noexcept {
    const auto block = is_sampled(batch) ? disc_block<sampled_lens> : disc_block<star_halo_lens>;
    for_each_lens(batch, n_threads, [&](std::size_t begin, std::size_t end) {
        block(batch, beta, radius, out, begin, end);
    });
}

}  // namespace clmassmod
