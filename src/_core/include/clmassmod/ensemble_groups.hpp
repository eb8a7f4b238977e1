// Likelihoods of haloes seen in several projections, whose scatters have a part in common.
//
// ln M_j = mean_j + sd_j (sqrt(rho) h + sqrt(1 - rho) e_j): for every halo and every theta
// ln int dh phi(h) prod_j int dlnM L_j(M) phi((ln M - mean_j - common_j h) / own_j) / own_j.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "clmassmod/ensemble.hpp"

namespace clmassmod {

struct GroupBatch {
    std::size_t n_groups = 0;
    std::size_t n_theta = 0;
    const std::int64_t* first = nullptr;    // (n_groups + 1,) places in `members`
    const std::int64_t* members = nullptr;  // objects, group after group
    const double* mean = nullptr;           // (n_objects, n_theta) of ln M
    const double* sd = nullptr;             // (n_objects, n_theta), >= 0
    const double* correlation = nullptr;    // (n_theta,) rho, from 0 to 1
    double* out = nullptr;                  // (n_groups, n_theta) ln L
};

// The integral over h is a trapezoidal sum, which converges exponentially once the integrand is
// negligible at both ends: below e^-kGroupDepth of its maximum. Its nodes are as many as make the
// sum over every other of them agree, when the whole sum is far better than that.
constexpr double kGroupDepth = 12.0;
constexpr std::size_t kFewestNodes = 17, kMostNodes = 1025;
constexpr double kGroupReach = 6.4;  // of the first nodes, in standard deviations of h
constexpr double kGroupAgreement = 3e-3;
constexpr double kGroupFilled = 0.7;  // least part of the nodes that is not negligible
constexpr int kGroupRounds = 60;

struct Halo {
    const GroupBatch& batch;
    const MassTables& tables;
    const ShapeDensity shape;
    const std::int64_t *begin, *end;
    std::size_t theta;
    double common, own;  // in units of sd

    // ln of the integrand at h. A halo beyond nine standard deviations counts as at nine.
    CLMASSMOD_INLINE double operator()(double h) const noexcept {
        double total = with_far_value(-0.5 * h * h, kFarFromGrid, h, 1.0);
        for (const std::int64_t* j = begin; j != end; ++j) {
            const auto object = static_cast<std::size_t>(*j);
            const std::size_t at = object * batch.n_theta + theta;
            total += object_value<PopulationShape::normal>(
                tables, object, batch.mean[at] + h * common * batch.sd[at], own * batch.sd[at],
                shape);
        }
        return total;
    }
};

// Where the integrand is, were all likelihoods normal in ln M.
CLMASSMOD_INLINE Interval expected_range(const Halo& halo) noexcept {
    double precision = 1.0, pull = 0.0;
    for (const std::int64_t* j = halo.begin; j != halo.end; ++j) {
        const auto object = static_cast<std::size_t>(*j);
        const std::int64_t row = halo.tables.row[object];
        const auto i = static_cast<std::size_t>(row >= 0 ? row : -1 - row);
        const double peak = row >= 0 ? halo.tables.grids.peak[i] : halo.tables.samples.peak[i];
        const double width = row >= 0 ? halo.tables.grids.width[i] : halo.tables.samples.width[i];
        const std::size_t at = object * halo.batch.n_theta + halo.theta;
        const double common = halo.common * halo.batch.sd[at], own = halo.own * halo.batch.sd[at];
        const double weight = common / (own * own + width * width);
        precision += common * weight;
        pull += (peak - halo.batch.mean[at]) * weight;
    }
    const double centre = pull / precision, reach = kGroupReach / std::sqrt(precision);
    return {centre - reach, centre + reach};
}

// How far beyond its maximum a range must reach, that reaches `distance` where ln f has fallen by
// `drop`, if it goes on as a parabola.
inline double wider(double distance, double drop, double whole) noexcept {
    if (!(distance > 0.0)) return whole;
    return distance * std::clamp(std::sqrt(1.3 * kGroupDepth / drop), 1.25, 4.0);
}

inline double log_integral_of_group(const Halo& halo) noexcept {
    Interval range = expected_range(halo);
    std::size_t n = kFewestNodes;
    double value[kMostNodes];
    for (int round = 0;; ++round) {
        const double step = (range.high - range.low) / static_cast<double>(n - 1);
        const auto node = [&](std::size_t i) { return range.low + step * static_cast<double>(i); };
        std::size_t top = 0;
        for (std::size_t i = 0; i < n; ++i) {
            value[i] = halo(node(i));
            if (value[i] > value[top]) top = i;
        }
        const double best = value[top];
        std::size_t a = 0, b = n - 1;
        while (value[a] <= best - kGroupDepth) ++a;
        while (value[b] <= best - kGroupDepth) --b;
        const bool cut = a == 0 || b == n - 1;
        const bool empty = static_cast<double>(b - a) < kGroupFilled * static_cast<double>(n - 1);
        if (round < kGroupRounds && (cut || empty)) {
            const double whole = range.high - range.low, at = node(top);
            const double low =
                a == 0 ? at - wider(at - range.low, best - value[0], whole) : node(a - 1);
            const double high =
                b == n - 1 ? at + wider(range.high - at, best - value[n - 1], whole) : node(b + 1);
            range = {low, high};
            n = kFewestNodes;
            continue;
        }
        double sums[2] = {0.0, 0.0};
        for (std::size_t i = 0; i < n; ++i) sums[i % 2] += std::exp(value[i] - best);
        const double sum = sums[0] + sums[1];
        if (round >= kGroupRounds || 2 * n - 1 > kMostNodes ||
            std::fabs(2.0 * sums[0] / sum - 1.0) < kGroupAgreement)
            return best + std::log(sum * step) - 0.5 * std::log(2.0 * kPi);
        n = 2 * n - 1;
    }
}

CLMASSMOD_TARGETS inline void group_value(const GroupBatch& b, const MassTables& tables,
                                          std::size_t at) noexcept {
    const std::size_t group = at / b.n_theta, theta = at % b.n_theta;
    const double rho = b.correlation[theta];
    b.out[at] =
        log_integral_of_group({b, tables, make_shape(PopulationShape::normal, nullptr, 0.0, 0.0),
                               b.members + b.first[group], b.members + b.first[group + 1], theta,
                               std::sqrt(rho), std::sqrt(1.0 - rho)});
}

inline Status group_integrals(const GroupBatch& batch, const MassTables& tables,
                              int n_threads) noexcept {
    return for_each_block(batch.n_groups * batch.n_theta, n_threads, [&](std::size_t at) {
        group_value(batch, tables, at);
        return Status{};
    });
}

}  // namespace clmassmod
