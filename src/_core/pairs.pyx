# distutils: language = c++
"""Sums over pairs of centres and galaxies."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t

cdef extern from "clmassmod/pair_sums.hpp" namespace "clmassmod" nogil:
    cdef enum:
        kPairSums
    cdef struct SkyGrid:
        double u_start, u_width, v_start, band_height, period
        size_t n_bands
        const int64_t* first_cell
    cdef struct PairGalaxies:
        size_t n
        const double *p0
        const double *p1
        const double *p2
        const double *p3
        const double *e1
        const double *e2
        const double *weight
        const double *noise
        const double *t
    cdef struct PairCentres:
        size_t n
        const double *u
        const double *v
        const double *du
        const double *dv
        const double *a
        const double *d
        const double *limit
        const double *edges
        size_t n_bins
    void sort_into_cells(
        const SkyGrid& grid, const double* u, const double* v, size_t n,
        int64_t* order, int64_t* start
    ) except +
    void on_sphere "clmassmod::sum_pairs<false, clmassmod::Sphere>"(
        const PairGalaxies&, const SkyGrid&, const int64_t*, const PairCentres&, int, double*
    ) except +
    void on_sphere_critical "clmassmod::sum_pairs<true, clmassmod::Sphere>"(
        const PairGalaxies&, const SkyGrid&, const int64_t*, const PairCentres&, int, double*
    ) except +
    void on_flat_sky "clmassmod::sum_pairs<false, clmassmod::FlatSky>"(
        const PairGalaxies&, const SkyGrid&, const int64_t*, const PairCentres&, int, double*
    ) except +
    void on_flat_sky_critical "clmassmod::sum_pairs<true, clmassmod::FlatSky>"(
        const PairGalaxies&, const SkyGrid&, const int64_t*, const PairCentres&, int, double*
    ) except +
    void in_plane "clmassmod::sum_pairs<false, clmassmod::Plane>"(
        const PairGalaxies&, const SkyGrid&, const int64_t*, const PairCentres&, int, double*
    ) except +
    void in_plane_critical "clmassmod::sum_pairs<true, clmassmod::Plane>"(
        const PairGalaxies&, const SkyGrid&, const int64_t*, const PairCentres&, int, double*
    ) except +

ctypedef void (*PairFunction)(
    const PairGalaxies&, const SkyGrid&, const int64_t*, const PairCentres&, int, double*
) except + nogil

N_SUMS = kPairSums


cdef SkyGrid _grid(tuple bounds, const int64_t[::1] first_cell) except *:
    cdef SkyGrid grid
    grid.u_start, grid.u_width, grid.v_start, grid.band_height, grid.period = bounds
    grid.n_bands = first_cell.shape[0] - 1
    grid.first_cell = &first_cell[0]
    return grid


def sort_galaxies(
    tuple bounds,
    const int64_t[::1] first_cell,
    const double[::1] u,
    const double[::1] v,
    int64_t[::1] order,
    int64_t[::1] start,
):
    """Fill `order` (n,) and `start` (n_cells + 1,); bounds: u start and width, v start, band height, period."""
    cdef size_t n = u.shape[0]
    cdef SkyGrid grid
    if first_cell.shape[0] < 2 or v.shape[0] != u.shape[0] or order.shape[0] != u.shape[0]:
        raise ValueError("u, v, order: (n,), first_cell: (n_bands + 1,)")
    if start.shape[0] != first_cell[first_cell.shape[0] - 1] + 1:
        raise ValueError("start: (n_cells + 1,)")
    if n == 0:
        start[:] = 0
        return
    grid = _grid(bounds, first_cell)
    with nogil:
        sort_into_cells(grid, &u[0], &v[0], n, &order[0], &start[0])


def pair_sums(
    str frame,
    bint critical,
    tuple bounds,
    const int64_t[::1] first_cell,
    const int64_t[::1] start,
    const double[:, ::1] galaxies,
    const double[:, ::1] centres,
    const double[:, ::1] edges,
    double[:, :, ::1] out,
    int n_threads,
):
    """Fill `out` (n_centres, n_bins, N_SUMS), in the frame "sphere", "flat_sky" or "plane".

    galaxies: (9, n), the fields of PairGalaxies in their order; centres: (7, n_centres), those of
    PairCentres up to edges; edges: (n_centres, n_bins + 1).
    """
    cdef PairGalaxies g
    cdef PairCentres c
    cdef SkyGrid grid
    if galaxies.shape[0] != 9 or centres.shape[0] != 7:
        raise ValueError("galaxies: (9, n), centres: (7, n_centres)")
    if edges.shape[0] != centres.shape[1] or edges.shape[1] < 2 or first_cell.shape[0] < 2:
        raise ValueError("edges: (n_centres, n_bins + 1), first_cell: (n_bands + 1,)")
    if (
        out.shape[0] != centres.shape[1] or out.shape[1] != edges.shape[1] - 1
        or out.shape[2] != kPairSums
    ):
        raise ValueError("out: (n_centres, n_bins, N_SUMS)")
    if (
        start.shape[0] != first_cell[first_cell.shape[0] - 1] + 1
        or start[start.shape[0] - 1] != galaxies.shape[1]
    ):
        raise ValueError("start: (n_cells + 1,), from 0 to n")
    if centres.shape[1] == 0:
        return
    if galaxies.shape[1] == 0:
        out[:] = 0.0
        return
    grid = _grid(bounds, first_cell)
    g.n = galaxies.shape[1]
    g.p0, g.p1, g.p2, g.p3 = &galaxies[0, 0], &galaxies[1, 0], &galaxies[2, 0], &galaxies[3, 0]
    g.e1, g.e2, g.weight = &galaxies[4, 0], &galaxies[5, 0], &galaxies[6, 0]
    g.noise, g.t = &galaxies[7, 0], &galaxies[8, 0]
    c.n = centres.shape[1]
    c.u, c.v, c.du, c.dv = &centres[0, 0], &centres[1, 0], &centres[2, 0], &centres[3, 0]
    c.a, c.d, c.limit = &centres[4, 0], &centres[5, 0], &centres[6, 0]
    c.edges = &edges[0, 0]
    c.n_bins = edges.shape[1] - 1
    cdef PairFunction function
    if frame == "sphere":
        function = on_sphere_critical if critical else on_sphere
    elif frame == "flat_sky":
        function = on_flat_sky_critical if critical else on_flat_sky
    elif frame == "plane":
        function = in_plane_critical if critical else in_plane
    else:
        raise ValueError("frame: sphere, flat_sky or plane")
    with nogil:
        function(g, grid, &start[0], c, n_threads, &out[0, 0, 0])
