// Gauss-Legendre quadrature on panels, in fixed lanes: the same bits on every instruction set.
//
// Nodes and weights: tools/gauss_nodes.py. Rules of order 32 are long enough to hide the latency
// of log and exp. A panel of width w integrates e^(-a t) to 1e-14 for a w <= 60, and a function
// analytic in the strip |Im t| < d to about rho^-64, rho = 2d/w + sqrt(1 + 4 d^2/w^2), which is
// 1e-14 for w = 3.8 d.
#pragma once

#include <cmath>
#include <cstddef>

#include "clmassmod/targets.hpp"

namespace clmassmod {

// the positive nodes and their weights on [-1, 1]
template <std::size_t order>
constexpr double kHalfRule[order / 2][2] = {};
template <>
constexpr double kHalfRule<16>[8][2] = {
    {0.095012509837637440185, 0.18945061045506849629},
    {0.28160355077925891323, 0.18260341504492358887},
    {0.45801677765722738634, 0.16915651939500253819},
    {0.61787624440264374845, 0.14959598881657673208},
    {0.7554044083550030339, 0.12462897125553387205},
    {0.86563120238783174388, 0.09515851168249278481},
    {0.94457502307323257608, 0.062253523938647892863},
    {0.9894009349916499326, 0.027152459411754094852},
};
template <>
constexpr double kHalfRule<32>[16][2] = {
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
template <std::size_t order>
struct GaussRule {
    static_assert(kHalfRule<order>[0][1] > 0.0, "no rule of this order is tabulated");
    double node[order];
    double weight[order];
    constexpr GaussRule() noexcept : node{}, weight{} {
        constexpr std::size_t half = order / 2;
        for (std::size_t i = 0; i < half; ++i) {
            node[half - 1 - i] = 0.5 - 0.5 * kHalfRule<order>[i][0];
            node[half + i] = 0.5 + 0.5 * kHalfRule<order>[i][0];
            weight[half - 1 - i] = weight[half + i] = 0.5 * kHalfRule<order>[i][1];
        }
    }
};
constexpr std::size_t kNodes = 32;
constexpr GaussRule<kNodes> kGauss;
// where 1e-7 is enough, at half the cost
constexpr std::size_t kShortNodes = 16;
constexpr GaussRule<kShortNodes> kShortGauss;

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
