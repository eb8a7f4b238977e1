# distutils: language = c++
"""Gaussian likelihood of radial profiles."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t

cdef extern from "clmassmod/likelihood.hpp" namespace "clmassmod" nogil:
    cdef struct Status:
        pass
    cdef struct GaussianBatch:
        size_t n_rows
        size_t n_points
        const double* model
        const double* amplitude
        const int64_t* object
        const double* data
        const double* whitening
        const double* log_norm
        double* out
    Status gaussian_log_likelihood(const GaussianBatch& batch, bint diagonal, int n_threads)


def gaussian(
    const double[:, ::1] model,
    const double[::1] amplitude,
    const int64_t[::1] object,
    const double[:, ::1] data,
    const double[:, ::1] whitening,
    const double[::1] log_norm,
    double[::1] out,
    int n_threads,
):
    """Fill `out` (n_rows,); `whitening` is (n_objects, n) for a diagonal covariance, else (n_objects, n * n)."""
    cdef GaussianBatch batch
    cdef Py_ssize_t n_rows = model.shape[0]
    cdef Py_ssize_t n = model.shape[1]
    cdef Py_ssize_t n_objects = data.shape[0]
    cdef Py_ssize_t i
    cdef bint diagonal = whitening.shape[1] == n
    if n_rows == 0 or n == 0:
        return
    if not (
        amplitude.shape[0] == n_rows and object.shape[0] == n_rows and out.shape[0] == n_rows
        and data.shape[1] == n and whitening.shape[0] == n_objects
        and log_norm.shape[0] == n_objects and (diagonal or whitening.shape[1] == n * n)
    ):
        raise ValueError("shapes of model, amplitude, object, data, whitening, out do not fit")
    for i in range(n_rows):
        if object[i] < 0 or object[i] >= n_objects:
            raise IndexError(f"object {object[i]} of row {i} is not in [0, {n_objects})")
    batch.n_rows = n_rows
    batch.n_points = n
    batch.model = &model[0, 0]
    batch.amplitude = &amplitude[0]
    batch.object = &object[0]
    batch.data = &data[0, 0]
    batch.whitening = &whitening[0, 0]
    batch.log_norm = &log_norm[0]
    batch.out = &out[0]
    with nogil:
        gaussian_log_likelihood(batch, diagonal, n_threads)
