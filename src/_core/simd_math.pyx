# distutils: language = c++
"""The core's elementary functions, for tests of their accuracy."""

from libc.stddef cimport size_t

cdef extern from "clmassmod/simd_arrays.hpp" namespace "clmassmod" nogil:
    cdef enum class Elementary "clmassmod::Elementary":
        log
        exp
        log_one_plus
        cbrt
        arc_kernel_first
        arc_kernel_second
        arc_kernel_third
        arctan_zeroth
        arctan_first
    bint evaluate_elementary(int f, const double* x, double* out, size_t n)


FUNCTIONS = {
    "log": <int>Elementary.log,
    "exp": <int>Elementary.exp,
    "log_one_plus": <int>Elementary.log_one_plus,
    "cbrt": <int>Elementary.cbrt,
    "arc_kernel_first": <int>Elementary.arc_kernel_first,
    "arc_kernel_second": <int>Elementary.arc_kernel_second,
    "arc_kernel_third": <int>Elementary.arc_kernel_third,
    "arctan_zeroth": <int>Elementary.arctan_zeroth,
    "arctan_first": <int>Elementary.arctan_first,
}


def evaluate(int function, const double[::1] x, double[::1] out):
    """Fill `out` (n,) with the function of `x` (n,)."""
    if out.shape[0] != x.shape[0]:
        raise ValueError("out: (n,)")
    if x.shape[0] == 0:
        return
    if not evaluate_elementary(function, &x[0], &out[0], x.shape[0]):
        raise ValueError("unknown function")
