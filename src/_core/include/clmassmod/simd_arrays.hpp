// The elementary functions over arrays, as the kernels use them, so that tests can reach them.
#pragma once

#include <cstddef>

#include "clmassmod/simd_math.hpp"

namespace clmassmod {

enum class Elementary : int {
    log = 0,
    exp = 1,
    log_one_plus = 2,
    cbrt = 3,
    arc_kernel_first = 4,
    arc_kernel_second = 5,
    arc_kernel_third = 6,
    arctan_zeroth = 7,
    arctan_first = 8,
};

CLMASSMOD_INLINE double elementary(Elementary f, double x) noexcept {
    switch (f) {
        case Elementary::log:
            return log_positive(x);
        case Elementary::exp:
            return exp_flushed(x);
        case Elementary::log_one_plus:
            return log_one_plus(x);
        case Elementary::cbrt:
            return cbrt_positive(x);
        case Elementary::arc_kernel_first:
            return arc_kernel_first(x);
        case Elementary::arc_kernel_second:
            return arc_kernel_second(x);
        case Elementary::arc_kernel_third:
            return arc_kernel_third(x);
        case Elementary::arctan_zeroth:
            return arctan_kernels(x).zeroth;
        case Elementary::arctan_first:
            return arctan_kernels(x).first;
    }
    return kNaN;
}

// The loop of one function, so that it is vectorised as in a kernel.
template <Elementary f>
CLMASSMOD_TARGETS void elementary_loop(const double* x, double* out, std::size_t n) noexcept {
    for (std::size_t k = 0; k < n; ++k) out[k] = elementary(f, x[k]);
}

inline bool evaluate_elementary(int f, const double* x, double* out, std::size_t n) noexcept {
    using Loop = void (*)(const double*, double*, std::size_t) noexcept;
    static constexpr Loop loops[] = {
        elementary_loop<Elementary::log>,
        elementary_loop<Elementary::exp>,
        elementary_loop<Elementary::log_one_plus>,
        elementary_loop<Elementary::cbrt>,
        elementary_loop<Elementary::arc_kernel_first>,
        elementary_loop<Elementary::arc_kernel_second>,
        elementary_loop<Elementary::arc_kernel_third>,
        elementary_loop<Elementary::arctan_zeroth>,
        elementary_loop<Elementary::arctan_first>,
    };
    constexpr int count = static_cast<int>(sizeof loops / sizeof loops[0]);
    if (f < 0 || f >= count) return false;
    loops[f](x, out, n);
    return true;
}

}  // namespace clmassmod
