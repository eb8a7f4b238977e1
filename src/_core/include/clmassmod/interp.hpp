// Tensor-product interpolation on rectilinear grids in 1 to 6 dimensions.
//
// On an interval of an axis W functions are not zero (2: linear, 4: cubic B-splines); each is a
// polynomial in t in [0, 1] there, kept as coefficients, so that weights are W short polynomials
// and knots may be anywhere. A value is the sum of W^N coefficients times products of weights, axis
// by axis from the last to the first.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "clmassmod/simd_math.hpp"
#include "clmassmod/status.hpp"
#include "clmassmod/targets.hpp"
#include "clmassmod/threads.hpp"

namespace clmassmod {

constexpr int kMostAxes = 6;

// What a point needs to know of the interval it lies in: together, so that one line has it.
struct TableInterval {
    double left = 0.0;
    double inverse_width = 0.0;
    double right = 0.0;     // of the last interval: infinity
    std::size_t start = 0;  // first coefficient of its stencils
};

// One axis of a table.
struct TableAxis {
    std::size_t intervals = 0;
    const TableInterval* interval = nullptr;
    const double* basis = nullptr;  // (intervals, 4 powers, 4 functions), not used if linear
    // (cells,) an interval at or before each of equal cells; fewer than 2^31
    const std::uint32_t* first_of = nullptr;
    std::size_t cells = 0;
    double cells_per_unit = 0.0;
    double low = 0.0, high = 0.0;
    std::size_t stride = 0;  // from one node to the next, in coefficients
};

enum class Outside : int { report = 0, nan = 1, clip = 2, linear = 3 };

// Vectors of what is contiguous: W coefficients of the last axis, or 4 outputs. A vector never
// crosses a function that is not inlined.
template <int n>
struct LaneTypes;
template <>
struct LaneTypes<2> {
    using Wide = double __attribute__((vector_size(16)));
};
template <>
struct LaneTypes<4> {
    using Wide = double __attribute__((vector_size(32)));
};
using FourLanes = LaneTypes<4>::Wide;

template <class Lanes>
CLMASSMOD_INLINE void load_lanes(const double* from, Lanes& to) noexcept {
    __builtin_memcpy(&to, from, sizeof to);
}
// By elements: gcc converts them in one instruction, but a vector as a whole in halves.
CLMASSMOD_INLINE void load_lanes(const float* from, LaneTypes<2>::Wide& to) noexcept {
    to = LaneTypes<2>::Wide{from[0], from[1]};
}
CLMASSMOD_INLINE void load_lanes(const float* from, FourLanes& to) noexcept {
    to = FourLanes{from[0], from[1], from[2], from[3]};
}

// Interval that holds x, which lies within the axis.
CLMASSMOD_INLINE std::uint32_t interval_of(const TableAxis& axis, double x) noexcept {
    // conversion to a signed int is one instruction everywhere
    const int place = static_cast<int>((x - axis.low) * axis.cells_per_unit);
    std::uint32_t i = axis.first_of[std::min(place, static_cast<int>(axis.cells) - 1)];
    while (x >= axis.interval[i].right) ++i;
    return i;
}

// Where a point lies: the first node of its stencil, and the weights of every axis.
template <int N>
struct Stencil {
    std::size_t offset;
    double weight[N][4];
    double slope[N][4];  // derivatives of the weights
};

// Weights along one axis, given where on it the point lies.
template <int W, bool with_slopes, int N>
CLMASSMOD_INLINE void weigh_axis(const TableAxis& axis, std::size_t i, double x, int a,
                                 Stencil<N>& s) noexcept {
    const TableInterval& here = axis.interval[i];
    const double rate = here.inverse_width;
    const double t = (x - here.left) * rate;
    s.offset += here.start;
    if constexpr (W == 4) {
        // one by one: of a loop gcc makes copies on the stack, which take 4 times as long
        FourLanes p0, p1, p2, p3;
        const double* basis = axis.basis + 16 * i;
        load_lanes(basis, p0);
        load_lanes(basis + 4, p1);
        load_lanes(basis + 8, p2);
        load_lanes(basis + 12, p3);
        const FourLanes value = p0 + t * (p1 + t * (p2 + t * p3));
        __builtin_memcpy(s.weight[a], &value, sizeof value);
        if constexpr (with_slopes) {
            const FourLanes first = rate * (p1 + t * (2.0 * p2 + t * (3.0 * p3)));
            __builtin_memcpy(s.slope[a], &first, sizeof first);
        }
    } else {
        s.weight[a][0] = 1.0 - t;
        s.weight[a][1] = t;
        if constexpr (with_slopes) {
            s.slope[a][0] = -rate;
            s.slope[a][1] = rate;
        }
    }
}

template <int N, int W, bool with_slopes>
CLMASSMOD_INLINE void make_stencil(const TableAxis* axes, const double* x, Stencil<N>& s) noexcept {
    s.offset = 0;
#pragma GCC unroll 6
    for (int a = 0; a < N; ++a)
        weigh_axis<W, with_slopes>(axes[a], interval_of(axes[a], x[a]), x[a], a, s);
}

// The same for a point whose intervals are known.
template <int N, int W, bool with_slopes>
CLMASSMOD_INLINE void make_known_stencil(const TableAxis* axes, const double* x,
                                         const std::uint32_t* interval, Stencil<N>& s) noexcept {
    s.offset = 0;
#pragma GCC unroll 6
    for (int a = 0; a < N; ++a) weigh_axis<W, with_slopes>(axes[a], interval[a], x[a], a, s);
}

// Levels whose loops are unrolled: 64 rows of a cubic table in four dimensions.
constexpr int kUnrolledLevels = 3;

// Sum over axes `level` .. `last` - 1 of the coefficients at c; lanes are what is contiguous there.
template <int level, int last, int W, class Lanes, class T, int N>
CLMASSMOD_INLINE void contract(const T* c, const TableAxis* axes, const Stencil<N>& s,
                               Lanes& sum) noexcept {
    if constexpr (level == last) {
        load_lanes(c, sum);
    } else {
        sum = Lanes{};
        const std::size_t stride = axes[level].stride;
        Lanes part;
        if constexpr (last - level <= kUnrolledLevels) {
#pragma GCC unroll 4
            for (int i = 0; i < W; ++i) {
                contract<level + 1, last, W, Lanes>(c + static_cast<std::size_t>(i) * stride, axes,
                                                    s, part);
                sum += s.weight[level][i] * part;
            }
        } else {
#pragma GCC unroll 1
            for (int i = 0; i < W; ++i) {
                contract<level + 1, last, W, Lanes>(c + static_cast<std::size_t>(i) * stride, axes,
                                                    s, part);
                sum += s.weight[level][i] * part;
            }
        }
    }
}

// The same, and the derivatives along axes `level` .. `last` - 1: sum[0] and sum[1 + axis - level].
template <int level, int last, int W, class Lanes, class T, int N>
CLMASSMOD_INLINE void contract_slopes(const T* c, const TableAxis* axes, const Stencil<N>& s,
                                      Lanes* sum) noexcept {
    if constexpr (level == last) {
        load_lanes(c, sum[0]);
    } else {
        constexpr int below = last - level;  // sums of the level below
        for (int k = 0; k <= below; ++k) sum[k] = Lanes{};
        const std::size_t stride = axes[level].stride;
        const auto add = [&](int i) __attribute__((always_inline)) {
            Lanes part[below];
            contract_slopes<level + 1, last, W, Lanes>(c + static_cast<std::size_t>(i) * stride,
                                                       axes, s, part);
            sum[0] += s.weight[level][i] * part[0];
            sum[1] += s.slope[level][i] * part[0];
            for (int k = 1; k < below; ++k) sum[k + 1] += s.weight[level][i] * part[k];
        };
        if constexpr (last - level <= kUnrolledLevels) {
#pragma GCC unroll 4
            for (int i = 0; i < W; ++i) add(i);
        } else {
#pragma GCC unroll 1
            for (int i = 0; i < W; ++i) add(i);
        }
    }
}

template <int W, class Lanes>
CLMASSMOD_INLINE double dot(const Lanes& lanes, const double* weight) noexcept {
    if constexpr (W == 4)
        return (lanes[0] * weight[0] + lanes[1] * weight[1]) +
               (lanes[2] * weight[2] + lanes[3] * weight[3]);
    return lanes[0] * weight[0] + lanes[1] * weight[1];
}

}  // namespace clmassmod
