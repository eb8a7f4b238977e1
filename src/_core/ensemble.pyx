# distutils: language = c++
"""Likelihoods of masses integrated over their distribution in a population."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t

cdef extern from "clmassmod/ensemble.hpp" namespace "clmassmod" nogil:
    cdef struct Status:
        pass
    const int kShapeParameters
    const int kDepths
    const double kDepthStep
    cdef struct PopulationBatch:
        size_t n_objects
        size_t n_theta
        const double* mean
        const double* sd
        const double* tilt
        const double* slope
        const double* parameters
        double* out
    cdef struct MassGrids:
        const int64_t* first
        const double* nodes
        const double* start
        const double* step
        const double* low
        const double* high
        const double* peak
        const double* width
    cdef struct MassSamples:
        const int64_t* first
        const double* log_mass
        const double* log_weight
    Status population_of_grids(
        const PopulationBatch& batch, const MassGrids& grids, int kind, int n_threads
    )
    Status population_of_samples(
        const PopulationBatch& batch, const MassSamples& samples, int kind, int n_threads
    )


SHAPES = {"normal": 0, "skew-normal": 1, "student-t": 2, "mixture": 3, "selected": 4}
DEPTHS = tuple((i + 1) * kDepthStep for i in range(kDepths))
"""Below the maximum of ln L, where the ends of a likelihood are told."""


cdef int _set_batch(
    PopulationBatch* batch,
    int kind,
    const double[:, ::1] mean,
    const double[:, ::1] sd,
    const double[:, ::1] tilt,
    const double[:, ::1] slope,
    const double[:, ::1] parameters,
    double[:, ::1] out,
) except -1:
    cdef Py_ssize_t n = mean.shape[0]
    cdef Py_ssize_t m = mean.shape[1]
    if not (0 <= kind < 5):
        raise ValueError(f"shape {kind} is not one of {SHAPES}")
    if not (sd.shape[0] == n and sd.shape[1] == m and out.shape[0] == n and out.shape[1] == m):
        raise ValueError("mean, sd and out must have one shape")
    if kind == 4 and not (
        tilt.shape[0] == n and tilt.shape[1] == m and slope.shape[0] == n and slope.shape[1] == m
    ):
        raise ValueError("tilt and slope must have the shape of mean")
    if kind < 4 and not (parameters.shape[0] == m and parameters.shape[1] == kShapeParameters):
        raise ValueError(f"parameters must be ({m}, {kShapeParameters})")
    batch.n_objects = n
    batch.n_theta = m
    batch.mean = &mean[0, 0]
    batch.sd = &sd[0, 0]
    batch.tilt = &tilt[0, 0] if kind == 4 else NULL
    batch.slope = &slope[0, 0] if kind == 4 else NULL
    batch.parameters = &parameters[0, 0] if kind < 4 else NULL
    batch.out = &out[0, 0]
    return 0


cdef int _check_places(const int64_t[::1] first, Py_ssize_t n, Py_ssize_t total, int least) except -1:
    cdef Py_ssize_t i
    if first.shape[0] != n + 1 or first[0] != 0 or first[n] != total:
        raise ValueError(f"first must be ({n + 1},), from 0 to {total}")
    for i in range(n):
        if first[i + 1] - first[i] < least:
            raise ValueError(f"object {i} has fewer than {least} entries")
    return 0


def of_grids(
    int kind,
    const int64_t[::1] first,
    const double[:, ::1] nodes,
    const double[::1] start,
    const double[::1] step,
    const double[:, ::1] low,
    const double[:, ::1] high,
    const double[::1] peak,
    const double[::1] width,
    const double[:, ::1] mean,
    const double[:, ::1] sd,
    const double[:, ::1] tilt,
    const double[:, ::1] slope,
    const double[:, ::1] parameters,
    double[:, ::1] out,
    int n_threads,
):
    """Fill `out` (n_objects, n_theta) with ln L; NaN where there is no such distribution."""
    cdef PopulationBatch batch
    cdef MassGrids grids
    cdef Py_ssize_t n = mean.shape[0]
    if n == 0 or mean.shape[1] == 0:
        return
    _set_batch(&batch, kind, mean, sd, tilt, slope, parameters, out)
    _check_places(first, n, nodes.shape[0], 2)
    if nodes.shape[1] != 2 or not (
        start.shape[0] == n and step.shape[0] == n and low.shape[0] == n and high.shape[0] == n
        and low.shape[1] == kDepths and high.shape[1] == kDepths and peak.shape[0] == n
        and width.shape[0] == n
    ):
        raise ValueError("shapes of nodes, start, step, low, high, width do not fit")
    grids.first = &first[0]
    grids.nodes = &nodes[0, 0]
    grids.start = &start[0]
    grids.step = &step[0]
    grids.low = &low[0, 0]
    grids.high = &high[0, 0]
    grids.peak = &peak[0]
    grids.width = &width[0]
    with nogil:
        population_of_grids(batch, grids, kind, n_threads)


def of_samples(
    int kind,
    const int64_t[::1] first,
    const double[::1] log_mass,
    const double[::1] log_weight,
    const double[:, ::1] mean,
    const double[:, ::1] sd,
    const double[:, ::1] tilt,
    const double[:, ::1] slope,
    const double[:, ::1] parameters,
    double[:, ::1] out,
    int n_threads,
):
    """Fill `out` (n_objects, n_theta) with ln L; NaN where there is no such distribution."""
    cdef PopulationBatch batch
    cdef MassSamples samples
    cdef Py_ssize_t n = mean.shape[0]
    if n == 0 or mean.shape[1] == 0:
        return
    _set_batch(&batch, kind, mean, sd, tilt, slope, parameters, out)
    _check_places(first, n, log_mass.shape[0], 1)
    if log_weight.shape[0] != log_mass.shape[0]:
        raise ValueError("log_mass and log_weight must have one shape")
    samples.first = &first[0]
    samples.log_mass = &log_mass[0]
    samples.log_weight = &log_weight[0]
    with nogil:
        population_of_samples(batch, samples, kind, n_threads)
