// Gauss-Legendre quadrature on panels, in fixed lanes: the same bits on every instruction set.
//
// Nodes and weights: roots of P_16 in 40-digit arithmetic. A panel of width w integrates
// e^(-a t) to 1e-14 for a w <= 20, and a function analytic in the strip |Im t| < d to about
// rho^-32, rho = 2d/w + sqrt(1 + 4 d^2/w^2); so w = 1.9 d gives 1e-13.
#pragma once

#include <cstddef>

#include "clmassmod/targets.hpp"

namespace clmassmod {

constexpr std::size_t kNodes = 16;

// on [0, 1]
constexpr double kHalfNode[kNodes / 2] = {
    0.5 * 0.095012509837637440185, 0.5 * 0.28160355077925891323, 0.5 * 0.45801677765722738634,
    0.5 * 0.61787624440264374845,  0.5 * 0.7554044083550030339,  0.5 * 0.86563120238783174388,
    0.5 * 0.94457502307323257608,  0.5 * 0.9894009349916499326};
constexpr double kHalfWeight[kNodes / 2] = {
    0.5 * 0.18945061045506849629, 0.5 * 0.18260341504492358887, 0.5 * 0.16915651939500253819,
    0.5 * 0.14959598881657673208, 0.5 * 0.12462897125553387205, 0.5 * 0.09515851168249278481,
    0.5 * 0.062253523938647892863, 0.5 * 0.027152459411754094852};

struct GaussRule {
    double node[kNodes];
    double weight[kNodes];
    constexpr GaussRule() noexcept : node{}, weight{} {
        for (std::size_t i = 0; i < kNodes / 2; ++i) {
            node[2 * i] = 0.5 - kHalfNode[i];
            node[2 * i + 1] = 0.5 + kHalfNode[i];
            weight[2 * i] = weight[2 * i + 1] = kHalfWeight[i];
        }
    }
};
constexpr GaussRule kGauss;

// One partial sum a lane, added in a fixed tree.
struct Lanes {
    double value[kNodes] = {};
    CLMASSMOD_INLINE double sum() const noexcept {
        double part[kNodes];
        for (std::size_t j = 0; j < kNodes; ++j) part[j] = value[j];
        for (std::size_t half = kNodes / 2; half > 0; half /= 2)
            for (std::size_t j = 0; j < half; ++j) part[j] += part[j + half];
        return part[0];
    }
};

}  // namespace clmassmod
