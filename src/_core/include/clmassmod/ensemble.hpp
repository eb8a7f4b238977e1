// Likelihoods of masses integrated over their distribution in a population.
//
// L(theta) = int dlnM L(M) g((ln M - mean) / sd) / sd, for every object and every theta. L is a
// cubic through ln L on equal steps of M, or a set of samples with weights over their interim
// prior.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "clmassmod/ensemble_shape.hpp"
#include "clmassmod/quadrature.hpp"
#include "clmassmod/simd_math.hpp"
#include "clmassmod/status.hpp"
#include "clmassmod/targets.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

struct PopulationBatch {
    std::size_t n_objects = 0;
    std::size_t n_theta = 0;
    const double* mean = nullptr;        // (n_objects, n_theta) of ln M
    const double* sd = nullptr;          // (n_objects, n_theta), >= 0
    const double* tilt = nullptr;        // (n_objects, n_theta), of `selected` alone
    const double* slope = nullptr;       // (n_objects, n_theta), of `selected` alone
    const double* parameters = nullptr;  // (n_theta, kShapeParameters)
    double* out = nullptr;  // (n_objects, n_theta) ln L; -inf where there is no such distribution
};

struct MassGrids {
    const std::int64_t* first = nullptr;  // (n + 1,) places in `nodes`
    const double* nodes = nullptr;        // (total, 2): ln L, its slope per step
    const double* start = nullptr;        // (n,) mass of the first node
    const double* step = nullptr;         // (n,)
    const double* low = nullptr;          // (n, kDepths) ln M where L starts and ends
    const double* high = nullptr;
    const double* peak = nullptr;   // (n,) ln M of its maximum
    const double* width = nullptr;  // (n,) narrowest scale of L in ln M
};

struct MassSamples {
    const std::int64_t* first = nullptr;  // (n + 1,) places in the samples
    const double* log_mass = nullptr;     // (total,)
    const double* log_weight = nullptr;   // (total,)
    const double* peak = nullptr;         // (n,) mean of ln M
    const double* width = nullptr;        // (n,) its standard deviation, > 0
};

struct MassTables {
    MassGrids grids;
    MassSamples samples;
    // (n_objects,) its number among the grids, or -1 - that among the samples
    const std::int64_t* row = nullptr;
};

// A panel of the Gauss rule is kPanel times as wide as the narrowest scale of the integrand, which
// is then integrated to 1e-7 (measured against adaptive quadrature).
constexpr double kPanel = 8.0;

// Beyond e^-kNegligible of the integrand's maximum nothing is added up.
constexpr double kNegligible = 20.0;
// A distribution this much narrower than L has all masses at its mean, to 1e-7 even where its own
// mean is off (`selected`); ln M of its nodes would be lost to rounding.
constexpr double kNarrowest = 1e-7;
// A distribution with an integral below e^-kFar of the maximum of L is given that over 1 + d^2, d
// its distance in standard deviations: an outlier counts as nine, and a sampler finds its way.
constexpr double kFarFromGrid = 40.5, kFarFromSamples = 700.0;
constexpr int kDepths = 12;  // ends of L are known at ln L = -kDepthStep, -2 kDepthStep, ...
constexpr double kDepthStep = 5.0;

// One object's cubic through ln L.
struct LogLikelihoodCubic {
    const double* nodes;
    double start, inverse_step, last;  // last: number of the last interval

    CLMASSMOD_INLINE double operator()(double mass) const noexcept {
        const double position = (mass - start) * inverse_step;
        double cell = std::floor(position);
        cell = cell < 0.0 ? 0.0 : (cell > last ? last : cell);
        const double t = position - cell;
        const double* n = nodes + 2 * static_cast<std::int32_t>(cell);
        const double rise = n[2] - n[0];
        const double second = 3.0 * rise - 2.0 * n[1] - n[3];
        const double third = n[1] + n[3] - 2.0 * rise;
        return n[0] + t * (n[1] + t * (second + t * third));
    }
};

struct Interval {
    double low, high;
};

// Where the integrand is not negligible. Its greatest value is at least that at the mean, at the
// maximum of L, or between them; L and the density are at most 1 (up to their norms).
template <PopulationShape kind>
CLMASSMOD_INLINE Interval integrand_range(const LogLikelihoodCubic& likelihood, const double* low,
                                          const double* high, double peak, double width,
                                          double mean, double sd,
                                          const ShapeDensity& shape) noexcept {
    Interval range{mean + shape.low * sd, mean + shape.high * sd};
    int depth = kDepths;
    if constexpr (kind == PopulationShape::normal) {
        const double share = sd * sd / (sd * sd + width * width);
        double best = -kInfinity;
        for (const double y : {mean, peak, mean + share * (peak - mean)}) {
            if (!(y >= low[kDepths - 1] && y <= high[kDepths - 1])) continue;
            const double u = (y - mean) / sd;
            best = std::max(best, likelihood(exp_flushed(y)) - 0.5 * u * u);
        }
        const double deepest = std::min(kNegligible - best, 0.5 * kNormalReach * kNormalReach);
        const double reach = std::sqrt(2.0 * deepest) * sd;
        range = {mean - reach, mean + reach};
        depth = std::min(kDepths, 1 + static_cast<int>(deepest / kDepthStep));
    }
    return {std::max(range.low, low[depth - 1]), std::min(range.high, high[depth - 1])};
}

template <PopulationShape kind>
CLMASSMOD_INLINE double grid_integral(const LogLikelihoodCubic& likelihood, Interval range,
                                      double width, double mean, double sd,
                                      const ShapeDensity& shape) noexcept {
    if (!(range.low < range.high)) return 0.0;
    const double panel = kPanel * std::min(width, shape.finest * sd);
    const double span = range.high - range.low;
    const auto n_panels = static_cast<std::int64_t>(std::ceil(span / panel));
    const double step = span / static_cast<double>(n_panels);
    const double inverse_sd = 1.0 / sd;
    double total = 0.0;
    for (std::int64_t p = 0; p < n_panels; ++p) {
        const double left = range.low + step * static_cast<double>(p);
        double y[kShortNodes], value[kShortNodes];
        for (std::size_t k = 0; k < kShortNodes; ++k) {
            y[k] = left + step * kShortGauss.node[k];
            value[k] = exp_flushed(y[k]);
        }
        for (std::size_t k = 0; k < kShortNodes; ++k) value[k] = likelihood(value[k]);
        for (std::size_t k = 0; k < kShortNodes; ++k)
            value[k] = kShortGauss.weight[k] *
                       weighted_density<kind>(shape, value[k], (y[k] - mean) * inverse_sd);
        for (std::size_t k = 0; k < kShortNodes; ++k) total += value[k];
    }
    return total * step * inverse_sd;
}

template <PopulationShape kind>
CLMASSMOD_INLINE ShapeDensity shape_of(const PopulationBatch& b, std::size_t object,
                                       std::size_t theta) noexcept {
    const std::size_t at = object * b.n_theta + theta;
    if constexpr (kind == PopulationShape::selected)
        return make_shape(kind, nullptr, b.tilt[at], b.slope[at]);
    return make_shape(kind, b.parameters + theta * kShapeParameters, 0.0, 0.0);
}

inline double log_or_nothing(double value, double log_norm) noexcept {
    return value > 0.0 ? std::log(value) + log_norm : -kInfinity;
}

template <PopulationShape kind>
CLMASSMOD_INLINE double grid_value(const MassGrids& g, std::size_t i, double mean, double sd,
                                   const ShapeDensity& shape) noexcept {
    const std::int64_t size = g.first[i + 1] - g.first[i];
    const LogLikelihoodCubic likelihood{g.nodes + 2 * g.first[i], g.start[i], 1.0 / g.step[i],
                                        static_cast<double>(size - 2)};
    const double* low = g.low + i * kDepths;
    const double* high = g.high + i * kDepths;
    if (!shape.exists) return kNaN;
    if (sd <= kNarrowest * g.width[i]) {  // all masses are the mean
        const bool inside = mean >= low[kDepths - 1] && mean <= high[kDepths - 1];
        return inside ? likelihood(exp_flushed(mean)) : -kInfinity;
    }
    const Interval range =
        integrand_range<kind>(likelihood, low, high, g.peak[i], g.width[i], mean, sd, shape);
    const double value = grid_integral<kind>(likelihood, range, g.width[i], mean, sd, shape);
    return log_or_nothing(value, shape.log_norm);
}

// Distributions narrower than this, in standard deviations of an object's samples, are taken as of
// this width: fewer samples are inside, whose number is noise. The likelihood changes over it by
// half its square times its curvature.
constexpr double kFinestOfSamples = 0.03;

template <PopulationShape kind>
CLMASSMOD_INLINE double sample_value(const MassSamples& s, std::size_t row, double mean, double sd,
                                     const ShapeDensity& shape) noexcept {
    if (!shape.exists) return kNaN;
    const std::int64_t first = s.first[row], last = s.first[row + 1];
    const double inverse_sd = 1.0 / std::max(sd, kFinestOfSamples * s.width[row]);
    double partial[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    std::int64_t i = first;
    for (; i + 8 <= last; i += 8)
        for (std::int64_t k = 0; k < 8; ++k)
            partial[k] += weighted_density<kind>(shape, s.log_weight[i + k],
                                                 (s.log_mass[i + k] - mean) * inverse_sd);
    for (; i < last; ++i)
        partial[0] +=
            weighted_density<kind>(shape, s.log_weight[i], (s.log_mass[i] - mean) * inverse_sd);
    const double total = ((partial[0] + partial[1]) + (partial[2] + partial[3])) +
                         ((partial[4] + partial[5]) + (partial[6] + partial[7]));
    return log_or_nothing(total * inverse_sd, shape.log_norm);
}

CLMASSMOD_INLINE double with_far_value(double value, double far, double distance,
                                       double variance) noexcept {
    if (value >= -far) return value;
    if (std::isnan(value)) return -kInfinity;
    return std::max(value, -far - std::log1p(distance * distance / variance));
}

// ln of the integral over the masses of one object.
template <PopulationShape kind>
CLMASSMOD_INLINE double object_value(const MassTables& t, std::size_t object, double mean,
                                     double sd, const ShapeDensity& shape) noexcept {
    const std::int64_t row = t.row[object];
    if (row >= 0) {
        const auto i = static_cast<std::size_t>(row);
        return with_far_value(grid_value<kind>(t.grids, i, mean, sd, shape), kFarFromGrid,
                              mean - t.grids.peak[i],
                              sd * sd + t.grids.width[i] * t.grids.width[i]);
    }
    const auto i = static_cast<std::size_t>(-1 - row);
    return with_far_value(sample_value<kind>(t.samples, i, mean, sd, shape), kFarFromSamples,
                          mean - t.samples.peak[i],
                          sd * sd + t.samples.width[i] * t.samples.width[i]);
}

template <PopulationShape kind>
CLMASSMOD_TARGETS void object_row(const PopulationBatch& b, const MassTables& tables,
                                  std::size_t object) noexcept {
    for (std::size_t theta = 0; theta < b.n_theta; ++theta) {
        const std::size_t at = object * b.n_theta + theta;
        const ShapeDensity shape = shape_of<kind>(b, object, theta);
        b.out[at] = object_value<kind>(tables, object, b.mean[at], b.sd[at], shape);
    }
}

// Calls work<kind>(object) for every object.
template <class Work>
Status for_each_object(PopulationShape kind, std::size_t n, int n_threads, const Work& work) {
    const auto run = [&]<PopulationShape k>() {
        return for_each_block(n, n_threads, [&](std::size_t object) {
            work.template operator()<k>(object);
            return Status{};
        });
    };
    switch (kind) {
        case PopulationShape::normal:
            return run.template operator()<PopulationShape::normal>();
        case PopulationShape::skew_normal:
            return run.template operator()<PopulationShape::skew_normal>();
        case PopulationShape::student:
            return run.template operator()<PopulationShape::student>();
        case PopulationShape::mixture:
            return run.template operator()<PopulationShape::mixture>();
        case PopulationShape::selected:
            return run.template operator()<PopulationShape::selected>();
    }
    return {StatusCode::unknown_kind, 0};
}

inline Status population_integrals(const PopulationBatch& batch, const MassTables& tables, int kind,
                                   int n_threads) noexcept {
    return for_each_object(
        static_cast<PopulationShape>(kind), batch.n_objects, n_threads,
        [&]<PopulationShape k>(std::size_t object) { object_row<k>(batch, tables, object); });
}

}  // namespace clmassmod
