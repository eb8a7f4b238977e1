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
        const double* peak
        const double* width
    cdef struct CoreTables "clmassmod::MassTables":
        MassGrids grids
        MassSamples samples
        const int64_t* row
    Status population_integrals(
        const PopulationBatch& batch, const CoreTables& tables, int kind, int n_threads
    )

cdef extern from "clmassmod/ensemble_groups.hpp" namespace "clmassmod" nogil:
    cdef struct GroupBatch:
        size_t n_groups
        size_t n_theta
        const int64_t* first
        const int64_t* members
        const double* mean
        const double* sd
        const double* correlation
        double* out
    Status group_integrals(const GroupBatch& batch, const CoreTables& tables, int n_threads)


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


cdef const double* _vector(const double[::1] values, Py_ssize_t n, str name) except? NULL:
    if values.shape[0] != n:
        raise ValueError(f"{name} must be ({n},)")
    return &values[0] if n else NULL


cdef const double* _table(
    const double[:, ::1] values, Py_ssize_t n, Py_ssize_t m, str name
) except? NULL:
    if values.shape[0] != n or values.shape[1] != m:
        raise ValueError(f"{name} must be ({n}, {m})")
    return &values[0, 0] if n and m else NULL


cdef class MassTables:
    """Likelihoods of the masses of n objects: grids and samples, which are kept."""

    cdef CoreTables tables
    cdef Py_ssize_t n
    cdef object kept

    def __init__(self, grids, samples, const int64_t[::1] row):
        """Take the arrays that are attributes of `grids` and `samples`.

        `row` (n,) tells the number of an object among the grids, or -1 - that among the samples.
        """
        cdef const int64_t[::1] first = grids.first
        cdef const int64_t[::1] first_sample = samples.first
        cdef Py_ssize_t n_grids = first.shape[0] - 1
        cdef Py_ssize_t n_samples = first_sample.shape[0] - 1
        cdef Py_ssize_t i
        self.n = row.shape[0]
        if self.n == 0:
            raise ValueError("row is empty")
        for i in range(self.n):
            if not -n_samples <= row[i] < n_grids:
                raise ValueError(f"row {row[i]} is not from {-n_samples} to {n_grids - 1}")
        self.kept = (row, vars(grids).copy(), vars(samples).copy())
        cdef Py_ssize_t total = len(grids.nodes)
        _check_places(first, n_grids, total, 2)
        self.tables.row = &row[0]
        self.tables.grids.first = &first[0]
        self.tables.grids.nodes = _table(grids.nodes, total, 2, "nodes")
        self.tables.grids.start = _vector(grids.start, n_grids, "start")
        self.tables.grids.step = _vector(grids.step, n_grids, "step")
        self.tables.grids.low = _table(grids.low, n_grids, kDepths, "low")
        self.tables.grids.high = _table(grids.high, n_grids, kDepths, "high")
        self.tables.grids.peak = _vector(grids.peak, n_grids, "peak")
        self.tables.grids.width = _vector(grids.width, n_grids, "width")
        total = len(samples.log_mass)
        _check_places(first_sample, n_samples, total, 1)
        self.tables.samples.first = &first_sample[0]
        self.tables.samples.log_mass = _vector(samples.log_mass, total, "log_mass")
        self.tables.samples.log_weight = _vector(samples.log_weight, total, "log_weight")
        self.tables.samples.peak = _vector(samples.peak, n_samples, "peak")
        self.tables.samples.width = _vector(samples.width, n_samples, "width")

    def integrate(
        self,
        int kind,
        const double[:, ::1] mean,
        const double[:, ::1] sd,
        const double[:, ::1] tilt,
        const double[:, ::1] slope,
        const double[:, ::1] parameters,
        double[:, ::1] out,
        int n_threads,
    ):
        """Fill `out` (n, n_theta) with ln L; -inf where there is no such distribution."""
        cdef PopulationBatch batch
        if mean.shape[0] != self.n:
            raise ValueError(f"mean must have {self.n} rows")
        if mean.shape[1] == 0:
            return
        _set_batch(&batch, kind, mean, sd, tilt, slope, parameters, out)
        with nogil:
            population_integrals(batch, self.tables, kind, n_threads)

    def of_groups(
        self,
        const int64_t[::1] first,
        const int64_t[::1] members,
        const double[:, ::1] mean,
        const double[:, ::1] sd,
        const double[::1] correlation,
        double[:, ::1] out,
        int n_threads,
    ):
        """Fill `out` (n_groups, n_theta) with ln L of groups of objects with scatter in common."""
        cdef GroupBatch batch
        cdef Py_ssize_t i, m = mean.shape[1], n_groups = first.shape[0] - 1
        _check_places(first, n_groups, members.shape[0], 1)
        for i in range(members.shape[0]):
            if not 0 <= members[i] < self.n:
                raise ValueError(f"member {members[i]} is no object")
        batch.n_groups = n_groups
        batch.n_theta = m
        batch.mean = _table(mean, self.n, m, "mean")
        batch.sd = _table(sd, self.n, m, "sd")
        batch.correlation = _vector(correlation, m, "correlation")
        if n_groups == 0 or m == 0:
            return
        if out.shape[0] != n_groups or out.shape[1] != m:
            raise ValueError(f"out must be ({n_groups}, {m})")
        batch.first = &first[0]
        batch.members = &members[0]
        batch.out = &out[0, 0]
        with nogil:
            group_integrals(batch, self.tables, n_threads)
