# distutils: language = c++
"""Means over a population of lenses, without the GIL."""

from libc.stddef cimport size_t
from libcpp cimport bool as cbool

import numpy as np

from batch cimport check
from population cimport PopulationFrame

cdef extern from "clmassmod/selection_sum.hpp" namespace "clmassmod" nogil:
    const size_t kMostHaloNodes
    const size_t kMostMismatchNodes
    cdef struct SelectionGrid:
        size_t n_groups, n_x, n_alpha, n_gamma, n_h
        const double* values
        const double* x
        const double* x_weight
        const double* alpha
        const double* alpha_weight
        const double* h
        const double* h_weight
        const double* mean_re
        const double* excess
        const double* excess_weight
        cbool with_sizes
    cdef struct SelectionPoints:
        size_t n
        const double* points
        size_t n_t
        const double* t
        const double* t_weight
        PopulationFrame frame
    void selection_shares(const SelectionGrid& g, const SelectionPoints& s,
                          const double* gamma_weight, double* out, int n_threads)

MOST_HALO_NODES = kMostHaloNodes
MOST_MISMATCH_NODES = kMostMismatchNodes


def shares(
    const double[:, :, :, :, ::1] values,
    const double[:, ::1] x,
    const double[:, ::1] alpha,
    const double[:, ::1] h,
    const double[::1] mean_re,
    const double[:, ::1] excess,
    bint with_sizes,
    const double[:, ::1] points,
    const double[:, ::1] slope_weights,
    const double[:, ::1] mismatch,
    const double[::1] frame,
    double[:, ::1] out,
    int n_threads,
):
    """Fill `out` (points, x): what each stellar mass adds to the mean.

    `values` (groups, x, alpha, gamma, h); `x`, `alpha`, `h`, `excess` and `mismatch` (2, n):
    nodes and weights (barycentric ones of alpha); `slope_weights` (points, gamma).
    """
    cdef SelectionGrid g
    cdef SelectionPoints s
    g.n_groups, g.n_x, g.n_alpha = values.shape[0], values.shape[1], values.shape[2]
    g.n_gamma, g.n_h = values.shape[3], values.shape[4]
    check(g.n_h % 8 == 0 and g.n_h <= kMostHaloNodes and g.n_alpha <= kMostMismatchNodes, "values")
    check(x.shape[0] == 2 and <size_t>x.shape[1] == g.n_x and alpha.shape[0] == 2
          and <size_t>alpha.shape[1] == g.n_alpha and h.shape[0] == 2
          and <size_t>h.shape[1] == g.n_h and <size_t>mean_re.shape[0] == g.n_x
          and excess.shape[0] == 2 and <size_t>excess.shape[1] == g.n_groups, "nodes")
    s.n = points.shape[0]
    check(s.n > 0 and points.shape[1] == 15 and <size_t>slope_weights.shape[0] == s.n
          and <size_t>slope_weights.shape[1] == g.n_gamma and frame.shape[0] == 5
          and mismatch.shape[0] == 2 and <size_t>out.shape[0] == s.n
          and <size_t>out.shape[1] == g.n_x, "points")
    g.values = &values[0, 0, 0, 0, 0]
    g.x, g.x_weight = &x[0, 0], &x[1, 0]
    g.alpha, g.alpha_weight = &alpha[0, 0], &alpha[1, 0]
    g.h, g.h_weight = &h[0, 0], &h[1, 0]
    g.mean_re, g.excess, g.excess_weight = &mean_re[0], &excess[0, 0], &excess[1, 0]
    g.with_sizes = with_sizes
    s.points = &points[0, 0]
    s.n_t, s.t, s.t_weight = mismatch.shape[1], &mismatch[0, 0], &mismatch[1, 0]
    s.frame.pivot_r, s.frame.pivot_h, s.frame.pivot_sps = frame[0], frame[1], frame[2]
    s.frame.gamma_low, s.frame.gamma_high = frame[3], frame[4]
    with nogil:
        selection_shares(g, s, &slope_weights[0, 0], &out[0, 0], n_threads)
