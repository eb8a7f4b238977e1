// Many points of one table in one call: bounds, threads. A value depends on its point alone.
//
// Tried and left out, since neither gained: prefetching the coefficients of later points, and
// evaluating points in the order of where their coefficients lie.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>

#include "clmassmod/interp.hpp"

namespace clmassmod {

template <class T>
struct InterpBatch {
    int n_axes = 0;
    int width = 4;  // W: 2 linear, 4 cubic
    const TableAxis* axes = nullptr;
    const T* coefficients = nullptr;
    std::size_t n_outputs = 1;      // K
    bool outputs_in_lanes = false;  // K > 1: padded to whole lanes and contiguous
    std::size_t n = 0;
    const double* x = nullptr;   // (n, n_axes)
    double* out = nullptr;       // (n, K)
    double* gradient = nullptr;  // (n, K, n_axes) or null
    Outside outside = Outside::report;
};

constexpr std::size_t kInterpBlock = 4096;
constexpr std::size_t kLanes = 4;

constexpr double kEdge = 4.0 * std::numeric_limits<double>::epsilon();

// Puts x onto the axis if it lies within 4 ulp of its ends; says whether it is on it.
CLMASSMOD_INLINE bool on_axis(const TableAxis& axis, double& x) noexcept {
    const double low = axis.breaks[0], high = axis.breaks[axis.intervals];
    if (x >= low && x <= high) return true;
    const double slack = kEdge * std::max(std::fabs(low), std::fabs(high));
    if (!(x >= low - slack && x <= high + slack)) return false;
    x = x < low ? low : high;
    return true;
}

enum class PointKind : int { inside, outside, no_number };

// The point on the table nearest to x, and where x is.
template <int N>
CLMASSMOD_INLINE PointKind place_point(const TableAxis* axes, const double* x,
                                       double* held) noexcept {
    PointKind kind = PointKind::inside;
    for (int a = 0; a < N; ++a) {
        held[a] = x[a];
        if (x[a] != x[a]) return PointKind::no_number;
        if (on_axis(axes[a], held[a])) continue;
        kind = PointKind::outside;
        held[a] = std::min(std::max(x[a], axes[a].breaks[0]), axes[a].breaks[axes[a].intervals]);
    }
    return kind;
}

template <int N, int W, bool lanes, bool slopes, class T>
CLMASSMOD_INLINE void evaluate_stencil(const InterpBatch<T>& b, const Stencil<N>& s, double* out,
                                       double* gradient) noexcept {
    constexpr int last = lanes ? N : N - 1;
    using Lanes = typename LaneTypes<lanes ? 4 : W>::Wide;
    const std::size_t groups = lanes ? (b.n_outputs + kLanes - 1) / kLanes : 1;
    for (std::size_t g = 0; g < groups; ++g) {
        const T* c = b.coefficients + s.offset + g * kLanes;
        Lanes sum[N + 1];
        if constexpr (slopes) {
            contract_slopes<0, last, W, Lanes>(c, b.axes, s, sum);
        } else {
            contract<0, last, W, Lanes>(c, b.axes, s, sum[0]);
        }
        if constexpr (lanes) {
            const std::size_t first = g * kLanes;
            const std::size_t count = std::min(kLanes, b.n_outputs - first);
            for (std::size_t k = 0; k < count; ++k) {
                out[first + k] = sum[0][k];
                if constexpr (slopes)
                    for (int a = 0; a < N; ++a) gradient[(first + k) * N + a] = sum[a + 1][k];
            }
        } else {
            out[0] = dot<W>(sum[0], s.weight[N - 1]);
            if constexpr (slopes) {
                for (int a = 0; a < N - 1; ++a) gradient[a] = dot<W>(sum[a + 1], s.weight[N - 1]);
                gradient[N - 1] = dot<W>(sum[0], s.slope[N - 1]);
            }
        }
    }
}

template <class T>
inline void fill_nan(const InterpBatch<T>& b, int n_axes, double* out, double* gradient) noexcept {
    for (std::size_t k = 0; k < b.n_outputs; ++k) out[k] = kNaN;
    if (gradient == nullptr) return;
    for (std::size_t k = 0; k < b.n_outputs * static_cast<std::size_t>(n_axes); ++k)
        gradient[k] = kNaN;
}

// Linear continuation beyond the edge: value + slope (x - x_edge), from a stencil with slopes.
template <int N, int W, bool lanes, class T>
[[gnu::noinline]] void continue_linearly(const InterpBatch<T>& b, const Stencil<N>& s,
                                         const double* step, double* out,
                                         double* gradient) noexcept {
    double* slope = gradient;
    double small[kMostAxes * 16];
    std::unique_ptr<double[]> large;
    if (slope == nullptr) {
        slope = small;
        if (b.n_outputs > 16) {
            large.reset(new (std::nothrow) double[b.n_outputs * N]);
            slope = large.get();
            if (slope == nullptr) {
                fill_nan(b, N, out, gradient);
                return;
            }
        }
    }
    evaluate_stencil<N, W, lanes, true>(b, s, out, slope);
    for (std::size_t k = 0; k < b.n_outputs; ++k)
        for (int a = 0; a < N; ++a) out[k] += slope[k * N + static_cast<std::size_t>(a)] * step[a];
}

// A point that is not simply inside; false if it is outside and that is to be reported.
template <int N, int W, bool lanes, bool slopes, class T>
[[gnu::noinline]] bool evaluate_other(const InterpBatch<T>& b, const double* x, double* out,
                                      double* gradient) noexcept {
    double held[N];
    const PointKind kind = place_point<N>(b.axes, x, held);
    const bool outside = kind == PointKind::outside;
    if (kind == PointKind::no_number ||
        (outside && (b.outside == Outside::nan || b.outside == Outside::report))) {
        fill_nan(b, N, out, gradient);
        return !(outside && b.outside == Outside::report);
    }
    Stencil<N> s;
    if (outside && b.outside == Outside::linear) {
        make_stencil<N, W, true>(b.axes, held, s);
        double step[N];
        for (int a = 0; a < N; ++a) step[a] = x[a] - held[a];
        continue_linearly<N, W, lanes>(b, s, step, out, gradient);
        return true;
    }
    make_stencil<N, W, slopes>(b.axes, held, s);
    evaluate_stencil<N, W, lanes, slopes>(b, s, out, gradient);
    // a value that does not change beyond the edge has no slope there
    if constexpr (slopes)
        for (std::size_t k = 0; outside && k < b.n_outputs; ++k)
            for (int a = 0; a < N; ++a)
                if (held[a] != x[a]) gradient[k * N + static_cast<std::size_t>(a)] = 0.0;
    return true;
}

template <int N, int W, bool lanes, bool slopes, class T>
CLMASSMOD_TARGETS void evaluate_points(const InterpBatch<T>& given, std::size_t begin,
                                       std::size_t end, std::size_t& bad) noexcept {
    // a copy that nothing else can point to: results could overwrite the original
    TableAxis axes[N];
    double low[N], high[N];
    for (int a = 0; a < N; ++a) {
        axes[a] = given.axes[a];
        low[a] = axes[a].breaks[0];
        high[a] = axes[a].breaks[axes[a].intervals];
    }
    InterpBatch<T> b = given;
    b.axes = axes;
    bad = end;
    for (std::size_t i = begin; i < end; ++i) {
        const double* x = b.x + i * N;
        double* out = b.out + i * b.n_outputs;
        double* gradient = slopes ? b.gradient + i * b.n_outputs * N : nullptr;
        bool inside = true;
        for (int a = 0; a < N; ++a) inside = inside & (x[a] >= low[a]) & (x[a] <= high[a]);
        if (inside) [[likely]] {
            Stencil<N> s;
            make_stencil<N, W, slopes>(axes, x, s);
            evaluate_stencil<N, W, lanes, slopes>(b, s, out, gradient);
        } else if (!evaluate_other<N, W, lanes, slopes>(b, x, out, gradient)) {
            bad = std::min(bad, i);
        }
    }
}

template <int N, int W, bool lanes, bool slopes, class T>
Status run_interp(const InterpBatch<T>& b, int n_threads) noexcept {
    return for_each_block((b.n + kInterpBlock - 1) / kInterpBlock, n_threads,
                          [&](std::size_t block) {
                              const std::size_t begin = block * kInterpBlock;
                              const std::size_t end = std::min(begin + kInterpBlock, b.n);
                              std::size_t bad = end;
                              evaluate_points<N, W, lanes, slopes>(b, begin, end, bad);
                              return bad < end ? Status{StatusCode::outside, bad} : Status{};
                          });
}

template <int N, int W, class T>
Status run_interp_kind(const InterpBatch<T>& b, int n_threads) noexcept {
    if (b.outputs_in_lanes)
        return b.gradient == nullptr ? run_interp<N, W, true, false>(b, n_threads)
                                     : run_interp<N, W, true, true>(b, n_threads);
    return b.gradient == nullptr ? run_interp<N, W, false, false>(b, n_threads)
                                 : run_interp<N, W, false, true>(b, n_threads);
}

template <int N, class T>
Status run_interp_width(const InterpBatch<T>& b, int n_threads) noexcept {
    return b.width == 4 ? run_interp_kind<N, 4>(b, n_threads) : run_interp_kind<N, 2>(b, n_threads);
}

// The one switch from a table to its templates.
template <class T>
Status interpolate(const InterpBatch<T>& b, int n_threads) noexcept {
    switch (b.n_axes) {
        case 1:
            return run_interp_width<1>(b, n_threads);
        case 2:
            return run_interp_width<2>(b, n_threads);
        case 3:
            return run_interp_width<3>(b, n_threads);
        case 4:
            return run_interp_width<4>(b, n_threads);
        case 5:
            return run_interp_width<5>(b, n_threads);
        case 6:
            return run_interp_width<6>(b, n_threads);
        default:
            return {StatusCode::unknown_kind, 0};
    }
}

}  // namespace clmassmod
