"""What the modules that evaluate batches of profiles share: declarations and checks."""

from libc.stddef cimport size_t

cdef extern from "clmassmod/status.hpp" namespace "clmassmod" nogil:
    cdef enum class StatusCode "clmassmod::StatusCode":
        ok
        bad_radius
        no_convergence
        unknown_kind
        outside
    cdef struct Status:
        StatusCode code
        size_t index

cdef extern from "clmassmod/profile_batch.hpp" namespace "clmassmod" nogil:
    cdef struct Strided:
        const double* data
        size_t row_stride
        size_t column_stride
    cdef struct Sources:
        Strided shear
        Strided convergence
        const double* plane_inverse
        const double* plane_weight
        size_t plane_row_stride
        size_t weight_row_stride
        size_t n_planes
    cdef struct ProfileBatch:
        Strided radius
        size_t n_rows
        size_t n_columns
        const double* density_scale
        const double* radius_scale
        const double* shape
        Sources sources
        double* out


cdef inline int check(bint condition, str message) except -1:
    if not condition:
        raise ValueError(message)
    return 0


cdef inline Strided strided(const double[:, ::1] values) noexcept:
    # an axis of length one is shared
    cdef Strided s
    s.data = &values[0, 0]
    s.row_stride = <size_t>values.shape[1] if values.shape[0] > 1 else 0
    s.column_stride = 1 if values.shape[1] > 1 else 0
    return s


cdef inline int fill_sources(
    Sources* sources,
    size_t n_rows,
    size_t n_columns,
    const double[:, ::1] shear,
    const double[:, ::1] convergence,
    const double[:, ::1] plane_inverse,
    const double[:, ::1] plane_weight,
) except -1:
    check(shear.shape[0] in (1, n_rows) and shear.shape[1] in (1, n_columns), "shear")
    check(
        convergence.shape[0] in (1, n_rows) and convergence.shape[1] in (1, n_columns),
        "convergence",
    )
    sources.shear = strided(shear)
    sources.convergence = strided(convergence)
    sources.n_planes = 0
    if plane_inverse is None:
        return 0
    check(plane_inverse.shape[0] in (1, n_rows), "plane_inverse: (1|n, k)")
    check(
        plane_weight.shape[0] in (1, n_rows)
        and plane_weight.shape[1] == plane_inverse.shape[1],
        "plane_weight: (1|n, k)",
    )
    sources.n_planes = plane_inverse.shape[1]
    sources.plane_inverse = &plane_inverse[0, 0]
    sources.plane_weight = &plane_weight[0, 0]
    sources.plane_row_stride = plane_inverse.shape[1] if plane_inverse.shape[0] > 1 else 0
    sources.weight_row_stride = plane_weight.shape[1] if plane_weight.shape[0] > 1 else 0
    return 0


cdef inline int fill_batch(
    ProfileBatch* batch,
    const double[:, ::1] radius,
    const double[::1] density_scale,
    const double[::1] radius_scale,
    double[:, ::1] out,
) except -1:
    cdef size_t n_rows = out.shape[0]
    cdef size_t n_columns = out.shape[1]
    check(density_scale.shape[0] == n_rows and radius_scale.shape[0] == n_rows, "scales: (n_rows,)")
    check(radius.shape[0] in (1, n_rows) and radius.shape[1] == n_columns, "radius: (1|n, m)")
    batch.radius = strided(radius)
    batch.radius.column_stride = 1
    batch.n_rows = n_rows
    batch.n_columns = n_columns
    batch.density_scale = &density_scale[0]
    batch.radius_scale = &radius_scale[0]
    batch.shape = NULL
    batch.sources.n_planes = 0
    batch.out = &out[0, 0]
    return 0
