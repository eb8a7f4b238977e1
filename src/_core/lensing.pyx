# distutils: language = c++
"""Compiled lensing of a given Sigma and Delta Sigma, the same code that profiles use."""

from batch cimport ProfileBatch, Status, StatusCode, check, fill_batch, fill_sources

import numpy as np

cdef extern from "clmassmod/lensing_batch.hpp" namespace "clmassmod" nogil:
    cdef struct LensingBatch:
        ProfileBatch profile
        const double* surface
        const double* excess
    Status lensing_of(int quantity, const LensingBatch& batch, int n_threads)


def lensing(
    int quantity,
    const double[:, ::1] surface,
    const double[:, ::1] excess,
    const double[:, ::1] shear,
    const double[:, ::1] convergence,
    const double[:, ::1] plane_inverse,
    const double[:, ::1] plane_weight,
    double[:, ::1] out,
    int n_threads,
):
    """Fill `out` (n_rows, n_columns) from Sigma and Delta Sigma of that shape.

    `shear` and `convergence` are (1|n_rows, 1|n_columns), the planes (1|n_rows, k) or None.
    """
    cdef LensingBatch batch
    cdef Status status
    cdef size_t n_rows = out.shape[0]
    cdef size_t n_columns = out.shape[1]
    if n_rows == 0 or n_columns == 0:
        return
    check(
        <size_t>surface.shape[0] == n_rows and <size_t>surface.shape[1] == n_columns
        and <size_t>excess.shape[0] == n_rows and <size_t>excess.shape[1] == n_columns,
        "surface, excess: (n_rows, n_columns)",
    )
    cdef const double[::1] unit = np.ones(n_rows)
    # the batch counts its points by their radii, which lensing does not look at
    fill_batch(&batch.profile, surface, unit, unit, out)
    batch.profile.radius.data = &unit[0]
    batch.profile.radius.row_stride = 0
    batch.profile.radius.column_stride = 0
    fill_sources(
        &batch.profile.sources, n_rows, n_columns, shear, convergence, plane_inverse, plane_weight
    )
    batch.surface = &surface[0, 0]
    batch.excess = &excess[0, 0]
    with nogil:
        status = lensing_of(quantity, batch, n_threads)
    if status.code != StatusCode.ok:
        raise RuntimeError(f"core status {<int>status.code} at {status.index}")
