# distutils: language = c++
"""Nodes of averages over displaced circles."""

from libc.stddef cimport size_t
from libcpp.vector cimport vector

import numpy as np

from batch cimport check

cdef extern from "clmassmod/miscentring.hpp" namespace "clmassmod":
    cdef enum class OffsetKind "clmassmod::OffsetKind":
        one
        rayleigh
        gamma
    cdef cppclass RingNodes:
        vector[double] radius
        vector[double] weight[3]
    void ring_nodes(int kind, double R, double scale, double shape, RingNodes& nodes) except + nogil
    void one_ring(double R, double d, double share, RingNodes& nodes) except + nogil
    void ring_sums(
        const double* value, const double* weight, const size_t* start, size_t n, double* out
    ) noexcept nogil

cdef extern from "clmassmod/mixing.hpp" namespace "clmassmod" nogil:
    cdef struct Status:
        pass
    cdef struct MixingBatch:
        size_t n_rows
        size_t n_terms
        size_t n_bins
        size_t n_nodes
        const double* coefficient
        const double* place
        const double* value
        double* out
    Status mix(const MixingBatch& batch, int n_threads)


KINDS = {
    "one": <int>OffsetKind.one,
    "rayleigh": <int>OffsetKind.rayleigh,
    "gamma": <int>OffsetKind.gamma,
}


cdef tuple arrays_of(RingNodes& nodes, size_t[::1] start):
    cdef size_t n = nodes.radius.size()
    cdef double[::1] radius = np.empty(n)
    cdef double[:, ::1] weight = np.empty((3, n))
    cdef size_t i
    cdef int m
    for i in range(n):
        radius[i] = nodes.radius[i]
        for m in range(3):
            weight[m, i] = nodes.weight[m][i]
    return np.asarray(radius), np.asarray(weight), np.asarray(start)


def nodes(int kind, const double[::1] radius, double scale, double shape):
    """Return (radius (k,), weights (3, k), start (m + 1,)) of circles of `radius` (m,).

    Weights are those of a scalar field, a tangential one, and of d Sigma/d ln r.
    """
    cdef RingNodes found
    cdef size_t i
    cdef size_t m = radius.shape[0]
    cdef size_t[::1] start = np.zeros(m + 1, dtype=np.uintp)
    with nogil:
        for i in range(m):
            ring_nodes(kind, radius[i], scale, shape, found)
            start[i + 1] = found.radius.size()
    return arrays_of(found, start)


def sample_nodes(const double[::1] radius, const double[::1] offset, const double[::1] share):
    """As `nodes`, for a sample of offsets (n,) with shares (n,) that sum to one."""
    cdef RingNodes found
    cdef size_t i, j
    cdef size_t m = radius.shape[0]
    cdef size_t n = offset.shape[0]
    cdef size_t[::1] start = np.zeros(m + 1, dtype=np.uintp)
    check(share.shape[0] == <Py_ssize_t>n, "offset, share: (n,)")
    with nogil:
        for i in range(m):
            for j in range(n):
                one_ring(radius[i], offset[j], share[j], found)
            start[i + 1] = found.radius.size()
    return arrays_of(found, start)


def sums(
    const double[:, ::1] values,
    const double[::1] weight,
    const size_t[::1] start,
    double[:, ::1] out,
):
    """Fill `out` (n, m) with the sums of weight (k,) x values (n, k) over each circle's nodes."""
    cdef size_t i
    cdef size_t m = out.shape[1]
    check(
        values.shape[0] == out.shape[0] and values.shape[1] == weight.shape[0]
        and <size_t>start.shape[0] == m + 1 and start[m] == <size_t>weight.shape[0],
        "values: (n, k), weight: (k,), start: (m + 1,), out: (n, m)",
    )
    if out.shape[0] == 0 or m == 0:
        return
    with nogil:
        for i in range(<size_t>out.shape[0]):
            ring_sums(&values[i, 0], &weight[0], &start[0], m, &out[i, 0])


def mixed(
    const double[:, :, ::1] coefficient,
    const double[::1] place,
    const double[:, ::1] value,
    double[:, ::1] out,
    int n_threads,
):
    """Fill `out` (n, bins) with polynomial matrices (terms, bins, nodes) times `value` (n, nodes).

    `place` (n,) is where each row's matrix is taken.
    """
    cdef MixingBatch batch
    batch.n_rows = out.shape[0]
    batch.n_terms = coefficient.shape[0]
    batch.n_bins = out.shape[1]
    batch.n_nodes = value.shape[1]
    check(
        coefficient.shape[1] == out.shape[1] and coefficient.shape[2] == value.shape[1]
        and place.shape[0] == out.shape[0] and value.shape[0] == out.shape[0]
        and batch.n_terms > 0,
        "coefficient: (terms, bins, nodes), place: (n,), value: (n, nodes), out: (n, bins)",
    )
    if batch.n_rows == 0 or batch.n_bins == 0:
        return
    if batch.n_nodes == 0:
        out[:, :] = 0.0  # sums of nothing; there is no first element to point at
        return
    batch.coefficient = &coefficient[0, 0, 0]
    batch.place = &place[0]
    batch.value = &value[0, 0]
    batch.out = &out[0, 0]
    with nogil:
        mix(batch, n_threads)
