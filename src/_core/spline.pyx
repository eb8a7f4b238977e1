# distutils: language = c++
"""Splines in ln(1 + z) on equal intervals."""

from libc.stddef cimport size_t

cdef extern from "clmassmod/status.hpp" namespace "clmassmod" nogil:
    cdef struct Status:
        pass

cdef extern from "clmassmod/spline.hpp" namespace "clmassmod" nogil:
    cdef cppclass UniformCubic:
        const double* coefficients
        size_t n_intervals
        double start
        double inverse_step
    Status evaluate_at_redshifts(
        const UniformCubic& spline, const double* z, size_t n, double* out
    )


def at_redshifts(
    const double[:, ::1] coefficients, double step, const double[::1] z, double[::1] out
):
    """Fill `out` with the spline at ln(1 + z); NaN outside its range."""
    cdef UniformCubic spline
    if coefficients.shape[1] != 4 or coefficients.shape[0] == 0 or out.shape[0] != z.shape[0]:
        raise ValueError("coefficients: (n, 4), out: the shape of z")
    if z.shape[0] == 0:
        return
    spline.coefficients = &coefficients[0, 0]
    spline.n_intervals = coefficients.shape[0]
    spline.start = 0.0
    spline.inverse_step = 1.0 / step
    with nogil:
        evaluate_at_redshifts(spline, &z[0], z.shape[0], &out[0])
