// Many points of one table in one call: bounds, threads. A value depends on its point alone.
//
// Points go in groups: first all stencils of a group, then all sums, so that the processor has the
// coefficients of several points under way at once. Tried and left out, since none gained:
// prefetching the coefficients of a group, huge pages (the memory of large arrays has them), and
// sorting the points of a call, which takes longer than it saves; a plan is sorted once.
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
    const double* x = nullptr;             // (n, n_axes)
    double* out = nullptr;                 // (n, K)
    double* gradient = nullptr;            // (n, K, n_axes) or null
    const std::uint32_t* known = nullptr;  // of a plan: intervals (n, n_axes), else null
    std::size_t n_known = 0;               // the first of these are inside
    Outside outside = Outside::report;
};

constexpr std::size_t kInterpBlock = 4096;
constexpr std::size_t kInterpGroup = 32;
constexpr std::size_t kLanes = 4;

constexpr double kEdge = 4.0 * std::numeric_limits<double>::epsilon();

// Puts x onto the axis if it lies within 4 ulp of its ends; says whether it is on it.
CLMASSMOD_INLINE bool on_axis(const TableAxis& axis, double& x) noexcept {
    const double low = axis.low, high = axis.high;
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
        held[a] = std::min(std::max(x[a], axes[a].low), axes[a].high);
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

// The stencil of point i, or false if it is not simply inside.
template <int N, int W, bool slopes, class T>
CLMASSMOD_INLINE bool prepare_point(const InterpBatch<T>& b, std::size_t i,
                                    Stencil<N>& s) noexcept {
    const double* x = b.x + i * N;
    if (b.known != nullptr) {
        if (i >= b.n_known) return false;
        make_known_stencil<N, W, slopes>(b.axes, x, b.known + i * N, s);
        return true;
    }
    bool inside = true;
    for (int a = 0; a < N; ++a)
        inside = inside & (x[a] >= b.axes[a].low) & (x[a] <= b.axes[a].high);
    if (!inside) return false;
    make_stencil<N, W, slopes>(b.axes, x, s);
    return true;
}

template <int N, int W, bool lanes, bool slopes, class T>
CLMASSMOD_TARGETS void evaluate_points(const InterpBatch<T>& given, std::size_t begin,
                                       std::size_t end, std::size_t& bad) noexcept {
    // a copy that nothing else can point to: results could overwrite the original
    TableAxis axes[N];
    for (int a = 0; a < N; ++a) axes[a] = given.axes[a];
    InterpBatch<T> b = given;
    b.axes = axes;
    bad = end;
    Stencil<N> stencils[kInterpGroup];
    bool inside[kInterpGroup];
    for (std::size_t first = begin; first < end; first += kInterpGroup) {
        const std::size_t count = std::min(kInterpGroup, end - first);
        for (std::size_t j = 0; j < count; ++j)
            inside[j] = prepare_point<N, W, slopes>(b, first + j, stencils[j]);
        for (std::size_t j = 0; j < count; ++j) {
            const std::size_t i = first + j;
            const std::size_t row = i * b.n_outputs;
            double* out = b.out + row;
            double* gradient = slopes ? b.gradient + row * N : nullptr;
            if (inside[j]) [[likely]] {
                evaluate_stencil<N, W, lanes, slopes>(b, stencils[j], out, gradient);
            } else if (!evaluate_other<N, W, lanes, slopes>(b, b.x + i * N, out, gradient)) {
                bad = std::min(bad, i);
            }
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

// The one switch from a number of axes to templates: calls work.operator()<N>().
template <class Work>
Status with_axes(int n_axes, const Work& work) noexcept {
    switch (n_axes) {
        case 1:
            return work.template operator()<1>();
        case 2:
            return work.template operator()<2>();
        case 3:
            return work.template operator()<3>();
        case 4:
            return work.template operator()<4>();
        case 5:
            return work.template operator()<5>();
        case 6:
            return work.template operator()<6>();
        default:
            return {StatusCode::unknown_kind, 0};
    }
}

template <class T>
Status interpolate(const InterpBatch<T>& b, int n_threads) noexcept {
    return with_axes(b.n_axes, [&]<int N>() { return run_interp_width<N>(b, n_threads); });
}

// Where points lie, for a plan.
struct LocateBatch {
    int n_axes = 0;
    const TableAxis* axes = nullptr;
    std::size_t n = 0;
    double* x = nullptr;                // (n, n_axes); those a few ulp beyond an edge are put on it
    std::uint32_t* interval = nullptr;  // (n, n_axes), only of points inside
    unsigned char* kind = nullptr;      // (n,) PointKind
};

template <int N>
Status run_locate(const LocateBatch& b, int n_threads) noexcept {
    const std::size_t n_blocks = (b.n + kInterpBlock - 1) / kInterpBlock;
    return for_each_block(n_blocks, n_threads, [&](std::size_t block) {
        const std::size_t end = std::min((block + 1) * kInterpBlock, b.n);
        for (std::size_t i = block * kInterpBlock; i < end; ++i) {
            double held[N];
            const PointKind kind = place_point<N>(b.axes, b.x + i * N, held);
            b.kind[i] = static_cast<unsigned char>(kind);
            if (kind != PointKind::inside) continue;
            for (int a = 0; a < N; ++a) {
                b.x[i * N + static_cast<std::size_t>(a)] = held[a];
                b.interval[i * N + static_cast<std::size_t>(a)] = interval_of(b.axes[a], held[a]);
            }
        }
        return Status{};
    });
}

inline Status locate(const LocateBatch& b, int n_threads) noexcept {
    return with_axes(b.n_axes, [&]<int N>() { return run_locate<N>(b, n_threads); });
}

}  // namespace clmassmod
