// Detection cross-section of a lens: int 2 pi beta N(mu_A, mu_B) dbeta over its radial caustic.
//
// With w = sqrt(1 - beta/y_c), ln(mu_A beta) and ln(|mu_B| beta w) are smooth in w up to both ends
// (ring and caustic): they are interpolated from a few solved offsets to those of a fine rule, or
// solved at all of these where their Chebyshev series has not converged.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "clmassmod/detected_counts.hpp"
#include "clmassmod/lens_batch.hpp"

namespace clmassmod {

constexpr std::size_t kSolvedOffsets = 20;
constexpr std::size_t kRuleOffsets = 160;
constexpr std::size_t kTailTerms = 3;
// of the last terms of both series
constexpr double kTailTolerance = 1e-6;

// Rule over w in (0, 1).
struct OffsetRule {
    const double* solved = nullptr;         // (kSolvedOffsets,) w of the solved offsets
    const double* tail = nullptr;           // (kTailTerms, kSolvedOffsets) to the last coefficients
    const double* interpolation = nullptr;  // (kSolvedOffsets, kRuleOffsets)
    const double* w = nullptr;              // (kRuleOffsets,)
    const double* weight = nullptr;         // (kRuleOffsets,) of int N d(beta^2) / y_c^2
    const double* log_beta = nullptr;       // (kRuleOffsets,) ln(beta / y_c)
    const double* log_w = nullptr;          // (kRuleOffsets,)
};

// ln(mu_A beta) and ln(|mu_B| beta w), beta in units of y_c, at beta = 1 - w^2. Sources whose image
// B lies too near the centre to be looked for have -inf.
template <class Lens>
CLMASSMOD_INLINE LensStatus solve_gains(const Lens& lens, const LensStructure& s, const double* w,
                                        std::size_t n, double* a, double* b) noexcept {
    for (std::size_t k = 0; k < n; ++k) {
        const double beta = s.caustic * ((1.0 - w[k]) * (1.0 + w[k]));
        const LensImage outer = outer_image(lens, s, beta), inner = inner_image(lens, s, beta);
        if (outer.status != LensStatus::ok) return outer.status;
        a[k] = std::log(outer.radius / (outer.radial * s.caustic));
        const bool seen = inner.status == LensStatus::ok;
        if (!seen && inner.status != LensStatus::single_image) return inner.status;
        b[k] = seen ? std::log(inner.radius / (inner.radial * s.caustic) * w[k]) : -kInfinity;
    }
    return LensStatus::ok;
}

CLMASSMOD_INLINE bool converged(const OffsetRule& rule, const double* values) noexcept {
    for (std::size_t t = 0; t < kTailTerms; ++t) {
        double sum = 0.0;
        for (std::size_t k = 0; k < kSolvedOffsets; ++k)
            sum += rule.tail[t * kSolvedOffsets + k] * values[k];
        if (!(std::fabs(sum) < kTailTolerance)) return false;
    }
    return true;
}

CLMASSMOD_INLINE void interpolate_gain(const OffsetRule& rule, const double* values,
                                       double* out) noexcept {
    std::fill(out, out + kRuleOffsets, 0.0);
    for (std::size_t k = 0; k < kSolvedOffsets; ++k) {
        const double* row = rule.interpolation + k * kRuleOffsets;
        for (std::size_t i = 0; i < kRuleOffsets; ++i) out[i] = mul_add(values[k], row[i], out[i]);
    }
}

// Both gains at the offsets of the rule.
template <class Lens>
CLMASSMOD_INLINE LensStatus rule_gains(const Lens& lens, const LensStructure& s,
                                       const OffsetRule& rule, double* a, double* b) noexcept {
    double few_a[kSolvedOffsets], few_b[kSolvedOffsets];
    LensStatus status = solve_gains(lens, s, rule.solved, kSolvedOffsets, few_a, few_b);
    if (status != LensStatus::ok) return status;
    if (converged(rule, few_a) && converged(rule, few_b)) {
        interpolate_gain(rule, few_a, a);
        interpolate_gain(rule, few_b, b);
    } else {
        status = solve_gains(lens, s, rule.w, kRuleOffsets, a, b);
    }
    for (std::size_t i = 0; i < kRuleOffsets; ++i) {
        a[i] -= rule.log_beta[i];
        b[i] -= rule.log_beta[i] + rule.log_w[i];
    }
    return status;
}

struct CrossSectionColumns {
    double* section;   // (n, n_counts); inf with an infinite caustic
    double* einstein;  // (n,) NaN where there is no ring
    int* status;       // (n,)
};

template <class Lens>
CLMASSMOD_INLINE void cross_section(const Lens& lens, const OffsetRule& rule,
                                    const DetectedCounts& table, const CrossSectionColumns& out,
                                    std::size_t i) noexcept {
    alignas(64) double a[kRuleOffsets], b[kRuleOffsets];
    const LensStructure s = structure_of(lens);
    double* section = out.section + i * table.n_counts;
    std::fill(section, section + table.n_counts, 0.0);
    out.einstein[i] = s.einstein.x;
    out.status[i] = static_cast<int>(s.status);
    if (s.status != LensStatus::ok) return;
    if (!(s.caustic < kInfinity)) {
        std::fill(section, section + table.n_counts, kInfinity);
        return;
    }
    const LensStatus status = rule_gains(lens, s, rule, a, b);
    out.status[i] = static_cast<int>(status);
    if (status != LensStatus::ok) return;
    for (std::size_t k = 0; k < kRuleOffsets; ++k) {
        const DetectedPlace place = detected_place(table, a[k], b[k]);
        for (std::size_t c = 0; c < table.n_counts; ++c)
            section[c] = mul_add(rule.weight[k], detected_at(table, c, place), section[c]);
    }
    const double area = kPi * s.caustic * s.caustic;
    for (std::size_t c = 0; c < table.n_counts; ++c) section[c] *= area;
}

CLMASSMOD_TARGETS
inline void cross_section_block(const LensBatch& batch, const OffsetRule& rule,
                                const DetectedCounts& table, const CrossSectionColumns& out,
                                std::size_t begin, std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i)
        cross_section(star_halo_lens(batch, i), rule, table, out, i);
}

inline void cross_sections(const LensBatch& batch, const OffsetRule& rule,
                           const DetectedCounts& table, const CrossSectionColumns& out,
                           int n_threads) noexcept {
    for_each_lens(batch, n_threads, [&](std::size_t begin, std::size_t end) {
        cross_section_block(batch, rule, table, out, begin, end);
    });
}

}  // namespace clmassmod
