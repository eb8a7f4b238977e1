// Gauss-Legendre quadrature on panels, in fixed lanes: the same bits on every instruction set.
//
// Nodes and weights: tools/gauss_nodes.py. Rules of this order are long enough to hide the latency
// of log and exp. A panel of width w integrates e^(-a t) to 1e-14 for a w <= 60, and a function
// analytic in the strip |Im t| < d to about rho^-64, rho = 2d/w + sqrt(1 + 4 d^2/w^2), which is
// 1e-14 for w = 3.8 d.
#pragma once

#include <cmath>
#include <cstddef>

#include "clmassmod/targets.hpp"

namespace clmassmod {

constexpr std::size_t kNodes = 32;

// the positive nodes and their weights on [-1, 1]
constexpr double kHalfRule[kNodes / 2][2] = {
    {0.048307665687738316235, 0.096540088514727800567},
    {0.14447196158279649349, 0.095638720079274859419},
    {0.23928736225213707454, 0.093844399080804565639},
    {0.33186860228212764978, 0.091173878695763884713},
    {0.42135127613063534536, 0.087652093004403811143},
    {0.50689990893222939002, 0.083311924226946755222},
    {0.58771575724076232904, 0.078193895787070306472},
    {0.66304426693021520098, 0.072345794108848506225},
    {0.73218211874028968039, 0.065822222776361846838},
    {0.79448379596794240696, 0.058684093478535547145},
    {0.84936761373256997013, 0.050998059262376176196},
    {0.89632115576605212397, 0.042835898022226680657},
    {0.93490607593773968917, 0.034273862913021433103},
    {0.96476225558750643077, 0.025392065309262059456},
    {0.9856115115452683354, 0.016274394730905670605},
    {0.99726386184948156354, 0.0070186100094700966004},
};

// The rule on [0, 1], nodes increasing.
struct GaussRule {
    double node[kNodes];
    double weight[kNodes];
    constexpr GaussRule() noexcept : node{}, weight{} {
        constexpr std::size_t half = kNodes / 2;
        for (std::size_t i = 0; i < half; ++i) {
            node[half - 1 - i] = 0.5 - 0.5 * kHalfRule[i][0];
            node[half + i] = 0.5 + 0.5 * kHalfRule[i][0];
            weight[half - 1 - i] = weight[half + i] = 0.5 * kHalfRule[i][1];
        }
    }
};
constexpr GaussRule kGauss;

// Sum over lanes in a fixed tree.
CLMASSMOD_INLINE double lane_sum(const double* lane) noexcept {
    double part[kNodes / 2];
    for (std::size_t j = 0; j < kNodes / 2; ++j) part[j] = lane[j] + lane[j + kNodes / 2];
    for (std::size_t half = kNodes / 4; half > 0; half /= 2)
        for (std::size_t j = 0; j < half; ++j) part[j] += part[j + half];
    return part[0];
}

constexpr double kTail = 1e-15;

// n integrals that share their nodes: one partial sum a lane, added up at the end.
template <int n>
struct LaneSums {
    double lane[n][kNodes] = {};
    double first = 0.0;  // the first integral so far
    // whether the last panel, `gain`, added next to nothing to the first integral
    CLMASSMOD_INLINE bool ended(const double* gain) noexcept {
        const double sum = lane_sum(gain);
        first += sum;
        return std::fabs(sum) <= kTail * std::fabs(first);
    }
    CLMASSMOD_INLINE void finish(double* sum) const noexcept {
        for (int i = 0; i < n; ++i) sum[i] = lane_sum(lane[i]);
    }
};

}  // namespace clmassmod
